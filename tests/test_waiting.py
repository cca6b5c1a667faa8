"""Waiting: until it holds, within the deadline, at the target's pace, or until somebody says stop."""

from __future__ import annotations

import asyncio
import email.utils
import math
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minimon import (
    Alarm,
    Check,
    ConfigError,
    Fault,
    LifecycleError,
    Monitor,
    Probe,
    Response,
    UnknownCheckError,
    WaitCancelled,
    WaitTimeout,
    harnessed,
    wait_for,
)
from minimon.testing import RogueServer
from minimon.waiting import Attempt, Pace

SOON = {"interval": 0.001, "timeout": 20.0}
"""So that many tries take no time."""


class Script(Probe):
    """Answers in turn, the last for ever; notes the timeouts that it was given."""

    def __init__(self, *answers: Response | BaseException) -> None:
        self.answers, self.timeouts = list(answers), []

    def __call__(self, timeout: float) -> Response:
        self.timeouts.append(timeout)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def ok(body: str = "", **options: Any) -> Response:
    """A good answer."""
    return Response(200, body, **options)


REFUSED = Response(error=Fault("connect", "connect: refused"))


# Until


@pytest.mark.parametrize(
    ("answers", "until", "tries"),
    [
        ([ok()], None, 1),
        ([Response(500), Response(404), ok()], None, 3),
        ([REFUSED, ok()], None, 2),
        ([ok("a"), ok("b")], {"text": "b"}, 2),
        ([ok('{"s": 1}'), ok('{"s": 2}')], {"jsonpath": {"$.s": {"ge": 2}}}, 2),
        ([ok("a"), ok("b")], [{"text": "c"}, {"text": "b"}], 2),
        ([ok("a"), ok("b")], lambda response: response.text == "b", 2),
        ([REFUSED, Response(500)], {"text": ""}, 2),
    ],
)
def test_it_asks_until_it_is_met(answers: list[Response], until: Any, tries: int) -> None:
    """The Response that met it is returned, and says how many tries it took."""
    assert tries == wait_for(Script(*answers), until, **SOON).attempts


def test_it_waits_for_a_callable() -> None:
    """A false value is none yet; what it returns at last is there."""
    values = iter([None and 0, False, 0, "ready"])
    next(values)
    assert "ready" == wait_for(lambda: next(values), **SOON).value


def test_a_harnessed_function_has_judged_itself() -> None:
    """Its Result counts, not that there is one."""
    told = iter([OSError("no database"), None])

    @harnessed
    def database() -> None:
        error = next(told)
        if error is not None:
            raise error

    assert 2 == wait_for(database, **SOON).attempts


def test_it_waits_for_a_server_that_comes_up() -> None:
    """Nothing listens at first; afterwards all tries are counted, and the time."""
    server = RogueServer("ok").start()
    url = server.url
    server.stop()
    begun = time.monotonic()
    timer = threading.Timer(0.3, server.start)
    timer.start()
    response = wait_for(url, timeout=10)
    timer.join()
    server.stop()
    took = time.monotonic() - begun
    assert (200, True, True) == (response.status_code, response.attempts > 1, 0.2 < response.waited <= took < 1.8)


def test_it_waits_for_a_file(tmp_path: pathlib.Path) -> None:
    """A Path, or a text that begins as one."""
    path = tmp_path / "ready"
    timer = threading.Timer(0.05, path.touch)
    timer.start()
    seen = [wait_for(target, **SOON).value for target in (path, str(path), path.as_uri())]
    timer.join()
    assert [str(path)] * 3 == seen


def test_reversed_it_waits_until_the_target_is_gone() -> None:
    """A refused connection is what was waited for."""
    response = wait_for(Script(ok(), ok(), REFUSED), reverse=True, **SOON)
    assert (3, "connect") == (response.attempts, response.error and response.error.kind)


def test_a_condition_that_raises_does_not_say_that_the_target_is_gone() -> None:
    """It is a mistake of the host's, and told."""
    with pytest.raises(WaitTimeout, match="callback raised ZeroDivisionError"):
        wait_for(Script(ok()), {"callback": lambda response: 1 / 0}, reverse=True, max_attempts=2, interval=0.001)


def test_stable_means_so_many_times_in_a_row() -> None:
    """One miss in between, and it begins anew."""
    answers = [ok(), ok(), Response(500), ok(), ok(), ok()]
    assert 6 == wait_for(Script(*answers), stable=3, **SOON).attempts


