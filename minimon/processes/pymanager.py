"""Files of programs, as pymanager reads them: JSON, whole and unchanged, with further keys beside the old.

    {
      "modules": {"pymutils.http_verifier": {"verifiers": ["HttpOkVerifier"]}},
      "http": {"enabled": true, "port": 5001},
      "keep-alive": true,
      "graceful-time": 10,
      "processes": {
        "db": {"executable": "postgres", "arguments": ["-D", "data"], "ready": {"tcp": "localhost:5432"}},
        "web": {
          "executable": "python3",
          "arguments": ["web.py", "{port:web}"],
          "options": {"redirect_output": "web.log", "working_directory": "site"},
          "verifier": {
            "type": "pymutils.http_verifier.HttpOkVerifier",
            "arguments": {"url": "http://localhost:{port:web}/"}
          },
          "restart": "on-failure"
        }
      }
    }

    modules        what to import verifiers from, with their names; a `verifier` of a type that is not listed is refused
    http           an interface of its own on localhost: enabled, port 5001
    keep-alive     true: go on when all processes have ended (also keep_alive)
    graceful-time  seconds in which a process has to end, 10 (also graceful_time)
    processes      by name, launched in this order, each once the one before it is ready, save those with
                   `depends_on`; see below
    messages       what is told besides: process.exit, verifier.fail, verifier.verbose (which includes the other)
    default_shell  what runs a process with `shell`
    verbose, logfile

    executable, arguments   both are needed; it is looked for from where the manager was started
    options        suppress_output, or redirect_output: a file; working_directory; shell: true, or the path of one,
                   which is given the whole as one line; environment_file: a file that a shell reads before
    verifier       type, arguments: a Verifier
    ready, live, restart, depends_on, env, env_file, stop   as of a Program: see `help processes`

Without keep-alive `supervise` ends with 0 once all have ended. In COMMAND, behind `--`, {port:NAME} is replaced; it is
ended when `supervise` is told to end, killed after graceful-time or a second SIGINT.

Everything is looked at before anything starts. Each error names the file and the key:
`pymanager.json: processes.web.verifier.type: ...`
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..errors import ConfigError, did_you_mean
from ..files import content_of, key_in, kind_of, read_json
from ..text import short
from .program import Program, check_order, check_ports
from .verifiers import ExitedVerifier, HttpOkVerifier, Verifier

FINE, NO_FILE, UNREADABLE, WRONG, NOTHING, UNLAUNCHED = 0, 1, 2, 3, 4, 5
USAGE = 64
CODES = {
    FINE: "fine: all have ended, or it was told to end; with a COMMAND, its own code",
    NO_FILE: "there is no such file",
    UNREADABLE: "the file cannot be read",
    WRONG: "what the file says is wrong: the message has the key",
    NOTHING: "the file has no processes",
    UNLAUNCHED: "a process could not be launched, or was not ready in time; its port is taken",
    6: "as a daemon: fork failed (7: the second one)",
    USAGE: "the command line is wrong (sysexits.h)",
    126: "COMMAND cannot be run (127: it is not there)",
}
"""The exit codes of `supervise`."""
PORT = 5001
GRACE = 10.0
KEYS = (
    *("modules", "http", "keep-alive", "keep_alive", "graceful-time", "graceful_time", "processes", "messages"),
    *("default_shell", "verbose", "logfile"),
)
OF_PROCESS = ("executable", "arguments", "options", "verifier")
NEW = ("ready", "live", "restart", "depends_on", "env", "env_file", "stop")
OPTIONS = ("suppress_output", "redirect_output", "working_directory", "environment_file", "shell")
MESSAGES = ("process.exit", "verifier.fail", "verifier.verbose")
OURS = {
    "pymutils.http_verifier.HttpOkVerifier": HttpOkVerifier,
    "pymutils.exited_verifier.ExitedVerifier": ExitedVerifier,
    "pymutils.verifier.Verifier": Verifier,
}
"""Names of the old package, each with what it is here."""


class NoProcesses(ConfigError):
    """A file in which there is nothing to launch."""


class Plan(NamedTuple):
    """What a file says."""

    programs: tuple[Program, ...]
    port: int | None
    """Of the HTTP interface; None for none."""
    keep_alive: bool
    grace: float
    messages: frozenset[str]
    verbose: int
    logfile: str | None
    in_order: frozenset[str]
    """Those that wait for the one before them."""


def load(path: str, as_command: bool = False) -> Plan:
    """Read a file, and judge all of it. Raises FileNotFoundError, other OSErrors, ConfigError, NoProcesses.

    `as_command`: names of the old package resolve to ours where that is absent, the file's folder is searched for
    modules, and any class with `run` is taken for a verifier. A library has no business to do so.
    """
    with open(path, "rb"):  # its errors are those of the system
        pass
    content = content_of(path)
    values = read_json(path, content)
    try:
        return _Reader(path, values, as_command).plan()
    except NoProcesses as error:
        raise NoProcesses(f"{path}: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


class _Reader:
    """Goes through the values of one file."""

    def __init__(self, path: str, values: Any, as_command: bool) -> None:
        self._path, self._as_command = path, as_command
        self._values = _object("the file", values)
        _known("", self._values, KEYS)

    def plan(self) -> Plan:
        """What it says."""
        values = self._values
        if "processes" not in values or values["processes"] == {}:
            raise NoProcesses("processes: there are none")
        grace = _either(values, "graceful-time", "graceful_time")
        self._grace = GRACE if grace is None else _number("graceful-time", grace)
        self._shell = _text("default_shell", values.get("default_shell", "sh"))
        verifiers = self._verifiers(_object("modules", values.get("modules", {})))
        said = _object("processes", values["processes"])
        programs = tuple(self._program(name, entry, verifiers) for name, entry in said.items())
        try:
            check_order(programs)
            check_ports(programs)
        except ConfigError as error:
            raise ConfigError(_placed(str(error))) from None
        messages = _listed("messages", values.get("messages", []), MESSAGES)
        logfile = values.get("logfile")
        return Plan(
            programs,
            self._http(values.get("http", {})),
            _flag("keep-alive", _either(values, "keep-alive", "keep_alive") or False),
            self._grace,
            frozenset(messages),
            _level("verbose", values.get("verbose", 0)),
            None if logfile is None else _text("logfile", logfile),
            frozenset(name for name, entry in said.items() if "depends_on" not in entry),
        )

    def _http(self, said: Any) -> int | None:
        http = _known("http", said, ("enabled", "port"))
        port = http.get("port", PORT)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise ConfigError(f"http.port must be a whole number from 0 to 65535, got {port!r:.60}")
        return port if _flag("http.enabled", http.get("enabled", False)) else None

    # --- modules

    def _verifiers(self, modules: Mapping[str, Any]) -> dict[str, Any]:
        """The classes that may be named as a type, by `module.class`."""
        found = {}
        for module, said in modules.items():
            where = key_in("modules", module)
            listed = _known(where, said, ("verifiers",)).get("verifiers")
            if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
                raise ConfigError(f"{where}.verifiers must be a list of names, got {kind_of(listed)}")
            for name in listed:
                found[f"{module}.{name}"] = self._class(f"{where}.verifiers", module, name)
        return found

    def _class(self, where: str, module: str, name: str) -> Any:
        known = OURS.get(f"{module}.{name}")
        if known is not None:
            return known
        try:
            with self._importing():
                made = getattr(importlib.import_module(module), name)
        except AttributeError:
            raise ConfigError(f"{where}: module {module!r} has no {name!r}") from None
        except (Exception, SystemExit) as error:  # whatever the module does
            raise ConfigError(
                f"{where}: {module!r} cannot be imported: {type(error).__name__}: {short(error)}"
            ) from None
        fits = isinstance(made, type) and (issubclass(made, Verifier) or self._as_command)
        if not fits or not callable(getattr(made, "run", None)):
            raise ConfigError(f"{where}: {name} is no subclass of Verifier")
        return made

    @contextmanager
    def _importing(self) -> Iterator[None]:
        """While modules of the file are imported: its folder is searched, and old names are found."""
        if not self._as_command:
            yield
            return
        folder = os.path.dirname(os.path.abspath(self._path))
        added = _old_modules()
        sys.modules.update(added)
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            for name in added:
                sys.modules.pop(name, None)
            if folder in sys.path:
                sys.path.remove(folder)

    # --- processes

    def _program(self, name: str, said: Any, verifiers: Mapping[str, Any]) -> Program:
        where = key_in("processes", name)
        entry = _known(where, said, (*OF_PROCESS, *NEW))
        for key in ("executable", "arguments"):
            if key not in entry:
                raise ConfigError(f"{where}.{key} is missing{'; an empty list will do' * (key == 'arguments')}")
        arguments = entry["arguments"]
        if not isinstance(arguments, list) or not all(isinstance(each, str) for each in arguments):
            raise ConfigError(f"{where}.arguments must be a list of texts")
        command = [_text(f"{where}.executable", entry["executable"]), *arguments]
        given = {key: entry[key] for key in NEW if key in entry}
        given["stop"] = {"timeout": self._grace, **_object(f"{where}.stop", given.get("stop", {}))}
        if "verifier" in entry:
            if "ready" in entry:
                raise ConfigError(f"{where}: give either verifier or ready")
            given["ready"] = self._verifier(f"{where}.verifier", entry["verifier"], verifiers)
        launched, more, runs = self._options(f"{where}.options", command, entry.get("options", {}))
        try:
            program = Program(name, launched, **given, **more)
        except ConfigError as error:
            raise ConfigError(_placed(str(error))) from None
        return program.shown_as(command, runs)

    def _verifier(self, where: str, said: Any, verifiers: Mapping[str, Any]) -> Any:
        entry = _known(where, said, ("type", "arguments"))
        if "type" not in entry:
            raise ConfigError(f"{where}.type is missing")
        kind = _text(f"{where}.type", entry["type"])
        if kind not in verifiers:
            hint = did_you_mean(kind, verifiers) if verifiers else "there are no modules"
            raise ConfigError(f"{where}.type: {kind!r} is not listed under modules; {hint}")
        arguments = _object(f"{where}.arguments", entry.get("arguments", {}))
        try:
            return _Postponed(verifiers[kind], dict(arguments)).checked()
        except (Exception, SystemExit) as error:  # whatever its constructor does
            raise ConfigError(f"{where}.arguments: {type(error).__name__}: {short(error, 200)}") from None

    def _options(self, where: str, command: list[str], said: Any) -> tuple[list[str], dict[str, Any], str | None]:
        """What is launched, the options of its Program, and what a shell runs for it."""
        options = _known(where, said, OPTIONS)
        more: dict[str, Any] = {}
        runs = None
        suppressed = _flag(f"{where}.suppress_output", options.get("suppress_output", False))
        if suppressed and options.get("redirect_output") is not None:
            raise ConfigError(f"{where}: suppress_output and redirect_output are mutually exclusive")
        if suppressed:
            more["output"] = "discard"
        elif options.get("redirect_output") is not None:
            more["output"] = {"file": _text(f"{where}.redirect_output", options["redirect_output"]), "max_bytes": 0}
        if options.get("working_directory") is not None:
            more["cwd"] = _text(f"{where}.working_directory", options["working_directory"])
        shell = options.get("shell", False)
        if not isinstance(shell, bool):
            shell = _text(f"{where}.shell", shell)
        if shell:
            command = [self._shell if shell is True else shell, "-c", " ".join(command)]
        if options.get("environment_file") is not None:
            file = os.path.abspath(_text(f"{where}.environment_file", options["environment_file"]))
            if not os.path.isfile(file):
                raise ConfigError(f"{where}.environment_file: there is no file {file}")
            sourcing = self._shell if shell in (True, False) else shell
            found = command[0] if not os.path.dirname(command[0]) else os.path.abspath(command[0])
            runs = command[0]
            command = [str(sourcing), "-c", '. "$0" || exit 126; exec "$@"', file, found, *command[1:]]
        return command, more, runs


class _Postponed(Verifier):
    """A verifier whose arguments may name ports: it is made when it is needed, for the launch that it looks at."""

    def __init__(self, kind: Any, arguments: dict[str, Any]) -> None:
        self.kind, self.arguments = kind, arguments

    def checked(self) -> Any:
        """The verifier itself, where no port is named. Raises whatever its constructor does."""
        from .gates import with_ports

        filled = with_ports(self.arguments, lambda name: 1)
        made = self.kind(**filled)
        if filled == self.arguments:
            return made
        given = getattr(made, "timeout", None)
        if isinstance(given, (int, float)):
            self.timeout = float(given)
        return self

    def run(self, process: Any) -> bool:
        """Made now, and run."""
        made = self.kind(**process.filled(self.arguments))
        if isinstance(made, Verifier):
            made._tell = self._tell
        passed = bool(made.run(process))
        self.said = getattr(made, "said", "")
        return passed


def _old_modules() -> dict[str, Any]:
    """Modules of the old package that are not there, made of ours."""
    made: dict[str, Any] = {}
    if importlib.util.find_spec("pymutils") is None:
        for path, thing in OURS.items():
            name, _, attribute = path.rpartition(".")
            module = made.setdefault(name, types.ModuleType(name))
            setattr(module, attribute, thing)
            module.Verifier = Verifier
        package = types.ModuleType("pymutils")
        package.__path__ = []
        for name, module in made.items():
            setattr(package, name.rpartition(".")[2], module)
        made["pymutils"] = package
    return made


def _placed(text: str) -> str:
    """The message of a Program with the place in a file: program 'web': stop.signal -> processes.web.stop.signal."""
    head, _, rest = text.partition("': ")
    name = head[len("program '") :]
    key, colon, what = rest.partition(": ")
    if colon and " " not in key:
        return f"{key_in('processes', name)}.{key}: {what}"
    return (
        f"{key_in('processes', name)}.{rest}"
        if rest.partition(" ")[0].rstrip(":").split(".")[0] in NEW
        else (f"{key_in('processes', name)}: {rest or text}")
    )


def _object(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be an object, got {kind_of(value)}")
    return value


def _known(where: str, said: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    for key in _object(where, said):
        if key not in known:
            raise ConfigError(f"{key_in(where, key)}: unknown key; {did_you_mean(key, known)}")
    return said  # type: ignore[no-any-return]


def _either(values: Mapping[str, Any], one: str, other: str) -> Any:
    if one in values and other in values:
        raise ConfigError(f"{other}: {one} says the same; leave one of them out")
    return values.get(one, values.get(other))


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(
            f"{where} must be a text, got {kind_of(value) if not isinstance(value, str) else repr(value)}"
        )
    return value


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where} must be true or false, got {kind_of(value)}")
    return value


def _number(where: str, value: Any) -> float:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:  # as it ever was
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise ConfigError(f"{where} must be seconds, 0 or more, got {value!r:.60}")
    return float(value)


def _level(where: str, value: Any) -> int:
    if value not in (0, 1, 2):
        raise ConfigError(f"{where} must be true, false, or 2, got {value!r:.60}")
    return int(value)


def _listed(where: str, value: Any, known: tuple[str, ...]) -> list[str]:
    if not isinstance(value, list):
        raise ConfigError(f"{where} must be a list, got {kind_of(value)}")
    for number, each in enumerate(value):
        if each not in known:
            raise ConfigError(f"{where}[{number}]: unknown message {each!r:.60}; {did_you_mean(each, known)}")
    return value
