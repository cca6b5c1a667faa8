"""The values of a poll: what they hold, how they compare, that they cannot be changed and can be sent."""

from __future__ import annotations

import encodings
import json
import pickle
import sys
import time
from types import MappingProxyType
from typing import Any

import pytest
from support import python

from minimon.model import (
    REASONS,
    Change,
    CheckState,
    Counts,
    Fault,
    Headers,
    Outcome,
    Response,
    Result,
    Status,
    Streak,
)

FULL = Result("search", Outcome.WARN, "condition", "too slow", 12.5, 0.25, {"connect": 0.1}, 200)

# words


@pytest.mark.parametrize(
    ("words", "expected"),
    [(Status, ["unknown", "up", "degraded", "down"]), (Outcome, ["pass", "warn", "fail", "unknown"])],
)
def test_the_words_are_these(words: Any, expected: list[str]) -> None:
    """Status and Outcome are closed sets."""
    assert expected == [word.value for word in words]


@pytest.mark.parametrize("word", [*Status, *Outcome])
def test_a_word_equals_its_text(word: Status | Outcome) -> None:
    """A host compares with a plain text, in a dict too."""
    assert (True, 1) == (word == word.value, {word.value: 1}[word])


@pytest.mark.parametrize("word", [*Status, *Outcome])
def test_a_word_is_written_as_its_text(word: Status | Outcome) -> None:
    """str, f-strings, % and JSON show the value, on every version of Python."""
    text = word.value
    assert [text, text, f"{text:>9}", text, f'"{text}"'] == [
        str(word),
        f"{word}",
        f"{word:>9}",
        "%s" % word,  # noqa: UP031
        json.dumps(word),
    ]


@pytest.mark.parametrize("word", [*Status, *Outcome])
def test_a_word_stays_itself_on_its_way(word: Status | Outcome) -> None:
    """`is` holds after pickle."""
    assert word is pickle.loads(pickle.dumps(word))


def test_the_reasons_are_a_closed_set() -> None:
    """These and no others are reasons of a Result."""
    told = (
        "dns connect tls timeout protocol truncated status condition too_large exception stale lost cancelled skipped"
    )
    assert sorted(told.split()) == sorted(REASONS)


def test_every_reason_has_a_meaning() -> None:
    """The table can be printed: a text of one line each."""
    assert [] == [reason for reason, meaning in REASONS.items() if not meaning or "\n" in meaning]


# values


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (Result, "name outcome reason detail when elapsed phases status_code"),
        (CheckState, "name status since streak counts last paused explanation"),
        (Change, "name check before after result"),
        (Fault, "kind detail"),
        (Streak, "outcome n"),
    ],
)
def test_values_have_the_promised_fields(value: Any, fields: str) -> None:
    """The names that hosts use are there, in this order."""
    assert fields.split() == [field for field in value._fields if field in fields.split()]


@pytest.mark.parametrize(
    "value",
    [FULL, CheckState("search"), Change("search", None, None, None, FULL), Fault("dns"), Streak(), Counts()],  # type: ignore[arg-type]
)
def test_values_cannot_be_changed(value: Any) -> None:
    """Other threads may read them without a lock."""
    with pytest.raises(AttributeError):
        setattr(value, value._fields[0], "other")


@pytest.mark.parametrize(
    ("outcome", "ok"),
    [(Outcome.PASS, True), (Outcome.WARN, True), (Outcome.FAIL, False), (Outcome.UNKNOWN, False)],
)
def test_pass_and_warn_are_ok(outcome: Outcome, ok: bool) -> None:
    """`.ok` tells whether the target answered as it should, warnings included."""
    assert ok is Result("search", outcome).ok


def test_a_passed_result_has_no_reason() -> None:
    """Reason and detail are empty, and without HTTP there is no code."""
    result = Result("search", Outcome.PASS)
    assert ("", "", None) == (result.reason, result.detail, result.status_code)


def test_a_fresh_state_knows_nothing() -> None:
    """Before the first run the status is unknown, and nothing is counted."""
    state = CheckState("search")
    assert (Status.UNKNOWN, Streak(Outcome.UNKNOWN, 0), (0, 0, 0, 0), (), None, False, "") == (
        state.status,
        state.streak,
        state.counts,
        state.reasons,
        state.last,
        state.paused,
        state.explanation,
    )


def test_a_result_goes_through_json() -> None:
    """plain() is data that JSON carries, and Result.of reads it back."""
    assert FULL == Result.of(json.loads(json.dumps(FULL.plain())))


