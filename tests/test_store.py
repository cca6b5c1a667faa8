"""What the state file promises: what is known outlives the process, and nothing wrong with it stops anything."""

from __future__ import annotations

import json
import logging
import math
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, our_threads, python, wait_until
from test_fork import pytestmark as forks
from test_fork import told
from test_saved import damaged, nonsense, odd
from test_scheduler import SteppedClock

from minimon import Check, ConfigError, Monitor
from minimon.clock import Clock
from minimon.model import Outcome, Result, stamp
from minimon.pool import deadline_in
from minimon.registry import Registry
from minimon.store import FORMAT, KEY, LEFTOVER, MOST, OLDEST, QUIET, SELDOM, SHARE, SOON, Store
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
MISSING = "cannot be written: its folder does not exist"
Make = Callable[..., Monitor]
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
        **targets: str,
    ) -> None:
        self.clock = clock or FakeClock(100.0, wall=wall)
        self.registry = registry(self.clock)
        self.checks: dict[str, Check] = {}
        for each in (*names, *targets):
            self.add(each, targets.get(each, "http://localhost/"))
        self.store = Store(path, name, self.clock, self.registry)
        self.store.load()

    def add(self, name: str, target: str = "http://localhost/") -> None:
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

    def views(self, *names: str) -> list[tuple[str, int]]:
        """The status of each of these checks, and how many passes were counted."""
        views = self.registry.snapshot()["checks"]
        return [(views[name]["status"], views[name]["counts"]["pass"]) for name in names]

    def window(self, window: str) -> dict[str, Any]:
        """What is shown of the uptime of check a."""
        uptime: dict[str, Any] = self.registry.snapshot()["checks"]["a"]["uptime"][window]
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
def make(path: Path, make: Make) -> Make:
    """Makes monitors with this state file, and stops them in the end."""
    return lambda *args, **options: make(*args, **{"state_file": path, **options})


@pytest.fixture
def run(path: Path) -> Iterator[Run]:
    """Makes lives of a check whose store has its thread, on a clock that knows until when that sleeps."""
    lives: list[Life] = []

    def started(place: Path = path, **options: Any) -> Life:
        lives.append(Life(place, "a", clock=SteppedClock(100.0, wall=WALL), **options))
        lives[-1].store.start()
        return lives[-1]

    yield started
    for life in lives:
        stopped(life, 5.0)
    assert wait_until(lambda: our_threads() == [])


def stopped(life: Life, seconds: float) -> bool:
    """Whether the thread of its store has ended by then, once it was told to."""
    life.store.halt()
    return life.store.stop(deadline_in(seconds))


def rests(life: Life, saved: float | None, until: float) -> bool:
    """True as soon as the thread of its store sleeps until then, and has last saved it then: seconds of its clock."""
    clock, at = life.clock, None if saved is None else stamp(WALL + saved)
    assert isinstance(clock, SteppedClock) and wait_until(lambda: life.store.figures()["saved_at"] == at)
    return clock.sleeps_until(100.0 + until)


def at_once(name: str = "a", target: Any = lambda: None, **options: Any) -> Check:
    """A check that is due as soon as the monitor starts, and every 10 s from then on; one run decides."""
    return Check(name, target, **{"every": 10.0, "initial_delay": 0, "fall": 1, "rise": 1, **options})


def recorded(monitor: Monitor, name: str = "a", n: int = 1) -> bool:
    """True as soon as so many results were recorded of this check."""
    return wait_until(lambda: sum(monitor.state(name).counts) >= n)


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


def test_what_was_read_is_told(path: Path) -> None:
    """In `restored`, and as an event; a check that has never run is among it, and degrades nothing."""
    before = Life(path, "a", "b", "gone").see(PASS)
    before.add("new")
    before.save()
    life = Life(path, "a", "b", "other", "new", wall=WALL + 11.0)
    event, text = life.registry.snapshot()["events"][-1], f"3 of 3 checks, as of {stamp(WALL + 10.0)}"
    assert (text, "", "restored", text) == (life.restored, life.problem, event["kind"], event["detail"])
    assert ("healthy", "healthy") == (before.registry.overall(), life.registry.overall())


def test_nothing_happens_in_the_constructor(path: Path, make: Make) -> None:
    """It is neither read nor written before the start."""
    path.write_text("nonsense")
    figures = make([at_once()]).snapshot()["self"]["state_file"]
    assert ({"saved_at": None, "problem": "", "restored": ""}, "nonsense") == (figures, path.read_text())


def test_the_second_start_does_not_read_it(path: Path, make: Make) -> None:
    """What the monitor knows is newer than the file."""
    monitor = make([at_once()])
    with monitor:
        assert recorded(monitor)
    path.unlink()
    with monitor:
        assert 1 <= sum(monitor.state("a").counts)
    assert ["a", "minimon"] == sorted(read(path)["checks"])


