"""Two programs, one after the other, watched and launched again, beside a check of one of them; a page shows all.

usage: PYTHONPATH=. python3 examples/supervisor.py [HEALTH_PORT]      then: curl localhost:8081/processes
"""

from __future__ import annotations

import signal
import sys
import threading

from minimon import Check, HealthCheckServer, Monitor, Program, Supervisor

STORE = "import time; print('store: accepting', flush=True); time.sleep(3600)"
SITE = "import http.server as h; h.HTTPServer(('127.0.0.1', {port:site}), h.SimpleHTTPRequestHandler).serve_forever()"


def main(health_port: int = 8081) -> None:
    programs = [
        Program("store", [sys.executable, "-c", STORE], ready={"log": "accepting"}, output="discard"),
        Program(
            "site",
            [sys.executable, "-c", SITE],
            ready={"http": "http://127.0.0.1:{port:site}/"},
            live={"http": "http://127.0.0.1:{port:site}/", "interval": 5},
            depends_on=["store"],
            restart="on-failure",
            output="discard",
        ),
    ]
    supervisor = Supervisor(programs, on_change=lambda change: print(change.name, change.after, change.why, flush=True))
    monitor = Monitor([Check("site answers", supervisor.process("site"), every=5)])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    with monitor, supervisor, HealthCheckServer(port=health_port).serving(monitor, supervisor) as health:
        supervisor.wait_ready(timeout=30)
        print(f"health http://127.0.0.1:{health.port}/health", flush=True)
        ended.wait()


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:]))
    except KeyboardInterrupt:
        pass
