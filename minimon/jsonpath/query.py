"""A parsed JSONPath query made into functions, and what they find (RFC 9535, sections 2.3 to 2.5). Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, Optional

from ..errors import JsonPathError
from . import iregexp
from .parse import (
    All,
    Argument,
    Call,
    Compare,
    Filter,
    Index,
    Literal,
    Logical,
    Name,
    Not,
    Path,
    Segment,
    Selector,
    Slice,
    Some,
    parse,
)

MOST_STEPS = 300_000
"""Nodes looked at, members compared and so on, at most, in one search: a microsecond each, two at worst."""

LONG_TEXT = 4096
"""Characters that are compared in a step."""

Place = Optional[tuple[Any, Any]]
"""Where a node is: the place of its parent, and its name or index there; None for the root."""
Found = list[tuple[Any, Place]]
"""Nodes: value and place."""


class _Nothing:
    """What a query has found that found nothing: no JSON value, and equal to itself only (section 2.3.5.2.2)."""


NOTHING = _Nothing()


class Work:
    """What one search may still do, and the document it is in."""

    __slots__ = ("left", "matchers", "root")

    def __init__(self, root: Any) -> None:
        self.root, self.left = root, MOST_STEPS
        self.matchers: dict[str, iregexp.Matcher | None] = {}

    def spend(self, steps: int) -> None:
        """Count. Raises JsonPathError when that was too much."""
        self.left -= steps
        if self.left < 0:
            raise JsonPathError(f"JSONPath: gave up after {MOST_STEPS} steps: the query or the document is too much")

    def matcher(self, pattern: str) -> iregexp.Matcher | None:
        """The expression that a document gives; None where it is none."""
        if pattern not in self.matchers:
            self.spend(2000 + 4 * len(pattern))
            self.matchers[pattern] = _matcher(pattern)
        return self.matchers[pattern]


Pick = Callable[[Any, Place, Found, Work], None]
"""A selector: adds what it finds in a node."""
Value = Callable[[Any, Work], Any]
"""Something within a filter, of the node that is tested."""


class Node:
    """One thing that was found."""

    __slots__ = ("_place", "value")

    def __init__(self, value: Any, place: Place) -> None:
        self.value, self._place = value, place

    @property
    def path(self) -> str:
        """Where it is, as a normalized path (RFC 9535, section 2.7): `$['jobs'][0]['state']`."""
        steps, place = [], self._place
        while place is not None:
            place, key = place
            steps.append(f"[{key}]" if isinstance(key, int) else f"['{key.translate(_ESCAPED)}']")
        return "$" + "".join(reversed(steps))

    def __repr__(self) -> str:
        return f"<Node {self.path}>"


_ESCAPED = {
    **{code: f"\\u{code:04x}" for code in range(0x20)},
    **{ord(char): text for char, text in zip("\b\t\n\f\r'\\", ("\\b", "\\t", "\\n", "\\f", "\\r", "\\'", "\\\\"))},
}


class Query:
    """A compiled JSONPath query. It is never changed, and any thread may use it.

    >>> compile("$.jobs[?@.state == 'failed'].name").values({"jobs": [{"state": "failed", "name": "a"}]})
    ['a']
    """

    __slots__ = ("_apply", "_keys", "_place", "text")

    def __init__(self, text: str) -> None:
        path = parse(text)
        self.text = text
        self._keys = _keys(path)
        self._place = None if self._keys is None else _place(self._keys)
        self._apply = _segments(path.segments)

    def find(self, document: Any) -> list[Node]:
        """The nodes that it finds, in the order of the standard. Raises JsonPathError for what is too much work."""
        if self._place is not None and self._keys is not None:
            value = _walk(self._keys, document)
            return [] if value is NOTHING else [Node(value, self._place)]
        return [Node(value, place) for value, place in self._search(document)]

    def values(self, document: Any) -> list[Any]:
        """Their values only."""
        if self._keys is not None:
            value = _walk(self._keys, document)
            return [] if value is NOTHING else [value]
        return [value for value, _ in self._search(document)]

    def _search(self, document: Any) -> Found:
        return self._apply([(document, None)], Work(document))

    def __repr__(self) -> str:
        return f"<Query {self.text}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text,)


# Queries that find one node at most


def _keys(path: Path) -> tuple[str | int, ...] | None:
    """Its names and indices; None where it may find more."""
    if not path.singular:
        return None
    selectors: Any = (segment.selectors[0] for segment in path.segments)
    return tuple(one.name if isinstance(one, Name) else one.place for one in selectors)


def _place(keys: tuple[str | int, ...]) -> Place:
    """Where they lead; None where that depends on the document, or is the root."""
    place: Place = None
    for key in keys:
        if isinstance(key, int) and key < 0:
            return None
        place = (place, key)
    return place


def _walk(keys: Iterable[str | int], value: Any) -> Any:
    """What is there, or NOTHING."""
    for key in keys:
        if isinstance(value, dict):
            if key not in value or key.__class__ is int:
                return NOTHING
        elif not isinstance(value, list) or key.__class__ is str or not -len(value) <= key < len(value):  # type: ignore[operator]
            return NOTHING
        value = value[key]
    return value


# Segments and selectors


def _segments(segments: tuple[Segment, ...]) -> Callable[[Found, Work], Found]:
    """What applies them one after another."""
    steps = [(segment.descendant, [_pick(selector) for selector in segment.selectors]) for segment in segments]

    def apply(nodes: Found, work: Work) -> Found:
        for descendant, picks in steps:
            if descendant:
                nodes = _all_below(nodes, work)
            work.spend(len(nodes) * (len(picks) - descendant))
            found: Found = []
            for value, place in nodes:
                for pick in picks:
                    pick(value, place, found, work)
            nodes = found
        return nodes

    return apply


def _all_below(nodes: Found, work: Work) -> Found:
    """Each node and its descendants, those before their children (section 2.5.2.2); only what has children counts."""
    found: Found = []
    for node in nodes:
        waiting = [node]
        while waiting:
            value, place = here = waiting.pop()
            if not isinstance(value, (dict, list)):
                continue
            found.append(here)
            work.spend(len(value) + 1)
            below = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend([(child, (place, key)) for key, child in below if isinstance(child, (dict, list))][::-1])
    return found


def _children(value: Any, work: Work, weight: int) -> Iterable[tuple[Any, Any]]:
    """Names or indices, and what is there, each so many steps."""
    if not isinstance(value, (dict, list)):
        return ()
    work.spend(len(value) * weight)
    return value.items() if isinstance(value, dict) else enumerate(value)


def _pick(selector: Selector) -> Pick:
    if isinstance(selector, Name):
        return _pick_name(selector.name)
    if isinstance(selector, Index):
        return _pick_index(selector.place)
    if isinstance(selector, Slice):
        return _pick_slice(selector)
    return (
        _pick_tested(_logical(selector.test), 1 + _weight(selector.test) // 5)
        if isinstance(selector, Filter)
        else _pick_all
    )


def _pick_name(name: str) -> Pick:
    def pick(value: Any, place: Place, found: Found, work: Work) -> None:
        if isinstance(value, dict) and name in value:
            found.append((value[name], (place, name)))

    return pick


def _pick_index(index: int) -> Pick:
    def pick(value: Any, place: Place, found: Found, work: Work) -> None:
        if isinstance(value, list) and -len(value) <= index < len(value):
            found.append((value[index], (place, index if index >= 0 else index + len(value))))

    return pick


def _pick_slice(selector: Slice) -> Pick:
    whole = slice(selector.start, selector.end, selector.step)

    def pick(value: Any, place: Place, found: Found, work: Work) -> None:
        if isinstance(value, list) and whole.step != 0:  # section 2.3.4.2: that selects nothing
            indices = range(*whole.indices(len(value)))
            work.spend(len(indices))
            found.extend([(value[index], (place, index)) for index in indices])

    return pick


def _pick_all(value: Any, place: Place, found: Found, work: Work) -> None:
    found.extend([(child, (place, key)) for key, child in _children(value, work, 1)])


def _pick_tested(test: Value, weight: int) -> Pick:
    def pick(value: Any, place: Place, found: Found, work: Work) -> None:
        found.extend([(child, (place, key)) for key, child in _children(value, work, weight) if test(child, work)])

    return pick


# Filters


def _weight(test: Any) -> int:
    """How many things there are to be done in a filter. Five are about as much as a step of other kinds."""
    if isinstance(test, tuple):
        return sum(map(_weight, test)) + (0 if type(test) is tuple else 1)
    return 0


def _logical(test: Logical) -> Value:
    """What is true or false of a node."""
    if isinstance(test, Compare):
        return _comparison(test)
    if isinstance(test, Not):
        inner = _logical(test.test)
        return lambda node, work: not inner(node, work)
    if isinstance(test, All):
        tests = [_logical(one) for one in test.tests]
        return lambda node, work: all(one(node, work) for one in tests)
    if isinstance(test, Some):
        tests = [_logical(one) for one in test.tests]
        return lambda node, work: any(one(node, work) for one in tests)
    if isinstance(test, Call):
        return _value(test)
    if test.singular:
        value = _value(test)
        return lambda node, work: value(node, work) is not NOTHING
    nodes = _nodes(test)
    return lambda node, work: bool(nodes(node, work))


def _nodes(path: Path) -> Callable[[Any, Work], Found]:
    """The nodes that a query within a filter finds."""
    apply = _segments(path.segments)
    if path.absolute:
        return lambda node, work: apply([(work.root, None)], work)
    return lambda node, work: apply([(node, None)], work)


def _value(operand: Argument) -> Value:
    """The one value of what can be compared."""
    if isinstance(operand, Literal):
        constant = operand.value
        return lambda node, work: constant
    if isinstance(operand, Call):
        return _CALLS[operand.name](*operand.arguments)
    keys = _keys(operand)
    assert keys is not None  # the parser saw to it
    if operand.absolute:
        return lambda node, work: _walk(keys, work.root)
    return lambda node, work: _walk(keys, node)


def _comparison(test: Compare) -> Value:
    """Section 2.3.5.2.2."""
    left, right, sign = _value(test.left), _value(test.right), test.operator
    if sign in ("==", "!="):
        wanted = sign == "=="
        return lambda node, work: equal(left(node, work), right(node, work), work.spend) is wanted
    less = operator.lt if "<" in sign else operator.gt
    also = "=" in sign

    def compare(node: Any, work: Work) -> bool:
        one, other = left(node, work), right(node, work)
        sort = kind(one)
        if sort == "text" and len(one) > LONG_TEXT:
            work.spend(len(one) // LONG_TEXT)
        if sort and sort == kind(other) and less(one, other):
            return True
        return also and equal(one, other, work.spend)

    return compare


def kind(value: Any) -> str:
    """What can be ordered: "number", or "text"; "" for all else."""
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def equal(one: Any, other: Any, spend: Callable[[int], None]) -> bool:
    """Equal as JSON values, however deep: booleans are no numbers, 1 is 1.0. Each look at a container is told."""
    waiting: list[tuple[Iterable[Any], Iterable[Any]]] = [((one,), (other,))]
    while waiting:
        for a, b in zip(*waiting.pop()):
            if isinstance(a, str):  # first, for most values are texts
                if len(a) > LONG_TEXT:
                    spend(len(a) // LONG_TEXT)
                if a != b:
                    return False
            elif isinstance(a, list):
                if not isinstance(b, list) or len(a) != len(b):
                    return False
                spend(len(a))
                waiting.append((a, b))
            elif isinstance(a, dict):
                if not isinstance(b, dict) or len(a) != len(b):
                    return False
                spend(len(a))  # before what comes next, which takes a while
                if a.keys() != b.keys():
                    return False
                waiting.append((a.values(), map(b.__getitem__, a)))
            elif isinstance(a, bool) is not isinstance(b, bool) or isinstance(b, (dict, list)) or a != b:
                return False
    return True


# Functions (section 2.4)


def _length(argument: Argument) -> Value:
    value = _value(argument)

    def length(node: Any, work: Work) -> Any:
        found = value(node, work)
        return len(found) if isinstance(found, (str, list, dict)) else NOTHING

    return length


def _count(argument: Argument) -> Value:
    assert isinstance(argument, Path)
    nodes = _nodes(argument)
    return lambda node, work: len(nodes(node, work))


def _only(argument: Argument) -> Value:
    assert isinstance(argument, Path)
    nodes = _nodes(argument)

    def only(node: Any, work: Work) -> Any:
        found = nodes(node, work)
        return found[0][0] if len(found) == 1 else NOTHING

    return only


def _matching(whole: bool) -> Callable[[Argument, Argument], Value]:
    """What makes match() or search(). False for what is no text, or no I-Regexp (section 2.4.6)."""

    def make(subject: Argument, pattern: Argument) -> Value:
        text, expression = _value(subject), _value(pattern)
        constant = {pattern.value: _matcher(pattern.value)} if isinstance(pattern, Literal) else {}

        def matches(node: Any, work: Work) -> bool:
            found, said = text(node, work), expression(node, work)
            if not isinstance(found, str) or not isinstance(said, str):
                return False
            matcher = constant[said] if said in constant else work.matcher(said)
            work.spend(len(found) // 8)
            try:
                return matcher is not None and matcher.run(found, whole, work.spend)
            except iregexp.Exhausted as error:
                raise JsonPathError(f"JSONPath: {error}") from None

        return matches

    return make


def _matcher(pattern: Any) -> iregexp.Matcher | None:
    """Raises JsonPathError for one that is too large."""
    try:
        return iregexp.compile(pattern) if isinstance(pattern, str) else None
    except iregexp.Exhausted as error:
        raise JsonPathError(f"JSONPath: {error}") from None
    except ValueError:
        return None


_CALLS: dict[str, Callable[..., Value]] = {
    "length": _length,
    "count": _count,
    "value": _only,
    "match": _matching(whole=True),
    "search": _matching(whole=False),
}
