"""What becomes of a program: launched, ready, ended, launched again after a delay, given up. Driven by instants."""

from __future__ import annotations

import math
from typing import Any

import pytest

from minimon.processes.lifecycle import (
    MEANINGS,
    UP,
    Life,
    Restart,
    State,
    ended,
    halted,
    launched,
    met,
    refused,
    wanted,
)

NO, ON_FAILURE, ALWAYS = Restart(), Restart("on-failure"), Restart("always")
MIDDLE = 0.5
"""The draw that leaves a delay as it is."""


WANTED = Life(wanted=True)


def up(life: Life = WANTED, now: float = 100.0) -> Life:
    """It was launched, and is ready at once."""
    return met(launched(life, now), True, now)


def crashed(life: Life, now: float, restart: Restart = ALWAYS, code: int | None = 1, draw: float = MIDDLE) -> Life:
    """Its process has ended."""
    return ended(life, restart, code, code == 0, now, draw)


def after_crashes(times: int, restart: Restart = ALWAYS, apart: float = 0.0, draw: float = MIDDLE) -> Life:
    """It has crashed so often as soon as it was ready, and was launched again when it was due."""
    life, now = WANTED, 100.0
    for _ in range(times):
        life = crashed(up(life, now), now + apart, restart, draw=draw)
        now = life.due
    return life


# launched, ready


def test_it_begins_stopped() -> None:
    """A program that nobody has launched is stopped."""
    assert State.STOPPED is Life().state


def test_launched_it_is_starting() -> None:
    """Whether it is ready is not known yet."""
    assert State.STARTING is launched(Life(), 1.0).state


def test_what_was_asked_for_makes_it_ready() -> None:
    """Its `ready` holds."""
    assert State.READY is met(launched(Life(), 1.0), True, 2.0).state


def test_without_a_question_it_only_runs() -> None:
    """Nothing tells when it is ready."""
    assert State.RUNNING is met(launched(Life(), 1.0), False, 1.0).state


def test_ready_while_it_is_being_ended_changes_nothing() -> None:
    """A look that comes to its end late does not call it back."""
    assert State.STOPPING is met(halted(launched(Life(), 1.0), 2.0), True, 3.0).state


@pytest.mark.parametrize("change", [launched, halted])
def test_a_state_knows_since_when(change: Any) -> None:
    """The instant of the change."""
    assert 7.0 == change(Life(), 7.0).since


def test_the_first_launch_is_no_restart() -> None:
    """Only what comes after it counts."""
    assert 0 == launched(Life(), 1.0).restarts


def test_each_further_launch_is_a_restart() -> None:
    """By itself or by hand."""
    assert 2 == launched(launched(launched(Life(), 1.0), 2.0), 3.0).restarts


def test_a_launch_forgets_the_last_failure() -> None:
    """Its reason, its fault, whether it was ready, when it was due."""
    life = launched(Life(why="x", fault="y", met=True, due=5.0), 1.0)
    assert ("", "", False, math.inf) == (life.why, life.fault, life.met, life.due)


@pytest.mark.parametrize("state", State)
def test_each_state_has_a_meaning(state: State) -> None:
    """For the help."""
    assert state in MEANINGS


def test_a_state_is_its_word() -> None:
    """In a message, and in JSON."""
    assert ("backoff", True) == (f"{State.BACKOFF}", State.BACKOFF == "backoff")


# told to end


def test_told_to_end_it_is_stopping() -> None:
    """Its process still runs."""
    assert State.STOPPING is halted(up(), 101.0).state


@pytest.mark.parametrize("state", [state for state in State if state not in UP])
def test_without_a_process_it_is_stopped_at_once(state: State) -> None:
    """There is nothing to wait for; not even a backoff goes on."""
    life = halted(Life(state=state, due=5.0), 1.0)
    assert (State.STOPPED, math.inf) == (life.state, life.due)


@pytest.mark.parametrize("code", [0, 1, -9, None])
def test_whatever_its_code_it_was_stopped(code: int | None) -> None:
    """Who is told to end may end as it likes."""
    life = ended(halted(up(), 101.0), ALWAYS, code, False, 102.0, MIDDLE)
    assert (State.STOPPED, "", code) == (life.state, life.why, life.code)


def test_a_fault_ends_it_as_a_failure() -> None:
    """It is launched again, and says why, whatever its code."""
    life = ended(halted(up(), 101.0, "does not live"), ON_FAILURE, 0, True, 102.0, MIDDLE)
    assert (State.BACKOFF, "does not live") == (life.state, life.why)


def test_a_fault_without_restart_is_a_failure() -> None:
    """Nobody launches it again."""
    life = ended(halted(up(), 101.0, "does not live"), NO, 0, True, 102.0, MIDDLE)
    assert (State.FAILED, "does not live", "") == (life.state, life.why, life.fault)


def test_a_stop_that_was_asked_for_is_no_fault() -> None:
    """A fault that is found while it is being stopped by hand changes nothing about that."""
    life = halted(wanted(halted(up(), 101.0), False), 101.5, "does not live")
    assert State.STOPPED is ended(life, ALWAYS, 0, True, 102.0, MIDDLE).state


