"""Supervisor under faults: programs that cannot be launched, die, hang and flood, hosts and systems that lack a lot."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from supervised import PATIENCE, PYTHON, SLACK, SLEEP, host, is_alive, is_stopped, program, running, session, stubborn
from support import few, wait_until

from minimon import Program, Supervisor, Verifier
from minimon.processes.child import Platform
from minimon.processes.lifecycle import State
from minimon.testing import RogueServer

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")

NEVER = {"file": "/nowhere/at/all", "interval": 0.02}
QUICK = {"condition": "on-failure", "delay": 0.05}
NAMELESS = "54321"
"""A user whom limits hold for."""


def failed(supervisor: Supervisor, name: str = "a") -> str:
    """Why a process has failed, once it has."""
    process = supervisor.process(name)
    wait_until(lambda: process.state is State.FAILED)
    return f"{process.state}: {process.why}"


def error_of(call: Callable[[], object]) -> str:
    """What a call raises."""
    with pytest.raises(Exception) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


class Background:
    """A call on a thread of its own, and what came of it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.told = ""
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.told = f"{self._call()}"
        except Exception as error:
            self.told = f"{type(error).__name__}: {error}"

    def result(self) -> str:
        """Once it has ended."""
        self._thread.join(10.0)
        return self.told


# --- what cannot be launched


def made(folder: pathlib.Path, name: str, text: str, mode: int = 0o755) -> str:
    """A file."""
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


UNLAUNCHED: dict[str, Callable[[pathlib.Path], tuple[Program, str]]] = {
    "missing": lambda folder: (Program("a", [f"{folder}/none"]), f"{folder}/none: no such file"),
    "missing in PATH": lambda folder: (Program("a", ["none-of-this"]), "none-of-this: not found in PATH"),
    "a folder": lambda folder: (Program("a", [str(folder)]), f"{folder}: is a directory"),
    "not executable": lambda folder: (
        Program("a", [made(folder, "x", "exit 0", 0o644)]),
        f"{folder}/x: not executable",
    ),
    "empty": lambda folder: (Program("a", [made(folder, "x", "")]), f"{folder}/x: Exec format error"),
    "no interpreter": lambda folder: (
        Program("a", [made(folder, "x", "#!/nowhere\n")]),
        f"{folder}/x: No such file or directory",
    ),
    "arguments too long": lambda folder: (program("a", "x" * (1 << 20)), "sh: Argument list too long"),
    "cwd missing": lambda folder: (program("a", cwd=f"{folder}/none"), f"{folder}/none: cwd is no directory"),
    "cwd a file": lambda folder: (program("a", cwd=made(folder, "x", "")), f"{folder}/x: cwd is no directory"),
    "env_file missing": lambda folder: (
        program("a", env_file=folder / "none"),
        f"{folder}/none: No such file or directory",
    ),
    "env_file nonsense": lambda folder: (
        program("a", env_file=made(folder, "x", "A=1\nnonsense\n")),
        f"{folder}/x:2: expected KEY=VALUE",
    ),
    "log folder missing": lambda folder: (
        program("a", output={"file": f"{folder}/none/log"}),
        f"{folder}/none/log: output cannot be written: No such file or directory",
    ),
    "log a folder": lambda folder: (
        program("a", output={"file": str(folder)}),
        f"{folder}: output cannot be written: Is a directory",
    ),
}


@pytest.mark.parametrize("kind", list(UNLAUNCHED))
def test_what_cannot_be_launched_says_why(kind: str, tmp_path: pathlib.Path) -> None:
    """failed, with the thing and the reason; others are launched all the same."""
    one, why = UNLAUNCHED[kind](tmp_path)
    with running(one, program("b")) as supervisor:
        told = failed(supervisor).replace(shutil.which("sh") or "sh", "sh")
        up = wait_until(lambda: supervisor.process("b").state is State.RUNNING)
        assert (f"failed: it cannot be launched: {why}", True) == (told, up)


@pytest.mark.parametrize("kind", list(UNLAUNCHED))
def test_a_stop_after_a_failed_launch_is_quick(kind: str, tmp_path: pathlib.Path) -> None:
    """There is nothing to be looked for."""
    one, _ = UNLAUNCHED[kind](tmp_path)
    with running(one) as supervisor:
        failed(supervisor)
        assert seconds(supervisor.stop) < 0.8


def test_what_cannot_be_launched_is_tried_again(tmp_path: pathlib.Path) -> None:
    """If its `restart` says so; when it can be, all is well."""
    path = tmp_path / "x"
    with running(Program("a", [str(path)], restart=QUICK, output="discard")) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: one.state is State.BACKOFF)
        why = one.why
        made(tmp_path, "x", f"#!/bin/sh\n{SLEEP}\n")
        assert (f"it cannot be launched: {path}: no such file", True) == (
            why,
            wait_until(lambda: one.state is State.RUNNING and not one.why),
        )


