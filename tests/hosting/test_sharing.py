"""One poller among many workers: who leads, what the others answer, and who comes after. Real processes."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hosting.workers import SHARED, workers
from support import few, our_threads, python, wait_until

from minimon import HealthCheckServer, Monitor
from minimon.clock import SystemClock
from minimon.hosting.copy import head
from minimon.hosting.leader import Lock
from minimon.hosting.sharing import News, Sharing
from minimon.registry import Registry

pytestmark = [
    pytest.mark.slow,  # starts many interpreters
    pytest.mark.skipif(not hasattr(os, "fork"), reason="flock is of Unix"),
]

ROLE = "monitor.role"
STATUS = '{name: view["status"] for name, view in monitor.snapshot()["checks"].items()}'
KNOWN = {"works": "up", "fails": "down", "minimon": "up"}
TAKEOVER = 1.5
"""Seconds that are promised; a second of slack is given."""


def test_one_leads_and_the_others_follow(tmp_path: pathlib.Path) -> None:
    """Of three workers with the same Monitor."""
    with workers(tmp_path, 3) as all_of_them:
        assert ["leader", "follower", "follower"] == [each.ask(ROLE) for each in all_of_them]


SAME = (
    "monitor.overall()",
    STATUS,
    "monitor.counts()",
    "monitor.readiness()",
    "monitor.is_healthy()",
    'monitor.ok("fails")',
    'monitor.state("fails").status',
    'monitor.state("fails").explanation',
    'monitor.explain("fails")["explain"]["actual"]',
    'monitor.explain("fails")["explain"]["to_change"]',
    'monitor.explain("fails")["explain"]["next_run"] is None',
    'monitor.state("nobody")',
    'monitor.snapshot()["self"]["runs_on"]',
    'monitor.snapshot()["service"]["pid"]',
    'monitor.explain("fails")["service"]["started_at"]',
    'monitor.snapshot()["sharing"]["leader_pid"]',
    'list(monitor.snapshot()["checks"]["works"])',
    'monitor.respond("GET", "/health").body.decode()',
    'monitor.respond("GET", "/readyz").body.decode()',
    'monitor.respond("GET", "/startupz").body.decode()',
    '[line for line in monitor.respond("GET", "/metrics").body.decode().splitlines() if "_up{" in line]',
)


def test_all_of_them_answer_the_same(tmp_path: pathlib.Path) -> None:
    """Whatever is asked."""
    with workers(tmp_path) as (leader, follower):
        assert KNOWN == follower.soon(STATUS, KNOWN)
        leader.ask('monitor.wait_for("fails", "down").status')
        assert [leader.ask(each) for each in SAME] == [follower.ask(each) for each in SAME]


def test_a_follower_does_not_poll(tmp_path: pathlib.Path) -> None:
    """No check of it is ever run."""
    polls = SHARED.replace("Monitor(checks()", 'Monitor([Check("pid", lambda: said.append(0), every=0.02)]')
    with workers(tmp_path, code=polls) as (leader, follower):
        leader.soon("len(said) > 5", True)
        assert [True, 0] == [leader.ask("len(said) > 5"), follower.ask("len(said)")]


def test_a_status_is_told_at_once(tmp_path: pathlib.Path) -> None:
    """A second later at most, however a check turns."""
    with workers(tmp_path) as (leader, follower):
        follower.soon("monitor.overall()", "degraded")
        leader.ask('known.update(answer=False) or monitor.wait_for("works", "down").status')
        began = time.monotonic()
        assert "unhealthy" == follower.soon("monitor.overall()", "unhealthy")
        assert time.monotonic() - began < 1.0 + 1.0


def test_another_one_takes_over(tmp_path: pathlib.Path) -> None:
    """When the leader is killed: soon, and exactly one."""
    with workers(tmp_path, 3) as (leader, *others):
        leader.kill()
        began = time.monotonic()
        assert wait_until(lambda: "leader" in [each.ask(ROLE) for each in others])
        assert time.monotonic() - began < TAKEOVER + 1.0
        assert ["follower", "leader"] == sorted(each.ask(ROLE) for each in others)


@pytest.mark.long
def test_what_was_known_goes_on(tmp_path: pathlib.Path) -> None:
    """A check that was up does not become unknown because of a worker's end, and its runs stay counted."""
    runs = 'monitor.snapshot()["checks"]["works"]["counts"]["pass"]'
    with workers(tmp_path) as (leader, other):
        leader.soon(f"{runs} > 20", True)
        other.soon(f"{runs} > 10", True)
        leader.kill()
        seen = []
        while other.ask(ROLE) != "leader":
            seen.append(other.ask("monitor.overall()"))
        assert {"degraded"} >= {*seen, other.ask("monitor.overall()")}
        assert other.ask(f"{runs} > 10")


