"""The command `wait`: conditions as words of a command line, and several targets at a time."""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .conditions import Condition, all_keys
from .errors import Alarm, ConfigError, JsonPathError, LifecycleError, WaitCancelled, WaitTimeout, did_you_mean
from .jsonpath import compile
from .model import parse_json
from .text import quoted, short
from .waiting import Attempt, wait_for

if TYPE_CHECKING:
    from .table import Output

TEXTS = ("text", "contains", "regex")
"""Keys whose value is taken as it is."""
SIGNS = {"==": "eq", "!=": "ne", "<=": "le", ">=": "ge", "<": "lt", ">": "gt"}
"""What may stand between a JSONPath query and a JSON value."""
_SIGN = re.compile("==|!=|<=|>=|<|>")


def condition(words: Sequence[str]) -> dict[str, Any] | list[Any] | None:
    """All of these together, as a condition; None for none. Raises ConfigError."""
    whole: dict[str, Any] = {}
    for word in words:
        made = _one(word)
        if isinstance(made, list):
            if len(words) > 1:
                raise ConfigError("a list of alternatives stands alone; write what all of them need into each")
            return made
        for key, value in made.items():
            whole[key] = _both(key, whole[key], value) if key in whole else value
    return whole if words else None


def _both(key: str, before: Any, value: Any) -> Any:
    """Two values of one key, where both can be meant: operators, queries, headers, texts. Raises ConfigError."""
    if isinstance(before, dict) and isinstance(value, dict):
        again = {name: _both(f"{key} {name}", before[name], value[name]) for name in value if name in before}
        return {**before, **value, **again}
    if key == "contains":
        return [*([before] if isinstance(before, str) else before), value]
    raise ConfigError(f"{key} is given twice; for alternatives give a JSON list of objects")


def _one(word: str) -> dict[str, Any] | list[Any]:
    """KEY=VALUE, a JSON object, or a list of them: alternatives."""
    if word.lstrip().startswith(("{", "[")):
        return _json(word)  # type: ignore[no-any-return]
    key, sign, text = word.partition("=")
    known = [key for key in all_keys() if key != "callback"]
    if key in known and not sign:
        raise ConfigError(f"{key}: expected a value: {key}=VALUE")
    if key not in known:
        raise ConfigError(
            f"expected KEY=VALUE, a JSON object or a list of them, got {quoted(word, 60)}; {did_you_mean(key, known)}"
        )
    if key in ("jsonpath", "header") and text.lstrip().startswith("{"):
        return {key: _json(text)}
    if key == "jsonpath":
        return {key: _query(text)}
    if key == "header":
        name, sign, value = text.partition(":")
        return {key: {name.strip(): value.strip() if sign else {"exists": True}}}
    if key == "json" and text.lstrip().startswith(("{", "[", '"')):
        return {key: _json(text)}
    return {key: text if key in TEXTS else _value(text)}


def _json(text: str) -> Any:
    try:
        return parse_json(text.encode())
    except ValueError as error:
        raise ConfigError(f"not JSON ({error}): {short(text, 60)}") from None


def _value(text: str) -> Any:
    """JSON, if it is that."""
    try:
        return parse_json(text.encode())
    except ValueError:
        return text


def _query(text: str) -> dict[str, Any]:
    """`QUERY`, or `QUERY == VALUE` with a value of JSON; signs within a query are its own."""
    for match in reversed(list(_SIGN.finditer(text))):
        query, value = text[: match.start()].strip(), text[match.end() :].strip()
        try:
            compile(query)
            return {query: {SIGNS[match.group()]: parse_json(value.encode())}}
        except ValueError:  # not there, or no JSON
            continue
    try:
        compile(text.strip())
    except JsonPathError as error:
        hint = "; behind == a value of JSON is expected, texts in double quotes" if "=" in text else ""
        raise ConfigError(f"jsonpath: {error}{hint}") from None
    return {text.strip(): {"exists": True}}


class Told(NamedTuple):
    """How the wait for one target has ended."""

    target: str
    code: int
    attempts: int
    waited: float
    status_code: int | None
    why: str


