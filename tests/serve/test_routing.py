"""From a request and what the subjects said to an answer: paths, methods, codes and documents, without a socket."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest

from minimon.serve.routing import CODES, ROUTES, Reply, Said, health, refusal, route, status, worst

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = (Said(value=word) for word in ("healthy", "degraded", "unhealthy", "unknown"))
RAISED, SILENT = Said("error"), Said("unknown")


def told(reply: Reply) -> tuple[int, Any]:
    """The code and the document."""
    return reply.status, json.loads(reply.body)


# paths


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/health", "/health"),
        ("/status", "/status"),
        ("/health/", "/health"),
        ("/status/", "/status"),
        ("/health?x=1", "/health"),
        ("/health/?x=1", "/health"),
        ("/health?", "/health"),
        ("/health?a=/status", "/health"),
        ("/status?x=1?y=/", "/status"),
    ],
)
def test_a_path_is_found(target: str, path: str) -> None:
    """A query string and one trailing slash are tolerated."""
    assert path == route(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "//",
        "?",
        "/?/health",
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
    assert None is route(target)


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_has_a_meaning(path: str) -> None:
    """The table can be printed."""
    assert (path.partition("?")[0], True) == (route(path), bool(ROUTES[path]))


# methods


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["/health", "/status/?x"])
def test_a_subject_is_asked(method: str, target: str) -> None:
    """GET and HEAD of a known path are for the subject."""
    assert None is refusal(method, target)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("target", ["/", "/nothing", "/health/x"])
def test_an_unknown_path_is_not_found(method: str, target: str) -> None:
    """Whatever the method, the path comes first."""
    reply = refusal(method, target)
    assert (404, {"error": "not found"}) == (reply and told(reply))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "", "BREW"])
@pytest.mark.parametrize("target", ["/health", "/status"])
def test_another_method_is_not_allowed(method: str, target: str) -> None:
    """The answer says which ones are."""
    reply = refusal(method, target)
    assert reply is not None
    assert ((405, {"error": "method not allowed"}), (("Allow", "GET, HEAD, OPTIONS"),)) == (told(reply), reply.headers)


@pytest.mark.parametrize("target", ["/health", "/status/"])
def test_options_are_told(target: str) -> None:
    """Without a body."""
    assert (204, b"", (("Allow", "GET, HEAD, OPTIONS"),)) == refusal("OPTIONS", target)


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
    assert [(503, {"status": "unknown"})] * 2 == [told(health([])), told(status([], []))]


ORDER = [RAISED, UNHEALTHY, UNKNOWN, DEGRADED, HEALTHY]


@pytest.mark.parametrize("said", list(itertools.product(ORDER, repeat=3)))
def test_several_are_as_well_as_the_worst(said: tuple[Said, ...]) -> None:
    """Healthy only if all are, in whatever order they stand."""
    worst_of_all = min(said, key=ORDER.index)
    assert (worst_of_all.error or worst_of_all.value) == worst(list(said))


def test_the_codes_are_these() -> None:
    """What balancers go by."""
    assert {"healthy": 200, "degraded": 200, "unhealthy": 503, "unknown": 503, "error": 500}.items() <= CODES.items()


# /status


@pytest.mark.parametrize("document", [{"a": 1}, {}, {"status": "own"}, {"overall": "down"}, {"error": "own"}])
def test_one_subject_has_its_own_document(document: dict[str, Any]) -> None:
    """No envelope, and 200 whatever its state."""
    assert (200, document) == told(status([Said(value=document)], []))


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_a_document_may_be_anything(document: Any) -> None:
    """What a plain subject gives is shown."""
    assert (200, document) == told(status([Said(value=document)], []))


def test_an_odd_document_is_json() -> None:
    """NaN, bytes and sets are shown as they can be."""
    reply = status([Said(value={"a": math.nan, "b": b"x", "c": {1}})], [])
    assert (200, {"a": None, "b": "x", "c": [1]}) == told(reply)


@pytest.mark.parametrize(("said", "code", "word"), [(RAISED, 500, "error"), (SILENT, 503, "unknown")])
def test_a_broken_subject_has_no_document(said: Said, code: int, word: str) -> None:
    """The text of its exception is nobody's business."""
    assert (code, {"status": word}) == told(status([said], []))


def test_several_subjects_have_an_envelope() -> None:
    """One word for all, and each document in order."""
    said = [Said(value={"a": 1}), Said(value={"b": 2})]
    expected = {"schema": 1, "overall": "degraded", "subjects": [{"a": 1}, {"b": 2}]}
    assert (200, expected) == told(status(said, [HEALTHY, DEGRADED]))


@pytest.mark.parametrize(("broken", "code"), [(RAISED, 500), (SILENT, 503)])
@pytest.mark.parametrize("first", [True, False])
def test_one_broken_subject_of_several_is_told(broken: Said, code: int, first: bool) -> None:
    """A page of which a part is missing would pass for whole."""
    said = [Said(value={"a": 1}), broken]
    assert code == status(said[:: -1 if first else 1], [HEALTHY, broken]).status
