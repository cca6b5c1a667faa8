"""A snapshot as one HTML page for people, whole in itself: no asset, no inline style, nothing unescaped. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from html import escape
from itertools import chain, groupby
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from ..text import short
from .exposition import plain
from .page_assets import AGAIN, ALARMING, FIGURES, FRAME, GLYPHS, SCRIPT, STYLE, WHOLE, icon

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
SLOTS = 16
"""Results in the bar of a check, the latest."""
EVENTS = 50
"""Events that are shown, the latest."""
TAGS = 8
"""Tags of a check that are shown."""
LAST = 253_402_300_799.0
"""The last second of the year 9999: no date is later."""
LEAST = 0.01
"""How much of a window must have been seen until its uptime says something."""
SOON = 14.0
"""Days before a certificate expires from which on that is marked."""
SUBJECTS = 20
"""Subjects that are shown."""
OWN = "minimon"
"""The check of the monitor by itself."""

View = Mapping[str, Any]
NOTHING: View = MappingProxyType({})

COUNTED = ("down", "degraded", "unknown", "up", "paused")
"""The order in which checks are counted."""
RANKS = {"down": 0, "degraded": 2, "unknown": 4, "up": 8, "paused": 10}
"""How far down a check stands; one less if it is critical."""
WELL = 8
"""The rank from which on nothing troubles a check."""
MIDDLES = {"pass": 25.5, "warn": 23.5, "fail": 14.5, "unknown": 27}
"""Where the middle of a bar is, from the top."""
ENDED = {"pass": "passed", "warn": "warned", "fail": "failed", "unknown": "unknown"}
WINDOWS = {"24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d"}
COLUMNS = ("state", "check", "for", "recent", "p95, 1 h", *WINDOWS.values())


def page(
    snapshot: Mapping[str, Any], *, nonce: str, status_url: str = "/status", home: str = "/", refresh: int = 5
) -> bytes:
    """The document in UTF-8. Never raises, whatever the snapshot is: a Monitor's, several in an envelope, or any data.

    `nonce` is the one of the response's CSP; `status_url` has the same as JSON, `home` is the address of the page
    itself; every `refresh` seconds it brings itself up to date, 0 for never.
    """
    try:
        body = _parts(snapshot, status_url)
    except Exception:  # whatever the classes of the host do when they are looked at
        body = _parts({"snapshot": plain(snapshot)}, status_url)
    return _document(body, nonce, status_url, home, refresh).encode("utf-8", "replace")


class _Parts(NamedTuple):
    """What the document is made of."""

    name: str
    state: str
    headline: str
    banner: str
    main: str


def _document(parts: _Parts, nonce: str, status_url: str, home: str, refresh: int) -> str:
    every = max(0, int(refresh))
    return FRAME.format(
        **parts._asdict(),
        glyph=GLYPHS[parts.state],
        every=every,
        again=AGAIN.format(every=every) if every else "",
        icon=icon(parts.state),
        icon_lost=icon("unknown"),
        nonce=escape(nonce),
        style=STYLE,
        script=SCRIPT,
        home=_address(home),
        status_url=_address(status_url),
    )


def _parts(snapshot: Any, status_url: str) -> _Parts:
    whole = _map(snapshot)
    several = _list(whole.get("subjects"))[:SUBJECTS] if "checks" not in whole else []
    subjects = [_map(each) for each in several] or [whole]
    overall, now, counts = _overall(whole), _now(subjects), _counts(subjects)
    state, word = WHOLE.get(overall, ("unknown", ""))
    worst = next((f"{counts[each]:,} {each}" for each in COUNTED[:3] if counts[each]), "")
    name = f"{len(several)} subjects" if several else _name(whole)
    head = f"<h1><b>{word or 'Status'}</b> <span>· <bdi>{name}</bdi></span></h1>{_numbers(counts)}"
    said = ": ".join(filter(None, (word, worst)))
    banner = (
        f'<header id="banner" class="{state}" data-said="{said}" data-now="{now or ""}">'
        f'<i aria-hidden="true">{GLYPHS[state]}</i><div>{head}</div>{_running(subjects, now)}</header>'
    )
    share = max(1, len(several))
    scene = _Scene(now, "" if several else status_url, 3 if several else 2, MOST // share, LARGEST // share)
    sections = "".join(_subject(each, scene, number) for number, each in enumerate(several or [snapshot]))
    return _Parts(
        name, state, worst or overall or "status", banner, f'<main id="main" tabindex="-1">\n{sections}</main>'
    )


def _numbers(counts: Mapping[str, int]) -> str:
    """How many checks are in each state."""
    items = (
        f'<li class="{each}"><b><i aria-hidden="true">{GLYPHS[each]}</i>{counts[each]:,}</b> {each}</li>'
        for each in COUNTED
        if counts[each]
    )
    return f'<ul class="counts" role="list">{"".join(items)}</ul>'


def _running(subjects: list[View], now: float | None) -> str:
    """Since when it runs, and of when the snapshot is."""
    uptime = _number(_map(subjects[0].get("service")).get("uptime_s"))
    told = f"<dt>running for</dt><dd>{span(uptime)}</dd>" if uptime is not None and len(subjects) == 1 else ""
    if now is not None:
        at = datetime.fromtimestamp(now, timezone.utc)
        ago = f'<span class="nb">{_time(at.isoformat(), now)} ago</span>'
        told += f"<dt>as of</dt><dd>{at:%d %b %Y, %H:%M:%S} UTC, {ago}</dd>"
    return f"<dl>{told}</dl>"


class _Scene(NamedTuple):
    """What all parts of a page are drawn with."""

    now: float | None
    """Seconds since the epoch, of the snapshot."""
    status_url: str
    """Where a check alone can be asked for; "" for nowhere."""
    level: int
    """Of the headings of groups."""
    most: int
    """Checks that are shown of a subject."""
    room: int
    """Bytes for them."""
    rich: bool = True
    """Whether there is room for all."""


class _Row(NamedTuple):
    """One check on its way to the page."""

    rank: int
    name: str
    view: View
    html: str = ""


# --- subjects


def _subject(subject: Any, scene: _Scene, number: int) -> str:
    """All of one: a monitor's sections, or whatever else it says."""
    body = _monitor(_map(subject), scene, number) if _is_monitor(subject) else _anything(subject)
    if scene.level == 2:
        return body
    state, word = WHOLE.get(_overall(_map(subject)), ("unknown", ""))
    told = f"{GLYPHS[state]} {word}" if word else ""
    return f'<section class="subject {state}">{_title(_name(_map(subject)), told, 2)}{body}</section>\n'


