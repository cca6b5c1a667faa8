"""The command `api`, as a process of its own."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from members import filled
from support import ROOT


@contextlib.contextmanager
def api(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """It runs, on a free port."""
    command = [sys.executable, "-u", "-m", "minimon", "api", "--port", "0", *argv]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def line(process: subprocess.Popen[str]) -> str:
    """The next one that it prints."""
    assert process.stdout is not None
    return process.stdout.readline()


def url(process: subprocess.Popen[str]) -> str:
    """Where it serves, of the first line."""
    found = re.search(r"http://127\.0\.0\.1:\d+", line(process))
    return found[0] if found else ""


def ask(address: str, login: str = "") -> Any:
    """What a route answers, or the code of a refusal."""
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_without_a_file_the_admin_has_the_password_that_is_printed() -> None:
    """Another one each time."""
    with api() as process:
        where = url(process)
        password = line(process).split()[-1]
        answers = [ask(f"{where}/v3/users/"), ask(f"{where}/v3/users/", f"admin:{password}")]
    assert [401, {"users": ["admin"]}] == answers


def test_with_a_file_its_users_log_in(tmp_path: pathlib.Path) -> None:
    """And nothing is printed of them."""
    filled(tmp_path / "users.db", "ann").close()
    with api("--db", str(tmp_path / "users.db")) as process:
        answer = ask(f"{url(process)}/v3/users/", "ann:secret")
    assert {"users": ["root", "ann"]} == answer


def test_of_a_file_without_users_the_way_out_is_told(tmp_path: pathlib.Path) -> None:
    """Nobody could log in."""
    path = str(tmp_path / "users.db")
    with api("--db", path) as process:
        told = [line(process) for _ in range(2)][-1]
    assert f"nobody may log in yet: python -m minimon user add NAME --admin --db {path}\n" == told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    """As it should be: 0."""
    with api() as process:
        url(process)
        process.send_signal(number)
        assert 0 == process.wait(20)


def test_a_damaged_file_is_refused(tmp_path: pathlib.Path) -> None:
    """1, and the file stays as it is."""
    path = tmp_path / "users.db"
    path.write_text("no database")
    with api("--db", str(path)) as process:
        _, complaint = process.communicate(timeout=20)
    assert (1, True, "no database") == (process.returncode, "put a backup in its place" in complaint, path.read_text())
