"""Configuration files: load(path) reads what a file says, build(config) makes the objects. Nothing is started.

A Python file (.py) is executed, and defines one of these:

    checks      a list of Check
    to_monitor  a list of older resources: any objects with name, url, polling_interval and check;
                the second and third `x` become `x #2` and `x #3`

A JSON file (.json), or a TOML file (.toml, from Python 3.11 on) of the same shape, says the same in words:

    {
      "server": {"host": "127.0.0.1", "port": 8080},
      "monitor": {"name": "shop", "max_workers": 16, "defaults": {"timeout": 2}},
      "checks": {
        "search": {"target": "https://search.internal/ping", "every": 15},
        "login": {
          "target": "https://login.internal/",
          "headers": {"Authorization": {"env": "LOGIN_TOKEN"}},
          "expect": {"status_code": 200, "contains": "welcome"}
        }
      }
    }

    server    host and port, of which the command line's win; token, details, allowed_hosts: see `help http`
    monitor   name, min_workers, max_workers, canary (an address, or a list of them), state_file (a path, meant from
              the folder of the configuration), and defaults for what a check does not say
    checks    by name: target, and the options of a Check and of its request

A secret need not stand in the file. Where a text is expected there may be {"env": "NAME"}, which is that variable of
the environment, or {"file": "PATH"}, which is what that file holds without the newline at its end; the path is meant
from the folder of the configuration. That goes for a target, a host, a name, a group, for every option of a request
that is a text, for each header and tag, and for `text` and `contains` of a condition, which tell what they expected
when it is not met. Headers named `env` or `file` are headers.

Everything is looked at before anything starts. Each error names the file, and the line or the key:
`checks.json: checks.search.evry: unknown option; did you mean 'every'?`
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .checks import VALUES, Check, Resource, scheme_of
from .errors import ConfigError, did_you_mean
from .files import content_of, decoded, key_in, kind_of, read_json, read_toml
from .monitor import Monitor
from .options import OPTIONS
from .serve.server import HealthCheckServer
from .text import short

LARGEST_SECRET = 1 << 20
"""Bytes of a secret's file at most."""

SERVER = ("host", "port", "token", "details", "allowed_hosts")
MONITOR = ("name", "min_workers", "max_workers", "defaults", "canary", "state_file")
SECTIONS = ("server", "monitor", "checks")
LISTS = ("checks", "to_monitor")
"""What a Python file may define."""

TEXTS = ("target", "group", "method", "body", "bearer", "proxy", "server_name", "send")
"""Options of a check that are texts, so that a secret may stand in their place."""
PATHS = ("ca_file", "cert")
"""Options of a check that are paths, meant from the folder of the configuration."""
TEXTS_BY_NAME = ("headers", "tags", "cookies")
"""Options of a check whose every value is one."""
CONDITIONS = ("expect", "warn_if")
TEXTS_EXPECTED = ("text", "contains", "regex")
"""Keys of a condition that expect texts. `json` and others do not: there {"env": "x"} is a value like others."""


class Config(NamedTuple):
    """What a file says; not judged yet, but for its form."""

    path: str
    values: Mapping[str, Any]
    """The sections of a JSON or TOML file; the list of a Python file, by the name it has there."""
    listed: bool = False
    """True for a Python file."""


class Built(NamedTuple):
    """The objects. Nothing runs yet."""

    monitor: Monitor
    checks: tuple[Check, ...]
    """As the monitor polls them, its defaults filled in."""
    server: dict[str, Any]
    """The arguments for HealthCheckServer that the file gives."""


# --- from a file to values


def load(path: str | os.PathLike[str]) -> Config:
    """Read a file; a Python file is executed. Raises ConfigError with file and line, or file and key."""
    where = os.fspath(path)
    content = content_of(where)
    kind = os.path.splitext(where)[1].lower()
    if kind not in READERS:
        raise ConfigError(f"{where}: unknown kind of file; the name has to end in {', '.join(READERS)}")
    if not content.strip():
        raise ConfigError(f"{where}: the file is empty")
    return READERS[kind](where, content)


