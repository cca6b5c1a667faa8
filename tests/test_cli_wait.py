"""The command `wait`: its conditions, its exit codes, its words."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
from typing import Any

import pytest
from support import ROOT, wait_until

from minimon.cli import main
from minimon.cli_wait import condition
from minimon.errors import ConfigError
from minimon.testing import RogueServer


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["status_code=200"], {"status_code": 200}),
        (["status_code=2xx"], {"status_code": "2xx"}),
        (["text=200"], {"text": "200"}),
        (["text="], {"text": ""}),
        (["contains=a=b", "contains=c", "contains=d"], {"contains": ["a=b", "c", "d"]}),
        (["regex=^a"], {"regex": "^a"}),
        (['json={"a": [1]}'], {"json": {"a": [1]}}),
        (["latency=0.5", "body_size=10"], {"latency": 0.5, "body_size": 10}),
        (['latency={"gt": 1}'], {"latency": {"gt": 1}}),
        (["header=X-A"], {"header": {"X-A": {"exists": True}}}),
        (["header=X-A:"], {"header": {"X-A": ""}}),
        (["header=Content-Type: a:b"], {"header": {"Content-Type": "a:b"}}),
        (["jsonpath=$.a"], {"jsonpath": {"$.a": {"exists": True}}}),
        (['jsonpath=$.status == "OK"'], {"jsonpath": {"$.status": {"eq": "OK"}}}),
        (['jsonpath=$["a == b"]!=null'], {"jsonpath": {'$["a == b"]': {"ne": None}}}),
        (["jsonpath=$[?@.a == 1].n >= 5"], {"jsonpath": {"$[?@.a == 1].n": {"ge": 5}}}),
        (["jsonpath=$[?@.a == 1]"], {"jsonpath": {"$[?@.a == 1]": {"exists": True}}}),
        (["jsonpath=$.a < 1", "jsonpath=$.b"], {"jsonpath": {"$.a": {"lt": 1}, "$.b": {"exists": True}}}),
        (['{"text": "x", "status_code": [200, 204]}'], {"text": "x", "status_code": [200, 204]}),
        (['{"text": "x"}', "status_code=200"], {"text": "x", "status_code": 200}),
        (['[{"text": "x"}, {"text": "y"}]'], [{"text": "x"}, {"text": "y"}]),
        (['header={"Age": {"lt": 5}}'], {"header": {"Age": {"lt": 5}}}),
        (['jsonpath={"$.a": 1}', "jsonpath=$.b"], {"jsonpath": {"$.a": 1, "$.b": {"exists": True}}}),
        (["jsonpath=$.a > 1", "jsonpath=$.a < 5"], {"jsonpath": {"$.a": {"gt": 1, "lt": 5}}}),
    ],
    ids=str,
)
def test_words_make_a_condition(words: list[str], expected: Any) -> None:
    """All together must hold; values are JSON where a key takes more than texts."""
    assert expected == condition(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["statuscode=200"],
            "expected KEY=VALUE, a JSON object or a list of them, got 'statuscode=200'; did you mean 'status_code'?",
        ),
        (["status_code"], "status_code: expected a value: status_code=VALUE"),
        (
            ["jsonpath=$.a==OK"],
            "jsonpath: JSONPath: expected '.', '..' or '[', got '=' at position 3 of $.a==OK; behind == a value",
        ),
        (["200"], "expected KEY=VALUE, a JSON object or a list of them, got '200'; known are: "),
        (["callback=x"], "expected KEY=VALUE, a JSON object or a list of them, got 'callback=x'; "),
        (["{x"], "not JSON ("),
        (["jsonpath=$.["], "jsonpath: JSONPath: expected a name"),
        (["status_code=200", "status_code=201"], "status_code is given twice; for alternatives give a JSON list"),
        (["jsonpath=$.a > 1", "jsonpath=$.a > 5"], "jsonpath $.a gt is given twice; "),
        (["header=a: 1", "header=a: 2"], "header a is given twice; "),
        (['[{"text": "x"}]', "status_code=200"], "a list of alternatives stands alone; "),
        (["[" * 100_000], "not JSON (JSON nested too deep): [[["),
        (["jsonpath={"], "not JSON ("),
        (["json={status:OK}"], "not JSON ("),
    ],
)
def test_words_that_make_none_are_refused(words: list[str], message: str) -> None:
    """With the nearest right key."""
    with pytest.raises(ConfigError) as caught:
        condition(words)
    assert message == str(caught.value)[: len(message)]


@pytest.fixture
def served() -> Any:
    """The address of a server that answers with JSON."""
    with RogueServer("json") as server:
        yield server.url


def say(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit code, and what was printed."""
    code = main(["wait", *argv])
    return (code, *capsys.readouterr())


