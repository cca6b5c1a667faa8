"""Judge a Response, fold a Result into a CheckState, sum states up. Pure: no clock, no lock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .checks import Check
from .conditions import Condition, Unmet, hidden
from .model import REASONS, CheckState, Counts, Outcome, Response, Result, Status, Streak
from .text import quoted, short

PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
UP, DEGRADED, DOWN = Status.UP, Status.DEGRADED, Status.DOWN
_make = tuple.__new__  # a NamedTuple from its fields at a third of the cost of calling its class
_SPOKEN = {PASS: UP, WARN: DEGRADED, FAIL: DOWN, UNKNOWN: Status.UNKNOWN}

FLAPS = 4
"""Changes of a status within CALM seconds that make it flapping."""
CALM = 600.0
"""Seconds without a change after which it is flapping no more."""
RETRY = 2.0
"""Seconds until the next run of a check that is undecided, if its own interval is not shorter."""
FARTHEST = 1000
"""Runs in a row that are looked ahead for a change."""


class Verdict(NamedTuple):
    """What a Response amounts to."""

    outcome: Outcome
    reason: str = ""
    detail: str = ""


PASSED = Verdict(PASS)


def judge(response: Response, expect: Condition | None, warn_if: Condition | None) -> Verdict:
    """A transport error fails whatever was expected; then `expect`, or the target's own success; then `warn_if`."""
    if response.error is not None:
        return _known(Verdict(FAIL, *response.error))
    value = response.value
    if value is not None and isinstance(value, Result):  # a harnessed function has judged itself
        return _known(Verdict(value.outcome, value.reason, value.detail))
    unmet = success(response) if expect is None else expect.unmet(response)
    if unmet is not None:
        return Verdict(FAIL, *unmet)
    if warn_if is not None and (bad := warn_if.unmet(response)) is None:
        return Verdict(
            WARN, "condition", f"warn_if holds: {quoted(hidden(warn_if.spec))}, after {response.elapsed:.3f} s"
        )
    if warn_if is not None and bad is not None and bad.reason == "exception":
        return Verdict(FAIL, "exception", f"warn_if: {bad.text}")
    if response.warning:
        return Verdict(WARN, "condition", response.warning)
    return PASSED


def _known(verdict: Verdict) -> Verdict:
    needs_reason = verdict.outcome is not PASS
    if not isinstance(verdict.outcome, Outcome) or verdict.reason not in (REASONS if needs_reason else ("",)):
        raise ValueError(f"no such outcome, or no reason for it: {quoted(verdict[:2])}")
    return verdict


def success(response: Response) -> Unmet | None:
    """The target's own success: a 2xx answer, a connection, None or a true value of a callable."""
    code = response.status_code
    if code is not None:
        if 200 <= code <= 299:
            return None
        return Unmet("status", f"status_code: expected 2xx, got {code} {response.reason_phrase}".rstrip())
    value = response.value
    return None if value is None or value else Unmet("condition", f"returned {quoted(value)}")


def advance(check: Check, state: CheckState, result: Result) -> CheckState:
    """Fold one result in. `check.fall` failures turn it down, `check.rise` passes up; the first pass ever does at once.

    `check.fall` warnings in a row turn it degraded, `check.rise` passes end that; a warning is no failure. A result
    that is `unknown` makes the status unknown at once, and leaves alone what was decided before.
    """
    outcome, reason, when = result[1], result[2], result[4]
    name, status, since, streak, counts, reasons, _, paused, _, decided, passes, turned, prior, flapping = state
    streak = _make(Streak, (outcome, streak[1] + 1 if streak[0] is outcome else 1))
    passes = passes + 1 if outcome is PASS or outcome is WARN else 0
    if turned is None or (streak[1] == 1 and passes <= 1):
        turned, prior = result[8], decided
    if outcome is not UNKNOWN and _SPOKEN[outcome] is not decided:
        decided = _decide(check, decided, streak, passes)
    now = decided if outcome is PASS and decided is not DOWN else _status(status, decided, outcome)
    fields = (
        name,
        now,
        since if now is status else when,
        streak,
        _make(Counts, (counts[0] + 1, counts[1], counts[2], counts[3]))
        if outcome is PASS
        else _counted(counts, outcome),
        _tallied(reasons, outcome._value_, reason) if reason else reasons,
        result,
        paused,
        "" if outcome is PASS and now is UP else _explain(check, now, decided, streak, passes, result),
        decided,
        passes,
        turned,
        prior,
        flapping,
    )
    return _make(CheckState, fields)


def is_late(last: Result, result: Result) -> bool:
    """True for a result that a newer one has overtaken, or that came twice: it must not move the state."""
    before, began = last[8], result[8]
    if before is None or began is None:
        return False
    return began < before or (began == before and result == last)


def take_back(state: CheckState, since: float) -> CheckState:
    """The same without what failures from `since` (monotonic) on have decided: it was the monitor that was cut off."""
    mine = state.streak.outcome is FAIL and state.turned is not None and state.turned >= since
    return state._replace(decided=state.prior) if mine else state


def lost_result(result: Result, detail: str) -> Result:
    """The same, unknown because the monitor has no network."""
    detail = f"{detail}; else: {result.detail or result.reason}"
    return result._replace(outcome=UNKNOWN, reason="lost", detail=short(detail, 300))


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
    """The decided status, but `unknown` after an unknown result until a run agrees with it, or something was decided.

    So a run that passes never makes news of being down, nor a failure of being up.
    """
    if outcome is UNKNOWN:
        return Status.UNKNOWN
    if status is Status.UNKNOWN and (outcome is FAIL) is not (decided is DOWN):
        return status
    return decided


