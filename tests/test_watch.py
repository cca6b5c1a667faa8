"""What the monitor tells of itself: the check `minimon`, when it is degraded and for how long, and set clocks."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support import wait_until
from test_fork import pytestmark as forks
from test_fork import told
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
        self.watch = Watch(Check(OWN, itself, critical=False), self.clock, self.tell, lambda: self.late)

    def tell(self) -> dict[str, Any]:
        """The figures."""
        self.asked += 1
        return dict(self.figures)

    def look(self, seconds: float = EVERY, late: float = 0.0, **figures: Any) -> Result:
        """A look after so many seconds, at these figures: its result, which was due."""
        self.clock.advance(seconds)
        self.late = late
        self.figures.update(figures)
        result = self.watch.look()
        assert result is not None
        return result

    def glance(self, seconds: float = 0.0, **figures: Any) -> Result | None:
        """What a reader sees that has the figures anyway."""
        self.clock.advance(seconds)
        self.figures.update(figures)
        return self.watch.look(dict(self.figures))


# What is wrong


def test_nothing_wrong_is_a_pass() -> None:
    """Of the name that is the monitor's own, as of now; how late runs were is told anyway."""
    expected = Result("minimon", Outcome.PASS, when=WALL + 10.0, elapsed=SLOW, started=START + 10.0)
    assert expected == Desk().look(late=SLOW)


STUCK, LOST = "2 runs have outlived their deadline and not ended", "no network: tcp://10.0.0.1:53: timeout"
SLOWLY, RAISED = "changes were not told, because on_change is too slow", "calls of on_change raised"
FULL = "state file: No space left on device"
TROUBLES: dict[str, list[tuple[dict[str, Any], str]]] = {
    "stuck": [({"stuck": 2}, STUCK), ({}, STUCK), ({"stuck": 0}, "")],
    "dropped": [({"dropped": 7}, f"7 {SLOWLY}"), ({}, ""), ({"dropped": 8}, f"1 {SLOWLY}")],
    "raised": [({"callback_errors": 3}, f"3 {RAISED}"), ({"callback_errors": 4}, f"1 {RAISED}"), ({}, "")],
    "lost": [({"lost": LOST}, LOST), ({"lost": ""}, "")],
    "file": [({"state_file": PROBLEM}, FULL), ({"state_file": {**PROBLEM, "problem": ""}}, "")],
    "late": [({"late": SLOW}, ""), ({"late": SLOW + 0.5}, "runs start up to 2.5 s late"), ({"late": 0.0}, "")],
    "all": [({"stuck": 2, "lost": LOST, "state_file": PROBLEM, "dropped": 1}, f"{STUCK}; 1 {SLOWLY}; {LOST}; {FULL}")],
}
"""What is the case at a look, and what that tells."""


@pytest.mark.parametrize("kind", TROUBLES)
def test_a_trouble_is_a_warning(kind: str) -> None:
    """In words, while there is one; what is counted is told when it has grown since the look before."""
    desk = Desk()
    seen = [(each.outcome, each.reason, each.detail) for each in (desk.look(**now) for now, _ in TROUBLES[kind])]
    assert seen == [("warn", "condition", text) if text else ("pass", "", "") for _, text in TROUBLES[kind]]


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


@pytest.mark.parametrize("figures", [{"stuck": 2}, {"lost": LOST}, {"state_file": PROBLEM}], ids=str)
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


SET: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "ahead": ([{"by": 3600.0}, {}, {}], ["by +3600.000 s", "", ""]),
    "back": ([{"by": -86_400.0}, {}], ["by -86400.000 s", ""]),
    "ahead and back again": ([{"by": 60.0}, {"by": -60.0}], ["by +60.000 s", "by -60.000 s"]),
    "a little": ([{"by": JUMP * 0.9}], [""]),
    "a run of before comes first": ([{"by": 3600.0, "when": WALL}, {}], ["", "by +3600.000 s"]),
    "a run of before comes last": ([{"by": 3600.0}, {"when": WALL}], ["by +3600.000 s", ""]),
    "a process that stood still in the run's look at two clocks": ([{"started": START + 60.0}], [""]),
    "nobody knows when it started": ([{"by": 3600.0, "started": None}], [""]),
}
"""By how much the clock is set before a run, what else is odd about that, and what each tells."""


@pytest.mark.parametrize("case", SET)
def test_a_clock_that_was_set_is_told_once(case: str) -> None:
    """By the first run that begins on it, and counted; clocks are corrected a little all the time."""
    (runs, expected), desk, seen = SET[case], Desk(), []
    for run in runs:
        desk.clock.jump_wall(run.get("by", 0.0))
        result = Result("a", Outcome.PASS, when=desk.clock.time(), started=desk.clock.monotonic())
        seen.append(desk.watch.clock_was_set(result._replace(**{key: run[key] for key in run if key != "by"})))
    assert (expected, len([*filter(None, expected)])) == (seen, desk.watch.clock_jumps)


# In a monitor


@pytest.fixture
def clock() -> SteppedClock:
    """Time that is moved by hand."""
    return SteppedClock(START, wall=WALL)


def own(monitor: Monitor) -> tuple[str, str]:
    """What a reader sees of the check: status and explanation."""
    seen = monitor.snapshot()["checks"]["minimon"]
    return seen["status"], seen["explanation"]