def _formed(path: str, values: Any) -> Config:
    """Sections of plain values."""
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected an object with the keys {', '.join(SECTIONS)}, got {kind_of(values)}")
    return Config(path, values)


# --- a Python file

MODULE = "__minimon_config__"
"""The `__name__` that a Python file has while it is executed."""


def _python(path: str, content: bytes) -> Config:
    """Execute it, with its folder on the path as if it were a script. Its module is gone afterwards."""
    module = types.ModuleType(MODULE)
    module.__file__ = os.path.abspath(path)
    folder = os.path.dirname(module.__file__)
    sys.modules[MODULE] = module  # dataclasses look their module up while they are made
    sys.path.insert(0, folder)
    try:
        exec(compile(content, path, "exec", dont_inherit=True), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the file does, SystemExit too, is an error of the file
        raise ConfigError(_raised(path, error)) from None
    finally:
        sys.modules.pop(MODULE, None)
        if folder in sys.path:
            sys.path.remove(folder)
    defined = {key: module.__dict__[key] for key in LISTS if key in module.__dict__}
    if len(defined) != 1:
        said = "defines both checks and to_monitor: keep one" if defined else "defines neither checks nor to_monitor"
        raise ConfigError(f"{path}: {said}")
    return Config(path, defined, listed=True)


def _raised(path: str, error: BaseException) -> str:
    """File, line and text of an exception."""
    text = short(error, 300)
    if isinstance(error, SyntaxError) and error.filename == path:
        return f"{path}:{error.lineno or 1}: {type(error).__name__}: {short(error.msg, 300)}"
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f"{path}:{line}" if line else path
    kind = "" if isinstance(error, ConfigError) else type(error).__name__
    return ": ".join(filter(None, (where, kind, text)))


READERS: dict[str, Callable[[str, bytes], Config]] = {
    ".py": _python,
    ".json": lambda path, content: _formed(path, read_json(path, content)),
    ".toml": lambda path, content: _formed(path, read_toml(path, content)),
}
"""What reads a file, by the end of its name."""


# --- from values to objects


def build(config: Config, environ: Mapping[str, str] | None = None, **hooks: Callable[..., object] | None) -> Built:
    """Make the objects, everything judged. `hooks` are those of a Monitor. Raises ConfigError with file and key.

    Secrets that are variables are looked for in `environ`; None is the environment of the process.
    """
    try:
        if config.listed:
            return _listed(config, hooks)
        return _written(config, _Secrets(config.path, os.environ if environ is None else environ), hooks)
    except ConfigError as error:
        raise ConfigError(f"{config.path}: {error}") from None


def _listed(config: Config, hooks: Mapping[str, Any]) -> Built:
    """From the list of a Python file."""
    ((key, items),) = config.values.items()
    if not isinstance(items, Sequence) or isinstance(items, (str, bytes)):
        raise ConfigError(f"{key} must be a list, got {type(items).__name__}")
    checks = _older(items) if key == "to_monitor" else _new(items)
    return _assembled([(f"{key}[{number}]", check) for number, check in enumerate(checks)], key, {}, {}, hooks)


def _written(config: Config, secrets: _Secrets, hooks: Mapping[str, Any]) -> Built:
    """From the sections of a JSON or TOML file."""
    for key in config.values:
        if key not in SECTIONS:
            raise ConfigError(f"{key_in('', key)}: unknown section; {did_you_mean(key, SECTIONS)}")
    sections = {key: _object(key, config.values.get(key, {})) for key in SECTIONS}
    server = _server(sections["server"], secrets)
    settings = _settings(sections["monitor"], secrets)
    checks = []
    for name, said in sections["checks"].items():
        where = key_in("checks", name)
        checks.append((where, _check(where, name, said, secrets)))
    return _assembled(checks, "checks", settings, server, hooks)


def _assembled(
    checks: Sequence[tuple[str, Check]],
    key: str,
    settings: dict[str, Any],
    server: dict[str, Any],
    hooks: Mapping[str, Any],
) -> Built:
    """The objects, of checks with where they stand in the file."""
    if not checks:
        raise ConfigError(f"{key}: there are none, so there is nothing to poll")
    try:
        monitor = Monitor(**settings, **hooks)
    except ConfigError as error:
        raise ConfigError(str(error).replace("monitor: ", "monitor.", 1)) from None
    return Built(monitor, tuple(_added(monitor, where, check) for where, check in checks), server)


def _added(monitor: Monitor, where: str, check: Check) -> Check:
    try:
        return monitor.add(check)
    except ConfigError as error:  # a ca_file that cannot be read
        raise ConfigError(f"{where}: {error}") from None


def _object(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be an object, got {kind_of(value)}")
    return value


def _known(where: str, said: Any, known: Sequence[str]) -> Mapping[str, Any]:
    for key in _object(where, said):
        if key not in known:
            raise ConfigError(f"{key_in(where, key)}: unknown option; {did_you_mean(key, known)}")
    return said  # type: ignore[no-any-return]


def _server(said: Mapping[str, Any], secrets: _Secrets) -> dict[str, Any]:
    server = dict(_known("server", said, SERVER))
    for key in ("host", "token"):
        if key in server:
            server[key] = secrets.text(f"server.{key}", server[key])
    try:
        HealthCheckServer(**server)  # opens nothing
    except ConfigError as error:
        raise ConfigError(str(error).replace("server: ", "server.", 1)) from None
    return server


def _settings(said: Mapping[str, Any], secrets: _Secrets) -> dict[str, Any]:
    settings = dict(_known("monitor", said, MONITOR))
    if "name" in settings:
        settings["name"] = VALUES["group"]("monitor.name", secrets.text("monitor.name", settings["name"]))
    if "canary" in settings:
        settings["canary"] = secrets.texts("monitor.canary", settings["canary"])
    if "state_file" in settings:
        settings["state_file"] = secrets.path("monitor.state_file", settings["state_file"])
    if "defaults" in settings:
        defaults = _known("monitor.defaults", settings["defaults"], (*VALUES, *OPTIONS))
        settings["defaults"] = _options("monitor.defaults", defaults, secrets)
    return settings


def _check(where: str, name: str, said: Any, secrets: _Secrets) -> Check:
    options = dict(_known(where, said, ("target", *VALUES, *OPTIONS)))
    if "target" not in options:
        raise ConfigError(f"{where}: target is missing")
    written = options.pop("target")
    target = secrets.text(f"{where}.target", written)
    if not isinstance(target, str):
        raise ConfigError(f"{where}.target must be an address, got {kind_of(target)}")
    if scheme_of(target) in ("tcp", "tls") and isinstance(options.get("expect"), str):
        options["expect"] = {"contains": options["expect"]}
    options = _options(where, options, secrets)
    try:
        return Check(name, target, **options)
    except ConfigError as error:
        if target is not written and "target" in str(error):  # the text of the error may show a part of the secret
            raise ConfigError(f"{where}.target: its secret is no address that can be polled like this") from None
        raise ConfigError(str(error).replace(f"check {name!r:.80}", where, 1)) from None


def _options(where: str, said: Mapping[str, Any], secrets: _Secrets) -> dict[str, Any]:
    """The options of a check, secrets put in, each judged where its key is known."""
    options = {}
    for key, written in said.items():
        spot = f"{where}.{key}"
        options[key] = value = secrets.option(spot, key, written)
        try:
            (VALUES.get(key) or OPTIONS[key])(spot, value)
        except ConfigError as error:
            if value is written:
                raise
            raise ConfigError(str(error).partition(", got ")[0]) from None  # what follows would show the secret
    return options


class _Secrets:
    """Puts texts in the place of {"env": "NAME"} and {"file": "PATH"}. What has none is handed back as it is."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self._folder = os.path.dirname(os.path.abspath(path))
        self._environ = environ

    def option(self, where: str, key: str, value: Any) -> Any:
        """The value of an option of a check."""
        if key in TEXTS or key == "auth":
            return self.texts(where, value)
        if key in PATHS:
            said = self.texts(where, value)
            return [self.path(where, each) for each in said] if isinstance(said, list) else self.path(where, said)
        if key in TEXTS_BY_NAME:
            return self._each(where, value, None)
        return self._condition(where, value) if key in CONDITIONS else value

    def _condition(self, where: str, value: Any) -> Any:
        if isinstance(value, list):
            return _same(value, [self._condition(f"{where}[{n}]", item) for n, item in enumerate(value)])
        return self._each(where, value, TEXTS_EXPECTED)

    def _each(self, where: str, value: Any, keys: Sequence[str] | None) -> Any:
        """An object, with texts in the place of secrets that are the values of these keys, None for all."""
        if not isinstance(value, dict):
            return value
        wanted = value if keys is None else keys
        made = {key: self.texts(key_in(where, key), item) if key in wanted else item for key, item in value.items()}
        return _same(value, made)

    def texts(self, where: str, value: Any) -> Any:
        if isinstance(value, list):
            return _same(value, [self.text(f"{where}[{n}]", item) for n, item in enumerate(value)])
        return self.text(where, value)

    def text(self, where: str, value: Any) -> Any:
        """The text that is meant."""
        if not isinstance(value, dict):
            return value
        if len(value) != 1 or not {"env", "file"} & value.keys() or not all(isinstance(v, str) for v in value.values()):
            raise ConfigError(f'{where}: a secret is written {{"env": "NAME"}} or {{"file": "PATH"}}')
        ((kind, name),) = value.items()
        return self._of_env(where, name) if kind == "env" else self._of_file(where, name)

    def path(self, where: str, value: Any) -> str:
        """A path, meant from the folder of the configuration."""
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where} must be a path, got {repr(value) if value == '' else kind_of(value)}")
        return os.path.join(self._folder, value)

    def _of_env(self, where: str, name: str) -> str:
        found = self._environ.get(name)
        if found is None:
            raise ConfigError(f"{where}: there is no environment variable {name!r:.80}")
        return found

    def _of_file(self, where: str, name: str) -> str:
        path = os.path.join(self._folder, name)
        try:
            return decoded(path, content_of(path, LARGEST_SECRET)).rstrip("\r\n")
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None


def _same(value: Any, made: Any) -> Any:
    """The value itself when nothing in it was replaced."""
    return value if made == value else made


# --- the lists of Python files


def _new(items: Sequence[Any]) -> list[Check]:
    seen: dict[str, int] = {}
    for number, item in enumerate(items):
        if not isinstance(item, Check):
            kind = f"{type(item).__module__}.{type(item).__qualname__}"
            raise ConfigError(f"checks[{number}] must be a Check, got {kind}; older resources belong in to_monitor")
        if seen.setdefault(item.name, number) != number:
            first = seen[item.name]
            raise ConfigError(f"checks[{number}]: {item.name!r} is the name of checks[{first}] too; names must differ")
    return list(items)


def _older(items: Sequence[Any]) -> list[Check]:
    """Resources, repeats renamed."""
    checks: list[Check] = []
    times: dict[str, int] = {}
    for number, item in enumerate(items):
        try:
            check = item if isinstance(item, Check) else _resource(item)
        except Exception as error:  # attributes may be properties of the host
            text = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {short(error)}"
            raise ConfigError(f"to_monitor[{number}]: {text}") from None
        checks.append(_renamed(check, times))
    return checks


def _resource(item: Any) -> Resource:
    missing = [key for key in ("name", "url", "polling_interval", "check") if not hasattr(item, key)]
    if missing:
        raise ConfigError(f"{type(item).__name__} has no {', no '.join(missing)}")
    return Resource(item.name, item.url, item.polling_interval, item.check)


def _renamed(check: Check, times: dict[str, int]) -> Check:
    """The check, under a name that is not among `times` yet."""
    name, number = check.name, times.get(check.name, 0)
    while name in times:
        number += 1
        name = f"{check.name} #{number}"
    times[check.name] = max(number, 1)
    times.setdefault(name, 1)
    if name == check.name:
        return check
    new = type(check).__new__(type(check))
    new.__dict__.update(check.__dict__, name=name)  # all else of it stays: its options were judged
    return new
