"""A lock that one process holds, and loses when it ends, however it ends: flock(2) on an empty file.

A forked child inherits the lock without knowing: it closes its descriptor, and never unlocks it.
"""

from __future__ import annotations

import contextlib
import os
import stat

MARK = 64
"""Bytes of a mark at most."""


class Lock:
    """One file that can be locked. One thread at a time. Raises OSError where files cannot be locked."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self.held = False

    def take(self, *, shared: bool = False, mark: str = "") -> bool:
        """Lock it, if nobody else has; never waits. For all who want to share it, or for us alone, with our mark in."""
        import fcntl  # no Windows has it

        if self._file is None:
            self._file = self._open()
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if not self.is_there():  # somebody has removed it: there is another one
                self._close()
            return False
        except OSError:  # files cannot be locked here
            self._close()
            raise
        self.held = self.is_there()
        if not self.held:
            self._close()
        elif mark:
            with contextlib.suppress(OSError):  # a full disk
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, mark.encode(), 0)
        return self.held

    def _open(self) -> int:
        try:
            return open_private(self._path, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # something has removed the folder
            os.makedirs(os.path.dirname(self._path), 0o700)
            return open_private(self._path, os.O_RDWR | os.O_CREAT)

    def mark(self) -> str:
        """What its holder has written into it."""
        try:
            return "" if self._file is None else os.pread(self._file, MARK, 0).decode("ascii", "replace")
        except OSError:
            return ""

    def is_there(self) -> bool:
        """Whether the file that we have is the one that others find: something may have tidied up."""
        try:
            found = os.stat(self._path, follow_symlinks=False)
            return self._file is not None and os.path.samestat(found, os.fstat(self._file))
        except OSError:
            return False

    def drop(self) -> None:
        """Let others have it, empty; children that have inherited it do not keep it."""
        if self._file is not None and self.held:
            import fcntl

            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            with contextlib.suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)
        self._close()

    def remove(self) -> None:
        """Have everybody use another file from now on."""
        if self.is_there():
            with contextlib.suppress(OSError):
                os.remove(self._path)
        self.drop()

    def _close(self) -> None:
        file, self._file, self.held = self._file, None, False
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)

    def after_fork(self) -> None:
        """In the child: it is the parent's."""
        self._close()


def open_private(path: str, flags: int) -> int:
    """Open a file of ours, which nobody else may write; never waits. Raises OSError."""
    file = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        os.close(file)
        raise PermissionError(f"{path} is not ours: remove it, or set MINIMON_RUNTIME_DIR")
    return file


def is_dead(pid: str) -> bool:
    """Whether there is surely no such process, or nothing but its exit code."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] == [b"Z"]
    except OSError:
        return False
