"""Turns due checks into work: a thread that only watches the clock, and a pool that runs what it hands over.

The thread never calls the host's code and never waits for a worker, so whatever a target or a callback does, the
clock is being watched: it starts what is due, adds workers when runs have to wait, gives up on runs that have
outlived their deadline, and tells what has grown old. It sleeps until the next of these, and no shorter. When it was
made to look much too late, the process or the machine stood still: who notices that first tells of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from .books import GRACE, LATE, NEVER, Books, Entry, Gap, Outlook, Run
from .clock import Clock
from .pool import Pool, join_until

__all__ = ["GRACE", "NEVER", "Entry", "Gap", "Outlook", "Owner", "Run", "Scheduler"]

PATIENCE = 0.05
"""Seconds that a due run waits before a worker is added."""


class Owner(Protocol):
    """Who knows what a run is. What these return is called on a worker, and may call the host; None for nothing."""

    def execute(self, run: Run) -> Outlook:
        """On a worker: poll, claim, record. Must not raise."""

    def give_up(self, run: Run) -> Callable[[], None]:
        """The run is stuck, claimed, and its worker set aside. Must not call the host: on the scheduler's thread."""

    def grow_old(self, entry: Entry) -> Callable[[], None] | None:
        """No result came in time. As above."""

    def slept(self, gap: Gap) -> None:
        """Nobody could look for so long. On any thread, under the scheduler's lock, so that nobody reads anything
        before it is known: takes no lock but the registry's, and must not call the host.
        """


