"""The options of a request: what validates each, and whom they are for. Pure; every error names the option."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import ConfigError, did_you_mean

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
PROXY = re.compile(r"http://(?:([^\s/?#]*)@)?(\[[0-9A-Fa-f:.]+\]|[^\s@/?#:\[\]]+)(?::([0-9]{1,5}))?/?")
"""Userinfo, host and port of a proxy."""
OURS = ("content-length", "transfer-encoding")
"""Headers that say how long the body is, which is not the host's to say."""


def _method(where: str, value: Any) -> None:
    """The request method; GET, or POST when there is a body."""
    if not isinstance(value, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}", value):
        raise ConfigError(f"{where} must be an HTTP method such as GET, got {value!r:.60}")
    if value != value.upper():
        raise ConfigError(f"{where} is in capitals: write {value.upper()}")
    if value == "CONNECT":
        raise ConfigError(f"{where} must not be CONNECT, which is for proxies: see `proxy`")


def _headers(where: str, value: Any) -> None:
    """A dict of request headers. A value may be a function that gives it, called for every poll."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a dict, got {type(value).__name__}")
    for name, text in value.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigError(f"{where}: {name!r:.60} is not a header name")
        if name.lower() in OURS:
            raise ConfigError(f"{where}: {name} is made from the body; leave it out")
        if not callable(text):
            header_value(f"{where}: the value of {name}", text)


def header_value(where: str, text: Any) -> str:
    """The value, if a header can carry it. Raises ConfigError, which does not show it: it may be a secret."""
    if not isinstance(text, str) or _UNSENDABLE.search(text):
        got = "" if isinstance(text, str) else f", got {type(text).__name__}"
        raise ConfigError(f"{where} must be a text of one line (Latin-1){got}")
    return text


def _body(where: str, value: Any) -> None:
    """The request's body, bytes or text (sent as UTF-8)."""
    if not isinstance(value, (bytes, str)):
        raise ConfigError(f"{where} must be bytes or a text, got {type(value).__name__}")
    try:
        value if isinstance(value, bytes) else value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{where} cannot be sent as UTF-8: {error.reason}") from None


def _json(where: str, value: Any) -> None:
    """What is sent as JSON, in place of a body."""
    import json

    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where} cannot be written as JSON: {error}") from None


def _auth(where: str, value: Any) -> None:
    """(user, password) for Basic authentication, or a function that gives them, called for every poll."""
    if not callable(value):
        login(where, value)


def login(where: str, value: Any) -> tuple[str, str]:
    """User and password. Raises ConfigError, which does not show them."""
    pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(part, str) for part in value)
    if not pair or ":" in value[0] or any("\ud800" <= sign <= "\udfff" for part in value for sign in part):
        raise ConfigError(f"{where} must be (user, password), two texts (UTF-8), no colon in the user")
    return value[0], value[1]


def _bearer(where: str, value: Any) -> None:
    """A token for `Authorization: Bearer`, or a function that gives it, called for every poll."""
    if not callable(value):
        token(where, value)


def token(where: str, value: Any) -> str:
    """A bearer token. Raises ConfigError, which does not show it."""
    if not header_value(where, value).strip():
        raise ConfigError(f"{where} must not be empty")
    return str(value)


def _cert(where: str, value: Any) -> None:
    """The client's certificate: (file, key), or one PEM file that has both."""
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, (tuple, list)) or not 1 <= len(paths) <= 2 or not all(_is_text(path) for path in paths):
        raise ConfigError(f"{where} must be (file, key), two paths of PEM files, got {value!r:.60}")


def _ca_file(where: str, value: Any) -> None:
    """A PEM file of the authorities to trust in place of the system's (or of those of SSL_CERT_FILE)."""
    if not _is_text(value):
        raise ConfigError(f"{where} must be the path of a PEM file, got {value!r:.60}")


def _server_name(where: str, value: Any) -> None:
    """The name that the certificate must be for, where it is not that of the address; sent as SNI."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Za-z_.:-]{1,253}", value):
        raise ConfigError(f"{where} must be a host name, got {value!r:.60}")


def _verify(where: str, value: Any) -> None:
    """False accepts any certificate."""
    _flag(where, value)


def _family(where: str, value: Any) -> None:
    """4 or 6: the version of IP; else both, in the order of the system."""
    if isinstance(value, bool) or value not in (4, 6):
        raise ConfigError(f"{where} must be 4 or 6, got {value!r:.60}")


def _proxy(where: str, value: Any) -> None:
    """http://[user:password@]host:port, or "env" for what the environment says; else there is none."""
    if value is None or value == "env":
        return
    found = PROXY.fullmatch(value) if _is_text(value) else None
    if found is None or not 1 <= int(found[3] or 0) <= 65535:
        raise ConfigError(f'{where} must be "http://host:port", "env" or None')


def _follow_redirects(where: str, value: Any) -> None:
    """False takes a redirect for the answer."""
    _flag(where, value)


