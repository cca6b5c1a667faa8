"""What the scheduler promises, on a clock that is moved by hand: phase, missed turns, retries, stuck runs, suspects."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import our_threads, wait_until

from minimon.books import GRACE, LAGS, Entry, Gap, Outlook, Run
from minimon.clock import SystemClock
from minimon.pool import MOST_STUCK, deadline_in
from minimon.scheduler import PATIENCE, Scheduler
from minimon.testing import FakeClock

INF = math.inf
TIMEOUT = 5.0


class SteppedClock(FakeClock):
    """A FakeClock that knows until when the one thread that waits on it sleeps."""

    until: float | None = None
    waits = 0

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Note the deadline, and sleep."""
        self.until = INF if seconds is None else self.monotonic() + seconds
        self.waits += 1
        super().wait(condition, seconds)
        self.until = None

    def sleeps_until(self, instant: float) -> bool:
        """True as soon as the thread sleeps until this instant; INF is until it is notified."""

        def sleeps() -> bool:
            until = self.until
            return until is not None and (until == instant or abs(until - instant) < 1e-6)

        return wait_until(sleeps) and self.waiting()


def let_pass(clock: SteppedClock, seconds: float) -> None:
    """Let time pass as it does, from one instant that the thread sleeps until to the next: an advance beyond it looks
    as if the machine had been asleep."""
    end = clock.monotonic() + seconds
    while (left := end - clock.monotonic()) > 1e-9:
        assert wait_until(lambda: clock.until is not None and clock.until > clock.monotonic() and clock.waiting())
        clock.advance(min(left, (clock.until or INF) - clock.monotonic()))


Task = Callable[[Run], Outlook]


def every(interval: float, **outlook: Any) -> Task:
    """A run that takes no time, and the interval after it."""
    return lambda run: Outlook(interval, **outlook)


class Held:
    """A run that takes until it is let go, again and again; it notes how many are inside at once."""

    def __init__(self, interval: float, *, claims: bool = True, **outlook: Any) -> None:
        self.outlook = Outlook(interval, **outlook)
        self.claims = claims
        self.claimed: list[bool] = []
        self.entered, self.leave = threading.Semaphore(0), threading.Semaphore(0)
        self.inside = self.most = 0

    def __call__(self, run: Run) -> Outlook:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.release()
        self.leave.acquire(timeout=20.0)
        self.inside -= 1
        if self.claims:
            self.claimed.append(run.claim())
        return self.outlook

    def is_in(self) -> bool:
        """True as soon as a run has begun that was not asked for yet."""
        return self.entered.acquire(timeout=5.0)

    def let_go(self, times: int = 1) -> None:
        """Let so many runs end."""
        for _ in range(times):
            self.leave.release()


class Nobody:
    """An owner to whom nothing matters."""

    def execute(self, run: Run) -> Outlook:
        """Done at once."""
        return Outlook(1.0)

    def give_up(self, run: Run) -> Callable[[], None]:
        """Nothing to tell."""
        return lambda: None

    def grow_old(self, entry: Entry) -> None:
        """Nothing to tell."""

    def slept(self, gap: Gap) -> None:
        """Nothing to tell."""


class Stage:
    """A scheduler on a SteppedClock. What it runs is an entry's `work`; all it does is noted."""

    def __init__(self, least: int = 2, most: int = 4, start: float = 0.0, lock: threading.Lock | None = None) -> None:
        self.clock = SteppedClock(start)
        self.runs: list[tuple[str, float]] = []
        self.given_up: list[tuple[str, float]] = []
        self.old: list[tuple[str, float]] = []
        self.gaps: list[Gap] = []
        self.entries: list[Entry] = []
        self.scheduler = Scheduler(self.clock, self, least, most, lock)
        self.scheduler.start()

    def execute(self, run: Run) -> Outlook:
        """A worker's part."""
        self.runs.append((run.entry.name, self.clock.monotonic()))
        outlook: Outlook = run.entry.work(run)
        return outlook

    def give_up(self, run: Run) -> Callable[[], None]:
        """The scheduler's thread has given up on a run; what is returned tells the host."""
        self.given_up.append((run.entry.name, self.clock.monotonic()))
        return lambda: None

    def grow_old(self, entry: Entry) -> None:
        """No result came in time."""
        self.old.append((entry.name, self.clock.monotonic()))

    def slept(self, gap: Gap) -> None:
        """Nobody could look."""
        self.gaps.append(gap)

    def arm(self, name: str, work: Task, due: float = 0.0, timeout: float = TIMEOUT) -> Entry:
        """Put an entry down."""
        entry = Entry(name, timeout, work)
        self.entries.append(entry)
        self.scheduler.arm(entry, due)
        return entry

    def pass_time(self, *instants: float) -> None:
        """Go from one instant to the next, each time when the scheduler sleeps until it."""
        for instant in instants:
            assert self.clock.sleeps_until(instant), f"sleeps until {self.clock.until}, not {instant}"
            self.clock.advance(max(0.0, instant - self.clock.monotonic()))

    def ran(self, n: int) -> bool:
        """True as soon as there were so many runs, and the books of all are closed."""
        return wait_until(lambda: len(self.runs) == n and self.idle())

    def idle(self) -> bool:
        """True when nothing runs or waits."""
        figures = self.scheduler.figures()
        return (figures["busy"], figures["queue"]) == (0, 0)

    def figure(self, name: str) -> Any:
        """One of the figures."""
        return self.scheduler.figures()[name]

    def end(self) -> bool:
        """Let everybody go, and stop."""
        for entry in self.entries:
            if isinstance(entry.work, Held):
                entry.work.let_go(100)
        return self.scheduler.stop(deadline_in(10.0))