def test_what_never_can_be_launched_is_given_up() -> None:
    """After so many attempts."""
    with running(Program("a", ["/nowhere"], restart={**QUICK, "max_attempts": 2})) as supervisor:
        why = "given up after 2 ends within 60 s: it cannot be launched: /nowhere: no such file"
        assert f"failed: {why}" == failed(supervisor)


def test_restart_of_what_cannot_be_launched_says_why() -> None:
    """At once."""
    with running(Program("a", ["/nowhere"])) as supervisor:
        failed(supervisor)
        told = "NotReadyError: process 'a' has failed: it cannot be launched: /nowhere: no such file"
        assert told == error_of(lambda: supervisor.restart("a", timeout=5.0))


def test_a_port_that_is_taken_is_told_with_what_the_program_said() -> None:
    """Its code and its last line."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code = f"import socket; socket.socket().bind(('127.0.0.1', {port}))"
        one = Program("a", [*PYTHON, code], ready={"tcp": "127.0.0.1:1"}, output="discard")
        with running(one) as supervisor:
            told = error_of(lambda: supervisor.wait_ready(10.0)).splitlines()
            assert ["NotReadyError: process 'a' has failed: it ended with code 1 before it was ready", True] == [
                told[0],
                told[-1].endswith("Address already in use"),
            ]


# --- what dies


def test_one_that_dies_before_it_is_ready_is_launched_again(tmp_path: pathlib.Path) -> None:
    """It is ready the second time."""
    flag = tmp_path / "flag"
    script = f"test -e {flag} || {{ touch {flag}; exit 3; }}; echo up; {SLEEP}"
    with running(program("a", script, ready={"log": "up"}, restart=QUICK)) as supervisor:
        one = supervisor.process("a")
        assert (True, 1) == (wait_until(lambda: one.state is State.READY), one.restarts)


def test_one_that_dies_when_it_is_ready_has_failed_though_live_was_not_looked_at() -> None:
    """Its code says so."""
    looked: list[int] = []
    live = {"all": [lambda: looked.append(1)], "interval": 5}
    with running(program("a", "echo up; exit 3", ready={"log": "up"}, live=live)) as supervisor:
        one = supervisor.process("a")
        ended = wait_until(lambda: one.state in (State.EXITED, State.FAILED))
        assert (True, 3, False, []) == (ended, one.poll(), supervisor.is_healthy(), looked)


def test_one_that_dies_while_live_is_looked_at_is_not_waited_for() -> None:
    """Whatever the look says in the end."""
    leave, begun = threading.Event(), threading.Event()
    live = {"all": [lambda: begun.set() or leave.wait(20.0)], "interval": 0.01, "timeout": 60}
    with running(program("a", live=live, restart=QUICK)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        begun.wait(5.0)
        one.kill()
        again = wait_until(lambda: one.restarts == 1, SLACK)
        leave.set()
        assert (True, -9) == (again, one.life.code)


def test_one_that_dies_during_the_stop_is_stopped() -> None:
    """Whatever kills it."""
    script = f"trap '' TERM; echo up; {SLEEP}"
    with running(stubborn("a", script, stop={"timeout": 60}), grace=60.0) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        supervisor.shut_down()
        wait_until(lambda: one.state is State.STOPPING)
        os.kill(one.pid() or 0, signal.SIGKILL)
        took = seconds(supervisor.stop)
        assert ("stopped", -9, True) == (str(one.state), one.poll(), took < SLACK)


def test_one_that_leaves_with_an_error_when_it_is_told_to_is_stopped() -> None:
    """That is no failure, and no reason to launch it again."""
    script = "exec 2>/dev/null; trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done"
    with running(program("a", script, ready={"log": "up"}, restart=QUICK)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        assert (True, "stopped", 5, "", 0) == (one.stop(), str(one.state), one.poll(), one.why, one.restarts)


def test_one_that_closes_its_output_lives_on() -> None:
    """It is its end that counts."""
    with running(program("a", f"echo up; exec >&- 2>&-; {SLEEP}", ready={"log": "up"})) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        assert (False, "ready") == (wait_until(lambda: one.state is not State.READY, 0.1), str(one.state))


# --- what stands still


def test_one_that_was_stopped_by_a_signal_hears_the_end() -> None:
    """TERM, and CONT then: it leaves by itself, long before KILL."""
    script = "exec 2>/dev/null; trap 'echo TERM; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    with running(program("a", script, ready={"log": "up"}, stop={"timeout": 20}), grace=20.0) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        one.signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(one.pid()))
        took = seconds(supervisor.stop)
        assert (["up", "TERM"], 0, True) == (one.log(), one.poll(), took < SLACK)


def test_one_that_was_stopped_by_a_signal_does_not_get_ready() -> None:
    """It is ended when its time is over."""
    script = f"kill -STOP $$; echo up; {SLEEP}"
    with running(program("a", script, ready={"log": "up", "timeout": 0.15})) as supervisor:
        assert "failed: it was not ready within 0.15 s: no line fits 'up'" == failed(supervisor)


@pytest.mark.long
def test_one_that_was_stopped_by_a_signal_does_not_live() -> None:
    """It is launched again after one look, which takes 5 s: for so long it did not hold."""
    code = (
        "import socket, sys; one = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True: c = one.accept()[0]; c.recv(99); c.sendall(b'HTTP/1.1 204 No\\r\\n\\r\\n'); c.close()"
    )
    gate = {"http": "http://127.0.0.1:{port:a}/", "interval": 0.05, "timeout": 10}
    options: dict[str, Any] = {"live": {**gate, "timeout": 0.1}, "restart": QUICK, "output": "discard"}
    with running(Program("a", [*PYTHON, code, "{port:a}"], ready=gate, **options)) as supervisor:
        one = supervisor.wait_ready(10.0).process("a")
        first = one.pid()
        one.signal(signal.SIGSTOP)
        assert wait_until(lambda: one.pid() not in (None, first) and one.state is State.READY, 8.0)


# --- verifiers


class Answering(Verifier):
    """Does what it was told to do."""

    def __init__(self, call: Callable[[], bool], timeout: float = 30.0) -> None:
        self._call, self.timeout = call, timeout

    def run(self, process: Any) -> bool:
        """Do it."""
        return self._call()


@pytest.mark.long
def test_a_verifier_that_hangs_is_left_alone_when_its_time_is_over() -> None:
    """A second is added for its own timeout."""
    leave = threading.Event()
    with running(program("a", ready=Answering(lambda: leave.wait(20.0), 0.1))) as supervisor:
        told = failed(supervisor)
        leave.set()
        assert "failed: it was not ready within 1.1 s: a look at it has not come to its end" == told


def test_a_verifier_that_raises_has_not_passed() -> None:
    """With what it has raised."""
    with running(program("a", ready=Answering(lambda: bool(1 / 0)))) as supervisor:
        told = "failed: it is not ready: Answering raised ZeroDivisionError: division by zero"
        assert told == failed(supervisor)


def test_a_verifier_that_exits_has_not_passed() -> None:
    """SystemExit ends nothing else."""
    with running(program("a", ready=Answering(sys.exit))) as supervisor:
        assert "failed: it is not ready: SystemExit: " == failed(supervisor)


def test_a_verifier_may_take_its_time() -> None:
    """Others do not wait for it."""
    gate = threading.Event()
    with running(program("a", ready=Answering(lambda: gate.wait(20.0))), program("b")) as supervisor:
        up = wait_until(lambda: supervisor.process("b").state is State.RUNNING)
        starting = supervisor.process("a").state
        gate.set()
        assert (True, "starting", "ready") == (
            up,
            str(starting),
            str(supervisor.wait_ready(5.0).process("a").state),
        )


def test_a_stop_does_not_wait_for_a_verifier() -> None:
    """The process has ended; False, since a thread of it goes on."""
    leave = threading.Event()
    with running(stubborn("a", ready=Answering(lambda: leave.wait(20.0)))) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: one.state is State.STARTING)
        pid = one.pid()
        begun = time.monotonic()
        ended = supervisor.stop()
        took = time.monotonic() - begun
        leave.set()
        assert (False, False, True) == (ended, is_alive(pid), took < PATIENCE + SLACK)


@pytest.mark.long
def test_a_hundred_verifiers_that_hang_hold_up_nobody() -> None:
    """Each has its own thread, and each is given up."""
    leave = threading.Event()
    programs = [program(str(number), ready=Answering(lambda: leave.wait(20.0), 0.1)) for number in range(100)]
    with running(*programs, program("a", ready=lambda: True)) as supervisor:
        up = wait_until(lambda: supervisor.process("a").state is State.READY)
        gone = wait_until(lambda: supervisor.snapshot()["counts"]["failed"] == 100, 10.0)
        leave.set()
        assert (True, True) == (up, gone)


ROGUES = {
    "redirect_loop": "redirects in a ring",
    "garbage": "headers: not an HTTP/1",
    "reset": "headers: Connection reset",
    "empty": "headers: closed",
}


def test_servers_that_misbehave_are_not_ready() -> None:
    """They say why, when time is over."""
    with contextlib.ExitStack() as stack:
        urls = {name: stack.enter_context(RogueServer(name)).url for name in ROGUES}
        times = {"timeout": 0.3, "interval": 0.05}
        programs = [program(name, ready={"http": url, **times}) for name, url in urls.items()]
        supervisor = stack.enter_context(running(*programs))
        told = {name: failed(supervisor, name).partition("s: ")[2][: len(why)] for name, why in ROGUES.items()}
        assert ROGUES == told


def test_a_server_that_answers_late_is_ready_in_the_end() -> None:
    """A look may take longer than its interval."""
    with RogueServer("delay", seconds=0.3) as server:
        with running(program("a", ready={"http": server.url, "interval": 0.02})) as supervisor:
            assert "ready" == str(supervisor.wait_ready(5.0).process("a").state)


@pytest.mark.parametrize("key", ["ready", "live"])
def test_a_condition_that_raises_does_not_hold(key: str) -> None:
    """Whatever it raises."""
    gate = {"all": [sys.exit], "timeout": 0.1, "interval": 0.02}
    with running(program("a", **{key: gate})) as supervisor:
        told = failed(supervisor)
        assert ("failed: it", True) == (told[:10], "SystemExit" in told)


# --- output


FLOOD = "yes | head -c 1000000; echo up"


def test_a_full_disk_costs_output_and_nothing_else(small: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is lost is counted, and warned of once; the program goes on."""
    script = f"{FLOOD}; {SLEEP}"
    with running(program("a", script, output={"file": str(small / "log")}, ready={"log": "up"})) as supervisor:
        supervisor.wait_ready(5.0)
        view = supervisor.snapshot()["processes"]["a"]
        told = [line for line in caplog.messages if "No space left on device" in line]
        assert ("ready", 1000003, True, 1) == (
            view["state"],
            view["output_bytes"],
            0 < 1000003 - view["dropped_bytes"] <= 65536,
            len(told),
        )


