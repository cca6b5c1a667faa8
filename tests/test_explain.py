"""Why a check is what it is: the whole document for every state and target, its sentences, and what would change it."""

from __future__ import annotations

import itertools
import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import wait_until
from test_history import NOON, OUTCOMES, REASONS, Kept
from test_scheduler import SteppedClock, let_pass

from minimon import Check, CheckState, Monitor, Probe, Response
from minimon.evaluate import FARTHEST, Prospect, advance, gone_stale, progress, prospects
from minimon.explain import explained
from minimon.model import Outcome, Result, Status, stamp
from minimon.reference import EXPLAINED
from minimon.testing import RogueServer

Watched = Callable[..., Monitor]


def after(script: str, **options: Any) -> Kept:
    """A check after these runs, each of 0.012 s and with a detail unless it passed; s is that it went stale."""
    kept = Kept(**{"fall": 3, "rise": 2, "lasts": 25.0, **options})
    for letter in script:
        if letter == "s":
            kept.clock.advance(100.0)
        else:
            kept.run(letter, 10.0, elapsed=0.012, detail="" if letter == "p" else "why")
    return kept


def told(kept: Kept, due: float | None = None) -> dict[str, Any]:
    """What is explained of its state, as of now; `due` in so many seconds."""
    now = kept.clock.monotonic()
    when = kept.clock.time()
    return explained(kept.check, kept.state, when - kept.state.since, when, now, None if due is None else now + due)


def at(seconds: float) -> str:
    """A stamp of the day of the tests."""
    return stamp(NOON + seconds)


# Keys, values and sentences


def test_an_undecided_check_is_explained() -> None:
    """How far it is, since when, and what is left: these keys, and no others."""
    kept = after("pff")
    kept.clock.advance(1.0)
    seen = told(kept, 1.0)
    assert {key for keys in EXPLAINED for key in keys.split(", ")} == seen.keys()
    del seen["text"]
    assert {
        "target": "print",
        "expected": "None or a true value, within 5 s",
        "actual": "connect: why",
        "progress": "2 of 3 failures",
        "since": at(10.0),
        "since_s": 21.0,
        "turned": at(20.0),
        "next_run": at(32.0),
        "next_run_s": 1.0,
        "to_change": [{"outcome": "fail", "runs": 1, "status": "down"}],
    } == seen


def test_what_is_not_known_is_null_or_empty() -> None:
    """Of a check that was never run by a monitor that does not."""
    seen = told(after(""))
    values = [seen[key] for key in ("actual", "progress", "turned", "next_run", "next_run_s")]
    assert ["not run yet", "", None, None, None] == values


def test_turned_is_an_instant_of_the_wall_clock_of_now() -> None:
    """Lengths are monotonic: an instant of 20 s ago is 20 s before now, wherever the clock was set to."""
    kept = after("pf")
    kept.clock.advance(20.0)
    kept.clock.jump_wall(3_600.0)
    assert at(20.0 + 3_600.0) == told(kept)["turned"]


@pytest.mark.parametrize(
    ("script", "head", "more"),
    [
        ("", "unknown, since 00 (0 s)", ["1 pass: up", "3 failures in a row: down"]),
        (
            "f",
            "unknown, since 00 (10 s)",
            ["so far: 1 of 3 failures, the first at 10", "1 pass: up", "2 more failures in a row: down"],
        ),
        ("p", "up, since 10 (0 s)", ["3 failures in a row: down"]),
        ("pf", "up, since 10 (10 s)", ["so far: 1 of 3 failures, the first at 20", "2 more failures in a row: down"]),
        ("pfff", "down, since 40 (0 s)", ["2 passes in a row: up"]),
        ("pfffp", "down, since 40 (10 s)", ["so far: 1 of 2 passes, the first at 50", "1 more pass: up"]),
        ("www", "degraded, since 30 (0 s)", ["2 passes in a row: up", "3 failures in a row: down"]),
        ("pu", "unknown, since 20 (0 s)", ["1 pass: up", "3 failures in a row: down"]),
        (
            "ps",
            "unknown, since 35 (1 min)",
            ["because: stale: no run finished in time", "1 pass: up", "3 failures in a row: down"],
        ),
    ],
)
def test_a_state_in_sentences(script: str, head: str, more: list[str]) -> None:
    """What it is and since when, what was expected and seen, how far it is, and what would change it."""
    seen = told(after(script))
    always = ["target: print", "expected: None or a true value, within 5 s", f"actual: {seen['actual']}"]
    end = "next run: none, the monitor does not run"
    text = re.sub(r"2023-11-14T12:00:(\d\d)\.000Z", r"\1", seen["text"])
    assert [f"a is {head}", *always, *more, end] == text.split("\n")