def test_options_of_a_request_are_taken() -> None:
    """As a Check takes them."""
    with RogueServer("ok") as server:
        wait_for(server.url, headers={"X-Test": "yes"}, **SOON)
        assert "yes" == server.requests[0].headers["x-test"]


# Alarms


@pytest.mark.parametrize("alarms", [{"status_code": 500}, [{"text": "x"}, {"status_code": 500}]])
def test_an_alarm_ends_it(alarms: Any) -> None:
    """It has the response, and the condition that holds."""
    with pytest.raises(Alarm) as caught:
        wait_for(Script(ok("a"), Response(500)), {"text": "b"}, alarms, **SOON)
    assert (500, 2, {"status_code": 500}) == (
        caught.value.response.status_code,
        caught.value.response.attempts,
        caught.value.alarm,
    )


def test_an_alarm_goes_first() -> None:
    """Even where the condition holds too."""
    with pytest.raises(Alarm):
        wait_for(Script(ok()), {"status_code": 200}, {"status_code": 200}, **SOON)


def test_the_try_that_alarms_is_told_as_well() -> None:
    """`on_attempt` is called after each."""
    seen: list[Attempt] = []
    with pytest.raises(Alarm):
        wait_for(Script(ok("a")), {"text": "b"}, {"text": "a"}, on_attempt=seen.append)
    assert [(1, True)] == [(one.number, "alarm {'text': 'a'}" in one.why) for one in seen]


class Telling(Script):
    """Repeats what it was asked with."""

    secrets = ("s3cret-token",)


@pytest.mark.parametrize(
    "alarm", [{"json": {"t": "s3cret-token"}}, [{"callback": lambda response: int(response.text)}, {"text": "x"}]]
)
def test_an_alarm_tells_no_secret(alarm: Any) -> None:
    """Neither of what was expected, nor of what was seen."""
    with pytest.raises((Alarm, WaitTimeout)) as caught:
        wait_for(Telling(ok('{"t": "s3cret-token"}')), {"text": ""}, alarm, max_attempts=1)
    assert "s3cret" not in str(caught.value)


def test_an_alarm_that_raises_is_told() -> None:
    """It ends nothing, but nobody should have to guess why it never rang."""
    with pytest.raises(WaitTimeout) as caught:
        wait_for(Script(ok("a")), {"text": "b"}, lambda response: response.json()["x"], max_attempts=1)
    assert "; an alarm cannot be judged: callback raised JSONDecodeError: " in caught.value.why


def test_an_alarm_says_what_is_bad() -> None:
    """A bare number says what is good, so it is refused."""
    with pytest.raises(ConfigError, match="wait_for: alarms: latency says what is bad here"):
        wait_for(Script(ok()), None, {"latency": 1})


# The end of patience


def test_it_gives_up_in_time() -> None:
    """And says how often it asked, for how long, and why that was not enough."""
    begun = time.monotonic()
    with pytest.raises(WaitTimeout) as caught:
        wait_for(Script(Response(503, reason_phrase="Busy")), timeout=0.2, interval=0.05, backoff=1)
    error, took = caught.value, time.monotonic() - begun
    assert (True, True, 503, "status_code: expected 2xx, got 503 Busy") == (
        error.attempts >= 2,
        0.1 <= took < 1.2,
        error.response.status_code,
        error.why,
    )


def test_a_wait_that_timed_out_is_a_timeout() -> None:
    """`except TimeoutError` catches it, and its text says all."""
    with pytest.raises(
        TimeoutError, match=r": not met after 1 attempt in 0\.0 s \(no more are allowed\): connect: refused"
    ):
        wait_for(Script(REFUSED), max_attempts=1, **SOON)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_it_asks_no_more_than_allowed(most: int) -> None:
    """And does not sleep after the last."""
    probe = Script(REFUSED)
    with pytest.raises(WaitTimeout):
        wait_for(probe, max_attempts=most, **SOON)
    assert most == len(probe.timeouts)


def test_each_try_gets_what_is_left() -> None:
    """Or the timeout of a request, whichever is less."""
    probe = Script(REFUSED)
    with pytest.raises(WaitTimeout):
        wait_for(probe, timeout=0.3, interval=0.1, backoff=1, request_timeout=0.25)
    assert (0.25, True) == (
        probe.timeouts[0],
        all(0 < one <= 0.25 for one in probe.timeouts) and probe.timeouts[-1] < 0.2,
    )


