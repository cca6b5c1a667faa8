"""A script of outcomes makes of a check what a Monitor would: the same statuses, instants and news."""

from __future__ import annotations

import functools
import itertools
import math
import random
from typing import Any

import pytest
from support import wait_until
from test_history import NOON, OUTCOMES, REASONS
from test_scheduler import SteppedClock

from minimon import Change, Check, ConfigError, Monitor, Outcome, Response, Result, Status
from minimon.testing import FakeClock, ScriptedProbe, play

Seen = tuple[float, str, bool]
"""When a run was started, what the check was after it, and whether it was flapping."""


def check(**options: Any) -> Check:
    """A check that nobody polls."""
    return Check("a", never, **options)


def never() -> None:
    """A target that nobody calls."""
    raise AssertionError("called")


def words(letters: str) -> list[str]:
    """A script, from letters."""
    return [OUTCOMES[letter].value for letter in letters]


def starts(changes: list[Change]) -> list[float | None]:
    """When each run was started."""
    return [change.result.started for change in changes]


def statuses(changes: list[Change]) -> list[str]:
    """What the check was after each."""
    return [change.after.status.value for change in changes]


# What it gives


def test_each_outcome_gives_a_change() -> None:
    """In order, of this check, from the state before to the state after."""
    made = check()
    changes = play(made, ["pass", "fail", "fail", "fail"])
    assert (["up", "up", "up", "down"], [True, False, False, True]) == (
        statuses(changes),
        [change.news for change in changes],
    )
    assert [("a", made)] * 4 == [(change.name, change.check) for change in changes]
    assert [change.after for change in changes[:-1]] == [change.before for change in changes[1:]]


def test_a_result_says_which_outcome_it_was() -> None:
    """And has a reason unless it passed."""
    results = [change.result for change in play(check(), ["pass", "warn", "fail", "unknown"])]
    assert [("", "outcome 0"), *(("condition", f"outcome {n}") for n in (1, 2, 3))] == [
        (result.reason, result.detail) for result in results
    ]


def test_no_outcomes_are_no_changes() -> None:
    """And the clock stands still."""
    clock = FakeClock(5.0)
    assert ([], 5.0) == (play(check(), [], clock), clock.monotonic())


@pytest.mark.parametrize(
    "outcomes",
    [
        ["pass", "fail"],
        ("pass", "fail"),
        [Outcome.PASS, Outcome.FAIL],
        [("pass", 0), ("fail", 0.5)],
        [("pass", None), ("fail", None)],
        iter(["pass", "fail"]),
    ],
)
def test_outcomes_may_be_written_in_these_ways(outcomes: Any) -> None:
    """Words or pairs, in anything that gives one after another."""
    assert ["up", "down"] == statuses(play(check(fall=1), outcomes))


def test_two_outcomes_of_one_instant_both_count() -> None:
    """Even the same."""
    (first, second) = play(check(), [("pass", 0), ("pass", 0)])
    assert (1, 2) == (first.after.counts.pass_, second.after.counts.pass_)


def test_the_check_is_not_polled() -> None:
    """Only its thresholds and times are asked for, and it may be played again."""
    made = Check("a", "https://search.internal/", fall=1)
    assert statuses(play(made, ["pass", "fail"])) == statuses(play(made, ["pass", "fail"]))


# Time


@pytest.mark.parametrize(
    ("options", "letters", "expected"),
    [
        ({}, "ppp", [0, 10, 20]),
        ({"every": 3}, "ppp", [0, 3, 6]),
        ({}, "pffff", [0, 10, 12, 14, 20]),
        ({}, "fff", [0, 2, 4]),
        ({"retry_interval": 0.5}, "pffff", [0, 10, 10.5, 11, 20]),
        ({"retry_interval": 60}, "pfff", [0, 10, 20, 30]),
        ({"every": 3}, "pfffff", [0, 3, 5, 6, 9, 12]),
        ({"every": 1}, "pfff", [0, 1, 2, 3]),
        ({}, "pfpfp", [0, 10, 12, 20, 22]),
        ({}, "pup", [0, 10, 20]),
    ],
)
def test_an_outcome_comes_when_the_check_would_be_run(
    options: dict[str, Any], letters: str, expected: list[float]
) -> None:
    """In its turn, and before that after `retry_interval` while it is undecided: turns keep their rhythm."""
    assert expected == starts(play(check(**options), words(letters)))


