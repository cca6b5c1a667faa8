"""What the lists of a status page have in common, whatever they are of: counts, rows, and a table of events. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..text import short
from .page_check import RANKS, WELL, Row, Scene
from .page_values import View, as_address, as_clock, as_list, as_map, as_text, as_time

EVENTS = 50
"""Events that are shown, the latest."""

Draw = Callable[[Row, Scene, str], str]
"""From a row to its HTML, with this id."""


class Look(NamedTuple):
    """How a state is shown."""

    state: str
    """One of those in GLYPHS: what it looks like."""
    glyph: str
    word: str


class Count(NamedTuple):
    """How many are in a state."""

    look: Look
    number: int


Turned = Callable[[View], "Look | None"]
"""From an event to what has come of it; None where it is no change."""


def numbers(counts: list[Count], kind: str) -> str:
    """How many there are in each state; `kind` says of what, where that is not plain."""
    items = (
        f'<li class="{look.state}"><b><i aria-hidden="true">{look.glyph}</i>{number:,}</b> {look.word}</li>'
        for look, number in counts
    )
    told = f'<li class="mute">{kind}</li>' if kind else ""
    return f'<ul class="counts" role="list">{told}{"".join(items)}</ul>'


def worst(counts: list[Count]) -> str:
    """How many there are of what is in most trouble; "" where nothing is in any."""
    troubled = [each for each in counts if RANKS[each.look.state] < WELL]
    found = min(troubled, key=lambda each: RANKS[each.look.state], default=None)
    return f"{found.number:,} {found.look.word}" if found else ""


def who(snapshot: View) -> str:
    """The version, and the process."""
    service = as_map(snapshot.get("service"))
    known = ((word, as_text(service.get(key), 40)) for key, word in (("version", "version"), ("pid", "process")))
    return ", ".join(f"{word} {value}" for word, value in known if value)


# --- rows


def fitting(rows: list[Row], scene: Scene, number: int, draw: Draw) -> list[Row]:
    """The rows drawn, as many of the first as there is room for."""
    drawn: list[Row] = []
    ids: dict[str, int] = {}
    room = scene.room
    for row in rows:
        html = draw(row, scene, _identity(row.name, number, ids))
        room -= len(html) if html.isascii() else len(html.encode("utf-8", "replace"))
        if room < 0:
            break
        drawn.append(row._replace(html=html))
    return drawn


def _identity(name: object, number: int, ids: dict[str, int]) -> str:
    """An id that is the same in the next document; names that begin alike are numbered."""
    start = f"c{number}-{as_address(short(name, 60), safe='')}"
    ids[start] = ids.get(start, 0) + 1
    return start if ids[start] == 1 else f"{start}~{ids[start]}"


def listed(title: str, rows: list[Row], scene: Scene) -> str:
    """A section of rows, and how many of them are troubled."""
    troubled = sum(row.rank < WELL for row in rows)
    told = f"{troubled} of {len(rows)} troubled" if troubled else f"{len(rows)} well"
    return (
        f'<section class="group">{heading(title, told, scene.level)}\n'
        f'<ul class="list" role="list">\n{"".join(row.html for row in rows)}</ul></section>\n'
    )


def heading(title: str, told: str, level: int) -> str:
    """A heading, and what is told beside it."""
    return f'<div class="title"><h{level}>{title}</h{level}><span class="mute">{told}</span></div>'


def rest(number: int, one: str, many: str) -> str:
    """How many more there are than is room for."""
    told = f"{one} is not shown: it" if number == 1 else f"{many} are not shown: none"
    trouble = "is in no more trouble" if number == 1 else "is in more trouble"
    return f'<p class="note">{number:,} more {told} {trouble} than those above.</p>\n' if number > 0 else ""


# --- events


def events(snapshot: View, scene: Scene, kind: str, turned: Turned) -> str:
    """The latest changes; `kind` says of what they are, `turned` what one has turned to."""
    events = [as_map(each) for each in as_list(snapshot.get("events"))[-EVENTS:]]
    if not events:
        return ""
    rows = "".join(_event(each, scene, kind, turned) for each in reversed(events))
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("when", kind, "what", "detail"))
    return (
        f'<section>{heading("Events", "latest first, in UTC", scene.level)}<div class="box"><table class="events">'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div></section>\n"
    )


def _event(event: View, scene: Scene, kind: str, turned: Turned) -> str:
    look = turned(event)
    what = as_text(event.get("kind"), 30)
    if look is not None:
        now = f'<b class="{look.state}"><span aria-hidden="true">{look.glyph}</span> {look.word}</b>'
        what = f"{'' if what == 'change' else what + ': '}{as_text(event.get('before'), 12)} → {now}"
    return (
        f'<tr><td><span class="nb">{as_clock(event, scene.now)}</span> <span class="mute nb">'
        f"{as_time(event.get('at'), scene.now)} ago</span></td><td><bdi>{as_text(event.get(kind), 100)}</bdi></td>"
        f"<td>{what}</td><td>{as_text(event.get('detail'), 200)}</td></tr>\n"
    )
