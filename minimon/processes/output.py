"""What processes write: one thread takes it off their pipes, whatever it is, so that none of them ever waits.

It goes where it is meant to go, by blocks: see `sinks`; the last of it is kept beside that: see `journal`.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable

from ..pool import join_until
from .journal import Journal
from .sinks import MOST_PENDING, PIECE, HostSink

BLOCK = 262144
"""Bytes that are read at a time, at most: as many as a wide pipe holds."""
MUCH = 32768
"""Bytes, half of what a pipe holds at first. One from which as many were read at once is made wide: that saves work."""
WIDE = 16
"""Pipes at most that are wide at the same time: all pipes of a user share 64 MiB (pipe(7))."""
SET_SIZE = 1031
"""F_SETPIPE_SZ of Linux, which older Pythons do not name."""
DRAIN = 0.2
"""Seconds in which what is in the pipe of an ended process is read; others may go on to write into it."""


class Channel:
    """The reading ends of one run's pipes."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.run = journal, journal.runs
        self.fds: dict[int, HostSink | None] = {}

    def add(self, host: HostSink | None) -> int:
        """A further pipe: its writing end, for the process. Raises OSError."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self.fds[reading] = host
        return writing


class Pump:
    """The thread `minimon-output`. Any thread may call any method; the pipes are read by the thread alone."""

    def __init__(self) -> None:
        # Guards _asked. A leaf.
        self._lock = threading.Lock()
        self._asked: collections.deque[Callable[[], None]] = collections.deque()
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
        self.hosts = {1: HostSink(1), 2: HostSink(2)}
        self._channels: set[Channel] = set()
        # Belong to the thread: what was read last, and the pipes that are wide.
        self._block = memoryview(bytearray(BLOCK))
        self._wide: set[int] = set()
        self._stopping = False
        self.thread = threading.Thread(target=self.run, name="minimon-output", daemon=True)

    def ask(self, call: Callable[[], None]) -> None:
        """Have it called on the pump's thread."""
        with self._lock:
            self._asked.append(call)
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def add(self, channel: Channel) -> None:
        """Read these from now on."""

        def add() -> None:
            self._channels.add(channel)
            for fd in channel.fds:
                self._selector.register(fd, selectors.EVENT_READ, channel)

        self.ask(add)

    def drain(self, channel: Channel, then: Callable[[], object]) -> None:
        """Its process has ended: read what is there, and call `then`. It is read on, for others may write."""

        def drain() -> None:
            self._drain(channel, time.monotonic() + DRAIN)
            then()

        self.ask(drain)

    def close(self, channel: Channel) -> None:
        """Read what is there, and no more. Its file is opened again by the next run."""

        def close() -> None:
            self._drain(channel, time.monotonic() + DRAIN)
            for fd in list(channel.fds):
                self._close(fd, channel)
            self._channels.discard(channel)
            channel.journal.close()

        self.ask(close)

    def _drain(self, channel: Channel, until: float) -> None:
        for fd in list(channel.fds):
            while self._read(fd, channel) and time.monotonic() < until:
                pass

    def _read(self, fd: int, channel: Channel) -> bool:
        """One block; whether there may be more."""
        try:
            size = os.readv(fd, (self._block,))
        except BlockingIOError:
            return False
        except OSError:
            size = 0
        if not size:
            self._close(fd, channel)
            return False
        if size >= MUCH and fd not in self._wide:
            self._widen(fd)
        host, data = channel.fds[fd], self._block[:size]
        channel.journal.add(data, channel.run, fd)
        if host is not None:
            host.write(data)
            host.flush()
        return True

    def _widen(self, fd: int) -> None:
        """Its process writes much: let it write more before somebody has to read."""
        if not sys.platform.startswith("linux") or len(self._wide) >= WIDE:
            return
        import fcntl

        self._wide.add(fd)
        with contextlib.suppress(OSError):  # the system allows no more
            fcntl.fcntl(fd, SET_SIZE, BLOCK)

    def _close(self, fd: int, channel: Channel) -> None:
        del channel.fds[fd]
        self._wide.discard(fd)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(fd)
        os.close(fd)

    def run(self) -> None:
        """The thread's loop."""
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._end()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._mind_hosts()):
            if key.data is None:
                with contextlib.suppress(OSError):
                    self._ear.recv(4096)
            elif isinstance(key.data, HostSink):
                key.data.flush()
            elif key.fd in key.data.fds:
                self._read(key.fd, key.data)
        while self._asked:
            with self._lock:
                call = self._asked.popleft()
            call()

    def _mind_hosts(self) -> float | None:
        """Wake up when the host's output has room again; where the system cannot tell, look soon."""
        patience = None
        for host in self.hosts.values():
            known = self._watches(host.fd)
            if not host.pending:
                if known:
                    self._selector.unregister(host.fd)
                continue
            try:
                if not known:
                    self._selector.register(host.fd, selectors.EVENT_WRITE, host)
            except (OSError, ValueError):  # a file, which epoll does not take: there is always room
                host.flush(1024)
                patience = 0.0 if host.pending else patience
        return patience

    def _watches(self, fd: int) -> bool:
        try:
            return isinstance(self._selector.get_key(fd).data, HostSink)
        except KeyError:
            return False

    def stop(self, deadline: float) -> bool:
        """Read what is there, write what waits as far as there is room, end. True when that is done in time."""

        def stop() -> None:
            self._stopping = True

        self.ask(stop)
        return join_until(self.thread, deadline)

    def _end(self) -> None:
        until = time.monotonic() + DRAIN
        for channel in list(self._channels):
            self._drain(channel, until)
            for fd in list(channel.fds):
                self._close(fd, channel)
            channel.journal.close()
        for host in self.hosts.values():
            host.flush(MOST_PENDING // PIECE)
        self._let_go()

    def _let_go(self) -> None:
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def after_fork(self) -> None:
        """In the child: close what was inherited."""
        for channel in self._channels:
            for fd in channel.fds:
                with contextlib.suppress(OSError):
                    os.close(fd)
            channel.fds.clear()
        self._let_go()
