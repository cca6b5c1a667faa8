"""What a Monitor promises its host: it starts, polls, can be changed while it runs, and always comes to an end."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import descriptors, our_threads, python, wait_until
from test_scheduler import SteppedClock, let_pass

from minimon import (
    Change,
    Check,
    ConfigError,
    HttpProbe,
    LifecycleError,
    Monitor,
    Response,
    UnknownCheckError,
    __version__,
)
from minimon.books import GRACE
from minimon.notify import MOST_WAITING
from minimon.testing import ScriptedProbe

OK, BROKEN = Response(200), Response(500)
MakeMonitor = Callable[..., Monitor]


class Target:
    """A callable of the host: counts its calls, waits while it is told to, and notes overlaps."""

    def __init__(self) -> None:
        self.calls = self.inside = self.most = 0
        self.entered, self.free = threading.Semaphore(0), threading.Event()
        self.free.set()
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        self.free.wait(20.0)
        with self._lock:
            self.inside -= 1

    def hold(self) -> Target:
        """Have the next calls wait."""
        self.free.clear()
        return self

    def is_in(self) -> bool:
        """True as soon as a call has begun that was not asked for yet."""
        return self.entered.acquire(timeout=5.0)

    def called(self, times: int) -> bool:
        """True as soon as it was called so often."""
        return wait_until(lambda: self.calls >= times)


@pytest.fixture
def clock() -> SteppedClock:
    """Time that is moved by hand."""
    return SteppedClock(1_000.0, wall=1_700_000_000.0)


@pytest.fixture
def target() -> Iterator[Target]:
    """A target that lets everybody go in the end."""
    target = Target()
    yield target
    target.free.set()


def at_once(name: str, target: Any = lambda: None, **options: Any) -> Check:
    """A check that is due as soon as the monitor starts, and every 10 s from then on."""
    return Check(name, target, **{"every": 10.0, "initial_delay": 0, **options})


def recorded(monitor: Monitor, name: str, n: int = 1) -> bool:
    """True as soon as so many results were recorded of this check."""
    return wait_until(lambda: sum(monitor.state(name).counts) >= n)


def status(monitor: Monitor, name: str) -> str:
    """The status of a check, as a reader sees it."""
    text: str = monitor.snapshot()["checks"][name]["status"]
    return text


def quiet(monitor: Monitor) -> bool:
    """True when nothing runs or waits."""
    figures = monitor.snapshot()["self"]
    return (figures["busy"], figures["queue"]) == (0, 0)


# Life


def test_nothing_happens_in_the_constructor(make: MakeMonitor, target: Target) -> None:
    """No thread, no call, and what it says is that nothing is known."""
    monitor = make([at_once("a", target)])
    assert ([], 0, False, "unknown") == (our_threads(), target.calls, monitor.running, monitor.overall())


def test_start_polls_and_returns_the_monitor(make: MakeMonitor, target: Target) -> None:
    """On daemon threads of our name."""
    monitor = make([at_once("a", target)])
    assert monitor is monitor.start() and target.called(1) and monitor.running
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("minimon-")]
    assert ({True}, 3) == ({thread.daemon for thread in threads}, len(threads))


def test_starting_twice_is_an_error(make: MakeMonitor, target: Target) -> None:
    """It names the monitor and the remedy, and the first start goes on."""
    monitor = make([at_once("a", target, every=0.01)], name="mine").start()
    with pytest.raises(LifecycleError, match=r"monitor 'mine' runs already; stop\(\) it first"):
        monitor.start()
    assert target.called(target.calls + 2)


def test_two_threads_start_it_once(make: MakeMonitor) -> None:
    """Of many starts at once all but one are errors."""
    monitor, outcomes, barrier = make(), [], threading.Barrier(8)

    def start() -> None:
        barrier.wait(5.0)
        try:
            monitor.start()
            outcomes.append("started")
        except LifecycleError:
            outcomes.append("error")

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5.0)
    assert {"started": 1, "error": 7} == Counter(outcomes)


def test_stop_before_start_and_twice_is_fine(make: MakeMonitor) -> None:
    """There is nothing to end, and nothing happens."""
    monitor = make([at_once("a")])
    before = monitor.stop()
    monitor.start()
    assert [True, True, True] == [before, monitor.stop(), monitor.stop()] and not monitor.running


def test_stop_ends_all_threads(make: MakeMonitor, target: Target) -> None:
    """Workers, scheduler and notifier, well within its two seconds."""
    monitor = make([at_once("a", target, every=0.01)], on_change=lambda change: None).start()
    start = time.monotonic()
    assert target.called(3) and monitor.stop() and our_threads() == [] and time.monotonic() - start < 1.5


def test_with_starts_and_stops(make: MakeMonitor) -> None:
    """The block gets the monitor, and its exception is its own."""
    monitor = make()
    with pytest.raises(ZeroDivisionError), monitor as entered:
        seen = entered is monitor and monitor.running
        1 // 0  # noqa: B018
    assert (True, False) == (seen, monitor.running)


def test_a_stopped_monitor_may_start_again(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """It polls on, keeps what it knew, and its uptime begins anew."""
    monitor = make([at_once("a", target)], clock=clock).start()
    assert recorded(monitor, "a")
    monitor.stop()
    clock.advance(5.0)
    monitor.start()
    assert recorded(monitor, "a", 2) and 2 == target.calls
    service = monitor.snapshot()["service"]
    assert (0.0, "2023-11-14T22:13:25.000Z") == (service["uptime_s"], service["started_at"])


def test_stop_says_when_a_thread_is_left(make: MakeMonitor, target: Target) -> None:
    """It waits no longer than told; asked again, it says so again, until the thread has ended."""
    monitor = make([at_once("a", target.hold())]).start()
    assert target.is_in()
    start = time.monotonic()
    first, took = monitor.stop(0.05), time.monotonic() - start
    second = monitor.stop(0.05)
    target.free.set()
    assert (False, False, True) == (first, second, took < 1.05) and wait_until(lambda: our_threads() == [])


def test_two_stops_at_once_both_wait(make: MakeMonitor, target: Target) -> None:
    """The second one does not say that all has ended while the first one still waits for it."""
    monitor, answers = make([at_once("a", target.hold())]).start(), []
    assert target.is_in()
    first = threading.Thread(target=lambda: answers.append(monitor.stop(5.0)), daemon=True)
    first.start()
    assert wait_until(lambda: not monitor.running)
    second = monitor.stop(0.05)
    target.free.set()
    first.join(5.0)
    assert (False, [True], True) == (second, answers, monitor.stop())


def test_stop_has_one_deadline_for_everything(make: MakeMonitor, target: Target) -> None:
    """Stuck runs and a stuck callback take no longer together than one of them."""
    entered = threading.Event()
    checks = [at_once("first"), *(at_once(str(n), target.hold()) for n in range(4))]
    monitor = make(checks, min_workers=5, on_change=lambda change: [entered.set(), target.free.wait(20.0)]).start()
    assert entered.wait(5.0) and wait_until(lambda: target.inside == 4)
    start = time.monotonic()
    assert not monitor.stop(0.3) and time.monotonic() - start < 1.3
    target.free.set()


def test_a_run_that_outlives_the_stop_does_not_count(make: MakeMonitor, target: Target) -> None:
    """What it returns in the end is nobody's business any more."""
    monitor = make([at_once("a", target.hold())]).start()
    assert target.is_in()
    monitor.stop(0.0)
    target.free.set()
    assert wait_until(lambda: our_threads() == []) and 0 == sum(monitor.state("a").counts)


