"""Latency: buckets, percentiles, slots that leave their windows, bounds, random runs against a look at all of them."""

from __future__ import annotations

import binascii
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from support import few
from test_uptime import INF, MIDNIGHT, NAN, kept, refuses, tampered

from minimon.latency import _HEAD, _TOTALS, BOUNDS, COARSEST, FINEST, LE, MIDDLES, NO_WINDOW, SHARES, Latency, Window
from minimon.uptime import DAY, FIVE, HOUR

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
    return latency.look(0, Latest())[0]


def hour(latency: Latency, latest: Sequence[float] = ()) -> Window:
    """What was answered within the hour, when these are the latest values."""
    return latency.look(MOST, Latest(*latest))[0][0]


def numbers(latency: Latency) -> list[int]:
    """How many values each window has: answered in the hour, in the day, failed in the hour, in the day."""
    return [window.n for window in told(latency)]


# buckets


def test_a_value_is_told_within_two_and_a_half_percent() -> None:
    """Any between a microsecond and a day, beside a longer one that bounds nothing."""
    chance = random.Random(1)
    values = [math.exp(chance.uniform(math.log(FINEST), math.log(COARSEST))) for _ in range(2000)]
    values += [*BOUNDS[:-1], *(bound * 1.0000001 for bound in BOUNDS[:-1])]
    found = [(value, hour(at_once((value, 1e6))).p50 or 0.0) for value in values]
    assert [] == [(value, p50) for value, p50 in found if abs(p50 / value - 1) > 0.025][:3]


@pytest.mark.parametrize(("values", "p50"), [((1e-12, 1.0), FINEST), ((FINEST, 1.0), FINEST), ((1.1e5, 1e9), 1e9)])
def test_at_both_ends_a_value_is_that_of_the_end(values: tuple[float, ...], p50: float) -> None:
    """What is too fine is the finest, and what is too coarse as long as the longest."""
    assert p50 == hour(at_once(values)).p50


def test_no_percentile_is_longer_than_the_longest() -> None:
    """Where the middle of the bucket is: the longest is exact."""
    values = [0.0, 1e-9, *(bound * 1.001 for bound in BOUNDS), 1e6]
    assert [] == [value for value in values if max(each or 0.0 for each in hour(at_once([value]))[1:6]) != value]


# percentiles


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, (1, 1, 1, 1)),
        (3, (2, 3, 3, 3)),
        (10, (5, 9, 10, 10)),
        (11, (6, 10, 11, 11)),
        (100, (50, 90, 95, 99)),
        (101, (51, 91, 96, 100)),
    ],
)
@pytest.mark.parametrize("most", [0, 1000])
def test_a_percentile_is_the_nearest_rank(n: int, expected: tuple[int, ...], most: int) -> None:
    """Of 1 to n seconds in any order: of buckets near it, of the values themselves that value."""
    values = [number / 20 for number in range(1, n + 1)]
    random.Random(n).shuffle(values)
    found = at_once(values).look(most, Latest(*values))[0][0]
    near = [pytest.approx(rank / 20, rel=0 if most else 0.025) for rank in expected]
    assert (n, *near, n / 20, "exact" if most else "buckets") == found


@pytest.mark.parametrize(("n", "given", "method"), [(16, 16, "exact"), (16, 15, "buckets"), (17, 17, "buckets")])
def test_a_window_is_exact_while_all_its_values_are_given(n: int, given: int, method: str) -> None:
    """And not a value is missing."""
    values = [1.01] * n
    assert method == hour(at_once(values), values[:given]).method


def test_exact_percentiles_are_of_the_window_alone() -> None:
    """Of the latest values only as many as it has are its own."""
    latency = timed((0, 9.0), (1, 9.0), (2 * HOUR, 1.01), (2 * HOUR, 2.02))
    windows, _ = latency.look(MOST, Latest(9.0, 9.0, 1.01, 2.02))
    assert [(2, 1.01, *[2.02] * 4, "exact"), (4, 2.02, *[9.0] * 4, "exact")] == list(windows[:2])


