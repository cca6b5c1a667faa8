"""Bounded daemon workers that grow with the work, shrink when idle, and can be set aside when stuck."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from .log import logger

_log = logger("pool")

Job = Callable[[], None]

IDLE = 60.0
"""Seconds of idling after which a worker beyond the least number ends."""
MOST_STUCK = 32
"""Workers that are set aside at most; one that gets stuck after that keeps its place."""


class _Worker:
    """One thread and what it is at."""

    __slots__ = ("aside", "job", "thread")

    def __init__(self, pool: Pool) -> None:
        self.job: Job | None = None
        self.aside = False
        self.thread = threading.Thread(target=pool.work, args=(self,), name=pool.name, daemon=True)


class Pool:
    """A queue of jobs and the threads that work it off. Any thread may call any method.

    With `eager` a worker is added as soon as a job finds none idle; otherwise only when `grow()` is called.
    A pool is started once; after `stop()` it stays stopped.
    """

    def __init__(self, name: str, least: int, most: int, *, eager: bool = False, idle: float = IDLE) -> None:
        self.name, self.least, self.most, self.eager, self.idle = name, least, most, eager, idle
        self._reset()
        self._stopped = False

    def _reset(self) -> None:
        # Guards what follows. A leaf: held for counting and set work only.
        self._lock = threading.RLock()
        self._workers: set[_Worker] = set()
        self._aside: set[_Worker] = set()
        self._unfinished = 0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def start(self) -> Pool:
        """Start the least number of workers; fewer where the system gives no more threads."""
        for _ in range(self.least):
            self.grow()
        return self

    def submit(self, job: Job) -> None:
        """Have a worker call `job`. What it raises is logged, and nothing else."""
        self.submit_all((job,))

    def submit_all(self, jobs: Sequence[Job]) -> None:
        """The same for several."""
        with self._lock:
            self._unfinished += len(jobs)
            lacking = min(self._unfinished - len(self._workers), len(jobs)) if self.eager else 0
        for _ in range(lacking):
            self.grow()
        for job in jobs:
            self._jobs.put(job)

    @property
    def unfinished(self) -> int:
        """Jobs that wait or are being worked on, without those of workers set aside."""
        return self._unfinished

    def grow(self) -> bool:
        """Add a worker, if `most` and the system allow."""
        worker = _Worker(self)
        with self._lock:
            if self._stopped or len(self._workers) >= self.most:
                return False
            self._workers.add(worker)
        try:
            worker.thread.start()
        except RuntimeError:  # the thread limit, or the interpreter is ending; not logged, for that calls the host
            with self._lock:
                self._workers.discard(worker)
            return False
        return True

    def work(self, worker: _Worker) -> None:
        """A worker's loop: jobs until it is surplus, set aside or stopped."""
        jobs = self._jobs
        while True:
            try:
                job = jobs.get(timeout=self.idle if len(self._workers) > self.least else None)
            except queue.Empty:
                if self._leave_if_surplus(worker):
                    return
                continue
            if job is None:
                break
            worker.job = job
            try:
                job()
            except BaseException:  # a SystemExit too ends the job, not the worker
                _log.exception("%s: a job failed", self.name)
            job = None
            if not self._done(worker):
                return
        self._leave(worker)

    def _done(self, worker: _Worker) -> bool:
        """Book the end of a job; False when the worker was set aside meanwhile and has to go."""
        with self._lock:
            worker.job = None
            if worker.aside:
                self._aside.discard(worker)
                return False
            self._unfinished -= 1
            return True

    def _leave_if_surplus(self, worker: _Worker) -> bool:
        with self._lock:
            surplus = len(self._workers) > self.least and len(self._workers) > self._unfinished
            if surplus:
                self._workers.discard(worker)
            return surplus

    def _leave(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)

    def set_aside(self, job: Job) -> bool:
        """Take the worker of a stuck job out of the count and replace it; it ends when the job does."""
        with self._lock:
            worker = next((worker for worker in self._workers if worker.job is job), None)
            if worker is None or len(self._aside) >= MOST_STUCK:
                return False
            worker.aside = True
            self._workers.discard(worker)
            self._aside.add(worker)
            self._unfinished -= 1
        self.grow()
        return True

    @property
    def size(self) -> int:
        """Workers, without those set aside."""
        return len(self._workers)

    @property
    def busy(self) -> int:
        """Workers that are at a job."""
        with self._lock:
            return sum(worker.job is not None for worker in self._workers)

    @property
    def stuck(self) -> int:
        """Workers that are set aside."""
        return len(self._aside)

    def stop(self, deadline: float) -> bool:
        """No more jobs; wait for the workers until `deadline` (time.monotonic). True when all have ended.

        Jobs that wait are dropped; called by a worker, it does not wait for that one. Idempotent.
        """
        with self._lock:
            self._stopped = True
            workers = [*self._workers, *self._aside]
        self._drop_waiting()
        for _ in workers:
            self._jobs.put(None)
        ended = [join_until(worker.thread, deadline) for worker in workers]
        return all(ended)

    def _drop_waiting(self) -> None:
        try:
            while True:
                self._jobs.get_nowait()
        except queue.Empty:
            pass

    def after_fork(self) -> None:
        """In the child: no workers, fresh lock and queue, stopped."""
        self._reset()
        self._stopped = True


def join_until(thread: threading.Thread, deadline: float) -> bool:
    """Wait for a thread until `deadline` (time.monotonic); True when it has ended, or is the caller."""
    if thread is threading.current_thread():
        return True
    if thread.ident is not None:
        thread.join(min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX))
    return not thread.is_alive()


def deadline_in(seconds: float) -> float:
    """The instant so many seconds from now, for `join_until` and every `stop`."""
    return time.monotonic() + seconds
