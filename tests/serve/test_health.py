"""What /health and /status say of a subject, whatever the subject is or does."""

from __future__ import annotations

import datetime
import decimal
import http.client
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import pytest
from support import our_threads, python, wait_until

from minimon import Check, ConfigError, HealthCheckServer, Monitor


class Plain:
    """A host's own object, as directory_server's users have it."""

    def __init__(self, healthy: Any = True, stats: Any = None) -> None:
        self.healthy = healthy
        self.stats = {} if stats is None else stats

    def is_healthy(self) -> Any:
        """What was given, or what the function that was given returns."""
        return self.healthy() if callable(self.healthy) else self.healthy

    def get_detailed_stats(self) -> Any:
        """The same for the stats."""
        return self.stats() if callable(self.stats) else self.stats


class Held:
    """A function that returns only when it is let go; counts its calls."""

    def __init__(self, value: Any = True) -> None:
        self.value = value
        self.calls = 0
        self.called = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> Any:
        self.calls += 1
        self.called.set()
        self.let_go.wait(30.0)
        return self.value


@pytest.fixture
def held() -> Iterator[Held]:
    """One that is let go at the end, so that no thread is left."""
    function = Held()
    yield function
    function.let_go.set()


def refuse() -> NoReturn:
    """Raises with a text that no client may see."""
    raise RuntimeError("s3cret")


def ask(server: HealthCheckServer, path: str = "/health", method: str = "GET") -> tuple[int, Any]:
    """Status and document of one request."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read(), parse_constant=not_json)
    finally:
        connection.close()


def not_json(word: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    raise AssertionError(word)


def answers(*subjects: Any, path: str = "/health") -> tuple[int, Any]:
    """What a server of these subjects says."""
    with HealthCheckServer(port=0).serving(*subjects) as server:
        return ask(server, path)


# A Monitor


def test_a_monitor_without_checks_is_healthy() -> None:
    """/health is the word, and nothing more."""
    with Monitor() as monitor:
        assert (200, {"status": "healthy"}) == answers(monitor)


def test_a_monitor_shows_its_snapshot() -> None:
    """/status is the monitor's document: these parts and no other."""
    with Monitor([Check("queue", lambda: True)], name="shop") as monitor:
        status, document = answers(monitor, path="/status")
    parts = ["checks", "counts", "events", "groups", "overall", "schema", "self", "service", "sharing"]
    assert (200, parts, "shop", ["queue", "minimon"]) == (
        status,
        sorted(document),
        document["service"]["name"],
        list(document["checks"]),
    )


@pytest.mark.parametrize(
    ("value", "critical", "expected"),
    [
        (True, True, (200, "healthy")),
        (False, True, (503, "unhealthy")),
        (False, False, (200, "degraded")),
    ],
)
def test_the_word_of_a_monitor_follows_its_checks(value: bool, critical: bool, expected: tuple[int, str]) -> None:
    """Up is healthy, a critical check down unhealthy, another one down degraded, which is 200."""
    steady = Check("steady", lambda: True, every=0.05)
    with Monitor([steady, Check("queue", lambda: value, every=0.05, fall=1, critical=critical)]) as monitor:
        wait_until(lambda: expected[1] == monitor.overall())
        status, document = answers(monitor)
    assert expected == (status, document["status"])


def test_a_monitor_that_has_not_polled_is_unknown(held: Held) -> None:
    """No green from silence: until the first run of a critical check has ended, the answer is 503."""
    with Monitor([Check("queue", held)]) as monitor:
        assert (503, {"status": "unknown"}) == answers(monitor)
        held.let_go.set()


def test_a_hanging_check_does_not_delay_an_answer(held: Held) -> None:
    """Answering never works: no request waits for a poll."""
    with Monitor([Check("queue", held)], min_workers=1, max_workers=1) as monitor:
        held.called.wait(5.0)
        with HealthCheckServer(port=0).serving(monitor) as server:
            start = time.monotonic()
            ask(server, "/status")
            taken = time.monotonic() - start
        held.let_go.set()
    assert taken < 1.0