def test_a_quick_restart_is_no_news(make: Make) -> None:
    """Nobody is told again that a check is down, or up."""
    with make([at_once(target=lambda: False)]) as monitor:
        assert recorded(monitor)
    changes: list[Any] = []
    with make([at_once(target=lambda: False)], on_change=changes.append) as monitor:
        assert recorded(monitor, n=2)
    assert [] == changes


def test_what_nobody_looks_at_any_more_outlives_the_process(path: Path) -> None:
    """A check that had grown old, or was paused, before the end."""
    before = Life(path, "a", "b").see(*[PASS] * 30).after(HOUR)
    before.registry.expire(before.checks["a"])
    before.registry.pause("b", True)
    before.save()
    assert [("unknown", 30)] * 2 == Life(path, "a", "b", wall=WALL + 2 * HOUR).views("a", "b")


# The file


def test_it_is_json_that_says_whose_it_is(path: Path) -> None:
    """Its first key is ours, so that a stranger's file is never taken for one."""
    Life(path, "a", name="mine").see(PASS).save()
    text = read(path)
    head = next(iter(text.items())), text["name"], text["saved_at"], text["pid"], [*text["checks"]]
    assert ((KEY, FORMAT), "mine", WALL + 10.0, os.getpid(), ["a"]) == head


def test_it_is_for_its_owner_only(path: Path) -> None:
    """Mode 0600, whatever the umask is and the file was."""
    path.write_text("")
    path.chmod(0o644)
    umask = os.umask(0)
    try:
        Life(path, "a").save()
    finally:
        os.umask(umask)
    assert 0o600 == path.stat().st_mode & 0o777


def test_nothing_else_is_left_in_the_folder(path: Path) -> None:
    """Neither after a write that went well, nor after one that did not."""
    life = Life(path, "a").see(PASS).save()
    path.unlink()
    path.mkdir()
    life.after(QUIET + 1).save().after(QUIET + 1).save()
    assert (True, ["state.json"]) == ("no file" in life.problem, names(path))


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    """What it leads to is written."""
    target = tmp_path / "volume"
    target.mkdir()
    path.symlink_to(target / "real.json")
    for _ in range(2):
        Life(path, "a").see(PASS).save()
    assert (True, ["real.json"]) == (path.is_symlink(), os.listdir(target))


def test_a_relative_path_is_meant_from_where_the_monitor_was_made(path: Path, tmp_path: Path) -> None:
    """A host that goes to another folder later, as daemons do, writes the same file; a path may be bytes."""
    folder = os.getcwd()
    os.chdir(tmp_path)
    try:
        life = Life(os.fsencode(path.name), "a")
        os.chdir(tmp_path.parent)
        life.save()
    finally:
        os.chdir(folder)
    assert path.exists()


@pytest.mark.parametrize("path", [5, "", b"", [], "a\0b", ROOT, os.devnull])
def test_what_is_no_path_of_a_file_is_an_error(path: Any) -> None:
    """At construction. A pipe would be waited for, and a device replaced."""
    with pytest.raises(ConfigError, match=r"^monitor: state_file must be "):
        Monitor(state_file=path)


def test_while_it_is_written_it_is_the_one_before(tmp_path: Path) -> None:
    """A whole one, though checks come, go and are polled, and another process, of the same number in its container,
    writes the same file; and what was a problem is one until it is written."""
    place, away = tmp_path / "folder" / "state.json", tmp_path / "away"
    place.parent.mkdir()
    content = Life(place, "a", "b", "c").see(PASS).save() and place.read_bytes()
    life = Life(place, "a", "b", "c", registry=Held)
    place.parent.rename(away)
    life.save()
    away.rename(place.parent)
    thread = threading.Thread(target=life.save)
    thread.start()
    assert isinstance(life.registry, Held) and life.registry.begun.wait(5.0)
    life.registry.remove(life.checks.pop("b").name)
    life.add("d")
    meanwhile = life.see(PASS).problem, place.read_bytes() == content, Life(place, "a").save().problem
    life.registry.free.set()
    thread.join(5.0)
    assert ((MISSING, True, ""), "") == (meanwhile, life.problem)
    assert (["a", "c"], ["state.json"]) == ([*read(place)["checks"]], names(place))


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


def changed(**values: Any) -> Callable[[dict[str, Any]], bytes]:
    """A file of which some of the head says something else."""
    return lambda text: json.dumps({**text, **values}).encode()


