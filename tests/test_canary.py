"""What canaries promise: when all fails at once since we have no network, it is unknown, and nothing is down for it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import our_threads, wait_until
from test_poller import BROKEN, OK, Told

from minimon import Change, Check, ConfigError, Fault, Monitor, Probe, Response
from minimon.books import GRACE
from minimon.canary import FRESH, PATIENCE, Canary, Loss
from minimon.poller import Poller, Work
from minimon.probes import Shared, prepare
from minimon.registry import Registry
from minimon.scheduler import Entry, Run, Scheduler
from minimon.testing import FakeClock, RogueServer, ScriptedProbe

START, WALL = 1_000.0, 1_700_000_000.0
EVERY = 10.0


class Bird:
    """A canary of the tests: it answers while it is alive, and counts how often it was asked."""

    def __init__(self, alive: bool = True) -> None:
        self.alive = alive
        self.asked = 0
        self.entered, self.leave = threading.Event(), threading.Event()
        self.leave.set()

    def __call__(self) -> bool:
        self.asked += 1
        self.entered.set()
        self.leave.wait(20.0)
        return self.alive


class Ping(Probe):
    """A Probe that names its host."""

    host = "p"


class Cage:
    """A Canary, asked by hand."""

    def __init__(self, *birds: Any) -> None:
        self.clock = FakeClock(START)
        self.told: list[str] = []
        self.canary = Canary(list(birds), self.clock, Shared(), lambda kind, detail: self.told.append(kind))

    def judge(
        self, host: Any, ago: float = 0.0, interval: float = EVERY, turned: bool = True, failed: bool = True
    ) -> Loss | None:
        """A failure of a run of this host, or of another target, that was started so long ago."""
        check = Check(f"check of {host}", f"http://{host}/" if isinstance(host, str) else host)
        return self.canary.judge(check, self.clock.monotonic() - ago, interval, turned, failed)

    def well(self, host: str) -> bool:
        """A run of this host that passes; True when it is no longer lost."""
        return self.judge(host, turned=False, failed=False) is None

    def both(self) -> Loss | None:
        """Two hosts fail at once."""
        self.judge("a")
        return self.judge("b")


@pytest.fixture
def hung() -> Iterator[Bird]:
    """A dead canary that hangs until the end of the test."""
    bird = Bird(False)
    bird.leave.clear()
    yield bird
    bird.leave.set()


def in_thread(function: Callable[[], Any], answers: list[Any]) -> threading.Thread:
    """Have it called on a thread, and its answer put down."""
    thread = threading.Thread(target=lambda: answers.append(function()), daemon=True)
    thread.start()
    return thread


# When it is asked, and what it says


@pytest.mark.parametrize(
    ("failures", "lost"),
    [
        # one host, whatever its ports and paths
        ([("a",), ("a:81",), ("A",), ("a/x",), ("user@a",), ("a:82/y?z",)], [False] * 6),
        # two hosts: within one interval, the longer of both, or not
        ([("a", EVERY), ("b", 0.0)], [False, True]),
        ([("a", EVERY + 0.1), ("b", 0.0)], [False, False]),
        ([("a", 50.0), ("b", 0.0, 60.0)], [False, True]),
        ([("a", 50.0, 60.0), ("b", 0.0)], [False, True]),
        # what goes on did not turn
        ([("a", 0.0, EVERY, False), ("b",), ("c", 0.0, EVERY, False)], [False] * 3),
        # nobody knows whether a callable needs a network; a Probe that names its host does
        ([(print,), ("a",), (print,)], [False] * 3),
        ([("a",), ("b",), (print,), (Ping(),)], [False, True, False, True]),
        ([("a",), (Ping(),)], [False, True]),
    ],
)
def test_different_hosts_that_turn_within_an_interval_ask(failures: list[tuple[Any, ...]], lost: list[bool]) -> None:
    """The instants are those at which their runs began."""
    bird = Bird(False)
    cage = Cage(bird)
    judged = [cage.judge(*failure) is not None for failure in failures]
    assert (lost, int(any(lost))) == (judged, bird.asked)


def test_a_life() -> None:
    """Lost and found, each told once; the first loss names its victims, then all is lost that fails."""
    bird = Bird(False)
    cage = Cage(bird)
    steps: list[tuple[float, str, bool, bool, tuple[str, ...] | None]] = [
        (0.0, "old", True, False, None),  # fails long before the network does
        (60.0, "a", True, False, None),
        (1.0, "b", False, False, None),  # has failed for long
        (1.0, "c", True, False, ("check of a",)),
        (0.0, "d", True, False, ()),
        (60.0, "a", False, False, ()),
        (FRESH, "b", False, True, None),  # counts, and so do all that follow
        (60.0, "a", True, True, None),
        (FRESH, "b", True, False, ("check of a",)),
        (FRESH, "b", False, True, None),
    ]
    losses, lost = [], []
    for later, host, turned, bird.alive, _ in steps:
        cage.clock.advance(later)
        losses.append(cage.judge(host, turned=turned))
        lost.append(cage.canary.lost)
    assert [victims for *_, victims in steps] == [loss and loss.victims for loss in losses]
    assert [loss.detail if loss else "" for loss in losses] == lost and ["lost", "found"] * 2 == cage.told
    assert [60.0] * 3 + [183.0] == [loss.since - START for loss in losses if loss]


def test_a_canary_may_be_of_any_kind() -> None:
    """An address of either scheme, a callable, a Probe; one of several that answers is enough, first or last."""
    with RogueServer("ok") as server:
        addresses = server.url, f"tcp://127.0.0.1:{server.port}"
        cages = [Cage(Bird(), Bird(False)), *(Cage(Bird(False), b) for b in (*addresses, Bird(), ScriptedProbe([OK])))]
        alive = [cage.both() for cage in cages]
    gone = [Cage(address).both() for address in addresses]
    assert ([None] * 5, [[]] * 5) == (alive, [cage.told for cage in cages])
    assert all(loss is not None and "connect" in loss.detail for loss in gone)


def test_several_that_do_not_answer_are_all_told() -> None:
    """Each with what was wrong with it, whatever that was, and without its secrets."""
    raising = [ScriptedProbe([error]) for error in (ValueError("x"), SystemExit(1), MemoryError())]
    cage = Cage(Bird(False), *raising, "http://user:secret@127.0.0.1:1/?key=secret")
    cage.both()
    said = cage.canary.lost
    parts = ["no network: Bird: returned False; ", "ValueError", "SystemExit", "MemoryError", "127.0.0.1:1"]
    assert ([], False) == ([part for part in parts if part not in said], "secret" in said)


# How it is asked


@pytest.mark.parametrize("alive", [True, False])
def test_it_is_asked_once_a_second_at_most(alive: bool) -> None:
    """Many failures of many hosts are no burst of questions."""
    bird = Bird(alive)
    cage = Cage(bird)
    for n in range(101):
        cage.judge(f"host{n}")
        cage.clock.advance(0.1)
    assert 10 <= bird.asked <= 12


def test_workers_share_one_question(hung: Bird) -> None:
    """Who comes while it is asked waits for that answer."""
    cage = Cage(hung)
    cage.judge("a")
    answers: list[Loss] = []
    threads = [in_thread(lambda n=n: cage.judge(f"host{n}"), answers) for n in range(8)]
    assert hung.entered.wait(5.0) and cage.clock.waiting(8)
    hung.leave.set()
    for thread in threads:
        thread.join(5.0)
    assert (8, 1, 1, ["lost"]) == (len(answers), len({loss.detail for loss in answers}), hung.asked, cage.told)


def test_a_canary_that_hangs_has_failed_and_is_heard_when_it_comes_back(hung: Bird) -> None:
    """Neither who asks it nor who waits for its answer is held up for longer than all canaries have."""
    cage = Cage(hung)
    hung.alive = True
    cage.judge("a")
    answers: list[Loss | None] = []
    for host in "bc":
        in_thread(lambda host=host: cage.judge(host), answers)
    assert hung.entered.wait(5.0) and cage.clock.waiting(2)
    cage.clock.advance(PATIENCE + GRACE)
    assert wait_until(lambda: len(answers) == 2) and None not in answers and "in time" in cage.canary.lost
    hung.leave.set()
    assert wait_until(lambda: cage.clock.advance(FRESH) or cage.judge("a", turned=False) is None)
    assert ["lost", "found"] == cage.told


def test_a_canary_that_goes_on_to_hang_holds_up_nobody() -> None:
    """Once it had its time it has failed, until it answers."""
    bird = Bird()
    bird.leave.clear()
    answers: list[Loss | None] = []
    cage = Cage(bird)
    cage.judge("a")
    in_thread(lambda: cage.judge("b"), answers)
    assert bird.entered.wait(5.0) and cage.clock.waiting(1)
    cage.clock.advance(PATIENCE + GRACE)
    assert wait_until(lambda: len(answers) == 1)
    later = [cage.judge(host) is not None for host in "cde"]  # on this thread, on which no time passes
    bird.leave.set()
    assert ([True] * 3, 1) == (later, bird.asked)


def test_what_passes_again_needs_no_canary() -> None:
    """One that is dead itself hides outages no longer than until all that had turned is back, or gone."""
    cage = Cage(Bird(False))
    cage.both()
    cage.clock.advance(FRESH)
    cage.judge("c")
    still = [cage.well("a"), cage.well("other"), cage.well("b")]
    cage.canary.forget("check of c")
    lost = cage.canary.lost
    cage.clock.advance(2 * EVERY)
    alone = cage.judge("b")
    assert ([False] * 3, "", None, ["lost", "found"]) == (still, lost, alone, cage.told)


def test_all_canaries_together_have_two_seconds() -> None:
    """Each its share."""
    asked: list[float] = []

    def silent(timeout: float) -> Response:
        asked.append(timeout)
        return Response(error=Fault("timeout"))

    Cage(*[ScriptedProbe([silent]) for _ in range(4)]).both()
    assert [PATIENCE / 4] * 4 == asked


def test_after_a_fork_nothing_is_known(hung: Bird) -> None:
    """The child begins anew, although its parent had lost the network and was asking, with its lock held."""
    cage = Cage(hung)
    hung.leave.set()
    cage.both()
    cage.clock.advance(60.0)
    hung.leave.clear()
    hung.entered.clear()
    in_thread(lambda: cage.judge("a"), [])
    assert hung.entered.wait(5.0)
    in_thread(cage.canary._lock.acquire, []).join(5.0)
    cage.canary.after_fork()
    assert ("", None) == (cage.canary.lost, cage.judge("z"))


# Bad values


@pytest.mark.parametrize(
    "value", ["10.0.0.1", "", "http://", 5, object(), b"tcp://h:1", [None], ["tcp://h:53", "10.0.0.1"], {"tcp": 53}]
)
def test_bad_values_are_refused(value: Any) -> None:
    """At construction; the message names the option."""
    with pytest.raises(ConfigError, match=r"^monitor: canary: "):
        Monitor(canary=value)


# What becomes of results


class World:
    """Checks of several hosts and of a callable, polled by hand, each a second after the one before."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock(START, wall=WALL)
        self.registry, self.told = Registry(self.clock), Told()
        self.bird = Bird()
        self.canary = Canary(self.bird, self.clock, Shared(), lambda kind, text: self.registry.tell("", kind, text))
        self.poller = Poller(self.clock, self.registry, self.told, canary=self.canary)  # type: ignore[arg-type]
        self.scheduler = Scheduler(self.clock, self.poller)
        self.down: set[str] = set()
        self.entries: dict[str, Entry] = {}
        for name in "abcxf":
            target: Any = print if name == "f" else f"http://{name}/"
            check = Check(name, target, **{"every": EVERY, "fall": 2, "rise": 1, **options})
            self.registry.add(check, math.inf)
            answer = ScriptedProbe([lambda timeout, name=name: BROKEN if name in self.down else OK])
            self.entries[name] = Entry(name, check.timeout, Work(check, prepare({"name": name, "target": answer})))

    def live(self, story: str) -> World:
        """Word by word: `cut` is that only x answers, `down` too, but with a network, `back` that there is one again,
        `mend` that all is well, `break` that x is down; other words are checks to be polled, one after another."""
        for word in story.split():
            if word == "break":
                self.down.add("x")
            elif word in ("cut", "down"):
                self.down, self.bird.alive = self.down | set("abcf"), word == "down"
            elif word in ("back", "mend"):
                self.down, self.bird.alive = self.down if word == "back" else set(), True
            else:
                for name in word:
                    self.poller.execute(Run(self.scheduler, self.entries[name]))
                    self.clock.advance(1.0)
        return self

    def view(self, name: str) -> dict[str, Any]:
        """A check, as a reader sees it."""
        view: dict[str, Any] = self.registry.snapshot()["checks"][name]
        return view

    def changes(self, names: str) -> list[str]:
        """The statuses of each of these checks that were told."""
        told = self.told.changes
        return [" ".join(change.after.status.value for change in told if change.name == name) for name in names]

    def kinds(self) -> str:
        """The kinds of events, without changes."""
        return " ".join(event["kind"] for event in self.registry.snapshot()["events"] if event["kind"] != "change")

    def hour(self, name: str) -> tuple[float, float, int, float | None]:
        """Seconds covered, seconds down, incidents and the ratio within the last hour."""
        seen = self.view(name)["uptime"]["1h"]
        return round(seen["coverage"] * 3600.0), seen["down_s"], seen["incidents"], seen["ratio"]


