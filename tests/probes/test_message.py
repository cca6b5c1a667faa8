"""An HTTP answer taken from bytes: what is a head, how long its body is, and bodies in chunks. No socket."""

from __future__ import annotations

import random
from typing import Any

import pytest

from minimon.probes.message import MAX_HEAD, MAX_LINE, Chunks, Head, TargetError, head_of, may_end, pairs_of

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Note: a b\r\n\r\n"
BARE = b"HTTP/1.1 204 \r\n\r\n"
LINES = b"HTTP/1.0 200\nServer: x\nContent-Length: 2\n\n"
FOLDED = b"HTTP/1.1 200 OK\r\nX: a\r\n\t b\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADS = [PLAIN, BARE, LINES, FOLDED]


def fields(text: bytes) -> bytes:
    """A whole head with these lines."""
    return b"HTTP/1.1 200 OK\r\n" + text + b"\r\n"


def read(content: bytes) -> Head:
    """The head, which is whole."""
    head = head_of(content)
    assert head is not None
    return head


def refusal(function: Any, *args: Any) -> tuple[str, str]:
    """Kind and first words of the TargetError that this raises."""
    with pytest.raises(TargetError) as caught:
        function(*args)
    return caught.value.kind, caught.value.detail.partition(":")[0]


def test_a_head_is_told_by_its_parts() -> None:
    """Status, reason, fields, length, framing, persistence, and where the body begins."""
    head = read(PLAIN + b"OK")
    seen = head.status, head.reason, head.pairs(), head.length, head.chunked, head.persists, head.size
    assert (200, "OK", [("Content-Length", "2"), ("X-Note", "a b")], 2, False, True, len(PLAIN)) == seen


@pytest.mark.parametrize("content", HEADS)
def test_a_head_is_none_until_it_is_whole(content: bytes) -> None:
    """No prefix of it is a head, and none is refused."""
    assert {None} == {head_of(content[:size]) for size in range(len(content))}


@pytest.mark.parametrize("content", HEADS)
def test_what_follows_a_head_changes_nothing(content: bytes) -> None:
    """The bytes of the body are left alone, whatever they are."""
    assert read(content) == read(content + b"HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\n")


@pytest.mark.parametrize("content", HEADS)
def test_the_end_of_a_head_is_seen_wherever_the_pieces_were_cut(content: bytes) -> None:
    """`may_end` is true of a whole head, whatever was known of it before."""
    assert {True} == {may_end(content, known) for known in range(len(content))}


def test_no_end_is_looked_for_in_what_was_looked_at() -> None:
    """A head that grows without end is not searched from its begin for every piece."""
    assert False is may_end(PLAIN[:-2] + b"X: " + b"y" * 100, len(PLAIN))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"HTTP/1.1 200 OK", (200, "OK")),
        (b"HTTP/1.1 200 ", (200, "")),
        (b"HTTP/1.1 200", (200, "")),
        (b"HTTP/1.1 999 \xe9", (999, "\xe9")),
        (b"HTTP/1.0 404 Not  Found", (404, "Not  Found")),
        (b"HTTP/1.1 100 Continue", (100, "Continue")),
    ],
)
def test_a_status_line_is_read(line: bytes, expected: tuple[int, str]) -> None:
    """Number and text; the text may be missing."""
    head = read(line + b"\r\n\r\n")
    assert expected == (head.status, head.reason)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"HTTP/1.1 99 X",
            b"HTTP/1.1 1000 X",
            b"HTTP/1.1 099 X",
            b"HTTP/1.1 -20 X",
            b"HTTP/1.1 abc X",
            b"HTTP/1.1 20",
        ),
        *(b"HTTP/9.9 200 OK", b"HTTP/2 200 OK", b"HTTP/1.10 200 OK", b"HTTP/1.x 200 OK", b"HTTP/1.1  200 OK"),
        *(b"HTTP/1.1 200\tOK", b"http/1.1 200 OK", b"HTTP/1.1200 OK", b"HTTP/1.1 200OK", b" HTTP/1.1 200 OK"),
        *(b"SSH-2.0-x", b"<html>", b"\r\nHTTP/1.1 200 OK", b"\x00", b"HTTP/1.1 \xb2\xb2\xb2 OK"),
    ],
)
def test_what_is_no_status_line_is_refused(line: bytes) -> None:
    """It is not HTTP/1, and its first bytes are shown."""
    assert ("protocol", "headers") == refusal(head_of, line + b"\r\n\r\n")


def test_what_begins_as_no_answer_is_refused_at_once() -> None:
    """A banner without an end of line is not waited for."""
    assert ("protocol", "headers") == refusal(head_of, b"SSH-2.0")


def test_first_bytes_are_shown_in_one_printable_line() -> None:
    """At most sixty of them, control characters escaped."""
    with pytest.raises(TargetError) as caught:
        head_of(b"\x1b[31m\xff\x00\n" * 100)
    assert (True, True) == (caught.value.detail.isprintable(), len(caught.value.detail) < 300)


