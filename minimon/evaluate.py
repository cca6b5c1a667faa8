"""Judge a Response, fold a Result into a CheckState, sum states up. Pure: no clock, no lock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .checks import Check
from .conditions import Condition, Unmet, quoted
from .model import REASONS, CheckState, Counts, Outcome, Response, Result, Status, Streak

PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
UP, DEGRADED, DOWN = Status.UP, Status.DEGRADED, Status.DOWN
_make = tuple.__new__  # a NamedTuple from its fields at a third of the cost of calling its class
_SPOKEN = {PASS: UP, WARN: DEGRADED, FAIL: DOWN, UNKNOWN: Status.UNKNOWN}


class Verdict(NamedTuple):
    """What a Response amounts to."""

    outcome: Outcome
    reason: str = ""
    detail: str = ""


def judge(response: Response, expect: Condition | None, warn_if: Condition | None) -> Verdict:
    """A transport error fails whatever was expected; then `expect`, or the target's own success; then `warn_if`."""
    if response.error is not None:
        return _known(Verdict(FAIL, *response.error))
    if isinstance(response.value, Result):  # a harnessed function has judged itself
        return _known(Verdict(response.value.outcome, response.value.reason, response.value.detail))
    unmet = success(response) if expect is None else expect.unmet(response)
    if unmet is not None:
        return Verdict(FAIL, *unmet)
    if warn_if is not None and (bad := warn_if.unmet(response)) is None:
        return Verdict(WARN, "condition", f"warn_if holds: {quoted(warn_if.spec)}, after {response.elapsed:.3f} s")
    if warn_if is not None and bad is not None and bad.reason == "exception":
        return Verdict(FAIL, "exception", f"warn_if: {bad.text}")
    return Verdict(PASS)


def _known(verdict: Verdict) -> Verdict:
    needs_reason = verdict.outcome is not PASS
    if not isinstance(verdict.outcome, Outcome) or verdict.reason not in (REASONS if needs_reason else ("",)):
        raise ValueError(f"no such outcome, or no reason for it: {quoted(verdict[:2])}")
    return verdict


def success(response: Response) -> Unmet | None:
    """The target's own success: a 2xx answer, a connection, None or a true value of a callable."""
    code = response.status_code
    if code is not None:
        got = f"{code} {response.reason_phrase}".rstrip()
        return None if 200 <= code <= 299 else Unmet("status", f"status_code: expected 2xx, got {got}")
    value = response.value
    return None if value is None or value else Unmet("condition", f"returned {quoted(value)}")


def advance(check: Check, state: CheckState, result: Result) -> CheckState:
    """Fold one result in. `check.fall` failures turn it down, `check.rise` passes up; the first pass ever does at once.

    A result that is `unknown` makes the status unknown at once, and leaves alone what was decided before.
    """
    outcome, before = result.outcome, state.streak
    streak = _make(Streak, (outcome, before.n + 1 if before.outcome is outcome else 1))
    passes = state.passes + 1 if outcome is PASS or outcome is WARN else 0
    decided = state.decided
    if outcome is not UNKNOWN and _SPOKEN[outcome] is not decided:
        decided = _decide(check, decided, streak, passes)
    status = _status(state.status, decided, outcome)
    fields = (
        state.name,
        status,
        state.since if status is state.status else result.when,
        streak,
        _counted(state.counts, outcome),
        _tallied(state.reasons, result.reason) if result.reason else state.reasons,
        result,
        state.paused,
        "" if outcome is PASS and status is UP else _explain(check, status, streak, passes, result),
        decided,
        passes,
    )
    return _make(CheckState, fields)


def _decide(check: Check, decided: Status, streak: Streak, passes: int) -> Status:
    """What the thresholds say now."""
    if streak.outcome is FAIL:
        return DOWN if streak.n >= check.fall else decided
    if decided is Status.UNKNOWN and (streak.outcome is PASS or check.fall > 1):
        return UP
    if streak.outcome is WARN and streak.n >= check.fall:
        return DEGRADED if decided is not DOWN or passes >= check.rise else decided
    if decided is DOWN:
        return UP if passes >= check.rise else decided
    return UP if decided is DEGRADED and streak.outcome is PASS and streak.n >= check.rise else decided


def _status(status: Status, decided: Status, outcome: Outcome) -> Status:
    """The decided status, but `unknown` after an unknown result until something was decided or seen to pass."""
    if outcome is UNKNOWN:
        return Status.UNKNOWN
    if status is Status.UNKNOWN and outcome is FAIL and decided is not DOWN:
        return status
    return decided


def _counted(counts: Counts, outcome: Outcome) -> Counts:
    a, b, c, d = counts
    if outcome is PASS:
        return _make(Counts, (a + 1, b, c, d))
    if outcome is FAIL:
        return _make(Counts, (a, b, c + 1, d))
    return _make(Counts, (a, b + 1, c, d) if outcome is WARN else (a, b, c, d + 1))


def _tallied(reasons: tuple[tuple[str, int], ...], reason: str) -> tuple[tuple[str, int], ...]:
    tally = dict(reasons)
    tally[reason] = tally.get(reason, 0) + 1
    return tuple(tally.items())


def _explain(check: Check, status: Status, streak: Streak, passes: int, result: Result) -> str:
    """Why it is not up, or how far it is on the way to a change."""
    text = result.detail or result.reason
    if streak.outcome is FAIL and status is not DOWN:
        return f"{text} ({streak.n} of {check.fall} failures)"
    if streak.outcome is WARN and status is UP:
        return f"{text} ({streak.n} of {check.fall} warnings)"
    if result.ok and status is DOWN:
        return f"passed ({passes} of {check.rise} passes)"
    return f"passed ({streak.n} of {check.rise} passes)" if streak.outcome is PASS else text


def gone_stale(state: CheckState, at: float) -> CheckState:
    """The same, unknown since `at` (epoch) because no run finished in time; what was decided before is left alone."""
    return state._replace(status=Status.UNKNOWN, since=at, explanation="stale: no run finished in time")


def undecided(state: CheckState) -> bool:
    """True while the last outcome says something else than the status does: look again after `retry_interval`."""
    outcome = state.streak.outcome
    return outcome is not UNKNOWN and _SPOKEN[outcome] is not state.status


class Standing(NamedTuple):
    """What the aggregate has to know of one check."""

    status: Status
    critical: bool
    paused: bool = False
    awaited: bool = False
    """Not run yet, and its first deadline is still to come."""


def aggregate(standings: Iterable[Standing]) -> str:
    """The word for all checks: healthy, degraded, unhealthy or unknown. Paused checks are left out."""
    counted = [standing for standing in standings if not standing.paused]
    critical = {standing.status for standing in counted if standing.critical}
    if DOWN in critical:
        return "unhealthy"
    unknown = [standing for standing in counted if standing.status is Status.UNKNOWN]
    if Status.UNKNOWN in critical or (counted and len(unknown) == len(counted)):
        return "unknown"
    if not all(standing.awaited for standing in unknown):
        return "degraded"
    return "degraded" if any(standing.status in (DEGRADED, DOWN) for standing in counted) else "healthy"
