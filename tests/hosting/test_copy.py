"""What one process has told the others, read back: whatever stands there, nothing is fresh that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minimon import Check, CheckState, Outcome, Result, Status, UnknownCheckError
from minimon.hosting.copy import Copy, Texts, document, head, read
from minimon.registry import Registry
from minimon.saved import dump_state
from minimon.testing import FakeClock

HEAD = {"pid": 7, "time": 5.0, "overall": "healthy", "counts": {"up": 1}, "looked": True, "blockers": {}}


@pytest.fixture
def clock() -> FakeClock:
    """Moved by hand."""
    return FakeClock()


@pytest.fixture
def registry(clock: FakeClock) -> Registry:
    """Of a process that polls nothing: it knows that there is a critical check."""
    registry = Registry(clock)
    registry.add(Check("a", lambda: True), 10.0)
    return registry


def told(clock: FakeClock, *, paused: bool = False) -> dict[str, Any]:
    """The document of another process, which has seen it up."""
    other = Registry(clock)
    check = Check("a", lambda: True)
    other.add(check, 10.0)
    other.record(check, Result("a", Outcome.PASS, when=clock.time(), elapsed=0.5, started=clock.monotonic()), 30.0)
    if paused:
        other.pause("a", True)
    state, lasted, left = dict(other.states())["a"]
    plain = {"state": dump_state(state), "paused": paused, "turned": state.turned}
    states = {"a": {**plain, "changed": clock.monotonic() - lasted, "due": 99.0, "expires": clock.monotonic() + left}}
    pieces = document({"monotonic": clock.monotonic()}, {"service": {}, **other.snapshot()}, states, Texts(), Texts())
    return read(b"".join(pieces))


def copy(clock: FakeClock, registry: Registry, problem: str = "", **options: Any) -> Copy:
    """What a follower has."""
    whole = told(clock, **options)
    return Copy(HEAD, lambda: whole, registry, clock.monotonic, problem)


def test_a_document_is_one_value_of_json(clock: FakeClock) -> None:
    """With the same views as the snapshot."""
    assert ["a"] == list(told(clock)["document"]["checks"])


def test_a_state_is_the_same_there(clock: FakeClock, registry: Registry) -> None:
    """In all that its reader can ask."""
    state = copy(clock, registry).state("a")
    assert ("a", "up", 1, 0.5) == (state.name, state.status, state.streak.n, state.last and state.last.elapsed)


def test_a_paused_one_is_paused(clock: FakeClock, registry: Registry) -> None:
    """It is left out there, too."""
    assert copy(clock, registry, paused=True).state("a").paused


def test_what_does_not_hold_any_more_is_unknown(clock: FakeClock, registry: Registry) -> None:
    """In every answer, with the reason; what is critical blocks."""
    old = copy(clock, registry, "stale: too old")
    view = old.snapshot()["checks"]["a"]
    assert ("unknown", (True, {"a": "unknown"}), 1) == (old.overall(), old.readiness(), old.counts()["unknown"])
    assert ("unknown", "stale: too old") == (view["status"], view["explanation"])
    assert ("unknown", "stale: too old") == (old.state("a").status, old.state("a").explanation)
    assert ("unknown", None) == (old.snapshot()["overall"], old.due("a"))


def test_what_is_paused_stays_so_then(clock: FakeClock, registry: Registry) -> None:
    """Nothing is wrong with it."""
    document = copy(clock, registry, "stale: too old", paused=True).snapshot()
    assert ("up", 1, 0) == (document["checks"]["a"]["status"], document["counts"]["paused"], document["counts"]["up"])


def test_without_a_document_nothing_is_known(clock: FakeClock, registry: Registry) -> None:
    """It cannot be read: the list of checks is there, and why they are unknown."""

    def load() -> Any:
        raise OSError("no such luck")

    seen = Copy(HEAD, load, registry, clock.monotonic).snapshot()
    assert "cannot be read: no such luck" in seen["checks"]["a"]["explanation"]


def test_a_check_that_only_the_other_one_has(clock: FakeClock, registry: Registry) -> None:
    """Its state is told; what it would take to change it is not known here."""
    registry.remove("a")
    there = copy(clock, registry)
    with pytest.raises(UnknownCheckError, match="'a' is known to process 7 only"):
        there.look_up("a")
    assert Status.UP is there.state("a").status


def test_a_check_that_only_this_one_has(clock: FakeClock, registry: Registry) -> None:
    """It was not looked at."""
    registry.add(Check("b", lambda: True), 10.0)
    there = copy(clock, registry)
    assert (CheckState("b", since=clock.time()), "b") == (there.state("b"), there.look_up("b")[0].name)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"minimon_snapshot": 99}', b"\xff\xfe"])
def test_what_is_no_snapshot_is_refused(content: bytes) -> None:
    """Another program's, another version's, half of one."""
    with pytest.raises(ValueError, match=r"."):
        read(content)


def test_what_is_left_is_what_was_told_last(clock: FakeClock, registry: Registry) -> None:
    """The head has what has changed since the document was written."""
    whole = told(clock)
    newer = {**whole["states"]["a"], "paused": True}
    there = Copy({**HEAD, "changed": {"a": newer}}, lambda: whole, registry, clock.monotonic)
    assert ({"a": whole["states"]["a"]}, {"a": newer}) == (copy(clock, registry).left(), there.left())


def test_an_odd_value_keeps_nobody_from_being_told(clock: FakeClock) -> None:
    """What JSON has no word for is told in plain form."""
    odd = {"a": {"x": float("nan"), "y": {1}, "z": object}}
    pieces = document({}, {"overall": "healthy", "checks": odd}, odd, Texts(), Texts())
    assert None is read(b"".join(pieces))["document"]["checks"]["a"]["x"]


def test_a_head_is_read_back() -> None:
    """Between form and content nothing is lost."""
    assert {"minimon_snapshot": 1, **HEAD} == read(head(HEAD))


def test_what_is_the_same_is_not_written_anew() -> None:
    """What compares equal is taken for the same: nobody looks into it a second time."""

    class Odd(dict):  # type: ignore[type-arg]
        def __ne__(self, other: object) -> bool:
            return False

    texts = Texts()
    assert [[b'"a":{"status": "up"}']] * 2 == [list(texts.members({"a": Odd(status=word)})) for word in ("up", "down")]


def test_what_has_changed_is() -> None:
    """And what is gone is forgotten."""
    texts = Texts()
    seen = [b"".join(texts.members(views)) for views in ({"a": 1, "b": 2}, {"a": 3}, {})]
    assert [{"a": 1, "b": 2}, {"a": 3}, {}] == [json.loads(b"{" + each + b"}") for each in seen]
