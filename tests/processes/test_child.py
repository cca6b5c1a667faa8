"""Processes that were launched: signals to their groups, their ends, and what they inherit. All of them real."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support import descriptors, python, wait_until

from minimon.processes.child import Child, Ended, Platform, living, run, spawn

PLATFORMS = {
    "all": Platform(),
    "no pidfd": Platform(pidfd=False),
    "no waitid": Platform(pidfd=False, waitid=False),
    "nothing": Platform(pidfd=False, waitid=False, proc=False),
}
SEEING = [name for name, platform in PLATFORMS.items() if platform.waitid]


def how(child: Child) -> Ended | None:
    """How it has ended, in time."""
    wait_until(lambda: child.ended() is not None)
    return child.ended()


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


# ends


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("code", "found"), [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", -9)])
def test_an_end_is_seen(launch: Any, platform: str, code: str, found: int) -> None:
    """By its code, or its signal."""
    assert Ended(found) == how(launch("sh", "-c", code, platform=PLATFORMS[platform]))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_while_it_runs_there_is_no_end(launch: Any, platform: str) -> None:
    """It is asked again."""
    assert launch("sleep", "60", platform=PLATFORMS[platform]).ended() is None


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_end_may_be_seen_many_times(launch: Any, platform: str) -> None:
    """It is the same."""
    child = launch("sh", "-c", "exit 3", platform=PLATFORMS[platform])
    assert [Ended(3)] * 3 == [how(child), child.ended(), child.ended()]


@pytest.mark.parametrize("platform", SEEING)
def test_an_end_that_is_seen_is_not_taken(launch: Any, platform: str) -> None:
    """Its pid stays its own."""
    child = launch("true", platform=PLATFORMS[platform])
    how(child)
    assert os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT) is not None


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_end_can_be_waited_for(launch: Any, platform: str) -> None:
    """Where nothing else tells."""
    child = launch("sh", "-c", "exit 3", platform=PLATFORMS[platform])
    child.wait()
    assert Ended(3) == child.ended()


def test_an_end_is_told_like_input(launch: Any) -> None:
    """By a descriptor, where the system has it."""
    import select

    child = launch("true")
    if child.fd < 0:
        pytest.skip("this system has none")
    assert [child.fd] == select.select([child.fd], [], [], 5.0)[0]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_code_that_somebody_else_took_is_lost(launch: Any, platform: str) -> None:
    """It is not taken for 0."""
    child = launch("sh", "-c", "exit 3", platform=PLATFORMS[platform])
    os.waitpid(child.pid, 0)
    assert Ended(None) == child.ended()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_many_threads_may_look(launch: Any, platform: str) -> None:
    """While one waits; all see the same end."""
    child = launch("sh", "-c", "sleep 0.1; exit 3", platform=PLATFORMS[platform])
    waiting = threading.Thread(target=child.wait)
    waiting.start()
    found: list[Ended | None] = []
    looking = [threading.Thread(target=lambda: found.append(how(child))) for _ in range(4)]
    for thread in looking:
        thread.start()
    for thread in (waiting, *looking):
        thread.join(5.0)
    assert [Ended(3)] * 4 == found


@pytest.mark.parametrize("platform", PLATFORMS)
def test_reaping_leaves_nothing(launch: Any, platform: str) -> None:
    """No zombie, no descriptor."""
    before = descriptors()
    child = launch("true", platform=PLATFORMS[platform], stdin=subprocess.PIPE)
    how(child)
    child.reap()
    assert (before, False) == (descriptors(), os.path.exists(f"/proc/{child.pid}"))


def test_reaping_twice_is_harmless(launch: Any) -> None:
    """Nothing is closed that is another's by then."""
    child = launch("true")
    how(child)
    child.reap()
    reading, writing = os.pipe()
    child.reap()
    assert 1 == os.write(writing, b"x")
    os.close(reading), os.close(writing)


# signals


def test_a_signal_goes_to_all_of_its_group(launch: Any, tmp_path: pathlib.Path) -> None:
    """To what it has started as well."""
    path = tmp_path / "pids"
    child = launch("sh", "-c", f"sleep 60 & echo $! > {path}; sleep 60 & echo $! >> {path}; wait")
    started = pids(path, 2)
    child.signal(signal.SIGTERM)
    assert wait_until(lambda: not any(map(alive, [child.pid, *started])))


def test_a_signal_to_the_leader_goes_to_it_alone(launch: Any, tmp_path: pathlib.Path) -> None:
    """The others go on."""
    path = tmp_path / "pids"
    child = launch("sh", "-c", f"trap 'exit 7' USR1; sleep 60 & echo $! > {path}; wait")
    started = pids(path, 1)
    child.signal_leader(signal.SIGUSR1)
    assert (Ended(7), True) == (how(child), alive(started[0]))


