"""http:// and https:// as targets, through urllib's opener and processors.

The handlers of file:, ftp: and data: and the proxies of the environment are left out. Redirects go to http and https
only, and what the user set stays at its origin: the same host under https is another one. 301, 302 and 303 make a GET
of a POST; 307 and 308 keep it, at the same origin. The timeout is for all together: look-up, connect, handshake,
sending, headers, body, redirects. An answer counts when it is whole. (urllib and ssl are imported with the first such
check.)
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import importlib.util
import json
import re
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from ..checks import LONGEST, Probe, scheme_of, shown_target
from ..errors import ConfigError
from ..model import Fault, Response
from ..options import check_options, header_value, login, token
from ..text import short
from .exchange import Answer
from .message import TargetError
from .network import Network
from .opener import OWN_HEADERS, Ask, Cookies, HttpPlan, Peer, basic, basic_of, opener_of, peer_of
from .wire import Trip

MAX_BODY = 1 << 20
"""Bytes of an answer's body that are read at most, unless `max_body` says otherwise."""
PACKED = ("gzip", "x-gzip", "deflate")
"""Content codings that are unpacked."""
HARMLESS = (
    *("accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-type", "host"),
    *("origin", "referer", "upgrade", "user-agent"),
)
"""Headers whose values may be shown."""
WINDOW = 1 << 14
"""Bytes that are unpacked at once."""

Function = Callable[[], str]


class HttpProbe(Probe):
    """One request and its whole answer, as a target of a Check: HttpProbe(url, method="HEAD", reuse=True).

    Options are those of a request: see `help http`. Raises ConfigError for what cannot work. `network` is what the
    checks of a Monitor share; without one it has its own.
    """

    def __init__(self, url: str, *, network: Network | None = None, **options: Any) -> None:
        self.shown = shown_target("HttpProbe", url)
        if scheme_of(url) not in ("http", "https"):
            raise ConfigError(f"HttpProbe: {self.shown} is no http:// or https:// address")
        check_options("HttpProbe", scheme_of(url), options)
        self.url, self.options = url, options
        self._network = network = network or Network()
        self._max_body, self._decode = options.get("max_body", MAX_BODY), options.get("decode", False)
        self._read_body = options.get("read_body", True)
        try:
            peer, userinfo = peer_of(url)
            if userinfo and ("auth" in options or "bearer" in options):
                raise ConfigError("HttpProbe: give either a login in the address, or auth or bearer")
            self._plan = HttpPlan(options, network, tls=peer.scheme == "https")
            headers, self._functions = _headers(options, userinfo)
            self._ask = _ask(peer, self._plan, headers, options)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        self.host = peer.host
        self._opener = _opener(network, self._plan.cookies)
        self.secrets = _secrets(headers, userinfo)
        if not self._functions and self._plan.cookies is None:
            self._ask.question = self._ask.asked()

    def on(self, network: Network) -> HttpProbe:
        """The same on another network."""
        return HttpProbe(self.url, network=network, **self.options)

    def __call__(self, timeout: float) -> Response:
        """Ask once. What the target does wrong is the Response's `error`.

        Raises RuntimeError for a function of the host's that raises, ConfigError for what it returns.
        """
        trip = Trip(timeout if timeout < LONGEST else LONGEST)
        ask = self._ask.again(trip)
        if self._functions:
            ask.headers = {**ask.headers, **{name: function() for name, function in self._functions.items()}}
            self.secrets = _secrets(ask.headers)
        try:
            answer = self._opener.open(ask, None, timeout)
            body = self._body(answer, trip)
            response = Response(answer.status, body, answer.headers, reason_phrase=answer.head.reason)
        except TargetError as error:
            response = Response(error=Fault(error.kind, error.detail + _hint(error, trip, ask)))
        response.phases, response.transport = trip.end(), trip.transport()
        if trip.certificate is not None:
            response.warning = self._plan.warning(trip)
        return response

    def _body(self, answer: Answer, trip: Trip) -> bytes:
        try:
            body = answer.read(self._max_body) if self._read_body else b""
        finally:
            answer.close()
        if self._decode and body:
            body = _unpacked(body, answer.headers.get("content-encoding", ""), self._max_body, trip)
        return body


def _hint(error: TargetError, trip: Trip, ask: Ask) -> str:
    """What may explain a failure, for the end of its detail."""
    if trip.at:
        return "" if "redirect" in error.detail else f", after a redirect to {short(trip.at, 100)}"
    silent = not trip.received and error.kind != "timeout" and ask.peer.scheme == "http"
    return "; is it https://?" if silent and trip.address.endswith("443") else ""


