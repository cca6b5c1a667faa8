"""What the tests of users share: stores that hash quickly, credentials, files with users in them."""

from __future__ import annotations

import base64
import functools
import os
import pathlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from typing import Any

import pytest

from minimon.api.users import UserStore
from minimon.errors import MinimonError, StoreBusyError
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


@functools.cache
def content(*names: str) -> bytes:
    """The file of a store with an admin, `root`, and these users, who all have the password `secret`."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "users.db")
        store = opened(path)
        store.add("root", "secret", "Root", admin=True)
        for name in names:
            store.add(name, "secret", f"Full {name}")
        return pathlib.Path(path).read_bytes()


def filled(path: Any, *names: str, **options: Any) -> UserStore:
    """A store with a copy of that: to have it made, a transaction each, takes a while on some disks."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content(*names))
    return opened(path, **options)


def patiently(call: Callable[[], object]) -> None:
    """Do it again for as long as others are at it."""
    for _ in range(100):
        try:
            call()
            return
        except StoreBusyError:
            pass


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
