"""What the stand-ins promise: they are tested on the wire and on threads, as hosts use them."""

from __future__ import annotations

import errno
import http.client
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minimon.errors import ConfigError, LifecycleError, PortError
from minimon.model import Response
from minimon.probes import Probe
from minimon.testing import BEHAVIOURS, FakeClock, RogueServer, ScriptedProbe

GET = b"GET / HTTP/1.1\r\nHost: rogue\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n" + b"x" * 50


def eventually(true: Callable[[], object], seconds: float = 5.0) -> bool:
    """Whether this becomes true before the deadline."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.002)
    return True


# FakeClock


class Sleeper:
    """A thread that waits once on a fake clock and notes the time at which it woke."""

    def __init__(self, clock: FakeClock, seconds: float | None) -> None:
        self.condition = threading.Condition()
        self.woke: float | None = None
        self._clock, self._seconds = clock, seconds
        self.thread = threading.Thread(target=self._sleep, daemon=True)
        self.thread.start()

    def _sleep(self) -> None:
        with self.condition:
            self._clock.wait(self.condition, self._seconds)
        self.woke = self._clock.monotonic()

    def awake(self) -> float | None:
        """The time at which it woke, once it did."""
        self.thread.join(5.0)
        return self.woke


def test_a_clock_starts_where_it_is_told() -> None:
    """Both clocks show what they were given."""
    clock = FakeClock(5.0, wall=1_000.0)
    assert (5.0, 1_000.0) == (clock.monotonic(), clock.time())


def test_advance_moves_both_clocks() -> None:
    """Time passes on both."""
    clock = FakeClock(1.0, wall=100.0)
    clock.advance(2.5)
    assert (3.5, 102.5) == (clock.monotonic(), clock.time())


def test_a_jump_moves_the_wall_clock_only() -> None:
    """A step of the wall clock is no passing of time."""
    clock = FakeClock(1.0, wall=100.0)
    clock.jump_wall(-60.0)
    assert (1.0, 40.0) == (clock.monotonic(), clock.time())


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf")])
def test_time_neither_goes_back_nor_ends(seconds: float) -> None:
    """A negative or unreal advance is refused."""
    with pytest.raises(ConfigError, match="0 or more seconds"):
        FakeClock().advance(seconds)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_no_time_is_waited_without_sleep(seconds: float) -> None:
    """A wait whose deadline is reached returns at once."""
    assert 0.0 == Sleeper(FakeClock(), seconds).awake()


def test_advance_wakes_who_is_due() -> None:
    """A thread wakes when the fake time reaches its deadline."""
    clock = FakeClock(10.0)
    sleeper = Sleeper(clock, 3.0)
    clock.waiting()
    clock.advance(3.0)
    assert 13.0 == sleeper.awake()


def test_rounding_does_not_keep_a_thread_asleep() -> None:
    """0.1 + 0.7 is a bit less than 0.8, and yet a thread that waits for 0.8 s wakes then, and not before its time."""
    clock = FakeClock()
    sleeper = Sleeper(clock, 0.8)
    clock.waiting()
    clock.advance(0.1)
    clock.advance(0.7)
    assert 0.8 == sleeper.awake()


def test_advance_lets_others_sleep() -> None:
    """A thread that is not due yet stays asleep, and waits still."""
    clock = FakeClock()
    sleeper = Sleeper(clock, 3.0)
    clock.waiting()
    clock.advance(2.0)
    assert (True, None) == (clock.waiting(1, 0.0), sleeper.woke)
    clock.advance(1.0)
    sleeper.awake()


def test_who_is_due_is_not_waiting_any_more() -> None:
    """Right after advance, waiting() counts no thread that has yet to wake up."""
    clock = FakeClock()
    sleeper = Sleeper(clock, 1.0)
    clock.waiting()
    with sleeper.condition:  # an RLock: advance may be called, and the thread cannot wake before we let go
        clock.advance(1.0)
        assert False is clock.waiting(1, 0.0)


def test_a_notification_ends_a_wait() -> None:
    """A thread that is notified wakes before its deadline."""
    clock = FakeClock()
    sleeper = Sleeper(clock, 60.0)
    clock.waiting()
    with sleeper.condition:
        sleeper.condition.notify()
    assert 0.0 == sleeper.awake()


def test_waiting_for_ever_is_ended_by_a_notification_only() -> None:
    """A wait of None outlasts any advance."""
    clock = FakeClock()
    sleeper = Sleeper(clock, None)
    clock.waiting()
    clock.advance(1e9)
    with sleeper.condition:
        sleeper.condition.notify()
    assert 1e9 == sleeper.awake()


def test_waiting_counts_threads() -> None:
    """waiting(3) is true once three threads sleep."""
    clock = FakeClock()
    sleepers = [Sleeper(clock, 1.0) for _ in range(3)]
    assert (True, False) == (clock.waiting(3), clock.waiting(4, timeout=0.01))
    clock.advance(1.0)
    assert [1.0, 1.0, 1.0] == [sleeper.awake() for sleeper in sleepers]


def test_no_wake_up_is_lost() -> None:
    """A thread that sleeps a thousand times wakes a thousand times."""
    clock, condition, rounds = FakeClock(), threading.Condition(), []

    def sleep_often() -> None:
        for number in range(1, 1_001):
            with condition:
                while clock.monotonic() < number:
                    clock.wait(condition, number - clock.monotonic())
            rounds.append(number)

    thread = threading.Thread(target=sleep_often, daemon=True)
    thread.start()
    for _ in range(1_000):
        if clock.waiting():
            clock.advance(1.0)
    thread.join(5.0)
    assert list(range(1, 1_001)) == rounds


# ScriptedProbe


def test_a_script_is_followed_and_its_last_step_repeated() -> None:
    """Each call gives the next Response, then the last one for ever."""
    first, last = Response(200), Response(503)
    probe = ScriptedProbe([first, last])
    assert [first, last, last] == [probe(1.0) for _ in range(3)]


@pytest.mark.parametrize("step", [OSError("down"), OSError])
def test_an_exception_is_raised(step: Any) -> None:
    """An instance or a class is raised each time."""
    probe = ScriptedProbe([step])
    with pytest.raises(OSError):
        probe(1.0)
    with pytest.raises(OSError):
        probe(1.0)


def test_a_repeated_exception_does_not_grow() -> None:
    """The traceback of an instance is that of its latest raise."""
    error = OSError("down")
    probe, lengths = ScriptedProbe([error]), []
    for _ in range(3):
        with pytest.raises(OSError, match="down"):
            probe(1.0)
        trace, length = error.__traceback__, 0
        while trace is not None:
            trace, length = trace.tb_next, length + 1
        lengths.append(length)
    assert lengths[:1] * 3 == lengths


def test_a_function_is_asked_with_the_timeout() -> None:
    """A callable step gives the answer."""
    probe = ScriptedProbe([lambda timeout: Response(value=timeout)])
    assert 2.5 == probe(2.5).value


def test_a_scripted_probe_is_a_probe() -> None:
    """A Check takes it as a target."""
    assert isinstance(ScriptedProbe([Response(200)]), Probe)


def test_calls_are_counted_on_all_threads() -> None:
    """Eight threads with a hundred calls each are 800 calls."""
    probe = ScriptedProbe([Response(200)])
    threads = [threading.Thread(target=lambda: [probe(1.0) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5.0)
    assert 800 == probe.calls


@pytest.mark.parametrize("script", [[], [None], [Response(200), "OK"]])
def test_a_script_of_nothing_is_refused(script: Any) -> None:
    """An empty script, or a step that cannot be played, is an error at construction."""
    with pytest.raises(ConfigError, match="step"):
        ScriptedProbe(script)


# RogueServer: on the wire


@pytest.fixture
def rogue() -> Iterator[Callable[..., RogueServer]]:
    """Makes running servers, and stops them at the end."""
    servers: list[RogueServer] = []

    def make(*args: Any, **settings: Any) -> RogueServer:
        servers.append(RogueServer(*args, **settings).start())
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def connect(server: RogueServer, content: bytes = b"") -> socket.socket:
    """A connection on which this was sent."""
    client = socket.create_connection((server.host, server.port), timeout=5.0)
    client.sendall(content)
    return client


def ending(client: socket.socket) -> tuple[bytes, str]:
    """All that comes, and how it ends."""
    got = b""
    try:
        while piece := client.recv(65_536):
            got += piece
    except (ConnectionResetError, BrokenPipeError):
        return got, "reset"
    return got, "closed"


def ask(server: RogueServer, content: bytes = GET) -> tuple[bytes, str]:
    """What comes back on a connection of its own, and how it ends."""
    with connect(server, content) as client:
        return ending(client)


def statuses(server: RogueServer, n: int) -> list[tuple[int, bytes]]:
    """Status and body of n requests on one connection."""
    client, seen = http.client.HTTPConnection(server.host, server.port, timeout=5.0), []
    for _ in range(n):
        client.request("GET", "/")
        answer = client.getresponse()
        seen.append((answer.status, answer.read()))
    client.close()
    return seen


def rogue_threads() -> list[str]:
    """The names of the threads of all rogue servers."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("minimon-rogue-")]


