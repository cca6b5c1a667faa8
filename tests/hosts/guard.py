"""Ends the hosts of a harness that was killed: reads their sessions, a line each, and kills them unless told `done`.

usage: guard.py, with the harness at the other end of its standard input
"""

from __future__ import annotations

import os
import signal
import sys


def members(leader: int) -> list[int]:
    """The processes of a session, zombies not counted."""
    found = []
    for name in os.listdir("/proc"):
        fields = stat(int(name)) if name.isdigit() else []
        if fields and fields[0] != "Z" and int(fields[3]) == leader:
            found.append(int(name))
    return found


def stat(pid: int) -> list[str]:
    """State, parent, group, session and more of a process; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def kill(leader: int) -> None:
    """Kill a session."""
    for pid in members(leader):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def main() -> None:
    """Until the other end says that it is done, or is no more."""
    leaders = []
    for line in sys.stdin:
        if line.strip() == "done":
            return
        leaders.append(int(line))
    for leader in leaders:
        kill(leader)


if __name__ == "__main__":
    main()
