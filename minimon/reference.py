"""The reference that `help [TOPIC]` prints, made from the docstrings and tables that the code itself uses.

Docstrings are read from the source, which every loader of Python code can give: so this works from a zip, and
under -OO, where docstrings are left out of the memory.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .options import OPTIONS, TAKEN

WIDEST = 100
"""Columns that a line of the reference has at most: longer ones are hard to read."""

DOCUMENT = {
    "schema": "the form of this document: 1",
    "service.name": "the monitor's name",
    "service.version": "of minimon",
    "service.pid": "the process that polls",
    "service.uptime_s": "since start()",
    "service.started_at": "when start() was called, null while stopped",
    "service.draining": "whether no more requests are wanted",
    "sharing.role": "of several workers: leader (it polls), follower (another one does), solo; null if stopped",
    "sharing.pid": "the process that answers",
    "sharing.leader_pid": "the process that polls; null when it is solo, or nobody has told yet",
    "sharing.age_s": "since the process that polls has told what is answered",
    "sharing.problem": "why that counts no more, or is not told; empty for none",
    "overall": "healthy, degraded, unhealthy or unknown: the word of /health",
    "counts": "how many checks there are of each status, without those paused, and how many are; `minimon` is one",
    "groups": "the word for each group that has a name, as `overall` is for all",
    "checks.NAME.status": "unknown, up, degraded or down; unknown too when no run finished within 2 x every + timeout",
    "checks.NAME.paused": "whether it is left out for now",
    "checks.NAME.critical": "whether its failure makes the whole unhealthy",
    "checks.NAME.group": "as given",
    "checks.NAME.tags": "as given",
    "checks.NAME.since": "when the status changed last",
    "checks.NAME.explanation": "why it is not up, or what is on the way to change it",
    "checks.NAME.flapping": "whether it changed 4 times in 10 minutes, and is silent until it did not for 10 minutes",
    "checks.NAME.streak": "the latest outcome, and how many times in a row it was seen",
    "checks.NAME.counts": "runs by outcome: pass, warn, fail, unknown",
    "checks.NAME.reasons": "runs that did not pass, by outcome and then by reason: see `help errors`",
    "checks.NAME.last": "the latest run: outcome, reason, detail, at, elapsed_s, status_code, phases, transport",
    "checks.NAME.recent": "the latest runs, oldest first; failures are kept longer than passes",
    "checks.NAME.uptime": "by window (1h, 24h, 7d, 30d, 90d): see below",
    "checks.NAME.mttr_s": "mean time to recovery: down_s of 90 days by incidents, one under way too; null without any",
    "checks.NAME.mtbf_s": "mean time between failures: seconds up in 90 days by incidents; null without any",
    "checks.NAME.latency": "by window (1h of 12 slots of 5 minutes, 24h of 24 hours): see below",
    "checks.NAME.histogram": "of all runs that passed, warned or failed: sum_s, their time together; counts, how many"
    " took at most each of 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 s, exactly, and at last all. They only"
    " grow",
    "heartbeats": "where there are some, by name: status (alive, awaited or missed), age_s, max_age_s, detail, and the"
    " stack of a thread that is missed",
    "events": "the latest, in the order they were told: at, check, kind, before, after, detail; the kinds are below",
}
"""What `/status` and `snapshot()` say, key by key; those of `self` are in `engine.FIGURES`."""

UPTIME = {
    "ratio": "of the time covered, that was up or degraded; null when nothing was covered",
    "coverage": "of the window, what is known: not what was unknown or paused, or without a running monitor",
    "from": "where the window begins; 7d at a full hour, 30d and 90d at midnight UTC",
    "down_s": "seconds down, each time from the first of the failures that decided it to the first pass again",
    "incidents": "times of being down",
    "success_ratio": "of the runs that passed, warned or failed, those that did not fail; null without any",
}
"""What is told of a window of uptime. All values of a check are as of its latest record."""

LATENCY = {
    "p50, p90, p95, p99": "percentiles in seconds (nearest rank) of the runs that passed or warned; null of none",
    "max": "the longest",
    "n": "how many there were",
    "method": "exact while the latest 16 runs reach back so far; buckets: within 2.5%",
    "failures": "the same of the runs that failed; null of none",
}
"""What is told of a window of latency."""

PROCESS_DOCUMENT = {
    "schema": "the form of this document: 1",
    "service.name": "the supervisor's name",
    "service.version": "of minimon",
    "service.pid": "the process in which the Supervisor is",
    "service.started_at": "when start() was called, null before",
    "service.uptime_s": "since then, null while stopped",
    "service.draining": "whether all are being stopped, or have been",
    "status": "booting, launching processes, running (all have been up), shutdown or force shutdown",
    "overall": "healthy: each is as it should be; degraded: what `live` asks for does not hold; unhealthy; unknown"
    " while stopped: the word of /health",
    "counts": "how many processes there are in each state",
    "processes.NAME.id": "counts from 1, in the order of the programs",
    "processes.NAME.state": "see below",
    "processes.NAME.since": "when it came into that state; null before anything was done with it",
    "processes.NAME.pid": "null while there is no process",
    "processes.NAME.code": "of the last run: an exit code, or a signal, negative; null while it runs, or if lost",
    "processes.NAME.why": "what is wrong, or what it waits for; empty for nothing",
    "processes.NAME.well": "whether it is as it should be: it serves, has done what it was for, or nobody wants it",
    "processes.NAME.wanted": "whether it is to be up",
    "processes.NAME.uptime_s": "since it was launched, null while there is no process",
    "processes.NAME.restarts": "how often it was launched again, by itself or by hand",
    "processes.NAME.next_in_s": "until it is launched again, in backoff; else null",
    "processes.NAME.command": "without secrets of addresses, and of arguments such as --password X",
    "processes.NAME.restart": "no, on-failure or always",
    "processes.NAME.depends_on": "the programs that come first: by name started, ready or completed",
    "processes.NAME.output_bytes": "how much it has written, in all of its runs",
    "processes.NAME.dropped_bytes": "of these, what could not be passed on to its file or stream in time",
    "processes.NAME.log": "the last lines that it has written",
    "events": "the latest changes: at, process, kind, before, after, detail",
    "ports": "by name, those that stand in place of {port:NAME}",
    "guard_pid": "the small process that ends all when the host was killed; null for none",
    "lacking": "what this system, or this host, does not offer",
}
"""What `/status` and `snapshot()` of a Supervisor say, key by key."""

TRANSPORT = {
    "phases": "seconds by phase, of those that were entered: dns, connect, proxy, tls, first_byte, transfer; and total",
    "address": "that was connected to",
    "redirects, url": "how many were followed, and where they led",
    "bytes": "received, heads included",
    "reused": "whether the connection was there already: reuse=True",
    "tls": "the version of TLS",
    "certificate": "subject, issuer, names, not_before, not_after, days (left), fingerprint (SHA-256), verified;"
    " chain_days and chain_not_after, of the first of its chain to expire, from Python 3.13 on",
    "unclean": "true when TLS ended without a farewell, and only the end of the connection ended the body",
}
"""What is told of the way of an answer."""

EXPLAINED = {
    "expected": "what has to hold, and how soon",
    "actual": "what the latest run has seen",
    "progress": "how far it is on the way to a change, such as 2 of 3 failures",
    "since, since_s": "since when, and for how long, the status is what it is",
    "turned": "when the first run in a row was started that was of this kind",
    "next_run, next_run_s": "when it is polled next; null for never",
    "to_change": "the ways to another status: outcome, runs in a row, status",
    "text": "all of it in sentences",
    "target": "the address without secrets, or the callable's name",
}
"""What `/status?check=NAME` and `explain(name)` say under `explain`."""

SUPERVISOR = (
    *("start", "stop", "wait_ready", "process", "restart", "launch", "halt", "port", "ports", "status", "is_healthy"),
    *("overall", "snapshot", "kill"),
)
"""Methods of a Supervisor that are told of."""

SERVED = """\
from minimon.api.users import UserStore

