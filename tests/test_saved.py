"""What a saved history promises: it comes back as it was, and no damage makes it say what cannot be."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from support import few

from minimon.checks import Check
from minimon.history import History
from minimon.model import Outcome, Result, Status, result_view
from minimon.saved import dump, load
from minimon.views import check_view, glimpse

INF = math.inf
PASS, WARN, FAIL = Outcome.PASS, Outcome.WARN, Outcome.FAIL
NOW = 1_700_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
CHECK = Check("a", "http://localhost/a", fall=3, rise=2)
QUICK = Check("a", "http://localhost/a", fall=1, rise=1)
REFUSED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, struct.error)
"""What `load` may raise."""


def see(history: History, outcome: Outcome, now: float, **fields: Any) -> None:
    """Record one result, whose run began at `now`; some take longer than others."""
    reason = "" if outcome is PASS else "condition"
    detail = "" if outcome is PASS else f"{outcome} at {now:.0f}"
    given = {"reason": reason, "detail": detail, "when": now, "elapsed": 0.001 + now % 7 / 1000, "started": now}
    result = Result(history.check.name, outcome, **{**given, **fields})
    history.record(result, result_view(result), now, 0.0)


def lived(outcomes: Iterable[Outcome] = (), every: float = 10.0, check: Check = CHECK) -> History:
    """A history that has seen this, regularly."""
    history = History(check, NOW, NOW, INF)
    for number, outcome in enumerate(outcomes, 1):
        see(history, outcome, NOW + number * every, status_code=200 if outcome is PASS else 503)
    return history


def plain(history: History, awake: float = 0.0) -> Any:
    """What a file has of it that is written a minute after its latest result."""
    return json.loads(json.dumps(dump(history, history.seen + MINUTE, awake), allow_nan=False))


def view(history: History) -> dict[str, Any]:
    """What is shown of it."""
    return check_view(glimpse(history), 0.0)


def refused(text: Any) -> bool:
    """Whether nothing is taken up of it."""
    try:
        load(QUICK, text, INF)
    except REFUSED:
        return True
    return False


# There and back


def told(history: History) -> Iterator[Any]:
    """What is shown and saved of it: now, after some minutes in which few runs fail, and after a day in which many."""
    yield settled(history)
    history.unseen(history.seen)
    for number in range(1, 41):
        see(history, FAIL if number in (3, 20, 21) else PASS, history.seen + 10.0)
    yield settled(history)
    for number in range(1, 145):
        see(history, FAIL if number % 12 < 4 else PASS, history.seen + 600.0)
    yield settled(history)


def settled(history: History) -> Any:
    """What is shown and saved of it at this moment, but whether it flaps: that is of one process."""
    return {**view(history), "flapping": None}, plain(history)


def some(chance: random.Random) -> History:
    """One of any length, pace and luck."""
    luck = chance.choice(([PASS], [PASS, PASS, PASS, FAIL], [FAIL, FAIL, PASS], [*Outcome]))
    n, every = chance.choice((0, 1, 4, 60, 400)), chance.choice((10.0, 230.0, DAY / 4))
    return lived(chance.choices(luck, k=n), every, chance.choice((CHECK, QUICK)))


@pytest.mark.parametrize("seed", few(range(25), 4))
def test_it_comes_back_and_goes_on_as_if_nothing_had_been(seed: int) -> None:
    """Status, counts, results, uptime and latencies are those of a history that was never saved."""
    one, other = (some(random.Random(seed)) for _ in range(2))
    assert [*told(one)] == [*told(load(other.check, plain(other), INF))]


def test_what_nobody_looks_at_any_more_comes_back() -> None:
    """A check that has grown old, or was paused, after its latest run."""
    old, paused = lived([PASS] * 30), lived([PASS] * 30)
    old.expire(old.seen + 25.0, old.seen + 25.0)
    paused.pause(True, paused.seen + 4.0)
    for history in (old, paused):
        assert view(history)["uptime"] == view(load(CHECK, plain(history), INF))["uptime"]


def test_how_long_it_counts_is_told() -> None:
    """By the time that stands still while nobody can look, unless it counts for ever; taken up it is as is said."""
    history = lived([PASS])
    history.expires = 130.0
    saved = plain(history, 100.0)
    assert (30.0, None, 42.0) == (saved["left"], plain(lived())["left"], load(CHECK, saved, 42.0).expires)


def test_it_is_a_history_of_the_check_that_is_there() -> None:
    """Thresholds are those of now, and not of then."""
    now = Check("a", "http://localhost/a", fall=1)
    history = load(now, plain(lived([PASS])), INF)
    see(history, FAIL, history.seen + 10.0)
    assert (now, Status.DOWN) == (history.check, history.state.status)


def test_the_monotonic_clock_of_then_means_nothing() -> None:
    """When the last run was started is forgotten: no run of this life can be earlier."""
    saved = plain(lived([PASS] * 3))
    history = load(CHECK, saved, INF)
    see(history, FAIL, history.seen + 10.0, started=5.0)
    assert (None, {"outcome": "fail", "n": 1}) == (saved["state"]["last"]["started"], view(history)["streak"])


def test_what_was_saved_before_outcomes_were_told_apart_comes_back() -> None:
    """All but what cannot be said of it any more: reasons by outcome, and latencies, which had other buckets."""
    saved = plain(lived([PASS, FAIL, WARN] * 9))
    saved["state"]["reasons"] = {"condition": 18}
    del saved["latency"]["gone"], saved["latency"]["seconds"]
    then, now = view(lived([PASS, FAIL, WARN] * 9)), view(load(CHECK, saved, INF))
    assert ((), 0) == (tuple(now["reasons"]), now["latency"]["24h"]["n"])
    assert [] == [
        key for key in then if key not in ("reasons", "latency", "histogram", "uptime") and then[key] != now[key]
    ]


def test_a_run_that_never_was_is_awaited_again() -> None:
    """A check that was saved before its first run does not count as one that has grown old."""
    awaited = [load(CHECK, plain(history), INF).standing.awaited for history in (lived(), lived([PASS]))]
    assert [True, False] == awaited


def test_no_text_shows_a_secret_or_goes_on_for_ever() -> None:
    """A URL is masked by the time that it is shown, and a detail of a megabyte is cut, whatever the file says."""
    saved, text = plain(lived([PASS, FAIL])), "https://user:secret@localhost/?key=secret " + "x" * 1_000_000
    saved["kept"][-1]["detail"] = saved["state"]["explanation"] = saved["state"]["last"]["detail"] = text
    shown = json.dumps(view(load(CHECK, saved, INF)))
    assert ("secret" in shown, len(shown) < 10_000) == (False, True)


# What is refused


FULL = plain(lived([PASS, FAIL] * 200, 230.0, QUICK))
SEEN, KEPT = FULL["seen"], FULL["kept"]


def put(text: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The same with another value there."""
    if not way:
        return value
    whole = text.copy()
    whole[way[0]] = put(text[way[0]], way[1:], value)
    return whole


