"""HealthCheckHandler: http.server's handler, working on buffers, so that every answer is one send."""

from __future__ import annotations

import http.server
import io
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..log import logger
from .exposition import to_json
from .routing import Reply, health, refusal, route, status

if TYPE_CHECKING:
    from .httpd import Httpd

_log = logger("handler")


class HealthCheckHandler(http.server.BaseHTTPRequestHandler):
    """Answers the routes of one HealthCheckServer. All state is on `self.server`, none on the class."""

    protocol_version = "HTTP/1.1"
    server_version = "minimon"
    sys_version = ""
    timeout = 5.0  # seconds of silence: between requests, and within one
    disable_nagle_algorithm = True
    server: Httpd

    def setup(self) -> None:
        """Collect what is written: head and body sent apart would wait 40 ms for each other (RFC 1122, 4.2.3.2)."""
        super().setup()
        self.wfile: Any = io.BytesIO()

    def handle_one_request(self) -> None:
        """Read one request, answer it in one send."""
        self.server.connections.waits(self.connection)
        super().handle_one_request()
        answer = self.wfile.getvalue()
        if answer:
            self.connection.sendall(answer)
            self.wfile = io.BytesIO()

    def parse_request(self) -> bool:
        """As the base class; after a request with a body the connection is closed, for the body is not read."""
        parsed = super().parse_request()
        self.server.connections.works(self.connection)
        if parsed and (self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers):
            self.close_connection = True
        return parsed

    def answer(self) -> None:
        """Any method: route, ask, reply."""
        reply = refusal(self.command, self.path)
        if reply is None:
            asker = self.server.asker
            if route(self.path) == "/health":
                reply = health(asker.health())
            else:
                reply = status(asker.details(), asker.health() if asker.several else [])
        self.reply(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

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
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The base class's refusals, as JSON; the connection is closed after them."""
        self.close_connection = True
        if self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.0"  # else the base class would send no head at all
        text = HTTPStatus(code).phrase if code in HTTPStatus.__members__.values() else "error"
        self.reply(Reply(code, to_json({"error": text.lower()})))

    def version_string(self) -> str:
        """What the Server header says: no version, neither ours nor Python's."""
        return self.server_version

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed; at DEBUG it is logged, control characters escaped."""
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %.512s", self.client_address[0] if self.client_address else "-", repr(format % args))
