"""What the state file promises: what is known outlives the process, and nothing wrong with it stops anything."""

from __future__ import annotations

import json
import logging
import math
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, descriptors, our_threads, python, wait_until
from test_fork import pytestmark as forks
from test_fork import told
from test_saved import damaged, nonsense, odd
from test_scheduler import SteppedClock

from minimon import Check, ConfigError, Monitor
from minimon.clock import Clock
from minimon.model import Outcome, Result, stamp
from minimon.pool import deadline_in
from minimon.registry import Registry
from minimon.store import FORMAT, KEY, LEFTOVER, MOST, OLDEST, QUIET, SELDOM, SOON, Store
from minimon.testing import FakeClock

INF = math.inf
PASS, WARN, FAIL = Outcome.PASS, Outcome.WARN, Outcome.FAIL
WALL = 1_700_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
LASTS = 25.0
"""Seconds for which a result counts, seen every 10 s."""
MIGHTY = not hasattr(os, "geteuid") or os.geteuid() == 0
"""Whether permissions mean nothing to us."""
OTHER = "another process writes it: nothing is saved as long as that does"
Run = Callable[..., "Life"]


class Life:
    """What one process knows of some checks, and its state file: without threads, on a clock that is moved by hand."""

    def __init__(
        self,
        path: Any,
        *names: str,
        wall: float = WALL,
        clock: FakeClock | None = None,
        name: str = "minimon",
        registry: Callable[[Clock], Registry] = Registry,
        **targets: Any,
    ) -> None:
        self.clock = clock or FakeClock(100.0, wall=wall)
        self.registry = registry(self.clock)
        self.checks: dict[str, Check] = {}
        for each in (*names, *targets):
            self.add(each, targets.get(each, "http://localhost/"))
        self.store = Store(path, name, self.clock, self.registry)
        self.store.load()

    def add(self, name: str, target: Any = "http://localhost/") -> None:
        """Have one check more."""
        self.checks[name] = Check(name, target, fall=2, rise=1)
        self.registry.add(self.checks[name], INF)

    def see(self, *outcomes: Outcome, every: float = 10.0) -> Life:
        """Let time pass, and record what is seen of each check then."""
        for outcome in outcomes:
            self.clock.advance(every)
            for name, check in self.checks.items():
                when, started = self.clock.time(), self.clock.monotonic()
                result = Result(name, outcome, "" if outcome is PASS else "condition", "", when, 0.1, started=started)
                self.registry.record(check, result, 2 * every + 5.0)
        return self

    def save(self) -> Life:
        """Write the file; it is no error when that fails."""
        self.store.save()
        return self

    def after(self, seconds: float) -> Life:
        """Let time pass in which nothing is seen."""
        self.clock.advance(seconds)
        return self

    def view(self, name: str = "a") -> dict[str, Any]:
        """What is shown of a check."""
        view: dict[str, Any] = self.registry.snapshot()["checks"][name]
        return view

    def window(self, window: str, name: str = "a") -> dict[str, Any]:
        """What is shown of its uptime."""
        uptime: dict[str, Any] = self.view(name)["uptime"][window]
        return uptime

    @property
    def problem(self) -> str:
        """What is wrong with the file."""
        return str(self.store.figures()["problem"])

    @property
    def restored(self) -> str:
        """What was read at the start."""
        return str(self.store.figures()["restored"])


class Held(Registry):
    """A registry that is dumped as slowly as on a disk that hangs: until it is let go, after one check."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.begun, self.free = threading.Event(), threading.Event()

    def each(self, look: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
        """As ever, with a pause after the first."""
        for pair in super().each(look):
            yield pair
            self.begun.set()
            self.free.wait(20.0)


class SleepersClock(FakeClock):
    """A FakeClock that knows until when which thread sleeps, and how often it lay down."""

    def __init__(self, start: float = 100.0, wall: float = WALL) -> None:
        super().__init__(start, wall)
        self.until: dict[str, float] = {}
        self.waits: dict[str, int] = {}

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Note the deadline, and sleep."""
        me = threading.current_thread().name
        self.until[me] = INF if seconds is None else self.monotonic() + seconds
        self.waits[me] = self.waits.get(me, 0) + 1
        super().wait(condition, seconds)
        self.until.pop(me, None)

    def sleep(self) -> bool:
        """True when the threads of one monitor that look at the clock all sleep."""
        return all(self.until.get(each, 0.0) > self.monotonic() for each in ("minimon-store", "minimon-scheduler"))

    def let_pass(self, seconds: float, monitor: Monitor) -> None:
        """Let time pass as it does, from one wake-up to the next, and no run takes any."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 1e-6:
            assert wait_until(lambda: idle(monitor) and self.sleep())
            self.advance(min(left, *(until - self.monotonic() for until in [*self.until.values()])))
        assert wait_until(lambda: idle(monitor) and self.sleep())


def idle(monitor: Monitor) -> bool:
    """True when nothing runs or waits."""
    figures = monitor.snapshot()["self"]
    return (figures["busy"], figures["queue"]) == (0, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "state.json"


@pytest.fixture
def make(path: Path) -> Iterator[Callable[..., Monitor]]:
    """Makes monitors with this state file, and stops them in the end."""
    monitors: list[Monitor] = []

    def made(*args: Any, **options: Any) -> Monitor:
        monitors.append(Monitor(*args, **{"state_file": path, **options}))
        return monitors[-1]

    yield made
    for monitor in monitors:
        monitor.stop(5.0)
    assert wait_until(lambda: our_threads() == [])


@pytest.fixture
def run(path: Path) -> Iterator[Run]:
    """Makes lives whose store has its thread, on a clock that knows until when that sleeps."""
    lives: list[Life] = []

    def started(*names: str, **options: Any) -> Life:
        lives.append(Life(options.pop("path", path), *names, clock=SteppedClock(100.0, wall=WALL), **options))
        life = lives[-1]
        life.store.start()
        assert wait_until(lambda: isinstance(life.registry, Held) or life.problem or saved_at(life) is not None)
        return life

    yield started
    for life in lives:
        stopped(life, 5.0)
    assert wait_until(lambda: our_threads() == [])


def stopped(life: Life, seconds: float) -> bool:
    """Whether the thread of its store has ended by then, once it was told to."""
    life.store.halt()
    return life.store.stop(deadline_in(seconds))


def sleeps(life: Life, until: float = INF) -> bool:
    """True as soon as the thread of its store sleeps until this instant."""
    clock = life.clock
    return isinstance(clock, SteppedClock) and clock.sleeps_until(until)


def saved_at(life: Life) -> float | None:
    """Seconds since the clock began when the file was written last."""
    text = life.store.figures()["saved_at"]
    return next((n / 10 for n in range(1000) if stamp(WALL + n / 10) == text), None)


def at_once(name: str = "a", target: Any = lambda: None, **options: Any) -> Check:
    """A check that is due as soon as the monitor starts, and every 10 s from then on; one run decides."""
    return Check(name, target, **{"every": 10.0, "initial_delay": 0, "fall": 1, "rise": 1, **options})


def recorded(monitor: Monitor, name: str = "a", n: int = 1) -> bool:
    """True as soon as so many results were recorded of this check."""
    return wait_until(lambda: sum(monitor.state(name).counts) >= n)


def figures(monitor: Monitor) -> dict[str, Any]:
    """What it says of its file."""
    state_file: dict[str, Any] = monitor.snapshot()["self"]["state_file"]
    return state_file


def told_problem(monitor: Monitor, problem: str) -> bool:
    """True as soon as it says this of its file."""
    return wait_until(lambda: figures(monitor)["problem"] == problem)


def read(path: Path) -> dict[str, Any]:
    """What the file says."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
    return content


