"""Nobody waits for another: subjects, credentials and routes that take their time, and what they leave behind."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import python, wait_until

from minimon import Check, HealthCheckHandler, HealthCheckServer, Monitor
from minimon.serve.framing import Request
from minimon.serve.handler import framed
from minimon.tasks import Tasks

GET = Request("GET", "/", "", (), "", True, False, 0, False)


class Plain:
    """A host's own object."""

    def __init__(self, healthy: Callable[[], Any] = lambda: True, stats: Callable[[], Any] = dict) -> None:
        self.is_healthy, self.get_detailed_stats = healthy, stats


class Gate:
    """Holds whoever comes, until it is opened."""

    def __init__(self) -> None:
        self.came, self.opened = threading.Semaphore(0), threading.Event()

    def __call__(self, *given: Any) -> bool:
        self.came.release()
        self.opened.wait(20.0)
        return True


@pytest.fixture
def gate() -> Iterator[Gate]:
    """One that is open in the end."""
    made = Gate()
    yield made
    made.opened.set()


def ask(server: HealthCheckServer, path: str, source: str = "", method: str = "GET", **headers: str) -> tuple[int, str]:
    """Code and body of one request."""
    connection = http.client.HTTPConnection(
        server.host, server.port, timeout=10.0, source_address=(source, 0) if source else None
    )
    with contextlib.closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read().decode()


@contextlib.contextmanager
def sent(server: HealthCheckServer, *requests: str) -> Iterator[list[socket.socket]]:
    """Clients that have asked, and do not read yet."""
    with contextlib.ExitStack() as stack:
        clients = []
        for request in requests:
            clients.append(stack.enter_context(socket.create_connection((server.host, server.port), timeout=10.0)))
            clients[-1].sendall(f"GET {request} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield clients


def soon(server: HealthCheckServer) -> bool:
    """Whether others are answered meanwhile."""
    begun = time.monotonic()
    return ask(server, "/livez") == (200, '{"status": "alive"}') and time.monotonic() - begun < 1.0


# What is slow is nobody else's business


def test_a_large_monitor_beside_a_slow_subject_holds_nobody(gate: Gate) -> None:
    """Its document is not made again whenever somebody else's answer is there."""
    monitor = Monitor([Check(f"c{number}", lambda: True) for number in range(3000)])
    slow = Plain(stats=gate)
    with HealthCheckServer(port=0).serving(monitor, slow) as server:
        with sent(server, *["/status"] * 100):
            gate.came.acquire(timeout=5.0)
            assert soon(server)
        gate.opened.set()


def test_a_subject_that_hangs_keeps_no_other_from_being_asked(gate: Gate) -> None:
    """Each has threads of its own."""
    hanging, broken = Plain(gate, gate), Plain(lambda: False)
    with HealthCheckServer(port=0).serving(hanging, broken) as server:
        with sent(server, "/health", "/status"):
            assert [True, True] == [gate.came.acquire(timeout=5.0) for _ in range(2)]
        assert '{"status": "unhealthy"}' == ask(server, "/health")[1]
        gate.opened.set()


def test_what_a_subject_remembers_is_not_asked_on_the_servers_thread(gate: Gate) -> None:
    """Any attribute of a host's object may be a property that takes its time."""

    class Lazy(Plain):
        was_ready = draining = property(gate)

    with HealthCheckServer(port=0).serving(Lazy()) as server:
        assert (200, True) == (ask(server, "/readyz")[0], soon(server))


class Login:
    """Knows who says so; the answer has to be asked for its truth."""

    challenge = "Basic"

    def __init__(self, truth: Callable[[], Any] = lambda: True) -> None:
        self.truth, self.asked = truth, 0

    def authenticate(self, scheme: str, given: str) -> Any:
        """Somebody, whose truth is known later."""
        self.asked += 1

        class Lazy:
            def __bool__(lazy) -> bool:
                return bool(given == "right" and self.truth())

        return Lazy()


def test_whether_somebody_is_true_is_found_out_elsewhere(gate: Gate) -> None:
    """A query of a database, perhaps."""
    with HealthCheckServer(port=0, auth=Login(gate), details="authorized").serving(Plain()) as server:
        with sent(server, "/status HTTP/1.1\r\nAuthorization: Basic right\r\nX:"):
            gate.came.acquire(timeout=5.0)
            assert soon(server)
            gate.opened.set()


def test_many_attempts_at_once_are_many(gate: Gate) -> None:
    """They count before they are answered, and keep nobody waiting who was known before."""
    auth = Login()
    with HealthCheckServer(port=0, auth=auth, details="authorized").serving(Plain()) as server:
        right = {"Authorization": "Basic right"}
        assert 200 == ask(server, "/status", **right)[0]
        requests = [f"/status HTTP/1.1\r\nAuthorization: Basic {number}\r\nX:" for number in range(30)]
        with sent(server, *requests) as clients:
            codes = [client.recv(9999)[9:12] for client in clients]
        again = ask(server, "/status", **right)[0]
    assert ({b"401": 5, b"429": 25}, 7, 200) == (Counter(codes), auth.asked, again)


# A host's own routes


class Routes(HealthCheckHandler):
    """By path."""

    def do_GET(self) -> None:
        """What the path names."""
        getattr(self, self.path[1:])()

    def stopping(self) -> None:
        """And starting again, on the same port."""
        server = self.server.owner  # type: ignore[attr-defined]
        ended = server.stop()
        again = HealthCheckServer(port=server.port).start(Plain())
        self.server.again.append(again)  # type: ignore[attr-defined]
        self.send_error(410, f"stopped: {ended}")

    def injected(self) -> None:
        """A phrase with a header in it."""
        self.send_response_only(200, "OK\r\nSet-Cookie: evil=1")
        self.end_headers()

    def header(self) -> None:
        """A value with a header in it."""
        self.send_response(200)
        self.send_header("X", "a\r\nSet-Cookie: evil=1")
        self.end_headers()

    def hello(self) -> None:
        """A few bytes."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def large(self) -> None:
        """Many."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 1_000_000)


@pytest.fixture
def routes() -> Iterator[HealthCheckServer]:
    """A server of them."""
    server, others = HealthCheckServer(port=0, handler=Routes), []
    with server.serving(Plain()):
        server.httpd.owner, server.httpd.again = server, others  # type: ignore[union-attr]
        yield server
    for other in others:
        other.stop()


@pytest.mark.parametrize("path", ["/injected", "/header"])
def test_data_adds_no_header(routes: HealthCheckServer, path: str) -> None:
    """500."""
    connection = http.client.HTTPConnection(routes.host, routes.port, timeout=10.0)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        assert (500, None) == (response.status, response.headers["Set-Cookie"])


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nX: a\0b",
        b"HTTP/1.1 200 OK\r\nno header",
        b"HTTP/1.1 200 OK\r\nX : a",
        b"HTTP/1.1 200 O\nK",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 600 What",
    ],
)
def test_what_readers_take_differently_is_not_sent(head: bytes) -> None:
    """RFC 9112, 2.2: some end a line at a bare LF."""
    with pytest.raises(ValueError, match="a route of the host wrote"):
        framed(head + b"\r\n\r\nhello", GET, False)


