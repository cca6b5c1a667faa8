"""A clock whose time a test moves."""

from __future__ import annotations

import math
import threading

from ..errors import ConfigError

_ROUNDING = 1e-6  # 0.1 + 0.7 is less than 0.8: a clock that stops so short of a deadline goes on to it


class FakeClock:
    """A Clock whose time stands still until a test moves it. Any thread.

    A thread that waits gives seconds, not a moment, so its deadline is reckoned from the time at which its
    wait begins: if a test advances while the thread is still on the way there, it sleeps that much longer.
    Hence `waiting()` first, then `advance()`. An advance after the wait has begun is never missed.
    """

    def __init__(self, start: float = 0.0, wall: float = 0.0) -> None:
        self._now = start
        self._wall = wall
        self._sleepers: dict[object, tuple[threading.Condition, float]] = {}
        # Guards the three above, and tells waiting() of new sleepers.
        self._changed = threading.Condition()

    def monotonic(self) -> float:
        """Seconds, moved by `advance` only."""
        with self._changed:
            return self._now

    def time(self) -> float:
        """Seconds since the epoch, moved by `advance` and `jump_wall`."""
        with self._changed:
            return self._wall

    def advance(self, seconds: float) -> None:
        """Move both clocks on and wake the threads whose wait is over. Raises ConfigError if negative or NaN.

        A Monitor that is made to wake up more than a second too late takes it that the machine was asleep: it counts
        that time as not covered, and nothing as grown old. To let time pass, go from one wake-up to the next.

        The caller must not hold a condition that a thread waits on here, unless its lock is an RLock.
        """
        if not 0 <= seconds < math.inf:
            raise ConfigError(f"a clock advances by 0 or more seconds, got {seconds!r}")
        with self._changed:
            self._now += seconds
            self._wall += seconds
            due = self._take_due()
        for condition in due:  # outside of our own lock: who waits holds the condition and then asks for the time
            with condition:
                condition.notify_all()

    def _take_due(self) -> set[threading.Condition]:
        """Strike off who is due at once, so that waiting() does not count who has yet to wake up."""
        soon = self._now + _ROUNDING
        due = [key for key, (_, deadline) in self._sleepers.items() if deadline <= soon]
        taken = [self._sleepers.pop(key) for key in due]
        self._now = max([self._now, *(deadline for _, deadline in taken)])
        return {condition for condition, _ in taken}

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back: no duration changes and nobody wakes."""
        with self._changed:
            self._wall += seconds

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a condition that the caller holds, for a notification or these seconds; None is for ever.

        May return early, as any wait may, when another thread that waits on the same condition is due.
        """
        sleeper = object()
        with self._changed:
            deadline = math.inf if seconds is None else self._now + seconds
            if not deadline > self._now:
                return
            self._sleepers[sleeper] = (condition, deadline)
            self._changed.notify_all()
        try:
            condition.wait()  # untimed: advance() cannot notify before this has let go of the condition
        finally:
            with self._changed:
                self._sleepers.pop(sleeper, None)

    def waiting(self, n: int = 1, timeout: float = 5.0) -> bool:
        """Block until at least `n` threads wait on this clock; False after `timeout` seconds of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._sleepers) >= n, timeout)
