"""Monitor: owns the registry, the scheduler and the notifier, and polls while it runs.

with Monitor([Check("search", "https://search.internal/ping")]) as monitor:
    print(monitor.snapshot()["overall"])
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import __version__, fork
from .books import GRACE, NEVER, Entry
from .checks import OWN, VALUES, Check, scheme_of
from .clock import Clock, SystemClock
from .errors import ConfigError, LifecycleError, NotReadyError, UnknownCheckError, did_you_mean
from .explain import explained
from .hosting import DISABLED, disabled
from .hosting.ports import Ports
from .log import logger
from .model import UNFIT, Change, CheckState, Outcome, Result, View, stamp
from .poller import Poller, Work
from .polling import Life, Polling, start_threads
from .pool import deadline_in
from .probes import Prepared, Shared, prepare
from .registry import Registry
from .scheduler import Scheduler
from .timetable import first_due
from .watch import EVERY, Watch, itself

if TYPE_CHECKING:  # imported when they are asked for
    from .canary import Canary
    from .hosting.copy import Copy
    from .hosting.heartbeats import Heartbeat, Heartbeats, Watched
    from .hosting.sharing import News, Sharing
    from .hosting.systemd import Systemd
    from .notify import Notifier
    from .serve.mount import Mount
    from .store import Store

_log = logger("monitor")

Function = TypeVar("Function", bound=Callable[..., Any])

LATER = {
    "executor": (None,),
}
"""Options whose rooms are not built yet, with the values that ask for nothing."""


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


class Monitor:
    """Polls checks on a pool of daemon threads while it runs. Any thread may call any method.

    checks                    Check objects; `add` and `remove` change them, while it runs too
    name                      what `/status` calls it
    min_workers, max_workers  bounds of the pool, 2 and 32; it grows when runs have to wait
    defaults                  options for every check that was not given them
    state_file                a path: what is known outlives the process; see below
    canary                    an address, or several, of which one answers whenever there is a network: when checks of
                              different hosts turn to failing within an interval and no canary answers, they are
                              unknown, with reason `lost`; see below
    share                     "auto": one of several workers polls, and the others follow it, as is the default where an
                              application is wrapped, and of start_worker(); else "solo"
    clock                     a Clock, for tests
    on_change(change)         called when a status differs, on the thread `minimon-notify`, in order, by who polls
    on_start, on_stop         called with the monitor by start() and stop(), in the caller's thread

    Nothing runs before `start()`. Raises ConfigError for bad values. It watches itself as well: the check `minimon`,
    which is in every snapshot, makes a healthy whole degraded when results cannot be trusted to be in time.
    """

    def __init__(
        self,
        checks: Iterable[Check] = (),
        *,
        name: str = "minimon",
        min_workers: int = 2,
        max_workers: int = 32,
        defaults: Mapping[str, Any] | None = None,
        share: str | None = None,
        state_file: str | os.PathLike[str] | None = None,
        canary: Any = (),
        strict: bool = False,
        executor: Any = None,
        clock: Clock | None = None,
        on_change: Callable[[Change], object] | None = None,
        on_start: Callable[[Monitor], object] | None = None,
        on_stop: Callable[[Monitor], object] | None = None,
    ) -> None:
        _refuse_later(executor=executor)
        if share not in (None, "auto", "solo"):
            raise ConfigError(f"monitor {name!r:.60}: share must be 'auto' or 'solo', got {share!r:.60}")
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ConfigError(f"monitor: name must be a printable text, got {name!r:.60}")
        if not isinstance(strict, bool):
            raise ConfigError(f"monitor {name!r}: strict must be True or False, got {strict!r:.60}")
        self.name, self._strict = name, strict
        self.draining = self.was_ready = False
        self._bounds = _bounds(min_workers, max_workers)
        self._defaults = _defaults(defaults) if defaults else {}
        self._clock: Clock = clock or SystemClock()
        self._hooks = _callables(on_change=on_change, on_start=on_start, on_stop=on_stop)
        self._shared = Shared()
        self._registry = Registry(self._clock)
        self._own = Check(OWN, itself, every=EVERY, fall=1, rise=1, critical=False)
        self._registry.add(self._own, NEVER)
        self._canary, self._canary_targets = self._make_canary(canary), canary
        self._store, self._state_file = self._make_store(state_file), state_file
        self._entries: dict[str, Entry] = {}
        self._remembers = False
        self._systemd: Systemd | None = None
        self._beats: Heartbeats | None = None  # made when somebody wants one
        self._mounts: dict[str, Any] = {}  # for respond(), by details
        self._pid = os.getpid()
        # Guards _entries and the replacement of _life. Taken before the registry's and the scheduler's lock, which take
        # no other; held by start, stop and changes of the list, never by a poll or a reader. All locks are reentrant,
        # so that a signal handler of the host may stop the monitor whatever the thread is at.
        self._lock = threading.RLock()
        self._life: Life | None = None
        self._past: list[Polling] = []  # those of which threads are left
        self._calling = threading.Lock()  # held while somebody runs what is due; nobody waits for it
        self._entries_lock = threading.RLock()  # handed from scheduler to scheduler, see there
        self._share, self._guest = share, False  # whether it is one of several workers that is not said otherwise
        self._halted = False  # whether the host has stopped it: then no request starts it
        self.ports = Ports(self)
        if isinstance(checks, Check) or not isinstance(checks, Iterable):
            raise ConfigError(f"monitor {name!r}: checks must be a list of Check, got a {type(checks).__name__}")
        for check in checks:
            self.add(check)

    def _make_canary(self, targets: Any) -> Canary | None:
        if targets is None or targets == () or targets == []:
            return None
        from .canary import Canary

        return Canary(targets, self._clock, self._shared, lambda kind, detail: self._registry.tell("", kind, detail))

    def _make_store(self, path: Any) -> Store | None:
        if path is None:
            return None
        from .store import Store

        return Store(path, self.name, self._clock, self._registry)

    def _make_notifier(self) -> Notifier | None:
        if "on_change" not in self._hooks:
            return None
        from .notify import Notifier

        before = next((past.notifier for past in reversed(self._past)), None)
        return Notifier(self._hooks["on_change"], before)

    # --- life

    def start(self) -> Monitor:
        """Start polling; returns self. Raises LifecycleError when it runs already. A stopped one may start again.

        With MINIMON_DISABLED=1 in the environment nothing happens. Where it shares, it polls or follows who does.
        """
        self._mind_fork()
        if disabled():
            _log.info("monitor %s is not started: %s is set", self.name, DISABLED)
            return self
        with self._lock:
            if self._life is not None:
                raise LifecycleError(f"monitor {self.name!r} runs already; stop() it first")
            fork.watch(self)
            self._pid, self._halted = os.getpid(), False
            life = Life(self._clock)
            problems = self._join(life)
            self._life = life
            self._registry.tell("", "start")
            if life.by_calls or life.sharing is None or life.sharing.leads:
                problems += self._begin(life)
            if life.sharing is not None and not life.by_calls:
                problems = problems or start_threads(life.sharing)
                if problems:
                    self._live_by_calls(life, life.sharing)
        for problem in problems:
            _log.warning("monitor %s: %s", self.name, problem)
        self._notice()
        _log.info("monitor %s started with %d checks", self.name, len(self._entries))
        self._call_hook("on_start")
        return self

    def start_worker(self, *_: Any, **__: Any) -> Monitor:
        """The same for a worker, of which there are several: one of them polls, if `share` does not say otherwise.

        For the hooks that hosts call in each worker, whatever they are called with: Celery's worker_process_init, an
        initializer of multiprocessing, gunicorn's post_worker_init. Of no effect when it runs already.
        """
        self._guest = True
        if not self.running:
            try:
                self.start()
            except LifecycleError:  # another thread was faster
                pass
        return self

    def _join(self, life: Life) -> list[str]:
        """Find the others, where it is to share. What was wrong, for the log."""
        if (self._share or ("auto" if self._guest else "solo")) == "solo":
            return []
        try:
            from .hosting.runtime import key_of, runtime_folder
            from .hosting.sharing import Sharing

            checks = [entry.work.check for entry in self._entries.values()]
            further = self._canary_targets, str(self._state_file), self._strict
            sharing = Sharing(runtime_folder(os.environ), key_of(self.name, checks, further), self, self._registry)
            if sharing.has_twin:
                _log.info("monitor %s: this process has an equal one; this one polls on its own", self.name)
                return []
            sharing.take_turns() if life.by_calls else sharing.join()
        except (ImportError, AttributeError, OSError) as error:  # the first two on systems that are no Unix
            return [f"it polls on its own in every worker, for they have no place to meet: {error}"]
        life.sharing = sharing
        return []

    def _begin(self, life: Life) -> list[str]:
        """Poll in this process, from now on. What was wrong, for the log."""
        notifier, store = self._make_notifier(), self._remember(life)
        poller = Poller(
            self._clock,
            self._registry,
            notifier,
            canary=self._canary,
            store=store,
            on_fall=self._note_ready,
            on_news=(lambda: None) if life.sharing is None else life.sharing.touch,
        )
        scheduler = Scheduler(self._clock, poller, *self._bounds, self._entries_lock)
        poller.watch = Watch(self._own, self._clock, self._figures, scheduler.peak)
        life.polling = Polling(scheduler, poller, notifier, store)
        for entry in list(self._entries.values()):
            self._schedule(entry, scheduler)
        return [] if life.by_calls else life.polling.start()

    def _live_by_calls(self, life: Life, sharing: Sharing) -> None:
        """There is no thread that could look whether the leader lives, or tell the others: take turns."""
        life.by_calls = True
        self._end_polling(life)
        sharing.take_turns()
        self._begin(life)

    def stop(self, timeout: float = 2.0) -> bool:
        """Stop polling; True when all threads have ended within `timeout` seconds, all in all.

        Idempotent, safe before start and from any thread, callbacks among them. A run that is under way is left to
        end by itself, and does not count.
        """
        self._mind_fork()
        deadline = deadline_in(timeout)
        with self._lock:
            self._halted = True
            life, self._life = self._life, None
            systemd, self._systemd = self._systemd, None
            if life is not None:
                if life.polling is not None:
                    life.polling.halt()  # before another one can be started
                    self._past.append(life.polling)
                self._be_absent()
            lives = list(self._past)
        told = systemd is None or systemd.stop(deadline)
        left = life is None or self._leave(life, deadline)
        ended = [one for one in lives if one.stop(deadline)]
        with self._lock:
            self._past = [one for one in self._past if one not in ended]
        if life is not None:
            self._registry.tell("", "stop")
            _log.info("monitor %s stopped", self.name)
            self._call_hook("on_stop")
        return self._shared.stop(deadline) and told and left and len(ended) == len(lives)

    def _leave(self, life: Life, deadline: float) -> bool:
        """Let another process poll, once all is written that this one knows; True when its thread has ended."""
        if life.sharing is None:
            return True
        if life.polling is not None and life.polling.store is not None:
            life.polling.store.stop(deadline)
        life.sharing.release(deadline)
        return life.sharing.stop(deadline)

    def _remember(self, life: Life) -> Store | None:
        """What keeps the state, and what it says: before the first start, and before taking over from another process.

        Else what we know is newer.
        """
        store, sharing = self._store, life.sharing
        if sharing is None:
            known, self._remembers = self._remembers, True
            if store is not None and not known:
                store.load()
            return store
        if store is None:
            from .store import Store

            store = Store(sharing.state_path, self.name, self._clock, self._registry, private=True)
            if not (sharing.continues or life.by_calls):
                store.forget()
        self._remembers = True
        store.load()
        return store

    # --- in turns with other workers

    @property
    def role(self) -> str | None:
        """leader (this process polls, for others too), follower (another one does), solo; None when it does not run."""
        self._mind_fork()
        return self._role(self._life)

    def _role(self, life: Life | None) -> str | None:
        if life is None or life.sharing is None:
            return None if life is None else "solo"
        polling = life.polling
        if polling is None or (life.by_calls and polling.store is not None and not polling.store.wrote_last):
            return "follower"
        return "leader"

    def lead(self) -> None:
        """Called by the Sharing of this monitor: nobody else polls any more."""
        with self._lock:
            life = self._life
            if life is None or life.polling is not None:
                return
            self.was_ready = self.was_ready or bool(self.leaders_head().get("was_ready"))
            self._registry.tell("", "lead", f"process {os.getpid()} polls from now on")
            problems = self._begin(life)
        for problem in problems:
            _log.warning("monitor %s: %s", self.name, problem)
        _log.info("monitor %s: process %d polls from now on", self.name, os.getpid())

    def follow(self) -> None:
        """The same: somebody else does."""
        with self._lock:
            if self._life is not None:
                self._end_polling(self._life)
                self._be_absent()
        _log.info("monitor %s: process %d polls no more: another one does", self.name, os.getpid())

    def _end_polling(self, life: Life) -> None:
        """Poll no more in this process, though it lives on."""
        polling, life.polling = life.polling, None
        if polling is not None:
            polling.halt()
            polling.stop(deadline_in(0.0))
            self._past.append(polling)

    def head(self) -> View:
        """The same: what the others are to know at once."""
        self.ports.inherit()
        self._notice()
        looked, blockers = self._registry.readiness()
        ready = {"looked": looked, "blockers": blockers, "was_ready": self.was_ready}
        word = {"overall": self._registry.overall(), "counts": self._registry.counts()}
        return {**word, **ready, "ports": self.ports.bound()}

    def news(self) -> News:
        """The same: all that they are to know."""
        from .hosting.sharing import News

        return News(self._document(), self._states())

    def news_is_wanted(self) -> None:
        """Called by the Ports of this monitor: the others should know soon."""
        life = self._life
        if life is not None and life.sharing is not None:
            life.sharing.touch()

    def leaders_head(self) -> View:
        """The same: what the process that polls has told last."""
        life = self._life
        return {} if life is None or life.sharing is None else life.sharing.copy().head

    def _states(self) -> dict[str, View]:
        """The states of all checks, as another process takes them up."""
        from .saved import dump_state

        now, told = self._clock.monotonic(), {}
        for name, (state, lasted) in self._registry.states().items():
            plain = {"state": dump_state(state), "paused": state.paused, "turned": state.turned}
            told[name] = {**plain, "changed": round(now - lasted, 3), "due": self._due(name)}
        return told

    def run_due(self, budget: float = 2.0) -> int:
        """Run what is due in the caller's thread, where no thread can run; how many runs were made.

        uWSGI without `enable-threads`, a limit of threads, an isolated interpreter: nothing is polled there but by
        this. The wrappers call it after a response was closed; `self.runs_on` in `/status` is `calls` there. Where
        threads run it does nothing. No run is begun after `budget` seconds; each has its own timeout as ever.
        """
        self._mind_fork()
        life = self._life
        polling = None if life is None else life.polling
        if life is None or polling is None or not polling.waits_for_calls:
            return 0
        if not self._calling.acquire(blocking=False):
            return 0
        try:
            if life.sharing is None or not life.by_calls:
                return polling.run_due(budget)
            with life.sharing.turn_of(polling.store) as ours:
                if not ours:
                    return 0
                self._take_turn(polling)
                return polling.run_due(budget)
        finally:
            self._calling.release()

    def _take_turn(self, polling: Polling) -> None:
        """Another process may have run what is due here: then it is due an interval after that."""
        if polling.store is not None and polling.store.renew():
            for entry in list(self._entries.values()):
                seen = self._registry.seen(entry.name)
                if seen is not None and not entry.paused:
                    polling.scheduler.arm(entry, seen + entry.interval)

    def _be_absent(self) -> None:
        """From now on nobody looks."""
        now = self._clock.monotonic()
        self._registry.absent(now)
        idle = Result(OWN, Outcome.UNKNOWN, "skipped", "the monitor does not run", self._clock.time(), started=now)
        self._registry.record(self._own, idle, NEVER)

    def __enter__(self) -> Monitor:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Monitor {self.name!r} {'running' if self._life else 'stopped'}, {len(self._entries)} checks>"

    @property
    def running(self) -> bool:
        """True between start() and stop()."""
        self._mind_fork()
        return self._life is not None

    @property
    def _polling(self) -> Polling | None:
        """What polls, if this process does; to be asked once: a signal handler may stop the monitor in between."""
        life = self._life
        return None if life is None else life.polling

    def _call_hook(self, name: str) -> None:
        try:
            self._hooks.get(name, _nothing)(self)
        except Exception:
            _log.exception("monitor %s: %s failed", self.name, name)

    # --- the list of checks

    def add(self, check: Check) -> Check:
        """Poll this check too, soon if the monitor runs. Returns it as it is polled, `defaults` filled in.

        Raises ConfigError for a name that is taken.
        """
        if not isinstance(check, Check):
            raise ConfigError(f"monitor {self.name!r}: expected a Check, got {check!r:.60}; write Check(name, target)")
        self._mind_fork()
        check = check.with_defaults(self._defaults)
        work = Work(check, prepare(check.spec(), self._shared))
        self._mind_green(check, work.prepared)
        with self._lock:
            self._registry.add(check, NEVER)
            polling = self._polling
            store = self._store if polling is None else polling.store
            if store is not None and self._remembers:
                store.recall(check.name)
            entry = self._entries[check.name] = Entry(check.name, check.timeout, work, work.interval)
            if polling is not None:
                self._registry.tell(check.name, "add")
                self._schedule(entry, polling.scheduler)
        self._mind_leader(check.name, "added")
        return check

    def _mind_green(self, check: Check, prepared: Prepared) -> None:
        """No green from a server that is broken: warn of it, or refuse it where the host is strict."""
        expect = prepared.expect
        web = scheme_of(check.target) in ("http", "https") or type(prepared.probe).__name__ == "HttpProbe"
        if expect is not None and web and expect.holds_of_failure:
            if self._strict:
                raise ConfigError(GREEN % check.name)
            _log.warning(GREEN, check.name)

    def remove(self, name: str) -> Check:
        """Poll it no more and forget what was seen; returns the Check. Raises UnknownCheckError."""
        self._mind_fork()
        _refuse_own(name, "removed")
        with self._lock:
            check = self._registry.remove(name)
            entry = self._entries.pop(name)
            if self._canary is not None:
                self._canary.forget(name)
            polling = self._polling
            if polling is not None:
                polling.scheduler.disarm(entry)
                self._registry.tell(name, "remove")
        self._mind_leader(name, "removed")
        return check

    def pause(self, name: str) -> None:
        """Poll it no more until `resume`; what was seen is kept, not counted in `overall`. Raises UnknownCheckError."""
        self._mind_fork()
        _refuse_own(name, "paused")
        with self._lock:
            if self._registry.pause(name, True):
                self._entries[name].paused = True
                if self._canary is not None:
                    self._canary.forget(name)
                polling = self._polling
                if polling is not None:
                    polling.scheduler.disarm(self._entries[name])
                self._registry.tell(name, "pause")
        self._mind_leader(name, "paused")

    def resume(self, name: str) -> None:
        """Poll it again, at once. Raises UnknownCheckError."""
        self._mind_fork()
        _refuse_own(name, "resumed")
        with self._lock:
            if self._registry.pause(name, False):
                entry, polling = self._entries[name], self._polling
                entry.paused = False
                if polling is not None:
                    self._arm(entry, polling.scheduler, self._clock.monotonic())
                self._registry.tell(name, "resume")
        self._mind_leader(name, "resumed")

    def check(self, name: str, **options: Any) -> Callable[[Function], Function]:
        """A decorator that adds the function below it as a check; `options` are those of Check.

        @monitor.check("queue", every=5)
        def queue_is_short() -> bool: ...
        """

        if not isinstance(name, str):
            raise ConfigError('monitor: check() needs a name: write @monitor.check("name")')

        def register(function: Function) -> Function:
            self.add(Check(name, function, **options))
            return function

        return register

    def _mind_leader(self, name: str, what: str) -> None:
        """Tell of a change that nobody will see, for another process polls."""
        life = self._life
        if life is not None and life.polling is None:
            text = "monitor %s: check %s is %s in this process only: process %s polls; do it in all, before start()"
            _log.warning(text, self.name, name, what, self.leaders_head().get("pid"))

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
            due = first_due(check.name, now, interval, len(self._entries))
        self._arm(entry, scheduler, due)

    def _arm(self, entry: Entry, scheduler: Scheduler, due: float) -> None:
        self._registry.await_first(entry.name, due - self._clock.monotonic() + entry.timeout + GRACE)
        scheduler.arm(entry, due)

    # --- what it tells

    def is_healthy(self) -> bool:
        """True when healthy or degraded: the answer of `/health`."""
        return self.overall() in ("healthy", "degraded")

    def overall(self) -> str:
        """healthy, degraded, unhealthy or unknown, as of now."""
        return self._notice().overall()

    def counts(self) -> dict[str, int]:
        """How many checks there are of each status, without those paused, and how many are; `minimon` is one."""
        return self._notice().counts()

    def readiness(self) -> dict[str, Any]:
        """Whether requests may come: `{"ready": bool, "status": word, "blockers": {name: status}}`.

        ready, or starting before every check was looked at once; not ready while a critical check is not up, the
        blockers, or the monitor does not run; draining after `drain()`.
        """
        source = self._notice()
        looked, blockers = source.readiness()
        if not isinstance(source, Registry) and source.head.get("was_ready"):
            self.was_ready = True
        runs = self._life is not None
        word = "not ready" if blockers or not runs else "ready"
        word = "draining" if self.draining else "starting" if runs and not looked else word
        self.was_ready = self.was_ready or word == "ready"
        return {"ready": word == "ready", "status": word, "blockers": blockers}

    def _note_ready(self, name: str) -> None:
        """A critical check is fit no more: if nothing else is wrong it was ready up to now, though nobody asked."""
        if not (self.was_ready or self.draining):
            looked, blockers = self._registry.readiness()
            self.was_ready = looked and blockers.keys() <= {name}

    def drain(self, on: bool = True) -> None:
        """Want no more requests: `/readyz` and `/health` are 503 from now on, `/livez` stays 200. Polling goes on.

        `drain(False)` takes it back.
        """
        if self.draining is not on:
            self.readiness()  # remembers whether it was ready
            self.draining = on
            self._registry.tell("", "drain" if on else "undrain")

    def state(self, name: str) -> CheckState:
        """The state of one check, as of its last record. Raises UnknownCheckError."""
        return self._notice().state(name)

    def ok(self, name: str) -> bool:
        """Whether a check is up or degraded. Raises UnknownCheckError."""
        return self.state(name).status not in UNFIT

    def require(self, name: str) -> None:
        """Raise NotReadyError, with the reason, when a check is neither up nor degraded; UnknownCheckError."""
        state = self.state(name)
        if state.status in UNFIT:
            why = state.explanation or "it was not looked at yet"
            raise NotReadyError(f"check {name!r} is {state.status}: {why}", name, str(state.status))

    # --- loops of the host

    def heartbeat(self, name: str, *, max_age: float) -> Heartbeat:
        """What a loop of yours calls in each turn: `beat()`, or `with beat.busy(600)` around what takes long.

        When it was not called for `max_age` seconds, `/livez` is 503 and names it, until it is called again; it is
        expected from its first call on. Nothing runs for it, and no start is needed. Raises ConfigError.
        """
        return self._expected().add(name, max_age)

    def watch_thread(self, thread: threading.Thread, *, name: str | None = None) -> Watched:
        """The same for a thread that has to live, from its start until `.end()` of what you get. Raises ConfigError."""
        return self._expected().watch(thread, name)

    def missed(self) -> dict[str, str]:
        """The loops and threads that give no sign of life, each with the reason: what turns `/livez` to 503."""
        if self._beats is None:
            return {}
        self._notice()
        return self._beats.missed()

    def notify_systemd(self) -> bool:
        """Tell systemd READY, STATUS, WATCHDOG and STOPPING until stop(): see `help hosts`. False where it does not
        listen. Once after each start(); raises LifecycleError before it.
        """
        from .hosting.systemd import Systemd

        self._mind_fork()
        systemd = Systemd(self, os.environ)
        with self._lock:
            if self._life is None:
                if disabled():
                    return False
                raise LifecycleError(f"monitor {self.name!r} does not run: start() it first")
            problems = []
            if self._systemd is None and systemd.wanted:
                problems = start_threads(systemd)
                self._systemd = systemd
        for problem in problems:
            _log.warning("monitor %s: %s", self.name, problem)
        return systemd.wanted and not problems

    def _expected(self) -> Heartbeats:
        self._mind_fork()
        with self._lock:
            if self._beats is None:
                from .hosting.heartbeats import Heartbeats

                fork.watch(self)
                self._beats = Heartbeats(self._registry.awake)
            return self._beats

    def wait_for(
        self, name: str, status: str | Iterable[str] = "up", *, timeout: float | None = 60.0, stop: Any = None
    ) -> CheckState:
        """Wait until a check has this status, or one of several; its state then. In the caller's thread.

        Nothing is polled for it. `stop` is an Event that ends the wait. Raises UnknownCheckError, ConfigError for what
        is no status, LifecycleError if the monitor does not run, WaitTimeout, WaitCancelled (when it is stopped, too).
        """
        from .waiting import wait_for_status

        self.state(name)
        if not self.running:
            raise LifecycleError(f"monitor {self.name!r} does not run: no check of it will change")
        return wait_for_status(name, status, lambda: self.state(name) if self.running else None, timeout, stop)

    def snapshot(self) -> dict[str, Any]:
        """All that is known, of one instant, as plain data that JSON carries: the document of `/status`.

        What has not changed is shared with the snapshot before: copy it (copy.deepcopy) before you change it.
        """
        source = self._notice()
        document = self._document() if isinstance(source, Registry) else source.snapshot()
        service = document.get("service") or self._service()
        beats = {} if self._beats is None else {"heartbeats": self._beats.views()}
        return {
            "schema": 1,
            "service": {**service, "draining": self.draining},
            "sharing": self._sharing(source),
            **{key: value for key, value in document.items() if key not in ("schema", "service", "self")},
            **beats,
            "self": document.get("self") or self._figures(),
        }

    def _document(self) -> dict[str, Any]:
        """What this process knows."""
        figures, polling = self._figures(), self._polling
        if polling is not None:
            polling.poller.look(figures)
        return {"schema": 1, "service": self._service(), **self._registry.snapshot(), "self": figures}

    def explain(self, name: str) -> dict[str, Any]:
        """All of one check: the document of `/status?check=NAME`. Raises UnknownCheckError.

        Beside what `snapshot()` says of it there is `explain`: expected and actual, the progress to a change, since
        when, the next run, what it would take to change the status; and all of it in sentences.
        """
        source = self._notice()
        check, state, lasted, view = source.look_up(name)
        due = self._due(name) if isinstance(source, Registry) else source.due(name)
        now = self._clock.time(), self._clock.monotonic()
        told = explained(check, state, lasted, *now, due)
        return {"schema": 1, "service": self._service(), "check": name, **view, "explain": told}

    def _due(self, name: str) -> float | None:
        """When it is polled next (monotonic); None for never."""
        life, entry = self._life, self._entries.get(name)
        polling = None if life is None else life.polling
        watch = None if polling is None else polling.poller.watch
        if life is None or polling is None or watch is None:
            return None
        return polling.scheduler.next_run(entry) if entry is not None else max(life.started, watch.next)

    def _notice(self) -> Registry | Copy:
        """Before anything is read: that we are a child, that nobody could look for long. Who is to be asked."""
        self._mind_fork()
        life = self._life
        if life is None:
            return self._registry
        polling = life.polling
        if polling is not None:
            if life.by_calls and life.sharing is not None and polling.store is not None:
                polling.store.renew()
            polling.notice()
        elif life.sharing is not None:
            return life.sharing.copy()
        return self._registry

    def _service(self) -> View:
        life = self._life
        return {
            "name": self.name,
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(self._clock.monotonic() - life.started, 3) if life else 0.0,
            "started_at": stamp(life.started_at) if life else None,
            "draining": self.draining,
        }

    def _sharing(self, source: Registry | Copy) -> View:
        """The document's `sharing`: what this process is among several."""
        life, pid = self._life, os.getpid()
        told: View = {"role": self._role(life), "pid": pid, "leader_pid": None, "age_s": None, "problem": ""}
        if life is None or life.sharing is None:
            return told
        if not isinstance(source, Registry):
            head, problem = source.head, source.problem
            age = source.age()
            age = None if age is None else round(age, 3)
            return {**told, "leader_pid": head["pid"], "age_s": age, "problem": problem or life.sharing.problem}
        store = None if life.polling is None else life.polling.store
        leader = store.writer if life.by_calls and store is not None and store.writer else pid
        return {**told, "leader_pid": leader, "age_s": 0.0, "problem": life.sharing.problem}

    def _figures(self) -> View:
        """How the monitor itself is doing: the document's `self`."""
        life, polling = self._life, self._polling
        figures: View = {**dict.fromkeys(FIGURES, 0), "lag_s": 0.0, "suspended_s": 0.0}
        figures["runs_on"] = "calls" if polling is not None and polling.waits_for_calls else "threads"
        figures["late"] = self._registry.late
        figures["lost"] = "" if self._canary is None or life is None else self._canary.lost
        figures["state_file"] = None if self._store is None else self._store.figures()
        if polling is None:
            return figures
        figures.update(polling.scheduler.figures())
        watch = polling.poller.watch  # once: a signal handler may stop the monitor in between
        if watch is not None:
            figures["clock_jumps"] = watch.clock_jumps
        if polling.notifier is not None:
            figures.update(dropped=polling.notifier.dropped, callback_errors=polling.notifier.errors)
        return figures

    def get_detailed_stats(self) -> dict[str, Any]:
        """The same as `snapshot()`: what a HealthCheckServer asks its subject for."""
        return self.snapshot()

    # --- within a web application

    def wrap_wsgi(
        self,
        application: Any,
        *,
        prefix: str = "/-/",
        details: str = "never",
        token: str | None = None,
        auth: Any = None,
        eager: bool = False,
    ) -> Any:
        """The WSGI application with `/health /livez /readyz /startupz /metrics` before it, and `/status` and the page
        below `prefix`, for those who may see `details`: see HealthCheckServer.

        The monitor is started by the first request that a process gets, or at once if `eager`; of several workers one
        polls, and the others answer from what that one knows: see `help hosts`. What you have stopped stays stopped.

        The address of a client is not known here: wrong tokens are not slowed down, as the server does. Your proxy may.
        """
        mount = self._mount(prefix, details, token, auth, eager)
        return partial(mount.wsgi, _called(application))

    def wrap_asgi(
        self,
        application: Any,
        *,
        prefix: str = "/-/",
        details: str = "never",
        token: str | None = None,
        auth: Any = None,
        eager: bool = False,
    ) -> Any:
        """The same for ASGI: the monitor is started and stopped with the application's lifespan, where there is one."""
        mount = self._mount(prefix, details, token, auth, eager)
        return _asgi(mount, _called(application))

    def _mount(self, prefix: Any, details: str, token: str | None, auth: Any, eager: bool) -> Mount:
        from .serve.mount import Mount

        mount = Mount(self, prefix, details, token, auth, self)
        self._guest = True
        if eager:
            self.attend()
        return mount

    def attend(self) -> None:
        """Called by the wrappers with each request: start in this process, unless the host has stopped it. Quick.

        What is wrong with the start is logged: it is not the client's business.
        """
        if self._halted or (self._life is not None and self._pid == os.getpid()) or disabled():
            return
        try:
            self.start_worker()
        except Exception:
            self._halted = True
            _log.exception("monitor %s cannot be started", self.name)

    def retire(self) -> None:
        """Called by the wrappers when the application is shut down: stop, and hold nothing up. It may live again."""
        halted = self._halted
        self.stop(0.2)
        self._halted = halted

    @property
    def waits_for_calls(self) -> bool:
        """Whether runs of this process wait for calls of run_due(): see there."""
        polling = self._polling
        return polling is not None and polling.waits_for_calls

    def respond(self, method: str, path: str, headers: Any = (), body: bytes = b"", *, details: str = "never") -> Any:
        """The answer to a request, for a server of any other kind: `status`, `headers`, `kind` (its Content-Type) and
        `body`; None for a path that is the application's. The same paths as `wrap_wsgi` takes.

        `path` is percent-encoded, with the query; `headers` are a mapping or pairs. It reads, sends and waits for
        nothing. Any thread.
        """
        mount = self._mounts.get(details)
        if mount is None:
            from .serve.mount import Mount

            mount = self._mounts[details] = Mount(self, "/-/", details)
        return mount.respond(method, path, headers, body)

    def wsgi_app(
        self, *, details: str = "never", token: str | None = None, auth: Any = None, eager: bool = False
    ) -> Any:
        """A WSGI application of its own with all routes, to be mounted where you like."""
        from .serve.mount import WHOLE

        return partial(self._mount(WHOLE, details, token, auth, eager).wsgi, None)

    def asgi_app(
        self, *, details: str = "never", token: str | None = None, auth: Any = None, eager: bool = False
    ) -> Any:
        """The same for ASGI."""
        from .serve.mount import WHOLE

        return _asgi(self._mount(WHOLE, details, token, auth, eager), None)

    # --- fork

    def after_fork(self) -> None:
        """In the child: not running, fresh locks; what was seen stays and goes stale. May be started there."""
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._registry.after_fork()
        self._calling = threading.Lock()
        for part in (self._shared, self._canary, self._store, self._beats, self._systemd):
            if part is not None:
                part.after_fork()
        self._systemd = None
        self._entries_lock = threading.RLock()
        lives: list[Life | Polling] = [*self._past, *([self._life] if self._life else [])]
        self._life, self._past = None, []
        self.ports.after_fork()
        for life in lives:
            life.after_fork()
        if lives:
            self._be_absent()
        for entry in self._entries.values():
            entry.run = None

    def _mind_fork(self) -> None:
        if os.getpid() != self._pid:  # a host that runs no fork hooks
            self.after_fork()


