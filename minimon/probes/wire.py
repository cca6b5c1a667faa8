"""A connection that is used until one instant: whatever the target does, it cannot hold a worker longer.

A socket's own timeout begins anew with every byte. So sockets do not block here, and each wait for one is given what is
left of the poll's time: a system call less than Python's timeouts, and no handing over of the interpreter lock for it.
"""

from __future__ import annotations

import errno
import functools
import os
import select
import socket
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from ..conditions import scrub
from .lookup import Address, Resolver, literal
from .message import TargetError

PIECE = 1 << 16
"""Bytes that are received at once, at most."""

Guard = Callable[[str, str], None]
"""Raises TargetError for a host, or an address of it, that must not be connected to."""


_LATE_WORDS = {"sending": "not taken", "tls": "handshake not done"}
"""What has not happened, where it is not an answer."""


_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, errno.EINTR)
_HAS_POLL = hasattr(select, "poll")
_NONBLOCK: int = getattr(socket, "SOCK_NONBLOCK", 0)


def is_ready(sock: socket.socket, seconds: float, *, writing: bool = False) -> bool:
    """Wait so long at most until something has come, or may be sent; the host's signals do not prolong it."""
    if not _HAS_POLL:
        return any(select.select([] if writing else [sock], [sock] if writing else [], [], seconds))
    poll = select.poll()  # select(2) counts descriptors to 1023
    poll.register(sock.fileno(), select.POLLOUT if writing else select.POLLIN)
    return bool(poll.poll(seconds * 1000))


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

    __slots__ = ("address", "made", "pid", "rest", "sock", "told", "trip")

    def __init__(self, sock: socket.socket, trip: Trip, address: str) -> None:
        self.sock, self.trip, self.address = sock, trip, address
        self.rest = b""
        """What was received beyond what was asked for."""
        self.pid = 0
        self.made = trip.since
        self.told: tuple[str, dict[str, Any] | None] | None = None
        """The version of TLS and the certificate of the other side; None without TLS."""

    def send(self, data: bytes) -> None:
        """Send all of it. Raises TargetError."""
        self._push(data)

    def more(self) -> bytes:
        """The next piece; b"" at the end of the connection. Raises TargetError."""
        data = self._pull()
        self.trip.received += len(data)
        return data

    def _push(self, data: bytes) -> None:
        sent = 0
        while True:
            try:
                sent += self.sock.send(memoryview(data)[sent:] if sent else data)
            except BlockingIOError:
                pass
            except OSError as error:
                raise self.fault(error) from None
            if sent == len(data):
                return
            if not is_ready(self.sock, self.trip.left(), writing=True):
                raise self.trip.late()

    def _pull(self) -> bytes:
        while True:
            if not is_ready(self.sock, self.trip.left()):
                raise self.trip.late()
            try:
                return self.sock.recv(PIECE)
            except BlockingIOError:  # a false alarm
                continue
            except OSError as error:
                raise self.fault(error) from None

    def fault(self, error: OSError) -> TargetError:
        """What an error of the socket means."""
        trip = self.trip
        text = error.strerror or str(error) or type(error).__name__
        if trip.word == "body":
            return TargetError("truncated", f"body: {text} after {trip.received - trip.heads} bytes")
        return TargetError("connect", f"{trip.word}: {text}")

    def park(self) -> None:
        """It rests until another trip takes it."""
        self.pid = self.pid or os.getpid()

    def is_fit(self, since: float) -> bool:
        """Whether it may be used again: made since then, nothing came while it rested, and it is not our parent's.

        What came would be taken for the answer to a request that has not been made; or it is the end.
        """
        return self.pid == os.getpid() and self.made >= since and not is_ready(self.sock, 0.0)

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
        sock = socket.socket(address.family, socket.SOCK_STREAM | _NONBLOCK)
        if sock.gettimeout() != 0.0:  # the platform, or gevent, knows no such flag
            sock.setblocking(False)
        error = sock.connect_ex(address.at(port))
        if error in _UNDER_WAY:
            if not is_ready(sock, timeout, writing=True):
                raise TargetError("timeout", f"connect: no answer from {where}")
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise TargetError("connect", f"connect: {where}: {os.strerror(error)}")
        return Wire(sock, trip, where)
    except BaseException as error:
        if sock is not None:
            sock.close()
        if isinstance(error, OSError):
            raise TargetError("connect", f"connect: {where}: {error.strerror or error}") from None
        raise
