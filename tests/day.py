"""A scripted day: targets that fail in labelled ways, a Monitor that watches them on a FakeClock, and the score of it.

The world is a function of time: what a poll that begins at some instant sees, and how long that takes. The Monitor is
the real one, with its threads; the driver moves the clock from one wake-up to the next, once nothing runs.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple

from minimon import Check, Fault, Monitor, Probe, Response, Status
from minimon.books import EARLY
from minimon.model import CheckState
from minimon.testing import FakeClock

EVERY, TIMEOUT, RETRY, FALL, RISE = 1.0, 0.6, 0.4, 3, 2
SLOW = 0.2
"""Seconds of an answer above which a check warns."""
WALL = 1_700_000_000.0
LEAST = 1200.0
"""Seconds of a window that must be known for its uptime to be judged: of less, one interval is 0.1%."""

DOWN: dict[str, tuple[Response, float]] = {
    "refused": (Response(error=Fault("connect", "refused")), 0.001),
    "black hole": (Response(error=Fault("timeout", "no answer")), TIMEOUT),
    "reset": (Response(error=Fault("truncated", "reset")), 0.01),
    "error": (Response(500), 0.02),
    "too slow": (Response(error=Fault("timeout", "body")), TIMEOUT),
    "restart": (Response(error=Fault("connect", "refused")), 0.001),
}
"""How targets are down: what a poll sees, and the seconds it takes."""


class Incident(NamedTuple):
    """Something that happens to a check, or with check -1 to the monitor's host."""

    kind: str
    check: int
    start: float
    end: float

    def overlaps(self, start: float, end: float) -> float:
        """Seconds of the incident within a span."""
        return max(0.0, min(self.end, end) - max(self.start, start))


def script(seed: int, checks: int, seconds: float) -> list[Incident]:
    """What happens: each check has incidents of its own, the last one as a callable; the host has some as well."""
    chance, incidents = random.Random(seed), []
    for check in range(checks):
        at = chance.uniform(60.0, 600.0)
        while at < seconds - 900.0:
            made = list(_incident(chance, check, at, check == checks - 1))
            incidents += made
            at = made[-1].end + chance.uniform(300.0, 3600.0)
    at = chance.uniform(300.0, 900.0)
    while at < seconds - 900.0:
        kind, longest = chance.choice(
            [("suspended", 3600.0), ("suspended", 60.0), ("clock", 0.0), ("no network", 90.0)]
        )
        incidents.append(Incident(kind, -1, at, at + longest * chance.uniform(0.3, 1.0)))
        at = incidents[-1].end + chance.uniform(900.0, 3600.0)
    return sorted(incidents, key=lambda incident: incident.start)


def _incident(chance: random.Random, check: int, at: float, is_callable: bool) -> Iterator[Incident]:
    kinds = ["stuck", "refused", "lost packet"] if is_callable else [*DOWN, "lost packet", "slow", "flaps"]
    kind = chance.choice(kinds)
    if kind == "flaps":
        for _ in range(chance.randint(4, 8)):
            down = chance.uniform(12.0, 25.0)
            yield Incident("refused", check, at, at + down)
            at += down + chance.uniform(12.0, 25.0)
    elif kind in ("lost packet", "restart"):
        yield Incident(kind, check, at, at + (0.0 if kind == "lost packet" else chance.uniform(0.5, 3.0)))
    else:
        yield Incident(kind, check, at, at + FALL * EVERY + chance.expovariate(1 / 120.0) + 0.1)


class DayClock(FakeClock):
    """A FakeClock that knows who sleeps until when."""

    def __init__(self) -> None:
        super().__init__(0.0, WALL)
        self.deadlines: dict[int, float] = {}

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Note the deadline, and sleep."""
        me = threading.get_ident()
        self.deadlines[me] = float("inf") if seconds is None else self.monotonic() + seconds
        super().wait(condition, seconds)
        self.deadlines.pop(me, None)


class Target(Probe):
    """One target of the world."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number, self.host = world, number, f"host-{number}"

    def __call__(self, timeout: float) -> Response:
        """What a poll sees that begins now."""
        answer, seconds = self.world.look(self.number)
        self.world.pause(seconds)
        return Response(answer.status_code, error=answer.error)


