"""What the checks of a Monitor share to reach their targets, and what each of them says of the way there."""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..model import validity
from .lookup import Resolver, literal
from .message import TargetError
from .wire import Guard, Trip, Wire

if TYPE_CHECKING:
    import ssl

    from .tls import Trust, Witness

HOURLY = 3600.0
"""Seconds until a certificate that was refused is looked at again."""
FAMILIES = {None: 0, 4: socket.AF_INET, 6: socket.AF_INET6}
LONGEST_KEPT = 300.0
"""Seconds after which a connection is made anew: the name may lead elsewhere now, the certificate be another."""
NO_SSL = "this Python has no ssl module, so TLS cannot be polled"
MOST_IDLE = 4
"""Connections that a check keeps at most: redirects may need several."""


class Network:
    """Look-ups of names, and TLS contexts by their settings, which are costly. Any thread."""

    def __init__(self) -> None:
        self.resolver = Resolver()
        self.opener: Any = None
        """urllib's, which all requests share."""
        # Guards the set of those that keep something from poll to poll.
        self._lock = threading.Lock()
        self._plans: weakref.WeakSet[Plan] = weakref.WeakSet()
        self._contexts: dict[Trust, ssl.SSLContext] = {}

    def context(self, trust: Trust) -> ssl.SSLContext:
        """The context for these settings; two threads at once may make one too many, and share one after.

        Raises ConfigError for files that cannot be used.
        """
        made = self._contexts.get(trust)
        if made is None:
            from .tls import context_of

            made = self._contexts.setdefault(trust, context_of(trust))
        return made

    def keep(self, plan: Plan) -> None:
        """Have its connections closed at the stop, and its cookies forgotten in a child."""
        with self._lock:
            self._plans.add(plan)

    def stop(self, deadline: float) -> bool:
        """Close what rests. True when no look-up is under way any more by `deadline` (time.monotonic)."""
        with self._lock:
            plans = list(self._plans)
        for plan in plans:
            plan.close()
        return self.resolver.stop(deadline)

    def after_fork(self) -> None:
        """In the child: no connections, no look-ups."""
        self._lock = threading.Lock()
        for plan in list(self._plans):
            plan.after_fork()
        self.resolver.after_fork()