@pytest.mark.parametrize(
    ("due", "line"),
    [(3.25, f"next run: in 3.2 s, at {at(13.25)}"), (0.0, "next run: now, or under way"), (-3.0, "next run: now, or ")],
)
def test_the_next_run_in_a_sentence(due: float, line: str) -> None:
    """When it is, or that it waits or runs."""
    seen = told(after("p"), due)
    assert (max(0.0, due), line) == (seen["next_run_s"], seen["text"].split("\n")[-1][: len(line)])


def test_a_paused_and_flapping_check_says_so() -> None:
    """Its status is that of now; and how it is resumed."""
    kept = after("pfpfp", fall=1, rise=1)
    kept.registry.pause("a", True)
    lines = told(kept)["text"].split("\n")
    expected = [f"a is up (paused), flapping, since {at(50.0)} (0 s)", "next run: none, until resume('a')"]
    assert expected == [lines[0], lines[-1]]


@pytest.mark.parametrize("end", ["", "s", "paused"])
def test_the_first_in_a_row_is_told_as_the_first(end: str) -> None:
    """Of any life, with its number: a row is of failures, or of what did not fail; forgotten where nobody looked."""
    chance, wrong, instants = random.Random(5), [], 0
    for _ in range(300):
        script = "".join(chance.choices("ppwwffu", k=chance.randint(1, 12)))
        kept = after(script, fall=chance.randint(1, 4), rise=chance.randint(1, 4))
        kept.clock.advance(100.0 if end == "s" else 0.0)
        kept.registry.pause("a", end == "paused")
        text = told(kept)["text"]
        for number, instant in re.findall(r"so far: (\d+) .* the first at (.*)", text):
            row = len(re.findall("f+$|[pw]+$", script)[0])
            instants += 1
            if (str(row), at(10.0 * (len(script) - row + 1))) != (number, instant):
                wrong.append((script, text))
    assert ([], end == "") == (wrong[:2], instants > 50)


# Targets


class Disk(Probe):
    """A Probe of the host."""

    def __call__(self, timeout: float) -> Response:
        """Nobody calls it."""
        return Response()


@pytest.mark.parametrize(
    ("target", "options", "shown", "expected"),
    [
        ("http://h/p", {"timeout": 0.25}, "http://h/p", "status_code 2xx, within 0.25 s"),
        ("http://h", {"expect": {"status_code": 404}}, "http://h", "{'status_code': 404}, within 5 s"),
        ("TCP://h:1", {}, "tcp://h:1", "a connection, within 5 s"),
        (lambda: None, {"expect": {"text": "x"}}, "<lambda>", "{'text': 'x'}, within 5 s"),
        (Disk(), {}, "Disk", "an answer without an error, within 5 s"),
        (
            print,
            {"warn_if": {"latency": {"gt": 0.5}}},
            "print",
            "None or a true value, within 5 s; a warning if {'latency': {'gt': 0.5}}",
        ),
    ],
)
def test_a_target_and_what_is_expected_of_it(target: Any, options: dict[str, Any], shown: str, expected: str) -> None:
    """The words of its kind, or the conditions that were given."""
    seen = explained(Check("a", target, **options), CheckState("a"), 0.0, NOON, 0.0, None)
    assert (shown, expected) == (seen["target"], seen["expected"])
    assert [f"target: {shown}", f"expected: {expected}"] == seen["text"].split("\n")[1:3]


