"""The lock-guarded owner of all states: record what was seen, and hand it out as plain data."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, NamedTuple

from .checks import Check
from .clock import Clock
from .errors import ConfigError, UnknownCheckError, did_you_mean
from .evaluate import Standing, advance, aggregate, gone_stale
from .model import Change, CheckState, Result, Status

RECENT = 16
"""Results kept of each check."""
FAILURES = 8
"""Failures kept of each check, apart, so that successes cannot push them out."""
EVENTS = 50
"""Events kept, of all checks."""

STATUSES = tuple(Status)
_make = tuple.__new__  # see evaluate: a third of the cost of calling the class


class _Entry:
    """All that is kept of one check."""

    __slots__ = ("check", "expires", "failures", "recent", "state")

    def __init__(self, check: Check, state: CheckState, expires: float) -> None:
        self.check = check
        self.state = state
        self.expires = expires  # monotonic: what was seen counts until then, or the first run is awaited
        self.recent: list[Result] = []  # lists, for a deque takes half a KiB even when empty
        self.failures: list[Result] = []

    def keep(self, result: Result) -> None:
        """Put a result into the rings; phases and detail are kept on failures only, and on the last result."""
        if result.reason and not result.ok:
            _push(self.failures, result, FAILURES)
        elif result.phases is not None or result.detail:
            result = result._replace(phases=None, detail="")
        _push(self.recent, result, RECENT)


def _push(ring: list[Result], result: Result, most: int) -> None:
    if len(ring) == most:
        del ring[0]
    ring.append(result)


class Event(NamedTuple):
    """Something to tell of: kind is change, add, remove, pause, resume, start or stop."""

    at: float
    check: str
    kind: str
    before: str = ""
    after: str = ""
    detail: str = ""


class Registry:
    """The latest state of every check, and the events. The only owner of them; any thread may call any method."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Guards _entries and _events. A leaf: held for dict work and the pure fold only.
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS)

    def add(self, check: Check, expires: float) -> None:
        """Keep a state for this check. Raises ConfigError when the name is taken."""
        now = self._clock.time()
        with self._lock:
            if check.name in self._entries:
                raise ConfigError(f"check {check.name!r}: there is one of this name already; names must differ")
            self._entries[check.name] = _Entry(check, CheckState(check.name, since=now), expires)

    def remove(self, name: str) -> Check:
        """Forget this check; the Check that it was. Raises UnknownCheckError."""
        with self._lock:
            entry = self._find(name)
            del self._entries[name]
        return entry.check

    def state(self, name: str) -> CheckState:
        """The state of this check, as of now. Raises UnknownCheckError."""
        with self._lock:
            return self._now_of(self._find(name))

    def record(self, check: Check, result: Result, expires: float) -> Change | None:
        """Fold one result in; it counts until `expires` (monotonic). None when the check is gone meanwhile.

        The caller reacts to the change, outside the lock.
        """
        with self._lock:
            entry = self._entries.get(check.name)
            if entry is None or entry.check is not check:
                return None
            before = self._now_of(entry)
            if before is not entry.state:
                self._tell_change(before.since, entry.state, before)
            after = entry.state = advance(check, before, result)
            entry.expires = expires
            entry.keep(result)
            if after.status is not before.status:
                self._tell_change(result.when, before, after)
        return _make(Change, (check.name, check, before, after, result))

    def _tell_change(self, at: float, before: CheckState, after: CheckState) -> None:
        detail = after.explanation or (after.last.detail if after.last else "")
        self._events.append(Event(at, after.name, "change", before.status.value, after.status.value, detail))

    def _now_of(self, entry: _Entry) -> CheckState:
        """The state as of now: what was not refreshed in time is unknown, since its time was over."""
        state, over = entry.state, self._clock.monotonic() - entry.expires
        if over <= 0 or state.last is None or state.status is Status.UNKNOWN:
            return state
        return gone_stale(state, self._clock.time() - over)

    def await_first(self, name: str, expires: float) -> None:
        """The first result of this check is awaited until `expires` (monotonic); of no effect after one came."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None and entry.state.last is None:
                entry.expires = expires

    def pause(self, name: str, paused: bool) -> bool:
        """Mark the check paused or not; True when that is new. Raises UnknownCheckError."""
        with self._lock:
            entry = self._find(name)
            new = entry.state.paused is not paused
            entry.state = entry.state._replace(paused=paused)
        return new

    def tell(self, check: str, kind: str, detail: str = "") -> None:
        """Add an event."""
        event = Event(self._clock.time(), check, kind, detail=detail)
        with self._lock:
            self._events.append(event)

    def overall(self) -> str:
        """healthy, degraded, unhealthy or unknown, as of now."""
        now = self._clock.monotonic()
        with self._lock:
            standings = [_standing(entry, now) for entry in self._entries.values()]
        return aggregate(standings)

    def snapshot(self) -> dict[str, Any]:
        """overall, counts, checks and events of this instant, as plain data."""
        now = self._clock.monotonic()
        with self._lock:
            rows = [
                (e.check, self._now_of(e), _standing(e, now), tuple(e.recent), tuple(e.failures))
                for e in self._entries.values()
            ]
            events = tuple(self._events)
        return {
            "overall": aggregate(standing for _, _, standing, _, _ in rows),
            "counts": _count(standing for _, _, standing, _, _ in rows),
            "checks": {row[0].name: _check_view(*row) for row in rows},
            "events": [{**event._asdict(), "at": stamp(event.at)} for event in events],
        }

    def after_fork(self) -> None:
        """In the child: a fresh lock; what was known stays, and goes stale."""
        self._lock = threading.RLock()

    def _find(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            hint = did_you_mean(name, self._entries) if self._entries else "there is none yet"
            raise UnknownCheckError(f"no check is named {name!r:.80}; {hint}") from None


def _standing(entry: _Entry, now: float) -> Standing:
    state = entry.state
    expired = now > entry.expires
    status = Status.UNKNOWN if expired else state.status
    return Standing(status, entry.check.critical, state.paused, awaited=state.last is None and not expired)


def _count(standings: Iterable[Standing]) -> dict[str, int]:
    counts = {**{status.value: 0 for status in STATUSES}, "paused": 0}
    for standing in standings:
        counts["paused" if standing.paused else standing.status.value] += 1
    return counts


def _check_view(
    check: Check,
    state: CheckState,
    standing: Standing,
    recent: tuple[Result, ...],
    failures: tuple[Result, ...],
) -> dict[str, Any]:
    return {
        "status": standing.status.value,
        "paused": state.paused,
        "critical": check.critical,
        "group": check.group,
        "tags": dict(check.tags),
        "since": stamp(state.since),
        "explanation": state.explanation,
        "streak": {"outcome": state.streak.outcome.value, "n": state.streak.n},
        "counts": dict(zip(("pass", "warn", "fail", "unknown"), state.counts)),
        "reasons": dict(state.reasons),
        "last": result_view(state.last),
        "recent": [result_view(result) for result in _kept(recent, failures)],
    }


def _kept(recent: tuple[Result, ...], failures: tuple[Result, ...]) -> list[Result]:
    """The recent results, oldest first, before them the failures that have left the ring already."""
    in_ring = set(map(id, recent))
    return [failure for failure in failures if id(failure) not in in_ring] + list(recent)


def result_view(result: Result | None) -> dict[str, Any] | None:
    """A result as `/status` has it; None for none."""
    if result is None:
        return None
    return {
        "outcome": result.outcome.value,
        "reason": result.reason,
        "detail": result.detail,
        "at": stamp(result.when),
        "elapsed_s": round(result.elapsed, 6),
        "status_code": result.status_code,
    }


def stamp(seconds: float) -> str:
    """An instant as ISO 8601 in UTC with milliseconds: 2026-11-21T08:30:00.123Z. Seconds since the epoch."""
    try:
        text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):  # a wall clock set to nonsense must not break a page
        return "0001-01-01T00:00:00.000Z"
    return text[:-6] + "Z"