def test_no_check_overlaps_itself_across_restarts(make: MakeMonitor, target: Target) -> None:
    """A run of before the stop that is still on its way is waited for, then the check is polled again."""
    monitor = make([at_once("a", target.hold(), every=0.01), at_once("b", every=0.01)]).start()
    assert target.is_in()
    for _ in range(3):
        monitor.stop(0.0)
        monitor.start()
        assert recorded(monitor, "b", sum(monitor.state("b").counts) + 3)
    target.free.set()
    assert recorded(monitor, "a", 2) and 1 == target.most


def test_old_news_is_no_green_after_a_restart(make: MakeMonitor, clock: SteppedClock) -> None:
    """What was seen a day ago does not count again because the monitor was started."""
    monitor = make([at_once("a", initial_delay=60.0)], clock=clock).start()
    assert clock.sleeps_until(1060.0)
    clock.advance(60.0)
    assert recorded(monitor, "a")
    monitor.stop()
    clock.advance(86_400.0)
    before = status(monitor, "a")
    monitor.start()
    assert ("unknown", "unknown", "unknown") == (before, status(monitor, "a"), monitor.overall())


def test_the_callback_may_stop_the_monitor(make: MakeMonitor) -> None:
    """stop() from on_change waits for no thread that waits for it."""
    start, answered = time.monotonic(), threading.Event()
    monitor = make([at_once("a")], on_change=lambda change: [monitor.stop(), answered.set()])
    monitor.start()
    assert answered.wait(5.0) and wait_until(lambda: our_threads() == []) and time.monotonic() - start < 1.5


def test_a_check_may_stop_its_monitor(make: MakeMonitor) -> None:
    """stop() from a callable that is polled waits for no thread that waits for it."""
    start, answered = time.monotonic(), threading.Event()
    monitor = make()
    monitor.add(at_once("a", lambda: [monitor.stop(), answered.set()] and None))
    monitor.start()
    assert answered.wait(5.0) and wait_until(lambda: our_threads() == []) and time.monotonic() - start < 1.5


def test_an_interval_function_may_stop_its_monitor(make: MakeMonitor) -> None:
    """It is the host's code like any other."""
    monitor = make()
    monitor.add(at_once("a", every=lambda: [monitor.stop(), 1.0][1]))
    monitor.start()
    assert wait_until(lambda: not monitor.running and our_threads() == [])


@pytest.mark.parametrize("hook", ["on_start", "on_stop"])
def test_the_hooks_may_stop_the_monitor(make: MakeMonitor, hook: str) -> None:
    """start() returns a monitor that has stopped again; stop() within stop() is none."""
    monitor = make([at_once("a")], **{hook: lambda monitor: monitor.stop()})
    assert monitor is monitor.start() and monitor.stop() and our_threads() == [] and not monitor.running


def test_the_hooks_get_the_monitor_in_the_callers_thread(make: MakeMonitor) -> None:
    """on_start while it runs, on_stop when it does not any more, each once a life."""
    seen: list[tuple[str, bool, bool]] = []

    def hook(name: str) -> Callable[[Monitor], None]:
        return lambda given: seen.append((name, given.running, threading.current_thread() is me))

    me = threading.current_thread()
    monitor = make(on_start=hook("start"), on_stop=hook("stop"))
    with monitor:
        pass
    monitor.stop()
    assert [("start", True, True), ("stop", False, True)] == seen


def test_a_raising_hook_is_logged_and_holds_up_nothing(make: MakeMonitor, caplog: pytest.LogCaptureFixture) -> None:
    """The host starts and stops all the same."""
    hook: Any = lambda monitor: 1 // 0  # noqa: E731
    monitor = make([at_once("a")], on_start=hook, on_stop=hook).start()
    assert recorded(monitor, "a") and monitor.stop()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert ["monitor minimon: on_start failed", "monitor minimon: on_stop failed"] == errors


def _cycles(monitor: Monitor, n: int) -> None:
    for _ in range(n):
        monitor.start()
        assert monitor.stop()


def _growth(n: int) -> tuple[int, int, int]:
    """Threads, descriptors and objects that n cycles have left."""
    monitor = Monitor([at_once("a"), at_once("b", "tcp://127.0.0.1:1")], on_change=lambda change: None)
    _cycles(monitor, 60)  # until the rings are full
    gc.collect()
    before = threading.active_count(), descriptors(), len(gc.get_objects())
    _cycles(monitor, n)
    gc.collect()
    after = threading.active_count(), descriptors(), len(gc.get_objects())
    return after[0] - before[0], after[1] - before[1], after[2] - before[2]


def test_fifty_cycles_leave_nothing() -> None:
    """No thread, no descriptor, and no growth of objects."""
    threads, files, objects = _growth(50)
    assert (0, 0) == (threads, files) and objects < 100


@pytest.mark.long
def test_a_thousand_cycles_leave_nothing() -> None:
    """No thread, no descriptor, and no growth of objects."""
    threads, files, objects = _growth(1000)
    assert (0, 0) == (threads, files) and objects < 100


def test_a_stopped_monitor_is_freed() -> None:
    """Nothing of ours keeps it once the host has forgotten it."""
    monitor = Monitor([at_once("a")])
    monitor.start()
    monitor.stop()
    forgotten = weakref.ref(monitor)
    del monitor
    gc.collect()
    assert None is forgotten()


