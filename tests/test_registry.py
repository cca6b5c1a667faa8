"""What the registry promises: every result folded in once, bounded rings, staleness on reading, plain data out."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from minimon.checks import Check
from minimon.errors import ConfigError, UnknownCheckError
from minimon.history import FAILURES, RECENT
from minimon.model import Outcome, Result, Status, stamp
from minimon.registry import EVENTS, Lasting, Registry
from minimon.testing import FakeClock

INF = float("inf")
PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN


def check(name: str = "a", **options: Any) -> Check:
    """A check of a callable: critical."""
    return Check(name, print, **options)


def result(outcome: Outcome = PASS, when: float = 0.0, **fields: Any) -> Result:
    """A result of the check `a`; one that did not pass has a reason."""
    reason = "" if outcome is PASS else "condition"
    return Result("a", outcome, **{"reason": reason, "when": when, **fields})


class Fixed:
    """A registry with one check, on a clock that is moved by hand."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock(100.0, wall=1_700_000_000.0)
        self.registry = Registry(self.clock)
        self.check = check(**options)
        self.registry.add(self.check, INF)

    def record(self, *outcomes: Outcome, expires: float = INF, **fields: Any) -> None:
        """Record results, one second apart."""
        for outcome in outcomes:
            self.clock.advance(1.0)
            self.registry.record(
                self.check, result(outcome, self.clock.time(), **fields), expires - self.clock.monotonic()
            )

    def view(self) -> dict[str, Any]:
        """The check's part of the snapshot."""
        view: dict[str, Any] = self.registry.snapshot()["checks"]["a"]
        return view


# The list


def test_a_name_is_taken_once() -> None:
    """The second check of one name is refused by name."""
    fixed = Fixed()
    with pytest.raises(ConfigError, match="check 'a': there is one of this name"):
        fixed.registry.add(check(), INF)


def test_a_refused_check_leaves_the_first_alone() -> None:
    """What was seen of the first one stays."""
    fixed = Fixed()
    fixed.record(PASS)
    with pytest.raises(ConfigError):
        fixed.registry.add(check(), INF)
    assert Status.UP is fixed.registry.state("a").status


def test_checks_come_in_the_order_they_were_added() -> None:
    """In the snapshot."""
    registry, names = Registry(FakeClock()), ["z", "a", "m"]
    for name in names:
        registry.add(check(name), INF)
    assert names == list(registry.snapshot()["checks"])


def test_a_removed_check_is_forgotten() -> None:
    """It is given back, and its name is free."""
    fixed = Fixed()
    fixed.record(PASS)
    assert fixed.check is fixed.registry.remove("a")
    fixed.registry.add(check(), INF)
    assert 0 == fixed.registry.state("a").streak.n


@pytest.mark.parametrize("method", ["remove", "state"])
def test_an_unknown_name_gets_a_hint(method: str) -> None:
    """The error names what was asked for and the nearest name that there is."""
    registry = Registry(FakeClock())
    registry.add(check("search"), INF)
    with pytest.raises(UnknownCheckError, match=r"^no check is named 'serch'; did you mean 'search'\?$"):
        getattr(registry, method)("serch")


@pytest.mark.parametrize("name", [None, [], {}, 5])
def test_what_is_no_name_is_unknown(name: Any) -> None:
    """It need not be hashable."""
    registry = Registry(FakeClock())
    registry.add(check("search"), INF)
    with pytest.raises(UnknownCheckError, match="known are: search"):
        registry.state(name)


def test_an_unknown_name_among_none_says_so() -> None:
    """Without checks there is nothing to suggest."""
    with pytest.raises(UnknownCheckError, match="there is none yet"):
        Registry(FakeClock()).pause("a", True)


# Recording


def test_a_record_tells_before_and_after() -> None:
    """The change carries the check, both states and the result."""
    fixed, seen = Fixed(), result(PASS, 5.0)
    change = fixed.registry.record(fixed.check, seen, INF)
    assert change is not None
    assert ("a", fixed.check, "unknown", "up", seen) == (
        change.name,
        change.check,
        change.before.status,
        change.after.status,
        change.result,
    )
    assert change.after is fixed.registry.state("a")


