"""The same pages within the host's own web application, WSGI (PEP 3333) or ASGI 3: no port is needed.

The wrappers take the paths of probes and /metrics, and what stands under a prefix; all else is the application's.
They start the monitor when a worker begins to work: at the lifespan's startup, else at the first request. So what only
imports the application, as reloaders, masters that preload and management commands do, never polls.
Nothing is concluded from the client's address, nor from what proxies say of it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

from ..errors import ConfigError
from .access import Access, check_access
from .framing import Request
from .handler import BODILESS, fields_of
from .health import Asker, Question
from .routing import PROBES, Reply, problem
from .site import Site

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Worker(Protocol):
    """What is started in the processes that answer: a Monitor."""

    def attend(self) -> None:
        """Begin, unless it has, or the host has stopped it. Must not raise."""

    def run_due(self) -> int:
        """Run what is due where no thread can."""

    def retire(self) -> None:
        """The application is shut down."""

    @property
    def waits_for_calls(self) -> bool:
        """Whether run_due() is to be called."""


WHOLE = object()
"""In place of a prefix: there is no application beside."""
OPEN = (*PROBES, "metrics")
"""The first words of paths that are taken from the application."""


class Mount:
    """Answers for a subject within an application. Any thread may call any method.

    prefix   below which `/status` and the page are; WHOLE: all routes are at the root, and nothing else is
    details  who sees them: "never", "authorized" (by `token` or `auth`, as of HealthCheckServer) or "always"
    worker   what is to be started with the first request
    """

    def __init__(
        self,
        subject: Any,
        prefix: Any,
        details: str,
        token: str | None = None,
        auth: Any = None,
        worker: Worker | None = None,
    ) -> None:
        if prefix is not WHOLE:
            _check_prefix(prefix)
        if details == "never" and not (token is None and auth is None):
            raise ConfigError("wrap: token and auth are for those who may see details: say details='authorized'")
        given = {"token": token, "auth": auth, "details": details, "allowed_hosts": ()}
        access: Access = check_access(given, "", local=False)
        self._prefix: Any = prefix
        self._worker = worker
        self._asker, self._site = Asker((subject,)), Site(access, alone=True)
        self._site.base = "/" if prefix is WHOLE else str(prefix)

    def respond(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        root: str = "",
    ) -> Reply | None:
        """The answer to a request; None for a path that is the application's.

        `path` is percent-encoded, with the query; `root` is where the application is mounted. Nothing is read, sent
        or waited for.
        """
        path, _, query = path.partition("?")
        ours = self._place(path)
        if ours is None:
            return None
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        fields = tuple((name.lower(), value) for name, value in pairs)
        request = Request(method, ours, query, fields, "", True, False, 0, False)
        question = Question(self._asker)
        question.root = root
        reply = self._site.respond(request, question)
        return reply if reply is not None or self._prefix is not WHOLE else problem(404, "not found")

    def _place(self, path: str) -> str | None:
        """The path within our routes."""
        if self._prefix is WHOLE:
            return path
        if path.startswith(self._prefix):
            below = path[len(self._prefix) - 1 :]
            return below if below.rstrip("/") in ("", "/status") else None
        first = path[1:].split("/")[0]
        return path if first in OPEN else None

    # --- WSGI

    def wsgi(
        self, application: Wsgi | None, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """The application with our pages before it."""
        worker = self._worker
        if worker is None:
            return self._wsgi(application, environ, start_response)
        worker.attend()
        answer = self._wsgi(application, environ, start_response)
        return _Afterwards(answer, worker.run_due) if worker.waits_for_calls else answer

    def _wsgi(
        self, application: Wsgi | None, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = quote(environ.get("PATH_INFO", "").encode("latin-1", "replace"), safe="/;:@&=+$,!~*'()")
        query, method = environ.get("QUERY_STRING", ""), environ["REQUEST_METHOD"]
        root = quote(environ.get("SCRIPT_NAME", "").encode("latin-1", "replace"), safe="/")
        reply = self.respond(method, f"{path or '/'}?{query}", _fields(environ), root=root)
        if reply is None:
            assert application is not None  # else there would be an answer
            return application(environ, start_response)
        start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", fields_of(reply))
        return [b"" if method == "HEAD" or reply.status in BODILESS else reply.body]

    # --- ASGI

    async def asgi(self, application: Asgi | None, scope: Scope, receive: Receive, send: Send) -> None:
        """The same."""
        worker, kind = self._worker, scope["type"]
        if worker is None:
            return await self._asgi(application, scope, receive, send)
        if kind == "lifespan":
            return await self._asgi(application, scope, receive, _attending(worker, send))
        worker.attend()
        await self._asgi(application, scope, receive, send)
        if worker.waits_for_calls:
            worker.run_due()

    async def _asgi(self, application: Asgi | None, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self._asgi_reply(scope) if scope["type"] == "http" else None
        if reply is not None:
            headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields_of(reply)]
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            bodiless = scope["method"] == "HEAD" or reply.status in BODILESS
            await send({"type": "http.response.body", "body": b"" if bodiless else reply.body})
        elif application is not None:
            await application(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    async def _asgi_reply(self, scope: Scope) -> Reply | None:
        root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
        path = path[len(root) :] or "/" if root and f"{path}/".startswith(f"{root}/") else path
        target = (
            f"{quote(path.encode('utf-8', 'replace'), safe='/')}?{scope.get('query_string', b'').decode('latin-1')}"
        )
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope.get("headers", ())]
        root = quote(root.encode("utf-8", "replace"), safe="/")
        work = partial(self.respond, scope["method"], target, fields, root=root)
        ours = self._place(path)
        short = ours is None or (ours[1:].split("/")[0] in PROBES and not scope.get("query_string"))
        if short and not any(name.lower() == "authorization" for name, _ in fields):
            return work()
        import asyncio

        try:
            return await asyncio.get_running_loop().run_in_executor(None, work)  # pages of many checks take a while
        except RuntimeError:  # no thread to be had
            return work()


class _Afterwards:
    """An answer that is followed by something to do, once the server has sent and closed it (PEP 3333)."""

    def __init__(self, answer: Iterable[bytes], work: Callable[[], object]) -> None:
        self._answer, self._work = answer, work

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        try:
            getattr(self._answer, "close", bool)()
        finally:
            self._work()


def _attending(worker: Worker, send: Send) -> Send:
    """What the application says of its lifespan, with the worker's beginning and end: within those of the host."""

    async def tell(message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.startup.complete":
            worker.attend()
        elif message["type"].startswith("lifespan.shutdown."):
            worker.retire()
        await send(message)

    return tell


def _check_prefix(prefix: Any) -> None:
    if not isinstance(prefix, str) or not re.fullmatch("/([A-Za-z0-9._~-]+/)+", prefix):
        raise ConfigError(f'wrap: prefix must be a path between slashes, as "/-/" is, got {prefix!r:.60}')
    if prefix.split("/")[1] in OPEN:
        raise ConfigError(f"wrap: prefix must not be below a path that is taken already, got {prefix!r:.60}")


async def _live(receive: Receive, send: Send) -> None:
    """There is nothing to begin or to end."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def _fields(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key[5:].replace("_", "-"), value) for key, value in environ.items() if key.startswith("HTTP_")]