MakeStage = Callable[..., Stage]


@pytest.fixture
def stage() -> Iterator[MakeStage]:
    """Makes stages, and clears them in the end."""
    stages: list[Stage] = []

    def make(*args: Any, **options: Any) -> Stage:
        stages.append(Stage(*args, **options))
        return stages[-1]

    yield make
    ended = [made.end() for made in stages]
    assert all(ended)


# The phase


def test_it_runs_when_it_is_due(stage: MakeStage) -> None:
    """Not before, and at once then."""
    on = stage()
    on.arm("a", every(10.0), due=3.0)
    on.pass_time(3.0)
    assert on.ran(1) and [("a", 3.0)] == on.runs


def test_the_phase_is_kept(stage: MakeStage) -> None:
    """Runs start in a fixed rhythm, however long each takes."""
    on, slow = stage(), Held(10.0)
    on.arm("a", slow)
    assert slow.is_in()
    on.clock.advance(4.0)
    slow.let_go()
    on.pass_time(10.0)
    assert slow.is_in()
    on.clock.advance(2.5)
    slow.let_go()
    on.pass_time(20.0)
    assert slow.is_in() and [("a", 0.0), ("a", 10.0), ("a", 20.0)] == on.runs


def test_a_suspended_process_makes_no_burst(stage: MakeStage) -> None:
    """After a jump of the clock each check runs once, then again in its phase; the missed turns are counted."""
    on = stage()
    for name in "abc":
        on.arm(name, every(10.0))
    assert on.ran(3)
    on.clock.sleeps_until(10.0)
    on.clock.advance(3605.0)
    assert on.ran(6) and on.clock.sleeps_until(3610.0)
    assert (3 * 359, Counter("aabbcc")) == (on.figure("missed"), Counter(name for name, _ in on.runs))


def test_turns_that_a_long_run_takes_up_are_missed(stage: MakeStage) -> None:
    """Three more turns pass while it runs; it goes on in its phase."""
    on, slow = stage(), Held(1.0)
    on.arm("a", slow)
    assert slow.is_in()
    on.clock.advance(3.5)
    slow.let_go()
    assert on.clock.sleeps_until(4.0) and 3 == on.figure("missed")


def test_a_check_never_overlaps_itself(stage: MakeStage) -> None:
    """While it runs no other worker takes it, however often it were due."""
    on, slow = stage(4), Held(0.5)
    on.arm("a", slow, timeout=100.0)
    assert slow.is_in()
    for _ in range(20):
        on.clock.advance(0.5)
    slow.let_go()
    on.pass_time(10.5)
    assert slow.is_in() and (1, 2) == (slow.most, len(on.runs))


def test_earlier_turns_come_first(stage: MakeStage) -> None:
    """After a jump, one worker takes what is due in the order of time."""
    on = stage(1, 1)
    for name, due in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        on.arm(name, every(100.0), due)
    on.clock.sleeps_until(1.0)
    on.clock.advance(3.0)
    assert on.ran(3) and ["a", "b", "c"] == [name for name, _ in on.runs]


def test_the_next_interval_counts_from_the_phase(stage: MakeStage) -> None:
    """Intervals drawn anew each time add up from the first turn."""
    on, drawn = stage(), iter((1.0, 2.5, 4.0, 100.0))
    on.arm("a", lambda run: Outlook(next(drawn)))
    on.pass_time(1.0, 3.5, 7.5)
    assert on.ran(4) and [0.0, 1.0, 3.5, 7.5] == [at for _, at in on.runs]


# Retries


def test_retries_are_tight_and_then_back_in_phase(stage: MakeStage) -> None:
    """Every 2 s while undecided; the regular turns stay where they were, and none was missed."""
    on, retries = stage(), iter((2.0, 2.0, None, None))
    on.arm("a", lambda run: Outlook(10.0, next(retries)))
    on.pass_time(2.0, 4.0, 10.0, 20.0)
    assert wait_until(lambda: len(on.runs) == 5) and 0 == on.figure("missed")


