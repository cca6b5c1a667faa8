"""What a guest does to a host: run it, turn what is polled, kill who polls, end it."""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from support import ROOT, wait_until

from .guard import members
from .harness import PATIENCE, START, Poll, Running, alive, burst, listened, running
from .table import EVERY, Host


class Measured(NamedTuple):
    """What a guest did to a host. Seconds; infinity is what did not happen in time."""

    host: str
    variant: str
    answered: int
    """Workers that answered after the start."""
    pollers: float
    """Processes that polled side by side in the steady state, the median."""
    truth: float
    """Until every worker told that the target had turned, the worse of two times."""
    differed: float
    """How long two workers told different things, the worse of two times."""
    apart: float
    """How many polls the worker with the most counts more than the one with the fewest, after the takeover."""
    takeover: float
    """From the death of the polling worker, or from the touch of a file, to the first poll of another."""
    two: float
    """The longest time with two pollers, all in all."""
    none: float
    """The longest time without a poll, between the first one and the end."""
    port: str
    """What the health port said after the takeover: nothing, or which process."""
    shutdown: float
    """From the signal to the end of all processes."""
    left: tuple[str, ...]
    """Ports that are listened to after the end, and processes that live."""
    complaints: tuple[str, ...]
    roles: tuple[tuple[Any, Any], ...]
    """Role and leader, as each worker tells them; empty but for minimon."""


def measure(host: Host, variant: str) -> Measured:
    """Run it, turn the target, kill the poller, end it."""
    with running(host, variant) as run:
        answered = run.wait_for_workers()
        wait_until(lambda: len(run.collector.polls) >= 3, PATIENCE)
        steady = time.monotonic()
        turns = [turn(run, well) for well in (False, True)]
        wait_until(lambda: time.monotonic() > steady + 5 * EVERY)
        if host.recycles:
            wait_until(lambda: len({answer.pid for answer in run.visitor.answers}) > 3 * host.workers, START)
        pollers = side_by_side(run.collector.since(steady))
        roles = sharing(run) if variant == "minimon" else ()
        takeover = reload(run) if host.reloads else take_over(run) if host.replaces else math.nan
        counts, port = counted(run, variant), held_by(run)
        polls, until = list(run.collector.polls), time.monotonic()
        shutdown = run.tell_to_end()
        return Measured(
            host=host.name,
            variant=variant,
            answered=answered,
            pollers=pollers,
            truth=max(truth for truth, _ in turns),
            differed=max(differed for _, differed in turns),
            apart=max(counts) - min(counts) if counts else math.nan,
            takeover=takeover,
            two=two_at_once(polls),
            none=silence(polls, until),
            port=port,
            shutdown=shutdown_alone(host, variant) if host.locks else shutdown,
            left=tuple(left_over(run)),
            complaints=tuple(complaints(run.log)),
            roles=roles,
        )


def turn(run: Running, well: bool) -> tuple[float, float]:
    """Turn the target; the seconds until every worker tells it, and how long two told different things."""
    word = "healthy" if well else "unhealthy"
    run.target.well = well
    at = time.monotonic()
    if not wait_until(lambda: _tell(run, at, word) >= run.host.workers, PATIENCE):
        different = {answer.word for answer in run.visitor.since(time.monotonic() - 1.0)}
        return math.inf, math.inf if len(different) > 1 else 0.0
    answers = run.visitor.since(at)
    new = [answer.at for answer in answers if answer.word == word]
    old = [answer.at for answer in answers if answer.word != word]
    return max(old, default=at) - at, max(0.0, max(old, default=at) - min(new))


def _tell(run: Running, since: float, word: str) -> int:
    """How many workers have said so last."""
    last = {answer.pid: answer.word for answer in run.visitor.since(since)}
    return sum(said == word for pid, said in last.items() if alive(pid))


