"""What `ready` and `live` ask for: compiled to an object that looks once and says what does not hold.

    {"http": "http://localhost:8000/health", "expect": {...}}   answers; options of its request may stand beside it
    {"tcp": "localhost:5432"}                                   takes a connection
    {"log": "listening on"}                                     has written a line in which this pattern is found
    {"exec": ["pg_isready", "-q"]}                              a command that ends with 0
    {"exit": 0}                                                 has ended with this code
    {"file": "run/web.pid"}                                     is there, from the program's `cwd`
    {"all": [...]}, {"any": [...]}                              all of these, or one of them

or a callable without arguments that returns None or a true value, or a Verifier. The whole takes `timeout`, 30 s until
it must hold, and `interval`, 0.5 s between two looks. `live` is looked at once the program is up; what did not hold for
`timeout` seconds in a row makes it end, and be launched again if its `restart` says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from ..checks import Check
from ..clock import SystemClock
from ..conditions import needs_body
from ..errors import ConfigError, did_you_mean
from ..options import TAKEN
from ..probes import Prepared, Shared, described, observe, prepare
from ..probes.call import CallProbe
from ..text import short
from .child import Child, run
from .verifiers import TELL, Verifier

TIMEOUT, INTERVAL = 30.0, 0.5
KINDS = ("http", "tcp", "log", "exec", "exit", "file", "all", "any")
SETTINGS = ("timeout", "interval")
NESTED, DEEPEST = 8, 60
"""Levels of `all` and `any`; levels of whatever else they are told."""
TRY = 5.0
"""Seconds that one look may take, if `interval` is not more."""
_PORT = re.compile(r"\{port:([A-Za-z0-9_.-]{1,100})\}")


class Run(Protocol):
    """One run of a program, as a look sees it."""

    process: Any
    """What a Verifier is given."""
    code: int | None
    """Its exit code, once it has `ended`."""
    ended: bool
    env: Mapping[str, str]
    cwd: str | None

    def logged(self, pattern: str) -> bool:
        """Whether it has written a line in which the pattern is found."""

    def note(self, child: Child, runs: bool) -> None:
        """A command that looks at it runs, or does not any more."""


Look = Callable[[Run, float], str]
"""Looks once, within so many seconds: what does not hold; "" when all does. On a worker's thread."""


class Gate(NamedTuple):
    """One condition, ready to be looked at."""

    look: Look
    timeout: float = TIMEOUT
    interval: float = INTERVAL
    at_once: bool = False
    """Whether it can only turn when a line is written or the process ends; then it costs nothing to look."""
    patterns: tuple[str, ...] = ()
    """What has to be looked for in the output."""
    ends: tuple[int, ...] = ()
    """Exit codes that are good ones."""
    at_end: Look | None = None
    """The same of a process that has ended, where an exit code may be a good one: nothing else is asked."""
    blocks: bool = False
    """Whether a look takes as long as it takes, and is the last."""


def frozen(where: str, value: Any, depth: int = 0) -> Any:
    """A copy of what `ready` or `live` was given, which nobody can change. Raises ConfigError."""
    if depth > DEEPEST:
        raise ConfigError(f"{where} is nested too deep")
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(where, item, depth + 1) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(frozen(where, item, depth + 1) for item in value)
    return value


def ports_in(value: Any) -> set[str]:
    """The names of {port:NAME} in a text, or in a list or dict of them."""
    found: list[str] = []

    def note(name: str) -> int:
        found.append(name)
        return 1

    with_ports(value, note)
    return {*found}


