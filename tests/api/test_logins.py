"""What is remembered of logins, and how often names have failed: in bounds, by a time that is an argument."""

from __future__ import annotations

import base64

import pytest
from members import basic

from minimon.api.accounts import Row
from minimon.api.logins import FREE, FRESH, LASTS, MOST, WITHIN, Failures, Logins, read_basic

ROW = Row("ann", "Ann", False, "stored")


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "secret"), ("a b", "pass:word"), ("Jürgen", "süß"), ("a%2Fb", ":"), ("日本", "日本")]
)
def test_credentials_are_read(name: str, password: str) -> None:
    """UTF-8, with colons in the password."""
    assert (name, password) == read_basic("basic", basic(name, password))


BROKEN = {
    "empty": "",
    "not base64": "!!!",
    "cut base64": "YTpi" + "Y",
    "not ASCII": "äöü",
    "surrogate": "\ud800",
    "blank within": "YTpi YTpi",
    "not UTF-8": encoded(b"ann:\xff\xfe"),
    "latin-1": encoded("Jürgen:secret".encode("latin-1")),
    "no colon": encoded(b"ann"),
    "no name": encoded(b":secret"),
    "no password": encoded(b"ann:"),
    "nul": encoded(b"ann:sec\0ret"),
    "nul in the name": encoded(b"an\0n:secret"),
    "newline": encoded(b"ann\n:secret"),
    "5 KB": encoded(b"ann:" + b"x" * 5120),
    "5 MB": "A" * 5_000_000,
    "surrogate in UTF-8": encoded(b"ann:\xed\xa0\x80"),
}


@pytest.mark.parametrize("credentials", BROKEN.values(), ids=BROKEN)
def test_broken_credentials_are_nobodys(credentials: str) -> None:
    """They are no error."""
    assert None is read_basic("basic", credentials)


@pytest.mark.parametrize("scheme", ["bearer", "digest", "", "Basic"])
def test_another_scheme_is_nobodys(scheme: str) -> None:
    """Basic alone is known; who asks has it in lower case."""
    assert None is read_basic(scheme, basic("ann", "secret"))


# --- what was right


def right(*names: str, now: float = 0.0) -> Logins:
    """Logins in which these were right."""
    logins = Logins(b"secret")
    for name in names:
        logins.keep(logins.key(name), ROW._replace(username=name), now)
    return logins


def knows(logins: Logins, name: str, now: float = 0.0) -> bool:
    return logins.find(logins.key(name), now) is not None


@pytest.mark.parametrize(("after", "expected"), [(0.0, True), (LASTS - 0.1, True), (LASTS, False), (1e9, False)])
def test_what_was_right_is_so_for_a_minute(after: float, expected: bool) -> None:
    """Then it is verified again."""
    assert expected is knows(right("ann", now=5.0), "ann", 5.0 + after)


def test_digests_mean_nothing_elsewhere() -> None:
    """Each store has a key of its own."""
    assert Logins(b"one").key("ann") != Logins(b"other").key("ann")


def test_of_many_logins_the_oldest_is_forgotten() -> None:
    """There is a bound."""
    logins = right(*(str(number) for number in range(MOST + 1)))
    assert [False, True, True] == [knows(logins, name) for name in ("0", "1", str(MOST))]


def test_a_user_is_dropped() -> None:
    """With all of its credentials, and nobody else."""
    logins = right("ann", "bob")
    logins.drop("ann", "")
    assert [False, True] == [knows(logins, name) for name in ("ann", "bob")]


def test_one_looks_up_and_the_others_go_on() -> None:
    """Twice a second."""
    logins = right("ann")
    fresh = [logins.is_fresh(logins.key("ann"), now) for now in (0.0, FRESH, FRESH, 2 * FRESH)]
    assert [True, False, True, False] == fresh


# --- what was wrong


def failed(times: int, every: float = 0.0) -> Failures:
    """A name that has failed so often, from 0 on."""
    failures = Failures()
    for number in range(times):
        failures.note("ann", number * every)
    return failures


@pytest.mark.parametrize(("times", "expected"), [(0, 0.0), (FREE - 1, 0.0), (FREE, WITHIN - 20.0), (99, WITHIN - 20.0)])
def test_after_ten_failures_there_is_to_be_waited(times: int, expected: float) -> None:
    """Until the first of the last ten is a minute old."""
    assert expected == failed(times).wait("ann", 20.0)


def test_seldom_failures_do_not_add_up() -> None:
    """Ten within a minute count."""
    assert 0.0 == failed(100, every=7.0).wait("ann", 700.0)


def test_others_do_not_wait() -> None:
    """Who has failed waits alone."""
    assert 0.0 == failed(100).wait("bob", 0.0)


def test_of_many_failures_the_oldest_are_forgotten() -> None:
    """A flood of names takes no memory."""
    failures = failed(FREE)
    for number in range(10_000):
        failures.note(str(number), 1.0)
    assert (0.0, MOST) == (failures.wait("ann", 1.0), len(failures._times))