class Scheduler:
    """Owns the books, the thread and the pool. Any thread may call any method; started once.

    `lock` is shared with the scheduler that had the entries before, for its runs may go on.
    """

    def __init__(
        self, clock: Clock, owner: Owner, least: int = 2, most: int = 32, lock: threading.RLock | None = None
    ) -> None:
        self._clock, self._owner = clock, owner
        self._monotonic = clock.monotonic
        self.pool = Pool("minimon-worker", least, most)
        self._thread: threading.Thread | None = None
        self._called = False  # whether run_due() takes the place of the thread
        self._reset(lock or threading.RLock())

    def _reset(self, lock: threading.RLock) -> None:
        # Guards all below and the entries. The pool and the owner are called when it is free, but for Owner.slept.
        # Reentrant, as all locks here, for a signal handler of the host that stops a monitor in the midst of a call.
        self._lock = lock
        self._wake = threading.Condition(self._lock)
        self._books = Books(self, max(1, self.pool.most // 2), self._wake.notify)
        self._short_since: float | None = None

    def start(self) -> None:
        """Start the workers and the thread. Raises RuntimeError when the system gives no thread."""
        self.pool.start()
        self._thread = threading.Thread(target=self.work, name="minimon-scheduler", daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> bool:
        """Start nothing more, wait for what runs until `deadline` (time.monotonic); True when all have ended."""
        self.halt()
        ended = self._thread is None or join_until(self._thread, deadline)
        return self.pool.stop(deadline) and ended

    def halt(self) -> None:
        """Start nothing more; never waits. From now on the entries may be another scheduler's."""
        with self._lock:
            self._books.halt()

    def after_fork(self) -> None:
        """In the child: nothing runs, nothing is due."""
        self._reset(threading.RLock())
        self._books.stopped = True
        self._thread = None
        self.pool.after_fork()

    def arm(self, entry: Entry, due: float) -> None:
        """Have it run at `due` (monotonic), and regularly from then on; not before a run on its way has ended."""
        with self._lock:
            self._books.arm(entry, due)

    def disarm(self, entry: Entry) -> None:
        """Have it run no more; a run on its way is left to end, and does not count."""
        with self._lock:
            self._books.disarm(entry)

    def next_run(self, entry: Entry) -> float | None:
        """When it is due (monotonic), in the past when it waits or runs; None for never."""
        with self._lock:
            return self._books.next_run(entry)

    # --- the scheduler's thread

    def work(self) -> None:
        """The thread's loop."""
        books = self._books
        while not books.stopped:
            with self._lock:
                if books.stopped:
                    return
                now = self._monotonic()
                gap = self._notice(now)
                (stuck, old), jobs, lacking = books.find_late(now), books.launch_due(now), self._lacking(now)
                if not (gap or jobs or stuck or old or lacking or books.stopped):
                    self._sleep(now)
            if jobs:
                self.pool.submit_all(jobs)
            for run, claimed in stuck:
                self._set_aside(run)
                if claimed:
                    self.pool.submit(self._owner.give_up(run))
            for entry in old:
                tell = self._owner.grow_old(entry)
                if tell is not None:
                    self.pool.submit(tell)
            for _ in range(lacking):
                self.pool.grow()

    def run_due(self, until: float) -> int:
        """Make the runs that are due in the caller's thread, where no thread does. How many were made.

        None is begun after `until` (monotonic). One caller at a time.
        """
        runs = 0
        if self._thread is None:
            self._called = True
            self._look()
        while self._monotonic() < until:
            job = self.pool.take()
            if job is None:
                break
            try:
                job()
            finally:
                self.pool.done()
            runs += isinstance(job, Run)
        return runs

    def _look(self) -> None:
        """A turn of the loop, for those who are called: nothing is stuck, and nobody has missed a look at the clock."""
        books = self._books
        with self._lock:
            if books.stopped:
                return
            now = self._monotonic()
            (_, old), jobs = books.find_late(now), books.launch_due(now)
            books.looks_at = NEVER
        self.pool.submit_all(jobs)
        for entry in old:
            tell = self._owner.grow_old(entry)
            if tell is not None:
                self.pool.submit(tell)

    @property
    def lacks_threads(self) -> bool:
        """Whether nobody runs what is due but who calls run_due()."""
        return self._thread is None or not self.pool.size

    def _set_aside(self, run: Run) -> None:
        if not self.pool.set_aside(run):
            with self._lock:
                self._books.overstays(run)

    def _sleep(self, now: float) -> None:
        books = self._books
        books.looks_at = books.wakes_at(NEVER if self._short_since is None else self._short_since + PATIENCE, now)
        self._clock.wait(self._wake, None if books.looks_at == NEVER else books.looks_at - now)

    def _lacking(self, now: float) -> int:
        """How many workers to add: as many as are missing, once that has lasted for PATIENCE."""
        lacking = min(self.pool.unfinished, self.pool.most) - self.pool.size
        if lacking <= 0:
            self._short_since = None
        elif self._short_since is None:
            self._short_since = now
        elif now >= self._short_since + PATIENCE:
            self._short_since = now
            return lacking
        return 0

    # --- any thread

    def notice(self) -> None:
        """Notice that nobody could look for long, before anything is concluded from its being late."""
        with self._lock:
            self._notice(self._monotonic())

    def _notice(self, now: float) -> bool:
        gap = self._books.notice(now)
        if gap is not None:
            self._owner.slept(gap)
        return gap is not None

    # --- the workers' threads

    def perform(self, run: Run) -> None:
        """Run it, unless nobody wants it any more, and put down the next one."""
        now, books = self._monotonic(), self._books
        with self._lock:
            if now > books.looks_at + LATE:
                self._notice(now)
            wanted = books.begin(run, now)
        outlook: Outlook | None = None
        try:
            if wanted:
                outlook = self._owner.execute(run)
        except BaseException:  # against its word
            outlook = Outlook(run.entry.interval)
            raise
        finally:
            now = self._monotonic()
            with self._lock:
                jobs = books.end(run, outlook, now)
            if jobs:
                self.pool.submit_all(jobs, stays=not run.stuck)

    def claim(self, run: Run) -> bool:
        """See Run.claim. A gap that nobody noticed yet is noticed here, for the result may be a victim of it."""
        now = self._monotonic()
        with self._lock:
            if now > self._books.looks_at + LATE:
                self._notice(now)
            return self._books.claim(run)

    def extend(self, run: Run, seconds: float) -> None:
        """See Run.extend."""
        with self._lock:
            run.deadline += seconds

    # --- what is told of it

    def figures(self) -> dict[str, Any]:
        """workers, busy, stuck, queue, lag_s, missed, suspended_s: as `/status` shows them under `self`."""
        now = self._monotonic()
        with self._lock:
            figures: dict[str, Any] = self._books.figures(now)
        stuck = self.pool.stuck + figures.pop("overstayed")
        return {"workers": self.pool.size, "busy": self.pool.busy, "stuck": stuck, **figures}

    def peak(self) -> float:
        """The most that a run was late since this was asked before, or is by now; 0 where runs wait for calls."""
        if self._called:
            return 0.0
        now = self._monotonic()
        with self._lock:
            return self._books.peak(now)
