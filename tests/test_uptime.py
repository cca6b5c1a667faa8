"""Uptime: turns, windows, incidents, hours that close, bounds, and random lives against a look at all of each."""

from __future__ import annotations

import binascii
import functools
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from support import few

from minimon.uptime import (
    DAY,
    DAYS,
    DOWN,
    FIVE,
    FIVES,
    FORM,
    HOUR,
    HOURS,
    KEPT,
    NONE,
    NOTHING,
    UP,
    WINDOWS,
    Tally,
    Uptime,
)

MIDNIGHT = 19_675 * DAY
"""One of UTC. Instants in these tests are seconds after it."""

Turn = tuple[int, float]
Sums = tuple[float, float, int]
"""Seconds covered, seconds down, and incidents."""


def lived(*turns: Turn, since: float = 0.0) -> Uptime:
    """What took these turns, each (kind, instant), and was first looked at `since`."""
    uptime = Uptime(MIDNIGHT + since)
    for kind, at in turns:
        uptime.turn(kind, MIDNIGHT + at)
    return uptime


def settled(uptime: Uptime, at: float, answered: int = 0, failed: int = 0) -> Uptime:
    """The same, with all before `at` decided."""
    uptime.settle(MIDNIGHT + at, answered, failed)
    return uptime


def followed(*turns: Turn) -> Uptime:
    """What took these turns, with each hour settled when it was over."""
    uptime = lived()
    for kind, at in turns:
        uptime.turn(kind, MIDNIGHT + at)
        if MIDNIGHT + at >= uptime.settles:
            settled(uptime, at)
    return uptime


def tallies(uptime: Uptime, at: float, answered: int = 0, failed: int = 0) -> list[Tally]:
    """Of all windows."""
    return [tally for _, _, tally in uptime.spans(MIDNIGHT + at, answered, failed)]


def sums(uptime: Uptime, at: float) -> list[Sums]:
    """Of all windows."""
    return [(tally.covered, tally.down, tally.begun + tally.carried) for tally in tallies(uptime, at)]


def near(covered: float, down: float, incidents: int) -> Any:
    """What is equal to these sums, to a millisecond."""
    return pytest.approx((covered, down, incidents), abs=1e-3)


def lengths(uptime: Uptime, at: float) -> list[float]:
    """How long each window is."""
    return [MIDNIGHT + at - start for _, start, _ in uptime.spans(MIDNIGHT + at, 0, 0)]


# windows


def test_windows_come_from_the_shortest_on() -> None:
    """Under their names."""
    assert ["1h", "24h", "7d", "30d", "90d"] == [name for name, _, _ in Uptime(MIDNIGHT).spans(MIDNIGHT, 0, 0)]


def test_without_coverage_there_is_nothing() -> None:
    """Whatever the window, and for as long as nobody looks."""
    assert [NOTHING] * 10 == tallies(lived(), 0.0) + tallies(settled(lived(), 2 * DAY), 2 * DAY)


@pytest.mark.parametrize("at", [0.0, 1.5, HOUR, 5 * DAY + 7 * HOUR + 1.25])
def test_the_short_windows_begin_exactly_so_long_before(at: float) -> None:
    """An hour and a day, to the fraction of a second."""
    assert [HOUR, DAY] == lengths(settled(lived((UP, 0)), at), at)[:2]


@pytest.mark.parametrize("into", [0.0, 0.5, 1800.0, 3599.75])
def test_a_week_begins_at_a_full_hour(into: float) -> None:
    """168 hours that are over, and as much as there is of the current one."""
    at = 20 * DAY + 9 * HOUR + into
    assert 168 * HOUR + into == lengths(settled(lived((UP, 0)), at), at)[2]


@pytest.mark.parametrize("into", [0.0, 0.5, 12.5 * HOUR, DAY - 0.25])
def test_a_month_and_a_quarter_begin_at_a_midnight(into: float) -> None:
    """30 and 90 days that are over, and as much as there is of the current one."""
    at = 200 * DAY + into
    assert [30 * DAY + into, 90 * DAY + into] == lengths(settled(lived((UP, 0)), at), at)[3:]


def test_what_was_always_up_is_covered_all_over() -> None:
    """No second of a window is missing."""
    at = 200 * DAY + 5 * HOUR + 120
    uptime = settled(lived((UP, 0)), at)
    assert [(length, 0.0, 0) for length in lengths(uptime, at)] == sums(uptime, at)