def test_a_result_for_a_removed_check_is_ignored() -> None:
    """A late run of a check that is gone brings nothing back."""
    fixed = Fixed()
    fixed.registry.remove("a")
    assert fixed.registry.record(fixed.check, result(), INF) is None
    assert {} == fixed.registry.snapshot()["checks"]


def test_a_result_for_a_replaced_check_is_ignored() -> None:
    """Another check of the same name gets only what was seen of itself."""
    fixed = Fixed()
    fixed.registry.remove("a")
    fixed.registry.add(check(), INF)
    assert fixed.registry.record(fixed.check, result(), INF) is None
    assert None is fixed.view()["last"]


def test_outcomes_and_reasons_are_counted() -> None:
    """Each under its own word."""
    fixed = Fixed()
    fixed.record(PASS, WARN, FAIL, FAIL, UNKNOWN)
    fixed.record(FAIL, reason="dns")
    view = fixed.view()
    assert {"pass": 1, "warn": 1, "fail": 3, "unknown": 1} == view["counts"]
    expected = {"warn": {"condition": 1}, "fail": {"condition": 2, "dns": 1}, "unknown": {"condition": 1}}
    assert expected == view["reasons"]


def test_a_streak_counts_the_latest_outcome() -> None:
    """How many times in a row it was seen."""
    fixed = Fixed()
    fixed.record(PASS, FAIL, FAIL)
    assert {"outcome": "fail", "n": 2} == fixed.view()["streak"]


def test_since_is_the_run_that_changed_the_status() -> None:
    """Later runs that change nothing leave it."""
    fixed = Fixed()
    fixed.record(PASS, PASS, PASS)
    assert "2023-11-14T22:13:21.000Z" == fixed.view()["since"]


def test_recent_results_are_bounded() -> None:
    """The latest 16, oldest first."""
    fixed = Fixed()
    for number in range(40):
        fixed.registry.record(fixed.check, result(PASS, number), INF)
    assert [stamp(number) for number in range(40 - RECENT, 40)] == [seen["at"] for seen in fixed.view()["recent"]]


def test_successes_do_not_push_failures_out() -> None:
    """The latest failures stay, before the ring, in the order of time, and each once."""
    fixed = Fixed(fall=1, rise=1)
    fixed.record(*[FAIL] * 12, detail="broken")
    fixed.record(*[PASS] * 30)
    outcomes = [seen["outcome"] for seen in fixed.view()["recent"]]
    assert ["fail"] * FAILURES + ["pass"] * RECENT == outcomes


def test_a_failure_in_the_ring_is_told_once() -> None:
    """What both keep is not doubled."""
    fixed = Fixed()
    fixed.record(PASS, FAIL, PASS)
    assert ["pass", "fail", "pass"] == [seen["outcome"] for seen in fixed.view()["recent"]]


def test_recent_results_are_in_the_order_of_time() -> None:
    """However failures and successes alternate."""
    fixed = Fixed()
    fixed.record(*[FAIL, PASS, PASS] * 20)
    at = [seen["at"] for seen in fixed.view()["recent"]]
    assert sorted(set(at)) == at


def test_unknown_results_are_kept_as_failures() -> None:
    """A hung run is as telling as a failed one."""
    fixed = Fixed()
    fixed.record(UNKNOWN, reason="timeout")
    fixed.record(*[PASS] * 30)
    assert 1 == [seen["reason"] for seen in fixed.view()["recent"]].count("timeout")


def test_the_last_result_keeps_its_detail() -> None:
    """What a page shows of the latest run is whole."""
    fixed = Fixed()
    fixed.record(WARN, detail="slow", elapsed=0.25, status_code=200)
    last = fixed.view()["last"]
    expected = {"outcome": "warn", "reason": "condition", "detail": "slow", "elapsed_s": 0.25, "status_code": 200}
    assert {**expected, "at": "2023-11-14T22:13:21.000Z"} == last


