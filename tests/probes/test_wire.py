"""Connections that are used until one instant, and those that rest between two polls."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import pytest
from stand_ins import Peer, black_hole, free_port, mute, peer
from support import descriptors, python, wait_until

from minimon.probes.lookup import Address, Resolver
from minimon.probes.message import TargetError
from minimon.probes.network import LONGEST_KEPT, MOST_IDLE, Network, Plan
from minimon.probes.wire import Trip, Wire, connect
from minimon.testing import RogueServer

HERE = Address(socket.AF_INET, ("127.0.0.1", 0))
HOLE = Address(socket.AF_INET, ("127.0.0.2", 0))
NOBODY = Address(socket.AF_INET, ("127.0.0.3", 0))
HERE_6 = Address(socket.AF_INET6, ("::1", 0, 0, 0))


def pause(seconds: float = 0.03) -> None:
    """What makes a thing slow."""
    threading.Event().wait(seconds)


def names(*addresses: Address) -> Resolver:
    """A Resolver that gives every name these addresses."""
    return Resolver(lambda host, family: list(addresses))


def failure(port: int, timeout: float, *addresses: Address) -> tuple[str, str, float]:
    """Kind, detail and seconds of a connection that cannot be made."""
    begun = time.monotonic()
    with pytest.raises(TargetError) as caught:
        connect("name", port, Trip(timeout), names(*addresses))
    return caught.value.kind, caught.value.detail, time.monotonic() - begun


@pytest.fixture
def quiet() -> Iterator[Peer]:
    """Who reads and says nothing."""
    with peer(mute) as made:
        yield made


# Several addresses


def test_a_dead_address_leaves_time_for_the_next(quiet: Peer) -> None:
    """Each has its share of what is left: the second of two is tried after half of it."""
    with black_hole(port=quiet.port):
        trip = Trip(0.5)
        wire = connect("name", quiet.port, trip, names(HOLE, HERE))
        wire.close()
    phases = trip.end()
    assert (quiet.address, True) == (trip.address, 0.23 < phases["connect"] < 0.5)


def test_the_last_address_has_all_that_is_left(quiet: Peer) -> None:
    """A refusal takes no time from the others: three addresses, the second swallows, the third answers."""
    with black_hole(port=quiet.port):
        trip = Trip(0.5)
        connect("name", quiet.port, trip, names(NOBODY, HOLE, HERE)).close()
        left = trip.left()
    assert (quiet.address, True) == (trip.address, 0.0 < left < 0.3)


def test_dead_addresses_end_at_the_deadline() -> None:
    """All together take no longer than one."""
    with black_hole() as port:
        kind, detail, seconds = failure(port, 0.15, HOLE, HOLE, HOLE, HOLE)
    assert ("timeout", True, True) == (kind, "no answer from 127.0.0.2" in detail, 0.1 < seconds < 1.15)


def test_the_first_that_answers_is_taken(quiet: Peer) -> None:
    """The others are not asked."""
    connect("name", quiet.port, Trip(5.0), names(HERE, HERE)).close()
    assert (True, 1) == (wait_until(lambda: quiet.connections), quiet.connections)


def test_a_refused_ipv6_leads_to_ipv4(quiet: Peer) -> None:
    """As names often have it."""
    trip = Trip(5.0)
    connect("name", quiet.port, trip, names(HERE_6, HERE)).close()
    assert quiet.address == trip.address


def test_what_was_tried_is_told() -> None:
    """Each address with its own problem, the last ones of many."""
    kind, detail, _ = failure(free_port(), 5.0, HERE, NOBODY, *[HERE] * 50)
    assert ("connect", 3) == (kind, detail.count("refused"))


def test_failed_attempts_leave_no_descriptor() -> None:
    """Each socket is closed."""
    before = descriptors()
    failure(free_port(), 5.0, *[HERE] * 20)
    assert before == descriptors()


def test_a_look_up_takes_from_the_same_time() -> None:
    """What is left after it is for connecting."""

    def late(host: str, family: int) -> list[Address]:
        pause(0.1)
        return [HOLE]

    with black_hole() as port:
        begun, trip = time.monotonic(), Trip(0.2)
        with pytest.raises(TargetError):
            connect("name", port, trip, Resolver(late))
    phases = trip.end()
    assert (True, True) == (time.monotonic() - begun < 1.2, 0.09 < phases["dns"] < phases["total"])


def test_a_literal_address_is_not_looked_up(quiet: Peer) -> None:
    """It needs no name server and no thread."""
    asked: list[str] = []
    resolver = Resolver(lambda host, family: asked.append(host) or [HERE])  # type: ignore[func-returns-value]
    connect("127.0.0.1", quiet.port, Trip(5.0), resolver).close()
    assert [] == asked


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET6), ("::1", socket.AF_INET)])
def test_an_address_of_the_other_family_is_none(host: str, family: int) -> None:
    """It is told as dns, and nothing is connected to."""
    with pytest.raises(TargetError) as caught:
        connect(host, 1, Trip(5.0), Resolver(), family=family)
    assert "dns" == caught.value.kind


def test_a_guard_is_asked_for_each_address(quiet: Peer) -> None:
    """With the name and the address, before it is connected to."""
    asked: list[tuple[str, str]] = []
    wire = connect("name", quiet.port, Trip(5.0), names(NOBODY, HERE), guard=lambda *each: asked.append(each))
    wire.close()
    assert [("name", "127.0.0.3"), ("name", "127.0.0.1")] == asked


# The deadline of a call


SIGNALLED = """
import os, signal, socket, threading, time
from minimon import probe
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.03, 0.03)
with socket.socket() as listening:
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    port = listening.getsockname()[1]
    fillers = [socket.socket() for _ in range({fillers})]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    begun = time.monotonic()
    print(probe(f"http://127.0.0.1:{{port}}/", 0.2).reason, time.monotonic() - begun < 1.2)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of POSIX")
