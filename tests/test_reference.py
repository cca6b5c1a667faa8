"""The reference: made from the code's own docstrings and tables, whole wherever the package lies."""

from __future__ import annotations

import compileall
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support import ROOT, few, python, wait_until

import minimon
from minimon import Check, Monitor, cli, reference
from minimon.checks import SCHEMES, VALUES
from minimon.conditions import all_keys
from minimon.engine import FIGURES
from minimon.expectations import OPERATORS
from minimon.model import REASONS
from minimon.options import OPTIONS
from minimon.reference import TOPICS, Page, Texts, text, wrapped
from minimon.serve.metrics import FAMILIES, OF_PROCESSES
from minimon.serve.routing import CODES, ROUTES
from minimon.testing import BEHAVIOURS

HELPS = tuple(each.format_help() for each in cli.parsers())


def page(width: int = 100, texts: Texts | None = None) -> Page:
    return Page(texts or Texts(), width, HELPS, cli.EXITS)


@functools.cache
def said(topic: str, width: int = 100) -> str:
    """A topic, made once for all tests."""
    return text(topic, page(width))


# --- the topics


def test_the_list_has_a_line_for_each_topic() -> None:
    """Without a topic the topics are listed."""
    lines = text(None, page()).splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == list(TOPICS)


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("checks", [*SCHEMES, *(set(VALUES) - {"fall", "rise", "tags", "group"}), "Resource", "Probe", "every=10"]),
        ("conditions", [*all_keys(), *OPERATORS]),
        ("http", [*OPTIONS, *ROUTES, *CODES]),
        (
            "metrics",
            [*reference.DOCUMENT, *FIGURES, *(family.title for family in FAMILIES if family not in OF_PROCESSES)],
        ),
        ("config", ["to_monitor", '{"env": "NAME"}', ".toml", "defaults"]),
        ("cli", [*BEHAVIOURS, "demo", "run", "check", "rogue", "help", "--once", "NO_COLOR"]),
        ("hosts", ["HealthCheckServer(port=8081)", ".start", ".stop", "is_healthy", "harnessed", "RogueServer"]),
        ("errors", [*REASONS, "ConfigError", "PortError", *map(str, cli.EXITS)]),
    ],
)
def test_a_topic_names_everything_in_its_tables(topic: str, words: list[str]) -> None:
    """What the code looks up in a table can be looked up in the reference."""
    told = said(topic)
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_no_meaning_is_missing(topic: str) -> None:
    """Each name that the code's tables have stands with a text beside it."""
    lines = said(topic).splitlines()
    assert "Not whole: this copy of minimon has neither its source nor docstrings." not in lines


@pytest.mark.parametrize("width", [40, 60, 100])
@pytest.mark.parametrize("topic", ["checks", "conditions", "http", "metrics", "errors"])
def test_a_topic_fits_the_width(topic: str, width: int) -> None:
    """Lines are no longer than the terminal is wide; names that are longer themselves stand alone."""
    lines = said(topic, width).splitlines()
    code = f"{reference.SCRAPE}{reference.ALERTS}{reference.PROCESS_ALERTS}".splitlines()  # which is to be copied
    assert [line for line in lines if len(line) > width and " " in line.strip() and line[4:] not in code] == []


@pytest.mark.parametrize("code", [reference.EMBEDDED, reference.STARTED, reference.OWN], ids=["embed", "start", "own"])
def test_the_code_of_the_hosts_topic_is_python(code: str) -> None:
    """What is to be copied compiles."""
    assert compile(code, "hosts", "exec") is not None


def test_the_code_of_the_hosts_topic_is_that_of_the_readme() -> None:
    """The five lines are those with which minimon presents itself."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace(" ", "").replace("\n", "").replace(",]", "]")
    code = reference.EMBEDDED.splitlines()
    assert [line for line in (code[0], code[-2], code[-1]) if line.replace(" ", "") not in readme] == []


def keys_of(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The keys of a snapshot, as the reference names them."""
    for key, value in document.items():
        if prefix + key in ("service", "sharing", "self"):
            yield from keys_of(value, f"{key}.")
        elif prefix + key in ("checks", "processes"):
            for each in value.values():
                yield from keys_of(each, f"{key}.NAME.")
        else:
            yield prefix + key