def test_when_a_disk_has_room_again_what_was_lost_is_told_there(small: pathlib.Path) -> None:
    """In the file itself."""
    big, log = small / "big", small / "log"
    script = f"{FLOOD}; read line; echo again; {SLEEP}"
    with running(program("a", script, output={"file": str(log)}, ready={"log": "up"}, stdin=True)) as supervisor:
        big.write_bytes(b"x" * 40000)
        one = supervisor.wait_ready(5.0).process("a")
        lost = supervisor.snapshot()["processes"]["a"]["dropped_bytes"]
        big.unlink()
        one.write("go\n")
        told = f"\n[minimon: {lost} bytes could not be written here]\nagain\n"
        assert (True, told) == (wait_until(lambda: log.read_text().endswith("again\n")), log.read_text()[-len(told) :])


def test_a_folder_that_is_read_only_is_told_at_the_launch(small: pathlib.Path) -> None:
    """The program is not launched: nobody would know what it says."""
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with running(program("a", output={"file": str(small / "log")})) as supervisor:
        why = f"{small}/log: output cannot be written: Read-only file system"
        assert f"failed: it cannot be launched: {why}" == failed(supervisor)


def test_a_folder_that_turns_read_only_keeps_nobody_from_being_launched_again(small: pathlib.Path) -> None:
    """What ran once goes on, with its output lost."""
    with running(program("a", output={"file": str(small / "log")})) as supervisor:
        supervisor.wait_ready(5.0)
        subprocess.run(["mount", "-o", "remount,ro", str(small)], capture_output=True)
        one = supervisor.restart("a", timeout=5.0)
        assert ("running", 1) == (str(one.state), one.restarts)


