"""tcp://host:port as a target: up when a connection is accepted."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from stand_ins import Talk, black_hole, closed_port, mute, peer, verdict
from support import descriptors

from minimon import Check, ConfigError, probe
from minimon.model import REASONS
from minimon.probes import prepare
from minimon.testing import RogueServer


@contextlib.contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[int]:
    """A port on which a socket listens and nobody accepts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield int(listener.getsockname()[1])


def test_an_open_port_passes() -> None:
    """A connection is enough, whatever is spoken there."""
    with listening() as port:
        result = probe(f"tcp://127.0.0.1:{port}")
    assert ("pass", "", None) == (*verdict(result), result.status_code)


def test_nothing_is_sent() -> None:
    """The probe connects and closes without a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        probe(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        client, _ = listener.accept()
        with client:
            client.settimeout(5.0)
            assert b"" == client.recv(1)


def test_a_silent_server_is_up() -> None:
    """Whoever accepts is up, even if nothing more comes."""
    with RogueServer("silent") as server:
        assert ("pass", "") == verdict(probe(f"tcp://127.0.0.1:{server.port}"))


def test_a_closed_port_fails_with_connect() -> None:
    """A refused connection is told with its address."""
    with closed_port() as port:
        result = probe(f"tcp://127.0.0.1:{port}")
    assert ("fail", "connect", True) == (*verdict(result), f"127.0.0.1:{port}" in result.detail)


def test_ipv6_is_connected_to() -> None:
    """An address in brackets works."""
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(listening("::1"))
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
        assert ("pass", "") == verdict(probe(f"tcp://[::1]:{port}"))


def test_the_second_address_counts_too() -> None:
    """localhost may mean ::1 and 127.0.0.1: one that accepts is enough."""
    with listening() as port:
        assert ("pass", "") == verdict(probe(f"tcp://localhost:{port}"))


def test_no_answer_is_a_timeout() -> None:
    """A host that swallows packets, here a full backlog, is given up in time."""
    with black_hole() as port:
        result = probe(f"tcp://127.0.0.2:{port}", 0.1)
    assert ("fail", "timeout", True) == (*verdict(result), result.elapsed < 1.1)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "bücher.invalid", "999.1.1.1"])
def test_an_unknown_name_fails_with_dns(host: str) -> None:
    """What the resolver does not know is told as dns, with the name."""
    result = probe(f"tcp://{host}:1")
    assert ("fail", "dns", True) == (*verdict(result), host.encode("idna").decode() in result.detail)


def test_a_connection_with_itself_is_none() -> None:
    """The system may give a caller the very port that it calls: it is connected with itself, and nobody is up."""
    closed = port_for_callers()
    poll = prepare({"name": "db", "target": f"tcp://127.0.0.1:{closed}"}).probe
    assert 0 == sum(poll(1.0).error is None for _ in range(20_000))  # every such port has had its turn by then


@contextlib.contextmanager
def resetting() -> Iterator[int]:
    """A port that resets each connection as soon as it is made."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # accepted ones have it too

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)


def test_a_connection_that_is_reset_at_once_is_none() -> None:
    """Before it could be asked whom it is with: reason connect, and the socket is closed."""
    seen: set[tuple[str, bool]] = set()
    deadline = time.monotonic() + 10.0
    with resetting() as port:
        poll = prepare({"name": "db", "target": f"tcp://127.0.0.1:{port}"}).probe
        while not seen and time.monotonic() < deadline:
            error = poll(1.0).error
            if error is not None and str(port) not in error.detail:  # else it was reset while it was made
                seen.add((error.kind, error.detail.startswith("connect: ")))
    assert {("connect", True)} == seen


