"""RogueServer: an HTTP server that does what real ones do on a bad day."""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import ConfigError, LifecycleError, PortError
from ..fork import watch
from .behaviours import checked, known, settings_of
from .talk import Connection, Request

_MAX_REQUESTS = 10_000
_MAX_CONNECTIONS = 512


class _Door:
    """The listening socket, the thread that accepts, and the connections it let in. Open when constructed."""

    def __init__(self, host: str, port: int, perform: Callable[[Connection], None]) -> None:
        self._perform = perform
        self._stopping = threading.Event()
        # Touched by the accepting thread alone, and after its end by close().
        self._connections: list[Connection] = []
        self._thread = threading.Thread(target=self.run, name="minimon-rogue-accept", daemon=True)
        with contextlib.ExitStack() as opened:
            self._listener = opened.enter_context(_listen(host, port))
            self.port = int(self._listener.getsockname()[1])
            self._bell, self._ear = map(opened.enter_context, socket.socketpair())
            self._selector = opened.enter_context(_selector(self._listener, self._ear))
            self._thread.start()
            self._opened = opened.pop_all()

    def run(self) -> None:
        """The accepting thread's loop."""
        while True:
            self._selector.select()
            if self._stopping.is_set():
                return
            self._let_in()

    def _let_in(self) -> None:
        try:
            sock, address = self._listener.accept()
        except OSError:
            self._stopping.wait(0.05)  # maybe no descriptor is left: the client still knocks, so do not spin
            return
        self._make_room()
        connection = Connection(sock, address[1], self._perform)
        self._connections.append(connection)  # first: a child that is forked now has to find it here
        try:
            connection.thread.start()
        except RuntimeError:  # no thread to be had
            self._connections.remove(connection)
            connection.close()

    def _make_room(self) -> None:
        self._connections = [each for each in self._connections if each.thread.is_alive()]
        if len(self._connections) >= _MAX_CONNECTIONS:
            oldest = self._connections.pop(0)
            oldest.end()
            oldest.thread.join(1.0)

    def close(self, timeout: float) -> bool:
        """End the threads and close the sockets; whether all ended in time."""
        deadline = time.monotonic() + timeout
        self._stopping.set()
        self._bell.send(b"!")
        self._thread.join(timeout)
        self._opened.close()
        for connection in self._connections:
            connection.end()
        for connection in self._connections:
            connection.thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in (self._thread, *(c.thread for c in self._connections)))

    def abandon(self) -> None:
        """Close the inherited descriptors in a forked child."""
        self._opened.close()
        for connection in self._connections:
            connection.abandon()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_MAX_CONNECTIONS)
    except OSError as error:
        fact = (error.strerror or str(error)).partition(" (while")[0]
        hint = "choose another port, or 0 for a free one"
        raise PortError(error.errno, f"{_authority(host, port)}: {fact}; {hint}") from error
    listener.setblocking(False)  # a client may be gone again between select and accept
    return listener


def _selector(*sockets: socket.socket) -> selectors.BaseSelector:
    # Poll has no descriptor of its own that a forked child would share, as epoll and kqueue have.
    selector: selectors.BaseSelector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
    for each in sockets:
        selector.register(each, selectors.EVENT_READ)
    return selector


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class RogueServer:
    """An HTTP server that does what real ones do on a bad day: BEHAVIOURS lists it, and the settings of each.

    `start()` and `stop()`, or `with RogueServer("reset") as server:`. Port 0 is a free one, which a restart
    takes again. Each start and each assignment to `behaviour` begins the sequence of `taht` or `flaky` anew.
    At most 512 connections are open: the oldest has to go first.
    Raises ConfigError for an unknown behaviour or setting, or a bad value.
    """

    def __init__(
        self,
        behaviour: str = "taht",
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        if not (isinstance(host, str) and host and isinstance(port, int) and 0 <= port <= 65_535):
            raise ConfigError(f"rogue server: bad host {host!r} or port {port!r} (0 to 65535)")
        self.host = host
        self._asked_port = self._port = port
        self._seed = seed
        self._settings = checked(behaviour, settings)
        self._requests: deque[Request] = deque(maxlen=_MAX_REQUESTS)
        self._door: _Door | None = None
        self._fresh_locks()
        self.behaviour = behaviour

    def _fresh_locks(self) -> None:
        # Makes start and stop take turns, and guards the door. Connections never ask for it.
        self._life = threading.Lock()
        # Guards the requests, the behaviour and its sequences.
        self._lock = threading.Lock()

    @property
    def behaviour(self) -> str:
        """What it does. May be assigned at any time: the next request meets the new one.

        Of the settings given at construction it takes those that it knows. Raises ConfigError if unknown.
        """
        with self._lock:
            return self._behaviour

    @behaviour.setter
    def behaviour(self, name: str) -> None:
        settings = {key: value for key, value in self._settings.items() if key in settings_of(name)}
        with self._lock:
            self._behaviour, self._act = name, functools.partial(known(name), **settings)
            self._turns, self._random = itertools.count(), random.Random(self._seed)

    @property
    def port(self) -> int:
        """The real one from the first start on, also after stop."""
        return self._port

    @property
    def url(self) -> str:
        """The address of its root."""
        return f"http://{_authority(self.host, self._port)}/"

    @property
    def requests(self) -> list[Request]:
        """The latest 10,000 requests whose head was read, oldest first; a restart keeps them."""
        with self._lock:
            return list(self._requests)

    def start(self) -> RogueServer:
        """Listen, and answer on daemon threads. Raises PortError if taken, LifecycleError if it runs."""
        with self._life:
            if self._door is not None:
                raise LifecycleError(f"the rogue server at {self.url} runs already")
            self.behaviour = self.behaviour  # from the beginning
            watch(self)
            self._door = _Door(self.host, self._port, self._perform)
            self._port = self._door.port
        return self

    def stop(self, timeout: float = 1.0) -> bool:
        """Close all sockets and end all threads, in the midst of an answer too; whether all ended in time.

        Idempotent, safe before start. Any thread.
        """
        with self._life:
            door, self._door = self._door, None
            return door is None or door.close(timeout)

    def __enter__(self) -> RogueServer:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def after_fork(self) -> None:
        """In a child: close what was inherited and be stopped; a start takes the port first asked for."""
        door, self._door = self._door, None
        self._fresh_locks()
        self._port = self._asked_port
        if door is not None:
            door.abandon()

    def _perform(self, talk: Connection) -> None:
        with self._lock:
            self._requests.append(talk.request)
            act, talk.turn = self._act, next(self._turns)
            talk.chances = [self._random.random() for _ in range(3)]
        talk.drop_body()
        act(talk)
