"""The loop of one thread: it calls what is due, what is posted, and what has something to read; and forgets."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from minimon.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    """One that is closed in the end."""
    made = Loop()
    yield made
    made.close()


def test_what_is_due_is_called_in_its_order(loop: Loop) -> None:
    """Two of the same time as they were asked for; what is due later waits."""
    told: list[str] = []
    for when, word in ((2.0, "third"), (1.0, "first"), (1.0, "second"), (1e9, "later")):
        loop.at(when, lambda word=word: told.append(word))
    loop.turn()
    assert ["first", "second", "third"] == told


def test_a_timer_that_is_forgotten_is_not_called(loop: Loop) -> None:
    """The others stay, in their order."""
    told: list[str] = []

    def unwanted() -> None:
        told.append("unwanted")

    for when in (1.0, 3.0):
        loop.at(when, unwanted)
    loop.at(2.0, lambda: told.append("wanted"))
    loop.forget(unwanted)
    loop.turn()
    assert ["wanted"] == told


def test_a_descriptor_that_is_forgotten_is_not_read(loop: Loop) -> None:
    """It may be closed then, and its number used again."""
    told: list[str] = []
    ear, bell = os.pipe()

    def unwanted() -> None:
        told.append("unwanted")

    loop.once(ear, unwanted)
    os.write(bell, b"!")
    loop.forget(unwanted)
    loop.post(lambda: told.append("posted"))
    loop.turn()
    os.close(ear)
    os.close(bell)
    assert ["posted"] == told


def test_a_closed_loop_has_nothing_to_forget(loop: Loop) -> None:
    """Whoever cancels late need not know."""
    told: list[str] = []

    def unwanted() -> None:
        told.append("unwanted")

    loop.post(lambda: loop.forget(unwanted))
    loop.close()
    assert [] == told


def test_a_closed_loop_takes_no_more(loop: Loop) -> None:
    """Whoever posts is told so."""
    loop.close()
    assert not loop.post(print)
