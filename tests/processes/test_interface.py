"""The routes of a Supervisor on a real server: what they answer, whom, and what they do not hold up."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from supervised import SLACK, SLEEP, program, running, stubborn
from support import wait_until

from minimon import Check, HealthCheckServer, Monitor, Supervisor
from minimon.processes.lifecycle import State

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")

NEVER = {"file": "/nowhere/at/all", "interval": 0.02}


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body)


class Served(NamedTuple):
    """A Supervisor and its server."""

    supervisor: Supervisor
    server: HealthCheckServer

    def ask(self, method: str, path: str, timeout: float = 10.0, **headers: str) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=timeout)
        try:
            connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
            response = connection.getresponse()
            found = {key.lower(): value for key, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()


@contextlib.contextmanager
def served_alone(alone: bool = True, **options: Any) -> Iterator[Served]:
    """Two programs, and nothing else on the server."""
    one = program("a", f"echo one; echo two; {SLEEP}", ready={"log": "two"})
    with running(one, program("b"), alone=alone) as supervisor:
        supervisor.wait_ready(5.0)
        with HealthCheckServer(port=0, **options).serving(supervisor) as server:
            yield Served(supervisor, server)


@contextlib.contextmanager
def served_beside(alone: bool = True) -> Iterator[Served]:
    """The same beside a Monitor."""
    with running(program("a", ready=lambda: True), program("b"), alone=alone) as supervisor:
        supervisor.wait_ready(5.0)
        with Monitor([Check("up", lambda: True, every=60, initial_delay=0)]) as monitor:
            wait_until(lambda: monitor.ok("up"))
            with HealthCheckServer(port=0).serving(monitor, supervisor) as server:
                yield Served(supervisor, server)


@pytest.fixture(scope="module")
def alone() -> Iterator[Served]:
    """For tests that change nothing."""
    with served_alone(alone=False) as found:
        yield found


@pytest.fixture(scope="module")
def beside() -> Iterator[Served]:
    """For tests that change nothing."""
    with served_beside(alone=False) as found:
        yield found


@pytest.fixture(params=["alone", "beside"])
def served(request: pytest.FixtureRequest) -> Served:
    """Alone, and beside a Monitor; for tests that change nothing."""
    found: Served = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def one() -> Iterator[Served]:
    """For a test alone."""
    with served_alone() as found:
        yield found


@pytest.fixture(params=[served_alone, served_beside], ids=["alone", "beside"])
def fresh(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Alone, and beside a Monitor; for a test alone."""
    with request.param() as found:
        yield found


# --- what is known


def test_the_root_counts_and_lists_the_processes(alone: Served) -> None:
    """As older clients know it."""
    a, b = (each.pid() for each in alone.supervisor.processes)
    shown = "sh -c echo one; echo two; exec sleep 60"
    answer = alone.ask("GET", "/")
    assert (
        200,
        {
            "count": 2,
            "processes": [
                {"id": 1, "command": shown, "status": "running", "pid": a},
                {"id": 2, "command": "sh -c exec sleep 60", "status": "running", "pid": b},
            ],
        },
    ) == (answer.status, answer.document)


def test_the_root_beside_a_monitor_has_the_links_too(beside: Served) -> None:
    """And those of the processes."""
    document = beside.ask("GET", "/").document
    assert (2, True) == (document["count"], "processes" in document and len(document) > 2)


def test_a_terminated_process_has_its_code_at_the_root(one: Served) -> None:
    """In place of the pid."""
    process = one.supervisor.process("b")
    process.kill()
    wait_until(lambda: process.state is State.EXITED)
    told = {"id": 2, "command": "sh -c exec sleep 60", "status": "terminated", "code": -9}
    assert told == one.ask("GET", "/").document["processes"][1]


def test_health_is_that_of_all(fresh: Served) -> None:
    """503 when a process is not as it should be."""
    before = fresh.ask("GET", "/health").status
    fresh.supervisor.process("b").kill()
    wait_until(lambda: fresh.supervisor.process("b").state is State.EXITED)
    assert (200, 503) == (before, fresh.ask("GET", "/health").status)


