"""http:// and https:// as targets: every way in which an answer is right or wrong, on real sockets."""

from __future__ import annotations

import base64
import contextlib
import functools
import gc
import socket
import threading
import tracemalloc

import pytest
from stand_ins import OK, free_port, once, peer, read_request, verdict
from support import descriptors, python, wait_until

from minimon import ConfigError, HttpProbe, Outcome, Result, probe
from minimon.model import REASONS
from minimon.options import OPTIONS, TAKEN
from minimon.testing import BEHAVIOURS, RogueServer
from minimon.text import scrub

# What servers do. Each behaviour, its settings, and what a poll makes of it.

VERDICTS: dict[str, tuple[dict[str, object], tuple[str, str]]] = {
    "taht": ({"max_delay": 0, "seed": 1}, ("pass", "")),
    "ok": ({}, ("pass", "")),
    "delay": ({"seconds": 60.0}, ("fail", "timeout")),
    "flaky": ({"codes": (503, 200)}, ("fail", "status")),
    "json": ({}, ("pass", "")),
    "drip_head": ({"interval": 0.02}, ("fail", "timeout")),
    "drip_body": ({"interval": 0.02, "size": 1000}, ("fail", "timeout")),
    "huge_body": ({}, ("fail", "too_large")),
    "cut_head": ({}, ("fail", "truncated")),
    "cut_body": ({}, ("fail", "truncated")),
    "reset": ({}, ("fail", "connect")),
    "reset_body": ({}, ("fail", "truncated")),
    "redirect": ({"location": "/elsewhere"}, ("fail", "protocol")),
    "redirect_loop": ({}, ("fail", "protocol")),
    "silent": ({}, ("fail", "timeout")),
    "empty": ({}, ("fail", "truncated")),
    "garbage": ({}, ("fail", "protocol")),
    "raw": ({}, ("fail", "truncated")),
}


TIMEOUT = 0.1


@functools.cache
def seen(behaviour: str) -> Result:
    """What one poll makes of it, with secrets wherever they can be."""
    settings, expected = VERDICTS[behaviour]
    with RogueServer(behaviour, **settings) as server:
        url = f"http://tom:s3cret@127.0.0.1:{server.port}/?token=s3cret&empty=&b=s3cret#s3cret"
        return probe(url, TIMEOUT if expected[1] == "timeout" else 5.0, headers={"X-Key": "s3cret"})


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_each_misbehaviour_has_its_reason(behaviour: str) -> None:
    """What a server does wrong is told by a reason."""
    assert VERDICTS[behaviour][1] == verdict(seen(behaviour))


@pytest.mark.parametrize("behaviour", [name for name, (_, said) in VERDICTS.items() if said[0] == "fail"])
def test_each_failure_says_why(behaviour: str) -> None:
    """A failed poll has a reason of the closed set and a printable detail."""
    result = seen(behaviour)
    assert (True, True, True) == (result.reason in REASONS, bool(result.detail), result.detail.isprintable())


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_secrets_are_never_shown(behaviour: str) -> None:
    """Userinfo, header values and query values stay out of a Result, whatever the server does."""
    assert False is ("s3cret" in repr(seen(behaviour)))


@pytest.mark.parametrize("behaviour", [name for name, (_, said) in VERDICTS.items() if said[1] == "timeout"])
def test_the_timeout_is_kept(behaviour: str) -> None:
    """A target that takes its time is given up at the timeout."""
    assert (True, True) == (seen(behaviour).elapsed >= TIMEOUT - 0.01, seen(behaviour).elapsed < TIMEOUT + 1.0)


@pytest.mark.long
def test_a_body_that_pauses_does_not_get_a_new_timeout_for_each_piece() -> None:
    """The timeout is total: a piece that comes just in time does not double it."""
    with RogueServer("drip_body", interval=1.4) as server:
        elapsed = probe(server.url, 1.5).elapsed
    assert elapsed < 2.5


def test_silence_reset_and_closing_can_be_told_apart() -> None:
    """Four ways to give no answer have four explanations."""
    assert 4 == len({seen(behaviour).detail for behaviour in ("silent", "reset", "empty", "reset_body")})


