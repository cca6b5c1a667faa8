"""What a suspended process or machine must not make: downtime, news, failures, a burst. Nor may a dead thread hide."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from support import ROOT, our_threads, wait_until
from test_monitor import BROKEN, OK, Target, at_once, recorded, status
from test_scheduler import INF, Nobody, SteppedClock

from minimon import Change, Monitor
from minimon.books import EARLY, Gap
from minimon.pool import deadline_in
from minimon.scheduler import Entry, Scheduler
from minimon.testing import RogueServer, ScriptedProbe
from minimon.watch import EVERY

HOUR = 3600.0
START, WALL = 1_000.0, 1_700_000_000.0
MakeMonitor = Callable[..., Monitor]


class Sleeper(SteppedClock):
    """A clock of a machine that may be suspended: time goes on, and no thread wakes up by itself."""

    slept = 0.0

    def monotonic(self) -> float:
        """The time, that of sleeping among it."""
        return super().monotonic() + self.slept

    def time(self) -> float:
        """The same by the wall clock."""
        return super().time() + self.slept

    def sleep(self, seconds: float) -> None:
        """Be suspended for so long."""
        self.slept += seconds


@pytest.fixture
def clock() -> Sleeper:
    """Time that is moved by hand."""
    return Sleeper(START, wall=WALL)


@pytest.fixture
def target() -> Iterator[Target]:
    """A target that lets everybody go in the end."""
    target = Target()
    yield target
    target.free.set()


def rests(monitor: Monitor, clock: SteppedClock, left: int = 0) -> bool:
    """True as soon as nothing is due, so many runs at most are left, and the scheduler sleeps until what comes next."""
    assert monitor._engine.polling is not None
    scheduler = monitor._engine.polling.scheduler

    def sleeps_until(instant: float) -> bool:
        return clock.until is not None and clock.monotonic() < clock.until <= instant + EARLY

    def at_rest() -> bool:
        if not sleeps_until(INF):
            return False
        figures = scheduler.figures()
        with scheduler._lock:
            after = scheduler._books.wakes_at(INF)
        return figures["busy"] + figures["queue"] <= left and sleeps_until(after)

    return wait_until(at_rest) and clock.waiting()


def pass_time(monitor: Monitor, clock: SteppedClock, seconds: float, left: int = 0) -> None:
    """Let time pass as it does, and all that is due in it be made, but for so many runs that are held."""
    end = clock.monotonic() + seconds
    while end - clock.monotonic() > 1e-9:
        assert rests(monitor, clock, left) and clock.until is not None
        clock.advance(min(end, clock.until) - clock.monotonic())
    assert rests(monitor, clock, left)


def wakes(monitor: Monitor, clock: SteppedClock, seconds: float = HOUR) -> None:
    """Have the machine suspended, from the next turn on, and all that is overdue made."""
    pass_time(monitor, clock, 0.5)  # in which it may look whether more workers are needed
    assert clock.until is not None
    clock.advance(clock.until - clock.monotonic() + seconds)
    assert rests(monitor, clock)


def events(monitor: Monitor, kind: str = "suspended") -> list[str]:
    """The details of the events of this kind."""
    return [event["detail"] for event in monitor.snapshot()["events"] if event["kind"] == kind]


def covered(monitor: Monitor, name: str) -> tuple[float, float | None, int]:
    """Seconds covered within the last day, the ratio, and the number of incidents."""
    seen = monitor.snapshot()["checks"][name]["uptime"]["24h"]
    return round(seen["coverage"] * 86_400.0), seen["ratio"], seen["incidents"]


# An hour on a clock that is moved by hand


def test_an_hour_is_no_news(make: MakeMonitor, clock: Sleeper) -> None:
    """No status differs, and nobody is told of anything."""
    told: list[Change] = []
    monitor = make([at_once(name) for name in "abc"], clock=clock, on_change=told.append).start()
    assert wait_until(lambda: len(told) == 3)
    wakes(monitor, clock)
    pass_time(monitor, clock, 100.0)
    assert monitor.stop() and ["up"] * 3 == [change.after.status for change in told]


READERS: dict[str, Callable[[Monitor], Any]] = {
    "overall": lambda monitor: monitor.overall() == "healthy",
    "is_healthy": lambda monitor: monitor.is_healthy(),
    "state": lambda monitor: monitor.state("a").status == "up",
    "snapshot": lambda monitor: (monitor.snapshot()["overall"], status(monitor, "a")) == ("healthy", "up"),
    "explain": lambda monitor: monitor.explain("a")["status"] == "up",
}


@pytest.mark.parametrize("reader", READERS)
def test_who_reads_first_after_waking_sees_what_was(make: MakeMonitor, clock: Sleeper, reader: str) -> None:
    """Before any thread of ours has looked at the clock: nothing has grown old, for nobody could look."""
    monitor = make([at_once("a")], clock=clock).start()
    assert recorded(monitor, "a") and rests(monitor, clock)
    clock.sleep(HOUR)
    assert READERS[reader](monitor)


def test_no_heartbeat_is_missed_for_an_hour(make: MakeMonitor, clock: Sleeper) -> None:
    """Nobody could beat; from now on it counts again."""
    monitor = make([at_once("a")], clock=clock).start()
    monitor.heartbeat("consumer", max_age=15)()
    assert recorded(monitor, "a") and rests(monitor, clock)
    clock.sleep(HOUR)
    assert {} == monitor.missed()
    clock.advance(20.0)
    assert ["consumer"] == list(monitor.missed())


def test_who_reads_first_wakes_the_scheduler(make: MakeMonitor, clock: Sleeper) -> None:
    """What is overdue is polled at once, although the thread would sleep on."""
    monitor = make([at_once("a")], clock=clock).start()
    assert recorded(monitor, "a") and rests(monitor, clock)
    clock.sleep(HOUR)
    assert monitor.is_healthy() and recorded(monitor, "a", 2) and 1 == len(events(monitor))


def test_readers_that_come_together_read_what_was() -> None:
    """Who comes second reads nothing before the first has told of the gap: else all had grown old in between."""
    clock, entered, leave, gone = Sleeper(), threading.Event(), threading.Event(), threading.Event()

    class Slow(Nobody):
        def slept(self, gap: Gap) -> None:
            entered.set()
            leave.wait(20.0)

    scheduler = Scheduler(clock, Slow())
    scheduler.start()
    scheduler.arm(Entry("a", 1.0, None), 10.0)
    assert clock.sleeps_until(10.0)
    clock.sleep(HOUR)
    first = threading.Thread(target=scheduler.notice, daemon=True)
    first.start()
    assert entered.wait(5.0)
    second = threading.Thread(target=lambda: [scheduler.notice(), gone.set()], daemon=True)
    second.start()
    early = gone.wait(0.2)
    leave.set()
    assert gone.wait(5.0) and scheduler.stop(deadline_in(5.0)) and not early


def test_an_hour_is_not_covered(make: MakeMonitor, clock: Sleeper) -> None:
    """Uptime is of the time that was seen: its ratio is what it was."""
    monitor = make([at_once("a")], clock=clock).start()
    assert recorded(monitor, "a")
    pass_time(monitor, clock, 100.0)
    wakes(monitor, clock)
    before = covered(monitor, "a")
    pass_time(monitor, clock, 90.0)
    assert ((110.0, 1.0, 0), (200.0, 1.0, 0)) == (before, covered(monitor, "a"))


def test_a_down_that_lasts_is_one_incident(make: MakeMonitor, clock: Sleeper) -> None:
    """It goes on after the hour, which is not covered, and nobody is told again."""
    told: list[Change] = []
    check = at_once("a", ScriptedProbe([OK, *[BROKEN] * 10_000]), fall=1)
    monitor = make([check], clock=clock, on_change=told.append).start()
    assert recorded(monitor, "a")
    pass_time(monitor, clock, 20.0)
    wakes(monitor, clock)
    pass_time(monitor, clock, 20.0)
    assert (50.0, 0.2, 1) == covered(monitor, "a") and monitor.stop()
    assert ["up", "down"] == [change.after.status for change in told]


def test_failures_before_and_after_are_not_an_hour_of_downtime(make: MakeMonitor, clock: Sleeper) -> None:
    """What began to fail before it and is decided after it was down for the time that was seen."""
    check = at_once("a", ScriptedProbe([OK, *[BROKEN] * 10_000]), fall=3, retry_interval=10.0)
    monitor = make([check], clock=clock).start()
    assert recorded(monitor, "a")
    pass_time(monitor, clock, 10.0)
    wakes(monitor, clock)
    pass_time(monitor, clock, 50.0)
    assert "down" == status(monitor, "a")
    assert monitor.snapshot()["checks"]["a"]["uptime"]["24h"]["down_s"] <= 60.0


def test_an_hour_is_told_as_an_event(make: MakeMonitor, clock: Sleeper) -> None:
    """Once, with its length, which is in the figures too; the next one is another."""
    monitor = make([at_once(name) for name in "abc"], clock=clock).start()
    assert all(recorded(monitor, name) for name in "abc")
    wakes(monitor, clock)
    first = events(monitor), monitor.snapshot()["self"]["suspended_s"]
    wakes(monitor, clock)
    assert ((["for 3600.000 s"], 3600.0), ["for 3600.000 s"] * 2, 7200.0) == (
        first,
        events(monitor),
        monitor.snapshot()["self"]["suspended_s"],
    )


def test_an_hour_makes_no_burst(make: MakeMonitor, clock: Sleeper) -> None:
    """Each check is polled once, then in its rhythm; its other turns are missed."""
    targets = {str(n): Target() for n in range(50)}
    monitor = make([at_once(name, target) for name, target in targets.items()], clock=clock).start()
    assert all(recorded(monitor, name) for name in targets)
    wakes(monitor, clock)
    pass_time(monitor, clock, 5.0)
    calls = {target.calls for target in targets.values()}
    pass_time(monitor, clock, 5.0)
    assert ({2}, {3}, 50 * 360) == (
        calls,
        {target.calls for target in targets.values()},
        monitor.snapshot()["self"]["missed"],
    )


def test_an_hour_is_no_trouble(make: MakeMonitor, clock: Sleeper) -> None:
    """No run was late for it, and the monitor's check of itself is up before and after the next looks."""
    monitor = make([at_once(str(n)) for n in range(50)], clock=clock).start()
    assert all(recorded(monitor, str(n)) for n in range(50))
    wakes(monitor, clock)
    seen = [status(monitor, "minimon")]
    pass_time(monitor, clock, 2 * EVERY)
    seen.append(status(monitor, "minimon"))
    assert (["up", "up"], True) == (seen, monitor.snapshot()["self"]["lag_s"] < 1.0)


