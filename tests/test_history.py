"""What the history of a check promises: order, backdated uptime, one word when it flaps, rings that keep failures."""

from __future__ import annotations

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


def test_a_late_result_changes_nothing() -> None:
    """Neither counts nor rings nor uptime nor latency nor events have seen it, and it keeps nothing fresh."""
    kept = Kept(lasts=20.0)
    kept.run("pfp")
    kept.clock.advance(19.0)
    before = kept.registry.snapshot()
    assert None is kept.record(kept.result("f", started=1_001.0, elapsed=9.0))
    after = kept.registry.snapshot()
    kept.clock.advance(2.0)
    assert (before, "unknown", 1) == (after, kept.state.status, kept.registry.late)


@pytest.mark.parametrize("fields", [{}, {"started": None}])
def test_two_results_that_nobody_can_order_both_count(fields: dict[str, Any]) -> None:
    """The clock of a machine may be coarse: only what is the same is one."""
    kept = Kept()
    kept.run("pf", gap=0.0, **fields)
    assert (0, 2, "down") == (kept.registry.late, sum(kept.state.counts), kept.state.status)


def test_the_late_ones_of_all_checks_are_counted_together() -> None:
    """And shown among the monitor's own figures."""
    monitor = Monitor(clock=FakeClock(1_000.0, wall=NOON))
    for check in (monitor.add(Check("a", print)), monitor.add(Check("b", print))):
        for _ in range(3):
            monitor._registry.record(check, Result(check.name, Outcome.PASS, started=1_000.0), INF)
    assert 4 == monitor.snapshot()["self"]["late"]


@pytest.mark.parametrize("seed", range(3))
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


# Uptime


@pytest.mark.parametrize(
    ("fall", "rise", "script", "covered", "down", "incidents"),
    [
        (3, 2, "pffpfff", 60, 20, 1),
        (1, 3, "pfppfp", 50, 40, 1),
        # the first status ever, too
        (3, 2, "fff", 20, 20, 1),
        (3, 2, "ffpp", 10, 0, 0),
        # degraded is up
        (1, 1, "pwwff", 40, 10, 1),
        # what is unknown or undecided is not covered, from the first of it
        (3, 2, "pufff", 30, 20, 1),
        # down before and after something unknown is one incident
        (1, 2, "pfuff", 30, 20, 1),
    ],
)
def test_time_counts_from_the_first_of_the_runs_that_decided(
    fall: int, rise: int, script: str, covered: float, down: float, incidents: int
) -> None:
    """Seconds covered and down, and incidents, of runs ten seconds apart."""
    kept = Kept(fall, rise)
    kept.run(script)
    assert (covered, down, incidents) == kept.seconds()


def test_down_goes_back_over_a_full_hour() -> None:
    """What is decided after the hour has ended counts where it began, in every window."""
    kept = Kept(3, 2)
    kept.run("p" * 358 + "fff")
    down = [window["down_s"] for window in kept.view()["uptime"].values()]
    assert ([20.0] * 5, stamp(NOON + 3610.0)) == (down, kept.view()["last"]["at"])


def test_first_failures_that_went_stale_do_not_reach_over_it() -> None:
    """The time in which nobody looked was not seen to be down, though what was before it counts for `fall`."""
    kept = Kept(3, 2, lasts=25.0)
    kept.run("f")
    kept.run("f", gap=500.0)
    kept.run("f")
    assert (10.0, 10.0, 1) == kept.seconds()


def test_what_the_monitor_itself_has_lost_is_not_down() -> None:
    """Failures that decided are taken back from their first on, when it turns out that there was no network."""
    kept = Kept(2, 1)
    kept.run("ppff")
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
        if (what := chance.random()) < 0.1:
            book.turn(min(clock.time(), expires), "none")
            turned = None
        if what < 0.05:
            kept.registry.pause("a", True)
            assert None is kept.record(kept.result("p"))  # a worker was at it
        elif what < 0.1:
            kept.registry.absent(clock.monotonic())
        clock.advance(chance.choice([0.5, 8.0, 10.0, 30.0, 51.0, 300.0]))
        kept.registry.pause("a", False)
        letter = chance.choice("pwfu") if chance.random() < 0.5 else letter
        result, begun = kept.result(letter), clock.time()
        clock.advance(chance.choice([0.0, 0.25, 4.0]))
        if clock.time() > expires:
            book.turn(expires, "none")
            turned, state = None, state._replace(status=Status.UNKNOWN)
        kind = {"w": "p"}.get(letter, letter)
        if kind != row or turned is None:
            row, turned = kind, begun
        state, expires = advance(kept.check, state, result), clock.time() + 50.0
        book.turn(turned, {"up": "up", "degraded": "up", "down": "down", "unknown": "none"}[state.status])
        kept.record(result)
        yield kept, book


