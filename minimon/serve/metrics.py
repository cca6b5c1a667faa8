"""From a snapshot to the text that Prometheus scrapes: text format 0.0.4, or OpenMetrics 1.0.0 where that is preferred.

Pure: all that is told is in the snapshot, which may as well be one that another process wrote. Samples are the same in
both formats, to the letter, so that no series changes its labels with the format; only what is said about them differs.

Nothing here raises for what is in a snapshot: what is not as expected is left out. No address and no text of an
answer is shown. The text of ten thousand checks is made in pieces, for no other thread is to wait for the whole.

Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ and the specification of OpenMetrics 1.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from .. import __version__
from ..latency import LE
from ..model import REASONS, Outcome, Status
from ..uptime import WINDOWS
from .accept import prefers

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The Content-Type of each format."""

ROLES = ("leader", "follower", "solo")
"""What a worker may be among several."""
WORDS = ("healthy", "degraded", "unhealthy", "unknown")
"""What all checks may amount to."""
STATES = tuple(status.value for status in Status)
PROCESS_STATES = ("stopped", "starting", "running", "ready", "backoff", "stopping", "exited", "failed")
SERVING = ("running", "ready")
OUTCOMES = tuple(outcome.value for outcome in Outcome)
OF_FAILURES = (
    *("dns", "connect", "tls", "timeout", "protocol", "truncated"),
    *("status", "condition", "too_large", "exception"),
)
PAIRS = (
    ("pass", ""),
    ("warn", "condition"),
    *(("fail", reason) for reason in OF_FAILURES),
    *(("unknown", reason) for reason in ("timeout", "lost", "skipped", "cancelled")),
)
"""How runs end, and why: these are told from the first scrape on, for a rate needs a zero to begin with. A probe of
the host's may find others, which are told once they were seen."""

TAGS = 32
"""Names of tags that all checks have as labels, empty where they have no such tag; if there are more, each has its own
only. To Prometheus both are the same."""
LONGEST = 1000
"""Characters of a label's value that are shown."""
BATCH = 64
"""Checks of which the text is put together at once."""

_MARK = "\0"  # where the labels of a check or a process go; no text has one
_WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a snapshot raises that is not one of ours."""

Document = Mapping[str, Any]
"""A snapshot, or a check or a process in it."""


# --- numbers and texts


def _number(value: Any) -> str:
    """A number as both formats have it. Raises ValueError for what is none; NaN and infinity are none."""
    if isinstance(value, float) and value - value == 0.0:
        return float.__repr__(value)
    if isinstance(value, int):
        return f"{value:d}"
    raise ValueError("no number")


def _epoch(stamp: str) -> str:
    """Seconds since the epoch of an instant in ISO 8601. Raises ValueError for years that stand for nonsense."""
    instant = datetime.fromisoformat(f"{stamp[:-1]}+00:00")
    if instant.year < 1970:
        raise ValueError("no time of ours")
    return _number(instant.timestamp())


_ODD = re.compile('["\\\\\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_ESCAPES = {"\n": r"\n", "\\": r"\\", '"': r"\""}
_NO_LABEL = re.compile("[^a-zA-Z0-9_]")


def escaped(text: Any) -> str:
    """The value of a label, between quotes. What could break a line or be no UTF-8 is replaced by U+FFFD."""
    text = text[:LONGEST] if isinstance(text, str) else ""
    return _ODD.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text) if _ODD.search(text) else text


class _Taken:
    """Texts that must differ: one that is taken gets a number."""

    def __init__(self, form: str) -> None:
        self._form, self._seen = form, dict[str, int]()

    def take(self, text: str) -> str:
        """This text, or with the first number that is free."""
        n, free = self._seen.get(text, 0), text
        while n and free in self._seen:
            n += 1
            free = self._form.format(text, n)
        self._seen[text] = n or 1
        self._seen.setdefault(free, 1)
        return free


# --- whose they are


def tag_labels(names: Iterable[str]) -> dict[str, str]:
    """The label of each tag: `tag_` before the name, with `_` for what no label may have, so that it is like no other.

    If that makes names equal, one which needs no change stays as it is, and of the others the first in the alphabet;
    the second becomes `..._2`.
    """
    taken = _Taken("{}_{}")
    ranked = sorted(names, key=lambda name: (_NO_LABEL.search(name) is not None, name))
    return {name: taken.take(f"tag_{_NO_LABEL.sub('_', name[:LONGEST])}") for name in ranked}


class _Checks:
    """All checks of a document: what tells each from the others, and what is known of it."""

    def __init__(self, owner: str, document: Document) -> None:
        checks = _mapping(document, "checks")
        found = {name: view for name, view in checks.items() if isinstance(view, Mapping) and "status" in view}
        self.views = list(found.values())
        self.tags = {tag: None for view in self.views for tag in _mapping(view, "tags") if isinstance(tag, str)}
        self._owner, self._names = f"{owner}," if owner else "", list(found)

    def labels(self, names: Mapping[str, str]) -> list[str]:
        """Of each check, with these labels for its tags."""
        taken, none = _Taken("{} ({})"), dict.fromkeys(names.values(), "") if len(names) <= TAGS else {}
        return [
            f'{self._owner}check="{taken.take(escaped(name))}",group="{escaped(view.get("group"))}"'
            + (_tagged(_mapping(view, "tags"), names, none) if names else "")
            for name, view in zip(self._names, self.views)
        ]


def _tagged(tags: Document, names: Mapping[str, str], none: Mapping[str, str]) -> str:
    shown = {**none, **{names[tag]: escaped(value) for tag, value in tags.items() if tag in names}}
    return "".join([f',{label}="{value}"' for label, value in shown.items()])


def _mapping(document: Document, key: str) -> Document:
    """What is there, if it is a mapping; else an empty one."""
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def _documents(snapshot: Any) -> list[tuple[str, Document]]:
    """Each subject's document, with the label that tells it from the others. With several, their whole has no label."""
    if not isinstance(snapshot, Mapping):
        return []
    subjects = snapshot.get("subjects")
    if not isinstance(subjects, (list, tuple)):
        return [("", snapshot)]
    taken, whole = _Taken("{} ({})"), {"overall": snapshot.get("overall")}
    found: list[tuple[str, Document]] = [("", whole)]
    for number, subject in enumerate(subjects, 1):
        if isinstance(subject, Mapping):
            name = escaped(_mapping(subject, "service").get("name")) or str(number)
            found.append((f'subject="{taken.take(name)}"', subject))
    return found


