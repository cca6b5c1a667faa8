"""What supervisors are measured with: `python programs.py KIND ...` is one program that misbehaves, writes, or listens.

Nothing but the standard library, and little of it, for a hundred of them are started at the same time.
"""

from __future__ import annotations

import os
import signal
import sys
import time

LONG = 3600
"""Seconds that a program lives, if nobody ends it."""
COUNTS = {"forking": 3, "deaf": 2, "orphan": 3, "grouped": 3}
"""Processes of each kind that misbehaves, its leader included."""
AGAIN = 'echo $$ > "$1"; exec sleep 3600\n'
"""A program of the shell that says its pid into a pipe with a name, as soon as it runs."""
SLOW = "trap 'sleep $2; exit 0' TERM; sleep $1; echo ready; while :; do sleep 3600 & wait $!; done\n"
"""One that takes its time to get ready, and to end."""


def rest() -> None:
    """Until somebody ends it."""
    while True:
        time.sleep(LONG)


def child(deaf: bool = False, grouped: bool = False) -> None:
    """Fork one that stays."""
    if os.fork():
        return
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if grouped:
        os.setpgid(0, 0)
    rest()


def forking() -> None:
    """A leader with two children."""
    child()
    child()
    rest()


def deaf() -> None:
    """A leader and a child that ignore TERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child(deaf=True)
    rest()


def orphan() -> None:
    """Children whose parent has ended, in the session of the leader; one of them ignores TERM."""
    if not os.fork():
        child()
        child(deaf=True)
        os._exit(0)
    os.wait()
    rest()


def grouped() -> None:
    """Children in process groups of their own, in the session of the leader; one of them ignores TERM."""
    child(grouped=True)
    child(grouped=True, deaf=True)
    rest()


def write(size: str, result: str, line: str) -> None:
    """Write so many bytes, in blocks of whole lines of so many bytes; tell the seconds that it took in a file."""
    length = int(line)
    block = (b"x" * (length - 1) + b"\n") * max(1, 65536 // length)
    left, longest, begun = int(size), 0.0, time.monotonic()
    while left > 0:
        before = time.monotonic()
        left -= os.write(1, block)
        longest = max(longest, time.monotonic() - before)
    seconds = time.monotonic() - begun
    with open(f"{result}.new", "w", encoding="ascii") as file:
        file.write(f"{seconds} {longest}")
    os.replace(f"{result}.new", result)


def listen(port: str) -> None:
    """Take connections."""
    import socket

    server = socket.create_server(("127.0.0.1", int(port)))
    while True:
        server.accept()[0].close()


if __name__ == "__main__":
    KINDS = {each.__name__: each for each in (forking, deaf, orphan, grouped, write, listen)}
    KINDS[sys.argv[1]](*sys.argv[2:])
