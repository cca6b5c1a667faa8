"""What the books of a scheduler promise, by plain calls: turns, retries, suspects, stuck runs, gaps, old results."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from minimon.books import AT_ONCE, GRACE, LATE, NEVER, Books, Entry, Gap, Outlook, Run
from minimon.timetable import FIRST_RUNS

TIMEOUT, EVERY = 5.0, 10.0
LASTING = 2 * EVERY + TIMEOUT
"""Seconds for which a result counts."""


class Desk:
    """Books, and who keeps them: it looks at the clock when it is told to, and notes what comes of that."""

    def __init__(self, most_suspects: int = 4) -> None:
        self.wakes = 0
        self.books = Books(None, most_suspects, self.wake)
        self.gaps: list[Gap] = []
        self.stuck: list[tuple[str, bool]] = []
        self.old: list[str] = []

    def wake(self) -> None:
        """Somebody has to look earlier."""
        self.wakes += 1

    def arm(self, name: str, due: float = 0.0, timeout: float = TIMEOUT, interval: float = EVERY) -> Entry:
        """Put a new entry down."""
        entry = Entry(name, timeout, None, interval)
        self.books.arm(entry, due)
        return entry

    def look(self, now: float) -> list[Run]:
        """Look at the clock, as the thread does."""
        gap = self.books.notice(now)
        self.gaps += [gap] if gap else []
        stuck, old = self.books.find_late(now)
        self.stuck += [(run.entry.name, claimed) for run, claimed in stuck]
        self.old += [entry.name for entry in old]
        runs = self.books.launch_due(now)
        self.rest()
        return runs

    def rest(self) -> None:
        """Mean to look again when that is needed, as the thread does that was woken."""
        self.books.looks_at = self.wakes_at

    def lone(self, now: float) -> Run:
        """Look, and there is one run to make."""
        (run,) = self.look(now)
        return run

    def make(self, run: Run, start: float, end: float, interval: float = EVERY, **outlook: Any) -> list[Run]:
        """Make a run, and end it: what may be launched then."""
        assert self.books.begin(run, start) and self.books.claim(run)
        runs = self.books.end(run, Outlook(interval, **outlook), end)
        self.rest()
        return runs

    def turn(self, now: float, **outlook: Any) -> list[Run]:
        """Look, and make what is due in no time."""
        runs = self.look(now)
        for run in runs:
            self.make(run, now, now, **outlook)
        return runs

    @property
    def wakes_at(self) -> float:
        """When to look again."""
        return self.books.wakes_at(NEVER)

    def figure(self, name: str, now: float = 0.0) -> float:
        """One of the figures."""
        return self.books.figures(now)[name]


def names(runs: list[Run]) -> list[str]:
    """Whose runs these are."""
    return [run.entry.name for run in runs]


def suspects(desk: Desk, number: int, interval: float = EVERY, timeout: float = TIMEOUT) -> list[Run]:
    """So many checks that timed out at 0, and what is launched of them at their next turn."""
    for n in range(number):
        desk.arm(str(n), timeout=timeout, interval=interval)
    desk.turn(0.0, interval=interval, timed_out=True)
    return desk.look(interval)


# The phase


def test_it_is_launched_when_it_is_due() -> None:
    """Not before, and once."""
    desk = Desk()
    desk.arm("a", due=3.0)
    assert [[], ["a"], []] == [names(desk.look(now)) for now in (2.9, 3.0, 3.1)]


def test_earlier_turns_are_launched_first() -> None:
    """Whatever the order in which they were armed."""
    desk = Desk()
    for name, due in (("c", 0.3), ("a", 0.1), ("b", 0.2)):
        desk.arm(name, due)
    assert ["a", "b", "c"] == names(desk.look(0.5))


def test_the_next_turn_is_in_the_phase() -> None:
    """However late the run began, and however long it took."""
    desk = Desk()
    entry = desk.arm("a", due=1.0)
    desk.make(desk.lone(1.0), 1.5, 8.0)
    assert 11.0 == desk.books.next_run(entry)


def test_intervals_add_up_from_the_first_turn() -> None:
    """Drawn anew each time, they are a rhythm all the same."""
    desk = Desk()
    desk.arm("a")
    turns = []
    for interval in (1.0, 2.5, 4.0):
        now = desk.wakes_at
        desk.make(desk.lone(now), now, now, interval)
        turns.append(desk.wakes_at)
    assert [1.0, 3.5, 7.5] == turns


def test_turns_that_a_long_run_takes_up_are_missed() -> None:
    """They are counted, and the next one is in the phase."""
    desk = Desk()
    entry = desk.arm("a", timeout=100.0)
    desk.make(desk.lone(0.0), 0.0, 35.0)
    assert (40.0, 3) == (desk.books.next_run(entry), desk.figure("missed"))


def test_what_runs_is_not_launched_again() -> None:
    """However many of its turns go by."""
    desk = Desk()
    desk.arm("a", timeout=1000.0)
    desk.look(0.0)
    assert [] == [run for second in range(1, 100) for run in desk.look(second)]


def test_the_next_run_is_told() -> None:
    """What runs was due when it was due; what is not armed has none."""
    desk, stranger = Desk(), Entry("b", TIMEOUT, None)
    entry = desk.arm("a", due=3.0)
    before = desk.books.next_run(entry)
    desk.look(3.5)
    assert (3.0, 3.0, None) == (before, desk.books.next_run(entry), desk.books.next_run(stranger))


# Retries


def test_a_retry_comes_before_the_next_turn() -> None:
    """And the turns stay where they were."""
    desk = Desk()
    desk.arm("a")
    seen = []
    for retry in (2.0, 2.0, None, None):
        desk.turn(desk.wakes_at, retry=retry)
        seen.append(desk.wakes_at)
    assert ([2.0, 4.0, 10.0, 20.0], 0) == (seen, desk.figure("missed"))


def test_a_retry_is_never_later_than_the_turn() -> None:
    """The turn is made instead, and is a turn."""
    desk = Desk()
    desk.arm("a")
    seen = []
    for _ in range(4):
        desk.turn(desk.wakes_at, retry=4.0)
        seen.append(desk.wakes_at)
    assert [4.0, 8.0, 10.0, 14.0] == seen


def test_turns_missed_during_retries_are_counted_once() -> None:
    """A retry that takes long skips turns; further retries do not count them again."""
    desk = Desk()
    desk.arm("a", timeout=100.0)
    desk.turn(0.0, retry=2.0)
    desk.make(desk.lone(2.0), 2.0, 45.0, retry=2.0)
    before = desk.wakes_at, desk.figure("missed")
    desk.turn(47.0, retry=2.0)
    assert ((47.0, 4), 4) == (before, desk.figure("missed"))


# Suspects


def test_suspects_have_a_share() -> None:
    """No more are launched than may run; the others are held, and show in the queue."""
    desk = Desk(most_suspects=2)
    launched = suspects(desk, 5)
    assert (["0", "1"], 5) == (names(launched), desk.figure("queue"))


def test_others_pass_by_held_suspects() -> None:
    """What did not time out is launched as ever."""
    desk = Desk(most_suspects=1)
    suspects(desk, 3)
    desk.arm("sound", due=10.5)
    assert ["sound"] == names(desk.look(10.5))


def test_the_end_of_a_suspect_launches_a_held_one() -> None:
    """At once, in the order in which they were held."""
    desk = Desk(most_suspects=1)
    (first,) = suspects(desk, 3)
    (second,) = desk.make(first, 10.0, 10.5)
    (third,) = desk.make(second, 10.5, 11.0)
    assert (["1", "2"], []) == (names([second, third]), desk.make(third, 11.0, 11.5))


def test_a_suspect_that_passes_is_none_any_more() -> None:
    """Its next run takes nobody's share."""
    desk = Desk(most_suspects=1)
    (run,) = suspects(desk, 1)
    desk.make(run, 10.0, 10.0)
    assert not run.entry.suspect and not desk.lone(20.0).suspect