def test_a_retry_is_never_later_than_the_regular_turn(stage: MakeStage) -> None:
    """Undecided at 8 s, the turn of 10 s is the next, and undecided on, 12 s is the one after."""
    on = stage()
    on.arm("a", every(10.0, retry=4.0))
    on.pass_time(4.0, 8.0, 10.0, 14.0)
    assert on.ran(5)


def test_a_retry_longer_than_the_interval_is_none(stage: MakeStage) -> None:
    """The regular turns go on."""
    on = stage()
    on.arm("a", every(1.0, retry=60.0))
    on.pass_time(1.0, 2.0, 3.0)
    assert on.ran(4)


def test_turns_missed_during_retries_are_counted(stage: MakeStage) -> None:
    """The clock jumps from 2 s to 45 s: the turns of 10, 20, 30 and 40 s were missed, and 50 s is the next."""
    on, retries = stage(), iter((2.0, None, None))
    on.arm("a", lambda run: Outlook(10.0, next(retries)))
    on.clock.sleeps_until(2.0)
    on.clock.advance(45.0)
    assert on.ran(2) and on.clock.sleeps_until(50.0) and 4 == on.figure("missed")


def test_missed_turns_are_counted_once(stage: MakeStage) -> None:
    """Undecided for long after a jump, the same turns are not counted with every retry."""
    on = stage()
    on.arm("a", every(10.0, retry=2.0))
    on.clock.sleeps_until(2.0)
    on.clock.advance(45.0)
    on.pass_time(47.0, 49.0, 50.0, 52.0)
    assert on.ran(6) and 4 == on.figure("missed")


# No wake-ups


def test_without_checks_it_sleeps(stage: MakeStage) -> None:
    """Until somebody adds one."""
    assert stage().clock.sleeps_until(INF)


def test_it_wakes_for_nothing_but_what_is_due(stage: MakeStage) -> None:
    """Between two turns the thread sleeps once, until the next one."""
    on = stage()
    on.arm("a", every(1000.0))
    assert on.ran(1) and on.clock.sleeps_until(1000.0)
    waits = on.clock.waits
    for _ in range(100):
        on.clock.advance(9.0)
    assert waits == on.clock.waits


def test_an_earlier_turn_wakes_it(stage: MakeStage) -> None:
    """A check added while it sleeps is not late; a later one leaves it asleep."""
    on = stage()
    on.arm("a", every(1000.0), due=500.0)
    assert on.clock.sleeps_until(500.0)
    on.arm("b", every(1000.0), due=20.0)
    assert on.clock.sleeps_until(20.0)
    waits = on.clock.waits
    on.arm("c", every(1000.0), due=600.0)
    assert waits == on.clock.waits


# Growing


def test_a_worker_is_added_after_50_ms_of_waiting(stage: MakeStage) -> None:
    """As many as are lacking, and not before."""
    on, slow = stage(1, 8), [Held(100.0) for _ in range(3)]
    for number, work in enumerate(slow):
        on.arm(str(number), work)
    assert slow[0].is_in() and on.clock.sleeps_until(PATIENCE)
    before = on.figure("workers"), on.figure("queue")
    on.clock.advance(0.051)
    assert slow[1].is_in() and slow[2].is_in()
    assert ((1, 2), (3, 0)) == (before, (on.figure("workers"), on.figure("queue")))


def test_a_short_wait_adds_no_worker(stage: MakeStage) -> None:
    """A queue that is worked off within 50 ms needs nobody."""
    on, slow = stage(1, 8), Held(100.0)
    on.arm("a", slow)
    on.arm("b", every(100.0))
    assert slow.is_in() and on.clock.sleeps_until(PATIENCE)
    on.clock.advance(0.03)
    slow.let_go()
    assert on.ran(2)
    on.clock.advance(1.0)
    assert on.clock.sleeps_until(100.0) and 1 == on.figure("workers")


def test_the_most_is_never_exceeded(stage: MakeStage) -> None:
    """What finds no worker waits."""
    on, slow = stage(1, 3), [Held(100.0) for _ in range(5)]
    for number, work in enumerate(slow):
        on.arm(str(number), work, timeout=1000.0)
    on.clock.sleeps_until(PATIENCE)
    on.clock.advance(0.06)
    assert wait_until(lambda: on.figure("busy") == 3)
    on.clock.advance(10.0)
    assert (3, 3, 2) == (on.figure("workers"), on.figure("busy"), on.figure("queue"))


def spinning_starts() -> list[float]:
    """Instants t for which (t + 0.05) - t is less than 0.05, as floats have it."""
    return [t for t in (0.1 * n for n in range(1, 2000)) if (t + PATIENCE) - t < PATIENCE][:3]


