"""One poller among many workers: one of the equal monitors of a machine leads, and polls; the others follow it.

Who holds the lock leads. It writes what it knows into files, within a tenth of a second of a change, else every 0.75 s
(all of `/status` more seldom where there are many hundred checks); the followers answer from that. When it ends,
however it ends, the lock is free, and a follower takes over within half a second, with the state that the leader has
left. What the leader has not renewed for three such times is unknown to the followers: it may be stuck.

Where no thread can run nobody holds the lock for long: whoever is called, and has it, runs what is due.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .. import fork
from ..log import logger
from ..model import View
from ..pool import join_until
from ..text import short
from .board import Board
from .copy import Copy, Local
from .leader import Lock, is_dead

if TYPE_CHECKING:  # imported when it is asked for
    from ..store import Store

_log = logger("sharing")

LOOK = 0.25
"""Seconds between two looks of a follower."""
PERIOD = 0.75
"""Seconds between two writes of the leader, without a change: with a follower's look that is a second."""
SOON = 0.1
"""Seconds between two writes at least."""
SHARE = 0.02
"""Of a processor, that writing the document may take; and the head."""
PERIODS = 3
"""Of the leader's, after which what it has told counts no more."""
LATE = 1.0
"""Seconds without a look after which this process stood still."""
LEASE = 1.0
"""Seconds for which, of those that are called, the one is left alone that has run something."""
HANDOVER = 5.0
"""Seconds within which whoever leads next goes on with what the last leader knew: workers that are replaced."""
MOST_CHANGED = 200
"""Checks whose new states stand in the head, at most: those that the document does not have yet."""


class News(NamedTuple):
    """All that the leader tells."""

    snapshot: View
    states: Mapping[str, View]


class Group(Protocol):
    """Whose sharing it is: the life of a Monitor. Called on the thread `minimon-sharing`."""

    def lead(self) -> bool:
        """This process polls from now on; False if it does not, for it is at its end."""

    def follow(self) -> None:
        """It does no more: another one does."""

    def head(self, changed: Iterable[str]) -> View:
        """What the others are to know at once, with the states of these checks."""

    def news(self) -> News:
        """All that they are to know."""

    def turn(self) -> None:
        """Called each quarter of a second, whoever leads."""

    def slept(self, start: float, end: float) -> None:
        """This process stood still (monotonic), while another one polls."""


