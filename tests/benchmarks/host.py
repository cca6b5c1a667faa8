"""What 200 polls a second cost the host: a thread of it that computes, and a web server of its own.

As a program with `--as` it is the host: `computing` counts what it computes, `serving` serves until its standard
input ends, and polls as it is told there.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, NamedTuple

from fresh import HERE, script, started
from lines import Line, measuring, percentile, skip, spread
from polling import Side, side
from servers import running

SIDES = ("ours", "theirs", "bare")
OFF = "off"
SETTLE = 0.3
"""Seconds until a window begins, after polls began or ended."""
REQUESTS = 200
"""Requests a second of the client."""


class Polls:
    """All sides in one process, of which one polls at a time, or none."""

    def __init__(self, url: str) -> None:
        self._sides: dict[str, Side] = {who: side(who, url) for who in SIDES}
        self._on = OFF

    def switch(self, who: str) -> None:
        """From now on it is this one, or OFF."""
        if self._on != OFF:
            self._sides[self._on].stop()
        self._on = who
        if who != OFF:
            self._sides[who].start()

    def count(self) -> int:
        """Polls so far of the one that polls."""
        return 0 if self._on == OFF else self._sides[self._on].polls()


class Window(NamedTuple):
    """What was seen in some time."""

    who: str
    value: float
    rate: float
    """Polls a second."""


def compute(seconds: float) -> float:
    """Keep the interpreter busy for so long; how much was computed, per second."""
    start = now = time.perf_counter()
    done, value = 0, 1
    while now - start < seconds:
        for _ in range(1000):
            value = (value * 31 + 7) & 0xFFFF
        done += 1
        now = time.perf_counter()
    return done / (now - start)


def computing(url: str, rounds: int, seconds: float) -> list[Window]:
    """The host's thread is the main one, and times itself."""
    polls = Polls(url)
    windows = []
    for who in order(rounds):
        polls.switch(who)
        compute(SETTLE)
        start, count = time.perf_counter(), polls.count()
        done = compute(seconds)
        windows.append(Window(who, done, (polls.count() - count) / (time.perf_counter() - start)))
    return windows


def order(rounds: int) -> list[str]:
    """Who polls in which window: before and after each of the sides there is one without polls."""
    return ([OFF, "ours"] * 2 + [OFF, "theirs", OFF, "bare"]) * rounds + [OFF]


def beside(windows: list[Window], who: str) -> list[float]:
    """Each window's value as a share of what its two neighbours without polls say."""
    return [
        2 * window.value / (before.value + after.value)
        for before, window, after in zip(windows, windows[1:], windows[2:])
        if window.who == who
    ]


def rate(windows: list[Window], who: str) -> str:
    """How many polls there really were."""
    return f"{statistics.median(window.rate for window in windows if window.who == who):.0f} polls/s"


def middle(windows: list[Window], who: str) -> float:
    """The median of what the windows say."""
    return statistics.median(window.value for window in windows if window.who == who)


class Page(BaseHTTPRequestHandler):
    """A page as a host makes it, anew for each request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Some JSON."""
        items = [{"name": f"item {number}", "price": number * 1.5, "tags": ["a", "b"]} for number in range(100)]
        body = json.dumps(items).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nowhere."""


def serving(url: str, lines: IO[str]) -> None:
    """Serve; each line says who polls from now on, and is answered by how many polls there were since the last one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    polls = Polls(url)
    print(json.dumps([server.server_address[1]]), flush=True)
    before = 0
    for line in lines:
        polled = polls.count() - before
        polls.switch(line.strip())
        before = polls.count()
        print(json.dumps([polled]), flush=True)


