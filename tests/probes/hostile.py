"""Targets that are hostile or broken, what a poll must make of each, and three programs around them.

`serve` starts a server for every case and prints their addresses; `poll` reads them, polls each from a process of its
own, forked from one that has polled before, and prints one line of JSON for each: the verdict, how long it took, and
the memory that it took beyond that of a poll that goes well. `soak` polls the quick ones of them again and again.
"""

from __future__ import annotations

import contextlib
import gc
import gzip
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from minimon.checks import Check
from minimon.clock import SystemClock
from minimon.probes import Prepared, Shared, observe, prepare, probe
from minimon.testing import RogueServer

PASS, STATUS, CONDITION = ("pass", ""), ("fail", "status"), ("fail", "condition")
CONNECT, TIMEOUT, TLS = ("fail", "connect"), ("fail", "timeout"), ("fail", "tls")
PROTOCOL, TRUNCATED, TOO_LARGE = ("fail", "protocol"), ("fail", "truncated"), ("fail", "too_large")

NORMAL, HANGING = 1.0, 0.6
"""Seconds that a poll may take: of a target that decides at once, and of one that keeps everybody waiting."""
CAP = 3.0
"""Seconds after which a poll is ended that has not ended by itself."""
BATCH = 16
"""Polls at the same time."""
ELSEWHERE = "{elsewhere}"
"""In a setting: host and port of a server that is well."""


def bomb(mib: int = 64) -> bytes:
    """So many MiB of zeros, packed by gzip into few bytes, of one member. (To pack them all takes longer.)"""
    zeros, crc = bytes(1 << 20), 0
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    one = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # which the next one does not refer to
    for _ in range(mib):
        crc = zlib.crc32(zeros, crc)
    return gzip.compress(b"")[:10] + one * mib + packer.flush() + struct.pack("<II", crc, mib << 20)


class Case(NamedTuple):
    """A target, how it is asked, and what must come of it."""

    expected: tuple[str, str]
    """Outcome and reason."""
    behaviour: str
    """Of a RogueServer, or one of PLACES."""
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    """Of the request."""
    url: str
    """The address, with {} for host and port."""
    timeout: float


class Seen(NamedTuple):
    """What came of a poll."""

    outcome: str
    reason: str
    detail: str
    elapsed: float
    grown: int | None
    """KiB of memory, at the most; None where that cannot be seen."""


Ask = Callable[[Case, str], "tuple[Any, ...]"]
"""Polls the address for a case: outcome, reason, detail; and KiB, if it is not this process that takes them."""

LINE = b"HTTP/1.1 200 OK\r\n"
OK = LINE + b"Content-Length: 2\r\n\r\nOK"
LONG = LINE + b"Content-Length: 1000000\r\n\r\n"
ENDLESS = LINE + b"\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
FIELD = b"X: y\r\n"
BLOCK = b"x" * 65_536
BOMB = bomb()
HANDSHAKE = b"\x16\x03\x03\x40\x00"  # of 16 KiB
LARGE = b"x" * (3 << 20)
MYSQL = b"J\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff\xff\x02\x00"


def behaving(
    name: str, expected: tuple[str, str], *, url: str = "http://{}/", options: Any = None, **settings: Any
) -> Case:
    """A target of this behaviour."""
    timeout = HANGING if expected == TIMEOUT else NORMAL
    return Case(expected, name, settings, options or {}, url, timeout)


def raw(expected: tuple[str, str], content: bytes, **given: Any) -> Case:
    """A target that answers with these bytes, and then as the settings of `raw` say."""
    return behaving("raw", expected, content=content, **given)


def drip(content: bytes, piece: bytes = b"x") -> Case:
    """One that goes on for ever, a bit at a time."""
    return raw(TIMEOUT, content, piece=piece, times=-1, interval=0.05)


