"""HealthCheckHandler, http.server's handler API on buffers, and how a Reply becomes bytes."""

from __future__ import annotations

import email.utils
import http.server
import io
import logging
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..log import logger
from .exposition import to_json
from .framing import FIELD, Request
from .routing import Reply, problem, refusal

if TYPE_CHECKING:
    from .httpd import Httpd

_log = logger("handler")

SMALL = 4096
"""Bytes of a body up to which an answer is remembered for the second in which its Date holds."""
MOST = 256
"""Answers that are remembered."""
ALWAYS = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"))
"""Headers of every answer."""
_SPLIT = re.compile("[\r\n\0]")
_START = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)(?: [\t -~\x80-\xff]*)?")


class HealthCheckHandler(http.server.BaseHTTPRequestHandler):
    """Answers one request; for routes of the host's own, in a subclass with `do_GET` and the like.

    `HealthCheckServer(handler=Subclass)` calls it on a thread of the task pool, with a whole request in `self.rfile`,
    for paths that are none of the server's; what is written into `self.wfile` is sent when it returns.
    `super().do_GET()` is 404. It raises for headers with line breaks. All state is on `self.server`; there is no
    socket here.
    """

    protocol_version = "HTTP/1.1"
    server_version = "minimon"
    sys_version = ""
    server: Httpd

    def setup(self) -> None:
        """`self.request` is the head and the body; what is written is collected, for the server to send."""
        self.rfile = io.BytesIO(self.request)
        self.wfile: Any = io.BytesIO()

    def finish(self) -> None:
        """Nothing to close."""

    def handle(self) -> None:
        """One request."""
        self.handle_one_request()

    def handle_one_request(self) -> None:
        """Parse the head, and call the method for it."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline()
        if self.parse_request():
            getattr(self, f"do_{self.command}", self.answer)()

    def answer(self) -> None:
        """Any method on a path that nobody knows."""
        self.reply(refusal_of(self.command))

    do_GET = answer

    def do_HEAD(self) -> None:
        """What GET does: of what is written the body is left out (RFC 9110, 9.3.2)."""
        self.do_GET()

    def reply(self, reply: Reply) -> None:
        """Write an answer of the server's kind, with a body unless it is HEAD that asks."""
        self.send_response(reply.status)
        for name, value in fields_of(reply):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and reply.status not in BODILESS:
            self.wfile.write(reply.body)

    def send_header(self, keyword: str, value: str) -> None:
        """As the base class; raises ValueError for a line break, by which data could add headers of its own."""
        if _SPLIT.search(f"{keyword}{value}"):
            raise ValueError(f"a line break in the header {keyword[:60]!r}")
        super().send_header(keyword, value)

    def send_response_only(self, code: int, message: str | None = None) -> None:
        """As the base class; raises ValueError for a line break."""
        if message is not None and _SPLIT.search(message):
            raise ValueError("a line break in the phrase of an answer")
        super().send_response_only(code, message)

    def handle_expect_100(self) -> bool:
        """The body is here already."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """An error as JSON, with the message; the connection is closed after it."""
        self.close_connection = True
        self.request_version = "HTTP/1.1"  # the base class sends no head to what it holds for HTTP/0.9
        self.reply(refused(code) if message is None else Reply(code, to_json({"error": message})))

    def version_string(self) -> str:
        """What the Server header says: no version, neither ours nor Python's."""
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed; at DEBUG it is logged on one line, control characters escaped, queries masked."""
        if _log.tells(logging.DEBUG):
            text = re.sub(r"\?\S*", "?***", repr(format % args))
            _log.debug("%s %.512s", self.client_address[0] if self.client_address else "-", text)


FRAMING = (b"transfer-encoding", b"content-length", b"connection")
"""Headers that say where an answer ends."""
BODILESS = (204, 304)
"""Codes whose answers have no body, and do not tell of one (RFC 9110, 6.4.1)."""


def fields_of(reply: Reply) -> list[tuple[str, str]]:
    """The headers of an answer, but for those of its connection; no value can begin another header."""
    own = () if reply.status in BODILESS else (("Content-Type", reply.kind), ("Content-Length", str(len(reply.body))))
    return [(name, _SPLIT.sub(" ", value)) for name, value in (*own, *reply.headers, *ALWAYS)]


def refusal_of(method: str) -> Reply:
    """The answer to a request for a path that nobody knows."""
    refused = refusal(method)
    return refused if refused is not None and refused.status == 501 else problem(404, "not found")


def framed(made: bytes, request: Request, closes: bool) -> tuple[bytes, bytes, bool]:
    """What a handler of the host has written, so that the connection stays in order: head, body, whether it ends.

    The length is that of the body, whatever was written. Raises ValueError for what is no answer.
    """
    head, blank, body = made.partition(b"\r\n\r\n")
    while re.match(rb"HTTP/1\.[01] 1\d\d[ \r]", head + b"\r"):  # the body was here already
        head, blank, body = body.partition(b"\r\n\r\n")
    start, *fields = head.split(b"\r\n")
    found = _START.fullmatch(start)
    if found is None or not blank:
        raise ValueError(f"a route of the host wrote no answer, but {made[:60]!r}")
    odd = next((field for field in fields if not FIELD.fullmatch(field)), None)
    if odd is not None:  # a line end of its own kind too, at which some readers begin another one
        raise ValueError(f"a route of the host wrote what is no header: {odd[:60]!r}")
    named = [(field.partition(b":")[0].strip().lower(), field) for field in fields]
    coded = any(name == b"transfer-encoding" for name, _ in named)
    if coded and request.old:
        raise ValueError("a route of the host wrote chunks to a client of HTTP/1.0")
    wishes = b",".join(field.partition(b":")[2].lower() for name, field in named if name == b"connection")
    closes = closes or coded or b"close" in wishes or request.method == "CONNECT"
    lengths = [field for name, field in named if name == b"content-length"]
    kept = [field for name, field in named if name not in FRAMING[1:]]
    if int(found[1]) in (*BODILESS, 205):
        kept, body = [field for name, field in named if name not in FRAMING], b""
        kept += [b"Content-Length: 0"] if found[1] == b"205" else []
    elif request.method == "HEAD":
        kept, body = [*kept, *lengths[:1]], b""
    elif not coded:
        kept.append(b"Content-Length: %d" % len(body))
    if closes or request.old:
        kept.append(b"Connection: close" if closes else b"Connection: keep-alive")
    return b"\r\n".join([start, *kept, b"", b""]), body, closes


def phrase_of(code: int) -> str:
    """What stands beside a code; "Error" for one that nobody knows."""
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Error"


def refused(code: int) -> Reply:
    """The answer to a request that cannot be served."""
    return Reply(code, to_json({"error": phrase_of(code).lower()}))


class Writer:
    """Makes answers into bytes. One owner: the server's thread. Small ones are remembered for a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = ""
        self._made: dict[tuple[Reply, bool, bool, bool], bytes] = {}

    def parts(self, reply: Reply, request: Request, closes: bool) -> tuple[bytes, bytes]:
        """The head, with a small body, and a large one, which is shared by all who get it."""
        if len(reply.body) <= SMALL or request.method == "HEAD" or reply.status in BODILESS:
            return self.answer(reply, request, closes), b""
        self._mind_the_time()
        return self._make(reply, True, request.old, closes), reply.body

    def _mind_the_time(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, email.utils.formatdate(second, usegmt=True)
            self._made.clear()

    def answer(self, reply: Reply, request: Request, closes: bool) -> bytes:
        """The whole answer to this request; `closes` says that the connection ends with it."""
        self._mind_the_time()
        if len(reply.body) > SMALL or len(self._made) >= MOST:
            return self._make(reply, request.method == "HEAD", request.old, closes)
        key = reply, request.method == "HEAD", request.old, closes
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(*key)
        return made

    def _make(self, reply: Reply, is_head: bool, old: bool, closes: bool) -> bytes:
        lines = [f"HTTP/1.1 {reply.status} {phrase_of(reply.status)}", "Server: minimon", f"Date: {self._date}"]
        lines += [f"{name}: {value}" for name, value in fields_of(reply)]
        if closes:
            lines.append("Connection: close")
        elif old:
            lines.append("Connection: keep-alive")
        head = "\r\n".join((*lines, "", "")).encode("latin-1", "replace")
        return head if is_head or reply.status in BODILESS else head + reply.body

    def refusal(self, code: int) -> bytes:
        """The whole answer to what is not even a request."""
        return self.answer(refused(code), NOBODY, True)


NOBODY = Request("GET", "/", "", (), "", False, False, 0, False)
NO_HEAD = NOBODY._replace(method="HEAD")
"""What stands for a request that could not be read."""