def test_a_port_that_is_mostly_one_of_tls_brings_a_question() -> None:
    """Who asks in plain there, and hears nothing, may have meant https://."""
    for port in range(10_443, 60_443, 1000):
        with contextlib.suppress(OSError), RogueServer("empty", port=port) as server:
            assert "headers: closed without an answer; is it https://?" == probe(server.url).detail
            return
    pytest.skip("no such port is free")


def test_a_whole_answer_passes() -> None:
    """A 200 is a pass with its status code, and no reason."""
    with RogueServer("ok") as server:
        result = probe(server.url)
    assert (Outcome.PASS, "", "", 200, True) == (*result[1:4], result.status_code, result.ok)


@pytest.mark.parametrize("status", [201, 204, 299])
def test_any_2xx_passes(status: int) -> None:
    """Success is a 2xx, and not a 200 alone."""
    with RogueServer("ok", status=status) as server:
        assert ("pass", "") == verdict(probe(server.url))


@pytest.mark.parametrize("status", [304, 400, 401, 404, 500, 501, 503, 599, 999])
def test_any_other_status_fails(status: int) -> None:
    """A status that is no 2xx fails, and is told by number."""
    with RogueServer("ok", status=status) as server:
        result = probe(server.url)
    assert ("fail", "status", status, True) == (*verdict(result), result.status_code, str(status) in result.detail)


def test_a_redirect_without_a_location_is_an_answer() -> None:
    """A 302 that leads nowhere fails by its status."""
    with RogueServer("ok", status=302) as server:
        result = probe(server.url)
    assert ("fail", "status", 302) == (*verdict(result), result.status_code)


def test_conditions_are_judged_on_the_answer() -> None:
    """Status, text and JSON are there for the conditions."""
    with RogueServer("json") as server:
        result = probe(server.url, expect={"status_code": 200, "json": {"status": "ok"}})
    assert ("pass", "") == verdict(result)


def test_an_unmet_condition_says_expected_and_actual() -> None:
    """The detail has what was wanted and what came."""
    with RogueServer("ok", body="no milk today") as server:
        result = probe(server.url, expect={"contains": "butter"})
    assert ("condition", True, True) == (result.reason, "butter" in result.detail, "no milk" in result.detail)


@pytest.mark.parametrize("behaviour", ["cut_head", "cut_body", "reset", "reset_body", "empty", "garbage", "huge_body"])
def test_no_condition_makes_a_transport_error_pass(behaviour: str) -> None:
    """Even a condition that always holds cannot make green of no answer."""
    with RogueServer(behaviour) as server:
        assert "fail" == probe(server.url, 0.5, expect=lambda response: True).outcome


def test_a_warning_is_ok() -> None:
    """A condition of warn_if that holds makes a pass a warning."""
    with RogueServer("ok") as server:
        result = probe(server.url, warn_if={"latency": {"ge": 0.0}})
    assert ("warn", "condition", True) == (*verdict(result), result.ok)


# Connecting


def test_a_refused_port_is_told() -> None:
    """Nobody listens: reason connect, in no time."""
    result = probe(f"http://127.0.0.1:{free_port()}/", 5.0)
    assert ("fail", "connect", True) == (*verdict(result), result.elapsed < 1.0)


def test_an_unknown_name_is_told() -> None:
    """A name that the resolver does not know: reason dns."""
    assert ("fail", "dns") == verdict(probe("http://no-such-host.invalid/"))


def test_a_name_beyond_ascii_is_looked_up() -> None:
    """An internationalized name fails by the resolver's word, not by ours."""
    assert ("fail", "dns") == verdict(probe("http://bücher.invalid:8080/"))


def test_ipv6_is_polled() -> None:
    """An address in brackets is connected to."""
    try:
        server = RogueServer("ok", host="::1").start()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        assert ("pass", "") == verdict(probe(server.url))


def test_a_timeout_of_any_size_works() -> None:
    """A timeout longer than the system's clocks can count is as good as none, and no failure of the target."""
    with RogueServer("ok") as server:
        assert ("pass", "") == verdict(probe(server.url, 1e10))