server = HealthCheckServer(port=5000, api=True, auth=UserStore("users.db"))
server.task("report", make_report)                  # POST /v2/tasks/report
server.start(monitor)
"""

FIXTURE = """\
@pytest.fixture(scope="session")
def site():
    web = Program("web", ["python3", "web.py", "{port:web}"], ready={"tcp": "localhost:{port:web}"})
    with Supervisor([web]) as supervisor:
        supervisor.wait_ready(timeout=30)
        yield f"http://localhost:{supervisor.port('web')}/"
"""

PROCESS = (
    *("state", "why", "restarts", "pid", "code", "poll", "wait", "log", "signal", "terminate", "kill", "write"),
    *("start", "stop", "restart"),
)
"""Methods of a Process that are told of."""

EMBEDDED = """\
from minimon import Check, HealthCheckServer, Monitor

monitor = Monitor([
    Check("search", "https://search.internal/ping", every=15, expect={"status_code": 200}),
    Check("queue", broker.ping, every=5),
])
with monitor, HealthCheckServer(port=8081).serving(monitor):
    app.serve_forever()
"""

STARTED = """\
application = monitor.wrap_wsgi(application)        # probes and /metrics; /status and the page below /-/
application = monitor.wrap_asgi(application, details="authorized", token=secret)

