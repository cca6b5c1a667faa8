"""The plan of the house, read from the source: who imports whom, what is pure, what no file does, what it costs."""

from __future__ import annotations

import ast
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from support import ROOT, python

PACKAGE = ROOT / "minimon"

ORDER = """
errors text jsonpath.parse jsonpath.iregexp jsonpath.query jsonpath
model clock fork loop log files expectations conditions options checks timetable
evaluate uptime latency history saved views explain pool registry
vitals vitals.procfs vitals.figures vitals.reading vitals.numbers
probes.call probes.host probes.message probes.der probes.lookup probes.wire probes.tls probes.network probes.exchange
probes.opener probes.http probes.tcp probes
books scheduler notify canary store watch poller
waiting compat compat.httsleep
tasks hosting api api.programs api.vitals
serve serve.complaints serve.exposition serve.accept serve.framing serve.access
serve.page_assets serve.page_values serve.page_check serve.page_lists serve.page_processes serve.page
serve.metrics serve.metrics_host serve.routing
serve.health serve.site serve.handler serve.connection serve.answers serve.httpd serve.server serve.mount
processes processes.lifecycle processes.environment processes.sinks processes.journal processes.output
processes.guarding processes.child
processes.guard processes.verifiers processes.gates processes.program processes.process processes.entry
processes.looks processes.launching processes.ending processes.order processes.watchman
processes.keeper processes.interface processes.report processes.supervisor processes.listener
processes.pymanager processes.daemon
polling engine hosting.heartbeats hosting.systemd hosting.vendoring hosting.runtime hosting.leader hosting.copy
hosting.board hosting.sharing hosting.ports life monitor
testing.clock testing.script testing.play testing.talk testing.behaviours testing.rogue testing selftest
config reference table once cli_wait cli_supervise cli_ctl cli __main__
""".split()
"""The rooms from top to bottom: the way of a poll, then its readers, then who owns them all."""

PURE = """
text jsonpath.parse jsonpath.iregexp jsonpath.query jsonpath
model expectations conditions options checks timetable evaluate uptime latency history saved views explain books
vitals.procfs vitals.figures
probes.message probes.der serve.exposition serve.accept serve.framing serve.access serve.metrics serve.routing
serve.metrics_host serve.page_assets serve.page_values serve.page_check serve.page_lists serve.page_processes serve.page
hosting.copy
""".split()
PURE += ["processes.lifecycle"] if (PACKAGE / "processes").exists() else []
IMPURE = "threading time socket http urllib.request subprocess sqlite3 os logging random".split()
"""What no pure room may import: time, randomness and bytes come in as arguments."""

SLOW = "ssl asyncio sqlite3 subprocess concurrent.futures http.server urllib.request".split()
"""What a host that imports minimon does not pay for."""


class Import(NamedTuple):
    """One imported module: its full name within the package for relative imports, else as written."""

    module: str
    line: int
    relative: bool


def name_of(path: pathlib.Path) -> str:
    """serve/server.py is serve.server, probes/__init__.py is probes, the package itself is "" """
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
ROOMS = [name for name in FILES if name]