@pytest.mark.long
def test_what_was_ready_once_has_started_for_all(tmp_path: pathlib.Path) -> None:
    """A worker that comes later says so too, though a critical check is down by then; so does who takes over."""
    started = 'monitor.respond("GET", "/startupz").status'
    with workers(tmp_path, 1) as (leader,):
        leader.ask('monitor.wait_for("works", "up").status')
        leader.ask('known.update(answer=False) or monitor.wait_for("works", "down").status')
        with workers(tmp_path, 1) as (late,):
            assert 200 == late.soon(started, 200)
            leader.kill()
            assert [200, "leader"] == [late.ask(started), late.soon(ROLE, "leader")]


def test_a_leader_that_stops_leaves_at_once(tmp_path: pathlib.Path) -> None:
    """It says all it knows before."""
    runs = 'monitor.snapshot()["checks"]["works"]["counts"]["pass"]'
    with workers(tmp_path) as (leader, other):
        leader.soon(f"{runs} > 3", True)
        counted = leader.ask(f"monitor.stop() and {runs}")
        assert "leader" == other.soon(ROLE, "leader", TAKEOVER)
        assert other.ask(f"{runs} >= {counted}")


def test_a_worker_that_comes_later_goes_on(tmp_path: pathlib.Path) -> None:
    """As with max_requests: the new one is there before any other has noticed, or there is no other."""
    with workers(tmp_path, 1) as (first,):
        first.soon("monitor.overall()", "degraded")
        first.kill()
        with workers(tmp_path, 1) as (second,):
            assert ["leader", "degraded"] == [second.ask(ROLE), second.ask("monitor.overall()")]


def test_an_application_that_was_started_anew_knows_nothing(tmp_path: pathlib.Path) -> None:
    """When the old one has ended as it should: not ready, unknown, until the first round."""
    slow = SHARED.replace("Monitor(checks()", 'Monitor([Check("slow", works, every=60, initial_delay=3600)]')
    with workers(tmp_path, 2, code=slow) as (leader, follower):
        seen = [
            each.ask('[monitor.respond("GET", p).status for p in ("/health", "/readyz")]')
            for each in (leader, follower)
        ]
        assert [[503, 503]] * 2 == seen


def test_a_stuck_leader_is_not_believed(tmp_path: pathlib.Path) -> None:
    """What it has told grows old, and says so; when it goes on all is well again."""
    with workers(tmp_path) as (leader, follower):
        follower.soon("monitor.overall()", "degraded")
        os.kill(leader.pid, signal.SIGSTOP)
        try:
            assert "unknown" == follower.soon("monitor.overall()", "unknown")
            seen = follower.ask(f'[{STATUS}, monitor.snapshot()["checks"]["works"]["explanation"]]')
            health = follower.ask('monitor.respond("GET", "/health").status')
            problem = follower.ask('[monitor.snapshot()["sharing"]["problem"], monitor.state("works").explanation]')
        finally:
            os.kill(leader.pid, signal.SIGCONT)
        assert [dict.fromkeys(KNOWN, "unknown"), 503] == [seen[0], health]
        assert all(f"stale: process {leader.pid}, which polls" in each for each in (seen[1], *problem))
        assert "degraded" == follower.soon("monitor.overall()", "degraded")


def test_the_last_one_leaves_the_empty_lock_alone(tmp_path: pathlib.Path) -> None:
    """No thread, no descriptor, no other file."""
    before = SHARED.replace(
        ".start()", '; files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc") else 0\nmonitor.start()'
    )
    with workers(tmp_path, 2, code=before) as both:
        for each in both:
            each.soon("monitor.overall()", "degraded")
        assert [True, True] == [each.ask("monitor.stop()") for each in both]
        left = [
            each.ask('[threading.active_count(), len(os.listdir("/proc/self/fd")) - files if files else 0]')
            for each in both
        ]
        files = [(path.suffix, path.stat().st_size) for path in tmp_path.iterdir()]
        assert ([[1, 0]] * 2, [(".lock", 0)]) == (left, files)


