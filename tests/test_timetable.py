"""What is due when: order, phase, missed turns, first runs, and whatever an interval function may answer."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import Any

import pytest

from minimon.timetable import FALLBACK, FIRST_RUNS, LONGEST, Slot, Timetable, draw, first_due, following


def table(*due: float) -> tuple[Timetable[Slot], list[Slot]]:
    """A timetable with a slot for each of these times, named by its place."""
    timetable: Timetable[Slot] = Timetable()
    slots = [Slot(str(number)) for number in range(len(due))]
    for slot, at in zip(slots, due):
        timetable.arm(slot, at)
    return timetable, slots


def names(slots: list[Slot]) -> list[str]:
    """What they are called."""
    return [slot.name for slot in slots]


# the timetable


def test_an_empty_timetable_is_never_due() -> None:
    """Nothing to wait for, nothing to take."""
    timetable, _ = table()
    assert (None, [], 0) == (timetable.next_due(), timetable.take(math.inf), len(timetable))


def test_what_is_due_comes_earliest_first() -> None:
    """Slots come by their time, those of one time in the order in which they were armed."""
    timetable, _ = table(3, 1, 2, 1)
    assert ["1", "3", "2", "0"] == names(timetable.take(3))


def test_only_what_is_due_comes() -> None:
    """A slot comes at its very time, and not before."""
    timetable, _ = table(1, 2, 2.5)
    assert (["0", "1"], 2.5) == (names(timetable.take(2)), timetable.next_due())


def test_a_taken_slot_does_not_come_again() -> None:
    """No check overlaps itself: it has to be armed anew."""
    timetable, _ = table(1, 2)
    timetable.take(1)
    assert (["1"], 0) == (names(timetable.take(9)), len(timetable))


def test_a_taken_slot_can_be_armed_again() -> None:
    """It comes up at its new time."""
    timetable, (slot,) = table(1)
    timetable.take(1)
    timetable.arm(slot, 5)
    assert ([], ["0"], 5) == (names(timetable.take(4)), names(timetable.take(5)), slot.due)


@pytest.mark.parametrize(("again", "early", "late"), [(5, [], ["0"]), (0.5, ["0"], [])])
def test_the_latest_time_counts(again: float, early: list[str], late: list[str]) -> None:
    """Armed twice, it comes up once, earlier or later than it was to."""
    timetable, (slot,) = table(1)
    timetable.arm(slot, again)
    assert (1, early, late) == (len(timetable), names(timetable.take(1)), names(timetable.take(9)))


def test_a_slot_can_be_armed_for_the_same_time_twice() -> None:
    """The struck entry and the new one are told apart."""
    timetable, (slot,) = table(1)
    timetable.arm(slot, 1)
    assert ["0"] == names(timetable.take(1))


def test_a_struck_slot_does_not_come() -> None:
    """Nor does it count, nor wake anybody."""
    timetable, (first, _) = table(1, 2)
    timetable.disarm(first)
    assert (1, 2, ["1"]) == (len(timetable), timetable.next_due(), names(timetable.take(9)))


def test_striking_out_twice_is_striking_out_once() -> None:
    """The count of what is armed stays right."""
    timetable, (first, _) = table(1, 2)
    timetable.disarm(first)
    timetable.disarm(first)
    assert 1 == len(timetable)


def test_a_taken_slot_may_be_struck_out() -> None:
    """A paused check may be on its way."""
    timetable, (first, _) = table(1, 2)
    timetable.take(1)
    timetable.disarm(first)
    assert (1, ["1"]) == (len(timetable), names(timetable.take(9)))


def test_a_struck_slot_can_be_armed_again() -> None:
    """A resumed check comes up once."""
    timetable, (slot,) = table(1)
    timetable.disarm(slot)
    timetable.arm(slot, 2)
    assert (1, ["0"], []) == (len(timetable), names(timetable.take(2)), names(timetable.take(9)))


@pytest.mark.parametrize("others", [0, 1, 1_000])
def test_pausing_does_not_make_it_grow(others: int) -> None:
    """After 100,000 times paused and resumed it holds no more than twice what is armed, and a few."""
    timetable, _ = table(*range(others))
    slot = Slot("busy")
    for turn in range(100_000):
        timetable.arm(slot, others + turn)
        timetable.disarm(slot)
    assert others == len(timetable)
    assert len(timetable._heap) <= 2 * others + 200  # what it keeps cannot be seen from outside


def test_what_is_struck_out_may_be_early() -> None:
    """Entries that are struck at the head or the tail are both forgotten."""
    timetable, _ = table(0.0)
    slot = Slot("busy")
    for turn in range(1_000):
        timetable.arm(slot, -turn if turn % 2 else turn)
    assert (2, -999, ["busy", "0"]) == (len(timetable), timetable.next_due(), names(timetable.take(0)))


def test_any_sequence_gives_what_a_dict_would() -> None:
    """Armed, struck and taken at random, it agrees with a plain dict of times, which are sorted when asked."""
    chance = random.Random(4)
    timetable, slots = table(*[chance.random() for _ in range(20)])
    due = {slot.name: slot.due for slot in slots}
    for now in range(5_000):
        slot, action = chance.choice(slots), chance.randrange(5)
        if action < 3:
            timetable.arm(slot, now + chance.random() * 50)
            due[slot.name] = slot.due
        elif action < 4:
            timetable.disarm(slot)
            due.pop(slot.name, None)
        else:
            expected = sorted((name for name, at in due.items() if at <= now), key=due.__getitem__)
            due = {name: at for name, at in due.items() if at > now}
            assert expected == names(timetable.take(now))
        assert (len(due), min(due.values(), default=None)) == (len(timetable), timetable.next_due())


# the next turn


@pytest.mark.parametrize(
    ("due", "interval", "now", "expected"),
    [
        (0.0, 5.0, 0.0, (5.0, 0)),
        (0.0, 5.0, 4.9, (5.0, 0)),
        (0.0, 5.0, 5.0, (10.0, 1)),
        (0.0, 5.0, 5.1, (10.0, 1)),
        (0.0, 5.0, 14.9, (15.0, 2)),
        (100.0, 5.0, 1_000_002.0, (1_000_005.0, 199_980)),
        (10.0, 5.0, 3.0, (15.0, 0)),
        (0.0, 86_400.0, 1.0, (86_400.0, 0)),
    ],
)
def test_the_next_turn_keeps_the_phase(due: float, interval: float, now: float, expected: tuple[float, int]) -> None:
    """Turns that have gone by are skipped and counted; one that begins right now has gone by."""
    assert expected == following(due, interval, now)


def turns(count: int) -> list[tuple[float, float, float]]:
    """(due, interval, now) at random, over all sizes that occur, many at the very edge of a turn."""
    chance = random.Random(5)
    drawn = []
    for _ in range(count):
        due = chance.choice([0.0, chance.random(), chance.random() * 1e4, chance.random() * 1e7])
        interval = 10 ** chance.uniform(-2, 5)
        late = chance.choice(
            [0.0, chance.random() * interval, chance.random() * 1e5, interval * chance.randrange(1_000)]
        )
        drawn.append((due, interval, due + late))
    return drawn


def test_the_next_turn_is_to_come() -> None:
    """Whatever the rounding, it is after now, or a worker would spin."""
    assert [] == [turn for turn in turns(20_000) if not following(*turn)[0] > turn[2]]


def test_the_next_turn_is_in_phase() -> None:
    """It is a whole number of intervals after the turn that was due, but for rounding."""
    off = []
    for due, interval, now in turns(20_000):
        steps = (following(due, interval, now)[0] - due) / interval
        if abs(steps - round(steps)) * interval > 1e-6:
            off.append((due, interval, now))
    assert [] == off


def test_no_turn_is_skipped_that_could_be_made() -> None:
    """It is the first one after now: at most an interval away."""
    assert [] == [turn for turn in turns(20_000) if following(*turn)[0] - turn[2] > turn[1] + 1e-6]


def test_missed_turns_are_counted() -> None:
    """Those between the one that was due and the next are the missed ones."""
    wrong = []
    for due, interval, now in turns(20_000):
        after, missed = following(due, interval, now)
        if missed != round((after - due) / interval) - 1:
            wrong.append((due, interval, now))
    assert [] == wrong


# first runs


def test_a_first_run_is_at_once() -> None:
    """A single check waits for a blink only."""
    assert 0.0 <= first_due("queue", 7.0, 10.0, 1) - 7.0 <= 1 / FIRST_RUNS


def test_a_first_run_is_always_the_same() -> None:
    """The spread comes from the name, so that workers and restarts agree."""
    assert first_due("queue", 7.0, 10.0, 50) == first_due("queue", 7.0, 10.0, 50)


@pytest.mark.parametrize(
    ("checks", "interval", "span"), [(400, 60.0, 2.0), (50_000, 60.0, 60.0), (50_000, math.inf, 250.0)]
)
def test_first_runs_are_spread(checks: int, interval: float, span: float) -> None:
    """They come over the time that so many need, an interval at most, and evenly."""
    firsts = [first_due(f"check-{number}", 100.0, interval, checks) - 100.0 for number in range(2_000)]
    tenths = [sum(span * tenth / 10 <= first < span * (tenth + 1) / 10 for first in firsts) for tenth in range(10)]
    assert [200] * 10 == pytest.approx(tenths, abs=100)


def test_any_name_has_a_first_run() -> None:
    """A lone surrogate, from a file's name, does not hurt."""
    assert 0.0 <= first_due("\udc80", 0.0, 10.0, 200) <= 1.0


