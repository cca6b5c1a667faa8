"""Reads files of plain values, JSON and TOML. What means nothing there is refused, with its place."""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from typing import Any, NamedTuple

from .errors import ConfigError
from .text import short

LARGEST = 16 << 20
"""Bytes of a configuration file at most."""
DEEPEST = 32
"""Levels of nesting in a configuration file at most."""


def content_of(path: str, most: int = LARGEST) -> bytes:
    """What a file holds, if it is not larger. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > most:
        raise ConfigError(f"{path}: larger than {most} bytes")
    return content


def decoded(path: str, content: bytes) -> str:
    """The text, which must be UTF-8. Raises ConfigError with the line."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8: byte 0x{content[error.start]:02x}") from None


class _Table(dict[str, Any]):
    """An object of a JSON file, which knows whether a key stood there twice."""

    twice: str | None = None


class _Odd(NamedTuple):
    """What stands for a number that cannot be one, until its key is known."""

    text: str


def _table(pairs: list[tuple[str, Any]]) -> _Table:
    table = _Table(pairs)
    if len(table) < len(pairs):
        table.twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return table


def _whole(digits: str) -> int | _Odd:
    return int(digits) if len(digits) < 20 else _Odd(f"{digits:.20}…")


def read_json(path: str, content: bytes) -> Any:
    """The values of a JSON file. Raises ConfigError with the line, or the key."""
    text = decoded(path, content)
    try:
        values = json.loads(text, object_pairs_hook=_table, parse_constant=_Odd, parse_int=_whole)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep") from None
    _refuse(path, values)
    return values


def read_toml(path: str, content: bytes) -> Any:
    """The values of a TOML file. Raises ConfigError with the line, or the key."""
    if sys.version_info < (3, 11):
        version = ".".join(map(str, sys.version_info[:2]))
        raise ConfigError(f"{path}: TOML needs Python 3.11 or later, this is {version}; write JSON or Python instead")
    import tomllib

    text = decoded(path, content)
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep") from None
    except ValueError as error:  # TOMLDecodeError, or a number of too many digits
        what, found = str(error), re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
        if found is None:
            raise ConfigError(f"{path}: {what}") from None
        line = found[2] or str(text.rstrip().count("\n") + 1)
        column = f" (column {found[3]})" if found[3] else " (at the end)"
        raise ConfigError(f"{path}:{line}: not TOML: {found[1]}{column}") from None
    _refuse(path, values)
    return values


def _refuse(path: str, values: Any) -> None:
    try:
        refuse_odd("", values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def refuse_odd(where: str, value: Any, depth: int = 0) -> None:
    """What can be written in a file, and means nothing."""
    if depth > DEEPEST:
        raise ConfigError(f"{where}: nested too deep")
    if isinstance(value, dict):
        twice = getattr(value, "twice", None)
        if twice is not None:
            raise ConfigError(f"{key_in(where, twice)}: given twice")
        for key, item in value.items():
            refuse_odd(key_in(where, key), item, depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            refuse_odd(f"{where}[{number}]", item, depth + 1)
    else:
        trouble = _trouble(value)
        if trouble:
            raise ConfigError(f"{where}: {trouble}")


def _trouble(value: Any) -> str:
    """Why a single value cannot be one; "" when it can."""
    if isinstance(value, str):
        return "not a text: half of a surrogate pair" if re.search("[\ud800-\udfff]", value) else ""
    if isinstance(value, _Odd):
        return f"{value.text} is not a number that can be used"
    if isinstance(value, (int, float)):
        fine = abs(value) < 10**19 if isinstance(value, int) else math.isfinite(value)
        return "" if fine else "not a number that can be used"
    return "" if value is None else f"{kind_of(value)} means nothing here"


def kind_of(value: Any) -> str:
    """What a value of a file is, in words that give nothing of it away."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    kinds = {dict: "an object", _Table: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def key_in(where: str, key: str) -> str:
    """The path of a key, quoted as in TOML where it has to be."""
    shown = key if re.fullmatch(r"[\w-]{1,200}", key) else json.dumps(short(key, 200), ensure_ascii=False)
    return f"{where}.{shown}" if where else shown
