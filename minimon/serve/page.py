"""A snapshot as one HTML page for people, whole in itself: no asset, no inline style, nothing unescaped. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from html import escape
from itertools import chain, starmap
from typing import Any, NamedTuple

from ..text import short
from .exposition import plain
from .page_assets import AGAIN, ALARMING, FIGURES, FRAME, GLYPHS, SCRIPT, STYLE, WHOLE, icon
from .page_check import WELL, WINDOWS, Row, Scene, check_row, rank
from .page_lists import Count, Look, events, fitting, heading, listed, numbers, rest, who, worst
from .page_processes import ENDING, is_supervisor, process_counts, supervisor
from .page_values import (
    View,
    as_address,
    as_label,
    as_list,
    as_map,
    as_number,
    as_seconds,
    as_text,
    as_time,
    as_whole,
    epoch,
    span,
)

CSP = (
    "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy that the page is made for; format it with its nonce."""

MOST = 500
"""Checks that are shown, the most troubled; of the others there is a number."""
LARGEST = 900_000
"""Bytes of all rows at most: where texts are that long, fewer checks are shown."""
RICH = 150
"""Checks on a page with a title for every result and with tables; if there are more, there is less of each."""
MOST_BEATS = 50
"""Heartbeats that are shown."""
SUBJECTS = 20
"""Subjects that are shown."""
LAST = 253_402_300_799.0
"""The last second of the year 9999: no date is later."""
OWN = "minimon"
"""The check of the monitor by itself."""


COUNTED = ("down", "degraded", "unknown", "up", "paused")
"""The order in which checks are counted."""
COLUMNS = ("state", "check", "for", "recent", "p95, 1 h", "up, 1 h", *[*WINDOWS.values()][1:])
HEAD = f'<div class="cols" aria-hidden="true">{"".join(f"<span>{each}</span>" for each in COLUMNS)}</div>\n'
LEGEND = "An uptime <i>in italics</i> is of a window that was not seen whole; “–” is not known yet."
MORE = '<p class="note">What is behind this word is shown to those who may see it.{login}</p>\n'
SLOWER = 6
"""How many times slower it is without scripts: then it cannot keep open what a reader has opened."""


def page(
    snapshot: Mapping[str, Any],
    *,
    nonce: str,
    status_url: str = "/status",
    home: str = "/",
    refresh: int = 5,
    overall: str = "",
    login: str = "",
) -> bytes:
    """The document in UTF-8. Never raises, whatever the snapshot is: a Monitor's, several in an envelope, or any data.

    `nonce` is the one of the response's CSP; `status_url` has the same as JSON, `home` is the address of the page
    itself; every `refresh` seconds it brings itself up to date, 0 for never. `overall` is the word where the snapshot
    has none; `login` is where those who may see more can say who they are.
    """
    try:
        body = _parts(snapshot, status_url, overall, login)
    except Exception:  # whatever the classes of the host do when they are looked at
        body = _parts({"snapshot": plain(snapshot)}, status_url, overall, login)
    return _document(body, nonce, status_url, home, refresh).encode("utf-8", "replace")


class _Parts(NamedTuple):
    """What the document is made of."""

    name: str
    state: str
    headline: str
    banner: str
    main: str
    legend: str


def _document(parts: _Parts, nonce: str, status_url: str, home: str, refresh: int) -> str:
    every = max(0, int(refresh))
    return FRAME.format(
        **parts._asdict(),
        glyph=GLYPHS[parts.state],
        every=every,
        again=AGAIN.format(every=SLOWER * every) if every else "",
        icon=icon(parts.state),
        icon_lost=icon("unknown"),
        nonce=escape(nonce),
        style=STYLE,
        script=SCRIPT,
        home=as_address(home),
        status_url=as_address(status_url),
    )


