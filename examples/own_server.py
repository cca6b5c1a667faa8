"""A host's own server object as the subject: anything with is_healthy() and get_detailed_stats(), no Monitor.

usage: PYTHONPATH=. python3 examples/own_server.py [HEALTH_PORT]      then: curl -i localhost:8081/health
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from minimon import HealthCheckServer


class DirectoryServer:
    """Counts what it serves; it is healthy while its backlog is short."""

    def __init__(self) -> None:
        self.connections = 0
        self.backlog: list[str] = []
        self.closed = threading.Event()

    def is_healthy(self) -> bool:
        return len(self.backlog) < 10

    def get_detailed_stats(self) -> dict[str, Any]:
        return {"connections": self.connections, "backlog": len(self.backlog)}

    def serve(self) -> None:
        self.closed.wait()


def main(health_port: int = 8081) -> None:
    directory = DirectoryServer()
    health = HealthCheckServer(port=health_port)
    health.start(directory)
    print(f"health http://127.0.0.1:{health.port}/health", flush=True)
    try:
        directory.serve()
    finally:
        health.stop()


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:]))
    except KeyboardInterrupt:
        pass
