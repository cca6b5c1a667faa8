"""What is polled: a port that answers every request at once, one that accepts and never says a word, one with TLS.

As a program it prints the ports as JSON and serves until its standard input ends. TLS needs a certificate.
"""

from __future__ import annotations

import contextlib
import json
import resource
import selectors
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import NamedTuple

from fresh import HERE, started

KEPT = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
CLOSED = KEPT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


class Ports(NamedTuple):
    """Where they listen."""

    steady: int
    hole: int
    tls: int


@contextlib.contextmanager
def running(*certificate: str) -> Iterator[Ports]:
    """The ports, served by another process for the length of a `with` block."""
    command = (sys.executable, str(HERE / "servers.py"), *certificate)
    with started(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        yield Ports(*json.loads(process.stdout.readline()))
        process.stdin.close()
        process.wait(5)


def allow_many_files() -> None:
    """A connection that hangs is a descriptor."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Loop:
    """One thread for all connections, so that the server takes little of the machine that is measured."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def listen(self, answers: bool) -> int:
        """Open a port; its number."""
        sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ, (self._accept, answers))
        return int(sock.getsockname()[1])

    def work(self) -> None:
        """Serve for ever."""
        while True:
            for key, _ in self._selector.select():
                act, answers = key.data
                with contextlib.suppress(BlockingIOError):
                    act(key.fileobj, answers)

    def _accept(self, listening: socket.socket, answers: bool) -> None:
        sock, _ = listening.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, (self._read, answers))

    def _read(self, sock: socket.socket, answers: bool) -> None:
        """The clients send a short head in one piece; what is left over does not matter here."""
        try:
            head = sock.recv(65536)
            closing = not head or b"connection: close" in head.lower()
            if head and answers:
                sock.send(CLOSED if closing else KEPT)
        except ConnectionError:
            head, closing = b"", True
        if not head or (answers and closing):
            self._selector.unregister(sock)
            sock.close()


def listen_tls(certificate: str) -> int:
    """Open a port that answers under TLS, on a thread for each connection; its number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as wrapped:
            while head := wrapped.recv(65536):
                wrapped.sendall(CLOSED if b"connection: close" in head.lower() else KEPT)

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=listening.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listening.getsockname()[1])


def main() -> None:
    """Serve until the one who started this has gone."""
    allow_many_files()
    loop = Loop()
    tls = listen_tls(sys.argv[1]) if sys.argv[1:] else 0
    print(json.dumps([loop.listen(True), loop.listen(False), tls]), flush=True)
    threading.Thread(target=loop.work, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
