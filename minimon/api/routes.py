"""The routes of the REST interface: which there are, and what each answers.

/v1/, /v2/, /v3/         links; v3 wants a login for all that is below it
/v1/uptime/              the line that uptime(1) prints; so v2 and v3
/v1/iostat/              a sample of `count` reports, `wait` seconds apart, as iostat(1) prints it; it is waited for
/v2/iostat/              the same as a task: 201 at once, and where it is looked at
/v2/task/ID              what has come of it; DELETE cancels it
/v2/tasks/NAME           POST begins a task of the host's: see HealthCheckServer.task; so v3
/v3/users/, /v3/users/NAME   who may log in
/vitals                  the host in numbers
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from ..errors import BusyError, UnavailableError, WaitCancelled, did_you_mean
from ..probes import described
from ..serve.access import is_foreign
from ..serve.exposition import to_json
from ..serve.framing import Request
from ..serve.routing import NO_STORE, Reply
from ..tasks import FAILURE, SUCCESS, Task, Tasks
from ..vitals.numbers import Vitals
from .arguments import arguments_of, call_of, sample, takes
from .jobs import Job, Jobs
from .problems import Refused, refusal
from .users_routes import Users
from .vitals import Sampler

VERSIONS = ("v1", "v2", "v3")
COLLECTIONS = ("uptime", "iostat", "users")
SHORT, LONG = 30, 3600
"""Seconds that a sample may take: one that is waited for, one that is a task."""
EXTRA = 10.0
"""Seconds that an answer is waited for, beside those of its sample."""
AGAIN = ("Retry-After", "1")
LOGIN = ("WWW-Authenticate", 'Basic realm="Login Required"')


class Place(NamedTuple):
    """What a path means."""

    version: str
    """v1, v2, v3; "" for /vitals."""
    kind: str
    """links, uptime, iostat, task, tasks, users, user, vitals, or move: the slash at its end is missing."""
    name: str = ""


def place(path: str) -> Place | None:
    """The route of a path; None where it is none of these."""
    if path in ("/vitals", "/vitals/"):
        return Place("", "vitals")
    version, *rest = path[1:].split("/")
    if version not in VERSIONS:
        return None
    if not rest:
        return Place(version, "move")
    if rest == [""]:
        return Place(version, "links")
    kind, *rest = rest
    if kind in COLLECTIONS and (kind != "users" or version == "v3"):
        if not rest:
            return Place(version, "move")
        if rest == [""]:
            return Place(version, kind)
    named = len(rest) == 1 or (len(rest) == 2 and not rest[1])
    if named and rest[0] and ((kind in ("task", "tasks") and version != "v1") or (kind, version) == ("users", "v3")):
        return Place(version, "user" if kind == "users" else kind, rest[0])
    return Place(version, "missing")


METHODS = {
    "links": ("GET",),
    "move": ("GET",),
    "uptime": ("GET",),
    "vitals": ("GET",),
    "task": ("GET", "DELETE"),
    "tasks": ("POST",),
    "users": ("GET", "POST"),
    "user": ("GET", "PUT", "PATCH", "DELETE"),
}


def methods(found: Place) -> tuple[str, ...]:
    """The methods of a route. HEAD is not among those of a GET that creates something."""
    if found.kind == "iostat":
        return ("GET", "HEAD") if found.version == "v1" else ("GET", "POST")
    listed = METHODS.get(found.kind, ())
    return (listed[0], "HEAD", *listed[1:]) if "GET" in listed else listed


class Awaited:
    """An answer that takes its time. Belongs to the server's thread."""

    def __init__(self, done: Callable[[], bool], patience: float, reply: Callable[[], Reply], cancel: Any) -> None:
        self._done, self.patience, self._reply, self._cancel = done, patience, reply, cancel
        self._given_up = False

    @property
    def finished(self) -> bool:
        """Whether there is something to answer."""
        return self._given_up or self._done()

    def reply(self) -> Reply:
        """The answer."""
        return self._reply() if self._done() else refusal(503, "no answer in time", AGAIN)

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._given_up = True
        self._cancel()


