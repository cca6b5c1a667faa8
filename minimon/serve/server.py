"""HealthCheckServer: answers for a subject from one daemon thread, whatever its clients do."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import fork
from ..errors import ConfigError, LifecycleError, PortError
from ..hosting import DISABLED, disabled, threads_run
from ..log import logger
from ..pool import deadline_in, join_until
from .access import check_access, is_loopback

if TYPE_CHECKING:
    from .health import Subject
    from .httpd import Httpd

_log = logger("server")

PATIENCE = 20
"""Tries to take over a port, four a second, after which that is a trouble."""
MARGIN = 0.1
"""Seconds for the threads to close what the deadline has cut off."""
UNIX = "unix:"
"""How a host begins that is the path of a unix socket."""

PORT_HINT = "; another worker of this application may own it already: use Monitor(share='auto'), or port 0"
FOLDER_HINT = "; say a path in a folder that this user can write"
PRIVILEGE_HINT = "; ports below 1024 are for privileged users: use another one"
PATH_HINT = "; another server listens there, or it is no socket: remove it, or say another path"


class HealthCheckServer:
    """Serves a subject: a Monitor, or any object with `is_healthy()` and `get_detailed_stats()`.

    host           the address to bind, IPv4 or IPv6; or unix:PATH, a socket that only the owner may use
    port           0 is a free one; the real one is `.port`, also after stop
    token          who sends it as `Authorization: Bearer TOKEN` sees details; people sign in on the page, with any
                   name and the token as the password
    auth           the same by an Authenticator: any object with authenticate(scheme, credentials) and `challenge`
    allowed_hosts  names under which it may be asked, beside addresses, localhost and the one it is bound to
    details        who sees `/status`, the page and what blocks: "never", "authorized" or "always"; by default always
                   on loopback and a unix socket, else authorized; a plain subject's `/status` is open
    handler        a HealthCheckHandler with routes of your own, which run on a thread of a small pool: GET is open to
                   everybody; what may change something needs the token, if there is one, and comes from no other site
    httpd          the http.server.HTTPServer; None while stopped
    thread         its daemon thread, `minimon-server`; None while stopped

    Any thread may call any method. Several servers in one process serve several subjects. Raises ConfigError.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        token: str | None = None,
        auth: Any = None,
        allowed_hosts: Iterable[str] = (),
        details: str | None = None,
        handler: Any = None,
        api: bool = False,
    ) -> None:
        if not isinstance(api, bool):
            raise ConfigError(f"server: api must be True or False, got {api!r:.60}")
        self._api, self._store = api, auth
        self._functions: dict[str, Callable[..., Any]] = {}
        if not isinstance(host, str) or not host:
            raise ConfigError(f"server: host must be an address, got {host!r:.60}")
        if host.count(":") == 1 and not host.startswith(UNIX):
            raise ConfigError(f"server: host must be an address without a port, got {host!r:.60}; give port= as well")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise ConfigError(f"server: port must be a whole number from 0 to 65535, got {port!r:.60}")
        if handler is not None and not _is_handler(handler):
            raise ConfigError(f"server: handler must be a subclass of HealthCheckHandler, got {handler!r:.60}")
        given = {"token": token, "auth": auth, "allowed_hosts": allowed_hosts, "details": details}
        self._access, self._handler = check_access(given, host, _is_local(host)), handler
        self.host = host
        self.port = self._wanted_port = port
        self.httpd: Httpd | None = None
        self.thread: threading.Thread | None = None
        self._past: list[tuple[Httpd, threading.Thread]] = []  # those that were stopped, and have not ended
        self._waits: tuple[Subject, ...] | None = None  # whom to serve once the port is free: another worker has it
        self._ports: Any = None  # where it was claimed
        self._tries = 0  # to serve there, since no other worker does
        self._pid = os.getpid()
        # Guards httpd, thread, _past, _waits. Reentrant: a signal handler may stop the server within its start.
        self._lock = threading.RLock()

    def start(self, server_instance: Subject | None = None, *others: Subject) -> HealthCheckServer:
        """Bind and answer from now on; returns self.

        Without a subject every answer is 503; with several it is healthy only if all are. Raises PortError when the
        address cannot be bound, LifecycleError when it runs already. With MINIMON_DISABLED=1 in the environment nothing
        happens. Where several workers share a Monitor (see `help hosts`) one of them serves; when it ends, another one
        does. Start the Monitor first.
        """
        if disabled():
            _log.info("health server is not started: %s is set", DISABLED)
            return self
        if server_instance is None and others:
            raise ConfigError("server: the first subject is None, and there are others; leave it out")
        subjects = () if server_instance is None else (server_instance, *others)
        self._mind_fork()
        if not threads_run():
            raise LifecycleError("the health server got no thread that runs: uWSGI has to be told enable-threads")
        wanted = self._wanted if self._wanted_port or self.host.startswith(UNIX) else ""
        with self._lock:
            if self.httpd is not None or self._waits is not None:
                raise LifecycleError(f"the health server runs already on {self._shown}; stop() it first")
            fork.watch(self)
            self._ports = next(iter(_ports_of(subjects)), None) if wanted else None
            taken = self._ports is not None and not self._ports.claim(wanted, self._bind_later)
            if taken:
                self._waits = subjects
            else:
                try:
                    self._listen(subjects)
                except BaseException:
                    self._leave_port()
                    raise
        if taken:
            _log.info("health server: another worker serves on %s; this one will when that is gone", self._shown)
        return self

    def _listen(self, subjects: tuple[Subject, ...]) -> None:
        """Bind and answer. Raises PortError, ConfigError for a subject, RuntimeError without a thread."""
        from .httpd import Httpd  # here: http.server and what it imports cost 20 ms, which a stopped server need not

        with self._lock:
            try:
                httpd = Httpd(self._address, subjects, self._access, self._handler, self._interface())
            except ConfigError:  # of a subject
                raise
            except (OSError, TypeError, ValueError) as error:  # the latter for a host that no address can be
                raise self._port_error(error) from error
            thread = threading.Thread(target=httpd.serve_forever, name="minimon-server", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                httpd.server_close()
                raise LifecycleError(f"the health server got no thread: {error}; raise the system's limit") from error
            self.httpd, self.thread, self.port = httpd, thread, httpd.server_port
        _log.info("health server started on %s", self._shown)

    def _interface(self) -> Any:
        """The REST interface; None where nobody wants it. Raises ConfigError."""
        if not self._api:
            return None
        try:
            from ..api.routes import Api
        except ImportError:
            raise ConfigError("server: this copy of minimon was made without `api`") from None
        made = Api(self._store)
        for name, function in self._functions.items():
            made.task(name, function)
        return made

    def task(self, name: str, function: Callable[..., Any]) -> None:
        """Let `POST /v2/tasks/NAME` begin it: called with the arguments of the request, on a thread of a small pool.

        Its annotations int, float and bool make numbers and flags of texts. A parameter `cancelled` gets the Event that
        is set when nobody wants the result any more. Before start(). Raises ConfigError.
        """
        if not self._api:
            raise ConfigError("server: tasks are of the REST interface; give it api=True")
        if not isinstance(name, str) or not name or "/" in name or not name.isprintable() or not callable(function):
            raise ConfigError(f"server: task(name, function) wants a printable name without a slash, got {name!r:.60}")
        if self.httpd is not None:
            raise LifecycleError("server: tasks are told before start()")
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x2A0:  # inspect.CO_*: coroutines, generators
            raise ConfigError(f"server: the function of task {name!r} is a coroutine; give one that runs it to its end")
        self._functions[name] = function

    def _leave_port(self) -> None:
        """Let another worker have it."""
        ports, self._ports = self._ports, None
        if ports is not None:
            ports.leave(self._wanted)

    def _bind_later(self) -> bool:
        """No other worker has the port any more: serve, if it is free. Whether there is nothing more to do."""
        with self._lock:
            subjects, self._waits = self._waits, None
            if subjects is None:
                return True
            try:
                self._listen(subjects)
            except Exception as error:  # whoever served may not have ended yet
                self._waits, self._tries = subjects, self._tries + 1
                if self._tries == PATIENCE:
                    _log.warning("health server: no other worker serves, and this one cannot: %s", error)
                return False
            self._tries = 0
        return True

    @property
    def _wanted(self) -> str:
        return self.host if self.host.startswith(UNIX) else f"{self.host}:{self._wanted_port}"

    @property
    def _address(self) -> tuple[str, int] | str:
        return self.host[len(UNIX) :] if self.host.startswith(UNIX) else (self.host, self._wanted_port)

    @property
    def _shown(self) -> str:
        if self.host.startswith(UNIX):
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def _port_error(self, error: Exception) -> PortError:
        import errno

        hint = ""
        number = getattr(error, "errno", None) or errno.EINVAL
        if number == errno.EADDRINUSE:
            hint = PATH_HINT if self.host.startswith(UNIX) else PORT_HINT
        elif number in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOENT):
            hint = FOLDER_HINT if self.host.startswith(UNIX) else PRIVILEGE_HINT
        text = getattr(error, "strerror", None) or str(error)
        return PortError(number, f"cannot listen on {self._shown}: {text}{hint}")

    def stop(self, timeout: float = 2.0) -> bool:
        """Free the port at once, let answers in flight end; True when all threads have within `timeout` seconds.

        Idempotent, safe before start and from any thread. One of its own, as that of a route, cannot wait for itself:
        there it frees the port and returns False.
        """
        self._mind_fork()
        deadline = deadline_in(timeout)
        with self._lock:
            runs, self._waits = self.httpd is not None, None
            if self.httpd is not None and self.thread is not None:
                self._past.append((self.httpd, self.thread))
            self.httpd = self.thread = None
            past = list(self._past)
        ended = [each for each in past if _end(*each, deadline)]
        with self._lock:
            self._past = [each for each in self._past if each not in ended]
        self._leave_port()
        if runs:
            _log.info("health server on %s stopped", self._shown)
        return len(ended) == len(past)

    @contextlib.contextmanager
    def serving(self, *subjects: Subject) -> Iterator[HealthCheckServer]:
        """Run for the length of a `with` block, which gets the server."""
        self.start(*subjects)
        try:
            yield self
        finally:
            self.stop()

    def __repr__(self) -> str:
        state = "running" if self.httpd else "waiting" if self._waits is not None else "stopped"
        return f"<HealthCheckServer {self._shown} {state}>"

    def __enter__(self) -> HealthCheckServer:
        return self if self.httpd is not None or self._waits is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def after_fork(self) -> None:
        """In the child: the inherited sockets are closed, for the parent's clients; may be started there."""
        self._pid = os.getpid()
        lives = [httpd for httpd, _ in self._past]
        lives += [] if self.httpd is None else [self.httpd]
        self.httpd, self.thread, self._past, self._waits, self._ports = None, None, [], None, None
        self._lock = threading.RLock()
        for httpd in lives:
            httpd.after_fork()

    def _mind_fork(self) -> None:
        if os.getpid() != self._pid:  # a host that runs no fork hooks
            self.after_fork()


def _end(httpd: Httpd, thread: threading.Thread, deadline: float) -> bool:
    """Have it end by `deadline` (time.monotonic), of which a client that takes no answer may have all."""
    httpd.stop_by(deadline)
    if thread is threading.current_thread():
        httpd.close_port()
        return False
    if httpd.answers.works_here():
        httpd.closed.wait(min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX))
        return False
    ended = join_until(thread, deadline + MARGIN)
    return httpd.answers.stop(deadline + MARGIN) and ended


def _ports_of(subjects: Iterable[Any]) -> list[Any]:
    """What tells, of those that several workers share, who of them serves."""
    return [subject.ports for subject in subjects if hasattr(subject, "ports") and hasattr(subject.ports, "claim")]


def _is_local(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host.startswith(UNIX) or host.lower() == "localhost" or is_loopback(host)


def _is_handler(handler: Any) -> bool:
    from .handler import HealthCheckHandler

    return isinstance(handler, type) and issubclass(handler, HealthCheckHandler)