# --- what is known of a check


def _lines(name: str, label: str = "", values: Iterable[str] = ("",), number: str = "%s") -> str:
    """Samples with the labels of a check, and one more, of which these are the values."""
    more = [f',{label}="{value}"' if label else "" for value in values]
    return "".join(f"minimon_check_{name}{{{_MARK}{each}}} {number}\n" for each in more)


_UP = {"up": _lines("up") % 1, "degraded": _lines("up") % 1, "down": _lines("up") % 0, "unknown": ""}
_STATE = {each: _lines("state", "state", STATES) % tuple(int(state == each) for state in STATES) for each in STATES}
_RUNS = "".join(f'minimon_check_runs_total{{{_MARK},outcome="%s",reason="%s"}} %%d\n' % pair for pair in PAIRS)
_NO_RUNS = dict.fromkeys(PAIRS, 0)
_DURATION = (
    _lines("duration_seconds_bucket", "le", [*map(repr, LE), "+Inf"], "%d")
    + _lines("duration_seconds_count", number="%d")
    + _lines("duration_seconds_sum")
)
_FLAGS = {key: {flag: _lines(key) % int(flag) for flag in (True, False)} for key in ("paused", "critical", "flapping")}
_EXPIRY = _lines("certificate_expiry_timestamp_seconds")
_WINDOWS = {window: _lines("uptime_ratio", "window", [window]) for window in WINDOWS}
_PHASES = {
    phase: _lines("phase_seconds", "phase", [phase])
    for phase in ("dns", "connect", "proxy", "tls", "first_byte", "transfer")
}
"""Those of our own probes."""


def _up(view: Document) -> str:
    return "" if view["paused"] else _UP[view["status"]]


def _state(view: Document) -> str:
    return "" if view["paused"] else _STATE[view["status"]]


def _flag(key: str) -> Callable[[Document], str]:
    return lambda view: _FLAGS[key][view[key]]


def _runs(view: Document) -> str:
    counts, tally = view["counts"], _NO_RUNS.copy()
    tally["pass", ""] = counts["pass"]
    for outcome, reasons in view["reasons"].items():
        for reason, n in reasons.items():
            tally[outcome, reason] = n
    if sum(counts.values()) != sum(tally.values()):
        _add_rest(counts, tally)
    numbers = tuple(tally.values())
    text = _RUNS % numbers[: len(PAIRS)]
    return text if len(numbers) == len(PAIRS) else text + _others(tally)


