"""What `ready` and `live` ask for: each kind of condition, compiled and looked at, and what is refused."""

from __future__ import annotations

import os
import pathlib
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support import wait_until

from minimon.errors import ConfigError
from minimon.processes.gates import Gate, compile_gate, frozen, rest_after, with_ports
from minimon.processes.verifiers import Verifier

PATIENCE = 5.0


class StandIn:
    """One run of a program that never was."""

    process = None

    def __init__(self, *lines: str, code: int | None = None, ended: bool = False, cwd: str | None = None) -> None:
        self.lines, self.code, self.ended, self.cwd = lines, code, ended, cwd
        self.env: Mapping[str, str] = {**os.environ, "KNOWN": "yes"}

    def logged(self, pattern: str) -> bool:
        """Whether one of its lines fits."""
        return any(re.search(pattern, line) for line in self.lines)

    def note(self, child: Any, runs: bool) -> None:
        """Nobody need know."""


def gate_of(spec: Any) -> Gate:
    """The condition, which is one."""
    gate = compile_gate("ready", spec)
    assert gate is not None
    return gate


def look(spec: Any, run: StandIn | None = None, timeout: float = PATIENCE) -> str:
    """What does not hold of it."""
    return gate_of(spec).look(run or StandIn(), timeout)


def error_of(spec: Any) -> str:
    """What is said of one that is refused; "" of one that is none."""
    try:
        compile_gate("ready", spec)
    except ConfigError as error:
        return str(error)
    return ""


def is_gone(pid: int) -> bool:
    """Whether a process has ended; who adopts it may take its time to reap it."""
    try:
        return b") Z " in pathlib.Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# what is none


def test_nothing_asked_is_no_condition() -> None:
    """None."""
    assert compile_gate("ready", None) is None


@pytest.mark.parametrize("spec", [1, "tcp", b"x", [], True, [{"file": "x"}], ({"file": "x"},)])
def test_a_condition_is_an_object_a_callable_or_a_verifier(spec: Any) -> None:
    """A list of them needs `all` or `any`."""
    assert error_of(spec).startswith(
        "ready must be an object such as {'tcp': 'localhost:80'}, a callable or a Verifier"
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "got none"),
        ({"timeout": 1}, "got none"),
        ({"htpp": "x"}, "got none; did you mean 'http'?"),
        ({1: 2}, "got none"),
        ({"tcp": "a:1", "log": "x"}, "got more than one"),
        ({"all": [{}]}, "ready.all[0] needs one of"),
        ({"any": [{"file": "x"}, {"all": [{"nix": 1}]}]}, "ready.any[1].all[0] needs one of"),
    ],
)
def test_an_object_has_one_kind(spec: Any, said: str) -> None:
    """The place, and what was meant, are told."""
    assert said in error_of(spec)


@pytest.mark.parametrize("key", ["timeout", "interval"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1", None, True, 10**400, [1]])
def test_times_are_seconds(key: str, value: Any) -> None:
    """More than none."""
    assert error_of({"file": "x", key: value}).startswith(f"ready.{key} must be seconds > 0, got ")


def test_times_have_defaults() -> None:
    """30 s until it must hold, half a second between two looks."""
    assert (30.0, 0.5) == gate_of({"file": "x"})[1:3]


def test_times_may_be_given() -> None:
    """With any kind."""
    assert (3.0, 1.0) == gate_of({"all": [{"file": "x"}], "timeout": 3, "interval": 1})[1:3]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"log": "x", "expect": 1}, "ready.expect: unknown option"),
        ({"file": "x", "timout": 1}, "ready.timout: unknown option; did you mean 'timeout'?"),
        ({"exit": 0, 1: 2}, "ready.1: unknown option"),
        ({"tcp": "localhost:1", "headers": {}}, "ready.headers: unknown option"),
        ({"http": "http://localhost/", "hedaers": {}}, "ready.hedaers: unknown option; did you mean 'headers'?"),
        ({"http": "http://localhost/", "every": 1}, "ready.every: unknown option"),
        ({"http": "http://localhost/", 1: 1}, "ready.1: unknown option"),
        ({"http": "http://localhost/", "method": 1}, "ready.method"),
        ({"http": "http://localhost/", "expect": {"nix": 1}}, "ready.expect"),
        ({"all": [{"file": "x", "y": 1}]}, "ready.all[0].y: unknown option"),
    ],
)
def test_unknown_options_are_refused(spec: Any, said: str) -> None:
    """Those of a request stand beside `http`."""
    assert error_of(spec).startswith(said)


