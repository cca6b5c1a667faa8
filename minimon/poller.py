"""A poll, as a worker makes it: observe, draw the next interval, record, tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .books import GRACE, NEVER, Entry, Gap, Outlook, Run
from .checks import Check, Probe
from .clock import Clock
from .evaluate import RETRY, lost_result, retry_after
from .log import logger
from .model import UNFIT, Change, CheckState, Outcome, Result, result_view, stamp
from .probes import Prepared, observe
from .registry import Registry
from .timetable import FALLBACK, draw, lasting
from .watch import Watch

if TYPE_CHECKING:  # imported when they are asked for
    from .canary import Canary, Loss
    from .notify import Notifier
    from .store import Store

_log = logger("poller")
_polls = logger("polls")

CONTENT = ("text:", "contains:", "json:", "callback:")
"""How the detail of an unmet condition begins that looks at the content."""


class Work:
    """What a run needs: the check, and the check made ready."""

    __slots__ = ("check", "draws_first", "fails", "interval", "prepared")

    def __init__(self, check: Check, prepared: Prepared) -> None:
        self.check = check
        self.prepared = prepared
        self.draws_first = False  # whether the next run only draws the interval to wait for
        self.fails = False  # whether the latest result was a failure
        self.interval = FALLBACK if callable(check.every) else check.every  # as it was drawn last


class Poller:
    """What a Scheduler runs. It keeps nothing itself: states are the registry's."""

    def __init__(
        self,
        clock: Clock,
        registry: Registry,
        notifier: Notifier | None,
        *,
        canary: Canary | None = None,
        store: Store | None = None,
        on_fall: Callable[[str], None] = lambda name: None,
        on_news: Callable[[str], None] | None = None,
    ) -> None:
        self._clock, self._registry, self._notifier = clock, registry, notifier
        self._canary, self._store, self._on_fall, self._on_news = canary, store, on_fall, on_news
        self.watch: Watch | None = None

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
        if run.slept:  # nobody knows whether it was the target: it is asked again
            self._registry.renew(work.check, lasting(interval, work.check.timeout))
            return Outlook(interval, min(interval, RETRY))
        work.interval = interval
        state = self._record(work, *self._ours(run, work, result))
        retry = None if state is None or problem else retry_after(work.check, state, interval)
        return Outlook(interval, retry, result.reason == "timeout")

    def _ours(self, run: Run, work: Work, result: Result) -> tuple[Result, float | None]:
        """The result; one that is unknown, and since when, if we have no network."""
        turned, work.fails = not work.fails, result.outcome is Outcome.FAIL
        if self._canary is None or result.started is None or not (work.fails or self._canary.lost):
            return result, None
        run.extend(self._canary.TAKES)
        loss = self._judge(work, result.started, turned and work.fails, work.fails)
        if loss is None or not work.fails:
            return result, None
        return lost_result(result, loss.detail), loss.since

    def _judge(self, work: Work, started: float, turned: bool, failed: bool = True) -> Loss | None:
        canary = self._canary
        loss = None if canary is None else canary.judge(work.check, started, work.interval, turned, failed)
        if loss is not None:
            for name in loss.victims:
                self._lose(name, loss)
        return loss

    def _lose(self, name: str, loss: Loss) -> None:
        self._tell_all(self._registry.lose(name, loss.detail, loss.since))

    def _draw_first(self, run: Run, work: Work) -> Outlook:
        """The first round of a check that waits for one interval, which its function has yet to say."""
        interval, problem = draw(work.check.every)
        if run.claim():
            work.draws_first, work.interval = False, interval
            self._registry.await_first(work.check.name, interval + run.entry.timeout + GRACE)
            if problem:
                self._record(work, Result(work.check.name, Outcome.FAIL, "exception", problem, self._clock.time()))
        return Outlook(interval)

    def give_up(self, run: Run) -> Callable[[], None]:
        """Record that a run is stuck; returns what tells of it, for a worker to call, since it calls the host."""
        work: Work = run.entry.work
        after = work.check.timeout + GRACE
        result = stuck_result(work.check, self._clock.time() - after, after)._replace(started=run.started)
        turned, work.fails = not work.fails, result.outcome is Outcome.FAIL
        change = self._fold(work, result, None)

        def tell() -> None:
            self._tell(work.check, result, change)
            loss = self._judge(work, run.started or 0.0, turned) if work.fails else None
            if loss is not None:
                self._lose(work.check.name, loss)

        return tell

    def grow_old(self, entry: Entry) -> Callable[[], None] | None:
        """Record that no result came in time; as above."""
        change = self._registry.expire(entry.work.check)
        if change is None:
            return None
        self._notify(change)
        return lambda: self._tell(change.check, change.result, change)

    def slept(self, gap: Gap) -> None:
        """Nobody could look for so long: no result has grown old in it, and it is not covered."""
        self._registry.absent(gap.start, gap.end)

    def look(self, figures: Mapping[str, Any] | None = None) -> None:
        """Record what the monitor sees of itself, when that is due. Any thread."""
        watch = self.watch
        result = None if watch is None else watch.look(figures)
        if result is not None and watch is not None:
            self._tell_all(self._registry.record(watch.check, result, NEVER))

    def _record(self, work: Work, result: Result, lost_since: float | None = None) -> CheckState | None:
        change = self._fold(work, result, lost_since)
        self._tell(work.check, result, change)
        watch = self.watch
        if watch is not None:
            jump = watch.clock_was_set(result)
            if jump:
                self._registry.tell("", "clock", jump)
        self.look()
        return change.after if change else None

    def _fold(self, work: Work, result: Result, lost_since: float | None) -> Change | None:
        """Into the registry, and on to the notifier. Calls nothing of the host's."""
        lasts = lasting(work.interval, work.check.timeout)
        change = self._registry.record(work.check, result, lasts, result_view(result), lost_since)
        if change is not None:
            self._notify(change)
        return change

    def _notify(self, change: Change) -> None:
        if change.check.critical and change.after.status in UNFIT and change.before.status not in UNFIT:
            self._on_fall(change.name)
        if self._notifier is not None and change.news:
            self._notifier.put(change)
        if self._store is not None:
            self._store.touch(change.news)
        if change.news and self._on_news is not None:
            self._on_news(change.name)

    def _tell(self, check: Check, result: Result, change: Change | None) -> None:
        """To the log."""
        if _polls.tells(logging.DEBUG):
            _polls.debug("%s", poll_line(check, result), extra={"result": result})
        if change is not None and change.news:
            _log.log(*_told(change))

    def _tell_all(self, change: Change | None) -> None:
        """What was not a poll, to whom it may concern."""
        if change is not None:
            self._notify(change)
            if change.news:
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
