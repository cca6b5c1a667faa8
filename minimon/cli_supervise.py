"""The command `supervise`: programs of a file, in the foreground or as a daemon, and a command beside them."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from . import __version__
from .errors import ConfigError, LifecycleError, MinimonError, PortError, WaitTimeout, did_you_mean
from .hosting import DISABLED, disabled
from .text import short

if TYPE_CHECKING:
    from .processes.daemon import Daemon
    from .processes.entry import Change
    from .processes.pymanager import Plan
    from .processes.supervisor import Supervisor
    from .table import Output

LINES = 20
"""Last lines of a process that has failed."""
ENDS = {"failed": "has failed", "exited": "has ended", "backoff": "is to be launched again"}
SLOW = 1.0
"""Seconds of stopping, after which that is told."""
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
                ignored = name == "SIGHUP" and signal.getsignal(number or 0) is signal.SIG_IGN  # nohup(1)
                if number is not None and not ignored:  # a shell without job control has & ignore SIGINT and SIGQUIT
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
    from .processes.pymanager import FINE, NO_FILE, NOTHING, UNLAUNCHED, UNREADABLE, USAGE, WRONG

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
    if args.run is not None:
        wrong = "-- wants a COMMAND" if not args.run else "-d and a COMMAND do not go together" if args.daemon else ""
        wrong = wrong or _unknown_port(args.run, plan)
        if wrong:
            return complain(f"supervise: {wrong}", USAGE)
    logfile = args.logfile or plan.logfile
    if not args.daemon:
        return _Command(args, plan, logfile).perform(None)
    try:
        became = daemon.become_daemon(logfile)
    except OSError as error:
        return complain(f"{logfile}: cannot be written: {error.strerror}", UNLAUNCHED)
    if isinstance(became, daemon.Parent):
        for line in became.text.splitlines():
            _print(line, sys.stderr)
        return became.code
    try:
        return _Command(args, plan, None).perform(became)
    except BaseException as error:
        told = isinstance(error, (PortError, LifecycleError))
        became.tell(UNLAUNCHED, str(error) if told else f"{type(error).__name__}: {short(error)}")
        raise


def _unknown_port(command: list[str], plan: Plan) -> str:
    """What is wrong with {port:NAME} in a command; "" for nothing."""
    from .processes.gates import ports_in
    from .processes.program import ports_of

    known = {name for program in plan.programs for name in ports_of(program)}
    wrong = next((name for name in ports_in(command) if name not in known), None)
    return "" if wrong is None else f"no process has {{port:{wrong}}}; {did_you_mean(wrong, known) if known else ''}"


def _print(line: str, file: IO[str] | None) -> None:
    """A line for people: what belongs to the line before is left as it is."""
    with contextlib.suppress(OSError, ValueError):
        print(line if line.startswith(" ") else f"minimon: {line}", file=file, flush=True)


class _Command:
    """One run of `supervise`."""

    def __init__(self, args: argparse.Namespace, plan: Plan, logfile: str | None) -> None:
        self._args, self._plan = args, plan
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
                try:
                    self._log = opened.enter_context(open(self._logfile, "a", buffering=1, encoding="utf-8"))
                except OSError as error:
                    raise LifecycleError(f"{self._logfile}: cannot be written: {error.strerror}") from error
            if disabled():
                raise LifecycleError(f"nothing is started, for {DISABLED} is set")
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

        begun = time.monotonic()
        try:
            ended = self._await_ready(supervisor)
        except MinimonError as error:
            if daemon is not None:
                daemon.tell(UNLAUNCHED, str(error))
            self._fail(str(error))
            return UNLAUNCHED
        if ended is not None:  # 0, as ever, but for who waits for a COMMAND that was not run
            if self._args.run:
                self._fail("told to end before all were ready; COMMAND was not run")
            return ended if self._args.run else FINE
        self._tell_ready(supervisor, time.monotonic() - begun, daemon)
        if self._args.run:
            return self._beside(supervisor)
        self._keep(supervisor)
        return UNLAUNCHED if any(each.state == "failed" for each in supervisor.processes) else FINE

    def _tell_ready(self, supervisor: Supervisor, seconds: float, daemon: Daemon | None) -> None:
        """On a terminal, and by the parent of a daemon that has one: else nothing is said that was not asked for."""
        count = len(supervisor.processes)
        ports = ", ".join(f"{name} {port}" for name, port in supervisor.ports.items())
        told = f"{'all ' * (count > 1)}{count} process{'es' * (count > 1)} up after {seconds:.1f} s"
        told += f"; ports: {ports}" * bool(ports)
        told += f"; http://127.0.0.1:{self._plan.port}/" if self._plan.port else ""
        if daemon is not None:
            told += f"; process {os.getpid()}, which ends all"
            daemon.tell(0, told if daemon.terminal else "")
        elif sys.stderr is not None and sys.stderr.isatty() and self._log is None and not self._args.run:
            self._fail(told)

    def _fail(self, text: str) -> None:
        """Several lines on stderr: what has failed, and its last lines."""
        for line in text.splitlines():
            _print(line, self._log or sys.stderr)

    def _await_ready(self, supervisor: Supervisor) -> int | None:
        """None when all are ready, a code when it was told to end. Raises NotReadyError."""
        while True:
            try:
                supervisor.wait_ready(0.0, once=True)
                return None
            except WaitTimeout:
                pass
            except LifecycleError:  # somebody has told it to end
                return 1
            kind, what = self._events.next()
            if kind in ("signal", "shutdown"):
                return 128 + int(what) if kind == "signal" else 1

    def _keep(self, supervisor: Supervisor) -> None:
        """Until it is told to end, or all have ended and nobody wants to keep it alive."""
        while True:
            states = [each.life for each in supervisor.processes]
            if not self._plan.keep_alive and not any(life.up or life.state == "backoff" for life in states):
                return
            kind, what = self._events.next()
            self._tell_failure(kind, what)
            if kind in ("signal", "shutdown"):
                return

    def _tell_failure(self, kind: str, change: Any) -> None:
        """One that was up is given up, or has ended badly beside a COMMAND: told with its last lines."""
        told = ("failed", "exited", "backoff") if self._args.run else ("failed",)
        if kind == "change" and change.after in told and change.why:
            self._fail(f"process {change.name!r} {ENDS[change.after]}: {change.why}")
            for line in change.process.log(LINES):
                self._fail(f"    {line}")

    def _stop(self, supervisor: Supervisor) -> None:
        """Stop all; SIGINT meanwhile kills, if it is the second."""
        thread = threading.Thread(target=self._stopped, args=(supervisor,), name="minimon-stop", daemon=True)
        thread.start()
        kind, told, begun = "", False, time.monotonic()
        while kind != "stopped":
            kind, what = self._events.next(max(0.0, begun + SLOW - time.monotonic()) if not told else 3600.0)
            if kind == "signal" and what == signal.SIGINT:
                supervisor.kill()
            if not kind and not told:
                told = True
                if sys.stderr is not None and sys.stderr.isatty():
                    self._fail("stopping; SIGINT ends all at once")

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
            beside = Beside(command, supervisor, self._events)
        except OSError as error:
            self._fail(f"{command[0]}: {error.strerror}")
            return 127 if isinstance(error, FileNotFoundError) else 126
        asked, patience = 0, 3600.0
        while True:
            kind, what = self._events.next(patience)
            self._tell_failure(kind, what)
            if kind == "command":
                return int(what) if what >= 0 else 128 - int(what)
            if kind == "signal":
                asked += 1
                beside.send(what)
            elif kind == "shutdown":
                beside.send(signal.SIGTERM)
            if kind in ("signal", "shutdown"):
                patience = max(self._plan.grace, 0.1)
            if (kind == "signal" and what == signal.SIGINT and asked > 1) or (not kind and patience < 3600.0):
                beside.send(signal.SIGKILL)

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

        try:
            server = HealthCheckServer(port=self._plan.port).start(Listener(supervisor))
        except PortError as error:
            told = f"port {self._plan.port} cannot be had: {os.strerror(error.errno or 0)}; is another supervise there?"
            raise PortError(error.errno, f"{told} say another as http.port") from error
        try:
            yield
        finally:
            server.stop()


class Beside:
    """The command that runs beside the processes. On a terminal it belongs to that, as any other; elsewhere it has a
    session of its own, which the guard ends as well when `supervise` was killed.
    """

    def __init__(self, command: list[str], supervisor: Supervisor, events: _Events) -> None:
        """Raises OSError."""
        from .processes.child import GROUPS, spawn

        self._shares = not GROUPS or (sys.stdin is not None and sys.stdin.isatty())
        if self._shares:
            self._popen = subprocess.Popen(command)
        else:
            self._child = spawn(command, stdin=None)
            self._popen = self._child.popen
            supervisor.watch_over(self._child.pid)
        threading.Thread(target=self._wait, args=(events,), name="minimon-command", daemon=True).start()

    def _wait(self, events: _Events) -> None:
        if self._shares:
            events.tell("command", self._popen.wait())
            return
        self._child.wait()
        ended = self._child.ended()
        self._child.kill()
        self._child.reap()
        events.tell("command", 1 if ended is None or ended.code is None else ended.code)

    def send(self, number: int) -> None:
        """A signal; SIGINT was sent by the terminal already, where it is that."""
        if not self._shares:
            self._child.signal(number)
        elif number != signal.SIGINT:
            self._popen.send_signal(number)


class _Printer(logging.Handler):
    """Prints what is logged."""

    def __init__(self, line: Callable[[str], None]) -> None:
        super().__init__()
        self._print = line

    def emit(self, record: logging.LogRecord) -> None:
        self._print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(record.created))} {record.getMessage()}")
