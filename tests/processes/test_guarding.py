"""What the guard does once the host has ended: against real processes, in this one and as a program of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import wait_until

from minimon.processes import guarding
from minimon.processes.child import Child, Ended
from minimon.processes.guarding import TOKEN, Guard, kill, send, sessions, sessions_of

TERM, KILL = int(signal.SIGTERM), int(signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether it runs; who adopts it may take its time to reap it."""
    try:
        return b") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def pids(path: pathlib.Path, count: int) -> list[int]:
    """The pids that were written into a file."""
    assert wait_until(lambda: path.exists() and path.read_text().count("\n") >= count)
    return [int(line) for line in path.read_text().split()]


def guard_of(*lines: str) -> Guard:
    """One that has heard this."""
    guard = Guard(search=0.3)
    for line in lines:
        guard.hear(line)
    return guard


def seconds_to_end(guard: Guard) -> float:
    """How long it takes to end all."""
    begun = time.monotonic()
    guard.end()
    return time.monotonic() - begun


def trapping(path: pathlib.Path, name: str = "TERM") -> tuple[str, ...]:
    """A command that writes into the file when it is ready, and again when it is told to end."""
    return "sh", "-c", f"trap 'echo told >> {path}; exit 7' {name}; echo ready > {path}; while :; do sleep 0.02; done"


@pytest.fixture
def stubborn(launch: Any, tmp_path: pathlib.Path) -> Callable[[], Child]:
    """Launches what ignores all but SIGKILL."""

    def launched() -> Child:
        path = tmp_path / secrets.token_hex(4)
        child = launch("sh", "-c", f"trap '' TERM; echo > {path}; while :; do sleep 0.05; done")
        assert wait_until(path.exists)
        return child  # type: ignore[no-any-return]

    return launched


# what it hears


def test_a_process_that_runs_is_to_be_ended() -> None:
    """By its signal, after its time by SIGKILL."""
    assert {5: (15, 2.5)} == guard_of("add 5 15 2.5").groups


def test_one_that_has_ended_is_not() -> None:
    """Its pid may be another's."""
    assert {} == guard_of("add 5 15 2.5", "del 5").groups


def test_one_that_was_never_there_may_end() -> None:
    """Of a launch that the guard has missed."""
    assert {} == guard_of("del 5").groups


def test_a_launch_is_pending_until_its_pid_is_known() -> None:
    """Then it is one of those that run."""
    assert ("abc", "") == (guard_of("try abc 15 1").tried, guard_of("try abc 15 1", "add 5 15 2").tried)


@pytest.mark.parametrize("number", ["1e+300", "0", "1.23457e+06"])
def test_times_come_as_numbers_are_written(number: str) -> None:
    """Short ones and long ones."""
    assert {5: (15, float(number))} == guard_of(f"add 5 15 {number}").groups


@pytest.mark.parametrize("line", ["", " ", "add", "add x y z", "add 5", "del", "del x", "try", "nonsense 1 2", "\0"])
def test_nonsense_is_not_heard(line: str) -> None:
    """A guard that ends by it would end nobody."""
    assert {5: (15, 1.0)} == guard_of("add 5 15 1", line).groups


# whom it finds


def test_sessions_know_their_living(launch: Any) -> None:
    """By their leaders."""
    child = launch("sleep", "60")
    assert [child.pid] == (sessions() or {})[child.pid]


def test_sessions_do_not_know_the_dead(launch: Any) -> None:
    """Who is only not reaped yet."""
    child = launch("true")
    wait_until(lambda: child.ended() is not None)
    assert child.pid not in (sessions() or {})


def test_a_name_of_odd_characters_confuses_nobody(launch: Any, tmp_path: pathlib.Path) -> None:
    """Brackets and spaces, as in the file of its state."""
    path = tmp_path / ") Z 1 1"
    path.symlink_to("/bin/sleep")
    child = launch(str(path), "60")
    wait_until(lambda: b") Z" in pathlib.Path(f"/proc/{child.pid}/comm").read_bytes())
    assert [child.pid] == (sessions() or {})[child.pid]


def test_a_token_finds_its_process(launch: Any) -> None:
    """In the environment that it was launched with."""
    token = secrets.token_hex(8)
    child = launch("sleep", "60", env={**os.environ, TOKEN: token})
    assert wait_until(lambda: sessions_of(token) == [child.pid])


@pytest.mark.parametrize("change", [lambda token: token[:-1], lambda token: f"{token}0", lambda token: ""])
def test_no_other_token_finds_it(launch: Any, change: Any) -> None:
    """Not even the beginning of it."""
    token = secrets.token_hex(8)
    launch("sleep", "60", env={**os.environ, TOKEN: token, "X": f"{TOKEN}={change(token)}"})
    wait_until(lambda: sessions_of(token))
    assert [] == sessions_of(change(token))


