"""Routes of a running server, by who asks: probes, details, tokens, names, pages of others, routes of a host."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from support import wait_until

from minimon import Check, ConfigError, HealthCheckHandler, HealthCheckServer, Monitor
from minimon.serve.access import Access, Attempts, is_foreign
from minimon.serve.framing import Request
from minimon.serve.handler import framed
from minimon.testing import FakeClock


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def told(self) -> tuple[int, Any]:
        """Code and document."""
        return self.status, json.loads(self.body) if self.body else None


def ask(server: HealthCheckServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """The answer to one request; `Sec_Fetch_Site` stands for Sec-Fetch-Site."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


class Plain:
    """A host's own object."""

    def is_healthy(self) -> bool:
        """Always."""
        return True

    def get_detailed_stats(self) -> dict[str, Any]:
        """One key."""
        return {"users": 3}


class Switch:
    """What a check looks at."""

    def __init__(self) -> None:
        self.on = True

    def __call__(self) -> bool:
        return self.on


@contextlib.contextmanager
def served(*checks: Check, subjects: Any = (), **options: Any) -> Iterator[tuple[HealthCheckServer, Monitor]]:
    """A server of a monitor that runs, after its first round."""
    with Monitor(checks) as monitor, HealthCheckServer(port=0, **options).serving(monitor, *subjects) as server:
        assert wait_until(lambda: all(monitor.state(check.name).last is not None for check in checks))
        yield server, monitor


@pytest.fixture
def running() -> Iterator[HealthCheckServer]:
    """One with a critical check that is up, and another that is not."""
    with served(Check("queue", lambda: True), Check("side", lambda: False, critical=False)) as (server, _):
        yield server


# Probes


@pytest.mark.parametrize(
    ("path", "code", "document"),
    [
        ("/livez", 200, {"status": "alive"}),
        ("/readyz", 200, {"status": "ready"}),
        ("/readyz/queue", 200, {"status": "up"}),
        ("/readyz/side", 503, {"status": "unknown"}),
        ("/readyz/nobody", 404, {"error": "no check has this name"}),
        ("/livez/", 200, {"status": "alive"}),
    ],
)
def test_probes_are_answered(running: HealthCheckServer, path: str, code: int, document: Any) -> None:
    """A check that is not critical blocks nothing."""
    assert (code, document) == ask(running, path).told


def test_before_the_first_round_it_is_starting() -> None:
    """No check was looked at yet, so nobody knows."""
    monitor = Monitor([Check("queue", lambda: True)], clock=FakeClock(1_000.0))
    with HealthCheckServer(port=0).serving(monitor) as server:
        seen = [ask(server, path).told for path in ("/readyz", "/startupz", "/livez", "/health")]
    assert [(503, "not ready"), (503, "starting"), (200, "alive"), (503, "unknown")] == [
        (code, document["status"]) for code, document in seen
    ]


def test_a_critical_check_that_is_down_blocks_by_name() -> None:
    """To those who may see it; once started it stays started."""
    switch = Switch()
    with served(Check("queue", switch, every=0.05, fall=1, rise=1)) as (server, monitor):
        ask(server, "/readyz")
        switch.on = False
        assert wait_until(lambda: monitor.state("queue").status == "down")
        seen = ask(server, "/readyz").told, ask(server, "/startupz").told, ask(server, "/livez").told
    blocked = {"status": "not ready", "blockers": {"queue": "down"}}
    assert ((503, blocked), (200, {"status": "started"}), (200, {"status": "alive"})) == seen


def test_draining_wants_no_more_requests(running: HealthCheckServer) -> None:
    """But lives on, and can be ended."""
    monitor = running.httpd.answers.asker.subjects[0].subject  # type: ignore[union-attr]
    monitor.drain()
    drained = [ask(running, path).told for path in ("/health", "/readyz", "/livez")]
    monitor.drain(False)
    assert ([(503, {"status": "draining"}), (503, {"status": "draining"}), (200, {"status": "alive"})], 200) == (
        drained,
        ask(running, "/readyz").status,
    )


def test_a_plain_subject_is_ready_when_it_is_healthy() -> None:
    """It knows no more of itself."""
    with HealthCheckServer(port=0).serving(Plain()) as server:
        seen = [ask(server, path).told for path in ("/readyz", "/startupz", "/readyz/queue")]
    ready, started = (200, {"status": "ready"}), (200, {"status": "started"})
    assert [ready, started, (404, {"error": "no check has this name"})] == seen