def test_a_young_one_covers_what_it_has_seen() -> None:
    """The windows begin where they always do; the coverage tells that nobody looked before."""
    uptime = lived((UP, 100), (DOWN, 700), (UP, 1000), since=100)
    assert ([HOUR, DAY], [(1000, 300, 1)] * 5) == (lengths(uptime, 1100)[:2], sums(uptime, 1100))


def test_a_time_that_nobody_saw_is_neither_up_nor_down() -> None:
    """It is missing from the coverage."""
    uptime = lived((UP, 0), (NONE, 600), (UP, 1200), (DOWN, 1500), (NONE, 1800))
    assert [(1200, 300, 1)] * 5 == sums(uptime, HOUR)


@pytest.mark.parametrize(
    ("window", "at", "left"),
    [
        ("1h", HOUR, 600),
        ("1h", HOUR + 250, 350),
        ("1h", HOUR + 600, 0),
        ("24h", DAY, 600),
        ("24h", DAY + 250.5, 349.5),
        ("24h", DAY + 600, 0),
        ("7d", 7 * DAY + HOUR - 1, 600),
        ("7d", 7 * DAY + HOUR, 0),
        ("30d", 31 * DAY - 1, 600),
        ("30d", 31 * DAY, 0),
        ("90d", 91 * DAY - 1, 600),
        ("90d", 91 * DAY, 0),
    ],
)
def test_what_is_old_leaves_a_window_at_its_moment(window: str, at: float, left: float) -> None:
    """Ten minutes down after a midnight: second by second, with their hour, or with their day."""
    uptime = settled(lived((DOWN, 0), (UP, 600)), at)
    assert (left, int(left > 0)) == sums(uptime, at)[WINDOWS.index(window)][1:]


# incidents


@pytest.mark.parametrize(
    ("turns", "incidents"),
    [
        ([(UP, 0)], 0),
        ([(DOWN, 0)], 1),
        ([(UP, 0), (DOWN, 10)], 1),
        ([(UP, 0), (DOWN, 10), (UP, 20)], 1),
        ([(UP, 0), (DOWN, 10), (UP, 20), (DOWN, 30)], 2),
        ([(UP, 0), (NONE, 20), (DOWN, 30)], 1),
        # a time that nobody saw begins none, and ends none
        ([(DOWN, 10), (NONE, 20)], 1),
        ([(DOWN, 10), (NONE, 20), (DOWN, 30)], 1),
        ([(DOWN, 10), (NONE, 20), (DOWN, 30), (NONE, 40), (DOWN, 50), (UP, 60)], 1),
        ([(DOWN, 10), (NONE, 20), (UP, 30), (NONE, 40), (DOWN, 50)], 2),
        ([(DOWN, 10), (NONE, 20), (DOWN, 30), (UP, 40), (DOWN, 50)], 2),
        # at a border of the sums, and on both sides of it
        ([(UP, 0), (DOWN, 10), (UP, 20), (DOWN, HOUR)], 2),
        ([(UP, 0), (DOWN, 10), (UP, 20), (DOWN, HOUR), (UP, HOUR + 10)], 2),
        ([(UP, 0), (DOWN, 10), (UP, HOUR), (DOWN, HOUR + 10)], 2),
        ([(UP, 0), (DOWN, HOUR - 10), (UP, HOUR + 10)], 1),
        ([(DOWN, HOUR - 10), (NONE, HOUR), (DOWN, HOUR + 10)], 1),
        ([(UP, 0), (DOWN, 12 * HOUR), (UP, 13 * HOUR), (DOWN, DAY)], 2),
    ],
)
def test_an_incident_is_counted_once(turns: list[Turn], incidents: int) -> None:
    """Each time that it went down, whether a window is made of stretches or of sums."""
    at = turns[-1][1] + 2 * HOUR
    assert [incidents] * 4 == [each[2] for each in sums(settled(lived(*turns), at), at)[1:]]


@pytest.mark.parametrize(
    ("turns", "begun", "carried"),
    [
        ([(UP, 0), (DOWN, HOUR)], 0, True),
        ([(UP, 0), (DOWN, 2 * HOUR)], 1, False),
        ([(UP, 0), (DOWN, 2 * HOUR), (UP, 2.5 * HOUR)], 1, False),
        ([(UP, 0), (DOWN, 2.5 * HOUR)], 1, False),
        ([(DOWN, 0), (NONE, 600), (DOWN, 2.5 * HOUR)], 0, True),
        ([(DOWN, 0), (NONE, 600), (DOWN, 2.2 * HOUR), (UP, 2.3 * HOUR), (DOWN, 2.5 * HOUR)], 1, True),
    ],
)
def test_what_began_before_a_window_is_carried_into_it(turns: list[Turn], begun: int, carried: bool) -> None:
    """The hour from two on: what went down before is told apart from what does so then, or at its very start."""
    hour = tallies(lived(*turns), 3 * HOUR)[0]
    assert (begun, carried) == (hour.begun, hour.carried)


