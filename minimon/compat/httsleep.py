"""Polling an HTTP endpoint until a condition holds, with the names and defaults of httsleep.

    response = httsleep("http://server/job", until={"json": {"status": "SUCCESS"}, "status_code": 200},
                        alarms=[{"status_code": 500}], ignore_exceptions=[ConnectionError], max_retries=20)

New programs use `minimon.wait_for`, which has a deadline for all of it. What differs from the old package: an expected
"", {}, [] or False is an expectation, fractions of seconds are kept, `run` may be called again, an Alarm is never
ignored, dicts of the caller are left alone, and so is the root logger; each request ends after 60 seconds.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import sleep
from typing import Any

from ..errors import Alarm, ConfigError, JsonPathError, did_you_mean
from ..expectations import same_as
from ..jsonpath import compile
from ..log import logger
from ..model import Response
from ..probes import described
from ..probes.http import HttpProbe
from ..text import quoted
from ..waiting import exception_types

__all__ = ["DEFAULT_MAX_RETRIES", "DEFAULT_POLLING_INTERVAL", "Alarm", "HttSleeper", "Request", "Session", "httsleep"]

DEFAULT_POLLING_INTERVAL = 2
"""Seconds between two requests."""
DEFAULT_MAX_RETRIES = 50
"""Requests at most."""
REQUEST_TIMEOUT = 60.0
"""Seconds for one request: the old package had no limit."""
MAX_BODY = 64 << 20
"""Bytes of an answer."""

KEYS = ("status_code", "json", "jsonpath", "text", "callback")
"""Of a condition."""

_log = logger("compat.httsleep")


class Failed(ConnectionError):
    """No whole answer came: refused, reset, closed, unreachable, a name that is not known."""


class Late(Failed, TimeoutError):
    """No whole answer came in time."""


class Request:
    """What is asked: `url`, `method`, `auth` (user and password) and `headers`."""

    def __init__(
        self, url: str, method: str = "GET", auth: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.url, self.method, self.auth, self.headers = url, method, auth, dict(headers or {})


class Session:
    """What goes with every request: `headers`, `cookies` and `verify` (True, False, or a file of certificates)."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.cookies: dict[str, str] = {}
        self.verify: bool | str = True


def httsleep(url_or_request: Any, until: Any = None, alarms: Any = None, **options: Any) -> Response:
    """Poll until a condition holds; the response. `status_code`, `json`, `jsonpath`, `text` and `callback` may be given
    alone in place of `until`; the other options are those of HttSleeper, and so is what is raised.
    """
    shorthand = {key: options.pop(key) for key in KEYS if key in options}
    if shorthand and until is not None:
        raise ConfigError(f"httsleep: give either until or {', '.join(shorthand)}")
    return HttSleeper(url_or_request, shorthand or until, alarms, **options).run()


