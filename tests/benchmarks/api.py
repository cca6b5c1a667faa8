"""The REST interface against Flask and Flask-RESTful on waitress, with a login, and under 200 samples at once.

Each server runs in a process of its own. The peer runs `uptime` for each request, as its first version would; it is
installed into a temporary folder. Load comes from wrk, or from a threaded client in a process of its own.
"""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator

from fresh import HERE, output, start
from fresh import end as end_process
from lines import Line, measuring, median_ratio, percentile, skip, spread
from peers import NoPeersError

ROW = "api"
PACKAGES = ("flask", "flask-restful", "waitress")
CLIENTS = 16
"""Connections that are kept, each with one request under way."""
LOGIN = "Authorization: Basic " + base64.b64encode(b"admin:correct horse").decode()
SAMPLES, ROOM = 200, 104
"""Samples that are asked for at once; what there is room for."""


@contextlib.contextmanager
def installed() -> Iterator[str]:
    """A Python that has the peer. Raises NoPeersError."""
    with tempfile.TemporaryDirectory(prefix="minimon-api-") as folder:
        python = str(pathlib.Path(folder, "peer", "bin", "python"))
        pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--retries", "1")
        try:
            output(sys.executable, "-m", "venv", str(pathlib.Path(folder, "peer")), timeout=60)
            output(*pip, *PACKAGES, timeout=120)
        except RuntimeError as error:
            raise NoPeersError(f"{', '.join(PACKAGES)} cannot be had ({error})") from error
        yield python


# servers


def serve_ours() -> int:
    """With one admin."""
    from minimon import HealthCheckServer
    from minimon.api.users import UserStore

    store = UserStore()
    store.change("admin", password="correct horse")
    return HealthCheckServer(port=0, api=True, auth=store).start().port


def serve_flask() -> int:
    """As one writes it."""
    from flask import Flask  # type: ignore[import-not-found,unused-ignore]
    from flask_restful import Api, Resource  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from waitress import create_server  # type: ignore[import-not-found,import-untyped,unused-ignore]

    class Uptime(Resource):  # type: ignore[misc,unused-ignore]
        def get(self) -> dict[str, str]:
            return {"uptime": subprocess.check_output(["uptime"]).decode("utf-8").strip()}

    app = Flask("peer")
    Api(app).add_resource(Uptime, "/v1/uptime/")
    server = create_server(app, host="127.0.0.1", port=0)
    threading.Thread(target=server.run, daemon=True).start()
    return int(server.effective_port)


def serve(name: str) -> None:
    """Serve until stdin ends; tell the port, and the number of threads whenever a line comes."""
    print({"ours": serve_ours, "flask": serve_flask}[name](), flush=True)
    for _ in sys.stdin:
        print(len(list(pathlib.Path("/proc/self/task").iterdir())), flush=True)