def test_many_threads_lose_no_record() -> None:
    """What four threads record at once is all counted, while others read and add."""
    fixed = Fixed()
    names = iter(range(10_000))

    def record() -> None:
        for _ in range(500):
            fixed.registry.record(fixed.check, result(), INF)

    def disturb() -> None:
        for _ in range(50):
            fixed.registry.add(check(f"other {next(names)}"), INF)
            fixed.registry.snapshot()
            fixed.registry.overall()

    threads = [threading.Thread(target=target) for target in (record, record, disturb, record, record)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert 2000 == fixed.registry.state("a").counts.pass_


# Staleness


def test_what_is_not_refreshed_becomes_unknown() -> None:
    """After the instant until which it counts, on reading, and no record is needed for it."""
    fixed = Fixed()
    fixed.record(PASS, expires=110.0)
    fixed.clock.advance(9.0)
    fresh = fixed.view()["status"], fixed.registry.overall()
    fixed.clock.advance(0.01)
    assert (("up", "healthy"), "unknown", "unknown") == (fresh, fixed.view()["status"], fixed.registry.overall())


@pytest.mark.parametrize("outcomes", [(PASS,), (FAIL, FAIL, FAIL), (PASS, WARN, WARN, WARN)])
def test_every_status_goes_stale(outcomes: tuple[Outcome, ...]) -> None:
    """Up, down and degraded alike."""
    fixed = Fixed()
    fixed.record(*outcomes, expires=200.0)
    fixed.clock.advance(200.0)
    assert "unknown" == fixed.view()["status"]


def test_a_new_result_ends_staleness() -> None:
    """The state is what it was, and goes on from there."""
    fixed = Fixed()
    fixed.record(PASS, expires=101.0)
    fixed.clock.advance(50.0)
    fixed.record(PASS)
    assert ("up", 2) == (fixed.view()["status"], fixed.view()["streak"]["n"])


def expired(fixed: Fixed) -> None:
    """Found to be too old, by the scheduler."""
    assert fixed.registry.expire(fixed.check) is not None


@pytest.mark.parametrize("after", [expired, lambda fixed: fixed.registry.pause("a", True)], ids=["stale", "paused"])
def test_a_time_that_nobody_saw_is_never_covered(after: Callable[[Fixed], object]) -> None:
    """Whatever is the first that happens to a check then, and not a result."""
    fixed = Fixed()
    fixed.record(PASS, PASS, expires=112.0)
    fixed.clock.advance(1000.0)
    fixed.registry.absent(103.0, 1102.0)
    fixed.clock.advance(20.0)
    after(fixed)
    fixed.registry.pause("a", False)
    fixed.record(PASS, started=fixed.clock.monotonic() + 1.0)
    assert 2.0 == round(fixed.view()["uptime"]["24h"]["coverage"] * 86_400.0, 1)


def test_what_was_seen_counts_on_when_a_run_saw_nothing() -> None:
    """It ended, so its check is looked after."""
    fixed = Fixed()
    fixed.record(PASS, expires=105.0)
    fixed.registry.renew(fixed.check, 10.0)
    fixed.clock.advance(9.0)
    assert Status.UP is fixed.registry.state("a").status


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ((PASS,), []),
        ((FAIL, FAIL, PASS), []),
        ((FAIL, FAIL, FAIL), [("up", "down")]),
        ((UNKNOWN, PASS), [("up", "unknown"), ("unknown", "up")]),
    ],
)
def test_after_a_long_pause_only_what_differs_is_news(
    outcomes: tuple[Outcome, ...], told: list[tuple[str, str]]
) -> None:
    """It is unknown until it was polled; nobody is told of that, for it was the host who paused it."""
    fixed = Fixed()
    fixed.record(PASS, expires=105.0)
    fixed.registry.pause("a", True)
    fixed.clock.advance(1000.0)
    fixed.registry.pause("a", False)
    assert Status.UNKNOWN is fixed.registry.state("a").status
    changes = [fixed.registry.record(fixed.check, result(outcome), INF) for outcome in outcomes]
    assert told == [(change.before.status, change.after.status) for change in changes if change and change.news]


def test_a_failure_that_was_our_own_is_one_run() -> None:
    """It is counted once and shown once, as what it turned out to be."""
    fixed = Fixed(fall=1)
    fixed.record(PASS, started=100.0)
    fixed.record(FAIL, started=101.0)
    fixed.registry.lose("a", "no network", 101.0)
    view = fixed.view()
    assert ("unknown", 2, ["", "lost"]) == (
        view["status"],
        sum(view["counts"].values()),
        [each["reason"] for each in view["recent"]],
    )


