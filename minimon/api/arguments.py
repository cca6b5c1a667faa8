"""Arguments of a request: of its query, and of its body by Content-Type, strictly. Pure. All raise Refused with 400."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from ..errors import did_you_mean
from ..serve.framing import Request
from .problems import Refused

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
FLAGS = {"true": True, "1": True, "false": False, "0": False}
MOST = 100
"""Arguments at most."""
_NUMBER = re.compile("[0-9]{1,18}")
_ODD = re.compile(b"%(?![0-9A-Fa-f]{2})")
_OPTIONAL = re.compile(r"(?:typing\.)?Optional\[(\w+)\]|(\w+) \| None|None \| (\w+)")
_SIGNED = re.compile("-?[0-9]{1,18}")


def arguments_of(request: Request, body: bytes, known: Iterable[str] | None) -> dict[str, Any]:
    """By name: texts, or what JSON has. Each at most once, all of them known, if `known` says which."""
    found: dict[str, Any] = {}
    for key, value in [*_pairs(request.query.encode("latin-1")), *_of_body(request, body)]:
        if key in found:
            raise Refused(400, f"{key!r:.60} is given more than once")
        found[key] = value
    names = None if known is None else sorted(known)
    for key in found:
        if names is not None and key not in names:
            hint = did_you_mean(key, names) if names else "there are none"
            raise Refused(400, f"unknown argument {key!r:.60}; {hint}")
    return found


def _of_body(request: Request, body: bytes) -> Iterable[tuple[str, Any]]:
    if not body:
        return ()
    kind = request.get("content-type").partition(";")[0].strip().lower()
    if kind == FORM:
        return _pairs(body)
    if kind == JSON:
        return _members(body)
    raise Refused(415, f"Content-Type must be {FORM} or {JSON}, got {kind!r:.60}")


def _pairs(text: bytes) -> list[tuple[str, str]]:
    if _ODD.search(text):
        raise Refused(400, "a % must be followed by two hexadecimal digits")
    try:
        pairs = parse_qsl(text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST)
    except ValueError:  # UnicodeError is one
        raise Refused(400, f"arguments must be UTF-8, percent-encoded, {MOST} at most") from None
    if any("\0" in part for pair in pairs for part in pair):
        raise Refused(400, "arguments must have no NUL")
    return pairs


def _members(body: bytes) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []

    def collect(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = found
        return dict(found)

    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=collect, parse_constant=_no_number, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}"[:200]) from None
    if not isinstance(value, dict):
        raise Refused(400, "the body must be a JSON object")
    if _surrogates(value):
        raise Refused(400, "the body has half of a surrogate pair")
    return pairs


def _surrogates(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def whole(name: str, value: Any, least: int = 1) -> int:
    """ASCII digits, or a JSON number."""
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = int(value)
    if number is None or not least <= number < 10**18:
        raise Refused(400, f"{name} must be a whole number, {least} or more, got {value!r:.60}")
    return number


def flag(name: str, value: Any) -> bool:
    """true, false, 1 or 0."""
    if isinstance(value, bool):
        return value
    found = FLAGS.get(str(value)) if isinstance(value, (str, int)) else None
    if found is None:
        raise Refused(400, f"{name} must be true, false, 1 or 0, got {value!r:.60}")
    return found


def text(name: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise Refused(400, f"{name} must be a text, got {value!r:.60}")
    return value


def sample(given: Mapping[str, Any], most: int, way_out: str) -> tuple[int, int]:
    """`count` and `wait` of a sample, of `most` seconds at most."""
    count, wait = whole("count", given.get("count", 1)), whole("wait", given.get("wait", 1))
    if count == 1 and wait != 1:
        raise Refused(400, "wait has a meaning only where count is more than 1")
    if (count - 1) * wait > most:
        raise Refused(400, f"(count - 1) * wait must be {most} seconds at most; {way_out}")
    return count, wait


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of that name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def call_of(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a host's function: those that its signature takes, texts made into what it is annotated with.

    `cancelled`, if it takes that, is for the server to give: an Event that is set when nobody wants the result.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return dict(given)
    if "cancelled" in given and "cancelled" in signature.parameters:
        raise Refused(400, "cancelled is not for clients")
    filled = {name: _fitted(name, value, signature.parameters.get(name)) for name, value in given.items()}
    try:
        signature.bind(**filled, **({"cancelled": None} if "cancelled" in signature.parameters else {}))
    except TypeError as error:
        raise Refused(400, str(error)) from None
    return filled


def _fitted(name: str, value: Any, parameter: inspect.Parameter | None) -> Any:
    """A value as a parameter is to have it: a number or flag of a text, and nothing that is of another kind."""
    kind, optional = _kind(None if parameter is None else parameter.annotation)
    if value is None and optional:
        return None
    if kind == "bool":
        return flag(name, value)
    if kind == "str":
        return text(name, value)
    if kind == "int":
        if isinstance(value, str) and _SIGNED.fullmatch(value):
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused(400, f"{name} must be a whole number, got {value!r:.60}")
    if kind == "float":
        return _real(name, value)
    return value


def _kind(hint: Any) -> tuple[str, bool]:
    """The name of a type, and whether None will do: of `int`, "int", Optional[int], int | None."""
    shown = hint if isinstance(hint, str) else hint.__name__ if isinstance(hint, type) else str(hint)
    found = _OPTIONAL.fullmatch(shown.replace("typing.Union", "Union"))
    return (next(filter(None, found.groups())), True) if found else (shown, False)


def _real(name: str, value: Any) -> float:
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not math.isfinite(number):
        raise Refused(400, f"{name} must be a number, got {value!r:.60}")
    return number
