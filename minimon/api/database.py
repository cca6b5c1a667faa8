"""Users in an SQLite file: opened for each transaction, refused when something is wrong with it, never overwritten.

No connection outlives its transaction. So nothing is carried into a forked child, a file that was put in the place of
another is the one that is read, and the last to close leaves one whole file, which can be copied. SQLite's locks go
with any descriptor of the file that is closed (fcntl(2)): nothing else here opens it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, ReadOnlyError, StoreBusyError, StoreError
from ..log import logger
from .accounts import Row, Rows

if TYPE_CHECKING:
    import sqlite3

_log = logger("users")

OURS, SCHEMA = 0x6D6D7573, 1
"""`application_id` of a file of ours, and `user_version`: the form that it has (sqlite.org/pragma.html)."""
TABLE = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
BEGIN;
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    fullname TEXT NOT NULL,
    admin INTEGER NOT NULL,
    password TEXT NOT NULL
);
PRAGMA application_id = {OURS};
PRAGMA user_version = {SCHEMA};
COMMIT;
"""
BUSY = 1.0
"""Seconds that a lock of another process is waited for, and after which a client may try again."""
FULL, LITTLE = 10.0, 1 << 17
"""Seconds after which a client may try again when the disk is full; bytes with which it is."""
CHECKED = 1 << 26
"""Bytes of a file that is checked at the start: larger ones take too long."""
CHECKING = 2.0
"""Seconds that the check may take."""
HELD = 2.0
"""Seconds that a fork waits for transactions."""
RESTORE = "put a backup in its place, or move it away to begin anew"
LOCKED = ("is locked", "locking protocol")
UNREADABLE = ("not a database", "malformed", "not decode", "no such table", "no such column")


class Database:
    """The file of one store. Any thread. It is made if it is not there, for its owner alone.

    Raises ConfigError for what is no file of users, and for one that is damaged or newer; StoreBusyError if it cannot
    be looked at now.
    """

    def __init__(self, path: Any) -> None:
        try:
            given = os.fsdecode(path)
            self.path = os.path.realpath(given)
        except (TypeError, ValueError) as error:  # ValueError: a NUL in it
            raise ConfigError(f"users: the file must be a path, got {path!r:.60}") from error
        if not given or "\0" in given:
            raise ConfigError(f"users: the file must be a path, got {path!r:.60}")
        self._sqlite = _sqlite()
        self._gate = _Gate()
        if not os.path.lexists(self.path):
            self._make()
        try:
            self._examine()
        except (StoreBusyError, ReadOnlyError):
            raise
        except StoreError as error:
            raise ConfigError(str(error)) from None

    def before_fork(self) -> None:
        """No transaction is under way then: SQLite in the child would hold a lock that is the parent's."""
        self._gate.shut()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._gate.open()

    def after_fork(self) -> None:
        """In the child: nobody else is in a transaction."""
        self._gate = _Gate()

    @contextlib.contextmanager
    def reading(self, patience: float = BUSY) -> Iterator[Rows]:
        """All users, as they are now; `patience` are the seconds to wait for a lock. Raises StoreError."""
        with self._gate.passing(), self._telling(), contextlib.closing(self._open_to_read(patience)) as connection:
            yield _Table(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Rows]:
        """The same, to be changed: all of it is on the disk afterwards, or nothing, if something is raised.

        Raises StoreBusyError when somebody else has the lock for longer than a second, or the disk is full;
        ReadOnlyError; StoreError for what is damaged, or not there any more.
        """
        with self._gate.passing(), self._telling(), contextlib.closing(self._open("mode=rw")) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            yield _Table(connection)
            connection.execute("COMMIT")

    # --- opening

    def _open(self, how: str, patience: float = BUSY) -> sqlite3.Connection:
        from pathlib import Path

        address = f"{Path(self.path).as_uri()}?{how}"
        connection: sqlite3.Connection = self._sqlite.connect(address, uri=True, timeout=patience, isolation_level=None)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (owner,) = connection.execute("PRAGMA application_id").fetchone()
            if owner != OURS:
                raise StoreError(f"{self.path}: is not a file of minimon's users; say another one")
            if version > SCHEMA:
                raise StoreError(f"{self.path}: was written by a newer minimon; take that one, or another file")
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_to_read(self, patience: float = BUSY) -> sqlite3.Connection:
        """Where no file can be made beside it, which a reader needs as well, it is read alone if it is whole."""
        try:
            return self._open("mode=rw", patience)
        except self._sqlite.OperationalError as error:
            if any(words in str(error) for words in LOCKED) or self._has_more():
                raise
        return self._open("mode=ro&immutable=1", patience)

    def _has_more(self) -> bool:
        """Whether some of it stands in the file beside it."""
        with contextlib.suppress(OSError):
            return os.path.getsize(f"{self.path}-wal") > 0
        return False

    # --- the start

    def _make(self) -> None:
        """Whole or not at all: an empty file is one that was damaged."""
        unfinished = f"{self.path}.{os.urandom(6).hex()}.tmp"
        try:
            os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with contextlib.closing(self._sqlite.connect(unfinished, isolation_level=None)) as connection:
                connection.executescript(TABLE)
            with contextlib.suppress(FileExistsError):  # another process has been faster
                os.link(unfinished, self.path)
            _settle(os.path.dirname(self.path))
        except (OSError, self._sqlite.Error) as error:
            why = getattr(error, "strerror", None) or error
            raise ConfigError(f"{self.path}: cannot be made: {why}; say another place") from None
        finally:
            for each in (unfinished, f"{unfinished}-wal", f"{unfinished}-shm"):
                with contextlib.suppress(OSError):
                    os.remove(each)

    def _examine(self) -> None:
        """Refuse what cannot be used. Raises StoreError."""
        if not os.path.isfile(self.path):
            raise StoreError(f"{self.path}: is no file; say another one")
        size = os.path.getsize(self.path)
        if not size:
            raise StoreError(f"{self.path}: is empty; {RESTORE}")
        with self._telling(), contextlib.closing(self._open_to_read()) as connection:
            if size <= CHECKED:
                self._check(connection)
            else:
                _log.info("%s: is too large to be checked at the start", self.path)
            _Table(connection).find("")

    def _check(self, connection: sqlite3.Connection) -> None:
        import time

        end = time.monotonic() + CHECKING
        connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except self._sqlite.OperationalError as error:
            if str(error) != "interrupted":
                raise
            found = "ok"
        connection.set_progress_handler(None, 0)
        if found != "ok":
            raise StoreError(f"{self.path}: is damaged; {RESTORE}")

    # --- what is wrong

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """What SQLite raises, in our words."""
        try:
            yield
        except self._sqlite.Error as error:
            raise self._told(str(error)) from error

    def _told(self, text: str) -> StoreError:
        if any(words in text for words in LOCKED):
            return StoreBusyError(f"{self.path}: another process has locked it; try again", BUSY)
        if any(words in text for words in UNREADABLE):
            return StoreError(f"{self.path}: is damaged ({text}); {RESTORE}")
        if not os.path.isfile(self.path):
            return StoreError(f"{self.path}: is not there any more; put it back, or a backup in its place")
        if "disk is full" in text or _is_full(self.path):
            return StoreBusyError(f"{self.path}: the disk is full; make room", FULL)
        if not _may(self.path, os.R_OK):
            return StoreError(f"{self.path}: may not be read by this user; change its owner, or its mode")
        folder = os.path.dirname(self.path)
        if "readonly" in text or not (_may(self.path, os.W_OK) and _may(folder, os.W_OK)):
            return ReadOnlyError(f"{self.path}: may be read only; let this user write it and its folder")
        return StoreError(f"{self.path}: {text}")


