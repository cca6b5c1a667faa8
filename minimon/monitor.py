"""Monitor: what hosts call. It owns the registry, the engine that polls and, while it runs, its part among workers.

with Monitor([Check("search", "https://search.internal/ping")]) as monitor:
    print(monitor.snapshot()["overall"])
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import __version__, fork
from .checks import OWN, VALUES, Check, scheme_of
from .clock import Clock, SystemClock
from .engine import Engine
from .errors import ConfigError, LifecycleError, NotReadyError, UnknownCheckError, did_you_mean
from .explain import explained
from .hosting import DISABLED, disabled
from .hosting.ports import Ports
from .life import Life
from .log import logger
from .model import UNFIT, Change, CheckState, View, stamp
from .poller import Work
from .polling import start_threads
from .pool import deadline_in
from .probes import Prepared, Shared, prepare
from .registry import Registry

if TYPE_CHECKING:  # imported when they are asked for
    from .canary import Canary
    from .hosting.copy import Copy
    from .hosting.heartbeats import Heartbeat, Heartbeats, Watched
    from .hosting.systemd import Systemd
    from .serve.mount import Mount
    from .store import Store

_log = logger("monitor")

Function = TypeVar("Function", bound=Callable[..., Any])

LATER = {
    "executor": (None,),
}
"""Options whose rooms are not built yet, with the values that ask for nothing."""


ALONE = {"role": None, "pid": None, "leader_pid": None, "age_s": None, "problem": ""}
"""The document's `sharing` of one that does not run."""


