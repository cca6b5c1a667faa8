"""Expectations: operators, JSON values, and the keys of conditions that look into an answer."""

from __future__ import annotations

import copy
import math
import pickle
import random
import re
import sys
from typing import Any

import pytest

from minimon.conditions import BODY, Condition, all_keys, needs_body
from minimon.errors import ConfigError
from minimon.expectations import KEYS, MEANINGS, OPERATORS, expectation, json_value
from minimon.model import Fault, Response

JOBS = '{"status": "OK", "n": 3, "on": true, "none": null, "jobs": [{"name": "a", "state": "done"}, {"name": "b"}]}'
HEADERS = [("Content-Type", "text/plain"), ("Age", "12"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
SEEN = Response(200, JOBS, HEADERS, elapsed=0.25, transport={"certificate": {"days": 20.5}}, reason_phrase="OK")


def said(spec: Any, response: Response = SEEN) -> str:
    """Why the condition does not hold."""
    return Condition(spec).explain(response)


def refusal(spec: Any, **options: Any) -> str:
    """What is said of a condition that cannot work."""
    with pytest.raises(ConfigError) as caught:
        Condition(spec, "check 'x': expect", **options)
    return str(caught.value).replace("check 'x': expect: ", "")


def path(query: str, wanted: Any) -> dict[str, Any]:
    """A condition of one query."""
    return {"jsonpath": {query: wanted}}


# what holds, and what is said of what does not

HOLDS: list[Any] = [
    path("$.status", "OK"),
    path("$.status", ["OK"]),
    path("$.n", 3.0),
    path("$.none", None),
    path("$.on", True),
    path("$.jobs[*].name", ["a", "b"]),
    path("$.jobs[*].state", "done"),
    path("$.jobs[1]", {"name": "b"}),
    path("$.jobs[*]", [{"name": "a", "state": "done"}, {"name": "b"}]),
    path("$.status", {"eq": "OK"}),
    path("$.status", {"ne": "failed"}),
    path("$.n", {"gt": 2, "lt": 4}),
    path("$.n", {"ge": 3, "le": 3.0}),
    path("$.status", {"gt": "NO", "in": ["OK", "DONE"]}),
    path("$.n", {"in": (1, 2, 3)}),
    path("$.status", {"regex": "^O"}),
    path("$.jobs[*].name", {"regex": "[ab]"}),
    path("$.jobs[*]", {"count": 2}),
    path("$.jobs[*]", {"count": {"ge": 1, "lt": 3}}),
    path("$.nowhere", {"absent": True}),
    path("$.nowhere", {"exists": False}),
    path("$.nowhere", {"count": 0}),
    path("$.none", {"exists": True}),
    path("$.none", {"absent": False}),
    {"jsonpath": "$.jobs[?@.state == 'done']"},
    {"jsonpath": [{"expression": "$.n", "value": 3}, {"expression": "$.status", "value": "OK"}]},
    {"jsonpath": {"$.n": 3, "$.status": "OK"}},
    {"regex": '"status": "O."'},
    {"regex": ""},
    {"header": {"content-type": "text/plain"}},
    {"header": {"AGE": {"lt": 13, "ge": 12}}},
    {"header": {"age": "12"}},
    {"header": {"set-cookie": "b=2"}},
    {"header": {"set-cookie": {"regex": "^b"}}},
    {"header": {"set-cookie": {"count": 2}}},
    {"header": {"x-none": {"absent": True}}},
    {"header": {"age": {"in": [11, 12]}}},
    path("$.jobs[*].name", {"ne": "c"}),
    {"header": {"content-type": {"in": ["text/html", "text/plain"]}}},
    {"latency": 0.3},
    {"latency": {"ne": 1, "eq": 0.25}},
    {"body_size": len(JOBS)},
    {"body_size": {"gt": 10, "lt": 1000}},
    {"certificate_days": 20},
    {"certificate_days": {"gt": -1, "lt": 21}},
]


@pytest.mark.parametrize("spec", HOLDS, ids=str)
def test_it_holds(spec: Any) -> None:
    """Nothing is said of what holds."""
    assert "" == said(spec)


UNMET: list[tuple[Any, str]] = [
    (path("$.status", "DOWN"), 'jsonpath $.status: expected "DOWN", got "OK"'),
    (path("$.status", True), 'jsonpath $.status: expected true, got "OK"'),
    (path("$.on", 1), "jsonpath $.on: expected 1, got true"),
    (path("$.n", "3"), 'jsonpath $.n: expected "3", got 3'),
    (path("$.none", False), "jsonpath $.none: expected false, got null"),
    (path("$.none", ""), 'jsonpath $.none: expected "", got null'),
    (path("$.none", {}), "jsonpath $.none: expected {}, got null"),
    (path("$.none", []), "jsonpath $.none: expected [], got null"),
    (path("$.nowhere", None), "jsonpath $.nowhere: expected null, got nothing"),
    (path("$.nowhere", []), "jsonpath $.nowhere: expected [], got nothing"),
    (path("$.nowhere", {"ne": 1}), "jsonpath $.nowhere: expected anything but 1, got nothing"),
    (path("$.n", {"ne": 3.0}), "jsonpath $.n: expected anything but 3.0, got 3"),
    (path("$.nowhere", {"lt": 1}), "jsonpath $.nowhere: expected < 1, got nothing"),
    (path("$.nowhere", {"exists": True}), "jsonpath $.nowhere: expected something, got nothing"),
    (path("$.n", {"absent": True}), "jsonpath $.n: expected nothing, got 3"),
    (path("$.jobs[*].name", "a"), 'jsonpath $.jobs[*].name: expected "a", got ["a", "b"]'),
    (path("$.jobs[*].name", ["b", "a"]), 'jsonpath $.jobs[*].name: expected ["b", "a"], got ["a", "b"]'),
    (path("$.n", {"gt": 2, "lt": 3}), "jsonpath $.n: expected < 3, got 3"),
    (path("$.status", {"gt": 1}), 'jsonpath $.status: expected > 1, got "OK"'),
    (path("$.on", {"ge": 0}), "jsonpath $.on: expected >= 0, got true"),
    (path("$.n", {"in": [True, "3"]}), 'jsonpath $.n: expected one of [true, "3"], got 3'),
    (path("$.n", {"regex": "3"}), 'jsonpath $.n: expected a text like "3", got 3'),
    (path("$.jobs[*].name", {"regex": "a"}), 'jsonpath $.jobs[*].name: expected a text like "a", got ["a", "b"]'),
    (path("$.jobs[*]", {"count": {"gt": 2}}), "jsonpath $.jobs[*]: expected a count of > 2, got ["),
    (
        {"jsonpath": "$.jobs[?@.state == 'failed']"},
        "jsonpath $.jobs[?@.state == 'failed']: expected something, got nothing",
    ),
    ({"jsonpath": {"$.n": 3, "$.on": False, "$.x": 1}}, "jsonpath $.on: expected false, got true"),
    ({"json": {"n": 3}}, 'json: expected {"n": 3}, got {"status": "OK"'),
    ({"regex": "^x"}, 'regex: "^x" is not found in "{'),
    ({"header": {"Content-Type": "text/html"}}, 'header Content-Type: expected "text/html", got "text/plain"'),
    ({"header": {"Age": {"lt": 12}}}, 'header Age: expected < 12, got "12"'),
    ({"header": {"Content-Type": {"lt": 12}}}, 'header Content-Type: expected < 12, got "text/plain"'),
    ({"header": {"Set-Cookie": "c=3"}}, "header Set-Cookie: expected another value, got ***"),
    (path("$.jobs[*].name", {"ne": "b"}), 'jsonpath $.jobs[*].name: expected anything but "b", got ["a", "b"]'),
    ({"header": {"Set-Cookie": {"regex": "a", "eq": "b=2"}}}, "header Set-Cookie: expected another value, got ***"),
    ({"header": {"X-None": ""}}, 'header X-None: expected "", got nothing'),
    ({"latency": 0.25}, "latency: expected < 0.25 s, got 0.250 s"),
    ({"body_size": 10}, f"body_size: expected <= 10 bytes, got {len(JOBS)} bytes"),
    ({"certificate_days": 21}, "certificate_days: expected >= 21 days, got 20.5 days"),
]


@pytest.mark.parametrize(("spec", "expected"), UNMET, ids=str)
def test_it_says_why_not(spec: Any, expected: str) -> None:
    """The key, what was expected, and what was seen, as JSON writes it; long values are cut."""
    assert expected == said(spec)[: len(expected)]


def test_without_a_certificate_its_age_never_holds() -> None:
    """Not even of one that is too old."""
    assert "certificate_days: expected < 21 days, got none" == said({"certificate_days": {"lt": 21}}, Response(200))


@pytest.mark.parametrize("key", ["json", "jsonpath"])
@pytest.mark.parametrize("body", ["", "{", "NaN", "[" * 100_000, b"\xff"])
def test_what_is_not_json_is_told(key: str, body: str | bytes) -> None:
    """It is unmet, and nothing is raised."""
    spec = {"json": {"json": None}, "jsonpath": {"jsonpath": {"$.a": {"absent": True}}}}[key]
    assert f"{key}: not JSON (" == said(spec, Response(200, body))[: len(key) + 12]


@pytest.mark.parametrize("key", sorted(all_keys()))
def test_an_error_of_the_transport_meets_nothing(key: str) -> None:
    """Whatever would hold of an empty answer."""
    spec = {
        "status_code": {"status_code": [f"{n}xx" for n in range(1, 10)]},
        "text": {"text": ""},
        "contains": {"contains": ""},
        "regex": {"regex": ""},
        "json": {"json": None},
        "jsonpath": path("$.a", {"absent": True}),
        "header": {"header": {"a": {"absent": True}}},
        "latency": {"latency": 9},
        "body_size": {"body_size": 9},
        "certificate_days": {"certificate_days": {"lt": 1}},
        "callback": {"callback": lambda response: True},
    }[key]
    assert "connect: refused" == said(spec, Response(error=Fault("connect", "connect: refused")))


def test_a_query_that_is_too_much_work_is_told() -> None:
    """The worker is free again soon, and knows why."""
    body = "[" + "{}," * 200_000 + "{}]"
    assert "JSONPath: gave up after" in said(path("$..*..*..*..*..*", {"count": 0}), Response(200, body))


def test_a_document_is_parsed_once() -> None:
    """However many keys look at it; and what a predicate is given is its own."""
    response = Response(200, JOBS)
    response.json().clear()
    assert (3, True) == (response.document["n"], response.document is response.document)


def test_a_new_body_is_a_new_document() -> None:
    """A probe of the host may set it."""
    response = Response(200, "1")
    seen = [response.document]
    response.body = b"2"
    assert [1, 2] == [*seen, response.document]


# what is refused


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"jsonpath": {}}, "jsonpath: expected {query: value}, a query, or a list of expression and value, got {}"),
        ({"jsonpath": []}, "jsonpath: expected {query: value}, a query, or a list of expression and value, got []"),
        ({"jsonpath": 5}, "jsonpath: expected {query: value}, a query, or a list of expression and value, got 5"),
        ({"jsonpath": ""}, "jsonpath: JSONPath: a query begins with '$', got the end at position 0 of "),
        ({"jsonpath": "$.a["}, "jsonpath: JSONPath: expected a name in quotes, an index, a slice, '*' or '?', "),
        ({"jsonpath": {"$.a.": 1}}, "jsonpath: JSONPath: expected a name (others in brackets and quotes) or '*', got "),
        ({"jsonpath": {5: 1}}, "jsonpath: JSONPath: expected a text, got 5"),
        (
            path("$.a", {"gte": 1}),
            "jsonpath: $.a: unknown operator 'gte'; did you mean 'ge'? To expect an object, write ",
        ),
        (path("$.a", {"lt": 1, "x": 1}), "jsonpath: $.a: unknown operator 'x'; known are: "),
        (path("$.a", {1, 2}), "jsonpath: $.a: expected a JSON value, got {1, 2}"),
        (path("$.a", math.nan), "jsonpath: $.a: expected a JSON value, got nan"),
        (path("$.a", {"lt": None}), "jsonpath: $.a: expected a number or a text to compare with, got None"),
        (path("$.a", {"lt": True}), "jsonpath: $.a: expected a number or a text to compare with, got True"),
        (path("$.a", {"in": "abc"}), "jsonpath: $.a: in: expected a list of values, got 'abc'"),
        (path("$.a", {"in": []}), "jsonpath: $.a: in: expected a list of values, got []"),
        (path("$.a", {"exists": 1}), "jsonpath: $.a: exists: expected True or False, got 1"),
        (path("$.a", {"regex": "("}), "jsonpath: $.a: regex: '(': missing ), unterminated subpattern at position 0"),
        ({"regex": "("}, "regex: '(': missing ), unterminated subpattern at position 0"),
        ({"regex": b"x"}, "regex: expected a text, such as '(?i)ready', got b'x'"),
        ({"regex": re.compile("x")}, "regex: expected a text, such as '(?i)ready', got re.compile('x')"),
        (path("$.a", {"exists": True, "absent": True}), "jsonpath: $.a: something and nothing are expected at once, "),
        (path("$.a", {"exists": False, "absent": False}), "jsonpath: $.a: something and nothing are expected at "),
        (path("$.a", {"absent": True, "lt": 5}), "jsonpath: $.a: something and nothing are expected at once, which "),
        ({"header": {"a": {"exists": False, "eq": ""}}}, "header: something and nothing are expected at once, which "),
        (
            path("$.a", {"EQ": 1}),
            "jsonpath: $.a: unknown operator 'EQ'; did you mean 'eq'? To expect an object, write ",
        ),
        (path("$.a", {"exsts": True}), "jsonpath: $.a: unknown operator 'exsts'; did you mean 'exists'?"),
        (path("$.a", {"contains": "x"}), "jsonpath: $.a: unknown operator 'contains'; did you mean 'regex'?"),
        (path("$.a", {"exist": True}), "jsonpath: $.a: unknown operator 'exist'; did you mean 'exists'?"),
        (
            path("$.a", {"count": -1}),
            "jsonpath: $.a: count: expected a whole number, or eq, ne, lt, le, gt, ge of ",
        ),
        (path("$.a", {"count": True}), "jsonpath: $.a: count: expected a whole number, or "),
        (path("$.a", {"count": {"regex": "1"}}), "jsonpath: $.a: count: expected a whole number, or "),
        ({"latency": 10**400}, "latency: expected a number, 0 or more, got 1000"),
        ({"json": {1: 2}}, "json: expected texts as the keys of an object, as in JSON, got 1"),
        ({"json": {"a": object}}, "json: expected a JSON value, got <class 'object'>"),
        ({"header": "x"}, "header: expected {name: text or operators}, got 'x'"),
        ({"header": {}}, "header: expected {name: text or operators}, got {}"),
        ({"header": {"a b": "x"}}, "header: expected the name of a header, got 'a b'"),
        ({"header": {"a": None}}, 'header: expected a text or operators (to have none: {"absent": True}), got None'),
        ({"header": {"a": {"gte": 1}}}, "header: unknown operator 'gte'; did you mean 'ge'? "),
        ({"body_size": -1}, "body_size: expected a number, 0 or more, got -1"),
        ({"body_size": {"count": 1}}, "body_size: unknown operator 'count'; "),
        ({"certificate_days": "x"}, "certificate_days: expected a number, got 'x'"),
        ({"status_code": 200, "heder": {}}, "unknown condition 'heder'; did you mean 'header'?"),
        ({"json": 1, "josn": 1}, "unknown condition 'josn'; did you mean 'json'?"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(spec: Any, message: str) -> None:
    """With key, value, and the nearest right one."""
    assert message == refusal(spec)[: len(message)]


@pytest.mark.parametrize(
    ("key", "hint"), [("latency", '{"gt": 5}'), ("body_size", '{"gt": 5}'), ("certificate_days", '{"lt": 5}')]
)
def test_a_warning_says_what_is_bad(key: str, hint: str) -> None:
    """A bare number says what is good: in a warn_if it has to be written out."""
    assert f"{key} says what is bad here; write {hint}" == refusal({key: 5}, bad=True)


@pytest.mark.parametrize("level", [99, 200, 100_000])
def test_an_expectation_too_deep_is_refused(level: int) -> None:
    """It says so, and does not end in a RecursionError."""
    deep: Any = 1
    for _ in range(level):
        deep = [deep]
    try:
        json_value(deep)
        seen = "taken"
    except ValueError as error:
        seen = str(error)
    assert ("taken" if level < 100 else "expected a JSON value of at most 100000 values and 100 levels") == seen


# what belongs to the caller


@pytest.mark.parametrize("spec", HOLDS, ids=str)
def test_a_condition_travels(spec: Any) -> None:
    """As data, and made ready: what comes out holds of the same."""
    arrived = pickle.loads(pickle.dumps(Condition(pickle.loads(pickle.dumps(spec)))))
    assert "" == arrived.explain(SEEN)


@pytest.mark.parametrize("spec", HOLDS, ids=str)
def test_the_callers_objects_are_left_alone(spec: Any) -> None:
    """They are as they were, after everything."""
    before = copy.deepcopy(spec)
    said(spec)
    assert before == spec


def test_what_the_caller_changes_later_changes_nothing() -> None:
    """A condition is what it was when it was made, and says so."""
    wanted: dict[str, Any] = {"a": [1]}
    condition = Condition({"json": wanted})
    wanted["a"].append(2)
    assert ("", {"json": {"a": [1]}}) == (condition.explain(Response(200, '{"a": [1]}')), condition.spec)


@pytest.mark.parametrize(
    ("value", "spec"), [({"a": 1}, path("$.a", 1)), ([1, True], {"json": [1, True]}), ("ready", {"text": "ready"})]
)
def test_what_a_callable_returned_is_judged(value: Any, spec: Any) -> None:
    """As a document or a text, for it has no body."""
    assert ("", True) == (said(spec, Response(value=value)), said(spec, Response(value=0)) != "")


@pytest.mark.parametrize("key", BODY)
def test_who_looks_at_the_body_needs_it(key: str) -> None:
    """So that it is read."""
    assert (True, False) == (needs_body([{"status_code": 200}, {key: 1}]), needs_body({"status_code": 200}))


def test_every_operator_has_its_meaning() -> None:
    """In the reference."""
    assert [*OPERATORS] == [name for names in MEANINGS for name in names.split(", ")]


def test_every_key_has_a_line_of_help() -> None:
    """In the reference too."""
    assert [] == [key for key, make in KEYS.items() if not make.__doc__]


# equality


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (0, False, False),
        (None, False, False),
        (None, None, True),
        ("", None, False),
        ([], {}, False),
        ([], (), True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": [True]}, {"a": [1]}, False),
        ("1", 1, False),
        (2**53 + 1, float(2**53), False),
    ],
)
def test_values_are_compared_as_json(one: Any, other: Any, same: bool) -> None:
    """Booleans are no numbers, tuples are lists, 1 is 1.0; both ways round."""
    one, other = ({"a": value} for value in (one, other))
    seen = [expectation({"eq": a})([json_value(b)]) is None for a, b in ((one, other), (other, one))]
    assert [same, same] == seen