@pytest.mark.parametrize("fillers", [0, 4], ids=["receiving", "connecting"])
def test_signals_do_not_prolong_the_time(fillers: int) -> None:
    """The host's signals interrupt a call again and again; what is left of its time is not forgotten."""
    assert "timeout True\n" == python(SIGNALLED.format(fillers=fillers), "-W", "ignore").stdout


def wire_to(server: Peer, timeout: float) -> Wire:
    """A connection with so much time."""
    return connect("127.0.0.1", server.port, Trip(timeout), Resolver())


def test_pieces_do_not_prolong_the_time() -> None:
    """A byte now and then does not give a call a new limit."""

    def drip(client: socket.socket) -> None:
        while not client.sendall(b"x"):
            pause()

    with peer(drip) as server:
        begun = time.monotonic()
        with contextlib.closing(wire_to(server, 0.2)) as wire, pytest.raises(TargetError):
            while True:
                wire.more()
    assert True is (0.1 < time.monotonic() - begun < 1.2)


@pytest.mark.parametrize("sip", [0, 65536])
def test_who_takes_little_does_not_prolong_the_time(sip: int) -> None:
    """A request that is larger than all buffers, and a target that reads a piece of it now and then, or nothing."""
    enough = threading.Event()

    def slow(client: socket.socket) -> None:
        while not enough.wait(0.03):
            if sip:
                client.recv(sip)

    with peer(slow) as server:
        begun = time.monotonic()
        with contextlib.closing(wire_to(server, 0.12)) as wire, pytest.raises(TargetError) as caught:
            wire.send(b"x" * (32 << 20))
        seconds = time.monotonic() - begun
        enough.set()
    assert ("timeout", True) == (caught.value.kind, seconds < 1.12)


DEFAULT = """
import signal
import socket
from minimon import probe
for default in 0.05, 60.0:
    socket.setdefaulttimeout(default)
    for url, timeout in ({slow!r}, 10.0), ({silent!r}, 0.1), ({hole!r}, 0.1):
        result = probe(url, timeout)
        print(result.outcome, result.reason, result.elapsed < timeout + 1.0)
    print(socket.getdefaulttimeout() == default)
"""


def test_a_default_timeout_of_the_host_changes_nothing() -> None:
    """Neither shorter nor longer than the check's own, connecting too; and it is left as it was."""
    with RogueServer("delay", seconds=0.1) as slow, RogueServer("silent") as silent, black_hole() as port:
        done = python(DEFAULT.format(slow=slow.url, silent=silent.url, hole=f"tcp://127.0.0.2:{port}"))
    expected = "pass  True\nfail timeout True\nfail timeout True\nTrue\n" * 2
    assert (expected, "") == (done.stdout, done.stderr)


# Its phases


def test_phases_are_added_up() -> None:
    """Those that were entered, each with all its times, and the total."""
    trip = Trip(5.0)
    for phase in ("dns", "connect", "first_byte", "connect"):
        trip.enter(phase, phase)
        pause(0.01)
    phases = trip.end()
    parts = sum(phases[phase] for phase in ("dns", "connect", "first_byte"))
    assert (True, True, True) == (
        list(phases) == ["dns", "connect", "first_byte", "total"],
        phases["connect"] >= 0.02,
        0.0 <= phases["total"] - parts < 0.01,
    )