@pytest.mark.parametrize(
    ("fields", "actual"),
    [
        ({"outcome": Outcome.PASS, "elapsed": 0.0123456, "status_code": 204}, "passed in 0.012 s, status_code 204"),
        ({"outcome": Outcome.FAIL, "reason": "dns", "detail": "dns has no such name"}, "dns has no such name"),
        ({"outcome": Outcome.FAIL, "reason": "skipped"}, "skipped"),
        ({"outcome": Outcome.WARN, "reason": "condition", "detail": "slow", "status_code": 200}, "condition: slow"),
    ],
)
def test_what_was_seen_last(fields: dict[str, Any], actual: str) -> None:
    """Seconds and code of a pass, reason and detail of anything else."""
    check = Check("a", print)
    state = advance(check, CheckState("a"), Result("a", **fields))
    assert actual == explained(check, state, 0.0, NOON, 0.0, None)["actual"]


# What would change it


def outcomes_of(check: Check, state: CheckState) -> list[Outcome]:
    """The outcomes that its next runs may have."""
    warns = check.warn_if is not None or state.streak.outcome is Outcome.WARN
    return [Outcome.PASS, Outcome.WARN, Outcome.FAIL] if warns else [Outcome.PASS, Outcome.FAIL]


def change(check: Check, state: CheckState, outcomes: list[Outcome]) -> tuple[int, Status] | None:
    """How many of these runs it takes until the status is another one, and which; None when it stays."""
    then = state
    for runs, outcome in enumerate(outcomes, 1):
        then = advance(check, then, Result(check.name, outcome, REASONS[outcome.value[0]]))
        if then.status is not state.status:
            return runs, then.status
    return None


def histories(count: int) -> Iterator[tuple[Check, CheckState]]:
    """States at random, of any thresholds; s is that it went stale."""
    chance = random.Random(3)
    for _ in range(count):
        warn_if = chance.choice([None, {"latency": {"gt": 1}}])
        check = Check("a", print, fall=chance.randint(1, 4), rise=chance.randint(1, 4), warn_if=warn_if)
        state = CheckState("a")
        for letter in chance.choices("ppwwffus", k=chance.randint(0, 12)):
            if letter == "s":
                state = gone_stale(state, 0.0)
            else:
                state = advance(check, state, Result("a", OUTCOMES[letter], REASONS[letter]))
        yield check, state


HISTORIES = list(histories(3_000))
"""Enough of them for every rule."""


def test_the_ways_are_those_that_a_trial_finds() -> None:
    """For each outcome the fewest runs in a row that change the status, and to what; there is always a way."""
    wrong = []
    for check, state in HISTORIES:
        tried = [(outcome, change(check, state, [outcome] * 30)) for outcome in outcomes_of(check, state)]
        ways = [Prospect(outcome, *found) for outcome, found in tried if found is not None]
        wrong += [(state, ways)] if ways != list(prospects(check, state)) or not ways else []
    assert [] == wrong[:3]


def test_no_mixture_changes_it_earlier() -> None:
    """Of fewer runs than the shortest way, whatever they are."""
    early = []
    for check, state in HISTORIES:
        fewest = min(way.runs for way in prospects(check, state))
        mixtures = itertools.product(outcomes_of(check, state), repeat=fewest - 1)
        early += [(state, mixture) for mixture in mixtures if change(check, state, list(mixture))]
    assert [] == early[:3]