def test_a_stuck_suspect_gives_its_share_back() -> None:
    """The one behind it is launched."""
    desk = Desk(most_suspects=1)
    (first,) = suspects(desk, 2)
    desk.books.begin(first, 10.0)
    assert ["1"] == names(desk.look(10.0 + TIMEOUT + GRACE))


def test_what_was_held_is_not_late() -> None:
    """Its waiting is meant: it counts in no lag."""
    desk = Desk(most_suspects=1)
    (first,) = suspects(desk, 2)
    (second,) = desk.make(first, 10.0, 14.0)
    desk.books.begin(second, 14.0)
    assert (0.0, 0.0) == (desk.figure("lag_s", 14.0), desk.books.peak(14.0))


def test_a_held_suspect_can_be_disarmed() -> None:
    """It waits no more, and may be armed again at once."""
    desk = Desk(most_suspects=1)
    (first,) = suspects(desk, 2)
    other = next(run.entry for run in desk.books._held)
    desk.books.disarm(other)
    queue = desk.figure("queue", 10.0)
    desk.books.arm(other, 12.0)
    assert (1, [], 12.0) == (queue, desk.make(first, 10.0, 11.0), desk.books.next_run(other))


# Stuck runs


def test_a_run_is_stuck_after_its_timeout_and_grace() -> None:
    """From its start on, not before, and told once."""
    desk = Desk()
    desk.arm("a")
    desk.books.begin(desk.lone(0.0), 1.0)
    for now in (5.6, 6.4):
        desk.look(now)
    before = list(desk.stuck)
    for now in (6.5, 7.0):
        desk.look(now)
    assert ([], [("a", True)]) == (before, desk.stuck)


