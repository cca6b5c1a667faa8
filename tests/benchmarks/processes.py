"""Processes that are kept running: how soon one is launched again, what is left of them, and what that costs the host.

supervisord and circus are measured beside minimon where they can be; they are installed into a temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import programs
from lines import Line, measuring, short, skip, spread
from peers import NoPeersError
from supervisors import PROGRAMS, Circus, Ours, QuickCircus, Side, Supervisord, installed, memory, specs, spent

ROW = "processes"
PEERS: tuple[type[Side], ...] = (Supervisord, Circus)
NASTY = list(programs.COUNTS)
LATER = 1.0
"""Seconds after which nothing may be left."""
OUTPUTS = {"discarded": "/dev/null", "ringed": "cat", "file": "cat into a file", "inherited": "cat"}
"""Kinds of output, and what is beside them."""
MANY = 100


def measure(quick: bool) -> Iterator[Line]:
    """All of it, one after the other."""
    if not os.path.isdir("/proc/self"):
        yield skip(ROW, "it looks into /proc")
        return
    with tempfile.TemporaryDirectory(prefix="minimon-processes-") as folder, installed() as peers:
        if not peers:
            yield skip(ROW, "no network: supervisord and circus are not measured")
        yield from _again(quick, folder, peers)
        yield from _left(quick, folder, peers)
        yield from _cycles(quick, folder)
        yield from _output(quick, folder)
        yield from _many(quick, folder)
        yield from _idle(quick, folder, peers)


def _with(peers: str, ours: type[Side], *theirs: type[Side]) -> list[type[Side]]:
    return [ours, *(theirs if peers else ())]


# --- launched again


class Pipe:
    """A pipe with a name, into which a program says its pid when it runs."""

    def __init__(self, path: str) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def pid(self, timeout: float = 30.0) -> int:
        """Of the next one that runs."""
        if not select.select((self._fd,), (), (), timeout)[0]:
            raise RuntimeError(f"no program within {timeout:g} s")
        return int(os.read(self._fd, 4096).split()[-1])

    def close(self) -> None:
        """No more."""
        os.close(self._fd)


def _again(quick: bool, folder: str, peers: str) -> Iterator[Line]:
    """From `kill -9` until the program runs again, each side in turn, at any time within a second."""
    script = pathlib.Path(folder, "again.sh")
    script.write_text(programs.AGAIN, encoding="ascii")
    kinds = _with(peers, Ours, Supervisord, Circus, QuickCircus)
    found: dict[type[Side], list[float]] = {kind: [] for kind in kinds}
    with contextlib.ExitStack() as stack:
        last, pipes = {}, {}
        for number, kind in enumerate(kinds):
            path = str(pathlib.Path(folder, f"pipe{number}"))
            pipes[kind] = Pipe(path)
            stack.callback(pipes[kind].close)
            stack.enter_context(kind(folder, specs([["sh", str(script), path]]), peers))
            last[kind] = pipes[kind].pid()
        for _ in range(5 if quick else 21):
            for kind in kinds:
                time.sleep(random.uniform(0.1, 1.1))
                begun = time.monotonic()
                os.kill(last[kind], signal.SIGKILL)
                last[kind] = pipes[kind].pid()
                found[kind].append(time.monotonic() - begun)
    for kind, values in found.items():
        bar = 0.1 if kind is Ours else None
        yield Line(
            ROW, f"launched again after kill -9: {kind.name}", statistics.median(values), "s", bar, spread(values, 3)
        )


# --- what is left


def _left(quick: bool, folder: str, peers: str) -> Iterator[Line]:
    """Processes that live a second later, the worst of some times."""
    expected = sum(programs.COUNTS.values())
    commands = [[sys.executable, "-I", "-S", PROGRAMS, kind] for kind in NASTY]
    for kind in _with(peers, Ours, *PEERS):
        bar = 0.0 if kind is Ours else None
        for how in ("stop", "restart", "SIGKILL"):
            counts, seconds = [], []
            for _ in range(1 if quick else 3):
                with kind(folder, specs(commands), peers) as side:
                    before = _settled(side, expected)
                    begun = time.monotonic()
                    {"stop": side.stop, "restart": side.restart, "SIGKILL": side.kill}[how]()
                    seconds.append(time.monotonic() - begun)
                    time.sleep(LATER)
                    counts.append(len(before & side.running() if how == "restart" else side.alive()))
            what = {"SIGKILL": "SIGKILL to its host"}.get(how, how)
            took = f", which took {statistics.median(seconds):.2f} s" if how != "SIGKILL" else ""
            yield Line(
                ROW, f"alive {LATER:g} s after {what}: {kind.name}", max(counts), "", bar, f"of {expected}{took}"
            )


def _settled(side: Side, expected: int) -> set[int]:
    """The processes of all its programs, when all are there."""
    deadline = time.monotonic() + 20
    while len(found := side.running()) != expected:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{side.name}: {len(found)} processes instead of {expected}")
        time.sleep(0.05)
    time.sleep(0.2)  # the last of them has still to say what it ignores
    return side.running()


# --- again and again


def _cycles(quick: bool, folder: str) -> Iterator[Line]:
    number = 20 if quick else 200
    with Ours(folder, []) as side:
        assert isinstance(side, Ours)
        before = side.ask("cycles", 30 if quick else 100)  # until all that is kept for a while is there
        after = side.ask("cycles", number)
    each = f"{after['seconds'] / number * 1e3:.0f} ms each"
    for key, unit, bar in (("threads", "", 0), ("descriptors", "", 0), ("zombies", "", 0), ("memory", "MiB", 0.5)):
        told = f"{short(before[key])} before, {short(after[key])} after; {each}"
        yield Line(
            ROW, f"{number} times start and stop of 5: growth of {key}", after[key] - before[key], unit, bar, told
        )


# --- output


class Written(NamedTuple):
    """What it took to write so much."""

    seconds: float
    longest: float
    cpu: float = 0.0
    memory: float = 0.0


def _output(quick: bool, folder: str) -> Iterator[Line]:
    """Each kind of output, and what is beside it, by turns; each in a host of its own."""
    sizes = (10_000_000, 200_000_000 if quick else 1_000_000_000)
    for size in sizes:
        told = f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
        ours: dict[str, list[Written]] = {kind: [] for kind in OUTPUTS}
        beside: dict[str, list[Written]] = {what: [] for what in set(OUTPUTS.values())}
        for _ in range(3 if quick else 7):
            for kind, values in ours.items():
                values.append(_written(folder, "output", kind, size, 80))
            for what, values in beside.items():
                values.append(_alone(folder, what, size))
        for kind, what in OUTPUTS.items():
            yield from _told(kind, what, told, size, ours[kind], beside[what])
    for line in (80, 8000):  # as long as a line is looked for that never comes
        found = _written(folder, "output", "ringed", 10_000_000, line, {"log": "^never$"})
        note = f"its own {found.seconds:.2f} s, longest write {found.longest:.3f} s"
        yield Line(ROW, f"looked through for a line, of {line} bytes", found.cpu * 100, "s CPU/GB", None, note)


def _told(kind: str, what: str, told: str, size: int, ours: list[Written], beside: list[Written]) -> Iterator[Line]:
    asked = kind != "inherited"  # of that one is told, for it is written in small pieces that never block
    seconds, others = [each.seconds for each in ours], [each.seconds for each in beside]
    note = f"{spread(seconds, 3)} s; {what}: {statistics.median(others):.3f} s ({spread(others, 3)})"
    longest = [each.longest for each in ours]
    told = f"{told} {'into a file' if kind == 'file' else kind}"
    yield Line(ROW, f"{told}: the writer's own time", statistics.median(seconds), "s", None, note)
    note = f"{spread(longest, 4)}; {what}: {statistics.median(each.longest for each in beside):.4f} s"
    yield Line(ROW, f"{told}: its longest write", statistics.median(longest), "s", 0.1 if asked else None, note)
    costs = [each.cpu / size * 1e9 for each in ours]
    if size >= 100_000_000:
        other = f"; {what}: {statistics.median(each.cpu / size * 1e9 for each in beside):.2f}"
        yield Line(
            ROW,
            f"{told}: the host",
            statistics.median(costs),
            "s CPU/GB",
            1.0 if asked else None,
            spread(costs) + other,
        )
    resident = [each.memory for each in ours]
    yield Line(ROW, f"{told}: resident", statistics.median(resident), "MiB", 4.0 if asked else None, spread(resident))


def _written(folder: str, *words: Any) -> Written:
    with Ours(folder, []) as side:
        assert isinstance(side, Ours)
        return Written(**side.ask(*words))


def _alone(folder: str, what: str, size: int) -> Written:
    """The same without a supervisor; the time of the processor is cat's."""
    result, sink = pathlib.Path(folder, "result"), pathlib.Path(folder, "sink")
    command = [sys.executable, PROGRAMS, "write", str(size), str(result), "80"]
    cpu = 0.0
    if what == "/dev/null":
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    else:
        with open(sink if "file" in what else os.devnull, "wb") as file:
            reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
        with reader:
            assert reader.stdin is not None
            subprocess.run(command, stdout=reader.stdin, check=True)
            reader.stdin.close()
            _, status, used = os.wait4(reader.pid, 0)
            reader.returncode = status
            cpu = used.ru_utime + used.ru_stime
        sink.unlink(missing_ok=True)
    seconds, longest = map(float, result.read_text(encoding="ascii").split())
    return Written(seconds, longest, cpu)


