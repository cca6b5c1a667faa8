"""What the command line shows: a table that is redrawn in place, lines of text, lines of JSON.

All of it is made from results and snapshots. What came from a target is shown without control characters.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TextIO

from .model import Change, Result, result_view, span, stamp, transported, validity
from .serve.exposition import to_json
from .text import short

Snapshot = Mapping[str, Any]

MARKS = {
    "up": ("●", "+", "32"),
    "degraded": ("◐", "~", "33"),
    "down": ("✗", "x", "31"),
    "unknown": ("?", "?", "2"),
    "paused": ("‖", "=", "2"),
    "pass": ("✓", "+", "32"),
    "warn": ("!", "!", "33"),
    "fail": ("✗", "x", "31"),
    "healthy": ("●", "+", "32"),
    "unhealthy": ("✗", "x", "31"),
}
"""For each word of a status or outcome: its sign, its sign in ASCII, its colour (SGR)."""

ORDER = ("up", "degraded", "down", "unknown", "paused")
"""The order in which checks are counted."""

PLENTY = 1000
"""Columns that lines have which are not for a terminal."""


class Output:
    """Text for a stream that may be narrow, closed, absent, or unable to write some characters."""

    def __init__(self, stream: TextIO | None, environ: Mapping[str, str]) -> None:
        self._stream, self._environ = stream, environ
        self.terminal = _is_terminal(stream, environ)
        self._colours = self.terminal and not environ.get("NO_COLOR")
        self._ascii = not _can_write("●◐✗‖✓…", stream)

    def line(self, text: str = "") -> None:
        """Write a line. Raises OSError when that fails, BrokenPipeError when nobody reads any more."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Write it at once. What the stream's encoding does not have becomes a question mark."""
        if self._stream is None:
            return
        try:
            self._stream.write(text)
        except UnicodeEncodeError as error:
            self._stream.write(text.encode(error.encoding, "replace").decode(error.encoding))
        self._stream.flush()

    @property
    def width(self) -> int:
        """Columns of a line: what COLUMNS says, or the terminal."""
        return max(20, self._told("COLUMNS") or (self._size().columns or 80 if self.terminal else PLENTY))

    @property
    def height(self) -> int:
        """Lines of the terminal."""
        return max(4, self._told("LINES") or self._size().lines or 24)

    def _told(self, variable: str) -> int:
        value = self._environ.get(variable, "")
        return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0

    def _size(self) -> os.terminal_size:
        try:
            return os.get_terminal_size(self._stream.fileno() if self._stream else -1)
        except (OSError, ValueError):
            return os.terminal_size((0, 0))

    def coloured(self, text: str, colour: str) -> str:
        """The text in a colour, on a terminal whose user has nothing against it."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text

    def marked(self, word: str, width: int = 0) -> str:
        """A word with its sign, in its colour, padded."""
        sign, plain, colour = MARKS.get(word, ("?", "?", "2"))
        return self.coloured(f"{plain if self._ascii else sign} {word}".ljust(width), colour)


def _is_terminal(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    if stream is None or not stream.isatty() or environ.get("TERM") == "dumb":
        return False
    return os.name != "nt" or "WT_SESSION" in environ  # older consoles print escape sequences as they are


def _can_write(text: str, stream: TextIO | None) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True


# --- text


def columns(text: str) -> int:
    """The columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)


def fit(text: str, width: int) -> str:
    """The text in one line of exactly so many columns: cut, or padded with blanks."""
    text = short(text, 4 * PLENTY)
    if columns(text) > width:
        text = _cut(text, width - 1) + "…" if width > 0 else ""
    return text + " " * (width - columns(text))


def _cut(text: str, width: int) -> str:
    """The beginning of the text, as much as there is room for."""
    for end, char in enumerate(text):
        width -= columns(char)
        if width < 0:
            return text[:end]
    return text


def epoch(instant: str) -> float:
    """What `registry.stamp` made, as seconds since the epoch."""
    return datetime.fromisoformat(instant.replace("Z", "+00:00")).timestamp()


# --- results


def result_line(result: Result, name: str, width: int, output: Output) -> str:
    """One result for people: outcome, name (so many columns at most), status code, seconds, what is wrong."""
    code = "-" if result.status_code is None else str(result.status_code)
    facts = f"{fit(name, min(width, output.width // 2))}  {code:>3}  {result.elapsed:7.3f} s"
    detail = result.detail or result.reason
    room = output.width - len("x pass") - columns(facts) - 4
    told = f"{output.marked(result.outcome.value, 6)}  {facts}"
    return f"{told}  {fit(detail, room).rstrip()}" if detail and room > 0 else told


