"""One process on the status page: its row, its last lines, and what is told of its supervisor. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from .page_assets import GLYPHS
from .page_check import RANKS, WELL, Row, Scene
from .page_lists import Count, Look, events, fitting, heading, listed, rest, who
from .page_values import (
    View,
    as_address,
    as_clock,
    as_list,
    as_map,
    as_number,
    as_seconds,
    as_text,
    as_time,
    as_whole,
    span,
)

LOOKS = {
    "failed": "down",
    "backoff": "degraded",
    "starting": "unknown",
    "stopping": "unknown",
    "running": "up",
    "ready": "up",
    "exited": "up",
    "stopped": "paused",
}
"""What each state looks like: one that a check may be in. What is under way is neither well nor ill."""
TROUBLED = {
    "exited": "down",
    "stopping": "degraded",
    "running": "degraded",
    "ready": "degraded",
    "stopped": "unknown",
}
"""The same where something is wrong with it, or it waits."""
DONE = "✓"
"""The sign of what has done all that it was for."""
ENDING = ("shutdown", "force shutdown")
"""What a supervisor says of itself that is being stopped."""
AGAIN = {"no": "never", "on-failure": "after a failure", "always": "whenever it ends"}
LINES = 20
"""Lines of output that are shown of a process, the last."""
NEEDS = 20
"""Others that it depends on, of which as many are shown."""
COLUMNS = ("state", "process", "for", "up", "pid", "restarts", "exit")
HEAD = f'<div class="cols process" aria-hidden="true">{"".join(f"<span>{each}</span>" for each in COLUMNS)}</div>\n'


def is_supervisor(subject: Any) -> bool:
    """Whether it has processes as a Supervisor has."""
    views = as_map(subject).get("processes")
    if not isinstance(views, Mapping) or not all(
        isinstance(view, Mapping) and "state" in view and "well" in view for view in views.values()
    ):
        return False
    return bool(views) or "guard_pid" in subject


def supervisor(snapshot: View, scene: Scene, number: int) -> str:
    """All of one: its processes, itself, what has changed of late."""
    found = [Row(_rank(view), name, view) for name, view in snapshot["processes"].items()]
    rows = sorted(found, key=lambda row: row.rank)
    shown = fitting(rows[: scene.most], scene, number, process_row)
    parts = (
        HEAD + listed("Processes", shown, scene) if rows else '<p class="note">There is no process.</p>\n',
        rest(len(rows) - len(shown), "process", "processes"),
        f"<section>{heading('The supervisor itself', who(snapshot), scene.level)}{_itself(snapshot)}</section>\n",
        events(snapshot, scene, "process", _turned),
    )
    return "".join(parts)


def _turned(event: View) -> Look | None:
    """What a process has turned to."""
    after = event.get("after")
    return look_of({"state": after, "why": event.get("detail")}) if after else None


def look_of(view: View) -> Look:
    """How its state is shown: by what it is, and by whether something is wrong."""
    word = view.get("state")
    if not isinstance(word, str) or word not in LOOKS:
        return Look("unknown", GLYPHS["unknown"], as_text(word, 20) or "unknown")
    wrong = bool(as_text(view.get("why"), 1)) or (word == "stopped" and view.get("wanted") is True)
    state = TROUBLED.get(word, LOOKS[word]) if wrong else LOOKS[word]
    return Look(state, DONE if (word, state) == ("exited", "up") else GLYPHS[state], word)


def _rank(view: View) -> int:
    """How far down it stands: like a check that looks the same; what runs in spite of its trouble comes later."""
    look = look_of(view)
    rank = RANKS[look.state]
    return rank + 1 if rank < WELL and look.word in ("running", "ready") else rank


def process_counts(subjects: list[View]) -> list[Count]:
    """How many are in each state, the worst first."""
    tally: dict[Look, int] = {}
    for subject in filter(is_supervisor, subjects):
        for look in map(look_of, subject["processes"].values()):
            tally[look] = tally.get(look, 0) + 1
    order = [*LOOKS]
    ranked = sorted(tally, key=lambda look: (RANKS[look.state], order.index(look.word) if look.word in LOOKS else 0))
    return [Count(look, tally[look]) for look in ranked]


def process_row(row: Row, scene: Scene, identity: str) -> str:
    """The row of a process. What it has written last stands open where it is in trouble."""
    view, look = row.view, look_of(row.view)
    tag, open_log = f"h{scene.level + 1}", row.rank < WELL
    return (
        f'<li class="check process {look.state}{" t" if row.rank < WELL else ""}">'
        f'<span class="s"><i aria-hidden="true">{look.glyph}</i>{look.word}</span>'
        f'<div class="n"><{tag}><bdi>{as_text(row.name, 100)}</bdi></{tag}>'
        f"{_marks(view)}{_why(view)}{_command(view)}</div>"
        f'<span class="a">{as_time(view.get("since"), scene.now)}</span>'
        f"{''.join(_cells(view, scene.now))}{_log(view) if open_log else ''}"
        f'<details id="{identity}"><summary><span class="quiet">More</span></summary><div class="more">'
        f'<dl class="facts">{"".join(_facts(row, scene))}</dl>{"" if open_log else _log(view)}</div></details></li>\n'
    )


def _marks(view: View) -> str:
    """When it is launched again."""
    soon = as_number(view.get("next_in_s"))
    return "" if soon is None else f'<em class="w">next start in {as_seconds(soon)}</em>'


def _why(view: View) -> str:
    """What is wrong with it, or what it waits for."""
    told = as_text(view.get("why"), 300)
    return f"<p>{told}</p>" if told else ""


def _command(view: View) -> str:
    """In one line, which is cut where there is no more room."""
    told = as_text(view.get("command"), 200)
    return f'<p class="cmd">{told}</p>' if told else ""


def _cells(view: View, now: float | None) -> Iterator[str]:
    """What stands in columns: since when it runs, its pid, how often it was launched again, how it has ended."""
    yield _cell("up", _up(as_number(view.get("uptime_s")), now))
    yield _cell("pid", as_text(view.get("pid"), 20))
    restarts = as_whole(view.get("restarts"))
    yield _cell("restarts", restarts, "g" if restarts == "0" else "")
    yield _cell("exit", _exit(view.get("code")), "x" if look_of(view).state in ("down", "degraded") else "")


def _cell(label: str, value: str, kind: str = "") -> str:
    return f'<span class="u {kind if value else "g"}"><small>{label}</small>{value or "–"}</span>'


def _up(seconds: float | None, now: float | None) -> str:
    """For how long it runs; the script keeps it up to date."""
    if seconds is None:
        return ""
    if now is None or not 0 <= seconds < now:
        return span(seconds)
    begun = datetime.fromtimestamp(now - seconds, timezone.utc)
    return as_time(begun.isoformat(timespec="milliseconds"), now)


def _exit(code: Any) -> str:
    """An exit code, or the signal that has ended it."""
    number = as_number(code)
    return "" if number is None else f"signal {-number:.0f}" if number < 0 else f"{number:.0f}"


def _log(view: View) -> str:
    lines = as_list(view.get("log"))[-LINES:]
    if not lines:
        return ""
    told = "\n".join(as_text(line, 400) for line in lines)
    return f'<div class="log"><small>last lines</small><pre>{told}</pre></div>'


# --- more of one process


def _facts(row: Row, scene: Scene) -> Iterator[str]:
    view = row.view
    needs = list(as_map(view.get("depends_on")).items())[:NEEDS]
    known = (
        ("command", f'<span class="cmd">{as_text(view.get("command"), 1000)}</span>'),
        ("since", f"{as_clock({'at': view.get('since')}, scene.now)} UTC" if view.get("since") else ""),
        ("depends on", ", ".join(f"<bdi>{as_text(name, 60)}</bdi> ({as_text(need, 20)})" for name, need in needs)),
        ("launched again", _again(view.get("restart"))),
        ("output", _output(view)),
        ("all of it", _links(row.name, scene.routes)),
    )
    yield from (f"<dt>{label}</dt><dd>{value}</dd>" for label, value in known if value)


def _again(condition: Any) -> str:
    return AGAIN.get(condition, "") if isinstance(condition, str) else ""


def _output(view: View) -> str:
    """How much it has written."""
    total, dropped = as_number(view.get("output_bytes")), as_number(view.get("dropped_bytes"))
    if total is None:
        return ""
    lost = f', <b class="x">{as_whole(dropped)} of them dropped</b>' if dropped else ""
    return f"{as_whole(total)} bytes{lost}" if total else "nothing yet"


def _links(name: object, routes: str) -> str:
    """To what the supervisor answers besides. A name of dots alone would lead elsewhere."""
    if not routes or not isinstance(name, str) or len(name) > 200 or not name.strip("."):
        return ""
    address = f"{as_address(routes)}processes/{as_address(name, safe='')}"
    return f'<a href="{address}/log">the last 100 lines</a>, <a href="{address}">as JSON</a>'


# --- the supervisor itself


def _itself(snapshot: View) -> str:
    """Its own state, its guard, and what this system does not offer."""
    guard = as_text(snapshot.get("guard_pid"), 20)
    lacking = [as_text(each, 300) for each in as_list(snapshot.get("lacking"))[:20]]
    known = (
        ("status", as_text(snapshot.get("status"), 40)),
        ("guard", f"process {guard}" if guard else "none"),
        ("lacking", "" if lacking else "nothing"),
    )
    items = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in known if value)
    items += "".join(f'<div class="w"><dt>lacking</dt><dd>{each}</dd></div>' for each in lacking)
    return f'<dl class="own box">{items}</dl>'
