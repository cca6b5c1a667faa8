"""Which of two formats an Accept header would rather have (RFC 9110, 12.5.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 1000
"""Characters of a header that are looked at."""

Format = tuple[str, str]
"""A media type, and its version where it has some."""


class _Range(NamedTuple):
    """A part of the header."""

    kind: str
    version: str
    quality: float
    place: int


def prefers(accept: str, one: Format, other: Format) -> bool:
    """Whether `one` is wanted, and more than the `other`.

    The higher quality counts; then what is named before what a wildcard means; then what is named first. Parameters
    other than `version` and `q` are ignored, and so is a part that is garbage.
    """
    ranges = [found for place, part in enumerate(accept[:LONGEST].split(",")) if (found := _range(part, -place))]
    ours = _liking(ranges, *one)
    return ours > _liking(ranges, *other) and ours[0] > 0


def _range(part: str, place: int) -> _Range | None:
    kind, *parameters = (each.strip().lower() for each in part.split(";"))
    said = {key.strip(): value.strip().strip('"') for key, _, value in (each.partition("=") for each in parameters)}
    quality = re.fullmatch(r"0(?:\.\d*)?|1(?:\.0*)?", said.get("q", "1"))
    return _Range(kind, said.get("version", ""), float(quality[0]), place) if quality else None


def _liking(ranges: Iterable[_Range], kind: str, version: str) -> tuple[float, bool, int]:
    """Quality, whether it is named, and how early: what the most precise part says that means this format."""
    precise = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    fitting = [
        (-precise.index(each.kind), each.version != "", each.quality, each.place)
        for each in ranges
        if each.kind in precise and each.version in ("", version)
    ]
    if not fitting:
        return 0.0, False, 0
    level, _, quality, place = max(fitting)
    return quality, level == 0, place
