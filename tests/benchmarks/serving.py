"""The health server against a raw-socket server, the plain HTTPServer and a buffered ThreadingHTTPServer.

Each serves `/health` in a process of its own; one client process asks all of them in turn, over and over, with 16
connections. CPU is that of the server's process; requests a second are the client's.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from lines import Line, measuring, median_ratio, percentile

BODY = b'{"status": "healthy"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: 21\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n" + BODY
)
ASK = b"GET /health HTTP/1.1\r\nHost: localhost\r\nUser-Agent: probe\r\nAccept: */*\r\n\r\n"
ASK_ONCE = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


PROCESSORS = sorted(getattr(os, "sched_getaffinity", lambda _: {0})(0))
"""Those of the client, the first, and of the servers, the last."""

# servers


def serve_raw() -> int:
    """A thread for each connection, ready bytes."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def talk(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), client:
            while data := client.recv(65536):
                client.sendall(ANSWER)
                if b"close" in data:
                    return

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


class Healthy:
    """A subject that is read at once, as a Monitor."""

    def overall(self) -> str:
        """Fine."""
        return "healthy"

    def snapshot(self) -> dict[str, str]:
        """Nothing."""
        return {}


class Plain(http.server.BaseHTTPRequestHandler):
    """As one writes it: HTTP/1.0, head and body apart."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "21")
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Buffered(Plain):
    """The same for connections that are kept, and in one send."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True


def serve_http(server: type[http.server.HTTPServer], handler: type[Plain]) -> int:
    """On a thread."""
    made = server(("127.0.0.1", 0), handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return int(made.server_address[1])


def serve_ours() -> int:
    """The same subject, at once."""
    from minimon import HealthCheckServer

    return HealthCheckServer(port=0).start(Healthy()).port


SERVERS = {
    "minimon": serve_ours,
    "raw": serve_raw,
    "plain": lambda: serve_http(http.server.HTTPServer, Plain),
    "buffered": lambda: serve_http(http.server.ThreadingHTTPServer, Buffered),
}


def serve(name: str) -> None:
    """Serve until stdin ends; tell the port, and the CPU whenever a line comes."""
    print(SERVERS[name](), flush=True)
    for _ in sys.stdin:
        used = time.process_time()
        print(used, flush=True)


class Served:
    """One of them in a process of its own, pinned to one processor."""

    def __init__(self, name: str) -> None:
        self.name = name
        command = [sys.executable, __file__, "--serve", str(PROCESSORS[-1]), name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def cpu(self) -> float:
        """Seconds of CPU up to now."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


# the client


class Client:
    """One of many, which asks again as soon as it was answered. It connects anew when the server has closed."""

    def __init__(self, port: int, ask: bytes, waiting: select.epoll, crowd: dict[int, Client]) -> None:
        self.port, self.ask, self.waiting, self.crowd = port, ask, waiting, crowd
        self.times: list[float] = []
        self._connect()

    def _connect(self) -> None:
        self.begun, self.got, self.closes = time.perf_counter(), b"", False
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect_ex(("127.0.0.1", self.port))
        self.fd = self.sock.fileno()
        self.crowd[self.fd] = self
        self.waiting.register(self.fd, select.EPOLLOUT)

    def go_on(self, events: int) -> None:
        """Send the request, or take what has come of the answer."""
        if events & select.EPOLLOUT:
            self.sock.send(self.ask)
            self.waiting.modify(self.fd, select.EPOLLIN)
            return
        try:
            data = self.sock.recv(4096)
        except ConnectionError:
            data = b""
        self.got += data
        if not data:
            self.end()
            self._connect()
        elif not self.closes and self.got.endswith(BODY):
            now = time.perf_counter()
            self.times.append(now - self.begun)
            self.closes = b"Connection: close" in self.got or b"HTTP/1.0" in self.got  # what comes next is the end
            self.begun, self.got = now, b""
            if not self.closes:
                self.sock.send(self.ask)

    def end(self) -> None:
        """Close."""
        del self.crowd[self.fd]
        self.sock.close()


def asked(port: int, clients: int, total: int, ask: bytes = ASK, most: float = 5.0) -> list[float]:
    """The seconds of each answer to so many clients at once, of which each has its share of the answers.

    After the most seconds they are not waited for any more: what has not been answered by then counts as so long.
    """
    waiting, share = select.epoll(), total // clients
    crowd: dict[int, Client] = {}
    for _ in range(clients):
        Client(port, ask, waiting, crowd)
    times: list[float] = []
    end = time.perf_counter() + most
    while crowd:
        if time.perf_counter() > end:
            for client in list(crowd.values()):
                times += [*client.times, time.perf_counter() - client.begun]
                client.end()
            break
        for fd, events in waiting.poll(0.1):
            client = crowd[fd]
            client.go_on(events)
            if len(client.times) >= share:
                times += client.times
                client.end()
    waiting.close()
    return times


def measure(quick: bool) -> Iterator[Line]:
    """Interleaved, with ratios of pairs."""
    rounds, most = (3, 2000) if quick else (9, 8000)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {PROCESSORS[0]})
    served = {name: Served(name) for name in SERVERS}
    cpu, rate, tail, once = ({name: [] for name in served} for _ in range(4))  # type: ignore[var-annotated]
    worst = 0.0
    for _ in range(rounds):
        for name, server in served.items():  # the clients of the plain one wait for seconds, since its queue is short
            seconds = (1.0 if quick else 2.0) if name == "plain" else 10.0
            before, begun = server.cpu(), time.perf_counter()
            times = asked(server.port, 16, most, most=seconds)
            rate[name].append(len(times) / (time.perf_counter() - begun))
            cpu[name].append((server.cpu() - before) / len(times) * 1e6)
            if name == "minimon":
                worst = max(worst, *times)
            tail[name].append(percentile(asked(server.port, 64, most, most=seconds), 0.99) * 1e3)
            begun = time.perf_counter()
            answers = len(asked(server.port, 16, most // 4, ASK_ONCE, seconds))
            once[name].append(answers / (time.perf_counter() - begun))
    for server in served.values():
        server.end()
    for name, bar in (("raw", 2.2), ("plain", 0.12), ("buffered", 0.28)):
        what = f"CPU per /health, 16 keep-alive clients, against {name}"
        yield median_ratio("serving", what, cpu["minimon"], cpu[name], bar, "us")
    yield median_ratio(
        "serving", "plain: requests/s, 16 keep-alive, of ours", rate["plain"], rate["minimon"], 1 / 15, "/s"
    )
    yield median_ratio(
        "serving", "plain: requests/s, 16 that close, of ours", once["plain"], once["minimon"], 1 / 6, "/s"
    )
    yield median_ratio("serving", "p99 under 64 connections, against plain", tail["minimon"], tail["plain"], 0.05, "ms")
    yield Line("serving", "the longest answer of all, 16 keep-alive", worst * 1e3, "ms", 40)


if __name__ == "__main__":
    if "--serve" in sys.argv:
        with contextlib.suppress(AttributeError, OSError):  # before there are threads: each has its own
            os.sched_setaffinity(0, {int(sys.argv[-2])})
        serve(sys.argv[-1])
    else:
        measuring(measure)
