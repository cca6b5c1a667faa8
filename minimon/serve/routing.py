"""From method, path and what the subject said to an answer. Pure: no socket, no clock, no subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from .exposition import to_json

CODES = {"healthy": 200, "degraded": 200, "unhealthy": 503, "unknown": 503, "error": 500}
"""The status code of `/health` by its word."""

ROUTES = {
    "/health": "one word: 200 when healthy or degraded, else 503",
    "/status": "all that is known, as JSON",
    "/status?check=NAME": "all of one check, and why it is what it is; NAME percent-encoded; 404 when there is none",
}
"""The paths, each with its meaning."""
PATHS = frozenset(route.partition("?")[0] for route in ROUTES)

METHODS = ("GET", "HEAD")
ALLOW = "GET, HEAD, OPTIONS"


class Reply(NamedTuple):
    """An answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Said(NamedTuple):
    """What a subject answered to one question."""

    error: str = ""
    """"" for none, else error (it raised), unknown (not in time, or there is no subject) or missing (no such check)."""
    value: Any = None


def route(target: str) -> str | None:
    """The path of ROUTES that a request target means: query and one trailing slash are tolerated. None for no such."""
    path = target.partition("?")[0]
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    return path if path in PATHS else None


def checks_named(target: str) -> list[str]:
    """The names that the query of a request target asks for with `check=`, percent-decoded once as UTF-8."""
    query = (
        target.partition("?")[2].encode("latin-1", "replace").decode("utf-8", "replace")
    )  # http.server reads Latin-1
    return [value for key, value in parse_qsl(query, keep_blank_values=True) if key == "check"]


def refusal(method: str, target: str) -> Reply | None:
    """The answer to a request that no subject has to be asked for; None for one that does."""
    if route(target) is None:
        return problem(404, "not found")
    if method == "OPTIONS":
        return Reply(204, headers=(("Allow", ALLOW),))
    if method not in METHODS:
        return problem(405, "method not allowed", ("Allow", ALLOW))
    return None


def problem(status: int, text: str, *headers: tuple[str, str]) -> Reply:
    """An answer to what went wrong in the request."""
    return Reply(status, to_json({"error": text}), headers)


def health(said: list[Said]) -> Reply:
    """The answer of `/health`: the worst word of all subjects, and nothing more."""
    word = worst(said)
    return Reply(CODES[word], to_json({"status": word}))


def worst(said: list[Said]) -> str:
    """One word for several: healthy only if all are."""
    words = {one.error or (one.value if isinstance(one.value, str) and one.value in CODES else "error") for one in said}
    order = ("error", "unhealthy", "unknown", "degraded")
    return next((word for word in order if word in words), "healthy") if said else "unknown"


def status(said: list[Said], words: list[Said]) -> Reply:
    """The answer of `/status`: one subject's own document, or several in an envelope."""
    error = next((one.error for one in said if one.error), "" if said else "unknown")
    if error:
        return Reply(CODES[error], to_json({"status": error}))
    if len(said) == 1:
        return Reply(200, to_json(said[0].value))
    document: Mapping[str, Any] = {"schema": 1, "overall": worst(words), "subjects": [one.value for one in said]}
    return Reply(200, to_json(document))


def one(said: Said) -> Reply:
    """The answer of `/status?check=NAME`."""
    if said.error == "missing":
        return problem(404, str(said.value))
    if said.error:
        return Reply(CODES[said.error], to_json({"status": said.error}))
    return Reply(200, to_json(said.value))
