"""Where workers meet: a folder that is private, and a key that only equal monitors have; and the lock there."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from typing import Any

import pytest
from support import python

from minimon import Check
from minimon.hosting.leader import Lock, is_dead
from minimon.hosting.runtime import key_of, runtime_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="of Unix")


def works() -> bool:
    """A check."""
    return True


def key(*checks: Check, name: str = "shop", further: Any = None) -> str:
    """Of a monitor of these."""
    return key_of(name, checks, further)


def test_the_order_of_checks_is_of_no_meaning() -> None:
    """Nor is the instance."""
    a, b, again = Check("a", works), Check("b", works), Check("a", works)
    assert key(a, b) == key(b, again)


DIFFERENT = {
    "name": lambda: key(Check("a", works), name="shed"),
    "no check": key,
    "name of a check": lambda: key(Check("b", works)),
    "target": lambda: key(Check("a", "tcp://localhost:1")),
    "function": lambda: key(Check("a", test_the_order_of_checks_is_of_no_meaning)),
    "lambda": lambda: key(Check("a", lambda: True)),
    "partial": lambda: key(Check("a", functools.partial(works))),
    "every": lambda: key(Check("a", works, every=3)),
    "critical": lambda: key(Check("a", works, critical=False)),
    "tags": lambda: key(Check("a", works, tags={"team": "b"})),
    "canary": lambda: key(Check("a", works), further=["tcp://localhost:1"]),
}


@pytest.mark.parametrize("other", DIFFERENT.values(), ids=DIFFERENT)
def test_who_differs_has_another_key(other: Any) -> None:
    """In anything that is said of a monitor."""
    assert key(Check("a", works)) != other()


@pytest.mark.parametrize("query", ["?key=a", "?key=b"])
def test_a_secret_makes_a_difference_and_is_not_in_it(query: str) -> None:
    """Two that ask differently are different."""
    found = key(Check("a", f"http://localhost/{query}"))
    assert (True, False) == (found != key(Check("a", "http://localhost/")), "key" in found)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "..", "ä" * 300, "a b\tc"])
def test_a_key_is_the_name_of_a_file(name: str) -> None:
    """Whatever the monitor is called."""
    found = key(name=name)
    assert (True, found) == (len(found) <= 57, pathlib.Path(found).name)


def test_a_repr_that_fails_is_no_reason_to_fail() -> None:
    """An object of the host's may do what it wants."""

    class Odd:
        def __call__(self) -> bool:
            return True

        def __repr__(self) -> str:
            raise RuntimeError("no such luck")

    assert key(Check("a", Odd())) == key(Check("a", Odd()))


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A check with a set."""

    names: frozenset[str]

    def __call__(self) -> bool:
        """Run it."""
        return True


def test_the_order_of_a_set_is_of_no_meaning() -> None:
    """It differs between processes."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from hosting.test_runtime import *\n"
        "print(key(Check('a', Wanted(frozenset('abcdefgh')))))"
    )
    assert 1 == len({python(code, "-X", "utf8").stdout for _ in range(3)})


def test_a_spawned_child_is_of_the_same_program() -> None:
    """multiprocessing calls its main module otherwise."""

    def one() -> bool:
        return True

    def two() -> bool:
        return True

    two.__code__ = one.__code__
    one.__module__, two.__module__ = "__main__", "__mp_main__"
    two.__qualname__ = one.__qualname__
    assert key(Check("a", one)) == key(Check("a", two))


