"""Verifiers: what they are told, against real servers and processes that were never launched."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import Any

import pytest

from minimon.errors import ConfigError
from minimon.processes.verifiers import ExitedVerifier, HttpOkVerifier, Verifier


class StandIn:
    """A process that was never launched; it ends with a code after so many looks."""

    def __init__(self, code: int | None = None, looks: int = 10**9) -> None:
        self.end, self.looks = code, looks
        self.waited: Any = None

    def poll(self) -> int | None:
        """Its code."""
        self.looks -= 1
        return None if self.looks >= 0 else self.end

    def wait(self, timeout: float | None = None) -> int | None:
        """Its code, if it ends at all."""
        self.waited = timeout
        if self.looks > 0:
            raise subprocess.TimeoutExpired("x", timeout or 0.0)
        return self.end


def heard_by(verifier: Verifier, process: Any) -> list[tuple[str, str]]:
    """What it tells in one run."""
    heard: list[tuple[str, str]] = []
    verifier._tell = lambda kind, text: heard.append((kind, text))
    verifier.run(process)
    return heard


def taken(verifier: Verifier, process: Any) -> tuple[bool, float]:
    """What it says, and how long that took."""
    begun = time.monotonic()
    return verifier.run(process), time.monotonic() - begun


# the one to be subclassed


def test_a_verifier_that_says_nothing_passes() -> None:
    """Whatever the process."""
    assert Verifier().run(StandIn())


def test_nobody_needs_to_hear_it() -> None:
    """By itself it may be used in a test."""
    assert Verifier().log_fail("x") is None  # type: ignore[func-returns-value]


def test_what_it_tells_says_what_it_is() -> None:
    """Tries that fail, and details."""
    heard: list[tuple[str, str]] = []
    verifier = Verifier()
    verifier._tell = lambda kind, text: heard.append((kind, text))
    verifier.log_fail("a"), verifier.log_verbose("b")
    assert [("verifier.fail", "Verifier fail: a"), ("verifier.verbose", "Verifier: b")] == heard


# an answer over HTTP


def test_an_answer_passes(rogue: Any) -> None:
    """2xx."""
    assert HttpOkVerifier(url=rogue("ok").url).run(StandIn())


def test_its_headers_are_sent(rogue: Any) -> None:
    """With each try."""
    server = rogue("ok")
    HttpOkVerifier(url=server.url, headers={"X-One": "two"}).run(StandIn())
    assert "two" == server.requests[0].headers["X-One"]


def test_it_tries_until_it_is_answered(rogue: Any) -> None:
    """The second answer is a good one."""
    server = rogue("flaky", codes=(503, 200))
    assert HttpOkVerifier(url=server.url, interval=0.01).run(StandIn())


def test_it_says_what_was_wrong_with_a_try(rogue: Any) -> None:
    """And that it tries."""
    server = rogue("flaky", codes=(503, 200))
    heard = heard_by(HttpOkVerifier(url=server.url, interval=0.01), StandIn())
    kinds = ["verifier.verbose", "verifier.fail", "verifier.verbose"]
    assert (kinds, True) == ([kind for kind, _ in heard], "503" in heard[1][1])


def test_it_rests_between_two_tries(rogue: Any) -> None:
    """A server that comes up is not flooded."""
    server = rogue("ok", status=503)
    HttpOkVerifier(url=server.url, interval=0.1, timeout=0.35).run(StandIn())
    assert 2 <= len(server.requests) <= 4


@pytest.mark.parametrize("behaviour", ["redirect_loop", "silent", "delay", "reset", "garbage"])
def test_a_bad_server_fails_in_time(rogue: Any, behaviour: str) -> None:
    """One that redirects for ever, hangs, or answers byte by byte."""
    passed, seconds = taken(HttpOkVerifier(url=rogue(behaviour).url, timeout=0.15, interval=0.05), StandIn())
    assert (False, True) == (passed, seconds < 0.8)


def test_a_server_that_was_slow_at_first_passes(rogue: Any) -> None:
    """Within its time."""
    assert HttpOkVerifier(url=rogue("delay", seconds=0.2).url, timeout=5).run(StandIn())


def test_a_try_may_take_a_second_at_least(rogue: Any) -> None:
    """Though tries come sooner."""
    assert HttpOkVerifier(url=rogue("delay", seconds=0.2).url, timeout=5, interval=0.01).run(StandIn())


def test_nobody_who_listens_fails_in_time() -> None:
    """The connection is refused, again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    passed, seconds = taken(HttpOkVerifier(url=f"http://127.0.0.1:{port}/", timeout=0.2, interval=0.05), StandIn())
    assert (False, True) == (passed, 0.2 <= seconds < 1.0)


