"""Any value as a line of text for people: printable, short, without secrets."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from minimon.text import is_secret, masked, quoted, scrub, short, written


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a\nb\x1b[31m\u2028c\0", "a b [31m c "),
        ("\ud800", " "),
        (ValueError("why\n"), "why "),
        (ValueError(), ""),
        (KeyError("key"), "'key'"),
    ],
)
def test_a_text_is_one_line(text: object, line: str) -> None:
    """Control characters, line ends and lone surrogates become blanks."""
    assert line == short(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /a/b?token=s3cret&x=y HTTP/1.1", "GET /a/b?token=***&x=*** HTTP/1.1"),
        ("no such page: '/a?token=s3cret'", "no such page: '/a?token=***'"),
        ("/?a=s3cret", "/?a=***"),
        ("is a=b? yes", "is a=b? yes"),
        ("a/b&c=d", "a/b&c=d"),
        ("?a=b", "?a=b"),
    ],
)
def test_a_query_is_masked_after_a_path_too(text: str, masked: str) -> None:
    """A target may repeat what it was asked for; a text without a path and a query stays as it is."""
    assert (masked, masked) == (scrub(text), short(text))


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", "'plain'"),
        ("", "''"),
        ("a\nb\x1b[31m\u2028c\0", r"'a\nb\x1b[31m\u2028c\x00'"),
        ("\ud800", r"'\ud800'"),
        (5, "5"),
        (["a"], "['a']"),
        (None, "None"),
        (b"\xff", r"b'\xff'"),
    ],
)
def test_a_value_is_one_line(value: object, line: str) -> None:
    """As Python writes it, so that a text is told from a number, and nothing from an empty text."""
    assert line == quoted(value)


@pytest.mark.parametrize("show", [short, quoted, written])
def test_a_long_value_is_cut(show: Callable[..., str]) -> None:
    """The sign at the end tells that there was more."""
    line = show("x" * 1_000)
    assert (120, "x…") == (len(line), line[-2:])


@pytest.mark.parametrize(("show", "length"), [(short, 120), (quoted, 118), (written, 118)])
def test_a_value_that_fits_is_not_cut(show: Callable[..., str], length: int) -> None:
    """The limit itself is allowed."""
    assert "…" not in show("x" * length)


class Odd(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize("show", [short, quoted, written])
def test_a_value_that_cannot_be_shown_is_named(show: Callable[..., str]) -> None:
    """A __repr__ or a __str__ of the host may raise."""
    assert "<Odd>" == show(Odd())


@pytest.mark.parametrize("show", [short, quoted, written])
def test_a_line_is_always_printable(show: Callable[..., str]) -> None:
    """Whatever text comes, one printable line of at most the limit comes out."""
    chance = random.Random(2)
    texts = ["".join(chr(chance.randrange(0x11000)) for _ in range(chance.randrange(200))) for _ in range(200)]
    lines = [show(text, 50) for text in texts]
    assert [] == [line for line in lines if not line.isprintable() or len(line) > 50]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", '"plain"'),
        ("a\nb", r'"a\nb"'),
        ("größer", '"größer"'),
        (None, "null"),
        ([1, True, 1.5, {"a": "b"}], '[1, true, 1.5, {"a": "b"}]'),
        ((1,), "[1]"),
        (
            {
                1,
            },
            "{1}",
        ),
        ("http://u:p@h/?a=b", '"http://***@h/?a=***"'),
    ],
)
def test_a_value_is_written_as_json(value: object, line: str) -> None:
    """As the target wrote it; what is no JSON as Python writes it."""
    assert line == written(value)


def test_of_a_large_value_only_the_beginning_is_written() -> None:
    """It takes no time, and no memory."""
    assert "[0, 1, 2, 3, 4, 5, …" == written(range_list := list(range(3_000_000)), 20) and range_list[-1] == 2_999_999


def test_a_value_too_deep_to_be_written_is_shown_somehow() -> None:
    """Nothing is raised on the way to an explanation."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert written(deep)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it was s3cret-word.", "it was ***."),
        ("s3cret-words3cret-word", "******"),
        ("it was s3cret-w…", "it was ***…"),
        ("it was s3cr… or s3cret-word", "it was ***… or ***"),
        ("it was s3c…", "it was s3c…"),
        ('{"a": "qu\\"ote\\\\d"}', '{"a": "***"}'),
        ("'qu\"ote\\\\d'", "'***'"),
        ("nothing", "nothing"),
    ],
)
def test_what_was_sent_is_masked(text: str, shown: str) -> None:
    """Whole, escaped as JSON and Python do, or cut."""
    assert shown == masked(text, ("s3cret-word", 'qu"ote\\d'))


@pytest.mark.parametrize(
    ("name", "secret"),
    [("Set-Cookie", True), ("X-Api-Key", True), ("$.user.password", True), ("X-JWT", True), ("X-Hub-Signature", True),
     ("Content-Type", False), ("$.jobs[0].state", False)],
)  # fmt: skip
def test_some_names_are_of_secrets(name: str, secret: bool) -> None:
    """By what stands in them."""
    assert secret is is_secret(name)


def test_a_url_with_escaped_slashes_is_masked() -> None:
    """As some programs write their JSON."""
    assert '{"u": "https:\\/\\/***@h"}' == scrub('{"u": "https:\\/\\/u:s3cret@h"}')
