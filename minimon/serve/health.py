"""Asks a subject: what reads a snapshot is asked at once, a plain subject on two threads that may hang.

A plain subject is any object of the host with `is_healthy()` and `get_detailed_stats()`: its methods may take
long or never return. So each of the two has one call in flight at most, which all clients share, and no client
waits longer than a second for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ..errors import ConfigError, UnknownCheckError
from ..log import logger
from ..pool import Pool
from ..text import quoted
from .exposition import plain
from .routing import Said

_log = logger("health")

PATIENCE = 1.0
"""Seconds that a plain subject has to answer."""


class Subject(Protocol):
    """What a HealthCheckServer serves. One with `snapshot()` and `overall()`, as a Monitor, is asked at once."""

    def is_healthy(self) -> bool:
        """True for 200."""

    def get_detailed_stats(self) -> dict[str, Any]:
        """The document of `/status`."""


class Pending(Exception):
    """A plain subject is being asked; ask again when `wake()` is called, or when time is over."""


class _Call:
    """One call of a plain subject, on a thread that may hang."""

    def __init__(self, function: Callable[[], Any], wake: Callable[[], None]) -> None:
        self._function = function
        self._wake = wake
        self.said: Said | None = None

    def __call__(self) -> None:
        try:
            self.said = Said(value=self._function())
        except BaseException:  # a SystemExit of the host's too is an answer that did not come
            self.said = Said("error")
            _log.exception("the subject failed")
        finally:
            self._wake()


class Asker:
    """Asks the subjects of one server. Belongs to the server's thread, apart from `stop`.

    `wake()` is called, on another thread, whenever a plain subject has answered. Raises ConfigError for an object
    that cannot be asked.
    """

    def __init__(self, subjects: tuple[Any, ...], wake: Callable[[], None] = lambda: None) -> None:
        self.subjects = tuple(_Asked(subject) for subject in subjects)
        self._wake = wake
        self._calls: dict[tuple[_Asked, str], _Call] = {}
        self._pool = Pool("minimon-ask", 0, 2, eager=True)

    def call(self, subject: _Asked, method: str) -> _Call:
        """The call that is in flight, else a new one."""
        call = self._calls.get((subject, method))
        if call is None or call.said is not None:
            call = self._calls[subject, method] = _Call(getattr(subject, method), self._wake)
            self._pool.submit(call)
        return call

    def stop(self, deadline: float) -> bool:
        """Wait for calls in flight until `deadline` (time.monotonic); True when none is left."""
        return self._pool.stop(deadline)

    def after_fork(self) -> None:
        """In the child: nothing in flight, nobody to ask."""
        self._calls.clear()
        self._pool.after_fork()


class _Asked:
    """One subject, and how to ask it."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject
        self._has_snapshot = _has(subject, "snapshot")
        self.at_once = self._has_snapshot and _has(subject, "overall")
        self.explains = self.at_once and _has(subject, "explain")
        self._is_plain = _has(subject, "is_healthy") and _has(subject, "get_detailed_stats")
        if isinstance(subject, type) or not (self._has_snapshot or self._is_plain):
            raise ConfigError(f"server: {quoted(subject, 60)} has no is_healthy() and get_detailed_stats() to ask")

    def word(self) -> str:
        """healthy, degraded, unhealthy or unknown."""
        if self.at_once:
            return str(self._subject.overall())
        if not self._is_plain:
            return str(self._subject.snapshot()["overall"])
        healthy = self._subject.is_healthy()
        if hasattr(healthy, "__await__"):
            raise TypeError("is_healthy() returned a coroutine; give one that runs it to its end")
        return "healthy" if healthy else "unhealthy"

    def explanation(self, name: str) -> Said:
        """What is known of one check, of a subject that `explains`."""
        try:
            return Said(value=self._subject.explain(name))
        except UnknownCheckError as error:
            return Said("missing", str(error))

    def document(self) -> Any:
        """The document of `/status`, plain enough for JSON."""
        if self.at_once:
            return self._subject.snapshot()
        return plain(dict(self._subject.get_detailed_stats() if self._is_plain else self._subject.snapshot()))


def _has(subject: Any, method: str) -> bool:
    try:
        return callable(getattr(subject, method, None))
    except Exception:  # a property of the host may do anything
        return False


class Question:
    """What one request asks of the subjects. It remembers the calls that it waits for, until `deadline`."""

    def __init__(self, asker: Asker, deadline: float) -> None:
        self.deadline = deadline
        self.over = False
        self._asker = asker
        self._calls: dict[tuple[_Asked, str], _Call] = {}

    @property
    def several(self) -> bool:
        """True with more than one subject."""
        return len(self._asker.subjects) > 1

    def words(self) -> list[Said]:
        """The word of each subject. Raises Pending."""
        return self._ask("word")

    def documents(self) -> list[Said]:
        """The document of each subject. Raises Pending."""
        return self._ask("document")

    @property
    def explains(self) -> bool:
        """True when a subject can tell of one check."""
        return any(subject.explains for subject in self._asker.subjects)

    def explanation(self, name: str) -> Said:
        """What the first subject says that has a check of this name."""
        said = [_at_once(partial(each.explanation, name)) for each in self._asker.subjects if each.explains]
        found = [one.value if isinstance(one.value, Said) else one for one in said]
        return min(found, key=lambda one: ("", "missing").index(one.error) if one.error in ("", "missing") else 2)

    def _ask(self, method: str) -> list[Said]:
        said = [self._ask_one(subject, method) for subject in self._asker.subjects]
        if None in said:
            raise Pending
        return [one for one in said if one is not None]

    def _ask_one(self, subject: _Asked, method: str) -> Said | None:
        if subject.at_once:
            return _at_once(getattr(subject, method))
        call = self._calls.get((subject, method))
        if call is None:
            call = self._calls[subject, method] = self._asker.call(subject, method)
        return call.said or (Said("unknown") if self.over else None)


def _at_once(function: Callable[[], Any]) -> Said:
    try:
        return Said(value=function())
    except BaseException:  # as above
        _log.exception("the subject failed")
        return Said("error")
