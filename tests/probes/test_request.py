"""The options of a request, on the wire: what is sent, what is kept, whom it may reach, and through whom."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import pathlib
import re
import socket
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stand_ins import (
    OK,
    Authority,
    ForwardProxy,
    Talk,
    free_port,
    mute,
    once,
    over_tls,
    peer,
    read_request,
    replying,
    sent,
    verdict,
)
from support import python, wait_until

from minimon import Check, ConfigError, HttpProbe, Response, Result, probe
from minimon.clock import SystemClock
from minimon.config import build, load
from minimon.probes import Shared, observe, prepare
from minimon.probes.lookup import Address, Resolver
from minimon.testing import RogueServer

CLOCK = SystemClock()
SECRET = "s3cret"


def polls(times: int, url: str, shared: Shared | None = None, **options: Any) -> list[Result]:
    """The results of one check, polled so many times."""
    prepared = prepare(Check("web", url, **options).spec(), shared)
    return [observe(prepared, CLOCK) for _ in range(times)]


def asked(times: int = 1, path: str = "", **options: Any) -> list[bytes]:
    """The requests of one check, polled so many times."""
    seen: list[bytes] = []
    with peer(once(OK, seen)) as server:
        polls(times, server.url + path, **options)
    return seen


def reused(results: list[Result]) -> list[Any]:
    """Of each poll, its outcome and whether it was on a connection that was kept."""
    return [(result.outcome.value, (result.transport or {})["reused"]) for result in results]


def answer(body: bytes = b"OK", *fields: str, status: str = "200 OK") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str, *fields: str) -> bytes:
    """A 302."""
    return answer(b"", f"Location: {location}", *fields, status="302 Found")


# Method, body, json


@pytest.mark.parametrize("value", [None, {}, 0, "grüße", {"a": [1, 2.5, True, None]}])
def test_json_is_posted(value: Any) -> None:
    """As a body of its type; None is a value too."""
    request = asked(json=value)[0]
    seen = request.split(b" ")[0], sent(request, "content-type"), json.loads(request.partition(b"\r\n\r\n")[2])
    assert (b"POST", ["application/json"], value) == seen


def test_the_type_of_a_body_is_what_the_user_says() -> None:
    """Its own header wins over ours."""
    types = [
        sent(request, "content-type")
        for options in ({"json": {}}, {"body": "x"})
        for request in asked(headers={"content-type": "text/x"}, **options)
    ]
    assert [["text/x"], ["text/x"]] == types


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET"])
def test_json_goes_with_any_method(method: str) -> None:
    """The method is what was said."""
    assert method.encode() == asked(json={}, method=method)[0].split(b" ")[0]


@pytest.mark.parametrize(
    ("options", "length"),
    [
        ({}, []),
        ({"method": "HEAD"}, []),
        ({"method": "POST"}, ["0"]),
        ({"method": "PUT"}, ["0"]),
        ({"body": ""}, ["0"]),
        ({"body": "grüße"}, ["7"]),
    ],
)
def test_a_length_is_sent_where_one_is_due(options: dict[str, Any], length: list[str]) -> None:
    """With a body, and with methods that are expected to have one (RFC 9110, 8.6)."""
    assert length == sent(asked(**options)[0], "content-length")


def test_a_large_body_that_is_taken_slowly_ends_at_the_timeout() -> None:
    """Who takes a little now and then does not prolong the time."""

    def sip(client: socket.socket) -> None:
        while client.recv(65536):
            threading.Event().wait(0.03)

    with peer(sip) as server:
        result = probe(server.url, 0.15, body=b"x" * (16 << 20))
    assert ("fail", "timeout", True) == (*verdict(result), result.elapsed < 1.15)


def test_an_answer_that_came_before_the_request_was_taken_counts() -> None:
    """Who refuses a large request says so and hangs up."""

    def refuse(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(answer(b"", "Connection: close", status="413 Content Too Large"))

    with peer(refuse) as server:
        result = probe(server.url, body=b"x" * (16 << 20))
    assert True is (result.status_code == 413 or result.reason == "connect")  # a reset may overtake the answer


# Headers, auth, bearer


def basic(login: str) -> list[str]:
    """The header of a login."""
    return ["Basic " + base64.b64encode(login.encode()).decode()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"auth": ("tom", SECRET)}, basic("tom:s3cret")),
        ({"auth": ["tom", SECRET]}, basic("tom:s3cret")),
        ({"auth": ("jürgen", "größe:x")}, basic("jürgen:größe:x")),
        ({"auth": lambda: ("tom", SECRET)}, basic("tom:s3cret")),
        ({"auth": lambda: ["tom", SECRET]}, basic("tom:s3cret")),
        ({"bearer": SECRET}, ["Bearer s3cret"]),
        ({"bearer": lambda: SECRET}, ["Bearer s3cret"]),
        ({"headers": {"authorization": lambda: "Own s3cret"}}, ["Own s3cret"]),
    ],
)
def test_a_login_is_sent(options: dict[str, Any], expected: list[str]) -> None:
    """In one header Authorization."""
    assert expected == sent(asked(**options)[0], "authorization")


@pytest.mark.parametrize("options", [{"auth": ("tom", SECRET)}, {"bearer": SECRET}])
def test_two_logins_are_refused(options: dict[str, Any]) -> None:
    """The one of the address and the one that was said apart cannot both be meant."""
    with pytest.raises(ConfigError, match="give either a login in the address"):
        probe("http://eve:x@127.0.0.1:9/", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"bearer": SECRET},
        {"bearer": lambda: SECRET},
        {"auth": ("tom", SECRET)},
        {"headers": {"X-Api-Key": SECRET}},
        {"cookies": {"id": SECRET}},
    ],
    ids=["bearer", "a function's bearer", "auth", "header", "cookie"],
)
def test_a_target_that_repeats_the_request_does_not_have_its_secrets_told(options: dict[str, Any]) -> None:
    """Neither what was said nor its encoded form stands in a detail."""

    def echo(client: socket.socket) -> None:
        asked = read_request(client).partition(b"identity\r\n")[2]
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(asked) + asked)

    with peer(echo) as server:
        detail = probe(server.url, expect={"contains": "missing"}, **options).detail
    encoded = basic(f"tom:{SECRET}")[0].split()[-1]
    assert ("***", False, False) == (detail and "***" * ("***" in detail), SECRET in detail, encoded in detail)


@pytest.mark.parametrize("option", ["headers", "auth", "bearer"])
def test_functions_are_called_for_every_poll(option: str) -> None:
    """A token may be another one each time."""
    numbers = iter(range(10))
    function = {
        "headers": lambda: f"n{next(numbers)}",
        "auth": lambda: ("tom", f"n{next(numbers)}"),
        "bearer": lambda: f"n{next(numbers)}",
    }[option]
    value = {"X-Key": function} if option == "headers" else function
    seen = [
        sent(request, "x-key" if option == "headers" else "authorization") for request in asked(3, **{option: value})
    ]
    expected = {
        "headers": [[f"n{n}"] for n in range(3)],
        "auth": [basic(f"tom:n{n}") for n in range(3)],
        "bearer": [[f"Bearer n{n}"] for n in range(3)],
    }
    assert expected[option] == seen


def raising() -> Any:
    """A function that has a bad day."""
    raise KeyError("no token today")


def leaving() -> Any:
    """A function that does worse."""
    raise SystemExit(3)


@pytest.mark.parametrize("function", [raising, leaving])
@pytest.mark.parametrize("option", ["headers", "auth", "bearer"])
def test_a_function_that_raises_fails_the_poll(option: str, function: Callable[[], Any]) -> None:
    """Reason exception, with its name; nothing is sent."""
    with peer(once(OK)) as server:
        result = probe(server.url, **{option: {"X": function} if option == "headers" else function})
    name = "KeyError" if function is raising else "SystemExit"
    assert ("fail", "exception", True, 0) == (*verdict(result), name in result.detail, server.connections)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[
            (option, value)
            for option in ("headers", "bearer")
            for value in (None, 5, b"s3cret", "s3cret\n", "s3cret\u20ac")
        ],
        *[("auth", value) for value in (None, "s3cret", ("s3cret",), ("s3:cret", "x"), (b"s3cret", b"x"), 5)],
        *[("headers", ["s3cret"]), ("auth", ("s3cret", "s3cret\ud800"))],
    ],
)
def test_a_function_that_returns_nonsense_fails_the_poll(option: str, value: Any) -> None:
    """Reason exception; the option is named, what it returned is not shown."""
    with peer(once(OK)) as server:
        result = probe(server.url, **{option: {"X-Key": lambda: value} if option == "headers" else lambda: value})
    seen = *verdict(result), option in result.detail, "s3" in repr(result), server.connections
    assert ("fail", "exception", True, False, 0) == seen


def test_a_function_may_recover() -> None:
    """The next poll asks it again."""
    tokens = iter([None, "x"])
    with peer(once(OK)) as server:
        results = polls(2, server.url, bearer=lambda: next(tokens))
    assert ["fail", "pass"] == [result.outcome for result in results]


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"X-Key": lambda: SECRET}},
        {"auth": lambda: (SECRET, SECRET)},
        {"bearer": SECRET},
        {"cookies": {"id": SECRET}},
        {"body": SECRET},
        {"json": {"a": SECRET}},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("behaviour", ["ok", "reset", "garbage", "redirect_loop"])
def test_secrets_are_not_shown(behaviour: str, options: dict[str, Any]) -> None:
    """Whatever the target does."""
    with RogueServer(behaviour) as server:
        result = probe(server.url, 1.0, expect={"status_code": 418}, **options)
    assert ("fail", False) == (result.outcome, SECRET in repr(result) or SECRET in json.dumps(result.plain()))


# Cookies


def test_cookies_are_sent() -> None:
    """In one header, in their order."""
    assert ["a=b; c="] == sent(asked(cookies={"a": "b", "c": ""})[0], "cookie")


@pytest.mark.parametrize("value", [{}, False])
def test_no_cookies_are_no_header(value: Any) -> None:
    """None is sent, none is kept."""
    assert [] == sent(asked(cookies=value)[0], "cookie")


def cookies_seen(times: int, *fields: str, **options: Any) -> list[list[str]]:
    """The cookies of each request to a target that sets these."""
    seen: list[bytes] = []
    with peer(once(answer(b"OK", *fields), seen)) as server:
        polls(times, server.url + "a/b", **options)
    return [sent(request, "cookie") for request in seen]


def test_cookies_that_were_set_are_sent_back() -> None:
    """With True: in the next polls, those of all headers."""
    fields = "Set-Cookie: id=1; Path=/", "Set-Cookie: tag=2; Path=/; HttpOnly"
    assert [[], ["id=1; tag=2"], ["id=1; tag=2"]] == cookies_seen(3, *fields, cookies=True)


def test_a_cookie_may_be_taken_back() -> None:
    """One that has expired is not sent."""
    seen: list[bytes] = []
    answers = iter(["id=1; Path=/", "id=; Path=/; Max-Age=0", "x=y; Path=/"])

    def talk(client: socket.socket) -> None:
        once(answer(b"OK", f"Set-Cookie: {next(answers)}"), seen)(client)

    with peer(talk) as server:
        polls(3, server.url, cookies=True)
    assert [[], ["id=1"], []] == [sent(request, "cookie") for request in seen]


def test_a_cookie_of_a_redirect_is_sent_to_where_it_leads() -> None:
    """As logins do it, in one poll."""
    seen: list[bytes] = []
    first = redirect("/next", "Set-Cookie: id=1; Path=/")

    def talk(client: socket.socket) -> None:
        once(OK if seen else first, seen)(client)

    with peer(talk) as server:
        probe(server.url, cookies=True)
    assert [[], ["id=1"]] == [sent(request, "cookie") for request in seen]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("value", [True, {"id": "1"}])
def test_another_origin_gets_no_cookie(value: Any, host: str) -> None:
    """Another name is another origin, and so is another port."""
    there_seen: list[bytes] = []
    with peer(once(OK, there_seen)) as there:
        to = redirect(f"http://{host}:{there.port}/", "Set-Cookie: id=1; Path=/")
        with peer(once(to)) as here:
            polls(2, here.url, cookies=value)
    assert [[], []] == [sent(request, "cookie") for request in there_seen]


def test_another_origin_sets_no_cookie_for_ours() -> None:
    """What it sets is for itself."""
    seen: list[bytes] = []
    with peer(once(answer(b"OK", "Set-Cookie: evil=1; Path=/"))) as there:
        with peer(once(redirect(f"http://localhost:{there.port}/"), seen)) as here:
            polls(2, here.url, cookies=True)
    assert [[], []] == [sent(request, "cookie") for request in seen]


def test_two_checks_do_not_share_cookies() -> None:
    """Each is a visitor of its own, on the same network too."""
    seen: list[bytes] = []
    with peer(once(answer(b"OK", "Set-Cookie: id=1; Path=/"), seen)) as server:
        shared = Shared()
        for _ in range(2):
            polls(1, server.url, shared, cookies=True)
    assert [[], []] == [sent(request, "cookie") for request in seen]


@pytest.mark.parametrize("fields", [[f"c{n}={'x' * 1000}" for n in range(50)], ["c=" + "x" * 60_000]])
def test_cookies_are_bounded(fields: list[str]) -> None:
    """A target cannot make requests grow."""
    seen = cookies_seen(3, *(f"Set-Cookie: {field}; Path=/" for field in fields), cookies=True)
    assert ([True] * 3, 3) == ([sum(map(len, each)) < 10_000 for each in seen], len(seen))


@pytest.mark.parametrize(("number", "size", "kept"), [(50, 1, True), (51, 1, False), (8, 1000, True), (9, 1000, False)])
def test_too_many_cookies_are_forgotten(number: int, size: int, kept: bool) -> None:
    """All of them: more than 50, or more than 8 KiB."""
    fields = [f"Set-Cookie: c{n}={'x' * size}; Path=/" for n in range(number)]
    first, second = cookies_seen(2, *fields, cookies=True)
    assert ([], number if kept else 0) == (first, sum(text.count("=") for text in second))


@pytest.mark.parametrize(
    "field",
    [
        "a=b; Path=/; Max-Age=9999999999999",
        "a=b; Path=/; expires=Thu, 01 Jan 9999999999999 00:00:00 GMT",
        "a=1234567890123; Path=/",
        "a=\xe9; Path=/",
        "a=b; Path=/\xe9",
        "a=b; Path=/; x=" + "x" * 1024,
    ],
)
def test_a_cookie_that_nobody_needs_is_left_out_quietly(field: str) -> None:
    """An age beyond all clocks, signs beyond ASCII, more than 1024 characters: no warning, and the others are kept."""
    seen: list[bytes] = []
    with peer(
        once(answer(b"OK", f"Set-Cookie: {field}", "Set-Cookie: c=d; Path=/").decode().encode("latin-1"), seen)
    ) as server:
        results = polls(2, server.url, cookies=True)
    assert (["pass"] * 2, [[], ["c=d"]]) == (
        [result.outcome for result in results],
        [sent(request, "cookie") for request in seen],
    )


@pytest.mark.parametrize(
    "field", ["", ";", "=", "a", "a=b; expires=nonsense", "a=b; domain=other.example", "\xff=\xff"]
)
def test_strange_cookies_harm_nobody(field: str) -> None:
    """A poll passes, whatever is set."""
    with peer(once(answer(b"OK", f"Set-Cookie: {field}"))) as server:
        assert ["pass"] * 2 == [result.outcome for result in polls(2, server.url, cookies=True)]


# Redirects


@contextlib.contextmanager
def two_origins() -> Iterator[tuple[str, list[bytes]]]:
    """A URL that leads to /b1 of another port, and on to its /b2, back to /a1 and on to /a2; and the requests.

    Each answer sets a cookie, called by its path.
    """
    seen: list[bytes] = []
    to: dict[str, str] = {}

    def talk(client: socket.socket) -> None:
        seen.append(read_request(client))
        path = seen[-1].split(b" ")[1].decode()
        field = f"Set-Cookie: {path[1:] or 'home'}=1; Path=/"
        client.sendall(redirect(to[path], field) if path in to else answer(b"OK", field))

    with peer(talk) as here, peer(talk) as there:
        to.update({"/": f"{there.url}b1", "/b1": "/b2", "/b2": f"{here.url}a1", "/a1": "/a2"})
        yield here.url, seen


def test_cookies_stay_at_their_origin_on_a_long_way() -> None:
    """Within the other origin, and back at the first, none is sent and none is taken."""
    with two_origins() as (url, seen):
        polls(2, url, cookies=True)
    assert [[]] * 5 + [["home=1"]] + [[]] * 4 == [sent(request, "cookie") for request in seen]


@pytest.mark.parametrize(
    "options",
    [
        {"auth": lambda: ("tom", SECRET)},
        {"bearer": lambda: SECRET},
        {"headers": {"authorization": lambda: SECRET}},
        {"auth": ("tom", SECRET)},
        {"cookies": {"id": SECRET}},
    ],
)
def test_what_functions_give_stays_at_its_origin(options: dict[str, Any]) -> None:
    """As what was said does: the first request has it, no other."""
    with two_origins() as (url, seen):
        polls(1, url, **options)
    told = [len(sent(request, "authorization") + sent(request, "cookie")) for request in seen]
    assert [1, 0, 0, 0, 0] == told


@pytest.mark.parametrize(("status", "expected"), [(302, []), (303, []), (307, ["text/x"]), (308, ["text/x"])])
def test_the_type_of_a_body_goes_where_the_body_goes(status: int, expected: list[str]) -> None:
    """The GET that 302 and 303 make of a POST has neither."""
    seen: list[bytes] = []
    with peer(once(answer(b"", "Location: /next", status=f"{status} Elsewhere"), seen)) as server:
        probe(server.url, body="x", headers={"Content-Type": "text/x"})
    assert [["text/x"], expected] == [sent(request, "content-type") for request in seen]


@pytest.mark.parametrize("status", [200, 302])
def test_a_redirect_that_is_not_followed_is_the_answer(status: int) -> None:
    """It is judged as any other status."""
    with RogueServer("redirect", location="http://127.0.0.1:9/") as server:
        result = probe(server.url, follow_redirects=False, expect={"status_code": status})
    assert (302, status == 302, 0) == (result.status_code, result.ok, (result.transport or {})["redirects"])


@pytest.mark.parametrize("most", [0, 1, 3])
def test_redirects_are_followed_so_many_times(most: int) -> None:
    """One more is a failure, which tells the chain."""
    with RogueServer("redirect", location="x/") as server:
        result = probe(server.url, max_redirects=most)
        seen = len(server.requests)
    assert ("protocol", most + 1, True) == (result.reason, seen, result.detail.count("http://") == most + 1)


def test_redirects_are_counted() -> None:
    """In the transport; the address is the last one."""
    with RogueServer("ok") as there, RogueServer("redirect", location=there.url) as here:
        transport = probe(here.url, max_redirects=1).transport or {}
    assert (1, f"127.0.0.1:{there.port}") == (transport["redirects"], transport["address"])


# Bodies


def endless(client: socket.socket) -> None:
    """A body that does not end."""
    read_request(client)
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        client.sendall(b"x" * 65536)


def test_a_body_that_is_not_read_does_not_matter() -> None:
    """Status and headers are judged alone, however long the body is."""
    with peer(endless) as server:
        result = probe(server.url, 5.0, read_body=False, expect={"status_code": 200})
    assert ("pass", True) == (result.outcome, result.elapsed < 1.0)


def test_a_cut_body_that_is_not_read_does_not_matter() -> None:
    """Nobody looks at it."""
    with RogueServer("cut_body") as server:
        assert ("pass", "") == verdict(probe(server.url, read_body=False))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("size", "expected"), [(1000, ("pass", "")), (1001, ("fail", "too_large"))])
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
def test_max_body_counts_the_body_however_it_is_framed(framing: str, size: int, expected: tuple[str, str]) -> None:
    """Exactly so many bytes are whole."""
    body = b"x" * size
    content = {
        "length": answer(body),
        "chunks": CHUNKED + b"1\r\nx\r\n%x\r\n%s\r\n0\r\n\r\n" % (size - 1, body[1:]),
        "end": b"HTTP/1.1 200 OK\r\n\r\n" + body,
    }[framing]
    with peer(once(content)) as server:
        assert expected == verdict(probe(server.url, max_body=1000))


# Packed bodies


def bare(body: bytes) -> bytes:
    """As some servers take the word deflate: without zlib's head."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def filled(body: bytes) -> bytes:
    """With zeros at the end, as files of tapes have it."""
    return gzip.compress(body) + bytes(40_000)


