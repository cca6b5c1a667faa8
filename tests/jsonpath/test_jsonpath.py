"""JSONPath: what RFC 9535 says (rfc9535.py), what a second evaluator says (naive.py), and what is hostile."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import naive
import pytest
from blowups import BAD_PATTERNS, DEPTH, HOSTILE, LONG, both, keyed, nested
from rfc9535 import REFUSED, VALID, Selects
from support import few

from minimon import JsonPathError
from minimon.jsonpath import compile, find

SEEDS = few(range(20), 5)
MOST_SECONDS = 2.0
"""Of a thread: a second, and as much again where other threads and processes share the core."""
CHARACTERS = "$@.[]()?!*,:'\"\\=<>&|-+01eE9aux_ \t\n\x00\x0b\x7fé😀\ud800/{}"


def exact(values: list[Any]) -> str:
    """The values as JSON, where 1, 1.0 and true differ."""
    return json.dumps(values)


def refusal(query: str) -> JsonPathError | None:
    """What is said of a query that is refused; None if it is not."""
    try:
        compile(query)
    except JsonPathError as error:
        return error
    return None


def named(case: Selects) -> str:
    """What pytest calls a case."""
    return f"{case.section}: {case.query[:40]}"


# what the RFC says


@pytest.mark.parametrize("case", VALID, ids=named)
def test_values_and_paths(case: Selects) -> None:
    """A query finds the values that the RFC says, in order, each at its normalized path."""
    nodes = compile(case.query).find(case.document)
    paths = [node.path for node in nodes]
    assert (exact(case.values), paths if case.paths is None else case.paths) == (exact([n.value for n in nodes]), paths)


@pytest.mark.parametrize("section", sorted({case.section for case in VALID}))
def test_find(section: str) -> None:
    """The function finds what a compiled query finds: the values of its nodes."""
    cases = [case for case in VALID if case.section == section]
    found = [(find(case.query, case.document), compile(case.query).find(case.document)) for case in cases]
    assert [exact(values) for values, _ in found] == [exact([node.value for node in nodes]) for _, nodes in found]


@pytest.mark.parametrize("section", sorted({case.section for case in VALID}))
def test_a_normalized_path_is_a_query(section: str) -> None:
    """A normalized path, as a query, finds the very node that it came from."""
    cases = [case for case in VALID if case.section == section]
    nodes = [(case.document, node) for case in cases for node in compile(case.query).find(case.document)]
    again = [compile(node.path).find(document) for document, node in nodes]
    assert [[(node.path, id(node.value))] for _, node in nodes] == [[(n.path, id(n.value)) for n in a] for a in again]


@pytest.mark.parametrize("section", sorted({case.section for case in REFUSED}))
def test_refused(section: str) -> None:
    """Queries that the RFC does not allow are refused, at the place that it must be where there is only one."""
    cases = [case for case in REFUSED if case.section == section]
    refused = [(case, refusal(case.query)) for case in cases]
    right = [error is not None and case.position in (None, error.position) for case, error in refused]
    assert [] == [(case.query, case.position, error) for (case, error), fine in zip(refused, right) if not fine]


@pytest.mark.parametrize("section", sorted({case.section for case in REFUSED}))
def test_what_is_said(section: str) -> None:
    """What is said of a refused query names a place in it, in one line that can be printed."""
    told = [(case.query, refusal(case.query)) for case in REFUSED if case.section == section]
    assert [] == [(query, str(error)) for query, error in told if not well_said(query, error)]


def well_said(query: str, error: JsonPathError | None) -> bool:
    """Whether the error names a place in the query, or its end, and can be printed."""
    at = error.position if error else None
    return at is not None and 0 <= at <= len(query) and f"at position {at}" in str(error) and str(error).isprintable()


# what a second evaluator says


@pytest.mark.parametrize("seed", SEEDS)
def test_a_second_evaluator_agrees(seed: int) -> None:
    """Queries made at random find the same nodes as an evaluator that knows no parser, in the same order."""
    random = Random(seed)
    asts = [naive.queries(random) for _ in range(100)]
    texts = [naive.text(ast, random) for ast in asts]
    documents = [naive.documents(random) for _ in asts]
    expected = [naive.evaluate(ast, document) for ast, document in zip(asts, documents)]
    actual = [[(n.path, n.value) for n in compile(text).find(d)] for text, d in zip(texts, documents)]
    differing = [row for row in zip(texts, documents, expected, actual) if exact(row[2]) != exact(row[3])]
    assert [] == differing[:1]


@pytest.mark.parametrize("seed", SEEDS)
def test_one_query_written_in_many_ways(seed: int) -> None:
    """Blanks, quotes, escapes, shorthands and needless parentheses change nothing."""
    random = Random(f"ways {seed}")
    ast, document = naive.queries(random), naive.documents(random)
    texts = [naive.text(ast, random) for _ in range(10)]
    assert [exact(find(texts[0], document))] * 10 == [exact(find(text, document)) for text in texts]


# what stays as it is


def test_documents_are_not_changed() -> None:
    """No query changes the document."""
    before = [repr(case.document) for case in VALID]
    for case in VALID:
        find(case.query, case.document)
    assert before == [repr(case.document) for case in VALID]


def test_values_are_those_of_the_document() -> None:
    """A value is found, not copied."""
    document: Any = {"a": [{}]}
    assert id(document["a"][0]) == id(find("$.a[0]", document)[0])


def test_a_query_can_be_used_again() -> None:
    """A compiled query keeps nothing of one document for the next."""
    queries = [(compile(case.query), case) for case in VALID]
    found = [exact(query.values(case.document)) for _ in range(2) for query, case in queries]
    assert [exact(case.values) for case in VALID] * 2 == found


def test_threads_share_a_query() -> None:
    """Threads that use one compiled query at the same time do not meet."""
    query = compile("$..[?@.n >= $.n && count(@.l[?@ > 1]) == 2 && match(@.s, '(a|b)+')].n")
    documents = [{"n": n, "l": [{"n": n + 1, "l": [1, 2, 3], "s": "ab" * n}] * n} for n in range(20)] * 10
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(query.values, documents))
    assert [[n + 1] * n for n in range(20)] * 10 == found


# what is broken


def mutated(query: str, random: Random) -> str:
    """The query with a character or three dropped, doubled, swapped, replaced or put in."""
    for _ in range(random.choice((1, 1, 2, 3))):
        i = random.randrange(len(query) + 1)
        before, here, after = query[:i], query[i : i + 1], query[i + 1 :]
        new = random.choice(CHARACTERS)
        forms = (before + after, before + here * 2 + after, before + after[:1] + here + after[1:])
        query = random.choice((*forms, before + new + after, before + new + here + after, before))
    return query


def odd(query: str, document: Any) -> str | None:
    """What is raised but a JsonPathError that names a place in the query, or found but nodes; else None."""
    try:
        compiled = compile(query)
    except JsonPathError as error:
        return None if well_said(query, error) else f"{query!r}: {error}"
    except Exception as error:
        return f"{query!r}: {error!r}"
    paths = [node.path for node in compiled.find(document)]
    return None if all(path.startswith("$") for path in paths) else f"{query!r}: {paths}"


@pytest.mark.parametrize("seed", SEEDS)
def test_mutations(seed: int) -> None:
    """A broken query is compiled, or refused with a place in it: nothing else is raised."""
    random = Random(f"mutations {seed}")
    sources = [random.choice(VALID).query for _ in range(150)]
    sources += [naive.text(naive.queries(random), random) for _ in range(50)]
    document = naive.documents(random)
    found = [odd(mutated(source, random), document) for source in sources]
    assert [] == [text for text in found if text]


@pytest.mark.parametrize("seed", SEEDS)
def test_noise(seed: int) -> None:
    """Characters at random are compiled, or refused with a place in it."""
    random = Random(f"noise {seed}")
    found = [odd("$" + "".join(random.choices(CHARACTERS, k=random.randrange(12))), [1]) for _ in range(100)]
    assert [] == [text for text in found if text]


@pytest.mark.parametrize("seed", SEEDS)
def test_patterns_at_random(seed: int) -> None:
    """A pattern of characters at random matches or does not: nothing is raised."""
    random = Random(f"patterns {seed}")
    patterns = ["".join(random.choices("ab()*+?|[]^-{},12.\\pLu", k=random.randrange(1, 9))) for _ in range(100)]
    query = "$.patterns[?search('ab', @) || match('ab', @) || !search('ab', @)]"
    assert patterns == find(query, {"patterns": patterns})


@pytest.mark.parametrize("seed", SEEDS)
def test_simple_patterns_match_as_everywhere(seed: int) -> None:
    """Patterns of letters, groups, alternatives and quantifiers match as they do in the re module."""
    random = Random(f"simple {seed}")
    patterns = [pattern(random, 3) for _ in range(40)]
    texts = ["".join(random.choices("abc", k=random.randrange(6))) for _ in range(10)]
    expected = [([t for t in texts if re.fullmatch(p, t)], [t for t in texts if re.search(p, t)]) for p in patterns]
    actual = [(find(f"$[?match(@, '{p}')]", texts), find(f"$[?search(@, '{p}')]", texts)) for p in patterns]
    assert [] == [row for row in zip(patterns, texts, expected, actual) if row[2] != row[3]]


def pattern(random: Random, depth: int) -> str:
    """A pattern that means the same by RFC 9485 and in Python."""
    if not depth:
        return random.choice(("a", "b", "[ab]", "[^a]", ".", "c", ""))
    parts = [pattern(random, depth - 1) for _ in range(random.randint(1, 2))]
    joined = random.choice(("", "|")).join(parts)
    return (
        f"({joined})" + random.choice(("", "*", "+", "?", "{2}", "{1,}", "{0,2}")) if random.random() < 0.6 else joined
    )


# what is hostile


AT_LENGTH = (
    "descendants of descendants, keyed",
    "descendants of a bush",
    "descendants of a bush that has 2**60 of them",
    "descendants of a bush that do not hold",
    "paths through a bush",
    "wildcards of a wildcard",
    "deep lists, a name",
    "deep lists, existence",
    "deep objects, existence",
    "deep objects, descendants for each",
    "deep lists, each equal to the root",
    "deep lists, counted",
    "a long way down by descendants",
    "filters in filters of descendants",
    "filters in filters of the root",
    "each equal to none of all",
)
"""Those that take their time, and differ little from others."""
HOSTILE_NAMES = [pytest.param(name, marks=pytest.mark.long) if name in AT_LENGTH else name for name in HOSTILE]

BAD_IDS = [f"{pattern[:20]} of {len(pattern)}, {len(text)}" for pattern, text in BAD_PATTERNS]


def counted(query: str, document: Any) -> tuple[int | None, float]:
    """How many nodes are found, None where a JsonPathError is raised; and the seconds of this thread that it takes."""
    started = time.thread_time()
    try:
        found = len(find(query, document))
    except JsonPathError:
        found = None
    return found, time.thread_time() - started


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_queries_and_documents(name: str) -> None:
    """What is hostile is refused, or done and right, in a second or so."""
    query, make_document, expected = HOSTILE[name]
    found, seconds = counted(query, make_document())
    assert (found is None or found == expected, True) == (True, seconds < MOST_SECONDS), (found, seconds)


@pytest.mark.parametrize("size", [5000, DEPTH])
@pytest.mark.parametrize("name", LONG)
def test_long_queries(name: str, size: int) -> None:
    """A query of thousands of parts, or of a megabyte, is refused, or right, in a second or so."""
    query, document, expected = LONG[name]
    found, seconds = counted(query(size), document(size))
    assert (found is None or (expected is not None and found == expected(size)), True) == (True, seconds < MOST_SECONDS)


@pytest.mark.parametrize("name", LONG)
def test_queries_of_some_length(name: str) -> None:
    """The same in a size that people write, of twenty parts, is only refused if it is wrong."""
    query, document, expected = LONG[name]
    assert (expected and expected(20)) == counted(query(20), document(20))[0]


@pytest.mark.parametrize("function", ["match", "search"])
@pytest.mark.parametrize(("pattern", "text"), BAD_PATTERNS, ids=BAD_IDS)
def test_hostile_patterns(function: str, pattern: str, text: str) -> None:
    """A pattern that takes many engines for ever is refused, or does not match, in a second or so."""
    found, seconds = counted(f"$[?{function}(@.s, @.p)]", [{"s": text, "p": pattern}])
    assert (found or 0, True) == (0, seconds < MOST_SECONDS), (found, seconds)


@pytest.mark.parametrize(("query", "expected"), [("$[::-1]", slice(None, None, -1)), ("$[-9:]", slice(-9, None))])
def test_slices_of_a_long_list(query: str, expected: slice) -> None:
    """A list of 100,000 is sliced, and nothing is cut."""
    document = list(range(DEPTH))
    assert document[expected] == find(query, document)


def test_a_long_list_is_filtered() -> None:
    """A filter looks at each of 10,000 elements."""
    assert list(range(10_000)) == find("$[?@ >= 0 && @ < 10000]", list(range(10_000)))


def test_the_path_of_the_inmost() -> None:
    """A node 1,000 levels down has its path."""
    assert "$" + "['a']" * 1000 == compile("$..[?@ == 0]").find(nested(1000, keyed))[0].path


def test_too_much_work_is_told() -> None:
    """A find that is too much work says so: it gives no part of the result."""
    with pytest.raises(JsonPathError, match=r"\bsteps\b"):
        find("$..*", nested(60, both))


# what no JSON text has


LONE: Any = {"\ud800": 1, "x": "\udfff", "y": ["\ud83d\ude00"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$.*", list(LONE.values())),
        ("$.x", ["\udfff"]),
        ("$[?length(@) == 1]", ["\udfff", ["\ud83d\ude00"]]),
        ("$.y[?length(@) == 2]", ["\ud83d\ude00"]),
        ("$[?@ == $.x]", ["\udfff"]),
        ("$[?@ > 'a']", ["\udfff"]),
        ("$..[?@ == '\U0001f600']", []),
        (r"$.y[?@ == '\ud83d\ude00']", []),
        ("$[?match(@, 'a') || match('a', @)]", []),
    ],
)
def test_surrogates_in_a_document(query: str, expected: list[Any]) -> None:
    """A document may have what no query can name: a surrogate counts as a character."""
    assert expected == find(query, LONE)


def test_the_path_of_a_surrogate() -> None:
    """A name with a surrogate is a text in its path too."""
    assert [True, True, True, True] == [isinstance(node.path, str) for node in compile("$..*").find(LONE)]
