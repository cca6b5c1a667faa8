"""What the history of a check promises: order, backdated uptime, one word when it flaps, rings that keep failures."""

from __future__ import annotations

import functools
import itertools
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support import wait_until
from test_scheduler import SteppedClock, let_pass

from minimon import Check, CheckState, Monitor
from minimon.evaluate import CALM, FLAPS, advance
from minimon.history import FAILURES, RECENT, History
from minimon.model import Change, Outcome, Result, Status, result_view, stamp
from minimon.registry import Registry
from minimon.testing import FakeClock

INF = float("inf")
OUTCOMES = {"p": Outcome.PASS, "w": Outcome.WARN, "f": Outcome.FAIL, "u": Outcome.UNKNOWN}
REASONS = {"p": "", "w": "condition", "f": "connect", "u": "timeout"}
NOON = 1_699_963_200.0
"""12:00:00 UTC of 2023-11-14, when a Kept begins."""


class Kept:
    """A registry with one check, on a clock that is moved by hand. Runs are letters: pass, warn, fail, unknown."""

    def __init__(self, fall: int = 1, rise: int = 1, lasts: float = INF, **options: Any) -> None:
        self.clock = FakeClock(1_000.0, wall=NOON)
        self.registry = Registry(self.clock)
        self.check = Check("a", print, fall=fall, rise=rise, **options)
        self.registry.add(self.check, INF)
        self.lasts = lasts

    def result(self, letter: str, **fields: Any) -> Result:
        """A result of now."""
        seen = {"reason": REASONS[letter], "when": self.clock.time(), "started": self.clock.monotonic(), **fields}
        return Result("a", OUTCOMES[letter], **seen)

    def record(self, result: Result) -> Change | None:
        """Fold it in."""
        return self.registry.record(self.check, result, self.lasts)

    def run(self, letters: str, gap: float = 10.0, takes: float = 0.0, **fields: Any) -> list[Change]:
        """Run after run, each `gap` seconds after the end of the one before; the changes."""
        changes = []
        for letter in letters:
            self.clock.advance(gap)
            result = self.result(letter, **fields)
            self.clock.advance(takes)
            change = self.record(result)
            assert change is not None
            changes.append(change)
        return changes

    @property
    def state(self) -> CheckState:
        """As of now."""
        return self.registry.state("a")

    def view(self) -> dict[str, Any]:
        """What a snapshot says of the check."""
        view: dict[str, Any] = self.registry.snapshot()["checks"]["a"]
        return view

    def seconds(self, window: str = "1h") -> tuple[float, float, int]:
        """Seconds covered and down, and incidents, of a window of an hour."""
        seen = self.view()["uptime"][window]
        return round(seen["coverage"] * 3600.0, 1), seen["down_s"], seen["incidents"]

    def events(self) -> list[tuple[str, str, str]]:
        """Kind, before and after of each."""
        return [(event["kind"], event["before"], event["after"]) for event in self.registry.snapshot()["events"]]

    def kinds(self) -> list[str]:
        """The kinds of the events that are no plain change."""
        return [kind for kind, _, _ in self.events() if kind != "change"]


def told(changes: list[Change]) -> list[tuple[str, str]]:
    """What on_change would be called with: before and after."""
    return [(change.before.status.value, change.after.status.value) for change in changes if change.news]


# Order


def test_a_result_that_was_overtaken_is_ignored() -> None:
    """One that was started before the latest one moves nothing, and is counted."""
    kept = Kept()
    kept.run("pp")
    before = kept.state
    assert (None, before, 1) == (kept.record(kept.result("f", started=1_015.0)), kept.state, kept.registry.late)


def test_a_result_that_comes_twice_is_ignored() -> None:
    """Once is enough, and the second time is counted."""
    kept = Kept()
    result = kept.run("f")[-1].result
    before = kept.state
    assert (None, before, 1) == (kept.record(result), kept.state, kept.registry.late)


def test_an_older_result_that_comes_twice_is_ignored() -> None:
    """It need not be the latest."""
    kept = Kept()
    first = kept.run("ppp")[0].result
    assert (None, 3, 1) == (kept.record(first), kept.state.counts.pass_, kept.registry.late)