@pytest.mark.parametrize(
    ("options", "story", "kinds", "changes"),
    [
        ({}, "abc cut a", "", ["up"] * 3),
        # what had failed first is taken back, even if it was down
        ({}, "abc cut ab", "lost", ["up unknown", "up unknown", "up"]),
        ({"fall": 1}, "abc cut aab", "lost", ["up down unknown", "up unknown", "up"]),
        # a target that was down before stays down; one that answers is up, and a callable fails as ever
        ({}, "xabc break xabc xabc xabc cut abcx back x", "lost found", [*["up unknown"] * 3, "up down unknown down"]),
        ({}, "abcxf cut abcxfabcxf", "lost", [*["up unknown"] * 3, "up", "up down"]),
        # if the canary answers failures count
        ({}, "abc down abcabc", "", ["up down"] * 3),
        # a first run that fails is a turn
        ({"fall": 1}, "cut abcabcabc", "lost", ["down unknown", "", ""]),
        # after it was found failures count, as many as `fall` says; passes are up at once, for all was up before
        ({"fall": 3}, "abc cut abcabcabc back aa", "lost found", ["up unknown"] * 3),
        ({"fall": 3}, "abc cut abcabcabc back aaa", "lost found", ["up unknown down", "up unknown", "up unknown"]),
        # - which needs no failure to be seen
        ({"rise": 5}, "abc cut abcabc mend abc", "lost found", ["up unknown up"] * 3),
    ],
)
def test_what_is_told(options: dict[str, Any], story: str, kinds: str, changes: list[str]) -> None:
    """Of the network, and of each check."""
    world = World(**options).live(story)
    assert (kinds, changes) == (world.kinds(), world.changes("abcxf"[: len(changes)]))