def test_proxies_of_the_environment_are_ignored() -> None:
    """A host's http_proxy does not reroute what it monitors."""
    code = """
import os, sys
for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
    os.environ[name] = "http://127.0.0.1:9/"
os.environ.pop("no_proxy", None)
from minimon import probe
print(*probe(URL, 2.0)[1:3])
"""
    with RogueServer("ok") as server:
        done = python(code.replace("URL", repr(server.url)))
    assert ("pass", "") == (done.stdout.strip(), done.stderr)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 60_000 + b"\r\na\r\n"),
    ],
    ids=["preliminary answers", "trailers", "chunks that are mostly comment"],
)
def test_a_flood_ends_at_the_timeout(start: bytes, piece: bytes) -> None:
    """An answer that goes on and on without a pause is given up in time, too."""
    enough = threading.Event()

    def talk(client: socket.socket) -> None:
        read_request(client)
        client.sendall(start)
        while not enough.wait(0.0):
            client.sendall(piece * (1 + 65_536 // len(piece)))

    with peer(talk) as server:
        stop = threading.Timer(5.0, enough.set)
        stop.start()
        result = probe(server.url, 0.2)
        stop.cancel()
        enough.set()
    assert ("fail", True) == (result.outcome, result.elapsed < 1.2)


# What is sent


def asked(url: str, **options: object) -> list[bytes]:
    """The requests that one poll makes, whole, with this path behind the server's address."""
    requests: list[bytes] = []
    with peer(once(OK, requests)) as server:
        probe(f"http://{server.address}{url}", 2.0, **options)
    return requests


def test_a_request_is_a_get_on_one_connection() -> None:
    """The plain poll: GET, the path as given, Host, and the connection is not kept."""
    with RogueServer("ok") as server:
        probe(server.url + "ping?deep=1")
        request = server.requests[0]
    seen = request.method, request.path, request.headers["host"], request.headers["connection"]
    assert ("GET", "/ping?deep=1", f"127.0.0.1:{server.port}", "close") == seen


def test_we_say_who_we_are() -> None:
    """The User-Agent is ours, without a version of Python."""
    with RogueServer("ok") as server:
        probe(server.url)
        assert ["minimon"] == server.requests[0].headers.get_all("user-agent")


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER-AGENT"])
def test_a_header_of_the_user_wins(name: str) -> None:
    """What the user says in any case replaces our own header."""
    with RogueServer("ok") as server:
        probe(server.url, headers={name: "probe/1", "X-Key": "caf\xe9"})
        headers = server.requests[0].headers
    assert (["probe/1"], "caf\xe9") == (headers.get_all("user-agent"), headers["x-key"])


@pytest.mark.parametrize("body", ["grüße", "grüße".encode()])
def test_a_body_is_posted_whole(body: str | bytes) -> None:
    """With a body the method is POST; text goes as UTF-8, with its length."""
    request = asked("/", body=body)[0]
    assert (True, True, True) == (
        request.startswith(b"POST / HTTP/1.1\r\n"),
        b"\r\nContent-Length: 7\r\n" in request,
        request.endswith("\r\n\r\ngrüße".encode()),
    )


def test_an_empty_body_is_a_body() -> None:
    """An empty text is posted too: presence decides, not truth."""
    assert True is asked("/", body="")[0].startswith(b"POST ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PROPFIND"])
def test_the_method_is_what_was_said(method: str) -> None:
    """A method is sent as given, with a body or without."""
    assert method.encode() == asked("/", method=method, body="x")[0].split(b" ")[0]


def test_an_answer_to_head_has_no_body() -> None:
    """The length that HEAD is told is not waited for."""
    with RogueServer("ok", body="x" * 1000) as server:
        assert ("pass", "") == verdict(probe(server.url, method="HEAD"))


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("/straße?q=grün", b"/stra%C3%9Fe?q=gr%C3%BCn"),
        ("/a%20b%2Fc?x=%26", b"/a%20b%2Fc?x=%26"),
        ("/a;b=c/@x:y!$&'()*+,~", b"/a;b=c/@x:y!$&'()*+,~"),
        ('/"<>{}|\\^`', b"/%22%3C%3E%7B%7D%7C%5C%5E%60"),
        ("?only=query", b"/?only=query"),
        ("", b"/"),
        ("/x#fragment", b"/x"),
        ("/日本?🎉", b"/%E6%97%A5%E6%9C%AC?%F0%9F%8E%89"),
    ],
)
def test_paths_and_queries_are_quoted(url: str, sent: bytes) -> None:
    """What HTTP cannot carry is percent-encoded as UTF-8; what is encoded already stays as it is."""
    assert sent == asked(url)[0].split(b" ")[1]