# intervals


class Odd(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class OddNumber(float):
    """A number that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def raising(error: BaseException) -> Any:
    """A function that raises this."""

    def every() -> float:
        raise error

    return every


def test_a_number_is_drawn_as_it_is() -> None:
    """A Check has seen to it already."""
    assert (0.01, "") == draw(0.01)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (5, 5.0),
        (0.5, 0.5),
        (1e-9, 0.01),
        (1e9, LONGEST),
        (86_401, LONGEST),
        (Decimal("2.5"), 2.5),
        (10**300, LONGEST),
    ],
)
def test_an_answer_is_kept_within_bounds(answer: Any, seconds: float) -> None:
    """A hundredth of a second at least, a day at most: neither spins nor sleeps for ever."""
    drawn, problem = draw(lambda: answer)
    assert (seconds, float, "") == (drawn, type(drawn), problem)


@pytest.mark.parametrize(
    "answer",
    [
        0,
        -1,
        -0.0,
        math.nan,
        math.inf,
        -math.inf,
        OddNumber(-1),
        10**400,
        "5",
        "",
        b"5",
        True,
        False,
        None,
        [5],
        {},
        object(),
        5j,
        lambda: 5,
        Decimal("NaN"),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_nonsense_is_no_interval(answer: Any) -> None:
    """The next try is after a safe time, and what was wrong is told."""
    drawn, problem = draw(lambda: answer)
    assert (FALLBACK, True) == (drawn, problem.startswith("every() failed: "))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("why"),
        KeyError("key"),
        RecursionError(),
        MemoryError(),
        StopIteration(),
        Odd(),
        SystemExit(3),
        GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_raising_function_is_no_interval(error: BaseException) -> None:
    """Whatever a host's function raises, sys.exit() among it, the check goes on."""
    drawn, problem = draw(raising(error))
    assert (FALLBACK, True) == (drawn, problem.startswith(f"every() failed: {type(error).__name__}"))


def test_the_problem_is_told() -> None:
    """Which function, what it did, and what happens now."""
    _, problem = draw(lambda: -1)
    assert "every() failed: ValueError: expected seconds > 0, got -1; next run in 10 s" == problem


def test_the_problem_is_one_line() -> None:
    """An exception's text may be long and of many lines; a log line is one."""
    _, problem = draw(raising(ValueError("a\nb\x1b[31m" * 1_000)))
    assert (True, True) == (problem.isprintable(), len(problem) < 250)


def test_a_function_is_asked_every_time() -> None:
    """The interval is drawn anew for every round."""
    answers = iter([1, 2, 3])
    assert [1.0, 2.0, 3.0] == [draw(lambda: next(answers))[0] for _ in range(3)]