@pytest.mark.slow
@pytest.mark.parametrize("output", ["discard", "inherit", "file"])
def test_floods_do_not_hold_up_the_stop(output: str, tmp_path: pathlib.Path) -> None:
    """Of programs that ignore TERM, and whose output nobody reads."""
    told = f"{{'file': {str(tmp_path / 'log')!r}, 'max_bytes': 100000}}" if output == "file" else repr(output)
    script = f"""
    line = "trap '' TERM; yes & echo up; while :; do yes; done"
    programs = [program(str(number), line, ready={{"log": "up"}}, output={told}) for number in range(4)]
    supervisor = Supervisor(programs).start().wait_ready()
    begun = time.monotonic()
    found = supervisor.stop(), time.monotonic() - begun < {PATIENCE + SLACK}, supervisor.snapshot()["counts"]["stopped"]
    os.write(3, repr(found).encode())
    """
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    with host("if True:\n    os.dup2(int(sys.argv[1]), 3)" + script, fds=(writing,)):
        os.close(writing)
        found = os.read(reading, 100).decode()
        os.close(reading)
        assert "(True, True, 4)" == found


def test_a_leftover_that_floods_does_not_hold_up_the_end() -> None:
    """The leader has ended; what comes from its child does not keep that from being known."""
    script = "yes & sleep 0.05; exit 3"
    with running(program("a", script)) as supervisor:
        one = supervisor.process("a")
        assert (True, 3) == (wait_until(lambda: one.state is State.EXITED, 0.05 + SLACK), one.poll())


# --- hosts that lose exit codes

LOSING = {
    "ignores SIGCHLD": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "reaps everything": """
def reap():
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            pause.wait(0.001)
threading.Thread(target=reap, daemon=True).start()
""",
}


