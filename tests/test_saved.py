"""What a saved history promises: it comes back as it was, and no damage makes it say what cannot be."""

from __future__ import annotations

import binascii
import copy
import json
import math
import random
import struct
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from minimon.checks import Check
from minimon.history import History
from minimon.model import Outcome, Result, Status, result_view
from minimon.saved import dump, load
from minimon.views import check_view, glimpse

INF = math.inf
PASS, WARN, FAIL, UNKNOWN = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
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


def again(history: History) -> History:
    """The same, saved and taken up again."""
    return load(history.check, plain(history), INF)


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


LIVES: dict[str, tuple[Any, ...]] = {
    "none": (),
    "up": ([PASS] * 5,),
    "degraded": ([PASS, WARN, WARN, WARN],),
    "down": ([PASS, FAIL, FAIL, FAIL],),
    "unknown": ([PASS, UNKNOWN],),
    "on the way down": ([PASS, PASS, FAIL, FAIL],),
    "on the way up": ([FAIL, FAIL, FAIL, PASS],),
    "more than the rings hold": ([FAIL, PASS, PASS] * 20,),
    "more than exact percentiles": ([PASS, PASS, WARN, FAIL] * 100,),
    "more stretches than are kept": ([PASS, FAIL] * 200, 230.0, QUICK),
    "100 days": ([*([PASS] * 9 + [FAIL]) * 10, PASS], DAY),
}
"""What was seen, how often, and by which check."""


@pytest.fixture(params=LIVES)
def born(request: pytest.FixtureRequest) -> Callable[[], History]:
    """Makes the history of one of these lives."""
    return lambda: lived(*LIVES[request.param])


# There and back


def test_what_is_shown_comes_back(born: Callable[[], History]) -> None:
    """Status, counts, results, uptime and latencies are the same after the way through JSON."""
    assert view(born()) == view(again(born()))


def test_what_is_kept_comes_back(born: Callable[[], History]) -> None:
    """What was taken up is saved as it had been."""
    assert plain(born()) == plain(again(born()))


def test_it_goes_on_where_it_was(born: Callable[[], History]) -> None:
    """A day of further results makes the same of it as of the one that was never saved."""
    one, other = born(), again(born())
    for history in (one, other):
        seen = history.seen
        history.unseen(seen)
        for number in range(1, 145):
            see(history, FAIL if number % 12 < 4 else PASS, seen + number * 600.0)
    assert view(one) == view(other)


def test_failures_are_not_pushed_out_later(born: Callable[[], History]) -> None:
    """Those of before and those of after share their rings as ever."""
    one, other = born(), again(born())
    for history in (one, other):
        for number in range(1, 41):
            see(history, FAIL if number in (3, 20, 21) else PASS, history.seen + 10.0)
    assert view(one)["recent"] == view(other)["recent"]


@pytest.mark.parametrize("fade", ["stale", "paused"])
def test_what_nobody_looks_at_any_more_comes_back(fade: str) -> None:
    """A check that has grown old, or was paused, after its latest run."""
    history = lived([PASS] * 30)
    if fade == "stale":
        history.expire(history.seen + 25.0, history.seen + 25.0)
    else:
        history.pause(True, history.seen + 4.0)
    assert view(history)["uptime"] == view(again(history))["uptime"]


def test_how_long_it_counts_is_told() -> None:
    """By the time that stands still while nobody can look; of one that counts for ever there is none."""
    history = lived([PASS])
    history.expires = 130.0
    assert (30.0, None) == (plain(history, 100.0)["left"], plain(lived())["left"])


def test_it_counts_as_long_as_is_said() -> None:
    """The caller knows the time."""
    assert 42.0 == load(CHECK, plain(lived([PASS])), 42.0).expires


def test_it_is_a_history_of_the_check_that_is_there() -> None:
    """Thresholds are those of now, and not of then."""
    now = Check("a", "http://localhost/a", fall=1)
    history = load(now, plain(lived([PASS])), INF)
    see(history, FAIL, history.seen + 10.0)
    assert (now, Status.DOWN) == (history.check, history.state.status)


def test_the_monotonic_clock_of_then_means_nothing() -> None:
    """When the last run was started is forgotten: no run of this life can be earlier."""
    history = again(lived([PASS] * 3))
    see(history, FAIL, history.seen + 10.0, started=5.0)
    assert ({"outcome": "fail", "n": 1}, None) == (
        view(history)["streak"],
        plain(lived([PASS]))["state"]["last"]["started"],
    )


def test_a_check_that_was_down_is_not_down_a_second_time() -> None:
    """What is down on after the pause is the same incident."""
    history = again(lived([FAIL] * 5))
    history.unseen(history.seen)
    for _ in range(3):
        see(history, FAIL, history.seen + 60.0)
    assert 1 == view(history)["uptime"]["24h"]["incidents"]