def test_a_run_that_was_cut_is_not_recorded(make: MakeMonitor, clock: Sleeper, target: Target) -> None:
    """Nobody knows whether it was the target: it is no failure, and the target is asked again soon."""
    monitor = make([at_once("a", target.hold(), every=60.0, fall=1), at_once("b", every=1.0)], clock=clock).start()
    assert target.is_in() and recorded(monitor, "b")
    pass_time(monitor, clock, 2.5, left=1)
    clock.advance(HOUR)
    assert rests(monitor, clock, left=1) and 1 == len(events(monitor))
    target.free.set()
    assert rests(monitor, clock)
    before = sum(monitor.state("a").counts)
    pass_time(monitor, clock, 2.0)
    assert recorded(monitor, "a") and (0, (1, 0, 0, 0)) == (before, tuple(monitor.state("a").counts))


def test_a_run_that_ends_first_after_waking_is_not_recorded(make: MakeMonitor, clock: Sleeper, target: Target) -> None:
    """Although no thread had looked at the clock, and nobody had read."""
    monitor = make([at_once("a", target.hold(), every=60.0, fall=1)], clock=clock).start()
    assert target.is_in() and clock.sleeps_until(START + 5.5) and monitor._engine.polling is not None
    scheduler = monitor._engine.polling.scheduler
    clock.sleep(HOUR)
    target.free.set()
    assert wait_until(lambda: scheduler.figures()["busy"] == 0)
    assert ([f"for {HOUR - 5.5:.3f} s"], 0) == (events(monitor), sum(monitor.state("a").counts))


