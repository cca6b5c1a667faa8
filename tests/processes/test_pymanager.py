"""Older process files: what they say, and every error with its place."""

from __future__ import annotations

import json
import pathlib
import signal
import sys
from typing import Any

import pytest

from minimon import ConfigError, Verifier
from minimon.processes.lifecycle import Restart
from minimon.processes.program import Output, Stop
from minimon.processes.pymanager import NoProcesses, Plan, load
from minimon.processes.verifiers import ExitedVerifier, HttpOkVerifier

SEED = {
    "modules": {"pymutils.http_verifier": {"verifiers": ["HttpOkVerifier"]}},
    "http": {"enabled": True, "port": 5001},
    "keep-alive": True,
    "processes": {
        "test": {
            "executable": "python3",
            "arguments": ["test.py", "-v", "-t"],
            "options": {"suppress_output": False},
            "verifier": {
                "type": "pymutils.http_verifier.HttpOkVerifier",
                "arguments": {"url": "http://localhost:8000/"},
            },
        }
    },
}
"""The example of the old manual, its URL a local one."""
BARE = {"executable": "sleep", "arguments": ["9"]}
OK = "pymutils.http_verifier.HttpOkVerifier"
EXITED = "pymutils.exited_verifier.ExitedVerifier"
MODULES = {
    "pymutils.http_verifier": {"verifiers": ["HttpOkVerifier"]},
    "pymutils.exited_verifier": {"verifiers": ["ExitedVerifier"]},
}


@pytest.fixture
def read(tmp_path: pathlib.Path) -> Any:
    """Writes values, or text, to a file and loads it."""

    def read(values: Any, as_command: bool = False) -> Plan:
        path = tmp_path / "pymanager.json"
        path.write_text(values if isinstance(values, str) else json.dumps(values))
        return load(str(path), as_command)

    return read


@pytest.fixture
def refused(read: Any, tmp_path: pathlib.Path) -> Any:
    """The message with which a file is refused, without its folder."""

    def refused(values: Any, as_command: bool = False) -> str:
        with pytest.raises(ConfigError) as caught:
            read(values, as_command)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refused


def of(**entry: Any) -> dict[str, Any]:
    """A file of one process, `web`."""
    return {"modules": MODULES, "processes": {"web": {**BARE, **entry}}}


# what is kept


def test_the_example_of_the_manual_is_read(read: Any) -> None:
    """The file is unchanged, and means what it meant."""
    plan = read(SEED)
    program = plan.programs[0]
    assert ("test", ("python3", "test.py", "-v", "-t"), HttpOkVerifier, 5001, True, 10.0) == (
        program.name,
        program.command,
        type(program.ready),
        plan.port,
        plan.keep_alive,
        plan.grace,
    )


def test_defaults(read: Any) -> None:
    """No interface, no keep-alive, ten seconds, nothing told, one after another."""
    plan = read({"processes": {"web": BARE}})
    assert (None, False, 10.0, frozenset(), 0, None, {"web"}) == plan[1:]


@pytest.mark.parametrize("key", ["keep-alive", "keep_alive"])
def test_keep_alive_is_written_both_ways(read: Any, key: str) -> None:
    """With a dash, as in the manual, and as the program read it."""
    assert read({key: True, "processes": {"web": BARE}}).keep_alive


@pytest.mark.parametrize(("key", "value"), [("graceful-time", 3), ("graceful_time", "3")])
def test_the_graceful_time_is_that_of_each_and_of_all(read: Any, key: str, value: Any) -> None:
    """Seconds, as a number or in digits."""
    plan = read({key: value, "processes": {"web": BARE}})
    assert (3.0, 3.0) == (plan.grace, plan.programs[0].stop.timeout)


def test_the_order_is_that_of_the_file(read: Any) -> None:
    """Each waits for the one before it."""
    plan = read({"processes": dict.fromkeys("zamb", BARE)})
    assert (["z", "a", "m", "b"], {*"zamb"}) == ([each.name for each in plan.programs], plan.in_order)


