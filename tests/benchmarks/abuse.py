"""The health server under abuse, beside a ThreadingHTTPServer and waitress: does it answer meanwhile, at what cost.

Each serves in a process of its own; this process abuses it, and asks as another client would.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from lines import Line, measuring, percentile, skip
from serving import ASK, ASK_ONCE, SERVERS, Healthy

HALF = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: "


class Large(Healthy):
    """Its document has ten megabytes."""

    def snapshot(self) -> dict[str, str]:
        """As text."""
        return {"text": "x" * 10_000_000}


def spin() -> None:
    """A host that computes."""
    number = 0
    while True:
        number = (number * 31 + 7) % 1_000_003


def serve_waitress() -> int:
    """With four threads, as it has by default."""
    import waitress

    def application(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "21")])
        return [b'{"status": "healthy"}']

    made = waitress.create_server(application, host="127.0.0.1", port=0)
    threading.Thread(target=made.run, daemon=True).start()
    return int(made.effective_port)


def serve_large() -> int:
    """A large document."""
    from minimon import HealthCheckServer

    return HealthCheckServer(port=0).start(Large()).port


def serve_busy() -> int:
    """Beside a thread of the host that computes."""
    threading.Thread(target=spin, daemon=True).start()
    return SERVERS["minimon"]()


KINDS = {**SERVERS, "waitress": serve_waitress, "large": serve_large, "busy": serve_busy}


class Served:
    """One of them in a process of its own."""

    def __init__(self, name: str, descriptors: int = 0) -> None:
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors},) * 2)\n" * bool(
            descriptors
        )
        here = os.path.dirname(os.path.abspath(__file__))
        code = f"{limit}import sys; sys.path.insert(0, {here!r})\nimport abuse\nabuse.serve({name!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline() or 0)

    def figures(self) -> tuple[float, int]:
        """Resident MiB, and threads."""
        with open(f"/proc/{self._process.pid}/status") as file:
            told = dict(line.split(":", 1) for line in file)
        return int(told["VmRSS"].split()[0]) / 1024, int(told["Threads"])

    def cpu(self) -> float:
        """Seconds of CPU up to now."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pin(self) -> None:
        """Keep all of its threads on one processor."""
        with contextlib.suppress(AttributeError, OSError):
            for thread in os.listdir(f"/proc/{self._process.pid}/task"):
                os.sched_setaffinity(int(thread), {max(os.sched_getaffinity(0))})

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def serve(name: str) -> None:
    """Until stdin ends."""
    print(KINDS[name](), flush=True)
    sys.stdin.read()


def answered(port: int, times: int) -> list[float]:
    """Seconds until a fresh connection has its answer; infinite without one within two seconds."""
    spells = []
    for _ in range(times):
        begun = time.perf_counter()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2.0) as client:
                client.sendall(ASK_ONCE)
                good = client.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            good = False
        spells.append(time.perf_counter() - begun if good else float("inf"))
    return spells


# kinds of abuse: each gives what has to be closed in the end


def connected(port: int, number: int) -> list[socket.socket]:
    """So many connections."""
    return [socket.create_connection(("127.0.0.1", port), timeout=5.0) for _ in range(number)]


def silent(port: int) -> list[socket.socket]:
    """They say nothing."""
    return connected(port, 500)


def half(port: int, number: int = 500) -> list[socket.socket]:
    """They do not come to the end of their request."""
    clients = connected(port, number)
    for client in clients:
        client.sendall(HALF)
    return clients


def pipelined(port: int) -> list[socket.socket]:
    """Ten thousand requests at once, which nobody reads the answers of."""
    clients = connected(port, 10)
    for client in clients:
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.send(ASK * 1000)
    return clients