def _is_monitor(subject: Any) -> bool:
    """Whether it has checks as a Monitor has."""
    checks = _map(subject).get("checks")
    if not isinstance(checks, Mapping) or not all(isinstance(view, Mapping) for view in checks.values()):
        return False
    return bool(checks) or "counts" in subject or "self" in subject


def _monitor(snapshot: View, scene: _Scene, number: int) -> str:
    found = (_Row(_rank(view), name, view) for name, view in snapshot["checks"].items())
    ranked = sorted(found, key=lambda row: row.rank)
    rows, own = [row for row in ranked if row.name != OWN], [row for row in ranked if row.name == OWN]
    scene = scene._replace(rich=len(rows) <= RICH)
    shown = _fitting(rows[: scene.most], scene, number)
    itself = _itself(snapshot, scene, "".join(row.html for row in _fitting(own, scene, number)))
    parts = [_groups(shown, scene), _rest(len(rows) - len(shown)), _events(snapshot, scene)]
    parts.insert(0 if own and own[0].rank < WELL else 2, itself)
    return "".join(parts)


def _fitting(rows: list[_Row], scene: _Scene, number: int) -> list[_Row]:
    """The rows drawn, as many of the first as there is room for."""
    drawn: list[_Row] = []
    ids: dict[str, int] = {}
    room = scene.room
    for row in rows:
        html = _check(row, scene, _identity(row.name, number, ids))
        room -= len(html) if html.isascii() else len(html.encode("utf-8", "replace"))
        if room < 0:
            break
        drawn.append(row._replace(html=html))
    return drawn


