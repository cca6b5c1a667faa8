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
from typing import Any, NamedTuple, Union

NONE, UP, DOWN, STILL, GONE = range(5)
"""What a stretch of time was: not covered; up or degraded; down; down on, after a stretch that was not covered; and
such a stretch, not covered in the midst of being down."""

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
A_GOOD_HOUR, A_GOOD_DAY = Tally(HOUR), Tally(DAY)


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


NO_TOTALS: tuple[Sum, ...] = (_kept(NOTHING),) * 3
"""One for all, as with the empty rings."""
FORM = struct.Struct("<ffHII")
CARRIED = 0x8000
"""A ring of tallies has one of this form for each slot of time, the slot of a time long ago overwritten."""
Ring = Union[bytes, bytearray]
EMPTY = {size: bytes(size * FORM.size) for size in (HOURS, DAYS, FIVES)}
"""Rings that all checks share until they have something to put in."""


def _put(ring: Ring, slot: int, tally: Tally) -> bytearray:
    """The ring with this in it: the same one, unless it was one of those that are shared while they are empty."""
    mine = ring if isinstance(ring, bytearray) else bytearray(ring)
    covered, down, begun, carried, answered, failed = tally
    begun = min(begun, CARRIED - 1) | (CARRIED if carried else 0)
    where = slot * FORM.size % len(ring)
    FORM.pack_into(mine, where, covered, down, begun, min(answered, 2**32 - 1), min(failed, 2**32 - 1))
    return mine


def _total(ring: Ring, first: int, last: int) -> Tally:
    """The sum of several slots, the last one included."""
    total = NOTHING
    for slot in range(first, last + 1):
        covered, down, begun, answered, failed = FORM.unpack_from(ring, slot * FORM.size % len(ring))
        total = joined(total, (covered, down, begun & ~CARRIED, begun >= CARRIED, answered, failed))
    return total


def _ring(size: int, text: str = "", length: float = 0.0) -> Ring:
    """A ring, empty or of what was dumped. Raises ValueError for sums that cannot be, of slots of this length."""
    if text == "":
        return EMPTY[size]
    ring = bytearray(binascii.a2b_base64(text))
    if len(ring) != size * FORM.size:
        raise ValueError("sums of another size")
    for covered, down, *_ in FORM.iter_unpack(ring):
        if not 0.0 <= down <= covered <= length * 1.001:  # rounded to 24 bits
            raise ValueError("sums that cannot be")
    return ring


def _text(ring: Ring) -> str:
    return binascii.b2a_base64(ring, newline=False).decode("ascii")


