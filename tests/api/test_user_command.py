"""The command `user`: who may log in, said on the command line; passwords by prompt or stdin."""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest
from members import execute, filled, logs_in, names, opened
from support import ROOT, few

from minimon import ConfigError
from minimon.cli import main
from minimon.cli_user import password


@pytest.fixture
def db(tmp_path: pathlib.Path) -> str:
    """The path of a file with an admin, root, and a viewer, ann."""
    filled(tmp_path / "users.db", "ann")
    return str(tmp_path / "users.db")


def user(*argv: str, stdin: str = "", where: pathlib.Path = ROOT) -> tuple[int, str, str]:
    """Code, output and complaints of the command, run in a process of its own."""
    command = [sys.executable, "-m", "minimon", "user", *argv]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, input=stdin, capture_output=True, encoding="utf-8", cwd=where, env=environment, timeout=30
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    """The same within this process, without stdin."""

    def say(*argv: str) -> tuple[int, str, str]:
        code = main(["user", *argv])
        return (code, *capsys.readouterr())

    return say


def test_the_first_user_makes_the_file(tmp_path: pathlib.Path) -> None:
    """With the password of a line of stdin."""
    path = tmp_path / "users.db"
    told = user("add", "Jürgen", "--admin", "--fullname", "Jürgen A", "--db", str(path), stdin="pä:ß\r\nnext line\n")
    store = opened(path)
    known = logs_in(store, "Jürgen", "pä:ß")
    store.close()
    assert ((0, "Jürgen is added, an admin\n", ""), True, ("Jürgen", "Jürgen A", True)) == (
        told,
        known,
        tuple(store.get("Jürgen")),
    )


def test_a_viewer_is_added(db: str) -> None:
    """Who is called by that name where no other is said."""
    told = user("add", "a b", "--db", db, stdin="secret")
    assert ((0, "a b is added\n", ""), ("a b", "a b", False)) == (told, tuple(opened(db).get("a b")))


def test_a_password_is_changed(db: str) -> None:
    """That of before is wrong."""
    told = user("passwd", "ann", "--db", db, stdin="other\n")
    store = opened(db)
    known = [logs_in(store, "ann", each) for each in ("other", "secret")]
    store.close()
    assert ((0, "ann has another password\n", ""), [True, False]) == (told, known)


def test_a_user_is_removed(say: Any, db: str) -> None:
    """No password is asked for."""
    assert ((0, "ann is removed\n", ""), ["root"]) == (say("remove", "ann", "--db", db), names(opened(db)))


def test_users_are_listed(say: Any, db: str) -> None:
    """With their roles; what a full name has in it does not reach the terminal."""
    opened(db).add("日本 longer", "secret", "A\u202eB")
    lines = [
        "NAME         ROLE    FULLNAME",
        "root         admin   Root",
        "ann          viewer  Full ann",
        "日本 longer  viewer  A B",
    ]
    assert (0, "\n".join(lines) + "\n", "") == say("list", "--db", db)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["passwd", "bob"], 1, "user: no user is named 'bob'"),
        (["remove", "bob"], 1, "user: no user is named 'bob'"),
        (["remove", "root"], 1, "user: 'root' is the last admin; make another user an admin first"),
        (["add"], 2, "user: add which user? say the name"),
        (["remove"], 2, "user: remove which user? say the name"),
        (["list", "ann"], 2, "user: list takes no name"),
        (["remove", "ann", "--admin"], 2, "user: --admin and --fullname are for add, not for remove"),
    ],
)
def test_what_is_not_done_is_told(say: Any, db: str, argv: list[str], code: int, message: str) -> None:
    """In one line, with the code; nothing is changed."""
    assert ((code, "", f"minimon: {message}\n"), ["root", "ann"]) == (say(*argv, "--db", db), names(opened(db)))


@pytest.mark.parametrize(
    "case",
    few(
        [
            ("ann", "secret", "a user is named 'ann' already; take another name, or change that user"),
            ("a:b", "secret", "username must have no colon: Basic authentication cannot carry it (RFC 7617, 2)"),
            ("bob", "", "there is no password on stdin; give a line, or use a terminal"),
            ("bob", "\n", "password must not be empty"),
            ("bob", "a\0b\n", "password must have no control characters, and no halves of surrogate pairs"),
        ],
        3,
    ),
    ids=["taken", "colon", "none", "empty", "nul"],
)
def test_who_is_not_added_is_told(db: str, case: tuple[str, str, str]) -> None:
    """The same."""
    name, stdin, message = case
    told = user("add", name, "--db", db, stdin=stdin)
    assert ((1, "", f"minimon: user: {message}\n"), ["root", "ann"]) == (told, names(opened(db)))


def test_a_file_must_be_said(say: Any) -> None:
    """There is none by default."""
    code, out, err = say("list")
    assert (2, "", True) == (code, out, "the following arguments are required: --db" in err)


@pytest.mark.parametrize("verb", ["list", "remove", "passwd"])
def test_a_file_that_is_not_there_is_not_made(say: Any, tmp_path: pathlib.Path, verb: str) -> None:
    """But by `add`."""
    path = tmp_path / "users.db"
    told = say(verb, *(["ann"] if verb != "list" else []), "--db", str(path))
    expected = (2, "", f"minimon: user: {path}: there is no such file; `user add` makes one\n")
    assert (expected, False) == (told, path.exists())


def test_a_newer_file_is_refused(say: Any, db: str) -> None:
    """With its name, and what to do."""
    execute(pathlib.Path(db), "PRAGMA user_version = 9")
    path = os.path.realpath(db)
    expected = f"minimon: user: {path}: was written by a newer minimon; take that one, or another file\n"
    assert (1, "", expected) == say("list", "--db", db)


@pytest.mark.parametrize("argv", [["add", "bob", "secret"], ["passwd", "ann", "--password", "secret"]])
def test_a_password_is_no_argument(say: Any, db: str, argv: list[str]) -> None:
    """Everybody could see it."""
    code, out, err = say(*argv, "--db", db)
    assert (2, "", True) == (code, out, "unrecognized arguments" in err)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("pä:ß\npä:ß\n", "bob is added"), ("one\nother\n", "minimon: user: the passwords differ; nothing is changed")],
    ids=["same", "other"],
)
def test_on_a_terminal_it_is_asked_for_twice(db: str, typed: str, expected: str) -> None:
    """And not shown."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "minimon", "user", "add", "bob", "--db", db]
    options: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "LC_ALL": "C.UTF-8"}, **options):
        os.close(theirs)
        seen = b""
        for line in typed.splitlines(keepends=True):
            while not seen.endswith((b"Password: ", b"Once more: ")):
                seen += os.read(ours, 1024)
            os.write(ours, line.encode())
            seen += os.read(ours, 1024)
        while expected.encode() not in seen:
            seen += os.read(ours, 1024)
    os.close(ours)
    assert [] == [word for word in typed.split() if word.encode() in seen]


@pytest.mark.parametrize("stream", [None, io.StringIO("")], ids=["closed", "empty"])
def test_without_stdin_there_is_no_password(stream: Any) -> None:
    """It is not taken for an empty one."""
    with pytest.raises(ConfigError, match="there is no password on stdin"):
        password(stream)


def test_a_copy_without_the_room_says_so(tmp_path: pathlib.Path) -> None:
    """The rest of it works."""
    shutil.copytree(ROOT / "minimon", tmp_path / "minimon", ignore=shutil.ignore_patterns("__pycache__", "api"))
    told = user("list", "--db", "users.db", where=tmp_path)
    assert (2, "", "minimon: user: this copy of minimon was made without `api`\n") == told
