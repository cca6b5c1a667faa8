"""Any data of a host becomes JSON that every reader accepts: strict, in ASCII, and always an answer."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import math
import random
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support import python

from minimon.model import Outcome, Status
from minimon.serve.exposition import DEEPEST, to_json


def refuse(word: str) -> Any:
    """NaN and Infinity are words of Python, not of JSON (RFC 8259, 6)."""
    raise AssertionError(f"{word} is not JSON")


def read(document: Any) -> Any:
    """What a strict reader makes of the document."""
    return json.loads(to_json(document).decode("ascii"), parse_constant=refuse)


class Color(enum.Enum):
    """An enum of no other type."""

    RED = 1


class Word(str, enum.Enum):
    """An enum of texts, whose str() differs between versions of Python."""

    UP = "up"


class Number(enum.IntEnum):
    """An enum of numbers."""

    ONE = 1


class Mute:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class MuteText(str):
    """A text that cannot be shown but by its content."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class MuteInt(int):
    """A number whose methods raise."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __int__ = __index__ = __repr__  # type: ignore[assignment]


class MuteFloat(float):
    """A number whose methods raise."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __float__ = __repr__  # type: ignore[assignment]


class Locked(Mapping[str, int]):
    """A mapping that is not a dict and refuses to be read."""

    def __getitem__(self, key: str) -> int:
        raise OSError("locked")

    def __iter__(self) -> Iterator[str]:
        raise OSError("locked")

    def __len__(self) -> int:
        return 1


class LockedDict(dict):  # type: ignore[type-arg]
    """A dict that refuses to be read."""

    def items(self) -> Any:
        """As a proxy of a database might."""
        raise OSError("locked")


class LockedList(list):  # type: ignore[type-arg]
    """A list that refuses to be read."""

    def __iter__(self) -> Iterator[Any]:
        raise OSError("locked")


class Pairs(Mapping[str, Any]):
    """A mapping that is not a dict."""

    def __init__(self, **pairs: Any) -> None:
        self.pairs = pairs

    def __getitem__(self, key: str) -> Any:
        return self.pairs[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


@dataclasses.dataclass
class Point:
    """A value of a host."""

    x: int = 1


POINT = collections.namedtuple("POINT", "x y")

# what comes out

SAME: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**53,
    2**70,
    0.1,
    -0.0,
    1e308,
    5e-324,
    "",
    "text",
    "grün",
    "\u2028\u2029</script>",
    "\x00\x1f\x7f",
    "\U0001f600",
    "\ud800",
    "\udfff\ud800",
    [],
    {},
    [[], {}],
    {"": ""},
    {"\ud800": "\ud800"},
    {"a": {"b": [1, {"c": None}]}},
]


@pytest.mark.parametrize("document", SAME, ids=lambda document: ascii(document)[:30])
def test_json_stays_as_it_is(document: Any) -> None:
    """What JSON can carry comes through unchanged, lone surrogates among it."""
    assert document == read(document)


