"""http:// and https:// as targets, through urllib's opener and processors.

The handlers of file:, ftp: and data: and the proxies of the environment are left out; redirects go to http and
https only, and what the user set stays at its origin. (urllib and ssl are imported with the first such check.)
"""

from __future__ import annotations

import base64
import re
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from ..checks import LONGEST, Probe
from ..errors import ConfigError
from ..model import Fault, Response

if TYPE_CHECKING:
    import urllib.request
    from http.client import HTTPResponse

    from .opener import Ask

MAX_BODY = 1 << 20
"""Bytes of an answer's body that are read at most, unless `max_body` says otherwise."""
STEP = 1 << 16
SAFE = "!#$%&'()*+,/:;=?@[]~"


class Openers:
    """urllib openers by their TLS settings: the checks of a Monitor share them, for a TLS context is costly."""

    def __init__(self) -> None:
        self._made: dict[tuple[bool, str | None], urllib.request.OpenerDirector] = {}

    def get(self, verify: bool, ca_file: str | None) -> urllib.request.OpenerDirector:
        """The opener for these settings. Any thread; two at once may make one too many, and share one after.

        Raises OSError for a `ca_file` that cannot be read, or holds no certificate.
        """
        made = self._made.get((verify, ca_file))
        if made is None:
            from . import opener

            made = self._made.setdefault((verify, ca_file), opener.make(verify, ca_file))
        return made


class HttpProbe(Probe):
    """One request and its whole answer. `options` are those of `checks.OPTIONS`.

    Raises ConfigError for a `ca_file` that cannot be used.
    """

    def __init__(self, url: str, options: Mapping[str, Any], openers: Openers) -> None:
        self._url, userinfo = _requested(url)
        body = options.get("body")
        self._body = body.encode() if isinstance(body, str) else body
        self._method = options.get("method") or ("GET" if body is None else "POST")
        given = {name.capitalize(): value for name, value in options.get("headers", {}).items()}  # as urllib has them
        self._headers = {"User-agent": "minimon", "Accept": "*/*", **given}
        if userinfo:
            self._headers.setdefault("Authorization", _basic(userinfo))
        self._ask: Ask | None = None
        self._max_body = options.get("max_body", MAX_BODY)
        tls = (options.get("verify", True), options.get("ca_file"))
        try:
            # Here, for it imports urllib: in the midst of that on a worker, a fork would leave the import lock held.
            self._opener = openers.get(*tls)
        except OSError as error:  # an ssl.SSLError is one
            raise ConfigError(f"ca_file {tls[1]!r}: {error.strerror or error}") from None

    def __call__(self, timeout: float) -> Response:
        """Ask once. What the target does wrong is the Response's `error`."""
        from http.client import HTTPException

        from .opener import Ask

        timeout = min(timeout, LONGEST)
        try:
            if self._ask is None:
                self._ask = Ask(self._url, self._body, self._headers, method=self._method)
            request = self._ask.again(time.monotonic() + timeout)
            with self._opener.open(request, timeout=timeout) as answer:
                return self._read(answer)
        except (OSError, HTTPException, ValueError) as error:
            return Response(error=_fault(error))

    def _read(self, answer: HTTPResponse) -> Response:
        parts, size = [], 0
        try:
            while part := answer.read1(min(STEP, self._max_body + 1 - size)):
                parts.append(part)
                size += len(part)
                if size > self._max_body:
                    return Response(error=Fault("too_large", f"body: more than {self._max_body} bytes"))
        except (TimeoutError, socket.timeout):  # two types before Python 3.10
            return Response(error=Fault("timeout", f"body: not whole in time, {size} bytes so far"))
        except ConnectionError as error:
            return Response(error=Fault("truncated", f"body: {error.strerror or error} after {size} bytes"))
        if answer.length:  # what Content-Length promised and did not come
            return Response(error=Fault("truncated", f"body: {answer.length} bytes short of Content-Length"))
        headers: Any = answer.headers  # model.Headers, see opener
        return Response(answer.status, b"".join(parts), headers, reason_phrase=answer.reason)


def _requested(url: str) -> tuple[str, str]:
    """The URL as it is sent, quoted and with the host in ASCII, and the userinfo that was in it."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    path = quote(parts.path or "/", safe=SAFE)
    query = "?" + quote(parts.query, safe=SAFE) if parts.query else ""
    return f"{parts.scheme}://{host}{path}{query}", userinfo


def _basic(userinfo: str) -> str:
    """Basic authentication (RFC 7617)."""
    user, _, password = userinfo.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")


def _fault(error: BaseException) -> Fault:
    """What an exception of urllib, http.client or the socket means."""
    from http.client import IncompleteRead, RemoteDisconnected

    phase, inner = "", getattr(error, "reason", None)
    if isinstance(inner, BaseException):  # URLError wraps what happened up to the sending
        phase, error = "connect: ", inner
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, (TimeoutError, socket.timeout)):
        return Fault("timeout", "no answer in time")
    if isinstance(error, socket.gaierror):
        return Fault("dns", f"dns: {text}")
    if type(error).__module__ == "ssl":
        return Fault("tls", f"tls: {getattr(error, 'verify_message', '') or re.sub(r' ?[(]_ssl.*', '', text)}")
    if isinstance(error, (RemoteDisconnected, IncompleteRead)):
        return Fault("truncated", f"closed before the answer was whole: {text}")
    if isinstance(error, OSError):
        return Fault("truncated", text) if error.errno is None else Fault("connect", f"{phase}{text}")
    return Fault("protocol", f"{type(error).__name__}: {text}")
