"""A connection that is used until one instant: whatever the target does, it cannot hold a worker longer.

A socket's own timeout begins anew with every byte; here each call is given what is left of the poll's time.
"""

from __future__ import annotations

import functools
import os
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from ..text import scrub
from .lookup import Address, Resolver, literal
from .message import TargetError

PIECE = 1 << 16
"""Bytes that are received at once, at most."""

Guard = Callable[[str, str], None]
"""Raises TargetError for a host, or an address of it, that must not be connected to."""


NEAR = 0.02
"""Seconds that a call may last longer than it should, to save the setting of a limit for each."""

LATE = (socket.timeout, TimeoutError, BlockingIOError)
"""What is raised when the limit is reached: two types before Python 3.10, and what the kernel says."""

_LATE_WORDS = {"sending": "not taken", "tls": "handshake not done"}
"""What has not happened, where it is not an answer."""


_TIMEVAL = struct.Struct("@ll")
_KERNEL = sys.platform == "linux" and struct.calcsize("@l") == 8
_PLAIN = socket.socket if socket.socket.__module__ == "socket" else None


class Trip:
    """One poll on its way: until when it may take, and what it has seen so far."""

    __slots__ = (
        *("_phase", "address", "at", "begun", "certificate", "deadline", "heads", "phases"),
        *("received", "redirects", "reused", "since", "tls", "unclean", "word"),
    )

    def __init__(self, timeout: float) -> None:
        self.begun = self.since = now = monotonic()
        self.deadline = now + timeout
        self._phase = self.word = ""
        self.phases: dict[str, float] = {}
        self.address = self.tls = self.at = ""
        self.received = self.heads = self.redirects = 0
        self.reused = self.unclean = False
        self.certificate: dict[str, Any] | None = None

    def enter(self, phase: str, word: str) -> None:
        """The phase before is over; those of several requests are added up. `word` is for messages."""
        now = monotonic()
        if self._phase:
            self.phases[self._phase] = self.phases.get(self._phase, 0.0) + now - self.since
        self._phase, self.word, self.since = phase, word, now

    def left(self) -> float:
        """Seconds. Raises TargetError when there are none."""
        left = self.deadline - monotonic()
        if left <= 0:  # a flood never makes a socket wait
            raise self.late()
        return left

    def late(self) -> TargetError:
        """The deadline has come."""
        span = f"within {self.deadline - self.begun:.4g} s"
        if self.word == "body":
            return TargetError("timeout", f"body: not whole {span}, {self.received - self.heads} bytes so far")
        return TargetError("timeout", f"{self.word}: {_LATE_WORDS.get(self.word, 'no answer')} {span}")

    def end(self) -> dict[str, float]:
        """No phase any more; the seconds of all."""
        self.enter("", "")
        self.phases["total"] = self.since - self.begun
        return self.phases

    def transport(self) -> dict[str, Any]:
        """What is known of the way, as a Result has it."""
        told: dict[str, Any] = {
            "address": self.address,
            "redirects": self.redirects,
            "bytes": self.received,
            "reused": self.reused,
        }
        if self.at:
            told["url"] = scrub(self.at)
        if self.tls:
            told["tls"] = self.tls
        if self.certificate is not None:
            told["certificate"] = self.certificate
        if self.unclean:
            told["unclean"] = True
        return told


