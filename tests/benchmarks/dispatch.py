"""CPU of dispatch alone, saturated, against ThreadPoolExecutor.submit; beside it a leader and its followers.

The bar is measured on one CPU: on several, threads that hand over the GIL and locks to each other cost either side
anything from nothing to three times as much, from one second to the next.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from leader import LeaderFollowers
from lines import Line, measuring, median_ratio, percentile

from minimon.clock import SystemClock
from minimon.scheduler import Entry, Outlook, Scheduler

WORKERS = 8
ENTRIES = 1000
ALWAYS = 1e-6
"""Seconds between runs that make an entry due again as soon as it has run."""
PACED = 5.0
"""Seconds between runs of each of ENTRIES: 200 runs a second, most of them alone."""

Dispatcher = Callable[[Callable[[Any], Outlook]], Any]


@contextlib.contextmanager
def one_cpu() -> Iterator[None]:
    """Keep all threads of this process on one CPU, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Idle:
    """Who knows what a run is: nothing but this."""

    def __init__(self, execute: Callable[[Any], Outlook]) -> None:
        self.execute = execute

    def give_up(self, run: Any) -> Callable[[], None]:
        """None gets stuck."""
        raise AssertionError("a run is stuck")

    def grow_old(self, entry: Any) -> None:
        """Nobody is told."""

    def slept(self, gap: Any) -> None:
        """The same."""


def ours(execute: Callable[[Any], Outlook]) -> Scheduler:
    """The Scheduler as it is, with workers enough from the start."""
    return Scheduler(SystemClock(), Idle(execute), WORKERS, WORKERS)


def prototype(execute: Callable[[Any], Outlook]) -> LeaderFollowers:
    """Workers that take due entries from the heap themselves."""
    return LeaderFollowers(execute, WORKERS)


def fill(made: Any, interval: float) -> None:
    """Arm the entries, evenly spread over the interval."""
    now = time.monotonic() + 0.05
    for number in range(ENTRIES):
        made.arm(Entry(f"entry {number}", 5.0, None), now + interval * number / ENTRIES)
    made.start()


def saturated(dispatcher: Dispatcher, seconds: float) -> float:
    """Microseconds of CPU per dispatch while all entries are due all the time."""
    calls, outlook = itertools.count(), Outlook(ALWAYS)

    def execute(run: Any) -> Outlook:
        next(calls)
        return outlook

    made = dispatcher(execute)
    fill(made, ALWAYS)
    threading.Event().wait(0.2)
    count, cpu = next(calls), time.process_time()
    threading.Event().wait(seconds)
    cpu, count = time.process_time() - cpu, next(calls) - count
    made.stop(time.monotonic() + 5)
    return cpu / count * 1e6


def executor(seconds: float) -> float:
    """Microseconds of CPU per no-op submitted to a ThreadPoolExecutor, and run by it."""
    calls = itertools.count()
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in range(WORKERS * 10):
            pool.submit(next, calls)
        cpu, count, end = time.process_time(), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(1000):
                pool.submit(next, calls)
            count += 1000
        pool.shutdown(wait=True)
        return (time.process_time() - cpu) / count * 1e6


def paced(dispatcher: Dispatcher, seconds: float) -> tuple[float, list[float]]:
    """Microseconds of CPU per dispatch at 200 a second, and the lags in milliseconds."""
    lags: list[float] = []
    outlook = Outlook(PACED)

    def execute(run: Any) -> Outlook:
        lags.append((time.monotonic() - run.due) * 1e3)
        return outlook

    made = dispatcher(execute)
    fill(made, PACED)
    threading.Event().wait(0.5)
    lags.clear()
    cpu = time.process_time()
    threading.Event().wait(seconds)
    cpu = time.process_time() - cpu
    made.stop(time.monotonic() + 5)
    return cpu / max(1, len(lags)) * 1e6, lags


def measure(quick: bool) -> Iterator[Line]:
    """The bar, then what a choice of design can be made by."""
    rounds, seconds = (5, 0.4) if quick else (9, 1.0)
    with one_cpu():
        yield from _saturated("one CPU", rounds, seconds, 0.5)
    yield from _saturated("any CPU", 3 if quick else rounds, seconds, None)
    yield from _paced(2 if quick else 4, 1.5 if quick else 5.0)


def _saturated(where: str, rounds: int, seconds: float, bar: float | None) -> Iterator[Line]:
    runs = [(saturated(ours, seconds), executor(seconds), saturated(prototype, seconds)) for _ in range(rounds)]
    mine, theirs, led = map(list, zip(*runs))
    yield median_ratio("dispatch", f"{where}, against ThreadPoolExecutor.submit", mine, theirs, bar, "us CPU")
    yield median_ratio("dispatch", f"{where}, leader/followers against it", led, theirs, None, "us CPU")


def _paced(rounds: int, seconds: float) -> Iterator[Line]:
    dispatchers = {"heap and queue": ours, "leader/followers": prototype}
    seen: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in dispatchers}
    for _, (name, dispatcher) in itertools.product(range(rounds), dispatchers.items()):
        seen[name].append(paced(dispatcher, seconds))
    for name, runs in seen.items():
        lags = [lag for _, some in runs for lag in some]
        note = f"lag p50 {percentile(lags, 0.5):.3f} ms, p99 {percentile(lags, 0.99):.3f} ms, {len(lags)} runs"
        cpu = statistics.median(cpu for cpu, _ in runs)
        yield Line("dispatch", f"200 runs/s, {name}", cpu, "us CPU", note=note)


if __name__ == "__main__":
    measuring(measure)
