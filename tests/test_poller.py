"""What a poll promises: a result whatever the host's code does, the next interval, one record, one word to the host."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support import wait_until

from minimon.checks import Check, Resource
from minimon.evaluate import RETRY
from minimon.model import Change, Fault, Outcome, Response, Result
from minimon.poller import Poller, Work, poll_line
from minimon.pool import deadline_in
from minimon.probes import prepare
from minimon.registry import Registry
from minimon.scheduler import GRACE, Entry, Outlook, Run, Scheduler
from minimon.testing import FakeClock, ScriptedProbe
from minimon.timetable import FALLBACK, LONGEST

INF = float("inf")
OK, BROKEN = Response(200, "fine"), Response(500)
URL = "http://127.0.0.1:9/"


class Told:
    """In a notifier's place: keeps what it is told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def put(self, change: Change) -> None:
        """Keep it."""
        self.changes.append(change)


class Polled:
    """One check, polled by hand."""

    def __init__(self, target: Any = lambda: None, **options: Any) -> None:
        self.clock = FakeClock(100.0, wall=1_700_000_000.0)
        self.registry, self.told = Registry(self.clock), Told()
        self.poller = Poller(self.clock, self.registry, self.told)  # type: ignore[arg-type]
        self.check = Check("a", target, **options)
        self.registry.add(self.check, INF)
        self.entry = Entry("a", self.check.timeout, Work(self.check, prepare(self.check.spec())))
        self.scheduler = Scheduler(self.clock, self.poller)

    def run(self) -> Run:
        """A run that has not begun."""
        return Run(self.scheduler, self.entry)

    def poll(self) -> Outlook:
        """One poll."""
        return self.poller.execute(self.run())

    def polls(self, number: int) -> list[Outlook]:
        """So many, a moment apart: two equal results of one instant would be one that came twice."""
        outlooks = []
        for _ in range(number):
            outlooks.append(self.poll())
            self.clock.advance(0.001)
        return outlooks

    @property
    def last(self) -> Result:
        """The latest result."""
        last = self.registry.state("a").last
        assert last is not None
        return last

    @property
    def status(self) -> str:
        """As a reader sees it."""
        status: str = self.registry.snapshot()["checks"]["a"]["status"]
        return status


def raising(error: BaseException) -> Callable[[], Any]:
    """A function that raises this."""

    def function() -> Any:
        raise error

    return function


# A poll


def test_a_pass_is_recorded() -> None:
    """With its instant by the wall clock, and the check's interval for the next one."""
    polled = Polled(every=7.0)
    assert Outlook(7.0, None, False) == polled.poll()
    assert ("up", Result("a", Outcome.PASS, when=1_700_000_000.0, started=100.0)) == (polled.status, polled.last)


def test_elapsed_is_monotonic() -> None:
    """A step of the wall clock in the midst of a run changes no duration."""
    polled = Polled(lambda: [polled.clock.jump_wall(-86_400.0), polled.clock.advance(2.0)] and None)
    polled.poll()
    assert (2.0, 1_700_000_000.0, "") == (polled.last.elapsed, polled.last.when, polled.last.reason)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), MemoryError(), GeneratorExit()])
def test_a_raising_callable_is_a_failure(error: BaseException) -> None:
    """Whatever it raises, it is a result with the class of it."""
    polled = Polled(raising(error))
    polled.poll()
    assert ("fail", "exception", True) == (
        polled.last.outcome,
        polled.last.reason,
        type(error).__name__ in polled.last.detail,
    )


def test_what_takes_longer_than_the_timeout_has_timed_out() -> None:
    """Although it answered; and the next run is that of a suspect."""
    polled = Polled(lambda: polled.clock.advance(5.1), timeout=5.0)
    outlook = polled.poll()
    assert ("timeout", True) == (polled.last.reason, outlook.timed_out)


def test_a_run_that_lost_its_claim_is_not_recorded() -> None:
    """It was given up, disarmed or stopped meanwhile."""
    polled = Polled()
    run = polled.run()
    run.claim()
    polled.poller.execute(run)
    assert (None, "unknown", []) == (polled.registry.state("a").last, polled.status, polled.told.changes)


