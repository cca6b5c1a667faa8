"""What the keeper's thread has of one program, and what others are told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .child import Child, Ended
from .gates import Gate
from .journal import Journal
from .lifecycle import Life, State
from .output import Channel
from .process import Process


class Change(NamedTuple):
    """One process has turned to another state: what `on_change` is called with."""

    name: str
    process: Process
    before: State
    after: State
    why: str
    at: float
    """When, in seconds since the epoch."""


class Ticket:
    """Something that was asked for, and takes its time."""

    def __init__(self, on_end: Callable[[], None] | None = None) -> None:
        self.launches = 0  # of its process, when it was asked for
        self.halts = False  # whether it is done when nothing is left
        self.error: BaseException | None = None
        self.result: bool | None = None
        self._on_end = on_end
        self.done = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether it has come to its end."""
        return self.done.is_set()

    def end(self, result: bool) -> None:
        """It has come to its end, well or not. Called by the keeper."""
        self.result = result
        self.done.set()
        if self._on_end is not None:
            self._on_end()

    def fail(self, error: BaseException) -> None:
        """It cannot be done."""
        self.error = error
        self.end(False)


class Run:
    """One run of a program, as its conditions see it."""

    def __init__(
        self, process: Process, env: Mapping[str, str], cwd: str | None, watch: Callable[[int, bool], None]
    ) -> None:
        self.process, self.env, self.cwd, self._watch = process, env, cwd, watch
        # Guards what follows. A leaf.
        self._lock = threading.Lock()
        self._looking: set[Child] = set()
        self._over = False
        self.code: int | None = None
        self.ended = False
        self.seen: set[str] = set()

    def logged(self, pattern: str) -> bool:
        """Whether it has written a line in which the pattern is found."""
        return pattern in self.seen

    def note(self, child: Child, runs: bool) -> None:
        """A command that looks at it runs, or does not any more. On a worker's thread."""
        with self._lock:
            (self._looking.add if runs else self._looking.discard)(child)
            over = self._over
        self._watch(child.pid, runs)
        if runs and over:
            child.kill()

    def end_looks(self) -> None:
        """Nobody waits for these commands any more."""
        with self._lock:
            self._over, looking = True, list(self._looking)
        for child in looking:
            child.kill()


class Entry:
    """One program, as the keeper's thread has it."""

    def __init__(self, process: Process, gates: tuple[Gate | None, Gate | None], journal: Journal) -> None:
        self.process, self.program, self.journal = process, process.program, journal
        self.ready, self.live = gates
        self.life = Life()
        self.launches = 0
        self.child: Child | None = None
        self.channel: Channel | None = None
        self.run: Run | None = None
        self.exit: Ended | None = None
        self.deadline = 0.0  # when it gets SIGKILL; 0 while it is not to end
        self.looks = 0  # at the session of a leader that has ended
        self.empty = 0  # of them, in a row, in which nothing was seen
        self.job: Callable[[], None] | None = None  # a look that is being made
        self.tries = 0
        self.looked = 0.0  # when the last look began
        self.failing = 0.0  # since when `live` does not hold
        self.last = ""  # what did not hold the last time
        self.judging = False  # whether a Verifier is still asked about a run that has ended
        self.passed = False  # what it has said
        self.spawned = 0  # how often it was really launched
        self.blocked = False  # whether it has failed for what it depends on
        self.relaunch = False
        self.tickets: list[Ticket] = []
