"""What is read from the datagrams of those who poll, and from what a host has said."""

from __future__ import annotations

import math

import pytest
from hosts.harness import Poll
from hosts.measuring import complaints, side_by_side, silence, two_at_once
from support import ROOT


def polls(**times: list[float]) -> list[Poll]:
    """So many processes, a1, a2 and so on, and when they polled."""
    return sorted((Poll(int(name[1:]), at) for name, each in times.items() for at in each), key=lambda poll: poll.at)


ONE = [0.0, 0.2, 0.4, 0.6, 0.8]


@pytest.mark.parametrize(
    "seen, seconds",
    [
        (polls(a1=ONE), 0.0),
        (polls(a1=ONE, a2=[1.0, 1.2]), 0.0),
        (polls(a1=ONE, a2=[0.7, 0.9, 1.1]), 0.1),
        (polls(a1=ONE, a2=[0.1, 0.3, 0.5]), 0.4),
        (polls(a1=ONE, a2=[0.1], a3=[0.7, 0.9]), 0.1),
        (polls(a1=[0.0, 0.2, 3.0, 3.2], a2=[1.0, 1.2]), 0.0),
        ([], 0.0),
    ],
)
def test_two_poll_for_as_long_as_both_do(seen: list[Poll], seconds: float) -> None:
    """From the first poll of the later one to the last of the earlier one; a pause is none of it."""
    assert pytest.approx(seconds) == max(0.0, two_at_once(seen))


@pytest.mark.parametrize(
    "seen, processes",
    [
        (polls(a1=ONE), 1),
        (polls(a1=ONE, a2=[0.1, 0.3, 0.5, 0.7]), 2),
        (polls(a1=[0.0], a2=[1.0, 1.2, 1.4]), 1),
        ([], 0),
    ],
)
def test_those_that_poll_side_by_side_are_counted(seen: list[Poll], processes: int) -> None:
    """In most moments."""
    assert processes == side_by_side(seen)


def test_silence_is_the_longest_pause() -> None:
    """That before the end counts, and nobody at all is silence for ever."""
    seen = polls(a1=[0.0, 0.2], a2=[1.0])
    assert (pytest.approx(0.8), 2.0, math.inf) == (silence(seen, 1.1), silence(seen, 3.0), silence([], 5.0))


def test_complaints_are_what_comes_of_the_guest() -> None:
    """Its warnings, and tracebacks through its files; what the host says is its own."""
    ours = f'  File "{ROOT}/minimon/pool.py", line 1, in work'
    log = (
        f"OURS 1 minimon WARNING it is so\nOURS 1 minimon.poller WARNING check target is down\n{ours}\n  File other.py"
    )
    assert ["OURS 1 minimon WARNING it is so", ours] == complaints(log)
