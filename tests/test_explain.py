"""Why a check is what it is: the whole document for every state and target, its sentences, and what would change it."""

from __future__ import annotations

import itertools
import json
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import our_threads, wait_until
from test_history import NOON, OUTCOMES, REASONS, Kept
from test_scheduler import SteppedClock, let_pass

from minimon import Check, CheckState, HealthCheckServer, Monitor, Probe, Response, UnknownCheckError
from minimon.evaluate import FARTHEST, advance, gone_stale, progress, prospects
from minimon.explain import explained
from minimon.model import Outcome, Result, Status, stamp
from minimon.reference import EXPLAINED
from minimon.testing import ScriptedProbe

Watched = Callable[..., Monitor]


def after(script: str, gap: float = 10.0, **options: Any) -> Kept:
    """A check after these runs, each of 0.012 s and with a detail unless it passed."""
    kept = Kept(**{"fall": 3, "rise": 2, **options})
    for letter in script:
        kept.run(letter, gap, elapsed=0.012, detail="" if letter == "p" else "why")
    return kept


def told(kept: Kept, due: float | None = None) -> dict[str, Any]:
    """What is explained of its state, as of now; `due` in so many seconds."""
    now = kept.clock.monotonic()
    return explained(kept.check, kept.state, kept.clock.time(), now, None if due is None else now + due)


def at(seconds: float) -> str:
    """A stamp of the day of the tests."""
    return stamp(NOON + seconds)


# Keys and values


def test_the_explanation_has_these_keys() -> None:
    """Those of the reference, and no others."""
    assert {key for keys in EXPLAINED for key in keys.split(", ")} == told(after("pf")).keys()


def test_a_check_that_was_never_run_is_explained() -> None:
    """What is not known is null or empty."""
    kept = after("")
    kept.clock.advance(2.5)
    seen = told(kept, 4.0)
    del seen["text"]
    assert {
        "target": "print",
        "expected": "None or a true value, within 5 s",
        "actual": "not run yet",
        "progress": "",
        "since": at(0.0),
        "since_s": 2.5,
        "turned": None,
        "next_run": at(6.5),
        "next_run_s": 4.0,
        "to_change": [
            {"outcome": "pass", "runs": 1, "status": "up"},
            {"outcome": "fail", "runs": 3, "status": "down"},
        ],
    } == seen


def test_an_undecided_check_is_explained() -> None:
    """How far it is, since when, and what is left."""
    kept = after("pff")
    kept.clock.advance(1.0)
    seen = told(kept, 1.0)
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


def test_turned_is_an_instant_of_the_wall_clock_of_now() -> None:
    """Lengths are monotonic: an instant that was a minute ago is a minute before now, wherever the clock was set to."""
    kept = after("pf")
    kept.clock.advance(60.0)
    kept.clock.jump_wall(3_600.0)
    assert at(20.0 + 3_600.0) == told(kept)["turned"]


@pytest.mark.parametrize("script", ["", "p", "pwfu", "ppffffp"])
def test_an_explanation_is_strict_json(script: str) -> None:
    """It goes to JSON and back unchanged."""
    seen = told(after(script), 1.0)
    assert seen == json.loads(json.dumps(seen, allow_nan=False))