monitor.start_worker()                              # in a worker without a web application
monitor = Monitor(checks, share="auto")             # or by start()
"""

HOSTS = {
    "gunicorn": "application = monitor.wrap_wsgi(application); with --preload and max_requests, too; start_worker() in"
    " post_worker_init polls before the first request",
    "uvicorn": "application = monitor.wrap_asgi(application); it lives with the lifespan",
    "Flask": "app.wsgi_app = monitor.wrap_wsgi(app.wsgi_app)",
    "Django": "application = monitor.wrap_wsgi(get_wsgi_application()) in wsgi.py; commands never poll",
    "uWSGI": "application = monitor.wrap_wsgi(application); before 2.0.27 with enable-threads: without it a run is made"
    " after an answer was sent, by run_due()",
    "Celery": "a function with monitor.start_worker(), connected to worker_process_init",
    "multiprocessing": "a function with monitor.start_worker(), as initializer of the pool",
}
"""How the web servers and others write it, in a line each."""

ROUTED = """\
class Shop(HealthCheckHandler):
    def do_POST(self):                                   # on a thread of a small pool
        flush_caches(self.path, self.rfile.read())
        self.send_response(204)
        self.end_headers()

HealthCheckServer("unix:/run/shop.sock", handler=Shop).start(monitor)
HealthCheckServer("0.0.0.0", token=secret, handler=Shop).start(monitor)
"""

OWN = """\
class DirectoryServer:
    def is_healthy(self): return len(self.backlog) < 10
    def get_detailed_stats(self): return {"backlog": len(self.backlog)}

HealthCheckServer(port=8081).start(directory_server)
"""

PROBED = """\
class Disk(Probe):
    def __call__(self, timeout):
        free = shutil.disk_usage("/").free
        return Response(value=True) if free > 1e9 else Response(error=Fault("condition", f"{free} bytes free"))

Check("disk", Disk(), every=60)
"""

BEATING = """\
beat = monitor.heartbeat("consumer", max_age=15)
for message in queue:
    beat()                                               # silent for more than 15 s: /livez is 503
    with beat.busy(600):
        work_off(message)
"""

TESTED = """\
clock = FakeClock()
probe = ScriptedProbe([Response(200), Response(error=Fault("connect", "refused"))])
with Monitor([Check("db", probe, every=10, initial_delay=0, fall=1)], clock=clock) as monitor:
    assert clock.waiting()          # the first run is over, the scheduler sleeps
    clock.advance(10)
"""

SCRAPE = """\
# prometheus.yml
rule_files: [minimon.rules.yml]
scrape_configs:
  - job_name: minimon
    scrape_interval: 15s
    static_configs:
      - targets: ["localhost:8081"]  # the HealthCheckServer
"""

ALERTS = """\
# minimon.rules.yml
groups:
  - name: minimon
    rules:
      - alert: CheckDown  # after `fall` failures; nobody hears of one that is paused or unknown
        expr: minimon_check_up == 0
        labels: {severity: page}
        annotations: {summary: "{{ $labels.check }} is down"}
      - alert: CheckDegraded
        expr: minimon_check_state{state="degraded"} == 1
        for: 30m
        annotations: {summary: "{{ $labels.check }} has been degraded for long"}
      - alert: CheckFlapping
        expr: minimon_check_flapping == 1
        annotations: {summary: "{{ $labels.check }} changes again and again"}
      - alert: CheckUnknown
        expr: minimon_check_state{state="unknown",check!="minimon"} == 1
        for: 10m
        annotations: {summary: "nothing is known of {{ $labels.check }}"}
      - alert: CertificateExpires  # also while the latest run saw none
        expr: |
          last_over_time(minimon_check_certificate_expiry_timestamp_seconds[1d])
            - time() < 14 * 86400
        labels: {severity: ticket}
        annotations:
          summary: "{{ $labels.check }}: {{ $value | humanizeDuration }} left"
      - alert: CheckSlow
        expr: |
          histogram_quantile(0.95,
            rate(minimon_check_duration_seconds_bucket[15m])) > 1
        for: 15m
        annotations: {summary: "{{ $labels.check }}: 5% of the runs take longer than 1 s"}
      - alert: MinimonTroubled  # late, stuck, cut off, or its own check says what it is
        expr: |
          minimon_self_lag_seconds > 2 or minimon_self_stuck > 0 or minimon_self_lost == 1
            or minimon_check_state{check="minimon",state!="up"} == 1
        for: 5m
        annotations: {summary: "minimon at {{ $labels.instance }} cannot watch as it should"}
      - alert: MinimonAbsent
        expr: up{job="minimon"} == 0 or absent(up{job="minimon"})
        for: 1m
        labels: {severity: page}
        annotations: {summary: "nobody watches: minimon does not answer"}
"""

PROCESS_ALERTS = """\
      - alert: ProcessDown  # nobody hears of one that is stopped, or has done its work
        expr: minimon_process_up == 0
        for: 1m
        labels: {severity: page}
        annotations: {summary: "{{ $labels.process }} is not up"}
      - alert: ProcessRestarts
        expr: increase(minimon_process_restarts_total[15m]) > 3
        annotations: {summary: "{{ $labels.process }} ends again and again"}