def head(status: str, *lines: str) -> bytes:
    """The head of an answer on a connection that closes."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


CLOSE = "Connection: close"


@pytest.mark.parametrize(
    ("behaviour", "settings", "expected"),
    [
        ("ok", {}, (OK, "closed")),
        (
            "ok",
            {"status": 503, "body": "no", "headers": {"X-Why": "rogue"}},
            (head("503 Service Unavailable", "Content-Length: 2", CLOSE, "X-Why: rogue") + b"no", "closed"),
        ),
        ("ok", {"status": 204}, (head("204 No Content", CLOSE), "closed")),
        ("ok", {"status": 799}, (head("799 Unknown", "Content-Length: 2", CLOSE) + b"OK", "closed")),
        ("delay", {"seconds": 0}, (OK, "closed")),
        ("flaky", {"codes": [404]}, (head("404 Not Found", "Content-Length: 9", CLOSE) + b"Not Found", "closed")),
        (
            "json",
            {"document": {"a": [1]}},
            (
                head("200 OK", "Content-Length: 10", CLOSE, "Content-Type: application/json") + b'{"a": [1]}',
                "closed",
            ),
        ),
        ("drip_head", {"interval": 0}, (OK, "closed")),
        (
            "drip_body",
            {"interval": 0, "size": 3},
            (head("200 OK", "Content-Length: 3", CLOSE) + b"xxx", "closed"),
        ),
        ("huge_body", {"size": 200_000}, (head("200 OK", CLOSE) + b"x" * 200_000, "closed")),
        ("cut_head", {}, (b"HTTP/1.1 200", "closed")),
        ("cut_body", {}, (HALF, "closed")),
        ("reset", {}, (b"", "reset")),
        ("reset_body", {}, (HALF, "reset")),
        (
            "redirect",
            {"location": "http://other/"},
            (head("302 Found", "Content-Length: 5", CLOSE, "Location: http://other/") + b"Found", "closed"),
        ),
        ("empty", {}, (b"", "closed")),
        ("garbage", {}, (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "closed")),
        ("raw", {}, (b"", "closed")),
        ("raw", {"content": "ab", "piece": b"c", "times": 3}, (b"abccc", "closed")),
        ("raw", {"times": -1}, (b"", "closed")),
        ("raw", {"content": b"\x00", "end": "reset"}, (b"\x00", "reset")),
    ],
)
def test_a_behaviour_on_the_wire(
    rogue: Callable[..., RogueServer], behaviour: str, settings: dict[str, Any], expected: tuple[bytes, str]
) -> None:
    """Each behaviour sends these bytes and ends this way."""
    assert expected == ask(rogue(behaviour, **settings))


def test_redirect_loop_leads_to_itself(rogue: Callable[..., RogueServer]) -> None:
    """The location is the address that was asked, query and all."""
    answer, _ = ask(rogue("redirect_loop"), b"GET /a?b=1 HTTP/1.0\r\n\r\n")
    assert b"Location: /a?b=1" in answer.split(b"\r\n")


def test_silent_reads_and_never_answers(rogue: Callable[..., RogueServer]) -> None:
    """Until the client has said its last nothing comes, not even an end."""
    with connect(rogue("silent"), GET) as client:
        client.settimeout(0.05)
        with pytest.raises(socket.timeout):
            client.recv(1)
        client.sendall(b"more")
        client.shutdown(socket.SHUT_WR)
        client.settimeout(5.0)
        assert (b"", "closed") == ending(client)


def test_raw_can_hold_the_connection(rogue: Callable[..., RogueServer]) -> None:
    """After what it sends nothing comes, not even an end, until the client has said its last."""
    with connect(rogue("raw", content="abc", end="hold"), GET) as client:
        assert b"abc" == client.recv(65_536)
        client.settimeout(0.05)
        with pytest.raises(socket.timeout):
            client.recv(1)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(5.0)
        assert (b"", "closed") == ending(client)


@pytest.mark.parametrize(
    ("behaviour", "settings", "least"),
    [
        ("delay", {"seconds": 0.1}, 0.1),
        ("drip_head", {"interval": 0.002}, 0.1),
        ("drip_body", {"interval": 0.01, "size": 10}, 0.1),
        ("raw", {"piece": "x", "times": 10, "interval": 0.01}, 0.1),
    ],
)
def test_a_slow_behaviour_takes_its_time(
    rogue: Callable[..., RogueServer], behaviour: str, settings: dict[str, Any], least: float
) -> None:
    """The whole answer is there no sooner than the settings say."""
    server, begin = rogue(behaviour, **settings), time.monotonic()
    ask(server)
    assert time.monotonic() - begin >= least


def test_flaky_goes_round(rogue: Callable[..., RogueServer]) -> None:
    """The codes come in order, over and over."""
    server = rogue("flaky", codes=(200, 500, 503))
    assert [200, 500, 503, 200, 500] == [status for status, _ in statuses(server, 5)]


# RogueServer: taht


@pytest.fixture(scope="module")
def of_taht() -> list[tuple[int, bytes]]:
    """1,600 of its answers."""
    with RogueServer("taht", seed=1, max_delay=0) as server:
        return statuses(server, 1_600)


def test_taht_answers_with_its_share_of_each_status(of_taht: list[tuple[int, bytes]]) -> None:
    """Half of the answers are a 200, and each of the other four an eighth."""
    seen = Counter(status for status, _ in of_taht)
    assert {200: 800, 400: 200, 404: 200, 500: 200, 501: 200} == pytest.approx(dict(seen), abs=60)


def test_taht_says_unexpected_things_half_of_the_time(of_taht: list[tuple[int, bytes]]) -> None:
    """Half of the 200s say Unexpected, the others Expected."""
    seen = Counter(of_taht)
    bodies = {body: n for (status, body), n in seen.items() if status == 200}
    assert {b"Expected": 400, b"Unexpected": 400} == pytest.approx(bodies, abs=60)


def test_taht_is_the_same_with_the_same_seed(rogue: Callable[..., RogueServer]) -> None:
    """Two servers with one seed give one sequence."""
    first, second = (statuses(rogue("taht", seed=7, max_delay=0), 50) for _ in range(2))
    assert first == second


def test_taht_delays_by_chance(rogue: Callable[..., RogueServer]) -> None:
    """The delay is a part of max_delay, drawn from the seed."""
    server, begin = rogue("taht", seed=3, max_delay=0.2), time.monotonic()
    ask(server)
    assert time.monotonic() - begin >= random.Random(3).random() * 0.2


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /other", b"404"),
        (b"POST /other", b"404"),
        (b"POST /", b"405"),
        (b"HEAD /", b"405"),
        (b"DELETE /?x=1", b"405"),
    ],
)
def test_taht_accepts_get_of_its_root_only(rogue: Callable[..., RogueServer], line: bytes, status: bytes) -> None:
    """Other paths are not found, other methods not allowed."""
    answer, _ = ask(rogue("taht", max_delay=0), line + b" HTTP/1.0\r\n\r\n")
    assert status == answer.split()[1]


# RogueServer: reading requests


def test_a_connection_carries_several_requests(rogue: Callable[..., RogueServer]) -> None:
    """Two requests sent at once are answered in turn, until one asks to close."""
    kept = OK.replace(b"Connection: close\r\n", b"")
    assert (kept + OK, "closed") == ask(rogue("ok"), b"GET /1 HTTP/1.1\r\nHost: rogue\r\n\r\n" + GET)


def test_http_1_0_closes(rogue: Callable[..., RogueServer]) -> None:
    """A client of HTTP/1.0 gets one answer."""
    assert (OK, "closed") == ask(rogue("ok"), b"GET / HTTP/1.0\r\n\r\n")


def test_head_has_no_body(rogue: Callable[..., RogueServer]) -> None:
    """HEAD gets the head that GET would get."""
    assert (OK[:-2], "closed") == ask(rogue("ok"), GET.replace(b"GET", b"HEAD"))


def test_a_request_body_is_dropped(rogue: Callable[..., RogueServer]) -> None:
    """A body that looks like a request is none."""
    server = rogue("ok")
    ask(server, b"POST /1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(GET) + GET + GET.replace(b"/", b"/2", 1))
    assert ["/1", "/2"] == [request.path for request in server.requests]


def test_after_a_body_of_unknown_length_it_closes(rogue: Callable[..., RogueServer]) -> None:
    """Chunks are not read, so they are not taken for a request either."""
    server = rogue("ok")
    ask(server, b"POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert ["/1"] == [request.path for request in server.requests]


def test_requests_are_recorded(rogue: Callable[..., RogueServer]) -> None:
    """Method, path and headers of each are kept, in the order in which they came."""
    server = rogue("ok")
    ask(server, b"PUT /a?b HTTP/1.0\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\n")
    ask(server)
    seen = [(each.method, each.path, each.headers.get_all("X-Twice")) for each in server.requests]
    assert [("PUT", "/a?b", ["1", "2"]), ("GET", "/", [])] == seen


def test_requests_have_their_time(rogue: Callable[..., RogueServer]) -> None:
    """A request is stamped by the monotonic clock when it is read."""
    server, before = rogue("ok"), time.monotonic()
    ask(server)
    assert before <= server.requests[0].at <= time.monotonic()


def test_the_record_is_bounded(rogue: Callable[..., RogueServer]) -> None:
    """Of 10,001 requests the first is forgotten."""
    server = rogue("ok")
    with connect(server) as client:
        for start in range(0, 10_001, 73):
            paths = range(start, start + 73)
            client.sendall(b"".join(b"HEAD /%d HTTP/1.1\r\n\r\n" % path for path in paths))
        assert eventually(lambda: len(server.requests) == 10_000 and server.requests[-1].path == "/10000")
    assert "/1" == server.requests[0].path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n\n\n",
        b"\xff\x00\x85\xa0 \xe2\x80\xa8 HTTP/1.1\r\n\xff\x00: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n: no name\r\n\r\n",
        b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * 70_000),
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"\n" * 100_000,
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5_000),
        b"POST / HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\nx",
    ],
)
def test_hostile_input_harms_nobody_else(rogue: Callable[..., RogueServer], content: bytes) -> None:
    """Whatever one client sends, the next one is answered (and a traceback would fail this test)."""
    server = rogue("ok")
    with connect(server) as client:
        try:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has heard enough
        ending(client)
    assert (OK, "closed") == ask(server)


def test_an_empty_line_before_a_request_is_tolerated(rogue: Callable[..., RogueServer]) -> None:
    """As RFC 9112 asks of servers."""
    assert (OK, "closed") == ask(rogue("ok"), b"\r\n" + GET)


def test_a_head_of_64_kib_is_no_request(rogue: Callable[..., RogueServer]) -> None:
    """Whoever writes more is shut out and not recorded."""
    server = rogue("ok")
    with connect(server, b"GET / HTTP/1.1\r\nX: " + b"x" * 65_536) as client:
        ending(client)
    assert [] == server.requests


def test_what_is_not_http_is_told_so(rogue: Callable[..., RogueServer]) -> None:
    """A malformed request line gets a 400."""
    assert (head("400 Bad Request", CLOSE), "closed") == ask(rogue("ok"), b"nonsense\r\n\r\n")


def test_a_client_that_leaves_leaves_no_thread(rogue: Callable[..., RogueServer]) -> None:
    """A huge body ends when nobody reads it any more."""
    server = rogue("huge_body")
    with connect(server, GET) as client:
        client.recv(10)
    assert eventually(lambda: rogue_threads() == ["minimon-rogue-accept"])


CROWD = """
import socket, sys
crowd = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5) for _ in range(513)]
crowd[-1].sendall(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
sys.stdout.write(f"{crowd[0].recv(99)!r} {crowd[-1].recv(15)!r}")
"""


def test_the_oldest_of_too_many_connections_has_to_go(rogue: Callable[..., RogueServer]) -> None:
    """With 513 clients the first one is shut out, and the last one is answered."""
    command = [sys.executable, "-c", CROWD, str(rogue("ok").port)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=30, check=True)
    assert "b'' b'HTTP/1.1 200 OK'" == done.stdout


def test_connections_of_the_past_are_not_counted(rogue: Callable[..., RogueServer]) -> None:
    """After 600 short visits, the client that came first is answered still."""
    server = rogue("ok")
    with connect(server) as first:
        for _ in range(600):
            ask(server)
        first.sendall(GET)
        assert (OK, "closed") == ending(first)


# RogueServer: behaviour and settings


def test_the_behaviour_may_change_while_it_runs(rogue: Callable[..., RogueServer]) -> None:
    """The next request on an open connection meets the new behaviour."""
    server = rogue("ok")
    with connect(server, b"HEAD / HTTP/1.1\r\n\r\n") as client:
        client.recv(65_536)
        server.behaviour = "garbage"
        client.sendall(GET)
        assert b"SSH" == ending(client)[0][:3]


def test_a_new_behaviour_takes_the_settings_that_it_knows(rogue: Callable[..., RogueServer]) -> None:
    """What delay was told, ok takes for itself, but for the seconds."""
    server = rogue("delay", seconds=60, status=503, body="late")
    server.behaviour = "ok"
    assert [(503, b"late")] == statuses(server, 1)


def test_an_assigned_behaviour_begins_anew(rogue: Callable[..., RogueServer]) -> None:
    """flaky starts with its first code."""
    server = rogue("flaky")
    ask(server)
    server.behaviour = "flaky"
    assert 200 == statuses(server, 1)[0][0]


def test_an_unknown_behaviour_is_refused() -> None:
    """The error offers the nearest known one."""
    with pytest.raises(ConfigError, match="unknown behaviour 'delya': did you mean 'delay'"):
        RogueServer("delya")


def test_an_unknown_behaviour_cannot_be_assigned() -> None:
    """The assignment is refused, and the former behaviour stays."""
    server = RogueServer("ok")
    with pytest.raises(ConfigError, match="unknown behaviour"):
        server.behaviour = "kaput"
    assert "ok" == server.behaviour


@pytest.mark.parametrize(
    ("behaviour", "known"), [("drip_body", "interval, size"), ("reset", "none"), ("taht", "max_delay")]
)
def test_an_unknown_setting_is_refused(behaviour: str, known: str) -> None:
    """The error names the setting and those that there are."""
    with pytest.raises(ConfigError, match=f"'{behaviour}' has no setting 'speed', known are: {known}"):
        RogueServer(behaviour, speed=1)


@pytest.mark.parametrize(
    ("behaviour", "setting", "value"),
    [
        ("taht", "max_delay", -1),
        ("delay", "seconds", float("nan")),
        ("delay", "seconds", "1"),
        ("drip_head", "interval", 1e9),
        ("drip_body", "size", -1),
        ("huge_body", "size", 1.5),
        ("ok", "status", 99),
        ("ok", "status", "200"),
        ("ok", "body", 5),
        ("ok", "headers", {"X": "a\r\nb"}),
        ("ok", "headers", {"X": 1}),
        ("ok", "headers", 7),
        ("flaky", "codes", ()),
        ("flaky", "codes", 200),
        ("redirect", "location", "/\u20ac"),
        ("json", "document", {1, 2}),
        ("raw", "content", 5),
        ("raw", "piece", None),
        ("raw", "times", -2),
        ("raw", "times", 1.0),
        ("raw", "interval", -1),
        ("raw", "end", "explode"),
        ("raw", "end", ["close"]),
    ],
)
def test_a_bad_setting_is_refused(behaviour: str, setting: str, value: Any) -> None:
    """The error names the setting, the value and the default."""
    with pytest.raises(ConfigError, match=f"setting '{setting}' cannot be .*; the default is "):
        RogueServer(behaviour, **{setting: value})


@pytest.mark.parametrize("address", [{"port": -1}, {"port": 65_536}, {"port": "80"}, {"host": ""}, {"host": None}])
def test_a_bad_address_is_refused(address: dict[str, Any]) -> None:
    """Host and port are looked at in the constructor."""
    with pytest.raises(ConfigError, match="bad host"):
        RogueServer(**address)


def test_every_behaviour_has_a_line_of_help() -> None:
    """The table can be printed: one line each."""
    assert [] == [name for name, each in BEHAVIOURS.items() if "\n" in (each.__doc__ or "\n")]


# RogueServer: life


@pytest.mark.parametrize(
    ("behaviour", "settings"),
    [
        ("taht", {"max_delay": 86_400, "seed": 1}),
        ("delay", {"seconds": 60}),
        ("drip_head", {"interval": 60}),
        ("drip_body", {"interval": 60}),
        ("drip_body", {"interval": 0.001, "size": 1_000_000}),
        ("huge_body", {"size": 1 << 40}),
        ("silent", {}),
        ("raw", {"piece": "x", "times": -1}),
        ("raw", {"piece": "x", "times": -1, "interval": 60}),
        ("raw", {"content": "x", "end": "hold"}),
    ],
)
def test_stop_ends_an_answer(rogue: Callable[..., RogueServer], behaviour: str, settings: dict[str, Any]) -> None:
    """In the midst of any behaviour, stop ends all threads within its second."""
    server = rogue(behaviour, **settings)
    with connect(server, GET):
        eventually(lambda: server.requests)
        assert (True, []) == (server.stop(), rogue_threads())


def test_stop_ends_idle_connections(rogue: Callable[..., RogueServer]) -> None:
    """A client that says nothing keeps no thread."""
    server = rogue("ok")
    with connect(server), connect(server, b"GET / HT"):
        eventually(lambda: len(rogue_threads()) == 3)
        assert (True, []) == (server.stop(), rogue_threads())


def test_stop_closes_the_port(rogue: Callable[..., RogueServer]) -> None:
    """Nobody listens after stop."""
    server = rogue("ok")
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_stop_is_safe_at_any_time() -> None:
    """Before start, after it and once more."""
    server = RogueServer("ok")
    assert [True, True, True] == [server.stop(), server.start().stop(), server.stop()]


def test_a_second_start_is_refused(rogue: Callable[..., RogueServer]) -> None:
    """A server that runs is not started again."""
    server = rogue("ok")
    with pytest.raises(LifecycleError, match="runs already"):
        server.start()


def test_a_restart_takes_the_same_port(rogue: Callable[..., RogueServer]) -> None:
    """After an outage the server answers where it did before."""
    server = rogue("ok")
    before = server.url
    ask(server)
    server.stop()
    assert (before, (OK, "closed")) == (server.start().url, ask(server))


def test_a_restart_begins_anew(rogue: Callable[..., RogueServer]) -> None:
    """The sequence of a seed is that of the first time."""
    server = rogue("taht", seed=5, max_delay=0)
    before = statuses(server, 20)
    server.stop()
    server.start()
    assert before == statuses(server, 20)


def test_a_taken_port_is_told(rogue: Callable[..., RogueServer]) -> None:
    """The error has the system's number and the address, and nothing is left behind."""
    port = rogue("ok").port
    with pytest.raises(PortError, match=f"127.0.0.1:{port}: ") as caught:
        RogueServer("ok", port=port).start()
    assert (errno.EADDRINUSE, ["minimon-rogue-accept"]) == (caught.value.errno, rogue_threads())


def test_with_starts_and_stops() -> None:
    """Inside it answers, outside no thread is left."""
    with RogueServer("ok") as server:
        inside = ask(server)
    assert ((OK, "closed"), []) == (inside, rogue_threads())


def test_threads_are_daemons(rogue: Callable[..., RogueServer]) -> None:
    """No thread of the server holds up the exit of the host."""
    server = rogue("silent")
    with connect(server, GET):
        eventually(lambda: server.requests)
        mine = [each.daemon for each in threading.enumerate() if each.name.startswith("minimon-rogue-")]
        assert [True, True] == mine


def test_the_url_of_an_ipv6_address_has_brackets() -> None:
    """An address with colons is told from its port."""
    assert "http://[::1]:8080/" == RogueServer(host="::1", port=8080).url


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_holds_nothing(rogue: Callable[..., RogueServer]) -> None:
    """What the parent closes is closed, though the child lives; which may start a server of its own."""
    server = rogue("ok")
    (told, tell), (heard, say) = os.pipe(), os.pipe()
    with connect(server, b"HEAD / HTTP/1.1\r\n\r\n") as client:
        client.recv(65_536)
        child = os.fork()
        if not child:
            status = 1
            try:
                os.close(tell)  # so that it ends with the parent, whatever becomes of that
                os.write(say, b"%d" % server.port)
                os.read(told, 1)
                status = 0 if ask(server.start())[0] == OK and server.stop() else 1
            finally:
                os._exit(status)
        port_in_child = os.read(heard, 9)
        client.sendall(GET)
        answer = ending(client)
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    os.write(tell, b"!")
    _, status = os.waitpid(child, 0)
    for descriptor in (told, tell, heard, say):
        os.close(descriptor)
    assert (b"0", (OK, "closed"), 0) == (port_in_child, answer, status)
