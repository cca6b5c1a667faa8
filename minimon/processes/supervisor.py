"""Supervisor: programs are launched, verified, watched, launched again and ended, and nothing of theirs is left.

    with Supervisor([
        Program("db", ["postgres", "-D", "data"], ready={"tcp": "localhost:5432"}),
        Program("web", ["python3", "web.py"], depends_on=["db"], restart="on-failure"),
    ]) as supervisor:
        supervisor.wait_ready(timeout=30)

It lives in any thread of a host, beside others of its kind: it installs no signal handler, and waits for no process but
its own. Each program leads a session of its own; whatever it starts within that ends with it. When the host exits, its
programs get their signal; when it is killed, the guard ends them.

Ends are seen at once where the system tells (pidfd, Linux 5.4), elsewhere by a thread for each process. Where there is
no /proc, a program whose leader has ended leaves no time to what it has started: that gets KILL at once. On Windows a
process is ended alone, its output is not kept, and there is no guard: `snapshot()["lacking"]` says what is missing.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from functools import partial
from types import TracebackType
from typing import Any

from .. import __version__, fork
from ..errors import ConfigError, LifecycleError, NotReadyError, UnknownCheckError, WaitTimeout, did_you_mean
from ..hosting import DISABLED, disabled
from ..log import logger
from ..model import stamp
from ..notify import Notifier
from ..pool import deadline_in, join_until
from ..probes import Shared
from . import report
from .child import GROUPS, Platform
from .entry import Change, Entry, Ticket
from .gates import with_ports
from .guard import lacking
from .interface import Interface
from .journal import Journal
from .keeper import IN_STOP, Keeper
from .lifecycle import PHRASES, Life, State
from .process import Process
from .program import Program, check_order, check_ports
from .sinks import FileSink
from .verifiers import TELL

_log = logger("supervisor")

EVENTS = 100
"""Events that are kept."""
LINES = 5
"""Last lines of output in a snapshot."""
SECOND = 1.0
LONGEST = 1e6
"""Seconds of a stop at most."""
GUARDED, UNGUARDED = 0.2, 1.0
"""Seconds that the exit of the host waits for its processes, with a guard and without."""
BOOTING, LAUNCHING, RUNNING, SHUTDOWN, FORCED = (
    *("booting", "launching processes", "running", "shutdown", "force shutdown"),
)
"""What `status` says."""


class Supervisor:
    """Keeps programs running while it runs. Any thread may call any method.

    programs   Program objects; they are launched in this order, as soon as what they depend on is there
    grace      seconds in which stop() has all of them end
    guard      whether a small process ends them when the host was killed
    ring       whether the last 64 KiB of each one's output are kept
    on_change  called with a Change (name, process, before, after, why, at) when one has turned to another state, on the
               thread `minimon-notify`, in order
    name       what the page and `/metrics` call it, where there are several

    Nothing runs before `start()`, which never waits; `wait_ready()` does. Raises ConfigError for bad values, names that
    are there twice or unknown, programs that wait for each other.
    """

    def __init__(
        self,
        programs: Iterable[Program],
        *,
        grace: float = 10.0,
        guard: bool = True,
        ring: bool = True,
        on_change: Callable[[Change], object] | None = None,
        name: str = "processes",
    ) -> None:
        if isinstance(programs, Program) or not isinstance(programs, Iterable):
            raise ConfigError(f"supervisor: programs must be a list of Program, got a {type(programs).__name__}")
        self.programs = tuple(programs)
        for program in self.programs:
            if not isinstance(program, Program):
                raise ConfigError(f"supervisor: expected a Program, got {program!r:.60}; write Program(name, command)")
        check_order(self.programs)
        check_ports(self.programs)
        if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not 0 <= grace < float("inf"):
            raise ConfigError(f"supervisor: grace must be seconds, 0 or more, got {grace!r:.60}")
        for key, value in (("guard", guard), ("ring", ring)):
            if not isinstance(value, bool):
                raise ConfigError(f"supervisor: {key} must be True or False, got {value!r:.60}")
        if on_change is not None and not callable(on_change):
            raise ConfigError(f"supervisor: on_change must be a function, got {on_change!r:.60}")
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ConfigError(f"supervisor: name must be a printable text, got {name!r:.60}")
        self.name = name
        self.grace, self._guarded, self._ring, self._on_change = float(grace), guard, ring, on_change
        self.in_order: Collection[str] = ()  # those that wait for the one before them, as in older files
        self.tell: TELL | None = None  # what Verifiers have to say
        self.on_shutdown: Callable[[], object] | None = None  # somebody has asked for that over HTTP
        self.platform = Platform()
        self._ports: dict[str, int] = {}
        self._fresh()
        self.processes = tuple(
            Process(number, program, _journal(program, ring), self._changed, self)
            for number, program in enumerate(self.programs, 1)
        )

    def _fresh(self) -> None:
        # Guards _keeper and what starts and stops; taken by start() and stop() for their first moments.
        self._lock = threading.RLock()
        # Guards what the processes are known to be, and the events; told of each change.
        self._changed = threading.Condition(threading.Lock())
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self._keeper: Keeper | None = None
        self._notifier: Notifier | None = None
        self._shared: Shared | None = None
        self._forced = self._stopped = False
        self._started_at = self._began = 0.0
        self._pid = os.getpid()
        self.was_ready = False

    # --- life

    def start(self) -> Supervisor:
        """Launch the programs, each as soon as what it depends on is there; returns self, and never waits.

        Raises LifecycleError when it runs already, or there is no thread or descriptor. What cannot be launched is
        `failed`. With MINIMON_DISABLED=1 in the environment nothing happens.
        """
        self.mind_fork()
        if disabled():
            _log.info("supervisor is not started: %s is set", DISABLED)
            return self
        with self._lock:
            if self._keeper is not None:
                raise LifecycleError("the supervisor runs already; stop() it first")
            self._shared = Shared()
            entries = []
            for process in self.processes:
                gates = process.program.gates(self.port, self._shared, self.tell)
                process._set(Life(), None, 0)
                entries.append(Entry(process, gates, process._journal))
            self._notifier = None if self._on_change is None else Notifier(self._on_change, self._notifier)
            keeper = self._started(entries)
            self._keeper, self._forced, self._stopped = keeper, False, False
            self._pid, self._started_at, self._began = os.getpid(), time.time(), time.monotonic()
            fork.watch(self)
            fork.watch_exit(self)
        self._warn()
        _log.info("supervisor started with %d programs", len(self.programs))
        return self

    def _started(self, entries: list[Entry]) -> Keeper:
        """Raises LifecycleError; then nothing is left."""
        try:
            keeper = Keeper(
                entries,
                self._changed,
                self._note,
                guard=self._guarded,
                ring=self._ring,
                in_order=self.in_order,
                port=self.filled,
                platform=self.platform,
            )
        except OSError as error:
            raise LifecycleError(
                f"the supervisor got no descriptors: {error.strerror}; raise the system's limit"
            ) from error
        try:
            if self._notifier is not None:
                self._notifier.start()
            if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
                keeper.warn_of_loss()
            keeper.start()
        except RuntimeError as error:
            keeper.discard()
            if self._notifier is not None:
                self._notifier.stop(deadline_in(SECOND))
            raise LifecycleError(f"the supervisor got no thread: {error}; raise the system's limit") from error
        return keeper

    def _warn(self) -> None:
        """Of what is not as it should be."""
        for what in self._lacking():
            _log.warning("supervisor: %s", what)
        for program in self.programs:
            if program.stop.timeout > self.grace:
                _log.warning(
                    "program %s: its stop.timeout of %g s is cut by the supervisor's grace of %g s for all",
                    *(program.name, program.stop.timeout, self.grace),
                )

    def _lacking(self) -> list[str]:
        """What this system, or this host, does not offer."""
        found = []
        if self._guarded and lacking():
            found.append(f"no guard: {lacking()}; a host that is killed leaves its processes behind")
        if not GROUPS:
            found.append("no process groups: what a process has started is left behind")
        elif not (self.platform.proc and os.path.isdir("/proc/self")):
            found.append("no /proc: what a process has started is killed at once when that has ended")
        return found

    def stop(self, timeout: float | None = None) -> bool:
        """End all programs, those first on which no other depends, within `timeout` seconds, or `grace`.

        Each gets its signal, and KILL when its own time or that of all is over. True when nothing is left. Idempotent,
        safe before start and from any thread; called while a restart is under way, that is given up.
        """
        self.mind_fork()
        seconds = self.grace if timeout is None else _limit(timeout)
        with self._lock:
            keeper = self._keeper
            self._stopped = self._stopped or keeper is not None
        if keeper is None:
            return True
        keeper.post(lambda: keeper.halt_all(seconds))
        if threading.current_thread() is keeper.thread:
            return False
        deadline = deadline_in(seconds + 2 * SECOND)
        ended = keeper.over.wait(max(0.0, deadline - time.monotonic())) and join_until(keeper.thread, deadline + SECOND)
        with self._lock:
            if self._keeper is not keeper:  # another thread was faster
                return ended and keeper.clean
            self._keeper = None
        ended = keeper.pool.stop(time.monotonic() + 0.1) and ended
        if self._notifier is not None:
            ended = self._notifier.stop(deadline_in(SECOND)) and ended
        if self._shared is not None:
            ended = self._shared.stop(deadline_in(SECOND)) and ended
        _log.info("supervisor stopped")
        return ended and keeper.clean

    def shut_down(self) -> None:
        """Begin to stop, and never wait: stop() comes to its end the sooner."""
        self.mind_fork()
        keeper = self._keeper
        if keeper is not None:
            self._stopped = True
            keeper.post(lambda: keeper.halt_all(self.grace))
            if self.on_shutdown is not None:
                self.on_shutdown()

    def watch_over(self, pid: int) -> None:
        """Have the guard end this session, too, when the host was killed; for as long as the supervisor runs."""
        keeper = self._keeper
        if keeper is not None:
            keeper.post(lambda: keeper.watchman.add(pid, SECOND))

    def kill(self) -> None:
        """KILL all programs at once, while stop() waits for them in another thread. Never waits."""
        self.mind_fork()
        keeper = self._keeper
        if keeper is not None:
            self._stopped = self._forced = True
            keeper.post(lambda: keeper.halt_all(0.0, in_order=False))

    def __enter__(self) -> Supervisor:
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Supervisor {self.status}, {len(self.programs)} programs>"

    @property
    def running(self) -> bool:
        """True between start() and stop()."""
        self.mind_fork()
        return self._keeper is not None

    def at_exit(self) -> None:
        """The interpreter exits: everyone gets his signal, and the guard waits for them. Called by the main thread."""
        keeper = self._keeper
        if keeper is None or self._pid != os.getpid():
            return
        guarded, self._stopped = keeper.watchman.pid is not None, True
        limit = max([self.grace, *(one.stop.timeout for one in self.programs)]) if guarded else UNGUARDED

        def halt() -> None:
            keeper.halt_all(limit, in_order=False)
            for entry in keeper.entries:  # now, for nothing may come after this
                keeper._halt_level([entry])
            keeper.watchman.told()

        keeper.post(halt)
        keeper.over.wait(GUARDED if guarded else UNGUARDED + 0.2)

    # --- one program

    def process(self, which: int | str) -> Process:
        """One process, by name or id. It may be the target of a Check. Raises UnknownCheckError."""
        found = next((each for each in self.processes if each.name == which), None)
        if found is None and (
            isinstance(which, int) or (isinstance(which, str) and which.isascii() and which.isdigit())
        ):
            found = next(
                (each for each in self.processes if each.id == int(which[:20] if isinstance(which, str) else which)),
                None,
            )
        if found is None:
            names = [each.name for each in self.processes]
            raise UnknownCheckError(f"no process {which!r:.80}; {did_you_mean(which, names)}")
        return found

    def restart(self, which: int | str, *, timeout: float | None = None) -> Process:
        """End a process, launch it again, wait until it is ready; what had failed is forgotten. By name or id. None is
        as long as its own times may take.

        Raises UnknownCheckError, LifecycleError (it is being restarted already, or all is being stopped), WaitTimeout,
        and NotReadyError where it does not get ready.
        """
        process = self.process(which)
        ticket = self.ask_restart(process)
        timeout = process.program.patience + 2 * SECOND if timeout is None else timeout
        if not ticket.done.wait(timeout):
            raise WaitTimeout(
                f"process {process.name!r} was not ready after {timeout:g} s", elapsed=timeout, why=process.why
            )
        if ticket.error is not None:
            raise ticket.error
        if not ticket.result:
            raise self._not_ready(process)
        return process

    def ask_restart(self, process: Process, on_end: Callable[[], None] | None = None) -> Ticket:
        """The same without waiting: the Ticket says when it is done; `on_end` is called then, on another thread.

        Raises LifecycleError when it does not run.
        """
        return self._ask("restart", process, on_end)

    def ask_launch(self, process: Process, on_end: Callable[[], None] | None = None) -> Ticket:
        """Launch a process that does not run; done when it is ready, or failed."""
        return self._ask("launch", process, on_end)

    def ask_halt(
        self, process: Process, on_end: Callable[[], None] | None = None, timeout: float | None = None
    ) -> Ticket:
        """End a process; done when nothing of it is left."""
        return self._ask("halt", process, on_end, timeout)

    def _ask(self, verb: str, process: Process, on_end: Callable[[], None] | None, *more: Any) -> Ticket:
        self.mind_fork()
        keeper = self._keeper
        if keeper is None:
            raise LifecycleError("the supervisor does not run; start() it first")
        ticket = Ticket(on_end)
        if not keeper.post(partial(getattr(keeper, verb), keeper.entries[process.id - 1], ticket, *more)):
            ticket.fail(LifecycleError(IN_STOP))
        return ticket

    def launch(self, which: int | str) -> None:
        """Launch a process that does not run, when what it depends on is there. Never waits."""
        self.ask_launch(self.process(which))

    def halt(self, which: int | str, *, timeout: float | None = None) -> bool:
        """End a process, and leave it ended; True when nothing of it is left."""
        process = self.process(which)
        limit = process.program.stop.timeout if timeout is None else timeout
        ticket = self.ask_halt(process, timeout=timeout)
        return ticket.done.wait(limit + 2 * SECOND) and bool(ticket.result)

    def port(self, name: str) -> int:
        """The port that stands in place of {port:NAME}: a free one when it was first asked for, the same ever after."""
        with self._lock:
            if name not in self._ports:
                self._ports[name] = _free_port(set(self._ports.values()))
            return self._ports[name]

    @property
    def ports(self) -> dict[str, int]:
        """The ports by name, as far as they were asked for."""
        with self._lock:
            return dict(self._ports)

    def filled(self, value: Any) -> Any:
        """A text, or a list or dict of them, with the ports in place of each {port:NAME}."""
        return with_ports(value, self.port)

    def wait_ready(self, timeout: float = 60.0, *, once: bool = False) -> Supervisor:
        """Wait until every program is up, ready, or has done what it was for; returns self.

        Raises NotReadyError, with the last lines of its output, as soon as one has failed; WaitTimeout;
        LifecycleError when it does not run. `once`: one that was up may have ended since, however it did.
        """
        self.mind_fork()
        end = deadline_in(timeout)
        with self._changed:
            while True:
                if self._keeper is None or self._keeper.over.is_set():
                    raise LifecycleError("the supervisor does not run; start() it first")
                late = next(
                    (one for one in self.processes if not report.is_there(one._life, one._launches, once)), None
                )
                left = end - time.monotonic()
                if late is None or left <= 0 or any(report.has_failed(one._life, once) for one in self.processes):
                    break
                self._changed.wait(min(left, 0.5))
            bad = next((one for one in self.processes if report.has_failed(one._life, once)), None)
        if bad is not None:
            raise self._not_ready(bad)
        if late is not None:
            why = late.why or f"it is {late.state}"
            raise WaitTimeout(
                f"process {late.name!r} was not ready after {timeout:g} s: {why}", elapsed=timeout, why=why
            )
        return self

    def _not_ready(self, process: Process) -> NotReadyError:
        lines = "".join(f"\n    {line}" for line in process.log(10))
        what, why = PHRASES[process.state].replace("it ", "", 1), process.why or "it did not get ready"
        return NotReadyError(f"process {process.name!r} {what}: {why}{lines}", process.name, str(process.state))

    # --- what is known

    @property
    def routes(self) -> Interface:
        """What a HealthCheckServer answers besides: see `interface`."""
        return Interface(self)

    @property
    def status(self) -> str:
        """booting, launching processes, running, shutdown or force shutdown. running: all have been up."""
        keeper = self._keeper
        if keeper is None:
            return SHUTDOWN if self._stopped else BOOTING
        if self._stopped or keeper.halting:
            return FORCED if self._forced else SHUTDOWN
        return RUNNING if keeper.launched else LAUNCHING

    @property
    def draining(self) -> bool:
        """Whether it is being stopped, or was."""
        return self._stopped

    @property
    def stopping(self) -> bool:
        """Whether it is being stopped."""
        return self._stopped and self._keeper is not None

    def is_healthy(self) -> bool:
        """True when healthy or degraded: the answer of `/health`."""
        return self.overall() in ("healthy", "degraded")

    def overall(self) -> str:
        """healthy; degraded, while what `live` asks for does not hold; unhealthy, when a process that is wanted is not
        up, or has ended badly; unknown, when it does not run.
        """
        self.mind_fork()
        if self._keeper is None:
            return "unknown"
        return report.overall(self._lives())

    def _lives(self) -> dict[str, Life]:
        with self._changed:
            return {each.name: each._life for each in self.processes}

    def readiness(self) -> dict[str, Any]:
        """Whether requests may come: `{"ready": bool, "status": word, "blockers": {name: state}}`."""
        self.mind_fork()
        found = report.readiness(self._lives(), self._keeper is not None, self._stopped)
        self.was_ready = self.was_ready or bool(found["ready"])
        return found

    def document(self) -> dict[str, Any]:
        """How many there are, and each of them, as older clients know it: the answer of `/`."""
        return {"count": len(self.processes), "processes": [each.get_data() for each in self.processes]}

    def view(self, process: Process, lines: int = LINES) -> dict[str, Any]:
        """All that is known of one process, as plain data."""
        self.mind_fork()
        with self._changed:
            life, child = process._life, process._child
        pid = None if child is None else child.pid
        journal = process._journal
        return {
            "id": process.id,
            **report.view(process.program, life, pid, time.monotonic(), time.time()),
            "command": process.command,
            "output_bytes": journal.total,
            "dropped_bytes": journal.dropped,
            "log": process.log(lines) if lines else [],
        }

    def snapshot(self) -> dict[str, Any]:
        """All that is known at this instant, as plain data that JSON can carry."""
        self.mind_fork()
        keeper = self._keeper
        views = {each.name: self.view(each) for each in self.processes}
        with self._changed:
            events = list(self._events)
        counts = {str(state): sum(view["state"] == state for view in views.values()) for state in State}
        guard = None if keeper is None else keeper.watchman.pid
        uptime = round(time.monotonic() - self._began, 3) if keeper is not None else None
        return {
            "schema": 1,
            "service": {
                "name": self.name,
                "version": __version__,
                "pid": os.getpid(),
                "started_at": stamp(self._started_at) if self._started_at else None,
                "uptime_s": uptime,
                "draining": self._stopped,
            },
            "status": self.status,
            "overall": self.overall(),
            "counts": counts,
            "processes": views,
            "events": events,
            "ports": self.ports,
            "guard_pid": guard,
            "lacking": self._lacking(),
        }

    def get_detailed_stats(self) -> dict[str, Any]:
        """The same: what a HealthCheckServer asks every subject for."""
        return self.snapshot()

    def _note(self, change: Change) -> None:
        """Called by the keeper at each turn."""
        event = {
            "at": stamp(change.at),
            "process": change.name,
            "kind": "change",
            "before": str(change.before),
            "after": str(change.after),
            "detail": change.why,
        }
        with self._changed:
            self._events.append(event)
        if self._notifier is not None:
            self._notifier.put(change)

    # --- forks

    def after_fork(self) -> None:
        """In the child: nothing runs here; the processes are the parent's."""
        keeper, notifier, shared = self._keeper, self._notifier, self._shared
        self._fresh()
        for process in self.processes:
            process._changed = self._changed
            process._set(Life(), None, 0)
            process._journal.after_fork()
        for owner in (keeper, notifier, shared):
            if owner is not None:
                owner.after_fork()

    def mind_fork(self) -> None:
        """In a child of a host that runs no fork hooks: forget what is the parent's."""
        if os.getpid() != self._pid:
            self.after_fork()


def _limit(timeout: Any) -> float:
    """Seconds that stop() was given."""
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout != timeout:
        raise ConfigError(f"supervisor: timeout must be seconds, got {timeout!r:.60}")
    return float(min(max(0.0, timeout), LONGEST))


def _journal(program: Program, ring: bool) -> Journal:
    output = program.output
    sink = FileSink(output.path, output.max_bytes, output.files) if output.kind == "file" else None
    return Journal(ring, sink)


def _free_port(taken: set[int]) -> int:
    """One that nobody listens on now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
        if port not in taken:
            return port