def _add_rest(counts: Document, tally: dict[tuple[str, str], int]) -> None:
    """Runs for which nobody gave a reason, or of which it is not known any more."""
    for outcome in OUTCOMES:
        rest = counts[outcome] - sum(n for pair, n in tally.items() if pair[0] == outcome)
        if rest > 0:
            tally[outcome, ""] = rest


def _others(tally: dict[tuple[str, str], int]) -> str:
    return "".join(
        f'minimon_check_runs_total{{{_MARK},outcome="{outcome}",reason="{reason}"}} {n:d}\n'
        for (outcome, reason), n in islice(tally.items(), len(PAIRS), None)
        if outcome in OUTCOMES and (reason == "" or reason in REASONS)
    )


def _duration(view: Document) -> str:
    histogram = view["histogram"]
    counts = histogram["counts"]
    return _DURATION % (*counts, counts[-1], _number(histogram["sum_s"]))


def _phases(view: Document) -> str:
    phases = view["last"].get("phases") if view["last"] else None
    return "".join(
        [
            (_PHASES.get(phase) or _lines("phase_seconds", "phase", [_unpercented(phase)])) % _number(seconds)
            for phase, seconds in (phases or {}).items()
            if phase != "total"
        ]
    )


def _unpercented(text: str) -> str:
    """The value of a label in lines that are formatted yet."""
    return escaped(text).replace("%", "%%")


def _expiry(view: Document) -> str:
    certificate = view["last"]["transport"]["certificate"]
    return _EXPIRY % _epoch(certificate.get("chain_not_after") or certificate["not_after"])


def _uptime(view: Document) -> str:
    return "".join(
        [
            _WINDOWS[window] % _number(seen["ratio"])
            for window, seen in view["uptime"].items()
            if seen["ratio"] is not None
        ]
    )


# --- what is known of a process


def _processes(owner: str, document: Document) -> Iterator[tuple[str, Document]]:
    """Each with its labels. What is in no state that we know is none of ours."""
    taken = _Taken("{} ({})")
    for name, view in _mapping(document, "processes").items():
        if isinstance(view, Mapping) and view.get("state") in PROCESS_STATES:
            yield f'{f"{owner}," if owner else ""}process="{taken.take(escaped(name))}"', view


def _process_up(view: Document) -> str:
    if view["state"] in SERVING:
        return f"minimon_process_up{{{_MARK}}} 1\n"
    return f"minimon_process_up{{{_MARK}}} 0\n" if view["well"] is False else ""


def _process_state(view: Document) -> str:
    samples = ((each, int(each == view["state"])) for each in PROCESS_STATES)
    return "".join(f'minimon_process_state{{{_MARK},state="{each}"}} {number}\n' for each, number in samples)


def _process_number(name: str, key: str) -> Callable[[Document], str]:
    return lambda view: f"minimon_process_{name}{{{_MARK}}} {_number(view[key])}\n"


# --- what is known of a monitor


Samples = Iterable[tuple[str, Any]]
"""Further labels, and a number."""


def _build(_: Document) -> Samples:
    return [(f'version="{__version__}"', 1)]


def _overall(document: Document) -> Samples:
    overall = document["overall"]
    return [(f'state="{word}"', word == overall) for word in WORDS if overall in WORDS]


def _role(document: Document) -> Samples:
    role = document["sharing"]["role"]
    return [(f'role="{word}"', word == role) for word in ROLES if role in ROLES]


def _age(document: Document) -> Samples:
    return [("", document["sharing"]["age_s"])]


def _self(key: str) -> Callable[[Document], Samples]:
    return lambda document: [("", document["self"][key])]


def _lost(document: Document) -> Samples:
    return [("", document["self"]["lost"] != "")]


def _file_problem(document: Document) -> Samples:
    return [("", document["self"]["state_file"]["problem"] != "")]


def _start_time(document: Document) -> Samples:
    return [("", float(_epoch(document["service"]["started_at"])))]


# --- the families


