"""A process that was launched: the leader of a session of its own, and all that it has started there.

Its end is seen without being taken: until it is reaped its pid, which is the name of its group and its session too,
cannot become another one's. So signals are only sent while that holds, and by the process that has launched it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .guarding import kill, sessions

GROUPS = hasattr(os, "killpg") and hasattr(os, "setsid")
"""Whether there are process groups; else a process is ended alone."""
CLEAR = (
    "import os, signal, sys; signal.pthread_sigmask(signal.SIG_SETMASK, ()); "
    "[signal.signal(int(one), signal.SIG_DFL) for one in sys.argv[1].split(',')]; "
    "os.execv(sys.argv[2], sys.argv[3:])"
)
"""What a Python runs before a program, where the host blocks or ignores signals that the program would inherit."""
MINDED = ("SIGCHLD", "SIGTERM")
"""Signals that a host may ignore, and a program should not: its children, and its own end, depend on them."""
PYTHONS = ("SIGPIPE", "SIGXFSZ")
"""Signals that each Python ignores."""
LOST = "its exit code was lost: the host ignores SIGCHLD, or waits for any child"
REST = 0.2
"""Seconds in which what a command has left in its pipe is read; what it has started may go on to write into it."""

FORKING = 20
"""Ticks, of 0.01 s, that it takes at most from a fork until the new process hears signals."""


class Ended(NamedTuple):
    """How a process has ended."""

    code: int | None
    """The exit code; negative for a signal; None where it was lost, since somebody else has reaped it."""


class Platform(NamedTuple):
    """What the system offers."""

    pidfd: bool = hasattr(os, "pidfd_open") and hasattr(os, "P_PIDFD")
    """Ends of processes can be waited for like input (pidfd_open(2), Linux 5.4)."""
    waitid: bool = hasattr(os, "waitid")
    """An end can be seen without being taken (waitid(2))."""
    proc: bool = True
    """There may be a /proc, which tells of the processes of a session."""


class Child:
    """One process. Any thread may call any method; one thread, the keeper's, reaps it."""

    def __init__(self, popen: subprocess.Popen[bytes], platform: Platform) -> None:
        self.pid, self.popen, self._platform = popen.pid, popen, platform
        self._owner = os.getpid()
        # Held while a signal is sent, and while it is reaped: no signal goes to a pid that is no longer its own.
        self._lock = threading.Lock()
        self._reaped = False
        # Held while its end is taken, where it cannot be seen otherwise. A leaf.
        self._taking = threading.Lock()
        self._taken: Ended | None = None
        self._told = 0  # when its group was sent a signal the last time, in ticks since the boot
        self.fd = -1
        if platform.pidfd:
            with contextlib.suppress(OSError):  # an older kernel, a sandbox, no descriptor left
                self.fd = os.pidfd_open(popen.pid)

    def ended(self) -> Ended | None:
        """How its leader has ended; None while it runs. It is left to be reaped."""
        if not self._platform.waitid:
            return self._take(wait=False)
        by = (os.P_PIDFD, self.fd) if self.fd >= 0 else (os.P_PID, self.pid)
        try:
            found = os.waitid(*by, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # somebody waits for any child, or SIGCHLD is ignored
            return Ended(None)
        return None if found is None else _how(found)

    def wait(self) -> None:
        """Until it has ended, where nothing else tells."""
        if not self._platform.waitid:
            self._take(wait=True)
            return
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def _take(self, wait: bool) -> Ended | None:
        """Its end, from then on its own; None while it runs."""
        if not hasattr(os, "WNOHANG"):
            code = self.popen.wait() if wait else self.popen.poll()
            return None if code is None else Ended(code)
        if self._taking.acquire(blocking=wait):
            try:
                if self._taken is None:
                    pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
                    self._taken = Ended(os.waitstatus_to_exitcode(status)) if pid else None
            except ChildProcessError:  # Popen would say 0
                self._taken = Ended(None)
            finally:
                self._taking.release()
        return self._taken

    def signal(self, number: int) -> bool:
        """To all of its group; whether there was one."""
        with self._lock:
            if not self._is_ours():
                return False
            self._told = _ticks()
            try:
                if GROUPS:
                    os.killpg(self.pid, number)
                else:
                    self.popen.send_signal(number)
            except (OSError, ValueError):
                return False
            return True

    def signal_late(self, members: Sequence[int], number: int) -> None:
        """To those of its session that were only being forked when its group was sent a signal, and have not got it.

        A shell that forks may lose it for its child. What has a parent that lives, and may have to do with that signal,
        is left to it.
        """
        with self._lock:
            if not self._told or not self._is_ours():
                return
            for member in members:
                with contextlib.suppress(OSError):
                    parent, ticks = born(member)
                    if ticks >= self._told - FORKING and parent not in members and os.getsid(member) == self.pid:
                        os.kill(member, number)

    def signal_leader(self, number: int) -> bool:
        """To the process alone."""
        with self._lock:
            if not self._is_ours() or self.ended() is not None:
                return False
            try:
                os.kill(self.pid, number)
            except OSError:
                return False
            return True

    def kill(self, members: Sequence[int] = ()) -> None:
        """SIGKILL to its group, and to `members` of its session that have groups of their own."""
        with self._lock:
            if not GROUPS:
                with contextlib.suppress(OSError):
                    self.popen.kill()
            elif self._is_ours():
                kill(self.pid, list(members))
            elif self._owner == os.getpid() and not self._reaped and self.pid not in members:
                for member in members:  # it was reaped by somebody else, and its session lives: no other has its name
                    with contextlib.suppress(OSError):
                        os.kill(member, signal.SIGKILL)

    def _is_ours(self) -> bool:
        """Whether its pid is still its own; without waitid, whether it was a moment ago. Called with the lock held."""
        if self._reaped or self._owner != os.getpid():
            return False
        ended = self.ended()
        return ended is None or ended.code is not None

    def reap(self) -> None:
        """Take its end. From then on nothing is sent to it."""
        with self._lock:
            self._reaped = True
            self.popen.poll()
            if self.popen.returncode is None:
                self.popen.returncode = -1  # somebody else has taken it
            fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()

    def forget(self) -> None:
        """In a forked child: it is the parent's."""
        self._lock, self._taking = threading.Lock(), threading.Lock()
        self._reaped, self.popen.returncode = True, -1
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()


def _how(found: Any) -> Ended:
    """From waitid's answer."""
    return Ended(found.si_status if found.si_code == os.CLD_EXITED else -found.si_status)


def _ticks() -> int:
    """What `born` says of a process that begins now; 0 where nothing tells."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def born(pid: int) -> tuple[int, int]:
    """The parent of a process, and when it has begun, in ticks since the boot (proc(5)). Raises OSError."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[1]), int(fields[19])


def living(platform: Platform) -> dict[int, list[int]] | None:
    """The live processes of each session; None where nobody tells."""
    return sessions() if platform.proc else None


def spawn(
    command: Sequence[str],
    *,
    executable: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    platform: Platform | None = None,
) -> Child:
    """Launch a command in a session of its own, with no descriptors of the host. Raises OSError, ValueError."""
    listed = list(command)
    ignored = _ignored()
    if ignored is not None and is_plain_python():
        found = _found(executable or listed[0], env, cwd)
        wrapped = [sys.executable, "-I", "-S", "-c", CLEAR, ",".join(map(str, ignored)), found]
        listed, executable = [*wrapped, *listed], None
    own: dict[str, Any] = {"start_new_session": True}
    if not GROUPS:
        own = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    popen = subprocess.Popen(
        listed, executable=executable, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, bufsize=0, **own
    )
    return Child(popen, platform or Platform())


def is_plain_python() -> bool:
    """Whether `sys.executable` runs what it is told to, and is not the host itself: a frozen program, uWSGI."""
    name = os.path.basename(sys.executable or "")
    return not getattr(sys, "frozen", False) and name.startswith(("python", "pypy"))


def _found(name: str, env: Mapping[str, str] | None, cwd: str | None) -> str:
    """The executable. Raises OSError, for whoever executes it could only tell by a code."""
    if not os.path.dirname(name):
        path = shutil.which(name, path=os.pathsep.join(os.get_exec_path(env)))
        if path is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return path
    path = os.path.join(cwd or "", name)
    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    if os.path.isdir(path) or not os.access(path, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    return name


def _ignored() -> list[int] | None:
    """Numbers of the signals that have to be made usual again; None when a program inherits nothing odd."""
    if not hasattr(signal, "pthread_sigmask"):
        return None
    ignored = [name for name in MINDED if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN]
    if not ignored and not signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        return None
    return [int(getattr(signal, name)) for name in (*ignored, *PYTHONS) if hasattr(signal, name)]


Note = Callable[["Child", bool], None]
"""Is told that a command runs, and that it does not any more."""


def _ignore(child: Child, runs: bool) -> None:
    """For who need not know."""


def run(command: Sequence[str], timeout: float, note: Note = _ignore, **options: Any) -> tuple[int | None, str]:
    """Run a command to its end; its code, and the end of its output. Code None, and why, when it took too long.

    Raises OSError, ValueError. In the caller's thread.
    """
    reading, writing = os.pipe()
    try:
        try:
            child = spawn(command, stdout=writing, stderr=writing, **options)
        finally:
            os.close(writing)
        note(child, True)
        said = _hear(reading, child, time.monotonic() + timeout)
        ended = child.ended()
        child.kill((living(child._platform) or {}).get(child.pid, ()))
        last = time.monotonic() + 1.0
        while child.ended() is None and time.monotonic() < last:
            time.sleep(0.001)
        child.reap()
        note(child, False)
    finally:
        os.close(reading)
    if ended is None:
        return None, f"it took longer than {timeout:g} s"
    if ended.code is None:
        return None, LOST
    return ended.code, said.decode("utf-8", "replace").strip()


def _hear(reading: int, child: Child, deadline: float) -> bytes:
    """What a child writes until it has ended; the last of it."""
    import selectors

    said, over = b"", False
    os.set_blocking(reading, False)
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        if child.fd >= 0:
            selector.register(child.fd, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            patience = max(0.0, deadline - time.monotonic())
            selector.select(patience if child.fd >= 0 else min(patience, 0.05))
            gone = child.ended() is not None  # before the last look at what it has written
            try:
                data = os.read(reading, 65536)
            except BlockingIOError:
                data = None
            said = (said + (data or b""))[-4096:]
            if gone and not data:
                break
            if gone and not over:
                deadline, over = min(deadline, time.monotonic() + REST), True
            if data == b"" and reading in selector.get_map():
                selector.unregister(reading)
    return said