class Plan:
    """How one probe gets to its target: the options that say so, and what it keeps from poll to poll.

    `tls` is true for a target under TLS, None for one that never is. Raises ConfigError for files that cannot be used,
    and for TLS in a Python without it.
    """

    def __init__(self, options: Mapping[str, Any], network: Network, *, tls: bool | None) -> None:
        self._idle: dict[tuple[object, ...], Wire] = {}
        self.network, self.resolver = network, network.resolver
        self.family = FAMILIES[options.get("family")]
        self.guard = guard_of(options.get("allow_hosts", ()), options.get("deny_networks", ()))
        self.server_name = options.get("server_name")
        self.warn_days: float | None = options.get("cert_warn_days")
        self.reuse = options.get("reuse", False)
        self._refused: tuple[object, float, dict[str, Any] | None] | None = None
        self._trust: Trust | None = None
        if self.reuse or options.get("cookies") is True:
            network.keep(self)
        if tls is not None:
            self._prepare(options, tls)

    def _prepare(self, options: Mapping[str, Any], asked: bool) -> None:
        try:
            # Here, for it imports ssl: in the midst of that on a worker, a fork would leave the import lock held.
            from .tls import DEFAULT, Trust
        except ImportError:
            raise ConfigError(f"{NO_SSL}: take one that has it, or leave this out") from None
        cert = options.get("cert")
        paths = [cert] if isinstance(cert, str) else cert
        self._trust = Trust(
            options.get("verify", True),
            options.get("ca_file"),
            (paths[0], paths[1] if len(paths) > 1 else None) if paths else None,
        )
        if self._trust == DEFAULT:
            self._trust = DEFAULT  # many checks share it
        self._witness: Witness | None = None
        if asked or self._trust.ca_file or self._trust.cert:
            self.network.context(self._trust)  # here, for a poll may find no descriptor left to read a file with

    def take(self, key: tuple[object, ...], trip: Trip) -> Wire | None:
        """A connection that was kept for this, if it is fit to be used."""
        wire = self._idle.pop(key, None)
        if wire is None:
            return None
        if not wire.is_fit(trip.begun - LONGEST_KEPT):
            wire.close()
            return None
        wire.take(trip)
        if wire.told is not None:
            trip.tls, trip.certificate = wire.told
        return wire

    def park(self, key: tuple[object, ...], wire: Wire) -> None:
        """Keep a connection for the next poll."""
        if len(self._idle) >= MOST_IDLE:
            self.close()
        wire.park()
        before = self._idle.pop(key, None)
        self._idle[key] = wire
        if before is not None:
            before.close()

    def __del__(self) -> None:
        self.close()

    def after_fork(self) -> None:
        """In the child: no connections."""
        self.close()

    def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            try:
                self._idle.popitem()[1].close()
            except KeyError:  # another thread took the last
                return

    def secure(self, wire: Wire, host: str, home: bool, again: Callable[[], Wire]) -> Wire:
        """The connection under TLS. `home`: the target is the one that the user named, so it may see who we are.

        `again` connects once more: a certificate that was refused is looked at hourly, without verification, and
        nothing is sent there. Raises TargetError.
        """
        trip = wire.trip
        if self._trust is None:
            wire.close()
            raise TargetError("tls", f"tls: {NO_SSL}")
        from . import tls

        trust = self._trust if home else self._trust._replace(cert=None)
        name = self.server_name if home and self.server_name else host
        try:
            secured = tls.secure(wire, self.network.context(trust), name)
        except tls.Unverified as error:
            trip.certificate = self._looked_at((name, error.detail), again)
            if trip.certificate is None:
                raise
            raise TargetError("tls", f"{error.detail}; {tls.fitting(error.detail, trip.certificate)}") from None
        self._look_at(secured, trust.verify)
        self._refused = None
        return secured

    def _look_at(self, wire: Wire, verified: bool) -> None:
        """Tell the trip, and those that take the wire after it, whom it speaks to."""
        tls = wire.tls  # type: ignore[attr-defined]
        wire.told = tls.version() or "", self._facts(tls, verified)
        wire.trip.tls, wire.trip.certificate = wire.told

    def _facts(self, tls: Any, verified: bool) -> dict[str, Any] | None:
        if self._witness is None:
            from .tls import Witness

            self._witness = Witness()
        return self._witness.facts(tls, verified)

    def _looked_at(self, why: tuple[str, str], again: Callable[[], Wire]) -> dict[str, Any] | None:
        """The certificate that was refused for this; as it was seen within the last hour, if it was."""
        from . import tls

        known = self._refused
        if known is not None and known[0] == why and monotonic() < known[1]:
            return known[2]
        facts, wait = None, HOURLY
        context = self.network.context(tls.Trust(verify=False))
        try:
            wire = tls.secure(again(), context, why[0])
        except TargetError as error:
            if error.kind == "timeout":
                wait = 0.0  # the next poll may have more time for it
        else:
            facts = self._facts(wire.tls, False)
            wire.close()
        self._refused = why, monotonic() + wait, facts
        return facts

    def warning(self, trip: Trip) -> str:
        """What is not well with the certificate though it is good."""
        facts = trip.certificate
        if facts is None or self.warn_days is None:
            return ""
        left = min(facts["days"], facts.get("chain_days", facts["days"]))
        if left >= self.warn_days:
            return ""
        if left < facts["days"]:
            when = f"{left:.1f} days ({facts['chain_not_after'][:10]})"
            return f"an authority of the certificate expires in {when}, cert_warn_days {self.warn_days:g}"
        return f"certificate: {validity(facts)}, cert_warn_days {self.warn_days:g}"


def guard_of(allowed: Any, denied: Any) -> Guard | None:
    """What refuses hosts and addresses; None where all are allowed."""
    return _Guard(allowed, denied) if allowed or denied else None


class _Guard:
    """Looks at the address that is about to be connected to, for a URL may write it in many ways."""

    def __init__(self, allowed: Any, denied: Any) -> None:
        import ipaddress

        self._read: Callable[[str], Any] = ipaddress.ip_address
        self._names = {item.lower().rstrip(".") for item in allowed}
        self._good = [ipaddress.ip_network(item) for item in allowed if "/" in item or literal(item)]
        self._bad = [ipaddress.ip_network(item) for item in denied]

    def __call__(self, host: str, address: str) -> None:
        """Raises TargetError. Without an address, which is a proxy's then to find, the name has to do."""
        known = self._forms(address or host) if address or literal(host) else []
        denied = _within(known, self._bad)
        if denied:
            where = host if host == str(denied[0][0]) else f"{host} ({denied[0][0]})"
            raise TargetError("connect", f"connect: {where} is in deny_networks ({denied[0][1]})")
        if self._names and not self._is_named(host.lower().rstrip(".")) and not _within(known, self._good):
            raise TargetError("connect", f"connect: {host} is not in allow_hosts")

    def _forms(self, address: str) -> list[Any]:
        """The address, and others that lead to the same place."""
        first = self._read(address.partition("%")[0])
        other = self._read(f"::ffff:{first}") if first.version == 4 else first.ipv4_mapped
        forms = [first, *([other] if other else [])]
        if any(form.is_unspecified for form in forms):
            forms += [self._read("127.0.0.1"), self._read("::1")]
        return forms

    def _is_named(self, name: str) -> bool:
        parents = (f"*{name[at:]}" for at, sign in enumerate(name) if sign == ".")
        return name in self._names or any(parent in self._names for parent in parents)


def _within(addresses: list[Any], networks: list[Any]) -> list[tuple[Any, Any]]:
    return [(address, network) for address in addresses for network in networks if address in network]
