"""The command line, a thin shell over the public objects. Only here are signals handled and lines printed."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import logging
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import ConfigError, LifecycleError, PortError, did_you_mean

if TYPE_CHECKING:
    from .config import Built
    from .monitor import Monitor
    from .table import Output, Quiet

FINE, FAILED, USAGE, CONFIG, ALARM, INTERRUPTED, UNREAD = 0, 1, 2, 3, 4, 130, 141
USAGE_OF_SUPERVISE = 64

EXITS = {
    FINE: "fine; demo, run and rogue end with it after --seconds, on Ctrl-C and on SIGTERM",
    FAILED: "a check failed (check, run --once), a wait was too long; a port is taken, the output cannot be written",
    USAGE: "the command line is wrong",
    CONFIG: "the configuration file is wrong: the message has the file, and the line or the key",
    ALARM: "an alarm of a wait",
    INTERRUPTED: "interrupted, where nothing else fits",
    UNREAD: "nobody reads the output any more",
}
"""The exit codes of the command line, each with its meaning."""

# --- the commands and their options


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser that takes no abbreviations, for they would stand in the way of new options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)


def parsers() -> tuple[argparse.ArgumentParser, ...]:
    """The parser of the whole command line, and those of its commands: their help is the reference."""
    script = os.path.basename(sys.argv[0]) != "__main__.py"
    top = _Parser(
        prog="minimon" if script else f"python -m {__package__}",
        description="A monitor for HTTP endpoints, ports and functions.",
    )
    top.add_argument("--version", action="version", version=f"minimon {__version__}")
    top.set_defaults(perform=None)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for add in (
        _add_demo,
        _add_run,
        _add_check,
        _add_wait,
        _add_supervise,
        _add_ctl,
        _add_api,
        _add_user,
        _add_rogue,
        _add_vendor,
        _add_zip,
        _add_selftest,
        _add_help,
    ):
        add(commands)
    return (top, *commands.choices.values())


def _command(
    commands: Any, name: str, perform: Callable[..., int], line: str, more: str = ""
) -> argparse.ArgumentParser:
    text = f"{line[0].upper()}{line[1:]}. {more}".strip()
    made: argparse.ArgumentParser = commands.add_parser(name, help=line, description=text)
    made.set_defaults(perform=perform)
    return made


def _add_demo(commands: Any) -> None:
    made = _command(commands, "demo", _demo, "show a small host with three checks, on free loopback ports")
    _add_seconds(made)


def _add_run(commands: Any) -> None:
    made = _command(
        commands,
        "run",
        _run,
        "poll what a configuration file says, and serve /health, /metrics, a page and the rest of it",
        "On a terminal a table shows how things are; elsewhere a line is printed for each change.",
    )
    made.add_argument("file", metavar="FILE", help="a .py, .json or .toml file; see `help config`")
    made.add_argument("--host", type=_host, help="the address to serve on (127.0.0.1)")
    made.add_argument("--port", type=_port, help="the port to serve on (8080); 0 is a free one")
    _add_seconds(made)
    made.add_argument("--once", action="store_true", help="poll each check once, serve nothing; 1 if any failed")
    how = made.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print a JSON object per poll; with --once, one of all")
    how.add_argument("--log", action="store_true", help="print a line of text per poll")


def _add_check(commands: Any) -> None:
    made = _command(commands, "check", _check, "poll addresses once; 1 if any failed")
    made.add_argument("urls", metavar="URL", nargs="+", help="http://, https://, tcp://host:port or tls://host:port")
    made.add_argument("--timeout", type=_seconds, default=5.0, metavar="S", help="seconds for each, all in all (5)")
    made.add_argument("--json", action="store_true", help="print a JSON object for each")
    made.add_argument("-v", "--verbose", action="store_true", help="tell the phases, and the certificate, as well")


def _add_wait(commands: Any) -> None:
    made = _command(
        commands,
        "wait",
        _wait,
        "wait until targets are as they should be",
        "A condition is KEY=VALUE, as in `help conditions`, a JSON object, or a list of them (any): "
        "status_code=200, contains=ready, 'jsonpath=$.status == \"OK\"', 'header=Server: x'. Several --until must all "
        "hold; one --alarm is enough.",
    )
    made.add_argument("targets", metavar="TARGET", nargs="+", help="a URL, tcp://host:port, or a path: /, ./ or file:")
    made.add_argument("--until", action="append", default=[], metavar="COND", help="what must hold (a 2xx answer)")
    made.add_argument("--alarm", action="append", default=[], metavar="COND", help="what ends it, with code 4")
    made.add_argument("--timeout", type=_seconds, default=60.0, metavar="S", help="seconds for all of it (60)")
    made.add_argument("--interval", type=_seconds, default=0.1, metavar="S", help="seconds after the first try (0.1)")
    made.add_argument("--stable", type=_times, default=1, metavar="N", help="tries in a row that have to meet it (1)")
    made.add_argument("--reverse", action="store_true", help="wait until it does not hold: until it is gone")
    made.add_argument("--json", action="store_true", help="print a JSON object for each")


def _add_supervise(commands: Any) -> None:
    made = _command(
        commands,
        "supervise",
        _supervise,
        "launch the processes that a file says, and keep them running",
        "With -- COMMAND: once all are ready COMMAND is run, then all are stopped, and its exit code is that of all. "
        "SIGINT, SIGTERM and SIGQUIT stop all, a second SIGINT kills. See `help processes`.",
    )
    made.add_argument("-f", "--file", default="pymanager.json", metavar="FILE", help="the file (pymanager.json)")
    made.add_argument("-d", "--daemon", action="store_true", help="go to the background; ends when all are ready")
    made.add_argument("-v", "--verbose", action="store_true", help="tell each step")
    made.add_argument("-w", "--debug", action="store_true", help="tell more of it")
    made.add_argument("-l", "--logfile", metavar="FILE", help="where messages go, in place of the terminal")
    made.add_argument("-V", "--version", action="store_true", help="say the version")
    made.add_argument("--check", action="store_true", help="only say whether the file is right")
    made.set_defaults(run=None)
    made.usage = f"{made.prog} [-f FILE] [-d] [-v] [-w] [-l FILE] [-V] [--check] [-- COMMAND ...]"


def _add_ctl(commands: Any) -> None:
    made = _command(
        commands,
        "ctl",
        _ctl,
        "ask a running `supervise`, or any server of a Supervisor, over HTTP",
    )
    made.add_argument("verb", choices=("list", "start", "stop", "restart", "log", "shutdown"), help="what to do")
    made.add_argument("names", metavar="NAME", nargs="*", help="of a process, or its id")
    made.add_argument("--url", default="http://127.0.0.1:5001", help="where it is served (http://127.0.0.1:5001)")
    made.add_argument("--token", metavar="T", default=os.environ.get("MINIMON_TOKEN"), help="or MINIMON_TOKEN")
    made.add_argument("-n", "--lines", type=_times, default=20, metavar="N", help="lines of a log (20)")
    made.add_argument("--json", action="store_true", help="print what the server says")


def _add_api(commands: Any) -> None:
    made = _command(commands, "api", _api, "serve vitals of the host, tasks and users over REST", "See `help api`.")
    made.add_argument("--host", type=_host, default="127.0.0.1", help="the address to serve on (127.0.0.1)")
    made.add_argument("--port", type=_port, default=5000, help="the port to serve on (5000); 0 is a free one")
    made.add_argument("--db", metavar="FILE", help="the database of users; without it they are in memory")
    _add_seconds(made)


def _add_user(commands: Any) -> None:
    made = _command(
        commands,
        "user",
        _user,
        "say who may log in: the users of an SQLite file",
        "A password is asked for, or is a line of stdin. Servers that use the file know of it within a second.",
    )
    made.add_argument("verb", choices=("add", "passwd", "list", "remove"), help="what to do")
    made.add_argument("name", metavar="NAME", nargs="?", help="of the user")
    made.add_argument("--db", required=True, metavar="FILE", help="the file; `add` makes it")
    made.add_argument("--admin", action="store_true", help="add one who may change users")
    made.add_argument("--fullname", metavar="TEXT", help="what people say (NAME)")


def _add_rogue(commands: Any) -> None:
    made = _command(commands, "rogue", _rogue, "serve HTTP badly, to try monitors on")
    made.add_argument("--host", type=_host, default="127.0.0.1", help="the address to serve on (127.0.0.1)")
    made.add_argument("--port", type=_port, default=5000, help="the port to serve on (5000); 0 is a free one")
    made.add_argument("--behaviour", default="taht", metavar="NAME", help="what it does (taht); see `help cli`")
    _add_seconds(made)


def _add_vendor(commands: Any) -> None:
    made = _command(
        commands,
        "vendor",
        _vendor,
        "copy the package into a folder of yours",
        "As DEST/minimon, with sums of all files.",
    )
    made.add_argument("dest", metavar="DEST", help="the folder that gets it")
    made.add_argument("--check", action="store_true", help="verify the copy that is there; 1 if it differs")


def _add_zip(commands: Any) -> None:
    made = _command(
        commands, "zip", _zip, "make one file of the package", "It runs, and is imported with the file on PYTHONPATH."
    )
    made.add_argument("-o", "--output", default="minimon.pyz", metavar="FILE", help="the file (minimon.pyz)")


def _add_selftest(commands: Any) -> None:
    _command(commands, "selftest", _selftest, "try whether minimon works here; 1 if not, and what this place lacks")


def _add_help(commands: Any) -> None:
    made = _command(commands, "help", _help, "print the reference, or one topic of it")
    made.add_argument("topic", metavar="TOPIC", nargs="?", help="without it, the topics are listed")


def _add_seconds(made: argparse.ArgumentParser) -> None:
    made.add_argument("--seconds", type=_seconds, metavar="N", help="end after so many seconds")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"expected seconds, more than 0, got {text!r:.40}")


def _times(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text!r:.40}")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r:.40}")


def _host(text: str) -> str:
    if text and text.isprintable():
        return text
    raise argparse.ArgumentTypeError("expected an address")


# --- the way in and out


def main(argv: Sequence[str] | None = None) -> int:
    """Perform one command; the exit code. What is wrong is one line on stderr, never a traceback."""
    from .table import Output

    output = Output(sys.stdout, os.environ)
    try:
        code = _perform(argv, output)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _silence()
        return UNREAD
    except PortError as error:
        return _complain(error.strerror or error, FAILED)
    except LifecycleError as error:  # the system gives no thread
        return _complain(error, FAILED)
    except OSError as error:
        _silence()
        return _complain(error.strerror or error, FAILED)


def _perform(argv: Sequence[str] | None, output: Output) -> int:
    top = parsers()[0]
    words = list(sys.argv[1:] if argv is None else argv)
    supervises = words[:1] == ["supervise"]
    at = words.index("--") if supervises and "--" in words else len(words)
    try:
        args = top.parse_args(words[:at])
    except SystemExit as end:  # argparse has said what there was to say
        return USAGE_OF_SUPERVISE if supervises and end.code == USAGE else int(end.code or 0)
    if supervises and at < len(words):
        args.run = words[at + 1 :]
    if args.perform is None:
        top.print_help(sys.stderr)
        return USAGE
    return int(args.perform(args, output))


def _silence() -> None:
    """Have nothing more written to stdout, by the interpreter's exit neither."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _complain(error: object, code: int) -> int:
    """One line on stderr; the code."""
    from .text import short

    with contextlib.suppress(OSError, ValueError):
        print(f"minimon: {short(str(error), 2000)}", file=sys.stderr, flush=True)
    return code