def without(text: dict[str, Any], key: str) -> dict[str, Any]:
    """The same, but for that."""
    return {each: text[each] for each in text if each != key}


def test_everything_has_to_be_there() -> None:
    """A history that lacks something is none; only how long it counts is the caller's."""
    lacking = {key: without(FULL, key) for key in FULL if key != "left"}
    lacking |= {key: {**FULL, "state": without(FULL["state"], key)} for key in FULL["state"]}
    assert [] == [key for key, text in lacking.items() if not refused(text)]


WRONG: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [
    (("target",), ("http://localhost/b", None)),
    (("at",), (None, "now", True, -1.0, [], 10**400)),
    (("seen",), (None, "now", True, -1.0, [], 10**400, SEEN + HOUR, SEEN - 2 * HOUR)),
    (("state", "status"), ("great", None, 1, [])),
    (("state", "decided"), ("great", None)),
    (("state", "since"), (None, "now", False, -1.0)),
    (("state", "streak"), (None, [], ["pass"], ["pass", -1], ["pass", 1.5], ["pass", True])),
    (("state", "counts"), (None, 7, [1, 2, 3, 4, 5], [1, -1, 0, 0], [1.0, 0, 0, 0], [10**4299, 0, 0, 0])),
    (
        ("state", "reasons"),
        (None, 7, {"condition": -1}, {"because": 1}, {"condition": 1 << 53}, [["fail", "condition"]]),
    ),
    (("state", "reasons"), ([["fail", "because", 1]], [["great", "condition", 1]], [["fail", "condition", -1]])),
    (("state", "last", "outcome"), ("great", None)),
    (("state", "last", "elapsed"), (-1.0, "1", None)),
    (("state", "last", "when"), ("now", None, [])),
    (("state", "explanation"), (None, 1, [])),
    (("state", "passes"), (None, -1, 0.5)),
    (("kept",), (None, [None], ["pass"], [{}], KEPT * 2, KEPT[: FULL["older"]])),
    (("kept", 0, "elapsed_s"), (-0.1, "nan", None)),
    (("kept", 0, "status_code"), (-1, "200", 200.5, [])),
    (("kept", 0, "reason"), ("because", 1)),
    (("kept", 0, "at"), (None, 1)),
    (("older",), (None, -1, True, len(KEPT) + 1)),
    ((), ({**FULL, "kept": KEPT[:1] * 1000 + KEPT, "older": FULL["older"] + 1000},)),
    (("uptime",), (None, [], {})),
    (("uptime", "kinds"), (10**17,)),  # of which bytearray would make as many bytes
    (("latency",), (None, [], {})),
]
"""Uptime and latency look themselves at what is in them."""