@pytest.mark.parametrize("kind", list(LOSING))
def test_a_host_that_loses_exit_codes_is_told_once(kind: str) -> None:
    """The code is null, and that is a failure: nobody knows what came of it; unless it was seen before."""
    script = f"""{LOSING[kind]}
supervisor = Supervisor([program(name, "exit 0") for name in "abcdef"], on_change=lambda change: None).start()
wait_until(lambda: all(str(each.state) == "exited" for each in supervisor.processes))
views = supervisor.snapshot()["processes"].values()
tell({{(view["state"], view["code"], view["well"], view["why"]) for view in views}} - {{("exited", 0, True, "")}})
tell(sum("SIGCHLD" in text and "->" not in text for text in warned), supervisor.is_healthy(), supervisor.stop())
"""
    why = "it ended, and its exit code was lost: the host ignores SIGCHLD, or waits for any child"
    with host(script) as one:
        assert (0, f"{ {('exited', None, False, why)} }\n1 False True", "") == one.rest()


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(LOSING))
def test_in_a_host_that_loses_exit_codes_programs_come_back_and_end(kind: str) -> None:
    """Launched again, as after any failure; TERM, KILL and the last sweep reach all of them."""
    script = f"""{LOSING[kind]}
again = {{"condition": "on-failure", "delay": 0.05}}
line = f"trap '' CHLD; ({{STUBBORN}}) & {{STUBBORN}}"
supervisor = Supervisor([stubborn("a", line, restart=again), program("b"), stubborn("c", f"({{STUBBORN}}) & exit 0")])
supervisor.start()
one = supervisor.process("a")
wait_until(lambda: str(one.state) == "ready")
first = one.pid()
os.kill(first, 9)
wait_until(lambda: one.restarts == 1 and str(one.state) == "ready")
second = one.pid()
begun = time.monotonic()
ended = supervisor.stop(), time.monotonic() - begun < {PATIENCE + SLACK}
tell(session(first), *ended, session(second))
"""
    with host(script) as one:
        assert ((0, "set() True True set()", ""), []) == (one.rest(), one.left(0.5))


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(LOSING))
def test_a_host_that_loses_exit_codes_leaves_nothing_when_it_exits(kind: str) -> None:
    """Nor when it is killed: the guard waits for nobody's code."""
    script = f"{LOSING[kind]}\nsupervisor = Supervisor([stubborn('a'), program('b')]).start().wait_ready()"
    with host(script) as one:
        assert ((0, "", ""), []) == (one.rest(), one.left(PATIENCE + 2 * SLACK))


# --- the guard


def test_a_guard_that_was_killed_is_launched_again() -> None:
    """Another pid; the processes stay as they are."""
    with running(program("a"), guard=True) as supervisor:
        pid = supervisor.wait_ready(5.0).process("a").pid()
        first = supervisor.snapshot()["guard_pid"]
        os.kill(first, signal.SIGKILL)
        again = wait_until(lambda: supervisor.snapshot()["guard_pid"] not in (None, first))
        assert (True, pid, True) == (again, supervisor.process("a").pid(), is_alive(pid))


@pytest.mark.slow
def test_a_guard_that_was_launched_again_knows_what_runs() -> None:
    """The host is killed then."""
    script = """
    supervisor = Supervisor([stubborn("a"), program("b")]).start().wait_ready()
    first = supervisor.snapshot()["guard_pid"]
    os.kill(first, 9)
    wait_until(lambda: supervisor.snapshot()["guard_pid"] not in (None, first))
    tell("up")
    pause.wait(30)
    """
    with host("if True:" + script) as one:
        told = one.told()
        one.end()
        assert ("up", []) == (told, one.left(PATIENCE + 2 * SLACK))


def test_a_guard_that_ends_again_and_again_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """With a warning; all else goes on."""
    with running(program("a"), guard=True) as supervisor:
        supervisor.wait_ready(5.0)
        killed: list[Any] = [None]
        for _ in range(6):
            wait_until(lambda: supervisor.snapshot()["guard_pid"] not in killed)
            killed.append(supervisor.snapshot()["guard_pid"])
            os.kill(killed[-1], signal.SIGKILL)
        told = "the guard has ended 6 times; there is none any more"
        assert (True, None, "running") == (
            wait_until(lambda: told in caplog.messages),
            supervisor.snapshot()["guard_pid"],
            str(supervisor.process("a").state),
        )


def test_a_guard_that_stands_still_does_not_hold_up_the_stop() -> None:
    """It has nothing to do any more."""
    with running(program("a"), guard=True) as supervisor:
        supervisor.wait_ready(5.0)
        guard = supervisor.snapshot()["guard_pid"]
        os.kill(guard, signal.SIGSTOP)
        begun = time.monotonic()
        ended = supervisor.stop()
        assert (True, True, False) == (ended, time.monotonic() - begun < SLACK, is_alive(guard))


def test_signals_to_the_group_of_the_host_do_not_reach_the_guard() -> None:
    """It leads a session of its own, and takes no TERM."""
    with running(program("a"), guard=True) as supervisor:
        supervisor.wait_ready(5.0)
        guard = supervisor.snapshot()["guard_pid"]
        status = pathlib.Path(f"/proc/{guard}/status")
        wait_until(lambda: int(status.read_text().partition("SigIgn:")[2].split()[0], 16) & 1 << signal.SIGTERM - 1)
        os.kill(guard, signal.SIGTERM)
        os.kill(guard, signal.SIGINT)
        assert (False, guard) == (wait_until(lambda: not is_alive(guard), 0.1), os.getsid(guard))