# http


@pytest.mark.parametrize(
    "target",
    ["", "localhost:80", "tcp://localhost:80", "http://", "http:///x", 1, None, [], b"http://x/", "http://x:y/"],
)
def test_http_is_an_address(target: Any) -> None:
    """Of http or https."""
    assert error_of({"http": target}).startswith("ready.http")


def test_an_answer_holds(rogue: Any) -> None:
    """2xx."""
    assert "" == look({"http": rogue("ok").url})


def test_another_answer_does_not_hold(rogue: Any) -> None:
    """And tells its status."""
    assert "503" in look({"http": rogue("ok", status=503).url})


def test_what_is_expected_of_an_answer_holds(rogue: Any) -> None:
    """As a check would say it."""
    assert "" == look({"http": rogue("ok", status=503).url, "expect": {"status_code": 503}})


def test_what_is_expected_of_an_answer_does_not_hold(rogue: Any) -> None:
    """The condition and what was found are told."""
    assert "" != look({"http": rogue("ok").url, "expect": {"contains": "nix"}})


def test_options_of_a_request_are_sent(rogue: Any) -> None:
    """Headers, for one."""
    server = rogue("ok")
    look({"http": server.url, "headers": {"X-One": "two"}})
    assert "two" == server.requests[0].headers["X-One"]


@pytest.mark.parametrize("behaviour", ["redirect_loop", "reset", "empty", "garbage", "cut_head"])
def test_a_bad_answer_does_not_hold(rogue: Any, behaviour: str) -> None:
    """And says something."""
    assert "" != look({"http": rogue(behaviour).url}, timeout=2.0)


@pytest.mark.parametrize("behaviour", ["silent", "drip_head", "delay"])
def test_a_slow_answer_takes_no_longer_than_it_may(rogue: Any, behaviour: str) -> None:
    """All in all."""
    server, begun = rogue(behaviour), time.monotonic()
    look({"http": server.url}, timeout=0.2)
    assert time.monotonic() - begun < 0.8


# tcp


@pytest.mark.parametrize(
    "target", ["", "localhost", "localhost:", "localhost:x", "localhost:70000", "http://x/", 1, None, []]
)
def test_tcp_is_an_address(target: Any) -> None:
    """A host and a port."""
    assert error_of({"tcp": target}).startswith("ready.tcp")


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "tcp://127.0.0.1:{}"])
def test_a_connection_holds(taken: int, form: str) -> None:
    """Somebody listens."""
    assert "" == look({"tcp": form.format(taken)})


def test_no_connection_does_not_hold(free: int) -> None:
    """Nobody listens."""
    assert "refused" in look({"tcp": f"127.0.0.1:{free}"})


# log


MANY, MORE = "9" * 30, "9" * 5000
BAD = ["(", "[", "*", "a{2,1}", "(?P<1>a)", "\\", f"a{{{MANY}}}", f"a{{{MORE}}}", "(?<=a+)b", 1, None, [], b"x"]


@pytest.mark.parametrize("pattern", BAD, ids=range(len(BAD)))
def test_log_is_a_regular_expression(pattern: Any) -> None:
    """Of text."""
    assert error_of({"log": pattern}).startswith("ready.log must be a")


def test_a_deep_expression_is_refused() -> None:
    """Or taken, by Pythons that can."""
    assert error_of({"log": "(" * 50_000 + "a" + ")" * 50_000}).startswith("ready.log must be a regular expression")


