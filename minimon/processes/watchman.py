"""Keeps the guard: launches it, tells it what runs, launches it again, and ends it when nothing is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from functools import partial

from ..log import logger
from ..loop import Loop
from .child import Child
from .ending import LATER
from .guard import Guard, lacking

_log = logger("supervisor")

GUARDS = 5
"""Times that a guard which has ended is launched again."""


class Watchman:
    """The guard of one Supervisor, if it is `wanted` and can be. Belongs to the keeper's thread, but for `told`.

    `lives()` gives what runs: pid, signal and timeout of each.
    """

    def __init__(self, loop: Loop, wanted: bool, lives: Callable[[], Iterable[tuple[int, int, float]]]) -> None:
        self._loop, self._lives = loop, lives
        self.guard = Guard() if wanted and not lacking() else None
        self._ends = 0

    def start(self) -> None:
        """Launch it."""
        if self.guard is None:
            return
        try:
            child = self.guard.start(self._lives())
        except (OSError, ValueError) as error:
            _log.warning("no guard: %s; a host that is killed leaves its processes behind", error)
            self.guard = None
            return
        if child.fd >= 0:
            self._loop.once(child.fd, partial(self._gone, child))

    def _gone(self, child: Child) -> None:
        """It has ended, and the host has not."""
        if self.guard is None or self.guard.child is not child:
            return
        child.reap()
        self.guard.child = None
        self._ends += 1
        if self._ends > GUARDS:
            _log.warning("the guard has ended %d times; there is none any more", self._ends)
            self.guard.close()
            self.guard = None
            return
        _log.warning("the guard has ended; it is launched again")
        self.start()

    @property
    def pid(self) -> int | None:
        """Its pid, while there is one."""
        return None if self.guard is None else self.guard.pid

    def add(self, pid: int, timeout: float) -> None:
        """A session that is to end with the host, with TERM, and so many seconds later with KILL."""
        if self.guard is not None:
            self.guard.add(pid, int(signal.SIGTERM), timeout)

    def remove(self, pid: int) -> None:
        """Nothing of that session is left."""
        if self.guard is not None:
            self.guard.remove(pid)

    def told(self) -> None:
        """The interpreter exits, and everyone has got his signal."""
        if self.guard is not None:
            self.guard.told()

    def end(self, left: bool) -> None:
        """Where nothing is left it has nothing to do, whatever it may be at; else it is left alone with that."""
        guard, self.guard = self.guard, None
        if guard is None:
            return
        guard.close()
        child = guard.child
        if child is None:
            return
        if not left:
            child.kill()
        until = time.monotonic() + LATER
        while child.ended() is None and time.monotonic() < until:
            time.sleep(0.002)
        if left and child.ended() is None:
            child.forget()
        else:
            child.reap()

    def after_fork(self) -> None:
        """In the child: it is the parent's."""
        if self.guard is not None:
            self.guard.after_fork()
