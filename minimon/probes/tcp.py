"""tcp://host:port and tls://host:port as targets: up when a connection is accepted, and what is expected is said.

Other protocols are for callables of the host. What the port says is read when there is something to `send`, or when
`expect` or `warn_if` look at the text (a function does not count: nobody knows what it looks at). A plain text is
expected to be contained: send="PING\\r\\n", expect="+PONG".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..checks import LONGEST, Probe, ascii_host
from ..conditions import Condition, needs_body
from ..model import Fault, Response
from .message import TargetError
from .network import Network, Plan
from .wire import Trip, Wire, connect

MOST = 1 << 16
"""Bytes that are read of what a port says, at most."""


class PortProbe(Probe):
    """Connects; says `send` if given; and reads, if there is something to send or expect, until that holds.

    Raises ConfigError for files that cannot be used.
    """

    def __init__(
        self,
        target: str,
        network: Network,
        options: Mapping[str, Any],
        expect: Condition | None = None,
        reads: bool = False,
    ) -> None:
        parts = urlsplit(target)
        assert parts.hostname and parts.port  # the Check has seen to it
        self.host = ascii_host(parts.hostname)
        self._port, self._tls = parts.port, parts.scheme.lower() == "tls"
        self._plan = Plan(options, network, tls=self._tls or None)
        send = options.get("send")
        self._send = send.encode() if isinstance(send, str) else send
        self._reads = reads or send is not None
        self._expect = expect if expect is not None and needs_body(expect.spec) else None

    def __call__(self, timeout: float) -> Response:
        """Ask once. What the target does wrong is the Response's `error`."""
        trip = Trip(min(timeout, LONGEST))
        try:
            wire = self._connected(trip)
            if self._tls:
                wire = self._plan.secure(wire, self.host, True, lambda: self._connected(trip))
            try:
                body = self._talk(wire)
            finally:
                wire.close()
            response = Response(body=body)
        except TargetError as error:
            response = Response(error=Fault(error.kind, error.detail))
        response.phases, response.transport = trip.end(), trip.transport()
        response.warning = self._plan.warning(trip)
        return response

    def _connected(self, trip: Trip) -> Wire:
        plan = self._plan
        wire = connect(self.host, self._port, trip, plan.resolver, family=plan.family, guard=plan.guard)
        try:
            alone = wire.sock.getsockname() == wire.sock.getpeername()  # the system gave us the port that we called
        except OSError as error:  # it was reset at once
            wire.close()
            raise wire.fault(error) from None
        if alone:
            wire.close()
            raise TargetError("connect", f"connect: {wire.address}: nobody but ourselves there")
        return wire

    def _talk(self, wire: Wire) -> bytes:
        """What the port says: up to what is expected, its end, or the limit; without that, its first piece."""
        if self._send:
            wire.trip.enter("first_byte", "sending")
            wire.send(self._send)
        if not self._reads:
            return b""
        wire.trip.enter("first_byte", "answer")
        data = b""
        while len(data) < MOST:
            try:
                piece = wire.more()
            except TargetError as error:
                raise self._unmet(error, data) from None
            if not data:
                wire.trip.enter("transfer", "answer")
            data += piece
            if not piece or self._expect is None or self._expect.unmet(Response(body=data)) is None:
                break
        if not data and self._expect is None:
            raise TargetError("truncated", "answer: closed without one")
        return data

    def _unmet(self, error: TargetError, data: bytes) -> TargetError:
        """The same, with what was missing."""
        unmet = None if self._expect is None else self._expect.unmet(Response(body=data))
        return error if unmet is None else TargetError(error.kind, f"{error.detail}; {unmet.text}")