@pytest.mark.parametrize("path", ["/health", "/readyz", "/livez"])
def test_verbose_tells_of_each_check(running: HealthCheckServer, path: str) -> None:
    """With its status, and whether it is critical."""
    _, document = ask(running, f"{path}?verbose").told
    assert ("up", True) == (document["checks"]["queue"]["status"], document["checks"]["queue"]["critical"])


class Broken:
    """Raises, whatever it is asked."""

    def is_healthy(self) -> bool:
        raise RuntimeError("no")

    get_detailed_stats = is_healthy


def test_verbose_changes_no_code() -> None:
    """The process lives, whatever its subject says."""
    with HealthCheckServer(port=0).serving(Broken()) as server:
        assert (200, {"status": "alive"}) == ask(server, "/livez?verbose").told


# Who sees what

RIGHT, WRONG = {"Authorization": "Bearer s3cret"}, {"Authorization": "Bearer wrong"}
LOGIN = {"Authorization": "Basic dTpw"}
AS_PASSWORD = {"Authorization": "Basic bWU6czNjcmV0"}


class Logins:
    """An Authenticator of a host, which takes its time."""

    challenge = 'Basic realm="shop"'

    def authenticate(self, scheme: str, credentials: str) -> object:
        """One user."""
        return "u" if (scheme, credentials) == ("basic", "dTpw") else None


@pytest.mark.parametrize(
    ("options", "headers", "code", "sees"),
    [
        ({}, {}, 200, True),
        ({"details": "always"}, {}, 200, True),
        ({"details": "never"}, {}, 200, False),
        ({"details": "never", "token": "s3cret"}, RIGHT, 200, False),
        ({"details": "authorized", "token": "s3cret"}, {}, 200, False),
        ({"details": "authorized", "token": "s3cret"}, RIGHT, 200, True),
        ({"details": "authorized", "token": "s3cret"}, WRONG, 401, False),
        ({"details": "authorized", "token": "s3cret"}, LOGIN, 401, False),
        ({"details": "authorized", "token": "s3cret"}, {"Authorization": "s3cret"}, 401, False),
        ({"details": "authorized", "token": "s3cret"}, {"Authorization": "bearer  s3cret "}, 200, True),
        ({"details": "authorized", "token": "s3cret"}, {"Authorization": "Bearer \xff" + "x" * 5000}, 401, False),
        ({"details": "authorized", "auth": Logins()}, LOGIN, 200, True),
        ({"details": "authorized", "auth": Logins()}, RIGHT, 401, False),
        ({"details": "always", "token": "s3cret"}, WRONG, 401, False),
        ({"details": "authorized", "token": "s3cret"}, AS_PASSWORD, 200, True),
        ({"details": "authorized", "token": "s3cret"}, {"Authorization": "Basic !"}, 401, False),
        ({"host": "0.0.0.0"}, {}, 200, False),
        ({"host": "0.0.0.0", "token": "s3cret"}, RIGHT, 200, True),
    ],
)
def test_details_are_for_those_who_may_see_them(options: Any, headers: Any, code: int, sees: bool) -> None:
    """All others see one word; who has the wrong credentials is told so."""
    with served(Check("queue", lambda: True), **options) as (server, _):
        status = ask(server, "/status", **headers)
        verbose = ask(server, "/readyz?verbose", **headers)
    assert (code, sees, sees) == (status.status, b'"queue"' in status.body, b'"queue"' in verbose.body)
    if not sees and code == 200:
        assert {"overall": "healthy"} == json.loads(status.body)


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/startupz", "/metrics"])
def test_open_routes_need_no_credentials(path: str) -> None:
    """And wrong ones do no harm."""
    with served(Check("queue", lambda: True), token="s3cret", details="authorized") as (server, _):
        ask(server, "/readyz")
        assert [200, 200] == [ask(server, path, **headers).status for headers in ({}, WRONG)]


def test_a_challenge_says_what_is_wanted() -> None:
    """RFC 9110, 11.6.1."""
    with served(auth=Logins(), details="authorized") as (server, _):
        assert 'Basic realm="shop"' == ask(server, "/status", **WRONG).headers["WWW-Authenticate"]


def test_who_fails_often_has_to_wait() -> None:
    """The right credentials do not help then, or one could go on to try."""
    with served(token="s3cret", details="authorized") as (server, _):
        codes = [ask(server, "/status", **WRONG).status for _ in range(6)]
        late = ask(server, "/status", **RIGHT)
        free = ask(server, "/status").status
    assert ([401] * 5 + [429], 429, True, 200) == (codes, late.status, int(late.headers["Retry-After"]) >= 1, free)