def test_two_results_of_one_instant_both_count() -> None:
    """The clock of a machine may be coarse: only what is the same is one."""
    kept = Kept()
    kept.run("pf", gap=0.0)
    assert (0, 2, "down") == (kept.registry.late, sum(kept.state.counts), kept.state.status)


def test_results_of_which_the_start_is_not_known_come_in_order() -> None:
    """Then nobody can say that one is late."""
    kept = Kept()
    kept.run("ppp", started=None)
    assert (0, 3) == (kept.registry.late, kept.state.counts.pass_)


def test_a_late_result_changes_no_page() -> None:
    """Neither counts nor rings nor uptime nor latency nor events have seen it."""
    kept = Kept()
    kept.run("pfp")
    before = kept.registry.snapshot()
    kept.record(kept.result("f", started=1_001.0, elapsed=9.0))
    assert before == kept.registry.snapshot()


def test_a_late_result_keeps_nothing_fresh() -> None:
    """The latest one counts as long as it did."""
    kept = Kept(lasts=20.0)
    kept.run("p")
    kept.clock.advance(19.0)
    kept.record(kept.result("p", started=1_001.0))
    kept.clock.advance(2.0)
    assert ("unknown", 1) == (kept.state.status, kept.registry.late)


def test_the_late_ones_of_all_checks_are_counted_together() -> None:
    """And shown among the monitor's own figures."""
    clock = FakeClock(1_000.0, wall=NOON)
    monitor = Monitor(clock=clock)
    for check in (monitor.add(Check("a", print)), monitor.add(Check("b", print))):
        result = Result(check.name, Outcome.PASS, started=1_000.0)
        for _ in range(3):
            monitor._registry.record(check, result, INF)
    assert 4 == monitor.snapshot()["self"]["late"]


@pytest.mark.parametrize("seed", range(5))
def test_in_any_order_only_what_is_newer_counts(seed: int) -> None:
    """Results that come shuffled and twice lead to the state of those alone that overtook all before them."""
    chance = random.Random(seed)
    kept, sent = Kept(3, 2), []
    for number in range(60):
        letter = chance.choice("pwfu")
        sent += [kept.result(letter, when=NOON + number, started=1_000.0 + number)] * chance.randint(1, 2)
    sent = [result for _, result in sorted((n + chance.uniform(0, 6), result) for n, result in enumerate(sent))]
    latest, wanted, state = -INF, 0, CheckState("a", since=NOON)
    for result in sent:
        assert result.started is not None
        if result.started > latest:
            latest, wanted, state = result.started, wanted + 1, advance(kept.check, state, result)
        kept.record(result)
    assert (state, len(sent) - wanted) == (kept.state._replace(flapping=False), kept.registry.late)


# Since


def test_since_is_when_the_run_was_started_that_decided_it() -> None:
    """The third failure, and not the first; its start, and not its end."""
    kept = Kept(3, 2)
    kept.run("pfff", gap=8.0, takes=2.0)
    assert (NOON + 38.0, 1_018.0) == (kept.state.since, kept.state.turned)


def test_turned_is_when_the_first_in_a_row_was_started() -> None:
    """A warning is an answer as a pass is; failures and unknown results are rows of their own."""
    kept = Kept(3, 3)
    turned = [change.after.turned for change in kept.run("ppwpffuup")]
    assert [1_010.0] * 4 + [1_050.0] * 2 + [1_070.0] * 2 + [1_090.0] == turned


# Uptime


