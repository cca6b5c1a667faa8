"""How long a check was up and down, over five windows, by the time that its status lasted. Pure.

Instants are seconds of a timeline that never jumps and has the hours of UTC: the epoch of the wall clock when it was
first looked at, and the monotonic clock from then on.
"""

from __future__ import annotations

import binascii
import math
import struct
from array import array
from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

NONE, UP, DOWN, STILL = 0, 1, 2, 3
"""What a stretch of time was: not covered; up or degraded; down; and down on, after a stretch that was not covered."""

FIVE, HOUR, DAY = 300.0, 3600.0, 86400.0
KEPT = 256
"""Stretches that are kept as they were; of older ones there are sums of five minutes."""
FIVES, HOURS, DAYS = 290, 168, 90
"""Sums that are kept. (Of five minutes a day's, and the broken ones at both ends.)"""
WINDOWS = ("1h", "24h", "7d", "30d", "90d")
"""The first two begin so long before the latest record; the third begins at a full hour, the others at a midnight of
UTC, so that they are a little longer."""

_make = tuple.__new__  # see evaluate: a third of the cost of calling the class


class Tally(NamedTuple):
    """What a span of time amounts to."""

    covered: float = 0.0
    """Seconds that were up, degraded or down."""
    down: float = 0.0
    """Seconds that were down."""
    begun: int = 0
    """How many times it went down."""
    carried: bool = False
    """Whether what was down first had gone down before."""
    answered: int = 0
    """Runs that passed or warned."""
    failed: int = 0
    """Runs that failed."""


Sum = tuple[float, float, int, bool, int, int]
"""A Tally that is kept: in a plain tuple a garbage collection of the host has nothing to look for."""
Span = tuple[str, float, Tally]
"""A window: its name, where it begins, and what it amounts to."""
NOTHING = Tally()


def joined(span: Sum, after: Sum) -> Tally:
    """Of two spans, one after the other."""
    covered, down, begun, carried, answered, failed = span
    more, downer, again, still, also, missed = after
    fields = (
        covered + more,
        down + downer,
        begun + again,
        carried if down else still,
        answered + also,
        failed + missed,
    )
    return _make(Tally, fields)


def _kept(tally: Tally) -> Sum:
    covered, down, begun, carried, answered, failed = tally
    return covered, down, begun, carried, answered, failed


class Sums:
    """A ring of tallies, one for each slot of time; `latest` is the last of them."""

    __slots__ = ("_ring", "latest", "size")

    FORM = struct.Struct("<ffHII")
    CARRIED = 0x8000

    def __init__(self, size: int, latest: int) -> None:
        self.size, self.latest = size, latest
        self._ring = bytearray(size * self.FORM.size)

    def put(self, slot: int, tally: Tally) -> None:
        """Write the sum of a slot; those between it and the latest were not covered."""
        for between in range(max(self.latest, slot - self.size) + 1, slot):
            self._write(between, NOTHING)
        self._write(slot, tally)
        self.latest = max(self.latest, slot)

    def _write(self, slot: int, tally: Tally) -> None:
        begun = min(tally.begun, self.CARRIED - 1) | (self.CARRIED if tally.carried else 0)
        where = slot % self.size * self.FORM.size
        self.FORM.pack_into(self._ring, where, tally.covered, tally.down, begun, tally.answered, tally.failed)

    def get(self, slot: int) -> Tally:
        """The sum of one slot; nothing of one that is not in the ring."""
        if not self.latest - self.size < slot <= self.latest:
            return NOTHING
        covered, down, begun, answered, failed = self.FORM.unpack_from(self._ring, slot % self.size * self.FORM.size)
        return Tally(covered, down, begun & ~self.CARRIED, begun >= self.CARRIED, answered, failed)

    def total(self, first: int, last: int) -> Tally:
        """The sum of several slots, the last one included."""
        total = NOTHING
        for slot in range(max(first, self.latest - self.size + 1), min(last, self.latest) + 1):
            total = joined(total, self.get(slot))
        return total

    def dump(self) -> list[Any]:
        """As plain data."""
        return [self.latest, binascii.b2a_base64(self._ring, newline=False).decode("ascii")]

    @classmethod
    def load(cls, size: int, plain: Any) -> Sums:
        """What `dump` gave. Raises ValueError, or what the wrong types raise."""
        latest, text = plain
        sums = cls(size, int(latest))
        ring = binascii.a2b_base64(text)
        if len(ring) != len(sums._ring):
            raise ValueError("sums of another size")
        for covered, down, *_ in cls.FORM.iter_unpack(ring):
            if not 0.0 <= down <= covered <= DAY:
                raise ValueError("sums that cannot be")
        sums._ring[:] = ring
        return sums


