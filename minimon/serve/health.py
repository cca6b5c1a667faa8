"""Asks a subject: what reads a snapshot is asked at once, a plain subject on threads that may hang.

A plain subject is any object of the host with `is_healthy()` and `get_detailed_stats()`: its methods may take
long or never return. So each of the two has one call in flight at most, which all clients share, and no client
waits longer than a second for it. Large answers and credentials have threads of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, Protocol

from ..errors import ConfigError, UnknownCheckError
from ..pool import Pool
from ..text import quoted
from .complaints import Complaints
from .exposition import plain
from .routing import Readiness, Said, worst

PATIENCE = 1.0
"""Seconds that a plain subject has to answer."""
ROUTE_PATIENCE = 30.0
"""Seconds that a route of the host has to answer."""
PAGE_PATIENCE = 30.0
"""Seconds that a large answer may take to make."""
KINDS = ("ask", "page", "login", "known")
"""What is done on other threads, two of each kind: subjects asked (two for each), large answers made, credentials
looked at; those that were right before apart, so that nobody who guesses keeps them waiting."""
MOST_CALLS = 64
"""Calls of a kind that are unfinished at most."""
SHARED = 1.0
"""Seconds for which a large answer is given to all who ask for the same: it costs time to make, and memory to keep."""


class Subject(Protocol):
    """What a HealthCheckServer serves. One with `snapshot()` and `overall()`, as a Monitor, is asked at once."""

    def is_healthy(self) -> bool:
        """True for 200."""

    def get_detailed_stats(self) -> dict[str, Any]:
        """The document of `/status`."""


class Later(Protocol):
    """An answer that takes its time."""

    patience: float
    """Seconds that are waited for it."""

    @property
    def finished(self) -> bool:
        """Whether there is something to answer."""

    def reply(self) -> Any:
        """The Reply."""

    def cancel(self) -> None:
        """Nobody waits for it any longer: it has finished."""


class Routes(Protocol):
    """What a subject answers besides, as its `routes`. Called by the server's thread, and never waits."""

    def knows(self, request: Any) -> bool:
        """Whether a request is for one of them."""

    def answer(self, request: Any, wake: Callable[[], None]) -> Any:
        """A Reply, or a Later; `wake` is called, on any thread, when that has finished."""

    def home(self) -> Any:
        """The Reply of `/` to programs, where nothing else is served."""


class Pending(Exception):
    """Something slow is being done; ask again when `wake()` is called, or when time is over."""


class _Call:
    """One call of something slow, on a thread that may hang."""

    def __init__(self, function: Callable[[], Any], wake: Callable[[], None], complaints: Complaints) -> None:
        self._function = function
        self._wake, self._complaints = wake, complaints
        self.said: Said | None = None
        self.ended = 0.0
        self.wanted = 0  # how many wait for it
        self.skipped = False  # whether nobody did when its turn came: then it says nothing

    def __call__(self) -> None:
        self.skipped = self.wanted <= 0
        said = Said("unknown") if self.skipped else at_once(self._function, self._complaints)
        self.ended = time.monotonic()
        self.said = said
        self._wake()


