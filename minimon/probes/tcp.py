"""tcp://host:port as a target: up when a connection is accepted in time."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from ..checks import LONGEST, Probe
from ..model import Fault, Response


class TcpProbe(Probe):
    """Connects and closes. Every address of the name gets its share of the time that is left."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname and parts.port  # the Check has seen to it
        self._host, self._port = parts.hostname, parts.port

    def __call__(self, timeout: float) -> Response:
        """Connect within `timeout` seconds; the look-up of a name is outside of it."""
        deadline = time.monotonic() + min(timeout, LONGEST)
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return Response(error=Fault("dns", f"look-up of {self._host} failed: {error}"))
        fault = Fault("dns", f"{self._host} has no address")
        for number, (family, kind, protocol, _, address) in enumerate(found):
            share = (deadline - time.monotonic()) / (len(found) - number)
            problem = _connect(family, kind, protocol, address, max(share, 0.001))
            if problem is None:
                return Response()
            fault = problem
        return Response(error=fault)


def _connect(family: int, kind: int, protocol: int, address: tuple[object, ...], timeout: float) -> Fault | None:
    try:
        with socket.socket(family, kind, protocol) as sock:
            sock.settimeout(timeout)
            sock.connect(address)
            if sock.getsockname() == sock.getpeername():  # the system gave us the very port that we called
                return Fault("connect", f"connect to {address[0]}:{address[1]}: nobody but ourselves there")
    except (TimeoutError, socket.timeout):  # two types before Python 3.10
        return Fault("timeout", f"connect: no answer from {address[0]}:{address[1]}")
    except OSError as error:
        return Fault("connect", f"connect to {address[0]}:{address[1]}: {error.strerror or error}")
    return None