def test_a_check_removed_in_the_midst_is_nothing() -> None:
    """Its result is dropped, and there is no retry."""
    polled = Polled(raising(ValueError()))
    polled.registry.remove("a")
    assert (None, []) == (polled.poll().retry, polled.told.changes)


# When the next one is


def test_while_undecided_it_is_retried() -> None:
    """First failures, failures of what is up and passes of what is down: after 2 s; once decided no more."""
    script = [BROKEN, BROKEN, BROKEN, BROKEN, OK, OK, OK, BROKEN]
    polled = Polled(ScriptedProbe(script), fall=3, rise=2)
    retries = [outlook.retry for outlook in polled.polls(len(script))]
    assert [RETRY, RETRY, None, None, RETRY, None, None, RETRY] == retries


@pytest.mark.parametrize(
    ("options", "retry"),
    [({"every": 60.0}, 2.0), ({"every": 1.0}, 1.0), ({"every": 60.0, "retry_interval": 0.5}, 0.5)],
)
def test_the_retry_is_the_smaller_of_interval_and_two_seconds(options: dict[str, float], retry: float) -> None:
    """Unless the check says otherwise."""
    assert retry == Polled(raising(ValueError()), **options).poll().retry


def test_an_interval_function_is_asked_every_time() -> None:
    """What it returns is the next interval."""
    drawn = iter((3.0, 1, 0.5))
    polled = Polled(every=lambda: next(drawn))
    assert [3.0, 1.0, 0.5] == [polled.poll().interval for _ in range(3)]


@pytest.mark.parametrize(("drawn", "interval"), [(1e-9, 0.01), (1e9, LONGEST)])
def test_a_drawn_interval_is_kept_within_bounds(drawn: float, interval: float) -> None:
    """Neither a busy loop nor a check that sleeps for years."""
    assert interval == Polled(every=lambda: drawn).poll().interval


class Odd:
    """A value that cannot be compared, shown or converted."""

    def __gt__(self, other: object) -> bool:
        raise RuntimeError("no order")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


NONSENSE = [0, -1.0, float("nan"), INF, -INF, "5", "", None, True, [], b"1", 1j, 10**400, object(), Odd()]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda value: f"{type(value).__name__}")
def test_a_nonsense_interval_is_a_failed_result(nonsense: Any) -> None:
    """Although the target is fine; the next try comes after the safe default."""
    polled = Polled(every=lambda: nonsense)
    assert Outlook(FALLBACK) == polled.poll()
    assert ("fail", "exception", True) == (polled.last.outcome, polled.last.reason, "every()" in polled.last.detail)


