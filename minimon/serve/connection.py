"""One client of the health server: bytes in, bytes out, and never a wait. It lives on the server's one thread."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import NamedTuple, Protocol

from .complaints import Complaints
from .framing import MAX_HEAD, Head, Request, early_fault, end_of_head

MOST = 512
"""Connections of a server at most; for one more the longest waiting one has to go."""
REQUESTS = 100
"""Requests on one connection, at most."""
STEP = 1 << 16
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Times(NamedTuple):
    """Seconds that a client has."""

    head: float = 10.0
    """For a whole request, from its first byte."""
    idle: float = 5.0
    """Of silence between requests."""
    send: float = 5.0
    """To take an answer."""
    linger: float = 1.0
    """To read the last answer: until then it is read on, lest a reset overtakes that answer (RFC 9112, 9.6)."""


class Asked(NamedTuple):
    """A whole request."""

    request: Request
    head: bytes
    body: bytes


class Answer(NamedTuple):
    """What came of it: the head, with what is small behind it, and a large body, which is not copied."""

    sent: bytes
    body: bytes
    close: bool
    bye: bool = False
    """Whether the client has said that it asks for no more: nothing can come that had to be read."""


class Server(Protocol):
    """What a connection needs of its server."""

    times: Times
    complaints: Complaints

    def read(self, head: bytes) -> Head:
        """A Request, or the code that refuses it."""

    def quick(self, head: bytes, last: bool) -> Answer | None:
        """The answer to a head that came before, if that is all there is to it; `last` is the connection's last."""

    def respond(self, connection: Connection, asked: Asked) -> Answer | None:
        """The Answer; None for one that comes later, by the deadline that the connection was given. Then `resume()`
        asks again.
        """

    def give_up(self, connection: Connection) -> None:
        """Its time to wait for an answer is over: `respond` has one now."""

    def wants_body(self, request: Request) -> bool:
        """Whether anybody will look at the body."""

    def refusal(self, code: int, head: bytes) -> bytes:
        """The answer to what is no request, of which this much came."""