class Api:
    """Answers for one server. `answer` belongs to the server's thread; `task` and `stop` are for any."""

    def __init__(self, store: Any = None) -> None:
        self._jobs, self._sampler, self._vitals = Jobs(), Sampler(), Vitals()
        # Apart from each other: neither the host's tasks nor a file system that hangs keep users waiting.
        self._tasks, self._desk, self._readers = Tasks(), Tasks(), Tasks(workers=2)
        self._functions: dict[str, Callable[..., Any]] = {}
        self._users = Users(store, self._jobs.moved)

    # --- what the server asks

    def knows(self, request: Request) -> bool:
        """Whether a request is for one of these routes."""
        return place(request.path) is not None

    def is_meant(self, head: bytes) -> bool:
        """Whether a head that is no request, as far as it has come, asks for one of these routes."""
        words = head.partition(b"\n")[0].split(b" ")
        return len(words) > 1 and place(words[1].partition(b"?")[0].decode("latin-1")) is not None

    def wants_body(self, request: Request) -> bool:
        """Whether its body will be looked at."""
        return self.knows(request)

    def home(self) -> Reply:
        """The answer of `/` to programs."""
        return _linked([(version, f"/{version}/") for version in VERSIONS])

    def need(self, request: Request) -> str:
        """What who asks has to have: login, details (as for `/status`), change (as what changes something); "" for
        nothing.
        """
        found = place(request.path)
        if found is None or request.path in ("/v3", "/v3/") or request.method == "OPTIONS":
            return ""
        if found.version == "v3":
            return "login"
        return {"vitals": "details", "tasks": "change"}.get(found.kind, "")

    def refused(self, reply: Reply) -> Reply:
        """An answer of the server's, that something may not be done, in the shape of these."""
        told = json.loads(reply.body).get("error", "") if reply.body else ""
        kept = [header for header in reply.headers if header[0] != "Cache-Control"]
        if reply.status == 503 and not told:
            told, kept = "nobody can tell now who may log in", [AGAIN]
        if reply.status == 401 and LOGIN not in kept:
            kept.append(LOGIN)
        return refusal(reply.status, told, *kept)

    def answer(self, request: Request, body: bytes, user: Any, wake: Callable[[], None]) -> Reply | Awaited:
        """The answer, or what will give it; `wake` is called then, on any thread. `user` is who has logged in."""
        found = place(request.path)
        if found is None or found.kind == "missing":
            return refusal(404, "there is no such route")
        allowed = methods(found)
        allow = ("Allow", ", ".join((*allowed, "OPTIONS")))
        if request.method == "OPTIONS":
            return Reply(204, headers=(allow,))
        if request.method not in allowed:
            return refusal(405, f"{request.method} is not allowed here", allow)
        try:
            return self._answer(found, request, body, user, wake)
        except Refused as refused:
            return refused.reply()
        except BusyError as error:
            return refusal(503, str(error), AGAIN)
        except UnavailableError as error:
            return refusal(501, str(error))

    def _answer(
        self, found: Place, request: Request, body: bytes, user: Any, wake: Callable[[], None]
    ) -> Reply | Awaited:
        version, kind = found.version, found.kind
        if kind == "move":
            query = f"?{request.query}" if request.query else ""
            return Reply(301, headers=(("Location", f"{request.path}/{query}"), NO_STORE))
        if kind == "links":
            arguments_of(request, body, ())
            kinds = COLLECTIONS if version == "v3" else COLLECTIONS[:2]
            return _linked([(each, f"/{version}/{each}/") for each in kinds])
        if kind in ("users", "user"):
            return self._users_answer(found, request, body, user, wake)
        if kind == "iostat":
            return self._iostat(version, request, body, user, wake)
        if kind == "task":
            return self._task(found, request, body, user)
        if kind == "tasks":
            return self._begin(found, request, body, user)
        arguments_of(request, body, ())
        if kind == "uptime" and self._sampler.is_quick:
            return Reply(200, to_json({"uptime": self._sampler.uptime()}))
        return _later(self._readers, self._uptime if kind == "uptime" else self._numbers, wake)

    def _uptime(self) -> Reply:
        return Reply(200, to_json({"uptime": self._sampler.uptime()}))

    def _numbers(self) -> Reply:
        return Reply(200, to_json(self._vitals.numbers()))

    def vitals(self) -> dict[str, Any]:
        """The host in numbers, read once a second at most. Any thread."""
        return self._vitals.numbers()

    # --- samples

    def _iostat(
        self, version: str, request: Request, body: bytes, user: Any, wake: Callable[[], None]
    ) -> Reply | Awaited:
        given = arguments_of(request, body, ("count", "wait"))
        if version == "v1":
            count, wait = sample(given, SHORT, "ask /v2/iostat/ for a task")
            job = self._sample(Job("iostat", "", _ignore), count, wait, wake)
            patience = (count - 1) * wait + EXTRA
            return Awaited(lambda: job.finished, patience, lambda: _sampled(job), job.cancel)
        if is_foreign(request._replace(method="POST")):  # a GET that creates something is no safer
            raise Refused(403, "a page of another site may not ask for that")
        count, wait = sample(given, LONG, "ask for less, several times")
        made = self._jobs.new("iostat", _owner(version, user), "sample")
        return _created(version, self._sample(made, count, wait, _nothing))

    def _sample(self, job: Job, count: int, wait: int, wake: Callable[[], None]) -> Job:
        """Begin to sample."""

        def done(text: str, error: BaseException | None) -> None:
            if isinstance(error, WaitCancelled):
                job.cancel()
            elif error is not None:
                job.fail(described(error))
            else:
                job.succeed({"iostat": text})
            wake()

        try:
            job.begun()
            job.cancelled_by(self._sampler.sample(count, wait, done).cancel)
        except BaseException:
            self._jobs.drop(job)
            raise
        return job

    # --- tasks

    def task(self, name: str, function: Callable[..., Any]) -> None:
        """What `POST /v2/tasks/NAME` begins."""
        self._functions[name] = function

    def _begin(self, found: Place, request: Request, body: bytes, user: Any) -> Reply:
        name = _decoded(found.name)
        function = self._functions.get(name)
        if function is None:
            hint = did_you_mean(name, self._functions) if self._functions else "the host has none"
            raise Refused(404, f"no task {name!r:.60}; {hint}")
        filled = call_of(function, arguments_of(request, body, None))
        job = self._jobs.new(name, _owner(found.version, user))

        def work(task: Task) -> None:
            if not job.begun():
                return
            try:
                more = {"cancelled": task.cancelled} if takes(function, "cancelled") else {}
                job.succeed(function(**filled, **more))
            except BaseException as error:  # whatever the host's function does
                job.fail(described(error))

        try:
            job.cancelled_by(self._tasks.submit(name, work).cancel)
        except BaseException:
            self._jobs.drop(job)
            raise
        return _created(found.version, job)

    def _task(self, found: Place, request: Request, body: bytes, user: Any) -> Reply:
        job = self._jobs.get(found.name)
        mine = job is not None and (not job.owner or _owner("v3", user) == job.owner or getattr(user, "admin", True))
        if job is None or not mine or bool(job.owner) != (found.version == "v3"):
            raise Refused(404, "no such task: they are kept for 15 minutes, 1,000 of them")
        arguments_of(request, body, ())
        if request.method == "DELETE":
            job.cancel()
            return Reply(204)
        return Reply(200, to_json(_shown(found.version, job)))

    # --- users

    def _users_answer(
        self, found: Place, request: Request, body: bytes, user: Any, wake: Callable[[], None]
    ) -> Reply | Awaited:
        """The database may be locked by another process: so on a worker."""
        self._users.check(request, user)
        name = _decoded(found.name) if found.kind == "user" else ""
        return _later(self._desk, self._users.prepared(request, body, name), wake)

    # --- life

    def end(self) -> None:
        """Let nobody wait for a sample any more, and cancel all tasks. Never waits."""
        self._jobs.cancel_all()
        self._sampler.stop(0.0)

    def stop(self, deadline: float) -> bool:
        """Cancel all; True when its threads have ended by `deadline` (time.monotonic)."""
        self._jobs.cancel_all()
        ended = [self._sampler.stop(deadline)]
        ended += [each.stop(deadline) for each in (self._tasks, self._desk, self._readers)]
        return all(ended)

    def after_fork(self) -> None:
        """In the child: nothing is done."""
        self._jobs.after_fork()
        self._sampler.after_fork()
        self._vitals.after_fork()
        for each in (self._tasks, self._desk, self._readers):
            each.after_fork()


