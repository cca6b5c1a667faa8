"""Tasks: worked off on a few threads, looked at meanwhile, cancelled for good."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support import our_threads, wait_until

from minimon.errors import BusyError
from minimon.tasks import Task, Tasks


@pytest.fixture
def tasks() -> Iterator[Tasks]:
    """Two workers, and two that wait."""
    made = Tasks(2, 2)
    yield made
    assert made.stop(time.monotonic() + 5.0)


def done(task: Task) -> tuple[str, Any, Any]:
    """How it has ended."""
    assert wait_until(lambda: task.finished)
    return task.state, task.result, task.error and str(task.error)


def test_a_task_gives_what_its_function_returns(tasks: Tasks) -> None:
    """And is called with the task."""
    assert ("SUCCESS", "sum", None) == done(tasks.submit("sum", lambda task: task.name))


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no"), KeyboardInterrupt("no")])
def test_a_task_that_raises_has_failed(tasks: Tasks, error: BaseException) -> None:
    """Whatever it raises; the worker goes on."""

    def fail(task: Task) -> None:
        raise error

    assert (("FAILURE", None, "no"), "SUCCESS") == (
        done(tasks.submit("fail", fail)),
        done(tasks.submit("next", print_nothing))[0],
    )


def print_nothing(task: Task) -> None:
    """Nothing to do."""


def wait_for_the_end(task: Task) -> str:
    """Work that looks at its Event."""
    task.cancelled.wait(20.0)
    return "done all the same"


def test_a_cancelled_task_never_succeeds(tasks: Tasks) -> None:
    """Though its function returns something; its Event was set, and a second time is no news."""
    task = tasks.submit("long", wait_for_the_end)
    assert wait_until(lambda: task.state == "STARTED")
    news = task.cancel(), task.cancel()
    assert wait_until(lambda: tasks._pool.busy == 0)
    assert ((True, False), ("REVOKED", None, None), True) == (news, done(task), task.cancelled.is_set())


def test_a_task_that_waits_can_be_cancelled(tasks: Tasks) -> None:
    """It is never begun."""
    called: list[Task] = []
    running = [tasks.submit("long", wait_for_the_end) for _ in range(2)]
    waiting = tasks.submit("waits", called.append)
    states = waiting.state, waiting.cancel(), waiting.state
    for task in running:
        task.cancel()
    assert wait_until(lambda: tasks._pool.unfinished == 0)
    assert (("QUEUED", True, "REVOKED"), []) == (states, called)


def test_a_finished_task_cannot_be_cancelled(tasks: Tasks) -> None:
    """What has succeeded stays so."""
    task = tasks.submit("short", print_nothing)
    done(task)
    assert (False, "SUCCESS") == (task.cancel(), task.state)


def test_too_many_are_refused(tasks: Tasks) -> None:
    """One that is cancelled makes room for another."""
    running = [tasks.submit("long", wait_for_the_end) for _ in range(2)]
    waiting = [tasks.submit("waits", print_nothing) for _ in range(2)]
    with pytest.raises(BusyError, match="2 tasks wait already; try again later"):
        tasks.submit("one more", print_nothing)
    waiting[0].cancel()
    tasks.submit("one more", print_nothing)
    for task in running:
        task.cancel()
    assert wait_until(lambda: tasks._pool.unfinished == 0)
    assert "SUCCESS" == done(tasks.submit("one more", print_nothing))[0]


def test_a_task_is_found_by_its_id_while_it_is_unfinished(tasks: Tasks) -> None:
    """Ids cannot be guessed."""
    task = tasks.submit("long", wait_for_the_end)
    found = tasks.get(task.id) is task, tasks.get("0"), len(task.id) >= 22
    task.cancel()
    tasks.submit("next", print_nothing)
    assert ((True, None, True), None) == (found, tasks.get(task.id))


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_end_is_told_once(tasks: Tasks, cancelled: bool) -> None:
    """By whoever ends it."""
    told: list[str] = []
    task = tasks.submit("long", wait_for_the_end if cancelled else print_nothing, lambda: told.append("ended"))
    if cancelled:
        assert wait_until(lambda: task.state == "STARTED")
        task.cancel()
    done(task)
    assert wait_until(lambda: tasks._pool.unfinished == 0)
    assert (["ended"], "REVOKED" if cancelled else "SUCCESS") == (told, task.state)


def test_stop_cancels_all() -> None:
    """And waits for those that listen."""
    tasks = Tasks(2, 2)
    made = [tasks.submit("long", wait_for_the_end) for _ in range(4)]
    assert (True, ["REVOKED"] * 4) == (tasks.stop(time.monotonic() + 5.0), [task.state for task in made])


def test_stop_tells_of_one_that_does_not_listen() -> None:
    """It is left behind at the deadline."""
    tasks, free = Tasks(1, 1), threading.Event()
    task = tasks.submit("deaf", lambda task: free.wait(20.0))
    assert wait_until(lambda: task.state == "STARTED")
    ended = tasks.stop(time.monotonic() + 0.1)
    free.set()
    assert (False, "REVOKED") == (ended, task.state)


def test_no_thread_is_started_before_the_first_task() -> None:
    """And none is left."""
    assert wait_until(lambda: our_threads() == [])  # of other tests
    tasks = Tasks()
    assert ([], True) == (our_threads(), tasks.stop(time.monotonic()))


def test_a_task_shows_what_it_is(tasks: Tasks) -> None:
    """By name and state."""
    task = tasks.submit("sum", print_nothing)
    done(task)
    assert "<Task 'sum' SUCCESS>" == repr(task)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_has_no_tasks(tasks: Tasks) -> None:
    """Those of the parent are none of its own."""
    task, pool = tasks.submit("long", wait_for_the_end), tasks._pool
    tasks.after_fork()  # as the child does
    seen = tasks.get(task.id)
    task.cancel()
    assert (None, True) == (seen, pool.stop(time.monotonic() + 5.0))  # which has no threads of the parent
