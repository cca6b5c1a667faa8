"""Runs real hosts on loopback with a guest in one of its variants.

Each poll of a guest sends a datagram to a Collector; a Visitor asks the host all the time, and remembers which worker
said what; a Target is what is polled, and well or not. Every wait has its deadline, and only processes that were
started here are ended: those of the host's session. Should the harness itself be killed, a guard ends them.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from support import ROOT, wait_until

from . import guard
from .guard import members
from .table import EVERY, Host

APPLICATIONS = pathlib.Path(__file__).resolve().parent / "applications"
START = 20.0
"""Seconds in which a host has to come up, and each of its workers to answer."""
PATIENCE = 4.0
"""Seconds after which a worker that tells an old tale is said never to learn, and nobody takes over any more."""
END = 20.0
"""Seconds after which a host that does not end is killed."""


class Poll(NamedTuple):
    """A datagram of a guest: who polled, and when by the monotonic clock, which is the whole machine's."""

    pid: int
    at: float


class Answer(NamedTuple):
    """What a worker said, and when it was asked."""

    pid: int
    word: str
    at: float
    body: dict[str, Any]


class Collector:
    """Receives the datagrams, on a thread of its own."""

    def __init__(self) -> None:
        self.polls: list[Poll] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        for data in iter(lambda: self._socket.recv(100), b""):
            pid, at = data.split()
            self.polls.append(Poll(int(pid), float(at)))

    def since(self, at: float) -> list[Poll]:
        """The polls from then on."""
        return [poll for poll in list(self.polls) if poll.at >= at]

    def close(self) -> None:
        """End."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5.0)
        self._socket.close()


class Target(ThreadingHTTPServer):
    """What the guests poll; 503 while it is not well."""

    daemon_threads = True
    well = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _OfTarget)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A guest that was killed in the middle is nothing to speak of."""


