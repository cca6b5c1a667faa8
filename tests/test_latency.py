"""Latency: buckets, percentiles, slots that leave their windows, bounds, random runs against a look at all of them."""

from __future__ import annotations

import binascii
import functools
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from support import few

from minimon.latency import _HEAD, BOUNDS, COARSEST, FINEST, MIDDLES, NO_WINDOW, SHARES, Latency, Window
from minimon.uptime import DAY, FIVE, HOUR

MIDNIGHT = 19_675 * DAY
"""One of UTC. Instants in these tests are seconds after it."""
MOST = 16
"""How many of the latest values are given."""

Run = tuple[float, float]
"""When, and how many seconds it took."""


def moved(latency: Latency, at: float) -> Latency:
    """The same, at this instant."""
    if MIDNIGHT + at >= latency.moves:
        latency.move(MIDNIGHT + at)
    return latency


def timed(*runs: Run, failed: Sequence[Run] = ()) -> Latency:
    """What took these runs."""
    latency = Latency(MIDNIGHT)
    for (at, seconds), fails in sorted([*((run, False) for run in runs), *((run, True) for run in failed)]):
        moved(latency, at)
        (latency.failed if fails else latency.answered).add(seconds)
    return latency


def at_once(values: Sequence[float]) -> Latency:
    """What took runs of these lengths, all in the first slot."""
    return timed(*((0.0, seconds) for seconds in values))


class Latest:
    """Gives the latest values, and remembers for which outcomes it was asked."""

    def __init__(self, *values: float) -> None:
        self.values, self.asked = values, list[tuple[str, ...]]()

    def __call__(self, *outcomes: str) -> Sequence[float]:
        self.asked.append(outcomes)
        return self.values


def told(latency: Latency) -> tuple[Window, ...]:
    """The windows, without a look at the latest values."""
    return latency.windows(0, Latest())


def hour(latency: Latency, latest: Sequence[float] = ()) -> Window:
    """What was answered within the hour, when these are the latest values."""
    return latency.windows(MOST, Latest(*latest))[0]


def numbers(latency: Latency) -> list[int]:
    """How many values each window has: answered in the hour, in the day, failed in the hour, in the day."""
    return [window.n for window in told(latency)]


# buckets


def test_buckets_grow_by_five_percent() -> None:
    """From the finest to the coarsest that is told."""
    growth = [after / before for before, after in zip(BOUNDS, BOUNDS[1:])]
    assert (FINEST, [pytest.approx(1.05)] * len(growth), True) == (
        BOUNDS[0],
        growth,
        BOUNDS[-1] >= COARSEST > BOUNDS[-2],
    )


def test_a_value_is_told_within_two_and_a_half_percent() -> None:
    """Any between a microsecond and two minutes, beside a longer one that bounds nothing."""
    chance = random.Random(1)
    values = [math.exp(chance.uniform(math.log(FINEST), math.log(COARSEST))) for _ in range(2000)]
    values += [*BOUNDS[:-1], *(bound * 1.0000001 for bound in BOUNDS[:-1])]
    found = [(value, hour(at_once((value, 999.0))).p50 or 0.0) for value in values]
    assert [] == [(value, p50) for value, p50 in found if abs(p50 / value - 1) > 0.025][:3]


@pytest.mark.parametrize("seconds", [0.0, 1e-12, 9.9e-7, 1e-6])
def test_what_is_too_fine_is_the_finest(seconds: float) -> None:
    """No bucket is finer than a microsecond."""
    assert FINEST == hour(at_once((seconds, 1.0))).p50


@pytest.mark.parametrize("seconds", [130.0, 500.0, 1e9])
def test_what_is_too_coarse_is_the_longest(seconds: float) -> None:
    """Above the last bound a value may have any length."""
    assert (1000 * seconds, 1000 * seconds) == hour(at_once((seconds, 1000 * seconds)))[1:3]


def test_no_percentile_is_longer_than_the_longest() -> None:
    """Where the middle of the bucket is: the longest is exact."""
    values = [0.0, 1e-9, *(bound * 1.001 for bound in BOUNDS), 1e5]
    assert [] == [
        seconds for seconds in values if max(each or 0.0 for each in hour(at_once([seconds]))[1:6]) != seconds
    ]


