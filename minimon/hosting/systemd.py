"""Tells systemd how the service is (sd_notify(3)): READY, STATUS, WATCHDOG and STOPPING.

READY comes once the monitor was ready for the first time, as `/startupz` does; STATUS is the word and the counts, for
`systemctl status`; WATCHDOG only while results are fresh and no heartbeat is missed, so that systemd restarts what
hangs (WatchdogSec= in the unit); STOPPING when the monitor is stopped. In the unit: Type=notify, and NotifyAccess=all
where a worker tells it, and not the main process.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ..checks import OWN
from ..log import logger
from ..model import UNFIT
from ..pool import join_until

_log = logger("systemd")

SELDOM = 5.0
"""Seconds between two looks, where no watchdog wants more."""
OFTEN = 0.2
"""The same until it is ready: whoever is ordered after the service waits for that."""


class Subject(Protocol):
    """What it tells of: a Monitor."""

    was_ready: bool

    def readiness(self) -> Mapping[str, Any]:
        """Whether it is ready."""

    def overall(self) -> str:
        """Its word."""

    def missed(self) -> Mapping[str, str]:
        """Heartbeats that are missed."""

    def state(self, name: str) -> Any:
        """The state of a check."""

    def counts(self) -> Mapping[str, int]:
        """How many checks there are of each status."""


class Systemd:
    """Owns a socket, and the thread `minimon-systemd` from start() to stop(). Any thread.

    `environ` has NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them.
    """

    def __init__(self, subject: Subject, environ: Mapping[str, str]) -> None:
        self._subject = subject
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog = _watchdog(environ)
        self._pause = min(SELDOM, self._watchdog / 2) if self._watchdog else SELDOM
        self._reset()

    def _reset(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._ready, self._status = False, ""

    @property
    def wanted(self) -> bool:
        """Whether systemd listens."""
        return self._address != ""

    def start(self) -> None:
        """Tell from now on. Raises RuntimeError when the system gives no thread."""
        self._thread = threading.Thread(target=self.work, name="minimon-systemd", daemon=True)
        self._thread.start()

    def work(self) -> None:
        """The thread's loop."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.setblocking(False)
            while True:
                last = self._ended.is_set()
                if not self._say(speaker, ["STOPPING=1"] if last else self.news()):
                    self._ready, self._status = False, ""  # it is told again
                if last:
                    return
                self._ended.wait(self._pause if self._ready else min(OFTEN, self._pause))

    def news(self) -> list[str]:
        """What is to be told now."""
        try:
            return list(self._news())
        except Exception:  # no word is the right word then: the watchdog bites
            _log.exception("systemd cannot be told how it is")
            return []

    def _news(self) -> Iterator[str]:
        subject = self._subject
        if not self._ready and (subject.readiness()["ready"] or subject.was_ready):
            self._ready = True
            yield "READY=1"
        counted = ", ".join(f"{number} {word}" for word, number in subject.counts().items() if number)
        status = f"{subject.overall()}: {counted}" if counted else subject.overall()
        if status != self._status:
            self._status = status
            yield f"STATUS={status}"
        if self._watchdog and not subject.missed() and subject.state(OWN).status not in UNFIT:
            yield "WATCHDOG=1"

    def _say(self, speaker: socket.socket, lines: list[str]) -> bool:
        """False when it could not be said."""
        if lines:
            try:
                speaker.sendto("\n".join(lines).encode(), self._address)
            except OSError as error:
                _log.debug("systemd does not listen: %s", error)
                return False
        return True

    def stop(self, deadline: float) -> bool:
        """Say that it is stopping; True when the thread has ended by `deadline` (time.monotonic)."""
        self._ended.set()
        return self._thread is None or join_until(self._thread, deadline)

    def after_fork(self) -> None:
        """In the child: it is not the service."""
        self._reset()
        self._address = ""


def _address(path: str) -> str:
    """The address of the socket: a path, or the name of an abstract one; "" for none that is understood."""
    if path.startswith("@"):
        return f"\0{path[1:]}"
    return path if path.startswith("/") and hasattr(socket, "AF_UNIX") else ""


def _watchdog(environ: Mapping[str, str]) -> float:
    """Seconds within which systemd wants a sign of life; 0 for none, or for that of another process."""
    told, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not told.isdigit() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(told) / 1e6
