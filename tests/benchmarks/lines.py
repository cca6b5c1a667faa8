"""What a benchmark says: lines of a name, a number and the bar that it must not exceed."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """One line of the table. Without a bar it is there for information."""

    row: str
    what: str
    measured: float | None = None
    unit: str = "x"
    bar: float | None = None
    note: str = ""
    skipped: bool = False

    @property
    def verdict(self) -> str:
        """ok, MISSED, info or skipped."""
        if self.skipped:
            return "skipped"
        if self.bar is None:
            return "info"
        return "ok" if self.measured is not None and self.measured <= self.bar else "MISSED"


def skip(row: str, why: str) -> Line:
    """A row that cannot be measured here."""
    return Line(row, "", note=f"skipped: {why}", skipped=True)


def failed(row: str, why: str) -> Line:
    """A row whose benchmark broke: as bad as a bar that was missed."""
    return Line(row, "failed", bar=0.0, note=why)


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile; NaN of nothing, which misses every bar."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def short(value: float) -> str:
    """A number with three digits that count, and no exponent where it is large."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """How far the repetitions lie apart."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f} in {len(values)}"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Each of ours against the peer's that was measured next to it."""
    return [a / b for a, b in zip(ours, theirs)]


def median_ratio(
    row: str, what: str, ours: Sequence[float], theirs: Sequence[float], bar: float | None, unit: str
) -> Line:
    """The line of a comparison; `unit` says what both medians were measured in."""
    found = ratios(ours, theirs)
    note = f"{short(statistics.median(ours))} / {short(statistics.median(theirs))} {unit}; ratio {spread(found)}"
    return Line(row, what, statistics.median(found), "x", bar, note)


def measuring(measure: Callable[[bool], Iterable[Line]]) -> None:
    """The main program of a row: each line as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    for line in measure(parser.parse_args().quick):
        json.dump(line._asdict(), sys.stdout)
        print(flush=True)


def table(lines: Sequence[Line]) -> str:
    """The lines as text in columns."""
    rows = [("row", "what", "measured", "bar", "", "note"), *map(_cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[5]]).rstrip() for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.row,
        line.what,
        "" if line.measured is None else _number(line.measured, line.unit),
        "" if line.bar is None or line.measured is None else f"<= {line.bar:g} {line.unit}".rstrip(),
        line.verdict,
        line.note,
    )


def _number(value: float, unit: str) -> str:
    return f"{short(value)} {unit}".rstrip()