def test_a_run_that_never_was_is_awaited_again() -> None:
    """A check that was saved before its first run does not count as one that has grown old."""
    assert (True, False) == (again(lived()).standing.awaited, again(lived([PASS])).standing.awaited)


def test_secrets_stay_in() -> None:
    """A URL in a detail is masked by the time that it is shown, whatever the file says."""
    text = plain(lived([PASS, FAIL]))
    text["kept"][-1]["detail"] = "https://user:secret@localhost/?key=secret"
    assert "secret" not in json.dumps(view(load(CHECK, text, INF)))


def test_no_more_results_than_are_kept_come_in() -> None:
    """A file that has more of them is none of ours."""
    full = plain(lived([FAIL, PASS, PASS] * 20))
    results, older = full["kept"], full["older"]
    more = [(results * 2, older), (results * 100, older * 100), (results, -1), (results, len(results) + 1)]
    assert [] == [len(kept) for kept, older in more if not refused({**full, "kept": kept, "older": older})]


def test_long_texts_are_cut() -> None:
    """A detail of a megabyte does not go into every snapshot."""
    text = plain(lived([PASS, FAIL]))
    text["kept"][-1]["detail"] = text["state"]["explanation"] = text["state"]["last"]["detail"] = "x" * 1_000_000
    assert len(json.dumps(view(load(CHECK, text, INF)))) < 10_000


# What is refused


def test_another_target_begins_anew() -> None:
    """What was seen of it says nothing of this one."""
    with pytest.raises(ValueError, match="another target"):
        load(Check("a", "http://localhost/b"), plain(lived([PASS])), INF)