def test_the_group_of_a_leader_that_has_ended_hears_signals(launch: Any, tmp_path: pathlib.Path) -> None:
    """As long as it is not reaped."""
    path = tmp_path / "pids"
    child = launch("sh", "-c", f"sleep 60 & echo $! > {path}")
    started = pids(path, 1)
    how(child)
    assert (True, True) == (child.signal(signal.SIGTERM), wait_until(lambda: not alive(started[0])))


def test_a_leader_that_has_ended_hears_nothing(launch: Any) -> None:
    """There is nobody to hear it."""
    child = launch("true")
    how(child)
    assert not child.signal_leader(signal.SIGTERM)


@pytest.mark.parametrize("how_sent", ["signal", "signal_leader"])
def test_nothing_is_sent_once_it_was_reaped(launch: Any, how_sent: str) -> None:
    """Its pid may be another's."""
    child = launch("true")
    how(child)
    child.reap()
    assert not getattr(child, how_sent)(signal.SIGTERM)


def test_nothing_is_sent_to_what_somebody_else_has_reaped(launch: Any) -> None:
    """Its pid may be another's."""
    child = launch("true")
    os.waitpid(child.pid, 0)
    assert not child.signal(signal.SIGTERM)


@pytest.mark.parametrize("number", [10**9, -1, 65])
def test_what_is_no_signal_is_not_sent(launch: Any, number: int) -> None:
    """And raises nothing."""
    assert not launch("sleep", "60").signal(number)


STUBBORN = "trap '' TERM INT HUP; "


def test_kill_ends_what_ignores_all_else(launch: Any) -> None:
    """SIGKILL cannot be ignored."""
    child = launch("sh", "-c", f"{STUBBORN} while :; do sleep 1; done")
    child.kill()
    assert Ended(-9) == how(child)


GROUP_OF_ITS_OWN = """
import os, sys, time
pid = os.fork()
if not pid:
    os.setpgid(0, 0)
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def test_kill_ends_groups_within_the_session(launch: Any, tmp_path: pathlib.Path) -> None:
    """Where somebody tells of them."""
    path = tmp_path / "pids"
    child = launch(sys.executable, "-S", "-c", GROUP_OF_ITS_OWN, str(path))
    started = pids(path, 1)
    child.kill((living(Platform()) or {})[child.pid])
    assert wait_until(lambda: not alive(started[0]))


def test_kill_does_not_end_whoever_is_not_of_the_session(launch: Any) -> None:
    """A pid that was seen a moment ago may be another's by now."""
    other, child = launch("sleep", "60"), launch("sleep", "60")
    child.kill([child.pid, other.pid])
    how(child)
    assert other.ended() is None


def test_kill_ends_the_session_of_a_leader_that_was_lost(launch: Any, tmp_path: pathlib.Path) -> None:
    """Its pid cannot be another's while they live."""
    path = tmp_path / "pids"
    child = launch("sh", "-c", f"sleep 60 & echo $! > {path}")
    started = pids(path, 1)
    os.waitpid(child.pid, 0)
    child.kill(started)
    assert wait_until(lambda: not alive(started[0]))


def test_sessions_tell_who_lives(launch: Any, tmp_path: pathlib.Path) -> None:
    """The leader, and what it has started."""
    path = tmp_path / "pids"
    child = launch("sh", "-c", f"sleep 60 & echo $! > {path}; wait")
    assert sorted([child.pid, *pids(path, 1)]) == sorted((living(Platform()) or {})[child.pid])


def test_where_nobody_tells_nobody_is_known() -> None:
    """No /proc."""
    assert living(Platform(proc=False)) is None


FORKED = """
import os, signal
from minimon.processes.child import spawn
child = spawn(["sleep", "60"])
pid = os.fork()
if not pid:
    sent = child.signal(signal.SIGKILL)
    child.kill([child.pid])
    child.forget()
    os._exit(sent or child.signal(signal.SIGKILL) or child.fd != -1)
code = os.waitpid(pid, 0)[1]
print(code, child.ended())
child.kill()
child.wait()
child.reap()
"""


def test_a_forked_child_sends_nothing() -> None:
    """They are the parent's."""
    assert "0 None\n" == python(FORKED).stdout


# launching


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["no-such-command"], FileNotFoundError),
        (["/no/such/command"], FileNotFoundError),
        (["/"], PermissionError),
        (["/etc/passwd"], PermissionError),
        (["a\0b"], ValueError),
        (["true", "a\0b"], ValueError),
        (["true", "x" * 3_000_000], OSError),
        (["true", "\ud800"], UnicodeEncodeError),
    ],
    ids=range(8),
)
def test_what_cannot_be_launched_raises(command: list[str], error: type[Exception]) -> None:
    """At once, and leaves nothing open."""
    before = descriptors()
    with pytest.raises(error):
        spawn(command)
    assert before == descriptors()