def flood(expected: tuple[str, str], content: bytes, piece: bytes, **given: Any) -> Case:
    """One that goes on for ever, as fast as it can."""
    return raw(expected, content, piece=piece * (1 + 65_535 // len(piece)), times=-1, **given)


def held(expected: tuple[str, str], content: bytes, **given: Any) -> Case:
    """One that stops there and keeps the connection open."""
    return raw(expected, content, end="hold", **given)


def reset(expected: tuple[str, str], content: bytes) -> Case:
    """One that resets the connection there."""
    return raw(expected, content, end="reset")


def field(expected: tuple[str, str], *lines: bytes, body: bytes = b"OK") -> Case:
    """An answer with these header fields."""
    return raw(expected, LINE + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body)


def chunks(expected: tuple[str, str], content: bytes) -> Case:
    """An answer with a body in chunks."""
    return raw(expected, CHUNKED + content)


def status(expected: tuple[str, str], line: bytes, **given: Any) -> Case:
    """An answer with this status line."""
    return raw(expected, line + b"\r\nContent-Length: 2\r\n\r\nOK", **given)


def leading(expected: tuple[str, str], location: str, *more: bytes, url: str = "http://{}/", **options: Any) -> Case:
    """A redirect; the location is of Latin-1."""
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + b"".join(line + b"\r\n" for line in more)
    content = answer + b"Location: " + location.encode("latin-1") + b"\r\n\r\n"
    return raw(expected, content, url=url, options=options)


def packed(expected: tuple[str, str], coding: bytes, body: bytes, *, decode: bool = True) -> Case:
    """An answer with a packed body."""
    length = b"Content-Length: %d\r\n" % len(body)
    return raw(expected, LINE + b"Content-Encoding: " + coding + b"\r\n" + length + b"\r\n" + body, **unpacking(decode))


def unpacking(decode: bool) -> dict[str, Any]:
    """Whether we ask for it."""
    return {"options": {"decode": True}} if decode else {}


def document(expected: tuple[str, str], body: bytes, expect: Any, content_type: bytes = b"application/json") -> Case:
    """An answer whose body is looked at."""
    head = LINE + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (content_type, len(body))
    return raw(expected, head + body, options={"expect": expect})


DRIPS = {
    "drip: a whole head, byte by byte": behaving("drip_head", TIMEOUT, interval=0.05),
    "drip: version": raw(TIMEOUT, b"HTTP/1.", piece=b"1", times=-1, interval=0.05),
    "drip: status line": drip(b"HTTP/1.1 200 "),
    "drip: header": drip(LINE + b"X: "),
    "drip: headers": drip(LINE, FIELD),
    "drip: folds of a header": drip(LINE + FIELD, b" y\r\n"),
    "drip: body of a known length": drip(LONG),
    "drip: body up to the end": drip(ENDLESS),
    "drip: body of a 500": drip(LONG.replace(b"200 OK", b"500 X")),
    "drip: chunks": drip(CHUNKED, b"1\r\nx\r\n"),
    "drip: inside of a chunk": drip(CHUNKED + b"fffff\r\n"),
    "drip: size of a chunk": drip(CHUNKED + b"1;"),
    "drip: trailers": drip(CHUNKED + b"2\r\nOK\r\n0\r\n", FIELD),
    "drip: interim answers": raw(TIMEOUT, b"", piece=INTERIM, times=-1, interval=0.05),
    "drip: header of an interim answer": drip(b"HTTP/1.1 103 Early Hints\r\nLink: "),
    "drip: redirects": behaving("delay", TIMEOUT, seconds=0.15, status=302, headers={"Location": "x/"}),
    "drip: TLS handshake": behaving("eager", TIMEOUT, url="https://{}/", content=HANDSHAKE, piece=b"\0"),
}
SILENCES = {
    "silent": behaving("silent", TIMEOUT),
    "silent: nobody accepts": behaving("unattended", TIMEOUT),
    # unattended: who reads for the end of a request finds one in the random bytes of a handshake now and then
    "silent: TLS": behaving("unattended", TIMEOUT, url="https://{}/"),
    "silent: nobody reads a large request": behaving("unattended", TIMEOUT, options={"body": LARGE}),
    "silent: somebody reads a large request, slowly": behaving("sluggish", TIMEOUT, options={"body": LARGE}),
    "silent: full listen queue": behaving("full", TIMEOUT),
    "silent after half a version": held(TIMEOUT, b"HTT"),
    "silent after the status line": held(TIMEOUT, LINE),
    "silent after a header": held(TIMEOUT, LINE + b"Content-Length: 2\r\n"),
    "silent after a carriage return": held(TIMEOUT, OK[:-3]),
    "silent after the head": held(TIMEOUT, LONG),
    "silent after half of the body": held(TIMEOUT, LONG + BLOCK),
    "silent after a body without a length": held(TIMEOUT, ENDLESS + b"OK"),
    "silent after a chunk": held(TIMEOUT, CHUNKED + b"2\r\nOK\r\n"),
    "silent in a chunk": held(TIMEOUT, CHUNKED + b"9\r\nOK"),
    "silent after the last chunk": held(TIMEOUT, CHUNKED + b"2\r\nOK\r\n0\r\n"),
    "silent after an interim answer": held(TIMEOUT, INTERIM),
    "silent after a redirect": leading(TIMEOUT, "http://{silent}/"),
    "held open after a whole body": held(PASS, OK),
    "held open after the last line of the chunks": held(PASS, CHUNKED + b"2\r\nOK\r\n0\r\n\r\n"),
    "held open after a 204": held(PASS, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "held open after a 304": held(STATUS, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    "held open after the answer to HEAD": held(PASS, LONG, options={"method": "HEAD"}),
    "held open, body not asked for": held(PASS, LONG, options={"read_body": False}),
}
CUTS = {
    "cut: no answer": behaving("empty", TRUNCATED),
    "cut in the version": raw(TRUNCATED, b"HTTP/1"),
    "cut in the status": raw(TRUNCATED, b"HTTP/1.1 20"),
    "cut in the status line": behaving("cut_head", TRUNCATED),
    "cut in the end of the status line": raw(TRUNCATED, LINE[:-1]),
    "cut after the status line": raw(TRUNCATED, LINE),
    "cut in a header": raw(TRUNCATED, LINE + b"Content-Le"),
    "cut after a header": raw(TRUNCATED, LINE + b"Content-Length: 0\r\n"),
    "cut before the last line feed of the head": raw(TRUNCATED, LINE + b"Content-Length: 0\r\n\r"),
    "cut after an interim answer": raw(TRUNCATED, INTERIM),
    "cut in an interim answer": raw(TRUNCATED, INTERIM[:-2]),
    "cut before the body": raw(TRUNCATED, LONG),
    "cut in the body": behaving("cut_body", TRUNCATED),
    "cut one byte short": raw(TRUNCATED, OK[:-1]),
    "cut before the first chunk": raw(TRUNCATED, CHUNKED),
    "cut in the size of a chunk": raw(TRUNCATED, CHUNKED + b"2"),
    "cut in a chunk": raw(TRUNCATED, CHUNKED + b"9\r\nOK"),
    "cut after the data of a chunk": raw(TRUNCATED, CHUNKED + b"2\r\nOK"),
    "cut before the last chunk": raw(TRUNCATED, CHUNKED + b"2\r\nOK\r\n"),
    "cut in the last chunk": raw(TRUNCATED, CHUNKED + b"2\r\nOK\r\n0"),
    "cut after the last chunk": raw(TRUNCATED, CHUNKED + b"2\r\nOK\r\n0\r\n"),
    "cut in the trailers": raw(TRUNCATED, CHUNKED + b"2\r\nOK\r\n0\r\n" + FIELD),
    "cut in a redirect": raw(TRUNCATED, b"HTTP/1.1 302 Found\r\nLocation: /els"),
    "cut in the answer to HEAD": raw(TRUNCATED, LINE + FIELD, options={"method": "HEAD"}),
    "cut in what was packed": packed(TRUNCATED, b"gzip", gzip.compress(bytes(10_000))[:-9]),
    "cut in a TLS handshake": behaving("eager", TLS, url="https://{}/", content=HANDSHAKE, end="close"),
}
RESETS = {
    "refused": behaving("closed", CONNECT),
    "refused after a redirect": leading(CONNECT, "http://{closed}/"),
    "reset before the request is read": behaving("eager", CONNECT, end="reset"),
    "reset before the answer": behaving("reset", CONNECT),
    "reset in the status line": reset(CONNECT, b"HTTP/1.1 200"),
    "reset in the headers": reset(CONNECT, LINE + b"Content-Length: 2\r\n"),
    "reset after an interim answer": reset(CONNECT, INTERIM),
    "reset in the body": behaving("reset_body", TRUNCATED),
    "reset after a body without a length": reset(TRUNCATED, ENDLESS + b"OK"),
    "reset in a chunk": reset(TRUNCATED, CHUNKED + b"9\r\nOK"),
    "reset before the last chunk": reset(TRUNCATED, CHUNKED + b"2\r\nOK\r\n"),
    "reset after a whole answer": reset(PASS, OK),
}
FLOODS = {
    "flood: status line": flood(PROTOCOL, b"HTTP/1.1 200 ", b"x"),
    "flood: header": flood(PROTOCOL, LINE + b"X: ", b"y"),
    "flood: name of a header": flood(PROTOCOL, LINE, b"X"),
    "flood: headers": flood(PROTOCOL, LINE, FIELD),
    "flood: headers of nothing": flood(PROTOCOL, LINE, b"X:\n"),
    "flood: folds of a header": flood(PROTOCOL, LINE + FIELD, b" y\r\n"),
    "flood: interim answers": flood(PROTOCOL, b"", INTERIM),
    "flood: blank lines": flood(PROTOCOL, b"", b"\r\n"),
    "flood: zeros": flood(PROTOCOL, b"", b"\0"),
    "flood: trailers": flood(PROTOCOL, CHUNKED + b"0\r\n", FIELD),
    "flood: size of a chunk": flood(PROTOCOL, CHUNKED, b"0"),
    "flood: extension of a chunk": flood(PROTOCOL, CHUNKED + b"1;", b"x"),
    "flood: chunks that are mostly extension": flood(TIMEOUT, CHUNKED, b"1;" + b"x" * 4000 + b"\r\na\r\n"),
    "flood: body": flood(TOO_LARGE, ENDLESS, BLOCK),
    "flood: body of a 500": flood(TOO_LARGE, ENDLESS.replace(b"200 OK", b"500 X"), BLOCK),
    "flood: chunks": flood(TOO_LARGE, CHUNKED, b"8000\r\n" + b"x" * 0x8000 + b"\r\n"),
    "flood: one chunk": flood(TOO_LARGE, CHUNKED + b"fffffffffffffff\r\n", BLOCK),
    "flood: the rest of another answer": flood(PASS, OK, OK),
    "flood: body of a redirect": flood(PASS, b"HTTP/1.1 302 X\r\nLocation: http://{elsewhere}/\r\n\r\n", BLOCK),
    "flood: body of the answer to HEAD": flood(PASS, LONG, BLOCK, options={"method": "HEAD"}),
    "flood: body not asked for": flood(PASS, ENDLESS, BLOCK, options={"read_body": False}),
    "one header of 10 MB": raw(PROTOCOL, LINE + b"X: " + b"y" * 10_000_000 + b"\r\n\r\n"),
    "100,000 headers": raw(PROTOCOL, LINE + FIELD * 100_000 + b"\r\n"),
    "99 headers of 65 KiB": raw(PROTOCOL, LINE + (b"X: " + b"y" * 66_500 + b"\r\n") * 99 + b"\r\n"),
    "a head of 60 KiB": raw(PASS, LINE + FIELD * 10_000 + b"Content-Length: 2\r\n\r\nOK"),
    "60 KiB of folds": raw(PASS, LINE + FIELD + b" y\r\n" * 15_000 + b"Content-Length: 2\r\n\r\nOK"),
    "1,000 interim answers": raw(PROTOCOL, INTERIM * 1000 + OK),
    "21 interim answers": raw(PROTOCOL, INTERIM * 21 + OK),
    "20 interim answers": raw(PASS, INTERIM * 20 + OK),
    "interim answers of 70 KiB together": raw(PROTOCOL, (b"HTTP/1.1 103 X\r\n" + FIELD * 1000 + b"\r\n") * 12 + OK),
    "200,000 trailers": chunks(PROTOCOL, b"0\r\n" + FIELD * 200_000 + b"\r\n"),
    "20,000 chunks of 1 byte": chunks(PASS, b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"),
    "body of 64 MiB": behaving("huge_body", TOO_LARGE),
    "body of 64 MiB on a 500": raw(TOO_LARGE, ENDLESS.replace(b"200", b"500"), piece=BLOCK, times=1024),
    "body of 64 MiB, as declared": raw(TOO_LARGE, LINE + b"Content-Length: 67108864\r\n\r\n", piece=BLOCK, times=1024),
    "body of 64 MiB on a redirect": raw(
        PASS, b"HTTP/1.1 302 X\r\nLocation: http://{elsewhere}/\r\n\r\n", piece=BLOCK, times=1024
    ),
    "a bomb, unpacked": packed(TOO_LARGE, b"gzip", BOMB),
    "a bomb, left alone": packed(PASS, b"gzip", BOMB, decode=False),
    "a bomb in a bomb": packed(PASS, b"gzip", gzip.compress(BOMB)),
    "a bomb in chunks": raw(
        TOO_LARGE,
        LINE
        + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BOMB)
        + BOMB
        + b"\r\n0\r\n\r\n",
        **unpacking(True),
    ),
    "50,000 packed pieces of nothing": packed(PASS, b"gzip", gzip.compress(b"") * 50_000)._replace(timeout=4.0),
}
OTHERS = {
    "SSH, held open": held(PROTOCOL, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    "SSH, before we ask": behaving("eager", PROTOCOL, content=b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "SMTP, before we ask": behaving("eager", PROTOCOL, content=b"220 mail.internal ESMTP\r\n"),
    "MySQL, before we ask": behaving("eager", PROTOCOL, content=MYSQL),
    "SSH on a TLS port": behaving("eager", TLS, url="https://{}/", content=b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "plain HTTP on a TLS port": behaving("eager", TLS, url="https://{}/", content=OK),
    "TLS alert on a TLS port": behaving("eager", TLS, url="https://{}/", content=b"\x15\x03\x03\x00\x02\x02\x28"),
    "TLS alert on a plain port": held(PROTOCOL, b"\x15\x03\x01\x00\x02\x02\x28"),
    "TLS after a redirect, on a plain port": leading(TLS, "https://{eager}/"),
    "Redis": held(PROTOCOL, b"-ERR wrong number of arguments for 'get' command\r\n"),
    "HTTP/2 settings": held(PROTOCOL, b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),
    "HTTP/0.9": raw(PROTOCOL, b"<html>hello</html>"),
    "HTTP/9.9": status(PROTOCOL, b"HTTP/9.9 200 OK"),
    "HTTP/2": status(PROTOCOL, b"HTTP/2 200 OK"),
    "HTTP/1.10": status(PROTOCOL, b"HTTP/1.10 200 OK"),
    "http/1.1": status(PROTOCOL, b"http/1.1 200 OK"),
    "ICY": status(PROTOCOL, b"ICY 200 OK"),
    "RTSP": status(PROTOCOL, b"RTSP/1.0 200 OK"),
    "garbage": raw(PROTOCOL, bytes(range(256)) * 4),
    "garbage that begins well": raw(PROTOCOL, b"HTTP/\xff\xfe\r\n\r\n"),
    "a byte order mark first": raw(PROTOCOL, b"\xef\xbb\xbf" + OK),
    "a blank line first": raw(PROTOCOL, b"\r\n" + OK),
    "status: none": raw(PROTOCOL, b"HTTP/1.1\r\n\r\n"),
    "status: abc": status(PROTOCOL, b"HTTP/1.1 abc OK"),
    "status: 99": status(PROTOCOL, b"HTTP/1.1 99 X"),
    "status: 000": status(PROTOCOL, b"HTTP/1.1 000 X"),
    "status: 1000": status(PROTOCOL, b"HTTP/1.1 1000 X"),
    "status: -20": status(PROTOCOL, b"HTTP/1.1 -20 X"),
    "status: +200": status(PROTOCOL, b"HTTP/1.1 +200 OK"),
    "status: 200OK": status(PROTOCOL, b"HTTP/1.1 200OK"),
    "status: 2_0": status(PROTOCOL, b"HTTP/1.1 2_0 OK"),
    "status: superscripts": status(PROTOCOL, b"HTTP/1.1 \xb2\xb9\xb3 OK"),
    "status: 5,000 digits": status(PROTOCOL, b"HTTP/1.1 " + b"2" * 5000 + b" OK"),
    "status: after two blanks": status(PROTOCOL, b"HTTP/1.1  200 OK"),
    "status: after a tab": status(PROTOCOL, b"HTTP/1.1\t200 OK"),
    "status: 999": status(STATUS, b"HTTP/1.1 999 X"),
    "status: without a reason": status(PASS, b"HTTP/1.1 200"),
    "status: a reason of 60 KiB": status(STATUS, b"HTTP/1.1 500 " + b"x" * 60_000),
    "status: a reason of control characters": status(STATUS, b"HTTP/1.1 500 \x1b[31m\x00\xff"),
    "101": status(PROTOCOL, b"HTTP/1.1 101 Switching Protocols"),
    "102 and 103 before the answer": raw(
        PASS, b"HTTP/1.1 102 X\r\n\r\nHTTP/1.1 103 X\r\nContent-Length: 9\r\n\r\n" + OK
    ),
    "103 before nothing but a body": raw(PROTOCOL, b"HTTP/1.1 103 X\r\nContent-Length: 2\r\n\r\nOK"),
    "204 with a body": status(PASS, b"HTTP/1.1 204 No Content"),
    "204 with chunks": raw(PASS, CHUNKED.replace(b"200 OK", b"204 X") + b"zzz"),
    "304 with a body": status(STATUS, b"HTTP/1.1 304 Not Modified"),
    "HEAD with a body": raw(PASS, OK, options={"method": "HEAD"}),
    "HEAD with chunks": raw(PASS, CHUNKED + b"zzz", options={"method": "HEAD"}),
}
FRAMES = {
    "length: twice the same": field(PASS, b"Content-Length: 2", b"Content-Length: 2"),
    "length: two different": field(PROTOCOL, b"Content-Length: 2", b"Content-Length: 1"),
    "length: a list": field(PROTOCOL, b"Content-Length: 2, 1"),
    "length: negative": field(PROTOCOL, b"Content-Length: -2"),
    "length: +2": field(PROTOCOL, b"Content-Length: +2"),
    "length: 0_2": field(PROTOCOL, b"Content-Length: 0_2"),
    "length: 0x2": field(PROTOCOL, b"Content-Length: 0x2"),
    "length: 2.0": field(PROTOCOL, b"Content-Length: 2.0"),
    "length: 2 2": field(PROTOCOL, b"Content-Length: 2 2"),
    "length: a superscript": field(PROTOCOL, b"Content-Length: \xb2"),
    "length: none said": field(PROTOCOL, b"Content-Length:"),
    "length: 5,000 digits": field(PROTOCOL, b"Content-Length: " + b"2" * 5000),
    "length: 19 digits": field(PROTOCOL, b"Content-Length: " + b"9" * 19),
    "length: 8e9 with three bytes": field(TRUNCATED, b"Content-Length: 8000000000", body=b"abc"),
    "length: 18 digits with three bytes": field(TRUNCATED, b"Content-Length: " + b"9" * 18, body=b"abc"),
    "length: too long": field(TRUNCATED, b"Content-Length: 3"),
    "length: too short": field(PASS, b"Content-Length: 1"),
    "length: between blanks": field(PASS, b"Content-Length: \t 2 \t"),
    "length: in a fold of another": field(PASS, b"X: y", b" Content-Length: 9", b"Content-Length: 2"),
    "length: beside chunks": field(
        PROTOCOL, b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"2\r\nOK\r\n0\r\n\r\n"
    ),
    "coding: gzip": field(PROTOCOL, b"Transfer-Encoding: gzip"),
    "coding: identity": field(PROTOCOL, b"Transfer-Encoding: identity"),
    "coding: xchunked": field(PROTOCOL, b"Transfer-Encoding: xchunked"),
    "coding: none said": field(PROTOCOL, b"Transfer-Encoding:"),
    "coding: chunked twice": field(PROTOCOL, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "coding: chunked, gzip": field(PROTOCOL, b"Transfer-Encoding: chunked, gzip"),
    "coding: gzip, chunked": field(PROTOCOL, b"Transfer-Encoding: gzip, chunked"),
    "coding: a vertical tab before chunked": field(PROTOCOL, b"Transfer-Encoding: \x0bchunked"),
    "coding: CHUNKED": field(PASS, b"TRANSFER-ENCODING: CHUNKED", body=b"2\r\nOK\r\n0\r\n\r\n"),
    "chunk: negative": chunks(PROTOCOL, b"-2\r\nOK\r\n0\r\n\r\n"),
    "chunk: +2": chunks(PROTOCOL, b"+2\r\nOK\r\n0\r\n\r\n"),
    "chunk: 0x2": chunks(PROTOCOL, b"0x2\r\nOK\r\n0\r\n\r\n"),
    "chunk: 0_2": chunks(PROTOCOL, b"0_2\r\nOK\r\n0\r\n\r\n"),
    "chunk: a blank before the size": chunks(PROTOCOL, b" 2\r\nOK\r\n0\r\n\r\n"),
    "chunk: not hexadecimal": chunks(PROTOCOL, b"xyz\r\nOK\r\n0\r\n\r\n"),
    "chunk: no size": chunks(PROTOCOL, b"\r\nOK\r\n0\r\n\r\n"),
    "chunk: a size of 17 digits": chunks(PROTOCOL, b"f" * 17 + b"\r\nOK"),
    "chunk: a size of 16 digits with two bytes": chunks(TRUNCATED, b"f" * 16 + b"\r\nOK"),
    "chunk: longer than it says": chunks(PROTOCOL, b"2\r\nOK!\r\n0\r\n\r\n"),
    "chunk: nothing after the data": chunks(PROTOCOL, b"2\r\nOK0\r\n\r\n"),
    "chunk: a line feed alone": chunks(PROTOCOL, b"2\nOK\n0\n\n"),
    "chunk: a carriage return alone": chunks(PROTOCOL, b"2\rOK\r0\r\r\n"),
    "chunk: a carriage return in an extension": chunks(PROTOCOL, b"2;\rx\r\nOK\r\n0\r\n\r\n"),
    "chunk: an extension of 5 KiB": chunks(PROTOCOL, b"2;" + b"x" * 5000 + b"\r\nOK\r\n0\r\n\r\n"),
    "chunk: with an extension": chunks(PASS, b'2;name="a;b"\r\nOK\r\n0;last\r\n\r\n'),
    "chunk: with a trailer": chunks(PASS, b"2\r\nOK\r\n0\r\nExpires: never\r\n\r\n"),
    "chunk: zeros before the size": chunks(PASS, b"000002\r\nOK\r\n000\r\n\r\n"),
    "chunk: something after the last": chunks(PASS, b"2\r\nOK\r\n0\r\n\r\nmore"),
    "header: a blank before the colon": field(PROTOCOL, b"Content-Length : 2"),
    "header: no colon": field(PROTOCOL, b"Content-Length 2"),
    "header: no name": field(PROTOCOL, b": 2"),
    "header: NUL in the name": field(PROTOCOL, b"X\0Y: z"),
    "header: NUL in the value": field(PASS, b"X: y\0z", b"Content-Length: 2"),
    "header: beyond ASCII in the name": field(PROTOCOL, b"\xdcber: x"),
    "header: beyond ASCII in the value": field(PASS, b"X: \xff\xfe", b"Content-Length: 2"),
    "header: a carriage return in the value": field(PROTOCOL, b"X: y\rContent-Length: 2"),
    "header: lines that end in carriage returns": raw(TRUNCATED, OK.replace(b"\r\n", b"\r")),
    "header: lines that end in line feeds": raw(PASS, OK.replace(b"\r\n", b"\n")),
    "header: folded": field(PASS, b"X: y", b"\tz", b"Content-Length: 2"),
    "header: folded before the first": field(PROTOCOL, b" X: y", b"Content-Length: 2"),
    "header: a status line": field(PROTOCOL, b"HTTP/1.1 200 OK", b"Content-Length: 2"),
    "coding of a body of nothing": packed(PASS, b"gzip", b""),
    "coding of the body that nobody asked for": packed(PROTOCOL, b"br", b"OK"),
    "coding of the body that is not so": packed(PROTOCOL, b"gzip", b"OK"),
    "coding of the body, and something after it": packed(PROTOCOL, b"gzip", gzip.compress(b"OK") + b"more"),
}
REDIRECTS = {
    "redirect: to itself": behaving("redirect_loop", PROTOCOL),
    "redirect: to itself by a fragment": leading(PROTOCOL, "#again"),
    "redirect: to one that leads to itself": leading(PROTOCOL, "/b", url="http://{}/a"),
    "redirect: in a ring of two": behaving("ring", PROTOCOL),
    "redirect: ever new": behaving("redirect", PROTOCOL, location="x/"),
    "redirect: more than allowed": leading(PROTOCOL, "http://{elsewhere}/", max_redirects=0),
    "redirect: not followed": leading(STATUS, "http://{elsewhere}/", follow_redirects=False),
    "redirect: to file:": leading(PROTOCOL, "file:///etc/hostname"),
    "redirect: to ftp:": leading(PROTOCOL, "ftp://{elsewhere}/"),
    "redirect: to javascript:": leading(PROTOCOL, "javascript:alert(1)"),
    "redirect: to data:": leading(PROTOCOL, "data:text/plain,OK"),
    "redirect: to gopher:": leading(PROTOCOL, "gopher://{elsewhere}/_GET"),
    "redirect: to nowhere": raw(STATUS, b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
    "redirect: to an empty Location": leading(STATUS, ""),
    "redirect: to a blank Location": leading(STATUS, " \t "),
    "redirect: to a path beyond ASCII": leading(PASS, "http://{elsewhere}/stra\xdfe?\xfc=\xe9"),
    "redirect: to a path with blanks": leading(PASS, "http://{elsewhere}/a b\tc"),
    "redirect: to an encoded line break in the path": leading(PASS, "http://{elsewhere}/%0d%0aX-Evil:%20y"),
    "redirect: to an encoded line break in the host": leading(PROTOCOL, "http://127.0.0.1%0d%0aX-Evil:%20y/"),
    "redirect: to a carriage return": leading(PROTOCOL, "http://{elsewhere}/\rX-Evil: y"),
    "redirect: to NUL": leading(PASS, "http://{elsewhere}/\0"),
    "redirect: to another host with a login": leading(PASS, "http://tom:s3cret@{elsewhere}/"),
    "redirect: to another name": leading(PASS, "http://localhost:{port}/", url="http://tom:s3cret@{}/"),
    "redirect: without a scheme": leading(PASS, "//{elsewhere}/"),
    "redirect: to HTTP in capitals": leading(PASS, "HTTP://{elsewhere}"),
    "redirect: two of them": leading(PASS, "file:///etc/hostname", b"Location: http://{elsewhere}/"),
    "redirect: to half an IPv6 address": leading(PROTOCOL, "http://[::1"),
    "redirect: to no host": leading(PROTOCOL, "http:///x"),
    "redirect: to no port": leading(PROTOCOL, "http://127.0.0.1:0/"),
    "redirect: to port 99999": leading(PROTOCOL, "http://127.0.0.1:99999/"),
    "redirect: to port x": leading(PROTOCOL, "http://127.0.0.1:x/"),
    "redirect: to a label of 64": leading(PROTOCOL, f"http://{'x' * 64}.invalid/"),
    "redirect: to a host of 60 KiB": leading(PROTOCOL, f"http://{'x.' * 30_000}invalid/"),
    "redirect: to a path of 60 KiB": leading(PROTOCOL, "/" + "x" * 60_000),
    "redirect: to 20,000 dots": leading(PROTOCOL, "/a/.." * 10_000 + "/b"),
    "redirect: to 60 KiB of addresses": leading(PROTOCOL, "/" + "http://" * 8000),
    "redirect: to 60 KiB of queries": leading(PROTOCOL, "/?" + "a=&" * 20_000 + "://"),
    "redirect: into a network that is denied": leading(
        CONNECT, "http://127.0.0.2:{port}/", deny_networks=["127.0.0.2/32"]
    ),
    "redirect: to a denied address in disguise": leading(
        CONNECT, "http://[::ffff:127.0.0.2]:{port}/", deny_networks=["127.0.0.2/32"]
    ),
    "redirect: to a host that is not allowed": leading(CONNECT, "http://127.0.0.2:{port}/", allow_hosts=["127.0.0.1"]),
    "a name whose first address is dead": behaving("ok", PASS, url="http://localhost:{port}/"),
}
BODIES = {
    "JSON: nested too deep": document(CONDITION, b"[" * 200_000 + b"]" * 200_000, {"json": []}),
    "JSON: a number of 5,000 digits": document(CONDITION, b"9" * 5000, {"json": 9}),
    "JSON: NaN": document(CONDITION, b"[NaN]", {"json": [0]}),
    "JSON: Infinity": document(CONDITION, b"-Infinity", {"json": 0}),
    "JSON: 1e400": document(CONDITION, b"1e400", {"json": 0}),
    "JSON: invalid UTF-8": document(CONDITION, b'"\xff\xfe"', {"json": ""}),
    "JSON: UTF-16": document(CONDITION, '{"a": 1}'.encode("utf-16"), {"json": {"a": 1}}),
    "JSON: cut": document(CONDITION, b'{"a": 1', {"json": {"a": 1}}),
    "JSON: a lone surrogate": document(CONDITION, b'"\\ud800"', {"json": "x"}),
    "JSON: twice the same key": document(PASS, b'{"a": 0, "a": 1}', {"json": {"a": 1}}),
    "JSON: a byte order mark": document(PASS, b"\xef\xbb\xbf[]", {"json": []}),
    "charset: unknown": document(PASS, b"OK\xff", {"contains": "OK"}, b"text/plain; charset=klingon"),
    "charset: rot13": document(PASS, b"OK\xff", {"contains": "OK"}, b"text/plain; charset=rot13"),
    "charset: NUL": document(PASS, b"OK\xff", {"contains": "OK"}, b"text/plain; charset=\0"),
    "charset: one that Python warns of": document(PASS, b"OK\\d", {"contains": "OK"}, b"x; charset=unicode_escape"),
    "charset: one that takes for ever": document(
        CONDITION, b"a" * 1_000_000, {"contains": "OK"}, b"text/plain; charset=punycode"
    ),
    "charset: four bytes for each character": document(
        CONDITION, b"x" * 1_000_000 + "\U0001f600".encode(), {"contains": "OK"}, b"text/plain"
    ),
    "cookies: 2,000 of them": raw(
        PASS,
        LINE + b"".join(b"Set-Cookie: a%d=b\r\n" % n for n in range(2000)) + b"Content-Length: 2\r\n\r\nOK",
        options={"cookies": True},
    ),
    "cookies: dates that are none": raw(
        PASS,
        LINE + b"Set-Cookie: a=b; Expires=" + b"1" * 20_000 + b" " * 20_000 + b"!\r\nContent-Length: 2\r\n\r\nOK",
        options={"cookies": True},
    ),
    "cookies: of 60 KiB": raw(
        PASS,
        LINE + b"Set-Cookie: a=" + b'"\\' * 30_000 + b"\r\nContent-Length: 2\r\n\r\nOK",
        options={"cookies": True},
    ),
    "cookies: an age of 400 digits": raw(
        PASS,
        LINE + b"Set-Cookie: a=b; Max-Age=" + b"9" * 400 + b"\r\nContent-Length: 2\r\n\r\nOK",
        options={"cookies": True},
    ),
}
CASES: dict[str, Case] = {
    **DRIPS, **SILENCES, **CUTS, **RESETS, **FLOODS, **OTHERS, **FRAMES, **REDIRECTS, **BODIES
}  # fmt: skip
"""All of them, by name."""


# Places that no RogueServer is: each gives host and port for the length of a `with` block.


@contextlib.contextmanager
def closed() -> Iterator[str]:
    """A port that is ours, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield address(sock)


@contextlib.contextmanager
def unattended() -> Iterator[str]:
    """A port on which nobody accepts, so that nobody reads: small requests get into its buffer, large ones do not."""
    with unread() as sock:
        yield address(sock)


@contextlib.contextmanager
def unread() -> Iterator[socket.socket]:
    """A socket that listens; what is sent there, and not read, is soon too much."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind(("127.0.0.1", 0))
        sock.listen(8)
        yield sock


@contextlib.contextmanager
def sluggish() -> Iterator[str]:
    """A server that reads a bit of what it is sent every now and then."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = sock.accept()
                with client, contextlib.suppress(OSError):
                    while client.recv(1024):
                        pause.wait(0.05)

    pause = threading.Event()
    with unread() as sock:
        threading.Thread(target=serve, daemon=True).start()
        yield address(sock)


@contextlib.contextmanager
def full() -> Iterator[str]:
    """A port whose queue of those who wait to be accepted is full: the next ones are not answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as sock, contextlib.ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        yield address(sock)


@contextlib.contextmanager
def ring() -> Iterator[str]:
    """A server that redirects to another, which redirects back."""
    with RogueServer("ok") as there:
        port = there.port
        with RogueServer("redirect", location=f"http://127.0.0.1:{port}/") as here:
            there.stop()
            with RogueServer("redirect", port=port, location=here.url):
                yield f"127.0.0.1:{here.port}"


@contextlib.contextmanager
def eager(content: bytes = b"", piece: bytes = b"", end: str = "hold") -> Iterator[str]:
    """A server that speaks before it is spoken to; with a piece it drips that for ever."""

    def serve() -> None:
        with contextlib.suppress(OSError):  # until it is closed
            while True:
                client, _ = sock.accept()
                threading.Thread(target=talk, args=(client,), daemon=True).start()

    def talk(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.sendall(content)
            while piece:
                stopped.wait(0.05)
                client.sendall(piece)
            if end == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if end == "close":
                client.shutdown(socket.SHUT_WR)
            while client.recv(65_536):
                pass

    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        threading.Thread(target=serve, daemon=True).start()
        yield address(sock)


PLACES: dict[str, Callable[..., Any]] = {
    "closed": closed, "unattended": unattended, "sluggish": sluggish, "full": full, "ring": ring, "eager": eager
}  # fmt: skip


def address(sock: socket.socket) -> str:
    """Where it listens."""
    host, port = sock.getsockname()[:2]
    return f"{host}:{port}"


# The programs


def serve() -> None:
    """Start all servers, print where they listen, and end with the standard input."""
    with contextlib.ExitStack() as stack:
        well = stack.enter_context(RogueServer("ok", host="0.0.0.0"))
        known = {"elsewhere": f"127.0.0.1:{well.port}", "port": str(well.port)}
        known["silent"] = stack.enter_context(unattended())
        known["closed"] = stack.enter_context(closed())
        known["eager"] = stack.enter_context(eager(OK))
        found = {name: stack.enter_context(_place(case, known)) for name, case in CASES.items()}
        print(json.dumps({"": known["elsewhere"], **found}), flush=True)
        sys.stdin.read()
        os._exit(0)  # hundreds of threads need not be ended one by one


@contextlib.contextmanager
def _place(case: Case, known: Mapping[str, str]) -> Iterator[str]:
    """Start what a case is about. In its settings, the names of other servers stand for their addresses."""
    settings = {key: _filled(value, known) for key, value in case.settings.items()}
    if case.behaviour in PLACES:
        with PLACES[case.behaviour](**settings) as where:
            yield where
    else:
        with RogueServer(case.behaviour, **settings) as server:
            yield f"127.0.0.1:{server.port}"


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    for name, text in known.items():
        if isinstance(value, str):
            value = value.replace(f"{{{name}}}", text)
        elif isinstance(value, bytes) and len(value) < 1000:
            value = value.replace(b"{%s}" % name.encode(), text.encode())
    return value


def poll(ask: Ask, places: Mapping[str, str], batch: int = BATCH, cap: float = CAP) -> Iterator[tuple[str, Seen]]:
    """Poll every case in a process of its own, some at a time. What has not ended after `cap` seconds is ended."""
    waiting = sorted(CASES, key=lambda name: CASES[name].timeout)  # those that hang are first: they idle
    running: dict[int, bool] = {}  # whether it idles
    reading, writing = os.pipe()
    with open(reading, encoding="ascii") as lines:
        while waiting or running:
            idles = bool(waiting) and CASES[waiting[0]].timeout == HANGING
            if waiting and list(running.values()).count(idles) < batch * (3 if idles else 1):
                name = waiting.pop(0)
                child = os.fork()
                if not child:
                    _child(name, ask, places, writing, cap)
                running[child] = idles
                continue
            child, status = os.wait()
            del running[child]
            if status == 0:  # then it has written its line
                name, *seen = json.loads(lines.readline())
                yield name, Seen(*seen)
    os.close(writing)


def _child(name: str, ask: Ask, places: Mapping[str, str], pipe: int, cap: float) -> None:
    """Poll one case, tell what came of it, and end. Never returns."""
    case = CASES[name]
    before: int | None = None
    begun = time.monotonic()

    def tell(outcome: str, reason: str, detail: str, grown: int | None = None) -> None:
        if grown is None and before is not None:
            grown = (memory("VmHWM") or 0) - before
        seen = name, outcome, reason, detail[:300], round(time.monotonic() - begun, 3), grown
        os.write(pipe, json.dumps(seen).encode() + b"\n")  # at once, so that lines do not mix
        os._exit(0)

    try:
        signal.signal(signal.SIGALRM, lambda number, frame: tell("stuck", "", f"no end after {cap:g} s"))
        signal.setitimer(signal.ITIMER_REAL, cap + NORMAL)
        ask(WELL, f"http://{places['']}/")  # what any poll needs is not counted
        signal.setitimer(signal.ITIMER_REAL, cap)
        url = case.url.replace("{}", places[name]).replace("{port}", places[name].rpartition(":")[2])
        before, begun = memory("VmRSS"), time.monotonic()
        tell(*ask(case, url))
    except BaseException as error:
        tell("raised", type(error).__name__, repr(error))
    finally:
        os._exit(1)


WELL = behaving("ok", PASS)


def memory(key: str) -> int | None:
    """KiB of this process by the kernel's count: VmRSS now, VmHWM at the most so far; None where there is no /proc."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(key + ":"))
    except (OSError, StopIteration):
        return None


def ours(case: Case, url: str) -> tuple[str, str, str]:
    """What minimon makes of it."""
    result = probe(url, case.timeout, **case.options)
    return result.outcome.value, result.reason, result.detail


@contextlib.contextmanager
def served() -> Iterator[dict[str, str]]:
    """Where the servers of all cases listen, in a process of their own, for the length of a `with` block."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, __file__, "serve"], env=environment(), text=True, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


def environment() -> dict[str, str]:
    """A Python that is started finds this checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    return {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(here))}


def polled(places: Mapping[str, str], timeout: float = 60.0) -> tuple[dict[str, Seen], str]:
    """What minimon makes of all cases, from a fresh process, and what it said on its standard error."""
    command = [sys.executable, "-W", "error", __file__, "poll"]
    given = {"input": json.dumps(places), "env": environment(), "text": True, "timeout": timeout}
    done = subprocess.run(command, capture_output=True, **given)  # type: ignore[call-overload]
    lines = map(json.loads, done.stdout.splitlines())
    return {name: Seen(*seen) for name, *seen in lines}, done.stderr


class Figures(NamedTuple):
    """What must not grow."""

    memory: int | None
    """KiB, resident; None where that cannot be seen."""
    threads: int
    descriptors: int


def figures() -> Figures:
    """Those of this process."""
    gc.collect()
    here = "/proc/self/fd"
    return Figures(memory("VmRSS"), threading.active_count(), len(os.listdir(here)) if os.path.isdir(here) else 0)


class Soak:
    """Polls for a long time on some threads, every third time a target that is hostile."""

    def __init__(self, places: Mapping[str, str], threads: int = 2) -> None:
        shared = Shared()
        # What a thread asks, each its own: a check has one poll at a time.
        self._asked = [self._prepared(places, shared) for _ in range(threads)]
        self.wrong: set[tuple[str, str, str, str]] = set()

    def _prepared(self, places: Mapping[str, str], shared: Shared) -> Iterator[tuple[Case, Prepared]]:
        def ready(name: str, case: Case, **options: Any) -> tuple[Case, Prepared]:
            url = case.url.replace("{}", places[name]).replace("{port}", places[name].rpartition(":")[2])
            timeout = 0.01 if case.expected == TIMEOUT else 10.0
            check = Check(name or "well", url, timeout=timeout, **{**case.options, **options})
            return case, prepare(check.spec(), shared)

        well = itertools.cycle([ready("", WELL), ready("", WELL, reuse=True), ready("", WELL, cookies=True)])
        return itertools.chain.from_iterable(
            (case, next(well), next(well)) for case in itertools.cycle([ready(name, CASES[name]) for name in QUICK])
        )

    def run(self, polls: int) -> Figures:
        """So many polls; the figures at the end of them."""
        left = iter(range(polls))  # taking the next of them is one step of the interpreter
        threads = [threading.Thread(target=self._work, args=(asked, left)) for asked in self._asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return figures()

    def _work(self, asked: Iterator[tuple[Case, Prepared]], left: Iterator[int]) -> None:
        clock = SystemClock()
        for _ in left:
            case, prepared = next(asked)
            result = observe(prepared, clock)
            if (result.outcome, result.reason) != case.expected:
                self.wrong.add((prepared.name, result.outcome, result.reason, result.detail))


QUICK = [
    *(name for table in (CUTS, RESETS, OTHERS, FRAMES, REDIRECTS) for name in table),
    *("silent", "silent after the status line", "silent after half of the body", "silent: full listen queue"),
    *("drip: header", "flood: header", "flood: body of a redirect", "a bomb, unpacked"),
]
"""Cases that take next to no time, or can be given up soon."""


def soaked(places: Mapping[str, str], settle: int, polls: int, timeout: float) -> tuple[Figures, Figures, list[Any]]:
    """The figures of a fresh process after so many polls, and after more of them; and what was judged wrongly."""
    command = [sys.executable, __file__, "soak", str(settle), str(polls)]
    given = {"input": json.dumps(places), "env": environment(), "text": True, "timeout": timeout}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, **given)  # type: ignore[call-overload]
    before, after, wrong = json.loads(done.stdout)
    return Figures(*before), Figures(*after), wrong


def main() -> None:
    """Serve, or poll."""
    if sys.argv[1:] == ["serve"]:
        serve()
    elif sys.argv[1:] == ["poll"]:
        places = json.loads(sys.stdin.readline())
        ours(WELL, f"http://{places['']}/")
        for name, seen in poll(ours, places):
            print(json.dumps([name, *seen]), flush=True)
    elif sys.argv[1:2] == ["soak"]:
        soak = Soak(json.loads(sys.stdin.readline()))
        print(json.dumps([*(soak.run(int(polls)) for polls in sys.argv[2:]), sorted(soak.wrong)]))
    else:
        sys.exit("usage: hostile.py serve | poll | soak POLLS POLLS")


if __name__ == "__main__":
    main()
