"""Where the workers of one application meet: a private folder, and a key that equal monitors have in common.

The folder is MINIMON_RUNTIME_DIR, else XDG_RUNTIME_DIR/minimon, else minimon-UID among the temporary files. Without one
that can be written each worker polls on its own, and a warning says so.

Equal is what has the same user, name, version and checks, and runs the same code in the same place: the working
directory, sys.prefix, and the unit of systemd. Two deployments that differ in nothing of that, but in what their
functions look at, need names (`Monitor(name=)`) or folders of their own: else one answers for both.
"""

from __future__ import annotations

import functools
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import __version__
from ..checks import VALUES, Check
from ..log import logger
from ..text import short

_log = logger("sharing")

FOLDER = "MINIMON_RUNTIME_DIR"
"""The variable of the environment that names the folder."""
PLACE = ("INVOCATION_ID",)
"""Variables that tell deployments apart: systemd sets this one anew whenever it starts a unit."""


def key_of(name: str, checks: Iterable[Check], further: Any = None) -> str:
    """What equal monitors have in common, fit for a file name."""
    import hashlib

    fields = ("name", "target", *VALUES, "options")
    told = [[_told(getattr(check, field)) for field in fields] for check in sorted(checks, key=lambda one: one.name)]
    place = [_cwd(), sys.prefix, *(os.environ.get(variable) for variable in PLACE)]
    whole = [__version__, _user(), name, place, told, _told(further)]
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]
    return f"{re.sub('[^A-Za-z0-9_.-]', '_', name)[:40]}-{digest}"


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _told(value: Any) -> Any:
    """A value of a configuration as plain data, the same in every process of the same code."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return sorted(([str(key), _told(each)] for key, each in value.items()), key=lambda pair: str(pair[0]))
    if isinstance(value, (list, tuple)):
        return [_told(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, functools.partial):
        return [_told(value.func), _told(value.args), _told(value.keywords)]
    owner, bound = getattr(value, "__self__", None), getattr(value, "__func__", value)
    code = getattr(bound, "__code__", None)
    where = "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"
    kind = value if hasattr(value, "__qualname__") else type(value)
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__  # as a spawned child calls it
    whose = [] if owner is None else [type(owner).__qualname__, _letters(owner)]
    shown = [f"{module}.{kind.__qualname__}", where, *whose]
    return shown if kind is value else [*shown, _letters(value)]


def _letters(value: Any) -> str:
    """What an object says of itself, but for what differs between processes: addresses, and the order of sets."""
    try:
        return "".join(sorted(re.sub(" at 0x[0-9a-fA-F]+", "", repr(value))))
    except Exception:
        return ""


def runtime_folder(environ: Mapping[str, str]) -> str:
    """The first folder that is private and can be written, made if need be. Raises OSError, with all reasons.

    One that the host has said, and that cannot be used, is warned of.
    """
    wrong = []
    for path, given in _candidates(environ):
        try:
            found = _minded(path, given)
        except OSError as error:
            wrong.append(f"{path}: {short(error.strerror or str(error), 100)}")
            continue
        if environ.get(FOLDER) and not given:
            _log.warning("%s is not used, but %s: %s", FOLDER, found, wrong[0])
        return found
    raise OSError("; ".join(wrong) or "there is no temporary folder")


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Paths, each with whether it was said by the host, whose business its mode is."""
    if environ.get(FOLDER):
        yield os.path.abspath(environ[FOLDER]), True
    if environ.get("XDG_RUNTIME_DIR"):
        yield os.path.join(os.path.abspath(environ["XDG_RUNTIME_DIR"]), "minimon"), False
    folders = (*(environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")), "/tmp", "/var/tmp")
    for folder in folders:  # as tempfile looks for it, which would remember it for the host, too
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            yield os.path.join(os.path.abspath(folder), f"minimon-{_user()}"), False
            return


def _minded(path: str, given: bool) -> str:
    os.makedirs(path, 0o700, exist_ok=True)
    status = os.stat(path) if given else os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError("not a folder")
    if not given and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        raise PermissionError("it is not ours alone (owner, mode 0700)")
    if status.st_mode & 0o002:
        raise PermissionError("everybody can write it")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError("it cannot be written")
    return path