# --- a hundred


def _many(quick: bool, folder: str) -> Iterator[Line]:
    """A hundred that take their time, against the slowest of them alone."""
    repeats = 1 if quick else 5
    for kind in ("slow", "listening"):
        alone: list[Any] = []
        all_: list[Any] = []
        bare = []
        for _ in range(repeats):
            with Ours(folder, []) as side:
                assert isinstance(side, Ours)
                alone.append(side.ask("many", 1, kind))
                all_.append(side.ask("many", MANY, kind))
            if kind == "listening":
                bare.append(_listening())
        for key in ("launched", "ready", "stopped"):
            one, found = (statistics.median(each[key] for each in runs) for runs in (alone, all_))
            note = f"one: {one:.3f} s; {spread([each[key] for each in all_])}"
            if kind == "slow":
                yield Line(ROW, f"{MANY} programs: all {key}", found, "s", round(2 * one + 2, 3), note)
            elif key == "ready":
                note += f"; by Popen alone {statistics.median(bare):.2f} s"
                yield Line(ROW, f"{MANY} Python servers: all ready by tcp", found, "s", None, note)
        cost = statistics.median(each["cpu"] for each in all_)
        yield Line(ROW, f"{MANY} {'programs' if kind == 'slow' else 'Python servers'}: the host", cost, "s CPU")


