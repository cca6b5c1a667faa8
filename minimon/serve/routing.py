"""From paths and what subjects said to answers. Pure: no socket, no clock, no subject."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from .exposition import to_json

CODES = {"healthy": 200, "degraded": 200, "unhealthy": 503, "unknown": 503, "draining": 503, "error": 500}
"""The status code of `/health` by its word."""

ROUTES = {
    "/health": "one word: 200 when healthy or degraded, else 503",
    "/livez": "200 while the process answers and no heartbeat is missed, else 503 and its name; what to restart on",
    "/readyz": "200 when every critical check is up and nothing drains; what to send requests on",
    "/readyz/NAME": "the same of one check, critical or not; NAME percent-encoded; 404 when there is none",
    "/startupz": "503 until it was ready once, then 200 for ever",
    "/metrics": "for Prometheus; OpenMetrics where Accept prefers it",
    "/status": "all that is known, as JSON, with an ETag",
    "/status?check=NAME": "all of one check, and why it is what it is; NAME percent-encoded; 404 when there is none",
    "/": "a page for browsers, links for programs",
}
"""The paths, each with its meaning."""
PATHS = frozenset(route.partition("?")[0] for route in ROUTES if "NAME" not in route)
PROBES = ("health", "livez", "readyz", "startupz")
"""Routes that probes ask: open, under any Host name."""

KNOWN = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT")
"""Methods that are known (RFC 9110, 9.3; RFC 5789); another one is 501."""
ALLOW = ("Allow", "GET, HEAD, OPTIONS")
NO_STORE = ("Cache-Control", "no-store")


class Reply(NamedTuple):
    """An answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (NO_STORE,)
    kind: str = "application/json"
    """Content-Type."""


class Said(NamedTuple):
    """What a subject answered to one question."""

    error: str = ""
    """"" for none, else error (it raised), unknown (not in time, or there is no subject) or missing (no such check)."""
    value: Any = None


class Place(NamedTuple):
    """What a path means: the first word of one of ROUTES, and the name of a check."""

    route: str
    name: str = ""


def place(path: str) -> Place | None:
    """The route of a path: one trailing slash is tolerated, nothing else is. None for no such."""
    if path.endswith("/") and path.strip("/"):
        path = path[:-1]
    if path in PATHS:
        return Place(path[1:])
    if path.startswith("/readyz/"):
        name = _decoded(path[len("/readyz/") :])
        return None if name is None else Place("readyz", name)
    return None


def _decoded(text: str) -> str | None:
    """A name in a path, percent-decoded once as UTF-8; None for what is none."""
    try:
        name = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if not name or "/" in name or "\0" in name else name


def query_of(query: str) -> dict[str, list[str]]:
    """The arguments of a query, percent-decoded once as UTF-8."""
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(key, []).append(value)
    return found


def refusal(method: str) -> Reply | None:
    """The answer to a request for one of ROUTES that asks no subject; None for one that does."""
    if method in ("GET", "HEAD"):
        return None
    if method == "OPTIONS":
        return Reply(204, headers=(ALLOW,))
    if method not in KNOWN:
        return problem(501, "method not implemented", ALLOW)
    return problem(405, "method not allowed", ALLOW)


def problem(status: int, text: str, *headers: tuple[str, str]) -> Reply:
    """An answer to what went wrong in the request."""
    return Reply(status, to_json({"error": text}), (*headers, NO_STORE))


_HEALTH = {word: Reply(code, to_json({"status": word})) for word, code in CODES.items()}


def word_reply(word: str) -> Reply:
    """The answer of `/health`: the word, and nothing more. Made once for each word."""
    return _HEALTH[word]


def health(said: list[Said]) -> Reply:
    """The answer of `/health` for the worst word of all subjects."""
    return _HEALTH[worst(said)]


def worst(said: list[Said]) -> str:
    """One word for several: healthy only if all are."""
    words = {one.error or (one.value if isinstance(one.value, str) and one.value in CODES else "error") for one in said}
    order = ("error", "draining", "unhealthy", "unknown", "degraded")
    return next((word for word in order if word in words), "healthy") if said else "unknown"


MOST_BLOCKERS = 100
"""Blockers that are named."""


class Readiness(NamedTuple):
    """Whether requests may come."""

    ready: bool
    word: str
    """ready, not ready, starting, or draining."""
    blockers: Mapping[str, str] = MappingProxyType({})
    """Critical checks that are not up, with their status."""


def readiness(parts: list[Readiness]) -> Readiness:
    """Of several subjects: ready only if all are."""
    order = ("draining", "starting", "not ready", "ready")
    blockers = {name: word for part in parts for name, word in part.blockers.items()}
    word = min((part.word for part in parts), key=order.index, default="not ready")
    return Readiness(bool(parts) and all(part.ready for part in parts), word, blockers)


def ready_reply(found: Readiness, sees: bool) -> Reply:
    """The answer of `/readyz`; blockers are named to those who may see them."""
    said: dict[str, Any] = {"status": found.word}
    if sees and found.blockers:
        said["blockers"] = dict(list(found.blockers.items())[:MOST_BLOCKERS])
    return Reply(200 if found.ready else 503, to_json(said))


_ALIVE = Reply(200, to_json({"status": "alive"}))


def live_reply(missed: list[str]) -> Reply:
    """The answer of `/livez`: the names of what gives no sign of life."""
    return Reply(503, to_json({"status": "stuck", "missed": missed[:MOST_BLOCKERS]})) if missed else _ALIVE


def started_reply(started: bool) -> Reply:
    """The answer of `/startupz`."""
    return Reply(200 if started else 503, to_json({"status": "started" if started else "starting"}))


def check_reply(status: str | None, paused: bool) -> Reply:
    """The answer of `/readyz/NAME`."""
    if status is None:
        return problem(404, "no check has this name")
    word = "paused" if paused else status
    return Reply(503 if word in ("down", "unknown") else 200, to_json({"status": word}))


def with_checks(reply: Reply, checks: Mapping[str, Any]) -> Reply:
    """The same with each check, for `?verbose`."""
    import json

    shown = ("status", "critical", "paused", "explanation")
    views = {str(name): view for name, view in checks.items() if isinstance(view, Mapping)}
    told = {name: {key: view.get(key) for key in shown} for name, view in views.items()}
    return reply._replace(body=to_json({**json.loads(reply.body), "checks": told}))


def one(said: Said) -> Reply:
    """The answer of `/status?check=NAME`."""
    if said.error == "missing":
        return problem(404, str(said.value))
    if said.error:
        return Reply(CODES[said.error], to_json({"status": said.error}))
    return Reply(200, to_json(said.value))


def links(root: str = "", base: str = "/") -> Reply:
    """The answer of `/` to programs: `root` stands before the paths, `base` is where this one and `/status` are."""
    listed = [
        {"rel": path[1:], "href": root + path if path != "/status" else f"{base}status"}
        for path in ROUTES
        if path in PATHS and path != "/"
    ]
    return Reply(200, to_json({"links": listed}))