@pytest.mark.parametrize("alert", [b"\x15\x03\x01\x00\x02\x02\x46", b"\x16\x03\x03\x00\x31"])
def test_an_answer_in_tls_is_told(alert: bytes) -> None:
    """Who speaks plain to a TLS port is told what to write."""
    with pytest.raises(TargetError, match="https://"):
        head_of(alert)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"no colon\r\n",
            b": x\r\n",
            b"X : y\r\n",
            b"X Y: z\r\n",
            b"X\xe9: y\r\n",
            b" folded first\r\n",
            b"X: a\rb\r\n",
        ),
        *(b"X: y\r\n z\rv\r\n", b"X\x00: y\r\n", b"X: a\r\r\n", b'"X": y\r\n'),
    ],
)
def test_what_is_no_field_is_refused(line: bytes) -> None:
    """A line that two readers could read in two ways."""
    assert ("protocol", "headers") == refusal(head_of, fields(line))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"X: y\r\n", [("X", "y")]),
        (b"X:y\r\n", [("X", "y")]),
        (b"X: \t y z \t\r\n", [("X", "y z")]),
        (b"X:\r\n", [("X", "")]),
        (b"X: a\r\nx: b\r\n", [("X", "a"), ("x", "b")]),
        (b"X: a: b\r\n", [("X", "a: b")]),
        (b"X: a\r\n  b\r\n\tc\r\nY: d\r\n", [("X", "a b c"), ("Y", "d")]),
        (b"X: \xe9\n", [("X", "\xe9")]),
    ],
)
def test_fields_are_taken_apart(lines: bytes, expected: list[tuple[str, str]]) -> None:
    """Names as they came, values without blanks at their ends, folded ones in one line."""
    assert expected == pairs_of(lines + b"\r\n")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"", (None, False)),
        (b"Content-Length: 0\r\n", (0, False)),
        (b"content-length:  12\t\r\n", (12, False)),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", (5, False)),
        (b"Content-Length: 007\r\n", (7, False)),
        (b"Content-Length: 999999999999999999\r\n", (999999999999999999, False)),
        (b"Transfer-Encoding: chunked\r\n", (None, True)),
        (b"transfer-encoding:CHUNKED\r\n", (None, True)),
        (b"Transfer-Encoding: ,\tchunked\t, \r\n", (None, True)),
        (b"X-Content-Length: 3\r\n", (None, False)),
        (b"X: content-length: 3\r\n", (None, False)),
        (b"X: y\r\n Content-Length: 3\r\n", (None, False)),
        (b"X: y\r\n z\r\nContent-Length: 3\r\n", (3, False)),
    ],
)
def test_the_framing_is_read(lines: bytes, expected: tuple[int | None, bool]) -> None:
    """The length, or chunks, or up to the end; only fields of that name count."""
    head = read(fields(lines))
    assert expected == (head.length, head.chunked)


@pytest.mark.parametrize(
    "lines",
    [
        *(b"Content-Length: %s\r\n" % text for text in (b"-1", b"+2", b"0_2", b"", b"2, 2", b"0x2", b"2.0", b"\xb2")),
        *(b"Content-Length: %s\r\n" % text for text in (b"\x0b2", b"2\x0c", b"2 2", b"9" * 19, b"9" * 5000)),
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: 2\r\nX: y\r\ncontent-length: 02\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: \r\n",
        b"Transfer-Encoding: x\r\n chunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding: chun ked\r\n",
    ],
)
def test_a_framing_of_two_readings_is_refused(lines: bytes) -> None:
    """Digits only, once or equal, and chunked alone."""
    assert ("protocol", "bad framing") == refusal(head_of, fields(lines))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\n\r\n", False),
        (fields(b"Connection: close\r\n"), False),
        (fields(b"connection:Close\r\n"), False),
        (fields(b"Connection: keep-alive\r\n"), True),
        (fields(b"Connection: Upgrade, close\r\n"), False),
        (fields(b"X-Connection: close\r\n"), True),
        (fields(b"Connection: keep-alive\r\nConnection: close\r\n"), False),
        (fields(b"Connection: keep-alive,\r\n close\r\n"), False),
        (fields(b"X: y\r\n z\r\nConnection: close\r\n"), False),
    ],
)
def test_whether_the_connection_persists_is_read(content: bytes, expected: bool) -> None:
    """HTTP/1.1 does unless it says close, in any field of that name; HTTP/1.0 does not."""
    assert expected is read(content).persists


@pytest.mark.parametrize("seed", range(4))
def test_damaged_heads_are_heads_or_refused(seed: int) -> None:
    """Whatever a target sends, there is a head, none yet, or a TargetError."""
    chance = random.Random(seed)
    kinds: set[object] = set()
    for _ in range(1500):
        content = bytearray(chance.choice(HEADS) + b"body")
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.choice([*b"\r\n \t:;,0", chance.randrange(256)])
        try:
            kinds.add(type(head_of(bytes(content))))
        except TargetError as error:
            kinds.add(error.kind)
    assert {Head, type(None), "protocol"} == kinds


