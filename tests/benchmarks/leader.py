"""A prototype to measure the Scheduler by: workers that take due entries from the heap themselves.

One of the idle workers, the leader, waits for the next entry; when it has one it makes a follower the leader, and
runs. It has no supervision, no growth and no pausing, so it is the least that this design can cost.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

from minimon.scheduler import Entry, Outlook
from minimon.timetable import following


class Turn:
    """One run: what `execute` is given."""

    __slots__ = ("due", "entry")

    def __init__(self, entry: Entry, due: float) -> None:
        self.entry, self.due = entry, due


class LeaderFollowers:
    """The same `arm`, `start` and `stop` as a Scheduler has."""

    def __init__(self, execute: Callable[[Any], Outlook], workers: int) -> None:
        self._execute = execute
        self._tickets = itertools.count()
        # Guards all below; the leader waits on _due, the followers on _idle.
        lock = threading.Lock()
        self._due, self._idle = threading.Condition(lock), threading.Condition(lock)
        self._lock = lock
        self._heap: list[tuple[float, int, Entry]] = []
        self._led = False
        self._followers = 0
        self._sleeps_until = 0.0
        self._stopped = False
        self._threads = [threading.Thread(target=self.work, daemon=True) for _ in range(workers)]

    def arm(self, entry: Entry, due: float) -> None:
        """Have it run at `due`."""
        with self._lock:
            self._push(entry, due)

    def start(self) -> None:
        """Start the workers."""
        for thread in self._threads:
            thread.start()

    def stop(self, deadline: float) -> bool:
        """End the workers."""
        with self._lock:
            self._stopped = True
            self._due.notify_all()
            self._idle.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def work(self) -> None:
        """A worker's loop."""
        with self._lock:
            turn = self._next()
        while turn is not None:
            outlook = self._execute(turn)
            now = time.monotonic()
            with self._lock:
                self._push(turn.entry, following(turn.due, outlook.interval, now)[0])
                turn = self._next()

    def _push(self, entry: Entry, due: float) -> None:
        heapq.heappush(self._heap, (due, next(self._tickets), entry))
        if due < self._sleeps_until:
            self._due.notify()

    def _next(self) -> Turn | None:
        """The next entry that is due, waiting for it; None after stop. What is due already needs no leader."""
        while not self._stopped:
            now = time.monotonic()
            if self._heap and self._heap[0][0] <= now:
                return self._take()
            if self._led:
                self._followers += 1
                self._idle.wait()
                self._followers -= 1
                continue
            self._led = True
            self._sleeps_until = self._heap[0][0] if self._heap else float("inf")
            self._due.wait(max(0.0, self._sleeps_until - now) if self._heap else None)
            self._sleeps_until = 0.0
            self._led = False
        return None

    def _take(self) -> Turn:
        due, _, entry = heapq.heappop(self._heap)
        if not self._led and self._followers:
            self._idle.notify()
        return Turn(entry, due)
