"""Runs a program in a process group of its own, on a loop, for what it writes; ends the whole group when told to."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO, Optional

from ..errors import UnavailableError
from ..loop import Loop
from ..text import short

LARGEST = 1 << 20
"""Bytes that a program may write; one that writes more is ended."""
GRACE = 1.0
"""Seconds that a program may take to end, once it has closed its output."""
SHORT = 5.0
"""Seconds for a program that has an answer at once."""

OnEnd = Callable[[str, Optional[BaseException]], None]

BSD = ("darwin", "freebsd", "openbsd", "netbsd", "dragonfly")
"""Platforms whose iostat takes its numbers by options, as each manual page has it."""


def iostat_command(platform: str, count: int, wait: float) -> list[str]:
    """The command line of `iostat` for so many reports, so many seconds apart."""
    if platform.startswith(BSD):
        return ["iostat", "-d", "-c", f"{count}", "-w", f"{wait}"]
    return ["iostat", "-d", f"{wait}", f"{count}"]


def started(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The program, looked up on the PATH of this environment, in the locale C. Raises UnavailableError."""
    name = command[0]
    found = shutil.which(name, path=environment.get("PATH", os.defpath))
    if found is None:
        raise UnavailableError(f"this host has neither /proc nor the program {name}: install it, or mount /proc")
    plain = {key: value for key, value in environment.items() if not key.startswith("S_")}  # those of sysstat
    try:
        return subprocess.Popen(
            [found, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**plain, "LC_ALL": "C"},
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{found} cannot be started: {error}") from None


def answer(command: list[str], environment: Mapping[str, str], patience: float = SHORT) -> str:
    """What a program writes that has its answer at once. Waits. Raises UnavailableError."""
    process = started(command, environment)
    try:
        output, errors = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        discard(process)
        raise UnavailableError(f"{command[0]} has not ended after {patience:g} s") from None
    return text_of(process, output, errors)


def end(process: subprocess.Popen[bytes]) -> None:
    """End its whole group at once, if it was not waited for yet."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def discard(process: subprocess.Popen[bytes]) -> None:
    """The same, and wait for it; what has left the group and still holds its output is not waited for."""
    end(process)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


def text_of(process: subprocess.Popen[bytes], output: bytes, errors: bytes) -> str:
    """The output of one that has ended. Raises UnavailableError where it failed."""
    if process.returncode:
        said = short(errors.decode("utf-8", "replace").strip(), 200)
        raise UnavailableError(f"{_name(process)} has ended with {process.returncode}{f': {said}' if said else ''}")
    return output.decode("utf-8", "replace")


def _name(process: subprocess.Popen[bytes]) -> str:
    return os.path.basename(str(process.args[0]))  # type: ignore[index]


class Running:
    """A program that runs. Belongs to the loop's thread, but for its construction.

    `on_end(text, error)` is called once: with the output, or with what went wrong; not at all once `end` was called.
    `on_reaped()` is called once nothing is left of it.
    """

    def __init__(
        self, loop: Loop, process: subprocess.Popen[bytes], on_end: OnEnd, on_reaped: Callable[[], None]
    ) -> None:
        self._loop, self._process = loop, process
        self._on_end: OnEnd | None = on_end
        self._on_reaped = on_reaped
        self._output: dict[IO[bytes], list[bytes]] = {}
        self._readers: dict[IO[bytes], Callable[[], None]] = {}
        self._size, self._until, self._pause = 0, 0.0, 0.001

    def begin(self) -> None:
        """Listen to it."""
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self._output[stream] = []
            self._listen(stream)

    def _listen(self, stream: IO[bytes]) -> None:
        self._readers[stream] = partial(self._read, stream)
        self._loop.once(stream.fileno(), self._readers[stream])

    def end(self) -> None:
        """End the whole group at once. It is waited for, and nobody is told. Nothing where it has not begun."""
        if not self._output:
            return
        self._on_end = None
        self._finish()

    def _finish(self) -> None:
        end(self._process)
        for reader in self._readers.values():
            self._loop.forget(reader)
        self._readers.clear()
        self._loop.forget(self._reap)
        self._reap()

    def _read(self, stream: IO[bytes]) -> None:
        if self._readers.pop(stream, None) is None or self._on_end is None:
            return  # it was forgotten in the midst of a turn
        piece = os.read(stream.fileno(), 1 << 16)
        self._size += len(piece)
        if self._size > LARGEST:
            self._tell("", UnavailableError(f"{_name(self._process)} has written more than {LARGEST} bytes"))
            self._finish()
        elif piece:
            self._output[stream].append(piece)
            self._listen(stream)
        elif not self._readers:  # both are at their end
            self._until = time.monotonic() + GRACE
            self._reap()

    def _reap(self) -> None:
        """Look whether it has ended, soon and then more rarely: not every platform tells of it."""
        if self._process.poll() is None:
            if time.monotonic() > self._until:
                end(self._process)
            self._pause = min(self._pause * 2, 0.1)
            self._loop.at(time.monotonic() + self._pause, self._reap)
            return
        for stream in self._output:
            stream.close()
        try:
            text = text_of(self._process, *(b"".join(pieces) for pieces in self._output.values()))
        except UnavailableError as error:
            self._tell("", error)
        else:
            self._tell(text, None)
        self._on_reaped()

    def _tell(self, text: str, error: BaseException | None) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(text, error)

    def after_fork(self) -> None:
        """In the child: it is the parent's to wait for."""
        self._process.returncode = 0
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
