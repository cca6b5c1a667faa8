"""The state file: what is known of all checks outlives the process. Written by a thread of its own, whole or not.

The file is JSON, replaced by a rename: at any moment it is the one before or the one after. It is written within a
second of a change, else every ten seconds while there are polls; if writing takes long, less often.

It is read at the first start. What is fresh by then counts on; the rest is unknown until it was polled, and only what
differs from before is told to `on_change`. The time between is not covered by any uptime.

Nothing that is wrong with it stops anything: what is wrong is told in `self.state_file`. A file that is not ours to
write (another program's, a newer minimon's, that of a monitor of another name, a read-only one) is left alone: remove
it, or say another path. A corrupt one is kept beside, as PATH.corrupt. Each process needs a file of its own: of two
that write one, the earlier steps back. Workers that share a Monitor say the same path: who polls writes it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from typing import Any

from .checks import OWN
from .clock import Clock
from .errors import ConfigError
from .log import logger
from .model import View, parse_json, stamp
from .pool import join_until
from .registry import Registry
from .saved import dump, load
from .text import short

_log = logger("store")

FORMAT = 2
"""The form of the file. One of a higher number is left alone."""
KEY = "minimon_state"
"""The first key of a file of ours; its value is the form."""
SOON, SELDOM = 1.0, 10.0
"""Seconds between two writes at least, after a change and without one."""
SHARE = 0.02
"""Of a processor, that writing may take."""
QUIET = 120.0
"""Seconds for which a file must be left alone by others before it is ours."""
LARGEST = 1 << 29
"""Bytes that are read at most."""
MOST = 10_000
"""Histories that are kept for checks that are not there (yet)."""
OLDEST = 90 * 86400.0
"""Seconds after which a history is of no use: the longest window is over."""
LATEST = 1e11
"""Seconds since the epoch: no clock says more."""
LEFTOVER = 3600.0
"""Seconds after which a file that nobody has finished writing is removed."""


class _LeftAloneError(Exception):
    """The file is not ours to write."""


class Store:
    """Owns the state file of one Monitor, and the thread `minimon-store` while that runs. Any thread.

    A `private` one is for the next of several workers to lead: it need not outlive the machine, and is not told of.
    Raises ConfigError for what is no path.
    """

    def __init__(self, path: Any, name: str, clock: Clock, registry: Registry, *, private: bool = False) -> None:
        try:
            given = os.fsdecode(path)
            self._path = os.path.realpath(given)
        except (TypeError, ValueError) as error:  # ValueError: a NUL in it
            raise ConfigError(f"monitor: state_file must be a path, got {path!r:.60}") from error
        if not given or "\0" in given or (os.path.exists(self._path) and not os.path.isfile(self._path)):
            raise ConfigError(f"monitor: state_file must be the path of a file, got {path!r:.60}")
        self._name, self._clock, self._registry = name, clock, registry
        self._private, self._seldom = private, SOON if private else SELDOM
        self.writer = 0  # the process that has written what was read
        self._others: dict[str, View] = {}  # histories of checks that are not there (yet)
        self._mine: tuple[int, ...] | None = None  # what the file looked like when we left it
        self._yields_until = -1.0  # monotonic
        self._saved_at: float | None = None
        self._restored = self._problem = ""
        self._reset()

    def _reset(self) -> None:
        # Guards what follows, and wakes the thread. A leaf: nothing is written under it.
        self._lock = threading.Condition(threading.RLock())
        self._touched = self._urgent = self._stopping = False
        self._next = -1.0  # monotonic: not before then, without hurry
        self._thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """In the child: no thread, nothing to write."""
        self._reset()

    def figures(self) -> View | None:
        """saved_at, problem, restored: as `/status` shows them under `self.state_file`."""
        if self._private:
            return None
        saved_at = None if self._saved_at is None else stamp(self._saved_at)
        return {"saved_at": saved_at, "problem": self._problem, "restored": self._restored}

    # --- reading

    def load(self) -> None:
        """Take up what the file says, in the caller's thread. Raises nothing: what is wrong is told in figures()."""
        try:
            plain = self._read()
            self._restored = "" if plain is None else self._take_up(plain)
        except _LeftAloneError as error:
            self._problem = str(error)
        except OSError as error:
            self._problem = f"cannot be read: {_told(error)}"
        except Exception as error:  # whatever stands in it
            self._restored = f"began anew, for the file is corrupt ({short(str(error), 100)}){self._put_aside()}"
        if self._problem or "corrupt" in self._restored:
            _log.warning("state file %s: %s", self._path, self._problem or self._restored)
        self._clear_leftovers()

    def _read(self) -> Any:
        """What it says; None when there is nothing."""
        try:
            with open(self._path, "rb") as file:
                content, status = file.read(LARGEST + 1), os.fstat(file.fileno())
                looks = _looks(status)
        except FileNotFoundError:
            return None
        if self._private and status.st_uid != os.geteuid():
            raise _LeftAloneError("it is not ours: it is left alone, and nothing is saved")
        if not content.strip():
            self._mine = looks
            return None
        if not re.match(rb'\s*\{\s*"%s"' % KEY.encode(), content):
            raise _LeftAloneError("it is not a state file of minimon: it is left alone, and nothing is saved")
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        plain = parse_json(content)
        if plain[KEY] > FORMAT:
            raise _LeftAloneError("it was written by a newer minimon: it is left alone, and nothing is saved")
        if plain["name"] != self._name:
            raise _LeftAloneError(
                f"it belongs to the monitor {plain['name']!r:.60}: it is left alone, and nothing is saved"
            )
        self._mine = looks
        return plain

    def _take_up(self, plain: Any) -> str:
        saved_at, timeline = plain["saved_at"], plain["timeline"]
        self.writer = plain["pid"] if isinstance(plain.get("pid"), int) else 0
        if not (0.0 <= saved_at < LATEST and timeline < LATEST):
            raise ValueError("a time that cannot be")
        lag = self._clock.monotonic() - plain.get("monotonic", math.inf)
        if self._private and lag >= 0.0:  # of the same machine: whoever has set the clock since
            saved_at = self._clock.time() - lag
        checks = {str(name): dict(history) for name, history in plain["checks"].items()}
        self._registry.go_on(timeline)
        for history in checks.values():
            if type(history.get("saved_at")) is not float:
                history["saved_at"] = saved_at
        self._others = checks
        self.recall(OWN)
        known = [name for name in checks if self._registry.has(name) and name != OWN]
        restored = sum([self.recall(name) for name in known])
        text = f"{restored} of {len(known)} checks, as of {stamp(saved_at)}"
        if not self._private:
            self._registry.tell("", "restored", text)
        return text

    def recall(self, name: str) -> bool:
        """Give a check that is there (now) its history back; False when there is none of use."""
        with self._lock:
            plain = self._others.pop(name, None)
        if plain is None:
            return False
        try:
            off = max(0.0, self._clock.time() - float(plain["saved_at"]))
            left = math.inf if plain["left"] is None else float(plain["left"]) - off
            self._registry.restore(name, lambda check, expires: load(check, plain, expires), plain["at"], left)
        except Exception as error:  # as above
            _log.warning("state file %s: check %s begins anew: %s", self._path, name, short(str(error), 200))
            return False
        return True

    def _put_aside(self) -> str:
        with contextlib.suppress(OSError):
            os.replace(self._path, f"{self._path}.corrupt")
            self._mine = None
            return f"; it is kept as {os.path.basename(self._path)}.corrupt"
        return ""

    def _clear_leftovers(self) -> None:
        """Of processes that were killed while they wrote."""
        folder, base = os.path.split(self._path)
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                if re.fullmatch(rf"{re.escape(base)}\.[0-9a-f]+\.tmp", name):
                    path = os.path.join(folder, name)
                    if os.stat(path).st_mtime < time.time() - LEFTOVER:
                        os.remove(path)

    # --- writing

    def start(self) -> None:
        """Start the thread. Raises RuntimeError when the system gives none."""
        with self._lock:
            before, self._stopping = self._thread, False
            self._thread = threading.Thread(target=self.work, args=(before,), name="minimon-store", daemon=True)
        self._thread.start()
        self.touch(True)

    def touch(self, urgent: bool) -> None:
        """Something has changed; `urgent` if that should be in the file soon. Never waits."""
        if self._touched and (self._urgent or not urgent):
            return
        with self._lock:
            self._touched, self._urgent = True, self._urgent or urgent
            self._lock.notify()

    def work(self, before: threading.Thread | None = None) -> None:
        """The thread's loop. One of an earlier life, which may hang in a write, is waited for."""
        if before is not None and before.ident is not None:  # else the system gave no thread
            before.join()
        last = -self._seldom
        while self._wait(last):
            last = self._clock.monotonic()
            began = time.thread_time()
            self.save()
            self._next = self._clock.monotonic() + max(self._seldom, (time.thread_time() - began) / SHARE)
        self.save()

    def _wait(self, last: float) -> bool:
        """Until it is time to write; False when it is for the last time."""
        with self._lock:
            while not self._stopping and self._thread is threading.current_thread():
                now = self._clock.monotonic()
                soon = max(last + SOON, self._next - self._seldom)
                due = (soon if self._urgent else self._next) if self._touched else None
                if due is not None and now >= due:
                    self._touched = self._urgent = False
                    break
                self._clock.wait(self._lock, None if due is None else due - now)
            return not self._stopping and self._thread is threading.current_thread()

    @property
    def is_mine(self) -> bool:
        """Whether nobody else has written it since this process read or wrote it."""
        try:
            return _looks(os.stat(self._path)) == self._mine
        except OSError:
            return True

    @property
    def wrote_last(self) -> bool:
        """Whether this process has written it, or nobody has."""
        return self.is_mine and self.writer in (0, os.getpid())

    def renew(self) -> bool:
        """Take up what another process has written; whether there was something."""
        if self.is_mine:
            return False
        self.load()
        return True

    def age(self) -> float:
        """Seconds since somebody has written it."""
        try:
            age = time.time() - os.stat(self._path).st_mtime
        except OSError:
            return math.inf
        return age if age > -1.0 else math.inf  # written before somebody has set the clock back

    def forget(self) -> None:
        """Remove the file: what it says is of no use."""
        with contextlib.suppress(OSError):
            os.remove(self._path)

    def halt(self) -> None:
        """Write it for the last time, soon; never waits."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()

    def stop(self, deadline: float) -> bool:
        """True when the thread has ended by `deadline` (time.monotonic), after it was halted."""
        return self._thread is None or join_until(self._thread, deadline)

    def save(self) -> None:
        """Write the file now. What goes wrong is told in figures(), and tried again later."""
        before, problem = self._problem, ""
        try:
            self._replace()
            self._saved_at = self._clock.time()
        except Exception as error:  # whatever the disk, or what a host's check has left in its history
            reason = "its folder does not exist" if isinstance(error, FileNotFoundError) else _told(error)
            problem = reason if isinstance(error, _LeftAloneError) else f"cannot be written: {reason}"
            self.touch(False)
        self._problem = problem
        if problem and problem != before:
            _log.warning("state file %s: %s", self._path, self._problem)

    def _replace(self) -> None:
        self._mind_others()
        path = f"{self._path}.{os.urandom(6).hex()}.tmp"
        try:
            with open(path, "x", encoding="ascii", opener=_private) as file:
                for piece in self._pieces():
                    file.write(piece)
                file.flush()
                if not self._private:
                    os.fsync(file.fileno())
                mine = _looks(os.fstat(file.fileno()))
            os.replace(path, self._path)
            self._mine, self.writer = mine, os.getpid()
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(path)
            raise

    def _mind_others(self) -> None:
        """Two that write one file would make nonsense of it: who finds that the other was there later steps back."""
        now, status = self._clock.monotonic(), None
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(self._path)
        if status is not None and not (stat.S_ISREG(status.st_mode) and status.st_mode & 0o222):
            raise _LeftAloneError("it is read-only, or no file: it is left alone, and nothing is saved")
        if status is not None and _looks(status) != self._mine and not self._private:  # whose lock says whose it is
            self._read()
            self._yields_until = now + QUIET
        if now < self._yields_until:
            raise _LeftAloneError("another process writes it: nothing is saved as long as that does")

    def _pieces(self) -> Iterator[str]:
        """The text, a check at a time."""
        now = self._clock.time()
        head = {
            KEY: FORMAT,
            "name": self._name,
            "saved_at": now,
            "timeline": self._registry.timeline,
            "monotonic": self._clock.monotonic(),
            "pid": os.getpid(),
        }
        yield f'{json.dumps(head)[:-1]}, "checks": {{'
        comma = ""
        with self._lock:
            others = [(name, plain) for name, plain in self._others.items() if plain["saved_at"] > now - OLDEST]
        for name, plain in (*others[-MOST:], *self._registry.each(dump)):
            try:
                text = json.dumps(plain, allow_nan=False)
            except ValueError as error:  # what a Probe of the host's has left in its results
                _log.debug("state file %s: check %s is left out: %s", self._path, name, error)
                continue
            yield f"{comma}\n{json.dumps(name)}: {text}"
            comma = ","
        yield "}}\n"


def _told(error: Exception) -> str:
    return short(getattr(error, "strerror", None) or str(error), 200)


def _looks(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
