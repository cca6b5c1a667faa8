"""Looks at `ready` and `live`: on workers, again and again, until they hold, or have failed for too long."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..loop import Loop
from ..pool import Pool
from ..text import short
from .entry import Entry, Run
from .gates import TRY, Gate, rest_after
from .lifecycle import SERVING, State


class Looks:
    """What is looked at, for all programs. Belongs to the loop's thread, apart from `logged`.

    It calls `served(entry)` when `ready` holds, `failed(entry, why)` when a program has to be ended, `told(entry, why)`
    when something about it has changed, `judged(entry)` when a Verifier has spoken of a run that has ended.
    """

    def __init__(
        self,
        loop: Loop,
        pool: Pool,
        served: Callable[[Entry], None],
        failed: Callable[[Entry, str], None],
        told: Callable[[Entry, str], None],
        judged: Callable[[Entry], None],
    ) -> None:
        self._loop, self._pool = loop, pool
        self._served, self._failed, self._told, self._judged = served, failed, told, judged

    def begin(self, entry: Entry, gate: Gate) -> None:
        """It was launched: look whether it is ready, from now on."""
        self._loop.at(entry.life.begun + gate.timeout, partial(self._late, entry, entry.launches))
        self._look(entry, gate)

    def go_on(self, entry: Entry, gate: Gate) -> None:
        """It serves: look whether it lives, after an interval."""
        now = time.monotonic()
        self._loop.at(now + gate.interval, partial(self._look_again, entry, entry.launches))
        limit = now + gate.interval + gate.timeout + TRY
        self._loop.at(limit, partial(self._hung, entry, entry.launches, entry.tries + 1))

    def logged(self, entry: Entry, launches: int, pattern: str) -> None:
        """A line was written that fits. On the pump's thread."""

        def seen() -> None:
            if entry.launches == launches and entry.run is not None:
                entry.run.seen.add(pattern)
                if entry.life.state is State.STARTING and entry.ready is not None and entry.ready.at_once:
                    self._look(entry, entry.ready)

        self._loop.post(seen)

    def _look(self, entry: Entry, gate: Gate) -> None:
        """Have a worker look whether it holds; at once where that costs nothing."""
        run = entry.run
        assert run is not None
        if gate.at_once:
            self._looked(entry, entry.launches, None, gate.look(run, 0.0))
            return
        launches, limit = entry.launches, max(TRY, gate.interval)
        if entry.life.state is State.STARTING:
            limit = max(0.05, min(limit, entry.life.begun + gate.timeout - time.monotonic()))

        def job() -> None:
            why = _looked_at(gate, run, limit)
            self._loop.post(partial(self._looked, entry, launches, job, why))

        entry.job, entry.looked = job, time.monotonic()
        entry.tries += 1
        if not self._pool.offer(job):
            self._looked(entry, launches, job, "the system gives no thread to look")

    def _looked(self, entry: Entry, launches: int, job: Any, why: str) -> None:
        if entry.launches != launches or entry.job is not job:
            return  # of a run that is over
        if entry.exit is not None:
            if entry.judging:
                entry.job, entry.passed = None, not why
                entry.last = why
                self._judged(entry)
            return
        entry.job = None
        entry.last = why
        if entry.life.state is State.STARTING and entry.ready is not None:
            if not why:
                self._served(entry)
                return
            if entry.ready.blocks:
                self._failed(entry, f"it is not ready: {why}")
                return
            if why != entry.life.why:
                self._told(entry, why)
            if not entry.ready.at_once:
                rest = rest_after(entry.tries, entry.ready.interval)
                self._loop.at(time.monotonic() + rest, partial(self._look_again, entry, launches))
        elif entry.life.state in SERVING and entry.live is not None:
            self._mind_live(entry, entry.live, why)

    def _look_again(self, entry: Entry, launches: int) -> None:
        if entry.launches != launches or entry.job is not None or entry.exit is not None:
            return
        serves = entry.life.state in SERVING
        gate = entry.ready if entry.life.state is State.STARTING else entry.live if serves else None
        if gate is not None:
            self._look(entry, gate)

    def _mind_live(self, entry: Entry, gate: Gate, why: str) -> None:
        now = time.monotonic()
        entry.failing = (entry.failing or entry.looked or now) if why else 0.0
        if entry.failing and now - entry.failing >= gate.timeout:
            self._failed(entry, f"it does not live: {why}")
            return
        if entry.life.why != why:
            self._told(entry, why)
        self.go_on(entry, gate)

    def _hung(self, entry: Entry, launches: int, tries: int) -> None:
        """A look at `live` does not come to its end."""
        if (entry.launches, entry.tries) == (launches, tries) and entry.job is not None and entry.life.state in SERVING:
            self.set_aside(entry)
            self._failed(entry, "it does not live: a look at it has not come to its end")

    def _late(self, entry: Entry, launches: int) -> None:
        """Its time to get ready is over."""
        if entry.launches == launches and entry.life.state is State.STARTING and entry.exit is None:
            assert entry.ready is not None
            self.set_aside(entry)
            why = entry.last or "a look at it has not come to its end"
            self._failed(entry, f"it was not ready within {entry.ready.timeout:g} s: {why}")

    def set_aside(self, entry: Entry) -> None:
        """Nobody wants to know what a look finds that is under way; its worker may never come back."""
        job, entry.job = entry.job, None
        if job is not None and not self._pool.withdraw(job):
            self._pool.set_aside(job)
            if entry.run is not None:
                entry.run.end_looks()


def _looked_at(gate: Gate, run: Run, limit: float) -> str:
    """What does not hold. A callable of the host may do anything."""
    try:
        return gate.look(run, limit)
    except BaseException as error:
        return f"{type(error).__name__}: {short(error)}"
