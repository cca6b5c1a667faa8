"""What the guard does: a small process that waits for the host's end, and then ends the host's processes.

It runs as a program of its own, from this module's code alone: so nothing of the package is imported here.
The host writes lines to its standard input, which ends when the host does, however that comes about:

    try TOKEN SIGNAL TIMEOUT  a process is about to be launched that has MINIMON_PROCESS=TOKEN in its environment
    add PID SIGNAL TIMEOUT    it runs: end its session with SIGNAL, after TIMEOUT seconds with SIGKILL
    del PID                   all of that session has ended
    told                      each of them was sent its SIGNAL already
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

SEARCH = 1.0
"""Seconds in which a process is looked for that was being launched when the host ended."""
STEP = 0.05
"""Seconds between two looks."""
LOOKS = 3
"""Looks in which nothing of a session was seen, until nothing is left of it."""
LAST = 5.0
"""Seconds after the last SIGKILL; what lives then cannot be ended."""
TOKEN = "MINIMON_PROCESS"


def sessions() -> dict[int, list[int]] | None:
    """The live processes of each session (proc(5)); None where there is no /proc."""
    found: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return None
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if len(fields) > 3 and fields[0] not in (b"Z", b"X"):
                found.setdefault(int(fields[3]), []).append(int(name))
    return found if found else None


def sessions_of(token: str) -> list[int]:
    """The sessions in which a process was launched with this token. Their leader may have ended already."""
    wanted = f"{TOKEN}={token}".encode()
    return [leader for leader, members in (sessions() or {}).items() if any(_has(pid, wanted) for pid in members)]


def _has(pid: int, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:  # not ours, or it has ended
        return False


def send(pid: int, number: int) -> bool:
    """A signal to a process group; whether there is one."""
    try:
        os.killpg(pid, number)
    except OSError:
        return False
    return True


def kill(pid: int, members: list[int]) -> None:
    """SIGKILL to a group, and to those of its session that have groups of their own."""
    send(pid, signal.SIGKILL)
    for member in members:
        try:
            if os.getsid(member) == pid:
                os.kill(member, signal.SIGKILL)
        except OSError:
            pass


class Guard:
    """The sessions to be ended."""

    def __init__(self, search: float = SEARCH) -> None:
        self.search = search
        self.groups: dict[int, tuple[int, float]] = {}
        self.empty: dict[int, int] = {}
        self.tried, self.end_of_tried = "", (0, 0.0)
        self.told: set[int] = set()

    def hear(self, line: str) -> None:
        """One line of the host; what cannot be understood is passed over, for who ends by it would end nobody."""
        word, *rest = line.split() or [""]
        try:
            if word == "try":
                self.tried, self.end_of_tried = rest[0], (int(rest[1]), float(rest[2]))
            elif word == "add":
                self.groups[int(rest[0])] = int(rest[1]), float(rest[2])
                self.tried = ""
            elif word == "del":
                self.groups.pop(int(rest[0]), None)
            elif word == "told":
                self.told.update(self.groups)
        except (IndexError, ValueError):
            return

    def end(self) -> None:
        """End them all."""
        begun = time.monotonic()
        deadlines: dict[int, float] = {}
        while time.monotonic() < max([begun, *deadlines.values()]) + LAST:
            if self.tried and time.monotonic() < begun + self.search:
                for late in sessions_of(self.tried):
                    self.groups.setdefault(late, self.end_of_tried)
            for pid, (number, timeout) in self.groups.items():
                if pid not in deadlines:
                    deadlines[pid] = time.monotonic() + timeout
                    if pid not in self.told:
                        send(pid, number)
                        send(pid, signal.SIGCONT)
            self.sweep(deadlines)
            if not self.groups and not (self.tried and time.monotonic() < begun + self.search):
                return
            time.sleep(STEP)

    def sweep(self, deadlines: dict[int, float]) -> None:
        """Forget what has ended, kill what is late."""
        living = sessions()
        for pid in list(self.groups):
            members = [] if living is None else living.get(pid, [])
            if not (members or (living is None and send(pid, 0))):
                send(pid, signal.SIGKILL)  # what was forked while /proc was read is not in it
                self.empty[pid] = self.empty.get(pid, 0) + 1
                if self.empty[pid] >= LOOKS:
                    del self.groups[pid]
            elif time.monotonic() >= deadlines[pid]:
                kill(pid, members)


def listen(guard: Guard, host: int) -> None:
    """Hear the host until it ends."""
    watched = [0]
    try:
        watched.append(os.pidfd_open(host))  # a child that it has forked may hold the other end of the pipe
    except (AttributeError, OSError):
        pass
    os.set_blocking(0, False)
    gone, rest = False, b""
    while True:
        gone = gone or os.getppid() != host
        if not gone:
            gone = select.select(watched, (), ())[0] not in ([], [0])
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            if gone:
                return
            continue
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            guard.hear(line.decode("ascii", "replace"))
        if not data:
            return


def main() -> None:
    """Wait for the end of the host whose pid is the last argument."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGTSTP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.chdir("/")
    guard = Guard()
    listen(guard, int(sys.argv[-1]))
    guard.end()


if __name__ == "__main__":
    main()