def take_over(run: Running) -> float:
    """Kill the worker that polls; the seconds until another one polls, and its successor answers."""
    before = run.workers(0.0, 1)
    if not before:
        return math.inf
    pollers = [poll.pid for poll in reversed(run.collector.polls) if poll.pid in before]
    killed = pollers[0] if pollers else min(before)
    at = kill(run, killed)
    seconds = wait_for_another(run, killed, at) if pollers else math.inf  # the master of all polls, or nobody
    wait_until(lambda: run.workers(at, 1) - before, START)
    return seconds


def kill(run: Running, worker: int) -> float:
    """When it was killed."""
    with occupied(run, worker) if run.host.locks else contextlib.nullcontext():
        at = time.monotonic()
        os.kill(worker, signal.SIGKILL)
    return at


@contextlib.contextmanager
def occupied(run: Running, worker: int) -> Iterator[None]:
    """This worker, as all others, is at something that takes a while."""
    asked = [socket.create_connection(("127.0.0.1", run.port)) for _ in range(run.host.workers)]
    try:
        for connection in asked:
            connection.sendall(b"GET /health?hold=2 HTTP/1.0\r\n\r\n")
        wait_until((run.folder / f"held.{worker}").exists)
        yield
    finally:
        for connection in asked:
            connection.close()


def reload(run: Running) -> float:
    """Have it start anew; the seconds until another process polls, counted from the last poll of the one before."""
    before = run.workers(0.0)
    poller = run.last_poller()
    at = time.monotonic()
    run.touch()
    wait_until(lambda: run.workers(at, 2) - before, START)
    seconds = wait_for_another(run, poller, at)
    last = max((poll.at for poll in run.collector.since(at) if poll.pid == poller), default=at)
    return seconds if math.isinf(seconds) else max(0.0, at + seconds - last)


def wait_for_another(run: Running, poller: int, at: float) -> float:
    """The seconds from then to the first poll of another one."""

    def others() -> list[Poll]:
        return [poll for poll in run.collector.since(at) if poll.pid != poller]

    return others()[0].at - at if wait_until(others, PATIENCE) else math.inf


def sharing(run: Running) -> tuple[tuple[Any, Any], ...]:
    """Role and leader, as each worker tells them."""
    told = run.ask_all("/-/status").values()
    return tuple(sorted(_role(document.get("sharing", {})) for document in told))


def _role(sharing: dict[str, Any]) -> tuple[Any, Any]:
    return sharing.get("role"), sharing.get("leader_pid")


def counted(run: Running, variant: str) -> list[int]:
    """How many polls each worker counts."""
    told = run.ask_all("/-/status").values()
    if variant == "minimon":
        return [sum(document["checks"]["pulse"]["counts"].values()) for document in told]
    return [document["polls"] for document in told]


def held_by(run: Running) -> str:
    """Who answers at the health port: nobody, a worker, or a process that is none."""
    if run.variant == "minimon" and run.host.hooked:  # whoever polls now, as soon as it could bind it
        wait_until(lambda: listened(run.health_port), PATIENCE)
    if not listened(run.health_port):
        return "nobody"
    answers = burst(run.health_port, ["/status"])
    if not answers:
        return "no answer"
    return "a worker" if answers[0].pid in run.workers(0.0, 1) else "no worker"


