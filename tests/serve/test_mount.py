"""The same pages within a web application of the host: WSGI and ASGI, wrapped or mounted."""

from __future__ import annotations

import asyncio
import json
import wsgiref.util
import wsgiref.validate
from collections.abc import Iterator
from typing import Any

import pytest
from support import wait_until

from minimon import Check, ConfigError, Monitor
from minimon.serve.mount import Mount


@pytest.fixture(scope="module")
def monitor() -> Iterator[Monitor]:
    """One that runs, with a check that is up."""
    with Monitor([Check("queue größe", lambda: True)], name="shop") as monitor:
        assert wait_until(lambda: monitor.overall() == "healthy")
        yield monitor


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The host's own."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"of the host: ", environ["PATH_INFO"].encode("latin-1")]


def over_wsgi(app: Any, path: str, method: str = "GET", **environ: str) -> tuple[int, dict[str, str], bytes]:
    """What a WSGI server would see, under the eyes of the standard's validator."""
    path, _, query = path.partition("?")
    given = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": method, "SCRIPT_NAME": "", **environ}
    wsgiref.util.setup_testing_defaults(given)
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> Any:
        told.extend((int(status[:3]), {name.lower(): value for name, value in headers}))
        return lambda data: None

    answer = wsgiref.validate.validator(app)(given, start_response)
    body = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    return told[0], told[1], body


def over_asgi(
    app: Any, path: str, method: str = "GET", headers: Any = (), **scope: Any
) -> tuple[int, dict[str, str], bytes]:
    """What an ASGI server would see."""
    path, _, query = path.partition("?")
    given = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": headers,
        **scope,
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(given, receive, send))
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], fields, b"".join(message["body"] for message in sent[1:])


async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    """The host's own."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"of the host: {scope.get('path', scope['type'])}".encode()})


def over_both(monitor: Monitor, path: str, method: str = "GET", **options: Any) -> tuple[int, dict[str, str], bytes]:
    """Wrapped both ways: the answers are the same."""
    first = over_wsgi(monitor.wrap_wsgi(application, **options), path, method)
    second = over_asgi(monitor.wrap_asgi(asgi_application, **options), path, method)
    if first[0] == 200 and first[2].startswith(b"of the host"):
        assert first[2] == second[2]
    elif "etag" not in first[1] and "content-security-policy" not in first[1] and "metrics" not in path:
        assert first == second
    return first


@pytest.mark.parametrize(
    ("path", "code", "document"),
    [
        ("/health", 200, {"status": "healthy"}),
        ("/health/", 200, {"status": "healthy"}),
        ("/livez", 200, {"status": "alive"}),
        ("/readyz", 200, {"status": "ready"}),
        ("/readyz?verbose", 200, {"status": "ready"}),
        ("/startupz", 200, {"status": "started"}),
        ("/readyz/nobody", 404, {"error": "no check has this name"}),
        ("/-/status", 200, {"overall": "healthy"}),
    ],
)
def test_probes_are_answered_within_an_application(monitor: Monitor, path: str, code: int, document: Any) -> None:
    """Without details, unless they are asked for."""
    over_both(monitor, "/readyz")
    seen = over_both(monitor, path)
    assert (code, document) == (seen[0], json.loads(seen[2]))


@pytest.mark.parametrize(
    "path", ["/", "/status", "/healthz", "/-", "/-/", "/-/other", "/-/status/x", "/healthy/x", "/a/health"]
)
def test_all_else_is_the_applications(monitor: Monitor, path: str) -> None:
    """The wrapper never claims the root."""
    expected = b'{"links"' if path == "/-/" else b"of the host: " + path.encode()
    assert expected == over_both(monitor, path)[2][: len(expected)]


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "HEAD"])
def test_methods_are_as_everywhere(monitor: Monitor, method: str) -> None:
    """405, 204, and no body for HEAD."""
    seen = over_both(monitor, "/health", method)
    code = {"OPTIONS": 204, "HEAD": 200}.get(method, 405)
    assert (code, b"" if method in ("OPTIONS", "HEAD") else b'{"error": "method not allowed"}') == (seen[0], seen[2])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/health", 200), ("HEAD", "/livez", 200), ("POST", "/metrics", 405), ("GET", "/-/status?check=x", 200)],
)
def test_a_server_of_any_kind_asks_for_the_answer(monitor: Monitor, method: str, path: str, status: int) -> None:
    """With what it has: method, path and headers."""
    reply = monitor.respond(method, path, {"Accept": "*/*"})
    assert (status, None) == (reply.status, monitor.respond(method, "/shop"))


def test_details_are_for_those_who_have_the_token(monitor: Monitor) -> None:
    """As of the server."""
    app = monitor.wrap_wsgi(application, details="authorized", token="s3cret")
    codes = [over_wsgi(app, "/-/status", **environ)[0] for environ in ({}, {"HTTP_AUTHORIZATION": "Bearer no"})]
    seen = over_wsgi(app, "/-/status", HTTP_AUTHORIZATION="Bearer s3cret")
    assert ([200, 401], ["queue größe", "minimon"]) == (codes, list(json.loads(seen[2])["checks"]))


def test_nothing_is_concluded_from_where_a_request_comes(monitor: Monitor) -> None:
    """A proxy on this machine makes every client look local."""
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_HOST": "evil.example"}
    seen = over_wsgi(monitor.wrap_wsgi(application), "/-/status", **environ)
    assert (200, {"overall": "healthy"}) == (seen[0], json.loads(seen[2]))


def test_names_are_decoded_once(monitor: Monitor) -> None:
    """Servers have decoded them already."""
    wsgi = over_wsgi(monitor.wsgi_app(), "/readyz/" + "queue größe".encode().decode("latin-1"))
    asgi = over_asgi(monitor.asgi_app(), "/readyz/queue größe")
    assert [200, 200] == [wsgi[0], asgi[0]]


@pytest.mark.parametrize("path", ["/", "/status", "/health", "/metrics"])
def test_an_application_of_its_own_has_all_routes(monitor: Monitor, path: str) -> None:
    """To be mounted where the host likes."""
    assert [200, 200] == [over_wsgi(monitor.wsgi_app(), path)[0], over_asgi(monitor.asgi_app(), path)[0]]


def test_an_application_of_its_own_knows_no_other_path(monitor: Monitor) -> None:
    """There is nobody else to ask."""
    assert [404, 404] == [over_wsgi(monitor.wsgi_app(), "/x")[0], over_asgi(monitor.asgi_app(), "/x")[0]]


def test_a_page_within_an_application_links_to_itself(monitor: Monitor) -> None:
    """Wherever it is mounted."""
    app = monitor.wrap_wsgi(application, prefix="/ops/", details="always")
    page = over_wsgi(app, "/ops/", HTTP_ACCEPT="text/html")
    assert (200, True, False) == (page[0], b'href="status' in page[2], b'"/status' in page[2])


def test_an_asgi_application_lives() -> None:
    """Startup and shutdown are answered, by ours or by the host's."""
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(Monitor().asgi_app()({"type": "lifespan"}, receive, send))
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent


