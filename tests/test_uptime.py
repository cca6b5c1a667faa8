"""Uptime: turns, windows, incidents, hours that close, bounds, and random lives against a look at all of each."""

from __future__ import annotations

import binascii
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import few

from minimon.uptime import DAY, DAYS, DOWN, FIVE, FIVES, FORM, HOUR, HOURS, KEPT, NONE, UP, WINDOWS, Tally, Uptime

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


def tallies(uptime: Uptime, at: float, answered: int = 0, failed: int = 0) -> list[Tally]:
    """Of all windows."""
    return [tally for _, _, tally in uptime.spans(MIDNIGHT + at, answered, failed)]


def sums(uptime: Uptime, at: float) -> list[Sums]:
    """Of all windows."""
    return [(tally.covered, tally.down, tally.begun + tally.carried) for tally in tallies(uptime, at)]


def lengths(uptime: Uptime, at: float) -> list[float]:
    """How long each window is."""
    return [MIDNIGHT + at - start for _, start, _ in uptime.spans(MIDNIGHT + at, 0, 0)]


def flapping(every: float, until: float) -> list[Turn]:
    """Up and down by turns, from 0 on."""
    return [((UP, DOWN)[number % 2], number * every) for number in range(math.ceil(until / every))]


# windows


@pytest.mark.parametrize("into", [0.0, 0.5, 3599.75, 12.5 * HOUR, DAY - 0.25])
def test_a_window_begins_at_its_instant(into: float) -> None:
    """The short ones exactly so long before, a week at a full hour, the others at a midnight; up covers all of each."""
    at = 200 * DAY + into
    uptime = settled(lived((UP, 0)), at)
    expected = [HOUR, DAY, 7 * DAY + into % HOUR, 30 * DAY + into, 90 * DAY + into]
    names = [name for name, _, _ in uptime.spans(MIDNIGHT + at, 0, 0)]
    assert (list(WINDOWS), expected) == (names, lengths(uptime, at))
    assert [(length, 0.0, 0) for length in expected] == sums(uptime, at)


def test_a_time_that_nobody_saw_is_neither_up_nor_down() -> None:
    """It is missing from the coverage, and so is what was before the first look."""
    uptime = lived((UP, 100), (NONE, 600), (UP, 1200), (DOWN, 1500), (NONE, 1800), since=100)
    assert ([HOUR, DAY], [(1100, 300, 1)] * 5) == (lengths(uptime, 2000)[:2], sums(uptime, 2000))


