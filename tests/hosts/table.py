"""The hosts that are run: how each is started and ended, and what it can do."""

from __future__ import annotations

import importlib.util
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

WORKERS = 3
EVERY = 0.2
"""Seconds between two polls of a guest."""
BIN = pathlib.Path(sys.executable).parent


class Host(NamedTuple):
    """A host. `command` is given the port that it has to listen on."""

    name: str
    command: Callable[[int], list[str]]
    needs: tuple[str, ...] = ()
    """Modules, or programs beside Python."""
    workers: int = WORKERS
    short: bool = False
    """Whether it is run whenever tests are run."""
    replaces: bool = True
    """Whether a worker that was killed gets a successor."""
    reloads: bool = False
    """Whether it starts its application anew when a file was touched."""
    recycles: bool = False
    """Whether it ends its workers after some requests."""
    locks: bool = False
    """Whether the worker that waits for work holds a lock that all need: it has to be killed while it works."""
    hooked: bool = False
    """Whether its workers are no web application: the guest is started by a hook, and has a health port."""
    restarts: bool = False
    """Whether it replaces all its workers on SIGHUP."""
    ctrl_c: bool = False
    """Whether it is ended as from a terminal, where all its processes hear it."""
    beside: Callable[[int], list[str]] | None = None
    """A second program that asks its workers over HTTP, where it does not itself."""

    @property
    def lacks(self) -> str:
        """What is not installed here, or nothing."""
        return ", ".join(name for name in self.needs if not installed(name))

    @property
    def signal(self) -> signal.Signals:
        """What ends it."""
        return signal.SIGINT if self.ctrl_c else signal.SIGTERM


def installed(name: str) -> bool:
    """Whether there is such a module, or a program beside Python. One may need a version: `uwsgi 2.0.26`."""
    name, _, version = name.partition(" ")
    if importlib.util.find_spec(name) is None and not (BIN / name).exists():
        return False
    return (
        not version
        or version
        == subprocess.run([BIN / name, "--version"], capture_output=True, text=True, timeout=10).stdout.strip()
    )


def gunicorn(*options: str, workers: int = WORKERS) -> Callable[[int], list[str]]:
    """Of the bare WSGI application."""
    fixed = [sys.executable, "-m", "gunicorn", "--workers", str(workers), *options]
    return lambda port: [*fixed, "--bind", f"127.0.0.1:{port}", "bare_wsgi"]


def uvicorn(*options: str) -> Callable[[int], list[str]]:
    """Of the bare ASGI application."""
    return lambda port: [
        *(sys.executable, "-m", "uvicorn", "--port", str(port), "--no-access-log", *options),
        "bare_asgi:application",
    ]


def uwsgi(*options: str) -> Callable[[int], list[str]]:
    """Of the bare WSGI application."""
    fixed = [str(BIN / "uwsgi"), "--master", "--die-on-term", "--need-app", "--processes", str(WORKERS), *options]
    home = ["--home", sys.prefix] if sys.prefix != sys.base_prefix else []
    return lambda port: [*fixed, *home, "--http-socket", f"127.0.0.1:{port}", "--wsgi-file", "bare_wsgi.py"]


def program(*command: str) -> Callable[[int], list[str]]:
    """A Python program; PORT stands for the port."""
    return lambda port: [sys.executable, *(str(port) if word == "PORT" else word for word in command)]


RECYCLED = ("--max-requests", "50")
GTHREAD = ("-k", "gthread", "--threads", "4")
CELERY = ("-m", "celery", "-A", "celery_app", "worker", "--pool", "prefork", "-c", str(WORKERS), "--without-mingle")

HOSTS = [
    Host("gunicorn sync", gunicorn(), ("gunicorn",), short=True, restarts=True),
    Host("gunicorn sync --preload", gunicorn("--preload"), ("gunicorn",), short=True),
    Host("gunicorn sync max_requests", gunicorn(*RECYCLED), ("gunicorn",), recycles=True),
    Host("gunicorn gthread max_requests", gunicorn(*GTHREAD, *RECYCLED), ("gunicorn",), recycles=True),
    Host("gunicorn gevent max_requests", gunicorn("-k", "gevent", *RECYCLED), ("gunicorn", "gevent"), recycles=True),
    Host("gunicorn gthread", gunicorn(*GTHREAD), ("gunicorn",)),
    Host("gunicorn gthread --preload", gunicorn(*GTHREAD, "--preload"), ("gunicorn",)),
    Host("gunicorn gevent", gunicorn("-k", "gevent"), ("gunicorn", "gevent")),
    Host("gunicorn gevent --preload", gunicorn("-k", "gevent", "--preload"), ("gunicorn", "gevent")),
    Host("uvicorn --workers", uvicorn("--workers", str(WORKERS)), ("uvicorn",), short=True, restarts=True),
    Host("uvicorn --reload", uvicorn("--reload"), ("uvicorn",), workers=1, replaces=False, reloads=True),
    Host(
        "flask run --reload",
        program("-m", "flask", "--app", "flask_app", "run", "--reload", "--port", "PORT"),
        ("flask",),
        workers=1,
        short=True,
        replaces=False,
        reloads=True,
        ctrl_c=True,
    ),
    Host(
        "django runserver",
        program("manage.py", "runserver", "PORT"),
        ("django",),
        workers=1,
        short=True,
        replaces=False,
        reloads=True,
        ctrl_c=True,
    ),
    Host("uwsgi, threads off", uwsgi(), ("uwsgi 2.0.26",)),  # later ones have them always on
    Host("uwsgi --enable-threads", uwsgi("--enable-threads"), ("uwsgi",)),
    Host("uwsgi --lazy-apps", uwsgi("--enable-threads", "--lazy-apps"), ("uwsgi",), restarts=True),
    Host(
        "celery prefork",
        program(*CELERY),
        ("celery",),
        hooked=True,
        locks=True,
        beside=program("celery_front.py", "PORT"),
    ),
    *(
        Host(
            f"multiprocessing {method}",
            program("processes.py", "PORT", str(WORKERS), method),
            short=method == "spawn",
            hooked=True,
        )
        for method in ("fork", "spawn", "forkserver")
    ),
]
"""All hosts."""
COMMANDS = {
    "django check": Host("django check", program("manage.py", "check"), ("django",)),
    "flask routes": Host("flask routes", program("-m", "flask", "--app", "flask_app", "routes"), ("flask",)),
    "gunicorn --check-config": Host("gunicorn --check-config", gunicorn("--check-config"), ("gunicorn",)),
}
"""Commands that load an application and serve nobody."""


def host(name: str) -> Host:
    """The host of that name."""
    return next(one for one in HOSTS if one.name == name)
