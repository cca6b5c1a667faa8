"""Supervisors side by side: minimon in a host of its own, supervisord and circus, each with the same programs.

As a program with `--host FOLDER` it is minimon's host: it reads the programs there, and does what it is told by lines
on its standard input; each is answered by a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import fresh
from peers import NoPeersError

PACKAGES = ("supervisor", "circus")
MARK = "MINIMON_BENCHMARKS_MARK"
"""A variable that all processes of one side have inherited, and by which they are found."""
PATIENCE = 60.0
"""Seconds for one thing that a side is told to do."""
PROGRAMS = str(fresh.HERE / "programs.py")


@contextlib.contextmanager
def installed() -> Iterator[str]:
    """A folder with the peers' commands, or "" where they cannot be had."""
    with tempfile.TemporaryDirectory(prefix="minimon-supervisors-") as folder:
        python = str(pathlib.Path(folder, "peers", "bin", "python"))
        quiet = ("-q", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "10")
        try:
            fresh.output(sys.executable, "-m", "venv", str(pathlib.Path(folder, "peers")), timeout=60)
            fresh.output(python, "-m", "pip", "install", *quiet, *PACKAGES, timeout=120)
        except RuntimeError:
            python = ""
        yield os.path.dirname(python)


class Spec(NamedTuple):
    """One program, as all of the sides can run it."""

    name: str
    command: list[str]


def specs(commands: list[list[str]]) -> list[Spec]:
    """Programs with names."""
    return [Spec(f"p{number}", command) for number, command in enumerate(commands)]


class Side:
    """One supervisor that runs. Without an own way to do so it is ended by SIGKILL, and so is what it leaves behind."""

    name: ClassVar[str] = ""

    def __init__(self, folder: str, programs: list[Spec], peers: str = "") -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.peers = pathlib.Path(peers)
        self.mark = secrets.token_hex(8)
        self._process: subprocess.Popen[str] | None = None
        self.programs = programs

    def __enter__(self) -> Side:
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        deadline = time.monotonic() + 5
        while (left := self.alive()) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def begin(self) -> None:
        """Launch it, with its programs."""
        raise NotImplementedError

    def stop(self) -> None:
        """Have it end its programs."""
        raise NotImplementedError

    def restart(self) -> None:
        """Have it end and launch all of its programs."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The host's, or the daemon's."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL to the supervisor alone."""
        if self._process is not None:
            self._process.kill()
            fresh.end(self._process)

    def alive(self) -> dict[int, str]:
        """The command of each process of this side, but for the supervisor itself."""
        return {pid: command for pid, command in marked(self.mark).items() if pid != self.pid}

    def running(self) -> set[int]:
        """Processes that belong to its programs."""
        return {pid for pid, command in self.alive().items() if PROGRAMS in command}

    def spawn(self, *command: str, **options: Any) -> None:
        """Start the supervisor."""
        self._process = fresh.start("env", f"{MARK}={self.mark}", *command, **options)

    def run(self, *command: str) -> str:
        """Run one of the peers' commands. Raises RuntimeError."""
        return fresh.output(str(self.peers / command[0]), *command[1:], timeout=PATIENCE)

    def wait_for(self, path: str) -> None:
        """Until there is such a file."""
        deadline = time.monotonic() + PATIENCE
        while not (self.folder / path).exists():
            if time.monotonic() > deadline:
                raise NoPeersError(f"{self.name} does not come up")
            time.sleep(0.01)


