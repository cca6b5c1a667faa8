"""The monitor watches itself: results of the check `minimon`, made when somebody records or asks anyway.

It warns, which makes a healthy whole degraded, when runs start more than 2 s late, have outlived their deadline and
not ended, when `on_change` raised or was too slow to be told of all, while the network is lost, and while the state
file cannot be saved. It looks every 10 s, and at once for a stuck run, the network and the file. It cannot be removed
or paused; `on_change` is told of it as of any other.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .checks import OWN, Check
from .clock import Clock
from .model import Outcome, Result

EVERY = 10.0
"""Seconds between two looks, unless something has changed."""
SLOW = 2.0
"""Seconds that a run is late after which that is a trouble."""
JUMP = 1.0
"""Seconds of difference by which the wall clock has been set."""

COUNTED = {
    "dropped": "changes were not told, because on_change is too slow",
    "callback_errors": "calls of on_change raised",
}
"""Figures that only grow: a trouble when they did since the latest look."""


def _at_once(figures: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is a trouble, or is none any more, at once."""
    file = figures.get("state_file")
    return figures.get("stuck"), figures.get("lost"), file and file["problem"]


def troubles(figures: Mapping[str, Any], before: Mapping[str, Any], peak: float) -> Iterable[str]:
    """What is wrong, in words: of now, and of the time since the figures `before`."""
    if peak > SLOW:
        yield f"runs start up to {peak:.1f} s late"
    if figures["stuck"]:
        many = "1 run has outlived its" if figures["stuck"] == 1 else f"{figures['stuck']} runs have outlived their"
        yield f"{many} deadline and not ended"
    for key, text in COUNTED.items():
        if figures[key] > before.get(key, 0):
            yield f"{figures[key] - before.get(key, 0)} {text}"
    if figures["lost"]:
        yield figures["lost"]
    if figures["state_file"] and figures["state_file"]["problem"]:
        yield f"state file: {figures['state_file']['problem']}"


def itself() -> None:
    """The target of the check `minimon`, which nobody calls: a Watch makes its results."""


class Watch:
    """Looks at the figures of one life of a monitor. Any thread may call any method.

    `check` is the one that its results are of; `peak()` is the most that a run was late since it was asked before.
    """

    def __init__(
        self, check: Check, clock: Clock, figures: Callable[[], Mapping[str, Any]], peak: Callable[[], float]
    ) -> None:
        self.check, self._clock, self._figures, self._peak = check, clock, figures, peak
        self.after_fork()
        self.clock_jumps = 0
        self._problem = ""  # what is wrong as long as it lives
        self._offset = clock.time() - clock.monotonic()

    def after_fork(self) -> None:
        """In the child: a fresh lock, nothing known."""
        # Guards all below but what __init__ adds, which is guarded too. A leaf: the figures are asked when it is free.
        self._lock = threading.RLock()
        self._before: Mapping[str, Any] = {}
        self.next = -math.inf  # monotonic: when to look again, whatever there is to see

    def note(self, problem: str) -> None:
        """Something is wrong from now on, or "" for no more: the next look tells of it, and is due."""
        if problem != self._problem:
            with self._lock:
                self._problem, self.next = problem, -math.inf

    def look(self, figures: Mapping[str, Any] | None = None) -> Result | None:
        """A result of `minimon` when one is due, or when something is wrong that was not, or right that was wrong."""
        now = self._clock.monotonic()
        if figures is None and now < self.next:
            return None
        seen = self._figures() if figures is None else figures
        with self._lock:
            before = self._before
            if now < self.next and _at_once(seen) == _at_once(before):
                return None
            self._before, self.next = seen, now + EVERY
        peak = self._peak()
        wrong = "; ".join(filter(None, (self._problem, *troubles(seen, before, peak))))
        outcome = Outcome.WARN if wrong else Outcome.PASS
        late = round(max(0.0, peak), 6)
        return Result(OWN, outcome, "condition" if wrong else "", wrong, self._clock.time(), late, started=now)

    def clock_was_set(self, result: Result) -> str:
        """What to tell when a run has begun on another wall clock than those before; else ""."""
        if result.started is None or abs(result.when - result.started - self._offset) < JUMP:
            return ""
        before, wall, after = self._clock.monotonic(), self._clock.time(), self._clock.monotonic()
        offset = wall - after
        with self._lock:
            jump = offset - self._offset
            if abs(jump) < JUMP or after - before > JUMP / 2:  # it stood still between two looks at the clocks
                return ""
            self._offset = offset
            self.clock_jumps += 1
        return f"by {jump:+.3f} s"
