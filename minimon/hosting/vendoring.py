"""Copies of the package: a folder that can be verified, and one file that runs and is imported.

Both are made of the package as it is loaded, from a folder or from a zip, byte for byte.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from .. import __version__
from ..errors import ConfigError

SUMS = "SHA256SUMS"
"""The file with the sum of every other file, as sha256sum writes and checks it."""
STAMP = "VENDORED"
"""The file that says what was copied."""
LEFT_OUT = ("__pycache__", SUMS, STAMP)
MAIN = b"import sys\n\nfrom minimon.cli import main\n\nsys.exit(main())\n"
SHEBANG = b"#!/usr/bin/env python3\n"


def contents() -> dict[str, bytes]:
    """Every file of the package by its path within it, in order; without bytecode."""
    found = dict(_walk(files(__package__.rpartition(".")[0]), ""))
    return {path: found[path] for path in sorted(found)}


def _walk(folder: Any, path: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.name in LEFT_OUT or each.name.endswith((".pyc", ".pyo")):
            continue
        if each.is_dir():
            yield from _walk(each, f"{path}{each.name}/")
        else:
            yield path + each.name, each.read_bytes()


def sums(found: Mapping[str, bytes]) -> bytes:
    """A line for each file, for `sha256sum -c`."""
    import hashlib

    return "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in found.items()).encode()


def archive(found: Mapping[str, bytes]) -> bytes:
    """A zip that runs and is imported. The same files make the same bytes: nothing is packed, and no time is kept."""
    made = io.BytesIO()
    made.write(SHEBANG)
    with zipfile.ZipFile(made, "a", zipfile.ZIP_STORED) as file:
        for path, data in {"__main__.py": MAIN, **{f"minimon/{path}": data for path, data in found.items()}}.items():
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # as on Unix, wherever it is made
            file.writestr(entry, data)
    return made.getvalue()


def write_zip(path: str) -> int:
    """Write the archive to a path, whole or not at all; its size. Raises OSError."""
    data = archive(contents())
    folder, name = os.path.split(os.path.abspath(path))
    handle, draft = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(draft, 0o755)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(draft)
        raise
    return len(data)


def vendor(folder: str) -> str:
    """Copy the package into a folder, as FOLDER/minimon, with a stamp and the sums; the path.

    A copy that was not changed is replaced. Raises ConfigError for one that was, or for what is no copy; OSError.
    """
    target = os.path.join(folder, "minimon")
    if os.path.lexists(target):
        _mind_copy(target)
    os.makedirs(folder, exist_ok=True)
    found = contents()
    stamp = f"minimon {__version__}\nCopied by `python -m minimon vendor`; verified by `vendor --check`.\n".encode()
    draft = tempfile.mkdtemp(prefix=".minimon.", dir=folder)
    old = f"{draft}.old"
    try:
        for path, data in {**found, STAMP: stamp, SUMS: sums({**found, STAMP: stamp})}.items():
            place = os.path.join(draft, *path.split("/"))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(data)
        os.chmod(draft, 0o755)
        if os.path.lexists(target):
            os.rename(target, old)
        os.rename(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        if os.path.lexists(old):
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return target


def _mind_copy(target: str) -> None:
    if os.path.islink(target) or not os.path.isfile(os.path.join(target, SUMS)):
        raise ConfigError(f"vendor: {target} is no copy that was made by `vendor`: remove it, or say another folder")
    wrong = check(os.path.dirname(target))
    if wrong:
        raise ConfigError(f"vendor: {target} was changed ({wrong[0]}): keep your changes elsewhere, then remove it")


def check(folder: str) -> list[str]:
    """What differs in FOLDER/minimon from what was copied there, a line each; nothing when it is whole.

    Raises ConfigError where there is no copy; OSError.
    """
    import hashlib

    target = os.path.join(folder, "minimon")
    try:
        with open(os.path.join(target, SUMS), encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("  ", 1) for line in file]
        listed = {path: digest for digest, path in lines}
    except FileNotFoundError:
        raise ConfigError(f"vendor: there is no {os.path.join(target, SUMS)}: `vendor {folder}` makes a copy") from None
    except (ValueError, UnicodeDecodeError):
        raise ConfigError(f"vendor: {os.path.join(target, SUMS)} is no list of sums: copy anew") from None
    there = {path for path, _ in _paths(target)}
    wrong = [f"missing: {path}" for path in listed if path not in there]
    wrong += [f"not ours: {path}" for path in sorted(there - {*listed})]
    for path, place in sorted(_paths(target)):
        if path in listed:
            with open(place, "rb") as file:
                if hashlib.sha256(file.read()).hexdigest() != listed[path]:
                    wrong.append(f"changed: {path}")
    return wrong


def _paths(target: str) -> list[tuple[str, str]]:
    """The files of a copy, without bytecode: the path within it, and the whole path."""
    found = []
    for place, folders, names in os.walk(target):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for name in names:
            whole = os.path.join(place, name)
            path = os.path.relpath(whole, target).replace(os.sep, "/")
            if path != SUMS and not name.endswith((".pyc", ".pyo")):
                found.append((path, whole))
    return found
