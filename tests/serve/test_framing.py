"""From bytes to a Request, or to the code that refuses them: strict where two programs could differ, and only there."""

from __future__ import annotations

import pytest

from minimon.serve.framing import MAX_BODY, MAX_FIELDS, MAX_HEAD, Request, early_fault, end_of_head, read_head


def head(*fields: bytes, line: bytes = b"GET /health HTTP/1.1", host: bytes = b"Host: localhost") -> bytes:
    """A head of these lines."""
    return b"\r\n".join([line, *([host] if host else []), *fields, b"", b""])


def parsed(*fields: bytes, line: bytes = b"GET /health HTTP/1.1", host: bytes = b"Host: localhost") -> Request:
    """The Request that it is."""
    request = read_head(head(*fields, line=line, host=host))
    assert isinstance(request, Request), request
    return request


# What is in order


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"/health", "/health", "", "localhost"),
        (b"/health?x=1?y#"[:-1], "/health", "x=1?y", "localhost"),
        (b"/?", "/", "", "localhost"),
        (b"//a", "//a", "", "localhost"),
        (b"/%00", "/%00", "", "localhost"),
        (b'/{}|\\^`"<>', '/{}|\\^`"<>', "", "localhost"),
        (b"http://Other.Example:81/health?x", "/health", "x", "other.example"),
        (b"HTTP://[::1]:80", "/", "", "[::1]"),
        (b"https://h?x=/", "/", "x=/", "h"),
        (b"http://h./health", "/health", "", "h"),
    ],
)
def test_a_target_may_be_a_path_or_absolute(target: bytes, path: str, query: str, host: str) -> None:
    """The host of an absolute one counts, and not the header's (RFC 9112, 3.2.2)."""
    request = parsed(line=b"GET " + target + b" HTTP/1.1")
    assert (path, query, host) == (request.path, request.query, request.host)


@pytest.mark.parametrize("target", [b"*", b"http://localhost"])
def test_options_may_ask_for_the_server_as_a_whole(target: bytes) -> None:
    """In both forms (RFC 9112, 3.2.4)."""
    assert "*" == parsed(line=b"OPTIONS " + target + b" HTTP/1.1").path


def test_connect_has_a_target_of_its_own() -> None:
    """Host and port (RFC 9112, 3.2.3)."""
    assert "a.example:443" == parsed(line=b"CONNECT a.example:443 HTTP/1.1").path


@pytest.mark.parametrize("method", [b"GET", b"get", b"X", b"!#$%&'*+-.^_`|~09azAZ"])
def test_any_token_is_a_method(method: bytes) -> None:
    """Whether anybody knows it is another question."""
    assert method.decode() == parsed(line=method + b" / HTTP/1.1").method


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"X: y", "y"),
        (b"X:y", "y"),
        (b"X: \t y \t ", "y"),
        (b"x:", ""),
        (b"X:   ", ""),
        (b"X: a\tb  c", "a\tb  c"),
        (b"X: caf\xe9 \xff\x80", "café ÿ\x80"),
        (b'X: ":,;=', '":,;='),
        (b"X: " + b"y" * 12_000, "y" * 12_000),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_value_is_without_the_blanks_around_it(field: bytes, value: str) -> None:
    """What is unusual is taken: tabs, obs-text, nothing at all, long ones."""
    assert value == parsed(field).get("x")


def test_headers_of_one_name_are_a_list() -> None:
    """In their order (RFC 9110, 5.3)."""
    assert "a, b" == parsed(b"X: a", b"x: b").get("x")


@pytest.mark.parametrize(
    "host", [b"Host: a.example", b"Host:", b"Host: A.Example.:8080", b"HOST: [::1]:80", b"host: 1.2.3.4"]
)
def test_one_host_is_asked_for(host: bytes) -> None:
    """An empty one is one."""
    assert parsed(host=host).host in ("a.example", "", "[::1]", "1.2.3.4")


