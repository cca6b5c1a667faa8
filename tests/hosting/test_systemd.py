"""What systemd is told, on a socket of its kind."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support import ROOT, wait_until

from minimon import Check, LifecycleError, Monitor
from minimon.hosting.systemd import Systemd
from minimon.testing import FakeClock


@pytest.fixture
def heard(tmp_path: pathlib.Path) -> Iterator[socket.socket]:
    """Where systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(10.0)
        yield ear


def told(systemd: Systemd) -> list[str]:
    """What is news, but the watchdog."""
    return [line for line in systemd.news() if line != "WATCHDOG=1"]


def test_it_is_ready_once_it_was(heard: socket.socket) -> None:
    """And says so once; then what differs."""
    up = [False]
    with Monitor([Check("db", lambda: up[0], every=0.05, fall=1, rise=1)], name="shop") as monitor:
        systemd = Systemd(monitor, {"NOTIFY_SOCKET": heard.getsockname()})
        assert wait_until(lambda: monitor.state("db").status == "down")
        seen = [told(systemd), told(systemd)]
        up[0] = True
        assert wait_until(lambda: monitor.state("db").status == "up")
        seen += [told(systemd), told(systemd)]
    assert [["STATUS=unhealthy: 1 up, 1 down"], [], ["READY=1", "STATUS=healthy: 2 up"], []] == seen


def test_the_watchdog_is_fed_while_all_is_fresh() -> None:
    """Not while a heartbeat is missed, nor by a monitor that does not run."""
    clock = FakeClock()
    monitor = Monitor(clock=clock)
    systemd = Systemd(monitor, {"NOTIFY_SOCKET": "/none", "WATCHDOG_USEC": "2000000"})
    fed = ["WATCHDOG=1" in systemd.news()]
    beat = monitor.heartbeat("consumer", max_age=15)
    beat()
    with monitor:
        fed.append("WATCHDOG=1" in systemd.news())
        clock.advance(8.0)
        clock.advance(8.0)
        fed.append("WATCHDOG=1" in systemd.news())
        beat()
        fed.append("WATCHDOG=1" in systemd.news())
    assert [False, True, False, True] == fed


@pytest.mark.parametrize(
    ("environ", "pause"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, 5.0),
        ({"WATCHDOG_USEC": "x"}, 5.0),
        ({}, 5.0),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(environ: dict[str, str], pause: float) -> None:
    """If it is meant for this process."""
    assert pause == Systemd(Monitor(), environ)._pause


@pytest.mark.parametrize("path", ["", "relative", "vsock:1:2"])
def test_nobody_listens(path: str) -> None:
    """Or in a way that is not spoken here."""
    assert not Systemd(Monitor(), {"NOTIFY_SOCKET": path}).wanted


def test_a_service_is_told_of_from_its_start_to_its_end(heard: socket.socket) -> None:
    """A program of its own, as systemd starts it."""
    code = """
from minimon import Check, Monitor
with Monitor([Check("db", lambda: True)]) as monitor:
    print(monitor.notify_systemd(), monitor.notify_systemd(), flush=True)
    input()
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": heard.getsockname(), "WATCHDOG_USEC": "100000"}
    program = subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    with contextlib.closing(program.stdin), contextlib.closing(program.stdout):  # type: ignore[type-var]
        while "READY=1" not in lines or lines.count("WATCHDOG=1") < 3:
            lines += heard.recv(9999).decode().splitlines()
        said, _ = program.communicate("\n", timeout=10.0)
    while lines[-1] != "STOPPING=1":
        lines += heard.recv(9999).decode().splitlines()
    assert ("True True\n", 0, 1) == (said, program.returncode, lines.count("READY=1"))


def test_what_systemd_did_not_hear_is_told_again(heard: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    """Its queue was full at that moment."""
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as noise:
        noise.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                noise.sendto(b"x" * 1000, heard.getsockname())
    caplog.set_level(logging.DEBUG, "minimon.systemd")
    systemd = Systemd(Monitor(), {"NOTIFY_SOCKET": heard.getsockname()})
    systemd.start()
    assert wait_until(lambda: any("does not listen" in message for message in caplog.messages))
    said = b""
    heard.settimeout(10.0)
    while b"STATUS=" not in said:
        said = heard.recv(10_000)
    assert (True, True) == (said.startswith(b"STATUS="), systemd.stop(time.monotonic() + 5.0))


def test_it_has_to_run_first() -> None:
    """There is nothing to be told of."""
    with pytest.raises(LifecycleError, match="start\\(\\) it first"):
        Monitor().notify_systemd()


def test_without_systemd_nothing_happens() -> None:
    """No thread."""

    def threads(monitor: Monitor) -> Any:
        return monitor.notify_systemd(), monitor._systemd

    if "NOTIFY_SOCKET" in os.environ:
        pytest.skip("systemd listens to this process")
    with Monitor() as monitor:
        assert (False, None) == threads(monitor)