def test_a_result_goes_through_pickle() -> None:
    """Another process may send it, its outcome still the same object."""
    came = pickle.loads(pickle.dumps(FULL))
    assert (FULL, Outcome.WARN) == (came, came.outcome)
    assert came.outcome is Outcome.WARN


def test_a_plain_result_is_plain_throughout() -> None:
    """Phases may be any mapping; what plain() gives is a dict."""
    plain = FULL._replace(phases=MappingProxyType({"connect": 0.1})).plain()
    assert '{"connect": 0.1}' == json.dumps(plain["phases"])


def test_a_plain_outcome_is_a_plain_text() -> None:
    """No type of ours is in the data."""
    assert str is type(FULL.plain()["outcome"])


# headers


def test_headers_are_found_in_any_case() -> None:
    """Names of headers have no case (RFC 9110, 5.1)."""
    assert "a" == Headers([("Content-Type", "a")])["cONTENT-tYPE"]


def test_a_repeated_header_gives_the_first() -> None:
    """A look-up gives one text; get_all has the others in order."""
    headers = Headers([("Via", "1"), ("Date", "x"), ("via", "2")])
    assert ("1", ["1", "2"]) == (headers["via"], headers.get_all("VIA"))


def test_a_missing_header_is_a_missing_key() -> None:
    """It behaves as a dict does, and get_all is empty."""
    headers = Headers()
    with pytest.raises(KeyError):
        headers["date"]
    assert (None, [], False) == (headers.get("date"), headers.get_all("date"), "date" in headers)


def test_headers_are_counted_by_name() -> None:
    """Repeats are one name, in whatever case."""
    headers = Headers([("Via", "1"), ("Date", "x"), ("VIA", "2")])
    assert (2, ["via", "date"]) == (len(headers), list(headers))


def test_headers_cannot_be_changed() -> None:
    """They are a Mapping, and no more."""
    assert not hasattr(Headers(), "__setitem__")


@pytest.mark.parametrize("given", [{"A": "1"}, [("A", "1")], Headers([("A", "1")])])
def test_a_response_takes_headers_in_any_form(given: Any) -> None:
    """A mapping, pairs, or Headers themselves."""
    assert "1" == Response(200, headers=given).headers["a"]


# responses


def test_a_response_of_nothing_has_no_code() -> None:
    """That is a connection, or a callable that returned None."""
    response = Response()
    assert (None, b"", "", None, None, "", 0.0, None) == (
        response.status_code,
        response.body,
        response.text,
        response.value,
        response.error,
        response.reason_phrase,
        response.elapsed,
        response.phases,
    )


def test_a_body_may_be_given_as_text() -> None:
    """Tests of hosts write it so; it is UTF-8."""
    assert "grün".encode() == Response(200, "grün").body


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("", "grün".encode(), "grün"),
        ("text/plain", "grün".encode(), "grün"),
        ("text/plain; charset=latin-1", "grün".encode("latin-1"), "grün"),
        ('text/plain; format=flowed; Charset="ISO-8859-1"', "grün".encode("latin-1"), "grün"),
        ("text/plain; charset=utf-16", "grün".encode("utf-16"), "grün"),
        ("text/plain; charset=nonsense", "grün".encode(), "grün"),
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("text/plain; charset=zlib", b"abc", "abc"),
        ("text/plain; charset=a\0b", b"abc", "abc"),
        ("text/plain; charset=", b"abc", "abc"),
        ("text/plain; charset=undefined", b"abc", "abc"),
        ("text/plain", b"a\xffb", "a\ufffdb"),
    ],
)
def test_text_is_decoded_and_never_fails(content_type: str, body: bytes, text: str) -> None:
    """The charset of Content-Type decides; an impossible one is UTF-8, and what does not decode is replaced."""
    assert text == Response(200, body, {"Content-Type": content_type}).text


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("punycode", b"bcher-kva"),
        ("idna", b"xn--bcher-kva"),
        ("unicode_escape", rb"\u0041"),
        ("Unicode-Escape", rb"\u0041"),
        ("raw_unicode_escape", rb"\u0041"),
        ("rot13", b"abc"),
        ("rot_13", b"abc"),
        ("hex", b"6162"),
        ("base64", b"YWJj"),
        ("uu", b"abc"),
        ("bz2", b"abc"),
    ],
)
def test_a_charset_that_is_for_no_texts_is_not_obeyed(charset: str, body: bytes) -> None:
    """Python has codecs that are no charsets, and some of them take long: the body is UTF-8 then."""
    assert body.decode() == Response(200, body, {"Content-Type": f"text/plain; charset={charset}"}).text


