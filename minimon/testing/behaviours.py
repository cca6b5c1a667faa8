"""What a RogueServer can do to its clients."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import ConfigError, did_you_mean
from .talk import Connection, Pairs, head

_DAY = 86_400
_PIECE = 65_536
_TAHT_CODES = (200, 400, 200, 404, 200, 500, 200, 501)


# The behaviours. Each answers one request; its keyword defaults are its settings, its docstring is the help.


def _taht(talk: Connection, *, max_delay: float = 5.0) -> None:
    """GET / answers within max_delay, by a random status; half of the 200s say Unexpected, half Expected."""
    if talk.request.path.partition("?")[0] != "/":
        return talk.answer(404)
    if talk.request.method != "GET":
        return talk.answer(405, headers=[("Allow", "GET")])
    delay, code, unexpected = talk.chances
    talk.sleep(delay * max_delay)
    status = _TAHT_CODES[int(code * len(_TAHT_CODES))]
    talk.answer(status, (b"Unexpected" if unexpected < 0.5 else b"Expected") if status == 200 else None)


def _ok(talk: Connection, *, status: int = 200, body: bytes = b"OK", headers: Pairs = ()) -> None:
    """Answers every request with status, body and headers."""
    talk.answer(status, body, headers)


def _delay(
    talk: Connection, *, seconds: float = 1.0, status: int = 200, body: bytes = b"OK", headers: Pairs = ()
) -> None:
    """Waits for some seconds, then answers as ok does."""
    talk.sleep(seconds)
    talk.answer(status, body, headers)


def _flaky(talk: Connection, *, codes: tuple[int, ...] = (200, 500)) -> None:
    """Answers with one status of codes after the other, over and over."""
    talk.answer(codes[talk.turn % len(codes)])


def _json(talk: Connection, *, document: bytes = b'{"status": "ok"}') -> None:
    """Answers with a JSON document."""
    talk.answer(200, document, [("Content-Type", "application/json")])


def _drip_head(talk: Connection, *, interval: float = 0.1) -> None:
    """Sends one byte of the head after each interval, then the body."""
    for byte in talk.head(200, 2):
        talk.sleep(interval)
        talk.send(bytes((byte,)))
    talk.send(b"OK")


def _drip_body(talk: Connection, *, interval: float = 0.1, size: int = 100) -> None:
    """Sends the head, then one byte of a body of this size after each interval."""
    talk.send(talk.head(200, size))
    for _ in range(size):
        talk.sleep(interval)
        talk.send(b"x")


def _huge_body(talk: Connection, *, size: int = 64 << 20) -> None:
    """Sends a body of this size that only the end of the connection ends."""
    talk.last(head(200, [("Connection", "close")]))
    piece = b"x" * _PIECE
    for _ in range(size // _PIECE):
        talk.send(piece)
    talk.send(piece[: size % _PIECE])


def _cut_head(talk: Connection) -> None:
    """Closes in the midst of the status line."""
    talk.last(b"HTTP/1.1 200")


def _cut_body(talk: Connection) -> None:
    """Promises a body of 100 bytes, sends 50 and closes."""
    talk.last(talk.head(200, 100) + b"x" * 50)


def _reset(talk: Connection) -> None:
    """Resets the connection after the request."""
    talk.reset()


def _reset_body(talk: Connection) -> None:
    """Resets the connection after half of the body."""
    _cut_body(talk)
    talk.reset()


def _redirect(talk: Connection, *, location: str = "/") -> None:
    """Redirects every request to location (302)."""
    talk.answer(302, headers=[("Location", location)])


def _redirect_loop(talk: Connection) -> None:
    """Redirects every address to itself (302)."""
    _redirect(talk, location=talk.request.path)


def _silent(talk: Connection) -> None:
    """Reads and never answers."""
    talk.drop_rest()
    talk.last()


def _empty(talk: Connection) -> None:
    """Closes without an answer."""
    talk.last()


def _garbage(talk: Connection) -> None:
    """Speaks SSH."""
    talk.last(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")


def _raw(
    talk: Connection,
    *,
    content: bytes = b"",
    piece: bytes = b"",
    times: int = 0,
    interval: float = 0.0,
    end: str = "close",
) -> None:
    """Sends content, then a piece so many times (-1: for ever) at an interval; the end is close, reset or hold."""
    talk.last(content)
    for _ in itertools.count() if times < 0 and piece else range(times):
        talk.sleep(interval)
        talk.send(piece)
    if end == "hold":
        talk.drop_rest()
    elif end == "reset":
        talk.reset()


Behaviour = Callable[..., None]

_ALL: tuple[Any, ...] = (
    *(_taht, _ok, _delay, _flaky, _json, _drip_head, _drip_body, _huge_body, _cut_head, _cut_body),
    *(_reset, _reset_body, _redirect, _redirect_loop, _silent, _empty, _garbage, _raw),
)

BEHAVIOURS: Mapping[str, Behaviour] = MappingProxyType({each.__name__[1:]: each for each in _ALL})
"""What a RogueServer can do to its clients. `__doc__` is a line of help, `__kwdefaults__` the settings."""


def known(name: str) -> Behaviour:
    """The behaviour of this name. Raises ConfigError."""
    if str(name) not in BEHAVIOURS:
        raise ConfigError(f"unknown behaviour {name!r}: {did_you_mean(name, BEHAVIOURS)}")
    return BEHAVIOURS[name]


def settings_of(name: str) -> Mapping[str, Any]:
    """The settings of a behaviour, with their defaults. Raises ConfigError."""
    return getattr(known(name), "__kwdefaults__", None) or {}


def checked(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """These settings of a behaviour as it takes them. Raises ConfigError."""
    defaults = settings_of(name)
    for key in settings:
        if key not in defaults:
            raise ConfigError(f"{name!r} has no setting {key!r}, known are: {', '.join(defaults) or 'none'}")
    return {key: _read(key, value, defaults[key]) for key, value in settings.items()}


def _read(key: str, value: Any, default: object) -> Any:
    try:
        return _READERS[key](value)
    except (TypeError, ValueError, AttributeError, RecursionError):
        raise ConfigError(f"setting {key!r} cannot be {value!r:.80}; the default is {default!r}") from None


def _within(least: int, most: int, value: Any) -> Any:
    if not least <= value <= most:
        raise ValueError
    return value


def _seconds(value: Any) -> float:
    return float(_within(0, _DAY, value))


def _size(value: Any) -> int:
    return int(_within(0, 1 << 40, operator.index(value)))


def _times(value: Any) -> int:
    return int(_within(-1, 1 << 40, operator.index(value)))


def _end(value: Any) -> str:
    if value not in ("close", "reset", "hold"):
        raise ValueError
    return str(value)


def _status(value: Any) -> int:
    return int(_within(100, 999, operator.index(value)))


def _codes(value: Any) -> tuple[int, ...]:
    _within(1, 10_000, len(value))
    return tuple(map(_status, value))


def _body(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(memoryview(value))


def _line(value: Any) -> str:
    if set(value.encode("latin-1")) & set(b"\r\n\0"):
        raise ValueError
    return str(value)


def _headers(value: Any) -> Pairs:
    pairs = value.items() if isinstance(value, Mapping) else value
    return tuple((_line(name), _line(text)) for name, text in pairs)


def _document(value: Any) -> bytes:
    import json

    return json.dumps(value).encode()


_READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        **dict.fromkeys(("max_delay", "seconds", "interval"), _seconds),
        "status": _status,
        "codes": _codes,
        **dict.fromkeys(("body", "content", "piece"), _body),
        "times": _times,
        "end": _end,
        "headers": _headers,
        "size": _size,
        "location": _line,
        "document": _document,
    }
)
