"""What the tests share: waiting for a condition, threads and descriptors counted, Python started afresh."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent


def few(values: Iterable[Any], first: int = 2) -> list[Any]:
    """These parameters, all but the first few of them for long runs only."""
    import pytest  # here: many a test starts an interpreter that needs what is below, and no pytest

    return [
        value if number < first else pytest.param(value, marks=pytest.mark.long) for number, value in enumerate(values)
    ]


@contextlib.contextmanager
def small_disk(folder: pathlib.Path, size: str) -> Iterator[pathlib.Path]:
    """A folder with room for so much, such as "64k"; skips the test where nobody may mount."""
    import shutil  # here, as in `few`

    import pytest

    small = folder / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "minimon", str(small)]
    done = subprocess.run(command, capture_output=True) if shutil.which("mount") else None
    if done is None or done.returncode:
        pytest.skip("nobody may mount here")
    yield small
    subprocess.run(["umount", "-l", str(small)], check=True)


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    """True as soon as the condition holds, False when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.005)
    return True


def our_threads() -> list[str]:
    """The names of minimon's threads that are alive."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("minimon"))


def descriptors() -> int:
    """How many file descriptors this process has open; 0 where that cannot be seen."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def python(code: str, *options: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that finds this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, cwd=ROOT)
