"""Where output goes, and is never waited for: a file that is rotated by size, or the host's own output."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Iterator
from typing import Protocol, Union

from ..log import logger

_log = logger("output")
_GENTLY = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY"))
"""How anything is opened: no process inherits it, nothing is waited for, no terminal becomes the host's."""
MOST_PENDING = 1 << 20
"""Bytes that wait for the host's own output at most; what comes then is dropped."""
PIECE = getattr(select, "PIPE_BUF", 512)
"""Bytes that are written at a time where it must not block: a pipe that is writable takes them (pipe(7))."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What passes: the disk is full, or may not take more."""
LOOK_AGAIN = 1.0
"""Seconds after which a file is looked at: whether it was moved away, or can be opened again."""

Buffer = Union[bytes, memoryview]


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
