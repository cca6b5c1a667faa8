"""The commands `supervise` and `ctl`: exit codes, signals, the daemon, a command beside the processes."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support import ROOT, few, wait_until

from minimon import HealthCheckServer, Program, Supervisor
from minimon.cli import main

pytestmark = [
    pytest.mark.slow,  # starts many interpreters
    pytest.mark.skipif(os.name == "nt", reason="signals and sessions of Unix"),
]

QUIET = {"executable": "sleep", "arguments": ["60"]}
STUBBORN = {"executable": "sh", "arguments": ["-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"]}
SERVER = "import http.server as h; h.HTTPServer(('127.0.0.1', {port:w}), h.SimpleHTTPRequestHandler).serve_forever()"


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ask(port: int, method: str, path: str) -> tuple[int, Any]:
    """Code and document of an answer; code 0 for none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except OSError:
        return 0, None
    finally:
        connection.close()


def living(word: str) -> list[int]:
    """Pids of processes, zombies apart, in whose command line that stands."""
    found = []
    for name in os.listdir("/proc"):
        try:
            line = pathlib.Path(f"/proc/{name}/cmdline").read_bytes()
            state = pathlib.Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            continue
        if name.isdigit() and word.encode() in line and state != "Z":
            found.append(int(name))
    return found


class Folder:
    """A folder with a process file, and how to run it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self.port = path, free_port()
        self.mark = f"minimon-test-{os.getpid()}-{self.port}"
        self.started: list[subprocess.Popen[str]] = []

    def write(self, *, serves: bool = False, **values: Any) -> None:
        """The file; with its interface on `port`."""
        http = {"http": {"enabled": True, "port": self.port}} if serves else {}
        (self.path / "pymanager.json").write_text(json.dumps({**http, **values}))

    def marked(self, entry: dict[str, Any]) -> dict[str, Any]:
        """A process that can be found by its command line."""
        return {**entry, "arguments": [*entry["arguments"], self.mark]} if entry["executable"] == "sh" else entry

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """`supervise` with these words."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        command = [sys.executable, "-m", "minimon", "supervise", *words]
        started = subprocess.Popen(command, cwd=self.path, env=environment, text=True, **{**pipes, **options})
        self.started.append(started)
        return started

    def run(self, *words: str) -> tuple[int, str, str]:
        """The same to its end: code, stdout, stderr."""
        started = self.start(*words)
        said = started.communicate(timeout=30)
        return (started.returncode, *said)

    def until(self, status: str) -> bool:
        """Wait until the interface says so."""
        return wait_until(lambda: ask(self.port, "GET", "/status") == (200, {"status": status}), 10)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> Iterator[Folder]:
    """Whatever was started there has ended afterwards."""
    made = Folder(tmp_path)
    yield made
    ask(made.port, "DELETE", "/")
    for each in made.started:
        if each.poll() is None:
            each.kill()
        each.communicate()


# exit codes


