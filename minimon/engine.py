"""What polls for a Monitor: the list of its checks, and, while this process polls them, all that it needs for that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .books import GRACE, NEVER, Entry
from .checks import OWN, Check
from .clock import Clock
from .model import Change, Outcome, Result, View
from .poller import Poller, Work
from .polling import Polling
from .registry import Registry
from .scheduler import Scheduler
from .timetable import first_due
from .watch import EVERY, Watch, itself

if TYPE_CHECKING:  # imported when they are asked for
    from .canary import Canary
    from .notify import Notifier
    from .store import Store

FIGURES = {
    "workers": "threads of the pool, without those set aside",
    "busy": "workers that are at a run",
    "stuck": "runs that have outlived their deadline and not ended; the workers of 32 of them at most are set aside",
    "queue": "due runs that wait for a worker",
    "lag_s": "how late a run has started or still waits: the most among the latest 256, in seconds",
    "missed": "turns that were left out: the one before took too long, no worker was free, all stood still",
    "suspended_s": "seconds in which the process or the machine stood still: nothing grew old in them",
    "late": "results that a newer one had overtaken, or that came twice: left out",
    "clock_jumps": "times that somebody has set the wall clock",
    "dropped": "changes that on_change was not told of, because it was too slow",
    "callback_errors": "calls of on_change that raised",
    "runs_on": "threads; or calls: of run_due(), where no thread can run",
    "lost": "what the canaries say while the monitor itself has no network, else empty",
    "state_file": "saved_at, problem (empty if none) and restored, what was read at the start; null without one",
}
"""The keys of `self` in the document of `/status`, each with its meaning."""


class Engine:
    """The only owner of the list, and of what polls it. Any thread may call any method, but `begin` and `end`.

    `store` is the state file that the host wants, if any.
    """

    def __init__(
        self,
        clock: Clock,
        registry: Registry,
        bounds: tuple[int, int],
        canary: Canary | None,
        store: Store | None,
        on_change: Callable[[Change], object] | None,
        on_fall: Callable[[str], None],
    ) -> None:
        self._clock, self._registry, self._bounds = clock, registry, bounds
        self._canary, self.store, self._on_change, self._on_fall = canary, store, on_change, on_fall
        self._own = Check(OWN, itself, every=EVERY, fall=1, rise=1, critical=False)
        registry.add(self._own, NEVER)
        self._remembers = False  # whether the state file was read
        self.entries: dict[str, Entry] = {}
        self.polling: Polling | None = None  # to be asked once: a signal handler may end it in between
        self._past: list[Polling] = []  # those of which threads are left
        self._reset()

    def _reset(self) -> None:
        # Guards the list, and what polls. Taken before the registry's and the scheduler's lock, which take no other;
        # held by start, stop and changes of the list, never by a poll or a reader. All locks are reentrant, so that a
        # signal handler of the host may stop the monitor whatever the thread is at.
        self.lock = threading.RLock()
        self._entries_lock = threading.RLock()  # handed from scheduler to scheduler, see there

    # --- the list

    def add(self, check: Check, work: Work) -> None:
        """Poll this one too. Raises ConfigError for a name that is taken."""
        with self.lock:
            self._registry.add(check, NEVER)
            polling = self.polling
            store = self.store if polling is None else polling.store
            if store is not None and self._remembers:
                store.recall(check.name)
            entry = self.entries[check.name] = Entry(check.name, check.timeout, work, work.interval)
            if polling is not None:
                self._registry.tell(check.name, "add")
                self._schedule(entry, polling.scheduler)

    def remove(self, name: str) -> Check:
        """Forget it. Raises UnknownCheckError."""
        with self.lock:
            check = self._registry.remove(name)
            entry = self.entries.pop(name)
            if self._canary is not None:
                self._canary.forget(name)
            polling = self.polling
            if polling is not None:
                polling.scheduler.disarm(entry)
                self._registry.tell(name, "remove")
        return check

    def pause(self, name: str) -> None:
        """Leave it out. Raises UnknownCheckError."""
        with self.lock:
            if self._registry.pause(name, True):
                self.entries[name].paused = True
                if self._canary is not None:
                    self._canary.forget(name)
                polling = self.polling
                if polling is not None:
                    polling.scheduler.disarm(self.entries[name])
                self._registry.tell(name, "pause")

    def resume(self, name: str) -> None:
        """Poll it again, at once. Raises UnknownCheckError."""
        with self.lock:
            if self._registry.pause(name, False):
                entry, polling = self.entries[name], self.polling
                entry.paused = False
                if polling is not None:
                    self._arm(entry, polling.scheduler, self._clock.monotonic())
                self._registry.tell(name, "resume")

    def _schedule(self, entry: Entry, scheduler: Scheduler) -> None:
        """Put down the first run since the start, or since it was added."""
        check: Check = entry.work.check
        now = due = self._clock.monotonic()
        if entry.paused:
            return
        if isinstance(check.initial_delay, (int, float)):
            due = now + check.initial_delay
        elif check.initial_delay == "interval":
            entry.work.draws_first = True  # on a worker: a function of the host may take its time
        else:
            interval = NEVER if callable(check.every) else check.every
            due = first_due(check.name, now, interval, len(self.entries))
        self._arm(entry, scheduler, due)

    def _arm(self, entry: Entry, scheduler: Scheduler, due: float) -> None:
        self._registry.await_first(entry.name, due - self._clock.monotonic() + entry.timeout + GRACE)
        scheduler.arm(entry, due)

    # --- what polls it

    def remember(self, heritage: Store | None = None) -> Store | None:
        """What keeps the state, once it was read: before the first start, for later what we know is newer.

        With `heritage` another process may have known more, and has left it there, or in the state file.
        """
        known, self._remembers = self._remembers, True
        store = self.store or heritage
        if store is not None and (heritage is not None or not known):
            store.load()
        return store

    def begin(self, store: Store | None, on_news: Callable[[str], None] | None, threads: bool) -> list[str]:
        """Poll in this process from now on, on threads or by calls. What was wrong, for the log. Under the lock.

        `on_news(name)` is called when the status of a check differs.
        """
        notifier = self._make_notifier()
        poller = Poller(
            self._clock,
            self._registry,
            notifier,
            canary=self._canary,
            store=store,
            on_fall=self._on_fall,
            on_news=on_news,
        )
        scheduler = Scheduler(self._clock, poller, *self._bounds, self._entries_lock)
        poller.watch = Watch(self._own, self._clock, self.figures, scheduler.peak)
        polling = self.polling = Polling(scheduler, poller, notifier, store, self._clock.monotonic())
        for entry in list(self.entries.values()):
            self._schedule(entry, scheduler)
        problems = polling.start() if threads else []
        if self.polling is not polling:  # a signal handler has stopped it meanwhile: what came after that ends, too
            polling.halt()
            self._past.append(polling)
        return problems

    def _make_notifier(self) -> Notifier | None:
        if self._on_change is None:
            return None
        from .notify import Notifier

        before = next((past.notifier for past in reversed(self._past)), None)
        return Notifier(self._on_change, before)

    def end(self) -> Polling | None:
        """Poll no more; never waits. What did. Under the lock."""
        polling, self.polling = self.polling, None
        if polling is not None:
            polling.halt()
            self._past.append(polling)
        return polling

    def be_absent(self) -> None:
        """From now on nobody looks."""
        now = self._clock.monotonic()
        self._registry.absent(now)
        idle = Result(OWN, Outcome.UNKNOWN, "skipped", "the monitor does not run", self._clock.time(), started=now)
        self._registry.record(self._own, idle, NEVER)

    def stop(self, deadline: float) -> bool:
        """True when all threads of what has polled have ended by then (time.monotonic)."""
        with self.lock:
            past = list(self._past)
        ended = [one for one in past if one.stop(deadline)]
        with self.lock:
            self._past = [one for one in self._past if one not in ended]
        return len(ended) == len(past)

    def take_turn(self, polling: Polling) -> None:
        """Another process may have run what is due here: then it is due an interval after that."""
        if polling.store is not None and polling.store.renew():
            for entry in list(self.entries.values()):
                seen = self._registry.seen(entry.name)
                if seen is not None and not entry.paused:
                    polling.scheduler.arm(entry, seen + entry.interval)

    # --- what is told of it

    def due(self, name: str) -> float | None:
        """When a check is polled next (monotonic); None for never, and where another process polls."""
        polling, entry = self.polling, self.entries.get(name)
        watch = None if polling is None else polling.poller.watch
        if polling is None or watch is None:
            return None
        return polling.scheduler.next_run(entry) if entry is not None else max(polling.began, watch.next)

    def figures(self) -> View:
        """How the monitor itself is doing: the document's `self`."""
        polling = self.polling
        figures: View = {**dict.fromkeys(FIGURES, 0), "lag_s": 0.0, "suspended_s": 0.0}
        figures["runs_on"] = "calls" if polling is not None and polling.waits_for_calls else "threads"
        figures["late"] = self._registry.late
        figures["lost"] = "" if self._canary is None or polling is None else self._canary.lost
        figures["state_file"] = None if self.store is None else self.store.figures()
        return figures if polling is None else {**figures, **_of(polling)}

    def after_fork(self) -> None:
        """In the child: nothing polls, fresh locks; what was seen stays and goes stale."""
        self._reset()
        self._registry.after_fork()
        past = [*self._past, *([self.polling] if self.polling else [])]
        self.polling, self._past = None, []
        for each in (self._canary, self.store, *past):
            if each is not None:
                each.after_fork()
        for entry in self.entries.values():
            entry.run = None


def _of(polling: Polling) -> Mapping[str, object]:
    """The figures of what polls."""
    figures = polling.scheduler.figures()
    watch = polling.poller.watch  # once: a signal handler may stop the monitor in between
    if watch is not None:
        figures["clock_jumps"] = watch.clock_jumps
    if polling.notifier is not None:
        figures.update(dropped=polling.notifier.dropped, callback_errors=polling.notifier.errors)
    return figures