class _OfTarget(BaseHTTPRequestHandler):
    server: Target

    def do_GET(self) -> None:
        self.send_response(200 if self.server.well else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Visitor:
    """Asks the host for /health all the time, several at once and each a little slow, so that every worker has to."""

    def __init__(self, port: int, workers: int) -> None:
        self.answers: list[Answer] = []
        self._port, self._paths = port, ["/health?hold=0.02"] * (2 * workers + 1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self._thread.start()

    def _visit(self) -> None:
        while not self._ended.wait(0.05):
            self.answers.extend(burst(self._port, self._paths))

    def since(self, at: float) -> list[Answer]:
        """The answers to what was asked from then on."""
        return [answer for answer in list(self.answers) if answer.at >= at]

    def close(self) -> None:
        """Ask no more."""
        self._ended.set()
        self._thread.join(10.0)


def burst(port: int, paths: Sequence[str]) -> list[Answer]:
    """Ask for all of them at once, on a fresh connection each; what came within a second or two."""
    asked, answers, deadline = [], [], time.monotonic() + 2.0
    for path in paths:
        with contextlib.suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=2.0)
            asked.append((connection, time.monotonic()))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    for connection, at in asked:
        with connection, contextlib.suppress(OSError, ValueError, KeyError):
            answers.append(_understood(_everything(connection, deadline), at))
    return answers


def _everything(connection: socket.socket, deadline: float) -> bytes:
    """All of an answer; some servers take their time to close a connection."""
    data = b""
    while not _complete(data):
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        more = connection.recv(1 << 20)
        if not more:
            break
        data += more
    return data


def _complete(data: bytes) -> bool:
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return body.endswith(b"0\r\n\r\n") if length is None else len(body) >= int(length[1])


def _understood(data: bytes, at: float) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        body = body[body.index(b"\n") + 1 :]
    document = json.JSONDecoder().raw_decode(body.decode())[0]
    pid = re.search(rb"(?im)^x-pid: *(\d+)", head)
    told = int(pid[1]) if pid else document["sharing"]["pid"]  # of a HealthCheckServer
    return Answer(told, document.get("status", ""), at, document)


# --- the process


class Programs:
    """Programs, each in a session of its own. Should the harness be killed, a guard kills them."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self._guard = subprocess.Popen(
            [sys.executable, "-E", "-S", guard.__file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def start(
        self, command: list[str], log: pathlib.Path, folder: pathlib.Path, environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start one in that folder; what it says is written into the log."""
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        self.started.append(process)
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{process.pid}\n")
        self._guard.stdin.flush()
        return process

    def close(self) -> None:
        """Kill what is left of them."""
        for process in self.started:
            guard.kill(process.pid)
            process.wait(10.0)
        self._guard.communicate("done\n", timeout=10.0)


class Running:
    """A host that runs, and all that was started with it."""

    def __init__(self, host: Host, variant: str, folder: pathlib.Path) -> None:
        self.host, self.variant = host, variant
        self.port, self.health_port = free_port(), free_port()
        self.collector, self.target = Collector(), Target()
        self.folder = folder / "app"
        shutil.copytree(APPLICATIONS, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "runtime").mkdir(mode=0o700)
        self._environment = environment(
            HOSTS_VARIANT=variant,
            HOSTS_COLLECTOR=str(self.collector.port),
            HOSTS_TARGET=self.target.url,
            HOSTS_HEALTH_PORT=str(self.health_port),
            HOSTS_EVERY=str(EVERY),
            MINIMON_RUNTIME_DIR=str(folder / "runtime"),
            PYTHONPATH=f"{ROOT}{os.pathsep}{self.folder}",
        )
        self._programs, self._log = Programs(), folder / "log"
        self.process = self._programs.start(host.command(self.port), self._log, self.folder, self._environment)
        if host.beside is not None:
            bare = {**self._environment, "HOSTS_VARIANT": "none"}
            self._programs.start(host.beside(self.port), folder / "beside", self.folder, bare)
        self.visitor = Visitor(self.port, host.workers)

    @property
    def log(self) -> str:
        """What it said."""
        return self._log.read_text(errors="replace")

    def workers(self, since: float, times: int = 2) -> set[int]:
        """Those that live and have answered so often since then."""
        pids = [answer.pid for answer in self.visitor.since(since)]
        return {pid for pid in pids if pids.count(pid) >= times and alive(pid)}

    def wait_for_workers(self) -> int:
        """Until each has answered twice; how many have in time."""
        wait_until(lambda: len(self.workers(0.0)) >= self.host.workers, START)
        return len(self.workers(0.0))

    def last_poller(self) -> int:
        """Who polled last; 0 if nobody ever did."""
        polls = self.collector.polls
        return polls[-1].pid if polls else 0

    def ask_all(self, path: str) -> dict[int, dict[str, Any]]:
        """What each worker says to that."""
        said: dict[int, dict[str, Any]] = {}

        def enough() -> bool:
            said.update(
                (answer.pid, answer.body)
                for answer in burst(self.port, [f"{path}?hold=0.02"] * (2 * self.host.workers + 1))
            )
            return len(said) >= self.host.workers

        wait_until(enough, PATIENCE)
        return said

    def touch(self) -> None:
        """Have a development server start anew."""
        path = self.folder / "touched.py"
        later = path.stat().st_mtime + 2
        os.utime(path, (later, later))

    def tell_to_end(self) -> float:
        """As its user would; the seconds until all its processes have ended, or infinity."""
        self.visitor.close()
        began = time.monotonic()
        if self.host.ctrl_c:
            os.killpg(self.process.pid, self.host.signal)
        else:
            self.process.send_signal(self.host.signal)
        ended = wait_until(lambda: self.process.poll() is not None and not members(self.process.pid), END)
        return time.monotonic() - began if ended else float("inf")

    def close(self) -> None:
        """Kill what is left of it."""
        self.visitor.close()
        self._programs.close()
        self.target.shutdown()
        self.target.server_close()
        self.collector.close()


def environment(**more: str) -> dict[str, str]:
    """For a Python that sees nothing but what it has to."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MINIMON", "DJANGO"))}
    cache = {key: os.environ[key] for key in ("PYTHONPYCACHEPREFIX",) if key in os.environ}
    return {**kept, **cache, "PYTHONUNBUFFERED": "1", **more}


@contextlib.contextmanager
def running(host: Host, variant: str) -> Iterator[Running]:
    """A host for the length of a `with` block; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="minimon-hosts-") as folder:
        run = Running(host, variant, pathlib.Path(folder))
        try:
            yield run
        finally:
            run.close()


def free_port() -> int:
    """One that no system gives to outgoing connections, so that nobody connects to himself."""
    while True:
        port = random.randrange(20_000, 32_000)
        if not listened(port):
            return port


def listened(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def alive(pid: int) -> bool:
    """Whether there is such a process, a zombie not counted."""
    return guard.stat(pid)[:1] not in ([], ["Z"])
