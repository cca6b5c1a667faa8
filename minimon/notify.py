"""The one thread that runs the host's callbacks: in order, bounded, drops counted."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from .log import logger
from .pool import join_until

_log = logger("notify")

MOST_WAITING = 1000
"""Changes that wait for a slow callback at most; further ones are dropped and counted."""


class Notifier:
    """Calls `callback(change)` for each change, of whatever kind, one after another, on the thread `minimon-notify`."""

    def __init__(self, callback: Callable[[Any], object], before: Notifier | None = None) -> None:
        self._callback = callback
        self._before = before  # one of an earlier life, whose last call is waited for: never two at once
        self._failed = False
        self._reset()

    def _reset(self) -> None:
        # Guards the counters. A leaf.
        self._lock = threading.RLock()
        self.dropped = 0
        self.errors = 0
        self._changes: queue.Queue[Any] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._late = False  # the deadline of stop() is over: what waits is dropped

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self.work, name="minimon-notify", daemon=True)
        self._thread.start()

    def put(self, change: Any) -> None:
        """Have the callback called with this change. Never waits: when the queue is full it is dropped."""
        try:
            self._changes.put_nowait(change)
        except queue.Full:
            with self._lock:
                self.dropped += 1

    def work(self) -> None:
        """The thread's loop."""
        before = None if self._before is None else self._before._thread
        if before is not None and before.ident is not None:
            before.join()
        self._before = None
        while not (self._late or (self._stopping and self._changes.empty())):
            change = self._changes.get()
            if change is None:
                return
            self._call(change)

    def call_waiting(self, until: float) -> None:
        """Call it for what waits, in the caller's thread, where there is none of ours; until then (time.monotonic)."""
        while self._thread is None and time.monotonic() < until:
            try:
                change = self._changes.get_nowait()
            except queue.Empty:
                return
            if change is not None:
                self._call(change)

    def _call(self, change: Any) -> None:
        try:
            self._callback(change)
        except BaseException:  # a SystemExit too ends the call, not the thread
            with self._lock:
                self.errors += 1
            if not self._failed:  # once is enough to tell, the counter has the rest
                self._failed = True
                _log.exception("on_change failed; further failures are counted only")

    def stop(self, deadline: float) -> bool:
        """Deliver what waits, until `deadline`; True when the thread has ended, or is the caller."""
        self._stopping = True
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        try:
            self._changes.put_nowait(None)
        except queue.Full:
            pass  # then the loop ends by itself: it looks at _stopping
        ended = join_until(thread, deadline)
        self._late = not ended
        return ended

    def after_fork(self) -> None:
        """In the child: no thread, nothing waiting."""
        self._reset()
        self._stopping = True
