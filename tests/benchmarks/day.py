"""A scripted day on a clock that is moved by hand: verdicts against what happened, see tests/day.py."""

from __future__ import annotations

import pathlib
import statistics
import sys
from collections.abc import Iterator

from lines import Line, measuring, percentile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from day import FALL, RETRY, TIMEOUT, Day, score


def measure(quick: bool) -> Iterator[Line]:
    """All bars of the verdicts; the uptime errors are of every check at every full hour."""
    found = score(Day(seed=1, checks=5, seconds=7200.0 if quick else 86_400.0).run())
    note = f"{found.incidents} incidents, {found.outages} of them outages to be seen"
    yield Line("day", "false downs", len(found.false_downs), "", 0, note)
    yield Line("day", "missed outages longer than fall x interval", len(found.missed), "", 0)
    refused = [seconds for kind, seconds in found.detection if kind in ("refused", "restart")]
    every = [seconds for _, seconds in found.detection]
    for what, seconds, pause in (
        ("detection, from the end of the first failed run, p95", every, RETRY + TIMEOUT),
        ("the same where the target refuses", refused, RETRY),
    ):
        middle = f"median {statistics.median(seconds):.2f} of {len(seconds)}"
        yield Line("day", what, percentile(seconds, 0.95), "s", (FALL - 1) * pause + 0.2, middle)
    yield Line("day", "recovery, from the end of the outage, p95", percentile(found.recovery, 0.95), "s")
    for window, errors in found.errors.items():
        middle = f"median {statistics.median(errors):.2%}, of {len(errors)}"
        yield Line("day", f"uptime error, {window}, the most", 100 * max(errors), "%", 0.1, middle)


if __name__ == "__main__":
    measuring(measure)
