"""Stand-ins for tests, a host's own too: time moved by hand, a scripted probe, a server that misbehaves."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import math
import operator
import os
import random
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple, Union

from .errors import ConfigError, LifecycleError, PortError, did_you_mean
from .fork import watch
from .model import Headers, Response
from .probes import Probe

_DAY = 86_400
_ROUNDING = 1e-6  # 0.1 + 0.7 is less than 0.8: a clock that stops so short of a deadline goes on to it
_PIECE = 65_536
_MAX_HEAD = 65_536
_MAX_REQUESTS = 10_000
_MAX_CONNECTIONS = 512
_TAHT_CODES = (200, 400, 200, 404, 200, 500, 200, 501)

Pairs = Iterable[tuple[str, str]]
Step = Union[Response, BaseException, type[BaseException], Callable[[float], Response]]


class FakeClock:
    """A Clock whose time stands still until a test moves it. Any thread.

    A thread that waits gives seconds, not a moment, so its deadline is reckoned from the time at which its
    wait begins: if a test advances while the thread is still on the way there, it sleeps that much longer.
    Hence `waiting()` first, then `advance()`. An advance after the wait has begun is never missed.
    """

    def __init__(self, start: float = 0.0, wall: float = 0.0) -> None:
        self._now = start
        self._wall = wall
        self._sleepers: dict[object, tuple[threading.Condition, float]] = {}
        # Guards the three above, and tells waiting() of new sleepers.
        self._changed = threading.Condition()

    def monotonic(self) -> float:
        """Seconds, moved by `advance` only."""
        with self._changed:
            return self._now

    def time(self) -> float:
        """Seconds since the epoch, moved by `advance` and `jump_wall`."""
        with self._changed:
            return self._wall

    def advance(self, seconds: float) -> None:
        """Move both clocks on and wake the threads whose wait is over. Raises ConfigError if negative or NaN.

        The caller must not hold a condition that a thread waits on here, unless its lock is an RLock.
        """
        if not 0 <= seconds < math.inf:
            raise ConfigError(f"a clock advances by 0 or more seconds, got {seconds!r}")
        with self._changed:
            self._now += seconds
            self._wall += seconds
            due = self._take_due()
        for condition in due:  # outside of our own lock: who waits holds the condition and then asks for the time
            with condition:
                condition.notify_all()

    def _take_due(self) -> set[threading.Condition]:
        """Strike off who is due at once, so that waiting() does not count who has yet to wake up."""
        soon = self._now + _ROUNDING
        due = [key for key, (_, deadline) in self._sleepers.items() if deadline <= soon]
        taken = [self._sleepers.pop(key) for key in due]
        self._now = max([self._now, *(deadline for _, deadline in taken)])
        return {condition for condition, _ in taken}

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back: no duration changes and nobody wakes."""
        with self._changed:
            self._wall += seconds

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a condition that the caller holds, for a notification or these seconds; None is for ever.

        May return early, as any wait may, when another thread that waits on the same condition is due.
        """
        sleeper = object()
        with self._changed:
            deadline = math.inf if seconds is None else self._now + seconds
            if not deadline > self._now:
                return
            self._sleepers[sleeper] = (condition, deadline)
            self._changed.notify_all()
        try:
            condition.wait()  # untimed: advance() cannot notify before this has let go of the condition
        finally:
            with self._changed:
                self._sleepers.pop(sleeper, None)

    def waiting(self, n: int = 1, timeout: float = 5.0) -> bool:
        """Block until at least `n` threads wait on this clock; False after `timeout` seconds of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._sleepers) >= n, timeout)


class ScriptedProbe(Probe):
    """A Probe that follows a script, one step a call, the last one for ever. Any thread.

    A step is a Response to return, an exception (or its class) to raise, or a function of the timeout to ask.
    Raises ConfigError for an empty script and for a step that is none of these.
    """

    def __init__(self, script: Iterable[Step]) -> None:
        self._script = tuple(script)
        if not self._script:
            raise ConfigError("a script needs at least one step")
        for step in self._script:
            if not (isinstance(step, (Response, BaseException)) or callable(step)):
                raise ConfigError(f"a step is a Response, an exception or a function, got {step!r:.80}")
        self._calls = 0
        # Guards _calls.
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        """How often it was called so far."""
        with self._lock:
            return self._calls

    def __call__(self, timeout: float) -> Response:
        """Do the next step."""
        step = self._next()
        if isinstance(step, BaseException):
            raise step.with_traceback(None)  # else it would grow with each time that it is raised
        if isinstance(step, type) and issubclass(step, BaseException):
            raise step
        response: Response = step if isinstance(step, Response) else step(timeout)
        return response

    def _next(self) -> Any:
        with self._lock:
            self._calls += 1
            return self._script[min(self._calls, len(self._script)) - 1]


