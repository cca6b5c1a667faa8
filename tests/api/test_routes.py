"""The REST interface on a real server: the table of routes row by row, arguments, logins, tasks."""

from __future__ import annotations

import base64
import collections
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from members import CHEAP
from support import few, wait_until

from minimon import HealthCheckServer
from minimon.api.users import UserStore
from minimon.tasks import QUEUE, WORKERS

ADMIN, VIEWER = ("admin", "secret word"), ("eve", "other word")


class Answer(NamedTuple):
    """What came."""

    status: int
    document: Any
    headers: dict[str, str]


class Client:
    """Asks one server."""

    def __init__(self, server: HealthCheckServer, store: Any) -> None:
        self.server, self.store = server, store

    def ask(
        self,
        method: str,
        path: str,
        login: tuple[str, str] | None = None,
        form: dict[str, Any] | None = None,
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """One request."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if login is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        if form is not None:
            body, sent["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read()
            found = {key.lower(): value for key, value in answer.getheaders()}
            return Answer(answer.status, json.loads(text) if text else None, found)
        finally:
            connection.close()

    def get(self, path: str, login: tuple[str, str] | None = None) -> Answer:
        """GET."""
        return self.ask("GET", path, login)


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError


def mute() -> None:
    """Fails without a word."""
    raise Mute


def word(name: str, again: int = 1) -> str:
    """A task of the host's."""
    return name * again


@pytest.fixture(scope="module")
def release() -> Iterator[threading.Event]:
    """Ends the task `hold`."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(scope="module")
def client(release: threading.Event) -> Iterator[Client]:
    """A server with an admin, a viewer and some tasks."""
    store = UserStore()
    store.add(*VIEWER, "Eve")
    store.change("admin", password=ADMIN[1])
    server = HealthCheckServer(port=0, api=True, auth=store)
    server.task("word", word)
    server.task("fails", lambda: 1 / 0)
    server.task("hold", lambda: release.wait(20))
    server.task("mute", mute)
    server.task("odd", lambda: {1, 2})
    server.task("large", lambda: "x" * (2 << 20))
    with server.start():
        yield Client(server, store)


def links(*pairs: tuple[str, str]) -> dict[str, Any]:
    """A document of links."""
    return {"links": [{"rel": rel, "href": href} for rel, href in pairs]}


# links


def test_the_root_has_the_versions(client: Client) -> None:
    """Exactly, in that order."""
    answer = client.get("/")
    assert (200, links(("v1", "/v1/"), ("v2", "/v2/"), ("v3", "/v3/"))) == answer[:2]


@pytest.mark.parametrize(("version", "kinds"), [("v1", 2), ("v2", 2), ("v3", 3)])
def test_a_version_has_its_links(client: Client, version: str, kinds: int) -> None:
    """No login is needed for them."""
    listed = [(kind, f"/{version}/{kind}/") for kind in ("uptime", "iostat", "users")[:kinds]]
    assert (200, links(*listed)) == client.get(f"/{version}/")[:2]


@pytest.mark.parametrize("path", ["/v1", "/v2", "/v3", "/v1/uptime", "/v2/iostat"])
def test_without_its_slash_a_collection_moves(client: Client, path: str) -> None:
    """With the query."""
    answer = client.get(f"{path}?x=1")
    assert (301, f"{path}/?x=1") == (answer.status, answer.headers["location"])


def test_below_v3_a_login_comes_first(client: Client) -> None:
    """Before the slash."""
    assert (401, 301) == (client.get("/v3/users").status, client.get("/v3/users", VIEWER).status)


@pytest.mark.parametrize("path", ["/v1/x", "/v1/users/", "/v1/task/1", "/v4/", "/v2//", "/v2/task/"])
def test_there_is_nothing_else(client: Client, path: str) -> None:
    """404."""
    assert 404 == client.get(path).status


# vitals


@pytest.mark.parametrize("path", ["/v1/uptime/", "/v2/uptime/", "/v3/uptime/"])
def test_uptime_is_a_line(client: Client, path: str) -> None:
    """As uptime(1) prints it."""
    answer = client.get(path, VIEWER if "v3" in path else None)
    said = answer.document["uptime"]
    assert (200, True, 1) == (answer.status, " up " in said and "load average: " in said, len(said.splitlines()))


def test_iostat_is_a_report(client: Client) -> None:
    """As iostat -d prints it."""
    answer = client.get("/v1/iostat/")
    assert (200, True) == (answer.status, "Device" in answer.document["iostat"])


@pytest.mark.slow
def test_iostat_waits_for_more(client: Client) -> None:
    """Two reports, a second apart."""
    answer = client.get("/v1/iostat/?count=2")
    assert (200, 2) == (answer.status, answer.document["iostat"].count("Device"))


def test_vitals_are_numbers(client: Client) -> None:
    """For programs."""
    answer = client.get("/vitals")
    assert (200, True) == (answer.status, {"load", "memory"} <= {*answer.document})


WRONG = [
    *("count=0.5", "count=1.5", "count=abc", "count=", "count=0", "count=-10", "count=1&wait=10", "wait=2"),
    *("count=2&wait=0", "count=2&count=2", "n=1", "count=%D9%A3", "count=+1", "count=2&wait=%ff", "count=1e1"),
    "count=99999999999999999999",
]


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
@pytest.mark.parametrize("query", WRONG)
def test_bad_arguments_are_400(client: Client, version: str, query: str) -> None:
    """With a message, under the names that old clients know."""
    answer = client.get(f"/{version}/iostat/?{query}", VIEWER)
    told = answer.document
    assert (400, "application/problem+json", True) == (
        answer.status,
        answer.headers["content-type"],
        bool(told["message"]) and told["message"] == told["msg"] == told["detail"],
    )


@pytest.mark.parametrize(
    ("path", "way"), [("/v1/iostat/?count=32", "/v2/iostat/"), ("/v2/iostat/?count=3602", "ask for less")]
)
def test_a_sample_has_its_limit(client: Client, path: str, way: str) -> None:
    """400, with the way out."""
    answer = client.get(path)
    assert (400, True) == (answer.status, way in answer.document["message"])


# tasks


def ended(client: Client, href: str, login: tuple[str, str] | None = None) -> Any:
    """The document of a task once it has ended."""
    wait_until(lambda: client.get(href, login).document["state"] not in ("QUEUED", "STARTED"))
    return client.get(href, login).document


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_sample_becomes_a_task(client: Client, version: str, method: str) -> None:
    """201, where it is, and then its result."""
    login = VIEWER if version == "v3" else None
    answer = client.ask(method, f"/{version}/iostat/", login)
    href = f"/{version}/task/{answer.document['task_id']}"
    made = {"task_id": answer.document["task_id"], "links": [{"rel": "task", "href": href}]}
    told = ended(client, href, login)
    assert (201, made, href, "1", "no-store") == (
        answer.status,
        answer.document,
        *(answer.headers[key] for key in ("location", "retry-after", "cache-control")),
    ) and ("SUCCESS", True, [{"rel": "self", "href": href}]) == (
        told["state"],
        "Device" in told["result"]["iostat"],
        told["links"],
    )


def test_what_creates_is_not_asked_for_its_head(client: Client) -> None:
    """405."""
    answer = client.ask("HEAD", "/v2/iostat/")
    assert (405, "GET, POST, OPTIONS") == (answer.status, answer.headers["allow"])


def test_a_cancelled_task_is_revoked(client: Client) -> None:
    """204, empty, as often as it is asked for; it never ends as SUCCESS."""
    href = client.get("/v2/iostat/?count=60").headers["location"]
    before = client.get(href).document
    gone = [client.ask("DELETE", href)[:2] for _ in range(2)]
    cancel = {"rel": "cancel", "method": "DELETE", "href": href}
    assert ("STARTED", cancel, [(204, None)] * 2, "REVOKED") == (
        before["state"],
        before["links"][1],
        gone,
        client.get(href).document["state"],
    )


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_task_is_404(client: Client, method: str) -> None:
    """With or without a slash."""
    assert [404, 404] == [client.ask(method, path).status for path in ("/v2/task/nope", "/v2/task/nope/")]


def test_a_task_of_the_host_is_called_with_its_arguments(client: Client) -> None:
    """Of a form or of JSON; numbers as its signature has them."""
    form = client.ask("POST", "/v2/tasks/word", ADMIN, form={"name": "ab", "again": "2"})
    body = client.ask("POST", "/v2/tasks/word", ADMIN, body=b'{"name": "x"}', Content_Type="application/json")
    told = [ended(client, each.headers["location"])["result"] for each in (form, body)]
    assert ([201, 201], ["abab", "x"]) == ([form.status, body.status], told)


@pytest.mark.parametrize(
    ("form", "status"),
    [({}, 400), ({"name": "a", "again": "x"}, 400), ({"name": "a", "more": "1"}, 400)],
)
def test_a_task_s_arguments_are_judged_by_its_signature(client: Client, form: dict[str, str], status: int) -> None:
    """400 before anything begins."""
    assert status == client.ask("POST", "/v2/tasks/word", ADMIN, form=form).status


def test_a_task_that_nobody_has_is_404(client: Client) -> None:
    """With what there is."""
    answer = client.ask("POST", "/v2/tasks/wrod", ADMIN)
    assert (404, "no task 'wrod'; did you mean 'word'?") == (answer.status, answer.document["message"])


def test_a_task_wants_credentials(client: Client) -> None:
    """As everything that changes something, where there are some."""
    assert 401 == client.ask("POST", "/v2/tasks/word", form={"name": "a"}).status


def test_a_page_of_another_site_begins_no_task(client: Client) -> None:
    """403, though the browser knows the login."""
    answer = client.ask("POST", "/v2/tasks/word", ADMIN, form={"name": "a"}, Origin="http://evil.example")
    assert 403 == answer.status


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("fails", "ZeroDivisionError: division by zero"),
        ("large", "the result has"),
        ("odd", "the result cannot be told as JSON"),
        ("mute", "Mute"),
    ],
)
def test_a_task_that_fails_says_why(client: Client, name: str, result: str) -> None:
    """FAILURE, with the text."""
    told = ended(client, client.ask("POST", f"/v2/tasks/{name}", ADMIN).headers["location"])
    assert ("FAILURE", result) == (told["state"], told["result"][: len(result)])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_site_begins_no_sample(client: Client, method: str) -> None:
    """An image of it could fill all places, since a GET creates one here."""
    answer = client.ask(method, "/v2/iostat/?count=3600", Sec_Fetch_Site="cross-site")
    assert (403, "a page of another site may not ask for that") == (answer.status, answer.document["detail"])


def test_stop_answers_who_waits_for_a_sample() -> None:
    """At once: it would take longer than a stop."""

    def timers() -> int:
        return [thread.name for thread in threading.enumerate()].count("minimon-timer")

    others = timers()
    with HealthCheckServer(port=0, api=True) as server:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        sock.sendall(b"GET /v1/iostat/?count=2&wait=20 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: timers() > others)
        server.stop()
    with sock, sock.makefile("rb") as answer:
        assert b"HTTP/1.1 503 Service Unavailable\r\n" == answer.readline()


@pytest.mark.parametrize(
    ("code", "head"),
    [
        (413, b"POST /v2/tasks/word HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65537\r\n\r\n"),
        (400, b"GET /v1/uptime/?x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
    ],
)
def test_what_is_no_request_is_a_problem_too(client: Client, code: int, head: bytes) -> None:
    """In the same shape, though no route has seen it."""
    with socket.create_connection(("127.0.0.1", client.server.port), timeout=20) as sock:
        sock.sendall(head)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        told = json.load(answer)
    assert (code, "application/problem+json", code) == (answer.status, answer.headers["content-type"], told["status"])


@pytest.mark.parametrize("submitted", few([WORKERS + QUEUE + 20, 10_000], 1))
def test_of_many_submitted_at_once_some_wait(submitted: int) -> None:
    """The others are told to come again, and nothing grows."""
    release = threading.Event()
    server = HealthCheckServer(port=0, api=True)
    server.task("hold", lambda: release.wait(60))
    with server.start():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        answers = collections.Counter()
        for _ in range(submitted):
            connection.request("POST", "/v2/tasks/hold")
            answer = connection.getresponse()
            answer.read()
            answers[answer.status, answer.headers["retry-after"]] += 1
        connection.close()
        release.set()
    assert {(201, "1"): WORKERS + QUEUE, (503, "1"): submitted - WORKERS - QUEUE} == answers


def test_a_stop_ends_tasks() -> None:
    """That heed it; those that wait are never begun."""
    begun, heeded = [], threading.Event()

    def heed(cancelled: threading.Event) -> None:
        begun.append(1)
        if cancelled.wait(20):
            heeded.set()

    server = HealthCheckServer(port=0, api=True)
    server.task("heed", heed)
    server.start()
    client = Client(server, None)
    for _ in range(WORKERS + 3):
        client.ask("POST", "/v2/tasks/heed")
    wait_until(lambda: len(begun) == WORKERS)
    assert (True, True, WORKERS) == (server.stop(), heeded.is_set(), len(begun))


def test_a_stop_waits_no_longer_for_a_task_that_ignores_it() -> None:
    """False, and the host goes on."""
    release = threading.Event()
    server = HealthCheckServer(port=0, api=True)
    server.task("hold", lambda: release.wait(60))
    server.start()
    href = Client(server, None).ask("POST", "/v2/tasks/hold").headers["location"]
    wait_until(lambda: Client(server, None).get(href).document["state"] == "STARTED")
    stopped = server.stop(0.2)
    release.set()
    assert (False, True) == (stopped, wait_until(server.stop))


def test_users_wait_for_no_task() -> None:
    """Though all workers are busy with what ignores its end."""
    store, release = UserStore(), threading.Event()
    store.change("admin", password=ADMIN[1])
    server = HealthCheckServer(port=0, api=True, auth=store)
    server.task("hold", lambda: release.wait(20))
    with server.start():
        client = Client(server, store)
        for _ in range(WORKERS + 1):
            client.ask("POST", "/v2/tasks/hold", ADMIN)
        status = client.get("/v3/users/", ADMIN).status
        release.set()
    assert 200 == status


def test_a_task_that_ignores_its_end_is_revoked(client: Client, release: threading.Event) -> None:
    """Whatever it does."""
    href = client.ask("POST", "/v2/tasks/hold", ADMIN).headers["location"]
    wait_until(lambda: client.get(href).document["state"] == "STARTED")
    client.ask("DELETE", href)
    release.set()
    assert "REVOKED" == client.get(href).document["state"]


def test_a_task_of_v3_is_its_owner_s(client: Client) -> None:
    """And an admin's; another one, and v2, do not find it."""
    href = client.ask("POST", "/v3/tasks/word", VIEWER, form={"name": "a"}).headers["location"]
    if "mallory" not in [each.username for each in client.store.list()]:
        client.store.add("mallory", "word of hers", "M")
    others = [client.get(href, ("mallory", "word of hers")).status, client.get(href.replace("v3", "v2")).status]
    assert ([200, 200], [404, 404]) == ([client.get(href, who).status for who in (VIEWER, ADMIN)], others)


def test_a_task_goes_with_its_owner(client: Client) -> None:
    """To another name; who has that of before does not find it, nor who comes after one that is gone."""

    def seen(name: str) -> int:
        return client.get(href, (name, "p")).status

    def add(name: str) -> None:
        client.ask("POST", "/v3/users/", ADMIN, form={"username": name, "password": "p", "fullname": "X"})

    add("first")
    href = client.ask("POST", "/v3/tasks/word", ("first", "p"), form={"name": "a"}).headers["location"]
    client.ask("PATCH", "/v3/users/first", ADMIN, form={"username": "second"})
    add("first")
    renamed = [seen("first"), seen("second")]
    client.ask("DELETE", "/v3/users/second", ADMIN)
    add("second")
    assert ([404, 200], 404, 200) == (renamed, seen("second"), client.get(href, ADMIN).status)
    for name in ("first", "second"):
        client.ask("DELETE", f"/v3/users/{name}", ADMIN)


# logins


@pytest.mark.parametrize("path", ["/v3/uptime/", "/v3/iostat/", "/v3/task/1", "/v3/users/", "/v3/users/admin"])
def test_v3_wants_a_login(client: Client, path: str) -> None:
    """401, with the challenge and a message."""
    answers = [client.get(path), client.get(path, ("admin", "wrong"))]
    assert [(401, 'Basic realm="Login Required"', True)] * 2 == [
        (each.status, each.headers["www-authenticate"], bool(each.document["message"])) for each in answers
    ]


def test_many_guesses_at_once_are_counted_one_by_one() -> None:
    """From one address, each under another name: after ten failures there is to be waited, however fast they came."""
    with HealthCheckServer(port=0, api=True, auth=UserStore(cost=CHEAP)) as server:
        client, codes = Client(server, None), []

        def guess(number: int) -> None:
            codes.append(client.get("/v3/uptime/", (f"user{number}", "wrong")).status)

        threads = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20.0)
    assert (40, True, {401, 429}) == (len(codes), 10 <= codes.count(401) <= 11, {*codes})