def test_one_with_depends_on_has_no_other_order(read: Any) -> None:
    """The others wait for the one before them all the same."""
    plan = read({"processes": {"db": BARE, "web": {**BARE, "depends_on": ["db"]}}})
    assert ({"db"}, {"db": "ready"}) == (plan.in_order, dict(plan.programs[1].depends_on))


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({}, Output("inherit")),
        ({"suppress_output": True}, Output("discard")),
        ({"redirect_output": "x.log"}, Output("file", "x.log", 0)),
        ({"suppress_output": False, "redirect_output": "x.log"}, Output("file", "x.log", 0)),
    ],
    ids=["shown", "suppressed", "redirected", "not suppressed"],
)
def test_output_goes_where_the_options_say(read: Any, options: dict[str, Any], output: Output) -> None:
    """A redirected one is never rotated: the file gets all of it."""
    assert output == read(of(options=options)).programs[0].output


@pytest.mark.parametrize(
    ("more", "options", "command"),
    [
        ({}, {"shell": True}, ("sh", "-c", "sleep 9")),
        ({}, {"shell": "bash"}, ("bash", "-c", "sleep 9")),
        ({"default_shell": "dash"}, {"shell": True}, ("dash", "-c", "sleep 9")),
        ({}, {"shell": False}, ("sleep", "9")),
    ],
    ids=["the system's", "one that is named", "the default", "none"],
)
def test_a_shell_gets_the_arguments_too(
    read: Any, more: dict[str, Any], options: dict[str, Any], command: tuple[str, ...]
) -> None:
    """They were lost once."""
    assert command == read({**of(options=options), **more}).programs[0].command


def test_an_environment_file_is_read_by_a_shell(read: Any, tmp_path: pathlib.Path) -> None:
    """As before; what is shown is the command itself."""
    file = tmp_path / "env"
    file.write_text("export A=1")
    program = read(of(options={"environment_file": str(file)})).programs[0]
    assert (("sh", "-c", '. "$0" || exit 126; exec "$@"', str(file), "sleep", "9"), "sleep 9") == (
        program.command,
        program.shown,
    )


def test_new_keys_stand_beside_the_old(read: Any) -> None:
    """They are those of a Program."""
    program = read(
        of(
            ready={"tcp": "localhost:80"},
            restart={"condition": "always", "delay": 2},
            env={"A": "1"},
            stop={"signal": "INT", "timeout": 1},
        )
    ).programs[0]
    assert (Restart("always", 2.0), {"A": "1"}, Stop(int(signal.SIGINT), 1.0)) == (
        program.restart,
        dict(program.env),
        program.stop,
    )


def test_both_old_verifiers_are_ours(read: Any) -> None:
    """By the names that they had."""
    made = [read(of(verifier={"type": kind, "arguments": arguments})).programs[0].ready
            for kind, arguments in ((OK, {"url": "http://x/"}), (EXITED, {}))]  # fmt: skip
    assert [HttpOkVerifier, ExitedVerifier] == [type(each) for each in made]


def test_a_verifier_may_name_a_port(read: Any) -> None:
    """Then it is made at the launch."""
    program = read(
        of(verifier={"type": OK, "arguments": {"url": "http://localhost:{port:w}/", "timeout": 7}})
    ).programs[0]
    assert 7.0 == program.ready.timeout


# modules

CHECKERS = """
from pymutils.verifier import Verifier

class Yes(Verifier):
    def __init__(self, **arguments):
        self.word = arguments.get("word", "")
    def run(self, process):
        self.log_verbose(self.word)
        return True

class Odd:
    def run(self, process):
        return True

class No:
    pass
"""


@pytest.fixture
def checkers(tmp_path: pathlib.Path) -> Any:
    """A module of verifiers beside the file, as older programs have it; forgotten afterwards."""
    (tmp_path / "checkers.py").write_text(CHECKERS)
    yield
    sys.modules.pop("checkers", None)


def custom(name: str) -> dict[str, Any]:
    """A file that uses one of these."""
    return {
        "modules": {"checkers": {"verifiers": [name]}},
        "processes": {"web": {**BARE, "verifier": {"type": f"checkers.{name}"}}},
    }


