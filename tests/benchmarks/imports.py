"""What `import minimon` costs, against `import requests`: time, memory, and the modules it pulls in."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from typing import Any

from fresh import output, said
from lines import Line, measuring, median_ratio, skip

HEAVY = ("ssl", "asyncio", "sqlite3", "subprocess", "concurrent.futures")

PROGRAM = """
import os, sys, time
def resident():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    except OSError:
        return 0
memory, cpu, wall = resident(), time.process_time(), time.perf_counter()
{code}
wall, cpu, memory = time.perf_counter() - wall, time.process_time() - cpu, resident() - memory
import json
heavy = [name for name in {heavy} if name in sys.modules]
print(json.dumps(dict(wall=wall * 1e3, cpu=cpu * 1e3, memory=memory, heavy=heavy, modules=len(sys.modules))))
"""

PEER = "import requests"
OURS = {
    "import minimon": "import minimon",
    "the three names": "from minimon import Check, HealthCheckServer, Monitor",
}


def measured(code: str) -> dict[str, Any]:
    """One import in a fresh interpreter: milliseconds, KiB, modules."""
    (figures,) = said(output(sys.executable, "-c", PROGRAM.format(code=code, heavy=HEAVY), timeout=30))
    return dict(figures)


def compare(what: str, ours: list[dict[str, Any]], peer: list[dict[str, Any]]) -> Iterator[Line]:
    """Time by the wall, by the CPU, and memory; then what must not be there."""
    for key, unit in (("wall", "ms"), ("cpu", "ms CPU"), ("memory", "KiB")):
        mine, others = ([run[key] for run in some] for some in (ours, peer))
        if statistics.median(others) > 0:
            bar = 0.25 if what == "import minimon" else None  # the names are told beside it
            yield median_ratio("import", f"{what}, {key}", mine, others, bar, unit)
    heavy = sorted({name for run in ours for name in run["heavy"]})
    note = ", ".join(heavy) or f"{ours[0]['modules']} modules in all"
    yield Line("import", f"{what}, of the five modules", len(heavy), "", 0, note)


def measure(quick: bool) -> Iterator[Line]:
    """Interleaved, in fresh interpreters, with the bytecode cached."""
    codes = [PEER, *OURS.values()]
    try:
        for code in codes:
            measured(code)
    except RuntimeError:
        yield skip("import", "needs requests")
        return
    runs = [[measured(code) for code in codes] for _ in range(9 if quick else 21)]
    peer, *ours = map(list, zip(*runs))
    for what, some in zip(OURS, ours):
        yield from compare(what, some, peer)


if __name__ == "__main__":
    measuring(measure)