class _Stop:
    """What ends the wait of the main thread: SIGINT, SIGTERM, or `because(error)`. Handlers are put back afterwards."""

    def __init__(self) -> None:
        self.signalled = False
        self.error: OSError | None = None
        # Its put() may be called by a signal handler while the same thread is in get(); an Event's set() may not.
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Stop:
        if threading.current_thread() is threading.main_thread():  # others may not set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):  # who started us wants it ignored, or it is not Python's
                    self._before[number] = signal.signal(number, self._signalled)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _signalled(self, number: int, frame: object) -> None:
        self.signalled = True
        self._calls.put(None)

    def because(self, error: OSError) -> None:
        """End the wait: the output cannot be written any more. Any thread."""
        self.error = error
        self._calls.put(None)

    def wait(self, seconds: float) -> bool:
        """True as soon as it is to end, False after `seconds`."""
        end = time.monotonic() + seconds
        step = 0.5 if os.name == "nt" else 3600.0  # on Windows no signal ends a wait
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self._calls.get(timeout=min(left, step))
                return True
        return False


# --- demo


def _demo(args: argparse.Namespace, output: Output) -> int:
    """A host as small as can be: it embeds a Monitor and a HealthCheckServer as any other would."""
    from .checks import Check
    from .monitor import Monitor
    from .serve.server import HealthCheckServer
    from .testing import RogueServer

    with _Stop() as stop, RogueServer("ok") as steady, RogueServer("taht", max_delay=0.3) as rogue:
        view, hooks = _view(args, output, stop)
        checks = [
            Check("steady", steady.url, every=1),
            Check("rogue", rogue.url, every=1, timeout=1, fall=2),
            Check("callable", lambda: threading.active_count() < 1000, every=1),
        ]
        monitor = Monitor(checks, name="demo", **hooks)
        with HealthCheckServer(port=0).serving(monitor) as server:
            base = _base(server.host, server.port)
            output.line("A host with three checks and a health server. Ctrl-C ends it.\n")
            output.line(f"  health  {base}/health\n  status  {base}/status")
            output.line(f"  steady  {steady.url}\n  rogue   {rogue.url}\n")
            return _watch(monitor, view, stop, args.seconds)