def test_a_target_that_hangs_takes_no_longer_than_all() -> None:
    """The deadline is that of the wait."""
    with RogueServer("silent") as server:
        begun = time.monotonic()
        with pytest.raises(WaitTimeout, match="not met after 1 attempt"):
            wait_for(server.url, timeout=0.3)
        assert time.monotonic() - begun < 1.3


def test_a_last_look_is_taken_before_the_end() -> None:
    """However long the interval: what came meanwhile is seen."""
    begun = time.monotonic()
    response = wait_for(lambda: time.monotonic() > begun + 0.1, timeout=0.3, interval=30)
    assert (2, True) == (response.attempts, time.monotonic() - begun < 1.5)


def test_an_answer_that_comes_too_late_is_none() -> None:
    """A callable cannot be interrupted, but it is not waited for twice."""
    with pytest.raises(WaitTimeout, match=r"not met after 1 attempt in .*: it was met too late"):
        wait_for(lambda: threading.Event().wait(0.25) or True, timeout=0.1)


def test_the_time_of_a_wait_is_all_of_it() -> None:
    """Not that of the last look."""
    begun = time.monotonic()
    with pytest.raises(WaitTimeout) as caught:
        wait_for(Script(REFUSED), timeout=0.3, interval=0.1)
    assert caught.value.elapsed == pytest.approx(time.monotonic() - begun, abs=0.15)


def test_stop_during_a_request_counts_its_answer_no_more() -> None:
    """Whatever it is."""
    stop = threading.Event()

    def target() -> bool:
        stop.set()
        return True

    with pytest.raises(WaitCancelled):
        wait_for(target, stop=stop)


def test_a_sleep_of_ages_can_be_cancelled() -> None:
    """It is cut to what the system's clock takes."""
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    with pytest.raises(WaitCancelled):
        wait_for(Script(REFUSED), timeout=None, interval=1e300, stop=stop)
    timer.join()


def test_without_a_timeout_it_goes_on() -> None:
    """None is for ever."""
    assert 50 == wait_for(Script(*[REFUSED] * 49, ok()), timeout=None, interval=0.001, backoff=1).attempts


def test_stop_ends_the_sleep() -> None:
    """At once, however long it were."""
    stop = threading.Event()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(WaitCancelled, match="cancelled after 1 attempt in"):
        wait_for(Script(REFUSED), interval=30, timeout=60, stop=stop)
    timer.join()
    assert time.monotonic() - begun < 1.05


def test_what_is_stopped_does_not_begin() -> None:
    """Nothing is asked."""
    stop, probe = threading.Event(), Script(ok())
    stop.set()
    with pytest.raises(WaitCancelled):
        wait_for(probe, stop=stop)
    assert [] == probe.timeouts


# What raises


def test_an_exception_of_a_callable_is_the_callers() -> None:
    """Unless it is to be ignored."""
    with pytest.raises(KeyError):
        wait_for(Script(KeyError("x")), **SOON)


def test_an_exception_that_is_ignored_is_a_miss() -> None:
    """It is retried, and told as why."""
    seen: list[Attempt] = []
    wait_for(Script(KeyError("x"), ok()), ignore=[LookupError], on_attempt=seen.append, **SOON)
    assert ["KeyError: 'x'", ""] == [attempt.why for attempt in seen]


def test_a_predicate_that_raises_is_a_miss() -> None:
    """With its text."""

    def until(response: Response) -> bool:
        raise ValueError("broken")

    with pytest.raises(WaitTimeout, match="callback raised ValueError: broken"):
        wait_for(Script(ok()), until, max_attempts=1)


def test_each_try_is_told() -> None:
    """Number, time, response, and why it is not met."""
    seen: list[Attempt] = []
    wait_for(Script(Response(404), ok()), on_attempt=seen.append, **SOON)
    assert [(1, 404, "status_code: expected 2xx, got 404"), (2, 200, "")] == [
        (attempt.number, attempt.response.status_code, attempt.why) for attempt in seen
    ]


def test_secrets_are_masked() -> None:
    """A target may repeat what it was sent."""
    with pytest.raises(WaitTimeout) as caught:
        wait_for(Telling(ok("your s3cret-token is wrong")), {"text": "welcome"}, max_attempts=1)
    assert "s3cret-token" not in str(caught.value) + caught.value.why


