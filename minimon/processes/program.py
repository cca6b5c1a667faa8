"""Program: what to launch, when it counts as ready, and how it is ended. All errors at construction."""

from __future__ import annotations

import math
import os
import re
import shlex
import signal
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from ..errors import ConfigError, did_you_mean
from ..probes import Shared
from ..text import scrub
from .gates import Gate, compile_gate, frozen, ports_in, with_ports
from .lifecycle import CONDITIONS, Restart
from .verifiers import TELL

NEEDS = ("started", "ready", "completed")
"""What a program may need of another one before it is launched: that it was launched, is ready, or has ended well."""
OUTPUTS = ("inherit", "discard")
MOST = 1e300
"""Seconds at most, so that they can be reckoned with."""


class Stop(NamedTuple):
    """How a program is told to end."""

    signal: int = int(signal.SIGTERM)
    """Sent to all of its process group."""
    timeout: float = 10.0
    """Seconds until SIGKILL."""


class Output(NamedTuple):
    """Where output goes, besides the ring."""

    kind: str = "inherit"
    """inherit, discard or file."""
    path: str = ""
    max_bytes: int = 10485760
    """Of the file, before it is rotated; 0 for never."""
    files: int = 3
    """Older files that are kept: PATH.1 and so on."""


class Program:
    """One program of a Supervisor. It cannot be changed; every error in it is a ConfigError at construction.

    name        what it is called everywhere; unique in its Supervisor
    command     a list: the executable and its arguments, run without a shell; or a text, split as a shell does. The
                executable is looked for from where the host is, not from `cwd`
    ready       what must hold before it counts as ready; None: at once
    live        what must go on to hold; where it does not for its `timeout`, the program is ended, which is a failure
    restart     "no", "on-failure" or "always"; or a dict of condition, delay, max_delay, max_attempts, window
    depends_on  programs that come first: a list of names, which must be ready, or a dict of names with started, ready
                or completed
    stop        {"signal": "TERM", "timeout": 10}: what ends it, and the seconds until KILL
    env         a dict of variables, beside the host's
    env_file    a file of KEY=VALUE lines, read at each launch
    cwd         its working directory
    output      "inherit" (the host's own), "discard", or {"file": PATH, "max_bytes": 10485760, "count": 3}
    stdin       True for a pipe, which `process.write` writes into; else it reads nothing

    {port:NAME} in command, env, ready and live is a free port, the same wherever it is named in one Supervisor.
    """

    name: str
    command: tuple[str, ...]
    ready: Any
    live: Any
    restart: Restart
    depends_on: Mapping[str, str]
    stop: Stop
    env: Mapping[str, str]
    env_file: str | None
    cwd: str | None
    output: Output
    stdin: bool
    runs: str | None
    """The executable that a shell runs for it, if it is known."""
    patience: float
    """Seconds that a restart may take, by its own times."""
    shown: str
    """The command as it may be shown: without userinfo and query values."""

    def __init__(
        self,
        name: str,
        command: str | Sequence[str],
        *,
        ready: Any = None,
        live: Any = None,
        restart: str | Mapping[str, Any] = "no",
        depends_on: Iterable[str] | Mapping[str, str] = (),
        stop: Mapping[str, Any] = MappingProxyType({}),
        env: Mapping[str, str] | None = None,
        env_file: str | os.PathLike[str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        output: str | Mapping[str, Any] = "inherit",
        stdin: bool = False,
    ) -> None:
        where = f"program {name!r:.80}"
        if not isinstance(name, str) or not name or len(name) > 200 or not name.isprintable():
            raise ConfigError(f"{where}: name must be a printable text of 1 to 200 characters")
        listed = _command(where, command)
        settled = {
            "name": name,
            "command": listed,
            "shown": _shown(listed),
            "ready": frozen(f"{where}: ready", ready),
            "live": frozen(f"{where}: live", live),
            "restart": _restart(f"{where}: restart", restart),
            "depends_on": _needs(f"{where}: depends_on", name, depends_on),
            "stop": _stop(f"{where}: stop", stop),
            "env": MappingProxyType(_texts(f"{where}: env", {} if env is None else env)),
            "env_file": _path(f"{where}: env_file", env_file),
            "cwd": _path(f"{where}: cwd", cwd),
            "output": _output(f"{where}: output", output),
            "runs": None,
            "stdin": _flag(f"{where}: stdin", stdin),
        }
        self.__dict__.update(settled)
        gate, _ = self.gates(lambda name: 1, Shared())  # judged now, made when it is started
        self.__dict__["patience"] = self.stop.timeout + (0.0 if gate is None else gate.timeout)
        if gate is not None and gate.blocks:
            self.__dict__["stdin"] = True  # older verifiers write

    def gates(self, port: Any, shared: Shared, tell: TELL | None = None) -> tuple[Gate | None, Gate | None]:
        """`ready` and `live`, with port(NAME) in place of each {port:NAME}. Raises ConfigError."""
        where = f"program {self.name!r}"
        ready = compile_gate(f"{where}: ready", with_ports(self.ready, port), shared, tell)
        live = compile_gate(f"{where}: live", with_ports(self.live, port), shared, tell)
        if live is not None and (live.blocks or live.ends):
            raise ConfigError(
                f"{where}: live must be something that can be looked at again and again: no exit, no Verifier"
            )
        return ready, live

    def shown_as(self, command: Sequence[str], runs: str | None = None) -> Program:
        """The same, shown as another command: one that a shell `runs` for it. Returns self."""
        self.__dict__.update(shown=_shown(command), runs=runs)
        return self

    def __setattr__(self, key: str, value: Any) -> NoReturn:
        raise AttributeError(f"program {self.name!r} cannot be changed: make another one")

    def __delattr__(self, key: str) -> NoReturn:
        self.__setattr__(key, None)

    def __repr__(self) -> str:
        return f"<Program {self.name!r} {self.shown:.80}>"


def _command(where: str, command: Any) -> tuple[str, ...]:
    if isinstance(command, str):
        try:
            command = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"{where}: command cannot be split: {error}; give a list") from None
    if not isinstance(command, (list, tuple)) or not command or not command[0]:
        raise ConfigError(f"{where}: command must be a list: an executable and its arguments, got {command!r:.60}")
    for word in command:
        _text(f"{where}: command", word)
        odd = ODD_PORT.search(word)
        if odd is not None:
            raise ConfigError(f"{where}: command: {odd[0]!r:.60} names no port; write {{port:NAME}}")
    return tuple(command)


