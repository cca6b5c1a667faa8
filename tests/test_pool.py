"""What the pool promises: bounded daemon workers that survive their jobs, grow, shrink, and can be set aside."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import wait_until

from minimon.pool import MOST_STUCK, Pool, deadline_in, join_until


class Gate:
    """A job that waits until it is let through, and counts who came."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.left = threading.Semaphore(0)

    def __call__(self) -> None:
        self.entered.release()
        self.open.wait(10.0)
        self.left.release()


MakePool = Callable[..., Pool]


@pytest.fixture
def make() -> Iterator[MakePool]:
    """Makes pools, and stops them in the end."""
    pools: list[Pool] = []

    def made(least: int, most: int, **options: Any) -> Pool:
        pools.append(Pool("minimon-test", least, most, **options))
        return pools[-1]

    yield made
    for pool in pools:
        pool.stop(deadline_in(5.0))


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open in the end, so that no worker outlives its test."""
    gate = Gate()
    yield gate
    gate.open.set()


def alive(name: str = "minimon-test") -> list[threading.Thread]:
    """The workers' threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == name]


def entered(gate: Gate, times: int = 1) -> bool:
    """True when so many jobs have come to the gate."""
    return all(gate.entered.acquire(timeout=5.0) for _ in range(times))


def done(pool: Pool) -> bool:
    """Have the pool do one more job; True when it did."""
    event = threading.Event()
    pool.submit(event.set)
    return event.wait(5.0)


# Life


def test_nothing_runs_before_the_start(make: MakePool) -> None:
    """A pool that was made has no thread."""
    make(2, 4)
    assert [] == alive()


def test_start_gives_the_least_number_of_workers(make: MakePool) -> None:
    """As many daemon threads of the pool's name as asked for at least."""
    pool = make(2, 4).start()
    assert (2, [True, True]) == (pool.size, [thread.daemon for thread in alive()])


def test_jobs_are_done_in_order(make: MakePool) -> None:
    """One worker works them off as they came."""
    pool, seen = make(1, 1).start(), []
    for number in range(100):
        pool.submit(lambda number=number: seen.append(number))
    assert done(pool) and list(range(100)) == seen


def test_a_pool_without_workers_does_nothing_until_it_grows(make: MakePool) -> None:
    """A job waits for a worker, and is done by the first one."""
    pool, event = make(0, 1).start(), threading.Event()
    pool.submit(event.set)
    before = event.is_set()
    pool.grow()
    assert (False, True) == (before, event.wait(5.0))


def test_it_grows_to_the_most(make: MakePool) -> None:
    """Beyond the bound grow() declines."""
    pool = make(1, 3).start()
    assert [True, True, False, False] == [pool.grow() for _ in range(4)] and pool.size == 3


def test_an_eager_pool_grows_by_itself(make: MakePool, gate: Gate) -> None:
    """A job that finds no idle worker gets one of its own, up to the most."""
    pool = make(0, 2, eager=True).start()
    for _ in range(3):
        pool.submit(gate)
    assert entered(gate, 2) and (2, 2, 3) == (pool.size, pool.busy, pool.unfinished)


def test_an_eager_pool_uses_idle_workers(make: MakePool) -> None:
    """One job after another needs one worker."""
    pool = make(0, 4, eager=True).start()
    for _ in range(20):
        assert done(pool) and wait_until(lambda: pool.unfinished == 0)
    assert pool.size == 1


def test_it_shrinks_to_the_least_when_idle(make: MakePool) -> None:
    """Workers beyond the least number end after idling."""
    pool = make(1, 4, idle=0.02).start()
    while pool.grow():
        pass
    assert wait_until(lambda: len(alive()) == 1) and pool.size == 1


def test_the_least_number_never_idles_out(make: MakePool) -> None:
    """After the shrinking a job is still done."""
    pool = make(1, 3, idle=0.01).start()
    pool.grow()
    assert wait_until(lambda: pool.size == 1) and done(pool)


def test_an_idle_pool_grows_again(make: MakePool, gate: Gate) -> None:
    """What has shrunk takes new workers."""
    pool = make(1, 2, idle=0.01).start()
    pool.grow()
    assert wait_until(lambda: pool.size == 1)
    pool.submit(gate)
    pool.submit(gate)
    pool.grow()
    assert entered(gate, 2)