def members(body: bytes) -> bytes:
    """Two members, as gzip files may have."""
    return gzip.compress(body[:2]) + gzip.compress(body[2:])


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("gzip", members),
        ("gzip", filled),
        ("deflate", bare),
        ("gzip, identity", gzip.compress),
        ("identity, Deflate", zlib.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_a_packed_body_is_unpacked(coding: str, pack: Callable[[bytes], bytes]) -> None:
    """What was packed is judged as it was before."""
    fields = [f"Content-Encoding: {coding}"] if coding else []
    with peer(once(answer(pack(b"welcome"), *fields))) as server:
        assert ("pass", "") == verdict(probe(server.url, decode=True, expect={"text": "welcome"}))


@pytest.mark.parametrize(("options", "expected"), [({}, ["identity"]), ({"decode": True}, ["gzip, deflate"])])
def test_what_may_be_packed_is_asked_for(options: dict[str, Any], expected: list[str]) -> None:
    """Nothing, unless it can be unpacked."""
    assert expected == sent(asked(**options)[0], "accept-encoding")


def test_without_decode_a_body_stays_as_it_came() -> None:
    """Nobody unpacks it."""
    packed = gzip.compress(b"welcome")
    with peer(once(answer(packed, "Content-Encoding: gzip"))) as server:
        assert "pass" == probe(server.url, expect=lambda response: response.body == packed).outcome


PACKED = gzip.compress(b"welcome")


@pytest.mark.parametrize(
    ("body", "coding", "expected"),
    [
        (PACKED[:-1], "gzip", "truncated"),
        (PACKED[:12], "gzip", "truncated"),
        (PACKED + PACKED[:12], "gzip", "truncated"),
        (b"welcome", "gzip", "protocol"),
        (b"welcome", "deflate", "protocol"),
        (PACKED + b"rubbish", "gzip", "protocol"),
        (PACKED[:-6] + b"\0\0\0\0\0\0", "gzip", "protocol"),
        (b"welcome", "br", "protocol"),
        (PACKED, "gzip, gzip", "protocol"),
        (b"welcome", "\x1b[31m" + "x" * 200, "protocol"),
    ],
)
def test_a_body_that_cannot_be_unpacked_fails(body: bytes, coding: str, expected: str) -> None:
    """Cut is truncated, all else is protocol; the detail is printable."""
    with peer(once(answer(body, f"Content-Encoding: {coding}"))) as server:
        result = probe(server.url, decode=True)
    assert ("fail", expected, True) == (*verdict(result), result.detail.isprintable())


@pytest.mark.parametrize(("size", "expected"), [(1000, ("pass", "")), (1001, ("fail", "too_large"))])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, members])
def test_max_body_counts_what_was_unpacked(
    pack: Callable[[bytes], bytes], size: int, expected: tuple[str, str]
) -> None:
    """Exactly so many bytes are whole."""
    coding = "deflate" if pack is zlib.compress else "gzip"
    with peer(once(answer(pack(b"x" * size), f"Content-Encoding: {coding}"))) as server:
        assert expected == verdict(probe(server.url, decode=True, max_body=1000))


