"""Ends sessions: a signal to the group, SIGKILL at the deadline, a last sweep even when the leader ended by itself."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from functools import partial

from ..log import logger
from ..loop import Loop
from .child import GROUPS, Child, Platform, living
from .entry import Entry

_log = logger("supervisor")

LATER = 1.0
"""Seconds after SIGKILL, when what still lives is given up."""
STEPS = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two looks at what is left of a session whose leader has ended."""
LOOKS = 2
"""Looks in which nothing of it was seen, until nothing is left: one may miss what is forked meanwhile."""


class Ending:
    """What is being ended. Belongs to the loop's thread. `closed(entry)` is called once nothing of it is left."""

    def __init__(self, loop: Loop, platform: Platform, closed: Callable[[Entry], None]) -> None:
        self._loop, self._platform, self._closed = loop, platform, closed
        self._sweeping: dict[Entry, None] = {}
        self.due = False  # whether it is time to sweep
        self._timed = False  # whether it will be
        self.until = math.inf  # when all that is ended has to be gone
        self._seen: dict[int, list[int]] | None = None  # the sessions in this turn: to look at all takes a while

    def forget(self) -> None:
        """Another turn: look anew."""
        self._seen = None

    def left(self, entry: Entry) -> None:
        """Its leader has ended: see what it has left behind."""
        self._sweeping[entry] = None
        self.due = True

    def end(self, entry: Entry, deadline: float) -> None:
        """Send its signal; SIGKILL then."""
        child = entry.child
        if child is None:
            return
        first, entry.deadline = not entry.deadline, min(entry.deadline or deadline, deadline)
        if entry.exit is None and first:  # many programs take a second one for more than was meant
            child.signal(entry.program.stop.signal)
            if GROUPS:
                child.signal(signal.SIGCONT)  # one that was stopped hears it now
        self._loop.at(entry.deadline, partial(self._kill, entry, child))

    def _kill(self, entry: Entry, child: Child) -> None:
        """Its time is over."""
        if entry.child is child and entry.deadline and time.monotonic() >= entry.deadline:
            if self._seen is None:
                self._seen = living(self._platform) or {}
            child.kill(self._seen.get(child.pid, ()))
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
        steps = []
        for entry in list(self._sweeping):
            assert entry.child is not None
            left = [] if groups is None else groups.get(entry.child.pid, [])
            if left:
                self._mind_left(entry, entry.child, left)
            else:
                entry.child.kill()  # of what was forked while /proc was read
                entry.empty += 1
            if entry.empty >= (1 if groups is None else LOOKS):
                self._close(entry)
            else:
                steps.append(STEPS[min(entry.looks, len(STEPS) - 1)])
        if steps and not self._timed:
            self._timed = True
            self._loop.at(time.monotonic() + min(steps), self._sweep_again)

    def _mind_left(self, entry: Entry, child: Child, left: list[int]) -> None:
        """Something of its session lives: it has its time, too."""
        entry.looks += 1
        entry.empty = 0
        if entry.deadline and entry.looks == 1:
            child.signal_late(left, entry.program.stop.signal)
        if not entry.deadline:
            entry.deadline = min(time.monotonic() + entry.program.stop.timeout, self.until)
            if not child.signal(entry.program.stop.signal):  # the leader was reaped by somebody else
                entry.deadline = time.monotonic()
            self._loop.at(entry.deadline, partial(self._kill, entry, child))

    def _sweep_again(self) -> None:
        self._timed, self.due = False, bool(self._sweeping)

    def _close(self, entry: Entry) -> None:
        self._sweeping.pop(entry, None)
        self._closed(entry)
