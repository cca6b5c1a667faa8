"""The lock-guarded owner of all histories: record what was seen, and hand it out as plain data."""

from __future__ import annotations

import itertools
import math
import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from .checks import OWN, Check
from .clock import Clock
from .errors import ConfigError, UnknownCheckError, did_you_mean
from .evaluate import CALM, FLAPS, Standing, aggregate, by_group, gone_stale, lost_result
from .history import History
from .model import UNFIT, Change, CheckState, Outcome, Result, Status, View, result_view, stamp
from .views import Glimpse, check_view, glimpse

EVENTS = 50
"""Events kept, of all checks."""
ABSENCES = 64
"""Absences of the monitor kept at most, for the checks that were not run since."""
BATCH = 100
"""Checks whose history is looked into within one hold of the lock, at most."""

STATUSES = tuple(Status)
Seen = TypeVar("Seen")
_make = tuple.__new__  # see evaluate: a third of the cost of calling the class


class Event(NamedTuple):
    """Something to tell of: EVENT_KINDS lists the kinds."""

    at: float
    check: str
    kind: str
    before: str = ""
    after: str = ""
    detail: str = ""


EVENT_KINDS = {
    "change": "a check has another status",
    "flapping": f"it has changed {FLAPS} times in {CALM:.0f} s: it is silent until it did not for as long",
    "calm": "it did not change for so long, and is heard again",
    "add": "a check was added while the monitor ran",
    "remove": "it was removed",
    "pause": "it is left out for now",
    "resume": "it is polled again",
    "start": "the monitor was started",
    "stop": "it was stopped",
    "lead": "of several workers, this process is the one that polls from now on",
    "suspended": "the process or the machine stood still: that time counts as not covered",
    "clock": "somebody has set the wall clock",
    "lost": "the monitor itself has no network, as the canaries say: what fails is unknown",
    "found": "it has a network again",
    "drain": "no more requests are wanted: somebody has asked to drain",
    "undrain": "they are wanted again",
    "restored": "what was known before the process ended was read from the state file",
}
"""The kinds of events, each with its meaning."""


class Lasting(NamedTuple):
    """A state, and the seconds for which it has had its status and will count."""

    state: CheckState
    lasted: float
    left: float


