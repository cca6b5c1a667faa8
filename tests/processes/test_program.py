"""Programs: what they may be told, what is refused at construction, and that they stay as they are."""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from minimon.errors import ConfigError
from minimon.probes import Shared
from minimon.processes.lifecycle import Restart
from minimon.processes.program import Output, Program, Stop, check_order
from minimon.processes.verifiers import ExitedVerifier, Verifier

TRUE = ["true"]


def error_of(*args: Any, **options: Any) -> str:
    """What is said of a program that is refused; "" of one that is none."""
    try:
        Program(*args, **options)
    except ConfigError as error:
        return str(error)
    return ""


def deep(levels: int) -> Any:
    """Conditions within conditions."""
    spec: Any = {"file": "x"}
    for _ in range(levels):
        spec = {"all": [spec]}
    return spec


def circle() -> Any:
    """A condition that holds itself."""
    spec: dict[str, Any] = {"all": []}
    spec["all"].append(spec)
    return spec


class Odd(os.PathLike):  # type: ignore[type-arg]
    """A path that is no text."""

    def __fspath__(self) -> bytes:
        return b"\xff"


# names


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[31m", "\0", "x" * 201, "\ud800", None, 1, b"web", ["web"], True])
def test_a_name_is_a_printable_text(name: Any) -> None:
    """Neither empty, nor longer than 200 characters."""
    assert "name must be a printable text of 1 to 200 characters" in error_of(name, TRUE)


@pytest.mark.parametrize("name", ["web", "x" * 200, "größer", "a b", "..", "-", "{port:web}"])
def test_a_name_may_be_any_printable_text(name: str) -> None:
    """In any language."""
    assert name == Program(name, TRUE).name


def test_a_long_name_is_told_shortened() -> None:
    """A message stays a message."""
    assert len(error_of("x" * 10_000, TRUE)) < 200


# commands


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["echo", "a b"], ("echo", "a b")),
        (("echo", ""), ("echo", "")),
        ("echo 'a b' c", ("echo", "a b", "c")),
        ("echo $HOME; rm", ("echo", "$HOME;", "rm")),
    ],
)
def test_a_command_is_words(command: Any, words: tuple[str, ...]) -> None:
    """A text is split as a shell does, and never given to one."""
    assert words == Program("a", command).command


@pytest.mark.parametrize("command", [None, 1, b"ls", [], (), "", "  ", [""], [None], {"ls": 1}, {"ls"}, [[]]])
def test_a_command_is_a_list(command: Any) -> None:
    """Of at least an executable."""
    assert "command must be a list: an executable and its arguments" in error_of("a", command)


@pytest.mark.parametrize("command", [["ls", 1], ["ls", b"x"], ["ls", "a\0b"], ["\0"], ["ls", None], [["ls"]], "ls \0"])
def test_words_are_texts(command: Any) -> None:
    """Without NUL, which no program can be given."""
    assert "command: expected a text without NUL" in error_of("a", command)


def test_a_word_must_be_bytes_to_the_system() -> None:
    """Half of a surrogate pair is not."""
    assert "cannot be given to a program" in error_of("a", ["ls", "\ud800"])


def test_odd_bytes_may_be_given() -> None:
    """As Python writes those of file names that are no UTF-8."""
    assert os.fsdecode(b"\xff") == Program("a", ["ls", os.fsdecode(b"\xff")]).command[1]


def test_a_text_that_cannot_be_split_says_why() -> None:
    """A quotation without an end."""
    assert "command cannot be split: No closing quotation; give a list" in error_of("a", "echo 'x")


def test_a_command_is_shown_without_secrets() -> None:
    """Of URLs."""
    assert "secret" not in repr(Program("a", ["curl", "http://me:secret@localhost/"]))


# restart


@pytest.mark.parametrize(
    ("restart", "found"),
    [
        ("no", Restart("no")),
        ("on-failure", Restart("on-failure")),
        ("always", Restart("always")),
        ({}, Restart("on-failure")),
        ({"delay": 0, "max_delay": 0}, Restart("on-failure", 0.0, 0.0)),
        (
            {"condition": "always", "delay": 2, "max_delay": 9, "max_attempts": 1, "window": 1},
            Restart("always", 2.0, 9.0, 1, 1.0),
        ),
    ],
)
def test_restart_says_when_and_how_soon(restart: Any, found: Restart) -> None:
    """By a word or in detail."""
    assert found == Program("a", TRUE, restart=restart).restart


@pytest.mark.parametrize("restart", ["never", "", "ALWAYS", True, None, 1, ["no"], {"condition": "x"}])
def test_restart_is_one_of_three_words(restart: Any) -> None:
    """All of them are named."""
    assert "restart must be no, on-failure, always" in error_of("a", TRUE, restart=restart)