@pytest.mark.parametrize("document", SAME, ids=lambda document: ascii(document)[:30])
def test_json_stays_as_it_is_beside_what_is_none(document: Any) -> None:
    """One odd value in a document changes nothing else in it."""
    assert {"odd": None, "document": document} == read({"odd": math.nan, "document": document})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ([math.nan, 1.5], [None, 1.5]),
        ((1, (2,)), [1, [2]]),
        (POINT(1, 2), [1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aa"), {"a": 2}),
        (collections.deque([1]), "deque([1])"),
        (Pairs(a=Pairs(b=1)), {"a": {"b": 1}}),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset("ba"), ["a", "b"]),
        ({"a", 1, None}, [1, None, "a"]),
        ({math.nan}, [None]),
        ({(1, 2)}, [[1, 2]]),
        (b"text", "text"),
        (bytearray(b"text"), "text"),
        (b"\xff\x00", "\ufffd\x00"),
        ({b"key": b"value"}, {"b'key'": "value"}),
        (datetime.date(2026, 11, 21), "2026-11-21"),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Point(), "Point(x=1)"),
        (1j, "1j"),
        (Color.RED, "Color.RED"),
        (Word.UP, "up"),
        (Number.ONE, 1),
        ([Status.UP, Outcome.PASS], ["up", "pass"]),
        (ValueError("why"), "why"),
        ({1: 1, 2.5: 2}, {"1": 1, "2.5": 2}),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        ({Status.UP: 1}, {"up": 1}),
        ({Number.ONE: 1}, {"1": 1}),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_json_has_no_form_for_has_a_nearest_one(document: Any, expected: Any) -> None:
    """NaN is null, sets and tuples are lists, bytes are text, the rest is its str()."""
    assert expected == read(document)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a", "a"),
        (Word.UP, "up"),
        (Status.UP, "up"),
        (MuteText("mute"), "mute"),
        (1, "1"),
        (2.5, "2.5"),
        (None, "null"),
        (True, "true"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("beside", [0, math.nan], ids=["plain", "odd"])
def test_a_key_is_the_same_in_any_company(key: Any, expected: str, beside: float) -> None:
    """A value that is NaN for once does not rename the keys that a reader looks for."""
    assert [expected, "beside"] == list(read({key: 1, "beside": beside}))


@pytest.mark.parametrize(
    "key", [math.nan, math.inf, Mute(), 10**5_000, Color.RED, b"a", frozenset()], ids=lambda key: type(key).__name__
)
def test_any_key_is_a_text(key: Any) -> None:
    """What cannot be a key of JSON becomes one, and its value is there."""
    assert [1] == list(read({key: 1}).values())


# what cannot be shown


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (Mute(), "<Mute>"),
        ({Mute()}, ["<Mute>"]),
        ({Mute(): 1}, {"<Mute>": 1}),
        (MuteText("text"), "text"),
        (MuteInt(5), 5),
        (MuteFloat(2.5), 2.5),
        ([MuteText("text"), MuteInt(5), MuteFloat(2.5), math.nan], ["text", 5, 2.5, None]),
        (MuteFloat(math.nan), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_shown_does_no_harm(document: Any, expected: Any) -> None:
    """Methods of the host's classes may raise; numbers and texts are taken by their content."""
    assert expected == read(document)


@pytest.mark.parametrize(
    "document",
    [Locked(), LockedDict(a=1, b=math.nan), LockedDict(a={1}), LockedList([math.nan])],
    ids=lambda document: type(document).__name__,
)
def test_what_cannot_be_read_does_no_harm(document: Any) -> None:
    """What stands for it is of no matter; that the rest of the page comes does."""
    assert 1 == read({"locked": document, "rest": 1})["rest"]


@pytest.mark.parametrize("answer", [None, 5, b"text"])
def test_a_text_that_is_none_does_no_harm(answer: Any) -> None:
    """A __str__ may give something else than a text."""
    kind = type("Odd", (), {"__str__": lambda self: answer, "__repr__": lambda self: answer})
    assert "<Odd>" == read(kind())


@pytest.mark.parametrize("number", [10**5_000, -(10**5_000)], ids=["above", "below"])
def test_a_number_without_end_is_cut(number: int) -> None:
    """Python itself refuses to read or write one of more than 4,300 digits."""
    assert ["…", 1] == read([number, 1])


def test_a_long_number_is_whole() -> None:
    """Up to 4,000 digits it is shown."""
    assert 10**3_999 == read([math.nan, 10**3_999])[1]


# depth and cycles


def nested(levels: int, wrap: Any) -> Any:
    """So many levels of the same."""
    return functools.reduce(lambda inner, _: wrap(inner), range(levels), "core")


def levels_of(document: Any) -> int:
    """How deep it is."""
    levels = 0
    while not isinstance(document, str):
        document = document["a"] if isinstance(document, dict) else document[0]
        levels += 1
    return levels


WRAPS = [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,), lambda inner: Pairs(a=inner)]


@pytest.mark.parametrize("wrap", WRAPS, ids=["list", "dict", "tuple", "mapping"])
def test_what_is_endlessly_deep_is_cut(wrap: Any) -> None:
    """10,000 levels are shown down to the deepest that is allowed, and a sign stands for the rest."""
    assert DEEPEST == levels_of(read(nested(10_000, wrap)))


@pytest.mark.parametrize("wrap", WRAPS, ids=["list", "dict", "tuple", "mapping"])
def test_what_is_reasonably_deep_is_shown(wrap: Any) -> None:
    """Thirty levels come whole, beside an odd value too."""
    assert (30, 30) == (levels_of(read(nested(30, wrap))), levels_of(read([nested(29, wrap), math.nan])))


def test_a_list_in_itself_is_cut() -> None:
    """A cycle ends somewhere."""
    cycle: list[Any] = []
    cycle.append(cycle)
    assert levels_of(read(cycle)) <= DEEPEST


def test_a_dict_in_itself_is_cut() -> None:
    """And what stands beside the cycle is shown."""
    cycle: dict[str, Any] = {"beside": 1}
    cycle["a"] = cycle
    document = read(cycle)
    assert (1, True) == (document["beside"], levels_of(document) <= DEEPEST)


def test_a_cycle_of_mappings_is_cut() -> None:
    """A mapping that is no dict is copied at every level, and ends as well."""
    cycle = Pairs(beside=1)
    cycle.pairs["a"] = cycle
    assert levels_of(read(cycle)) <= DEEPEST


def test_siblings_are_no_cycle() -> None:
    """The same list twice is shown twice, beside an odd value too."""
    shared = [1]
    assert [[1], [1], None] == read([shared, shared, math.nan])


GENEALOGY = """
from minimon.serve.exposition import to_json
parent = {"name": "parent", "children": []}
parent["children"] += [{"name": str(n), "parent": parent} for n in range(20)]
page = to_json({"tree": parent, "rest": 1})
print(len(page) < 10_000_000)
"""

DOUBLING = """
from minimon.serve.exposition import to_json
document = [float("nan")]
for _ in range(40):
    document = [document, document]
print(len(to_json({"document": document, "rest": 1})) < 10_000_000)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "code", [GENEALOGY, DOUBLING], ids=["children that know their parent", "twice the same, 40 deep"]
)
def test_a_small_document_is_a_small_page(code: str) -> None:
    """What refers to itself many times over would grow with every level, without end in time and memory."""
    assert "True\n" == python(code, timeout=5.0).stdout  # a process of its own, for this may eat all memory


# anything


def anything(chance: random.Random, depth: int = 0) -> Any:
    """A value of any kind, at random."""
    leaves: list[Any] = [*SAME[:20], math.nan, math.inf, b"\xff", Mute(), Word.UP, Color.RED, MuteText("x"), 10**5_000]
    if depth > 5 or chance.random() < 0.3:
        return chance.choice(leaves)
    inner = [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    keys = ["a", 1, None, 2.5, math.nan, (1,), b"k", "\ud800", Status.UP, Mute()]
    makers: list[Any] = [
        list,
        tuple,
        lambda items: dict(zip(chance.sample(keys, len(items)), items)),
        lambda items: Pairs(**dict(zip("abcd", items))),
        lambda items: {id(item) % 7 for item in items},
    ]
    return chance.choice(makers)(inner)


def test_anything_is_json() -> None:
    """500 documents at random are all read by a strict reader."""
    chance = random.Random(8)
    for _ in range(500):
        read(anything(chance))


def test_a_document_that_changes_meanwhile_is_json() -> None:
    """A dict that grows while it is written does not break the page."""

    class Growing:
        def __str__(self) -> str:
            document[len(document)] = 1
            return "growing"

    document: dict[Any, Any] = {"a": Growing(), "b": Growing(), "c": Growing()}
    assert "growing" == read(document)["a"]


def test_the_page_is_one_line() -> None:
    """Names are followed by a colon and a blank, as people read it."""
    assert b'{"a": [1, 2], "b": "\\u00fc\\n"}' == to_json({"a": [1, 2], "b": "ü\n"})
