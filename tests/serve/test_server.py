"""HealthCheckServer on the wire: its life, its connections, and clients that do not behave."""

from __future__ import annotations

import contextlib
import errno
import gc
import http.client
import http.server
import json
import logging
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import descriptors, few, our_threads, python, wait_until

from minimon import ConfigError, HealthCheckHandler, HealthCheckServer, LifecycleError, Monitor, PortError
from minimon.serve.connection import MOST, Times

CROWD = 150
"""More clients than there would be threads; each has two descriptors in this process."""
HEALTHY = (200, {"status": "healthy"})


class Plain:
    """A host's own object."""

    def __init__(self, healthy: Callable[[], object] = lambda: True, **stats: Any) -> None:
        self.is_healthy = healthy
        self.get_detailed_stats = lambda: stats


@pytest.fixture
def server() -> Iterator[HealthCheckServer]:
    """A server of a healthy subject."""
    with HealthCheckServer(port=0).serving(Plain(users=3)) as running:
        yield running


@pytest.fixture
def quick() -> Iterator[HealthCheckServer]:
    """A server of much text, whose clients have a fifth of a second."""
    with HealthCheckServer(port=0).serving(Plain(text="x" * (8 << 20))) as running:
        assert running.httpd is not None
        running.httpd.answers.times = Times(*[0.2] * len(Times()))
        yield running


def connected(server: HealthCheckServer) -> socket.socket:
    """A client's socket."""
    return socket.create_connection((server.host, server.port), timeout=10.0)


def exchange(server: HealthCheckServer, content: bytes) -> bytes:
    """All that comes back for these bytes until the server closes."""
    with connected(server) as client:
        client.sendall(content)
        return until_closed(client)


def until_closed(client: socket.socket) -> bytes:
    """All that still comes."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            got += piece
    return got


def ask(server: HealthCheckServer, path: str = "/health", method: str = "GET", **more: Any) -> tuple[int, Any]:
    """Status and document of one request on a connection of its own."""
    status, _, body = fetch(server, path, method, **more)
    return status, json.loads(body) if body else None


def fetch(
    server: HealthCheckServer, path: str = "/health", method: str = "GET", **more: Any
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
    try:
        connection.request(method, path, **more)
        response = connection.getresponse()
        return response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    fields = dict(line.split(": ", 1) for line in lines)
    return int(status), {key.lower(): value for key, value in fields.items()}, body


def in_background(function: Callable[[], object]) -> threading.Thread:
    """Calls it on a thread of its own."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


# Answers


def test_health_is_one_word(server: HealthCheckServer) -> None:
    """The body is the word and nothing more, to the byte."""
    status, headers, body = fetch(server)
    assert (200, b'{"status": "healthy"}', "21") == (status, body, headers["content-length"])


def test_an_answer_has_these_headers(server: HealthCheckServer) -> None:
    """JSON, not to be kept, not to be guessed at; no version of anything is told."""
    _, headers, _ = fetch(server, "/status")
    told = {key: headers[key] for key in ("content-type", "cache-control", "x-content-type-options", "server")}
    expected = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "server": "minimon",
    }
    assert expected == told


@pytest.mark.parametrize("path", ["/health", "/health/", "/health?x=1", "/health/?x=1&y=/", "/health?"])
def test_a_query_and_a_slash_are_tolerated(server: HealthCheckServer, path: str) -> None:
    """What load balancers add does no harm."""
    assert HEALTHY == ask(server, path)


@pytest.mark.parametrize("path", ["/status", "/status/", "/status?x=1"])
def test_status_is_the_stats(server: HealthCheckServer, path: str) -> None:
    """The document of the subject."""
    assert (200, {"users": 3}) == ask(server, path)


@pytest.mark.parametrize(
    "path",
    ["//", "/healthz", "/health//", "/Health", "/health/x", "/%68ealth", "/x/../health", "/health%00", "/health;x"],
)
def test_other_paths_are_not_found(server: HealthCheckServer, path: str) -> None:
    """404, as JSON."""
    assert (404, {"error": "not found"}) == ask(server, path)


@pytest.mark.parametrize("path", ["/health", "/status", "/elsewhere"])
def test_head_is_get_without_the_body(server: HealthCheckServer, path: str) -> None:
    """Status and headers are the same, Content-Length too."""
    status, headers, _ = fetch(server, path)
    same = fetch(server, path, "HEAD")
    headers.pop("date"), same[1].pop("date")
    assert (status, headers, b"") == same


def test_head_sends_no_body(server: HealthCheckServer) -> None:
    """On the wire the answer ends with its head."""
    answer = exchange(server, b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert True is answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "X", "!#$%&'*+-.^_`|~"]
)
@pytest.mark.parametrize("path", ["/health", "/status"])
def test_other_methods_are_not_allowed(server: HealthCheckServer, path: str, method: str) -> None:
    """405 with Allow, as JSON; 501 for one that nobody knows (RFC 9110, 15.6.2)."""
    code = 405 if method in ("POST", "PUT", "PATCH", "DELETE", "TRACE") else 501
    request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status, headers, body = split(exchange(server, request.encode()))
    assert (code, "GET, HEAD, OPTIONS", ["error"]) == (status, headers.get("allow"), list(json.loads(body)))