def test_a_result_without_a_network_says_so() -> None:
    """It is unknown with reason `lost`, and what was seen besides."""
    world = World().live("abc cut abc")
    for last in (world.view(name)["last"] for name in "ab"):
        assert ("unknown", "lost") == (last["outcome"], last["reason"])
    assert "no network: " in last["detail"] and "; else: status_code: expected 2xx, got 500" in last["detail"]


def test_a_down_that_is_taken_back_was_none() -> None:
    """It was up until then, and the time since then is not covered."""
    world = World(fall=1).live("abc cut aa")
    before = world.view("a")["status"], world.hour("a")[1:3]
    state = world.live("b").registry.state("a")
    assert (("down", (1.0, 1)), "unknown", "up") == (before, state.status, state.decided)
    assert (3.0, 0.0, 0, 1.0) == world.hour("a")


def test_a_loss_is_not_downtime() -> None:
    """After it uptime is what it was, but for the time that is not covered; nothing flaps, however often it comes."""
    world = World(fall=1).live("abc cut" + " abc" * 20 + " mend abcabc")
    assert [(6.0, 0.0, 0, 1.0)] * 3 == [world.hour(name) for name in "abc"]
    world.live("cut abc mend abcabc " * 6)
    assert [(0, False)] * 3 == [(world.hour(name)[2], world.view(name)["flapping"]) for name in "abc"]