# percentiles


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, (1, 1, 1, 1)),
        (2, (1, 2, 2, 2)),
        (3, (2, 3, 3, 3)),
        (4, (2, 4, 4, 4)),
        (5, (3, 5, 5, 5)),
        (10, (5, 9, 10, 10)),
        (11, (6, 10, 11, 11)),
        (16, (8, 15, 16, 16)),
        (20, (10, 18, 19, 20)),
        (21, (11, 19, 20, 21)),
        (100, (50, 90, 95, 99)),
        (101, (51, 91, 96, 100)),
        (1000, (500, 900, 950, 990)),
    ],
)
@pytest.mark.parametrize("most", [0, 1000])
def test_a_percentile_is_the_nearest_rank(n: int, expected: tuple[int, ...], most: int) -> None:
    """Of 1 to n seconds in any order: of buckets near it, of the values themselves that value."""
    values = [number / 20 for number in range(1, n + 1)]
    random.Random(n).shuffle(values)
    found = at_once(values).windows(most, Latest(*values))[0]
    near = [pytest.approx(rank / 20, rel=0 if most else 0.025) for rank in expected]
    assert (n, *near, n / 20, "exact" if most else "buckets") == found


def test_an_empty_window_has_no_percentiles() -> None:
    """Nothing of nothing."""
    assert (NO_WINDOW,) * 4 == Latency(MIDNIGHT).windows(MOST, Latest(1.0))


@pytest.mark.parametrize(
    ("n", "given", "method"), [(1, 1, "exact"), (16, 16, "exact"), (16, 15, "buckets"), (17, 17, "buckets")]
)
def test_a_window_is_exact_while_all_its_values_are_given(n: int, given: int, method: str) -> None:
    """And not a value is missing."""
    values = [1.01] * n
    assert method == hour(at_once(values), values[:given]).method


def test_exact_percentiles_are_of_the_window_alone() -> None:
    """Of the latest values only as many as it has are its own."""
    latency = timed((0, 9.0), (1, 9.0), (2 * HOUR, 1.01), (2 * HOUR, 2.02))
    windows = latency.windows(MOST, Latest(9.0, 9.0, 1.01, 2.02))
    assert [(2, 1.01, *[2.02] * 4, "exact"), (4, 2.02, *[9.0] * 4, "exact")] == list(windows[:2])


def test_each_kind_of_run_is_asked_for_by_its_outcomes() -> None:
    """What passed or warned was answered."""
    latest = Latest()
    timed((0, 1.0), failed=[(0, 2.0)]).windows(MOST, latest)
    assert [("pass", "warn"), ("fail",)] == latest.asked


@pytest.mark.parametrize("n", [0, 17])
def test_the_latest_values_are_not_asked_for_in_vain(n: int) -> None:
    """Where there is none, or more than they can be."""
    latest = Latest()
    at_once([1.0] * n).windows(MOST, latest)
    assert [] == latest.asked


# slots


@pytest.mark.parametrize("at", [0.0, 0.5, 299.9, 300.0, 3599.0, 3600.0, 5000.0, DAY - 1])
def test_a_value_leaves_the_hour_with_its_five_minutes(at: float) -> None:
    """When the twelfth slot after its own begins, and not a moment before."""
    latency, ends = timed((at, 1.0)), at // FIVE * FIVE + HOUR
    assert [1, 0] == [numbers(moved(latency, when))[0] for when in (ends - 0.001, ends)]


@pytest.mark.parametrize("at", [0.0, 3599.9, 3600.0, 5000.0, DAY - 1])
def test_a_value_leaves_the_day_with_its_hour(at: float) -> None:
    """When the 24th hour after its own begins, and not a moment before."""
    latency, ends = timed((at, 1.0)), at // HOUR * HOUR + DAY
    assert [1, 0] == [numbers(moved(latency, when))[1] for when in (ends - 0.001, ends)]


