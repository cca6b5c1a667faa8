"""From the bytes of a head to a Request, or to the status code that refuses it (RFC 9110, RFC 9112). Pure.

What two programs read differently can smuggle a request past one of them, so whatever is ambiguous is refused.
What is merely unusual is not: absolute targets, any method, obs-text, blanks behind a value.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Union

MAX_HEAD = 16 << 10
"""Bytes of a request line and its headers, at most."""
MAX_LINE = 8 << 10
"""Bytes of a request line, at most."""
MAX_FIELDS = 64
"""Headers, at most."""
MAX_BODY = 64 << 10
"""Bytes of a body, at most."""

_END = re.compile(rb"\r?\n\r?\n")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/(\d)\.(\d)")
FIELD = re.compile(rb"(" + _TOKEN + rb"):([\t -~\x80-\xff]*)")
"""A header: its name, and its value with the blanks around it."""
_ABSOLUTE = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[!$&'()*+,;=0-9A-Za-z._~%-]*)(?::[0-9]*)?")
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%-]+):[0-9]+")


class Request(NamedTuple):
    """A head that is in order. It is never changed, so that equal heads share one."""

    method: str
    path: str
    """As it came, not decoded; without the query. "*" of OPTIONS *."""
    query: str
    fields: tuple[tuple[str, str], ...]
    """Names in lower case; values as Latin-1."""
    host: str
    """Without the port, in lower case; empty where there is none."""
    keeps: bool
    """Whether the client wants the connection to go on."""
    old: bool
    """HTTP/1.0."""
    length: int
    """Bytes of the body."""
    expects: bool
    """Whether the client waits for a 100 before it sends the body."""

    def get(self, name: str) -> str:
        """The values of a header, joined as a list; empty where there is none."""
        return ", ".join([value for key, value in self.fields if key == name])


Head = Union[Request, int]
"""A Request, or the code that refuses it."""


def end_of_head(received: bytes | bytearray, start: int = 0) -> int:
    """Where the head ends, its blank line included; 0 while it is not whole. What is before `start` was looked at."""
    found = _END.search(received, max(0, start - 3))
    return found.end() if found else 0


def early_fault(received: bytes | bytearray) -> int:
    """The code that refuses what has come so far, though the head is not whole; 0 while there is hope.

    So HTTP/0.9, a TLS handshake and too long a line need not wait for their deadline.
    """
    end = received.find(b"\n", 0, MAX_LINE + 2)
    if end >= 0:
        line = _line(bytes(received[:end]).rstrip(b"\r"))
        return line if isinstance(line, int) else 0
    if len(received) > MAX_LINE + 1:
        return 414
    return 0 if re.match(rb"\r?\Z|" + _TOKEN + rb"(?: |\r?\Z)", received[:MAX_LINE]) else 400


def read_head(head: bytes) -> Head:
    """A whole head, its blank line included."""
    if not head.endswith(b"\r\n\r\n"):
        return 400
    start, *lines = head[:-4].split(b"\r\n")
    line = _line(start)
    if isinstance(line, int):
        return line
    if len(lines) > MAX_FIELDS:
        return 431
    fields = []
    for each in lines:
        found = FIELD.fullmatch(each)
        if found is None:
            return 400
        fields.append((found[1].decode("ascii").lower(), found[2].strip(b" \t").decode("latin-1")))
    return _request(*line, tuple(fields))


def _line(line: bytes) -> tuple[str, str, bool] | int:
    """Method, target, whether it is HTTP/1.0."""
    if len(line) > MAX_LINE:
        return 414
    found = _LINE.fullmatch(line)
    if found is None or found[3] == b"0":
        return 400
    if found[3] != b"1":
        return 505
    return found[1].decode("ascii"), found[2].decode("ascii"), found[4] == b"0"


def _request(method: str, target: str, old: bool, fields: tuple[tuple[str, str], ...]) -> Head:
    named: dict[str, list[str]] = {}
    for name, value in fields:
        named.setdefault(name, []).append(value)
    hosts = named.get("host", [])
    place = _place(method, target, hosts[0] if hosts else "")
    length = _length(named, old)
    if place is None or len(hosts) > 1 or not (hosts or old) or not all(map(_HOST.fullmatch, hosts)) or length is None:
        return 400
    if length < 0:
        return -length
    expected = named.get("expect", [])
    if any(value.lower() != "100-continue" for value in expected):
        return 417
    wishes = {word.strip().lower() for value in named.get("connection", []) for word in value.split(",")}
    keeps = "close" not in wishes and (not old or "keep-alive" in wishes)
    path, query, host = place
    return Request(method, path, query, fields, host, keeps, old, length, bool(expected) and not old)


def _place(method: str, target: str, host: str) -> tuple[str, str, str] | None:
    """Path, query and host (RFC 9112, 3.2): the host of an absolute target counts, not the header's."""
    if method == "CONNECT":
        return (target, "", _name(target)) if _AUTHORITY.fullmatch(target) else None
    if target == "*":
        return ("*", "", _name(host)) if method == "OPTIONS" else None
    if target.startswith("/"):
        rest = target
    else:
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or not absolute[1] or not _HOST.fullmatch(absolute[1]):
            return None
        host, rest = absolute[1], absolute[2]
        if not rest and method == "OPTIONS":
            return "*", "", _name(host)  # of the server as a whole (RFC 9112, 3.2.4)
        rest = rest if rest.startswith("/") else f"/{rest}"
    if "#" in rest:
        return None
    path, _, query = rest.partition("?")
    return path, query, _name(host)


def _name(host: str) -> str:
    """A host without its port, in lower case and without a dot at its end."""
    found = _HOST.fullmatch(host)
    return found[1].lower().rstrip(".") if found else ""


def _length(named: dict[str, list[str]], old: bool) -> int | None:
    """Bytes of the body (RFC 9112, 6); a code below zero refuses it, None is a framing that two read differently."""
    lengths, codings = named.get("content-length", []), named.get("transfer-encoding", [])
    if codings:
        if old or lengths:
            return None
        return -411 if [coding.lower() for coding in codings] == ["chunked"] else -501
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
        return None
    digits = lengths[0].lstrip("0")[:18]  # no more than Python would make a number of
    return int(digits or "0") if int(digits or "0") <= MAX_BODY else -413