def test_an_incident_of_days_is_one() -> None:
    """Over all the hours and days that it fills; the second is another."""
    uptime = lived((UP, 0), (DOWN, 95 * DAY + 10), (UP, 103 * DAY), (DOWN, 103 * DAY + 60))
    at = 103 * DAY + 120
    assert [2] * 5 == [each[2] for each in sums(settled(uptime, at), at)]


# turns that come late, or are taken back


def test_a_turn_may_be_backdated() -> None:
    """It was down from the first of the failures on."""
    uptime = settled(lived((UP, 0)), 1.5 * HOUR)
    uptime.turn(DOWN, MIDNIGHT + HOUR + 600)
    assert [(HOUR, 3000, 1), *[(2 * HOUR, 3000, 1)] * 4] == sums(uptime, 2 * HOUR)


def test_what_is_settled_stays() -> None:
    """A turn that comes too late begins where the hours that are over end."""
    uptime = settled(lived((UP, 0)), 1.5 * HOUR)
    uptime.turn(DOWN, MIDNIGHT + 600)
    assert [(2 * HOUR, HOUR, 1)] * 4 == sums(uptime, 2 * HOUR)[1:]


def test_a_turn_that_is_moved_to_the_full_hour_is_an_incident_of_its_own() -> None:
    """Another was in the hour before, which is closed."""
    uptime = settled(lived((UP, 0), (DOWN, 60), (UP, 120)), 1.5 * HOUR)
    uptime.turn(DOWN, MIDNIGHT + 600)
    assert [2] * 4 == [each[2] for each in sums(settled(uptime, 2.5 * HOUR), 2.5 * HOUR)[1:]]


def test_turns_stay_in_order() -> None:
    """A turn that is to begin before the latest one takes its place."""
    assert [(2000, 1000, 1)] * 5 == sums(lived((UP, 0), (NONE, 1000), (DOWN, 500)), 2000)


@pytest.mark.parametrize(
    ("turns", "as_if"),
    [
        ([(UP, 0), (DOWN, 0)], [(DOWN, 0)]),
        ([(UP, 10), (NONE, 10)], []),
        ([(UP, 0), (DOWN, 10), (UP, 10)], [(UP, 0)]),
        ([(UP, 0), (DOWN, 10), (NONE, 10)], [(UP, 0), (NONE, 10)]),
        ([(UP, 0), (DOWN, 10), (NONE, 10), (DOWN, 20)], [(UP, 0), (NONE, 10), (DOWN, 20)]),
        ([(UP, 0), (DOWN, 10), (UP, 10), (DOWN, 20)], [(UP, 0), (DOWN, 20)]),
        ([(DOWN, 0), (UP, 10), (DOWN, 10)], [(DOWN, 0)]),
        ([(DOWN, 0), (NONE, 10), (DOWN, 10)], [(DOWN, 0)]),
        ([(DOWN, 0), (NONE, 5), (DOWN, 10), (NONE, 10), (DOWN, 15)], [(DOWN, 0), (NONE, 5), (DOWN, 15)]),
        # what was down before is not forgotten when up is taken back
        ([(DOWN, 0), (NONE, 5), (DOWN, 7), (UP, 10), (DOWN, 10)], [(DOWN, 0), (NONE, 5), (DOWN, 7)]),
        ([(DOWN, 0), (NONE, 5), (UP, 7), (DOWN, 7)], [(DOWN, 0), (NONE, 5), (DOWN, 7)]),
        ([(DOWN, 0), (NONE, 5), (UP, 7), (NONE, 7), (DOWN, 9)], [(DOWN, 0), (NONE, 5), (DOWN, 9)]),
    ],
)
def test_a_turn_is_taken_back_at_its_instant(turns: list[Turn], as_if: list[Turn]) -> None:
    """It is as if it had never been."""
    assert tallies(lived(*as_if), 2000) == tallies(lived(*turns), 2000)


def test_a_turn_to_the_same_is_none() -> None:
    """Whenever it comes."""
    once, often = lived((UP, 0), (DOWN, 10)), lived((UP, 0), (UP, 5), (DOWN, 10), (DOWN, 20), (DOWN, 5))
    assert tallies(once, 100) == tallies(often, 100)


# hours and days that are over


def flapping(every: float, until: float) -> list[Turn]:
    """Up and down by turns, from 0 on."""
    return [((UP, DOWN)[number % 2], number * every) for number in range(math.ceil(until / every))]


