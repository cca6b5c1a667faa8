"""The one thread that launches, watches and ends processes. It owns all that changes, and waits for nothing but events:
ends of processes, timers, and what other threads ask for. What may take long is done by the workers of a pool.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import random
import re
import selectors
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from ..errors import LifecycleError
from ..log import logger
from ..pool import Pool
from ..text import short
from .child import GROUPS, Child, Ended, Platform, living, spawn
from .environment import read_variables
from .gates import TRY, Gate, rest_after
from .guard import Guard, lacking
from .guarding import TOKEN
from .lifecycle import SERVING, Life, State, ended, halted, launched, met, refused, wanted
from .output import Channel, Journal, Pump
from .process import Process

_log = logger("supervisor")

LOST = (
    "the host ignores SIGCHLD, or waits for any child: exit codes of processes are lost, and count as failures; "
    "use signal.signal(SIGCHLD, SIG_DFL), and wait for children by their pids"
)
LATER = 1.0
"""Seconds after SIGKILL, when what still lives is given up."""
STEPS = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two looks at what is left of a session whose leader has ended."""
GUARDS = 5
"""Times that a guard which has ended is launched again."""
LOOKERS = 32
"""Looks at `ready` and `live` that are made at the same time, beside those of Verifiers."""


class Change(NamedTuple):
    """One process has turned to another state: what `on_change` is called with."""

    name: str
    process: Process
    before: State
    after: State
    why: str
    at: float
    """When, in seconds since the epoch."""


class Ticket:
    """Something that was asked for, and takes its time."""

    def __init__(self, on_end: Callable[[], None] | None = None) -> None:
        self.launches = 0  # of its process, when it was asked for
        self.halts = False  # whether it is done when nothing is left
        self.error: BaseException | None = None
        self.result: bool | None = None
        self._on_end = on_end
        self.done = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether it has come to its end."""
        return self.done.is_set()

    def end(self, result: bool) -> None:
        """It has come to its end, well or not. Called by the keeper."""
        self.result = result
        self.done.set()
        if self._on_end is not None:
            self._on_end()

    def fail(self, error: BaseException) -> None:
        """It cannot be done."""
        self.error = error
        self.end(False)


class Run:
    """One run of a program, as its conditions see it."""

    def __init__(self, process: Process, env: Mapping[str, str], cwd: str | None) -> None:
        self.process, self.env, self.cwd = process, env, cwd
        self.code: int | None = None
        self.ended = False
        self.seen: set[str] = set()

    def logged(self, pattern: str) -> bool:
        """Whether it has written a line in which the pattern is found."""
        return pattern in self.seen


class Entry:
    """One program, as the keeper's thread has it."""

    def __init__(self, process: Process, gates: tuple[Gate | None, Gate | None], journal: Journal) -> None:
        self.process, self.program, self.journal = process, process.program, journal
        self.ready, self.live = gates
        self.life = Life()
        self.launches = 0
        self.child: Child | None = None
        self.channel: Channel | None = None
        self.run: Run | None = None
        self.exit: Ended | None = None
        self.deadline = 0.0  # when it gets SIGKILL; 0 while it is not to end
        self.looks = 0  # at the session of a leader that has ended
        self.job: Callable[[], None] | None = None  # a look that is being made
        self.tries = 0
        self.failing = 0.0  # since when `live` does not hold
        self.last = ""  # what did not hold the last time
        self.relaunch = False
        self.tickets: list[Ticket] = []


