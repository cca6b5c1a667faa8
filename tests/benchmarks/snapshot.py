"""Snapshots of many checks: cold, when few have changed, and how long the registry's lock is held for them."""

from __future__ import annotations

import gc
import random
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from lines import Line, measuring, spread

from minimon import Check, Outcome, Result
from minimon.model import result_view
from minimon.registry import Registry
from minimon.testing import FakeClock

CHECKS = 10_000
CHANGED = CHECKS // 50


class Watched:
    """A lock that knows how long it was held at most, and without the garbage collections that fell into it: in those
    no other thread runs anyway."""

    def __init__(self) -> None:
        self._lock, self._since, self._collecting = threading.RLock(), 0.0, 0.0
        self.longest = self.longest_without = self._spent = 0.0
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self._spent += time.perf_counter() - self._collecting

    def __enter__(self) -> None:
        self._lock.acquire()
        self._since, self._spent = time.perf_counter(), 0.0

    def __exit__(self, *exc_info: object) -> None:
        held = time.perf_counter() - self._since
        self.longest, self.longest_without = max(self.longest, held), max(self.longest_without, held - self._spent)
        self._lock.release()


class Many:
    """A registry of many checks that were polled for a day, in the last hour of it every minute."""

    def __init__(self, number: int) -> None:
        self.clock, self.chance = FakeClock(0.0, 1.7e9), random.Random(5)
        self.registry = Registry(self.clock)
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

    def again(self, changed: int) -> float:
        """Seconds of a snapshot after so many have changed."""
        self.clock.advance(60.0)
        self.poll(self.chance.sample(self.checks, changed))
        return self.seconds()

    def seconds(self) -> float:
        """Of one snapshot."""
        start = time.perf_counter()
        self.registry.snapshot()
        return time.perf_counter() - start


def measure(quick: bool) -> Iterator[Line]:
    """The three bars."""
    many = Many(CHECKS)
    gc.collect()
    cold = [many.seconds()]
    warm = [many.again(CHANGED) for _ in range(5 if quick else 30)]
    cold += [many.again(CHECKS) for _ in range(3 if quick else 9)]
    unit: dict[str, Any] = {"unit": "ms"}
    yield Line(
        "snapshot", f"{CHECKS} checks, 2% changed", 1e3 * statistics.median(warm), bar=25, note=_ms(warm), **unit
    )
    yield Line("snapshot", "cold: all of them are new", 1e3 * statistics.median(cold), bar=350, note=_ms(cold), **unit)
    many.registry._lock = lock = Watched()  # type: ignore[assignment]
    for changed in (CHANGED, CHECKS) * 3:
        many.again(changed)
    note = f"{1e3 * lock.longest:.1f} with garbage collections, in which no thread runs anyway"
    yield Line("snapshot", "the registry's lock, held at most", 1e3 * lock.longest_without, bar=10, note=note, **unit)


def _ms(seconds: list[float]) -> str:
    return spread([1e3 * each for each in seconds], 0)


if __name__ == "__main__":
    measuring(measure)