class _Table:
    """Rows in a database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[Row]:
        return tuple(_row(found) for found in self._execute(f"{SELECT} ORDER BY id"))

    def find(self, username: str) -> Row | None:
        found = self._execute(f"{SELECT} WHERE username = ?", username).fetchone()
        return None if found is None else _row(found)

    def admins(self) -> int:
        return int(self._execute("SELECT count(*) FROM users WHERE admin").fetchone()[0])

    def insert(self, row: Row) -> None:
        self._execute("INSERT INTO users (username, fullname, admin, password) VALUES (?, ?, ?, ?)", *row)

    def update(self, username: str, row: Row) -> None:
        to = "UPDATE users SET username = ?, fullname = ?, admin = ?, password = ? WHERE username = ?"
        self._execute(to, *row, username)

    def delete(self, username: str) -> None:
        self._execute("DELETE FROM users WHERE username = ?", username)

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)


SELECT = "SELECT username, fullname, admin, password FROM users"


def _row(found: Sequence[Any]) -> Row:
    username, fullname, admin, password = found
    return Row(str(username), str(fullname), bool(admin), str(password))


class _Gate:
    """Counts who is in a transaction; a fork shuts it."""

    def __init__(self) -> None:
        # Guards both below, and wakes who waits for them. A leaf.
        self._changed = threading.Condition(threading.Lock())
        self._inside, self._shut = 0, False

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """While nobody forks."""
        with self._changed:
            self._changed.wait_for(lambda: not self._shut, HELD)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def shut(self) -> None:
        """Let nobody in, and wait until all are out."""
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: not self._inside, HELD)

    def open(self) -> None:
        """Let all in again."""
        with self._changed:
            self._shut = False
            self._changed.notify_all()


def _sqlite() -> Any:
    try:
        import sqlite3
    except ImportError as error:
        raise ConfigError("users: this Python has no sqlite3, so users can be in memory only") from error
    return sqlite3


def _may(path: str, what: int) -> bool:
    """Whether this process may do that."""
    return os.access(path, what, effective_ids=os.access in os.supports_effective_ids)


def _is_full(path: str) -> bool:
    """Whether there is no room beside that file, as far as that can be told."""
    if not hasattr(os, "statvfs"):
        return False
    with contextlib.suppress(OSError):
        disk = os.statvfs(path)
        return disk.f_bavail * disk.f_frsize < LITTLE and not disk.f_flag & os.ST_RDONLY
    return False


def _settle(folder: str) -> None:
    """Have a new name in a folder outlive a loss of power; where folders can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
