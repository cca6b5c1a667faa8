"""What the tests of a Supervisor share: programs that are quick, what is left of them, hosts that come to an end."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from minimon import Program, Supervisor

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, "-I", "-S", "-c"]
SLEEP = "exec sleep 60"
STUBBORN = "trap '' TERM; echo up; while :; do sleep 60; done"
"""Ends by KILL alone, once it has said that it is up."""
PATIENCE = 0.1
"""Seconds until KILL, where a test says nothing else."""
SLACK = 1.0
"""Seconds that a promised deadline may be missed by, on a machine that has much to do."""
MARK = "MINIMON_TEST_MARK"


def program(name: str, script: str = SLEEP, **options: Any) -> Program:
    """A line of shell, which is not waited for long."""
    return Program(name, ["sh", "-c", script], **{"stop": {"timeout": PATIENCE}, "output": "discard", **options})


def stubborn(name: str, script: str = STUBBORN, **options: Any) -> Program:
    """The same for a line that says when it is up."""
    return program(name, script, **{"ready": {"log": "up"}, **options})


@contextlib.contextmanager
def running(*programs: Program, **options: Any) -> Iterator[Supervisor]:
    """A Supervisor that runs, without a guard (a Python more) unless asked; nothing of it is left, if it is `alone`."""
    platform, alone = options.pop("platform", None), options.pop("alone", True)
    supervisor = Supervisor(programs, **{"grace": 3.0, "guard": False, **options})
    if platform is not None:
        supervisor.platform = platform
    before = what_is_there()
    try:
        yield supervisor.start()
    finally:
        supervisor.stop()
    if alone:
        assert [] == nothing_left(before)


def what_is_there() -> set[str]:
    """Threads of ours, and children."""
    from support import our_threads

    return {*our_threads(), *(f"child {pid}" for pid in children())}


def nothing_left(before: set[str]) -> list[str]:
    """What is left of Supervisors, though it was waited for, that was not there before."""
    from support import wait_until

    wait_until(lambda: not what_is_there() - before)
    return sorted(what_is_there() - before)


def stat(pid: int | str | None) -> list[bytes]:
    """The fields of the stat of a process from its state on (proc(5)); none where it is not there."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def stats() -> Iterator[tuple[int, list[bytes]]]:
    """The pid of every process, and those fields."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat(name)):
            yield int(name), fields


def children() -> set[int]:
    """The children of this process, zombies too."""
    return {pid for pid, fields in stats() if int(fields[1]) == os.getpid()}


def session(leader: int | None) -> set[int]:
    """The living processes of a session."""
    return {pid for pid, fields in stats() if int(fields[3]) == leader and fields[0] not in (b"Z", b"X")}


def marked(mark: str) -> list[str]:
    """The living processes that have inherited a mark, by command."""
    found = []
    for pid, fields in stats():
        if fields[0] not in (b"Z", b"X"):
            with contextlib.suppress(OSError):
                if mark.encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes():
                    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                    found.append(f"{pid} {b' '.join(words)[:80].decode(errors='replace')}")
    return found


def is_alive(pid: int | None) -> bool:
    """Whether there is such a process, which is no zombie."""
    return stat(pid)[:1] not in ([], [b"Z"], [b"X"])


def is_stopped(pid: int | None) -> bool:
    """Whether it was stopped by a signal."""
    return stat(pid)[:1] == [b"T"]


# What a host begins with; it tells what it wants to tell on stdout, a line at a time.
BEGIN = f"""
import logging, os, signal, sys, threading, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests" / "processes")!r}]
from supervised import *
from minimon.processes.child import Platform

def tell(*words):
    print(*words, flush=True)

class Tell(logging.Handler):
    def emit(self, record):
        warned.append(record.getMessage())

warned = []
logging.getLogger("minimon").addHandler(Tell(logging.WARNING))
pause = threading.Event()

def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        pause.wait(0.005)
    return bool(condition())
"""


class Host(NamedTuple):
    """A process that has a Supervisor."""

    popen: subprocess.Popen[str]
    mark: str

    def told(self) -> str:
        """The next line that it has told."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def end(self, number: int = signal.SIGKILL) -> None:
        """Have a signal end it."""
        self.popen.send_signal(number)
        self.popen.wait(10.0)

    def rest(self, timeout: float = 20.0) -> tuple[int, str, str]:
        """Its code, and what it has still written, when it has ended by itself."""
        out, err = self.popen.communicate(timeout=timeout)
        return self.popen.returncode, out.strip(), err.strip()

    def left(self, seconds: float = 5.0) -> list[str]:
        """What lives of it and all that it has started, after so many seconds at most."""
        from support import wait_until

        wait_until(lambda: not marked(self.mark), seconds)
        return marked(self.mark)


@contextlib.contextmanager
def host(
    script: str, *options: str, begin: tuple[str, ...] = (), fds: tuple[int, ...] = (), stdin: int | None = None
) -> Iterator[Host]:
    """A host that runs this script, and inherits these descriptors, whose numbers are its arguments.

    Nothing of it outlives the block, however that ends.
    """
    mark = uuid.uuid4().hex
    command = [*begin, sys.executable, "-W", "error", *options, "-c", BEGIN + script, *map(str, fds)]
    environment = {**os.environ, MARK: mark}
    pipes: dict[str, Any] = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    popen = subprocess.Popen(command, text=True, env=environment, pass_fds=fds, **pipes)
    try:
        yield Host(popen, mark)
    finally:
        for line in [str(popen.pid), *marked(mark)] if popen.poll() is None else marked(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), signal.SIGKILL)
        popen.communicate()