"""
"""For a Supervisor, below the others."""

GIVEN = ("Change", "CheckState", "Result", "Response", "Fault")
"""What a host is given, or makes in a Probe, and what is in it."""

MONITOR = (
    *("start", "stop", "running", "add", "remove", "pause", "resume", "check"),
    *("is_healthy", "overall", "readiness", "drain", "state", "ok", "require", "wait_for", "snapshot", "explain"),
    *("counts", "heartbeat", "watch_thread", "missed", "notify_systemd", "respond"),
    *("start_worker", "role", "run_due"),
)
"""The methods of a Monitor that a host calls."""

BESIDES = ("probe", "harnessed", "RogueServer", "FakeClock", "ScriptedProbe", "play")
"""What a host may use beside the two objects."""


# --- docstrings, from the source


class Texts:
    """Reads the docstrings of this package. `lacking` tells whether one was asked for that is not to be had."""

    def __init__(self, find: Callable[[str], str | None] | None = None) -> None:
        self._find = find or source
        self._trees: dict[str, ast.Module | None] = {}
        self.lacking = False

    def of(self, module: str, name: str = "") -> str:
        """The docstring of a module, or of what `name` (`Class.method`) is in it; "" when it is not to be had."""
        if module not in self._trees:
            code = self._find(module)
            self._trees[module] = None if code is None else ast.parse(code)
        tree = self._trees[module]
        text = _in_memory(module, name) if tree is None else _in_tree(tree, name)
        self.lacking = self.lacking or not text
        return text or ""

    def fields(self, module: str, name: str) -> list[tuple[str, str]]:
        """The fields of a NamedTuple that have a line of their own, with it."""
        self.of(module)
        tree: Any = self._trees[module]
        body: Any = next((node.body for node in tree.body if getattr(node, "name", "") == name), []) if tree else []
        pairs = zip(body, body[1:])
        return [
            (field.target.id, str(text.value.value))
            for field, text in pairs
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        ]

    def at_home(self, thing: Any) -> str:
        """The docstring of a function or class, wherever in the package it is written."""
        return self.of(thing.__module__[len(__package__) + 1 :], thing.__qualname__)

    def table(self, entries: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The names of a table of functions, with their docstrings."""
        return [(key, self.at_home(function)) for key, function in entries.items()]


def source(module: str) -> str | None:
    """The source of a module of this package, wherever it was loaded from; None when there is none."""
    spec = importlib.util.find_spec(f"{__package__}.{module}")
    read = getattr(spec and spec.loader, "get_source", None)
    try:
        return read(spec.name) if spec and read else None
    except (ImportError, OSError):
        return None


def _in_tree(tree: ast.Module, name: str) -> str | None:
    node: Any = tree
    for part in filter(None, name.split(".")):
        node = next((child for child in node.body if getattr(child, "name", None) == part), None)
        if node is None:
            return None
    return _clean(ast.get_docstring(node, clean=False))


def _in_memory(module: str, name: str) -> str | None:
    """The docstring that Python keeps, unless it was told not to."""
    found: Any = importlib.import_module(f".{module}", __package__)
    for part in filter(None, name.split(".")):
        found = getattr(found, part, None)
    return None if found is None else _clean(found.__doc__)


def _clean(text: str | None) -> str:
    """A docstring without its indentation. (inspect does so too, and takes as long to import as all else here.)"""
    first, _, rest = (text or "").partition("\n")
    return f"{first.strip()}\n{textwrap.dedent(rest)}".strip("\n")


# --- lines