@pytest.mark.parametrize("path", ["/health", "/status"])
def test_options_are_told(server: HealthCheckServer, path: str) -> None:
    """204 with Allow and without a body."""
    status, headers, body = fetch(server, path, "OPTIONS")
    assert (204, "GET, HEAD, OPTIONS", b"", None) == (status, headers["allow"], body, headers.get("content-length"))


def test_a_server_without_subject_answers() -> None:
    """`with` alone serves nothing, and says so."""
    with HealthCheckServer(port=0) as server:
        assert (503, {"status": "unknown"}) == ask(server)


# Connections


def test_a_connection_is_kept(server: HealthCheckServer) -> None:
    """HTTP/1.1: many requests on one connection."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
    with contextlib.closing(connection):
        seen = []
        for _ in range(5):
            connection.request("GET", "/health")
            seen.append((connection.getresponse().read(), connection.sock is not None))
    assert [(b'{"status": "healthy"}', True)] * 5 == seen


def test_a_kept_connection_is_not_closed_without_a_word(server: HealthCheckServer) -> None:
    """However many requests it carries, its end is told with the last answer, so that no request is lost."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
    with contextlib.closing(connection):
        seen = set()
        for _ in range(250):
            connection.request("GET", "/health")
            seen.add(connection.getresponse().read())
    assert {b'{"status": "healthy"}'} == seen