def test_asking_never_polls() -> None:
    """However often it is asked, nothing runs for it."""
    runs = []
    monitor = Monitor([Check("queue", lambda: runs.append(1))])
    with HealthCheckServer(port=0).serving(monitor) as server:
        for path in ("/health", "/status") * 3:
            ask(server, path)
    assert [] == runs


def test_a_monitor_that_is_stopped_still_answers() -> None:
    """Its document is there, without a start."""
    status, document = answers(Monitor(), path="/status")
    assert (200, None, 1) == (status, document["service"]["started_at"], document["schema"])


# A plain subject


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, (200, {"status": "healthy"})),
        (1, (200, {"status": "healthy"})),
        (False, (503, {"status": "unhealthy"})),
        (None, (503, {"status": "unhealthy"})),
        ("", (503, {"status": "unhealthy"})),
    ],
)
def test_the_word_of_a_plain_subject(value: object, expected: tuple[int, Any]) -> None:
    """is_healthy() decides by its truth."""
    assert expected == answers(Plain(value))


def test_the_stats_of_a_plain_subject_have_no_envelope() -> None:
    """/status is its own dict."""
    stats = {"users": 3, "queue": {"length": 0}, "status": "its own"}
    assert (200, stats) == answers(Plain(stats=stats), path="/status")


def test_the_stats_are_shown_though_it_is_unhealthy() -> None:
    """/status is 200 whatever /health says."""
    assert (200, {"users": 0}) == answers(Plain(False, {"users": 0}), path="/status")


def test_the_stats_are_asked_for_anew() -> None:
    """Each request sees the subject as it is then."""
    numbers = iter(range(10))
    with HealthCheckServer(port=0).serving(Plain(stats=lambda: {"n": next(numbers)})) as server:
        assert [0, 1, 2] == [ask(server, "/status")[1]["n"] for _ in range(3)]


@pytest.mark.parametrize("path", ["/health", "/status"])
@pytest.mark.parametrize(
    "error", [RuntimeError("s3cret"), SystemExit("s3cret"), RecursionError("s3cret"), MemoryError()]
)
def test_a_subject_that_raises_is_an_error_without_its_text(path: str, error: BaseException) -> None:
    """500 and the word error: a client is not told why."""

    def fail() -> NoReturn:
        raise error

    assert (500, {"status": "error"}) == answers(Plain(fail, fail), path=path)


def test_what_a_subject_raised_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The host finds out by its log."""
    answers(Plain(refuse))
    assert True is any("s3cret" in str(record.exc_info) for record in caplog.records)


def test_what_a_subject_raises_is_not_printed() -> None:
    """A host that has set up no logging sees nothing on its stderr."""
    code = """
import http.client
from minimon import HealthCheckServer
class Bad:
    def is_healthy(self): raise RuntimeError("s3cret")
    get_detailed_stats = is_healthy
