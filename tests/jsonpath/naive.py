"""JSONPath once more, as plain and slow as RFC 9535 is written: queries are made at random, never parsed."""

from __future__ import annotations

import re
from random import Random
from typing import Any, NamedTuple, Union

Node = tuple[str, Any]
"A normalized path, and the value there."
NOTHING: Any = object()

# the queries


class Name(NamedTuple):
    """A member by its name."""

    name: str


class Wildcard(NamedTuple):
    """All children."""


class Index(NamedTuple):
    """An element by its place."""

    place: int


class Slice(NamedTuple):
    """Elements from start to stop."""

    start: int | None
    stop: int | None
    step: int | None


class Filter(NamedTuple):
    """The children for which it holds."""

    holds: Logical


class Segment(NamedTuple):
    """What is selected of every node, or of every descendant too."""

    descendant: bool
    selectors: tuple[Selector, ...]


class Query(NamedTuple):
    """A root, `$` or `@`, and what follows."""

    root: str
    segments: tuple[Segment, ...]


class Literal(NamedTuple):
    """A number, a string, true, false or null."""

    value: Any


class Call(NamedTuple):
    """A function of the RFC."""

    name: str
    arguments: tuple[Any, ...]


class Comparison(NamedTuple):
    """Two values compared."""

    left: Comparable
    operator: str
    right: Comparable


class Not(NamedTuple):
    """Whatever does not hold."""

    operand: Logical


class Junction(NamedTuple):
    """Operands joined by `&&` or `||`."""

    operator: str
    operands: tuple[Logical, ...]


Selector = Union[Name, Wildcard, Index, Slice, Filter]
Comparable = Union[Literal, Query, Call]
Logical = Union[Query, Call, Comparison, Not, Junction]

# what they select


def evaluate(query: Query, document: Any) -> list[Node]:
    """All nodes that the query selects, in order."""
    return selected(query, document, document)


def selected(query: Query, current: Any, document: Any) -> list[Node]:
    """The nodes of a query, which may be inside a filter."""
    nodes: list[Node] = [(query.root, current if query.root == "@" else document)]
    for segment in query.segments:
        if segment.descendant:
            nodes = [below for node in nodes for below in descendants(node)]
        nodes = [
            child for node in nodes for selector in segment.selectors for child in chosen(selector, node, document)
        ]
    return nodes


def descendants(node: Node) -> list[Node]:
    """The node, and all below it, each before its children."""
    return [node] + [below for child in children(node) for below in descendants(child)]


def children(node: Node) -> list[Node]:
    """The nodes directly below."""
    path, value = node
    if isinstance(value, dict):
        return [(f"{path}['{''.join(map(normal, name))}']", child) for name, child in value.items()]
    return [(f"{path}[{i}]", child) for i, child in enumerate(value)] if isinstance(value, list) else []


def normal(character: str) -> str:
    """A character of a name, as it stands in a normalized path."""
    short = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", "'": r"\'", "\\": r"\\"}
    return short.get(character) or (f"\\u{ord(character):04x}" if character < " " else character)


def chosen(selector: Selector, node: Node, document: Any) -> list[Node]:
    """The children of the node that the selector selects."""
    found, value = children(node), node[1]
    if isinstance(selector, Wildcard):
        return found
    if isinstance(selector, Filter):
        return [child for child in found if holds(selector.holds, child[1], document)]
    if isinstance(selector, Name):
        return [found[list(value).index(selector.name)]] if isinstance(value, dict) and selector.name in value else []
    if not isinstance(value, list):
        return []
    if isinstance(selector, Slice):
        return [found[i] for i in sliced(selector, len(found))]
    i = selector.place + len(found) if selector.place < 0 else selector.place
    return [found[i]] if 0 <= i < len(found) else []


def sliced(bounds: Slice, length: int) -> list[int]:
    """The places of a slice, by the algorithm of section 2.3.4.2."""
    step = 1 if bounds.step is None else bounds.step
    start = (0 if step >= 0 else length - 1) if bounds.start is None else bounds.start
    stop = (length if step >= 0 else -length - 1) if bounds.stop is None else bounds.stop
    start, stop = (place if place >= 0 else length + place for place in (start, stop))
    places = []
    if step > 0:
        place, upper = min(max(start, 0), length), min(max(stop, 0), length)
        while place < upper:
            places.append(place)
            place += step
    elif step < 0:
        place, lower = min(max(start, -1), length - 1), min(max(stop, -1), length - 1)
        while lower < place:
            places.append(place)
            place += step
    return places


