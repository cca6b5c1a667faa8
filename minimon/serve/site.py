"""Answers requests for the subjects of one server: who may ask, what the route wants, what the subjects say.

What takes long is made on the threads of the Asker, and shared by all who ask for the same at that time.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import StoreError, UnavailableError
from ..log import logger
from .accept import prefers
from .access import SAFE, Access, Attempts, Token, credentials, is_foreign
from .exposition import CHANGING, tagged_json, to_json
from .framing import Request
from .health import SHARED, Asked, Question, at_once
from .routing import (
    ALLOW,
    NO_STORE,
    PROBES,
    Place,
    Readiness,
    Reply,
    Said,
    check_reply,
    health,
    links,
    live_reply,
    one,
    place,
    problem,
    query_of,
    readiness,
    ready_reply,
    refusal,
    started_reply,
    with_checks,
    word_reply,
    worst,
)

_log = logger("site")

VARY = ("Vary", "Accept")
SLOW = 0.005
"""Seconds: what takes longer to make is made on a thread of its own the next time."""


class Site:
    """All routes of one server. Belongs to the thread that answers.

    `respond` raises Pending where the answer has to be waited for; asked again with the same Question it goes on.
    """

    def __init__(self, access: Access, alone: bool = False, api: Any = None) -> None:
        self.access, self._api = access, api
        self.base = "/"  # where the page and /status are
        self._alone = alone  # whether whoever asks waits alone, so that nothing is made on another thread
        self.attempts = Attempts()
        self._started = False  # whether it was ready once
        self._slow: dict[str, bool] = {}  # by route, whether it took long the last time

    def quick(self, request: Request, subjects: tuple[Asked, ...]) -> Reply | None:
        """The answer of `/health` for a subject that is asked at once; None for all that takes more."""
        if request.path != "/health" or request.query or request.method not in ("GET", "HEAD"):
            return None
        if len(subjects) != 1 or not subjects[0].at_once:
            return None
        try:
            return word_reply(subjects[0].word())
        except BaseException:  # told on the long way
            return None

    def respond(self, request: Request, question: Question, client: str = "") -> Reply | None:
        """The answer; None for a path that is none of ours."""
        if request.path == "*":
            return Reply(204, headers=(ALLOW,))
        found = place(request.path)
        if found is None:
            return None
        refused = (found.route not in PROBES and self.misdirected(request)) or refusal(request.method)
        if refused is not None:
            return refused
        if found.route == "health" and not request.query:
            return health(question.words())
        return self._answer(found, request, question, client)

    def _answer(self, found: Place, request: Request, question: Question, client: str) -> Reply:
        arguments = query_of(request.query)
        if found.route in PROBES:
            reply = self._probe(found, request, question, client)
            return self._verbose(reply, request, question, client) if "verbose" in arguments else reply
        if found.route == "metrics":
            return self._metrics(request, question)
        sees = self._sees(request, question, client)
        if isinstance(sees, Reply):
            return sees
        if found.route == "status":
            return self._status(request, question, sees, arguments.get("check", []))
        may_know = self.access.authenticator is not None and self.access.sees(True) and not sees
        if may_know and "login" in arguments:
            return self.challenge()
        return self._home(request, question, sees, "?login" if may_know else "")

    # --- probes

    def _probe(self, found: Place, request: Request, question: Question, client: str) -> Reply:
        if found.route == "livez":
            said = [at_once(each.missed, question.complaints) for each in question.subjects]
            return live_reply([name for each in said if not each.error for name in each.value])
        if found.route == "health":
            return health(question.words())
        if found.name:
            return self._one_check(found.name, question)
        ready = self._ready(question)
        if found.route == "startupz":
            return started_reply(self._started)
        sees = not ready.ready and self._sees(request, question, client) is True
        return ready_reply(ready, sees)

    def _ready(self, question: Question) -> Readiness:
        words = question.words()
        found = readiness([_readiness(each, said) for each, said in zip(question.subjects, words)])
        self._started = self._started or found.ready or any(each.was_ready for each in question.subjects)
        return found

    def _one_check(self, name: str, question: Question) -> Reply:
        for subject in question.subjects:
            if subject.explains and (state := subject.state(name)) is not None:
                return check_reply(str(state.status), state.paused)
        return check_reply(None, False)

    def _verbose(self, reply: Reply, request: Request, question: Question, client: str) -> Reply:
        """With each check, for those who may see that."""
        if self._sees(request, question, client) is not True:
            return reply
        return self._made("verbose", question, partial(_verbosely, reply), f"{reply.status} {reply.body!r}", reply)

    # --- who sees what

    def _sees(self, request: Request, question: Question, client: str) -> bool | Reply:
        """Whether details are shown, or the answer to credentials that are wrong. Raises Pending.

        Never under a stranger's name: probes may ask under any, but his page could read the answer.
        """
        if not self.access.knows_host(request.host):
            return False
        known = self.knows(request, question, client)
        if isinstance(known, Reply):
            return known
        plain = all(each.plain for each in question.subjects) and bool(question.subjects)
        return self.access.sees(known, plain)

    def knows(self, request: Request, question: Question, client: str) -> bool | Reply:
        """Whether the client has the right credentials, or the answer to wrong ones. Raises Pending."""
        if question.known is None:
            question.known = self._knows(request, question, client)
        known: bool | Reply = question.known
        return known

    def _knows(self, request: Request, question: Question, client: str) -> bool | Reply:
        given, authenticator = credentials(request), self.access.authenticator
        if given is None or authenticator is None:
            return False
        recall = getattr(authenticator, "recall", None)  # one that remembers by itself who that was a moment ago
        user = recall(*given) if recall else None
        if user:
            question.user = user
            return True
        known = self.attempts.knows(given)
        if client and not known and not question.charged:
            counts = getattr(authenticator, "delay", None)  # one that counts by itself, by names as well
            left = counts(*given, client) if counts else self.attempts.charge(client, time.monotonic())
            if left > 0:
                return _too_many(left)
            question.charged = True
        question.door = question.door or ("known" if known else "login")
        counted = "" if known else client  # what was right before is no guess
        ask = partial(_asked, authenticator, *given, counted)
        quick = self._alone or isinstance(authenticator, Token)  # which only compares
        said = at_once(ask, question.complaints) if quick else question.get(question.door, (given, counted), ask)
        if said.error:
            return word_reply(said.error)
        if isinstance(said.value, Reply):
            return said.value
        if client:  # within a host's application nobody is counted, and many threads come here
            self.attempts.note(client, given, bool(said.value))
        question.user = said.value or None
        return True if said.value else self.challenge()

    def admits(self, request: Request, question: Question, client: str) -> Reply | None:
        """The answer to a request for a route of a subject's that may not be done; None where it may. Raises Pending.

        What is asked for are details; what changes something is for this machine, or for those with credentials.
        """
        if request.method in SAFE:
            stranger = self.misdirected(request)
            sees = stranger or self._sees(request, question, client)
            if isinstance(sees, Reply) or sees:
                return sees if isinstance(sees, Reply) else None
            return self.challenge() if self.access.authenticator is not None else problem(403, "details are not shown")
        refused = self.guard(request, question, client)
        if refused is None and self.access.authenticator is None and not self.access.local:
            return problem(403, "that may be done from this machine only; start the server with token=, or auth=")
        return refused

    def meets(self, need: str, request: Request, question: Question, client: str) -> Reply | None:
        """The answer to who does not have what a route needs: login, details, change, or "". Raises Pending."""
        if need in ("details", "change"):
            return self.admits(request, question, client)
        stranger = self.misdirected(request)
        if stranger is not None:
            return stranger
        if is_foreign(request):
            return problem(403, "a page of another site may not ask for that")
        if need != "login":
            return None
        known = self.knows(request, question, client)
        return known if isinstance(known, Reply) else None if known else self.challenge()

    def challenge(self) -> Reply:
        """401 (RFC 9110, 15.5.2), with all ways to say who one is."""
        ways = [getattr(self.access.authenticator, key, "") for key in ("challenge", "login")]
        headers = [("WWW-Authenticate", way) for way in ways if way] or [("WWW-Authenticate", "Bearer")]
        return problem(401, "wrong or missing credentials", *headers)

    def guard(self, request: Request, question: Question, client: str) -> Reply | None:
        """The answer to a request for a route of the host's that may not be done; None where it may. Raises Pending.

        What changes something is not done for a page of another site, nor without credentials where there are some.
        """
        stranger = self.misdirected(request)
        if stranger is not None or request.method in SAFE:
            return stranger
        if is_foreign(request):
            return problem(403, "a page of another site may not ask for that")
        if self.access.authenticator is None:
            return None
        known = self.knows(request, question, client)
        if isinstance(known, Reply) or not known:
            return known if isinstance(known, Reply) else self.challenge()
        may = getattr(question.user, "admin", True)  # of an Authenticator that tells users apart
        return None if may else problem(403, "that is for admins")

    def misdirected(self, request: Request) -> Reply | None:
        """The answer to a name that is not ours (RFC 9110, 15.5.20); None where it is."""
        if self.access.knows_host(request.host):
            return None
        return problem(421, f"not served under the name {request.host[:100]}; see allowed_hosts")

    # --- documents

    def _status(self, request: Request, question: Question, sees: bool, names: list[str]) -> Reply:
        if not sees:
            return Reply(200, to_json({"overall": worst(question.words())}))
        if names and any(each.explains for each in question.subjects):
            if len(names) > 1:
                return problem(400, "check is given more than once; ask for one at a time")
            return one(question.explanation(names[0]))
        brief = getattr(question.subjects[0].subject, "brief", None) if len(question.subjects) == 1 else None
        if brief is not None:
            return Reply(200, to_json(brief()))
        monitor = all(each.at_once for each in question.subjects)
        make = partial(_document, CHANGING if monitor and not any(each.routes for each in question.subjects) else ())
        return _unless_same(request, self._made("status", question, make))

    def _metrics(self, request: Request, question: Question) -> Reply:
        from .metrics import metrics, prefers_openmetrics

        accept = request.get("accept")
        variant = str(prefers_openmetrics(accept))

        def make(whole: Any) -> Reply:
            body, kind = metrics(whole, accept)
            return Reply(200, body, (NO_STORE, VARY), kind)

        if self._api is None:
            return self._made("metrics", question, make, variant)
        whole = question.whole() if question.subjects else lambda: Said(value={})
        # always on another thread: a file system of the host may hang while it is asked
        said = question.get("page", ("metrics", variant), partial(_with_host, whole, make, self._api.vitals), SHARED)
        return word_reply(said.error) if said.error else said.value

    def _home(self, request: Request, question: Question, sees: bool, login: str) -> Reply:
        if not prefers(request.get("accept"), ("text/html", ""), ("application/json", "")):
            return self._root(question, sees)._replace(headers=(NO_STORE, VARY))
        from .page import CSP, page

        overall = "" if sees and all(each.at_once for each in question.subjects) else worst(question.words())

        def make(whole: Any) -> Reply:
            nonce = os.urandom(12).hex()
            policy = ("Content-Security-Policy", CSP.format(nonce=nonce))
            body = page(whole, nonce=nonce, status_url="status", home=".", overall=overall, login=login)
            return Reply(200, body, (NO_STORE, VARY, policy), "text/html; charset=utf-8")

        return self._made("page", question, make, overall) if sees else make({"overall": overall})

    def _root(self, question: Question, sees: bool) -> Reply:
        """`/` for programs: links, and what others have to say there; that alone, where there is nothing else."""
        listed = links(question.root, question.root + self.base)
        own = [each.routes for each in question.subjects if each.routes]
        homes: list[Reply] = [each.home() for each in own] if sees else []
        homes += [] if self._api is None else [self._api.home()]  # whose links are no secret
        if not homes:
            return listed
        if len(homes) == 1 and len(question.subjects) == len(own):
            return homes[0]
        refused = next((each for each in homes if each.status != 200), None)
        if refused is not None:
            return refused
        told = [json.loads(each.body) for each in (*[listed] * bool(question.subjects), *homes)]
        whole = {key: value for each in told for key, value in each.items()}
        joined = [link for each in told for link in each.get("links", ())]
        return Reply(200, to_json({**whole, "links": joined} if joined else whole))

    def _made(
        self,
        route: str,
        question: Question,
        make: Callable[[Any], Reply],
        variant: str = "",
        otherwise: Reply | None = None,
    ) -> Reply:
        """What `make` makes of all that is known: at once if that was quick the last time, else on another thread.

        `otherwise` is the answer where nobody can tell what is known.
        """
        whole = question.whole()
        if self._alone or not self._slow.get(route, True):
            reply, seconds = _timed(whole, make, otherwise)
        else:
            said = question.get("page", (route, variant), partial(_timed, whole, make, otherwise), SHARED)
            if said.error:
                return otherwise or word_reply(said.error)
            reply, seconds = said.value
        self._slow[route] = seconds > SLOW
        return reply


def _too_many(left: float) -> Reply:
    return problem(429, "too many wrong attempts; wait", ("Retry-After", str(int(left) + 1)))


def _asked(authenticator: Any, scheme: str, given: str, client: str) -> Any:
    """Who that is, None for nobody; or the answer where nobody can tell now. Raises TypeError for a coroutine, which
    would be taken for somebody.
    """
    counts = client and hasattr(authenticator, "delay")
    left = authenticator.delay(scheme, given, client) if counts else 0.0  # others may have failed since it was asked
    if left > 0:
        return _too_many(left)
    try:
        known = authenticator.authenticate(scheme, given)
    except StoreError as error:
        _log.warning("%s", error)
        return problem(503, "the users cannot be read now", ("Retry-After", "1"))
    if any(hasattr(known, name) for name in ("__await__", "__anext__", "__next__")):
        getattr(known, "close", bool)()
        raise TypeError("authenticate() returned a coroutine or a generator; give one that runs it to its end")
    if counts and not known:
        authenticator.note(client)
    return known or None


def _timed(whole: Callable[[], Said], make: Callable[[Any], Reply], otherwise: Reply | None) -> tuple[Reply, float]:
    """The answer, and the seconds that it took."""
    begun = time.perf_counter()
    said = whole()
    reply = otherwise or word_reply(said.error) if said.error else make(said.value)
    return reply, time.perf_counter() - begun


def _with_host(whole: Callable[[], Said], make: Callable[[Any], Reply], vitals: Callable[[], Any]) -> Reply:
    """The metrics of the subjects, and those of the host, if that can be read."""
    from .metrics_host import host_metrics

    said = whole()
    if said.error:
        return word_reply(said.error)
    reply, end = make(said.value), b"# EOF\n"
    ends = reply.body.endswith(end)
    try:
        told = host_metrics(vitals(), ends)
    except UnavailableError:
        return reply
    return reply._replace(body=reply.body[: -len(end)] + told + end if ends else reply.body + told)


def _document(changing: tuple[str, ...], whole: Any) -> Reply:
    """`/status`, with a tag that stays the same as long as nothing differs but what changes all the time."""
    body, tag = tagged_json(whole, changing)
    return Reply(200, body, (NO_STORE, ("ETag", f'W/"{tag}"')))


def _verbosely(reply: Reply, whole: Any) -> Reply:
    """The same with the checks of all subjects."""
    parts = whole.get("subjects", [whole]) if isinstance(whole, dict) else []
    checks = [part["checks"] for part in parts if isinstance(part, dict) and isinstance(part.get("checks"), dict)]
    return with_checks(reply, {name: view for each in checks for name, view in each.items()}) if checks else reply


def _unless_same(request: Request, reply: Reply) -> Reply:
    """304 where the client has it already (RFC 9110, 13.1.2: compared weakly)."""
    tag = next((value for name, value in reply.headers if name == "ETag"), "")
    told = request.get("if-none-match")
    known = told.strip() == "*" or tag[2:] in re.findall('"[^"]*"', told)
    return Reply(304, headers=reply.headers) if tag and known else reply


def _readiness(subject: Asked, said: Said) -> Readiness:
    try:
        return subject.readiness(said.error or str(said.value))
    except BaseException:  # see at_once
        return Readiness(False, "not ready")
