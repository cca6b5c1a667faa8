"""What the process that polls has told the others, at one instant: the files, and who answers from them. Pure.

The head is short, and all that `/health` needs: it is told within a second, however many checks there are. The
document, with all that is known, may take longer to make, and is told more seldom then. Both are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ..checks import Check
from ..errors import UnknownCheckError
from ..evaluate import gone_stale
from ..model import CheckState, View, stamp
from ..saved import load_state
from ..serve.exposition import to_json

FORM = 1
"""The form of the file."""
KEY = "minimon_snapshot"
"""Its first key; its value is the form."""


class Texts:
    """Views as JSON, kept as long as they are the same: most are, from one second to the next."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, bytes]] = {}

    def members(self, views: Mapping[str, Any]) -> Iterator[bytes]:
        """The members of an object."""
        before, self._kept = self._kept, {}
        comma = b""
        for name, view in views.items():
            known = before.get(name)
            if known is None or known[0] != view:
                known = view, to_json(view)
            self._kept[name] = known
            yield comma + to_json(name) + b":" + known[1]
            comma = b",\n"


def head(told: View) -> bytes:
    """The file of the head."""
    return to_json({KEY: FORM, **told}) + b"\n"


def document(whose: View, snapshot: View, states: Mapping[str, View], views_as: Texts, states_as: Texts) -> list[bytes]:
    """That of the document, and of the states as they are taken up by others; in pieces."""
    rest = {key: value for key, value in snapshot.items() if key != "checks"}
    checks, told = views_as.members(snapshot["checks"]), states_as.members(states)
    begin = to_json({KEY: FORM, **whose})[:-1] + b', "document": ' + to_json(rest)[:-1] + b', "checks": {'
    return [begin, *checks, b'}}, "states": {', *told, b"}}\n"]


def read(content: bytes) -> View:
    """What stands in one of them. Raises ValueError."""
    whole = json.loads(content)
    if not isinstance(whole, dict) or whole.get(KEY) != FORM:
        raise ValueError("it is no snapshot of this version")
    return whole


class Local(Protocol):
    """What this process knows itself, which is the list of its checks: a Registry."""

    def state(self, name: str) -> CheckState:
        """Of one check. Raises UnknownCheckError."""

    def counts(self) -> dict[str, int]:
        """How many there are of each status."""

    def readiness(self) -> tuple[bool, dict[str, str]]:
        """Whether all were looked at; what blocks."""

    def snapshot(self) -> View:
        """All of them."""

    def look_up(self, name: str) -> tuple[Check, CheckState, float, View]:
        """All of one. Raises UnknownCheckError."""


class Copy:
    """Answers as a Registry does, from one head and the document that is there when it is wanted. Any thread may ask.

    `load()` reads the document, when more than the head is wanted, and raises OSError or ValueError. `now()` is the
    monotonic clock, which all processes of a machine share. `problem` says why nothing that was told holds any more;
    then everything is unknown.
    """

    def __init__(
        self, head: View, load: Callable[[], View], local: Local, now: Callable[[], float], problem: str = ""
    ) -> None:
        self.head, self.problem = head, problem
        self._load, self._local, self._now = load, local, now
        self._told: View | None = None

    def without(self, problem: str) -> Copy:
        """The same, when it holds no more."""
        other = Copy(self.head, self._load, self._local, self._now, problem)
        other._told = self._told
        return other

    def told(self) -> View:
        """All of it. What cannot be read is what this process knows itself: nothing."""
        if self._told is None:
            try:
                self._told = self._load()
            except (OSError, ValueError) as error:  # from now on nothing that was told holds
                self.problem = self.problem or f"what the process that polls has told cannot be read: {error}"
                self._told = {"monotonic": self._now(), "document": self._local.snapshot(), "states": {}}
        return self._told

    def age(self) -> float | None:
        """How old the document is, in seconds; None where there is none."""
        return None if self.head["pid"] is None else max(0.0, self._now() - self.told()["monotonic"])

    def overall(self) -> str:
        """The word."""
        return "unknown" if self.problem else str(self.head["overall"])

    def counts(self) -> dict[str, int]:
        """How many there are of each status."""
        return self._local.counts() if self.problem else dict(self.head["counts"])

    def readiness(self) -> tuple[bool, dict[str, str]]:
        """Whether all were looked at; what blocks."""
        if self.problem:
            return True, self._local.readiness()[1]
        return bool(self.head["looked"]), dict(self.head["blockers"])

    def snapshot(self) -> View:
        """The document, of which readers may change what they get."""
        document = dict(self.told()["document"])
        if not self.problem:
            return document
        lost = {"status": "unknown", "explanation": self.problem}
        checks = {name: view if view["paused"] else {**view, **lost} for name, view in document["checks"].items()}
        unknown = sum(not view["paused"] for view in checks.values())
        counts = {**dict.fromkeys(document["counts"], 0), "unknown": unknown, "paused": len(checks) - unknown}
        groups = dict.fromkeys(document["groups"], "unknown")
        return {**document, "overall": "unknown", "counts": counts, "groups": groups, "checks": checks}

    def state(self, name: str) -> CheckState:
        """Of one check. Raises UnknownCheckError."""
        plain = self.told()["states"].get(name)
        if plain is None:
            return self._local.state(name)
        state = load_state(name, plain["state"])._replace(paused=plain["paused"], turned=plain["turned"])
        return gone_stale(state, self.head["time"])._replace(explanation=self.problem) if self.problem else state

    def look_up(self, name: str) -> tuple[Check, CheckState, float, View]:
        """All of one. Raises UnknownCheckError; also for one that only the process that polls has."""
        state = self.state(name)
        views, states = self.told()["document"]["checks"], self.told()["states"]
        if name not in states:
            return self._local.look_up(name)
        try:
            check = self._local.look_up(name)[0]
        except UnknownCheckError:
            raise UnknownCheckError(f"check {name!r:.80} is known to process {self.head['pid']} only") from None
        view = {**views[name], "status": state.status.value, "since": stamp(state.since)}
        view["explanation"] = state.explanation
        return check, state, self._now() - states[name]["changed"], view

    def left(self) -> dict[str, View]:
        """The states that were told, for who takes over: those of the document, and what has changed since."""
        try:
            states = self._load()["states"]
        except (OSError, ValueError):
            states = {}
        return {**states, **self.head.get("changed", {})}

    def due(self, name: str) -> float | None:
        """When it is polled next (monotonic)."""
        due = self.told()["states"].get(name, {}).get("due")
        return None if self.problem else due
