"""What depends on what: whose turn it is, who waits in vain, and in which order all are ended."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .entry import Entry
from .lifecycle import PHRASES, SERVING, State

TO = {"started": "be launched", "ready": "be ready", "completed": "complete"}
"""What another one is needed to do."""


class Order:
    """The programs of one Supervisor, by what they need. Belongs to the keeper's thread.

    `in_order` are the names of those that wait, at their first launch, for the one before them, as in older files.
    """

    def __init__(self, entries: list[Entry], in_order: Collection[str]) -> None:
        self._entries, self._in_order = entries, in_order
        self._by_name = {entry.program.name: entry for entry in entries}
        self._place = {entry.program.name: number for number, entry in enumerate(entries)}
        self._before = {entries[number - 1].program.name for name, number in self._place.items() if name in in_order}
        self._needed_by: dict[str, list[Entry]] = {name: [] for name in self._by_name}
        for entry in entries:
            for name in entry.program.depends_on:
                self._needed_by[name].append(entry)

    def is_needed(self, entry: Entry) -> bool:
        """Whether another one that depends on it has not ended."""
        return any(one.child is not None for one in self._needed_by[entry.program.name])

    def _needs(self, entry: Entry) -> Iterable[tuple[str, str]]:
        """What it depends on; in older files, at its first launch, on the one before it."""
        if entry.program.name in self._in_order and not entry.spawned:
            at = self._place[entry.program.name]
            return ((self._entries[at - 1].program.name, "ready"),) if at else ()
        return entry.program.depends_on.items()

    def waits_for(self, entry: Entry) -> str:
        """What its program waits for; "" when its turn has come."""
        for name, need in self._needs(entry):
            if not self._holds(name, need):
                return f"waits for {name} to {TO[need]}"
        return ""

    def _holds(self, name: str, need: str) -> bool:
        """Whether that is there."""
        entry = self._by_name[name]
        well = entry.life.state is State.EXITED and not entry.life.why
        if need == "started":
            return entry.spawned > 0
        older = need == "ready" and name in self._before and entry.life.met  # it was up, which was all that was asked
        return well or (need == "ready" and (entry.life.state in SERVING or older))

    def lost(self, entry: Entry) -> str:
        """Why what it needs will not come any more; "" where it may."""
        for name, need in self._needs(entry):
            life = self._by_name[name].life
            ended_badly = life.state is State.FAILED or (life.state is State.EXITED and bool(life.why))
            if ended_badly and not self._holds(name, need):
                return f"it needs {name} to {TO[need]}, and {PHRASES[life.state].replace('it', 'that', 1)}: {life.why}"
        return ""

    def away(self, entry: Entry) -> str:
        """What it needs, is not there, and is wanted by nobody; "" for nothing."""
        needed = (name for name, need in self._needs(entry) if not self._holds(name, need))
        return next((name for name in needed if not self._by_name[name].life.wanted), "")

    def depth(self) -> dict[Entry, int]:
        """How many levels of others each depends on: those that have to be left time for. A chain may be long."""
        depth: dict[Entry, int] = {}
        stack = list(self._entries)
        while stack:
            entry = stack[-1]
            below = [self._by_name[name] for name in entry.program.depends_on]
            missing = [each for each in below if each not in depth]
            if missing:
                stack += missing
                continue
            stack.pop()
            depth[entry] = 1 + max((depth[each] for each in below), default=-1)
        return depth