class Family(NamedTuple):
    """Samples of one name and meaning."""

    name: str
    """Without the prefix."""
    kind: str
    """gauge, counter, histogram or info."""
    meaning: str
    build: Callable[[Document], Any]
    """From a check or process to its lines, with a mark for its labels; or from a document to its samples."""
    labels: tuple[str, ...] = ()
    """Beside those that tell a check, a process, or a subject, from others."""
    prefix: str = "minimon_"

    @property
    def title(self) -> str:
        """Its whole name, with those labels."""
        return f"{self.prefix}{self.name}{'{' + ','.join(self.labels) + '}' if self.labels else ''}"


def _per_check(name: str, kind: str, meaning: str, build: Callable[[Document], str], *labels: str) -> Family:
    return Family(f"check_{name}", kind, meaning, build, labels)


def _per_process(name: str, kind: str, meaning: str, key: str) -> Family:
    return Family(f"process_{name}", kind, meaning, _process_number(name, key))


_FAMILIES_OF_SELF = (
    ("workers", "gauge", "Threads of the pool, without those set aside.", _self("workers")),
    ("busy", "gauge", "Workers that are at a run.", _self("busy")),
    ("stuck", "gauge", "Runs that have outlived their deadline and not ended.", _self("stuck")),
    ("queue", "gauge", "Due runs that wait for a worker.", _self("queue")),
    ("lag_seconds", "gauge", "How late a run has started or still waits: the most of the latest 256.", _self("lag_s")),
    ("missed_total", "counter", "Turns that were left out, for the run before or the pool was busy.", _self("missed")),
    (
        "suspended_seconds_total",
        "counter",
        "Time in which the process or the machine stood still.",
        _self("suspended_s"),
    ),
    ("late_total", "counter", "Results that a newer one had overtaken.", _self("late")),
    ("clock_jumps_total", "counter", "Times that somebody has set the wall clock.", _self("clock_jumps")),
    ("dropped_total", "counter", "Changes that on_change was not told of, because it was too slow.", _self("dropped")),
    ("callback_errors_total", "counter", "Calls of on_change that raised.", _self("callback_errors")),
    ("lost", "gauge", "1 while the monitor itself has no network, as its canaries say.", _lost),
    ("state_file_problem", "gauge", "1 while the state file cannot be saved; absent without one.", _file_problem),
)
OF_MONITORS = (
    Family("start_time_seconds", "gauge", "When the monitor was started, since the epoch.", _start_time),
    Family("overall", "gauge", "1 for the word of all checks, as /health has it; else 0.", _overall, ("state",)),
    Family(
        "role", "gauge", "1 for what this worker is: leader, which polls, follower or solo; else 0.", _role, ("role",)
    ),
    Family("snapshot_age_seconds", "gauge", "Since the worker that polls has told what this one knows.", _age),
    *(Family(f"self_{name}", kind, meaning, build) for name, kind, meaning, build in _FAMILIES_OF_SELF),
)
"""What is told of a monitor. Where several are served, each has the label subject; their common word has none."""
OF_CHECKS = (
    _per_check("up", "gauge", "1 when up or degraded, 0 when down; absent while unknown or paused.", _up),
    _per_check("state", "gauge", "1 for the state that the check is in, else 0; absent while paused.", _state, "state"),
    _per_check("paused", "gauge", "1 while it is left out.", _flag("paused")),
    _per_check("critical", "gauge", "1 when its failure makes the whole unhealthy.", _flag("critical")),
    _per_check("flapping", "gauge", "1 while it changes so often that on_change is not told.", _flag("flapping")),
    _per_check("runs_total", "counter", "Runs, by how they ended and why.", _runs, "outcome", "reason"),
    _per_check(
        "duration_seconds", "histogram", "Time of runs that passed, warned or failed; not unknown ones.", _duration
    ),
    _per_check("phase_seconds", "gauge", "Time of each phase that the latest run entered.", _phases, "phase"),
    _per_check(
        "certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate, or the first known of its chain, expires; absent when the latest run saw none.",
        _expiry,
    ),
    _per_check(
        "uptime_ratio",
        "gauge",
        "Of the time covered, that was up or degraded; absent when nothing was covered.",
        _uptime,
        "window",
    ),
)
"""What is told of each check, with the labels check, group and tag_NAME."""
OF_PROCESSES = (
    Family(
        "process_up",
        "gauge",
        "1 while running or ready; 0 while it should be and is not, or has ended as it should not; absent when nobody"
        " wants it up, or it has done what it was for.",
        _process_up,
    ),
    Family("process_state", "gauge", "1 for the state that the process is in, else 0.", _process_state, ("state",)),
    _per_process("restarts_total", "counter", "Times that it was launched again, by itself or by hand.", "restarts"),
    _per_process("uptime_seconds", "gauge", "Since it was launched; absent while there is no process.", "uptime_s"),
    _per_process("output_bytes_total", "counter", "What it has written, over all of its runs.", "output_bytes"),
)
"""What is told of each process of a Supervisor, with the label process."""
BUILD = Family("build_info", "info", "The version of minimon; always 1.", _build, ("version",))
FAMILIES = (BUILD, *OF_MONITORS, *OF_CHECKS, *OF_PROCESSES)
"""All of them, in the order in which they are told."""