@pytest.mark.parametrize("start", [b"HTTP/1.1 100", b"HTTP/1.1 100 Continue", b"HTTP/1.1 103 Early Hints"])
def test_what_comes_before_the_answer_is_left_away(start: bytes) -> None:
    """With a phrase or without."""
    made = start + b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello"
    assert (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello", False) == framed(made, GET, False)


@pytest.mark.parametrize(
    ("written", "method", "head", "rest"),
    [
        (b"205 Reset", "GET", b"205 Reset\r\nContent-Length: 0", (b"", False)),
        (b"204 No\r\nTransfer-Encoding: chunked", "GET", b"204 No\r\nConnection: close", (b"", True)),
        (b"200 OK", "CONNECT", b"200 OK\r\nContent-Length: 5\r\nConnection: close", (b"hello", True)),
    ],
)
def test_special_codes_end_where_readers_think(written: bytes, method: str, head: bytes, rest: Any) -> None:
    """RFC 9110, 15.3.5, 15.3.6 and 9.3.6."""
    made = framed(b"HTTP/1.1 " + written + b"\r\n\r\nhello", GET._replace(method=method), False)
    assert (b"HTTP/1.1 " + head + b"\r\n\r\n", *rest) == made


def test_head_asks_the_route_for_get(routes: HealthCheckServer) -> None:
    """And gets no body."""
    assert (200, "") == ask(routes, "/hello", method="HEAD")


def test_a_route_may_start_another_on_the_port(routes: HealthCheckServer) -> None:
    """It is free when stop() returns, which cannot wait for the route itself."""
    answer = ask(routes, "/stopping")
    again = routes.httpd or None
    with contextlib.closing(socket.create_connection((routes.host, routes.port), timeout=5.0)):
        pass
    assert ((410, '{"error": "stopped: False"}'), None) == (answer, again)


def test_the_port_is_free_for_whoever_stops_second() -> None:
    """Both wait for the same end."""
    for _ in range(20):
        server = HealthCheckServer(port=0).start(Plain())
        first = threading.Thread(target=server.stop)
        first.start()
        ended = server.stop()
        assert ended and HealthCheckServer(port=server.port).start(Plain()).stop()
        first.join()


def test_stop_by_a_subject_lets_answers_in_flight_end(gate: Gate) -> None:
    """On the server's own thread, which is not held up."""

    class Ending:
        def overall(self) -> str:
            if gate.came.acquire(blocking=False):
                ended.append(server.stop(5.0))
                gate.opened.set()
            return "healthy"

        def snapshot(self) -> dict[str, Any]:
            return {}

    class Slow(HealthCheckHandler):
        def do_GET(self) -> None:
            gate()
            self.send_error(410, "ended well")

    ended: list[bool] = []
    server = HealthCheckServer(port=0, handler=Slow).start(Ending())
    with sent(server, "/slow") as [client]:
        assert wait_until(lambda: gate.came._value > 0)  # type: ignore[attr-defined]
        with sent(server, "/health"):
            answer = client.recv(9999)
    assert ([False], True, True) == (ended, b"ended well" in answer, server.stop())


def test_a_task_that_is_finished_is_not_kept() -> None:
    """Its answer may be large."""
    tasks = Tasks()
    task = tasks.submit("large", lambda task: "x")
    assert wait_until(lambda: task.finished and tasks.get(task.id) is None)
    assert tasks.stop(time.monotonic() + 5.0)


def test_probes_are_answered_while_slow_routes_hold_all_descriptors() -> None:
    """One of those that wait has to go."""
    code = """
import resource, socket, threading
from minimon import HealthCheckHandler, HealthCheckServer
class Plain:
    def is_healthy(self): return True
    def get_detailed_stats(self): return {}
class Slow(HealthCheckHandler):
    def do_GET(self): threading.Event().wait(20)
server = HealthCheckServer(port=0, handler=Slow).start(Plain())
probe, *clients = [socket.socket() for _ in range(60)]
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
for client in clients:
    client.connect(("127.0.0.1", server.port))
    client.sendall(b"GET /slow HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
probe.settimeout(5)
probe.connect(("127.0.0.1", server.port))
probe.sendall(b"GET /livez HTTP/1.0\\r\\n\\r\\n")
print(probe.recv(15).decode())
"""
    assert "HTTP/1.1 200 OK\n" == python(code).stdout


def test_a_child_of_a_route_ends() -> None:
    """It has no server, and no tasks."""
    code = """
import os, socket
from minimon import HealthCheckHandler, HealthCheckServer
class Forking(HealthCheckHandler):
    def do_GET(self):
        child = os.fork()
        if child:
            self.send_error(200, str(os.waitpid(child, 0)[1]))
server = HealthCheckServer(port=0, handler=Forking).start(object.__new__(type("P", (), {
    "is_healthy": lambda self: True, "get_detailed_stats": lambda self: {}})))
client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
client.sendall(b"GET /fork HTTP/1.0\\r\\n\\r\\n")
print(b"".join(iter(lambda: client.recv(999), b""))[-14:].decode())
"""
    assert '{"error": "0"}\n' == python(code, "-W", "ignore").stdout


# What is said


@pytest.mark.long
def test_verbose_changes_no_answer(gate: Gate) -> None:
    """Though what it would tell cannot be found out."""
    with HealthCheckServer(port=0).serving(Plain(lambda: False, gate)) as server:
        with sent(server, "/health?verbose", "/readyz?verbose") as clients:
            seen = [client.recv(9999).split(b"\r\n\r\n")[1] for client in clients]
        gate.opened.set()
    assert [b'{"status": "unhealthy"}', b'{"status": "not ready"}'] == seen


def test_no_key_of_a_hosts_own_document_is_left_out_of_its_tag() -> None:
    """Only a monitor's `service` is new each time."""
    told = {"checks": {}, "service": "up", "self": 1}
    with HealthCheckServer(port=0).serving(Plain(stats=lambda: told)) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
        with contextlib.closing(connection):
            connection.request("GET", "/status")
            first = connection.getresponse()
            first.read()
            told["service"] = "down"
            connection.request("GET", "/status", headers={"If-None-Match": first.headers["ETag"]})
            assert 200 == connection.getresponse().status


@pytest.mark.parametrize(("told", "code"), [('"x,*,y"', 200), ("*", 304), ('"x", {tag}', 304), ("W/{tag}", 304)])
def test_a_tag_may_hold_commas(told: str, code: int) -> None:
    """RFC 9110, 8.8.3."""
    with HealthCheckServer(port=0).serving(Plain()) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
        with contextlib.closing(connection):
            connection.request("GET", "/status")
            first = connection.getresponse()
            first.read()
            tag = first.headers["ETag"].replace("W/", "")
            connection.request("GET", "/status", headers={"If-None-Match": told.format(tag=tag)})
            assert code == connection.getresponse().status


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "::ffff:127.0.0.1"])
def test_loopback_is_loopback_however_it_is_written(host: str) -> None:
    """Strangers' names do not lead there."""
    with HealthCheckServer(host, port=0).serving(Plain()) as server:
        client = socket.create_connection(("127.0.0.1", server.port), timeout=10.0)
        with contextlib.closing(client):
            client.sendall(b"GET /status HTTP/1.0\r\nHost: evil.example\r\n\r\n")
            assert b"HTTP/1.1 421 " == client.recv(999)[:13]


def test_a_stranger_is_told_of_no_path(routes: HealthCheckServer) -> None:
    """Of those that are not there neither."""
    with HealthCheckServer(port=0).serving(Plain()) as server:
        assert [421, 421] == [ask(each, "/nope", Host="evil.example")[0] for each in (server, routes)]