class HttSleeper:
    """Polls a URL, or what a request object says, until `until` holds or one of `alarms`.

    until, alarms      a dict (all of it must hold) or a list of them (one must)
    auth, headers      user and password; they win over the session's
    session            an object with `headers`, `cookies` and `verify`
    verify             True, False or a file of certificates; wins over the session's
    polling_interval   seconds
    max_retries        requests at most; None is for ever
    ignore_exceptions  what is retried when it is raised

    Raises ValueError for what cannot work.
    """

    def __init__(
        self,
        url_or_request: Any,
        until: Any = None,
        alarms: Any = None,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        session: Any = None,
        verify: Any = None,
        polling_interval: float = DEFAULT_POLLING_INTERVAL,
        max_retries: int | None = DEFAULT_MAX_RETRIES,
        ignore_exceptions: Iterable[type[BaseException]] | None = None,
        loglevel: int | None = None,
    ) -> None:
        if isinstance(url_or_request, str):
            url_or_request = Request(url_or_request, "GET", auth, headers)
        if not all(hasattr(url_or_request, name) for name in ("url", "method", "auth", "headers")):
            raise ConfigError(f"httsleep: expected a URL or a request, got {quoted(url_or_request, 60)}")
        self.request = url_or_request
        self.auth, self.headers = auth, dict(headers or {})
        self.session, self.verify = Session() if session is None else session, verify
        self._until, self._alarms = _conditions("until", until), _conditions("alarms", alarms)
        self.until, self.alarms = [given for given, _ in self._until], [given for given, _ in self._alarms]
        if not self.until:
            raise ConfigError(f"httsleep: until: expected conditions, got {quoted(until, 60)}")
        self.polling_interval = _seconds(polling_interval)
        self.max_retries = _retries(max_retries)
        self.ignore_exceptions = exception_types("httsleep: ignore_exceptions", ignore_exceptions)
        if loglevel is not None:
            _log.listen(loglevel)

    def run(self) -> Response:
        """Poll; the response that met a condition of `until`. As often as it is called it begins anew.

        Raises Alarm, which has `response` and `alarm`; StopIteration after `max_retries` requests; ConnectionError
        (refused, reset, closed, not resolved; with TimeoutError when it took too long), ssl.SSLError, ValueError for a
        body that is not JSON where JSON is expected, and what a callback raises, unless they are to be ignored.
        """
        probe = HttpProbe(self._url(), **self._options())
        tries = 0
        while True:
            tries += 1
            try:
                response = _answer(probe)
                met = self._judge(response)
            except Alarm:
                raise
            except self.ignore_exceptions as error:
                _log.info("%s: ignored %s", probe.shown, described(error))
                met = False
            if met:
                return response
            if tries == self.max_retries:
                raise StopIteration(f"httsleep {probe.shown}: not met after {tries} requests")
            sleep(self.polling_interval)

    def _judge(self, response: Response) -> bool:
        for alarm, holds in self._alarms:
            if holds(response):
                raise Alarm(f"httsleep: alarm {quoted(alarm)}", response, alarm)
        return any(holds(response) for _, holds in self._until)

    def _url(self) -> str:
        """With the parameters of a request that has some."""
        params = getattr(self.request, "params", None)
        if not params:
            return str(self.request.url)
        sign = "&" if "?" in self.request.url else "?"
        return f"{self.request.url}{sign}{urllib.parse.urlencode(params, doseq=True)}"

    def _options(self) -> dict[str, Any]:
        """The request's, the session's and our own, as HttpProbe takes them."""
        session = self.session
        headers = {**_plain(getattr(session, "headers", None)), **_plain(self.request.headers), **self.headers}
        cookies = {**_plain(getattr(session, "cookies", None)), **_plain(getattr(self.request, "cookies", None))}
        auth = self.auth or self.request.auth or getattr(session, "auth", None)
        verify = getattr(session, "verify", True) if self.verify is None else self.verify
        options: dict[str, Any] = {
            "method": (self.request.method or "GET").upper(),
            "max_body": MAX_BODY,
            "proxy": "env",
        }
        options["cookies"] = cookies or True
        for name in [name for name in headers if name.lower() == "accept-encoding"]:
            options["decode"] = "gzip" in headers.pop(name)  # what was asked for is unpacked, too
        if headers:
            options["headers"] = headers
        if auth is not None:
            options["auth"] = tuple(auth) if isinstance(auth, (list, tuple)) else auth
        if isinstance(verify, str):
            options["ca_file"] = verify
        elif verify is False:
            options["verify"] = False
        return {**options, **self._body()}

    def _body(self) -> dict[str, Any]:
        if getattr(self.request, "json", None) is not None and not callable(self.request.json):
            return {"json": self.request.json}
        data = getattr(self.request, "data", None)
        if not data:
            return {}
        return {"body": data if isinstance(data, (str, bytes)) else urllib.parse.urlencode(data, doseq=True)}


def _plain(pairs: Any) -> dict[str, str]:
    if not pairs:
        return {}
    if not isinstance(pairs, Mapping) and all(hasattr(one, "name") and hasattr(one, "value") for one in pairs):
        return {one.name: _text(one.value) for one in pairs}  # a jar of http.cookiejar
    return {str(key): _text(value) for key, value in dict(pairs).items()}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _answer(probe: HttpProbe) -> Response:
    """One request. Raises what the old users' `ignore_exceptions` name."""
    response = probe(REQUEST_TIMEOUT)
    if response.error is None:
        return response
    kind, detail = response.error
    if kind == "timeout":
        raise Late(detail)
    if kind == "tls":
        import ssl

        raise ssl.SSLError(detail)
    raise Failed(detail)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ConfigError(f"httsleep: polling_interval: expected seconds, 0 or more, got {quoted(value, 60)}")
    return value