class Mute(Exception):
    """An exception without a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


RAISED = [ValueError("x\ny" * 1000), Mute(), MemoryError(), RecursionError(), StopIteration(), SystemExit(1)]


@pytest.mark.parametrize("error", [*RAISED, GeneratorExit()], ids=lambda e: type(e).__name__)
def test_a_raising_interval_function_is_a_failed_result(error: BaseException) -> None:
    """Whatever it raises, sys.exit() among it; the detail is one line that names the exception."""
    polled = Polled(every=raising(error))
    assert Outlook(FALLBACK) == polled.poll()
    detail = polled.last.detail
    assert ("fail", "exception", True) == (polled.last.outcome, polled.last.reason, type(error).__name__ in detail)
    assert detail.isprintable() and len(detail) <= 300


def test_a_cured_interval_function_is_a_pass_again() -> None:
    """One bad draw does no lasting harm."""
    draws = iter((3.0, 0, 3.0))
    polled = Polled(every=lambda: next(draws))
    assert [3.0, FALLBACK, 3.0] == [polled.poll().interval for _ in range(3)]
    assert ("pass", "up") == (polled.last.outcome, polled.status)


# How long it counts


def test_a_result_counts_for_two_intervals_and_a_timeout() -> None:
    """After that the status is unknown."""
    polled = Polled(every=10.0, timeout=5.0)
    polled.poll()
    polled.clock.advance(25.0)
    fresh = polled.status
    polled.clock.advance(0.01)
    assert ("up", "unknown") == (fresh, polled.status)


def test_a_drawn_interval_counts_for_staleness() -> None:
    """The one that was drawn last."""
    draws = iter((10.0, 100.0))
    polled = Polled(every=lambda: next(draws), timeout=5.0)
    polled.polls(2)
    polled.clock.advance(204.999)
    fresh = polled.status
    polled.clock.advance(0.01)
    assert ("up", "unknown") == (fresh, polled.status)


# Giving up


def test_a_hung_callable_is_unknown_at_once() -> None:
    """With reason timeout, from the first time on, although it was up."""
    polled = Polled(timeout=5.0)
    polled.poll()
    polled.clock.advance(20.0)
    polled.poller.give_up(polled.run())
    assert ("unknown", "timeout", "unknown") == (polled.last.outcome, polled.last.reason, polled.status)


def test_a_hung_callable_stays_unknown() -> None:
    """For as long as it hangs."""
    polled = Polled(timeout=5.0)
    polled.poller.give_up(polled.run())
    polled.clock.advance(1e6)
    assert "unknown" == polled.status


def test_a_stuck_address_has_failed() -> None:
    """It should have ended by itself: reason timeout, and `fall` of them turn it down."""
    polled = Polled(URL, fall=2)
    polled.poller.give_up(polled.run())
    first = polled.last.outcome, polled.last.reason, polled.status
    polled.poller.give_up(polled.run())
    assert (("fail", "timeout", "unknown"), "down") == (first, polled.status)


def test_what_was_given_up_started_before() -> None:
    """Its instant is the start of the run, its duration the timeout and the grace."""
    polled = Polled(timeout=5.0)
    polled.poller.give_up(polled.run())
    assert (1_700_000_000.0 - 5.0 - GRACE, 5.0 + GRACE) == (polled.last.when, polled.last.elapsed)


@pytest.mark.parametrize("every", [10.0, lambda: 10.0], ids=["number", "function"])
def test_no_green_from_a_stuck_address(every: Any) -> None:
    """An address that was up and hangs for good, in the look-up of a name say, does not stay up."""
    polled = Polled(URL, every=every, fall=3)
    polled.registry.record(polled.check, Result("a", Outcome.PASS), polled.clock.monotonic() + 25.0)
    before = polled.status
    polled.poller.give_up(polled.run())
    polled.clock.advance(1e6)
    assert ("up", "unknown") == (before, polled.status)


def test_no_green_from_a_hanging_interval_function() -> None:
    """A check whose interval function never returns is not run again, so it does not stay up."""
    entered, leave = threading.Event(), threading.Event()

    def hang() -> float:
        entered.set()
        leave.wait(20.0)
        return 1.0

    polled = Polled(URL, every=hang)
    polled.entry.work = Work(polled.check, prepare({"name": "a", "target": ScriptedProbe([OK])}))
    polled.registry.record(polled.check, Result("a", Outcome.PASS), INF)
    polled.scheduler.start()
    polled.scheduler.arm(polled.entry, polled.clock.monotonic())
    assert entered.wait(5.0)
    assert wait_until(lambda: polled.clock.advance(1.0) or polled.last.reason == "timeout")
    polled.clock.advance(1e6)
    status = polled.status
    leave.set()
    assert polled.scheduler.stop(deadline_in(5.0)) and "unknown" == status


def test_a_late_result_of_what_was_given_up_is_ignored() -> None:
    """The timeout stays the latest word."""
    polled = Polled()
    run = polled.run()
    assert run.claim()
    polled.poller.give_up(run)
    polled.poller.execute(run)
    assert ("timeout", 1) == (polled.last.reason, polled.registry.state("a").streak.n)


# What is told


def test_the_host_is_told_of_a_different_status_only() -> None:
    """unknown to up, up to down, down to up: three changes of eight polls."""
    script = [OK, OK, BROKEN, OK, BROKEN, BROKEN, OK, OK]
    polled = Polled(ScriptedProbe(script), fall=2, rise=2)
    polled.polls(len(script))
    seen = [(change.before.status, change.after.status) for change in polled.told.changes]
    assert [("unknown", "up"), ("up", "down"), ("down", "up")] == seen


def test_giving_up_is_told_too() -> None:
    """A hung callable is a change like any other."""
    polled = Polled()
    polled.poll()
    polled.poller.give_up(polled.run())
    assert [("up", "unknown", "timeout")] == [
        (change.before.status, change.after.status, change.result.reason) for change in polled.told.changes[1:]
    ]


def test_changes_are_logged_by_their_weight(caplog: pytest.LogCaptureFixture) -> None:
    """INFO for the better, WARNING for the worse, with the check's name."""
    caplog.set_level(logging.INFO, "minimon")
    polled = Polled(ScriptedProbe([OK, BROKEN, OK]), fall=1, rise=1)
    for _ in range(3):
        polled.poll()
    seen = [(record.levelno, "check a is " in record.getMessage()) for record in caplog.records]
    assert [(logging.INFO, True), (logging.WARNING, True), (logging.INFO, True)] == seen


