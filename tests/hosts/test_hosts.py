"""A guest of real hosts: one poller, one truth, a successor at once, and an end that is not held up."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hosts import measuring
from hosts.measuring import Measured, Storm
from hosts.table import COMMANDS, EVERY, HOSTS, Host, host

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the harness looks into /proc")

SLACK = 1.0
"""For a machine that is busy with other tests."""


class Seen(NamedTuple):
    """A host with a guest, and how it ends without one."""

    host: Host
    told: Measured
    alone: float


def mark(one: Host) -> pytest.MarkDecorator:
    """Of tests of this host."""
    return pytest.mark.slow if one.short else pytest.mark.long


def needed(one: Host) -> None:
    """Skip what is not installed."""
    if one.lacks:
        pytest.skip(f"{one.lacks} is not installed")


@pytest.fixture(scope="module", params=[pytest.param(one, id=one.name, marks=mark(one)) for one in HOSTS])
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """A host that was run with minimon, and without anything beside it."""
    one: Host = request.param
    needed(one)
    alone: list[float] = []
    beside = threading.Thread(target=lambda: alone.append(measuring.shutdown_alone(one)), daemon=True)
    beside.start()
    told = measuring.measure(one, "minimon")
    beside.join(60.0)
    yield Seen(one, told, alone[0])


def test_every_worker_answers(seen: Seen) -> None:
    """The guest holds up none of them."""
    assert seen.host.workers == seen.told.answered


def test_one_process_polls(seen: Seen) -> None:
    """In the steady state."""
    assert 1 == seen.told.pollers


def test_two_never_poll_for_longer_than_a_poll(seen: Seen) -> None:
    """Neither at the start, nor when another one takes over, nor when the application is loaded anew."""
    assert EVERY + 0.1 > seen.told.two


def test_there_is_no_long_silence(seen: Seen) -> None:
    """From the first poll to the end, whatever was killed or reloaded."""
    reload = 2.0 if seen.host.reloads else 0.0  # Python and the framework have to start
    assert 2.0 + reload + SLACK > seen.told.none


def test_all_workers_tell_the_same(seen: Seen) -> None:
    """But for the second in which a snapshot reaches the others, when the target turns."""
    assert (True, True) == (1.0 + SLACK > seen.told.differed, 1.0 + EVERY + SLACK > seen.told.truth)


def test_all_workers_count_the_same_polls(seen: Seen) -> None:
    """The successor of one that was killed counts with them, but for those of a snapshot's age."""
    assert (1.0 + SLACK) / EVERY > seen.told.apart


def test_each_worker_knows_its_role(seen: Seen) -> None:
    """There is one leader, and all name it."""
    roles, leaders = zip(*seen.told.roles)
    assert (["follower"] * (seen.host.workers - 1) + ["leader"], 1) == (sorted(roles), len(set(leaders)))


def test_another_takes_over(seen: Seen) -> None:
    """After `kill -9` of the one that polls."""
    if not seen.host.replaces:
        pytest.skip("such a host ends with its only worker, or waits for a file to change")
    assert 1.5 + SLACK > seen.told.takeover


def test_one_worker_has_the_port(seen: Seen) -> None:
    """After the takeover, too; without one there is no port."""
    assert ("a worker" if seen.host.hooked else "nobody") == seen.told.port


def test_the_end_is_not_held_up(seen: Seen) -> None:
    """Compared with the same host that has no guest."""
    assert 0.5 + SLACK > seen.told.shutdown - seen.alone


def test_nothing_is_left(seen: Seen) -> None:
    """No process, and nobody at a port."""
    assert () == seen.told.left


def test_nothing_is_complained_of(seen: Seen) -> None:
    """No warning of the guest, and no traceback through it."""
    assert () == seen.told.complaints


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_commands_never_poll(name: str) -> None:
    """What loads an application and serves nobody leaves it at that."""
    one = COMMANDS[name]
    needed(one)
    assert (0, 0, []) == measuring.command(one)


def _storm(kills: int, pace: float) -> Storm:
    one = host("gunicorn sync")
    needed(one)
    return measuring.storm(one, kills, pace)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((10, 0.3), id="10 kills", marks=pytest.mark.slow),
        pytest.param((100, 0.6), id="100 kills", marks=pytest.mark.long),
    ],
)
def storm(request: pytest.FixtureRequest) -> tuple[int, Storm]:
    """The poller killed so many times, as soon as there is one."""
    return request.param[0], _storm(*request.param)


def test_somebody_polls_however_many_are_killed(storm: tuple[int, Storm]) -> None:
    """One after the other, and never none for long."""
    kills, came = storm
    assert (kills, kills + 1, True, ()) == (came.kills, came.pollers, 2.0 + SLACK > came.none, came.complaints)


def test_two_never_poll_however_many_are_killed(storm: tuple[int, Storm]) -> None:
    """For longer than a poll."""
    assert EVERY + 0.1 > storm[1].two


@pytest.mark.parametrize(
    "one", [pytest.param(one, id=one.name, marks=pytest.mark.long) for one in HOSTS if one.restarts]
)
def test_a_restart_hands_over(one: Host) -> None:
    """SIGHUP replaces all workers: never two pollers, never none for long, and all polls by others in the end."""
    needed(one)
    came = measuring.restart(one)
    assert (True, True, ()) == (EVERY + 0.1 > came.two, 2.0 + SLACK > came.none, came.complaints)
