"""The commands `supervise` and `ctl`: programs of a file, a command beside them, and what is asked over HTTP."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from . import __version__
from .errors import ConfigError, LifecycleError, MinimonError, WaitTimeout
from .text import short

if TYPE_CHECKING:
    from .processes.daemon import Daemon
    from .processes.entry import Change
    from .processes.pymanager import Plan
    from .processes.supervisor import Supervisor
    from .table import Output

PATIENCE = 90.0
"""Seconds that `ctl` waits for an answer."""
LINES = 20
SIGNALS = ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP")


class _Events:
    """What the main thread waits for: signals, and what other threads tell. Handlers are put back afterwards."""

    def __init__(self) -> None:
        # Its put() may be called by a signal handler while the same thread is in get().
        self._queue: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Events:
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, lambda number, frame: self.tell("signal", number))
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def tell(self, kind: str, what: Any = None) -> None:
        """Any thread, and signal handlers."""
        self._queue.put((kind, what))

    def next(self, seconds: float = 3600.0) -> tuple[str, Any]:
        """The next one; ("", None) after so many seconds."""
        with contextlib.suppress(queue.Empty):
            return self._queue.get(timeout=seconds)
        return "", None


# --- supervise


def supervise(args: argparse.Namespace, output: Output, complain: Callable[[object, int], int]) -> int:
    """Launch what a file says, and keep it running; the exit code."""
    from .processes import daemon, pymanager
    from .processes.pymanager import FINE, NO_FILE, NOTHING, UNLAUNCHED, UNREADABLE, WRONG

    if args.version:
        output.line(f"minimon {__version__}")
        return FINE
    try:
        plan = pymanager.load(args.file, as_command=True)
    except FileNotFoundError:
        return complain(f"{args.file}: there is no such file; say which with -f FILE", NO_FILE)
    except pymanager.NoProcesses as error:
        return complain(error, NOTHING)
    except OSError as error:
        return complain(f"{args.file}: cannot be read: {error.strerror or error}", UNREADABLE)
    except ConfigError as error:
        return complain(error, WRONG)
    if args.check:
        output.line(f"{args.file}: {len(plan.programs)} process{'es' * (len(plan.programs) != 1)}, nothing is wrong")
        return FINE
    logfile = args.logfile or plan.logfile
    if not args.daemon:
        return _Command(args, plan, complain, logfile).perform(None)
    try:
        became = daemon.become_daemon(logfile)
    except OSError as error:
        return complain(f"{logfile}: cannot be written: {error.strerror}", UNLAUNCHED)
    if isinstance(became, daemon.Parent):
        return complain(became.text, became.code) if became.text else became.code
    code = FINE
    try:
        code = _Command(args, plan, complain, None).perform(became)
    except BaseException as error:
        became.tell(UNLAUNCHED, f"{type(error).__name__}: {short(error)}")
        raise
    return code


class _Command:
    """One run of `supervise`."""

    def __init__(
        self, args: argparse.Namespace, plan: Plan, complain: Callable[[object, int], int], logfile: str | None
    ) -> None:
        self._args, self._plan, self._complain = args, plan, complain
        self._verbose = 2 if args.debug else 1 if args.verbose else plan.verbose
        self._logfile = logfile
        self._log: IO[str] | None = None
        self._events = _Events()

    def perform(self, daemon: Daemon | None) -> int:
        """To its end; the exit code."""
        from .processes.supervisor import Supervisor

        plan = self._plan
        supervisor = Supervisor(plan.programs, grace=plan.grace, on_change=self._changed)
        supervisor.in_order, supervisor.tell, supervisor.on_shutdown = plan.in_order, self._told, self._shut_down
        with contextlib.ExitStack() as opened:
            if self._logfile is not None:
                self._log = opened.enter_context(open(self._logfile, "a", buffering=1, encoding="utf-8"))
            for each in (self._events, self._logging(), self._listening(supervisor)):
                opened.enter_context(each)
            try:
                supervisor.start()
                code = self._run(supervisor, daemon)
            finally:
                self._stop(supervisor)
        return code

    def _run(self, supervisor: Supervisor, daemon: Daemon | None) -> int:
        from .processes.pymanager import FINE, UNLAUNCHED

        try:
            if not self._await_ready(supervisor):
                return FINE
        except MinimonError as error:
            if daemon is not None:
                daemon.tell(UNLAUNCHED, str(error))
            self._fail(str(error))
            return UNLAUNCHED
        if daemon is not None:
            daemon.tell(FINE)
        if self._args.run:
            return self._beside(supervisor)
        self._keep(supervisor)
        return FINE

    def _fail(self, text: str) -> None:
        """Several lines on stderr: what has failed, and its last lines."""
        for line in text.splitlines():
            self._complain_line(line)

    def _complain_line(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(line if line.startswith(" ") else f"minimon: {line}", file=self._log or sys.stderr, flush=True)

    def _await_ready(self, supervisor: Supervisor) -> bool:
        """True when all are ready, False when it was told to end. Raises NotReadyError."""
        while True:
            try:
                supervisor.wait_ready(0.0, once=True)
                return True
            except WaitTimeout:
                pass
            except LifecycleError:  # somebody has told it to end
                return False
            kind, _ = self._events.next()
            if kind in ("signal", "shutdown"):
                return False

    def _keep(self, supervisor: Supervisor) -> None:
        """Until it is told to end, or all have ended and nobody wants to keep it alive."""
        while True:
            states = [each.life for each in supervisor.processes]
            if not self._plan.keep_alive and not any(life.up or life.state == "backoff" for life in states):
                return
            if self._events.next()[0] in ("signal", "shutdown"):
                return

    def _stop(self, supervisor: Supervisor) -> None:
        """Stop all; a second SIGINT meanwhile kills."""
        thread = threading.Thread(target=self._stopped, args=(supervisor,), name="minimon-stop", daemon=True)
        thread.start()
        if any(each.life.up for each in supervisor.processes) and sys.stderr is not None and sys.stderr.isatty():
            self._complain_line("stopping; SIGINT again ends all at once")
        while True:
            kind, what = self._events.next()
            if kind == "signal" and what == signal.SIGINT:
                supervisor.kill()
            if kind == "stopped":
                return

    def _stopped(self, supervisor: Supervisor) -> None:
        try:
            supervisor.stop()
        finally:
            self._events.tell("stopped")

    # --- a command beside them

    def _beside(self, supervisor: Supervisor) -> int:
        """Run it in the foreground; its exit code."""
        command = supervisor.filled(list(self._args.run))
        try:
            process = subprocess.Popen(command)
        except OSError as error:
            self._complain_line(f"{command[0]}: {error.strerror}")
            return 127 if isinstance(error, FileNotFoundError) else 126
        threading.Thread(target=self._wait_for, args=(process,), name="minimon-command", daemon=True).start()
        while True:
            kind, what = self._events.next()
            if kind == "command":
                break
            if kind == "signal" and what != signal.SIGINT:  # the terminal has sent that to the command as well
                process.send_signal(what)
            elif kind == "shutdown":
                process.terminate()
        for each in supervisor.processes:
            if each.state == "failed" or (each.state == "exited" and each.why):
                self._fail(f"process {each.name!r} is {each.state}: {each.why}")
                for line in each.log(LINES):
                    self._complain_line(f"    {line}")
        return int(what) if what >= 0 else 128 - int(what)

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        self._events.tell("command", process.wait())

    # --- what is told

    def _changed(self, change: Change) -> None:
        """On the thread minimon-notify."""
        process = change.process
        if "process.exit" in self._plan.messages and change.before in ("starting", "running", "ready", "stopping"):
            if change.after not in ("starting", "running", "ready", "stopping"):
                self._line(f"Process {process.command} exited with code {process.poll()}")
        self._events.tell("change", change)

    def _told(self, kind: str, text: str) -> None:
        if kind in self._plan.messages or "verifier.verbose" in self._plan.messages or self._verbose > 1:
            self._line(text)

    def _shut_down(self) -> None:
        self._events.tell("shutdown")

    def _line(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(short(text, 2000), file=self._log or sys.stdout, flush=True)

    @contextlib.contextmanager
    def _logging(self) -> Any:
        """Each step is told, where that is wanted."""
        if not self._verbose:
            yield
            return
        root = logging.getLogger("minimon")
        printer, level = _Printer(self._line), root.level
        root.addHandler(printer)
        root.setLevel(logging.DEBUG if self._verbose > 1 else logging.INFO)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(printer)

    @contextlib.contextmanager
    def _listening(self, supervisor: Supervisor) -> Any:
        """The HTTP interface, where the file wants one."""
        if self._plan.port is None:
            yield
            return
        from .processes.listener import Listener
        from .serve.server import HealthCheckServer

        with HealthCheckServer(port=self._plan.port).serving(Listener(supervisor)):
            yield


class _Printer(logging.Handler):
    """Prints what is logged."""

    def __init__(self, line: Callable[[str], None]) -> None:
        super().__init__()
        self._print = line

    def emit(self, record: logging.LogRecord) -> None:
        self._print(record.getMessage())


# --- ctl


def ctl(args: argparse.Namespace, output: Output, complain: Callable[[object, int], int]) -> int:
    """Ask a running `supervise`, or any server that serves a Supervisor; the exit code."""
    needs_name = args.verb != "list"
    if needs_name and not args.names:
        return complain(f"ctl: {args.verb} of which process? say its name", 2)
    if args.verb == "list":
        return _list(args, output, complain)
    codes = [
        _log(args, name, output, complain) if args.verb == "log" else _do(args, name, output, complain)
        for name in args.names
    ]
    return max(codes)


def _ask(args: argparse.Namespace, method: str, path: str) -> tuple[int, Any, str]:
    """Code, document and text of an answer; code 0 and why, where there is none. Raises ConfigError."""
    from .probes.http import HttpProbe

    more = {"bearer": args.token} if args.token else {}
    response = HttpProbe(f"{args.url.rstrip('/')}{path}", method=method, max_body=16 << 20, **more)(PATIENCE)
    if response.error is not None or response.status_code is None:
        why = response.error.detail if response.error is not None else "no answer"
        return 0, None, f"{args.url}: {why}"
    text = response.text
    with contextlib.suppress(ValueError):
        return response.status_code, json.loads(text), text
    return response.status_code, None, text


def _why(code: int, document: Any, text: str) -> str:
    """What an answer says is wrong."""
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    process = document.get("process") if isinstance(document, dict) else None
    if not error and isinstance(process, dict):
        error = f"it is {process.get('state')}: {process.get('why')}"
    return str(error or text or "no answer") if code else text


def _list(args: argparse.Namespace, output: Output, complain: Callable[[object, int], int]) -> int:
    from .model import span

    code, document, text = _ask(args, "GET", "/processes")
    if code != 200 or not isinstance(document, dict):
        return complain(f"ctl: {_why(code, document, text)}", 1)
    if args.json:
        output.line(json.dumps(document))
        return 0
    views = document["processes"]
    wide = max([4, *(len(view["name"]) for view in views)])
    output.line(f"{'ID':>3}  {'NAME':<{wide}}  {'STATE':<8}  {'PID':>7}  {'UP':>7}  {'RESTARTS':>8}  ")
    for view in views:
        up = span(view["uptime_s"]) if view["uptime_s"] is not None else "-"
        pid = view["pid"] or "-"
        told = view["why"] or (f"exit code {view['code']}" if view["state"] == "exited" else "")
        line = f"{view['id']:>3}  {view['name']:<{wide}}  {view['state']:<8}  {pid:>7}  {up:>7}  {view['restarts']:>8}"
        output.line(short(f"{line}  {told}".rstrip(), max(output.width, 60)))
    return 0


def _do(args: argparse.Namespace, name: str, output: Output, complain: Callable[[object, int], int]) -> int:
    code, document, text = _ask(args, "POST", f"/processes/{quote(name, safe='')}/{args.verb}")
    if code != 200 or not isinstance(document, dict):
        return complain(f"ctl: {args.verb} {name}: {_why(code, document, text)}", 1)
    view = document["process"]
    output.line(json.dumps(document) if args.json else f"{view['name']}: {view['state']}{_with_pid(view)}")
    return 0


def _with_pid(view: dict[str, Any]) -> str:
    return f", pid {view['pid']}" if view["pid"] else ""


def _log(args: argparse.Namespace, name: str, output: Output, complain: Callable[[object, int], int]) -> int:
    code, document, text = _ask(args, "GET", f"/processes/{quote(name, safe='')}/log?tail={args.lines}")
    if code != 200:
        return complain(f"ctl: log {name}: {_why(code, document, text)}", 1)
    output.write(text)
    return 0