@pytest.mark.long
def test_a_child_that_keeps_the_lock_leads_nobody(tmp_path: pathlib.Path) -> None:
    """It was forked by what runs no hooks, and lives on; the others find that the leader is dead."""
    keeps = (
        SHARED + "import subprocess\n"
        "lock = monitor._life.sharing._lock_file._file\n"
        "os.set_inheritable(lock, True)\n"
        'child = subprocess.Popen(["sleep", "30"], close_fds=False)\n'
    )
    with workers(tmp_path, 1, code=keeps) as (leader,), workers(tmp_path, 1) as (other,):
        child = leader.ask("child.pid")
        other.soon("monitor.overall()", "degraded")
        leader.kill()
        try:
            assert "leader" == other.soon(ROLE, "leader", 15.0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_lock_that_was_removed_is_found_again(tmp_path: pathlib.Path) -> None:
    """By something that tidies up: there is one leader again."""
    with workers(tmp_path) as both:
        next(tmp_path.glob("*.lock")).unlink()
        assert wait_until(lambda: len(list(tmp_path.glob("*.lock"))) == 1)
        assert wait_until(lambda: sorted(each.ask(ROLE) for each in both) == ["follower", "leader"])


@pytest.mark.long
def test_a_corrupt_snapshot_is_not_believed(tmp_path: pathlib.Path) -> None:
    """The next one is."""
    with workers(tmp_path) as (leader, follower):
        follower.soon("monitor.overall()", "degraded")
        os.kill(leader.pid, signal.SIGSTOP)
        try:
            next(tmp_path.glob("*.json")).write_text("{")
            assert "unknown" == follower.soon("monitor.overall()", "unknown")
        finally:
            os.kill(leader.pid, signal.SIGCONT)
        assert "degraded" == follower.soon("monitor.overall()", "degraded")


@pytest.mark.long
def test_a_follower_that_was_stopped_too_believes_nothing_old(tmp_path: pathlib.Path) -> None:
    """It was not there to see it grow old; it is, nevertheless."""
    with workers(tmp_path) as (leader, follower):
        follower.soon("monitor.overall()", "degraded")
        for each in (leader, follower):
            os.kill(each.pid, signal.SIGSTOP)
        threading.Event().wait(2.5)  # nothing tells that time has passed
        os.kill(follower.pid, signal.SIGCONT)
        try:
            assert "unknown" == follower.ask("monitor.overall()")
        finally:
            os.kill(leader.pid, signal.SIGCONT)


@pytest.mark.long
def test_what_was_told_is_not_taken_back_by_a_takeover(tmp_path: pathlib.Path) -> None:
    """The leader is killed before it could save what it has told; the next one does not poll at once."""
    code = """
busy = [Check(str(i), works, every=0.05, critical=False) for i in range(5)]
late = Check("late", works, every=0.1, initial_delay=1.0, fall=2)
monitor = Monitor([late, *busy], name="shop", share="auto").start()
"""
    with workers(tmp_path, 2, code=code) as (leader, follower):
        follower.soon('monitor.state("late").status', "up")
        leader.ask("known.update(answer=False)")
        follower.soon('monitor.state("late").status', "down")
        leader.kill()
        seen = [follower.ask("monitor.overall()")]
        follower.soon(ROLE, "leader")
        assert ["unhealthy", "unhealthy", "down"] == [
            *seen,
            follower.ask("monitor.overall()"),
            follower.ask('monitor.state("late").status'),
        ]


def test_a_probe_that_tells_odd_things_silences_nobody(tmp_path: pathlib.Path) -> None:
    """Not a number, a set, an object of the host's."""
    code = """
from minimon import Probe, Response
class Odd(Probe):
    def __call__(self, timeout):
        return Response(status_code=200, transport={"x": float("nan"), "y": {1}, "z": self})
monitor = Monitor([Check("odd", Odd(), every=0.1, initial_delay=0)], name="shop", share="auto").start()
"""
    with workers(tmp_path, 2, code=code) as (_, follower):
        assert "up" == follower.soon('monitor.state("odd").status', "up")


def test_a_folder_that_was_removed_is_made_again(tmp_path: pathlib.Path) -> None:
    """There is one leader again, and nobody is without a word for long."""
    with workers(tmp_path / "here") as both:
        both[1].soon("monitor.overall()", "degraded")
        shutil.rmtree(tmp_path / "here")
        assert wait_until(lambda: sorted(each.ask(ROLE) for each in both) == ["follower", "leader"])
        assert ["degraded"] * 2 == [each.soon("monitor.overall()", "degraded") for each in both]


def test_something_in_place_of_the_state_keeps_nobody_from_leading(tmp_path: pathlib.Path) -> None:
    """It is left alone, and that is told."""
    with workers(tmp_path) as (leader, follower):
        follower.soon("monitor.overall()", "degraded")
        state = next(tmp_path.glob("*.state"))
        os.kill(leader.pid, signal.SIGSTOP)
        state.unlink()
        state.mkdir()
        leader.kill()
        assert "leader" == follower.soon(ROLE, "leader")
        assert [True] == ["not left to the next worker" in each for each in follower.ask("said")]


OTHERS = {
    "another name": SHARED.replace('"shop"', '"shed"'),
    "another check": SHARED.replace("checks()", "checks()[:1]"),
    "another option": SHARED.replace("checks()", 'checks(), defaults={"timeout": 3}'),
    "another place": f"os.chdir('/')\n{SHARED}",
}


@pytest.mark.parametrize("other", few(OTHERS.values()), ids=OTHERS)
def test_who_is_not_equal_does_not_share(tmp_path: pathlib.Path, other: str) -> None:
    """Nobody answers for what he does not poll."""
    with workers(tmp_path, 1) as (first,), workers(tmp_path, 1, code=other) as (second,):
        assert ["leader", "leader"] == [first.ask(ROLE), second.ask(ROLE)]


ALONE = {
    "of itself": SHARED.replace(', share="auto"', ""),
    "solo": SHARED.replace('"auto"', '"solo"'),
}


@pytest.mark.parametrize("code", ALONE.values(), ids=ALONE)
def test_a_monitor_is_solo_unless_it_says_otherwise(tmp_path: pathlib.Path, code: str) -> None:
    """Then there is no file of it."""
    with workers(tmp_path, 1, code=code) as (worker,):
        assert ["solo", []] == [worker.ask(ROLE), list(tmp_path.iterdir())]


def test_a_second_equal_monitor_of_a_process_is_solo(tmp_path: pathlib.Path) -> None:
    """Files cannot tell it from the first."""
    with workers(tmp_path, 1, code=SHARED + "first = monitor\n" + SHARED) as (worker,):
        assert ["leader", "solo"] == worker.ask("[first.role, monitor.role]")


def test_of_two_equal_ones_it_is_always_the_same_that_shares(tmp_path: pathlib.Path) -> None:
    """The first that was made, whichever is started first: else one would answer for the other."""
    two = "one, two = [Monitor(checks(), name='shop', share='auto') for _ in range(2)]\n"
    first, second = (f"{two}{a}.start(), {b}.start()\n" for a, b in (("one", "two"), ("two", "one")))
    with workers(tmp_path, 1, code=first) as (here,), workers(tmp_path, 1, code=second) as (there,):
        assert [["leader", "solo"], ["follower", "solo"]] == [
            each.ask("[one.role, two.role]") for each in (here, there)
        ]


def test_one_that_a_worker_makes_anew_shares(tmp_path: pathlib.Path) -> None:
    """A master has made an equal one before, which is of no use here: as with factories, and preloading."""
    forks = (
        "first = Monitor(checks(), name='shop', share='auto')\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    monitor = Monitor(checks(), name='shop', share='auto').start()\n"
        "    os._exit({'leader': 1, 'follower': 2, 'solo': 3}[monitor.role])\n"
        "code = os.waitpid(pid, 0)[1] >> 8\n"
    )
    with workers(tmp_path, 1) as (leader,), workers(tmp_path, 1, code=forks) as (other,):
        assert ["leader", 2] == [leader.ask(ROLE), other.ask("code")]


def test_methods_of_different_objects_differ(tmp_path: pathlib.Path) -> None:
    """Where those say so."""
    code = (
        "class Shop:\n"
        "    def __init__(self, name): self.name = name\n"
        "    def __repr__(self): return self.name\n"
        "    def ping(self): return True\n"
        "one, two = [Monitor([Check('a', Shop(n).ping)], name='shop', share='auto').start() for n in 'ab']\n"
    )
    with workers(tmp_path, 1, code=code) as (worker,):
        assert ["leader", "leader"] == worker.ask("[one.role, two.role]")


def test_what_is_paused_stays_so(tmp_path: pathlib.Path) -> None:
    """The next leader leaves it out as well."""
    paused = 'monitor.snapshot()["checks"]["works"]["paused"]'
    with workers(tmp_path) as (leader, follower):
        leader.ask('monitor.pause("works")')
        follower.soon(paused, True)
        leader.kill()
        assert ["leader", True] == [follower.soon(ROLE, "leader"), follower.ask(paused)]


def test_one_that_leads_at_once_knows_that_it_was_ready(tmp_path: pathlib.Path) -> None:
    """The only worker is replaced while a critical check is down."""
    started = 'monitor.respond("GET", "/startupz").status'
    down = SHARED + 'known["answer"] = False\n'
    with workers(tmp_path, 1) as (first,):
        first.ask('monitor.wait_for("works", "up").status')
        first.soon(started, 200)
        first.soon('monitor._life.head([])["was_ready"]', True)
        wait_until(lambda: '"was_ready": true' in next(tmp_path.glob("*.json")).read_text())
        first.kill()
    with workers(tmp_path, 1, code=down) as (second,):
        assert ["leader", 200] == [second.ask(ROLE), second.ask(started)]


def test_who_leads_no_more_keeps_no_thread(tmp_path: pathlib.Path) -> None:
    """However often it changes."""
    with workers(tmp_path, 1) as (worker,):
        turns = "[(monitor._life.follow(), monitor._life.lead()) for _ in range(5)] and None"
        worker.ask(turns)
        assert worker.soon("threading.active_count() <= 6", True)


@pytest.mark.long
def test_a_follower_that_stood_still_misses_no_heartbeat(tmp_path: pathlib.Path) -> None:
    """Nobody could beat."""
    code = SHARED + "beat = monitor.heartbeat('loop', max_age=1.0)\nbeat()\n"
    with workers(tmp_path, 2, code=code) as (_, follower):
        follower.ask("beat()")
        os.kill(follower.pid, signal.SIGSTOP)
        threading.Event().wait(2.0)  # nothing tells that time has passed
        os.kill(follower.pid, signal.SIGCONT)
        assert {} == follower.ask("monitor.missed()")


def test_a_monitor_that_was_stopped_may_lead_again(tmp_path: pathlib.Path) -> None:
    """It is no twin of itself."""
    with workers(tmp_path, 1) as (worker,):
        assert [True, "leader"] == worker.ask("[monitor.stop(), monitor.start().role]")


def test_without_a_place_to_meet_each_polls(tmp_path: pathlib.Path) -> None:
    """One warning says why."""
    place = tmp_path / "file"
    place.touch()
    environ = {"XDG_RUNTIME_DIR": str(place), "TMPDIR": str(tmp_path)}
    (tmp_path / f"minimon-{os.geteuid()}").touch()
    with workers(place, 1, **environ) as (worker,):
        assert ["solo", 1] == worker.ask("[monitor.role, len(said)]")
        assert "it polls on its own in every worker" in worker.ask("said[0]")


def test_a_folder_that_others_may_change_is_not_used(tmp_path: pathlib.Path) -> None:
    """Who puts a false snapshot there would be believed."""
    (tmp_path / f"minimon-{os.geteuid()}").mkdir(mode=0o755)
    with workers(pathlib.Path(), 1, MINIMON_RUNTIME_DIR="", XDG_RUNTIME_DIR="", TMPDIR=str(tmp_path)) as (worker,):
        assert ["solo", True] == worker.ask('[monitor.role, "not ours alone" in said[0]]')


def test_a_change_of_the_list_that_nobody_sees_is_told(tmp_path: pathlib.Path) -> None:
    """Another process polls."""
    with workers(tmp_path) as (leader, follower):
        follower.soon("monitor.overall()", "degraded")
        told = follower.ask('monitor.pause("works") or said')
        assert [f"check works is paused in this process only: process {leader.pid} polls"] == [
            line.partition(": ")[2].partition(";")[0] for line in told
        ]


def test_a_child_of_the_leader_neither_leads_nor_keeps_the_lock(tmp_path: pathlib.Path) -> None:
    """It follows when it is started, and another one leads when the parent has ended."""
    forks = (
        SHARED + "def fork():\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        os._exit(0 if (monitor.role, monitor.start_worker().role) == (None, 'follower') else 1)\n"
        "    return os.waitpid(pid, 0)[1] >> 8\n"
    )
    with workers(tmp_path, 1, code=forks) as (leader,):
        assert 0 == leader.ask("fork()")


CHILD = "pid = os.fork()\nif not pid:\n    os.close(0)\n    import signal\n    signal.pause()\n"


def test_a_child_that_lives_on_keeps_no_lock(tmp_path: pathlib.Path) -> None:
    """Nor does it keep another one from leading."""
    with workers(tmp_path, 1, code=SHARED + CHILD) as (leader,), workers(tmp_path, 1) as (other,):
        child = leader.ask("pid")
        leader.kill()
        try:
            assert "leader" == other.soon(ROLE, "leader", TAKEOVER + 1.0)
        finally:
            os.kill(child, signal.SIGKILL)


SERVED = SHARED + "server = HealthCheckServer(port={port}).start(monitor)\n"


def free_port() -> int:
    """One that nobody has, and that no system gives to outgoing connections while its owner is changed."""
    while True:
        with socket.socket() as sock, contextlib.suppress(OSError):
            port = random.randrange(20_000, 32_000)
            sock.bind(("127.0.0.1", port))
            return port


def test_one_of_them_has_the_port(tmp_path: pathlib.Path) -> None:
    """The others leave it alone quietly; when the leader is gone, the next one has it."""
    code = SERVED.format(port=free_port())
    with workers(tmp_path, 3, code=code) as (leader, *others):
        assert [True, False, False] == [each.ask("server.httpd is not None") for each in (leader, *others)]
        leader.kill()
        role, serves = "monitor.role", "server.httpd is not None"  # it need not be the same one of the two
        assert wait_until(lambda: ["follower", "leader"] == sorted(each.ask(role) for each in others))
        assert wait_until(lambda: [False, True] == sorted(each.ask(serves) for each in others))
        assert [[]] * 2 == [each.ask("said") for each in others]


def test_a_server_that_comes_late_waits_as_well(tmp_path: pathlib.Path) -> None:
    """The leader's too: another worker has the port already, and answers for all."""
    port = free_port()
    with workers(tmp_path, 2, code=SHARED + f"server = HealthCheckServer(port={port})\n") as (leader, follower):
        seen = [each.ask("server.start(monitor).httpd is not None") for each in (follower, leader)]
        follower.ask("server.stop()")
        assert ([True, False], True) == (seen, leader.soon("server.httpd is not None", True))


def test_a_server_outlives_the_monitor(tmp_path: pathlib.Path) -> None:
    """It has the port until it is stopped itself; who comes meanwhile waits."""
    code = SERVED.format(port=free_port())
    with workers(tmp_path, 1, code=code) as (first,):
        first.ask("monitor.stop()")
        with workers(tmp_path, 1, code=code) as (second,):
            seen = [second.ask("server.httpd is not None"), first.ask("server.stop()")]
            assert [False, True, True] == [*seen, second.soon("server.httpd is not None", True)]


def test_no_file_is_left_of_a_port(tmp_path: pathlib.Path) -> None:
    """Nor a reference to the server."""
    with workers(tmp_path, 2, code=SERVED.format(port=free_port())) as both:
        assert [True] * 4 == [each.ask(stop) for stop in ("server.stop()", "monitor.stop()") for each in both]
        assert [".lock"] == [path.suffix for path in tmp_path.iterdir()]


def test_a_port_that_is_taken_by_another_is_an_error(tmp_path: pathlib.Path) -> None:
    """It is not the leader's."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        code = SHARED + f"port = {sock.getsockname()[1]}\n"
        with workers(tmp_path, 2, code=code) as both:
            told = [each.ask("HealthCheckServer(port=port).start(monitor)") for each in both]
    assert ["PortError", "PortError"] == [each.partition(":")[0] for each in told]


def test_a_port_that_a_stranger_has_taken_meanwhile_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Once, when it is not for a moment only; the worker goes on trying."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        server = HealthCheckServer(port=sock.getsockname()[1])
        server._waits = (Monitor(),)
        seen = [(server._bind_later(), len(caplog.messages)) for _ in range(30)]
    served = server._bind_later()
    server.stop()
    assert ([(False, 0)] * 19 + [(False, 1)] * 11, True) == (seen, served)


def test_a_server_that_waits_may_stand_in_a_with_statement(tmp_path: pathlib.Path) -> None:
    """As in the worker that has the port."""
    with workers(tmp_path, 2, code=SERVED.format(port=free_port())) as (_, follower):
        seen = [follower.ask(each) for each in ("repr(server.__enter__())", "server.__exit__(None, None, None)")]
        assert [True, None] == ["waiting" in seen[0], seen[1]]


def test_a_server_that_waits_can_be_stopped(tmp_path: pathlib.Path) -> None:
    """And started again."""
    with workers(tmp_path, 2, code=SERVED.format(port=free_port())) as (_, follower):
        seen = [
            follower.ask("repr(server)"),
            follower.ask("server.stop()"),
            follower.ask("repr(server.start(monitor))"),
        ]
        assert [True, True, True] == ["waiting" in seen[0], seen[1], "waiting" in seen[2]]


@pytest.mark.long
def test_a_leader_that_was_killed_again_and_again(tmp_path: pathlib.Path) -> None:
    """There is always one soon, whoever it is."""
    with workers(tmp_path, 4) as all_of_them:
        left = list(all_of_them)
        while len(left) > 1:
            leads = next(each for each in left if each.ask(ROLE) == "leader")
            leads.kill()
            left.remove(leads)
            assert wait_until(lambda: [each.ask(ROLE) for each in left].count("leader") == 1)
        assert ["degraded"] == [each.ask("monitor.overall()") for each in left]


def test_the_key_is_the_same_in_every_process(tmp_path: pathlib.Path) -> None:
    """For functions, partial ones, methods, objects and secrets too; no secret is in a file's name."""
    import re

    code = (
        "import functools, re\n"
        "class Token:\n"
        "    def get(self): return 's3cret'\n"
        "options = {'bearer': Token().get, 'headers': {'A': 's3cret'}}\n"
        "listed = [Check('a', 'http://127.0.0.1:1/', **options), Check('b', functools.partial(works)),\n"
        "    Check('c', lambda: True), Check('d', Token().get), Check('e', works, every=lambda: 5)]\n"
        "monitor = Monitor(listed, name='ä/../b', share='auto').start()\n"
    )
    with workers(tmp_path, 3, code=code) as all_of_them:
        assert ["leader", "follower", "follower"] == [each.ask(ROLE) for each in all_of_them]
        assert all(
            re.fullmatch(r"__\.\._b-[0-9a-f]{16}\.[a-z]+", path.name)
            for path in tmp_path.iterdir()
            if ".tmp" not in path.name
        )


class Slow:
    """A group that takes long to lead."""

    def __init__(self) -> None:
        self.asked, self.gate = threading.Event(), threading.Event()

    def lead(self) -> bool:
        """Hang."""
        self.asked.set()
        return self.gate.wait(10)

    def follow(self) -> None:
        """It never led."""

    def head(self, changed: object) -> dict[str, Any]:
        """Nothing."""
        return {}

    def turn(self) -> None:
        """Nothing."""

    def slept(self, start: float, end: float) -> None:
        """Nothing."""

    def news(self) -> News:
        """Nothing."""
        return News({"checks": {}}, {})


def test_a_stop_waits_for_nobody_for_ever(tmp_path: pathlib.Path) -> None:
    """A signal handler may have interrupted whom the thread waits for, which hands over the lock once it is free."""
    first, slow = Lock(str(tmp_path / "a-0123456789abcdef.lock")), Slow()
    sharing = Sharing(str(tmp_path), "a-0123456789abcdef", slow, Registry(SystemClock()))
    assert (True, False) == (first.take(), sharing.join())
    sharing.start()
    first.drop()
    assert slow.asked.wait(5)
    began = time.monotonic()
    sharing.release(began + 0.1)
    assert (False, True, False) == (sharing.stop(began + 0.1), time.monotonic() - began < 1.1, first.take())
    slow.gate.set()
    assert wait_until(lambda: first.take() and our_threads() == [])
    first.drop()


class Dumb(Slow):
    """A leader that cannot tell anything."""

    def lead(self) -> bool:
        """At once."""
        return True

    def head(self, changed: object) -> dict[str, Any]:
        """No."""
        raise OSError("no space left")


KEY = "a-0123456789abcdef"


def sharing(folder: pathlib.Path, group: Slow) -> Sharing:
    """One that takes its turns by hand."""
    return Sharing(str(folder), KEY, group, Registry(SystemClock()))


def test_a_leader_that_cannot_tell_anything_keeps_its_lock(tmp_path: pathlib.Path) -> None:
    """Though what another one, dead by now, has told is still there."""
    before = {"monotonic": -100.0, "period_s": 0.75, "pid": 1 << 22, "overall": "healthy"}
    (tmp_path / f"{KEY}.json").write_bytes(head(before))
    leader, follower = sharing(tmp_path, Dumb()), sharing(tmp_path, Dumb())
    seen = [leader.join(), follower.join()]
    for _ in range(4):
        leader.turn(), follower.turn()
    assert ([True, False], (True, False), "OSError: no space left") == (
        seen,
        (leader.leads, follower.leads),
        leader.problem,
    )
    leader.release(time.monotonic()), follower.release(time.monotonic())


class Changes(Dumb):
    """A leader of which a check changes while the document is made."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[list[str]] = []
        self.news_of = lambda: None

    def head(self, changed: Iterable[str]) -> dict[str, Any]:
        """Which are new."""
        self.told.append(sorted(changed))
        return {}

    def news(self) -> News:
        """Takes its time."""
        self.news_of()
        return News({"overall": "healthy", "checks": {}}, {})


def test_what_changes_while_all_is_told_is_told_next(tmp_path: pathlib.Path) -> None:
    """The document does not have it yet."""
    group = Changes()
    leader = sharing(tmp_path, group)
    group.news_of = lambda: leader.touch("b")  # type: ignore[assignment]
    leader.join()
    leader.touch("a")
    leader.tell()
    leader.tell()
    assert [["a"], ["b"]] == group.told
    leader.release(time.monotonic())


def test_what_could_not_be_told_is_told_again(tmp_path: pathlib.Path) -> None:
    """A full disk forgets nothing."""
    leader, group = sharing(tmp_path, Dumb()), Changes()
    leader.join()
    leader.touch("a")
    leader.turn()
    leader._group = group
    leader.tell()
    assert [["a"]] == group.told
    leader.release(time.monotonic())


def test_who_comes_while_another_leaves_is_counted_in_the_end(tmp_path: pathlib.Path) -> None:
    """Else the last leader would remove what is left to it."""
    leader, leaving, late = Lock(str(tmp_path / f"{KEY}.lock")), Lock(str(tmp_path / f"{KEY}.members")), Dumb()
    leader.take(), leaving.take()
    follower = sharing(tmp_path, late)
    follower.join()
    leaving.drop()
    seen = [leaving.take()]
    leaving.drop()
    follower.turn()
    assert [True, False] == [*seen, leaving.take()]
    follower.release(time.monotonic())
    leader.drop(), leaving.drop()


class Writes:
    """A state file that is being written."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def stop(self, deadline: float) -> bool:
        """Whether it is, by then."""
        return self.gate.wait(max(0.0, min(10.0, deadline - time.monotonic())))


def test_the_lock_is_kept_until_all_is_written(tmp_path: pathlib.Path) -> None:
    """Else two would write the file; the thread gives it back."""
    first, lock, last = sharing(tmp_path, Dumb()), Lock(str(tmp_path / f"{KEY}.lock")), Writes()
    first.join()
    first.start()
    first.release(time.monotonic() + 0.05, last)  # type: ignore[arg-type]
    seen = lock.take()
    last.gate.set()
    assert (False, True) == (seen, wait_until(lock.take))
    lock.drop()
    assert first.stop(time.monotonic() + 5.0)


INTERRUPTED = """
import os, sys, threading
sys.path.insert(0, "tests")
from minimon import Check, Monitor
from support import our_threads, python, wait_until

def works():
    return True

def start(share, turn):
    "Stop the monitor when so many lines of its start were run: whether that was in the midst of it."
    monitor = Monitor([Check("a", works, every=0.05)], share=share, on_change=print if turn < 0 else works)
    left = [turn]

    def trace(frame, event, argument):
        if "minimon" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                sys.settrace(None)
                monitor.stop(0.5)
        return trace

    sys.settrace(trace)
    try:
        monitor.start()
    finally:
        sys.settrace(None)
    if left[0] > 0:
        monitor.stop()
    return left[0] <= 0, monitor.running, wait_until(lambda: our_threads() == [], 2.0) or our_threads()

for share in ("solo", "auto"):
    turn, seen = 2, set()  # before the first line it is a stop before the start
    while True:
        inside, runs, threads = start(share, turn)
        seen.add((runs, str(threads)))
        if not inside:
            break
        turn += STEP
    files = os.listdir(os.environ["MINIMON_RUNTIME_DIR"])
    print(share, turn > 100, seen, sorted(each.rpartition(".")[2] for each in files))
"""


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.long)])
def test_a_start_that_is_stopped_in_the_midst_leaves_nothing(tmp_path: pathlib.Path, step: int) -> None:
    """As a signal handler does, at any line: no thread, no lock."""
    code = f"import os\nos.environ['MINIMON_RUNTIME_DIR'] = {str(tmp_path)!r}\n" + INTERRUPTED.replace(
        "STEP", str(step)
    )
    told = "solo True {(False, 'True')} []\nauto True {(False, 'True')} ['lock']\n"
    ended = python(code, timeout=300)
    assert (told, "") == (ended.stdout, ended.stderr)