# In sentences


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        (
            "",
            [
                "a is unknown, since 2023-11-14T12:00:00.000Z (0 s)",
                "actual: not run yet",
                "1 pass: up",
                "3 failures in a row: down",
            ],
        ),
        (
            "p",
            [
                "a is up, since 2023-11-14T12:00:10.000Z (0 s)",
                "actual: passed in 0.012 s",
                "3 failures in a row: down",
            ],
        ),
        (
            "pf",
            [
                "a is up, since 2023-11-14T12:00:10.000Z (10 s)",
                "actual: connect: why",
                "so far: 1 of 3 failures, the first at 2023-11-14T12:00:20.000Z",
                "2 more failures in a row: down",
            ],
        ),
        (
            "pff",
            [
                "a is up, since 2023-11-14T12:00:10.000Z (20 s)",
                "actual: connect: why",
                "so far: 2 of 3 failures, the first at 2023-11-14T12:00:20.000Z",
                "1 more failure: down",
            ],
        ),
        (
            "pfff",
            [
                "a is down, since 2023-11-14T12:00:40.000Z (0 s)",
                "actual: connect: why",
                "2 passes in a row: up",
            ],
        ),
        (
            "pfffp",
            [
                "a is down, since 2023-11-14T12:00:40.000Z (10 s)",
                "actual: passed in 0.012 s",
                "so far: 1 of 2 passes, the first at 2023-11-14T12:00:50.000Z",
                "1 more pass: up",
            ],
        ),
        (
            "pfffpp",
            [
                "a is up, since 2023-11-14T12:01:00.000Z (0 s)",
                "actual: passed in 0.012 s",
                "3 failures in a row: down",
            ],
        ),
        (
            "www",
            [
                "a is degraded, since 2023-11-14T12:00:30.000Z (0 s)",
                "actual: condition: why",
                "2 passes in a row: up",
                "3 failures in a row: down",
            ],
        ),
        (
            "pu",
            [
                "a is unknown, since 2023-11-14T12:00:20.000Z (0 s)",
                "actual: timeout: why",
                "1 pass: up",
                "3 failures in a row: down",
            ],
        ),
    ],
)
def test_a_state_in_sentences(script: str, lines: list[str]) -> None:
    """What it is and since when, what was expected and seen, how far it is, and what would change it."""
    always = ["target: print", "expected: None or a true value, within 5 s"]
    end = "next run: none, the monitor does not run"
    assert [lines[0], *always, *lines[1:], end] == told(after(script))["text"].split("\n")


def test_a_first_failure_says_how_far_it_is() -> None:
    """Nothing is decided yet."""
    seen = told(after("f"))["text"].split("\n")
    expected = ["so far: 1 of 3 failures, the first at 2023-11-14T12:00:10.000Z", "1 pass: up"]
    assert [*expected, "2 more failures in a row: down"] == seen[-4:-1]


@pytest.mark.parametrize(("script", "first"), [("pppww", 40.0), ("fffppppw", 80.0), ("ffppww", 50.0)])
def test_warnings_do_not_begin_with_the_first_pass(script: str, first: float) -> None:
    """The first warning is told as the first, or none is."""
    (line,) = (line for line in told(after(script))["text"].split("\n") if line.startswith("so far:"))
    assert [] == [instant for instant in re.findall(r"\S+Z", line) if instant != at(first)]


def test_passes_of_a_degraded_check_do_not_begin_with_the_warnings() -> None:
    """The first pass is told as the first, or none is."""
    (line,) = (line for line in told(after("pwwwp"))["text"].split("\n") if line.startswith("so far:"))
    assert [] == [instant for instant in re.findall(r"\S+Z", line) if instant != at(50.0)]


@pytest.mark.parametrize(
    ("due", "line"),
    [
        (None, "next run: none, the monitor does not run"),
        (3.25, "next run: in 3.2 s, at 2023-11-14T12:00:13.250Z"),
        (0.0, "next run: now, or under way"),
        (-3.0, "next run: now, or under way"),
    ],
)
def test_the_next_run_in_a_sentence(due: float | None, line: str) -> None:
    """When it is, or that it waits or runs."""
    assert line == told(after("p"), due)["text"].split("\n")[-1]


def test_a_paused_check_says_how_it_is_resumed() -> None:
    """Whatever it is."""
    kept = after("p")
    kept.registry.pause("a", True)
    lines = told(kept)["text"].split("\n")
    assert ["a is up (paused), since 2023-11-14T12:00:10.000Z (0 s)", "next run: none, until resume('a')"] == [
        lines[0],
        lines[-1],
    ]


def test_a_flapping_check_says_so() -> None:
    """Its status is that of now."""
    kept = after("pfpfp", fall=1, rise=1)
    assert "a is up, flapping, since 2023-11-14T12:00:50.000Z (0 s)" == told(kept)["text"].split("\n")[0]


