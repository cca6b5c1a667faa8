"""Check: what to poll, how often, what must hold, and how many runs decide. Pure; all errors at construction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, Union
from urllib.parse import SplitResult, urlsplit

from .conditions import Condition, Spec, frozen, needs_body
from .errors import ConfigError, did_you_mean
from .model import Response
from .text import short

Interval = Union[float, Callable[[], float]]
"""Seconds, or a function that is asked for them before every round."""

SCHEMES = {
    "http": "an HTTP endpoint",
    "https": "an HTTP endpoint over TLS, certificate verified",
    "tcp": "a port that accepts a connection, and says what is expected: tcp://host:port",
    "tls": "the same over TLS, certificate verified: tls://host:port",
    "host": "this host itself: its load, CPU, memory, disks and file systems, for jsonpath conditions: host:",
}
"""The schemes of a target, each with its meaning."""

HOST = "host:"
"""The target that is this host."""
OWN = "minimon"
"""The name of the monitor's check of itself."""
SHORTEST = 0.01
"""Seconds: no check runs more often than this."""
LONGEST = 86400.0
"""Seconds: a longer interval of a function, or timeout of a socket, is cut to it."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Probe:
    """What makes one observation. Subclass it to poll what neither an address nor a plain callable can.

    A Probe is called on a worker thread, returns within `timeout` seconds, and never raises for what the target
    does: that is a Response with an `error`. One that asks over a network names its `host`, for the canaries.
    `shown` is what it is called where people see it, if not by its class; texts in `secrets` are never shown.
    """

    host = ""
    shown = ""
    secrets: tuple[str, ...] = ()

    def __call__(self, timeout: float) -> Response:
        """Observe once; the answer is a Response."""
        raise NotImplementedError("a Probe must define __call__(timeout)")


class _DefaultFloat(float):
    """A default value that can be told from the same number given by the host."""


class _DefaultInt(int):
    """The same for whole numbers."""


class _DefaultStr(str):
    """The same for texts."""


DEFAULTS: dict[str, Any] = {
    "every": 10.0,
    "timeout": 5.0,
    "expect": None,
    "warn_if": None,
    "fall": 3,
    "rise": 2,
    "retry_interval": None,
    "critical": None,
    "initial_delay": None,
    "group": "",
    "tags": _NOTHING,
}
"""What holds where a check and the Monitor's `defaults` say nothing."""

_TEN_SECONDS, _FIVE_SECONDS = _DefaultFloat(DEFAULTS["every"]), _DefaultFloat(DEFAULTS["timeout"])
_THREE, _TWO = _DefaultInt(DEFAULTS["fall"]), _DefaultInt(DEFAULTS["rise"])
_NO_TEXT = _DefaultStr(DEFAULTS["group"])