@pytest.mark.parametrize("start", spinning_starts())
def test_it_does_not_spin_at_the_very_instant_of_growing(stage: MakeStage, start: float) -> None:
    """Woken exactly 50 ms after the first wait, it grows: rounding does not make it look again and again."""
    on, slow = stage(1, 2, start=start), [Held(100.0), Held(100.0)]
    on.arm("a", slow[0], due=start)
    on.arm("b", slow[1], due=start)
    assert slow[0].is_in() and on.clock.sleeps_until(start + PATIENCE)
    on.clock.advance(PATIENCE)
    grown = wait_until(lambda: on.figure("workers") == 2, 1.0)
    on.clock.advance(1.0)
    assert grown


# Stuck runs


def test_a_stuck_run_is_given_up_at_timeout_and_grace(stage: MakeStage) -> None:
    """Its worker is set aside and replaced, and it is told once."""
    on, stuck = stage(1, 1), Held(10.0)
    on.arm("a", stuck)
    assert stuck.is_in()
    on.pass_time(TIMEOUT + GRACE)
    assert wait_until(lambda: on.given_up == [("a", 5.5)])
    assert (1, 1, 0) == (on.figure("stuck"), on.figure("workers"), on.figure("busy"))


def test_other_checks_go_on_beside_a_stuck_one(stage: MakeStage) -> None:
    """With a single worker the replacement takes their runs."""
    on, stuck = stage(1, 1), Held(1000.0)
    on.arm("a", stuck)
    assert stuck.is_in()
    on.pass_time(TIMEOUT + GRACE)
    on.arm("b", every(10.0), due=6.0)
    let_pass(on.clock, 10.5)
    assert wait_until(lambda: on.runs[1:] == [("b", 6.0), ("b", 16.0)])


def test_the_deadline_counts_from_the_start_of_the_run(stage: MakeStage) -> None:
    """A run that waited long for a worker has its whole timeout."""
    on, first, second = stage(1, 1), Held(1000.0), Held(1000.0)
    on.arm("a", first, timeout=20.0)
    on.arm("b", second, timeout=5.0)
    assert first.is_in()
    on.clock.advance(19.0)
    first.let_go()
    assert second.is_in()
    on.clock.advance(5.4)
    before = list(on.given_up)
    on.clock.sleeps_until(24.5)
    on.clock.advance(0.2)
    assert wait_until(lambda: [name for name, _ in on.given_up] == ["b"]) and [] == before


def test_a_late_result_does_not_count(stage: MakeStage) -> None:
    """Who was given up cannot claim any more."""
    on, stuck = stage(), Held(10.0)
    on.arm("a", stuck)
    assert stuck.is_in()
    on.pass_time(5.5)
    assert wait_until(lambda: len(on.given_up) == 1)
    stuck.let_go()
    assert wait_until(lambda: stuck.claimed == [False])


def test_a_stuck_check_is_not_run_before_it_ends(stage: MakeStage) -> None:
    """However many turns pass; then it goes on in its phase, and nobody is stuck any more."""
    on, stuck = stage(), Held(10.0)
    on.arm("a", stuck)
    assert stuck.is_in()
    on.pass_time(5.5)
    assert wait_until(lambda: len(on.given_up) == 1)
    let_pass(on.clock, 95.0)
    before = len(on.runs)
    stuck.let_go()
    on.pass_time(110.0)
    assert stuck.is_in() and (1, 1) == (before, stuck.most) and wait_until(lambda: on.figure("stuck") == 0)


def test_a_run_that_has_claimed_is_not_given_up(stage: MakeStage) -> None:
    """Who records in the last moment has recorded; nobody records over it."""
    on, leave, claimed = stage(), threading.Event(), threading.Event()

    def claim_and_hang(run: Run) -> Outlook:
        assert run.claim()
        claimed.set()
        leave.wait(20.0)
        return Outlook(1000.0)

    on.arm("a", claim_and_hang)
    assert claimed.wait(5.0)
    on.pass_time(5.5)
    aside = wait_until(lambda: on.figure("stuck") == 1)
    leave.set()
    assert aside and wait_until(lambda: on.figure("stuck") == 0) and [] == on.given_up


def test_only_the_first_claim_counts(stage: MakeStage) -> None:
    """Of two who would record one run, one may."""
    on, claims = stage(), []
    on.arm("a", lambda run: [claims.extend((run.claim(), run.claim())), Outlook(1000.0)][1])
    assert on.ran(1) and [True, False] == claims


