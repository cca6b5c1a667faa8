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

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from ..errors import BusyError, UnavailableError, did_you_mean
from ..serve.access import is_foreign
from ..serve.exposition import to_json
from ..serve.framing import Request
from ..serve.routing import NO_STORE, Reply
from ..tasks import FAILURE, REVOKED, SUCCESS, Task, Tasks
from ..vitals.numbers import Vitals
from .arguments import arguments_of, call_of, sample
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
CLERKS = 2
"""Requests about users that are worked on at the same time."""
AGAIN = ("Retry-After", "1")


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
        return self._reply() if self._done() else _late()

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._given_up = True
        self._cancel()


class Api:
    """Answers for one server. `answer` belongs to the server's thread; `task` and `stop` are for any."""

    def __init__(self, store: Any = None) -> None:
        self._jobs, self._sampler, self._vitals = Jobs(), Sampler(), Vitals()
        self._tasks, self._clerks = Tasks(), Tasks(CLERKS)  # users wait for no task of the host's
        self._functions: dict[str, Callable[..., Any]] = {}
        self._users = Users(store)

    # --- what the server asks

    def knows(self, request: Request) -> bool:
        """Whether a request is for one of these routes."""
        return place(request.path) is not None

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
        if found is None or request.path in ("/v3", "/v3/"):
            return ""
        if found.version == "v3":
            return "login"
        return {"vitals": "details", "tasks": "change"}.get(found.kind, "")

    def refused(self, reply: Reply) -> Reply:
        """An answer of the server's, that something may not be done, in the shape of these."""
        import json

        told = json.loads(reply.body).get("error", "") if reply.body else ""
        kept = [header for header in reply.headers if header[0] != "Cache-Control"]
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
            return self._task(found, request, user)
        if kind == "tasks":
            return self._begin(found, request, body, user)
        arguments_of(request, body, ())
        told = {"uptime": self._sampler.uptime()} if kind == "uptime" else self._vitals.numbers()
        return Reply(200, to_json(told))

    # --- samples

    def _iostat(
        self, version: str, request: Request, body: bytes, user: Any, wake: Callable[[], None]
    ) -> Reply | Awaited:
        given = arguments_of(request, body, ("count", "wait"))
        if version == "v1":
            count, wait = sample(given, SHORT, "ask /v2/iostat/ for a task")
            job = self._sample(count, wait, "", wake)
            patience = (count - 1) * wait + EXTRA
            return Awaited(lambda: job.finished, patience, lambda: _sampled(job), job.cancel)
        if is_foreign(request._replace(method="POST")):  # a GET that creates something is no safer
            raise Refused(403, "a page of another site may not ask for that")
        count, wait = sample(given, LONG, "ask for less, several times")
        return _created(version, self._sample(count, wait, _owner(version, user), _nothing))

    def _sample(self, count: int, wait: int, owner: str, wake: Callable[[], None]) -> Job:
        """Begin to sample."""
        job = self._jobs.new("iostat", owner)

        def done(text: str, error: BaseException | None) -> None:
            if error is not None:
                job.fail(str(error))
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
                job.succeed(function(**filled))
            except BaseException as error:  # whatever the host's function does
                job.raised(error)

        try:
            job.cancelled_by(self._tasks.submit(name, work).cancel)
        except BaseException:
            self._jobs.drop(job)
            raise
        return _created(found.version, job)

    def _task(self, found: Place, request: Request, user: Any) -> Reply:
        arguments_of(request, b"", ())
        job = self._jobs.get(found.name)
        mine = job is not None and (not job.owner or (user is not None and (user.admin or user.username == job.owner)))
        if job is None or not mine or bool(job.owner) != (found.version == "v3"):
            raise Refused(404, "no such task: they are kept for 15 minutes, 1,000 of them")
        if request.method == "DELETE":
            job.cancel()
            return Reply(204)
        return Reply(200, to_json(_shown(found.version, job)))

    # --- users

    def _users_answer(
        self, found: Place, request: Request, body: bytes, user: Any, wake: Callable[[], None]
    ) -> Reply | Awaited:
        """The database may be locked by another process: so on a worker."""
        name = _decoded(found.name) if found.kind == "user" else ""
        work = self._users.prepared(request, body, name, user)
        task = self._clerks.submit("users", lambda task: work(), wake)

        def reply() -> Reply:
            if task.state == REVOKED:
                return _late()
            if task.error is not None:
                raise task.error
            made: Reply = task.result
            return made

        return Awaited(lambda: task.finished, EXTRA, reply, task.cancel)

    # --- life

    def stop(self, deadline: float) -> bool:
        """Cancel all; True when its threads have ended by `deadline` (time.monotonic)."""
        self._jobs.cancel_all()
        ended = [each.stop(deadline) for each in (self._sampler, self._clerks, self._tasks)]
        return all(ended)

    def after_fork(self) -> None:
        """In the child: nothing is done."""
        self._jobs.after_fork()
        self._sampler.after_fork()
        self._vitals.after_fork()
        self._tasks.after_fork()
        self._clerks.after_fork()


def _late() -> Reply:
    return refusal(503, "no answer in time", AGAIN)


def _nothing() -> None:
    """For who need not be told."""


def _owner(version: str, user: Any) -> str:
    return str(user.username) if version == "v3" and user is not None else ""


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
    return refusal(500, str(job.result or "the sample was ended"))
