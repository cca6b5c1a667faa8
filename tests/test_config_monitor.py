"""Configuration files: the keys canary and state_file of the monitor, what comes of them, and what is refused."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import our_threads, wait_until

from minimon import ConfigError, HealthCheckServer, Monitor, config

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    """Writes a JSON file with these settings of the monitor, and a check that is not polled. The path."""

    def write(file: str = "c.json", **settings: Any) -> str:
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        checks = {"search": {"target": "tcp://127.0.0.1:1", "initial_delay": 3600}}
        path.write_text(json.dumps({"monitor": settings, "checks": checks}))
        return str(path)

    return write


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every test ends what it started."""
    yield
    assert wait_until(lambda: our_threads() == [])


def monitor(path: str, **environ: str) -> Monitor:
    """What the file makes."""
    return config.build(config.load(path), environ).monitor


def refused(path: str) -> str:
    """The text of the error, from the name of the file on."""
    with pytest.raises(ConfigError) as caught:
        monitor(path)
    text = str(caught.value)
    assert text.startswith(path)
    return text[len(os.path.dirname(path)) + 1 :]


def saved(path: pathlib.Path) -> dict[str, Any]:
    """What a state file says."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def closed_ports(number: int) -> list[int]:
    """Ports on which nobody listens."""
    sockets = [socket.socket() for _ in range(number)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


# state_file


@pytest.mark.parametrize("name", ["state.json", "./state.json", "sub/state.json", "sub/../state.json", "größe 1.json"])
def test_a_state_file_is_meant_from_the_folder_of_the_file(write: Write, tmp_path: pathlib.Path, name: str) -> None:
    """Wherever the process was started."""
    (tmp_path / "sub").mkdir()
    with monitor(write(state_file=name)):
        pass
    assert ["search", "minimon"] == sorted(saved(tmp_path / name)["checks"], reverse=True)


def test_a_state_file_beside_a_configuration_elsewhere(write: Write, tmp_path: pathlib.Path) -> None:
    """A path that leads out of the folder is followed from there."""
    with monitor(write("etc/c.json", state_file="../state.json")):
        pass
    assert "minimon" == saved(tmp_path / "state.json")["name"]


def test_an_absolute_path_is_taken_as_it_is(write: Write, tmp_path: pathlib.Path) -> None:
    """The folder of the configuration does not matter."""
    path = tmp_path / "var" / "state.json"
    path.parent.mkdir()
    with monitor(write("etc/c.json", state_file=str(path))):
        pass
    assert "minimon" == saved(path)["name"]


def test_a_relative_configuration_has_a_folder(write: Write, tmp_path: pathlib.Path) -> None:
    """It is given as it is seen from where the process was started; the state file is beside it."""
    with monitor(os.path.relpath(write(state_file="state.json"))):
        pass
    assert ["c.json", "state.json"] == sorted(os.listdir(tmp_path))


def test_nothing_is_written_before_the_start(write: Write, tmp_path: pathlib.Path) -> None:
    """What a file says is judged; the state file is neither made nor read."""
    monitor(write(state_file="state.json"))
    assert ["c.json"] == os.listdir(tmp_path)


def test_what_was_known_outlives_the_process(write: Write) -> None:
    """The next monitor of the same file takes it up."""
    path = write(state_file="state.json")
    with monitor(path):
        pass
    with monitor(path) as second:
        figures = second.snapshot()["self"]["state_file"]
    assert ("", "1 of 1 checks") == (figures["problem"], figures["restored"][:13])


def test_the_state_file_belongs_to_the_name_of_the_monitor(write: Write) -> None:
    """Both are in the file."""
    with monitor(write("a.json", name="shop", state_file="state.json")):
        pass
    with monitor(write("b.json", name="depot", state_file="state.json")) as second:
        problem = second.snapshot()["self"]["state_file"]["problem"]
    assert "it belongs to the monitor 'shop': it is left alone, and nothing is saved" == problem


def test_without_the_key_there_is_none(write: Write, tmp_path: pathlib.Path) -> None:
    """Nothing is written."""
    with monitor(write()) as made:
        figures = made.snapshot()["self"]["state_file"]
    assert (None, ["c.json"]) == (figures, os.listdir(tmp_path))


def test_a_folder_that_is_not_there_is_told(write: Write) -> None:
    """It stops nothing: the monitor polls, and says what is wrong."""
    with monitor(write(state_file="nowhere/state.json")) as made:
        assert wait_until(lambda: made.snapshot()["self"]["state_file"]["problem"])
        problem = made.snapshot()["self"]["state_file"]["problem"]
    assert "cannot be written: its folder does not exist" == problem


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "monitor.state_file must be a path, got null"),
        ("", "monitor.state_file must be a path, got ''"),
        (5, "monitor.state_file must be a path, got a number"),
        (True, "monitor.state_file must be a path, got true"),
        (["state.json"], "monitor.state_file must be a path, got a list"),
        ({"file": "state.json"}, "monitor.state_file must be a path, got an object"),
        ("a\0b", "monitor.state_file must be "),
        (".", "monitor.state_file must be the path of a file, got "),
        ("..", "monitor.state_file must be the path of a file, got "),
    ],
)
def test_a_bad_state_file_is_refused(write: Write, value: Any, message: str) -> None:
    """With file and key."""
    assert f"c.json: {message}" == refused(write(state_file=value))[: len(message) + 8]


# canary


def lost(write: Write, canary: Any) -> str:
    """What a monitor says of its network when two checks of different hosts fail, and these canaries are asked."""
    first, second = closed_ports(2)
    path = pathlib.Path(write(canary=canary))
    document = json.loads(path.read_text())
    targets = {"one": f"tcp://127.0.0.1:{first}", "two": f"tcp://localhost:{second}"}
    document["checks"] = {name: {"target": target, "initial_delay": 0} for name, target in targets.items()}
    path.write_text(json.dumps(document))
    with monitor(str(path)) as made:
        assert wait_until(
            lambda: all(made.state(name).counts.fail + made.state(name).counts.unknown for name in targets)
        )
        assert wait_until(lambda: made.snapshot()["self"]["busy"] == 0)
        said: str = made.snapshot()["self"]["lost"]
    return said


@pytest.mark.parametrize("listed", [False, True])
def test_a_canary_that_does_not_answer_tells_that_it_is_us(write: Write, listed: bool) -> None:
    """One address, alone or in a list."""
    canary = f"tcp://127.0.0.1:{closed_ports(1)[0]}"
    assert f"no network: {canary}: " == lost(write, [canary] if listed else canary)[: len(canary) + 14]


def test_all_canaries_of_a_list_are_asked(write: Write) -> None:
    """What each of them said is told."""
    canaries = [f"tcp://127.0.0.1:{port}" for port in closed_ports(2)]
    said = lost(write, canaries)
    assert [True, True] == [canary in said for canary in canaries]


def test_one_canary_that_answers_is_enough(write: Write) -> None:
    """Then it is the targets."""
    with HealthCheckServer(port=0).serving() as server:
        said = lost(write, [f"tcp://127.0.0.1:{closed_ports(1)[0]}", f"tcp://127.0.0.1:{server.port}"])
    assert "" == said


@pytest.mark.parametrize("canary", [None, []])
def test_no_canary_is_none(write: Write, canary: Any) -> None:
    """Failures are the targets'."""
    assert "" == lost(write, canary)