def test_a_fault_of_what_is_not_wanted_any_more_counts_nothing() -> None:
    """It was being ended for a fault when somebody stopped it."""
    life = ended(wanted(halted(up(), 101.0, "does not live"), False), ALWAYS, 1, False, 102.0, MIDDLE)
    assert (State.EXITED, "", True) == (life.state, life.why, life.well)


# ended by itself


@pytest.mark.parametrize(
    ("restart", "code", "state"),
    [
        (NO, 0, State.EXITED),
        (NO, 1, State.EXITED),
        (ON_FAILURE, 0, State.EXITED),
        (ON_FAILURE, 1, State.BACKOFF),
        (ON_FAILURE, -11, State.BACKOFF),
        (ON_FAILURE, None, State.BACKOFF),
        (ALWAYS, 0, State.BACKOFF),
        (ALWAYS, 1, State.BACKOFF),
    ],
)
def test_its_restart_says_what_comes_of_an_end(restart: Restart, code: int | None, state: State) -> None:
    """By its code, after it was ready."""
    assert state is crashed(up(), 105.0, restart, code).state


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (0, ""),
        (3, "it ended with code 3"),
        (-9, "it was ended by signal 9"),
        (None, "it ended, and its exit code was lost: the host ignores SIGCHLD, or waits for any child"),
    ],
)
def test_an_end_says_what_is_wrong_with_it(code: int | None, why: str) -> None:
    """The code, the signal, or that nobody knows."""
    assert why == crashed(up(), 105.0, NO, code).why


def test_an_end_with_a_bad_code_is_not_well() -> None:
    """It is over, and a failure."""
    assert not crashed(up(), 105.0, NO, 3).well


def test_an_end_with_a_good_code_is_well() -> None:
    """It has done what it was for."""
    assert crashed(up(), 105.0, NO, 0).well


def test_an_expected_code_is_a_good_one() -> None:
    """Whatever its number."""
    life = ended(up(), ON_FAILURE, 3, True, 105.0, MIDDLE)
    assert (State.EXITED, "") == (life.state, life.why)


def test_a_program_that_runs_always_tells_its_code() -> None:
    """Of an end that was well, and after which it is launched again."""
    assert "it ended with code 3" == ended(up(), ALWAYS, 3, True, 105.0, MIDDLE).why


@pytest.mark.parametrize("code", [0, 1])
def test_an_end_before_it_was_ready_is_a_failure(code: int) -> None:
    """Even with code 0."""
    life = crashed(launched(WANTED, 100.0), 101.0, NO, code)
    assert (State.FAILED, f"it ended with code {code} before it was ready") == (life.state, life.why)


def test_an_early_end_is_a_failure_to_a_restart() -> None:
    """`on-failure` launches it again, even after code 0."""
    assert State.BACKOFF is crashed(launched(WANTED, 100.0), 101.0, ON_FAILURE, 0).state


def test_what_nobody_wants_is_not_launched_again() -> None:
    """It ends by itself before its turn to be told has come."""
    life = crashed(wanted(up(), False), 105.0, ALWAYS, 1)
    assert (State.EXITED, True, True) == (life.state, life.well, life.settled)


# again, after a delay


@pytest.mark.parametrize(("times", "delay"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)])
def test_a_delay_is_twice_the_one_before(times: int, delay: float) -> None:
    """One second first."""
    life = after_crashes(times)
    assert pytest.approx(delay) == life.due - life.since


@pytest.mark.parametrize(("draw", "delay"), [(0.0, 0.9), (0.5, 1.0), (1.0, 1.1)])
def test_a_delay_is_a_tenth_more_or_less(draw: float, delay: float) -> None:
    """So that many programs do not come at the same time."""
    life = after_crashes(1, draw=draw)
    assert pytest.approx(delay) == life.due - life.since


@pytest.mark.parametrize("times", [7, 50, 2000])
def test_a_delay_has_an_end(times: int) -> None:
    """60 s, however often it has crashed."""
    life = after_crashes(times, ALWAYS._replace(max_attempts=10**6))
    assert pytest.approx(60.0) == life.due - life.since


def test_a_delay_of_no_time_stays_one() -> None:
    """It is launched again at once."""
    life = after_crashes(3, ALWAYS._replace(delay=0.0))
    assert 0.0 == life.due - life.since


def test_huge_delays_are_reckoned_with() -> None:
    """Numbers at the end of what floats hold raise nothing."""
    assert State.BACKOFF is after_crashes(3, Restart("always", 1e308, 1e308, 10)).state


def test_the_delay_begins_anew_once_it_was_up_for_long() -> None:
    """For a window of 60 s."""
    life = after_crashes(4)
    found = crashed(up(life, life.due), life.due + 60.0)
    assert pytest.approx(1.0) == found.due - found.since


def test_the_delay_goes_on_if_it_was_up_for_less() -> None:
    """59 s are not enough."""
    life = after_crashes(2)
    found = crashed(up(life, life.due), life.due + 59.0)
    assert pytest.approx(4.0) == found.due - found.since