def _called(application: Any) -> Any:
    if not callable(application):
        raise ConfigError(f"wrap: expected an application, which is a callable, got {application!r:.60}")
    return application


def _asgi(mount: Any, application: Any) -> Any:
    """A coroutine function: some servers tell ASGI 3 by that."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await mount.asgi(application, scope, receive, send)

    return app


def _refuse_own(name: str, verb: str) -> None:
    if name == OWN:
        raise UnknownCheckError(f"{OWN!r} is the monitor's check of itself; it cannot be {verb}")


def _nothing(monitor: Monitor) -> None:
    """The hook that was not given."""


GREEN = "check %r: expect would hold of an empty 500 too: name the status_code, or what the body has to be"
"""What is said of a condition that a broken server meets."""


def _refuse_later(**values: Any) -> None:
    for key, value in values.items():
        if value not in LATER[key]:
            raise ConfigError(f"monitor: {key} is not available in version {__version__}; leave it out")


def _bounds(least: Any, most: Any) -> tuple[int, int]:
    for key, value in (("min_workers", least), ("max_workers", most)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"monitor: {key} must be a whole number, 1 or more, got {value!r:.60}")
    if least > most:
        raise ConfigError(f"monitor: min_workers ({least}) must not exceed max_workers ({most})")
    return least, most


def _callables(**hooks: Any) -> dict[str, Callable[..., object]]:
    for key, hook in hooks.items():
        if hook is not None and not callable(hook):
            raise ConfigError(f"monitor: {key} must be a function, got {hook!r:.60}")
    return {key: hook for key, hook in hooks.items() if hook is not None}


def _defaults(defaults: Mapping[str, Any]) -> dict[str, Any]:
    from .options import OPTIONS, TAKEN, check_options

    for key, value in defaults.items():
        if key in VALUES:
            VALUES[key](f"monitor: defaults: {key}", value)
        elif key in OPTIONS:
            scheme = next(scheme for scheme, taken in TAKEN.items() if key in taken)
            check_options("monitor: defaults", scheme, {key: value})
        else:
            raise ConfigError(f"monitor: unknown default {key!r}; {did_you_mean(key, [*VALUES, *OPTIONS])}")
    return dict(defaults)
