"""What the tests of users share: stores that hash quickly, credentials, files with users in them."""

from __future__ import annotations

import base64
import pathlib
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from minimon.api.users import UserStore
from minimon.errors import MinimonError
from minimon.testing import FakeClock

CHEAP = 16
"""The cost of a hash that takes no time."""


def basic(name: str, password: str) -> str:
    """Credentials of Basic authentication."""
    return base64.b64encode(f"{name}:{password}".encode()).decode("ascii")


def logs_in(store: UserStore, name: str, password: str = "secret") -> bool:
    """Whether that is somebody, and of this name."""
    user = store.authenticate("basic", basic(name, password))
    return user is not None and user.username == name


def opened(path: Any = None, **options: Any) -> UserStore:
    """A store whose hashes take no time, on a clock that stands still."""
    return UserStore(path, **{"cost": CHEAP, "clock": FakeClock(1000.0), **options})


def filled(path: Any, *names: str, **options: Any) -> UserStore:
    """One with an admin, `root`, and these users, who all have the password `secret`."""
    store = opened(path, **options)
    store.add("root", "secret", "Root", admin=True)
    for name in names:
        store.add(name, "secret", f"Full {name}")
    return store


def names(store: UserStore) -> list[str]:
    """The names of all users."""
    return [user.username for user in store.list()]


def refused(call: Callable[[], object]) -> tuple[type[MinimonError], str]:
    """What a call raises, and says."""
    with pytest.raises(MinimonError) as caught:
        call()
    return type(caught.value), str(caught.value)


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def execute(path: pathlib.Path, *statements: str) -> None:
    """Do something to a file, as its owner could by hand."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
