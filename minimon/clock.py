"""Time as an argument: whoever needs the time is given a Clock, so that tests give another one."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. `minimon.testing.FakeClock` is the other one."""

    def monotonic(self) -> float:
        """Seconds that never jump: for all durations and deadlines."""

    def time(self) -> float:
        """Seconds since the epoch by the wall clock, which may jump: for stamps only."""

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a condition that the caller holds, at most this long by this clock; None is for ever."""


class SystemClock:
    """The clock of the machine."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait for a notification, at most `seconds`."""
        # The system's wait takes no more than TIMEOUT_MAX; the loops around it look again anyway.
        condition.wait(seconds if seconds is None else min(seconds, threading.TIMEOUT_MAX))
