"""The server's one thread: an http.server.HTTPServer whose loop waits for all of its clients at once.

No client can hold it: sockets never block, every state of a connection has a deadline, and whatever may take long
is done on other threads while its clients wait here.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import selectors
import socket
import socketserver
import stat
import threading
import time
from typing import Any

from .access import Access
from .answers import Answers
from .connection import MOST, Connection
from .handler import HealthCheckHandler

BURST = 32
"""Connections that are accepted in one turn of the loop, at most."""
PAUSE = 0.2
"""Seconds without accepting after the system had no descriptor left."""
NEVER = float("inf")
LONGEST = 3600.0
"""Seconds that the selector waits at most; it takes no more than some weeks."""


class Httpd(http.server.HTTPServer):
    """Owns the listening socket and the connections; what they ask is answered by `answers`.

    `stop_by`, `shutdown` and `wake` are for other threads.
    """

    request_queue_size = 512
    allow_reuse_address = True
    allow_reuse_port = False  # some versions of HTTPServer let two processes share a port, each half deaf

    def __init__(
        self,
        address: tuple[str, int] | str,
        subjects: tuple[Any, ...],
        access: Access,
        handler: type[Any] | None = None,
        api: Any = None,
    ) -> None:
        handler = handler or HealthCheckHandler
        self.answers = Answers(subjects, access, handler, self, api)
        self._complaints = self.answers.complaints
        self._connections: dict[Connection, None] = {}  # in the order in which they came
        self._ready: dict[Connection, None] = {}  # those that have sent more than one request
        self._turns = self._accepted = 0  # of the loop; the last of them in which somebody came
        self._burst = 1  # connections accepted then, at most
        self._due = NEVER  # when the next deadline is, at the earliest
        self._accept_at = 0.0  # when to accept again; 0 while it does
        self._stop_at = NEVER
        if isinstance(address, str):
            self.address_family = socket.AF_UNIX
        else:
            self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.server_name, self.server_port = "", 0
        self._inode = 0  # of the path of a unix socket
        self.closed = threading.Event()  # whether the port is free again
        with contextlib.ExitStack() as opened:  # closed again where no descriptor is left for the next
            self._bell, self._ear = map(opened.enter_context, socket.socketpair())
            self._bell.setblocking(False)
            self._ear.setblocking(False)
            self._selector: selectors.BaseSelector = opened.enter_context(selectors.DefaultSelector())
            super().__init__(address, handler)  # type: ignore[arg-type]
            opened.pop_all()
        self.socket.setblocking(False)
        self.answers.mind_address(self.server_name)

    def server_bind(self) -> None:
        """Bind without HTTPServer's reverse look-up of the own name, which may take ten seconds."""
        if self.address_family == getattr(socket, "AF_UNIX", None):
            self._bind_path(os.path.abspath(str(self.server_address)))  # the host may go to another folder
            return
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def _bind_path(self, path: str) -> None:
        """A unix socket that only its owner may use: nobody can connect before it listens."""
        _remove_stale(path)
        self.socket.bind(path)
        os.chmod(path, 0o600)
        self._inode = os.stat(path).st_ino
        self.server_name, self.server_port = path, 0

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
            self.answers.retire()

    def _turn(self) -> None:
        self._turns += 1
        for key, events in self._selector.select(self._patience()):
            if key.data is not None:
                self._serve(key.data, events)
            elif key.fileobj is self._ear:
                self._listen()
            elif not self.closed.is_set():
                self._accept()
        for connection in list(self._ready):
            del self._ready[connection]
            connection.go_on()
            self._settle(connection)
        if self._due <= time.monotonic():
            self._sweep()

    def _patience(self) -> float | None:
        """Seconds until the next deadline."""
        if self._ready:
            return 0.0
        due = min(self._due, self._stop_at)
        return None if due == NEVER else min(max(due - time.monotonic(), 0.0), LONGEST)

    def _sweep(self) -> None:
        """End what has had its time, and see when the next deadline is."""
        now = time.monotonic()
        for connection in [one for one in self._connections if one.deadline <= now]:
            connection.expire()
            self._settle(connection)
        if self._accept_at and self._accept_at <= now:
            self._accept_at = 0.0
            self._selector.register(self.socket, selectors.EVENT_READ)
        dues = [one.deadline for one in self._connections]
        dues += [at for at in (self._accept_at, self.answers.asker.forget(now)) if at]
        self._due = min(dues, default=NEVER)

    def _listen(self) -> None:
        """The bell was rung: something slow has ended, or the server is to stop."""
        with contextlib.suppress(OSError):
            self._ear.recv(4096)
        for connection in self.answers.made:
            connection.resume()
            self._settle(connection)
        self._due = 0.0

    def _accept(self) -> None:
        """Take some of those who wait: a burst of them has been served sooner, and the others wait no longer for it.

        One at first, twice as many in each further turn: to ask in vain whether there is another one may cost a turn
        of the interpreter, 5 ms beside a thread of the host that computes.
        """
        self._burst = min(2 * self._burst, BURST) if self._accepted == self._turns - 1 else 1
        self._accepted = self._turns
        for number in range(self._burst):
            if self.closed.is_set():  # by a subject that was asked for the one before
                return
            try:
                sock, address = self.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:  # no descriptor left: make one free, and do not spin meanwhile
                self._complaints.tell(f"connections that cannot be accepted: {error.strerror}")
                if number:  # perhaps nobody waits any more: the system looks for a descriptor first
                    return
                if self._drop_longest_waiting(True):
                    continue
                self._selector.unregister(self.socket)
                self._accept_at = time.monotonic() + PAUSE
                self._due = min(self._due, self._accept_at)
                return
            self._welcome(sock, str(address[0]) if isinstance(address, tuple) else "")

    def _welcome(self, sock: socket.socket, peer: str) -> None:
        if len(self._connections) >= MOST:
            self._complaints.tell(f"more than {MOST} connections")
            if not self._drop_longest_waiting():  # all of them wait for an answer
                with contextlib.suppress(OSError), sock:
                    sock.setblocking(False)
                    sock.send(self.answers.too_many())
                return
        with contextlib.suppress(OSError):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, peer, self.answers)
        self._connections[connection] = None
        connection.readable()  # most have said already what they want
        self._settle(connection)

    def _drop_longest_waiting(self, at_any_rate: bool = False) -> bool:
        """The one that has not sent a whole request for longest; else, if need be, the first of those that wait for an
        answer that is made elsewhere: probes have to be answered.
        """
        waiting = [one for one in self._connections if one.waits]
        if waiting:
            self._forget(min(waiting, key=lambda one: one.since))
        elif at_any_rate and self.answers.waiting:
            self._forget(min(self.answers.waiting, key=lambda one: (not one.deaf, one.deadline)))
        else:
            return False
        return True

    def _serve(self, connection: Connection, events: int) -> None:
        if connection.closed:
            return
        if events == selectors.EVENT_READ:
            if connection.readable():
                self._settle(connection)
            return
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
            return
        if connection.more:
            self._ready[connection] = None
        if connection.deadline < self._due:
            self._due = connection.deadline
        events = connection.reads * selectors.EVENT_READ + connection.writes * selectors.EVENT_WRITE
        if events != connection.awaited:
            self._await(connection, events)

    def _await(self, connection: Connection, events: int) -> None:
        if not connection.awaited:
            self._selector.register(connection.sock, events, connection)
        elif events:
            self._selector.modify(connection.sock, events, connection)
        else:
            self._selector.unregister(connection.sock)
        connection.awaited = events

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._ready.pop(connection, None)
        self.answers.forget(connection)
        if connection.awaited:
            connection.awaited = 0
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(connection.sock)
        connection.close()

    # --- the end

    def _end(self) -> None:
        """Close the port, then let what is being answered end."""
        self.close_port()
        self.answers.end()
        for connection in list(self._connections):
            connection.end()
            self._settle(connection)
        while self._connections and time.monotonic() < self._stop_at:
            self._turn()

    def close_port(self) -> None:
        """Accept no more. On the server's thread."""
        if not (self._accept_at or self.closed.is_set()):
            self._selector.unregister(self.socket)
        self._accept_at = 0.0
        self._close_listener()

    def _close_listener(self) -> None:
        path = self.server_name if self.address_family == getattr(socket, "AF_UNIX", None) else ""
        if path and self.socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                if os.stat(path).st_ino == self._inode:  # another server may have it by now
                    os.unlink(path)
        self.socket.close()
        self.closed.set()

    def wake(self) -> None:
        """Have the loop look. Any thread; never waits."""
        with contextlib.suppress(OSError):
            self._bell.send(b"x")

    def stop_by(self, deadline: float) -> None:
        """Have the loop end by then (time.monotonic). Never waits, and may be called before the loop runs."""
        self._stop_at = min(deadline, self._stop_at, time.monotonic() + LONGEST)
        self.wake()

    def shutdown(self) -> None:
        """Have the loop end at once."""
        self.stop_by(time.monotonic())

    def server_close(self) -> None:
        """Close all sockets. Idempotent."""
        for connection in list(self._connections):
            connection.close()
        self._connections.clear()
        self._close_listener()
        for part in (self._selector, self._bell, self._ear):
            part.close()

    def after_fork(self) -> None:
        """In the child: close what was inherited, without a word to the parent's clients."""
        self._stop_at = 0.0
        for connection in self._connections:
            connection.sock.close()
        self._connections.clear()
        self.socket.close()  # before server_close, which would remove the parent's path
        self.server_close()
        self.answers.after_fork()


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more. Raises OSError where somebody does, or it is no socket."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            return