def put(path: Path, text: Any, **changes: Any) -> None:
    """Write a file of ours by hand."""
    path.write_text(json.dumps({**text, **changes}), encoding="ascii")


def names(path: Path) -> list[str]:
    """What is in the folder."""
    return sorted(os.listdir(path.parent))


# There and back


def test_what_is_known_outlives_the_process(path: Path) -> None:
    """The next one shows the same of each check: status, counts, results, uptime, latency."""
    before = Life(path, "a", "b").see(*[PASS, PASS, FAIL, WARN] * 30, FAIL, FAIL).save()
    after = Life(path, "a", "b", wall=before.clock.time())
    assert before.registry.snapshot()["checks"] == after.registry.snapshot()["checks"]


def test_a_monitor_writes_it_and_reads_it(make: Callable[..., Monitor]) -> None:
    """From one life to the next, without another word."""
    with make([at_once()]) as monitor:
        assert recorded(monitor)
    again = make([at_once(initial_delay=5)]).start()
    assert ("up", {"pass": 1, "warn": 0, "fail": 0, "unknown": 0}) == (
        again.snapshot()["checks"]["a"]["status"],
        again.snapshot()["checks"]["a"]["counts"],
    )


def test_what_was_read_is_told(path: Path) -> None:
    """In `restored`, and as an event."""
    Life(path, "a", "b", "c").see(PASS).save()
    life = Life(path, "a", "b", "d")
    text = f"2 of 2 checks, as of {stamp(WALL + 10.0)}"
    event = life.registry.snapshot()["events"][-1]
    assert (text, "", "restored", text) == (life.restored, life.problem, event["kind"], event["detail"])


def test_without_a_file_nothing_is_said(path: Path) -> None:
    """That is how every file begins."""
    life = Life(path, "a")
    assert {"saved_at": None, "problem": "", "restored": ""} == life.store.figures()


def test_without_a_state_file_there_is_none(tmp_path: Path) -> None:
    """None in `self`, and nothing is written."""
    with Monitor([at_once()]) as monitor:
        assert recorded(monitor)
        assert None is monitor.snapshot()["self"]["state_file"]
    assert [] == os.listdir(tmp_path)


def test_nothing_happens_in_the_constructor(path: Path, make: Callable[..., Monitor]) -> None:
    """It is neither read nor written before the start."""
    path.write_text("nonsense")
    monitor = make([at_once()])
    assert ({"saved_at": None, "problem": "", "restored": ""}, "nonsense") == (figures(monitor), path.read_text())


def test_the_second_start_does_not_read_it(path: Path, make: Callable[..., Monitor]) -> None:
    """What the monitor knows is newer than the file."""
    monitor = make([at_once()])
    with monitor:
        assert recorded(monitor)
    path.unlink()
    with monitor:
        assert 1 <= sum(monitor.state("a").counts)
    assert ["a", "minimon"] == sorted(read(path)["checks"])


def test_the_latest_is_in_it_after_the_stop(path: Path, make: Callable[..., Monitor]) -> None:
    """It is written for the last time then."""
    calls: list[int] = []
    monitor = make([at_once(target=lambda: calls.append(1), every=0.01)]).start()
    assert recorded(monitor, n=5)
    assert monitor.stop()
    assert monitor.state("a").counts.pass_ == read(path)["checks"]["a"]["state"]["counts"][0]


def test_a_quick_restart_is_no_news(make: Callable[..., Monitor]) -> None:
    """Nobody is told again that a check is down, or up."""

    def fails() -> bool:
        return False

    with make([at_once(target=fails)]) as monitor:
        assert recorded(monitor)
    changes: list[Any] = []
    with make([at_once(target=fails)], on_change=changes.append) as monitor:
        assert recorded(monitor, n=2)
    assert [] == changes


def test_a_check_that_never_ran_is_awaited(path: Path) -> None:
    """One that was saved before its first run does not degrade the whole before it has run, as on any start."""
    before = Life(path, "a").see(PASS)
    before.add("b")
    before.save()
    after = Life(path, "a", "b", wall=WALL + 11.0)
    assert ("healthy", "healthy") == (before.registry.overall(), after.registry.overall())


@pytest.mark.parametrize("fade", ["stale", "paused"])
def test_what_nobody_looks_at_any_more_outlives_the_process(path: Path, fade: str) -> None:
    """A check that had grown old, or was paused, before the end."""
    before = Life(path, "a", "b").see(*[PASS] * 30).after(HOUR)
    if fade == "stale":
        before.registry.expire(before.checks["a"])
    else:
        before.registry.pause("a", True)
    before.save()
    assert 30 == Life(path, "a", "b", wall=WALL + 2 * HOUR).view()["counts"]["pass"]


# The file


def test_it_is_json_that_says_whose_it_is(path: Path) -> None:
    """Its first key is ours, so that a stranger's file is never taken for one."""
    Life(path, "a", name="mine").see(PASS).save()
    text = read(path)
    assert ((KEY, FORMAT), "mine", WALL + 10.0, ["a"]) == (
        next(iter(text.items())),
        text["name"],
        text["saved_at"],
        [*text["checks"]],
    )


@pytest.mark.parametrize("before", [None, 0o644])
def test_it_is_for_its_owner_only(path: Path, before: int | None) -> None:
    """Mode 0600, whatever the umask is and the file was."""
    if before is not None:
        path.write_text("")
        path.chmod(before)
    umask = os.umask(0)
    try:
        Life(path, "a").see(PASS).save()
    finally:
        os.umask(umask)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_nothing_else_is_left_in_the_folder(path: Path) -> None:
    """Neither after a write that went well, nor after one that did not."""
    life = Life(path, "a").see(PASS).save()
    path.unlink()
    path.mkdir()
    life.after(QUIET + 1).save().after(QUIET + 1).save()
    assert ("Is a directory", ["state.json"]) == (life.problem, names(path))


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    """What it leads to is written."""
    target = tmp_path / "volume"
    target.mkdir()
    path.symlink_to(target / "real.json")
    Life(path, "a").see(PASS).save()
    Life(path, "a").see(PASS).save()
    assert (True, ["real.json"]) == (path.is_symlink(), os.listdir(target))