def _parts(snapshot: Any, status_url: str, overall: str, login: str) -> _Parts:
    whole = as_map(snapshot)
    several = as_list(whole.get("subjects"))[:SUBJECTS] if "checks" not in whole else []
    subjects = [as_map(each) for each in several] or [whole]
    overall, now, counts = _overall(whole) or overall, _now(subjects), _counts(subjects)
    state, word = WHOLE.get(overall, ("unknown", ""))
    troubled = "" if overall == "draining" else worst([*chain.from_iterable(counts.values())])
    name = f"{len(several)} subjects" if several else _name(whole)
    told = f" <span>· <bdi>{name}</bdi></span>" if name else ""
    head = f"<h1><b>{word or 'Status'}</b>{told}</h1>{_numbers(counts)}"
    said = ": ".join(filter(None, (word, troubled)))
    banner = (
        f'<header id="banner" class="{state}" data-said="{said}" data-now="{now or ""}">'
        f'<i aria-hidden="true">{GLYPHS[state]}</i><div>{head}</div>{_running(subjects, now)}</header>'
    )
    share = max(1, len(several))
    scene = Scene(now, "" if several else status_url, 3 if several else 2, MOST // share, LARGEST // share)
    if whole.keys() <= {"overall"}:
        sections = MORE.format(login=f' <a href="{as_address(login)}">Sign in</a>' if login else "")
    else:
        sections = "".join(_subjects(several or [snapshot], scene, status_url))
    main = f'<main id="main" tabindex="-1">\n{sections}</main>'
    legend = LEGEND if any(map(_is_monitor, several or [snapshot])) else ""
    return _Parts(name or "status", state, troubled or overall or "status", banner, main, legend)


def _numbers(counts: Mapping[str, list[Count]]) -> str:
    """How many checks, and how many processes, are in each state."""
    several = all(counts.values())
    return "".join(numbers(found, kind if several else "") for kind, found in counts.items() if found)


def _running(subjects: list[View], now: float | None) -> str:
    """Since when it runs, and of when the snapshot is."""
    service = as_map(subjects[0].get("service"))
    uptime = as_number(service.get("uptime_s"))
    told = "<dt>draining</dt><dd>no more requests are wanted</dd>" if service.get("draining") is True else ""
    status = next((as_text(each.get("status"), 40) for each in subjects if is_supervisor(each)), "")
    told += f"<dt>status</dt><dd>{status}</dd>" if status not in ("", "running") else ""
    told += f"<dt>running for</dt><dd>{span(uptime)}</dd>" if uptime is not None and len(subjects) == 1 else ""
    if now is not None:
        at = datetime.fromtimestamp(now, timezone.utc)
        ago = f'<span class="nb">{as_time(at.isoformat(), now)} ago</span>'
        told += f"<dt>as of</dt><dd>{at:%d %b %Y, %H:%M:%S} UTC, {ago}</dd>"
    return f"<dl>{told}</dl>"


# --- subjects


def _subjects(subjects: list[Any], scene: Scene, status_url: str) -> Iterator[str]:
    """All of each. Routes that several supervisors have are those of the first."""
    first = next((number for number, each in enumerate(subjects) if is_supervisor(each)), None)
    routes = status_url[: -len("status")] or "./" if status_url.endswith("status") else ""
    for number, each in enumerate(subjects):
        yield _subject(each, scene._replace(routes=routes if number == first else ""), number)


def _subject(subject: Any, scene: Scene, number: int) -> str:
    """All of one: a monitor's sections, a supervisor's, or whatever else it says."""
    if _is_monitor(subject):
        body = _monitor(as_map(subject), scene, number)
    else:
        body = supervisor(as_map(subject), scene, number) if is_supervisor(subject) else _anything(subject)
    if scene.level == 2:
        return body
    state, word = WHOLE.get(_overall(as_map(subject)), ("unknown", ""))
    told = f"{GLYPHS[state]} {word}" if word else ""
    return f'<section class="subject {state}">{heading(_name(as_map(subject)) or "status", told, 2)}{body}</section>\n'


def _is_monitor(subject: Any) -> bool:
    """Whether it has checks as a Monitor has."""
    checks = as_map(subject).get("checks")
    if not isinstance(checks, Mapping) or not all(isinstance(view, Mapping) for view in checks.values()):
        return False
    return bool(checks) or "counts" in subject or "self" in subject


def _monitor(snapshot: View, scene: Scene, number: int) -> str:
    found = (Row(rank(view), name, view) for name, view in snapshot["checks"].items())
    ranked = sorted(found, key=lambda row: row.rank)
    rows, own = [row for row in ranked if row.name != OWN], [row for row in ranked if row.name == OWN]
    scene = scene._replace(rich=len(rows) <= RICH)
    shown = fitting(rows[: scene.most], scene, number, check_row)
    itself = _itself(snapshot, scene, "".join(row.html for row in fitting(own, scene, number, check_row)))
    order = dict.fromkeys(_group_of(view) for view in snapshot["checks"].values())
    more = rest(len(rows) - len(shown), "check", "checks")
    parts = [_groups(shown, [*order], scene), more, events(snapshot, scene, "check", _turned)]
    parts.insert(0 if own and own[0].rank < WELL else 2, itself)
    return (HEAD if own or rows else "") + "".join(parts)


def _group_of(view: View) -> str:
    return as_text(view.get("group"), 80)


def _groups(rows: list[Row], order: list[str], scene: Scene) -> str:
    """A section for each group: troubled ones first, then in the order in which they were added, so that they seldom
    change places; checks without a group last.
    """
    if not rows:
        return '<p class="note">No check has been added.</p>\n'
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_group_of(row.view), []).append(row)
    shown = [group for group in order if group in groups]
    shown.sort(key=lambda group: (groups[group][0].rank >= WELL, not group))
    return "".join(_group(group, groups[group], len(groups), scene) for group in shown)