def test_it_does_not_wait_for_a_process_that_has_ended(rogue: Any) -> None:
    """Though its time is not over."""
    verifier = HttpOkVerifier(url=rogue("ok", status=503).url, timeout=30, interval=0.01)
    passed, seconds = taken(verifier, StandIn(0, looks=2))
    assert (False, True) == (passed, seconds < 2.0)


def test_an_answer_of_somebody_else_is_none(rogue: Any) -> None:
    """The process has ended: whoever answers is another one."""
    assert not HttpOkVerifier(url=rogue("ok").url).run(StandIn(1, looks=0))


def test_a_secret_of_its_address_is_not_told(rogue: Any) -> None:
    """Neither when it tries, nor when it fails."""
    url = rogue("ok", status=503).url.replace("//", "//me:secret@")
    assert "secret" not in str(heard_by(HttpOkVerifier(url=url, timeout=0.1), StandIn()))


def test_one_verifier_may_run_many_times(rogue: Any) -> None:
    """After each launch."""
    verifier = HttpOkVerifier(url=rogue("ok").url)
    assert [True, True] == [verifier.run(StandIn()), verifier.run(StandIn())]


# an end


@pytest.mark.parametrize(
    ("expected", "code", "passes"),
    [(0, 0, True), (0, 1, False), (3, 3, True), (3, 0, False), (-9, -9, True), (0, None, False)],
)
def test_an_end_passes_by_its_code(expected: int, code: int | None, passes: bool) -> None:
    """One that was lost never does."""
    assert passes is ExitedVerifier(expect_code=expected).run(StandIn(code, looks=0))


def test_another_code_is_told() -> None:
    """Beside the expected one."""
    assert [("verifier.fail", "Verifier fail: Expected exit code 0, got 3")] == heard_by(
        ExitedVerifier(), StandIn(3, looks=0)
    )


def test_no_end_in_time_is_told() -> None:
    """With the time."""
    said = "Verifier fail: Process did not exit in given timeframe 0.5s"
    assert [("verifier.fail", said)] == heard_by(ExitedVerifier(timeout=0.5), StandIn())


def test_it_waits_as_long_as_it_was_told() -> None:
    """And no longer."""
    process = StandIn(0, looks=0)
    ExitedVerifier(timeout=7).run(process)
    assert 7.0 == process.waited


# what is refused

URL = "http://localhost/"


HUGE = pytest.param(10**400, id="huge")


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e300, "1", None, True, HUGE])
@pytest.mark.parametrize("key", ["timeout", "interval"])
def test_times_are_seconds(key: str, value: Any) -> None:
    """More than none."""
    with pytest.raises(ConfigError, match=f"HttpOkVerifier: {key} must be seconds > 0, got "):
        HttpOkVerifier(url=URL, **{key: value})


@pytest.mark.parametrize(
    ("kind", "options"), [(HttpOkVerifier, {"url": URL, "timout": 1}), (ExitedVerifier, {"timout": 1})]
)
def test_unknown_arguments_are_refused(kind: type[Verifier], options: dict[str, Any]) -> None:
    """With the one that was meant."""
    with pytest.raises(ConfigError, match=f"{kind.__name__}: unknown argument 'timout'; did you mean 'timeout'?"):
        kind(**options)


@pytest.mark.parametrize("url", ["", "localhost", "ftp://x/", "tcp://x:1", None, 1, "http://", dict, lambda: True, []])
def test_a_url_is_an_address_of_http(url: Any) -> None:
    """Nothing else that a check would take."""
    with pytest.raises(ConfigError, match="HttpOkVerifier: "):
        HttpOkVerifier(url=url)


@pytest.mark.parametrize("headers", ["abc", 1, ["a"], [1], {"a\n": "b"}, {"a": "b\r\nc: d"}, {1: 2}])
def test_headers_are_a_dict(headers: Any) -> None:
    """Of what can be sent."""
    with pytest.raises(ConfigError, match="HttpOkVerifier: "):
        HttpOkVerifier(url=URL, headers=headers)


@pytest.mark.parametrize("code", ["0", None, True, 0.0])
def test_a_code_is_a_whole_number(code: Any) -> None:
    """Nothing that looks like one."""
    with pytest.raises(ConfigError, match="ExitedVerifier: expect_code must be a whole number, got "):
        ExitedVerifier(expect_code=code)


def test_a_long_interval_ends_with_the_time(rogue: Any) -> None:
    """Though it is longer."""
    passed, seconds = taken(HttpOkVerifier(url=rogue("ok", status=503).url, timeout=0.1, interval=1e8), StandIn())
    assert (False, True) == (passed, seconds < 1.0)