def test_a_stale_check_says_why_it_is_unknown() -> None:
    """What was seen last is told beside it."""
    kept = after("p", lasts=25.0)
    kept.clock.advance(100.0)
    expected = ["a is unknown, since 2023-11-14T12:00:35.000Z (1 min)", "actual: passed in 0.012 s"]
    lines = told(kept)["text"].split("\n")
    assert [*expected, "because: stale: no run finished in time", "1 pass: up"] == [lines[0], *lines[3:6]]


def stale(script: str) -> Kept:
    """A check that went stale after these runs."""
    kept = after(script, lasts=25.0)
    kept.clock.advance(100.0)
    return kept


def paused(script: str) -> Kept:
    """One that was paused."""
    kept = after(script)
    kept.registry.pause("a", True)
    return kept


@pytest.mark.parametrize("script", ["pf", "pff", "f", "pfff", "pfffp", "pww", "pwwwp"])
@pytest.mark.parametrize("since", [stale, paused])
def test_what_is_not_known_any_more_is_left_out(since: Callable[[str], Kept], script: str) -> None:
    """When the first in a row was is forgotten where nobody looked for a while: no sentence tells of None."""
    assert "None" not in told(since(script))["text"].replace("expected: None", "")


@pytest.mark.parametrize("script", ["pfff", "p" + "f" * 57])
def test_what_is_decided_is_no_progress(script: str) -> None:
    """57 of 3 failures are nothing on the way to anywhere, stale or not."""
    assert ["", ""] == [told(after(script))["progress"], told(stale(script))["progress"]]


# Targets


class Disk(Probe):
    """A Probe of the host."""

    def __call__(self, timeout: float) -> Response:
        """Nobody calls it."""
        return Response()


@pytest.mark.parametrize(
    ("target", "options", "shown", "expected"),
    [
        ("http://h/p", {}, "http://h/p", "status_code 2xx, within 5 s"),
        ("https://h", {"timeout": 0.25}, "https://h", "status_code 2xx, within 0.25 s"),
        ("http://h", {"expect": {"status_code": 404}}, "http://h", "{'status_code': 404}, within 5 s"),
        ("http://h", {"warn_if": {"latency": {"gt": 1}}}, "http://h", "status_code 2xx, within 5 s; a warning if "),
        ("tcp://h:1", {}, "tcp://h:1", "a connection, within 5 s"),
        ("TCP://h:1", {}, "tcp://h:1", "a connection, within 5 s"),
        (print, {}, "print", "None or a true value, within 5 s"),
        (lambda: None, {"expect": {"text": "x"}}, "<lambda>", "{'text': 'x'}, within 5 s"),
        (Disk(), {}, "Disk", "an answer without an error, within 5 s"),
        (ScriptedProbe([Response()]), {}, "ScriptedProbe", "an answer without an error, within 5 s"),
    ],
)
def test_a_target_and_what_is_expected_of_it(target: Any, options: dict[str, Any], shown: str, expected: str) -> None:
    """The words of its kind, or the conditions that were given."""
    seen = explained(Check("a", target, **options), CheckState("a"), NOON, 0.0, None)
    assert (shown, expected) == (seen["target"], seen["expected"][: len(expected)])
    assert [f"target: {shown}", f"expected: {seen['expected']}"] == seen["text"].split("\n")[1:3]


def test_a_warning_condition_is_told() -> None:
    """Beside what has to hold."""
    seen = explained(Check("a", print, warn_if={"latency": {"gt": 0.5}}), CheckState("a"), NOON, 0.0, None)
    expected = "None or a true value, within 5 s; a warning if {'latency': {'gt': 0.5}}"
    assert (expected, "1 warning: up") == (seen["expected"], seen["text"].split("\n")[5])