def how_it_came(result: Result) -> Iterator[str]:
    """The way of one result in lines: seconds by phase, and the certificate."""
    transport = result.transport or {}
    if transport.get("address"):
        times = "  ".join(f"{phase} {seconds * 1000:.1f}" for phase, seconds in (result.phases or {}).items())
        number = transport["redirects"]
        hops = f", {number} redirect{'s' * (number > 1)}" if number else ""
        yield f"        ms: {times}  ({transport['address']}, {transport['bytes']} bytes{hops})"
    facts = transport.get("certificate")
    if facts:
        trusted = "verified" if facts["verified"] else "not verified"
        who = ", ".join(facts["names"][:3]) or facts["subject"]
        yield f"        {transport.get('tls', 'TLS')}: {who}, {trusted}; {validity(facts)}"


def result_json(result: Result, name: str) -> str:
    """One result for machines, as `/status` has it."""
    seen = {"check": name, **transported(result_view(result), result)}
    return to_json(seen).decode("ascii")


# --- views of a running monitor: each is given snapshots every `pause` seconds, None for never


class Quiet:
    """Shows nothing: something else does."""

    pause: float | None = None

    def __init__(self, output: Output) -> None:
        self.output = output

    def update(self, snapshot: Snapshot, now: float) -> None:
        """Show what is new. `now` is the wall clock's time."""

    def close(self, snapshot: Snapshot, now: float) -> None:
        """Show what remains to be shown."""


class ChangeLines(Quiet):
    """A line for each change of a status, and the table at the end."""

    def __init__(self, output: Output, broken: Callable[[OSError], None]) -> None:
        super().__init__(output)
        self._broken = broken

    def tell(self, change: Change) -> None:
        """To be a Monitor's `on_change`. When that fails, `broken` is told."""
        before, after, result = change.before.status.value, change.after.status.value, change.result
        status = f"{self.output.marked(after, 10)}  from {before:<8}"
        told = f"{stamp(result.when)}  {status}  {change.name}  {result.detail}"
        try:
            self.output.line(fit(told, self.output.width).rstrip())
        except OSError as error:
            self._broken(error)

    def close(self, snapshot: Snapshot, now: float) -> None:
        """The table, as it is at last."""
        self.output.line("\n" + "\n".join(table(snapshot, now, self.output)))


class LiveTable(Quiet):
    """The table, redrawn in place when it has changed."""

    pause = 0.5

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._drawn: list[str] = []

    def update(self, snapshot: Snapshot, now: float) -> None:
        """Draw it over what was drawn before."""
        lines = list(table(snapshot, now, self.output))
        most = self.output.height - 1
        if len(lines) > most:
            lines = [*lines[: most - 1], fit(f"… {len(lines) - most + 1} more", self.output.width).rstrip()]
        if lines != self._drawn:
            up = f"\x1b[{len(self._drawn)}A" if self._drawn else ""
            self.output.write(up + "".join(f"\r{line}\x1b[K\n" for line in lines) + "\x1b[J")
            self._drawn = lines

    close = update


def table(snapshot: Snapshot, now: float, output: Output) -> Iterator[str]:
    """The lines of the table: the whole in a word and in numbers, a head, a line for each check."""
    width, overall, checks = output.width, snapshot["overall"], snapshot["checks"]
    counts = ", ".join(f"{snapshot['counts'][word]} {word}" for word in ORDER if snapshot["counts"].get(word))
    for_name = min(max([4, *map(columns, checks)]), max(8, width // 4))
    yield f"{output.marked(overall)}  {fit(counts, width - len(overall) - 4)}".rstrip()
    yield ""
    for_last = max((len(check["last"]["outcome"]) for check in checks.values() if check["last"]), default=4) + 10
    head = _row(width, for_name, "NAME", f"{'STATUS':<10}", "SINCE", f"{'LAST':<{for_last}}", "DETAIL")
    yield output.coloured(head, "2")
    for name, check in checks.items():
        status = output.marked("paused" if check["paused"] else check["status"], 10)
        since = span(now - epoch(check["since"]))
        last = check["last"]
        seen = f"{last['outcome']:<{for_last - 10}} {last['elapsed_s']:7.3f} s" if last else f"{'-':<{for_last}}"
        yield _row(width, for_name, name, status, since, seen, check.get("explanation", ""))


def _row(width: int, for_name: int, name: str, status: str, since: str, last: str, detail: str) -> str:
    """As many of its cells as there is room for. A status takes ten columns, whatever its length is."""
    row, used = f"{fit(name, for_name)}  {status}", for_name + 12
    for cell in (f"{since:>6}", last):
        used += 2 + len(cell)
        if used > width:
            return row
        row = f"{row}  {cell}"
    room = width - used - 2
    return f"{row}  {fit(detail, room)}".rstrip() if room > 6 else row.rstrip()