def wrapped(text: str, width: int, indent: str = "") -> Iterator[str]:
    """A docstring in lines of this width: prose is filled, tables keep their columns, code is left as it is."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.split("\n")
        if _is_code(lines):
            yield from (indent + line for line in lines)
        else:
            yield from _prose(lines, width, indent)
        yield ""


def _is_code(lines: Sequence[str]) -> bool:
    depths = {len(line) - len(line.lstrip()) for line in lines}
    if lines[0].startswith("@") or any(line.endswith((":", "(", "[", "{")) for line in lines[:-1] if len(depths) > 1):
        return True
    return min(depths) >= 4 and not any(_parts(line) for line in lines)


def _parts(line: str) -> tuple[str, str] | None:
    """The name and the meaning, where a line is one of a table: two blanks or more are between them."""
    found = re.fullmatch(r"(\s*\S+(?: \S+)*? {2,})(\S.*)", line)
    return (found[1], found[2]) if found else None


def _prose(lines: Iterable[str], width: int, indent: str) -> Iterator[str]:
    head, words = "", ""
    for line in lines:
        name, meaning = _parts(line) or _indented(line)
        if words and not name.strip() and (len(name) == len(head) or head.strip()):
            words = f"{words} {meaning}"  # goes on
            continue
        yield from _filled(indent + head, words, width)
        head, words = name, meaning
    yield from _filled(indent + head, words, width)


def _indented(line: str) -> tuple[str, str]:
    words = line.lstrip()
    return line[: len(line) - len(words)], words


def _filled(head: str, words: str, width: int) -> Iterator[str]:
    """Words after a head, the lines below it indented as far; less where that leaves no room."""
    if not words:
        if head.strip():
            yield head.rstrip()
        return
    hang = " " * len(head)
    if width - len(head) < 24 and head.strip():
        yield head.rstrip()
        head = hang = " " * (len(head) - len(head.lstrip()) + 4)
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    yield from textwrap.wrap(words, max(width, 20), initial_indent=head, subsequent_indent=hang, **options)


def _first(text: str) -> str:
    """The first paragraph."""
    return text.partition("\n\n")[0]


class Page:
    """The lines of a topic, as they come together. Each part ends with an empty line."""

    def __init__(self, texts: Texts, width: int, commands: Sequence[str] = (), exits: Mapping[int, str] | None = None):
        self.texts, self.width, self.commands, self.exits = texts, width, commands, exits or {}
        self.lines: list[str] = []

    def title(self, text: str) -> None:
        """A line that stands alone."""
        self.lines += [*_filled(text[: len(text) - len(text.lstrip())], text.strip(), self.width), ""]

    def prose(self, text: str, indent: str = "") -> None:
        """A docstring, or a sentence."""
        self.lines += wrapped(text, self.width, indent)

    def code(self, text: str) -> None:
        """Lines that are left as they are."""
        self.lines += [*(f"    {line}".rstrip() for line in text.splitlines()), ""]

    def rows(self, rows: Iterable[tuple[object, str]], indent: str = "  ") -> None:
        """A table of names and meanings."""
        named = [(str(name), " ".join(meaning.split())) for name, meaning in rows]
        longest = max((len(name) for name, _ in named), default=0)
        for name, meaning in named:
            self.lines += _filled(f"{indent}{name:<{longest}}  ", meaning, self.width)
        self.lines.append("")


# --- topics


def has_room(name: str) -> bool:
    """Whether this copy has it: some may be left out."""
    return importlib.util.find_spec(f"{__package__}.{name}") is not None


def _checks(page: Page) -> None:
    from .checks import DEFAULTS, SCHEMES
    from .evaluate import CALM, FLAPS
    from .vitals.numbers import MEANINGS

    page.title("Check(name, target, *, ...)")
    page.prose(page.texts.of("checks", "Check"), "  ")
    plain = [f"{key}={value:g}" for key, value in DEFAULTS.items() if isinstance(value, (int, float))]
    page.prose(f"Where neither the check nor its monitor says otherwise: {', '.join(plain)}.", "  ")
    page.title("Addresses")
    page.rows((f"{scheme}:" if scheme == "host" else f"{scheme}://", meaning) for scheme, meaning in SCHEMES.items())
    page.title("What host: is, for conditions such as {'jsonpath': {\"$.filesystems['/'].free_percent\": {'ge': 10}}}")
    page.rows(MEANINGS.items())
    page.title("Resource(name, url, polling_interval, check=None, ...)")
    page.prose(page.texts.of("checks", "Resource"), "  ")
    page.title("Probe")
    page.prose(page.texts.of("checks", "Probe"), "  ")
    page.title("How runs decide")
    page.prose(page.texts.of("evaluate", "advance"), "  ")
    page.prose(
        "A result counts for 2 x `every` + `timeout` seconds; without another one the check is stale then: unknown.",
        "  ",
    )
    page.prose(
        f"{FLAPS} changes within {CALM:.0f} s make it flapping: the last of them is told to `on_change`, and no more"
        " until it did not change for as long; then one is told if it is not what was told last.",
        "  ",
    )
    page.title("How all checks make one word")
    page.prose(page.texts.of("evaluate", "aggregate"), "  ")
    page.prose("See also: help conditions, help http.")


def _conditions(page: Page) -> None:
    from .conditions import all_keys
    from .expectations import MEANINGS

    page.prose(page.texts.of("conditions"))
    page.rows(page.texts.table(all_keys()))
    page.title("Operators, in place of a plain value")
    page.rows(MEANINGS.items())
    page.prose("They must all hold. They stand under a jsonpath query, a header's name, or a key that takes a number.")
    page.prose("Conditions stand under `expect` (what must hold) and `warn_if` (what is bad) of a check.")
    page.prose("Condition(spec).explain(response) says why one does not hold, and nothing when it does.")
    page.title("JSONPath, for any document")
    page.prose(page.texts.of("jsonpath"), "  ")
    page.prose(
        "compile(query).find(document) gives nodes with `.value` and `.path`, compile(query).values(document)"
        " their values. What is wrong with a query is a JsonPathError.",
        "  ",
    )


def _waiting(page: Page) -> None:
    page.prose(page.texts.of("waiting"))
    page.title("wait_for(target, until=None, alarms=None, *, timeout=60.0, ...)")
    page.prose(page.texts.of("waiting", "wait_for"), "  ")
    page.title("Attempt")
    page.rows(page.texts.fields("waiting", "Attempt"), "  ")
    page.title('Monitor.wait_for(name, status="up", *, timeout=60.0, stop=None)')
    page.prose(page.texts.of("monitor", "Monitor.wait_for"), "  ")
    page.prose("On a command line: `wait --help`.")
    if has_room("compat"):
        page.title("For programs that were written for httsleep: from minimon import httsleep")
        page.prose(page.texts.of("compat.httsleep"), "  ")


def _http(page: Page) -> None:
    from .serve.routing import CODES, ROUTES

    page.title("Asking")
    page.prose(page.texts.of("probes.http"), "  ")
    page.title("  Options of a check for its request:")
    rows = page.texts.table(OPTIONS)
    page.rows(((key, f"{text} {_takers(key)}".rstrip()) for key, text in rows), "    ")
    page.title("  How it came: a Result's `phases` and `transport`, in /status under `last`:")
    page.rows(TRANSPORT.items(), "    ")
    page.title("Connecting only")
    page.prose(page.texts.of("probes.tcp"), "  ")
    page.title("Answering")
    page.prose(page.texts.of("serve.server", "HealthCheckServer"), "  ")
    page.rows(ROUTES.items(), "    ")
    page.title("  Status codes of /health:")
    page.rows(((word, str(code)) for word, code in CODES.items()), "    ")
    page.title("  What clients may do at most; seconds, bytes, or how many:")
    page.rows(_bounds(), "    ")


def _bounds() -> Iterator[tuple[str, str]]:
    """What the server puts up with."""
    from . import tasks
    from .serve import access, connection, framing, health

    times = connection.Times()
    yield "connections", f"{connection.MOST}; for one more the longest that has not sent a whole request goes"
    yield "requests", f"{connection.REQUESTS} on one connection"
    yield "a request", f"{times.head:.0f} s for all of it; {times.idle:.0f} s of silence before it"
    yield "an answer", f"{times.send:.0f} s to take it, however large"
    yield "a request line", f"{framing.MAX_LINE:,} bytes"
    yield "a head", f"{framing.MAX_HEAD:,} bytes, {framing.MAX_FIELDS} headers"
    yield "a body", f"{framing.MAX_BODY:,} bytes, with a Content-Length"
    yield "a plain subject", f"{health.PATIENCE:.0f} s, else 503"
    yield "own routes", f"{tasks.WORKERS} at once, {tasks.QUEUE} that wait; {health.ROUTE_PATIENCE:.0f} s, else 503"
    yield "wrong tokens", f"{access.FREE}, then the address waits, up to {access.LONGEST:.0f} s"


def _takers(option: str) -> str:
    """The schemes of targets that take an option, where they are not those of HTTP alone."""
    takers = [f"{scheme}://" for scheme in ("tcp", "tls") if option in TAKEN[scheme]]
    return "" if not takers else f"({'also ' * (option in TAKEN['http'])}{', '.join(takers)})"


def _metrics(page: Page) -> None:
    from .engine import FIGURES
    from .registry import EVENT_KINDS

    page.title("What /status, snapshot() and get_detailed_stats() say:")
    page.rows({**DOCUMENT, **{f"self.{key}": meaning for key, meaning in FIGURES.items()}}.items())
    for title, table in (
        ("A window of uptime:", UPTIME),
        ("A window of latency:", LATENCY),
        ("/status?check=NAME and explain(name) say the same of one check, and under `explain`:", EXPLAINED),
        ("Kinds of events:", EVENT_KINDS),
    ):
        page.title(title)
        page.rows(table.items())
    if has_room("processes"):
        _of_processes(page)
    page.prose("Instants are ISO 8601 in UTC with Z, spans are in seconds.")
    _prometheus(page)


def _of_processes(page: Page) -> None:
    from .processes.lifecycle import MEANINGS

    page.title("The same of a Supervisor:")
    page.rows(PROCESS_DOCUMENT.items())
    page.title("States of a process:")
    page.rows(MEANINGS.items())


def _prometheus(page: Page) -> None:
    from .serve.metrics import BUILD, OF_CHECKS, OF_MONITORS, OF_PROCESSES, Family

    def rows(families: Iterable[Family]) -> Iterable[tuple[str, str]]:
        return ((each.title, f"{each.kind}: {each.meaning}") for each in families)

    page.title("/metrics: what Prometheus is told")
    page.prose(page.texts.of("serve.metrics"), "  ")
    page.rows(rows((BUILD, *OF_MONITORS)))
    page.title("Of each check, with the labels check, group, and tag_NAME for each tag:")
    page.rows(rows(OF_CHECKS))
    page.prose(page.texts.of("serve.metrics", "tag_labels"), "  ")
    page.prose(
        "A server of several subjects gives each the label `subject`. What is unknown or paused is neither up nor down,"
        " so minimon_check_up == 0 is heard for what is down, and for nothing else. Bounds of the histogram are exact.",
        "  ",
    )
    if has_room("processes"):
        page.title("Of each process of a Supervisor, with the label process:")
        page.rows(rows(OF_PROCESSES))
    page.title("To be scraped:")
    page.code(SCRAPE)
    page.title("To be told:")
    page.code(ALERTS + PROCESS_ALERTS * has_room("processes"))


def _config(page: Page) -> None:
    page.prose(page.texts.of("config"))


def _cli(page: Page) -> None:
    from .testing import BEHAVIOURS

    for command in page.commands:
        page.lines += [*command.splitlines(), ""]
    page.lines.append("behaviours of rogue:")
    page.rows(page.texts.table(BEHAVIOURS))
    page.lines.append("exit codes:")
    page.rows(page.exits.items())
    page.prose("NO_COLOR turns colours off, COLUMNS says how wide lines may be.")


def _hosts(page: Page) -> None:
    from . import probes, testing

    page.prose("In a script, or a server of your own (with MINIMON_DISABLED=1 in the environment nothing starts):")
    page.code(EMBEDDED)
    page.prose("In a web application, or in any worker of which there are several:")
    page.code(STARTED)
    page.title("Hosts, one Monitor at module level")
    page.rows(HOSTS.items())
    page.title("Several workers: share='auto'")
    page.prose(page.texts.of("hosting.sharing"), "  ")
    page.prose(page.texts.of("hosting.runtime"), "  ")
    page.prose("Without a Monitor, for a server object of your own:")
    page.code(OWN)
    page.title("Monitor(checks=(), *, ...)")
    page.prose(page.texts.of("monitor"), "  ")
    page.prose(page.texts.of("monitor", "Monitor"), "  ")
    _methods(page, "monitor", "Monitor", MONITOR)
    page.title("Loops of your own, for /livez")
    page.code(BEATING)
    page.prose(page.texts.of("hosting.heartbeats", "Heartbeat"), "  ")
    _methods(page, "hosting.heartbeats", "Heartbeat", ("busy", "tick", "end"))
    page.title("systemd: monitor.notify_systemd()")
    page.prose(page.texts.of("hosting.systemd"), "  ")
    page.title('HealthCheckServer(host="127.0.0.1", port=8080)')
    page.prose(page.texts.of("serve.server", "HealthCheckServer"), "  ")
    _methods(page, "serve.server", "HealthCheckServer", ("start", "stop", "serving"))
    page.title("Within a web application: Monitor.wrap_wsgi, wrap_asgi, wsgi_app, asgi_app")
    page.prose(page.texts.of("serve.mount"), "  ")
    page.prose(page.texts.of("monitor", "Monitor.wrap_wsgi"), "  ")
    page.title("Routes of your own: HealthCheckHandler")
    page.prose(page.texts.of("serve.handler", "HealthCheckHandler"), "  ")
    page.code(ROUTED)
    for title, room in (("The check `minimon`", "watch"), ("canary", "canary"), ("state_file", "store")):
        page.title(title)
        page.prose(page.texts.of(room), "  ")
    page.title("What you are given: on_change(change), monitor.state(name), probe(url)")
    for name in GIVEN:
        page.prose(f"{name}: {page.texts.of('model', name)}", "  ")
        page.rows(page.texts.fields("model", name), "    ")
    page.title("A Probe of your own")
    page.prose(page.texts.of("checks", "Probe"), "  ")
    page.code(PROBED)
    page.title("In your tests")
    page.code(TESTED)
    page.prose(
        "It logs to `minimon` and the loggers below it (monitor, poller, notify, server, ...): start, stop and changes"
        " at INFO and WARNING, each poll at DEBUG on `minimon.polls`. Nothing is heard until your program configures"
        " logging."
    )
    page.title("Besides")
    for path, module in (("minimon", probes), ("minimon.testing", testing)):
        named = [getattr(module, name) for name in BESIDES if hasattr(module, name)]
        page.rows((f"{path}.{thing.__name__}", _first(page.texts.at_home(thing))) for thing in named)
    page.rows([("minimon.HttpProbe", _first(page.texts.of("probes.http", "HttpProbe")))])


def _methods(page: Page, module: str, owner: str, names: Iterable[str], calls: Iterable[str] | None = None) -> None:
    """Each with its first paragraph. With `calls` methods are told from attributes, which are those names."""
    values = None if calls is None else {*calls}
    rows = ((f".{name}{'()' * (values is not None and name not in values)}", f"{owner}.{name}") for name in names)
    page.rows(((shown, _first(page.texts.of(module, path))) for shown, path in rows), "    ")


def _processes(page: Page) -> None:
    if not has_room("processes"):
        page.prose("This copy of minimon was made without `processes`.")
        return
    from .processes.lifecycle import MEANINGS
    from .processes.pymanager import CODES

    page.prose(page.texts.of("processes.supervisor"))
    page.title("Supervisor(programs, *, grace=10.0, guard=True, ring=True, on_change=None)")
    page.prose(page.texts.of("processes.supervisor", "Supervisor"), "  ")
    _methods(page, "processes.supervisor", "Supervisor", SUPERVISOR, calls=("status", "ports"))
    page.title("In a test run")
    page.code(FIXTURE)
    page.title("Program(name, command, *, ...)")
    page.prose(page.texts.of("processes.program", "Program"), "  ")
    page.title("  restart, as a dict:")
    page.rows(page.texts.fields("processes.lifecycle", "Restart"), "    ")
    page.title("What `ready` and `live` ask for")
    page.prose(page.texts.of("processes.gates"), "  ")
    page.prose(page.texts.of("processes.verifiers"), "  ")
    page.title("States of a process")
    page.rows((str(state), meaning) for state, meaning in MEANINGS.items())
    page.title("supervisor.process(name)")
    page.prose(page.texts.of("processes.process", "Process"), "  ")
    _methods(page, "processes.process", "Process", PROCESS, calls=("state", "why", "restarts"))
    page.title("Over HTTP, and by `ctl`")
    page.prose(page.texts.of("processes.interface"), "  ")
    page.title("Files, for `supervise`")
    page.prose(page.texts.of("processes.pymanager"), "  ")
    page.title("Exit codes of `supervise`")
    page.rows(CODES.items())


def _api(page: Page) -> None:
    if not has_room("api"):
        page.prose("This copy of minimon was made without `api`.")
        return
    page.prose("python -m minimon api [--db users.db] serves it alone; beside a Monitor it is api=True:")
    page.code(SERVED)
    page.title("Routes")
    page.prose(page.texts.of("api.routes"), "  ")
    page.title("Errors")
    page.prose(page.texts.of("api.problems"), "  ")
    page.title("Tasks of the host: HealthCheckServer.task(name, function)")
    page.prose(page.texts.of("serve.server", "HealthCheckServer.task"), "  ")
    page.title("A task, as it is looked at")
    page.prose(page.texts.of("api.jobs", "Job"), "  ")
    page.title('UserStore("users.db"), for auth=')
    page.prose(page.texts.of("api.users", "UserStore"), "  ")
    _methods(page, "api.users", "UserStore", ("list", "get", "add", "replace", "change", "remove"), calls=())


def _errors(page: Page) -> None:
    from .model import REASONS

    page.prose(page.texts.of("errors"))
    page.title("Reasons of a result that did not pass")
    page.rows(REASONS.items())
    page.title("Exit codes of the command line")
    page.rows(page.exits.items())


TOPICS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "checks": ("what can be polled, how often, and how runs decide", _checks),
    "conditions": ("what must hold of an answer", _conditions),
    "waiting": ("waiting until a target is as it should be", _waiting),
    "http": ("how an HTTP target is asked, and how /health and /status answer", _http),
    "metrics": ("what /status and /metrics say, key by key; rules for Prometheus", _metrics),
    "config": ("configuration files", _config),
    "processes": ("programs that are launched, watched and ended: the Supervisor, and its files", _processes),
    "api": ("vitals of the host, long tasks and users over REST", _api),
    "cli": ("the commands and their options", _cli),
    "hosts": ("how a program embeds a monitor", _hosts),
    "errors": ("errors, reasons of failures, exit codes", _errors),
}
"""The topics, each with its line in the list and what writes its page."""


def text(topic: str | None, page: Page) -> str:
    """One topic, or the list of topics, on an empty page."""
    if topic is None:
        page.prose("help TOPIC prints one of these:")
        page.rows((name, line) for name, (line, _) in TOPICS.items())
        page.prose("`COMMAND --help` has the options of a command.")
    else:
        TOPICS[topic][1](page)
    if page.texts.lacking:
        page.prose("Not whole: this copy of minimon has neither its source nor docstrings.")
    return "\n".join(page.lines).strip("\n") + "\n"


def width() -> int:
    """The columns of a page: those of the terminal or of COLUMNS, if they are not too many to read."""
    return max(20, min(shutil.get_terminal_size().columns, WIDEST))