@pytest.mark.parametrize(
    ("fields", "actual"),
    [
        ({"outcome": Outcome.PASS, "elapsed": 0.0123456}, "passed in 0.012 s"),
        ({"outcome": Outcome.PASS, "status_code": 204}, "passed in 0.000 s, status_code 204"),
        ({"outcome": Outcome.FAIL, "reason": "dns", "detail": "no such name"}, "dns: no such name"),
        ({"outcome": Outcome.FAIL, "reason": "dns", "detail": "dns has no such name"}, "dns has no such name"),
        ({"outcome": Outcome.FAIL, "reason": "skipped"}, "skipped"),
        ({"outcome": Outcome.WARN, "reason": "condition", "detail": "slow", "status_code": 200}, "condition: slow"),
        ({"outcome": Outcome.UNKNOWN, "reason": "lost", "detail": "no network"}, "lost: no network"),
    ],
)
def test_what_was_seen_last(fields: dict[str, Any], actual: str) -> None:
    """Seconds and code of a pass, reason and detail of anything else."""
    check = Check("a", print)
    state = advance(check, CheckState("a"), Result("a", **fields))
    assert actual == explained(check, state, NOON, 0.0, None)["actual"]


# What would change it


def letters_of(check: Check, state: CheckState) -> str:
    """The outcomes that its next runs may have."""
    return "pwf" if check.warn_if is not None or state.streak.outcome is Outcome.WARN else "pf"


def played(check: Check, state: CheckState, letters: str) -> Status | None:
    """The first other status after these runs; None if there is none."""
    then = state
    for letter in letters:
        then = advance(check, then, Result(check.name, OUTCOMES[letter], REASONS[letter]))
        if then.status is not state.status:
            return then.status
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


def test_so_many_runs_change_it_to_that() -> None:
    """Playing exactly the runs that are told gives the status that is told."""
    ways = [(check, state, way) for check, state in HISTORIES for way in prospects(check, state)]
    wrong = [
        (state, way)
        for check, state, way in ways
        if played(check, state, way.outcome.value[0] * way.runs) is not way.status
    ]
    assert (True, []) == (len(ways) > 3_000, wrong[:3])


def test_one_run_less_changes_nothing() -> None:
    """They are the fewest."""
    ways = [(check, state, way) for check, state in HISTORIES for way in prospects(check, state)]
    assert (
        []
        == [
            (state, way)
            for check, state, way in ways
            if played(check, state, way.outcome.value[0] * (way.runs - 1)) is not None
        ][:3]
    )


def test_no_other_outcome_changes_it() -> None:
    """An outcome that is not told may come as often as it likes."""
    missed = []
    for check, state in HISTORIES:
        ways = {way.outcome.value[0] for way in prospects(check, state)}
        missed += [(state, x) for x in letters_of(check, state) if x not in ways and played(check, state, x * 30)]
    assert [] == missed[:3]


def test_no_mixture_changes_it_earlier() -> None:
    """Of fewer runs than the shortest way, whatever they are."""
    early = []
    for check, state in HISTORIES:
        fewest = min((way.runs for way in prospects(check, state)), default=1)
        mixtures = itertools.product(letters_of(check, state), repeat=fewest - 1)
        early += [(state, mixture) for mixture in mixtures if played(check, state, "".join(mixture))]
    assert [] == early[:3]


def test_there_is_always_a_way() -> None:
    """Nothing is for ever."""
    assert [] == [state for check, state in HISTORIES if not list(prospects(check, state))][:3]


def test_each_way_is_told_once() -> None:
    """In the order of the outcomes."""
    order = [Outcome.PASS, Outcome.WARN, Outcome.FAIL]
    ways = [[order.index(way.outcome) for way in prospects(check, state)] for check, state in HISTORIES]
    assert [] == [way for way in ways if sorted(set(way)) != way]


def test_progress_is_short_of_its_end() -> None:
    """So many of so many, and always fewer; what is left is what a way says."""
    wrong = []
    for check, state in HISTORIES:
        found = re.match(r"(\d+) of (\d+) (fail|warn|pass)", progress(check, state))
        left = [way.runs for way in prospects(check, state) if found and way.outcome.value == found[3]]
        wrong += [
            (state, progress(check, state), left) for _ in [0] if found and left != [int(found[2]) - int(found[1])]
        ]
    assert [] == wrong[:3]


def test_a_way_that_is_far_is_not_looked_for() -> None:
    """A threshold of a billion costs no time."""
    check = Check("a", print, fall=10**9)
    assert [(Outcome.PASS, 1, Status.UP)] == [tuple(way) for way in prospects(check, CheckState("a"))]


