"""The right moment: what starts a monitor within a web application, and what does not."""

from __future__ import annotations

import asyncio
import pathlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hosting.workers import workers
from support import our_threads, python, wait_until

from minimon import Check, ConfigError, Monitor

Make = Callable[..., Monitor]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The host's own, WSGI."""
    start_response("200 OK", [])
    return [b"of the host"]


async def asgi_application(scope: Any, receive: Any, send: Any) -> None:
    """The host's own, ASGI: it begins and ends."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"of the host"})


def get(app: Any, path: str = "/") -> tuple[str, bytes]:
    """What a WSGI server would see of a request, the answer closed as it has to be."""
    told: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path}
    answer = app(environ, lambda status, headers, error=None: told.append(status))
    body = b"".join(answer)
    getattr(answer, "close", bool)()
    return told[0], body


@pytest.fixture
def monitor(make: Make) -> Monitor:
    """One that nobody has started."""
    return make([Check("a", lambda: True, initial_delay=0)])


def test_wrapping_starts_nothing(monitor: Monitor) -> None:
    """A master that preloads, a reloader's parent and a management command do as much."""
    monitor.wrap_wsgi(application), monitor.wrap_asgi(asgi_application), monitor.wsgi_app(), monitor.asgi_app()
    assert (False, []) == (monitor.running, our_threads())


@pytest.mark.parametrize("path", ["/", "/health", "/-/status", "/x"])
def test_the_first_request_starts_it(monitor: Monitor, path: str) -> None:
    """Whatever is asked for, of the host's or of ours."""
    app = monitor.wrap_wsgi(application)
    get(app, path)
    assert "leader" == monitor.role


def test_before_the_first_round_nothing_is_known(make: Make) -> None:
    """Not ready, unknown; livez is 200."""
    app = make([Check("slow", lambda: True, initial_delay=60)]).wrap_wsgi(application)
    seen = {path: get(app, path)[0][:3] for path in ("/health", "/readyz", "/startupz", "/livez")}
    assert {"/health": "503", "/readyz": "503", "/startupz": "503", "/livez": "200"} == seen


@pytest.mark.parametrize("wrap", ["wrap_wsgi", "wrap_asgi"])
def test_an_eager_one_starts_at_once(monitor: Monitor, wrap: str) -> None:
    """As the host has asked for."""
    getattr(monitor, wrap)(application, eager=True)
    assert "leader" == monitor.role


def test_what_the_host_has_stopped_stays_stopped(monitor: Monitor) -> None:
    """No request starts it again; the host may."""
    app = monitor.wrap_wsgi(application)
    get(app)
    monitor.stop()
    get(app)
    seen = monitor.running
    assert (False, True) == (seen, monitor.start().running)


def test_one_that_runs_already_is_left_alone(monitor: Monitor) -> None:
    """It was started by the host, before it was wrapped: it is solo."""
    monitor.start()
    get(monitor.wrap_wsgi(application))
    assert "solo" == monitor.role