def test_what_flaps_and_is_not_seen_any_more_is_told_when_it_is_calm() -> None:
    """It hangs, so that no result will ever tell: what was told last is not what it is."""
    fixed = Fixed(fall=1, rise=1)
    fixed.record(PASS, FAIL, PASS, FAIL, PASS, UNKNOWN)
    fixed.clock.advance(599.0)
    told = [fixed.registry.expire(fixed.check)]
    fixed.clock.advance(1.0)
    told += [fixed.registry.expire(fixed.check), fixed.registry.expire(fixed.check)]
    seen = [change and (change.before.status, change.after.status, change.news) for change in told]
    assert [None, ("up", "unknown", True), None] == seen


def test_stale_checks_are_counted_as_unknown() -> None:
    """In `counts` as in the check's own status."""
    fixed = Fixed()
    fixed.record(PASS, expires=101.0)
    fixed.clock.advance(50.0)
    assert {"unknown": 1, "up": 0, "degraded": 0, "down": 0, "paused": 0} == fixed.registry.snapshot()["counts"]


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0])
def test_a_jump_of_the_wall_clock_is_no_staleness(seconds: float) -> None:
    """Ages are monotonic: a day ahead or back changes neither status nor since."""
    fixed = Fixed()
    fixed.record(PASS, expires=130.0)
    before = fixed.view()
    fixed.clock.jump_wall(seconds)
    assert before == fixed.view()


def test_awaiting_a_name_that_is_gone_is_nothing() -> None:
    """A check may be removed at any time."""
    fixed = Fixed()
    fixed.registry.await_first("b", 1.0)
    assert "unknown" == fixed.view()["status"]


# The sum


def test_no_checks_are_healthy() -> None:
    """Nothing to complain of."""
    registry = Registry(FakeClock())
    assert ("healthy", "healthy") == (registry.overall(), registry.snapshot()["overall"])


def test_before_the_first_run_all_is_unknown() -> None:
    """No green from silence."""
    fixed = Fixed()
    assert ("unknown", "unknown", None, []) == (
        fixed.registry.overall(),
        fixed.view()["status"],
        fixed.view()["last"],
        fixed.view()["recent"],
    )


def test_paused_checks_are_left_out_and_listed() -> None:
    """A check that is down and paused does not make the host unhealthy; it is counted as paused only."""
    fixed = Fixed(fall=1)
    fixed.record(FAIL)
    fixed.registry.pause("a", True)
    snapshot = fixed.registry.snapshot()
    assert ("healthy", True, {"unknown": 0, "up": 0, "degraded": 0, "down": 0, "paused": 1}) == (
        snapshot["overall"],
        snapshot["checks"]["a"]["paused"],
        snapshot["counts"],
    )


def test_pausing_tells_whether_that_is_new() -> None:
    """The second time is none."""
    fixed = Fixed()
    assert [True, False, True, False] == [fixed.registry.pause("a", paused) for paused in (True, True, False, False)]


def test_a_check_that_waits_for_its_first_run_does_not_degrade() -> None:
    """A non-critical one is unknown, but the sum counts it only after its first deadline."""
    fixed = Fixed()
    fixed.record(PASS)
    fixed.registry.add(Check("b", "tcp://127.0.0.1:1"), 5.0)
    before = fixed.registry.overall()
    fixed.clock.advance(5.1)
    assert ("healthy", "degraded") == (before, fixed.registry.overall())


# Events


def test_an_event_has_what_a_reader_needs() -> None:
    """Instant, check, kind, before, after and detail, as plain data."""
    fixed = Fixed(fall=1)
    fixed.record(FAIL, detail="refused")
    expected = {"at": "2023-11-14T22:13:21.000Z", "check": "a", "kind": "change", "before": "unknown", "after": "down"}
    assert [{**expected, "detail": "refused"}] == fixed.registry.snapshot()["events"]


def test_only_a_different_status_is_an_event() -> None:
    """Runs that change nothing are no news."""
    fixed = Fixed()
    fixed.record(PASS, PASS, FAIL, PASS, FAIL, FAIL)
    assert [("unknown", "up")] == [(e["before"], e["after"]) for e in fixed.registry.snapshot()["events"]]


def test_the_last_50_events_are_kept() -> None:
    """Older ones go."""
    registry = Registry(FakeClock())
    for number in range(120):
        registry.tell("", "start", str(number))
    assert [str(n) for n in range(120 - EVENTS, 120)] == [event["detail"] for event in registry.snapshot()["events"]]


