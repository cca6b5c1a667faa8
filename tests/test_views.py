"""What a snapshot says of each check: keys, values and nulls, one instant, what is shared, and what a clock moves."""

from __future__ import annotations

import itertools
import json
import random
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from test_history import INF, NOON, OUTCOMES, REASONS, Kept

from minimon import Check
from minimon.model import Result, stamp
from minimon.registry import BATCH, Registry
from minimon.testing import FakeClock

WINDOWS = ["1h", "24h", "7d", "30d", "90d"]
MANY = 3 * BATCH
STATUSES = {"p": "up", "w": "degraded", "f": "down", "u": "unknown"}


class Many:
    """A registry with many checks that are decided by one run."""

    def __init__(self, number: int = MANY, **options: Any) -> None:
        self.clock = FakeClock(1_000.0, wall=NOON)
        self.registry = Registry(self.clock)
        self.checks = [Check(f"c{n}", print, fall=1, rise=1, **options) for n in range(number)]
        for check in self.checks:
            self.registry.add(check, INF)

    def record(self, check: Check, letter: str, lasts: float = INF) -> None:
        """A run of now."""
        when, started = self.clock.time(), self.clock.monotonic()
        self.registry.record(
            check, Result(check.name, OUTCOMES[letter], REASONS[letter], "", when, started=started), lasts
        )

    def record_all(self, letters: str) -> None:
        """One run of each a second later; the letters again and again."""
        self.clock.advance(1.0)
        for number, check in enumerate(self.checks):
            self.record(check, letters[number % len(letters)])

    def statuses(self) -> list[str]:
        """Of each, as a snapshot has it."""
        return [view["status"] for view in self.registry.snapshot()["checks"].values()]


def ranked(values: list[float], share: int) -> float:
    """A percentile by the nearest rank: the smallest value that so many percent are not above."""
    return next(value for value in sorted(values) if sum(v <= value for v in values) * 100 >= share * len(values))


def percentiles(values: list[float]) -> dict[str, float]:
    """As a window of latency has them."""
    return {**{f"p{share}": ranked(values, share) for share in (50, 90, 95, 99)}, "max": max(values)}


