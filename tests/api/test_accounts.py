"""What names and passwords may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimon import ConfigError
from minimon.api.accounts import Row, check_admin, check_fullname, check_password, check_username, to_look_up

ODD: dict[str, tuple[Any, str]] = {
    "none": (None, "must be a text"),
    "number": (5, "must be a text"),
    "bytes": (b"a", "must be a text"),
    "empty": ("", "must not be empty"),
    "long": ("a" * 1025, "must have at most"),
    "huge": ("a\u0301" * 10_000_000, "must have at most"),
    "nul": ("a\0", "must have no control characters"),
    "newline": ("a\nb", "must have no control characters"),
    "escape": ("\x1b[31m", "must have no control characters"),
    "c1": ("a\x85", "must have no control characters"),
    "surrogate": ("\ud800", "halves of surrogate pairs"),
    "line separator": ("a\u2028b", "must have no control characters"),
}


@pytest.mark.parametrize("check", [check_username, check_fullname, check_password], ids=["user", "full", "password"])
@pytest.mark.parametrize(("value", "message"), ODD.values(), ids=ODD)
def test_what_is_no_text_is_refused(check: Callable[[object], str], value: object, message: str) -> None:
    """Each is told by its own name, without the value."""
    with pytest.raises(ConfigError, match=f"^(username|fullname|password) .*{message}"):
        check(value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a:b", "must have no colon: Basic authentication"),
        ("a/b", "must have no slash"),
        (".", r"must .* not be \. or \.\."),
        ("..", r"must .* not be \. or \.\."),
        (" a", "without blanks around"),
        ("a ", "without blanks around"),
        (" ", "without blanks around"),
        ("a\u200bb", "must be printable"),
        ("a\u202eb", "must be printable"),
        ("a\u00a0b", "must be printable"),
        ("a" * 129, "at most 128"),
    ],
)
def test_what_cannot_be_a_name_is_refused(name: str, message: str) -> None:
    """It stands in paths, in headers and in what people read."""
    with pytest.raises(ConfigError, match=f"^username .*{message}"):
        check_username(name)


@pytest.mark.parametrize(
    "name", ["a", "a b", "Jürgen", "a@b.c", "a%2Fb", "..a", "日本", "a" * 128, "'; DROP TABLE users"]
)
def test_a_name_may_be_many_things(name: str) -> None:
    """Blanks within, umlauts, signs."""
    assert name == check_username(name)


@pytest.mark.parametrize("password", [" ", "a:b", "a/b", "  a  ", "👩‍💻", "a" * 1024])
def test_a_password_may_be_nearly_anything(password: str) -> None:
    """Blanks around it are its own."""
    assert password == check_password(password)


@pytest.mark.parametrize("check", [check_username, check_fullname, check_password], ids=["user", "full", "password"])
def test_two_ways_to_write_one_letter_are_the_same(check: Callable[[object], str]) -> None:
    """An ü of one keyboard is that of another."""
    assert "J\u00fcrgen" == check("Ju\u0308rgen")


@pytest.mark.parametrize("value", ["true", "false", 0, 1, None, ""])
def test_an_admin_is_true_or_false(value: object) -> None:
    """The text false once made an admin."""
    with pytest.raises(ConfigError, match="admin must be true or false"):
        check_admin(value)


@pytest.mark.parametrize("name", [None, "", "a/b", "\ud800", "a" * 500])
def test_nobody_has_a_name_that_cannot_be(name: Any) -> None:
    """To look for it finds nobody, and is no error."""
    assert "" == to_look_up(name)


def test_others_do_not_see_the_hash() -> None:
    """What leaves the store has no password in it."""
    assert ("a", "A", True) == tuple(Row("a", "A", True, "scrypt$...").user)