class Registry:
    """The latest history of every check, and the events. The only owner of them; any thread may call any method."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._monotonic = clock, clock.monotonic
        # Guards all below. A leaf: held for dict work and the pure fold only.
        self._lock = threading.RLock()
        self._histories: dict[str, History] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._ahead = clock.time() - clock.monotonic()  # of the timeline, before the monotonic clock; never less
        self._slept = 0.0  # seconds in which nobody could look: no result grows old in them
        self._absences: list[float] = []  # when the monitor began to be absent, on the timeline
        self._absent_at = -math.inf  # the latest of these
        self.late = 0

    def add(self, check: Check, lasts: float) -> None:
        """Keep a history for this check, of which the first result is awaited for so many seconds.

        Raises ConfigError when the name is taken.
        """
        now, mono = self._clock.time(), self._clock.monotonic()
        with self._lock:
            if check.name in self._histories:
                said = "this name is the monitor's own" if check.own else "there is one of this name already"
                raise ConfigError(f"check {check.name!r}: {said}; names must differ")
            expires = mono - self._slept + lasts
            self._histories[check.name] = History(check, now, mono + self._ahead, expires)

    def awake(self) -> float:
        """The monotonic clock, without the time in which nobody could look."""
        return self._monotonic() - self._slept

    def remove(self, name: str) -> Check:
        """Forget this check; the Check that it was. Raises UnknownCheckError."""
        self._mind_name(name)
        with self._lock:
            history = self._find(name)
            del self._histories[name]
        return history.check

    def state(self, name: str) -> CheckState:
        """The state of this check, as of now. Raises UnknownCheckError."""
        self._mind_name(name)
        with self._lock:
            return self._as_of_now(self._find(name), self._clock.monotonic())

    def record(
        self, check: Check, result: Result, lasts: float, view: View | None = None, lost_since: float | None = None
    ) -> Change | None:
        """Fold one result in; it counts for `lasts` seconds. None when the check is gone, or a newer one came before.

        `view` is its result_view(), if that was made already; `lost_since`: see History.record. The caller reacts to
        the change, outside the lock.
        """
        if view is None:
            view = result_view(result)
        mono = self._monotonic()
        with self._lock:
            history = self._histories.get(check.name)
            if history is None or history.check is not check or history.state.paused:
                return None
            awake = mono - self._slept
            if awake > history.expires or history.seen <= self._absent_at:
                self._catch_up(history, mono)
            states = history.record(result, view, mono + self._ahead, self._ahead, lost_since)
            if states is None:
                self.late += 1
                return None
            history.expires = awake + lasts
            before, after = states
            change: Change = _make(Change, (check.name, check, before, after, result))
            if before.status is not after.status or before.flapping:
                self._tell_change(result.when, change)
        return change

    def _catch_up(self, history: History, mono: float) -> None:
        """What has happened to a check while nobody looked at it: it was not covered, or it grew old."""
        if mono - self._slept > history.expires:
            self._expire(history, mono)
        else:
            self._mind_absence(history)

    def _mind_absence(self, history: History) -> None:
        if history.seen <= self._absent_at:
            history.unseen(self._absences[bisect_left(self._absences, history.seen)])

    def _expire(self, history: History, mono: float) -> Change | None:
        self._mind_absence(history)
        over = mono - self._slept - history.expires
        state = history.state
        if over < 0 or state.last is None:
            return None
        if state.status is Status.UNKNOWN:
            history.unseen(mono - over + self._ahead)
            return None
        when = self._clock.time() - over
        before, after = history.expire(mono - over + self._ahead, when)
        result = Result(state.name, Outcome.UNKNOWN, "stale", after.explanation, when)
        change = Change(state.name, history.check, before, after, result)
        self._tell_change(when, change)
        return change

    def expire(self, check: Check) -> Change | None:
        """Find that no result came in time, or that what was flapping is calm by now; None when neither is new."""
        mono = self._clock.monotonic()
        with self._lock:
            history = self._histories.get(check.name)
            if history is None or history.check is not check:
                return None
            return self._expire(history, mono) or self._calm_down(history, mono)

    def _calm_down(self, history: History, mono: float) -> Change | None:
        states, last = history.calm_down(mono + self._ahead), history.state.last
        if states is None or last is None:
            return None
        change = Change(last.name, history.check, *states, last)
        self._tell_change(self._clock.time(), change)
        return change

    def lose(self, name: str, detail: str, since: float) -> Change | None:
        """Take back what failures since then (monotonic) have decided: they were the monitor's own."""
        with self._lock:
            history = self._histories.get(name)
            last = None if history is None else history.state.last
            if history is None or last is None or last.outcome is not Outcome.FAIL or (last.started or 0.0) < since:
                return None
            left = history.expires - (self._monotonic() - self._slept)
            return self.record(history.check, lost_result(last, detail), left, lost_since=since)

    def _tell_change(self, at: float, change: Change) -> None:
        before, after = change.before, change.after
        if before.flapping is after.flapping and not change.news:
            return
        kind, detail = "change", after.explanation or (after.last.detail if after.last else "")
        if after.flapping is not before.flapping:
            kind = "flapping" if after.flapping else "calm"
            detail = EVENT_KINDS[kind]
        self._events.append(Event(at, after.name, kind, before.status._value_, after.status._value_, detail))

    def _as_of_now(self, history: History, mono: float) -> CheckState:
        """The state as of now: what was not refreshed in time is unknown, since its time was over."""
        state, over = history.state, mono - self._slept - history.expires
        if over <= 0 or state.last is None or state.status is Status.UNKNOWN:
            return state
        return gone_stale(state, self._clock.time() - over)

    def await_first(self, name: str, lasts: float) -> None:
        """The first result of this check is awaited for so many seconds; of no effect after one came."""
        mono = self._clock.monotonic()
        with self._lock:
            history = self._histories.get(name)
            if history is not None and history.state.last is None:
                history.expires = mono - self._slept + lasts

    def renew(self, check: Check, lasts: float) -> None:
        """A run has ended, and nobody knows what it saw: what was seen before counts for so many seconds more."""
        mono = self._clock.monotonic()
        with self._lock:
            history = self._histories.get(check.name)
            if history is not None and history.check is check:
                history.expires = max(history.expires, mono - self._slept + lasts)

    def pause(self, name: str, paused: bool) -> bool:
        """Mark the check paused or not; True when that is new. Raises UnknownCheckError."""
        self._mind_name(name)
        mono = self._clock.monotonic()
        with self._lock:
            history = self._find(name)
            self._mind_absence(history)
            new = history.pause(paused, mono + self._ahead)
            over = mono - self._slept - history.expires
            if new and not paused and over > 0 and history.state.status is not Status.UNKNOWN:  # it grew old meanwhile
                history.expire(mono - over + self._ahead, self._clock.time() - over, quietly=True)
            return new

    def absent(self, since: float, until: float | None = None) -> None:
        """Nobody could look from then on (monotonic): that time is not covered.

        With `until` it is over, and nothing has grown old in it.
        """
        with self._lock:
            self._absences = [*self._absences, since + self._ahead][-ABSENCES:]
            self._absent_at = self._absences[-1]
            if until is not None:
                self._slept += until - since
                self.tell("", "suspended", f"for {until - since:.3f} s")

    def tell(self, check: str, kind: str, detail: str = "") -> None:
        """Add an event."""
        event = Event(self._clock.time(), check, kind, detail=detail)
        with self._lock:
            self._events.append(event)

    def overall(self) -> str:
        """healthy, degraded, unhealthy or unknown, as of now."""
        with self._lock:
            standings = self._standings(self._clock.monotonic() - self._slept)
        return aggregate(set(standings))

    def states(self) -> Iterator[tuple[str, Lasting]]:
        """The state of each check, as of now, each at an instant of its own."""
        return self.each(self._lasting)

    def states_of(self, names: Iterable[str]) -> Iterator[tuple[str, Lasting]]:
        """The same of some, of those that are there."""
        for name in names:
            with self._lock:
                history = self._histories.get(name)
                mono = self._monotonic()
                lasting = None if history is None else self._lasting(history, mono + self._ahead, mono - self._slept)
            if lasting is not None:
                yield name, lasting

    def _lasting(self, history: History, at: float, awake: float) -> Lasting:
        state = self._as_of_now(history, self._monotonic())
        since = at - history.changed if state is history.state else awake - history.expires
        return Lasting(state, since, history.expires - awake)

    def adopt(self, name: str, newer: Lasting) -> bool:
        """Take up what another process has seen since what it has left was written; False if that is not newer.

        Its statistics are not known, but the state is.
        """
        with self._lock:
            history, last = self._histories.get(name), newer.state.last
            if history is None or history.state.paused or last is None:
                return False
            known, mono = history.state.last, self._monotonic()
            if known is not None and known.when >= last.when:
                return False
            history.adopt(newer.state, last, mono + self._ahead - newer.lasted, mono + self._ahead)
            history.expires = mono - self._slept + newer.left
            return True

    def seen(self, name: str) -> float | None:
        """When a check was looked at last (monotonic); None when it was not yet, or is gone."""
        with self._lock:
            history = self._histories.get(name)
            return None if history is None or history.state.last is None else history.seen - self._ahead

    def counts(self) -> dict[str, int]:
        """How many checks there are of each status, and paused, as of now."""
        with self._lock:
            return _count(Counter(self._standings(self._clock.monotonic() - self._slept)))

    def readiness(self) -> tuple[bool, dict[str, str]]:
        """Whether it was looked, and the critical checks that are not up, with their status: as of now.

        At every critical check, and at one at all: what is not critical may take its time.
        """
        with self._lock:
            standings = self._standings(self._clock.monotonic() - self._slept)
            names = list(self._histories)
        named = [(name, each) for name, each in zip(names, standings) if not (each.own or each.paused)]
        blockers = {name: each.status._value_ for name, each in named if each.critical and each.status in UNFIT}
        awaited = [each.awaited for _, each in named]
        looked = not any(each.awaited for _, each in named if each.critical) and not (awaited and all(awaited))
        return looked, blockers

    def _standings(self, now: float) -> list[Standing]:
        return [each.standing if now <= each.expires else _expired(each) for each in self._histories.values()]

    def snapshot(self) -> dict[str, Any]:
        """overall, counts, groups, checks and events of this instant, as plain data.

        What did not change is shared with the snapshot before: copy it before you change it. Of many checks that are
        looked at for the first time, each is of an instant of its own.
        """
        when, mono = self._clock.time(), self._clock.monotonic()
        with self._lock:
            now = mono - self._slept
            names, histories = list(self._histories), list(self._histories.values())
            standings = self._standings(now)
            views = [history.view for history in histories]
            changed = [number for number, view in enumerate(views) if view is None]
            glimpses = [glimpse(histories[number]) for number in changed[:BATCH]]
            old = [each for each in histories if now > each.expires]
            stale = {each.check.name: self._as_of_now(each, mono) for each in old}
            events = tuple(self._events)
        for number, seen in itertools.zip_longest(changed, glimpses):
            views[number], standing = self._look(histories[number], seen, when - mono - self._ahead)
            if names[number] not in stale:
                standings[number] = standing
        counted = Counter(standings)
        checks = {name: view.copy() for name, view in zip(names, views) if view is not None}
        if OWN in checks:
            checks[OWN] = checks.pop(OWN)  # after those of the host
        for name, state in stale.items():
            checks[name].update(status=state.status._value_, since=stamp(state.since), explanation=state.explanation)
        return {
            "overall": aggregate(counted),
            "counts": _count(counted),
            "groups": by_group(counted),
            "checks": checks,
            "events": [{**event._asdict(), "at": stamp(event.at)} for event in events],
        }

    def look_up(self, name: str) -> tuple[Check, CheckState, float, View]:
        """One check, its state, for how long it has had its status, its view: as of now. Raises UnknownCheckError."""
        self._mind_name(name)
        when, mono = self._clock.time(), self._monotonic()
        with self._lock:
            history = self._find(name)
            state, seen = self._as_of_now(history, mono), glimpse(history)
            grown_old = state is not history.state
            lasted = mono - self._slept - history.expires if grown_old else mono + self._ahead - history.changed
        view = check_view(seen, when - mono - self._ahead)
        view.update(status=state.status._value_, since=stamp(state.since), explanation=state.explanation)
        view["recent"] = seen.recent[:]
        return seen.check, state, lasted, view

    def _look(self, history: History, seen: Glimpse | None, ahead: float) -> tuple[View, Standing]:
        """A view, which is kept for the next snapshot unless something has happened meanwhile."""
        if seen is None:
            with self._lock:
                seen = glimpse(history)
        view = check_view(seen, ahead)
        with self._lock:
            if history.state is seen.state:
                history.view = view
        return view, seen.standing

    def each(self, look: Callable[[History, float, float], Seen]) -> Iterator[tuple[str, Seen]]:
        """What `look` makes of every history, one after another, under the lock and each at an instant of its own.

        It is given the history, that instant on the timeline, and the same by which the history expires.
        """
        for name in list(self._histories):
            with self._lock:
                history = self._histories.get(name)
                mono = self._monotonic()
                seen = None if history is None else look(history, mono + self._ahead, mono - self._slept)
            if seen is not None:
                yield name, seen

    @property
    def timeline(self) -> float:
        """Now, on the timeline of the histories."""
        return self._monotonic() + self._ahead

    def has(self, name: str) -> bool:
        """True when there is such a check."""
        return name in self._histories

    def go_on(self, timeline: float) -> None:
        """Have the timeline go on from there, if it is behind: the wall clock was ahead, and history stays."""
        with self._lock:
            self._ahead = max(self._ahead, timeline - self._monotonic())

    def restore(self, name: str, load: Callable[[Check, float], History], at: float, left: float) -> None:
        """Take up what was known of a check at that instant of the timeline: `load(check, expires)` is its history.

        It is fresh for `left` more seconds; the time without a monitor is not covered. Raises what `load` does.
        """
        mono = self._monotonic()
        with self._lock:
            empty = self._find(name)
            if at > mono + self._ahead + 60.0:  # it was written while polls went on
                raise ValueError("of the future")
            history = load(empty.check, mono - self._slept + left)
            history.unseen(history.seen)
            if left <= 0 and history.state.status is not Status.UNKNOWN:
                history.expire(history.seen, self._clock.time() + left, quietly=True)
            if empty.state.paused:
                history.pause(True, mono + self._ahead)
            self._histories[name] = history

    def after_fork(self) -> None:
        """In the child: a fresh lock; what was known stays, and goes stale."""
        self._lock = threading.RLock()

    def _mind_name(self, name: str) -> None:
        """Raise UnknownCheckError, with a hint, if there is no such check; without the lock, for a hint takes long."""
        if not (isinstance(name, str) and name in self._histories):
            names = list(self._histories)
            hint = did_you_mean(name, names) if names else "there is none yet"
            raise UnknownCheckError(f"no check is named {name!r:.80}; {hint}")

    def _find(self, name: str) -> History:
        try:
            return self._histories[name]
        except KeyError:  # it was removed meanwhile
            raise UnknownCheckError(f"no check is named {name!r:.80}") from None


def _expired(history: History) -> Standing:
    return history.standing._replace(status=Status.UNKNOWN, awaited=False)


def _count(standings: Counter[Standing]) -> dict[str, int]:
    counts = {**{status._value_: 0 for status in STATUSES}, "paused": 0}
    for standing, number in standings.items():
        counts["paused" if standing.paused else standing.status._value_] += number
    return counts