class World:
    """The targets, and the canary."""

    def __init__(self, incidents: Iterable[Incident], clock: DayClock) -> None:
        self.clock = clock
        self._by_check: dict[int, list[Incident]] = {}
        self._packets: set[Incident] = set()
        for incident in incidents:
            self._by_check.setdefault(incident.check, []).append(incident)
            if incident.kind == "lost packet":
                self._packets.add(incident)

    def of(self, check: int, *kinds: str) -> list[Incident]:
        """The incidents of a check, or of the host, of these kinds."""
        return [incident for incident in self._by_check.get(check, []) if incident.kind in kinds]

    def _at(self, check: int) -> str:
        now = self.clock.monotonic()
        found = [each for each in self._by_check.get(check, []) if each.start <= now < each.end]
        return found[0].kind if found else ""

    def look(self, check: int) -> tuple[Response, float]:
        """What a poll sees that begins now, and how long it takes."""
        if self._at(-1) == "no network":
            return DOWN["refused"] if check % 2 else DOWN["black hole"]
        for packet in [each for each in self._packets if each.check == check and each.start <= self.clock.monotonic()]:
            self._packets.discard(packet)
            return DOWN["black hole"]
        kind = self._at(check)
        if kind == "slow":
            return Response(200), 2 * SLOW
        return DOWN.get(kind, (Response(200), 0.01 + check / 1000))

    def call(self, check: int) -> None:
        """The target that is a callable of the host: it hangs as long as it is stuck, and raises when it is down."""
        stuck = next(
            (each for each in self.of(check, "stuck") if each.start <= self.clock.monotonic() < each.end), None
        )
        self.pause(0.001 if stuck is None else stuck.end - self.clock.monotonic())
        if stuck is None and self._at(check) == "refused":
            raise ConnectionRefusedError("no broker")

    def canary(self) -> None:
        """It answers whenever there is a network."""
        if self._at(-1) == "no network":
            raise OSError("no route")

    def pause(self, seconds: float) -> None:
        """Take so long, on the clock."""
        condition, end = threading.Condition(), self.clock.monotonic() + seconds
        with condition:
            while (left := end - self.clock.monotonic()) > 1e-9:
                self.clock.wait(condition, left)


class Turn(NamedTuple):
    """A status that changed."""

    at: float
    name: str
    before: Status
    after: CheckState


class Stock(NamedTuple):
    """The uptime of a check, as it was told once."""

    name: str
    at: float
    ahead: float
    uptime: dict[str, dict[str, Any]]


class Day:
    """The world, the Monitor, and what came of it."""

    def __init__(self, seed: int, checks: int, seconds: float) -> None:
        self.incidents, self.clock, self.seconds = script(seed, checks, seconds), DayClock(), seconds
        self.world, self.turns = World(self.incidents, self.clock), list[Turn]()
        self.names = [f"check {number}" for number in range(checks)]
        self._chance = random.Random(seed)
        said: dict[str, Any] = {"every": EVERY, "timeout": TIMEOUT, "retry_interval": RETRY, "fall": FALL, "rise": RISE}
        targets = [Target(self.world, number) for number in range(checks - 1)]
        made = [
            Check(name, target, warn_if={"latency": {"gt": SLOW}}, **said) for name, target in zip(self.names, targets)
        ]
        made.append(Check(self.names[-1], lambda: self.world.call(checks - 1), **said))
        self.monitor = Monitor(made, clock=self.clock, canary=self.world.canary, min_workers=checks + 2)
        self.stock: list[Stock] = []

    def run(self) -> Day:
        """Let the whole day pass; returns self."""
        statuses = dict.fromkeys(self.names, Status.UNKNOWN)
        host = [each for each in self.incidents if each.check == -1]
        next_hour = 3600.0
        with self.monitor:
            while (now := self.clock.monotonic()) < self.seconds:
                self._settle()
                self._note(statuses)
                if now >= next_hour:
                    next_hour += 3600.0
                    self._take_stock()
                if host and host[0].start <= now:
                    self._befall(host.pop(0))
                else:
                    step = min([*self.clock.deadlines.values(), next_hour, host[0].start if host else self.seconds])
                    self.clock.advance(max(0.0, step - now))
            self._take_stock()
        return self

    def _settle(self) -> None:
        """Wait until every thread sleeps: many times a second, so the wait is a short one."""
        pause, deadline = threading.Event(), time.monotonic() + 20.0
        while not self._quiet():
            assert time.monotonic() < deadline, "the monitor does not come to rest"
            pause.wait(0.00002)

    def _quiet(self) -> bool:
        """True when every thread sleeps, as long as it should."""
        scheduler = self.monitor._engine.polling.scheduler  # type: ignore[union-attr]
        thread = scheduler._thread.ident  # type: ignore[union-attr]
        with scheduler._lock:
            wakes_at = scheduler._books.wakes_at(float("inf"))
            until = self.clock.deadlines.get(thread or 0, -1.0)
        now = self.clock.monotonic()
        rests = until > now and until <= wakes_at + EARLY
        at_work = scheduler.pool.unfinished + scheduler.pool.stuck
        awake = at_work - (len(self.clock.deadlines) - 1)  # the others sleep in a poll
        return rests and awake == 0 and min(self.clock.deadlines.values()) > now

    def _note(self, statuses: dict[str, Status]) -> None:
        for name in self.names:
            state = self.monitor.state(name)
            if state.status is not statuses[name]:
                self.turns.append(Turn(self.clock.monotonic(), name, statuses[name], state))
                statuses[name] = state.status

    def _befall(self, incident: Incident) -> None:
        """What happens to the host; that it has no network, the world knows."""
        if incident.kind == "clock":
            self.clock.jump_wall(self._chance.choice([-86_400.0, -3600.0, -5.0, 5.0, 3600.0, 86_400.0]))
        elif incident.kind == "suspended":
            self.clock.advance(incident.end - incident.start)

    def _take_stock(self) -> None:
        ahead = self.clock.time() - self.clock.monotonic()
        for name in self.names:
            last = self.monitor.state(name).last
            if last is not None and last.started is not None:
                self.stock.append(Stock(name, last.started + last.elapsed, ahead, self.monitor.explain(name)["uptime"]))


