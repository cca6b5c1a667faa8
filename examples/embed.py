"""A host with an HTTP server of its own, and minimon inside it.

usage: PYTHONPATH=. python3 examples/embed.py [PORT [HEALTH_PORT]]      then: curl -i localhost:8081/status
"""

from __future__ import annotations

import queue
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from minimon import Check, HealthCheckServer, Monitor

jobs: queue.Queue[str] = queue.Queue()


class App(BaseHTTPRequestHandler):
    """The host's own business."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


def queue_is_short() -> bool:
    return jobs.qsize() < 100


def main(port: int = 8000, health_port: int = 8081) -> None:
    app = ThreadingHTTPServer(("127.0.0.1", port), App)
    monitor = Monitor(
        [
            Check("app", f"http://127.0.0.1:{app.server_port}/", every=2, expect={"text": "hello\n"}),
            Check("queue", queue_is_short, every=1),
        ]
    )
    with monitor, HealthCheckServer(port=health_port).serving(monitor) as health:
        print(f"app http://127.0.0.1:{app.server_port}/, health http://127.0.0.1:{health.port}/health", flush=True)
        app.serve_forever()


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:]))
    except KeyboardInterrupt:
        pass
