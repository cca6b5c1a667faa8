"""Long requests: handed in, worked off on a few threads, looked at meanwhile, cancelled for good."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from .errors import BusyError
from .log import logger
from .pool import Pool

_log = logger("tasks")

WORKERS = 4
"""Tasks that are worked on at the same time."""
QUEUE = 100
"""Tasks that wait for their turn, at most."""

QUEUED, STARTED, SUCCESS, FAILURE, REVOKED = "QUEUED", "STARTED", "SUCCESS", "FAILURE", "REVOKED"
UNFINISHED = (QUEUED, STARTED)


class Task:
    """One long request. Any thread may look at it.

    id         unguessable text
    name       what was asked for
    state      QUEUED, STARTED, SUCCESS, FAILURE or REVOKED
    result     what its function returned, of SUCCESS
    error      what it raised, of FAILURE
    cancelled  an Event that its function should look at, or wait for: nobody wants the result any more
    """

    __slots__ = ("_function", "_lock", "_on_end", "cancelled", "error", "id", "name", "result", "state")

    def __init__(self, name: str, function: Callable[[Task], Any], on_end: Callable[[Task], None]) -> None:
        self.id = os.urandom(16).hex()
        self.name, self.state = name, QUEUED
        self.result: Any = None
        self.error: BaseException | None = None
        self.cancelled = threading.Event()
        self._function, self._on_end = function, on_end
        # Guards state, result and error, which change together. A leaf.
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state not in UNFINISHED

    def cancel(self) -> bool:
        """Nobody wants it any more: it never ends as SUCCESS. True when that is new. Idempotent, never waits."""
        return self._end(REVOKED)

    def __call__(self) -> None:
        """Work it off. Called once, by a worker."""
        with self._lock:
            if self.state != QUEUED:
                return
            self.state = STARTED
        try:
            result = self._function(self)
        except BaseException as error:  # a SystemExit of the host's is no reason to lose the worker
            self._end(FAILURE, error=error)
        else:
            self._end(SUCCESS, result)

    def _end(self, state: str, result: Any = None, error: BaseException | None = None) -> bool:
        with self._lock:
            if self.state not in UNFINISHED:
                return False
            self.state, self.result, self.error = state, result, error
        if state == REVOKED:
            self.cancelled.set()
        self._on_end(self)
        return True

    def __repr__(self) -> str:
        return f"<Task {self.name!r} {self.state}>"


def _nothing() -> None:
    """What happens at the end of a task that nobody waits for."""


class Tasks:
    """The tasks that are not finished, and the threads that work them off. Any thread may call any method.

    Nothing is started before the first task; after `stop` there are no more.
    """

    def __init__(self, workers: int = WORKERS, queue: int = QUEUE) -> None:
        self._workers, self._queue = workers, queue
        self._reset()

    def _reset(self) -> None:
        # Guards _unfinished. A leaf.
        self._lock = threading.Lock()
        self._unfinished: dict[str, Task] = {}
        self._pool = Pool("minimon-task", 0, self._workers, eager=True)

    def submit(self, name: str, function: Callable[[Task], Any], on_end: Callable[[], None] = _nothing) -> Task:
        """Have `function(task)` called by a worker; `on_end()` is called once it is finished, by whoever ends it.

        Raises BusyError when too many wait already, or there is no thread.
        """

        def ended(task: Task) -> None:
            if task.cancelled.is_set():
                self._pool.withdraw(task)  # it waits for nothing any more, and takes nobody's place
            with self._lock:
                self._unfinished.pop(task.id, None)
            on_end()

        task = Task(name, function, ended)
        with self._lock:
            if self._pool.unfinished >= self._workers + self._queue:
                raise BusyError(f"{self._queue} tasks wait already; try again later")
            self._unfinished[task.id] = task
        if not self._pool.offer(task):
            with self._lock:
                self._unfinished.pop(task.id, None)
            raise BusyError("the system gives no thread for it; try again later")
        return task

    def get(self, id: str) -> Task | None:
        """An unfinished task by its id."""
        return self._unfinished.get(id)

    def works_here(self) -> bool:
        """Whether the caller is a task."""
        return self._pool.works_here()

    def retire(self) -> None:
        """No more tasks; those that were begun come to their end, and so do the workers. Never waits."""
        self._pool.stop(0.0)

    def stop(self, deadline: float) -> bool:
        """Cancel all; wait for the workers until `deadline` (time.monotonic). True when all have ended."""
        for task in list(self._unfinished.values()):
            task.cancel()
        return self._pool.stop(deadline)

    def after_fork(self) -> None:
        """In the child: no tasks, no workers; one that has forked ends with its task."""
        self._pool.after_fork()
        self._reset()