# users


def user(name: str, fullname: str, admin: bool = False) -> dict[str, Any]:
    """A user as it is shown."""
    href = f"/v3/users/{name}"
    return {"username": name, "fullname": fullname, "admin": admin, "links": [{"rel": "self", "href": href}]}


def test_users_are_listed(client: Client) -> None:
    """Names, for any user; one, or objects, where that is asked for."""
    names = client.get("/v3/users/", VIEWER).document["users"]
    one = client.get("/v3/users/?limit=1", VIEWER).document["users"]
    detailed = client.get("/v3/users/?detail=1", VIEWER).document["users"]
    assert (True, 1, True, names) == (
        {"admin", "eve"} <= {*names},
        len(one),
        user("eve", "Eve") in detailed,
        client.get("/v3/users/?detail=0", VIEWER).document["users"],
    )


@pytest.mark.parametrize("query", ["limit=abc", "limit=0", "detail=2", "detail=yes", "x=1", "limit=1&limit=1"])
def test_bad_arguments_of_a_list_are_400(client: Client, query: str) -> None:
    """They were 500 once."""
    assert 400 == client.get(f"/v3/users/?{query}", VIEWER).status


WRONG_USERS = {
    "a number": b'{"username": 1, "password": "p", "fullname": "X"}',
    "a list": b'{"username": ["x"], "password": "p", "fullname": "X"}',
    "null": b'{"username": "x", "password": null, "fullname": "X"}',
    "a flag as a number": b'{"username": "x", "password": "p", "fullname": "X", "admin": 2}',
    "twice": b'{"username": "x", "username": "y", "password": "p", "fullname": "X"}',
    "no object": b'["x", "p", "X"]',
    "no JSON": b'{"username": ',
    "no UTF-8": b'{"username": "\xff", "password": "p", "fullname": "X"}',
    "half a character": b'{"username": "\\ud800", "password": "p", "fullname": "X"}',
    "a long name": b'{"username": "%s", "password": "p", "fullname": "X"}' % (b"x" * 129),
    "a long password": b'{"username": "x", "password": "%s", "fullname": "X"}' % (b"x" * 1025),
    "an empty password": b'{"username": "x", "password": "", "fullname": "X"}',
    "a colon": b'{"username": "x:y", "password": "p", "fullname": "X"}',
    "a line end": b'{"username": "x", "password": "p", "fullname": "X\\nY"}',
    "deep": b"[" * 60_000,
}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v3/users/"), ("PUT", "/v3/users/eve"), ("PATCH", "/v3/users/eve")]
)
@pytest.mark.parametrize("body", WRONG_USERS.values(), ids=WRONG_USERS)
def test_bad_fields_of_a_user_are_400(client: Client, method: str, path: str, body: bytes) -> None:
    """And nothing is changed."""
    headers = {"Content_Type": "application/json"}
    answer = client.ask(method, path, ADMIN, body=body, **headers)
    assert (400, True, user("eve", "Eve")) == (
        answer.status,
        bool(answer.document["message"]),
        client.get("/v3/users/eve", VIEWER).document,
    )


