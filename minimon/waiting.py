"""Waiting until a target is as it should be: ask, look, sleep, within one deadline.

    done, failed = {"jsonpath": {"$.state": "done"}}, {"jsonpath": {"$.state": "failed"}}
    response = wait_for("http://localhost:8080/job/7", done, alarms=failed)

It is done in the caller's thread, and needs no Monitor.
"""

from __future__ import annotations

import email.utils
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timezone
from typing import Any, NamedTuple, Protocol

from .checks import Check, Probe
from .clock import Clock, SystemClock
from .conditions import Condition, Spec, all_keys, hidden
from .errors import Alarm, ConfigError, WaitCancelled, WaitTimeout, did_you_mean
from .evaluate import judge
from .model import CheckState, Fault, Outcome, Response, Status
from .options import OPTIONS
from .probes import described, masked, prepare
from .text import quoted, short

BUSY = (429, 503)
"""Codes whose Retry-After counts (RFC 9110, 10.2.3)."""
PATHS = ("/", "./", "../", "~/", "file:")
"""How a text begins that is a path."""
LAST = 0.1
"""Seconds before the deadline at which a last look is taken, where the next one would be later; half of all at most."""
SLACK = 0.1
"""Seconds by which an answer may come after the deadline: a callable cannot be interrupted."""
LONGEST_SLEEP = 1e6
"""Seconds between two tries at most: a system's clock takes no more than some years."""
LONGEST_RETRY = 60.0
"""Seconds that a Retry-After counts at most, if `max_interval` is not more."""


class Stop(Protocol):
    """What ends a wait: a threading.Event, or alike."""

    def is_set(self) -> bool:
        """Whether to end."""

    def wait(self, timeout: float) -> bool:
        """Sleep for so many seconds; True as soon as it is to end."""


class Attempt(NamedTuple):
    """One try, as `on_attempt` is told of it."""

    number: int
    """Counted from 1."""
    waited: float
    """Seconds since the beginning."""
    response: Response
    """What was seen."""
    why: str
    """Why it is not met yet; empty when it is."""


class Pace(NamedTuple):
    """How long to sleep between tries. Pure."""

    interval: float
    backoff: float
    longest: float
    retry_after: bool

    def sleep(self, number: int, response: Response, now: float, left: float, spare: float) -> float | str:
        """Seconds to sleep with so many left, or why no other try comes; the last one is `spare` before the end."""
        delay, asked = self.after(number, response, now)
        if asked and delay > left > 0:
            return f"the target asks to wait for {delay:.0f} s more"
        return min(delay, left - spare, LONGEST_SLEEP) if left > spare else ""

    def after(self, number: int, response: Response, now: float) -> tuple[float, bool]:
        """Seconds to sleep after this try, and whether the target has asked for that. `now` is the wall clock's."""
        try:
            delay = min(self.interval * self.backoff ** (number - 1), max(self.interval, self.longest))
        except OverflowError:
            delay = max(self.interval, self.longest)
        if not (self.retry_after and response.status_code in BUSY):
            return delay, False
        asked = _seconds(response.headers.get("retry-after", ""), now)
        if asked is None or asked <= delay:
            return delay, False
        return min(asked, max(self.longest, LONGEST_RETRY)), True


class Limits(NamedTuple):
    """How long a wait may take, and when it is over."""

    timeout: float | None
    max_attempts: int | None
    stable: int