def test_wrong_types_are_refused() -> None:
    """And so are numbers that no history has."""
    assert [] == [(way, value) for way, values in WRONG for value in values if not refused(put(FULL, way, value))]


# What does no harm


def nonsense(view: dict[str, Any]) -> list[str]:
    """What a check's part of `/status` says that cannot be."""
    json.dumps(view, allow_nan=False)
    found = []
    for name, window in view["uptime"].items():
        for key, most in (("ratio", 1.0), ("success_ratio", 1.0), ("coverage", 1.0001)):
            value = window[key]
            if not (0.0 <= value <= most if value is not None else key != "coverage"):
                found.append(f"{key} of {name}: {value}")
        if window["down_s"] < 0.0 or window["incidents"] < 0:
            found.append(f"{name}: {window}")
    for name, window in view["latency"].items():
        for each in (window, window["failures"] or {}):
            numbers = [each[key] for key in ("n", "p50", "p90", "p95", "p99", "max") if each.get(key) is not None]
            if numbers and (min(numbers) < 0 or numbers[1:] != sorted(numbers[1:])):
                found.append(f"latency of {name}: {each}")
    numbers = [view["mttr_s"], view["mtbf_s"], view["streak"]["n"], *view["counts"].values()]
    numbers += [n for reasons in view["reasons"].values() for n in reasons.values()] + view["histogram"]["counts"]
    numbers.append(view["histogram"]["sum_s"])
    return found + [f"{number} is negative" for number in numbers if number is not None and number < 0]


ANYTHING: list[Any] = [
    *(None, True, False, 0, -1, 1, 7, 0.5, -0.0, 1e308, -1e308, 2**32, 2**63, -(2**63), 10**400),
    *("", "x", "nan", "inf", "-inf", "1", "up", "pass", "\ud800", "\x00", [], {}, [[]], [None], {"": None}, [0] * 400),
]
"""What is put in the place of something."""


def odd(chance: random.Random, value: Any) -> Any:
    """Something else: of another type, or the same somewhat changed."""
    choices = [*ANYTHING]
    if isinstance(value, (int, float)) and abs(value) < 1e300:
        choices += [-value, value + 1, value - 1, value * 1e6, value / 2, value - HOUR, value + 1e-9] * 2
    elif isinstance(value, str):
        at = chance.randrange(len(value) + 1)
        choices += [value[:at] + chance.choice("A/z+0=é") + value[at + 1 :], value[:at], value * 2] * 8
    elif isinstance(value, list):
        at = chance.randrange(len(value) + 1)
        choices += [value[::-1], value * 2, value[:at], value[at:], dict(enumerate(value))] * 4
    elif isinstance(value, dict):
        key = chance.choice([*value, ""])
        choices += [{each: value[each] for each in value if each != key}, list(value), list(value.items())] * 4
    return chance.choice(choices)


def damaged(chance: random.Random, text: Any) -> Any:
    """The same with something else at one place, in the depth as a rule."""
    way: list[Any] = []
    value = text
    while value and isinstance(value, (dict, list)) and (not way or chance.random() < 0.9):
        way.append(chance.choice([*value] if isinstance(value, dict) else range(len(value))))
        value = value[way[-1]]
    return put(text, tuple(way), odd(chance, value))


@pytest.mark.parametrize("seed", few(range(2), 1))
def test_no_damage_does_any_harm(seed: int) -> None:
    """200 histories of each seed, damaged in a few places: refused, or all that is shown can be, then and later on."""
    chance, text, found = random.Random(seed), plain(lived([*[PASS] * 9, FAIL, WARN] * 20, 70.0, QUICK)), list[str]()
    for _ in range(200):
        broken = text
        for _ in range(chance.choice((1, 1, 2, 3))):
            broken = damaged(chance, broken)
        if not refused(broken):
            history = load(QUICK, broken, INF)
            history.unseen(history.seen)
            found += nonsense(view(history))
            for seconds, outcome in ((100.0, PASS), (400.0, FAIL), (2 * HOUR, PASS), (2 * HOUR + 10.0, WARN)):
                see(history, outcome, text["seen"] + seconds)
                found += nonsense(view(history))
    assert [] == found
