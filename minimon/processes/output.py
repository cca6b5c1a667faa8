"""What processes write: one thread takes it off their pipes, whatever it is, so that none of them ever waits.

It goes where it is meant to go, by blocks: to the host's own output, or into a file that is rotated by size. The last
64 KiB are kept beside that. What cannot be written anywhere in time is dropped and counted, never waited for.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import re
import select
import selectors
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Protocol, Union

from ..log import logger
from ..pool import join_until

_log = logger("output")
_GENTLY = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"))
"""How anything is opened: no process inherits it, nothing is waited for, no terminal becomes the host's."""

RING = 65536
"""Bytes of a process' output that are kept."""
BLOCK = 262144
"""Bytes that are read at a time, at most: as many as a wide pipe holds."""
MUCH = 32768
"""Bytes, half of what a pipe holds at first. One from which as many were read at once is made wide: that saves work."""
WIDE = 16
"""Pipes at most that are wide at the same time: all pipes of a user share 64 MiB (pipe(7))."""
SET_SIZE = 1031
"""F_SETPIPE_SZ of Linux, which older Pythons do not name."""
LONGEST = 8192
"""Bytes of a line; a longer one is cut there into several."""
MOST_PENDING = 1 << 20
"""Bytes that wait for the host's own output at most; what comes then is dropped."""
PIECE = getattr(select, "PIPE_BUF", 512)
"""Bytes that are written at a time where it must not block: a pipe that is writable takes them (pipe(7))."""
DRAIN = 0.2
"""Seconds in which what is in the pipe of an ended process is read; others may go on to write into it."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What passes: the disk is full, or may not take more."""
LOOK_AGAIN = 1.0
"""Seconds after which a file is looked at: whether it was moved away, or can be opened again."""

Buffer = Union[bytes, memoryview]

_COLOURS = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")
_UNSHOWN = re.compile(
    "[^\\n\\t -~\xa1-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\U0010ffff]"  # nor what turns a line around
)


END = re.compile(r"\$|\\Z")
"""What stands in a pattern that asks for the end of a line."""


def readable(data: bytes) -> str:
    """Output as people read it: no colours, no control characters, no line longer than LONGEST."""
    text = _COLOURS.sub("", data.decode("utf-8", "replace").replace("\r\n", "\n"))
    lines = _UNSHOWN.sub(_escaped, text).split("\n")
    if max(map(len, lines)) > LONGEST:
        lines = [line[at : at + LONGEST] for line in lines for at in range(0, len(line) or 1, LONGEST)]
    return "\n".join(lines)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


class Sink(Protocol):
    """Where output goes besides."""

    dropped: int

    def write(self, data: Buffer) -> None:
        """Never blocks, never raises."""

    def close(self) -> None:
        """Nothing more comes."""


