"""What the monitor tells of itself: the check `minimon`, when it is degraded and for how long, and set clocks."""

from __future__ import annotations

import os
import pathlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import our_threads, python, wait_until
from test_monitor import Target, at_once, recorded, status
from test_scheduler import SteppedClock
from test_suspended import pass_time

from minimon import Change, Check, ConfigError, Monitor, UnknownCheckError
from minimon.checks import OWN
from minimon.model import Outcome, Result
from minimon.testing import FakeClock
from minimon.watch import EVERY, JUMP, SLOW, Watch, itself

START, WALL = 1_000.0, 1_700_000_000.0
PROBLEM = {"saved_at": None, "problem": "No space left on device", "restored": ""}
MakeMonitor = Callable[..., Monitor]


class Desk:
    """A watch, and what it is told: the figures, and how late runs were."""

    def __init__(self) -> None:
        self.clock = FakeClock(START, wall=WALL)
        self.figures: dict[str, Any] = {"stuck": 0, "dropped": 0, "callback_errors": 0, "lost": "", "state_file": None}
        self.late = 0.0
        self.asked = 0
        self.watch = Watch(Check(OWN, itself, critical=False), self.clock, self.tell, self.peak)

    def tell(self) -> dict[str, Any]:
        """The figures."""
        self.asked += 1
        return dict(self.figures)

    def peak(self) -> float:
        """The most since it was asked before."""
        late, self.late = self.late, 0.0
        return late

    def look(self, seconds: float = EVERY, **figures: Any) -> Result:
        """A look after so many seconds, at these figures: its result, which was due."""
        self.clock.advance(seconds)
        self.figures.update(figures)
        result = self.watch.look()
        assert result is not None
        return result

    def glance(self, seconds: float = 0.0, **figures: Any) -> Result | None:
        """What a reader sees that has the figures anyway."""
        self.clock.advance(seconds)
        self.figures.update(figures)
        return self.watch.look(dict(self.figures))

    def run(self, wall: float = 0.0, **fields: Any) -> Result:
        """A run that begins now, on a wall clock that is set by so much."""
        self.clock.jump_wall(wall)
        return Result("a", Outcome.PASS, when=self.clock.time(), started=self.clock.monotonic())._replace(**fields)


# What is wrong


def test_nothing_wrong_is_a_pass() -> None:
    """Of the name that is the monitor's own, as of now."""
    assert Result("minimon", Outcome.PASS, when=WALL + 10.0, started=START + 10.0) == Desk().look()


TROUBLES = [
    ({"stuck": 2}, "2 runs have outlived their deadline and not ended"),
    ({"dropped": 7}, "7 changes were not told, because on_change is too slow"),
    ({"callback_errors": 3}, "3 calls of on_change raised"),
    ({"lost": "no network: tcp://10.0.0.1:53: timeout"}, "no network: tcp://10.0.0.1:53: timeout"),
    ({"state_file": PROBLEM}, "state file: No space left on device"),
]


@pytest.mark.parametrize(("figures", "detail"), TROUBLES, ids=[next(iter(figures)) for figures, _ in TROUBLES])
def test_a_trouble_is_a_warning(figures: dict[str, Any], detail: str) -> None:
    """With what is wrong in words."""
    desk = Desk()
    desk.look()
    result = desk.look(**figures)
    assert ("warn", "condition", detail) == (result.outcome, result.reason, result.detail)


def test_late_runs_are_a_trouble() -> None:
    """Beyond two seconds; how late they were is told anyway."""
    desk = Desk()
    desk.late = SLOW
    fine = desk.look()
    desk.late = SLOW + 0.5
    late = desk.look()
    assert [("pass", "", 2.0), ("warn", "runs start up to 2.5 s late", 2.5)] == [
        (result.outcome, result.detail, result.elapsed) for result in (fine, late)
    ]


def test_all_that_is_wrong_is_told() -> None:
    """Each with its reason."""
    detail = Desk().look(stuck=1, callback_errors=2, lost="no network").detail
    assert 3 == len(detail.split("; ")) and "no network" in detail


@pytest.mark.parametrize("key", ["dropped", "callback_errors"])
def test_what_is_counted_is_a_trouble_while_it_grows(key: str) -> None:
    """Only what came since the look before is told."""
    desk = Desk()
    results = [desk.look(**{key: number}) for number in (5, 5, 6, 6)]
    assert ["warn", "pass", "warn", "pass"] == [result.outcome for result in results] and "1 c" == results[2].detail[:3]