@pytest.mark.parametrize(("options", "sees"), [({}, True), ({"details": "never"}, False), ({"host": "0.0.0.0"}, True)])
def test_the_document_of_a_plain_subject_is_open(options: Any, sees: bool) -> None:
    """Unless something was said about details."""
    with HealthCheckServer(port=0, **options).serving(Plain()) as server:
        assert (200, {"users": 3} if sees else {"overall": "healthy"}) == ask(server, "/status").told


@pytest.mark.parametrize(
    ("host", "options", "codes"),
    [
        ("evil.example", {}, [421, 421, 421, 200, 200]),
        ("localhost.evil.example", {}, [421, 421, 421, 200, 200]),
        ("localhost:99", {}, [200, 200, 200, 200, 200]),
        ("app.localhost", {}, [200, 200, 200, 200, 200]),
        ("127.0.0.1", {}, [200, 200, 200, 200, 200]),
        ("10.1.2.3:80", {}, [200, 200, 200, 200, 200]),
        ("[::1]:80", {}, [200, 200, 200, 200, 200]),
        ("Shop.Internal.", {"allowed_hosts": ["shop.internal"]}, [200, 200, 200, 200, 200]),
        ("evil.example", {"host": "0.0.0.0"}, [200, 200, 200, 200, 200]),
        ("evil.example", {"host": "0.0.0.0", "allowed_hosts": ["shop.internal"]}, [421, 421, 421, 200, 200]),
    ],
)
def test_a_server_on_loopback_has_no_other_name(host: str, options: Any, codes: list[int]) -> None:
    """A name of a stranger that leads to this machine would let his page read what is here."""
    with served(Check("queue", lambda: True), **options) as (server, _):
        paths = ("/status", "/metrics", "/", "/health", "/readyz/queue")
        assert codes == [ask(server, path, Host=host).status for path in paths]


@pytest.mark.parametrize(
    ("host", "known"),
    [("", True), ("localhost", True), ("::1", True), ("[::1]", True), ("1.2.3.4", True), ("localhos", False)],
)
def test_addresses_are_nobodys_names(host: str, known: bool) -> None:
    """Nobody but their owner can make them lead here."""
    assert known is Access().knows_host(host)


def test_failed_attempts_are_forgotten_when_there_are_too_many() -> None:
    """The table of clients is bounded."""
    attempts = Attempts()
    for number in range(5000):
        for _ in range(5):
            attempts.charge(str(number), 0.0)
    waits = attempts.charge("0", 0.0), attempts.charge("4999", 0.0) > 0
    assert (0.0, True, 1024) == (*waits, len(attempts._failed))


def test_waiting_grows_and_ends_with_success() -> None:
    """Up to a minute, however often it is."""
    attempts, now, waits = Attempts(), 100.0, []
    for _ in range(2000):
        attempts.charge("a", now)
        waits.append(attempts.charge("a", now) if len(waits) > 3 else 0.0)
        now += waits[-1]
    attempts.note("a", ("bearer", "right"), True)
    again = [attempts.charge("a", now) for _ in range(2)]
    assert ([0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60], 60.0, [0.0, 0.0]) == (waits[:11], waits[-1], again)


def test_who_is_known_does_not_wait_for_those_who_guess_beside_it() -> None:
    """They may share an address; and they go on to wait, whoever else comes from there."""
    with served(token="s3cret", details="authorized") as (server, _):
        first = ask(server, "/status", **RIGHT).status
        guesses = [ask(server, "/status", **WRONG).status for _ in range(6)]
        again = [ask(server, "/status", **headers).status for headers in (RIGHT, WRONG)]
    assert (200, [401] * 5 + [429], [200, 429]) == (first, guesses, again)


def test_guesses_and_strangers_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """One line each."""
    with served(token="s3cret", details="authorized") as (server, _):
        for _ in range(7):
            ask(server, "/status", **WRONG)
            ask(server, "/status", Host="evil.example")
    kinds = [
        "wrong or missing credentials",
        "requests under names that are not its own",
        "clients that went on to guess",
    ]
    assert [f"the health server got {kind}" for kind in kinds] == [each.getMessage() for each in caplog.records]


def test_what_was_right_once_is_known_no_more_when_it_is_wrong() -> None:
    """A password that was changed."""
    attempts, old = Attempts(), ("basic", "old")
    known = []
    for right in (True, False):
        attempts.note("a", old, right)
        known.append(attempts.knows(old))
    assert [True, False] == known


# Documents


