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
from minimon.serve.routing import ROUTES, Said, checks_named, one, refusal, route
from minimon.testing import FakeClock

NAMES = [
    "search",
    "größe",
    "a b",
    "a/b",
    "a+b",
    "a&b=c",
    "100%",
    "%41",
    "a?b",
    "#1",
    "x;y",
    "'\"\\",
    "日本",
    "ключ🔑",
    ".",
]


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


class Guest(Plain):
    """A host's own object that is asked at once, and can tell of a check."""

    def __init__(self, *names: str, error: BaseException | None = None) -> None:
        self.names, self.error = names, error
        self.asked: list[str] = []

    def overall(self) -> str:
        """Fine."""
        return "healthy"

    def snapshot(self) -> dict[str, Any]:
        """The names."""
        return {"names": list(self.names)}

    def explain(self, name: str) -> dict[str, Any]:
        """That it has it, or not."""
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        if name not in self.names:
            raise UnknownCheckError(f"{name!r} is none of {', '.join(self.names)}")
        return {"found": name, "in": list(self.names)}


class Client:
    """One connection to one server."""

    def __init__(self, server: HealthCheckServer) -> None:
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)

    def ask(self, target: str, method: str = "GET") -> Answer:
        """One request."""
        self._connection.request(method, target)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def asked(target: str, *subjects: Any, method: str = "GET") -> Answer:
    """What a server of these subjects answers."""
    with HealthCheckServer(port=0).serving(*subjects) as server:
        client = Client(server)
        try:
            return client.ask(target, method)
        finally:
            client.close()


def told(target: str, *subjects: Any, method: str = "GET") -> tuple[int, Any]:
    """Code and document."""
    answer = asked(target, *subjects, method=method)
    return answer.status, answer.document