def _identity(name: object, number: int, ids: dict[str, int]) -> str:
    """An id that is the same in the next document; names that begin alike are numbered."""
    start = f"c{number}-{_address(short(name, 60), safe='')}"
    ids[start] = ids.get(start, 0) + 1
    return start if ids[start] == 1 else f"{start}~{ids[start]}"


def _groups(rows: list[_Row], scene: _Scene) -> str:
    """A section for each group: the most troubled first, checks without a group last among equals."""
    if not rows:
        return '<p class="note">No check has been added.</p>\n'
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(_text(row.view.get("group"), 80), []).append(row)
    order = sorted(groups, key=lambda group: (min(groups[group][0].rank, WELL), not group))
    columns = "".join(f"<span>{column}</span>" for column in COLUMNS)
    head = f'<div class="cols" aria-hidden="true">{columns}</div>\n'
    return head + "".join(_group(group, groups[group], len(groups), scene) for group in order)


def _group(group: str, rows: list[_Row], among: int, scene: _Scene) -> str:
    troubled = sum(row.rank < WELL for row in rows)
    told = f"{troubled} of {len(rows)} troubled" if troubled else f"{len(rows)} well"
    title = f"<bdi>{group}</bdi>" if group else "Other checks" if among > 1 else "Checks"
    return (
        f'<section class="group">{_title(title, told, scene.level)}\n'
        f'<ul class="list" role="list">\n{"".join(row.html for row in rows)}</ul></section>\n'
    )


def _title(title: str, told: str, level: int) -> str:
    """A heading, and what is told beside it."""
    return f'<div class="title"><h{level}>{title}</h{level}><span class="mute">{told}</span></div>'


def _rest(number: int) -> str:
    told = "check is not shown: it" if number == 1 else "checks are not shown: none"
    trouble = "is in no more trouble" if number == 1 else "is in more trouble"
    return f'<p class="note">{number:,} more {told} {trouble} than those above.</p>\n' if number > 0 else ""


# --- one check


def _rank(view: View) -> int:
    """How far down it stands: what is down first, then what else troubles, then what is well, then what is paused."""
    rank = RANKS[_state(view)]
    if rank == RANKS["up"] and view.get("flapping"):
        rank = WELL - 2
    return rank if view.get("critical") else rank + 1


def _state(view: View) -> str:
    if view.get("paused"):
        return "paused"
    status = view.get("status")
    return status if isinstance(status, str) and status in GLYPHS else "unknown"


def _check(row: _Row, scene: _Scene, identity: str) -> str:
    """The row of a check."""
    view, state = row.view, _state(row.view)
    heading = f"h{scene.level + 1}"
    recent = _list(view.get("recent"))
    uptime = _map(view.get("uptime"))
    p95 = _seconds(_map(_map(view.get("latency")).get("1h")).get("p95"))
    return (
        f'<li class="check {state}{" t" if row.rank < WELL else ""}">'
        f'<span class="s"><i aria-hidden="true">{GLYPHS[state]}</i>{state}</span>'
        f'<div class="n"><{heading}><bdi>{_text(row.name, 100)}</bdi></{heading}>'
        f"{''.join(_marks(view))}{_why(view, state, recent[-SLOTS:], scene)}</div>"
        f'<span class="a">{_time(view.get("since"), scene.now)}</span>{_chart(recent[-SLOTS:], scene.rich)}'
        f'<span class="p"><small>p95, 1 h</small>{p95}</span>'
        f"{''.join(_uptime(label, _map(uptime.get(window))) for window, label in WINDOWS.items())}"
        f'<details id="{identity}"><summary><span class="quiet">More</span></summary>'
        f'<div class="more">{_more(row, scene, recent)}</div></details></li>\n'
    )