def _retries(value: Any) -> int | None:
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1 or isinstance(value, (bool, float)):
        raise ConfigError(
            f"httsleep: max_retries: expected a whole number, 1 or more, or None, got {quoted(value, 60)}"
        )
    return number


# Conditions


Holds = Callable[[Response], bool]


def _conditions(name: str, given: Any) -> list[tuple[Any, Holds]]:
    """Each alternative as it was given, with its test."""
    listed = list(given or ()) if isinstance(given, (list, tuple)) or given is None else [given]
    return [(one, _condition(name, one)) for one in listed]


def _condition(name: str, given: Any) -> Holds:
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(f"httsleep: {name}: expected a dict of conditions, got {quoted(given, 60)}")
    wrong = next((key for key in given if key not in KEYS), None)
    if wrong is not None:
        raise ConfigError(f"httsleep: {name}: unknown condition {quoted(wrong, 60)}; {did_you_mean(wrong, KEYS)}")
    tests = [test(given[key]) for key, test in TESTS.items() if key in given]
    return lambda response: all(test(response) for test in tests)


def _status_code(value: Any) -> Holds:
    try:
        code = int(value)
    except (TypeError, ValueError):
        code = 0
    if not 100 <= code <= 999:
        raise ConfigError(f"httsleep: status_code: expected 100 to 999, got {quoted(value, 60)}")
    return lambda response: response.status_code == code


def _json(value: Any) -> Holds:
    same = same_as(value)
    return lambda response: same(response.document)


def _callback(value: Any) -> Holds:
    if not callable(value):
        raise ConfigError(f"httsleep: callback: expected a function of the response, got {quoted(value, 60)}")
    return lambda response: value(response) is True


def _jsonpath(value: Any) -> Holds:
    listed = [value] if isinstance(value, Mapping) or not isinstance(value, Iterable) else list(value)
    if not listed:
        raise ConfigError("httsleep: jsonpath: expected dicts of expression and value, got []")
    looks = [(_expression(one), same_as(one["value"])) for one in listed if _is_whole(one)]

    def holds(response: Response) -> bool:
        document = response.document
        return all(_is_found(list(values(document)), same) for values, same in looks)

    return holds


def _is_whole(one: Any) -> bool:
    if not isinstance(one, Mapping) or set(one) != {"expression", "value"}:
        raise ConfigError(f"httsleep: jsonpath: expected dicts of expression and value, got {quoted(one, 60)}")
    return True


def _is_found(found: list[Any], same: Callable[[Any], bool]) -> bool:
    """One match compares with the value, several compare as a list."""
    return bool(found) and same(found[0] if len(found) == 1 else found)


OLD = {
    "`": "`parent`, `len` and alike: use length(), count(), or a callback",
    " where ": "`where`: write a filter, $..[?@.name]",
    "|": "`|`: write ['a','b']",
    "~": "`~`: names are not to be had; use a callback",
}
"""What older dialects had beyond RFC 9535, each with the way out."""


def _expression(one: Mapping[str, Any]) -> Callable[[Any], Iterator[Any]]:
    """What finds the values: a text, with or without $ in front, or a compiled one of another package."""
    expression = one["expression"]
    if not isinstance(expression, str):
        if not callable(getattr(expression, "find", None)):
            raise ConfigError(f"httsleep: jsonpath: expected an expression, got {quoted(expression, 60)}")
        return lambda document: (hit.value for hit in expression.find(document))
    text = expression.strip()
    if not text.startswith("$"):
        text = f"${text}" if text.startswith(("[", ".")) else f"$.{text}"
    try:
        query = compile(text)
    except JsonPathError as error:
        hint = next((f"; older dialects had {hint}" for sign, hint in OLD.items() if sign in text), "")
        raise ConfigError(f"httsleep: {error}{hint}") from None
    return lambda document: iter(query.values(document))


def _body_text(value: Any) -> Holds:
    if not isinstance(value, str):
        raise ConfigError(f"httsleep: text: expected a text, got {quoted(value, 60)}")
    return lambda response: response.text == value


TESTS: dict[str, Callable[[Any], Holds]] = {
    "status_code": _status_code,
    "json": _json,
    "text": _body_text,
    "jsonpath": _jsonpath,
    "callback": _callback,
}
"""What makes the test of each key, in the order in which they are tried: an error page that is no JSON is none of
the code that is expected, and a callback may rely on all the others."""