def _headers(options: Mapping[str, Any], userinfo: str) -> tuple[dict[str, str], dict[str, Function]]:
    """The headers of every request, in urllib's spelling, and the functions that give some of them anew each time."""
    said: dict[str, Any] = dict(OWN_HEADERS)
    if userinfo:
        said["Authorization"] = basic_of(userinfo)
    if "json" in options:
        said["Content-type"] = "application/json"
    elif "body" in options:
        said["Content-type"] = "application/x-www-form-urlencoded"  # as urllib does it
    if options.get("decode"):
        if importlib.util.find_spec("zlib") is None:
            raise ConfigError("HttpProbe: this Python has no zlib module, so nothing can be unpacked: leave decode out")
        said["Accept-encoding"] = "gzip, deflate"
    if options.get("cookies") and options["cookies"] is not True:
        said["Cookie"] = "; ".join(f"{name}={text}" for name, text in options["cookies"].items())
    said.update((name.capitalize(), value) for name, value in options.get("headers", {}).items())
    auth, bearer = options.get("auth"), options.get("bearer")
    functions: dict[str, Function] = {
        name: functools.partial(_said_by, f"headers: {name}", said.pop(name), header_value)
        for name in [name for name, value in said.items() if callable(value)]
    }
    for key, value, make in (("auth", auth, _basic), ("bearer", bearer, _bearer)):
        if callable(value):
            functions["Authorization"] = functools.partial(_said_by, key, value, make)
        elif value is not None:
            said["Authorization"] = make(key, value)
    return said, functions


def _secrets(headers: Mapping[str, str], userinfo: str = "") -> tuple[str, ...]:
    """The parts of headers that nobody should see, the longest first, but for words that are too short to be found."""
    said = [text for name, text in headers.items() if name.lower() not in HARMLESS]
    logins = [_login_of(text) for text in said if text.startswith("Basic ")]
    parts = [userinfo, *said, *logins, *(pair.partition(":")[2] for pair in logins)]
    parts += [part for text in said for part in re.split(r"[ =;,:]+", text)]
    return tuple(sorted({part for part in parts if len(part) >= 6}, key=len, reverse=True))


def _login_of(header: str) -> str:
    with contextlib.suppress(binascii.Error):
        return base64.b64decode(header[6:]).decode("utf-8", "replace")
    return ""


def _basic(where: str, value: Any) -> str:
    return basic(*login(where, value))


def _bearer(where: str, value: Any) -> str:
    return f"Bearer {token(where, value)}"


def _said_by(name: str, function: Callable[[], Any], make: Callable[[str, Any], str]) -> str:
    try:
        value = function()
    except Exception as error:
        raise RuntimeError(f"{name}: its function raised {type(error).__name__}: {short(error)}") from error
    return make(f"{name}: what its function returned", value)


def _ask(peer: Peer, plan: HttpPlan, headers: dict[str, str], options: Mapping[str, Any]) -> Ask:
    body = json.dumps(options["json"], allow_nan=False) if "json" in options else options.get("body")
    data = body.encode() if isinstance(body, str) else body
    return Ask(peer, plan, data, headers, options.get("method") or ("GET" if data is None else "POST"))


def _opener(network: Network, cookies: Cookies | None) -> urllib.request.OpenerDirector:
    """The opener that all share, but for a check that keeps cookies."""
    if cookies is not None:
        return opener_of(cookies)
    if network.opener is None:
        network.opener = opener_of()
    return network.opener  # type: ignore[no-any-return]


def _unpacked(body: bytes, codings: str, limit: int, trip: Trip) -> bytes:
    """A body that was packed. Raises TargetError."""
    import zlib  # some Pythons lack it

    named = [name.strip().lower() for name in codings.split(",")]
    coding = ", ".join(name for name in named if name not in ("", "identity"))
    if not coding:
        return body
    if coding not in PACKED:
        raise TargetError("protocol", f"body: packed as {coding:.40}, which nobody asked for")
    bare = coding == "deflate" and (body[0] & 15 != 8 or int.from_bytes(body[:2], "big") % 31)  # without zlib's head
    bits = -zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32
    unpacked, unpacker = bytearray(), zlib.decompressobj(bits)
    try:
        for at in range(0, len(body), WINDOW):
            piece = body[at : at + WINDOW]
            while piece:
                trip.left()  # a body of many small members takes long
                if unpacker.eof:  # one member after the other (RFC 1952, 2.2), or zeros that fill up
                    if not piece.strip(b"\0"):
                        break
                    unpacker = zlib.decompressobj(bits)
                unpacked += unpacker.decompress(piece, limit + 1 - len(unpacked))
                if len(unpacked) > limit:
                    raise TargetError("too_large", f"body: more than {limit} bytes when unpacked")
                piece = unpacker.unused_data
    except zlib.error as error:
        raise TargetError("protocol", f"body: not packed by {coding}, as its head says: {error}") from None
    if not unpacker.eof:
        raise TargetError("truncated", f"body: the end of what was packed by {coding} is missing")
    return bytes(unpacked)