class Check:
    """One thing to poll. It cannot be changed; every error in it is a ConfigError at construction.

    name            what it is called everywhere; unique in its Monitor
    target          an http://, https://, tcp:// or tls:// address, host: for the vitals of this host, a callable of
                    the host (returning None or a true value is a pass, a false value or an exception a fail), or a
                    Probe
    every           seconds between the starts of two runs, or a function that returns them
    timeout         seconds that one run may take, all in all
    expect          conditions that must hold; None is a 2xx answer, a connection, or the callable's true value
    warn_if         conditions that are bad enough to tell: passes become `warn`, the check `degraded`
    fall, rise      runs in a row that turn it down, and up again
    retry_interval  seconds until the next run while undecided; None is the smaller of `every` and 2
    critical        whether its failure makes the host unhealthy; None is True for callables, False for addresses
    initial_delay   seconds before the first run, or "interval"; None is at once, spread out
    group, tags     for people and for grouping; tags is a dict of texts
    options         how an HTTP request is made: see `help http`
    """

    name: str
    target: Any
    every: Interval
    timeout: float
    expect: Spec | None
    warn_if: Spec | None
    fall: int
    rise: int
    retry_interval: float | None
    critical: bool
    initial_delay: float | str | None
    group: str
    tags: Mapping[str, str]
    options: Mapping[str, Any]
    shown: str
    """The target as it may be shown: without userinfo and query values."""

    def __init__(
        self,
        name: str,
        target: Any,
        *,
        every: Interval = _TEN_SECONDS,
        timeout: float = _FIVE_SECONDS,
        expect: Spec | None = None,
        warn_if: Spec | None = None,
        fall: int = _THREE,
        rise: int = _TWO,
        retry_interval: float | None = None,
        critical: bool | None = None,
        initial_delay: float | str | None = None,
        group: str = _NO_TEXT,
        tags: Mapping[str, str] = _NOTHING,
        **options: Any,
    ) -> None:
        if not isinstance(name, str) or not name or len(name) > 200 or not name.isprintable():
            raise ConfigError(f"check {name!r:.80}: name must be a printable text of 1 to 200 characters")
        values = (every, timeout, expect, warn_if, fall, rise, retry_interval, critical, initial_delay, group, tags)
        given = {key: value for key, value in zip(DEFAULTS, values) if _given(key, value)}
        self._settle(name, target, {**given, **options})

    def _settle(self, name: str, target: Any, given: dict[str, Any]) -> None:
        settled = {**_settled(name, target, given), "name": name, "target": target, "_given": given}
        for key, value in settled.items():  # one by one, so that all checks share the keys: half of the memory
            object.__setattr__(self, key, value)

    def with_defaults(self, defaults: Mapping[str, Any]) -> Check:
        """This check, with `defaults` in place of what was not given. Options go to targets that take them."""
        fitting = {key: value for key, value in defaults.items() if key in VALUES or _takes(self.target, key)}
        if not fitting:
            return self
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._settle(self.name, self.target, {**fitting, **self.__dict__["_given"]})
        return new

    def spec(self) -> dict[str, Any]:
        """The check as `probes.prepare` takes it: plain data, but for callables."""
        return {
            "name": self.name,
            "target": self.target,
            "timeout": self.timeout,
            "expect": self.expect,
            "warn_if": self.warn_if,
            "options": dict(self.options),
        }

    @property
    def own(self) -> bool:
        """Whether it is the monitor's check of itself."""
        return self.name == OWN

    def __setattr__(self, key: str, value: Any) -> NoReturn:
        raise AttributeError(f"check {self.name!r} cannot be changed: remove it and add another one")

    def __delattr__(self, key: str) -> NoReturn:
        self.__setattr__(key, None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.shown}>"


class Resource(Check):
    """The older form of a Check: name, url, polling_interval and a function that looks at the response.

    `polling_interval` is a number of seconds or a function that returns them, drawn anew for every round.
    `check(response)` runs on a 200 only, and may look at `.text` and `.status_code`; a false value is a failure.
    Keyword arguments are those of Check.
    """

    url: str
    polling_interval: Interval
    check: Callable[[Response], object] | None

    def __init__(
        self,
        name: str,
        url: str,
        polling_interval: Interval,
        check: Callable[[Response], object] | None = None,
        **options: Any,
    ) -> None:
        if check is not None and not callable(check):
            raise ConfigError(f"check {name!r}: check must be a function of the response, got {check!r:.60}")
        if check is not None and "expect" in options:
            raise ConfigError(f"check {name!r}: give either check or expect")
        expect: dict[str, Any] = {"status_code": 200}
        if check is not None:
            expect["callback"] = _Truth(check)
        try:
            super().__init__(name, url, **{"every": polling_interval, "expect": expect, **options})
        except ConfigError as error:
            raise ConfigError(str(error).replace(": every must", ": polling_interval must", 1)) from None
        self.__dict__.update(url=url, polling_interval=polling_interval, check=check)


class _Truth:
    """A predicate that goes by truthiness, made one that answers True or False."""

    def __init__(self, function: Callable[[Response], object]) -> None:
        self.function = function

    def __call__(self, response: Response) -> bool:
        return bool(self.function(response))

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", "") or repr(self.function)


def _given(key: str, value: Any) -> bool:
    if value is None:
        return DEFAULTS[key] is not None  # then it is refused; else it is the word for "not said"
    return not (isinstance(value, (_DefaultFloat, _DefaultInt, _DefaultStr)) or value is _NOTHING)