@functools.cache
def tree(name: str) -> ast.Module:
    """The syntax tree of a room."""
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def is_typing_only(node: ast.AST) -> bool:
    """True for `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that run; what is for type checkers only is left out."""
    yield node
    for child in ast.iter_child_nodes(node):
        if is_typing_only(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield from walk(other)
        else:
            yield from walk(child)


@functools.cache
def running(name: str) -> list[ast.AST]:
    """All nodes of a room that run."""
    return [*walk(tree(name))]


@functools.cache
def imports(name: str) -> list[Import]:
    """What a room imports when it runs, inside its functions too."""
    found = []
    for node in running(name):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [Import(node.module or "", node.lineno, False)]
            found += [Import(f"{node.module}.{alias.name}", node.lineno, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [Import(module, node.lineno, True) for module in relative(name, node)]
    return found


def relative(name: str, node: ast.ImportFrom) -> list[str]:
    """The rooms that `from ..x import y` means."""
    is_package = FILES[name].name == "__init__.py"
    parents = [part for part in name.split(".") if part]
    parents = parents[: len(parents) - node.level + is_package]
    base = ".".join([*parents, *(node.module or "").split(".")]).strip(".")
    names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
    return [each if each in FILES else base for each in names]


def told(name: str, found: Iterable[ast.AST]) -> list[str]:
    """Where something was found, as an editor takes it."""
    return [f"{FILES[name].relative_to(ROOT)}:{getattr(node, 'lineno', 1)}" for node in found]


def wrong(rule: Callable[[str], Iterable[Any]], names: Iterable[str] = FILES) -> dict[str, list[Any]]:
    """What breaks a rule, by file; one test for all files, since thousands of tests take seconds."""
    return {name: found for name in names if (found := list(rule(name)))}


# the order


def test_every_room_has_its_place() -> None:
    """A new file is put into ORDER, where the life of a poll meets it."""
    assert [] == sorted({*ROOMS} - {*ORDER})


def test_a_room_imports_from_above() -> None:
    """Each file imports only files above it; the package itself only for its version."""
    assert {} == wrong(from_below, [name for name in ROOMS if name in ORDER])


def from_below(name: str) -> list[Import]:
    """Imports of files that come later."""
    above = {"", *ORDER[: ORDER.index(name)]}
    return [each for each in imports(name) if each.relative and each.module not in above]


def test_the_package_itself_imports_nothing() -> None:
    """It is a lazy table of names."""
    assert {"__future__", "typing", "importlib"} >= {each.module.split(".")[0] for each in imports("")}


def outside(name: str) -> list[str]:
    """What a file imports that is not of the package, without what is inside of it."""
    return [each.module.split(".")[0] for each in imports(name) if not each.relative]


def test_imports_within_the_package_are_relative() -> None:
    """A vendored copy works under any name."""
    assert [] == [name for name in FILES if "minimon" in outside(name)]


def test_serving_knows_no_monitor() -> None:
    """It serves a subject: any object that answers."""
    known = [each.module for name in ROOMS if name.split(".")[0] == "serve" for each in imports(name)]
    assert [] == [module for module in known if module.split(".")[0] in ("monitor", "processes")]


# purity


def impure(name: str) -> list[Import]:
    """What a pure room may not import."""
    return [each for each in imports(name) if any(f"{each.module}.".startswith(f"{word}.") for word in IMPURE)]


def test_a_pure_room_imports_nothing_impure() -> None:
    """Not even inside of a function."""
    assert {} == wrong(impure, PURE)


def test_a_pure_room_stands_on_pure_ones() -> None:
    """What it imports of the package is pure, or the errors, or the version."""
    assert {*PURE, "errors", ""} >= {each.module for name in PURE for each in imports(name) if each.relative}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="sys.stdlib_module_names came with Python 3.10")
def test_only_the_standard_library_is_imported() -> None:
    """No dependency, not even an optional one; tomllib came with Python 3.11."""
    assert {*sys.stdlib_module_names, "tomllib"} >= {module for name in FILES for module in outside(name)}


# what no file does


def nodes(name: str, fits: Callable[[ast.AST], bool]) -> list[str]:
    """Where in a file such nodes are."""
    return told(name, filter(fits, running(name)))


def test_only_the_command_line_prints() -> None:
    """A library has a logger."""
    library = [name for name in FILES if name not in ("cli", "cli_wait", "cli_supervise")]
    assert {} == wrong(lambda name: nodes(name, lambda node: getattr(node, "id", "") == "print"), library)


def test_no_name_is_global() -> None:
    """No function assigns to a name of its module."""
    assert {} == wrong(lambda name: nodes(name, lambda node: isinstance(node, ast.Global)))


MUTABLE = "list dict set bytearray deque defaultdict Counter OrderedDict WeakSet WeakKeyDictionary WeakValueDictionary"
STATEFUL = "Lock RLock Condition Event Semaphore local Queue SimpleQueue Thread Random count cycle iter open socket"
CHANGES = "append add update pop setdefault insert extend remove discard clear popitem sort appendleft write"
EXCEPTIONS = {"fork": {"_owners", "_hooked", "_leavers", "_leaving"}, "monitor": {"_made"}}
"""Where the platform needs module-level state: hooks of forks and of the exit know their owners, and are made once; of
two equal monitors in one process, which files cannot tell apart, the second has to know of the first. All are weak."""


def called(node: ast.AST | None) -> str:
    """The name of what is called, without its module; "" for anything else."""
    if isinstance(node, ast.Subscript):
        node = node.value
    if not isinstance(node, ast.Call):
        return ""
    function = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """The names that a body assigns, with their values."""
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.expr):
                yield target.id, value


def is_state(value: ast.expr) -> bool:
    """An empty container, one that a call makes, or an object with a state: made to be changed, and not a table."""
    inside = (
        value.keys if isinstance(value, ast.Dict) else value.elts if isinstance(value, (ast.List, ast.Set)) else None
    )
    return inside == [] or called(value) in f"{MUTABLE} {STATEFUL}".split()


def states(body: list[ast.stmt]) -> list[str]:
    """The names of a body that stand for something with a state."""
    return [name for name, value in assigned(body) if is_state(value)]


def test_no_module_has_a_state() -> None:
    """At the level of a module there are tables, and nothing that is there to be changed."""
    assert EXCEPTIONS == {name: {*found} for name, found in wrong(lambda name: states(tree(name).body)).items()}


def test_no_class_has_a_state() -> None:
    """State is in instances: two Monitors in one process know nothing of each other."""
    classes = [node for name in FILES for node in running(name) if isinstance(node, ast.ClassDef)]
    assert [] == [f"{each.name}.{word}" for each in classes for word in states(each.body)]


def changed_names(name: str) -> Iterator[str]:
    """Names whose container is changed in place."""
    for node in running(name):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield getattr(node.value, "id", "")
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        function = node.func if isinstance(node, ast.Call) else None
        if isinstance(function, ast.Attribute) and function.attr in CHANGES.split():
            yield getattr(function.value, "id", "")


def test_no_table_is_changed() -> None:
    """What is written at the level of a module, in capitals as a rule, stays as it is, in whatever file."""
    own = {name: {word for word, _ in assigned(tree(name).body)} - EXCEPTIONS.get(name, set()) for name in FILES}
    tables = {word for words in own.values() for word in words if word.isupper()}
    assert {} == wrong(lambda name: [word for word in changed_names(name) if word in own[name] | tables])


def test_loggers_come_from_one_place() -> None:
    """There they get their name under minimon and the NullHandler; the program alone listens to one."""
    others = [name for name in FILES if name not in ("log", "cli", "cli_supervise")]
    assert {} == wrong(lambda name: nodes(name, lambda node: called(node) in ("getLogger", "basicConfig")), others)


# docstrings


def undocumented(body: list[ast.stmt], owner: str) -> Iterator[str]:
    """Public classes, functions and methods without a docstring."""
    for node in body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        overload = any(getattr(each, "id", "") == "overload" or getattr(each, "attr", "") == "setter"
                       for each in node.decorator_list)  # fmt: skip
        if not overload and not ast.get_docstring(node):
            yield f"{owner}.{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{owner}.{node.name}")