ODD_PORT = re.compile(r"\{port(?!:[A-Za-z0-9_.-]{1,100}\})[^}]*\}", re.IGNORECASE)
"""What was meant to be {port:NAME}."""
SECRET = re.compile("passw|token|secret|credential|api-?_?key", re.IGNORECASE)
"""What stands in the names of arguments whose values are for nobody's eyes."""


def _shown(command: Sequence[str]) -> str:
    """A command as it may be shown: no secrets of URLs, of --password X, --password=X and PASSWORD=X."""
    words: list[str] = []
    for number, word in enumerate(command):
        name, sign, _ = word.partition("=")
        before = command[number - 1] if number else ""
        if number and before.startswith("-") and "=" not in before and SECRET.search(before) and word[:1] != "-":
            word = "***"
        elif sign and " " not in name and SECRET.search(name):
            word = f"{name}=***"
        words.append(word)
    return scrub(" ".join(words))


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ConfigError(f"{where}: expected a text without NUL, got {value!r:.60}")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise ConfigError(f"{where}: {value!r:.60} cannot be given to a program") from None
    return value


def _texts(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a dict of texts, got {value!r:.60}")
    for name, text in value.items():
        if not _text(where, name) or "=" in name:
            raise ConfigError(f"{where}: {name!r:.60} is no name of a variable")
        _text(f"{where}.{name}", text)
    return dict(value)


def _path(where: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ConfigError(f"{where} must be a path, got {value!r:.60}")
    return _text(where, os.fspath(value))


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where} must be True or False, got {value!r:.60}")
    return value


def _number(where: str, value: Any, least: float, whole: bool = False) -> Any:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < (math.inf if whole else MOST):
        raise ConfigError(
            f"{where} must be {'a whole number' if whole else 'seconds'}, {least:g} or more, got {value!r:.60}"
        )
    return value


def _keys(where: str, value: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in value:
        if key not in known:
            raise ConfigError(f"{where}.{key}: unknown option; {did_you_mean(key, known)}")


def _restart(where: str, value: Any) -> Restart:
    said = {"condition": value} if isinstance(value, str) else value
    if not isinstance(said, Mapping):
        raise ConfigError(f"{where} must be {', '.join(CONDITIONS)} or a dict, got {value!r:.60}")
    _keys(where, said, Restart._fields)
    condition = said.get("condition", "on-failure")
    if condition not in CONDITIONS:
        hint = f"; {did_you_mean(condition, CONDITIONS)}" if isinstance(condition, str) else ""
        raise ConfigError(f"{where} must be {', '.join(CONDITIONS)}, got {condition!r:.60}{hint}")
    least = {"delay": 0.0, "max_delay": 0.0, "window": 0.001}
    given: dict[str, Any] = {
        key: float(_number(f"{where}.{key}", said[key], least[key])) for key in least if key in said
    }
    if "max_attempts" in said:
        given["max_attempts"] = _number(f"{where}.max_attempts", said["max_attempts"], 1, whole=True)
    return Restart(condition=condition)._replace(**given)


def _needs(where: str, name: str, value: Any) -> Mapping[str, str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigError(f"{where} must be a list of names or a dict, got {value!r:.60}")
    said = dict(value) if isinstance(value, Mapping) else dict.fromkeys(_hashable(where, value), "ready")
    for other, need in said.items():
        if not isinstance(other, str):
            raise ConfigError(f"{where} must be a list of names or a dict, got {other!r:.60}")
        if need not in NEEDS:
            raise ConfigError(f"{where}.{other} must be {', '.join(NEEDS)}, got {need!r:.60}")
        if other == name:
            raise ConfigError(f"{where}: {name} cannot wait for itself")
    return MappingProxyType(said)


def _hashable(where: str, values: Iterable[Any]) -> list[str]:
    listed = list(values)
    for value in listed:
        if not isinstance(value, str):
            raise ConfigError(f"{where} must be a list of names or a dict, got {value!r:.60}")
    return listed


def _stop(where: str, value: Any) -> Stop:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a dict of signal and timeout, got {value!r:.60}")
    _keys(where, value, Stop._fields)
    number = _signal(f"{where}.signal", value.get("signal", Stop().signal))
    return Stop(number, float(_number(f"{where}.timeout", value.get("timeout", Stop().timeout), 0.0)))


def _signal(where: str, value: Any) -> int:
    name = str(value).upper()
    names = {one.name: int(one) for one in signal.Signals}
    number = names.get(name if name.startswith("SIG") else f"SIG{name}") if isinstance(value, str) else value
    if isinstance(number, bool) or number not in names.values():
        raise ConfigError(f"{where} must be a signal such as TERM, got {value!r:.60}")
    return int(number)  # type: ignore[arg-type]


def _output(where: str, value: Any) -> Output:
    if isinstance(value, str):
        if value not in OUTPUTS:
            raise ConfigError(f"{where} must be inherit, discard or {{'file': PATH}}, got {value!r:.60}")
        return Output(value)
    if not isinstance(value, Mapping) or "file" not in value:
        raise ConfigError(f"{where} must be inherit, discard or {{'file': PATH}}, got {value!r:.60}")
    _keys(where, value, ("file", "max_bytes", "count"))
    path = _path(f"{where}.file", "" if value["file"] is None else value["file"]) or ""
    sizes: dict[str, Any] = {
        key: _number(f"{where}.{key}", value[key], 0, whole=True) for key in ("max_bytes", "count") if key in value
    }
    if "count" in sizes:
        sizes["files"] = sizes.pop("count")
    return Output("file", path)._replace(**sizes)


def ports_of(program: Program) -> set[str]:
    """The names of the ports that a program is told, on its command line or by its environment."""
    return ports_in([program.command, dict(program.env), program.cwd, program.env_file])


def check_ports(programs: Sequence[Program]) -> None:
    """That a port that is looked at is one that some program is told. Raises ConfigError."""
    known = {name for program in programs for name in ports_of(program)}
    for program in programs:
        for key, asked in (("ready", program.ready), ("live", program.live)):
            for name in sorted(ports_in(asked) - known):
                hint = did_you_mean(name, known) if known else "write it into its command as well"
                raise ConfigError(f"program {program.name!r}: {key}: no program is told {{port:{name}}}; {hint}")


def check_order(programs: Sequence[Program]) -> None:
    """That names are unique, and what each depends on is there and does not depend on it. Raises ConfigError."""
    by_name: dict[str, Program] = {}
    for program in programs:
        if program.name in by_name:
            raise ConfigError(f"program {program.name!r} is there twice; names are unique")
        by_name[program.name] = program
    for program in programs:
        for other in program.depends_on:
            if other not in by_name:
                raise ConfigError(
                    f"program {program.name!r}: depends_on: no program {other!r}; {did_you_mean(other, by_name)}"
                )
    done: set[str] = set()
    for program in programs:
        _walk(program.name, by_name, done)


def _walk(name: str, by_name: Mapping[str, Program], done: set[str]) -> None:
    """Refuse a circle; without recursion, for a chain may be long."""
    path: dict[str, Any] = {}
    stack = [(name, iter(by_name[name].depends_on))]
    path[name] = None
    while stack:
        current, rest = stack[-1]
        other = next(rest, None)
        if other is None:
            stack.pop()
            path.pop(current)
            done.add(current)
        elif other in path:
            listed = list(path)
            circle = [*listed[listed.index(other) :], other]
            told = " -> ".join(circle if len(circle) <= 12 else [*circle[:6], "...", *circle[-5:]])
            raise ConfigError(f"program {other!r}: depends_on: they wait for each other: {told}")
        elif other not in done:
            path[other] = None
            stack.append((other, iter(by_name[other].depends_on)))