class Uptime:
    """The latest day as it was, sums of hours and days before. One owner at a time.

    Instants come in order, but for this: a stretch may begin before the latest record, with the first of the failures
    that turned it down. While that is undecided nothing is settled that may still change.
    """

    __slots__ = ("_counted", "_days", "_fell", "_fives", "_hours", "_instants", "_kinds", "_settled", "_totals", "kind")

    def __init__(self, at: float) -> None:
        hour = int(at // HOUR)
        self.kind = NONE
        self._fell = False  # whether it was down when it was covered last
        self._instants, self._kinds = array("d", [at]), bytearray([NONE])
        self._settled = hour * HOUR  # up to there all is in the sums
        self._hours, self._days = Sums(HOURS, hour - 1), Sums(DAYS, hour // 24 - 1)
        self._fives: Sums | None = None  # of stretches that there was no room for
        self._totals: tuple[Sum, ...] = (_kept(NOTHING),) * 3  # of 7, 30 and 90 days, up to _settled
        self._counted = (0, 0)  # answered and failed, up to _settled

    @property
    def settles(self) -> float:
        """The instant from which on there is something to settle."""
        return self._settled + HOUR

    def turn(self, kind: int, at: float) -> None:
        """From `at` on it is NONE, UP or DOWN."""
        if kind == self.kind:
            return
        self.kind = kind
        instants, kinds = self._instants, self._kinds
        at = max(at, instants[-1], self._settled)
        if at == instants[-1]:  # what was to begin there is taken back
            instants.pop()
            if kinds.pop() == DOWN:
                self._fell = False
        if kind == DOWN and self._fell:
            kind = STILL
        self._fell = kind >= DOWN or (self._fell and kind == NONE)
        if not kinds or kinds[-1] != kind:
            instants.append(at)
            kinds.append(kind)
        if len(instants) >= KEPT + 64:
            self._make_room(64)

    def _make_room(self, number: int) -> None:
        """Put the oldest stretches into sums of five minutes."""
        until = self._instants[number]
        first = int(self._instants[0] // FIVE)
        if self._fives is None:
            self._fives = Sums(FIVES, first - 1)
        for slot in range(first, math.ceil(until / FIVE)):
            more = self._exact(slot * FIVE, min((slot + 1) * FIVE, until))
            self._fives.put(slot, joined(self._fives.get(slot), more))
        del self._instants[:number], self._kinds[:number]

    def _exact(self, start: float, end: float) -> Tally:
        """Of a span, from the stretches."""
        instants, kinds = self._instants, self._kinds
        first = bisect_right(instants, start) - 1
        if first + 1 == len(kinds):  # one stretch, as on most days
            return _stretch(kinds[-1], start, end, False)
        total = NOTHING
        for number in range(max(first, 0), bisect_left(instants, end)):
            begins = instants[number]
            until = end if number + 1 == len(kinds) else min(end, instants[number + 1])
            total = joined(total, _stretch(kinds[number], max(start, begins), until, begins >= start))
        return total

    def _span(self, start: float, end: float) -> tuple[float, Tally]:
        """Of a span, and where it begins: at a full five minutes, where the stretches do not reach back to."""
        fives, oldest = self._fives, self._instants[0]
        if fives is None or start >= oldest:
            return start, self._exact(start, end)
        first = int(start // FIVE)
        before = fives.total(first, math.ceil(min(end, oldest) / FIVE) - 1)
        return first * FIVE, joined(before, self._exact(oldest, end)) if end > oldest else before

    def settle(self, at: float, answered: int, failed: int) -> None:
        """All before `at` is decided: put the hours that ended into sums. The runs are those since the beginning."""
        self._settled = max(self._settled, (at // DAY - DAYS - 1) * DAY)  # no more than that is asked for
        runs = answered - self._counted[0], failed - self._counted[1]
        self._counted = answered, failed
        while self._settled + HOUR <= at:
            _, tally = self._span(self._settled, self._settled + HOUR)
            self._settled += HOUR
            hour = int(self._settled // HOUR)
            self._hours.put(hour - 1, _make(Tally, tally[:4] + runs))
            runs = (0, 0)
            if hour % 24 == 0:
                self._days.put(hour // 24 - 1, self._hours.total(hour - 24, hour - 1))
        self._total_up()
        self._forget(self._settled - DAY - HOUR)

    def _total_up(self) -> None:
        hour = int(self._settled // HOUR)
        day = hour // 24
        today = self._hours.total(day * 24, hour - 1)
        month, quarter = self._days.total(day - 30, day - 1), self._days.total(day - 90, day - 1)
        totals = self._hours.total(hour - 168, hour - 1), joined(month, today), joined(quarter, today)
        self._totals = tuple(map(_kept, totals))

    def _forget(self, before: float) -> None:
        """Drop the stretches that no window reaches back to."""
        old = bisect_right(self._instants, before) - 1
        if old > 0:
            del self._instants[:old], self._kinds[:old]
        if self._fives is not None and self._fives.latest * FIVE < before:
            self._fives = None

    def spans(self, at: float, answered: int, failed: int) -> tuple[Span, ...]:
        """The windows, as of this instant. The runs are those since the beginning.

        The windows below 7 days have no runs: their latencies know.
        """
        settled = self._settled
        week, month, quarter = self._totals
        runs = answered - self._counted[0], failed - self._counted[1]
        now = _make(Tally, self._span(settled, at)[1][:4] + runs)
        midnight = settled // DAY * DAY
        return (
            ("1h", *self._span(at - HOUR, at)),
            ("24h", *self._span(at - DAY, at)),
            ("7d", settled - 7 * DAY, joined(week, now)),
            ("30d", midnight - 30 * DAY, joined(month, now)),
            ("90d", midnight - 90 * DAY, joined(quarter, now)),
        )

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "instants": list(self._instants),
            "kinds": list(self._kinds),
            "settled": self._settled,
            "counted": list(self._counted),
            "hours": self._hours.dump(),
            "days": self._days.dump(),
            "fives": None if self._fives is None else self._fives.dump(),
        }

    @classmethod
    def load(cls, plain: Any, at: float) -> Uptime:
        """What `dump` gave at that instant. Raises ValueError, or what the wrong types raise."""
        instants, kinds = array("d", plain["instants"]), bytearray(plain["kinds"])
        uptime = cls(float(plain["settled"]))
        rising = all(a < b for a, b in zip(instants, instants[1:])) and instants[-1] <= at >= uptime._settled
        if not (0 < len(instants) == len(kinds) < KEPT + 64 and rising and max(kinds) <= STILL):
            raise ValueError("stretches that cannot be")
        uptime._instants, uptime._kinds, uptime.kind = instants, kinds, min(kinds[-1], DOWN)
        uptime._fell = next((kind for kind in reversed(kinds) if kind), NONE) >= DOWN
        answered, failed = plain["counted"]
        uptime._counted = int(answered), int(failed)
        uptime._hours, uptime._days = Sums.load(HOURS, plain["hours"]), Sums.load(DAYS, plain["days"])
        uptime._fives = None if plain["fives"] is None else Sums.load(FIVES, plain["fives"])
        uptime._total_up()
        return uptime


def _stretch(kind: int, start: float, end: float, begins: bool) -> Tally:
    """As much of a stretch as lies in a span, and whether it begins there."""
    length = end - start
    if kind == UP and length > 0:
        return _make(Tally, (length, 0.0, 0, False, 0, 0))
    if kind == NONE or length <= 0:
        return NOTHING
    begun = kind == DOWN and begins
    return _make(Tally, (length, length, int(begun), not begun, 0, 0))