def _max_redirects(where: str, value: Any) -> None:
    """Redirects that are followed at most (10)."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise ConfigError(f"{where} must be a whole number, 0 to 100, got {value!r:.60}")


def _cookies(where: str, value: Any) -> None:
    """A dict of cookies to send; or True: what the target sets is sent back, in this and the next polls."""
    if isinstance(value, bool):
        return
    texts = isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
    if not texts or not all(_TOKEN.fullmatch(name) for name in value):
        raise ConfigError(f"{where} must be True, or a dict of names and texts")
    for name, text in value.items():
        if not re.fullmatch(r"[!#-+\--:<-\[\]-~]*", text):
            raise ConfigError(f"{where}: the value of {name} has characters that a cookie cannot have (RFC 6265)")


def _max_body(where: str, value: Any) -> None:
    """Bytes of the answer that are read at most (1 MiB); a larger one fails with `too_large`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1 << 40:
        raise ConfigError(f"{where} must be a whole number, 1 to {1 << 40}, got {value!r:.60}")


def _decode(where: str, value: Any) -> None:
    """True asks for a packed body (gzip, deflate) and unpacks it, `max_body` bytes at most."""
    _flag(where, value)


def _reuse(where: str, value: Any) -> None:
    """True keeps the connection for the next poll; else each poll tries whether one can be made."""
    _flag(where, value)


def _read_body(where: str, value: Any) -> None:
    """False judges status and headers alone, and leaves the body."""
    _flag(where, value)


def _cert_warn_days(where: str, value: Any) -> None:
    """Days before the certificate expires (it, or the first of its chain) from which on the run is a warning."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 36500:
        raise ConfigError(f"{where} must be a number of days, more than 0, got {value!r:.60}")


def _allow_hosts(where: str, value: Any) -> None:
    """Names ("*.example.org" too), addresses and networks; nothing else is connected to, after redirects either."""
    _list(where, value)
    _networks(where, [item for item in value if "/" in item or ":" in item])
    for item in value:
        if "/" not in item and ":" not in item and not re.fullmatch(r"(?:\*\.)?[0-9A-Za-z._-]+", item):
            raise ConfigError(f"{where}: {item!r:.60} is no host name, address or network")


def _deny_networks(where: str, value: Any) -> None:
    """Networks such as "169.254.0.0/16" that are not connected to, whatever name or redirect leads there."""
    _list(where, value)
    _networks(where, value)


def _networks(where: str, items: Iterable[str]) -> None:
    import ipaddress

    for item in items:
        try:
            ipaddress.ip_network(item)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from None


def _send(where: str, value: Any) -> None:
    """What is said once connected, bytes or text; then the answer is read: until `expect` holds, or its first piece."""
    _body(where, value)


def _list(where: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{where} must be a list of texts, and not empty, got {value!r:.60}")
    if any("//" in item for item in value):
        raise ConfigError(f"{where}: give hosts and networks, not URLs")


def _flag(where: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{where} must be True or False, got {value!r:.60}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


_ALL = (
    *(_method, _headers, _body, _json, _auth, _bearer, _cookies, _follow_redirects, _max_redirects, _read_body),
    *(_max_body, _decode, _reuse, _proxy, _verify, _ca_file, _cert, _server_name, _cert_warn_days),
    *(_family, _allow_hosts, _deny_networks, _send),
)
OPTIONS: dict[str, Callable[[str, Any], None]] = {each.__name__[1:]: each for each in _ALL}
"""Every option, with what validates it. The docstrings are their reference."""

_ANY = ("family", "allow_hosts", "deny_networks")
_TLS = ("verify", "ca_file", "cert", "server_name", "cert_warn_days")
TAKEN = {
    "http": tuple(key for key in OPTIONS if key not in ("send", "cert", "server_name")),
    "https": tuple(key for key in OPTIONS if key != "send"),
    "tcp": (*_ANY, "send"),
    "tls": (*_ANY, *_TLS, "send"),
}
"""The options that a target takes, by its scheme."""


def check_options(where: str, scheme: str, options: Mapping[str, Any], besides: Iterable[str] = ()) -> None:
    """Refuse options that are unknown or wrong, that the scheme does not take, or that contradict each other."""
    for key, value in options.items():
        if key not in OPTIONS:
            raise ConfigError(f"{where}: unknown option {key!r}; {did_you_mean(key, [*besides, *OPTIONS])}")
        if key not in TAKEN.get(scheme, ()):
            fitting = [f"{name}://" for name, taken in TAKEN.items() if key in taken]
            takers = " and ".join([", ".join(fitting[:-1]), fitting[-1]])
            raise ConfigError(f"{where}: {key} is for {takers} targets only")
        OPTIONS[key](f"{where}: {key}", value)
    for one, other in (("json", "body"), ("auth", "bearer"), ("proxy", "deny_networks")):
        if one in options and other in options and not (one == "proxy" and options[one] is None):
            why = ": a proxy looks the names up itself" if one == "proxy" else ""
            raise ConfigError(f"{where}: give either {one} or {other}{why}")
    named = {name.lower() for name in options.get("headers", ())}
    for key, header in (("auth", "authorization"), ("bearer", "authorization"), ("cookies", "cookie")):
        if options.get(key) and header in named:
            raise ConfigError(f"{where}: give either {key} or the header {header.capitalize()}")