def test_status_has_the_processes(alone: Served) -> None:
    """The snapshot."""
    document = alone.ask("GET", "/status").document
    assert ("running", "healthy", ["a", "b"]) == (document["status"], document["overall"], list(document["processes"]))


def test_status_beside_a_monitor_has_both(beside: Served) -> None:
    """With the status of the processes on top, as older clients look for it."""
    document = beside.ask("GET", "/status").document
    assert ("running", "healthy", 2) == (document["status"], document["overall"], len(document["subjects"]))


def test_the_processes_are_listed(served: Served) -> None:
    """With all that is known."""
    answer = served.ask("GET", "/processes")
    found = answer.document
    assert (200, 2, [("a", 1, "ready"), ("b", 2, "running")]) == (
        answer.status,
        found["count"],
        [(each["name"], each["id"], each["state"]) for each in found["processes"]],
    )


@pytest.mark.parametrize("path", ["/processes/b", "/processes/2", "/processes/b/", "/processes/%62"])
def test_one_process_is_told(served: Served, path: str) -> None:
    """By name or id."""
    answer = served.ask("GET", path)
    one = served.supervisor.process("b")
    assert (200, "b", one.pid(), "running") == (
        answer.status,
        *(answer.document[key] for key in ("name", "pid", "state")),
    )


@pytest.mark.parametrize("name", ["größe", "a b", "a/b", "a+b", "100%", "a?b", "#1", "..", "log", "ключ"])
def test_a_process_of_any_name_is_found(name: str) -> None:
    """Percent-encoded."""
    with running(program(name)) as supervisor, HealthCheckServer(port=0).serving(supervisor) as server:
        answer = Served(supervisor, server).ask("GET", f"/processes/{quote(name, safe='')}")
        assert (200, name) == (answer.status, answer.document.get("name"))


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("", "one\ntwo\n"),
        ("?tail=1", "two\n"),
        ("?tail=0", ""),
        ("?tail=99999", "one\ntwo\n"),
        ("?other=1", "one\ntwo\n"),
    ],
)
def test_a_log_is_told_as_text(alone: Served, query: str, lines: str) -> None:
    """As many of its last lines as were asked for."""
    answer = alone.ask("GET", f"/processes/a/log{query}")
    assert (200, "text/plain; charset=utf-8", lines) == (
        answer.status,
        answer.headers["content-type"],
        answer.body.decode(),
    )


@pytest.mark.parametrize("tail", ["x", "-1", "", "1.5", "1e3", "9999999999", "%D9%A1"])
def test_a_number_of_lines_that_is_none_is_refused(alone: Served, tail: str) -> None:
    """400."""
    assert 400 == alone.ask("GET", f"/processes/a/log?tail={tail}").status


@pytest.mark.parametrize(
    "path", ["/processes/x", "/processes/3", "/processes/x/log", "/processes/a/x", "/processes/a/log/x", "/restart"]
)
def test_what_is_not_there_is_not_found(served: Served, path: str) -> None:
    """404."""
    assert 404 == served.ask("GET", path).status


def test_an_unknown_name_is_told_with_a_hint(alone: Served) -> None:
    """In the error."""
    assert {"error": "no process 'c'; known are: a, b"} == alone.ask("GET", "/processes/c").document


# --- methods


@pytest.mark.parametrize("path", ["/", "/processes", "/processes/a", "/processes/a/log"])
def test_head_is_get_without_a_body(alone: Served, path: str) -> None:
    """Of the same kind, and its length is told."""
    get, head = alone.ask("GET", path), alone.ask("HEAD", path)
    length = int(head.headers["content-length"])
    assert (get.status, get.headers["content-type"], b"", True) == (
        head.status,
        head.headers["content-type"],
        head.body,
        abs(length - len(get.body)) < 10,
    )


ALLOWED = {
    "/": "GET, HEAD, OPTIONS, DELETE",
    "/processes": "GET, HEAD, OPTIONS",
    "/processes/a": "GET, HEAD, OPTIONS",
    "/processes/a/log": "GET, HEAD, OPTIONS",
    "/processes/a/start": "POST, OPTIONS",
    "/processes/a/stop": "POST, OPTIONS",
    "/processes/a/restart": "POST, OPTIONS",
    "/restart/1": "POST, OPTIONS",
}