def test_a_file_of_no_format_raises(tmp_path: pathlib.Path) -> None:
    """Neither a program nor a script."""
    path = tmp_path / "x"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o755)
    with pytest.raises(OSError, match="Exec format error"):
        spawn([str(path)])


def test_a_folder_that_is_not_there_raises() -> None:
    """The working one."""
    with pytest.raises(FileNotFoundError):
        spawn(["true"], cwd="/no/such/folder")


def test_variables_that_cannot_be_given_raise() -> None:
    """A name with an =."""
    with pytest.raises(ValueError):
        spawn(["true"], env={"A=B": "c"})


SAYS = """
import json, os, signal, sys
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "ignored": int(status["SigIgn"], 16), "blocked": int(status["SigBlk"], 16), "argv": sys.argv[1:],
    "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1], "session": os.getsid(0) == os.getpid(),
    "stdin": os.path.realpath("/proc/self/fd/0"), "folder": os.getcwd(), "env": dict(os.environ),
}))
"""


def said(launch: Any, *arguments: str, **options: Any) -> Any:
    """What a process says of itself."""
    reading, writing = os.pipe()
    with open(reading, "rb") as file:
        launch(sys.executable, "-S", "-c", SAYS, *arguments, stdout=writing, **options)
        os.close(writing)
        return json.loads(file.read())


def test_it_has_a_session_of_its_own(launch: Any) -> None:
    """Ctrl-C in the host's terminal is not for it."""
    assert said(launch)["session"]


def test_it_reads_nothing(launch: Any) -> None:
    """Unless it is given a pipe."""
    assert "/dev/null" == said(launch)["stdin"]


def test_it_inherits_no_descriptor(launch: Any) -> None:
    """Not even one that the host has made inheritable."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    found = said(launch)["descriptors"]
    os.close(reading), os.close(writing)
    assert [0, 1, 2] == found


def test_it_gets_its_folder_and_variables(launch: Any, tmp_path: pathlib.Path) -> None:
    """And no others."""
    found = said(launch, cwd=str(tmp_path), env={"A": "b"})
    found["env"].pop("LC_CTYPE", None)  # of Python's own making
    assert (str(tmp_path), {"A": "b"}) == (found["folder"], found["env"])


def test_it_may_be_called_otherwise(launch: Any) -> None:
    """Than its executable."""
    child = launch("renamed", "-c", "exit 3", executable="/bin/sh")
    assert Ended(3) == how(child)


@contextlib.contextmanager
def odd_signals(how_odd: str) -> Iterator[None]:
    """A host that ignores, or blocks, what its processes need."""
    before = signal.getsignal(signal.SIGTERM)
    if how_odd == "ignored":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1])
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1])


ODD = ["ignored", "blocked"]


@pytest.mark.parametrize("odd", ODD)
def test_signals_of_the_host_are_none_of_the_child_s(launch: Any, odd: str) -> None:
    """What it ignores or blocks, its processes do not."""
    plain = said(launch)
    with odd_signals(odd):
        found = said(launch, "a b", "")
    assert (plain["ignored"], 0, ["a b", ""]) == (found["ignored"], found["blocked"], found["argv"])


@pytest.mark.parametrize("odd", ODD)
def test_a_broken_pipe_ends_the_child(launch: Any, odd: str) -> None:
    """As it does without: Python, which has cleared the way, ignores it."""
    with odd_signals(odd):
        child = launch("sh", "-c", "kill -PIPE $$; exit 3")
    assert Ended(-signal.SIGPIPE) == how(child)


@pytest.mark.parametrize("odd", ODD)
def test_term_ends_the_child(launch: Any, odd: str) -> None:
    """Of such a host."""
    with odd_signals(odd):
        child = launch("sleep", "60")
    wait_until(lambda: b"sleep" in pathlib.Path(f"/proc/{child.pid}/comm").read_bytes())
    child.signal(signal.SIGTERM)
    assert Ended(-signal.SIGTERM) == how(child)


@pytest.mark.parametrize("odd", ODD)
def test_a_command_of_such_a_host_is_found_in_path(launch: Any, odd: str, tmp_path: pathlib.Path) -> None:
    """In that of the program's own variables."""
    (tmp_path / "mine").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "mine").chmod(0o755)
    with odd_signals(odd):
        child = launch("mine", env={"PATH": f"/no/such:{tmp_path}"})
    assert Ended(3) == how(child)


