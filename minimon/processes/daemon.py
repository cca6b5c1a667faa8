"""Becoming a daemon: before any thread or process was started, with the parent waiting for how the launch goes."""

from __future__ import annotations

import contextlib
import os
import signal

FIRST_FAILED, SECOND_FAILED, LOST, INTERRUPTED = 6, 7, 5, 130
"""Exit codes: no fork, no second fork, and a daemon that ended before it said how it went."""


class Daemon:
    """What the daemon holds of its parent: one word, said once."""

    def __init__(self, fd: int, terminal: bool = False) -> None:
        self._fd = fd
        self.terminal = terminal
        """Whether the parent has one, on which it tells people."""

    def tell(self, code: int, text: str = "") -> None:
        """How the launch went: the parent prints the text, and exits with the code."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.write(fd, bytes([code]) + text.encode("utf-8", "replace")[:60_000])
            os.close(fd)


class Parent:
    """What is left to the parent: its exit code, and what it has to print."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text


def become_daemon(logfile: str | None = None) -> Daemon | Parent:
    """Fork twice (daemon(7)). Returns in the parent when the daemon has told how its launch went, and in the daemon.

    The daemon has no terminal: its output goes to `logfile`, or nowhere. It stays in the folder, for paths are meant
    from there. Raises OSError for a log file that cannot be written.
    """
    if not hasattr(os, "fork"):
        return Parent(FIRST_FAILED, "this system has no fork: leave -d out, and have it started in the background")
    terminal = os.isatty(2)
    output = (
        os.open(logfile, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if logfile else os.open(os.devnull, os.O_RDWR)
    )
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        return Parent(FIRST_FAILED, f"fork failed: {error.strerror}")
    if pid:
        os.close(writing)
        os.close(output)
        return _await(reading, pid)
    os.close(reading)
    os.setsid()
    try:
        second = os.fork()
    except OSError as error:
        Daemon(writing).tell(SECOND_FAILED, f"second fork failed: {error.strerror}")
        os._exit(0)
    if second:
        os.write(writing, b"%d\n" % second)
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for fd in {nothing, output} - {0, 1, 2}:
        os.close(fd)
    return Daemon(writing, terminal)


def _await(reading: int, child: int) -> Parent:
    """In the parent: what the daemon tells. Who ends the parent meanwhile ends the daemon."""
    os.waitpid(child, 0)
    with open(reading, "rb", 0) as pipe:
        line = pipe.readline()
        pid = int(line) if line[:-1].isdigit() else 0
        said = b"" if pid else line
        try:
            said += pipe.read()
        except KeyboardInterrupt:
            if pid:
                os.kill(pid, signal.SIGTERM)
                pipe.read()
            return Parent(INTERRUPTED, "interrupted before all were ready")
    if not said:
        return Parent(LOST, "the daemon has ended before its processes were launched")
    return Parent(said[0], said[1:].decode("utf-8", "replace"))