@pytest.mark.parametrize(
    ("fall", "rise", "script", "covered", "down", "incidents"),
    [
        # up from the first pass
        (3, 2, "p", 0, 0, 0),
        (3, 2, "ppp", 20, 0, 0),
        # down from the first of the failures that decided it
        (1, 1, "pff", 20, 10, 1),
        (3, 2, "pfff", 30, 20, 1),
        (3, 2, "pffffff", 60, 50, 1),
        # failures that decided nothing were up
        (3, 2, "pffpp", 40, 0, 0),
        (3, 2, "pffpfff", 60, 20, 1),
        # up from the first of the passes
        (3, 2, "pfffpp", 50, 30, 1),
        (3, 3, "pfffpwp", 60, 30, 1),
        (3, 2, "pfffpfpp", 70, 50, 1),
        # a pass that decided nothing was down
        (1, 3, "pfppfp", 50, 40, 1),
        # the first status ever, too
        (3, 2, "f", 0, 0, 0),
        (3, 2, "ff", 0, 0, 0),
        (3, 2, "fff", 20, 20, 1),
        (3, 2, "ffp", 0, 0, 0),
        (3, 2, "ffpp", 10, 0, 0),
        # degraded is up
        (1, 1, "pwwff", 40, 10, 1),
        (1, 1, "wwp", 20, 0, 0),
        # unknown is not covered, from the first of it
        (3, 2, "pu", 10, 0, 0),
        (3, 2, "puuu", 10, 0, 0),
        (3, 2, "puup", 10, 0, 0),
        (3, 2, "puupp", 20, 0, 0),
        # what was undecided is not covered either, until it is decided
        (3, 2, "pufp", 10, 0, 0),
        (3, 2, "pufff", 30, 20, 1),
        # down before and after something unknown is one incident
        (1, 2, "pfuf", 20, 10, 1),
        (1, 2, "pfuff", 30, 20, 1),
        (1, 2, "pfup", 20, 10, 1),
        (1, 2, "pfupp", 30, 10, 1),
        (1, 1, "pfpfpfp", 60, 30, 3),
    ],
)
def test_time_counts_from_the_first_of_the_runs_that_decided(
    fall: int, rise: int, script: str, covered: float, down: float, incidents: int
) -> None:
    """Seconds covered and down, and incidents, of runs ten seconds apart."""
    kept = Kept(fall, rise)
    kept.run(script)
    assert (covered, down, incidents) == kept.seconds()


def test_time_counts_from_the_start_of_a_run() -> None:
    """A failure that took three seconds to be seen began before them, and a pass as well."""
    kept = Kept()
    kept.run("pfp", gap=10.0, takes=3.0)
    assert (29.0, 13.0, 1) == kept.seconds()


def test_down_goes_back_over_a_full_hour() -> None:
    """What is decided after the hour has ended counts where it began, in every window."""
    kept = Kept(3, 2)
    kept.run("p" * 359)
    kept.run("fff")
    down = [window["down_s"] for window in kept.view()["uptime"].values()]
    assert ([20.0] * 5, stamp(NOON + 3620.0)) == (down, kept.view()["last"]["at"])


def test_down_from_a_full_hour_on_is_an_incident_of_its_own() -> None:
    """In every window, though the hour before it is summed up, with an incident in it."""
    kept = Kept()
    kept.run("pffp")
    kept.run("p", 3_600.0 - 50.0)
    kept.run("f" * 3)
    assert [2] * 5 == [window["incidents"] for window in kept.view()["uptime"].values()]


def test_stale_time_is_not_covered() -> None:
    """From when the latest result counts no more until the start of the next one."""
    kept = Kept(lasts=25.0)
    kept.run("ppp")
    kept.run("p", gap=1_000.0)
    kept.run("p")
    assert (20.0 + 25.0 + 10.0, 0.0, 0) == kept.seconds()


def test_down_that_went_stale_is_one_incident() -> None:
    """Nobody knows of the time between, and nothing was seen to be up."""
    kept = Kept(lasts=25.0)
    kept.run("pff")
    kept.run("ff", gap=100.0)
    assert (10.0 + 10.0 + 25.0 + 25.0, 10.0 + 25.0 + 25.0, 1) == kept.seconds()


def test_failures_that_went_stale_do_not_reach_over_it() -> None:
    """Down begins with the first failure that was seen since, though one of before it counted for `fall`."""
    kept = Kept(3, 2, lasts=25.0)
    kept.run("pf")
    kept.run("f", gap=500.0)
    kept.run("f")
    assert (10.0 + 25.0 + 10.0, 10.0, 1) == kept.seconds()