@pytest.mark.parametrize("odd", ODD)
def test_a_command_of_such_a_host_is_found_in_its_folder(launch: Any, odd: str, tmp_path: pathlib.Path) -> None:
    """The one in which it is launched."""
    (tmp_path / "mine").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "mine").chmod(0o755)
    with odd_signals(odd):
        child = launch("./mine", cwd=str(tmp_path))
    assert Ended(3) == how(child)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("command", "error"),
    [("no-such-command", FileNotFoundError), ("/no/such/command", FileNotFoundError), ("/etc/passwd", PermissionError)],
)
def test_what_such_a_host_cannot_launch_raises(odd: str, command: str, error: type[Exception]) -> None:
    """At once, as anywhere."""
    with odd_signals(odd), pytest.raises(error):
        spawn([command])


IN_A_HOST = """
import os, signal, sys
from minimon.processes.child import Platform, run, spawn
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
platform = Platform(*[word == "1" for word in "{platform}"])
child = spawn(["sh", "-c", "exit 3"], platform=platform)
child.wait()
while child.ended() is None:
    pass
print(child.ended().code, child.signal(15))
child.reap()
said = run(["sh", "-c", "sleep 0.1; echo out; exit 0"], 5.0, platform=platform)
print(said)
print(run(["sh", "-c", "true & wait; echo $?"], 5.0, platform=platform)[1])
"""


@pytest.mark.parametrize("platform", ["111", "011", "000"])
def test_a_host_that_ignores_sigchld_loses_codes(platform: str) -> None:
    """They are lost, and not 0; and the process itself may wait for its own."""
    lost = "its exit code was lost: the host ignores SIGCHLD, or waits for any child"
    ended = python(IN_A_HOST.replace("{platform}", platform), "-W", "error")
    assert (["None False", str((None, lost)), lost], "") == (ended.stdout.splitlines(), ended.stderr)


UWSGI = """
import signal, sys
from minimon.processes.child import spawn
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.executable = "/usr/bin/env"
child = spawn(["sh", "-c", "exit 3"])
child.wait()
print(child.ended().code)
child.reap()
"""


def test_a_host_that_is_no_python_is_not_started_again() -> None:
    """uWSGI names itself as the executable."""
    assert "3\n" == python(UWSGI).stdout


# commands that are run to their end


@pytest.mark.parametrize("platform", ["all", "nothing"])
@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("echo a; echo b >&2; exit 3", (3, "a\nb")),
        ("exit 0", (0, "")),
        ("printf '\\377'; kill -9 $$", (-9, "\ufffd")),
        ("head -c 10000 /dev/zero | tr '\\0' x; printf end", (0, "x" * 4093 + "end")),
        ("exec >&- 2>&-; sleep 0.05; exit 4", (4, "")),
        ("sleep 60 & exit 5", (5, "")),
    ],
    ids=range(6),
)
def test_a_command_is_run_to_its_end(platform: str, code: str, found: tuple[int, str]) -> None:
    """Its code, and the last of its output."""
    assert found == run(["sh", "-c", code], 5.0, platform=PLATFORMS[platform])


@pytest.mark.parametrize("platform", ["all", "nothing"])
@pytest.mark.parametrize("code", ["sleep 60", f"{STUBBORN} while :; do sleep 1; done", "yes", "exec >&-; sleep 60"])
def test_a_command_that_takes_too_long_is_ended(platform: str, code: str) -> None:
    """Whatever it does."""
    begun = time.monotonic()
    found = run(["sh", "-c", code], 0.1, platform=PLATFORMS[platform])
    assert ((None, "it took longer than 0.1 s"), True) == (found, time.monotonic() - begun < 1.5)


def test_a_command_that_has_no_time_is_ended() -> None:
    """And told."""
    assert (None, "it took longer than 0 s") == run(["sleep", "60"], 0.0)


def test_a_command_leaves_nothing_that_it_has_started(tmp_path: pathlib.Path) -> None:
    """Not even in groups of their own."""
    path = tmp_path / "pids"
    run([sys.executable, "-S", "-c", GROUP_OF_ITS_OWN, str(path)], 0.3)
    assert wait_until(lambda: not any(map(alive, pids(path, 1))))


def test_what_a_command_has_started_may_flood() -> None:
    """The command itself has ended."""
    begun = time.monotonic()
    code, _ = run(["sh", "-c", "for i in 1 2 3 4; do yes & done; exit 3"], 5.0)
    assert (3, True) == (code, time.monotonic() - begun < 1.5)


@pytest.mark.parametrize("command", [["true"], ["sh", "-c", "sleep 60 & exit 1"], ["sleep", "60"]])
def test_a_command_leaves_nothing_open(command: list[str]) -> None:
    """However it ends."""
    before = descriptors()
    run(command, 0.1)
    assert before == descriptors()


def test_a_command_that_is_missing_leaves_nothing_open() -> None:
    """It raises."""
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        run(["no-such-command"], 1.0)
    assert before == descriptors()