class Asker:
    """Asks the subjects of one server. Belongs to the server's thread, apart from `stop`.

    `wake()` is called, on another thread, whenever something slow has ended. Raises ConfigError for an object
    that cannot be asked.
    """

    def __init__(self, subjects: tuple[Any, ...], wake: Callable[[], None] = lambda: None) -> None:
        self.subjects = tuple(Asked(subject) for subject in subjects)
        self._wake = wake
        self._calls: dict[Hashable, _Call] = {}
        self.complaints = Complaints()
        # Apart from each other: a subject that hangs keeps nobody from logging in, nor another from being asked.
        sizes = dict.fromkeys(KINDS, 2)
        sizes["ask"] = 2 * max(1, len(subjects))
        self._pools = {kind: Pool(f"minimon-{kind}", 0, size, eager=True) for kind, size in sizes.items()}

    def call(self, kind: str, key: Hashable, function: Callable[[], Any], lasts: float = 0.0) -> _Call | None:
        """The call that is in flight, or ended less than `lasts` seconds ago; else a new one.

        None if too many wait, or there is no thread.
        """
        call = self._calls.get((kind, key))
        if call is None or (call.said is not None and (call.skipped or call.ended + lasts <= time.monotonic())):
            if self._pools[kind].unfinished >= MOST_CALLS:
                self.complaints.tell("more to do than it can")
                return None
            call = self._calls[kind, key] = _Call(function, self._wake, self.complaints)
            call.wanted = 1
            if not self._pools[kind].offer(call):
                self.complaints.tell("more to do than the system gives threads for")
                if kind != "page":
                    del self._calls[kind, key]
                    return None
                call()  # it only reads: late is better than never
        else:
            call.wanted += 1
        return call

    def forget(self, now: float) -> float:
        """Drop what has ended and is shared no more; when to call this again (monotonic), 0 for never."""
        for key in [key for key, call in self._calls.items() if call.said is not None and call.ended + SHARED <= now]:
            del self._calls[key]
        return now + SHARED if self._calls else 0.0

    def works_here(self) -> bool:
        """Whether the caller is one of its threads."""
        return any(pool.works_here() for pool in self._pools.values())

    def stop(self, deadline: float) -> bool:
        """Wait for calls in flight until `deadline` (time.monotonic); True when none is left."""
        ended = [pool.stop(deadline) for pool in self._pools.values()]  # each of them, whatever became of the others
        return all(ended)

    def after_fork(self) -> None:
        """In the child: nothing in flight, nobody to ask."""
        self._calls.clear()
        for pool in self._pools.values():
            pool.after_fork()


class Asked:
    """One subject, and how to ask it."""

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        self._has_snapshot = _has(subject, "snapshot")
        self.at_once = self._has_snapshot and _has(subject, "overall")
        self.explains = self.at_once and _has(subject, "explain")
        self._tells_missed = self.at_once and _has(subject, "missed")
        self._tells_readiness = self.at_once and _has(subject, "readiness")
        routes = getattr(subject, "routes", None) if self.at_once else None
        self.routes = routes if _has(routes, "knows") and _has(routes, "answer") else None
        """What it answers besides, as a Supervisor does: see Routes."""
        self._is_plain = _has(subject, "is_healthy") and _has(subject, "get_detailed_stats")
        if isinstance(subject, type) or not (self._has_snapshot or self._is_plain):
            raise ConfigError(f"server: {quoted(subject, 60)} has no is_healthy() and get_detailed_stats() to ask")

    def word(self) -> str:
        """healthy, degraded, unhealthy or unknown."""
        if self.at_once:
            return "draining" if self.draining else str(self.subject.overall())
        if not self._is_plain:
            return str(self.subject.snapshot()["overall"])
        healthy = self.subject.is_healthy()
        if hasattr(healthy, "__await__"):
            raise TypeError("is_healthy() returned a coroutine; give one that runs it to its end")
        return "healthy" if healthy else "unhealthy"

    @property
    def draining(self) -> bool:
        """Whether it wants no more requests."""
        return getattr(self.subject, "draining", False) is True

    @property
    def plain(self) -> bool:
        """Whether it shows its own document, which nobody but the host knows."""
        return not self._has_snapshot

    @property
    def was_ready(self) -> bool:
        """Whether it says that it was ready once."""
        return self.at_once and getattr(self.subject, "was_ready", False) is True

    def missed(self) -> list[str]:
        """The names of loops of the host that give no sign of life."""
        return list(self.subject.missed()) if self._tells_missed else []

    def readiness(self, word: str) -> Readiness:
        """Whether it wants requests, if `word` is what it says of its health."""
        if self._tells_readiness:
            found = self.subject.readiness()
            return Readiness(found["ready"], found["status"], found["blockers"])
        ready = word in ("healthy", "degraded")
        return Readiness(ready, "ready" if ready else word if word == "draining" else "not ready")

    def state(self, name: str) -> Any:
        """The state of one check, None if it has none of that name; of a subject that `explains`."""
        try:
            return self.subject.state(name)
        except UnknownCheckError:
            return None

    def explanation(self, name: str) -> Said:
        """What is known of one check, of a subject that `explains`."""
        try:
            return Said(value=self.subject.explain(name))
        except UnknownCheckError as error:
            return Said("missing", str(error))

    def document(self) -> Any:
        """The document of `/status`, plain enough for JSON."""
        if self.at_once:
            return self.subject.snapshot()
        return plain(dict(self.subject.get_detailed_stats() if self._is_plain else self.subject.snapshot()))