class Client:
    """Asks at random instants, so many times a second, on one connection; one that is late asks at once."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), 5)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._random = random.Random(7)

    def ask(self) -> float:
        """Milliseconds until the whole answer was there."""
        start = time.perf_counter()
        self._sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = self._sock.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        left = int(head.rpartition(b"Content-Length: ")[2].split(b"\r\n")[0]) - len(body)
        while left > 0:
            left -= len(self._sock.recv(65536))
        return (time.perf_counter() - start) * 1e3

    def window(self, seconds: float) -> list[float]:
        """All that was measured in so long."""
        found, due = [], time.perf_counter()
        end = due + seconds
        while due < end:
            time.sleep(max(0.0, due - time.perf_counter()))
            found.append(self.ask())
            due += self._random.uniform(0, 2 / REQUESTS)
        return found


def served(url: str, rounds: int, seconds: float) -> list[Window]:
    """The p99 of each window, of a server in a process of its own, by the client in this one."""
    command = (sys.executable, str(HERE / "host.py"), "--as", "serving", "--url", url)
    with started(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        client = Client(json.loads(process.stdout.readline())[0])
        windows: list[Window] = []
        gc.disable()
        for who in order(rounds):
            polled = _tell(process, who)
            if windows:
                windows[-1] = windows[-1]._replace(rate=polled / (SETTLE + seconds))
            client.window(SETTLE)
            windows.append(Window(who, percentile(client.window(seconds), 0.99), 0.0))
        gc.enable()
        process.stdin.close()
        process.wait(10)
    return windows


def _tell(process: subprocess.Popen[str], who: str) -> int:
    """Have another side poll; how many polls there were since the last time."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{who}\n")
    process.stdin.flush()
    return int(json.loads(process.stdout.readline())[0])


def slowed(windows: list[Window]) -> Iterator[Line]:
    """The thread that computes."""
    lost = {who: [(1 - share) * 100 for share in beside(windows, who)] for who in SIDES}
    ours, theirs, bare = (statistics.median(lost[who]) for who in SIDES)
    note = f"{rate(windows, 'ours')}, {spread(lost['ours'], 1)}"
    yield Line("host", "a thread that computes: slowed by", ours, "%", 5, note)
    note = f"{rate(windows, 'bare')}, {spread(lost['bare'], 1)}"
    yield Line("host", "the same by bare sockets on four threads", bare, "%", note=note)
    note = f"{rate(windows, 'theirs')}, slowed by {theirs:.1f} %, {spread(lost['theirs'], 1)}"
    share = ours / theirs if theirs > 0 else float("nan")
    yield Line("host", "the same, against what requests.get costs it", share, "x", 0.3, note)


def delayed(windows: list[Window]) -> Iterator[Line]:
    """The web server."""
    sides = (
        ("ours", 1.1, "with polls"),
        ("theirs", None, "with those of requests.get"),
        ("bare", None, "with bare ones"),
    )
    for who, bar, whose in sides:
        found = beside(windows, who)
        note = (
            f"{middle(windows, who):.2f} / {middle(windows, OFF):.2f} ms; {rate(windows, who)}, ratio {spread(found)}"
        )
        yield Line("host", f"p99 of a web server, {whose}", statistics.median(found), "x", bar, note)


def measure(quick: bool) -> Iterator[Line]:
    """Many short windows, for what else the machine does comes and goes."""
    try:
        import requests  # noqa: F401
    except ImportError:
        yield skip("host", "needs requests")
        return
    with running() as ports:
        url = f"http://127.0.0.1:{ports.steady}/"
        rounds, seconds = (1, 0.5) if quick else (5, 0.6)
        said = script("host.py", "--as", "computing", "--url", url, "--rounds", str(rounds), "--seconds", str(seconds))
        yield from slowed([Window(*one) for one in said[0]])
        yield from delayed(served(url, *((1, 0.8) if quick else (4, 1.0))))


def main() -> None:
    """The row, or one host."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", dest="what", choices=("computing", "serving"))
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    chosen, _ = parser.parse_known_args()
    if chosen.what == "computing":
        print(json.dumps(computing(chosen.url, chosen.rounds, chosen.seconds)))
    elif chosen.what == "serving":
        serving(chosen.url, sys.stdin)
    else:
        measuring(measure)


if __name__ == "__main__":
    main()
