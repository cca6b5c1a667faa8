"""Snapshots of many checks: cold, when few have changed, and how long the registry's lock is held for them."""

from __future__ import annotations

import gc
import random
import statistics
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from lines import Line, measuring, spread

from minimon import Check, Outcome, Result
from minimon.model import result_view
from minimon.registry import Registry
from minimon.testing import FakeClock

CHECKS = 10_000
CHANGED = CHECKS // 50


class Collections:
    """Seconds that the interpreter's garbage collections have taken: in those no thread runs, lock or not, and how long
    they are is a matter of all that the process holds."""

    def __init__(self) -> None:
        self.seconds = self._since = 0.0
        gc.callbacks.append(self._told)

    def _told(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._since = now
        else:
            self.seconds += now - self._since


class Watched:
    """A lock that knows how long it was held at most, with the collections that fell into that and without them."""

    def __init__(self, collections: Collections) -> None:
        self._lock, self._collections = threading.RLock(), collections
        self._since = self._before = self.longest = self.longest_net = 0.0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._since, self._before = time.perf_counter(), self._collections.seconds

    def __exit__(self, *exc_info: object) -> None:
        held, collected = time.perf_counter() - self._since, self._collections.seconds - self._before
        self.longest, self.longest_net = max(self.longest, held), max(self.longest_net, held - collected)
        self._lock.release()


class Took(NamedTuple):
    """Milliseconds of a snapshot, with collections and without."""

    whole: float
    net: float


class Many:
    """A registry of many checks that were polled for a day, in the last hour of it every minute."""

    def __init__(self, number: int) -> None:
        self.clock, self.chance = FakeClock(0.0, 1.7e9), random.Random(5)
        self.registry, self.collections = Registry(self.clock), Collections()
        self.checks = [Check(f"check {n}", "http://search.internal/", group=f"group {n % 20}") for n in range(number)]
        for check in self.checks:
            self.registry.add(check, 1e9)
        for minutes in [60] * 24 + [1] * 60:
            self.clock.advance(60.0 * minutes)
            self.poll(self.checks)

    def poll(self, checks: list[Check]) -> None:
        """Record a result of each of them, one of a hundred failed."""
        for check in checks:
            fails = self.chance.random() < 0.01
            outcome, reason = (Outcome.FAIL, "status") if fails else (Outcome.PASS, "")
            took = round(self.chance.lognormvariate(-3.0, 0.5), 6)
            when, now = self.clock.time() + self.chance.random(), self.clock.monotonic()
            result = Result(check.name, outcome, reason, "got 503" * fails, when, took, None, 200, now)
            self.registry.record(check, result, 1e9, result_view(result))

    def again(self, changed: int) -> Took:
        """A snapshot after so many have changed."""
        self.clock.advance(60.0)
        self.poll(self.chance.sample(self.checks, changed))
        return self.look()

    def look(self) -> Took:
        """One snapshot."""
        start, before = time.perf_counter(), self.collections.seconds
        self.registry.snapshot()
        whole = time.perf_counter() - start
        return Took(1e3 * whole, 1e3 * (whole - (self.collections.seconds - before)))


def line(what: str, took: list[Took], bar: float) -> Line:
    """The median without collections; with them in the note."""
    note = f"with garbage collections {statistics.median(each.whole for each in took):.0f}"
    note += f", {spread([each.whole for each in took], 0)}"
    return Line("snapshot", what, statistics.median(each.net for each in took), "ms", bar, note)


def measure(quick: bool) -> Iterator[Line]:
    """The three bars."""
    many = Many(CHECKS)
    gc.collect()
    cold = [many.look()]
    warm = [many.again(CHANGED) for _ in range(5 if quick else 30)]
    cold += [many.again(CHECKS) for _ in range(3 if quick else 9)]
    yield line(f"{CHECKS} checks, 2% changed", warm, 25)
    yield line("cold: all of them are new", cold, 350)
    many.registry._lock = lock = Watched(many.collections)  # type: ignore[assignment]
    for changed in (CHANGED, CHECKS) * 3:
        many.again(changed)
    note = f"with garbage collections {1e3 * lock.longest:.0f}"
    yield Line("snapshot", "the registry's lock, held at most", 1e3 * lock.longest_net, "ms", 10, note)


if __name__ == "__main__":
    measuring(measure)