LIMITED = """
import sys, threading
sys.path.insert(0, "tests")
import minimon
from support import wait_until

refused, start = {refused}, threading.Thread.start

def limited(thread):
    if thread.name in refused:
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = limited
monitor = minimon.Monitor([minimon.Check("a", lambda: None, every=0.02)], on_change=lambda change: None)
first = monitor.start() is monitor, monitor.overall(), monitor.snapshot()["checks"]["a"]["status"]
if {later}:
    refused.clear()
    first += wait_until(lambda: monitor.overall() == "healthy"),
ended = monitor.stop()
refused.clear()
monitor.start()
print(*first, ended, wait_until(lambda: monitor.overall() == "healthy"), monitor.stop())
"""
ALL = ("minimon-notify", "minimon-worker", "minimon-scheduler")


@pytest.mark.parametrize("refused", [ALL, ALL[1:], ALL[2:]], ids=lambda names: "+".join(n[8:] for n in names))
def test_at_the_thread_limit_the_host_goes_on(refused: tuple[str, ...]) -> None:
    """start() does not raise, every check is unknown, and a later start finds its threads."""
    done = python(LIMITED.format(refused=set(refused), later=False))
    assert ("True unknown unknown True True True\n", "") == (done.stdout, done.stderr)


def test_workers_come_when_the_system_gives_threads_again() -> None:
    """A monitor that got its scheduler only polls as soon as it gets a worker, without another start."""
    done = python(LIMITED.format(refused={"minimon-worker"}, later=True))
    assert ("True unknown unknown True True True True\n", "") == (done.stdout, done.stderr)


def test_the_systems_own_thread_limit() -> None:
    """With stacks that no memory holds, the system itself refuses every thread; the host hears nothing."""
    done = python(
        "import threading, minimon\n"
        "threading.stack_size(1 << 46)\n"
        "monitor = minimon.Monitor([minimon.Check('a', print)]).start()\n"
        "threading.stack_size(0)\n"
        "print(monitor.overall(), monitor.stop())\n"
    )
    assert ("unknown True\n", "") == (done.stdout, done.stderr)


# Polling


def test_the_first_pass_makes_up(make: MakeMonitor) -> None:
    """And the host healthy."""
    monitor = make([at_once("a")]).start()
    assert recorded(monitor, "a") and ("up", "healthy", True) == (
        monitor.state("a").status,
        monitor.overall(),
        monitor.is_healthy(),
    )


def test_a_monitor_without_checks_is_healthy(make: MakeMonitor) -> None:
    """Before and after its start."""
    monitor = make()
    before = monitor.overall()
    assert ("healthy", "healthy") == (before, monitor.start().overall())