def test_five_ends_within_a_minute_are_too_many() -> None:
    """It is given up, and says so."""
    life = after_crashes(5)
    assert (State.FAILED, "given up after 5 ends within 60 s: it ended with code 1") == (life.state, life.why)


def test_four_ends_within_a_minute_are_not() -> None:
    """It gets its fifth launch."""
    assert State.BACKOFF is after_crashes(4).state


def test_early_ends_count_as_well() -> None:
    """Whether it was ever ready or not."""
    life = WANTED
    for now in range(100, 105):
        life = crashed(launched(life, float(now)), now + 0.5)
    assert State.FAILED is life.state


def test_ends_of_long_ago_do_not_count() -> None:
    """With one end every 20 s there are never five within 60 s."""
    life, now = WANTED, 100.0
    for _ in range(20):
        now += 20.0
        life = crashed(up(life, now - 19.0), now, ALWAYS._replace(max_delay=0.0))
    assert State.BACKOFF is life.state


def test_the_number_of_ends_that_are_kept_has_a_limit() -> None:
    """One that crashes every second for a day is not remembered for ever."""
    life, restart = WANTED, ALWAYS._replace(max_attempts=10**6)
    for now in range(86_400 // 10):
        life = crashed(up(life, float(now)), now + 1.0, restart)
    assert 60 == len(life.ends)


def test_one_attempt_is_none_again() -> None:
    """The first end is the last."""
    assert State.FAILED is after_crashes(1, ALWAYS._replace(max_attempts=1)).state


def test_faults_count_as_ends() -> None:
    """A program whose `live` does not hold again and again is given up."""
    life = WANTED
    for now in range(100, 105):
        life = ended(halted(up(life, float(now)), now + 0.1, "dead"), ALWAYS, 0, True, now + 0.2, MIDDLE)
    assert (State.FAILED, "given up after 5 ends within 60 s: dead") == (life.state, life.why)


@pytest.mark.parametrize("yes", [True, False])
def test_somebodys_word_clears_what_was(yes: bool) -> None:
    """What has failed so far does not count, neither for the delay nor for giving up."""
    life = wanted(after_crashes(4), yes)
    assert ((), 0, yes) == (life.ends, life.attempts, life.wanted)


def test_after_a_start_by_hand_the_delay_begins_anew() -> None:
    """Of one that was given up."""
    failed = after_crashes(5)
    life = crashed(up(wanted(failed, True), 200.0), 201.0)
    assert pytest.approx(1.0) == life.due - life.since


# not launched at all


def test_a_refused_launch_fails() -> None:
    """Where nobody launches it again."""
    life = refused(WANTED, NO, "no such file", 1.0, MIDDLE)
    assert (State.FAILED, "no such file") == (life.state, life.why)


def test_a_refused_launch_is_tried_again() -> None:
    """As after any failure: with a delay."""
    life = refused(WANTED, ON_FAILURE, "no such file", 10.0, MIDDLE)
    assert (State.BACKOFF, "no such file", 11.0) == (life.state, life.why, life.due)


def test_refused_launches_are_given_up() -> None:
    """After five times."""
    life = WANTED
    for _ in range(5):
        life = refused(life, ALWAYS, "no such file", 10.0, MIDDLE)
    assert (State.FAILED, "given up after 5 ends within 60 s: no such file") == (life.state, life.why)


def test_a_refused_launch_has_no_code() -> None:
    """That of the run before is none of its."""
    assert refused(crashed(up(), 105.0), ALWAYS, "no", 106.0, MIDDLE).code is None


def test_refused_long_after_its_last_launch_the_delay_goes_on() -> None:
    """It was not up all the time: launches that are refused every ten minutes do not begin anew."""
    life = refused(WANTED, ALWAYS, "no", 1000.0, MIDDLE)
    found = refused(life, ALWAYS, "no", 1600.0, MIDDLE)
    assert pytest.approx(2.0) == found.due - found.since


# what a life says


@pytest.mark.parametrize("state", State)
def test_what_nobody_wants_is_well(state: State) -> None:
    """Unless it has ended badly."""
    assert Life(state=state).well


@pytest.mark.parametrize("state", State)
def test_what_is_wanted_is_well_while_it_serves(state: State) -> None:
    """Or has done what it was for."""
    expected = state in (State.RUNNING, State.READY, State.EXITED)
    assert expected == Life(state=state, wanted=True).well


@pytest.mark.parametrize("state", State)
def test_it_is_up_while_there_is_a_process(state: State) -> None:
    """Starting and stopping too."""
    expected = state in (State.STARTING, State.RUNNING, State.READY, State.STOPPING)
    assert expected == Life(state=state).up


@pytest.mark.parametrize("state", State)
def test_it_is_settled_when_nothing_is_under_way(state: State) -> None:
    """A program that is wanted, and stopped, waits for its turn."""
    expected = state in (State.RUNNING, State.READY, State.EXITED, State.FAILED)
    assert expected == Life(state=state, wanted=True).settled


def test_stopped_and_not_wanted_is_settled() -> None:
    """Nobody waits for it."""
    assert Life().settled