def test_progress_is_short_of_its_end() -> None:
    """So many of so many, and always fewer; what is left is what a way says."""
    wrong = []
    for check, state in HISTORIES:
        said = progress(check, state)
        ways = {f"{way.outcome.value} {way.runs}" for way in prospects(check, state)}
        found = re.match(r"(\d+) of (\d+) (fail|warn|pass)", said)
        left = f"{found[3]} {int(found[2]) - int(found[1])}" if found else "none"
        wrong += [(state, said, ways)] if said and left not in ways else []
    assert [] == wrong[:3]


@pytest.mark.parametrize(("fall", "runs"), [(FARTHEST, [1, FARTHEST]), (10**9, [1])])
def test_ways_are_looked_for_up_to_a_bound(fall: int, runs: list[int]) -> None:
    """A threshold of a billion costs no time."""
    assert runs == [way.runs for way in prospects(Check("a", print, fall=fall, rise=1), CheckState("a"))]


# A Monitor


@pytest.fixture
def clock() -> SteppedClock:
    """Time that is moved by hand, from noon on."""
    return SteppedClock(1_000.0, wall=NOON)


@pytest.fixture
def watched(make: Callable[..., Monitor]) -> Watched:
    """Makes monitors of these checks, and stops them in the end."""
    return lambda *checks, **options: make(checks, **options)


def recorded(monitor: Monitor, name: str = "a") -> bool:
    """True as soon as a result was recorded of this check, and nothing runs."""

    def quiet() -> bool:
        figures = monitor.snapshot()["self"]
        return sum(monitor.state(name).counts) >= 1 and figures["busy"] == figures["queue"] == 0

    return wait_until(quiet)


def sentences(monitor: Monitor, name: str = "a") -> list[str]:
    """The text, line by line."""
    text: str = monitor.explain(name)["explain"]["text"]
    return text.split("\n")


def once(name: str, target: Any, **options: Any) -> Check:
    """A check that is due at once, and every ten seconds."""
    return Check(name, target, **{"every": 10.0, "initial_delay": 0, **options})


def test_the_document_has_the_whole_view(watched: Watched, clock: SteppedClock) -> None:
    """And what is said of it, nothing else, in strict JSON whatever was given."""
    check = once("a", Disk(), expect={"callback": lambda response: False}, group="g", tags={"t": "ä"})
    monitor = watched(check, name="shop", clock=clock).start()
    assert recorded(monitor)
    document, snapshot = monitor.explain("a"), monitor.snapshot()
    assert document == json.loads(json.dumps(document, allow_nan=False))
    actual = document.pop("explain")["actual"]
    assert {"schema": 1, "service": snapshot["service"], "check": "a", **snapshot["checks"]["a"]} == document
    assert ("shop", "condition: callback") == (document["service"]["name"], actual[:19])


def test_the_next_run_is_told(watched: Watched, clock: SteppedClock) -> None:
    """In its turn, two seconds later while it is undecided, and the first one; none while it is paused."""
    checks = once("a", lambda: True), once("b", lambda: False), once("c", print, initial_delay=60)
    monitor = watched(*checks, clock=clock).start()
    assert recorded(monitor, "a") and recorded(monitor, "b")
    expected = [f"next run: in {seconds:.1f} s, at {at(seconds)}" for seconds in (10.0, 2.0, 60.0)]
    assert expected == [sentences(monitor, name)[-1] for name in "abc"]
    monitor.pause("c")
    paused = monitor.explain("c")
    assert (True, None) == (paused["paused"], paused["explain"]["next_run"])


def test_a_hung_function_is_explained(watched: Watched, clock: SteppedClock) -> None:
    """It is under way, then unknown, and nothing is decided by it."""
    entered, free = threading.Event(), threading.Event()
    monitor = watched(once("a", lambda: entered.set() or free.wait(20.0), timeout=2), clock=clock).start()
    assert entered.wait(5.0)
    let_pass(clock, 1.0)
    before = sentences(monitor)[-1]
    let_pass(clock, 2.0)
    assert wait_until(lambda: monitor.state("a").last)
    lines = sentences(monitor)
    free.set()
    actual = "actual: timeout: hung: not ended after 2.5 s; it is not run again before it ends"
    assert ("next run: now, or under way", f"a is unknown, since {at(0.0)} (3 s)") == (before, lines[0])
    assert [actual, "1 pass: up"] == lines[3:5]


