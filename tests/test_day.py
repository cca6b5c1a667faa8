"""The truth of the verdicts: scripted days with a known answer, random days step by step, and minutes in real time."""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
from typing import Any, NamedTuple

import pytest
from day import FALL, RETRY, TIMEOUT, Day, Score, score
from support import few

from minimon import Change, Check, Monitor, Outcome, Result, Status
from minimon.evaluate import retry_after
from minimon.history import History
from minimon.model import CheckState, result_view
from minimon.testing import RogueServer
from minimon.views import check_view, glimpse

SLACK = 0.2
ERROR = 0.001

# The Monitor itself, on a clock that is moved from one wake-up to the next


def percentile(values: list[float], share: float) -> float:
    """By the nearest rank."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def judged(found: Score) -> dict[str, Any]:
    """What a day is judged by."""
    refused = [seconds for kind, seconds in found.detection if kind in ("refused", "restart")]
    return {
        "false downs": found.false_downs,
        "missed outages": found.missed,
        "detection, p95": percentile([s for _, s in found.detection], 0.95) <= (FALL - 1) * (RETRY + TIMEOUT) + SLACK,
        "detection where refused, p95": percentile(refused, 0.95) <= (FALL - 1) * RETRY + SLACK,
        "uptime": {window: max(errors) <= ERROR for window, errors in found.errors.items()},
    }


TRUE: dict[str, Any] = {
    "false downs": [],
    "missed outages": [],
    "detection, p95": True,
    "detection where refused, p95": True,
    "uptime": dict.fromkeys(("1h", "24h", "7d", "30d", "90d"), True),
}


def test_minutes_of_the_scripted_day() -> None:
    """A target that flaps, one that is slow, one that hangs, a host that is suspended: no verdict is wrong."""
    assert TRUE == judged(score(Day(seed=2572, checks=3, seconds=1400.0).run()))


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3, 5])
def test_the_scripted_day(seed: int) -> None:
    """More than 200 incidents in 24 hours: no false down, none missed, in time, uptime as it was."""
    found = score(Day(seed, checks=5, seconds=86_400.0).run())
    assert (TRUE, True) == (judged(found), found.incidents >= 200)


# Random days, every step looked at


class Walk:
    """A check whose target fails at random, polled as a scheduler would, its history looked at after every step."""

    def __init__(self, seed: int) -> None:
        chance = self.chance = random.Random(seed)
        self.every, self.fall, self.rise = chance.choice([2.0, 10.0, 60.0]), chance.randint(1, 4), chance.randint(1, 3)
        self.check = Check("a", print, every=self.every, timeout=1.0, fall=self.fall, rise=self.rise)
        self.ahead = 1_700_000_000.0 + chance.uniform(0.0, 86_400.0)
        self.now = 0.0
        self.history = History(self.check, self.ahead, self.ahead, math.inf)
        self.before: CheckState = self.history.state
        self.broken: list[str] = []
        self.script: list[tuple[float, float, Outcome]] = []  # what the target is, from when to when
        self.results: list[Result] = []

    def target(self) -> Outcome:
        """What it is now; times of being something last from seconds to hours."""
        if not self.script or self.script[-1][1] <= self.now:
            good = bool(self.script) and self.script[-1][2] is not Outcome.PASS
            kind = (
                Outcome.PASS
                if good
                else self.chance.choice([Outcome.FAIL, Outcome.FAIL, Outcome.WARN, Outcome.UNKNOWN])
            )
            mean = self.chance.choice([5.0, 60.0, 3600.0]) * (3 if good else 1)
            self.script.append((self.now, self.now + self.chance.expovariate(1 / mean), kind))
        return self.script[-1][2]

    def step(self) -> None:
        """One poll, or something that happens between two."""
        outcome, started = self.target(), self.now
        took = 1.0 if outcome is Outcome.FAIL and self.chance.random() < 0.5 else 0.01
        reason = "" if outcome is Outcome.PASS else "condition"
        result = Result("a", outcome, reason, "", self.ahead + started, took, None, None, started)
        self.now += took
        self._record(result)
        whim = self.chance.random()
        if whim < 0.01:
            self._happen(result)
        pause = retry_after(self.check, self.history.state, self.every)
        self.now += self.every if pause is None else pause

    def _record(self, result: Result) -> None:
        before = self.history.state
        states = self.history.record(result, result_view(result), self.now + self.ahead, self.ahead)
        self.results.append(result)
        if states is None:
            self.broken.append("a result in order was refused")
        self._look(before, result)

    def _happen(self, result: Result) -> None:
        kind = self.chance.choice(["late", "twice", "asleep", "stale", "paused"])
        state = self.history.state
        if kind in ("late", "twice"):
            odd = result if kind == "twice" else result._replace(started=(result.started or 0.0) - 0.5)
            self.history.record(odd, result_view(odd), self.now + self.ahead, self.ahead)
            if self.history.state is not state:
                self.broken.append(f"a result moved the state that came {kind}")
            return
        gap = self.chance.expovariate(1 / 1800.0)
        if kind == "asleep":
            self.history.unseen(self.now + self.ahead)
        elif kind == "stale" and state.status is not Status.UNKNOWN:
            self.history.expire(self.now + self.ahead, self.now + self.ahead)
        elif kind == "paused":
            self.history.pause(True, self.now + self.ahead)
            self.history.pause(False, self.now + gap + self.ahead)
        self.now += gap

    def _look(self, before: CheckState, result: Result) -> None:
        """What must hold after every step."""
        after, view = self.history.state, check_view(glimpse(self.history), 0.0)
        again = check_view(glimpse(self.history), 0.0)
        if view != again:
            self.broken.append("two looks at the same instant differ")
        if not all(a <= b for a, b in zip(before.counts, after.counts)) or sum(after.counts) != sum(before.counts) + 1:
            self.broken.append("a counter went back")
        for name, window in view["uptime"].items():
            ratio, coverage = window["ratio"], window["coverage"]
            if not (0.0 <= coverage <= 1.000001 and (coverage > 0.0 or ratio is None)):
                self.broken.append(f"{name}: coverage {coverage}, ratio {ratio}")
            if ratio is not None and not 0.0 <= ratio <= 1.0:
                self.broken.append(f"{name}: ratio {ratio}")
        if after.status is not before.status:
            self._look_at_change(before, after, result)

    def _look_at_change(self, before: CheckState, after: CheckState, result: Result) -> None:
        """A status changes by its rule only."""
        was_down = before.decided is Status.DOWN
        allowed = {
            Status.UP: result.ok and (after.passes >= self.rise or not was_down),
            Status.DEGRADED: result.outcome is Outcome.WARN or before.decided is Status.DEGRADED,
            Status.DOWN: result.outcome is Outcome.FAIL and (after.streak.n >= self.fall or was_down),
            Status.UNKNOWN: result.outcome is Outcome.UNKNOWN,
        }
        if not allowed[after.status]:
            self.broken.append(f"{before.status} became {after.status} by {result.outcome}, {after.streak}")


def walked(seed: int, hours: float = 24.0) -> Walk:
    """A random day."""
    walk = Walk(seed)
    while walk.now < hours * 3600.0:
        walk.step()
    return walk


@pytest.mark.parametrize("seed", few(range(150)))
def test_nothing_is_ever_wrong_on_a_random_day(seed: int) -> None:
    """Ratios between 0 and 1 or null, coverage at most all, counters that only grow, changes by their rule, late and
    double results without effect, two looks that agree: after every step."""
    assert [] == walked(seed, 24.0 if seed > 1 else 8.0).broken


def test_a_day_folds_to_the_same_state_again() -> None:
    """Nothing but the results decides."""
    walk = walked(99, 4.0)
    again = History(walk.check, walk.ahead, walk.ahead, math.inf)
    first = History(walk.check, walk.ahead, walk.ahead, math.inf)
    for history in (first, again):
        for result in walk.results:
            end = (result.started or 0.0) + result.elapsed + walk.ahead
            history.record(result, result_view(result), end, walk.ahead)
    assert (first.state, check_view(glimpse(first), 0.0)) == (again.state, check_view(glimpse(again), 0.0))


# In real time, with real sockets

PACE: dict[str, Any] = {"every": 0.3, "timeout": 0.3, "retry_interval": 0.1, "fall": 3, "rise": 2}
BOUND = 2 * (0.1 + 0.3) + SLACK + 1.0
"""Seconds from the end of the first failed run to the decision, with a second of slack."""


class Told(NamedTuple):
    """A change, and when it was told."""

    at: float
    change: Change


class Busy(threading.Thread):
    """A thread of the host that needs all the time it can get."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ends = False

    def run(self) -> None:
        """Count."""
        while not self.ends:
            sum(range(1000))


