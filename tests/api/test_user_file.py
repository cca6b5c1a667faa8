"""The file of users under faults: locked, full, read-only, damaged, moved, shared, killed, forked."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from members import basic, execute, filled, logs_in, names, opened, patiently, refused, seconds
from support import ROOT, few, small_disk
from test_fork import pytestmark as forks
from test_fork import told

from minimon import ConfigError
from minimon.api.accounts import Row
from minimon.api.database import OURS, SCHEMA
from minimon.api.logins import FRESH, LASTS
from minimon.api.users import UserStore
from minimon.errors import ReadOnlyError, StoreBusyError, StoreError
from minimon.testing import FakeClock

UNIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of Unix")
RESTORE = "put a backup in its place, or move it away to begin anew"
NOBODY = 54321
"""A user who owns nothing."""


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Of a file that is not there yet."""
    return tmp_path / "users.db"


def beside(path: pathlib.Path) -> list[str]:
    """All files in its folder."""
    return sorted(each.name for each in path.parent.iterdir())


def add(store: UserStore, name: str = "new") -> Callable[[], object]:
    return lambda: store.add(name, "secret", "New")


# --- the file


@UNIX
def test_the_file_is_for_its_owner_alone(path: pathlib.Path) -> None:
    """Also what stands beside it for a while, whatever the umask."""
    before = os.umask(0)
    try:
        store = opened(path)
        with store._table.reading():
            modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
            count = len(beside(path))
    finally:
        os.umask(before)
    assert ({0o600}, 3) == (modes, count)


def test_nothing_is_left_beside_it(path: pathlib.Path) -> None:
    """It is whole, and can be copied, when nobody is at it."""
    store = filled(path, "ann")
    logs_in(store, "ann")
    assert ["users.db"] == beside(path)


def test_it_keeps_what_it_is_in_itself(path: pathlib.Path) -> None:
    """Whose file it is, the form that it has, and that writers do not disturb readers."""
    filled(path)
    connection = sqlite3.connect(path)
    found = [connection.execute(f"PRAGMA {key}").fetchone()[0] for key in ("application_id", "user_version")]
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    connection.close()
    assert ([OURS, SCHEMA], "wal") == (found, mode)


def test_no_password_stands_in_it(path: pathlib.Path) -> None:
    """What it is verified by does."""
    opened(path).add("ann", "correct horse", "Ann")
    content = path.read_bytes()
    assert (False, True) == (b"correct horse" in content, b"scrypt$16$8$1$" in content)


def test_users_outlive_the_store(path: pathlib.Path) -> None:
    """In the same order, with the same passwords."""
    before = filled(path, "ann", "bob").list()
    store = opened(path)
    assert (before, True) == (store.list(), logs_in(store, "ann"))


