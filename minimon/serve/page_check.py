"""One check on the status page: its row, its chart, and what is told of it when it is unfolded. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from .page_assets import GLYPHS
from .page_values import (
    NOTHING,
    View,
    as_address,
    as_clock,
    as_list,
    as_map,
    as_number,
    as_ratio,
    as_seconds,
    as_text,
    as_time,
    as_whole,
    percent,
    span,
)

SLOTS = 16
"""Results in the bar of a check, the latest."""
TAGS = 8
"""Tags of a check that are shown."""
SOON = 14.0
"""Days before a certificate expires from which on that is marked."""
LEAST = 0.01
"""How much of a window must have been seen until its uptime says something."""
RANKS = {"down": 0, "degraded": 2, "unknown": 4, "up": 8, "paused": 10}
"""How far down a check stands; one less if it is critical."""
WELL = 8
"""The rank from which on nothing troubles a check."""
MIDDLES = {"pass": 25.5, "warn": 23.5, "fail": 14.5, "unknown": 27}
"""Where the middle of a bar is, from the top."""
ENDED = {"pass": "passed", "warn": "warned", "fail": "failed", "unknown": "unknown"}
WINDOWS = {"1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d"}


class Scene(NamedTuple):
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
    routes: str = ""
    """Below which a supervisor tells of its processes; "" for nowhere."""


class Row(NamedTuple):
    """One check on its way to the page."""

    rank: int
    name: str
    view: View
    html: str = ""


def rank(view: View) -> int:
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


def check_row(row: Row, scene: Scene, identity: str) -> str:
    """The row of a check."""
    view, state = row.view, _state(row.view)
    heading = f"h{scene.level + 1}"
    recent = as_list(view.get("recent"))
    uptime = as_map(view.get("uptime"))
    p95 = as_seconds(as_map(as_map(view.get("latency")).get("1h")).get("p95"))
    return (
        f'<li class="check {state}{" t" if row.rank < WELL else ""}">'
        f'<span class="s"><i aria-hidden="true">{GLYPHS[state]}</i>{state}</span>'
        f'<div class="n"><{heading}><bdi>{as_text(row.name, 100)}</bdi></{heading}>'
        f"{''.join(_marks(view))}{_why(view, state, recent[-SLOTS:], scene)}</div>"
        f'<span class="a">{as_time(view.get("since"), scene.now)}</span>{_chart(recent[-SLOTS:], scene.rich)}'
        f'<span class="p"><small>p95, 1 h</small>{p95}</span>'
        f"{''.join(_uptime(label, as_map(uptime.get(window))) for window, label in WINDOWS.items())}"
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
    tags = as_map(view.get("tags"))
    for key in list(tags)[:TAGS]:
        yield f"<em>{as_text(key, 40)}: {as_text(tags[key], 40)}</em>"


def _days(view: View) -> float | None:
    """Until the first certificate of the chain expires."""
    facts = as_map(as_map(as_map(view.get("last")).get("transport")).get("certificate"))
    known = [each for each in map(as_number, (facts.get("days"), facts.get("chain_days"))) if each is not None]
    return min(known, default=None)


def _why(view: View, state: str, recent: list[Any], scene: Scene) -> str:
    """Why it is what it is, else what went wrong lately."""
    told = as_text(view.get("explanation"), 300)
    if told:
        return f"<p>{told}</p>"
    if state == "paused":
        return ""
    failure = _failure(recent)
    detail = as_text(failure.get("detail") or failure.get("reason"), 200)
    return f"<p>failed {as_time(failure.get('at'), scene.now)} ago: {detail}</p>" if detail else ""


def _failure(recent: list[Any]) -> View:
    """The latest that did not pass."""
    return next((each for each in map(as_map, reversed(recent)) if each.get("outcome") in ("fail", "unknown")), NOTHING)


def _uptime(label: str, window: View) -> str:
    """One window: never more than is known."""
    ratio, coverage = as_number(window.get("ratio")), as_number(window.get("coverage")) or 0.0
    title = "" if coverage >= 1.0 else f' title="{_seen(coverage)} of {label} seen"'
    if ratio is None or coverage < LEAST:
        return f'<span class="u g"{title}><small>{label}</small>–</span>'
    kind = "x" if ratio < 0.9 else "w" if ratio < 0.99 else "g" if ratio >= 1.0 else ""
    partial = " h" if coverage < 0.9 else ""
    return f'<span class="u {kind}{partial}"{title}><small>{label}</small>{percent(ratio)}</span>'


def _seen(coverage: float) -> str:
    """How much of a window was seen: a hundredth more or less is the same."""
    return "less than 1%" if 0.0 < coverage < 0.01 else f"{math.floor(coverage * 100)}%"


def _chart(recent: list[Any], rich: bool) -> str:
    """The latest results: how long those took that passed, as a line; how each ended, as a bar."""
    results = [as_map(each) for each in recent]
    if not results:
        return '<span class="c mute">no result yet</span>'
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
    times = [as_number(each.get("elapsed_s")) if how in ("pass", "warn") else None for each, how in zip(results, ended)]
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
        yield f'<rect x="{x}"{kind}><title>{as_clock(result)} {_ended(result)}</title></rect>'


def _merged(results: list[View], first: int) -> Iterator[str]:
    """The same to look at, with one dashed line, and one title, for those in a row that ended alike."""
    x = first
    for (how, reason), alike in groupby(results, lambda each: (_outcome(each), str(each.get("reason") or "")[:20])):
        run = list(alike)
        many = f"to {as_clock(run[-1])}: {len(run)} {ENDED[how]} {as_text(reason, 20)}"
        title = f"<title>{as_clock(run[0])} {_ended(run[0]) if len(run) == 1 else many}</title>"
        yield f'<path class="d-{how}" d="M{x} {MIDDLES[how]}h{len(run)}">{title}</path>'
        x += len(run)


def _outcome(result: View) -> str:
    outcome = result.get("outcome")
    return outcome if isinstance(outcome, str) and outcome in ENDED else "unknown"


def _ended(result: View) -> str:
    """How a result ended, in few words."""
    code, how = result.get("status_code"), _outcome(result)
    words = (
        f"{ENDED[how]} {as_text(result.get('reason'), 20)}".strip() if how != "pass" else "",
        as_text(code, 8),
        as_seconds(result.get("elapsed_s")),
    )
    return ", ".join(filter(None, words))


# --- more of one check


def _more(row: Row, scene: Scene, recent: list[Any]) -> str:
    facts = "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in _facts(row, scene, recent) if value)
    tables = f"{_uptime_table(row.view)}{_latency_table(row.view)}" if scene.rich else ""
    return f'<dl class="facts">{facts}</dl>{tables}'


def _facts(row: Row, scene: Scene, recent: list[Any]) -> Iterator[tuple[str, str]]:
    view, last = row.view, as_map(row.view.get("last"))
    yield "runs", _runs(view)
    yield "reasons", ", ".join(list(_reasons(as_map(view.get("reasons"))))[:14])
    if last and scene.rich:
        yield "latest run", f"{as_clock(last)} UTC, {_ended(last)}"
    failure = _failure(recent)
    if failure:
        detail = as_text(failure.get("detail"), 300) if scene.rich else ""
        yield "latest failure", f"{as_clock(failure)} UTC, {_ended(failure)}{': ' if detail else ''}{detail}"
    if scene.rich:
        yield "on average", _means(as_number(view.get("mttr_s")), as_number(view.get("mtbf_s")))
    yield from _way(last)
    if scene.status_url and isinstance(row.name, str) and len(row.name) <= 200:
        address = f"{scene.status_url}{'&' if '?' in scene.status_url else '?'}check="
        yield "all of it", f'<a href="{as_address(address)}{as_address(row.name, safe="")}">as JSON</a>'


def _reasons(reasons: View) -> Iterator[str]:
    """How often each, by outcome."""
    for outcome, tally in reasons.items():
        word = "" if outcome == "fail" else f"{as_text(outcome, 10)} "
        yield from (f"{word}{as_text(reason, 20)} {as_text(n, 20)}" for reason, n in as_map(tally).items())


def _runs(view: View) -> str:
    counts, streak = as_map(view.get("counts")), as_map(view.get("streak"))
    told = ", ".join(f"{as_whole(counts[key])} {word}" for key, word in ENDED.items() if counts.get(key))
    ended, number = streak.get("outcome"), as_number(streak.get("n"))
    if not told or not number or not isinstance(ended, str) or ended not in ENDED:
        return told
    return f"{told}; the latest {as_whole(number)} {ENDED[ended]}"


def _means(repair: float | None, between: float | None) -> str:
    parts = ((repair, "down for"), (between, "up for"))
    return ", ".join(f"{word} {span(seconds)}" for seconds, word in parts if seconds)


def _way(last: View) -> Iterator[tuple[str, str]]:
    """How the latest result came."""
    phases, transport = as_map(last.get("phases")), as_map(last.get("transport"))
    yield (
        "phases",
        ", ".join(f"{as_text(key, 20).replace('_', ' ')} {as_seconds(phases[key])}" for key in list(phases)[:8]),
    )
    yield "from", as_text(transport.get("address"), 100)
    facts = as_map(transport.get("certificate"))
    if facts:
        who = ", ".join(str(each) for each in as_list(facts.get("names"))[:3]) or facts.get("subject")
        trusted = "verified" if facts.get("verified") else "not verified"
        until = f"until {as_text(str(facts['not_after'])[:10], 10)}" if facts.get("not_after") else ""
        by = f"by {as_text(facts['issuer'], 100)}" if facts.get("issuer") else ""
        yield (
            "certificate",
            ", ".join(filter(None, (as_text(transport.get("tls"), 12), as_text(who, 200), trusted, until, by))),
        )


def _uptime_table(view: View) -> str:
    windows = as_map(view.get("uptime"))
    rows = []
    for key, label in WINDOWS.items():
        window = as_map(windows.get(key))
        known = as_number(window.get("coverage")) or 0.0
        ratio = as_ratio(window.get("ratio")) if known else "–"
        down = span(as_number(window.get("down_s")) or 0.0) if known else "–"
        numbers = as_whole(window.get("incidents")), as_ratio(window.get("success_ratio"))
        rows.append((label, ratio, _seen(known), down, *numbers))
    return _table("Uptime", ("", "up", "seen", "down for", "incidents", "passed"), rows)


def _latency_table(view: View) -> str:
    windows = as_map(view.get("latency"))
    columns = ("p50", "p90", "p95", "p99", "max")
    rows = []
    for key, label in (("1h", "1 h"), ("24h", "24 h")):
        window = as_map(windows.get(key))
        for words, figures in ((label, window), (f"{label}, failed", as_map(window.get("failures")))):
            if figures.get("n"):
                rows.append((words, *(as_seconds(figures.get(each)) for each in columns), as_whole(figures["n"])))
    return _table("Time taken", ("", *columns, "runs"), rows) if rows else ""


def _table(caption: str, head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head).replace('<th scope="col"></th>', "<td></td>")
    body = "".join(f'<tr><th scope="row">{row[0]}</th><td>{"</td><td>".join(row[1:])}</td></tr>' for row in rows)
    return (
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