def _base(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# --- run


def _run(args: argparse.Namespace, output: Output) -> int:
    from . import config

    _find_modules_of(args.file)
    stop = _Stop()
    view, hooks = _view(args, output, stop)
    try:
        built = config.build(config.load(args.file), **hooks)
    except ConfigError as error:
        return _complain(error, CONFIG)
    return _once(args, built, output) if args.once else _serve(args, built, view, stop)


def _find_modules_of(file: str) -> None:
    """Let a Python file, and the functions in it when they are called, import what lies beside it."""
    folder = os.path.dirname(os.path.abspath(file))
    if file.endswith(".py") and folder not in sys.path:
        sys.path.append(folder)


def _serve(args: argparse.Namespace, built: Built, view: Quiet, stop: _Stop) -> int:
    """Poll and serve until the end. Lines beside the machine-readable ones go to stderr."""
    from .serve.server import HealthCheckServer
    from .table import Output
    from .text import short

    asked = {key: getattr(args, key) for key in ("host", "port") if getattr(args, key) is not None}
    notes = Output(sys.stderr, os.environ) if args.json or args.log else view.output
    lines = _poll_lines(_Printer(view.output, stop, args.json)) if args.log or args.json else contextlib.nullcontext()
    with stop, HealthCheckServer(**{**built.server, **asked}).serving(built.monitor) as server, lines:
        base = _base(server.host, server.port)
        checks = f"{len(built.checks)} check{'s' * (len(built.checks) != 1)}"
        notes.line(
            f"{short(args.file, 200)}: {checks}, {base}/health and {base}/status. Ctrl-C ends it."
            + "\n" * notes.terminal
        )
        return _watch(built.monitor, view, stop, args.seconds)


def _view(args: argparse.Namespace, output: Output, stop: _Stop) -> tuple[Quiet, dict[str, Any]]:
    """What shows how things are, and the hooks that a Monitor needs for it."""
    from .table import ChangeLines, LiveTable, Quiet

    if getattr(args, "log", False) or getattr(args, "json", False):
        return Quiet(output), {}
    if output.terminal:
        return LiveTable(output), {}
    lines = ChangeLines(output, stop.because)
    return lines, {"on_change": lines.tell}


def _watch(monitor: Monitor, view: Quiet, stop: _Stop, seconds: float | None) -> int:
    """Run the monitor and keep the view fresh, until the end."""
    end = math.inf if seconds is None else time.monotonic() + seconds
    try:
        with monitor:
            pause = 0.0
            while not stop.wait(min(pause, end - time.monotonic())) and time.monotonic() < end:
                pause = _refresh(monitor, view)
            last = monitor.snapshot()
        if stop.error is not None:
            raise stop.error
        view.close(last, time.time())
    except OSError:
        if not stop.signalled:  # else the reader and the program were ended together
            raise
        _silence()
    return FINE


def _refresh(monitor: Monitor, view: Quiet) -> float:
    """Show a snapshot if the view wants one; seconds until the next, so many that few are spent on it."""
    if view.pause is None:
        return 1e9
    began = time.monotonic()
    view.update(monitor.snapshot(), time.time())
    return max(view.pause, 20 * (time.monotonic() - began))


@contextlib.contextmanager
def _poll_lines(printer: logging.Handler) -> Iterator[None]:
    """Print what the library logs of each poll. Its logger is left as it was found, all others are left alone."""
    polls = logging.getLogger("minimon.polls")
    level = polls.level
    polls.addHandler(printer)
    polls.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        polls.setLevel(level)
        polls.removeHandler(printer)


class _Printer(logging.Handler):
    """Prints polls as they are logged, or as JSON; when nobody reads any more, the program ends."""

    def __init__(self, output: Output, stop: _Stop, json: bool) -> None:
        super().__init__()
        self._output, self._stop, self._json = output, stop, json

    def emit(self, record: logging.LogRecord) -> None:
        from .table import result_json

        result = record.__dict__["result"]
        try:
            self._output.line(result_json(result, result.name) if self._json else record.getMessage())
        except OSError as error:
            self._stop.because(error)


# --- one poll each


def _once(args: argparse.Namespace, built: Built, output: Output) -> int:
    from .clock import SystemClock
    from .once import poll_once
    from .poller import poll_line
    from .registry import Registry
    from .serve.exposition import to_json
    from .table import columns, result_line

    registry, width = Registry(SystemClock()), max(columns(check.name) for check in built.checks)
    ok = True
    for check, result in poll_once(built.checks):
        ok = ok and result.ok
        registry.add(check, math.inf)
        registry.record(check, result, math.inf)
        if not args.json:
            output.line(poll_line(check, result) if args.log else result_line(result, check.name, width, output))
    if args.json:
        output.line(to_json({"schema": 1, **registry.snapshot()}).decode("ascii"))
    return FINE if ok else FAILED


def _check(args: argparse.Namespace, output: Output) -> int:
    from .checks import Check
    from .once import poll_once
    from .table import columns, how_it_came, result_json, result_line
    from .text import short

    checks = []
    for number, url in enumerate(args.urls, 1):
        try:
            checks.append(Check(f"URL {number}", url, timeout=args.timeout))
        except ConfigError as error:
            return _complain(str(error).replace(f"check 'URL {number}'", f"URL {number}", 1), USAGE)
    width = max(columns(check.shown) for check in checks)
    ok = True
    for check, result in poll_once(checks):
        ok = ok and result.ok
        output.line(result_json(result, check.shown) if args.json else result_line(result, check.shown, width, output))
        for line in how_it_came(result) if args.verbose and not args.json else ():
            output.line(short(line, output.width))
    return FINE if ok else FAILED


def _wait(args: argparse.Namespace, output: Output) -> int:
    from .cli_wait import perform

    return perform(args, output, FAILED, USAGE, ALARM)


def _supervise(args: argparse.Namespace, output: Output) -> int:
    from .cli_supervise import supervise

    if importlib.util.find_spec(f"{__package__}.processes") is None:
        return _complain("supervise: this copy of minimon was made without `processes`", USAGE)
    from .processes.pymanager import UNLAUNCHED

    try:
        return supervise(args, output, _complain)
    except (PortError, LifecycleError) as error:
        return _complain(getattr(error, "strerror", None) or error, UNLAUNCHED)


def _ctl(args: argparse.Namespace, output: Output) -> int:
    from .cli_ctl import ctl

    try:
        return ctl(args, output, _complain)
    except ConfigError as error:
        return _complain(f"ctl: {error}", USAGE)


def _api(args: argparse.Namespace, output: Output) -> int:
    if importlib.util.find_spec(f"{__package__}.api") is None:
        return _complain("api: this copy of minimon was made without `api`", USAGE)
    from .cli_api import serve

    with _Stop() as stop:
        return serve(args, output, lambda: stop.wait(math.inf if args.seconds is None else args.seconds), _complain)


def _user(args: argparse.Namespace, output: Output) -> int:
    from .cli_user import user

    if importlib.util.find_spec(f"{__package__}.api") is None:
        return _complain("user: this copy of minimon was made without `api`", USAGE)
    return user(args, output, _complain)


# --- rogue and help


def _rogue(args: argparse.Namespace, output: Output) -> int:
    from .testing import RogueServer

    try:
        server = RogueServer(args.behaviour, host=args.host, port=args.port)
    except ConfigError as error:
        return _complain(error, USAGE)
    with _Stop() as stop, server:
        output.line(f"{args.behaviour} on {server.url}. Ctrl-C ends it.")
        stop.wait(math.inf if args.seconds is None else args.seconds)
    return FINE


def _vendor(args: argparse.Namespace, output: Output) -> int:
    from .hosting import vendoring

    try:
        if not args.check:
            output.line(f"minimon {__version__} is in {vendoring.vendor(args.dest)}")
            return FINE
        wrong = vendoring.check(args.dest)
    except ConfigError as error:
        return _complain(error, FAILED)
    except OSError as error:
        return _complain(f"vendor: {error.filename or args.dest}: {error.strerror or error}", FAILED)
    for line in wrong or ["all files are as they were copied"]:
        output.line(line)
    return FAILED if wrong else FINE


def _zip(args: argparse.Namespace, output: Output) -> int:
    from .hosting import vendoring

    try:
        size = vendoring.write_zip(args.output)
    except OSError as error:
        return _complain(f"zip: {args.output}: {error.strerror or error}; say another place with -o", FAILED)
    output.line(f"minimon {__version__} is in {args.output}, {size:,} bytes")
    return FINE


def _selftest(args: argparse.Namespace, output: Output) -> int:
    from .selftest import FAILED as WRONG
    from .selftest import selftest

    verdicts = []
    output.line(f"minimon {__version__}, Python {sys.version.split()[0]}, {sys.platform}")
    for found in selftest():
        verdicts.append(found.verdict)
        output.line(f"{found.verdict:<8}{found.what}{': ' * bool(found.why)}{found.why}")
    return FAILED if WRONG in verdicts else FINE


def _help(args: argparse.Namespace, output: Output) -> int:
    from . import reference

    if args.topic is not None and args.topic not in reference.TOPICS:
        return _complain(f"help: no topic {args.topic!r:.40}; {did_you_mean(args.topic, reference.TOPICS)}", USAGE)
    helps = [each.format_help() for each in parsers()] if args.topic == "cli" else []
    page = reference.Page(reference.Texts(), reference.width(), helps, EXITS)
    output.write(reference.text(args.topic, page))
    return FINE
