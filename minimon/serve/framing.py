"""What is wrong with the head of a request, before anybody acts on it (RFC 9112). Pure.

http.server reads leniently; what two programs read differently can smuggle a request past one of them.
"""

from __future__ import annotations

import re

MAX_HEAD = 16 << 10
"""Bytes of a request line and its headers, at most."""
MAX_LINE = 8 << 10
"""Bytes of a request line, at most."""

_END = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~\x80-\xff]+ HTTP/(\d\.\d)")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*)")


def end_of_head(received: bytes | bytearray) -> int:
    """Where the head ends, its blank line included; 0 while it is not whole."""
    found = _END.search(received)
    return found.end() if found else 0


def fault(head: bytes) -> int:
    """The status code that refuses this head; 0 when nothing is wrong with it."""
    if not head.endswith(b"\r\n\r\n"):
        return 400
    line, *fields = head[:-4].split(b"\r\n")
    if len(line) > MAX_LINE:
        return 414
    found = _LINE.fullmatch(line)
    if found is None:
        return 400
    if found[1] not in (b"1.0", b"1.1"):
        return 505
    found_fields = [_FIELD.fullmatch(field) for field in fields]
    if not all(found_fields):
        return 400
    values = [(match[1].lower(), match[2].strip()) for match in found_fields if match]
    lengths = [value for name, value in values if name == b"content-length"]
    coded = any(name == b"transfer-encoding" for name, _ in values)
    return 400 if len(lengths) > 1 or (lengths and (coded or not lengths[0].isdigit())) else 0


def has_body(length: str | None, coding: str | None) -> bool:
    """Whether a body follows the head; it is never read, and the connection closed instead."""
    return coding is not None or (length or "0").strip() != "0"
