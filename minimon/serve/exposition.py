"""Any data as JSON that every reader accepts. Pure.

RFC 8259 knows no NaN, no bytes, no sets and no cycles; a host's statistics do. Nothing here raises for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

DEEPEST = 32
"""Levels of nesting that are shown; below them stands "…"."""


def to_json(document: Any) -> bytes:
    """The document as JSON in ASCII. What JSON cannot carry becomes null (NaN), a list (sets) or its text."""
    try:
        return json.dumps(document, default=_odd, allow_nan=False, separators=(", ", ": ")).encode("ascii")
    except (ValueError, TypeError, RecursionError, RuntimeError):
        return json.dumps(_plain(document, DEEPEST)).encode("ascii")


def _odd(value: Any) -> Any:
    """What stands for a value that JSON has no form for."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=_text)
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return {_text(key): item for key, item in value.items()}
    return _text(value)


def _text(value: Any) -> str:
    try:
        return value if type(value) is str else str(value)
    except Exception:  # a __str__ of the host may do anything
        return f"<{type(value).__name__}>"


def _plain(value: Any, depth: int) -> Any:
    """The same value, copied to plain types level by level; a cycle ends at the deepest one."""
    if value is None or isinstance(value, (str, bool)):
        return value if type(value) is str or value is None or isinstance(value, bool) else str.__str__(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return int(value) if abs(int(value)) < 10**4000 else "…"  # Python refuses to print much longer ones
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {_text(key): _plain(item, depth - 1) for key, item in list(value.items())}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth - 1) for item in value]
    return _plain(_odd(value), depth - 1)