@pytest.mark.parametrize("times", [1, 500])
def test_a_bomb_is_not_unpacked(times: int) -> None:
    """A hundred million bytes cost no more than the limit."""
    bomb = gzip.compress(b"\0" * (100_000_000 // times), 1) * times
    with peer(once(answer(bomb, "Content-Encoding: gzip"))) as server:
        tracemalloc.start()
        try:
            result = probe(server.url, decode=True)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert ("too_large", True) == (result.reason, peak < 8 << 20)


@pytest.mark.parametrize("options", [{"method": "HEAD"}, {"read_body": False}])
def test_no_body_needs_no_unpacking(options: dict[str, Any]) -> None:
    """What is not read is not unpacked."""
    head = answer(b"", "Content-Encoding: gzip")
    with peer(once(head)) as server:
        assert ("pass", "") == verdict(probe(server.url, decode=True, **options))


# Connections that are kept


def test_a_connection_is_kept_for_the_next_poll() -> None:
    """One for all polls; each says whether it was on it, and it has no phase of connecting."""
    with peer(replying(OK)) as server:
        results = polls(3, server.url, reuse=True)
    seen = reused(results), server.connections, "connect" in (results[1].phases or {})
    assert ([("pass", False), ("pass", True), ("pass", True)], 1, False) == seen


def test_a_connection_is_not_kept_unless_it_is_said() -> None:
    """Each poll tries whether one can be made."""
    with peer(replying(OK)) as server:
        seen = reused(polls(3, server.url))
        assert ([("pass", False)] * 3, 3) == (seen, server.connections)


@pytest.mark.parametrize(("options", "expected"), [({}, ["close"]), ({"reuse": True}, ["keep-alive"])])
def test_the_target_is_told_whether_it_is_kept(options: dict[str, Any], expected: list[str]) -> None:
    """In the header Connection."""
    assert expected == sent(asked(**options)[0], "connection")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (CHUNKED + b"2\r\nOK\r\n0\r\n\r\n", {}),
        (answer(b"x" * 300_000), {}),
        (answer(b"", status="204 No Content"), {}),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", {}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", {"method": "HEAD"}),
        (b"HTTP/1.1 102 Processing\r\n\r\n" + OK, {}),
        (answer(b"", status="503 Busy"), {}),
        (answer(b""), {"read_body": False}),
        (OK, {"json": {}}),
        (answer(gzip.compress(b"x"), "Content-Encoding: gzip"), {"decode": True}),
    ],
)
def test_a_whole_answer_leaves_the_connection_fit(content: bytes, options: dict[str, Any]) -> None:
    """However it was framed."""
    with peer(replying(content)) as server:
        seen = [each[1] for each in reused(polls(3, server.url, reuse=True, **options))]
        assert ([False, True, True], 1) == (seen, server.connections)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (answer(b"OK", "Connection: close"), {}),
        (answer(b"OK", "Connection: keep-alive", "Connection: close"), {}),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK", {}),
        (answer(b"x" * 2000), {"max_body": 1000}),
        (answer(b"OK"), {"read_body": False}),
        (CHUNKED + b"2\r\nOK\r\n0\r\n\r\n", {"read_body": False}),
        (OK + b"\r\n", {}),
        (OK + OK, {}),
        (CHUNKED + b"0\r\n\r\n" + OK, {}),
        (answer(b"", status="204 No Content") + b"OK", {}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", {"method": "HEAD"}),
    ],
)
def test_what_leaves_doubt_ends_the_connection(content: bytes, options: dict[str, Any]) -> None:
    """The target said so, or something is left on it that is no answer to the next request."""
    with peer(replying(content)) as server:
        seen = [each[1] for each in reused(polls(3, server.url, reuse=True, **options))]
        assert ([False] * 3, 3) == (seen, server.connections)