def test_first_failures_that_went_stale_do_not_reach_over_it() -> None:
    """The same where nothing was decided before: the time in which nobody looked was not seen to be down."""
    kept = Kept(3, 2, lasts=25.0)
    kept.run("f")
    kept.run("f", gap=500.0)
    kept.run("f")
    assert (10.0, 10.0, 1) == kept.seconds()


@pytest.mark.parametrize("letter", "pf")
def test_paused_time_is_not_covered(letter: str) -> None:
    """Whatever the check was before."""
    kept = Kept()
    kept.run(letter * 3)
    kept.registry.pause("a", True)
    kept.clock.advance(500.0)
    kept.registry.pause("a", False)
    kept.run(letter * 2)
    assert 20.0 + 10.0 == kept.seconds()[0]


def test_a_result_that_comes_after_the_pause_covers_nothing() -> None:
    """A worker may have been at it when the check was paused."""
    kept = Kept()
    kept.run("pp")
    kept.registry.pause("a", True)
    kept.clock.advance(1.0)
    kept.record(kept.result("p"))
    kept.clock.advance(500.0)
    kept.registry.pause("a", False)
    kept.run("pp")
    assert 10.0 + 10.0 == kept.seconds()[0]


def test_failures_before_a_pause_do_not_reach_over_it() -> None:
    """They decide, but the time of the pause is not down."""
    kept = Kept(3, 2)
    kept.run("pff")
    kept.registry.pause("a", True)
    kept.clock.advance(500.0)
    kept.registry.pause("a", False)
    kept.run("ff")
    assert (20.0 + 10.0, 10.0, 1) == kept.seconds()


def test_time_without_a_monitor_is_not_covered() -> None:
    """From when it was absent until the start of the next run; and nothing that was counted reaches over it."""
    kept = Kept(3, 2)
    kept.run("pff")
    kept.registry.absent(kept.clock.monotonic() + 4.0)
    kept.run("ff", gap=500.0)
    assert (20.0 + 4.0 + 500.0, 500.0, 1) == kept.seconds()


def test_what_the_monitor_itself_has_lost_is_not_down() -> None:
    """Failures that decided are taken back from their first on, when it turns out that there was no network."""
    kept = Kept(2, 1)
    kept.run("pp")
    kept.run("ff")
    kept.registry.lose("a", "no network", kept.clock.monotonic() - 15.0)
    assert ((10.0 + 10.0, 0.0, 0), "unknown") == (kept.seconds(), kept.state.status)


class Book:
    """Stretches of (begin, kind), by the words of the plan: a look at the whole list after each run."""

    def __init__(self, begin: float) -> None:
        self.stretches: list[tuple[float, str]] = [(begin, "none")]

    def turn(self, at: float, kind: str) -> None:
        """From then on, whatever was written for later."""
        at = max(at, self.stretches[-1][0])
        if kind != self.stretches[-1][1]:
            self.stretches = [stretch for stretch in self.stretches if stretch[0] < at] + [(at, kind)]

    def seconds(self, start: float, end: float) -> tuple[float, float, int]:
        """Covered and down, and how often it went down, between two instants."""
        covered = down = 0.0
        incidents, was_down = 0, False
        ends = [begin for begin, _ in self.stretches[1:]] + [INF]
        for (begin, kind), until in zip(self.stretches, ends):
            length = min(end, until) - max(start, begin)
            if length > 0 and kind != "none":
                covered += length
                down += length if kind == "down" else 0.0
                incidents += kind == "down" and not was_down
                was_down = kind == "down"
        return covered, down, incidents


