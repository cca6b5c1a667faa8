"""Plays a script of outcomes to a check: what its thresholds make of them, in no time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Union

from ..checks import Check
from ..errors import ConfigError, did_you_mean
from ..evaluate import retry_after
from ..model import Change, Outcome, Result
from ..registry import Registry
from ..timetable import draw, following, lasting
from .clock import FakeClock

LONGEST = 1e8
"""Seconds between two outcomes at most: three years."""

Step = Union[str, tuple[str, float]]


def play(check: Check, outcomes: Iterable[Step], clock: FakeClock | None = None) -> list[Change]:
    """Fold a script into states, as a Monitor would: a Change for each outcome, in order.

    An outcome is "pass", "warn", "fail" or "unknown", or a pair of it and the seconds since the one before (of the
    first: since now); without them it comes when the monitor would run the check again. Those of which `on_change`
    would be told are `.news`; if the check went stale in between, which is news too, `.before` says so. The clock, one
    that begins at 0 if none is given, is moved on. Raises ConfigError for anything else.

    [change.after.status for change in play(check, ["pass", "fail", "fail", "fail"])]
    """
    if not isinstance(check, Check) or not isinstance(clock, (FakeClock, type(None))):
        raise ConfigError(f"play: expected a Check and a FakeClock, got {check!r:.40} and {clock!r:.40}")
    if isinstance(outcomes, str) or not isinstance(outcomes, Iterable):
        raise ConfigError(f"play: outcomes must be a list, such as ['pass', ('fail', 5)], got {outcomes!r:.40}")
    clock = FakeClock() if clock is None else clock
    registry, changes = Registry(clock), []
    registry.add(check, math.inf)
    now = due = turn = phase = clock.monotonic()
    for number, step in enumerate(outcomes):
        outcome, seconds = _step(number, step)
        clock.advance(due - now if seconds is None else seconds)
        now = clock.monotonic()
        if seconds is not None or due == turn:
            phase = now
        reason = "" if outcome is Outcome.PASS else "condition"
        result = Result(check.name, outcome, reason, f"outcome {number}", clock.time(), started=now)
        interval, problem = draw(check.every)
        if problem:  # as a Monitor has it
            result = result._replace(outcome=Outcome.FAIL, reason="exception", detail=problem)
        change = registry.record(check, result, lasting(interval, check.timeout))
        assert change is not None  # it is the only check, and time goes on
        changes.append(change)
        turn, _ = following(phase, interval, now)
        retry = None if problem else retry_after(check, change.after, interval)
        due = turn if retry is None else min(turn, now + retry)
    return changes


def _step(number: int, step: Step) -> tuple[Outcome, float | None]:
    word, seconds = step if isinstance(step, tuple) and len(step) == 2 else (step, None)
    words = [outcome.value for outcome in Outcome]
    if word not in words:
        raise ConfigError(f"outcome {number}: {word!r:.40} is none; {did_you_mean(word, words)}")
    if not (seconds is None or (isinstance(seconds, (int, float)) and 0 <= seconds <= LONGEST)):
        raise ConfigError(f"outcome {number}: it comes after 0 to {LONGEST:g} seconds, got {seconds!r:.40}")
    return Outcome(word), seconds
