"""Runs Python afresh, bounded in time, and leaves no process behind."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from lines import Line, failed

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GROUPED = "MINIMON_BENCHMARKS_GROUPED"
"""Set for processes that belong to a group which their first ancestor among the benchmarks will end as a whole."""


def environment() -> dict[str, str]:
    """A fresh Python finds this checkout, and nothing else that was set for another one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(ROOT), GROUPED: "1"}


def start(*command: str, **options: Any) -> subprocess.Popen[str]:
    """Start Python in a group of its own, so that `end` ends its children too; they stay in that group."""
    alone = GROUPED not in os.environ
    return subprocess.Popen(command, env=environment(), cwd=ROOT, text=True, start_new_session=alone, **options)


def end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of the process and its children, and collect it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill() if GROUPED in os.environ else os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@contextlib.contextmanager
def started(*command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process for the length of a `with` block."""
    process = start(*command, **options)
    try:
        yield process
    finally:
        end(process)


def output(*command: str, timeout: float) -> str:
    """What Python prints. Raises RuntimeError when it fails, or does not end in time."""
    with started(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            said, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not ended after {timeout:g} s") from None
        if process.returncode != 0:
            raise RuntimeError(f"exit {process.returncode}: {errors.strip()[-300:]}")
        return said


def said(text: str) -> list[Any]:
    """The JSON lines of an output."""
    return [json.loads(line) for line in text.splitlines() if line.startswith(("{", "["))]


def script(name: str, *arguments: str, python: str = sys.executable, timeout: float = 60.0) -> list[Any]:
    """Run a script of this folder; its JSON lines."""
    return said(output(python, str(HERE / name), *arguments, timeout=timeout))


def row(name: str, quick: bool, python: str, timeout: float) -> list[Line]:
    """Run the benchmark NAME.py; what breaks is a line too."""
    try:
        return [Line(**line) for line in script(f"{name}.py", *["--quick"] * quick, python=python, timeout=timeout)]
    except (RuntimeError, ValueError, OSError) as error:
        return [failed(name, " ".join(str(error).split()))]