def _counted(counts: Counts, outcome: Outcome) -> Counts:
    a, b, c, d = counts
    if outcome is FAIL:
        return _make(Counts, (a, b, c + 1, d))
    return _make(Counts, (a, b + 1, c, d) if outcome is WARN else (a, b, c, d + 1))


def _tallied(reasons: tuple[tuple[str, str, int], ...], outcome: str, reason: str) -> tuple[tuple[str, str, int], ...]:
    for place, (kind, why, n) in enumerate(reasons):
        if why == reason and kind == outcome:
            return (*reasons[:place], (outcome, reason, n + 1), *reasons[place + 1 :])
    return (*reasons, (outcome, reason, 1))


def _explain(check: Check, status: Status, decided: Status, streak: Streak, passes: int, result: Result) -> str:
    """Why it is not up, or how far it is on the way to a change."""
    text = result.detail or result.reason
    steps = _steps(check, status, decided, streak, passes)
    if not steps:
        return text
    return (
        f"{text} ({steps})"
        if streak.outcome is FAIL or (streak.outcome is WARN and status is UP)
        else f"passed ({steps})"
    )


def _steps(check: Check, status: Status, decided: Status, streak: Streak, passes: int) -> str:
    """How far it is on the way to a change, such as "2 of 3 failures"; "" when it is not."""
    outcome = streak.outcome
    if outcome is FAIL:
        return "" if status is DOWN or streak.n >= check.fall else f"{streak.n} of {check.fall} failures"
    if outcome is WARN and status is UP:
        return f"{streak.n} of {check.fall} warnings"
    if outcome is not UNKNOWN and decided is DOWN:
        return f"{passes} of {check.rise} passes"
    return f"{streak.n} of {check.rise} passes" if outcome is PASS and status is DEGRADED else ""


def progress(check: Check, state: CheckState) -> str:
    """How far it is on the way to a change, such as "2 of 3 failures"; "" when it is not."""
    return _steps(check, state.status, state.decided, state.streak, state.passes)


def gone_stale(state: CheckState, at: float) -> CheckState:
    """The same, unknown since `at` (epoch) because no run finished in time; what was decided before is left alone."""
    return state._replace(status=Status.UNKNOWN, since=at, turned=None, explanation="stale: no run finished in time")


def undecided(state: CheckState) -> bool:
    """True while the last outcome says something else than the status does: look again after `retry_interval`."""
    outcome = state.streak.outcome
    return outcome is not UNKNOWN and _SPOKEN[outcome] is not state.status


def retry_after(check: Check, state: CheckState, interval: float) -> float | None:
    """Seconds until the next run of an undecided check; None when it is decided, and its turn will do."""
    return (check.retry_interval or min(interval, RETRY)) if undecided(state) else None


class Prospect(NamedTuple):
    """One way to another status."""

    outcome: Outcome
    runs: int
    """In a row, from now on."""
    status: Status
    """What it is then."""


def prospects(check: Check, state: CheckState) -> Iterator[Prospect]:
    """What it would take to change the status: the rules themselves are asked, with runs that have yet to come."""
    warns = check.warn_if is not None or state.streak.outcome is WARN
    for outcome in (PASS, WARN) if check.own else (PASS, WARN, FAIL) if warns else (PASS, FAIL):
        then, result = state, Result(check.name, outcome, "" if outcome is PASS else "condition")
        for runs in range(1, min(max(check.fall, check.rise), FARTHEST) + 1):
            then = advance(check, then, result)
            if then.status is not state.status:
                yield Prospect(outcome, runs, then.status)
                break


class Standing(NamedTuple):
    """What the aggregate has to know of one check."""

    status: Status
    critical: bool
    paused: bool = False
    awaited: bool = False
    """Not run yet, and its first deadline is still to come."""
    group: str = ""
    own: bool = False
    """It is the monitor's check of itself, which can make a healthy whole degraded, and nothing else."""


def aggregate(standings: Iterable[Standing]) -> str:
    """The word for all checks: healthy, degraded, unhealthy or unknown. Paused checks are left out.

    unhealthy  a critical check is down
    unknown    a critical one is unknown, or all are
    degraded   one is degraded, down, or unknown though its first run should be over
    healthy    else, and without any check
    """
    counted = [standing for standing in standings if not standing.paused]
    critical = {standing.status for standing in counted if standing.critical}
    if DOWN in critical:
        return "unhealthy"
    unknown = [standing for standing in counted if standing.status is Status.UNKNOWN and not standing.own]
    others = sum(not standing.own for standing in counted)
    if Status.UNKNOWN in critical or (others and len(unknown) == others):
        return "unknown"
    if not all(standing.awaited for standing in unknown):
        return "degraded"
    return "degraded" if any(standing.status in (DEGRADED, DOWN) for standing in counted) else "healthy"


def by_group(standings: Iterable[Standing]) -> dict[str, str]:
    """The word for each group that has a name, as `aggregate` has it for all."""
    groups: dict[str, list[Standing]] = {}
    for standing in standings:
        if standing.group:
            groups.setdefault(standing.group, []).append(standing)
    return {name: aggregate(members) for name, members in groups.items()}