def test_a_value_equals_itself_and_no_other() -> None:
    """Whatever it is: a value that was changed somewhere is another."""
    chance = random.Random(3)

    def value(depth: int) -> Any:
        made = [None, True, False, 0, 1, -1.5, "", "a"]
        if depth and chance.random() < 0.6:
            inner = [value(depth - 1) for _ in range(chance.randrange(3))]
            return inner if chance.random() < 0.5 else dict(zip("abc", inner))
        return chance.choice(made)

    values = [value(4) for _ in range(300)]
    texts = [repr(one) for one in values]
    wrong = [
        (a, b)
        for a, one in zip(texts, values)
        for b, other in zip(texts[:60], values)
        if (expectation({"eq": one})([other]) is None) != (a == b or f"[{b}]" == a)
    ]
    assert [] == wrong


# What explanations show


@pytest.mark.parametrize(
    ("spec", "response", "text"),
    [
        ({"text": "a" * 200}, Response(200, "a" * 200 + "b"),
         'text: expected "…' + "a" * 20 + '", got "…' + "a" * 20 + 'b"'),
        ({"json": {"a": [{"b": "x" * 99}, {"b": 1}]}}, Response(200, '{"a": [{"b": "' + "x" * 99 + '"}, {"b": 2}]}'),
         'json $.a[1]: expected {"b": 1}, got {"b": 2}'),
        ({"json": {"a": "x" * 99, "c": 1}}, Response(200, '{"a": "' + "x" * 99 + '"}'),
         "json $.c: expected 1, got nothing"),
        ({"header": {"Authorization": "Bearer s3cret"}}, Response(200),
         "header Authorization: expected another value, got none"),
        ({"header": {"X-Jwt": "a"}}, Response(200, headers={"X-Jwt": "s3cret"}),
         "header X-Jwt: expected another value, got ***"),
        ({"jsonpath": {"$.password": "s3cret"}}, Response(200, '{"password": "b"}'),
         "jsonpath $.password: expected another value, got ***"),
        ({"status_code": 200}, Response(500, reason_phrase="\x1b[31m" + "y" * 3000),
         "status_code: expected 200, got 500  [31m" + "y" * 114 + "…"),
        ([{"text": str(number)} for number in range(1000)], Response(200),
         " or ".join(f'text: expected "{number}", got ""' for number in range(5)) + " or 995 more"),
    ],
)  # fmt: skip
def test_the_shortest_useful_form_is_shown(spec: Any, response: Response, text: str) -> None:
    """Where they differ, and no secret."""
    assert text == Condition(spec).explain(response)


