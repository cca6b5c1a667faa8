"""Any data as JSON that every reader accepts. Pure.

RFC 8259 knows no NaN, no bytes, no sets and no cycles; a host's statistics do. Nothing here raises for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

DEEPEST = 32
"""Levels of nesting that are shown; below them stands "…"."""
MOST = 500_000
"""Values of one document that are shown; after them stands "…"."""


def to_json(document: Any) -> bytes:
    """The document as JSON in ASCII, in plain form where JSON cannot carry it as it is."""
    try:
        return json.dumps(document, allow_nan=False).encode("ascii")
    except Exception:  # whatever the classes of the host do when they are looked at
        return json.dumps(plain(document)).encode("ascii")


CHANGING = ("service", "sharing", "self")
"""What of a snapshot is new each time though nothing has happened."""


def tagged_json(document: Any, changing: tuple[str, ...] = CHANGING) -> tuple[bytes, str]:
    """The document as JSON, and a tag of what it says, but for the keys `changing`. Good for this process only.

    A large one is made piece by piece: no other thread has to wait for the interpreter as long as all of it takes.
    """
    checks = document.get("checks") if type(document) is dict else None
    if type(checks) is not dict or not all(type(key) is str for key in document):
        body = to_json(document)
        return body, f"{hash(body) & MASK:x}"
    pieces, tag = [b"{"], 0
    for key, value in document.items():
        made = [to_json(value)] if key != "checks" else [b"{", *_joined(checks), b"}"]
        if key not in changing:
            tag ^= hash((key, *made))
        pieces += [b", " * (len(pieces) > 1), to_json(key), b": ", *made]
    return b"".join((*pieces, b"}")), f"{tag & MASK:x}"


def _joined(checks: dict[str, Any]) -> Iterator[bytes]:
    """Each of them, as a member of an object."""
    for number, (name, view) in enumerate(checks.items()):
        yield (b", " if number else b"") + to_json({name: view})[1:-1]


MASK = (1 << 64) - 1


def plain(document: Any) -> Any:
    """A copy of plain types: NaN is null, sets and tuples are lists, bytes and all the rest are texts.

    What raises when it is read is shown by the name of its type. Bounded in depth and size, so cycles end.
    """
    return _Copier().copy(document, DEEPEST)


class _Copier:
    """Counts what it copies."""

    def __init__(self) -> None:
        self._left = MOST

    def copy(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or value is True or value is False:
            return value
        if isinstance(value, (str, int, float)):
            return _scalar(value)
        if depth == 0 or self._left < 0:
            return "…"
        try:
            return self._whole(value, depth - 1)
        except Exception:
            return f"<{type(value).__name__}>"

    def _whole(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {_key(key): self.copy(item, depth) for key, item in self._some(list(value.items()))}
        if isinstance(value, (set, frozenset)):
            return [self.copy(item, depth) for item in sorted(self._some(value), key=_text)]
        if isinstance(value, (list, tuple)):
            return [self.copy(item, depth) for item in self._some(value)]
        return value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else _text(value)

    def _some(self, items: Iterable[Any]) -> Iterable[Any]:
        """As many as there is room for: it may have no end."""
        for item in islice(items, max(0, self._left + 1)):
            if self._left < 0:
                return
            yield item


def _scalar(value: Any) -> Any:
    """The content of a text or number, whatever its class makes of it."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else None
    try:
        int.__repr__(value)
    except ValueError:  # Python prints no number of more than 4,300 digits
        return "…"
    return int.__int__(value)


def _key(key: Any) -> str:
    """As json.dumps writes a key, for those that it takes."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, float):
        return float.__repr__(key)
    return str(_scalar(key)) if isinstance(key, (str, int)) else _text(key)


def _text(value: Any) -> str:
    try:
        return str.__str__(str(value))
    except Exception:  # a __str__ of the host may do anything
        return f"<{type(value).__name__}>"
