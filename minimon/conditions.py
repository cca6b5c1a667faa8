"""What must hold of a Response, and the reason when it does not.

A condition is written as data: a dict means AND, a list of them OR, a callable is a predicate on the Response
that must return True. Key presence decides, not truth: {"text": ""} expects an empty body. No answer at all, a
transport error, meets no condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

from .errors import ConfigError, did_you_mean
from .model import Response, parse_json
from .text import is_secret, quoted, short, written

Test = Callable[[Response], Optional[str]]
"""Looks at a Response: None when it holds, else what was expected and what was seen."""

Spec = Union[Mapping[str, Any], Sequence[Any], Callable[[Response], object]]
"""How a host writes a condition."""


class Unmet(NamedTuple):
    """Why a condition does not hold."""

    reason: str
    """status, condition or exception; without an answer, what the error says."""
    text: str
    """Expected and actual."""


class Condition:
    """A condition, checked and ready: it holds when all tests of one alternative hold. Any thread may use it.

    `spec` is the condition as data, as it was given. Raises ConfigError, which names key, value and the nearest right
    key; `where` opens its message, `bad` says that the condition tells what is bad (a warn_if).
    """

    __slots__ = ("alternatives", "spec")

    def __init__(self, spec: Spec, where: str = "condition", *, bad: bool = False) -> None:
        spec = frozen(where, _data(spec))
        items = list(spec) if isinstance(spec, (list, tuple)) else [spec]
        if not items:
            raise ConfigError(f"{where}: an empty list holds never; leave it out or give a condition")
        self.alternatives = tuple(tuple(_tests(item, where, bad)) for item in items)
        self.spec = spec

    def unmet(self, response: Response) -> Unmet | None:
        """None when it holds, else the first unmet test of each alternative."""
        if response.error is not None:
            return Unmet(response.error.kind, response.error.detail or response.error.kind)
        found = []
        for tests in self.alternatives:
            first = _first_unmet(tests, response)
            if first is None:
                return None
            found.append(first)
        raised = any(reason == "exception" for reason, _ in found)
        told = [text for _, text in found[:MOST_TOLD]] + [f"{len(found) - MOST_TOLD} more"] * (len(found) > MOST_TOLD)
        return Unmet("exception" if raised else found[0].reason, " or ".join(told))

    def explain(self, response: Response) -> str:
        """Why it does not hold: expected and actual, of the first test that is unmet; "" when it holds.

        >>> Condition({"jsonpath": {"$.state": "done"}}).explain(Response(200, '{"state": "running"}'))
        'jsonpath $.state: expected "done", got "running"'
        """
        unmet = self.unmet(response)
        return "" if unmet is None else unmet.text

    @property
    def holds_of_failure(self) -> bool:
        """Whether an empty 500 meets it, though it does not name that: a server that is broken would pass for well."""
        broken = Response(500, transport={"certificate": {"days": 36_500.0}})
        return any(
            not any(key in ("status_code", "callback") for key, _ in tests) and _first_unmet(tests, broken) is None
            for tests in self.alternatives
        )

    def __repr__(self) -> str:
        return f"<Condition {quoted(hidden(self.spec))}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.spec,)


def frozen(where: str, value: Any) -> Any:
    """The same with its dicts and lists copied, so that the host may go on using its own. Raises ConfigError."""
    try:
        return _copied(value)
    except RecursionError:
        raise ConfigError(f"{where} is nested too deep, or contains itself") from None


def _data(spec: Any) -> Any:
    """The same as data, where it is a Condition, or a list of some."""
    if isinstance(spec, Condition):
        return spec.spec
    if not isinstance(spec, (list, tuple)) or not any(isinstance(item, Condition) for item in spec):
        return spec
    parts = [_data(item) for item in spec]
    return [one for part in parts for one in (part if isinstance(part, (list, tuple)) else [part])]


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(map(_copied, value))
    return value


def hidden(spec: Any) -> Any:
    """A condition as data without what it expects of headers and members that are for nobody's eyes."""
    if isinstance(spec, (list, tuple)):
        return [hidden(item) for item in spec]
    if not isinstance(spec, Mapping):
        return spec
    shown = dict(spec)
    for key in ("header", "jsonpath"):
        if isinstance(spec.get(key), Mapping):
            shown[key] = {name: "***" if is_secret(str(name)) else value for name, value in spec[key].items()}
    return shown


def _first_unmet(tests: tuple[tuple[str, Test], ...], response: Response) -> Unmet | None:
    for key, test in tests:
        try:
            text = test(response)
        except (Exception, SystemExit) as error:  # of the host: here, so that other alternatives still count
            return Unmet("exception", f"{key} raised {type(error).__name__}: {short(error)}")
        if text is not None:
            return Unmet("status" if key == "status_code" else "condition", text)
    return None