WINDOWS = {"1h": 3600.0, "24h": 86_400.0, "7d": 7 * 86_400.0, "30d": 30 * 86_400.0, "90d": 90 * 86_400.0}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 30))])
def test_any_life_is_as_the_book_has_it(seed: int) -> None:
    """Seconds and incidents of every window, after each run."""
    for kept, book in lived(seed):
        now, uptime = kept.clock.time(), kept.view()["uptime"]
        for window, length in WINDOWS.items():
            seen, (covered, down, incidents) = uptime[window], book.seconds(now - length, now)
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


def test_a_result_that_was_not_refreshed_is_found_once() -> None:
    """Not before its time is over; the change is of when it was, and the second time there is none."""
    kept = Kept(lasts=25.0)
    kept.run("p")
    found = []
    for seconds in (24.9, 50.0, 1.0):
        kept.clock.advance(seconds)
        found.append(kept.registry.expire(kept.check))
    assert found[1] is not None and [None, None] == found[::2]
    result, after = found[1].result, found[1].after
    assert ("stale", NOON + 35.0, "unknown", NOON + 35.0) == (result.reason, result.when, after.status, after.since)


# Flapping


@pytest.mark.parametrize(
    ("fall", "lasts", "script", "gap", "expected"),
    [
        (1, INF, "pfpf", 10.0, []),
        (1, INF, "pfpfpfpfpf", 10.0, ["flapping"]),
        (1, INF, "pwfup", 10.0, ["flapping"]),
        (1, INF, "pfpfp", 200.0, ["flapping"]),
        (1, INF, "pfpfpfpfpf", 200.1, []),
        # the first status ever is no change, whatever it is and however many runs it takes
        (1, INF, "fpfp", 10.0, []),
        (1, INF, "upfpf", 10.0, []),
        (2, INF, "ffpffp", 10.0, []),
        # that nobody looked is no change of the target's: up, stale, down is one, and not two
        (1, 15.0, "ppppp", 20.0, []),
        (1, 15.0, "pfpf", 20.0, []),
        (1, 15.0, "pfpfp", 20.0, ["flapping"]),
    ],
)
def test_four_changes_in_ten_minutes_are_flapping(
    fall: int, lasts: float, script: str, gap: float, expected: list[str]
) -> None:
    """One event, and then silence."""
    kept = Kept(fall, lasts=lasts)
    kept.run(script, gap)
    assert expected == kept.kinds()


def test_flapping_is_silent() -> None:
    """The fourth change is told and marked; what comes after it is no event and not told, though the state is true."""
    kept = Kept()
    changes = kept.run("pfpfpfpf")
    steps = [("unknown", "up"), ("up", "down"), ("down", "up"), ("up", "down"), ("down", "up")]
    assert (steps, [False] * 4 + [True] * 4) == (told(changes), [change.after.flapping for change in changes])
    assert [*(("change", *step) for step in steps[:4]), ("flapping", "down", "up")] == kept.events()
    assert (True, "down") == (kept.view()["flapping"], kept.view()["status"])


@pytest.mark.parametrize(("script", "after"), [("pfpfp", []), ("pfpfpw", [("up", "degraded")]), ("pfpfu", [])])
def test_calm_is_told_when_the_status_differs_from_the_one_told_last(script: str, after: list[tuple[str, str]]) -> None:
    """Ten minutes after the last change, once; and one event says that it is heard again."""
    kept = Kept()
    kept.run(script + script[-1] * 59)
    before = kept.kinds()
    changes = kept.run(script[-1] * 20)
    assert (["flapping"], ["flapping", "calm"], after) == (before, kept.kinds(), told(changes))


