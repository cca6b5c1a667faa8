"""Worker processes of one application, real ones, that do what a test tells them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from support import ROOT, wait_until

BEGIN = """
import json, logging, os, sys, threading, types
from minimon import Check, HealthCheckServer, Monitor

said = []

class Listener(logging.Handler):
    def emit(self, record):
        if record.name != "minimon.poller":
            said.append(record.getMessage())

logging.getLogger("minimon").addHandler(Listener(logging.WARNING))
known = {"answer": True}

def works():
    return known["answer"]

def fails():
    raise OSError("no such luck")

def checks():
    return [
        Check("works", works, every=0.1, initial_delay=0),
        Check("fails", fails, every=0.1, initial_delay=0, fall=2, critical=False),
    ]

"""
END = """
for line in sys.stdin:
    try:
        answer = eval(line)
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer, default=repr), flush=True)
"""


class Worker:
    """One process, in which `code` has run. `ask(expression)` is evaluated there."""

    def __init__(self, folder: pathlib.Path, code: str, **environ: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        kept.update({"PYTHONPATH": str(ROOT), "MINIMON_RUNTIME_DIR": str(folder), **environ})
        command = [sys.executable, "-c", BEGIN + code + END]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=kept, cwd=ROOT)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def ask(self, expression: str) -> Any:
        """What an expression comes to there."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{expression}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the worker has ended: {self.process.wait()}"
        return json.loads(line)

    def soon(self, expression: str, expected: Any, seconds: float = 5.0) -> Any:
        """The same once it is as expected, or at last."""
        wait_until(lambda: self.ask(expression) == expected, seconds)
        return self.ask(expression)

    def kill(self) -> None:
        """It gets no word in."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """It has nothing more to do."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


SHARED = """
monitor = Monitor(checks(), name="shop", share="auto").start()
"""


@contextlib.contextmanager
def workers(folder: pathlib.Path, number: int = 2, code: str = SHARED, **environ: str) -> Iterator[list[Worker]]:
    """So many of them, the first of which leads where they share."""
    started: list[Worker] = []
    try:
        for _ in range(number):
            started.append(Worker(folder, code, **environ))
            started[-1].ask("0")
        yield started
    finally:
        for worker in started:
            worker.end()
