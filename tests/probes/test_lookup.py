"""Look-ups that cannot hold up a poll: a hanging one is a function that waits, given to the Resolver."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support import our_threads, python, wait_until

from minimon.probes.lookup import KEPT, MOST, Address, Resolver, literal
from minimon.probes.message import TargetError

HERE = Address(socket.AF_INET, ("127.0.0.1", 0))


class Names:
    """A look-up that counts; names that begin with "slow" wait until they are let go."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.go = threading.Event()

    def __call__(self, host: str, family: int) -> list[Address]:
        self.asked.append((host, family))
        if host.startswith("slow"):
            self.go.wait(30.0)
        if host.startswith("bad"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [HERE]


@pytest.fixture
def names() -> Iterator[Names]:
    """In the end all are let go, and no thread is left."""
    made = Names()
    yield made
    made.go.set()
    assert True is wait_until(lambda: "minimon-dns" not in our_threads())


def soon(seconds: float = 0.05) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def problem(resolver: Resolver, host: str, deadline: float) -> tuple[str, str]:
    """What is wrong with a name."""
    with pytest.raises(TargetError) as caught:
        resolver.addresses(host, 0, deadline)
    return caught.value.kind, caught.value.detail


def started(function: Callable[[], object]) -> threading.Thread:
    """A thread that runs it, whatever it raises."""

    def run() -> None:
        with contextlib.suppress(TargetError):
            function()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


# Literal addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "255.255.255.255"])
def test_an_ipv4_address_is_taken_as_it_is(host: str) -> None:
    """No look-up is needed."""
    assert Address(socket.AF_INET, (host, 0)) == literal(host)


@pytest.mark.parametrize("host", ["::1", "::", "2001:db8::1", "::ffff:127.0.0.1"])
def test_an_ipv6_address_is_taken_as_it_is(host: str) -> None:
    """With its own family."""
    found = literal(host)
    assert (socket.AF_INET6, host) == (found and found.family, found and found.sockaddr[0])


@pytest.mark.parametrize(
    "host", ["localhost", "a.example", "", "127.1", "2130706433", "0x7f000001", "1.2.3.4.5", "1.2.3.256", "a\0b", "é"]
)
def test_a_name_is_no_address(host: str) -> None:
    """Nor are spellings that only the system's resolver understands."""
    assert None is literal(host)


@pytest.mark.parametrize("host", [":", "1:2", "::g", "fe80::1%no-such-interface"])
def test_an_impossible_ipv6_address_is_none(host: str) -> None:
    """It is left to the look-up, which will say so."""
    assert None is literal(host)


# Names


def test_a_name_is_looked_up_by_the_system() -> None:
    """localhost is here."""
    found = Resolver().addresses("localhost", socket.AF_INET, soon(5.0))
    assert [("127.0.0.1", 80)] == [address.at(80) for address in found]


def test_an_unknown_name_is_told_with_what_the_resolver_says() -> None:
    """Reason dns."""
    kind, detail = problem(Resolver(), "no-such-host.invalid", soon(5.0))
    assert ("dns", True) == (kind, detail.startswith("dns: look-up of no-such-host.invalid failed: "))


@pytest.mark.parametrize("family", [0, socket.AF_INET, socket.AF_INET6])
def test_the_family_is_handed_on(names: Names, family: int) -> None:
    """It is the system that knows which addresses are of it."""
    Resolver(names).addresses("a", family, soon(5.0))
    assert [("a", family)] == names.asked


def test_what_was_found_is_kept_for_a_moment(names: Names) -> None:
    """The next polls need no look-up, not even time for one."""
    resolver = Resolver(names)
    resolver.addresses("a", 0, soon(5.0))
    assert ([HERE], [("a", 0)]) == (resolver.addresses("a", 0, soon(-1.0)), names.asked)


def test_what_was_not_found_is_looked_up_anew(names: Names) -> None:
    """A name that comes to be is seen at once."""
    resolver = Resolver(names)
    seen = [problem(resolver, "bad", soon(5.0))[0] for _ in range(3)]
    assert (["dns"] * 3, 3) == (seen, len(names.asked))


@pytest.mark.parametrize(
    "error",
    [OSError("x"), OSError(), UnicodeError("label too long"), ValueError("x"), MemoryError(), SystemExit(1)],
    ids=repr,
)
def test_whatever_a_look_up_raises_is_its_failure(error: BaseException) -> None:
    """It never leaves the poll without a word."""

    def raising(host: str, family: int) -> list[Address]:
        raise error

    kind, detail = problem(Resolver(raising), "a", soon(5.0))
    assert ("dns", True) == (kind, detail.startswith("dns: look-up of a failed: ") and not detail.endswith(": "))


# Look-ups that hang


def test_a_hanging_look_up_ends_at_the_deadline(names: Names) -> None:
    """Reason timeout, with the name."""
    begun = time.monotonic()
    kind, detail = problem(Resolver(names), "slow.example", soon(0.1))
    taken = time.monotonic() - begun
    assert ("timeout", "dns: look-up of slow.example did not end in time", True) == (kind, detail, 0.09 < taken < 1.1)


def test_a_name_is_looked_up_once_at_a_time(names: Names) -> None:
    """All who ask for it wait for the same answer."""
    resolver, found = Resolver(names), []
    threads = [started(lambda: found.append(resolver.addresses("slow", 0, soon(10.0)))) for _ in range(20)]
    assert True is wait_until(lambda: names.asked)
    names.go.set()
    for thread in threads:
        thread.join(10.0)
    assert ([[HERE]] * 20, 1) == (found, len(names.asked))


def test_a_name_that_hangs_fails_at_once_the_next_time(names: Names) -> None:
    """Nobody waits twice for the same silence."""
    resolver = Resolver(names)
    problem(resolver, "slow", soon())
    begun = time.monotonic()
    kind, detail = problem(resolver, "slow", soon(30.0))
    assert ("timeout", True, True) == (kind, "has not ended for" in detail, time.monotonic() - begun < 2.0)


def test_a_late_answer_is_an_answer(names: Names) -> None:
    """What a look-up finds after the deadline counts for the next poll."""
    resolver = Resolver(names)
    problem(resolver, "slow", soon())
    names.go.set()
    assert True is wait_until(lambda: "minimon-dns" not in our_threads())
    assert ([HERE], 1) == (resolver.addresses("slow", 0, soon(5.0)), len(names.asked))


def test_other_names_do_not_wait_for_one_that_hangs(names: Names) -> None:
    """Each has a thread of its own."""
    resolver = Resolver(names)
    problem(resolver, "slow", soon())
    assert [HERE] == resolver.addresses("a", 0, soon(5.0))


def test_eight_look_ups_are_under_way_at_most(names: Names) -> None:
    """However many names hang, and whoever asks."""
    resolver = Resolver(names)
    threads = [started(lambda n=n: resolver.addresses(f"slow{n}", 0, soon(0.15))) for n in range(30)]  # type: ignore[misc]
    for thread in threads:
        thread.join(10.0)
    assert (MOST, MOST) == (len(names.asked), our_threads().count("minimon-dns"))


def test_a_ninth_name_fails_at_once_when_eight_have_hung(names: Names) -> None:
    """There is no hope for it, so a worker is not held."""
    resolver = Resolver(names)
    threads = [started(lambda n=n: resolver.addresses(f"slow{n}", 0, soon())) for n in range(MOST)]  # type: ignore[misc]
    for thread in threads:
        thread.join(10.0)
    begun = time.monotonic()
    kind, detail = problem(resolver, "a", soon(30.0))
    assert ("timeout", True, True) == (kind, "was not begun" in detail, time.monotonic() - begun < 2.0)


def test_a_ninth_name_waits_for_its_turn(names: Names) -> None:
    """When one of eight ends in time, it is looked up."""
    resolver = Resolver(names)
    for number in range(MOST):
        started(lambda n=number: resolver.addresses(f"slow{n}", 0, soon(10.0)))  # type: ignore[misc]
    assert True is wait_until(lambda: len(names.asked) == MOST)
    found: list[object] = []
    ninth = started(lambda: found.append(resolver.addresses("a", 0, soon(10.0))))
    names.go.set()
    ninth.join(10.0)
    assert [[HERE]] == found


def test_a_ninth_name_does_not_wait_beyond_its_deadline(names: Names) -> None:
    """Others may still have time: it has not."""
    resolver = Resolver(names)
    for number in range(MOST):
        started(lambda n=number: resolver.addresses(f"slow{n}", 0, soon(10.0)))  # type: ignore[misc]
    assert True is wait_until(lambda: len(names.asked) == MOST)
    begun = time.monotonic()
    kind, _ = problem(resolver, "a", soon(0.1))
    assert ("timeout", True) == (kind, time.monotonic() - begun < 1.1)


def test_what_was_found_needs_no_turn(names: Names) -> None:
    """A name that is known is told while eight hang."""
    resolver = Resolver(names)
    resolver.addresses("a", 0, soon(5.0))
    for number in range(MOST):
        started(lambda n=number: resolver.addresses(f"slow{n}", 0, soon(10.0)))  # type: ignore[misc]
    assert True is wait_until(lambda: len(names.asked) == MOST + 1)
    assert [HERE] == resolver.addresses("a", 0, soon(0.5))


def test_an_old_answer_is_better_than_none(names: Names) -> None:
    """When eight hang that everybody has given up, a name that was known is told as it was, and not asked for."""
    resolver = Resolver(names)
    resolver.addresses("a", 0, soon(5.0))
    resolver._found["a", 0] = time.monotonic() - 60.0, [HERE]  # a minute later
    threads = [started(lambda n=n: resolver.addresses(f"slow{n}", 0, soon())) for n in range(MOST)]  # type: ignore[misc]
    for thread in threads:
        thread.join(10.0)
    assert ([HERE], 1) == (resolver.addresses("a", 0, soon(0.5)), names.asked.count(("a", 0)))


def test_an_old_answer_is_none_where_it_can_be_asked_for(names: Names) -> None:
    """Unless all places are taken by what hangs, a name is looked up anew."""
    resolver = Resolver(names)
    resolver.addresses("a", 0, soon(5.0))
    resolver._found["a", 0] = time.monotonic() - 60.0, [HERE]  # a minute later
    problem(resolver, "slow", soon())
    resolver.addresses("a", 0, soon(5.0))
    assert 2 == names.asked.count(("a", 0))


def test_names_are_kept_up_to_a_limit(names: Names) -> None:
    """Beyond that they are looked up each time: memory does not grow with them."""
    resolver = Resolver(names)
    for number in range(KEPT):
        resolver.addresses(f"n{number}", 0, soon(5.0))
    for name in ("one-more", "one-more", "n0"):
        resolver.addresses(name, 0, soon(5.0))
    assert (2, 1) == (names.asked.count(("one-more", 0)), names.asked.count(("n0", 0)))


def test_names_that_are_old_make_room(names: Names) -> None:
    """The limit is no end."""
    resolver = Resolver(names)
    resolver._found.update({(f"n{number}", 0): (time.monotonic() - 60.0, [HERE]) for number in range(KEPT)})
    for _ in range(2):
        resolver.addresses("one-more", 0, soon(5.0))
    assert [("one-more", 0)] == names.asked


@pytest.mark.parametrize("first", [True, False])
def test_who_has_more_time_is_not_failed_by_who_has_less(names: Names, first: bool) -> None:
    """Whether they ask before the other has given up or after: a look-up may end soon."""
    resolver, found = Resolver(names), []
    patient = started(lambda: found.append(resolver.addresses("slow", 0, soon(10.0)))) if first else None
    assert True is wait_until(lambda: names.asked or not first)
    problem(resolver, "slow", soon())
    patient = patient or started(lambda: found.append(resolver.addresses("slow", 0, soon(10.0))))
    patient.join(0.05)
    names.go.set()
    patient.join(10.0)
    assert ([[HERE]], 1) == (found, len(names.asked))


def test_without_a_thread_to_be_had_a_name_is_looked_up_all_the_same() -> None:
    """By whoever asks, as everybody does it: here no stack is small enough for a new thread."""
    who: list[threading.Thread] = []

    def look_up(host: str, family: int) -> list[Address]:
        who.append(threading.current_thread())
        resolver.stop(soon())  # the host may stop meanwhile
        return [HERE]

    resolver = Resolver(look_up)
    before = threading.stack_size(1 << 46)
    try:
        found = [resolver.addresses("a", 0, soon(5.0)) for _ in range(2)]
    finally:
        threading.stack_size(before)
    assert ([[HERE]] * 2, [threading.current_thread()], True) == (found, who, resolver.stop(soon(5.0)))


def test_a_deadline_that_is_over_gives_no_answer(names: Names) -> None:
    """It does not hang either."""
    assert "timeout" == problem(Resolver(names), "slow", soon(-1.0))[0]


def test_a_deadline_beyond_all_clocks_is_none(names: Names) -> None:
    """A timeout of any size works."""
    assert [HERE] == Resolver(names).addresses("a", 0, time.monotonic() + 1e12)


# Its life


def test_a_stop_waits_for_what_is_under_way(names: Names) -> None:
    """Somebody still waits for it, so it may end in time."""
    resolver = Resolver(names)
    waiting = started(lambda: resolver.addresses("slow", 0, soon(10.0)))
    assert True is wait_until(lambda: names.asked)
    threading.Timer(0.1, names.go.set).start()
    ended = resolver.stop(soon(5.0))
    waiting.join(10.0)
    assert (True, False) == (ended, waiting.is_alive())


def test_a_stop_does_not_wait_for_what_hangs(names: Names) -> None:
    """Others have waited in vain; when it has ended after all, nothing is under way."""
    resolver = Resolver(names)
    problem(resolver, "slow", soon())
    begun = time.monotonic()
    before, seconds = resolver.stop(soon(30.0)), time.monotonic() - begun
    names.go.set()
    assert True is wait_until(lambda: "minimon-dns" not in our_threads())
    assert (False, True, True) == (before, seconds < 1.0, resolver.stop(soon(5.0)))


def test_nothing_is_under_way_in_a_child(names: Names) -> None:
    """What hung in the parent is begun anew."""
    resolver = Resolver(names)
    problem(resolver, "slow", soon())
    resolver.after_fork()
    names.go.set()
    assert ([HERE], 2) == (resolver.addresses("slow", 0, soon(5.0)), len(names.asked))


def test_the_host_may_exit_while_a_look_up_hangs() -> None:
    """Nothing waits for its thread."""
    script = """
import threading, time
from minimon.probes.lookup import Resolver
try:
    Resolver(lambda host, family: threading.Event().wait()).addresses("a", 0, time.monotonic() + 0.1)
except Exception as error:
    print(error.kind)
"""
    done = python(script, timeout=10.0)
    assert (0, "timeout", "") == (done.returncode, done.stdout.strip(), done.stderr)
