"""The books of a scheduler: what is due, what waits, what runs, what is stuck or has grown old. No thread, no lock.

Its owner holds a lock around every call, and tells the time (monotonic). `wake()` is called, with the lock held, when
the thread that watches the clock has to look again earlier than it meant to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from .evaluate import CALM
from .timetable import FIRST_RUNS, Slot, Timetable, following, lasting

GRACE = 0.5
"""Seconds beyond its timeout after which a run is stuck."""
LATE = 1.0
"""Seconds of looking at the clock too late, after which nobody can have looked: the process or the machine slept."""
EARLY = 0.005
"""Seconds before its turn that a run may begin, on a worker that has just ended another: it is awake and warm."""
SOON = 0.0001
"""Seconds for which nobody goes to sleep: what is due by then is found without waking anybody."""
LAGS = 256
"""Latest runs that `lag_s` looks at."""
AT_ONCE = 10
"""Runs that are started at the same time, at most, when everything is overdue."""
NEVER = float("inf")


class Outlook(NamedTuple):
    """What a finished run means for the next one."""

    interval: float
    """Seconds between regular runs."""
    retry: float | None = None
    """Seconds until the next run, while undecided."""
    timed_out: bool = False


class Gap(NamedTuple):
    """A time in which nobody could look, monotonic."""

    start: float
    end: float


class Entry(Slot):
    """One check in the timetable, with what is known of its runs. `work` is the owner's, untouched here."""

    __slots__ = (
        *("again", "expires", "home", "interval", "lasts", "paused", "phase", "regular", "run", "suspect", "timeout"),
        "work",
    )

    def __init__(self, name: str, timeout: float, work: Any, interval: float = 10.0) -> None:
        super().__init__(name)
        self.timeout = timeout
        self.work = work
        self.interval = interval  # as it was last
        self.lasts = lasting(interval, timeout)  # how long a result counts, by that
        self.home: Books | None = None  # where it was armed last
        self.run: Run | None = None  # its run that waits or is under way, of an earlier life of the owner's maybe
        self.again: float | None = None  # when to run once that one has ended
        self.paused = False
        self.phase = 0.0  # the latest regular turn: the next ones follow in its rhythm
        self.regular = True  # whether what is armed is a regular turn, and not a retry
        self.suspect = False  # its last run timed out
        self.expires = NEVER  # when its latest result counts no more, on the clock that stands still in gaps


class Run:
    """One run of one check: the job that a worker calls."""

    __slots__ = (
        *("claimed", "deadline", "due", "ended", "entry", "held", "scheduler", "slept", "started", "stuck", "suspect"),
    )

    def __init__(self, scheduler: Any, entry: Entry) -> None:
        self.scheduler = scheduler
        self.entry = entry
        self.due = entry.due
        self.suspect = entry.suspect
        self.held = self.stuck = self.ended = self.claimed = False
        self.slept = 0.0  # seconds in which nobody could look: of its waiting, then of its running
        self.started: float | None = None
        self.deadline = NEVER

    def __call__(self) -> None:
        self.scheduler.perform(self)

    def claim(self) -> bool:
        """True once, for the first who asks, while the run still counts: only that one may record its result."""
        claimed: bool = self.scheduler.claim(self)
        return claimed

    def extend(self, seconds: float) -> None:
        """Have so much more time, for what is done after the observation."""
        self.scheduler.extend(self, seconds)