def test_a_line_that_fits_holds() -> None:
    """The pattern is found in it."""
    assert "" == look({"log": "port [0-9]+"}, StandIn("hello", "on port 80"))


def test_no_line_that_fits_does_not_hold() -> None:
    """The pattern is told."""
    assert "no line fits 'port'" == look({"log": "port"}, StandIn("hello"))


def test_a_pattern_is_known_to_whoever_watches() -> None:
    """Within others as well."""
    assert ("a", "b") == gate_of({"any": [{"log": "a"}, {"all": [{"log": "b"}, {"file": "x"}]}]}).patterns


# exit


@pytest.mark.parametrize("code", [True, "0", None, 1.0, [0]])
def test_exit_is_a_code(code: Any) -> None:
    """A whole number."""
    assert error_of({"exit": code}).startswith("ready.exit must be an exit code, got ")


@pytest.mark.parametrize("code", [0, 3, -15])
def test_an_expected_code_holds(code: int) -> None:
    """Once it has ended."""
    assert "" == look({"exit": code}, StandIn(code=code, ended=True))


def test_before_its_end_no_code_holds() -> None:
    """Not even one that is there."""
    assert "it has not ended" == look({"exit": 0}, StandIn(code=0))


@pytest.mark.parametrize("code", [1, None, False])
def test_another_code_does_not_hold(code: Any) -> None:
    """Nor one that was lost."""
    expected = "" if code is False else f"it has ended with code {code}, expected 0"
    assert expected == look({"exit": 0}, StandIn(code=code, ended=True))


def test_good_codes_are_known_to_whoever_judges_an_end() -> None:
    """Within others as well."""
    assert (0, 3) == gate_of({"any": [{"exit": 0}, {"all": [{"exit": 3}]}]}).ends


# file


@pytest.mark.parametrize("path", ["", None, 1, "a\0", [], b"x"])
def test_file_is_a_path(path: Any) -> None:
    """A text."""
    assert error_of({"file": path}).startswith("ready.file must be a path, got ")


def test_a_file_holds_from_the_working_directory(tmp_path: pathlib.Path) -> None:
    """That of the program."""
    (tmp_path / "pid").touch()
    assert "" == look({"file": "pid"}, StandIn(cwd=str(tmp_path)))


def test_no_file_does_not_hold(tmp_path: pathlib.Path) -> None:
    """Its name is told."""
    assert "there is no pid" == look({"file": "pid"}, StandIn(cwd=str(tmp_path)))


@pytest.mark.parametrize("name", ["\ud800", "x" * 5000, "a/b/\n"], ids=range(3))
def test_an_odd_name_is_no_file(name: str) -> None:
    """And raises nothing."""
    assert look({"file": name}).startswith("there is no ")


# exec


@pytest.mark.parametrize("command", ["true", [], [""], [1], None, {}, [["true"]], ["true", 1], ["true", "\0"], b"true"])
def test_exec_is_a_list_of_texts(command: Any) -> None:
    """A command and its arguments."""
    assert error_of({"exec": command}).startswith("ready.exec must be a list")


def test_a_command_that_ends_with_0_holds() -> None:
    """Found in PATH."""
    assert "" == look({"exec": ["true"]})


def test_another_code_is_told_with_the_last_line() -> None:
    """And no colours."""
    said = look({"exec": ["sh", "-c", "echo no; echo '\033[31mserver\007'; exit 3"]})
    assert "sh ended with code 3:  [31mserver" == said.rstrip()  # what is no printable character is a space


def test_a_command_that_is_missing_is_told() -> None:
    """By its name."""
    assert "no-such-command cannot be run: No such file or directory" == look({"exec": ["no-such-command"]})


def test_a_command_that_cannot_be_executed_is_told(tmp_path: pathlib.Path) -> None:
    """A file without the right."""
    path = tmp_path / "x"
    path.write_text("#!/bin/sh\n")
    assert look({"exec": [str(path)]}).endswith("cannot be run: Permission denied")


