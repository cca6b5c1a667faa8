"""What exists between start() and stop() of a Monitor: it polls alone, or has a part among equal workers.

Of several workers one leads, which polls; the others follow. Where no thread can run they take turns.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from .clock import Clock
from .engine import Engine
from .errors import ConfigError
from .hosting import threads_run
from .log import logger
from .model import View
from .polling import Polling, start_threads
from .pool import deadline_in
from .registry import Lasting, Registry

if TYPE_CHECKING:  # imported when they are asked for
    from .hosting.copy import Copy
    from .hosting.ports import Ports
    from .hosting.sharing import News, Sharing
    from .store import Store

_log = logger("monitor")


class Owner(Protocol):
    """Whose life it is: a Monitor."""

    name: str
    ports: Ports
    was_ready: bool

    def document(self) -> View:
        """What this process knows."""

    def is_twin(self, key: str) -> bool:
        """Whether this process has an equal one that was made before."""


class Life:
    """One of them. Any thread may call any method."""

    def __init__(self, owner: Owner, engine: Engine, registry: Registry, clock: Clock) -> None:
        self._owner, self._engine, self._registry, self._clock = owner, engine, registry, clock
        self.started_at, self.started = clock.time(), clock.monotonic()
        self.sharing: Sharing | None = None
        self._by_calls = not threads_run()  # whether it lives by run_due() alone
        self.over = False

    # --- from start to stop

    def start(self, key: str | None) -> list[str]:
        """Poll, or follow who does; alone if there is no key, which equal workers have in common. Under the lock.

        What was wrong, for the log.
        """
        problems = [] if key is None else self._join(key)
        if self.sharing is None or self._by_calls or self.sharing.leads:
            problems += self._begin()
        if self.sharing is not None and not self._by_calls:
            problems = problems or start_threads(self.sharing)
            if problems:
                self._live_by_calls(self.sharing)
        return problems

    def _join(self, key: str) -> list[str]:
        try:
            from .hosting.runtime import runtime_folder
            from .hosting.sharing import Sharing

            if self._owner.is_twin(key):
                _log.info("monitor %s: this process has an equal one; this one polls on its own", self._owner.name)
                return []
            self.sharing = sharing = Sharing(runtime_folder(os.environ), key, self, self._registry)
            sharing.take_turns() if self._by_calls else sharing.join()
        except (ImportError, OSError) as error:  # the first where there is no fcntl
            self.sharing = None
            return [f"it polls on its own in every worker, for they have no place to meet: {error}"]
        return []

    def _begin(self) -> list[str]:
        sharing = self.sharing
        heritage = None if sharing is None else self._heritage(sharing)
        store = self._engine.remember(heritage)
        if sharing is not None:
            self._owner.was_ready = self._owner.was_ready or sharing.was_ready
            for name, plain in sharing.left().items():
                self._adopt(name, plain)
        return self._engine.begin(store, None if sharing is None else sharing.touch, not self._by_calls)

    def _adopt(self, name: str, plain: Any) -> None:
        """What was told of a check may be newer than what was left of it; whether it is paused is told only."""
        from .saved import load_state

        try:
            if plain["paused"] and name in self._engine.entries:
                self._engine.pause(name)
            state, now = load_state(name, plain["state"])._replace(turned=plain["turned"]), self._clock.monotonic()
            left = math.inf if plain["expires"] is None else plain["expires"] - now
            self._registry.adopt(name, Lasting(state, now - plain["changed"], left))
        except (KeyError, TypeError, ValueError) as error:  # whatever stands there
            _log.debug("monitor %s: check %s: what was told is left out: %s", self._owner.name, name, error)

    def _heritage(self, sharing: Sharing) -> Store | None:
        """What another process has left, of which one knows that was the last to poll."""
        from .store import Store

        if self._engine.store is not None:
            return self._engine.store
        try:
            path = sharing.board.state
            store = Store(path, self._owner.name, self._clock, self._registry, private=True)
        except ConfigError as error:  # something else is there
            _log.warning("monitor %s: what it knows is not left to the next worker: %s", self._owner.name, error)
            return None
        if not (sharing.continues or self._by_calls):
            store.forget()
        return store

    def _live_by_calls(self, sharing: Sharing) -> None:
        """There is no thread that could look whether the leader lives, or tell the others: take turns."""
        self._by_calls = True
        self._engine.end()
        self._engine.stop(deadline_in(0.0))
        sharing.take_turns()
        self._begin()

    def end(self) -> Polling | None:
        """Poll no more, before another life can begin; never waits. What did. Under the lock."""
        self.over = True
        polling = self._engine.end()
        self._engine.be_absent()
        return polling

    def leave(self, polling: Polling | None, deadline: float) -> bool:
        """Let another process poll, once all is written that this one knows; True when its thread has ended."""
        if self.sharing is None:
            return True
        self.sharing.release(deadline, None if polling is None else polling.store)
        return self.sharing.stop(deadline)

    def after_fork(self) -> None:
        """In the child: it is over, and nothing is shared."""
        self.over = True
        if self.sharing is not None:
            self.sharing.after_fork()

    # --- called by the Sharing

    def lead(self) -> bool:
        """Nobody else polls any more. Whether this one does."""
        with self._engine.lock:
            if self.over or self._engine.polling is not None:
                return not self.over
            self._registry.tell("", "lead", f"process {os.getpid()} polls from now on")
            problems = self._begin()
        for problem in problems:
            _log.warning("monitor %s: %s", self._owner.name, problem)
        _log.info("monitor %s: process %d polls from now on", self._owner.name, os.getpid())
        return True

    def follow(self) -> None:
        """Somebody else does."""
        with self._engine.lock:
            if self.over:
                return
            self._engine.end()
            self._engine.be_absent()
        self._engine.stop(deadline_in(0.0))
        _log.info("monitor %s: process %d polls no more: another one does", self._owner.name, os.getpid())

    def head(self, changed: Iterable[str]) -> View:
        """What the others are to know at once, with the states of these checks."""
        self.source()
        looked, blockers = self._registry.readiness()
        ready = {"looked": looked, "blockers": blockers, "was_ready": self._owner.was_ready}
        word = {"overall": self._registry.overall(), "counts": self._registry.counts()}
        states = self._told(self._registry.states_of(changed))
        return {**word, **ready, "changed": states}

    def news(self) -> News:
        """All that they are to know."""
        from .hosting.sharing import News

        return News(self._owner.document(), self._told(self._registry.states()))

    def turn(self) -> None:
        """Whoever leads, a port may be free."""
        try:
            self._owner.ports.inherit()
        except OSError as error:  # of the lock of a port: no reason not to poll
            _log.debug("monitor %s: a port is not taken over: %s", self._owner.name, error)

    def slept(self, start: float, end: float) -> None:
        """This process stood still, while another one polls."""
        self._registry.absent(start, end)

    def _told(self, states: Iterable[tuple[str, Lasting]]) -> dict[str, View]:
        """States as another process takes them up: by instants of the monotonic clock, which they share."""
        from .saved import dump_state

        now, told = self._clock.monotonic(), {}
        for name, (state, lasted, left) in states:
            plain = {"state": dump_state(state), "paused": state.paused, "turned": state.turned}
            times = {"changed": round(now - lasted, 3), "due": self._engine.due(name)}
            told[name] = {**plain, **times, "expires": None if math.isinf(left) else round(now + left, 3)}
        return told

    # --- what this process is among them

    @property
    def role(self) -> str:
        """leader, follower or solo."""
        polling = self._engine.polling
        if self.sharing is None:
            return "solo"
        if polling is None or (self._by_calls and polling.store is not None and not polling.store.wrote_last):
            return "follower"
        return "leader"

    def source(self) -> Registry | Copy:
        """Who is to be asked, once it has noticed that nobody could look for long."""
        polling, sharing = self._engine.polling, self.sharing
        if polling is None:
            if sharing is None or self.over:
                return self._registry
            sharing.notice()
            return sharing.copy()
        if self._by_calls and sharing is not None and polling.store is not None:
            polling.store.renew()
        polling.notice()
        return self._registry

    def view(self, source: Registry | Copy) -> View:
        """The document's `sharing`, of what `source` has told."""
        told: View = {"role": self.role, "pid": os.getpid(), "leader_pid": None, "age_s": None, "problem": ""}
        if self.sharing is None:
            return told
        if not isinstance(source, Registry):
            age, problem = source.age(), source.problem or self.sharing.problem
            age = None if age is None else round(age, 3)
            return {**told, "leader_pid": source.head["pid"], "age_s": age, "problem": problem}
        polling = self._engine.polling
        store = None if polling is None else polling.store
        leader = store.writer if self._by_calls and store is not None and store.writer else os.getpid()
        return {**told, "leader_pid": leader, "age_s": 0.0, "problem": self.sharing.problem}

    def leaders_head(self) -> View:
        """What the process that polls has told last."""
        return {} if self.sharing is None else self.sharing.copy().head

    # --- where no thread can run

    def run_due(self, budget: float) -> int:
        """See Monitor.run_due. One caller at a time."""
        polling = self._engine.polling
        if polling is None or not polling.waits_for_calls:
            return 0
        if self.sharing is None or not self._by_calls:
            return polling.run_due(budget)
        with self.sharing.turn_of(polling.store) as ours:
            if not ours:
                return 0
            self._engine.take_turn(polling)
            return polling.run_due(budget)
