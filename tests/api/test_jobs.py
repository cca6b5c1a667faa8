"""Long requests that can be looked at later: one end each, kept for a while, and no more than there is room for."""

from __future__ import annotations

from typing import Any

import pytest

from minimon.api.jobs import KEPT, LARGEST, LASTS, Job, Jobs
from minimon.errors import BusyError
from minimon.tasks import FAILURE, QUEUE, QUEUED, REVOKED, STARTED, SUCCESS, WORKERS
from minimon.testing import FakeClock


def succeeds(job: Job) -> None:
    """It comes to its end."""
    job.begun()
    job.succeed("done")


def test_a_new_one_is_queued() -> None:
    """With an id that nobody guesses."""
    jobs = Jobs()
    one, other = jobs.new("a"), jobs.new("a")
    assert (QUEUED, 32, True) == (one.state, len(one.id), one.id != other.id)


def test_one_that_is_begun_is_started() -> None:
    """Once."""
    job = Jobs().new("a")
    assert (True, True, STARTED) == (job.begun(), job.begun(), job.state)


@pytest.mark.parametrize(
    ("end", "state", "result"),
    [
        (lambda job: job.succeed({"a": 1}), SUCCESS, {"a": 1}),
        (lambda job: job.fail("no"), FAILURE, "no"),
        (lambda job: job.cancel(), REVOKED, None),
    ],
    ids=["success", "failure", "cancel"],
)
def test_it_ends_once(end: Any, state: str, result: Any) -> None:
    """What comes later changes nothing."""
    job = Jobs().new("a")
    job.begun()
    end(job)
    for late in (lambda: job.succeed("late"), lambda: job.fail("late"), job.cancel):
        late()
    assert (state, result, True) == (job.state, job.result, job.finished)


def test_one_that_was_cancelled_is_not_begun() -> None:
    """Nobody wants it."""
    job = Jobs().new("a")
    job.cancel()
    assert not job.begun()


@pytest.mark.parametrize("before", [True, False])
def test_its_work_is_ended_with_it(before: bool) -> None:
    """Also of one that was cancelled while its work was handed in."""
    ended: list[str] = []
    job = Jobs().new("a")
    if before:
        job.cancel()
    job.cancelled_by(lambda: ended.append("work"))
    job.cancel()
    assert ["work"] == ended


def test_a_result_has_its_limit() -> None:
    """1 MiB as JSON; more is a failure that says so."""
    job = Jobs().new("a")
    job.succeed("x" * LARGEST)
    assert (FAILURE, f"the result has {LARGEST + 2} bytes as JSON; {LARGEST} are kept at most") == (
        job.state,
        job.result,
    )


def test_a_result_stays_as_it_was() -> None:
    """Whatever the host does with it later."""
    job, result = Jobs().new("a"), [1]
    job.succeed(result)
    result.append(2)
    assert [1] == job.result


def test_a_finished_one_is_found_for_a_while() -> None:
    """15 minutes."""
    clock = FakeClock()
    jobs = Jobs(clock.monotonic)
    job = jobs.new("a")
    succeeds(job)
    clock.advance(LASTS - 1)
    found = jobs.get(job.id)
    clock.advance(2)
    assert (job, None) == (found, jobs.get(job.id))


def test_an_unfinished_one_is_found_for_ever() -> None:
    """Its time begins with its end."""
    clock = FakeClock()
    jobs = Jobs(clock.monotonic)
    job = jobs.new("a")
    clock.advance(10 * LASTS)
    assert job is jobs.get(job.id)


def test_a_thousand_finished_ones_are_kept() -> None:
    """The oldest goes first."""
    jobs = Jobs()
    made = []
    for _ in range(KEPT + 1):
        made.append(jobs.new("a"))
        succeeds(made[-1])
    assert (None, made[1], made[-1]) == tuple(jobs.get(job.id) for job in (made[0], made[1], made[-1]))


def test_there_is_no_room_for_more() -> None:
    """Until one ends."""
    jobs = Jobs()
    made = [jobs.new("a") for _ in range(WORKERS + QUEUE)]
    with pytest.raises(BusyError, match="100 tasks wait already; try again later"):
        jobs.new("a")
    succeeds(made[0])
    assert QUEUED == jobs.new("a").state


def test_one_that_could_not_begin_takes_no_room() -> None:
    """Nor is it found."""
    jobs = Jobs()
    job = jobs.new("a")
    jobs.drop(job)
    succeeds(job)
    assert jobs.get(job.id) is None


def test_all_are_cancelled_at_once() -> None:
    """With the server."""
    jobs = Jobs()
    made = [jobs.new("a") for _ in range(3)]
    jobs.cancel_all()
    assert [REVOKED] * 3 == [job.state for job in made]


def test_a_forked_child_has_none() -> None:
    """They are the parent's."""
    jobs = Jobs()
    job = jobs.new("a")
    jobs.after_fork()
    assert jobs.get(job.id) is None