def test_a_command_that_cannot_be_given_is_told() -> None:
    """Half a surrogate pair is no byte."""
    assert "true cannot be run: " in look({"exec": ["true", "\ud800"]})


def test_a_command_knows_the_program_s_variables_and_folder(tmp_path: pathlib.Path) -> None:
    """As if it had been started beside it."""
    command = ["sh", "-c", f'test "$KNOWN" = yes && test "$PWD" = "{tmp_path}"']
    assert "" == look({"exec": command}, StandIn(cwd=str(tmp_path)))


def test_a_command_that_hangs_is_ended() -> None:
    """When its time is over, though it ignores TERM."""
    begun = time.monotonic()
    said = look({"exec": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]}, timeout=0.2)
    assert ("sh: it took longer than 0.2 s", True) == (said, time.monotonic() - begun < 2.0)


def test_what_a_command_has_started_ends_with_it(tmp_path: pathlib.Path) -> None:
    """Nothing is left behind by looks every half a second."""
    path = tmp_path / "pid"
    look({"exec": ["sh", "-c", f"sleep 60 & echo $! > {path}"]})
    assert wait_until(lambda: is_gone(int(path.read_text())))


def test_what_a_command_has_started_is_not_waited_for() -> None:
    """Even if it writes for ever."""
    begun = time.monotonic()
    said = look({"exec": ["sh", "-c", "yes & exit 0"]})
    assert ("", True) == (said, time.monotonic() - begun < 2.0)


def test_a_command_that_writes_a_lot_ends() -> None:
    """Nobody makes it wait."""
    code = "import os; [os.write(1, b'x' * 65536) for _ in range(100)]"
    assert "" == look({"exec": [sys.executable, "-S", "-c", code]})


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    """Until it ends."""
    assert "sh ended with code 4" == look({"exec": ["sh", "-c", "exec >&- 2>&-; sleep 0.1; exit 4"]})


def test_a_command_reads_nothing() -> None:
    """One that waits for input would hang."""
    assert "" == look({"exec": ["cat"]})


# all and any


@pytest.mark.parametrize("kind", ["all", "any"])
@pytest.mark.parametrize("value", [[], (), {}, "x", None, 1, {"file": "x"}])
def test_all_and_any_are_lists(kind: str, value: Any) -> None:
    """Not empty ones."""
    assert f"ready.{kind} must be a list of conditions, and not empty" == error_of({kind: value})


@pytest.mark.parametrize("part", [None, Verifier(), 1, b""])
def test_a_part_is_an_object_or_a_callable(part: Any) -> None:
    """A Verifier stands alone."""
    assert error_of({"all": [part]}).startswith("ready.all[0]")


@pytest.mark.parametrize(
    ("spec", "holds"),
    [
        ({"all": [{"log": "a"}, {"log": "b"}]}, True),
        ({"all": [{"log": "a"}, {"log": "x"}]}, False),
        ({"any": [{"log": "x"}, {"log": "b"}]}, True),
        ({"any": [{"log": "x"}, {"log": "y"}]}, False),
        ({"all": [{"any": [{"log": "x"}, {"log": "a"}]}, {"any": [{"log": "b"}]}]}, True),
        ({"any": [{"all": [{"log": "a"}, {"log": "x"}]}, {"all": [{"log": "y"}]}]}, False),
        ({"all": [lambda: True, {"log": "a"}]}, True),
        ({"all": [lambda: False, {"log": "a"}]}, False),
    ],
)
def test_conditions_are_joined(spec: Any, holds: bool) -> None:
    """All of them, or one."""
    assert holds == (look(spec, StandIn("a b")) == "")


def test_all_tells_the_first_that_does_not_hold() -> None:
    """The others come later."""
    assert "no line fits 'x'" == look({"all": [{"log": "a"}, {"log": "x"}, {"log": "y"}]}, StandIn("a"))


def test_any_tells_all_that_do_not_hold() -> None:
    """Each of them would do."""
    assert "no line fits 'x'; no line fits 'y'" == look({"any": [{"log": "x"}, {"log": "y"}]}, StandIn("a"))


