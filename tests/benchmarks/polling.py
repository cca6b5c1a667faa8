"""CPU and memory of polling: 400 checks, 200 polls a second, against a thread per check with `requests.get`.

As a program with `--as` it is one of the sides, and prints microseconds of CPU per poll.
"""

from __future__ import annotations

import argparse
import compileall
import json
import pathlib
import random
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

from fresh import said, script, started
from lines import Line, measuring, median_ratio, short, skip, spread
from servers import Ports, running

CHECKS = 400
EVERY = 2.0
WARM = 2.5
PACKAGE = pathlib.Path(__file__).parents[2] / "minimon"


class Side(Protocol):
    """What polls. It may start again after it was stopped."""

    def start(self) -> object:
        """Begin to poll, spread out over the first round."""

    def stop(self) -> object:
        """Poll no more; all threads have ended."""

    def polls(self) -> int:
        """Polls so far that found what they should."""


class Ours:
    """The Monitor as a host starts it."""

    def __init__(self, url: str, reuse: bool = False) -> None:
        from minimon import Check, Monitor

        self._names = [f"check {number}" for number in range(CHECKS)]
        self._monitor = Monitor([Check(name, url, every=EVERY, reuse=reuse) for name in self._names])
        self.start, self.stop = self._monitor.start, self._monitor.stop

    def polls(self) -> int:
        """All passes."""
        return sum(self._monitor.state(name).counts.pass_ for name in self._names)


class Threads:
    """Threads that poll, each counting for itself."""

    def __init__(self, number: int) -> None:
        self._passed = [0] * number
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """All of them."""
        self._ended.clear()
        numbers = range(len(self._passed))
        self._threads = [threading.Thread(target=self._poll, args=(n,), daemon=True) for n in numbers]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for all of them."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def polls(self) -> int:
        """All passes."""
        return sum(self._passed)

    def _poll(self, number: int) -> None:
        raise NotImplementedError


class Theirs(Threads):
    """What a host would write without a monitor: a thread a check."""

    def __init__(self, url: str) -> None:
        import requests

        super().__init__(CHECKS)
        self._requests, self._url = requests, url
        self._seen: list[tuple[bool, float]] = [(False, 0.0)] * CHECKS

    def _poll(self, number: int) -> None:
        ended, requests = self._ended, self._requests
        ended.wait(random.random() * EVERY)
        while not ended.is_set():
            start = time.monotonic()
            try:
                ok = requests.get(self._url, timeout=5).status_code == 200
            except requests.RequestException:
                ok = False
            self._seen[number] = ok, time.monotonic() - start
            self._passed[number] += ok
            ended.wait(max(0.0, EVERY - self._seen[number][1]))


class Bare(Threads):
    """What there is at least: four threads and sockets, nothing looked at, nothing kept, no deadline for the whole."""

    def __init__(self, url: str) -> None:
        super().__init__(4)
        address = urllib.parse.urlsplit(url)
        self._address = address.hostname, address.port
        self._request = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode()

    def _poll(self, number: int) -> None:
        pause = EVERY / CHECKS * len(self._passed)
        due = time.monotonic() + EVERY / CHECKS * number
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            with socket.create_connection(self._address, 5) as sock:
                sock.sendall(self._request)
                sock.recv(65536)
            self._passed[number] += 1
            due += pause


def side(who: str, url: str) -> Side:
    """One of them, by its name."""
    if who == "bare":
        return Bare(url)
    return Theirs(url) if who == "theirs" else Ours(url, who == "reused")


