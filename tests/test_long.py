"""Soak and many hosts: minutes of real polls, a third of them hostile, without growth. Run by .ci/full."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from support import ROOT, descriptors, our_threads, wait_until

from minimon import Check, HealthCheckServer, Monitor

pytestmark = pytest.mark.long

HOSTILE = ("reset", "cut_head", "cut_body", "garbage", "empty", "reset_body", "redirect_loop", "flaky")
SOAK = 90.0

TARGETS = """
import contextlib, sys
from minimon.testing import RogueServer
with contextlib.ExitStack() as stack:
    print(*[stack.enter_context(RogueServer(name)).url for name in sys.argv[1:]], flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def targets(*behaviours: str) -> Iterator[list[str]]:
    """The addresses of servers in a process of their own, whose memory is not ours."""
    command = [sys.executable, "-c", TARGETS, *behaviours]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes) as child:
        assert child.stdin is not None and child.stdout is not None
        yield child.stdout.readline().split()
        child.stdin.close()


def figures() -> tuple[int, int, int]:
    """Threads, descriptors and traced bytes of this process."""
    gc.collect()
    return threading.active_count(), descriptors(), tracemalloc.get_traced_memory()[0]


def test_a_soak_leaves_no_growth() -> None:
    """60 checks, a third of them hostile, polled 600 times a second: nothing but the pool grows after a third of it."""
    with contextlib.ExitStack() as stack:
        names = (*HOSTILE, *["ok"] * 16)
        found = list(zip(names, stack.enter_context(targets(*names)))) * 3
        checks = [
            Check(f"{number} {name}", url, every=0.1, retry_interval=0.1, timeout=1)
            for number, (name, url) in enumerate(found)
        ]
        monitor = stack.enter_context(Monitor(checks[:60]))
        stack.enter_context(HealthCheckServer(port=0).serving(monitor))
        assert wait_until(lambda: monitor.snapshot()["counts"]["unknown"] == 0, 10.0)
        pause = threading.Event()
        pause.wait(SOAK / 3)
        tracemalloc.start()
        before = figures()
        pause.wait(SOAK * 2 / 3)
        after = figures()
        tracemalloc.stop()
        states = {check.name: monitor.state(check.name) for check in checks[:60]}
    wrong = [name for name, state in states.items() if (state.status == "up") != name.endswith(("ok", "flaky"))]
    assert [name for name in wrong if not name.endswith("flaky")] == []
    assert after[0] <= 32 + 3 and after[1] <= before[1] + 64 and after[2] - before[2] < 2 << 20
    assert our_threads() == []


def test_ten_thousand_checks_of_many_hosts_are_on_time() -> None:
    """10,000 checks of 50 hosts, 200 polls a second: all seen within their first round, none late or missed."""
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(targets(*["ok"] * 50))
        checks = [Check(f"check {n}", urls[n % 50], every=50.0) for n in range(10_000)]
        monitor = stack.enter_context(Monitor(checks))
        start = time.monotonic()
        assert wait_until(lambda: monitor.snapshot()["counts"]["up"] == 10_001, 120.0)  # itself among them
        took, seen = time.monotonic() - start, monitor.snapshot()["self"]
    assert (took < 75.0, seen["missed"], seen["stuck"]) == (True, 0, 0)
