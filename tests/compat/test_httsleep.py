"""Programs that were written for httsleep: names, defaults, conditions, exceptions, and what it did wrong."""

from __future__ import annotations

import copy
import http.cookiejar
import inspect
import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

import minimon
from minimon.compat.httsleep import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_POLLING_INTERVAL,
    Alarm,
    HttSleeper,
    Request,
    Session,
    httsleep,
)
from minimon.testing import RogueServer

FAST = {"polling_interval": 0.001}


class Scripted(HTTPServer):
    """Answers in turn, the last one for ever; notes what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, str]] = [(200, "")]
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"

    def says(self, *answers: Any) -> str:
        """Codes, bodies, or both, and JSON for what is no text; the address."""
        self.answers = [_answer(one) for one in answers]
        return self.url


class Handler(BaseHTTPRequestHandler):
    """Takes the next answer."""

    server: Scripted

    def do_GET(self) -> None:
        """Whatever the method."""
        length = int(self.headers.get("Content-Length") or 0)
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, self.rfile.read(length)))
        answers = self.server.answers
        code, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nowhere."""


def _answer(one: Any) -> tuple[int, str]:
    code, body = one if isinstance(one, tuple) else (one, "") if isinstance(one, int) else (200, one)
    return code, body if isinstance(body, str) else json.dumps(body)


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A server in this process, for the length of a test."""
    with Scripted() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join(5)


# The examples of its tutorial


def test_until_a_status_code(server: Scripted) -> None:
    """`httsleep(url, status_code=200)`, from the package's front page."""
    url = server.says(500, 404, (200, "there"))
    assert ("there", 3) == (minimon.httsleep(url, status_code=200, **FAST).text, len(server.asked))


def test_until_a_payload_with_alarms(server: Scripted) -> None:
    """The real-world example: until a payload and a code, alarms, exceptions that are ignored, a limit."""
    url = server.says({"status": "RUNNING"}, (202, {"status": "SUCCESS"}), {"status": "SUCCESS"})
    response = httsleep(
        url,
        until={"json": {"status": "SUCCESS"}, "status_code": 200},
        alarms=[{"status_code": 500}, {"json": {"status": "TIMEOUT"}}],
        ignore_exceptions=[ConnectionError],
        max_retries=20,
        **FAST,
    )
    assert ({"status": "SUCCESS"}, 3) == (response.json(), len(server.asked))


@pytest.mark.parametrize("answer", [500, {"status": "TIMEOUT"}], ids=str)
def test_an_alarm_is_raised(server: Scripted, answer: Any) -> None:
    """It has the response, and the condition; it is never ignored."""
    alarms = [{"status_code": 500}, {"json": {"status": "TIMEOUT"}}]
    url = server.says({"status": "RUNNING"}, answer if isinstance(answer, dict) else (answer, "{}"))
    with pytest.raises(Alarm) as caught:
        httsleep(url, {"json": {"status": "SUCCESS"}}, alarms, ignore_exceptions=[Exception], **FAST)
    assert (alarms[isinstance(answer, dict)], True) == (caught.value.alarm, caught.value.response.text != "")


# Conditions


@pytest.mark.parametrize(
    ("until", "answer"),
    [
        ({"status_code": "200"}, 200),
        ({"text": "up"}, "up"),
        ({"text": ""}, ""),
        ({"json": {}}, "{}"),
        ({"json": []}, "[]"),
        ({"json": False}, "false"),
        ({"json": {"a": [1, {"b": None}]}}, {"a": [1, {"b": None}]}),
        ({"jsonpath": [{"expression": "$.a", "value": 1}]}, {"a": 1}),
        ({"jsonpath": [{"expression": "a.b", "value": 1}]}, {"a": {"b": 1}}),
        ({"jsonpath": [{"expression": "[1].a", "value": 1}]}, [{}, {"a": 1}]),
        ({"jsonpath": [{"expression": "$..a", "value": [1, 2]}]}, [{"a": 1}, {"a": 2}]),
        ({"jsonpath": [{"expression": "a", "value": 1}, {"expression": "b", "value": 2}]}, {"a": 1, "b": 2}),
        ({"jsonpath": [{"expression": minimon.jsonpath.compile("$.a"), "value": 1}]}, {"a": 1}),
        ({"callback": lambda response: response.status_code == 200}, 200),
        ([{"status_code": 404}, {"text": "up"}], "up"),
    ],
    ids=str,
)
def test_a_condition_holds(server: Scripted, until: Any, answer: Any) -> None:
    """At once: the first answer is enough."""
    httsleep(server.says(answer), until, max_retries=1)
    assert 1 == len(server.asked)


