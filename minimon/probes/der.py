"""What a monitor wants to know of a certificate (RFC 5280), from its DER form (X.690). Pure.

`ssl` tells it only of certificates that it has verified; those that it refused are the ones one asks about.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

SEQUENCE, SET, OID, OCTETS, BOOLEAN, UTC_TIME, LONG_TIME = 0x30, 0x31, 0x06, 0x04, 0x01, 0x17, 0x18
VERSION, EXTENSIONS, DNS_NAME, IP_ADDRESS = 0xA0, 0xA3, 0x82, 0x87
ALT_NAMES = b"\x55\x1d\x11"
ATTRIBUTES = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU", b"\x55\x04\x06": "C"}
"""The parts of a distinguished name that are told (RFC 4519)."""
MOST = 100
"""Names that are read at most."""
_EPOCH = datetime(1970, 1, 1)


class Certificate(NamedTuple):
    """What it says of itself."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    """The host names and addresses that it is good for."""
    not_before: float
    """Seconds since the epoch."""
    not_after: float


def read(der: bytes) -> Certificate:
    """Raises ValueError for what is no certificate."""
    try:
        ((_, whole),) = _items(der)
        fields = [item for item in _items(next(_items(whole))[1]) if item[0] != VERSION]
        _, _, (_, issuer), (_, validity), (_, subject) = fields[:5]
        begin, end = (_instant(*item) for item in _items(validity))
        extensions = next((value for tag, value in fields[5:] if tag == EXTENSIONS), b"")
        return Certificate(_name(subject), _name(issuer), tuple(_alt_names(extensions)), begin, end)
    except (IndexError, StopIteration, ValueError, OverflowError) as error:
        raise ValueError(f"not a certificate: {error}") from None


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and contents that stand in a row."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 4:
                raise ValueError("a length of no certificate")
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + size > len(data):
            raise ValueError("it is cut")
        yield tag, data[at : at + size]
        at += size


def _instant(tag: int, content: bytes) -> float:
    digits = content.decode("ascii").rstrip("Z")
    if tag == UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    elif tag != LONG_TIME:
        raise ValueError("no time where one must be")
    year, rest = int(digits[:4]), [int(digits[at : at + 2]) for at in range(4, 14, 2)]
    return (datetime(year, *rest) - _EPOCH).total_seconds()  # type: ignore[arg-type]


def _name(content: bytes) -> str:
    """A distinguished name in one line: CN=example.org, O=Example."""
    parts = []
    for _, members in _items(content):
        for _, pair in _items(members):
            (_, kind), (tag, value) = list(_items(pair))[:2]
            if kind in ATTRIBUTES:
                text = value.decode("utf-16-be" if tag == 0x1E else "utf-8", "replace")
                parts.append(f"{ATTRIBUTES[kind]}={text:.100}")
    return ", ".join(sorted(parts[:MOST], key=lambda part: not part.startswith("CN=")))


def _alt_names(content: bytes) -> Iterator[str]:
    for _, extensions in _items(content):
        for _, extension in _items(extensions):
            parts = list(_items(extension))
            if parts[0][1] == ALT_NAMES:
                ((_, names),) = _items(parts[-1][1])
                for number, (tag, value) in enumerate(_items(names)):
                    if number < MOST and tag == DNS_NAME:
                        yield value.decode("ascii", "replace")[:255]
                    elif number < MOST and tag == IP_ADDRESS:
                        yield _address(value)


def _address(packed: bytes) -> str:
    if len(packed) == 4:
        return ".".join(map(str, packed))
    import ipaddress  # only for addresses of sixteen bytes, which are rare

    return str(ipaddress.IPv6Address(packed))