def test_every_key_of_the_status_is_explained() -> None:
    """The metrics topic has the keys that a snapshot has, and no other."""
    seen = threading.Event()
    with Monitor([Check("a", lambda: True)], on_change=lambda change: seen.set()) as monitor:
        assert seen.wait(5)
        monitor.heartbeat("loop", max_age=5)
        snapshot = monitor.snapshot()
        snapshot["heartbeats"] = None
    assert sorted(set(keys_of(snapshot))) == sorted([*reference.DOCUMENT, *(f"self.{key}" for key in FIGURES)])


def test_every_key_of_a_supervisor_is_explained() -> None:
    """The same of its snapshot, with the families of its metrics."""
    supervisors = pytest.importorskip("minimon.processes.supervisor")
    programs = pytest.importorskip("minimon.processes.program")
    snapshot = supervisors.Supervisor([programs.Program("a", ["true"])]).snapshot()
    told = text("metrics", page())
    words = [*reference.PROCESS_DOCUMENT, *snapshot["counts"], *(family.title for family in OF_PROCESSES)]
    assert (sorted(set(keys_of(snapshot))), []) == (
        sorted(reference.PROCESS_DOCUMENT),
        [word for word in words if word not in told],
    )


def test_a_copy_without_processes_says_nothing_of_them(tmp_path: pathlib.Path) -> None:
    """That room may be left out."""
    ignored = shutil.ignore_patterns("__pycache__", "processes")
    shutil.copytree(ROOT / "minimon", tmp_path / "minimon", ignore=ignored)
    told = run_help(tmp_path, topic="metrics")
    assert ("", True, False) == (told.stderr, "minimon_check_up" in told.stdout, "rocess_up" in told.stdout)


# --- docstrings


def test_docstrings_are_found_by_name() -> None:
    """Modules, classes, methods and functions can be asked for."""
    texts = Texts()
    asked = [("monitor", ""), ("monitor", "Monitor"), ("monitor", "Monitor.start"), ("serve.server", "")]
    assert ([texts.of(*each)[:8] for each in asked], texts.lacking) == (
        ["Monitor:", "Polls ch", "Start po", "HealthCh"],
        False,
    )


def test_a_docstring_that_is_not_there_is_told() -> None:
    """Nothing is left out in silence."""
    texts = Texts()
    assert (texts.of("monitor", "Monitor.no_such_method"), texts.lacking) == ("", True)


def test_without_source_the_docstrings_in_memory_are_taken() -> None:
    """A copy without its source explains itself as long as Python keeps docstrings."""
    texts = Texts(find=lambda module: None)
    said = texts.of("checks", "Check"), texts.of("errors"), texts.of("checks", "NoSuchName")
    assert [each.splitlines()[0] if each else "" for each in said] == [
        "One thing to poll. It cannot be changed; every error in it is a ConfigError at construction.",
        "Every error that minimon raises.",
        "",
    ]


# --- lines


@pytest.mark.parametrize(
    ("said", "width", "expected"),
    [
        ("one two three\nfour five six", 20, ["one two three four", "five six", ""]),
        ("one two\n\nthree", 20, ["one two", "", "three", ""]),
        ("name   it means\nother  that one\n       goes on", 80, ["name   it means", "other  that one goes on", ""]),
        ("name   it means a lot of things", 24, ["name", "    it means a lot of", "    things", ""]),
        ("name   it means a lot of things", 31, ["name   it means a lot of things", ""]),
        ("name   it means a lot of thingss", 31, ["name   it means a lot of", "       thingss", ""]),
        ("    indented", 80, ["    indented", ""]),
        ("with x as y:\n    go(" + "1, " * 30 + ")", 30, ["with x as y:", "    go(" + "1, " * 30 + ")", ""]),
        ('@check("queue")\ndef queue(): ...', 20, ['@check("queue")', "def queue(): ...", ""]),
        ("a_very_long_name_that_stands_alone", 20, ["a_very_long_name_that_stands_alone", ""]),
        ("    Root\n    ├── A (B)   an a\n    └── C       a c", 80, None),
    ],
    ids=lambda value: str(value)[:25],
)
def test_a_docstring_is_wrapped(said: str, width: int, expected: list[str] | None) -> None:
    """Prose is filled, tables keep their columns, code and trees stay as they are."""
    assert list(wrapped(said, width)) == (expected or [*said.splitlines(), ""])


# --- wherever the package lies