def _marks(view: View) -> Iterator[str]:
    """What stands beside a name."""
    if view.get("critical"):
        yield '<em class="k">critical</em>'
    if view.get("flapping"):
        yield '<em class="w">flapping</em>'
    days = _days(view)
    if days is not None:
        kind = ' class="x"' if days < SOON / 4 else ' class="w"' if days < SOON else ""
        told = f"certificate {math.floor(days)} d" if days >= 0 else "certificate expired"
        yield f"<em{kind}>{told}</em>"
    tags = _map(view.get("tags"))
    for key in list(tags)[:TAGS]:
        yield f"<em>{_text(key, 40)}: {_text(tags[key], 40)}</em>"


def _days(view: View) -> float | None:
    """Until the first certificate of the chain expires."""
    facts = _map(_map(_map(view.get("last")).get("transport")).get("certificate"))
    known = [each for each in map(_number, (facts.get("days"), facts.get("chain_days"))) if each is not None]
    return min(known, default=None)


def _why(view: View, state: str, recent: list[Any], scene: _Scene) -> str:
    """Why it is what it is, else what went wrong lately."""
    told = _text(view.get("explanation"), 300)
    if told:
        return f"<p>{told}</p>"
    if state == "paused":
        return ""
    failure = _failure(recent)
    detail = _text(failure.get("detail") or failure.get("reason"), 200)
    return f"<p>failed {_time(failure.get('at'), scene.now)} ago: {detail}</p>" if detail else ""


def _failure(recent: list[Any]) -> View:
    """The latest that did not pass."""
    return next((each for each in map(_map, reversed(recent)) if each.get("outcome") in ("fail", "unknown")), NOTHING)


def _uptime(label: str, window: View) -> str:
    """One window: never more than is known."""
    ratio, coverage = _number(window.get("ratio")), _number(window.get("coverage")) or 0.0
    title = "" if coverage >= 1.0 else f' title="{_seen(coverage)} of {label} seen"'
    if ratio is None or coverage < LEAST:
        return f'<span class="u g"{title}><small>{label}</small>–</span>'
    kind = "x" if ratio < 0.9 else "w" if ratio < 0.99 else "g" if ratio >= 1.0 else ""
    partial = " h" if coverage < 0.9 else ""
    return f'<span class="u {kind}{partial}"{title}><small>{label}</small>{percent(ratio)}</span>'


def _seen(coverage: float) -> str:
    """How much of a window was seen: a hundredth more or less is the same."""
    return "less than 1%" if 0.0 < coverage < 0.01 else f"{math.floor(coverage * 100)}%"