def _settled(name: str, target: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every attribute of a Check from what was given of it."""
    where = f"check {name!r}"
    shown = shown_target(where, target)
    options = {key: frozen(f"{where}: {key}", value) for key, value in given.items() if key not in VALUES}
    if scheme_of(target) in ("tcp", "tls"):
        given = {**given, "expect": _said(where, given.get("expect"))}
    settled = {key: VALUES[key](f"{where}: {key}", given.get(key, DEFAULTS[key])) for key in VALUES}
    if options:
        _check_options(where, target, options, settled)
    if settled["critical"] is None:
        settled["critical"] = callable(target) and not isinstance(target, Probe)
    if settled["initial_delay"] == "interval" and not callable(settled["every"]):
        settled["initial_delay"] = settled["every"]
    return {**settled, "options": MappingProxyType(options) if options else _NOTHING, "shown": shown}


def _check_options(where: str, target: Any, options: Mapping[str, Any], settled: Mapping[str, Any]) -> None:
    from .options import check_options  # most checks have none

    if isinstance(target, Probe):
        raise ConfigError(f"{where}: {next(iter(options))}: give it to the Probe itself")
    check_options(where, scheme_of(target), options, VALUES)
    unread = next((key for key in ("expect", "warn_if") if needs_body(settled[key])), None)
    if unread and (options.get("read_body") is False or options.get("method") == "HEAD"):
        what = "method HEAD" if options.get("method") == "HEAD" else "read_body=False"
        raise ConfigError(f"{where}: {unread} looks at the body, and with {what} there is none")


def scheme_of(target: Any) -> str:
    """The scheme of an address; "" for anything else."""
    return target.partition(":")[0].lower() if isinstance(target, str) else ""


def _takes(target: Any, option: str) -> bool:
    from .options import TAKEN

    return option in TAKEN.get(scheme_of(target), ())


def _said(where: str, expect: Any) -> Any:
    """What a port is expected to say may be written as a plain text."""
    try:
        text = expect.decode() if isinstance(expect, bytes) else expect
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: expect must be a text (UTF-8), or conditions") from None
    return {"contains": text} if isinstance(text, str) else text


def shown_target(where: str, target: Any) -> str:
    """A target as it may be shown: an address without userinfo and query values, a callable by its name."""
    if isinstance(target, str):
        return HOST if target.lower() == HOST else shown_url(_address(where, target))
    if not callable(target):
        got = type(target).__name__ if isinstance(target, (bytes, bytearray)) else f"{target!r:.60}"
        raise ConfigError(f"{where}: target must be an address, a callable or a Probe, got {got}")
    if isinstance(target, Probe) and target.shown:
        return target.shown
    if isinstance(target, type) and issubclass(target, Probe):
        raise ConfigError(f"{where}: target is the class {target.__name__}; give an instance: {target.__name__}(...)")
    for flag, kind in ((0x80, "coroutine"), (0x20, "generator"), (0x200, "asynchronous generator")):  # inspect.CO_*
        if getattr(getattr(target, "__code__", None), "co_flags", 0) & flag:
            raise ConfigError(f"{where}: target is a {kind} function; give a function that runs it to its end")
    return short(getattr(target, "__qualname__", type(target).__name__), 80)


def _address(where: str, target: str) -> SplitResult:
    scheme, found, _ = target.partition("://")
    scheme = scheme.lower()
    if not found:
        shown = short(target.rpartition("@")[2].partition("?")[0], 60)
        raise ConfigError(f"{where}: target {shown!r} has no scheme; write http://{shown} or tcp://host:port")
    if scheme == "host":
        raise ConfigError(f"{where}: target must be {HOST} and no more, which is the host that this runs on")
    if scheme not in SCHEMES:
        hint = did_you_mean(scheme, SCHEMES)
        raise ConfigError(f"{where}: unknown scheme {scheme.rpartition('@')[2]!r:.20} in target; {hint}")
    if not target.isprintable() or " " in target:
        raise ConfigError(f"{where}: target has blanks or control characters; quote them (%20)")
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError as error:
        text = re.sub(r"'.*'", "***", str(error))  # urllib quotes what it takes for a port: it may be a password
        raise ConfigError(f"{where}: target is not an address: {text}") from None
    if not parts.hostname or port == 0:
        raise ConfigError(f"{where}: target has no host or no usable port: {shown_url(parts)}")
    if scheme in ("tcp", "tls") and port is None:
        raise ConfigError(f"{where}: target has no port; write {scheme}://host:port")
    if not has_host(parts):
        raise ConfigError(f"{where}: target has an impossible host name: {shown_url(parts)}")
    return parts


def has_host(parts: SplitResult) -> bool:
    """Whether host and port are what they must be. (urllib would even take a percent-encoded line break for a host.)"""
    found = _NETLOC.fullmatch(parts.netloc.rpartition("@")[2])
    if found is None or (found[1] and ":" not in found[1]):
        return False
    try:
        return bool(found[1]) or _NAME.fullmatch(ascii_host(found[2])) is not None
    except UnicodeError:
        return False


def ascii_host(name: str) -> str:
    """A host as it is looked up. Raises UnicodeError. (Python's codec costs 0.4 MiB, so it is asked when it must.)"""
    if not name.isascii():
        return name.encode("idna").decode("ascii")
    if ":" not in name and not all(
        0 < len(label) < 64 for label in (name[:-1] if name.endswith(".") else name).split(".")
    ):
        raise UnicodeError("a label of it is empty or too long")
    return name.replace("%25", "%") if ":" in name else name


_NETLOC = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%25[0-9A-Za-z_.-]+)?)\]|([^\[\]:]+))(?::[0-9]{1,5})?")
_NAME = re.compile(r"[0-9A-Za-z_.-]{1,253}")