def test_no_cookie_is_kept() -> None:
    """One poll knows nothing of the one before."""
    with RogueServer("ok", headers={"Set-Cookie": "seen=1"}) as server:
        probe(server.url)
        probe(server.url)
        assert [None, None] == [request.headers.get("cookie") for request in server.requests]


# Secrets


def sent_authorization(userinfo: str, **options: object) -> list[str]:
    with RogueServer("ok") as server:
        probe(f"http://{userinfo}@127.0.0.1:{server.port}/", **options)
        return server.requests[0].headers.get_all("authorization")


@pytest.mark.parametrize(
    ("userinfo", "login"),
    [
        ("tom:s3cret", "tom:s3cret"),
        ("tom", "tom:"),
        ("t%40m:p%3A%2Fw", "t@m:p:/w"),
        ("tom:p@ss", "tom:p@ss"),
        ("jürgen:größe", "jürgen:größe"),
    ],
)
def test_userinfo_becomes_a_login(userinfo: str, login: str) -> None:
    """user:password of the URL is sent as Basic authentication, percent-decoded, as UTF-8."""
    expected = "Basic " + base64.b64encode(login.encode()).decode()
    assert [expected] == sent_authorization(userinfo)


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_a_login_given_as_header_wins_over_userinfo(name: str) -> None:
    """The header that the user wrote is the one that is sent, in whatever case it was written."""
    assert ["Bearer x"] == sent_authorization("tom:s3cret", headers={name: "Bearer x"})


def test_an_unmet_condition_tells_no_secret() -> None:
    """Nor does what was expected and not met."""
    with RogueServer("ok") as server:
        url = f"http://tom:s3cret@127.0.0.1:{server.port}/?token=s3cret"
        assert False is ("s3cret" in repr(probe(url, headers={"X-Key": "s3cret"}, expect={"status_code": 418})))


@pytest.mark.parametrize("target", ["http://{}@127.0.0.1:{}/?token={}", "http://{}@no-such-host.invalid:{}/?t={}"])
def test_secrets_are_not_shown_where_nobody_answers(target: str) -> None:
    """A refused connection and an unknown name do not tell the login either."""
    assert False is ("s3cret" in repr(probe(target.format("s3cret:s3cret", free_port(), "s3cret"))))


@pytest.mark.parametrize(
    "location",
    [
        "ftp://tom:s3cret@files.invalid/?token=s3cret",
        "http://tom:s3cret@no-such-host.invalid/?token=s3cret",
        "http://tom:s3cret@127.0.0.1:9/",
        "http://tom:s3@cret@no-such-host.invalid/",
        "/next?token=s3cret and blanks",
        "/next?token=s3cret\x01",
        "http://[s3cret",
    ],
)
def test_secrets_of_a_redirect_are_not_shown(location: str) -> None:
    """Where a Location holds a login or a token, the detail does not repeat it."""
    with RogueServer("redirect", location=location) as server:
        result = probe(server.url)
    assert ("fail", False, False) == (result.outcome, "s3cret" in repr(result), "cret@" in repr(result))


