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
from ..timetable import draw, lasting
from .clock import FakeClock

Step = Union[str, tuple[str, float]]


def play(check: Check, outcomes: Iterable[Step], clock: FakeClock | None = None) -> list[Change]:
    """Fold a script into states, as a Monitor would: a Change for each outcome, in order.

    An outcome is "pass", "warn", "fail" or "unknown", or a pair of it and the seconds since the one before; without
    them it comes when the monitor would run the check again. Those of which `on_change` would be told are `.news`.
    The clock is moved on. Raises ConfigError for anything else.

    [change.after.status for change in play(check, ["pass", "fail", "fail", "fail"])]
    """
    clock = FakeClock() if clock is None else clock
    registry, changes = Registry(clock), []
    registry.add(check, math.inf)
    pause = 0.0
    for number, step in enumerate(outcomes):
        outcome, seconds = _step(number, step)
        clock.advance(pause if seconds is None else seconds)
        reason = "" if outcome is Outcome.PASS else "condition"
        result = Result(check.name, outcome, reason, f"outcome {number}", clock.time(), started=clock.monotonic())
        interval, _ = draw(check.every)
        change = registry.record(check, result, lasting(interval, check.timeout))
        assert change is not None  # it is the only check, and time goes on
        changes.append(change)
        pause = retry_after(check, change.after, interval) or interval
    return changes


def _step(number: int, step: Step) -> tuple[Outcome, float | None]:
    word, seconds = (step, None) if isinstance(step, str) else step
    words = [outcome.value for outcome in Outcome]
    if word not in words:
        raise ConfigError(f"outcome {number}: {word!r:.40} is none; {did_you_mean(word, words)}")
    return Outcome(word), seconds