def nested(value: Any) -> Iterator[Any]:
    """A value, and all that is in it."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nested(item)


# Keys and values


def test_a_check_has_these_keys() -> None:
    """And no others."""
    expected = "status paused critical group tags since explanation flapping streak counts reasons last recent uptime"
    assert [*expected.split(), "mttr_s", "mtbf_s", "latency"] == list(Kept().view())


def test_a_check_that_was_never_run_claims_nothing() -> None:
    """What is not known is null, and no ratio is 1."""
    view = Kept(group="g", tags={"a": "b"}, critical=False).view()
    nothing = {"ratio": None, "coverage": 0.0, "down_s": 0.0, "incidents": 0, "success_ratio": None}
    uptime = [{key: value for key, value in view["uptime"][window].items() if key != "from"} for window in WINDOWS]
    latency = {**dict.fromkeys(["p50", "p90", "p95", "p99", "max"]), "n": 0, "method": "exact", "failures": None}
    del view["uptime"]
    assert [nothing] * 5 == uptime
    assert {
        "status": "unknown",
        "paused": False,
        "critical": False,
        "group": "g",
        "tags": {"a": "b"},
        "since": stamp(NOON),
        "explanation": "",
        "flapping": False,
        "streak": {"outcome": "unknown", "n": 0},
        "counts": {"pass": 0, "warn": 0, "fail": 0, "unknown": 0},
        "reasons": {},
        "last": None,
        "recent": [],
        "mttr_s": None,
        "mtbf_s": None,
        "latency": {"1h": latency, "24h": latency},
    } == view


def test_a_view_tells_what_was_seen() -> None:
    """Of runs by outcome and reason, the latest ones, and why it is what it is."""
    kept = Kept(3, 2)
    kept.run("pw", elapsed=0.25, status_code=200)
    kept.run("uff", elapsed=1.5, detail="refused")
    view = kept.view()
    last = {"outcome": "fail", "reason": "connect", "detail": "refused", "at": stamp(NOON + 50.0)}
    assert {
        "status": "unknown",
        "since": stamp(NOON + 30.0),
        "explanation": "refused (2 of 3 failures)",
        "streak": {"outcome": "fail", "n": 2},
        "counts": {"pass": 1, "warn": 1, "fail": 2, "unknown": 1},
        "reasons": {"condition": 1, "timeout": 1, "connect": 2},
        "last": {**last, "elapsed_s": 1.5, "status_code": None},
    }.items() <= view.items()
    assert [(0.25, 200), (0.25, 200), (1.5, None), (1.5, None), (1.5, None)] == [
        (seen["elapsed_s"], seen["status_code"]) for seen in view["recent"]
    ]


def test_uptime_by_window() -> None:
    """Of 40 seconds covered 20 were down; windows of 7 days and more begin at a full hour or at midnight."""
    kept = Kept()
    kept.run("ppffp")
    begins = [NOON + 50.0 - 3_600.0, NOON + 50.0 - 86_400.0, NOON - 7 * 86_400.0]
    begins += [NOON - 43_200.0 - days * 86_400.0 for days in (30, 90)]
    uptime = {
        window: {
            "ratio": 0.5,
            "coverage": round(40.0 / (NOON + 50.0 - begin), 6),
            "from": stamp(begin),
            "down_s": 20.0,
            "incidents": 1,
            "success_ratio": 0.6,
        }
        for window, begin in zip(WINDOWS, begins)
    }
    assert uptime == kept.view()["uptime"]


@pytest.mark.parametrize(
    ("script", "ratios"),
    [
        ("p", (None, 1.0)),
        ("u", (None, None)),
        ("pu", (1.0, 1.0)),
        ("f", (None, 0.0)),
        ("ff", (0.0, 0.0)),
        ("ww", (1.0, 1.0)),
        ("pfp", (0.5, 0.666667)),
    ],
)
def test_ratios_of_time_and_of_runs(script: str, ratios: tuple[float | None, float | None]) -> None:
    """Null where nothing was covered, and where no run was answered or failed; unknown ones are in neither."""
    kept = Kept()
    kept.run(script)
    seen = kept.view()["uptime"]
    assert [ratios] * 5 == [(seen[window]["ratio"], seen[window]["success_ratio"]) for window in WINDOWS]


def test_a_ratio_is_null_where_the_coverage_is_zero() -> None:
    """No window claims to know something of no time."""
    kept = Kept()
    kept.run("pp", gap=0.001)
    kept.run("ff", gap=0.001)
    assert [] == [seen for seen in kept.view()["uptime"].values() if (seen["ratio"] is None) != (seen["coverage"] == 0)]


def test_what_leaves_a_window_leaves_its_uptime() -> None:
    """Down two hours ago is nothing of the latest hour, and counts in the others."""
    kept = Kept()
    kept.run("pffp")
    for _ in range(12):
        kept.run("p", 600.0)
    assert ([0.0] + [20.0] * 4, [0, 1, 1, 1, 1], [1.0] + [round(1 - 20 / 7_230, 6)] * 4) == (
        [seen["down_s"] for seen in kept.view()["uptime"].values()],
        [seen["incidents"] for seen in kept.view()["uptime"].values()],
        [seen["ratio"] for seen in kept.view()["uptime"].values()],
    )


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("ppp", (None, None)),
        ("pffp", (20.0, 10.0)),
        ("pffpppfp", (15.0, 20.0)),
        ("ff", (10.0, 0.0)),
    ],
)
def test_mean_times_to_and_between(script: str, expected: tuple[float | None, float | None]) -> None:
    """Seconds down and up by incidents; null without one."""
    kept = Kept()
    kept.run(script)
    assert expected == (kept.view()["mttr_s"], kept.view()["mtbf_s"])


# Latency


@pytest.mark.parametrize("n", [1, 2, 3, 10, 16])
def test_few_latencies_are_told_exactly(n: int) -> None:
    """Percentiles are those of the values, by the nearest rank."""
    kept, values = Kept(), [random.Random(n).uniform(0.001, 2.0) for _ in range(n)]
    for value in values:
        kept.run("p", elapsed=value)
    expected = {**percentiles(values), "n": n, "method": "exact", "failures": None}
    assert {"1h": expected, "24h": expected} == kept.view()["latency"]


def test_many_latencies_are_told_by_buckets() -> None:
    """Percentiles are within 2.5% of those of the values, the longest is exact."""
    kept, chance = Kept(), random.Random(1)
    values = [chance.lognormvariate(-3.0, 1.0) for _ in range(300)]
    for value in values:
        kept.run("p", elapsed=value)
    seen = kept.view()["latency"]["1h"]
    expected = percentiles(values)
    assert ("buckets", 300, expected["max"]) == (seen["method"], seen["n"], seen["max"])
    assert {key: pytest.approx(value, rel=0.0251) for key, value in expected.items()} == {k: seen[k] for k in expected}


def test_failures_have_latencies_of_their_own() -> None:
    """They are not among those of the runs that were answered; unknown results are in neither."""
    kept = Kept()
    for letter, value in zip("pwffu", [0.1, 0.3, 5.0, 7.0, 9.0]):
        kept.run(letter, elapsed=value)
    failures = {**percentiles([5.0, 7.0]), "n": 2, "method": "exact", "failures": None}
    expected = {**percentiles([0.1, 0.3]), "n": 2, "method": "exact", "failures": failures}
    assert expected == kept.view()["latency"]["1h"]


def test_only_failures_have_percentiles_of_failures_alone() -> None:
    """Nothing was answered, so nothing is claimed of that."""
    kept = Kept()
    kept.run("ff", elapsed=5.0)
    seen = kept.view()["latency"]["24h"]
    assert (0, None, 2, 5.0) == (seen["n"], seen["p50"], seen["failures"]["n"], seen["failures"]["p50"])


def test_what_is_older_than_an_hour_is_in_the_latency_of_the_day_only() -> None:
    """Failures too; their part of the hour is null again."""
    kept = Kept()
    kept.run("pf", elapsed=9.0)
    for _ in range(7):
        kept.run("p", 600.0, elapsed=1.0)
    hour, day = kept.view()["latency"].values()
    assert ((1.0, None), (9.0, 1)) == ((hour["max"], hour["failures"]), (day["max"], day["failures"]["n"]))


def test_failures_that_were_pushed_out_of_the_rings_are_counted() -> None:
    """The rings are for people: the figures have all."""
    kept = Kept()
    kept.run("f" * 40 + "p" * 40, elapsed=2.0)
    seen = kept.view()["latency"]["1h"]
    assert (40, 40, "buckets") == (seen["n"], seen["failures"]["n"], seen["failures"]["method"])


# Plain data of one instant


@pytest.mark.parametrize("letters", ["", "p", "pwfu" * 10, "f" * 30, "pf" * 30])
def test_a_view_is_strict_json(letters: str) -> None:
    """It goes to JSON and back unchanged, and nothing in it is of a class of ours."""
    kept = Kept(tags={"team": "ä"}, group="g")
    kept.run(letters, detail="\ud800 …", phases={"connect": 0.1})
    view = kept.view()
    plain = {dict, list, str, int, float, bool, type(None)}
    assert (view, set()) == (json.loads(json.dumps(view, allow_nan=False)), {type(v) for v in nested(view)} - plain)


@pytest.mark.parametrize("letters", ["", "pwfu" * 10])
def test_snapshots_of_one_instant_are_equal(letters: str) -> None:
    """Whoever asks, and however often."""
    kept = Kept()
    kept.run(letters)
    assert kept.registry.snapshot() == kept.registry.snapshot()


def test_one_check_is_told_as_in_the_snapshot() -> None:
    """What is asked for by name is the same view."""
    kept = Kept(lasts=30.0)
    kept.run("pwfu" * 10)
    views = [(kept.view(), kept.registry.look_up("a")[2])]
    kept.clock.advance(31.0)
    kept.run("f")
    kept.clock.advance(31.0)
    views.append((kept.view(), kept.registry.look_up("a")[2]))
    assert [one for one, _ in views] == [other for _, other in views]


def test_a_view_is_shared_as_long_as_nothing_happens() -> None:
    """Asking again makes nothing anew, though time goes on."""
    kept = Kept()
    kept.run("pf")
    before = kept.view()
    kept.clock.advance(60.0)
    after = kept.view()
    assert [] == [key for key in before if before[key] is not after[key]]


@pytest.mark.parametrize("letter", "pfu")
def test_a_view_is_made_anew_after_a_record(letter: str) -> None:
    """And the one before is as it was."""
    kept = Kept()
    kept.run("pp")
    before = kept.view()
    text = json.dumps(before)
    kept.run(letter)
    after = kept.view()
    assert (False, 3, text) == (before["uptime"] is after["uptime"], sum(after["counts"].values()), json.dumps(before))


def test_a_view_is_made_anew_after_a_pause() -> None:
    """In both directions."""
    kept, seen = Kept(), []
    kept.run("p")
    for paused in (True, True, False):
        seen.append(kept.view()["paused"])
        kept.registry.pause("a", paused)
    assert [False, True, True, False] == [*seen, kept.view()["paused"]]


def test_a_view_says_at_once_that_it_went_stale() -> None:
    """Before anybody found out, and after; since then, and what was known stays."""
    kept = Kept(lasts=25.0)
    kept.run("pp")
    kept.clock.advance(100.0)
    seen = [kept.view()]
    kept.registry.expire(kept.check)
    seen.append(kept.view())
    expected = ("unknown", stamp(NOON + 45.0), "stale: no run finished in time", "pass")
    told = [(view["status"], view["since"], view["explanation"], view["last"]["outcome"]) for view in seen]
    assert [expected, expected] == told


def test_a_stale_view_is_fresh_after_a_record() -> None:
    """What was put over it is gone."""
    kept = Kept(lasts=25.0)
    kept.run("p")
    kept.clock.advance(100.0)
    kept.registry.snapshot()
    kept.run("p", gap=0.0)
    assert ("up", stamp(NOON + 110.0), "") == tuple(kept.view()[key] for key in ("status", "since", "explanation"))


# Many


def test_only_what_changed_is_made_anew() -> None:
    """All other views of many checks are those of before."""
    many = Many()
    many.record_all("p")
    before = many.registry.snapshot()["checks"]
    many.record(many.checks[7], "f")
    after = many.registry.snapshot()["checks"]
    assert ["c7"] == [name for name in before if before[name]["recent"] is not after[name]["recent"]]


@pytest.mark.parametrize("letters", ["p", "pwfu", "fp", "upw"])
def test_many_that_changed_at_once_are_all_shown(letters: str) -> None:
    """More than are looked at within one hold of the lock; again and again."""
    many = Many()
    for turned in (letters, letters[::-1], letters):
        many.record_all(turned)
        assert [STATUSES[turned[n % len(letters)]] for n in range(MANY)] == many.statuses()


def test_many_that_changed_at_once_are_counted() -> None:
    """Sum, counts and views are of the same instant."""
    many = Many()
    many.record_all("pwu")
    snapshot = many.registry.snapshot()
    assert ("unknown", {"unknown": 100, "up": 100, "degraded": 100, "down": 0, "paused": 0}) == (
        snapshot["overall"],
        snapshot["counts"],
    )


def test_each_of_many_is_told_as_if_it_were_alone() -> None:
    """The whole view of it."""
    many = Many()
    many.record_all("pwfu")
    many.record_all("ppf")
    views = many.registry.snapshot()["checks"]
    assert [] == [name for name, view in views.items() if view != many.registry.look_up(name)[2]]


def test_many_that_went_stale_are_all_unknown() -> None:
    """Those that were looked at before, and those that were not."""
    many = Many()
    for number, check in enumerate(many.checks):
        many.record(check, "p", lasts=5.0 if number % 2 else 50.0)
    many.clock.advance(10.0)
    snapshot = many.registry.snapshot()
    assert (["up", "unknown"] * (MANY // 2), 150) == (many.statuses(), snapshot["counts"]["unknown"])


def test_views_are_whole_while_others_record() -> None:
    """Whatever is recorded in the meantime, no view is half of one instant and half of another."""
    many, stop = Many(), threading.Event()

    def record() -> None:
        for letter in itertools.takewhile(lambda letter: not stop.is_set(), itertools.cycle("pwfu")):
            many.record_all(letter)

    recorders = [threading.Thread(target=record) for _ in range(2)]
    for recorder in recorders:
        recorder.start()
    views = [view for _ in range(3) for view in many.registry.snapshot()["checks"].values()]
    stop.set()
    for recorder in recorders:
        recorder.join(10.0)
    runs = [(view, sum(view["counts"].values())) for view in views]
    assert [] == [view for view, n in runs if n and view["last"]["outcome"] != view["streak"]["outcome"]]
    assert [] == [view for view, n in runs if n and STATUSES[view["last"]["outcome"][0]] != view["status"]]
    assert [] == [view for view, n in runs if min(n, 16) > len(view["recent"])]
    assert [] == [name for name, view in many.registry.snapshot()["checks"].items() if not view["last"]]


# Groups


def grouped(*members: tuple[str, str, bool]) -> Registry:
    """A registry of one check each: its group, its run, and whether it is critical."""
    clock = FakeClock(1_000.0, wall=NOON)
    registry = Registry(clock)
    for number, (group, letter, critical) in enumerate(members):
        check = Check(f"c{number}", print, fall=1, group=group, critical=critical)
        registry.add(check, 5.0)
        if letter:
            registry.record(check, Result(check.name, OUTCOMES[letter], REASONS[letter], started=1_000.0), 60.0)
    return registry


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([], {}),
        ([("", "f", True)], {}),
        ([("a", "p", True), ("b", "f", True), ("", "f", True)], {"a": "healthy", "b": "unhealthy"}),
        ([("a", "p", True), ("a", "f", False)], {"a": "degraded"}),
        ([("a", "w", True), ("a", "p", True)], {"a": "degraded"}),
        ([("a", "p", True), ("a", "u", True)], {"a": "unknown"}),
        ([("a", "p", True), ("a", "", False)], {"a": "healthy"}),
        ([("a", "", False)], {"a": "unknown"}),
        ([("ä b", "p", True)], {"ä b": "healthy"}),
    ],
)
def test_each_group_has_a_word(members: list[tuple[str, str, bool]], expected: dict[str, str]) -> None:
    """By the rules of the whole; checks without a group are in none."""
    assert expected == grouped(*members).snapshot()["groups"]


def test_the_paused_are_left_out_of_their_group() -> None:
    """As out of the whole."""
    registry = grouped(("a", "f", True), ("a", "p", True))
    registry.pause("c0", True)
    assert {"a": "healthy"} == registry.snapshot()["groups"]


def test_the_word_of_a_group_goes_stale() -> None:
    """With its checks."""
    kept = Kept(group="a", lasts=5.0)
    kept.run("p")
    before = kept.registry.snapshot()["groups"]
    kept.clock.advance(6.0)
    assert ({"a": "healthy"}, {"a": "unknown"}) == (before, kept.registry.snapshot()["groups"])


def test_a_group_of_many_has_the_word_of_all() -> None:
    """One that is down among more than are looked at at once is not missed."""
    many = Many(group="g")
    many.record_all("p")
    many.record(many.checks[-1], "f")
    assert {"g": "unhealthy"} == many.registry.snapshot()["groups"]


# The wall clock


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0, 0.5, 1e9])
def test_a_jump_of_the_wall_clock_moves_stamps_and_no_length(seconds: float) -> None:
    """Windows begin by the new clock; ratios, seconds and incidents are what they would be without it."""
    jumped, steady = Kept(), Kept()
    for kept in (jumped, steady):
        kept.run("ppffpfp")
    jumped.clock.jump_wall(seconds)
    for kept in (jumped, steady):
        kept.run("p")
    views = [kept.view()["uptime"] for kept in (jumped, steady)]
    moved, begins = ([view[window].pop("from") for window in WINDOWS] for view in views)
    assert views[1] == views[0]
    assert ([stamp(NOON + 80.0 + seconds - 3_600.0), stamp(NOON + 80.0 - 3_600.0)], True) == (
        [moved[0], begins[0]],
        all(one != other for one, other in zip(moved, begins)),
    )


def test_latencies_know_nothing_of_the_wall_clock() -> None:
    """A year ahead they are of the latest hour still."""
    kept = Kept()
    kept.run("pf", elapsed=1.0)
    kept.clock.jump_wall(365 * 86_400.0)
    kept.run("p", elapsed=1.0)
    assert (2, 1) == (kept.view()["latency"]["1h"]["n"], kept.view()["latency"]["1h"]["failures"]["n"])


def test_a_nonsense_wall_clock_breaks_no_view() -> None:
    """Whatever it says, the stamps have the form of one."""
    kept = Kept()
    kept.run("p")
    kept.clock.jump_wall(1e18)
    kept.run("f")
    stamps = [seen["from"] for seen in kept.view()["uptime"].values()] + [kept.view()["since"]]
    assert [] == [text for text in stamps if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)]