FOREIGN: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "a text": lambda text: b"my notes\n",
    "other JSON": lambda text: b'{"checks": []}',
    "binary": lambda text: bytes(range(256)),
    "our word elsewhere": lambda text: json.dumps({"a": 1, **text}).encode(),
    "a newer form": changed(**{KEY: FORMAT + 1}),
    "another monitor's": changed(name="other"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_never_overwritten(path: Path, kind: str) -> None:
    """It is said that it is left alone, and nothing is saved however long that lasts."""
    content = FOREIGN[kind](text_of(path))
    path.write_bytes(content)
    life = Life(path, "a").see(PASS).save().after(DAY).save()
    assert (content, True, ["state.json"]) == (path.read_bytes(), "is left alone" in life.problem, names(path))


def test_a_foreign_file_that_came_later_is_not_overwritten(path: Path) -> None:
    """Somebody has put it there while the monitor ran, and does not touch it any more; without it, it goes on."""
    life = Life(path, "a").see(PASS).save()
    path.unlink()
    path.write_text("my notes")
    for _ in range(10):
        life.after(QUIET / 2).save()
    left = path.read_text(), "is left alone" in life.problem
    path.unlink()
    assert (("my notes", True), "", ["state.json"]) == (left, life.save().problem, names(path))


@pytest.mark.skipif(MIGHTY, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_not_overwritten(path: Path) -> None:
    """Nobody knows whose it is."""
    path.write_text("my notes")
    path.chmod(0)
    life = Life(path, "a")
    problems = [life.problem, life.after(DAY).save().problem]
    path.chmod(0o600)
    assert (["cannot be read: Permission denied", "Permission denied"], "my notes") == (problems, path.read_text())


CORRUPT: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "cut at the end": lambda text: json.dumps(text).encode()[:-1],
    "the form alone": lambda text: json.dumps({KEY: FORMAT}).encode(),
    "twice": lambda text: json.dumps(text).encode() * 2,
    "not UTF-8": lambda text: json.dumps(text).encode().replace(b'"minimon"', b'"minim\xff"'),
    "too deep": lambda text: json.dumps(text)[:-1].encode() + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "NaN": changed(timeline=math.nan),
    "a time beyond all": changed(saved_at=1e13),
    "a timeline beyond all": changed(timeline=1e13),
    "a form that is a text": changed(**{KEY: "1"}),
    "no time": changed(saved_at=None),
    "no timeline": changed(timeline=[]),
    "a list of checks": changed(checks=[1, 2]),
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
    kept = path.with_name("state.json.corrupt").read_bytes()
    assert (content, "", 1) == (kept, life.problem, read(path)["checks"]["a"]["state"]["passes"])


def test_an_empty_file_is_as_good_as_none(path: Path) -> None:
    """As mktemp makes it."""
    path.write_bytes(b" \n")
    life = Life(path, "a").see(PASS).save()
    assert ("", ["a"], ["state.json"]) == (life.problem, [*read(path)["checks"]], names(path))


def test_a_timeline_of_nonsense_is_not_gone_back_to(path: Path) -> None:
    """From an instant before all calendars no history could go on."""
    put(path, text_of(path), timeline=-1e300)
    assert 0.0 <= Life(path, "a").registry.timeline < 1e12


def test_a_broken_check_alone_begins_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Or one whose target is another now, of which its history says nothing; the others have theirs."""
    Life(path, "b", a="http://localhost/a", c="http://localhost/c").see(PASS).save()
    text = read(path)
    del text["checks"]["b"]["uptime"]
    put(path, text)
    life = Life(path, "b", a="http://localhost/a", c="http://localhost/d")
    assert ("1 of 3 checks", 2) == (life.restored.partition(",")[0], caplog.text.count("begins anew"))
    assert [("up", 1), ("unknown", 0), ("unknown", 0)] == life.views("a", "b", "c")


# Time


@pytest.mark.parametrize(
    ("off", "later", "is_fresh"),
    [(0.5, 0.0, True), (10.0, 9.5, True), (10.0, 10.5, False), (20.5, 0.0, False), (DAY, 0.0, False)],
)
def test_a_result_counts_as_long_as_without_the_restart(path: Path, off: float, later: float, is_fresh: bool) -> None:
    """Seen 5 s before the end, it does so for 25 s; from then on the check is unknown, and says why."""
    before = Life(path, "a").see(PASS).after(5.0).save()
    after = Life(path, "a", wall=before.clock.time() + off).after(later)
    view = after.registry.snapshot()["checks"]["a"]
    fresh, old = ("up", stamp(WALL + 10), ""), ("unknown", stamp(WALL + 10 + LASTS), "stale: no run finished in time")
    assert (fresh if is_fresh else old) == (view["status"], view["since"], view["explanation"])


def test_time_switched_off_is_neither_covered_nor_down(path: Path) -> None:
    """And down before and after it is one incident."""
    before = Life(path, "a").see(PASS, *[FAIL] * 11).save()
    life = Life(path, "a", wall=before.clock.time() + HOUR / 2).see(*[FAIL] * 11)
    window = life.window("1h")
    assert (1, 200.0, round(210 / 3600, 6)) == (window["incidents"], window["down_s"], window["coverage"])


@pytest.mark.parametrize("jumps", [[-HOUR / 2], [10 * DAY, -10 * DAY], [-400 * DAY, 400 * DAY]])
def test_a_wall_clock_that_was_set_rewrites_no_history(path: Path, jumps: list[float]) -> None:
    """Ahead or back between two lives: what was down was, nothing is counted twice, and it goes on."""
    life = Life(path, "a").see(*[PASS] * 30, *[FAIL] * 21, *[PASS] * 69, every=30.0).save()
    for jump in jumps:
        life = Life(path, "a", wall=life.clock.time() + jump).see(*[PASS] * 121, every=30.0).save()
    window, runs = life.window("90d"), sum(life.registry.state("a").counts)
    seen = window["down_s"], window["incidents"], life.window("1h")["coverage"], runs
    assert (630.0, 1, 1.0, 120 + 121 * len(jumps)) == seen


# Checks that come and go


def test_a_check_that_comes_later_gets_its_history(make: Make) -> None:
    """Once: who removes it while the monitor runs wants to forget it."""
    with make([at_once("a"), at_once("b")]) as monitor:
        assert recorded(monitor, "a") and recorded(monitor, "b")
    monitor, seen = make([at_once("a")]).start(), []
    for _ in range(2):
        monitor.add(at_once("b", initial_delay=5))
        seen.append((monitor.state("b").status.value, sum(monitor.state("b").counts)))
        monitor.remove("b")
    assert [("up", 1), ("unknown", 0)] == seen


def test_the_history_of_a_check_that_is_not_there_is_kept(path: Path) -> None:
    """In the file, for the day on which it comes back; time goes on for it meanwhile."""
    Life(path, "a", "b").see(PASS).save()
    for _ in range(3):
        Life(path, "a", wall=WALL + HOUR).see(PASS).save()
    assert [("up", 4), ("unknown", 1)] == Life(path, "a", "b", wall=WALL + HOUR + 11.0).views("a", "b")


def test_a_check_that_was_removed_is_forgotten(path: Path) -> None:
    """By the file too."""
    life = Life(path, "a", "b").see(PASS).save()
    life.registry.remove("b")
    life.save()
    assert ["a"] == [*read(path)["checks"]]


def test_histories_of_no_use_are_dropped(path: Path) -> None:
    """When the longest window is over."""
    Life(path, "a", "b").see(PASS).save()
    kept = Life(path, "a", wall=WALL + OLDEST - 60.0).save()
    soon = [*read(path)["checks"]]
    kept.after(120.0).save()
    assert (["b", "a"], ["a"]) == (soon, [*read(path)["checks"]])


def test_no_more_histories_are_kept_than_are_bounded(path: Path) -> None:
    """Of checks that nobody has any more; what stands in them is not looked at, and keeps nothing from being saved."""
    odd = ["yesterday", None, True, 10**40]
    put(path, text_of(path), checks={str(n): {"saved_at": odd[n % 4], "x": [n]} for n in range(MOST + 5)})
    life = Life(path, "a", wall=WALL + HOUR).save()
    kept = [*read(path)["checks"]]
    assert ("", MOST + 1, "5", "a") == (life.problem, len(kept), kept[0], kept[-1])


# What goes wrong


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("missing/state.json", MISSING),
        ("file/state.json", "Not a directory"),
        ("folder", "it is read-only, or no file: it is left alone, and nothing is saved"),
        ("file", "it is left alone, and nothing is saved"),
    ],
)
def test_a_monitor_polls_whatever_its_file_is(tmp_path: Path, make: Make, place: str, problem: str) -> None:
    """It says what is wrong."""
    monitor = make([at_once(every=0.01)], state_file=tmp_path / place)
    (tmp_path / "file").write_text("my notes")
    (tmp_path / "folder").mkdir()
    monitor.start()
    assert wait_until(lambda: problem in monitor.snapshot()["self"]["state_file"]["problem"])
    assert recorded(monitor, n=3) and monitor.is_healthy()


def test_a_folder_that_comes_later_is_written_to(tmp_path: Path, run: Run) -> None:
    """It is tried again after 10 s, and is no problem any more then."""
    place = tmp_path / "missing" / "state.json"
    life = run(place)
    assert rests(life, None, SELDOM)
    before = life.problem
    place.parent.mkdir()
    life.clock.advance(SELDOM)
    assert rests(life, SELDOM, INF)
    assert (MISSING, "", True) == (before, life.problem, place.exists())


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
    assert [f"state file {place.resolve()}: {MISSING}"] * 2 == lines


def test_what_no_file_can_say_is_left_out(path: Path) -> None:
    """As a check of the host's may leave it: that costs the others nothing."""
    life = Life(path, "a", "b").see(PASS)
    odd = Result("a", PASS, when=math.nan, started=life.after(1.0).clock.monotonic())
    life.registry.record(life.checks["a"], odd, LASTS)
    assert ("", ["b"]) == (life.save().problem, list(read(path)["checks"]))


def test_phases_may_be_anything(path: Path) -> None:
    """They are not kept."""
    life = Life(path, "a").see(PASS)
    odd = Result("a", PASS, phases={"dns": math.nan, "x": object()}, started=life.after(1.0).clock.monotonic())  # type: ignore[dict-item]
    life.registry.record(life.checks["a"], odd, LASTS)
    assert ("", ["a"]) == (life.save().problem, list(read(path)["checks"]))


@pytest.mark.parametrize("make_odd", [lambda path: path.chmod(0o444), lambda path: (path.unlink(), os.mkfifo(path))])
def test_what_is_read_only_or_no_file_is_left_alone(path: Path, make_odd: Callable[[Path], object]) -> None:
    """Somebody has made it so."""
    life = Life(path, "a").see(PASS).save()
    make_odd(path)
    before = os.stat(path)
    life.see(PASS).save()
    assert (True, before.st_ino, before.st_mode) == (
        "read-only, or no file" in life.problem,
        os.stat(path).st_ino,
        os.stat(path).st_mode,
    )


def test_the_value_of_a_query_makes_another_target(path: Path) -> None:
    """Though it is never shown."""
    before = Life(path, a="http://localhost/?shard=1").see(FAIL, FAIL).save()
    after = Life(path, a="http://localhost/?shard=2", wall=before.clock.time())
    assert ([("unknown", 0)], "0 of 1 checks", False) == (
        after.views("a"),
        after.restored[:13],
        "shard=1" in path.read_text(),
    )


def news_of(life: Life, *outcomes: Outcome) -> list[tuple[str, str]]:
    """The news of check a, while these are seen."""
    changes = []
    for outcome in outcomes:
        life.clock.advance(10.0)
        result = Result("a", outcome, "" if outcome is PASS else "condition", started=life.clock.monotonic())
        changes.append(life.registry.record(life.checks["a"], result, LASTS))
    return [(change.before.status, change.after.status) for change in changes if change and change.news]


@pytest.mark.parametrize("off", [1.0, DAY])
@pytest.mark.parametrize(
    ("outcomes", "news"), [([FAIL] * 3, []), ([PASS], [("down", "up")]), ([FAIL, PASS, PASS], [("down", "up")])]
)
def test_after_a_restart_only_what_differs_is_news(
    path: Path, off: float, outcomes: list[Outcome], news: list[tuple[str, str]]
) -> None:
    """However long it took: nobody is told twice of one outage."""
    before = Life(path, "a").see(PASS, FAIL, FAIL).save()
    assert news == news_of(Life(path, "a", wall=before.clock.time() + off), *outcomes)


def test_what_flaps_goes_on_to_be_silent(path: Path) -> None:
    """A restart is no calm."""
    before = Life(path, "a").see(PASS, *[FAIL, FAIL, PASS] * 3).save()
    after = Life(path, "a", wall=before.clock.time() + 1.0)
    assert ([], True) == (news_of(after, FAIL, FAIL, PASS), after.registry.state("a").flapping)


FULL_DISK = """
import json, os, resource, sys
sys.path.insert(0, "tests")
from test_store import FAIL, PASS, Life, names, read, Path
path = Path({path!r})
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
    ended = python(FULL_DISK.format(path=str(path)))
    assert "" == ended.stderr
    assert ["cannot be written: File too large", True, ["state.json"], "", WALL + 20.0, 0] == json.loads(ended.stdout)


# The thread


WRITES: dict[str, list[tuple[float, bool | None, float, float]]] = {
    "a change soon after": [(0.3, True, 0.0, SOON), (0.7, None, SOON, INF)],
    "a change after a while": [(5.0, True, 5.0, INF)],
    "a change among polls": [(1.0, False, 0.0, SELDOM), (3.0, True, 4.0, INF)],
    "many changes": [*[(0.25, True, 0.0, SOON)] * 3, (0.25, None, SOON, INF), *[(0.25, True, SOON, 2 * SOON)] * 3],
    "polls": [(1.0, False, 0.0, 10.0), (9.0, None, 10.0, INF), (0.0, False, 10.0, 20.0), (10.0, None, 20.0, INF)],
    "a poll after a while": [(25.0, False, 25.0, INF), (1.0, False, 25.0, 35.0)],
}
"""Seconds that pass, and whether what has changed then is urgent; when it was saved last and is to be saved next."""


@pytest.mark.parametrize("case", WRITES)
def test_it_is_written_soon_after_a_change_and_seldom_without(run: Run, case: str) -> None:
    """At the start; within a second of a change but once a second at most; else every 10 s while there are polls."""
    life = run()
    assert rests(life, 0.0, INF)
    for number, (seconds, urgent, saved, until) in enumerate(WRITES[case]):
        life.clock.advance(seconds)
        if urgent is not None:
            life.store.touch(urgent)
        assert rests(life, saved, until), number


def test_what_takes_long_is_written_less_often(run: Run) -> None:
    """So that it takes no more than its share of a processor."""

    class Large(Registry):
        def each(self, look: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
            end = time.thread_time() + 0.1
            while time.thread_time() < end:
                pass
            return super().each(look)

    life = run(registry=Large)
    assert rests(life, 0.0, INF)
    life.store.touch(False)
    clock = life.clock
    assert isinstance(clock, SteppedClock) and wait_until(lambda: 0.0 < (clock.until or 0.0) < INF)
    assert (clock.until or 0.0) >= 100.0 + 0.1 / SHARE


def test_nobody_wakes_up_while_nothing_is_polled(make: Make) -> None:
    """The store's thread sleeps for ever then, however much time passes."""
    clock = SleepersClock()
    monitor = make([at_once()], clock=clock).start()
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


def test_polls_are_written_every_ten_seconds_and_changes_within_one(make: Make, path: Path) -> None:
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


def test_a_run_that_hangs_does_not_cost_the_last_write(make: Make, path: Path) -> None:
    """What was seen is in the file when stop() returns, though its time was over with waiting for a target."""
    leave, calls = threading.Event(), list[int]()
    monitor = make([at_once("hangs", lambda: leave.wait(20.0)), at_once("a", lambda: calls.append(1), every=0.01)])
    assert recorded(monitor.start(), n=10)
    stopped = monitor.stop(0.2)
    seen = read(path)["checks"]["a"]["state"]["counts"][0]
    leave.set()
    assert (False, monitor.state("a").counts.pass_) == (stopped, seen)


def test_a_write_that_hangs_does_not_hold_up_the_stop(run: Run) -> None:
    """It is said that the thread has not ended, and it ends when the write does: a start meanwhile makes one thread."""
    life = run(registry=Held)
    assert isinstance(life.registry, Held) and life.registry.begun.wait(5.0)
    ended = stopped(life, 0.05)
    life.store.start()
    daemons = [thread.daemon for thread in threading.enumerate() if thread.name == "minimon-store"]
    life.registry.free.set()
    one = wait_until(lambda: our_threads() == ["minimon-store"])
    assert (False, [True, True], True, True) == (ended, daemons, one, stopped(life, 5.0))


def test_a_log_handler_may_stop_the_monitor(tmp_path: Path, make: Make) -> None:
    """On the store's own thread too, as from any other."""
    stopped: list[bool] = []
    place = tmp_path / "missing" / "state.json"
    monitor = make([at_once()], state_file=place, on_stop=lambda _: stopped.append(True))

    class Stops(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            monitor.stop()

    handler, logger = Stops(), logging.getLogger("minimon.store")
    logger.addHandler(handler)
    try:
        monitor.start()
        assert wait_until(lambda: not monitor.running and our_threads() == [])
    finally:
        logger.removeHandler(handler)
    assert [True] == stopped


# Two on one file


def test_of_two_the_earlier_one_steps_back_until_the_other_is_gone(path: Path) -> None:
    """It says so, and writes nothing, its last words among it: in a rolling restart the new one begins before that."""
    clock = FakeClock(100.0, wall=WALL)
    first = Life(path, "a", clock=clock).save()
    second, rounds = Life(path, "a", clock=clock), []
    for _ in range(15):
        content = second.see(PASS).save() and path.read_bytes()
        first.see(FAIL).save()
        rounds.append((first.problem, second.problem, path.read_bytes() == content))
    waited = first.after(QUIET - 1.0).save().problem
    assert ([(OTHER, "", True)] * 15, OTHER, "") == (rounds, waited, first.after(1.1).save().problem)


# Forks


@forks
@pytest.mark.slow
@pytest.mark.parametrize("hooks", [True, False])
def test_the_child_writes_only_when_it_is_started(path: Path, hooks: bool) -> None:
    """Nor waits, though the store's lock was held at the fork: it has no thread, and the file is its parent's. Its own
    has what was known at the fork."""
    script = f"""
path = {str(path)!r}
monitor = minimon.Monitor(checks(), state_file=path).start()
assert wait_until(lambda: monitor.snapshot()["self"]["state_file"]["saved_at"] and calls > 3)
held, leave = threading.Event(), threading.Event()

def hold():
    with monitor._engine.store._lock:
        held.set()
        leave.wait(20)

threading.Thread(target=hold, daemon=True).start()
assert held.wait(5)

def child():
    before = os.stat(path)
    monitor.snapshot(), monitor.add(minimon.Check("new", count)), monitor.remove("new")
    same = (before.st_ino, before.st_mtime_ns) == (os.stat(path).st_ino, os.stat(path).st_mtime_ns)
    quiet = monitor.stop() and our_threads() == [] and os.listdir(os.path.dirname(path)) == ["state.json"]
    with monitor:
        assert wait_until(lambda: json.load(open(path))["pid"] == os.getpid())
    return same and quiet and sum(json.load(open(path))["checks"]["0"]["state"]["counts"]) > 3

warnings.simplefilter("ignore", ResourceWarning)
codes = ended(in_child(child))
leave.set()
print(codes, monitor.stop(), our_threads())
"""
    assert "[0] True []" == told(script, hooks)


# The end without notice


KILLED = """
from test_store import PASS, Life, Path, read
path, pause, found = Path({path!r}), threading.Event(), []

def lives(ready):
    life = Life(path, *"abcdefgh")
    while True:
        life.see(PASS).save()
        os.write(ready, b".")

for moment in {moments!r}:
    born, ready = os.pipe()
    pid = in_child(lambda: lives(ready))
    os.read(born, 1)
    pause.wait(moment)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    text, life = read(path), Life(path, *"abcdefgh")
    found.append((text["pid"] == pid, sorted(text["checks"]), life.restored.partition(",")[0], life.problem))
    os.close(born), os.close(ready)
print(json.dumps(found))
"""


@forks
@pytest.mark.slow
@pytest.mark.parametrize("times", [4, pytest.param(100, marks=pytest.mark.long)])
def test_a_process_that_is_killed_leaves_a_whole_file(path: Path, times: int) -> None:
    """At random moments of one that does hardly anything but write it."""
    chance = random.Random(9)
    moments = [chance.uniform(0.0, 0.04) for _ in range(times)]
    found = json.loads(told(KILLED.format(path=str(path), moments=moments)))
    assert [[True, [*"abcdefgh"], "8 of 8 checks", ""]] * times == found


def hourly(clock: Clock, delay: float) -> Check:
    """A check whose target is down for seven minutes of each hour."""

    def is_up() -> bool:
        return not 20 * MINUTE <= clock.time() % HOUR < 27 * MINUTE

    return at_once(target=is_up, every=2 * MINUTE, initial_delay=delay)


def test_the_uptime_outlives_kill_9(path: Path, make: Make) -> None:
    """The ratio is the same within 0.1%, and the ten minutes until the restart are not covered."""
    clock = SleepersClock()
    monitor = make([hourly(clock, 0.0)], clock=clock).start()
    clock.let_pass(2 * HOUR + 15.0, monitor)
    before, content = monitor.snapshot(), path.read_bytes()
    monitor.stop()
    path.write_bytes(content)  # what was saved at its end would not be there
    clock = SleepersClock(5.0, wall=clock.time() + 10 * MINUTE)
    monitor = make([hourly(clock, 30.0)], clock=clock).start()
    after = monitor.snapshot()
    clock.let_pass(30.0 + 10 * MINUTE, monitor)
    windows = [each["checks"]["a"]["uptime"]["24h"] for each in (before, after, monitor.snapshot())]
    assert pytest.approx([7200.0, 7200.0, 7800.0], abs=1.0) == [window["coverage"] * DAY for window in windows]
    assert (2, pytest.approx(windows[0]["ratio"], abs=0.001)) == (windows[1]["incidents"], windows[1]["ratio"])


# Damage


TOKENS = [
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0.5", b"null", b"true", b'"x"', b'"nan"', b"[]", b"{}", b"9" * 5000),
    *(deep for n in (100, 900, 3000, 100_000) for deep in (b"[" * n + b"]" * n, b'{"x": ' * n + b"1" + b"}" * n)),
]
"""What a number is replaced by."""


def torn(chance: random.Random, content: bytes) -> bytes:
    """A file as disks and editors leave it."""
    at, end = sorted(chance.randrange(len(content)) for _ in range(2))
    kind = chance.choice(("cut", "bits", "token"))
    if kind == "bits":
        flipped = bytearray(content)
        for _ in range(chance.choice((1, 3, 30))):
            flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    if kind == "token":
        number = chance.choice([*re.finditer(rb"-?\d+(\.\d+)?", content)])
        return content[: number.start()] + chance.choice(TOKENS) + content[number.end() :]
    return content[:at] + chance.choice((b"", content[end:], bytes(end - at) + content[end:], content))


def changed_within(chance: random.Random, text: dict[str, Any]) -> bytes:
    """A file that is JSON, but in which something else stands: in each check, and now and then in the head."""
    text = {**text, "checks": {name: damaged(chance, plain) for name, plain in text["checks"].items()}}
    if chance.random() < 0.5:
        key = chance.choice([*text])
        text[key] = chance.choice([odd(chance, text[key]), 1e13, 1e300, -1e300, "inf", "nan"])
    return json.dumps(text).encode()


def fuzz(path: Path, seed: int, files: int) -> list[str]:
    """What goes wrong with lives that take up a damaged file."""
    chance, found = random.Random(seed), list[str]()
    Life(path, *"abcd", "gone").see(*[*[PASS] * 9, FAIL, FAIL, WARN] * 10, every=61.0).save()
    content, text = path.read_bytes(), read(path)
    for number in range(files):
        damage = torn(chance, content) if number % 2 else changed_within(chance, text)
        path.write_bytes(damage)
        life = Life(path, *"abcd", wall=WALL + 3 * HOUR)
        for outcomes in ((PASS,), (FAIL, FAIL), (PASS, WARN)):
            snapshot = life.see(*outcomes).registry.snapshot()
            json.dumps(snapshot, allow_nan=False)
            for name, view in snapshot["checks"].items():
                found += [f"file {number}: {name}: {what}" for what in nonsense(view)]
                if (view["last"]["outcome"], view["last"]["at"]) != (outcomes[-1], stamp(life.clock.time())):
                    found.append(f"file {number}: {name} is not polled")
        foreign = "is left alone" in life.problem
        life.save()
        if foreign and path.read_bytes() != damage:
            found.append(f"file {number} is not left alone")
        if not foreign and (life.problem or "4 of 4" not in Life(path, *"abcd", wall=life.clock.time()).restored):
            found.append(f"file {number} is not written: {life.problem}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("files", [20, pytest.param(2000, marks=pytest.mark.long)])
def test_no_damage_stops_anything(path: Path, files: int) -> None:
    """A process polls on with any of these files, and shows what can be; in half of them every history is odd."""
    code = f"""
import faulthandler, json, sys
faulthandler.dump_traceback_later(100, exit=True)
sys.path.insert(0, "tests")
import test_store
print(json.dumps(test_store.fuzz(test_store.Path({str(path)!r}), 7, {files})))
"""
    ended = python(code, timeout=120.0)
    assert (0, []) == (ended.returncode, json.loads(ended.stdout)), ended.stderr


# --- of several workers


def private(path: Path, clock: FakeClock, check: Check) -> tuple[Store, Registry]:
    """One that is for the next worker, and what knows of the check."""
    registry = Registry(clock)
    registry.add(check, 10.0)
    return Store(path, "shop", clock, registry, private=True), registry


def test_the_next_worker_goes_by_the_monotonic_clock(tmp_path: Path) -> None:
    """Somebody has set the wall clock back since: what was seen grows old all the same."""
    clock, check = FakeClock(wall=WALL), Check("a", lambda: True)
    first, registry = private(tmp_path / "state", clock, check)
    registry.record(check, Result("a", Outcome.PASS, when=clock.time(), started=clock.monotonic()), 30.0)
    first.save()
    clock.advance(31.0)
    clock.jump_wall(-3600.0)
    second, registry = private(tmp_path / "state", clock, check)
    second.load()
    assert ("unknown", "stale: no run finished in time") == (
        registry.state("a").status,
        registry.state("a").explanation,
    )


def test_what_was_written_in_the_future_is_old(tmp_path: Path) -> None:
    """The clock was set back: nobody waits until it is there again."""
    store, _ = private(tmp_path / "state", FakeClock(wall=WALL), Check("a", lambda: True))
    store.save()
    seen = store.age() < 60.0
    os.utime(tmp_path / "state", (4e9, 4e9))
    assert (True, math.inf) == (seen, store.age())


def test_who_has_written_it_is_known(tmp_path: Path) -> None:
    """Another one that has read it has not."""
    clock, check = FakeClock(wall=WALL), Check("a", lambda: True)
    (first, _), (second, _) = (private(tmp_path / "state", clock, check) for _ in range(2))
    seen = [first.wrote_last, second.wrote_last]
    first.save()
    seen += [first.wrote_last, second.wrote_last, second.renew(), second.renew()]
    assert [True, True, True, False, True, False] == seen