def test_the_same_document_is_not_sent_twice() -> None:
    """As long as nothing was seen: 304, with the same tag."""
    clock = FakeClock(1_000.0)
    with HealthCheckServer(port=0).serving(Monitor([Check("queue", lambda: True)], clock=clock)) as server:
        first = ask(server, "/status")
        clock.advance(5.0)
        tag = first.headers["ETag"]
        codes = [
            ask(server, "/status", If_None_Match=told).status for told in (tag, f'"x", {tag}', tag[2:], "*", '"x"', "")
        ]
        same = ask(server, "/status", If_None_Match=tag)
    assert ([304, 304, 304, 304, 200, 200], b"", tag, True) == (
        codes,
        same.body,
        same.headers["ETag"],
        tag.startswith('W/"'),
    )


def test_a_change_has_another_tag(running: HealthCheckServer) -> None:
    """So that nobody misses it."""
    monitor = running.httpd.answers.asker.subjects[0].subject  # type: ignore[union-attr]
    tag = ask(running, "/status").headers["ETag"]
    monitor.pause("side")
    assert tag != ask(running, "/status").headers["ETag"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/*", "text/html; charset=utf-8"),
    ],
)
def test_browsers_get_a_page_and_programs_get_links(running: HealthCheckServer, accept: str, kind: str) -> None:
    """By what they accept."""
    headers = ask(running, "/", Accept=accept).headers
    assert (kind, "Accept") == (headers["Content-Type"], headers["Vary"])


def test_a_page_allows_no_script_but_its_own(running: HealthCheckServer) -> None:
    """Each answer has a nonce of its own."""
    pages = [ask(running, "/", Accept="text/html") for _ in range(2)]
    policies = [page.headers["Content-Security-Policy"] for page in pages]
    assert (True, True, True) == (
        policies[0] != policies[1],
        policies[0].startswith("default-src 'none'"),
        policies[0].split("'nonce-")[1].split("'")[0].encode() in pages[0].body,
    )


def test_a_stranger_gets_a_page_of_one_word() -> None:
    """No name of a check is in it."""
    with served(Check("queue", lambda: True), details="never") as (server, _):
        page = ask(server, "/", Accept="text/html")
    assert (200, False, True, False) == (page.status, *(each in page.body for each in (b"queue", b"healthy", b"Sign")))


def test_a_browser_is_asked_who_it_is() -> None:
    """When its user wants to sign in: then all is shown, and the token is the password."""
    with served(Check("queue", lambda: True), token="s3cret", details="authorized") as (server, _):
        first = ask(server, "/", Accept="text/html")
        asked = ask(server, "/?login", Accept="text/html")
        after = ask(server, "/?login", Accept="text/html", **AS_PASSWORD)
    assert (200, True, 401, 200, True) == (
        first.status,
        b'href="?login">Sign in</a>' in first.body,
        asked.status,
        after.status,
        b"queue" in after.body,
    )
    assert ['Bearer realm="minimon"', 'Basic realm="minimon"'] == asked.headers.get_all("WWW-Authenticate")


def test_the_page_of_a_plain_subject_has_its_word() -> None:
    """Though its document does not say."""

    class Sick(Plain):
        def is_healthy(self) -> bool:
            """No."""
            return False

    with HealthCheckServer(port=0).serving(Sick()) as server:
        assert b"<b>Unhealthy</b>" in ask(server, "/", Accept="text/html").body


@pytest.mark.parametrize("path", ["/metrics", "/status", "/"])
def test_large_answers_are_made_on_another_thread_and_shared(path: str) -> None:
    """Who asks for a small one meanwhile does not wait; all who ask at that time get the same."""
    monitor = Monitor([Check(f"check {n}", lambda: True) for n in range(2000)], clock=FakeClock(1_000.0))
    with HealthCheckServer(port=0).serving(monitor) as server:
        headers = {"Accept": "text/html"} if path == "/" else {}
        first = ask(server, path, **headers)
        again = [ask(server, path, **headers) for _ in range(2)]
        names = {thread.name for thread in threading.enumerate()}
    assert (200, again[0].body, True) == (first.status, again[1].body, "minimon-page" in names)


@pytest.mark.parametrize(
    "path", ["/", "/status", "/metrics", "/readyz?verbose", "/livez", "/startupz", "/health?verbose"]
)
def test_a_server_without_a_subject_answers_every_route(path: str) -> None:
    """With what it knows: nothing."""
    with HealthCheckServer(port=0).start() as server:
        assert ask(server, path, Accept="text/html").status in (200, 503)


@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/livez", "/startupz", "/health?verbose"])
def test_several_subjects_answer_every_route(path: str) -> None:
    """Whatever they are; only `/readyz` waits for the one that was not started."""
    with served(Check("queue", lambda: True), subjects=(Plain(), Monitor())) as (server, _):
        codes = [ask(server, asked, Accept="text/html").status for asked in (path, "/readyz?verbose")]
    assert [200, 503] == codes


# Routes of the host


class Shop(HealthCheckHandler):
    """A host's own routes."""

    def do_GET(self) -> None:
        """A few."""
        if self.path == "/own":
            self._say(threading.current_thread().name)
        elif self.path == "/slow":
            threading.Event().wait(0.25)
            self._say("slow")
        elif self.path == "/split":
            self.send_response(200)
            self.send_header("X", "a\r\nSet-Cookie: b")
        elif self.path == "/raises":
            raise RuntimeError("s3cret")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Say what came."""
        self._say(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture(scope="module")
def shop() -> Iterator[HealthCheckServer]:
    """With a token."""
    with HealthCheckServer(port=0, handler=Shop, token="s3cret").serving(Plain()) as server:
        yield server


def test_a_route_of_the_host_runs_on_the_task_pool(shop: HealthCheckServer) -> None:
    """And answers as one of http.server does."""
    assert (200, b"minimon-task") == (ask(shop, "/own").status, ask(shop, "/own").body)


def test_a_slow_route_of_the_host_makes_nobody_wait(shop: HealthCheckServer) -> None:
    """It is answered when it is."""
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(ask(shop, "/slow").body))
    thread.start()
    seen = ask(shop, "/health").status, list(answers)
    thread.join()
    assert ((200, []), [b"slow"]) == (seen, answers)


@pytest.mark.parametrize(
    ("path", "code"), [("/nowhere", 404), ("/split", 500), ("/raises", 500), ("/health", 200), ("/status", 200)]
)
def test_other_paths_are_as_ever(shop: HealthCheckServer, path: str, code: int) -> None:
    """What raises is 500 without its text, and no header is split by data."""
    answer = ask(shop, path)
    assert (code, False, None) == (answer.status, b"s3cret" in answer.body, answer.headers["Set-Cookie"])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 401),
        (WRONG, 401),
        (RIGHT, 200),
        ({**RIGHT, "Origin": "http://evil.example"}, 403),
        ({**RIGHT, "Origin": "null"}, 403),
        ({**RIGHT, "Sec_Fetch_Site": "cross-site"}, 403),
        ({**RIGHT, "Sec_Fetch_Site": "same-site"}, 403),
        ({**RIGHT, "Sec_Fetch_Site": "same-origin"}, 200),
        ({**RIGHT, "Sec_Fetch_Site": "none"}, 200),
        ({**RIGHT, "Host": "evil.example"}, 421),
    ],
)
def test_what_changes_something_is_guarded(shop: HealthCheckServer, headers: Any, code: int) -> None:
    """A page of another site cannot have it done, nor one without the token."""
    assert code == ask(shop, "/own", "POST", b"x", **headers).status


def test_the_own_page_may_ask(shop: HealthCheckServer) -> None:
    """An Origin that is the Host."""
    own = f"{shop.host}:{shop.port}"
    assert (200, b"hello") == ask(shop, "/own", "POST", b"hello", **RIGHT, Host=own, Origin=f"http://{own}")[::2]


def test_a_body_is_asked_for_where_it_is_wanted(shop: HealthCheckServer) -> None:
    """Expect: 100-continue (RFC 9110, 10.1.1)."""
    with socket.create_connection((shop.host, shop.port), timeout=10.0) as client:
        head = "POST /own HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
        client.sendall(f"{head}Authorization: Bearer s3cret\r\nConnection: close\r\n\r\n".encode())
        asked = client.recv(100)
        client.sendall(b"hello")
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert (b"HTTP/1.1 100 Continue\r\n\r\n", True) == (asked, answer.endswith(b"hello"))


def test_too_many_slow_routes_are_refused() -> None:
    """503, to be tried again, and the server answers on."""

    class Hanging(HealthCheckHandler):
        def do_GET(self) -> None:
            """Until the end."""
            free.wait(20.0)

    free = threading.Event()
    with HealthCheckServer(port=0, handler=Hanging).serving(Plain()) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((server.host, server.port), 10.0)) for _ in range(120)]
        for client in clients:
            client.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        assert wait_until(lambda: len(select.select(clients, [], [], 0)[0]) == 120 - 4 - 100)
        answer = select.select(clients, [], [], 0)[0][0].recv(1000)
        health = ask(server, "/health").status
        free.set()
    assert (True, True, 200) == (answer.startswith(b"HTTP/1.1 503"), b"Retry-After: 1" in answer, health)


# A unix socket


@pytest.fixture
def path(tmp_path: Any) -> str:
    """A short one."""
    return str(tmp_path / "m.sock")


def over(path: str) -> bytes:
    """What is answered there."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10.0)
        client.connect(path)
        client.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: client.recv(1000), b""))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_a_unix_socket_is_for_its_owner(path: str) -> None:
    """Nobody else may connect, details are shown, and it is gone afterwards."""
    with HealthCheckServer(f"unix:{path}").serving(Plain()):
        seen = over(path), os.stat(path).st_mode & 0o777
    assert (True, 0o600, False) == (b'{"users": 3}' in seen[0], seen[1], os.path.exists(path))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_a_unix_socket_that_was_left_behind_is_taken_over(path: str) -> None:
    """One that somebody listens on is not; nor a file that is none."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    with HealthCheckServer(f"unix:{path}").serving(Plain()):
        with pytest.raises(OSError, match=f"cannot listen on unix:{path}: Address already in use"):
            HealthCheckServer(f"unix:{path}").start(Plain())
        assert b"200 OK" in over(path)
    pathlib.Path(path).write_text("precious")
    with pytest.raises(OSError, match="cannot listen on unix:"):
        HealthCheckServer(f"unix:{path}").start(Plain())
    assert "precious" == pathlib.Path(path).read_text()


# What an attack found


class Leaving(HealthCheckHandler):
    """A host's routes that do what they should not."""

    def do_GET(self) -> None:
        """By path."""
        if self.path == "/exit":
            raise SystemExit(3)
        if self.path == "/junk":
            self.wfile.write(b"junk")
        if self.path == "/phrase":
            self.send_response(200, "OK\r\nSet-Cookie: a=b")
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"to the end")
        if self.path == "/error":
            self.send_error(499, "not today")

    def do_HEAD(self) -> None:
        """With a body, which is wrong."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"12345")


@pytest.fixture(scope="module")
def leaving() -> Iterator[HealthCheckServer]:
    """A server of these routes."""
    with HealthCheckServer(port=0, handler=Leaving).serving(Plain()) as server:
        yield server


@pytest.mark.parametrize("path", ["/exit", "/junk", "/phrase", "/nothing"])
def test_a_route_of_the_host_that_fails_ends_nothing(leaving: HealthCheckServer, path: str) -> None:
    """Whatever it raises, or writes: 500, and the server answers on."""
    answer = ask(leaving, path)
    assert (500, None, 200) == (answer.status, answer.headers["Set-Cookie"], ask(leaving, "/health").status)


def test_an_answer_without_a_length_gets_one(leaving: HealthCheckServer) -> None:
    """All of it is known."""
    answer = ask(leaving, "/endless")
    assert (b"to the end", "10", None) == (answer.body, answer.headers["Content-Length"], answer.headers["Connection"])


GET, OLD = Request("GET", "/", "", (), "", True, False, 0, False), Request("GET", "/", "", (), "", True, True, 0, False)


@pytest.mark.parametrize(
    ("written", "request_", "sent"),
    [
        (b"Content-Length: 2\r\n\r\nok and more", GET, (b"Content-Length: 11", b"ok and more", False)),
        (b"Content-Length: 50\r\n\r\nok", GET, (b"Content-Length: 2", b"ok", False)),
        (b"Content-Length: x\r\nContent-Length: 7\r\n\r\nok", GET, (b"Content-Length: 2", b"ok", False)),
        (b"Connection: Close\r\n\r\nok", GET, (b"Content-Length: 2\r\nConnection: close", b"ok", True)),
        (b"\r\nok", OLD, (b"Content-Length: 2\r\nConnection: keep-alive", b"ok", False)),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", GET,
         (b"Transfer-Encoding: chunked\r\nConnection: close", b"0\r\n\r\n", True)),
        (b"Content-Length: 9\r\n\r\n", GET._replace(method="HEAD"), (b"Content-Length: 9", b"", False)),
    ],
)  # fmt: skip
def test_an_answer_of_the_host_keeps_the_connection_in_order(written: bytes, request_: Request, sent: Any) -> None:
    """Its length is that of its body, whatever was written."""
    head, body, closes = framed(b"HTTP/1.1 200 OK\r\n" + written, request_, False)
    assert (b"HTTP/1.1 200 OK\r\n" + sent[0] + b"\r\n\r\n", *sent[1:]) == (head, body, closes)


@pytest.mark.parametrize("code", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_has_none(code: bytes) -> None:
    """Though one was written."""
    made = framed(b"HTTP/1.1 " + code + b"\r\nContent-Length: 4\r\n\r\njunk", GET, False)
    assert (b"HTTP/1.1 " + code + b"\r\n\r\n", b"", False) == made


def test_a_continue_of_the_host_is_left_away() -> None:
    """The body was here already."""
    assert b"HTTP/1.1 200 OK" == framed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", GET, False)[0][:15]


def test_a_route_of_the_host_may_stop_the_server() -> None:
    """Its client gets the answer."""

    class Stopping(HealthCheckHandler):
        def do_GET(self) -> None:
            """Stop."""
            told.append(server.stop())
            self.send_error(410, "stopped")

    told: list[bool] = []
    server = HealthCheckServer(port=0, handler=Stopping).start(Plain())
    thread = server.thread
    answer = ask(server, "/stop")
    assert thread is not None and wait_until(lambda: not thread.is_alive())
    assert (410, [False]) == (answer.status, told)


def test_an_error_of_the_host_has_its_text(leaving: HealthCheckServer) -> None:
    """And any code."""
    assert (499, {"error": "not today"}) == ask(leaving, "/error").told


def test_head_of_a_route_of_the_host_has_no_body(leaving: HealthCheckServer) -> None:
    """Or the next answer would be misread."""
    with socket.create_connection((leaving.host, leaving.port), timeout=10.0) as client:
        client.sendall(b"HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.0\r\n\r\n")
        answers = b"".join(iter(lambda: client.recv(1000), b"")).split(b"HTTP/1.1 ")
    assert (b"200", True, b"200") == (answers[1][:3], answers[1].endswith(b"\r\n\r\n"), answers[2][:3])


class Ending(Plain):
    """Ends the program, whatever it is asked, from the second time on."""

    def __init__(self) -> None:
        self.asked = 0

    def overall(self) -> str:
        """Fine at first."""
        self.asked += 1
        if self.asked > 1:
            raise SystemExit("no")
        return "healthy"

    def snapshot(self) -> dict[str, Any]:
        """Never."""
        raise SystemExit("no")

    readiness = explain = state = snapshot


def test_a_subject_that_ends_the_program_ends_no_server() -> None:
    """On no route, and on no way to it."""
    paths = ["/health", "/health", "/readyz", "/readyz/a", "/status", "/status?check=a", "/health?verbose", "/metrics"]
    with HealthCheckServer(port=0).serving(Ending()) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10.0)
        codes = []
        for path in paths:
            connection.request("GET", path)
            response = connection.getresponse()
            codes.append((response.status, bool(response.read())))
        connection.close()
        assert (200, 200) == (codes[0][0], ask(server, "/livez").status)
    assert {(200, True), (500, True), (503, True)} >= {*codes}


@pytest.mark.parametrize("challenge", [b"Basic", 5, "a\r\nb", "ä"])
def test_a_challenge_is_a_text(challenge: Any) -> None:
    """It stands in a header."""
    auth = Logins()
    auth.challenge = challenge
    with pytest.raises(ConfigError, match="the challenge of auth must be a printable ASCII text"):
        HealthCheckServer(auth=auth)


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
def test_a_coroutine_is_nobody(kind: str) -> None:
    """It is true, whatever it would say."""

    class Async(Logins):
        async def authenticate(self, scheme: str, credentials: str) -> object:  # type: ignore[override]
            return None

    class Yielding(Logins):
        def authenticate(self, scheme: str, credentials: str) -> object:
            yield None

    auth = Async() if kind == "coroutine" else Yielding()
    with served(Check("queue", lambda: True), auth=auth, details="authorized") as (server, _):
        answer = ask(server, "/status", **LOGIN)
    assert (500, False) == (answer.status, b"queue" in answer.body)


def test_a_subject_that_hangs_keeps_nobody_out() -> None:
    """A token is looked at all the same."""
    free = threading.Event()

    class Hanging(Plain):
        def is_healthy(self) -> bool:
            free.wait(20.0)
            return True

        def get_detailed_stats(self) -> dict[str, Any]:
            free.wait(20.0)
            return {}

    with HealthCheckServer(port=0, handler=Shop, token="s3cret").serving(Hanging()) as server:
        threads = [threading.Thread(target=ask, args=(server, path)) for path in ("/health", "/status")]
        for thread in threads:
            thread.start()
        codes = [ask(server, "/own", "POST", b"x", **headers).status for headers in (RIGHT, WRONG)]
        free.set()
        for thread in threads:
            thread.join()
    assert [200, 401] == codes


class Odd(Plain):
    """Its checks are its own."""

    def get_detailed_stats(self) -> dict[str, Any]:
        """No views."""
        return {"checks": {"db": True, "queue": "fine"}}


@pytest.mark.parametrize("path", ["/health?verbose", "/readyz?verbose", "/", "/metrics"])
def test_checks_of_a_hosts_own_kind_do_no_harm(path: str) -> None:
    """They are not what a monitor has."""
    with HealthCheckServer(port=0).serving(Odd()) as server:
        assert 200 == ask(server, path, Accept="text/html").status


def test_what_was_ready_once_has_started() -> None:
    """Though nobody has asked before it was to drain."""
    with served(Check("queue", lambda: True)) as (server, monitor):
        monitor.drain()
        assert (200, {"status": "started"}) == ask(server, "/startupz").told


def test_what_was_ready_unasked_has_started() -> None:
    """It was up for a moment in which no probe came."""
    switch = Switch()
    with served(Check("queue", switch, every=0.05, fall=1)) as (server, monitor):
        switch.on = False
        assert wait_until(lambda: monitor.state("queue").status == "down")
        assert (200, {"status": "started"}) == ask(server, "/startupz").told


def test_who_is_not_critical_may_take_its_time() -> None:
    """Nobody waits for it to be ready."""
    late = Check("late", lambda: True, critical=False, initial_delay=3600)
    with Monitor([Check("queue", lambda: True), late]) as monitor, HealthCheckServer(port=0).serving(monitor) as server:
        assert wait_until(lambda: monitor.state("queue").status == "up")
        assert (200, {"status": "ready"}) == ask(server, "/readyz").told


def test_a_stranger_is_not_told_what_blocks() -> None:
    """Nor by ?verbose."""
    with served(Check("queue", lambda: False), host="0.0.0.0") as (server, _):
        seen = [ask(server, path).told for path in ("/readyz", "/readyz?verbose", "/livez?verbose")]
    assert [(503, {"status": "not ready"})] * 2 + [(200, {"status": "alive"})] == seen


def test_a_page_of_a_stranger_is_told_no_details() -> None:
    """His name may lead to this machine, where details are open."""
    with served(Check("queue", lambda: False)) as (server, _):
        seen = [ask(server, path, Host="evil.example").told for path in ("/readyz", "/readyz?verbose")]
    assert [(503, {"status": "not ready"})] * 2 == seen


def test_a_subject_that_fails_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A probe asks often."""
    with HealthCheckServer(port=0).serving(Broken()) as server:
        for _ in range(20):
            ask(server, "/health")
    assert ["the subject failed"] == [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]


@pytest.mark.parametrize("origin", ["null", "file://", "http://"])
def test_an_origin_that_is_none_is_foreign(shop: HealthCheckServer, origin: str) -> None:
    """Also where there is no Host to compare with."""
    head = f"POST /own HTTP/1.1\r\nHost:\r\nOrigin: {origin}\r\nContent-Length: 0\r\nConnection: close\r\n"
    with socket.create_connection((shop.host, shop.port), timeout=10.0) as client:
        client.sendall(f"{head}Authorization: Bearer s3cret\r\n\r\n".encode())
        assert b"HTTP/1.1 403" == client.recv(1000)[:12]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_the_path_of_another_server_is_left_alone(path: str) -> None:
    """Though it was one's own once."""
    old = HealthCheckServer(f"unix:{path}").start(Plain())
    os.unlink(path)
    with HealthCheckServer(f"unix:{path}").serving(Plain()):
        old.stop()
        assert b"200 OK" in over(path)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://a.example", "a.example:80"),
        ("https://a.example:443", "a.example"),
        ("https://a.example:8443", "a.example:8443"),
    ],
)
def test_a_default_port_may_stand_there_or_not(shop: HealthCheckServer, origin: str, host: str) -> None:
    """It is the same site (RFC 6454, 4)."""
    request = GET._replace(method="POST", fields=(("host", host), ("origin", origin)))
    assert (False, True) == (is_foreign(request), is_foreign(request._replace(fields=(("origin", origin),))))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_a_unix_socket_may_have_any_name(path: str) -> None:
    """No browser reaches it."""
    with HealthCheckServer(f"unix:{path}").serving(Plain()), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"GET /status HTTP/1.1\r\nHost: minimon\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200" == client.recv(1000)[:12]
