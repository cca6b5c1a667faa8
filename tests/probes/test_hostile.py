"""Targets that are hostile or broken: each has its verdict, in time and in bounded memory. The table is hostile.py."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hostile import CASES, Seen, polled, served, soaked

from minimon import Check, ConfigError, probe
from minimon.testing import RogueServer

if not hasattr(os, "fork"):
    pytest.skip("the polls are processes that are forked from one", allow_module_level=True)

SLACK = 1.0
MOST = 8192
"""KiB that a poll may take, beyond one that goes well."""


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """Where their servers listen."""
    with served() as found:
        yield found


@pytest.fixture(scope="module")
def polls(places: dict[str, str]) -> tuple[dict[str, Seen], str]:
    """All cases, polled once; what came of each, and what was said meanwhile."""
    return polled(places)


@pytest.fixture
def seen(polls: tuple[dict[str, Seen], str]) -> dict[str, Seen]:
    """What came of each case."""
    return {name: polls[0].get(name, Seen("died", "", "no report", 0.0, None)) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_right(seen: dict[str, Seen], name: str) -> None:
    """Whatever the target does, the outcome and its reason are those of the table."""
    expected, came = CASES[name].expected, seen[name]
    assert expected == (came.outcome, came.reason), came.detail


def test_the_deadline_is_kept(seen: dict[str, Seen]) -> None:
    """No target holds a poll beyond its timeout."""
    assert {} == {name: came for name, came in seen.items() if came.elapsed >= CASES[name].timeout + SLACK}


def test_memory_is_bounded(seen: dict[str, Seen]) -> None:
    """No target makes a poll take more than 8 MiB, as far as it can be seen."""
    assert {} == {name: came for name, came in seen.items() if (came.grown or 0) > MOST}


def test_a_failure_is_explained_in_one_line(seen: dict[str, Seen]) -> None:
    """The detail of a failed poll is there, printable, and tells no secret."""
    told = {name: came.detail for name, came in seen.items() if CASES[name].expected[0] == "fail"}
    assert {} == {name: text for name, text in told.items() if not text.isprintable() or not text or "s3cret" in text}


@pytest.mark.parametrize(
    ("phase", "name"),
    [
        ("connect", "silent: full listen queue"),
        ("tls", "silent: TLS"),
        ("tls", "drip: TLS handshake"),
        ("sending", "silent: nobody reads a large request"),
        ("headers", "silent"),
        ("headers", "drip: status line"),
        ("headers", "drip: headers"),
        ("headers", "drip: interim answers"),
        ("body", "drip: body of a known length"),
        ("body", "drip: chunks"),
        ("body", "drip: trailers"),
    ],
)
def test_a_timeout_names_its_phase(seen: dict[str, Seen], phase: str, name: str) -> None:
    """The detail begins with what was under way at the deadline."""
    assert phase == seen[name].detail.partition(":")[0].partition(" ")[0], seen[name].detail


def test_nothing_is_said(polls: tuple[dict[str, Seen], str]) -> None:
    """No target makes us write to the standard error of the host: no warning, no traceback, no unclosed socket."""
    assert "" == polls[1]


# Addresses that cannot work


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://host/a{blank}b" for blank in "\0\t\n\r\x1b \x7f\x85\xa0\u2028"),
        "http://ho\rst/",
        "http://host /",
        " http://host/",
        "http://host/ ",
        "http://host\n",
        "http://%0d%0a/",
        "http://host%0d%0aX-Evil:%20y/",
        "http://host%00/",
        "http://[::1/",
        "http://::1/",
        "http://[::1]x/",
        "http://[::g]/",
        "http://[1.2.3.4]/",
        "http://[]/",
        "http://" + "x" * 64 + ".internal/",
        "http://" + "x." * 150 + "internal/",
        "http://" + "ü" * 64 + ".internal/",
        "http://a..b/",
        "http://.a/",
        "http://a_b!/",
        "http://tom:s3cret@/",
        "http://tom:s3cret@:80/",
        "http://host:-1/",
        "http://host:+80/",
        "http://host:8_0/",
        "http://host:\xb2/",
        "http://host:65536/",
        "http:/host/",
        "http:host",
        "//host/",
        "unix:///run/x",
    ],
    ids=lambda url: ascii(url)[:40],
)
def test_an_address_that_cannot_work_is_refused(url: str) -> None:
    """It is an error when the check is made, which names the check and `target`, and tells no secret."""
    with pytest.raises(ConfigError) as caught:
        Check("search", url)
    told = str(caught.value)
    assert (True, True, False) == (told.startswith("check 'search': "), "target" in told, "s3cret" in told)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://127.0.0.1:{}", "/"),
        ("http://127.0.0.1:{}?a=b", "/?a=b"),
        ("http://127.0.0.1:{}#there", "/"),
        ("http://tom:s3cret@127.0.0.1:{}/x", "/x"),
        ("http://tom@home:s3cret@127.0.0.1:{}/x", "/x"),
        ("HTTP://LocalHost:{}/X", "/X"),
        ("http://127.0.0.1:{}/ü%20%zz?ß", "/%C3%BC%20%zz?%C3%9F"),
        ("http://127.0.0.1:{}//x/../y", "//x/../y"),
        ("http://127.0.0.1:{}/%0d%0aX-Evil:%20y", "/%0d%0aX-Evil:%20y"),
    ],
)
def test_an_unusual_address_works(address: str, path: str) -> None:
    """No path, a login, capitals, a final dot, what must be quoted: the target is asked as it was meant."""
    with RogueServer("ok") as server:
        result = probe(address.format(server.port))
        assert ("pass", [path]) == (result.outcome, [request.path for request in server.requests]), result.detail


@pytest.mark.parametrize(
    ("host", "name"), [("bücher.invalid", "xn--bcher-kva.invalid"), ("日本.invalid", "xn--wgv71a.invalid")]
)
def test_a_name_beyond_ascii_is_looked_up_in_ascii(host: str, name: str) -> None:
    """The resolver is asked for the encoded name."""
    result = probe(f"http://{host}/")
    assert ("dns", True) == (result.reason, name in result.detail), result.detail


# Again and again


@pytest.mark.parametrize(("settle", "polls"), [(1600, 700), pytest.param(20_000, 80_000, marks=pytest.mark.long)])
def test_polls_leave_nothing(places: dict[str, str], settle: int, polls: int) -> None:
    """Once all kinds of target were met, more polls, a third of them hostile, take no memory, thread or descriptor."""
    before, after, wrong = soaked(places, settle, polls, timeout=900.0)
    grown = (after.memory or 0) - (before.memory or 0)
    idle = 2  # connections that are kept: one more, or one less
    assert ([], before.threads) == (wrong, after.threads)
    assert (True, True) == (after.descriptors <= before.descriptors + idle, grown <= 2048), (before, after)