class Served:
    """One of them in a process of its own."""

    def __init__(self, name: str, python: str = sys.executable) -> None:
        self._process = start(
            python, str(HERE / "api.py"), "--serve", name, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.port = int(self._told())

    def _told(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def threads(self) -> int:
        """How many it has."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._told())

    def end(self) -> None:
        """End the process."""
        end_process(self._process)


# load


def rate(port: int, path: str, seconds: float, *headers: str) -> float:
    """Requests/s that are answered with 200. Raises RuntimeError for any other answer."""
    url, wrk = f"http://127.0.0.1:{port}{path}", shutil.which("wrk")
    if wrk is None:
        return float(output(sys.executable, str(HERE / "api.py"), "--load", url, str(seconds), *headers, timeout=60))
    command = [wrk, "-t1", f"-c{CLIENTS}", f"-d{seconds:.0f}s", *(word for each in headers for word in ("-H", each))]
    told = subprocess.run([*command, url], capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", told)
    if found is None or "Non-2xx" in told:
        raise RuntimeError(f"wrk: {told[-300:]}")
    return float(found[1])


def load(url: str, seconds: float, *headers: str) -> None:
    """What wrk does, where there is none: print the rate."""
    host, _, path = url.partition("//")[2].partition("/")
    sent = dict(header.split(": ", 1) for header in headers)
    deadline = time.perf_counter() + seconds

    def ask() -> int:
        connection, answered = http.client.HTTPConnection(host, timeout=10), 0
        while time.perf_counter() < deadline:
            connection.request("GET", f"/{path}", headers=sent)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            answered += 1
        connection.close()
        return answered

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        print(sum(future.result() for future in [pool.submit(ask) for _ in range(CLIENTS)]) / seconds)


# rows


def against_flask(quick: bool) -> Iterator[Line]:
    """Requests/s, interleaved."""
    if shutil.which("uptime") is None:
        yield skip(ROW, "the peer needs the program uptime")
        return
    try:
        with installed() as python:
            rounds, seconds = (3, 1.0) if quick else (7, 3.0)
            ours, flask = Served("ours"), Served("flask", python)
            try:
                pairs = [
                    (rate(flask.port, "/v1/uptime/", seconds), rate(ours.port, "/v1/uptime/", seconds))
                    for _ in range(rounds)
                ]
            finally:
                ours.end()
                flask.end()
    except NoPeersError as error:
        yield skip(ROW, str(error))
        return
    what = "Flask-RESTful on waitress: requests/s of /v1/uptime/, of ours"
    yield median_ratio(ROW, what, *map(list, zip(*pairs)), 1 / 8, "/s")  # type: ignore[arg-type]


def logged_in(quick: bool) -> Iterator[Line]:
    """Time per request after the first login."""
    rounds, seconds = (5, 1.0) if quick else (9, 3.0)
    ours = Served("ours")
    try:
        rate(ours.port, "/v3/uptime/", 1.0, LOGIN)
        open_, login = [], []
        for _ in range(rounds):
            open_.append(1e6 / rate(ours.port, "/v1/uptime/", seconds))
            login.append(1e6 / rate(ours.port, "/v3/uptime/", seconds, LOGIN))
    finally:
        ours.end()
    yield median_ratio(ROW, "time per /v3/uptime/ with a login, against /v1/uptime/", login, open_, 1.5, "us")


def samples(quick: bool) -> Iterator[Line]:
    """200 at once, `/health` asked meanwhile."""
    seconds = 3 if quick else 10
    ours = Served("ours")
    begun, stop = threading.Event(), threading.Event()
    try:
        before = ours.threads()
        with concurrent.futures.ThreadPoolExecutor(20 + 1) as pool:
            health = pool.submit(_healthy, ours.port, begun, stop)
            begun.wait(10)
            asked = list(pool.map(lambda _: _begin(ours.port, seconds), range(SAMPLES)))
            during = ours.threads()
            links = [link for status, link in asked if status == 201]
            deadline = time.monotonic() + seconds + 5
            waiting = list(links)
            while waiting and time.monotonic() < deadline:
                time.sleep(0.2)
                waiting = [link for link in waiting if _state(ours.port, link) == "STARTED"]
            stop.set()
            times = health.result()
        ended = Counter(_state(ours.port, link) for link in links)
    finally:
        ours.end()
    counts = Counter(status for status, _ in asked)
    what, note = f"{SAMPLES} samples of {seconds} s at once", f"{dict(counts)}, then {dict(ended)}"
    yield Line(ROW, f"{what}: too few of {ROOM} accepted", max(0, ROOM - counts[201]), "", 0, note)
    yield Line(ROW, f"{what}: neither 201 nor 503", SAMPLES - counts[201] - counts[503], "", 0, note)
    yield Line(ROW, f"{what}: accepted, and no SUCCESS", counts[201] - ended["SUCCESS"], "", 0, note)
    told = f"{len(times)} answers, {spread([1e3 * each for each in times])}"
    yield Line(ROW, f"{what}: p99 of /health", percentile(times, 0.99) * 1e3, "ms", 50, told)
    yield Line(ROW, f"{what}: threads added, the timer's is one", during - before, "", 1, f"{before}, {during}")


def _begin(port: int, seconds: int) -> tuple[int, str]:
    """The status of a new sample, and where it is looked at."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", f"/v2/iostat/?count={seconds + 1}&wait=1")
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Location", "")


def _state(port: int, link: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", link)
        return str(json.loads(connection.getresponse().read()).get("state"))


def _healthy(port: int, begun: threading.Event, stop: threading.Event) -> list[float]:
    """The seconds of each answer."""
    connection, times = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
    with contextlib.closing(connection):
        while not stop.wait(0.005):
            start_ = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            times.append(time.perf_counter() - start_)
            begun.set()
    return times


def measure(quick: bool) -> Iterator[Line]:
    """All of it."""
    if not pathlib.Path("/proc/self/task").is_dir():
        yield skip(ROW, "it looks into /proc")
        return
    yield from against_flask(quick)
    yield from logged_in(quick)
    yield from samples(quick)


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve(sys.argv[-1])
    elif "--load" in sys.argv:
        load(sys.argv[2], float(sys.argv[3]), *sys.argv[4:])
    else:
        measuring(measure)
