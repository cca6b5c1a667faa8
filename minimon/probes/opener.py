"""urllib's opener as a monitor needs it: no file:, no ftp:, no proxies, whole heads, safe redirects.

Apart from http.py because it derives from urllib's classes, whose import costs what a monitor of callables
need not pay.
"""

from __future__ import annotations

import http.client
import time
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    import ssl

MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)


class Ask(urllib.request.Request):
    """A request that knows the end of its run (time.monotonic) and the URLs that led to it."""

    deadline = float("inf")
    chain: tuple[str, ...] = ()


class Truncated(ConnectionError):
    """The answer ended before it was whole."""


class _HeadLines:
    """Reads the lines of a head, each of which has to end: http.client takes a cut head for a whole one."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.started = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self.stream.readline(limit)
        if not line.endswith(b"\n") and len(line) != limit and (line or self.started):
            raise Truncated("head: closed in the midst of it")
        self.started = True
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Answer(http.client.HTTPResponse):
    """An answer whose head is whole."""

    def begin(self) -> None:
        stream: Any = self.fp
        self.fp = _HeadLines(stream)  # type: ignore[assignment]
        super().begin()
        if self.fp is not None:
            self.fp = stream


def _connection(host: str, **options: Any) -> http.client.HTTPConnection:
    made = http.client.HTTPSConnection if "context" in options else http.client.HTTPConnection
    connection = made(host, **options)
    connection.response_class = _Answer
    return connection


class _Transport(urllib.request.AbstractHTTPHandler):
    """http: and https:, each request on a connection of its own."""

    def __init__(self, verify: bool, ca_file: str | None) -> None:
        super().__init__()
        self._settings = verify, ca_file
        self._context: ssl.SSLContext | None = None

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connection, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        if not hasattr(http.client, "HTTPSConnection"):
            raise URLError("this Python has no ssl module, so https: cannot be polled")
        return self.do_open(_connection, req, context=self._tls())

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def _tls(self) -> ssl.SSLContext:
        # Costs 20 ms and 1 MiB, so it is made once; two threads at once may make one too many.
        if self._context is None:
            import ssl

            verify, ca_file = self._settings
            made = ssl.create_default_context(cafile=ca_file)
            if not verify:
                made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
            self._context = made
        return self._context


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
    url = urljoin(request.full_url, location)
    chain = (*request.chain, request.full_url)
    if urlsplit(url).scheme not in ("http", "https"):
        raise http.client.HTTPException(f"redirect to another scheme than http and https: {url:.100}")
    if url in chain or len(chain) > MAX_REDIRECTS:
        raise http.client.HTTPException(f"redirects in a ring, or more than {MAX_REDIRECTS}: {' > '.join(chain):.200}")
    same = _origin(url) == _origin(request.full_url)
    again = status in (307, 308) and same
    method = request.get_method() if again or request.get_method() == "HEAD" else "GET"
    following = Ask(url, request.data if again else None, request.headers if same else {}, method=method)
    following.add_header("User-agent", "minimon")
    following.deadline, following.chain = request.deadline, chain
    return following


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443}.get(parts.scheme, 80)


def make(verify: bool, ca_file: str | None) -> urllib.request.OpenerDirector:
    """An opener with these handlers and no other. Threads may share it."""
    made = urllib.request.OpenerDirector()
    for handler in (_Transport(verify, ca_file), _Redirects(), urllib.request.UnknownHandler()):
        made.add_handler(handler)
    return made
