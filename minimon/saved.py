"""A history as plain data that outlives the process, and back. Pure; whatever was written, nothing odd comes in."""

from __future__ import annotations

import binascii
import math
from typing import Any

from .checks import Check
from .history import FAILURES, RECENT, History
from .latency import Latency
from .model import REASONS, CheckState, Counts, Outcome, Result, Status, Streak, View, result_view
from .text import short
from .uptime import HOUR, Uptime


def dump(history: History, at: float, awake: float) -> View:
    """All of a history at this instant of the timeline. `awake` is the time by which it expires."""
    state = history.state
    return {
        "target": identity(history.check),
        "at": at,
        "left": None if math.isinf(history.expires) else history.expires - awake,
        "seen": history.seen,
        "changed": history.changed,
        "state": dump_state(state),
        "changes": history.changes(),
        "kept": list(history.kept),
        "older": history.older,
        "uptime": history.uptime.dump(),
        "latency": history.latency.dump(),
    }


def dump_state(state: CheckState) -> View:
    """The state of a check, but for what only means something while polls go on."""
    return {
        "status": state.status._value_,
        "since": state.since,
        "streak": list(state.streak),
        "counts": list(state.counts),
        "reasons": list(state.reasons),
        "last": None if state.last is None else state.last._replace(started=None, phases=None).plain(),
        "explanation": state.explanation,
        "decided": state.decided._value_,
        "passes": state.passes,
        "flapping": state.flapping,
    }


def load(check: Check, plain: Any, expires: float) -> History:
    """The history that `dump` described. Raises ValueError, or what wrong types raise; also for another target's."""
    if plain["target"] != identity(check):
        raise ValueError("another target's")
    at, seen = _number(plain["at"]), _number(plain["seen"])
    history = History(check, 0.0, seen, expires)
    history.state = load_state(check.name, plain["state"])
    history.changed = min(_number(plain["changed"]), at)
    history.kept, history.older = [_result(each) for each in plain["kept"]], _count(plain["older"])
    recent = len(history.kept) - history.older
    if not (history.state.last is not None) <= recent <= RECENT or history.older > FAILURES:
        raise ValueError("results that cannot be")
    history.uptime, history.latency = Uptime.load(plain["uptime"], at), Latency.load(plain["latency"], at)
    if not history.uptime.settles - HOUR <= seen <= at:
        raise ValueError("an instant that cannot be")
    told, noted, flaps = plain["changes"]
    history.resume(Status(told), Status(noted) if noted else None, tuple(map(_number, flaps)))
    return history


def identity(check: Check) -> str:
    """Whose history it is: the target as it is shown, and a sum of the address, for values of queries are not shown."""
    target = check.target
    return f"{check.shown} {binascii.crc32(target.encode()):08x}" if isinstance(target, str) else check.shown


def load_state(name: str, plain: Any) -> CheckState:
    """The state that `dump_state` described. Raises as `load` does."""
    outcome, n = plain["streak"]
    last = plain["last"]
    return CheckState(
        name,
        Status(plain["status"]),
        _number(plain["since"]),
        Streak(Outcome(outcome), _count(n)),
        Counts(*map(_count, plain["counts"])),
        _reasons(plain["reasons"]),
        None if last is None else _last(name, last),
        explanation=_text(plain["explanation"]),
        decided=Status(plain["decided"]),
        passes=_count(plain["passes"]),
        flapping=plain["flapping"] is True,
    )


def _reasons(plain: Any) -> tuple[tuple[str, str, int], ...]:
    """Each outcome and reason once.

    A dict by reason alone is what was written before outcomes were told apart: nothing can be taken up of it.
    """
    if isinstance(plain, dict) and all(_word(reason) and _count(n) >= 0 for reason, n in plain.items()):
        return ()
    reasons = {(Outcome(outcome)._value_, _word(reason)): _count(n) for outcome, reason, n in plain}
    return tuple((*pair, n) for pair, n in reasons.items())


def _last(name: str, plain: Any) -> Result:
    result = Result.of({**plain, "name": name, "phases": None, "started": None})
    view = _result(result_view(result))
    return result._replace(reason=view["reason"], detail=view["detail"])


def _result(plain: Any) -> View:
    """A result as it is shown, which has to be one."""
    code, reason = plain["status_code"], plain["reason"]
    result = Result(
        "",
        Outcome(plain["outcome"]),
        _word(reason) if reason else "",
        _text(plain["detail"]),
        0.0,
        _number(plain["elapsed_s"]),
        None,
        None if code is None else _count(code),
    )
    return {**result_view(result), "at": _text(plain["at"])}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not 0.0 <= value < math.inf:
        raise ValueError(f"{value!r:.40} is no number of seconds")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def _word(value: Any) -> str:
    if value not in REASONS:
        raise ValueError(f"{value!r:.40} is no reason")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is no text")
    return short(value, 400)