def test_time_is_shared_between_conditions(rogue: Any) -> None:
    """One that hangs leaves some to the others."""
    server, begun = rogue("silent"), time.monotonic()
    found = look({"any": [{"http": server.url}, {"exec": ["true"]}]}, timeout=0.6)
    assert ("", True) == (found, time.monotonic() - begun < 1.5)


@pytest.mark.parametrize(
    ("spec", "at_once"),
    [
        ({"log": "x"}, True),
        ({"exit": 0}, True),
        ({"all": [{"log": "x"}, {"exit": 0}]}, True),
        ({"all": [{"log": "x"}, {"file": "x"}]}, False),
        ({"file": "x"}, False),
        ({"exec": ["true"]}, False),
        (lambda: True, False),
    ],
)
def test_what_turns_by_events_costs_nothing(spec: Any, at_once: bool) -> None:
    """It is looked at when one comes; all else by a worker."""
    assert at_once == gate_of(spec).at_once


# callables


@pytest.mark.parametrize("value", [None, True, 1, "x"])
def test_a_callable_holds(value: Any) -> None:
    """By None or a true value."""
    assert "" == look(lambda: value)


@pytest.mark.parametrize("value", [False, 0, "", []])
def test_a_callable_does_not_hold(value: Any) -> None:
    """By a false value."""
    assert "" != look(lambda: value)


def test_what_a_callable_raises_is_told() -> None:
    """And raised no further."""
    assert "division by zero" in look(lambda: 1 / 0)


def test_a_callable_may_want_to_exit() -> None:
    """The host does not."""
    assert "" != look(lambda: sys.exit(0))


async def coroutine() -> bool:
    """Nobody awaits it."""
    return True


def test_a_coroutine_function_is_refused() -> None:
    """It would always be true."""
    assert error_of(coroutine).startswith("ready is a coroutine function")


def test_a_callable_that_returns_a_coroutine_does_not_hold() -> None:
    """And Python warns of nothing."""
    assert "coroutine" in look(lambda: coroutine())


def test_a_callable_that_returns_a_function_does_not_hold() -> None:
    """It was not called."""
    assert "not run" in look(lambda: print)


@pytest.mark.parametrize("spec", [dict, Verifier, StandIn])
def test_a_class_is_refused(spec: type) -> None:
    """Its instances are always true."""
    assert f"ready is the class {spec.__name__}; give an instance: {spec.__name__}(...)" == error_of(spec)


# verifiers


