"""Heartbeats: loops of the host that say that they live, and threads that have to. One that is missed turns `/livez`
to 503, by its name: an orchestrator restarts the process then.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import ConfigError
from ..model import View
from ..text import short

MOST = 1000
"""Heartbeats and threads of one monitor, at most."""
DEEPEST = 20
"""Calls of a stuck thread that are shown, the innermost."""


class Heartbeat:
    """What a loop of the host calls in each turn; to be had from `Monitor.heartbeat(name, max_age=15)`.

    It is expected from its first call on, in the process that makes it, until `end()`. Any thread may call it, but each
    loop should have its own.
    """

    def __init__(self, name: str, max_age: float, now: Callable[[], float]) -> None:
        self.name, self.max_age = name, max_age
        self._now = now
        self._busy = -math.inf  # until then it may be silent
        self._seen: tuple[float, float, int] | None = None  # when, until when it may be silent, by which thread

    def __call__(self) -> None:
        """The loop is alive."""
        now = self._now()
        self._seen = now, max(now + self.max_age, self._busy), threading.get_ident()

    @contextlib.contextmanager
    def busy(self, seconds: float) -> Iterator[None]:
        """Within the `with` block it may be silent for so long, in place of `max_age`."""
        before, self._busy = self._busy, self._now() + _positive("busy", seconds)
        self()
        try:
            yield
        finally:
            if self._seen is not None:  # else it has come to its end meanwhile
                self._busy = before
                self()

    async def tick(self) -> None:
        """Beat as long as the event loop turns: `task = asyncio.create_task(beat.tick())`, and keep the task."""
        from asyncio import sleep

        try:
            while True:
                self()
                await sleep(self.max_age / 3)
        finally:
            self.end()

    def end(self) -> None:
        """The loop has come to its end: it is expected no more, until it beats again."""
        self._seen, self._busy = None, -math.inf

    def why(self, now: float) -> str:
        """Why it is missed; empty when it is not."""
        seen = self._seen
        if seen is None or now <= seen[1]:
            return ""
        return f"no beat for {now - seen[0]:.1f} s; {seen[1] - seen[0]:.1f} s are allowed"

    def view(self, now: float) -> View:
        """As `/status` shows it; of one that is missed with the stack of its thread."""
        seen, why = self._seen, self.why(now)
        status = "missed" if why else "awaited" if seen is None else "alive"
        age = None if seen is None else round(max(0.0, now - seen[0]), 3)
        shown: View = {"status": status, "age_s": age, "max_age_s": self.max_age, "detail": why}
        return {**shown, "stack": _stack(seen[2])} if why and seen is not None else shown


class Watched:
    """A thread that has to be alive."""

    def __init__(self, name: str, thread: threading.Thread) -> None:
        self.name, self.thread = name, thread
        self._over = False

    def end(self) -> None:
        """From now on it may end."""
        self._over = True

    def why(self, now: float) -> str:
        """Why it is missed; empty when it is not."""
        fine = self._over or self.thread.ident is None or self.thread.is_alive()
        return "" if fine else "the thread has ended"

    def view(self, now: float) -> View:
        """As `/status` shows it."""
        why = self.why(now)
        status = "missed" if why else "alive" if self.thread.is_alive() else "awaited"
        return {"status": status, "age_s": None, "max_age_s": None, "detail": why}


class Heartbeats:
    """All of one monitor. Any thread may call any method. `now()` is monotonic, without time that nobody saw."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._reset()

    def _reset(self) -> None:
        # Guards _all. A leaf.
        self._lock = threading.RLock()
        self._all: dict[str, Heartbeat | Watched] = {}

    def add(self, name: str, max_age: float) -> Heartbeat:
        """A new one. Raises ConfigError."""
        beat = Heartbeat(_named(name), _positive(f"heartbeat {name!r:.60}: max_age", max_age), self._now)
        self._put(beat)
        return beat

    def watch(self, thread: threading.Thread, name: str | None = None) -> Watched:
        """A thread that has to live, from its start on. Raises ConfigError."""
        if not isinstance(thread, threading.Thread):
            raise ConfigError(f"watch_thread: expected a threading.Thread, got {thread!r:.60}")
        watched = Watched(_named(thread.name if name is None else name), thread)
        self._put(watched)
        return watched

    def _put(self, one: Heartbeat | Watched) -> None:
        with self._lock:
            if len(self._all) >= MOST:
                raise ConfigError(f"heartbeat {one.name!r:.60}: there are {MOST} already; keep one for each loop")
            if one.name in self._all:
                raise ConfigError(f"heartbeat {one.name!r:.60}: there is one of this name already; names must differ")
            self._all[one.name] = one

    def missed(self) -> dict[str, str]:
        """Those that are, by name, each with the reason."""
        now = self._now()
        return {one.name: why for one in self._each() if (why := one.why(now))}

    def views(self) -> dict[str, View]:
        """All of them, as `/status` shows them."""
        now = self._now()
        return {one.name: one.view(now) for one in self._each()}

    def _each(self) -> list[Heartbeat | Watched]:
        with self._lock:
            return list(self._all.values())

    def after_fork(self) -> None:
        """In the child: no loop has begun yet, and no thread of the parent is here."""
        all_of_them = self._all
        self._reset()
        for one in all_of_them.values():
            one.end()
            if isinstance(one, Heartbeat):
                self._all[one.name] = one


def _stack(ident: int) -> list[str]:
    """Where a thread is: file, line and function, the innermost last. Nothing of its values."""
    frame = sys._current_frames().get(ident)
    calls: list[str] = []
    while frame is not None and len(calls) < DEEPEST:
        calls.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return calls[::-1]


def _named(name: Any) -> str:
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ConfigError(f"heartbeat: name must be a printable text, got {short(repr(name), 60)}")
    return name


def _positive(what: str, seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise ConfigError(f"{what} must be a number of seconds above 0, got {seconds!r:.60}")
    return float(seconds)
