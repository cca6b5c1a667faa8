"""All that is kept of one check: its state, its latest results, its statistics. Pure: the time is an argument.

`now` is an instant of the timeline of `uptime`; `ahead` is how far that is ahead of the monotonic clock, by
which results tell when they were started.
"""

from __future__ import annotations

import functools

from .checks import Check
from .evaluate import CALM, FLAPS, Standing, advance, gone_stale, is_late, take_back
from .latency import Latency
from .model import CheckState, Outcome, Result, Status, View, result_view
from .uptime import DOWN, NONE, UP, Uptime

FAIL, UNKNOWN = Outcome.FAIL, Outcome.UNKNOWN
_UP, _UNKNOWN = Status.UP, Status.UNKNOWN  # constants: looking one up in the enum takes a tenth of a record
FAILED = ("fail", "unknown")
OURS = ("lost", "skipped")
"""Reasons of changes that are none of the target's."""
KINDS = {Status.UP: UP, Status.DEGRADED: UP, Status.DOWN: DOWN, Status.UNKNOWN: NONE}
"""What a status means for the uptime."""
RECENT = 16
"""Results kept of each check."""
FAILURES = 8
"""Failures kept of each check, apart, so that successes cannot push them out."""


_standing = functools.lru_cache(1000)(Standing)  # checks that stand alike share one


