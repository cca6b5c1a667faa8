"""A JSONPath query read into a tree (RFC 9535, section 2 and appendix A). Pure."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn, Union

from ..errors import JsonPathError

LONGEST = 65_536
"""Characters of a query, at most."""
DEEPEST = 50
"""Filters, parentheses and arguments within each other, at most."""
SAFE = 2**53 - 1
"""The largest index (section 2.1: I-JSON)."""


class Name(NamedTuple):
    """`.name` or `['name']`: the member of this name."""

    name: str


class Index(NamedTuple):
    """`[3]`: the element at this place, from the end if negative."""

    place: int


class Slice(NamedTuple):
    """`[1:5:2]`: the elements in this range."""

    start: int | None
    end: int | None
    step: int | None


class Wildcard(NamedTuple):
    """`*`: all members or elements."""


class Filter(NamedTuple):
    """`[?...]`: the members or elements for which it is true."""

    test: Logical


class Segment(NamedTuple):
    """One step: what its selectors find in each node, or in each node and all below it."""

    selectors: tuple[Selector, ...]
    descendant: bool
    blanks: bool = False
    """Whether there are some within its brackets."""


class Path(NamedTuple):
    """A whole query, or one within a filter: from the root (`$`), or from the node that is tested (`@`)."""

    absolute: bool
    segments: tuple[Segment, ...]

    @property
    def singular(self) -> bool:
        """Whether it finds one node at most (section 2.3.5.1), and is written as such: without blanks in brackets."""
        return all(
            len(selectors) == 1 and isinstance(selectors[0], (Name, Index)) and not (descendant or blanks)
            for selectors, descendant, blanks in self.segments
        )


class Literal(NamedTuple):
    """A text, a number, true, false or null."""

    value: Any


class Call(NamedTuple):
    """A function and its arguments."""

    name: str
    arguments: tuple[Argument, ...]


class Compare(NamedTuple):
    """Two values and how they compare."""

    operator: str
    left: Comparable
    right: Comparable


class Not(NamedTuple):
    """What must not be."""

    test: Logical


class All(NamedTuple):
    """`&&`: what must all be."""

    tests: tuple[Logical, ...]


class Some(NamedTuple):
    """`||`: of what one must be."""

    tests: tuple[Logical, ...]


Selector = Union[Name, Index, Slice, Wildcard, Filter]
Comparable = Union[Literal, Path, Call]
Argument = Union[Literal, Path, Call]
Logical = Union[Compare, Path, Call, Not, All, Some]

VALUE, NODES, LOGICAL = "a value", "nodes", "a truth"
FUNCTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "length": ((VALUE,), VALUE),
    "count": ((NODES,), VALUE),
    "match": ((VALUE, VALUE), LOGICAL),
    "search": ((VALUE, VALUE), LOGICAL),
    "value": ((NODES,), VALUE),
}
"""What each function takes and gives (section 2.4)."""

_BLANKS = re.compile(r"[ \t\n\r]*")
_SHORTHAND = re.compile(r"[A-Za-z_\x80-\ud7ff\ue000-\U0010ffff][0-9A-Za-z_\x80-\ud7ff\ue000-\U0010ffff]*")
_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[a-z][a-z_0-9]*")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_PLAIN = re.compile(r"[^\\'\"\x00-\x1f\ud800-\udfff]*")
_HEX = re.compile(r"[0-9A-Fa-f]{4}")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\"}
_WORDS = {"true": True, "false": False, "null": None}


def parse(query: str) -> Path:
    """The tree of a query. Raises JsonPathError, with the position of what is wrong."""
    if not isinstance(query, str):
        raise JsonPathError(f"JSONPath: expected a text, got {query!r:.60}")
    if len(query) > LONGEST:
        raise JsonPathError(f"JSONPath: at most {LONGEST} characters, got {len(query)}", LONGEST)
    return _Parser(query).query()


class _Parser:
    """Reads from left to right; `at` is where it is."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    # --- what all need

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        """Raise the error."""
        at = self.at if at is None else at
        seen = repr(self.text[at]) if at < len(self.text) else "the end"
        around = repr(self.text[max(0, at - 30) : at + 30])[1:-1]
        raise JsonPathError(f"JSONPath: {reason}, got {seen} at position {at} of {around}", at)

    def peek(self) -> str:
        """The next character, "" at the end."""
        return self.text[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        """Go on after this text, if it is next."""
        found = self.text.startswith(text, self.at)
        if found:
            self.at += len(text)
        return found

    def need(self, text: str, reason: str = "") -> None:
        """Go on after this text, which has to be next."""
        if not self.take(text):
            self.fail(reason or f"expected {text!r}")

    def blanks(self) -> None:
        """Go on after blanks."""
        self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]

    def enter(self) -> None:
        """One level deeper."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"more than {DEEPEST} levels within each other")

    # --- segments and selectors

    def query(self) -> Path:
        """The whole text."""
        self.need("$", "a query begins with '$'")
        path = Path(True, self.segments())
        if self.at < len(self.text):
            self.fail("expected '.', '..' or '['")
        return path

    def segments(self) -> tuple[Segment, ...]:
        """All that follow; blanks may stand before each, and not after the last."""
        found: list[Segment] = []
        while True:
            before = self.at
            self.blanks()
            if self.take("["):
                begin = self.at
                selectors, edges = self.bracketed(), self.text[begin] + self.text[self.at - 2]
                found.append(Segment(selectors, False, any(edge in " \t\n\r" for edge in edges)))
            elif self.take(".."):
                selectors = self.bracketed() if self.take("[") else (self.shorthand(),)
                found.append(Segment(selectors, True))
            elif self.take("."):
                found.append(Segment((self.shorthand(),), False))
            else:
                self.at = before
                return tuple(found)

    def shorthand(self) -> Selector:
        """`*`, or a name without quotes."""
        if self.take("*"):
            return Wildcard()
        match = _SHORTHAND.match(self.text, self.at)
        if match is None:
            self.fail("expected a name (others in brackets and quotes) or '*'")
        self.at = match.end()
        return Name(match.group())

    def bracketed(self) -> tuple[Selector, ...]:
        """What stands in brackets."""
        found: list[Selector] = []
        while True:
            self.blanks()
            found.append(self.selector())
            self.blanks()
            if self.take("]"):
                return tuple(found)
            self.need(",", "expected ',' or ']'")

    def selector(self) -> Selector:
        """One of them."""
        next = self.peek()
        if next in ("'", '"') and next:
            return Name(self.string())
        if self.take("*"):
            return Wildcard()
        if self.take("?"):
            self.enter()
            self.blanks()
            test = self.logical()
            self.depth -= 1
            return Filter(test)
        first = self.integer()
        after = self.at
        self.blanks()
        if self.take(":"):
            return self.slice(first)
        self.at = after
        if first is None:
            self.fail("expected a name in quotes, an index, a slice, '*' or '?'")
        return Index(first)

    def slice(self, start: int | None) -> Slice:
        """The rest of one."""
        self.blanks()
        end = self.integer()
        after = self.at
        self.blanks()
        if not self.take(":"):
            self.at = after
            return Slice(start, end, None)
        after = self.at
        self.blanks()
        step = self.integer()
        if step is None:
            self.at = after
        return Slice(start, end, step)

    def integer(self) -> int | None:
        """An index, if one is next."""
        match = _INTEGER.match(self.text, self.at)
        if match is None:
            if self.take("-"):
                self.fail("expected digits")
            return None
        said = match.group()
        if said == "-0" or (said.lstrip("-").startswith("0") and said != "0"):
            self.fail("expected an integer without leading zeros, and no -0")
        if len(said) > 17 or abs(int(said)) > SAFE:
            self.fail(f"expected an integer of at most {SAFE}")
        self.at = match.end()
        return int(said)

    def string(self) -> str:
        """A text in quotes, unescaped (section 2.3.1.1)."""
        quote, begin = self.peek(), self.at
        self.at += 1
        found = []
        while True:
            match = _PLAIN.match(self.text, self.at)
            assert match is not None  # it matches nothing, too
            found.append(match.group())
            self.at = match.end()
            next = self.peek()
            if next == quote:
                self.at += 1
                return "".join(found)
            if next == "\\":
                self.at += 1
                found.append(self.escaped(quote))
            elif next in ("'", '"') and next:
                found.append(next)
                self.at += 1
            elif next:
                self.fail("no such character may stand in a text unescaped")
            else:
                self.fail(f"the text that begins at position {begin} has no end")

    def escaped(self, quote: str) -> str:
        """What stands after a backslash."""
        next = self.peek()
        if next == quote or next in _ESCAPES:
            self.at += 1
            return _ESCAPES.get(next, next)
        if next != "u":
            self.fail("no such escape")
        begin, code = self.at - 1, self.hexadecimal()
        if 0xD800 <= code <= 0xDBFF and self.text.startswith("\\u", self.at):
            self.at += 1
            low = self.hexadecimal()
            if 0xDC00 <= low <= 0xDFFF:
                return chr(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00)
        if 0xD800 <= code <= 0xDFFF:
            self.fail("half of a surrogate pair", begin)
        return chr(code)

    def hexadecimal(self) -> int:
        """The four digits after a `u`."""
        match = _HEX.match(self.text, self.at + 1)
        if match is None:
            self.fail("expected four hexadecimal digits after \\u")
        self.at = match.end()
        return int(match.group(), 16)

    # --- filters

    def logical(self) -> Logical:
        """Something that is true or false."""
        tests = [self.conjunction()]
        while self.follows("||"):
            tests.append(self.conjunction())
        return tests[0] if len(tests) == 1 else Some(tuple(tests))

    def conjunction(self) -> Logical:
        """What `&&` connects."""
        tests = [self.basic()]
        while self.follows("&&"):
            tests.append(self.basic())
        return tests[0] if len(tests) == 1 else All(tuple(tests))

    def follows(self, operator: str) -> bool:
        """Go on after an operator and the blanks around it, if it is next."""
        before = self.at
        self.blanks()
        if self.take(operator):
            self.blanks()
            return True
        self.at = before
        return False

    def basic(self) -> Logical:
        """A comparison, a test, or something in parentheses; the latter two may be negated."""
        if self.take("!"):
            self.blanks()
            return Not(self.parenthesized() if self.peek() == "(" else self.test(self.at, self.operand()))
        if self.peek() == "(":
            return self.parenthesized()
        begin, left = self.at, self.operand()
        after = self.at
        self.blanks()
        match = _OPERATOR.match(self.text, self.at)
        if match is None:
            self.at = after
            return self.test(begin, left)
        self.comparable(begin, left)
        self.at = match.end()
        self.blanks()
        begin, right = self.at, self.operand()
        return Compare(match.group(), left, self.comparable(begin, right))

    def parenthesized(self) -> Logical:
        """What stands in parentheses."""
        self.need("(")
        self.enter()
        self.blanks()
        test = self.logical()
        self.blanks()
        self.need(")", "expected ')', '&&' or '||'")
        self.depth -= 1
        return test

    def test(self, begin: int, operand: Argument) -> Path | Call:
        """What is true by itself: nodes that exist, a function that says so (section 2.4.3)."""
        if isinstance(operand, Literal):
            self.fail("a constant has to be compared with something", begin)
        if isinstance(operand, Call) and FUNCTIONS[operand.name][1] == VALUE:
            self.fail(f"what {operand.name}() gives has to be compared with something", begin)
        return operand

    def comparable(self, begin: int, operand: Argument) -> Comparable:
        """What may stand beside an operator: it has one value."""
        if isinstance(operand, Path) and not operand.singular:
            self.fail("a query that may find several nodes, or has blanks in brackets, cannot be compared", begin)
        if isinstance(operand, Call) and FUNCTIONS[operand.name][1] != VALUE:
            self.fail(f"{operand.name}() is true or false and cannot be compared", begin)
        return operand

    def operand(self) -> Argument:
        """A constant, a query or a function."""
        next = self.peek()
        if next and next in "$@":
            self.at += 1
            return Path(next == "$", self.segments())
        if next and next in "'\"":
            return Literal(self.string())
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            return Literal(self.number(number))
        word = _WORD.match(self.text, self.at)
        if word is None:
            self.fail("expected a constant, a query that begins with '@' or '$', or a function")
        if self.text.startswith("(", word.end()):
            return self.call(word)
        if word.group() not in _WORDS:
            self.fail("expected true, false, null, a query or a function")
        self.at = word.end()
        return Literal(_WORDS[word.group()])

    def number(self, match: re.Match[str]) -> int | float:
        """A number as JSON writes it."""
        said = match.group()
        digits = said.lstrip("-")
        if digits.startswith("0") and digits[1:2].isdigit():
            self.fail("expected a number without leading zeros")
        try:
            value = float(said) if match.group(1) or match.group(2) else int(said)
        except ValueError:  # more digits than int() takes
            self.fail("the number is too long")
        self.at = match.end()
        return value

    def call(self, word: re.Match[str]) -> Call:
        """A function with its arguments (section 2.4)."""
        name, begin = word.group(), self.at
        if name not in FUNCTIONS:
            self.fail(f"unknown function {name}(), known are {', '.join(FUNCTIONS)}")
        self.enter()
        self.at = word.end() + 1
        takes, _ = FUNCTIONS[name]
        arguments: list[Argument] = []
        self.blanks()
        while not self.take(")"):
            if arguments:
                self.need(",", "expected ',' or ')'")
                self.blanks()
            arguments.append(self.argument(name, takes[len(arguments)] if len(arguments) < len(takes) else ""))
            self.blanks()
        if len(arguments) != len(takes):
            self.fail(f"{name}() takes {len(takes)} argument{'s' * (len(takes) > 1)}, not {len(arguments)}", begin)
        self.depth -= 1
        return Call(name, tuple(arguments))

    def argument(self, name: str, kind: str) -> Argument:
        """One of them, which has to be of this kind."""
        begin, found = self.at, self.operand()
        if kind == NODES and not isinstance(found, Path):
            self.fail(f"{name}() takes a query", begin)
        if kind == VALUE:
            self.comparable(begin, found)
        return found
