"""The values on a poll's way: what was seen, what was concluded, what it changed. All immutable but Response."""

from __future__ import annotations

import encodings
import encodings.aliases
import enum
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .checks import Check

REASONS = {
    "dns": "the name could not be looked up",
    "connect": "no connection, or it was reset before an answer",
    "tls": "the TLS handshake or the certificate failed",
    "timeout": "whatever ended at the deadline",
    "protocol": "not HTTP, bad framing, a redirect that leads nowhere",
    "truncated": "the answer ended before it was whole",
    "status": "the status code is not the expected one",
    "condition": "a condition does not hold, a callable returned a false value",
    "too_large": "the answer is larger than max_body",
    "exception": "the host's own code raised",
    "stale": "no run finished in time, so nothing is known",
    "lost": "the monitor itself had no network",
    "cancelled": "the run was given up",
    "skipped": "the run was not made",
}
"""The closed set of reasons of a Result that did not pass, each with its meaning."""


class _Word(str, enum.Enum):
    """A closed set of words; each equals its text and is written as it."""

    __str__ = str.__str__

    def __format__(self, spec: str) -> str:
        return str.__format__(self, spec)


class Status(_Word):
    """What a check is held to be: `Status.UP == "up"`."""

    UNKNOWN = "unknown"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


UNFIT = (Status.DOWN, Status.UNKNOWN)
"""With which nothing can be done."""


class Outcome(_Word):
    """How one run ended: `Outcome.PASS == "pass"`."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Fault(NamedTuple):
    """Why there is no answer to judge. The value of `Response.error`."""

    kind: str
    """One of REASONS."""
    detail: str = ""
    """The phase and the fact, for people."""


class Headers(Mapping[str, str]):
    """Response headers: names in any case, repeats kept (`get_all`), order kept. A lookup gives the first.

    Pairs may be a function, which is called when the first header is asked for.
    """

    __slots__ = ("_given",)

    def __init__(self, pairs: Iterable[tuple[str, str]] | Callable[[], Iterable[tuple[str, str]]] = ()) -> None:
        self._given: Any = pairs if callable(pairs) else tuple(pairs)

    @property
    def _pairs(self) -> tuple[tuple[str, str], ...]:
        if callable(self._given):
            self._given = tuple(self._given())
        return self._given  # type: ignore[no-any-return]

    def __getitem__(self, name: str) -> str:
        for value in self.get_all(name):
            return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self._pairs))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._pairs})

    def get_all(self, name: str, default: Iterable[str] = ()) -> list[str]:
        """Every value of this header, in the order of the answer; `default` when there is none."""
        wanted = name.lower()
        return [value for key, value in self._pairs if key.lower() == wanted] or list(default)


class Response:
    """What one observation saw. Conditions and a Resource's `check` look at it.

    status_code    the number of the final answer; None without HTTP
    reason_phrase  the text beside it
    headers        Headers, or anything that makes them: a mapping or (name, value) pairs
    body           bytes, whole
    value          what a callable returned
    error          a Fault where there was no whole answer, else None
    elapsed        seconds from the start of the run, set by the harness
    phases         seconds by phase, see Result; None where no probe measures them
    transport      how it came: see Result
    attempts       tries until it was seen, and
    waited         seconds, where somebody waited for it
    warning        what is not well though the answer is whole: it makes a pass a warning
    """

    __slots__ = (
        *("_document", "_text", "body", "elapsed", "error", "headers", "phases", "reason_phrase"),
        *("attempts", "status_code", "transport", "value", "waited", "warning"),
    )

    def __init__(
        self,
        status_code: int | None = None,
        body: bytes | str = b"",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        reason_phrase: str = "",
        value: Any = None,
        error: Fault | None = None,
        elapsed: float = 0.0,
        phases: Mapping[str, float] | None = None,
        transport: Mapping[str, Any] | None = None,
        warning: str = "",
    ) -> None:
        self.status_code = status_code
        self.body = body.encode() if isinstance(body, str) else body or b""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        self.headers = headers if isinstance(headers, Headers) else Headers(pairs)
        self.reason_phrase = reason_phrase
        self.value = value
        self.error = error
        self.elapsed = elapsed
        self.phases = phases
        self._text: tuple[bytes, str] | None = None
        self._document: tuple[bytes, Any] | None = None
        self.attempts, self.waited = 1, 0.0
        self.transport = transport
        self.warning = warning

    @property
    def text(self) -> str:
        """The body as text: the charset of Content-Type, else UTF-8; what does not decode is replaced.

        Of a callable, the text that it returned.
        """
        if self.status_code is None and not self.body and isinstance(self.value, (str, bytes)):
            return self.value if isinstance(self.value, str) else self.value.decode("utf-8", "replace")
        if self._text is None or self._text[0] is not self.body:
            charset = _charset(self.headers.get("content-type", ""))
            self._text = self.body, self.body.decode(charset if _is_charset(charset) else "utf-8", "replace")
        return self._text[1]

    def json(self) -> Any:
        """The body as JSON. Raises ValueError for what is not JSON, NaN and Infinity among it (RFC 8259, 6)."""
        return parse_json(self.body)

    @property
    def document(self) -> Any:
        """The same, parsed once for all conditions: not to be changed. Of a callable, what it returned."""
        if self.status_code is None and not self.body and (self.value is not None or self.transport is None):
            return _as_json(self.value)
        if self._document is None or self._document[0] is not self.body:
            self._document = self.body, parse_json(self.body)
        return self._document[1]

    def __repr__(self) -> str:
        seen = self.error or (self.value if self.status_code is None else f"{len(self.body)} bytes")
        return f"<Response {self.status_code or '-'} {seen!r:.80}>"


def _as_json(value: Any) -> Any:
    """A value of the host's with its tuples as lists, as JSON has them."""
    try:
        return _without_tuples(value)
    except RecursionError:
        return value