def test_an_initial_delay_in_seconds(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """The first run comes so much later, the next ones follow in its phase."""
    make([at_once("a", target, initial_delay=3.0)], clock=clock).start()
    for instant in (1003.0, 1013.0, 1023.0):
        assert clock.sleeps_until(instant)
        clock.advance(instant - clock.monotonic())
    assert target.called(3)


@pytest.mark.parametrize("every", [7.0, lambda: 7.0], ids=["number", "function"])
def test_an_initial_delay_of_one_interval(make: MakeMonitor, clock: SteppedClock, every: Any) -> None:
    """It sleeps first, then polls."""
    monitor = make([at_once("a", every=every, initial_delay="interval")], clock=clock).start()
    assert clock.sleeps_until(1007.0) and 0 == sum(monitor.state("a").counts)


def test_first_runs_are_spread(make: MakeMonitor, clock: SteppedClock) -> None:
    """200 checks come over one second, about half of them in the first half, and none later."""
    monitor = make([Check(f"check {n}", lambda: None, every=60.0) for n in range(200)], clock=clock).start()

    def up() -> int:
        count: int = monitor.snapshot()["counts"]["up"]
        return count

    seen = []
    for _ in range(2):
        assert clock.waiting()
        clock.advance(0.5)
        assert wait_until(lambda: clock.until is not None and clock.until > clock.monotonic() and quiet(monitor))
        seen.append(up())
    assert 60 < seen[0] < 140 and 201 == seen[1]  # with the monitor's own


def test_a_lone_check_is_polled_at_once(make: MakeMonitor, clock: SteppedClock) -> None:
    """Spreading is for many."""
    monitor = make([Check("a", lambda: None, every=60.0)], clock=clock).start()
    clock.waiting()
    clock.advance(0.01)
    assert recorded(monitor, "a")


def test_failures_are_looked_at_again_soon(make: MakeMonitor, clock: SteppedClock) -> None:
    """After 2 s each until it is down, then in the phase of before."""
    monitor = make([at_once("a", lambda: False)], clock=clock).start()
    for instant in (1002.0, 1004.0, 1010.0, 1020.0):
        assert clock.sleeps_until(instant)
        clock.advance(instant - clock.monotonic())
    assert recorded(monitor, "a", 5) and "down" == status(monitor, "a")


def test_a_hung_callable_is_unknown_and_others_go_on(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """At timeout and grace; it is shown as stuck, and not called again."""
    checks = [at_once("hung", target.hold(), timeout=5.0), at_once("b", every=1.0)]
    monitor = make(checks, clock=clock, min_workers=1, max_workers=2).start()
    for second in range(1, 10):
        assert clock.waiting()
        clock.advance(1.0)
        assert recorded(monitor, "b", second)
    assert wait_until(lambda: status(monitor, "hung") == "unknown" and monitor.state("hung").last is not None)
    last = monitor.snapshot()["checks"]["hung"]["last"]
    assert ("unknown", "timeout", 5.0 + GRACE) == (last["outcome"], last["reason"], last["elapsed_s"])
    assert (1, 1, "unknown") == (monitor.snapshot()["self"]["stuck"], target.calls, monitor.overall())


def test_a_hung_callable_that_returns_is_polled_again(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """In its phase, and it is up again with its first pass."""
    monitor = make([at_once("a", target.hold(), timeout=1.0)], clock=clock).start()
    assert target.is_in() and clock.sleeps_until(1001.5)
    clock.advance(1.5)
    assert recorded(monitor, "a") and wait_until(lambda: monitor.snapshot()["self"]["stuck"] == 1)
    target.free.set()
    assert clock.sleeps_until(1010.0)
    clock.advance(8.5)
    assert recorded(monitor, "a", 2) and ("up", 0) == (status(monitor, "a"), monitor.snapshot()["self"]["stuck"])


def test_what_is_not_polled_goes_stale(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """With no worker free, a status becomes unknown after two intervals and the timeout; no result is needed."""
    monitor = make([at_once("a", every=10.0, timeout=5.0)], clock=clock, max_workers=2).start()
    assert recorded(monitor, "a") and wait_until(lambda: quiet(monitor))
    for n in range(2):
        monitor.add(at_once(f"slow {n}", target.hold(), timeout=1000.0))
        assert target.is_in()
    let_pass(clock, 24.9)
    fresh = status(monitor, "a")
    let_pass(clock, 0.2)
    assert ("up", "unknown") == (fresh, status(monitor, "a"))


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0], ids=["ahead", "back"])
def test_a_jump_of_the_wall_clock_changes_nothing(make: MakeMonitor, clock: SteppedClock, seconds: float) -> None:
    """No state, no staleness, no duration; the next run comes when it was to come, and stamps follow the wall."""
    monitor = make([at_once("a")], clock=clock).start()
    assert recorded(monitor, "a") and clock.sleeps_until(1010.0)
    clock.advance(4.0)
    before = monitor.snapshot()
    clock.jump_wall(seconds)
    assert before == monitor.snapshot() and clock.sleeps_until(1010.0)
    clock.advance(6.0)
    assert recorded(monitor, "a", 2)
    after = monitor.snapshot()
    assert ("up", "healthy", 10.0, 0.0) == (
        after["checks"]["a"]["status"],
        after["overall"],
        after["service"]["uptime_s"],
        after["checks"]["a"]["last"]["elapsed_s"],
    )
    day = {86_400.0: "2023-11-15", -86_400.0: "2023-11-13"}[seconds]
    assert day == after["checks"]["a"]["last"]["at"][:10]


def test_a_hanging_interval_function_is_a_failed_result(make: MakeMonitor, clock: SteppedClock) -> None:
    """The check is given up like a hung callable, other checks go on, and when it returns the check does too."""
    leave = threading.Event()
    slow: Any = lambda: [leave.wait(20.0), 10.0][1]  # noqa: E731
    monitor = make([at_once("a", every=slow), at_once("b", every=1.0)], clock=clock, max_workers=2).start()
    for second in range(1, 12):
        assert clock.waiting()
        clock.advance(1.0)
        assert recorded(monitor, "b", second)
    assert recorded(monitor, "a")
    last = monitor.state("a").last
    leave.set()
    assert last is not None and ("timeout", False) == (last.reason, last.ok)
    assert wait_until(lambda: monitor.snapshot()["self"]["stuck"] == 0)
    clock.waiting()
    clock.advance(20.0)
    assert recorded(monitor, "a", 2)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_a_raising_interval_function_ends_no_check(make: MakeMonitor, clock: SteppedClock, error: Any) -> None:
    """Each try is a failed result, and the next one comes after 10 s."""

    def every() -> float:
        raise error

    monitor = make([at_once("a", every=every)], clock=clock).start()
    for n in range(1, 4):
        assert recorded(monitor, "a", n) and clock.sleeps_until(1000.0 + 10 * n)
        clock.advance(10.0)
    assert recorded(monitor, "a", 4) and ("down", 4) == (status(monitor, "a"), monitor.state("a").counts.fail)


def test_start_waits_for_no_interval_function(make: MakeMonitor) -> None:
    """One that hangs, asked for the first delay, holds up neither start() nor a reader."""
    leave = threading.Event()
    monitor = make([at_once("a", every=lambda: [leave.wait(20.0), 1.0][1], initial_delay="interval")])
    starter = threading.Thread(target=monitor.start, daemon=True)
    starter.start()
    started = wait_until(lambda: not starter.is_alive(), 1.0)
    adder = threading.Thread(target=lambda: monitor.add(at_once("b")), daemon=True)
    adder.start()
    added = wait_until(lambda: not adder.is_alive(), 1.0)
    leave.set()
    starter.join(5.0)
    assert (True, True) == (started, added)


class _Bad(logging.Handler):
    """A log handler of a host that raises."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("disk full")


def test_a_raising_log_handler_of_the_host_ends_no_check(make: MakeMonitor) -> None:
    """Whatever the host does with our records, its checks are polled on, and start and stop do not raise."""
    log, handler = logging.getLogger("minimon"), _Bad()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        monitor = make([at_once("a", ScriptedProbe([OK, BROKEN, BROKEN, OK]), every=0.01, fall=1)]).start()
        polled = recorded(monitor, "a", 5)
        assert polled and monitor.stop()
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


# The list, changed while it runs


def test_a_check_added_while_it_runs_is_polled(make: MakeMonitor, target: Target) -> None:
    """At once, and add() returns it."""
    monitor = make().start()
    check = monitor.add(at_once("a", target))
    assert "a" == check.name and target.called(1)


def test_the_decorator_registers_a_function(make: MakeMonitor) -> None:
    """The function stays what it was, its check is polled, and the options are those of a Check."""
    monitor, called = make().start(), threading.Event()

    @monitor.check("queue", every=5, initial_delay=0, critical=False)
    def queue() -> bool:
        called.set()
        return True

    assert called.wait(5.0) and queue() and recorded(monitor, "queue")
    assert ("up", False) == (status(monitor, "queue"), monitor.snapshot()["checks"]["queue"]["critical"])


def test_duplicate_names_are_refused(make: MakeMonitor) -> None:
    """In the constructor and later on; the message names the check."""
    with pytest.raises(ConfigError, match="check 'a': there is one of this name already"):
        make([at_once("a"), at_once("a")])
    monitor = make([at_once("a")]).start()
    with pytest.raises(ConfigError, match="check 'a'"):
        monitor.add(at_once("a"))
    assert recorded(monitor, "a")


@pytest.mark.parametrize("wrong", ["http://127.0.0.1/", print, None, ("a", print)])
def test_only_a_check_can_be_added(make: MakeMonitor, wrong: Any) -> None:
    """The message says how to write one."""
    with pytest.raises(ConfigError, match=r"expected a Check, .*write Check\(name, target\)"):
        make().add(wrong)


@pytest.mark.parametrize("method", ["remove", "pause", "resume", "state"])
def test_an_unknown_check_gets_a_hint(make: MakeMonitor, method: str) -> None:
    """The name that was meant is in the message, which is a KeyError's too."""
    monitor = make([at_once("search"), at_once("queue")])
    with pytest.raises(UnknownCheckError, match="no check is named 'serch'; did you mean 'search'"):
        getattr(monitor, method)("serch")
    with pytest.raises(KeyError):
        getattr(monitor, method)("x")


def test_a_removed_check_is_not_polled(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """It is given back, it is gone from the document, and nobody wakes for it."""
    check = at_once("a", target)
    monitor = make([check], clock=clock).start()
    assert recorded(monitor, "a") and wait_until(lambda: quiet(monitor))
    removed = monitor.remove("a")
    clock.advance(100.0)
    assert ("a", ["minimon"], 1) == (removed.name, list(monitor.snapshot()["checks"]), target.calls)


def test_a_name_is_free_after_its_removal(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """The new check begins at nothing, even if a run of the old one is still on its way."""
    monitor = make([at_once("a", target.hold())], clock=clock).start()
    assert target.is_in()
    monitor.remove("a")
    monitor.add(at_once("a", lambda: False, fall=1))
    target.free.set()
    assert recorded(monitor, "a") and wait_until(lambda: quiet(monitor))
    assert ("down", (0, 0, 1, 0)) == (status(monitor, "a"), tuple(monitor.state("a").counts))


def test_a_paused_check_is_not_polled(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """What was seen is kept, and it is left out of the sum."""
    monitor = make([at_once("a", target)], clock=clock).start()
    assert recorded(monitor, "a") and wait_until(lambda: quiet(monitor))
    monitor.pause("a")
    clock.advance(100.0)
    snapshot = monitor.snapshot()
    assert (1, "healthy", 1, True) == (
        target.calls,
        snapshot["overall"],
        snapshot["counts"]["paused"],
        snapshot["checks"]["a"]["paused"],
    )


def test_a_resumed_check_is_polled_at_once(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """And regularly from then on."""
    monitor = make([at_once("a", target)], clock=clock).start()
    assert recorded(monitor, "a") and wait_until(lambda: quiet(monitor))
    monitor.pause("a")
    clock.advance(4.0)
    monitor.resume("a")
    assert recorded(monitor, "a", 2) and clock.sleeps_until(1014.0)
    assert not monitor.snapshot()["checks"]["a"]["paused"]


def test_a_run_paused_in_its_midst_does_not_count(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """It ends by itself, and nothing follows."""
    monitor = make([at_once("a", target.hold())], clock=clock).start()
    assert target.is_in()
    monitor.pause("a")
    target.free.set()
    assert wait_until(lambda: quiet(monitor)) and clock.sleeps_until(float("inf"))
    assert (0, 1) == (sum(monitor.state("a").counts), target.calls)


def test_resumed_in_the_midst_of_a_run_it_is_polled_at_once(
    make: MakeMonitor, clock: SteppedClock, target: Target
) -> None:
    """As soon as the run of before has ended, which does not count: nothing overlaps, and nothing waits an interval."""
    monitor = make([at_once("a", target.hold(), every=3600.0)], clock=clock).start()
    assert target.is_in()
    monitor.pause("a")
    monitor.resume("a")
    target.free.set()
    assert wait_until(lambda: target.calls == 2, 1.0) and recorded(monitor, "a") and 1 == target.most


def test_pausing_and_resuming_in_the_midst_of_a_run_makes_nothing_unknown(
    make: MakeMonitor, clock: SteppedClock, target: Target
) -> None:
    """A healthy check of a long interval does not go stale for it."""
    monitor = make([at_once("a", target, every=60.0, timeout=5.0)], clock=clock).start()
    assert recorded(monitor, "a") and clock.sleeps_until(1060.0) and target.is_in()
    target.hold()
    clock.advance(60.0)
    assert target.is_in()
    monitor.pause("a")
    monitor.resume("a")
    target.free.set()
    assert wait_until(lambda: quiet(monitor))
    clock.advance(30.0)
    assert wait_until(lambda: quiet(monitor)) and "up" == status(monitor, "a")


def test_paused_before_the_start_it_stays_so(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """Until it is resumed."""
    monitor = make([at_once("a", target)], clock=clock)
    monitor.pause("a")
    monitor.start()
    assert clock.sleeps_until(float("inf")) and 0 == target.calls
    monitor.resume("a")
    assert target.called(1)


def test_paused_across_a_restart_it_stays_so(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """And resumed while stopped it is polled by the next start."""
    monitor = make([at_once("a", target)], clock=clock).start()
    assert recorded(monitor, "a")
    monitor.pause("a")
    monitor.stop()
    monitor.start()
    assert clock.sleeps_until(float("inf")) and 1 == target.calls
    monitor.stop()
    monitor.resume("a")
    monitor.start()
    assert target.called(2)


def test_old_news_is_no_green_after_a_pause(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """What was seen a day ago does not count again because the check was resumed."""
    monitor = make([at_once("a", target)], clock=clock).start()
    assert recorded(monitor, "a") and wait_until(lambda: quiet(monitor)) and target.is_in()
    target.hold()
    monitor.pause("a")
    let_pass(clock, 86_400.0)
    monitor.resume("a")
    assert target.is_in() and "unknown" == status(monitor, "a")


def test_the_lists_changes_are_events(make: MakeMonitor) -> None:
    """Of what a host does while it runs, each once; a second pause is none."""
    monitor = make().start()
    monitor.add(at_once("a", initial_delay=60.0))
    for method in (monitor.pause, monitor.pause, monitor.resume, monitor.resume, monitor.remove):
        method("a")
    monitor.stop()
    kinds = [(event["check"], event["kind"]) for event in monitor.snapshot()["events"]]
    assert [("", "start"), *(("a", kind) for kind in ("add", "pause", "resume", "remove")), ("", "stop")] == kinds


# Options


def test_defaults_fill_what_a_check_was_not_given(make: MakeMonitor) -> None:
    """And leave alone what it was given."""
    monitor = make([Check("a", print), Check("b", print, every=3.0, fall=1)], defaults={"every": 60.0, "fall": 9})
    checks = {check.name: (check.every, check.fall) for check in (monitor.remove("a"), monitor.remove("b"))}
    assert {"a": (60.0, 9), "b": (3.0, 1)} == checks


def test_a_given_value_that_equals_the_default_is_given(make: MakeMonitor) -> None:
    """A Check remembers which options were given, not whether they differ."""
    monitor = make([Check("a", print, every=10.0, fall=3)], defaults={"every": 60.0, "fall": 9})
    check = monitor.remove("a")
    assert (10.0, 3) == (check.every, check.fall)


@pytest.mark.parametrize(
    ("defaults", "message"),
    [
        ({"evry": 1}, "unknown default 'evry'; did you mean 'every'"),
        ({"every": 0}, "defaults: every must be > 0, got 0"),
        ({"fall": 0}, "defaults: fall"),
        ({"headers": 1}, "headers"),
    ],
)
def test_bad_defaults_are_refused(make: MakeMonitor, defaults: dict[str, Any], message: str) -> None:
    """At construction, with the key and the remedy."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        make(defaults=defaults)


GREEN = [
    *({"latency": 1}, {"text": ""}, [{"status_code": 200}, {"contains": ""}], {"body_size": 10}),
    {"certificate_days": 14},
]


@pytest.mark.parametrize("expect", GREEN, ids=str)
def test_a_condition_that_a_broken_server_meets_is_told(
    make: MakeMonitor, expect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, when the check is added: an empty 500 would be green."""
    with caplog.at_level("WARNING", "minimon.monitor"):
        make([Check("search", "http://localhost:9/", expect=expect)])
    said = "check 'search': expect would hold of an empty 500 too: name the status_code, or what the body has to be"
    assert [said] == [record.getMessage() for record in caplog.records]


def test_it_is_told_of_a_probe_of_the_web_too(make: MakeMonitor) -> None:
    """It asks the same as the address does."""
    with pytest.raises(ConfigError, match="expect would hold of an empty 500 too"):
        make([Check("search", HttpProbe("http://localhost:9/"), expect={"text": ""})], strict=True)


def test_strict_is_true_or_false(make: MakeMonitor) -> None:
    """A text would be taken for true, whatever it says."""
    with pytest.raises(ConfigError, match="strict must be True or False, got 'no'"):
        make([], strict="no")


@pytest.mark.parametrize("expect", GREEN, ids=str)
def test_a_strict_monitor_refuses_it(make: MakeMonitor, expect: Any) -> None:
    """With the remedy."""
    with pytest.raises(
        ConfigError, match="check 'search': expect would hold of an empty 500 too: name the status_code"
    ):
        make([Check("search", "http://localhost:9/", expect=expect)], strict=True)


@pytest.mark.parametrize(
    "expect",
    [None, {"status_code": "5xx", "text": ""}, {"contains": "x"}, {"json": None}, lambda response: True],
    ids=["own success", "5xx", "contains", "json", "function"],
)
def test_a_strict_monitor_takes_what_tells_good_from_bad(make: MakeMonitor, expect: Any) -> None:
    """A status code that is named, content, or a function, of which nobody knows."""
    monitor = make([Check("search", "http://localhost:9/", expect=expect)], strict=True)
    assert "search" == monitor.state("search").name


LATER = [{"executor": object()}]


@pytest.mark.parametrize("option", LATER, ids=lambda option: next(iter(option)))
def test_options_of_later_versions_are_refused(make: MakeMonitor, option: dict[str, Any]) -> None:
    """By name, rather than ignored."""
    with pytest.raises(ConfigError, match=f"{next(iter(option))} is not available in version"):
        make(**option)


WRONG = [
    {"min_workers": 0},
    {"max_workers": 0},
    {"min_workers": True},
    {"max_workers": 2.5},
    {"min_workers": "2"},
    {"min_workers": 5, "max_workers": 4},
    {"on_change": "x"},
    {"on_start": 1},
    {"on_stop": []},
]


@pytest.mark.parametrize("options", WRONG, ids=lambda options: str(options))
def test_bad_options_are_refused(make: MakeMonitor, options: dict[str, Any]) -> None:
    """At construction, with the name of the option."""
    with pytest.raises(ConfigError, match="|".join(options)):
        make(**options)


def test_the_bounds_of_the_workers_are_kept(make: MakeMonitor, target: Target) -> None:
    """From min_workers at the start up to max_workers when runs have to wait."""
    monitor = make([at_once(str(n), target.hold()) for n in range(6)], min_workers=1, max_workers=3).start()
    assert wait_until(lambda: monitor.snapshot()["self"]["busy"] == 3)
    figures = monitor.snapshot()["self"]
    target.free.set()
    assert (3, 3, 3) == (figures["workers"], figures["busy"], figures["queue"])


# on_change


def test_on_change_tells_a_different_status_only(make: MakeMonitor) -> None:
    """On the thread minimon-notify, with the check, both states and the result."""
    seen: list[Change] = []
    threads: set[str] = set()
    script = [OK, OK, BROKEN, OK, BROKEN, BROKEN, OK, OK, OK]
    check = at_once("a", ScriptedProbe(script), every=0.01, fall=2, rise=2)

    def on_change(change: Change) -> None:
        threads.add(threading.current_thread().name)
        seen.append(change)

    monitor = make([check], on_change=on_change).start()
    assert recorded(monitor, "a", len(script)) and monitor.stop()
    assert [("unknown", "up"), ("up", "down"), ("down", "up")] == [(c.before.status, c.after.status) for c in seen]
    down = seen[1]
    assert ({"minimon-notify"}, "a", "a", "status") == (threads, down.name, down.check.name, down.result.reason)


def test_changes_of_a_check_come_in_order(make: MakeMonitor) -> None:
    """Each begins where the one before ended, for every check."""
    seen: list[Change] = []
    flip = [OK, BROKEN, OK, BROKEN]
    checks = [at_once(str(n), ScriptedProbe(flip), every=0.01, fall=1, rise=1) for n in range(80)]
    monitor = make(checks, on_change=seen.append, max_workers=8, min_workers=8).start()
    assert all(recorded(monitor, check.name, 5) for check in checks) and monitor.stop()
    for check in checks:
        chain = [change for change in seen if change.name == check.name]
        assert len(chain) == 4 and all(a.after.status is b.before.status for a, b in zip(chain, chain[1:]))
        assert sorted(sum(change.after.counts) for change in chain) == [sum(change.after.counts) for change in chain]


def test_a_raising_callback_is_counted_and_logged_once(make: MakeMonitor, caplog: pytest.LogCaptureFixture) -> None:
    """Polling goes on, and so does telling."""
    told: list[Change] = []

    def on_change(change: Change) -> None:
        told.append(change)
        raise ValueError("broken")

    checks = [at_once(name, every=0.01) for name in "abcde"]
    monitor = make(checks, on_change=on_change).start()
    assert wait_until(lambda: len(told) >= 5)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert 1 == len(errors) and wait_until(lambda: monitor.snapshot()["self"]["callback_errors"] >= 5)


def test_a_blocked_callback_holds_up_no_check(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """Other checks are polled on time."""
    entered = threading.Event()
    monitor = make(
        [at_once("a"), at_once("b", every=1.0)],
        clock=clock,
        on_change=lambda change: [entered.set(), target.free.wait(20.0)],
    )
    target.hold()
    monitor.start()
    assert entered.wait(5.0) and recorded(monitor, "a")
    for n in range(1, 6):
        assert recorded(monitor, "b", n) and clock.sleeps_until(1000.0 + n)
        clock.advance(1.0)
    assert recorded(monitor, "b", 6) and 0.0 == monitor.snapshot()["self"]["lag_s"]
    target.free.set()


def test_changes_beyond_the_bound_are_dropped_and_counted(make: MakeMonitor, target: Target) -> None:
    """While the callback blocks 1,000 wait, and `self.dropped` has the rest."""
    entered = threading.Event()
    monitor = make([at_once("first")], on_change=lambda change: [entered.set(), target.free.wait(20.0)])
    target.hold()
    monitor.start()
    assert entered.wait(5.0)
    for n in range(MOST_WAITING + 7):
        monitor.add(at_once(str(n), every=600.0))
    assert wait_until(lambda: monitor.snapshot()["counts"]["up"] >= MOST_WAITING + 8, 20.0)
    assert wait_until(lambda: monitor.snapshot()["self"]["dropped"] == 7)
    target.free.set()


def test_changes_come_in_order_across_a_restart(make: MakeMonitor) -> None:
    """A callback that blocked over a stop is waited for: never two at once, and no old change after a newer one."""
    seen: list[int] = []
    busy, leave, entered = threading.Lock(), threading.Event(), threading.Event()
    overlaps: list[str] = []

    def on_change(change: Change) -> None:
        if not busy.acquire(blocking=False):
            overlaps.append(change.name)
            return
        entered.set()
        leave.wait(20.0)
        seen.append(sum(change.after.counts))
        busy.release()

    flip = ScriptedProbe([OK, BROKEN, OK, BROKEN])
    monitor = make([at_once("a", flip, every=0.01, fall=1, rise=1)], on_change=on_change).start()
    assert entered.wait(5.0) and recorded(monitor, "a", 2)
    monitor.stop(0.0)
    monitor.start()
    assert recorded(monitor, "a", 8)
    leave.set()
    assert wait_until(lambda: len(seen) >= 2) and monitor.stop()
    assert ([], sorted(seen)) == (overlaps, seen)


def test_the_callback_may_change_the_list(make: MakeMonitor, target: Target) -> None:
    """It adds, pauses and removes checks like any other code of the host."""

    def on_change(change: Change) -> None:
        if change.name == "a":
            monitor.pause("a")
            monitor.add(at_once("b", target))
            monitor.remove("a")

    monitor = make([at_once("a")], on_change=on_change)
    monitor.start()
    assert target.called(1) and wait_until(lambda: list(monitor.snapshot()["checks"]) == ["b", "minimon"])


# The document

ITEM_5 = {
    "": ["schema", "service", "overall", "counts", "checks", "events", "self"],
    "service": ["name", "version", "pid", "uptime_s", "started_at", "draining"],
    "counts": ["unknown", "up", "degraded", "down", "paused"],
    "self": ["workers", "busy", "stuck", "queue", "lag_s", "missed", "dropped"],
    "check": [
        *("status", "paused", "critical", "group", "tags", "since", "streak"),
        *("counts", "reasons", "last", "recent"),
    ],
    "result": ["outcome", "reason", "detail", "at", "elapsed_s", "status_code"],
    "event": ["at", "check", "kind", "before", "after", "detail"],
}
BEYOND = {
    "": {"groups", "sharing"},
    "self": {"callback_errors", "suspended_s", "late", "clock_jumps", "lost", "runs_on", "state_file"},
    "check": {"explanation", "flapping", "uptime", "latency", "mttr_s", "mtbf_s", "histogram"},
}
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


@pytest.fixture
def document(make: MakeMonitor, clock: SteppedClock) -> dict[str, Any]:
    """The snapshot of a monitor that has seen a pass, a failure and an answer by HTTP."""
    probe = ScriptedProbe([Response(503, reason_phrase="Busy")])
    checks = [
        at_once("fine", group="g", tags={"team": "x"}),
        at_once("bad", lambda: False, fall=1, critical=False),
        at_once("web", probe, fall=1, critical=False),
        at_once("never", initial_delay=500.0, critical=False),
        at_once("resting", critical=False),
    ]
    monitor = make(checks, clock=clock, name="shop")
    monitor.pause("resting")
    monitor.start()
    assert all(recorded(monitor, name) for name in ("fine", "bad", "web")) and wait_until(lambda: quiet(monitor))
    clock.advance(1.5)
    return monitor.snapshot()


def test_the_document_has_the_keys_of_item_5(document: dict[str, Any]) -> None:
    """All of them, and beyond them only what is named here."""
    parts = [("", document), *((key, document[key]) for key in ("service", "counts", "self"))]
    parts += [("check", check) for check in document["checks"].values()]
    parts += [("result", result) for check in document["checks"].values() for result in check["recent"]]
    parts += [("event", event) for event in document["events"]]
    for part, value in parts:
        assert (set(ITEM_5[part]) | BEYOND.get(part, set())) == set(value), part


def test_the_documents_head(document: dict[str, Any]) -> None:
    """Schema, service and the sum."""
    service = {"name": "shop", "version": __version__, "pid": os.getpid(), "uptime_s": 1.5}
    assert (1, {**service, "started_at": "2023-11-14T22:13:20.000Z", "draining": False}, "degraded") == (
        document["schema"],
        document["service"],
        document["overall"],
    )


def test_the_documents_counts(document: dict[str, Any]) -> None:
    """Checks by status, and the paused ones, each once."""
    assert {"unknown": 1, "up": 2, "degraded": 0, "down": 2, "paused": 1} == document["counts"]


def test_a_check_in_the_document(document: dict[str, Any]) -> None:
    """One that passes, with all that was said of it."""
    last = {"outcome": "pass", "reason": "", "detail": "", "elapsed_s": 0.0, "status_code": None}
    last["at"] = "2023-11-14T22:13:20.000Z"
    expected = {"status": "up", "paused": False, "critical": True, "group": "g", "tags": {"team": "x"}}
    expected.update(since="2023-11-14T22:13:20.000Z", streak={"outcome": "pass", "n": 1}, explanation="")
    expected.update(counts={"pass": 1, "warn": 0, "fail": 0, "unknown": 0}, reasons={}, last=last, recent=[last])
    seen = document["checks"]["fine"]
    assert expected == {key: seen[key] for key in expected}


def test_a_check_before_its_first_run(document: dict[str, Any]) -> None:
    """Unknown, with nothing last and nothing recent."""
    check = document["checks"]["never"]
    assert ("unknown", None, [], {"outcome": "unknown", "n": 0}, {}) == (
        check["status"],
        check["last"],
        check["recent"],
        check["streak"],
        check["reasons"],
    )


def test_an_answer_in_the_document(document: dict[str, Any]) -> None:
    """The status code, and why it is not the expected one."""
    last = document["checks"]["web"]["last"]
    assert (503, "status", {"fail": {"status": 1}}) == (
        last["status_code"],
        last["reason"],
        document["checks"]["web"]["reasons"],
    )
    assert "503 Busy" in last["detail"]


def test_instants_are_iso_8601_and_spans_are_floats(document: dict[str, Any]) -> None:
    """Every instant ends in Z, every key in `_s` holds a float, or null where nothing is known."""
    stamps, spans = [], []

    def walk(key: str, value: Any) -> None:
        if key in ("at", "since", "started_at", "from"):
            stamps.append(value)
        if key.endswith("_s"):
            spans.append(type(value))
        for inner, item in value.items() if isinstance(value, dict) else ():
            walk(inner, item)
        for item in value if isinstance(value, list) else ():
            walk(key, item)

    walk("", document)
    assert ([], {float, type(None)}) == ([text for text in stamps if not re.fullmatch(STAMP, text)], set(spans))


def test_spans_are_floats_while_stopped_too(make: MakeMonitor) -> None:
    """A reader need not care."""
    document = make().snapshot()
    assert (float, float) == (type(document["self"]["lag_s"]), type(document["service"]["uptime_s"]))


def test_the_document_is_strict_json(document: dict[str, Any]) -> None:
    """It goes to JSON and back unchanged: plain dicts, lists, texts and numbers, no NaN."""
    assert document == json.loads(json.dumps(document, allow_nan=False))


def test_get_detailed_stats_is_the_snapshot(make: MakeMonitor, clock: SteppedClock) -> None:
    """The older name of the same document."""
    monitor = make([at_once("a")], clock=clock).start()
    assert recorded(monitor, "a") and wait_until(lambda: quiet(monitor))
    assert monitor.snapshot() == monitor.get_detailed_stats()


def test_a_snapshot_never_waits_for_a_change_of_the_list(make: MakeMonitor) -> None:
    """While another thread holds what guards the list, readers answer."""
    monitor = make([at_once("a")])
    done = threading.Event()
    with monitor._engine.lock:
        reader = threading.Thread(
            target=lambda: [monitor.snapshot(), monitor.overall(), monitor.is_healthy(), done.set()], daemon=True
        )
        reader.start()
        assert done.wait(2.0)


def test_readers_beside_a_working_monitor(make: MakeMonitor) -> None:
    """Every snapshot is whole: its counts add up to its checks, and it is JSON."""
    monitor = make([at_once(str(n), ScriptedProbe([OK, BROKEN] * 99), every=0.01, fall=1, rise=1) for n in range(20)])
    monitor.start()
    for _ in range(100):
        document = monitor.snapshot()
        assert sum(document["counts"].values()) == len(document["checks"]) and json.dumps(document, allow_nan=False)


# All at once

ATTACK = """
import random, sys, threading, time
sys.path.insert(0, "tests")
import minimon
from support import our_threads, wait_until

sys.setswitchinterval(1e-6)
problems = set()
threading.excepthook = lambda args: problems.add(f"{args.thread.name}: {args.exc_type.__name__}: {args.exc_value}")
monitor = minimon.Monitor(on_change=lambda change: None, max_workers=6)
keep, come_and_go = [f"keep {n}" for n in range(10)], [f"come {n}" for n in range(20)]

class Target:
    def __init__(self, name):
        self.name, self.lock = name, threading.Lock()

    def __call__(self):
        if not self.lock.acquire(blocking=False):
            problems.add(f"{self.name} overlaps itself")
            return True
        chance = random.random()
        threading.Event().wait(0.002 if chance < 0.2 else 0)
        self.lock.release()
        return chance < 0.6

def add(name):
    monitor.add(minimon.Check(name, Target(name), every=0.01, fall=1, rise=1, retry_interval=0.01))

def pause_and_resume(name):
    monitor.pause(name)
    monitor.resume(name)

def look(name):
    seen = monitor.snapshot()
    figures = seen["self"]
    if sum(seen["counts"].values()) != len(seen["checks"]) or figures["workers"] > 6 or figures["queue"] < 0:
        problems.add(str(figures))

def restart(name):
    monitor.stop()
    monitor.start()

KEPT, COMING = [monitor.pause, monitor.resume, pause_and_resume, look], [add, monitor.remove]
LIVES = [lambda name: monitor.stop(), lambda name: monitor.start(), lambda name: monitor.start(), restart]

def attack(seed):
    chance = random.Random(seed)
    while time.monotonic() < end:
        method = chance.choice(KEPT + COMING + (LIVES if MANY else []))
        try:
            method(chance.choice(come_and_go if method in COMING else keep))
        except (minimon.ConfigError, minimon.UnknownCheckError, minimon.LifecycleError):
            pass

for name in keep:
    add(name)
monitor.start()
end = time.monotonic() + SECONDS
threads = [threading.Thread(target=attack, args=(seed,), daemon=True) for seed in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(SECONDS + 10)
if any(thread.is_alive() for thread in threads):
    problems.add("a deadlock")
sys.setswitchinterval(0.005)
if not monitor.running:
    monitor.start()
names = [name for name in monitor.snapshot()["checks"] if name != "minimon"]
for name in names:
    monitor.resume(name)
runs = {name: sum(monitor.state(name).counts) for name in names}
lost = lambda: [name for name in names if sum(monitor.state(name).counts) < runs[name] + 3]
if not wait_until(lambda: not lost()):
    problems.add(f"not polled any more: {lost()}")
for name in names:
    monitor.remove(name)
figures = lambda: monitor.snapshot()["self"]
if not wait_until(lambda: (figures()["busy"], figures()["queue"]) == (0, 0)):
    problems.add(f"never at rest: {figures()}")
if figures()["workers"] != our_threads().count("minimon-worker"):
    problems.add(f"{our_threads()} are not {figures()}")
if not monitor.stop() or not wait_until(lambda: our_threads() == []):
    problems.add(f"left: {our_threads()}")
print(len(keep) <= len(names), sorted(problems))
"""
SECONDS = [0.2, pytest.param(10.0, marks=pytest.mark.long)]


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("many", [False, True], ids=["one life", "many lives"])
def test_an_attack_from_many_threads(many: bool, seconds: float) -> None:
    """Six threads add, remove, pause and resume, or start and stop too, at a switch interval of a microsecond: no
    check overlaps itself or is lost, no worker dies, no figure is wrong, nothing deadlocks."""
    done = python(f"MANY, SECONDS = {many}, {seconds}\n{ATTACK}", timeout=60.0)
    assert ("True []\n", "") == (done.stdout, done.stderr)
