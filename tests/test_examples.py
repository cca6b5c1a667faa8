"""Every example runs, and does what its index says."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import ROOT

from minimon.testing import RogueServer

pytestmark = pytest.mark.slow  # starts many interpreters

EXAMPLES = ROOT / "examples"
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="processes of Unix")


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


@contextmanager
def running(*command: str, **more: str) -> Iterator[str]:
    """The first line of a program that runs until it is interrupted; it has to end with 0 then."""
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment(**more)
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        code = process.wait(10)
    assert code == 0


def health_of(line: str) -> dict[str, str]:
    (url,) = re.findall(r"http://\S+/health", line)
    try:
        return json.load(urllib.request.urlopen(url, timeout=5))  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:  # 503 as long as nothing is known
        return json.load(error)  # type: ignore[no-any-return]


def test_the_index_names_every_example() -> None:
    """examples/README.md has a row for each file beside it."""
    named = set(re.findall(r"\]\((\w+\.\w+)\)", (EXAMPLES / "README.md").read_text()))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".json", ".ini")}


def test_embed_answers_for_its_host() -> None:
    """The embedded monitor serves /health while the host serves its own."""
    with running("examples/embed.py", "0", "0") as line:
        assert health_of(line)["status"] in ("healthy", "unknown")


def test_own_server_answers_for_itself() -> None:
    """A plain subject is served as it is."""
    with running("examples/own_server.py", "0") as line:
        assert health_of(line) == {"status": "healthy"}


def test_webhook_is_told_of_each_change() -> None:
    """The webhook hears of up, down and up again."""
    ended = subprocess.run(
        [sys.executable, "examples/on_change_webhook.py"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        env=environment(),
    )
    assert [json.loads(line)["is"] for line in ended.stdout.splitlines()] == ["up", "down", "up"], ended.stderr


def test_a_job_is_waited_for() -> None:
    """Until it is done."""
    command = [sys.executable, "examples/waiting.py"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment())
    assert ["done after 4 attempts: {'state': 'done'}"] == ended.stdout.splitlines()[4:], ended.stderr


@UNIX
def test_programs_come_up_in_order() -> None:
    """Each turn is told, in the order in which one waits for the other."""
    with running("examples/supervisor.py", "0") as line:
        assert line == "store starting \n"


@UNIX
def test_a_command_runs_beside_a_program() -> None:
    """It is told the port, once the program is ready."""
    asking = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).status)"
    command = [sys.executable, "-m", "minimon", "supervise", "-f", "examples/processes.json", "--"]
    command += [sys.executable, "-c", asking, "http://127.0.0.1:{port:site}/"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment())
    assert (0, "200\n", "") == (ended.returncode, ended.stdout, ended.stderr)


def test_a_pool_has_one_that_polls(tmp_path: pathlib.Path) -> None:
    """All processes know what one of them polls."""
    ended = subprocess.run(
        [sys.executable, "examples/pool.py"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        env=environment(MINIMON_RUNTIME_DIR=str(tmp_path)),
    )
    said = [re.fullmatch(r"job (\d) by the (leader|follower) \d+: healthy", line) for line in ended.stdout.splitlines()]
    assert (["0", "1", "2", "3", "4", "5"], "") == ([one and one[1] for one in said], ended.stderr)


def test_resources_are_polled_from_a_file() -> None:
    """The older form runs as it is, a line per poll."""
    with RogueServer("ok", body=b"Expected") as rogue:
        command = [sys.executable, "-m", "minimon", "run", "examples/checks.py", "--once"]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment(EXAMPLE_URL=rogue.url)
        )
    assert (ended.returncode, ended.stdout.count("rogue #2")) == (0, 1), ended.stdout + ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_json_runs_until_it_is_interrupted() -> None:
    """The JSON configuration starts, with the port of the command line in place of its own."""
    with running("-m", "minimon", "run", "examples/checks.json", "--port", "0") as line:
        assert "127.0.0.1" in line