def one_each(then: Callable[[socket.socket], None], seen: list[bytes] | None = None) -> Talk:
    """Answers the first request of each connection, and does something else with the second."""

    def talk(client: socket.socket) -> None:
        for reply in (lambda sock: sock.sendall(OK), then):
            request = read_request(client)
            if not request:
                return
            if seen is not None:
                seen.append(request)
            reply(client)

    return talk


def close(client: socket.socket) -> None:
    """Hangs up."""


def reset(client: socket.socket) -> None:
    """Hangs up with a RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("then", [close, reset])
def test_a_connection_that_proves_stale_is_replaced(then: Talk) -> None:
    """The target hung up just then: asked again on a fresh one, the poll passes."""
    with peer(one_each(then)) as server:
        seen = reused(polls(3, server.url, reuse=True))
        assert ([("pass", False)] * 3, 3) == (seen, server.connections)


def test_a_stale_connection_is_replaced_once() -> None:
    """If the fresh one ends as well, that is the verdict."""
    served: list[int] = []

    def talk(client: socket.socket) -> None:
        served.append(1)
        if len(served) == 1:
            one_each(close)(client)
        else:
            read_request(client)

    with peer(talk) as server:
        results = polls(2, server.url, reuse=True)
        assert (["pass", "fail"], 2) == ([result.outcome for result in results], server.connections)
    assert ("truncated", False) == (results[1].reason, (results[1].transport or {})["reused"])


def test_a_half_answer_on_a_kept_connection_is_no_reason_to_ask_again() -> None:
    """It was alive: what is cut is truncated."""
    with peer(one_each(lambda client: client.sendall(b"HTTP/1.1 200"))) as server:
        results = polls(2, server.url, reuse=True)
        assert ("truncated", 1) == (results[1].reason, server.connections)


def test_silence_on_a_kept_connection_ends_at_the_timeout() -> None:
    """The time is for all attempts together."""
    with peer(one_each(mute)) as server:
        results = polls(2, server.url, reuse=True, timeout=0.2)
    assert ("timeout", True) == (results[1].reason, results[1].elapsed < 1.2)


@pytest.mark.parametrize("then", [close, reset, lambda client: client.sendall(answer(b"", status="408 Timeout"))])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_must_not_be_done_twice_is_not_sent_twice(method: str, then: Talk) -> None:
    """A stale connection fails such a poll: it may have been done."""
    seen: list[bytes] = []
    with peer(one_each(then, seen)) as server:
        results = polls(2, server.url, reuse=True, method=method, body="x")
        assert (["pass", "fail"], 2, 1) == ([each.outcome for each in results], len(seen), server.connections)


def unsolicited(content: bytes, told: threading.Event, go: threading.Event) -> Talk:
    """Answers, and when it may, says something that nobody asked for."""

    def talk(client: socket.socket) -> None:
        read_request(client)
        client.sendall(OK)
        go.wait(5.0)
        client.sendall(content)
        told.set()
        while read_request(client):
            client.sendall(OK)

    return talk


@pytest.mark.parametrize(
    "content",
    [
        answer(b"", status="500 Evil"),
        answer(b"", "Connection: close", status="408 Request Timeout"),
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"x",
    ],
)
def test_what_was_not_asked_for_is_never_an_answer(content: bytes) -> None:
    """A connection that spoke while it rested is closed, and the next poll has a fresh one."""
    told, go = threading.Event(), threading.Event()
    with peer(unsolicited(content, told, go)) as server:
        prepared = prepare(Check("web", server.url, reuse=True).spec())
        first = observe(prepared, CLOCK)
        go.set()
        assert True is told.wait(5.0)
        assert (("pass", False), ("pass", False), 2) == (
            *reused([first, observe(prepared, CLOCK)]),
            server.connections,
        )


def test_a_408_to_a_request_on_a_kept_connection_is_not_the_answer() -> None:
    """The server took it for idle; asked anew it answers."""
    late = answer(b"", "Connection: close", status="408 Request Timeout")
    with peer(one_each(lambda client: client.sendall(late))) as server:
        seen = reused(polls(2, server.url, reuse=True))
        assert ([("pass", False), ("pass", False)], 2) == (seen, server.connections)


def test_a_408_on_a_fresh_connection_is_the_answer() -> None:
    """It fails by its status."""
    with peer(once(answer(b"", status="408 Request Timeout"))) as server:
        result = probe(server.url, reuse=True)
        assert ("status", 408, 1) == (result.reason, result.status_code, server.connections)


def test_each_check_has_its_own_connection() -> None:
    """Two checks of one target do not share it, on the same network neither."""
    with peer(replying(OK)) as server:
        shared = Shared()
        prepared = [prepare(Check(name, server.url, reuse=True).spec(), shared) for name in "ab"]
        seen = reused([observe(each, CLOCK) for each in prepared * 2])
        assert ([("pass", False)] * 2 + [("pass", True)] * 2, 2) == (seen, server.connections)


def test_two_polls_at_once_do_not_share_a_connection() -> None:
    """The second has a fresh one."""
    gate = threading.Barrier(2)

    def talk(client: socket.socket) -> None:
        while read_request(client):
            gate.wait(5.0)
            client.sendall(OK)

    with peer(talk) as server:
        prepared = prepare(Check("web", server.url, reuse=True).spec())
        results: list[Result] = []
        threads = [threading.Thread(target=lambda: results.append(observe(prepared, CLOCK))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10.0)
        assert (["pass", "pass"], 2) == ([result.outcome for result in results], server.connections)


def test_a_kept_connection_is_closed_when_nobody_can_use_it() -> None:
    """Its check is gone."""
    with peer(replying(OK)) as server:
        polls(1, server.url, reuse=True)
        assert True is wait_until(lambda: server.ended == 1)


def test_a_stopped_monitor_keeps_no_connection(make: Callable[..., Any]) -> None:
    """They are closed at stop()."""
    with peer(replying(OK)) as server:
        monitor = make([Check("web", server.url, reuse=True, initial_delay=0, every=60)]).start()
        assert True is wait_until(lambda: monitor.state("web").status == "up")
        before = server.ended
        monitor.stop()
        assert (0, True) == (before, wait_until(lambda: server.ended == 1))


FORKED = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from minimon import Check
from minimon.clock import SystemClock
from minimon.probes import Shared, observe, prepare
prepared = prepare(Check("web", {url!r}, reuse=True).spec())
def poll(who):
    result = observe(prepared, SystemClock())
    print(who, result.outcome, result.transport["reused"], flush=True)
poll("parent")
pid = os.fork()
if not pid:
    poll("child")
    poll("child")
    os._exit(0)
os.waitpid(pid, 0)
poll("parent")
"""


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="forks on Linux only")
def test_a_child_does_not_use_the_connection_of_its_parent() -> None:
    """It has its own; and the parent's still works."""
    with peer(replying(OK)) as server:
        done = python(FORKED.format(url=server.url))
        seen = done.stdout.split("\n"), server.connections, done.stderr
    assert (["parent pass False", "child pass False", "child pass True", "parent pass True", ""], 2, "") == seen