def test_a_run_that_ended_in_time_is_not_stuck() -> None:
    """Nobody looks for it any more."""
    desk = Desk()
    desk.arm("a", interval=1000.0)
    desk.make(desk.lone(0.0), 0.0, 5.4, interval=1000.0)
    desk.look(6.0)
    assert ([], 1000.0) == (desk.stuck, desk.wakes_at)


def test_a_stuck_run_cannot_claim() -> None:
    """It is claimed for whoever gives it up."""
    desk = Desk()
    desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    desk.look(5.5)
    assert run.stuck and not desk.books.claim(run)


def test_a_run_that_has_claimed_is_stuck_but_not_given_up() -> None:
    """Its worker is wanted back, its result is its own."""
    desk = Desk()
    desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    desk.books.claim(run)
    desk.look(5.5)
    assert [("a", False)] == desk.stuck


def test_what_waits_is_not_stuck() -> None:
    """Its timeout begins when it does."""
    desk = Desk()
    desk.arm("a")
    run = desk.lone(0.0)
    for now in (5.5, 11.0, 16.5):
        desk.look(now)
    before = list(desk.stuck)
    desk.books.begin(run, 17.0)
    desk.look(22.5)
    assert ([], [("a", True)]) == (before, desk.stuck)


def test_a_stuck_check_is_run_again_when_it_ends() -> None:
    """In its phase, and not before."""
    desk = Desk()
    entry = desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    for now in (5.5, 10.0, 20.0, 30.0):
        desk.look(now)
    before = desk.books.next_run(entry)
    desk.books.end(run, Outlook(EVERY), 33.0)
    assert (0.0, 40.0) == (before, desk.books.next_run(entry))


def test_a_stuck_run_that_keeps_its_worker_is_counted_until_it_ends() -> None:
    """Too many were set aside already."""
    desk = Desk()
    desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    desk.look(5.5)
    desk.books.overstays(run)
    before = desk.figure("overstayed")
    desk.books.end(run, Outlook(EVERY), 6.0)
    desk.books.overstays(run)
    assert (1, 0) == (before, desk.figure("overstayed"))


# Claims


def test_a_run_is_claimed_once() -> None:
    """Only the first who asks may record."""
    desk = Desk()
    desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    assert [True, False] == [desk.books.claim(run) for _ in range(2)]