with HealthCheckServer(port=0).serving(Bad()) as server:
    for path in ("/health", "/status"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", path)
        print(connection.getresponse().status)
        connection.close()
"""
    done = python(code)
    assert ("500\n500\n", "") == (done.stdout, done.stderr)


class Undecided:
    """Is neither true nor false."""

    def __bool__(self) -> bool:
        raise RuntimeError("s3cret")


class Broken(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> NoReturn:
        raise OSError("s3cret")

    def __iter__(self) -> Iterator[str]:
        return iter(("a",))

    def __len__(self) -> int:
        return 1


def test_a_word_without_truth_is_an_error() -> None:
    """What raises when it is looked at is as good as raised: an answer, and not a closed connection."""
    assert (500, {"status": "error"}) == answers(Plain(Undecided()))


def test_stats_that_cannot_be_read_are_an_error() -> None:
    """A mapping of the host that raises is an answer too."""
    assert (500, {"status": "error"}) == answers(Plain(stats=Broken()), path="/status")


def test_a_coroutine_is_not_healthy() -> None:
    """No green from silence: an async is_healthy() that nobody ran has said nothing."""
    made = []

    async def word() -> bool:
        return False

    def promise() -> object:
        made.append(word())
        return made[-1]

    answer = answers(Plain(promise))
    for coroutine in made:
        coroutine.close()
    assert (500, {"status": "error"}) == answer


class Half:
    """Has no get_detailed_stats()."""

    def is_healthy(self) -> bool:
        return True


def test_a_subject_without_stats_is_refused_or_says_so() -> None:
    """Half a subject is told at start, or by its answer, never by a closed connection."""
    try:
        answer = answers(Half(), path="/status")
    except ConfigError:
        return
    assert (500, {"status": "error"}) == answer


@pytest.mark.parametrize("subject", [5, "http://127.0.0.1/", object(), Plain])
def test_what_is_no_subject_is_refused(subject: object) -> None:
    """An object without the two methods, or a class in place of its instance, is an error of use."""
    with pytest.raises(ConfigError, match="server"), HealthCheckServer(port=0) as server:
        server.stop()
        server.start(subject)


def test_an_attribute_that_is_no_method_of_ours_is_left_alone() -> None:
    """A host's object may call anything of its own `overall`."""
    subject = Plain()
    subject.overall = 0.97  # type: ignore[attr-defined]
    assert (200, {"status": "healthy"}) == answers(subject)


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, RecursionError])
@pytest.mark.parametrize("path", ["/health", "/status"])
def test_a_snapshot_that_raises_is_an_error_every_time(path: str, error: type[BaseException]) -> None:
    """Whatever a subject raises, the server is there for the next request."""

    class Snapshot:
        def snapshot(self) -> NoReturn:
            raise error("s3cret")

    with HealthCheckServer(port=0).serving(Snapshot()) as server:
        assert [(500, {"status": "error"})] * 2 == [ask(server, path) for _ in range(2)]


@pytest.mark.parametrize("overall", ["fine", None, 5, [], {"a": 1}, float("nan")])
def test_a_word_that_is_none_is_an_error(overall: object) -> None:
    """A snapshot whose `overall` is not of the four words is no green."""

    class Snapshot:
        def snapshot(self) -> dict[str, object]:
            return {"overall": overall}

    assert (500, {"status": "error"}) == answers(Snapshot())


@pytest.mark.parametrize("path", ["/health", "/status"])
def test_no_subject_is_unknown(path: str) -> None:
    """Without an instance every answer is 503."""
    assert (503, {"status": "unknown"}) == answers(path=path)


def test_an_attribute_that_raises_is_an_error() -> None:
    """A property in place of a method may raise too."""

    class Odd(Plain):
        @property
        def overall(self) -> NoReturn:
            raise OSError("s3cret")

    try:
        answer = answers(Odd())
    except ConfigError:
        return
    assert True is (answer in [(500, {"status": "error"}), (200, {"status": "healthy"})])


# Slow subjects


def test_a_slow_subject_is_unknown_within_a_second(held: Held) -> None:
    """503 and the word unknown, in about a second."""
    with HealthCheckServer(port=0).serving(Plain(held)) as server:
        start = time.monotonic()
        answer = ask(server)
        taken = time.monotonic() - start
        held.let_go.set()
    assert ((503, {"status": "unknown"}), True) == (answer, taken < 2.0)


def test_a_slow_word_does_not_delay_the_stats(held: Held) -> None:
    """While is_healthy() hangs, /status is answered at once."""
    with HealthCheckServer(port=0).serving(Plain(held, {"n": 1})) as server:
        in_background(lambda: ask(server))
        held.called.wait(5.0)
        start = time.monotonic()
        answer = ask(server, "/status")
        taken = time.monotonic() - start
        held.let_go.set()
    assert ((200, {"n": 1}), True) == (answer, taken < 0.9)


