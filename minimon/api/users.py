"""The users of a server: who may log in, and who may change that; in an SQLite file, or in memory."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from ..clock import Clock, SystemClock
from ..errors import ConfigError, LastAdminError, StoreError, TakenError, UnknownUserError
from ..fork import hold
from ..log import logger
from ..text import quoted, short
from .accounts import (
    Dictionary,
    Row,
    Rows,
    User,
    check_admin,
    check_fullname,
    check_password,
    check_username,
    to_look_up,
)
from .logins import Failures, Given, Logins, read_basic
from .passwords import N, Passwords

_log = logger("users")

FIRST = "admin"
"""The name of the user whom a store in memory begins with."""


class Table(Protocol):
    """Where users are kept."""

    def reading(self, patience: float = 1.0) -> contextlib.AbstractContextManager[Rows]:
        """All of them, as they are now; `patience` are the seconds to wait for a lock."""

    def writing(self) -> contextlib.AbstractContextManager[Rows]:
        """The same, to be changed: as a whole, or not at all if something is raised."""

    def before_fork(self) -> None:
        """In the parent, by the thread that forks."""

    def after_fork_in_parent(self) -> None:
        """The same, afterwards."""

    def after_fork(self) -> None:
        """In the child."""


class UserStore:
    """Users, and the Authenticator of a server (`auth=UserStore("users.db")`) by Basic authentication. Any thread.

    path    an SQLite file, for its owner alone, made if it is not there; without one users are in memory, and there
            is one, `admin`, whose password is `initial_password`
    cost    the N of scrypt, by which passwords are kept
    clock   where time comes from

    Several stores, also of several processes, may share a file: what one changes the others know within a second.
    What a method has done is on the disk when it returns.

    Raises ConfigError for bad values, and for a file that is damaged, newer, or none of ours: it is never overwritten.
    Methods raise StoreBusyError (locked by another process, or the disk is full: try again after its `retry_after`
    seconds), ReadOnlyError, and StoreError for a file that is damaged or gone. Logins that were right go on for a
    minute whatever is wrong with the file.
    """

    challenge = 'Basic realm="Login Required"'

    def __init__(self, path: Any = None, *, cost: int = N, clock: Clock | None = None) -> None:
        self._passwords = Passwords(cost)
        self._decoy = self._passwords.decoy()
        self._clock = clock or SystemClock()
        self.initial_password: str | None = None
        self._logins, self._by_name, self._by_address = Logins(os.urandom(32)), Failures(), Failures()
        self._changes = 0
        # Guards the four above. A leaf: no hash is made and no file is touched under it.
        self._lock = threading.Lock()
        self._table: Table = _Memory()
        self._path = ""
        if path is None:
            self.initial_password = os.urandom(12).hex()
            self.add(FIRST, self.initial_password, "Administrator", admin=True)
            self.close()  # no thread is left of a constructor
        else:
            from .database import Database

            database = Database(path)
            self._table, self._path = database, database.path
        hold(self)

    def __repr__(self) -> str:
        return f"<UserStore {short(self._path or 'in memory', 200)}>"

    def before_fork(self) -> None:
        """In the parent, by the thread that forks: no transaction is carried into the child."""
        self._table.before_fork()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._table.after_fork_in_parent()

    def after_fork(self) -> None:
        """In the child: fresh locks. It knows what the parent knew."""
        self._lock = threading.Lock()
        self._passwords.after_fork()
        self._table.after_fork()

    def close(self) -> None:
        """End the threads that make hashes, which end after a minute without work anyway. It can be used further."""
        self._passwords.close()

    # --- users

    def list(self) -> tuple[User, ...]:
        """All users, in the order in which they were added."""
        with self._table.reading() as rows:
            return tuple(row.user for row in rows.all())

    def get(self, name: str) -> User:
        """The user of this name. Raises UnknownUserError."""
        return self._row(name).user

    def add(self, name: str, password: str, fullname: str, admin: bool = False) -> User:
        """Add a user. Raises ConfigError for bad values, TakenError if the name is taken."""
        row = _checked(name, password, fullname, admin)
        with self._table.reading() as rows:
            _refuse_taken(rows, row.username)
        row = row._replace(password=self._passwords.hash(row.password))
        with self._changing(row.username) as rows:
            _refuse_taken(rows, row.username)
            rows.insert(row)
        return row.user

    def replace(
        self, name: str, *, username: str, password: str, fullname: str, admin: bool = False
    ) -> tuple[User, bool]:
        """Have a user be like this (PUT): the user, and whether it is new.

        Raises UnknownUserError when nobody has that name and `username` is another one: only who is there is renamed.
        Raises TakenError, LastAdminError and ConfigError as the others.
        """
        there = self._find(name) is not None
        _checked(username, password, fullname, admin)
        if there:
            new = self.change(name, username=username, password=password, fullname=fullname, admin=admin)
            return new, False
        if to_look_up(name) != check_username(username):
            raise _unknown(name)
        return self.add(username, password, fullname, admin), True

    def change(
        self,
        name: str,
        *,
        username: str | None = None,
        password: str | None = None,
        fullname: str | None = None,
        admin: bool | None = None,
    ) -> User:
        """Change what is given of a user (PATCH): the user. Its logins of before are not known any more.

        Raises UnknownUserError, ConfigError for bad values, TakenError if the new name is taken, and LastAdminError.
        """
        before = self._row(name)
        new: dict[str, Any] = {
            **({} if username is None else {"username": check_username(username)}),
            **({} if fullname is None else {"fullname": check_fullname(fullname)}),
            **({} if admin is None else {"admin": check_admin(admin)}),
        }
        if password is not None:
            new["password"] = self._passwords.hash(check_password(password))
        with self._changing(before.username, new.get("username", "")) as rows:
            row = _found(rows, name)._replace(**new)
            if row.username != before.username:
                _refuse_taken(rows, row.username)
            rows.update(before.username, row)
        return row.user

    def remove(self, name: str) -> None:
        """Remove a user, whose logins are wrong at once. Raises UnknownUserError, LastAdminError."""
        with self._changing(to_look_up(name)) as rows:
            rows.delete(_found(rows, name).username)

    @contextlib.contextmanager
    def _changing(self, *names: str) -> Iterator[Rows]:
        """A transaction after which there is still an admin, and nothing is remembered of these users."""
        try:
            with self._table.writing() as rows:
                before = rows.admins()
                yield rows
                if before and not rows.admins():
                    raise LastAdminError(f"{quoted(names[0])} is the last admin; make another user an admin first")
        finally:
            with self._lock:
                self._changes += 1
                self._logins.drop(*names)

    def _find(self, name: str) -> Row | None:
        with self._table.reading() as rows:
            return rows.find(to_look_up(name))

    def _row(self, name: str) -> Row:
        with self._table.reading() as rows:
            return _found(rows, name)

    # --- logins

    def authenticate(self, scheme: str, credentials: str) -> User | None:
        """Who that is; None for wrong credentials, and for a name that has failed too often. Takes its time.

        What is no Basic authentication, or broken, is wrong. Raises StoreError when the users cannot be read.
        """
        key = self._logins.key(credentials)
        row = self._known(key) if scheme == "basic" else None
        if row is None:
            given = read_basic(scheme, credentials)
            row = None if given is None else self._verified(given, key)
        return None if row is None else row.user

    def recall(self, scheme: str, credentials: str) -> User | None:
        """Who that was, of credentials that were right a moment ago; None where that is to be asked. Never waits."""
        if scheme != "basic":
            return None
        key, now = self._logins.key(credentials), self._clock.monotonic()
        with self._lock:
            login = self._logins.find(key, now)
            return login.row.user if login is not None and login.is_fresh(now) else None

    def delay(self, scheme: str, credentials: str, address: str = "") -> float:
        """Seconds that a client has to wait before it may try these; 0.0 for at once. Never waits.

        Many may come from one address, and anybody can fail under a name: credentials that were right the last time
        never wait.
        """
        with self._lock:
            if scheme == "basic" and self._logins.find(self._logins.key(credentials), self._clock.monotonic()):
                return 0.0
        given = read_basic(scheme, credentials)
        return self.throttled(given.name if given else "", address)

    def throttled(self, name: str, address: str = "") -> float:
        """Seconds until the next attempt: after ten failures in a minute of a name, or from an address. Never waits."""
        now = self._clock.monotonic()
        with self._lock:
            return max(self._by_name.wait(name, now), self._by_address.wait(address, now))

    def note(self, address: str) -> None:
        """Credentials from there were wrong. (Names are counted here.) Never waits."""
        now = self._clock.monotonic()
        with self._lock:
            self._by_address.note(address, now)

    def _known(self, key: bytes) -> Row | None:
        """The user whose login this was, a moment ago; looked up twice a second, for others may have changed it."""
        now = self._clock.monotonic()
        with self._lock:
            login = self._logins.find(key, now)
            if login is None or self._logins.is_fresh(key, now):
                return None if login is None else login.row
        try:
            with self._table.reading(0.0) as rows:  # whoever has it locked changes nothing that can be seen yet
                if rows.find(login.row.username) == login.row:
                    return login.row
        except StoreError:  # whatever is wrong with the file: it is no reason to lock anybody out
            return login.row
        with self._lock:
            self._logins.drop(login.row.username)
        return None

    def _verified(self, given: Given, key: bytes) -> Row | None:
        """The user, if the password is right. Who is unknown costs as much."""
        with self._lock:
            changes = self._changes
        row = self._find(given.name)
        stored = self._decoy if row is None else row.password
        try:
            right = self._passwords.verify(given.password, stored, lambda: self._is_settled(given.name, key))
        except ConfigError as error:
            _log.warning("user %s cannot log in: %s", quoted(given.name), error)
            return None
        if not right or row is None:
            return self._failed(given.name, key)
        row = self._upgraded(row, given.password)
        with self._lock:
            if changes == self._changes:  # else that user may be another one by now
                self._logins.keep(key, row, self._clock.monotonic())
        return row

    def _is_settled(self, name: str, key: bytes) -> bool:
        """Whether, while it waited for its turn, it was found to be right, or that name has failed too often."""
        now = self._clock.monotonic()
        with self._lock:
            return self._logins.find(key, now) is not None or self._by_name.wait(name, now) > 0.0

    def _failed(self, name: str, key: bytes) -> Row | None:
        now = self._clock.monotonic()
        with self._lock:
            login = self._logins.find(key, now)
            if login is not None or self._by_name.wait(name, now) > 0.0:
                return None if login is None else login.row
            waits = self._by_name.note(name, now)
        if waits:
            _log.warning("user %s: too many wrong passwords; the next may be tried in a minute", quoted(name))
        return None

    def _upgraded(self, row: Row, password: str) -> Row:
        """The user, with a hash of today. What cannot be written now is at another login."""
        if not self._passwords.needs_upgrade(row.password):
            return row
        new = row._replace(password=self._passwords.hash(password))
        with contextlib.suppress(StoreError), self._table.writing() as rows:
            if rows.find(row.username) == row:
                rows.update(row.username, new)
                row = new
        return row


class _Memory:
    """A Table in memory, of this process alone."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self.after_fork()

    def before_fork(self) -> None:
        """What is in memory may be copied at any time."""

    after_fork_in_parent = before_fork

    def after_fork(self) -> None:
        # Guards writing: who reads has a table that stays as it is. A leaf.
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def reading(self, patience: float = 0.0) -> Iterator[Rows]:
        yield Dictionary(self._rows)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Rows]:
        with self._lock:
            rows = Dictionary(self._rows)
            yield rows
            self._rows = rows.rows


def _checked(username: object, password: object, fullname: object, admin: object) -> Row:
    """A user with a password that is not hashed yet. Raises ConfigError."""
    return Row(check_username(username), check_fullname(fullname), check_admin(admin), check_password(password))


def _found(rows: Rows, name: str) -> Row:
    row = rows.find(to_look_up(name))
    if row is None:
        raise _unknown(name)
    return row


def _unknown(name: str) -> UnknownUserError:
    return UnknownUserError(f"no user is named {quoted(name, 150)}")


def _refuse_taken(rows: Rows, name: str) -> None:
    if rows.find(name) is not None:
        raise TakenError(f"a user is named {quoted(name, 150)} already; take another name, or change that user")