def test_at_most_32_workers_are_set_aside(stage: MakeStage) -> None:
    """All 34 runs are given up, two of them keep their workers, and all go on when they end."""
    on, stuck = stage(36, 36), [Held(1000.0) for _ in range(MOST_STUCK + 2)]
    for number, work in enumerate(stuck):
        on.arm(str(number), work)
    assert all(work.is_in() for work in stuck)
    on.clock.sleeps_until(5.5)
    on.clock.advance(5.5)
    assert wait_until(lambda: len(on.given_up) == 34 and on.figure("busy") == 2)
    seen = on.figure("stuck"), on.figure("busy"), on.figure("workers")
    on.arm("healthy", every(1000.0), due=6.0)
    on.pass_time(6.0)
    healthy = wait_until(lambda: on.runs[-1] == ("healthy", 6.0))
    for work in stuck:
        work.let_go()
    assert healthy and (34, 2, 36) == seen
    assert wait_until(lambda: (on.figure("stuck"), on.figure("busy")) == (0, 0)) and on.clock.sleeps_until(1000.0)


def test_threads_are_bounded_however_many_hang(stage: MakeStage) -> None:
    """Never more than the most and the 32 set aside, though 60 checks hang."""
    on, bounds = stage(2, 4), []
    for number in range(60):
        on.arm(str(number), Held(1000.0), timeout=1.0)

    def exhausted() -> bool:
        on.clock.waiting()
        on.clock.advance(0.5)
        bounds.append(our_threads().count("minimon-worker"))
        return bool((on.figure("stuck"), on.figure("busy")) == (MOST_STUCK, 4))

    assert wait_until(exhausted) and max(bounds) <= 4 + MOST_STUCK


# Suspects


def timed_out_once(on: Stage, suspects: list[Held]) -> None:
    """Have all of these run once and time out: from 10 s on they are suspects."""
    for number, work in enumerate(suspects):
        on.arm(f"suspect {number}", work, timeout=100.0)
        assert work.is_in()
        work.let_go()
        assert on.ran(number + 1)


def test_suspects_hold_at_most_half_of_the_workers(stage: MakeStage) -> None:
    """Six checks whose last run timed out are due: two of them get a worker, healthy ones are on time."""
    on, suspects = stage(4, 4), [Held(10.0, timed_out=True) for _ in range(6)]
    timed_out_once(on, suspects)
    on.arm("healthy 1", every(10.0), due=10.0)
    on.arm("healthy 2", every(10.0), due=15.0)
    on.pass_time(10.0, 15.0)
    assert wait_until(lambda: on.runs[-1] == ("healthy 2", 15.0)) and wait_until(lambda: on.figure("busy") == 2)
    assert (2, 4) == (sum(work.inside for work in suspects), on.figure("queue"))


def test_a_lone_worker_polls_suspects_too(stage: MakeStage) -> None:
    """Half of one is one."""
    on = stage(1, 1)
    on.arm("a", every(10.0, timed_out=True))
    on.pass_time(10.0, 20.0)
    assert on.ran(3)


def test_held_suspects_run_one_after_another(stage: MakeStage) -> None:
    """As soon as one ends the next begins, never more than half at once, until all have run."""
    on, suspects = stage(4, 4), [Held(1000.0, timed_out=True) for _ in range(6)]
    timed_out_once(on, suspects)
    on.pass_time(1000.0)
    most = 0
    for n in range(8, 13):
        assert wait_until(lambda n=n: len(on.runs) == n)
        most = max(most, sum(work.inside for work in suspects))
        next(work for work in suspects if work.inside).let_go()
    for work in suspects:
        work.let_go()
    assert wait_until(on.idle) and (2, {2}) == (most, set(Counter(name for name, _ in on.runs).values()))


def test_delayed_suspects_count_missed_turns(stage: MakeStage) -> None:
    """Held for longer than its interval, a suspect has missed turns, and goes on in its phase."""
    on, suspects = stage(2, 2), [Held(10.0, timed_out=True) for _ in range(2)]
    timed_out_once(on, suspects)
    on.pass_time(10.0)
    first, second = suspects
    assert first.is_in()
    on.clock.advance(35.0)
    first.let_go()
    assert second.is_in()
    second.let_go()
    assert wait_until(on.idle) and on.clock.sleeps_until(50.0) and 6 == on.figure("missed")


def test_a_suspect_that_passes_is_none_any_more(stage: MakeStage) -> None:
    """Its next run is not held back."""
    on, outlooks = stage(2, 2), [Outlook(10.0, timed_out=True), Outlook(10.0), Outlook(10.0)]
    counts: Counter[str] = Counter()

    def work(run: Run) -> Outlook:
        counts[run.entry.name] += 1
        return outlooks[counts[run.entry.name] - 1]

    for name in "abc":
        on.arm(name, work)
    on.pass_time(10.0)
    assert wait_until(lambda: set(counts.values()) == {2} and on.idle())
    assert [False] * 3 == [entry.suspect for entry in on.entries]


