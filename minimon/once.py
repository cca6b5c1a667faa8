"""Poll each of several checks once, many at a time, without a Monitor."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from .books import GRACE
from .checks import Check
from .clock import Clock, SystemClock
from .model import Outcome, Result
from .poller import stuck_result
from .pool import Pool, deadline_in
from .probes import Shared, observe, prepare

MOST = 32
"""Checks that are polled at the same time."""
LOOK = 0.05
"""Seconds between two looks for polls that hang."""


class _Poll:
    """One poll of one check, as a job for a pool."""

    def __init__(self, check: Check, shared: Shared, clock: Clock) -> None:
        self.check, self.done = check, threading.Event()
        self._clock, self._prepared = clock, prepare(check.spec(), shared)
        self._result: Result | None = None
        self._began: float | None = None

    def __call__(self) -> None:
        self._began = self._clock.monotonic()
        self._result = observe(self._prepared, self._clock)
        self.done.set()

    def overdue(self) -> bool:
        """True when it should have ended and has not."""
        late = self._began is not None and self._clock.monotonic() > self._began + self.check.timeout + GRACE
        return late and not self.done.is_set()

    def result(self) -> Result:
        """What came of it, or what it means that nothing did."""
        now, name = self._clock.time(), self.check.name
        if self._result is not None:
            return self._result
        if self._began is None:
            return Result(name, Outcome.UNKNOWN, "skipped", "not polled: all workers are stuck", now)
        seconds = self._clock.monotonic() - self._began
        return stuck_result(self.check, now - seconds, seconds)


def poll_once(checks: Sequence[Check], clock: Clock | None = None) -> Iterator[tuple[Check, Result]]:
    """The checks and their results, in this order, each as soon as those before it are there.

    A poll that hangs is left behind when its timeout is over, and another worker takes its place.
    """
    clock = clock or SystemClock()
    pool, shared = Pool("minimon-once", 0, MOST, eager=True), Shared()
    polls = [_Poll(check, shared, clock) for check in checks]
    turns = 1 + len(polls) // MOST
    end = clock.monotonic() + turns * (max((check.timeout for check in checks), default=0.0) + 2 * GRACE)
    for poll in polls:
        if not pool.offer(poll):  # no thread to be had: then here
            poll()
    try:
        for poll in polls:
            while not (poll.done.is_set() or poll.overdue() or clock.monotonic() > end):
                poll.done.wait(LOOK)
                for other in polls:
                    if other.overdue():
                        pool.set_aside(other)
            yield poll.check, poll.result()
    finally:
        deadline = deadline_in(0.1)
        pool.stop(deadline)
        shared.stop(deadline)
