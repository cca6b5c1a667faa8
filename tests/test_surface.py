"""What hosts see: the public names, their signatures and defaults, and where they come from."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from typing import Any

import pytest
from support import ROOT, python

import minimon
import minimon.testing
from minimon import Check, HealthCheckServer, Monitor, Resource

NAMES = """
    __version__
    Check Resource Probe HttpProbe probe harnessed
    Monitor HealthCheckServer HealthCheckHandler
    Response Fault Result CheckState Change Status Outcome Condition
    wait_for Alarm WaitTimeout WaitCancelled
    MinimonError ConfigError JsonPathError UnknownCheckError LifecycleError PortError NotReadyError
""".split()

NONE_SAID = inspect.Parameter.empty


def test_the_public_names_are_these() -> None:
    """Nothing more, nothing less."""
    assert sorted(NAMES) == sorted(minimon.__all__)


def test_there_are_few_public_names() -> None:
    """At most 40, or it is not mini any more."""
    assert len(minimon.__all__) <= 40


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_can_be_used(name: str) -> None:
    """Each is found, and is called what it is called."""
    assert name in (name, getattr(minimon, name)) if name == "__version__" else name == getattr(minimon, name).__name__


def test_names_come_with_a_star() -> None:
    """`from minimon import *` gives all of them and nothing else."""
    ended = python("before = set(dir())\nfrom minimon import *\nprint(*sorted(set(dir()) - before - {'before'}))")
    assert sorted(NAMES) == ended.stdout.split()


def test_names_are_listed() -> None:
    """dir() shows what completion offers, before anything was used."""
    ended = python("import minimon; print(*dir(minimon))")
    assert {*NAMES, "__version__"} <= {*ended.stdout.split()}


@pytest.mark.parametrize(
    "path",
    [
        "jsonpath.compile",
        "jsonpath.find",
        "testing.RogueServer",
        "testing.FakeClock",
        "testing.ScriptedProbe",
        "errors.PortError",
    ],
)
def test_rooms_are_found(path: str) -> None:
    """`import minimon` is enough for minimon.testing and what else hosts use."""
    ended = python(f"import minimon; print(minimon.{path}.__name__)")
    assert (path.split(".")[1], "") == (ended.stdout.strip(), ended.stderr)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """hasattr and getattr with a default work as with any module."""
    with pytest.raises(AttributeError, match="module 'minimon' has no attribute 'Moniter'"):
        getattr(minimon, "Moniter")  # noqa: B009


def test_an_unknown_name_is_an_import_error() -> None:
    """`from minimon import Moniter` says what is wrong."""
    with pytest.raises(ImportError, match="cannot import name 'Moniter'"):
        exec("from minimon import Moniter")


def test_a_name_is_looked_up_once() -> None:
    """After its first use it is an attribute like any other."""
    first = minimon.Check
    assert (first, True) == (minimon.Check, "Check" in vars(minimon))


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for them is what the table has, from the same rooms; old names are not among ours."""
    tree = ast.parse((ROOT / "minimon" / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.asname: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and not str(node.module).startswith(("compat", "processes"))
        for alias in node.names
    }
    homes = {name: getattr(minimon, name).__module__.partition(".")[2] for name in NAMES if name != "__version__"}
    assert homes == seen


def test_the_package_is_typed() -> None:
    """Type checkers of hosts look for this file."""
    assert (ROOT / "minimon" / "py.typed").is_file()


def test_the_version_is_one() -> None:
    """Three numbers, and the same that the package index would show."""
    assert [True] * 3 == [part.isdigit() for part in minimon.__version__.split(".")]


# signatures


def signature(function: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What may be given by place, and what by name only, each with its default; * and ** marked so."""
    by_place, by_name = {}, {}
    for each in inspect.signature(function).parameters.values():
        if each.kind is each.VAR_POSITIONAL:
            by_place[f"*{each.name}"] = NONE_SAID
        elif each.kind is each.VAR_KEYWORD:
            by_name[f"**{each.name}"] = NONE_SAID
        else:
            (by_name if each.kind is each.KEYWORD_ONLY else by_place)[each.name] = each.default
    by_place.pop("self", None)
    return by_place, by_name


OF_A_CHECK = {
    "every": 10.0,
    "timeout": 5.0,
    "expect": None,
    "warn_if": None,
    "fall": 3,
    "rise": 2,
    "retry_interval": None,
    "critical": None,
    "initial_delay": None,
    "group": "",
    "tags": {},
    "**options": NONE_SAID,
}
OF_A_MONITOR = {
    "name": "minimon",
    "min_workers": 2,
    "max_workers": 32,
    "defaults": None,
    "share": None,
    "state_file": None,
    "canary": (),
    "strict": False,
    "executor": None,
    "clock": None,
    "on_change": None,
    "on_start": None,
    "on_stop": None,
}
OF_A_SERVER = {"token": None, "auth": None, "allowed_hosts": (), "details": None, "handler": None, "api": False}
OF_A_RESOURCE = {"name": NONE_SAID, "url": NONE_SAID, "polling_interval": NONE_SAID, "check": None}
OF_A_ROGUE = {"host": "127.0.0.1", "port": 0, "seed": None, "**settings": NONE_SAID}


@pytest.mark.parametrize(
    ("function", "by_place", "by_name"),
    [
        (Check, {"name": NONE_SAID, "target": NONE_SAID}, OF_A_CHECK),
        (Resource, OF_A_RESOURCE, {"**options": NONE_SAID}),
        (Monitor, {"checks": ()}, OF_A_MONITOR),
        (Monitor.start, {}, {}),
        (Monitor.stop, {"timeout": 2.0}, {}),
        (Monitor.add, {"check": NONE_SAID}, {}),
        (Monitor.remove, {"name": NONE_SAID}, {}),
        (Monitor.pause, {"name": NONE_SAID}, {}),
        (Monitor.resume, {"name": NONE_SAID}, {}),
        (Monitor.check, {"name": NONE_SAID}, {"**options": NONE_SAID}),
        (Monitor.snapshot, {}, {}),
        (Monitor.get_detailed_stats, {}, {}),
        (Monitor.is_healthy, {}, {}),
        (HealthCheckServer, {"host": "127.0.0.1", "port": 8080}, OF_A_SERVER),
        (HealthCheckServer.start, {"server_instance": None, "*others": NONE_SAID}, {}),
        (HealthCheckServer.stop, {"timeout": 2.0}, {}),
        (HealthCheckServer.serving, {"*subjects": NONE_SAID}, {}),
        (minimon.probe, {"url": NONE_SAID, "timeout": 5.0}, {"**options": NONE_SAID}),
        (minimon.harnessed, {"function": NONE_SAID}, {}),
        (minimon.testing.RogueServer, {"behaviour": "taht"}, OF_A_ROGUE),
        (minimon.testing.FakeClock, {"start": 0.0, "wall": 0.0}, {}),
        (minimon.testing.ScriptedProbe, {"script": NONE_SAID}, {}),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_a_signature_is_as_promised(function: Any, by_place: dict[str, Any], by_name: dict[str, Any]) -> None:
    """Names, order, defaults, and what has to be given by name."""
    assert (by_place, list(by_place), by_name) == (
        *signature(function)[:1],
        list(signature(function)[0]),
        signature(function)[1],
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_a_public_name_is_documented(name: str) -> None:
    """help() has something to say, and so have its public methods."""
    thing = getattr(minimon, name)
    members = [(key, value) for key, value in vars(thing).items() if not key.startswith("_") and callable(value)]
    silent = [key for key, value in members if isinstance(thing, type) and value.__qualname__.startswith(name)]
    assert (True, []) == (
        bool(inspect.getdoc(thing)),
        [key for key in silent if not inspect.getdoc(getattr(thing, key))],
    )


@pytest.mark.parametrize("name", ["Monitor", "HealthCheckServer", "Check"])
def test_hints_can_be_read(name: str) -> None:
    """The signature's annotations are texts that tools show; each parameter has one."""
    parameters = inspect.signature(getattr(minimon, name)).parameters.values()
    assert [] == [each.name for each in parameters if each.annotation is NONE_SAID]


def test_the_five_lines_run() -> None:
    """The five lines of the README are all that a host has to write."""
    code = (
        "from minimon import Check, HealthCheckServer, Monitor\n"
        "monitor = Monitor([\n"
        "    Check('search', 'https://search.internal/', every=15, expect={'status_code': 200}, initial_delay=99),\n"
        "    Check('queue', lambda: True, every=5),\n"
        "])\n"
        "with monitor, HealthCheckServer(port=0).serving(monitor) as server:\n"
        "    print(server.port > 0, list(monitor.snapshot()['checks']))\n"
    )
    ended = python(code)
    assert ("True ['search', 'queue', 'minimon']\n", "") == (ended.stdout, ended.stderr)


def test_help_shows_a_monitor() -> None:
    """pydoc, which many read first, works on the lazy package."""
    command = [sys.executable, "-m", "pydoc", "minimon.Monitor"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert "Polls checks on a pool of daemon threads" in ended.stdout