def test_a_redirect_uses_connections_that_are_kept() -> None:
    """Those of both origins."""
    with peer(replying(OK)) as there, peer(replying(redirect(there.url))) as here:
        results = polls(3, here.url, reuse=True)
        assert (["pass"] * 3, 1, 1) == ([each.outcome for each in results], here.connections, there.connections)


# Whom it may reach


def test_the_family_is_chosen() -> None:
    """localhost by IPv4 alone."""
    with RogueServer("ok") as server:
        result = probe(f"http://localhost:{server.port}/", family=4)
    assert ("pass", f"127.0.0.1:{server.port}") == (result.outcome, (result.transport or {})["address"])


def test_an_address_of_another_family_is_told() -> None:
    """Reason dns, and nobody is connected to."""
    with RogueServer("ok") as server:
        result = probe(server.url, family=6)
    assert ("fail", "dns", True) == (*verdict(result), "127.0.0.1" in result.detail)


def leading_to(*addresses: str) -> Shared:
    """A network on which every name leads to these."""
    shared = Shared()
    found = [
        Address(socket.AF_INET6, (text, 0, 0, 0)) if ":" in text else Address(socket.AF_INET, (text, 0))
        for text in addresses
    ]
    shared.network().resolver = Resolver(lambda host, family: found)
    return shared


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("a.example", ["a.example"], "pass"),
        ("A.EXAMPLE", ["a.example"], "pass"),
        ("a.example", ["A.Example."], "pass"),
        ("a.example.", ["a.example"], "pass"),
        ("a.example", ["b.example", "*.example"], "pass"),
        ("x.y.a.example", ["*.a.example"], "pass"),
        ("a.example", ["127.0.0.0/8"], "pass"),
        ("a.example", ["127.0.0.1"], "pass"),
        ("127.0.0.1", ["127.0.0.1"], "pass"),
        ("127.1", ["127.0.0.1"], "pass"),
        ("a.example", ["*.a.example"], "fail"),
        ("ba.example", ["a.example"], "fail"),
        ("xa.example", ["*.a.example"], "fail"),
        ("a.example.evil.example", ["a.example", "*.a.example"], "fail"),
        ("a.example", ["10.0.0.0/8", "::1"], "fail"),
        ("127.0.0.1", ["a.example"], "fail"),
        ("a.example", ["127.0.0.2/32"], "fail"),
    ],
)
def test_only_what_is_allowed_is_connected_to(host: str, allowed: list[str], expected: str) -> None:
    """By name, or by the address that it leads to."""
    with RogueServer("ok") as server:
        url = f"http://{host}:{server.port}/"
        (result,) = polls(1, url, leading_to("127.0.0.1"), allow_hosts=allowed)
        seen = len(server.requests)
    assert (expected, expected == "pass", "" if expected == "pass" else "connect") == (
        result.outcome,
        seen == 1,
        result.reason,
    )


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "LOCALHOST"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "tom@127.0.0.1", "%6cocalhost"),
    ],
)
def test_a_denied_network_is_not_reached_however_it_is_spelt(host: str) -> None:
    """What counts is the address that would be connected to."""
    with RogueServer("ok") as server:
        try:
            result = probe(f"http://{host}:{server.port}/", deny_networks=["127.0.0.0/8", "::1/128"])
        except ConfigError:
            result = Result("", "fail", "connect")  # type: ignore[arg-type]
        assert ("fail", True, []) == (result.outcome, result.reason in ("connect", "dns"), server.requests)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "0", "[::ffff:0.0.0.0]"])
