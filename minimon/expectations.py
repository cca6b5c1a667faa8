"""What a value must be: JSON values and operators, and the keys of conditions that take them. Pure.

An expectation is a plain value, which the one that is seen must equal, or a dict of operators that must all hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

from .errors import did_you_mean
from .jsonpath import compile
from .jsonpath.query import kind
from .text import is_secret, quoted, short, written

if TYPE_CHECKING:
    from .model import Response

Look = Callable[[Sequence[Any]], Optional[str]]
"""Looks at all that was found: None when it holds, else what was expected."""
Test = Callable[["Response"], Optional[str]]
"""Looks at a Response: None when it holds, else what was expected and what was seen."""

REGEX_SEES = 65_536
"""Characters of a text that an expression looks at: a backtracking one cannot be interrupted."""
MOST_NODES = 100_000
"""Values of one expectation."""


# JSON


def json_value(value: Any) -> Any:
    """A copy of a value as a JSON parser would give it. Raises ValueError for what is none."""
    left = [MOST_NODES]

    def copy(value: Any, level: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or level > 100:
            raise ValueError(f"expected a JSON value of at most {MOST_NODES} values and 100 levels")
        if isinstance(value, Mapping):
            wrong = next((key for key in value if not isinstance(key, str)), None)
            if wrong is not None:
                raise ValueError(f"expected texts as the keys of an object, as in JSON, got {quoted(wrong, 60)}")
            return {str(key): copy(item, level + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [copy(item, level + 1) for item in value]
        if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise ValueError(f"expected a JSON value, got {quoted(value, 60)}")

    return copy(value, 0)


def same_as(wanted: Any) -> Callable[[Any], bool]:
    """What tells whether a value equals this one, as JSON: true is not 1, 1 is 1.0.

    Python's own comparison is fast, and wrong only where booleans and the numbers 0 and 1 meet: there it is looked at.
    """
    wanted = json_value(wanted)
    doubts = list(_doubts(wanted, ()))

    def same(value: Any) -> bool:
        return bool(wanted == value) and all(isinstance(_at(value, way), bool) is flag for way, flag in doubts)

    return same


def _doubts(value: Any, way: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Where in it there are such values, and whether they are booleans."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _doubts(item, (*way, key))
    elif isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1)):
        yield way, isinstance(value, bool)


def _at(value: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        value = value[key]
    return value


# Operators


def _eq(bound: Any) -> Look:
    same, text = same_as(bound), written(json_value(bound))

    def look(found: Sequence[Any]) -> str | None:
        holds = bool(found) and (same(list(found)) or (len(found) == 1 and same(found[0])))
        return None if holds else text

    return look


def _ne(bound: Any) -> Look:
    same, text = same_as(bound), f"anything but {written(json_value(bound))}"
    return lambda found: text if not found or same(list(found)) or any(map(same, found)) else None


def _order(sign: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any], Look]:
    def make(bound: Any) -> Look:
        if not kind(bound) or (isinstance(bound, float) and math.isnan(bound)):
            raise ValueError(f"expected a number or a text to compare with, got {quoted(bound, 60)}")
        text, wanted = f"{sign} {written(bound)}", kind(bound)
        return _each(lambda value: kind(value) == wanted and holds(value, bound), text)

    return make


def _each(holds: Callable[[Any], bool], text: str) -> Look:
    """At least one was found, and it holds of all."""
    return lambda found: None if found and all(map(holds, found)) else text


def _in(bound: Any) -> Look:
    if not isinstance(bound, (list, tuple, set, frozenset)) or not bound:
        raise ValueError(f"in: expected a list of values, got {quoted(bound, 60)}")
    wanted = json_value(sorted(bound, key=repr) if isinstance(bound, (set, frozenset)) else bound)
    tests = [same_as(one) for one in wanted]
    return _each(lambda value: any(same(value) for same in tests), f"one of {written(wanted)}")


def _regex(bound: Any) -> Look:
    try:
        search = expression(bound).search
    except ValueError as error:
        raise ValueError(f"regex: {error}") from None
    text = f"a text like {written(bound)}"
    return _each(lambda value: isinstance(value, str) and search(value[:REGEX_SEES]) is not None, text)


def expression(text: Any) -> re.Pattern[str]:
    """A regular expression of Python. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"expected a text, such as '(?i)ready', got {quoted(text, 60)}")
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{quoted(text, 60)}: {error}") from None