class Books:
    """See above. `scheduler` is what runs call."""

    def __init__(self, scheduler: Any, most_suspects: int, wake: Callable[[], None]) -> None:
        self._scheduler, self._most_suspects, self._wake = scheduler, most_suspects, wake
        self._called = False  # whether it was waked since it looked at the clock
        self._timetable: Timetable[Entry] = Timetable()
        self._runs: set[Run] = set()  # handed to the pool and not finished
        self._held: deque[Run] = deque()  # suspects that wait for another suspect to end
        self._stuck: set[Run] = set()  # given up, and not ended
        self._overstayed: set[Run] = set()  # stuck, and still on a worker of the pool: too many are set aside already
        self._suspects = 0
        self._watch_at = NEVER  # not before then a run can be stuck, or a result too old
        self._overdue = False  # whether what is due has waited through a gap
        self._lags: deque[float] = deque(maxlen=LAGS)
        self._peak = 0.0
        self._woke = -NEVER  # when the latest gap was over
        self.looks_at = NEVER  # when the clock is to be looked at next; later than that by LATE is a gap
        self.slept = 0.0  # seconds of gaps, all in all
        self.missed = 0
        self.stopped = False

    # --- the timetable

    def arm(self, entry: Entry, due: float) -> None:
        """Have it run at `due`, and regularly from then on; not before a run on its way has ended."""
        if entry.home is not None and entry.home is not self:
            entry.home._timetable.disarm(entry)
        entry.paused, entry.home = False, self
        if entry.run is not None:
            entry.again = due
        else:
            self._arm_anew(entry, due)

    def disarm(self, entry: Entry) -> None:
        """Have it run no more; a run on its way is left to end, and does not count."""
        entry.paused, entry.again, entry.expires = True, None, NEVER
        self._timetable.disarm(entry)
        run = entry.run
        if run is not None:
            run.claimed = True
            if run in self._held:
                self._held.remove(run)
                entry.run = None

    def halt(self) -> None:
        """Start nothing more. From now on the entries may be in others' books."""
        self.stopped = True
        self._call()
        for run in [*self._runs, *self._held]:
            if run.started is None and run.entry.run is run:
                self._let_go(run.entry)

    def _let_go(self, entry: Entry) -> None:
        """A run of it will not be made: others may wait for that."""
        entry.run = None
        if entry.again is not None and entry.home is not None and not entry.home.stopped:
            entry.home._arm_anew(entry, entry.again)

    def _arm_anew(self, entry: Entry, due: float) -> None:
        entry.again, entry.regular, entry.phase, entry.expires = None, True, due, NEVER
        self._arm(entry, due)

    def _arm(self, entry: Entry, due: float) -> None:
        self._timetable.arm(entry, due)
        if due < self.looks_at:
            self._call()

    def _call(self) -> None:
        if not self._called:
            self._called = True
            self._wake()

    def next_run(self, entry: Entry) -> float | None:
        """When it is due next, or was before it began to wait or run; None for never."""
        if entry.run is not None:
            return entry.run.due
        return entry.due if entry.ticket else None

    # --- looking at the clock

    def notice(self, now: float) -> Gap | None:
        """The time since the clock should have been looked at, if that is long: tell of it, for nobody else will.

        What ran or waited is given that time again. Until the clock was really looked at, no other gap is noticed.
        """
        if self.stopped or now <= self.looks_at + LATE:
            return None
        gap, self.looks_at = Gap(self.looks_at, now), NEVER
        length = gap.end - gap.start
        self.slept += length
        self._woke = now
        self._overdue = True
        self._watch_at += length
        for run in (*self._runs, *self._held):
            run.slept += length
            if run.started is not None:
                run.deadline = now + run.entry.timeout + GRACE
        self._call()
        return gap

    def launch_due(self, now: float) -> list[Run]:
        """The runs that the pool is to get now. Suspects beyond their share are held back."""
        self.looks_at, self._called = now, False
        jobs = self._launch_held(now) if self._held else []
        due = self._timetable.take(now)
        overdue, self._overdue = self._overdue, False
        return self._launch(jobs, self._spread(due, now) if overdue else due, now, overdue)

    def _launch(self, jobs: list[Run], due: list[Entry], now: float, overdue: bool = False) -> list[Run]:
        scheduler, at, slept = self._scheduler, self._watch_at, self.slept
        for slot in due:
            run = slot.run = Run(scheduler, slot)
            if overdue:
                run.slept = max(0.0, now - slot.due)
            if run.suspect and not self._is_let_in(run):
                run.held = True
                self._held.append(run)
            else:
                jobs.append(run)
                if (ends := now + slot.timeout + GRACE) < at:
                    at = ends
            if (expires := slot.expires + slept) < at:
                at = expires
        self._runs.update(jobs)
        self._watch(at)
        return jobs

    def _spread(self, overdue: list[Entry], now: float) -> list[Entry]:
        """After a gap: a few at once, the others one after another, and each in its own rhythm from then on."""
        for number, entry in enumerate(overdue[AT_ONCE:], AT_ONCE):
            if entry.regular:
                entry.phase, entry.regular = entry.due, False
            span = min(entry.interval, len(overdue) / FIRST_RUNS)
            self._arm(entry, now + span * (number // AT_ONCE * AT_ONCE) / len(overdue))
        return overdue[:AT_ONCE]

    def _is_let_in(self, suspect: Run) -> bool:
        """True if there is room for one more suspect, which is this one then."""
        if self._suspects >= self._most_suspects:
            return False
        self._suspects += 1
        return True

    def _launch_held(self, now: float) -> list[Run]:
        jobs = []
        while self._held and self._is_let_in(self._held[0]):
            run = self._held.popleft()
            jobs.append(run)
            self._runs.add(run)
            self._watch(min(now + run.entry.timeout + GRACE, run.entry.expires + self.slept))
        return jobs

    def _watch(self, at: float) -> None:
        if at < self._watch_at:
            self._watch_at = at
            if at < self.looks_at:
                self._call()

    def find_late(self, now: float) -> tuple[list[tuple[Run, bool]], list[Entry]]:
        """The runs beyond their deadline, each with whether it was claimed just now; and what has grown old."""
        if now < self._watch_at:
            return [], []
        stuck = [run for run in self._runs if run.deadline <= now]
        for run in stuck:
            run.stuck = True
            self._runs.discard(run)
            self._stuck.add(run)
            self._suspects -= run.suspect
            if not run.claimed:
                run.entry.expires = now - self.slept + run.entry.lasts
        awaited = [run.entry for run in (*self._runs, *self._held, *self._stuck) if run.entry.run is run]
        old = [entry for entry in awaited if entry.expires + self.slept <= now]
        for entry in old:
            entry.expires = now - self.slept + CALM  # by then what was flapping is calm, and nobody else will tell
        ends = [now + run.entry.timeout + GRACE if run.started is None else run.deadline for run in self._runs]
        self._watch_at = min([*ends, *(entry.expires + self.slept for entry in awaited)], default=NEVER)
        return [(run, self.claim(run)) for run in stuck], old

    def wakes_at(self, earlier: float, now: float = NEVER) -> float:
        """When to look at the clock next, or earlier. Told the time, it leaves what a lone run can take to that."""
        due = self._timetable.next_due()
        if due is None:
            due = NEVER
        elif now + SOON < due < now + EARLY and len(self._runs) == 1:
            due = now + EARLY
        return min(due, self._watch_at, earlier)

    # --- what happens to runs

    def begin(self, run: Run, now: float) -> bool:
        """True when the run is wanted; then its time begins."""
        if self.stopped or run.claimed:
            return False
        run.started, run.deadline = now, now + run.entry.timeout + GRACE
        if not run.held:
            lag = max(0.0, now - run.due - run.slept)
            self._lags.append(lag)
            if lag > self._peak:
                self._peak = lag
        if run.slept:
            run.slept = 0.0
        return True

    def claim(self, run: Run) -> bool:
        """See Run.claim."""
        free = not (run.claimed or self.stopped)
        run.claimed = True
        return free

    def overstays(self, run: Run) -> None:
        """It is stuck, and its worker could not be set aside."""
        if not run.ended:
            self._overstayed.add(run)

    def end(self, run: Run, outlook: Outlook | None, now: float) -> list[Run]:
        """It has ended (None: it was not made): put down the next one. The runs that may be launched now instead."""
        entry, run.ended = run.entry, True
        if run.stuck:
            self._stuck.discard(run)
            self._overstayed.discard(run)
        else:
            self._runs.discard(run)
            if run.suspect:
                self._suspects -= 1
        if entry.run is run:
            entry.run = None
            entry.suspect = outlook is not None and outlook.timed_out
            home = entry.home
            if not (entry.paused or home is None or home.stopped):
                home._arm_next(entry, run, outlook, now)
        jobs = self._launch_held(now) if self._held and not self.stopped else []
        if not (jobs or self._runs or run.stuck):
            jobs = self._launch_early(now)
        if not (self._runs or self._held or self._stuck):
            self._sleep_on()
        return jobs

    def _launch_early(self, now: float) -> list[Run]:
        """The next turn, if it is near, and nobody looks at the clock before."""
        if self.stopped or self._called or self.looks_at <= now + SOON:
            return []
        due = self._timetable.next_due()
        return [] if due is None or due >= now + EARLY else self._launch([], self._timetable.take(due), now)

    def _sleep_on(self) -> None:
        """Nothing runs, so nothing can get stuck or old: nobody need wake up to look."""
        self._watch_at = NEVER
        if self.looks_at < self.wakes_at(NEVER):
            self._call()

    def _arm_next(self, entry: Entry, run: Run, outlook: Outlook | None, now: float) -> None:
        """The next regular turn, or a retry before it. Turns that passed meanwhile are missed."""
        if outlook is not None:
            interval, retry, _ = outlook
            if interval != entry.interval:
                entry.interval, entry.lasts = interval, lasting(interval, entry.timeout)
            if not run.stuck:
                entry.expires = now - self.slept + entry.lasts
        if entry.again is not None:
            self._arm_anew(entry, entry.again)
            return
        if outlook is None:
            return
        if entry.regular:
            entry.phase = run.due
        next_due = entry.phase + interval
        if next_due <= now:
            next_due, missed = following(entry.phase, interval, now)
            self.missed += missed
            entry.phase = next_due - interval
        entry.regular = True
        if retry is not None and now + retry < next_due:
            next_due, entry.regular = now + retry, False
        self._timetable.arm(entry, next_due)
        if next_due < self.looks_at:
            self._call()

    # --- what is told of it

    def figures(self, now: float) -> dict[str, float]:
        """queue, lag_s, missed, suspended_s, and how many runs overstay."""
        waiting = [run for run in self._runs if run.started is None]
        lag = max([0.0, *self._lags, *(now - run.due - run.slept for run in waiting)])
        return {
            "queue": len(waiting) + len(self._held),
            "lag_s": round(lag, 6),
            "missed": self.missed,
            "suspended_s": round(self.slept, 3),
            "overstayed": len(self._overstayed),
        }

    def peak(self, now: float) -> float:
        """The most that a run was late since this was asked before, or is by now, or the look at the clock is."""
        waiting = [now - run.due - run.slept for run in self._runs if run.started is None]
        due = self._timetable.next_due()
        overdue = 0.0 if due is None else now - max(due, self._woke)
        peak, self._peak = max([self._peak, *waiting, overdue]), 0.0
        return peak