class Uptime:
    """The latest day as it was, sums of hours and days before. One owner at a time.

    Instants come in order, but for this: a stretch may begin before the latest record, with the first of the failures
    that turned it down. While that is undecided nothing is settled that may still change.
    """

    __slots__ = ("_counted", "_days", "_fives", "_hours", "_instants", "_kinds", "_settled", "_totals", "kind")

    def __init__(self, at: float) -> None:
        self.kind = NONE
        self._instants, self._kinds = array("d", [at]), bytearray([NONE])
        self._settled = at // HOUR * HOUR  # up to there all is in the sums
        self._hours: Ring = _ring(HOURS)
        self._days: Ring = _ring(DAYS)
        self._fives: Ring | None = None  # sums of stretches that there was no room for
        self._totals = NO_TOTALS  # of 7, 30 and 90 days, up to _settled
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
            kinds.pop()
        before = kinds[-1] if kinds else NONE
        if before >= DOWN and kind != UP:
            kind = GONE if kind == NONE else STILL if before == GONE else before
        if not kinds or kind != before:
            instants.append(at)
            kinds.append(kind)
        if len(instants) >= KEPT + 64:
            self._make_room(64)

    def _make_room(self, number: int) -> None:
        """Put the oldest stretches into sums of five minutes."""
        since, until = self._instants[0], self._instants[number]
        end = math.ceil(until / FIVE)
        first = max(int(since // FIVE), end - FIVES)
        if self._fives is None or first * FIVE > since:
            self._fives = _ring(FIVES)
        for slot in range(first, end):
            more = self._exact(slot * FIVE, min((slot + 1) * FIVE, until))
            goes_on = slot * FIVE < since  # its first part was summed up before
            self._fives = _put(self._fives, slot, joined(_total(self._fives, slot, slot), more) if goes_on else more)
        del self._instants[:number], self._kinds[:number]

    def _exact(self, start: float, end: float) -> Tally:
        """Of a span, from the stretches."""
        instants, kinds = self._instants, self._kinds
        first = bisect_right(instants, start) - 1
        if first + 1 == len(kinds):  # one stretch, as on most days
            if kinds[-1] == UP:
                return _make(Tally, (end - start, 0.0, 0, False, 0, 0))
            return _stretch(kinds[-1], start, end, instants[-1] == start)
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
        first, last = int(start // FIVE), math.ceil(min(end, oldest) / FIVE) - 1
        before = _total(fives, max(first, last - FIVES + 1), last)
        return first * FIVE, joined(before, self._exact(oldest, end)) if end > oldest else before

    def _runs(self, answered: int, failed: int) -> tuple[int, int]:
        """Since the latest full hour, of those since the beginning."""
        return max(0, answered - self._counted[0]), max(0, failed - self._counted[1])

    def settle(self, at: float, answered: int, failed: int) -> None:
        """All before `at` is decided: put the hours that ended into sums. The runs are those since the beginning."""
        if at < self.settles:
            return
        oldest = (at // DAY - DAYS - 1) * DAY  # no more than that is asked for
        if self._settled < oldest:
            self._settled, self._hours, self._days = oldest, _ring(HOURS), _ring(DAYS)
        runs, self._counted = self._runs(answered, failed), (answered, failed)
        while self._settled + HOUR <= at:
            _, tally = self._span(self._settled, self._settled + HOUR)
            self._settled += HOUR
            hour = int(self._settled // HOUR)
            self._hours = _put(self._hours, hour - 1, _make(Tally, tally[:4] + runs))
            runs = (0, 0)
            if hour % 24 == 0:
                self._days = _put(self._days, hour // 24 - 1, _total(self._hours, hour - 24, hour - 1))
        self._total_up()
        self._forget(self._settled - DAY - HOUR)

    def _total_up(self) -> None:
        hour = int(self._settled // HOUR)
        day = hour // 24
        today = _total(self._hours, day * 24, hour - 1)
        month, quarter = (joined(_total(self._days, day - days, day - 1), today) for days in (30, DAYS))
        self._totals = _kept(_total(self._hours, hour - HOURS, hour - 1)), _kept(month), _kept(quarter)

    def _forget(self, before: float) -> None:
        """Drop the stretches, and the sums of them, that no window reaches back to."""
        old = bisect_right(self._instants, before) - 1
        if old >= 0:
            del self._instants[:old], self._kinds[:old]
            self._fives = None

    def spans(self, at: float, answered: int, failed: int) -> tuple[Span, ...]:
        """The windows, as of this instant. The runs are those since the beginning.

        The windows below 7 days have no runs: their latencies know.
        """
        settled, runs = self._settled, self._runs(answered, failed)
        week, month, quarter = self._totals
        if self._kinds[-1] == UP and self._instants[-1] <= min(settled, at - DAY):  # as on most days
            hour, day = ("1h", at - HOUR, A_GOOD_HOUR), ("24h", at - DAY, A_GOOD_DAY)
            now: Sum = (at - settled, 0.0, 0, False, *runs)
        else:
            hour, day = ("1h", *self._span(at - HOUR, at)), ("24h", *self._span(at - DAY, at))
            now = (*self._span(settled, at)[1][:4], *runs)
        midnight = settled // DAY * DAY
        return (
            hour,
            day,
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
            "hours": _text(self._hours),
            "days": _text(self._days),
            "fives": "" if self._fives is None else _text(self._fives),
        }

    @classmethod
    def load(cls, plain: Any, at: float) -> Uptime:
        """What `dump` gave at that instant. Raises ValueError, or what the wrong types raise."""
        uptime = cls(float(plain["settled"]))
        instants, kinds = array("d", plain["instants"]), bytearray(iter(plain["kinds"]))
        rising = all(a < b for a, b in zip(instants, instants[1:]))
        if not (0 < len(instants) == len(kinds) < KEPT + 64 and rising and max(kinds) <= GONE):
            raise ValueError("stretches that cannot be")
        answered, failed = map(int, plain["counted"])
        if not (
            0.0 <= instants[0]
            and 0.0 <= uptime._settled
            and max(instants[-1], uptime._settled) <= at
            and min(answered, failed) >= 0
        ):
            raise ValueError("instants or counts that cannot be")
        uptime._instants, uptime._kinds, uptime._counted = instants, kinds, (answered, failed)
        uptime.kind = (NONE, UP, DOWN, DOWN, NONE)[kinds[-1]]
        uptime._hours, uptime._days = _ring(HOURS, plain["hours"], HOUR), _ring(DAYS, plain["days"], DAY)
        uptime._fives = _ring(FIVES, plain["fives"], FIVE) if plain["fives"] else None
        uptime._total_up()
        return uptime


def _stretch(kind: int, start: float, end: float, begins: bool) -> Tally:
    """As much of a stretch as lies in a span, and whether it begins there."""
    length = end - start
    if kind == UP and length > 0:
        return _make(Tally, (length, 0.0, 0, False, 0, 0))
    if kind in (NONE, GONE) or length <= 0:
        return NOTHING
    begun = kind == DOWN and begins
    return _make(Tally, (length, length, int(begun), not begun, 0, 0))