def head(family: Family, openmetrics: bool) -> str:
    """What is said about a family before its samples."""
    name, kind = f"{family.prefix}{family.name}", family.kind
    if not openmetrics:
        kind = "gauge" if kind == "info" else kind
        return f"# HELP {name} {family.meaning}\n# TYPE {name} {kind}\n"
    name = re.sub("_total$|_info$", "", name)
    unit = name.rpartition("_")[2]
    units = f"# UNIT {name} {unit}\n" if unit in ("seconds", "ratio", "bytes") else ""
    return f"# TYPE {name} {kind}\n{units}# HELP {name} {family.meaning}\n"


def samples(family: Family, documents: Iterable[tuple[str, Document]]) -> str:
    """Those of monitors, or of other documents, each with the label that tells it from others."""
    lines = []
    for owner, document in documents:
        try:
            found = [(labels, _number(value)) for labels, value in family.build(document)]
        except _WRONG:
            continue
        for labels, number in found:
            both = ",".join(filter(None, (owner, labels)))
            lines.append(f"{family.prefix}{family.name}{f'{{{both}}}' if both else ''} {number}\n")
    return "".join(lines)


def _of_each(family: Family, views: Iterable[tuple[str, Document]]) -> Iterator[str]:
    """Those of checks or processes, a batch at a time."""
    build, pairs = family.build, iter(views)
    while batch := list(islice(pairs, BATCH)):
        lines = []
        for labels, view in batch:
            try:
                lines.append(build(view).replace(_MARK, labels))
            except _WRONG:
                continue
        yield "".join(lines)


def pieces(snapshot: Any, openmetrics: bool = False) -> Iterator[bytes]:
    """The text of `metrics`, piece by piece: none takes long, and a family without samples is left out."""
    documents = _documents(snapshot)
    monitors = [(owner, each) for owner, each in documents if isinstance(each.get("checks"), Mapping)]
    groups = [_Checks(owner, document) for owner, document in monitors]
    names = tag_labels({tag for checks in groups for tag in checks.tags})
    labels = [label for checks in groups for label in checks.labels(names)]
    checks = list(zip(labels, (view for each in groups for view in each.views)))
    processes = [each for owner, document in documents for each in _processes(owner, document)]
    yield f"{head(BUILD, openmetrics)}{samples(BUILD, [('', {})])}".encode()
    for family in OF_MONITORS:
        text = samples(family, documents if family.build is _overall else monitors)
        yield f"{head(family, openmetrics)}{text}".encode() if text else b""
    for family in (*OF_CHECKS, *OF_PROCESSES):
        before, views = head(family, openmetrics), checks if family in OF_CHECKS else processes
        for text in filter(None, _of_each(family, views)):
            yield f"{before}{text}".encode("utf-8", "replace")
            before = ""
    yield b"# EOF\n" if openmetrics else b""


def prefers_openmetrics(accept: str) -> bool:
    """Whether this Accept header would rather have OpenMetrics 1.0.0; text, where none of both is wanted."""
    return prefers(accept, ("application/openmetrics-text", "1.0.0"), ("text/plain", "0.0.4"))


def metrics(snapshot: Mapping[str, Any], accept: str = "") -> tuple[bytes, str]:
    """What `/metrics` answers: the body, and its Content-Type. `accept` is the Accept header of the request.

    The snapshot is that of a Monitor or a Supervisor; or `{"subjects": [...]}` of several; or any document of a plain
    subject, of which no more is told than its word, if it has one. Raises nothing. For many checks it takes a while:
    10,000 take a third of a second, in which other threads run.
    """
    openmetrics = prefers_openmetrics(accept)
    found = list(pieces(snapshot, openmetrics))
    return b"".join(found), OPENMETRICS if openmetrics else TEXT  # from 3.10 on others run while it joins so much