@pytest.mark.parametrize("name", ["Jürgen Ä", "two words", "a%2Fb", "日本", "a?b#c", "..b", "+"])
def test_a_name_may_have_any_text(client: Client, name: str) -> None:
    """It is found by its href, and logs in."""
    made = client.ask("POST", "/v3/users/", ADMIN, form={"username": name, "password": "ü:p", "fullname": name})
    href = made.document["links"][0]["href"]
    seen = client.get(href, (name, "ü:p"))
    assert (201, 200, name, 204) == (
        made.status,
        seen.status,
        seen.document["username"],
        client.ask("DELETE", href, ADMIN).status,
    )


@pytest.mark.parametrize("path", ["/v3/users/a%2Fb", "/v3/users/%00", "/v3/users/%ff", "/v3/tasks/%ff"])
def test_a_name_that_nobody_can_have_is_404(client: Client, path: str) -> None:
    """A slash that is encoded is no part of the path, and of no name."""
    method = "POST" if "tasks" in path else "GET"
    assert 404 == client.ask(method, path, ADMIN).status


def test_a_user_comes_changes_and_goes(client: Client) -> None:
    """Added, seen, renamed, demoted, removed; each with the status that it has."""
    made = client.ask("POST", "/v3/users/", ADMIN, form={"username": "bob", "password": "p w", "fullname": "Bob"})
    seen = client.get("/v3/users/bob", VIEWER)
    put = client.ask("PUT", "/v3/users/bob", ADMIN, form={"username": "rob", "password": "p2", "fullname": "Rob"})
    login = client.get("/v3/uptime/", ("rob", "p2")).status
    patched = client.ask("PATCH", "/v3/users/rob", ADMIN, form={"admin": "true"})
    absent = client.ask("PUT", "/v3/users/new", ADMIN, form={"password": "p3", "fullname": "New"})
    gone = [client.ask("DELETE", f"/v3/users/{name}", ADMIN).status for name in ("rob", "new")]
    assert [
        (201, user("bob", "Bob")),
        (200, user("bob", "Bob")),
        (200, user("rob", "Rob")),
        (200, user("rob", "Rob", True)),
        (201, user("new", "New")),
    ] == [each[:2] for each in (made, seen, put, patched, absent)] and ([204, 204], 200, 401) == (
        gone,
        login,
        client.get("/v3/uptime/", ("rob", "p2")).status,
    )


