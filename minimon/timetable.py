"""What is due when. Pure: the time is an argument, and one owner at a time calls it."""

from __future__ import annotations

import binascii
import heapq
import math
from typing import Generic, TypeVar

from .checks import LONGEST, SHORTEST, Interval
from .text import short

FALLBACK = 10.0
"""Seconds until the next run when a check's interval function fails."""
FIRST_RUNS = 200
"""First runs a second, at most, when many checks start at once."""


class Slot:
    """The place of one check in the timetable."""

    __slots__ = ("due", "name", "ticket")

    def __init__(self, name: str) -> None:
        self.name = name
        self.due = 0.0
        self.ticket = 0  # which of its heap entries counts, 0 for none; struck ones stay until they come up


S = TypeVar("S", bound=Slot)


class Timetable(Generic[S]):
    """A heap of slots by the time they are due. A slot that was taken is in nobody's way until it is armed again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, S]] = []
        self._tickets = 0
        self._struck = 0

    def __len__(self) -> int:
        return len(self._heap) - self._struck

    def arm(self, slot: S, due: float) -> None:
        """Put the slot down for `due`, whatever it was down for before."""
        if slot.ticket:
            self.disarm(slot)
        self._tickets += 1
        slot.due, slot.ticket = due, self._tickets
        heapq.heappush(self._heap, (due, self._tickets, slot))

    def disarm(self, slot: S) -> None:
        """Strike the slot out."""
        if slot.ticket:
            slot.ticket = 0
            self._struck += 1
            if self._struck > 64 and self._struck * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[1] == entry[2].ticket]
                heapq.heapify(self._heap)
                self._struck = 0

    def next_due(self) -> float | None:
        """When the next slot is due; None for never."""
        heap = self._heap
        while heap and heap[0][2].ticket != heap[0][1]:
            heapq.heappop(heap)
            self._struck -= 1
        return heap[0][0] if heap else None

    def take(self, now: float) -> list[S]:
        """The slots that are due, earliest first; each must be armed again to come up again."""
        heap, due = self._heap, []
        while heap and heap[0][0] <= now:
            _, ticket, slot = heapq.heappop(heap)
            if slot.ticket == ticket:
                slot.ticket = 0
                due.append(slot)
            else:
                self._struck -= 1
        return due


def following(due: float, interval: float, now: float) -> tuple[float, int]:
    """The next time after `now` in the phase of `due`, and how many turns were missed on the way."""
    following = due + interval
    if now < following:
        return following, 0
    turns = math.floor((now - due) / interval) + 1
    after = due + turns * interval
    return (after, turns - 1) if after > now else (after + interval, turns)  # the product may round down


def first_due(name: str, now: float, interval: float, checks: int) -> float:
    """The time of a first run at once, but spread out: by the hash of the name, over as long as many checks need."""
    share = binascii.crc32(name.encode("utf-8", "surrogatepass")) / 2**32
    return now + share * min(interval, checks / FIRST_RUNS)


def lasting(interval: float, timeout: float) -> float:
    """Seconds for which a result counts: after two rounds without one, it tells nothing of now."""
    return 2 * interval + timeout


def draw(every: Interval) -> tuple[float, str]:
    """Seconds until the next round, and what was wrong with the function that should say so ("" if nothing)."""
    if not callable(every):
        return every, ""
    try:
        seconds = every()
        if isinstance(seconds, bool) or not seconds > 0 or math.isinf(seconds):
            raise ValueError(f"expected seconds > 0, got {seconds!r:.60}")
        return min(max(float(seconds), SHORTEST), LONGEST), ""
    except (Exception, SystemExit, GeneratorExit) as error:  # the host's own: the check goes on
        return FALLBACK, f"every() failed: {type(error).__name__}: {short(error)}; next run in {FALLBACK:g} s"