MOST_TOLD = 5
"""Alternatives of which an explanation tells."""


def _tests(item: Any, where: str, bad: bool) -> Iterator[tuple[str, Test]]:
    if callable(item):
        item = {"callback": item}
    if not isinstance(item, Mapping) or not item:
        raise ConfigError(
            f"{where}: expected a dict of conditions, a list of them or a callable, got {quoted(item, 60)}"
        )
    known = KEYS if all(key in KEYS for key in item) else all_keys()
    for key, value in item.items():
        make = known.get(key)
        if make is None:
            raise ConfigError(f"{where}: unknown condition {quoted(key, 60)}; {did_you_mean(key, known)}")
        if bad and key in BAD and not isinstance(value, Mapping):
            raise ConfigError(f"{where}: {key} says what is bad here; write {BAD[key].format(quoted(value, 60))}")
        try:
            yield key, make(value)
        except ValueError as error:
            raise ConfigError(f"{where}: {key}: {error}") from None


BAD = {"latency": '{{"gt": {}}}', "body_size": '{{"gt": {}}}', "certificate_days": '{{"lt": {}}}'}
"""Keys that take a bare number, of what is good; and how to say what is bad."""
BODY = ("text", "contains", "regex", "json", "jsonpath", "body_size")
"""The keys that look at the body."""


def needs_body(spec: Any) -> bool:
    """Whether a condition looks at the body; of a callable nobody knows."""
    spec = _data(spec)
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
        said = " or ".join(str(item) for item in wanted)
        return f"status_code: expected {short(said)}, got {code} {short(response.reason_phrase)}".rstrip()

    return test


def _status_range(item: Any) -> tuple[int, int]:
    text = str(int(item)) if isinstance(item, int) else item  # an IntEnum's str() differs between Pythons
    match = re.fullmatch(r"([1-9])xx|([0-9]{3})(?:-([0-9]{3}))?", text) if isinstance(text, str) else None
    if match is None or isinstance(item, bool):
        raise ValueError(f'expected a number of three digits, "2xx" or "200-299", got {quoted(item, 60)}')
    hundred, low, high = match.groups()
    bounds = (int(hundred) * 100, int(hundred) * 100 + 99) if hundred else (int(low), int(high or low))
    if not 100 <= bounds[0] <= bounds[1]:
        raise ValueError(f"expected 100 to 999, the lower number first, got {quoted(item, 60)}")
    return bounds


def _text(value: Any) -> Test:
    """The whole body as text equals this."""
    if not isinstance(value, str):
        raise ValueError(f"expected a text, got {quoted(value, 60)}")
    parse_json(b"null")  # imports json: in the midst of that on a worker, a fork would leave the import lock held

    def test(response: Response) -> str | None:
        text = response.text
        if text == value:
            return None
        start = _first_difference(value, text)
        return f"text: expected {_from(value, start)}, got {_from(text, start)}"

    return test


def _first_difference(one: str, other: str) -> int:
    """Where two texts go apart, if that is not at their beginning; 0 where it is seen anyway."""
    if len(one) < 100 and len(other) < 100:
        return 0
    at = next((number for number, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    return at - 20 if at > 80 else 0


def _from(text: str, start: int) -> str:
    return written(f"{'…' * (start > 0)}{text[start : start + 500]}")


def _contains(value: Any) -> Test:
    """The body as text contains this, or all of a list."""
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, (list, tuple)) or not wanted or not all(isinstance(item, str) for item in wanted):
        raise ValueError(f"expected a text or a list of texts, got {quoted(value, 60)}")
    wanted = tuple(wanted)
    parse_json(b"null")  # as above

    def test(response: Response) -> str | None:
        text = response.text
        missing = next((item for item in wanted if item not in text), None)
        return None if missing is None else f"contains: {written(missing)} is not in {written(text[:500])}"

    return test


def _callback(value: Any) -> Test:
    """A function of the Response that returns True; anything else is unmet."""
    if not callable(value):
        raise ValueError(f"expected a function of the Response, got {quoted(value, 60)}")

    def test(response: Response) -> str | None:
        answer = value(response)
        return None if answer is True else f"callback: expected True, got {quoted(answer)}"

    return test


KEYS: dict[str, Callable[[Any], Test]] = {
    "status_code": _status_code,
    "text": _text,
    "contains": _contains,
    "callback": _callback,
}
"""The keys that need nothing else, each with what makes its test. The docstrings are their reference."""


def all_keys() -> dict[str, Callable[[Any], Test]]:
    """Those and the others, whose rooms are imported when the first of them is used."""
    from .expectations import KEYS as others

    parse_json(b"null")  # as above
    return {**KEYS, **others}
