"""HealthCheckHandler: http.server's handler API on buffers: a whole head comes in, a whole answer goes out."""

from __future__ import annotations

import http.server
import io
import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..log import logger
from .exposition import to_json
from .framing import has_body
from .routing import Reply, checks_named, health, one, problem, refusal, route, status

if TYPE_CHECKING:
    from .httpd import Httpd

_log = logger("handler")


class HealthCheckHandler(http.server.BaseHTTPRequestHandler):
    """Answers one request. All state is on `self.server`, none on the class, and there is no socket here."""

    protocol_version = "HTTP/1.1"
    server_version = "minimon"
    sys_version = ""
    server: Httpd

    def setup(self) -> None:
        """`self.request` is the head; what is written is collected, for the server to send at once."""
        self.rfile = io.BytesIO(self.request)
        self.wfile: Any = io.BytesIO()

    def finish(self) -> None:
        """Nothing to close."""

    def handle(self) -> None:
        """One request."""
        self.handle_one_request()

    def handle_one_request(self) -> None:
        """Parse the head and answer it."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline()
        if self.parse_request():
            if self.server.is_last or has_body(
                self.headers.get("content-length"), self.headers.get("transfer-encoding")
            ):
                self.close_connection = True
            getattr(self, f"do_{self.command}", self.answer)()

    def answer(self) -> None:
        """Any method: route, ask, reply. Raises Pending while a plain subject has not answered yet."""
        reply = refusal(self.command, self.path)
        if reply is None:
            question = self.server.question
            names = checks_named(self.path) if question.explains else []
            if route(self.path) == "/health":
                reply = health(question.words())
            elif len(names) > 1:
                reply = problem(400, "check is given more than once; ask for one at a time")
            elif names:
                reply = one(question.explanation(names[0]))
            else:
                reply = status(question.documents(), question.words() if question.several else [])
        self.reply(reply)

    do_GET = do_HEAD = answer

    def reply(self, reply: Reply) -> None:
        """Write the head, and the body unless it is HEAD that asks."""
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self.request_version == "HTTP/1.0":
            self.send_header("Connection", "keep-alive")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class's refusals, as JSON; the connection is closed after them."""
        self.close_connection = True
        self.request_version = "HTTP/1.1"  # the base class sends no head to what it holds for HTTP/0.9
        self.reply(refused(code))

    def version_string(self) -> str:
        """What the Server header says: no version, neither ours nor Python's."""
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed; at DEBUG it is logged on one line, control characters escaped, queries masked."""
        if _log.tells(logging.DEBUG):
            text = re.sub(r"\?\S*", "?***", repr(format % args))
            _log.debug("%s %.512s", self.client_address[0] if self.client_address else "-", text)


def refused(code: int) -> Reply:
    """The answer to a request that cannot be served."""
    return Reply(code, to_json({"error": HTTPStatus(code).phrase.lower()}))


def refusal_bytes(code: int) -> bytes:
    """The whole answer to what is not even a request."""
    reply = refused(code)
    lines = (
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(reply.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii") + reply.body