def test_an_outcome_comes_so_long_after_the_one_before() -> None:
    """Where it says how long; the first one from now on."""
    assert [101.5, 104.0, 104.0] == starts(play(check(), [("pass", 1.5), ("pass", 2.5), ("pass", 0)], FakeClock(100.0)))


def test_the_clock_is_moved_on() -> None:
    """To the last outcome; another script goes on from there."""
    clock = FakeClock(100.0, wall=NOON)
    play(check(), ["pass", ("pass", 7)], clock)
    (change,) = play(check(), ["pass"], clock)
    assert (107.0, 107.0, NOON + 7.0) == (clock.monotonic(), change.result.started, change.result.when)


def test_a_function_is_asked_for_the_interval() -> None:
    """Once for each run."""
    asked = itertools.count(1)
    assert [0, 1, 3, 6] == starts(play(check(every=lambda: float(next(asked))), words("pppp")))


def test_a_function_that_fails_is_no_matter() -> None:
    """The run after it comes as a Monitor would make it."""
    assert [0, 10] == starts(play(check(every=lambda: math.nan), words("pp")))


@pytest.mark.parametrize(("seconds", "before"), [(24.9, "up"), (25.1, "unknown"), (1e6, "unknown")])
def test_what_waits_too_long_goes_stale(seconds: float, before: str) -> None:
    """After two rounds and a timeout: the change begins with what was known by then."""
    changes = play(check(), ["pass", ("pass", seconds)])
    assert (before, "up", before == "unknown") == (changes[1].before.status, changes[1].after.status, changes[1].news)


def test_what_went_stale_says_so() -> None:
    """Since when, and why."""
    (_, change) = play(check(), ["pass", ("fail", 100)], FakeClock(wall=NOON))
    assert ("stale: no run finished in time", NOON + 25.0, Status.UNKNOWN) == (
        change.before.explanation,
        change.before.since,
        change.after.status,
    )


def test_staleness_goes_by_the_interval_that_was_drawn() -> None:
    """And by the timeout of the check."""
    made = [check(every=1, timeout=1), check(every=lambda: 100.0), check(timeout=90)]
    pairs = [play(each, ["pass", ("pass", 30)]) for each in made]
    assert ["unknown", "up", "up"] == [second.before.status for _, second in pairs]


def test_flapping_is_played() -> None:
    """Four changes, silence, and one that is told after ten calm minutes."""
    changes = play(check(fall=1, rise=1), [*words("pfpfpf"), *[("fail", 10)] * 60])
    assert ([0, 1, 2, 3, 4, 65], [*range(4, 65)]) == (
        [number for number, change in enumerate(changes) if change.news],
        [number for number, change in enumerate(changes) if change.after.flapping],
    )


# What is none


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a", ["pass"]), "expected a Check"),
        ((check(), ["pass"], math), "a FakeClock, got"),
        ((check(), 5), "outcomes must be a list"),
        ((check(), None), "outcomes must be a list"),
        ((check(), "pass"), "outcomes must be a list"),
    ],
)
def test_what_is_no_script_is_refused(given: tuple[Any, ...], message: str) -> None:
    """As all that is wrong in a test of the host's."""
    with pytest.raises(ConfigError, match=message):
        play(*given)


