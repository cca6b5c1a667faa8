"""What a program has written: the last of it is kept, and lines are looked for that somebody waits for."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Container, Sequence

from .sinks import Buffer, FileSink

RING = 65536
"""Bytes of a process' output that are kept."""
LONGEST = 8192
"""Bytes of a line; a longer one is cut there into several."""
END = re.compile(r"\$|\\Z")
"""What stands in a pattern that asks for the end of a line."""
_COLOURS = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")
_UNSHOWN = re.compile(
    "[^\\n\\t -~\xa1-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\U0010ffff]"  # nor what turns a line around
)


def readable(data: bytes) -> str:
    """Output as people read it: no colours, no control characters, no line longer than LONGEST."""
    text = _COLOURS.sub("", data.decode("utf-8", "replace").replace("\r\n", "\n"))
    lines = _UNSHOWN.sub(_escaped, text).split("\n")
    if max(map(len, lines)) > LONGEST:
        lines = [line[at : at + LONGEST] for line in lines for at in range(0, len(line) or 1, LONGEST)]
    return "\n".join(lines)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


class Journal:
    """What one program has written, in all of its runs. The pump adds to it; any thread may read it."""

    def __init__(self, keeps: bool = True, sink: FileSink | None = None) -> None:
        self.keeps, self.sink = keeps, sink
        # Guards what follows. A leaf.
        self._lock = threading.Lock()
        self._kept = bytearray()
        self.total = self.runs = 0
        self._begun = 0  # the total at the last launch
        self._watched: list[tuple[re.Pattern[str], Callable[[], None]]] = []
        self._lines: dict[int, bytes] = {}  # what has no end yet, by pipe

    def begin(self, watched: Sequence[tuple[re.Pattern[str], Callable[[], None]]]) -> None:
        """A new run: call each function once, on the pump's thread, when a line has been written that fits."""
        with self._lock:
            self.runs += 1
            self._watched, self._lines, self._begun = list(watched), {}, self.total

    def watch_only(self, patterns: Container[str]) -> None:
        """What else was looked for in this run does not matter any more."""
        with self._lock:
            self._watched = [each for each in self._watched if each[0].pattern in patterns]

    def add(self, data: Buffer, run: int | None = None, pipe: int = 0) -> None:
        """Called by the pump; the data is another one afterwards. What an earlier run has left is not looked at."""
        met = []
        with self._lock:
            self.total += len(data)
            if self.keeps:
                self._kept += data[-RING:]
                if len(self._kept) > 2 * RING:
                    del self._kept[:-RING]
            if self._watched and run in (None, self.runs):
                met = self._fitting(data, pipe)
        if self.sink is not None:
            self.sink.write(data)
        for call in met:
            call()

    def _fitting(self, data: Buffer, pipe: int) -> list[Callable[[], None]]:
        """The functions whose time has come. A line need not be complete, for a prompt never is; but where a pattern
        asks for its end it has to be.
        """
        whole = self._lines.get(pipe, b"") + data
        self._lines[pipe] = whole.rpartition(b"\n")[2][-LONGEST:]
        *lines, last = readable(whole).split("\n")
        met = []
        for each in self._watched:
            looked = lines if END.search(each[0].pattern) else [*lines, last]
            if any(each[0].search(line) for line in looked):
                met.append(each)
        self._watched = [each for each in self._watched if each not in met]
        return [call for _, call in met]

    def tail(self, lines: int = 20, this_run: bool = False) -> list[str]:
        """The last lines, as people read them; of what is kept."""
        with self._lock:
            size = min(RING, self.total - self._begun) if this_run else RING
            data = bytes(self._kept[-size:]) if size > 0 else b""
            cut = self.total > len(data) and not (this_run and size < RING)
        first = _begin_of_last(data, lines)
        listed = readable(data[first:]).split("\n")
        if listed and not listed[-1]:
            listed.pop()
        if cut and not first and len(listed) > 1:  # the first is the end of a line
            del listed[0]
        return listed[-lines:] if lines > 0 else []

    @property
    def dropped(self) -> int:
        """Bytes that could not be written into its file."""
        return 0 if self.sink is None else self.sink.dropped

    def close(self) -> None:
        """Its file, until something is written again."""
        if self.sink is not None:
            self.sink.close()

    def after_fork(self) -> None:
        """In the child: a fresh lock, no file."""
        self._lock = threading.Lock()
        if self.sink is not None:
            self.sink.after_fork()


def _begin_of_last(data: bytes, lines: int) -> int:
    """Where so many lines, and the one that may not be complete, begin; 0 where there are no more."""
    at = len(data)
    for _ in range(max(0, lines) + 1):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            break
    return at + 1