# --- several things at once


@pytest.mark.parametrize("number", few(range(20), 2))
def test_a_stop_right_after_the_start_leaves_nothing(number: int) -> None:
    """Whatever was launched until then."""
    with running(*(program(str(one), depends_on=["0"] if one > 10 else ()) for one in range(20))) as supervisor:
        pause = threading.Event()
        pause.wait(number * 0.003)  # the moment is what is asked for
        ended = supervisor.stop()
        assert (True, {"stopped": 20}) == (
            ended,
            {state: count for state, count in supervisor.snapshot()["counts"].items() if count},
        )


def test_two_with_the_same_names_do_not_mind_each_other() -> None:
    """One of them fails, and stops."""
    with running(program("a"), program("b")) as one:
        one.wait_ready(5.0)
        other = Supervisor([program("a", "exit 3"), program("b")]).start()
        wait_until(lambda: other.process("a").state is State.EXITED)
        other.restart("b", timeout=5.0)
        ended = other.stop()
        assert (True, True, [0, 0]) == (ended, one.is_healthy(), [each.restarts for each in one.processes])


def test_a_stop_gives_up_a_restart() -> None:
    """Whoever waits for that is told at once."""
    with running(stubborn("a")) as supervisor:
        supervisor.wait_ready(5.0)
        one = Background(lambda: supervisor.restart("a"))
        wait_until(lambda: supervisor.process("a").state is State.STOPPING)
        ended = supervisor.stop()
        told = one.result()
        assert (True, "stopped", "LifecycleError: the supervisor is ") == (
            ended,
            str(supervisor.process("a").state),
            told[: len("LifecycleError: the supervisor is ")],
        )


def test_a_stop_gives_up_a_restart_that_waits_to_be_ready() -> None:
    """At once too."""
    with running(program("a", ready=NEVER)) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.STARTING)
        one = Background(lambda: supervisor.restart("a"))
        wait_until(lambda: supervisor.process("a").restarts == 1)
        took = seconds(supervisor.stop)
        assert (True, "LifecycleError") == (took < SLACK, one.result().partition(":")[0])


def test_a_second_restart_is_refused_while_the_first_runs() -> None:
    """The first comes to its end."""
    with running(stubborn("a")) as supervisor:
        supervisor.wait_ready(5.0)
        one = Background(lambda: supervisor.restart("a").state)
        wait_until(lambda: supervisor.process("a").state is State.STOPPING)
        told = error_of(lambda: supervisor.restart("a"))
        assert ("LifecycleError: process 'a' is being restarted already", "ready", 1) == (
            told,
            one.result(),
            supervisor.process("a").restarts,
        )


def test_restarts_of_several_run_beside_each_other() -> None:
    """Each has its own time."""
    with running(stubborn("a"), stubborn("b"), stubborn("c")) as supervisor:
        supervisor.wait_ready(5.0)
        begun = time.monotonic()
        told = [Background(lambda name=name: supervisor.restart(name).state) for name in "abc"]
        results = [each.result() for each in told]
        assert (["ready"] * 3, True) == (results, time.monotonic() - begun < PATIENCE + SLACK)


def test_a_stop_of_a_process_gives_up_its_restart() -> None:
    """The last word counts."""
    with running(stubborn("a")) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        restart = Background(lambda: supervisor.restart("a"))
        wait_until(lambda: one.state is State.STOPPING)
        stopped = one.stop()
        assert (True, "stopped", "LifecycleError", 0) == (
            stopped,
            str(one.state),
            restart.result().partition(":")[0],
            one.restarts,
        )


def test_a_restart_takes_the_place_of_a_stop_of_the_process() -> None:
    """The last word counts."""
    with running(stubborn("a")) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        stop = Background(one.stop)
        wait_until(lambda: one.state is State.STOPPING)
        again = supervisor.restart("a", timeout=5.0)
        assert ("False", "ready", 1) == (stop.result(), str(again.state), again.restarts)