def test_what_is_over_is_a_pass() -> None:
    """Stuck runs that have ended, a network that was found, a file that was saved, runs in time."""
    desk = Desk()
    desk.late = 5.0
    bad = desk.look(stuck=1, lost="no network", state_file=PROBLEM)
    good = desk.look(stuck=0, lost="", state_file={**PROBLEM, "problem": ""})
    assert ("warn", "pass", "") == (bad.outcome, good.outcome, good.detail)


# When it looks


def test_it_looks_every_ten_seconds() -> None:
    """Whoever comes in between is told nothing, and asks for no figures."""
    desk = Desk()
    desk.look()
    seen = []
    for _ in range(20):
        desk.clock.advance(EVERY / 10)
        seen.append(desk.watch.look() is not None)
    assert ([*[False] * 9, True] * 2, 3) == (seen, desk.asked)


@pytest.mark.parametrize("figures", [TROUBLES[0][0], TROUBLES[3][0], TROUBLES[4][0]], ids=["stuck", "lost", "file"])
def test_what_a_reader_sees_is_told_at_once(figures: dict[str, Any]) -> None:
    """That it is wrong, and that it is right again; the next one is told nothing."""
    desk = Desk()
    right = {key: desk.figures[key] for key in figures}
    desk.look()
    seen = [desk.glance(1.0, **now) for now in (right, figures, figures, right, right)]
    assert [None, "warn", None, "pass", None] == [result and result.outcome.value for result in seen]


def test_a_file_that_is_saved_again_is_no_news() -> None:
    """Only its problem is."""
    desk = Desk()
    desk.look(state_file={"saved_at": "10:00", "problem": "", "restored": ""})
    assert None is desk.glance(1.0, state_file={"saved_at": "10:01", "problem": "", "restored": ""})


def test_two_who_come_at_once_look_once() -> None:
    """However many threads record and read."""
    desk, barrier = Desk(), threading.Barrier(8)
    results: list[Result | None] = []

    def come() -> None:
        barrier.wait(5.0)
        results.append(desk.glance())

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5.0)
    assert (8, 1) == (len(results), sum(result is not None for result in results))


def test_after_a_fork_it_looks_anew() -> None:
    """Whoever held its lock."""
    desk = Desk()
    desk.look()
    holder = threading.Thread(target=desk.watch._lock.acquire)
    holder.start()
    holder.join(5.0)
    desk.watch.after_fork()
    assert desk.watch.look() is not None


# Set clocks


@pytest.mark.parametrize(("seconds", "text"), [(3600.0, "by +3600.000 s"), (-86_400.0, "by -86400.000 s")])
def test_a_clock_that_was_set_is_told_once(seconds: float, text: str) -> None:
    """By the first run that begins on it; the next ones are on the same."""
    desk = Desk()
    before = desk.watch.clock_was_set(desk.run())
    told = [desk.watch.clock_was_set(run) for run in (desk.run(seconds), desk.run(), desk.run())]
    assert ("", [text, "", ""], 1) == (before, told, desk.watch.clock_jumps)


def test_every_jump_is_counted() -> None:
    """Ahead and back again are two."""
    desk = Desk()
    assert [True, True] == [bool(desk.watch.clock_was_set(desk.run(by))) for by in (60.0, -60.0)]
    assert 2 == desk.watch.clock_jumps


def test_a_little_is_no_jump() -> None:
    """Clocks are corrected all the time."""
    desk = Desk()
    assert ("", 0) == (desk.watch.clock_was_set(desk.run(JUMP * 0.9)), desk.watch.clock_jumps)


def test_a_run_of_before_the_jump_tells_nothing() -> None:
    """It began on the old clock: the next one tells, once."""
    desk = Desk()
    old = desk.run()
    new = desk.run(3600.0)
    assert (["", "by +3600.000 s", ""], 1) == (
        [desk.watch.clock_was_set(run) for run in (old, new, old)],
        desk.watch.clock_jumps,
    )


def test_a_process_that_is_stopped_between_its_looks_at_two_clocks_is_no_jump() -> None:
    """What differs is the run's, not the clock's."""
    desk = Desk()
    run = desk.run(started=desk.clock.monotonic() + 60.0)
    assert ("", 0) == (desk.watch.clock_was_set(run), desk.watch.clock_jumps)