class FileSink:
    """A file that grows up to `max_bytes`; then it becomes PATH.1, that one PATH.2, up to `count`. 0 bytes: for ever.

    It is appended to. A disk that is full, a folder that is gone: what is lost is counted, and told in the file once
    it can be written again. A file that somebody has moved away is opened anew. What is no file, such as a device or
    a pipe, is never rotated, and not waited for. Any thread.
    """

    def __init__(self, path: str, max_bytes: int = 0, count: int = 0, look_again: float = LOOK_AGAIN) -> None:
        self.path, self.max_bytes, self.count = os.path.abspath(path), max_bytes, count
        self.look_again = look_again
        # Guards what follows: a new run opens it while what is left of the last one is written. A leaf.
        self._lock = threading.Lock()
        self.dropped = self._untold = self._size = 0
        self._fd, self._inode, self._look_at, self._rotates = -1, (0, 0), 0.0, False
        self._failed = ""

    def open(self) -> None:
        """Raises OSError where it cannot be."""
        with self._lock:
            self._open()

    def _open(self) -> None:
        self._close()
        self._look_at = time.monotonic() + self.look_again
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _GENTLY, 0o644)
        found = os.fstat(self._fd)
        self._inode, self._size = (found.st_dev, found.st_ino), found.st_size
        self._rotates = self.max_bytes > 0 and stat.S_ISREG(found.st_mode)

    def write(self, data: Buffer) -> None:
        """All of it, or what fits; the rest is dropped."""
        with self._lock:
            missing = len(data)
            try:
                self._mind()
                if self._untold:
                    for _ in self._put(b"\n[minimon: %d bytes could not be written here]\n" % self._untold):
                        pass
                    self._untold, self._failed = 0, ""
                for written in self._put(data):
                    missing -= written
            except OSError as error:
                self.dropped += missing
                self._untold += missing
                if not self._failed:
                    self._failed = error.strerror or str(error)
                    _log.warning("%s cannot be written: %s; output is dropped until it can", self.path, self._failed)

    def _put(self, data: Buffer) -> Iterator[int]:
        """Piece by piece: how much of it was written. Raises OSError."""
        view = memoryview(data)
        while view:
            if self._rotates and self._size >= self.max_bytes:
                self._rotate()
            room = self.max_bytes - self._size if self._rotates else len(view)
            written = os.write(self._fd, view[: max(1, room)])
            self._size += written
            view = view[written:]
            yield written

    def _mind(self) -> None:
        """Open it again, where it is not, or no longer the one of that name. Raises OSError."""
        now = time.monotonic()
        if now < self._look_at:
            if self._fd < 0:
                raise OSError(self._failed)
            return
        self._look_at = now + self.look_again
        if self._fd < 0 or self._moved():
            self._open()

    def _moved(self) -> bool:
        """Whether another file has its name by now, or none; where nobody may look, it has not."""
        try:
            found = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return (found.st_dev, found.st_ino) != self._inode

    def _rotate(self) -> None:
        if self._moved():
            self._open()
        elif self.count < 1:
            os.ftruncate(self._fd, 0)
            self._size = 0
        else:
            number = 1
            while number < self.count and os.path.lexists(f"{self.path}.{number}"):
                number += 1
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.path}.{number}")  # replacing it would have ext4 write out what is soon removed, too
            for newer in range(number - 1, -1, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self.path}.{newer}" if newer else self.path, f"{self.path}.{newer + 1}")
            self._open()

    def close(self) -> None:
        """Until something is written again."""
        with self._lock:
            self._close()
            self._look_at = 0.0

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def after_fork(self) -> None:
        """In the child: a fresh lock, no file."""
        self._lock = threading.Lock()
        self.close()


class HostSink:
    """The host's own output, by its descriptor. Belongs to the pump, which writes when there is room."""

    def __init__(self, fd: int) -> None:
        self.fd, self.dropped = fd, 0
        self.broken = not _is_open(fd)
        self.pending = bytearray()

    def write(self, data: Buffer) -> None:
        """Keep a copy until there is room."""
        if self.broken or len(self.pending) + len(data) > MOST_PENDING:
            self.dropped += len(data)
            return
        self.pending += data

    def flush(self, most: int = 64) -> None:
        """Write as long as there is room, so many pieces at most."""
        if not self.pending:
            return
        own = _terminal(self.fd)
        try:
            self._flush(self.fd if own < 0 else own, most)
        finally:
            if own >= 0:
                os.close(own)

    def _flush(self, fd: int, most: int) -> None:
        for _ in range(most):
            if not self.pending or not has_room(fd):
                return
            try:
                written = os.write(fd, self.pending[:PIECE])
            except BlockingIOError:
                return
            except OSError as error:
                # closed, or its reader is gone: nobody is told, for that is where one would
                self.broken = error.errno not in FULL
                self.dropped += len(self.pending)
                self.pending.clear()
                return
            del self.pending[:written]

    def close(self) -> None:
        """It is the host's."""


def _is_open(fd: int) -> bool:
    """Whether it is the host's output; where that was closed from the start, its number may be of anything by now."""
    if fd in (1, 2) and (sys.__stdout__, sys.__stderr__)[fd - 1] is None:
        return False
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _terminal(fd: int) -> int:
    """A terminal opened anew, for a write into the host's own would wait until it takes all of it; else -1."""
    try:
        return os.open(os.ttyname(fd), os.O_WRONLY | _GENTLY)
    except OSError:
        return -1