def test_a_ring_of_redirects_does_not_show_the_query() -> None:
    """The addresses of the ring are named with their query masked."""
    with RogueServer("redirect_loop") as server:
        result = probe(server.url + "a?token=s3cret")
    assert (False, True) == ("s3cret" in result.detail, "token=***" in result.detail)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no address at all: a=b&c=d", "no address at all: a=b&c=d"),
        ("http://host/path", "http://host/path"),
        ("see http://u:p@host/x for more", "see http://***@host/x for more"),
        ("http://u:p@ss@host/", "http://***@host/"),
        ("https://h/?a=1&b=2 > https://h/?a=3", "https://h/?a=***&b=*** > https://h/?a=***"),
        ("http://h/?a=1;b=2", "http://h/?a=***"),
        ("http://h/?a=&b", "http://h/?a=***&b"),
        ("GET /x?a=1&b=2 HTTP/1.1", "GET /x?a=***&b=*** HTTP/1.1"),
    ],
)
def test_scrub_masks_what_may_be_secret(text: str, expected: str) -> None:
    """Userinfo and query values of URLs are masked, and nothing else."""
    assert expected == scrub(text)


# Redirects


def test_a_redirect_is_followed_to_its_answer() -> None:
    """The final answer is the one that is judged."""
    with RogueServer("ok", status=204) as there, RogueServer("redirect", location=there.url + "x?y=1") as here:
        result = probe(here.url)
    assert ("pass", 204, "/x?y=1") == (result.outcome, result.status_code, there.requests[0].path)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_all_redirects_are_followed(status: int) -> None:
    """Five codes redirect."""
    with RogueServer("ok") as there:
        with RogueServer("ok", status=status, headers={"Location": there.url}) as here:
            assert ("pass", "") == verdict(probe(here.url))


def test_a_relative_redirect_is_resolved() -> None:
    """A Location without scheme and host is taken from where it was given."""
    with RogueServer("redirect", location="../c?d=e") as server:
        probe(server.url + "a/b/x")
        assert ["/a/b/x", "/a/c?d=e"] == [request.path for request in server.requests][:2]


def test_a_redirect_without_scheme_is_followed() -> None:
    """//host/path keeps the scheme."""
    with RogueServer("ok") as there, RogueServer("redirect", location=f"//127.0.0.1:{there.port}/x") as here:
        assert ("pass", "") == verdict(probe(here.url))


@pytest.mark.parametrize("location", ["/straße", "/a b", "/caf\xe9?q=\xfc"])
def test_a_location_that_needs_quoting_is_followed(location: str) -> None:
    """Servers write blanks and bytes beyond ASCII; as browsers do, they are quoted and followed."""
    with RogueServer("redirect", location=location) as server:
        probe(server.url)
        assert 2 == len(server.requests)


def test_a_ring_is_told_at_once() -> None:
    """The same address is not asked twice."""
    with RogueServer("redirect_loop") as server:
        result = probe(server.url)
        assert ("protocol", 1) == (result.reason, len(server.requests))


def test_ever_new_addresses_are_followed_ten_times() -> None:
    """A redirect that always leads further ends after ten."""
    with RogueServer("redirect", location="x/") as server:
        result = probe(server.url)
        assert ("protocol", 11) == (result.reason, len(server.requests))


def test_a_long_chain_is_told_without_its_middle() -> None:
    """How it began, and how it ended."""
    with RogueServer("redirect", location="x/") as server:
        detail = probe(f"{server.url}?token=s3cret").detail
    way = " > ".join(
        [f"{server.url}?token=***", f"{server.url}x/", "…", f"{server.url}{'x/' * 9}", f"{server.url}{'x/' * 10}"]
    )
    assert f"more than 10 redirects: {way}" == detail


@pytest.mark.parametrize(("size", "requests"), [(4096, 2), (4097, 1)])
def test_a_location_has_a_limit(size: int, requests: int) -> None:
    """A longer one fails as protocol."""
    with RogueServer("redirect", location="/" + "a" * (size - 1)) as server:
        result = probe(server.url)
        assert ("protocol", requests) == (result.reason, len(server.requests))
    assert (requests == 1) is ("more than 4096 characters" in result.detail)