def test_a_relative_path_is_meant_from_where_the_monitor_was_made(path: Path, tmp_path: Path) -> None:
    """A host that goes to another folder later, as daemons do, writes the same file."""
    folder = os.getcwd()
    os.chdir(tmp_path)
    try:
        life = Life(path.name, "a")
        os.chdir(tmp_path.parent)
        life.save()
    finally:
        os.chdir(folder)
    assert path.exists()


@pytest.mark.parametrize("form", [str, os.fsencode, Path])
def test_any_path_will_do(path: Path, form: Callable[[Path], Any]) -> None:
    """Text, bytes, or an object that is one."""
    Life(form(path), "a").save()
    assert path.exists()


@pytest.mark.parametrize("path", [5, 1.5, "", b"", [], "a\0b", object(), ROOT])
def test_what_is_no_path_is_an_error(path: Any) -> None:
    """At construction, with what was given."""
    with pytest.raises(ConfigError, match=r"^monitor: state_file must be "):
        Monitor(state_file=path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_what_is_no_regular_file_is_an_error(path: Path) -> None:
    """A pipe would be waited for, and a device replaced."""
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"^monitor: state_file must be "):
        Monitor(state_file=path)


def test_a_reader_finds_a_whole_file_at_any_moment(path: Path) -> None:
    """While it is written again and again, and checks come, go and are polled."""
    life = Life(path, *map(str, range(20))).see(PASS).save()
    broken, done = [], threading.Event()

    def reads() -> None:
        while not done.is_set():
            try:
                read(path)
            except Exception as error:
                broken.append(error)

    def changes() -> None:
        while not done.is_set():
            life.registry.add(Check("more", "http://localhost/"), INF)
            life.see(PASS, every=0.01)
            life.registry.remove("more")

    threads = [threading.Thread(target=each) for each in (reads, changes)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        life.save()
    done.set()
    for thread in threads:
        thread.join(10.0)
    assert ([], "") == (broken, life.problem)


def test_unfinished_files_of_the_killed_are_cleared(path: Path) -> None:
    """When they are old; what is younger, or called otherwise, may be somebody's."""
    for name, age in (("4711.tmp", LEFTOVER + 60), ("4712.tmp", 60), ("x.tmp", LEFTOVER + 60), ("bak", LEFTOVER + 60)):
        other = path.with_name(f"{path.name}.{name}")
        other.write_text("{")
        os.utime(other, (other.stat().st_atime, other.stat().st_mtime - age))
    Life(path, "a")
    assert ["state.json.4712.tmp", "state.json.bak", "state.json.x.tmp"] == names(path)


# What is not ours, or broken


def text_of(path: Path) -> dict[str, Any]:
    """What a file of ours says, of one check that was seen for an hour."""
    Life(path, "a").see(*[PASS] * 120, every=30.0).save()
    return read(path)


FOREIGN: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "a text": lambda text: b"my notes\n",
    "other JSON": lambda text: b'{"checks": []}',
    "a list": lambda text: b"[1, 2]",
    "binary": lambda text: bytes(range(256)),
    "zeros": lambda text: bytes(4096),
    "our word elsewhere": lambda text: json.dumps({"a": 1, **text}).encode(),
    "a newer form": lambda text: json.dumps({**text, KEY: FORMAT + 1}).encode(),
    "another monitor's": lambda text: json.dumps({**text, "name": "other"}).encode(),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_never_overwritten(path: Path, kind: str) -> None:
    """It is said that it is left alone, and nothing is saved however long that lasts."""
    content = FOREIGN[kind](text_of(path))
    path.write_bytes(content)
    life = Life(path, "a").see(PASS).save().after(DAY).save()
    assert (content, True, ["state.json"]) == (path.read_bytes(), "is left alone" in life.problem, names(path))


def test_a_foreign_file_that_came_later_is_not_overwritten(path: Path) -> None:
    """Somebody has put it there while the monitor ran, and does not touch it any more."""
    life = Life(path, "a").see(PASS).save()
    path.unlink()
    path.write_text("my notes")
    for _ in range(10):
        life.after(QUIET / 2).save()
    assert ("my notes", False) == (path.read_text(), life.problem == "")


@pytest.mark.skipif(MIGHTY, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_not_overwritten(path: Path) -> None:
    """Nobody knows whose it is."""
    path.write_text("my notes")
    path.chmod(0)
    life = Life(path, "a").see(PASS)
    before = life.problem
    for _ in range(10):
        life.after(QUIET / 2).save()
    path.chmod(0o600)
    assert ("cannot be read: Permission denied", "my notes") == (before, path.read_text())


def changed(**values: Any) -> Callable[[dict[str, Any]], bytes]:
    """A file of which some of the head says something else."""
    return lambda text: json.dumps({**text, **values}).encode()


CORRUPT: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "cut at the end": lambda text: json.dumps(text).encode()[:-1],
    "cut in the midst": lambda text: json.dumps(text).encode()[:500],
    "cut after its name": lambda text: f'{{"{KEY}"'.encode(),
    "the form alone": lambda text: json.dumps({KEY: FORMAT}).encode(),
    "twice": lambda text: json.dumps(text).encode() * 2,
    "not UTF-8": lambda text: json.dumps(text).encode().replace(b'"minimon"', b'"minim\xff"'),
    "NaN": changed(timeline=math.nan),
    "Infinity": changed(saved_at=INF),
    "too large a number": lambda text: json.dumps({**text, "pid": 0}).replace('"pid": 0', '"pid": 1e999').encode(),
    "too deep": lambda text: json.dumps(text)[:-1].encode() + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a form that is a text": changed(**{KEY: "1"}),
    "no time": changed(saved_at=None),
    "no timeline": changed(timeline=[]),
    "a list of checks": changed(checks=[1, 2]),
    "no checks": changed(checks=None),
    "a check that is a text": changed(checks={"a": "up"}),
    "a check that is null": changed(checks={"a": None}),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_corrupt_file_is_kept_beside(path: Path, kind: str) -> None:
    """What is known begins anew, which is said, and is saved from then on."""
    content = CORRUPT[kind](text_of(path))
    path.write_bytes(content)
    life = Life(path, "a")
    said = r"began anew, for the file is corrupt \(.+\); it is kept as state\.json\.corrupt"
    assert re.fullmatch(said, life.restored)
    life.see(PASS).save()
    assert (content, "", 1) == (
        path.with_name("state.json.corrupt").read_bytes(),
        life.problem,
        read(path)["checks"]["a"]["state"]["passes"],
    )


@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_an_empty_file_is_as_good_as_none(path: Path, content: bytes) -> None:
    """As mktemp makes it."""
    path.write_bytes(content)
    life = Life(path, "a").see(PASS).save()
    assert ("", ["a"], ["state.json"]) == (life.problem, [*read(path)["checks"]], names(path))


@pytest.mark.parametrize("kind", ["a text", "a newer form", "cut in the midst", "too deep", "no checks"])
def test_a_monitor_polls_whatever_its_file_is(path: Path, make: Callable[..., Monitor], kind: str) -> None:
    """And is healthy or degraded by its checks, as ever."""
    path.write_bytes({**FOREIGN, **CORRUPT}[kind](text_of(path)))
    monitor = make([at_once(every=0.01)]).start()
    assert recorded(monitor, n=2) and monitor.is_healthy()
    json.dumps(monitor.snapshot(), allow_nan=False)


def test_a_broken_check_alone_begins_anew(path: Path) -> None:
    """The others have their histories."""
    Life(path, "a", "b", "c").see(PASS).save()
    text = read(path)
    del text["checks"]["b"]["uptime"]
    put(path, text)
    life = Life(path, "a", "b", "c")
    assert ("2 of 3 checks", [1, 0, 1]) == (
        life.restored.partition(",")[0],
        [life.view(name)["counts"]["pass"] for name in "abc"],
    )


def test_another_target_begins_anew(path: Path) -> None:
    """A check of the same name says nothing of another address."""
    Life(path, a="http://localhost/a", b="http://localhost/b").see(PASS).save()
    life = Life(path, a="http://localhost/a", b="http://localhost/c")
    views = life.view("a"), life.view("b")
    assert [("up", 1), ("unknown", 0)] == [(view["status"], view["counts"]["pass"]) for view in views]


@pytest.mark.parametrize("value", [1e13, 1e20, 1e300, -1e300, "inf", "nan"])
def test_a_timeline_of_nonsense_is_not_gone_on_with(path: Path, value: Any) -> None:
    """From an instant beyond all calendars no history could go on, and the statistics would not come to an end."""
    put(path, text_of(path), timeline=value)
    timeline = Life(path, "a").registry.timeline
    assert True is (0.0 <= timeline < 1e12)


@pytest.mark.parametrize("value", [WALL + 10 * DAY, 1e13, 1e300])
def test_an_instant_that_is_yet_to_come_makes_no_uptime(path: Path, value: float) -> None:
    """A check that was seen in the future, as a damaged file has it, is covered from now on, and not for the hour in
    which it was not watched."""
    text = text_of(path)
    text["checks"]["a"]["seen"] = value
    put(path, text)
    life = Life(path, "a", wall=WALL + 2 * HOUR).see(*[PASS] * 121, every=30.0)
    assert (1.0, True) == (life.window("1h")["coverage"], life.window("24h")["coverage"] * DAY < 2.1 * HOUR)


# Time


@pytest.mark.parametrize(("off", "status"), [(0.5, "up"), (19.5, "up"), (20.5, "unknown"), (DAY, "unknown")])
def test_what_is_still_fresh_keeps_its_status(path: Path, off: float, status: str) -> None:
    """As long as the result would have counted without the restart; seen 5 s before the end, it counts for 25 s."""
    before = Life(path, "a").see(PASS).after(5.0).save()
    assert status == Life(path, "a", wall=before.clock.time() + off).view()["status"]


def test_freshness_goes_on_to_run_out(path: Path) -> None:
    """After the restart too."""
    before = Life(path, "a").see(PASS).save()
    life = Life(path, "a", wall=before.clock.time() + 10.0)
    fresh = life.view()["status"], life.after(15.0).view()["status"]
    assert (("up", "up"), "unknown") == (fresh, life.after(0.1).view()["status"])


def test_what_has_grown_old_did_so_in_its_time(path: Path) -> None:
    """It is unknown since then, and says why."""
    Life(path, "a").see(PASS).save()
    view = Life(path, "a", wall=WALL + HOUR).view()
    assert ("unknown", stamp(WALL + 10.0 + LASTS), "stale: no run finished in time") == (
        view["status"],
        view["since"],
        view["explanation"],
    )


def test_time_switched_off_is_not_covered(path: Path) -> None:
    """Half an hour of an hour: the ratio is of the rest."""
    before = Life(path, "a").see(*[PASS] * 60, FAIL, FAIL, *[PASS] * 58, every=30.0).save()
    window = before.window("1h")
    life = Life(path, "a", wall=before.clock.time() + 1800.0).see(*[PASS] * 60, every=30.0)
    after = life.window("1h")
    assert ((60.0, 1), (0.0, 0), round(1770 / 3600, 6)) == (
        (window["down_s"], window["incidents"]),
        (after["down_s"], after["incidents"]),
        after["coverage"],
    )


def test_down_before_and_after_is_one_incident(path: Path) -> None:
    """And the time between is no downtime."""
    before = Life(path, "a").see(PASS, *[FAIL] * 11).save()
    life = Life(path, "a", wall=before.clock.time() + HOUR).see(*[FAIL] * 11)
    assert (1, 200.0) == (life.window("24h")["incidents"], life.window("24h")["down_s"])


JUMPS = [[0.0], [-DAY], [-HOUR / 2], [10 * DAY], [10 * DAY, -10 * DAY], [-400 * DAY, 400 * DAY]]


@pytest.mark.parametrize("jumps", JUMPS)
def test_a_wall_clock_that_was_set_rewrites_no_history(path: Path, jumps: list[float]) -> None:
    """Ahead or back between two lives: what was down was, nothing is counted twice, and it goes on."""
    life = Life(path, "a").see(*[PASS] * 30, *[FAIL] * 21, *[PASS] * 69, every=30.0).save()
    for jump in jumps:
        life = Life(path, "a", wall=life.clock.time() + jump).see(*[PASS] * 121, every=30.0).save()
    window = life.window("90d")
    lives = 1 + len(jumps)
    assert (630.0, 1, 3600.0 * lives) == (
        window["down_s"],
        window["incidents"],
        life.window("1h")["coverage"] * 3600.0 * lives,
    )
    assert sum(life.registry.state("a").counts) == 120 + 121 * len(jumps)


# Checks that come and go


def test_a_check_that_comes_later_gets_its_history(make: Callable[..., Monitor]) -> None:
    """When it is added while the monitor runs."""
    with make([at_once("a"), at_once("b")]) as monitor:
        assert recorded(monitor, "a") and recorded(monitor, "b")
    monitor = make([at_once("a")]).start()
    monitor.add(at_once("b", initial_delay=5))
    view = monitor.snapshot()["checks"]["b"]
    assert ("up", 1) == (view["status"], view["counts"]["pass"])


def test_the_history_of_a_check_that_is_not_there_is_kept(path: Path) -> None:
    """In the file, for the day on which it comes back; time goes on for it meanwhile."""
    Life(path, "a", "b").see(PASS).save()
    for _ in range(3):
        Life(path, "a", wall=WALL + HOUR).see(PASS).save()
    life = Life(path, "a", "b", wall=WALL + HOUR + 11.0)
    assert (("up", 4), ("unknown", 1)) == (
        (life.view("a")["status"], life.view("a")["counts"]["pass"]),
        (life.view("b")["status"], life.view("b")["counts"]["pass"]),
    )


def test_a_check_that_was_removed_is_forgotten(path: Path) -> None:
    """By the file too."""
    life = Life(path, "a", "b").see(PASS).save()
    life.registry.remove("b")
    life.save()
    assert ["a"] == [*read(path)["checks"]]


def test_a_name_that_comes_again_in_the_same_life_begins_anew(make: Callable[..., Monitor]) -> None:
    """Who removes a check wants to forget it; the file does not bring it back."""
    with make([at_once()]) as monitor:
        assert recorded(monitor)
    monitor = make([at_once(initial_delay=5)]).start()
    before = sum(monitor.state("a").counts)
    monitor.remove("a")
    monitor.add(at_once(initial_delay=5))
    assert (1, 0) == (before, sum(monitor.state("a").counts))


def test_histories_of_no_use_are_dropped(path: Path) -> None:
    """When the longest window is over."""
    Life(path, "a", "b").see(PASS).save()
    kept = Life(path, "a", wall=WALL + OLDEST - 60.0).save()
    soon = [*read(path)["checks"]]
    kept.after(120.0).save()
    assert (["b", "a"], ["a"]) == (soon, [*read(path)["checks"]])


def test_no_more_histories_are_kept_than_are_bounded(path: Path) -> None:
    """Of checks that nobody has any more."""
    put(path, text_of(path), checks={str(number): {} for number in range(MOST + 5)})
    Life(path, "a", wall=WALL + HOUR).save()
    kept = [*read(path)["checks"]]
    assert (MOST + 1, "5", "a") == (len(kept), kept[0], kept[-1])


@pytest.mark.parametrize("value", ["yesterday", None, [], True, -1, 10**400])
def test_a_broken_history_of_nobody_does_not_keep_the_others_from_being_saved(path: Path, value: Any) -> None:
    """Whatever stands in it is not looked at before the check comes."""
    text = text_of(path)
    put(path, text, checks={**text["checks"], "gone": {"saved_at": value, "x": [value]}})
    life = Life(path, "a", wall=WALL + HOUR).see(PASS).save()
    assert ("", WALL + HOUR + 10.0) == (life.problem, read(path)["saved_at"])


# What goes wrong


@pytest.mark.parametrize("place", ["missing/state.json", "file/state.json", "file/deeper/state.json"])
def test_a_folder_that_is_none_stops_nothing(tmp_path: Path, make: Callable[..., Monitor], place: str) -> None:
    """It is said what is wrong, the monitor's check of itself is degraded by it, and the others are polled."""
    (tmp_path / "file").write_text("")
    monitor = make([at_once(every=0.01)], state_file=tmp_path / place).start()
    problem = "No such file or directory" if "missing" in place else "Not a directory"
    assert told_problem(monitor, problem) and recorded(monitor, n=5)
    own = monitor.snapshot()["checks"]["minimon"]
    said = own["status"], own["last"]["detail"], monitor.overall()
    assert ("degraded", f"state file: {problem}", "degraded") == said


def test_a_folder_that_comes_later_is_written_to(tmp_path: Path, run: Run) -> None:
    """It is tried again after 10 s, and is no problem any more then."""
    place = tmp_path / "missing" / "state.json"
    life = run("a", path=place)
    assert sleeps(life, 100.0 + SELDOM)
    before = life.problem
    place.parent.mkdir()
    life.clock.advance(SELDOM)
    assert sleeps(life)
    assert ("No such file or directory", "", True) == (before, life.problem, place.exists())


def test_a_problem_is_told_until_the_file_is_written(tmp_path: Path) -> None:
    """It does not come and go with each attempt, and the monitor's check of itself with it."""
    place = tmp_path / "missing" / "state.json"
    life = Life(place, "a", "b", registry=Held).see(PASS).save()
    place.parent.mkdir()
    thread = threading.Thread(target=life.save)
    thread.start()
    assert isinstance(life.registry, Held) and life.registry.begun.wait(5.0)
    meanwhile = life.problem
    life.registry.free.set()
    thread.join(5.0)
    assert ("No such file or directory", "") == (meanwhile, life.problem)


def test_a_problem_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As long as it lasts, and again when it comes back."""
    place = tmp_path / "missing" / "state.json"
    life = Life(place, "a").save().save()
    place.parent.mkdir()
    life.save()
    place.unlink()
    place.parent.rmdir()
    life.save().save()
    lines = [record.getMessage() for record in caplog.records if record.name == "minimon.store"]
    assert [f"state file {place.resolve()}: No such file or directory"] * 2 == lines


def test_a_directory_in_its_place_stops_nothing(path: Path, make: Callable[..., Monitor]) -> None:
    """One that was made between construction and start."""
    monitor = make([at_once(every=0.01)])
    path.mkdir()
    monitor.start()
    assert recorded(monitor, n=3) and wait_until(lambda: figures(monitor)["problem"])
    assert [] == os.listdir(path)


@pytest.mark.skipif(MIGHTY, reason="root may write everywhere")
def test_a_folder_that_is_read_only_stops_nothing(path: Path) -> None:
    """It is read, which is said, and so is that it is not written."""
    Life(path, "a").see(PASS).save()
    path.parent.chmod(0o500)
    life = Life(path, "a").see(PASS).save()
    path.parent.chmod(0o700)
    assert ("1 of 1 checks", "Permission denied") == (life.restored.partition(",")[0], life.problem)


FULL_DISK = """
import json, os, resource, sys
sys.path.insert(0, "tests")
from test_store import FAIL, PASS, Life, names, read, Path
path = Path(sys.argv[1])
life = Life(path, *"abcdefgh").see(PASS).save()
limits, before = resource.getrlimit(resource.RLIMIT_FSIZE), path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
life.see(FAIL).save()
full = life.problem, path.read_bytes() == before, names(path), len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
life.save()
print(json.dumps([*full[:3], life.problem, read(path)["saved_at"], len(os.listdir("/proc/self/fd")) - full[3]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted on Linux only")
def test_a_full_disk_is_told_and_recovered_from(path: Path) -> None:
    """The file stays what it was, nothing is left beside it, no descriptor is open; it is written when it can be."""
    ended = python(f"import sys; sys.argv[1:] = [{str(path)!r}]\n{FULL_DISK}")
    assert "" == ended.stderr
    assert ["File too large", True, ["state.json"], "", WALL + 20.0, 0] == json.loads(ended.stdout)


# The thread


def test_it_is_written_by_a_thread_of_its_own(make: Callable[..., Monitor]) -> None:
    """A daemon that is there between start and stop."""
    monitor = make([at_once()])
    before = our_threads()
    monitor.start()
    thread = next(each for each in threading.enumerate() if each.name == "minimon-store")
    assert monitor.stop()
    assert ([], True, False) == (before, thread.daemon, thread.is_alive())


def test_it_is_written_at_the_start(run: Run) -> None:
    """So that what is wrong with it is known at once."""
    life = run("a")
    assert sleeps(life)
    assert (0.0, "") == (saved_at(life), life.problem)


def test_a_change_is_written_within_a_second(run: Run) -> None:
    """But no earlier than a second after the one before."""
    life = run("a")
    assert sleeps(life)
    life.clock.advance(0.3)
    life.store.touch(True)
    assert sleeps(life, 100.0 + SOON)
    life.clock.advance(0.7)
    assert sleeps(life)
    assert SOON == saved_at(life)


def test_a_change_after_a_while_is_written_at_once(run: Run) -> None:
    """There is nothing to wait for."""
    life = run("a")
    assert sleeps(life)
    life.clock.advance(5.0)
    life.store.touch(True)
    assert wait_until(lambda: saved_at(life) == 5.0)


def test_without_a_change_it_is_written_every_ten_seconds(run: Run) -> None:
    """While there are polls."""
    life, seen = run("a"), []
    for _ in range(3):
        assert sleeps(life)
        life.store.touch(False)
        assert sleeps(life, 100.0 + (saved_at(life) or 0.0) + SELDOM)
        life.clock.advance(SELDOM)
        assert sleeps(life)
        seen.append(saved_at(life))
    assert [10.0, 20.0, 30.0] == seen


def test_a_change_does_not_wait_for_the_ten_seconds(run: Run) -> None:
    """It overtakes what had time."""
    life = run("a")
    assert sleeps(life)
    life.store.touch(False)
    assert sleeps(life, 100.0 + SELDOM)
    life.clock.advance(4.0)
    life.store.touch(True)
    assert wait_until(lambda: saved_at(life) == 4.0)


def test_many_changes_are_written_once_a_second(run: Run) -> None:
    """However many there are."""
    life, seen = run("a"), set()
    for _ in range(50):
        assert wait_until(lambda: (life.clock.until or 0.0) > life.clock.monotonic())  # type: ignore[attr-defined]
        seen.add(saved_at(life))
        for _ in range(10):
            life.store.touch(True)
        life.clock.advance(0.1)
    assert {0.0, 1.0, 2.0, 3.0, 4.0} >= seen


@pytest.mark.parametrize("kind", ["no checks", "paused"])
def test_nobody_wakes_up_while_nothing_is_polled(make: Callable[..., Monitor], kind: str) -> None:
    """The store's thread sleeps for ever then, however much time passes."""
    clock = SleepersClock()
    monitor = make([] if kind == "no checks" else [at_once()], clock=clock).start()
    if kind == "paused":
        assert recorded(monitor)
        monitor.pause("a")
    for _ in range(3):  # what there is to write is written by then
        assert wait_until(clock.sleep)
        clock.advance(SELDOM)
    assert wait_until(lambda: clock.until.get("minimon-store") == INF)
    before = clock.waits["minimon-store"]
    for _ in range(10):
        clock.advance(HOUR)
    assert (before, INF) == (clock.waits["minimon-store"], clock.until["minimon-store"])


def test_polls_are_written_every_ten_seconds_and_changes_within_one(make: Callable[..., Monitor], path: Path) -> None:
    """As a Monitor has it, with a target that goes down after a while."""
    clock, up = SleepersClock(), [True]
    monitor = make([at_once(target=lambda: up[0], every=6.0)], clock=clock).start()
    clock.let_pass(33.0, monitor)
    regular = clock.time() - read(path)["saved_at"]
    up[0] = False
    clock.let_pass(5.0, monitor)
    text = read(path)
    state = text["checks"]["a"]["state"]
    assert (True, "down", True) == (regular <= SELDOM, state["status"], text["saved_at"] - state["since"] <= SOON)


def test_stop_writes_it_for_the_last_time(run: Run, path: Path) -> None:
    """Whatever was seen since."""
    life = run("a")
    assert sleeps(life)
    life.see(PASS, PASS)
    assert stopped(life, 5.0)
    assert 2 == read(path)["checks"]["a"]["state"]["counts"][0]


def test_a_run_that_hangs_does_not_cost_the_last_write(make: Callable[..., Monitor], path: Path) -> None:
    """What was seen is in the file when stop() returns, though its time was over with waiting for a target."""
    leave, calls = threading.Event(), [0]

    def counts() -> None:
        calls[0] += 1

    monitor = make([at_once("hangs", lambda: leave.wait(20.0)), at_once("a", counts, every=0.01)]).start()
    assert recorded(monitor, n=10)
    stopped = monitor.stop(0.2)
    seen = read(path)["checks"]["a"]["state"]["counts"][0]
    leave.set()
    assert (False, monitor.state("a").counts.pass_) == (stopped, seen)


def test_a_write_that_hangs_does_not_hold_up_the_stop(run: Run) -> None:
    """It is said that the thread has not ended; it ends when the write does."""
    life = run("a", registry=Held)
    registry = life.registry
    assert isinstance(registry, Held) and registry.begun.wait(5.0)
    ended = stopped(life, 0.05)
    registry.free.set()
    assert (False, True) == (ended, stopped(life, 5.0))


def test_a_start_while_the_last_write_hangs_makes_one_thread(run: Run) -> None:
    """The one before does not come to life again."""
    life = run("a", registry=Held)
    registry = life.registry
    assert isinstance(registry, Held) and registry.begun.wait(5.0)
    stopped(life, 0.0)
    life.store.start()
    registry.free.set()
    one = wait_until(lambda: our_threads() == ["minimon-store"], 1.0)
    stopped(life, 5.0)
    assert (True, True) == (one, wait_until(lambda: our_threads() == [], 1.0))


def test_a_log_handler_may_stop_the_monitor(tmp_path: Path) -> None:
    """On the store's own thread too, as from any other."""
    stopped: list[bool] = []
    place = tmp_path / "missing" / "state.json"
    monitor = Monitor([at_once()], state_file=place, on_stop=lambda _: stopped.append(True))

    class Stops(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            monitor.stop()

    handler, logger = Stops(), logging.getLogger("minimon.store")
    logger.addHandler(handler)
    try:
        monitor.start()
        assert wait_until(lambda: not monitor.running)
        assert wait_until(lambda: our_threads() == [])
    finally:
        logger.removeHandler(handler)
        monitor.stop()
    assert [True] == stopped


def test_nothing_is_left_after_the_stop(path: Path, make: Callable[..., Monitor]) -> None:
    """No descriptor, no thread, no file but the one."""
    with make([at_once(every=0.01)]) as monitor:
        assert recorded(monitor)
    before = descriptors()
    for _ in range(5):
        with make([at_once(every=0.01)]) as monitor:
            assert recorded(monitor)
    assert (before, [], ["state.json"]) == (descriptors(), our_threads(), names(path))


# Two on one file


def pair(path: Path) -> tuple[Life, Life]:
    """Two that write the same file, on one clock; the second was started later."""
    clock = FakeClock(100.0, wall=WALL)
    first = Life(path, "a", clock=clock).save()
    return first, Life(path, "a", clock=clock)


def test_of_two_one_steps_back_and_says_so(path: Path) -> None:
    """The one that finds that the other was there later."""
    first, second = pair(path)
    second.see(PASS).save()
    first.save()
    assert ((OTHER, ""), 1) == ((first.problem, second.problem), read(path)["checks"]["a"]["state"]["counts"][0])


def test_of_two_always_the_same_one_writes(path: Path) -> None:
    """While both are there, and polling."""
    first, second = pair(path)
    rounds = []
    for _ in range(30):
        second.see(PASS).save()
        first.save()
        rounds.append((first.problem, second.problem))
    assert [(OTHER, "")] * 30 == rounds


def test_who_stepped_back_takes_over_when_the_other_is_gone(path: Path) -> None:
    """After QUIET seconds in which nobody else wrote it."""
    first, second = pair(path)
    second.see(PASS).save()
    first.save()
    waited = [first.after(10.0).save().problem for _ in range(2)]
    assert ([OTHER, OTHER], "") == (waited, first.after(QUIET - 19.9).save().problem)


def test_the_last_words_of_one_that_was_replaced_are_not_written(path: Path) -> None:
    """In a rolling restart the new one begins before the old one ends."""
    old, new = pair(path)
    new.see(PASS).save()
    before = path.read_bytes()
    old.see(FAIL).save()
    assert before == path.read_bytes()


def test_a_file_that_was_removed_is_written_again(path: Path) -> None:
    """Nobody else is there for that."""
    life = Life(path, "a").save()
    path.unlink()
    life.save()
    assert ("", True) == (life.problem, path.exists())


def test_two_of_the_same_process_number_leave_a_whole_file(path: Path) -> None:
    """As in two containers with one volume: each is the first process of its own."""
    lives = [Life(path, "a", "b", registry=Held), Life(path, "a", "b", registry=Held)]
    threads = [threading.Thread(target=life.see(PASS).save) for life in lives]
    found = []
    for thread, life in zip(threads, lives):
        thread.start()
        assert isinstance(life.registry, Held) and life.registry.begun.wait(5.0)
    for thread, life in zip(threads, lives):
        assert isinstance(life.registry, Held)
        life.registry.free.set()
        thread.join(5.0)
        found.append([*read(path)["checks"]])
    assert ([["a", "b"]] * 2, ["state.json"]) == (found, names(path))


SECOND = """
import sys
from minimon import Check, Monitor
with Monitor([Check("a", "http://localhost/", initial_delay=60)], state_file=sys.argv[1]):
    pass
"""


@pytest.mark.slow
def test_two_processes_on_one_file(path: Path) -> None:
    """A second one comes and goes: the first steps back, and takes over."""
    first = Life(path, "a").save()
    assert 0 == python(f"import sys; sys.argv[1:] = [{str(path)!r}]\n{SECOND}").returncode
    said, writer = first.save().problem, read(path)["pid"]
    assert (OTHER, True, "") == (said, writer != os.getpid(), first.after(QUIET + 0.1).save().problem)
    assert os.getpid() == read(path)["pid"]


# Forks


@forks
@pytest.mark.slow
@pytest.mark.parametrize("hooks", [True, False])
def test_the_child_neither_writes_nor_waits(path: Path, hooks: bool) -> None:
    """Though the store's lock was held at the fork: it has no thread, and the file is its parent's."""
    script = f"""
path = {str(path)!r}
monitor = minimon.Monitor(checks(), state_file=path).start()
assert wait_until(lambda: monitor.snapshot()["self"]["state_file"]["saved_at"] and calls > 3)
held, leave = threading.Event(), threading.Event()

def hold():
    with monitor._store._lock:
        held.set()
        leave.wait(20)

threading.Thread(target=hold, daemon=True).start()
assert held.wait(5)

def child():
    before = os.stat(path)
    monitor.snapshot(), monitor.add(minimon.Check("new", count)), monitor.remove("new")
    same = (before.st_ino, before.st_mtime_ns) == (os.stat(path).st_ino, os.stat(path).st_mtime_ns)
    return monitor.stop() and same and our_threads() == [] and os.listdir(os.path.dirname(path)) == ["state.json"]

codes = ended(in_child(child))
leave.set()
print(codes, monitor.stop())
"""
    assert "[0] True" == told(script, hooks)


@forks
@pytest.mark.slow
def test_the_child_may_start_it_and_write(path: Path) -> None:
    """When its parent does not; what was known at the fork is in its file."""
    script = f"""
path = {str(path)!r}
monitor = minimon.Monitor(checks(3), state_file=path)
with monitor:
    assert wait_until(lambda: calls > 10)

def child():
    with monitor:
        assert wait_until(lambda: json.load(open(path))["pid"] == os.getpid())
    return sum(json.load(open(path))["checks"]["0"]["state"]["counts"]) >= 3

warnings.simplefilter("ignore", ResourceWarning)
print(ended(in_child(child)), our_threads())
"""
    assert "[0] []" == told(script)


# The end without notice


KILLED = """
path = {path!r}
flips = [0]

def flip():
    flips[0] += 1
    return flips[0] % 3 != 0

def made():
    names = map(str, range(12))
    return minimon.Monitor(
        [minimon.Check(name, flip, every=0.01, fall=1, rise=1, initial_delay=0) for name in names], state_file=path
    )

def lives(ready):
    while True:
        with made():
            os.write(ready, b".")

with made():
    pass
pause, found = threading.Event(), []
for moment in {moments!r}:
    born, ready = os.pipe()
    pid = in_child(lambda: lives(ready))
    os.read(born, 1)
    pause.wait(moment)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(born), os.close(ready)
    with open(path, encoding="ascii") as file:
        whole = sorted(json.load(file)["checks"]) == sorted(["minimon", *map(str, range(12))])
    with made() as monitor:
        figures = monitor.snapshot()["self"]["state_file"]
    restored, _, known, _ = figures["restored"].partition(",")[0].split()
    found.append((whole, restored == known != "0", figures["problem"]))
print(json.dumps(found))
"""


@forks
@pytest.mark.slow
@pytest.mark.parametrize("times", [5, pytest.param(50, marks=pytest.mark.long)])
def test_a_process_that_is_killed_leaves_a_whole_file(path: Path, times: int) -> None:
    """At random moments of one that does hardly anything but write it."""
    chance = random.Random(9)
    moments = [chance.uniform(0.0, 0.04) for _ in range(times)]
    assert [[True, True, ""]] * times == json.loads(told(KILLED.format(path=str(path), moments=moments)))


class Hourly:
    """A target that is down for seven minutes of each hour."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self) -> bool:
        return not 20 * MINUTE <= self.clock.time() % HOUR < 27 * MINUTE


def hourly(path: str, clock: Clock, delay: float) -> Monitor:
    """A monitor of such a target."""
    check = at_once(target=Hourly(clock), every=2 * MINUTE, initial_delay=delay)
    return Monitor([check], state_file=path, clock=clock).start()


def two_hours(path: str) -> None:
    """For a process of its own: watch it for two hours, print what is known of it, and wait for the end."""
    clock = SleepersClock()
    monitor = hourly(path, clock, 0.0)
    clock.let_pass(2 * HOUR + 15.0, monitor)
    print(json.dumps([clock.time(), monitor.snapshot()["checks"]["a"]["uptime"]["24h"]]), flush=True)
    threading.Event().wait(30.0)


@pytest.mark.slow
def test_the_uptime_outlives_kill_9(path: Path) -> None:
    """The ratio is the same within 0.1%, and the ten minutes until the restart are not covered."""
    code = f"import sys; sys.path.insert(0, 'tests'); import test_store; test_store.two_hours({str(path)!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            wall, before = json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGKILL)
    clock = SleepersClock(5.0, wall=wall + 10 * MINUTE)
    monitor = hourly(str(path), clock, 30.0)
    after = monitor.snapshot()["checks"]["a"]["uptime"]["24h"]
    clock.let_pass(30.0 + 10 * MINUTE, monitor)
    assert recorded(monitor, n=67) and monitor.stop()
    later = monitor.snapshot()["checks"]["a"]["uptime"]["24h"]
    assert (2, 2) == (before["incidents"], after["incidents"])
    assert pytest.approx(before["ratio"], abs=0.001) == after["ratio"]
    assert pytest.approx((7200.0, 7200.0, 7800.0), abs=1.0) == tuple(
        window["coverage"] * DAY for window in (before, after, later)
    )


# Damage


def steady() -> None:
    """A target that is up."""


TOKENS = [
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0.5", b"null", b"true", b'"x"', b'"nan"', b"[]", b"{}", b"9" * 5000),
    *(b"[" * deep + b"]" * deep for deep in (100, 300, 900, 3000, 100_000)),
    *(b'{"x": ' * deep + b"1" + b"}" * deep for deep in (300, 100_000)),
]
"""What a number is replaced by."""


def torn(chance: random.Random, content: bytes) -> bytes:
    """A file as disks and editors leave it."""
    at, end = sorted(chance.randrange(len(content)) for _ in range(2))
    kind = chance.choice(("cut", "hole", "zeros", "doubled", "bits", "bits", "token", "token", "token"))
    if kind == "bits":
        flipped = bytearray(content)
        for _ in range(chance.choice((1, 3, 30))):
            flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    if kind == "token":
        number = chance.choice([*re.finditer(rb"-?\d+(\.\d+)?", content)])
        return content[: number.start()] + chance.choice(TOKENS) + content[number.end() :]
    middle = {"cut": b"", "hole": content[end:], "zeros": bytes(end - at) + content[end:], "doubled": content}
    return content[:at] + middle[kind]


def changed_within(chance: random.Random, text: dict[str, Any]) -> bytes:
    """A file that is JSON, but in which something else stands: in each check, and now and then in the head."""
    text = {**text, "checks": {name: damaged(chance, plain) for name, plain in text["checks"].items()}}
    if chance.random() < 0.5:
        key = chance.choice([*text])
        text[key] = chance.choice([odd(chance, text[key]), 1e13, 1e20, 1e300, -1e300, "inf", "nan"])
    return json.dumps(text).encode()


def fuzz(folder: str, seed: int, batches: int) -> list[str]:
    """What goes wrong with monitors that read damaged files, ten at a time."""
    chance, place, found = random.Random(seed), Path(folder) / "whole", list[str]()
    known = {f"check {number}": steady for number in range(4)}
    life = Life(place, **known, gone=steady)
    content = life.see(*[*[PASS] * 9, FAIL, FAIL, WARN] * 10, every=61.0).save() and place.read_bytes()
    text = json.loads(content)
    for batch in range(batches):
        hosts = []
        for number in range(10):
            path = Path(folder) / f"{batch}-{number}"
            path.write_bytes(torn(chance, content) if number % 2 else changed_within(chance, text))
            clock = SleepersClock(5.0, wall=WALL + 3 * HOUR)
            checks = [at_once(name, steady) for name in known]
            hosts.append((path, path.read_bytes(), clock, Monitor(checks, state_file=path, clock=clock).start()))
        for path, _, clock, monitor in hosts * 2:
            found += [f"{path.name}: {name} is not polled" for name in known if not sees(monitor, name, clock)][:1]
            views = monitor.snapshot()["checks"]
            found += [f"{path.name}: {name}: {what}" for name, view in views.items() for what in nonsense(view)]
            if found:
                return found
            clock.let_pass(10.0, monitor)
        for path, damage, _, monitor in hosts:
            json.dumps(monitor.snapshot(), allow_nan=False)
            assert monitor.stop(5.0)
            problem = figures(monitor)["problem"]
            if "is left alone" in problem:
                problem = "" if path.read_bytes() == damage else "it is not left alone"
            elif not problem:
                problem = Life(path, **known).restored.replace("4 of 4", "").partition(" checks, as of ")[0]
            found += [f"{path.name}: {problem}"] if problem else []
    return found


def sees(monitor: Monitor, name: str, clock: FakeClock) -> bool:
    """True as soon as its latest result is of now."""

    def last() -> float:
        result = monitor.state(name).last
        return 0.0 if result is None else result.when

    return wait_until(lambda: last() == clock.time(), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("batches", [1, pytest.param(20, marks=pytest.mark.long)])
def test_no_damage_stops_anything(tmp_path: Path, batches: int) -> None:
    """Monitors start with any of ten files a batch, poll on, and show what can be; in half every history is odd."""
    code = f"""
import faulthandler, json, sys
faulthandler.dump_traceback_later(40, exit=True)
sys.path.insert(0, "tests")
import test_store
print(json.dumps(test_store.fuzz({str(tmp_path)!r}, seed=7, batches={batches})))
"""
    ended = python(code, timeout=60.0)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert [] == json.loads(ended.stdout)