@pytest.mark.parametrize(
    ("line", "field", "keeps"),
    [
        (b"GET / HTTP/1.1", b"X: y", True),
        (b"GET / HTTP/1.1", b"Connection: keep-alive", True),
        (b"GET / HTTP/1.1", b"Connection: Close", False),
        (b"GET / HTTP/1.1", b"Connection: upgrade , close", False),
        (b"GET / HTTP/1.7", b"X: y", True),
        (b"GET / HTTP/1.0", b"X: y", False),
        (b"GET / HTTP/1.0", b"Connection: Keep-Alive", True),
        (b"GET / HTTP/1.0", b"Connection: keep-alive, close", False),
    ],
)
def test_a_connection_goes_on_as_both_want(line: bytes, field: bytes, keeps: bool) -> None:
    """RFC 9112, 9.3."""
    assert keeps is parsed(field, line=line).keeps


@pytest.mark.parametrize(
    ("length", "expected"), [(b"0", 0), (b"5", 5), (b"000005", 5), (str(MAX_BODY).encode(), MAX_BODY)]
)
def test_the_length_of_a_body_is_digits(length: bytes, expected: int) -> None:
    """Up to what is taken."""
    assert expected == parsed(b"Content-Length: " + length, line=b"POST / HTTP/1.1").length


@pytest.mark.parametrize(("line", "expects"), [(b"POST / HTTP/1.1", True), (b"POST / HTTP/1.0", False)])
def test_a_client_may_wait_to_be_asked_for_the_body(line: bytes, expects: bool) -> None:
    """Not one of HTTP/1.0 (RFC 9110, 10.1.1)."""
    assert expects is parsed(b"Expect: 100-Continue", b"Content-Length: 5", line=line).expects


def test_http_1_0_needs_no_host() -> None:
    """It came before there were several."""
    assert "" == parsed(line=b"GET / HTTP/1.0", host=b"").host


def test_as_many_headers_as_are_allowed_are_taken() -> None:
    """The one of the host among them."""
    assert MAX_FIELDS == len(parsed(*[b"X: y"] * (MAX_FIELDS - 1)).fields)


# What is refused

CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("code", "content"),
    [
        # the line
        (400, head(line=b"GET  /health HTTP/1.1")),
        (400, head(line=b"GET /health HTTP/1.1 ")),
        (400, head(line=b" GET /health HTTP/1.1")),
        (400, head(line=b"GET\t/health HTTP/1.1")),
        (400, head(line=b"GET /health")),
        (400, head(line=b"GET /a b HTTP/1.1")),
        (400, head(line=b"G(T /health HTTP/1.1")),
        (400, head(line=b"GET /h\xc3\xa4 HTTP/1.1")),
        (400, head(line=b"GET /\x00 HTTP/1.1")),
        (400, head(line=b"GET /\x7f HTTP/1.1")),
        (400, head(line=b"GET /a#b HTTP/1.1")),
        (400, head(line=b"GET health HTTP/1.1")),
        (400, head(line=b"GET * HTTP/1.1")),
        (400, head(line=b"GET ftp://h/ HTTP/1.1")),
        (400, head(line=b"GET http:///health HTTP/1.1")),
        (400, head(line=b"GET http://u:p@h/health HTTP/1.1")),
        (400, head(line=b"GET a.example:443 HTTP/1.1")),
        (400, head(line=b"CONNECT /health HTTP/1.1")),
        (400, head(line=b"GET /health http/1.1")),
        (400, head(line=b"GET /health HTTP/1.10000")),
        (400, head(line=b"GET /health HTTP/1")),
        (400, head(line=b"GET /health HTTP/0.9")),
        (400, head(line=b"GET /health HTTP/1.1\x00")),
        (505, head(line=b"GET /health HTTP/2.0")),
        (505, b"PRI * HTTP/2.0\r\n\r\n"),
        (414, head(line=b"GET /" + b"x" * 8192 + b" HTTP/1.1")),
        # line breaks
        (400, head().replace(b"\r\n", b"\n")),
        (400, head(b"X: a\nY: b")),
        (400, head(b"X: a\rY: b")),
        (400, head(b"X: y\r")),
        (400, head(b" folded")),
        (400, head(b"X: a", b"\tfolded")),
        # headers
        (400, head(b"X : y")),
        (400, head(b"X\t: y")),
        (400, head(b": y")),
        (400, head(b"nonsense")),
        (400, head(b"X Y: z")),
        (400, head(b"\xc3\xa4: z")),
        (400, head(b"X: a\x00b")),
        (400, head(b"X: a\x0bb")),
        (400, head(b"X: \x1b[31m")),
        (400, head(b"X: a\x7f")),
        (431, head(*[b"X: y"] * MAX_FIELDS)),
        # hosts
        (400, head(host=b"")),
        (400, head(b"Host: localhost")),
        (400, head(b"host: other", line=b"GET http://h/ HTTP/1.1")),
        (400, head(host=b"Host: a b")),
        (400, head(host=b"Host: a/b")),
        (400, head(host=b"Host: u@a")),
        (400, head(host=b"Host: a:b")),
        (400, head(host=b"Host: caf\xe9")),
        # bodies
        (400, head(b"Content-Length: 0", b"Content-Length: 0")),
        (400, head(b"Content-Length: 5", b"content-length: 6")),
        (400, head(b"Content-Length: 5, 5")),
        (400, head(b"Content-Length: +5")),
        (400, head(b"Content-Length: -1")),
        (400, head(b"Content-Length:")),
        (400, head(b"Content-Length: 0x5")),
        (400, head(b"Content-Length: 5 5")),
        (400, head(b"Content-Length: 1_0")),
        (400, head("Content-Length: ٥".encode())),
        (400, head(b"Content-Length: 5", CHUNKED)),
        (400, head(CHUNKED, line=b"POST / HTTP/1.0")),
        (411, head(CHUNKED)),
        (411, head(b"transfer-encoding: Chunked")),
        (501, head(b"Transfer-Encoding: gzip")),
        (501, head(b"Transfer-Encoding: gzip, chunked")),
        (501, head(b"Transfer-Encoding: xchunked")),
        (501, head(b"Transfer-Encoding: identity")),
        (501, head(b"Transfer-Encoding:")),
        (501, head(CHUNKED, CHUNKED)),
        (413, head(b"Content-Length: 65537")),
        (413, head(b"Content-Length: " + b"9" * 18)),
        (413, head(b"Content-Length: " + b"9" * 5000)),
        (417, head(b"Expect: tea")),
    ],
    ids=lambda value: ascii(value)[2:60] if isinstance(value, bytes) else str(value),
)
def test_what_two_programs_could_read_differently_is_refused(code: int, content: bytes) -> None:
    """With the code that the RFCs have for it."""
    assert code == read_head(content)