def test_a_signal_to_nobody_is_harmless(launch: Any) -> None:
    """Their group has ended."""
    child = launch("true")
    wait_until(lambda: child.ended() is not None)
    child.reap()
    assert not send(child.pid, TERM)


def test_kill_leaves_those_of_other_sessions(launch: Any) -> None:
    """Whose pids were once of this one."""
    child, other = launch("sleep", "60"), launch("sleep", "60")
    kill(child.pid, [child.pid, other.pid, 2**22 + 1])
    wait_until(lambda: child.ended() is not None)
    assert other.ended() is None


# how it ends them


def test_nobody_to_end_takes_no_time() -> None:
    """It ends itself."""
    assert seconds_to_end(Guard()) < 0.5


def test_each_is_told_by_its_signal(launch: Any, tmp_path: pathlib.Path) -> None:
    """And has its time."""
    path = tmp_path / "said"
    child = launch(*trapping(path, "USR1"))
    wait_until(path.exists)
    guard_of(f"add {child.pid} {int(signal.SIGUSR1)} 5").end()
    assert (Ended(7), ["ready", "told"]) == (child.ended(), path.read_text().split())


def test_who_ignores_it_is_killed(stubborn: Any) -> None:
    """When the time is over, and not before."""
    child = stubborn()
    seconds = seconds_to_end(guard_of(f"add {child.pid} {TERM} 0.3"))
    assert (Ended(-KILL), True) == (child.ended(), 0.3 <= seconds < 1.0)


def test_each_has_its_own_time(stubborn: Any) -> None:
    """The one that has less does not wait for the other."""
    soon, late = stubborn(), stubborn()
    guard = guard_of(f"add {soon.pid} {TERM} 0", f"add {late.pid} {TERM} 0.5")
    thread = threading.Thread(target=guard.end)
    thread.start()
    wait_until(lambda: soon.ended() is not None)
    waits = late.ended()
    thread.join(5.0)
    assert (None, Ended(-KILL)) == (waits, late.ended())


def test_all_of_a_group_is_told(launch: Any, tmp_path: pathlib.Path) -> None:
    """What it has started too."""
    path = tmp_path / "pids"
    child = launch("sh", "-c", f"sleep 60 & echo $! > {path}; sleep 60 & echo $! >> {path}; wait")
    started = pids(path, 2)
    guard_of(f"add {child.pid} {TERM} 5").end()
    assert not any(map(alive, [child.pid, *started]))


def test_what_a_leader_has_left_behind_is_ended(launch: Any, tmp_path: pathlib.Path) -> None:
    """It has ended before."""
    path = tmp_path / "pids"
    child = launch("sh", "-c", f"sleep 60 & echo $! > {path}")
    started = pids(path, 1)
    wait_until(lambda: child.ended() is not None)
    guard_of(f"add {child.pid} {TERM} 5").end()
    assert not alive(started[0])


