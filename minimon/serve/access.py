"""Who may ask, and who may see what: details, tokens, Host names, and pages of others that make a browser ask. Pure.

`/health`, `/livez`, `/readyz`, `/startupz` and `/metrics` are open: words and names, no details, no URLs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ..errors import ConfigError
from .framing import Request

DETAILS = ("never", "authorized", "always")
"""Who sees details: nobody, whoever has the token or the password, everybody."""
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
"""Methods that change nothing (RFC 9110, 9.2.1)."""
FREE = 5
"""Failed attempts of a client before it is slowed down."""
LONGEST = 60.0
"""Seconds that it has to wait at most."""
CLIENTS = 1024
"""Clients whose failed attempts are counted; of more, the oldest are forgotten."""


class Authenticator(Protocol):
    """Tells who has the right credentials; called on a thread that may take its time. A host may bring its own."""

    challenge: str
    """What WWW-Authenticate says, such as `Basic realm="minimon"` (RFC 9110, 11.6.1)."""

    def authenticate(self, scheme: str, credentials: str) -> object:
        """Who that is; None, or anything false, where the credentials are wrong. `scheme` is in lower case."""


class Token:
    """An Authenticator that knows one bearer token (RFC 6750). People give it to their browser as the password, with
    any name (RFC 7617).
    """

    challenge = 'Bearer realm="minimon"'
    login = 'Basic realm="minimon"'

    def __init__(self, token: str) -> None:
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or token != token.strip():
            raise ConfigError("server: token must be a printable ASCII text, without blanks around it")
        if not token:
            raise ConfigError("server: token must not be empty; leave it out to have none")
        self._token = token.encode("ascii")

    def authenticate(self, scheme: str, credentials: str) -> object:
        """Compare in constant time."""
        import hmac

        given = credentials.encode("latin-1", "replace")
        if scheme == "basic":
            given = _password(given)
        return scheme in ("bearer", "basic") and hmac.compare_digest(given, self._token)

    def __repr__(self) -> str:
        return "<Token>"


def _password(given: bytes) -> bytes:
    """The part behind the name; empty, where there is none."""
    import binascii

    try:
        return binascii.a2b_base64(given).partition(b":")[2]
    except ValueError:
        return b""


class Access(NamedTuple):
    """What a server was told about its clients."""

    authenticator: Authenticator | None = None
    details: str | None = None
    """One of DETAILS; None where nothing was said."""
    hosts: tuple[str, ...] = ()
    """Further names under which it may be asked."""
    local: bool = True
    """Whether only this machine reaches it: it is bound to loopback, or to a unix socket."""
    bound: str = "localhost"
    """The loopback address it is bound to, which no other site's name may lead to; "" for all others."""

    def at(self, bound: str) -> Access:
        """The same for the address that a server is bound to, as the system has it."""
        local = is_loopback(bound) or self.local
        return self._replace(local=local, bound=self.bound or (bound if local and _is_address(bound) else ""))

    def sees(self, known: bool, plain: bool = False) -> bool:
        """Whether a client sees details; `plain`: of a subject that shows its own document to everybody by default."""
        rule = self.details or ("always" if self.local or plain else "authorized")
        return rule == "always" or (rule == "authorized" and known)

    def knows_host(self, host: str) -> bool:
        """Whether it may be asked under that name: another site's name that leads here is not ours."""
        if not (self.bound or self.hosts) or not host:
            return True
        return host in ("localhost", self.bound, *self.hosts) or host.endswith(".localhost") or _is_address(host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def credentials(request: Request) -> tuple[str, str] | None:
    """Scheme, in lower case, and credentials of the Authorization header; None where there is none."""
    scheme, _, rest = request.get("authorization").partition(" ")
    return (scheme.lower(), rest.strip()) if scheme else None


def is_foreign(request: Request) -> bool:
    """Whether a page of another site makes a browser ask: then nothing may be changed."""
    if request.method in SAFE:
        return False
    site, origin = request.get("sec-fetch-site").lower(), request.get("origin").lower()
    if site:
        return site not in ("same-origin", "none")
    return bool(origin) and origin not in _sites(request.get("host").lower())


def _sites(host: str) -> tuple[str, ...]:
    """The origins that are this host (RFC 6454, 4): the default port may stand there, or not."""
    name, _, port = host.rpartition(":") if re.search(":[0-9]+$", host) else (host, "", "")
    defaults = {"http": "80", "https": "443"}
    own = [f"{scheme}://{host}" for scheme in defaults if name]
    bare = [
        f"{scheme}://{name}{tail}"
        for scheme, default in defaults.items()
        for tail in ("", f":{default}")
        if name and port in ("", default)
    ]
    return (*own, *bare)


class Attempts:
    """How often clients have failed. One owner: the server's thread. The time (monotonic) is an argument.

    An attempt counts from its beginning, until it turns out to be right: many at once are many. Many may come from one
    address: credentials that were right the last time need not wait for those who guess.
    """

    def __init__(self) -> None:
        self._failed: dict[str, tuple[int, float]] = {}  # how often, and until when to wait
        self._proven: dict[int, None] = {}  # hashes of what was right, so that no secret is kept

    def knows(self, given: tuple[str, str]) -> bool:
        """Whether these credentials were right the last time."""
        return hash(given) in self._proven

    def charge(self, client: str, now: float) -> float:
        """Count an attempt that begins; or the seconds that this client has to wait before it may."""
        times, until = self._failed.get(client, (0, 0.0))
        if until > now:
            return until - now
        times += 1
        delay = min(2.0 ** min(times - FREE, 16), LONGEST) if times >= FREE else 0.0
        self._failed.pop(client, None)  # it goes to the end
        _keep(self._failed, client, (times, now + delay))
        return 0.0

    def note(self, client: str, given: tuple[str, str], right: bool) -> None:
        """How an attempt has ended. For those that are known nothing is forgiven: others may guess from there."""
        if not right:
            self._proven.pop(hash(given), None)
        elif not self.knows(given):
            self._failed.pop(client, None)
            _keep(self._proven, hash(given), None)


def _keep(table: dict[Any, Any], key: object, value: object) -> None:
    """The oldest goes when there are too many."""
    table[key] = value
    if len(table) > CLIENTS:
        del table[next(iter(table))]


def check_access(given: Mapping[str, Any], host: str, local: bool) -> Access:
    """From the options of a server. Raises ConfigError."""
    token, auth, details, names = (given[key] for key in ("token", "auth", "details", "allowed_hosts"))
    if token is not None and auth is not None:
        raise ConfigError("server: token and auth are two ways to say who may see details; give one of them")
    if auth is not None and not callable(getattr(auth, "authenticate", None)):
        raise ConfigError(f"server: auth must have authenticate(scheme, credentials), got {auth!r:.60}")
    challenge = getattr(auth, "challenge", "")
    if not isinstance(challenge, str) or not challenge.isascii() or not (challenge.isprintable()):
        raise ConfigError(f"server: the challenge of auth must be a printable ASCII text, got {challenge!r:.60}")
    if details is not None and details not in DETAILS:
        raise ConfigError(f"server: details must be never, authorized or always, got {details!r:.60}")
    if details == "authorized" and token is None and auth is None:
        raise ConfigError("server: details='authorized' is for those with a token or a password: give token= or auth=")
    listed = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else [None]
    if not all(isinstance(name, str) and name for name in listed):
        raise ConfigError(f"server: allowed_hosts must be a list of names, got {names!r:.60}")
    if any(re.search("[/@ ]|:[0-9]*$", str(name)) for name in listed):
        raise ConfigError(f"server: allowed_hosts must be names without scheme and port, got {names!r:.60}")
    authenticator = auth if token is None else Token(token)
    hosts = tuple(str(name).lower().rstrip(".") for name in listed)
    bound = host.lower() if local and not host.startswith("unix:") else ""  # no browser reaches a unix socket
    return Access(authenticator, details, hosts, local, bound)
