"""JSONPath against two other packages and a lookup by hand; what judging an answer takes; when a wait returns."""

from __future__ import annotations

import json
import pathlib
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lines import Line, measuring, median_ratio, skip

from minimon import Condition, JsonPathError, Response, jsonpath, wait_for
from minimon.testing import RogueServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "jsonpath"))

from blowups import blow_ups

QUERIES = (
    "$.status",
    "$.service.version",
    "$.jobs[0].state",
    "$.jobs[-1].name",
    "$.jobs[*].state",
    "$..host",
    "$.jobs[2:8:2].name",
    "$.jobs[?@.state == 'failed'].name",
    "$.jobs[?@.tries > 2 && @.state == 'running']",
    "$.a.b[3].c",
)
"""As checks have them."""


def document() -> Any:
    """About 10 kB, as a service tells of itself."""
    states = ("done", "failed", "running", "queued")
    jobs = [
        {
            "name": f"job {n}",
            "state": states[n % 4],
            "tries": n % 5,
            "where": {"host": f"worker-{n % 7}.internal", "zone": "north", "tags": ["batch", "nightly"]},
            "took_s": n * 1.25,
        }
        for n in range(60)
    ]
    nested = {"b": [{"c": n} for n in range(5)]}
    return {"status": "OK", "service": {"name": "search", "version": "4.2.0"}, "jobs": jobs, "a": nested}


def by_hand(found: Any) -> Any:
    """`$.a.b[3].c` as one writes it who looks at what there is."""
    if isinstance(found, dict) and isinstance(found.get("a"), dict):
        b = found["a"].get("b")
        if isinstance(b, list) and len(b) > 3 and isinstance(b[3], dict):
            return b[3].get("c")
    return None


def took(call: Callable[[], object], times: int) -> float:
    """Microseconds of one call."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times * 1e6


OLDER = {
    "$.jobs[?@.state == 'failed'].name": "$.jobs[?(@.state == 'failed')].name",
    "$.jobs[?@.tries > 2 && @.state == 'running']": "$.jobs[?(@.tries > 2 & @.state == 'running')]",
}
"""How jsonpath-ng writes those."""


def ours(found: Any) -> list[list[Any]]:
    """Compiled anew, as everybody's."""
    return [jsonpath.compile(query).values(found) for query in QUERIES]


def newer(found: Any) -> list[list[Any]]:
    """The package python-jsonpath."""
    import jsonpath as python_jsonpath

    return [list(python_jsonpath.compile(query).findall(found)) for query in QUERIES]  # type: ignore[attr-defined]


def older(found: Any) -> list[list[Any]]:
    """The package jsonpath-ng, with its extensions."""
    from jsonpath_ng.ext import parse

    return [[hit.value for hit in parse(OLDER.get(query, query)).find(found)] for query in QUERIES]


def measure(quick: bool) -> Iterator[Line]:
    """Side by side, many times."""
    found = document()
    rounds = 5 if quick else 15
    query = jsonpath.compile("$.a.b[3].c")
    assert query.values(found) == [by_hand(found)] == [node.value for node in query.find(found)]
    for what, call in (("find", query.find), ("values", query.values)):
        times = [(took(partial(call, found), 20000), took(partial(by_hand, found), 20000)) for _ in range(rounds)]
        mine, hands = (list(some) for some in zip(*times))
        bar = 8 if what == "find" else None
        yield median_ratio("jsonpath", f"$.a.b[3].c, {what}, against a lookup by hand", mine, hands, bar, "us")
    size = len(json.dumps(found))
    for name, peer, bar in (("python-jsonpath", newer, 0.7), ("jsonpath-ng", older, 0.2)):
        try:
            same = ours(found) == peer(found)
        except ImportError:
            yield skip("jsonpath", f"needs {name}")
            continue
        assert same, f"{name} finds something else"
        times = [(took(partial(ours, found), 20), took(partial(peer, found), 2)) for _ in range(rounds)]
        mine, theirs = (list(some) for some in zip(*times))
        what = f"{len(QUERIES)} queries compiled and run on {size / 1000:.0f} kB, against {name}"
        yield median_ratio("jsonpath", what, mine, theirs, bar, "us")
    alone = statistics.median(took(lambda: [jsonpath.compile(query) for query in QUERIES], 20) for _ in range(rounds))
    yield Line("jsonpath", "compiling alone, each", alone / len(QUERIES), "us")
    yield from judged(found, rounds)
    yield from awaited(2 if quick else 5)
    yield from blown_up(50 if quick else 500)


def blown_up(count: int) -> Iterator[Line]:
    """What is made to take for ever: done and right, or refused, each in its time."""
    times, refused = [], 0
    for case in blow_ups(count):
        found = case.make_document()
        begun = time.perf_counter()
        try:
            nodes = len(jsonpath.find(case.query, found))
        except JsonPathError:
            refused += 1
        else:
            assert case.allowed is None or nodes in case.allowed, f"{case.name}: {nodes} nodes"
        times.append((time.perf_counter() - begun, case.name))
    slowest, name = max(times)
    middle = statistics.median(seconds for seconds, _ in times)
    note = f"{name}; {refused} refused, the others right, median {middle * 1000:.1f} ms"
    yield Line("jsonpath", f"the slowest of {count} queries and documents made to blow up", slowest, "s", 1.0, note)


def judged(found: Any, rounds: int) -> Iterator[Line]:
    """A condition of several keys on a response that was read, and parsed for the first time or the second."""
    body = json.dumps(found)
    condition = Condition(
        {"status_code": 200, "json": found, "jsonpath": {"$.status": "OK", "$.jobs[0].state": "done"}},
    )
    response = Response(200, body)
    assert condition.explain(response) == ""
    again = statistics.median(took(partial(condition.unmet, response), 500) for _ in range(rounds))
    anew = statistics.median(took(lambda: condition.unmet(Response(200, body)), 100) for _ in range(rounds))
    yield Line("jsonpath", "judging status, json and two jsonpaths of 9 kB", again, "us", 60)
    yield Line("jsonpath", "the same, parsing the body too", anew, "us")


def awaited(rounds: int) -> Iterator[Line]:
    """A target that comes up after 0.3 s."""
    spells = []
    for _ in range(rounds):
        server = RogueServer("ok").start()
        url = server.url
        server.stop()
        timer = threading.Timer(0.3, server.start)
        timer.start()
        begun = time.perf_counter()
        wait_for(url, timeout=10)
        spells.append(time.perf_counter() - begun)
        timer.join()
        server.stop()
    note = f"{min(spells):.3f} to {max(spells):.3f} in {len(spells)}"
    yield Line("jsonpath", "wait_for a target that comes up after 0.3 s", statistics.median(spells), "s", 0.5, note)


if __name__ == "__main__":
    measuring(measure)
