"""Memory of a bare timetable entry, and of the whole state of a check with its rings full."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from lines import Line, measuring

from minimon import Check, Monitor, Outcome, Result
from minimon.clock import SystemClock
from minimon.registry import FAILURES, RECENT, Registry
from minimon.scheduler import Entry
from minimon.timetable import Timetable

PHASES = ("dns", "connect", "tls", "send", "headers", "body")


def kib_each(build: Callable[[], Any], number: int) -> float:
    """KiB that each of `number` things takes that `build` makes, its result kept."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = build()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return (after - before) / number / 1024


def entries(names: list[str]) -> tuple[Timetable[Entry], list[Entry]]:
    """What the scheduler keeps of each check, armed. The name is the check's own."""
    timetable: Timetable[Entry] = Timetable()
    made = [Entry(name, 5.0, None) for name in names]
    for number, entry in enumerate(made):
        timetable.arm(entry, 1e6 + number / 7)
    return timetable, made


def result(check: Check, turn: int, ok: bool, phases: bool) -> Result:
    """A Result as a poll makes it: nothing in it is shared but the name."""
    took = 0.01 + turn / 997
    spans = {phase: took / number for number, phase in enumerate(PHASES, 3)} if phases else None
    if ok:
        return Result(check.name, Outcome.PASS, "", "", 1.7e9 + took, took, spans, 200)
    detail = f"status_code: expected 2xx, got 503 Service Unavailable, {turn:06} of host {check.name}".ljust(80, ".")
    return Result(check.name, Outcome.FAIL, "status", detail, 1.7e9 + took, took, spans, 503)


def states(checks: list[Check], failures: int, passes: int, phases: bool) -> Registry:
    """A registry in which each check has failed so often, and passed so often afterwards."""
    registry = Registry(SystemClock())
    turns = itertools.count()
    for check in checks:
        registry.add(check, 1e9)
        for ok in [False] * failures + [True] * passes + [False] * (not passes):
            registry.record(check, result(check, next(turns), ok, phases), 1e9 + next(turns) / 7)
    return registry


def monitor(names: list[str]) -> Monitor:
    """A Monitor of HTTP checks that never ran."""
    return Monitor([Check(name, f"https://{name}.internal/ping", every=15) for name in names])


def measure(quick: bool) -> Iterator[Line]:
    """The two bars; then what else a check takes."""
    number = 2000
    names = [f"check-{n:06}" for n in range(number * 10)]
    yield Line("memory", "bare timetable entry", kib_each(lambda: entries(names), len(names)), "KiB", 0.5)
    checks = [Check(name, "https://search.internal/ping") for name in names[:number]]

    def each(failures: int, passes: int, phases: bool = False) -> float:
        return kib_each(lambda: states(checks, failures, passes, phases), number)

    full = {"failures, then passes": each(FAILURES, RECENT), "failures only": each(2 * RECENT, 0)}
    note = "; ".join(f"{kind} {kib:.2f}" for kind, kib in full.items())
    what = f"whole state, ring of {RECENT}, {FAILURES} failures"
    yield Line("memory", what, max(full.values()), "KiB", 8, note)
    phased = max(each(FAILURES, RECENT, phases=True), each(2 * RECENT, 0, phases=True))
    yield Line("memory", "the same, with six phases", phased, "KiB", note="once a probe measures phases")
    kib_each(lambda: monitor(names[:10]), 10)  # what is imported and cached at the first one
    made = kib_each(lambda: monitor(names[:number]), number)
    yield Line("memory", "an HTTP check itself, made ready", made, "KiB", note="Check, conditions, request, entry")


if __name__ == "__main__":
    measuring(measure)
