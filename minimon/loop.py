"""The loop of one thread: it waits for descriptors, timers, and what other threads ask for, and never just looks."""

from __future__ import annotations

import contextlib
import heapq
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

Call = Callable[[], object]
LONGEST = 3600.0
"""Seconds that a selector waits at most; it takes no more than some weeks."""


class Loop:
    """Calls what is due. Any thread may `post`; all the rest belongs to the thread that calls `turn`."""

    def __init__(self) -> None:
        # Guards _posted and _closed. A leaf.
        self._lock = threading.Lock()
        self._posted: deque[Call] = deque()
        self._closed = False
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        try:
            self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        except OSError:  # no descriptor left
            self._bell.close()
            self._ear.close()
            raise
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._timers: list[tuple[float, int, Call]] = []
        self._numbers = 0

    def post(self, call: Call) -> bool:
        """Have it called on the loop's thread; False when there is none any more."""
        with self._lock:
            if self._closed:
                return False
            self._posted.append(call)
        with contextlib.suppress(OSError):
            self._bell.send(b"!")
        return True

    def at(self, when: float, call: Call) -> None:
        """Have it called then (monotonic). What is no longer wanted must find that out itself."""
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, call))

    def once(self, fd: int, call: Call) -> None:
        """Have it called once there is something to read. Raises OSError."""
        self._selector.register(fd, selectors.EVENT_READ, call)

    def forget(self, call: Call) -> None:
        """Never mind it: neither when it is due nor when there is something to read. The turn under way may make it."""
        self._timers = [timer for timer in self._timers if timer[2] != call]
        heapq.heapify(self._timers)
        keys = list((self._selector.get_map() or {}).values())  # none of a loop that is closed
        for key in keys:
            if key.data is not None and key.data == call:
                self._selector.unregister(key.fileobj)

    def turn(self) -> None:
        """Wait for the next thing to do, and do what there is."""
        patience = None
        if self._timers:
            patience = max(0.0, min(self._timers[0][0] - time.monotonic(), LONGEST))
        ready: list[Call] = []
        for key, _ in self._selector.select(patience):
            if key.data is None:
                with contextlib.suppress(OSError):
                    self._ear.recv(4096)
            else:
                self._selector.unregister(key.fileobj)
                ready.append(key.data)
        for call in ready:
            call()
        self._call_posted()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _call_posted(self) -> None:
        while self._posted:
            with self._lock:
                call = self._posted.popleft()
            call()

    def close(self) -> None:
        """No more is taken; what was posted is called."""
        with self._lock:
            self._closed = True
        self.let_go()
        self._call_posted()

    def let_go(self) -> None:
        """Close its descriptors."""
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def after_fork(self) -> None:
        """In the child: nothing is waited for."""
        self._lock = threading.Lock()
        self._closed = True
        with contextlib.suppress(OSError):
            self.let_go()