def shop(*names: str, **options: Any) -> Monitor:
    """A monitor that does not run, on a clock that stands still."""
    checks = [Check(name, "http://127.0.0.1/", **options) for name in names]
    return Monitor(checks, name="shop", clock=FakeClock(1_000.0, wall=1_700_000_000.0))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A connection to a server of a monitor with a check of each of these names."""
    with HealthCheckServer(port=0).serving(shop(*NAMES)) as server:
        client = Client(server)
        yield client
        client.close()


# What is answered


def test_the_document_is_what_the_monitor_explains() -> None:
    """All of it, and nothing else."""
    monitor = shop("search", group="g", tags={"team": "data"})
    assert (200, monitor.explain("search")) == told("/status?check=search", monitor)


def test_the_answer_is_json_that_nobody_keeps(client: Client) -> None:
    """With the headers of every answer."""
    answer = client.ask("/status?check=search")
    expected = {
        "Content-Type": "application/json",
        "Content-Length": str(len(answer.body)),
        "Cache-Control": "no-store",
    }
    assert expected == {name: answer.headers[name] for name in expected}


def test_a_running_monitor_answers() -> None:
    """Of its checks, and of itself."""
    with Monitor([Check("queue", lambda: True)]) as monitor, HealthCheckServer(port=0).serving(monitor) as server:
        client = Client(server)
        answers = [client.ask(f"/status?check={name}") for name in ("queue", "minimon")]
        client.close()
    assert [(200, "queue", True), (200, "minimon", True)] == [
        (answer.status, answer.document["check"], answer.document["service"]["uptime_s"] >= 0.0) for answer in answers
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found_whatever_is_in_it(client: Client, name: str) -> None:
    """Percent-encoded as UTF-8, blanks and slashes and all."""
    answer = client.ask(f"/status?check={quote(name, safe='')}")
    assert (200, name) == (answer.status, answer.document["check"])


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("check=a+b", "a b"),
        ("check=a%20b", "a b"),
        ("check=a%2Bb", "a+b"),
        ("check=a/b", "a/b"),
        ("check=a?b", "a?b"),
        ("check=100%", "100%"),
        ("check=%2541", "%41"),
        ("check=gr%c3%b6%C3%9Fe", "größe"),
        ("%63heck=search", "search"),
        ("check=search&", "search"),
        ("&&check=search", "search"),
        ("x=1&check=search&y=%zz&z", "search"),
        ("check=search&checks=a%20b&Check=a%20b", "search"),
        ("check=x;y", "x;y"),
        ("check=a%26b%3Dc", "a&b=c"),
    ],
)
def test_a_name_may_be_written_in_these_ways(client: Client, query: str, name: str) -> None:
    """Decoded once; other keys of the query are tolerated."""
    answer = client.ask(f"/status?{query}")
    assert (200, name) == (answer.status, answer.document.get("check"))


def test_one_trailing_slash_is_tolerated(client: Client) -> None:
    """As it is without a name."""
    assert "search" == client.ask("/status/?check=search").document["check"]


@pytest.mark.parametrize(
    "query", ["", "?", "?x=1", "?checks=search", "?Check=search", "?=search", "?search", "?;check=a"]
)
def test_without_a_name_all_is_told(client: Client, query: str) -> None:
    """Only `check` asks for one."""
    answer = client.ask(f"/status{query}")
    assert (200, [*NAMES, "minimon"]) == (answer.status, list(answer.document["checks"]))


def test_health_is_one_word_whoever_is_asked_for(client: Client) -> None:
    """A name that nobody has does not matter there."""
    answer = client.ask("/health?check=nobody&check=search")
    assert (503, {"status": "unknown"}) == (answer.status, answer.document)


# What is refused


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("check=serch", "no check is named 'serch'; did you mean 'search'?"),
        ("check=Search", "no check is named 'Search'; did you mean 'search'?"),
        ("check=gr%C3%B6sse", "no check is named 'grösse'; did you mean 'größe'?"),
        ("check=search%00", "no check is named 'search\\x00'; did you mean 'search'?"),
        ("check=search%20", "no check is named 'search '; did you mean 'search'?"),
    ],
)
def test_an_unknown_name_is_not_found(client: Client, query: str, error: str) -> None:
    """The answer has the nearest name that there is."""
    answer = client.ask(f"/status?{query}")
    assert (404, {"error": error}) == (answer.status, answer.document)


@pytest.mark.parametrize("query", ["check=", "check", "check=&x=1", "x=1&check"])
def test_an_empty_name_is_not_found(client: Client, query: str) -> None:
    """It is none, and not all of them."""
    answer = client.ask(f"/status?{query}")
    assert (404, "no check is named ''; known are: ") == (answer.status, answer.document["error"][:33])


def test_among_no_checks_the_own_one_is_named() -> None:
    """A monitor without checks has its check of itself."""
    assert (404, {"error": "no check is named 'a'; known are: minimon"}) == told("/status?check=a", Monitor())


@pytest.mark.parametrize(
    "query", ["check=%ff", "check=gr%F6%DFe", "check=%C3", "check=%ED%A0%80", "check=" + "%F0%9F" * 99]
)
def test_what_is_no_utf_8_is_not_found(client: Client, query: str) -> None:
    """It breaks nothing."""
    assert 404 == client.ask(f"/status?{query}").status


def test_a_long_name_is_told_short(client: Client) -> None:
    """An error does not repeat all that was sent."""
    answer = client.ask(f"/status?check={'x' * 7_000}")
    assert (404, True) == (answer.status, answer.document["error"].startswith(f"no check is named '{'x' * 79}; known"))


@pytest.mark.parametrize(
    "query",
    ["check=search&check=a%20b", "check=search&check=search", "check=&check=", "check&check=a", "check=a&x&check=b"],
)
def test_several_names_are_refused(client: Client, query: str) -> None:
    """Nobody can say which one was meant."""
    answer = client.ask(f"/status?{query}")
    expected = {"error": "check is given more than once; ask for one at a time"}
    assert (400, expected) == (answer.status, answer.document)


def test_the_connection_goes_on_after_an_error(client: Client) -> None:
    """One client may ask for names that are none, and for others."""
    targets = ["/status?check=nobody", "/status?check=a&check=b", "/status?check=search"]
    assert [404, 400, 200] == [client.ask(target).status for target in targets]


@pytest.mark.parametrize(
    "target", ["/status?check=search", "/status?check=nobody", "/status?check=a&check=b", "/status?check="]
)
def test_head_is_get_without_the_body(client: Client, target: str) -> None:
    """The same code, type and length."""
    get, head = client.ask(target), client.ask(target, "HEAD")
    names = ("Content-Type", "Content-Length", "Cache-Control")
    assert (get.status, [get.headers[name] for name in names], b"") == (
        head.status,
        [head.headers[name] for name in names],
        head.body,
    )


@pytest.mark.parametrize(("method", "code"), [("POST", 405), ("DELETE", 405), ("OPTIONS", 204)])
def test_other_methods_are_as_for_every_path(method: str, code: int) -> None:
    """No check is asked for by them."""
    guest = Guest("a")
    assert (code, []) == (asked("/status?check=a", guest, method=method).status, guest.asked)


# Subjects


@pytest.mark.parametrize("query", ["check=users", "check=", "check=a&check=b"])
def test_a_plain_subject_knows_no_checks(query: str) -> None:
    """Its document is what it is without the query."""
    assert (200, {"users": 3}) == told(f"/status?{query}", Plain())


class Summary:
    """A subject that is asked at once, and tells of no single check."""

    def overall(self) -> str:
        """Fine."""
        return "healthy"

    def snapshot(self) -> dict[str, Any]:
        """Nothing."""
        return {"all": "well"}


def test_a_subject_that_explains_nothing_shows_all() -> None:
    """Though it has a snapshot."""
    assert (200, {"all": "well"}) == told("/status?check=a", Summary())


def test_without_a_subject_nothing_is_known() -> None:
    """No name is missed where there is nobody to have it."""
    assert (503, {"status": "unknown"}) == told("/status?check=a")


def test_any_subject_that_explains_is_asked() -> None:
    """It need not be a Monitor, and is asked once."""
    guest = Guest("a", "b")
    assert (200, {"found": "b", "in": ["a", "b"]}, ["b"]) == (*told("/status?check=b", guest), guest.asked)


class Odd(Guest):
    """A host's own object whose data is no JSON."""

    def explain(self, name: str) -> dict[str, Any]:
        """A set and a NaN."""
        return {"seen": {1}, "ratio": float("nan")}