def test_a_disarmed_run_is_not_wanted() -> None:
    """Neither if it waits nor if it is under way, and there is no next one."""
    desk = Desk()
    entry = desk.arm("a")
    run = desk.lone(0.0)
    desk.books.disarm(entry)
    wanted = desk.books.begin(run, 0.0)
    desk.books.end(run, None, 0.0)
    assert (False, False, None) == (wanted, desk.books.claim(run), desk.books.next_run(entry))


def test_armed_again_it_waits_for_its_run() -> None:
    """Then it runs at the time for which it was armed."""
    desk = Desk()
    entry = desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    desk.books.disarm(entry)
    desk.books.arm(entry, 3.0)
    before = desk.wakes_at
    desk.books.end(run, Outlook(EVERY), 2.0)
    assert (TIMEOUT + GRACE, 3.0) == (before, desk.wakes_at)


# From books to books


def test_after_a_halt_nothing_is_wanted() -> None:
    """What waits is not made, what runs does not count, and nothing follows."""
    desk = Desk()
    for name in "ab":
        desk.arm(name)
    running, waiting = desk.look(0.0)
    desk.books.begin(running, 0.0)
    desk.books.halt()
    wanted = desk.books.begin(waiting, 1.0), desk.books.claim(running)
    desk.books.end(running, Outlook(EVERY), 1.0)
    assert ((False, False), None) == (wanted, desk.books.next_run(running.entry))


def test_what_runs_in_one_is_armed_in_the_other_when_it_ends() -> None:
    """Nothing overlaps itself over a restart."""
    old, new = Desk(), Desk()
    entry = old.arm("a")
    run = old.lone(0.0)
    old.books.begin(run, 0.0)
    old.books.halt()
    new.books.arm(entry, 1.0)
    before = new.look(2.0)
    old.books.end(run, Outlook(EVERY), 3.0)
    assert ([], ["a"]) == (before, names(new.look(3.0)))


def test_what_waits_in_one_is_armed_in_the_other_at_the_halt() -> None:
    """Its run will not be made, so nothing is to wait for."""
    old, new = Desk(), Desk()
    entry = old.arm("a")
    old.look(0.0)
    new.books.arm(entry, 1.0)
    old.books.halt()
    assert ["a"] == names(new.look(1.0))


def test_a_halt_is_no_gap() -> None:
    """That nobody looks at the clock any more is meant: a run that ends late tells of no suspended machine."""
    desk = Desk()
    desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    desk.books.halt()
    assert None is desk.books.notice(3600.0) and 0.0 == desk.figure("suspended_s")


# Gaps


def test_a_late_look_is_a_gap() -> None:
    """From when the clock should have been looked at until now."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    desk.look(100.0)
    assert ([Gap(10.0, 100.0)], 90.0) == (desk.gaps, desk.figure("suspended_s"))


def test_a_look_that_is_a_little_late_is_none() -> None:
    """Threads may have to wait for a processor."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    desk.look(10.0 + LATE)
    assert ([], 0.0) == (desk.gaps, desk.figure("suspended_s"))


def test_a_gap_is_noticed_once() -> None:
    """By the first who comes; the others find nothing."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    assert [Gap(10.0, 100.0), None, None] == [desk.books.notice(now) for now in (100.0, 100.0, 105.0)]


def test_no_other_gap_before_the_clock_was_looked_at() -> None:
    """Who only reads cannot excuse a thread that is dead; once it has looked, there may be another one."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    seen = [desk.books.notice(now) for now in (100.0, 1000.0)]
    desk.turn(1000.0)
    assert [Gap(10.0, 100.0), None, Gap(1010.0, 2000.0)] == [*seen, desk.books.notice(2000.0)]


def test_who_never_looked_was_never_late() -> None:
    """Before the first look nothing is promised."""
    desk = Desk()
    desk.arm("a", due=10.0)
    assert None is desk.books.notice(1e6)


def test_what_sleeps_without_end_is_never_late() -> None:
    """With nothing to do, nobody has to look."""
    desk = Desk()
    desk.look(0.0)
    desk.look(1e9)
    assert [] == desk.gaps


