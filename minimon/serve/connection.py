"""One client of the health server: bytes in, bytes out, and never a wait. It lives on the server's one thread."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from ..log import logger
from .framing import MAX_HEAD, end_of_head, fault
from .handler import refusal_bytes


class Times(NamedTuple):
    """Seconds that a client has."""

    head: float = 10.0
    """For a whole head, from its first byte."""
    idle: float = 5.0
    """Of silence between requests."""
    send: float = 5.0
    """To take an answer."""
    linger: float = 1.0
    """To read the last answer: until then it is read on, lest a reset overtakes that answer (RFC 9112, 9.6)."""


_log = logger("connection")

REQUESTS = 100
"""Requests on one connection, at most."""
STEP = 1 << 16


class Answer(NamedTuple):
    """What a handler made of a head."""

    sent: bytes
    close: bool


class Connection:
    """A client's socket, what came of it, and what has to go to it.

    `respond(head)` gives an Answer, or None for one that comes later: then `resume()` asks again.
    """

    def __init__(
        self, sock: socket.socket, respond: Callable[[Connection, bytes], Answer | None], times: Times
    ) -> None:
        self.sock = sock
        self.deadline = time.monotonic() + times.head
        self.closed = False
        self.more = False  # whether another request may be there already
        self._respond = respond
        self._times = times
        self._received = bytearray()
        self._unsent = memoryview(b"")
        self._head = b""  # of the request that waits for its answer
        self._last = False  # closed once all is sent
        self._ends = False  # at once, for the server stops
        self._lingers = False
        self._skipped = False
        self._began = False  # the head that is coming in, with its deadline
        self._deaf = False  # the client says no more
        self._requests = 0

    @property
    def waits(self) -> bool:
        """True while no whole request is there."""
        return not (self._head or self._unsent)

    @property
    def reads(self) -> bool:
        """True while there is room for what the client says."""
        return not self._deaf and (self.waits or self._lingers or len(self._received) < MAX_HEAD)

    @property
    def is_last(self) -> bool:
        """True when the request being answered is the last one."""
        return self._ends or self._deaf or self._requests >= REQUESTS

    @property
    def writes(self) -> bool:
        """True while something is left to send."""
        return bool(self._unsent)

    def readable(self) -> None:
        """Take what has come, and answer what is whole."""
        try:
            data = self.sock.recv(STEP)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._deaf = True
            if self.waits or self._lingers:
                self.close()
        elif not (self._last or self._lingers):
            self._received += data
            self.go_on()

    def resume(self) -> None:
        """Ask again for the answer that was to come later."""
        if self._head and not self._unsent:
            self._answer(self._head)
            self.go_on()

    def go_on(self) -> None:
        """Answer the next whole request. One at a time: who has sent a hundred does not make others wait for all."""
        self.more = False
        if not self.waits or self._last or self._lingers or self.closed:
            return
        if self._received and not self._began:
            self._began, self.deadline = True, time.monotonic() + self._times.head
        if self._received.startswith(b"\r\n") and not self._skipped:
            self._skipped = True  # one empty line before a request is tolerated (RFC 9112, 2.2)
            del self._received[:2]
        end = end_of_head(self._received)
        if end > MAX_HEAD or (not end and len(self._received) > MAX_HEAD):
            self.refuse(431)
        elif end:
            head = bytes(self._received[:end])
            del self._received[:end]
            self._request(head)
            self.more = bool(self._received) and self.waits

    def _request(self, head: bytes) -> None:
        self._requests += 1
        self._began = self._skipped = False
        code = fault(head)
        if code:
            _log.debug("refused a head of %d bytes with %d", len(head), code)
            self.refuse(code)
        else:
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        answer = self._respond(self, head)
        self._head = head if answer is None else b""
        if answer is not None:
            self._send(answer.sent, answer.close or self.is_last)

    def refuse(self, code: int) -> None:
        """Answer with an error, and close."""
        self._send(refusal_bytes(code), True)

    def _send(self, data: bytes, last: bool) -> None:
        self._unsent, self._last = memoryview(data), last
        self.deadline = time.monotonic() + self._times.send
        self.writable()

    def writable(self) -> None:
        """Send on."""
        try:
            sent = self.sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._sent()

    def _sent(self) -> None:
        self.deadline = time.monotonic() + (self._times.linger if self._last else self._times.idle)
        if self._ends or self._deaf:
            self.close()
        elif self._last:
            self._lingers = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def expire(self) -> None:
        """Its time is over."""
        if self._received and self.waits and not self._lingers:
            self.refuse(408)
        else:
            self.close()

    def end(self) -> None:
        """The server stops: no further request, but what is being answered is answered."""
        self._ends = True
        if self.waits:
            self.close()

    def close(self) -> None:
        """Close the socket, for a child too that was forked in the midst of accepting it. Idempotent."""
        self.closed = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
