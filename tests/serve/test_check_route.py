"""`/status?check=NAME`: one check and why it is what it is, by whatever name, of whichever subject has it."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from minimon import Check, HealthCheckServer, Monitor, UnknownCheckError
from minimon.serve.routing import ROUTES, place, query_of
from minimon.testing import FakeClock

NAMES = ["search", "größe", "a b", "a/b", "a+b", "a&b=c", "100%", "%41", "a?b", "#1", "x;y", "'\"\\", "ключ🔑", "."]


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body)


class Plain:
    """A host's own object, without checks."""

    def is_healthy(self) -> bool:
        """Always."""
        return True

    def get_detailed_stats(self) -> dict[str, Any]:
        """One key."""
        return {"users": 3}


class Summary:
    """A subject that is asked at once, and tells of no single check."""

    def overall(self) -> str:
        """Fine."""
        return "healthy"

    def snapshot(self) -> dict[str, Any]:
        """Nothing."""
        return {"all": "well"}


class Guest(Summary):
    """A host's own object that can tell of a check."""

    def __init__(self, *names: str, error: BaseException | None = None) -> None:
        self.names, self.error = names, error
        self.asked: list[str] = []

    def explain(self, name: str) -> dict[str, Any]:
        """That it has it, or not; with what is no JSON."""
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        if name not in self.names:
            raise UnknownCheckError(f"{name!r} is none of {', '.join(self.names)}")
        return {"found": name, "in": set(self.names), "ratio": float("nan")}


def ask(server: HealthCheckServer, *targets: str, method: str = "GET") -> list[Answer]:
    """The answers on one connection."""
    connection, answers = http.client.HTTPConnection(server.host, server.port, timeout=10.0), []
    for target in targets:
        connection.request(method, target)
        response = connection.getresponse()
        answers.append(Answer(response.status, response.headers, response.read()))
    connection.close()
    return answers


def told(target: str, *subjects: Any, method: str = "GET") -> tuple[int, Any]:
    """Code and document of a server of these subjects."""
    with HealthCheckServer(port=0).serving(*subjects) as server:
        (answer,) = ask(server, target, method=method)
    return answer.status, answer.document if answer.body else None


def shop(*names: str) -> Monitor:
    """A monitor that does not run, on a clock that stands still."""
    checks = [Check(name, "http://127.0.0.1/") for name in names]
    return Monitor(checks, name="shop", clock=FakeClock(1_000.0, wall=1_700_000_000.0))


@pytest.fixture(scope="module")
def server() -> Iterator[HealthCheckServer]:
    """One of a monitor with a check of each of these names."""
    with HealthCheckServer(port=0).serving(shop(*NAMES)) as server:
        yield server


# What is answered


def test_the_document_is_what_the_monitor_explains() -> None:
    """All of it, and nothing else; it is not polled for that."""
    runs: list[int] = []
    monitor = Monitor([Check("search", lambda: runs.append(1), group="g")], clock=FakeClock(1_000.0))
    assert (200, monitor.explain("search"), []) == (*told("/status?check=search", monitor), runs)


def test_a_running_monitor_answers() -> None:
    """Of its checks, and of itself."""
    with Monitor([Check("queue", lambda: True)]) as monitor, HealthCheckServer(port=0).serving(monitor) as server:
        answers = ask(server, "/status?check=queue", "/status?check=minimon")
    assert [(200, "queue"), (200, "minimon")] == [(answer.status, answer.document["check"]) for answer in answers]


def test_a_name_is_found_whatever_is_in_it(server: HealthCheckServer) -> None:
    """Percent-encoded as UTF-8, blanks and slashes and all."""
    answers = ask(server, *(f"/status?check={quote(name, safe='')}" for name in NAMES))
    assert [(200, name) for name in NAMES] == [(answer.status, answer.document["check"]) for answer in answers]


TWICE = "check is given more than once; ask for one at a time"


@pytest.mark.parametrize(
    ("target", "code", "key", "value"),
    [
        ("/status/?x=1&check=gr%c3%b6%C3%9Fe&checks=a", 200, "check", "größe"),
        # only `check` asks for one, and that in /status only
        ("/status?Check=search&=search&search", 200, "overall", "unknown"),
        ("/health?check=nobody&check=search", 503, "status", "unknown"),
        # an unknown name gets the nearest one that there is, and is told short
        ("/status?check=Serch", 404, "error", "no check is named 'Serch'; did you mean 'search'?"),
        ("/status?check=search%00", 404, "error", "no check is named 'search\\x00'; did you mean 'search'?"),
        ("/status?check=" + "x" * 7_000, 404, "error", f"no check is named '{'x' * 79}; known are: "),
        ("/status?check=gr%F6%DFe", 404, "error", "no check is named 'gr\ufffd\ufffde'; did you mean 'größe'?"),
        ("/status?check=%ED%A0%80", 404, "error", "no check is named '\ufffd\ufffd\ufffd'; known are: "),
        # an empty one is none, and not all of them
        ("/status?x=1&check", 404, "error", "no check is named ''; known are: "),
        # nobody can say which one was meant
        ("/status?check=search&check=search", 400, "error", TWICE),
        ("/status?check=&x&check=b", 400, "error", TWICE),
    ],
    ids=lambda value: f"{value:.40}" if isinstance(value, str) else None,
)
def test_what_is_answered(server: HealthCheckServer, target: str, code: int, key: str, value: str) -> None:
    """With the headers of every answer, to HEAD too, and the connection goes on after an error."""
    seen, again = ask(server, target, target)
    (head,) = ask(server, target, method="HEAD")
    assert (code, value, seen.body) == (seen.status, seen.document[key][: len(value)], again.body)
    for answer in (seen, head):
        headers = [answer.headers[name] for name in ("Content-Type", "Content-Length", "Cache-Control")]
        assert (code, ["application/json", str(len(seen.body)), "no-store"]) == (answer.status, headers)
    assert b"" == head.body