def resets(port: int) -> list[socket.socket]:
    """They come, ask, and are gone with a RST."""
    end = time.monotonic() + 10.0  # a server with a short queue makes them wait a second each
    for _ in range(2000):
        if time.monotonic() > end:
            break
        with contextlib.suppress(OSError):
            client = socket.create_connection(("127.0.0.1", port), timeout=5.0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.send(ASK)
            client.close()
    return []


def readers(port: int) -> list[socket.socket]:
    """They ask for a large document, and do not read it."""
    clients = []
    for _ in range(50):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(ASK.replace(b"/health", b"/status"))
        clients.append(client)
    return clients


ABUSES: dict[str, Callable[[int], list[socket.socket]]] = {
    "500 silent connections": silent,
    "500 half requests": half,
    "10,000 pipelined requests": pipelined,
    "2,000 clients that reset": resets,
}


def measure(quick: bool) -> Iterator[Line]:
    """One kind after the other, each on a fresh server."""
    times = 10 if quick else 40
    for what, abuse in ABUSES.items():
        for name, bar in (("minimon", 50.0), ("buffered", None), ("waitress", None)):
            yield _abused(name, what, abuse, times, bar)
    yield _abused("large", "50 slow readers of 10 MB", readers, times, None)
    yield from _half_open(times)
    yield _exhausted()
    yield _beside("the server pinned", 10.0, times, True)
    yield _beside("not pinned", None, times, False)


def _beside(how: str, bar: float | None, times: int, pinned: bool) -> Line:
    """Beside a thread of the host that computes. Where that is on another processor, it takes the interpreter whenever
    the server has let go of it for a system call; on the same one it does so only once the server waits.
    """
    busy = Served("busy")
    if pinned:
        busy.pin()
    spells = []
    for _ in range(2 * times):
        spells += answered(busy.port, 1)
        time.sleep(0.02)
    busy.end()
    note = f"p95 {percentile(spells, 0.95) * 1e3:.1f} ms"
    what = f"beside a thread that computes, fresh, {how}, p50"
    return Line("abuse", what, statistics.median(spells) * 1e3, "ms", bar, note)


def _abused(name: str, what: str, abuse: Callable[[int], list[socket.socket]], times: int, bar: float | None) -> Line:
    served = Served(name)
    if not served.port:
        served.end()
        return skip("abuse", f"needs {name}")
    answered(served.port, 3)
    (memory, threads), cpu, begun = served.figures(), served.cpu(), time.perf_counter()
    clients = abuse(served.port)
    spells = answered(served.port, times if name == "minimon" or name == "large" else 5)
    (memory_then, threads_then), used = served.figures(), served.cpu() - cpu
    took = time.perf_counter() - begun
    for client in clients:
        client.close()
    served.end()
    lost = sum(spell == float("inf") for spell in spells)
    middle = percentile([spell for spell in spells if spell < float("inf")] or [2.0], 0.95) * 1e3
    note = f"{lost} of {len(spells)} not answered; {threads_then - threads:+d} threads, {memory_then - memory:+.1f} MiB"
    return Line("abuse", f"{what}: {name}, p95", middle, "ms", bar, f"{note}, {used / took * 100:.0f}% CPU")


def _half_open(times: int) -> Iterator[Line]:
    served = Served("minimon")
    answered(served.port, 3)
    memory, threads = served.figures()
    clients = half(served.port, 200)
    spells = answered(served.port, 5 * times)
    memory_then, threads_then = served.figures()
    for client in clients:
        client.close()
    served.end()
    yield Line("abuse", "200 half-open: time to answer, p50", statistics.median(spells) * 1e3, "ms", 10.0)
    yield Line("abuse", "200 half-open: threads added", threads_then - threads, "", 0)
    yield Line("abuse", "200 half-open: memory", memory_then - memory, "MiB", 16)


def _exhausted() -> Line:
    """All descriptors in use: it does not spin, and answers when some are free again."""
    served = Served("minimon", descriptors=40)
    clients = []
    for _ in range(60):
        with contextlib.suppress(OSError):
            clients.append(socket.create_connection(("127.0.0.1", served.port), timeout=0.5))
    cpu, begun = served.cpu(), time.perf_counter()
    time.sleep(2.0)
    share = (served.cpu() - cpu) / (time.perf_counter() - begun) * 100
    for client in clients:
        client.close()
    good = sum(spell < 2.0 for spell in answered(served.port, 5))
    served.end()
    return Line("abuse", "descriptors exhausted: CPU meanwhile", share, "%", 10.0, f"{good} of 5 answered afterwards")


if __name__ == "__main__":
    measuring(measure)
