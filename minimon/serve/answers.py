"""Makes the answers of one server, its own and those of the host's routes; what takes long is done elsewhere."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import BusyError
from ..log import logger
from ..tasks import Task, Tasks
from .access import Access
from .connection import Answer, Asked, Connection, Times
from .framing import Head, Request, read_head
from .handler import NO_HEAD, NOBODY, HealthCheckHandler, Writer, framed, refusal_of, refused
from .health import PATIENCE, ROUTE_PATIENCE, Asker, Pending, Question
from .routing import Reply, place, problem
from .site import Site

if TYPE_CHECKING:
    from .httpd import Httpd

_log = logger("answers")

HEADS = 256
"""Heads that are remembered, of HEAD_SIZE bytes at most: the same clients ask the same again."""
HEAD_SIZE = 1024


class Answers:
    """What the connections of one server ask for. Belongs to the server's thread."""

    def __init__(
        self, subjects: tuple[Any, ...], access: Access, handler: type[Any], server: Httpd, api: Any = None
    ) -> None:
        self.asker = Asker(subjects, server.wake)
        self._api = api
        self._routes = [each.routes for each in self.asker.subjects if each.routes] + [api] * (api is not None)
        self.tasks = Tasks()
        self.times = Times()
        self.complaints = self.asker.complaints
        self._site, self._writer = Site(access, api=api), Writer()
        self._handler, self._server = handler, server
        self._heads: dict[bytes, Head] = {}
        self._waits: dict[Connection, Wait] = {}  # of those whose answer is made elsewhere

    def read(self, head: bytes) -> Head:
        """A Request, or the code that refuses it. Those that came before are known."""
        known = self._heads.get(head)
        if known is None:
            known = read_head(head)
            if not isinstance(known, int) and len(head) <= HEAD_SIZE:
                if len(self._heads) >= HEADS:
                    self._heads.clear()
                self._heads[head] = known
        return known

    def quick(self, head: bytes, last: bool) -> Answer | None:
        """The answer to a head that came before, if that is all there is to it: most of what is asked are probes that
        ask the same over and over, and the long way takes twice as long.
        """
        request = self._heads.get(head)
        if not isinstance(request, Request) or request.length or _log.tells(logging.DEBUG):
            return None
        reply = self._site.quick(request, self.asker.subjects)
        if reply is None:
            return None
        closes = last or not request.keeps
        return Answer(self._writer.answer(reply, request, closes), b"", closes, not request.keeps)

    def wants_body(self, request: Request) -> bool:
        """Whether anybody will look at the body: a handler of the host."""
        if self._api is not None and self._api.wants_body(request):
            return True
        return self._handler is not HealthCheckHandler and place(request.path) is None

    def refusal(self, code: int, head: bytes) -> bytes:
        """The answer to what is no request."""
        self.complaints.tell(ABUSES.get(code, "requests that cannot be read"))
        reply = refused(code)
        if self._api is not None and self._api.is_meant(head):
            reply = self._api.refused(reply)
        return self._writer.answer(reply, NO_HEAD if head.startswith(b"HEAD ") else NOBODY, True)

    def too_many(self) -> bytes:
        """The answer to a connection for which there is no room."""
        return self._writer.refusal(503)

    def respond(self, connection: Connection, asked: Asked) -> Answer | None:
        """The answer of a route; None while it is made elsewhere."""
        wait = self._waits.get(connection) or Wait(self.asker)
        try:
            reply = self._reply(connection, asked, wait)
        except Pending:
            self._waits[connection] = wait
            wait.deadline = max(wait.deadline, wait.begun + wait.question.patience)
            connection.deadline = wait.deadline
            return None
        except BaseException:  # of a subject or a handler of the host: a SystemExit too is no reason to serve no more
            self.complaints.failed("an answer")
            reply = problem(500, "internal server error")
            if self._api is not None and self._api.knows(asked.request):
                reply = self._api.refused(reply)
        self._waits.pop(connection, None)
        if _log.tells(logging.DEBUG):
            code = reply.status if isinstance(reply, Reply) else 0
            _log.debug(
                "%s %.600r %s", connection.peer or "-", f"{asked.request.method} {asked.request.path}", code or ""
            )
        if isinstance(reply, Answer):
            return reply
        if reply.status in ABUSES:
            self.complaints.tell(ABUSES[reply.status])
        closes = connection.is_last or not asked.request.keeps
        try:
            return Answer(*self._writer.parts(reply, asked.request, closes), closes, _is_last_word(asked.request))
        except Exception:  # headers of somebody's own
            self.complaints.failed("an answer")
            return Answer(self._writer.refusal(500), b"", True)

    def _reply(self, connection: Connection, asked: Asked, wait: Wait) -> Reply | Answer:
        request = asked.request
        routes = next((each for each in self._routes if each.knows(request)), None)
        if routes is not None:
            return self._route_of(routes, connection, asked, wait)
        reply = self._site.respond(request, wait.question, connection.peer)
        if reply is not None:
            return reply
        if self._handler is HealthCheckHandler:
            return self._site.misdirected(request) or refusal_of(request.method)
        return self._host_route(connection, asked, wait)

    def _route_of(self, routes: Any, connection: Connection, asked: Asked, wait: Wait) -> Reply:
        """A route of a subject's, or of the REST interface. Raises Pending."""
        request = asked.request
        if wait.task is None:
            if routes is self._api:
                refused = self._site.meets(routes.need(request), request, wait.question, connection.peer)
            else:
                refused = self._site.admits(request, wait.question, connection.peer)
            if refused is not None:
                return routes.refused(refused) if routes is self._api else refused
            if routes is self._api:
                made = routes.answer(request, asked.body, wait.question.user, self._server.wake)
            else:
                made = routes.answer(request, self._server.wake)
            if isinstance(made, Reply):
                return made
            wait.task = made
            wait.deadline = time.monotonic() + made.patience
        if not wait.task.finished:
            raise Pending
        reply: Reply = wait.task.reply()
        return reply

    def _host_route(self, connection: Connection, asked: Asked, wait: Wait) -> Reply | Answer:
        """A route of the host's own, on the task pool. Raises Pending."""
        if wait.task is None:
            refused = self._site.guard(asked.request, wait.question, connection.peer)
            if refused is not None:
                return refused
            work = partial(_handled, self._handler, asked, connection.peer, self._server, connection.is_last)
            try:
                wait.task = self.tasks.submit(asked.request.path, work, self._server.wake)
            except BusyError as error:
                return problem(503, str(error), ("Retry-After", "1"))
            wait.deadline = time.monotonic() + ROUTE_PATIENCE
        if not wait.task.finished:
            raise Pending
        if wait.task.error is not None:
            try:
                raise wait.task.error
            except BaseException:
                self.complaints.failed("a route of the host")
            return problem(500, "internal server error")
        if wait.task.result is None:
            return problem(503, "no answer in time", ("Retry-After", "1"))
        answer: Answer = wait.task.result
        return answer

    def mind_address(self, bound: str) -> None:
        """The address that it is bound to, however it was written; "" for a path."""
        self._site.access = self._site.access.at(bound)

    @property
    def waiting(self) -> list[Connection]:
        """Those whose answer is made elsewhere."""
        return list(self._waits)

    @property
    def made(self) -> list[Connection]:
        """Those that have waited for an answer which can be given now."""
        return [connection for connection, wait in self._waits.items() if wait.is_over]

    def works_here(self) -> bool:
        """Whether the caller is one of the threads on which answers are made."""
        return self.tasks.works_here() or self.asker.works_here()

    def end(self) -> None:
        """The server stops: what would take longer than its clients wait then is answered at once. Never waits."""
        if self._api is not None:
            self._api.end()

    def retire(self) -> None:
        """No more of them; what is being made comes to its end. Never waits."""
        self.tasks.retire()
        self.asker.stop(0.0)

    def stop(self, deadline: float) -> bool:
        """Cancel what is being made; True when its threads have ended by `deadline` (time.monotonic)."""
        ended = self.asker.stop(deadline)
        if self._api is not None:
            ended = self._api.stop(deadline) and ended
        return self.tasks.stop(deadline) and ended

    def give_up(self, connection: Connection) -> None:
        """It waits no longer, for its time is over."""
        wait = self._waits.get(connection)
        if wait is not None:
            wait.give_up()

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        self.give_up(connection)
        self._waits.pop(connection, None)

    def after_fork(self) -> None:
        """In the child: nobody waits, nothing is made."""
        self._waits.clear()
        self.asker.after_fork()
        self.tasks.after_fork()
        if self._api is not None:
            self._api.after_fork()