def test_where_it_is_disabled_no_request_starts_it(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is the host's."""
    monkeypatch.setenv("MINIMON_DISABLED", "1")
    assert ("200 OK", False) == (get(monitor.wrap_wsgi(application))[0], monitor.running)


def test_many_first_requests_start_it_once(monitor: Monitor) -> None:
    """On as many threads."""
    app, gate, seen = monitor.wrap_wsgi(application), threading.Barrier(8), []

    def ask() -> None:
        gate.wait(5)
        seen.append(get(app)[0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (["200 OK"] * 8, 1) == (seen, our_threads().count("minimon-scheduler"))


def test_a_start_that_fails_is_not_the_clients_business(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The application answers, and the log says why there is no monitor: once."""

    def fails(monitor: Monitor) -> None:
        raise SystemExit("no such luck")

    monitor = make(on_start=fails)
    app = monitor.wrap_wsgi(application)
    with pytest.raises(SystemExit):  # the host's own function ends the host, if it wants to
        get(app)
    assert ("200 OK", b"of the host") == get(app)


def lives(app: Any, between: Callable[[], object]) -> tuple[list[str], Any]:
    """What a server is told of a lifespan, and what was seen in between."""
    sent: list[str] = []
    seen: list[Any] = []
    events: Iterator[str] = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Any:
        if sent:
            seen.append(between())
        return {"type": next(events)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    return sent, seen[0]


@pytest.mark.parametrize("application", [asgi_application, None], ids=["wrapped", "mounted"])
def test_it_lives_with_the_application(monitor: Monitor, application: Any) -> None:
    """From the end of its startup to the end of its shutdown."""
    app = monitor.asgi_app() if application is None else monitor.wrap_asgi(application)
    sent, seen = lives(app, lambda: monitor.role)
    assert (["lifespan.startup.complete", "lifespan.shutdown.complete"], "leader") == (sent, seen)
    assert (False, []) == (monitor.running, our_threads())


def test_an_application_may_live_again(monitor: Monitor) -> None:
    """As one does in tests of a host."""
    app = monitor.wrap_asgi(asgi_application)
    assert ["leader", "leader"] == [lives(app, lambda: monitor.role)[1] for _ in range(2)]


def test_without_a_lifespan_the_first_request_starts_it(monitor: Monitor) -> None:
    """Some servers have none, and some applications."""
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}

    async def send(message: Any) -> None:
        pass

    asyncio.run(monitor.wrap_asgi(asgi_application)(scope, None, send))
    assert "leader" == monitor.role


def test_a_worker_hook_takes_what_it_is_given(monitor: Monitor) -> None:
    """The same function serves Celery, gunicorn and multiprocessing; a second call is nothing."""
    monitor.start_worker("server", worker=1)
    assert "leader" == monitor.start_worker().role


# --- where no thread can run

CALLED = """
sys.modules["uwsgi"] = types.SimpleNamespace(has_threads=0)
polls = []
monitor = Monitor([Check("a", lambda: polls.append(0), every=0.05, timeout=1.0, initial_delay=0)], name="shop")
app = monitor.wrap_wsgi(lambda environ, start_response: start_response("200 OK", []) or [b"of the host"])

def get(path="/"):
    told = []
    answer = app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, headers: told.append(int(status[:3])))
    body = b"".join(answer).decode()
    before = len(polls)
    getattr(answer, "close", bool)()
    return [told[0], body, len(polls) - before]
"""


def test_a_call_polls_after_the_answer(tmp_path: pathlib.Path) -> None:
    """The first request finds nothing known, and the next one what it has left; none waits for a poll."""
    with workers(tmp_path, 1, code=CALLED) as (worker,):
        seen = [worker.ask('get("/health")'), worker.ask('get("/health")')]
        assert [[503, '{"status": "unknown"}', 1], [200, '{"status": "healthy"}']] == [seen[0], seen[1][:2]]
        told = "[threading.active_count(), monitor.snapshot()['self']['runs_on'], monitor.role]"
        assert [1, "calls", "leader"] == worker.ask(told)


@pytest.mark.long
def test_what_was_not_called_for_long_is_unknown(tmp_path: pathlib.Path) -> None:
    """Nothing is fresh because nobody has asked."""
    with workers(tmp_path, 1, code=CALLED) as (worker,):
        worker.ask("get()")
        assert "healthy" == worker.ask("monitor.overall()")
        assert "unknown" == worker.soon("monitor.overall()", "unknown")


def test_those_that_are_called_take_turns(tmp_path: pathlib.Path) -> None:
    """One polls at a time, and what it sees all tell; who is called on polls when the other is gone."""
    with workers(tmp_path, 2, code=CALLED) as (first, second):
        first.ask("get()")
        assert [0, "healthy", "follower"] == [
            second.ask("get()")[2],
            second.ask("monitor.overall()"),
            second.ask("monitor.role"),
        ]
        first.kill()
        assert wait_until(lambda: bool(second.ask("get()")[2]))
        assert ["leader", "healthy"] == [second.ask("monitor.role"), second.ask("monitor.overall()")]


def test_those_that_are_called_leave_nothing(tmp_path: pathlib.Path) -> None:
    """But the empty lock."""
    with workers(tmp_path, 2, code=CALLED) as both:
        assert [True, True] == [each.ask("bool(get()) and monitor.stop()") for each in both]
        assert [(".lock", 0)] == [(path.suffix, path.stat().st_size) for path in tmp_path.iterdir()]


def test_on_change_is_told_without_its_thread(tmp_path: pathlib.Path) -> None:
    """In the call that polls."""
    code = CALLED.replace(
        ', name="shop"', ', name="shop", on_change=lambda change: said.append(change.after.status.value)'
    )
    with workers(tmp_path, 1, code=code) as (worker,):
        worker.ask("get()")
        assert ["up"] == worker.ask("said")


def test_a_budget_ends_a_call(tmp_path: pathlib.Path) -> None:
    """What is due then is run by the next one."""
    code = CALLED.replace("polls.append(0)", "polls.append(threading.Event().wait(0.2))").replace(
        "every=0.05", "every=60"
    )
    code = code.replace(
        '[Check("a"', '[*[Check(str(i), works, every=60, initial_delay=0) for i in range(3)], Check("a"'
    )
    with workers(tmp_path, 1, code=code) as (worker,):
        worker.ask("monitor.start_worker()")
        runs = [worker.ask("monitor.run_due(1e-9)"), worker.ask("monitor.run_due()"), worker.ask("monitor.run_due()")]
        assert [0, 4, 0] == runs


def test_a_host_that_has_no_more_threads_polls_by_calls(make: Make) -> None:
    """The limit is reached: no thread of ours, and nothing is lost."""
    monitor = make([Check("a", lambda: True, initial_delay=0)])
    before = threading.stack_size(1 << 46)
    try:
        app = monitor.wrap_wsgi(application)
        get(app)
    finally:
        threading.stack_size(before)
    assert "200 OK" == get(app, "/health")[0]


ISOLATED = """
import _interpreters
print(_interpreters.exec(_interpreters.create(), '''
import logging, sys
sys.path.insert(0, ".")
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("minimon").addHandler(handler)
from minimon import Check, ConfigError, Monitor
monitor = Monitor([Check("a", lambda: True, initial_delay=0)])
app = monitor.wrap_wsgi(lambda environ, start_response: start_response("200 OK", []) or [b"of the host"])
def get(path):
    told = []
    answer = app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, headers: told.append(status))
    list(answer), getattr(answer, "close", bool)()
    return told[0][:3]
print(get("/health"), get("/health"), monitor.snapshot()["self"]["runs_on"], monitor.stop(), len(said))
'''))
"""


@pytest.mark.skipif(sys.version_info < (3, 13), reason="_interpreters came with Python 3.13")
def test_an_isolated_interpreter_polls_by_calls() -> None:
    """It gets no daemon thread; one warning says so."""
    assert "503 200 calls True 1\nNone\n" == python(ISOLATED).stdout


def test_where_threads_run_a_call_does_nothing(monitor: Monitor) -> None:
    """They do it."""
    monitor.start()
    assert (0, "threads") == (monitor.run_due(), monitor.snapshot()["self"]["runs_on"])


@pytest.mark.parametrize("budget", ["2", None, True, [1]])
def test_a_budget_is_a_number_of_seconds(monitor: Monitor, budget: Any) -> None:
    """Whatever runs on."""
    with pytest.raises(ConfigError, match="monitor 'minimon': budget must be a number of seconds, got"):
        monitor.run_due(budget)


def test_before_the_start_a_call_does_nothing(monitor: Monitor) -> None:
    """Nor after the stop."""
    assert 0 == monitor.run_due()


def test_the_page_says_who_has_answered(tmp_path: pathlib.Path) -> None:
    """A follower names itself beside the process that polls."""
    code = "monitor = Monitor(checks(), name='shop', share='auto').start()\n"
    with workers(tmp_path, 2, code=code) as (leader, follower):
        follower.soon("monitor.overall()", "degraded")
        page = follower.ask('monitor.respond("GET", "/-/", {"Accept": "text/html"}, details="always").body.decode()')
    assert f"process {leader.pid}, answered by process {follower.pid}" in page
