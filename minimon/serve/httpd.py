"""The server's one thread: an http.server.HTTPServer whose loop waits for all of its clients at once.

No client can hold it: sockets never block, every state of a connection has a deadline, and a plain subject is
asked elsewhere while its clients wait here.
"""

from __future__ import annotations

import contextlib
import http.server
import selectors
import socket
import socketserver
import time
from typing import Any

from ..log import logger
from .connection import Answer, Connection, Times
from .handler import HealthCheckHandler, refusal_bytes
from .health import PATIENCE, Asker, Pending, Question

_log = logger("httpd")

MOST = 512
"""Connections at most; for one more the longest waiting one has to go."""
PAUSE = 0.2
"""Seconds without accepting after the system had no descriptor left."""
NEVER = float("inf")
LONGEST = 3600.0
"""Seconds that the selector waits at most; it takes no more than some weeks."""


class Httpd(http.server.HTTPServer):
    """Owns the listening socket and the connections. `stop_by`, `shutdown` and `wake` are for other threads."""

    request_queue_size = 512
    allow_reuse_address = True
    allow_reuse_port = False  # some versions of HTTPServer let two processes share a port, each half deaf

    def __init__(self, address: tuple[str, int], subjects: tuple[Any, ...]) -> None:
        self.asker = Asker(subjects, self.wake)
        self.question = Question(self.asker, NEVER)  # what the request being answered asks
        self.is_last = False  # whether its connection ends with it
        self._connections: dict[Connection, None] = {}  # the one that waits longest first
        self._parked: dict[Connection, Question] = {}  # those that wait for a plain subject
        self.times = Times()
        self._ready: dict[Connection, None] = {}  # those that have sent more than one request
        self._accept_at = 0.0  # when to accept again; 0 while it does
        self._stop_at = NEVER
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, HealthCheckHandler)  # closes all of this again when it cannot bind
        self.socket.setblocking(False)

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the own name, which may take ten seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    # --- the loop

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown()`. It waits for clients and deadlines, and never just looks."""
        try:
            self._selector.register(self._ear, selectors.EVENT_READ)
            self._selector.register(self.socket, selectors.EVENT_READ)
            while self._stop_at == NEVER:
                self._turn()
            self._end()
        finally:
            self.server_close()

    def _turn(self) -> None:
        for key, events in self._selector.select(self._patience()):
            if key.fileobj is self._ear:
                self._listen()
            elif key.fileobj is self.socket:
                self._accept()
            else:
                self._serve(key.data, events)
        for connection in list(self._ready):
            del self._ready[connection]
            connection.go_on()
            self._settle(connection)
        now = time.monotonic()
        for connection, question in list(self._parked.items()):
            if question.deadline <= now:
                question.over = True
                self._resume(connection)
        for connection in [one for one in self._connections if one.deadline <= now and one not in self._parked]:
            connection.expire()
            self._settle(connection)
        if self._accept_at and self._accept_at <= now:
            self._accept_at = 0.0
            self._selector.register(self.socket, selectors.EVENT_READ)

    def _patience(self) -> float | None:
        """Seconds until the next deadline."""
        if self._ready:
            return 0.0
        dues = [one.deadline for one in self._connections if one not in self._parked]
        dues += [question.deadline for question in self._parked.values()]
        dues += [at for at in (self._accept_at, self._stop_at) if 0.0 < at < NEVER]
        return min(max(min(dues) - time.monotonic(), 0.0), LONGEST) if dues else None

    def _listen(self) -> None:
        """The bell was rung: a subject has answered, or the server is to stop."""
        with contextlib.suppress(OSError):
            self._ear.recv(4096)
        for connection in list(self._parked):
            self._resume(connection)

    def _accept(self) -> None:
        try:
            sock, _ = self.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:  # no descriptor left: make one free, and do not spin meanwhile
            _log.warning("the health server cannot accept: %s", error)
            self._drop_longest_waiting()
            self._selector.unregister(self.socket)
            self._accept_at = time.monotonic() + PAUSE
            return
        if len(self._connections) >= MOST:
            self._drop_longest_waiting()
        with contextlib.suppress(OSError):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, self._respond, self.times)
        self._connections[connection] = None
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _drop_longest_waiting(self) -> None:
        connection = next((one for one in self._connections if one.waits), None)
        if connection is not None:
            self._forget(connection)

    def _serve(self, connection: Connection, events: int) -> None:
        if connection.closed:
            return
        if events & selectors.EVENT_WRITE:
            connection.writable()
            if not connection.writes and not connection.closed:
                connection.go_on()
        if events & selectors.EVENT_READ and not connection.closed:
            connection.readable()
        self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """Wait for what the connection is about now."""
        if connection.closed:
            self._forget(connection)
        else:
            if connection.more:
                self._ready[connection] = None
            self._await(connection, connection.reads * selectors.EVENT_READ + connection.writes * selectors.EVENT_WRITE)

    def _await(self, connection: Connection, events: int) -> None:
        key = self._selector.get_map().get(connection.sock)
        if key is not None and not events:
            self._selector.unregister(connection.sock)
        elif key is None and events:
            self._selector.register(connection.sock, events, connection)
        elif key is not None and key.events != events:
            self._selector.modify(connection.sock, events, connection)

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._ready.pop(connection, None)
        self._parked.pop(connection, self.question)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.sock)
        connection.close()

    # --- answers

    def _respond(self, connection: Connection, head: bytes) -> Answer | None:
        """Have the handler answer; None while a plain subject is being asked."""
        self.is_last = connection.is_last
        self.question = self._parked.get(connection) or Question(self.asker, time.monotonic() + PATIENCE)
        try:
            handler: Any = self.RequestHandlerClass(head, connection.sock.getpeername(), self)  # type: ignore[arg-type]
            answer = Answer(handler.wfile.getvalue(), handler.close_connection)
        except Pending:
            self._parked[connection] = self.question
            return None
        except OSError:  # it is not connected any more
            answer = Answer(b"", True)
        except Exception:  # a handler of the host
            _log.exception("a handler failed")
            answer = Answer(refusal_bytes(500), True)
        self._parked.pop(connection, self.question)
        return answer

    def _resume(self, connection: Connection) -> None:
        connection.resume()
        self._settle(connection)

    # --- the end

    def _end(self) -> None:
        """Close the port, then let what is being answered end."""
        if not self._accept_at:
            self._selector.unregister(self.socket)
        self.socket.close()
        self._accept_at = 0.0
        for connection in list(self._connections):
            connection.end()
            self._settle(connection)
        while self._connections and time.monotonic() < self._stop_at:
            self._turn()

    def wake(self) -> None:
        """Have the loop look. Any thread; never waits."""
        with contextlib.suppress(OSError):
            self._bell.send(b"x")

    def stop_by(self, deadline: float) -> None:
        """Have the loop end by then (time.monotonic). Never waits, and may be called before the loop runs."""
        self._stop_at = min(deadline, time.monotonic() + LONGEST)
        self.wake()

    def shutdown(self) -> None:
        """Have the loop end at once."""
        self.stop_by(time.monotonic())

    def server_close(self) -> None:
        """Close all sockets. Idempotent."""
        for connection in list(self._connections):
            connection.close()
        self._connections.clear()
        self._parked.clear()
        for part in (self.socket, self._selector, self._bell, self._ear):
            part.close()

    def after_fork(self) -> None:
        """In the child: close what was inherited, without a word to the parent's clients."""
        self._stop_at = 0.0
        for connection in self._connections:
            connection.sock.close()
        self._connections.clear()
        self.server_close()
        self.asker.after_fork()
