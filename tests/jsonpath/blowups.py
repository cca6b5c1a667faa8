"""Queries and documents made to blow up: filters in filters, patterns in patterns, 100,000 levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

DEPTH = 100_000
LARGE = 1_000_000


def nested(depth: int, wrap: Callable[[Any], Any], inmost: Any = 0) -> Any:
    """A deep document, made without recursion."""
    for _ in range(depth):
        inmost = wrap(inmost)
    return inmost


def listed(inmost: Any) -> Any:
    """A list around it."""
    return [inmost]


def keyed(inmost: Any) -> Any:
    """An object around it."""
    return {"a": inmost}


def both(inmost: Any) -> Any:
    """Two ways down to the same."""
    return [inmost, inmost]


def around(before: str, times: int, inmost: str, after: str) -> str:
    """A query that is deep."""
    return f"$[?{before * times}{inmost}{after * times}]"


LETTERS = {"a": 7}
HOSTILE: dict[str, tuple[str, Callable[[], Any], int | None]] = {
    "descendants of descendants, wide": ("$..*..*..*..*", lambda: list(range(DEPTH)), 0),
    "descendants of descendants, deep": ("$..*..*..*..*", lambda: nested(DEPTH, listed), None),
    "descendants of descendants, keyed": ("$..a..a..a..a", lambda: nested(300, keyed), None),
    "descendants of a bush": ("$..*..*..*", lambda: nested(16, both), None),
    "descendants of a bush that has 2**60 of them": ("$..*", lambda: nested(60, both), None),
    "descendants of a bush that do not hold": ("$..[?@ == 1]", lambda: nested(60, both), None),
    "a path through a bush": ("$" + "[0]" * 60, lambda: nested(60, both), 1),
    "paths through a bush": ("$" + "[0, 1]" * 60, lambda: nested(60, both), None),
    "wildcards of a wildcard": ("$" + "[*,*]" * 60, lambda: nested(60, listed), None),
    "equal bushes": ("$[?@ == $[0]]", lambda: [nested(60, both), nested(60, both)], 2),
    "deep lists, a name": ("$..a", lambda: nested(DEPTH, listed), 0),
    "deep objects, a name": ("$..a", lambda: nested(DEPTH, keyed), DEPTH),
    "deep objects, existence": ("$..[?@.a]", lambda: nested(DEPTH, keyed), DEPTH - 1),
    "deep lists, existence": ("$..[?@[0]]", lambda: nested(DEPTH, listed), DEPTH - 1),
    "deep objects, descendants for each": ("$..[?@..b]", lambda: nested(DEPTH, keyed), 0),
    "deep lists, equal to the root": ("$[?@==$]", lambda: nested(DEPTH, listed), 0),
    "deep objects, equal to the root": ("$[?@==$]", lambda: nested(DEPTH, keyed), 0),
    "deep lists, each equal to the root": ("$..[?@==$]", lambda: nested(DEPTH, listed), 0),
    "deep lists, equal": ("$[?@==$[0]]", lambda: [nested(DEPTH, listed), nested(DEPTH, listed)], 2),
    "deep lists, counted": ("$[?count(@..*) > 1]", lambda: nested(DEPTH, listed), 1),
    "a long way down by descendants": ("$" + "..a" * 1000, lambda: nested(1000, keyed), 1),
    "filters in filters of descendants": (around("@..[?", 9, "@..b", "]"), lambda: nested(200, keyed), 0),
    "filters in filters of the root": (around("$..[?", 9, "$..b", "]"), lambda: nested(200, keyed), 0),
    "a large exponent": ("$[?@ < 1e999999999]", lambda: [1], 1),
    "a large negative exponent": ("$[?@ > 1e-999999999]", lambda: [1], 1),
    "a long number in the document": ("$[?@ > 1.5e300]", lambda: [10**400], 1),
    "a long number, compared with itself": ("$[?@ == $[0] && @ <= $[0] && @ != 1.5]", lambda: [10**5000], 1),
    "all slices of all": ("$..[::-1][::-1][::2]", lambda: [list(range(DEPTH))], 0),
    "large objects that differ in one name": (
        "$[?count($[?@ == $[0]]) == 0]",
        lambda: [dict.fromkeys([*map(str, range(1000)), f"last {i}"]) for i in range(1000)],
        0,
    ),
    "each equal to none of all": ("$[?count($[?@ == -1]) == 1]", lambda: list(range(5000)), 0),
}
"""By name: a query, a document, and how many nodes it has, None if it must be refused. To refuse it is never wrong."""

LONG: dict[str, tuple[Callable[[int], str], Callable[[int], Any], Callable[[int], int] | None]] = {
    "a long way down": (lambda n: "$" + ".a" * n, lambda n: nested(n, keyed), lambda n: 1),
    "a long way down, in brackets": (lambda n: "$" + "[0]" * n, lambda n: nested(n, listed), lambda n: 1),
    "a long way down, by wildcards": (lambda n: "$" + ".*" * n, lambda n: nested(n, keyed), lambda n: 1),
    "a long way down, to nothing": (lambda n: "$" + ".a" * n, lambda n: LETTERS, lambda n: 0),
    "parentheses, open": (lambda n: "$[?" + "(" * n, lambda n: [1], None),
    "parentheses, closed": (lambda n: around("(", n, "@", ")"), lambda n: [1], lambda n: 1),
    "parentheses, closed too often": (lambda n: around("(", n, "@", ")") + ")" * n, lambda n: [1], None),
    "not, not, not": (lambda n: "$[?" + "!" * n + "@]", lambda n: [1], None),
    "not (not (not": (lambda n: around("!(", n, "@", ")"), lambda n: [1], lambda n: 1 - n % 2),
    "brackets, open": (lambda n: "$" + "[" * n, lambda n: [1], None),
    "brackets, closed": (lambda n: "$" + "[" * n + "]" * n, lambda n: [1], None),
    "filters in filters, open": (lambda n: "$" + "[?@" * n, lambda n: [1], None),
    "filters in filters": (lambda n: "$" + "[?@" * n + "]" * n, lambda n: nested(n, listed), lambda n: 1),
    "filters in filters, in vain": (lambda n: "$" + "[?@" * n + "]" * n, lambda n: nested(9, listed), lambda n: 0),
    "functions in functions": (lambda n: f"$[?{'length(' * n}@{')' * n}==1]", lambda n: ["a"], lambda n: 0),
    "functions, open": (lambda n: "$[?" + "length(" * n, lambda n: [1], None),
    "dots": (lambda n: "$" + "." * n, lambda n: LETTERS, None),
    "blanks": (lambda n: "$" + " " * n * 10 + ".a", lambda n: LETTERS, lambda n: 1),
    "blanks at the end": (lambda n: "$.a" + " " * n * 10, lambda n: LETTERS, None),
    "blanks between blanks": (lambda n: "$[" + " 0 ," * n + "0]", lambda n: [7], lambda n: n + 1),
    "or, or, or": (lambda n: "$[?" + "@==1||" * n + "@==2]", lambda n: [2], lambda n: 1),
    "and, and, and": (lambda n: "$[?" + "@==2&&" * n + "@==2]", lambda n: [2], lambda n: 1),
    "and, or, and": (lambda n: "$[?" + "@==1&&@==2||" * n + "@==2]", lambda n: [2], lambda n: 1),
    "indices": (lambda n: "$[" + "0," * n + "0]", lambda n: [7], lambda n: n + 1),
    "a long name": (lambda n: "$." + "a" * n * 10, lambda n: {"a" * n * 10: 1}, lambda n: 1),
    "a long name in quotes": (lambda n: "$['" + "a" * n * 10 + "']", lambda n: {"a" * n * 10: 1}, lambda n: 1),
    "a long name in escapes": (lambda n: "$['" + "\\u0061" * n + "']", lambda n: {"a" * n: 1}, lambda n: 1),
    "a quote that does not end": (lambda n: "$['" + "a" * n * 10, lambda n: LETTERS, None),
    "escapes that do not end": (lambda n: "$['" + "\\\\" * n, lambda n: LETTERS, None),
    "a long integer": (lambda n: "$[?@ < 1" + "0" * n + "]", lambda n: [1], lambda n: 1),
    "a long negative integer": (lambda n: "$[?@ > -1" + "0" * n + "]", lambda n: [1], lambda n: 1),
    "a long fraction": (lambda n: "$[?@ == 1." + "0" * n + "]", lambda n: [1], lambda n: 1),
    "a long exponent": (lambda n: "$[?@ == 1e" + "0" * n + "]", lambda n: [1], lambda n: 1),
    "an exponent of many digits": (lambda n: "$[?@ < 1e" + "9" * n + "]", lambda n: [1], lambda n: 1),
    "a long index": (lambda n: "$[1" + "0" * n + "]", lambda n: [1], None),
    "a long step": (lambda n: "$[::1" + "0" * n + "]", lambda n: [1], None),
    "a long function": (lambda n: "$[?" + "a" * n * 10 + "(@)]", lambda n: [1], None),
}
"""By name: a query of a size, a document of that size, and how many nodes it has, None if it must be refused."""

BAD_PATTERNS = [
    ("(a*)*b", "a" * 10_000),
    ("(a*)*b", "a" * 28),
    ("((a*)*)*b", "a" * 1000),
    ("(a|a)*b", "a" * 1000),
    ("(a|aa)+b", "a" * 1000),
    ("(a+)+b", "a" * 1000),
    (".*.*.*.*.*.*.*.*b", "a" * 1000),
    ("(.*)*b", "a" * 1000),
    ("(a?){50}a{50}b", "a" * 50),
    ("(a{0,99}){0,99}b", "a" * 1000),
    ("((a{0,99}){0,99}){0,99}b", "a" * 1000),
    ("(((((a{99}){99}){99}){99}){99}){99}", "a" * 1000),
    ("a{99999999999}", "a" * 1000),
    ("a{0,99999999999}b", "a" * 1000),
    ("a{1" + "0" * 10_000 + "}", "a" * 1000),
    ("(" * DEPTH, "a"),
    ("(" * DEPTH + "b" + ")" * DEPTH, "a"),
    ("[" * DEPTH, "a"),
    ("(|" * 10_000 + "b" + ")" * 10_000, "a"),
    ("b|" * DEPTH + "b", "a"),
    ("a?" * 5000 + "b", "a" * 5000),
    ("b" * LARGE, "a" * LARGE),
    ("[^b]*b", "a" * LARGE),
    ("(\\p{L}|\\p{Ll})*b", "a" * 1000),
]
"""Patterns of `match` and `search`, each with a text that it does not match."""


class BlowUp(NamedTuple):
    """One of them."""

    name: str
    query: str
    make_document: Callable[[], Any]
    allowed: tuple[int, ...] | None
    """How many nodes there may be, if it is not refused; None where nobody knows."""


def blow_ups(count: int) -> Iterator[BlowUp]:
    """So many: all of the tables, in several sizes, and others made of their parts at random."""
    written, random = list(_written()), Random(5)
    yield from written[:count]
    for number in range(count - len(written)):
        yield _shuffled(random, number)


def _written() -> Iterator[BlowUp]:
    for name, (query, make_document, expected) in HOSTILE.items():
        yield BlowUp(name, query, make_document, () if expected is None else (expected,))
    for name, (make_query, make, right) in LONG.items():
        for size in (1000, 3000, 10_000, 30_000, DEPTH):
            allowed = () if right is None else (right(size),)
            yield BlowUp(f"{name}, {size}", make_query(size), lambda make=make, size=size: make(size), allowed)
    for pattern, text in BAD_PATTERNS:
        for function in ("match", "search"):
            for times in (1, 10):
                found = [{"s": text * times, "p": pattern}]
                name, query = f"{pattern[:30]} of {len(pattern)}, {function}", f"$[?{function}(@.s, @.p)]"
                yield BlowUp(name, query, lambda found=found: found, (0,))


SEGMENTS = "..* [*] [0,1] ..[0] [::-1] [?@..*] [?count(@..*)>3] [?@==$] ..[?@[0]!=@[1]]".split()


def _shuffled(random: Random, number: int) -> BlowUp:
    query = "$" + "".join(random.choice(SEGMENTS) for _ in range(random.randrange(3, 12)))
    wrap, depth = random.choice(((both, 60), (both, 14), (listed, DEPTH), (keyed, DEPTH), (listed, 1000)))
    return BlowUp(f"shuffled {number}", query, lambda: nested(depth, wrap), None)
