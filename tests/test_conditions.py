"""Conditions: what holds, what does not, what is said of it, and what is refused when they are written."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

import pytest

from minimon.conditions import Condition, Unmet, all_keys
from minimon.errors import ConfigError
from minimon.model import Response

OK = Response(200, b'{"n": 1}', {"Content-Type": "application/json"}, reason_phrase="OK", elapsed=0.25)


def raising(response: Response) -> bool:
    """A predicate of a host that fails."""
    raise KeyError("key")


def compiled(spec: Any, **options: Any) -> Condition:
    """The condition, as a check named x would have it."""
    return Condition(spec, "check 'x': expect", **options)


def unmet(spec: Any, response: Response = OK) -> Unmet | None:
    """What the condition says of the response."""
    return compiled(spec).unmet(response)


class Odd(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


# what holds


@pytest.mark.parametrize(
    ("spec", "response"),
    [
        ({"status_code": 200}, OK),
        ({"status_code": "200"}, OK),
        ({"status_code": HTTPStatus.OK}, OK),
        ({"status_code": "2xx"}, OK),
        ({"status_code": "200-204"}, OK),
        ({"status_code": [500, 200]}, OK),
        ({"status_code": (500, "2xx")}, OK),
        ({"status_code": {200, 404}}, OK),
        ({"status_code": 999}, Response(999)),
        ({"text": ""}, Response(200)),
        ({"text": "up"}, Response(200, "up")),
        ({"contains": "n"}, OK),
        ({"contains": ""}, Response(200)),
        ({"contains": ["n", "1"]}, OK),
        ({"json": {"n": 1}}, OK),
        ({"json": {"n": 1.0}}, OK),
        ({"json": {}}, Response(200, "{}")),
        ({"json": []}, Response(200, "[]")),
        ({"json": None}, Response(200, "null")),
        ({"json": False}, Response(200, "false")),
        ({"json": 0}, Response(200, "0")),
        ({"json": (1, 2)}, Response(200, "[1, 2]")),
        ({"latency": 0.3}, OK),
        ({"latency": 1}, OK),
        ({"latency": {"gt": 0.2}}, OK),
        ({"latency": {"ge": 0.25, "le": 0.25}}, OK),
        ({"latency": {"lt": 0.3, "gt": 0}}, OK),
        ({"callback": lambda response: True}, OK),
        (lambda response: response.status_code == 200, OK),
        ({"status_code": 200, "text": '{"n": 1}', "contains": "n", "json": {"n": 1}, "latency": 1}, OK),
        ([{"status_code": 500}, {"status_code": 200}], OK),
        ([{"status_code": 500}, lambda response: True], OK),
        ([raising, {"status_code": 200}], OK),
        (({"status_code": 200},), OK),
    ],
)
def test_a_condition_holds(spec: Any, response: Response) -> None:
    """None is said of a condition that holds."""
    assert None is unmet(spec, response)


# what does not, and what is said of it


@pytest.mark.parametrize(
    ("spec", "response", "expected"),
    [
        (
            {"status_code": 200},
            Response(404, reason_phrase="Not Found"),
            "status_code: expected 200, got 404 Not Found",
        ),
        ({"status_code": [200, "3xx"]}, Response(404), "status_code: expected 200 or 3xx, got 404"),
        ({"status_code": "200-204"}, Response(205), "status_code: expected 200-204, got 205"),
        ({"status_code": 200}, Response(), "status_code: expected 200, got None"),
        ({"text": "up"}, Response(200, "up\n"), 'text: expected "up", got "up\\n"'),
        ({"text": ""}, Response(200, "x"), 'text: expected "", got "x"'),
        ({"contains": "x"}, Response(200, "abc"), 'contains: "x" is not in "abc"'),
        ({"contains": ["a", "x", "y"]}, Response(200, "abc"), 'contains: "x" is not in "abc"'),
        ({"json": {}}, Response(200, '{"a": 1}'), 'json: expected {}, got {"a": 1}'),
        ({"json": []}, Response(200, "{}"), "json: expected [], got {}"),
        ({"json": True}, Response(200, "1"), "json: expected true, got 1"),
        ({"json": 0}, Response(200, "false"), "json: expected 0, got false"),
        (
            {"json": {"a": [1, True]}},
            Response(200, '{"a": [1, 1]}'),
            'json: expected {"a": [1, true]}, got {"a": [1, 1]}',
        ),
        ({"latency": 0.25}, OK, "latency: expected < 0.25 s, got 0.250 s"),
        ({"latency": {"gt": 0.1, "lt": 0.2}}, OK, "latency: expected < 0.2 s, got 0.250 s"),
        ({"latency": 0}, OK, "latency: expected < 0 s, got 0.250 s"),
        (lambda response: False, OK, "callback: expected True, got False"),
        (lambda response: 1, OK, "callback: expected True, got 1"),
        (lambda response: None, OK, "callback: expected True, got None"),
        ({"callback": lambda response: "yes"}, OK, "callback: expected True, got 'yes'"),
        ({"status_code": 500, "text": "x"}, OK, "status_code: expected 500, got 200 OK"),
        ({"text": "x", "status_code": 500}, OK, r'text: expected "x", got "{\"n\": 1}"'),
        (
            [{"status_code": 500}, {"text": "x"}],
            OK,
            r'status_code: expected 500, got 200 OK or text: expected "x", got "{\"n\": 1}"',
        ),
    ],
)
def test_an_unmet_condition_says_why(spec: Any, response: Response, expected: str) -> None:
    """Expected and actual are told; all keys of a dict must hold, one item of a list."""
    found = unmet(spec, response)
    assert expected == (found and found.text)


@pytest.mark.parametrize("spec", [{"text": ""}, {"json": {}}, {"json": []}, {"json": None}, {"status_code": 200}])
def test_what_is_expected_may_be_false(spec: Any) -> None:
    """An empty text or dict is an expectation like any other: the key's presence counts."""
    assert None is not unmet(spec, Response(500, '{"n": 1}'))


