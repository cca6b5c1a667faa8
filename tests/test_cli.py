"""The command line: what it prints, how it ends, on terminals, into pipes and under signals."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from support import ROOT, few, our_threads, wait_until

import minimon
from minimon.cli import CONFIG, EXITS, FAILED, FINE, INTERRUPTED, UNREAD, USAGE, main
from minimon.errors import PortError
from minimon.serve.server import HealthCheckServer
from minimon.testing import RogueServer

pytestmark = pytest.mark.slow  # starts many interpreters

DATA = pathlib.Path(__file__).parent / "data"
UNIX = pytest.mark.skipif(os.name == "nt", reason="signals and terminals of Unix")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in this process: its code, what it printed, what it complained of."""

    def say(*argv: str) -> tuple[int, str, str]:
        code = main(argv)
        return (code, *capsys.readouterr())

    return say


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Any:
    """Writes a JSON configuration with these checks: its path."""

    def file(**checks: dict[str, Any]) -> str:
        path = tmp_path / "c.json"
        path.write_text(json.dumps({"server": {"port": 0}, "checks": checks}))
        return str(path)

    return file


@pytest.fixture(scope="module")
def ok() -> Iterator[str]:
    """The address of a server that answers well."""
    with RogueServer("ok") as server:
        yield server.url


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR", "TERM")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