def test_a_restart_in_backoff_does_not_wait_for_that() -> None:
    """It is launched at once."""
    restart = {"condition": "always", "delay": 30}
    with running(program("a", "read line; exit 3", stdin=True, restart=restart)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        one.write("x\n")
        wait_until(lambda: one.state is State.BACKOFF)
        took = seconds(lambda: supervisor.restart("a", timeout=5.0))
        assert ("running", True) == (str(one.state), took < SLACK)


def test_nothing_is_restarted_while_all_is_stopped() -> None:
    """It says why."""
    with running(stubborn("a"), program("b")) as supervisor:
        supervisor.wait_ready(5.0)
        supervisor.shut_down()
        told = error_of(lambda: supervisor.restart("b", timeout=5.0))
        assert "LifecycleError: the supervisor is being stopped" == told


def test_stops_from_several_threads_come_to_the_same_end() -> None:
    """True for all of them."""
    with running(stubborn("a")) as supervisor:
        supervisor.wait_ready(5.0)
        assert ["True"] * 5 == [each.result() for each in [Background(supervisor.stop) for _ in range(5)]]


@pytest.mark.long
def test_what_is_asked_for_at_any_moment_comes_to_an_end() -> None:
    """Restarts, starts and stops of the same processes from many threads, and a stop of all in the midst of it."""
    leave = threading.Event()

    def ask(call: Callable[[], object]) -> int:
        asked = 0
        while not leave.is_set():
            with_error = Background(call).result()
            asked += bool(with_error) or 1
        return asked

    with running(*(program(name, restart=QUICK) for name in "abc")) as supervisor:
        supervisor.wait_ready(5.0)
        calls = [
            call
            for each in supervisor.processes
            for call in (each.restart, each.start, lambda each=each: each.stop(1.0), each.kill)
        ]
        askers = [Background(lambda call=call: ask(call)) for call in calls]
        wait_until(lambda: sum(each.restarts for each in supervisor.processes) > 20)
        ended = supervisor.stop()
        leave.set()
        assert (True, True, {None}) == (
            ended,
            all(int(each.result()) > 0 for each in askers),
            {each.pid() for each in supervisor.processes},
        )


# --- what the system does not offer


def without(why: str, *begin: str) -> tuple[str, ...]:
    """How a host begins that limits hold for; skips the test where nobody can become another user."""
    if os.geteuid() != 0:
        return begin
    root = ("setpriv", f"--reuid={NAMELESS}", f"--regid={NAMELESS}", "--clear-groups")
    read = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    command = [*root, *read, sys.executable, "-I", "-S", "-c", f"open({__file__!r}).close()"]
    if shutil.which("setpriv") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip(f"nobody can become another user here, {why}")
    return (*root, *read)


def test_without_threads_it_does_not_start() -> None:
    """It says why, leaves nothing, and starts when there are some again."""
    script = """
import resource
limits = resource.getrlimit(resource.RLIMIT_NPROC)
supervisor = Supervisor([program("a")], on_change=lambda change: None)
resource.setrlimit(resource.RLIMIT_NPROC, (1, limits[1]))
try:
    supervisor.start()
except Exception as error:
    tell(f"{type(error).__name__}: {error}")
tell(supervisor.running, supervisor.stop(), [one.name for one in threading.enumerate()])
resource.setrlimit(resource.RLIMIT_NPROC, limits)
tell(supervisor.start().wait_ready().status, supervisor.stop())
"""
    with host(script, begin=without("so no limit holds")) as one:
        error = "LifecycleError: the supervisor got no thread: can't start new thread; raise the system's limit"
        assert (0, f"{error}\nFalse True ['MainThread']\nrunning True", "") == one.rest()


def test_without_processes_programs_say_so_and_come_up_later() -> None:
    """fork() fails: they are tried again as their `restart` says."""
    script = """
import resource
limits = resource.getrlimit(resource.RLIMIT_NPROC)
again = {"condition": "on-failure", "delay": 0.05, "max_attempts": 1000}
gate = threading.Event()
supervisor = Supervisor([program("a", restart=again)])
supervisor.start().wait_ready()
resource.setrlimit(resource.RLIMIT_NPROC, (1, limits[1]))
one = supervisor.process("a")
one.kill()
wait_until(lambda: "launched" in one.why)
tell(one.why.rpartition(": ")[2])
resource.setrlimit(resource.RLIMIT_NPROC, limits)
wait_until(lambda: str(one.state) == "running")
tell(one.state, supervisor.stop())
"""
    with host(script, begin=without("so no limit holds")) as one:
        assert (0, "Resource temporarily unavailable\nrunning True", "") == one.rest()


@pytest.mark.slow
def test_without_descriptors_programs_say_so_and_the_others_run() -> None:
    """Nothing is left of them; stop() comes to its end."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
supervisor = Supervisor([program(str(number)) for number in range(40)]).start()
wait_until(lambda: supervisor.snapshot()["counts"]["stopped"] == 0)
counts = supervisor.snapshot()["counts"]
whys = {each.why.rpartition(": ")[2] for each in supervisor.processes if str(each.state) == "failed"}
tell(counts["running"] > 5, counts["running"] + counts["failed"], whys, supervisor.stop())
"""
    with host(script) as one:
        assert ((0, "True 40 {'Too many open files'} True", ""), []) == (one.rest(), one.left(0.5))


def test_a_start_without_descriptors_raises_and_leaves_nothing() -> None:
    """It can be started when there are some again."""
    script = """
import resource
supervisor = Supervisor([program("a")], on_change=lambda change: None)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
told = set()
for limit in range(3, 8):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        supervisor.start()
    except Exception as error:
        told.add(f"{type(error).__name__}: {error}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    supervisor.stop()
tell(told, supervisor.running, [one.name for one in threading.enumerate()])
tell(supervisor.start().wait_ready().status, supervisor.stop())
"""
    with host(script) as one:
        error = "LifecycleError: the supervisor got no descriptors: Too many open files; raise the system's limit"
        assert (0, f"{ {error} } False ['MainThread']\nrunning True", "") == one.rest()


LESS = {
    "no pidfd": Platform(pidfd=False),
    "no /proc": Platform(proc=False),
    "neither": Platform(pidfd=False, proc=False),
    "no waitid either": Platform(pidfd=False, waitid=False, proc=False),
}


@pytest.mark.parametrize("kind", list(LESS))
def test_with_less_of_a_system_programs_come_up_and_end(kind: str) -> None:
    """Codes, failures, restarts and the stop are the same."""
    programs = [
        program("a", restart=QUICK),
        program("b", "exit 3"),
        stubborn("c", depends_on=["a"]),
        program("d", "exit 0", ready={"exit": 0}),
    ]
    with running(*programs, platform=LESS[kind]) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: one.state is State.RUNNING)
        one.kill()
        again = wait_until(lambda: one.restarts == 1 and one.state is State.RUNNING)
        wait_until(lambda: supervisor.process("c").state is State.READY)
        wait_until(lambda: all(supervisor.process(name).state is State.EXITED for name in "bd"))
        codes = [each.poll() for each in supervisor.processes]
        begun = time.monotonic()
        ended = supervisor.stop()
        assert (True, [None, 3, None, 0], True, True) == (
            again,
            codes,
            ended,
            time.monotonic() - begun < PATIENCE + SLACK,
        )