def test_slow_stats_do_not_delay_the_word(held: Held) -> None:
    """While get_detailed_stats() hangs, /health is answered at once."""
    with HealthCheckServer(port=0).serving(Plain(True, held)) as server:
        in_background(lambda: ask(server, "/status"))
        held.called.wait(5.0)
        start = time.monotonic()
        answer = ask(server)
        taken = time.monotonic() - start
        held.let_go.set()
    assert ((200, {"status": "healthy"}), True) == (answer, taken < 0.9)


def test_a_slow_subject_does_not_delay_other_paths(held: Held) -> None:
    """What needs no subject does not wait for one."""
    with HealthCheckServer(port=0).serving(Plain(held, held)) as server:
        in_background(lambda: ask(server))
        held.called.wait(5.0)
        start = time.monotonic()
        status, _ = ask(server, "/elsewhere")
        taken = time.monotonic() - start
        held.let_go.set()
    assert (404, True) == (status, taken < 0.9)


def answer_or_failure(server: HealthCheckServer, path: str) -> tuple[int, Any]:
    """What a client gets, the text of its failure if it gets no answer."""
    try:
        return ask(server, path)
    except OSError as error:
        return 0, repr(error)


def in_background(function: Callable[[], Any]) -> threading.Thread:
    """Calls it on a thread of its own."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


@pytest.mark.long
def test_all_clients_share_one_call(held: Held) -> None:
    """However many ask a subject that hangs: one call of each method, two threads, and an answer within a second."""
    said = []
    with HealthCheckServer(port=0).serving(Plain(held, held)) as server:
        start = time.monotonic()
        paths = ("/health", "/status") * 50
        threads = [in_background(lambda path=path: said.append(answer_or_failure(server, path))) for path in paths]
        wait_until(lambda: held.calls == 2)
        asking = our_threads().count("minimon-ask")
        for thread in threads:
            thread.join(10.0)
        taken = time.monotonic() - start
        held.let_go.set()
    assert (2, 2, [(503, {"status": "unknown"})] * 100, True) == (held.calls, asking, said, taken < 2.5)


def test_clients_that_wait_get_the_answer_of_the_call_in_flight(held: Held) -> None:
    """Who comes while it is asked hears what it says."""
    said = []
    with HealthCheckServer(port=0).serving(Plain(held)) as server:
        threads = [in_background(lambda: said.append(ask(server))) for _ in range(4)]
        held.called.wait(5.0)
        held.let_go.set()
        for thread in threads:
            thread.join(5.0)
    assert [(200, {"status": "healthy"})] * 4 == said


@pytest.mark.long
def test_a_subject_that_recovers_is_asked_again(held: Held) -> None:
    """After a call that hung has ended, the next request makes a new one."""
    with HealthCheckServer(port=0).serving(Plain(held)) as server:
        first = ask(server)
        held.let_go.set()
        wait_until(lambda: 200 == ask(server)[0])
        assert ((503, {"status": "unknown"}), (200, {"status": "healthy"}), True) == (
            first,
            ask(server),
            held.calls > 1,
        )


# Several subjects


def test_several_are_healthy_only_together() -> None:
    """/health of several is healthy if all are."""
    assert (200, {"status": "healthy"}) == answers(Plain(), Plain(), Monitor())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((True, False), (503, "unhealthy")),
        ((False, True, True), (503, "unhealthy")),
        ((True, refuse), (500, "error")),
        ((False, refuse), (500, "error")),
    ],
)
def test_the_worst_word_counts(words: tuple[Any, ...], expected: tuple[int, str]) -> None:
    """One that is not healthy decides."""
    status, document = answers(*map(Plain, words))
    assert expected == (status, document["status"])


@pytest.mark.long
@pytest.mark.parametrize("path", ["/health", "/status"])
def test_several_slow_ones_are_unknown_within_a_second(held: Held, path: str) -> None:
    """The second is for the request, and not for each subject."""
    with HealthCheckServer(port=0).serving(*(Plain(held, held) for _ in range(4))) as server:
        start = time.monotonic()
        status, _ = ask(server, path)
        taken = time.monotonic() - start
        held.let_go.set()
    assert (503, True) == (status, taken < 2.0)


def test_several_have_an_envelope() -> None:
    """/status of several has the schema, the word and each one's document, in their order."""
    expected = {"schema": 1, "overall": "unhealthy", "subjects": [{"a": 1}, {"b": 2}]}
    assert (200, expected) == answers(Plain(True, {"a": 1}), Plain(False, {"b": 2}), path="/status")