def with_ports(value: Any, port: Callable[[str], int]) -> Any:
    """The same value with a number in place of each {port:NAME}."""
    if isinstance(value, str):
        return _PORT.sub(lambda found: str(port(found[1])), value)
    if isinstance(value, Mapping):
        return {
            with_ports(key, port) if isinstance(key, str) else key: with_ports(item, port)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [with_ports(item, port) for item in value]
    return value


def compile_gate(where: str, spec: Any, shared: Shared | None = None, tell: TELL | None = None) -> Gate | None:
    """From what `ready` or `live` was given. Raises ConfigError, which begins with `where`."""
    if spec is None:
        return None
    if isinstance(spec, Mapping):
        return _written(where, spec, shared or Shared(), 0)
    if isinstance(spec, type):
        raise ConfigError(f"{where} is the class {spec.__name__}; give an instance: {spec.__name__}(...)")
    if callable(getattr(spec, "run", None)):
        return _verified(where, spec, tell)
    if callable(spec):
        return _called(where, spec)
    raise ConfigError(f"{where} must be an object such as {{'tcp': 'localhost:80'}}, a callable or a Verifier")


def _written(where: str, spec: Mapping[str, Any], shared: Shared, depth: int) -> Gate:
    kinds = [key for key in KINDS if key in spec]
    if depth and any(key in spec for key in SETTINGS):
        raise ConfigError(f"{where}: timeout and interval are those of the whole; give them beside the outermost")
    if depth > NESTED:
        raise ConfigError(f"{where} is nested too deep")
    if len(kinds) != 1:
        listed = ", ".join(KINDS)
        got = "more than one" if kinds else "none"
        first = next((key for key in spec if key not in SETTINGS), None)
        hint = f"; {did_you_mean(first, KINDS)}" if not kinds and isinstance(first, str) else ""
        raise ConfigError(f"{where} needs one of {listed}, got {got}{hint}")
    kind = kinds[0]
    timeout, interval = (
        _seconds(f"{where}.{key}", spec.get(key, TIMEOUT if key == "timeout" else INTERVAL)) for key in SETTINGS
    )
    rest = {key: value for key, value in spec.items() if key not in (kind, *SETTINGS)}
    if kind not in ("http", "tcp") and rest:
        raise ConfigError(
            f"{where}.{next(iter(rest))}: unknown option; {did_you_mean(next(iter(rest)), (kind, *SETTINGS))}"
        )
    gate = _of_kind(f"{where}.{kind}", where, kind, spec[kind], rest, shared, depth)
    return gate._replace(timeout=timeout, interval=interval)


def _of_kind(at: str, where: str, kind: str, value: Any, rest: dict[str, Any], shared: Shared, depth: int) -> Gate:
    if kind in ("http", "tcp"):
        return _polled(at, where, kind, value, rest, shared)
    if kind in ("all", "any"):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise ConfigError(f"{at} must be a list of conditions, and not empty")
        parts = [_part(f"{at}[{number}]", each, shared, depth) for number, each in enumerate(value)]
        return _joined(parts, kind == "all")
    return {"log": _logged, "exec": _executed, "exit": _exited, "file": _filed}[kind](at, value)


def _part(where: str, spec: Any, shared: Shared, depth: int) -> Gate:
    if isinstance(spec, Mapping):
        return _written(where, spec, shared, depth + 1)
    gate = compile_gate(where, spec, shared)
    if gate is None or gate.blocks:
        raise ConfigError(f"{where}: a Verifier stands alone; give an object or a callable")
    return gate


def _seconds(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 86400 * 365:
        raise ConfigError(f"{where} must be seconds > 0, got {value!r:.60}")
    return float(value)


def _polled(at: str, where: str, kind: str, value: Any, rest: dict[str, Any], shared: Shared) -> Gate:
    target = value if kind == "http" or not isinstance(value, str) or "://" in value else f"tcp://{value}"
    scheme = str(target).partition(":")[0].lower()
    if not isinstance(value, str) or scheme not in {"http": ("http", "https"), "tcp": ("tcp", "tls")}[kind]:
        example = "http://localhost:8000/" if kind == "http" else "localhost:5432"
        raise ConfigError(f"{at} must be an address such as {example}, got {value!r:.60}")
    for key in rest:
        if key != "expect" and key not in TAKEN[scheme]:
            raise ConfigError(
                f"{where}.{key}: unknown option; {did_you_mean(key, (kind, *SETTINGS, 'expect', *TAKEN[scheme]))}"
            )
    if kind == "http" and not needs_body(rest.get("expect")):
        rest = {"read_body": False, **rest}  # a front page may be large
    try:
        prepared = prepare(Check("gate", target, **rest).spec(), shared)
    except ConfigError as error:
        raise ConfigError(
            str(error).replace("check 'gate': target", at).replace("check 'gate': ", f"{where}.")
        ) from None
    return Gate(lambda run, timeout: _seen(prepared, timeout))


def _seen(prepared: Prepared, timeout: float) -> str:
    result = observe(prepared._replace(timeout=timeout), SystemClock())
    return "" if result.ok else result.detail or result.reason


def _logged(at: str, value: Any) -> Gate:
    try:
        re.compile(value)
    except (re.error, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{at} must be a regular expression: {short(error)}") from None
    if not isinstance(value, str):
        raise ConfigError(f"{at} must be a text, got {type(value).__name__}")

    def look(run: Run, timeout: float) -> str:
        return "" if run.logged(value) else f"no line fits {value!r:.60}"

    return Gate(look, at_once=True, patterns=(value,), at_end=look)


def _executed(at: str, value: Any) -> Gate:
    if (
        not isinstance(value, (list, tuple))
        or not value
        or not all(isinstance(word, str) and word for word in value[:1])
    ):
        raise ConfigError(f"{at} must be a list: a command and its arguments")
    if not all(isinstance(word, str) and "\0" not in word for word in value):
        raise ConfigError(f"{at} must be a list of texts without NUL")

    def look(looked: Run, timeout: float) -> str:
        try:
            code, said = run(value, timeout, looked.note, env=looked.env, cwd=looked.cwd)
        except (OSError, ValueError) as error:
            return f"{short(value[0], 60)} cannot be run: {getattr(error, 'strerror', None) or error}"
        if code == 0:
            return ""
        told = f": {short(said.rpartition(chr(10))[2], 120)}" if said and code is not None else ""
        return (
            f"{short(value[0], 60)}: {said}" if code is None else f"{short(value[0], 60)} ended with code {code}{told}"
        )

    return Gate(look)


def _exited(at: str, value: Any) -> Gate:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{at} must be an exit code, got {value!r:.60}")

    def look(run: Run, timeout: float) -> str:
        if not run.ended:
            return "it has not ended"
        return "" if run.code == value else f"it has ended with code {run.code}, expected {value}"

    return Gate(look, at_once=True, ends=(value,), at_end=look)


def _filed(at: str, value: Any) -> Gate:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"{at} must be a path, got {value!r:.60}")

    def look(run: Run, timeout: float) -> str:
        path = os.path.join(run.cwd or "", value)
        return "" if os.path.exists(path) else f"there is no {short(value, 120)}"

    return Gate(look)


def _joined(parts: list[Gate], every: bool) -> Gate:
    join = _all_of if every else _first_of
    return Gate(
        lambda run, timeout: join(parts, run, timeout),
        at_once=all(part.at_once for part in parts),
        patterns=tuple(pattern for part in parts for pattern in part.patterns),
        ends=tuple(code for part in parts for code in part.ends),
        at_end=lambda run, timeout: join([part._replace(look=part.at_end or _gone) for part in parts], run, timeout),
    )


def _gone(run: Run, timeout: float) -> str:
    return "it has ended"


def _all_of(parts: list[Gate], run: Run, timeout: float) -> str:
    whys = (part.look(run, timeout / len(parts)) for part in parts)
    return next((why for why in whys if why), "")


def _first_of(parts: list[Gate], run: Run, timeout: float) -> str:
    told = []
    for part in parts:
        why = part.look(run, timeout / len(parts))
        if not why:
            return ""
        told.append(why)
    return "; ".join(told)


def _called(where: str, function: Callable[[], Any]) -> Gate:
    _check_call(where, function)
    call = Prepared("gate", CallProbe(function), None, None, TIMEOUT)
    return Gate(lambda run, timeout: _seen(call, float("inf")))


def _check_call(where: str, function: Callable[..., Any]) -> None:
    """Raises ConfigError for a coroutine function, a class."""
    try:
        prepare(Check("gate", function).spec())
    except ConfigError as error:
        raise ConfigError(str(error).replace("check 'gate': target", where)) from None


def _verified(where: str, verifier: Any, tell: TELL | None) -> Gate:
    _check_call(f"{where}: {type(verifier).__name__}.run", verifier.run)
    given = getattr(verifier, "timeout", None)
    known = isinstance(given, (int, float)) and not isinstance(given, bool) and 0 < given < 86400 * 365
    if tell is not None and isinstance(verifier, Verifier):
        object.__setattr__(verifier, "_tell", tell)  # it may refuse to be changed

    def look(run: Run, timeout: float) -> str:
        try:
            passed = verifier.run(run.process)
        except Exception as error:
            return f"{type(verifier).__name__} raised {described(error)}"
        if hasattr(passed, "__await__"):
            getattr(passed, "close", bool)()  # else Python warns the host of a coroutine that nobody awaited
            return f"{type(verifier).__name__} returned a coroutine; give a function that runs it to its end"
        said = getattr(verifier, "said", "")
        told = f": {short(said, 200)}" if isinstance(said, str) and said else ""
        return "" if passed else f"{type(verifier).__name__} says no{told}"

    return Gate(look, timeout=(float(given) if known and given is not None else TIMEOUT) + 1.0, blocks=True)


def rest_after(tries: int, interval: float) -> float:
    """Seconds between two looks: fewer at first, for most programs come up soon."""
    return min(interval, 0.02 * 2.0 ** min(tries, 30))
