"""What a snapshot says of each check: keys, values and nulls, one instant, what is shared, and what a clock moves."""

from __future__ import annotations

import itertools
import json
import math
import random
import threading
from typing import Any

import pytest
from test_history import INF, NOON, OUTCOMES, REASONS, Kept

from minimon import Check
from minimon.latency import LE
from minimon.model import Result, stamp
from minimon.registry import BATCH, Registry
from minimon.testing import FakeClock

WINDOWS = ["1h", "24h", "7d", "30d", "90d"]
MANY = 3 * BATCH
STATUSES = {"p": "up", "w": "degraded", "f": "down", "u": "unknown"}


class Many:
    """A registry with many checks that are decided by one run."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock(1_000.0, wall=NOON)
        self.registry = Registry(self.clock)
        self.checks = [Check(f"c{n}", print, fall=1, rise=1, **options) for n in range(MANY)]
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


# Keys and values


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
        "histogram": {"sum_s": 0.0, "counts": [0] * (len(LE) + 1)},
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
        "reasons": {"warn": {"condition": 1}, "unknown": {"timeout": 1}, "fail": {"connect": 2}},
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
    [("u", (None, None)), ("pu", (1.0, 1.0)), ("f", (None, 0.0)), ("ff", (0.0, 0.0)), ("pfp", (0.5, 0.666667))],
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


def test_what_went_down_before_a_window_is_an_incident_of_it() -> None:
    """Two hours ago, which the shortest does not reach back to: it was down all the time."""
    kept = Kept()
    kept.run("pf")
    kept.run("f" * 12, 600.0)
    kept.run("p", 800.0)
    expected = [(3600.0, 1, 0.0)] + [(8_000.0, 1, round(10 / 8_010, 6))] * 4
    assert expected == [(seen["down_s"], seen["incidents"], seen["ratio"]) for seen in kept.view()["uptime"].values()]


@pytest.mark.parametrize(
    ("script", "expected"),
    [("ppp", (None, None)), ("pffp", (20.0, 10.0)), ("pffpppfp", (15.0, 20.0)), ("ff", (10.0, 0.0))],
)
def test_mean_times_to_and_between(script: str, expected: tuple[float | None, float | None]) -> None:
    """Seconds down and up by incidents; null without one."""
    kept = Kept()
    kept.run(script)
    assert expected == (kept.view()["mttr_s"], kept.view()["mtbf_s"])


# Latency


@pytest.mark.parametrize(("n", "method", "within"), [(16, "exact", 0.0), (100, "buckets", 0.0251)])
def test_latencies_and_those_of_failures_apart(n: int, method: str, within: float) -> None:
    """By the nearest rank, exactly as long as they are few; unknown results are in neither."""
    kept, values = Kept(), [number / 100 for number in range(1, n + 1)]
    random.Random(n).shuffle(values)
    for letter, value in [("f", 5.0), ("u", 9.0), ("f", 7.0), *(("pw"[value > 0.1], value) for value in values)]:
        kept.run(letter, elapsed=value)
    failures = {"p50": 5.0, "p90": 7.0, "p95": 7.0, "p99": 7.0, "max": 7.0, "n": 2, "method": "exact", "failures": None}
    percentiles = {f"p{share}": math.ceil(n * share / 100) / 100 for share in (50, 90, 95, 99)}
    expected: dict[str, Any] = {"max": n / 100, "n": n, "method": method, "failures": failures}
    expected.update({key: pytest.approx(value, rel=within) for key, value in percentiles.items()})
    assert {"1h": expected, "24h": expected} == kept.view()["latency"]


def test_what_is_older_than_an_hour_is_in_the_latency_of_the_day_only() -> None:
    """Failures too; their part of the hour is null again."""
    kept = Kept()
    kept.run("pf", elapsed=9.0)
    for _ in range(7):
        kept.run("p", 600.0, elapsed=1.0)
    hour, day = kept.view()["latency"].values()
    assert ((1.0, None), (9.0, 1)) == ((hour["max"], hour["failures"]), (day["max"], day["failures"]["n"]))


def test_failures_that_were_pushed_out_of_the_rings_are_counted() -> None:
    """The rings are for people: the figures have all, though not exactly; of what was not answered nothing is said."""
    kept = Kept()
    kept.run("f" * 10 + "u" * 40, elapsed=2.0)
    seen = kept.view()["latency"]["1h"]
    assert (0, None, 10, "buckets") == (seen["n"], seen["p50"], seen["failures"]["n"], seen["failures"]["method"])


# The histogram


def test_the_histogram_has_passes_warnings_and_failures() -> None:
    """How many took at most as long as each bound; of unknown ones it has nothing."""
    kept = Kept()
    for letter, took in (("p", 0.02), ("w", 0.1), ("f", 5.5), ("u", 7.0)):
        kept.run(letter, elapsed=took)
    counts = [sum(took <= bound for took in (0.02, 0.1, 5.5)) for bound in (*LE, INF)]
    assert {"sum_s": 5.62, "counts": counts} == kept.view()["histogram"]


def test_the_histogram_never_falls() -> None:
    """Over a year in which runs leave every window, and days without a failure; it has as many runs as are counted."""
    chance, kept, seen = random.Random(9), Kept(), [[0.0] * (len(LE) + 2)]
    for _ in range(400):
        letter, gap = chance.choice("ppppwfu"), chance.choice((10.0, 600.0, 40_000.0, 3 * 86_400.0))
        kept.run(letter, gap, elapsed=chance.lognormvariate(-1.0, 2.0))
        view = kept.view()
        seen.append([view["histogram"]["sum_s"], *view["histogram"]["counts"]])
        assert sum(view["counts"].values()) - view["counts"]["unknown"] == seen[-1][-1]
    assert [] == [after for before, after in zip(seen, seen[1:]) if any(a > b for a, b in zip(before, after))]


# Plain data of one instant


@pytest.mark.parametrize("letters", ["", "pwfu" * 10])
def test_a_view_is_strict_json(letters: str) -> None:
    """It goes to JSON and back unchanged, and nothing in it is of a class of ours."""
    kept = Kept(tags={"team": "ä"}, group="g")
    kept.run(letters, detail="\ud800 …", phases={"connect": 0.1})
    view = kept.view()
    assert repr(view) == repr(json.loads(json.dumps(view, allow_nan=False)))


def test_one_check_is_told_as_in_the_snapshot() -> None:
    """What is asked for by name is the same view, also of one that went stale."""
    kept = Kept(lasts=30.0)
    kept.run("pwfup")
    kept.clock.advance(31.0)
    assert ("unknown", kept.view()) == (kept.view()["status"], kept.registry.look_up("a")[-1])


def test_a_view_is_shared_as_long_as_nothing_happens() -> None:
    """Asking again makes nothing anew, though time goes on."""
    kept = Kept()
    kept.run("pf")
    before = kept.view()
    kept.clock.advance(60.0)
    after = kept.view()
    assert [] == [key for key in before if before[key] is not after[key]]


def test_a_view_is_made_anew_after_a_record() -> None:
    """And the one before is as it was."""
    kept = Kept()
    kept.run("pp")
    before = kept.view()
    text = json.dumps(before)
    kept.run("f")
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
    """Before anybody found out, and after; since then, until there is a record, and then again."""
    kept = Kept(lasts=25.0)
    kept.run("pp")
    kept.clock.advance(100.0)
    views = [kept.view()]
    kept.run("p", gap=0.0)
    views.append(kept.view())
    kept.clock.advance(100.0)
    kept.registry.expire(kept.check)
    views.append(kept.view())
    stale = "stale: no run finished in time"
    expected = [("unknown", 45.0, stale), ("up", 120.0, ""), ("unknown", 145.0, stale)]
    assert [(status, stamp(NOON + after), why) for status, after, why in expected] == [
        (view["status"], view["since"], view["explanation"]) for view in views
    ]


# Many


def test_many_that_changed_at_once_are_all_shown() -> None:
    """More than are looked at within one hold of the lock, each as if it were alone; and all are counted."""
    many = Many(group="g")
    for letters in ("pwfu", "wpu", "ppw"):
        many.record_all(letters)
    many.record(many.checks[-1], "f")
    snapshot = many.registry.snapshot()
    assert {check.name: many.registry.look_up(check.name)[-1] for check in many.checks} == snapshot["checks"]
    assert ("unhealthy", {"g": "unhealthy"}, {"unknown": 0, "up": 200, "degraded": 99, "down": 1, "paused": 0}) == (
        snapshot["overall"],
        snapshot["groups"],
        snapshot["counts"],
    )


def test_many_that_went_stale_are_all_unknown() -> None:
    """Those that were looked at before, and those that were not; so is their group."""
    many = Many(group="g")
    for number, check in enumerate(many.checks):
        many.record(check, "p", lasts=5.0 if number % 2 else 50.0)
    many.clock.advance(10.0)
    snapshots = [many.registry.snapshot() for _ in range(2)]
    statuses = [[view["status"] for view in snapshot["checks"].values()] for snapshot in snapshots]
    assert [["up", "unknown"] * (MANY // 2)] * 2 == statuses
    assert ({"g": "unknown"}, 150) == (snapshots[0]["groups"], snapshots[0]["counts"]["unknown"])


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


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["p", "f"], {}),
        (["a p", "b f", "f"], {"a": "healthy", "b": "unhealthy"}),
        (["a p", "a f?"], {"a": "degraded"}),
        (["a p", "a u"], {"a": "unknown"}),
        (["a p", "a f-"], {"a": "healthy"}),
        # one that waits for its first run is left out, but where there is no other
        (["a p", "a ?"], {"a": "healthy"}),
        (["a ?"], {"a": "unknown"}),
    ],
)
def test_each_group_has_a_word(members: list[str], expected: dict[str, str]) -> None:
    """By the rules of the whole; checks without a group are in none. ? is not critical, - paused."""
    registry = Registry(FakeClock(1_000.0, wall=NOON))
    for number, member in enumerate(members):
        *group, run = member.split()
        check = Check(f"c{number}", print, fall=1, group="".join(group), critical="?" not in run)
        registry.add(check, 5.0)
        if run != "?":
            registry.record(check, Result(check.name, OUTCOMES[run[0]], REASONS[run[0]], started=1_000.0), 60.0)
        registry.pause(check.name, "-" in run)
    assert expected == registry.snapshot()["groups"]


# The wall clock


@pytest.mark.parametrize("seconds", [-86_400.0, 0.5, 1e9])
def test_a_jump_of_the_wall_clock_moves_stamps_and_no_length(seconds: float) -> None:
    """Windows begin by the new clock; ratios, seconds, incidents and latencies are what they would be without it."""
    jumped, steady = Kept(), Kept()
    for kept in (jumped, steady):
        kept.run("ppffpfp", elapsed=1.0)
    jumped.clock.jump_wall(seconds)
    for kept in (jumped, steady):
        kept.run("p", elapsed=2.0)
    uptimes = [kept.view()["uptime"] for kept in (jumped, steady)]
    moved, begins = ([uptime[window].pop("from") for window in WINDOWS] for uptime in uptimes)
    assert (uptimes[1], steady.view()["latency"]) == (uptimes[0], jumped.view()["latency"])
    assert [stamp(NOON + 80.0 + seconds - 3_600.0), stamp(NOON + 80.0 - 3_600.0)] == [moved[0], begins[0]]
    assert all(one != other for one, other in zip(moved, begins))