def side_by_side(polls: Sequence[Poll], window: float = 2.5 * EVERY) -> float:
    """How many processes poll, the median over all moments."""
    if not polls:
        return 0.0
    found = [len({other.pid for other in polls if poll.at - window < other.at <= poll.at}) for poll in polls]
    return statistics.median(found[len(found) // 4 :] if len(found) > 4 else found)


def two_at_once(polls: Sequence[Poll], gap: float = 2.5 * EVERY) -> float:
    """The longest time in which two processes polled side by side: polls of one that are this close belong together."""
    spans: list[list[float]] = []
    latest: dict[int, list[float]] = {}
    for pid, at in sorted(polls, key=lambda poll: poll.at):
        if pid in latest and at - latest[pid][1] <= gap:
            latest[pid][1] = at
        else:
            latest[pid] = [at, at]
            spans.append(latest[pid])
    spans.sort()
    worst, reach = 0.0, -math.inf
    for begin, end in spans:
        worst = max(worst, min(end, reach) - begin)
        reach = max(reach, end)
    return worst


def silence(polls: Sequence[Poll], until: float) -> float:
    """The longest time between two polls; infinity if there was none."""
    times = [*sorted(poll.at for poll in polls), until]
    return max((after - before for before, after in zip(times, times[1:])), default=math.inf)


def left_over(run: Running) -> list[str]:
    """What should not be there after the end."""
    ours = (run.health_port,) if run.host.beside else (run.port, run.health_port)
    ports = [f"port {port}" for port in ours if listened(port)]
    return [*ports, *(f"process {pid}" for pid in members(run.process.pid))]


def complaints(log: str) -> list[str]:
    """Lines by which a guest shows itself: its warnings, and tracebacks through its files."""
    package = re.escape(str(ROOT / "minimon") + os.sep)
    found = [line for line in log.splitlines() if re.search(rf"^OURS|{package}|Exception in thread", line)]
    return [line for line in found if "check target is" not in line]  # that is what it is for


def shutdown_alone(host: Host, variant: str = "none") -> float:
    """How long it takes to end after the same misfortune, without a guest if not said otherwise.

    Without the misfortune where a host waits for the one that was killed, for whatever is left of ten seconds.
    """
    with running(host, variant) as run:
        answered = run.wait_for_workers()
        assert answered == host.workers, f"{host.name}: {answered} workers answered:\n{run.log[-3000:]}"
        if host.replaces and not host.locks:
            before = run.workers(0.0, 1)
            at = kill(run, min(before))
            wait_until(lambda: run.workers(at, 1) - before, START)
        return run.tell_to_end()


class Storm(NamedTuple):
    """What came of killing the poller again and again."""

    kills: int
    seconds: float
    two: float
    none: float
    pollers: int
    complaints: tuple[str, ...]


def storm(host: Host, kills: int, pace: float) -> Storm:
    """Kill the worker that polls so many times, every `pace` seconds or as soon as there is another one."""
    with running(host, "minimon") as run:
        run.wait_for_workers()
        killed: list[int] = []
        began = time.monotonic()

        def ready() -> bool:
            due = time.monotonic() >= began + len(killed) * pace
            return due and run.last_poller() not in (0, run.process.pid, *killed)

        while len(killed) < kills and wait_until(ready, PATIENCE):
            killed.append(run.last_poller())
            os.kill(killed[-1], signal.SIGKILL)
        wait_until(lambda: run.last_poller() not in killed, PATIENCE)
        polls, until = list(run.collector.polls), time.monotonic()
        run.tell_to_end()
        pollers = len({poll.pid for poll in polls})
        two, none = two_at_once(polls), silence(polls, until)
        return Storm(len(killed), until - began, two, none, pollers, tuple(complaints(run.log)))


def restart(host: Host) -> Storm:
    """Have it replace all its workers by SIGHUP, and wait until the new ones poll and answer."""
    with running(host, "minimon") as run:
        run.wait_for_workers()
        wait_until(lambda: run.last_poller() != 0, PATIENCE)
        before, began = run.workers(0.0, 1), time.monotonic()
        run.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(run.workers(began) - before) >= host.workers and run.last_poller() not in before, START)
        wait_until(lambda: time.monotonic() > began + 1.0)
        polls, until = list(run.collector.polls), time.monotonic()
        run.tell_to_end()
        pollers = len({poll.pid for poll in polls})
        two, none = two_at_once(polls), silence(polls, until)
        return Storm(0, until - began, two, none, pollers, tuple(complaints(run.log)))


def command(one: Host) -> tuple[int, int, list[str]]:
    """Run a command that serves nobody; its exit code, how many polls there were, and what was complained of."""
    with running(one, "minimon") as run:
        code = run.process.wait(START)
        return code, len(run.collector.polls), complaints(run.log)