class Sharing:
    """One monitor's part in it. Owns the lock and the thread. Any thread may call any method.

    `folder` is private; `key` is what equal monitors have in common.
    """

    def __init__(self, folder: str, key: str, group: Group, local: Local) -> None:
        self._group, self._local = group, local
        self.board = Board(folder, key, local)
        self._lock_file, self._members = Lock(self.board.place("lock")), Lock(self.board.place("members"))
        self.problem = ""
        self.leads = False
        self.continues = False  # whether what the last leader knew is to be taken up
        self._reset()

    def _reset(self) -> None:
        # Held while it looks or writes, never waited for by a reader. The group is called under it, and takes its own.
        self._turning = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = self._urgent = self._given_back = False
        self._due = self._written = self._document_due = -1.0  # monotonic: when to write, and when it was done last
        self._not_before = -1.0  # the same: something is wrong, and is tried again
        self._news = threading.RLock()  # guards the two that follow; a leaf
        self._changed: set[str] = set()  # checks with news that are not in the document yet
        self._looked = time.monotonic()
        self._last: Store | None = None  # what has to be written before the lock is given back
        self._suspect = ""  # the mark of a leader that is dead, though its lock is held
        self._joining = 0  # the thread that is at it
        self.start_id = ""

    # --- life

    def join(self) -> bool:
        """Lead, if nobody else does; else follow. Raises OSError where files cannot be locked."""
        self._joining = threading.get_ident()
        fork.watch(self)
        try:
            self.board.tidy_up()
            with contextlib.suppress(OSError, ValueError):
                self.board.look()
            self.leads = self._take()
            if self.leads:
                self.continues = self._was_led_just_now()
            else:
                self._be_member()
        finally:
            self._joining = 0
        return self.leads

    def _take(self) -> bool:
        """The lock, if it is free."""
        taken = self._lock_file.take(mark=str(os.getpid()))
        if taken:
            self.start_id = os.urandom(8).hex()
        return taken

    def _be_member(self) -> None:
        """Have the last one to leave know that somebody is there; of no more use than that, so a full disk is fine."""
        with contextlib.suppress(OSError):
            self._members.take(shared=True)

    def _was_led_just_now(self) -> bool:
        copy = self.board.copy
        return copy is not None and 0.0 <= time.monotonic() - copy.head["monotonic"] < HANDOVER

    def start(self) -> None:
        """Raises RuntimeError when the system gives no thread."""
        self._thread = threading.Thread(target=self.work, name="minimon-sharing", daemon=True)
        self._thread.start()

    def work(self) -> None:
        """The thread's loop."""
        while not self._ended:
            self.turn()
            self._wake.wait(self._pause())
            if not self._ended:
                self._wake.clear()
        self._give_back(time.monotonic() + threading.TIMEOUT_MAX)

    def _pause(self) -> float:
        return min(LOOK, max(0.0, self._next() - time.monotonic())) if self.leads else LOOK

    def _next(self) -> float:
        """When the leader is to tell (monotonic)."""
        return max(self._not_before, min(self._written + SOON, self._due) if self._urgent else self._due)

    def touch(self, name: str = "") -> None:
        """Something is new, of this check maybe: tell the others soon."""
        if name:
            with self._news:
                self._changed.add(name)
        if not self._urgent:
            self._urgent = True
            self._wake.set()

    def turn(self) -> None:
        """Look, or tell; lead if nobody does. Whatever goes wrong is told, and tried again."""
        with self._turning:
            try:
                if self._turn():
                    self.problem = ""
            except Exception as error:
                before = self.problem
                self.problem = f"{type(error).__name__}: {short(getattr(error, 'strerror', None) or str(error), 200)}"
                self._not_before = time.monotonic() + PERIOD
                if self.problem != before:
                    _log.exception("sharing %s: it is tried again", self.board.key)

    def _turn(self) -> bool:
        """Whether there was something to do, and it was done."""
        if self._ended:
            return False
        self._group.turn()
        self.notice()
        if not self.leads:
            if self._take():
                return self._take_over()
            self._mind_orphan()
            if not (self._members.held and self._members.is_there()):
                self._be_member()
            self.board.look()
        elif not self._lock_file.is_there():
            self._take_anew()
        elif time.monotonic() >= self._next():
            self.tell()
        else:
            return False
        return True

    def notice(self) -> None:
        """That nobody could look for long, while another process polls: no heartbeat is missed for that."""
        with self._news:
            before, self._looked = self._looked, time.monotonic()
            gap = None if self._looked < before + LOOK + LATE else (before + LOOK, self._looked)
        if gap is not None and not self.leads:
            self._group.slept(*gap)

    def _take_over(self) -> bool:
        self.continues = True
        with contextlib.suppress(OSError, ValueError):
            self.board.look()  # what the last leader has told in the end
        leads = False
        try:
            leads = self._group.lead()
        finally:
            if not leads:
                self._lock_file.drop()  # another one may have more luck
        if leads:
            self.leads = True
            self._members.drop()
            self.tell()
        return leads

    def _take_anew(self) -> None:
        """Something has removed the lock: whoever finds the new one leads. Raises OSError where there can be none."""
        self._lock_file.drop()
        if self._take():
            return
        _log.warning("sharing %s: its lock was removed, and another process has the new one", self.board.key)
        self.leads = False
        self._be_member()
        self.board.forget()
        self._group.follow()

    def _mind_orphan(self) -> None:
        """A child that knows nothing of it may keep the lock of a process that has ended: have everybody use another.

        When twice in a row the same dead one is found to have it, and nobody tells anything.
        """
        mark, copy = self._lock_file.mark(), self.board.copy
        dead = is_dead(mark) and (copy is None or self._age(copy) > 0.0)
        if dead and mark == self._suspect:
            _log.warning("sharing %s: a child has kept the lock of process %s, which has ended", self.board.key, mark)
            self._lock_file.remove()
        self._suspect = mark if dead else ""

    # --- where no thread can run

    def take_turns(self) -> None:
        """Lead only while called. Raises OSError as `join` does."""
        self._lock_file.drop()
        self.leads = False
        fork.watch(self)
        self._be_member()

    @contextlib.contextmanager
    def turn_of(self, store: Store | None) -> Iterator[bool]:
        """Whether it is the caller's turn, for a `with` block: nobody else runs anything, nor has lately."""
        ours = self._lock_file.take()
        try:
            yield ours and (store is None or store.wrote_last or store.age() >= LEASE)
        finally:
            if ours:
                self._lock_file.drop()

    # --- the leader

    def tell(self) -> None:
        """Write the files. Raises OSError, ValueError."""
        began = time.thread_time()
        self._urgent = False
        self._written = time.monotonic()
        with self._news:
            changed, self._changed = self._changed, set()
        missing = changed  # in the document
        try:
            told = self._group.head(list(changed)[:MOST_CHANGED])
            period = max(PERIOD, (time.thread_time() - began) / SHARE)
            self._due = self._written + period
            now = {"time": time.time(), "monotonic": self._written, "pid": os.getpid()}
            whose = {**now, "start_id": self.start_id, "config": self.board.key}
            if self._written >= self._document_due:
                self._tell_all(whose)
                missing = set()
            self.board.tell({**whose, "period_s": round(period, 3), **told})
        finally:
            with self._news:
                self._changed |= missing

    def _tell_all(self, whose: View) -> None:
        began = time.thread_time()
        self.board.tell_all(whose, *self._group.news())
        self._document_due = self._written + max(SOON, (time.thread_time() - began) / SHARE)

    # --- the followers

    def _age(self, copy: Copy) -> float:
        """How long nothing was told, if that is too long; else 0."""
        age = time.monotonic() - copy.head["monotonic"]
        return 0.0 if 0.0 <= age < PERIODS * copy.head["period_s"] else abs(age)

    def copy(self) -> Copy:
        """What a follower knows. Waits for nothing."""
        copy = self.board.copy
        if copy is None:
            said = "the process that polls has told nothing yet"
            return Copy({"pid": None}, _nothing, self._local, time.monotonic, said)
        age = self._age(copy)
        if not age:
            return copy
        return copy.without(f"stale: process {copy.head['pid']}, which polls, has told nothing for {age:.0f} s")

    @property
    def was_ready(self) -> bool:
        """Whether the last leader was ready once, if this one goes on with what that one knew."""
        copy = self.board.copy
        return self.continues and copy is not None and copy.head.get("was_ready") is True

    def left(self) -> dict[str, Any]:
        """The states of checks that the last leader has told, by name, as they are taken up by the next."""
        copy = self.board.copy
        return {} if copy is None or not self.continues else copy.left()

    # --- its end

    def release(self, deadline: float, last: Store | None = None) -> None:
        """Let another one lead at once. With nobody else there, only the empty lock stays.

        Not before `last` is written; nor while the thread is in the midst of something, which may wait for whom a
        signal handler has interrupted to stop the monitor. What is not done by `deadline` (time.monotonic) is done by
        the thread.
        """
        self._last, self._given_back = last, False
        self._ended = True
        self._wake.set()
        if self._joining != threading.get_ident():  # a signal handler has interrupted it: who starts looks after that
            self._give_back(deadline)

    def _give_back(self, deadline: float) -> None:
        if self._last is not None and not self._last.stop(deadline):
            return
        if not self._turning.acquire(timeout=min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)):
            return
        try:
            if not self._given_back:
                self._given_back = True
                self._leave()
        finally:
            self._turning.release()

    def _leave(self) -> None:
        self._members.drop()
        with contextlib.suppress(OSError):
            if (self.leads or self._lock_file.take()) and self._members.take():
                self.board.remove()
                self._members.remove()
        self._members.drop()
        self._lock_file.drop()
        self.leads = False

    def stop(self, deadline: float) -> bool:
        """True when the thread has ended by `deadline` (time.monotonic)."""
        return self._thread is None or join_until(self._thread, deadline)

    def after_fork(self) -> None:
        """In the child: nothing of it is ours."""
        self._lock_file.after_fork()
        self._members.after_fork()
        self._reset()
        self._ended = True
        self.leads = False


def _nothing() -> View:
    raise FileNotFoundError("there is nothing")
