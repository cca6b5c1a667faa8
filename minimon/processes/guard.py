"""The host's side of the guard: it is told of each process, and ends them when the host was killed.

There is one for each Supervisor, in a session of its own. Where `sys.executable` is no plain Python (a frozen program,
uWSGI), it would start the host again; there, and on Windows, is none.
"""

from __future__ import annotations

import marshal
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from .child import GROUPS, Child, is_plain_python, spawn
from .sinks import has_room

QUIETLY = getattr(socket, "MSG_NOSIGNAL", 0)
"""A host that has SIGPIPE at its default is not ended by a guard that has ended (send(2))."""
PATIENCE = 1.0
"""Seconds that it may take to read what it is told."""
START = "import marshal, sys; exec(marshal.load(open(0, 'rb', 0, closefd=False)))"
"""What a Python is told to run: the code of `guarding` comes first on its standard input."""


def lacking() -> str:
    """Why there can be no guard; "" where there can."""
    if not GROUPS:
        return "this system has no process groups"
    if getattr(sys, "frozen", False):
        return "the program is frozen: it would start itself again"
    if not is_plain_python() or not os.access(sys.executable, os.X_OK):
        name = os.path.basename(sys.executable or "")
        return f"{name or 'sys.executable'} is no plain Python: it would start the host again"
    return ""


def _code() -> bytes:
    """The code of `guarding`, from wherever it was imported: a folder, a zip, without sources too."""
    from . import guarding

    spec: Any = guarding.__spec__
    code = spec.loader.get_code(spec.name)
    return marshal.dumps(code)


def _line(*words: object) -> str:
    return " ".join(f"{word:g}" if isinstance(word, float) else str(word) for word in words) + "\n"


class Guard:
    """One guard process. Belongs to the keeper's thread, but for `told` and `after_fork`."""

    def __init__(self) -> None:
        self.child: Child | None = None
        self._pipe: socket.socket | None = None

    def start(self, lives: Iterable[tuple[int, int, float]]) -> Child:
        """Launch it, and tell it what runs: pid, signal and timeout. Raises OSError."""
        self.close()
        self._pipe, reading = socket.socketpair()
        try:
            self._pipe.setblocking(False)
            command = [sys.executable, "-I", "-S", "-c", START, "minimon-guard", str(os.getpid())]
            self.child = spawn(
                command, stdin=reading.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
            )
        except BaseException:
            self.close()
            raise
        finally:
            reading.close()
        self._write(_code())
        self._write("".join(_line("add", *life) for life in lives).encode())
        return self.child

    @property
    def pid(self) -> int | None:
        """Its pid, while it lives."""
        return None if self.child is None else self.child.pid

    def announce(self, number: int, timeout: float) -> str:
        """A process is about to be launched: the token for its environment, by which it is found if the host ends
        before it could say the pid.
        """
        token = secrets.token_hex(8)
        self._write(_line("try", token, number, timeout).encode())
        return token

    def add(self, pid: int, number: int, timeout: float) -> None:
        """It runs."""
        self._write(_line("add", pid, number, timeout).encode())

    def remove(self, pid: int) -> None:
        """All of its session has ended."""
        self._write(_line("del", pid).encode())

    def told(self) -> None:
        """The interpreter exits, and everyone has got the signal already. Any thread."""
        self._write(b"told\n")

    def _write(self, data: bytes) -> None:
        """All of it, in order. One that has ended is launched anew by the keeper, and is told all then; so is one that
        takes nothing any more, once it was ended.
        """
        view, until = memoryview(data), time.monotonic() + PATIENCE
        while view and self._pipe is not None:
            try:
                view = view[self._pipe.send(view, QUIETLY) :]
            except BlockingIOError:
                if not has_room(self._pipe.fileno(), max(0.0, until - time.monotonic())):
                    self.close()
                    if self.child is not None:
                        self.child.kill()
            except OSError:
                return

    def close(self) -> None:
        """It ends what is left, and then itself."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    def after_fork(self) -> None:
        """In the child: the guard is the parent's."""
        self.close()
        if self.child is not None:
            self.child.forget()
            self.child = None
