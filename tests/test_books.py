"""What the books of a scheduler promise, by plain calls: turns, retries, suspects, stuck runs, gaps, old results."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from minimon.books import AT_ONCE, EARLY, GRACE, LATE, NEVER, SOON, Books, Entry, Gap, Outlook, Run
from minimon.evaluate import CALM

TIMEOUT, EVERY = 5.0, 10.0
STUCK = TIMEOUT + GRACE
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

    def begun(self, name: str = "a", now: float = 0.0, **options: Any) -> Run:
        """A new entry, whose run has begun as soon as it was due."""
        self.arm(name, now, **options)
        (run,) = self.look(now)
        self.books.begin(run, now)
        return run

    def make(self, run: Run, start: float, end: float, interval: float = EVERY, **outlook: Any) -> list[Run]:
        """Make a run, and end it: what may be launched then."""
        assert self.books.begin(run, start) and self.books.claim(run)
        runs = self.books.end(run, Outlook(interval, **outlook), end)
        self.rest()
        return runs

    def turn(self, now: float, **outlook: Any) -> list[Run]:
        """Look, and make what is due in no time, and what may be launched then."""
        runs = self.look(now)
        for run in runs:
            runs += self.make(run, now, now, **outlook)
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


# The phase, and retries


def test_it_is_launched_when_it_is_due() -> None:
    """Not before, and once; its next run is told meanwhile, and what is not armed has none."""
    desk = Desk()
    entry = desk.arm("a", due=3.0)
    seen = [(names(desk.look(now)), desk.books.next_run(entry)) for now in (2.9, 3.0, 3.1)]
    assert [([], 3.0), (["a"], 3.0), ([], 3.0)] == seen and None is desk.books.next_run(Entry("b", TIMEOUT, None))


def test_any_life_is_in_the_phase() -> None:
    """Intervals add up, however late runs begin and long they take; a retry comes before the next turn or is none;
    turns that pass meanwhile are missed, each once; nothing is launched beside a run."""
    chance = random.Random(1)
    for _ in range(300):
        desk = Desk()
        desk.arm("a", timeout=1000.0)
        now, turn, missed = 0.0, 0.0, 0
        for _ in range(20):
            (run,) = desk.look(now)
            begun = now + chance.choice([0.0, 0.5])
            ended = begun + chance.choice([0.0, 0.0, 1.0, 7.5, 10.0, 35.0])
            assert [[]] * 2 == [desk.look(begun), desk.look(ended)]
            interval, retry = chance.choice([10.0, 10.0, 2.5]), chance.choice([None, 2.0, 4.0, 12.0])
            desk.make(run, begun, ended, interval, retry=retry)
            while turn + interval <= ended:
                turn, missed = turn + interval, missed + 1
            now = min(turn + interval, ended + (retry or NEVER))
            turn += interval if now == turn + interval else 0.0
            assert (now, now, missed) == (desk.wakes_at, desk.books.next_run(run.entry), desk.figure("missed"))


# Suspects


def test_suspects_have_a_share() -> None:
    """The others are held and in the queue, and launched in order when one ends: that is no lag. What is sound goes by,
    and who passes is no suspect any more."""
    desk = Desk(most_suspects=2)
    made = suspects(desk, 5)
    assert (["0", "1"], 5) == (names(made), desk.figure("queue"))
    desk.arm("sound", due=13.0)
    (sound,) = desk.look(13.0)
    for run in made:
        desk.books.begin(run, 13.0 if run.held else 10.0)
        made += desk.books.end(run, Outlook(1000.0), 13.0)
    desk.books.begin(sound, 13.0)
    assert (["0", "1", "2", "3", "4"], {False}) == (names(made), {run.entry.suspect for run in made})
    assert (0.0, 0.0) == (desk.figure("lag_s", 13.0), desk.books.peak(13.0))


def test_a_stuck_suspect_gives_its_share_back() -> None:
    """The one behind it is launched."""
    desk = Desk(most_suspects=1)
    (first,) = suspects(desk, 2)
    desk.books.begin(first, 10.0)
    assert ["1"] == names(desk.look(10.0 + STUCK))


def test_a_held_suspect_can_be_disarmed() -> None:
    """It waits no more, and may be armed again at once."""
    desk = Desk(most_suspects=1)
    (first,) = suspects(desk, 2)
    other = next(run.entry for run in desk.books._held)
    desk.books.disarm(other)
    queue = desk.figure("queue", 10.0)
    desk.books.arm(other, 12.0)
    assert (1, [], 12.0) == (queue, desk.make(first, 10.0, 11.0), desk.books.next_run(other))


# Stuck runs, and claims


@pytest.mark.parametrize("claimed", [False, True])
def test_a_run_is_stuck_after_its_timeout_and_grace(claimed: bool) -> None:
    """From its start on, not before, and told once; only the first claim counts, be it of who gives it up."""
    desk = Desk()
    desk.arm("a")
    (run,) = desk.look(0.0)
    for now in (5.5, 11.0, 16.5):  # it waits
        desk.look(now)
    desk.books.begin(run, 17.0)
    claims = [desk.books.claim(run)] if claimed else []
    for now in (22.1, 22.4):
        desk.look(now)
    before = list(desk.stuck), run.stuck
    for now in (22.5, 23.0):
        desk.look(now)
    claims.append(desk.books.claim(run))
    assert (([], False), [("a", not claimed)], True) == (before, desk.stuck, run.stuck)
    assert [True] * claimed + [False] == claims


def test_a_run_that_ended_in_time_is_not_stuck() -> None:
    """Nobody looks for it any more."""
    desk = Desk()
    run = desk.begun()
    desk.make(run, 0.0, 5.4, interval=1000.0)
    desk.look(6.0)
    assert ([], 1000.0) == (desk.stuck, desk.wakes_at)


def test_a_stuck_check_is_run_again_when_it_ends() -> None:
    """In its phase, and not before; until then it is counted when it keeps its worker, for too many were set aside."""
    desk = Desk()
    run = desk.begun()
    for now in (5.5, 10.0, 20.0, 30.0):
        desk.look(now)
    desk.books.overstays(run)
    before = desk.books.next_run(run.entry), desk.figure("overstayed")
    desk.books.end(run, Outlook(EVERY), 33.0)
    desk.books.overstays(run)
    assert ((0.0, 1), (40.0, 0)) == (before, (desk.books.next_run(run.entry), desk.figure("overstayed")))


@pytest.mark.parametrize("again", [None, 3.0])
def test_a_disarmed_run_is_not_wanted(again: float | None) -> None:
    """Neither if it waits nor if it is under way; there is no next one, or when it has ended, if armed for it again."""
    desk = Desk()
    running = desk.begun("a")
    desk.arm("b")
    (waiting,) = desk.look(0.0)
    for run in (running, waiting):
        desk.books.disarm(run.entry)
        if again is not None:
            desk.books.arm(run.entry, again)
    wanted = desk.books.begin(waiting, 0.0), desk.books.claim(running), desk.look(again or 3.0)
    desk.books.end(running, Outlook(EVERY), 3.5)
    desk.books.end(waiting, None, 3.5)
    assert (False, False, []) == wanted
    assert [again] * 2 == [desk.books.next_run(run.entry) for run in (running, waiting)]


# From books to books


def test_after_a_halt_nothing_is_wanted() -> None:
    """What waits is not made, what runs does not count, nothing follows, nobody looks at the clock, and that is meant:
    a run that ends late tells of no suspended machine."""
    desk = Desk()
    running = desk.begun("a")
    waiting = desk.arm("b"), *desk.look(0.0)
    wakes = desk.wakes
    desk.books.halt()
    wanted = desk.books.begin(waiting[1], 1.0), desk.books.claim(running), desk.books.notice(3600.0)
    desk.books.end(running, Outlook(EVERY), 3600.0)
    assert ((False, False, None), None, 1) == (wanted, desk.books.next_run(running.entry), desk.wakes - wakes)


def test_what_is_in_one_is_armed_in_the_other() -> None:
    """What waits at the halt, for its run will not be made; what runs when it ends, so that nothing overlaps itself."""
    old, new = Desk(), Desk()
    running = old.begun("runs")
    waiting = old.arm("waits")
    old.look(0.0)
    for entry in (running.entry, waiting):
        new.books.arm(entry, 1.0)
    before = new.look(1.0)
    old.books.halt()
    at_the_halt = new.look(1.5)
    old.books.end(running, Outlook(EVERY), 2.0)
    assert ([], ["waits"], ["runs"]) == (before, names(at_the_halt), names(new.look(2.0)))


# Gaps


@pytest.mark.parametrize(
    ("due", "now", "gaps"),
    [(10.0, 100.0, [Gap(10.0, 100.0)]), (10.0, 10.0 + LATE, []), (NEVER, 1e9, [])],
    ids=["late", "a little late, for threads wait for processors", "nothing to do, so nobody has to look"],
)
def test_a_late_look_is_a_gap(due: float, now: float, gaps: list[Gap]) -> None:
    """From when the clock should have been looked at until now."""
    desk = Desk()
    desk.arm("a", due)
    desk.look(0.0)
    desk.look(now)
    assert (gaps, 90.0 if gaps else 0.0) == (desk.gaps, desk.figure("suspended_s"))


def test_a_gap_is_noticed_once() -> None:
    """Who only reads cannot excuse a thread that is dead, or never was there; once it has looked, there may be another
    gap, even if it is at work."""
    desk = Desk()
    desk.arm("a", due=10.0)
    seen = [desk.books.notice(1e6)]
    desk.look(0.0)
    wakes = desk.wakes
    seen += [desk.books.notice(now) for now in (100.0, 100.0, 1000.0)]
    woken = desk.wakes - wakes
    desk.turn(1000.0)
    desk.books.launch_due(1005.0)
    seen += [desk.books.notice(2000.0)]
    assert ([None, Gap(10.0, 100.0), None, None, Gap(1005.0, 2000.0)], 1) == (seen, woken)


@pytest.mark.parametrize("due", [2.0, STUCK])
def test_a_run_that_was_cut_has_the_rest_of_its_time(due: float) -> None:
    """Even if the gap began at the very instant of its deadline; it knows that it was cut, the next one was not."""
    desk = Desk()
    desk.arm("b", due)
    cut = desk.begun()
    now = woken = due + 100.0
    (late,) = desk.look(now)
    desk.make(late, now, now)
    before = list(desk.stuck)
    while not desk.stuck:
        now = desk.wakes_at
        desk.look(now)
    assert ([], [("a", True)], 100.0, 0.0) == (before, desk.stuck, cut.slept, late.slept)
    assert STUCK - due <= now - woken <= STUCK


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


@pytest.mark.parametrize(
    ("number", "interval", "step"),
    [(AT_ONCE, 60.0, 0.0), (50, 60.0, 0.05), (1000, 60.0, 0.05), (1000, 0.5, 0.005)],
    ids=["few are not spread", "200 a second", "many too", "never later than their interval"],
)
def test_after_a_gap_turns_are_spread(number: int, interval: float, step: float) -> None:
    """Ten at once, and then ten after each step, in the order in which they were due; the others are missed."""
    desk = Desk()
    for n in range(number):
        desk.arm(f"{n:04}", due=1.0, interval=interval)
    desk.look(0.0)
    launched: list[tuple[float, str]] = []
    now = 3601.0
    while len(launched) < number:
        launched += [(now - 3601.0, run.entry.name) for run in desk.turn(now, interval=interval)]
        now = desk.wakes_at
    assert [f"{n:04}" for n in range(number)] == [name for _, name in launched]
    assert pytest.approx([n // AT_ONCE * step for n in range(number)], abs=EARLY * 1.001) == [at for at, _ in launched]
    assert number * 3600 / interval == desk.figure("missed")


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


@pytest.mark.parametrize("ends", [[3606.0], [1001.0, 3606.0]], ids=["one", "another in the midst of spreading"])
def test_after_a_gap_each_goes_on_in_its_rhythm(ends: list[float]) -> None:
    """Whether it was started at once or spread, and spread again."""
    desk = Desk()
    entries = [desk.arm(str(n), due=1.0 + n / 100) for n in range(50)]
    desk.look(0.0)
    for end in ends:
        desk.turn(end)
    while desk.wakes_at < 3608.0:
        desk.turn(desk.wakes_at)
    expected = [3611.0 + n / 100 for n in range(50)]
    assert pytest.approx(expected) == [desk.books.next_run(entry) for entry in entries]


def test_a_retry_that_was_slept_through_is_made() -> None:
    """And the turns are where they were."""
    desk = Desk()
    entry = desk.arm("a")
    desk.turn(0.0, retry=2.0)
    desk.turn(1005.0)
    assert (1010.0, 100) == (desk.books.next_run(entry), desk.figure("missed"))


@pytest.mark.parametrize(("late", "timed_out", "launched"), [(LATE, False, 100), (LATE + 1.0, True, 2)])
def test_what_is_due_together_is_launched_together(late: float, timed_out: bool, launched: int) -> None:
    """Without a gap nothing is spread; after one suspects have their share too."""
    desk = Desk(most_suspects=2)
    for n in range(100):
        desk.arm(str(n))
    desk.turn(0.0, timed_out=timed_out)
    assert launched == len(desk.look(EVERY + late))


# Old results


def first_old(desk: Desk, start: float, end: float = 3000.0) -> float:
    """Look on from `start`, each time when it is needed: when something old was found, inf for never."""
    now = start
    while now <= end and not desk.old:
        now = max(now, desk.wakes_at)
        desk.look(min(now, end + 1.0))
    return now if desk.old else math.inf


def seen_once(desk: Desk) -> Run:
    """A check that was seen at 0, and its next run, launched in its turn."""
    desk.arm("a")
    desk.turn(0.0)
    (run,) = desk.look(EVERY)
    return run


def test_what_waits_grows_old() -> None:
    """At the moment when its latest result counts no more: told once, again when it is calm, and after another one."""
    desk = Desk()
    run = seen_once(desk)
    seen = []
    for start in (EVERY, LASTING, 700.0):
        if start == 700.0:
            desk.make(run, start, start)
            desk.look(710.0)
        seen.append((first_old(desk, start), desk.old.copy()))
        desk.old.clear()
    assert [(LASTING, ["a"]), (LASTING + CALM, ["a"]), (700.0 + LASTING, ["a"])] == seen


def test_what_is_held_grows_old() -> None:
    """A suspect that waits for another one to end."""
    desk = Desk(most_suspects=1)
    first, *_ = suspects(desk, 2, timeout=45.0)
    desk.books.begin(first, 10.0)
    assert (2 * EVERY + 45.0, ["1"]) == (first_old(desk, EVERY), desk.old)


@pytest.mark.parametrize(("claimed", "old"), [(False, EVERY + STUCK + LASTING), (True, LASTING)])
def test_what_is_stuck_grows_old(claimed: bool, old: float) -> None:
    """Giving it up is a result, which counts as long as any; after its claim the one before is the latest."""
    desk = Desk()
    run = seen_once(desk)
    desk.books.begin(run, EVERY)
    if claimed:
        desk.books.claim(run)
    assert old == first_old(desk, EVERY)


def test_what_was_never_seen_or_is_disarmed_does_not_grow_old() -> None:
    """It is unknown as it is, or paused or gone, even if a run of it is still on its way."""
    never, gone = Desk(), Desk()
    never.arm("a")
    run = seen_once(gone)
    gone.books.begin(run, EVERY)
    gone.books.disarm(run.entry)
    assert [math.inf] * 2 == [first_old(never, 0.0), first_old(gone, EVERY)]


@pytest.mark.parametrize("launched", [True, False])
def test_a_gap_makes_nothing_old(launched: bool) -> None:
    """What waited through it, or became due in it, grows old that much later."""
    desk = Desk()
    desk.arm("a")
    desk.turn(0.0)
    if launched:
        desk.look(EVERY)
    desk.look(1000.0)
    slept = desk.books.slept
    assert (EVERY + STUCK if launched else EVERY) + slept == 1000.0
    assert ([], LASTING + slept) == (list(desk.old), first_old(desk, 1000.0))


def test_a_run_that_was_cut_keeps_what_was_seen() -> None:
    """It is not recorded but made again, and until then the result before it counts, for as long as any."""
    desk = Desk()
    run = seen_once(desk)
    desk.arm("other", due=11.0)
    desk.books.begin(run, EVERY)
    desk.rest()
    desk.look(1011.0)
    desk.books.end(run, Outlook(EVERY, 2.0), 1011.0)
    desk.rest()
    assert 1011.0 + LASTING == first_old(desk, 1011.0)


# Runs that begin early


@pytest.mark.parametrize(("later", "early"), [(SOON / 2, []), (SOON * 2, ["b"]), (EARLY * 0.9, ["b"]), (EARLY, [])])
def test_what_is_due_next_begins_when_a_lone_run_ends(later: float, early: list[str]) -> None:
    """If its turn is near, but not so near that somebody looks at the clock anyway."""
    desk = Desk()
    run = desk.begun()
    desk.arm("b", 1.0 + later)
    desk.look(0.5)
    assert early == names(desk.books.end(run, Outlook(EVERY), 1.0))


@pytest.mark.parametrize("beside", ["another run", "a stuck worker", "a gap"])
def test_nothing_begins_early_where_others_see_to_it(beside: str) -> None:
    """Another run goes on, or the worker is lost, or somebody was waked to see what is overdue."""
    desk = Desk()
    run = desk.begun()
    if beside == "another run":
        desk.begun("c")
    now = {"a stuck worker": STUCK, "a gap": LASTING}.get(beside, 1.0)
    desk.arm("b", now + EARLY / 2)
    desk.look(0.5)
    if beside == "a gap":
        desk.books.notice(now)
    elif beside == "a stuck worker":
        desk.look(now)
    assert [] == desk.books.end(run, Outlook(EVERY), now)


def test_what_began_early_keeps_its_rhythm() -> None:
    """And was not late."""
    desk = Desk()
    run = desk.begun()
    other = desk.arm("b", EARLY / 2)
    desk.look(0.0)
    (early,) = desk.books.end(run, Outlook(EVERY), 0.0)
    desk.make(early, 0.0, 0.0)
    assert (EARLY / 2 + EVERY, 0.0) == (desk.books.next_run(other), desk.figure("lag_s"))


@pytest.mark.parametrize("due", [SOON / 2, EARLY / 2, EARLY * 2])
@pytest.mark.parametrize("runs", [0, 1, 2])
def test_nobody_wakes_for_what_a_lone_run_is_followed_by(runs: int, due: float) -> None:
    """When it has not ended in time, the clock is looked at; with none, or several, as ever."""
    desk = Desk()
    for n in range(runs):
        desk.begun(str(n))
    desk.arm("b", due)
    left = runs == 1 and due == EARLY / 2
    assert (EARLY if left else due) == desk.books.wakes_at(NEVER, 0.0)


# Waking


def test_it_wakes_for_what_comes_first() -> None:
    """A deadline, a turn, or what the owner means to do; with nothing pending nobody wakes."""
    desk = Desk()
    seen = [desk.wakes_at]
    run = desk.begun()
    seen.append(desk.wakes_at)
    other = desk.arm("b", due=3.0)
    seen += [desk.wakes_at, desk.books.wakes_at(1.0)]
    for entry in (run.entry, other):
        desk.books.disarm(entry)
    desk.books.end(run, Outlook(EVERY), 1.0)
    assert [NEVER, STUCK, 3.0, 1.0, NEVER] == [*seen, desk.wakes_at]


@pytest.mark.parametrize(("due", "wakes"), [(9.0, 1), (10.0, 0)])
def test_an_earlier_turn_wakes(due: float, wakes: int) -> None:
    """One of the same time, or a later one, does not."""
    desk = Desk()
    desk.arm("a", due=10.0)
    desk.look(0.0)
    before = desk.wakes
    desk.arm("b", due=due)
    assert wakes == desk.wakes - before


@pytest.mark.parametrize(("others", "wakes"), [(0, 1), (1, 0)])
def test_a_next_turn_wakes_who_sleeps_longer(others: int, wakes: int) -> None:
    """A retry that comes before the deadline for which the thread waits, but not if another run's comes first."""
    desk = Desk()
    for n in range(others):
        desk.begun(str(n), timeout=1.0)
    desk.arm("a")
    (run,) = desk.look(0.0)
    before = desk.wakes
    desk.make(run, 0.0, 0.1, retry=2.0)
    assert wakes == desk.wakes - before


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