def port_for_callers() -> int:
    """A closed port of those that are given to callers; the even ones, or the odd ones, are given first."""
    try:
        low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except OSError:
        pytest.skip("the range of ports is not known here")
    for port in range(low + (high - low) // 4 * 2, high, 2):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    pytest.skip("no such port is free")


def test_a_condition_cannot_make_a_refusal_pass() -> None:
    """A transport error fails whatever was expected."""
    with closed_port() as port:
        assert "fail" == probe(f"tcp://127.0.0.1:{port}", expect=lambda response: True).outcome


def test_latency_is_a_condition_of_a_port() -> None:
    """The time of the connect can be bounded, or warn."""
    with listening() as port:
        result = probe(f"tcp://127.0.0.1:{port}", expect={"latency": 60}, warn_if={"latency": {"ge": 0}})
    assert ("warn", "condition") == verdict(result)


def test_a_status_code_never_holds_of_a_port() -> None:
    """What a port does not have is unmet, and no exception."""
    with listening() as port:
        result = probe(f"tcp://127.0.0.1:{port}", expect={"status_code": 200})
    assert ("fail", True) == (result.outcome, result.reason in REASONS)


def test_the_scheme_is_of_any_case() -> None:
    """TCP:// is tcp://."""
    with listening() as port:
        assert ("pass", "") == verdict(probe(f"TCP://127.0.0.1:{port}"))


def test_a_timeout_of_any_size_works() -> None:
    """A timeout longer than the system's clocks can count is as good as none."""
    with listening() as port:
        assert ("pass", "") == verdict(probe(f"tcp://127.0.0.1:{port}", 1e10))


def test_no_descriptor_is_left() -> None:
    """Open, closed and unknown: each probe closes its socket."""
    with listening() as port, closed_port() as closed:
        before = descriptors()
        for target in (f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{closed}", "tcp://no-such-host.invalid:1"):
            probe(target)
        assert before == descriptors()


@pytest.mark.parametrize(
    "target", ["tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://:80", "tcp://127.0.0.1:70000", "tcp://h:http", "tcp:"]
)
def test_an_address_without_host_or_port_is_refused(target: str) -> None:
    """tcp:// needs both, and says so when the check is made."""
    with pytest.raises(ConfigError, match="check 'db': target"):
        Check("db", target)


def test_the_result_is_called_by_its_address() -> None:
    """A one-shot poll has no name, so it is called by the target as it may be shown."""
    with closed_port() as port:
        assert f"tcp://127.0.0.1:{port}" == probe(f"tcp://tom:s3cret@127.0.0.1:{port}").name


# What a port says


def greeting(*pieces: bytes, after: bytes = b"", stay: bool = True) -> Talk:
    """Says these pieces one by one, when it has heard `after`; then it stays, or hangs up."""

    def talk(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heard = b""
        while len(heard) < len(after):
            piece = client.recv(4096)
            if not piece:
                return
            heard += piece
        for piece in pieces:
            client.sendall(piece)
            threading.Event().wait(0.01 if len(pieces) > 1 else 0.0)
        if stay:
            mute(client)

    return talk


@pytest.mark.parametrize("send", [b"PING\r\n", "PING\r\n"])
@pytest.mark.parametrize("expect", [b"+PONG", "+PONG", {"contains": "+PONG"}, {"text": "+PONG\r\n"}])
def test_a_question_is_answered(send: bytes | str, expect: object) -> None:
    """`send` is said, bytes or text, and the answer is judged; the connection need not end."""
    with peer(greeting(b"+PONG\r\n", after=b"PING\r\n")) as server:
        assert ("pass", "") == verdict(probe(f"tcp://{server.address}", send=send, expect=expect))


def test_a_question_is_sent_as_it_is() -> None:
    """Text as UTF-8, and nothing beside it."""
    heard = []

    def talk(client: socket.socket) -> None:
        heard.append(client.recv(4096))
        client.sendall(b"x")

    with peer(talk) as server:
        probe(f"tcp://{server.address}", send="grüße\n")
    assert ["grüße\n".encode()] == heard


def test_a_greeting_needs_no_question() -> None:
    """With `expect` alone, what the port says by itself is judged."""
    with peer(greeting(b"220 mail.example ESMTP\r\n")) as server:
        assert ("pass", "") == verdict(probe(f"tcp://{server.address}", expect="220 "))


@pytest.mark.parametrize("expect", ["ready", {"contains": ["2", "y"]}])
def test_an_answer_may_come_in_pieces(expect: object) -> None:
    """It is read until what is expected is there, all of several texts."""
    with peer(greeting(*(bytes((byte,)) for byte in b"220 ready"))) as server:
        assert ("pass", "") == verdict(probe(f"tcp://{server.address}", expect=expect))


def test_a_question_without_an_expectation_wants_any_answer() -> None:
    """Its first piece is enough."""
    with peer(greeting(b"?", after=b"x")) as server:
        result = probe(f"tcp://{server.address}", send="x")
    assert ("pass", "", 1) == (*verdict(result), (result.transport or {})["bytes"])


@pytest.mark.parametrize(
    ("options", "word"),
    [({"send": "x"}, "answer"), ({"expect": "220"}, "220"), ({"send": "x", "expect": "+OK"}, "+OK")],
)
def test_silence_is_a_timeout_that_says_what_was_missing(options: dict[str, str], word: str) -> None:
    """The port accepts and says nothing."""
    with peer(mute) as server:
        result = probe(f"tcp://{server.address}", 0.1, **options)
    assert ("fail", "timeout", True, True) == (*verdict(result), word in result.detail, result.elapsed < 1.1)


def test_another_answer_is_a_timeout_that_says_what_came() -> None:
    """More might have come: expected and seen are told."""
    with peer(greeting(b"-ERR loading")) as server:
        result = probe(f"tcp://{server.address}", 0.1, expect="+PONG")
    assert ("timeout", True, True) == (result.reason, "+PONG" in result.detail, "-ERR loading" in result.detail)


def test_another_answer_that_ends_is_a_condition() -> None:
    """Nothing more can come."""
    with peer(greeting(b"-ERR go away", stay=False)) as server:
        result = probe(f"tcp://{server.address}", expect="+PONG")
    assert ("fail", "condition", True) == (*verdict(result), "-ERR go away" in result.detail)


@pytest.mark.parametrize("options", [{"send": "x"}, {"expect": "220"}, {"send": "x", "expect": "220"}])
def test_closing_without_an_answer_fails(options: dict[str, str]) -> None:
    """Whatever was expected, it did not come."""
    with peer(greeting(stay=False, after=b"x" if "send" in options else b"")) as server:
        result = probe(f"tcp://{server.address}", **options)
    assert ("fail", True) == (result.outcome, result.elapsed < 1.0)


def test_a_drip_does_not_prolong_the_time() -> None:
    """Each piece leaves as much time as there was."""
    with peer(greeting(*[b"x"] * 200)) as server:
        result = probe(f"tcp://{server.address}", 0.1, expect="y")
    assert ("timeout", True) == (result.reason, result.elapsed < 1.1)


def test_a_flood_is_read_up_to_the_limit() -> None:
    """64 KiB are enough to judge; what is expected beyond does not come."""

    def flood(client: socket.socket) -> None:
        while True:
            client.sendall(b"x" * 65536)

    with peer(flood) as server:
        probe(f"tcp://{server.address}", expect="x")
        tracemalloc.start()
        try:
            result = probe(f"tcp://{server.address}", expect="y")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert ("fail", "condition", True) == (*verdict(result), peak < 4 << 20)


def test_what_stands_at_the_limit_is_seen() -> None:
    """The 64 KiB are read to their end."""
    with peer(greeting(b"x" * 65535 + b"y" + b"z" * 10)) as server:
        assert ("pass", "") == verdict(probe(f"tcp://{server.address}", expect="y"))


def test_an_answer_that_is_no_text_is_judged() -> None:
    """What does not decode is replaced."""
    with peer(greeting(b"\xff\xfe\x00OK")) as server:
        assert ("pass", "") == verdict(probe(f"tcp://{server.address}", expect="OK"))


def test_an_expectation_beyond_utf8_is_refused() -> None:
    """It could never hold."""
    with pytest.raises(ConfigError, match="expect"):
        Check("db", "tcp://127.0.0.1:1", expect=b"\xff")


@pytest.mark.parametrize(("said", "expected"), [(b"220 maintenance", "warn"), (b"220 ready", "pass")])
def test_a_warning_may_look_at_the_answer(said: bytes, expected: str) -> None:
    """Then it is read."""
    with peer(greeting(said)) as server:
        assert expected == probe(f"tcp://{server.address}", warn_if={"contains": "maintenance"}).outcome


def test_nothing_is_read_where_nothing_is_said_or_expected() -> None:
    """A port that is chatty is up at once; so is one with a condition on its latency alone."""
    with peer(greeting(b"x" * 100)) as server:
        result = probe(f"tcp://{server.address}", expect={"latency": 5})
    assert ("pass", 0) == (result.outcome, (result.transport or {})["bytes"])


@pytest.mark.parametrize("options", [{}, {"send": "x", "expect": "y"}])
def test_its_phases_are_told(options: dict[str, str]) -> None:
    """Those that were entered, and their total."""
    with peer(greeting(b"y", after=b"x")) as server:
        phases = probe(f"tcp://{server.address}", **options).phases
    expected = ["connect", "first_byte", "transfer", "total"] if options else ["connect", "total"]
    assert expected == list(phases or {})


@pytest.mark.parametrize("options", [{"allow_hosts": ["10.0.0.0/8"]}, {"deny_networks": ["127.0.0.0/8"]}])
def test_a_forbidden_address_is_not_connected_to(options: dict[str, list[str]]) -> None:
    """Reason connect, and nobody sees us."""
    with peer(mute) as server:
        result = probe(f"tcp://localhost:{server.port}", family=4, **options)
    assert ("fail", "connect", 0) == (*verdict(result), server.connections)


def test_the_family_can_be_chosen() -> None:
    """localhost by IPv4 alone."""
    with peer(mute) as server:
        result = probe(f"tcp://localhost:{server.port}", family=4)
    assert ("pass", server.address) == (result.outcome, (result.transport or {})["address"])


def test_a_failed_connect_tells_where() -> None:
    """The transport has the address that was tried."""
    with closed_port() as port:
        result = probe(f"tcp://127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" == (result.transport or {})["address"]