def test_a_run_that_was_cut_is_not_given_up_at_once(make: MakeMonitor, clock: Sleeper, target: Target) -> None:
    """It may end by itself, even if there was nothing else to look for than its own deadline."""
    told: list[Change] = []
    check = at_once("a", target, every=60.0, timeout=5.0)
    monitor = make([check], clock=clock, on_change=told.append).start()
    assert recorded(monitor, "a") and target.is_in() and clock.sleeps_until(START + 60.0)
    target.hold()
    clock.advance(60.0)
    assert target.is_in() and clock.sleeps_until(START + 65.5)
    clock.sleep(HOUR)
    assert monitor.is_healthy() and rests(monitor, clock, left=1)
    target.free.set()
    assert rests(monitor, clock) and monitor.stop() and ["up"] == [change.after.status for change in told]


def test_a_hung_run_has_the_rest_of_its_time(make: MakeMonitor, clock: Sleeper, target: Target) -> None:
    """It is given up when it had its timeout while somebody could look."""
    monitor = make([at_once("a", target.hold(), timeout=5.0), at_once("b", every=1.0)], clock=clock).start()
    assert target.is_in() and recorded(monitor, "b")
    pass_time(monitor, clock, 0.5, left=1)
    clock.advance(HOUR)
    pass_time(monitor, clock, 4.0, left=1)
    before = monitor.state("a").last
    pass_time(monitor, clock, 2.0, left=1)
    assert before is None and recorded(monitor, "a") and (("unknown", "timeout", 1),) == monitor.state("a").reasons


