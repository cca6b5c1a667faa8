"""A program that hands requests over HTTP to the workers of celery_app.py: usage: celery_front.py PORT."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from celery_app import FOLDER, app, asked

WRITTEN = FOLDER / "written"
WRITTEN.mkdir(exist_ok=True)
app.conf.broker_transport_options["data_folder_out"] = str(WRITTEN)
one_by_one = threading.Lock()


def handed_in(path: str, query: str) -> Any:
    """A task that waits to be done; moved to the worker as a whole, which reads what was not written yet else."""
    with one_by_one:
        result = asked.delay(path, query)
        for message in WRITTEN.iterdir():
            message.rename(FOLDER / "messages" / message.name)
    return result


class Front(BaseHTTPRequestHandler):
    """Asks by a task, and waits for its result."""

    def do_GET(self) -> None:
        """Whatever the path."""
        path, _, query = self.path.partition("?")
        pid, status, body = handed_in(path, query).get(timeout=5, interval=0.01)
        self.send_response(status)
        self.send_header("X-Pid", str(pid))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nowhere."""


class Server(ThreadingHTTPServer):
    """Lets many wait."""

    request_queue_size = 64


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Front).serve_forever()