PLAN = [("reset", 1.2), ("silent", 2.0), ("cut_head", 1.8), ("flaky", 2.0), ("drip_head", 2.2), ("empty", 1.8)]


@pytest.mark.long
def test_outages_in_real_time_beside_a_busy_host() -> None:
    """Servers that reset, say nothing, answer errors or drop one request, polled beside a thread that never rests: no
    false down, no outage missed, each in time."""
    told: list[Told] = []
    names = [f"server {number}" for number in range(6)]
    plan = [(names[number % 6], *PLAN[number % len(PLAN)]) for number in range(12)]
    spans: list[tuple[float, float]] = []
    busy, pause = Busy(), threading.Event()
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(RogueServer("flaky", codes=(500, 503))) for name in names}
        for server in servers.values():
            server.behaviour = "ok"
        checks = [Check(name, server.url, **PACE) for name, server in servers.items()]
        stack.enter_context(Monitor(checks, on_change=lambda change: told.append(Told(time.monotonic(), change))))
        busy.start()
        pause.wait(0.4)
        for name, behaviour, seconds in plan:
            start, servers[name].behaviour = time.monotonic(), behaviour
            pause.wait(seconds)
            spans.append((start, time.monotonic()))
            servers[name].behaviour = "ok"
            pause.wait(0.7)
        busy.ends = True
    downs = [one for one in told if one.change.after.status is Status.DOWN]
    ups = [one.change.name for one in told if one.change.before.status is Status.DOWN]
    late = [one.at - start for one, (start, _) in zip(downs, spans) if one.at - start > PACE["every"] + 0.3 + BOUND]
    expected = [name for name, _, _ in plan]
    assert (expected, expected, []) == ([one.change.name for one in downs], ups, late)