def cpu() -> float:
    """Seconds of CPU that this process took, in user mode and in the kernel."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(side: Side, seconds: float) -> dict[str, float]:
    """Microseconds of CPU per poll over so many seconds, after the first round."""
    side.start()
    threading.Event().wait(WARM)
    count, used = side.polls(), cpu()
    threading.Event().wait(seconds)
    used = cpu() - used
    count, threads = side.polls() - count, threading.active_count()
    side.stop()
    return {"us": used / max(1, count) * 1e6, "rate": count / seconds, "threads": threads}


MEMORY = """
import http.server, json, logging, ssl, time, urllib.request
def kib(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
before = kib("VmRSS")
from minimon import Check, Monitor
monitor = Monitor([Check(f"check {{n}}", {url!r}, every={every}, reuse={reuse}) for n in range({checks})]).start()
time.sleep({every} * {rounds} + 0.3)
after, peak = kib("VmRSS"), kib("VmHWM")
polled = min(monitor.state(f"check {{n}}").counts.pass_ for n in range({checks}))
print(json.dumps(dict(added=(after - before) / 1024, peak=(peak - before) / 1024, polled=polled)))
"""
"""Nothing is imported but what a host has that speaks HTTP and TLS, and then minimon; MiB."""


def memory(url: str, reuse: bool, rounds: int) -> Iterator[Line]:
    """What the whole adds to a process, in three processes at once: unlike time it does not depend on the others."""
    compileall.compile_dir(PACKAGE, quiet=2)  # as installers do: to compile it takes memory once
    program = MEMORY.format(url=url, every=EVERY, checks=CHECKS, reuse=reuse, rounds=rounds)
    with ExitStack() as stack:
        command = (sys.executable, "-c", program)
        processes = [stack.enter_context(started(*command, stdout=subprocess.PIPE)) for _ in range(3)]
        seen = [said(process.communicate(timeout=60)[0])[0] for process in processes]
    added, peak, polled = ([one[key] for one in seen] for key in ("added", "peak", "polled"))
    note = f"{spread(added)} processes, at its peak {short(max(peak))}; each check polled {min(polled)} times"
    what = f"memory added by {CHECKS} checks" + ", connections reused" * reuse
    yield Line("polling", what, statistics.median(added), "MiB", 6, note)


def costs(ports: Ports, rounds: int, seconds: float) -> Iterator[Line]:
    """Each side in a process of its own, one after the other, so many times."""
    command = ("--url", f"http://127.0.0.1:{ports.steady}/", "--seconds", str(seconds), "--as")
    runs = [
        [script("polling.py", *command, who, python=sys.executable)[0] for who in ("fresh", "theirs", "reused")]
        for _ in range(rounds)
    ]
    fresh, theirs, reused = (list(some) for some in zip(*runs))
    us = {who: [run["us"] for run in some] for who, some in (("fresh", fresh), ("theirs", theirs), ("reused", reused))}
    what = "against a thread each, requests.get"
    yield median_ratio("polling", what, us["fresh"], us["theirs"], 0.32, "us CPU")
    yield median_ratio("polling", f"{what}, connections reused", us["reused"], us["theirs"], 0.27, "us CPU")
    for who, some in (("minimon", fresh), ("requests", theirs)):
        note = ", ".join(f"{run['rate']:.0f} polls/s" for run in some)
        yield Line("polling", f"threads of {who}", max(run["threads"] for run in some), "", note=note)


def measure(quick: bool) -> Iterator[Line]:
    """CPU, then memory."""
    try:
        import requests  # noqa: F401
    except ImportError:
        yield skip("polling", "needs requests")
        return
    with running() as ports:
        yield from costs(ports, 1 if quick else 3, 1.5 if quick else 4.0)
        if not pathlib.Path("/proc/self/status").exists():
            yield skip("polling", "memory: no /proc")
            return
        for reuse in (False, True):
            yield from memory(f"http://127.0.0.1:{ports.steady}/", reuse, 2 if quick else 4)


def main() -> None:
    """The row, or one side of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", dest="who", choices=("fresh", "reused", "theirs"))
    parser.add_argument("--url")
    parser.add_argument("--seconds", type=float)
    chosen, _ = parser.parse_known_args()
    if chosen.who is None:
        measuring(measure)
    else:
        print(json.dumps(cost(side(chosen.who, chosen.url), chosen.seconds)))


if __name__ == "__main__":
    main()
