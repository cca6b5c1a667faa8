"""The ports on which servers of this process answer for a monitor: of several workers one can have a port.

A follower leaves alone what the process that polls has, and takes it when that one is gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

PATIENCE = 1.0
"""Seconds in which the process that polls gets to tell which ports it has."""
STEP = 0.05
"""Seconds between two looks."""


class Worker(Protocol):
    """Whose ports they are: the life of a Monitor."""

    @property
    def role(self) -> str:
        """leader, follower or solo."""

    def touch(self) -> None:
        """The others should know soon."""

    def leaders_head(self) -> Any:
        """What the process that polls has told last."""


class Ports:
    """Of one monitor. Any thread may call any method. `worker()` is None while it does not run."""

    def __init__(self, worker: Callable[[], Worker | None]) -> None:
        self._worker = worker
        self._reset()

    def _reset(self) -> None:
        # Guards what follows. A leaf: no server is called under it.
        self._lock = threading.RLock()
        self._bound: set[str] = set()
        self._waiting: dict[str, Callable[[], bool]] = {}

    def is_taken(self, address: str, bind: Callable[[], bool]) -> bool:
        """Whether the process that polls serves there. Then `bind()` is called when this one polls, until it is True.

        Waits for a second at most, for that one may just have begun.
        """
        deadline = time.monotonic() + PATIENCE
        while (worker := self._worker()) is not None and worker.role == "follower":
            if address in worker.leaders_head().get("ports", ()):
                with self._lock:
                    self._waiting[address] = bind
                return True
            if time.monotonic() >= deadline:
                return False
            threading.Event().wait(STEP)
        return False

    def take(self, address: str) -> None:
        """A server has bound it."""
        with self._lock:
            self._bound.add(address)
            self._waiting.pop(address, None)
        worker = self._worker()
        if worker is not None:
            worker.touch()

    def leave(self, address: str) -> None:
        """It has not, or does no more."""
        with self._lock:
            self._bound.discard(address)
            self._waiting.pop(address, None)

    def bound(self) -> list[str]:
        """Those that this process has."""
        with self._lock:
            return sorted(self._bound)

    def inherit(self) -> None:
        """This process polls: bind what is waited for, as soon as it is free."""
        with self._lock:
            waiting = list(self._waiting.values())
        for bind in waiting:
            bind()

    def after_fork(self) -> None:
        """In the child: no server has begun yet."""
        self._reset()
