"""An HTTP/1 answer, taken from bytes (RFC 9112). Pure: whoever calls has the connection.

Strict where two readers could see two different answers (framing), lenient where that harms nobody (a line may end
in LF alone, a field may be folded).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..model import Headers

MAX_HEAD = 1 << 16
"""Bytes of the heads of an answer, interim ones included, and apart from that of its trailers, at most."""
MAX_INTERIM = 20
"""Interim answers (1xx) before the final one, at most."""
MAX_LINE = 4096
"""Bytes of the line that begins a chunk, at most."""

_END = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([^\r\n]*))?\r?\n")
_HEAD = re.compile(_STATUS.pattern + rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r?\n){0,100}\r?\n)")
"""A head as almost all are: whole, nothing folded, and of so few fields that the match takes little memory."""
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n]*)\r?\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")


_make = tuple.__new__  # a NamedTuple from its fields at a third of the cost of calling its class


class TargetError(Exception):
    """What a target did wrong, on its way to becoming the Response's `error`: a kind of REASONS, and the detail."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


class Head(NamedTuple):
    """The head of an answer."""

    status: int
    reason: str
    fields: bytes
    """The header fields as they came, blank line included."""
    length: int | None
    """Of the body; None when it goes on to the end of the connection, or comes in chunks."""
    chunked: bool
    minor: bytes
    """The version is HTTP/1 and this."""
    size: int
    """Bytes of it all."""

    @property
    def persists(self) -> bool:
        """Whether the connection may carry another request (RFC 9112, 9.3)."""
        if self.minor == b"0" or b"connection" not in self.fields.lower():
            return self.minor != b"0"
        return not any("close" in text.lower() for text in Headers(self.pairs).get_all("connection"))

    def pairs(self) -> list[tuple[str, str]]:
        """The header fields, taken apart."""
        return pairs_of(self.fields)


def _not_http(received: bytes) -> TargetError:
    """Something else answers; its first bytes tell what."""
    if received[:2] in (b"\x15\x03", b"\x16\x03"):
        return TargetError("protocol", "headers: not HTTP but TLS; write https://")
    line = received[:60].decode("latin-1").encode("unicode_escape").decode("ascii")
    return TargetError("protocol", f"headers: not an HTTP/1 answer: {line}")


def may_end(received: bytes, known: int) -> bool:
    """Whether a head that was not whole after `known` bytes may be it now."""
    return known < 5 or _END.search(received, known - 2) is not None


def head_of(received: bytes, bare: bool = False) -> Head | None:
    """The head that this begins with; None while it is not whole. `bare`: no body follows, whatever it says (HEAD).

    Raises TargetError for what is not HTTP/1, or leaves room for two readings.
    """
    found = _HEAD.match(received)
    if found is not None:
        minor, status, reason, fields = found.groups()
        end = found.end()
    else:
        odd = _odd_head(received)
        if odd is None:
            return None
        minor, status, reason, fields, end = odd
    code, length, chunked = int(status), None, False
    low = b"\n" + fields.lower()
    at = low.find(b"\ncontent-length:")
    if bare or code < 200 or code in (204, 304):  # RFC 9112, 6.3
        length = 0
    elif found is None or b"\ntransfer-encoding:" in low or low.find(b"\ncontent-length:", at + 16) > at >= 0:
        length, chunked = _framing(Headers(pairs_of(fields)))
    elif at >= 0:
        length = _length(low[at + 16 : low.find(b"\n", at + 16)].strip(b" \t\r"))
    phrase = reason.decode("latin-1") if reason else ""
    return _make(Head, (code, phrase, fields, length, chunked, minor, end))