def lived(seed: int) -> Iterator[tuple[Kept, Book]]:
    """A life at random: runs, stale times, pauses and absences; and what is to be found after each run."""
    chance = random.Random(seed)
    kept = Kept(chance.randint(1, 3), chance.randint(1, 3), lasts=50.0)
    clock, book, state = kept.clock, Book(NOON), CheckState("a", since=NOON)
    letter, row, turned, expires = "p", "", None, INF
    for _ in range(150):
        clock.advance(0.25)
        what = chance.random()
        if what < 0.05:
            kept.registry.pause("a", True)
        elif what < 0.1:
            kept.registry.absent(clock.monotonic())
        if what < 0.1:
            if clock.monotonic() > expires and state.status is not Status.UNKNOWN:
                book.turn(expires - 1_000.0 + NOON, "none")
            book.turn(clock.time(), "none")
            turned = None
        clock.advance(chance.choice([0.5, 8.0, 10.0, 30.0, 51.0, 300.0]))
        kept.registry.pause("a", False)
        letter = chance.choice("pwfu") if chance.random() < 0.5 else letter
        result, begun = kept.result(letter), clock.time()
        clock.advance(chance.choice([0.0, 0.25, 4.0]))
        if clock.monotonic() > expires:
            book.turn(expires - 1_000.0 + NOON, "none")
            turned = None
            state = state._replace(status=Status.UNKNOWN)
        kind = {"w": "p"}.get(letter, letter)
        if kind != row or turned is None:
            row, turned = kind, begun
        state, expires = advance(kept.check, state, result), clock.monotonic() + 50.0
        book.turn(turned, {"up": "up", "degraded": "up", "down": "down", "unknown": "none"}[state.status])
        kept.record(result)
        yield kept, book


WINDOWS = {"1h": 3600.0, "24h": 86_400.0, "7d": 7 * 86_400.0, "30d": 30 * 86_400.0, "90d": 90 * 86_400.0}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 30))])
def test_any_life_is_as_the_book_has_it(seed: int) -> None:
    """Seconds and incidents of every window, after each run."""
    for kept, book in lived(seed):
        now = kept.clock.time()
        for window, length in WINDOWS.items():
            seen = kept.view()["uptime"][window]
            covered, down, incidents = book.seconds(now - length, now)
            assert incidents == seen["incidents"]
            assert pytest.approx(down, abs=0.01) == seen["down_s"]
            assert window not in ("1h", "24h") or pytest.approx(covered / length, abs=1e-6) == seen["coverage"]


# Staleness


def test_what_goes_stale_is_told_at_that_moment() -> None:
    """By an event and to on_change, when the instant comes at which the latest result counts no more."""
    clock = SteppedClock(1_000.0, wall=NOON)
    changes: list[Change] = []
    free = threading.Event()
    hog = Check("hog", lambda: free.wait(20.0), timeout=1_000, initial_delay=1)
    checks = [Check("a", lambda: True, initial_delay=0), hog]
    options: dict[str, Any] = {"clock": clock, "min_workers": 1, "max_workers": 1, "on_change": changes.append}
    with Monitor(checks, **options) as monitor:
        assert wait_until(lambda: monitor.state("a").last)
        let_pass(clock, 30.0)
        events = [(event["at"], event["after"]) for event in monitor.snapshot()["events"] if event["check"] == "a"]
        free.set()
    assert [(stamp(NOON), "up"), (stamp(NOON + 25.0), "unknown")] == events
    assert ["up", "unknown"] == [change.after.status for change in changes if change.name == "a"]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(24.9, None), (25.0, "unknown"), (25.1, "unknown"), (1e6, "unknown")]
)
def test_a_result_that_was_not_refreshed_is_found_once(seconds: float, expected: str | None) -> None:
    """Not before its time is over; the change is of when it was, and the second time there is none."""
    kept = Kept(lasts=25.0)
    kept.run("p")
    kept.clock.advance(seconds)
    first, second = kept.registry.expire(kept.check), kept.registry.expire(kept.check)
    assert (expected, None) == (first and first.after.status, second)
    assert first is None or ("stale", NOON + 35.0, NOON + 35.0) == (
        first.result.reason,
        first.result.when,
        first.after.since,
    )


# Flapping