def test_an_old_module_is_found_beside_the_file(read: Any, checkers: Any) -> None:
    """It imports `pymutils.verifier`, which is ours where the old package is absent."""
    assert isinstance(read(custom("Yes"), as_command=True).programs[0].ready, Verifier)


def test_the_command_takes_any_class_that_runs(read: Any, checkers: Any) -> None:
    """Nothing else was ever needed of it."""
    assert "Odd" == type(read(custom("Odd"), as_command=True).programs[0].ready).__name__


def test_the_names_of_the_old_package_are_gone_afterwards(read: Any, checkers: Any) -> None:
    """Modules and the search path are as before."""
    before = ({*sys.modules}, [*sys.path])
    read(custom("Yes"), as_command=True)
    assert (before[0] | {"checkers"}, before[1]) == ({*sys.modules}, sys.path)


def test_a_library_searches_nowhere(refused: Any, checkers: Any) -> None:
    """The folder of a file is none of the host's."""
    assert "modules.checkers.verifiers: 'checkers' cannot be imported: ModuleNotFoundError" in refused(custom("Yes"))


# what is refused

WRONG: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "pymanager.json:1: not JSON: Expecting property name enclosed in double quotes (column 2)"),
    "a list": ([], "pymanager.json: the file must be an object, got a list"),
    "an unknown section": ({"proceses": {}}, "pymanager.json: proceses: unknown key; did you mean 'processes'?"),
    "a key twice": ('{"processes": {"a": {}, "a": {}}}', "pymanager.json: processes.a: given twice"),
    "processes as a list": ({"processes": [BARE]}, "pymanager.json: processes must be an object, got a list"),
    "a process as a text": ({"processes": {"web": "x"}}, "pymanager.json: processes.web must be an object, got a text"),
    "no executable": (
        {"processes": {"web": {"arguments": []}}},
        "pymanager.json: processes.web.executable is missing",
    ),
    "no arguments": (
        {"processes": {"web": {"executable": "x"}}},
        "pymanager.json: processes.web.arguments is missing; an empty list will do",
    ),
    "arguments as a text": (of(arguments="9"), "pymanager.json: processes.web.arguments must be a list of texts"),
    "arguments as numbers": (of(arguments=[9]), "pymanager.json: processes.web.arguments must be a list of texts"),
    "an empty executable": (of(executable=""), "pymanager.json: processes.web.executable must be a text, got ''"),
    "an unknown key": (of(optoins={}), "pymanager.json: processes.web.optoins: unknown key; did you mean 'options'?"),
    "an unknown option": (
        of(options={"supress_output": True}),
        "pymanager.json: processes.web.options.supress_output: unknown key; did you mean 'suppress_output'?",
    ),
    "suppressed and redirected": (
        of(options={"suppress_output": True, "redirect_output": "x"}),
        "pymanager.json: processes.web.options: suppress_output and redirect_output are mutually exclusive",
    ),
    "a flag as a text": (
        of(options={"suppress_output": "yes"}),
        "pymanager.json: processes.web.options.suppress_output must be true or false, got a text",
    ),
    "an environment file that is not there": (
        of(options={"environment_file": "/nonexistent/env"}),
        "pymanager.json: processes.web.options.environment_file: there is no file /nonexistent/env",
    ),
    "a verifier without type": (of(verifier={}), "pymanager.json: processes.web.verifier.type is missing"),
    "a type as a number": (
        of(verifier={"type": 1}),
        "pymanager.json: processes.web.verifier.type must be a text, got a number",
    ),
    "a type that is not listed": (
        {"processes": {"web": {**BARE, "verifier": {"type": OK}}}},
        f"pymanager.json: processes.web.verifier.type: {OK!r} is not listed under modules; there are no modules",
    ),
    "an unknown argument": (
        of(verifier={"type": OK, "arguments": {"uri": "http://x/"}}),
        "pymanager.json: processes.web.verifier.arguments: ConfigError: "
        "HttpOkVerifier: unknown argument 'uri'; did you mean 'url'?",
    ),
    "no URL": (
        of(verifier={"type": OK}),
        "pymanager.json: processes.web.verifier.arguments: ConfigError: HttpOkVerifier: "
        "url: target '' has no scheme; write http:// or tcp://host:port",
    ),
    "a verifier and ready": (
        of(verifier={"type": OK, "arguments": {"url": "http://x/"}}, ready={"exit": 0}),
        "pymanager.json: processes.web: give either verifier or ready",
    ),
    "a signal that is none": (
        of(stop={"signal": "TREM"}),
        "pymanager.json: processes.web.stop.signal must be a signal such as TERM, got 'TREM'",
    ),
    "a condition that is none": (
        of(restart="sometimes"),
        "pymanager.json: processes.web.restart must be no, on-failure, always, got 'sometimes'; "
        "known are: always, no, on-failure",
    ),
    "a kind of ready that is none": (
        of(ready={"htpp": "http://x/"}),
        "pymanager.json: processes.web.ready needs one of http, tcp, log, exec, exit, file, all, any, got none; "
        "did you mean 'http'?",
    ),
    "a circle": (
        {"processes": {"a": {**BARE, "depends_on": ["b"]}, "b": {**BARE, "depends_on": ["a"]}}},
        "pymanager.json: processes.a.depends_on: they wait for each other: a -> b -> a",
    ),
    "an unknown name": (
        of(depends_on=["db"]),
        "pymanager.json: processes.web.depends_on: no program 'db'; known are: web",
    ),
    "a port out of range": (
        {"http": {"port": 70000}, "processes": {"web": BARE}},
        "pymanager.json: http.port must be a whole number from 0 to 65535, got 70000",
    ),
    "http as a flag": ({"http": True, "processes": {"web": BARE}}, "pymanager.json: http must be an object, got true"),
    "an unknown message": (
        {"messages": ["process.exti"], "processes": {"web": BARE}},
        "pymanager.json: messages[0]: unknown message 'process.exti'; did you mean 'process.exit'?",
    ),
    "a graceful time below 0": (
        {"graceful-time": -1, "processes": {"web": BARE}},
        "pymanager.json: graceful-time must be seconds, 0 or more, got -1",
    ),
    "both spellings": (
        {"keep-alive": True, "keep_alive": True, "processes": {"web": BARE}},
        "pymanager.json: keep_alive: keep-alive says the same; leave one of them out",
    ),
    "modules as a list": (
        {"modules": [], "processes": {"web": BARE}},
        "pymanager.json: modules must be an object, got a list",
    ),
    "a module without verifiers": (
        {"modules": {"x": {}}, "processes": {"web": BARE}},
        "pymanager.json: modules.x.verifiers must be a list of names, got null",
    ),
    "a module that is not there": (
        {"modules": {"no_such_module": {"verifiers": ["X"]}}, "processes": {"web": BARE}},
        "pymanager.json: modules.no_such_module.verifiers: 'no_such_module' cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "a class that is not there": (
        {"modules": {"json": {"verifiers": ["Nope"]}}, "processes": {"web": BARE}},
        "pymanager.json: modules.json.verifiers: module 'json' has no 'Nope'",
    ),
    "a class that is no verifier": (
        {"modules": {"json": {"verifiers": ["JSONDecoder"]}}, "processes": {"web": BARE}},
        "pymanager.json: modules.json.verifiers: JSONDecoder is no subclass of Verifier",
    ),
}


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_place(refused: Any, values: Any, message: str) -> None:
    """Before anything starts."""
    assert message == refused(values)


@pytest.mark.parametrize("values", [{}, {"processes": {}}])
def test_a_file_without_processes_is_an_error_of_its_own(read: Any, values: Any) -> None:
    """It has an exit code of its own."""
    with pytest.raises(NoProcesses, match="processes: there are none"):
        read(values)


def test_a_file_that_is_not_there_is_the_systems_error() -> None:
    """So is one that cannot be read."""
    with pytest.raises(FileNotFoundError):
        load("/nonexistent/pymanager.json")