def test_a_gap_between_two_looks_in_a_row() -> None:
    """A thread that was at work, and did not sleep, is stopped as well."""
    desk = Desk()
    desk.arm("a")
    desk.books.launch_due(0.0)
    assert Gap(0.0, 50.0) == desk.books.notice(50.0)


def test_a_run_that_was_cut_is_not_given_up_at_once() -> None:
    """Its deadline is put off, even if that was the very instant for which somebody was to look."""
    desk = Desk()
    desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    desk.look(100.0)
    assert [] == desk.stuck and run.deadline > 100.0


def test_a_run_that_was_cut_has_the_rest_of_its_time() -> None:
    """Of 5.5 s two were over when the clock was to be looked at; at the latest it is given up after its whole time."""
    desk = Desk()
    desk.arm("a")
    desk.arm("b", due=2.0)
    desk.books.begin(desk.lone(0.0), 0.0)
    now = 102.0
    desk.look(now)
    while not desk.stuck:
        now = desk.wakes_at
        desk.look(now)
    assert [("a", True)] == desk.stuck and 3.5 <= now - 102.0 <= TIMEOUT + GRACE


def test_a_run_knows_that_it_was_cut() -> None:
    """It has slept; one that begins after the gap has not."""
    desk = Desk()
    desk.arm("a")
    desk.arm("b", due=2.0)
    cut = desk.lone(0.0)
    desk.books.begin(cut, 0.0)
    (late,) = desk.look(102.0)
    desk.books.begin(late, 102.0)
    assert (100.0, 0.0) == (cut.slept, late.slept)


def test_a_gap_is_no_lag() -> None:
    """Neither of what waited through it, nor of what became due in it, nor of what is spread after it."""
    desk = Desk()
    desk.arm("waits")
    runs = desk.look(0.0)
    for n in range(3 * AT_ONCE):
        desk.arm(str(n), due=1.0)
    desk.rest()
    now = 1001.0
    while len(runs) < 1 + 3 * AT_ONCE or not all(run.started for run in runs):
        runs += desk.look(now)
        for run in runs:
            if run.started is None:
                desk.books.begin(run, now)
        now = desk.wakes_at
    assert (1.0, 1.0) == (desk.figure("lag_s", 1002.0), desk.books.peak(1002.0))


def test_the_wait_before_and_after_a_gap_is_lag() -> None:
    """One second until it began, two after it was over."""
    desk = Desk()
    desk.arm("a")
    desk.arm("b", due=1.0)
    (run,) = desk.look(0.0)
    desk.look(501.0)
    desk.books.begin(run, 503.0)
    assert 3.0 == desk.books.peak(503.0)


def overdue(number: int, interval: float = 60.0, gap: float = 3600.0) -> tuple[Desk, list[tuple[float, str]]]:
    """So many checks over which the machine slept, and when each was launched after it."""
    desk = Desk()
    launched: list[tuple[float, str]] = []
    for n in range(number):
        desk.arm(f"{n:04}", due=1.0, interval=interval)
    desk.look(0.0)
    now = 1.0 + gap
    while len(launched) < number:
        for run in desk.look(now):
            launched.append((now - 1.0 - gap, run.entry.name))
            desk.make(run, now, now, interval)
        now = desk.wakes_at
    return desk, launched


def test_after_a_gap_a_few_are_started_at_once() -> None:
    """The others later, each once, in the order in which they were due."""
    _, launched = overdue(1000)
    at_once = [name for at, name in launched if at == 0.0]
    assert (AT_ONCE, sorted(name for _, name in launched)) == (len(at_once), [name for _, name in launched])


def test_after_a_gap_the_rest_is_spread_at_200_a_second() -> None:
    """In steps of ten, and all within the time that so many need."""
    _, launched = overdue(1000)
    seconds, steps = Counter(int(at + 1e-9) for at, _ in launched), Counter(at for at, _ in launched)
    assert (dict.fromkeys(range(5), FIRST_RUNS), {AT_ONCE}) == (dict(seconds), set(steps.values()))