@pytest.mark.parametrize(("behaviour", "reason"), [("cut_body", "truncated"), ("garbage", "protocol"), ("", "connect")])
def test_a_failure_after_a_redirect_says_where_it_was(behaviour: str, reason: str) -> None:
    """Where it was led to, without its secrets."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(RogueServer(behaviour)).port if behaviour else free_port()
        location = f"http://tom:s3cret@127.0.0.1:{port}/a?token=s3cret"
        error = HttpProbe(stack.enter_context(RogueServer("redirect", location=location)).url)(5.0).error
    where = f", after a redirect to http://127.0.0.1:{port}/a?token=***"
    assert error is not None
    assert (reason, True, False) == (error.kind, error.detail.endswith(where), "s3cret" in error.detail)


def test_the_last_address_is_told() -> None:
    """In the transport, the values of its query masked; without a redirect there is none."""
    with RogueServer("ok") as there, RogueServer("redirect", location=f"{there.url}a?token=s3cret&b=") as here:
        urls = [(probe(url).transport or {}).get("url") for url in (here.url, there.url)]
    assert [f"{there.url}a?token=***&b=***", None] == urls


@pytest.mark.parametrize(
    "location",
    ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "gopher://127.0.0.1/", "mailto:x@y", "javascript:1"],
)
def test_redirects_lead_to_http_only(location: str) -> None:
    """A redirect to another scheme fails as protocol, and says which."""
    with RogueServer("redirect", location=location) as server:
        result = probe(server.url)
    assert ("fail", "protocol", True) == (*verdict(result), location.partition(":")[0] in result.detail)


def test_a_redirect_to_ftp_connects_nowhere() -> None:
    """The address of another scheme is not even connected to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with RogueServer("redirect", location=f"ftp://127.0.0.1:{listener.getsockname()[1]}/") as server:
            probe(server.url)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


SECRETS = {"Authorization": "Bearer s3cret", "Cookie": "id=s3cret", "X-Api-Key": "s3cret", "User-Agent": "tom/1"}


def test_another_origin_sees_nothing_of_the_user() -> None:
    """Every header that the user set is left out at another origin."""
    with RogueServer("ok") as there, RogueServer("redirect", location=there.url) as here:
        probe(here.url, headers=SECRETS)
        kept = [key for key in SECRETS if there.requests[0].headers.get(key) == SECRETS[key]]
    assert [] == kept


def test_another_origin_does_not_see_the_login_of_the_url() -> None:
    """Userinfo is a header of the user too."""
    with RogueServer("ok") as there, RogueServer("redirect", location=there.url) as here:
        probe(f"http://tom:s3cret@127.0.0.1:{here.port}/")
        assert None is there.requests[0].headers.get("authorization")


def test_the_same_port_of_another_name_is_another_origin() -> None:
    """localhost is not 127.0.0.1."""
    with RogueServer("ok") as there:
        location = f"http://localhost:{there.port}/"
        with RogueServer("redirect", location=location) as here:
            probe(here.url, headers=SECRETS)
        assert None is there.requests[0].headers.get("cookie")


def test_the_same_origin_keeps_what_the_user_set() -> None:
    """A redirect within the origin has all headers of the first request."""
    with RogueServer("redirect", location="/next") as server:
        probe(server.url, headers=SECRETS)
        headers = server.requests[1].headers
    assert SECRETS == {key: headers[key] for key in SECRETS}


def test_coming_back_does_not_bring_the_headers_back() -> None:
    """What was dropped on the way out stays dropped."""
    with RogueServer("redirect", location="/") as here, RogueServer("redirect", location=here.url) as there:
        probe(there.url, headers=SECRETS)
        assert (2, None) == (len([*here.requests, *there.requests]), here.requests[0].headers.get("cookie"))


@pytest.mark.parametrize(("status", "methods"), [(302, ["POST", "GET"]), (303, ["POST", "GET"]), (307, ["POST"] * 2)])
def test_a_post_is_redirected_by_the_rules(status: int, methods: list[str]) -> None:
    """302 and 303 turn POST into GET; 307 keeps it within the origin."""
    with RogueServer("ok", status=status, headers={"Location": "/next"}) as server:
        probe(server.url, body="x")
        assert methods == [request.method for request in server.requests][:2]


@pytest.mark.parametrize("status", [307, 308])
def test_a_body_is_not_sent_to_another_origin(status: int) -> None:
    """307 and 308 keep method and body at the same origin only."""
    requests: list[bytes] = []
    with peer(once(OK, requests)) as there:
        with RogueServer("ok", status=status, headers={"Location": there.url}) as here:
            probe(here.url, body="s3cret")
    assert (b"GET", False) == (requests[0].split(b" ")[0], b"s3cret" in requests[0])


