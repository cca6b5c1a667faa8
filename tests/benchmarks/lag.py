"""Lag at 50,000 checks and 200 runs a second: the monitor's whole chain, on callables that do nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from lines import Line, measuring, percentile
from watching import watch_runs

from minimon import Check, HealthCheckServer, Monitor

CHECKS = 50_000
EVERY = 250.0
MOST = 32


class Window(NamedTuple):
    """What was seen in some seconds; lags in milliseconds."""

    lags: list[float]
    cpu: float
    threads: int

    @property
    def middle(self) -> float:
        """p50"""
        return percentile(self.lags, 0.5)

    @property
    def late(self) -> float:
        """p99"""
        return percentile(self.lags, 0.99)

    def __str__(self) -> str:
        return f"{self.middle:.3f}/{self.late:.2f}/{max(self.lags, default=0):.1f}"


def nothing() -> None:
    """The target."""


def window(lags: list[float], seconds: float) -> Window:
    """Watch for so long."""
    lags.clear()
    cpu = time.process_time()
    threading.Event().wait(seconds)
    cpu = time.process_time() - cpu
    ours = sum(thread.name.startswith("minimon-") for thread in threading.enumerate())
    return Window(list(lags), cpu, ours)


def measure(quick: bool) -> Iterator[Line]:
    """The best of some windows: what else the machine does comes and goes."""
    lags: list[float] = []
    checks = [Check(f"check {number}", nothing, every=EVERY) for number in range(CHECKS)]
    monitor = Monitor(checks, max_workers=MOST, on_change=lambda change: None)
    with monitor, HealthCheckServer(port=0).serving(monitor):
        watch_runs(monitor, lambda name, due, lag: lags.append(lag * 1e3))
        window(lags, 2.0)
        windows = [window(lags, 4.0 if quick else 10.0) for _ in range(2 if quick else 3)]
    seen = "p50/p99/max ms of each window: " + ", ".join(map(str, windows))
    yield Line("lag", f"{CHECKS} checks, p50", min(w.middle for w in windows), "ms", 0.3, seen)
    yield Line("lag", f"{CHECKS} checks, p99", min(w.late for w in windows), "ms", 5)
    yield Line("lag", "threads", max(w.threads for w in windows), "", MOST + 3, "max_workers + 3")
    cost = min(w.cpu / len(w.lags) for w in windows if w.lags) * 1e6
    yield Line(
        "lag",
        "CPU of a run, the whole chain",
        cost,
        "us",
        note="each run is a first one, so each is a Change, and told",
    )


if __name__ == "__main__":
    measuring(measure)