def test_an_interval_that_cannot_be_drawn_is_a_failure() -> None:
    """As a Monitor has it."""
    assert ["exception"] * 3 == [change.result.reason for change in play(check(every=never), ["pass"] * 3)]


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ("passed", "outcome 1: 'passed' is none; did you mean 'pass'"),
        ("", "outcome 1: '' is none; known are: fail, pass, unknown, warn"),
        ("PASS", "outcome 1: 'PASS' is none"),
        (("up", 1), "outcome 1: 'up' is none"),
        ((None, 1), "outcome 1: None is none"),
        ((["pass"], 1), "outcome 1: "),
        (5, "outcome 1: "),
        (None, "outcome 1: "),
        (True, "outcome 1: "),
        (b"pass", "outcome 1: "),
        ((), "outcome 1: "),
        (("pass",), "outcome 1: "),
        (("pass", 1, 2), "outcome 1: "),
        (("pass", "soon"), "outcome 1: "),
        (("pass", -1), ""),
        (("pass", math.nan), ""),
        (("pass", math.inf), ""),
        (("pass", 1e20), ""),
        (("pass", 10**400), ""),
    ],
    ids=repr,
)
def test_what_is_no_outcome_is_refused(outcome: Any, message: str) -> None:
    """With its number, whatever it is."""
    with pytest.raises(ConfigError) as caught:
        play(check(), ["pass", outcome])
    assert message == str(caught.value)[: len(message)]


# A Monitor


OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "at once": {"fall": 1, "rise": 1},
    "patient": {"fall": 5, "rise": 4, "retry_interval": 0.25},
    "often": {"every": 3.0, "fall": 2, "rise": 3},
    "seldom": {"every": 400.0, "fall": 1, "rise": 1, "retry_interval": 100.0},
}


@functools.cache
def played(name: str) -> list[Change]:
    """What play makes of a script."""
    return play(check(**OPTIONS[name]), words(script(name)), FakeClock(1_000.0, wall=NOON))


def script(name: str) -> str:
    """Letters at random; one is often that of the run before."""
    chance = random.Random(name)
    letters = "p"
    while len(letters) < 40:
        letters += letters[-1] if chance.random() < 0.5 else chance.choice("ppffwu")
    return letters


@functools.cache
def polled(name: str) -> tuple[list[Seen], list[tuple[str, str]]]:
    """What a Monitor makes of the same: after each run, and what on_change was told."""
    clock, told, seen = SteppedClock(1_000.0, wall=NOON), [], []
    letters = script(name)
    steps = [Response(value=Result("a", OUTCOMES[letter], REASONS[letter], "why")) for letter in letters]
    polls = Check("a", ScriptedProbe(steps), initial_delay=0, **OPTIONS[name])
    with Monitor([polls], clock=clock, on_change=lambda change: told.append(change)) as monitor:

        def has_run(times: int) -> bool:
            figures = monitor.snapshot()["self"]
            return sum(monitor.state("a").counts) == times and figures["busy"] == figures["queue"] == 0

        for times in range(1, len(letters) + 1):
            assert wait_until(lambda: has_run(times))  # noqa: B023
            state = monitor.state("a")
            assert state.last is not None and state.last.started is not None
            seen.append((state.last.started, state.status.value, state.flapping))
            due = clock.monotonic() + monitor.explain("a")["explain"]["next_run_s"]
            assert times == len(letters) or clock.sleeps_until(due)
            clock.advance(due - clock.monotonic() if times < len(letters) else 0.0)
    return seen, [(change.before.status.value, change.after.status.value) for change in told if change.name == "a"]


LONG = [pytest.param(name, marks=pytest.mark.long) for name in list(OPTIONS)[2:]]
NAMES = pytest.mark.parametrize("name", [*list(OPTIONS)[:2], *LONG])


@NAMES
def test_statuses_are_those_of_a_monitor(name: str) -> None:
    """After each run of the same script, and whether it is flapping."""
    expected = [(status, flapping) for _, status, flapping in polled(name)[0]]
    assert expected == [(change.after.status.value, change.after.flapping) for change in played(name)]


@NAMES
def test_instants_are_those_of_a_monitor(name: str) -> None:
    """When each run was started."""
    assert pytest.approx([started for started, _, _ in polled(name)[0]], abs=1e-6) == starts(played(name))


@NAMES
def test_news_are_those_of_a_monitor(name: str) -> None:
    """What on_change is told."""
    expected = polled(name)[1]
    assert expected == [(c.before.status.value, c.after.status.value) for c in played(name) if c.news]
