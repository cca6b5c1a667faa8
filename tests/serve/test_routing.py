"""From a request and what the subjects said to an answer: paths, methods, codes and documents, without a socket."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from minimon.serve.routing import (
    CODES,
    PATHS,
    ROUTES,
    Readiness,
    Reply,
    Said,
    check_reply,
    health,
    links,
    place,
    readiness,
    ready_reply,
    refusal,
    started_reply,
    worst,
)

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = (Said(value=word) for word in ("healthy", "degraded", "unhealthy", "unknown"))
RAISED, SILENT = Said("error"), Said("unknown")


def told(reply: Reply) -> tuple[int, Any]:
    """The code and the document."""
    return reply.status, json.loads(reply.body)


# paths


@pytest.mark.parametrize("path", sorted(PATHS - {"/"}))
@pytest.mark.parametrize("end", ["", "/"])
def test_a_path_is_found(path: str, end: str) -> None:
    """One trailing slash is tolerated."""
    assert (path[1:], "") == place(path + end)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/readyz/search", "search"),
        ("/readyz/search/", "search"),
        ("/readyz/gr%C3%B6%C3%9Fe", "größe"),
        ("/readyz/a%20b+c", "a b+c"),
        ("/readyz/%2541", "%41"),
        ("/readyz/%zz", "%zz"),
    ],
)
def test_a_check_has_a_path_of_its_own(path: str, name: str) -> None:
    """Its name is decoded once, as UTF-8."""
    assert ("readyz", name) == place(path)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "//",
        "///",
        "?",
        "/readyz//",
        "/readyz/a%2Fb",
        "/readyz/a/b",
        "/readyz/a%00",
        "/readyz/%FF",
        "/readyz/%ED%A0%80",
        "/livez/x",
        "health",
        "*",
        "/health//",
        "//health",
        "/Health",
        "/healthz",
        "/healt",
        "/health/x",
        "/health#x",
        "/health;x",
        "/health ",
        "/health\0",
        "/health%00",
        "/%68ealth",
        "/x/../health",
        "/./health",
        "/status/../health",
        "\\health",
        "http://h/health",
        "/heälth",
        "/ｈealth",
        "/" * 100_000,
    ],
    ids=lambda target: ascii(target)[:30],
)
def test_any_other_path_is_not(target: str) -> None:
    """Paths match exactly, are never decoded, and never lead anywhere."""
    assert None is place(target)


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_has_a_meaning(path: str) -> None:
    """The table can be printed."""
    assert (True, True) == (place(path.partition("?")[0]) is not None, bool(ROUTES[path]))


# methods


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_subject_is_asked(method: str) -> None:
    """GET and HEAD are for the subject."""
    assert None is refusal(method)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"])
def test_another_method_is_not_allowed(method: str) -> None:
    """The answer says which ones are."""
    reply = refusal(method)
    assert reply is not None
    allow = ("Allow", "GET, HEAD, OPTIONS")
    assert ((405, {"error": "method not allowed"}), True) == (told(reply), allow in reply.headers)


@pytest.mark.parametrize("method", ["get", "BREW", "PROPFIND", "!"])
def test_an_unknown_method_is_not_implemented(method: str) -> None:
    """Nobody knows what it means (RFC 9110, 9.1)."""
    reply = refusal(method)
    assert (501, {"error": "method not implemented"}) == (reply and told(reply))


def test_options_are_told() -> None:
    """Without a body."""
    reply = refusal("OPTIONS")
    assert (204, b"", (("Allow", "GET, HEAD, OPTIONS"),)) == (reply and reply[:3])


# /health


@pytest.mark.parametrize(
    ("said", "code", "word"),
    [
        (HEALTHY, 200, "healthy"),
        (DEGRADED, 200, "degraded"),
        (UNHEALTHY, 503, "unhealthy"),
        (UNKNOWN, 503, "unknown"),
        (SILENT, 503, "unknown"),
        (RAISED, 500, "error"),
        (Said(value="nonsense"), 500, "error"),
        (Said(value=None), 500, "error"),
        (Said(value=True), 500, "error"),
        (Said(value=["healthy"]), 500, "error"),
        (Said(value={}), 500, "error"),
    ],
)
def test_health_is_one_word(said: Said, code: int, word: str) -> None:
    """200 for healthy and degraded, 503 where it is not, 500 where the subject is broken; and nothing more."""
    assert (code, {"status": word}) == told(health([said]))


def test_without_a_subject_nothing_is_known() -> None:
    """A server that was started without one does not say that all is well."""
    assert (503, {"status": "unknown"}) == told(health([]))


ORDER = [RAISED, UNHEALTHY, UNKNOWN, DEGRADED, HEALTHY]


@pytest.mark.parametrize("said", list(itertools.product(ORDER, repeat=3)))
def test_several_are_as_well_as_the_worst(said: tuple[Said, ...]) -> None:
    """Healthy only if all are, in whatever order they stand."""
    worst_of_all = min(said, key=ORDER.index)
    assert (worst_of_all.error or worst_of_all.value) == worst(list(said))


def test_the_codes_are_these() -> None:
    """What balancers go by."""
    sick = {"unhealthy": 503, "unknown": 503, "draining": 503, "error": 500}
    assert {"healthy": 200, "degraded": 200, **sick} == CODES


# /readyz, /startupz


READY, STARTING = Readiness(True, "ready"), Readiness(False, "starting")
BLOCKED, DRAINING = Readiness(False, "not ready", {"db": "down"}), Readiness(False, "draining")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], (False, "not ready", {})),
        ([READY], READY),
        ([READY, READY], READY),
        ([READY, BLOCKED], BLOCKED),
        ([BLOCKED, STARTING], (False, "starting", {"db": "down"})),
        ([STARTING, DRAINING, READY], DRAINING),
        (
            [BLOCKED, Readiness(False, "not ready", {"queue": "unknown"})],
            (False, "not ready", {"db": "down", "queue": "unknown"}),
        ),
    ],
)
def test_several_are_ready_if_all_are(parts: list[Readiness], expected: Any) -> None:
    """What blocks any of them blocks all."""
    assert expected == readiness(parts)


@pytest.mark.parametrize(
    ("found", "sees", "code", "document"),
    [
        (READY, True, 200, {"status": "ready"}),
        (BLOCKED, False, 503, {"status": "not ready"}),
        (BLOCKED, True, 503, {"status": "not ready", "blockers": {"db": "down"}}),
        (DRAINING, False, 503, {"status": "draining"}),
    ],
)
def test_blockers_are_named_to_those_who_may_see_them(found: Readiness, sees: bool, code: int, document: Any) -> None:
    """A stranger is told that it is not ready, and no more."""
    assert (code, document) == told(ready_reply(found, sees))


@pytest.mark.parametrize(("started", "code", "word"), [(True, 200, "started"), (False, 503, "starting")])
def test_startup_is_one_word(started: bool, code: int, word: str) -> None:
    """And a code."""
    assert (code, {"status": word}) == told(started_reply(started))


@pytest.mark.parametrize(
    ("status", "paused", "code", "word"),
    [
        ("up", False, 200, "up"),
        ("degraded", False, 200, "degraded"),
        ("down", False, 503, "down"),
        ("unknown", False, 503, "unknown"),
        ("down", True, 200, "paused"),
    ],
)
def test_one_check_is_one_word(status: str, paused: bool, code: int, word: str) -> None:
    """A paused one blocks nothing."""
    assert (code, {"status": word}) == told(check_reply(status, paused))


# /


def test_programs_get_links() -> None:
    """To every route that has no name in it, in their order."""
    document = json.loads(links().body)
    assert {"rel": "health", "href": "/health"} == document["links"][0]
    assert sorted(PATHS - {"/"}) == sorted(link["href"] for link in document["links"])