def test_a_client_may_close(server: HealthCheckServer) -> None:
    """Connection: close is honoured, and told."""
    _, headers, _ = split(exchange(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    assert "close" == headers["connection"]


def test_http_1_0_is_answered_and_closed(server: HealthCheckServer) -> None:
    """The older version has one request a connection."""
    status, headers, body = split(exchange(server, b"GET /health HTTP/1.0\r\n\r\n"))
    assert (200, "close", b'{"status": "healthy"}') == (status, headers["connection"], body)


def test_http_1_0_may_keep_its_connection(server: HealthCheckServer) -> None:
    """Connection: keep-alive is granted, and the client is told, since it cannot know otherwise."""
    request = b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    with connected(server) as client:
        client.sendall(request)
        _, headers, _ = split(client.recv(65536))
        client.sendall(request)
        assert ("keep-alive", True) == (headers.get("connection"), client.recv(65536).startswith(b"HTTP/1.1 200"))


def test_pipelined_requests_are_answered_in_order(server: HealthCheckServer) -> None:
    """Requests sent without waiting get their answers one after the other."""
    paths = [b"/health", b"/status", b"/elsewhere", b"/health"]
    content = b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths)
    answer = exchange(server, content + b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert [b"200", b"200", b"404", b"200", b"200"] == [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]


def test_a_request_may_come_byte_by_byte(server: HealthCheckServer) -> None:
    """How it is cut into packets does not matter."""
    with connected(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":
            client.sendall(bytes((byte,)))
        assert 200 == split(until_closed(client))[0]


@pytest.mark.parametrize("path", ["/health", "/status", "/elsewhere"])
def test_an_answer_is_one_send(server: HealthCheckServer, path: str) -> None:
    """Head and body arrive together: one read has the whole answer, each time."""
    whole = []
    with connected(server) as client:
        for _ in range(20):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            _, headers, body = split(client.recv(65536))
            whole.append(int(headers["content-length"]) == len(body))
    assert [True] * 20 == whole


def test_a_kept_connection_does_not_stall(server: HealthCheckServer) -> None:
    """Nagle and delayed ACK would cost 40 ms for each of these answers."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
    with contextlib.closing(connection):
        connection.request("GET", "/health")
        connection.getresponse().read()
        start = time.monotonic()
        for _ in range(50):
            connection.request("GET", "/health")
            connection.getresponse().read()
        taken = time.monotonic() - start
    assert taken < 1.0


# Requests that are none


MALFORMED = {
    "one word": b"HELLO\r\n\r\n",
    "four words": b"GET /health now HTTP/1.1\r\n\r\n",
    "no version": b"GET /health HTTP/one\r\n\r\n",
    "no such version": b"GET /health HTTP/2.0\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/0.9 with another method": b"POST /health\r\n\r\n",
    "binary": b"\x16\x03\x01\x02\x00\x01\x00\xff\xfe\r\n\r\n",
    "a long request line": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    "a long header": b"GET /health HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "markup": b"GET /<script>alert(1)</script>\r\n\r\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_gets_a_proper_refusal(server: HealthCheckServer, case: str) -> None:
    """A status line, a code of 400 to 505, JSON without an echo of the request, and the connection is closed."""
    status, headers, body = split(exchange(server, MALFORMED[case]))
    seen = 400 <= status <= 505, headers["content-type"], headers["connection"], list(json.loads(body))
    assert (True, "application/json", "close", ["error"]) == seen


def test_an_empty_line_before_a_request_is_tolerated(server: HealthCheckServer) -> None:
    """Some clients end a request with one line too many (RFC 9112, 2.2)."""
    answer = exchange(server, b"\r\nGET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert True is answer.startswith(b"HTTP/1.1 200")


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SIZE = str(len(SMUGGLED)).encode()
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)

BODIES = {
    "Content-Length": (b"Content-Length: " + SIZE + b"\r\n", SMUGGLED),
    "chunked": (b"Transfer-Encoding: chunked\r\n", CHUNKED),
    "both": (b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: " + SIZE + b"\r\n", SMUGGLED),
    "two lengths, the other way": (b"Content-Length: " + SIZE + b"\r\nContent-Length: 0\r\n", SMUGGLED),
    "a length with a sign": (b"Content-Length: +" + SIZE + b"\r\n", SMUGGLED),
    "a negative length": (b"Content-Length: -1\r\n", SMUGGLED),
    "an empty length": (b"Content-Length:\r\n", SMUGGLED),
    "a blank before the colon": (b"Content-Length : " + SIZE + b"\r\n", SMUGGLED),
    "a header without colon before": (b"nonsense\r\nContent-Length: " + SIZE + b"\r\n", SMUGGLED),
    "a header name with blanks before": (b"X Y: z\r\nContent-Length: " + SIZE + b"\r\n", SMUGGLED),
    "a folded header before": (b" folded\r\nContent-Length: " + SIZE + b"\r\n", SMUGGLED),
}


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("case", BODIES)
def test_a_body_is_never_taken_for_a_request(server: HealthCheckServer, case: str, method: bytes) -> None:
    """However it is announced: there is one answer, and the connection is closed where its end is in doubt."""
    headers, body = BODIES[case]
    head = method + b" /health HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n"
    answer = exchange(server, head + body + b"OPTIONS /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    codes = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    expected = {"Content-Length": [b"405" if method == b"POST" else b"200", b"204"], "chunked": [b"411"]}
    assert expected.get(case, [b"400"]) == codes


def test_a_large_body_is_not_swallowed(server: HealthCheckServer) -> None:
    """16 MiB are refused with an answer that the client gets to see, not read into memory."""
    status, _, body = split(
        exchange_in_pieces(
            server, b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777216\r\n\r\n", 16 << 20
        )
    )
    assert (True, ["error"]) == (status in (405, 413), list(json.loads(body)))


def exchange_in_pieces(server: HealthCheckServer, head: bytes, size: int) -> bytes:
    """Sends a head and a long body for as long as the server takes it; all that came back."""
    with connected(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(head)
            for _ in range(size >> 16):
                client.sendall(b"x" * 65536)
        return until_closed(client)


def test_clients_that_wait_to_be_asked_for_the_body_are_answered(server: HealthCheckServer) -> None:
    """Expect: 100-continue does not make a client wait for ever."""
    head = b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    assert True is (b"HTTP/1.1 405" in exchange(server, head))


# Slow and vanished clients


def test_clients_have_seconds() -> None:
    """Silence is not waited for longer than ten seconds."""
    assert True is all(0 < seconds <= 10 for seconds in Times())


@pytest.mark.parametrize("said", few([b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"GET /hea"]))
def test_a_slow_client_is_dropped(quick: HealthCheckServer, said: bytes) -> None:
    """Who does not finish a request in time is hung up on, without an answer to what was not asked."""
    start = time.monotonic()
    answer = exchange(quick, said)
    assert (True, True) == (answer[:12] in (b"", b"HTTP/1.1 408"), time.monotonic() - start < 1.2)


def test_an_idle_connection_is_dropped(quick: HealthCheckServer) -> None:
    """A kept connection is not kept for ever."""
    start = time.monotonic()
    answer = exchange(quick, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (1, True) == (answer.count(b"HTTP/1.1 "), time.monotonic() - start < 1.2)


@pytest.mark.parametrize("piece", [b"x", b"\r\n"])
def test_a_client_that_drips_is_dropped(quick: HealthCheckServer, piece: bytes) -> None:
    """A byte now and then does not buy time for ever: a request has a deadline of its own."""
    start = time.monotonic()
    with connected(quick) as client, contextlib.suppress(OSError):
        client.settimeout(0.05)  # the pause between two pieces
        while time.monotonic() - start < 3.0:
            client.sendall(piece)
            with contextlib.suppress(socket.timeout):
                if not client.recv(999):
                    break
    assert time.monotonic() - start < 1.4


def test_a_body_that_does_not_come_is_waited_for_no_longer(quick: HealthCheckServer) -> None:
    """The whole request has one deadline: 408, and the connection is closed."""
    start = time.monotonic()
    answer = exchange(quick, b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n1234")
    assert (408, True) == (split(answer)[0], time.monotonic() - start < 1.4)


@pytest.mark.parametrize("size", [1, 7, 64 << 10])
def test_a_connection_goes_on_after_a_body(server: HealthCheckServer, size: int) -> None:
    """However it comes: its end is known, so what follows is the next request."""
    head = f"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connected(server) as client:
        for piece in (head[:20], head[20:] + b"x" * (size - 1), b"x" + last[:9], last[9:]):
            client.sendall(piece)
        answer = until_closed(client)
    assert [b"405", b"200"] == [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]


def test_ten_thousand_requests_at_once_are_cut_at_a_hundred(server: HealthCheckServer) -> None:
    """A client that wants more connects again, and others are answered meanwhile."""
    with connected(server) as client:
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10_000)
        client.settimeout(10.0)
        seen = ask(server)
        answers = until_closed(client).count(b"HTTP/1.1 200")
    assert (HEALTHY, 100) == (seen, answers)


def test_a_half_closed_client_gets_all_of_its_answers(server: HealthCheckServer) -> None:
    """It says no more, but listens."""
    with connected(server) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        client.shutdown(socket.SHUT_WR)
        assert 10 == until_closed(client).count(b"HTTP/1.1 200")


def test_an_empty_line_begins_no_request(quick: HealthCheckServer) -> None:
    """A connection that says nothing more is closed without a word."""
    ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert 2 == exchange(quick, ask + ask + b"\r\n").count(b"HTTP/1.1 ")


@pytest.mark.parametrize("field", [b"Host: b", b"Content-Length: 99999", b"Transfer-Encoding: chunked", b"Expect: tea"])
def test_a_refused_head_has_no_body(server: HealthCheckServer, field: bytes) -> None:
    """HEAD never has one (RFC 9110, 9.3.2)."""
    answer = exchange(server, b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n" + field + b"\r\n\r\n")
    assert (True, True) == (400 <= split(answer)[0] < 500, answer.endswith(b"\r\n\r\n"))


def test_a_slow_reader_is_dropped(quick: HealthCheckServer) -> None:
    """An answer that nobody reads is not held for ever."""
    with connected(quick) as client:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert True is wait_until(lambda: not sendable(client), 2.0)


def sendable(client: socket.socket) -> bool:
    """Whether the other side still has its socket open."""
    try:
        client.sendall(b"\r\n")
    except OSError:
        return False
    return True


def test_what_is_sent_too_early_is_not_hoarded() -> None:
    """While its answer is on the way, a client cannot fill the memory with what it sends."""
    let_go = threading.Event()
    with HealthCheckServer(port=0).serving(Plain(lambda: let_go.wait(1.0) or True)) as server:
        with connected(server) as client:
            tracemalloc.start()
            try:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                client.settimeout(0.2)
                with contextlib.suppress(OSError):
                    for _ in range(64):
                        client.sendall(bytes(1 << 20))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
                let_go.set()
    assert peak < 16 << 20


@pytest.mark.parametrize("path", ["/health", "/status"])
def test_a_client_may_close_its_half_first(path: str) -> None:
    """Who has asked and has no more to say is answered still, also when the subject takes a moment."""
    pause = threading.Event()
    subject = Plain(lambda: not pause.wait(0.1), text="x" * (8 << 20))
    with HealthCheckServer(port=0).serving(subject) as server, connected(server) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)
        _, headers, body = split(until_closed(client))
    assert int(headers["content-length"]) == len(body)


def test_silent_connections_do_not_block(server: HealthCheckServer) -> None:
    """More of them than there are threads: /health is answered, and at once."""
    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(connected(server))
        start = time.monotonic()
        answer = ask(server)
        taken = time.monotonic() - start
    assert (HEALTHY, True) == (answer, taken < 1.0)


def test_pipelined_requests_do_not_block() -> None:
    """A client that asks a hundred times at once does not make others wait for all of its answers."""
    pause = threading.Event()

    class Large:
        """Takes its time for a snapshot, as one of many checks does."""

        def snapshot(self) -> dict[str, object]:
            return {"overall": pause.wait(0.03) or "healthy"}

    with HealthCheckServer(port=0).serving(Large()) as server, connected(server) as greedy:
        greedy.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        greedy.recv(1)
        start = time.monotonic()
        ask(server, "/elsewhere")
        taken = time.monotonic() - start
        pause.set()
    assert taken < 1.0


def test_half_requests_do_not_block(server: HealthCheckServer) -> None:
    """The same with clients that have begun to ask."""
    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(connected(server)).sendall(b"GET /health HTTP/1.1\r\nHost:")
        answers = [ask(server) for _ in range(10)]
    assert [HEALTHY] * 10 == answers


def test_kept_connections_do_not_block(server: HealthCheckServer) -> None:
    """The same with clients that have been answered and stay."""
    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            client = stack.enter_context(connected(server))
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.recv(65536)
        assert HEALTHY == ask(server)


def test_threads_are_bounded(server: HealthCheckServer) -> None:
    """However many connect, the server has its threads and no more."""
    with contextlib.ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(connected(server))
        ask(server)
        assert True is (len(our_threads()) <= 3)


def test_connections_are_bounded() -> None:
    """Beyond the most that are kept the longest waiting ones have to go, and /health is answered."""
    code = f"""
import resource, socket
from minimon import HealthCheckServer, Monitor
need = {4 * MOST}
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if hard != resource.RLIM_INFINITY and hard < need:
    raise SystemExit("too few descriptors")
resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
with HealthCheckServer(port=0).serving(Monitor()) as server:
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range({MOST + 50})]
    last = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    last.sendall(b"GET /health HTTP/1.0\\r\\n\\r\\n")
    answer = last.recv(15)
    clients[0].settimeout(1)
    print(answer.decode(), clients[0].recv(1), {MOST} // 2 < len(server.httpd._connections) <= {MOST})
    for client in (*clients, last): client.close()
"""
    done = python(code)
    if "descriptors" in done.stderr:
        pytest.skip(done.stderr)
    assert "HTTP/1.1 200 OK b'' True\n" == done.stdout


def test_many_clients_at_once_are_answered(server: HealthCheckServer) -> None:
    """A hundred at the same instant are all answered: none is turned away while others work."""
    answers: list[Any] = []
    start = threading.Barrier(100)

    def client() -> None:
        start.wait(10.0)
        with contextlib.suppress(OSError):
            answers.append(ask(server))

    for thread in [in_background(client) for _ in range(100)]:
        thread.join(10.0)
    assert [HEALTHY] * 100 == answers


def test_vanished_clients_leave_nothing_on_stderr() -> None:
    """Resets, half requests and closed readers are the clients' business, not the host's console's."""
    code = """
import gc, socket, struct, sys
from minimon import HealthCheckServer
class Plain:
    def is_healthy(self): return True
    def get_detailed_stats(self): return {"text": "x" * 1000000}
with HealthCheckServer(port=0).serving(Plain()) as server:
    for content in (b"", b"GET", b"GET /status HTTP/1.0\\r\\n\\r\\n", b"\\xff\\x00\\r\\n\\r\\n", b"GET /status HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" * 50):
        for reset in (False, True) * 5:
            client = socket.create_connection(("127.0.0.1", server.port))
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(content)
            client.close()
gc.collect()
print("done")
"""  # noqa: E501
    done = python(code, "-X", "dev")
    assert ("done\n", "") == (done.stdout, done.stderr)


def test_nothing_is_printed_per_request(
    server: HealthCheckServer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither on stdout nor on stderr, nor in the log at INFO."""
    with caplog.at_level(logging.INFO):
        for path in ("/health", "/status", "/elsewhere"):
            ask(server, path)
    assert (("", ""), []) == (tuple(capfd.readouterr()), caplog.records)


def test_abuse_of_a_kind_is_told_once_a_minute(server: HealthCheckServer, caplog: pytest.LogCaptureFixture) -> None:
    """However often it comes, and with nothing of what was sent."""
    with caplog.at_level(logging.INFO):
        for case in ("one word", "binary", "markup", "a long header", "a long request line", "many headers"):
            exchange(server, MALFORMED[case])
    expected = ["requests that cannot be read", "heads that are too large", "request lines that are too long"]
    assert [f"the health server got {kind}" for kind in expected] == [each.getMessage() for each in caplog.records]


def test_a_client_that_takes_no_answer_is_told(quick: HealthCheckServer, caplog: pytest.LogCaptureFixture) -> None:
    """Once it has had its time."""
    with connected(quick) as client:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wait_until(lambda: bool(caplog.records))
    assert ["the health server got clients that do not take their answer"] == [
        each.getMessage() for each in caplog.records
    ]


def test_requests_are_logged_at_debug_on_one_line(server: HealthCheckServer, caplog: pytest.LogCaptureFixture) -> None:
    """What a client writes cannot forge a line of the log, nor colour it."""
    with caplog.at_level(logging.DEBUG, "minimon"):
        exchange(server, b"GET /%9b31m\\x85" + b"y" * 2000 + b" HTTP/1.0\r\n\r\n")
    lines = [record.getMessage() for record in caplog.records if "GET" in record.getMessage()]
    assert [(True, True)] == [(line.isprintable(), len(line) < 700) for line in lines]


# Life


def test_old_users_find_their_attributes() -> None:
    """host, port, httpd and thread, None before the start; the handler is http.server's."""
    server = HealthCheckServer()
    seen = server.host, server.port, server.httpd, server.thread
    assert (("127.0.0.1", 8080, None, None), True) == (
        seen,
        issubclass(HealthCheckHandler, http.server.BaseHTTPRequestHandler),
    )


def test_a_running_server_has_an_http_server_and_a_daemon_thread(server: HealthCheckServer) -> None:
    """httpd is an http.server.HTTPServer, thread a daemon of ours."""
    assert server.httpd is not None and server.thread is not None
    assert (True, True, True, "minimon-server") == (
        isinstance(server.httpd, http.server.HTTPServer),
        server.thread.daemon,
        server.thread.is_alive(),
        server.thread.name,
    )


def test_all_threads_are_daemons(server: HealthCheckServer) -> None:
    """The host's exit waits for none of them."""
    with connected(server), connected(server):
        ask(server)
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("minimon")]
    assert (True, True) == (len(threads) >= 2, all(thread.daemon for thread in threads))


def test_start_returns_the_server() -> None:
    """So that it can be chained."""
    server = HealthCheckServer(port=0)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        assert server is server.start(Plain())


def test_serving_yields_the_server() -> None:
    """The `with` block gets it running, and leaves it stopped."""
    with HealthCheckServer(port=0).serving(Plain()) as server:
        answer = ask(server)
    assert (HEALTHY, None, None) == (answer, server.httpd, server.thread)


def test_serving_stops_after_an_exception() -> None:
    """Whatever ends the block."""
    server = HealthCheckServer(port=0)
    with contextlib.suppress(KeyError), server.serving(Plain()):
        raise KeyError
    assert None is server.httpd


def test_a_monitor_and_its_server_start_in_one_line() -> None:
    """The five lines of the plan."""
    with Monitor() as monitor, HealthCheckServer(port=0).serving(monitor) as server:
        assert HEALTHY == ask(server)


def test_the_port_is_the_real_one_also_after_stop() -> None:
    """Port 0 is a free one, which is known while it runs and after."""
    server = HealthCheckServer(port=0)
    with server.serving(Plain()):
        port = server.port
    assert (True, port) == (port > 0, server.port)


def test_nothing_happens_in_the_constructor() -> None:
    """No socket, no thread, no import of http.server."""
    code = """
import sys
from minimon import HealthCheckServer
HealthCheckServer()
import threading
print("http.server" in sys.modules, threading.active_count())
"""
    assert "False 1\n" == python(code).stdout


def test_a_second_start_is_an_error(server: HealthCheckServer) -> None:
    """It says what runs, and what to do; the server goes on."""
    with pytest.raises(LifecycleError, match=f"127.0.0.1:{server.port}.*stop"):
        server.start(Plain())
    assert HEALTHY == ask(server)


def test_a_server_restarts() -> None:
    """After stop it may start again, with another subject."""
    server = HealthCheckServer(port=0)
    with server.serving(Plain()):
        first = ask(server)
    with server.serving(Plain(lambda: False)):
        second = ask(server)
    assert (HEALTHY, (503, {"status": "unhealthy"})) == (first, second)


def test_a_server_restarts_on_its_port_at_once() -> None:
    """Connections that were open do not keep the port from being bound again."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = HealthCheckServer(port=port)
    answers = []
    for _ in range(3):
        with server.serving(Plain()), connected(server):
            answers.append(ask(server))
    assert [HEALTHY] * 3 == answers


def test_two_servers_serve_two_subjects() -> None:
    """State is on the server, not on the handler's class."""
    with HealthCheckServer(port=0).serving(Plain()) as one:
        with HealthCheckServer(port=0).serving(Plain(lambda: False)) as other:
            assert ([200, 503] * 2) == [ask(each)[0] for each in (one, other, one, other)]


def test_a_taken_port_is_raised_from_start(server: HealthCheckServer) -> None:
    """PortError has the errno; its text host, port and what may be the cause."""
    with pytest.raises(PortError, match=rf"127\.0\.0\.1:{server.port}.*another worker") as caught:
        HealthCheckServer(port=server.port).start(Plain())
    assert (errno.EADDRINUSE, True) == (caught.value.errno, isinstance(caught.value, OSError))


def test_a_start_with_no_subject_leaves_nothing() -> None:
    """An error of use binds nothing."""
    other = HealthCheckServer(port=0)
    before = our_threads(), descriptors()
    with contextlib.suppress(ConfigError):
        other.start(5)
    assert (before, None) == ((our_threads(), descriptors()), other.httpd)


def test_a_failed_start_leaves_nothing(server: HealthCheckServer) -> None:
    """No thread, no descriptor; it is as before."""
    other = HealthCheckServer(port=server.port)
    before = our_threads(), descriptors()
    for _ in range(3):
        with contextlib.suppress(PortError):
            other.start(Plain())
    assert (before, None, None, True) == ((our_threads(), descriptors()), other.httpd, other.thread, other.stop())


@pytest.mark.parametrize("host", ["no-such-host.invalid", "999.1.1.1", "192.0.2.1", "fe80::zz"])
def test_an_address_that_is_not_ours_is_a_port_error(host: str) -> None:
    """A name that is not known and an address of another machine are told with the host."""
    with pytest.raises(PortError, match=host):
        HealthCheckServer(host, 0).start(Plain())


def test_ipv6_is_served() -> None:
    """The address family follows the host."""
    server = HealthCheckServer("::1", 0)
    try:
        server.start(Plain())
    except PortError as error:
        pytest.skip(f"no IPv6 here: {error}")
    answer = ask(server)
    server.stop()
    assert HEALTHY == answer


def test_a_name_is_served() -> None:
    """localhost works as a host."""
    with HealthCheckServer("localhost", 0).serving(Plain()) as server:
        assert HEALTHY == ask(server)


@pytest.mark.parametrize("port", [-1, 65536, "8080", None, 1.5, True])
def test_a_port_that_cannot_be_is_refused(port: Any) -> None:
    """At construction, with what it must be."""
    with pytest.raises(ConfigError, match="port must be a whole number"):
        HealthCheckServer(port=port)


@pytest.mark.parametrize("host", ["", None, 5, b"127.0.0.1"])
def test_a_host_that_cannot_be_is_refused(host: Any) -> None:
    """At construction, too."""
    with pytest.raises(ConfigError, match="host must be"):
        HealthCheckServer(host)


@pytest.mark.parametrize("host", ["a" * 70 + ".invalid", "a..b", "a\0b", "\ud800"])
def test_a_host_that_cannot_be_looked_up_is_our_error(host: str) -> None:
    """A name that is none is a MinimonError, not an error of a codec."""
    with pytest.raises((ConfigError, PortError)):
        HealthCheckServer(host, 0).start(Plain())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"api": "yes"}, "api must be True or False, got "),
        ({"token": ""}, "token must not be empty; leave it out to have none"),
        ({"token": "grün"}, "token must be a printable ASCII text, without blanks around it"),
        ({"token": " x"}, "token must be a printable ASCII text, without blanks around it"),
        ({"token": 5}, "token must be a printable ASCII text, without blanks around it"),
        ({"token": "x", "auth": object()}, "token and auth are two ways to say who may see details; give one of them"),
        ({"auth": ("a", "b")}, "auth must have authenticate(scheme, credentials), got ('a', 'b')"),
        ({"handler": 5}, "handler must be a subclass of HealthCheckHandler, got 5"),
        ({"handler": dict}, "handler must be a subclass of HealthCheckHandler, got <class 'dict'>"),
        ({"details": "sometimes"}, "details must be never, authorized or always, got 'sometimes'"),
        (
            {"details": "authorized"},
            "details='authorized' is for those with a token or a password: give token= or auth=",
        ),
        ({"details": True}, "details must be never, authorized or always, got True"),
        ({"allowed_hosts": "x"}, "allowed_hosts must be a list of names, got 'x'"),
        ({"allowed_hosts": ["a.example", 5]}, "allowed_hosts must be a list of names, got ['a.example', 5]"),
        ({"allowed_hosts": ["a.example:80"]}, "allowed_hosts must be names without scheme and port, got "),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    """Before anything is bound, with the remedy."""
    with pytest.raises(ConfigError) as caught:
        HealthCheckServer(**options)
    assert f"server: {message}" == str(caught.value)[: len(message) + 8]


# Stopping


def test_stop_frees_the_port(server: HealthCheckServer) -> None:
    """Nobody listens there any more."""
    ended = server.stop()
    with pytest.raises(ConnectionRefusedError):
        connected(server)
    assert True is ended


def test_stop_before_start_is_nothing() -> None:
    """It answers True, for no thread is left."""
    assert True is HealthCheckServer().stop()


def test_stop_twice_is_once(server: HealthCheckServer) -> None:
    """Idempotent."""
    assert (True, True) == (server.stop(), server.stop())


def test_stop_leaves_no_thread_of_ours() -> None:
    """After use by several clients, all threads end in time."""
    before = our_threads()
    with HealthCheckServer(port=0).serving(Plain()) as server:
        with connected(server), connected(server):
            ask(server)
            ended = server.stop()
    assert (True, before) == (ended, our_threads())


def test_stop_is_quick() -> None:
    """No poll interval is waited for, and no client."""
    with HealthCheckServer(port=0).serving(Plain()) as server, connected(server) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(65536)
        start = time.monotonic()
        server.stop()
        taken = time.monotonic() - start
    assert taken < 0.4


def test_stop_from_many_threads_at_once(server: HealthCheckServer) -> None:
    """All return; the server is stopped."""
    ended: list[bool] = []
    for thread in [in_background(lambda: ended.append(server.stop())) for _ in range(8)]:
        thread.join(5.0)
    assert ([True] * 8, None) == (ended, server.httpd)


@pytest.mark.long
def test_stop_from_the_subjects_own_method() -> None:
    """A subject that stops its server neither deadlocks nor outlives the deadline of stop."""
    taken = []

    def suicidal() -> bool:
        start = time.monotonic()
        server.stop()
        taken.append(time.monotonic() - start)
        return True

    with HealthCheckServer(port=0).serving(Plain(suicidal)) as server:
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask(server)
        wait_until(lambda: taken)
    assert (None, True) == (server.httpd, taken[0] < 3.0)


@pytest.mark.parametrize("timeout", [0.0, 1e12, float("inf")])
def test_stop_takes_any_timeout(server: HealthCheckServer, timeout: float) -> None:
    """However long it might wait, it stops; with no time at all it does not wait."""
    thread = server.thread
    server.stop(timeout)
    assert (None, True) == (server.httpd, wait_until(lambda: not (thread and thread.is_alive())))


def test_stop_right_after_an_answer_is_quick() -> None:
    """A client that was answered just now and keeps its connection does not hold stop up."""
    slowest = 0.0
    for _ in range(20):
        with HealthCheckServer(port=0).serving(Plain()) as server, connected(server) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.recv(1)
            start = time.monotonic()
            server.stop()
            slowest = max(slowest, time.monotonic() - start)
    assert slowest < 1.0


def test_stop_lets_an_answer_in_flight_end() -> None:
    """Who has asked gets the answer, and all threads end in time, a kept connection notwithstanding."""
    called, let_go = threading.Event(), threading.Event()

    def slow() -> bool:
        called.set()
        return let_go.wait(0.15) or True

    server = HealthCheckServer(port=0).start(Plain(slow))
    with connected(server) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        called.wait(5.0)
        ended = server.stop(2.0)
        assert (True, True) == (until_closed(client).startswith(b"HTTP/1.1 200"), ended)


def test_the_port_is_closed_before_answers_in_flight_end() -> None:
    """Nobody else is let in."""
    called, let_go, refused = threading.Event(), threading.Event(), []

    def slow() -> bool:
        called.set()
        return let_go.wait(5.0)

    server = HealthCheckServer(port=0).start(Plain(slow))
    with connected(server) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        called.wait(5.0)
        stopping = in_background(server.stop)

        def is_refused() -> bool:
            with contextlib.suppress(ConnectionError):  # a reset, of one that had waited to be accepted
                connected(server).close()
                return False
            return True

        try:
            refused.append((wait_until(is_refused, 0.9), stopping.is_alive()))
        finally:
            let_go.set()
            stopping.join(5.0)
    assert [(True, True)] == refused


def test_a_client_that_takes_no_answer_does_not_make_stop_fail() -> None:
    """It has all of the time; the threads that are left have a moment more."""
    server = HealthCheckServer(port=0).start(Plain(text="x" * (8 << 20)))
    with connected(server) as client:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(1)
        assert server.stop(0.3)


def test_stop_tells_that_a_thread_is_left() -> None:
    """A subject that hangs cannot be ended: stop returns at its deadline, with False."""
    called, let_go = threading.Event(), threading.Event()

    def hang() -> bool:
        called.set()
        return let_go.wait(30.0)

    before = our_threads()
    server = HealthCheckServer(port=0).start(Plain(hang))
    with connected(server) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        called.wait(5.0)
        start = time.monotonic()
        ended = server.stop(0.2)
        taken = time.monotonic() - start
        let_go.set()
    assert (False, True, True) == (ended, taken < 1.2, wait_until(lambda: before == our_threads()))


def test_clients_are_hung_up_on_when_the_server_stops(server: HealthCheckServer) -> None:
    """A silent client sees the end at once, and not when its own time limit comes."""
    with connected(server) as client:
        ask(server)
        server.stop()
        start = time.monotonic()
        until_closed(client)
        assert time.monotonic() - start < 1.0


def cycle(times: int) -> None:
    """Starts, asks and stops so many times, with a client that comes and goes unheard."""
    subject = Plain()
    for number in range(times):
        with HealthCheckServer(port=0).serving(subject) as server, connected(server) as client:
            if number % 2:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                client.recv(65536)


def test_fifty_cycles_leave_nothing() -> None:
    """Start and stop leave no thread and no descriptor, without help by the garbage collector."""
    cycle(2)
    gc.collect()
    gc.disable()
    try:
        before = our_threads(), descriptors()
        cycle(50)
        assert before == (our_threads(), descriptors())
    finally:
        gc.enable()


@pytest.mark.long
def test_a_thousand_cycles_leave_nothing() -> None:
    """The same a thousand times, without growth of memory."""
    cycle(20)
    gc.collect()
    before = our_threads(), descriptors()
    tracemalloc.start()
    try:
        cycle(20)
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        cycle(1000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()
    assert (before, True) == ((our_threads(), descriptors()), grown < 100_000)


def test_start_and_stop_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    """One line at INFO with host and port at the start, one at the stop, and none besides."""
    with caplog.at_level(logging.INFO):
        with HealthCheckServer(port=0).serving(Plain()) as server:
            ask(server)
        server.stop()
    where = f"127.0.0.1:{server.port}"
    assert [(logging.INFO, True, True)] * 2 == [
        (record.levelno, where in record.getMessage(), record.name.startswith("minimon")) for record in caplog.records
    ]


# A good guest


def test_the_exit_of_the_host_is_not_held_up() -> None:
    """A host that ends without stop(), with clients connected and a subject that hangs, ends at once."""
    code = """
import socket, threading, time
from minimon import HealthCheckServer
class Plain:
    def is_healthy(self): threading.Event().wait(60)
    get_detailed_stats = is_healthy
server = HealthCheckServer(port=0).start(Plain())
client = socket.create_connection(("127.0.0.1", server.port))
client.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
silent = socket.create_connection(("127.0.0.1", server.port))
threading.Event().wait(0.1)
print(time.time())
"""
    done = python(code)
    assert (True, "") == (time.time() - float(done.stdout) < 1.2, done.stderr)


FORKED = """
import os, socket, sys, warnings
from minimon import HealthCheckServer
warnings.simplefilter("ignore")
class Plain:
    def is_healthy(self): return True
    def get_detailed_stats(self): return {}
server = HealthCheckServer(port=0).start(Plain())
client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
client.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
client.recv(65536)
go, ready = os.pipe(), os.pipe()
pid = os.fork()
if not pid:
    os.close(go[1])
    assert server.httpd is None and server.stop()
    child = HealthCheckServer(port=0).start(Plain())
    with socket.create_connection(("127.0.0.1", child.port), timeout=5) as own:
        own.sendall(b"GET /health HTTP/1.0\\r\\n\\r\\n")
        os.write(ready[1], own.recv(15))
    os.read(go[0], 1)
    os._exit(0)
os.close(go[0])
print(os.read(ready[0], 15).decode())
client.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(client.recv(15).decode())
print(server.stop())
try:
    socket.create_connection(("127.0.0.1", server.port), timeout=5)
except ConnectionRefusedError:
    print("free")
client.settimeout(5)
while client.recv(65536): pass
os.close(go[1])
print(os.waitpid(pid, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_holds_neither_port_nor_clients() -> None:
    """The child may start a server of its own; the parent's goes on, and its port is free when it stops."""
    done = python(FORKED)
    assert (["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "True", "free", "0"], "") == (done.stdout.splitlines(), done.stderr)


@pytest.mark.parametrize("others", few([1, 0], 1))
def test_no_descriptors_left_do_not_burn_the_host(others: int) -> None:
    """With all descriptors in use the accepting thread does not spin, and answers when there are some again."""
    code = f"""
others = {others}"""
    code += """
import os, resource, socket, threading, time
from minimon import HealthCheckServer
class Plain:
    def is_healthy(self): return True
    def get_detailed_stats(self): return {}
server = HealthCheckServer(port=0).start(Plain())
for _ in range(others):
    first = socket.create_connection(("127.0.0.1", server.port))
    first.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    first.recv(65536)
clients = [socket.socket() for _ in range(4)]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True: taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError: pass
for client in clients: client.connect(("127.0.0.1", server.port))
before = time.process_time()
threading.Event().wait(0.5)
burnt = time.process_time() - before
for fd in taken: os.close(fd)
clients[-1].settimeout(5)
clients[-1].sendall(b"GET /health HTTP/1.0\\r\\n\\r\\n")
print(burnt < 0.2, clients[-1].recv(15).decode())
"""
    assert "True HTTP/1.1 200 OK\n" == python(code).stdout