@pytest.mark.parametrize("path", list(ALLOWED))
def test_options_are_told(served: Served, path: str) -> None:
    """204, and what is allowed."""
    answer = served.ask("OPTIONS", path)
    assert (204, ALLOWED[path], b"") == (answer.status, answer.headers["allow"], answer.body)


@pytest.mark.parametrize("path", list(ALLOWED))
def test_other_methods_are_refused_and_do_nothing(served: Served, path: str) -> None:
    """405, with what is allowed."""
    others = [each for each in ("GET", "POST", "PUT", "DELETE", "PATCH") if each not in ALLOWED[path]]
    found = {(answer.status, answer.headers.get("allow")) for answer in (served.ask(each, path) for each in others)}
    assert ({(405, ALLOWED[path])}, [0, 0], True) == (
        found,
        [each.restarts for each in served.supervisor.processes],
        served.supervisor.is_healthy(),
    )


# --- what is done


def test_a_process_is_restarted(fresh: Served) -> None:
    """The answer comes when it is ready, with its new pid."""
    before = fresh.supervisor.process("a").pid()
    answer = fresh.ask("POST", "/processes/a/restart")
    found = answer.document
    one = fresh.supervisor.process("a")
    assert (200, True, "a", "ready", one.pid(), 1, True) == (
        answer.status,
        found["success"],
        found["process"]["name"],
        found["process"]["state"],
        found["process"]["pid"],
        one.restarts,
        before != one.pid(),
    )


def test_a_process_is_stopped_and_started(fresh: Served) -> None:
    """The answers come when that is done."""
    stopped = fresh.ask("POST", "/processes/b/stop")
    state = fresh.supervisor.process("b").state
    started = fresh.ask("POST", "/processes/b/start")
    assert [(200, True, "stopped"), (200, True, "running"), "stopped"] == [
        *((each.status, each.document["success"], each.document["process"]["state"]) for each in (stopped, started)),
        str(state),
    ]


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_nothing_is_done_with_an_unknown_process(served: Served, verb: str) -> None:
    """404."""
    assert 404 == served.ask("POST", f"/processes/x/{verb}").status


def test_a_restart_that_does_not_get_ready_is_told(tmp_path: pathlib.Path) -> None:
    """503, and why."""
    flag = tmp_path / "flag"
    one = program("a", f"test -e {flag} && exit 4; touch {flag}; echo up; {SLEEP}", ready={"log": "up"})
    with running(one) as supervisor, HealthCheckServer(port=0).serving(supervisor) as server:
        answer = Served(supervisor.wait_ready(5.0), server).ask("POST", "/processes/a/restart")
        found = answer.document
        assert (503, False, "failed", "it ended with code 4 before it was ready") == (
            answer.status,
            found["success"],
            found["process"]["state"],
            found["process"]["why"],
        )


def test_older_clients_restart_by_id(fresh: Served) -> None:
    """In their shape."""
    answer = fresh.ask("POST", "/restart/2")
    one = fresh.supervisor.process(2)
    told = {"id": 2, "command": "sh -c exec sleep 60", "status": "running", "pid": one.pid()}
    assert (200, {"success": True, "process": told}, 1) == (answer.status, answer.document, one.restarts)


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        ("3", 404, "Process with id '3' not found."),
        ("0", 404, "Process with id '0' not found."),
        ("x", 400, "Invalid ID 'x'."),
        ("-1", 400, "Invalid ID '-1'."),
        ("1.5", 400, "Invalid ID '1.5'."),
        ("%D9%A1", 400, "Invalid ID '١'."),
        ("9" * 19, 400, f"Invalid ID '{'9' * 19}'."),
    ],
)
def test_older_clients_are_told_of_a_wrong_id(alone: Served, given: str, status: int, told: str) -> None:
    """In their shape."""
    answer = alone.ask("POST", f"/restart/{given}")
    assert (status, {"success": False, "error": {"message": told}}) == (answer.status, answer.document)