def test_an_odd_explanation_is_json() -> None:
    """What a host says is shown as it can be."""
    assert (200, {"seen": [1], "ratio": None}) == told("/status?check=a", Odd())


@pytest.mark.parametrize(
    ("name", "found"), [("a", {"found": "a", "in": ["a", "x"]}), ("x", {"found": "x", "in": ["a", "x"]})]
)
def test_the_first_subject_that_has_it_answers(name: str, found: dict[str, Any]) -> None:
    """The others may have one of this name too."""
    assert (200, found) == told(f"/status?check={name}", Guest("a", "x"), Guest("x", "b"))


@pytest.mark.parametrize("subjects", [(Guest("a"), Guest("b")), (Guest("b"), Guest("a")), (Plain(), Guest("b"))])
def test_one_of_several_subjects_has_it(subjects: tuple[Any, ...]) -> None:
    """Wherever it stands, and whatever stands before it; there is no envelope."""
    assert (200, {"found": "b", "in": ["b"]}) == told("/status?check=b", *subjects)


def test_several_monitors_are_asked_in_order() -> None:
    """Each has a check `minimon`: that of the first is told, and every other name finds its own."""
    first, second = shop("a"), Monitor([Check("b", print)], name="depot")
    answers = [told(f"/status?check={name}", first, second)[1] for name in ("minimon", "a", "b")]
    assert ["shop", "shop", "depot"] == [document["service"]["name"] for document in answers]


def test_the_hint_is_that_of_the_first_subject() -> None:
    """When none has it."""
    expected = {"error": "no check is named 'serch'; did you mean 'search'?"}
    assert (404, expected) == told("/status?check=serch", Plain(), shop("search"), shop("sea"))


def test_several_plain_subjects_show_their_envelope() -> None:
    """None of them knows of checks."""
    status, document = told("/status?check=a", Plain(), Plain())
    assert (200, [{"users": 3}, {"users": 3}]) == (status, document["subjects"])