def _without_tuples(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_without_tuples(item) for item in value]
    return {key: _without_tuples(item) for key, item in value.items()} if isinstance(value, dict) else value


def _is_charset(name: str) -> bool:
    """Whether Python has a codec of this name for texts. It is not asked, for it keeps every name that it is asked for.

    Some of its codecs are for no texts on the way, and take a time that grows with the square.
    """
    plain = encodings.normalize_encoding(name).lower()
    canonical = encodings.aliases.aliases.get(plain, plain)
    return canonical in _CHARSETS and not canonical.endswith(("_codec", "rot_13", "mbcs"))  # the last of Windows only


_CHARSETS = frozenset(encodings.aliases.aliases.values())


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            return value.strip().strip("\"'") or "utf-8"
    return "utf-8"


def parse_json(body: bytes) -> Any:
    """Bytes as JSON, strictly (RFC 8259); the last of equal keys counts.

    Raises ValueError: for NaN and Infinity, what is not UTF-8, nesting too deep, numbers too long or too large as well.
    """
    import json

    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _whole(digits: str) -> int:
    """Not more than Python takes by default: the time for it grows with the square, and cannot be interrupted."""
    if len(digits.lstrip("-")) > 4300:
        raise ValueError(f"a number of {len(digits)} digits is too long")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    return _refuse(digits) if number in (float("inf"), float("-inf")) else number


class Result(NamedTuple):
    """One finished run. No body is kept."""

    name: str
    """The check's name."""
    outcome: Outcome
    """pass, warn, fail or unknown; `.ok` is true for the first two."""
    reason: str = ""
    """One of REASONS; empty when passed."""
    detail: str = ""
    """What was expected and what was seen, for people."""
    when: float = 0.0
    """Start of the run, seconds since the epoch by the wall clock."""
    elapsed: float = 0.0
    """Seconds, by the monotonic clock."""
    phases: Mapping[str, float] | None = None
    """Seconds by phase, of those that were entered: dns, connect, proxy, tls, first_byte, transfer; and their total."""
    status_code: int | None = None
    """None without HTTP."""
    started: float | None = None
    """Start of the run, seconds by the monitor's monotonic clock: puts results in order; None where it is not known."""
    transport: Mapping[str, Any] | None = None
    """How it came: address, redirects (and then url), bytes, reused; with TLS its version (tls) and the certificate."""

    @property
    def ok(self) -> bool:
        """True for pass and warn."""
        return self.outcome is Outcome.PASS or self.outcome is Outcome.WARN

    def plain(self) -> dict[str, Any]:
        """The same as a dict that JSON and pickle carry; `Result.of` reads it back."""
        maps = {"phases": self.phases, "transport": self.transport}
        copies = {key: None if value is None else dict(value) for key, value in maps.items()}
        return {**self._asdict(), "outcome": self.outcome.value, **copies}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Result:
        """The Result that `plain()` described."""
        return cls(**{**plain, "outcome": Outcome(plain["outcome"])})


class Streak(NamedTuple):
    """How many times in a row the latest outcome was seen."""

    outcome: Outcome = Outcome.UNKNOWN
    n: int = 0