def _later(tasks: Tasks, work: Callable[[], Reply], wake: Callable[[], None]) -> Awaited:
    """What may take its time is done by a worker; what nobody waits for any more, and was not begun, is not done."""
    task = tasks.submit("answer", lambda task: work(), wake)

    def reply() -> Reply:
        if isinstance(task.error, UnavailableError):
            return refusal(501, str(task.error))
        if task.error is not None:
            raise task.error
        if task.result is None:
            return refusal(503, "no answer in time", AGAIN)
        made: Reply = task.result
        return made

    return Awaited(lambda: task.finished, EXTRA, reply, task.cancel)


def _nothing() -> None:
    """For who need not be told."""


def _ignore(job: Job) -> None:
    """Of one that is kept nowhere."""


def _owner(version: str, user: Any) -> str:
    """Whose task it is; of an Authenticator that does not tell users apart there is one."""
    return str(getattr(user, "username", "*")) if version == "v3" else ""


def _decoded(text: str) -> str:
    try:
        name = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(404, "a name must be UTF-8, percent-encoded") from None
    if not name or "/" in name or "\0" in name:
        raise Refused(404, "a name must have no slash and no NUL")
    return name


def _linked(listed: list[tuple[str, str]]) -> Reply:
    return Reply(200, to_json({"links": [{"rel": rel, "href": href} for rel, href in listed]}))


def _href(version: str, job: Job) -> str:
    return f"/{version}/task/{quote(job.id)}"


def _created(version: str, job: Job) -> Reply:
    """201, and where it is looked at."""
    href = _href(version, job)
    body = to_json({"task_id": job.id, "links": [{"rel": "task", "href": href}]})
    return Reply(201, body, (("Location", href), AGAIN, NO_STORE))


def _shown(version: str, job: Job) -> Mapping[str, Any]:
    """A task as it is looked at."""
    state, href = job.state, _href(version, job)
    links = [{"rel": "self", "href": href}]
    told: dict[str, Any] = {"task_id": job.id, "state": state, "links": links}
    if state in (SUCCESS, FAILURE):
        told["result"] = job.result
    elif not job.finished:
        links.append({"rel": "cancel", "method": "DELETE", "href": href})
    return told


def _sampled(job: Job) -> Reply:
    """A sample that was waited for."""
    if job.state == SUCCESS:
        return Reply(200, to_json(job.result))
    return refusal(500, str(job.result)) if job.result else refusal(503, "the sample was ended", AGAIN)