class History:
    """What is known of one check. One owner at a time."""

    __slots__ = (
        *("back", "changed", "check", "expires", "kept", "latency", "lent", "older", "seen", "standing", "state"),
        *("uptime", "view", "_ends", "_failing", "_flaps", "_noted", "_told"),
    )

    def __init__(self, check: Check, since: float, now: float, expires: float) -> None:
        self.check = check
        self.state = CheckState(check.name, since=since)
        self.expires = expires  # what was seen counts until then, or the first run is awaited
        self.seen = self.changed = now  # when it was looked at last, and when its status changed
        self.kept: list[View] = []  # the latest results, and before them failures that are older
        self.older = 0  # how many those are
        self.lent = False  # whether a view has that list
        self.uptime, self.latency = Uptime(now), Latency(now)
        self.standing = self.stands(Status.UNKNOWN, awaited=True)  # until it expires
        self.view: View | None = None  # what was shown, as long as it holds
        self.back: Status | None = None  # what was told last, where it has grown old and nobody was told
        self._ends = 0.0  # when a slot of the statistics ends
        self._failing = 0  # how many failures are among the latest
        self._flaps: tuple[float, ...] = ()  # when the status has changed, the latest few times
        self._noted: Status | None = None  # the status after the last of them
        self._told = Status.UNKNOWN  # the status that was told before it was flapping

    def record(
        self, result: Result, view: View, now: float, ahead: float, lost_since: float | None = None
    ) -> tuple[CheckState, CheckState] | None:
        """Fold one result in; the states before and after. None for one that comes too late.

        `view` is what is shown of the result, and ours from now on. With `lost_since` (monotonic) failures from then on
        were the monitor's own: what they decided is taken back. The latest run may be told anew so; it counts once.
        """
        before, uptime, kept = self.state, self.uptime, self.kept
        last = before.last
        _, outcome, reason, detail, _, took, _, _, started, _ = result
        if last is not None and is_late(last, result):
            return None
        own = before if lost_since is None else take_back(before, lost_since)
        after = advance(self.check, own, result)
        anew = lost_since is not None and last is not None and last.started == started
        if anew:
            after = after._replace(counts=before.counts, reasons=before.reasons)
        status, turned = after.status, own.turned if own is not before else after.turned
        if status is not before.status or last is None or after.flapping:
            self.standing = self.stands(status)
            if status is not before.status:
                self.changed = now if started is None else started + ahead
            before, after = self._mind_flapping(before, after, result, now)
        if self.back is not None and (status is not _UNKNOWN or outcome is UNKNOWN):
            before, self.back = before._replace(status=self.back), None
        kind = UP if status is _UP else KINDS[status]
        if kind != uptime.kind:
            uptime.turn(kind, now if turned is None else turned + ahead)
        if now >= self._ends:
            open_since = turned if turned is not None and (outcome is FAIL) != (kind == DOWN) else None
            self._settle(now, now if open_since is None else open_since + ahead)
        if outcome is not UNKNOWN:
            latency = self.latency
            (latency.failed if outcome is FAIL else latency.answered).add(took)
            latency.seconds += took
        self.state, self.seen, self.view = after, now, None
        if self.lent:  # to a view, which is not to change
            self.kept, self.lent = kept[:], False
            kept = self.kept
        if anew:
            kept[-1] = view
            return before, after
        kept.append(view)
        if reason or detail:
            self._keep(view)
        if len(kept) - self.older > RECENT:
            self._let_go()
        return before, after

    def adopt(self, state: CheckState, last: Result, changed: float, now: float) -> None:
        """Take up a state that another process has seen, of which the runs before the last are not known."""
        self.record(last, result_view(last), now, 0.0)
        if KINDS[state.status] != self.uptime.kind:
            self.uptime.turn(KINDS[state.status], now)
        self.state, self.changed, self.standing = state, changed, self.stands(state.status)

    def _settle(self, now: float, settled: float) -> None:
        """Go on to the slot of now. While a change may still be decided, all from its first run on is left open."""
        if now >= self.latency.moves:
            self.latency.move(now)
        if settled >= self.uptime.settles:
            self.uptime.settle(settled, self.state.answered, self.state.counts.fail)
        self._ends = min(self.latency.moves, self.uptime.settles)

    def _keep(self, view: View) -> None:
        """Detail is kept of failures only, and of the last result."""
        if view["outcome"] not in FAILED:
            view["detail"] = ""
            return
        self._failing += 1
        if self.older and self.older + self._failing > FAILURES:
            del self.kept[0]
            self.older -= 1

    def _let_go(self) -> None:
        """The oldest of the latest results is one of them no more; a failure stays, if there is room."""
        fails = self.kept[self.older]["outcome"] in FAILED
        self._failing -= fails
        if fails and self.older + self._failing < FAILURES:
            self.older += 1
        else:
            del self.kept[self.older]

    def _mind_flapping(
        self, before: CheckState, after: CheckState, result: Result, now: float
    ) -> tuple[CheckState, CheckState]:
        """Count a change of the target's, begin to be silent after so many, and end that after a calm time."""
        calm = before.flapping and now - self._flaps[-1] >= CALM
        if calm:
            after, self._flaps = after._replace(flapping=False), ()
        taken_back = result.reason == "lost" and after.decided is not before.decided
        if taken_back and self._flaps:
            self._flaps, self._noted = self._flaps[:-1] or self._flaps, after.decided
        if after.status is not self._noted and after.decided is not Status.UNKNOWN and result.reason not in OURS:
            if self._noted is not None:
                self._flaps = (*self._flaps, now)[-FLAPS:]
            self._noted = after.status
        if calm:
            before = before._replace(status=self._told)
        elif not after.flapping and len(self._flaps) == FLAPS and now - self._flaps[0] <= CALM:
            after, self._told = after._replace(flapping=True), after.status
        return before, after

    def calm_down(self, now: float) -> tuple[CheckState, CheckState] | None:
        """End its flapping, if it has not changed for so long: what was told last, and what it is."""
        before = self.state
        if not before.flapping or now - self._flaps[-1] < CALM:
            return None
        self.state, self.view, self._flaps = before._replace(flapping=False), None, ()
        return before._replace(status=self._told), self.state

    def stands(self, status: Status, *, awaited: bool = False) -> Standing:
        """What the aggregate has to know of it; not whether it has expired."""
        check = self.check
        return _standing(status, check.critical, self.state.paused, awaited, check.group, check.own)

    def expire(self, at: float, when: float, *, quietly: bool = False) -> tuple[CheckState, CheckState]:
        """No run finished in time: unknown from then on (`when` by the wall clock); the states before and after.

        Quietly, nobody is told: the next change is one from what was told last.
        """
        before = self.state
        self.changed = at
        if quietly:
            self.back = before.status
        self.state, self.view = gone_stale(before, when), None
        self.standing = self.stands(self.state.status)
        self.uptime.turn(NONE, at)
        return before, self.state

    def changes(self) -> tuple[str, str, list[float]]:
        """What `resume` has to know of its changes."""
        return self._told._value_, self._noted._value_ if self._noted else "", list(self._flaps)

    def resume(self, told: Status, noted: Status | None, flaps: tuple[float, ...]) -> None:
        """Take up what was saved of it. Raises ValueError for what cannot be."""
        if len(flaps) > FLAPS or (self.state.flapping and not flaps):
            raise ValueError("changes that cannot be")
        self._told, self._noted, self._flaps = told, noted, flaps
        self._failing = sum(seen["outcome"] in FAILED for seen in self.kept[self.older :])
        self.standing = self.stands(self.state.status, awaited=self.state.last is None)

    def unseen(self, since: float) -> None:
        """Nobody has looked since then: the time is not covered, and no failure before it has lasted through it."""
        self.uptime.turn(NONE, since)
        self.state = self.state._replace(turned=None)

    def pause(self, paused: bool, now: float) -> bool:
        """Leave it out from now on, or no more; True when that is new."""
        new = self.state.paused is not paused
        if new:
            self.unseen(now)
            self.state, self.view = self.state._replace(paused=paused), None
            self.standing = self.stands(self.state.status, awaited=self.standing.awaited)
        return new

    def latest(self, *outcomes: str) -> list[float]:
        """The seconds of the latest runs that ended so, oldest first."""
        return [seen["elapsed_s"] for seen in self.kept if seen["outcome"] in outcomes]
