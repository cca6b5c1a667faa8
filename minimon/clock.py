"""Time as an argument: whoever needs the time is given a Clock, so that tests give another one."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. `minimon.testing.FakeClock` is the other one."""

    def monotonic(self) -> float:
        """Seconds that never jump, those in which the machine slept among them: for all durations and deadlines."""

    def time(self) -> float:
        """Seconds since the epoch by the wall clock, which may jump: for stamps only."""

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a condition that the caller holds, at most this long by this clock; None is for ever."""


class SystemClock:
    """The clock of the machine."""

    time = staticmethod(time.time)

    def __init__(self) -> None:
        self.monotonic = _steady()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait for a notification, at most `seconds`."""
        # The system's wait takes no more than TIMEOUT_MAX; the loops around it look again anyway.
        condition.wait(seconds if seconds is None else min(seconds, threading.TIMEOUT_MAX))


def _steady() -> Callable[[], float]:
    """The clock that goes on while the machine sleeps, where there is one; time.monotonic may stand still then.

    clock_gettime(2): CLOCK_BOOTTIME of Linux; CLOCK_MONOTONIC of macOS, which is another than Python's there.
    """
    name = "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME"
    if not hasattr(time, name):
        return time.monotonic
    steady = functools.partial(time.clock_gettime, getattr(time, name))
    try:
        steady()
    except OSError:  # a kernel that does not know it
        return time.monotonic
    return steady
