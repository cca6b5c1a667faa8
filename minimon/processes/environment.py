"""Variables for processes: a file of KEY=VALUE lines."""

from __future__ import annotations

import re
import shlex

LARGEST = 1 << 20
"""Bytes of such a file at most."""
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)


def read_variables(path: str | None) -> dict[str, str]:
    """The variables of a file; {} for no file. Nothing is run, and nothing replaced.

    Empty lines and those that begin with # are left out, `export` may stand before a name; a value may be in quotes,
    within which all stands for itself ('...') or as a shell reads it ("..."). Raises OSError, and ValueError with the
    line.
    """
    if path is None:
        return {}
    with open(path, encoding="utf-8") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError(f"{path}: larger than {LARGEST} bytes")
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise ValueError(f"{path}:{number}: expected KEY=VALUE")
        found[match[1]] = _value(path, number, match[2])
    return found


def _value(path: str, number: int, text: str) -> str:
    if not text or text[0] not in "'\"":
        return re.sub(r"\s+#.*$", "", text)
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise ValueError(f"{path}:{number}: {error}") from None
    return words[0] if words else ""