# Figures


def test_the_lag_is_of_what_began_and_of_what_waits() -> None:
    """Whichever is more; in the beginning there is none."""
    desk = Desk()
    assert {"queue": 0, "lag_s": 0.0, "missed": 0, "suspended_s": 0.0, "overstayed": 0} == desk.books.figures(1000.0)
    for name in "ab":
        desk.arm(name)
    desk.books.begin(desk.look(0.0)[0], 0.5)
    assert (0.5, 0.75) == (desk.figure("lag_s", 0.25), desk.figure("lag_s", 0.75))


def test_the_peak_is_of_the_time_since_it_was_asked() -> None:
    """The most that a run began too late, or waits by now."""
    desk = Desk()
    desk.arm("a", timeout=100.0)
    (run,) = desk.look(0.0)
    waiting = desk.books.peak(3.0)
    desk.make(run, 4.0, 4.0)
    assert (3.0, 4.0, True) == (waiting, desk.books.peak(4.0), desk.books.peak(4.0) <= 0.0)


def test_what_nobody_launches_is_late() -> None:
    """When nobody looks at the clock any more, or ever did, what is due counts as what waits for a worker."""
    never, gone = Desk(), Desk()
    for desk in (never, gone):
        desk.arm("a", due=10.0)
    gone.look(0.0)
    gone.books.notice(100.0)
    assert [25.0, 25.0] == [never.books.peak(35.0), gone.books.peak(125.0)]