HUGE = pytest.param(10**400, id="huge")
NO_SECONDS = [-1, -0.1, float("nan"), float("inf"), "1", None, True, [], HUGE]


@pytest.mark.parametrize("key", ["delay", "max_delay", "window"])
@pytest.mark.parametrize("value", NO_SECONDS)
def test_times_of_a_restart_are_seconds(key: str, value: Any) -> None:
    """Neither less than none, nor endless."""
    assert f"program 'a': restart.{key} must be seconds" in error_of("a", TRUE, restart={key: value})


@pytest.mark.parametrize("value", [0, -1, 1.0, "5", None, True])
def test_attempts_are_a_whole_number(value: Any) -> None:
    """At least one."""
    said = "program 'a': restart.max_attempts must be a whole number, 1 or more"
    assert error_of("a", TRUE, restart={"max_attempts": value}).startswith(said)


def test_a_window_lasts() -> None:
    """No time at all would never count anything."""
    assert "restart.window must be seconds" in error_of("a", TRUE, restart={"window": 0})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"restart": {"dely": 1}}, "restart.dely: unknown option; did you mean 'delay'?"),
        ({"restart": {1: 1}}, "restart.1: unknown option"),
        ({"stop": {"signl": 1}}, "stop.signl: unknown option; did you mean 'signal'?"),
        ({"output": {"file": "x", "max_byte": 1}}, "output.max_byte: unknown option; did you mean 'max_bytes'?"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], said: str) -> None:
    """With the one that was meant."""
    assert said in error_of("a", TRUE, **options)


# depends_on


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ((), {}),
        (["b", "c"], {"b": "ready", "c": "ready"}),
        (["b", "b"], {"b": "ready"}),
        ({"b": "started", "c": "completed"}, {"b": "started", "c": "completed"}),
        (iter(["b"]), {"b": "ready"}),
    ],
)
def test_needs_are_names(needs: Any, found: dict[str, str]) -> None:
    """That must be ready, or as a dict says."""
    assert found == dict(Program("a", TRUE, depends_on=needs).depends_on)


@pytest.mark.parametrize("needs", ["b", 1, None, [1], [["b"]], [None], {1: "ready"}, b"b", True])
def test_needs_are_a_list_of_names(needs: Any) -> None:
    """A text alone would be its letters."""
    assert "depends_on must be a list of names or a dict" in error_of("a", TRUE, depends_on=needs)


@pytest.mark.parametrize("need", ["up", "", None, [], 1])
def test_a_need_is_one_of_three_words(need: Any) -> None:
    """All of them are named."""
    assert "depends_on.b must be started, ready, completed" in error_of("a", TRUE, depends_on={"b": need})


def test_no_program_waits_for_itself() -> None:
    """It would wait for ever."""
    assert "depends_on: a cannot wait for itself" in error_of("a", TRUE, depends_on=["a"])


# stop


@pytest.mark.parametrize("number", ["TERM", "SIGTERM", "term", 15, signal.SIGTERM])
def test_a_signal_has_many_names(number: Any) -> None:
    """Or a number."""
    assert 15 == Program("a", TRUE, stop={"signal": number}).stop.signal


def test_it_is_told_to_end_with_term() -> None:
    """And has ten seconds."""
    assert Stop(15, 10.0) == Program("a", TRUE).stop


@pytest.mark.parametrize("number", ["", "KIL", "SIG", 0, -1, 10**6, None, True, [], {}, float("nan"), "TERM ", b"TERM"])
def test_what_is_no_signal_is_refused(number: Any) -> None:
    """Here, and not when it is needed."""
    assert "stop.signal must be a signal such as TERM" in error_of("a", TRUE, stop={"signal": number})


@pytest.mark.parametrize("value", NO_SECONDS)
def test_the_time_to_stop_is_seconds(value: Any) -> None:
    """None at all is some."""
    assert "stop.timeout must be seconds, 0 or more" in error_of("a", TRUE, stop={"timeout": value})


@pytest.mark.parametrize("stop", [None, 10, "TERM", ["TERM"]])
def test_stop_is_a_dict(stop: Any) -> None:
    """Of a signal and a timeout."""
    assert "stop must be a dict of signal and timeout" in error_of("a", TRUE, stop=stop)


# env, env_file, cwd


@pytest.mark.parametrize("env", [[("a", "b")], "A=b", 1, 0, [], "", False])
def test_env_is_a_dict(env: Any) -> None:
    """What is empty is none either."""
    assert "env must be a dict of texts" in error_of("a", TRUE, env=env)


