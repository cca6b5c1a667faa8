"""Bounded daemon workers that grow with the work, shrink when idle, and can be set aside when stuck."""

from __future__ import annotations

import threading
import time
from collections import deque
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

    __slots__ = ("aside", "call", "job", "thread")

    def __init__(self, pool: Pool) -> None:
        self.job: Job | None = None
        self.aside = False
        self.call = threading.Lock()  # held but for the moment in which it is given a job, or told to end
        self.call.acquire()
        self.thread = threading.Thread(target=pool.work, args=(self,), name=pool.name, daemon=True)


class Pool:
    """A queue of jobs and the threads that work it off. Any thread may call any method.

    The worker that was at work last is given the next job: its memory is at hand still, and the others get to leave.
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
        self._idle: list[_Worker] = []
        self._waiting: deque[Job] = deque()
        self._unfinished = 0

    def start(self) -> Pool:
        """Start the least number of workers; fewer where the system gives no more threads."""
        for _ in range(self.least):
            self.grow()
        return self

    def submit(self, job: Job) -> None:
        """Have a worker call `job`. What it raises is logged, and nothing else."""
        self.submit_all((job,))

    def submit_all(self, jobs: Sequence[Job], stays: bool = False) -> None:
        """The same for several. A worker that `stays`, at the end of its job, is left the first for its next one."""
        called = []
        with self._lock:
            self._unfinished += len(jobs)
            if stays:
                self._waiting.appendleft(jobs[0])
                jobs = jobs[1:]
            lacking = min(self._unfinished - len(self._workers), len(jobs)) if self.eager else 0
            for job in jobs:
                if self._idle:
                    called.append(self._idle.pop())
                    called[-1].job = job
                else:
                    self._waiting.append(job)
        for worker in called:
            worker.call.release()
        for _ in range(lacking):
            self.grow()

    def offer(self, job: Job) -> bool:
        """The same, of a pool that is `eager`. False, and nobody calls it, where there is no worker and no thread."""
        self.submit(job)
        return self.size > 0 or not self.withdraw(job)

    def withdraw(self, job: Job) -> bool:
        """Take back a job that still waits for a worker."""
        with self._lock:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            self._unfinished -= 1
            return True

    def take(self) -> Job | None:
        """A job that waits for a worker, for the caller to make it; he has to call `done()` then."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def done(self) -> None:
        """A job that was taken has ended."""
        with self._lock:
            self._unfinished -= 1

    def works_here(self) -> bool:
        """Whether the caller is one of the workers."""
        with self._lock:
            return any(worker.thread is threading.current_thread() for worker in self._workers)

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
        while True:
            job = self._next(worker)
            if job is None:
                return
            try:
                job()
            except BaseException:  # a SystemExit too ends the job, not the worker
                _log.exception("%s: a job failed", self.name)
            del job

    def _next(self, worker: _Worker) -> Job | None:
        """Book the end of a job, and wait for the next one; None when the worker has to go."""
        with self._lock:
            if worker.aside:
                self._aside.discard(worker)
                return None
            if worker.job is not None:
                self._unfinished -= 1
            worker.job = None
            if self._stopped:
                self._workers.discard(worker)
                return None
            if self._waiting:
                worker.job = self._waiting.popleft()
                return worker.job
            self._idle.append(worker)
            patience = self.idle if len(self._workers) > self.least else -1.0
        while not worker.call.acquire(timeout=patience):
            if self._leave_if_surplus(worker):
                return None
            patience = -1.0  # the others have left, or it was just given a job
        if worker.job is None:
            with self._lock:
                self._workers.discard(worker)
        return worker.job

    def _leave_if_surplus(self, worker: _Worker) -> bool:
        with self._lock:
            surplus = worker in self._idle and len(self._workers) > self.least
            if surplus:
                self._idle.remove(worker)
                self._workers.discard(worker)
            return surplus

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
            self._waiting.clear()
            workers = [*self._workers, *self._aside]
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.call.release()
        ended = [join_until(worker.thread, deadline) for worker in workers]
        return all(ended)

    def after_fork(self) -> None:
        """In the child: no workers, fresh lock, stopped."""
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