def test_many_that_begin_at_once_make_one_file(path: pathlib.Path) -> None:
    """Nobody's users are lost."""
    begin = threading.Barrier(8)

    def run(name: str) -> None:
        begin.wait(10.0)
        store = opened(path)
        patiently(lambda: store.add(name, "secret", "Name"))

    expected = [f"user {number}" for number in range(8)]
    threads = [threading.Thread(target=run, args=(name,)) for name in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert (expected, ["users.db"]) == (sorted(names(opened(path))), beside(path))


@pytest.mark.parametrize("name", ["üsers.db", "a b.db", "a?mode=memory#x.db", "a%20b.db", "'.db"])
def test_the_file_may_have_any_name(tmp_path: pathlib.Path, name: str) -> None:
    """What means something in an address means nothing here."""
    filled(tmp_path / name)
    assert ([name], ["root"]) == ([each.name for each in tmp_path.iterdir()], names(opened(tmp_path / name)))


@pytest.mark.parametrize("value", ["", 5, "a\0b", ["a"], b""])
def test_what_is_no_path_is_refused(value: Any) -> None:
    """At construction."""
    assert (ConfigError, f"users: the file must be a path, got {value!r}") == refused(lambda: opened(value))


def test_a_file_that_cannot_be_made_is_refused(tmp_path: pathlib.Path) -> None:
    """With its name, and the reason."""
    path = os.path.realpath(tmp_path / "nowhere" / "users.db")
    expected = (ConfigError, f"{path}: cannot be made: No such file or directory; say another place")
    assert expected == refused(lambda: opened(path))


WITHOUT = """
import sys
for name in ("sqlite3", "_sqlite3"): sys.modules[name] = None
from minimon.api.users import UserStore
print(UserStore(cost=16).get("admin").admin)
try:
    UserStore("users.db")
except Exception as error:
    print(error)
"""


def test_without_sqlite_users_are_in_memory() -> None:
    """And a file says why it cannot be had."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=ROOT, timeout=30)
    expected = "True\nusers: this Python has no sqlite3, so users can be in memory only\n"
    assert (expected, "") == (done.stdout, done.stderr)


# --- what is refused, and left as it is


def cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def empty(path: pathlib.Path) -> None:
    path.write_bytes(b"")


def nonsense(path: pathlib.Path) -> None:
    path.write_bytes(b"users: none\n" * 1000)


def page(path: pathlib.Path) -> None:
    """Overwrite a page in the middle."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)


def pages(path: pathlib.Path) -> None:
    """Overwrite all but the first."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def crowded(path: pathlib.Path) -> UserStore:
    """Many users, on many pages."""
    store = filled(path)
    with store._table.writing() as rows:
        for number in range(200):
            rows.insert(Row(f"{number} {'x' * 100}", "x" * 200, False, "scrypt$hush"))
    return store


def newer(path: pathlib.Path) -> None:
    execute(path, f"PRAGMA user_version = {SCHEMA + 1}")


def others(path: pathlib.Path) -> None:
    path.unlink()
    execute(path, "CREATE TABLE users (username TEXT)")


def no_table(path: pathlib.Path) -> None:
    execute(path, "DROP TABLE users")


def folder(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [
    (cut, "is damaged"),
    (empty, "is empty"),
    (nonsense, "is damaged (file is not a database)"),
    (page, "is damaged"),
    (no_table, "is damaged (no such table: users)"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE, ids=[each.__name__ for each, _ in DAMAGE])
def test_a_damaged_file_is_refused(path: pathlib.Path, damage: Callable[..., None], message: str) -> None:
    """With its name and what to do; it is left as it is."""
    crowded(path)
    damage(path)
    before = path.read_bytes()
    kind, text = refused(lambda: opened(path))
    whole = (kind, text.startswith(f"{os.path.realpath(path)}: {message}"), text.endswith(f"; {RESTORE}"))
    assert (ConfigError, True, True, before, ["users.db"]) == (*whole, path.read_bytes(), beside(path))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (newer, "was written by a newer minimon; take that one, or another file"),
        (others, "is not a file of minimon's users; say another one"),
        (folder, "is no file; say another one"),
    ],
)
def test_a_file_of_others_is_refused(path: pathlib.Path, make: Callable[..., None], message: str) -> None:
    """It is not ours to change."""
    filled(path)
    make(path)
    assert (ConfigError, f"{os.path.realpath(path)}: {message}") == refused(lambda: opened(path))


@pytest.mark.parametrize("damage", [pages, nonsense, newer])
def test_a_file_that_is_damaged_later_is_told_of(path: pathlib.Path, damage: Callable[..., None]) -> None:
    """Who was logged in goes on; changes are refused, and nothing is overwritten."""
    store = crowded(path)
    logs_in(store, "root")
    damage(path)
    before = path.read_bytes()
    kinds = [refused(store.list)[0], refused(lambda: store.remove("50 " + "x" * 100))[0]]
    assert ([StoreError] * 2, True, before) == (kinds, logs_in(store, "root"), path.read_bytes())


# --- locked


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def locked(path: pathlib.Path, *statements: str) -> Iterator[None]:
    """Another process does this to the file, and holds its lock until the end."""
    command = [sys.executable, "-c", LOCK, str(path), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        yield


def test_while_it_is_locked_changes_are_refused(path: pathlib.Path) -> None:
    """After a second, with the time after which to try again; logins go on, new ones too."""
    store = filled(path, "ann", "bob")
    logs_in(store, "ann")
    caught: list[StoreBusyError] = []
    with locked(path, "BEGIN IMMEDIATE"):
        took = seconds(lambda: caught.append(busy(add(store))))
        goes_on = logs_in(store, "ann"), logs_in(store, "bob"), names(store)
    add(store)()
    told = [(str(error), error.retry_after) for error in caught]
    expected = [(f"{os.path.realpath(path)}: another process has locked it; try again", 1.0)]
    assert (expected, (True, True, ["root", "ann", "bob"]), True, True) == (
        told,
        goes_on,
        0.9 < took < 2.5,
        "new" in names(store),
    )


def busy(call: Callable[[], object]) -> StoreBusyError:
    """What a call raises."""
    with pytest.raises(StoreBusyError) as caught:
        call()
    return caught.value


EXCLUSIVE = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")


def test_while_nobody_can_read_it_logins_go_on(path: pathlib.Path) -> None:
    """Those that were right, for a minute. None of them waits, though some look again."""
    clock = FakeClock()
    store = filled(path, "ann", clock=clock)
    logs_in(store, "ann")

    told: list[bool] = []

    def ask() -> None:
        for _ in range(20):
            clock.advance(FRESH)
            told.append(logs_in(store, "ann"))

    with locked(path, *EXCLUSIVE):
        taken = seconds(ask)
    assert ([True] * 20, True) == (told, taken < 2.0)


@pytest.mark.long
def test_while_nobody_can_read_it_new_logins_are_refused(path: pathlib.Path) -> None:
    """Nobody knows whether they are right: after a second they are to try again."""
    store = filled(path)
    with locked(path, *EXCLUSIVE):
        assert 1.0 == busy(lambda: logs_in(store, "root")).retry_after


# --- read-only


@contextlib.contextmanager
def readable(file: int, folder: int) -> Iterator[pathlib.Path]:
    """A file with users, and a folder, of these modes; we are somebody who does not own them."""
    where = pathlib.Path(tempfile.mkdtemp())
    path = where / "users.db"
    logs_in(filled(path, "ann"), "ann")  # imports all there is to import, from where nobody else may read
    path.chmod(file)
    where.chmod(folder)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(NOBODY)
        yield path
    finally:
        if root:
            os.seteuid(0)
        where.chmod(0o700)
        shutil.rmtree(where)


@UNIX
@pytest.mark.parametrize(
    ("file", "folder"), [(0o444, 0o777), (0o666, 0o555), (0o444, 0o555)], ids=["file", "folder", "both"]
)
def test_what_may_be_read_only_lets_people_in(file: int, folder: int) -> None:
    """And nobody is changed."""
    with readable(file, folder) as path:
        store = opened(path)
        told = logs_in(store, "ann"), names(store), refused(add(store))
        expected = f"{os.path.realpath(path)}: may be read only; let this user write it and its folder"
        assert (True, ["root", "ann"], (ReadOnlyError, expected)) == told


@UNIX
def test_what_may_not_be_read_is_refused() -> None:
    """With what to do."""
    with readable(0o000, 0o777) as path:
        expected = f"{os.path.realpath(path)}: may not be read by this user; change its owner, or its mode"
        assert (ConfigError, expected) == refused(lambda: opened(path))


# --- full


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder with room for 256 KiB."""
    with small_disk(tmp_path, "256k") as folder:
        yield folder


def fill(folder: pathlib.Path, left: int = 0) -> pathlib.Path:
    """Leave so many bytes free."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    os.truncate(ballast, max(0, ballast.stat().st_size - left))
    return ballast


@pytest.mark.parametrize("left", [0, 4096, 36864, 45056, 65536])
def test_on_a_full_disk_changes_are_refused(small: pathlib.Path, left: int) -> None:
    """Nothing is lost, logins go on, and when there is room again all is well."""
    store = filled(small / "users.db", "ann")
    ballast = fill(small, left)
    kept, told = ["root", "ann"], []
    for number in range(300):
        try:
            kept.append(store.add(f"{number} {'x' * 100}", "secret", "x" * 250).username)
        except StoreBusyError as error:
            told.append((str(error), error.retry_after))
            break
    goes_on = logs_in(store, "ann"), names(store) == kept, names(opened(small / "users.db")) == kept
    ballast.unlink()
    add(store)()
    expected = (f"{os.path.realpath(small / 'users.db')}: the disk is full; make room", 10.0)
    assert ([expected], (True, True, True), [*kept, "new"]) == (told, goes_on, names(store))


def test_on_a_full_disk_no_file_is_begun(small: pathlib.Path) -> None:
    """Nothing is left of it."""
    fill(small)
    kind, text = refused(lambda: opened(small / "users.db"))
    assert (ConfigError, True, ["ballast"]) == (kind, "cannot be made" in text, beside(small / "users.db"))


# --- moved


def test_a_file_that_was_moved_away_is_told_of(path: pathlib.Path) -> None:
    """Who was logged in goes on for a minute; no new one is begun in its place; back again it is read."""
    clock = FakeClock()
    store = filled(path, "ann", clock=clock)
    logs_in(store, "ann")
    path.rename(path.with_name("moved.db"))
    clock.advance(FRESH)
    gone = (StoreError, f"{os.path.realpath(path)}: is not there any more; put it back, or a backup in its place")
    told = [refused(add(store)), refused(store.list), refused(lambda: logs_in(store, "root"))]
    goes_on = logs_in(store, "ann"), beside(path)
    path.with_name("moved.db").rename(path)
    assert ([gone] * 3, (True, ["moved.db"]), ["root", "ann"]) == (told, goes_on, names(store))


def test_logins_do_not_outlive_the_file_for_long(path: pathlib.Path) -> None:
    """After a minute they have to be verified."""
    clock = FakeClock()
    store = filled(path, "ann", clock=clock)
    logs_in(store, "ann")
    path.unlink()
    clock.advance(LASTS)
    assert StoreError is refused(lambda: logs_in(store, "ann"))[0]


def test_another_file_in_its_place_is_the_one_that_is_read(path: pathlib.Path) -> None:
    """At once, as a backup that was put back."""
    clock = FakeClock()
    filled(path.with_name("backup.db"), "bob")
    store = filled(path, "ann", clock=clock)
    logs_in(store, "ann")
    os.replace(path.with_name("backup.db"), path)
    clock.advance(FRESH)
    add(store)()
    assert ([False, True], ["root", "bob", "new"]) == ([logs_in(store, name) for name in ("ann", "bob")], names(store))


# --- two stores


def test_what_one_store_adds_the_other_has(path: pathlib.Path) -> None:
    """At once."""
    first, second = filled(path), opened(path)
    first.add("ann", "secret", "Ann")
    second.add("bob", "secret", "Bob")
    assert (["root", "ann", "bob"], True) == (names(first), logs_in(second, "ann"))


CHANGES: dict[str, Callable[[UserStore], object]] = {
    "password": lambda store: store.change("ann", password="other"),
    "name": lambda store: store.change("ann", username="eve"),
    "removed": lambda store: store.remove("ann"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_login_that_another_store_has_changed_is_wrong_soon(path: pathlib.Path, change: Callable[..., None]) -> None:
    """Within a second."""
    clock = FakeClock()
    first, second = filled(path, "ann", clock=clock), opened(path)
    logs_in(first, "ann")
    change(second)
    clock.advance(FRESH)
    assert not logs_in(first, "ann")


def test_a_role_that_another_store_has_changed_is_told_soon(path: pathlib.Path) -> None:
    """The same."""
    clock = FakeClock()
    first, second = filled(path, "ann", clock=clock), opened(path)
    logs_in(first, "ann")
    second.change("ann", admin=True)
    clock.advance(FRESH)
    user = first.authenticate("basic", basic("ann", "secret"))
    assert user is not None and user.admin


def test_a_change_by_hand_is_seen(path: pathlib.Path) -> None:
    """Whoever writes the file."""
    clock = FakeClock()
    store = filled(path, "ann", clock=clock)
    logs_in(store, "ann")
    execute(path, "DELETE FROM users WHERE username = 'ann'")
    clock.advance(FRESH)
    assert not logs_in(store, "ann")


# --- killed


WRITER = """
import sys, threading
sys.path[:0] = ["tests", "tests/api"]
from members import opened, patiently
store = opened(sys.argv[1])
said = threading.Lock()
def write(first):
    for number in range(first, 1_000_000, 4):
        name = f"{sys.argv[2]} {number}"
        patiently(lambda: store.add(name, "secret", "x" * 200))
        if number % 3 == 0:
            patiently(lambda: store.change(name, username=name + " renamed"))
            name += " renamed"
        if number % 5 == 0:
            patiently(lambda: store.remove(name))
            name = "-" + name
        with said:
            print(name, flush=True)
for first in range(4):
    threading.Thread(target=write, args=(first,)).start()
"""


def storm(path: pathlib.Path, number: int) -> list[str]:
    """Users are added, renamed and removed until the process is killed: what it has said is done."""
    command = [sys.executable, "-c", WRITER, str(path), str(number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(10 + 7 * (number % 5))]
        process.kill()
        said += process.stdout.readlines()
    return [line.rstrip("\n") for line in said if line.endswith("\n")]


@pytest.mark.parametrize("count", few([3, 50], 1))
def test_what_was_acknowledged_outlives_a_kill(path: pathlib.Path, count: int) -> None:
    """Whenever that comes: who was added is there, who was removed is not, and the file is whole."""
    filled(path)
    said = [name for number in range(count) for name in storm(path, number)]
    there = {*names(opened(path))}
    lost = [name for name in said if not name.startswith("-") and name not in there]
    back = [name for name in said if name.startswith("-") and name[1:] in there]
    assert ([], [], True) == (lost, back, len(said) > 10 * count)


# --- forked


FORKED = """
sys.path.insert(0, "tests/api")
from members import filled, logs_in, names, patiently
path = {path!r}
store = filled(path, "ann")
logs_in(store, "ann")
stop = threading.Event()
def write():
    number = 0
    while not stop.is_set():
        number += 1
        patiently(lambda: store.change("root", fullname=f"Root {{number}}"))
writers = [threading.Thread(target=write) for _ in range(3)]
for writer in writers: writer.start()
def child(number):
    patiently(lambda: store.add(f"child {{number}}", "secret", "Child"))
    return logs_in(store, "ann") and logs_in(store, "root") and f"child {{number}}" in names(store)
children = [in_child(lambda: child(number)) for number in range({count})]
codes = ended(*children)
stop.set()
for writer in writers: writer.join()
print(codes, len(names(store)), os.listdir(os.path.dirname(path)))
"""


@forks
@pytest.mark.parametrize("count", few([8, 100], 1))
def test_a_child_opens_the_file_anew(path: pathlib.Path, count: int) -> None:
    """Though the host forks in the midst of transactions: nobody hangs, and nothing is lost."""
    expected = f"{[0] * count} {count + 2} ['users.db']"
    assert expected == told(FORKED.format(path=str(path), count=count))


HASHING = """
sys.path.insert(0, "tests/api")
from members import basic
from minimon.api.users import UserStore
store = UserStore()
threads = [threading.Thread(target=store.authenticate, args=("basic", basic(f"user {n}", "x"))) for n in range(6)]
for thread in threads: thread.start()
good = basic("admin", store.initial_password)
print(ended(in_child(lambda: store.authenticate("basic", good) is not None)))
"""


@forks
def test_a_child_makes_hashes_of_its_own() -> None:
    """Though those of the parent, whose turn it was, never end there."""
    assert "[0]" == told(HASHING)
