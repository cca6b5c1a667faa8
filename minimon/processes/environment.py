"""Variables for processes: a file of KEY=VALUE lines."""

from __future__ import annotations

import os
import re
import shlex
import stat

LARGEST = 1 << 20
"""Bytes of such a file at most."""
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)


def read_variables(path: str | None) -> dict[str, str]:
    """The variables of a file; {} for no file. Nothing is run, and nothing replaced.

    Empty lines and those that begin with # are left out, `export` may stand before a name; a value may be in quotes,
    within which all stands for itself ('...') or as a shell reads it ("..."). Outside of quotes a # after a space
    begins a comment. Raises OSError, and ValueError with the line.
    """
    found: dict[str, str] = {}
    if path is None:
        return found
    for number, line in enumerate(_text(path).split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise ValueError(f"{path}:{number}: expected KEY=VALUE")
        found[match[1]] = _value(f"{path}:{number}", match[2])
    return found


def _text(path: str) -> str:
    with open(path, "rb", opener=_opened) as file:
        if not _is_plain(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path}: is no file")
        data = file.read(LARGEST + 1) or b""
    if len(data) > LARGEST:
        raise ValueError(f"{path}: larger than {LARGEST} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}:{data[: error.start].count(10) + 1}: not UTF-8") from None


def _opened(path: str, flags: int) -> int:
    """Without waiting for whoever writes into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _is_plain(mode: int) -> bool:
    """A file, or a device such as /dev/null."""
    return stat.S_ISREG(mode) or stat.S_ISCHR(mode)


def _value(where: str, text: str) -> str:
    stripped = text.strip()
    if not stripped or stripped[0] not in "'\"":
        comment = re.search(r"\s#", text)
        return (text[: comment.start()] if comment else text).strip()
    try:
        words = shlex.split(stripped, comments=True)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if len(words) > 1:
        raise ValueError(f"{where}: text after the closing quote")
    return words[0]