def places(text: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in it."""
    pairs = text.items() if isinstance(text, dict) else enumerate(text) if isinstance(text, list) else ()
    for key, value in pairs:
        yield (*way, key)
        yield from places(value, (*way, key))


def put(text: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The same with another value there."""
    changed = whole = copy.deepcopy(text)
    for key in way[:-1]:
        changed = changed[key]
    changed[way[-1]] = value
    return whole


FULL = plain(lived(*LIVES["more stretches than are kept"]))
SEEN = FULL["seen"]
LATENCY = ("latency", "answered")
OPTIONAL = {"left", "kept", "reasons", "last"}
NEEDED = [way for way in places(FULL) if isinstance(way[-1], str) and not OPTIONAL & {*way[:-1], way[0]}]


def without(text: Any, way: tuple[Any, ...]) -> Any:
    """The same, but for that."""
    owner = whole = copy.deepcopy(text)
    for key in way[:-1]:
        owner = owner[key]
    del owner[way[-1]]
    return whole


def test_everything_has_to_be_there() -> None:
    """A history that lacks something is none."""
    assert [] == [way for way in NEEDED if not refused(without(FULL, way))]


WRONG: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [
    (("at",), (None, "now", True, -1.0, [], 10**400)),
    (("seen",), (None, "now", True, -1.0, [], 10**400)),
    (("state", "status"), ("great", None, 1, [])),
    (("state", "since"), (None, "now", False, -1.0)),
    (("state", "streak"), (None, [], ["pass"], ["pass", -1], ["pass", 1.5], ["pass", True])),
    (("state", "counts"), (None, 7, [1, 2, 3, 4, 5], [1, -1, 0, 0], [1.0, 0, 0, 0], ["1"])),
    (("state", "reasons"), (None, [], {"condition": -1}, {"because": 1}, {"condition": None})),
    (("state", "last", "outcome"), ("great", None)),
    (("state", "last", "elapsed"), (-1.0, "1", None)),
    (("state", "last", "when"), ("now", None, [])),
    (("state", "explanation"), (None, 1, [])),
    (("state", "passes"), (None, -1, 0.5)),
    (("kept",), (None, [None], ["pass"], [[]], [{}])),
    (("kept", 0, "elapsed_s"), (-0.1, "nan", None)),
    (("kept", 0, "status_code"), (-1, "200", 200.5, [])),
    (("kept", 0, "reason"), ("because", 1)),
    (("kept", 0, "at"), (None, 1)),
    (("uptime",), (None, [], "", {})),
    (("uptime", "instants"), (None, [], "x", [NOW] * 2, [NOW, "x"], {})),
    (("uptime", "instants", 0), (SEEN + 1, None, [])),
    (("uptime", "instants", -1), (0.0,)),
    (("uptime", "kinds"), (None, [], [1], "x", [9] * len(FULL["uptime"]["kinds"]))),
    (("uptime", "kinds", 0), (-1, 9, 256, None, 0.5)),
    (("uptime", "settled"), (None, SEEN + HOUR, "x", "nan", "inf")),
    (("uptime", "counted"), (None, [], [1], [1, 2, 3], [None, 0])),
    (("uptime", "hours"), (5, "AAAA", "é", "x", FULL["uptime"]["days"])),
    (("latency",), (None, [], {})),
    (("latency", "slot"), (None, "x", SEEN // 300 + 2)),
    ((*LATENCY, "now"), (None, 1, [-1], [2**32], ["x"], [1.5], [1] * 1000)),
    ((*LATENCY, "low"), (None, -1, 10**6, "x")),
    ((*LATENCY, "most"), (None, "x")),
    ((*LATENCY, "fives"), (None, 1, ["x"], [""], ["AAAA"] * 12)),
]


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
    numbers = [view["mttr_s"], view["mtbf_s"], view["streak"]["n"], *view["counts"].values(), *view["reasons"].values()]
    return found + [f"{number} is negative" for number in numbers if number is not None and number < 0]


def harm(check: Check, text: Any) -> list[str]:
    """What goes wrong with a history that is taken up: at once, and when it goes on for a while."""
    try:
        history = load(check, text, INF)
    except REFUSED:
        return []
    history.unseen(history.seen)
    found = nonsense(view(history))
    for seconds, outcome in ((100.0, PASS), (400.0, FAIL), (2 * HOUR, PASS), (2 * HOUR + 10.0, WARN)):
        see(history, outcome, SEEN + seconds)
        found += nonsense(view(history))
    return found


def packed(text: str, at: int, form: str, value: float) -> str:
    """Base64 with another number in it."""
    content = bytearray(binascii.a2b_base64(text))
    struct.pack_into(form, content, at, value)
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def slots(ring: str, form: str, value: float) -> str:
    """A ring of sums with this in the first number of all its slots."""
    for at in range(0, len(binascii.a2b_base64(ring)), 18):
        ring = packed(ring, at, form, value)
    return ring


UPTIME = FULL["uptime"]
SERIES = FULL["latency"]["answered"]
ODD: list[tuple[tuple[Any, ...], Any]] = [
    *((("state", "counts"), [number, 0, 0, 0]) for number in (0, 2**32, 2**63, 10**30, 10**4299 * 9)),
    (("state", "reasons"), {"condition": int("9" * 4300)}),
    *((("uptime", "counted"), value) for value in ([10**6, 0], [0, 10**6], [-(2**33), 0], [10**30, 10**30])),
    *((("uptime", "settled"), value) for value in (-1e308, 0.0, SEEN - 1.0, SEEN - 400 * DAY)),
    (("uptime", "hours"), slots(UPTIME["hours"], "<f", DAY)),
    (("uptime", "hours"), packed(UPTIME["hours"], 0, "<f", math.nan)),
    (("uptime", "hours"), packed(UPTIME["hours"], 4, "<f", -1.0)),
    (("uptime", "days"), slots(UPTIME["days"], "<f", 2 * DAY)),
    (("uptime", "fives"), slots(UPTIME["fives"], "<f", HOUR)),
    *((("uptime", key), value) for key in ("hours", "days", "fives") for value in (None, "", [])),
    (("uptime", "instants", 0), -1e308),
    *((("latency", "slot"), value) for value in (-1, 0, SEEN // 300 - 500)),
    *(((*LATENCY, "most"), value) for value in (-1.0, "nan", "inf", 1e308)),
    *(((*LATENCY, "now"), value) for value in ([], [0], [2**32 - 1])),
    *(((*LATENCY, "hours", 0), packed(SERIES["hours"][0], 0, "<I", value)) for value in (0, 2**32 - 1)),
    *(((*LATENCY, "hours", 0), packed(SERIES["hours"][0], 4, "<d", value)) for value in (-1.0, math.nan, INF)),
    (LATENCY, {**SERIES, "fives": SERIES["hours"][:11]}),
    (("latency", "failed"), None),
]
"""What no life leaves behind, in the right types."""


def test_odd_numbers_do_no_harm() -> None:
    """They are refused, or it goes on, and what is shown can be."""
    assert [] == [(way, value, found) for way, value in ODD if (found := harm(QUICK, put(FULL, way, value)))]


def test_a_number_in_place_of_a_list_takes_no_memory() -> None:
    """A bytearray can be made of a number, too: as many bytes as it says."""
    text = put(FULL, ("uptime", "kinds"), 200_000_000)
    tracemalloc.start()
    try:
        assert [] == harm(QUICK, text)
        assert 50_000_000 > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


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


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_does_any_harm(seed: int) -> None:
    """150 histories of each seed, each damaged in a few places: refused, or all that is shown of them can be."""
    chance, text = random.Random(seed), plain(lived([*[PASS] * 9, FAIL, WARN] * 20, 70.0, QUICK))
    found = []
    for _ in range(150):
        broken = text
        for _ in range(chance.choice((1, 1, 2, 3))):
            broken = damaged(chance, broken)
        try:
            found += harm(QUICK, broken)
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    assert [] == found
