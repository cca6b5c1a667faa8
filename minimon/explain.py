"""Why a check is what it is, and what it would take to change that. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .checks import Check, Probe, scheme_of
from .conditions import hidden
from .evaluate import progress, prospects
from .model import CheckState, Outcome, Status, View, span, stamp
from .text import quoted

WORDS = {"pass": ("pass", "passes"), "warn": ("warning", "warnings"), "fail": ("failure", "failures")}


def explained(check: Check, state: CheckState, lasted: float, when: float, now: float, due: float | None) -> View:
    """The state of a check in words, which it has had for `lasted` seconds.

    `when` is now by the wall clock, `now` and `due` by the monotonic one.
    """
    ways = list(prospects(check, state))
    seconds = None if due is None else due - now
    told: View = {
        "target": check.shown,
        "expected": expected(check),
        "actual": actual(state),
        "progress": progress(check, state),
        "since": stamp(state.since),
        "since_s": round(max(0.0, lasted), 3),
        "turned": None if state.turned is None else stamp(when - (now - state.turned)),
        "next_run": None if seconds is None else stamp(when + seconds),
        "next_run_s": None if seconds is None else round(max(0.0, seconds), 3),
        "to_change": [{"outcome": way.outcome.value, "runs": way.runs, "status": way.status.value} for way in ways],
    }
    return {**told, "text": "\n".join(_sentences(check, state, told))}


def expected(check: Check) -> str:
    """What has to hold, and how soon."""
    target = check.target
    if check.own:
        return (
            "runs that start within 2 s of their time and end, an on_change that is told of all and raises nothing,"
            " a network, a state file that is saved"
        )
    if check.expect is not None:
        what = quoted(hidden(check.expect), 300)
    elif isinstance(target, str) or (isinstance(target, Probe) and target.shown):
        port = "an answer" if "send" in check.options else "a connection"
        known = {"http": "status_code 2xx", "https": "status_code 2xx", "host": "numbers of the host"}
        what = known.get(scheme_of(check.shown), port)
    else:
        what = "an answer without an error" if isinstance(target, Probe) else "None or a true value"
    days = check.options.get("cert_warn_days")
    expiry = f"; a warning if the certificate expires within {days:g} days" if days else ""
    warns = expiry if check.warn_if is None else f"; a warning if {quoted(hidden(check.warn_if), 300)}{expiry}"
    return f"{what}, within {check.timeout:g} s{warns}"


def actual(state: CheckState) -> str:
    """What the latest run has seen."""
    last = state.last
    if last is None:
        return "not run yet"
    code = "" if last.status_code is None else f", status_code {last.status_code}"
    if last.outcome is Outcome.PASS:
        return f"passed in {last.elapsed:.3f} s{code}"
    says_so = last.detail.startswith(last.reason)  # as "status_code: expected 2xx" does of `status`
    return f"{last.reason}: {last.detail}" if last.detail and not says_so else last.detail or last.reason


def _sentences(check: Check, state: CheckState, told: View) -> Iterator[str]:
    flapping = ", flapping" if state.flapping else ""
    paused = " (paused)" if state.paused else ""
    yield f"{check.name} is {state.status}{paused}{flapping}, since {told['since']} ({span(told['since_s'])})"
    yield f"target: {check.shown}"
    yield f"expected: {told['expected']}"
    yield f"actual: {told['actual']}"
    if state.explanation.startswith("stale"):
        yield f"because: {state.explanation}"
    if told["progress"]:
        known = told["turned"] and (state.status is Status.DOWN or state.streak.outcome is Outcome.FAIL)
        yield f"so far: {told['progress']}" + (f", the first at {told['turned']}" if known else "")
    for way in told["to_change"]:
        one, many = WORDS[way["outcome"]]
        more = "more " if told["progress"] and state.streak.outcome == way["outcome"] else ""
        yield f"{way['runs']} {more}{one if way['runs'] == 1 else f'{many} in a row'}: {way['status']}"
    if state.paused:
        yield f"next run: none, until resume({check.name!r})"
    elif told["next_run_s"] is None:
        yield "next run: none, the monitor does not run"
    elif told["next_run_s"] > 0:
        yield f"next run: in {told['next_run_s']:.1f} s, at {told['next_run']}"
    else:
        yield "next run: now, or under way"