def test_older_clients_are_told_that_a_restart_has_failed(tmp_path: pathlib.Path) -> None:
    """503 in their shape."""
    flag = tmp_path / "flag"
    one = program("a", f"test -e {flag} && exit 4; touch {flag}; echo up; {SLEEP}", ready={"log": "up"})
    with running(one) as supervisor, HealthCheckServer(port=0).serving(supervisor) as server:
        answer = Served(supervisor.wait_ready(5.0), server).ask("POST", "/restart/1")
        told = {"id": 1, "command": one.shown, "status": "terminated", "code": 4}
        why = {"message": "it ended with code 4 before it was ready"}
        assert (503, {"success": False, "process": told, "error": why}) == (answer.status, answer.document)


# --- beside each other


@pytest.fixture
def slow() -> Iterator[Served]:
    """A program that takes 0.3 s to end."""
    with running(stubborn("a", stop={"timeout": 0.3}), program("b")) as supervisor:
        supervisor.wait_ready(5.0)
        with HealthCheckServer(port=0).serving(supervisor) as server:
            yield Served(supervisor, server)
        supervisor.kill()


def in_background(served: Served, method: str, path: str) -> list[Answer]:
    """Asks on a thread of its own; the answer is in the list once it came."""
    answers: list[Answer] = []

    def ask() -> None:
        with contextlib.suppress(http.client.HTTPException, OSError):
            answers.append(served.ask(method, path))

    threading.Thread(target=ask, daemon=True).start()
    return answers


def test_a_restart_does_not_hold_up_others(slow: Served) -> None:
    """Those who ask for the health meanwhile; it comes to its end."""
    answers = in_background(slow, "POST", "/processes/a/restart")
    wait_until(lambda: slow.supervisor.process("a").state is State.STOPPING)
    statuses = [slow.ask("GET", path).status for path in ("/health", "/processes", "/processes/a", "/")]
    assert ([503, 200, 200, 200], True, 200) == (statuses, wait_until(lambda: answers), answers[0].status)


@pytest.mark.parametrize("path", ["/processes/a/restart", "/restart/1"])
def test_a_second_restart_is_refused_while_the_first_runs(slow: Served, path: str) -> None:
    """409; the first comes to its end."""
    first = in_background(slow, "POST", path)
    wait_until(lambda: slow.supervisor.process("a").state is State.STOPPING)
    second = slow.ask("POST", path)
    told = second.document["error"]
    told = told if isinstance(told, str) else told["message"]
    assert (409, "process 'a' is being restarted already", True, 200) == (
        second.status,
        told,
        wait_until(lambda: first),
        first[0].status,
    )


def test_a_client_that_leaves_does_not_end_a_restart(slow: Served) -> None:
    """It goes on without him."""
    connection = http.client.HTTPConnection(slow.server.host, slow.server.port, timeout=10.0)
    connection.request("POST", "/processes/a/restart")
    wait_until(lambda: slow.supervisor.process("a").state is State.STOPPING)
    connection.close()
    one = slow.supervisor.process("a")
    assert (True, 200) == (
        wait_until(lambda: one.restarts == 1 and one.state is State.READY),
        slow.ask("GET", "/health").status,
    )


def test_a_connection_goes_on_after_a_restart(slow: Served) -> None:
    """The next request is answered on it."""
    connection = http.client.HTTPConnection(slow.server.host, slow.server.port, timeout=10.0)
    statuses = []
    for method, path in (("POST", "/processes/a/restart"), ("GET", "/health"), ("POST", "/restart/2")):
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert [200] * 3 == statuses