@pytest.mark.parametrize(
    ("gap", "left"),
    [
        (1, (3, 3)),
        (299, (3, 3)),
        (55 * 60, (3, 3)),
        (HOUR, (1, 3)),
        (5 * HOUR, (1, 3)),
        (DAY - HOUR, (1, 3)),
        (DAY, (1, 1)),
        (7 * DAY, (1, 1)),
        (400 * DAY, (1, 1)),
    ],
)
def test_a_gap_is_crossed_at_once(gap: float, left: tuple[int, int]) -> None:
    """Two values, no run for so long, and another."""
    assert left == tuple(numbers(timed((0, 1.0), (0, 2.0), (gap, 3.0)))[:2])


def test_the_slots_of_an_hour_become_one() -> None:
    """A value a minute for two days: the hour has twelve slots' worth, the day 24 hours'."""
    latency = timed(*((minute * 60.0, 0.1) for minute in range(2 * 24 * 60)))
    assert [60, 24 * 60] == numbers(latency)[:2]


def test_the_longest_is_exact_and_leaves_with_its_slot() -> None:
    """In the hour first, then in the day, for the next longest."""
    latency = timed((0, 7.77), (400, 5.55), (HOUR + 400, 3.33))
    seen = [
        tuple(window.most for window in told(moved(latency, at))[:2]) for at in (HOUR + 400, 2 * HOUR, DAY, DAY + HOUR)
    ]
    assert [(3.33, 7.77), (3.33, 7.77), (None, 3.33), (None, None)] == seen


def test_a_long_value_that_left_widens_nothing() -> None:
    """Nor does a short one: room is for what the day has."""
    latency = timed((0, 1e-6), (1, 100.0), (HOUR, 1.0))
    assert (1, True) == (numbers(moved(latency, DAY))[1], elements(latency) < elements(at_once((1e-6, 100.0))))


@pytest.mark.parametrize("n", [255, 256, 65_535, 65_536])
def test_a_slot_counts_as_many_as_there_are(n: int) -> None:
    """Beyond one byte and two."""
    latency = at_once([*[0.5] * n, 9.0])
    assert [n + 1, n + 1] == numbers(moved(latency, FIVE))[:2]


def test_a_latency_moves_at_the_next_five_minutes() -> None:
    """Of UTC, whenever the first look was."""
    latency = Latency(MIDNIGHT + 400)
    assert [600, 1500] == [latency.moves - MIDNIGHT, moved(latency, 1499).moves - MIDNIGHT]


# failures


def test_failures_are_apart() -> None:
    """Those that failed make no answered one slow."""
    windows = told(timed((0, 1.0), failed=[(1, 30.0), (2, 40.0)]))
    assert [(1, 1.0), (1, 1.0), (2, 40.0), (2, 40.0)] == [(window.n, window.most) for window in windows]


def test_failures_vanish_after_a_day() -> None:
    """And what kept them does."""
    latency = timed((0, 1.0), failed=[(1, 30.0)])
    before = numbers(moved(latency, DAY - 1))
    assert ([0, 1, 0, 1], [0, 0, 0, 0], elements(Latency(MIDNIGHT))) == (
        before,
        numbers(moved(latency, DAY)),
        elements(latency),
    )


def test_failures_come_again() -> None:
    """They are kept anew, in the slot of their time."""
    latency = timed(failed=[(1, 30.0), (2 * DAY + 700, 40.0)])
    assert (NO_WINDOW, NO_WINDOW, 1, 1) == (*told(moved(latency, 2 * DAY + HOUR))[:2], *numbers(latency)[2:])


# a look at all of it