class Says(Verifier):
    """Answers what it was told to, or raises it."""

    def __init__(self, answer: Any = True, timeout: Any = 30) -> None:
        self.answer, self.timeout = answer, timeout

    def run(self, process: Any) -> bool:
        """Its answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        self.log_fail("so be it")
        return bool(self.answer)


class Plain:
    """Is no Verifier, and has what one has."""

    def run(self, process: Any) -> bool:
        """Whether it was given this."""
        return process == "it"


class Later(Verifier):
    """Cannot be awaited where it runs."""

    async def run(self, process: Any) -> bool:  # type: ignore[override]
        """Nobody awaits it."""
        return True


class Lazy(Verifier):
    """Hides a coroutine."""

    def run(self, process: Any) -> Any:
        """Nobody awaits it."""
        return coroutine()


def test_a_verifier_that_passes_holds() -> None:
    """By a true value."""
    assert "" == look(Says())


def test_a_verifier_that_says_no_does_not_hold() -> None:
    """It is told by its name."""
    assert "Says says no: so be it" == look(Says(False))


def test_what_a_verifier_raises_is_told() -> None:
    """And raised no further."""
    assert "Says raised ValueError: nix" == look(Says(ValueError("nix")))


def test_whatever_has_run_is_a_verifier() -> None:
    """It is given the process."""
    run = StandIn()
    run.process = "it"  # type: ignore[assignment]
    assert "" == look(Plain(), run)


def test_a_verifier_is_the_last_look() -> None:
    """It takes as long as it takes."""
    assert gate_of(Says()).blocks


@pytest.mark.parametrize(
    ("given", "timeout"),
    [(5, 6.0), (0.5, 1.5), (True, 31.0), ("x", 31.0), (None, 31.0), (-1, 31.0), (float("nan"), 31.0)],
)
def test_a_verifier_has_its_own_time(given: Any, timeout: float) -> None:
    """And one second more, for its own word; 30 s where it says nothing of use."""
    assert timeout == gate_of(Says(timeout=given)).timeout


def test_what_a_verifier_tells_is_heard() -> None:
    """By whoever launches its program."""
    heard: list[tuple[str, str]] = []
    gate = compile_gate("ready", Says(), tell=lambda kind, text: heard.append((kind, text)))
    assert gate is not None and gate.look(StandIn(), 1.0) == ""
    assert [("verifier.fail", "Verifier fail: so be it")] == heard


def test_a_frozen_verifier_is_heard_too() -> None:
    """A dataclass, for one, that refuses to be changed."""
    import dataclasses

    made = dataclasses.make_dataclass("Frozen", [("x", int)], bases=(Verifier,), frozen=True)(1)
    assert "" == compile_gate("ready", made, tell=lambda kind, text: None).look(StandIn(), 1.0)  # type: ignore[union-attr]


def test_a_verifier_that_is_a_coroutine_is_refused() -> None:
    """It would always be true."""
    assert "Later.run is a coroutine function" in error_of(Later())


def test_a_verifier_that_returns_a_coroutine_does_not_hold() -> None:
    """And Python warns of nothing."""
    assert "Lazy returned a coroutine" in look(Lazy())


# ports, copies, pauses


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a:{port:x}/{port:y}", "a:1/2"),
        (["{port:x}", ("{port:y}",)], ["1", ["2"]]),
        ({"{port:x}": {"a": "{port:y}"}}, {"1": {"a": "2"}}),
        ({("a",): 1}, {("a",): 1}),
        (5, 5),
        (None, None),
        (b"{port:x}", b"{port:x}"),
        ("{port:}", "{port:}"),
        ("{port:a b}{port}{PORT:x}{{port:x}}", "{port:a b}{port}{PORT:x}{1}"),
        ("{port:" + "x" * 101 + "}", "{port:" + "x" * 101 + "}"),
    ],
)
def test_ports_are_put_in(value: Any, found: Any) -> None:
    """Wherever they stand; anything else stays."""
    assert found == with_ports(value, {"x": 1, "y": 2}.__getitem__)


def test_a_copy_is_as_it_was() -> None:
    """To whoever reads it."""
    assert {"a": ({"b": 1}, 2)} == frozen("ready", {"a": [{"b": 1}, 2]})


def test_pauses_between_looks_grow() -> None:
    """From 20 ms up to the interval."""
    assert [0.02, 0.04, 0.08, 0.1, 0.1] == [rest_after(tries, 0.1) for tries in (0, 1, 2, 3, 10**6)]


def test_looks_are_made_by_many_threads_at_once(rogue: Any) -> None:
    """Of one condition too."""
    gate, found = gate_of({"http": rogue("ok").url}), []
    threads = [threading.Thread(target=lambda: found.append(gate.look(StandIn(), PATIENCE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [""] * 8 == found


@pytest.mark.parametrize("behaviour", ["huge_body", "drip_body", "reset_body"])
def test_a_body_is_left_that_nobody_asks_for(rogue: Any, behaviour: str) -> None:
    """A front page may be large: what counts is that it answers."""
    assert "" == look({"http": rogue(behaviour).url}, timeout=2.0)


@pytest.mark.parametrize("behaviour", ["huge_body", "reset_body"])
def test_a_body_is_read_that_is_expected(rogue: Any, behaviour: str) -> None:
    """Then it has to be whole."""
    assert "" != look({"http": rogue(behaviour).url, "expect": {"contains": "x"}}, timeout=2.0)