@contextlib.contextmanager
def running(*argv: str, stdout: Any = subprocess.PIPE, **more: str) -> Iterator[subprocess.Popen[str]]:
    """The program in a process of its own, ended at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "minimon", *argv],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
        env=environment(**more),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def closed_port() -> int:
    """A port on which nobody listens."""
    with RogueServer("ok") as server:
        return server.port


# --- usage


def test_without_a_command_the_commands_are_told(say: Any) -> None:
    """Nothing but the name is an error of use: the commands are listed on stderr."""
    code, out, err = say()
    told = [word for word in ("demo", "run", "check", "rogue", "help") if f"\n    {word} " in err]
    assert (code, out, len(told)) == (USAGE, "", 5)


def test_the_version_is_told(say: Any) -> None:
    """--version is the version of the package."""
    assert say("--version") == (FINE, f"minimon {minimon.__version__}\n", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["chek"], "invalid choice: 'chek'"),
        (["demo", "--second", "1"], "unrecognized arguments: --second 1"),
        (["demo", "--seconds", "nan"], "--seconds: expected seconds, more than 0, got 'nan'"),
        (["demo", "--seconds", "0"], "--seconds: expected seconds, more than 0, got '0'"),
        (["demo", "--seconds", "inf"], "--seconds: expected seconds, more than 0, got 'inf'"),
        (["run"], "FILE"),
        (["run", "c.json", "--port", "65536"], "--port: expected a number from 0 to 65535, got '65536'"),
        (["run", "c.json", "--port", "٣"], "--port: expected a number from 0 to 65535"),
        (["run", "c.json", "--host", ""], "--host: expected an address"),
        (["run", "c.json", "--json", "--log"], "not allowed with argument"),
        (["check"], "URL"),
        (["check", "http://a/", "--timeout", "-1"], "--timeout"),
        (["check", "tcp://a:1", "htps://a/"], "minimon: URL 2: unknown scheme 'htps' in target; did you mean 'https'?"),
        (["rogue", "--behaviour", "tath"], "minimon: unknown behaviour 'tath': did you mean 'taht'?"),
        (["help", "chekcs"], "minimon: help: no topic 'chekcs'; did you mean 'checks'?"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_refused(say: Any, argv: list[str], message: str) -> None:
    """The code is 2, the message says what is expected, and nothing else happens."""
    code, out, err = say(*argv)
    assert (code, out, message in err) == (USAGE, "", True), err


def test_a_password_in_an_address_is_not_told(say: Any) -> None:
    """A refused address is not repeated."""
    _, _, err = say("check", "htp://user:hunter2@a/")
    assert "hunter2" not in err


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["help"], ["help", "errors"]], ids=" ".join)
def test_help_is_printed(say: Any, argv: list[str]) -> None:
    """Asked for help, the program prints it and ends well."""
    code, out, err = say(*argv)
    assert (code, len(out.splitlines()) > 5, err) == (FINE, True, "")


def test_the_exit_codes_are_in_the_reference(say: Any) -> None:
    """`help errors` has each exit code with its meaning."""
    _, out, _ = say("help", "errors")
    assert [code for code in EXITS if not re.search(rf"^  {code} +\w", out, re.MULTILINE)] == []


# --- check


def test_each_address_is_polled_once(say: Any) -> None:
    """A line for each, in their order; all well is 0."""
    with RogueServer("ok") as server:
        code, out, _ = say("check", server.url, f"tcp://127.0.0.1:{server.port}")
    lines = [re.sub(r" +[\d.]+ s$", "", line) for line in out.splitlines()]
    tcp = f"tcp://127.0.0.1:{server.port}".ljust(len(server.url))
    assert (code, lines, len(server.requests)) == (FINE, [f"✓ pass  {server.url}  200", f"✓ pass  {tcp}    -"], 1)


def test_a_failure_is_told_and_is_1(say: Any, ok: str) -> None:
    """One that fails is enough; its line says why."""
    port = closed_port()
    code, out, _ = say("check", f"tcp://127.0.0.1:{port}", ok)
    assert (code, [line[:6] for line in out.splitlines()], "refused" in out) == (FAILED, ["✗ fail", "✓ pass"], True)


def test_addresses_are_polled_at_the_same_time(say: Any) -> None:
    """Two that answer late take as long as one."""
    with RogueServer("silent") as server:
        began = time.monotonic()
        code, out, _ = say("check", "--timeout", "0.2", *[server.url] * 8)
        seconds = time.monotonic() - began
    assert (code, out.count("✗ fail"), seconds < 0.2 + 0.5 + 1.0) == (FAILED, 8, True)


def test_results_are_json(say: Any, ok: str) -> None:
    """--json prints an object for each address."""
    code, out, _ = say("check", "--json", ok, f"tcp://127.0.0.1:{closed_port()}")
    lines = [json.loads(line) for line in out.splitlines()]
    seen = [(line["outcome"], line["reason"], line["status_code"]) for line in lines]
    assert (code, lines[0]["check"], seen) == (FAILED, ok, [("pass", "", 200), ("fail", "connect", None)])


def test_secrets_of_an_address_are_masked(say: Any, ok: str) -> None:
    """User, password and the values of the query stay in."""
    _, out, _ = say("check", ok.replace("http://", "http://user:hunter2@") + "?token=hunter3")
    assert ("hunter" in out, "?token=***" in out) == (False, True)


# --- run --once


def test_all_checks_are_polled_once(say: Any, file: Any) -> None:
    """Each is polled, each has a line; one that fails makes it 1."""
    with RogueServer("ok") as server:
        path = file(good={"target": server.url}, bad={"target": server.url, "expect": {"text": "x"}})
        code, out, err = say("run", path, "--once")
    assert (code, [line[:12] for line in out.splitlines()], err, len(server.requests)) == (
        FAILED,
        ["✓ pass  good", "✗ fail  bad "],
        "",
        2,
    )


def test_all_well_is_0(say: Any, file: Any, ok: str) -> None:
    """Without a failure the code is 0."""
    assert say("run", file(good={"target": ok}), "--once")[0] == FINE


def test_once_as_json_is_one_document(say: Any, file: Any, ok: str) -> None:
    """With --json the whole is one object, of the form of /status."""
    _, out, _ = say("run", file(good={"target": ok}, bad={"target": ok, "expect": {"text": ""}}), "--once", "--json")
    document = json.loads(out)
    outcomes = {name: check["last"]["outcome"] for name, check in document["checks"].items()}
    assert (out.count("\n"), document["schema"], document["counts"]["up"], outcomes) == (
        1,
        1,
        1,
        {"good": "pass", "bad": "fail"},
    )


def test_once_as_log_has_the_old_form(say: Any, file: Any, ok: str) -> None:
    """With --log a line has time, code, name, address, what is wrong and seconds."""
    _, out, _ = say("run", file(bad={"target": ok, "expect": {"text": ""}}), "--once", "--log")
    assert re.fullmatch(rf"\S+Z 200 bad {re.escape(ok)} BadContent \d\.\d\d\n", out)


def test_the_defaults_of_the_monitor_hold_once_too(say: Any, tmp_path: pathlib.Path, ok: str) -> None:
    """A check is polled with what `defaults` say."""
    path = tmp_path / "c.json"
    document = {"monitor": {"defaults": {"expect": {"text": "x"}}}, "checks": {"a": {"target": ok}}}
    path.write_text(json.dumps(document))
    assert say("run", str(path), "--once")[0] == FAILED


# --- run


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"search": {"target": "tcp://a:1", "evry": 5}}, "checks.search.evry: unknown option; did you mean 'every'?"),
        ({}, "checks: there are none, so there is nothing to poll"),
    ],
    ids=["unknown option", "no checks"],
)
@pytest.mark.parametrize("more", [[], ["--once"]], ids=["run", "once"])
def test_a_wrong_configuration_is_3(say: Any, file: Any, content: Any, message: str, more: list[str]) -> None:
    """One line with the file and the key, and nothing is started."""
    path = file(**content)
    assert say("run", path, *more) == (CONFIG, "", f"minimon: {path}: {message}\n")


def test_a_file_that_raises_is_3(say: Any, tmp_path: pathlib.Path) -> None:
    """File and line, and no traceback."""
    path = tmp_path / "c.py"
    path.write_text("import os\n\nraise OSError('no\\x1b[2J luck')\n")
    assert say("run", str(path)) == (CONFIG, "", f"minimon: {path}:3: OSError: no [2J luck\n")


def test_a_missing_file_is_3(say: Any) -> None:
    """It is said to be missing."""
    message = "minimon: no/such.json: cannot be read: No such file or directory\n"
    assert say("run", "no/such.json") == (CONFIG, "", message)


def test_a_taken_port_is_1(say: Any, file: Any, ok: str) -> None:
    """One line with host, port and a hint, no traceback, and no thread is left."""
    with RogueServer("ok") as server:
        code, out, err = say("run", file(good={"target": ok}), "--port", str(server.port))
    start = f"minimon: cannot listen on 127.0.0.1:{server.port}: Address already in use"
    assert (code, out, err.startswith(start), err.count("\n")) == (FAILED, "", True, 1)


def test_a_run_polls_and_serves(file: Any, ok: str) -> None:
    """The URLs are printed, and answered with what the checks say."""
    with running("run", file(good={"target": ok, "every": 0.1})) as process:
        assert process.stdout is not None
        (health,) = re.findall(r"http://\S+/health", process.stdout.readline())
        process.stdout.readline()  # the check is up
        with urllib.request.urlopen(health, timeout=5) as answer:
            assert json.load(answer) == {"status": "healthy"}


@pytest.mark.parametrize(("host", "url"), [("127.0.0.2", "http://127.0.0.2:"), ("::1", "http://[::1]:")])
def test_the_command_line_wins_over_the_file(say: Any, file: Any, ok: str, host: str, url: str) -> None:
    """--host and --port are served on in place of those of the file."""
    try:
        HealthCheckServer(host, 0).start().stop()
    except PortError:
        pytest.skip(f"this machine has no {host}")
    _, out, _ = say("run", file(good={"target": ok}), "--host", host, "--seconds", "0.1")
    assert url in out.splitlines()[0]


def test_a_change_is_a_line_and_the_end_a_table(say: Any, file: Any, ok: str) -> None:
    """Not on a terminal a line is printed for each change, and the table once."""
    code, out, err = say("run", file(good={"target": ok, "every": 0.05}), "--seconds", "0.3")
    lines = out.splitlines()
    assert (code, len(lines), re.sub(r"^\S+Z", "T", lines[1]), lines[3], re.sub(" +", " ", lines[6])[:9], err) == (
        FINE,
        8,
        "T  ● up        from unknown   good",
        "● healthy  2 up",
        "good ● up",
        "",
    )


def test_a_run_of_json_is_a_line_per_poll(say: Any, file: Any) -> None:
    """With --json stdout has nothing but objects, one for each poll; the note is on stderr."""
    with RogueServer("ok") as server:
        path = file(good={"target": server.url, "every": 0.02})
        code, out, err = say("run", path, "--json", "--seconds", "0.2")
        asked = len(server.requests)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, {line["outcome"] for line in lines}, asked - 1 <= len(lines) <= asked, err.count("\n")) == (
        FINE,
        {"pass"},
        True,
        1,
    )


def test_a_configuration_of_taht_runs() -> None:
    """A Python 3 copy of taht's own file is polled as it is, a line per poll in the old form."""
    names = {"rogue", "rogue #2", "rogue #3", "any content", "no content"}
    with RogueServer("taht", max_delay=0, seed=1) as server:
        path = str(DATA / "taht_config.py")
        with running("run", path, "--port", "0", "--log", "--seconds", "0.6", ROGUE_URL=server.url) as process:
            out, _ = process.communicate(timeout=20)
    line = re.compile(rf"\S+Z (?:-1|\d+) (.+) {server.url}\S* (BadContent )?\d+\.\d\d")
    found = [line.fullmatch(each) for each in out.splitlines()]
    told = {each[1] for each in found if each}, any(each[2] for each in found if each)
    assert (process.returncode, None in found, told) == (FINE, False, (names, True))