def test_a_result_without_its_start_tells_nothing() -> None:
    """It says nothing of clocks."""
    desk = Desk()
    assert "" == desk.watch.clock_was_set(desk.run(3600.0, started=None))


# In a monitor


@pytest.fixture
def make() -> Iterator[MakeMonitor]:
    """Makes monitors, and stops them in the end."""
    monitors: list[Monitor] = []

    def made(*args: Any, **options: Any) -> Monitor:
        monitors.append(Monitor(*args, **options))
        return monitors[-1]

    yield made
    for monitor in monitors:
        monitor.stop(5.0)
    assert wait_until(lambda: our_threads() == [])


@pytest.fixture
def clock() -> SteppedClock:
    """Time that is moved by hand."""
    return SteppedClock(START, wall=WALL)


@pytest.fixture
def target() -> Iterator[Target]:
    """A target that lets everybody go in the end."""
    target = Target()
    yield target
    target.free.set()


def own(monitor: Monitor) -> tuple[str, str]:
    """What a reader sees of the check: status and explanation."""
    seen = monitor.snapshot()["checks"]["minimon"]
    return seen["status"], seen["explanation"]


def unsaved(folder: pathlib.Path) -> str:
    """The path of a state file that cannot be saved before its folder is there."""
    return str(folder / "later" / "state.json")


def test_it_is_in_every_snapshot_as_the_last(make: MakeMonitor) -> None:
    """Before the start, while it runs, whatever was added, and after the stop; it is counted."""
    monitor = make([at_once("z")])
    seen = [monitor.snapshot()]
    monitor.start()
    seen.append(monitor.snapshot())
    monitor.add(at_once("zz"))
    seen.append(monitor.snapshot())
    monitor.stop()
    seen.append(monitor.snapshot())
    assert [["z", "minimon"]] * 2 + [["z", "zz", "minimon"]] * 2 == [list(each["checks"]) for each in seen]
    assert [2, 2, 3, 3] == [sum(each["counts"].values()) for each in seen]


def test_it_is_up_while_the_monitor_runs(make: MakeMonitor) -> None:
    """Else it is unknown, as often as it is started."""
    monitor = make()
    seen = [status(monitor, "minimon")]
    for _ in range(2):
        monitor.start()
        seen.append(status(monitor, "minimon"))
        monitor.stop()
        seen.append(status(monitor, "minimon"))
    assert ["unknown", "up", "unknown", "up", "unknown"] == seen


def test_a_stopped_one_says_why_it_is_unknown(make: MakeMonitor) -> None:
    """As any check does."""
    monitor = make().start()
    monitor.stop()
    assert ("unknown", "the monitor does not run") == own(monitor)


def test_a_look_that_comes_after_the_stop_is_nothing(make: MakeMonitor, clock: SteppedClock) -> None:
    """A worker or a reader may be on its way there when the monitor is stopped."""
    monitor = make(clock=clock).start()
    life = monitor._life
    assert life is not None
    monitor.stop()
    clock.advance(EVERY)
    life.poller.look()
    assert "unknown" == status(monitor, "minimon")


def test_without_polls_and_readers_it_stays_up(make: MakeMonitor, clock: SteppedClock) -> None:
    """Nobody wakes for it, and it does not grow old."""
    monitor = make(clock=clock).start()
    assert clock.sleeps_until(float("inf"))
    clock.advance(1e6)
    assert ("up", "") == own(monitor)


