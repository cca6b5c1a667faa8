"""Arguments: strictly, of queries, forms and JSON, and by the signature of a function."""

from __future__ import annotations

from typing import Any

import pytest

from minimon.api.arguments import arguments_of, call_of, flag, sample, whole
from minimon.api.problems import Refused
from minimon.serve.framing import Request, read_head


def request(query: str = "", kind: str = "") -> Request:
    """One with this query and Content-Type."""
    header = f"Content-Type: {kind}\r\n" if kind else ""
    made = read_head(f"POST /{'?' if query else ''}{query} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
    assert isinstance(made, Request)
    return made


def refused(call: Any) -> tuple[int, str]:
    """Status and text."""
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.status, caught.value.detail


FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.mark.parametrize(
    ("query", "kind", "body", "found"),
    [
        ("a=1&b=x%20y", "", b"", {"a": "1", "b": "x y"}),
        ("a=", "", b"", {"a": ""}),
        ("", FORM, b"a=%C3%BC+b", {"a": "ü b"}),
        ("", f"{FORM}; charset=utf-8", b"a=1", {"a": "1"}),
        ("", JSON, b'{"a": 1, "b": [true]}', {"a": 1, "b": [True]}),
        ("a=1", JSON, b'{"b": {"a": 2}}', {"a": "1", "b": {"a": 2}}),
        ("", JSON.upper(), b"{}", {}),
    ],
)
def test_arguments_are_read(query: str, kind: str, body: bytes, found: dict[str, Any]) -> None:
    """Wherever they stand."""
    assert found == arguments_of(request(query, kind), body, ("a", "b"))


@pytest.mark.parametrize(
    ("query", "kind", "body", "told"),
    [
        ("a=1&a=1", "", b"", (400, "'a' is given more than once")),
        ("a=1", FORM, b"a=1", (400, "'a' is given more than once")),
        ("", JSON, b'{"a": 1, "a": 1}', (400, "'a' is given more than once")),
        ("c=1", "", b"", (400, "unknown argument 'c'; known are: a, b")),
        ("a=%ff", "", b"", (400, "arguments must be UTF-8, percent-encoded, 100 at most")),
        (
            "&".join(f"a{n}=1" for n in range(101)),
            "",
            b"",
            (400, "arguments must be UTF-8, percent-encoded, 100 at most"),
        ),
        ("a=%00", "", b"", (400, "arguments must have no NUL")),
        ("", JSON, b"[1]", (400, "the body must be a JSON object")),
        ("", JSON, b'"a"', (400, "the body must be a JSON object")),
        ("", JSON, b'{"a": Infinity}', (400, "the body is not JSON: Infinity is no number")),
        ("", JSON, b'{"a": "\\udc00"}', (400, "the body has half of a surrogate pair")),
        ("", "text/xml", b"<a/>", (415, f"Content-Type must be {FORM} or {JSON}, got 'text/xml'")),
        ("", "", b"a=1", (415, f"Content-Type must be {FORM} or {JSON}, got ''")),
    ],
    ids=range(13),
)
def test_what_is_odd_is_refused(query: str, kind: str, body: bytes, told: tuple[int, str]) -> None:
    """With the reason."""
    assert told == refused(lambda: arguments_of(request(query, kind), body, ("a", "b")))


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("007", 7), (12, 12)])
def test_a_whole_number(value: Any, number: int) -> None:
    """Digits, or a number."""
    assert number == whole("n", value)


@pytest.mark.parametrize(
    "value", ["", "1.0", "-1", "+1", " 1", "1e3", "0x1", "٣", "0", 0, -1, 1.0, True, None, [1], "9" * 19]
)
def test_no_whole_number(value: Any) -> None:
    """Nothing else is one."""
    assert 400 == refused(lambda: whole("n", value))[0]


@pytest.mark.parametrize(
    ("value", "meant"), [("true", True), ("1", True), (True, True), ("false", False), ("0", False), (0, False)]
)
def test_a_flag(value: Any, meant: bool) -> None:
    """true, false, 1, 0."""
    assert meant is flag("f", value)


@pytest.mark.parametrize("value", ["", "True", "yes", "no", "2", 2, None, [], 1.5])
def test_no_flag(value: Any) -> None:
    """Nothing else is one."""
    assert 400 == refused(lambda: flag("f", value))[0]


@pytest.mark.parametrize(
    ("given", "meant"), [({}, (1, 1)), ({"count": "3"}, (3, 1)), ({"count": 2, "wait": "15"}, (2, 15))]
)
def test_a_sample(given: dict[str, Any], meant: tuple[int, int]) -> None:
    """`count` and `wait`, 1 each where nothing is said."""
    assert meant == sample(given, 30, "")


def test_a_sample_that_takes_too_long_is_told_the_way_out() -> None:
    """Where more is allowed."""
    told = refused(lambda: sample({"count": "17", "wait": "2"}, 30, "ask there"))
    assert (400, "(count - 1) * wait must be 30 seconds at most; ask there") == told


def function(a: int, b: float = 1.0, *, c: bool = False, d: str = "") -> None:
    """Takes some."""


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({"a": "-3"}, {"a": -3}),
        ({"a": 3, "b": "0.5", "c": "true", "d": "x"}, {"a": 3, "b": 0.5, "c": True, "d": "x"}),
    ],
)
def test_arguments_fit_a_signature(given: dict[str, Any], filled: dict[str, Any]) -> None:
    """Texts become what they are annotated as."""
    assert filled == call_of(function, given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "missing a required argument: 'a'"),
        ({"a": "1", "e": "2"}, "got an unexpected keyword argument 'e'"),
        ({"a": "x"}, "a must be a whole number, got 'x'"),
        ({"a": "1", "b": "nan"}, "b must be a number, got 'nan'"),
        ({"a": "1", "b": "x"}, "b must be a number, got 'x'"),
        ({"a": "1", "c": "x"}, "c must be true, false, 1 or 0, got 'x'"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any], told: str) -> None:
    """Before it is called."""
    assert (400, told) == refused(lambda: call_of(function, given))