@pytest.mark.parametrize(("method", "code"), [("POST", 405), ("DELETE", 405), ("OPTIONS", 204)])
def test_other_methods_are_as_for_every_path(method: str, code: int) -> None:
    """No check is asked for by them."""
    guest = Guest("a")
    assert (code, []) == (told("/status?check=a", guest, method=method)[0], guest.asked)


# Subjects


def found(name: str, *names: str) -> tuple[int, Any]:
    """What a Guest of these names answers."""
    return 200, {"found": name, "in": list(names), "ratio": None}


@pytest.mark.parametrize(
    ("query", "subjects", "expected"),
    [
        # those that know no checks show all
        ("check=users", [Plain()], (200, {"users": 3})),
        ("check=a&check=b", [Plain()], (200, {"users": 3})),
        ("check=a", [Summary()], (200, {"all": "well"})),
        ("check=a", [Plain()] * 2, (200, {"schema": 1, "overall": "healthy", "subjects": [{"users": 3}] * 2})),
        ("check=a", [], (503, {"status": "unknown"})),
        # the first one that has it answers, whatever stands before it
        ("check=b", [Guest("b")], found("b", "b")),
        ("check=b", [Plain(), Summary(), Guest("a"), Guest("b"), Guest("b", "x")], found("b", "b")),
        ("check=b", [Guest(error=RuntimeError()), Guest("b")], found("b", "b")),
        # when none has it the hint is that of the first; a failure is told when nobody knows better
        ("check=c", [Plain(), Guest("a"), Guest("b")], (404, {"error": "'c' is none of a"})),
        ("check=c", [Guest(error=RuntimeError()), Guest("b")], (404, {"error": "'c' is none of b"})),
        # whatever it raises stays in; a KeyError of its own is no unknown name
        ("check=a", [Guest(error=KeyError("s3cret"))], (500, {"status": "error"})),
        ("check=a", [Guest(error=SystemExit("s3cret"))], (500, {"status": "error"})),
        # a monitor without checks has its check of itself
        ("check=a", [Monitor()], (404, {"error": "no check is named 'a'; known are: minimon"})),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_one_of_several_subjects_answers(query: str, subjects: list[Any], expected: tuple[int, Any]) -> None:
    """There is no envelope, and what a host says is shown as it can be."""
    assert expected == told(f"/status?{query}", *subjects)


def test_several_monitors_are_asked_in_order() -> None:
    """Each has a check `minimon`: that of the first is told, and every other name finds its own."""
    subjects = shop("a"), Monitor([Check("b", print)], name="depot")
    answers = [told(f"/status?check={name}", *subjects)[1] for name in ("minimon", "a", "b")]
    assert ["shop", "shop", "depot"] == [document["service"]["name"] for document in answers]


def test_what_a_subject_raised_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The host finds out by its log; an unknown name is the client's mistake, and no trouble of the host's."""
    caplog.set_level(logging.INFO, "minimon")
    told("/status?check=nobody", shop("search"))
    before = [record for record in caplog.records if record.exc_info or "nobody" in record.getMessage()]
    told("/status?check=a", Guest(error=RuntimeError("s3cret")))
    assert ([], True) == (before, any("s3cret" in str(record.exc_info) for record in caplog.records))


# Without a socket


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", []),
        ("x=1&checks=a&CHECK=a&=a&a", []),
        ("check=a", ["a"]),
        ("&&%63heck=a&x=%zz&z", ["a"]),
        ("check", [""]),
        ("check=&check=b", ["", "b"]),
        ("check=a&check=a", ["a", "a"]),
        ("x=check&check=a&y=check=b", ["a"]),
        ("check=a=b?check=c", ["a=b?check=c"]),
        ("check=a%26check%3Db;check=c#d", ["a&check=b;check=c#d"]),
        ("check=%2B+%20%2f/", ["+  //"]),
        ("check=%2541%", ["%41%"]),
        ("check=%zz", ["%zz"]),
        ("check=%C3%a4", ["ä"]),
        ("check=%ff", ["\ufffd"]),
        ("&" * 1_000 + "check=a", ["a"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_names_of_a_target(query: str, names: list[str]) -> None:
    """Of its query, each decoded once, in order."""
    assert names == query_of(query).get("check", [])


def test_the_route_is_documented() -> None:
    """Beside the others, and its path is one of them."""
    assert (True, ("status", "")) == ("/status?check=NAME" in ROUTES, place("/status"))