@pytest.mark.parametrize("body", ["", "{", "NaN", "[" * 100_000])
def test_a_body_that_is_not_json_is_unmet(body: str) -> None:
    """It is a condition that does not hold, and no exception."""
    found = unmet({"json": 1}, Response(200, body))
    assert ("condition", True) == (found and (found.reason, found.text.startswith("json: not JSON (")))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"status_code": 500}, "status"),
        ({"text": "x"}, "condition"),
        ({"contains": "x"}, "condition"),
        ({"json": 1}, "condition"),
        ({"latency": 0.1}, "condition"),
        (lambda response: False, "condition"),
        (raising, "exception"),
        ([{"status_code": 500}, {"text": "x"}], "status"),
    ],
)
def test_an_unmet_condition_has_a_reason(spec: Any, reason: str) -> None:
    """The status code is told apart from the content, and both from a predicate that raised."""
    found = unmet(spec)
    assert reason == (found and found.reason)


def test_a_raising_predicate_says_what_it_raised() -> None:
    """The exception's type and text are told."""
    assert ("exception", "callback raised KeyError: 'key'") == unmet(raising)


def test_an_exception_that_cannot_be_shown_is_named() -> None:
    """An exception whose __str__ raises does no harm."""

    def predicate(response: Response) -> bool:
        raise Odd

    assert ("exception", "callback raised Odd: <Odd>") == unmet(predicate)


def test_a_later_key_is_not_asked() -> None:
    """After the first key that does not hold the others are left alone: the old check ran on a 200 only."""
    asked = []
    unmet({"status_code": 500, "callback": asked.append})
    assert [] == asked


def test_later_alternatives_are_not_asked() -> None:
    """One that holds is enough."""
    asked: list[Response] = []
    unmet([{"status_code": 200}, asked.append])
    assert [] == asked


def test_a_condition_can_be_asked_again() -> None:
    """It keeps nothing of a response: the order in which they come does not matter."""
    condition = compiled([{"status_code": 200, "json": {"n": 1}}, {"latency": 0.1}])
    asked = [condition.unmet(response) is None for response in (OK, Response(500, elapsed=1.0), OK)]
    assert [True, False, True] == asked


# what is refused

