"""A record with fold, histogram and uptime, against what prometheus_client needs for gauge, counter and histogram."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from lines import Line, measuring, median_ratio, skip

from minimon import Check, Outcome, Result
from minimon.clock import SystemClock
from minimon.model import result_view
from minimon.registry import Registry

CHECKS = 100
ROUNDS = 200
FAILING = 0.05

Operations = Callable[[], None]


def results(failing: float) -> list[tuple[Check, Result]]:
    """Polls in the order of their end, some failed."""
    chance = random.Random(7)
    checks = [Check(f"check {number}", "http://search.internal/") for number in range(CHECKS)]
    return [
        (check, _polled(check.name, turn, chance.lognormvariate(-3.0, 0.5), chance.random() < failing))
        for turn in range(ROUNDS)
        for check in checks
    ]


def _polled(name: str, turn: int, took: float, fails: bool) -> Result:
    if not fails:
        return Result(name, Outcome.PASS, "", "", 1.7e9 + turn, took, None, 200, float(turn))
    detail = "status_code: expected 2xx, got 503 Service Unavailable"
    return Result(name, Outcome.FAIL, "status", detail, 1.7e9 + turn, took, None, 503, float(turn))


def ours(polls: list[tuple[Check, Result]]) -> Operations:
    """Registry.record, as the poller calls it: with what is shown of the result, which it has made outside of the lock.

    A result is taken once, so each round has a registry of its own.
    """
    calls = [(check, result, result_view(result)) for check, result in polls]

    def run() -> None:
        registry = Registry(SystemClock())
        for check in {check: None for check, _ in polls[:CHECKS]}:
            registry.add(check, 1e9)
        record = registry.record
        for check, result, view in calls:
            record(check, result, 1e9, view)

    return run


def shown(polls: list[tuple[Check, Result]]) -> Operations:
    """Making what is shown of a result."""

    def run() -> None:
        for _, result in polls:
            result_view(result)

    return run


def theirs(polls: list[tuple[Check, Result]]) -> Operations:
    """The three metrics that say the same of a poll, without history; their labels looked up beforehand."""
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry: Any = CollectorRegistry()
    up = Gauge("up", "whether the last poll passed", ["check"], registry=registry)
    runs = Counter("runs", "polls", ["check", "outcome"], registry=registry)
    took = Histogram("took_seconds", "of a poll", ["check"], registry=registry)
    steps = [
        (up.labels(check.name).set, float(result.ok), runs.labels(check.name, result.outcome.value).inc,
         took.labels(check.name).observe, result.elapsed)
        for check, result in polls
    ]  # fmt: skip

    def run() -> None:
        for set_up, ok, count, observe, elapsed in steps:
            set_up(ok)
            count()
            observe(elapsed)

    return run


def us_each(run: Operations, number: int) -> float:
    """Microseconds of CPU of one of them."""
    start = time.process_time()
    run()
    return (time.process_time() - start) / number * 1e6


def compare(what: str, failing: float, rounds: int) -> Line:
    """One line, interleaved."""
    polls = results(failing)
    sides = ours(polls), theirs(polls)
    for run in sides:
        run()
    runs = [[us_each(run, len(polls)) for run in sides] for _ in range(rounds)]
    mine, others = map(list, zip(*runs))
    return median_ratio("record", what, mine, others, 2.0, "us CPU")


def measure(quick: bool) -> Iterator[Line]:
    """Mostly passes, as it is on good days; then as it is on bad ones."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        yield skip("record", "needs prometheus_client")
        return
    rounds = 9 if quick else 31
    yield compare(f"against prometheus_client, {FAILING:.0%} failed", FAILING, rounds)
    bad = compare("the same, half of them failed", 0.5, rounds)
    yield bad._replace(bar=None)
    polls = results(FAILING)
    for what, run in (("record alone", ours(polls)), ("beside it: what is shown of the result", shown(polls))):
        yield Line("record", what, statistics.median(us_each(run, len(polls)) for _ in range(5)), "us CPU")


if __name__ == "__main__":
    measuring(measure)