@pytest.mark.parametrize("name", ["", "A=B", "="])
def test_a_variable_has_a_name(name: str) -> None:
    """Without =, which ends it."""
    assert "is no name of a variable" in error_of("a", TRUE, env={name: "x"})


@pytest.mark.parametrize("env", [{1: "x"}, {"A": 1}, {"A": None}, {"A\0": "x"}, {"A": "x\0"}, {b"A": "x"}, {"A": b"x"}])
def test_variables_are_texts(env: Any) -> None:
    """Numbers too have to be written."""
    assert "expected a text without NUL" in error_of("a", TRUE, env=env)


@pytest.mark.parametrize("key", ["env_file", "cwd"])
@pytest.mark.parametrize("path", ["", 1, b"x", [], "a\0b", Odd(), False])
def test_paths_are_texts(key: str, path: Any) -> None:
    """Or objects that stand for one."""
    assert f"program 'a': {key}" in error_of("a", TRUE, **{key: path})


@pytest.mark.parametrize("key", ["env_file", "cwd"])
def test_paths_may_be_path_objects(key: str) -> None:
    """They need not be there yet."""
    assert "/no/such" == getattr(Program("a", TRUE, **{key: pathlib.Path("/no/such")}), key)


# output, stdin


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("inherit", Output("inherit")),
        ("discard", Output("discard")),
        ({"file": "a.log"}, Output("file", "a.log", 10485760, 3)),
        ({"file": pathlib.Path("a.log"), "max_bytes": 0, "count": 0}, Output("file", "a.log", 0, 0)),
    ],
)
def test_output_goes_to_one_of_three(output: Any, found: Output) -> None:
    """The host's own, nowhere, a file."""
    assert found == Program("a", TRUE, output=output).output


@pytest.mark.parametrize("output", ["", "file", "x.log", None, 1, {}, {"path": "x"}, ["discard"], True])
def test_output_elsewhere_is_refused(output: Any) -> None:
    """All that there is is named."""
    assert "output must be inherit, discard or {'file': PATH}" in error_of("a", TRUE, output=output)


@pytest.mark.parametrize("key", ["max_bytes", "count"])
@pytest.mark.parametrize("value", [-1, 1.5, "1", None, True, float("inf")])
def test_sizes_are_whole_numbers(key: str, value: Any) -> None:
    """0 is one."""
    assert f"output.{key} must be a whole number, 0 or more" in error_of("a", TRUE, output={"file": "x", key: value})


@pytest.mark.parametrize("path", ["", None, 1, "a\0"])
def test_a_file_has_a_path(path: Any) -> None:
    """An empty one is none."""
    assert "output.file" in error_of("a", TRUE, output={"file": path})


@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_stdin_is_yes_or_no(value: Any) -> None:
    """Nothing that stands for it."""
    assert "stdin must be True or False" in error_of("a", TRUE, stdin=value)


# ready and live


def test_an_error_in_ready_says_where() -> None:
    """The program and the option."""
    assert error_of("a", TRUE, ready={"tpc": "x"}).startswith("program 'a': ready needs one of ")


def test_an_error_in_live_says_where() -> None:
    """The program and the option."""
    assert error_of("a", TRUE, live={"log": "("}).startswith("program 'a': live.log must be a regular expression")


@pytest.mark.parametrize("live", [{"exit": 0}, {"any": [{"exit": 0}, {"file": "x"}]}, ExitedVerifier()])
def test_live_can_be_looked_at_again(live: Any) -> None:
    """An exit and a Verifier cannot."""
    assert "live must be something that can be looked at again and again" in error_of("a", TRUE, live=live)


@pytest.mark.parametrize("spec", [deep(9), deep(200), deep(5000), circle()], ids=["9", "200", "5000", "circle"])
def test_conditions_are_not_nested_for_ever(spec: Any) -> None:
    """Whatever their depth, it is a ConfigError."""
    assert "nested too deep" in error_of("a", TRUE, ready=spec)


@pytest.mark.parametrize("key", [1, None, ("a",), ("a", ["b"][0])])
def test_odd_keys_of_a_condition_are_refused(key: Any) -> None:
    """As ones that are not known."""
    assert "program 'a': ready" in error_of("a", TRUE, ready={key: 1})


def test_a_verifier_has_a_pipe_to_write_to() -> None:
    """Older ones write to the process."""
    assert Program("a", TRUE, ready=Verifier()).stdin


def test_a_restart_takes_what_it_and_ready_take() -> None:
    """The time to end, and the time to get ready."""
    program = Program("a", TRUE, stop={"timeout": 3}, ready={"file": "x", "timeout": 4})
    assert 7.0 == program.patience


# ports