def test_the_farthest_way_is_found() -> None:
    """Up to a bound."""
    check = Check("a", print, fall=FARTHEST, rise=1)
    assert [1, FARTHEST] == [way.runs for way in prospects(check, CheckState("a"))]


# A Monitor


@pytest.fixture
def clock() -> SteppedClock:
    """Time that is moved by hand, from noon on."""
    return SteppedClock(1_000.0, wall=NOON)


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Makes monitors, and stops them in the end."""
    monitors: list[Monitor] = []

    def made(*checks: Check, **options: Any) -> Monitor:
        monitors.append(Monitor(checks, **options))
        return monitors[-1]

    yield made
    for monitor in monitors:
        monitor.stop(5.0)
    assert wait_until(lambda: our_threads() == [])


def recorded(monitor: Monitor, name: str, n: int = 1) -> bool:
    """True as soon as so many results were recorded of this check, and nothing runs."""

    def quiet() -> bool:
        figures = monitor.snapshot()["self"]
        return sum(monitor.state(name).counts) >= n and figures["busy"] == figures["queue"] == 0

    return wait_until(quiet)


def sentences(monitor: Monitor, name: str = "a") -> list[str]:
    """The text, line by line."""
    text: str = monitor.explain(name)["explain"]["text"]
    return text.split("\n")


def once(name: str, target: Any, **options: Any) -> Check:
    """A check that is due at once, and every ten seconds."""
    return Check(name, target, **{"every": 10.0, "initial_delay": 0, **options})


def test_the_document_has_the_whole_view(watched: Watched, clock: SteppedClock) -> None:
    """And what is said of it: nothing else."""
    monitor = watched(once("a", lambda: False, group="g"), name="shop", clock=clock).start()
    assert recorded(monitor, "a")
    document, snapshot = monitor.explain("a"), monitor.snapshot()
    explained = document.pop("explain")
    head = {"schema": 1, "service": snapshot["service"], "check": "a"}
    assert ({**head, **snapshot["checks"]["a"]}, "shop") == (document, document["service"]["name"])
    assert "condition: returned False" == explained["actual"]


def test_the_document_is_strict_json(watched: Watched) -> None:
    """Whatever the target is."""
    monitor = watched(Check("a", Disk(), expect={"callback": print}, tags={"t": "ä"}))
    document = monitor.explain("a")
    assert document == json.loads(json.dumps(document, allow_nan=False))


def test_before_the_start_nothing_is_planned(watched: Watched) -> None:
    """It says so."""
    seen = watched(once("a", print)).explain("a")["explain"]
    assert (None, None, "next run: none, the monitor does not run") == (
        seen["next_run"],
        seen["next_run_s"],
        seen["text"].split("\n")[-1],
    )


def test_the_first_run_is_told(watched: Watched, clock: SteppedClock) -> None:
    """When it will be."""
    monitor = watched(once("a", print, initial_delay=60), clock=clock).start()
    assert clock.sleeps_until(1_060.0)
    seen = monitor.explain("a")["explain"]
    assert (60.0, at(60.0), "not run yet") == (seen["next_run_s"], seen["next_run"], seen["actual"])


def test_the_next_run_is_told(watched: Watched, clock: SteppedClock) -> None:
    """Two seconds later while it is undecided, else in its turn."""
    monitor = watched(once("a", lambda: True), once("b", lambda: False), clock=clock).start()
    assert recorded(monitor, "a") and recorded(monitor, "b")
    expected = ["next run: in 10.0 s, at 2023-11-14T12:00:10.000Z", "next run: in 2.0 s, at 2023-11-14T12:00:02.000Z"]
    assert expected == [sentences(monitor, name)[-1] for name in "ab"]


class Held:
    """A function of the host that returns only when it is let go."""

    def __init__(self) -> None:
        self.entered, self.free = threading.Event(), threading.Event()

    def __call__(self) -> bool:
        self.entered.set()
        return self.free.wait(20.0)


@pytest.fixture
def held() -> Iterator[Held]:
    """One that is let go in the end."""
    function = Held()
    yield function
    function.free.set()


def test_a_run_that_is_under_way_is_now(watched: Watched, clock: SteppedClock, held: Held) -> None:
    """It was due already."""
    monitor = watched(once("a", held), clock=clock).start()
    assert held.entered.wait(5.0)
    let_pass(clock, 3.0)
    seen = monitor.explain("a")["explain"]
    held.free.set()
    assert (0.0, "next run: now, or under way") == (seen["next_run_s"], seen["text"].split("\n")[-1])


def test_a_hung_function_is_explained(watched: Watched, clock: SteppedClock, held: Held) -> None:
    """It is unknown, and nothing is decided by it."""
    monitor = watched(once("a", held, timeout=2), clock=clock).start()
    assert held.entered.wait(5.0)
    let_pass(clock, 3.0)
    assert wait_until(lambda: monitor.state("a").last)
    lines = sentences(monitor)
    held.free.set()
    actual = "actual: timeout: hung: not ended after 2.5 s; it is not run again before it ends"
    assert ["a is unknown, since 2023-11-14T12:00:00.000Z (3 s)", actual, "1 pass: up"] == [lines[0], *lines[3:5]]


def test_a_check_that_nobody_polls_in_time_is_explained(watched: Watched, clock: SteppedClock, held: Held) -> None:
    """The only worker is at another one: since when it is unknown, why, and what was seen last."""
    hog = once("hog", held, timeout=1_000, initial_delay=1)
    monitor = watched(once("a", lambda: True), hog, clock=clock, min_workers=1, max_workers=1).start()
    assert recorded(monitor, "a")
    let_pass(clock, 30.0)
    lines = sentences(monitor)
    held.free.set()
    assert "a is unknown, since 2023-11-14T12:00:25.000Z (5 s)" == lines[0]
    assert ["actual: passed in 0.000 s", "because: stale: no run finished in time", "1 pass: up"] == lines[3:6]


def test_a_paused_check_has_no_next_run(watched: Watched, clock: SteppedClock) -> None:
    """Until it is resumed; then it is now."""
    monitor = watched(once("a", lambda: True), clock=clock).start()
    assert recorded(monitor, "a")
    monitor.pause("a")
    before = monitor.explain("a")
    clock.advance(1.0)
    monitor.resume("a")
    assert recorded(monitor, "a", 2)
    lines = before["explain"]["text"].split("\n")
    assert (True, None, "next run: none, until resume('a')") == (
        before["paused"],
        before["explain"]["next_run"],
        lines[-1],
    )
    assert "next run: in 10.0 s, at 2023-11-14T12:00:11.000Z" == sentences(monitor)[-1]


def test_a_stopped_monitor_explains_still(watched: Watched, clock: SteppedClock) -> None:
    """What it knew, until that is too old."""
    monitor = watched(once("a", lambda: True), clock=clock).start()
    assert recorded(monitor, "a")
    monitor.stop()
    before = sentences(monitor)
    clock.advance(100.0)
    lines = sentences(monitor)
    assert ["a is up, since 2023-11-14T12:00:00.000Z (0 s)", "next run: none, the monitor does not run"] == [
        before[0],
        before[-1],
    ]
    assert ("a is unknown, since 2023-11-14T12:00:25.000Z (1 min)", before[-1]) == (lines[0], lines[-1])


def test_the_monitor_explains_itself(watched: Watched, clock: SteppedClock) -> None:
    """The check `minimon`, as any other; no run of it fails."""
    seen = watched(clock=clock).start().explain("minimon")["explain"]
    text = [
        "minimon is up, since 2023-11-14T12:00:00.000Z (0 s)",
        "target: itself",
        "expected: runs that start within 2 s of their time and end, nothing dropped, a network, a state file that is "
        "saved",
        "actual: passed in 0.000 s",
        "1 warning: degraded",
        "next run: in 10.0 s, at 2023-11-14T12:00:10.000Z",
    ]
    assert text == seen["text"].split("\n")


def test_a_monitor_that_does_not_run_says_so_of_itself(watched: Watched, clock: SteppedClock) -> None:
    """It is unknown, and needs a start."""
    monitor = watched(clock=clock)
    before = sentences(monitor, "minimon")[3]
    monitor.start()
    monitor.stop()
    lines = sentences(monitor, "minimon")
    assert ("actual: not run yet", "actual: skipped: the monitor does not run", "next run: none") == (
        before,
        lines[3],
        lines[-1].partition(",")[0],
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("serch", r"no check is named 'serch'; did you mean 'search'\?"),
        ("", "no check is named ''; known are: minimon, queue, search"),
        ("Search", r"no check is named 'Search'; did you mean 'search'\?"),
        ("x" * 1_000, "no check is named 'x{79}; known are: minimon, queue, search"),
    ],
)
def test_an_unknown_name_gets_a_hint(watched: Watched, name: str, hint: str) -> None:
    """The nearest name, or all there are."""
    monitor = watched(Check("search", print), Check("queue", print))
    with pytest.raises(UnknownCheckError, match=f"^{hint}$"):
        monitor.explain(name)


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Secretive:
    """A plain subject, for a server to be asked."""

    def is_healthy(self) -> bool:
        """Always."""
        return True

    def get_detailed_stats(self) -> dict[str, str]:
        """Nothing."""
        return {}


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("expect", [None, {"status_code": 404}, {"contains": "missing"}])
def test_no_secret_is_told(watched: Watched, answers: bool, expect: Any) -> None:
    """Neither userinfo nor values of the query nor headers, of a target that fails or passes."""
    with HealthCheckServer(port=0).serving(Secretive()) as server:
        port = server.port if answers else closed_port()
        url = f"http://us3r:s3cret@127.0.0.1:{port}/health?token=t0ken&x=h1dden"
        headers = {"Authorization": "Bearer b3arer"}
        monitor = watched(once("a", url, expect=expect, headers=headers, fall=1)).start()
        assert recorded(monitor, "a")
        text = json.dumps(monitor.explain("a"))
    words = ("us3r", "s3cret", "t0ken", "h1dden", "b3arer")
    assert ([], True) == ([word for word in words if word in text], f"http://127.0.0.1:{port}/health" in text)


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_target_that_refuses_is_explained(watched: Watched, kind: str) -> None:
    """Real sockets: what was expected and seen of an address where nobody listens."""
    address = f"{kind}://127.0.0.1:{closed_port()}"
    monitor = watched(once("a", address, fall=1)).start()
    assert recorded(monitor, "a")
    seen = monitor.explain("a")["explain"]
    assert (address, "connect", [{"outcome": "pass", "runs": 2, "status": "up"}]) == (
        seen["target"],
        seen["actual"][:7],
        seen["to_change"],
    )


def test_a_target_that_answers_is_explained(watched: Watched) -> None:
    """Real sockets: the code beside the seconds."""
    with HealthCheckServer(port=0).serving(Secretive()) as server:
        monitor = watched(once("a", f"http://127.0.0.1:{server.port}/health")).start()
        assert recorded(monitor, "a")
        actual = monitor.explain("a")["explain"]["actual"]
    assert None is not re.fullmatch(r"passed in 0\.\d{3} s, status_code 200", actual)


def test_scripted_targets_are_explained_in_every_state(watched: Watched, clock: SteppedClock) -> None:
    """A Probe on its way from up to down and back: the first sentence after each run."""
    fine, broken = Response(200), Response(503, reason_phrase="Busy")
    probe = ScriptedProbe([fine, broken, broken, fine, fine])
    monitor = watched(once("a", probe, fall=2, rise=2), clock=clock).start()
    seen = []
    for n in range(1, 6):
        assert recorded(monitor, "a", n)
        document = monitor.explain("a")["explain"]
        seen.append((document["actual"], document["progress"]))
        due = clock.monotonic() + document["next_run_s"]
        assert clock.sleeps_until(due)
        clock.advance(due - clock.monotonic())
    busy, passed = "status_code: expected 2xx, got 503 Busy", "passed in 0.000 s, status_code 200"
    assert [(passed, ""), (busy, "1 of 2 failures"), (busy, ""), (passed, "1 of 2 passes"), (passed, "")] == seen