@pytest.mark.parametrize(
    ("until", "answer"),
    [
        ({"text": ""}, "x"),
        ({"json": {}}, {"a": 1}),
        ({"json": []}, [1]),
        ({"json": True}, "1"),
        ({"callback": lambda response: 1}, 200),
        ({"jsonpath": [{"expression": "a", "value": None}]}, {"b": 1}),
        ({"jsonpath": [{"expression": "a", "value": 1}, {"expression": "b", "value": 1}]}, {"a": 1, "b": 2}),
        ({"status_code": 200, "text": "x"}, "y"),
    ],
    ids=str,
)
def test_a_condition_does_not_hold(server: Scripted, until: Any, answer: Any) -> None:
    """What is false is an expectation like others; only True of a callback passes."""
    with pytest.raises(StopIteration):
        httsleep(server.says(answer), until, max_retries=1)


@pytest.mark.parametrize("key", ["json", "jsonpath"])
def test_a_body_that_is_not_json_is_an_error(server: Scripted, key: str) -> None:
    """Unless it is ignored."""
    until = {"json": {"json": 1}, "jsonpath": {"jsonpath": [{"expression": "a", "value": 1}]}}[key]
    with pytest.raises(ValueError, match="Expecting value"):
        httsleep(server.says("no JSON"), until)


def test_an_error_that_is_ignored_is_retried(server: Scripted) -> None:
    """As if it had not held."""
    httsleep(server.says("no JSON", "1"), {"json": 1}, ignore_exceptions=[ValueError], **FAST)
    assert 2 == len(server.asked)


# Requests


def test_defaults_are_the_old_ones() -> None:
    """Two seconds, fifty requests, and the old order of parameters."""
    names = "url_or_request until alarms auth headers session verify polling_interval max_retries ignore_exceptions"
    defaults = inspect.signature(HttSleeper).parameters
    assert (names.split(), 2, 50) == (list(defaults)[:10], DEFAULT_POLLING_INTERVAL, DEFAULT_MAX_RETRIES)


def test_a_text_becomes_a_request() -> None:
    """Of GET."""
    request = HttSleeper("http://a/", {"status_code": 200}).request
    assert ("http://a/", "GET", None, {}) == (request.url, request.method, request.auth, request.headers)


def test_a_request_object_is_asked(server: Scripted) -> None:
    """Anything that has url, method, auth and headers; its parameters and data too."""

    request: Any = Request(server.says(200), "post", ("user", "secret"), {"X-One": "1"})
    request.params, request.data = {"a": 1}, {"b": "c d"}
    httsleep(request, {"status_code": 200})
    method, path, headers, body = server.asked[0]
    assert ("POST", "/?a=1", "Basic dXNlcjpzZWNyZXQ=", "1", b"b=c+d") == (
        method,
        path,
        headers["authorization"],
        headers["x-one"],
        body,
    )


def test_headers_of_the_call_win_over_the_sessions(server: Scripted) -> None:
    """The session's go with every request, cookies too."""
    session = Session()
    session.headers, session.cookies = {"X-One": "session", "X-Two": "session"}, {"a": "b"}
    httsleep(server.says(404, 200), {"status_code": 200}, session=session, headers={"X-One": "call"}, **FAST)
    seen = [(headers["x-one"], headers["x-two"], headers["cookie"]) for _, _, headers, _ in server.asked]
    assert [("call", "session", "a=b")] * 2 == seen


def test_so_many_requests_and_one_sleep_less(server: Scripted) -> None:
    """Then StopIteration; and a second run has all of them again."""
    sleeper = HttSleeper(server.says(500), {"status_code": 200}, max_retries=3, polling_interval=0)
    for _ in range(2):
        with pytest.raises(StopIteration):
            sleeper.run()
    assert 6 == len(server.asked)


def test_none_is_for_ever(server: Scripted) -> None:
    """More than the default number, if need be."""
    httsleep(server.says(*[500] * 60, 200), {"status_code": 200}, max_retries=None, polling_interval=0)
    assert 61 == len(server.asked)


# Failures


@pytest.mark.parametrize("behaviour", ["reset", "empty", "cut_body", "garbage"])
def test_a_failure_of_the_transport_is_a_connection_error(behaviour: str) -> None:
    """Which old programs ignore by name."""
    with RogueServer(behaviour) as rogue, pytest.raises(ConnectionError):
        httsleep(rogue.url, {"status_code": 200})


def test_a_refused_connection_can_be_ignored() -> None:
    """Until there are no more tries."""
    with RogueServer("ok") as rogue:
        url = rogue.url
    with pytest.raises(StopIteration):
        httsleep(url, {"status_code": 200}, ignore_exceptions=[ConnectionError], max_retries=3, polling_interval=0)