MET = ("--until", "status_code=200", "--until", 'jsonpath=$.status == "ok"')


def test_what_is_met_is_quiet(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of a terminal."""
    assert (0, "", "") == say(capsys, served, *MET)


def test_all_targets_must_be_met(served: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of whatever kind they are; with --json each has an object."""
    port = served.split(":")[2].strip("/")
    code, out, _ = say(capsys, served, f"tcp://127.0.0.1:{port}", str(tmp_path), "--json")
    seen = [json.loads(line) for line in out.splitlines()]
    assert (0, [True] * 3, [200, None, None]) == (
        code,
        [one["met"] for one in seen],
        [one["status_code"] for one in seen],
    )


def test_what_takes_too_long_is_1(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says why."""
    code, out, err = say(capsys, served, "--until", "text=x", "--timeout", "0.2")
    assert (1, "", True) == (code, out, 'text: expected "x", got "' in err)


def test_each_target_is_told_of(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first that runs out of time does not hide the others."""
    code, out, _ = say(capsys, "/nowhere/a", served, "/nowhere/b", "--timeout", "0.2", "--json")
    seen = [(one["target"], one["met"]) for one in map(json.loads, out.splitlines())]
    assert (1, [("/nowhere/a", False), (served, True), ("/nowhere/b", False)]) == (code, seen)


def test_an_alarm_is_4(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One of them is enough."""
    alarms = ("--alarm", "status_code=500", "--alarm", "contains=ok")
    code, _, err = say(capsys, served, "--until", "text=x", *alarms)
    assert (4, f"minimon: wait_for {served}: alarm {{'contains': 'ok'}}\n") == (code, err)


def test_one_that_fails_ends_the_others(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no need to wait for the rest."""
    code, _, err = say(capsys, served, "/nowhere/at/all", "--alarm", "status_code=200", "--timeout", "60")
    assert (4, True) == (code, "wait_for /nowhere/at/all: cancelled after " in err)


def test_reversed_it_waits_for_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A path that is not there is gone."""
    assert (0, "", "") == say(capsys, "/nowhere/at/all", "--reverse", "--stable", "2", "--interval", "0.01")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["ftp://x"], "minimon: wait: wait_for: unknown scheme 'ftp' in target"),
        (["/x", "--until", "{}"], "minimon: wait: --until: expected a dict of conditions"),
        (["/x", "--until", "foo=1"], "minimon: wait: expected KEY=VALUE"),
        (["/x", "--until", "status_code=99"], "minimon: wait: --until: status_code: expected a number of three digits"),
        (["/x", "--alarm", "latency=1"], "minimon: wait: --alarm: latency says what is bad here"),
    ],
)
def test_wrong_use_is_2(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, before anything is waited for."""
    code, out, err = say(capsys, *argv)
    assert (2, "", True, 1) == (code, out, message in err, err.count("\n"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_is_130() -> None:
    """At once, without a traceback."""
    with RogueServer("silent") as server:
        command = [sys.executable, "-m", "minimon", "wait", server.url]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            assert wait_until(lambda: server.requests, 10.0)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)
    assert (130, "") == (process.returncode, err)
