"""Process: what is known of one program, and what can be done with it. Any thread, while its Supervisor runs or not."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import LifecycleError
from ..model import Outcome, Result
from .journal import Journal
from .lifecycle import PHRASES, SERVING, Life, State
from .sinks import has_room

if TYPE_CHECKING:
    from .child import Child, Ended
    from .program import Program


PATIENCE = 5.0
"""Seconds that `write` waits for a process to read."""


class Desk(Protocol):
    """Who does what is asked for: the Supervisor."""

    def mind_fork(self) -> None:
        """Whether this is a child of the host, where nothing runs: then all is forgotten."""

    def restart(self, which: int | str, *, timeout: float | None = None) -> Process:
        """End and launch it."""

    def filled(self, value: Any) -> Any:
        """The same with its ports."""

    def launch(self, which: int | str) -> None:
        """Launch it."""

    def halt(self, which: int | str, *, timeout: float | None = None) -> bool:
        """End it."""


class Process:
    """One program of a Supervisor, through all of its runs. It can be the target of a Check: passes when it is ready.

    id       counts from 1, in the order of the programs; never used again
    name     the program's
    command  the command as it may be shown, with its ports once it was launched
    """

    def __init__(self, id: int, program: Program, journal: Journal, changed: threading.Condition, desk: Desk) -> None:
        self.id, self.name, self.program = id, program.name, program
        self._journal, self._changed, self._desk = journal, changed, desk
        self._life, self._child, self._launches = Life(), None, 0  # guarded by _changed
        self._exit: Ended | None = None  # of this run, before it is known what becomes of it
        self.command = program.shown

    _life: Life
    _child: Child | None

    def _set(self, life: Life, child: Child | None, launches: int, exit: Ended | None = None) -> None:
        """Called by the keeper, with _changed held."""
        self._life, self._child, self._launches, self._exit = life, child, launches, exit

    @property
    def _up(self) -> bool:
        """Called with _changed held."""
        return self._life.up and self._exit is None

    @property
    def _code(self) -> int | None:
        """Called with _changed held."""
        return self._exit.code if self._exit is not None else self._life.code

    # --- what is known

    def _known(self) -> threading.Condition:
        """What guards it."""
        self._desk.mind_fork()
        return self._changed

    @property
    def life(self) -> Life:
        """All that is known of it."""
        with self._known():
            return self._life

    @property
    def state(self) -> State:
        """stopped, starting, running, ready, backoff, stopping, exited or failed."""
        return self.life.state

    @property
    def why(self) -> str:
        """What is wrong with it, or what it waits for; "" for nothing."""
        return self.life.why

    @property
    def restarts(self) -> int:
        """How often it was launched again."""
        return self.life.restarts

    def pid(self) -> int | None:
        """Its pid; None where there is no process."""
        with self._known():
            return self._child.pid if self._up and self._child is not None else None

    def poll(self) -> int | None:
        """The exit code; None while it runs, before its first run, or where the code was lost."""
        with self._known():
            return None if self._up else self._code

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until this run has ended; the exit code, None where it was lost.

        Raises subprocess.TimeoutExpired.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._known():
            run = self._launches
            while self._up and self._launches == run:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise subprocess.TimeoutExpired(list(self.program.command), timeout or 0.0)
                self._changed.wait(left if left is None else min(left, threading.TIMEOUT_MAX))
            return self._code

    def code(self, blocking: bool = True, timeout: float | None = None) -> int | None:
        """The exit code, waited for unless `blocking` is false; None where it does not come."""
        if not blocking:
            return self.poll()
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def status_string(self) -> str:
        """running or terminated."""
        with self._known():
            return "running" if self._up else "terminated"

    def get_data(self) -> dict[str, Any]:
        """id, command, status, and pid or code."""
        with self._known():
            up, code, child = self._up, self._code, self._child
        data: dict[str, Any] = {"id": self.id, "command": self.command}
        if up and child is not None:
            return {**data, "status": "running", "pid": child.pid}
        return {**data, "status": "terminated", "code": code}

    def log(self, lines: int = 20) -> list[str]:
        """The last lines that it has written, control characters escaped; of the last 64 KiB."""
        return self._journal.tail(lines)

    def filled(self, value: Any) -> Any:
        """A text, or a list or dict of them, with the ports in place of each {port:NAME}."""
        return self._desk.filled(value)

    def __call__(self) -> Result:
        """As a Check sees it: passes when it serves, or has done what it was for; unknown while it comes up first."""
        life, now = self.life, time.time()
        if life.state in SERVING or (life.state is State.EXITED and not life.why):
            return Result(self.name, Outcome.PASS, when=now)
        told = f"{PHRASES[life.state]}{f': {life.why}' * bool(life.why)}"
        first = life.wanted and life.restarts == 0 and life.state in (State.STOPPED, State.STARTING)
        if first:
            return Result(self.name, Outcome.UNKNOWN, "skipped", told, now)
        return Result(self.name, Outcome.FAIL, "condition", told, now)

    def __repr__(self) -> str:
        return f"<Process {self.name!r} {self.state}>"

    # --- what can be done

    def signal(self, number: int) -> None:
        """Send a signal to it alone. Raises LifecycleError where it does not run."""
        if not self._running().signal_leader(number):
            raise LifecycleError(f"process {self.name!r} does not run")

    def terminate(self) -> None:
        """Send TERM to it and all that it has started; nothing happens where it does not run."""
        self._send("SIGTERM")

    def kill(self) -> None:
        """The same with KILL."""
        self._send("SIGKILL")

    def _send(self, name: str) -> None:
        import signal

        with self._known():
            child = self._child if self._up else None
        if child is not None:
            child.signal(getattr(signal, name, signal.SIGTERM))

    def write(self, data: bytes | str) -> None:
        """Write to its standard input, if its program has `stdin`. Raises LifecycleError, TimeoutError, OSError."""
        pipe = self._running().popen.stdin
        if pipe is None:
            raise LifecycleError(f"process {self.name!r} has no standard input; make its program with stdin=True")
        view = memoryview(data.encode() if isinstance(data, str) else data)
        end = time.monotonic() + PATIENCE
        try:
            os.set_blocking(pipe.fileno(), False)
            while view:
                if not has_room(pipe.fileno(), max(0.0, end - time.monotonic())):
                    raise TimeoutError(f"process {self.name!r} has read nothing for {PATIENCE:g} s")
                view = view[os.write(pipe.fileno(), view) :]
        except ValueError:  # it has ended meanwhile, and the pipe is closed
            raise LifecycleError(f"process {self.name!r} does not run") from None

    def _running(self) -> Child:
        with self._known():
            if self._up and self._child is not None:
                return self._child
        raise LifecycleError(f"process {self.name!r} does not run")

    def start(self) -> None:
        """Launch it, if it does not run, when what it depends on is there. Never waits. Raises LifecycleError."""
        self._desk.launch(self.id)

    def stop(self, timeout: float | None = None) -> bool:
        """End it; True when it and all that it has started are gone, within its own time, or `timeout` seconds."""
        return self._desk.halt(self.id, timeout=timeout)

    def restart(self, timeout: float | None = None) -> Process:
        """End it, launch it again, wait until it is ready. Raises NotReadyError, LifecycleError, WaitTimeout."""
        return self._desk.restart(self.id, timeout=timeout)