@pytest.mark.parametrize("denied", ["127.0.0.0/8", "::1/128"])
def test_no_address_at_all_does_not_lead_past_a_denied_network(host: str, denied: str) -> None:
    """The system takes it for this very machine."""
    with RogueServer("ok") as server:
        result = probe(f"http://{host}:{server.port}/", deny_networks=[denied])
        assert ("fail", "connect", []) == (*verdict(result), server.requests)
    assert True is (denied in result.detail)


@pytest.mark.parametrize("denied", ["::ffff:0:0/96", "::ffff:127.0.0.0/104", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_network_that_is_written_as_mapped_ipv6_denies_ipv4(denied: str, host: str) -> None:
    """Both spellings are the same addresses."""
    with RogueServer("ok") as server:
        result = probe(f"http://{host}:{server.port}/", deny_networks=[denied, "::1/128"])
        assert ("fail", "connect", []) == (*verdict(result), server.requests)


@pytest.mark.parametrize("found", [["127.0.0.1"], ["::ffff:127.0.0.1"], ["127.0.0.1", "10.0.0.1"]])
def test_a_name_that_leads_to_a_denied_network_is_refused(found: list[str]) -> None:
    """Name, address and option are told."""
    with RogueServer("ok") as server:
        url = f"http://a.example:{server.port}/"
        (result,) = polls(1, url, leading_to(*found), deny_networks=["127.0.0.0/8"])
        assert ("fail", "connect", []) == (*verdict(result), server.requests)
    assert True is all(word in result.detail for word in ("a.example", "127.0.0.1", "deny_networks"))


@pytest.mark.parametrize("options", [{"deny_networks": ["127.0.0.2/32"]}, {"allow_hosts": ["127.0.0.1"]}])
def test_a_redirect_leads_nowhere_that_is_forbidden(options: dict[str, list[str]]) -> None:
    """Each hop is judged."""
    with RogueServer("redirect", location="http://127.0.0.2:9/") as server:
        result = probe(server.url, **options)
    assert ("fail", "connect", True) == (*verdict(result), "127.0.0.2" in result.detail)


def test_a_denied_network_wins_over_an_allowed_name() -> None:
    """The name may lead there by mistake, or by intent."""
    with RogueServer("ok") as server:
        options = {"allow_hosts": ["a.example", "127.0.0.1"], "deny_networks": ["127.0.0.0/8"]}
        (result,) = polls(1, f"http://a.example:{server.port}/", leading_to("127.0.0.1"), **options)
        assert ("connect", []) == (result.reason, server.requests)


def test_a_forbidden_host_is_not_asked_through_a_proxy() -> None:
    """The proxy is not told of it."""
    proxy = ForwardProxy()
    with peer(proxy) as through, RogueServer("ok") as server:
        result = probe(server.url, proxy=f"http://{through.address}", allow_hosts=["a.example"])
    assert ("fail", "connect", []) == (*verdict(result), proxy.requests)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [("127.0.0.1", "pass"), ("127.0.0.0/8", "pass"), ("10.0.0.0/8", "fail"), ("*.example", "fail")],
)
def test_an_address_that_is_asked_through_a_proxy_is_judged(allowed: str, expected: str) -> None:
    """No name has to be looked up to know where it leads."""
    proxy = ForwardProxy()
    with peer(proxy) as through, RogueServer("ok") as server:
        result = probe(server.url, proxy=f"http://{through.address}", allow_hosts=[allowed])
    assert (expected, expected == "pass") == (result.outcome, bool(proxy.requests))


# Through a proxy


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who certifies 127.0.0.1."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pem(authority: Authority) -> pathlib.Path:
    """Such a certificate."""
    return authority.certify("here")


def test_a_proxy_is_asked_for_the_whole_address() -> None:
    """http: in absolute form, with the target's Host."""
    proxy = ForwardProxy()
    with peer(proxy) as through, RogueServer("ok") as server:
        result = probe(server.url + "a?b=c", proxy=f"http://{through.address}", headers={"X-Key": "y"})
        target = server.requests[0].path
    line, host = proxy.requests[0].split(b"\r\n")[0].decode(), sent(proxy.requests[0], "host")
    assert ("pass", "/a?b=c", f"GET {server.url}a?b=c HTTP/1.1", [f"127.0.0.1:{server.port}"]) == (
        result.outcome,
        target,
        line,
        host,
    )


def test_a_proxy_opens_a_tunnel(authority: Authority, pem: pathlib.Path) -> None:
    """https: by CONNECT, and TLS with the target itself."""
    proxy = ForwardProxy()
    with peer(proxy) as through, peer(over_tls(pem, once(OK))) as server:
        url, options = f"https://{server.address}/", {"ca_file": str(authority.file), "headers": {"X-Key": SECRET}}
        result = probe(url, proxy=f"http://{through.address}", **options)
    line = proxy.requests[0].split(b"\r\n")[0].decode()
    seen = result.outcome, line, SECRET.encode() in proxy.requests[0], "proxy" in (result.phases or {})
    assert ("pass", f"CONNECT {server.address} HTTP/1.1", False, True) == seen


def test_the_login_of_a_proxy_is_for_the_proxy() -> None:
    """With each request that it hands on."""
    proxy = ForwardProxy()
    with peer(proxy) as through, RogueServer("ok") as server:
        result = probe(server.url, proxy=f"http://t%40m:s3cret@{through.address}")
    expected = basic("t@m:s3cret"), [], False
    assert expected == (
        sent(proxy.requests[0], "proxy-authorization"),
        sent(proxy.requests[0], "authorization"),
        SECRET in repr(result),
    )


def test_the_login_of_a_proxy_is_not_for_the_target(authority: Authority, pem: pathlib.Path) -> None:
    """In a tunnel the target does not see it."""
    seen: list[bytes] = []
    proxy = ForwardProxy()
    with peer(proxy) as through, peer(over_tls(pem, once(OK, seen))) as server:
        options = {"proxy": f"http://tom:s3cret@{through.address}", "ca_file": str(authority.file)}
        result = probe(f"https://{server.address}/", **options)
    logins = [sent(request, "proxy-authorization") for request in (proxy.requests[0], seen[0])]
    assert ("pass", [basic("tom:s3cret"), []]) == (result.outcome, logins)


def test_a_redirect_out_of_a_proxy_keeps_its_login_from_targets() -> None:
    """The proxy is asked again, with its login, and without the headers of the user."""
    proxy = ForwardProxy()
    with peer(proxy) as through, RogueServer("ok") as there, RogueServer("redirect", location=there.url) as here:
        probe(here.url, proxy=f"http://tom:s3cret@{through.address}", headers={"X-Key": SECRET})
    seen = [(sent(each, "proxy-authorization"), sent(each, "x-key")) for each in proxy.requests]
    assert [(basic("tom:s3cret"), [SECRET]), (basic("tom:s3cret"), [])] == seen


REFUSAL = answer(b"", "Proxy-Authenticate: Basic", status="407 Proxy Authentication Required")


def test_a_proxy_that_wants_a_login_is_told() -> None:
    """http: it answers in place of the target."""
    with peer(ForwardProxy(REFUSAL)) as through:
        result = probe("http://a.example/", proxy=f"http://{through.address}")
    assert ("status", 407) == (result.reason, result.status_code)


@pytest.mark.parametrize(
    ("refusal", "reason", "words"),
    [
        (REFUSAL, "connect", "407"),
        (answer(b"", status="502 Bad Gateway"), "connect", "502"),
        (answer(b"", status="301 Moved"), "connect", "301"),
        (b"HTTP/1.1 200", "truncated", "proxy"),
        (b"SSH-2.0-x\r\n", "protocol", "proxy"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "protocol", "proxy"),
    ],
)
def test_a_tunnel_that_is_not_opened_is_told(refusal: bytes, reason: str, words: str) -> None:
    """https: the proxy's answer is no answer of the target, and the detail names the proxy."""
    with peer(ForwardProxy(refusal)) as through:
        result = probe("https://a.example/", proxy=f"http://{through.address}")
    assert ("fail", reason, None, True) == (*verdict(result), result.status_code, words in result.detail)
    assert True is ("proxy" in result.detail)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_told(scheme: str) -> None:
    """Reason connect, with its address."""
    port = free_port()
    result = probe(f"{scheme}://a.example/", proxy=f"http://127.0.0.1:{port}")
    assert ("fail", "connect", True) == (*verdict(result), f"127.0.0.1:{port}" in result.detail)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_silent_proxy_ends_at_the_timeout(scheme: str) -> None:
    """The time is for it, too."""
    with peer(mute) as through:
        result = probe(f"{scheme}://a.example/", 0.1, proxy=f"http://{through.address}")
    assert ("fail", "timeout", True) == (*verdict(result), result.elapsed < 1.1)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("host", "phase"), [("127.0.0.1", "connect"), ("no-such-host.invalid", "dns")])
