"""CPU of one poll, without judging it: 8 threads, saturated, the process pinned to one CPU, the target on another.

Each client asks for the same small answer and looks at its status. `raw` is a socket with ready bytes, which is as
cheap as Python can be; the others are what a host would use.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from lines import Line, measuring, median_ratio, skip
from servers import running

from minimon.probes import prepare

THREADS = 8
Poll = Callable[[], None]
HEAD = "GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: raw\r\nAccept: */*\r\nConnection: {}\r\n\r\n"


def cpu() -> float:
    """Seconds of CPU that this process took, in user mode and in the kernel."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(poll: Poll, polls: int) -> float:
    """Microseconds of CPU of one poll."""
    each = max(1, polls // THREADS)
    threads = [threading.Thread(target=lambda: [poll() for _ in range(each)]) for _ in range(THREADS)]
    used = cpu()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (cpu() - used) / (each * THREADS) * 1e6


class Clients:
    """All ways to ask. What is reused is each thread's own."""

    def __init__(self, port: int, tls_port: int, certificate: str) -> None:
        self.url, self.port = f"http://127.0.0.1:{port}/", port
        self.tls_url, self.tls_port, self.certificate = f"https://127.0.0.1:{tls_port}/", tls_port, certificate
        self.context = ssl.create_default_context(cafile=certificate) if certificate else None
        self.own = threading.local()
        self.fresh = self._prepared(self.url)

    def mine(self, name: str, make: Callable[[], Any]) -> Any:
        """What this thread has of this name."""
        if not hasattr(self.own, name):
            setattr(self.own, name, make())
        return getattr(self.own, name)

    def _prepared(self, url: str, **options: Any) -> Any:
        if url.startswith("https"):
            options["ca_file"] = self.certificate
        return prepare({"name": "target", "target": url, "options": options}).probe

    def minimon(self) -> None:
        """Ours, a connection each."""
        assert self.fresh(5.0).status_code == 200

    def minimon_reused(self) -> None:
        """Ours, on one connection."""
        assert self.mine("probe", lambda: self._prepared(self.url, reuse=True))(5.0).status_code == 200

    def minimon_tls(self) -> None:
        """Ours, a handshake each."""
        assert self.mine("tls", lambda: self._prepared(self.tls_url))(5.0).status_code == 200

    def minimon_tls_reused(self) -> None:
        """Ours, one handshake."""
        assert self.mine("kept", lambda: self._prepared(self.tls_url, reuse=True))(5.0).status_code == 200

    def _connected(self, port: int, tls: bool) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port), 5.0)
        return self.context.wrap_socket(sock, server_hostname="127.0.0.1") if tls and self.context else sock

    def _asked(self, sock: socket.socket, port: int, connection: str) -> None:
        sock.sendall(self.mine(f"head{port}{connection}", lambda: HEAD.format(port, connection).encode()))
        got = sock.recv(65536)
        while not got.endswith(b"ok"):
            got += sock.recv(65536)
        assert got[9:12] == b"200"

    def raw(self) -> None:
        """A socket each."""
        with self._connected(self.port, False) as sock:
            self._asked(sock, self.port, "close")

    def raw_reused(self) -> None:
        """One socket."""
        self._asked(self.mine("raw_sock", lambda: self._connected(self.port, False)), self.port, "keep-alive")

    def raw_tls(self) -> None:
        """A handshake each."""
        with self._connected(self.tls_port, True) as sock:
            self._asked(sock, self.tls_port, "close")

    def raw_tls_reused(self) -> None:
        """One handshake."""
        self._asked(
            self.mine("raw_tls_sock", lambda: self._connected(self.tls_port, True)), self.tls_port, "keep-alive"
        )

    def urlopen(self) -> None:
        """The standard library's."""
        with urllib.request.urlopen(self.url, timeout=5.0) as answer:
            assert answer.read() == b"ok"

    def http_client(self) -> None:
        """The standard library's, on one connection."""
        connection = self.mine("connection", lambda: http.client.HTTPConnection("127.0.0.1", self.port, timeout=5.0))
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"ok"

    def requests_get(self) -> None:
        """As most write it."""
        import requests

        assert requests.get(self.url, timeout=5.0).status_code == 200

    def requests_session(self) -> None:
        """A session in each thread."""
        import requests

        assert self.mine("session", requests.Session).get(self.url, timeout=5.0).status_code == 200

    def _curl(self, fresh: bool) -> None:
        import io

        import pycurl

        def make() -> Any:
            curl = pycurl.Curl()
            curl.setopt(pycurl.URL, self.url)
            curl.setopt(pycurl.TIMEOUT_MS, 5000)
            curl.setopt(pycurl.NOSIGNAL, 1)
            if fresh:
                curl.setopt(pycurl.FORBID_REUSE, 1)
                curl.setopt(pycurl.HTTPHEADER, ["Connection: close"])
            return curl

        curl, body = self.mine(f"curl{fresh}", make), io.BytesIO()
        curl.setopt(pycurl.WRITEFUNCTION, body.write)
        curl.perform()
        assert (curl.getinfo(pycurl.RESPONSE_CODE), body.getvalue()) == (200, b"ok")

    def curl(self) -> None:
        """libcurl, a connection each."""
        self._curl(True)

    def curl_reused(self) -> None:
        """libcurl, on one connection."""
        self._curl(False)