class Connection:
    """A client's socket, what came of it, and what has to go to it."""

    __slots__ = (
        *("asked", "awaited", "closed", "deadline", "deaf", "more", "peer", "sock"),
        *("_began", "_body", "_bye", "_ends", "_head", "_last", "_lingers", "_looked"),
        *("_received", "_request", "_requests", "_server", "_skipped", "_unsent"),
    )

    def __init__(self, sock: socket.socket, peer: str, server: Server) -> None:
        self.sock, self.peer = sock, peer
        self.deadline = time.monotonic() + server.times.head
        self.closed = False
        self.more = False  # whether another request may be there already
        self.awaited = 0  # the events that the selector waits for
        self.asked: Asked | None = None  # the request that waits for its answer
        self._server = server
        self._received = bytearray()
        self._looked = 0  # bytes of it in which there is no end of a head
        self._unsent = self._body = memoryview(b"")  # what has to go, and what behind it
        self._head = b""  # of the request of which the body is coming in, and
        self._request: Request | None = None
        self._bye = False  # the client asks for no more
        self._last = False  # closed once all is sent
        self._ends = False  # at once, for the server stops
        self._lingers = False
        self._skipped = False
        self._began = False  # the request that is coming in, with its deadline
        self.deaf = False  # the client says no more: perhaps it is gone
        self._requests = 0

    @property
    def waits(self) -> bool:
        """True while no whole request is there."""
        return self.asked is None and not self._unsent

    @property
    def since(self) -> float:
        """Since when it waits for a request (monotonic)."""
        times = self._server.times
        return self.deadline - (times.head if self._began or not self._requests else times.idle)

    @property
    def reads(self) -> bool:
        """True while there is room for what the client says."""
        return not self.deaf and (self.waits or self._lingers or len(self._received) < MAX_HEAD)

    @property
    def is_last(self) -> bool:
        """True when the request being answered is the last one."""
        over = self.deaf and not (self._received and self._is_whole())
        return self._ends or over or self._requests >= REQUESTS

    @property
    def writes(self) -> bool:
        """True while something is left to send."""
        return bool(self._unsent)

    def readable(self) -> bool:
        """Take what has come, and answer what is whole. False when nothing has changed of what is waited for."""
        try:
            data = self.sock.recv(STEP)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:  # a reset: nobody wants an answer any more
            self.close()
            return True
        if data and not (self._received or self._unsent or self._last or self._ends or self.asked or self._request):
            answer = self._server.quick(data, self._requests >= REQUESTS - 1)
            if answer is not None:
                return self._send_quickly(answer)
        if not data:
            self.deaf = True
            if self._lingers or (self.waits and not self._is_whole()):
                self.close()
            else:
                self.go_on()
        elif not (self._last or self._lingers):
            self._received += data
            self.go_on()
        return True

    def _send_quickly(self, answer: Answer) -> bool:
        """Send the answer to a request that came whole, and alone; True when it is not done with that."""
        self._requests += 1
        self._began = self._skipped = False
        if answer.close:
            self._send(answer)
            return True
        try:
            sent = self.sock.send(answer.sent)
        except OSError:  # it is tried again below, and seen there
            sent = 0
        if sent < len(answer.sent):
            self._send(answer._replace(sent=answer.sent[sent:]))
            return True
        self.deadline = time.monotonic() + self._server.times.idle
        return False

    def _is_whole(self) -> bool:
        """Whether another request is there already."""
        if self._request is not None:
            return len(self._received) >= self._request.length
        return end_of_head(self._received) > 0

    def resume(self) -> None:
        """Ask again for the answer that was to come later."""
        if self.asked is not None and not self._unsent:
            self._answer(self.asked)
            self.go_on()

    def go_on(self) -> None:
        """Answer the next whole request. One at a time: who has sent a hundred does not make others wait for all."""
        self.more = False
        if not self.waits or self._last or self._lingers or self.closed:
            return
        if not self._skipped and self._request is None and self._received.startswith(b"\r\n"):
            self._skipped = True  # one empty line before a request is tolerated (RFC 9112, 2.2)
            del self._received[:2]
        if self._received and not self._began:
            self._began, self.deadline = True, time.monotonic() + self._server.times.head
        if self._request is None:
            self._take_head()
        request = self._request
        if request is not None and len(self._received) >= request.length:
            self._take_body(request)
            self.more = bool(self._received) and self.waits

    def _take_head(self) -> None:
        received = self._received
        end = end_of_head(received, self._looked)
        if end > MAX_HEAD or (not end and len(received) > MAX_HEAD):
            return self.refuse(early_fault(received) or 431)
        if not end:
            self._looked = len(received)
            fault = early_fault(received)
            return self.refuse(fault) if fault else None
        self._head = bytes(received[:end])
        del received[:end]
        self._looked = 0
        request = self._server.read(self._head)
        if isinstance(request, int):
            return self.refuse(request)
        self._request = request
        if not request.expects or len(received) >= request.length:
            return None
        if self._server.wants_body(request):
            return self._say(CONTINUE)
        # Nobody looks at it: answered at once, in place of a 100 (RFC 9110, 10.1.1)
        self._request = request._replace(length=0, keeps=False)
        return None

    def _say(self, line: bytes) -> None:
        """Send a few bytes between answers: there is room for them, or nobody reads."""
        try:
            sent = self.sock.send(line)
        except OSError:
            sent = 0
        if sent != len(line):
            self.close()

    def _take_body(self, request: Request) -> None:
        body = bytes(self._received[: request.length])
        del self._received[: request.length]
        self._requests += 1
        head, self._head = self._head, b""
        self._request, self._began, self._skipped = None, False, False
        self._answer(Asked(request, head, body))

    def _answer(self, asked: Asked) -> None:
        answer = self._server.respond(self, asked)
        self.asked = asked if answer is None else None
        if answer is not None:
            self._send(answer, self.is_last)

    def refuse(self, code: int) -> None:
        """Answer with an error, and close."""
        self._send(Answer(self._server.refusal(code, self._head or bytes(self._received[:8])), b"", True))

    def _send(self, answer: Answer, last: bool = False) -> None:
        data, body, self._last, self._bye = answer
        self._last = self._last or last
        if body and not hasattr(self.sock, "sendmsg"):  # as on Windows
            data, body = data + body, b""
        self._unsent, self._body = memoryview(data), memoryview(body)
        self.deadline = time.monotonic() + self._server.times.send
        self.writable()

    def writable(self) -> None:
        """Send on."""
        try:
            sent = self.sock.sendmsg((self._unsent, self._body)) if self._body else self.sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        if self._body and sent >= len(self._unsent):
            sent -= len(self._unsent)
            self._unsent, self._body = self._body, memoryview(b"")
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._sent()

    def _sent(self) -> None:
        times = self._server.times
        self.deadline = time.monotonic() + (times.linger if self._last else times.idle)
        if self._ends or (self._last and (self.deaf or (self._bye and not self._received))):
            self.close()
        elif self._last:
            self._lingers = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def expire(self) -> None:
        """Its time is over."""
        if self.asked is not None:
            self._server.give_up(self)
            self.resume()
        elif self._began and self.waits and not self._lingers:
            self.refuse(408)
        else:
            if self.writes:
                self._server.complaints.tell("clients that do not take their answer")
            self.close()

    def end(self) -> None:
        """The server stops: no further request, but what is being answered is answered."""
        self._ends = True
        if self.waits:
            self.close()

    def close(self) -> None:
        """Close the socket, for a child too that was forked in the midst of accepting it. Idempotent."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