# Before it is whole


@pytest.mark.parametrize(
    ("received", "end"),
    [
        (b"", 0),
        (b"GET / HTTP/1.1\r\n", 0),
        (b"GET / HTTP/1.1\r\n\r", 0),
        (b"GET / HTTP/1.1\r\n\r\n", 18),
        (b"GET / HTTP/1.1\r\n\r\nGET", 18),
        (b"GET / HTTP/1.1\n\n", 16),
        (b"GET / HTTP/1.1\r\n\n", 17),
    ],
)
def test_a_head_ends_with_an_empty_line(received: bytes, end: int) -> None:
    """However its lines end: what is wrong with it is said afterwards."""
    assert end == end_of_head(received)


@pytest.mark.parametrize("size", range(1, len(head(b"X: y")) + 1))
def test_the_end_is_found_wherever_it_was_cut(size: int) -> None:
    """What was looked at before is not looked at again, but for the last bytes."""
    whole = head(b"X: y")
    assert len(whole) == end_of_head(whole, size - 1)


@pytest.mark.parametrize(
    ("code", "received"),
    [
        (0, b""),
        (0, b"\r"),
        (0, b"G"),
        (0, b"GET"),
        (0, b"GET "),
        (0, b"GET /x"),
        (0, b"GET /x HTTP/1.1"),
        (0, b"GET /x HTTP/1.1\r\nHo"),
        (0, b"GET /" + b"x" * 8170),
        (400, b"\x16\x03\x01\x02\x00\x01"),
        (400, b"GET /health\r\n"),
        (400, b"GET /health\n"),
        (400, b"\n"),
        (400, b"\r\n"),  # the first one was taken away already
        (400, b"SSH-2.0-OpenSSH_9.2\r\n"),
        (400, b"{"),
        (505, b"PRI * HTTP/2.0\r\n"),
        (414, b"GET /" + b"x" * 8200),
        (414, b"x" * MAX_HEAD),
    ],
    ids=lambda value: ascii(value)[2:40] if isinstance(value, bytes) else str(value),
)
def test_what_cannot_become_a_request_is_refused_at_once(code: int, received: bytes) -> None:
    """Nobody has to wait for the deadline."""
    assert code == early_fault(received)
