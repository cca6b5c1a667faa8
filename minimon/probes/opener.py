"""urllib's opener as a monitor needs it: no file:, no ftp:, no proxies, whole heads, a total deadline, safe redirects.

Apart from http.py because it derives from urllib's classes, whose import costs what a monitor of callables
need not pay.
"""

from __future__ import annotations

import functools
import http.client
import io
import time
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit

from ..model import Headers

if TYPE_CHECKING:
    import socket
    import ssl

MAX_REDIRECTS = 10
MAX_HEAD = 1 << 16
"""Bytes of the heads of an answer, interim ones included, at most."""
REDIRECTS = (301, 302, 303, 307, 308)
PUNCTUATION = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"
"""What stays as it is in a Location; all else is quoted."""


class Ask(urllib.request.Request):
    """A request that knows the end of its run (time.monotonic) and the URLs that led to it."""

    deadline = float("inf")
    chain: tuple[str, ...] = ()

    def again(self, deadline: float) -> Ask:
        """The same request for another run; parsing its URL anew would cost as much as sending it."""
        copy = Ask.__new__(Ask)
        copy.__dict__.update(self.__dict__, unredirected_hdrs={}, deadline=deadline)
        return copy


class Truncated(ConnectionError):
    """The answer ended before it was whole."""


class _Timed(io.RawIOBase):
    """Reads from a socket until one instant: a plain timeout would begin anew with every byte."""

    def __init__(self, sock: socket.socket, stream: Any, deadline: float) -> None:
        self._sock, self._stream, self._deadline = sock, stream, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:  # a flood never makes a socket wait
            raise TimeoutError("no whole answer in time")
        self._sock.settimeout(left)
        return self._stream.raw.readinto(buffer)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._stream.close()
        super().close()


class _WholeLines(io.BufferedReader):
    """Reads the lines of a head, each of which has to end: http.client takes a cut head for a whole one."""

    in_head = True
    started = False

    def readline(self, limit: int | None = -1, /) -> bytes:
        line = super().readline(-1 if limit is None else limit)
        if self.in_head and not line.endswith(b"\n") and len(line) != limit and (line or self.started):
            raise Truncated("head: closed in the midst of it")
        self.started = True
        return line