def test_it_is_in_every_snapshot_as_the_last(make: MakeMonitor) -> None:
    """Before the start, and while it runs, whatever was added; it is counted."""
    monitor = make([at_once("z")])
    seen = [monitor.snapshot()]
    monitor.start().add(at_once("zz"))
    seen.append(monitor.snapshot())
    assert [["z", "minimon"], ["z", "zz", "minimon"]] == [list(each["checks"]) for each in seen]
    assert [2, 3] == [sum(each["counts"].values()) for each in seen]


def test_it_is_up_while_the_monitor_runs(make: MakeMonitor) -> None:
    """Else it is unknown, which says why, as often as it is started."""
    monitor, seen = make(), []
    for _ in range(2):
        seen += [own(monitor.start())]
        monitor.stop()
        seen += [own(monitor)]
    assert [("up", ""), ("unknown", "the monitor does not run")] * 2 == seen


def test_a_look_that_comes_after_the_stop_is_nothing(make: MakeMonitor, clock: SteppedClock) -> None:
    """A worker or a reader may be on its way there when the monitor is stopped."""
    monitor = make(clock=clock).start()
    life = monitor._engine.polling
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


def test_runs_that_start_late_degrade_it(make: MakeMonitor, clock: SteppedClock) -> None:
    """While the one worker is busy the others wait; some seconds after they do not, it is up again."""
    target = Target()
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


def test_a_file_that_cannot_be_saved_degrades_it(make: MakeMonitor, tmp_path: pathlib.Path) -> None:
    """Until it can; that is news, and start and stop are none."""
    told: list[tuple[str, str, str]] = []

    def on_change(change: Change) -> None:
        told.append((change.name, change.before.status.value, change.after.status.value))

    clock = FakeClock(START, wall=WALL)
    monitor = make(clock=clock, state_file=tmp_path / "later" / "state.json", on_change=on_change).start()
    assert wait_until(lambda: status(monitor, "minimon") == "degraded")
    text = own(monitor)[1]
    (tmp_path / "later").mkdir()
    assert wait_until(lambda: clock.advance(0.5) or status(monitor, "minimon") == "up") and monitor.stop()
    assert "state file: cannot be written: its folder does not exist" == text
    assert [("minimon", "up", "degraded"), ("minimon", "degraded", "up")] == told


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
    clock = FakeClock(START, wall=WALL)
    monitor = make(checks, state_file=tmp_path / "none" / "state.json", clock=clock).start()
    assert all(check.name == "waits" or recorded(monitor, check.name) for check in checks)
    assert wait_until(lambda: status(monitor, "minimon") == "degraded")
    assert (expected, expected == "degraded") == (monitor.overall(), monitor.is_healthy())


def test_while_it_is_unknown_nothing_else_is(make: MakeMonitor, clock: SteppedClock) -> None:
    """Without checks a monitor is healthy, running or not; with one that is up it is after the stop what that is."""
    empty, monitor = make(clock=clock), make([at_once("a")], clock=clock)
    before = empty.overall()
    monitor.start()
    assert recorded(monitor, "a") and monitor.stop()
    assert ("healthy", "healthy") == (before, monitor.overall())


def test_its_name_is_taken(make: MakeMonitor) -> None:
    """A check of the host's is refused at construction and later, with the reason."""
    message = "check 'minimon': this name is the monitor's own; names must differ"
    for add in (lambda: make([Check("minimon", print)]), lambda: make().add(Check("minimon", print))):
        with pytest.raises(ConfigError, match=f"^{message}$"):
            add()
    with pytest.raises(ConfigError, match=message):
        make().check("minimon")(print)


@pytest.mark.parametrize(("method", "verb"), [("remove", "removed"), ("pause", "paused"), ("resume", "resumed")])
def test_it_cannot_be_left_out(make: MakeMonitor, method: str, verb: str) -> None:
    """The message says why, and it stays as it was."""
    monitor = make().start()
    with pytest.raises(UnknownCheckError, match=f"'minimon' is the monitor's check of itself; it cannot be {verb}"):
        getattr(monitor, method)("minimon")
    assert ("up", "") == own(monitor) and not monitor.snapshot()["checks"]["minimon"]["paused"]


@forks
def test_in_a_forked_child_it_is_unknown() -> None:
    """There the monitor does not run."""
    script = """
monitor = minimon.Monitor().start()

def own():
    return monitor.running, monitor.snapshot()["checks"]["minimon"]["status"]

print(ended(in_child(lambda: own() == (False, "unknown"))), *own())
"""
    assert "[0] True up" == told(script)


def test_a_set_clock_is_an_event_and_changes_nothing_but_stamps(make: MakeMonitor) -> None:
    """One each time, however many checks see it; status, uptime and latency are as where it was not set."""
    seen = []
    for ahead, back in ((0.0, 0.0), (86_400.0, -172_800.0)):
        clock = SteppedClock(START, wall=WALL)
        monitor = make([at_once(name) for name in "abcdef"], clock=clock).start()
        for seconds in (ahead, back):
            pass_time(monitor, clock, 30.0)
            clock.jump_wall(seconds)
        pass_time(monitor, clock, 30.0)
        snapshot = monitor.snapshot()
        check = snapshot["checks"]["a"]
        check["uptime"] = {key: check["uptime"]["24h"][key] for key in ("coverage", "ratio", "down_s", "success_ratio")}
        seen.append([check[key] for key in ("status", "counts", "uptime", "latency", "mttr_s")])
    events = [(each["check"], each["detail"]) for each in snapshot["events"] if each["kind"] == "clock"]
    assert [("", "by +86400.000 s"), ("", "by -172800.000 s")] == events
    assert (seen[0], 2, "up") == (seen[1], snapshot["self"]["clock_jumps"], snapshot["checks"]["minimon"]["status"])