@pytest.mark.parametrize("into", [0.0, 1.0, 3599.0])
def test_settling_changes_no_sum(into: float) -> None:
    """Windows that begin before the first look tell the same of stretches as of sums."""
    turns, at = flapping(700.0, 10 * HOUR), 10 * HOUR + into
    assert [near(*each) for each in sums(lived(*turns), at)] == sums(settled(lived(*turns), at), at)


def test_many_hours_at_once_are_as_good_as_one_by_one() -> None:
    """Over midnights, and with turns to come."""
    one_by_one, at_once = (lived(*flapping(1000.0, 50 * HOUR)) for _ in range(2))
    for hour in range(1, 50):
        settled(one_by_one, hour * HOUR + 7)
    assert tallies(one_by_one, 50 * HOUR) == tallies(settled(at_once, 49 * HOUR + 7), 50 * HOUR)


def test_there_is_something_to_settle_once_an_hour_is_over() -> None:
    """A full hour of UTC, whenever the first look was."""
    young, old = lived(since=1.5 * HOUR), settled(lived(since=1.5 * HOUR), 3.2 * HOUR)
    assert [2 * HOUR, 4 * HOUR] == [young.settles - MIDNIGHT, old.settles - MIDNIGHT]


@pytest.mark.parametrize("days", [8, 29, 30, 31, 89, 90, 91, 92, 93, 150, 4000])
def test_an_absence_counts_for_nothing(days: int) -> None:
    """And what was before it is in the windows that reach back to it."""
    uptime = settled(lived((UP, 0), (DOWN, 12 * HOUR), (NONE, 18 * HOUR)), 18 * HOUR)
    uptime.turn(UP, MIDNIGHT + days * DAY)
    long = [(19 * HOUR, 6 * HOUR, 1) if days <= reach else (HOUR, 0, 0) for reach in (30, 90)]
    assert [(HOUR, 0, 0)] * 3 + long == sums(settled(uptime, days * DAY + HOUR), days * DAY + HOUR)


@pytest.mark.parametrize("days", [8, 90, 91, 92, 150, 4000])
def test_an_incident_may_outlast_every_window(days: int) -> None:
    """Nothing was settled in the meantime, and each window is down for as much of it as it reaches back to."""
    at = days * DAY + 60
    uptime = settled(lived((UP, 0), (DOWN, 12 * HOUR)), at)
    expected = [(min(length, at), min(length, at - 12 * HOUR), 1) for length in lengths(uptime, at)]
    assert expected == sums(uptime, at)


# runs


def test_runs_since_the_latest_hour_are_in_the_long_windows() -> None:
    """The short ones have none: their latencies know."""
    uptime = settled(lived((UP, 0)), HOUR, 10, 3)
    assert [(0, 0)] * 2 + [(14, 5)] * 3 == [each[4:] for each in tallies(uptime, 1.5 * HOUR, 14, 5)]


@pytest.mark.parametrize(("hours", "week"), [(1, 110), (168, 110), (169, 100)])
def test_runs_leave_a_week_with_their_hour(hours: int, week: int) -> None:
    """Ten in the first hour, and a hundred thereafter."""
    uptime = settled(settled(lived((UP, 0)), HOUR, 7, 3), hours * HOUR, 7, 3)
    assert week == sum(tallies(uptime, hours * HOUR, 82, 28)[2][4:])


def test_runs_leave_a_month_and_a_quarter_with_their_day() -> None:
    """Of days with one run more than the day before each."""
    uptime, runs = lived((UP, 0)), [0]
    for day in range(1, 121):
        runs.append(runs[-1] + day)
        settled(uptime, day * DAY, runs[day], 2 * runs[day])
    expected = [(runs[120] - runs[120 - days], 2 * (runs[120] - runs[120 - days])) for days in (7, 30, 90)]
    assert expected == [each[4:] for each in tallies(uptime, 120 * DAY + 1, runs[120], 2 * runs[120])[2:]]


# a look at all of it