@pytest.mark.parametrize("error", [RuntimeError("s3cret"), SystemExit("s3cret"), KeyError("s3cret"), MemoryError()])
def test_a_subject_that_raises_is_an_error_without_its_text(error: BaseException) -> None:
    """500 and one word; a KeyError of its own is no unknown name."""
    assert (500, {"status": "error"}) == told("/status?check=a", Guest(error=error))


def test_what_a_subject_raised_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The host finds out by its log."""
    asked("/status?check=a", Guest(error=RuntimeError("s3cret")))
    assert True is any("s3cret" in str(record.exc_info) for record in caplog.records)


def test_an_unknown_name_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It is the client's mistake, and no trouble of the host's."""
    caplog.set_level(logging.INFO, "minimon")
    asked("/status?check=nobody", shop("search"))
    assert [] == [record for record in caplog.records if record.exc_info or "nobody" in record.getMessage()]


def test_asking_for_a_check_never_polls() -> None:
    """Answering never works."""
    runs: list[int] = []
    monitor = Monitor([Check("a", lambda: runs.append(1))])
    with HealthCheckServer(port=0).serving(monitor) as server:
        client = Client(server)
        codes = {client.ask("/status?check=a").status for _ in range(5)}
        client.close()
    assert ({200}, []) == (codes, runs)


# Routing, without a socket


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("/status", []),
        ("/status?", []),
        ("/status?x=1", []),
        ("/status?checks=a", []),
        ("/status?CHECK=a", []),
        ("/status?check=a", ["a"]),
        ("/status/?check=a", ["a"]),
        ("/status?check=", [""]),
        ("/status?check", [""]),
        ("/status?check=a&check=b", ["a", "b"]),
        ("/status?check=a&check=a", ["a", "a"]),
        ("/status?x=check&check=a&y=check=b", ["a"]),
        ("/status?check=a=b", ["a=b"]),
        ("/status?check=a?check=b", ["a?check=b"]),
        ("/status?check=a%26check%3Db", ["a&check=b"]),
        ("/status?check=a;check=b", ["a;check=b"]),
        ("/status?check=%2B+%20", ["+  "]),
        ("/status?check=%2F", ["/"]),
        ("/status?check=%C3%A4", ["ä"]),
        ("/status?check=%25C3%25A4", ["%C3%A4"]),
        ("/status?check=%", ["%"]),
        ("/status?check=%zz", ["%zz"]),
        ("/status?check=%ff", ["\ufffd"]),
        ("/status?ch%65ck=a", ["a"]),
        ("/status?check=a#b", ["a#b"]),
        ("/status?" + "&" * 1_000 + "check=a", ["a"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_names_of_a_target(target: str, names: list[str]) -> None:
    """Of its query, each decoded once, in order."""
    assert names == checks_named(target)


@pytest.mark.parametrize("name", NAMES)
def test_a_quoted_name_comes_back(name: str) -> None:
    """However a client quotes it."""
    assert [[name]] * 2 == [checks_named(f"/status?check={quote(name, safe=safe)}") for safe in ("", "/?")]


@pytest.mark.parametrize(
    ("said", "code", "document"),
    [
        (Said(value={"check": "a"}), 200, {"check": "a"}),
        (Said("missing", "no check is named 'b'"), 404, {"error": "no check is named 'b'"}),
        (Said("error"), 500, {"status": "error"}),
        (Said("unknown"), 503, {"status": "unknown"}),
    ],
)
def test_what_was_said_is_answered(said: Said, code: int, document: Any) -> None:
    """The document, or why there is none."""
    reply = one(said)
    assert (code, document) == (reply.status, json.loads(reply.body))


def test_the_route_is_documented() -> None:
    """Beside the others, and its path is one of them."""
    assert (True, "/status") == ("/status?check=NAME" in ROUTES, route("/status?check=NAME"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_name_refuses_nothing(method: str) -> None:
    """Whatever it is, the subjects are asked."""
    assert [None] * 3 == [refusal(method, f"/status?check={name}") for name in ("a", "", "a&check=b")]
