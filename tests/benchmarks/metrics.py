"""/metrics and /status of many checks: against prometheus_client and json, and how long no other thread could run."""

from __future__ import annotations

import gc
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from lines import Line, measuring, median_ratio, skip, spread

from minimon import Check, Outcome, Result
from minimon.model import result_view
from minimon.registry import Registry
from minimon.serve.exposition import tagged_json
from minimon.serve.metrics import metrics
from minimon.serve.page import page
from minimon.testing import FakeClock

CHECKS = 10_000
POLLS = 40
TICK = 0.001
PHASES = {"dns": 0.02, "connect": 0.1, "tls": 0.3, "first_byte": 0.5, "transfer": 0.08}
"""Shares of a run."""
CERTIFICATE = {"not_after": "2027-01-31T12:00:00.000Z", "chain_not_after": "2026-12-31T12:00:00.000Z"}


def snapshot(number: int) -> dict[str, Any]:
    """Of so many HTTPS checks with a group and two tags, polled for some hours, as a Monitor tells it."""
    clock, chance = FakeClock(0.0, 1.7e9), random.Random(11)
    registry = Registry(clock)
    checks = [
        Check(
            f"shop-{n:05}.internal /search",
            f"https://shop-{n:05}.internal/search",
            group=f"shop {n % 20}",
            tags={"team": f"team {n % 7}", "data-center": f"dc{n % 3}"},
        )
        for n in range(number)
    ]
    for check in checks:
        registry.add(check, 1e9)
    for _ in range(POLLS):
        clock.advance(600.0)
        for check in checks:
            registry.record(check, found := polled(check.name, clock, chance), 1e9, result_view(found))
    figures = dict.fromkeys(("workers", "busy", "stuck", "queue", "missed", "late", "clock_jumps", "dropped"), 3)
    figures.update(callback_errors=0)
    more: dict[str, Any] = {"lag_s": 0.25, "suspended_s": 0.0, "lost": "", "state_file": None}
    service = {"name": "minimon", "started_at": "2026-11-21T08:30:00.123Z"}
    return {"schema": 1, "service": service, **registry.snapshot(), "self": {**figures, **more}}


def polled(name: str, clock: FakeClock, chance: random.Random) -> Result:
    """One run; one of fifty fails, for one of two reasons."""
    took, luck = chance.lognormvariate(-3.0, 0.5), chance.random()
    outcome, reason = (Outcome.PASS, "") if luck > 0.02 else (Outcome.FAIL, "timeout" if luck > 0.01 else "status")
    phases = {phase: took * share for phase, share in PHASES.items()}
    transport = {"address": "10.0.0.1:443", "certificate": CERTIFICATE}
    now = clock.monotonic()
    return Result(name, outcome, reason, "", clock.time(), took, {**phases, "total": took}, 200, now, transport)


def theirs(text: str) -> Callable[[], object]:
    """generate_latest of the same samples: they are all made beforehand, and only written here."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.parser import text_string_to_metric_families

    families = list(text_string_to_metric_families(text))

    class Made:
        def collect(self) -> list[Any]:
            return families

    registry: Any = CollectorRegistry()
    registry.register(Made())
    return lambda: generate_latest(registry)


def ms_cpu(run: Callable[[], object]) -> float:
    """Milliseconds of CPU of one of them."""
    start = time.thread_time()
    run()
    return 1e3 * (time.thread_time() - start)


class Ticker:
    """A thread that sleeps for a millisecond, again and again; `longest` is the longest time between two ticks."""

    def __init__(self) -> None:
        self.longest, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def _tick(self) -> None:
        last = time.perf_counter()
        while not self._over.is_set():
            time.sleep(TICK)
            now = time.perf_counter()
            self.longest, last = max(self.longest, now - last), now

    def over(self, run: Callable[[], object]) -> float:
        """The longest gap, in milliseconds, while something runs."""
        self._thread.start()
        run()
        self._over.set()
        self._thread.join()
        return 1e3 * self.longest


def gaps(run: Callable[[], object], rounds: int) -> list[float]:
    """Of each round; a fresh thread for each."""
    return [Ticker().over(run) for _ in range(rounds)]


def measure(quick: bool) -> Iterator[Line]:
    """The two bars, and what else is of interest."""
    number, rounds = (CHECKS // 5, 3) if quick else (CHECKS, 7)
    document = snapshot(number)
    gc.collect()
    body, _ = metrics(document)

    def ours() -> object:
        return metrics(document)

    idle = gaps(lambda: time.sleep(0.3), rounds)
    held = gaps(ours, 3 * rounds)
    note = f"{spread(held, 1)}; without it {spread(idle, 1)}"
    yield Line("metrics", f"{number} checks: no other thread could run for", max(held), "ms", 20, note)
    samples = sum(not line.startswith(b"#") for line in body.splitlines())
    yield Line("metrics", f"its {samples} samples", len(body) / 1e6, "MB")
    yield from status(document, rounds)
    try:
        peer = theirs(body.decode())
    except ImportError:
        yield skip("metrics", "needs prometheus_client")
        return
    gc.collect()
    gc.freeze()
    runs = [(ms_cpu(ours), ms_cpu(peer)) for _ in range(rounds)]
    mine, others = map(list, zip(*runs))
    yield median_ratio("metrics", "against prometheus_client, the same samples", mine, others, 0.1, "ms CPU")
    openmetrics = [ms_cpu(lambda: metrics(document, "application/openmetrics-text")) for _ in range(rounds)]
    yield Line("metrics", "as OpenMetrics", statistics.median(openmetrics), "ms CPU")


def status(document: dict[str, Any], rounds: int) -> Iterator[Line]:
    """The document of /status with its tag, against json.dumps of the same; and the page of the same."""
    assert json.loads(tagged_json(document)[0]) == json.loads(json.dumps(document))
    gc.collect()
    gc.freeze()
    pairs = [
        (ms_cpu(lambda: tagged_json(document)), ms_cpu(lambda: json.dumps(document).encode())) for _ in range(rounds)
    ]
    mine, others = map(list, zip(*pairs))
    yield median_ratio("metrics", "/status, against json.dumps", mine, others, 1.0, "ms CPU")
    for what, run in (("/status", lambda: tagged_json(document)), ("the page", lambda: page(document, nonce="x"))):
        held = gaps(run, 2 * rounds)
        note = f"{spread(held, 1)}; {len(tagged_json(document)[0]) / 1e6:.1f} MB of JSON"
        yield Line("metrics", f"{what}: no other thread could run for", max(held), "ms", 20, note)


if __name__ == "__main__":
    measuring(measure)
