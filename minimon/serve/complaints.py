"""What clients and objects of the host do wrong: each kind is one line of the log a minute, however often it comes."""

from __future__ import annotations

import time

from ..log import logger

_log = logger("server")

QUIET = 60.0
"""Seconds between two lines of the log about one kind."""


class Complaints:
    """Tells of what goes wrong. Any thread may call any method; two at once may tell the same twice.

    The log says only what has happened, nothing of what was sent.
    """

    def __init__(self) -> None:
        self._noted: dict[str, tuple[float, int]] = {}  # when it was told last, and how often it came since

    def tell(self, kind: str) -> None:
        """It has come once more."""
        times = self._noted.get(kind, (0.0, 0))[1]
        if self._is_due(kind):
            _log.warning("the health server got %s%s", kind, f" ({times} more since the last line)" if times else "")

    def failed(self, what: str) -> None:
        """Something of the host has raised: with its traceback. To be called where the exception is at hand."""
        if self._is_due(what):
            _log.exception("%s failed", what)

    def _is_due(self, kind: str) -> bool:
        now = time.monotonic()
        told, times = self._noted.get(kind, (now - QUIET, 0))
        due = now - told >= QUIET
        self._noted[kind] = (now, 0) if due else (told, times + 1)
        return due
