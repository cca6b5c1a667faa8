"""A program of multiprocessing workers that answer over HTTP: usage: processes.py PORT WORKERS fork|spawn|forkserver.

The parent hands each request to the next worker, and replaces those that died.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from typing import Any

import variant


def work(requests: Connection) -> None:
    """A worker's life: one request after the other, until there is None."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    variant.start_worker()
    for path, _, query in iter(requests.recv, None):
        variant.hold(query)
        requests.send((os.getpid(), *variant.answer(path)))
    variant.stop_worker()


class Parent(HTTPServer):
    """Listens, and owns the workers."""

    request_queue_size = 64

    def __init__(self, port: int, workers: int, method: str) -> None:
        super().__init__(("127.0.0.1", port), Front)
        self.context = multiprocessing.get_context(method)
        self.workers = [self.hire() for _ in range(workers)]

    def hire(self) -> tuple[Any, Connection]:
        """A new worker, and its line."""
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        return process, ours

    def ask(self, path: str) -> tuple[int, int, bytes]:
        """What the next worker says."""
        process, line = self.workers.pop(0)
        try:
            line.send(path.partition("?"))
            answered: tuple[int, int, bytes] = line.recv()
        except (OSError, EOFError):
            self.workers.append(self.replace(process))
            return 0, 503, b"{}"
        self.workers.append((process, line))
        return answered

    def replace(self, process: Any) -> tuple[Any, Connection]:
        """One that died."""
        process.join(1.0)
        return self.hire()

    def dismiss(self) -> None:
        """The end."""
        for _, line in self.workers:
            with contextlib.suppress(OSError):
                line.send(None)
        for process, _ in self.workers:
            process.join(5.0)


class Front(BaseHTTPRequestHandler):
    """Hands requests on."""

    server: Parent

    def do_GET(self) -> None:
        """Whatever the path."""
        pid, status, body = self.server.ask(self.path)
        self.send_response(status)
        self.send_header("X-Pid", str(pid))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nowhere."""


def main(port: str, workers: str, method: str) -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    parent = Parent(int(port), int(workers), method)
    try:
        parent.serve_forever()
    finally:
        parent.dismiss()
        parent.server_close()


if __name__ == "__main__":
    main(*sys.argv[1:])
