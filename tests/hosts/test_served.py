"""The examples in the hosts that they are for: they come up, one process polls, and all workers know."""

from __future__ import annotations

import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from hosts.harness import START, Programs, burst, environment, free_port
from hosts.table import BIN, installed
from support import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the harness looks into /proc"),
    pytest.mark.slow,
]


class Served(NamedTuple):
    """How an example is started; `{port}` stands for the port that is asked, below `root`."""

    needs: str
    command: str
    workers: int = 1
    root: str = "/-"


PYTHON = str(sys.executable)
EXAMPLES = {
    "gunicorn_conf.py": Served("gunicorn", "-m gunicorn -c examples/gunicorn_conf.py -b 127.0.0.1:{port}", 3),
    "starlette_app.py": Served(
        "starlette uvicorn",
        "-m uvicorn --app-dir examples --workers 3 --port {port} --no-access-log starlette_app:application",
        3,
    ),
    "flask_app.py": Served("flask", "-m flask --app examples/flask_app run --reload --port {port}"),
    "django_app.py": Served("django", "examples/django_app.py {port}"),
    "wsgi_app.py": Served("wsgiref", "examples/wsgi_app.py {port}"),
    "uwsgi.ini": Served("uwsgi", "uwsgi --ini examples/uwsgi.ini --http-socket 127.0.0.1:{port}", 3),
    "celery_app.py": Served("celery", "-m celery --workdir examples -A celery_app worker -c 3 --pool prefork", 1, ""),
}


@pytest.fixture
def asked(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], dict[int, object]]]:
    """Asks the example that runs; the answers by the process that gave them."""
    example: Served = request.param
    missing = [name for name in example.needs.split() if not installed(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    port, programs = free_port(), Programs()
    words = example.command.format(port=port).split()
    command = [str(BIN / "uwsgi"), "--home", sys.prefix, *words[1:]] if words[0] == "uwsgi" else [PYTHON, *words]
    told = environment(
        PYTHONPATH=str(ROOT),
        HOME=str(tmp_path),
        MINIMON_RUNTIME_DIR=str(tmp_path),
        BROKER="memory://",
        HEALTH_PORT=str(port),
    )
    try:
        programs.start(command, tmp_path / "log", ROOT, told)
        yield lambda path: {each.pid: each.body for each in burst(port, [example.root + path] * 7)}
    finally:
        programs.close()
    said = (tmp_path / "log").read_text()
    assert [] == re.findall(rf"{re.escape(str(ROOT / 'minimon'))}/.*", said), said


@pytest.mark.parametrize(
    "asked, workers",
    [pytest.param(served, served.workers, id=name) for name, served in EXAMPLES.items()],
    indirect=["asked"],
)
def test_all_workers_know_who_polls(asked: Callable[[str], dict[int, dict[str, dict]]], workers: int) -> None:
    """And what it sees: an example has one process that polls."""
    leaders: dict[int, object] = {}

    def known() -> bool:
        told = asked("/status")
        leaders.update(
            (pid, body["sharing"]["leader_pid"]) for pid, body in told.items() if body["overall"] != "unknown"
        )
        return len(leaders) >= workers

    assert (True, 1) == (wait_until(known, START), len(set(leaders.values()) - {None}))
