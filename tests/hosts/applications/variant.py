"""What the applications beside share: a guest that polls, in the variant that HOSTS_VARIANT names.

minimon   a Monitor, wrapped around the application or started by a worker's hook: the way the README says
naive     a daemon thread started at import, with a health port for whichever process comes first: by hand
none      nothing, to know how long the host alone takes to end

Each poll tells the harness so, and each answer of an application carries the pid of the process that gave it.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
import socket
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VARIANT = os.environ["HOSTS_VARIANT"]
TARGET = os.environ["HOSTS_TARGET"]
"""What is polled beside the pulse; it is critical."""
COLLECTOR = ("127.0.0.1", int(os.environ["HOSTS_COLLECTOR"]))
HEALTH_PORT = int(os.environ["HOSTS_HEALTH_PORT"])
EVERY = float(os.environ["HOSTS_EVERY"])


def report() -> bool:
    """A poll: the harness is told who polls, and when."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(f"{os.getpid()} {time.monotonic()}".encode(), COLLECTOR)
    return True


# --- by hand

told: dict[str, Any] = {"status": "unknown", "polls": 0}
"""What the naive guest knows."""


def poll_for_ever() -> None:
    """What people write."""
    while True:
        try:
            urllib.request.urlopen(TARGET, timeout=1).close()
            told["status"] = "healthy"
        except OSError:
            told["status"] = "unhealthy"
        report()
        told["polls"] += 1
        time.sleep(EVERY)


def by_hand(path: str) -> tuple[int, bytes]:
    """The answer of the naive guest, from what this process knows."""
    return 200 if told["status"] == "healthy" else 503, json.dumps({**told, "pid": os.getpid()}).encode()


class Health(BaseHTTPRequestHandler):
    """The health port of the naive guest."""

    def do_GET(self) -> None:
        """As in the application."""
        status, body = by_hand(self.path)
        self.send_response(status)
        self.send_header("X-Pid", str(os.getpid()))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nowhere."""


if VARIANT == "naive":
    threading.Thread(target=poll_for_ever, daemon=True).start()
    try:
        threading.Thread(
            target=ThreadingHTTPServer(("127.0.0.1", HEALTH_PORT), Health).serve_forever, daemon=True
        ).start()
    except OSError:
        pass  # another worker was first

# --- as the README says

monitor: Any = None
if VARIANT == "minimon":
    from minimon import Check, HealthCheckServer, Monitor

    spoken = logging.StreamHandler()
    spoken.setFormatter(logging.Formatter("OURS %(process)d %(name)s %(levelname)s %(message)s"))
    spoken.setLevel(logging.WARNING)
    logging.getLogger("minimon").addHandler(spoken)
    monitor = Monitor(
        [
            Check("pulse", report, every=EVERY),
            Check("target", TARGET, every=EVERY, timeout=1.0, fall=1, rise=1, critical=True),
        ],
        name="shop",
    )
    health = HealthCheckServer(port=HEALTH_PORT)


def start_worker(*args: Any, **kwargs: Any) -> None:
    """For hosts that have a hook of workers in place of a web application: whoever polls has the health port."""
    if monitor is not None:
        monitor.start_worker(*args, **kwargs)
        health.start(monitor)


def stop_worker() -> None:
    """For workers that are told when to end."""
    if monitor is not None:
        health.stop()
        monitor.stop()


def answer(path: str) -> tuple[int, bytes]:
    """What a worker without a web application says when it is asked."""
    if monitor is not None:
        reply = monitor.respond("GET", path, details="always")
        if reply is not None:
            return reply.status, reply.body
    return by_hand(path) if VARIANT == "naive" else (200, b'{"status": "none"}')


# --- wrapped

Application = Callable[[dict, Callable[..., Any]], Iterable[bytes]]


def wrap_wsgi(application: Application) -> Application:
    """The application with its guest before it, and who answered."""
    guarded: Application = _naive_wsgi(application)
    if monitor is not None:
        guarded = monitor.wrap_wsgi(application, details="always")

    def told_by(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        hold(environ.get("QUERY_STRING", ""))

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("X-Pid", str(os.getpid()))], *rest)

        return guarded(environ, start)

    return told_by


def _naive_wsgi(application: Application) -> Application:
    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in ("/health", "/-/status"):
            return application(environ, start_response)
        status, body = answer(environ["PATH_INFO"])
        start_response(f"{status} Said", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return guarded


def wrap_asgi(application: Any) -> Any:
    """The same for ASGI."""
    guarded = _naive_asgi(application)
    if monitor is not None:
        guarded = monitor.wrap_asgi(application, details="always")

    async def told_by(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"x-pid", str(os.getpid()).encode())]}
            await send(message)

        hold(scope.get("query_string", b"").decode())
        await guarded(scope, receive, sent)

    return told_by


def _naive_asgi(application: Any) -> Any:
    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] not in ("/health", "/-/status"):
            await application(scope, receive, send)
            return
        status, body = answer(scope["path"])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return guarded


def hold(query: str) -> None:
    """Keep this worker busy for as long as the harness wants, so that the others answer what comes next."""
    for seconds in map(float, urllib.parse.parse_qs(query).get("hold", ())):
        held = pathlib.Path(f"held.{os.getpid()}")
        if seconds > 1:
            held.touch()  # so that the harness knows
        real_sleep()(seconds)
        if seconds > 1:
            held.unlink()


def real_sleep() -> Callable[[float], None]:
    """The one that holds up the whole process, under gevent too."""
    monkey = sys.modules.get("gevent.monkey")
    return time.sleep if monkey is None else monkey.get_original("time", "sleep")  # type: ignore[no-any-return]