GROUP_OF_ITS_OWN = """
import os, sys, time
if not os.fork():
    os.setpgid(0, 0)
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def test_a_group_of_its_own_within_the_session_is_killed(launch: Any, tmp_path: pathlib.Path) -> None:
    """It does not hear the signal to the other group, and its time is over with theirs."""
    path = tmp_path / "pids"
    child = launch(sys.executable, "-S", "-c", GROUP_OF_ITS_OWN, str(path))
    started = pids(path, 1)
    guard_of(f"add {child.pid} {TERM} 0.2").end()
    assert not alive(started[0])


def test_one_that_is_stopped_hears_its_signal(launch: Any, tmp_path: pathlib.Path) -> None:
    """It is continued."""
    path = tmp_path / "said"
    child = launch(*trapping(path))
    wait_until(path.exists)
    child.signal(signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{child.pid}/stat")
    wait_until(lambda: stat.read_bytes().rpartition(b")")[2].split()[0] in (b"T", b"D"))  # D where it has just forked
    guard_of(f"add {child.pid} {TERM} 5").end()
    assert Ended(7) == child.ended()


def test_who_was_told_already_is_not_told_again(launch: Any, tmp_path: pathlib.Path) -> None:
    """Only its time runs."""
    path = tmp_path / "said"
    child = launch(*trapping(path))
    wait_until(path.exists)
    guard_of(f"add {child.pid} {TERM} 0.2", "told").end()
    assert (Ended(-KILL), ["ready"]) == (child.ended(), path.read_text().split())


def test_who_comes_after_that_is_told(launch: Any, tmp_path: pathlib.Path) -> None:
    """A launch that was under way when the interpreter exited."""
    path = tmp_path / "said"
    child = launch(*trapping(path))
    wait_until(path.exists)
    guard_of("told", f"add {child.pid} {TERM} 5").end()
    assert Ended(7) == child.ended()


@pytest.mark.parametrize("before", [(), ("told",)])
def test_a_launch_that_was_pending_is_ended(launch: Any, before: tuple[str, ...]) -> None:
    """It is found by its token, and told in any case."""
    token = secrets.token_hex(8)
    child = launch("sleep", "60", env={**os.environ, TOKEN: token})
    wait_until(lambda: sessions_of(token))
    guard_of(*before, f"try {token} {TERM} 5").end()
    assert Ended(-TERM) == child.ended()


def test_a_launch_that_comes_late_is_ended(launch: Any) -> None:
    """The host has ended just before it was executed."""
    token = secrets.token_hex(8)
    thread = threading.Thread(target=guard_of(f"try {token} {TERM} 5").end)
    thread.start()
    child = launch("sleep", "60", env={**os.environ, TOKEN: token})
    thread.join(5.0)
    assert Ended(-TERM) == child.ended()


def test_a_launch_that_never_came_is_not_waited_for() -> None:
    """For more than its time."""
    assert 0.3 <= seconds_to_end(guard_of("try nobody 15 5")) < 0.8


def test_a_thousand_that_have_ended_take_no_time() -> None:
    """Nobody is told, for nobody is there."""
    guard = guard_of(*(f"add {2**22 + number} {TERM} 60" for number in range(1, 1001)))
    assert seconds_to_end(guard) < 1.0


# as a program of its own


class Guarding:
    """The guard's program, and what it is told."""

    def __init__(self, host: int) -> None:
        command = [sys.executable, "-I", "-S", guarding.__file__, str(host)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True)

    def say(self, line: str) -> None:
        """One line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode())

    def close(self) -> None:
        """As the end of a host does."""
        assert self.process.stdin is not None
        self.process.stdin.close()


@pytest.fixture
def program() -> Iterator[Callable[..., Guarding]]:
    """Starts them, and ends them."""
    made: list[Guarding] = []

    def start(host: int | None = None) -> Guarding:
        made.append(Guarding(os.getpid() if host is None else host))
        return made[-1]

    yield start
    for each in made:
        each.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            each.process.wait(5.0)
        each.process.kill()
        each.process.wait(5.0)


def test_the_end_of_its_input_is_the_end_of_the_host(program: Any, launch: Any) -> None:
    """However that came about."""
    guard, child = program(), launch("sleep", "60")
    guard.say(f"add {child.pid} {TERM} 5\n")
    guard.close()
    assert (0, Ended(-TERM)) == (guard.process.wait(5.0), child.ended())


def test_while_there_is_a_host_it_only_listens(program: Any, launch: Any) -> None:
    """To half a line too, and to odd bytes."""
    guard, child = program(), launch("sleep", "60")
    for line in (f"add {child.pid} {TERM} 5\n", "\n", "del ", f"{child.pid}\n"):
        guard.say(line)
    guard.process.stdin.write(b"\xff\xfe\n")
    guard.close()
    assert (0, None) == (guard.process.wait(5.0), child.ended())


def test_a_host_that_was_gone_before_is_gone(program: Any, launch: Any) -> None:
    """Though somebody holds the pipe; all that it has said is heard."""
    child = launch("sleep", "60")
    guard = program(2**22 + 1)
    with contextlib.suppress(BrokenPipeError):
        guard.say(f"add {child.pid} {TERM} 5\n")
    assert 0 == guard.process.wait(5.0)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGTSTP"])
def test_it_ends_by_no_signal(program: Any, launch: Any, name: str) -> None:
    """Which somebody sends to all, at the end of a terminal, of a container."""
    guard, child = program(), launch("sleep", "60")
    guard.say(f"add {child.pid} {TERM} 5\n")
    ignored = 1 << (getattr(signal, name) - 1)
    status = pathlib.Path(f"/proc/{guard.process.pid}/status")
    ignored |= 1 << (signal.SIGTSTP - 1)  # the last of them
    wait_until(lambda: int(status.read_text().split("SigIgn:")[1].split()[0], 16) & ignored == ignored)
    guard.process.send_signal(getattr(signal, name))
    guard.close()
    assert (0, Ended(-TERM)) == (guard.process.wait(5.0), child.ended())


def test_it_keeps_no_folder_busy(program: Any) -> None:
    """A disk can be taken away."""
    guard = program()
    assert wait_until(lambda: os.readlink(f"/proc/{guard.process.pid}/cwd") == "/")