FRESH = (("raw", 1.8), ("curl", 1.25), ("requests_get", 0.10), ("urlopen", 0.50))
REUSED = (
    ("raw_reused", 2.8),
    ("curl_reused", 1.5),
    ("requests_get", 0.05),
    ("requests_session", 0.06),
    ("http_client", None),
)
TLS = (("minimon_tls", "raw_tls", 1.2), ("minimon_tls_reused", "raw_tls_reused", 2.5))
SLOW = ("requests_get", "requests_session", "minimon_tls", "raw_tls", "urlopen", "http_client")
"""Clients that are asked to do less, or the row would take minutes."""


def certificate_in(folder: str) -> str:
    """A certificate for 127.0.0.1 with its key; "" where it cannot be made."""
    path = pathlib.Path(folder, "both.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=target"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        subprocess.run([*command.split(), *more], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    path.write_bytes(path.read_bytes() + pathlib.Path(f"{path}.crt").read_bytes())
    return str(path)


def have(module: str) -> bool:
    """Whether a peer is there."""
    with contextlib.suppress(ImportError):
        __import__(module)
        return True
    return False


def measure(quick: bool) -> Iterator[Line]:
    """All clients in turn, again and again; each ratio is of two that were measured in the same round."""
    rounds, polls = (3, 2000) if quick else (9, 4000)
    with tempfile.TemporaryDirectory(prefix="minimon-fetch-") as folder, contextlib.ExitStack() as stack:
        certificate = certificate_in(folder)
        ports = stack.enter_context(running(*[certificate] if certificate else []))
        clients = Clients(ports.steady, ports.tls, certificate)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        names = ["minimon", "minimon_reused", *dict.fromkeys(name for name, _ in (*FRESH, *REUSED))]
        if certificate:
            names += [name for pair in TLS for name in pair[:2]]
        missing = {
            "requests_get": "requests",
            "requests_session": "requests",
            "curl": "pycurl",
            "curl_reused": "pycurl",
        }
        lacking = {name for name in names if name in missing and not have(missing[name])}
        found: dict[str, list[float]] = {name: [] for name in names if name not in lacking}
        for name in found:
            cost(getattr(clients, name), 80)  # imports, first connections
        for _ in range(rounds):
            for name, costs in found.items():
                costs.append(cost(getattr(clients, name), polls // 8 if name in SLOW else polls))
    pairs = [("minimon", *pair) for pair in FRESH] + [("minimon_reused", *pair) for pair in REUSED]
    for ours, theirs, bar in [*pairs, *(TLS if certificate else ())]:
        kind = {"minimon": "fresh", "minimon_reused": "reused", "minimon_tls": "TLS fresh"}.get(ours, "TLS reused")
        if theirs in lacking:
            yield skip("fetch", f"{kind}: needs {missing[theirs]}")
        else:
            yield median_ratio("fetch", f"{kind}, against {theirs}", found[ours], found[theirs], bar, "us CPU")
    if not certificate:
        yield skip("fetch", "TLS: needs the openssl program")


if __name__ == "__main__":
    sys.exit(measuring(measure))