def _presence(wanted: bool) -> Callable[[Any], Look]:
    def make(bound: Any) -> Look:
        if not isinstance(bound, bool):
            raise ValueError(f"{'exists' if wanted else 'absent'}: expected True or False, got {quoted(bound, 60)}")
        some = bound is wanted
        return lambda found: None if bool(found) is some else ("something" if some else "nothing")

    return make


def _count(bound: Any) -> Look:
    bounds = bound if isinstance(bound, Mapping) else {"eq": bound}
    for name, one in bounds.items():
        if name not in ORDERS or isinstance(one, bool) or not isinstance(one, int) or one < 0:
            raise ValueError(f"count: expected a whole number, or {', '.join(ORDERS)} of one, got {quoted(bound, 60)}")
    look = expectation(bounds)
    return lambda found: None if (text := look([len(found)])) is None else f"a count of {text}"


ORDERS = ("eq", "ne", "lt", "le", "gt", "ge")
"""Operators that a number takes."""
NEEDS_ONE = (*ORDERS, "in", "regex")
"""Operators that never hold where nothing is found."""

OPERATORS: dict[str, Callable[[Any], Look]] = {
    "eq": _eq,
    "ne": _ne,
    "lt": _order("<", lambda seen, bound: bool(seen < bound)),
    "le": _order("<=", lambda seen, bound: bool(seen <= bound)),
    "gt": _order(">", lambda seen, bound: bool(seen > bound)),
    "ge": _order(">=", lambda seen, bound: bool(seen >= bound)),
    "in": _in,
    "regex": _regex,
    "exists": _presence(True),
    "absent": _presence(False),
    "count": _count,
}
"""Every operator, with what makes its test. Where several values are found, eq looks at the list of them, and
the others at each; where none is, only absent, count and exists: False can hold."""

OTHERS = {
    "==": "eq",
    "=": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "gte": "ge",
    "lte": "le",
    "neq": "ne",
    "equal": "eq",
    "equals": "eq",
    "greater": "gt",
    "less": "lt",
    "not": "ne",
    "exist": "exists",
    "regexp": "regex",
    "matches": "regex",
    "contains": "regex",
}
"""Words of others for operators, each with ours."""

MEANINGS = {
    "eq": "equal, as JSON: true is not 1, 1 is 1.0",
    "ne": "there, and none of them equal",
    "lt, le, gt, ge": "less, at most, more, at least: a number than a number, a text than a text",
    "in": "one of a list",
    "regex": f"a text in which this expression of Python is found, in its first {REGEX_SEES} characters",
    "exists, absent": "True: there is one, there is none",
    "count": "so many values; a number, or operators",
}
"""The same for people."""


def expectation(value: Any) -> Look:
    """What a plain value, or a dict of operators, expects. Raises ValueError."""
    given = operators(value)
    if given is None:
        return _eq(value)
    looks = [OPERATORS[name](bound) for name, bound in given.items()]
    return looks[0] if len(looks) == 1 else lambda found: next((text for look in looks if (text := look(found))), None)


def operators(value: Any) -> Mapping[str, Any] | None:
    """The dict, if it is one of operators. Raises ValueError for one that is half of them, or that never holds."""
    if not isinstance(value, Mapping) or not any(_is_like_an_operator(name) for name in value):
        return None
    wrong = next((name for name in value if name not in OPERATORS), None)
    if wrong is None:
        some = {bool(bound) is (name == "exists") for name, bound in value.items() if name in ("exists", "absent")}
        if len(some) == 2 or (False in some and any(name in NEEDS_ONE for name in value)):
            raise ValueError(f"something and nothing are expected at once, which never holds: {quoted(value, 60)}")
        return value
    alias = OTHERS.get(wrong) or (wrong.lower() if str(wrong).lower() in OPERATORS else "")
    hint = f"did you mean {alias!r}?" if alias else did_you_mean(wrong, OPERATORS)
    hint = hint if hint.endswith("?") else f"{hint}."
    raise ValueError(f'unknown operator {quoted(wrong, 60)}; {hint} To expect an object, write {{"eq": {{...}}}}')


