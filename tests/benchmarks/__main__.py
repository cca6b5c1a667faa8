"""The benchmarks: `python tests/benchmarks` measures every row, prints one table, and ends with 1 if a bar is missed.

What minimon is compared with is installed into a temporary folder, which is removed afterwards; without a network
the rows that need it are skipped. Each row runs in a process of its own: `python tests/benchmarks/NAME.py`, with
this checkout on PYTHONPATH. A busy machine makes lag, and everything by the wall, look worse than it is.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import fresh
import peers
from lines import Line, skip, table

ROWS = {
    "dispatch": "dispatch",
    "memory": "memory",
    "lag": "lag",
    "wakeups": "wakeups",
    "fetch": "fetch",
    "polling": "polling",
    "hostile": "hostile",
    "host": "host",
    "record": "record",
    "import": "imports",
    "embedding": "embedding",
    "exit": "exits",
    "snapshot": "snapshot",
    "metrics": "metrics",
    "serving": "serving",
    "api": "api",
    "abuse": "abuse",
    "jsonpath": "queries",
    "vitals": "vitals",
    "guests": "guests",
    "processes": "processes",
    "day": "day",
    "blackhole": "blackhole",
}
"""Each row's name, and its file. The longest is the last."""
WITH_PEERS = ("fetch", "polling", "hostile", "host", "record", "import", "metrics", "jsonpath", "abuse")
LONGEST = 900.0
"""Seconds for a row; the longest one needs 600."""


def chosen() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=sorted(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="short forms, under three minutes in all")
    parser.add_argument("--json", action="store_true", help="the lines as JSON")
    return parser.parse_args()


def measure(rows: list[str], quick: bool) -> Iterator[Line]:
    """All lines, row by row."""
    with tempfile.TemporaryDirectory(prefix="minimon-benchmarks-") as folder:
        python, why_not = sys.executable, ""
        if any(row in WITH_PEERS for row in rows):
            print("peers ...", file=sys.stderr, flush=True)
            try:
                python = peers.make(folder)
            except peers.NoPeersError as error:
                why_not = str(error)
        for row in rows:
            if row in WITH_PEERS and why_not:
                yield skip(row, why_not)
            else:
                yield from _row(row, quick, python if row in WITH_PEERS else sys.executable)


def _row(row: str, quick: bool, python: str) -> list[Line]:
    print(f"{row} ...", file=sys.stderr, flush=True)
    start = time.monotonic()
    found = fresh.row(ROWS[row], quick, python, LONGEST)
    print(f"{row} took {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {"python": platform.python_version(), "cpus": os.cpu_count(), "load": round(load, 2)}


def main() -> int:
    """The table, and whether all bars hold."""
    options = chosen()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that what runs is ended, too
    before = machine()
    lines = list(measure([row for row in ROWS if row in (options.only or ROWS)], options.quick))
    if options.json:
        print(
            json.dumps({**before, "lines": [{**line._asdict(), "verdict": line.verdict} for line in lines]}, indent=1)
        )
    else:
        load = f"load {before['load']} before and {machine()['load']} after"
        print(f"Python {before['python']}, {before['cpus']} CPUs, {load}")
        print(table(lines))
    return int(any(line.verdict == "MISSED" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