@pytest.mark.parametrize(
    ("window", "at", "left"),
    [
        ("1h", HOUR + 600, 0),
        ("24h", DAY + 250.5, 349.5),
        ("7d", 7 * DAY + HOUR - 1, 600),
        ("7d", 7 * DAY + HOUR, 0),
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
        ([(UP, 0), (DOWN, 10), (UP, 20), (DOWN, 30)], 2),
        # a time that nobody saw begins none, and ends none
        ([(UP, 0), (NONE, 20), (DOWN, 30)], 1),
        ([(DOWN, 10), (NONE, 20), (DOWN, 30), (NONE, 40), (DOWN, 50), (UP, 60)], 1),
        ([(DOWN, 10), (NONE, 20), (UP, 30), (NONE, 40), (DOWN, 50)], 2),
        # at a border of the sums, and on both sides of it
        ([(UP, 0), (DOWN, 10), (UP, 20), (DOWN, HOUR)], 2),
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


@pytest.mark.parametrize("days", [8, 91, 4000])
def test_an_incident_may_outlast_every_window(days: int) -> None:
    """Nothing was settled in the meantime, and each window is down for as much of it as it reaches back to."""
    at = days * DAY + 60
    uptime = settled(lived((UP, 0), (DOWN, 12 * HOUR)), at)
    expected = [(min(length, at), min(length, at - 12 * HOUR), 1) for length in lengths(uptime, at)]
    assert expected == sums(uptime, at)


# turns that come late, or are taken back


@pytest.mark.parametrize(("back", "down"), [(HOUR + 600, 3000), (600, HOUR)])
def test_a_turn_may_be_backdated(back: float, down: float) -> None:
    """It was down from the first of the failures on, or from the hour on that is not settled: as a second incident."""
    uptime = settled(lived((UP, 0), (DOWN, 60), (UP, 120)), 1.5 * HOUR)
    uptime.turn(DOWN, MIDNIGHT + back)
    assert [(2 * HOUR, down + 60, 2)] * 4 == sums(settled(uptime, 2 * HOUR), 2 * HOUR)[1:]


@pytest.mark.parametrize(
    ("turns", "as_if"),
    [
        ([(UP, 0), (UP, 5), (DOWN, 10), (DOWN, 20), (DOWN, 5)], [(UP, 0), (DOWN, 10)]),
        ([(UP, 0), (NONE, 1000), (DOWN, 500)], [(UP, 0), (DOWN, 1000)]),
        ([(UP, 0), (DOWN, 10), (UP, 10), (DOWN, 20)], [(UP, 0), (DOWN, 20)]),
        ([(DOWN, 0), (NONE, 5), (DOWN, 10), (NONE, 10), (DOWN, 15)], [(DOWN, 0), (NONE, 5), (DOWN, 15)]),
        # what was down before is not forgotten when up is taken back
        ([(DOWN, 0), (NONE, 5), (DOWN, 7), (UP, 10), (DOWN, 10)], [(DOWN, 0), (NONE, 5), (DOWN, 7)]),
        ([(DOWN, 0), (NONE, 5), (UP, 7), (NONE, 7), (DOWN, 9)], [(DOWN, 0), (NONE, 5), (DOWN, 9)]),
    ],
)
def test_a_turn_is_taken_back_at_its_instant(turns: list[Turn], as_if: list[Turn]) -> None:
    """Or before it, as if it had never been; one to the same is none."""
    assert tallies(lived(*as_if), 2000) == tallies(lived(*turns), 2000)


# hours and days that are over


def test_there_is_something_to_settle_once_an_hour_is_over() -> None:
    """A full hour of UTC, whenever the first look was."""
    young, old = lived(since=1.5 * HOUR), settled(lived(since=1.5 * HOUR), 3.2 * HOUR)
    assert [2 * HOUR, 4 * HOUR] == [young.settles - MIDNIGHT, old.settles - MIDNIGHT]


@pytest.mark.parametrize("days", [8, 30, 31, 90, 91, 92, 4000])
def test_an_absence_counts_for_nothing(days: int) -> None:
    """And what was before it is in the windows that reach back to it."""
    uptime = settled(lived((UP, 0), (DOWN, 12 * HOUR), (NONE, 18 * HOUR)), 18 * HOUR)
    uptime.turn(UP, MIDNIGHT + days * DAY)
    long = [(19 * HOUR, 6 * HOUR, 1) if days <= reach else (HOUR, 0, 0) for reach in (30, 90)]
    assert [(HOUR, 0, 0)] * 3 + long == sums(settled(uptime, days * DAY + HOUR), days * DAY + HOUR)


def test_runs_since_the_latest_hour_are_in_the_long_windows() -> None:
    """The short ones have none: their latencies know."""
    uptime = settled(lived((UP, 0)), HOUR, 10, 3)
    assert [(0, 0)] * 2 + [(14, 5)] * 3 == [each[4:] for each in tallies(uptime, 1.5 * HOUR, 14, 5)]


@pytest.mark.parametrize(("hours", "week"), [(168, 110), (169, 100)])
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

    def sums(self, start: float, end: float) -> Sums:
        """Each incident has a number; those count that were seen."""
        seconds, incident, fell, seen = {NONE: 0.0, UP: 0.0, DOWN: 0.0}, 0, False, set()
        for kind, begins, ends in zip(self.kinds, self.starts, [*self.starts[1:], math.inf]):
            incident += kind == DOWN and not fell
            fell = kind == DOWN or (fell and kind == NONE)
            length = max(0.0, min(ends, end) - max(begins, start))
            seconds[kind] += length
            if length and kind == DOWN:
                seen.add(incident)
        return seconds[UP] + seconds[DOWN], seconds[DOWN], len(seen)


def near(reference: Reference, uptime: Uptime, at: float) -> list[Any]:
    """What is equal to these sums over its windows, but for what is lost in 32 bits."""
    begins = [start for _, start, _ in uptime.spans(MIDNIGHT + at, 0, 0)]
    return [pytest.approx(reference.sums(start, MIDNIGHT + at), rel=1e-6, abs=1e-3) for start in begins]


def followed(*turns: Turn) -> tuple[Uptime, Reference]:
    """What took these turns, with each hour settled when it was over; and all of it."""
    uptime, reference = lived(), Reference(MIDNIGHT)
    for kind, at in turns:
        uptime.turn(kind, MIDNIGHT + at)
        reference.turn(kind, MIDNIGHT + at)
        uptime.settle(MIDNIGHT + at, 0, 0)
    return uptime, reference


# more turns than there is room for


@pytest.mark.parametrize(("every", "hour", "day"), [(400.0, 0.0, 0.0), (60.0, 0.0, 123.0), (7.0, 123.0, 123.0)])
def test_a_window_of_many_stretches_begins_at_five_minutes(every: float, hour: float, day: float) -> None:
    """Only where there was no room for all of its stretches, which are in the sums; up to then it is exact."""
    at = 30 * HOUR + 123
    uptime, reference = followed(*flapping(every, at))
    assert [HOUR + hour, DAY + day] == lengths(uptime, at)[:2]
    assert near(reference, uptime, at) == sums(uptime, at)


def test_bursts_leave_nothing_of_themselves_in_the_next_day() -> None:
    """What was summed up a day before is in no later window, and what lies between two bursts is what it was."""
    turns = [(kind, begin * HOUR + after) for begin in (0, 22, 25.5) for kind, after in flapping(8.0, HOUR)]
    uptime, reference = followed(*turns)
    assert near(reference, uptime, 27 * HOUR + 1) == sums(uptime, 27 * HOUR + 1)


def test_after_a_day_of_calm_the_windows_are_exact_again() -> None:
    """Sums of five minutes are no longer needed then, and all but one stretch is forgotten."""
    uptime = lived(*flapping(10.0, 2 * HOUR))
    exact = lengths(settled(uptime, 28 * HOUR + 123), 28 * HOUR + 123)[:2]
    assert ([HOUR, DAY], kept(lived())) == (exact, kept(settled(uptime, 3 * DAY)))


def test_a_burst_after_years_of_calm_costs_no_more_than_another() -> None:
    """There is no sum of five minutes for all of the years."""
    uptime = settled(lived((UP, 0)), 3000 * DAY)
    before = time.process_time()
    for kind, at in flapping(1.0, 400.0):
        uptime.turn(kind, MIDNIGHT + 3000 * DAY + at + 1)
    assert 0.5 > time.process_time() - before


# random lives


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
    at = chance.randrange(288) * FIVE
    uptime, reference = lived(since=at), Reference(MIDNIGHT + at)
    for number in range(1200 if pace == "bursts" else 300):
        gap = PACES[pace](chance) if chance.random() < 0.9 else 0.0
        if number % 20 == 19:
            look = at + gap * chance.random()
            uptime = Uptime.load(json.loads(json.dumps(uptime.dump())), MIDNIGHT + look) if saved else uptime
            yield uptime, reference, look
        at += gap
        kind, back = chance.choice((NONE, UP, UP, DOWN, DOWN)), chance.choice((0.0, 0.0, 0.0, 90.0, FIVE, 2 * HOUR))
        uptime.turn(kind, MIDNIGHT + at - back)
        reference.turn(kind, MIDNIGHT + at - back)
        if MIDNIGHT + at >= uptime.settles + chance.choice((0.0, HOUR, DAY / 2)):
            settled(uptime, at)
            reference.settle(MIDNIGHT + at)


@pytest.mark.parametrize("pace", few(PACES, 1))
def test_a_look_at_all_of_a_life_says_the_same(pace: str) -> None:
    """Of every window, which begins where it should, at random instants of random lives."""
    for uptime, reference, at in (seen for seed in range(3) for seen in live(pace, seed)):
        begins = [start for _, start, _ in uptime.spans(MIDNIGHT + at, 0, 0)]
        exact = reference.begins(MIDNIGHT + at)
        assert [] == [start for start, begin in zip(begins, exact) if start not in (begin, begin // FIVE * FIVE)]
        assert near(reference, uptime, at) == sums(uptime, at)


@pytest.mark.parametrize("pace", few(PACES, 1))
def test_a_life_that_is_saved_and_loaded_goes_on_as_another(pace: str) -> None:
    """At any time: the same windows, then and ever after."""
    expected = [tallies(uptime, at) for uptime, _, at in live(pace, 7)]
    assert expected == [tallies(uptime, at) for uptime, _, at in live(pace, 7, saved=True)]


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


# saving and loading


AT = 26 * HOUR + 90
"""When what is loaded was dumped."""
PLAIN: dict[str, Any] = json.loads(json.dumps(settled(lived(*flapping(200.0, AT)), AT, 1000, 10).dump()))
"""A life that has something of all, as it comes from a file."""


def load(plain: Any) -> Uptime:
    """At the same instant."""
    return Uptime.load(plain, MIDNIGHT + AT)


def test_what_was_dumped_is_as_it_was() -> None:
    """The runs as well; and a dump is of one instant, and shares nothing."""
    uptime = load(PLAIN)
    told, again = tallies(uptime, AT, 1001, 12), uptime.dump()
    settled(uptime, AT + HOUR).turn(NONE, MIDNIGHT + AT + HOUR)
    assert (tallies(settled(lived(*flapping(200.0, AT)), AT, 1000, 10), AT, 1001, 12), PLAIN) == (told, again)


@pytest.mark.parametrize("turns", [1, KEPT + 63, KEPT + 64])
def test_as_many_stretches_as_there_may_be_are_loaded(turns: int) -> None:
    """Before there has to be room, and after."""
    uptime = lived(*flapping(30.0, 30.0 * turns))
    assert tallies(uptime, AT) == tallies(load(uptime.dump()), AT)


def test_more_runs_than_there_were_are_none() -> None:
    """A file that counts too many takes none away, and the next hour is settled all the same."""
    uptime = load({**PLAIN, "counted": [10**6, 10**6]})
    before = tallies(uptime, AT, 1001, 12)[2][4:]
    assert [(1000, 10)] * 2 == [before, tallies(settled(uptime, 28 * HOUR, 1001, 12), 28 * HOUR, 1001, 12)[2][4:]]


@pytest.mark.parametrize("gone", [2 * HOUR, 400 * DAY])
def test_what_was_down_is_down_on_when_it_comes_back(gone: float) -> None:
    """It went down, nobody looked for so long, it was saved and loaded, and it is down: one incident."""
    uptime = lived((DOWN, 0), (NONE, 600))
    back = Uptime.load(settled(uptime, gone).dump(), MIDNIGHT + gone)
    back.turn(DOWN, MIDNIGHT + gone)
    assert (0, True) == tallies(back, gone + 60)[0][2:4]


def first_sum(key: str, covered: float, down: float) -> dict[str, str]:
    """A ring with another first sum."""
    ring = bytearray(binascii.a2b_base64(PLAIN[key]))
    FORM.pack_into(ring, 0, covered, down, 0, 0, 0)
    return {key: binascii.b2a_base64(ring).decode()}


NAN, INF = math.nan, math.inf
LATER = MIDNIGHT + AT + 1
INSTANTS, KINDS = PLAIN["instants"], PLAIN["kinds"]
NONSENSE: dict[str, dict[str, Any]] = {
    "no stretch": {"instants": [], "kinds": []},
    "too many stretches": {"instants": [MIDNIGHT + n for n in range(320)], "kinds": [1, 2] * 160},
    "fewer instants": {"instants": INSTANTS[1:]},
    "instants that do not rise": {"instants": [INSTANTS[0]] * len(INSTANTS)},
    "a first instant that is none": {"instants": [NAN, *INSTANTS[1:]]},
    "the only instant is none": {"instants": [NAN], "kinds": [1]},
    "an instant of the future": {"instants": [*INSTANTS[:-1], LATER]},
    "a negative instant": {"instants": [-1.0, *INSTANTS[1:]]},
    "a kind out of range": {"kinds": [5, *KINDS[1:]]},
    "a negative kind": {"kinds": [-1, *KINDS[1:]]},
    "the number of kinds": {"kinds": len(KINDS)},
    "kinds of text": {"kinds": "1" * len(KINDS)},
    "settled in the future": {"settled": LATER + HOUR},
    "settled never": {"settled": NAN},
    "one count": {"counted": [1]},
    "a count that is none": {"counted": [NAN, 0]},
    "a negative count": {"counted": [0, -1]},
    "days in place of hours": {"hours": PLAIN["days"]},
    "broken base64": {"hours": PLAIN["hours"][:-1]},
    "a sum that is none": first_sum("hours", NAN, 0.0),
    "a time down that is none": first_sum("days", 9.0, NAN),
    "a negative time down": first_sum("fives", 9.0, -1.0),
    "more down than covered": first_sum("days", 9.0, 10.0),
    "more covered than a day has": first_sum("days", 86_500.0, 0.0),
    "more covered than an hour has": first_sum("hours", 3700.0, 0.0),
    "more covered than five minutes have": first_sum("fives", 310.0, 0.0),
}


def refuses(load: Callable[[Any], object], plain: Any) -> bool:
    """Whether loading raises."""
    try:
        load(plain)
    except Exception:
        return True
    return False


def test_nonsense_is_refused() -> None:
    """By an exception, at once; and each part is needed."""
    plains: dict[str, Any] = {name: {**PLAIN, **changes} for name, changes in NONSENSE.items()}
    plains.update((f"without {key}", {name: PLAIN[name] for name in PLAIN if name != key}) for key in PLAIN)
    plains.update({"nothing": None, "a list": list(PLAIN.values()), "a text": json.dumps(PLAIN)})
    assert [] == [name for name, plain in plains.items() if not refuses(load, plain)]


JUNK: tuple[Any, ...] = (NAN, INF, -INF, -1, 0, 1, 2.5, 1e9, 1e300, 10**30, None, True)
JUNK += ("", "x", "AAAA", [], [1], {}, {"a": 1})


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
    chance = random.Random(5)
    for changed in (tampered(PLAIN, chance) for _ in range(200)):
        if not refuses(load, changed):
            uptime = load(changed)
            for hours in (0, 1, 30, 3000):
                at = AT + hours * HOUR
                uptime.turn(UP + hours % 2, MIDNIGHT + at)
                told = tallies(settled(uptime, at, 2000 + hours, 20), at, 2000 + hours, 20)
                assert all(0 <= down <= covered for covered, down, *_ in told)