def _listening() -> float:
    """Seconds until as many Python servers take connections that nobody keeps."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(MANY)]
        ports = [one.getsockname()[1] for one in held]
    running: list[subprocess.Popen[bytes]] = []
    begun = time.monotonic()
    try:
        running += [
            subprocess.Popen([sys.executable, "-I", "-S", PROGRAMS, "listen", str(port)], start_new_session=True)
            for port in ports
        ]
        for port in ports:
            while time.monotonic() < begun + 60:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                    break
                time.sleep(0.02)
        return time.monotonic() - begun
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()


# --- quiet


def _idle(quick: bool, folder: str, peers: str) -> Iterator[Line]:
    """A hundred programs that say nothing."""
    seconds = 2.0 if quick else 5.0
    for kind in _with(peers, Ours, *PEERS):
        ours = kind is Ours
        try:
            with kind(folder, specs([["sleep", "3600"]] * MANY), peers) as side:
                deadline = time.monotonic() + 60
                while sum(command == "sleep 3600" for command in side.alive().values()) < MANY:
                    if time.monotonic() > deadline:
                        raise NoPeersError(f"{kind.name} has not launched {MANY}")
                    time.sleep(0.1)
                time.sleep(2.0)
                others = [pid for pid, command in side.alive().items() if "minimon-guard" in command]
                runs = [_spent_in(seconds, side.pid, *others) for _ in range(1 if quick else 3)]
                resident = sum(map(memory, (side.pid, *others)))
        except NoPeersError as error:
            yield skip(ROW, str(error))
            continue
        shares, switches = [run[0] / seconds * 100 for run in runs], [run[1] for run in runs]
        note = f"{spread(shares, 3)}; {resident:.0f} MiB resident{', with the guard' * bool(others)}"
        what = f"{MANY} quiet programs"
        yield Line(ROW, f"{what}: {kind.name}", statistics.median(shares), "% CPU", 0.2 if ours else None, note)
        bar = 0.0 if ours else None
        yield Line(ROW, f"{what}: wakeups in {seconds:g} s, {kind.name}", statistics.median(switches), "", bar)


def _spent_in(seconds: float, *pids: int) -> tuple[float, int]:
    before = [spent(pid) for pid in pids]
    time.sleep(seconds)
    after = [spent(pid) for pid in pids]
    return (
        sum(b.cpu - a.cpu for a, b in zip(before, after)),
        sum(b.switches - a.switches for a, b in zip(before, after)),
    )


if __name__ == "__main__":
    measuring(measure)