def test_head_stays_head() -> None:
    """A redirected HEAD asks for a head again."""
    with RogueServer("redirect", location="/next") as server:
        probe(server.url, method="HEAD")
        assert ["HEAD", "HEAD"] == [request.method for request in server.requests][:2]


def test_the_timeout_is_for_all_redirects_together() -> None:
    """Each hop gets what is left, not a new timeout."""
    with RogueServer("silent") as there, RogueServer("redirect", location=there.url) as here:
        result = probe(here.url, 0.15)
    assert ("timeout", True) == (result.reason, result.elapsed < 1.15)


def test_the_body_of_a_redirect_is_not_read() -> None:
    """However long it is, it is left."""
    sent = []

    def talk(client: socket.socket) -> None:
        read_request(client)
        client.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n")
        for _ in range(1000):
            client.sendall(b"x" * 65536)
            sent.append(1)

    with peer(talk) as server:
        probe(server.url, 5.0)
    assert True is (len(sent) < 999)


# Bodies


def test_a_huge_body_is_refused_in_bounded_memory() -> None:
    """64 MiB cost no more than the limit and a few pieces."""
    with RogueServer("huge_body") as server:
        probe(server.url)  # what the first poll imports is not counted
        tracemalloc.start()
        try:
            result = probe(server.url, 10.0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert ("too_large", True) == (result.reason, peak < 8 << 20)


@pytest.mark.parametrize(("size", "expected"), [(999, "pass"), (1000, "pass"), (1001, "fail")])
def test_max_body_is_the_largest_that_passes(size: int, expected: str) -> None:
    """A body of exactly max_body bytes is whole."""
    with RogueServer("ok", body="x" * size) as server:
        assert expected == probe(server.url, max_body=1000).outcome


def test_a_declared_size_allocates_nothing() -> None:
    """A Content-Length of 8 GB with three bytes behind it is truncated, and cheap."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 8000000000\r\n\r\nabc"
    with peer(once(head)) as server:
        tracemalloc.start()
        try:
            result = probe(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert ("truncated", True) == (result.reason, peak < 4 << 20)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CHUNKED + b"2\r\nOK\r\n0\r\n\r\n", ("pass", "")),
        (CHUNKED + b"2\r\nOK\r\n", ("fail", "truncated")),
        (CHUNKED + b"9\r\nOK", ("fail", "truncated")),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", ("pass", "")),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK", ("pass", "")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, ("pass", "")),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nOK", ("pass", "")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r", ("fail", "truncated")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", ("fail", "truncated")),
        (b"HTTP/1.1 200 OK\r\nContent-Len", ("fail", "truncated")),
        (b"HTTP/1.1 200 OK\r\n", ("fail", "truncated")),
        (b"HTTP/1.1 100 Continue\r\n\r\n", ("fail", "truncated")),
        (b"HTTP/1.1 abc OK\r\n\r\n", ("fail", "protocol")),
        (b"HTTP/1.1 20 OK\r\n\r\n", ("fail", "protocol")),
        (b"HTTP/1.1 1000 OK\r\n\r\n", ("fail", "protocol")),
        (b"HTTP/2 200 OK\r\n\r\n", ("fail", "protocol")),
        (b"<html>hello</html>\r\n", ("fail", "protocol")),
        (b"\x00\xff\xfe\x01\r\n" * 10, ("fail", "protocol")),
        (b"HTTP/1.1 200 " + b"x" * 70000 + b"\r\n\r\n", ("fail", "protocol")),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", ("fail", "protocol")),
    ],
)
def test_framing_decides(answer: bytes, expected: tuple[str, str]) -> None:
    """Whole answers pass; what was cut is truncated, what is not HTTP is protocol."""
    with peer(once(answer)) as server:
        assert expected == verdict(probe(server.url))


@pytest.mark.parametrize("content_type", ["text/plain; charset=rot13", "x; charset=\0", "text/html; charset=utf-16"])
def test_a_strange_charset_does_not_fail_a_poll(content_type: str) -> None:
    """What does not decode is replaced, and a status is a status."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: " + content_type.encode() + b"\r\n\r\n\xff\xfeO"
    with peer(once(answer)) as server:
        assert "pass" == probe(server.url, expect=lambda response: len(response.text) > 0).outcome


def test_the_reason_phrase_cannot_forge_a_line() -> None:
    """Control characters of the target do not reach the detail."""
    with peer(once(b"HTTP/1.1 500 a\x1b[31mb\x07\x00c\x85d\r\nContent-Length: 0\r\n\r\n")) as server:
        result = probe(server.url)
    assert ("status", True) == (result.reason, result.detail.isprintable())


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_poll_leaves_no_descriptor(behaviour: str) -> None:
    """Each poll closes what it opened, at once and not when the garbage is collected."""
    settings = {"seconds": 0.04} if behaviour == "delay" else VERDICTS[behaviour][0]  # the server sleeps no longer
    gc.disable()
    try:
        with RogueServer(behaviour, **settings) as server:
            probe(server.url, 0.02)
            before = descriptors()
            for _ in range(2):
                probe(server.url, 0.02)
            assert True is wait_until(lambda: descriptors() <= before)
    finally:
        gc.enable()


# Errors of use


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("file:///etc/hostname", "scheme"),
        ("ftp://127.0.0.1/", "scheme"),
        ("data:,x", "scheme"),
        ("127.0.0.1:80", "scheme"),
        ("", "scheme"),
        ("http://", "host"),
        ("http:///path", "host"),
        ("http://127.0.0.1:0/", "port"),
        ("http://127.0.0.1:70000/", "address"),
        ("http://127.0.0.1:x/", "address"),
        ("http://[::1/", "address"),
        ("http://a b/", "blanks"),
        ("http://host/a\nb", "blanks"),
        ("http://host/\x00", "blanks"),
        ("http://" + "x" * 64 + ".invalid/", "host name"),
        ("http://a..b/", "host name"),
    ],
)
def test_an_address_that_cannot_work_is_refused(url: str, word: str) -> None:
    """What is wrong with an address is said when it is given, not when it is polled."""
    with pytest.raises(ConfigError, match=word):
        probe(url)