def shown_url(parts: SplitResult) -> str:
    """A URL as it may be shown: userinfo left out, the values of the query masked."""
    host = parts.netloc.rpartition("@")[2]
    query = "?" + re.sub(r"=[^&;]*", "=***", parts.query) if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"


def _number(where: str, value: Any, least: float = 0.0, *, above: bool = True) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value > 1e300:
        raise ConfigError(f"{where} must be a number of seconds, got {value!r:.60}")
    if value < least or (above and value <= least):
        raise ConfigError(f"{where} must be {'>' if above else 'at least'} {least:g}, got {value!r}")
    return float(value)


def _every(where: str, value: Any) -> Interval:
    if callable(value):
        return value  # type: ignore[no-any-return]
    seconds = _number(where, value)
    return _number(where, seconds, SHORTEST, above=False)


def _count(where: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{where} must be a whole number, 1 or more, got {value!r:.60}")
    return int(value)


def _condition(where: str, value: Any) -> Spec | None:
    if value is not None:
        value = frozen(where, value)
        Condition(value, where, bad=where.endswith("warn_if"))
    return value  # type: ignore[no-any-return]


def _optional_seconds(where: str, value: Any) -> float | None:
    return None if value is None else _number(where, value)


def _delay(where: str, value: Any) -> float | str | None:
    if value is None or value == "interval":
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        raise ConfigError(f'{where} must be a number of seconds or "interval", got {value!r:.60}')
    return _number(where, value, above=False)


def _flag(where: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ConfigError(f"{where} must be True or False, got {value!r:.60}")
    return value


def _line(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ConfigError(f"{where} must be a printable text, got {value!r:.60}")
    return value


def _tags(where: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(t, str) for pair in value.items() for t in pair):
        raise ConfigError(f"{where} must be a dict of texts, got {value!r:.60}")
    return MappingProxyType(dict(value)) if value else _NOTHING


VALUES: dict[str, Callable[[str, Any], Any]] = {
    "every": _every,
    "timeout": _number,
    "expect": _condition,
    "warn_if": _condition,
    "fall": _count,
    "rise": _count,
    "retry_interval": _optional_seconds,
    "critical": _flag,
    "initial_delay": _delay,
    "group": _line,
    "tags": _tags,
}
"""What can be said of every check, with what validates it."""