def test_the_loggers_are_left_as_they_were(say: Any, file: Any, ok: str) -> None:
    """--log adds a handler to the one logger for its time, and leaves the root logger alone."""
    loggers = logging.getLogger("minimon.polls"), logging.getLogger()
    before = [(logger.level, list(logger.handlers), logger.disabled) for logger in loggers]
    say("run", file(good={"target": ok}), "--log", "--seconds", "0.1")
    assert [(logger.level, list(logger.handlers), logger.disabled) for logger in loggers] == before


def test_signal_handlers_are_left_as_they_were(say: Any, file: Any, ok: str) -> None:
    """After a run the handlers are those of before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    say("run", file(good={"target": ok}), "--seconds", "0.1")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_run_in_a_thread_sets_no_signal_handlers(file: Any, ok: str) -> None:
    """Off the main thread, where Python allows no handlers, it works all the same."""
    codes: list[int] = []
    path = file(good={"target": ok})
    with contextlib.redirect_stdout(io.StringIO()):
        thread = threading.Thread(target=lambda: codes.append(main(["run", path, "--seconds", "0.1"])))
        thread.start()
        thread.join(10)
    assert codes == [FINE]


def test_no_thread_is_left(say: Any, file: Any, ok: str) -> None:
    """When the command has ended, so have all of its threads."""
    say("run", file(good={"target": ok}), "--seconds", "0.1")
    assert wait_until(lambda: not [name for name in our_threads() if not name.startswith("minimon-rogue")])


def test_functions_of_a_file_may_import_what_is_beside_it(say: Any, tmp_path: pathlib.Path) -> None:
    """What lies in the folder of a Python file is found when a check imports it as it is polled."""
    (tmp_path / "late_neighbour.py").write_text("fine = True\n")
    text = "from minimon import Check\n\ndef late():\n    import late_neighbour\n    return late_neighbour.fine\n\n"
    (tmp_path / "c.py").write_text(text + "checks = [Check('late', late)]\n")
    assert say("run", str(tmp_path / "c.py"), "--once")[0] == FINE


# --- demo and rogue


def test_the_demo_shows_three_checks(say: Any) -> None:
    """URLs first, lines for changes, and a table of steady, rogue, callable and the monitor itself at the end."""
    code, out, err = say("demo", "--seconds", "0.5")
    lines = out.splitlines()
    named = [line.split()[0] for line in lines[2:6]]
    assert (code, named, [line.split()[0] for line in lines[-4:]], err) == (
        FINE,
        ["health", "status", "steady", "rogue"],
        ["steady", "rogue", "callable", "minimon"],
        "",
    )


def test_the_demo_answers() -> None:
    """/health and /status of the demo are there while it runs."""
    with running("demo") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(8)]
        (url,) = re.findall(r"http://\S+/status", "".join(lines))
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert list(json.load(answer)["checks"]) == ["steady", "rogue", "callable", "minimon"]


def test_rogue_answers_badly() -> None:
    """The server does what the behaviour says, at the address that is printed."""
    with running("rogue", "--port", "0", "--behaviour", "flaky") as process:
        assert process.stdout is not None
        (url,) = re.findall(r"http://\S+/", process.stdout.readline())
        codes = [minimon.probe(url).status_code for _ in range(4)]
    assert codes == [200, 500, 200, 500]


def test_rogue_ends_by_itself(say: Any) -> None:
    """After --seconds the code is 0."""
    code, out, _ = say("rogue", "--port", "0", "--seconds", "0.1")
    assert (code, out.startswith("taht on http://127.0.0.1:")) == (FINE, True)


def test_a_port_that_is_taken_is_1_for_rogue_too(say: Any) -> None:
    """One line, and no traceback."""
    with RogueServer("ok") as server:
        code, out, err = say("rogue", "--port", str(server.port))
    assert (code, out, err.startswith(f"minimon: 127.0.0.1:{server.port}: Address already in use")) == (
        FAILED,
        "",
        True,
    )


# --- signals


ENDS = [
    "demo SIGINT",
    "run --json SIGTERM",
    "demo SIGTERM",
    "run --json SIGINT",
    *(f"{command} {name}" for command in ("run", "run --log", "rogue") for name in ("SIGINT", "SIGTERM")),
]


@UNIX
@pytest.mark.parametrize("how", few(ENDS))
def test_a_signal_ends_it_well(file: Any, ok: str, how: str) -> None:
    """Ctrl-C and SIGTERM end it with 0, without a word on stderr."""
    *argv, name = how.split()
    if argv[0] == "run":
        argv[1:1] = [file(good={"target": ok, "every": 0.05})]
    if argv[0] == "rogue":
        argv += ["--port", "0"]
    with running(*argv) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.Signals[name])
        _, err = process.communicate(timeout=10)
    notes = [line for line in err.splitlines() if not line.endswith("Ctrl-C ends it.")]
    assert (process.returncode, notes) == (FINE, [])


@UNIX
def test_an_interrupted_check_is_130() -> None:
    """A poll that waits ends at once, without a traceback."""
    with RogueServer("silent") as server, running("check", server.url, "--timeout", "60") as process:
        assert wait_until(lambda: server.requests)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (INTERRUPTED, "", "")


@UNIX
def test_an_interrupt_while_the_file_is_executed_is_130(tmp_path: pathlib.Path) -> None:
    """A configuration that never ends can be interrupted."""
    path = tmp_path / "c.py"
    path.write_text("import threading\nprint('begun', flush=True)\nthreading.Event().wait(60)\n")
    with running("run", str(path)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (INTERRUPTED, "")


# --- pipes


@UNIX
@pytest.mark.parametrize("command", few(["run", "check", "demo", "run --log", "run --json", "help cli"]))
def test_a_closed_pipe_ends_it_quietly(file: Any, ok: str, command: str) -> None:
    """When nobody reads any more, it ends without a word."""
    argv = command.split()
    if argv[0] == "run":
        argv[1:1] = [file(**{f"check {n}": {"target": ok, "every": 0.05, "initial_delay": n / 9} for n in range(9)})]
    if argv[0] == "check":
        argv += [ok] * 3
    reader, writer = os.pipe()
    with running(*argv, stdout=writer) as process:
        os.close(writer)
        os.close(reader)
        _, err = process.communicate(timeout=10)
    notes = [line for line in err.splitlines() if not line.endswith("Ctrl-C ends it.")]
    assert (process.returncode, notes) == (UNREAD, [])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
def test_a_full_disk_is_told(ok: str) -> None:
    """Output that cannot be written is one line on stderr, and 1."""
    with open("/dev/full", "w") as full, running("check", ok, stdout=full) as process:
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (FAILED, "minimon: No space left on device\n")


@UNIX
@pytest.mark.parametrize("command", ["help", "check"])
def test_a_closed_stdout_is_no_error(ok: str, command: str) -> None:
    """Started without stdout and stderr it does its work all the same."""
    argv = [sys.executable, "-m", "minimon", command, *([ok] if command == "check" else [])]
    script = 'exec "$@" >&- 2>&-'
    ended = subprocess.run(["sh", "-c", script, "sh", *argv], cwd=ROOT, env=environment(), timeout=30)
    assert ended.returncode == FINE


def test_a_poor_encoding_is_no_error(ok: str) -> None:
    """Where stdout can write ASCII only, the signs are of ASCII."""
    with running("check", ok, PYTHONIOENCODING="ascii") as process:
        out, _ = process.communicate(timeout=10)
    assert (process.returncode, out[:6]) == (FINE, "+ pass")


# --- terminals


def on_terminal(*argv: str, columns: int = 80, **more: str) -> tuple[int, str]:
    """The program on a terminal of this width: its code, and all that it wrote."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = bytearray()
    with running(*argv, stdout=theirs, **{"TERM": "xterm", **more}) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux tells the end of a terminal by an error
            while piece := os.read(ours, 65536):
                written += piece
        os.close(ours)
        process.wait(10)
    return process.returncode, written.decode()


