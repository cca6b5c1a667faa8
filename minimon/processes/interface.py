"""The routes of a Supervisor, on whatever server it is served by: its processes, and what can be done with them.

GET /processes              all of them
GET /processes/NAME         one, by name (percent-encoded) or id
GET /processes/NAME/log     its last lines as text; ?tail= says how many
POST /processes/NAME/start  and /stop, /restart: answers when that is done, 503 when it did not get ready
POST /restart/ID, DELETE /  as older clients ask for it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

from ..errors import LifecycleError, UnknownCheckError
from ..serve.exposition import to_json
from ..serve.framing import Request
from ..serve.routing import NO_STORE, Reply, problem

if TYPE_CHECKING:
    from .entry import Ticket
    from .process import Process
    from .supervisor import Supervisor

LINES = 100
"""Lines of a log that are sent where nobody says how many."""
MOST_LINES = 65536
"""Lines at most: all that is kept."""
EXTRA = 5.0
"""Seconds that an answer is waited for, beside the times of the program."""
VERBS = ("start", "stop", "restart")
TEXT = "text/plain; charset=utf-8"
IN_SHUTDOWN = "Process is in shutdown."


class Later:
    """An answer that takes its time. Belongs to the server's thread."""

    def __init__(self, ticket: Ticket, patience: float, reply: Callable[[Ticket], Reply]) -> None:
        self._ticket, self.patience, self._reply, self._given_up = ticket, patience, reply, False

    @property
    def finished(self) -> bool:
        """Whether there is something to answer."""
        return self._ticket.finished or self._given_up

    def reply(self) -> Reply:
        """The answer."""
        if not self._ticket.finished:
            return problem(503, "no answer in time; it goes on", ("Retry-After", "5"))
        return self._reply(self._ticket)

    def cancel(self) -> None:
        """Nobody waits any longer; what was asked for goes on."""
        self._given_up = True


class Asked(NamedTuple):
    """What a path means."""

    verb: str
    """list, one, log, start, stop, restart, old restart, shutdown."""
    name: str = ""
    allow: str = "GET, HEAD, OPTIONS"


def place(method: str, path: str) -> Asked | None:
    """What a request is for; None where it is none of ours. One trailing slash is tolerated."""
    if path == "/":
        return None if method in ("GET", "HEAD") else Asked("shutdown", allow="GET, HEAD, OPTIONS, DELETE")
    parts = path[:-1].split("/")[1:] if path.endswith("/") else path.split("/")[1:]
    if parts[0] == "restart" and len(parts) == 2:
        return Asked("old restart", _decoded(parts[1]), "POST, OPTIONS")
    if parts[0] != "processes" or len(parts) > 3:
        return None
    if len(parts) == 1:
        return Asked("list")
    if len(parts) == 2:
        return Asked("one", _decoded(parts[1]))
    if parts[2] == "log":
        return Asked("log", _decoded(parts[1]))
    return Asked(parts[2], _decoded(parts[1]), "POST, OPTIONS") if parts[2] in VERBS else None


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


class Interface:
    """Answers for one Supervisor. Belongs to the server's thread."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def knows(self, request: Request) -> bool:
        """Whether a request is for one of these routes."""
        return place(request.method, request.path) is not None

    def home(self) -> Reply:
        """The answer of `/` to programs, where nothing else is served."""
        if self._supervisor.stopping:
            return refused(403, IN_SHUTDOWN)
        return Reply(200, to_json(self._supervisor.document()))

    def answer(self, request: Request, wake: Callable[[], None]) -> Reply | Later:
        """The answer, or what will give it; `wake` is called then, on any thread."""
        asked = place(request.method, request.path)
        if asked is None:
            return problem(404, "not found")
        if request.method == "OPTIONS":
            return Reply(204, headers=(("Allow", asked.allow),))
        if request.method not in asked.allow.split(", "):
            return problem(405, "method not allowed", ("Allow", asked.allow))
        if asked.verb in ("old restart", "shutdown"):
            return self._older(asked, wake)
        if asked.verb == "list":
            views = [self._view(process) for process in self._supervisor.processes]
            return Reply(200, to_json({"count": len(views), "processes": views}))
        try:
            process = self._supervisor.process(asked.name)
        except UnknownCheckError as error:
            return problem(404, str(error))
        return self._one(asked.verb, process, request, wake)

    def _view(self, process: Process) -> dict[str, Any]:
        return {"name": process.name, **self._supervisor.view(process)}

    def _one(self, verb: str, process: Process, request: Request, wake: Callable[[], None]) -> Reply | Later:
        if verb == "one":
            return Reply(200, to_json(self._view(process)))
        if verb == "log":
            return _log(process, request.query)
        if self._supervisor.stopping:
            return problem(403, "the supervisor is being stopped")
        try:
            if verb == "start":
                ticket = self._supervisor.ask_launch(process, wake)
            elif verb == "stop":
                ticket = self._supervisor.ask_halt(process, wake)
            else:
                ticket = self._supervisor.ask_restart(process, wake)
        except LifecycleError as error:
            return problem(503, str(error))

        def reply(ticket: Ticket) -> Reply:
            if ticket.error is not None:
                return problem(409, str(ticket.error))
            return Reply(
                200 if ticket.result else 503, to_json({"success": ticket.result, "process": self._view(process)})
            )

        return Later(ticket, _patience(process), reply)

    def _older(self, asked: Asked, wake: Callable[[], None]) -> Reply | Later:
        """What older clients ask for, in their shapes."""
        if self._supervisor.stopping:
            return refused(403, IN_SHUTDOWN)
        if asked.verb == "shutdown":
            self._supervisor.shut_down()
            return Reply(200, to_json({"success": True}))
        number = asked.name
        if not (number.isascii() and number.isdigit()) or len(number) > 18:
            return refused(400, f"Invalid ID '{number}'.")
        process = next((one for one in self._supervisor.processes if one.id == int(number)), None)
        if process is None:
            return refused(404, f"Process with id '{number}' not found.")
        try:
            ticket = self._supervisor.ask_restart(process, wake)
        except LifecycleError as error:
            return refused(503, str(error))

        def reply(ticket: Ticket) -> Reply:
            if ticket.error is not None:
                return refused(409, str(ticket.error))
            body = {"success": bool(ticket.result), "process": process.get_data()}
            if ticket.result:
                return Reply(200, to_json(body))
            return Reply(503, to_json({**body, "error": {"message": process.why or "Process verification failed."}}))

        return Later(ticket, _patience(process), reply)


def refused(status: int, text: str) -> Reply:
    """An error in the shape of older interfaces."""
    return Reply(status, to_json({"success": False, "error": {"message": text}}))


def _log(process: Process, query: str) -> Reply:
    given = parse_qs(query, keep_blank_values=True).get("tail", [str(LINES)])[-1]
    if not (given.isascii() and given.isdigit()) or len(given) > 9:
        return problem(400, f"tail must be a number of lines, got {given[:20]!r}")
    lines = process.log(min(int(given), MOST_LINES))
    body = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    return Reply(200, body, (NO_STORE,), TEXT)


def _patience(process: Process) -> float:
    """Seconds that it may take."""
    return process.program.patience + EXTRA