class Request(NamedTuple):
    """The head of one request that a RogueServer read."""

    method: str
    path: str
    """As it was sent, with the query."""
    headers: Headers
    at: float
    """When it was read, seconds by the monotonic clock."""


class _Connection:
    """One client, on a thread of its own that reads requests and performs them. Behaviours talk to it."""

    request: Request
    turn: int  # how many requests the behaviour had before this one
    chances: list[float]  # three random numbers from 0 to 1

    def __init__(self, sock: socket.socket, number: int, perform: Callable[[_Connection], None]) -> None:
        self.thread = threading.Thread(target=self.run, name=f"minimon-rogue-{number}", daemon=True)
        self.keep = True  # whether the connection may carry another request
        self._perform = perform
        self._sock = sock
        self._reader = sock.makefile("rb")
        self._ended = threading.Event()
        # Guards the descriptor: once closed, its number may be another's, which end() must not shut down.
        self._lock = threading.Lock()

    def run(self) -> None:
        """The thread's loop."""
        try:
            self._sock.settimeout(None)  # whatever default the host has set
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self.keep and (lines := _head_lines(self._reader)):
                self._meet(lines)
        except OSError:
            pass  # the client left, or the server stops
        finally:
            self.close()

    def _meet(self, lines: list[bytes]) -> None:
        try:
            self.request, self.keep = _parse(lines)
        except ValueError:
            self.last(_head(400, [("Connection", "close")]))
        else:
            self._perform(self)

    def drop_body(self) -> None:
        """Read the request's body, of which nothing is kept."""
        length = self.request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) <= 18):
            self.keep = False  # no telling where the next request begins
            return
        left = int(length)
        while left and (piece := self._reader.read(min(left, _PIECE))):
            left -= len(piece)

    def drop_rest(self) -> None:
        """Read until the client leaves."""
        while self._reader.read1(_PIECE):
            pass

    def send(self, content: bytes) -> None:
        """Send all of it. Raises OSError when the client left."""
        self._sock.sendall(content)

    def last(self, content: bytes = b"") -> None:
        """Send this and have the connection closed."""
        self.keep = False
        self.send(content)

    def answer(self, code: int, body: bytes | None = None, headers: Pairs = ()) -> None:
        """Send one whole answer at once; its body is the status in words unless given."""
        content = _phrase(code).encode() if body is None else body
        bare = self.request.method == "HEAD" or code < 200 or code in (204, 304)
        self.send(self.head(code, len(content), headers) + (b"" if bare else content))

    def head(self, code: int, size: int, headers: Pairs = ()) -> bytes:
        """The head of an answer with a body of this size."""
        length = [] if code < 200 or code == 204 else [("Content-Length", str(size))]
        return _head(code, [*length, *([] if self.keep else [("Connection", "close")]), *headers])

    def sleep(self, seconds: float) -> None:
        """Wait. Raises ConnectionAbortedError as soon as the connection is ended."""
        if self._ended.wait(seconds):
            raise ConnectionAbortedError("the server stops")

    def reset(self) -> None:
        """Have the connection closed by a RST."""
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.last()

    def end(self) -> None:
        """Make the thread end, whatever it is waiting for. Any thread."""
        self._ended.set()
        with self._lock, contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
        with self._lock:
            self._reader.close()
            self._sock.close()

    def abandon(self) -> None:
        """Close the descriptor in a forked child, where locks, the reader's too, may be held for ever."""
        with contextlib.suppress(OSError):  # closed already
            os.close(self._sock.detach())