def _is_like_an_operator(name: Any) -> bool:
    """Whether it is one, or nearly: a slip of the pen would be an object that nothing ever equals."""
    if not isinstance(name, str) or name in OPERATORS or name in OTHERS or name.lower() in OPERATORS:
        return isinstance(name, str)
    import difflib  # only for objects that are expected as values

    return bool(len(name) < 10 and difflib.get_close_matches(name, LONG, 1, 0.8))


LONG = tuple(name for name in OPERATORS if len(name) > 2)
"""Operators that can be told from a misspelling."""


def got(found: Sequence[Any]) -> str:
    """What was found, for people."""
    return "nothing" if not found else written(found[0] if len(found) == 1 else list(found))


# Keys of a condition


def _json(value: Any) -> Test:
    """The whole body as JSON equals this; true is not 1, 1 is 1.0; the last of equal keys counts."""
    wanted, same = json_value(value), same_as(value)

    def look(document: Any) -> str | None:
        if same(document):
            return None
        way, one, other = _apart(wanted, document)
        return f"json{way}: expected {written(one)}, got {'nothing' if other is NONE else written(other)}"

    return _parsed("json", look)


NONE = object()
"""What stands where there is nothing."""


def _apart(wanted: Any, seen: Any) -> tuple[str, Any, Any]:
    """Where two documents go apart, where they are alike so far and too large to be shown: way, wanted, seen."""
    way = ""
    while len(written(wanted, 100)) >= 100 and type(wanted) is type(seen) and isinstance(wanted, (dict, list)):
        pairs = _pairs(wanted, seen)
        if pairs is None:
            break
        place, one, other = pairs
        way += f"[{place}]" if isinstance(place, int) else f".{place}"
        wanted, seen = one, other
    return (f" ${way}" if way else "", wanted, seen)


def _pairs(wanted: Any, seen: Any) -> tuple[Any, Any, Any] | None:
    """The first place at which they differ; None where `seen` has what is not wanted."""
    for key in wanted if isinstance(wanted, dict) else range(len(wanted)):
        there = key in seen if isinstance(wanted, dict) else key < len(seen)
        if not there or not same_as(wanted[key])(seen[key]):
            return key, wanted[key], seen[key] if there else NONE
    return None


def _parsed(key: str, look: Callable[[Any], str | None]) -> Test:
    """A test of the body as JSON."""

    def test(response: Response) -> str | None:
        try:
            document = response.document
        except ValueError as error:
            return f"{key}: not JSON ({short(error)})"
        return look(document)

    return test


def _jsonpath(value: Any) -> Test:
    """What JSONPath queries (RFC 9535) find: {query: value or operators}, or one query that must find something.

    One value that is found equals it, or a list of it; several compare as a list. The old list of
    {"expression": query, "value": value} is taken too.
    """
    looks = [(text, compile(text), _expected(text, wanted)) for text, wanted in _queries(value)]

    def look(document: Any) -> str | None:
        for text, query, expects in looks:
            try:
                found = query.values(document)
            except ValueError as error:  # too much work
                return f"jsonpath {short(text)}: {short(error)}"
            expected = expects(found)
            if expected is not None and is_secret(text):
                return f"jsonpath {short(text)}: expected another value, got {'***' if found else 'nothing'}"
            if expected is not None:
                return f"jsonpath {short(text)}: expected {expected}, got {got(found)}"
        return None

    return _parsed("jsonpath", look)


def _expected(text: str, wanted: Any) -> Look:
    try:
        return expectation(wanted)
    except ValueError as error:
        raise ValueError(f"{short(text)}: {error}") from None


def _queries(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, str):
        return [(value, {"exists": True})]
    if isinstance(value, Mapping) and value:
        return list(value.items())
    if isinstance(value, (list, tuple)) and value and all(map(_is_old, value)):
        return [(one["expression"], {"eq": one["value"]}) for one in value]
    raise ValueError(f"expected {{query: value}}, a query, or a list of expression and value, got {quoted(value, 60)}")


def _is_old(one: Any) -> bool:
    return isinstance(one, Mapping) and set(one) == {"expression", "value"}


def _regex_key(value: Any) -> Test:
    """An expression of Python is found in the body as text, in its first 65,536 characters."""
    search = expression(value).search

    def test(response: Response) -> str | None:
        text = response.text[:REGEX_SEES]
        return None if search(text) else f"regex: {written(value)} is not found in {written(text[:500])}"

    return test