def _odd_head(received: bytes) -> tuple[bytes, bytes, bytes, bytes, int] | None:
    """Version, status, reason, fields and end of a head that is not whole yet, has folded fields, or is none."""
    if not (received.startswith(b"HTTP/") or b"HTTP/".startswith(received)):
        raise _not_http(received)
    end = _END.search(received)
    if end is None:
        return None
    line = _STATUS.match(received)
    if line is None:
        raise _not_http(received)
    fields = received[line.end() : end.end()]
    pairs_of(fields)
    minor, status, reason = line.groups()
    return minor, status, reason, fields, end.end()


def pairs_of(fields: bytes) -> list[tuple[str, str]]:
    """The header fields up to the blank line. Raises TargetError for a line that is none."""
    pairs: list[tuple[str, str]] = []
    for line in fields.decode("latin-1").split("\n")[:-2]:
        found = _FIELD.fullmatch(line + "\n")
        if found:
            pairs.append((found[1], found[2].strip(" \t")))
        elif line[:1] in (" ", "\t") and pairs and "\r" not in line[:-1]:  # RFC 9112, 5.2
            pairs[-1] = pairs[-1][0], f"{pairs[-1][1]} {line.strip()}"
        else:
            raise TargetError("protocol", f"headers: not a header field: {line[:60]!r}")
    return pairs


def _framing(headers: Headers) -> tuple[int | None, bool]:
    """The length of the body, and whether it comes in chunks (RFC 9112, 6.3)."""
    codings, lengths = headers.get_all("transfer-encoding"), set(headers.get_all("content-length"))
    if codings:
        names = [name.strip(" \t") for text in codings for name in text.lower().split(",")]
        if lengths or [name for name in names if name] != ["chunked"]:
            more = " beside Content-Length" if lengths else ""
            raise TargetError("protocol", f"bad framing: Transfer-Encoding {', '.join(codings):.60}{more}")
        return None, True
    if len(lengths) > 1:
        raise TargetError("protocol", f"bad framing: several Content-Length: {', '.join(sorted(lengths)):.60}")
    return (_length(lengths.pop().encode("latin-1")) if lengths else None), False


def _length(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 18:
        raise TargetError("protocol", f"bad framing: Content-Length {digits.decode('latin-1'):.60}")
    return int(digits)


class Chunks:
    """Takes a body apart that comes in chunks (RFC 9112, 7.1): `feed` it all that comes until it is `done`."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.done = False
        self.rest = b""
        """What has not been taken yet; once done, what came after the end."""
        self._left = 0  # bytes of the chunk that are still to come
        self._line = self._size_line
        self._trailers = 0

    def feed(self, data: bytes) -> None:
        """Take what came. Raises TargetError for bad framing."""
        if self.rest:
            data = self.rest + data
        at = 0
        while not self.done:
            if self._left:
                part = data[at : at + self._left]
                if not part:
                    break
                self.body += part
                self._left -= len(part)
                at += len(part)
                continue
            end = data.find(b"\n", at) + 1
            if not end:
                self._mind(len(data) - at, data[at : at + MAX_LINE])
                break
            line, at = data[at:end], end
            self._line(line)
        self.rest = data[at:]

    def _size_line(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None or len(line) > MAX_LINE:
            raise _bad_chunk(line)
        self._left = int(found[1], 16)
        self._line = self._end_line if self._left else self._trailer_line

    def _end_line(self, line: bytes) -> None:
        if line != b"\r\n":
            raise _bad_chunk(line)
        self._line = self._size_line

    def _mind(self, size: int, line: bytes) -> None:
        """A line whose end has not come must not become too long."""
        if self._line == self._trailer_line:
            if self._trailers + size > MAX_HEAD:
                raise TargetError("protocol", f"trailers: more than {MAX_HEAD} bytes")
        elif size > MAX_LINE:
            raise _bad_chunk(line)

    def _trailer_line(self, line: bytes) -> None:
        self._trailers += len(line)
        self._mind(0, line)
        self.done = line in (b"\r\n", b"\n")


def _bad_chunk(line: bytes) -> TargetError:
    return TargetError("protocol", f"bad framing: not the begin or end of a chunk: {line[:40]!r}")
