"""`python -m minimon selftest`: whether minimon works here, and what this Python and this box cannot do, and why."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import socket
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from .checks import Check
from .hosting import threads_run
from .hosting.leader import Lock
from .hosting.runtime import runtime_folder
from .monitor import Monitor
from .probes import probe
from .serve.server import HealthCheckServer
from .testing.rogue import RogueServer

FINE, FAILED, LACKS = "ok", "FAILED", "lacks"

POLLS = {
    "ok": ("pass", ""),
    "cut_head": ("fail", "truncated"),
    "cut_body": ("fail", "truncated"),
    "garbage": ("fail", "protocol"),
    "redirect_loop": ("fail", "protocol"),
    "huge_body": ("fail", "too_large"),
    "reset": ("fail", "connect"),
    "silent": ("fail", "timeout"),
    "drip_body": ("fail", "timeout"),
}
"""What a poll of each kind of bad server has to come to."""

TIMEOUT = 0.2
"""Seconds that they have."""

MODULES = {
    "ssl": "no https:// and tls:// targets",
    "zlib": "no `decode` of packed answers",
    "tomllib": "no configuration in TOML: JSON and Python files are read",
    "hashlib": "no http:// and https:// targets, no `vendor`",
    "asyncio": "no wrap_asgi",
    "sqlite3": "no users in a file",
}
"""Modules that a Python may lack, each with what that means."""


class Finding(NamedTuple):
    """One line of it."""

    verdict: str
    """ok, FAILED (minimon does not work as it should), or lacks (something that this place does not have)."""
    what: str
    why: str = ""


def selftest() -> Iterator[Finding]:
    """Each thing that was tried, as it is tried; it takes some seconds. Raises nothing."""
    for name in POLLS:
        yield _tried(f"a poll of a server: {name}", partial(_poll, name))
    yield _tried("a monitor and its server", _serve)
    for module, meaning in MODULES.items():
        yield _lacked(module, partial(importlib.import_module, module), meaning)
    yield _lacked("IPv6", partial(_bind, socket.AF_INET6, "::1"), "targets and servers by IPv4 only")
    yield _lacked("unix sockets", _bind_path, "no unix: servers, no systemd")
    yield _lacked("a temporary folder", _make_file, "state files, `zip`, `vendor` need another folder")
    yield _lacked("threads", _start_thread, "runs wait for calls of run_due(), and there is no server")
    yield _lacked(
        "a place where workers meet", _meet, "each worker polls on its own: see MINIMON_RUNTIME_DIR in `help hosts`"
    )
    if importlib.util.find_spec(f"{__package__}.processes") is not None:
        yield _tried("a process that is launched, and ended", _supervise)
        yield _lacked("all that a Supervisor can use", _lacking, "see `help processes`")
    yield _lacked("fork hooks", _fork_hooks, "a fork is noticed by its process id, at the next call")


def _supervise() -> str:
    """What is wrong with a process that is to end with 0; "" for nothing."""
    from .processes.program import Program
    from .processes.supervisor import Supervisor

    if not sys.executable:
        return ""
    with Supervisor(
        [Program("one", [sys.executable, "-c", "pass"], ready={"exit": 0}, output="discard")]
    ) as supervisor:
        supervisor.wait_ready(20.0)
        left = supervisor.stop()
    return "" if left else "something of it was left"


def _lacking() -> None:
    """Raises OSError with what is missing."""
    from .processes.supervisor import Supervisor

    missing = Supervisor([]).snapshot()["lacking"]
    if missing:
        raise OSError("; ".join(missing))


def _tried(what: str, trial: Callable[[], str]) -> Finding:
    try:
        why = trial()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
    return Finding(FAILED if why else FINE, what, why)


def _lacked(what: str, trial: Callable[[], object], meaning: str) -> Finding:
    try:
        trial()
    except Exception as error:
        return Finding(LACKS, what, f"{error}: {meaning}")
    return Finding(FINE, what)


def _poll(name: str) -> str:
    expected = POLLS[name]
    with RogueServer(name) as server:
        result = probe(server.url, timeout=TIMEOUT)
    found = str(result.outcome), result.reason
    late = "" if result.elapsed < TIMEOUT + 1.0 else f"it took {result.elapsed:.1f} s, with a timeout of {TIMEOUT}"
    return late if found == expected else f"expected {' '.join(expected)}, got {' '.join(found)}: {result.detail}"


def _serve() -> str:
    monitor = Monitor([Check("good", lambda: True), Check("bad", lambda: False, critical=False, fall=1)])
    with monitor, HealthCheckServer(port=0).serving(monitor) as server:
        monitor.wait_for("good", "up", timeout=5.0)
        monitor.wait_for("bad", "down", timeout=5.0)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{server.port}/health", timeout=5.0) as answer:
            said = json.load(answer)
    return "" if said == {"status": "degraded"} else f"expected degraded, got {said}"


def _start_thread() -> None:
    thread = threading.Thread(target=bool, daemon=True)
    thread.start()
    thread.join()
    if not threads_run():
        raise OSError("uWSGI was not told enable-threads")


def _meet() -> None:
    lock = Lock(os.path.join(runtime_folder(os.environ), f"selftest-{os.getpid()}.lock"))
    try:
        lock.take()
    finally:
        lock.remove()


def _make_file() -> None:
    with tempfile.TemporaryFile():
        pass


def _bind(family: int, host: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))


def _bind_path() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock, contextlib.ExitStack() as opened:
        try:
            folder = opened.enter_context(tempfile.TemporaryDirectory())
        except OSError:  # told apart; sockets may be bound elsewhere
            return
        sock.bind(f"{folder}/s")


def _fork_hooks() -> None:
    if not hasattr(os, "register_at_fork"):
        raise OSError("this system has none")