def _head_lines(reader: io.BufferedReader) -> list[bytes]:
    """The lines of the next head; none where the client left before its end or wrote more than 64 KiB."""
    lines: list[bytes] = []
    left = _MAX_HEAD
    while (line := reader.readline(left)).endswith(b"\n"):
        left -= len(line)
        if line.strip():
            lines.append(line)
        elif lines:  # an empty line before the first is tolerated (RFC 9112, 2.2)
            return lines
    return []


def _parse(lines: list[bytes]) -> tuple[Request, bool]:
    """The request, and whether its connection may carry another. Raises ValueError for what is not HTTP/1."""
    first, *rest = (line.decode("latin-1").rstrip("\r\n") for line in lines)
    method, path, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    fields = (line.partition(":") for line in rest)
    headers = Headers((name.strip(), value.strip()) for name, colon, value in fields if colon)
    close = "close" in headers.get("connection", "").lower() or "transfer-encoding" in headers
    return Request(method, path, headers, time.monotonic()), version == "HTTP/1.1" and not close


def _head(code: int, headers: Pairs) -> bytes:
    lines = [f"HTTP/1.1 {code} {_phrase(code)}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unknown"


# The behaviours. Each answers one request; its keyword defaults are its settings, its docstring is the help.


def _taht(talk: _Connection, *, max_delay: float = 5.0) -> None:
    """GET / answers within max_delay, by a random status; half of the 200s say Unexpected, half Expected."""
    if talk.request.path.partition("?")[0] != "/":
        return talk.answer(404)
    if talk.request.method != "GET":
        return talk.answer(405, headers=[("Allow", "GET")])
    delay, code, unexpected = talk.chances
    talk.sleep(delay * max_delay)
    status = _TAHT_CODES[int(code * len(_TAHT_CODES))]
    talk.answer(status, (b"Unexpected" if unexpected < 0.5 else b"Expected") if status == 200 else None)


def _ok(talk: _Connection, *, status: int = 200, body: bytes = b"OK", headers: Pairs = ()) -> None:
    """Answers every request with status, body and headers."""
    talk.answer(status, body, headers)


def _delay(
    talk: _Connection, *, seconds: float = 1.0, status: int = 200, body: bytes = b"OK", headers: Pairs = ()
) -> None:
    """Waits for some seconds, then answers as ok does."""
    talk.sleep(seconds)
    talk.answer(status, body, headers)


def _flaky(talk: _Connection, *, codes: tuple[int, ...] = (200, 500)) -> None:
    """Answers with one status of codes after the other, over and over."""
    talk.answer(codes[talk.turn % len(codes)])


def _json(talk: _Connection, *, document: bytes = b'{"status": "ok"}') -> None:
    """Answers with a JSON document."""
    talk.answer(200, document, [("Content-Type", "application/json")])


def _drip_head(talk: _Connection, *, interval: float = 0.1) -> None:
    """Sends one byte of the head after each interval, then the body."""
    for byte in talk.head(200, 2):
        talk.sleep(interval)
        talk.send(bytes((byte,)))
    talk.send(b"OK")


def _drip_body(talk: _Connection, *, interval: float = 0.1, size: int = 100) -> None:
    """Sends the head, then one byte of a body of this size after each interval."""
    talk.send(talk.head(200, size))
    for _ in range(size):
        talk.sleep(interval)
        talk.send(b"x")


def _huge_body(talk: _Connection, *, size: int = 64 << 20) -> None:
    """Sends a body of this size that only the end of the connection ends."""
    talk.last(_head(200, [("Connection", "close")]))
    piece = b"x" * _PIECE
    for _ in range(size // _PIECE):
        talk.send(piece)
    talk.send(piece[: size % _PIECE])


def _cut_head(talk: _Connection) -> None:
    """Closes in the midst of the status line."""
    talk.last(b"HTTP/1.1 200")


def _cut_body(talk: _Connection) -> None:
    """Promises a body of 100 bytes, sends 50 and closes."""
    talk.last(talk.head(200, 100) + b"x" * 50)


def _reset(talk: _Connection) -> None:
    """Resets the connection after the request."""
    talk.reset()


def _reset_body(talk: _Connection) -> None:
    """Resets the connection after half of the body."""
    _cut_body(talk)
    talk.reset()


def _redirect(talk: _Connection, *, location: str = "/") -> None:
    """Redirects every request to location (302)."""
    talk.answer(302, headers=[("Location", location)])


def _redirect_loop(talk: _Connection) -> None:
    """Redirects every address to itself (302)."""
    _redirect(talk, location=talk.request.path)


def _silent(talk: _Connection) -> None:
    """Reads and never answers."""
    talk.drop_rest()
    talk.last()


def _empty(talk: _Connection) -> None:
    """Closes without an answer."""
    talk.last()


def _garbage(talk: _Connection) -> None:
    """Speaks SSH."""
    talk.last(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")


Behaviour = Callable[..., None]

_ALL: tuple[Any, ...] = (
    *(_taht, _ok, _delay, _flaky, _json, _drip_head, _drip_body, _huge_body, _cut_head, _cut_body),
    *(_reset, _reset_body, _redirect, _redirect_loop, _silent, _empty, _garbage),
)

BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType({each.__name__[1:]: each for each in _ALL})
"""What a RogueServer can do to its clients. `__doc__` is a line of help, `__kwdefaults__` the settings."""


def _known(name: str) -> Behaviour:
    if str(name) not in BEHAVIOURS:
        raise ConfigError(f"unknown behaviour {name!r}: {did_you_mean(name, BEHAVIOURS)}")
    return BEHAVIOURS[name]


def _defaults(name: str) -> Mapping[str, Any]:
    return getattr(_known(name), "__kwdefaults__", None) or {}


def _checked(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """These settings of a behaviour as it takes them. Raises ConfigError."""
    defaults = _defaults(name)
    for key in settings:
        if key not in defaults:
            raise ConfigError(f"{name!r} has no setting {key!r}, known are: {', '.join(defaults) or 'none'}")
    return {key: _read(key, value, defaults[key]) for key, value in settings.items()}


def _read(key: str, value: Any, default: object) -> Any:
    try:
        return _READERS[key](value)
    except (TypeError, ValueError, AttributeError, RecursionError):
        raise ConfigError(f"setting {key!r} cannot be {value!r:.80}; the default is {default!r}") from None


def _within(least: int, most: int, value: Any) -> Any:
    if not least <= value <= most:
        raise ValueError
    return value


def _seconds(value: Any) -> float:
    return float(_within(0, _DAY, value))


def _size(value: Any) -> int:
    return int(_within(0, 1 << 40, operator.index(value)))


def _status(value: Any) -> int:
    return int(_within(100, 999, operator.index(value)))


def _codes(value: Any) -> tuple[int, ...]:
    _within(1, 10_000, len(value))
    return tuple(map(_status, value))


def _body(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(memoryview(value))


def _line(value: Any) -> str:
    if set(value.encode("latin-1")) & set(b"\r\n\0"):
        raise ValueError
    return str(value)


def _headers(value: Any) -> Pairs:
    pairs = value.items() if isinstance(value, Mapping) else value
    return tuple((_line(name), _line(text)) for name, text in pairs)


def _document(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()


_READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        **dict.fromkeys(("max_delay", "seconds", "interval"), _seconds),
        "status": _status,
        "codes": _codes,
        "body": _body,
        "headers": _headers,
        "size": _size,
        "location": _line,
        "document": _document,
    }
)


class _Door:
    """The listening socket, the thread that accepts, and the connections it let in. Open when constructed."""

    def __init__(self, host: str, port: int, perform: Callable[[_Connection], None]) -> None:
        self._perform = perform
        self._stopping = threading.Event()
        # Touched by the accepting thread alone, and after its end by close().
        self._connections: list[_Connection] = []
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
        connection = _Connection(sock, address[1], self._perform)
        try:
            connection.thread.start()
        except RuntimeError:  # no thread to be had
            connection.close()
        else:
            self._connections.append(connection)

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
        self._settings = _checked(behaviour, settings)
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
        settings = {key: value for key, value in self._settings.items() if key in _defaults(name)}
        with self._lock:
            self._behaviour, self._act = name, functools.partial(_known(name), **settings)
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

    def _perform(self, talk: _Connection) -> None:
        with self._lock:
            self._requests.append(talk.request)
            act, talk.turn = self._act, next(self._turns)
            talk.chances = [self._random.random() for _ in range(3)]
        talk.drop_body()
        act(talk)