class Keeper:
    """Keeps the processes of one Supervisor. Any thread may call `post`; all the rest is done by its thread."""

    def __init__(
        self,
        entries: list[Entry],
        changed: threading.Condition,
        tell: Callable[[Change], None],
        *,
        guard: bool,
        ring: bool,
        in_order: bool,
        port: Callable[[Any], Any],
        platform: Platform,
    ) -> None:
        self.entries, self._changed, self._tell = entries, changed, tell
        self._by_name = {entry.program.name: entry for entry in entries}
        self._ring, self._in_order, self._port, self._platform = ring, in_order, port, platform
        self._needed_by = {name: [one for one in entries if name in one.program.depends_on] for name in self._by_name}
        blocking = sum(entry.ready is not None and entry.ready.blocks for entry in entries)
        self.pool = Pool("minimon-verify", 0, LOOKERS + blocking, eager=True, idle=5.0)
        self.guard = Guard() if guard and not lacking() else None
        self._guards = 0
        # Guards _inbox. A leaf.
        self._lock = threading.Lock()
        self._inbox: deque[Callable[[], None]] = deque()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector: selectors.BaseSelector = selectors.DefaultSelector()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self.pump = Pump() if os.name == "posix" else None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = 0
        self._sweeping: dict[Entry, None] = {}
        self._sweep_due = False
        self.halting = False
        self._halt_until = 0.0
        self._warned = False
        self.launched = False  # whether all were up once
        self.over = threading.Event()
        self.clean = True  # whether nothing was left
        self.thread = threading.Thread(target=self.work, name="minimon-supervisor", daemon=True)

    # --- life

    def start(self) -> None:
        """Start the threads and the guard, then launch. Raises RuntimeError, OSError; then nothing is left."""
        try:
            if self.guard is not None:
                self._start_guard()
            if self.pump is not None:
                self.pump.thread.start()
            self.post(self._begin)
            self.thread.start()
        except BaseException:
            self._end_guard()
            if self.pump is not None and self.pump.thread.ident is not None:
                self.pump.stop(time.monotonic() + 1.0)
            elif self.pump is not None:
                self.pump.after_fork()
            self._let_go()
            raise

    def post(self, call: Callable[[], None]) -> bool:
        """Have it called on the keeper's thread; False when there is none any more."""
        with self._lock:
            if self.over.is_set():
                return False
            self._inbox.append(call)
        with contextlib.suppress(OSError):
            self._bell.send(b"!")
        return True

    def work(self) -> None:
        """The thread's loop."""
        try:
            while not self._is_over():
                self._turn()
        finally:
            self._end_guard()
            if self.pump is not None:
                self.pump.stop(time.monotonic() + LATER)
            self.halting = True
            with self._lock:
                self.over.set()
            self._let_go()
            for entry in self.entries:
                for ticket in entry.tickets:
                    if not ticket.finished:
                        ticket.fail(LifecycleError(IN_STOP))
            while self._inbox:  # tickets that came too late
                self._inbox.popleft()()

    def _turn(self) -> None:
        patience = None
        if self._timers:
            patience = max(0.0, min(self._timers[0][0] - time.monotonic(), 3600.0))
        gone = []
        for key, _ in self._selector.select(patience):
            if key.data is None:
                with contextlib.suppress(OSError):
                    self._ear.recv(4096)
            else:
                self._selector.unregister(key.fileobj)
                gone.append(key.data)
        for call in gone:
            call()
        while self._inbox:
            with self._lock:
                call = self._inbox.popleft()
            call()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        if self._sweep_due:
            self._sweep()
        self._advance()

    def _at(self, when: float, call: Callable[[], None]) -> None:
        """Have it called then (monotonic). What is no longer wanted must find that out itself."""
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, call))

    def _is_over(self) -> bool:
        if not self.halting:
            return False
        left = [entry for entry in self.entries if entry.child is not None]
        if left and time.monotonic() < self._halt_until + LATER:
            return False
        self.clean = not left
        for entry in left:
            _log.warning("process %s cannot be ended", entry.program.name)
        return True

    def _let_go(self) -> None:
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def after_fork(self) -> None:
        """In the child: nothing is ours."""
        self._lock = threading.Lock()
        self.pool.after_fork()
        if self.guard is not None:
            self.guard.after_fork()
        if self.pump is not None:
            self.pump.after_fork()
        for entry in self.entries:
            if entry.child is not None:
                entry.child.forget()
        with contextlib.suppress(OSError):
            self._let_go()

    # --- the guard

    def _start_guard(self) -> None:
        assert self.guard is not None
        try:
            child = self.guard.start(
                (entry.child.pid, entry.program.stop.signal, entry.program.stop.timeout)
                for entry in self.entries
                if entry.child is not None
            )
        except (OSError, ValueError) as error:
            _log.warning("no guard: %s; a host that is killed leaves its processes behind", error)
            self.guard = None
            return
        if child.fd >= 0:
            self._selector.register(child.fd, selectors.EVENT_READ, partial(self._guard_gone, child))

    def _guard_gone(self, child: Child) -> None:
        """It has ended, and the host has not."""
        if self.guard is None or self.guard.child is not child:
            return
        child.reap()
        self.guard.child = None
        self._guards += 1
        if self._guards > GUARDS:
            _log.warning("the guard has ended %d times; there is none any more", self._guards)
            self.guard = None
            return
        _log.warning("the guard has ended; it is launched again")
        self._start_guard()

    def _end_guard(self) -> None:
        guard, self.guard = self.guard, None
        if guard is None:
            return
        guard.close()
        if guard.child is not None:
            until = time.monotonic() + LATER
            while guard.child.ended() is None and time.monotonic() < until:
                time.sleep(0.002)
            if guard.child.ended() is None:
                guard.child.kill()
            guard.child.reap()

    # --- launching

    def _begin(self) -> None:
        for entry in self.entries:
            self._turn_to(entry, wanted(entry.life, True))

    def _advance(self) -> None:
        """Launch whose turn it is, end whose turn it is, until nothing changes."""
        if self.halting:
            self._advance_halt()
            return
        turned = True
        while turned:  # one that is up may be what another one, before it in the list, has waited for
            turned = sum([self._mind_turn(entry) for entry in self.entries]) > 0
        if not self.launched and all(entry.life.well or entry.life.state is State.FAILED for entry in self.entries):
            self.launched = all(entry.life.well for entry in self.entries)

    def _mind_turn(self, entry: Entry) -> bool:
        """Launch it if it is its turn; whether it was."""
        if not entry.life.wanted or entry.child is not None or entry.relaunch or entry.life.state is not State.STOPPED:
            return False
        waits = self._waits_for(entry)
        if not waits:
            self._launch(entry)
        elif waits != entry.life.why:
            self._turn_to(entry, entry.life._replace(why=waits))
        return not waits

    def _waits_for(self, entry: Entry) -> str:
        """What its program waits for; "" when its turn has come."""
        needs: Iterable[tuple[str, str]] = entry.program.depends_on.items()
        if self._in_order and not needs:
            at = self.entries.index(entry)
            needs = [(self.entries[at - 1].program.name, "ready")] if at else []
        for name, need in needs:
            life = self._by_name[name].life
            if not _holds(life, need):
                verb = {"started": "be launched", "ready": "be ready", "completed": "complete"}[need]
                return f"waits for {name} to {verb}{f', which has {life.state}' * (life.state is State.FAILED)}"
        return ""

    def _launch(self, entry: Entry) -> None:
        entry.relaunch, entry.deadline, entry.exit, entry.looks = False, 0.0, None, 0
        entry.tries, entry.failing, entry.last = 0, 0.0, ""
        now = time.monotonic()
        try:
            self._spawn(entry)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._drop_channel(entry)
            entry.launches += 1
            why = short(_unlaunched(entry, error), 300)
            self._turn_to(entry, refused(entry.life, entry.program.restart, why, now, random.random()))
            self._mind_backoff(entry)
            return
        entry.launches += 1
        self._turn_to(entry, launched(entry.life, now))
        self._await_end(entry)
        if entry.ready is None:
            self._serve(entry)
        else:
            self._at(now + entry.ready.timeout, partial(self._late, entry, entry.launches))
            self._look(entry, entry.ready)

    def _spawn(self, entry: Entry) -> None:
        """Raises OSError, ValueError."""
        program = entry.program
        env = {**os.environ, **read_variables(self._port(program.env_file)), **self._port(dict(program.env))}
        command = self._port(list(program.command))
        entry.process.command = self._port(program.shown)
        cwd = self._port(program.cwd)
        if cwd is not None and not os.path.isdir(cwd):
            raise NotADirectoryError(0, "no such directory", cwd)
        entry.run = Run(entry.process, env, cwd)
        executable = _found(command[0], env)
        opened: list[int] = []
        try:
            ends = self._outputs(entry, opened)
            if self.guard is not None:
                env = {**env, TOKEN: self.guard.announce()}
            entry.child = spawn(
                command,
                executable=executable,
                env=env,
                cwd=cwd,
                stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
                stdout=ends[0],
                stderr=ends[1],
                platform=self._platform,
            )
        finally:
            for fd in opened:
                os.close(fd)
        if self.guard is not None:
            self.guard.add(entry.child.pid, program.stop.signal, program.stop.timeout)
        if self.pump is not None and entry.channel is not None:
            self.pump.add(entry.channel)

    def _outputs(self, entry: Entry, opened: list[int]) -> tuple[int | None, int | None]:
        """Its stdout and stderr; what is to be closed after the launch is added to `opened`."""
        kind, sink = entry.program.output.kind, entry.journal.sink
        patterns = [pattern for gate in (entry.ready, entry.live) if gate is not None for pattern in gate.patterns]
        if sink is not None:
            try:
                sink.close()
                sink.open()
            except OSError as error:
                if not entry.launches:
                    raise OSError(error.errno, f"output cannot be written: {error.strerror}", sink.path) from None
        watched = [(re.compile(each), partial(self._logged, entry, entry.launches + 1, each)) for each in patterns]
        entry.journal.begin(watched)
        if self.pump is None or not (self._ring or kind == "file" or patterns):
            direct = None if kind == "inherit" else subprocess.DEVNULL
            if sink is not None:  # no pipes to be watched here: it is written as it comes, and never rotated
                direct = os.open(sink.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                opened.append(direct)
            return direct, direct
        entry.channel = Channel(entry.journal)
        for host in (1, 2) if kind == "inherit" else (0,):
            opened.append(entry.channel.add(self.pump.hosts.get(host)))
        return opened[0], opened[-1]

    def _drop_channel(self, entry: Entry) -> None:
        channel, entry.channel = entry.channel, None
        if channel is not None:
            for fd in channel.fds:
                os.close(fd)

    def _await_end(self, entry: Entry) -> None:
        child = entry.child
        assert child is not None
        call = partial(self._gone, entry, child)
        if child.fd >= 0:
            self._selector.register(child.fd, selectors.EVENT_READ, call)
            return

        def wait() -> None:
            child.wait()
            self.post(call)

        try:
            threading.Thread(target=wait, name="minimon-wait-child", daemon=True).start()
        except RuntimeError:  # no thread: look now and then
            self._at(time.monotonic() + 1.0, partial(self._look_for_end, entry, child))

    def _look_for_end(self, entry: Entry, child: Child) -> None:
        if entry.child is child and child.ended() is None:
            self._at(time.monotonic() + 1.0, partial(self._look_for_end, entry, child))
        else:
            self._gone(entry, child)

    # --- ready and live

    def _logged(self, entry: Entry, launches: int, pattern: str) -> None:
        """A line was written that fits. On the pump's thread."""

        def seen() -> None:
            if entry.launches == launches and entry.run is not None:
                entry.run.seen.add(pattern)
                if entry.life.state is State.STARTING and entry.ready is not None and entry.ready.at_once:
                    self._look(entry, entry.ready)

        self.post(seen)

    def _look(self, entry: Entry, gate: Gate) -> None:
        """Have a worker look whether it holds; at once where that costs nothing."""
        run = entry.run
        assert run is not None
        if gate.at_once:
            self._looked(entry, entry.launches, None, gate.look(run, 0.0))
            return
        launches, limit = entry.launches, max(TRY, gate.interval)
        if entry.life.state is State.STARTING:
            limit = max(0.05, min(limit, entry.life.begun + gate.timeout - time.monotonic()))

        def job() -> None:
            why = _looked_at(gate, run, limit)
            self.post(partial(self._looked, entry, launches, job, why))

        entry.job = job
        entry.tries += 1
        if not self.pool.offer(job):
            self._looked(entry, launches, job, "the system gives no thread to look")

    def _looked(self, entry: Entry, launches: int, job: Any, why: str) -> None:
        if entry.launches != launches or entry.job is not job or entry.exit is not None:
            return  # of a run that is over
        entry.job = None
        entry.last = why
        if entry.life.state is State.STARTING and entry.ready is not None:
            if not why:
                self._serve(entry)
            elif entry.ready.blocks:
                self._fail(entry, f"it is not ready: {why}")
            elif not entry.ready.at_once:
                rest = rest_after(entry.tries, entry.ready.interval)
                self._at(time.monotonic() + rest, partial(self._look_again, entry, launches))
        elif entry.life.state in SERVING and entry.live is not None:
            self._mind_live(entry, entry.live, why)

    def _look_again(self, entry: Entry, launches: int) -> None:
        if entry.launches != launches or entry.job is not None or entry.exit is not None:
            return
        gate = (
            entry.ready if entry.life.state is State.STARTING else entry.live if entry.life.state in SERVING else None
        )
        if gate is not None:
            self._look(entry, gate)

    def _mind_live(self, entry: Entry, gate: Gate, why: str) -> None:
        now = time.monotonic()
        entry.failing = (entry.failing or now) if why else 0.0
        if entry.failing and now - entry.failing >= gate.timeout:
            self._fail(entry, f"it does not live: {why}")
            return
        if entry.life.why != why:
            self._turn_to(entry, entry.life._replace(why=why))
        self._at(now + gate.interval, partial(self._look_again, entry, entry.launches))
        self._at(now + gate.interval + gate.timeout + TRY, partial(self._hung, entry, entry.launches, entry.tries + 1))

    def _hung(self, entry: Entry, launches: int, tries: int) -> None:
        """A look at `live` does not come to its end."""
        if (entry.launches, entry.tries) == (launches, tries) and entry.job is not None and entry.life.state in SERVING:
            self._set_aside(entry)
            self._fail(entry, "it does not live: a look at it has not come to its end")

    def _late(self, entry: Entry, launches: int) -> None:
        """Its time to get ready is over."""
        if entry.launches == launches and entry.life.state is State.STARTING and entry.exit is None:
            assert entry.ready is not None
            self._set_aside(entry)
            why = entry.last or "a look at it has not come to its end"
            self._fail(entry, f"it was not ready within {entry.ready.timeout:g} s: {why}")

    def _set_aside(self, entry: Entry) -> None:
        job, entry.job = entry.job, None
        if job is not None and not self.pool.withdraw(job):
            self.pool.set_aside(job)

    def _serve(self, entry: Entry) -> None:
        """It is up."""
        now = time.monotonic()
        entry.journal.watch_only(() if entry.live is None else entry.live.patterns)
        self._turn_to(entry, met(entry.life, entry.ready is not None, now))
        if entry.live is not None and entry.life.state in SERVING:
            self._at(now + entry.live.interval, partial(self._look_again, entry, entry.launches))
            self._at(
                now + entry.live.interval + entry.live.timeout + TRY,
                partial(self._hung, entry, entry.launches, entry.tries + 1),
            )

    def _fail(self, entry: Entry, why: str) -> None:
        """End it, for something is wrong."""
        self._turn_to(entry, halted(entry.life, time.monotonic(), why))
        self._end(entry, time.monotonic() + entry.program.stop.timeout)

    # --- ending

    def _end(self, entry: Entry, deadline: float) -> None:
        """Send its signal; SIGKILL then."""
        child = entry.child
        if child is None:
            return
        entry.deadline = min(entry.deadline or deadline, deadline)
        if entry.exit is None:
            child.signal(entry.program.stop.signal)
            if GROUPS:
                child.signal(signal.SIGCONT)  # one that was stopped hears it now
        self._at(entry.deadline, partial(self._kill, entry, child))

    def _kill(self, entry: Entry, child: Child) -> None:
        """Its time is over."""
        if entry.child is child and entry.deadline and time.monotonic() >= entry.deadline:
            members = (living(self._platform) or {}).get(child.pid, ())
            child.kill(members)
            self._at(time.monotonic() + 0.1, partial(self._kill, entry, child))
            if time.monotonic() > entry.deadline + LATER:
                self._given_up(entry)

    def _given_up(self, entry: Entry) -> None:
        """Not even SIGKILL helps: it hangs within the system."""
        if entry in self._sweeping:
            _log.warning("process %s: something that it has started cannot be ended", entry.program.name)
            self._close(entry)

    def _gone(self, entry: Entry, child: Child) -> None:
        """Its leader has ended."""
        if entry.child is not child or entry.exit is not None:
            return
        entry.exit = child.ended() or Ended(None)
        if entry.exit.code is None and not self._warned:
            self._warned = True
            _log.warning("process %s: %s", entry.program.name, LOST)
        self._set_aside(entry)
        if self.pump is not None and entry.channel is not None:
            self.pump.drain(entry.channel, partial(self.post, partial(self._ended, entry)))
        else:
            self._ended(entry)

    def _ended(self, entry: Entry) -> None:
        """It has ended, and all that it has written was read."""
        code, now = entry.exit.code if entry.exit is not None else None, time.monotonic()
        ready, run = entry.ready, entry.run
        assert run is not None
        run.code, run.ended = code, True
        life = entry.life
        if life.state is State.STARTING and ready is not None and ready.ends and not ready.look(run, 0.05):
            life = met(life, True, now)
        if life.state is State.STARTING and ready is not None and entry.last:
            entry.last = short(entry.last, 200)
        expected = code == 0 or (ready is not None and life.met and code in ready.ends)
        self._turn_to(entry, ended(life, entry.program.restart, code, expected, now, random.random()))
        self._sweeping[entry] = None
        self._sweep_due = True
        self._mind_backoff(entry)

    def _sweep(self) -> None:
        """End what the leaders have left behind; then nothing of them is left."""
        self._sweep_due = False
        groups = living(self._platform) if self._sweeping and GROUPS else None
        for entry in list(self._sweeping):
            child, now = entry.child, time.monotonic()
            assert child is not None
            left = [] if groups is None else groups.get(child.pid, [])
            if not left:
                child.kill()  # of what has just been forked
                self._close(entry)
                continue
            if not entry.deadline:
                entry.deadline = now + entry.program.stop.timeout
                if not child.signal(entry.program.stop.signal):  # lost
                    entry.deadline = now
                self._at(entry.deadline, partial(self._kill, entry, child))
            elif not entry.looks:
                child.signal_late(left, entry.program.stop.signal)
            self._at(now + STEPS[min(entry.looks, len(STEPS) - 1)], self._sweep_soon)
            entry.looks += 1

    def _sweep_soon(self) -> None:
        self._sweep_due = bool(self._sweeping)

    def _close(self, entry: Entry) -> None:
        """Nothing of this run is left."""
        child, entry.child = entry.child, None
        self._sweeping.pop(entry, None)
        assert child is not None
        child.reap()
        if self.guard is not None:
            self.guard.remove(child.pid)
        channel, entry.channel = entry.channel, None
        if self.pump is not None and channel is not None:
            self.pump.close(channel)
        entry.deadline = 0.0
        self._turn_to(entry, entry.life)
        if entry.relaunch and not self.halting:
            self._launch(entry)
        else:
            self._mind_backoff(entry)

    def _mind_backoff(self, entry: Entry) -> None:
        """Launch it again when its delay is over and nothing of its last run is left."""
        if entry.life.state is State.BACKOFF and entry.child is None:
            self._at(entry.life.due, partial(self._relaunch, entry, entry.launches))

    def _relaunch(self, entry: Entry, launches: int) -> None:
        due = entry.life.state is State.BACKOFF and entry.launches == launches and not self.halting
        if due and entry.child is None and time.monotonic() >= entry.life.due:
            self._launch(entry)

    # --- what is asked for

    def _takes(self, entry: Entry, ticket: Ticket, halts: bool = False) -> bool:
        """Whether it may be done; then the ticket is minded at each turn."""
        entry.tickets = [each for each in entry.tickets if not each.finished]
        busy = [each for each in entry.tickets if not each.halts]
        if self.halting or (busy and not halts):
            ticket.fail(LifecycleError(IN_STOP if self.halting else BUSY % entry.program.name))
            return False
        ticket.launches, ticket.halts = entry.launches, halts
        entry.tickets.append(ticket)
        return True

    def restart(self, entry: Entry, ticket: Ticket) -> None:
        """End it, launch it again."""
        if not self._takes(entry, ticket):
            return
        entry.life = wanted(entry.life, True)
        if entry.child is None:
            self._launch(entry)
            return
        entry.relaunch = True
        if entry.exit is None:
            self._turn_to(entry, halted(entry.life, time.monotonic()))
        self._end(entry, time.monotonic() + entry.program.stop.timeout)

    def launch(self, entry: Entry, ticket: Ticket) -> None:
        """Launch it if it does not run, when its turn comes."""
        if not self._takes(entry, ticket):
            return
        if entry.life.state in (State.STARTING, *SERVING):
            ticket.launches -= 1
            self._mind_tickets(entry)
            return
        life = wanted(entry.life, True)
        if entry.life.state is State.STOPPING:
            entry.relaunch = True
            self._turn_to(entry, life)
        else:
            self._turn_to(entry, life._replace(state=State.STOPPED, since=time.monotonic(), why="", due=float("inf")))

    def halt(self, entry: Entry, ticket: Ticket, timeout: float | None) -> None:
        """End it, and leave it ended."""
        if not self._takes(entry, ticket, halts=True):
            return
        entry.relaunch = False
        now = time.monotonic()
        life = wanted(entry.life, False)
        if life.state in (State.EXITED, State.FAILED):
            self._turn_to(entry, life)
        elif life.state is not State.STOPPING:
            self._turn_to(entry, halted(life._replace(why=""), now))
        else:
            self._turn_to(entry, life._replace(fault=""))
        self._end(entry, now + (entry.program.stop.timeout if timeout is None else timeout))

    def halt_all(self, timeout: float, in_order: bool = True) -> None:
        """End all, the last first where one depends on another; all of it within so many seconds."""
        until = time.monotonic() + timeout
        self._halt_until = min(self._halt_until, until) if self.halting else until
        first, self.halting = not self.halting, True
        if first:
            for entry in self.entries:
                entry.relaunch = False
                life = wanted(entry.life, False)
                if life.state in (State.BACKOFF, State.STOPPED):
                    life = halted(life._replace(why=""), time.monotonic())
                self._turn_to(entry, life)
            depth = _depth(self.entries, self._by_name)
            reserve = min(1.0, timeout / (2 * max(depth.values(), default=0) + 2))
            for level in set(depth.values()):
                last = until - reserve * (level + 1) if in_order else 0.0
                self._at(last, partial(self._halt_level, [each for each in self.entries if depth[each] >= level]))
        for entry in self.entries:
            if entry.deadline:
                self._end(entry, self._halt_until)
        self._at(self._halt_until, partial(self._halt_level, self.entries))
        self._at(self._halt_until + LATER, lambda: None)

    def _advance_halt(self) -> None:
        """Those on which nobody that lives depends."""
        for entry in reversed(self.entries):
            if _is_to_end(entry) and not any(one.child is not None for one in self._needed_by[entry.program.name]):
                self._halt(entry)

    def _halt_level(self, entries: list[Entry]) -> None:
        """Their turn has come, whoever depends on them: else no time would be left."""
        for entry in entries:
            if _is_to_end(entry):
                self._halt(entry)

    def _halt(self, entry: Entry) -> None:
        now = time.monotonic()
        self._turn_to(entry, halted(entry.life, now))
        self._end(entry, min(now + entry.program.stop.timeout, self._halt_until))

    # --- telling

    def _turn_to(self, entry: Entry, life: Life) -> None:
        """What is known of it from now on, and what is told of that."""
        before, entry.life = entry.life, life
        with self._changed:
            entry.process._set(life, entry.child, entry.launches)
            self._changed.notify_all()
        if before.state is not life.state:
            name = entry.program.name
            change = Change(name, entry.process, before.state, life.state, life.why or life.fault, time.time())
            tell = _log.warning if life.state in (State.FAILED, State.BACKOFF) or change.why else _log.info
            tell("process %s: %s -> %s%s", name, before.state, life.state, f": {change.why}" * bool(change.why))
            self._tell(change)
        self._mind_tickets(entry)

    def _mind_tickets(self, entry: Entry) -> None:
        turned = entry.life.state in (*SERVING, State.EXITED, State.FAILED, State.BACKOFF)
        for ticket in entry.tickets:
            if ticket.finished:
                continue
            if ticket.halts:
                if entry.child is None or entry.life.wanted:
                    ticket.end(entry.child is None and not entry.life.wanted)
            elif not entry.life.wanted:  # somebody has halted it meanwhile
                ticket.end(False)
            elif turned and entry.launches > ticket.launches:
                ticket.end(entry.life.well)


IN_STOP = "the supervisor is being stopped"
BUSY = "process %r is being restarted already"


def _depth(entries: list[Entry], by_name: Mapping[str, Entry]) -> dict[Entry, int]:
    """How many levels of others each depends on: those that have to be left time for. A chain may be long."""
    depth: dict[Entry, int] = {}
    stack = list(entries)
    while stack:
        entry = stack[-1]
        below = [by_name[name] for name in entry.program.depends_on]
        missing = [each for each in below if each not in depth]
        if missing:
            stack += missing
            continue
        stack.pop()
        depth[entry] = 1 + max((depth[each] for each in below), default=-1)
    return depth


def _is_to_end(entry: Entry) -> bool:
    return entry.child is not None and entry.exit is None and entry.life.state is not State.STOPPING


def _holds(life: Life, need: str) -> bool:
    """Whether that is what another one needs."""
    well = life.state is State.EXITED and not life.why
    if need == "completed":
        return well
    if need == "ready":
        return well or life.state in SERVING
    return well or life.state in (State.STARTING, *SERVING)


def _looked_at(gate: Gate, run: Run, limit: float) -> str:
    """What does not hold. A callable of the host may do anything."""
    try:
        return gate.look(run, limit)
    except BaseException as error:
        return f"{type(error).__name__}: {short(error)}"


def _found(name: str, env: Mapping[str, str]) -> str:
    """The executable, as looked for from where the host is. Raises OSError."""
    if os.path.dirname(name):
        path = os.path.abspath(name)
        if not os.path.exists(path):
            raise FileNotFoundError(2, "no such file", name)
        if os.path.isdir(path):
            raise IsADirectoryError(21, "is a directory", name)
        if not os.access(path, os.X_OK):
            raise PermissionError(13, "not executable", name)
        return path
    found = shutil.which(name, path=env.get("PATH"))
    if found is None:
        raise FileNotFoundError(2, "not found in PATH", name)
    return os.path.abspath(found)


def _unlaunched(entry: Entry, error: BaseException) -> str:
    """Why it could not be launched, with the thing and the reason."""
    if not isinstance(error, OSError):
        return f"it cannot be launched: {error}"
    name = getattr(error, "filename", None) or entry.program.command[0]
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return f"it cannot be launched: {name}: {getattr(error, 'strerror', None) or error}"
