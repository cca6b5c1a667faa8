"""One poller among many workers: one of the equal monitors of a machine leads, and polls; the others follow it.

Who holds the lock leads. It writes what it knows into files, within a tenth of a second of a change, else every 0.75 s
(all of `/status` more seldom where there are many hundred checks); the followers answer from that. When it ends,
however it ends, the lock is free, and a follower takes over within half a second, with the state that the leader has
left. What the leader has not renewed for 2.25 s is unknown to the followers: it may be stuck.

Where no thread can run nobody holds the lock for long: whoever is called, and has it, runs what is due.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..log import logger
from ..model import View
from ..pool import join_until
from ..text import short
from .copy import Copy, Local, Texts, document, head, read
from .leader import Lock, open_private

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
LATE = 1.0
"""Seconds without a look after which this process stood still."""
LEASE = 1.0
"""Seconds for which, of those that are called, the one is left alone that has run something."""
HANDOVER = 5.0
"""Seconds within which whoever leads next goes on with what the last leader knew: workers that are replaced."""
OLD = 86400.0
"""Seconds after which files of others who have left them are removed."""
ENDINGS = ("lock", "members", "json", "status", "state")
"""Of the names of files of ours."""

_here: weakref.WeakSet[Sharing] = weakref.WeakSet()
"""Those that share in this process: an equal one stays alone."""


class News(NamedTuple):
    """What the leader tells."""

    snapshot: View
    states: View


class Group(Protocol):
    """Whose sharing it is: a Monitor. Called on the thread `minimon-sharing`."""

    def lead(self) -> None:
        """This process polls from now on."""

    def follow(self) -> None:
        """It does no more: another one does."""

    def head(self) -> View:
        """What the others are to know at once."""

    def news(self) -> News:
        """All that they are to know."""


class Sharing:
    """One monitor's part in it. Owns the files and the thread. Any thread may call any method.

    `folder` is private; `key` is what equal monitors have in common.
    """

    def __init__(self, folder: str, key: str, group: Group, local: Local) -> None:
        self._group, self._local = group, local
        self._folder, self.key = folder, key
        paths = [os.path.join(folder, f"{key}.{ending}") for ending in ("json", "status", "state")]
        self.path, self.status_path, self.state_path = paths
        self._lock_file, self._members = (Lock(os.path.join(folder, f"{key}.{each}")) for each in ("lock", "members"))
        self.problem = ""
        self.leads = False
        self.continues = False  # whether what the last leader knew is to be taken up
        self._copy: Copy | None = None
        self._looks: tuple[int, ...] = ()
        self._status: tuple[tuple[int, ...], View] | None = None  # the document that was read last
        self._texts = Texts(), Texts()
        self._reset()

    def _reset(self) -> None:
        # Held while it looks or writes, never waited for by a reader. The group is called under it, and takes its own.
        self._turning = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = self._urgent = self._given_back = False
        self._due = self._written = self._document_due = -1.0  # monotonic: when to write, and when it was done last
        self._looked, self._woke = time.monotonic(), -1.0  # when a follower has looked; when it had stood still
        self.start_id = ""

    # --- life

    @property
    def has_twin(self) -> bool:
        """Whether an equal monitor of this process is in already."""
        return any(one.key == self.key and one._folder == self._folder and not one._ended for one in list(_here))

    def join(self) -> bool:
        """Lead, if nobody else does; else follow. Raises OSError where files cannot be locked."""
        self._tidy_up()
        with contextlib.suppress(OSError, ValueError):
            self._look()
        self.leads = self._lock_file.take()
        if self.leads:
            self.continues, self.start_id = self._was_led_just_now(), os.urandom(8).hex()
        else:
            self._be_member()
        _here.add(self)
        return self.leads

    def _be_member(self) -> None:
        """Have the last one to leave know that somebody is there; of no more use than that, so a full disk is fine."""
        with contextlib.suppress(OSError):
            self._members.take(shared=True)

    def _was_led_just_now(self) -> bool:
        head = None if self._copy is None else self._copy.head
        return head is not None and 0.0 <= time.monotonic() - head["monotonic"] < HANDOVER

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
        with self._turning:
            self._give_back()

    def _pause(self) -> float:
        if not self.leads:
            return LOOK
        soon = min(self._written + SOON, self._due) if self._urgent else self._due
        return max(0.0, soon - time.monotonic())

    def touch(self) -> None:
        """Something is new: tell the others soon."""
        if not self._urgent:
            self._urgent = True
            self._wake.set()

    def turn(self) -> None:
        """Look, or tell; lead if nobody does. Whatever goes wrong is told, and tried again."""
        problem = ""
        with self._turning:
            try:
                self._turn()
            except Exception as error:
                problem = f"{type(error).__name__}: {short(getattr(error, 'strerror', None) or str(error), 200)}"
                self._due = time.monotonic() + PERIOD
                if problem != self.problem:
                    _log.exception("sharing %s: it is tried again", self.key)
            self.problem = problem

    def _turn(self) -> None:
        if self._ended:
            return
        now = time.monotonic()
        if now > self._looked + LOOK + LATE:
            self._woke = now
        self._looked = now
        if not self.leads:
            if self._lock_file.take():
                self._take_over()
                return
            self._look()
            if self._is_orphan():
                _log.warning("sharing %s: a child has kept the lock of a process that has ended", self.key)
                self._lock_file.remove()
        elif not self._lock_file.is_there():
            self._step_down()
        elif self._pause() <= 0.0:
            self.tell()

    def _take_over(self) -> None:
        self.leads = self.continues = True
        self.start_id = os.urandom(8).hex()
        self._members.drop()
        self._group.lead()
        self.tell()

    def _step_down(self) -> None:
        """Something has removed the lock: whoever finds the new one leads."""
        _log.warning("sharing %s: its lock was removed", self.key)
        self._lock_file.drop()
        self.leads = self._lock_file.take()
        if not self.leads:
            self._be_member()
            self._looks, self._copy = (), None
            self._group.follow()

    def _is_orphan(self) -> bool:
        """Whether nobody who lives has told anything for long, though the lock is held."""
        copy = self._copy
        if copy is None or not self._age(copy):
            return False
        try:
            os.kill(copy.head["pid"], 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return False

    # --- where no thread can run

    def take_turns(self) -> None:
        """Lead only while called. Raises OSError as `join` does."""
        self._lock_file.drop()
        self.leads = False
        self._be_member()
        _here.add(self)

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
        """Write the files: each whole, or not at all. Raises OSError, ValueError."""
        began = time.thread_time()
        self._urgent = False
        self._written = time.monotonic()
        told = self._group.head()
        period = max(PERIOD, (time.thread_time() - began) / SHARE)
        self._due = self._written + period
        now = {"time": time.time(), "monotonic": self._written, "pid": os.getpid()}
        whose = {**now, "start_id": self.start_id, "config": self.key}
        if self._written >= self._document_due:
            self._tell_all(whose)
        self._replace(self.path, [head({**whose, "period_s": round(period, 3), **told})])

    def _tell_all(self, whose: View) -> None:
        began = time.thread_time()
        self._replace(self.status_path, document(whose, *self._group.news(), *self._texts))
        self._document_due = self._written + max(SOON, (time.thread_time() - began) / SHARE)

    def _replace(self, path: str, pieces: list[bytes]) -> None:
        draft = f"{path}.{os.getpid()}.tmp"
        try:
            with open(draft, "wb", opener=open_private) as file:
                file.writelines(pieces)
            os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(draft)
            raise

    # --- the followers

    def _look(self) -> None:
        """See whether something new was told."""
        try:
            looks = _looks(os.stat(self.path))
            if looks != self._looks:
                with open(open_private(self.path, os.O_RDONLY), "rb") as file:
                    self._copy = Copy(read(file.read()), self._read, self._local, time.monotonic)
                self._looks = looks
        except FileNotFoundError:
            self._looks, self._copy = (), None

    def _read(self) -> View:
        """The document; the same as long as nobody has written another one."""
        known = self._status
        with open(open_private(self.status_path, os.O_RDONLY), "rb") as file:
            looks = _looks(os.fstat(file.fileno()))
            if known is None or known[0] != looks:
                known = self._status = looks, read(file.read())
        return known[1]

    def _age(self, copy: Copy) -> float:
        """How long nothing was told, if that is too long; else 0."""
        now = time.monotonic()
        age, allowed = now - copy.head["monotonic"], 3 * copy.head["period_s"]
        return 0.0 if 0.0 <= age < allowed or now < self._woke + PERIOD else abs(age)

    def copy(self) -> Copy:
        """What a follower knows. Waits for nothing."""
        copy = self._copy
        if copy is None:
            said = "the process that polls has told nothing yet"
            return Copy({"pid": None}, _nothing, self._local, time.monotonic, said)
        age = self._age(copy)
        if not age:
            return copy
        return copy.without(f"stale: process {copy.head['pid']}, which polls, has told nothing for {age:.0f} s")

    # --- its end

    def release(self, deadline: float) -> None:
        """Let another one lead at once. With nobody else there, only the empty lock stays.

        If the thread is in the midst of something it does that, unless it is done by `deadline` (time.monotonic): it
        may wait for whom a signal handler has interrupted to stop the monitor.
        """
        self._ended = True
        self._wake.set()
        _here.discard(self)
        if self._turning.acquire(timeout=min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)):
            try:
                self._give_back()
            finally:
                self._turning.release()

    def _give_back(self) -> None:
        if self._given_back:
            return
        self._given_back = True
        self._members.drop()
        with contextlib.suppress(OSError):
            if (self.leads or self._lock_file.take()) and self._members.take():
                self._clear()
        self._members.drop()
        self._lock_file.drop()
        self.leads = False

    def _clear(self) -> None:
        for path in (self.path, self.status_path, self.state_path):
            with contextlib.suppress(OSError):
                os.remove(path)
        self._members.remove()

    def stop(self, deadline: float) -> bool:
        """True when the thread has ended by `deadline` (time.monotonic)."""
        return self._thread is None or join_until(self._thread, deadline)

    def after_fork(self) -> None:
        """In the child: nothing of it is ours."""
        self._lock_file.after_fork()
        self._members.after_fork()
        _here.discard(self)
        self._reset()
        self._ended, self.leads = True, False

    def _tidy_up(self) -> None:
        """Remove what others have left: drafts of ours, and of configurations that are no more."""
        now = time.time()
        for name in os.listdir(self._folder):
            path = os.path.join(self._folder, name)
            key, _, ending = name.rpartition(".")
            with contextlib.suppress(OSError):
                old = now - os.stat(path).st_mtime
                if ending == "tmp" and re.match(r".*-[0-9a-f]{16}\.", name) and old > 60.0:
                    os.remove(path)
                elif ending in ENDINGS and re.fullmatch(".*-[0-9a-f]{16}", key) and old > OLD and key != self.key:
                    _remove_unused(self._folder, key)


def _remove_unused(folder: str, key: str) -> None:
    state = os.path.join(folder, f"{key}.state")
    if os.path.exists(state) and time.time() - os.stat(state).st_mtime < OLD:  # of some who are called
        return
    lock = Lock(os.path.join(folder, f"{key}.lock"))
    if lock.take():
        for ending in ENDINGS[1:]:
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, f"{key}.{ending}"))
        lock.remove()


def _looks(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _nothing() -> View:
    raise FileNotFoundError("there is nothing")
