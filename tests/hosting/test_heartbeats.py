"""Loops and threads of the host that are expected to live: what is missed, what is told of it, in whom."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from typing import Any

import pytest
from support import python, wait_until

from minimon import Check, ConfigError, HealthCheckServer, Monitor, NotReadyError, UnknownCheckError
from minimon.hosting.heartbeats import Heartbeat
from minimon.testing import FakeClock


def livez(monitor: Monitor, path: str = "/livez") -> tuple[int, Any]:
    """Code and document."""
    reply = monitor.respond("GET", path, details="always")
    return reply.status, json.loads(reply.body)


def expecting() -> tuple[FakeClock, Monitor, Heartbeat]:
    """A monitor that has given out a heartbeat, on a clock that is moved by hand."""
    clock = FakeClock()
    monitor = Monitor(clock=clock)
    return clock, monitor, monitor.heartbeat("consumer", max_age=15)


ALIVE = (200, {"status": "alive"})


def test_a_loop_that_beats_is_alive() -> None:
    """As long as no pause is longer than it said."""
    clock, monitor, beat = expecting()
    seen = []
    for _ in range(3):
        beat()
        clock.advance(15.0)
        seen.append(livez(monitor))
    assert [ALIVE] * 3 == seen


def test_a_loop_that_has_not_begun_is_not_missed() -> None:
    """It is expected from its first beat on."""
    clock, monitor, _ = expecting()
    clock.advance(100.0)
    assert ALIVE == livez(monitor)


def test_a_missed_beat_is_told_by_its_name_until_it_beats_again() -> None:
    """503."""
    clock, monitor, beat = expecting()
    beat()
    clock.advance(20.0)
    missed = livez(monitor), monitor.missed()
    beat()
    told = {"consumer": "no beat for 20.0 s; 15.0 s are allowed"}
    assert ((503, {"status": "stuck", "missed": ["consumer"]}), told, ALIVE) == (*missed, livez(monitor))


def test_who_is_busy_may_be_silent_for_longer() -> None:
    """Within the block, even if it beats meanwhile; afterwards all is as before."""
    clock, monitor, beat = expecting()
    seen = []
    with beat.busy(600):
        clock.advance(10.0)
        beat()
        for pause in (580.0, 20.0):
            clock.advance(pause)
            seen.append(livez(monitor)[0])
    clock.advance(10.0)
    seen.append(livez(monitor)[0])
    clock.advance(10.0)
    assert [200, 503, 200, 503] == [*seen, livez(monitor)[0]]


def test_a_loop_that_was_ended_is_not_missed() -> None:
    """It came to its end on purpose."""
    clock, monitor, beat = expecting()
    beat()
    beat.end()
    clock.advance(20.0)
    assert ALIVE == livez(monitor)


def test_a_loop_that_ends_while_it_is_busy_is_not_missed() -> None:
    """The `with` block ends after it, and is no sign of life."""
    clock, monitor, beat = expecting()
    with beat.busy(10):
        beat.end()
    clock.advance(100.0)
    assert ALIVE == livez(monitor)


def test_a_stuck_thread_is_shown_with_its_stack() -> None:
    """Where it hangs, to those who see details; no value of it."""
    clock, monitor, beat = expecting()
    opened = threading.Event()

    def hang_about(secret: str) -> None:
        beat()
        opened.wait(20.0)

    thread = threading.Thread(target=hang_about, args=("s3cret",))
    thread.start()
    assert wait_until(lambda: monitor.snapshot()["heartbeats"]["consumer"]["status"] == "alive")
    clock.advance(20.0)
    view = livez(monitor, "/-/status")[1]["heartbeats"]["consumer"]
    opened.set()
    thread.join()
    stack = view.pop("stack")
    expected = {
        "status": "missed",
        "age_s": 20.0,
        "max_age_s": 15.0,
        "detail": "no beat for 20.0 s; 15.0 s are allowed",
    }
    assert (expected, True, False) == (
        view,
        any(line.endswith(" hang_about") for line in stack),
        "s3cret" in "".join(stack),
    )


def test_a_thread_that_has_ended_is_missed() -> None:
    """Not before it was started, nor after it was allowed to end."""
    monitor = Monitor()
    thread = threading.Thread(target=lambda: None, name="worker")
    watched = monitor.watch_thread(thread)
    seen = [livez(monitor)]
    thread.start()
    thread.join()
    seen.append(livez(monitor))
    watched.end()
    assert [ALIVE, (503, {"status": "stuck", "missed": ["worker"]}), ALIVE] == [*seen, livez(monitor)]


def test_an_event_loop_ticks() -> None:
    """As long as it turns."""
    monitor = Monitor()

    async def program() -> list[str]:
        beat = monitor.heartbeat("loop", max_age=5)
        task = asyncio.create_task(beat.tick())
        await asyncio.sleep(0)
        seen = [monitor.snapshot()["heartbeats"]["loop"]["status"]]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return [*seen, monitor.snapshot()["heartbeats"]["loop"]["status"]]

    assert ["alive", "awaited"] == asyncio.run(program())


def test_the_server_tells_of_it() -> None:
    """To everybody, under any name, for an orchestrator has no token."""
    clock, monitor, beat = expecting()
    beat()
    clock.advance(20.0)
    with HealthCheckServer("0.0.0.0", port=0).serving(monitor) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10.0)
        with contextlib.closing(connection):
            connection.request("GET", "/livez", headers={"Host": "10.1.2.3"})
            response = connection.getresponse()
            assert (503, b'{"status": "stuck", "missed": ["consumer"]}') == (response.status, response.read())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("", 15), "name must be a printable text"),
        (("a\n", 15), "name must be a printable text"),
        ((None, 15), "name must be a printable text"),
        (("a", 0), "max_age must be a number of seconds above 0, got 0"),
        (("a", float("inf")), "max_age must be a number of seconds above 0, got inf"),
        (("a", float("nan")), "max_age must be"),
        (("a", True), "max_age must be"),
        (("taken", 15), "there is one of this name already"),
    ],
)
def test_what_cannot_be_is_refused(given: Any, message: str) -> None:
    """At once, with the reason."""
    monitor = Monitor()
    monitor.heartbeat("taken", max_age=1)
    with pytest.raises(ConfigError, match=message):
        monitor.heartbeat(given[0], max_age=given[1])


def test_there_are_not_more_than_a_thousand() -> None:
    """One for each job would be more and more."""
    monitor = Monitor()
    for number in range(1000):
        monitor.heartbeat(str(number), max_age=1)
    with pytest.raises(ConfigError, match="1000 already"):
        monitor.heartbeat("more", max_age=1)


def test_what_is_no_thread_is_refused() -> None:
    """A function, say."""
    with pytest.raises(ConfigError, match=r"expected a threading\.Thread"):
        Monitor().watch_thread(print)  # type: ignore[arg-type]


def test_without_any_nothing_is_said() -> None:
    """Nor imported."""
    code = """
