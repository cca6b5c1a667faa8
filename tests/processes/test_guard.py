"""The host's side of the guard: real hosts are killed, and none of their processes is left."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import ROOT, descriptors, python, wait_until

from minimon.processes.child import Ended
from minimon.processes.guard import Guard, lacking
from minimon.processes.guarding import TOKEN

TERM, KILL = int(signal.SIGTERM), int(signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether it runs; who adopts it may take its time to reap it."""
    try:
        return b") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


@pytest.fixture
def guard() -> Iterator[Guard]:
    """One that runs, and has ended in the end."""
    guard = Guard()
    child = guard.start([])
    yield guard
    guard.close()
    assert wait_until(lambda: child.ended() is not None)
    child.reap()


def over(guard: Guard) -> Ended | None:
    """The host lets it go; how it has ended."""
    child = guard.child
    assert child is not None
    guard.close()
    wait_until(lambda: child.ended() is not None)
    return child.ended()


# told by a host that lives


def test_it_ends_what_runs(guard: Guard, launch: Any) -> None:
    """When it is let go."""
    child = launch("sleep", "60")
    guard.add(child.pid, TERM, 5.0)
    assert (Ended(0), Ended(-TERM)) == (over(guard), child.ended())


def test_it_leaves_what_has_ended(guard: Guard, launch: Any) -> None:
    """Whose pid may be another's."""
    child = launch("sleep", "60")
    guard.add(child.pid, TERM, 5.0)
    guard.remove(child.pid)
    assert (Ended(0), None) == (over(guard), child.ended())


def test_it_tells_nobody_twice(guard: Guard, launch: Any, tmp_path: pathlib.Path) -> None:
    """An interpreter that exits has told them."""
    path = tmp_path / "said"
    child = launch("sh", "-c", f"trap 'exit 7' TERM; echo > {path}; while :; do sleep 0.02; done")
    wait_until(path.exists)
    guard.add(child.pid, TERM, 0.2)
    guard.told()
    assert (Ended(0), Ended(-KILL)) == (over(guard), child.ended())


@pytest.mark.long
def test_it_finds_what_was_being_launched(guard: Guard, launch: Any) -> None:
    """By its token."""
    child = launch("sleep", "60", env={**os.environ, TOKEN: guard.announce(15, 1.0)})
    assert (Ended(0), Ended(-TERM)) == (over(guard), child.ended())


def test_each_launch_has_its_own_token() -> None:
    """Which nobody guesses."""
    guard = Guard()
    assert 100 == len({guard.announce(15, 1.0) for _ in range(100)})


def test_it_knows_from_the_start_what_runs(launch: Any) -> None:
    """It is launched anew when the last one has ended."""
    child, guard = launch("sleep", "60"), Guard()
    guard.start([(child.pid, TERM, 5.0)])
    assert (Ended(0), Ended(-TERM)) == (over(guard), child.ended())
    guard.child.reap()  # type: ignore[union-attr]


def test_it_has_a_pid_while_it_runs(guard: Guard) -> None:
    """And none before."""
    assert (None, True) == (Guard().pid, alive(guard.pid or 0))


def test_it_has_a_session_of_its_own(guard: Guard) -> None:
    """Who kills the host's group does not reach it."""
    assert guard.pid == os.getsid(guard.pid or 0)


def test_one_that_was_killed_hears_nothing(guard: Guard) -> None:
    """And nobody fails by that."""
    os.kill(guard.pid or 0, KILL)
    wait_until(lambda: guard.child is not None and guard.child.ended() is not None)
    assert guard.add(1, TERM, 1.0) is None  # type: ignore[func-returns-value]


def test_one_that_was_never_started_hears_nothing() -> None:
    """And nobody fails by that."""
    assert Guard().told() is None  # type: ignore[func-returns-value]


def test_it_leaves_nothing_open() -> None:
    """After its end."""
    before = descriptors()
    guard = Guard()
    child = guard.start([])
    over(guard)
    child.reap()
    assert before == descriptors()


WITHOUT_PYTHON = """
import os, sys
from minimon.processes.guard import Guard
sys.executable = "/no/such/python"
before = len(os.listdir("/proc/self/fd"))
try:
    Guard().start([])
except OSError as error:
    print(error.strerror, len(os.listdir("/proc/self/fd")) - before)
"""


def test_where_it_cannot_be_launched_nothing_is_left_open() -> None:
    """It raises."""
    assert "No such file or directory 0\n" == python(WITHOUT_PYTHON, "-W", "error").stdout


LACKING = """
import sys
from minimon.processes.guard import lacking
{change}
print(lacking())
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("", ""),
        ("sys.frozen = True", "the program is frozen: it would start itself again"),
        ("sys.executable = ''", "sys.executable is no plain Python: it would start the host again"),
        ("sys.executable = None", "sys.executable is no plain Python: it would start the host again"),
        ("sys.executable = '/usr/bin/env'", "env is no plain Python: it would start the host again"),
        ("sys.executable = '/no/python3'", "python3 is no plain Python: it would start the host again"),
    ],
)
def test_what_is_no_python_is_not_launched(change: str, said: str) -> None:
    """It would be the host itself."""
    assert f"{said}\n" == python(LACKING.format(change=change)).stdout


def test_here_it_can_be_launched() -> None:
    """In the tests."""
    assert "" == lacking()


# hosts that are killed

HOST = """
import json, os, sys, time
from minimon.processes.child import spawn
from minimon.processes.guard import Guard
from minimon.processes.guarding import TOKEN