class Reference:
    """Every run that there ever was, by slot."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, float]] = []

    def windows(self, at: float) -> list[list[float]]:
        """The values of an hour, of a day: those of the latest 12 slots, of the latest 24 hours of slots."""
        slot = int((MIDNIGHT + at) // FIVE)
        short = [seconds for begun, seconds in self.runs if begun > slot - 12]
        return [short, [seconds for begun, seconds in self.runs if begun // 12 > slot // 12 - 24]]


class Look(NamedTuple):
    """A window of random runs, and what the reference says of it."""

    window: Window
    values: list[float]


PACES: dict[str, Callable[[random.Random], float]] = {
    "seconds": lambda chance: chance.uniform(0, 30),
    "minutes": lambda chance: chance.expovariate(1 / 200),
    "hours": lambda chance: chance.lognormvariate(6, 3),
    "bursts": lambda chance: chance.uniform(0, 2 * DAY) if chance.random() < 0.01 else chance.uniform(0, 5),
    "at full minutes": lambda chance: chance.choice((1, 5, 60)) * 60.0,
}
"""Seconds to the next run."""


def took(chance: random.Random) -> float:
    """How long a run may take: most of them alike, some as short or long as can be."""
    if chance.random() < 0.9:
        return chance.lognormvariate(-3, 0.5)
    return chance.choice((0.0, 1e-7, 150.0, 1e4, math.exp(chance.uniform(-16, 6))))


def run(pace: str, seed: int, *, saved: bool = False) -> Iterator[tuple[Latency, tuple[Reference, Reference], float]]:
    """Random runs, and an instant now and then. With `saved` it is saved and loaded at each."""
    chance, at = random.Random(seed), 0.0
    latency, references = Latency(MIDNIGHT), (Reference(), Reference())
    for number in range(1000):
        at += PACES[pace](chance)
        moved(latency, at)
        if number % 25 == 24:
            latency = Latency.load(json.loads(json.dumps(latency.dump())), MIDNIGHT + at) if saved else latency
            yield latency, references, at
        fails, seconds = chance.random() < 0.1, took(chance)
        references[fails].runs.append((int((MIDNIGHT + at) // FIVE), seconds))
        (latency.failed if fails else latency.answered).add(seconds)


@functools.cache
def looks(pace: str) -> list[Look]:
    """All that was seen."""
    found: list[Look] = []
    for latency, (answered, failed), at in (seen for seed in range(2) for seen in run(pace, seed)):

        def latest(*outcomes: str, both: tuple[Reference, Reference] = (answered, failed)) -> list[float]:
            return [seconds for _, seconds in both["fail" in outcomes].runs[-MOST:]]

        found += map(Look, latency.windows(MOST, latest), answered.windows(at) + failed.windows(at))
    return found


def ranked(look: Look) -> Iterator[tuple[float, float]]:
    """What is told of each percentile, and what it is; nothing of nothing."""
    values = sorted(look.values)
    for share, percentile in zip(SHARES if values else (), look.window[1:5]):
        yield percentile or 0.0, values[math.ceil(len(values) * share / 100) - 1]


def near(percentile: float, value: float, most: float) -> bool:
    """Within a bucket."""
    if value > BOUNDS[-1]:
        return percentile in (value, most)
    return abs(percentile - value) <= max(0.025 * value, FINEST)


Rule = Callable[[Look], bool]
RULES: dict[str, Rule] = {
    "as many as there were": lambda look: look.window.n == len(look.values),
    "nothing of nothing": lambda look: (look.window == NO_WINDOW) == (not look.values),
    "exact while all are given": lambda look: (look.window.method == "exact") == (len(look.values) <= MOST),
    "the longest": lambda look: look.window.most == max(look.values, default=None),
    "percentiles are near": lambda look: all(near(*each, look.window.most or 0.0) for each in ranked(look)),
    "or exact": lambda look: look.window.method != "exact" or all(found == value for found, value in ranked(look)),
    "percentiles rise": lambda look: list(ranked(look)) == sorted(ranked(look)),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pace", few(PACES))
def test_a_look_at_all_runs_says_the_same(pace: str, rule: str) -> None:
    """Of every window, at random instants of random runs."""
    assert [] == [look for look in looks(pace) if not RULES[rule](look)][:3]


@pytest.mark.parametrize("pace", few(PACES))
def test_what_is_saved_and_loaded_goes_on_as_another(pace: str) -> None:
    """At any time: the same windows, then and ever after."""
    expected = [told(latency) for latency, _, _ in run(pace, 7)]
    assert expected == [told(latency) for latency, _, _ in run(pace, 7, saved=True)]


# bounds


def elements(thing: Any) -> int:
    """How many elements it keeps, all the way down."""
    if hasattr(thing, "__slots__"):
        return sum(elements(getattr(thing, name)) for name in thing.__slots__)
    if isinstance(thing, tuple):
        return sum(map(elements, thing))
    return len(thing) if hasattr(thing, "__len__") else 1


def test_a_week_takes_no_more_than_a_day() -> None:
    """With values of all lengths, and however many."""
    chance, latency, sizes = random.Random(3), Latency(MIDNIGHT), []
    for slot in range(7 * 288):
        moved(latency, slot * FIVE)
        for series in (latency.answered, latency.failed):
            series.add(math.exp(chance.uniform(-14, 5)))
            series.add(0.1)
        if slot % 12 == 11:
            sizes.append(elements(latency))
    slots, buckets = 11 + 23, len(MIDDLES)
    bound = 2 * (slots * (_HEAD.size + buckets) + 3 * buckets + 10)
    assert (168, True) == (len(sizes), max(sizes) <= bound)


def test_a_day_of_calm_leaves_nothing() -> None:
    """No slot, no bucket."""
    latency = timed(*((n * 60.0, n + 0.1) for n in range(100)), failed=[(1, 1.0)])
    assert elements(Latency(MIDNIGHT)) == elements(moved(latency, 2 * DAY))


# saving and loading


AT = 26 * HOUR + 700
"""When what is loaded was dumped."""
SLOT = int((MIDNIGHT + AT) // FIVE)


@functools.cache
def text() -> str:
    """Runs that fill something of all, as they come from a file."""
    runs = [(minute * 60.0, 0.001 * (minute % 50 + 1)) for minute in range(int(AT / 60) + 1)]
    return json.dumps(moved(timed(*runs, failed=runs[::7]), AT).dump())


def dumped() -> dict[str, Any]:
    """A fresh copy of that."""
    plain: dict[str, Any] = json.loads(text())
    return plain


def load(plain: Any) -> Latency:
    """At the same instant."""
    return Latency.load(plain, MIDNIGHT + AT)


def test_what_was_dumped_is_as_it_was() -> None:
    """A dump of it."""
    assert dumped() == load(dumped()).dump()


def test_what_is_empty_comes_back_empty() -> None:
    """Without failures."""
    latency = Latency.load(json.loads(json.dumps(Latency(MIDNIGHT).dump())), MIDNIGHT)
    assert ((NO_WINDOW,) * 4, elements(Latency(MIDNIGHT))) == (told(latency), elements(latency))


@pytest.mark.parametrize("gone", [0.0, 100.0, 2000.0, 5 * HOUR, DAY, 500 * DAY])
def test_what_is_old_has_left_when_it_comes_back(gone: float) -> None:
    """It was saved, nobody looked for so long, and it is loaded and goes on."""
    stayed, back = load(dumped()), Latency.load(dumped(), MIDNIGHT + AT + gone)
    assert told(moved(stayed, AT + gone)) == told(moved(back, AT + gone))


def packed(slot: int, most: float = 1.0, low: int = 100, kind: int = 0, counts: bytes = b"\x01") -> str:
    """A slot that is over."""
    return binascii.b2a_base64(_HEAD.pack(slot, most, low, kind) + counts).decode()


def answered(**changes: Any) -> dict[str, Any]:
    """A dump with another part of those that were answered."""
    plain = dumped()
    return {**plain, "answered": {**plain["answered"], **changes}}


def of_slots(key: str, *slots: str) -> dict[str, Any]:
    """A dump with other slots that are over."""
    return answered(**{key: list(slots)})


NAN, INF = math.nan, math.inf
LAST, HOURS = SLOT - 1, SLOT // 12
NONSENSE: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "a list": lambda: list(dumped().values()),
    "a text": text,
    "a slot of the future": lambda: {**dumped(), "slot": SLOT + 1},
    "a slot that is none": lambda: {**dumped(), "slot": NAN},
    "a slot without end": lambda: {**dumped(), "slot": INF},
    "a negative slot": lambda: {**dumped(), "slot": -5},
    "a slot of nobody": lambda: {**dumped(), "slot": None},
    "nothing answered": lambda: {**dumped(), "answered": None},
    "failures in a text": lambda: {**dumped(), "failed": "none"},
    "no buckets": lambda: answered(now=None),
    "a text of buckets": lambda: answered(now="11"),
    "a negative count": lambda: answered(now=[-1]),
    "a broken count": lambda: answered(now=[1.5]),
    "a count that is none": lambda: answered(now=[NAN]),
    "a count too large": lambda: answered(now=[2**70]),
    "more buckets than there are": lambda: answered(now=[1] * (len(MIDDLES) + 1), low=0),
    "a bucket above all": lambda: answered(now=[1], low=len(MIDDLES)),
    "a bucket below all": lambda: answered(now=[1], low=-1),
    "a lowest that is none": lambda: answered(low=NAN),
    "a longest that is none": lambda: answered(most=NAN),
    "a longest without end": lambda: answered(most=INF),
    "a negative longest": lambda: answered(most=-1.0),
    "a longest of text": lambda: answered(most="long"),
    "slots of nobody": lambda: answered(fives=None),
    "a number of slots": lambda: answered(hours=5),
    "a slot in a list": lambda: answered(fives=[[1, 2, 3]]),
    "a slot that is no base64": lambda: of_slots("fives", "A"),
    "letters that base64 has not": lambda: of_slots("hours", "ä"),
    "an empty slot": lambda: of_slots("fives", ""),
    "half a slot": lambda: of_slots("fives", packed(LAST)[:8]),
    "too many slots": lambda: of_slots("fives", *(packed(SLOT - n) for n in range(12, 0, -1))),
    "too many hours": lambda: of_slots("hours", *(packed(HOURS - n) for n in range(24, 0, -1))),
    "counts of no size": lambda: of_slots("fives", packed(LAST, kind=3)),
    "half a count": lambda: of_slots("fives", packed(LAST, kind=2, counts=b"\x01\x00")),
    "buckets above all": lambda: of_slots("hours", packed(HOURS - 1, low=len(MIDDLES))),
    "five minutes of the future": lambda: of_slots("fives", packed(SLOT + 1)),
    "five minutes of now": lambda: of_slots("fives", packed(SLOT)),
    "five minutes of long ago": lambda: of_slots("fives", packed(SLOT - 12)),
    "five minutes twice": lambda: of_slots("fives", packed(LAST), packed(LAST)),
    "an hour of the future": lambda: of_slots("hours", packed(HOURS + 1)),
    "an hour of now": lambda: of_slots("hours", packed(HOURS)),
    "an hour of long ago": lambda: of_slots("hours", packed(HOURS - 24)),
    "an hour twice": lambda: of_slots("hours", packed(HOURS - 1), packed(HOURS - 1)),
    "the longest of a slot is none": lambda: of_slots("fives", packed(LAST, NAN)),
    "the longest of a slot has no end": lambda: of_slots("hours", packed(HOURS - 1, INF)),
    "the longest of a slot is negative": lambda: of_slots("hours", packed(HOURS - 1, -1.0)),
}


def refuses(plain: Any) -> bool:
    """Whether loading raises."""
    try:
        load(plain)
    except Exception:
        return True
    return False


def test_slots_made_by_hand_are_taken() -> None:
    """What the nonsense is made of is none."""
    assert [False, False] == [refuses(of_slots("fives", packed(LAST))), refuses(of_slots("hours", packed(HOURS - 1)))]


def test_nonsense_is_refused() -> None:
    """By an exception, at once."""
    assert [] == [name for name, nonsense in NONSENSE.items() if not refuses(nonsense())]


@pytest.mark.parametrize("key", dumped())
def test_what_is_missing_is_noticed(key: str) -> None:
    """Each part is needed."""
    assert refuses({name: value for name, value in dumped().items() if name != key})


@pytest.mark.parametrize("key", dumped()["answered"])
def test_what_is_missing_of_a_series_is_noticed(key: str) -> None:
    """Each part of it is."""
    assert refuses({**dumped(), "failed": {name: each for name, each in dumped()["failed"].items() if name != key}})


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
    """What is loaded nevertheless goes on, tells numbers that JSON has, and can be saved."""
    chance, broken = random.Random(5), []
    for changed in (tampered(dumped(), chance) for _ in range(300)):
        if not refuses(changed):
            latency = load(changed)
            for hours in (0, 1, 30, 3000):
                moved(latency, AT + hours * HOUR).answered.add(1.0)
                json.dumps([told(latency), latency.dump()], allow_nan=False)
                broken += [numbers(latency)] if min(numbers(latency)) < 0 else []
    assert [] == broken