# Chunks

CHUNKED = b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n1 ;x\r\n\n\r\n00\r\nTrailer: x\r\n\r\nNEXT"
BODY = b"abc0123456789\n"


def fed(*pieces: bytes) -> tuple[bytes, int, bool, bytes]:
    """Body, size, whether it is done, and what came after."""
    chunks = Chunks()
    for piece in pieces:
        chunks.feed(piece)
    return bytes(chunks.body), len(chunks.body), chunks.done, chunks.rest


WHOLE = BODY, len(BODY), True, b"NEXT"


def test_a_body_in_chunks_is_put_together() -> None:
    """Sizes in hexadecimal, extensions left out, trailers dropped, the rest kept."""
    assert WHOLE == fed(CHUNKED)


def test_a_body_byte_by_byte_is_the_same() -> None:
    """The size of the pieces changes nothing."""
    assert WHOLE == fed(*(CHUNKED[at : at + 1] for at in range(len(CHUNKED))))


def test_a_body_in_any_three_pieces_is_the_same() -> None:
    """Wherever they are cut."""
    ends = range(len(CHUNKED) + 1)
    seen = {fed(CHUNKED[:one], CHUNKED[one:two], CHUNKED[two:]) for one in ends for two in ends if one <= two}
    assert {WHOLE} == seen


def test_no_part_of_it_is_the_whole() -> None:
    """It is done with the blank line after the trailers, and not before."""
    end = len(CHUNKED) - len(b"NEXT")
    assert {False} == {fed(CHUNKED[:size])[2] for size in range(end)}


@pytest.mark.parametrize("digits", [b"0", b"000", b"0000000000000000", b"0;x=y", b"0 \t"])
def test_zero_ends_it(digits: bytes) -> None:
    """However it is written."""
    assert (b"", 0, True, b"") == fed(digits + b"\r\n\r\n")


@pytest.mark.parametrize(
    "content",
    [
        *(size + b"\r\nabc\r\n0\r\n\r\n" for size in (b"-3", b"+3", b"0x3", b"", b" 3", b"3 3", b"G", b"\xb3", b"3,")),
        *(size + b"\r\nabc\r\n0\r\n\r\n" for size in (b"0" * 17, b"3\x0b", b"3;a\rb", b"3\r")),
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nab\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"3;" + b"x" * MAX_LINE + b"\r\nabc\r\n0\r\n\r\n",
    ],
    ids=lambda content: repr(content[:12]),
)
@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_bad_chunks_are_refused(content: bytes, cut: int) -> None:
    """In pieces of any size."""
    pieces = [content[at : at + cut] for at in range(0, len(content), cut)]
    assert ("protocol", "bad framing") == refusal(fed, *pieces)


def test_a_line_without_end_is_refused_before_it_ends() -> None:
    """A chunk's size is not waited for beyond the limit."""
    assert ("protocol", "bad framing") == refusal(fed, b"1", b"0" * MAX_LINE)


def test_a_giant_chunk_is_only_announced() -> None:
    """Its size allocates nothing, and what comes of it counts."""
    assert (b"abc", 3, False, b"") == fed(b"FFFFFFFFFFFFFFFF\r\nabc")


@pytest.mark.parametrize("cut", [1000, MAX_LINE + 10, 100_000])
def test_a_long_trailer_is_taken_in_pieces_of_any_size(cut: int) -> None:
    """What is one trailer in one piece is one in many."""
    content = b"0\r\nX: " + b"y" * (2 * MAX_LINE) + b"\r\n\r\n"
    assert (b"", 0, True, b"") == fed(*(content[at : at + cut] for at in range(0, len(content), cut)))


def test_trailers_without_end_are_refused() -> None:
    """All together have the limit of a head."""
    assert ("protocol", "trailers") == refusal(fed, b"0\r\n" + b"X: y\r\n" * (MAX_HEAD // 6 + 1))


def test_what_comes_after_the_end_is_kept_whatever_it_is() -> None:
    """It is no part of the body, and is not looked at."""
    assert (b"", 0, True, b"\x00" * 9000) == fed(b"0\r\n\r\n" + b"\x00" * 9000)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_chunks_are_taken_or_refused_in_any_split(seed: int) -> None:
    """Two cuts of the same bytes give the same body, or are both refused."""
    chance, different = random.Random(seed), []
    for _ in range(400):
        content = bytearray(CHUNKED)
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content))] = chance.choice([*b"\r\n ;0aF", chance.randrange(256)])
        one, other = (_outcome(bytes(content), cut) for cut in (len(content), chance.randint(1, 9)))
        if one != other:
            different.append(bytes(content))
    assert [] == different


def _outcome(content: bytes, cut: int) -> object:
    try:
        return fed(*(content[at : at + cut] for at in range(0, len(content), cut)))
    except TargetError as error:
        return error.kind