@pytest.mark.parametrize("reason", ["lost", "skipped", "taken back"])
def test_what_the_monitor_did_not_see_does_not_flap(reason: str) -> None:
    """That we had no network, or no run, is no change of the target's; nor is it what was decided meanwhile."""
    kept = Kept()
    for _ in range(3):
        if reason == "taken back":
            kept.run("pf")
            kept.registry.lose("a", "no network", kept.clock.monotonic())
        else:
            kept.run("p")
            kept.run("u", reason=reason)
    kept.run("p")
    assert [] == kept.kinds()


def test_starts_and_stops_are_no_flapping_of_the_monitor() -> None:
    """A host may start and stop it as often as it likes: the check `minimon` goes on to be heard."""
    monitor = Monitor(clock=FakeClock(1_000.0, wall=NOON))
    for _ in range(4):
        with monitor:
            pass
    kinds = [event["kind"] for event in monitor.snapshot()["events"]]
    assert (["start", "stop"] * 4, False) == (kinds, monitor.state("minimon").flapping)


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


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 20))])
def test_a_restless_life_flaps_by_the_book(seed: int) -> None:
    """Flapping and calm take turns among the events that are left, and who is told never misses a step."""
    kept, changes, expected, turns = restless(seed)
    assert expected == [change.after.flapping for change in changes]
    kinds, steps = kept.kinds(), told(changes)
    assert (True, []) == (turns > 2, [one for one, other in zip(kinds, kinds[1:]) if one == other])
    assert ["unknown", *(after for _, after in steps[:-1])] == [before for before, _ in steps]


@pytest.mark.parametrize(
    ("name", "before", "after", "flapping", "expected"),
    [
        ("a", "unknown", "up", (False, False), True),
        ("a", "up", "down", (False, True), True),
        ("a", "up", "down", (True, False), True),
        ("a", "up", "down", (True, True), False),
        ("a", "up", "up", (False, True), False),
        # that the monitor starts or stops is none: of its check of itself only troubles are told
        ("minimon", "unknown", "up", (False, False), False),
        ("minimon", "up", "unknown", (False, False), False),
        ("minimon", "up", "degraded", (False, False), True),
        ("minimon", "degraded", "unknown", (False, False), True),
    ],
)
def test_news_is_another_status_unless_it_flaps(
    name: str, before: str, after: str, flapping: tuple[bool, bool], expected: bool
) -> None:
    """The begin and the end of flapping are told."""
    one, other = (CheckState(name, Status(status), flapping=flaps) for status, flaps in zip((before, after), flapping))
    assert expected is Change(name, Check(name, print), one, other, Result(name, Outcome.PASS)).news


# Rings


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.9])
def test_the_rings_hold_the_latest_runs_and_failures(share: float) -> None:
    """16 runs, and before them as many older failures as make 8 with those among them; with the detail of failures."""
    chance, history = random.Random(1), History(Check("a", print), NOON, NOON, INF)
    letters = "".join(chance.choice("fu" if chance.random() < share else "pw") for _ in range(150))
    for number, letter in enumerate(letters):
        at = NOON + number
        result = Result("a", OUTCOMES[letter], REASONS[letter], str(number), at, started=float(number))
        history.record(result, result_view(result), at, NOON)
    failed, latest = [number for number in range(150) if letters[number] in "fu"], list(range(150 - RECENT, 150))
    older = [number for number in failed[-FAILURES:] if number not in latest]
    expected = [(stamp(NOON + number), str(number) if number in failed else "") for number in older + latest]
    assert (expected, len(older)) == ([(seen["at"], seen["detail"]) for seen in history.kept], history.older)


@pytest.mark.parametrize("letter", "pwf")
def test_the_detail_of_the_last_run_is_shown(letter: str) -> None:
    """Whatever its outcome; of passes and warnings before it there is none."""
    kept = Kept()
    kept.run(f"pw{letter}", detail="why")
    view = kept.view()
    assert ("why", ["", ""]) == (view["last"]["detail"], [seen["detail"] for seen in view["recent"][:2]])