def has_room(fd: int, seconds: float = 0.0) -> bool:
    """Whether something can be written there, within so many seconds."""
    try:
        return bool(select.select((), (fd,), (), seconds)[1])
    except ValueError:  # a descriptor too large for select(2)
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        return bool(poll.poll(int(seconds * 1000)))
    except OSError:
        return True  # then writing says what is wrong


class Journal:
    """What one program has written, in all of its runs. The pump adds to it; any thread may read it."""

    def __init__(self, keeps: bool = True, sink: FileSink | None = None) -> None:
        self.keeps, self.sink = keeps, sink
        # Guards what follows. A leaf.
        self._lock = threading.Lock()
        self._kept = bytearray()
        self.total = self.runs = 0
        self._begun = 0  # the total at the last launch
        self._watched: list[tuple[re.Pattern[str], Callable[[], None]]] = []
        self._lines: dict[int, bytes] = {}  # what has no end yet, by pipe

    def begin(self, watched: Sequence[tuple[re.Pattern[str], Callable[[], None]]]) -> None:
        """A new run: call each function once, on the pump's thread, when a line has been written that fits."""
        with self._lock:
            self.runs += 1
            self._watched, self._lines, self._begun = list(watched), {}, self.total

    def watch_only(self, patterns: Container[str]) -> None:
        """What else was looked for in this run does not matter any more."""
        with self._lock:
            self._watched = [each for each in self._watched if each[0].pattern in patterns]

    def add(self, data: Buffer, run: int | None = None, pipe: int = 0) -> None:
        """Called by the pump; the data is another one afterwards. What an earlier run has left is not looked at."""
        met = []
        with self._lock:
            self.total += len(data)
            if self.keeps:
                self._kept += data[-RING:]
                if len(self._kept) > 2 * RING:
                    del self._kept[:-RING]
            if self._watched and run in (None, self.runs):
                met = self._fitting(data, pipe)
        if self.sink is not None:
            self.sink.write(data)
        for call in met:
            call()

    def _fitting(self, data: Buffer, pipe: int) -> list[Callable[[], None]]:
        """The functions whose time has come. A line need not be complete, for a prompt never is; but where a pattern
        asks for its end it has to be.
        """
        whole = self._lines.get(pipe, b"") + data
        self._lines[pipe] = whole.rpartition(b"\n")[2][-LONGEST:]
        *lines, last = readable(whole).split("\n")
        met = []
        for each in self._watched:
            looked = lines if END.search(each[0].pattern) else [*lines, last]
            if any(each[0].search(line) for line in looked):
                met.append(each)
        self._watched = [each for each in self._watched if each not in met]
        return [call for _, call in met]

    def tail(self, lines: int = 20, this_run: bool = False) -> list[str]:
        """The last lines, as people read them; of what is kept."""
        with self._lock:
            size = min(RING, self.total - self._begun) if this_run else RING
            data = bytes(self._kept[-size:]) if size > 0 else b""
            cut = self.total > len(data) and not (this_run and size < RING)
        first = _begin_of_last(data, lines)
        listed = readable(data[first:]).split("\n")
        if listed and not listed[-1]:
            listed.pop()
        if cut and not first and len(listed) > 1:  # the first is the end of a line
            del listed[0]
        return listed[-lines:] if lines > 0 else []

    @property
    def dropped(self) -> int:
        """Bytes that could not be written into its file."""
        return 0 if self.sink is None else self.sink.dropped

    def close(self) -> None:
        """Its file, until something is written again."""
        if self.sink is not None:
            self.sink.close()

    def after_fork(self) -> None:
        """In the child: a fresh lock, no file."""
        self._lock = threading.Lock()
        if self.sink is not None:
            self.sink.after_fork()


def _begin_of_last(data: bytes, lines: int) -> int:
    """Where so many lines, and the one that may not be complete, begin; 0 where there are no more."""
    at = len(data)
    for _ in range(max(0, lines) + 1):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            break
    return at + 1


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
