"""A user, as others see it and as it is kept; what names and passwords may be. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ..errors import ConfigError

LONGEST_NAME, LONGEST_FULLNAME, LONGEST_PASSWORD = 128, 256, 1024
"""Characters at most."""
NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
"""Categories of characters that no text has: control characters, halves of surrogate pairs, ends of lines."""


class User(NamedTuple):
    """Somebody who may log in: an admin may change users, all others (viewers) may look."""

    username: str
    fullname: str
    admin: bool


class Row(NamedTuple):
    """A user with what the password is verified by: it never leaves the store."""

    username: str
    fullname: str
    admin: bool
    password: str

    @property
    def user(self) -> User:
        """As others see it."""
        return User(*self[:3])


class Rows(Protocol):
    """All users, within one transaction."""

    def all(self) -> Sequence[Row]:
        """In the order in which they were added."""

    def find(self, username: str) -> Row | None:
        """The one of this name."""

    def admins(self) -> int:
        """How many there are."""

    def insert(self, row: Row) -> None:
        """Add one whose name nobody has."""

    def update(self, username: str, row: Row) -> None:
        """Put it in the place of the one of this name."""

    def delete(self, username: str) -> None:
        """Take it away."""


class Dictionary:
    """Rows in memory."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self.rows = rows

    def all(self) -> Sequence[Row]:
        """See Rows; so with the others."""
        return tuple(self.rows.values())

    def find(self, username: str) -> Row | None:
        """See Rows."""
        return self.rows.get(username)

    def admins(self) -> int:
        """See Rows."""
        return sum(row.admin for row in self.rows.values())

    def insert(self, row: Row) -> None:
        """See Rows."""
        self.rows = {**self.rows, row.username: row}

    def update(self, username: str, row: Row) -> None:
        """See Rows."""
        self.rows = dict((row.username, row) if name == username else (name, each) for name, each in self.rows.items())

    def delete(self, username: str) -> None:
        """See Rows."""
        self.rows = {name: row for name, row in self.rows.items() if name != username}


def to_look_up(name: object) -> str:
    """A name as it would be kept; "", which nobody is called, for what cannot be one."""
    try:
        return check_username(name)
    except ConfigError:
        return ""


def check_username(value: object) -> str:
    """A name to log in by. One and the same name can be written in several ways: it is normalised (NFC; RFC 8265, 3.3).

    Raises ConfigError; so with the others.
    """
    name = _text("username", value, LONGEST_NAME)
    if ":" in name:
        raise ConfigError("username must have no colon: Basic authentication cannot carry it (RFC 7617, 2)")
    if "/" in name or name in (".", ".."):
        raise ConfigError("username must have no slash, and not be . or ..: it stands in a path")
    if not name.isprintable() or name != name.strip():
        raise ConfigError("username must be printable, without blanks around it")
    return name


def check_fullname(value: object) -> str:
    """What people call that user."""
    return _text("fullname", value, LONGEST_FULLNAME)


def check_password(value: object) -> str:
    """Any text; it is normalised as well (RFC 7617, 2.1)."""
    return _text("password", value, LONGEST_PASSWORD)


def check_admin(value: object) -> bool:
    """True or False: the text "false" would make an admin."""
    if not isinstance(value, bool):
        raise ConfigError("admin must be true or false")
    return value


def _text(what: str, value: object, most: int) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a text")
    if len(value) <= most:
        value = unicodedata.normalize("NFC", value)
    if not value:
        raise ConfigError(f"{what} must not be empty")
    if len(value) > most:
        raise ConfigError(f"{what} must have at most {most} characters")
    if any(unicodedata.category(character) in NO_TEXT for character in value):
        raise ConfigError(f"{what} must have no control characters, and no halves of surrogate pairs")
    return value