COLOUR = re.compile(r"\x1b\[[\d;]*m")
DRAWING = re.compile(r"\x1b\[(?:\d+A|K|J)")


@UNIX
def test_the_table_is_redrawn_on_a_terminal(file: Any, ok: str) -> None:
    """On a terminal the table is drawn in place, in colours."""
    code, written = on_terminal("run", file(good={"target": ok, "every": 0.05}), "--seconds", "0.4")
    assert (code, "\x1b[5A\r" in written, "\x1b[32m● up" in written) == (FINE, True, True)


@UNIX
def test_no_color_is_respected(file: Any, ok: str) -> None:
    """With NO_COLOR the table is drawn in place without colours."""
    _, written = on_terminal("run", file(good={"target": ok}), "--seconds", "0.1", NO_COLOR="1")
    assert (COLOUR.findall(written), bool(DRAWING.findall(written))) == ([], True)


@UNIX
def test_a_dumb_terminal_gets_lines() -> None:
    """A terminal that cannot move its cursor is written to like a file."""
    _, written = on_terminal("demo", "--seconds", "0.1", TERM="dumb")
    assert "\x1b" not in written


@UNIX
@pytest.mark.parametrize(("columns", "more"), [(40, {}), pytest.param(120, {"COLUMNS": "40"}, marks=pytest.mark.long)])
def test_lines_fit_the_terminal(file: Any, columns: int, more: dict[str, str]) -> None:
    """The width is that of the terminal, or what COLUMNS says."""
    path = file(**{"a check of a long name": {"target": f"tcp://127.0.0.1:{closed_port()}", "every": 0.1}})
    _, written = on_terminal("run", path, "--seconds", "0.2", columns=columns, **more)
    lines = COLOUR.sub("", DRAWING.sub("", written)).replace("\r", "").split("\n")
    assert [line for line in lines[2:] if len(line) > 40] == []