class _Answer(http.client.HTTPResponse):
    """An answer whose head is whole, read until one instant."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _WholeLines(_Timed(sock, self.fp, deadline))

    def begin(self) -> None:
        """As the base class does it, but without the email package, which would take a fifth of a poll's CPU.

        And strictly (RFC 9112, 2 and 6.3): what two readers may take for different lengths is no answer. Interim
        answers are skipped, but for 101 (RFC 9110, 15.2).
        """
        lines: Any = self.fp
        budget = MAX_HEAD
        while True:
            version, self.status, reason = self._read_status()  # type: ignore[attr-defined]
            pairs, budget = _fields(lines, budget)
            if self.status >= 200 or self.status == 101:
                break
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.code, self.reason, self.version = self.status, reason.strip(), 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = Headers(pairs)  # type: ignore[assignment]
        self.length, self.chunked = _framing(self.headers)  # type: ignore[arg-type]
        self.chunk_left, self.will_close = None, True
        if self.status in (101, 204, 304) or self._method == "HEAD":  # type: ignore[attr-defined]
            self.length, self.chunked = 0, False
        lines.in_head = False


def _fields(lines: Any, budget: int) -> tuple[list[tuple[str, str]], int]:
    """The header fields up to the blank line, and what is left of the bytes for a head."""
    pairs: list[tuple[str, str]] = []
    while (line := lines.readline(budget + 1)) not in (b"\r\n", b"\n", b""):
        budget -= len(line)
        if budget < 0:
            raise http.client.HTTPException(f"head: more than {MAX_HEAD} bytes")
        name, colon, value = line.decode("latin-1").partition(":")
        if name[:1] in " \t" and pairs:  # folded (RFC 9112, 5.2)
            pairs[-1] = pairs[-1][0], f"{pairs[-1][1]} {line.decode('latin-1').strip()}"
        elif not colon or name != name.strip():
            raise http.client.HTTPException(f"head: not a header field: {line[:60]!r}")
        else:
            pairs.append((name, value.strip()))
    return pairs, budget


def _framing(headers: Headers) -> tuple[int | None, bool]:
    """The length of the body, None for up to the end, and whether it comes in chunks."""
    codings, lengths = headers.get_all("transfer-encoding"), set(headers.get_all("content-length"))
    if codings:
        if lengths or [coding.lower() for coding in codings] != ["chunked"]:
            raise http.client.HTTPException(f"bad framing: Transfer-Encoding {', '.join(codings):.60}")
        return None, True
    if not lengths:
        return None, False
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise http.client.HTTPException(f"bad framing: Content-Length {length:.60}")
    return int(length), False


def _connection(host: str, *, timeout: float = 5.0, **options: Any) -> http.client.HTTPConnection:
    made = http.client.HTTPSConnection if "context" in options else http.client.HTTPConnection
    connection = made(host, timeout=timeout, **options)
    answer = functools.partial(_Answer, deadline=time.monotonic() + timeout)
    connection.response_class = answer  # type: ignore[assignment]
    return connection


class _Transport(urllib.request.AbstractHTTPHandler):
    """http: and https:, each request on a connection of its own."""

    def __init__(self, verify: bool, ca_file: str | None) -> None:
        super().__init__()
        self._verify = verify
        self._context = self._make(ca_file) if ca_file else None

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connection, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        if not hasattr(http.client, "HTTPSConnection"):
            raise URLError("this Python has no ssl module, so https: cannot be polled")
        if self._context is None:  # costs 20 ms and 1 MiB: made once; two threads at once may make one too many
            self._context = self._make(None)
        return self.do_open(_connection, req, context=self._context)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def _make(self, ca_file: str | None) -> ssl.SSLContext:
        import ssl

        made = ssl.create_default_context(cafile=ca_file)
        if not self._verify:
            made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        return made


class _Redirects(urllib.request.BaseHandler):
    """Follows to http and https, and never to the same URL twice. Every other answer is an answer, no exception."""

    def http_response(self, request: Ask, response: http.client.HTTPResponse) -> Any:
        location = response.headers.get("location")
        if response.status not in REDIRECTS or not location:
            return response
        response.close()  # the body of a redirect is not read, however long it is
        return self.parent.open(_next(request, response.status, location), timeout=_left(request))

    https_response = http_response


def _left(request: Ask) -> float:
    return max(request.deadline - time.monotonic(), 0.001)


def _next(request: Ask, status: int, location: str) -> Ask:
    """The request that a redirect asks for (RFC 9110, 15.4). Another origin sees nothing of what the user set."""
    parts = urlsplit(urljoin(request.full_url, quote(location.strip(), safe=PUNCTUATION, encoding="iso-8859-1")))
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()  # a login there is not ours
    chain = (*request.chain, request.full_url)
    if parts.scheme not in ("http", "https"):
        raise http.client.HTTPException(f"redirect to another scheme than http and https: {url:.100}")
    if url in chain or len(chain) > MAX_REDIRECTS:
        raise http.client.HTTPException(f"redirects in a ring, or more than {MAX_REDIRECTS}: {' > '.join(chain):.200}")
    same = _origin(url) == _origin(request.full_url)
    again = status in (307, 308) and same
    method = request.get_method() if again or request.get_method() == "HEAD" else "GET"
    headers = request.headers if same else {"User-agent": "minimon"}
    following = Ask(url, request.data if again else None, headers, method=method)
    following.deadline, following.chain = request.deadline, chain
    return following


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443}.get(parts.scheme, 80)


def make(verify: bool, ca_file: str | None) -> urllib.request.OpenerDirector:
    """An opener with these handlers and no other. Threads may share it. Raises OSError for a bad `ca_file`."""
    made = urllib.request.OpenerDirector()
    for handler in (_Transport(verify, ca_file), _Redirects(), urllib.request.UnknownHandler()):
        made.add_handler(handler)
    return made