# What jobs do


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
def test_a_raising_job_does_not_end_its_worker(make: MakePool, error: BaseException) -> None:
    """Whatever a job raises, the one worker does the next one."""
    pool = make(1, 1).start()

    def job() -> None:
        raise error

    pool.submit(job)
    assert done(pool) and (1, 1) == (pool.size, len(alive()))


def test_a_raising_job_is_logged(make: MakePool, caplog: pytest.LogCaptureFixture) -> None:
    """Its exception is in the log, with the name of the pool."""
    pool = make(1, 1).start()
    pool.submit(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    assert done(pool) and ["minimon-test: a job failed"] == [record.getMessage() for record in caplog.records]


class _Bad(logging.Handler):
    """A log handler of a host that raises."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("disk full")


def test_a_raising_log_handler_does_not_end_a_worker(make: MakePool) -> None:
    """The host's handler is the host's code: when it raises over a failed job, the worker goes on."""
    pool, handler, name = make(1, 1).start(), _Bad(), "minimon.pool"
    logging.getLogger(name).addHandler(handler)
    try:
        pool.submit(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        assert done(pool) and (1, 0) == (len(alive()), pool.busy)
    finally:
        logging.getLogger(name).removeHandler(handler)


def test_a_job_may_submit_another(make: MakePool) -> None:
    """A worker is a thread like any other."""
    pool, event = make(1, 1).start(), threading.Event()
    pool.submit(lambda: pool.submit(event.set))
    assert event.wait(5.0)


def test_a_worker_that_stays_does_the_first_itself(make: MakePool) -> None:
    """The others are for those that are idle, and all are done."""
    pool, seen, did = make(2, 2).start(), [], threading.Semaphore(0)

    def note() -> None:
        seen.append(threading.get_ident())
        did.release()

    def first() -> None:
        pool.submit_all([note], stays=True)
        note()

    pool.submit(first)
    assert all(did.acquire(timeout=5.0) for _ in range(2)) and seen[0] == seen[1]


def test_unfinished_and_busy_return_to_nothing(make: MakePool) -> None:
    """After many jobs from many threads the books are even."""
    pool, seen = make(4, 4).start(), []
    threads = [
        threading.Thread(target=lambda: [pool.submit(lambda: seen.append(1)) for _ in range(250)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5.0)
    assert wait_until(lambda: len(seen) == 1000 and (pool.unfinished, pool.busy) == (0, 0))


# Setting aside


def test_a_stuck_worker_is_replaced(make: MakePool, gate: Gate) -> None:
    """It is out of the count, another one takes its place, and work goes on."""
    pool = make(1, 1).start()
    pool.submit(gate)
    assert entered(gate) and pool.set_aside(gate)
    assert done(pool) and (1, 1, 0) == (pool.size, pool.stuck, pool.unfinished)


def test_a_worker_set_aside_ends_with_its_job(make: MakePool, gate: Gate) -> None:
    """When the job ends at last, the surplus thread goes."""
    pool = make(1, 1).start()
    pool.submit(gate)
    assert entered(gate) and pool.set_aside(gate)
    gate.open.set()
    assert wait_until(lambda: (len(alive()), pool.stuck, pool.size, pool.unfinished) == (1, 0, 1, 0))


def test_a_job_that_ended_has_nobody_to_set_aside(make: MakePool) -> None:
    """The news that a job is stuck may come late."""
    pool, event = make(1, 1).start(), threading.Event()
    pool.submit(event.set)
    assert event.wait(5.0) and wait_until(lambda: pool.busy == 0)
    assert (False, 1, 0) == (pool.set_aside(event.set), pool.size, pool.stuck)


def test_at_most_32_are_set_aside(make: MakePool) -> None:
    """The next one keeps its place, and the bound of threads holds."""
    pool, gates = make(1, 40).start(), [Gate() for _ in range(MOST_STUCK + 1)]
    for gate in gates:
        pool.submit(gate)
        assert wait_until(lambda: pool.busy == 0 or pool.grow()) and entered(gate)
        pool.set_aside(gate)
    seen = MOST_STUCK, pool.stuck, pool.busy
    for gate in gates:
        gate.open.set()
    assert (32, 32, 1) == seen and wait_until(lambda: (pool.stuck, pool.unfinished) == (0, 0))


# Stopping


def test_stop_ends_idle_workers(make: MakePool) -> None:
    """All threads are gone, and it says so."""
    pool = make(3, 3).start()
    assert pool.stop(deadline_in(5.0)) and [] == alive()


def test_stop_before_start_is_fine(make: MakePool) -> None:
    """Nothing to end is ended."""
    assert make(1, 1).stop(deadline_in(1.0))


def test_stop_twice_is_fine(make: MakePool) -> None:
    """The second time says the same."""
    pool = make(1, 1).start()
    assert [True, True] == [pool.stop(deadline_in(5.0)) for _ in range(2)]


def test_stop_tells_of_a_job_that_does_not_end(make: MakePool, gate: Gate) -> None:
    """It waits until its deadline and answers False, again as long as that is so."""
    pool = make(1, 1).start()
    pool.submit(gate)
    assert entered(gate)
    assert [False, False] == [pool.stop(deadline_in(0.02)) for _ in range(2)]
    gate.open.set()
    assert pool.stop(deadline_in(5.0))


def test_stop_waits_for_workers_set_aside_too(make: MakePool, gate: Gate) -> None:
    """A stuck thread is a thread that has not ended."""
    pool = make(1, 1).start()
    pool.submit(gate)
    assert entered(gate) and pool.set_aside(gate)
    assert not pool.stop(deadline_in(0.02))


def test_stop_drops_jobs_that_wait(make: MakePool, gate: Gate) -> None:
    """What was not begun is not done."""
    pool, seen = make(1, 1).start(), []
    pool.submit(gate)
    pool.submit(lambda: seen.append(1))
    assert entered(gate)
    pool.stop(deadline_in(0.0))
    gate.open.set()
    assert pool.stop(deadline_in(5.0)) and [] == seen


def test_a_job_may_stop_its_pool(make: MakePool) -> None:
    """The worker that asks is not waited for, and ends after its job."""
    pool, event = make(2, 2).start(), threading.Event()
    pool.submit(lambda: [pool.stop(deadline_in(5.0)), event.set()] and None)
    assert event.wait(3.0) and wait_until(lambda: alive() == [])


def test_a_stopped_pool_does_not_grow(make: MakePool) -> None:
    """No thread is started after the end."""
    pool = make(1, 4).start()
    pool.stop(deadline_in(5.0))
    assert not pool.grow() and [] == alive()


class _SlowName:
    """A thread's name that takes its time: it holds up a growing pool between its books and its thread."""

    def __init__(self) -> None:
        self.asked, self.told = threading.Event(), threading.Event()

    def __str__(self) -> str:
        self.asked.set()
        self.told.wait(10.0)
        return "minimon-test"


def test_stop_meets_a_pool_that_grows() -> None:
    """A worker in the books whose thread is only on the way does not make stop() raise, and ends too."""
    name = _SlowName()
    pool = Pool(name, 0, 1)  # type: ignore[arg-type]
    grower = threading.Thread(target=pool.grow)
    grower.start()
    try:
        assert name.asked.wait(5.0)
        pool.stop(deadline_in(0.0))
    finally:
        name.told.set()
        grower.join(5.0)
    assert wait_until(lambda: alive() == [])


def test_stop_has_one_deadline_for_all(make: MakePool, gate: Gate) -> None:
    """Many stuck workers take no longer than one."""
    pool = make(12, 12).start()
    for _ in range(12):
        pool.submit(gate)
    assert entered(gate, 12)
    start = time.monotonic()
    assert not pool.stop(deadline_in(0.1)) and time.monotonic() - start < 1.1


def test_a_forked_pool_is_stopped(make: MakePool) -> None:
    """In the child it holds no worker, and starts none."""
    pool = make(0, 2)
    pool.submit(lambda: None)
    pool.after_fork()
    assert (False, 0, 0, 0) == (pool.grow(), pool.size, pool.unfinished, pool.busy) and pool.stop(deadline_in(0.0))


# The helpers


def test_join_until_takes_a_thread_that_never_started() -> None:
    """What never ran has ended."""
    assert join_until(threading.Thread(), deadline_in(0.0))


def test_join_until_gives_up_at_the_deadline(gate: Gate) -> None:
    """A thread that lives on is told."""
    thread = threading.Thread(target=gate, daemon=True)
    thread.start()
    assert not join_until(thread, deadline_in(0.01))


def test_join_until_takes_a_deadline_that_is_over() -> None:
    """Then it only looks."""
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join(5.0)
    assert join_until(thread, deadline_in(-1.0))