def test_a_stopped_monitor_explains_still(watched: Watched, clock: SteppedClock) -> None:
    """What it knew, until that is too old."""
    monitor = watched(once("a", lambda: True), clock=clock).start()
    assert recorded(monitor)
    monitor.stop()
    before = sentences(monitor)
    clock.advance(100.0)
    lines, end = sentences(monitor), "next run: none, the monitor does not run"
    assert [f"a is up, since {at(0.0)} (0 s)", end] == [before[0], before[-1]]
    assert [f"a is unknown, since {at(25.0)} (1 min)", end] == [lines[0], lines[-1]]


def test_the_monitor_explains_itself(watched: Watched, clock: SteppedClock) -> None:
    """The check `minimon`, as any other; no run of it fails, but it needs a start."""
    monitor = watched(clock=clock)
    before = sentences(monitor, "minimon")
    running = sentences(monitor.start(), "minimon")
    monitor.stop()
    after = sentences(monitor, "minimon")
    assert [
        f"minimon is up, since {at(0.0)} (0 s)",
        "target: itself",
        "expected: runs that start within 2 s of their time and end, an on_change that is told of all and raises "
        "nothing, a network, a state file that is saved",
        "actual: passed in 0.000 s",
        "1 warning: degraded",
        f"next run: in 10.0 s, at {at(10.0)}",
    ] == running
    assert ("actual: not run yet", "actual: skipped: the monitor does not run") == (before[3], after[3])
    assert ["next run: none, the monitor does not run"] * 2 == [before[-1], after[-1]]


@pytest.mark.parametrize(
    ("answers", "expect", "actual"),
    [
        (True, None, r"passed in \d\.\d{3} s, status_code 200"),
        (True, {"contains": "missing"}, "condition: .*"),
        (False, None, "connect: .*"),
    ],
)
def test_no_secret_is_told(watched: Watched, answers: bool, expect: Any, actual: str) -> None:
    """Real sockets: neither userinfo nor values of the query nor headers, of a target that passes, fails or refuses."""
    with RogueServer("ok") as server:
        if not answers:
            server.stop()
        address = f"127.0.0.1:{server.port}/health"
        url, headers = f"http://us3r:s3cret@{address}?token=t0ken&x=h1dden", {"Authorization": "Bearer b3arer"}
        monitor = watched(once("a", url, expect=expect, headers=headers, fall=1)).start()
        assert recorded(monitor)
        document = monitor.explain("a")
    words = ("us3r", "s3cret", "t0ken", "h1dden", "b3arer")
    assert ([], True) == ([word for word in words if word in json.dumps(document)], address in json.dumps(document))
    assert None is not re.fullmatch(actual, document["explain"]["actual"])


def test_a_clock_that_is_set_makes_no_time_go_by(watched: Watched, clock: SteppedClock) -> None:
    """A board that began in 1970 has been up for as long as it has."""
    monitor = watched(once("a", lambda: None), clock=clock).start()
    assert recorded(monitor, "a")
    clock.jump_wall(20_000 * 86_400.0)
    seen = monitor.explain("a")["explain"]
    assert (0.0, "(0 s)") == (seen["since_s"], seen["text"].split("\n")[0][-5:])


def test_what_is_explained_is_the_hosts(watched: Watched, clock: SteppedClock) -> None:
    """It may do with the results what it likes."""
    monitor = watched(once("a", lambda: None), clock=clock).start()
    assert recorded(monitor, "a")
    before = monitor.explain("a")["recent"][:]
    monitor.explain("a")["recent"].clear()
    assert before == monitor.explain("a")["recent"] and len(before) == 1
