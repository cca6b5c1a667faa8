"""Values of a snapshot as text for a page: escaped, cut, with units. Nothing here raises, whatever they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from html import escape
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ..text import short

View = Mapping[str, Any]
NOTHING: View = MappingProxyType({})


def as_map(value: Any) -> View:
    """A mapping as it is; an empty one for all else."""
    return value if isinstance(value, (dict, Mapping)) else NOTHING


def as_list(value: Any) -> list[Any]:
    """A list; an empty one for what is none."""
    return list(value) if isinstance(value, (list, tuple)) else []


def as_number(value: Any) -> float | None:
    """A finite number of a sensible size, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e15 < value < 1e15:
        return None
    return value


def as_text(value: Any, limit: int) -> str:
    """In one line, cut, without secrets of URLs, escaped. Nothing is ""."""
    return "" if value is None or value == "" else escape(short(value, limit))


def as_label(key: Any) -> str:
    """A key, for people."""
    return as_text(key, 60).replace("_", " ")


def as_address(url: Any, safe: str = "/?&=:#%~+,;@!$'()*[]") -> str:
    """A URL, or a part of one, for an attribute."""
    return escape(quote(str(url).encode("utf-8", "replace"), safe=safe))


def as_whole(value: Any) -> str:
    """A number without a fraction."""
    number = as_number(value)
    return "–" if number is None else f"{number:,.0f}"


def as_ratio(value: Any) -> str:
    """A share of one, as a percentage."""
    number = as_number(value)
    return "–" if number is None else percent(number)


def as_seconds(value: Any) -> str:
    """With the unit in which it reads best."""
    number = as_number(value)
    if number is None:
        return "–"
    if number < 0.0009995:
        return f"{max(0.0, number) * 1e6:.0f} µs"
    if number < 0.9995:
        return f"{number * 1000:.{1 if number < 0.00995 else 0}f} ms"
    return f"{number:.1f} s" if number < 99.95 else span(number)


def span(seconds: float) -> str:
    """Seconds in the two largest units that they fill, rounded down. The script does the same."""
    minutes = int(max(0.0, seconds)) // 60
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(max(0.0, seconds))} s"


def epoch(stamp: Any) -> float | None:
    """An instant in ISO 8601 as seconds since the epoch; without a zone it is in UTC. None for what is none."""
    if not isinstance(stamp, str) or len(stamp) > 40:
        return None
    try:
        at = datetime.fromisoformat(stamp[:-1] + "+00:00" if stamp.endswith("Z") else stamp)
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def as_time(stamp: Any, now: float | None) -> str:
    """How long ago an instant was; the script keeps it up to date."""
    at = epoch(stamp)
    if at is None or now is None:
        return "–"
    return f'<time datetime="{escape(stamp)}">{span(now - at)}</time>'


def as_clock(result: View, now: float | None = None) -> str:
    """The time of day of an instant in UTC; with its day, if `now` is another."""
    stamp = result.get("at")
    at = epoch(stamp)
    if at is None or not isinstance(stamp, str):
        return "–"
    day = "" if now is None or now - at < 43_200 else f"{stamp[:10]} "
    return escape(f"{day}{stamp[11:19]}")


def percent(ratio: float) -> str:
    """A ratio as a percentage, rounded down: all and nothing are never claimed when it was almost so."""
    parts = min(10_000, max(0, round(ratio * 1_000_000) // 100))
    if ratio >= 1.0 or ratio <= 0.0:
        return "100%" if ratio >= 1.0 else "0%"
    if parts == 0:
        return "<0.01%".replace("<", "&lt;")
    return f"{min(parts, 9_999) / 100:.2f}%"