guard = Guard()
guard.start([])

def launch(code, timeout=5.0, number=15):
    child = spawn(["sh", "-c", code])
    guard.add(child.pid, number, timeout)
    return child

def tell(*pids):
    print(json.dumps([guard.pid, *pids]), flush=True)
    time.sleep(60)

"""


class Host:
    """A process with a guard, which is killed."""

    def __init__(self, code: str, path: str = str(ROOT)) -> None:
        environment = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "-c", HOST + code]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True)
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 10.0)[0]
        self.guard, *self.pids = json.loads(self.process.stdout.readline())

    def kill(self) -> bool:
        """As if there were no memory left; whether all of its processes end, and the guard then."""
        self.process.kill()
        self.process.wait(5.0)
        return wait_until(lambda: not any(map(alive, [*self.pids, self.guard])))


@pytest.fixture
def host() -> Iterator[Callable[..., Host]]:
    """Starts hosts, and leaves nothing of them."""
    hosts: list[Host] = []

    def start(code: str, **options: Any) -> Host:
        hosts.append(Host(code, **options))
        return hosts[-1]

    yield start
    for each in hosts:
        each.process.kill()
        each.process.wait(5.0)
        assert each.process.stdout is not None
        each.process.stdout.close()
        for pid in [*each.pids, each.guard]:
            with contextlib.suppress(OSError):
                os.kill(pid, KILL)


def test_a_host_that_is_killed_leaves_nothing(host: Any) -> None:
    """Neither its processes, nor the guard."""
    assert host("tell(launch('sleep 60').pid, launch('sleep 60').pid)").kill()


FORKING = """
code = "for i in 1 2 3; do sh -c 'sleep 60 & sleep 60' & done; wait"
child = launch(code)
from minimon.processes.guarding import sessions
while len(sessions()[child.pid]) < 10:
    time.sleep(0.01)
tell(*sessions()[child.pid])
"""


def test_children_of_its_processes_end_too(host: Any) -> None:
    """And those of theirs."""
    assert host(FORKING).kill()


IGNORING = """
child = launch("trap '' TERM INT HUP; echo > {path}; while :; do sleep 0.05; done", 0.2)
while not os.path.exists("{path}"):
    time.sleep(0.01)
tell(child.pid)
"""


def test_who_ignores_its_signal_is_killed(host: Any, tmp_path: pathlib.Path) -> None:
    """When its time is over."""
    assert host(IGNORING.format(path=tmp_path / "ready")).kill()


OWN_GROUP = '''
code = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pid = os.fork()
if not pid:
    os.setpgid(0, 0)
time.sleep(60)
"""
child = spawn([sys.executable, "-S", "-c", code])
guard.add(child.pid, 15, 0.2)
from minimon.processes.guarding import sessions
while len({os.getpgid(pid) for pid in sessions().get(child.pid, [])}) < 2:
    time.sleep(0.01)
tell(*sessions()[child.pid])
'''


def test_groups_of_their_own_are_killed(host: Any) -> None:
    """As long as they are of the session."""
    assert host(OWN_GROUP).kill()


FORKED = """
child = launch("sleep 60")
pid = os.fork()
if not pid:
    time.sleep(60)
print(json.dumps([guard.pid, child.pid, pid]), flush=True)
time.sleep(60)
"""


def test_a_forked_child_that_holds_the_pipe_delays_nothing(host: Any) -> None:
    """It is none of the guard's, and goes on."""
    started = host(FORKED)
    forked = started.pids.pop()
    found = started.kill(), alive(forked)
    os.kill(forked, KILL)
    assert (True, True) == found


MINDFUL = """
child = launch("sleep 60")
pid = os.fork()
if not pid:
    guard.after_fork()
    os._exit(guard.pid is not None)
code = os.waitpid(pid, 0)[1]
tell(child.pid, code)
"""


def test_a_forked_child_ends_nobody(host: Any) -> None:
    """It lets its copy of the pipe go; the guard is the parent's."""
    started = host(MINDFUL)
    code = started.pids.pop()
    assert (0, True, True) == (code, alive(started.pids[0]), started.kill())


PENDING = """
child = spawn(["sleep", "60"], env={**os.environ, TOKEN: guard.announce(15, 1.0)})
tell(child.pid)
"""


@pytest.mark.slow
def test_what_was_being_launched_ends_too(host: Any) -> None:
    """The host was killed before it could say the pid."""
    assert host(PENDING).kill()


def test_a_host_that_is_killed_with_its_group_leaves_nothing(host: Any) -> None:
    """The guard has its own."""
    started = host("tell(launch('sleep 60').pid)")
    os.killpg(started.process.pid, KILL)
    assert started.kill()


def test_a_host_that_exits_leaves_nothing(host: Any) -> None:
    """Without a word."""
    assert host("print(json.dumps([guard.pid, launch('sleep 60').pid]), flush=True); os._exit(3)").kill()


def test_it_is_found_in_a_zip_as_well(host: Any, tmp_path: pathlib.Path) -> None:
    """From which a host may be run."""
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (ROOT / "minimon").rglob("*.py"):
            archive.write(path, path.relative_to(ROOT))
    started = host("tell(launch('sleep 60').pid)", path=str(tmp_path / "all.zip"))
    assert started.kill()