def _group(group: str, rows: list[Row], among: int, scene: Scene) -> str:
    title = f"<bdi>{group}</bdi>" if group else "Other checks" if among > 1 else "Checks"
    return listed(title, rows, scene)


# --- events, the monitor itself, and whatever else a subject says


def _turned(event: View) -> Look | None:
    """What a check has turned to."""
    after = event.get("after")
    return Look(after, GLYPHS[after], after) if isinstance(after, str) and after in GLYPHS else None


def _itself(snapshot: View, scene: Scene, row: str) -> str:
    """The monitor's own check and figures."""
    figures = list(_figures(as_map(snapshot.get("self"))))[:40]
    if not figures and not row and not snapshot.get("heartbeats"):
        return ""
    told = ", ".join(filter(None, (who(snapshot), *_role(as_map(snapshot.get("sharing"))))))
    own = f'<ul class="list" role="list">{row}</ul>' if row else ""
    items = "".join(_figure(key, value, scene) for key, value in figures)
    items += "".join(starmap(_beat, list(as_map(snapshot.get("heartbeats")).items())[:MOST_BEATS]))
    shown = f'<dl class="own box">{items}</dl>' if items else ""
    return f'<section class="group">{heading("The monitor itself", told, scene.level)}{own}{shown}</section>\n'


def _role(sharing: View) -> Iterator[str]:
    """Who of several workers has answered, if that is not the one that polls."""
    if sharing.get("role") == "follower":
        yield f"answered by process {as_text(sharing.get('pid'), 40)}, which follows it"