def holds(logical: Logical, current: Any, document: Any) -> bool:
    """Whether the expression of a filter is true of a child."""
    if isinstance(logical, Query):
        return selected(logical, current, document) != []
    if isinstance(logical, Not):
        return not holds(logical.operand, current, document)
    if isinstance(logical, Junction):
        results = [holds(operand, current, document) for operand in logical.operands]
        return all(results) if logical.operator == "&&" else any(results)
    if isinstance(logical, Comparison):
        left, right = valued(logical.left, current, document), valued(logical.right, current, document)
        return compared(left, logical.operator, right)
    return matched(logical.name, *(valued(argument, current, document) for argument in logical.arguments))


def valued(comparable: Comparable, current: Any, document: Any) -> Any:
    """The value of one side of a comparison, or NOTHING."""
    if isinstance(comparable, Literal):
        return comparable.value
    if isinstance(comparable, Query) or comparable.name == "value":
        query = comparable if isinstance(comparable, Query) else comparable.arguments[0]
        nodes = selected(query, current, document)
        return nodes[0][1] if len(nodes) == 1 else NOTHING
    if comparable.name == "count":
        return len(selected(comparable.arguments[0], current, document))
    value = valued(comparable.arguments[0], current, document)
    return len(value) if isinstance(value, (str, list, dict)) else NOTHING


def compared(left: Any, operator: str, right: Any) -> bool:
    """Section 2.3.5.2.2."""
    if operator == "!=":
        return not equal(left, right)
    if operator in (">", ">="):
        return compared(right, operator.replace(">", "<"), left)
    less = kind(left) == kind(right) and kind(left) in ("number", "string") and left < right
    return {"==": equal(left, right), "<": less, "<=": less or equal(left, right)}[operator]


def kind(value: Any) -> str:
    """The type of a value, as JSON has it."""
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "nothing" if value is NOTHING else "null")


def equal(left: Any, right: Any) -> bool:
    """Whether two values are the same by JSON, and not by Python, where True is 1."""
    if kind(left) != kind(right):
        return False
    if kind(left) == "array":
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right))
    if kind(left) == "object":
        return left.keys() == right.keys() and all(equal(left[name], right[name]) for name in left)
    return bool(left == right)