class Wire:
    """A connected socket, in the hands of one trip after the other."""

    __slots__ = ("_by_kernel", "address", "limited", "made", "pid", "rest", "sock", "told", "trip")

    def __init__(self, sock: socket.socket, trip: Trip, address: str) -> None:
        self.sock, self.trip, self.address = sock, trip, address
        self.rest = b""
        """What was received beyond what was asked for."""
        self.pid = 0
        self.made = trip.since
        self.told: tuple[str, dict[str, Any] | None] | None = None
        """The version of TLS and the certificate of the other side; None without TLS."""
        self.limited = -1.0
        self._by_kernel = False

    def send(self, data: bytes) -> None:
        """Send all of it. Raises TargetError."""
        self._push(data)

    def more(self) -> bytes:
        """The next piece; b"" at the end of the connection. Raises TargetError."""
        data = self._pull()
        self.trip.received += len(data)
        return data

    def _push(self, data: bytes) -> None:
        try:
            self._limit()
            sent = self.sock.send(data)
            while sent < len(data):  # not sendall: under the kernel's limit it begins anew with each piece
                self._limit()
                sent += self.sock.send(memoryview(data)[sent:])
        except OSError as error:
            raise self.fault(error) from None

    def _pull(self) -> bytes:
        try:
            self._limit()
            return self.sock.recv(PIECE)
        except OSError as error:
            raise self.fault(error) from None

    def _limit(self) -> None:
        """Have the next call end with the trip; a limit that is as good as the right one is left alone."""
        left = self.trip.left()
        if left <= self.limited <= left + NEAR:
            return
        self.limited = left
        if not self._by_kernel:
            self.sock.settimeout(left)
            return
        span = _TIMEVAL.pack(*divmod(max(1000, int(left * 1e6)), 1_000_000))  # zero would mean for ever
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)

    def take(self, trip: Trip) -> None:
        """From now on it is another trip's.

        Where it can, the kernel keeps its limits then (socket(7): SO_RCVTIMEO): Python's own way takes another system
        call before each, and gives the interpreter lock away for it. Not on the main thread, whose calls the host's
        signals interrupt, for then the kernel's limit begins anew. Not for sockets of gevent either.
        """
        self.trip = trip
        by_kernel = _KERNEL and threading.get_ident() != threading.main_thread().ident
        if by_kernel is not self._by_kernel and type(self.sock) is _PLAIN:
            self._by_kernel, self.limited = by_kernel, -1.0
            self.sock.settimeout(None)

    def fault(self, error: OSError) -> TargetError:
        """What an error of the socket means."""
        trip = self.trip
        if isinstance(error, LATE):
            return trip.late()
        text = error.strerror or str(error) or type(error).__name__
        if trip.word == "body":
            return TargetError("truncated", f"body: {text} after {trip.received - trip.heads} bytes")
        return TargetError("connect", f"{trip.word}: {text}")

    def park(self) -> None:
        """It rests until another trip takes it, and keeps nothing of the one that is over."""
        del self.trip
        self.pid = self.pid or os.getpid()

    def is_fit(self, since: float) -> bool:
        """Whether it may be used again: made since then, nothing came while it rested, and it is not our parent's.

        What came would be taken for the answer to a request that has not been made; or it is the end.
        """
        if self.pid != os.getpid() or self.made < since:
            return False
        if not hasattr(select, "poll"):
            return not select.select([self.sock], (), (), 0)[0]
        poll = select.poll()  # select(2) counts descriptors to 1023
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the socket; what the other side then says is not waited for."""
        self.sock.close()


def connect(
    host: str, port: int, trip: Trip, resolver: Resolver, *, family: int = 0, guard: Guard | None = None
) -> Wire:
    """A connection to the first of the host's addresses that accepts one. Each gets its share of the time left.

    Raises TargetError.
    """
    addresses = _addresses(host, trip, resolver, family)
    trip.enter("connect", "connect")
    problems: list[TargetError] = []
    for number, address in enumerate(addresses):
        if guard is not None:
            guard(host, address.sockaddr[0])
        share = trip.left() / (len(addresses) - number)
        try:
            return _connect(address, port, trip, share)
        except TargetError as error:
            problems.append(error)
    raise TargetError(problems[-1].kind, "; ".join(error.detail for error in problems[-3:]))


def _addresses(host: str, trip: Trip, resolver: Resolver, family: int) -> Sequence[Address]:
    known = literal(host)
    if known is None:
        trip.enter("dns", "dns")
        return resolver.addresses(host, family, trip.deadline)
    if family not in (0, known.family):
        raise TargetError("dns", f"dns: {host} is no IPv{4 if family == socket.AF_INET else 6} address")
    return (known,)


@functools.lru_cache(1000)
def _where(address: str, port: int) -> str:
    """Address and port in one; who goes there again and again keeps one text."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _connect(address: Address, port: int, trip: Trip, timeout: float) -> Wire:
    where = trip.address = _where(address.sockaddr[0], port)
    sock = None
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(address.at(port))
    except BaseException as error:
        if sock is not None:
            sock.close()
        if not isinstance(error, OSError):
            raise
        if isinstance(error, LATE):
            raise TargetError("timeout", f"connect: no answer from {where}") from None
        raise TargetError("connect", f"connect: {where}: {error.strerror or error}") from None
    wire = Wire(sock, trip, where)
    wire.limited = timeout
    return wire