def _figures(figures: View) -> Iterator[tuple[str, Any]]:
    """The figures, those within another beside the others."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}: {inner}", item) for inner, item in value.items() if item not in (None, ""))
        elif value is not None:
            yield str(key), value


def _figure(key: str, value: Any, scene: Scene) -> str:
    alarm = ' class="x"' if value and key in ALARMING else ""
    shown = _value(value, 0) if value != "" else "no"
    if key.endswith("_s") and as_number(value) is not None:
        shown = as_seconds(value)
    elif key.endswith("_at"):
        shown = f"{as_time(value, scene.now)} ago"
    return f"<div><dt>{FIGURES.get(key) or as_label(key)}</dt><dd{alarm}>{shown}</dd></div>"


def _beat(name: object, beat: Any) -> str:
    view = as_map(beat)
    alarm = ' class="x"' if view.get("status") == "missed" else ""
    told = ": ".join(filter(None, (as_text(view.get(key), 100) for key in ("status", "detail"))))
    return f"<div><dt>heartbeat <bdi>{as_text(name, 60)}</bdi></dt><dd{alarm}>{told}</dd></div>"


def _anything(subject: Any) -> str:
    """The values of a host's own object, readable."""
    readable = _value(plain(subject), 3)
    return f'<section class="box said">{readable if len(readable) <= LARGEST // 4 else _json(subject)}</section>\n'


def _value(value: Any, depth: int) -> str:
    """A value as HTML: maps as lists of names and values, the rest as text or JSON."""
    if isinstance(value, Mapping) and value and depth:
        items = list(value.items())
        rows = "".join(f"<dt>{as_label(key)}</dt><dd>{_value(item, depth - 1)}</dd>" for key, item in items[:200])
        return f'<dl class="facts">{rows}</dl>{f"<p>… {len(items) - 200:,} more</p>" if len(items) > 200 else ""}'
    if isinstance(value, bool) or value is None:
        return "–" if value is None else "yes" if value else "no"
    if isinstance(value, list) and len(value) <= 20 and not any(isinstance(each, (Mapping, list)) for each in value):
        return ", ".join(_value(each, 0) for each in value)
    if isinstance(value, (Mapping, list)):
        return _json(value)
    return as_whole(value) if isinstance(value, int) else as_text(value, 500)


def _json(value: Any) -> str:
    text = json.dumps(plain(value), indent=1, ensure_ascii=False)
    cut = text if len(text) <= 4_000 else text[:4_000] + "…"
    return f"<pre>{escape(chr(10).join(short(line, 500) for line in cut.splitlines()))}</pre>"


# --- facts of the whole


def _overall(snapshot: View) -> str:
    if as_map(snapshot.get("service")).get("draining") is True:
        return "draining"
    if is_supervisor(snapshot) and snapshot.get("status") in ENDING:
        return "draining"
    for key in ("overall", "status"):
        word = snapshot.get(key)
        if isinstance(word, str) and word in WHOLE:
            return word
    healthy = snapshot.get("healthy", snapshot.get("is_healthy"))
    return ("healthy" if healthy else "unhealthy") if isinstance(healthy, bool) else ""


def _name(snapshot: View) -> str:
    service = snapshot.get("service", snapshot.get("name"))
    return as_text(service.get("name") if isinstance(service, Mapping) else service, 80)


def _counts(subjects: list[View]) -> dict[str, list[Count]]:
    """By kind."""
    counts = [as_map(subject.get("counts")) for subject in subjects]
    sums = {state: sum(int(as_number(each.get(state)) or 0) for each in counts) for state in COUNTED}
    checks = [Count(Look(state, GLYPHS[state], state), n) for state, n in sums.items() if n]
    return {"checks": checks, "processes": process_counts(subjects)}


def _now(subjects: list[View]) -> float | None:
    """When the snapshots were made: as long after the start as they say, and not before what they tell."""
    return max((each for each in chain.from_iterable(map(_instants, subjects)) if 0 < each < LAST), default=None)


def _instants(subject: View) -> Iterator[float]:
    service = as_map(subject.get("service"))
    started, uptime = epoch(service.get("started_at")), as_number(service.get("uptime_s"))
    if started is not None and uptime is not None:
        yield started + uptime
    views = as_map(subject.get("checks")).values()
    told = [as_map(as_map(view).get("last")).get("at") for view in views]
    told += [as_map(each).get("at") for each in as_list(subject.get("events"))[-1:]]
    latest = epoch(max((each for each in told if isinstance(each, str)), default=None))
    if latest is not None:
        yield latest
