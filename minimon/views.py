"""From histories to plain data that JSON carries: what snapshots are made of. Pure."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from .checks import Check
from .evaluate import Standing
from .history import RECENT, History
from .latency import Window
from .model import CheckState, Result, View, result_view, stamp, transported
from .uptime import Span

_make = tuple.__new__  # see evaluate: a third of the cost of calling the class


class _Check:
    """The `__dict__` of one is the view of a check: dicts of one class share their keys, which halves their memory."""


class _Uptime:
    """The same for a window of uptime."""


class _Latency:
    """The same for a window of latency."""


class _Histogram:
    """The same for the totals."""


class Glimpse(NamedTuple):
    """What a view is made of, of one instant: taken while the history stands still."""

    check: Check
    state: CheckState
    standing: Standing
    recent: list[View]
    at: float
    spans: tuple[Span, ...]
    windows: tuple[Window, ...]
    seconds: float
    totals: list[int]


def glimpse(history: History) -> Glimpse:
    """Of now. The list of results is lent, not copied: of many checks that would make as many objects more."""
    history.lent = True
    state, seen = history.state, history.seen
    spans = history.uptime.spans(seen, state.answered, state.counts.fail)
    windows, totals = history.latency.look(RECENT, history.latest)
    seconds = history.latency.seconds
    fields = (history.check, state, history.standing, history.kept, seen, spans, windows, seconds, totals)
    return _make(Glimpse, fields)


def check_view(seen: Glimpse, ahead: float) -> View:
    """All of one check. `ahead` is how far the wall clock is ahead of the timeline."""
    check, state, _, recent, at, spans, windows, seconds, totals = seen
    view: Any = _Check()
    view.status = state.status._value_
    view.paused = state.paused
    view.critical = check.critical
    view.group = check.group
    view.tags = dict(check.tags) if check.tags else {}
    view.since = stamp(state.since)
    view.explanation = state.explanation
    view.flapping = state.flapping
    view.streak = {"outcome": state.streak.outcome._value_, "n": state.streak.n}
    passed, warned, failed, unknown = state.counts
    view.counts = {"pass": passed, "warn": warned, "fail": failed, "unknown": unknown}
    view.reasons = _reasons(state.reasons) if state.reasons else {}
    last = state.last
    view.last = None if last is None else _last(last, recent)
    view.recent = recent
    view.uptime = _uptime(at, ahead, spans, windows)
    covered, down, begun, carried, _, _ = spans[-1][2]
    incidents = begun + carried
    view.mttr_s = round(down / incidents, 3) if incidents else None
    view.mtbf_s = round((covered - down) / incidents, 3) if incidents else None
    hour, day, failed_hour, failed_day = windows
    view.latency = {"1h": _window(hour, failed_hour), "24h": _window(day, failed_day)}
    view.histogram = _histogram(seconds, totals)
    return view.__dict__  # type: ignore[no-any-return]


def _reasons(reasons: tuple[tuple[str, str, int], ...]) -> dict[str, dict[str, int]]:
    """By outcome, and then by reason; most checks have one of both at most."""
    if len(reasons) == 1:
        ((outcome, reason, n),) = reasons
        return {outcome: {reason: n}}
    views: dict[str, dict[str, int]] = {}
    for outcome, reason, n in reasons:
        views.setdefault(outcome, {})[reason] = n
    return views


def _histogram(seconds: float, totals: list[int]) -> View:
    """The sum has as many digits as a run; what grows, grows rounded as well."""
    view: Any = _Histogram()
    view.sum_s = int(seconds * 1e6 + 0.5) / 1e6
    view.counts = totals
    return view.__dict__  # type: ignore[no-any-return]


def _last(last: Result, recent: list[View]) -> View:
    """The latest run, with how it came; the runs before it do not keep that."""
    return transported(result_view(last) if last.detail and last.ok else recent[-1], last)


_boundary = functools.lru_cache(100)(stamp)
"""Of full hours and midnights, which all checks share."""


def _uptime(at: float, ahead: float, spans: tuple[Span, ...], windows: tuple[Window, ...]) -> View:
    """By window. Without coverage nothing is known, and nothing is claimed.

    Millionths are cut off by hand: `round` takes three times as long, and a snapshot rounds twelve numbers of a check.
    """
    hour, day, failed_hour, failed_day = windows
    runs = {"1h": (hour[0], failed_hour[0]), "24h": (day[0], failed_day[0])}
    views = {}
    for name, start, (covered, down, begun, carried, *counted) in spans:
        answered, failed = runs.get(name) or counted
        coverage = 1.0 if covered == at - start else int(covered / (at - start) * 1e6 + 0.5) / 1e6
        view: Any = _Uptime()
        view.ratio = (int((1.0 - down / covered) * 1e6 + 0.5) / 1e6 if down else 1.0) if coverage else None
        view.coverage = coverage
        setattr(view, "from", stamp(start + ahead) if name in runs else _boundary(start + ahead))
        view.down_s = round(down, 3) if down else 0.0
        view.incidents = begun + carried
        runs_ratio = int(answered / (answered + failed) * 1e6 + 0.5) / 1e6 if failed else 1.0
        view.success_ratio = runs_ratio if answered or failed else None
        views[name] = view.__dict__
    return views


def _window(window: Window, failures: Window | None) -> View:
    """Those that were answered, and the failures apart."""
    n, p50, p90, p95, p99, most, method = window
    view: Any = _Latency()
    view.p50 = p50
    view.p90 = p90
    view.p95 = p95
    view.p99 = p99
    view.max = most
    view.n = n
    view.method = method
    view.failures = _window(failures, None) if failures is not None and failures.n else None
    return view.__dict__  # type: ignore[no-any-return]