def test_suspects_go_on_when_others_get_stuck(stage: MakeStage) -> None:
    """A suspect that hangs for good gives its share back when it is set aside: the one held behind it runs."""
    on, suspects = stage(2, 2), [Held(10.0, timed_out=True) for _ in range(2)]
    for number, work in enumerate(suspects):
        on.arm(str(number), work)
        assert work.is_in()
        work.let_go()
        assert on.ran(number + 1)
    on.pass_time(10.0)
    assert wait_until(lambda: len(on.runs) == 3)
    on.clock.sleeps_until(15.5)
    on.clock.advance(5.5)
    assert wait_until(lambda: len(on.given_up) == 1)
    assert wait_until(lambda: len(on.runs) == 4, 1.0)


def test_a_held_suspect_that_hangs_is_given_up_in_time(stage: MakeStage) -> None:
    """Its own timeout counts, however long that of the one before it was."""
    on, long, short = stage(2, 2), Held(1000.0, timed_out=True), Held(1000.0, timed_out=True)
    for name, work, timeout in (("long", long, 600.0), ("short", short, 1.0)):
        on.arm(name, work, timeout=timeout)
        assert work.is_in()
        work.let_go()
        assert wait_until(on.idle)
    long.claims = False
    on.clock.sleeps_until(1000.0)
    on.clock.advance(1000.0)
    assert long.is_in()
    on.clock.advance(10.0)
    long.let_go()
    assert short.is_in()
    on.clock.advance(1.6)
    assert wait_until(lambda: on.given_up == [("short", 1011.6)], 1.0)


def test_a_held_suspect_can_be_disarmed(stage: MakeStage) -> None:
    """It waits for nothing any more, and runs when it is armed again."""
    on, suspects = stage(2, 2), [Held(10.0, timed_out=True) for _ in range(2)]
    timed_out_once(on, suspects)
    on.pass_time(10.0)
    other = on.entries[1]
    assert suspects[0].is_in() and wait_until(lambda: on.figure("queue") == 1)
    on.scheduler.disarm(other)
    suspects[0].let_go()
    assert wait_until(on.idle) and 3 == len(on.runs)
    on.scheduler.arm(other, 11.0)
    on.pass_time(11.0)
    assert wait_until(lambda: on.runs[-1] == (other.name, 11.0))


# Arming and disarming


def test_what_is_disarmed_does_not_run(stage: MakeStage) -> None:
    """Its turn passes, and nobody wakes for it."""
    on = stage()
    entry = on.arm("a", every(10.0), due=5.0)
    on.scheduler.disarm(entry)
    on.clock.advance(100.0)
    assert on.clock.sleeps_until(INF) and [] == on.runs


def test_a_run_that_is_disarmed_does_not_count(stage: MakeStage) -> None:
    """It ends by itself, cannot claim, and has no next turn."""
    on, slow = stage(), Held(10.0)
    entry = on.arm("a", slow)
    assert slow.is_in()
    on.scheduler.disarm(entry)
    slow.let_go()
    assert wait_until(lambda: slow.claimed == [False] and on.idle()) and on.clock.sleeps_until(INF)


def test_a_run_that_is_disarmed_is_not_given_up(stage: MakeStage) -> None:
    """When it hangs its worker is set aside, but nothing is recorded of a check that is gone."""
    on, stuck = stage(), Held(10.0)
    entry = on.arm("a", stuck)
    assert stuck.is_in()
    on.scheduler.disarm(entry)
    on.clock.sleeps_until(5.5)
    on.clock.advance(5.5)
    assert wait_until(lambda: on.figure("stuck") == 1) and [] == on.given_up


def test_what_waits_in_the_queue_can_be_disarmed(stage: MakeStage) -> None:
    """A run that no worker has begun is not made."""
    on, slow = stage(1, 1), Held(1000.0)
    on.arm("a", slow)
    assert slow.is_in()
    waiting = on.arm("b", every(10.0))
    assert wait_until(lambda: on.figure("queue") == 1)
    on.scheduler.disarm(waiting)
    slow.let_go()
    assert wait_until(on.idle) and ["a"] == [name for name, _ in on.runs]


def test_armed_again_in_the_midst_of_a_run(stage: MakeStage) -> None:
    """It runs at the time it was armed for, not at the one after."""
    on, slow = stage(), Held(1000.0)
    entry = on.arm("a", slow)
    assert slow.is_in()
    on.scheduler.disarm(entry)
    on.scheduler.arm(entry, 3.0)
    slow.let_go()
    assert wait_until(on.idle) and on.clock.sleeps_until(3.0)


def test_armed_again_it_overlaps_nothing(stage: MakeStage) -> None:
    """A run on its way is waited for, even if the new turn comes before its end; then it is made up for at once."""
    on, slow = stage(), Held(1000.0)
    entry = on.arm("a", slow, timeout=100.0)
    assert slow.is_in()
    on.scheduler.disarm(entry)
    on.scheduler.arm(entry, 1.0)
    on.clock.advance(2.0)
    slow.let_go()
    assert slow.entered.acquire(timeout=1.0) and 1 == slow.most


