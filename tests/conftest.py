"""Lets the tests import minimon from this checkout, and each other; makes monitors for them."""

from __future__ import annotations

import gc
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

for folder in (pathlib.Path(__file__).parent, pathlib.Path(__file__).parent.parent):
    sys.path.insert(0, str(folder))


def pytest_collection_finish() -> None:
    """Keep thousands of collected tests out of every later collection of garbage: a fifth of the suite's time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _settled() -> None:
    """The same for what pytest keeps of the files before."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where workers meet: of the tests alone."""
    os.environ["MINIMON_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))
    yield
    del os.environ["MINIMON_RUNTIME_DIR"]


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    """Makes monitors, and stops them in the end."""
    from support import our_threads, wait_until

    from minimon import Monitor

    monitors: list[Monitor] = []

    def made(*args: Any, **options: Any) -> Monitor:
        monitors.append(Monitor(*args, **options))
        return monitors[-1]

    yield made
    for monitor in monitors:
        monitor.stop(5.0)
    assert wait_until(lambda: our_threads() == [])