def test_a_poll_is_a_line_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """On `minimon.polls`, one for each, and none above DEBUG."""
    polled = Polled(URL)
    polled.entry.work = Work(polled.check, prepare({"name": "a", "target": ScriptedProbe([OK])}))
    with caplog.at_level(logging.INFO, "minimon"):
        polled.poll()
    quiet = [record for record in caplog.records if record.name == "minimon.polls"]
    with caplog.at_level(logging.DEBUG, "minimon.polls"):
        polled.poll()
    lines = [record.getMessage() for record in caplog.records if record.name == "minimon.polls"]
    assert ([], [f"2023-11-14T22:13:20.000Z 200 a {URL} 0.00"]) == (quiet, lines)


class _Bad(logging.Handler):
    """A log handler of a host that raises."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("disk full")


@pytest.mark.parametrize("name", ["minimon.poller", "minimon.polls"])
def test_a_raising_log_handler_spoils_no_poll(name: str) -> None:
    """The host's handler is the host's code: the result is recorded, and there is a next run."""
    log, handler, polled = logging.getLogger(name), _Bad(logging.DEBUG), Polled(every=7.0)
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        assert (Outlook(7.0), "up") == (polled.poll(), polled.status)
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)


LINES = [
    (Result("a", Outcome.PASS, status_code=200, elapsed=1.234), "200 a {url} 1.23"),
    (Result("a", Outcome.FAIL, "status", "expected 200, got 404", status_code=404), "404 a {url} 0.00"),
    (
        Result("a", Outcome.FAIL, "condition", "callback: expected True, got False", status_code=200),
        "200 a {url} BadContent 0.00",
    ),
    (
        Result("a", Outcome.FAIL, "condition", "latency: too slow", status_code=200),
        "200 a {url} latency: too slow 0.00",
    ),
    (Result("a", Outcome.WARN, "condition", "warn_if holds", status_code=200), "200 a {url} warn_if holds 0.00"),
    (Result("a", Outcome.FAIL, "connect", "connection refused"), "-1 a {url} connection refused 0.00"),
    (Result("a", Outcome.FAIL, "timeout"), "-1 a {url} timeout 0.00"),
]


@pytest.mark.parametrize(("result", "line"), LINES, ids=lambda value: getattr(value, "reason", None))
def test_the_line_of_a_poll_has_the_old_form(result: Result, line: str) -> None:
    """Time, status code or -1, name, URL, BadContent or the error's text, seconds with two digits."""
    check = Resource("a", "http://user:secret@127.0.0.1:9/x?key=secret", 1.0)
    shown = line.format(url="http://127.0.0.1:9/x?key=***")
    assert f"1970-01-01T00:00:00.000Z {shown}" == poll_line(check, result)


def test_a_transport_error_is_no_status() -> None:
    """A fault is recorded under its kind, and its status code is none."""
    polled = Polled(ScriptedProbe([Response(error=Fault("dns", "no such host"))]))
    polled.poll()
    assert ("dns", "no such host", None) == (polled.last.reason, polled.last.detail, polled.last.status_code)