def test_a_proxy_that_cannot_be_reached_is_named(scheme: str, host: str, phase: str) -> None:
    """It is not the target that is down: refused, or not known."""
    result = probe(f"{scheme}://a.example/", proxy=f"http://{host}:{free_port()}")
    assert ("fail", phase, True) == (*verdict(result), result.detail.startswith(f"proxy: {phase}: "))


def test_a_proxy_that_drips_is_named() -> None:
    """Its answer to CONNECT does not come in time."""

    def drip(client: socket.socket) -> None:
        read_request(client)
        for byte in b"HTTP/1.1 200 Connection established" + b"x" * 1000:
            client.sendall(bytes((byte,)))
            threading.Event().wait(0.02)

    with peer(drip) as through:
        result = probe("https://a.example/", 0.15, proxy=f"http://{through.address}")
    assert ("fail", "timeout", True, True) == (
        *verdict(result),
        result.detail.startswith("proxy: "),
        result.elapsed < 1.15,
    )


def test_names_are_looked_up_by_the_proxy() -> None:
    """A name that only it knows is not looked up here."""
    proxy = ForwardProxy(OK)
    with peer(proxy) as through:
        result = probe("http://no-such-host.invalid/", proxy=f"http://{through.address}")
    assert ("pass", 1) == (result.outcome, len(proxy.requests))


def test_a_tunnel_is_kept(authority: Authority, pem: pathlib.Path) -> None:
    """With reuse, the proxy is asked once."""
    proxy = ForwardProxy()
    with peer(proxy) as through, peer(over_tls(pem, replying(OK))) as server:
        options = {"proxy": f"http://{through.address}", "ca_file": str(authority.file), "reuse": True}
        seen = reused(polls(3, f"https://{server.address}/", **options))
    assert ([("pass", False), ("pass", True), ("pass", True)], 1) == (seen, len(proxy.requests))


ENVIRONMENT = """
import os, sys
from minimon import probe
clean = dict((key, value) for key, value in os.environ.items() if not key.lower().endswith("_proxy"))
for url, environment, proxy in {cases!r}:
    os.environ.clear()
    os.environ.update(clean, **environment)
    try:
        print(*probe(url, 2.0, proxy=proxy)[1:3])
    except Exception as error:
        print(type(error).__name__, error)
"""

OBEYED: list[tuple[dict[str, str], str | None, bool]] = [
    ({"http_proxy": "PROXY"}, "env", True),
    ({"http_proxy": "PROXY", "no_proxy": "a.example"}, "env", True),
    ({"http_proxy": "PROXY", "no_proxy": "127.0.0.1"}, "env", False),
    ({"http_proxy": "PROXY", "no_proxy": "*"}, "env", False),
    ({"https_proxy": "PROXY"}, "env", False),
    ({"HTTP_PROXY": "PROXY", "REQUEST_METHOD": "GET"}, "env", False),
    ({}, "env", False),
    ({"http_proxy": "PROXY"}, None, False),
    ({"no_proxy": "*"}, "PROXY", True),
    ({"http_proxy": "http://127.0.0.1:9"}, "PROXY", True),
]


def test_the_environment_is_obeyed_when_it_is_said() -> None:
    """ "env" reads http_proxy and no_proxy as urllib does; None and a proxy that was named do not."""
    forward = ForwardProxy()
    with peer(forward) as through, RogueServer("ok") as server:
        named = f"http://{through.address}"
        cases = [
            (f"{server.url}{number}", {key: value.replace("PROXY", named) for key, value in each.items()}, proxy)
            for number, (each, proxy, _) in enumerate(OBEYED)
        ]
        done = python(ENVIRONMENT.format(cases=cases).replace("'PROXY'", repr(named)))
        paths = [request.path for request in server.requests]
    expected = [f"{server.url}{number}" for number, (*_, through_it) in enumerate(OBEYED) if through_it]
    assert expected == [request.split(b" ")[1].decode() for request in forward.requests]
    assert (["pass "] * len(OBEYED), [f"/{n}" for n in range(len(OBEYED))], "") == (
        done.stdout.splitlines(),
        paths,
        done.stderr,
    )


def test_a_proxy_of_the_environment_that_cannot_be_used_is_told() -> None:
    """At construction, without its login."""
    proxies = "socks5://tom:s3cret@127.0.0.1:9", "https://tom:s3cret@127.0.0.1:9"
    done = python(ENVIRONMENT.format(cases=[("http://127.0.0.1:9/", {"http_proxy": each}, "env") for each in proxies]))
    told = [(line.startswith("ConfigError"), "proxy" in line) for line in done.stdout.splitlines()]
    assert ([(True, True)] * 2, False) == (told, SECRET in done.stdout + done.stderr)


