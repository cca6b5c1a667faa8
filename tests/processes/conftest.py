"""What the tests of processes are given: processes and servers that end with the test."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import small_disk, wait_until

from minimon.processes.child import Child, Platform, living, spawn
from minimon.testing import RogueServer


@pytest.fixture
def launch() -> Iterator[Callable[..., Child]]:
    """Launches processes, and ends them."""
    children: list[Child] = []

    def launched(*command: str, **options: Any) -> Child:
        children.append(spawn(command, **options))
        return children[-1]

    yield launched
    for child in children:
        child.kill((living(Platform()) or {}).get(child.pid, ()))
        wait_until(lambda child=child: child.ended() is not None)  # type: ignore[misc]
        child.reap()


@pytest.fixture
def rogue() -> Iterator[Callable[..., RogueServer]]:
    """Starts servers, and stops them in the end."""
    servers: list[RogueServer] = []

    def made(behaviour: str, **settings: Any) -> RogueServer:
        servers.append(RogueServer(behaviour, **settings).start())
        return servers[-1]

    yield made
    for server in servers:
        server.stop()


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder with room for 64 KiB."""
    with small_disk(tmp_path, "64k") as folder:
        yield folder