def test_other_protocols_are_the_applications(monitor: Monitor) -> None:
    """A websocket, a lifespan."""
    seen = over_asgi(monitor.wrap_asgi(asgi_application), "/health", type="websocket")
    assert b"of the host: /health" == seen[2]


@pytest.mark.parametrize(("root", "path"), [("/app", "/app/health"), ("/app/", "/app/health"), ("/", "/health")])
def test_a_root_path_is_left_away(monitor: Monitor, root: str, path: str) -> None:
    """Where the server puts it before the path."""
    assert b'{"status": "healthy"}' == over_asgi(monitor.wrap_asgi(asgi_application), path, root_path=root)[2]


def test_links_lead_to_where_it_is_mounted(monitor: Monitor) -> None:
    """Probes at the root of the application, the document below the prefix."""
    seen = over_wsgi(monitor.wrap_wsgi(application, details="always"), "/-/", SCRIPT_NAME="/app")
    links = {link["rel"]: link["href"] for link in json.loads(seen[2])["links"]}
    assert ("/app/health", "/app/-/status") == (links["health"], links["status"])


@pytest.mark.parametrize("path", ["/\ud800", "/readyz/\ud800"])
def test_an_odd_path_breaks_nothing(monitor: Monitor, path: str) -> None:
    """Of the application, or of ours."""

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"of the host"})

    expected = 404 if path.startswith("/readyz") else 200
    assert expected == over_asgi(monitor.wrap_asgi(deaf), path)[0]


def test_a_websocket_is_closed(monitor: Monitor) -> None:
    """Where there is no application beside."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(monitor.asgi_app()({"type": "websocket"}, None, send))
    assert ["websocket.close"] == sent


def test_an_answer_can_be_had_without_a_server(monitor: Monitor) -> None:
    """For a web framework that is neither."""
    mount = Mount(monitor, "/-/", "never")
    reply = mount.respond("GET", "/health?x", {"Accept": "*/*"})
    assert (None, 200, b'{"status": "healthy"}') == (
        mount.respond("GET", "/x"),
        reply and reply.status,
        reply and reply.body,
    )


@pytest.mark.parametrize("prefix", ["", "/", "-/", "/-", "//", "/a b/", "/a//", "/health/", "/metrics/x/", None, 5])
def test_a_prefix_begins_and_ends_with_a_slash(monitor: Monitor, prefix: Any) -> None:
    """Or it would claim more than it says."""
    with pytest.raises(ConfigError):
        monitor.wrap_wsgi(application, prefix=prefix)


def test_a_token_that_shows_nothing_is_refused(monitor: Monitor) -> None:
    """Or somebody would believe that it did."""
    with pytest.raises(ConfigError, match="say details='authorized'"):
        monitor.wrap_wsgi(application, token="s3cret")


@pytest.mark.parametrize("wrap", ["wrap_wsgi", "wrap_asgi"])
def test_only_an_application_is_wrapped(monitor: Monitor, wrap: str) -> None:
    """At once, not at the first request."""
    with pytest.raises(ConfigError, match="expected an application, which is a callable, got None"):
        getattr(monitor, wrap)(None)


def test_bad_options_are_refused(monitor: Monitor) -> None:
    """As by the server."""
    with pytest.raises(ConfigError, match="details must be never, authorized or always"):
        monitor.wsgi_app(details="yes")
