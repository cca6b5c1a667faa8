"""The one thread that launches, watches and ends processes. It owns all that changes, and waits for nothing but events:
ends of processes, timers, and what other threads ask for. What may take long is done by the workers of a pool.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from ..errors import LifecycleError
from ..log import logger
from ..loop import Loop
from ..pool import Pool
from ..text import short
from .child import Child, Ended, Platform
from .ending import LATER, Ending
from .entry import Change, Entry, Ticket
from .launching import ERRORS, Launcher, unlaunched
from .lifecycle import SERVING, Life, State, ended, halted, launched, met, refused, wanted
from .looks import Looks
from .order import Order
from .output import Pump
from .watchman import Watchman

_log = logger("supervisor")

LOST = (
    "the host ignores SIGCHLD, or waits for any child: exit codes of processes are lost, and count as failures; "
    "use signal.signal(SIGCHLD, SIG_DFL), and wait for children by their pids"
)
MOST_FAILURES = 100
"""Turns of the loop in a row that may fail."""
VERDICT = 0.5
"""Seconds after the end of a process in which its Verifier may say that this is what it waited for."""
UNRUN = (126, 127)
"""Codes with which a shell says that it cannot run what it was told to."""
LOOKERS = 32
"""Looks at `ready` and `live` that are made at the same time, beside those of Verifiers."""


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
        in_order: Collection[str],
        port: Callable[[Any], Any],
        platform: Platform,
    ) -> None:
        self.entries, self._changed, self._tell = entries, changed, tell
        self._order = Order(entries, in_order)
        blocking = sum(entry.ready is not None and entry.ready.blocks for entry in entries)
        self.pool = Pool("minimon-verify", 0, LOOKERS + blocking, eager=True, idle=5.0)
        self._loop = Loop()
        self.watchman = Watchman(self._loop, guard, self._lives)
        try:
            self.pump = Pump() if os.name == "posix" else None
        except BaseException:
            self._loop.close()
            raise
        self._looks = Looks(self._loop, self.pool, self._serve, self._fail, self._tell_why, self._decide)
        self._ending = Ending(self._loop, platform, self._closed)
        self._launcher = Launcher(self.pump, ring, port, platform, self._looks.logged, self._watch_look)
        self.halting = False
        self._halt_until = 0.0
        self._warned = False
        self.launched = False  # whether all were up once
        self.over = threading.Event()
        self.clean = True  # whether nothing was left
        self.thread = threading.Thread(target=self.work, name="minimon-supervisor", daemon=True)

    # --- life

    def start(self) -> None:
        """Start the threads and the guard, then launch. Raises RuntimeError without a thread: discard it then."""
        self.watchman.start()
        if self.pump is not None:
            self.pump.thread.start()
        self.post(self._begin)
        self.thread.start()

    def discard(self) -> None:
        """It was not started: nothing is left."""
        self.watchman.end(any(entry.child is not None for entry in self.entries))
        if self.pump is not None and self.pump.thread.ident is not None:
            self.pump.stop(time.monotonic() + LATER)
        elif self.pump is not None:
            self.pump.after_fork()
        self._loop.after_fork()

    def post(self, call: Callable[[], object]) -> bool:
        """Have it called on the keeper's thread; False when there is none any more."""
        return self._loop.post(call)

    def work(self) -> None:
        """The thread's loop."""
        failed = 0
        try:
            while not self._is_over() and failed < MOST_FAILURES:
                try:
                    self._turn()
                    failed = 0
                except Exception:  # of ours: what runs has to be watched all the same
                    failed += 1
                    _log.exception("the supervisor has failed")
        finally:
            self._end_work()

    def _turn(self) -> None:
        self._ending.forget()
        self._loop.turn()
        if self._ending.due:
            self._ending.sweep()
        self._advance()

    def _end_work(self) -> None:
        """Nothing is left: neither processes nor threads nor who waits."""
        self.halting = True
        for entry in self.entries:
            if entry.child is not None:  # it hangs within the system, or the loop has failed
                entry.child.kill()
        self.watchman.end(any(entry.child is not None for entry in self.entries))
        if self.pump is not None:
            self.pump.stop(time.monotonic() + LATER)
        self._loop.close()
        for entry in self.entries:
            for ticket in entry.tickets:
                if not ticket.finished:
                    ticket.fail(LifecycleError(IN_STOP))
        self.over.set()

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

    def after_fork(self) -> None:
        """In the child: nothing is ours."""
        self.pool.after_fork()
        self._loop.after_fork()
        self.watchman.after_fork()
        if self.pump is not None:
            self.pump.after_fork()
        for entry in self.entries:
            if entry.child is not None:
                entry.child.forget()

    def _lives(self) -> Iterator[tuple[int, int, float]]:
        """What runs, for the guard."""
        for entry in self.entries:
            if entry.child is not None:
                yield entry.child.pid, entry.program.stop.signal, entry.program.stop.timeout

    def _watch_look(self, pid: int, runs: bool) -> None:
        """A command that looks at a program runs, or does not any more. On a worker's thread."""
        self.post(partial(self.watchman.add, pid, 0.0) if runs else partial(self.watchman.remove, pid))

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
        if not self.launched:
            self.launched = all(entry.life.well or entry.life.met for entry in self.entries)

    def _mind_turn(self, entry: Entry) -> bool:
        """Launch it if it is its turn; whether it was."""
        if entry.blocked and not self._order.lost(entry):
            entry.blocked = False
            if entry.life.state is State.FAILED and entry.life.wanted:
                self._turn_to(entry, entry.life._replace(state=State.STOPPED, since=time.monotonic(), why=""))
        if not entry.life.wanted or entry.child is not None or entry.relaunch or entry.life.state is not State.STOPPED:
            return False
        lost = self._order.lost(entry)
        if lost:
            entry.blocked = True
            self._turn_to(entry, entry.life._replace(state=State.FAILED, since=time.monotonic(), why=lost))
            return False
        waits = self._order.waits_for(entry)
        if not waits:
            self._launch(entry)
        elif waits != entry.life.why:
            self._turn_to(entry, entry.life._replace(why=waits))
        return not waits

    def _launch(self, entry: Entry) -> None:
        entry.relaunch, entry.deadline, entry.exit, entry.looks, entry.empty = False, 0.0, None, 0, 0
        entry.tries, entry.looked, entry.failing, entry.last = 0, 0.0, 0.0, ""
        entry.judging = entry.passed = entry.blocked = False
        now = time.monotonic()
        try:
            self._launcher.launch(entry, self.watchman.guard)
        except ERRORS as error:
            self._launcher.drop(entry)
            entry.launches += 1
            why = short(unlaunched(entry, error), 300)
            self._turn_to(entry, refused(entry.life, entry.program.restart, why, now, random.random()))
            self._mind_backoff(entry)
            return
        entry.launches += 1
        entry.spawned += 1
        self._turn_to(entry, launched(entry.life, now))
        self._await_end(entry)
        if entry.ready is None:
            self._serve(entry)
        else:
            self._looks.begin(entry, entry.ready)

    def _await_end(self, entry: Entry) -> None:
        child = entry.child
        assert child is not None
        call = partial(self._gone, entry, child)
        if child.fd >= 0:
            self._loop.once(child.fd, call)
            return

        def wait() -> None:
            child.wait()
            self.post(call)

        try:
            threading.Thread(target=wait, name="minimon-wait-child", daemon=True).start()
        except RuntimeError:  # no thread: look now and then
            self._loop.at(time.monotonic() + 1.0, partial(self._look_for_end, entry, child))

    def _look_for_end(self, entry: Entry, child: Child) -> None:
        if entry.child is child and child.ended() is None:
            self._loop.at(time.monotonic() + 1.0, partial(self._look_for_end, entry, child))
        else:
            self._gone(entry, child)

    # --- what is seen of it

    def _serve(self, entry: Entry) -> None:
        """It is up."""
        entry.journal.watch_only(() if entry.live is None else entry.live.patterns)
        self._turn_to(entry, met(entry.life, entry.ready is not None, time.monotonic()))
        if entry.live is not None and entry.life.state in SERVING:
            self._looks.go_on(entry, entry.live)

    def _tell_why(self, entry: Entry, why: str) -> None:
        """It serves, and something is wrong with it; or is not any more."""
        self._turn_to(entry, entry.life._replace(why=why))

    def _fail(self, entry: Entry, why: str) -> None:
        """End it, for something is wrong."""
        self._turn_to(entry, halted(entry.life, time.monotonic(), why))
        self._ending.end(entry, time.monotonic() + entry.program.stop.timeout)

    # --- ending

    def _gone(self, entry: Entry, child: Child) -> None:
        """Its leader has ended."""
        if entry.child is not child or entry.exit is not None:
            return
        entry.exit = child.ended() or Ended(None)
        if entry.exit.code is None:
            self.warn_of_loss()
        if not self._is_judged(entry):
            self._looks.set_aside(entry)
        if self.pump is not None and entry.channel is not None:
            self.pump.drain(entry.channel, partial(self.post, partial(self._ended, entry)))
        else:
            self._ended(entry)

    def warn_of_loss(self) -> None:
        """Exit codes are lost: told once."""
        if not self._warned:
            self._warned = True
            _log.warning("supervisor: %s", LOST)

    def _is_judged(self, entry: Entry) -> bool:
        """Whether a Verifier is being asked, which may wait for just this end."""
        blocks = entry.ready is not None and entry.ready.blocks
        return blocks and entry.job is not None and entry.life.state is State.STARTING

    def _ended(self, entry: Entry) -> None:
        """It has ended, and all that it has written was read."""
        assert entry.run is not None and entry.exit is not None
        entry.run.code, entry.run.ended = entry.exit.code, True
        if self._is_judged(entry) and not self.halting:
            entry.judging = True
            with self._changed:
                entry.process._set(entry.life, entry.child, entry.launches, entry.exit)
                self._changed.notify_all()
            self._loop.at(time.monotonic() + VERDICT, partial(self._decide_late, entry, entry.launches))
        else:
            self._decide(entry)

    def _decide_late(self, entry: Entry, launches: int) -> None:
        """No verdict has come."""
        if entry.launches == launches and entry.judging:
            self._looks.set_aside(entry)
            self._decide(entry)

    def _decide(self, entry: Entry) -> None:
        """What becomes of it."""
        assert entry.run is not None
        entry.judging = False
        code, ready, now, life = entry.run.code, entry.ready, time.monotonic(), entry.life
        asked = life.state is State.STARTING and ready is not None
        if asked and (entry.passed or (ready and ready.at_end and not ready.at_end(entry.run, 0.0))):
            life = met(life, True, now)
        if entry.program.runs and code in UNRUN:
            life = life._replace(met=False)
        expected = code == 0 or entry.passed or (ready is not None and life.met and code in ready.ends)
        if life.state in (State.STARTING, *SERVING):
            life = life._replace(why="")
        self._turn_to(entry, ended(life, entry.program.restart, code, expected, now, random.random()))
        self._ending.left(entry)
        self._mind_backoff(entry)

    def _closed(self, entry: Entry) -> None:
        """Nothing of this run is left."""
        child, entry.child = entry.child, None
        assert child is not None
        child.reap()
        self.watchman.remove(child.pid)
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
            self._loop.at(entry.life.due, partial(self._relaunch, entry, entry.launches))

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
        self._ending.end(entry, time.monotonic() + entry.program.stop.timeout)

    def launch(self, entry: Entry, ticket: Ticket) -> None:
        """Launch it if it does not run, when its turn comes."""
        if not self._takes(entry, ticket):
            return
        if entry.life.state in (State.STARTING, *SERVING):
            ticket.launches -= 1
            self._mind_tickets(entry)
            return
        away = self._order.away(entry)
        if away:  # it is launched when that is there, for which nobody can wait
            ticket.fail(
                LifecycleError(f"process {entry.program.name!r} waits for {away}, which is stopped; start that")
            )
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
        self._ending.end(entry, now + (entry.program.stop.timeout if timeout is None else timeout))

    def halt_all(self, timeout: float, in_order: bool = True) -> None:
        """End all, the last first where one depends on another; all of it within so many seconds."""
        until = time.monotonic() + timeout
        self._halt_until = min(self._halt_until, until) if self.halting else until
        first, self.halting, self._ending.until = not self.halting, True, self._halt_until
        if first:
            for entry in self.entries:
                entry.relaunch = False
                self._looks.set_aside(entry)
                for ticket in entry.tickets:
                    if not (ticket.finished or ticket.halts):
                        ticket.fail(LifecycleError(IN_STOP))
                life = wanted(entry.life, False)
                if life.state in (State.BACKOFF, State.STOPPED):
                    life = halted(life._replace(why=""), time.monotonic())
                self._turn_to(entry, life)
            depth = self._order.depth()
            reserve = min(1.0, timeout / (2 * max(depth.values(), default=0) + 2))
            for level in set(depth.values()):
                last = until - reserve * (level + 1) if in_order else 0.0
                self._loop.at(last, partial(self._halt_level, [each for each in self.entries if depth[each] >= level]))
        for entry in self.entries:
            if entry.deadline:
                self._ending.end(entry, self._halt_until)
        self._loop.at(self._halt_until, partial(self._halt_level, self.entries))
        self._loop.at(self._halt_until + LATER, lambda: None)

    def _advance_halt(self) -> None:
        """Those on which nobody that lives depends."""
        for entry in reversed(self.entries):
            if _is_to_end(entry) and not self._order.is_needed(entry):
                self._halt(entry)

    def _halt_level(self, entries: list[Entry]) -> None:
        """Their turn has come, whoever depends on them: else no time would be left."""
        for entry in entries:
            if _is_to_end(entry):
                self._halt(entry)

    def _halt(self, entry: Entry) -> None:
        now = time.monotonic()
        self._turn_to(entry, halted(entry.life, now))
        self._ending.end(entry, min(now + entry.program.stop.timeout, self._halt_until))

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
            elif not entry.life.wanted:
                ticket.fail(LifecycleError(f"process {entry.program.name!r} was stopped meanwhile"))
            elif turned and entry.launches > ticket.launches:
                ticket.end(entry.life.well)


IN_STOP = "the supervisor is being stopped"
BUSY = "process %r is being restarted already"


def _is_to_end(entry: Entry) -> bool:
    return entry.child is not None and entry.exit is None and entry.life.state is not State.STOPPING