def _header(value: Any) -> Test:
    """Headers: {name: text or operators}; of a header that came several times, one that fits is enough."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"expected {{name: text or operators}}, got {quoted(value, 60)}")
    looks = [(_header_name(name), _header_look(wanted)) for name, wanted in value.items()]

    def test(response: Response) -> str | None:
        for name, look in looks:
            seen = response.headers.get_all(name)
            expected = look(seen)
            if expected is not None:
                if is_secret(name):
                    return f"header {name}: expected another value, got {'***' if seen else 'none'}"
                return f"header {name}: expected {expected}, got {got(seen)}"
        return None

    return test


def _header_name(name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError(f"expected the name of a header, got {quoted(name, 60)}")
    return name


def _header_look(wanted: Any) -> Look:
    given = operators(wanted)
    if given is None and not isinstance(wanted, str):
        raise ValueError(f'expected a text or operators (to have none: {{"absent": True}}), got {quoted(wanted, 60)}')
    given = {"eq": wanted} if given is None else given
    whole = [OPERATORS[name](bound) for name, bound in given.items() if name in WHOLE]
    each = [_of_one(name, bound) for name, bound in given.items() if name not in WHOLE]

    def look(found: Sequence[Any]) -> str | None:
        unmet = next((text for look in whole if (text := look(found))), None)
        if unmet is not None or not each:
            return unmet
        tries = [next((text for look in each if (text := look(one))), None) for one in [[one] for one in found] or [[]]]
        return None if None in tries else tries[0]

    return look


WHOLE = ("exists", "absent", "count")
"""Operators that look at all fields of a header, not at each."""


def _of_one(name: str, bound: Any) -> Look:
    look = OPERATORS[name](bound)
    bounds = list(bound) if isinstance(bound, (list, tuple, set, frozenset)) else [bound]
    if not all(kind(one) == "number" for one in bounds):
        return look
    return lambda found: look([_number(text) for text in found])


def _number(text: str) -> Any:
    """A header's text as the number that it is, if it is one."""
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", text, re.ASCII) else text


def _measure(key: str, unit: str, bare: str, see: Callable[[Response], float | None]) -> Callable[[Any], Test]:
    """What makes the test of a number."""

    def make(value: Any) -> Test:
        bounds = value if isinstance(value, Mapping) else {bare: value}
        if not bounds:
            raise ValueError('expected a number, or operators such as {"gt": 0.5}, got {}')
        for name, bound in bounds.items():
            if name not in ORDERS:
                raise ValueError(f"unknown operator {name!r}; {did_you_mean(name, ('lt', 'le', 'gt', 'ge'))}")
            if kind(bound) != "number" or not abs(bound) <= 1e300 or (bound < 0 and key != "certificate_days"):
                least = "" if key == "certificate_days" else ", 0 or more"
                raise ValueError(f"expected a number{least}, got {quoted(bound, 60)}")
        look = expectation(bounds)

        def test(response: Response) -> str | None:
            seen = see(response)
            expected = look([] if seen is None else [seen])
            return None if expected is None else f"{key}: expected {expected} {unit}, got {_measured(seen, unit)}"

        return test

    return make


def _measured(seen: float | None, unit: str) -> str:
    if seen is None:
        return "none"
    return f"{seen:.3f} s" if unit == "s" else f"{round(seen, 2):g} {unit}"


def _days(response: Response) -> float | None:
    certificate = (response.transport or {}).get("certificate")
    days = certificate.get("days") if isinstance(certificate, Mapping) else None
    return days if kind(days) == "number" else None


def _latency(value: Any) -> Test:
    """Seconds of the whole run: a number (it must be below), or operators such as {"gt": 0.5}."""
    return _measure("latency", "s", "lt", lambda response: response.elapsed)(value)


def _body_size(value: Any) -> Test:
    """Bytes of the body: a number (at most), or operators."""
    return _measure("body_size", "bytes", "le", lambda response: len(response.body))(value)


def _certificate_days(value: Any) -> Test:
    """Days until the certificate expires: a number (at least), or operators; without a certificate it never holds."""
    return _measure("certificate_days", "days", "ge", _days)(value)


KEYS: dict[str, Callable[[Any], Test]] = {
    "regex": _regex_key,
    "json": _json,
    "jsonpath": _jsonpath,
    "header": _header,
    "latency": _latency,
    "body_size": _body_size,
    "certificate_days": _certificate_days,
}
"""The keys that are made here, each with what makes its test. The docstrings are their reference."""
