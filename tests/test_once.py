"""Checks polled once: all of them, in order, whatever some of them do."""

from __future__ import annotations

import threading

import pytest
from support import our_threads, wait_until

from minimon import Check, Response
from minimon.once import MOST, poll_once
from minimon.testing import FakeClock, ScriptedProbe


def test_each_check_is_polled_once() -> None:
    """The results come in the order of the checks."""
    probes = [ScriptedProbe([Response(200 + n)]) for n in range(MOST * 2)]
    checks = [Check(f"check {n}", probe) for n, probe in enumerate(probes)]
    seen = [(check.name, result.name, result.status_code) for check, result in poll_once(checks)]
    assert (seen, {probe.calls for probe in probes}) == (
        [(check.name, check.name, 200 + n) for n, check in enumerate(checks)],
        {1},
    )


def test_no_checks_are_no_results() -> None:
    """An empty list is polled in no time."""
    assert list(poll_once([])) == []


def test_checks_are_polled_at_the_same_time() -> None:
    """Polls that wait for each other all end."""
    meeting = threading.Barrier(8, timeout=5)
    checks = [Check(f"check {n}", meeting.wait, expect=lambda response: True) for n in range(8)]
    assert [result.outcome for _, result in poll_once(checks)] == ["pass"] * 8


def test_a_poll_that_raises_is_a_failure() -> None:
    """What a function raises is the detail of its result."""
    ((_, result),) = poll_once([Check("a", lambda: 1 // 0)])
    assert (result.outcome, result.reason) == ("fail", "exception")


@pytest.fixture
def released() -> threading.Event:
    """What polls that hang wait for; set at the end of the test, and their threads gone."""
    event = threading.Event()
    yield event
    event.set()
    assert wait_until(lambda: our_threads() == [])


def test_a_poll_that_hangs_is_left_behind(released: threading.Event) -> None:
    """A function that does not end is unknown, and the others have their results."""
    clock = FakeClock(wall=100.0)
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        released.wait(30)

    def pass_time() -> bool:
        begun.wait(5)
        clock.advance(6.0)
        return True

    checks = [Check("hangs", hang), Check("other", pass_time, timeout=60)]
    seen = [(result.outcome, result.reason, result.detail, result.when) for _, result in poll_once(checks, clock)]
    assert seen == [
        ("unknown", "timeout", "hung: not ended after 6 s; it is not run again before it ends", 100.0),
        ("pass", "", "", 100.0),
    ]


class Hang:
    """A function that hangs until it is released; with each 32nd call ten seconds pass."""

    def __init__(self, clock: FakeClock, released: threading.Event) -> None:
        self.clock, self.released, self.lock, self.calls = clock, released, threading.Lock(), 0

    def __call__(self) -> None:
        with self.lock:
            self.calls += 1
            full = self.calls % MOST == 0
        if full:
            self.clock.advance(10.0)
        self.released.wait(30)


def test_polls_that_hang_do_not_hold_up_the_others(released: threading.Event) -> None:
    """Workers that are stuck are replaced, so that a poll behind them has its turn."""
    clock = FakeClock()
    hang = Hang(clock, released)
    checks = [Check(f"hangs {n}", hang) for n in range(MOST)]
    results = [result.outcome for _, result in poll_once([*checks, Check("other", lambda: True)], clock)]
    assert results == ["unknown"] * MOST + ["pass"]


def test_the_sweep_ends_when_every_worker_is_stuck(released: threading.Event) -> None:
    """What has no turn in the end is said to have been left out."""
    clock = FakeClock()
    hang = Hang(clock, released)
    checks = [Check(f"hangs {n}", hang) for n in range(MOST * 2 + 1)]
    results = [(result.outcome, result.reason) for _, result in poll_once(checks, clock)]
    assert (results[0], results[-1]) == (("unknown", "timeout"), ("unknown", "skipped"))