def test_every_public_name_says_what_it_does() -> None:
    """Classes, functions, methods and properties have a docstring."""
    assert {} == wrong(lambda name: undocumented(tree(name).body, name))


def test_a_file_opens_with_its_purpose() -> None:
    """Its docstring begins with a sentence."""
    openings = {name: (ast.get_docstring(tree(name)) or "").split("\n\n")[0] for name in FILES}
    assert [] == [name for name, opening in openings.items() if not {".", ":"} & {*opening}]


# what importing costs, and does

IMPORTED = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps([name for name in {slow} if name in set(sys.modules) - before]))
"""

BY_NAME = "from minimon import Check, HealthCheckServer, Monitor"


@pytest.mark.parametrize("statement", ["import minimon", BY_NAME])
def test_importing_pulls_in_nothing_slow(statement: str) -> None:
    """TLS, HTTP and processes are imported where they are used."""
    assert [] == json.loads(python(IMPORTED.format(statement=statement, slow=SLOW)).stdout)


FIRST = """
import importlib, sys
for room in {rooms}:
    for name in [name for name in sys.modules if name.split(".")[0] == "minimon"]:
        del sys.modules[name]
    importlib.import_module("minimon." + room)
"""


def test_any_room_can_be_imported_first() -> None:
    """There is no ring of imports, whatever a host begins with, and nothing is printed."""
    ended = python(FIRST.format(rooms=[name for name in ROOMS if name != "__main__"]), "-W", "error")
    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)


GUEST = """
import atexit, gc, json, logging, os, signal, socket, sys, threading, urllib.request, warnings