import minimon, sys
print('heartbeats' in minimon.Monitor().snapshot(), 'minimon.hosting.heartbeats' in sys.modules)
"""
    assert "False False\n" == python(code).stdout


def test_a_child_expects_no_loop_of_its_parent() -> None:
    """Its loops have yet to begin; threads of the parent are not there."""
    code = """
import os, threading, time
from minimon import Monitor
monitor = Monitor()
beat = monitor.heartbeat("consumer", max_age=0.01)
beat()
monitor.watch_thread(threading.Thread(target=print, args=("",)))
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
monitor.watch_thread(thread, name="other")
deadline = time.monotonic() + 5
while not monitor.missed() and time.monotonic() < deadline: pass
child = os.fork()
if not child:
    os._exit(len(monitor.missed()) + (len(monitor.snapshot()["heartbeats"]) != 1) * 2)
print(list(monitor.missed()), os.waitpid(child, 0)[1])
"""
    assert "['consumer'] 0\n" == python(code, "-W", "ignore").stdout


# ok, require


def test_a_program_requires_what_it_needs() -> None:
    """NotReadyError says why."""
    with Monitor([Check("queue", lambda: True), Check("db", lambda: False, fall=1)]) as monitor:
        assert wait_until(lambda: monitor.state("db").status == "down" and monitor.ok("queue"))
        monitor.require("queue")
        with pytest.raises(NotReadyError, match="check 'db' is down: returned False") as caught:
            monitor.require("db")
        assert ("db", "down", False) == (caught.value.name, caught.value.status, monitor.ok("db"))


def test_what_was_not_looked_at_is_not_ready() -> None:
    """Nobody knows."""
    with pytest.raises(NotReadyError, match="it was not looked at yet"):
        Monitor([Check("queue", lambda: True)]).require("queue")


def test_nobody_can_require_what_is_not_there() -> None:
    """A name that was misspelt."""
    with pytest.raises(UnknownCheckError):
        Monitor().require("queue")