def run_help(where: pathlib.Path, *options: str, topic: str = "errors") -> subprocess.CompletedProcess[str]:
    """`help TOPIC` of the copy in a folder or zip, by a fresh interpreter."""
    environment = {**os.environ, "PYTHONPATH": str(where), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-B", *options, "-m", "minimon", "help", topic]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, env=environment, cwd=where.parent)


@pytest.fixture(scope="module")
def expected() -> str:
    return text("errors", page())


@pytest.mark.parametrize("option", few(["-OO", "-O"], 1))
def test_the_reference_is_whole_without_docstrings(option: str, expected: str) -> None:
    """Python may be told to drop docstrings: they are read from the source."""
    assert run_help(ROOT, option).stdout == expected


def zipped(folder: pathlib.Path) -> pathlib.Path:
    with zipfile.ZipFile(folder / "minimon.zip", "w") as archive:
        for path in (ROOT / "minimon").rglob("*.py"):
            archive.write(path, path.relative_to(ROOT))
    return folder / "minimon.zip"


@pytest.mark.parametrize("options", few([("-OO",), ()], 1), ids=["optimised", "plain"])
def test_the_reference_is_whole_from_a_zip(tmp_path: pathlib.Path, options: tuple[str, ...], expected: str) -> None:
    """A zip on the path is source enough."""
    assert run_help(zipped(tmp_path), *options).stdout == expected


def test_every_topic_can_be_had_from_a_zip(tmp_path: pathlib.Path) -> None:
    """No topic needs a file."""
    zipped(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'minimon.zip')!r})\n"
        + """
from minimon import cli, reference
print(reference.__file__.count("minimon.zip"), [cli.main(["help", topic]) for topic in reference.TOPICS][-1])
"""
    )
    ended = subprocess.run([sys.executable, "-I", "-OO", "-c", code], capture_output=True, encoding="utf-8", timeout=30)
    assert (ended.stdout.splitlines()[-1], "Not whole" in ended.stdout, ended.stderr) == ("1 0", False, "")


@pytest.mark.parametrize(("option", "lacking"), [("-OO", True), pytest.param("-O", False, marks=pytest.mark.long)])
def test_a_copy_without_source_says_what_it_lacks(tmp_path: pathlib.Path, option: str, lacking: bool) -> None:
    """Without source and docstrings there are the tables, and a line that says why there is no more."""
    copy = tmp_path / "minimon"
    shutil.copytree(ROOT / "minimon", copy, ignore=shutil.ignore_patterns("__pycache__"))
    level = len(option) - 1
    compileall.compile_dir(str(copy), quiet=2, legacy=True, optimize=level)
    for path in copy.rglob("*.py"):
        path.unlink()
    told = run_help(tmp_path, option).stdout
    assert ("neither its source nor docstrings" in told, "dns  " in told) == (lacking, True)


def test_a_vendored_copy_explains_itself(tmp_path: pathlib.Path) -> None:
    """Under another name the reference is the same, and usage has that name."""
    shutil.copytree(ROOT / "minimon", tmp_path / "watcher", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom watcher.cli import main\nmain(['help', 'hosts'])"
    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, encoding="utf-8", timeout=30)
    assert ("Not whole" in told.stdout, told.stdout.count(".snapshot"), told.stderr) == (False, 2, "")


@pytest.mark.parametrize("topic", few(["", *TOPICS]))
def test_help_starts_quickly(topic: str) -> None:
    """What a program needs to poll and to serve is not imported to explain it."""
    code = f"""
import sys
from minimon.cli import main
main(["help", *{topic.split()!r}])
slow = {{"urllib.request", "http.server", "http.client", "ssl", "asyncio", "sqlite3", "subprocess", "inspect"}}
sys.stderr.write(repr(sorted(slow & sys.modules.keys())))
"""
    assert python(code).stderr == "[]"


def test_everything_public_is_told_of() -> None:
    """Each name that `import minimon` offers stands in some topic, but for values that explain themselves."""
    told = "".join(map(said, TOPICS))
    plain = {"__version__", "Change", "CheckState", "Fault", "HealthCheckHandler", "Outcome", "Status"}
    assert [name for name in minimon.__all__ if name not in told and name not in plain] == []


def test_the_page_waits_for_nothing() -> None:
    """Making the reference starts no thread."""
    before = threading.active_count()
    for topic in TOPICS:
        text(topic, page())
    assert wait_until(lambda: threading.active_count() <= before)
