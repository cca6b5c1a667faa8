"""Long requests that can be looked at later: what is being done, and for a while what came of it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..errors import BusyError
from ..tasks import FAILURE, QUEUE, QUEUED, REVOKED, STARTED, SUCCESS, UNFINISHED, WORKERS
from ..text import short

KEPT = 1000
"""Finished jobs that are kept at most."""
LASTS = 900.0
"""Seconds for which they are."""
LARGEST = 1 << 20
"""Bytes of a result at most."""

NOBODY = "\0"
"""The owner of what its owner has left behind: a name that nobody can have."""

Cancel = Callable[[], object]


class Job:
    """One of them. Any thread may look at it; all that changes, changes once.

    id      unguessable text
    name    what was asked for
    kind    of which there may be so many
    owner   who has asked for it; "" for anybody
    state   QUEUED, STARTED, SUCCESS, FAILURE or REVOKED
    result  of SUCCESS, as JSON carries it; of FAILURE the text of the error
    """

    __slots__ = ("_cancel", "_lock", "_on_end", "ended", "id", "kind", "name", "owner", "result", "state")

    def __init__(self, name: str, owner: str, on_end: Callable[[Job], None], kind: str = "task") -> None:
        self.id, self.name, self.owner, self.kind = os.urandom(16).hex(), name, owner, kind
        self.state, self.result, self.ended = QUEUED, None, 0.0
        self._cancel: Cancel | None = None
        self._on_end = on_end
        # Guards state and result, which change together. A leaf.
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state not in UNFINISHED

    def begun(self) -> bool:
        """It is being worked on; False where nobody wants it any more."""
        with self._lock:
            if self.state == QUEUED:
                self.state = STARTED
            return self.state == STARTED

    def succeed(self, result: Any) -> None:
        """It has come to its end. A result that is too large, or that JSON cannot carry, is a failure."""
        try:
            text = json.dumps(result, allow_nan=False)
        except Exception as error:  # whatever it is
            self.fail(f"the result cannot be told as JSON: {short(error)}")
            return
        if len(text) > LARGEST:
            self.fail(f"the result has {len(text)} bytes as JSON; {LARGEST} are kept at most")
        else:
            self._end(SUCCESS, json.loads(text))  # a copy: the host may go on to change its own

    def fail(self, text: str) -> None:
        """It has failed."""
        self._end(FAILURE, text[:1000])

    def cancel(self) -> None:
        """Nobody wants it any more: from now on it never ends as SUCCESS. Idempotent, never waits."""
        self._end(REVOKED, None)

    def cancelled_by(self, cancel: Cancel) -> None:
        """What ends the work, when nobody wants it any more."""
        self._cancel = cancel
        if self.state == REVOKED:
            cancel()

    def _end(self, state: str, result: Any) -> None:
        with self._lock:
            if self.state not in UNFINISHED:
                return
            self.state, self.result = state, result
        self._on_end(self)
        if state == REVOKED and self._cancel is not None:
            self._cancel()


class Jobs:
    """All of them. Any thread may call any method. `now` (monotonic) is an argument of its clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._now = clock
        self._reset()

    def _reset(self) -> None:
        # Guards what follows. A leaf.
        self._lock = threading.Lock()
        self._unfinished: dict[str, Job] = {}
        self._finished: OrderedDict[str, Job] = OrderedDict()

    def new(self, name: str, owner: str = "", kind: str = "task") -> Job:
        """One more. Raises BusyError when too many of its kind are unfinished."""
        job = Job(name, owner, self._ended, kind)
        with self._lock:
            if sum(each.kind == kind for each in self._unfinished.values()) >= WORKERS + QUEUE:
                raise BusyError(f"{QUEUE} tasks wait already; try again later")
            self._unfinished[job.id] = job
        return job

    def drop(self, job: Job) -> None:
        """It could not even be begun."""
        with self._lock:
            self._unfinished.pop(job.id, None)
            self._finished.pop(job.id, None)

    def _ended(self, job: Job) -> None:
        with self._lock:
            if self._unfinished.pop(job.id, None) is None:
                return
            job.ended = self._now()
            self._finished[job.id] = job
            self._forget()

    def _forget(self) -> None:
        """Those that are too old, or too many. Called with the lock held."""
        oldest = self._now() - LASTS
        while self._finished:
            first = next(iter(self._finished.values()))
            if len(self._finished) <= KEPT and first.ended > oldest:
                return
            self._finished.popitem(last=False)

    def get(self, id: str) -> Job | None:
        """One by its id; None for one that is not there any more."""
        with self._lock:
            self._forget()
            return self._unfinished.get(id) or self._finished.get(id)

    def moved(self, owner: str, new: str) -> None:
        """An owner has another name, or is gone (""): who has that name next finds none of these."""
        with self._lock:
            for job in (*self._unfinished.values(), *self._finished.values()):
                if job.owner == owner:
                    job.owner = new or NOBODY

    def cancel_all(self) -> None:
        """Nobody wants any of them any more."""
        with self._lock:
            unfinished = list(self._unfinished.values())
        for job in unfinished:
            job.cancel()

    def after_fork(self) -> None:
        """In the child: none."""
        self._reset()