def test_what_is_expected_of_a_secret_is_shown_nowhere() -> None:
    """Not in the repr either."""
    spec = {"header": {"X-Api-Key": "s3cret"}, "jsonpath": {"$.token": "s3cret", "$.a": 1}}
    assert ("s3cret" in repr(Condition(spec)), "$.a" in repr(Condition(spec))) == (False, True)


@pytest.mark.parametrize("text", ["1_0", "infinity", "٣", "nan", "0x10"])
def test_a_header_is_a_number_if_it_is_written_as_one(text: str) -> None:
    """Not as Python reads one."""
    assert "" != Condition({"header": {"n": {"ge": 0}}}).explain(Response(200, headers={"n": text}))


def test_a_condition_that_ends_the_program_ends_nothing() -> None:
    """The other alternative is looked at."""
    assert "" == Condition([{"callback": sys.exit}, {"status_code": 200}]).explain(Response(200))


def test_conditions_may_be_put_together() -> None:
    """A list of them is a list of alternatives."""
    both = Condition([Condition({"text": "a"}), Condition([{"text": "b"}, {"text": "c"}])])
    assert [{"text": "a"}, {"text": "b"}, {"text": "c"}] == both.spec


def test_a_list_of_a_class_of_its_own_is_copied() -> None:
    """The host may go on with it."""

    class Codes(list[int]):
        """A host's."""

    codes = Codes([200])
    condition = Condition({"status_code": codes})
    codes.append(500)
    assert [200] == condition.spec["status_code"]


class Shy:
    """Does not show itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("key", ["text", "status_code", "contains", "callback", "json", "header", "regex", "latency"])
def test_a_value_that_cannot_be_shown_is_refused_all_the_same(key: str) -> None:
    """By the name of its type."""
    with pytest.raises(ConfigError, match=r"<Shy>"):
        Condition({key: Shy()})