@pytest.mark.parametrize(("answered", "asked"), [(0, []), (1, [("pass", "warn")]), (16, [("pass", "warn")]), (17, [])])
def test_each_kind_of_run_is_asked_for_by_its_outcomes(answered: int, asked: list[tuple[str, ...]]) -> None:
    """Unless there is none, or more than they can be; what passed or warned was answered."""
    latest = Latest()
    timed(*[(0, 1.0)] * answered, failed=[(0, 2.0)]).look(MOST, latest)
    assert [*asked, ("fail",)] == latest.asked


# slots


@pytest.mark.parametrize("at", [0.0, 299.9, 300.0, 3600.0, DAY - 1])
def test_a_value_leaves_with_its_slot(at: float) -> None:
    """When the twelfth slot or the 24th hour after its own begins, and not a moment before."""
    latency, ends = timed((at, 1.0)), (at // FIVE * FIVE + HOUR, at // HOUR * HOUR + DAY)
    left = [numbers(moved(latency, end - early))[n] for n, end in enumerate(ends) for early in (0.001, 0.0)]
    assert [1, 0, 1, 0] == left


@pytest.mark.parametrize(
    ("gap", "left"), [(HOUR - 1, (3, 3)), (HOUR, (1, 3)), (DAY - HOUR, (1, 3)), (DAY, (1, 1)), (400 * DAY, (1, 1))]
)
def test_a_gap_is_crossed_at_once(gap: float, left: tuple[int, int]) -> None:
    """Two values, no run for so long, and another."""
    assert left == tuple(numbers(timed((0, 1.0), (0, 2.0), (gap, 3.0)))[:2])


def test_a_long_value_that_left_widens_nothing() -> None:
    """Nor does a short one: room is for what the day has."""
    latency = timed((0, 1e-6), (1, 100.0), (HOUR, 1.0))
    assert (1, True) == (numbers(moved(latency, DAY))[1], kept(latency) < kept(at_once((1e-6, 100.0))))


@pytest.mark.parametrize("n", [255, 256, 65_535, 65_536])
def test_a_slot_counts_as_many_as_there_are(n: int) -> None:
    """Beyond one byte and two."""
    latency = at_once([*[0.5] * n, 9.0])
    assert [n + 1, n + 1] == numbers(moved(latency, FIVE))[:2]


def test_a_latency_moves_at_the_next_five_minutes() -> None:
    """Of UTC, whenever the first look was."""
    latency = Latency(MIDNIGHT + 400)
    assert [600, 1500] == [latency.moves - MIDNIGHT, moved(latency, 1499).moves - MIDNIGHT]


def test_failures_are_apart() -> None:
    """Those that failed make no answered one slow; they vanish after a day, with what kept them, and come again."""
    latency = timed((0, 1.0), failed=[(1, 30.0), (2, 40.0)])
    seen = [[(window.n, window.most) for window in told(moved(latency, at))] for at in (2, DAY - 1, DAY)]
    gone = kept(latency)
    moved(latency, 2 * DAY + 700).failed.add(50.0)
    assert [[(1, 1.0)] * 2 + [(2, 40.0)] * 2, [(0, None), (1, 1.0), (0, None), (2, 40.0)], [(0, None)] * 4] == seen
    assert (kept(Latency(MIDNIGHT)), [0, 0, 0, 1]) == (gone, numbers(moved(latency, 2 * DAY + 2 * HOUR)))


# a look at all of it


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


Runs = list[tuple[int, float]]
"""Every run that there ever was: its slot, and how long it took."""


def run(pace: str, seed: int, *, saved: bool = False) -> Iterator[tuple[Latency, tuple[Runs, Runs], float]]:
    """Random runs, and an instant now and then. With `saved` it is saved and loaded at each."""
    chance, at = random.Random(seed), 0.0
    latency, both = Latency(MIDNIGHT), (Runs(), Runs())
    for number in range(1000):
        at += PACES[pace](chance)
        moved(latency, at)
        if number % 25 == 24:
            latency = Latency.load(json.loads(json.dumps(latency.dump())), MIDNIGHT + at) if saved else latency
            yield latency, both, at
        fails, seconds = chance.random() < 0.1, took(chance)
        both[fails].append((int((MIDNIGHT + at) // FIVE), seconds))
        (latency.failed if fails else latency.answered).add(seconds)


def windows(latency: Latency, both: tuple[Runs, Runs]) -> tuple[Window, ...]:
    """With a look at the latest of these."""
    return latency.look(MOST, lambda *outcomes: [seconds for _, seconds in both["fail" in outcomes][-MOST:]])[0]


def window(values: list[float]) -> tuple[Any, ...]:
    """What is to be told of these: exact while all of them are given, or else within a bucket."""
    if not values:
        return NO_WINDOW
    n, ranked, most = len(values), sorted(values), max(values)
    percentiles = [ranked[math.ceil(n * share / 100) - 1] for share in SHARES]
    if n <= MOST:
        return (n, *percentiles, most, "exact")
    bounded = [value if value <= BOUNDS[-1] else most for value in percentiles]
    return (n, *(pytest.approx(value, rel=0.025, abs=FINEST) for value in bounded), most, "buckets")


@pytest.mark.parametrize("pace", few(PACES))
def test_a_look_at_all_runs_says_the_same(pace: str) -> None:
    """Of every window, at random instants of random runs."""
    for latency, both, at in (seen for seed in range(2) for seen in run(pace, seed)):
        five, expected = int((MIDNIGHT + at) // FIVE), []
        for runs in both:
            expected.append(window([seconds for slot, seconds in runs if slot > five - 12]))
            expected.append(window([seconds for slot, seconds in runs if slot // 12 > five // 12 - 24]))
        assert expected == list(windows(latency, both))


@pytest.mark.parametrize("pace", few(PACES))
def test_what_is_saved_and_loaded_goes_on_as_another(pace: str) -> None:
    """At any time: the same windows, then and ever after."""
    expected = [told(latency) for latency, _, _ in run(pace, 7)]
    assert expected == [told(latency) for latency, _, _ in run(pace, 7, saved=True)]


# bounds


def test_a_week_takes_no_more_than_a_day() -> None:
    """With values of all lengths, and however many."""
    chance, latency, sizes = random.Random(3), Latency(MIDNIGHT), []
    for slot in range(7 * 288):
        moved(latency, slot * FIVE)
        for series in (latency.answered, latency.failed):
            series.add(math.exp(chance.uniform(-14, 5)))
            series.add(0.1)
        if slot % 12 == 11:
            sizes.append(kept(latency))
    slots, buckets = 11 + 23, len(MIDDLES)
    bound = 2 * (slots * (_HEAD.size + buckets) + 3 * buckets + 10)
    assert (168, True) == (len(sizes), max(sizes) <= bound + _TOTALS.size)


def test_a_day_of_calm_leaves_nothing() -> None:
    """No slot, no bucket; only the totals, which a latency has before it has seen anything."""
    latency = timed(*((n * 60.0, n + 0.1) for n in range(100)), failed=[(1, 1.0)])
    assert kept(Latency(MIDNIGHT)) == kept(moved(latency, 2 * DAY))


# totals


def totals(latency: Latency) -> list[int]:
    """How many ever took at most each of LE, and all."""
    return latency.look(0, Latest())[1]


def at_most(values: Sequence[float]) -> list[int]:
    """What the totals of these must be."""
    return [sum(value <= bound for value in values) for bound in (*LE, INF)]


def test_totals_are_exact_at_their_bounds() -> None:
    """A value that is equal to a bound is within it, and one that is a little longer is not."""
    values = [value for bound in LE for value in (bound, bound * (1 + 1e-15))]
    assert at_most(values) == totals(at_once(values))


@pytest.mark.parametrize("pace", few(PACES))
def test_totals_have_every_run_for_ever(pace: str) -> None:
    """Failures among them, also those that a day without any has dropped; so none of them ever gets less."""
    for latency, both, _ in (seen for seed in range(2) for seen in run(pace, seed)):
        assert at_most([seconds for runs in both for _, seconds in runs]) == totals(latency)


def test_totals_outlive_a_year_of_silence() -> None:
    """Nothing is in any window any more, and what comes then is added."""
    latency = timed((0, 0.02), (1, 7.0), failed=[(2, 30.0)])
    moved(latency, 365 * DAY).failed.add(90.0)
    assert at_most([0.02, 7.0, 30.0, 90.0]) == totals(latency)


def test_totals_are_saved() -> None:
    """With the seconds of all runs; what was saved before there were any begins anew, and can go on."""
    latency = load({**PLAIN, "gone": list(range(len(LE) + 1)), "seconds": 12.5})
    before = without(without(PLAIN, "gone"), "seconds")
    more = [told - gone for told, gone in zip(totals(load(PLAIN)), PLAIN["gone"])]
    assert [n + day for n, day in enumerate(more)] == totals(latency)
    assert (12.5, kept(Latency(MIDNIGHT))) == (latency.seconds, kept(moved(load(before), AT + HOUR)))


# saving and loading


AT = 26 * HOUR + 700
"""When what is loaded was dumped."""
RUNS = [(minute * 60.0, 0.001 * (minute % 50 + 1)) for minute in range(int(AT / 60) + 1)]
PLAIN: dict[str, Any] = json.loads(json.dumps(moved(timed(*RUNS, failed=RUNS[::7]), AT).dump()))
"""Runs that fill something of all, as they come from a file."""


def load(plain: Any) -> Latency:
    """At the same instant."""
    return Latency.load(plain, MIDNIGHT + AT)


def test_what_was_dumped_is_as_it_was() -> None:
    """A dump of it; and what is empty comes back empty, without failures."""
    assert PLAIN == load(PLAIN).dump()
    assert kept(Latency(MIDNIGHT)) == kept(Latency.load(json.loads(json.dumps(Latency(MIDNIGHT).dump())), MIDNIGHT))


@pytest.mark.parametrize("gone", [0.0, 2000.0, 5 * HOUR, 500 * DAY])
def test_what_is_old_has_left_when_it_comes_back(gone: float) -> None:
    """It was saved, nobody looked for so long, and it is loaded and goes on."""
    stayed, back = load(PLAIN), Latency.load(PLAIN, MIDNIGHT + AT + gone)
    assert told(moved(stayed, AT + gone)) == told(moved(back, AT + gone))


def packed(slot: int, most: float = 1.0, low: int = 100, kind: int = 0, counts: bytes = b"\x01") -> str:
    """A slot that is over."""
    return binascii.b2a_base64(_HEAD.pack(slot, most, low, kind) + counts).decode()


SLOT = int((MIDNIGHT + AT) // FIVE)
LAST, HOURS = SLOT - 1, SLOT // 12
PLAUSIBLE: dict[str, dict[str, Any]] = {
    "slots": {"fives": [packed(LAST)], "hours": [packed(HOURS - 1)]},
    "counts": {"now": [10**6], "fives": [packed(LAST, kind=2, counts=(10**6).to_bytes(4, "little"))]},
}
"""What the nonsense is made of is none: other parts of those that were answered."""
NONSENSE: dict[str, dict[str, Any]] = {
    "no buckets": {"now": None},
    "a text of buckets": {"now": "11"},
    "a negative count": {"now": [-1]},
    "a count too large": {"now": [10**6 + 1]},
    "more buckets than there are": {"now": [1] * (len(MIDDLES) + 1), "low": 0},
    "a bucket above all": {"now": [1], "low": len(MIDDLES)},
    "a bucket below all": {"now": [1], "low": -1},
    "a longest that is none": {"most": NAN},
    "a longest without end": {"most": INF},
    "a negative longest": {"most": -1.0},
    "a number of slots": {"hours": 5},
    "a slot in a list": {"fives": [[1, 2, 3]]},
    "a slot that is no base64": {"fives": ["A"]},
    "half a slot": {"fives": [packed(LAST)[:8]]},
    "counts of no size": {"fives": [packed(LAST, kind=3)]},
    "half a count": {"fives": [packed(LAST, kind=2, counts=b"\x01\x00")]},
    "a count too large in a slot": {"fives": [packed(LAST, kind=2, counts=(10**6 + 1).to_bytes(4, "little"))]},
    "buckets above all in a slot": {"hours": [packed(HOURS - 1, low=len(MIDDLES))]},
    "five minutes of now": {"fives": [packed(SLOT)]},
    "five minutes of long ago": {"fives": [packed(SLOT - 12)]},
    "five minutes twice": {"fives": [packed(LAST), packed(LAST)]},
    "an hour of now": {"hours": [packed(HOURS)]},
    "an hour of long ago": {"hours": [packed(HOURS - 24)]},
    "an hour twice": {"hours": [packed(HOURS - 1), packed(HOURS - 1)]},
    "the longest of a slot is none": {"fives": [packed(LAST, NAN)]},
    "the longest of a slot has no end": {"hours": [packed(HOURS - 1, INF)]},
    "the longest of a slot is negative": {"hours": [packed(HOURS - 1, -1.0)]},
}


TOTALS: list[Any] = [None, [], [1], [-1] * (len(LE) + 1), [2, *[1] * len(LE)], [1 << 53] * (len(LE) + 1), [0] * 20]
"""None of these can be."""


def without(plain: dict[str, Any], key: str) -> dict[str, Any]:
    """The same but for this part."""
    return {name: value for name, value in plain.items() if name != key}


def test_nonsense_is_refused() -> None:
    """By an exception, at once; and each part is needed."""
    series = PLAIN["answered"]
    answered = {name: {**series, **changes} for name, changes in {**PLAUSIBLE, **NONSENSE}.items()}
    answered.update({f"a series without {key}": without(series, key) for key in series})
    plains: dict[str, Any] = {name: {**PLAIN, "answered": part} for name, part in answered.items()}
    plains.update({f"without {key}": without(PLAIN, key) for key in PLAIN if key != "gone"})
    plains.update({f"totals {gone}": {**PLAIN, "gone": gone} for gone in TOTALS})
    plains.update({f"seconds {seconds}": {**PLAIN, "seconds": seconds} for seconds in (-1.0, NAN, INF, None, "x")})
    plains.update({f"slot {slot}": {**PLAIN, "slot": slot} for slot in (SLOT + 1, NAN, INF, -5, None)})
    plains.update({"nothing": None, "a text": json.dumps(PLAIN), "failures in a text": {**PLAIN, "failed": "none"}})
    assert list(PLAUSIBLE) == [name for name, plain in plains.items() if not refuses(load, plain)]


def test_what_was_tampered_with_is_refused_or_harmless() -> None:
    """What is loaded nevertheless goes on, tells numbers that JSON has, and can be saved."""
    chance = random.Random(5)
    for changed in (tampered(PLAIN, chance) for _ in range(300)):
        if not refuses(load, changed):
            latency = load(changed)
            for hours in (0, 1, 30, 3000):
                moved(latency, AT + hours * HOUR).answered.add(1.0)
                json.dumps([told(latency), latency.dump()], allow_nan=False)
                assert min(numbers(latency)) >= 0