class Ours(Side):
    """A host with a minimon Supervisor."""

    name = "minimon"

    def begin(self) -> None:
        """Start the host."""
        told = [[spec.name, spec.command] for spec in self.programs]
        (self.folder / "programs.json").write_text(json.dumps(told), encoding="utf-8")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.spawn(sys.executable, __file__, "--host", str(self.folder), **pipes)
        if self.programs:
            self.ask("start")

    def ask(self, *words: object) -> Any:
        """Have the host do something; its answer."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
        said = process.stdout.readline()
        if not said:
            raise RuntimeError("the host has ended")
        return json.loads(said)

    def stop(self) -> None:
        """By stop()."""
        if not self.ask("stop"):
            raise RuntimeError("stop() has not ended all")

    def restart(self) -> None:
        """One after the other."""
        self.ask("restart")


class Supervisord(Side):
    """Its defaults, but for times as short as they can be."""

    name = "supervisord"

    def begin(self) -> None:
        """Start the daemon."""
        lines = [
            f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={self.folder}/pid",
            f"minfds=256\nchildlogdir={self.folder}\n[unix_http_server]\nfile={self.folder}/socket",
            f"[supervisorctl]\nserverurl=unix://{self.folder}/socket",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for spec in self.programs:
            lines += [
                f"[program:{spec.name}]\ncommand={shlex.join(spec.command)}\nautorestart=true\nstartsecs=0",
                "startretries=1000000\nstopwaitsecs=1\nstdout_logfile=NONE\nstderr_logfile=NONE",
            ]
        (self.folder / "conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.spawn(str(self.peers / "supervisord"), "-n", "-c", str(self.folder / "conf"), **quiet)
        self.wait_for("socket")

    def _control(self, verb: str) -> None:
        self.run("supervisorctl", "-c", str(self.folder / "conf"), verb, "all")

    def stop(self) -> None:
        """By supervisorctl."""
        self._control("stop")

    def restart(self) -> None:
        """By supervisorctl."""
        self._control("restart")


class Circus(Side):
    """Its defaults, but for the time until SIGKILL."""

    name = "circus"
    settings: ClassVar[str] = ""

    def begin(self) -> None:
        """Start the daemon."""
        lines = [
            f"[circus]\nendpoint = ipc://{self.folder}/control\npubsub_endpoint = ipc://{self.folder}/events",
            self.settings,
        ]
        for spec in self.programs:
            first, *rest = spec.command
            lines += [
                f"[watcher:{spec.name}]\ncmd = {first}\nargs = {shlex.join(rest)}\ncopy_env = True",
                "graceful_timeout = 0.5",
            ]
        (self.folder / "conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.spawn(str(self.peers / "circusd"), str(self.folder / "conf"), **quiet)
        self.wait_for("control")

    def _control(self, verb: str) -> None:
        self.run("circusctl", "--endpoint", f"ipc://{self.folder}/control", "--timeout", "30", verb, "--waiting")

    def stop(self) -> None:
        """By circusctl."""
        self._control("stop")

    def restart(self) -> None:
        """By circusctl."""
        self._control("restart")


class QuickCircus(Circus):
    """It looks ten times a second."""

    name = "circus, check_delay 0.1"
    settings = "check_delay = 0.1"


def marked(mark: str) -> dict[int, str]:
    """The command of each live process that has inherited this mark (proc(5))."""
    wanted, found = f"{MARK}={mark}".encode(), {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in pathlib.Path("/proc", name, "environ").read_bytes().split(b"\0"):
                    command = pathlib.Path("/proc", name, "cmdline").read_bytes()
                    found[int(name)] = command.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return found


# --- what can be seen of a process from beside it


class Spent(NamedTuple):
    """What a process has used up so far."""

    cpu: float
    """Seconds of the processor."""
    switches: int
    """Times that one of its threads has gone to sleep: each was woken, then."""


def spent(pid: int) -> Spent:
    """Of all threads, by the kernel's count."""
    cpu, switches = 0, 0
    for task in pathlib.Path("/proc", str(pid), "task").iterdir():
        cpu += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        for line in (task / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                switches += int(line.split()[1])
    return Spent(cpu / 1e9, switches)


def memory(pid: int | str, key: str = "VmRSS") -> float:
    """MiB that are resident; with VmHWM, the most of it so far."""
    for line in pathlib.Path("/proc", str(pid), "status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    return 0.0


# --- the host


class Host:
    """A process with a Supervisor, which does what it is told."""

    def __init__(self, folder: str) -> None:
        self.folder = pathlib.Path(folder)
        self._supervisor: Any = None

    def _make(self, programs: list[Any], **options: Any) -> Any:
        from minimon.processes.supervisor import Supervisor

        return Supervisor(programs, **options)

    def start(self) -> bool:
        """With the programs of the folder, which are launched again at once, without end."""
        from minimon.processes.program import Program

        again = {"condition": "always", "delay": 0.0, "max_attempts": 10**9}
        stop = {"timeout": 0.5}
        told = json.loads((self.folder / "programs.json").read_text(encoding="utf-8"))
        programs = [Program(name, command, restart=again, stop=stop, output="discard") for name, command in told]
        self._supervisor = self._make(programs).start().wait_ready(PATIENCE)
        return True

    def stop(self) -> bool:
        """All of them; whether nothing is left."""
        return bool(self._supervisor.stop())

    def restart(self) -> bool:
        """One after the other."""
        for process in self._supervisor.processes:
            process.restart()
        return True

    def cycles(self, number: int) -> dict[str, float]:
        """Start and stop so often, by turns the same Supervisor and a fresh one; what the process holds then."""
        import gc

        from minimon.processes.program import Program

        programs = [Program(f"p{n}", ["sleep", "3600"], output="discard") for n in range(5)]
        kept = self._supervisor = self._supervisor or self._make(programs)  # of the last cycles
        begun = time.monotonic()
        for cycle in range(number):
            supervisor = kept if cycle % 2 else self._make(programs)
            supervisor.start().wait_ready(PATIENCE)
            if not supervisor.stop():
                raise RuntimeError("stop() has not ended all")
        seconds = time.monotonic() - begun
        gc.collect()
        return {
            "seconds": seconds,
            "threads": threading.active_count(),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "zombies": len(_children()),
            "memory": memory("self"),
        }

    def output(self, kind: str, size: int, line: int, ready: Any = None) -> dict[str, float]:
        """One program writes so many bytes; what that takes."""
        from minimon.processes.program import Program

        log, result = self.folder / "log", self.folder / "result"
        where = {"file": str(log), "max_bytes": 10485760, "count": 3} if kind == "file" else "discard"
        if kind == "inherited":
            where = "inherit"
        result.unlink(missing_ok=True)
        command = [sys.executable, PROGRAMS, "write", str(size), str(result), str(line)]
        program = Program("writer", command, output=where, ready=ready)
        supervisor = self._make([program], ring=kind != "discarded").start()
        (process,) = supervisor.processes
        while process.pid() is None:
            time.sleep(0.001)
        pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        cpu, resident = time.process_time(), memory("self")
        if process.wait(PATIENCE) != 0:
            raise RuntimeError(f"the writer: {process.why}")
        cpu, resident = time.process_time() - cpu, memory("self", "VmHWM") - resident
        supervisor.stop()
        for each in self.folder.glob("log*"):
            each.unlink()
        seconds, longest = map(float, result.read_text(encoding="ascii").split())
        return {"seconds": seconds, "longest": longest, "cpu": cpu, "memory": resident}

    def many(self, number: int, kind: str) -> dict[str, float]:
        """So many programs at once: seconds until all are launched, ready, and ended."""
        from minimon.processes.program import Program

        programs = []
        for n in range(number):
            late = 1.0 - n / 100  # the first is the slowest
            command = ["sh", str(self.folder / "slow.sh"), f"{late:.2f}", f"{late / 2:.2f}"]
            ready: Any = {"log": "^ready$"}
            if kind == "listening":
                command, ready = [sys.executable, "-I", "-S", PROGRAMS, "listen", f"{{port:{n}}}"], {}
                ready = {"tcp": f"127.0.0.1:{{port:{n}}}"}
            programs.append(Program(f"p{n}", command, ready=ready, output="discard"))
        (self.folder / "slow.sh").write_text(_slow(), encoding="ascii")
        supervisor = self._make(programs)
        cpu, begun = time.process_time(), time.monotonic()
        supervisor.start()
        while any(process.pid() is None for process in supervisor.processes):
            time.sleep(0.002)
        launched = time.monotonic()
        supervisor.wait_ready(PATIENCE)
        ready_at = time.monotonic()
        if not supervisor.stop():
            raise RuntimeError("stop() has not ended all")
        ended = time.monotonic()
        return {
            "launched": launched - begun,
            "ready": ready_at - begun,
            "stopped": ended - ready_at,
            "cpu": time.process_time() - cpu,
        }


def _slow() -> str:
    import programs

    return programs.SLOW


def _children() -> list[int]:
    """Of this process, whether they live or not."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields = pathlib.Path("/proc", name, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                if int(fields[1]) == os.getpid():
                    found.append(int(name))
    return found


def serve(folder: str) -> None:
    """Do what each line says. What programs write into the host's own output is written into /dev/null."""
    host = Host(folder)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, open(os.devnull, "wb") as nowhere:
        os.set_inheritable(answers.fileno(), False)
        os.dup2(nowhere.fileno(), 1)
        for line in sys.stdin:
            verb, *arguments = json.loads(line)
            print(json.dumps(getattr(host, verb)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[2])