@pytest.mark.parametrize(
    ("script", "gap", "expected"),
    [
        ("pfpf", 10.0, []),
        ("pfpfp", 10.0, ["flapping"]),
        ("pfpfpfpfpf", 10.0, ["flapping"]),
        ("pwpwp", 10.0, ["flapping"]),
        ("pupup", 10.0, ["flapping"]),
        ("pwfup", 10.0, ["flapping"]),
        ("pfpfp", 200.0, ["flapping"]),
        ("pfpfp", 200.1, []),
        ("pfpfpfpfpf", 200.1, []),
        ("ppffppffpp", 60.0, ["flapping"]),
        ("pppfff" * 4, 100.0, []),
    ],
)
def test_four_changes_in_ten_minutes_are_flapping(script: str, gap: float, expected: list[str]) -> None:
    """One event, and then silence."""
    kept = Kept()
    kept.run(script, gap)
    assert expected == kept.kinds()


def test_the_fourth_change_is_told_and_marked() -> None:
    """What comes after it is not, though the state stays true."""
    changes = Kept().run("pfpfpfpf")
    expected = [("unknown", "up"), ("up", "down"), ("down", "up"), ("up", "down"), ("down", "up")]
    assert (expected, "up down up down up down up down".split(), [False] * 4 + [True] * 4) == (
        told(changes),
        [change.after.status for change in changes],
        [change.after.flapping for change in changes],
    )


def test_flapping_is_silent() -> None:
    """After its event no change is one."""
    kept = Kept()
    kept.run("pfpf" * 10)
    expected = [("change", "unknown", "up"), ("change", "up", "down"), ("change", "down", "up")]
    assert [*expected, ("change", "up", "down"), ("flapping", "down", "up")] == kept.events()


def test_the_view_says_that_it_flaps() -> None:
    """Beside the status, which is that of now."""
    kept = Kept()
    kept.run("pfpfpf")
    assert (True, "down") == (kept.view()["flapping"], kept.view()["status"])


@pytest.mark.parametrize(
    ("script", "told_after"),
    [
        ("pfpfp", []),
        ("pfpfpf", [("up", "down")]),
        ("pfpfpfp", []),
        ("pfpfpw", [("up", "degraded")]),
        ("pfpfpu", [("up", "unknown")]),
        ("pfpfu", []),
    ],
)
def test_calm_is_told_when_the_status_differs_from_the_one_told_last(
    script: str, told_after: list[tuple[str, str]]
) -> None:
    """Ten minutes after the last change, once; and one event says that it is heard again."""
    kept = Kept()
    last = script[-1]
    kept.run(script)
    kept.run(last * 59)
    changes = kept.run(last * 20)
    assert (told_after, ["flapping", "calm"], False) == (told(changes), kept.kinds(), kept.state.flapping)


@pytest.mark.parametrize(("seconds", "expected"), [(CALM - 0.01, ["flapping"]), (CALM, ["flapping", "calm"])])
def test_calm_takes_ten_minutes_from_the_last_change(seconds: float, expected: list[str]) -> None:
    """And not from when it began to flap."""
    kept = Kept()
    kept.run("pfpfpfpfpf")
    kept.run("f", seconds)
    assert expected == kept.kinds()


def test_a_change_begins_the_ten_minutes_anew() -> None:
    """As long as it changes within them it is not calm."""
    kept = Kept()
    kept.run("pfpfp")
    kept.run("fpfpfp", CALM - 1.0)
    assert ["flapping"] == kept.kinds()


def test_a_change_after_ten_calm_minutes_is_told() -> None:
    """It is heard again with that very run, which is the first change of a new count."""
    kept = Kept()
    kept.run("pfpfp")
    changes = kept.run("f", CALM) + kept.run("pf") + kept.run("p")
    expected = [("up", "down"), ("down", "up"), ("up", "down"), ("down", "up")]
    assert (expected, ["flapping", "calm", "flapping"]) == (told(changes), kept.kinds())


@pytest.mark.parametrize("script", ["fpfpf", "upfpf", "wpwpw"])
def test_the_first_status_ever_is_no_change(script: str) -> None:
    """Whatever it is."""
    kept = Kept()
    flapping = [change.after.flapping for change in kept.run(script)]
    assert [False] * 4 == flapping[:4]