def test_a_run_that_was_disarmed_makes_no_suspect(stage: MakeStage) -> None:
    """That it does not count says nothing of its target."""
    on, slow = stage(), Held(1000.0)
    entry = on.arm("a", slow)
    assert slow.is_in()
    on.scheduler.disarm(entry)
    on.scheduler.arm(entry, 3.0)
    slow.let_go()
    assert wait_until(on.idle) and not entry.suspect


def test_arming_moves_the_turn(stage: MakeStage) -> None:
    """Armed twice, it runs once, at the later word."""
    on = stage()
    entry = on.arm("a", every(1000.0), due=5.0)
    on.scheduler.arm(entry, 7.0)
    on.pass_time(7.0)
    assert on.ran(1) and [("a", 7.0)] == on.runs


# From scheduler to scheduler


def test_what_waits_in_one_queue_is_run_by_the_next_scheduler(stage: MakeStage) -> None:
    """Armed anew while a run of it waits for a worker that will not come, it is not lost when the queue is dropped."""
    lock, slow = threading.Lock(), Held(1000.0)
    old, new = stage(1, 1, lock=lock), stage(lock=lock)
    old.arm("slow", slow)
    assert slow.is_in()
    waiting = old.arm("a", every(1000.0))
    assert wait_until(lambda: old.figure("queue") == 1)
    new.scheduler.arm(waiting, 7.0)
    old.scheduler.stop(deadline_in(0.0))
    new.pass_time(7.0)
    assert wait_until(lambda: new.runs == [("a", 7.0)]) and ["slow"] == [name for name, _ in old.runs]


def test_what_is_held_by_one_is_run_by_the_next_scheduler(stage: MakeStage) -> None:
    """The same for a suspect that waits for another one to end."""
    lock, suspects = threading.Lock(), [Held(10.0, timed_out=True) for _ in range(2)]
    old, new = stage(2, 2, lock=lock), stage(lock=lock)
    timed_out_once(old, suspects)
    old.pass_time(10.0)
    assert suspects[0].is_in() and wait_until(lambda: old.figure("queue") == 1)
    new.scheduler.arm(old.entries[1], 7.0)
    old.scheduler.stop(deadline_in(0.0))
    new.pass_time(7.0)
    assert suspects[1].is_in() and ("suspect 1", 7.0) == new.runs[-1]


def test_what_runs_on_one_is_run_by_the_next_scheduler_after_it(stage: MakeStage) -> None:
    """A run of before the stop is waited for, and it neither counts nor says what comes next."""
    lock, slow = threading.Lock(), Held(1000.0)
    old, new = stage(lock=lock), stage(lock=lock)
    entry = old.arm("a", slow)
    assert slow.is_in()
    old.scheduler.stop(deadline_in(0.0))
    new.scheduler.arm(entry, 7.0)
    new.clock.advance(8.0)
    before = list(new.runs)
    slow.let_go()
    assert slow.is_in() and ([], [False], 1) == (before, slow.claimed, slow.most)


# Figures


def test_the_figures_tell_how_it_is_doing(stage: MakeStage) -> None:
    """Workers, busy, stuck, queue, lag and missed turns."""
    on, slow = stage(1, 1), Held(1000.0)
    on.arm("a", slow, due=1.0)
    on.arm("b", every(1000.0), due=1.0)
    on.pass_time(1.0)
    assert slow.is_in() and wait_until(lambda: on.figure("queue") == 1)
    on.clock.advance(2.0)
    expected = {"workers": 1, "busy": 1, "stuck": 0, "queue": 1, "lag_s": 2.0, "missed": 0, "suspended_s": 0.0}
    assert expected == on.scheduler.figures()


def test_the_lag_is_that_of_the_latest_runs(stage: MakeStage) -> None:
    """A late start stays in sight after it has ended, and goes when 256 others were in time."""
    on, slow = stage(1, 1), Held(1000.0)
    on.arm("slow", slow, due=0.5, timeout=100.0)
    on.arm("a", every(1000.0), due=1.0)
    on.pass_time(0.5)
    assert slow.is_in()
    let_pass(on.clock, 4.0)
    slow.let_go()
    assert on.ran(2)
    late = on.figure("lag_s")
    for number in range(LAGS):
        on.arm(str(number), every(1000.0), due=5.0)
    on.pass_time(5.0)
    assert on.ran(LAGS + 2) and (3.5, 0.0) == (late, on.figure("lag_s"))


# Life


def test_stop_before_start_is_fine() -> None:
    """Nothing to end is ended, twice as well."""
    scheduler = Scheduler(FakeClock(), Nobody())
    assert [True, True] == [scheduler.stop(deadline_in(0.0)) for _ in range(2)]