_made: weakref.WeakSet[Monitor] = weakref.WeakSet()
"""The monitors of this process, for no file tells two equal ones apart."""


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
        self._defaults = _defaults(defaults) if defaults else {}
        self._clock: Clock = clock or SystemClock()
        self._hooks = _callables(on_change=on_change, on_start=on_start, on_stop=on_stop)
        self._shared = Shared()
        self._registry = Registry(self._clock)
        self._engine = Engine(
            self._clock,
            self._registry,
            _bounds(min_workers, max_workers),
            self._make_canary(canary),
            self._make_store(state_file),
            self._hooks.get("on_change"),
            self._note_ready,
        )
        self._life: Life | None = None
        self._systemd: Systemd | None = None
        self._beats: Heartbeats | None = None  # made when somebody wants one
        self._mounts: dict[str, Any] = {}  # for respond(), by details
        self._pid = os.getpid()
        self._calling = threading.Lock()  # held while somebody runs what is due; nobody waits for it
        self._share, self._guest = share, False  # whether it is one of several workers that is not said otherwise
        self._further = canary, str(state_file), strict  # what equal monitors have in common, beside the checks
        self._halted = False  # whether the host has stopped it: then no request starts it
        self._born, self._maker = time.monotonic_ns(), os.getpid()
        self.ports = Ports(self._place)
        if isinstance(checks, Check) or not isinstance(checks, Iterable):
            raise ConfigError(f"monitor {name!r}: checks must be a list of Check, got a {type(checks).__name__}")
        for check in checks:
            self.add(check)
        _made.add(self)

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

    def _place(self, ending: str) -> str | None:
        """The path of a file that equal workers have in common; None where it does not share."""
        life = self._life
        return None if life is None or life.sharing is None else life.sharing.board.place(ending)

    @property
    def _shares(self) -> bool:
        return (self._share or ("auto" if self._guest else "solo")) == "auto"

    def _key(self) -> str:
        """What equal monitors have in common."""
        from .hosting.runtime import key_of

        return key_of(self.name, [entry.work.check for entry in list(self._engine.entries.values())], self._further)

    def is_twin(self, key: str) -> bool:
        """Called by its Life: whether this process has an equal one that shares, and was made before: whichever is
        started first, in each worker the same one shares. One that a parent has made counts when it runs here.
        """
        others = [one for one in _living() if one._born < self._born and one.name == self.name and not one._halted]
        rivals = [one for one in others if one._shares and (one._maker == self._maker or one.running)]
        return any(one._key() == key for one in rivals)

    # --- life

    def start(self) -> Monitor:
        """Start polling; returns self. Raises LifecycleError when it runs already. A stopped one may start again.

        With MINIMON_DISABLED=1 in the environment nothing happens. Where it shares, it polls or follows who does.
        """
        halted, self._halted = self._halted, False  # from now on a signal handler that stops it means this start
        return self._start(halted)

    def _start(self, halted: bool) -> Monitor:
        self._mind_fork()
        if disabled():
            _log.info("monitor %s is not started: %s is set", self.name, DISABLED)
            return self
        with self._engine.lock:
            if self._life is not None:
                self._halted = self._halted or halted
                raise LifecycleError(f"monitor {self.name!r} runs already; stop() it first")
            fork.watch(self)
            self._pid = os.getpid()
            life = self._life = Life(self, self._engine, self._registry, self._clock)
            self._registry.tell("", "start")
            try:
                problems = life.start(self._key() if self._shares else None)
            except BaseException:
                self._life = None
                life.leave(life.end(), deadline_in(1.0))
                raise
            over = self._halted or life.over  # a signal handler has stopped it, in the midst of all this
            polling = life.end() if over else None
            self._life = None if over else self._life
        if over:
            deadline = deadline_in(2.0)
            self._engine.stop(deadline)
            life.leave(polling, deadline)
            return self
        for problem in problems:
            _log.warning("monitor %s: %s", self.name, problem)
        self._notice()
        _log.info("monitor %s started with %d checks", self.name, len(self._engine.entries))
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

    def stop(self, timeout: float = 2.0) -> bool:
        """Stop polling; True when all threads have ended within `timeout` seconds, all in all.

        Idempotent, safe before start and from any thread, callbacks among them. A run that is under way is left to
        end by itself, and does not count.
        """
        self._mind_fork()
        deadline = deadline_in(timeout)
        with self._engine.lock:
            self._halted = True
            life, self._life = self._life, None
            systemd, self._systemd = self._systemd, None
            polling = None if life is None else life.end()
        told = systemd is None or systemd.stop(deadline)
        left = life is None or life.leave(polling, deadline)
        ended = self._engine.stop(deadline)
        if life is not None:
            self._registry.tell("", "stop")
            _log.info("monitor %s stopped", self.name)
            self._call_hook("on_stop")
        return self._shared.stop(deadline) and told and left and ended

    @property
    def role(self) -> str | None:
        """leader (this process polls, for others too), follower (another one does), solo; None when it does not run."""
        self._mind_fork()
        life = self._life
        return None if life is None else life.role

    def run_due(self, budget: float = 2.0) -> int:
        """Run what is due in the caller's thread, where no thread can run; how many runs were made.

        uWSGI without `enable-threads`, a limit of threads, an isolated interpreter: nothing is polled there but by
        this. The wrappers call it after a response was closed; `self.runs_on` in `/status` is `calls` there. Where
        threads run it does nothing. No run is begun after `budget` seconds; each has its own timeout as ever. Raises
        ConfigError for what is no number of seconds.
        """
        if isinstance(budget, bool) or not isinstance(budget, (int, float)):
            raise ConfigError(f"monitor {self.name!r}: budget must be a number of seconds, got {budget!r:.60}")
        self._mind_fork()
        life = self._life
        if life is None or not self._calling.acquire(blocking=False):
            return 0
        try:
            return life.run_due(budget)
        finally:
            self._calling.release()

    def __enter__(self) -> Monitor:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Monitor {self.name!r} {'running' if self._life else 'stopped'}, {len(self._engine.entries)} checks>"

    @property
    def running(self) -> bool:
        """True between start() and stop()."""
        self._mind_fork()
        return self._life is not None

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
        self._engine.add(check, work)
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
        check = self._engine.remove(name)
        self._mind_leader(name, "removed")
        return check

    def pause(self, name: str) -> None:
        """Poll it no more until `resume`; what was seen is kept, not counted in `overall`. Raises UnknownCheckError."""
        self._mind_fork()
        _refuse_own(name, "paused")
        self._engine.pause(name)
        self._mind_leader(name, "paused")

    def resume(self, name: str) -> None:
        """Poll it again, at once. Raises UnknownCheckError."""
        self._mind_fork()
        _refuse_own(name, "resumed")
        self._engine.resume(name)
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
        if life is not None and self._engine.polling is None:
            text = "monitor %s: check %s is %s in this process only: process %s polls; do it in all, before start()"
            _log.warning(text, self.name, name, what, life.leaders_head().get("pid"))

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
        with self._engine.lock:
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
        with self._engine.lock:
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
        document = self.document() if isinstance(source, Registry) else source.snapshot()
        life = self._life
        beats = {} if self._beats is None else {"heartbeats": self._beats.views()}
        return {
            "schema": 1,
            "service": self._service(source),
            "sharing": {**ALONE, "pid": os.getpid()} if life is None else life.view(source),
            **{key: value for key, value in document.items() if key not in ("schema", "service", "self")},
            **beats,
            "self": document.get("self") or self._engine.figures(),
        }

    def document(self) -> dict[str, Any]:
        """What this process knows, whoever polls."""
        figures, polling = self._engine.figures(), self._engine.polling
        if polling is not None:
            polling.poller.look(figures)
        return {"schema": 1, "service": self._service(self._registry), **self._registry.snapshot(), "self": figures}

    def explain(self, name: str) -> dict[str, Any]:
        """All of one check: the document of `/status?check=NAME`. Raises UnknownCheckError.

        Beside what `snapshot()` says of it there is `explain`: expected and actual, the progress to a change, since
        when, the next run, what it would take to change the status; and all of it in sentences.
        """
        source = self._notice()
        check, state, lasted, view = source.look_up(name)
        due = self._engine.due(name) if isinstance(source, Registry) else source.due(name)
        now = self._clock.time(), self._clock.monotonic()
        told = explained(check, state, lasted, *now, due)
        return {"schema": 1, "service": self._service(source), "check": name, **view, "explain": told}

    def _notice(self) -> Registry | Copy:
        """Before anything is read: that we are a child, that nobody could look for long. Who is to be asked."""
        self._mind_fork()
        life = self._life
        return self._registry if life is None else life.source()

    def _service(self, source: Registry | Copy) -> View:
        life, told = self._life, None if isinstance(source, Registry) else source.told()["document"].get("service")
        if told:  # by the process that polls; who wants no more requests is this one's own business
            return {**told, "draining": self.draining}
        return {
            "name": self.name,
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(self._clock.monotonic() - life.started, 3) if life else 0.0,
            "started_at": stamp(life.started_at) if life else None,
            "draining": self.draining,
        }

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
        if self._pid != os.getpid():
            self._mind_fork()
        if self._life is not None or self._halted or disabled():
            return
        try:
            self._guest = True
            self._start(False)  # which leaves it at that if the host stops it meanwhile
        except LifecycleError:  # another request was faster
            pass
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
        polling = self._engine.polling
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
        self._pid, self._halted = os.getpid(), False
        self._calling = threading.Lock()
        life, self._life = self._life, None
        polled = self._engine.polling is not None
        for part in (self._engine, self._shared, self._beats, self._systemd, life, self.ports):
            if part is not None:
                part.after_fork()
        self._systemd = None
        if polled:
            self._engine.be_absent()

    def _mind_fork(self) -> None:
        if os.getpid() != self._pid:  # a host that runs no fork hooks
            self.after_fork()


def _living() -> list[Monitor]:
    """Those of this process."""
    while True:
        try:
            return list(_made)
        except RuntimeError:  # one was made meanwhile
            pass


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
