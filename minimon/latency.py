"""How long runs took: percentiles over an hour and a day, and totals that only grow. Pure.

Values are counted in buckets that grow by 5% at most, so that the middle of one is within 2.5% of all that is in it. An
hour is 12 slots of five minutes, a day 24 slots of an hour; the current slot is one of them.

The totals are those of a cumulative histogram: how many runs ever took at most each of LE. These are bounds of buckets
as well, so the totals are exact and not estimates: a run counts for a bound if and only if it took no longer. A record
does nothing for them: what the day holds is summed up when somebody asks, what leaves the day is added to what left.
"""

from __future__ import annotations

import binascii
import math
import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import add, sub
from typing import Any, NamedTuple

from .uptime import FIVE

FINEST, COARSEST = 1e-6, 1e5  # no timeout is longer than LONGEST of checks
LE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: the bounds of the totals, after which there is one without a bound. They are for people and rules: round."""
_STEPS = (FINEST * 1.05**n for n in range(math.ceil(math.log(COARSEST / FINEST, 1.05)) + 1))
BOUNDS = tuple(sorted({*_STEPS, *LE}))
"""Seconds: the upper bounds of the buckets."""
MIDDLES = (FINEST, *(float(f"{math.sqrt(a * b):.5g}") for a, b in zip(BOUNDS, BOUNDS[1:])), math.inf)
"""What stands for all values of a bucket: the geometric mean of its bounds; above the last there is no bound."""
MOST = 10**6
"""No slot has more values of a bucket: SHORTEST allows for 360,000 an hour."""
SPARE = 3
"""Buckets on both sides of a value for which there is room then: the next values are like it."""
SHARES = (50, 90, 95, 99)
"""The percentiles that are told."""

_make = tuple.__new__  # see evaluate: a third of the cost of calling the class
_HEAD = struct.Struct("<IdHB")
"""What precedes the counts of a slot that is over: slot, longest, lowest bucket, bytes a count. As bytes, they are
small, and no garbage collection of the host has to look at them."""
_EDGES, _ALL = tuple(map(BOUNDS.index, LE)), len(LE) + 1
_TOTALS = struct.Struct(f"<{_ALL}Q")
_NO_TOTALS = bytes(_TOTALS.size)


class Window(NamedTuple):
    """Latencies of an hour or a day, in seconds; percentiles by the nearest rank, None of nothing."""

    n: int = 0
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    most: float | None = None
    method: str = "exact"
    """exact, of the values themselves; or buckets, within 2.5%."""


NO_WINDOW = Window()


class Series:
    """Values of one kind, over both windows. All counts are as long as each other, and begin with bucket `_low`."""

    __slots__ = ("_day", "_fives", "_hour", "_hours", "_low", "_most", "_now", "_peaks", "_slot")

    def __init__(self, slot: int) -> None:
        self._slot = slot  # of five minutes
        self._low = 0
        self._now: list[int] = []  # counts of this slot; lists, which are twice as fast as arrays here
        self._hour: list[int] = []  # of all slots of the window, this one among them
        self._day: list[int] = []
        self._most = 0.0  # the longest of this slot
        self._peaks = (0.0, 0.0)  # and of those of each window that are over
        self._fives: tuple[bytes, ...] = ()  # the slots that are over
        self._hours: tuple[bytes, ...] = ()

    @property
    def empty(self) -> bool:
        """True when the latest day saw nothing."""
        return not self._day

    def add(self, seconds: float) -> None:
        """One more in the current slot."""
        bucket = bisect_left(BOUNDS, seconds)
        place = bucket - self._low
        if not 0 <= place < len(self._now):
            self._reach(max(0, bucket - SPARE))
            self._reach(min(bucket + SPARE, len(BOUNDS)))
            place = bucket - self._low
        self._now[place] += 1
        self._hour[place] += 1
        self._day[place] += 1
        if seconds > self._most:
            self._most = seconds

    def _reach(self, bucket: int) -> None:
        """Have room for this bucket."""
        if not self._now:
            self._low = bucket
        before = [0] * (self._low - bucket)
        self._low -= len(before)
        after = [0] * (bucket + 1 - self._low - len(before) - len(self._now))
        self._now, self._hour, self._day = ([*before, *each, *after] for each in (self._now, self._hour, self._day))

    def move(self, slot: int) -> None:
        """A new slot begins: what is older than the windows leaves them."""
        if any(self._now):
            self._fives += (_pack(self._slot, self._most, self._low, self._now),)
        hour = self._slot // 12
        if slot // 12 > hour and (fives := self._of_hour(hour)):
            total = [0] * len(self._now)
            for five in fives:
                self._count(five, total)
            self._hours += (_pack(hour, _longest(fives), self._low, total),)
        self._fives = self._leave(self._fives, slot - 11, self._hour)
        self._hours = self._leave(self._hours, slot // 12 - 23, self._day)
        self._trim()
        self._slot, self._now, self._most = slot, [0] * len(self._day), 0.0
        self._peaks = _longest(self._fives), _longest(self._hours + self._of_hour(slot // 12))

    def _of_hour(self, hour: int) -> tuple[bytes, ...]:
        return tuple(five for five in self._fives if _slot(five) // 12 == hour)

    def _count(self, packed: bytes, total: list[int], sign: int = 1) -> None:
        """Add what was packed, or take it away again."""
        low, counts = _unpack(packed)
        for place, count in enumerate(counts, low - self._low):
            total[place] += sign * count

    def _leave(self, packed: tuple[bytes, ...], first: int, total: list[int]) -> tuple[bytes, ...]:
        """Those from this slot on; the others are taken from the total."""
        for old in packed:
            if _slot(old) < first:
                self._count(old, total, -1)
        return tuple(each for each in packed if _slot(each) >= first)

    def _trim(self) -> None:
        """Drop the buckets at both ends that nothing of the day is in."""
        full = [place for place, count in enumerate(self._day) if count]
        first, end = (full[0], full[-1] + 1) if full else (0, 0)
        self._low += first
        self._hour, self._day = self._hour[first:end], self._day[first:end]

    def look(self, most: int, latest: Callable[[], Sequence[float]]) -> tuple[Window, Window, list[int]]:
        """The hour, the day, and what was `reached`.

        The `latest` values are asked for where a window has `most` at most of them.
        """
        hour, day = list(accumulate(self._hour)), list(accumulate(self._day))
        values = latest() if hour and hour[-1] <= most else ()
        reached = self._reached(day)
        return self._window(hour, values, self._peaks[0]), self._window(day, values, self._peaks[1]), reached

    def reached(self) -> list[int]:
        """How many values of the day are at most each of LE; and how many there are."""
        return self._reached(list(accumulate(self._day)))

    def _reached(self, ranks: list[int]) -> list[int]:
        if not ranks:
            return [0] * _ALL
        low = self._low
        first, end = bisect_left(_EDGES, low), bisect_left(_EDGES, low + len(ranks))
        within = [ranks[edge - low] for edge in _EDGES[first:end]]
        return [0] * first + within + ranks[-1:] * (_ALL - end)

    def _window(self, ranks: list[int], values: Sequence[float], peak: float) -> Window:
        n = ranks[-1] if ranks else 0
        if not n:
            return NO_WINDOW
        if n <= len(values):
            found = sorted(values[-n:])
            return _make(Window, (n, *[found[-(-n * share // 100) - 1] for share in SHARES], found[-1], "exact"))
        longest = max(peak, self._most)
        low = self._low  # written out: the four take a third longer in a loop over SHARES
        p50 = MIDDLES[low + bisect_left(ranks, -(-n * 50 // 100))]
        p90 = MIDDLES[low + bisect_left(ranks, -(-n * 90 // 100))]
        p95 = MIDDLES[low + bisect_left(ranks, -(-n * 95 // 100))]
        p99 = MIDDLES[low + bisect_left(ranks, -(-n * 99 // 100))]
        if p99 > longest:
            p50, p90, p95, p99 = min(p50, longest), min(p90, longest), min(p95, longest), longest
        return _make(Window, (n, p50, p90, p95, p99, longest, "buckets"))

    def dump(self) -> dict[str, Any]:
        """As plain data. The sums are left out: they are made anew."""
        kept = {"fives": self._fives, "hours": self._hours}
        packed = {
            key: [binascii.b2a_base64(each, newline=False).decode("ascii") for each in slots]
            for key, slots in kept.items()
        }
        return {"low": self._low, "now": list(self._now), "most": self._most, **packed}

    @classmethod
    def load(cls, slot: int, plain: Any) -> Series:
        """What `dump` gave. Raises ValueError, or what the wrong types raise."""
        series = cls(slot)
        fives, hours = (tuple(map(binascii.a2b_base64, plain[key])) for key in ("fives", "hours"))
        _check_slots(fives, slot - 12, slot)
        _check_slots(hours, slot // 12 - 24, slot // 12)
        now, most = list(array("I", plain["now"])), float(plain["most"])
        buckets = [(int(plain["low"]), now), *map(_unpack, fives + hours)]
        if not all(0 <= low <= len(BOUNDS) - len(counts) + 1 for low, counts in buckets):
            raise ValueError("buckets that cannot be")
        if (
            not all(0.0 <= peak < math.inf for peak in (most, _longest(fives), _longest(hours)))
            or max([0, *now]) > MOST
        ):
            raise ValueError("values that cannot be")
        full = [(low, counts) for low, counts in buckets if counts]
        if full:
            series._reach(min(low for low, _ in full))
            series._reach(max(low + len(counts) - 1 for low, counts in full))
        series._fives, series._hours, series._most = fives, hours, most
        for five in fives:
            series._count(five, series._hour)
        for packed in hours + series._of_hour(slot // 12):
            series._count(packed, series._day)
        for total in (series._now, series._hour, series._day):
            for place, count in enumerate(now, int(plain["low"]) - series._low):
                total[place] += count
        series._peaks = _longest(fives), _longest(hours + series._of_hour(slot // 12))
        return series


def _pack(slot: int, most: float, low: int, counts: Sequence[int]) -> bytes:
    """The counts of a slot, in as few bytes as hold the largest."""
    places = [place for place, count in enumerate(counts) if count]
    kept = counts[places[0] : places[-1] + 1]
    kind = next(kind for kind in range(3) if max(kept) >> 8 * (1 << kind) == 0)
    return _HEAD.pack(slot, most, low + places[0], kind) + array("BHI"[kind], kept).tobytes()


def _unpack(packed: bytes) -> tuple[int, Sequence[int]]:
    """The lowest bucket, and the counts."""
    _, _, low, kind = _HEAD.unpack_from(packed)
    return low, array("BHI"[kind], packed[_HEAD.size :])


def _check_slots(packed: tuple[bytes, ...], before: int, after: int) -> None:
    """Raises ValueError unless they rise between these."""
    slots = [before, *map(_slot, packed), after]
    if not all(a < b for a, b in zip(slots, slots[1:])):
        raise ValueError("slots that cannot be")
    if any(max(_unpack(each)[1], default=0) > MOST for each in packed):
        raise ValueError("counts that cannot be")


def _slot(packed: bytes) -> int:
    return int(_HEAD.unpack_from(packed)[0])


def _longest(packed: tuple[bytes, ...]) -> float:
    return max((_HEAD.unpack_from(each)[1] for each in packed), default=0.0)


class Latency:
    """How long the runs of a check took: those that were answered, and those that failed. One owner at a time.

    Once `moves` is over, `move` has to be called before a value is added. Whoever adds one adds it to `seconds`, too.
    """

    __slots__ = ("_failed", "_gone", "_slot", "answered", "moves", "seconds")

    def __init__(self, at: float) -> None:
        self._slot = int(at // FIVE)
        self.moves = (self._slot + 1) * FIVE  # from then on another slot is the current one
        self.seconds = 0.0  # that all runs took: one sum, for the order in which floats are added shows in the end
        self._gone = _NO_TOTALS  # of the totals, what left the day; shared until something did
        self.answered = Series(self._slot)
        self._failed: Series | None = None  # most checks have none

    @property
    def failed(self) -> Series:
        """Those that failed, made for the first."""
        if self._failed is None:
            self._failed = Series(self._slot)
        return self._failed

    def move(self, at: float) -> None:
        """Go on to the slot of this instant. What leaves the day stays in the totals."""
        totals = self._totals(self._reached())
        self._slot = int(at // FIVE)
        self.moves = (self._slot + 1) * FIVE
        self.answered.move(self._slot)
        if self._failed is not None:
            self._failed.move(self._slot)
            if self._failed.empty:
                self._failed = None
        gone = _TOTALS.pack(*map(sub, totals, self._reached()))
        self._gone = _NO_TOTALS if gone == _NO_TOTALS else gone

    def _reached(self) -> list[int]:
        """How many runs of the day took at most each of LE."""
        answered = self.answered.reached()
        return answered if self._failed is None else list(map(add, answered, self._failed.reached()))

    def _totals(self, reached: list[int]) -> list[int]:
        return reached if self._gone is _NO_TOTALS else list(map(add, reached, _TOTALS.unpack(self._gone)))

    def look(self, most: int, latest: Callable[..., Sequence[float]]) -> tuple[tuple[Window, ...], list[int]]:
        """Hour and day of those that were answered, then of those that failed; see Series.look. And the totals.

        These are how many runs ever took at most each of LE, and how many there were, failed or not. None gets less.
        """
        hour, day, reached = self.answered.look(most, lambda: latest("pass", "warn"))
        if self._failed is None:
            return (hour, day, NO_WINDOW, NO_WINDOW), self._totals(reached)
        failed_hour, failed_day, also = self._failed.look(most, lambda: latest("fail"))
        return (hour, day, failed_hour, failed_day), self._totals(list(map(add, reached, also)))

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        failed = None if self._failed is None else self._failed.dump()
        gone = list(_TOTALS.unpack(self._gone))
        return {
            "slot": self._slot,
            "answered": self.answered.dump(),
            "failed": failed,
            "gone": gone,
            "seconds": self.seconds,
        }

    @classmethod
    def load(cls, plain: Any, at: float) -> Latency:
        """What `dump` gave at that instant. Raises ValueError, or what the wrong types raise.

        Before there were totals, there were other buckets: of what was dumped then, nothing is taken up.
        """
        if "gone" not in plain and "answered" in plain:
            return cls(at)
        latency = cls(int(plain["slot"]) * FIVE)
        if not 0.0 <= latency.moves - FIVE <= at:
            raise ValueError("a slot of another time")
        latency.answered = Series.load(latency._slot, plain["answered"])
        latency._failed = None if plain["failed"] is None else Series.load(latency._slot, plain["failed"])
        latency.seconds, gone = float(plain["seconds"]), plain["gone"]
        if not 0.0 <= latency.seconds < 1e15 or not all(0 <= a <= b < 1 << 53 for a, b in zip([0, *gone], gone)):
            raise ValueError("totals that cannot be")
        packed = _TOTALS.pack(*gone)
        latency._gone = _NO_TOTALS if packed == _NO_TOTALS else packed
        return latency
