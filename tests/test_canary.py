"""What canaries promise: when all fails at once since we have no network, it is unknown, and nothing is down for it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support import our_threads, wait_until
from test_poller import BROKEN, OK, Told

from minimon import Change, Check, ConfigError, Fault, Monitor, Probe, Response
from minimon.books import GRACE
from minimon.canary import FRESH, PATIENCE, Canary, Loss
from minimon.poller import Poller, Work
from minimon.probes import Openers, prepare
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


class Cage:
    """A Canary, asked by hand."""

    def __init__(self, *birds: Any) -> None:
        self.clock = FakeClock(START)
        self.told: list[str] = []
        self.canary = Canary(list(birds), self.clock, Openers(), lambda kind, detail: self.told.append(kind))

    def judge(self, host: str, interval: float = EVERY, turned: bool = True, ago: float = 0.0) -> Loss | None:
        """A failure of a run that was started just now, or some time ago."""
        target: Any = f"http://{host}/" if host else print
        check = Check(f"check of {host}", target)
        return self.canary.judge(check, self.clock.monotonic() - ago, interval, turned)

    def lose(self) -> Loss:
        """Two hosts fail at once."""
        self.judge("a")
        loss = self.judge("b")
        assert loss is not None
        return loss


@pytest.fixture
def hung() -> Iterator[Bird]:
    """A canary that hangs until the end of the test."""
    bird = Bird()
    bird.leave.clear()
    yield bird
    bird.leave.set()


def in_thread(function: Any, answers: list[Any]) -> threading.Thread:
    """Have it called on a thread, and its answer put down."""
    thread = threading.Thread(target=lambda: answers.append(function()), daemon=True)
    thread.start()
    return thread


# When it is asked


def test_a_single_failure_asks_nobody() -> None:
    """One host that fails is that host."""
    bird = Bird(False)
    assert None is Cage(bird).judge("a") and 0 == bird.asked


def test_failures_of_one_host_ask_nobody() -> None:
    """Whatever its ports and paths, however many checks there are of it."""
    bird = Bird(False)
    cage = Cage(bird)
    judged = [cage.judge(host) for host in ("a", "a:81", "A", "a/x", "user@a", "a:82/y?z")]
    assert ([None] * 6, 0) == (judged, bird.asked)


def test_failures_of_different_hosts_ask() -> None:
    """Once, when they come within one interval."""
    bird = Bird(False)
    cage = Cage(bird)
    first = cage.judge("a")
    cage.clock.advance(EVERY)
    assert (None, True, 1) == (first, cage.judge("b") is not None, bird.asked)


def test_slow_failures_ask_nobody() -> None:
    """One host fails, and another one more than an interval later."""
    bird = Bird(False)
    cage = Cage(bird)
    for host in "abcde":
        assert None is cage.judge(host)
        cage.clock.advance(EVERY + 0.1)
    assert 0 == bird.asked


def test_the_longer_interval_counts() -> None:
    """Of two checks one is polled each minute, so that it cannot fail much sooner."""
    bird = Bird(False)
    cage = Cage(bird)
    cage.judge("a")
    cage.clock.advance(50.0)
    assert cage.judge("b", interval=60.0) is not None


def test_the_instants_are_those_at_which_runs_began() -> None:
    """One that took long to fail has failed with those that began beside it."""
    bird = Bird(False)
    cage = Cage(bird)
    cage.judge("a")
    cage.clock.advance(60.0)
    assert cage.judge("b", ago=60.0) is not None


def test_failures_that_go_on_ask_nobody() -> None:
    """They did not turn: one that is down for long and another one that turns are no two."""
    bird = Bird(False)
    cage = Cage(bird)
    assert [None] * 3 == [cage.judge(host, turned=turned) for host, turned in (("a", False), ("b", True), ("c", False))]
    assert 0 == bird.asked


def test_callables_ask_nobody() -> None:
    """Nobody knows whether they need a network."""
    bird = Bird(False)
    cage = Cage(bird)
    assert [None] * 3 == [cage.judge(host) for host in ("", "a", "")] and 0 == bird.asked


def test_callables_are_never_lost() -> None:
    """They fail as ever while there is no network."""
    cage = Cage(Bird(False))
    cage.lose()
    assert None is cage.judge("")


def test_a_probe_that_names_its_host_is_no_callable() -> None:
    """It asks over a network."""

    class Ping(Probe):
        host = "p"

    cage = Cage(Bird(False))
    cage.judge("a")
    assert cage.canary.judge(Check("ping", Ping()), START, EVERY, True) is not None


# What it says


def test_a_canary_that_answers_means_that_failures_count() -> None:
    """Nothing is lost, nothing is told."""
    cage = Cage(Bird())
    cage.judge("a")
    assert (None, "", []) == (cage.judge("b"), cage.canary.lost, cage.told)


def test_a_canary_that_does_not_means_that_we_have_no_network() -> None:
    """Since the first of them failed, with those that had failed before, and what the canary said."""
    cage = Cage(Bird(False))
    for host in "ab":
        cage.judge(host, turned=host == "a")
        cage.clock.advance(1.0)
    loss = cage.judge("c")
    assert loss is not None and (START, ("check of a",)) == (loss.since, loss.victims)
    assert "no network: " in loss.detail and "returned False" in loss.detail


def test_the_loss_is_told_once() -> None:
    """And `lost` says it, until it is found."""
    cage = Cage(Bird(False))
    before = cage.canary.lost
    loss = cage.lose()
    for host in "abc":
        cage.judge(host)
    assert ("", loss.detail, ["lost"]) == (before, cage.canary.lost, cage.told)


def test_victims_are_told_once() -> None:
    """Those who come later are none: they are lost themselves."""
    cage = Cage(Bird(False))
    first = cage.lose()
    later = cage.judge("c")
    assert later is not None and (("check of a",), ()) == (first.victims, later.victims) and first.since == later.since


def test_a_turn_of_long_ago_is_no_victim() -> None:
    """It failed before the network did."""
    cage = Cage(Bird(False))
    cage.judge("old")
    cage.clock.advance(EVERY * 6)
    assert ("check of a",) == cage.lose().victims


def test_while_it_is_lost_every_failure_is() -> None:
    """Of a single host and of one that failed before, too."""
    cage = Cage(Bird(False))
    cage.lose()
    cage.clock.advance(60.0)
    assert all(cage.judge(host, turned=turned) for host, turned in (("a", False), ("c", True), ("c", False)))


def test_it_is_found_when_a_canary_answers() -> None:
    """Asked on occasion of the next failure, which counts; that is told, once."""
    bird = Bird(False)
    cage = Cage(bird)
    cage.lose()
    bird.alive = True
    cage.clock.advance(FRESH)
    judged = [cage.judge("a", turned=False), cage.judge("b", turned=False)]
    assert ([None, None], "", ["lost", "found"]) == (judged, cage.canary.lost, cage.told)


def test_it_may_be_lost_again() -> None:
    """As often as it is found."""
    bird = Bird(False)
    cage = Cage(bird)
    for alive in (False, True, False, True):
        bird.alive = alive
        cage.clock.advance(60.0)
        cage.judge("a")
        cage.judge("b")
    assert ["lost", "found"] * 2 == cage.told


def test_one_of_several_that_answers_is_enough() -> None:
    """Whichever it is."""
    for birds in ((Bird(), Bird(False)), (Bird(False), Bird(False), Bird())):
        cage = Cage(*birds)
        cage.judge("a")
        assert None is cage.judge("b")


def test_several_that_do_not_are_all_told() -> None:
    """Each with what was wrong with it."""
    cage = Cage(Bird(False), "tcp://127.0.0.1:1")
    detail = cage.lose().detail
    assert "Bird: returned False; " in detail and "tcp://127.0.0.1:1: connect to 127.0.0.1:1" in detail


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), MemoryError()], ids=lambda e: type(e).__name__)
def test_a_canary_that_raises_has_failed(error: BaseException) -> None:
    """Whatever it raises."""
    assert type(error).__name__ in Cage(ScriptedProbe([error])).lose().detail


def test_a_canary_may_be_of_any_kind() -> None:
    """An address of either scheme, a callable, a Probe."""
    with RogueServer("ok") as server:
        for target in (server.url, f"tcp://127.0.0.1:{server.port}", Bird(), ScriptedProbe([OK])):
            cage = Cage(target)
            cage.judge("a")
            assert None is cage.judge("b")


def test_a_server_that_is_gone_is_no_canary() -> None:
    """By either scheme."""
    with RogueServer("ok") as server:
        targets = server.url, f"tcp://127.0.0.1:{server.port}"
    assert all("connect" in Cage(target).lose().detail for target in targets)


# How it is asked


def test_it_is_asked_once_a_second_at_most() -> None:
    """Many failures while there is no network are no burst of questions."""
    bird = Bird(False)
    cage = Cage(bird)
    cage.lose()
    for n in range(100):
        cage.clock.advance(0.1)
        cage.judge(f"host{n}")
    assert 10 <= bird.asked <= 12


def test_it_is_asked_once_a_second_at_most_while_it_answers() -> None:
    """Many failures of many hosts are no burst of questions either."""
    bird = Bird()
    cage = Cage(bird)
    for n in range(101):
        cage.judge(f"host{n}")
        cage.clock.advance(0.1)
    assert 10 <= bird.asked <= 12


def test_workers_share_one_question(hung: Bird) -> None:
    """Who comes while it is asked waits for that answer."""
    hung.alive = False
    cage = Cage(hung)
    cage.judge("a")
    answers: list[Loss | None] = []
    threads = [in_thread(lambda n=n: cage.judge(f"host{n}"), answers) for n in range(8)]
    assert hung.entered.wait(5.0) and cage.clock.waiting(7)
    hung.leave.set()
    for thread in threads:
        thread.join(5.0)
    details = {loss.detail for loss in answers if loss is not None}
    assert (8, 1, 1, ["lost"]) == (len(answers), len(details), hung.asked, cage.told)


def test_nobody_waits_longer_than_for_all_canaries(hung: Bird) -> None:
    """When one hangs those who wait for its answer take it that there is none."""
    cage = Cage(hung)
    cage.judge("a")
    answers: list[Loss | None] = []
    in_thread(lambda: cage.judge("b"), [])
    assert hung.entered.wait(5.0)
    in_thread(lambda: cage.judge("c"), answers)
    assert cage.clock.waiting(1)
    cage.clock.advance(PATIENCE + GRACE)
    assert wait_until(lambda: len(answers) == 1) and answers[0] is not None


def test_a_canary_that_hangs_has_failed_for_who_asks_it_too(hung: Bird) -> None:
    """No worker is held up for longer, and none is lost."""
    cage = Cage(hung)
    cage.judge("a")
    answers: list[Loss | None] = []
    in_thread(lambda: cage.judge("b"), answers)
    assert hung.entered.wait(5.0) and cage.clock.waiting(1, 1.0)
    cage.clock.advance(PATIENCE + GRACE)
    assert wait_until(lambda: len(answers) == 1, 1.0) and answers[0] is not None


def test_a_canary_that_hung_is_heard_when_it_comes_back(hung: Bird) -> None:
    """It is asked again, and the network is found."""
    cage = Cage(hung)
    cage.judge("a")
    asking = in_thread(lambda: cage.judge("b"), [])
    assert hung.entered.wait(5.0)
    other = in_thread(lambda: cage.judge("c"), [])
    assert cage.clock.waiting(1)
    cage.clock.advance(PATIENCE + GRACE)
    other.join(5.0)
    before = cage.canary.lost
    hung.leave.set()
    asking.join(5.0)
    assert before and wait_until(lambda: cage.clock.advance(FRESH) or cage.judge("a", turned=False) is None)
    assert ["lost", "found"] == cage.told


def test_all_canaries_together_have_two_seconds() -> None:
    """Each its share."""
    asked: list[float] = []

    def silent(timeout: float) -> Response:
        asked.append(timeout)
        return Response(error=Fault("timeout"))

    Cage(*[ScriptedProbe([silent]) for _ in range(4)]).lose()
    assert [PATIENCE / 4] * 4 == asked


def test_after_a_fork_nothing_is_known() -> None:
    """The child begins anew, although its parent had lost the network and was asking."""
    bird = Bird(False)
    cage = Cage(bird)
    cage.lose()
    cage.clock.advance(60.0)
    bird.leave.clear()
    bird.entered.clear()
    in_thread(lambda: cage.judge("a"), [])
    assert bird.entered.wait(5.0)
    holder = in_thread(cage.canary._lock.acquire, [])
    holder.join(5.0)
    cage.canary.after_fork()
    bird.leave.set()
    assert ("", None) == (cage.canary.lost, cage.judge("z"))


# Bad values

WRONG = [
    "10.0.0.1",
    "",
    "tcp://10.0.0.1",
    "ftp://10.0.0.1/",
    "http://",
    5,
    True,
    object(),
    b"tcp://10.0.0.1:53",
    [None],
    ["tcp://10.0.0.1:53", "10.0.0.1"],
    {"tcp": 53},
]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: f"{value!r:.30}".partition(" at ")[0])
def test_bad_values_are_refused(value: Any) -> None:
    """At construction; the message names the option."""
    with pytest.raises(ConfigError, match=r"^monitor: canary: "):
        Monitor(canary=value)


@pytest.mark.parametrize("value", [None, (), []], ids=repr)
def test_without_a_canary_nothing_is_ever_lost(value: Any) -> None:
    """Nothing is one way to say that there is none."""
    monitor = Monitor(canary=value)
    assert "" == monitor.snapshot()["self"]["lost"]


def test_secrets_of_canaries_stay_in() -> None:
    """What is told of one is its address without user and query."""
    told = Cage("http://user:secret@127.0.0.1:1/?key=secret").lose().detail
    assert "secret" not in told and "127.0.0.1:1" in told


# What becomes of results


class World:
    """Checks of several hosts, polled by hand, each a second after the one before; some hosts are down, or all are."""

    def __init__(self, hosts: str = "abc", callables: str = "", **options: Any) -> None:
        self.clock = FakeClock(START, wall=WALL)
        self.registry, self.told = Registry(self.clock), Told()
        self.bird = Bird()
        self.canary = Canary(self.bird, self.clock, Openers(), lambda kind, text: self.registry.tell("", kind, text))
        self.poller = Poller(self.clock, self.registry, self.told, canary=self.canary)  # type: ignore[arg-type]
        self.scheduler = Scheduler(self.clock, self.poller)
        self.down: set[str] = set()
        self.entries: dict[str, Entry] = {}
        for name in hosts + callables:
            target: Any = f"http://{name}/" if name in hosts else print
            check = Check(name, target, **{"every": EVERY, "fall": 2, "rise": 1, **options})
            self.registry.add(check, math.inf)
            answer = ScriptedProbe([lambda timeout, name=name: BROKEN if name in self.down else OK])
            self.entries[name] = Entry(name, check.timeout, Work(check, prepare({"name": name, "target": answer})))

    def poll(self, names: str) -> None:
        """One after another."""
        for name in names:
            self.poller.execute(Run(self.scheduler, self.entries[name]))
            self.clock.advance(1.0)

    def cut(self, names: str = "abc") -> None:
        """We have no network: nothing answers any more, the canary among it."""
        self.down |= set(names)
        self.bird.alive = False

    def mend(self) -> None:
        """All is well again."""
        self.down.clear()
        self.bird.alive = True

    def view(self, name: str) -> dict[str, Any]:
        """A check, as a reader sees it."""
        view: dict[str, Any] = self.registry.snapshot()["checks"][name]
        return view

    def statuses(self) -> list[str]:
        """Of all checks."""
        return [check["status"] for check in self.registry.snapshot()["checks"].values()]

    def changes(self, name: str) -> list[str]:
        """The statuses of this check that were told."""
        return [change.after.status.value for change in self.told.changes if change.name == name]

    def kinds(self) -> list[str]:
        """The kinds of events, without changes."""
        return [event["kind"] for event in self.registry.snapshot()["events"] if event["kind"] != "change"]

    def hour(self, name: str) -> tuple[float, float, int, float | None]:
        """Seconds covered, seconds down, incidents and the ratio within the last hour."""
        seen = self.view(name)["uptime"]["1h"]
        return round(seen["coverage"] * 3600.0), seen["down_s"], seen["incidents"], seen["ratio"]


def test_when_all_fails_and_the_canary_too_it_is_unknown() -> None:
    """With reason `lost`, and what was seen besides."""
    world = World()
    world.poll("abc")
    world.cut()
    world.poll("abc")
    last = world.view("b")["last"]
    assert (["unknown"] * 3, "unknown", "lost") == (world.statuses(), last["outcome"], last["reason"])
    assert "no network: " in last["detail"] and "; else: status_code: expected 2xx, got 500" in last["detail"]


def test_what_had_failed_first_is_taken_back() -> None:
    """It is unknown too, and that is told."""
    world = World()
    world.poll("abc")
    world.cut()
    world.poll("a")
    before = world.view("a")
    world.poll("b")
    after = world.view("a")
    assert ("up", "fail", "unknown", "lost") == (
        before["status"],
        before["last"]["outcome"],
        after["status"],
        after["last"]["reason"],
    )
    assert [["up", "unknown"], ["up", "unknown"], ["up"]] == [world.changes(name) for name in "abc"]


def test_a_down_that_was_decided_is_taken_back() -> None:
    """With `fall` 1: it was up until then, and the time since then is not covered."""
    world = World(fall=1)
    world.poll("abc")
    world.cut()
    world.poll("aa")
    before = world.view("a")["status"], world.hour("a")[1:3]
    world.clock.advance(5.0)
    world.poll("b")
    state = world.registry.state("a")
    assert (("down", (1.0, 1)), "unknown", "up") == (before, state.status, state.decided)
    assert (3.0, 0.0, 0, 1.0) == world.hour("a") and ["up", "down", "unknown"] == world.changes("a")


def test_a_loss_is_not_downtime() -> None:
    """After it uptime is what it was, but for the time that is not covered."""
    world = World(fall=1)
    world.poll("abc")
    world.cut()
    for _ in range(20):
        world.poll("abc")
    world.mend()
    world.poll("abc" * 2)
    seen = {name: world.hour(name) for name in "abc"}
    assert dict.fromkeys("abc", (6.0, 0.0, 0, 1.0)) == seen


def test_a_target_that_was_down_before_is_not_taken_back() -> None:
    """It is unknown while there is no network, and what was decided of it stays."""
    world = World("abcx")
    world.down.add("x")
    for _ in range(10):
        world.poll("xabc")
    before = world.hour("x")[1:]
    world.cut()
    world.poll("abcx")
    lost = world.registry.state("x")
    assert ("unknown", "down", before[1]) == (lost.status, lost.decided, world.hour("x")[2])
    world.bird.alive = True
    world.clock.advance(FRESH)
    world.poll("x")
    assert "down" == world.view("x")["status"] and ["down", "unknown", "down"] == world.changes("x")


def test_a_target_that_was_down_before_keeps_its_downtime() -> None:
    """One incident, of the time that was seen."""
    world = World("abcx", fall=1)
    world.poll("abcx")
    world.down.add("x")
    for _ in range(10):
        world.poll("xabc")
    covered, down, incidents, _ = world.hour("x")
    world.cut()
    world.poll("abcx")
    world.poll("abcx")
    after = world.hour("x")
    assert (1, incidents) == (after[2], 1) and down <= after[1] <= down + 8.0 and covered <= after[0] <= covered + 8.0


def test_passes_pass_while_there_is_no_network() -> None:
    """What answers is up: not every target is beyond it."""
    world = World("abcl")
    world.poll("abcl")
    world.cut()
    world.poll("abcl" * 3)
    assert ["unknown", "unknown", "unknown", "up"] == world.statuses() and ["up"] == world.changes("l")


def test_callables_fail_while_there_is_no_network() -> None:
    """Nobody knows whether they need it."""
    world = World("abc", callables="f")
    world.poll("abcf")
    world.cut("abcf")
    world.poll("abcff")
    assert ["unknown", "unknown", "unknown", "down"] == world.statuses()


def test_if_a_canary_answers_failures_count() -> None:
    """All targets are down, and that is told."""
    world = World()
    world.poll("abc")
    world.down |= set("abc")
    world.poll("abc" * 2)
    assert (["down"] * 3, []) == (world.statuses(), world.kinds())


def test_first_runs_that_fail_are_turns() -> None:
    """A monitor that is started without a network says unknown, and nothing is down."""
    world = World(fall=1)
    world.cut()
    world.poll("abc" * 3)
    assert (["unknown"] * 3, ["lost"]) == (world.statuses(), world.kinds())


def test_a_loss_and_its_end_are_events() -> None:
    """`lost` and then `found`, in between nothing."""
    world = World()
    world.poll("abc")
    world.cut()
    world.poll("abc" * 3)
    world.bird.alive = True
    world.poll("abc" * 3)
    assert ["lost", "found"] == world.kinds()


def test_after_it_was_found_failures_count() -> None:
    """From the first one on, as many as `fall` says."""
    world = World(fall=3)
    world.poll("abc")
    world.cut()
    world.poll("abc" * 3)
    world.bird.alive = True
    world.poll("aa")
    before = world.view("a")["status"]
    world.poll("a")
    assert ("unknown", "down") == (before, world.view("a")["status"])


def test_after_it_was_found_passes_are_up() -> None:
    """At once, for all was up before."""
    world = World(rise=5)
    world.poll("abc")
    world.cut()
    world.poll("abc" * 3)
    world.mend()
    world.poll("abc")
    assert ["up"] * 3 == world.statuses() and ["up", "unknown", "up"] == world.changes("b")


def test_it_is_found_when_all_pass_again() -> None:
    """No failure is needed to see that the network is back."""
    world = World()
    world.poll("abc")
    world.cut()
    world.poll("abc" * 2)
    world.mend()
    world.poll("abc" * 2)
    assert ("", ["lost", "found"]) == (world.canary.lost, world.kinds())


def test_what_was_given_up_is_lost_too() -> None:
    """Without a network the look-up of a name hangs: such runs are no failures either."""
    world = World(fall=1)
    world.poll("abc")
    world.cut()
    for name in "abc":
        run = Run(world.scheduler, world.entries[name])
        run.started = world.clock.monotonic()
        run.claim()
        world.clock.advance(0.5)
        world.poller.give_up(run)()
    assert ["unknown"] * 3 == world.statuses()


def test_a_flap_of_the_network_is_none_of_the_target() -> None:
    """However often it is lost and found, no check is flapping."""
    world = World()
    world.poll("abc")
    for _ in range(6):
        world.cut()
        world.poll("abc")
        world.mend()
        world.poll("abc" * 2)
    assert not any(world.view(name)["flapping"] for name in "abc")


def test_a_run_that_asks_has_the_time_for_it() -> None:
    """Its deadline is put off, so that nobody gives it up while it waits for the canary."""
    world = World()
    world.poll("a")
    world.cut()
    run = Run(world.scheduler, world.entries["b"])
    run.deadline = 5.0
    world.poller.execute(run)
    assert 5.0 + PATIENCE + GRACE == run.deadline


# In a monitor


class Net:
    """Servers on different hosts of the loopback, a canary beside them, and a monitor of them all."""

    def __init__(self, **options: Any) -> None:
        hosts = "127.0.0.1", "127.0.0.2", "localhost"
        self.servers = [RogueServer("ok", host=host).start() for host in hosts]
        self.canary = RogueServer("ok").start()
        self.told: list[Change] = []
        checks = [Check(server.host, server.url, every=0.05, retry_interval=0.05, **options) for server in self.servers]
        local = Check("local", lambda: None, every=0.05)
        address = f"tcp://127.0.0.1:{self.canary.port}"
        self.monitor = Monitor([*checks, local], canary=["tcp://127.0.0.1:1", address], on_change=self.told.append)

    def cut(self, canary: bool = True) -> None:
        """Nothing answers any more."""
        for server in [self.canary] * canary + self.servers:
            server.stop()

    def mend(self) -> None:
        """All is there again."""
        for server in (self.canary, *self.servers):
            server.start()

    def statuses(self) -> set[str]:
        """Of the servers."""
        checks = self.monitor.snapshot()["checks"]
        return {checks[server.host]["status"] for server in self.servers}

    def end(self) -> None:
        """Stop all."""
        self.monitor.stop(5.0)
        self.cut()


@pytest.fixture
def net() -> Iterator[Net]:
    """A network, which is cleared in the end."""
    net = Net(fall=20)
    net.monitor.start()
    assert wait_until(lambda: net.monitor.snapshot()["counts"]["up"] == 5)
    yield net
    net.end()
    assert wait_until(lambda: our_threads() == [])


@pytest.mark.long
def test_a_network_that_goes_and_comes_back(net: Net) -> None:
    """Nothing is told to be down: unknown, and up again; `self.lost` and `minimon` say why meanwhile."""
    net.cut()
    assert wait_until(lambda: net.statuses() == {"unknown"})
    lost = net.monitor.snapshot()
    net.mend()
    assert wait_until(lambda: net.statuses() == {"up"})
    assert wait_until(lambda: not net.monitor.snapshot()["self"]["lost"], 2.5)
    assert "up" == net.monitor.snapshot()["checks"]["minimon"]["status"]
    told = {check: [c.after.status.value for c in net.told if c.name == check] for check in lost["checks"]}
    assert ("degraded", True, "up") == (
        lost["checks"]["minimon"]["status"],
        lost["self"]["lost"] in lost["checks"]["minimon"]["explanation"],
        lost["checks"]["local"]["status"],
    )
    assert {server.host: ["up", "unknown", "up"] for server in net.servers} == {
        server.host: told[server.host] for server in net.servers
    }


@pytest.mark.long
def test_servers_that_go_while_the_network_is_there(net: Net) -> None:
    """They are down, for the canary answers."""
    net.cut(canary=False)
    assert wait_until(lambda: net.statuses() == {"down"}) and "" == net.monitor.snapshot()["self"]["lost"]