@pytest.mark.parametrize("url", ["http://tom:s3cret@host:0/", "http://tom:s3cret@/", "http://t:s3cret@a..b/?k=s3cret"])
def test_a_refused_address_does_not_tell_the_login(url: str) -> None:
    """The message of an error names the address without its secrets."""
    with pytest.raises(ConfigError) as caught:
        probe(url)
    assert False is ("s3cret" in str(caught.value))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"methd": "GET"}, "did you mean 'method'"),
        ({"method": "GET /x"}, "method"),
        ({"method": 5}, "method"),
        ({"headers": [("a", "b")]}, "headers"),
        ({"headers": {"a b": "c"}}, "a b"),
        ({"headers": {"X": "a\r\nY: b"}}, "X"),
        ({"headers": {"X": "\u20ac"}}, "X"),
        ({"headers": {"X": 5}}, "X"),
        ({"body": 5}, "body"),
        ({"max_body": 0}, "max_body"),
        ({"verify": "no"}, "verify"),
        ({"ca_file": 5}, "ca_file"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"expect": {"staus_code": 200}}, "status_code"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], word: str) -> None:
    """A wrong option is named."""
    with pytest.raises(ConfigError, match=word):
        probe("http://127.0.0.1:9/", **options)


def test_a_refused_header_does_not_tell_its_value() -> None:
    """Header values are secrets in errors too."""
    with pytest.raises(ConfigError) as caught:
        probe("http://127.0.0.1:9/", headers={"Authorization": "s3cret\n"})
    assert False is ("s3cret" in str(caught.value))


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_a_request_are_for_http_alone(option: str) -> None:
    """tcp:// takes but a few of them."""
    if option in TAKEN["tcp"]:
        pytest.skip("it does take this one")
    with pytest.raises(ConfigError, match=option):
        probe("tcp://127.0.0.1:9", **{option: "GET"})