class Reference:
    """Every stretch that there ever was."""

    def __init__(self, at: float) -> None:
        self.starts, self.kinds, self.closed = [at], [NONE], at // HOUR * HOUR

    def turn(self, kind: int, at: float) -> None:
        """As an Uptime takes it."""
        if kind == self.kinds[-1]:
            return
        at = max(at, self.starts[-1], self.closed)
        if at == self.starts[-1]:
            self.starts.pop()
            self.kinds.pop()
        if self.kinds[-1:] != [kind]:
            self.starts.append(at)
            self.kinds.append(kind)

    def settle(self, at: float) -> None:
        """Hours that are over change no more."""
        self.closed = max(self.closed, at // HOUR * HOUR)

    def begins(self, at: float) -> list[float]:
        """Where the windows of this instant do."""
        midnight = self.closed // DAY * DAY
        return [at - HOUR, at - DAY, self.closed - 168 * HOUR, midnight - 30 * DAY, midnight - 90 * DAY]

    def sums(self, start: float, end: float) -> tuple[float, float, int, float]:
        """Seconds covered and down, incidents (each has a number) that were seen, and seconds that were not covered."""
        seconds, incident, fell, seen = {NONE: 0.0, UP: 0.0, DOWN: 0.0}, 0, False, set()
        for kind, begins, ends in zip(self.kinds, self.starts, [*self.starts[1:], math.inf]):
            incident += kind == DOWN and not fell
            fell = kind == DOWN or (fell and kind == NONE)
            length = min(ends, end) - max(begins, start)
            if length > 0:
                seconds[kind] += length
            if length > 0 and kind == DOWN:
                seen.add(incident)
        unseen = seconds[NONE] + max(0.0, min(end, self.starts[0]) - start)
        return seconds[UP] + seconds[DOWN], seconds[DOWN], len(seen), unseen


def remembered(*turns: Turn) -> Reference:
    """What took these turns from 0 on."""
    reference = Reference(MIDNIGHT)
    for kind, at in turns:
        reference.turn(kind, MIDNIGHT + at)
    return reference


# more turns than there is room for


MANY = [(400.0, 0.0, 0.0), (60.0, 0.0, 123.0), (5.0, 123.0, 123.0)]
"""Seconds from turn to turn, and by how much an hour and a day are longer, 123 seconds after a full hour."""


@pytest.mark.parametrize(("every", "hour", "day"), MANY)
def test_a_window_of_many_stretches_begins_at_five_minutes(every: float, hour: float, day: float) -> None:
    """Only where there was no room for all of its stretches; up to then it is exact."""
    at = 30 * HOUR + 123
    assert [HOUR + hour, DAY + day] == lengths(lived(*flapping(every, at)), at)[:2]


@pytest.mark.parametrize("every", [7.0, 60.0, 301.0, 400.0])
def test_many_stretches_are_summed_up_over_the_window_that_is_named(every: float) -> None:
    """Every one of them is in the sums."""
    turns, at = flapping(every, 30 * HOUR), 30 * HOUR + 123
    uptime, reference = followed(*turns), remembered(*turns)
    expected = [near(*reference.sums(start, MIDNIGHT + at)[:3]) for _, start, _ in uptime.spans(MIDNIGHT + at, 0, 0)]
    assert expected == sums(uptime, at)


def test_bursts_leave_nothing_of_themselves_in_the_next_day() -> None:
    """What was summed up a day before is in no later window, and what lies between two bursts is what it was."""
    at = 27 * HOUR + 1
    turns = [(kind, begin * HOUR + after) for begin in (0, 22, 25.5) for kind, after in flapping(8.0, HOUR)]
    uptime, reference = followed(*turns), remembered(*turns)
    expected = [near(*reference.sums(start, MIDNIGHT + at)[:3]) for _, start, _ in uptime.spans(MIDNIGHT + at, 0, 0)]
    assert expected == sums(uptime, at)


def test_after_a_day_of_calm_the_windows_are_exact_again() -> None:
    """Sums of five minutes are no longer needed then."""
    uptime = lived(*flapping(10.0, 2 * HOUR))
    assert [HOUR, DAY] == lengths(settled(uptime, 28 * HOUR + 123), 28 * HOUR + 123)[:2]


def test_a_burst_after_years_of_calm_costs_no_more_than_another() -> None:
    """There is no sum of five minutes for all of the years."""
    uptime = settled(lived((UP, 0)), 3000 * DAY)
    before = time.process_time()
    for kind, at in flapping(1.0, 400.0):
        uptime.turn(kind, MIDNIGHT + 3000 * DAY + at + 1)
    assert 0.5 > time.process_time() - before


# random lives


class Look(NamedTuple):
    """A window of a random life, and what the reference says of it."""

    window: str
    at: float
    start: float
    begins: float
    sums: Sums
    expected: Sums
    unseen: float


PACES: dict[str, Callable[[random.Random], float]] = {
    "rare": lambda chance: chance.lognormvariate(10, 3),
    "frequent": lambda chance: chance.uniform(1, 900),
    "bursts": lambda chance: chance.uniform(0, 3 * DAY) if chance.random() < 0.003 else chance.uniform(0.01, 20),
    "at full minutes": lambda chance: chance.choice((1, 5, 15, 60)) * 60.0,
}
"""Seconds to the next turn: from seconds to months, minutes, hundreds within the hour, on the borders of the sums."""


def live(pace: str, seed: int, *, saved: bool = False) -> Iterator[tuple[Uptime, Reference, float]]:
    """A random life, and an instant of it now and then. With `saved` it is saved and loaded at each."""
    chance = random.Random(seed)
    at = MIDNIGHT + chance.randrange(288) * FIVE
    uptime, reference = Uptime(at), Reference(at)
    for number in range(1200 if pace == "bursts" else 300):
        gap = PACES[pace](chance) if chance.random() < 0.9 else 0.0
        if number % 20 == 19:
            look = at + gap * chance.random()
            uptime = Uptime.load(json.loads(json.dumps(uptime.dump())), look) if saved else uptime
            yield uptime, reference, look
        at += gap
        kind, back = chance.choice((NONE, UP, UP, DOWN, DOWN)), chance.choice((0.0, 0.0, 0.0, 90.0, FIVE, 2 * HOUR))
        uptime.turn(kind, at - back)
        reference.turn(kind, at - back)
        if at >= uptime.settles + chance.choice((0.0, HOUR, DAY / 2)):
            uptime.settle(at, 0, 0)
            reference.settle(at)


@functools.cache
def looks(pace: str) -> list[Look]:
    """All that was seen of some lives."""
    found = []
    for uptime, reference, at in (seen for seed in range(3) for seen in live(pace, seed)):
        for (window, start, tally), begins in zip(uptime.spans(at, 0, 0), reference.begins(at)):
            covered, down, incidents, unseen = reference.sums(start, at)
            told = tally.covered, tally.down, tally.begun + tally.carried
            found.append(Look(window, at, start, begins, told, (covered, down, incidents), unseen))
    return found


def close(a: float, b: float) -> bool:
    """Equal, but for what is lost in 32 bits."""
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-3)


