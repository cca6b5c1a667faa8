"""Turns due checks into work: a thread that only watches the clock, and a pool that runs what it hands over.

The thread never calls the host's code and never waits for a worker, so whatever a target or a callback does, the
clock is being watched: it starts what is due, adds workers when runs have to wait, and gives up on runs that have
outlived their deadline. It sleeps until the next of these, and no shorter.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from .clock import Clock
from .pool import Pool, join_until
from .timetable import Slot, Timetable, following

GRACE = 0.5
"""Seconds beyond its timeout after which a run is stuck."""
PATIENCE = 0.05
"""Seconds that a due run waits before a worker is added."""
LAGS = 256
"""Latest runs that `lag_s` looks at."""
NEVER = float("inf")


class Outlook(NamedTuple):
    """What a finished run means for the next one."""

    interval: float
    """Seconds between regular runs."""
    retry: float | None = None
    """Seconds until the next run, while undecided."""
    timed_out: bool = False


class Entry(Slot):
    """One check in the timetable, with what the scheduler knows of it. `work` is the owner's, untouched here."""

    __slots__ = ("again", "home", "paused", "phase", "regular", "run", "suspect", "timeout", "work")

    def __init__(self, name: str, timeout: float, work: Any) -> None:
        super().__init__(name)
        self.timeout = timeout
        self.work = work
        self.home: Scheduler | None = None  # where it was armed last
        self.run: Run | None = None  # its run that waits or is under way, of an earlier life of the owner's maybe
        self.again: float | None = None  # when to run once that one has ended
        self.paused = False
        self.phase = 0.0  # the latest regular turn: the next ones follow in its rhythm
        self.regular = True  # whether what is armed is a regular turn, and not a retry
        self.suspect = False  # its last run timed out


class Run:
    """One run of one check: the job that a worker calls."""

    __slots__ = ("claimed", "deadline", "due", "ended", "entry", "held", "scheduler", "started", "stuck", "suspect")

    def __init__(self, scheduler: Scheduler, entry: Entry) -> None:
        self.scheduler = scheduler
        self.entry = entry
        self.due = entry.due
        self.suspect = entry.suspect
        self.held = False
        self.stuck = False
        self.ended = False
        self.claimed = False
        self.started: float | None = None
        self.deadline = NEVER

    def __call__(self) -> None:
        self.scheduler.perform(self)

    def claim(self) -> bool:
        """True once, for the first who asks, while the run still counts: only that one may record its result."""
        return self.scheduler.claim(self)


