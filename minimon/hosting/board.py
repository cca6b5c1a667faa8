"""The files by which the process that polls tells the others what it knows. Each is whole, or the one before.

KEY.lock     who holds it polls; its process id while it does
KEY.members  a lock that all others share, so that the last one to leave knows that it is
KEY.json     the head: the word, the counts, what blocks; renewed within a second
KEY.status   the document of `/status`, and the states as they are taken up by others
KEY.state    the histories, as a state file has them, for the next one to poll
KEY.*.port   a lock: who holds it serves on that port
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping

from ..model import View
from .copy import Copy, Local, Texts, document, head, read
from .leader import Lock, open_private

LARGEST_HEAD, LARGEST = 1 << 22, 1 << 29
"""Bytes of a head, and of a document, that are read at most."""
OLD = 86400.0
"""Seconds after which files of others who have left them are removed."""
DRAFT = 60.0
"""The same for a file that nobody has finished writing."""
ENDINGS = ("lock", "members", "json", "status", "state")
"""Of the names of files of ours."""
KEY = ".*-[0-9a-f]{16}"
"""How those names begin."""


class Board:
    """Of one group of equal monitors. One thread at a time, but for what Copy objects read."""

    def __init__(self, folder: str, key: str, local: Local) -> None:
        self.folder, self.key, self._local = folder, key, local
        self._head, self._document, self.state = (self.place(ending) for ending in ("json", "status", "state"))
        self._texts = Texts(), Texts()
        self._looks: tuple[int, ...] = ()
        self._known: tuple[tuple[int, ...], View] | None = None  # the document that was read last
        self.copy: Copy | None = None  # what was told, as of the last look

    def place(self, ending: str) -> str:
        """The path of a file of the group."""
        return os.path.join(self.folder, f"{self.key}.{ending}")

    # --- the leader

    def tell(self, told: View) -> None:
        """Write the head. Raises OSError, ValueError."""
        self._replace(self._head, [head(told)])

    def tell_all(self, whose: View, snapshot: View, states: Mapping[str, View]) -> None:
        """Write the document. Raises OSError."""
        self._replace(self._document, document(whose, snapshot, states, *self._texts))

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

    def look(self) -> None:
        """See whether something new was told. Raises OSError, ValueError for what cannot be read."""
        try:
            looks = _looks(os.stat(self._head))
            if looks != self._looks:
                content = _content(self._head, LARGEST_HEAD)[1]
                self.copy, self._looks = Copy(read(content), self._read, self._local, time.monotonic), looks
        except FileNotFoundError:
            self.forget()

    def forget(self) -> None:
        """What was told counts no more."""
        self._looks, self.copy = (), None

    def _read(self) -> View:
        """The document; the same as long as nobody has written another one."""
        known = self._known
        if known is None or known[0] != _looks(os.stat(self._document)):
            looks, content = _content(self._document, LARGEST)
            known = self._known = looks, read(content)
        return known[1]

    # --- leaving nothing

    def remove(self) -> None:
        """Nobody is there any more."""
        for path in (self._head, self._document, self.state):
            with contextlib.suppress(OSError):
                os.remove(path)

    def tidy_up(self) -> None:
        """Remove what others have left: drafts, and files of configurations that are no more. Raises OSError."""
        now = time.time()
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            key, _, ending = name.rpartition(".")
            with contextlib.suppress(OSError):
                old = now - os.stat(path, follow_symlinks=False).st_mtime
                if ending == "tmp" and re.match(rf"{KEY}\.", name) and old > DRAFT:
                    os.remove(path)
                elif ending in ENDINGS and re.fullmatch(KEY, key) and old > OLD and key != self.key:
                    _remove_unused(self.folder, key)
                elif ending == "port" and re.match(rf"{KEY}\.", name) and old > OLD:
                    lock = Lock(path)
                    lock.remove() if lock.take() else lock.drop()


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


def _content(path: str, most: int) -> tuple[tuple[int, ...], bytes]:
    """How a file looks, and what is in it."""
    with open(open_private(path, os.O_RDONLY), "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > most:
            raise ValueError(f"{os.path.basename(path)} has more than {most} bytes")
        return _looks(status), file.read(most)


def _looks(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_mtime_ns, status.st_size