def test_a_target_that_was_down_before_keeps_its_downtime() -> None:
    """One incident, of the time that was seen; what was decided of it stays."""
    world = World(fall=1).live("abcx break" + " xabc" * 10)
    covered, down, *_ = world.hour("x")
    world.live("cut abcx abcx")
    after, state = world.hour("x"), world.registry.state("x")
    assert (1, "unknown", "down") == (after[2], state.status, state.decided)
    assert down <= after[1] <= down + 8.0 and covered <= after[0] <= covered + 8.0


def test_what_was_given_up_is_lost_too() -> None:
    """Without a network the look-up of a name hangs: such runs are no failures either."""
    world = World(fall=1).live("abc cut")
    for name in "abc":
        run = Run(world.scheduler, world.entries[name])
        run.started = world.clock.monotonic()
        run.claim()
        world.clock.advance(0.5)
        world.poller.give_up(run)()
    assert ["unknown"] * 3 == [world.view(name)["status"] for name in "abc"]


def test_a_run_that_asks_has_the_time_for_it() -> None:
    """Its deadline is put off, so that nobody gives it up while it waits for the canary."""
    world = World().live("a cut")
    run = Run(world.scheduler, world.entries["b"])
    run.deadline = 5.0
    world.poller.execute(run)
    assert 5.0 + PATIENCE + GRACE == run.deadline