# --- the score


class Score(NamedTuple):
    """What came of a day, against what was written."""

    incidents: int
    outages: int
    """Of targets, longer than fall x interval, that the monitor could see."""
    false_downs: list[Turn]
    missed: list[Incident]
    detection: list[tuple[str, float]]
    """How it was down, and the seconds from the end of the first failed run to the decision."""
    recovery: list[float]
    """Seconds from the end of an outage to the decision."""
    errors: dict[str, list[float]]
    """By window: the difference of uptime ratios, of each check at each hour."""


def score(day: Day) -> Score:
    """Compare."""
    blind = [each for each in day.incidents if each.kind in ("suspended", "no network")]
    downs = [turn for turn in day.turns if turn.after.status is Status.DOWN]
    false_downs, detection, recovery = [], [], []
    caught = set()
    for turn in downs:
        outage = _outage_of(day, turn)
        if outage is None:
            false_downs.append(turn)
        else:
            caught.add(outage)
            first = (turn.after.turned or 0.0) + _length(day, outage, turn)
            if not any(each.overlaps(outage.start - EVERY, turn.at) for each in blind):
                detection.append((outage.kind, turn.at - first))
                up = next((each.at for each in day.turns if each.name == turn.name and each.at > turn.at), None)
                if up is not None and not any(each.overlaps(outage.start, up) for each in blind):
                    recovery.append(up - outage.end)
    outages = [
        each
        for number in range(len(day.names))
        for each in day.world.of(number, *DOWN)
        if each.end - each.start > FALL * EVERY
        and not any(one.overlaps(each.start - EVERY, each.end + EVERY) for one in blind)
    ]
    missed = [each for each in outages if each not in caught]
    return Score(len(day.incidents), len(outages), false_downs, missed, detection, recovery, _errors(day, blind))


def _outage_of(day: Day, turn: Turn) -> Incident | None:
    """The outage in which the first of the failures was seen."""
    at = turn.after.turned or 0.0
    number = day.names.index(turn.name)
    return next((each for each in day.world.of(number, *DOWN) if each.start <= at < each.end), None)


def _length(day: Day, outage: Incident, turn: Turn) -> float:
    return 0.001 if turn.name == day.names[-1] else DOWN[outage.kind][1]


def _errors(day: Day, blind: list[Incident]) -> dict[str, list[float]]:
    errors: dict[str, list[float]] = {}
    for stock in day.stock:
        number = day.names.index(stock.name)
        calls = number == len(day.names) - 1  # the callable needs no network
        unseen = [each for each in blind if not (calls and each.kind == "no network")] + day.world.of(number, "stuck")
        for window, said in stock.uptime.items():
            start = max(0.0, _instant(said["from"]) - stock.ahead)
            known = stock.at - start - _seconds(unseen, start, stock.at)
            down = 0.0
            for outage in day.world.of(number, *DOWN):
                since, until = max(start, outage.start), min(stock.at, outage.end)
                down += max(0.0, until - since - _seconds(unseen, since, until))
            if known > LEAST and said["ratio"] is not None:
                errors.setdefault(window, []).append(abs(said["ratio"] - (1.0 - down / known)))
    return errors


def _seconds(incidents: list[Incident], start: float, end: float) -> float:
    """Of a span, those in which one of these incidents was, or several."""
    seconds, at = 0.0, start
    for each in sorted(incidents, key=lambda incident: incident.start):
        seconds += max(0.0, min(each.end, end) - max(each.start, at))
        at = max(at, each.end)
    return seconds


def _instant(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc).timestamp()
