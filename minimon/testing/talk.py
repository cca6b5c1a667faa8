"""One client of a RogueServer: its requests are read, and whatever a behaviour says is sent."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import NamedTuple

from ..model import Headers

_PIECE = 65_536
_MAX_HEAD = 65_536
Pairs = Iterable[tuple[str, str]]


class Request(NamedTuple):
    """The head of one request that a RogueServer read."""

    method: str
    path: str
    """As it was sent, with the query."""
    headers: Headers
    at: float
    """When it was read, seconds by the monotonic clock."""


class Connection:
    """One client, on a thread of its own that reads requests and performs them. Behaviours talk to it."""

    request: Request
    turn: int  # how many requests the behaviour had before this one
    chances: list[float]  # three random numbers from 0 to 1

    def __init__(self, sock: socket.socket, number: int, perform: Callable[[Connection], None]) -> None:
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
            self.last(head(400, [("Connection", "close")]))
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
        return head(code, [*length, *([] if self.keep else [("Connection", "close")]), *headers])

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


def head(code: int, headers: Pairs) -> bytes:
    """The head of an answer."""
    lines = [f"HTTP/1.1 {code} {_phrase(code)}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unknown"