def test_a_body_that_nobody_wanted_does_no_harm(slow: Served) -> None:
    """As some clients send one."""
    connection = http.client.HTTPConnection(slow.server.host, slow.server.port, timeout=10.0)
    connection.request("POST", "/processes/b/restart", body=b"{}", headers={"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    assert (200, 1) == (status, slow.supervisor.process("b").restarts)


# --- who may


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/processes/a/restart"),
        ("POST", "/processes/a/stop"),
        ("POST", "/processes/a/start"),
        ("POST", "/restart/1"),
        ("DELETE", "/"),
    ],
)
@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_page_of_another_site_may_change_nothing(
    served: Served, method: str, path: str, headers: dict[str, str]
) -> None:
    """403, and nothing was done."""
    answer = served.ask(method, path, **headers)
    told = "a page of another site may not ask for that"
    assert (403, told, 0, True) == (
        answer.status,
        answer.document["error"],
        served.supervisor.process("a").restarts,
        served.supervisor.is_healthy(),
    )


@pytest.mark.parametrize("path", ["/processes", "/processes/a/log"])
def test_under_a_name_that_is_not_its_own_nothing_is_shown(served: Served, path: str) -> None:
    """421: a page could have had it looked up (DNS rebinding)."""
    assert 421 == served.ask("GET", path, Host="evil.example").status


def test_under_a_name_that_is_not_its_own_nothing_is_changed(served: Served) -> None:
    """421."""
    answer = served.ask("POST", "/processes/a/restart", Host="evil.example")
    assert (421, 0) == (answer.status, served.supervisor.process("a").restarts)


LOCK = {"token": "secret", "details": "authorized"}


@pytest.fixture(scope="module")
def locked() -> Iterator[Served]:
    """With a token, and details for those who have it; for tests that change nothing."""
    with served_alone(alone=False, **LOCK) as found:
        yield found


ROUTES = [
    ("GET", "/processes"),
    ("GET", "/processes/a"),
    ("GET", "/processes/a/log"),
    ("POST", "/processes/a/restart"),
    ("POST", "/processes/a/stop"),
    ("POST", "/processes/a/start"),
    ("POST", "/restart/1"),
    ("DELETE", "/"),
]


def test_without_the_token_nothing_is_shown_or_done(locked: Served) -> None:
    """401."""
    answers = [locked.ask(*each).status for each in ROUTES]
    assert ([401] * len(ROUTES), 0, True) == (
        answers,
        locked.supervisor.process("a").restarts,
        locked.supervisor.is_healthy(),
    )


@pytest.mark.parametrize(("method", "path"), ROUTES[2:5])
def test_with_a_wrong_token_nothing_is_shown_or_done(locked: Served, method: str, path: str) -> None:
    """401."""
    answer = locked.ask(method, path, Authorization="Bearer wrong")
    assert (401, True) == (answer.status, locked.supervisor.is_healthy())


def test_with_the_token_all_is_shown_and_done() -> None:
    """200; to end all comes last."""
    with served_alone(**LOCK) as served:
        answers = [served.ask(*each, Authorization="Bearer secret").status for each in ROUTES]
        assert [200] * len(ROUTES) == answers


def test_without_the_token_the_root_says_nothing_of_processes(locked: Served) -> None:
    """Only where one may ask."""
    answer = locked.ask("GET", "/")
    assert (200, False) == (answer.status, "count" in answer.document)


def test_beside_the_rest_interface_the_root_says_both() -> None:
    """The fields of one, and the links of the other after those of the server."""
    with served_alone(api=True) as served:
        told = served.ask("GET", "/").document
    assert (2, ["v1", "v2", "v3"]) == (told["count"], [link["rel"] for link in told["links"]][-3:])


def test_others_than_this_machine_need_a_token() -> None:
    """A server that all can reach shows no details, and does nothing."""
    with running(program("a")) as supervisor:
        supervisor.wait_ready(5.0)
        with HealthCheckServer("0.0.0.0", port=0).serving(supervisor) as server:
            answers = [Served(supervisor, server).ask(*each, Host="127.0.0.1").status for each in ROUTES]
            assert ([403] * len(ROUTES), 0) == (answers, supervisor.process("a").restarts)


# --- shutdown