# Plain data


def test_the_snapshot_is_strict_json() -> None:
    """It goes to JSON and back unchanged, without NaN and without a default."""
    fixed = Fixed(tags={"team": "ä\ud800"}, group="g")
    fixed.record(PASS, FAIL, WARN, UNKNOWN, detail="\ud800 \x00", phases={"connect": 0.1})
    fixed.registry.tell("a", "pause", "…")
    snapshot = fixed.registry.snapshot()
    assert snapshot == json.loads(json.dumps(snapshot, allow_nan=False))


def test_a_snapshot_is_of_one_instant() -> None:
    """What happens later does not change it."""
    fixed = Fixed(tags={"a": "b"})
    fixed.record(PASS)
    snapshot = fixed.registry.snapshot()
    text = json.dumps(snapshot)
    fixed.record(FAIL, FAIL, FAIL)
    fixed.registry.remove("a")
    assert text == json.dumps(snapshot)


def test_a_reader_cannot_change_the_states() -> None:
    """A snapshot belongs to who asked for it, down to the keys of a check; what is below is shared until the next
    record, and no state."""
    fixed = Fixed(tags={"a": "b"})
    fixed.record(PASS)
    view = fixed.view()
    view.update(status="down", recent=[])
    del view["last"]
    fixed.registry.snapshot()["checks"].clear()
    fixed.view()["tags"]["a"] = "c"
    again = fixed.view()
    fixed.record(PASS)
    assert ("up", 1, "pass", {"a": "b"}) == (
        again["status"],
        len(again["recent"]),
        again["last"]["outcome"],
        fixed.view()["tags"],
    )


def test_after_a_fork_what_was_known_stays() -> None:
    """The child has a lock of its own, even when the parent's was held."""
    fixed = Fixed()
    fixed.record(PASS)
    fixed.registry._lock.acquire()
    fixed.registry.after_fork()
    assert "up" == fixed.view()["status"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.1239, "2023-11-14T22:13:20.123Z"),
        (-86_400.0, "1969-12-31T00:00:00.000Z"),
    ],
)
def test_a_stamp_is_iso_8601_in_utc(seconds: float, text: str) -> None:
    """With milliseconds, and Z for the zone."""
    assert text == stamp(seconds)


@pytest.mark.parametrize("seconds", [1e20, -1e20, INF, -INF, float("nan"), 253_402_300_800.0])
def test_a_nonsense_clock_breaks_no_page(seconds: float) -> None:
    """Whatever the wall clock says, the stamp has the form of one."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp(seconds))


# What another process has seen


def told(*outcomes: Outcome, after: float = 0.0) -> Lasting:
    """The state of a check in another process, so many seconds after 100."""
    other = Fixed(fall=1)
    other.clock.advance(after)
    other.record(*outcomes, expires=200.0)
    return dict(other.registry.states())["a"]


def test_a_newer_state_is_taken_up() -> None:
    """With its result, and when it grows old."""
    here = Fixed(fall=1)
    here.record(PASS)
    here.clock.advance(5.0)
    taken = here.registry.adopt("a", told(PASS, FAIL, after=3.0))
    view = here.view()
    seen = [taken, view["status"], view["last"]["outcome"], view["counts"]["fail"], view["recent"][-1]["outcome"]]
    here.clock.advance(200.0)
    assert [True, "down", "fail", 1, "fail", "unknown"] == [*seen, here.view()["status"]]


def test_an_older_state_is_not() -> None:
    """Nor one of a check that was never run."""
    here = Fixed(fall=1)
    here.clock.advance(10.0)
    here.record(PASS)
    taken = [here.registry.adopt("a", each) for each in (told(FAIL), told())]
    assert ([False, False], "up") == (taken, here.view()["status"])


def test_a_state_of_an_unknown_check_is_left_out() -> None:
    """So is one of a check that is paused here."""
    here = Fixed()
    here.registry.pause("a", True)
    assert [False, False] == [here.registry.adopt(name, told(FAIL)) for name in ("a", "b")]


def test_the_states_of_some_are_told() -> None:
    """Of those that are there."""
    here = Fixed()
    assert ["a"] == [name for name, _ in here.registry.states_of(["b", "a"])]
