"""When everything fails at once it is us: asks the canaries whether the monitor itself has a network.

They are asked only when checks of different hosts turn from pass to fail within one interval (a first run that fails
is such a turn too), and while the network is lost. As long as none of them answers, what fails is unknown; but once
all that had turned passes again there is a network, whatever the canaries say.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .books import GRACE
from .checks import Check
from .clock import Clock
from .errors import ConfigError
from .probes import Prepared, Shared, observe, prepare

PATIENCE = 2.0
"""Seconds that all canaries have together."""
FRESH = 1.0
"""Seconds for which an answer counts."""
TURNS = 1000
"""Latest turns that are kept."""


class Turn(NamedTuple):
    """A check that has turned from pass to fail."""

    name: str
    host: str
    at: float
    """When the run was started that did (monotonic)."""
    interval: float

    def is_near(self, other: Turn) -> bool:
        """Within one interval."""
        return abs(self.at - other.at) <= max(self.interval, other.interval)


class Loss(NamedTuple):
    """The monitor has no network."""

    since: float
    """Monotonic: when the first run was started that told."""
    detail: str
    victims: tuple[str, ...] = ()
    """When it is told for the first time: the checks that have turned before."""


class _Answer(NamedTuple):
    at: float
    problem: str
    """What was wrong with all of them; "" when one has answered."""


def host_of(target: Any) -> str:
    """The host of an address or a Probe; "" for a callable, of which nobody knows whether it needs a network."""
    return (urlsplit(target).hostname or "") if isinstance(target, str) else str(getattr(target, "host", ""))


class Canary:
    """One or more targets, of which one at least answers whenever there is a network. Any thread may call any method.

    `tell(kind, detail)` is called when the network is lost and found. Raises ConfigError for what cannot be polled.
    """

    def __init__(self, targets: Any, clock: Clock, shared: Shared, tell: Callable[[str, str], None]) -> None:
        self._clock, self._tell = clock, tell
        listed = [targets] if isinstance(targets, str) or not isinstance(targets, Iterable) else list(targets)
        self._probes = [_prepared(target, shared, PATIENCE / len(listed)) for target in listed]
        self.after_fork()

    def after_fork(self) -> None:
        """In the child: nothing known, nobody asks."""
        # Guards what follows, and wakes those who wait for an answer. Nobody is asked or told anything under it.
        self._lock = threading.Condition(threading.RLock())
        self._turns: deque[Turn] = deque(maxlen=TURNS)
        self._loss: Loss | None = None
        self._victims: set[str] = set()  # checks that turned with it, or later, and have not passed since
        self._answer = _Answer(-math.inf, "")
        self._asking = False
        self._asked_at = -math.inf

    TAKES = PATIENCE + GRACE
    """Seconds that `judge` may take."""

    @property
    def lost(self) -> str:
        """What the canaries said, while the network is lost; else ""."""
        loss = self._loss
        return "" if loss is None else loss.detail

    def judge(self, check: Check, started: float, interval: float, turned: bool, failed: bool = True) -> Loss | None:
        """Whether the failure of a run that was started then is our own; `turned`: the run before did not fail.

        While the network is lost, a run that did not fail asks as well. On a worker.
        """
        turn = Turn(check.name, host_of(check.target), started, interval)
        if not turn.host:
            return None
        with self._lock:
            several = turned and any(other.host != turn.host and turn.is_near(other) for other in reversed(self._turns))
            if turned:
                self._turns.append(turn)
            if self._loss is None and not several:
                return None
            if turned and self._loss is not None:
                self._victims.add(turn.name)
        if not failed and self.forget(check.name):
            return None
        return self._conclude(self._ask(), turn)

    def forget(self, name: str) -> bool:
        """This check is well, or gone. True when it was the last that had turned, so that the loss is over."""
        with self._lock:
            self._victims.discard(name)
            over = self._loss is not None and not self._victims
            if over:
                self._loss = None
        if over:
            self._tell("found", "all that was lost is back")
        return over

    def _ask(self) -> _Answer:
        """What the canaries say. Who comes while another one asks waits for that answer, as long as that one does."""
        with self._lock:
            begun = self._clock.monotonic()
            asks = not self._asking and begun >= self._answer.at + FRESH
            if asks:
                self._asking, self._asked_at = True, begun
        if asks:
            try:  # a thread of its own, for it may hang
                threading.Thread(target=self._inquire, name="minimon-canary", daemon=True).start()
            except RuntimeError:  # no thread to be had
                self._inquire()
        with self._lock:
            while self._asking and (left := self._asked_at + self.TAKES - self._clock.monotonic()) > 0:
                self._clock.wait(self._lock, left)
            return _Answer(begun, "they do not answer in time") if self._asking else self._answer

    def _inquire(self) -> None:
        problem = "they were not asked"
        try:
            problem = self._problem()
        finally:
            with self._lock:
                self._asking, self._answer = False, _Answer(self._clock.monotonic(), problem)
                self._lock.notify_all()

    def _problem(self) -> str:
        problems = []
        for probe in self._probes:
            result = observe(probe, self._clock)
            if result.ok or result.status_code is not None:  # an error too is an answer
                return ""
            problems.append(f"{probe.name}: {result.detail or result.reason}")
        return "; ".join(problems)

    def _conclude(self, answer: _Answer, turn: Turn) -> Loss | None:
        with self._lock:
            before = now = self._loss
            if not answer.problem:
                now = self._loss = None
            elif before is None:
                near = [turn, *(other for other in self._turns if turn.is_near(other))]
                victims = tuple({other.name for other in near} - {turn.name})
                now = Loss(min(other.at for other in near), f"no network: {answer.problem}", victims)
                self._loss, self._victims = now._replace(victims=()), {other.name for other in near}
        if before is None and now is not None:
            self._tell("lost", now.detail)
        elif before is not None and now is None:
            self._tell("found", "a canary answers again")
        return now


def _prepared(target: Any, shared: Shared, timeout: float) -> Prepared:
    try:
        check = Check("canary", target, timeout=timeout)
    except ConfigError as error:
        raise ConfigError(str(error).replace("check 'canary'", "monitor: canary", 1)) from None
    return prepare(check.spec(), shared)._replace(name=check.shown)