@UNIX
def test_control_characters_of_a_target_do_not_reach_the_terminal(file: Any) -> None:
    """What a server answers cannot move the cursor or set the title."""
    with RogueServer("ok", body=b"\x1b]0;evil\x07\x1b[2J\x9b31m") as server:
        path = file(a={"target": server.url, "every": 0.05, "fall": 1, "expect": {"text": "x"}})
        _, written = on_terminal("run", path, "--seconds", "0.2", columns=160)
    left = COLOUR.sub("", DRAWING.sub("", written)).replace("\r", "").replace("\n", "")
    assert ("evil" in left, [char for char in left if not char.isprintable()]) == (True, [])


# --- the way in


def test_start_up_is_light() -> None:
    """The module of the command line imports nothing that only one of the commands needs."""
    code = (
        "import sys, minimon.cli\n"
        "slow = {'urllib.request', 'http.server', 'ssl', 'asyncio', 'json', 'minimon.testing', 'minimon.monitor'}\n"
        "print(sorted(slow & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=30)
    assert ended.stdout == "[]\n"


def test_the_module_is_the_program() -> None:
    """`python -m minimon` has its own name in its usage, and hands on the code."""
    with running("help", "nothing") as process:
        code = process.wait(10)
    with running("check") as usage:
        _, err = usage.communicate(timeout=10)
    assert (code, err.startswith("usage: python -m minimon check")) == (USAGE, True)