ABUSES = {
    401: "wrong or missing credentials",
    403: "requests that pages of other sites made",
    408: "requests that did not come to their end in time",
    413: "bodies that are too large",
    414: "request lines that are too long",
    421: "requests under names that are not its own",
    429: "clients that went on to guess",
    431: "heads that are too large",
}
"""Kinds of abuse by the code that answers them."""


class Wait:
    """What one request waits for."""

    def __init__(self, asker: Asker) -> None:
        self.begun = time.monotonic()
        self.deadline = self.begun + PATIENCE
        self.question = Question(asker)
        self.task: Any = None  # a Task, or a Later of a subject's

    @property
    def is_over(self) -> bool:
        """Whether there is something new to say."""
        return self.question.ready if self.task is None else self.task.finished

    def give_up(self) -> None:
        """Its time is over, or nobody wants it any more."""
        self.question.give_up()
        if self.task is not None:
            self.task.cancel()


def _is_last_word(request: Request) -> bool:
    """Whether the client asks for no more; a body that nobody wanted may come yet."""
    return not (request.keeps or request.expects)


def _handled(handler: Any, asked: Asked, peer: str, server: Httpd, is_last: bool, task: Task) -> Answer:
    """What a handler of the host makes of a request. On a worker of the task pool."""
    made = handler(asked.head + asked.body, (peer, 0), server)
    closes = bool(made.close_connection) or is_last or not asked.request.keeps
    return Answer(*framed(made.wfile.getvalue(), asked.request, closes), _is_last_word(asked.request))
