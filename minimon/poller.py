"""A poll, as a worker makes it: observe, draw the next interval, record, tell."""

from __future__ import annotations

import logging
from collections.abc import Callable

from .checks import Check, Probe
from .clock import Clock
from .evaluate import undecided
from .log import logger
from .model import Change, CheckState, Outcome, Result
from .notify import Notifier
from .probes import Prepared, observe
from .registry import Registry, stamp
from .scheduler import GRACE, Outlook, Run
from .timetable import FALLBACK, draw

_log = logger("poller")
_polls = logger("polls")

CONTENT = ("text:", "contains:", "json:", "callback:")
"""How the detail of an unmet condition begins that looks at the content."""
RETRY = 2.0
"""Seconds until the next run of a check that is undecided, if its own interval is not shorter."""


class Work:
    """What a run needs: the check, and the check made ready."""

    __slots__ = ("check", "draws_first", "interval", "prepared")

    def __init__(self, check: Check, prepared: Prepared) -> None:
        self.check = check
        self.prepared = prepared
        self.draws_first = False  # whether the next run only draws the interval to wait for
        self.interval = FALLBACK if callable(check.every) else check.every  # as it was drawn last


class Poller:
    """What a Scheduler runs. It keeps nothing itself: states are the registry's."""

    def __init__(self, clock: Clock, registry: Registry, notifier: Notifier | None) -> None:
        self._clock = clock
        self._registry = registry
        self._notifier = notifier

    def execute(self, run: Run) -> Outlook:
        """Poll, draw the next interval, and record, if the run still counts by then."""
        work: Work = run.entry.work
        if work.draws_first:
            return self._draw_first(run, work)
        result = observe(work.prepared, self._clock)
        interval, problem = draw(work.check.every)
        if problem:
            result = result._replace(outcome=Outcome.FAIL, reason="exception", detail=problem)
        if not run.claim():
            return Outlook(interval, timed_out=run.stuck)
        work.interval = interval
        state = self._record(work, result)
        retry = None
        if state is not None and undecided(state) and not problem:
            retry = work.check.retry_interval or min(interval, RETRY)
        return Outlook(interval, retry, result.reason == "timeout")

    def _draw_first(self, run: Run, work: Work) -> Outlook:
        """The first round of a check that waits for one interval, which its function has yet to say."""
        interval, problem = draw(work.check.every)
        if run.claim():
            work.draws_first, work.interval = False, interval
            self._registry.await_first(work.check.name, self._clock.monotonic() + interval + run.entry.timeout + GRACE)
            if problem:
                self._record(work, Result(work.check.name, Outcome.FAIL, "exception", problem, self._clock.time()))
        return Outlook(interval)

    def give_up(self, run: Run) -> Callable[[], None]:
        """Record that a run is stuck; returns what tells of it, for a worker to call, since it calls the host."""
        work: Work = run.entry.work
        after = work.check.timeout + GRACE
        result = stuck_result(work.check, self._clock.time() - after, after)
        change = self._fold(work, result)
        return lambda: self._tell(work.check, result, change)

    def _record(self, work: Work, result: Result) -> CheckState | None:
        change = self._fold(work, result)
        self._tell(work.check, result, change)
        return change.after if change else None

    def _fold(self, work: Work, result: Result) -> Change | None:
        """Into the registry, and on to the notifier. Calls nothing of the host's."""
        expires = self._clock.monotonic() + 2 * work.interval + work.check.timeout
        change = self._registry.record(work.check, result, expires)
        if change is not None and self._notifier is not None and change.after.status is not change.before.status:
            self._notifier.put(change)
        return change

    def _tell(self, check: Check, result: Result, change: Change | None) -> None:
        """To the log."""
        if _polls.tells(logging.DEBUG):
            _polls.debug("%s", poll_line(check, result), extra={"result": result})
        if change is not None and change.after.status is not change.before.status:
            _log.log(*_told(change))


def stuck_result(check: Check, when: float, after: float) -> Result:
    """What a run is worth that has not ended: what cannot be interrupted is unknown, what should have ended failed."""
    hung = callable(check.target) and not isinstance(check.target, Probe)
    outcome = Outcome.UNKNOWN if hung else Outcome.FAIL
    detail = f"{'hung: ' if hung else ''}not ended after {after:.3g} s; it is not run again before it ends"
    return Result(check.name, outcome, "timeout", detail, when, after)


def _told(change: Change) -> tuple[int, str, str, str, str, str]:
    level = logging.WARNING if change.after.status in ("down", "unknown") else logging.INFO
    return (
        level,
        "check %s is %s (was %s) %s",
        change.name,
        change.after.status,
        change.before.status,
        change.result.detail,
    )


def poll_line(check: Check, result: Result) -> str:
    """One poll as a line of text: instant, status code (-1 where there is none), name, target, what is wrong, seconds.

    BadContent is what a response of the right status is called whose content is not as it should be.
    """
    code = -1 if result.status_code is None else result.status_code
    wrong = f"{result.detail or result.reason} ".lstrip()
    if result.status_code is not None and result.outcome is Outcome.FAIL:
        if result.reason == "status":
            wrong = ""
        elif result.reason == "condition" and result.detail.startswith(CONTENT):
            wrong = "BadContent "
    return f"{stamp(result.when)} {code} {check.name} {check.shown} {wrong}{result.elapsed:.2f}"