def test_ports_stand_in_conditions() -> None:
    """Each name is asked for."""
    asked: list[str] = []
    program = Program("a", TRUE, ready={"all": [{"tcp": "localhost:{port:x}"}, {"exec": ["y", "{port:y.z-1}"]}]})
    program.gates(lambda name: asked.append(name) or 1, Shared())  # type: ignore[func-returns-value]
    assert ["x", "y.z-1"] == asked


# immutability


@pytest.mark.parametrize("name", ["name", "command", "ready", "restart", "env", "novel", "__dict__"])
def test_a_program_cannot_be_changed(name: str) -> None:
    """Another one is made."""
    with pytest.raises(AttributeError, match="cannot be changed: make another one"):
        setattr(Program("a", TRUE), name, 1)


def test_nothing_of_a_program_can_be_deleted() -> None:
    """It stays whole."""
    with pytest.raises(AttributeError, match="cannot be changed"):
        del Program("a", TRUE).name


@pytest.mark.parametrize("name", ["depends_on", "env"])
def test_its_dicts_cannot_be_changed(name: str) -> None:
    """They are views of its own copies."""
    assert isinstance(getattr(Program("a", TRUE), name), MappingProxyType)


def test_what_was_given_may_be_changed_later() -> None:
    """The program has its own copies."""
    command, env, needs = ["true"], {"A": "x"}, ["b"]
    program = Program("a", command, env=env, depends_on=needs)
    command.append("y"), env.update(B="y"), needs.append("c")
    assert (("true",), {"A": "x"}, {"b": "ready"}) == (program.command, dict(program.env), dict(program.depends_on))


def test_a_condition_that_was_given_may_be_changed_later() -> None:
    """The program asks for what it was made with."""
    ready = {"all": [{"exec": ["true"]}]}
    program = Program("a", TRUE, ready=ready)
    ready["all"].append({"exec": []})
    assert program.gates(lambda name: 1, Shared())[0] is not None


def test_a_condition_of_a_program_cannot_be_changed() -> None:
    """Not within either."""
    with pytest.raises((TypeError, AttributeError)):
        Program("a", TRUE, ready={"all": [{"file": "x"}]}).ready["all"][0]["file"] = "y"


# orders


def programs(needs: Mapping[str, Any]) -> list[Program]:
    """Programs by what they depend on."""
    return [Program(name, TRUE, depends_on=needed) for name, needed in needs.items()]


def order_error(needs: Mapping[str, Any]) -> str:
    """What is wrong with their order; "" for nothing."""
    try:
        check_order(programs(needs))
    except ConfigError as error:
        return str(error)
    return ""


def test_an_order_may_have_many_ways() -> None:
    """One program may be needed by many, and be there in any place."""
    assert "" == order_error({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []})


def test_names_are_unique() -> None:
    """Else nobody could say which is meant."""
    with pytest.raises(ConfigError, match="program 'a' is there twice; names are unique"):
        check_order([Program("a", TRUE), Program("a", ["false"])])


def test_an_unknown_name_is_told_with_the_one_that_was_meant() -> None:
    """Both programs are named."""
    said = "program 'web': depends_on: no program 'databse'; did you mean 'database'?"
    assert said == order_error({"web": ["databse"], "database": []})


@pytest.mark.parametrize(
    ("needs", "ring"),
    [
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, "b -> c -> b"),
        ({"a": [], "b": ["a", "c"], "c": ["d"], "d": ["a", "b"]}, "b -> c -> d -> b"),
    ],
)
def test_a_circle_is_told(needs: Mapping[str, Any], ring: str) -> None:
    """Without what only leads to it."""
    assert f"they wait for each other: {ring}" in order_error(needs)


def test_a_chain_may_be_long() -> None:
    """5,000 programs that wait for one another."""
    assert "" == order_error({f"p{number}": [f"p{number + 1}"] * (number < 4999) for number in range(5000)})


def test_a_long_circle_is_told_in_short() -> None:
    """A message of 5,000 names is none."""
    said = order_error({f"p{number}": [f"p{(number + 1) % 5000}"] for number in range(5000)})
    assert "they wait for each other: p0 -> p1" in said and len(said) < 1000


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["db", "--password", "x y", "-v"], "db --password *** -v"),
        (["db", "--api-key=x"], "db --api-key=***"),
        (["env", "DB_PASSWORD=x", "db"], "env DB_PASSWORD=*** db"),
        (["db", "--token", "--quiet"], "db --token --quiet"),
        (["db", "http://u:p@h/?q=x"], "db http://***@h/?q=***"),
        (["sh", "-c", "read password; token = 1"], "sh -c read password; token = 1"),
    ],
)
def test_a_command_is_shown_without_its_secrets(command: list[str], shown: str) -> None:
    """Values of arguments whose names tell that they are secret, and those of addresses."""
    assert shown == Program("db", command).shown