class Scheduler:
    """Owns the timetable, the runs and the pool. Any thread may call any method; started once.

    execute(run) -> Outlook   on a worker: polls, claims, records; must not raise
    give_up(run)              on the scheduler's thread: the run is stuck, claimed, and its worker set aside; must not
                              call the host: what it returns is called on a worker, and may
    lock                      shared with the scheduler that had the entries before, for its runs may go on
    """

    def __init__(
        self,
        clock: Clock,
        execute: Callable[[Run], Outlook],
        give_up: Callable[[Run], Callable[[], None]],
        least: int = 2,
        most: int = 32,
        lock: threading.RLock | None = None,
    ) -> None:
        self._clock, self._execute, self._give_up = clock, execute, give_up
        self._monotonic = clock.monotonic
        self.pool = Pool("minimon-worker", least, most)
        self._most_suspects = max(1, most // 2)
        self._thread: threading.Thread | None = None
        self._reset(lock or threading.RLock())
        self._stopped = False

    def _reset(self, lock: threading.RLock) -> None:
        # Guards all below and the entries. A leaf: the pool is called and the host's code runs when it is free.
        # Reentrant, as all locks here, for a signal handler of the host that stops a monitor in the midst of a call.
        self._lock = lock
        self._wake = threading.Condition(self._lock)
        self._timetable: Timetable[Entry] = Timetable()
        self._runs: set[Run] = set()  # handed to the pool and not finished
        self._held: deque[Run] = deque()  # suspects that wait for another suspect to end
        self._overstayed: set[Run] = set()  # stuck, and still on a worker of the pool: too many are set aside already
        self._suspects = 0
        self._watch_at = NEVER  # not before then a run can be stuck
        self._short_since: float | None = None
        self._sleeps_until = 0.0
        self._lags: deque[float] = deque(maxlen=LAGS)
        self.missed = 0

    def start(self) -> None:
        """Start the workers and the thread. Raises RuntimeError when the system gives no thread."""
        self.pool.start()
        self._thread = threading.Thread(target=self.work, name="minimon-scheduler", daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> bool:
        """Start nothing more, wait for what runs until `deadline` (time.monotonic); True when all have ended."""
        self.halt()
        me, thread = threading.current_thread(), self._thread
        ended = thread is None or thread is me or join_until(thread, deadline)
        return self.pool.stop(deadline) and ended

    def halt(self) -> None:
        """Start nothing more; never waits. From now on the entries may be another scheduler's."""
        with self._lock:
            self._stopped = True
            self._wake.notify()
            for run in [*self._runs, *self._held]:
                if run.started is None and run.entry.run is run:
                    self._let_go(run.entry)

    def _let_go(self, entry: Entry) -> None:
        """A run of it will not be made: another scheduler may wait for that."""
        entry.run = None
        if entry.again is not None and entry.home is not None and not entry.home._stopped:
            entry.home._arm_anew(entry, entry.again)

    def after_fork(self) -> None:
        """In the child: nothing runs, nothing is due."""
        self._reset(threading.RLock())
        self._stopped = True
        self._thread = None
        self.pool.after_fork()

    # --- the timetable

    def arm(self, entry: Entry, due: float) -> None:
        """Have it run at `due` (monotonic), and regularly from then on; not before a run on its way has ended."""
        with self._lock:
            if entry.home is not None and entry.home is not self:
                entry.home._timetable.disarm(entry)
            entry.paused, entry.home = False, self
            if entry.run is not None:
                entry.again = due
            else:
                self._arm_anew(entry, due)

    def disarm(self, entry: Entry) -> None:
        """Have it run no more; a run on its way is left to end, and does not count."""
        with self._lock:
            entry.paused, entry.again = True, None
            self._timetable.disarm(entry)
            run = entry.run
            if run is not None:
                run.claimed = True
                if run in self._held:
                    self._held.remove(run)
                    entry.run = None

    def _arm_anew(self, entry: Entry, due: float) -> None:
        entry.again, entry.regular, entry.phase = None, True, due
        self._arm(entry, due)

    def _arm(self, entry: Entry, due: float) -> None:
        self._timetable.arm(entry, due)
        if due < self._sleeps_until:
            self._wake.notify()

    # --- the scheduler's thread

    def work(self) -> None:
        """The thread's loop."""
        while not self._stopped:
            with self._lock:
                if self._stopped:
                    return
                now = self._monotonic()
                stuck, jobs, lacking = self._find_stuck(now), self._launch_due(now), self._lacking(now)
                if not (jobs or stuck or lacking or self._stopped):
                    self._sleep(now)
            if jobs:
                self.pool.submit_all(jobs)
            for run, claimed in stuck:
                self._set_aside(run)
                if claimed:
                    self.pool.submit(self._give_up(run))
            for _ in range(lacking):
                self.pool.grow()

    def _set_aside(self, run: Run) -> None:
        if not self.pool.set_aside(run):
            with self._lock:
                if not run.ended:
                    self._overstayed.add(run)

    def _sleep(self, now: float) -> None:
        due = self._timetable.next_due()
        grow_at = NEVER if self._short_since is None else self._short_since + PATIENCE
        self._sleeps_until = min(NEVER if due is None else due, self._watch_at, grow_at)
        self._clock.wait(self._wake, None if self._sleeps_until == NEVER else self._sleeps_until - now)
        self._sleeps_until = 0.0

    def _launch_due(self, now: float) -> list[Run]:
        """The runs that the pool is to get now. Suspects beyond their share are held back."""
        jobs = self._launch_held(now) if self._held else []
        for slot in self._timetable.take(now):
            run = slot.run = Run(self, slot)
            if run.suspect and not self._has_room:
                run.held = True
                self._held.append(run)
            else:
                jobs.append(self._launch(run, now))
        return jobs

    @property
    def _has_room(self) -> bool:
        return self._suspects < self._most_suspects

    def _launch_held(self, now: float) -> list[Run]:
        jobs = []
        while self._held and self._has_room:
            jobs.append(self._launch(self._held.popleft(), now))
        return jobs

    def _launch(self, run: Run, now: float) -> Run:
        self._runs.add(run)
        self._suspects += run.suspect
        watch_at = now + run.entry.timeout + GRACE
        if watch_at < self._watch_at:
            self._watch_at = watch_at
            if watch_at < self._sleeps_until:
                self._wake.notify()
        return run

    def _find_stuck(self, now: float) -> list[tuple[Run, bool]]:
        """The runs beyond their deadline, each with whether it was claimed just now."""
        if now < self._watch_at:
            return []
        stuck = [run for run in self._runs if run.deadline <= now]
        for run in stuck:
            run.stuck = True
            self._runs.discard(run)
            self._suspects -= run.suspect
        self._watch_at = min(
            (now + run.entry.timeout + GRACE if run.started is None else run.deadline for run in self._runs),
            default=NEVER,
        )
        return [(run, self._claim(run)) for run in stuck]

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

    # --- the workers' threads

    def perform(self, run: Run) -> None:
        """Run it, unless nobody wants it any more, and put down the next one."""
        now = self._monotonic()
        with self._lock:
            wanted = not (self._stopped or run.claimed)
            if wanted:
                run.started, run.deadline = now, now + run.entry.timeout + GRACE
                if not run.held:
                    self._lags.append(now - run.due)
        self._end(run, self._execute(run) if wanted else None)

    def claim(self, run: Run) -> bool:
        """See Run.claim."""
        with self._lock:
            return self._claim(run)

    def _claim(self, run: Run) -> bool:
        free = not (run.claimed or self._stopped)
        run.claimed = True
        return free

    def _end(self, run: Run, outlook: Outlook | None) -> None:
        now, entry = self._monotonic(), run.entry
        with self._lock:
            run.ended = True
            if run in self._runs:
                self._runs.discard(run)
                self._suspects -= run.suspect
            elif run in self._overstayed:
                self._overstayed.discard(run)
            if entry.run is run:
                entry.run = None
                entry.suspect = outlook is not None and outlook.timed_out
                home = entry.home
                if not (entry.paused or home is None or home._stopped):
                    home._arm_next(entry, run.due, outlook, now)
            jobs = self._launch_held(now) if self._held and not self._stopped else None
            if not self._runs:
                self._sleep_on()
        if jobs:
            self.pool.submit_all(jobs)

    def _sleep_on(self) -> None:
        """Nothing runs, so nothing can get stuck: the thread need not wake up to look."""
        self._watch_at = NEVER
        due = self._timetable.next_due()
        if self._sleeps_until < (NEVER if due is None else due):
            self._wake.notify()

    def _arm_next(self, entry: Entry, due: float, outlook: Outlook | None, now: float) -> None:
        """The next regular turn, or a retry before it. Turns that passed meanwhile are missed."""
        if entry.again is not None:
            self._arm_anew(entry, entry.again)
            return
        if outlook is None:
            return
        interval, retry, _ = outlook
        if entry.regular:
            entry.phase = due
        next_due = entry.phase + interval
        if next_due <= now:
            next_due, missed = following(entry.phase, interval, now)
            self.missed += missed
            entry.phase = next_due - interval
        entry.regular = retry is None or next_due <= now + retry
        self._arm(entry, next_due if entry.regular or retry is None else now + retry)

    # --- what is told of it

    def figures(self) -> dict[str, Any]:
        """workers, busy, stuck, queue, lag_s, missed: as `/status` shows them under `self`."""
        now = self._monotonic()
        with self._lock:
            waiting = [run for run in self._runs if run.started is None]
            lag = max([0.0, *self._lags, *(now - run.due for run in waiting)])
            queue = len(waiting) + len(self._held)
            missed, overstayed = self.missed, len(self._overstayed)
        figures = {"workers": self.pool.size, "busy": self.pool.busy, "stuck": self.pool.stuck + overstayed}
        return {**figures, "queue": queue, "lag_s": round(lag, 6), "missed": missed}