def test_a_folder_of_the_hosts_that_is_not_used_is_warned_of(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It has said where."""
    (tmp_path / "file").touch()
    found = runtime_folder({"MINIMON_RUNTIME_DIR": str(tmp_path / "file"), "XDG_RUNTIME_DIR": str(tmp_path)})
    assert [f"MINIMON_RUNTIME_DIR is not used, but {found}"] == [one.partition(": ")[0] for one in caplog.messages]


def test_the_hosts_folder_is_made(tmp_path: pathlib.Path) -> None:
    """For its owner alone."""
    found = pathlib.Path(runtime_folder({"MINIMON_RUNTIME_DIR": str(tmp_path / "a" / "b")}))
    assert (tmp_path / "a" / "b", 0o700) == (found, found.stat().st_mode & 0o777)


def test_the_users_folder_comes_next(tmp_path: pathlib.Path) -> None:
    """One of ours in it."""
    assert str(tmp_path / "minimon") == runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_folder_that_anybody_may_change_is_refused(tmp_path: pathlib.Path) -> None:
    """The host's too, and what comes next is taken."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    environ = {"MINIMON_RUNTIME_DIR": str(tmp_path / "open"), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert str(tmp_path / "minimon") == runtime_folder(environ)


def test_a_link_in_place_of_ours_is_refused(tmp_path: pathlib.Path) -> None:
    """Somebody else may have put it there."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "minimon").symlink_to(tmp_path / "elsewhere")
    assert str(tmp_path / "minimon") != runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)})


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
    """Of a lock."""
    return str(tmp_path / "a.lock")


def test_one_has_the_lock(path: str) -> None:
    """Until it drops it."""
    first, second = Lock(path), Lock(path)
    seen = [first.take(), second.take(), first.take()]
    first.drop()
    assert ([True, False, True], True) == (seen, second.take())
    second.drop()


def test_a_shared_lock_is_had_by_many(path: str) -> None:
    """And by nobody alone."""
    locks = [Lock(path) for _ in range(3)]
    assert [True, True, False] == [locks[0].take(shared=True), locks[1].take(shared=True), locks[2].take()]
    for each in locks:
        each.drop()


def test_a_lock_on_a_file_that_was_removed_is_none(path: str) -> None:
    """Who comes later finds another file."""
    first, second = Lock(path), Lock(path)
    first.take()
    os.remove(path)
    assert (True, False, True) == (second.take(), first.is_there(), second.is_there())
    first.drop(), second.drop()


def test_who_waits_finds_the_new_file(path: str) -> None:
    """It has the old one open still."""
    first, second = Lock(path), Lock(path)
    seen = [first.take(), second.take()]
    first.remove()
    assert [True, False, True] == [*seen, any(second.take() for _ in range(2))]
    second.drop()


def test_who_has_the_lock_is_told(path: str) -> None:
    """Until it is dropped: then it is empty."""
    first, second = Lock(path), Lock(path)
    first.take(mark="123"), second.take()
    seen = second.mark()
    first.drop()
    assert ("123", "", 0) == (seen, second.mark(), os.stat(path).st_size)
    second.drop()


def test_a_folder_that_was_removed_is_made_again(tmp_path: pathlib.Path) -> None:
    """Something has tidied up too well."""
    lock = Lock(str(tmp_path / "gone" / "a.lock"))
    assert (True, 0o700) == (lock.take(), (tmp_path / "gone").stat().st_mode & 0o777)
    lock.drop()


@pytest.mark.parametrize(
    "pid", ["", "x", "-1", str(1 << 70), str(os.getpid())], ids=["none", "text", "-1", "huge", "own"]
)
def test_who_may_live_is_not_dead(pid: str) -> None:
    """Nobody's lock is taken away for less."""
    assert not is_dead(pid)


def test_one_that_has_ended_is_dead() -> None:
    """Also while nobody has asked for its exit code."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    seen = is_dead(str(pid)) or not os.path.isdir("/proc/self")
    os.waitpid(pid, 0)
    assert (True, True) == (seen, is_dead(str(pid)))


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_what_is_no_file_of_ours_is_no_lock(path: str, kind: str) -> None:
    """It is left alone."""
    {"link": lambda: os.symlink("/dev/null", path), "folder": lambda: os.mkdir(path), "fifo": lambda: os.mkfifo(path)}[
        kind
    ]()
    with pytest.raises(OSError, match=r"."):
        Lock(path).take()