def test_delete_begins_to_stop(fresh: Served) -> None:
    """At once; all ends, and the host's stop() comes to its end."""
    answer = fresh.ask("DELETE", "/")
    ended = wait_until(lambda: all(each.state is State.STOPPED for each in fresh.supervisor.processes))
    assert (200, {"success": True}, True, "shutdown", True) == (
        answer.status,
        answer.document,
        ended,
        fresh.supervisor.status,
        fresh.supervisor.stop(),
    )


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/restart/1"), ("POST", "/restart/x"), ("DELETE", "/")]
)
def test_in_shutdown_older_clients_are_refused(fresh: Served, method: str, path: str) -> None:
    """403, in their shape."""
    fresh.ask("DELETE", "/")
    answer = fresh.ask(method, path)
    told = {"success": False, "error": {"message": "Process is in shutdown."}}
    assert (403, told) == (answer.status, answer.document)


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_in_shutdown_nothing_is_done(fresh: Served, verb: str) -> None:
    """403; when all has ended there is nobody to do it."""
    fresh.supervisor.shut_down()
    first = fresh.ask("POST", f"/processes/a/{verb}").status
    fresh.supervisor.stop()
    assert [403, 503] == [first, fresh.ask("POST", f"/processes/a/{verb}").status]


def test_in_shutdown_all_can_be_looked_at(fresh: Served) -> None:
    """While it goes on, and after it."""
    fresh.supervisor.stop()
    paths = ("/processes", "/processes/a", "/processes/a/log", "/status")
    assert [200] * 4 == [fresh.ask("GET", path).status for path in paths]


def test_in_shutdown_no_requests_are_wanted(fresh: Served) -> None:
    """503 with the word."""
    fresh.supervisor.shut_down()
    answers = [fresh.ask("GET", path) for path in ("/health", "/readyz")]
    assert [(503, "draining")] * 2 == [
        (each.status, each.document["status"] if each.body.startswith(b"{") else each.body.decode()) for each in answers
    ]


def test_a_stop_answers_who_waits_for_a_restart(slow: Served) -> None:
    """At once: 503 or 409, not the end of his patience."""
    answers = in_background(slow, "POST", "/processes/a/restart")
    wait_until(lambda: slow.supervisor.process("a").state is State.STOPPING)
    slow.supervisor.stop()
    assert (True, True) == (wait_until(lambda: answers, SLACK), answers[0].status in (409, 503))


def test_a_server_that_stops_does_not_end_a_restart(slow: Served) -> None:
    """Nor wait for it."""
    in_background(slow, "POST", "/processes/a/restart")
    one = slow.supervisor.process("a")
    wait_until(lambda: one.state is State.STOPPING)
    slow.server.stop(0.1)
    assert wait_until(lambda: one.restarts == 1 and one.state is State.READY)


def test_a_supervisor_that_was_not_started_is_unknown() -> None:
    """503; its processes are told of."""
    supervisor = Supervisor([program("a")])
    with HealthCheckServer(port=0).serving(supervisor) as server:
        served = Served(supervisor, server)
        asked = [served.ask(*each).status for each in (("GET", "/health"), ("GET", "/processes"), *ROUTES[3:7])]
        assert [503, 200, 503, 503, 503, 503] == asked


def test_liveness_is_the_servers_own(one: Served) -> None:
    """A process that has failed is no reason to restart the host."""
    one.supervisor.process("b").kill()
    wait_until(lambda: one.supervisor.process("b").state is State.EXITED)
    assert (200, 503) == (one.ask("GET", "/livez").status, one.ask("GET", "/readyz").status)


def test_metrics_and_the_page_do_not_fail(served: Served) -> None:
    """Whatever they have of the processes."""
    page = served.ask("GET", "/", Accept="text/html")
    assert (200, 200, True) == (served.ask("GET", "/metrics").status, page.status, b"<html" in page.body)


def test_many_clients_that_wait_for_a_restart_are_answered(slow: Served) -> None:
    """One of them with 200, the others with 409."""
    answers = [in_background(slow, "POST", "/processes/a/restart") for _ in range(30)]
    done = wait_until(lambda: all(answers), 10.0)
    statuses = sorted(each[0].status for each in answers)
    assert (True, {200, 409}, True) == (done, set(statuses), statuses.count(200) < 5)
