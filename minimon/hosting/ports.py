"""The ports on which servers of this process answer for a monitor: of several workers one can have a port.

Which one it is says a lock beside that of the leader. The others leave the port alone, and take it when it is free.
"""

from __future__ import annotations

import binascii
import threading
from collections.abc import Callable
from typing import Any

from .leader import Lock


class Ports:
    """Of one monitor. Any thread may call any method.

    `place(ending)` is the path of a file that equal workers have in common; None where nobody shares.
    """

    def __init__(self, place: Callable[[str], str | None]) -> None:
        self._place = place
        self._reset()

    def _reset(self) -> None:
        # Guards what follows, and the locks in it. No server is called under it.
        self._lock = threading.RLock()
        self._held: dict[str, Lock] = {}
        self._waiting: dict[str, tuple[Lock, Callable[[], bool]]] = {}

    def claim(self, address: str, bind: Callable[[], bool]) -> bool:
        """Whether the caller may bind it. False when another worker has it: then `bind()` is called when it is free."""
        path = self._place(f"{binascii.crc32(address.encode()):08x}.port")
        if path is None:
            return True
        lock = Lock(path)
        try:
            ours = lock.take()
        except (OSError, ImportError):  # then the system says whose it is
            return True
        with self._lock:
            if ours:
                self._held[address] = lock
            else:
                self._waiting[address] = lock, bind
        return ours

    def leave(self, address: str) -> None:
        """The caller has it no more, or waits for it no more."""
        with self._lock:
            held, (waiting, _) = self._held.pop(address, None), self._waiting.pop(address, (None, None))
            if held is not None:
                held.remove()
            if waiting is not None:
                waiting.drop()

    def inherit(self) -> None:
        """Bind what is waited for, if it is free. Raises OSError."""
        for address, bind in self._free():
            if not bind():  # whoever has served there has not ended yet, or it is a stranger's
                with self._lock:
                    lock = self._held.pop(address, None)
                    if lock is not None:
                        lock.drop()
                        self._waiting[address] = lock, bind

    def _free(self) -> list[tuple[str, Callable[[], bool]]]:
        """Those of which the lock is ours now."""
        found = []
        with self._lock:
            for address, (lock, bind) in list(self._waiting.items()):
                if lock.take():
                    del self._waiting[address]
                    self._held[address] = lock
                    found.append((address, bind))
        return found

    def after_fork(self) -> None:
        """In the child: no server has begun yet."""
        locks: list[Any] = [*self._held.values(), *(lock for lock, _ in self._waiting.values())]
        for lock in locks:
            lock.after_fork()
        self._reset()