def state():
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "descriptors": sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else [],
        "sockets": sum(isinstance(each, socket.socket) and each.fileno() >= 0 for each in gc.get_objects()),
        "root handlers": repr(logging.root.handlers),
        "root level": logging.root.level,
        "logging": [logging.raiseExceptions, repr(logging.lastResort), logging.getLoggerClass().__name__],
        "level of ours": logging.getLogger("minimon").level,
        "signals": {str(each): str(signal.getsignal(each)) for each in signal.valid_signals()},
        "timeout": socket.getdefaulttimeout(),
        "opener": repr(urllib.request._opener),
        "hooks": [repr(sys.excepthook), repr(threading.excepthook), repr(sys.unraisablehook), repr(sys.displayhook)],
        "switch": sys.getswitchinterval(),
        "recursion": sys.getrecursionlimit(),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "umask": [os.umask(os.umask(0o22)), os.umask(0o22)][:1],
        "atexit": atexit._ncallbacks(),
        "warnings": repr(warnings.filters),
        "trace": [repr(sys.gettrace()), repr(sys.getprofile()), repr(threading._trace_hook)],
        "path": sys.path,
        "streams": [id(sys.stdout), id(sys.stderr), id(sys.stdin)],
    }

before = state()
__BODY__
after = state()
print(json.dumps({key: [before[key], after[key]] for key in before if before[key] != after[key]}))
"""

CONSTRUCTED = """
import minimon
from minimon import *
from minimon.testing import *
check = Check("a", lambda: True, every=0.05)
server = HealthCheckServer(port=0)
rogue = RogueServer("ok")
clock = FakeClock()
monitor = Monitor([check, Check("b", "http://127.0.0.1:1/"), Resource("c", "https://localhost/", 5)], clock=clock)
"""

STARTED = f"""{CONSTRUCTED}
changed = threading.Event()
with rogue:
    monitor = Monitor([check, Check("b", rogue.url, every=0.05)], on_change=lambda change: changed.set())
    with monitor, server.serving(monitor):
        changed.wait(10)
        with socket.create_connection((server.host, server.port), timeout=5) as client:
            client.sendall(b"GET /status HTTP/1.0\\r\\n\\r\\n")
            while client.recv(65536):
                pass
gc.collect()
"""


def guest(body: str) -> dict[str, list[object]]:
    """What a fresh process finds changed after this."""
    ended = python(GUEST.replace("__BODY__", body), "-W", "error::ResourceWarning")
    assert (0, "") == (ended.returncode, ended.stderr)
    changed: dict[str, list[object]] = json.loads(ended.stdout)
    return changed


@pytest.mark.parametrize("body", ["import minimon", CONSTRUCTED], ids=["import", "constructors"])
def test_nothing_happens_before_the_start(body: str) -> None:
    """No thread, no socket, no handler, no hook: neither at import nor in a constructor."""
    assert {} == guest(body)


def test_nothing_is_left_after_the_stop() -> None:
    """A host that ran a monitor and a server is as it was; a fork hook, which cannot be seen, is all that stays."""
    assert {} == guest(STARTED)


QUIET = """
import threading
from minimon import Check, HealthCheckServer, Monitor
import socket

def fail(*args): raise ValueError("of the host")

class Subject:
    is_healthy = get_detailed_stats = fail

checks = [Check("raises", fail, fall=1), Check("refused", "tcp://127.0.0.1:1"), Check("nonsense", bool, every=fail)]
called = threading.Event()
def on_change(change):
    called.set()
    fail()
with Monitor(checks, on_change=on_change, on_start=fail, on_stop=fail) as monitor:
    assert called.wait(10)
    for subject in (Subject(), monitor):
        with HealthCheckServer(port=0).serving(subject) as server:
            for path in (b"/health", b"/status", b"/nothing", b"\\r\\n"):
                with socket.create_connection((server.host, server.port), timeout=5) as client:
                    client.sendall(b"GET " + path + b" HTTP/1.0\\r\\n\\r\\n")
                    while client.recv(65536):
                        pass
"""


def test_a_host_without_logging_hears_nothing() -> None:
    """Whatever fails, in checks, callbacks and subjects: nothing is written where no logging was set up."""
    ended = python(QUIET)
    assert (0, "", "") == (ended.returncode, ended.stdout, ended.stderr)


def test_a_host_with_logging_hears_it() -> None:
    """Every line comes from a logger under minimon."""
    setup = "import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(name)s', level='INFO')\n"
    lines = python(setup + QUIET).stdout.splitlines()
    names = {line for line in lines if line.startswith("minimon")}
    assert {"minimon.monitor", "minimon.poller", "minimon.notify", "minimon.server"} <= names