# Rest


@pytest.fixture
def resting(quiet: Peer) -> Iterator[Wire]:
    """A connection that was parked."""
    wire = wire_to(quiet, 5.0)
    wire.park()
    yield wire
    wire.close()


def test_a_quiet_connection_is_fit(resting: Wire) -> None:
    """Nothing came while it rested; and asking changes nothing."""
    assert [True, True] == [resting.is_fit(0.0), resting.is_fit(0.0)]


def test_a_closed_connection_is_not_fit(quiet: Peer, resting: Wire) -> None:
    """The other side has hung up."""
    assert True is wait_until(lambda: quiet.connections)
    quiet.hang_up()
    assert True is wait_until(lambda: not resting.is_fit(0.0))


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\n"])
def test_a_connection_that_spoke_is_not_fit(said: bytes) -> None:
    """What was said without a question would be taken for the next answer."""

    def speak(client: socket.socket) -> None:
        client.sendall(said)
        mute(client)

    with peer(speak) as server:
        wire = wire_to(server, 5.0)
        wire.park()
        assert True is wait_until(lambda: not wire.is_fit(0.0))
        wire.close()


def test_a_connection_that_was_reset_is_not_fit() -> None:
    """Nor is one that ended badly."""
    connected = threading.Event()  # sooner, the connect itself would fail at times

    def reset(client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connected.wait(5.0)

    with peer(reset) as server:
        wire = wire_to(server, 5.0)
        wire.park()
        connected.set()
        assert True is wait_until(lambda: not wire.is_fit(0.0))
        wire.close()


def test_an_old_connection_is_not_fit(resting: Wire) -> None:
    """It was made before the time that is asked for."""
    assert (True, False) == (resting.is_fit(resting.made), resting.is_fit(resting.made + 0.001))


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="forks on Linux only")
def test_a_connection_of_the_parent_is_not_fit_in_a_child(resting: Wire) -> None:
    """Both would talk on it at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        pid = os.fork()
    if not pid:
        os._exit(resting.is_fit(0.0))
    _, status = os.waitpid(pid, 0)
    assert (0, True) == (os.waitstatus_to_exitcode(status), resting.is_fit(0.0))


def test_a_connection_that_was_never_parked_is_not_fit(quiet: Peer) -> None:
    """It is in somebody's hands."""
    wire = wire_to(quiet, 5.0)
    fit = wire.is_fit(0.0)
    wire.close()
    assert False is fit


@pytest.fixture
def plan() -> Iterator[Plan]:
    """Who keeps connections for the polls of a check."""
    made = Plan({"reuse": True}, Network(), tls=None)
    yield made
    made.close()


@pytest.mark.parametrize(("late", "kept"), [(-1.0, True), (1.0, False)])
def test_a_connection_is_kept_for_a_limited_time(quiet: Peer, plan: Plan, late: float, kept: bool) -> None:
    """The name may lead elsewhere by then: a poll that begins later makes it anew."""
    with contextlib.closing(wire_to(quiet, 5.0)) as wire:
        plan.park(("key",), wire)
        trip = Trip(5.0)
        trip.begun = wire.made + LONGEST_KEPT + late
        taken = plan.take(("key",), trip)
        assert (wire if kept else None, kept) == (taken, wire.sock.fileno() >= 0)


def test_a_few_connections_rest_at_most(quiet: Peer, plan: Plan) -> None:
    """One more, and those before it are closed."""
    wires = [wire_to(quiet, 5.0) for _ in range(MOST_IDLE + 1)]
    rest = []
    for number, wire in enumerate(wires):
        plan.park((number,), wire)
        rest.append(sum(each.sock.fileno() >= 0 for each in wires[: number + 1]))
    assert (list(range(1, MOST_IDLE + 1)), True, wires[-1]) == (
        rest[:-1],
        rest[-1] <= MOST_IDLE,
        plan.take((MOST_IDLE,), Trip(5.0)),
    )
    wires[-1].close()


def test_a_connection_takes_the_place_of_one_for_the_same(quiet: Peer, plan: Plan) -> None:
    """The one before it is closed."""
    one, two = wire_to(quiet, 5.0), wire_to(quiet, 5.0)
    plan.park(("key",), one)
    plan.park(("key",), two)
    assert (-1, two) == (one.sock.fileno(), plan.take(("key",), Trip(5.0)))
    two.close()