def test_stop_ends_all_threads(stage: MakeStage) -> None:
    """The scheduler's and the workers'."""
    on = stage()
    on.arm("a", every(1.0))
    assert on.ran(1) and on.scheduler.stop(deadline_in(5.0)) and [] == our_threads()


def test_after_stop_nothing_starts(stage: MakeStage) -> None:
    """Whatever is armed."""
    on = stage()
    on.scheduler.stop(deadline_in(5.0))
    on.arm("a", every(1.0))
    on.clock.advance(5.0)
    assert [] == on.runs == our_threads()


def test_what_runs_at_the_stop_does_not_count(stage: MakeStage) -> None:
    """Its claim is refused, and stop says that a thread is left."""
    on, slow = stage(), Held(1.0)
    on.arm("a", slow)
    assert slow.is_in()
    ended = on.scheduler.stop(deadline_in(0.01))
    slow.let_go()
    assert wait_until(lambda: slow.claimed == [False]) and not ended and wait_until(lambda: our_threads() == [])


def test_what_waits_at_the_stop_is_not_run(stage: MakeStage) -> None:
    """The queue is dropped."""
    on, slow = stage(1, 1), Held(1000.0)
    on.arm("a", slow)
    assert slow.is_in()
    on.arm("b", every(1.0))
    assert wait_until(lambda: on.figure("queue") == 1)
    on.scheduler.stop(deadline_in(0.0))
    slow.let_go()
    assert on.scheduler.stop(deadline_in(5.0)) and ["a"] == [name for name, _ in on.runs]


def test_a_run_may_stop_its_scheduler(stage: MakeStage) -> None:
    """The worker does not wait for itself."""
    on, answers = stage(), []

    def work(run: Run) -> Outlook:
        answers.append(run.scheduler.stop(deadline_in(5.0)))
        return Outlook(1.0)

    start = time.monotonic()
    on.arm("a", work)
    assert wait_until(lambda: answers and our_threads() == []) and time.monotonic() - start < 2.0


def test_giving_up_may_stop_its_scheduler() -> None:
    """The scheduler's thread does not wait for itself."""
    clock, leave, told = SteppedClock(), threading.Event(), threading.Event()

    class Hanging(Nobody):
        def execute(self, run: Run) -> Outlook:
            leave.wait(20.0)
            return Outlook(1.0)

        def give_up(self, run: Run) -> Callable[[], None]:
            run.scheduler.stop(deadline_in(0.0))
            told.set()
            return super().give_up(run)

    scheduler = Scheduler(clock, Hanging())
    scheduler.start()
    scheduler.arm(Entry("a", 1.0, None), 0.0)
    assert clock.sleeps_until(1.5)
    clock.advance(1.5)
    seen = told.wait(5.0)
    leave.set()
    assert seen and wait_until(lambda: our_threads() == [])


def test_after_a_fork_nothing_is_due_or_runs() -> None:
    """The child's loop has ended before it began, and its figures are those of a beginning."""
    scheduler = Scheduler(FakeClock(), Nobody())
    scheduler.arm(Entry("a", 1.0, None), 0.0)
    scheduler._lock.acquire()
    scheduler.after_fork()
    scheduler.work()
    assert {
        "workers": 0,
        "busy": 0,
        "stuck": 0,
        "queue": 0,
        "lag_s": 0,
        "missed": 0,
        "suspended_s": 0,
    } == scheduler.figures()


# The system's clock


def test_the_systems_clock_waits_for_a_notification() -> None:
    """None is for ever, until somebody notifies."""
    condition, woken = threading.Condition(), threading.Event()

    def sleep() -> None:
        with condition:
            SystemClock().wait(condition, None)
        woken.set()

    threading.Thread(target=sleep, daemon=True).start()

    def notified() -> bool:
        with condition:
            condition.notify_all()
        return woken.is_set()

    assert wait_until(notified)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.001])
def test_the_systems_clock_waits_no_longer_than_told(seconds: float) -> None:
    """A time that is over is no wait."""
    condition, start = threading.Condition(), time.monotonic()
    with condition:
        SystemClock().wait(condition, seconds)
    assert time.monotonic() - start < 1.0


def test_the_systems_clock_takes_any_number_of_seconds() -> None:
    """A turn in a thousand years does not raise."""
    condition, done = threading.Condition(), threading.Event()

    def sleep() -> None:
        with condition:
            SystemClock().wait(condition, 1e11)
        done.set()

    threading.Thread(target=sleep, daemon=True).start()

    def notified() -> bool:
        with condition:
            condition.notify_all()
        return done.is_set()

    assert wait_until(notified)


def test_the_systems_clock_is_the_systems() -> None:
    """Its two times are those of the machine."""
    clock = SystemClock()
    assert (0, 0) == (int(clock.monotonic() - time.monotonic()), int(clock.time() - time.time()))