class Counts(NamedTuple):
    """Runs by outcome since the check was added."""

    pass_: int = 0
    warn: int = 0
    fail: int = 0
    unknown: int = 0


class CheckState(NamedTuple):
    """The folded history of one check."""

    name: str
    """The check's name."""
    status: Status = Status.UNKNOWN
    """unknown, up, degraded or down; each equals its text."""
    since: float = 0.0
    """When the status was last changed, seconds since the epoch."""
    streak: Streak = Streak()
    """The latest outcome, and how often it was seen in a row."""
    counts: Counts = Counts()
    """Runs by outcome."""
    reasons: tuple[tuple[str, str, int], ...] = ()
    """How often runs ended so and for that reason: (outcome, reason, n)."""
    last: Result | None = None
    """The latest run; None before the first."""
    paused: bool = False
    """Whether it is left out for now."""
    explanation: str = ""
    """Why the status is not `up`, or what is on the way to change it."""
    decided: Status = Status.UNKNOWN
    """The last status that was decided by thresholds; `unknown` results leave it as it is."""
    passes: int = 0
    """Runs in a row that passed or warned: what `rise` counts."""
    turned: float | None = None
    """Start of the first run in a row that was of this kind (answered, failed, unknown), as `Result.started`."""
    prior: Status = Status.UNKNOWN
    """What was decided before that run."""
    flapping: bool = False
    """Whether it changes so often that its changes are not told for now."""

    @property
    def answered(self) -> int:
        """Runs that passed or warned."""
        return self.counts.pass_ + self.counts.warn


_RESTING = (Status.UNKNOWN, Status.UP)


class Change(NamedTuple):
    """What one record did to one check: what `on_change` is called with, if it is `.news`."""

    name: str
    """The check's name."""
    check: Check
    """The Check itself."""
    before: CheckState
    """The state before; `change.before.status == "up"` holds."""
    after: CheckState
    """The state after."""
    result: Result
    """What made the difference."""

    @property
    def news(self) -> bool:
        """True when `on_change` is told of it: the status differs, but not while it is flapping.

        Nor is it that the monitor's check of itself begins or ends: a start or a stop is no news.
        """
        before, after = self.before, self.after
        if before.status is after.status or (before.flapping and after.flapping):
            return False
        return not (self.check.own and before.status in _RESTING and after.status in _RESTING)


_EPOCH = datetime(1970, 1, 1)
View = dict[str, Any]
"""Plain data that JSON carries."""


def stamp(seconds: float) -> str:
    """An instant as ISO 8601 in UTC with milliseconds: 2026-11-21T08:30:00.123Z. Seconds since the epoch."""
    second = (seconds + 5e-7) // 1.0  # cut, and not rounded, but for what floats have lost
    return _second(second) + _millisecond(int((seconds + 5e-7 - second) * 1000) if second - second == 0.0 else 0)


@functools.lru_cache(1000)
def _millisecond(number: int) -> str:
    return f".{number:03d}Z"


@functools.lru_cache(1000)
def _second(second: float) -> str:
    """A whole second as text: many results share one."""
    try:
        return (_EPOCH + timedelta(0, second)).isoformat()
    except (OverflowError, ValueError):  # a wall clock set to nonsense must not break a page
        return "0001-01-01T00:00:00"


class _Plain:
    """Its `__dict__` is a view. Dicts of one class share their keys, and take half of the memory of others."""


def result_view(result: Result) -> View:
    """A result as `/status` has it."""
    _, outcome, reason, detail, when, elapsed, _, code, _, _ = result
    view: Any = _Plain()
    view.outcome = outcome._value_
    view.reason = reason
    view.detail = detail
    view.at = stamp(when)
    view.elapsed_s = elapsed
    view.status_code = code
    return view.__dict__  # type: ignore[no-any-return]


def transported(view: View, result: Result) -> View:
    """The view of a result, with how it came, if a probe has told."""
    if result.phases is None and result.transport is None:
        return view
    phases = {phase: round(seconds, 6) for phase, seconds in (result.phases or {}).items()}
    return {**view, "phases": phases, "transport": dict(result.transport or {})}


def validity(certificate: Mapping[str, Any]) -> str:
    """How long a certificate is good, and who says so, for people; of a Result's `transport`."""
    days = certificate["days"]
    when = f"expired {-days:.1f} days ago" if days < 0 else f"expires in {days:.1f} days"
    return f"it {when} ({certificate['not_after'][:10]}), issued by {certificate['issuer'] or 'nobody'}"


def span(seconds: float) -> str:
    """Seconds in the largest unit that they fill, rounded down."""
    whole = int(max(0.0, seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