def test_a_monitor_beside_a_plain_subject() -> None:
    """The monitor's document is whole within the envelope."""
    _, document = answers(Monitor(name="shop"), Plain(True, {"b": 2}), path="/status")
    assert ("healthy", "shop", {"b": 2}) == (
        document["overall"],
        document["subjects"][0]["service"]["name"],
        document["subjects"][1],
    )


# Odd stats


class Unspeakable:
    """Cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("s3cret")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({"x": [float("nan"), float("inf"), 1.5]}, {"x": [None, None, 1.5]}),
        ({"x": b"ok\xff", "y": {2, 1}}, {"x": "ok\ufffd", "y": [1, 2]}),
        ({"x": datetime.date(2026, 1, 2), "y": decimal.Decimal("1.50")}, {"x": "2026-01-02", "y": "1.50"}),
        ({(1, 2): "tuple", 3: "number"}, {"(1, 2)": "tuple", "3": "number"}),
        ({"x": Unspeakable()}, {"x": "<Unspeakable>"}),
        ({"x": "\ud800\x00"}, {"x": "\ud800\x00"}),
    ],
)
def test_odd_stats_are_served(stats: Any, expected: Any) -> None:
    """Whatever the host's method returns is a 200 with valid JSON; odd values as their text."""
    subject = Plain()
    subject.get_detailed_stats = lambda: stats  # type: ignore[method-assign]
    assert (200, expected) == answers(subject, path="/status")


def test_stats_with_a_cycle_are_served() -> None:
    """A dict that holds itself is shown to some depth."""
    stats: dict[str, Any] = {"n": 1}
    stats["self"] = stats
    status, document = answers(Plain(stats=stats), path="/status")
    assert (200, 1) == (status, document["self"]["n"])


def test_a_host_that_prints_short_numbers_only_is_answered() -> None:
    """The host may have lowered Python's limit for the digits of a number."""
    code = """
import sys
from minimon.serve.exposition import to_json
getattr(sys, "set_int_max_str_digits", print)(640)
to_json({"x": 10 ** 1000})
"""
    assert "" == python(code).stderr


# Life


def test_stop_ends_the_threads_that_ask() -> None:
    """After stop nothing is left of them."""
    before = our_threads()
    answers(Plain(), path="/status")
    assert before == our_threads()


FORKED = """
import os, socket, threading, warnings
from minimon import HealthCheckServer
warnings.simplefilter("ignore")
called, let_go = threading.Event(), threading.Event()
parent = os.getpid()
class Plain:
    def is_healthy(self):
        if os.getpid() == parent:
            called.set()
            let_go.wait(30)
        return True
    get_detailed_stats = dict
def ask(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /health HTTP/1.0\\r\\n\\r\\n")
        return client.recv(15)
subject = Plain()
server = HealthCheckServer(port=0).start(subject)
threading.Thread(target=ask, args=(server.port,), daemon=True).start()
called.wait(5)
pid = os.fork()
if not pid:
    server.start(subject)
    os._exit(ask(server.port) == b"HTTP/1.1 200 OK")
print(os.WEXITSTATUS(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_nothing_is_in_flight() -> None:
    """A child that starts the server again asks anew, whatever hung in its parent."""
    assert "1\n" == python(FORKED).stdout


def test_errors_are_logged_under_our_name(caplog: pytest.LogCaptureFixture) -> None:
    """Loggers are found under minimon."""
    with caplog.at_level(logging.DEBUG):
        answers(Plain(refuse))
    assert {"minimon"} == {record.name.partition(".")[0] for record in caplog.records}