def test_the_example_of_the_manual_runs(folder: Folder) -> None:
    """As written, but for its URL: up, listed, told to end, ended with 0."""
    (folder.path / "test.py").write_text(SERVER.replace("{port:w}", "int(sys.argv[2])").replace("as h;", "as h, sys;"))
    site = free_port()
    folder.write(
        serves=True,
        modules={"pymutils.http_verifier": {"verifiers": ["HttpOkVerifier"]}},
        **{"keep-alive": True},
        processes={
            "test": {
                "executable": "python3",
                "arguments": ["test.py", "-v", str(site)],
                "options": {"suppress_output": False},
                "verifier": {
                    "type": "pymutils.http_verifier.HttpOkVerifier",
                    "arguments": {"url": f"http://localhost:{site}/", "interval": 0.1},
                },
            }
        },
    )
    started = folder.start()
    up = folder.until("running")
    code, listed = ask(folder.port, "GET", "/")
    expected = {"id": 1, "command": f"python3 test.py -v {site}", "status": "running", "pid": None}
    ended = ask(folder.port, "DELETE", "/")
    assert (True, 200, {"count": 1, "processes": [expected]}, (200, {"success": True}), 0) == (
        up,
        code,
        {**listed, "processes": [{**each, "pid": None} for each in listed["processes"]]},
        ended,
        started.wait(10),
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-f", "nope.json"], 1, "minimon: nope.json: there is no such file; say which with -f FILE\n"),
        (["-f", "."], 2, "minimon: .: cannot be read: Is a directory\n"),
        (["-f", "wrong.json"], 3, "minimon: wrong.json:1: not JSON: Expecting value (column 1)\n"),
        (["-f", "none.json"], 4, "minimon: none.json: processes: there are none\n"),
    ],
)
def test_an_exit_code_says_what_is_wrong_with_the_file(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    """One line, and nothing was started."""
    (tmp_path / "wrong.json").write_text("nonsense")
    (tmp_path / "none.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert (code, ("", said)) == (main(["supervise", *words]), tuple(capsys.readouterr()))


def test_a_wrong_command_line_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    """As it ever was."""
    assert 64 == main(["supervise", "--foo"])


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """-V, whatever else is there."""
    assert (0, True) == (main(["supervise", "-V"]), capsys.readouterr().out.startswith("minimon "))


def test_a_file_can_be_checked_alone(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started."""
    folder.write(processes={"a": QUIET, "b": QUIET})
    path = str(folder.path / "pymanager.json")
    assert (0, f"{path}: 2 processes, nothing is wrong\n") == (
        main(["supervise", "--check", "-f", path]),
        capsys.readouterr().out,
    )


def test_it_ends_when_all_have_ended(folder: Folder) -> None:
    """With 0, and nothing is said that the process has not said."""
    folder.write(processes={"a": {"executable": "sh", "arguments": ["-c", "echo hello; exit 3"]}})
    assert (0, "hello\n", "") == folder.run()


def test_a_launch_that_fails_is_5(folder: Folder) -> None:
    """It ends by itself, and says what is missing."""
    folder.write(processes={"a": {"executable": "./nope", "arguments": []}})
    said = "minimon: process 'a' has failed: it cannot be launched: ./nope: no such file\n"
    assert (5, "", said) == folder.run()


def test_what_does_not_get_ready_is_told_with_its_last_lines(folder: Folder) -> None:
    """At once when it has ended, and the others end with it."""
    wrong = {"executable": "sh", "arguments": ["-c", "echo no luck >&2; exit 7"], "ready": {"tcp": "localhost:1"}}
    folder.write(processes={"db": folder.marked(STUBBORN), "web": wrong}, **{"graceful-time": 0.2})
    code, _, said = folder.run()
    told = "minimon: process 'web' has failed: it ended with code 7 before it was ready\n    no luck\n"
    assert (5, f"no luck\n{told}", []) == (code, said, living(folder.mark))


def test_a_taken_port_is_told(folder: Folder) -> None:
    """It went unnoticed once."""
    folder.write(serves=True, processes={"a": QUIET})
    with socket.socket() as other:
        other.bind(("127.0.0.1", folder.port))
        other.listen()
        code, _, said = folder.run()
    assert (5, True) == (code, f"port {folder.port} cannot be had: Address already in use" in said)


# signals


@pytest.mark.parametrize("name", few(["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"]))
def test_a_signal_ends_all(folder: Folder, name: str) -> None:
    """Gracefully, and with 0."""
    folder.write(serves=True, **{"keep-alive": True, "graceful-time": 0.3}, processes={"a": folder.marked(STUBBORN)})
    started = folder.start()
    folder.until("running")
    started.send_signal(getattr(signal, name))
    assert (0, []) == (started.wait(10), living(folder.mark))


def test_a_second_sigint_kills(folder: Folder) -> None:
    """What does not want to end need not."""
    folder.write(serves=True, **{"graceful-time": 60}, processes={"a": folder.marked(STUBBORN)})
    started = folder.start()
    folder.until("running")
    started.send_signal(signal.SIGINT)
    folder.until("shutdown")
    started.send_signal(signal.SIGINT)
    assert (0, []) == (started.wait(10), living(folder.mark))


def test_a_kill_leaves_nothing(folder: Folder) -> None:
    """The guard ends what was left."""
    folder.write(serves=True, **{"graceful-time": 0.2}, processes={"a": folder.marked(STUBBORN)})
    started = folder.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder.until("running")
    started.kill()
    started.wait()
    assert wait_until(lambda: living(folder.mark) == [], 3)


# messages


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], ""),
        (["process.exit"], "Process sh -c exit 3 exited with code 3\n"),
        (["verifier.fail"], "Verifier fail: Expected exit code 0, got 3\n"),
        (["verifier.verbose"], "Verifier fail: Expected exit code 0, got 3\n"),
    ],
    ids=["none", "exits", "failures", "all of a verifier"],
)
def test_messages_are_told_that_are_wanted(folder: Folder, messages: list[str], said: str) -> None:
    """And no other."""
    kind = "pymutils.exited_verifier.ExitedVerifier"
    entry = {"executable": "sh", "arguments": ["-c", "exit 3"], "verifier": {"type": kind}}
    modules = {"pymutils.exited_verifier": {"verifiers": ["ExitedVerifier"]}}
    folder.write(messages=messages, modules=modules, processes={"a": entry})
    assert (5, said) == folder.run()[:2]


def test_steps_are_told_into_a_file(folder: Folder) -> None:
    """-v says what is done, -l where that goes."""
    folder.write(processes={"a": {"executable": "true", "arguments": []}})
    code, said, _ = folder.run("-v", "-l", "steps.log")
    told = (folder.path / "steps.log").read_text().splitlines()
    assert (0, "", True) == (code, said, "process a: stopped -> starting" in [line[20:] for line in told])


# the daemon


def test_a_daemon_goes_on(folder: Folder) -> None:
    """The parent ends with 0 when all are ready; the daemon has no terminal, and ends when it is told to."""
    stubborn = folder.marked({**STUBBORN, "ready": {"log": "up"}})
    folder.write(serves=True, **{"keep-alive": True, "graceful-time": 0.2}, processes={"a": stubborn})
    code = folder.run("-d")[0]
    up = ask(folder.port, "GET", "/status")
    ask(folder.port, "DELETE", "/")
    assert (0, (200, {"status": "running"}), True) == (code, up, wait_until(lambda: living(folder.mark) == [], 5))


def test_a_daemon_whose_launch_fails_says_so(folder: Folder) -> None:
    """By the parent, with its code and on its terminal."""
    folder.write(processes={"a": {"executable": "false", "arguments": [], "ready": {"exit": 0}}})
    code, _, said = folder.run("-d")
    assert (5, True) == (code, "process 'a' has failed: it ended with code 1" in said)


def test_a_daemon_outlives_its_terminal(folder: Folder) -> None:
    """Nothing of it hangs on to it."""
    folder.write(serves=True, **{"keep-alive": True, "graceful-time": 0.2}, processes={"a": QUIET})
    ours, theirs = os.openpty()
    started = folder.start("-d", stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    code = started.wait(10)
    os.close(ours)
    assert (0, (200, {"status": "running"})) == (code, ask(folder.port, "GET", "/status"))


# a command beside them


def test_a_command_runs_beside_them(folder: Folder) -> None:
    """Once all are ready; its code is that of all, and then they are gone."""
    server = {"executable": sys.executable, "arguments": ["-c", SERVER], "options": {"suppress_output": True},
              "ready": {"http": "http://127.0.0.1:{port:w}/"}}  # fmt: skip
    folder.write(processes={"web": server})
    ask_it = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).status); sys.exit(9)"
    code, said, _ = folder.run("--", sys.executable, "-c", ask_it, "http://127.0.0.1:{port:w}/")
    assert (9, "200\n") == (code, said)


def test_the_words_of_a_command_are_its_own(folder: Folder) -> None:
    """Another -- and options are left as they are."""
    folder.write(processes={"a": QUIET})
    assert (0, "-f -- x\n") == folder.run("--", "echo", "-f", "--", "x")[:2]


def test_what_fails_meanwhile_is_told(folder: Folder) -> None:
    """With its last lines."""
    failing = {"executable": "sh", "arguments": ["-c", "echo up; read x < gate; echo broken; exit 4"],
               "options": {"suppress_output": True}}  # fmt: skip
    os.mkfifo(folder.path / "gate")
    folder.write(processes={"a": {**failing, "ready": {"log": "up"}}})
    code, _, said = folder.run("--", "sh", "-c", "echo go > gate; sleep 0.5; exit 1")
    told = "minimon: process 'a' has ended: it ended with code 4\n    up\n    broken\n"
    assert (1, told) == (code, said)


@pytest.mark.parametrize(("command", "code"), [("./nope", 127), (".", 126)])
def test_a_command_that_cannot_be_run(folder: Folder, command: str, code: int) -> None:
    """As a shell says it."""
    folder.write(processes={"a": QUIET})
    assert code == folder.run("--", command)[0]


# ctl


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of a Supervisor with two processes."""
    supervisor = Supervisor(
        [
            Program("web", ["sh", "-c", "echo one; echo two; exec sleep 60"], output="discard", ready={"log": "two"}),
            Program("job", ["sh", "-c", "exit 2"]),
        ]
    )
    with supervisor, HealthCheckServer(port=0).serving(supervisor) as server:
        wait_until(lambda: supervisor.process("web").state == "ready" and supervisor.process("job").state == "exited")
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def ctl(url: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `ctl`: its code, what it printed, what it complained of."""

    def ctl(*words: str) -> tuple[int, str, str]:
        code = main(["ctl", "--url", url, *words])
        return (code, *capsys.readouterr())

    return ctl


def test_processes_are_listed(ctl: Any) -> None:
    """A line for each, with what is wrong."""
    lines = ctl("list")[1].splitlines()
    assert (["ID", "NAME", "STATE", "PID", "UP", "RESTARTS"], ["1", "web", "ready"], "it ended with code 2") == (
        lines[0].split(),
        lines[1].split()[:3],
        lines[2][-20:],
    )


def test_the_log_is_printed(ctl: Any) -> None:
    """As many lines as are wanted."""
    assert (0, "two\n", "") == ctl("log", "web", "-n", "1")


@pytest.mark.parametrize("which", ["web", "1"])
def test_a_process_is_restarted(ctl: Any, which: str) -> None:
    """By name or id; it is said how that went."""
    code, said, _ = ctl("restart", which)
    assert (0, "web: ready, pid ") == (code, said[:16])


def test_a_process_is_stopped_and_started(ctl: Any) -> None:
    """Both wait until that is done."""
    assert ((0, "web: stopped\n", ""), "web: ready, pid ") == (ctl("stop", "web"), ctl("start", "web")[1][:16])


def test_what_cannot_be_done_is_told(ctl: Any) -> None:
    """In one line, with 1."""
    assert (1, "", "minimon: ctl: restart wbe: no process 'wbe'; did you mean 'web'?\n") == ctl("restart", "wbe")


def test_nobody_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With the address."""
    url = f"http://127.0.0.1:{free_port()}"
    code = main(["ctl", "--url", url, "list"])
    address = url.partition("//")[2]
    said = f"nothing answers at {url}: connect: {address}: Connection refused; --url says where it is served"
    assert (1, f"minimon: ctl: {said}\n") == (code, capsys.readouterr().err)