def test_a_first_status_that_takes_several_failures_is_no_change() -> None:
    """Until then there was none: the fourth change after it makes it flapping, and not the third."""
    kept = Kept(2, 1)
    assert [] == [n for n, change in enumerate(kept.run("ffpffp"), 1) if change.after.flapping]


def test_what_went_stale_does_not_flap() -> None:
    """That nobody looked is no change of the target's."""
    kept = Kept(lasts=15.0)
    kept.run("p" * 20, 20.0)
    assert ([], 20) == (kept.kinds(), kept.events().count(("change", "unknown", "up")))


def test_a_change_that_was_found_after_it_went_stale_counts_once() -> None:
    """Up, stale, down is one change, and not two."""
    kept = Kept(lasts=15.0)
    kept.run("pfpf", 20.0)
    before = kept.kinds()
    kept.run("p", 20.0)
    assert ([], ["flapping"]) == (before, kept.kinds())


def test_what_the_monitor_lost_does_not_flap() -> None:
    """Results that are unknown because there was no network are no change of the target's."""
    kept = Kept()
    for _ in range(10):
        kept.run("p")
        kept.run("u", reason="lost")
    assert [] == kept.kinds()


def test_failures_that_were_taken_back_do_not_flap() -> None:
    """Down because of our own network is no change of the target's, and nor is up again after it."""
    kept = Kept()
    for _ in range(3):
        kept.run("pf")
        kept.registry.lose("a", "no network", kept.clock.monotonic())
    kept.run("p")
    assert [] == kept.kinds()


def test_starts_and_stops_are_no_flapping_of_the_monitor() -> None:
    """A host may start and stop it as often as it likes: the check `minimon` goes on to be heard."""
    clock = FakeClock(1_000.0, wall=NOON)
    monitor = Monitor(clock=clock)
    for _ in range(4):
        with monitor:
            clock.advance(0.0)
    assert (["start", "stop"] * 4, False) == (
        [event["kind"] for event in monitor.snapshot()["events"]],
        monitor.state("minimon").flapping,
    )


@functools.cache
def restless(seed: int) -> tuple[Kept, list[Change], list[bool], int]:
    """A check that changes often, at random; whether it was flapping after each run, by the words of the plan."""
    chance, kept = random.Random(seed), Kept()
    changes: list[Change] = []
    times: list[float] = []
    expected, flapping, turns = [], False, 0
    for _ in range(200):
        changes += kept.run(chance.choice("pppfw"), chance.choice([20.0, 100.0, 200.0, 300.0]))
        now = kept.clock.monotonic()
        if calm := flapping and now - times[-1] >= CALM:
            flapping, times, turns = False, [], turns + 1
        if len(changes) > 1 and changes[-1].after.status is not changes[-2].after.status:
            times.append(now)
        if not (flapping or calm) and len(times) >= FLAPS and now - times[-FLAPS] <= CALM:
            flapping, turns = True, turns + 1
        expected.append(flapping)
    return kept, changes, expected, turns


SEEDS = pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 20))])


@SEEDS
def test_flapping_begins_and_ends_by_the_book(seed: int) -> None:
    """Over a restless life."""
    _, changes, expected, _ = restless(seed)
    assert expected == [change.after.flapping for change in changes]


@SEEDS
def test_flapping_and_calm_take_turns(seed: int) -> None:
    """Never two of a kind in a row among the events that are left."""
    kept, _, _, turns = restless(seed)
    kinds = kept.kinds()
    assert (True, []) == (turns > 2, [one for one, other in zip(kinds, kinds[1:]) if one == other])


@SEEDS
def test_who_is_told_never_misses_a_step(seed: int) -> None:
    """Each change that is told begins with the status that was told before."""
    steps = told(restless(seed)[1])
    assert ["unknown", *(after for _, after in steps[:-1])] == [before for before, _ in steps]