def test_spread_turns_are_never_later_than_their_interval() -> None:
    """A check that is polled often is not held up by many others."""
    _, launched = overdue(1000, interval=0.5)
    assert max(at for at, _ in launched) <= 0.5


def test_each_is_spread_by_its_own_interval() -> None:
    """Beside many of a minute one of a tenth of a second comes within that."""
    desk = Desk()
    for n in range(999):
        desk.arm(f"{n:04}", due=1.0, interval=60.0)
    often = desk.arm("often", due=1.0, interval=0.1)
    desk.look(0.0)
    desk.look(3601.0)
    due = desk.books.next_run(often)
    assert due is not None and 3601.0 <= due <= 3601.1


def test_few_are_all_started_at_once() -> None:
    """Spreading is for many."""
    _, launched = overdue(AT_ONCE)
    assert {0.0} == {at for at, _ in launched}


def test_after_a_gap_each_goes_on_in_its_rhythm() -> None:
    """Whether it was started at once or spread."""
    desk = Desk()
    entries = [desk.arm(str(n), due=1.0 + n / 100) for n in range(50)]
    desk.look(0.0)
    now = 3606.0
    while now < 3608.0:
        desk.turn(now)
        now = desk.wakes_at
    expected = [3611.0 + n / 100 for n in range(50)]
    assert pytest.approx(expected) == [desk.books.next_run(entry) for entry in entries]


@pytest.mark.parametrize("number", [1, 50])
def test_turns_that_were_slept_through_are_missed(number: int) -> None:
    """Of 360 of each one is made up for, at once or spread."""
    desk, _ = overdue(number, interval=10.0, gap=3595.0)
    assert 359 * number == desk.figure("missed")


def test_a_second_gap_in_the_midst_of_spreading() -> None:
    """Who was yet to come is spread again, and keeps its rhythm."""
    desk = Desk()
    entries = [desk.arm(str(n), due=1.0) for n in range(50)]
    desk.look(0.0)
    desk.turn(1001.0)
    now = 2006.0
    while now < 2008.0:
        desk.turn(now)
        now = desk.wakes_at
    assert {2011.0} == {desk.books.next_run(entry) for entry in entries}


def test_a_retry_that_was_slept_through_is_made() -> None:
    """And the turns are where they were."""
    desk = Desk()
    entry = desk.arm("a")
    desk.turn(0.0, retry=2.0)
    desk.turn(1005.0)
    assert (1010.0, 100) == (desk.books.next_run(entry), desk.figure("missed"))


def test_without_a_gap_nothing_is_spread() -> None:
    """Many that are due at one time are all launched then."""
    desk = Desk()
    for n in range(100):
        desk.arm(str(n), due=1.0)
    desk.look(0.0)
    assert 100 == len(desk.look(1.0 + LATE))


def test_suspects_have_their_share_after_a_gap_too() -> None:
    """What is overdue does not pass by."""
    desk = Desk(most_suspects=2)
    for n in range(5):
        desk.arm(str(n))
    desk.turn(0.0, timed_out=True)
    assert 2 == len(desk.look(1000.0))


# Old results


def seen_once(desk: Desk, name: str = "a", **options: Any) -> Run:
    """A check that was seen at 0, and its next run, launched in its turn."""
    desk.arm(name, **options)
    desk.turn(0.0)
    return desk.lone(EVERY)


def first_old(desk: Desk, start: float, end: float) -> float:
    """Look on from `start`, each time when it is needed: when something old was found, inf for never."""
    now = start
    while now <= end and not desk.old:
        now = max(now, desk.wakes_at)
        desk.look(min(now, end + 1.0))
    return now if desk.old else math.inf


def test_what_waits_grows_old() -> None:
    """It is found when its latest result counts no more, at that very moment."""
    desk = Desk()
    seen_once(desk)
    assert (LASTING, ["a"]) == (first_old(desk, EVERY, 100.0), desk.old)


