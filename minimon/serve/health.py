"""Asks a subject: what reads a snapshot is asked at once, a plain subject on two threads that may hang.

A plain subject is any object of the host with `is_healthy()` and `get_detailed_stats()`: its methods may take
long or never return. So each of them has one call in flight at most, which all clients share, and no client waits
longer than a second for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from ..log import logger
from ..pool import Pool
from .routing import Said

_log = logger("health")

PATIENCE = 1.0
"""Seconds that a plain subject has to answer."""


class Subject(Protocol):
    """What a HealthCheckServer serves. One that also has `snapshot()`, as a Monitor has, is never waited for."""

    def is_healthy(self) -> bool:
        """True for 200."""

    def get_detailed_stats(self) -> dict[str, Any]:
        """The document of `/status`."""


class _Call:
    """One call in flight, and who waits for it."""

    def __init__(self, function: Callable[[], Any], after: Callable[[], None]) -> None:
        self._function = function
        self._after = after
        self.done = threading.Event()
        self.said = Said("error")

    def __call__(self) -> None:
        try:
            self.said = Said(value=self._function())
        except Exception:
            _log.exception("the subject's %s failed", getattr(self._function, "__name__", "method"))
        finally:
            self._after()
            self.done.set()


class Asker:
    """Asks the subjects of one server. Any thread."""

    def __init__(self, subjects: tuple[Any, ...]) -> None:
        self._subjects = subjects
        self._reset()

    def _reset(self) -> None:
        # Guards _calls. A leaf.
        self._lock = threading.Lock()
        self._calls: dict[tuple[int, str], _Call] = {}
        self._pool = Pool("minimon-ask", 0, 2, eager=True)

    @property
    def several(self) -> bool:
        """True with more than one subject."""
        return len(self._subjects) > 1

    def health(self) -> list[Said]:
        """The word of each subject."""
        return [self._word(subject) for subject in self._subjects]

    def details(self) -> list[Said]:
        """The document of each subject."""
        return [self._document(subject) for subject in self._subjects]

    def _word(self, subject: Any) -> Said:
        if hasattr(subject, "overall"):
            return _at_once(subject.overall)
        if hasattr(subject, "snapshot"):
            return _at_once(lambda: subject.snapshot()["overall"])
        said = self._ask(subject, "is_healthy")
        return said if said.error else Said(value="healthy" if said.value else "unhealthy")

    def _document(self, subject: Any) -> Said:
        if hasattr(subject, "snapshot"):
            return _at_once(subject.snapshot)
        return self._ask(subject, "get_detailed_stats")

    def _ask(self, subject: Any, method: str) -> Said:
        """Wait for the call that is in flight, or for a new one."""
        key = id(subject), method
        with self._lock:
            call = self._calls.get(key)
            new = call is None
            if call is None:
                call = self._calls[key] = _Call(getattr(subject, method), lambda: self._forget(key))
        if new:
            self._pool.submit(call)
        return call.said if call.done.wait(PATIENCE) else Said("unknown")

    def _forget(self, key: tuple[int, str]) -> None:
        with self._lock:
            self._calls.pop(key, None)

    def stop(self, deadline: float) -> bool:
        """Wait for calls in flight until `deadline` (time.monotonic); True when none is left."""
        return self._pool.stop(deadline)

    def after_fork(self) -> None:
        """In the child: nothing in flight."""
        self._reset()


def _at_once(function: Callable[[], Any]) -> Said:
    try:
        return Said(value=function())
    except Exception:
        _log.exception("the subject failed")
        return Said("error")