def test_a_second_is_no_suspension(make: MakeMonitor, clock: Sleeper) -> None:
    """Threads may have to wait for a processor."""
    monitor = make([at_once("a")], clock=clock).start()
    assert recorded(monitor, "a")
    wakes(monitor, clock, 1.0)
    assert [] == events(monitor)


def test_a_stopped_monitor_is_not_suspended(make: MakeMonitor, clock: Sleeper, target: Target) -> None:
    """A run that outlives the stop by an hour tells of no gap when it ends, and makes nothing fresh."""
    monitor = make([at_once("a", target.hold(), timeout=9.0 * HOUR), at_once("b")], clock=clock).start()
    assert target.is_in() and recorded(monitor, "b")
    monitor.stop(0.0)
    clock.advance(HOUR)
    before = status(monitor, "b")
    target.free.set()
    assert wait_until(lambda: our_threads() == [])
    assert ("unknown", "unknown", []) == (before, status(monitor, "b"), events(monitor))


# Threads that are gone


def hidden(monitor: Monitor, clock: Sleeper) -> tuple[str, str, str, bool]:
    """What a reader sees some minutes later who looks now and then: overall, two checks, and whether one gap at most
    was made of it."""
    for _ in range(30):
        clock.sleep(11.0)
        monitor.snapshot()
    return monitor.overall(), status(monitor, "a"), status(monitor, "minimon"), len(events(monitor)) <= 1


def test_a_dead_scheduler_does_not_stay_green(make: MakeMonitor, clock: Sleeper) -> None:
    """One gap may be made of it; then all grows old, and the monitor's check of itself is degraded."""
    monitor = make([at_once("a")], clock=clock).start()
    assert recorded(monitor, "a") and rests(monitor, clock)
    life = monitor._engine.polling
    assert life is not None
    life.scheduler.halt()
    assert ("unknown", "unknown", "degraded", True) == hidden(monitor, clock)


def test_a_scheduler_that_never_came_is_not_green(make: MakeMonitor, clock: Sleeper) -> None:
    """The system gave no thread: nothing is known, and the monitor's check of itself is degraded."""
    monitor = make([at_once("a")], clock=clock)
    before = threading.stack_size(1 << 46)
    try:
        monitor.start()
    finally:
        threading.stack_size(before)
    assert ("unknown", "unknown", "degraded", True) == hidden(monitor, clock)


# A process that is really stopped

STOPPED = 1.4
CHILD = """
import json, sys, time
from minimon import Check, HealthCheckServer, Monitor

calls, told = [], []
fast = {"every": EVERY, "timeout": 1.0, "fall": 1, "critical": True}
checks = [Check(f"address {n}", url, **fast) for n, url in enumerate(sys.argv[1:])]
checks += [Check("callable", lambda: calls.append(time.monotonic()), **fast)]
server = HealthCheckServer(port=0)
with Monitor(checks, on_change=lambda change: told.append((change.name, change.after.status))) as monitor:
    server.start(monitor)
    print(server.port, flush=True)
    sys.stdin.readline()
    print(json.dumps({"calls": calls, "told": told, "document": monitor.snapshot()}))
server.stop()
"""
RUN = 0.2
"""Seconds between two runs of a check."""


class Report(NamedTuple):
    """What came of a process that was stopped for a while."""

    seconds: float
    answers: list[tuple[int, str]]
    calls: list[float]
    told: list[list[str]]
    document: dict[str, Any]


