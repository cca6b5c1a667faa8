"""What must hold of a Response, and the reason when it does not.

A condition is written as data: a dict means AND, a list of them OR, a callable is a predicate on the Response
that must return True. Key presence decides, not truth: {"text": ""} expects an empty body.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Union

from .errors import ConfigError, did_you_mean
from .model import Response, parse_json
from .text import quoted, short

Test = Callable[[Response], Union[str, None]]
"""Looks at a Response: None when it holds, else what was expected and what was seen."""

Spec = Union[Mapping[str, Any], Sequence[Any], Callable[[Response], object]]
"""How a host writes a condition."""

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "lt": lambda seen, bound: seen < bound,
    "le": lambda seen, bound: seen <= bound,
    "gt": lambda seen, bound: seen > bound,
    "ge": lambda seen, bound: seen >= bound,
}


class Unmet(NamedTuple):
    """Why a condition does not hold."""

    reason: str
    """status, condition or exception."""
    text: str
    """Expected and actual."""


class Condition(NamedTuple):
    """A compiled condition: holds when all tests of one alternative hold."""

    alternatives: tuple[tuple[tuple[str, Test], ...], ...]
    spec: Spec

    def unmet(self, response: Response) -> Unmet | None:
        """None when it holds, else the first unmet test of each alternative."""
        found = []
        for tests in self.alternatives:
            first = _first_unmet(tests, response)
            if first is None:
                return None
            found.append(first)
        raised = any(reason == "exception" for reason, _ in found)
        return Unmet("exception" if raised else found[0].reason, " or ".join(text for _, text in found))


def _first_unmet(tests: tuple[tuple[str, Test], ...], response: Response) -> Unmet | None:
    for key, test in tests:
        try:
            text = test(response)
        except Exception as error:  # the host's own predicate: here, so that other alternatives still count
            return Unmet("exception", f"{key} raised {type(error).__name__}: {short(error)}")
        if text is not None:
            return Unmet("status" if key == "status_code" else "condition", text)
    return None


def compile(spec: Spec, where: str, *, bad: bool = False) -> Condition:
    """Check and compile a condition. `where` opens the message of the ConfigError; `bad` says it is a warn_if."""
    items = list(spec) if isinstance(spec, Sequence) and not isinstance(spec, (str, bytes)) else [spec]
    if not items:
        raise ConfigError(f"{where}: an empty list holds never; leave it out or give a condition")
    return Condition(tuple(tuple(_tests(item, where, bad)) for item in items), spec)


def _tests(item: Any, where: str, bad: bool) -> Iterator[tuple[str, Test]]:
    if callable(item):
        item = {"callback": item}
    if not isinstance(item, Mapping) or not item:
        raise ConfigError(f"{where}: expected a dict of conditions, a list of them or a callable, got {item!r:.60}")
    for key, value in item.items():
        make = KEYS.get(key)
        if make is None:
            raise ConfigError(f"{where}: unknown condition {key!r}; {did_you_mean(key, KEYS)}")
        if bad and key == "latency" and not isinstance(value, Mapping):
            raise ConfigError(f'{where}: latency says what is bad here; write {{"gt": {value!r}}}')
        try:
            yield key, make(value)
        except ValueError as error:
            raise ConfigError(f"{where}: {key}: {error}") from None


BODY = ("text", "contains", "json")
"""The keys that look at the body."""


def needs_body(spec: Any) -> bool:
    """Whether a condition looks at the body; of a callable nobody knows."""
    items = spec if isinstance(spec, Sequence) and not isinstance(spec, (str, bytes)) else [spec]
    return any(isinstance(item, Mapping) and any(key in item for key in BODY) for item in items)


def _status_code(value: Any) -> Test:
    """The status code: a number, "2xx", "200-299", or a list of them (any)."""
    wanted = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    ranges = [_status_range(item) for item in wanted]
    if not ranges:
        raise ValueError("an empty list holds never")

    def test(response: Response) -> str | None:
        code = response.status_code
        if code is not None and any(low <= code <= high for low, high in ranges):
            return None
        return f"status_code: expected {quoted(value)}, got {code} {response.reason_phrase}".rstrip()

    return test


def _status_range(item: Any) -> tuple[int, int]:
    text = str(int(item)) if isinstance(item, int) else item  # an IntEnum's str() differs between Pythons
    match = re.fullmatch(r"([1-9])xx|(\d{3})(?:-(\d{3}))?", text) if isinstance(text, str) else None
    if match is None or isinstance(item, bool):
        raise ValueError(f'expected a number of three digits, "2xx" or "200-299", got {item!r}')
    hundred, low, high = match.groups()
    bounds = (int(hundred) * 100, int(hundred) * 100 + 99) if hundred else (int(low), int(high or low))
    if not 100 <= bounds[0] <= bounds[1]:
        raise ValueError(f"expected 100 to 999, the lower number first, got {item!r}")
    return bounds


def _text(value: Any) -> Test:
    """The whole body as text equals this."""
    if not isinstance(value, str):
        raise ValueError(f"expected a text, got {value!r:.60}")
    return lambda response: (
        None if response.text == value else f"text: expected {quoted(value)}, got {quoted(response.text[:500])}"
    )


def _contains(value: Any) -> Test:
    """The body as text contains this, or all of a list."""
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, (list, tuple)) or not wanted or not all(isinstance(item, str) for item in wanted):
        raise ValueError(f"expected a text or a list of texts, got {value!r:.60}")

    def test(response: Response) -> str | None:
        text = response.text
        missing = next((item for item in wanted if item not in text), None)
        return None if missing is None else f"contains: {quoted(missing)} is not in {quoted(text[:500])}"

    return test


def _json(value: Any) -> Test:
    """The whole body as JSON equals this; True is not 1, 1 equals 1.0; the last of equal keys counts."""
    parse_json(b"null")  # imports json: in the midst of that on a worker, a fork would leave the import lock held

    def test(response: Response) -> str | None:
        try:
            seen = response.json()
        except ValueError as error:
            return f"json: not JSON ({short(error)})"
        return None if same_json(value, seen) else f"json: expected {quoted(value)}, got {quoted(seen)}"

    return test


def same_json(one: Any, other: Any) -> bool:
    """Equal as JSON values: booleans are no numbers, tuples are lists."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _latency(value: Any) -> Test:
    """Seconds of the whole run: a number (it must be below), or operators such as {"gt": 0.5}."""
    bounds = value if isinstance(value, Mapping) else {"lt": value}
    for operator, bound in bounds.items():
        if operator not in OPERATORS:
            raise ValueError(f"unknown operator {operator!r}; {did_you_mean(operator, OPERATORS)}")
        if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not 0 <= bound < float("inf"):
            raise ValueError(f"expected seconds, 0 or more, got {bound!r}")
    if not bounds:
        raise ValueError('expected seconds or operators such as {"gt": 0.5}, got {}')

    def test(response: Response) -> str | None:
        for operator, bound in bounds.items():
            if not OPERATORS[operator](response.elapsed, bound):
                return f"latency: expected {operator} {bound:g} s, got {response.elapsed:.3f} s"
        return None

    return test


def _callback(value: Any) -> Test:
    """A function of the Response that returns True; anything else is unmet."""
    if not callable(value):
        raise ValueError(f"expected a function of the Response, got {value!r:.60}")

    def test(response: Response) -> str | None:
        answer = value(response)
        return None if answer is True else f"callback: expected True, got {quoted(answer)}"

    return test


KEYS: dict[str, Callable[[Any], Test]] = {
    "status_code": _status_code,
    "text": _text,
    "contains": _contains,
    "json": _json,
    "latency": _latency,
    "callback": _callback,
}
"""Every key of a condition, with what makes its test. The docstrings are its reference."""