def test_a_failure_of_tls_is_that_of_ssl() -> None:
    """As before."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection = listener.accept()[0]
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(65536)
            connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(ssl.SSLError):
            httsleep(f"https://127.0.0.1:{listener.getsockname()[1]}/", {"status_code": 200})
        thread.join(5)


def test_a_callback_that_raises_raises(server: Scripted) -> None:
    """Unless it is ignored."""

    def callback(response: Any) -> bool:
        raise KeyError("x")

    with pytest.raises(KeyError):
        httsleep(server.says(200), callback=callback)


# What is refused


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"until": {}},
        {"until": [{}]},
        {"until": None},
        {"until": {"status_code": 200, "foo": 1}},
        {"until": {"status_code": "ok"}},
        {"until": {"text": None}},
        {"until": {"callback": 5}},
        {"until": {"jsonpath": [{"expression": "$.a"}]}},
        {"until": {"jsonpath": []}},
        {"until": {"status_code": 99}},
        {"until": lambda response: True},
        {"until": {"status_code": 200}, "ignore_exceptions": ["x"]},
        {"until": {"status_code": 200}, "max_retries": 2.5},
        {"until": {"jsonpath": [{"expression": "$.[", "value": 1}]}},
        {"until": {"status_code": 200}, "alarms": {"foo": 1}},
        {"until": {"status_code": 200}, "alarms": [{}]},
        {"until": {"status_code": 200}, "max_retries": "five"},
        {"until": {"status_code": 200}, "max_retries": 0},
        {"until": {"status_code": 200}, "polling_interval": -1},
        {"until": {"status_code": 200}, "status_code": 200},
    ],
    ids=str,
)
def test_what_cannot_work_is_a_value_error(options: dict[str, Any]) -> None:
    """Before anything is asked."""
    with pytest.raises(ValueError, match="httsleep: "):
        httsleep("http://localhost:9/", **options)


@pytest.mark.parametrize("target", [None, 5, b"http://a/", object()], ids=str)
def test_no_address_and_no_request_is_a_value_error(target: Any) -> None:
    """As before."""
    with pytest.raises(ValueError, match="httsleep: expected a URL or a request"):
        httsleep(target, {"status_code": 200})


@pytest.mark.parametrize(
    ("expression", "hint"), [("$.a.`parent`", "length()"), ("$..a where b", "a filter"), ("$.a|b", "['a','b']")]
)
def test_older_extensions_are_refused_with_a_hint(expression: str, hint: str) -> None:
    """They are not in the standard."""
    with pytest.raises(ValueError, match="JSONPath: ") as caught:
        httsleep("http://localhost:9/", jsonpath=[{"expression": expression, "value": 1}])
    assert hint in str(caught.value)


# What it did wrong


def test_the_callers_dicts_are_left_alone(server: Scripted) -> None:
    """They are as they were."""
    until = {"status_code": "200", "jsonpath": [{"expression": "a", "value": 1}]}
    before = copy.deepcopy(until)
    httsleep(server.says({"a": 1}), until)
    assert before == until


def test_the_root_logger_is_left_alone(server: Scripted) -> None:
    """A level is that of this module's logger only."""
    before = logging.getLogger().level
    httsleep(server.says(200), {"status_code": 200}, loglevel=logging.DEBUG)
    ours = logging.getLogger("minimon.compat.httsleep")
    seen = (logging.getLogger().level, ours.level)
    ours.setLevel(logging.NOTSET)
    assert (before, logging.DEBUG) == seen


def test_keys_are_tried_in_an_order_that_does_not_depend_on_the_dict(server: Scripted) -> None:
    """An error page that is no JSON has not the code that is expected, and no callback sees it."""
    url = server.says((502, "<html>"), (200, '{"status": "SUCCESS"}'))
    until = {"callback": lambda response: response.json()["status"] == "SUCCESS", "json": {"status": "SUCCESS"}}
    assert 200 == httsleep(url, until={**until, "status_code": 200}, **FAST).status_code


@pytest.mark.parametrize(("asked", "unpacked"), [("gzip, deflate", True), ("identity", False)])
def test_what_was_asked_for_is_unpacked(server: Scripted, asked: str, unpacked: bool) -> None:
    """Sessions of other packages ask for packed answers as a matter of course."""
    httsleep(server.says(200), status_code=200, headers={"Accept-Encoding": asked}, **FAST)
    assert unpacked is ("gzip" in server.asked[0][2].get("accept-encoding", ""))


def test_a_session_may_have_a_jar(server: Scripted) -> None:
    """As the standard library makes one."""
    jar = http.cookiejar.CookieJar()
    place = (None, False, "", False, False, "/", True)
    jar.set_cookie(http.cookiejar.Cookie(0, "a", "b", *place, False, None, True, None, None, {}))
    session = Session()
    session.cookies = jar  # type: ignore[assignment]
    httsleep(server.says(200), status_code=200, session=session, **FAST)
    assert "a=b" == server.asked[0][2]["cookie"]


def test_old_users_find_their_attributes() -> None:
    """What was given, and the request that comes of a text."""
    sleeper = HttSleeper("http://h/", {"status_code": 200}, [{"text": "x"}], auth=("u", "p"), headers={"A": "b"})
    seen = sleeper.until, sleeper.alarms, sleeper.request.method, sleeper.request.auth, sleeper.request.headers
    assert ([{"status_code": 200}], [{"text": "x"}], "GET", ("u", "p"), {"A": "b"}) == seen
