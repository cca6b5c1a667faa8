"""Memory of a bare timetable entry, and of a whole check with all of its history."""

from __future__ import annotations

import copy
import gc
import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from lines import Line, measuring

from minimon import Check, Monitor, Outcome, Result
from minimon.books import Entry
from minimon.history import FAILURES, RECENT, History
from minimon.model import result_view
from minimon.timetable import Timetable
from minimon.views import check_view, glimpse


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


def result(check: Check, turn: int, ok: bool, at: float, took: float) -> Result:
    """A Result as a poll makes it: nothing in it is shared but the name."""
    if ok:
        return Result(check.name, Outcome.PASS, "", "", 1.7e9 + at, took, None, 200, at)
    detail = f"status_code: expected 2xx, got 503 Service Unavailable, {turn:06} of host {check.name}".ljust(80, ".")
    return Result(check.name, Outcome.FAIL, "status", detail, 1.7e9 + at, took, None, 503, at)


def year(days: float, every: float) -> History:
    """The history of a check that was polled so long: most runs pass, some fail by themselves, some for a time."""
    chance, ahead = random.Random(3), 1.7e9
    check = Check("check-000000", "https://search.internal/ping")
    history, down_until = History(check, ahead, ahead, 1e9), 0.0
    for turn in range(int(days * 86_400 / every)):
        now = turn * every
        if chance.random() < every / 40_000:
            down_until = now + chance.expovariate(1 / 300)
        ok = now >= down_until and chance.random() > 0.002
        found = result(check, turn, ok, now, chance.lognormvariate(-3.0, 0.5))
        history.record(found, result_view(found), now + found.elapsed + ahead, ahead)
    for turn in range(2 * FAILURES, 0, -1):  # so that both rings are as full as can be
        found = result(check, turn, False, now + 60 - turn, 0.1)
        history.record(found, result_view(found), now + 60 - turn + ahead, ahead)
    for turn in range(RECENT):
        found = result(check, turn, True, now + 61 + turn, 0.1)
        history.record(found, result_view(found), now + 61 + turn + ahead, ahead)
    return history


def shown(histories: list[History]) -> list[History]:
    """The same, with what snapshots keep of them."""
    for history in histories:
        history.view = check_view(glimpse(history), 0.0)
    return histories


def monitor(names: list[str]) -> Monitor:
    """A Monitor of HTTP checks that never ran."""
    return Monitor([Check(name, f"https://{name}.internal/ping", every=15) for name in names])


def measure(quick: bool) -> Iterator[Line]:
    """The two bars; then what else a check takes."""
    number = 2000
    names = [f"check-{n:06}" for n in range(number * 10)]
    yield Line("memory", "bare timetable entry", kib_each(lambda: entries(names), len(names)), "KiB", 0.5)
    kib_each(lambda: monitor(names[:10]), 10)  # what is imported and cached at the first one
    made = kib_each(lambda: monitor(names[:number]), number)
    yield Line("memory", "an HTTP check made ready, before its first run", made, "KiB")
    days, every = (30.0, 60.0) if quick else (365.0, 20.0)
    old, half = year(days, every), year(days / 2, every)
    number = 200

    def copies(history: History) -> list[History]:
        return [copy.deepcopy(history, {id(history.check): history.check}) for _ in range(number)]

    def whole(history: History) -> float:
        return (
            made
            - kib_each(lambda: [fresh(history.check) for _ in range(number)], number)
            + kib_each(lambda: copies(history), number)
        )

    what = f"a whole check, after {days:.0f} simulated days"
    yield Line("memory", what, whole(old), "KiB", 24, f"after half of the time {whole(half):.2f}: flat")
    with_view = whole(old) + kib_each(lambda: shown(copies(old)), number) - kib_each(lambda: copies(old), number)
    yield Line("memory", "the same, with what a snapshot keeps of it", with_view, "KiB")


def fresh(check: Check) -> History:
    """The history of a check that never ran."""
    return History(check, 0.0, 0.0, 0.0)


if __name__ == "__main__":
    measuring(measure)