def change_of(name: str, before: Status, after: Status, flapping: tuple[bool, bool] = (False, False)) -> Change:
    """A change between two states."""
    states = [CheckState(name, status, flapping=flaps) for status, flaps in zip((before, after), flapping)]
    return Change(name, Check(name, print), states[0], states[1], Result(name, Outcome.PASS))


@pytest.mark.parametrize(
    ("flapping", "expected"),
    [((False, False), True), ((False, True), True), ((True, False), True), ((True, True), False)],
)
def test_news_is_another_status_unless_it_flaps(flapping: tuple[bool, bool], expected: bool) -> None:
    """Its begin and its end are told."""
    assert expected is change_of("a", Status.UP, Status.DOWN, flapping).news


@pytest.mark.parametrize("flapping", list(itertools.product([False, True], repeat=2)))
def test_the_same_status_is_no_news(flapping: tuple[bool, bool]) -> None:
    """Whatever else has changed."""
    assert False is change_of("a", Status.UP, Status.UP, flapping).news


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Status.UNKNOWN, Status.UP, False),
        (Status.UP, Status.UNKNOWN, False),
        (Status.UP, Status.DEGRADED, True),
        (Status.DEGRADED, Status.UP, True),
        (Status.UNKNOWN, Status.DEGRADED, True),
        (Status.DEGRADED, Status.UNKNOWN, True),
    ],
)
def test_that_the_monitor_starts_or_stops_is_no_news(before: Status, after: Status, expected: bool) -> None:
    """Of its check of itself only troubles are told."""
    assert expected is change_of("minimon", before, after).news


# Rings


def ringed(letters: str) -> History:
    """A history of these runs; the detail of each is its number."""
    history = History(Check("a", print), NOON, NOON, INF)
    for number, letter in enumerate(letters, 1):
        result = Result("a", OUTCOMES[letter], REASONS[letter], str(number), NOON + number, started=float(number))
        history.record(result, result_view(result), NOON + number, NOON)
    return history


def numbers(ring: list[dict[str, Any]]) -> list[int]:
    """Which runs are in a ring."""
    return [index[seen["at"]] for seen in ring]


index = {stamp(NOON + number): number for number in range(1_000)}


@pytest.mark.parametrize("seed", range(20))
def test_the_rings_hold_the_latest_runs_and_failures(seed: int) -> None:
    """16 runs, and before them as many older failures as make 8 with those among them."""
    chance = random.Random(seed)
    share = chance.choice([0.03, 0.2, 0.5, 0.9])
    letters = "".join(chance.choice("fu" if chance.random() < share else "pw") for _ in range(150))
    failed = [number for number, letter in enumerate(letters, 1) if letter in "fu"]
    history = ringed(letters)
    latest = list(range(151 - RECENT, 151))
    older = [number for number in failed[-FAILURES:] if number not in latest]
    assert (latest, older) == (numbers(history.kept[history.older :]), numbers(history.kept[: history.older]))


def test_successes_never_push_a_failure_out() -> None:
    """However many there are."""
    assert (list(range(1, 9)), list(range(985, 1_000))) == (
        numbers(ringed("f" * 8 + "p" * 991).kept)[:8],
        numbers(ringed("f" * 8 + "p" * 991).kept)[9:],
    )


def test_the_detail_of_failures_is_kept() -> None:
    """Of what is in the rings, no other run has one."""
    history = ringed("pwfu" * 10)
    rings = history.kept
    kept = {number: seen["detail"] for number, seen in zip(numbers(rings), rings)}
    assert [str(number) if number % 4 in (3, 0) else "" for number in kept] == list(kept.values())


@pytest.mark.parametrize("letter", "pwfu")
def test_the_detail_of_the_last_run_is_kept(letter: str) -> None:
    """Whatever its outcome."""
    kept = Kept()
    kept.run(f"pp{letter}", detail="why")
    assert "why" == kept.view()["last"]["detail"]


def test_the_detail_of_a_run_before_the_last_goes() -> None:
    """Of passes and warnings."""
    kept = Kept()
    kept.run("wwp", detail="why")
    kept.run("p")
    assert ["", "", "", ""] == [seen["detail"] for seen in kept.view()["recent"]]