def test_runs_that_start_late_degrade_it(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """While the one worker is busy the others wait; some seconds after they do not, it is up again."""
    slow = at_once("slow", target.hold(), timeout=1000.0)
    monitor = make([slow], clock=clock, max_workers=1, min_workers=1).start()
    assert target.is_in()
    monitor.add(at_once("a", every=5.0))
    assert wait_until(lambda: monitor.snapshot()["self"]["queue"] == 1)
    pass_time(monitor, clock, EVERY, left=2)
    late = own(monitor)
    target.free.set()
    pass_time(monitor, clock, 2 * EVERY)
    assert (("degraded", "runs start up to 10.0 s late"), ("up", "")) == (late, own(monitor))


def test_stuck_runs_degrade_it(make: MakeMonitor, clock: SteppedClock, target: Target) -> None:
    """At once, for a reader, and until they have ended."""
    monitor = make([at_once("hung", target.hold(), timeout=1.0)], clock=clock).start()
    assert target.is_in()
    before = own(monitor)
    pass_time(monitor, clock, 1.5, left=1)
    assert wait_until(lambda: monitor.snapshot()["self"]["stuck"] == 1)
    stuck = own(monitor)
    target.free.set()
    assert wait_until(lambda: monitor.snapshot()["self"]["stuck"] == 0)
    expected = [("up", ""), ("degraded", "1 runs have outlived their deadline and not ended"), ("up", "")]
    assert expected == [before, stuck, own(monitor)]


def test_an_on_change_that_raises_degrades_it(make: MakeMonitor, clock: SteppedClock) -> None:
    """With the next look, and no longer than until the one after."""
    told: list[str] = []

    def on_change(change: Change) -> None:
        told.append(change.name)
        if change.name == "a":
            raise ValueError("broken")

    monitor = make([at_once("a")], clock=clock, on_change=on_change).start()
    assert wait_until(lambda: monitor.snapshot()["self"]["callback_errors"] == 1)
    pass_time(monitor, clock, EVERY)
    bad = own(monitor)
    pass_time(monitor, clock, EVERY)
    good = own(monitor)
    assert wait_until(lambda: len(told) == 3)
    assert (("degraded", "1 calls of on_change raised"), ("up", ""), ["a", *["minimon"] * 2]) == (bad, good, told)


def test_a_file_that_cannot_be_saved_degrades_it(make: MakeMonitor, tmp_path: pathlib.Path) -> None:
    """Until it can."""
    clock = FakeClock(START, wall=WALL)
    monitor = make(clock=clock, state_file=unsaved(tmp_path)).start()
    assert wait_until(lambda: status(monitor, "minimon") == "degraded")
    text = own(monitor)[1]
    (tmp_path / "later").mkdir()
    assert wait_until(lambda: clock.advance(0.5) or status(monitor, "minimon") == "up")
    assert "state file: No such file or directory" == text


def with_trouble(make: MakeMonitor, folder: pathlib.Path, *checks: Check) -> Monitor:
    """A monitor that runs, and is degraded itself."""
    monitor = make(list(checks), state_file=unsaved(folder), clock=FakeClock(START, wall=WALL)).start()
    assert all(check.name == "waits" or recorded(monitor, check.name) for check in checks)
    assert wait_until(lambda: status(monitor, "minimon") == "degraded")
    return monitor


SUMS = {
    "healthy": ("degraded", [at_once("a")]),
    "degraded": ("degraded", [at_once("a"), at_once("b", lambda: False, fall=1, critical=False)]),
    "unhealthy": ("unhealthy", [at_once("a"), at_once("b", lambda: False, fall=1)]),
    "unknown": ("unknown", [at_once("waits", initial_delay=60.0)]),
    "nothing": ("degraded", []),
}


@pytest.mark.parametrize("before", SUMS)
def test_it_makes_a_healthy_whole_degraded_and_nothing_else(
    make: MakeMonitor, tmp_path: pathlib.Path, before: str
) -> None:
    """What is unhealthy or unknown stays so."""
    expected, checks = SUMS[before]
    monitor = with_trouble(make, tmp_path, *checks)
    assert (expected, expected in ("healthy", "degraded")) == (monitor.overall(), monitor.is_healthy())


def test_while_it_is_unknown_nothing_else_is(make: MakeMonitor, clock: SteppedClock) -> None:
    """Without checks a monitor is healthy, running or not; with one that is up it is after the stop what that is."""
    empty, monitor = make(clock=clock), make([at_once("a")], clock=clock)
    before = empty.overall()
    monitor.start()
    assert recorded(monitor, "a") and monitor.stop()
    assert ("healthy", "healthy") == (before, monitor.overall())


def test_start_and_stop_are_no_news(make: MakeMonitor) -> None:
    """on_change hears of checks of the host only, while all is well."""
    told: list[str] = []
    monitor = make([at_once("a")], on_change=lambda change: told.append(change.name))
    for n in range(1, 3):
        monitor.start()
        assert recorded(monitor, "a", n) and monitor.stop()
    assert ["a"] == told


def test_trouble_is_news(make: MakeMonitor, tmp_path: pathlib.Path) -> None:
    """And so is its end."""
    told: list[tuple[str, str, str]] = []

    def on_change(change: Change) -> None:
        told.append((change.name, change.before.status.value, change.after.status.value))

    clock = FakeClock(START, wall=WALL)
    monitor = make(clock=clock, state_file=unsaved(tmp_path), on_change=on_change).start()
    assert wait_until(lambda: status(monitor, "minimon") == "degraded")
    (tmp_path / "later").mkdir()
    assert wait_until(lambda: clock.advance(0.5) or status(monitor, "minimon") == "up") and monitor.stop()
    assert [("minimon", "up", "degraded"), ("minimon", "degraded", "up")] == told


def test_its_name_is_taken(make: MakeMonitor) -> None:
    """A check of the host's is refused at construction and later, with the reason."""
    message = "check 'minimon': this name is the monitor's own; names must differ"
    for add in (lambda: make([Check("minimon", print)]), lambda: make().add(Check("minimon", print))):
        with pytest.raises(ConfigError, match=f"^{message}$"):
            add()
    with pytest.raises(ConfigError, match=message):
        make().check("minimon")(print)


@pytest.mark.parametrize(("method", "verb"), [("remove", "removed"), ("pause", "paused"), ("resume", "resumed")])
@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_it_cannot_be_left_out(make: MakeMonitor, method: str, verb: str, running: bool) -> None:
    """The message says why, and it stays as it was."""
    monitor = make()
    if running:
        monitor.start()
    before = own(monitor)
    with pytest.raises(UnknownCheckError, match=f"'minimon' is the monitor's check of itself; it cannot be {verb}"):
        getattr(monitor, method)("minimon")
    assert before == own(monitor) and not monitor.snapshot()["checks"]["minimon"]["paused"]


def test_it_can_be_asked_for_as_any_check(make: MakeMonitor, clock: SteppedClock) -> None:
    """Its state, and its explanation with the time of the next look."""
    monitor = make(clock=clock).start()
    told = monitor.explain("minimon")["explain"]
    assert ("up", EVERY, True) == (monitor.state("minimon").status, told["next_run_s"], "in 10.0 s" in told["text"])


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="forks on Linux only")
def test_in_a_forked_child_it_is_unknown() -> None:
    """There the monitor does not run."""
    script = """
import os, warnings
import minimon
warnings.simplefilter("ignore", DeprecationWarning)
monitor = minimon.Monitor().start()
pid = os.fork()
if not pid:
    print(monitor.running, monitor.snapshot()["checks"]["minimon"]["status"], flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(monitor.running, monitor.snapshot()["checks"]["minimon"]["status"])
"""
    done = python(script)
    assert ("False unknown\nTrue up\n", "") == (done.stdout, done.stderr)