@pytest.mark.long
@pytest.mark.parametrize(("cut", "status"), [(True, "unknown"), (False, "down")])
def test_servers_that_go_and_come_back(cut: bool, status: str) -> None:
    """With the network they are unknown, and `self.lost` and `minimon` say why meanwhile; alone they are down."""
    servers = [RogueServer("ok", host=host).start() for host in ("127.0.0.1", "127.0.0.2", "localhost")]
    canary, told = RogueServer("ok").start(), list[Change]()
    checks = [Check(server.host, server.url, every=0.05, retry_interval=0.05, fall=20) for server in servers]
    canaries = ["tcp://127.0.0.1:1", f"tcp://127.0.0.1:{canary.port}"]
    with Monitor(checks, canary=canaries, on_change=told.append) as monitor:

        def count(status: str) -> int:
            return int(monitor.snapshot()["counts"][status])

        assert wait_until(lambda: count("up") == 4)
        for server in [canary] * cut + servers:
            server.stop()
        assert wait_until(lambda: count(status) == 3)
        lost, own = monitor.snapshot()["self"]["lost"], monitor.snapshot()["checks"]["minimon"]
        for server in [canary] * cut + servers:
            server.start()
        assert wait_until(lambda: count("up") == 4 and not monitor.snapshot()["self"]["lost"])
    for server in (canary, *servers):
        server.stop()
    assert ("degraded" if cut else "up", cut, True) == (own["status"], bool(lost), lost in own["explanation"])
    assert [["up", status, "up"]] * 3 == [[c.after.status for c in told if c.name == server.host] for server in servers]
    assert wait_until(lambda: our_threads() == [])
