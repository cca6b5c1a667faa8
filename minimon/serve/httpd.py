"""The listening socket and its connections: an http.server.HTTPServer with bounded threads and no look-ups."""

from __future__ import annotations

import contextlib
import http.server
import selectors
import socket
import socketserver
import threading
from typing import Any

from ..pool import Pool
from .handler import HealthCheckHandler
from .health import Asker

MOST = 64
"""Connections at most, each with a thread while it lasts; for one more the longest waiting one has to go."""
IDLE = 10.0
"""Seconds after which a thread without a connection ends."""


class Connections:
    """The open connections, and since when each waits for a request. Any thread."""

    def __init__(self) -> None:
        # Guards _open. A leaf.
        self._lock = threading.Lock()
        self._open: dict[socket.socket, bool] = {}  # True while it waits for a request; the longest waiting first

    def waits(self, connection: socket.socket) -> None:
        """It waits for its next request."""
        with self._lock:
            if self._open.pop(connection, None) is not None:
                self._open[connection] = True

    def works(self, connection: socket.socket) -> None:
        """Its request is whole and being answered."""
        with self._lock:
            if connection in self._open:
                self._open[connection] = False

    def add(self, connection: socket.socket) -> socket.socket | None:
        """One more; the one that has to go for it."""
        with self._lock:
            self._open[connection] = True
            if len(self._open) <= MOST:
                return None
            return next((other for other, waiting in self._open.items() if waiting), connection)

    def remove(self, connection: socket.socket) -> None:
        """It is closed."""
        with self._lock:
            self._open.pop(connection, None)

    def waiting(self) -> list[socket.socket]:
        """Those that wait for a request."""
        with self._lock:
            return [connection for connection, waiting in self._open.items() if waiting]

    def abandon(self) -> None:
        """In a forked child: close what was inherited."""
        self._lock = threading.Lock()
        for connection in self._open:
            connection.close()
        self._open.clear()


class Httpd(http.server.HTTPServer):
    """Accepts on one thread, answers each connection on a thread of a bounded pool."""

    request_queue_size = 512
    allow_reuse_address = True
    allow_reuse_port = False  # some versions of HTTPServer let two processes share a port, each half deaf

    def __init__(self, address: tuple[str, int], subjects: tuple[Any, ...]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, HealthCheckHandler)
        self.asker = Asker(subjects)
        self.connections = Connections()
        self._pool = Pool("minimon-http", 0, MOST, eager=True, idle=IDLE)
        self._bell, self._ear = socket.socketpair()
        self._stopping = False

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the own name, which may take ten seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Accept until `shutdown()`; waits for clients, and never just looks."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._ear, selectors.EVENT_READ)
            while not self._stopping:
                selector.select()
                if not self._stopping:
                    self._handle_request_noblock()  # type: ignore[attr-defined]
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Have a thread talk to this client, and let another go if there are too many."""
        surplus = self.connections.add(request)
        if surplus is not None:
            _hang_up(surplus)
        self._pool.submit(lambda: self._talk(request, client_address))

    def _talk(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went away, or did not speak in time
        finally:
            self.connections.remove(request)
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing is printed."""

    def shutdown(self) -> None:
        """Have the loop end; it closes the listening socket. Never waits, and may be called before the loop runs."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._bell.send(b"x")

    def finish(self, deadline: float) -> bool:
        """Hang up on clients that have asked nothing, let answers in flight end; True when all threads have ended."""
        for connection in self.connections.waiting():
            _hang_up(connection)
        ended = self._pool.stop(deadline)
        ended = self.asker.stop(deadline) and ended
        self._bell.close()
        self._ear.close()
        return ended

    def after_fork(self) -> None:
        """In the child: close what was inherited, without a word to the parent's clients."""
        self._stopping = True
        self.socket.close()
        self._bell.close()
        self._ear.close()
        self.connections.abandon()
        self._pool.after_fork()
        self.asker.after_fork()


def _hang_up(connection: socket.socket) -> None:
    """Wake up the thread that reads from it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