# A clock that is set, in a monitor


def kept(monitor: Monitor) -> tuple[Any, ...]:
    """All that a set clock must not change: status, uptime and latency."""
    seen = monitor.snapshot()["checks"]["a"]
    uptime = {name: {key: window[key] for key in window if key != "from"} for name, window in seen["uptime"].items()}
    return seen["status"], seen["counts"], uptime["1h"], uptime["24h"], seen["latency"], seen["mttr_s"]


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0], ids=["ahead", "back"])
def test_a_set_clock_changes_nothing_but_stamps(make: MakeMonitor, seconds: float) -> None:
    """Beside a monitor of which the clock was not set, status, uptime and latency are the same."""
    seen = []
    for by in (0.0, seconds):
        clock = SteppedClock(START, wall=WALL)
        monitor = make([at_once("a")], clock=clock).start()
        assert recorded(monitor, "a")
        pass_time(monitor, clock, 30.0)
        clock.jump_wall(by)
        pass_time(monitor, clock, 30.0)
        seen.append(kept(monitor))
    assert seen[0] == seen[1]


def test_a_set_clock_is_an_event(make: MakeMonitor, clock: SteppedClock) -> None:
    """One for each time that it is set, however many checks see it, and the figures count them."""
    checks = [at_once(name) for name in "abcdef"]
    monitor = make(checks, clock=clock).start()
    pass_time(monitor, clock, 20.0)
    for seconds in (3600.0, -7200.0):
        clock.jump_wall(seconds)
        pass_time(monitor, clock, 20.0)
    snapshot = monitor.snapshot()
    events = [(each["check"], each["detail"]) for each in snapshot["events"] if each["kind"] == "clock"]
    assert [("", "by +3600.000 s"), ("", "by -7200.000 s")] == events
    assert (2, "up") == (snapshot["self"]["clock_jumps"], snapshot["checks"]["minimon"]["status"])