def _seconds(text: str, now: float) -> float | None:
    """A Retry-After: seconds, or a date. None for what is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = email.utils.parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp() - now  # asctime has no zone
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


class PathProbe(Probe):
    """A file or folder that has to exist."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        text = os.fsdecode(path)
        _need("\0" not in text, "target", "a path without NUL", text)
        if text.startswith("file:"):
            import urllib.parse
            import urllib.request

            parts = urllib.parse.urlsplit(text)
            _need(parts.netloc in ("", "localhost") and bool(parts.path), "target", "file:///PATH", text)
            text = urllib.request.url2pathname(parts.path)
        self._path = os.path.expanduser(text)

    def __call__(self, timeout: float) -> Response:
        """Whether it is there; a broken link is not."""
        try:
            os.stat(self._path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return Response(error=Fault("condition", f"{self._path}: {reason}"))
        return Response(value=self._path)

    def __str__(self) -> str:
        return self._path


def wait_for(
    target: Any,
    until: Spec | None = None,
    alarms: Any = None,
    *,
    timeout: float | None = 60.0,
    interval: float = 0.1,
    backoff: float = 1.5,
    max_interval: float = 2.0,
    max_attempts: int | None = None,
    request_timeout: float = 10.0,
    retry_after: bool = True,
    stable: int = 1,
    reverse: bool = False,
    ignore: type[Exception] | Iterable[type[Exception]] | None = (),
    stop: Stop | None = None,
    on_attempt: Callable[[Attempt], object] | None = None,
    **options: Any,
) -> Response:
    """Ask a target again and again until a condition holds. In the caller's thread.

    target           all that a Check takes, and a Path (or a text with /, ./, ../, ~/, file: in front) that must exist
    until            conditions, as `expect` of a Check; None is the target's own success
    alarms           conditions, or a list of them: what must not happen; looked at first
    timeout          seconds for all of it; None is for ever
    interval         seconds after the first try, times `backoff` after each, up to `max_interval`
    max_attempts     tries, at most; None is any number
    request_timeout  seconds for each try, or what is left
    retry_after      obey what a 429 or 503 asks for, up to 60 s or max_interval
    stable           tries in a row that have to meet it
    reverse          wait until it does not hold: until the target is gone
    ignore           exceptions of a callable target that are retried; others are raised
    stop             an Event that ends the wait at once
    on_attempt       called with an Attempt after each try
    options          of a request: see `help http`

    Returns the Response that met it, with `.attempts` and `.waited` (seconds). A transport error is retried. Raises
    ConfigError, Alarm, WaitTimeout (a TimeoutError), WaitCancelled.
    """
    pace = _pace(interval, backoff, max_interval, retry_after)
    _need(timeout is None or _is_positive(timeout), "timeout", "seconds > 0, or None", timeout)
    _need(_is_positive(request_timeout), "request_timeout", "seconds > 0", request_timeout)
    _need(max_attempts is None or _is_count(max_attempts), "max_attempts", "a whole number, 1 or more", max_attempts)
    for key, flag in (("retry_after", retry_after), ("reverse", reverse)):
        _need(isinstance(flag, bool), key, "True or False", flag)
    _need(_is_count(stable), "stable", "a whole number, 1 or more", stable)
    _refuse_others(options)
    _need(on_attempt is None or callable(on_attempt), "on_attempt", "a function", on_attempt)
    _need(stop is None or _is_stop(stop), "stop", "a threading.Event", stop)
    ignored = exception_types("wait_for: ignore", ignore)
    wait = _Wait(target, until, alarms, options, float(request_timeout), ignored, reverse)
    return wait.run(
        pace, Limits(timeout, max_attempts, stable), threading.Event() if stop is None else stop, on_attempt
    )


def exception_types(where: str, given: Any) -> tuple[type[Exception], ...]:
    """What is to be retried: one type, or several; what ends the program is none of them. Raises ConfigError."""
    listed = [given] if isinstance(given, type) else list(given) if isinstance(given, Iterable) else given or []
    if not isinstance(listed, list) or not all(isinstance(one, type) and issubclass(one, Exception) for one in listed):
        raise ConfigError(f"{where}: expected exception types, got {quoted(given, 60)}")
    return tuple(listed)


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1e300


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_stop(value: Any) -> bool:
    """Not one of asyncio's, whose wait() waits for nothing here: the flag is that of a coroutine function."""
    code = getattr(getattr(value, "wait", None), "__code__", None)
    return hasattr(value, "is_set") and hasattr(value, "wait") and not getattr(code, "co_flags", 0) & 0x80


def _need(holds: bool, key: str, expected: str, value: Any) -> None:
    if not holds:
        raise ConfigError(f"wait_for: {key}: expected {expected}, got {quoted(value, 60)}")


HINTS = {
    "expect": "until",
    "every": "interval",
    "polling_interval": "interval",
    "max_retries": "max_attempts",
    "retries": "max_attempts",
    "ignore_exceptions": "ignore",
    "alarm": "alarms",
}
"""Words of others for arguments of wait_for."""


def _refuse_others(options: Mapping[str, Any]) -> None:
    """What is no option of a request: it would be without effect. Raises ConfigError."""
    wrong = next((key for key in options if key not in OPTIONS), None)
    if wrong is None:
        return
    hint = f"write until={{{wrong!r}: ...}}" if wrong in all_keys() else did_you_mean(wrong, (*OPTIONS, *ARGUMENTS))
    hint = f"did you mean {HINTS[wrong]!r}?" if wrong in HINTS else hint
    raise ConfigError(f"wait_for: unknown option {wrong!r}; {hint}")


def _pace(interval: float, backoff: float, longest: float, retry_after: bool) -> Pace:
    _need(_is_positive(interval), "interval", "seconds > 0", interval)
    _need(_is_positive(backoff) and backoff >= 1, "backoff", "a factor, 1 or more", backoff)
    _need(_is_positive(longest), "max_interval", "seconds > 0", longest)
    return Pace(float(interval), float(backoff), float(longest), retry_after)


def _probe(target: Any) -> Any:
    """The target as a Check takes it."""
    if isinstance(target, os.PathLike) or (isinstance(target, str) and target.startswith(PATHS)):
        return PathProbe(target)
    return target


class _Wait:
    """One wait: what is asked, and how it is judged."""

    def __init__(
        self,
        target: Any,
        until: Spec | None,
        alarms: Any,
        options: Mapping[str, Any],
        request_timeout: float,
        ignore: tuple[type[Exception], ...],
        reverse: bool,
        clock: Clock | None = None,
    ) -> None:
        self.request_timeout, self.ignore, self.reverse = request_timeout, ignore, reverse
        self.clock = clock or SystemClock()
        target = _probe(target)
        try:
            check = Check("wait_for", target, timeout=request_timeout, expect=until, **options)
            self.prepared = prepare(check.spec())
        except ConfigError as error:
            raise ConfigError(
                str(error).replace("check 'wait_for'", "wait_for").replace(": expect:", ": until:")
            ) from None
        self.shown = str(target) if isinstance(target, PathProbe) else check.shown
        many = isinstance(alarms, Sequence) and not isinstance(alarms, (str, bytes))
        listed = [] if alarms is None else list(alarms) if many else [alarms]
        self.alarms = [Condition(alarm, "wait_for: alarms", bad=True) for alarm in listed]

    def run(self, pace: Pace, limits: Limits, stop: Stop, on_attempt: Callable[[Attempt], object] | None) -> Response:
        """Until it is met."""
        begun, number, met = self.clock.monotonic(), 0, 0
        spell = math.inf if limits.timeout is None else float(limits.timeout)
        deadline, spare = begun + spell, min(LAST, spell / 2)
        while not stop.is_set():
            number += 1
            response, why = self._ask(min(self.request_timeout, max(0.001, deadline - self.clock.monotonic())))
            response.attempts, response.waited = number, self.clock.monotonic() - begun
            if stop.is_set():
                break
            alarm, unjudged = self._alarm(response)
            if alarm is None and not why and self.clock.monotonic() > deadline + SLACK:
                why = "it was met too late"
            met = 0 if why else met + 1
            if on_attempt is not None:
                on_attempt(Attempt(number, response.waited, response, why if alarm is None else str(alarm)))
            if alarm is not None:
                raise alarm
            if met >= limits.stable:
                return response
            why = (why or f"met {met} of {limits.stable} times in a row") + unjudged
            if number == limits.max_attempts:
                raise self._given_up(number, begun, response, why, "no more are allowed")
            left = deadline - self.clock.monotonic()
            delay = pace.sleep(1 if met else number, response, self.clock.time(), left, spare)
            if isinstance(delay, str):
                raise self._given_up(number, begun, response, why, delay)
            stop.wait(delay)
        raise WaitCancelled(f"wait_for {self.shown}: cancelled after {self._spell(number, begun)}")

    def _ask(self, timeout: float) -> tuple[Response, str]:
        """One try: what was seen, and why that is not enough."""
        start = self.clock.monotonic()
        try:
            response = self.prepared.probe(timeout)
        except self.ignore as error:
            response = Response(error=Fault("exception", described(error)))
        if not isinstance(response, Response):
            raise TypeError(f"wait_for {self.shown}: expected a Response of the Probe, got {quoted(response)}")
        response.elapsed = self.clock.monotonic() - start
        verdict = judge(response, self.prepared.expect, None)
        met, raised = (
            verdict.outcome in (Outcome.PASS, Outcome.WARN),
            response.error is None and verdict.reason == "exception",
        )
        why = "" if met else self._hide(verdict.detail or verdict.reason)
        if self.reverse and not raised:  # a condition that raises does not say that the target is gone
            return response, "it still holds" if met else ""
        return response, why

    def _hide(self, text: str) -> str:
        return short(masked(text, self.prepared.probe), 300)

    def _alarm(self, response: Response) -> tuple[Alarm | None, str]:
        """The first alarm that holds, and what is to be told of those whose function has raised."""
        told = ""
        for alarm in self.alarms:
            unmet = alarm.unmet(response)
            if unmet is None:
                shown = self._hide(quoted(hidden(alarm.spec)))
                return Alarm(f"wait_for {self.shown}: alarm {shown}", response, alarm.spec), told
            if response.error is None and unmet.reason == "exception":
                told += f"; an alarm cannot be judged: {self._hide(unmet.text)}"
        return None, told

    def _given_up(self, number: int, begun: float, response: Response, why: str, reason: str) -> WaitTimeout:
        spell = f"{self._spell(number, begun)}{f' ({reason})' * bool(reason)}"
        elapsed = self.clock.monotonic() - begun
        text = f"wait_for {self.shown}: not met after {spell}: {why}"
        return WaitTimeout(text, attempts=number, elapsed=elapsed, response=response, why=why)

    def _spell(self, number: int, begun: float) -> str:
        return f"{number} attempt{'s' * (number != 1)} in {self.clock.monotonic() - begun:.1f} s"


ARGUMENTS = tuple(key for key in wait_for.__annotations__ if key not in ("target", "options", "return"))
"""What wait_for takes by name, but for options of a request."""
LOOKS = 0.02
"""Seconds between two looks at a state."""


def wait_for_status(
    name: str, status: str | Iterable[str], look: Callable[[], CheckState | None], timeout: float | None, stop: Any
) -> CheckState:
    """Look at a state until it has this status, or one of several; `look` gives None when there is no more to come."""
    listed = [status] if isinstance(status, str) or not isinstance(status, Iterable) else list(status)
    known = bool(listed) and all(one in list(Status) for one in listed)
    _need(known, "status", "unknown, up, degraded or down", status)
    wanted = {str(Status(one).value) for one in listed}
    _need(stop is None or _is_stop(stop), "stop", "a threading.Event", stop)
    _need(timeout is None or _is_positive(timeout), "timeout", "seconds > 0, or None", timeout)
    begun = time.monotonic()
    end = math.inf if timeout is None else begun + timeout
    rest = stop or threading.Event()
    while not rest.is_set() and (state := look()) is not None:
        if state.status.value in wanted:
            return state
        left = end - time.monotonic()
        if left <= 0:
            why = f"it is {state.status}{f' ({state.explanation})' * bool(state.explanation)}"
            words = " or ".join(sorted(wanted))
            text = f"wait_for {name}: not {words} after {time.monotonic() - begun:.1f} s: {why}"
            raise WaitTimeout(text, elapsed=time.monotonic() - begun, why=why)
        rest.wait(min(LOOKS, left))
    raise WaitCancelled(f"wait_for {name}: cancelled after {time.monotonic() - begun:.1f} s")