def percent(ratio: float) -> str:
    """A ratio as a percentage, rounded down: all and nothing are never claimed when it was almost so."""
    parts = min(10_000, max(0, round(ratio * 1_000_000) // 100))
    if ratio >= 1.0 or ratio <= 0.0:
        return "100%" if ratio >= 1.0 else "0%"
    if parts == 0:
        return "<0.01%".replace("<", "&lt;")
    return f"{min(parts, 9_999) / 100:.2f}%"


def _chart(recent: list[Any], rich: bool) -> str:
    """The latest results: how long those took that passed, as a line; how each ended, as a bar."""
    results = [_map(each) for each in recent]
    if not results:
        return '<span class="mute">no result yet</span>'
    first = SLOTS - len(results)
    ended = [_outcome(each) for each in results]
    failed = sum(each in ("fail", "unknown") for each in ended)
    bars = "".join(_titled(results, first) if rich else _merged(results, first))
    told = f"latest {len(results)} results: {f'{failed} failed' if failed else 'all passed'}"
    return (
        f'<svg viewBox="0 0 {SLOTS} 28" preserveAspectRatio="none" role="img" aria-label="{told}">'
        f"{_line(results, ended, first)}{bars}</svg>"
    )


def _line(results: list[View], ended: list[str], first: int) -> str:
    """The path of what passed, broken where it did not."""
    times = [_number(each.get("elapsed_s")) if how in ("pass", "warn") else None for each, how in zip(results, ended)]
    most = max((each for each in times if each is not None), default=0.0) or 1.0
    pieces, before = [], None
    for x, seconds in enumerate(times, first):
        y = None if seconds is None else 18 - round(16 * max(0.0, seconds) / most)
        if y is not None:
            pieces.append(f"M{x} {y}h0" if before is None else f"l1 {y - before}")
        before = y
    return f'<path d="{"".join(pieces)}"/>' if pieces else ""


def _titled(results: list[View], first: int) -> Iterator[str]:
    """A bar with a title for each result."""
    for x, result in enumerate(results, first):
        how = _outcome(result)
        kind = "" if how == "pass" else f' class="r-{how}"'
        yield f'<rect x="{x}"{kind}><title>{_clock(result)} {_ended(result)}</title></rect>'


def _merged(results: list[View], first: int) -> Iterator[str]:
    """The same to look at, with one dashed line, and one title, for those in a row that ended alike."""
    x = first
    for (how, reason), alike in groupby(results, lambda each: (_outcome(each), str(each.get("reason") or "")[:20])):
        run = list(alike)
        told = _ended(run[0]) if len(run) == 1 else f"to {_clock(run[-1])}: {len(run)} {ENDED[how]} {_text(reason, 20)}"
        yield f'<path class="d-{how}" d="M{x} {MIDDLES[how]}h{len(run)}"><title>{_clock(run[0])} {told}</title></path>'
        x += len(run)


def _outcome(result: View) -> str:
    outcome = result.get("outcome")
    return outcome if isinstance(outcome, str) and outcome in ENDED else "unknown"


def _ended(result: View) -> str:
    """How a result ended, in few words."""
    code, how = result.get("status_code"), _outcome(result)
    words = (
        f"{ENDED[how]} {_text(result.get('reason'), 20)}".strip() if how != "pass" else "",
        _text(code, 8),
        _seconds(result.get("elapsed_s")),
    )
    return ", ".join(filter(None, words))


# --- more of one check


def _more(row: _Row, scene: _Scene, recent: list[Any]) -> str:
    facts = "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in _facts(row, scene, recent) if value)
    tables = f"{_uptime_table(row.view)}{_latency_table(row.view)}" if scene.rich else ""
    return f'<dl class="facts">{facts}</dl>{tables}'


def _facts(row: _Row, scene: _Scene, recent: list[Any]) -> Iterator[tuple[str, str]]:
    view, last = row.view, _map(row.view.get("last"))
    yield "runs", _runs(view)
    reasons = list(_map(view.get("reasons")).items())[:14]
    yield "reasons", ", ".join(f"{_text(key, 20)} {_text(n, 20)}" for key, n in reasons)
    if last and scene.rich:
        yield "latest run", f"{_clock(last)} UTC, {_ended(last)}"
    failure = _failure(recent)
    if failure:
        detail = _text(failure.get("detail"), 300) if scene.rich else ""
        yield "latest failure", f"{_clock(failure)} UTC, {_ended(failure)}{': ' if detail else ''}{detail}"
    if scene.rich:
        yield "on average", _means(_number(view.get("mttr_s")), _number(view.get("mtbf_s")))
    yield from _way(last)
    if scene.status_url and isinstance(row.name, str) and len(row.name) <= 200:
        address = f"{scene.status_url}{'&' if '?' in scene.status_url else '?'}check="
        yield "all of it", f'<a href="{_address(address)}{_address(row.name, safe="")}">as JSON</a>'


def _runs(view: View) -> str:
    counts, streak = _map(view.get("counts")), _map(view.get("streak"))
    told = ", ".join(f"{_whole(counts[key])} {word}" for key, word in ENDED.items() if counts.get(key))
    ended, number = streak.get("outcome"), _number(streak.get("n"))
    if not told or not number or not isinstance(ended, str) or ended not in ENDED:
        return told
    return f"{told}; the latest {_whole(number)} {ENDED[ended]}"


def _means(repair: float | None, between: float | None) -> str:
    parts = ((repair, "down for"), (between, "up for"))
    return ", ".join(f"{word} {span(seconds)}" for seconds, word in parts if seconds is not None)


def _way(last: View) -> Iterator[tuple[str, str]]:
    """How the latest result came."""
    phases, transport = _map(last.get("phases")), _map(last.get("transport"))
    yield "phases", ", ".join(f"{_text(key, 20).replace('_', ' ')} {_seconds(phases[key])}" for key in list(phases)[:8])
    yield "from", _text(transport.get("address"), 100)
    facts = _map(transport.get("certificate"))
    if facts:
        who = ", ".join(str(each) for each in _list(facts.get("names"))[:3]) or facts.get("subject")
        trusted = "verified" if facts.get("verified") else "not verified"
        until = f"until {_text(str(facts['not_after'])[:10], 10)}" if facts.get("not_after") else ""
        by = f"by {_text(facts['issuer'], 100)}" if facts.get("issuer") else ""
        yield (
            "certificate",
            ", ".join(filter(None, (_text(transport.get("tls"), 12), _text(who, 200), trusted, until, by))),
        )


def _uptime_table(view: View) -> str:
    windows = _map(view.get("uptime"))
    rows = []
    for key, label in {"1h": "1 h", **WINDOWS}.items():
        window = _map(windows.get(key))
        known = _number(window.get("coverage")) or 0.0
        ratio = _ratio(window.get("ratio")) if known else "–"
        down = span(_number(window.get("down_s")) or 0.0) if known else "–"
        numbers = _whole(window.get("incidents")), _ratio(window.get("success_ratio"))
        rows.append((label, ratio, _seen(known), down, *numbers))
    return _table("Uptime", ("", "up", "seen", "down for", "incidents", "passed"), rows)


def _latency_table(view: View) -> str:
    windows = _map(view.get("latency"))
    columns = ("p50", "p90", "p95", "p99", "max")
    rows = []
    for key, label in (("1h", "1 h"), ("24h", "24 h")):
        window = _map(windows.get(key))
        for words, figures in ((label, window), (f"{label}, failed", _map(window.get("failures")))):
            if figures.get("n"):
                rows.append((words, *(_seconds(figures.get(each)) for each in columns), _whole(figures["n"])))
    return _table("Time taken", ("", *columns, "runs"), rows) if rows else ""


def _table(caption: str, head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head).replace('<th scope="col"></th>', "<td></td>")
    body = "".join(f'<tr><th scope="row">{row[0]}</th><td>{"</td><td>".join(row[1:])}</td></tr>' for row in rows)
    return (
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


# --- events, the monitor itself, and whatever else a subject says


def _events(snapshot: View, scene: _Scene) -> str:
    events = [_map(each) for each in _list(snapshot.get("events"))[-EVENTS:]]
    if not events:
        return ""
    rows = "".join(_event(each, scene) for each in reversed(events))
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("when", "check", "what", "detail"))
    return (
        f'<section>{_title("Events", "latest first, in UTC", scene.level)}<div class="box"><table class="events">'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div></section>\n"
    )


def _event(event: View, scene: _Scene) -> str:
    before, after = event.get("before"), event.get("after")
    what = _text(event.get("kind"), 30)
    if isinstance(after, str) and after in GLYPHS:
        turned = f'<b class="{after}"><span aria-hidden="true">{GLYPHS[after]}</span> {after}</b>'
        what = f"{'' if what == 'change' else what + ': '}{_text(before, 12)} → {turned}"
    return (
        f'<tr><td><span class="nb">{_clock(event, scene.now)}</span> <span class="mute nb">'
        f"{_time(event.get('at'), scene.now)} ago</span></td><td><bdi>{_text(event.get('check'), 100)}</bdi></td>"
        f"<td>{what}</td><td>{_text(event.get('detail'), 200)}</td></tr>\n"
    )


def _itself(snapshot: View, scene: _Scene, row: str) -> str:
    """The monitor's own check and figures."""
    figures = list(_figures(_map(snapshot.get("self"))))[:40]
    if not figures and not row:
        return ""
    service = _map(snapshot.get("service"))
    known = ((word, _text(service.get(key), 40)) for key, word in (("version", "version"), ("pid", "process")))
    told = ", ".join(f"{word} {value}" for word, value in known if value)
    own = f'<ul class="list" role="list">{row}</ul>' if row else ""
    items = "".join(_figure(key, value, scene) for key, value in figures)
    listed = f'<dl class="own box">{items}</dl>' if items else ""
    return f'<section class="group">{_title("The monitor itself", told, scene.level)}{own}{listed}</section>\n'


def _figures(figures: View) -> Iterator[tuple[str, Any]]:
    """The figures, those within another beside the others."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}: {inner}", item) for inner, item in value.items() if item not in (None, ""))
        elif value is not None:
            yield str(key), value


def _figure(key: str, value: Any, scene: _Scene) -> str:
    alarm = ' class="x"' if value and key in ALARMING else ""
    shown = _value(value, 0) if value != "" else "no"
    if key.endswith("_s") and _number(value) is not None:
        shown = _seconds(value)
    elif key.endswith("_at"):
        shown = f"{_time(value, scene.now)} ago"
    return f"<div><dt>{FIGURES.get(key) or _label(key)}</dt><dd{alarm}>{shown}</dd></div>"


def _anything(subject: Any) -> str:
    """The values of a host's own object, readable."""
    readable = _value(plain(subject), 3)
    return f'<section class="box said">{readable if len(readable) <= LARGEST // 4 else _json(subject)}</section>\n'


def _value(value: Any, depth: int) -> str:
    """A value as HTML: maps as lists of names and values, the rest as text or JSON."""
    if isinstance(value, Mapping) and value and depth:
        items = list(value.items())
        rows = "".join(f"<dt>{_label(key)}</dt><dd>{_value(item, depth - 1)}</dd>" for key, item in items[:200])
        return f'<dl class="facts">{rows}</dl>{f"<p>… {len(items) - 200:,} more</p>" if len(items) > 200 else ""}'
    if isinstance(value, bool) or value is None:
        return "–" if value is None else "yes" if value else "no"
    if isinstance(value, list) and len(value) <= 20 and not any(isinstance(each, (Mapping, list)) for each in value):
        return ", ".join(_value(each, 0) for each in value)
    if isinstance(value, (Mapping, list)):
        return _json(value)
    return _whole(value) if isinstance(value, int) else _text(value, 500)


def _json(value: Any) -> str:
    text = json.dumps(plain(value), indent=1, ensure_ascii=False)
    cut = text if len(text) <= 4_000 else text[:4_000] + "…"
    return f"<pre>{escape(chr(10).join(short(line, 500) for line in cut.splitlines()))}</pre>"


# --- facts of the whole


def _overall(snapshot: View) -> str:
    for key in ("overall", "status"):
        word = snapshot.get(key)
        if isinstance(word, str) and word in WHOLE:
            return word
    healthy = snapshot.get("healthy", snapshot.get("is_healthy"))
    return ("healthy" if healthy else "unhealthy") if isinstance(healthy, bool) else ""


def _name(snapshot: View) -> str:
    service = snapshot.get("service", snapshot.get("name"))
    return _text(service.get("name") if isinstance(service, Mapping) else service, 80) or "status"


def _counts(subjects: list[View]) -> dict[str, int]:
    counts = [_map(subject.get("counts")) for subject in subjects]
    return {state: sum(int(_number(each.get(state)) or 0) for each in counts) for state in COUNTED}


def _now(subjects: list[View]) -> float | None:
    """When the snapshots were made: as long after the start as they say, and not before what they tell."""
    return max((each for each in chain.from_iterable(map(_instants, subjects)) if 0 < each < LAST), default=None)


def _instants(subject: View) -> Iterator[float]:
    service = _map(subject.get("service"))
    started, uptime = epoch(service.get("started_at")), _number(service.get("uptime_s"))
    if started is not None and uptime is not None:
        yield started + uptime
    views = _map(subject.get("checks")).values()
    told = [_map(_map(view).get("last")).get("at") for view in views]
    told += [_map(each).get("at") for each in _list(subject.get("events"))[-1:]]
    latest = epoch(max((each for each in told if isinstance(each, str)), default=None))
    if latest is not None:
        yield latest


# --- values as text


def _map(value: Any) -> View:
    return value if isinstance(value, (dict, Mapping)) else NOTHING


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _number(value: Any) -> float | None:
    """A finite number of a sensible size, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e15 < value < 1e15:
        return None
    return value


def _text(value: Any, limit: int) -> str:
    """In one line, cut, without secrets of URLs, escaped. Nothing is ""."""
    return "" if value is None or value == "" else escape(short(value, limit))


def _label(key: Any) -> str:
    return _text(key, 60).replace("_", " ")


def _address(url: Any, safe: str = "/?&=:#%~+,;@!$'()*[]") -> str:
    """A URL, or a part of one, for an attribute."""
    return escape(quote(str(url).encode("utf-8", "replace"), safe=safe))


def _whole(value: Any) -> str:
    number = _number(value)
    return "–" if number is None else f"{number:,.0f}"


def _ratio(value: Any) -> str:
    number = _number(value)
    return "–" if number is None else percent(number)


def _seconds(value: Any) -> str:
    """With the unit in which it reads best."""
    number = _number(value)
    if number is None:
        return "–"
    if number < 0.0009995:
        return f"{max(0.0, number) * 1e6:.0f} µs"
    if number < 0.9995:
        return f"{number * 1000:.{1 if number < 0.00995 else 0}f} ms"
    return f"{number:.1f} s" if number < 99.95 else span(number)


def span(seconds: float) -> str:
    """Seconds in the two largest units that they fill, rounded down. The script does the same."""
    minutes = int(max(0.0, seconds)) // 60
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(max(0.0, seconds))} s"


def epoch(stamp: Any) -> float | None:
    """An instant in ISO 8601 as seconds since the epoch; without a zone it is in UTC. None for what is none."""
    if not isinstance(stamp, str) or len(stamp) > 40:
        return None
    try:
        at = datetime.fromisoformat(stamp[:-1] + "+00:00" if stamp.endswith("Z") else stamp)
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def _time(stamp: Any, now: float | None) -> str:
    """How long ago an instant was; the script keeps it up to date."""
    at = epoch(stamp)
    if at is None or now is None:
        return "–"
    return f'<time datetime="{escape(stamp)}">{span(now - at)}</time>'


def _clock(result: View, now: float | None = None) -> str:
    """The time of day of an instant in UTC; with its day, if `now` is another."""
    stamp = result.get("at")
    at = epoch(stamp)
    if at is None or not isinstance(stamp, str):
        return "–"
    day = "" if now is None or now - at < 43_200 else f"{stamp[:10]} "
    return escape(f"{day}{stamp[11:19]}")