FORMS = "expected a dict of conditions, a list of them or a callable"
CODES = 'status_code: expected a number of three digits, "2xx" or "200-299"'
NAMES = f"known are: {', '.join(sorted(all_keys()))}"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, f"{FORMS}, got {{}}"),
        (None, f"{FORMS}, got None"),
        ("200", f"{FORMS}, got '200'"),
        (b"200", f"{FORMS}, got b'200'"),
        (200, f"{FORMS}, got 200"),
        ([{}], f"{FORMS}, got {{}}"),
        ([{"status_code": 200}, 5], f"{FORMS}, got 5"),
        ([[{"status_code": 200}]], f"{FORMS}, got [{{'status_code': 200}}]"),
        ([], "an empty list holds never; leave it out or give a condition"),
        ({"staus_code": 200}, "unknown condition 'staus_code'; did you mean 'status_code'?"),
        ({"status_code": 200, "txt": ""}, "unknown condition 'txt'; did you mean 'text'?"),
        ({"zzz": 1}, f"unknown condition 'zzz'; {NAMES}"),
        ({5: 1}, f"unknown condition 5; {NAMES}"),
        ({"status_code": True}, f"{CODES}, got True"),
        ({"status_code": 99}, f"{CODES}, got 99"),
        ({"status_code": 1000}, f"{CODES}, got 1000"),
        ({"status_code": 200.0}, f"{CODES}, got 200.0"),
        ({"status_code": None}, f"{CODES}, got None"),
        ({"status_code": "0xx"}, f"{CODES}, got '0xx'"),
        ({"status_code": "2xx "}, f"{CODES}, got '2xx '"),
        ({"status_code": [200, "ok"]}, f"{CODES}, got 'ok'"),
        ({"status_code": []}, "status_code: an empty list holds never"),
        ({"status_code": "299-200"}, "status_code: expected 100 to 999, the lower number first, got '299-200'"),
        ({"status_code": "000"}, "status_code: expected 100 to 999, the lower number first, got '000'"),
        ({"text": None}, "text: expected a text, got None"),
        ({"text": b"x"}, "text: expected a text, got b'x'"),
        ({"contains": []}, "contains: expected a text or a list of texts, got []"),
        ({"contains": ["a", 1]}, "contains: expected a text or a list of texts, got ['a', 1]"),
        ({"contains": 5}, "contains: expected a text or a list of texts, got 5"),
        ({"latency": -1}, "latency: expected a number, 0 or more, got -1"),
        ({"latency": math.nan}, "latency: expected a number, 0 or more, got nan"),
        ({"latency": math.inf}, "latency: expected a number, 0 or more, got inf"),
        ({"latency": True}, "latency: expected a number, 0 or more, got True"),
        ({"latency": "1"}, "latency: expected a number, 0 or more, got '1'"),
        ({"latency": {"gt": None}}, "latency: expected a number, 0 or more, got None"),
        ({"latency": {"gtt": 1}}, "latency: unknown operator 'gtt'; did you mean 'gt'?"),
        ({"latency": {"above": 1}}, "latency: unknown operator 'above'; known are: ge, gt, le, lt"),
        ({"latency": {}}, 'latency: expected a number, or operators such as {"gt": 0.5}, got {}'),
        ({"callback": True}, "callback: expected a function of the Response, got True"),
    ],
)
def test_what_cannot_work_is_refused(spec: Any, message: str) -> None:
    """The error names the place, the value and what would do."""
    with pytest.raises(ConfigError) as caught:
        compiled(spec)
    assert f"check 'x': expect: {message}" == str(caught.value)


@pytest.mark.parametrize("spec", [{"latency": 0.5}, [{"status_code": 500}, {"latency": 0.5}]])
def test_a_warning_says_what_is_bad(spec: Any) -> None:
    """A bare number would be good below it: in a warn_if it has to be written out."""
    with pytest.raises(ConfigError) as caught:
        Condition(spec, "check 'x': warn_if", bad=True)
    assert "check 'x': warn_if: latency says what is bad here; write {\"gt\": 0.5}" == str(caught.value)


def test_a_warning_takes_operators() -> None:
    """{"gt": seconds} holds when the run took longer."""
    condition = compiled({"latency": {"gt": 0.5}}, bad=True)
    assert [False, True] == [condition.unmet(Response(200, elapsed=seconds)) is None for seconds in (0.5, 0.6)]


def test_every_key_has_a_line_of_help() -> None:
    """The reference is made of these docstrings."""
    assert [] == [key for key, make in all_keys().items() if not make.__doc__]


def test_the_keys_are_these() -> None:
    """What issue and reference call a condition is known here."""
    content = ["text", "contains", "regex", "json", "jsonpath", "header"]
    numbers = ["status_code", "latency", "body_size", "certificate_days"]
    assert sorted([*content, *numbers, "callback"]) == sorted(all_keys())


def test_a_condition_that_contains_itself_is_refused() -> None:
    """It says so, and does not end in a RecursionError."""
    spec: dict[str, Any] = {}
    spec["json"] = spec
    with pytest.raises(ConfigError, match="check 'x': expect is nested too deep, or contains itself"):
        compiled(spec)


def test_a_condition_of_a_condition_is_the_same() -> None:
    """What is ready may be given where data is."""
    assert {"status_code": 200} == compiled(compiled({"status_code": 200})).spec