# A probe of its own


def test_an_http_probe_is_a_target() -> None:
    """Of a Check, with its own options."""
    with RogueServer("ok") as server:
        check = Check(
            "web", HttpProbe(server.url, method="HEAD", headers={"X-Key": SECRET}), expect={"status_code": 200}
        )
        result = observe(prepare(check.spec()), CLOCK)
        seen = server.requests[0]
    assert ("pass", "HEAD", SECRET) == (result.outcome, seen.method, seen.headers["x-key"])


def test_an_http_probe_can_be_called() -> None:
    """It gives a Response, with how it came."""
    with RogueServer("json") as server:
        response = HttpProbe(server.url)(5.0)
    seen = response.status_code, response.json(), response.error, (response.transport or {})["address"]
    assert (200, {"status": "ok"}, None, f"127.0.0.1:{server.port}") == seen


def test_an_http_probe_gives_a_fault_for_what_the_target_does() -> None:
    """It does not raise."""
    response = HttpProbe(f"http://127.0.0.1:{free_port()}/")(5.0)
    assert (None, "connect") == (response.status_code, response.error and response.error.kind)


def test_an_http_probe_raises_when_the_host_does() -> None:
    """The harness around it makes a Result of that; the option is named."""
    with pytest.raises(RuntimeError, match="bearer: its function raised KeyError"):
        HttpProbe("http://127.0.0.1:9/", bearer=raising)(5.0)


def test_an_http_probe_keeps_its_connection() -> None:
    """Also when it is used alone."""
    with peer(replying(OK)) as server:
        ask = HttpProbe(server.url, reuse=True)
        seen = [(ask(5.0).transport or {})["reused"] for _ in range(3)]
    assert ([False, True, True], 1) == (seen, server.connections)


def test_an_http_probe_does_not_tell_its_secrets() -> None:
    """Nor does a Check that has it."""
    target = HttpProbe("http://tom:s3cret@127.0.0.1:9/?token=s3cret", headers={"X": SECRET})
    check = Check("web", target)
    assert (False, "http://127.0.0.1:9/?token=***") == (SECRET in f"{target!r} {check!r}", check.shown)


class Teapot(HttpProbe):
    """One with a word of its own."""

    def __call__(self, timeout: float) -> Response:
        """Whatever the answer is, it is 418."""
        response = super().__call__(timeout)
        response.status_code = 418
        return response


def test_a_probe_of_the_hosts_own_keeps_its_word() -> None:
    """What derives from HttpProbe is asked as it is."""
    with RogueServer("ok") as server:
        prepared = prepare(Check("web", Teapot(server.url), expect={"status_code": 418}).spec())
        assert ("pass", "") == verdict(observe(prepared, CLOCK))


@pytest.mark.parametrize("option", ["verify", "follow_redirects", "reuse"])
def test_the_options_of_an_http_probe_are_its_own(option: str) -> None:
    """A Check that has it does not take them, and says where they belong."""
    options: dict[str, Any] = {option: False}
    with pytest.raises(ConfigError, match=f"check 'web': {option}: give it to the Probe itself"):
        Check("web", HttpProbe("http://127.0.0.1:9/"), **options)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:9", "ftp://a/", "127.0.0.1", "", None, 5])
def test_an_http_probe_is_for_http(url: Any) -> None:
    """Anything else is refused at construction."""
    with pytest.raises(ConfigError, match="HttpProbe"):
        HttpProbe(url)


# In a file


def written(folder: pathlib.Path, **options: Any) -> pathlib.Path:
    """A JSON file with one check."""
    path = folder / "checks.json"
    path.write_text(json.dumps({"checks": {"web": {"target": "http://127.0.0.1:9/", **options}}}))
    return path


ENV = {"TOKEN": SECRET, "USER": "tom", "PROXY": "http://tom:s3cret@proxy.example:3128"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"bearer": {"env": "TOKEN"}}, {"bearer": SECRET}),
        ({"auth": [{"env": "USER"}, {"env": "TOKEN"}]}, {"auth": ["tom", SECRET]}),
        ({"auth": ["tom", {"env": "TOKEN"}]}, {"auth": ["tom", SECRET]}),
        ({"headers": {"X-Key": {"env": "TOKEN"}, "Y": "z"}}, {"headers": {"X-Key": SECRET, "Y": "z"}}),
        ({"proxy": {"env": "PROXY"}}, {"proxy": ENV["PROXY"]}),
        ({"proxy": "env"}, {"proxy": "env"}),
        ({"cookies": {"id": {"env": "TOKEN"}}}, {"cookies": {"id": SECRET}}),
        ({"cookies": True}, {"cookies": True}),
        ({"json": {"env": "TOKEN"}}, {"json": {"env": "TOKEN"}}),
        ({"allow_hosts": ["127.0.0.1"]}, {"allow_hosts": ["127.0.0.1"]}),
        ({"deny_networks": ["10.0.0.0/8"], "family": 4}, {"deny_networks": ["10.0.0.0/8"], "family": 4}),
        ({"reuse": True, "decode": True, "max_redirects": 3}, {"reuse": True, "decode": True, "max_redirects": 3}),
    ],
)
def test_options_may_stand_in_a_file(tmp_path: pathlib.Path, said: dict[str, Any], meant: dict[str, Any]) -> None:
    """As they are written, secrets by the name of their variable."""
    built = build(load(written(tmp_path, **said)), ENV)
    assert meant == dict(built.checks[0].options)


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"bearer": {"env": "NONE"}}, "checks.web.bearer"),
        ({"auth": ["tom", {"env": "NONE"}]}, "checks.web.auth"),
        ({"auth": {"env": "TOKEN"}}, "checks.web.auth"),
        ({"auth": [{"env": "TOKEN"}, {"env": "TOKEN"}, {"env": "TOKEN"}]}, "checks.web.auth"),
        ({"proxy": {"env": "TOKEN"}}, "checks.web.proxy"),
        ({"bearer": {"env": "TOKEN"}, "auth": ["tom", "x"]}, "checks.web"),
        ({"headers": {"X Y": {"env": "TOKEN"}}}, "checks.web.headers"),
        ({"cookies": {"a b": {"env": "TOKEN"}}}, "checks.web.cookies"),
        ({"family": 5}, "checks.web.family"),
        ({"ca_file": "no-such-file.pem"}, "checks.web"),
        ({"deny_networks": ["x"]}, "checks.web.deny_networks"),
    ],
)
def test_an_option_of_a_file_that_cannot_work_is_told(tmp_path: pathlib.Path, said: dict[str, Any], key: str) -> None:
    """With file and key, and without the secret."""
    path = written(tmp_path, **said)
    with pytest.raises(ConfigError, match=re.escape(f"{path}: {key}")) as caught:
        build(load(path), ENV)
    assert False is (SECRET in str(caught.value))


def test_time_spent_is_told_by_phases() -> None:
    """Each with its part, all together the total."""
    with RogueServer("delay", seconds=0.1) as server:
        begun = time.monotonic()
        phases = probe(f"http://localhost:{server.port}/", family=4).phases or {}
        spent = time.monotonic() - begun
    assert (["dns", "connect", "first_byte", "transfer", "total"], True) == (
        list(phases),
        0.1 <= phases["first_byte"] <= phases["total"] <= spent,
    )