@pytest.mark.parametrize(
    "canary", ["tcp://10.0.0.1:53", "http://h/", "https://h", ["tcp://h:1"], ["http://a/", "tcp://b:1", "https://c/"]]
)
def test_a_canary_is_any_address_that_can_be_polled(write: Write, canary: Any) -> None:
    """Or a list of them; nobody asks it yet."""
    assert "" == monitor(write(canary=canary)).snapshot()["self"]["lost"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "monitor.canary: target '' has no scheme"),
        ("10.0.0.1:53", "monitor.canary: target '10.0.0.1:53' has no scheme; write http://"),
        ("udp://10.0.0.1:53", "monitor.canary: unknown scheme 'udp' in target"),
        ("tcp://10.0.0.1", "monitor.canary: target has no port"),
        ("tcp://10.0.0.1:99999", "monitor.canary: target is not an address"),
        (["tcp://10.0.0.1:53", "10.0.0.2"], "monitor.canary: target '10.0.0.2' has no scheme"),
        (5, "monitor.canary: target must be an address"),
        (True, "monitor.canary: target must be an address"),
        ([5], "monitor.canary: target must be an address"),
        ([["tcp://h:1"]], "monitor.canary: target must be an address"),
        ([None], "monitor.canary: target must be an address"),
        ({"env": "CANARY"}, "monitor.canary"),
        ({}, "monitor.canary"),
    ],
)
def test_a_bad_canary_is_refused(write: Write, value: Any, message: str) -> None:
    """With file and key."""
    assert f"c.json: {message}" == refused(write(canary=value))[: len(message) + 8]


@pytest.mark.parametrize("value", ["http://us3r:s3cret@/", "us3r:s3cret@h?token=s3cret", ["tcp://us3r:s3cret@h"]])
def test_a_bad_canary_keeps_its_secrets(write: Write, value: Any) -> None:
    """Neither userinfo nor values of a query are in the error."""
    text = refused(write(canary=value))
    assert [] == [word for word in ("us3r", "s3cret") if word in text]


def test_the_secrets_of_a_canary_are_not_told(write: Write) -> None:
    """What it said is told with its address as it may be shown."""
    said = lost(write, f"http://us3r:s3cret@127.0.0.1:{closed_ports(1)[0]}/?token=t0ken")
    assert (True, []) == (bool(said), [word for word in ("us3r", "s3cret", "t0ken") if word in said])


# both


@pytest.mark.parametrize(
    ("key", "hint"), [("canaries", "canary"), ("statefile", "state_file"), ("state-file", "state_file")]
)
def test_a_misspelt_key_gets_a_hint(write: Write, key: str, hint: str) -> None:
    """As every other."""
    assert f"c.json: monitor.{key}: unknown option; did you mean {hint!r}?" == refused(write(**{key: "x"}))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_toml_says_the_same(tmp_path: pathlib.Path) -> None:
    """Both keys in a file of the other kind."""
    path = tmp_path / "c.toml"
    path.write_text(
        '[monitor]\ncanary = ["tcp://10.0.0.1:53"]\nstate_file = "state.json"\n'
        '[checks.search]\ntarget = "tcp://127.0.0.1:1"\ninitial_delay = 3600\n'
    )
    with monitor(str(path)):
        pass
    assert ["minimon", "search"] == sorted(saved(tmp_path / "state.json")["checks"])


def test_the_keys_are_documented() -> None:
    """In the reference of configuration files, which is the module's docstring."""
    assert [True, True] == [key in (config.__doc__ or "") for key in ("canary", "state_file")]