# Pace


@pytest.mark.parametrize(
    ("left", "spare", "expected"),
    [(60.0, 0.1, 0.1), (0.15, 0.1, 0.05), (0.1, 0.1, ""), (-1.0, 0.1, ""), (0.05, 0.025, 0.025), (math.inf, 0.1, 0.1)],
)
def test_the_last_look_comes_shortly_before_the_end(left: float, spare: float, expected: float | str) -> None:
    """Where the next one would be later."""
    assert pytest.approx(expected) == Pace(0.1, 2.0, 1.0, True).sleep(1, REFUSED, 0.0, left, spare)


def paced(number: int, response: Response = REFUSED, now: float = 0.0, **changed: Any) -> tuple[float, bool]:
    """What comes after a try."""
    return Pace(0.1, 2.0, 1.0, True)._replace(**changed).after(number, response, now)


@pytest.mark.parametrize(("number", "seconds"), [(1, 0.1), (2, 0.2), (4, 0.8), (5, 1.0), (10_000, 1.0)])
def test_sleeps_grow_to_a_limit(number: int, seconds: float) -> None:
    """However often it was tried."""
    assert (seconds, False) == paced(number)


def test_a_longer_interval_is_its_own_limit() -> None:
    """A user who says 5 means 5."""
    assert (5.0, False) == paced(3, interval=5.0)


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("5", (5.0, True)),
        (" 5 ", (5.0, True)),
        ("0", (0.1, False)),
        ("3600", (60.0, True)),
        ("9" * 5000, (60.0, True)),
        (email.utils.formatdate(NOW + 7, usegmt=True), (7.0, True)),
        (time.asctime(time.gmtime(NOW + 7)), (7.0, True)),
        (email.utils.formatdate(NOW - 7, usegmt=True), (0.1, False)),
        ("soon", (0.1, False)),
        ("-5", (0.1, False)),
        ("1.5", (0.1, False)),
        ("Fri, 99 Foo 2026 00:00:00 GMT", (0.1, False)),
        ("", (0.1, False)),
    ],
)
def test_the_target_may_ask_for_a_pause(said: str, expected: tuple[float, bool]) -> None:
    """In seconds, or as a date; a minute at most, and never less than our own."""
    assert expected == paced(1, Response(503, headers={"Retry-After": said}), NOW)


@pytest.mark.parametrize(("code", "options"), [(500, {}), (200, {}), (503, {"retry_after": False})])
def test_only_the_busy_may_ask(code: int, options: Any) -> None:
    """429 and 503, and only who is listened to."""
    assert (0.1, False) == paced(1, Response(code, headers={"Retry-After": "9"}), NOW, **options)


def test_a_pause_longer_than_what_is_left_ends_it_at_once() -> None:
    """There is nothing to wait for."""
    begun = time.monotonic()
    with pytest.raises(WaitTimeout, match=r"\(the target asks to wait for 30 s more\)"):
        wait_for(Script(Response(429, headers={"Retry-After": "30"})), timeout=10)
    assert time.monotonic() - begun < 1.0


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": -1}, "timeout: expected seconds > 0, or None, got -1"),
        ({"timeout": math.nan}, "timeout: expected seconds > 0, or None, got nan"),
        ({"timeout": "5"}, "timeout: expected seconds > 0, or None, got '5'"),
        ({"interval": 0}, "interval: expected seconds > 0, got 0"),
        ({"backoff": 0.5}, "backoff: expected a factor, 1 or more, got 0.5"),
        ({"max_interval": math.inf}, "max_interval: expected seconds > 0, got inf"),
        ({"max_attempts": 0}, "max_attempts: expected a whole number, 1 or more, got 0"),
        ({"max_attempts": 1.5}, "max_attempts: expected a whole number, 1 or more, got 1.5"),
        ({"request_timeout": True}, "request_timeout: expected seconds > 0, got True"),
        ({"stable": 0}, "stable: expected a whole number, 1 or more, got 0"),
        ({"ignore": [5]}, "ignore: expected exception types, got [5]"),
        ({"ignore": KeyboardInterrupt}, "ignore: expected exception types, got <class 'KeyboardInterrupt'>"),
        ({"on_attempt": 3}, "on_attempt: expected a function, got 3"),
        ({"reverse": "no"}, "reverse: expected True or False, got 'no'"),
        ({"retry_after": 0}, "retry_after: expected True or False, got 0"),
        ({"stop": 3}, "stop: expected a threading.Event, got 3"),
        ({"stop": asyncio.Event()}, "stop: expected a threading.Event, got <asyncio"),
        ({"timeout": 10**400}, "timeout: expected seconds > 0, or None, got 1000"),
        ({"expect": {"text": ""}}, "unknown option 'expect'; did you mean 'until'?"),
        ({"every": 5}, "unknown option 'every'; did you mean 'interval'?"),
        ({"max_retries": 5}, "unknown option 'max_retries'; did you mean 'max_attempts'?"),
        ({"status_code": 200}, "unknown option 'status_code'; write until={'status_code': ...}"),
        ({"warn_if": {"text": ""}}, "unknown option 'warn_if'; known are: "),
        ({"name": "job"}, "unknown option 'name'; known are: "),
        ({"stabel": 2}, "unknown option 'stabel'; did you mean 'stable'?"),
        ({"until": {}}, "until: expected a dict of conditions, a list of them or a callable, got {}"),
        ({"until": {"jsonpth": 1}}, "until: unknown condition 'jsonpth'; did you mean 'jsonpath'?"),
        ({"alarms": {"x": 1}}, "alarms: unknown condition 'x'; "),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    """Before anything is asked."""
    probe = Script(ok())
    with pytest.raises(ConfigError) as caught:
        wait_for(probe, **options)
    assert (f"wait_for: {message}", []) == (str(caught.value)[: len(message) + 10], probe.timeouts)


