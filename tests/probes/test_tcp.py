"""tcp://host:port as a target: up when a connection is accepted."""

from __future__ import annotations

import contextlib
import pathlib
import socket
from collections.abc import Iterator

import pytest
from support import descriptors

from minimon import Check, ConfigError, Result, probe
from minimon.model import REASONS
from minimon.probes import prepare
from minimon.testing import RogueServer


@contextlib.contextmanager
def listening(host: str = "127.0.0.1", backlog: int = 5) -> Iterator[int]:
    """A port on which a socket listens and nobody accepts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, backlog=backlog) as listener:
        yield int(listener.getsockname()[1])


@contextlib.contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that is ours, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        yield int(sock.getsockname()[1])


def verdict(result: Result) -> tuple[str, str]:
    """What the tests compare."""
    return result.outcome.value, result.reason


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
    with listening(backlog=0) as port, contextlib.ExitStack() as stack:
        for _ in range(4):  # fills the queue of who waits to be accepted: the next ones are not answered
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        result = probe(f"tcp://127.0.0.1:{port}", 0.2)
    assert ("fail", "timeout", True) == (*verdict(result), result.elapsed < 1.2)


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