def ask(port: int, path: str = "/health") -> tuple[int, dict[str, Any]]:
    """What its server answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10.0) as answer:
        return answer.status, json.load(answer)


def passes(port: int) -> list[int]:
    """How many runs of each check have passed."""
    return [check["counts"]["pass"] for name, check in ask(port, "/status")[1]["checks"].items() if name != "minimon"]


def stopped(process: subprocess.Popen[str], seconds: float) -> float:
    """Stop a process for so long; how long it was in fact."""
    start = time.monotonic()
    process.send_signal(signal.SIGSTOP)
    threading.Event().wait(seconds)
    process.send_signal(signal.SIGCONT)
    return time.monotonic() - start


@pytest.fixture(scope="module")
def report() -> Iterator[Report]:
    """Of a process with three checks, two of which ask servers in this one: it is stopped for a while, and goes on."""
    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("no SIGSTOP here")
    code, environment = f"EVERY = {RUN}\n{CHILD}", {**os.environ, "PYTHONPATH": str(ROOT)}
    with RogueServer("ok") as quick, RogueServer("delay", seconds=0.2) as slow:
        command = [sys.executable, "-c", code, quick.url, slow.url]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, **pipes, text=True, env=environment) as process:
            try:
                assert process.stdout is not None
                port = int(process.stdout.readline())
                assert wait_until(lambda: min(passes(port)) >= 2)
                seconds = stopped(process, STOPPED)
                answers = [(code, said["status"]) for code, said in (ask(port) for _ in range(20))]
                seen = passes(port)
                assert wait_until(lambda: all(now >= n + 2 for n, now in zip(seen, passes(port))))
                said = json.loads(process.communicate("\n", timeout=10.0)[0])
            finally:
                process.kill()
    yield Report(seconds, answers, **said)


@pytest.mark.slow
def test_a_process_that_was_stopped_is_healthy_right_after(report: Report) -> None:
    """Whoever asks first, and as often as he asks."""
    assert [(200, "healthy")] * 20 == report.answers


@pytest.mark.slow
def test_a_process_that_was_stopped_has_no_news(report: Report) -> None:
    """All that was ever told is that checks are up."""
    assert [["address 0", "up"], ["address 1", "up"], ["callable", "up"]] == sorted(report.told)


@pytest.mark.slow
def test_a_process_that_was_stopped_saw_no_failure(report: Report) -> None:
    """Runs that were cut are not recorded."""
    counts = {name: check["counts"] for name, check in report.document["checks"].items()}
    assert {(0, 0, 0)} == {(seen["warn"], seen["fail"], seen["unknown"]) for seen in counts.values()}


@pytest.mark.slow
def test_a_process_that_was_stopped_knows_for_how_long(report: Report) -> None:
    """In the figures, and as one event."""
    told = [event["detail"] for event in report.document["events"] if event["kind"] == "suspended"]
    slept = report.document["self"]["suspended_s"]
    assert report.seconds - 1.0 <= slept <= report.seconds + 1.0 and [f"for {slept:.3f} s"] == told


@pytest.mark.slow
def test_a_process_that_was_stopped_has_not_covered_that_time(report: Report) -> None:
    """Of its uptime it is lacking, and nothing else is."""
    slept, since = report.document["self"]["suspended_s"], report.document["service"]["uptime_s"]
    for name in ("address 0", "address 1", "callable"):
        seen = report.document["checks"][name]["uptime"]["1h"]
        lacking = since - 3600.0 * seen["coverage"]
        assert slept - 0.2 <= lacking <= slept + 2.0 and (1.0, 0.0) == (seen["ratio"], seen["down_s"])


@pytest.mark.slow
def test_a_process_that_was_stopped_makes_no_burst(report: Report) -> None:
    """Turns that it slept through are missed, and not made up for."""
    bursts = [sum(call <= other < call + RUN / 2 for other in report.calls) for call in report.calls]
    turns = 3 * report.seconds / RUN
    assert max(bursts) <= 3 and turns - 9 <= report.document["self"]["missed"] <= turns + 9


@pytest.mark.slow
def test_a_process_that_was_stopped_is_well(report: Report) -> None:
    """Nothing was late or stuck for it, and the monitor's check of itself is up."""
    own, figures = report.document["checks"]["minimon"], report.document["self"]
    assert ("up", 0, True) == (own["status"], figures["stuck"], figures["lag_s"] < 2.0)