def test_what_is_held_grows_old() -> None:
    """A suspect that waits for another one to end."""
    desk = Desk(most_suspects=1)
    first, *_ = suspects(desk, 2, timeout=45.0)
    desk.books.begin(first, 10.0)
    assert (2 * EVERY + 45.0, ["1"]) == (first_old(desk, EVERY, 100.0), desk.old)


def test_what_is_stuck_grows_old() -> None:
    """Giving it up is a result, which counts as long as any."""
    desk = Desk()
    run = seen_once(desk)
    desk.books.begin(run, EVERY)
    desk.look(EVERY + TIMEOUT + GRACE)
    assert EVERY + TIMEOUT + GRACE + LASTING == first_old(desk, EVERY + TIMEOUT + GRACE, 100.0)


def test_what_is_stuck_after_its_claim_grows_old() -> None:
    """Nobody gives it up, so its latest result is the one before."""
    desk = Desk()
    run = seen_once(desk)
    desk.books.begin(run, EVERY)
    desk.books.claim(run)
    assert LASTING == first_old(desk, EVERY, 100.0)


def test_what_is_old_is_told_once() -> None:
    """However often somebody looks."""
    desk = Desk()
    seen_once(desk)
    for second in range(10, 1000):
        desk.look(float(second))
    assert ["a"] == desk.old


def test_what_is_old_may_grow_old_again() -> None:
    """Once there was another result."""
    desk = Desk()
    run = seen_once(desk)
    first_old(desk, EVERY, 100.0)
    desk.make(run, 30.0, 30.0)
    desk.old.clear()
    desk.look(40.0)
    assert 30.0 + LASTING == first_old(desk, 40.0, 200.0)


def test_what_was_never_seen_does_not_grow_old() -> None:
    """It is unknown as it is."""
    desk = Desk()
    desk.arm("a")
    desk.look(0.0)
    assert math.inf == first_old(desk, 0.0, 1000.0)


def test_what_is_seen_in_time_does_not_grow_old() -> None:
    """Turn after turn."""
    desk = Desk()
    desk.arm("a")
    for turn in range(100):
        desk.turn(EVERY * turn)
    assert [] == desk.old


def test_a_gap_makes_nothing_old() -> None:
    """What waited through it grows old that much later."""
    desk = Desk()
    seen_once(desk)
    desk.look(1000.0)
    slept = desk.books.slept
    assert [] == desk.old and LASTING + slept == first_old(desk, 1000.0, 2000.0)


def test_a_gap_makes_nothing_old_of_what_becomes_due_in_it() -> None:
    """Launched after it, it waits, and has the time that was left."""
    desk = Desk()
    desk.arm("a")
    desk.turn(0.0)
    desk.look(1000.0)
    assert [] == desk.old and LASTING + (1000.0 - EVERY) == first_old(desk, 1000.0, 2000.0)


def test_a_run_that_was_cut_makes_nothing_young() -> None:
    """It is not recorded, so the result before it is the latest."""
    desk = Desk()
    run = seen_once(desk)
    desk.arm("other", due=11.0)
    desk.books.begin(run, EVERY)
    desk.rest()
    desk.look(1011.0)
    desk.books.end(run, Outlook(EVERY, 2.0), 1011.0)
    desk.rest()
    assert LASTING + desk.books.slept == first_old(desk, 1011.0, 3000.0)


def test_what_is_disarmed_does_not_grow_old() -> None:
    """It is paused or gone, even if a run of it is still on its way."""
    desk = Desk()
    run = seen_once(desk)
    desk.books.begin(run, EVERY)
    desk.books.disarm(run.entry)
    assert math.inf == first_old(desk, EVERY, 1000.0)


# Waking


def test_with_nothing_pending_nobody_wakes() -> None:
    """Not at the beginning, and not when all has ended and nothing follows."""
    desk = Desk()
    before = desk.wakes_at
    desk.arm("a")
    run = desk.lone(0.0)
    desk.books.begin(run, 0.0)
    desk.books.disarm(run.entry)
    desk.books.end(run, Outlook(EVERY), 1.0)
    assert (NEVER, NEVER) == (before, desk.wakes_at)