@pytest.mark.parametrize("name", ["x" * 60_000, "no-such-charset", "utf-8-" + "9" * 100])
def test_the_names_of_charsets_are_not_remembered(name: str) -> None:
    """A target that makes up a new one each time does not make Python's list of them grow."""
    before = len(encodings._cache)
    texts = {Response(200, b"OK", {"Content-Type": f"text/plain; charset={name}{n}"}).text for n in range(20)}
    assert ({"OK"}, before) == (texts, len(encodings._cache))


def test_text_is_decoded_once() -> None:
    """Several conditions may look at it."""
    response = Response(200, "grün".encode())
    assert response.text is response.text


def test_another_body_is_another_text() -> None:
    """A Probe of the host may replace it, when it has looked at it too."""
    response = Response(200, b"before")
    before, response.body = response.text, b"after"
    assert ("before", "after") == (before, response.text)


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"{}", {}), (b"[1, 2.5]", [1, 2.5]), (b"null", None), (b'"x"', "x"), (b"\xef\xbb\xbf{}", {}), (b"1e308", 1e308)],
)
def test_json_is_read(body: bytes, value: Any) -> None:
    """Any JSON value is one, after a byte order mark too."""
    assert value == Response(200, body).json()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"\xff",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"[-1e999]",
        b"9" * 5_000,
        b"[" * 200_000,
        "{}".encode("utf-16"),
    ],
    ids=lambda body: f"{body[:12]!r}",
)
def test_what_is_not_json_is_a_value_error(body: bytes) -> None:
    """Infinite numbers, endless digits and endless nesting among it."""
    with pytest.raises(ValueError):
        Response(200, body).json()


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_may_have_so_many_digits(sign: str) -> None:
    """As many as Python takes by default."""
    assert int(sign + "9" * 4300) == Response(200, f"[{sign}{'9' * 4300}]").json()[0]


@pytest.mark.parametrize("name", ["ansi", "mbcs", "dbcs", "oem", "rot13"])
def test_a_charset_without_a_codec_is_utf_8(name: str) -> None:
    """Some names of Python's have one on Windows only."""
    assert "grün" == Response(200, "grün", {"Content-Type": f"text/plain; charset={name}"}).text


@pytest.mark.parametrize(
    ("value", "document"), [(None, None), ((1, (2,)), [1, [2]]), ({"a": (1,)}, {"a": [1]}), (False, False), (0, 0)]
)
def test_what_a_callable_returned_is_its_document(value: Any, document: Any) -> None:
    """As JSON has it: tuples are lists, and nothing is null."""
    assert document == Response(value=value).document


def test_bytes_of_a_callable_are_its_text() -> None:
    """As UTF-8."""
    assert "grün" == Response(value="grün".encode()).text


def test_no_body_is_an_empty_one() -> None:
    """A Probe of a host may give None."""
    assert (b"", "") == (Response(200, None).body, Response(200, None).text)


@pytest.mark.parametrize("body", ["9" * 4301, f'{{"a": [{"9" * 500_000}]}}'], ids=["4301", "500000"])
def test_a_number_of_more_digits_is_refused_at_once(body: str) -> None:
    """With words of its own."""
    begun = time.monotonic()
    with pytest.raises(ValueError, match=f"a number of {body.count('9')} digits is too long"):
        Response(200, body).json()
    assert time.monotonic() - begun < 1.0


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="this Python has no limit to lift")
def test_a_host_without_a_limit_of_digits_is_not_held_up() -> None:
    """It may have lifted Python's for its own purposes; a target's number is refused all the same."""
    script = """
import sys, time
sys.set_int_max_str_digits(0)
from minimon.model import Response
begun = time.monotonic()
try:
    Response(200, "9" * 1_000_000).json()
except ValueError as error:
    print(error, time.monotonic() - begun < 1.0)
"""
    assert "a number of 1000000 digits is too long True\n" == python(script).stdout


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (Response(200, b"OK"), "<Response 200 '2 bytes'>"),
        (Response(value=False), "<Response - False>"),
        (Response(error=Fault("dns", "x")), "<Response - Fault(kind='dns', detail='x')>"),
    ],
)
def test_a_response_shows_what_was_seen(response: Response, text: str) -> None:
    """Its repr names the code and the size, the value or the fault."""
    assert text == repr(response)


def test_the_body_stays_out_of_the_repr() -> None:
    """A body or a header may hold a secret."""
    assert "s3cret" not in repr(Response(200, b"s3cret", {"Set-Cookie": "s3cret"}))


def test_a_repr_is_short() -> None:
    """However long the value of a callable is."""
    assert len(repr(Response(value="x" * 1_000_000))) < 200
