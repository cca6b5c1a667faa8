"""Ends sessions: a signal to the group, SIGKILL at the deadline, a last sweep even when the leader ended by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial

from ..log import logger
from .child import GROUPS, Child, Platform, living
from .entry import Entry
from .loop import Loop

_log = logger("supervisor")

LATER = 1.0
"""Seconds after SIGKILL, when what still lives is given up."""
STEPS = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two looks at what is left of a session whose leader has ended."""


class Ending:
    """What is being ended. Belongs to the loop's thread. `closed(entry)` is called once nothing of it is left."""

    def __init__(self, loop: Loop, platform: Platform, closed: Callable[[Entry], None]) -> None:
        self._loop, self._platform, self._closed = loop, platform, closed
        self._sweeping: dict[Entry, None] = {}
        self.due = False  # whether it is time to sweep

    def left(self, entry: Entry) -> None:
        """Its leader has ended: see what it has left behind."""
        self._sweeping[entry] = None
        self.due = True

    def end(self, entry: Entry, deadline: float) -> None:
        """Send its signal; SIGKILL then."""
        child = entry.child
        if child is None:
            return
        entry.deadline = min(entry.deadline or deadline, deadline)
        if entry.exit is None:
            child.signal(entry.program.stop.signal)
            if GROUPS:
                child.signal(signal.SIGCONT)  # one that was stopped hears it now
        self._loop.at(entry.deadline, partial(self._kill, entry, child))

    def _kill(self, entry: Entry, child: Child) -> None:
        """Its time is over."""
        if entry.child is child and entry.deadline and time.monotonic() >= entry.deadline:
            members = (living(self._platform) or {}).get(child.pid, ())
            child.kill(members)
            self._loop.at(time.monotonic() + 0.1, partial(self._kill, entry, child))
            if time.monotonic() > entry.deadline + LATER:
                self._given_up(entry)

    def _given_up(self, entry: Entry) -> None:
        """Not even SIGKILL helps: it hangs within the system."""
        if entry in self._sweeping:
            _log.warning("process %s: something that it has started cannot be ended", entry.program.name)
            self._close(entry)

    def sweep(self) -> None:
        """End what the leaders have left behind; then nothing of them is left."""
        self.due = False
        groups = living(self._platform) if self._sweeping and GROUPS else None
        for entry in list(self._sweeping):
            child, now = entry.child, time.monotonic()
            assert child is not None
            left = [] if groups is None else groups.get(child.pid, [])
            if not left:
                child.kill()  # of what has just been forked
                self._close(entry)
                continue
            if not entry.deadline:
                entry.deadline = now + entry.program.stop.timeout
                if not child.signal(entry.program.stop.signal):  # lost
                    entry.deadline = now
                self._loop.at(entry.deadline, partial(self._kill, entry, child))
            self._loop.at(now + STEPS[min(entry.looks, len(STEPS) - 1)], self._sweep_soon)
            entry.looks += 1

    def _sweep_soon(self) -> None:
        self.due = bool(self._sweeping)

    def _close(self, entry: Entry) -> None:
        self._sweeping.pop(entry, None)
        self._closed(entry)