def test_it_wakes_for_what_comes_first() -> None:
    """A turn, a deadline, or what the owner means to do."""
    desk = Desk()
    desk.arm("a")
    desk.look(0.0)
    deadline = desk.wakes_at
    desk.arm("b", due=3.0)
    assert (5.5, 3.0, 1.0) == (deadline, desk.wakes_at, desk.books.wakes_at(1.0))


@pytest.mark.parametrize(("due", "wakes"), [(9.0, 1), (10.0, 0), (11.0, 0)])
def test_an_earlier_turn_wakes(due: float, wakes: int) -> None:
    """One of the same time, or a later one, does not."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    before = desk.wakes
    desk.arm("b", due=due)
    assert wakes == desk.wakes - before


def test_a_next_turn_wakes_who_sleeps_longer() -> None:
    """A retry that comes before the deadline for which the thread waits."""
    desk = Desk()
    desk.arm("a", interval=1000.0)
    run = desk.lone(0.0)
    before = desk.wakes
    desk.make(run, 0.0, 0.1, 1000.0, retry=2.0)
    assert 1 == desk.wakes - before


def test_a_next_turn_does_not_wake_who_looks_before_it() -> None:
    """There is another run whose deadline comes first."""
    desk = Desk()
    for name in "ab":
        desk.arm(name)
    run, other = desk.look(0.0)
    desk.books.begin(other, 0.0)
    before = desk.wakes
    desk.make(run, 0.0, 0.1)
    assert 0 == desk.wakes - before


def test_a_held_suspect_that_is_launched_wakes_for_its_deadline() -> None:
    """When it comes before that for which the thread waits."""
    desk = Desk(most_suspects=1)
    desk.arm("long", timeout=600.0, interval=1000.0)
    desk.arm("short", timeout=1.0, interval=1000.0)
    desk.turn(0.0, interval=1000.0, timed_out=True)
    (long,) = desk.look(1000.0)
    desk.books.begin(long, 1000.0)
    before = desk.wakes
    desk.books.end(long, Outlook(1000.0), 1010.0)
    assert (1, 1011.5) == (desk.wakes - before, desk.wakes_at)


def test_a_gap_wakes() -> None:
    """What is overdue is not left to wait until the thread looks by itself."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    before = desk.wakes
    desk.books.notice(100.0)
    assert 1 == desk.wakes - before


def test_a_halt_wakes() -> None:
    """The thread has to go."""
    desk = Desk()
    desk.look(0.0)
    desk.books.halt()
    assert 1 == desk.wakes


# Figures


def test_the_figures_of_a_beginning() -> None:
    """Nothing waits, nothing was late."""
    expected = {"queue": 0, "lag_s": 0.0, "missed": 0, "suspended_s": 0.0, "overstayed": 0}
    assert expected == Desk().books.figures(1000.0)


def test_the_lag_is_of_what_began_and_of_what_waits() -> None:
    """Whichever is more."""
    desk = Desk()
    for name in "ab":
        desk.arm(name)
    first, _ = desk.look(0.0)
    desk.books.begin(first, 0.5)
    assert (0.5, 0.75) == (desk.figure("lag_s", 0.25), desk.figure("lag_s", 0.75))


def test_the_peak_is_of_the_time_since_it_was_asked() -> None:
    """The most that a run began too late, or waits by now."""
    desk = Desk()
    desk.arm("a", timeout=100.0)
    run = desk.lone(0.0)
    waiting = desk.books.peak(3.0)
    desk.make(run, 4.0, 4.0)
    assert (3.0, 4.0, True) == (waiting, desk.books.peak(4.0), desk.books.peak(4.0) <= 0.0)


def test_what_nobody_launches_is_late() -> None:
    """When nobody looks at the clock any more, what is due and not launched counts as what waits for a worker."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    desk.books.notice(100.0)
    assert 25.0 == desk.books.peak(125.0)


def test_what_nobody_ever_looked_at_is_late() -> None:
    """A thread that was never there is as bad as one that is gone."""
    desk = Desk()
    desk.arm("a", due=10.0)
    assert 25.0 == desk.books.peak(35.0)