def matched(function: str, text: Any, pattern: Any) -> bool:
    """Whether the text matches, which both must be; patterns are those of PATTERNS, all others are literal."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return False
    translated = PATTERNS.get(pattern, re.escape(pattern))
    if translated is None:
        return False
    return bool(re.fullmatch(translated, text) if function == "match" else re.search(translated, text))


# what they are made of

PATTERNS: dict[str, str | None] = {
    "a*": "a*",
    "a|b": "a|b",
    "(ab)+": "(ab)+",
    ".": r"[^\n\r]",
    "a.": r"a[^\n\r]",
    "[a-c]{1,2}": "[abc]{1,2}",
    "[^a]": "[^a]",
    r"\p{Ll}": "[abcé]",
    r"\n": "\n",
    r"\d": None,
    "a**": None,
    "(": None,
    "\\": None,
    "^*": r"\^*",
    "": "",
}
"Regular expressions by RFC 9485, and what they are in Python; None for those that are none."
NAMES = ("a", "b", "c", "", "A", "é", "😀", "a b", "it's", '"', "\\", "\n", "\x01", "0", "$", "a.")
STRINGS = ("a", "b", "ab", "abab", "", "é", "😀", "\n", "\r\n", "1", "a.", "(", "[a-c]{1,2}", "\\", "it's", '"', "\x7f")
NUMBERS = (0, 1, 2, -1, 1.0, 1.5, -0.0, 1e3, 1000, 1e-7, -2.5e10, 2**53 - 1)
FUNCTIONS = ("length", "count", "value")
BLANKS = " \t\n\r"
SHORTHAND = re.compile("[A-Za-z_\x80-\U0010ffff][A-Za-z_0-9\x80-\U0010ffff]*")


def documents(random: Random, depth: int = 3) -> Any:
    """A document of a few dozen values."""
    shape = (random.random() * (0.82 if depth == 3 else 1.0)) if depth else 1.0
    if shape < 0.4:
        return [documents(random, depth - 1) for _ in range(random.randrange(5))]
    if shape < 0.8:
        return {
            random.choice(NAMES[:8] if depth > 1 else NAMES): documents(random, depth - 1)
            for _ in range(random.randrange(5))
        }
    return random.choice((None, True, False, random.choice(NUMBERS), random.choice(STRINGS)))


def queries(random: Random, root: str = "$", depth: int = 2) -> Query:
    """A query, with filters in filters down to the depth."""
    return Query(root, tuple(some_segment(random, depth) for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3)))))


def some_segment(random: Random, depth: int) -> Segment:
    """Mostly of one selector, mostly of children."""
    selectors = tuple(some_selector(random, depth) for _ in range(random.choice((1, 1, 1, 1, 2, 3))))
    return Segment(random.random() < 0.25, selectors)


def some_selector(random: Random, depth: int) -> Selector:
    """Any selector."""
    makers: list[Any] = [some_name, some_index, some_slice, lambda _: Wildcard(), lambda _: Wildcard()]
    if depth and random.random() < 0.5:
        return Filter(some_logical(random, depth))
    made: Selector = random.choice(makers)(random)
    return made


def some_name(random: Random) -> Name:
    """A name that documents have."""
    return Name(random.choice(NAMES[:3] if random.random() < 0.6 else NAMES))


def some_index(random: Random) -> Index:
    """A place that lists may have."""
    return Index(random.choice((0, 0, 1, 2, -1, -2, 4, -5, 2**53 - 1)))


def some_slice(random: Random) -> Slice:
    """Bounds in and out of range."""
    bounds = (None, None, 0, 1, 2, 3, -1, -2, -9, 9)
    return Slice(random.choice(bounds), random.choice(bounds), random.choice((None, None, 1, 2, -1, -1, -2, 0)))


def some_logical(random: Random, depth: int) -> Logical:
    """An expression of a filter."""
    shape = random.random()
    if shape < 0.4:
        return Comparison(
            some_comparable(random, depth),
            random.choice(("==", "!=", "<", "<=", ">", ">=")),
            some_comparable(random, depth),
        )
    if shape < 0.65:
        return queries(random, random.choice("@@@$"), depth - 1)
    if shape < 0.75:
        return Call(random.choice(("match", "search")), (some_comparable(random, depth), some_pattern(random, depth)))
    if shape < 0.85:
        return Not(some_logical(random, depth))
    operands = tuple(some_logical(random, depth) for _ in range(random.randint(2, 3)))
    return Junction(random.choice(("&&", "||")), operands)


def some_pattern(random: Random, depth: int) -> Comparable:
    """Mostly one that is written out."""
    return Literal(random.choice(list(PATTERNS))) if random.random() < 0.8 else some_comparable(random, depth)


def some_comparable(random: Random, depth: int) -> Comparable:
    """What may stand on one side of a comparison, or be given to a function that takes a value."""
    shape = random.random()
    if shape < 0.35:
        return Literal(random.choice((None, True, False, random.choice(NUMBERS), random.choice(STRINGS))))
    if shape < 0.75:
        return some_singular(random)
    name = random.choice(FUNCTIONS)
    taken = some_comparable(random, depth) if name == "length" else queries(random, random.choice("@@@$"), depth - 1)
    return Call(name, (taken,))


def some_singular(random: Random) -> Query:
    """A query of names and indices only."""
    makers = [random.choice((some_name, some_index)) for _ in range(random.choice((0, 0, 1, 1, 2)))]
    return Query(random.choice("@@@$"), tuple(Segment(False, (maker(random),)) for maker in makers))


# how they are written


def text(ast: Query, random: Random) -> str:
    """The query, in one of the many ways that it can be written."""
    return Writer(random).query(ast)


class Writer:
    """Writes with random blanks, quotes, escapes, parentheses and shorthands, wherever they are legal."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def blank(self) -> str:
        """Often nothing."""
        return "".join(self.random.choice(BLANKS) for _ in range(self.random.choice((0, 0, 0, 0, 1, 1, 2))))

    def query(self, query: Query, singular: bool = False) -> str:
        """The root and the segments, with blanks before each."""
        segments = (self.blank() + self.segment(segment, singular) for segment in query.segments)
        return query.root + "".join(segments)

    def segment(self, segment: Segment, singular: bool) -> str:
        """A shorthand where there is one; no blanks within the brackets of a singular query, where the RFC has none."""
        first = segment.selectors[0]
        brief = self.shorthand(first) if len(segment.selectors) == 1 and self.random.random() < 0.5 else ""
        if brief:
            return (".." if segment.descendant else ".") + brief
        if singular:
            return f"[{self.selector(first)}]"
        inside = ",".join(self.blank() + self.selector(selector) + self.blank() for selector in segment.selectors)
        return f"{'..' if segment.descendant else ''}[{inside}]"

    def shorthand(self, selector: Selector) -> str:
        """What may follow a dot."""
        if isinstance(selector, Wildcard):
            return "*"
        return selector.name if isinstance(selector, Name) and SHORTHAND.fullmatch(selector.name) else ""

    def selector(self, selector: Selector) -> str:
        """What stands in brackets."""
        if isinstance(selector, Name):
            return self.string(selector.name)
        if isinstance(selector, Index):
            return str(selector.place)
        if isinstance(selector, Filter):
            return "?" + self.blank() + self.logical(selector.holds)
        return self.slice(selector) if isinstance(selector, Slice) else "*"

    def slice(self, bounds: Slice) -> str:
        """With a second colon where there is a step, and sometimes where there is none."""
        start, stop = ("" if bound is None else str(bound) for bound in bounds[:2])
        written = (start and start + self.blank()) + ":" + self.blank() + (stop and stop + self.blank())
        if bounds.step is None:
            return written + self.random.choice(("", ":"))
        return written + ":" + self.blank() + str(bounds.step)

    def string(self, value: str) -> str:
        """Between quotes of either kind."""
        quote = self.random.choice("'\"")
        return quote + "".join(self.character(character, quote) for character in value) + quote

    def character(self, character: str, quote: str) -> str:
        """As it is where it may be, or one of its escapes."""
        short = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "/": "/", "\\": "\\", quote: quote}
        units = character.encode("utf-16-be").hex()
        ways = ["".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))]
        ways += [ways[0].upper().replace("U", "u")]
        if character in short:
            ways += ["\\" + short[character]] * 4
        elif character >= " ":
            ways += [character] * 8
        return self.random.choice(ways)

    def logical(self, logical: Logical, inside: bool = False) -> str:
        """An expression, in parentheses where it needs them, and sometimes where it does not."""
        needed = inside and isinstance(logical, Junction)
        if needed or self.random.random() < 0.15:
            return f"({self.blank()}{self.logical(logical)}{self.blank()})"
        if isinstance(logical, Query):
            return self.query(logical)
        if isinstance(logical, Call):
            return self.call(logical)
        if isinstance(logical, Comparison):
            sides = (self.comparable(side) for side in (logical.left, logical.right))
            return f"{self.blank()}{logical.operator}{self.blank()}".join(sides)
        if isinstance(logical, Not):
            return "!" + self.blank() + self.negated(logical.operand)
        operands = [self.logical(operand, self.binds(logical, operand)) for operand in logical.operands]
        return f"{self.blank()}{logical.operator}{self.blank()}".join(operands)

    def binds(self, around: Junction, operand: Logical) -> bool:
        """Whether the operand needs parentheses there: `&&` in `||` does not."""
        return not (isinstance(operand, Junction) and operand.operator == "&&" and around.operator == "||")

    def negated(self, logical: Logical) -> str:
        """What may follow `!`: a test, or parentheses."""
        if isinstance(logical, (Comparison, Not, Junction)):
            return f"({self.blank()}{self.logical(logical)}{self.blank()})"
        return self.logical(logical)

    def comparable(self, comparable: Comparable) -> str:
        """One side of a comparison, or a value that is given to a function."""
        if isinstance(comparable, Literal):
            return self.literal(comparable.value)
        return self.query(comparable, singular=True) if isinstance(comparable, Query) else self.call(comparable)

    def call(self, call: Call) -> str:
        """A function and its arguments."""
        write = self.query if call.name in ("count", "value") else self.comparable
        arguments = (self.blank() + write(argument) + self.blank() for argument in call.arguments)
        return f"{call.name}({','.join(arguments)})"

    def literal(self, value: Any) -> str:
        """A literal, and one of many for a number."""
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        if isinstance(value, str):
            return self.string(value)
        ways = [repr(value), repr(value).replace("e", "E")]
        if isinstance(value, int):
            ways += [
                f"{value}.0",
                f"{value}e0",
                f"{value}.00E+00",
                f"{value * 10}E-1",
                f"-{value}" if value == 0 else f"{value}",
            ]
        return self.random.choice(ways)