def test_admin_false_makes_no_admin(client: Client) -> None:
    """It did once."""
    form = {"username": "plain", "password": "p", "fullname": "P", "admin": "false"}
    made = client.ask("POST", "/v3/users/", ADMIN, form=form)
    client.ask("DELETE", "/v3/users/plain", ADMIN)
    assert (201, False) == (made.status, made.document["admin"])


FULL = {"username": "x", "password": "p", "fullname": "X"}
REFUSED = {
    "no admin adds": ("POST", "/v3/users/", VIEWER, FULL, 403),
    "no admin changes": ("PATCH", "/v3/users/eve", VIEWER, {"fullname": "E"}, 403),
    "no admin comes before what is wrong": ("DELETE", "/v3/users/nobody", VIEWER, {}, 403),
    "a duplicate": ("POST", "/v3/users/", ADMIN, {**FULL, "username": "eve"}, 409),
    "a missing password": ("POST", "/v3/users/", ADMIN, {"username": "x", "fullname": "X"}, 400),
    "an unknown argument": ("POST", "/v3/users/", ADMIN, {**FULL, "role": "x"}, 400),
    "a flag that is none": ("POST", "/v3/users/", ADMIN, {**FULL, "admin": "maybe"}, 400),
    "nobody": ("PATCH", "/v3/users/nobody", ADMIN, {"fullname": "N"}, 404),
    "nobody comes before what is wrong": ("PATCH", "/v3/users/nobody", ADMIN, {"role": "N"}, 404),
    "a name that is taken": ("PATCH", "/v3/users/eve", ADMIN, {"username": "admin"}, 409),
    "a missing field": ("PUT", "/v3/users/eve", ADMIN, {"fullname": "E"}, 400),
    "the last admin": ("DELETE", "/v3/users/admin", ADMIN, {}, 409),
    "the last admin's power": ("PATCH", "/v3/users/admin", ADMIN, {"admin": "0"}, 409),
    "nobody to be removed": ("DELETE", "/v3/users/nobody", ADMIN, {}, 404),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_may_not_be_is_refused(client: Client, case: str) -> None:
    """401, 403, 404, 400, 409, in that order."""
    method, path, login, form, status = REFUSED[case]
    assert status == client.ask(method, path, login, form=form).status


def test_another_method_is_405(client: Client) -> None:
    """With those that are allowed."""
    answer = client.ask("PUT", "/v1/uptime/")
    assert (405, "GET, HEAD, OPTIONS") == (answer.status, answer.headers["allow"])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"name": 1, "name": 2}', "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b"[" * 60000, "application/json", 400),
        (b"name=%ff", "application/x-www-form-urlencoded", 400),
        (b"name=a%00", "application/x-www-form-urlencoded", 400),
        (b"name=a", "text/plain", 415),
    ],
)
def test_a_body_has_to_be_in_order(client: Client, body: bytes, kind: str, status: int) -> None:
    """By its Content-Type."""
    assert status == client.ask("POST", "/v2/tasks/word", ADMIN, body=body, Content_Type=kind).status


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_the_host_is_in_the_metrics(client: Client, accept: str) -> None:
    """For Prometheus, in both forms."""
    connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=20)
    connection.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    assert (200, True, bool(accept)) == (answer.status, "minimon_host_load1 " in body, body.endswith("# EOF\n"))


def test_users_that_cannot_be_read_are_503(tmp_path: Any) -> None:
    """For who is not known yet; it says when to come again."""
    path = tmp_path / "users.db"
    store = UserStore(path, cost=16)
    store.add("eve", "word", "Eve", True)
    with HealthCheckServer(port=0, api=True, auth=store) as server:
        path.write_bytes(b"nonsense" * 1000)
        answer = Client(server, store).get("/v3/uptime/", ("eve", "word"))
        assert (503, True) == (answer.status, "retry-after" in answer.headers)