Rule = Callable[[Look], bool]
RULES: dict[str, Rule] = {
    "it begins where it should": lambda look: look.start in (look.begins, look.begins // FIVE * FIVE),
    "what was covered": lambda look: close(look.sums[0], look.expected[0]),
    "what was down": lambda look: close(look.sums[1], look.expected[1]),
    "incidents": lambda look: look.sums[2] == look.expected[2],
    "down is covered": lambda look: 0 <= look.sums[1] <= look.sums[0],
    "covered is within the window": lambda look: look.sums[0] <= (look.at - look.start) * (1 + 1e-6),
    "the rest was not covered": lambda look: close(look.sums[0] + look.unseen, look.at - look.start),
    "an incident takes time": lambda look: (look.sums[1] > 0) == (look.sums[2] > 0),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pace", few(PACES, 1))
def test_a_look_at_all_of_a_life_says_the_same(pace: str, rule: str) -> None:
    """Of every window, at random instants of random lives."""
    assert [] == [look for look in looks(pace) if not RULES[rule](look)][:3]


@pytest.mark.parametrize("pace", few(PACES, 1))
def test_a_life_that_is_saved_and_loaded_goes_on_as_another(pace: str) -> None:
    """At any time: the same windows, then and ever after."""
    expected = [uptime.spans(at, 0, 0) for uptime, _, at in live(pace, 7)]
    assert expected == [uptime.spans(at, 0, 0) for uptime, _, at in live(pace, 7, saved=True)]


# bounds


def kept(thing: Any) -> int:
    """How many elements it keeps, all the way down."""
    if hasattr(thing, "__slots__"):
        return sum(kept(getattr(thing, name)) for name in thing.__slots__)
    if isinstance(thing, tuple):
        return sum(map(kept, thing))
    return len(thing) if hasattr(thing, "__len__") else 1


def test_a_year_takes_no_more_than_a_month() -> None:
    """With days of many turns and days of none."""
    uptime, sizes = lived((UP, 0)), []
    for day in range(365):
        for kind, after in flapping(120.0, DAY * (day % 8 == 0)):
            uptime.turn(kind, MIDNIGHT + day * DAY + after + 1)
        sizes.append(kept(settled(uptime, (day + 1) * DAY, day)))
    bound = 2 * (KEPT + 64) + 18 * (FIVES + HOURS + DAYS) + 50
    assert (True, True) == (max(sizes) <= bound, max(sizes[30:]) <= max(sizes[:30]))


def test_a_long_calm_forgets_all_but_one_stretch() -> None:
    """And the sums of five minutes."""
    uptime = lived(*flapping(10.0, 2 * HOUR))
    assert kept(lived()) == kept(settled(uptime, 3 * DAY))


# saving and loading


AT = 26 * HOUR + 90
"""When what is loaded was dumped."""


@functools.cache
def text() -> str:
    """A life that has something of all, as it comes from a file."""
    return json.dumps(settled(lived(*flapping(200.0, AT)), AT, 1000, 10).dump())


def dumped() -> dict[str, Any]:
    """A fresh copy of that."""
    plain: dict[str, Any] = json.loads(text())
    return plain


def load(plain: Any) -> Uptime:
    """At the same instant."""
    return Uptime.load(plain, MIDNIGHT + AT)


def test_what_was_dumped_is_as_it_was() -> None:
    """All windows, the runs, and a dump of it."""
    uptime = load(dumped())
    expected = settled(lived(*flapping(200.0, AT)), AT, 1000, 10)
    assert (tallies(expected, AT, 1001, 12), dumped()) == (tallies(uptime, AT, 1001, 12), uptime.dump())


@pytest.mark.parametrize("turns", [1, KEPT + 63, KEPT + 64, KEPT + 65])
def test_as_many_stretches_as_there_may_be_are_loaded(turns: int) -> None:
    """Before there has to be room, and after."""
    uptime = lived(*flapping(30.0, 30.0 * turns))
    assert tallies(uptime, AT) == tallies(load(uptime.dump()), AT)


def test_more_runs_than_there_were_are_none() -> None:
    """A file that counts too many takes none away, and the next hour is settled all the same."""
    uptime = load({**dumped(), "counted": [10**6, 10**6]})
    before = tallies(uptime, AT, 1001, 12)[2][4:]
    assert [(1000, 10)] * 2 == [before, tallies(settled(uptime, 28 * HOUR, 1001, 12), 28 * HOUR, 1001, 12)[2][4:]]


def test_a_dump_shares_nothing() -> None:
    """It is of one instant."""
    uptime = lived((UP, 0))
    plain = uptime.dump()
    settled(uptime, HOUR).turn(DOWN, MIDNIGHT + HOUR)
    assert lived((UP, 0)).dump() == plain


@pytest.mark.parametrize("gone", [2 * HOUR, 40 * DAY, 400 * DAY])
def test_what_was_down_is_down_on_when_it_comes_back(gone: float) -> None:
    """It went down, nobody looked for so long, it was saved and loaded, and it is down: one incident."""
    uptime = lived((DOWN, 0), (NONE, 600))
    back = Uptime.load(settled(uptime, gone).dump(), MIDNIGHT + gone)
    back.turn(DOWN, MIDNIGHT + gone)
    assert (0, True) == tallies(back, gone + 60)[0][2:4]


def sum_of(plain: dict[str, Any], key: str, covered: float, down: float) -> dict[str, Any]:
    """The same with another first sum in this ring."""
    ring = bytearray(binascii.a2b_base64(plain[key]))
    FORM.pack_into(ring, 0, covered, down, 0, 0, 0)
    return {**plain, key: binascii.b2a_base64(ring).decode()}


NAN, INF = math.nan, math.inf
LATER = MIDNIGHT + AT + 1
Edit = Callable[[dict[str, Any]], Any]
NONSENSE: dict[str, Edit] = {
    "nothing": lambda plain: None,
    "a list": lambda plain: list(plain.values()),
    "a text": lambda plain: json.dumps(plain),
    "no stretch": lambda plain: {**plain, "instants": [], "kinds": []},
    "too many stretches": lambda plain: {
        **plain,
        "instants": [MIDNIGHT + n for n in range(320)],
        "kinds": [1, 2] * 160,
    },
    "fewer instants": lambda plain: {**plain, "instants": plain["instants"][1:]},
    "fewer kinds": lambda plain: {**plain, "kinds": plain["kinds"][1:]},
    "instants that fall": lambda plain: {**plain, "instants": plain["instants"][::-1]},
    "instants that do not rise": lambda plain: {**plain, "instants": [plain["instants"][0]] * len(plain["instants"])},
    "an instant that is none": lambda plain: {**plain, "instants": [*plain["instants"][:-1], NAN]},
    "a first instant that is none": lambda plain: {**plain, "instants": [NAN, *plain["instants"][1:]]},
    "the only instant is none": lambda plain: {**plain, "instants": [NAN], "kinds": [1]},
    "an instant of the future": lambda plain: {**plain, "instants": [*plain["instants"][:-1], LATER]},
    "an instant before all time": lambda plain: {**plain, "instants": [-INF, *plain["instants"][1:]]},
    "a negative instant": lambda plain: {**plain, "instants": [-1.0, *plain["instants"][1:]]},
    "instants of text": lambda plain: {**plain, "instants": list(map(str, plain["instants"]))},
    "one instant": lambda plain: {**plain, "instants": 5.0},
    "a kind out of range": lambda plain: {**plain, "kinds": [9, *plain["kinds"][1:]]},
    "a negative kind": lambda plain: {**plain, "kinds": [-1, *plain["kinds"][1:]]},
    "a large kind": lambda plain: {**plain, "kinds": [256, *plain["kinds"][1:]]},
    "a broken kind": lambda plain: {**plain, "kinds": [1.5, *plain["kinds"][1:]]},
    "the number of kinds": lambda plain: {**plain, "kinds": len(plain["kinds"])},
    "kinds of text": lambda plain: {**plain, "kinds": "1" * len(plain["kinds"])},
    "settled in the future": lambda plain: {**plain, "settled": LATER + HOUR},
    "settled never": lambda plain: {**plain, "settled": NAN},
    "settled before all time": lambda plain: {**plain, "settled": -INF},
    "settled by nobody": lambda plain: {**plain, "settled": None},
    "one count": lambda plain: {**plain, "counted": [1]},
    "a count that is none": lambda plain: {**plain, "counted": [NAN, 0]},
    "a negative count": lambda plain: {**plain, "counted": [0, -1]},
    "no counts": lambda plain: {**plain, "counted": None},
    "no hours": lambda plain: {**plain, "hours": None},
    "days in place of hours": lambda plain: {**plain, "hours": plain["days"]},
    "broken base64": lambda plain: {**plain, "hours": plain["hours"][:-1]},
    "letters that base64 has not": lambda plain: {**plain, "days": "ä" * 100},
    "numbers in place of base64": lambda plain: {**plain, "days": [0] * 100},
    "a sum that is none": lambda plain: sum_of(plain, "hours", NAN, 0.0),
    "a time down that is none": lambda plain: sum_of(plain, "days", 9.0, NAN),
    "a negative time down": lambda plain: sum_of(plain, "fives", 9.0, -1.0),
    "more down than covered": lambda plain: sum_of(plain, "days", 9.0, 10.0),
    "more covered than a day has": lambda plain: sum_of(plain, "days", 86_500.0, 0.0),
    "more covered than an hour has": lambda plain: sum_of(plain, "hours", 3700.0, 0.0),
    "more covered than five minutes have": lambda plain: sum_of(plain, "fives", 310.0, 0.0),
    "endless cover": lambda plain: sum_of(plain, "hours", INF, 0.0),
}


def refuses(plain: Any) -> bool:
    """Whether loading raises."""
    try:
        load(plain)
    except Exception:
        return True
    return False


def test_nonsense_is_refused() -> None:
    """By an exception, at once."""
    assert [] == [name for name, edit in NONSENSE.items() if not refuses(edit(dumped()))]


@pytest.mark.parametrize("key", dumped())
def test_what_is_missing_is_noticed(key: str) -> None:
    """Each part is needed."""
    assert refuses({name: value for name, value in dumped().items() if name != key})


JUNK: tuple[Any, ...] = (
    NAN,
    INF,
    -INF,
    -1,
    0,
    1,
    2.5,
    1e9,
    1e300,
    10**30,
    None,
    True,
    "",
    "x",
    "AAAA",
    [],
    [1],
    {},
    {"a": 1},
)


def tampered(plain: Any, chance: random.Random) -> Any:
    """The same with junk in one place, anywhere."""
    if not isinstance(plain, (list, dict)) or not plain or chance.random() < 0.2:
        return chance.choice(JUNK)
    if isinstance(plain, dict):
        key = chance.choice(list(plain))
        return {**plain, key: tampered(plain[key], chance)}
    number = chance.randrange(len(plain))
    return [*plain[:number], tampered(plain[number], chance), *plain[number + 1 :]]


def test_what_was_tampered_with_is_refused_or_harmless() -> None:
    """What is loaded nevertheless can be asked, turned and settled for the rest of its life."""
    chance, plain = random.Random(5), dumped()
    for _ in range(200):
        changed = tampered(plain, chance)
        if not refuses(changed):
            uptime = load(changed)
            for hours in (0, 1, 30, 3000):
                at = AT + hours * HOUR
                uptime.turn(UP + hours % 2, MIDNIGHT + at)
                told = tallies(settled(uptime, at, 2000 + hours, 20), at, 2000 + hours, 20)
                assert all(0 <= down <= covered for covered, down, *_ in told)