@pytest.mark.parametrize("kind", list(LESS))
def test_with_less_of_a_system_nothing_of_a_group_is_left(kind: str) -> None:
    """What ignores TERM gets KILL."""
    with running(stubborn("a", "(trap '' TERM; echo up; exec sleep 60) & wait"), platform=LESS[kind]) as supervisor:
        leader = supervisor.wait_ready(5.0).process("a").pid()
        ended = supervisor.stop()
        assert (True, True) == (ended, wait_until(lambda: not session(leader)))  # it takes a moment to die


def test_what_a_system_lacks_is_told() -> None:
    """In the snapshot."""
    with running(program("a"), platform=Platform(proc=False)) as supervisor:
        told = "no /proc: what a process has started is killed at once when that has ended"
        assert [told] == supervisor.snapshot()["lacking"]


def test_a_host_without_descriptors_of_its_own_runs_programs() -> None:
    """0, 1 and 2 are closed, as of a daemon: they are nobody else's then."""
    script = """
    for fd in (0, 1, 2):
        os.close(fd)
    supervisor = Supervisor([program("a", "cat; echo out; echo err >&2; exec sleep 60", output="inherit")]).start()
    one = supervisor.process("a")
    wait_until(lambda: sorted(one.log()) == ["err", "out"])
    os._exit(0 if sorted(one.log()) == ["err", "out"] and supervisor.stop() else 1)
    """
    with host("if True:" + script) as one:
        assert (0, "", "") == one.rest()


def test_a_broken_stdout_of_the_host_holds_up_nobody() -> None:
    """Whoever reads it has gone: the ring is filled all the same."""
    script = """
    supervisor = Supervisor([program("a", "yes | head -c 300000; echo up; exec sleep 60", output="inherit",
                                     ready={"log": "up"})])
    tell("go")
    sys.stdin.readline()
    supervisor.start().wait_ready()
    os._exit(0 if supervisor.stop() else 1)
    """
    with host("if True:" + script, stdin=subprocess.PIPE) as one:
        one.told()
        assert one.popen.stdout is not None and one.popen.stdin is not None
        one.popen.stdout.close()
        one.popen.stdin.write("x\n")
        one.popen.stdin.flush()
        assert 0 == one.popen.wait(20.0)


def test_a_handler_of_the_log_that_raises_holds_up_nobody() -> None:
    """It is the host's."""

    class Raises(logging.Handler):
        """Always."""

        def handle(self, record: logging.LogRecord) -> bool:
            """Raise."""
            raise SystemError("of the host")

    handler = Raises()
    logging.getLogger("minimon").addHandler(handler)
    try:
        with running(program("a", "exit 3", restart=QUICK)) as supervisor:
            again = wait_until(lambda: supervisor.process("a").restarts == 1)
            assert (True, True) == (again, supervisor.stop())
    finally:
        logging.getLogger("minimon").removeHandler(handler)


def test_nothing_is_read_from_a_program_that_has_none_to_read() -> None:
    """ring=False with output discard: no pipe, no line, no thread that reads."""
    with running(program("a", f"echo hello; {SLEEP}"), ring=False) as supervisor:
        supervisor.wait_ready(5.0)
        assert ([], 0) == (supervisor.process("a").log(), supervisor.snapshot()["processes"]["a"]["output_bytes"])