def perform(args: argparse.Namespace, output: Output, timed_out: int, usage: int, alarmed: int) -> int:
    """Wait for all targets at the same time; the exit code."""
    try:
        until, alarms = condition(args.until), [condition([word]) for word in args.alarm]
        for one in (until, *alarms):
            if one is not None:
                Condition(one, "--until" if one is until else "--alarm", bad=one is not until)
        waits = [_Waiting(target, until, alarms, args) for target in args.targets]
        told = _together(waits, output)
    except ConfigError as error:
        print(f"minimon: wait: {short(str(error), 2000)}", file=sys.stderr)
        return usage
    codes = {0: 0, 1: timed_out, 4: alarmed}
    for end in told:
        _tell(end, args.json, output)
    return max((codes[end.code] for end in told), default=0)


class _Waiting:
    """One target, and the thread that waits for it."""

    def __init__(self, target: str, until: Any, alarms: list[Any], args: argparse.Namespace) -> None:
        self.target, self._until, self._alarms, self._args = target, until, alarms, args
        self.last: Attempt | None = None
        self.told: Told | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="minimon-wait", daemon=True)

    def begin(self, stop: threading.Event) -> None:
        """Start the thread; `stop` ends it. Raises LifecycleError."""
        self._stop = stop
        try:
            self.thread.start()
        except RuntimeError as error:
            raise LifecycleError(f"wait: no thread to wait in: {error}; raise the system's limit") from None

    def _note(self, attempt: Attempt) -> None:
        self.last = attempt

    def _run(self) -> None:
        args = self._args
        try:
            response = wait_for(
                self.target,
                self._until,
                self._alarms or None,
                timeout=args.timeout,
                interval=args.interval,
                stable=args.stable,
                reverse=args.reverse,
                stop=self._stop,
                on_attempt=self._note,
            )
            self._tell(0, "", response.attempts, response.waited, response.status_code)
        except WaitTimeout as error:  # the others have no more time than this one: they come to their own end
            code = error.response.status_code if error.response is not None else None
            self._tell(1, str(error), error.attempts, error.elapsed, code)
        except Alarm as error:
            seen = error.response
            self._tell(4, str(error), seen.attempts, seen.waited, seen.status_code)
            self._stop.set()
        except WaitCancelled as error:  # an alarm of another one, or the user
            number, waited = (self.last.number, self.last.waited) if self.last else (0, 0.0)
            self._tell(1, f"{error}: another target has alarmed", number, waited, None)
        except BaseException as error:  # for the main thread
            self.error = error
            self._stop.set()

    def _tell(self, code: int, why: str, attempts: int, waited: float, status_code: int | None) -> None:
        self.told = Told(self.target, code, attempts, waited, status_code, why)


def _together(waits: list[_Waiting], output: Output) -> list[Told]:
    """All at a time, until each has come to its end; an alarm of one ends all."""
    stop = threading.Event()
    progress = sys.stderr is not None and sys.stderr.isatty()
    for wait in waits:
        wait.begin(stop)
    try:
        begun = time.monotonic()
        while any(wait.thread.is_alive() for wait in waits):
            next((wait.thread for wait in waits if wait.thread.is_alive()), waits[0].thread).join(0.1)
            if progress:
                _show(waits, time.monotonic() - begun, output.width)
    finally:
        stop.set()
        if progress:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    error = next((wait.error for wait in waits if wait.error is not None), None)
    if error is not None:
        raise error
    return [wait.told for wait in waits if wait.told is not None]


def _show(waits: list[_Waiting], elapsed: float, width: int) -> None:
    """One line, over the one before."""
    wait = next((wait for wait in waits if wait.told is None), waits[-1])
    number, why = (wait.last.number, wait.last.why) if wait.last else (1, "asking")
    more = f" ({sum(one.told is None for one in waits)} of {len(waits)} to go)" if len(waits) > 1 else ""
    line = f"{short(wait.target, 60)}: attempt {number}, {elapsed:.1f} s{more}: {why or 'met'}"
    print(f"\r\x1b[K{short(line, max(20, width - 1))}", end="", file=sys.stderr, flush=True)


def _tell(told: Told, as_json: bool, output: Output) -> None:
    if as_json:
        said = {"target": short(told.target, 2000), "met": told.code == 0, "attempts": told.attempts}
        more = {"waited_s": round(told.waited, 3), "status_code": told.status_code, "why": told.why}
        output.line(json.dumps({**said, **more}))
    elif told.code:
        print(f"minimon: {short(told.why, 2000)}", file=sys.stderr)
    elif output.terminal:
        tries = f"{told.attempts} attempt{'s' * (told.attempts > 1)}"
        output.line(f"✓ {short(told.target, 200)}  {told.waited:.1f} s, {tries}")