def _has(subject: Any, method: str) -> bool:
    try:
        return callable(getattr(subject, method, None))
    except Exception:  # a property of the host may do anything
        return False


class Question:
    """What one request asks of the subjects. It remembers the calls that it waits for."""

    def __init__(self, asker: Asker) -> None:
        self.over = False  # whether its time is over
        self.door = ""  # the kind of thread that looks at its credentials
        self.charged = False  # whether the attempt of the client is counted
        self.known: Any = None  # whether the client is known, or the answer if its credentials are wrong
        self.user: Any = None  # who that is, as the Authenticator has it
        self.subjects, self.complaints = asker.subjects, asker.complaints
        self.patience = PATIENCE
        self.root = ""  # what stands before the paths, where they are mounted
        self._asker = asker
        self._calls: dict[Hashable, _Call] = {}

    def get(self, kind: str, key: Hashable, function: Callable[[], Any], lasts: float = 0.0) -> Said:
        """What a slow function gives, on another thread; shared with all who ask for the same. Raises Pending.

        Said("unknown") when it does not come in time, too much waits already, or the system gives no thread.
        """
        if kind == "page":
            self.patience = PAGE_PATIENCE
        call = self._calls.get((kind, key))
        if call is None or call.skipped:
            call = self._asker.call(kind, key, function, lasts)
            if call is None:
                return Said("unknown")
            self._calls[kind, key] = call
        if call.said is None and not self.over:
            raise Pending
        return call.said or Said("unknown")

    @property
    def ready(self) -> bool:
        """Whether nothing is to be waited for."""
        return all(call.said is not None for call in self._calls.values())

    def give_up(self) -> None:
        """Its time is over, or nobody wants the answer any more."""
        if not self.over:
            self.over = True
            for call in self._calls.values():
                call.wanted -= 1

    def words(self) -> list[Said]:
        """The word of each subject. Raises Pending."""
        return self._ask("word", self.subjects)

    def whole(self) -> Callable[[], Said]:
        """What makes the document of the one subject, or of all in an envelope, and may take its time: on any thread.

        Plain subjects are asked beforehand. Raises Pending.
        """
        slow = [each for each in self.subjects if not each.at_once]
        several = len(self.subjects) > 1
        documents = dict(zip(slow, self._ask("document", slow)))
        words = dict(zip(slow, self._ask("word", slow))) if several else {}

        def make() -> Said:
            said = [documents.get(each) or at_once(each.document, self.complaints) for each in self.subjects]
            error = next((each.error for each in said if each.error), "" if said else "unknown")
            if error or not several:
                return Said(error) if error else said[0]
            told = [words.get(each) or at_once(each.word, self.complaints) for each in self.subjects]
            status = [each.value["status"] for each, one in zip(said, self.subjects) if one.routes]
            whole = {"schema": 1, "overall": worst(told), **({"status": status[0]} if status else {})}
            return Said(value={**whole, "subjects": [each.value for each in said]})

        return make

    def explanation(self, name: str) -> Said:
        """What the first subject says that has a check of this name; missing if none tells of checks."""
        said = [at_once(partial(each.explanation, name), self.complaints) for each in self.subjects if each.explains]
        found = [one.value if isinstance(one.value, Said) else one for one in said]
        order = ("", "missing")
        return min(found, key=lambda one: order.index(one.error) if one.error in order else 2)

    def _ask(self, method: str, subjects: Sequence[Asked]) -> list[Said]:
        said, pending = [], False
        for subject in subjects:  # all are asked, before any is waited for
            try:
                said.append(_ask_one(self, subject, method))
            except Pending:
                pending = True
        if pending:
            raise Pending
        return said


def _ask_one(question: Question, subject: Asked, method: str) -> Said:
    function = getattr(subject, method)
    return (
        at_once(function, question.complaints) if subject.at_once else question.get("ask", (subject, method), function)
    )


def at_once(function: Callable[[], Any], complaints: Complaints) -> Said:
    """What a function of the host gives, in the caller's thread."""
    try:
        return Said(value=function())
    except BaseException:  # a SystemExit of the host's too is an answer that did not come
        complaints.failed("the subject")
        return Said("error")
