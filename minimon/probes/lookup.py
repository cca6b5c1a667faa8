"""Look-ups of names that cannot hold up a poll: each on a thread of its own, for nothing can interrupt the system's.

Eight at most at a time and one for each name; literal addresses and what was found just now need none.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..fork import watch
from ..pool import join_until
from .message import TargetError

MOST = 8
"""Look-ups at the same time."""
FRESH = 5.0
"""Seconds for which what was found counts: system resolvers do not tell how long it may."""
STUCK = 1.0
"""Seconds after which nobody waits any more for a look-up that somebody has waited for in vain."""
KEPT = 1000
"""Names that are kept at most."""


class Address(NamedTuple):
    """One address of a name."""

    family: int
    sockaddr: tuple[Any, ...]
    """Without the port, which is its second member: 0."""

    def at(self, port: int) -> tuple[Any, ...]:
        """As `socket.connect` takes it."""
        return (self.sockaddr[0], port, *self.sockaddr[2:])


def look_up(host: str, family: int) -> list[Address]:
    """All addresses of a name, however long that takes. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
    addresses = [Address(each[0], each[4]) for each in found if each[0] in (socket.AF_INET, socket.AF_INET6)]
    if not addresses:
        raise OSError("it has no address")
    return list(dict.fromkeys(addresses))


class _Flight:
    """A look-up under way."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.done = False
        self.given_up = False  # whoever waited for it has waited in vain
        self.found: list[Address] = []
        self.problem = ""
        self.thread: threading.Thread | None = None


class Resolver:
    """Looks names up, and keeps what it found for a moment. Any thread. `look_up` does it."""

    def __init__(self, look_up: Callable[[str, int], list[Address]] = look_up) -> None:
        self._look_up = look_up
        self.after_fork()

    def after_fork(self) -> None:
        """In the child: nothing is under way."""
        # Guards what follows, and wakes those who wait. Nothing is looked up under it.
        self._lock = threading.Condition(threading.Lock())
        self._flights: dict[tuple[str, int], _Flight] = {}
        self._found: dict[tuple[str, int], tuple[float, list[Address]]] = {}

    def addresses(self, host: str, family: int, deadline: float) -> list[Address]:
        """All addresses, in the order of the system (RFC 6724), before `deadline` (time.monotonic).

        Raises TargetError: `dns` for what the resolver says, `timeout` for what it does not say in time.
        """
        key = host, family
        with self._lock:
            known = self._found.get(key)
            if known is not None and known[0] > time.monotonic():
                return known[1]
            if known is not None and key not in self._flights and self._is_jammed():
                return known[1]  # old, but it is by our own limit that it cannot be asked for
            flight = self._flights.get(key) or self._take_off(key, deadline)
            vain = flight.given_up  # by others, before we came: who was there first waits for its own deadline
            while not flight.done:
                if not self._wait(min(deadline, flight.begun + STUCK) if vain else deadline):
                    flight.given_up = True
                    age = time.monotonic() - flight.begun
                    raise _late(host, f"has not ended for {age:.1f} s" if vain else "did not end in time")
        if flight.problem:
            raise TargetError("dns", f"dns: look-up of {host} failed: {flight.problem}")
        return flight.found

    def _is_jammed(self) -> bool:
        """Whether no look-up can be begun, nor is one expected to end."""
        return len(self._flights) >= MOST and all(flight.given_up for flight in self._flights.values())

    def _wait(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left > 0:
            self._lock.wait(min(left, threading.TIMEOUT_MAX))
        return left > 0

    def _take_off(self, key: tuple[str, int], deadline: float) -> _Flight:
        while len(self._flights) >= MOST and key not in self._flights:
            if self._is_jammed() or not self._wait(deadline):
                raise _late(key[0], f"was not begun: {MOST} others do not end")
        flight = self._flights.get(key)
        if flight is None:
            watch(self)
            flight = self._flights[key] = _Flight()
            flight.thread = threading.Thread(target=self._fly, args=(key, flight), name="minimon-dns", daemon=True)
            try:
                flight.thread.start()
            except RuntimeError:  # no thread to be had: then as everybody does it
                self._lock.release()
                try:
                    self._fly(key, flight)
                finally:
                    self._lock.acquire()
        return flight

    def _fly(self, key: tuple[str, int], flight: _Flight) -> None:
        """The thread: one look-up."""
        try:
            flight.found, flight.problem = self._look_up(*key), ""
        except (OSError, UnicodeError) as error:
            flight.problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        except BaseException as error:
            flight.problem = type(error).__name__
        now = time.monotonic()
        with self._lock:
            flight.done = True
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not flight.problem:
                if len(self._found) >= KEPT:
                    self._found = {name: known for name, known in self._found.items() if known[0] > now}
                if len(self._found) < KEPT:
                    self._found[key] = now + FRESH, flight.found
            self._lock.notify_all()

    def stop(self, deadline: float) -> bool:
        """Wait for what is under way until `deadline` (time.monotonic); True when nothing is.

        Not for what others have waited for in vain: nobody knows when that ends.
        """
        with self._lock:
            flights = list(self._flights.values())
        if any(flight.given_up for flight in flights):
            return False
        return all(join_until(flight.thread, deadline) for flight in flights if flight.thread is not None)


def _late(host: str, fact: str) -> TargetError:
    return TargetError("timeout", f"dns: look-up of {host} {fact}")


def literal(host: str) -> Address | None:
    """An address that is written as such; None for a name."""
    if ":" in host:
        try:
            return Address(socket.AF_INET6, socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)[0][4])
        except (OSError, UnicodeError):
            return None
    try:
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return None
    return Address(socket.AF_INET, (host, 0))