@pytest.mark.parametrize(
    "target", [5, None, "ftp://x/", "http://", "", "file:", "file://elsewhere/tmp", "file://", "/a\0b"]
)
def test_a_bad_target_is_refused(target: Any) -> None:
    """As a Check refuses it."""
    with pytest.raises(ConfigError, match=r"^wait_for: "):
        wait_for(target)


# In the midst of things


@pytest.fixture
def port() -> Iterator[Callable[[], int]]:
    """A port on which somebody listens when asked to."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))

        def open_it() -> int:
            sock.listen(1)
            return int(sock.getsockname()[1])

        yield open_it


def test_it_waits_for_a_port(port: Callable[[], int]) -> None:
    """tcp:// is a target like others."""
    assert 1 == wait_for(f"tcp://127.0.0.1:{port()}", **SOON).attempts


# A check of a running monitor


def test_a_running_check_is_waited_for() -> None:
    """Its state is what comes back; nobody polls for it."""
    values = iter([False, False, True])
    check = Check("queue", lambda: next(values, True), every=0.02, fall=1)
    with Monitor([check]) as monitor:
        seen = [monitor.wait_for("queue", "down").status, monitor.wait_for("queue", ["up", "degraded"]).status]
    assert ["down", "up"] == seen


def test_a_check_that_does_not_come_up_in_time() -> None:
    """It says how it is."""
    check = Check("queue", lambda: False, every=0.02, fall=1)
    with (
        Monitor([check]) as monitor,
        pytest.raises(WaitTimeout, match=r"not up after 0\.\d s: it is down"),
    ):
        monitor.wait_for("queue", "down")
        monitor.wait_for("queue", timeout=0.05)


def test_a_monitor_that_is_stopped_has_nothing_to_wait_for() -> None:
    """Who waits is told at once."""
    monitor = Monitor([Check("queue", lambda: False, every=0.02)]).start()
    timer = threading.Timer(0.05, monitor.stop)
    timer.start()
    with pytest.raises(WaitCancelled, match="wait_for queue: cancelled after"):
        monitor.wait_for("queue")
    timer.join()


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("nobody", {}, UnknownCheckError),
        ("queue", {"status": "fine"}, ConfigError),
        ("queue", {"timeout": -1}, ConfigError),
        ("queue", {"status": []}, ConfigError),
    ],
)
def test_a_wait_that_cannot_end_is_refused(name: str, options: dict[str, Any], error: type[Exception]) -> None:
    """A name that no check has, a word that is no status."""
    with Monitor([Check("queue", lambda: True)]) as monitor, pytest.raises(error):
        monitor.wait_for(name, **options)


def test_a_monitor_that_does_not_run_is_refused() -> None:
    """Nothing would ever change."""
    with pytest.raises(LifecycleError):
        Monitor([Check("queue", lambda: True)]).wait_for("queue")
