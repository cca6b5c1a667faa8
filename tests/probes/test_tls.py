"""TLS of a target: whom it proves to be, until when, and what is said where it cannot."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from typing import Any

import pytest
from stand_ins import DAY, OK, Authority, Talk, mute, once, over_tls, peer, read_request, replying, verdict
from support import python

from minimon import Check, ConfigError, Result, probe
from minimon.clock import SystemClock
from minimon.config import build, load
from minimon.probes import observe, prepare
from minimon.probes.network import Network
from minimon.probes.tls import Trust
from minimon.testing import RogueServer

CLOCK = SystemClock()


class Certificates:
    """What the servers of these tests show."""

    def __init__(self, folder: pathlib.Path) -> None:
        authority = Authority(folder / "ca")
        self.ca = str(authority.file)
        self.good = authority.certify("good", subject="/O=Us/CN=here", names="IP:127.0.0.1,DNS:localhost")
        self.expired = authority.certify("expired", begin=-10.0, end=-2.5)
        self.future = authority.certify("future", begin=2.0)
        self.wrong = authority.certify("wrong", names="DNS:other.invalid")
        self.own = authority.certify("own", own=True)
        self.soon = authority.certify("soon", end=5.5)
        self.client = authority.certify("client", subject="/CN=client", names="")
        self.chained = folder / "chained.pem"
        self.chained.write_bytes(self.good.read_bytes() + authority.file.read_bytes())
        short = Authority(folder / "short", days=15.5)
        self.short_ca, self.of_short = str(short.file), short.certify("of-short")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once."""
    return Certificates(tmp_path_factory.mktemp("tls"))


def facts(result: Result) -> dict[str, Any]:
    """What is told of the certificate."""
    return dict((result.transport or {}).get("certificate") or {})


def der(pem: pathlib.Path) -> bytes:
    """The certificate in its DER form."""
    text = pem.read_text()
    return ssl.PEM_cert_to_DER_cert(text[: text.index("-----END CERTIFICATE-----") + 25] + "\n")


def ask(pem: pathlib.Path, talk: Talk | None = None, timeout: float = 5.0, **options: Any) -> Result:
    """One poll of a server with this certificate."""
    with peer(over_tls(pem, talk or once(OK))) as server:
        return probe(f"https://{server.address}/", timeout, **options)


# Facts


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_a_certificate_is_told(given: Certificates, scheme: str, verify: bool) -> None:
    """Whom it is for, who says so, until when, and whether that was verified."""
    options = {"ca_file": given.ca} if verify else {"verify": False}
    with peer(over_tls(given.good, once(OK))) as server:
        result = probe(f"{scheme}://{server.address}", **options)
    seen = facts(result)
    end = datetime.datetime.fromisoformat(seen.pop("not_after").replace("Z", "+00:00"))
    begin = datetime.datetime.fromisoformat(seen.pop("not_before").replace("Z", "+00:00"))
    days = seen.pop("days")
    chain, _ = seen.pop("chain_days", days), seen.pop("chain_not_after", "")
    assert ("pass", True, True, True) == (result.outcome, 29.9 < days <= 30, (end - begin).days == 31, chain == days)
    assert seen == {
        "subject": "CN=here, O=Us",
        "issuer": "CN=Private CA",
        "names": ["127.0.0.1", "localhost"],
        "fingerprint": hashlib.sha256(der(given.good)).hexdigest(),
        "verified": verify,
    }


def test_the_version_of_tls_is_told(given: Certificates) -> None:
    """And the phases have one of it."""
    result = ask(given.good, ca_file=given.ca)
    seen = (result.transport or {})["tls"], list(result.phases or {})
    assert ("TLSv1.3", ["connect", "tls", "first_byte", "transfer", "total"]) == seen


def test_a_result_with_a_certificate_is_plain_data(given: Certificates) -> None:
    """It can be sent to another process and back."""
    result = ask(given.good, ca_file=given.ca)
    assert result == Result.of(result.plain())


def test_plain_http_has_no_certificate() -> None:
    """Nothing is told of what is not there."""
    with RogueServer("ok") as server:
        assert [] == [key for key in ("tls", "certificate") if key in (probe(server.url).transport or {})]


def test_the_first_of_a_chain_to_expire_is_told(given: Certificates) -> None:
    """Where Python gives the chain: from 3.13 on."""
    seen = facts(ask(given.of_short, ca_file=given.short_ca))
    expected = 15.5 if sys.version_info >= (3, 13) else None
    assert (29.9, expected) == (
        min(29.9, seen["days"]),
        round(seen["chain_days"], 1) if "chain_days" in seen else None,
    )


def test_a_kept_connection_tells_its_certificate(given: Certificates) -> None:
    """Each poll does."""
    with peer(over_tls(given.good, replying(OK))) as server:
        prepared = prepare(Check("web", f"https://{server.address}/", ca_file=given.ca, reuse=True).spec())
        one, two = (observe(prepared, CLOCK) for _ in range(2))
        connections = server.connections
    seen = (two.transport or {})["reused"], "tls" in (two.phases or {}), (two.transport or {}).get("tls")
    assert (1, (True, False, "TLSv1.3")) == (connections, seen)
    assert {**facts(one), "days": 0, "chain_days": 0} == {**facts(two), "days": 0, "chain_days": 0}


# Refusals


DATES = ("expire", "issued by CN=Private CA")
REFUSED = {
    "expired": ("certificate has expired", *DATES),
    "future": ("not yet valid", "it is good from "),
    "own": ("self-signed", "expire", "issued by CN=own"),
    "wrong": ("127.0.0.1", "it is for "),
    "stranger": ("authority is not known", *DATES),
    "chained": ("self-signed certificate in certificate chain", *DATES),
}


def refused(given: Certificates, kind: str) -> Result:
    """The result of a poll that is refused in this way."""
    trusting = {} if kind in ("own", "stranger", "chained") else {"ca_file": given.ca}
    return ask(given.good if kind == "stranger" else getattr(given, kind), **trusting)


@pytest.fixture(scope="module")
def refusals(given: Certificates) -> dict[str, Result]:
    """Each kind, polled once."""
    return {kind: refused(given, kind) for kind in REFUSED}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_certificate_is_refused_with_its_reason(refusals: dict[str, Result], kind: str) -> None:
    """Reason tls; what is wrong, and what of the certificate tells most about it."""
    result = refusals[kind]
    assert (("fail", "tls"), [], False) == (
        verdict(result),
        [word for word in REFUSED[kind] if word not in result.detail],
        facts(result)["verified"],
    )


def test_each_refusal_has_its_own_words(refusals: dict[str, Result]) -> None:
    """They can be told apart, by people and by what reads logs."""
    texts = {re.sub(r"\d", "", result.detail.partition(";")[0]) for result in refusals.values()}
    assert len(REFUSED) == len(texts)


@pytest.mark.parametrize("kind", ["own", "stranger", "chained"])
def test_what_may_be_trusted_is_said(refusals: dict[str, Result], kind: str) -> None:
    """The remedy is named."""
    assert True is ("ca_file" in refusals[kind].detail)


def test_an_expired_certificate_says_for_how_long(refusals: dict[str, Result]) -> None:
    """Days, and the date."""
    result = refusals["expired"]
    assert (True, True) == ("expired 2.5 days ago" in result.detail, facts(result)["not_after"][:10] in result.detail)


@pytest.mark.parametrize("kind", ["expired", "future", "own", "wrong", "good"])
def test_any_certificate_is_accepted_unverified(given: Certificates, kind: str) -> None:
    """With verify=False; what it says is told all the same."""
    result = ask(getattr(given, kind), verify=False)
    assert ("pass", False, True) == (result.outcome, facts(result)["verified"], "not_after" in facts(result))


def test_no_request_is_sent_before_the_certificate_is_good(given: Certificates) -> None:
    """A login is not told to who cannot prove its name."""
    seen: list[bytes] = []
    with peer(over_tls(given.own, once(OK, seen))) as server:
        probe(f"https://tom:s3cret@{server.address}/", ca_file=given.ca)
    assert [] == seen


def test_a_redirect_to_plain_http_drops_the_headers(given: Certificates) -> None:
    """Another scheme is another origin."""
    with RogueServer("ok") as there:
        to = f"HTTP/1.1 302 Found\r\nLocation: {there.url}\r\nContent-Length: 0\r\n\r\n".encode()
        result = ask(given.good, once(to), ca_file=given.ca, headers={"X-Api-Key": "s3cret"})
        assert ("pass", None) == (result.outcome, there.requests[0].headers.get("x-api-key"))


def test_an_own_certificate_can_be_trusted(given: Certificates) -> None:
    """As its own authority."""
    assert ("pass", "") == verdict(ask(given.own, ca_file=str(given.own)))


@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_a_refused_certificate_is_looked_at_once_an_hour(given: Certificates, scheme: str) -> None:
    """By a second connection, on which nothing is sent; the polls after it know what it saw."""
    seen: list[bytes] = []
    with peer(over_tls(given.expired, once(OK, seen))) as server:
        target = f"{scheme}://{server.address}"
        prepared = prepare(Check("web", target, ca_file=given.ca, **({"send": "x"} if scheme == "tls" else {})).spec())
        results = [observe(prepared, CLOCK) for _ in range(4)]
        assert (5, []) == (server.connections, seen)
    assert [("tls", True, True)] * 4 == [
        (result.reason, "expired 2.5 days ago" in result.detail, "certificate" in (result.transport or {}))
        for result in results
    ]


def test_the_second_look_is_within_the_same_time(given: Certificates) -> None:
    """A target that does not answer again is refused all the same, in time."""
    shake, first = over_tls(given.expired, once(OK)), []

    def talk(client: socket.socket) -> None:
        first.append(1)
        (shake if len(first) == 1 else mute)(client)

    with peer(talk) as server:
        result = probe(f"https://{server.address}/", 0.3, ca_file=given.ca)
    assert ("tls", True, {}, True) == (result.reason, "expired" in result.detail, facts(result), result.elapsed < 1.3)


def test_a_second_look_that_failed_is_made_once_an_hour_too(given: Certificates) -> None:
    """A target that refuses it is not bothered with it again and again."""
    shake, times = over_tls(given.expired, once(OK)), []

    def talk(client: socket.socket) -> None:
        times.append(1)
        if len(times) != 2:
            shake(client)

    with peer(talk) as server:
        prepared = prepare(Check("web", f"https://{server.address}/", ca_file=given.ca).spec())
        results = [observe(prepared, CLOCK) for _ in range(3)]
    assert ([False] * 3, 4) == ([bool(facts(result)) for result in results], len(times))


def facts_of(given: Certificates, *kinds: str) -> tuple[list[str], int]:
    """Of one check, polled while the server shows these in turn: what is told of each, and how many connections."""
    now = [""]
    talks = {kind: over_tls(getattr(given, kind), once(OK)) for kind in kinds}
    told = []
    with peer(lambda client: talks[now[0]](client)) as server:
        prepared = prepare(Check("web", f"https://{server.address}/", ca_file=given.ca).spec())
        for now[0] in kinds:
            told.append(facts(observe(prepared, CLOCK))["subject"])
        return told, server.connections


def test_a_certificate_that_is_refused_for_another_reason_is_looked_at_anew(given: Certificates) -> None:
    """Within the hour, too: what is told is of the one that was refused."""
    assert (["CN=expired", "CN=wrong"], 4) == facts_of(given, "expired", "wrong")


def test_after_a_good_certificate_nothing_old_is_told(given: Certificates) -> None:
    """One that is refused for the same reason as another was before is looked at."""
    assert (["CN=wrong", "CN=here, O=Us", "CN=client"], 5) == facts_of(given, "wrong", "good", "client")


# Handshakes that fail


def alert(client: socket.socket) -> None:
    """What a TLS server says to who speaks plain."""
    client.recv(4096)
    client.sendall(b"\x15\x03\x01\x00\x02\x02\x46")


def test_plain_http_on_a_tls_port_is_told() -> None:
    """With the remedy."""
    with peer(alert) as server:
        result = probe(server.url)
    assert ("protocol", True) == (result.reason, "https://" in result.detail)


def test_plain_http_on_a_real_tls_port_fails(given: Certificates) -> None:
    """Whatever it says."""
    with peer(over_tls(given.good, once(OK))) as server:
        assert "fail" == probe(server.url, 2.0).outcome


@pytest.mark.parametrize("said", [OK, b"SSH-2.0-x\r\n", b"220 mail ESMTP\r\n", b"\0" * 100])
@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_tls_on_a_plain_port_is_told(given: Certificates, scheme: str, said: bytes) -> None:
    """It does not speak TLS; and it is not asked a second time for its certificate."""

    def talk(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(said)
        mute(client)

    with peer(talk) as server:
        result = probe(f"{scheme}://{server.address}", ca_file=given.ca)
        assert ("tls", True, 1) == (result.reason, "does not speak TLS" in result.detail, server.connections)


def hang_up(client: socket.socket) -> None:
    """Closes in the midst of the handshake."""
    client.recv(4096)


def reset(client: socket.socket) -> None:
    """The same, by a RST."""
    client.recv(4096)
    reset_at_once(client)


def reset_at_once(client: socket.socket) -> None:
    """Before a word was said."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def plain(client: socket.socket) -> None:
    """Speaks HTTP, whatever it hears."""
    client.recv(4096)
    client.sendall(OK)
    mute(client)


@pytest.mark.parametrize("talk", [hang_up, reset])
def test_an_end_in_the_handshake_is_told(given: Certificates, talk: Talk) -> None:
    """Reason tls: there was a connection."""
    with peer(talk) as server:
        result = probe(f"https://{server.address}/", ca_file=given.ca)
    assert ("fail", "tls", True) == (*verdict(result), result.detail.startswith("tls: "))


def test_an_end_before_a_word_is_told(given: Certificates) -> None:
    """If it comes early enough, it is the connect that fails."""
    with peer(reset_at_once) as server:
        result = probe(f"https://{server.address}/", ca_file=given.ca)
    assert ("fail", True) == (result.outcome, result.detail.split(":")[0] == result.reason in ("tls", "connect"))


def dripping(client: socket.socket) -> None:
    """Sends the begin of a ServerHello byte by byte."""
    client.recv(4096)
    for byte in b"\x16\x03\x03\x40\x00" + b"\x02" * 1000:
        client.sendall(bytes((byte,)))
        threading.Event().wait(0.02)


@pytest.mark.parametrize(("scheme", "talk"), [("https", mute), ("https", dripping), ("tls", dripping)])
def test_a_handshake_that_hangs_ends_at_the_timeout(given: Certificates, scheme: str, talk: Talk) -> None:
    """It says that it was the handshake."""
    with peer(talk) as server:
        result = probe(f"{scheme}://{server.address}", 0.1, ca_file=given.ca)
    seen = *verdict(result), result.detail.startswith("tls: "), result.elapsed < 1.1
    assert ("fail", "timeout", True, True) == seen


def hello_again(client: socket.socket) -> None:
    """Asks for the handshake to begin anew, for ever (RFC 5246, 7.4.1.1): OpenSSL goes through them without an end."""
    client.recv(4096)
    while True:
        client.sendall((b"\x16\3\3\0\4" + bytes(4)) * 30_000)


@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_a_flood_in_the_handshake_ends_at_the_timeout(given: Certificates, scheme: str) -> None:
    """Of messages that mean nothing."""
    with peer(hello_again) as server:
        result = probe(f"{scheme}://{server.address}", 0.3, ca_file=given.ca)
    assert ("fail", "timeout", True) == (*verdict(result), result.elapsed < 1.3)


def test_old_versions_are_not_spoken() -> None:
    """On any Python, verified or not."""
    network = Network()
    assert [ssl.TLSVersion.TLSv1_2] * 2 == [network.context(Trust(verify)).minimum_version for verify in (True, False)]


def test_a_server_of_the_past_is_told(given: Certificates) -> None:
    """TLS 1.1 is not spoken any more."""
    with peer(over_tls(given.good, once(OK), oldest=True)) as server:
        result = probe(f"https://{server.address}/", ca_file=given.ca)
    assert ("fail", "tls", True) == (*verdict(result), "refuses: protocol version" in result.detail)


def test_handshakes_that_fail_can_be_told_apart(given: Certificates) -> None:
    """Each has its own words."""
    details = []
    for talk in (hang_up, reset, plain, over_tls(given.good, once(OK), oldest=True), over_tls(given.own, once(OK))):
        with peer(talk) as server:
            details.append(probe(f"https://{server.address}/", ca_file=given.ca).detail)
    assert 5 == len(set(details))


# Certificates of clients


@pytest.mark.parametrize("form", ["one file", "list of one", "two files"])
def test_a_client_shows_its_certificate(given: Certificates, form: str, tmp_path: pathlib.Path) -> None:
    """Given as one file, or two."""
    one = str(given.client)
    key = str(given.client.with_suffix(".key"))
    cert = {"one file": one, "list of one": [one], "two files": (one, key)}[form]
    with peer(over_tls(given.good, once(OK), clients=pathlib.Path(given.ca))) as server:
        assert ("pass", "") == verdict(probe(f"https://{server.address}/", ca_file=given.ca, cert=cert))


@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_a_missing_certificate_of_the_client_is_told(given: Certificates, scheme: str) -> None:
    """Reason tls; it is the target that refuses."""
    talk = over_tls(given.good, once(OK), clients=pathlib.Path(given.ca))
    options = {"send": "x"} if scheme == "tls" else {}
    with peer(talk) as server:
        result = probe(f"{scheme}://{server.address}", ca_file=given.ca, **options)
    assert ("fail", "tls", True) == (*verdict(result), "refuses: certificate required" in result.detail)


def shown(client: Any, certificates: list[str]) -> None:
    """Notes who the client is."""
    names = dict(pair[0] for pair in (client.getpeercert() or {}).get("subject", ()))
    certificates.append(names.get("commonName", ""))


@pytest.mark.parametrize(("same", "expected"), [(True, ["client", "client"]), (False, ["client", ""])])
def test_another_origin_does_not_see_who_the_client_is(given: Certificates, same: bool, expected: list[str]) -> None:
    """A redirect within the origin shows the certificate again, another one does not."""
    seen: list[str] = []
    location = "/next"

    def talk(client: socket.socket) -> None:
        shown(client, seen)
        to = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        once(to if len(seen) == 1 else OK)(client)

    secure = over_tls(given.good, talk, clients=pathlib.Path(given.ca), optional=True)
    with peer(secure) as here, peer(secure) as there:
        location = "/next" if same else f"https://{there.address}/"
        result = probe(f"https://{here.address}/", ca_file=given.ca, cert=str(given.client))
    assert ("pass", expected) == (result.outcome, seen)


def test_a_long_way_does_not_show_who_the_client_is(given: Certificates) -> None:
    """Not within the other origin, nor back at the first one."""
    seen: list[str] = []
    to: dict[bytes, str] = {}

    def talk(client: socket.socket) -> None:
        shown(client, seen)
        path = read_request(client).split(b" ")[1]
        where = to.get(path)
        client.sendall(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\n\r\n".encode() if where else OK)

    secure = over_tls(given.good, talk, clients=pathlib.Path(given.ca), optional=True)
    with peer(secure) as here, peer(secure) as there:
        to.update({b"/": f"https://{there.address}/b1", b"/b1": "/b2", b"/b2": f"https://{here.address}/a1"})
        to[b"/a1"] = "/a2"
        result = probe(f"https://{here.address}/", ca_file=given.ca, cert=str(given.client))
    assert ("pass", ["client", "", "", "", ""]) == (result.outcome, seen)


def refuses_files(given: Certificates, **options: Any) -> str:
    """The message of a refusal."""
    with pytest.raises(ConfigError) as caught:
        prepare(Check("web", "https://127.0.0.1:9/", **options).spec())
    return str(caught.value)


def test_an_encrypted_key_is_refused(given: Certificates, tmp_path: pathlib.Path) -> None:
    """At construction, and without asking anybody for its password."""
    key = tmp_path / "encrypted.key"
    command = ["openssl", "pkcs8", "-topk8", "-in", str(given.client.with_suffix(".key")), "-passout", "pass:s3cret"]
    subprocess.run([*command, "-out", str(key)], check=True, capture_output=True, timeout=60)
    script = f"""
from minimon import Check
from minimon.probes import prepare
for scheme in "https", "tls":
    try:
        prepare(Check("web", scheme + "://127.0.0.1:9", cert=({str(given.client)!r}, {str(key)!r})).spec())
    except Exception as error:
        print(type(error).__name__, error)
"""
    done = python(script, timeout=10.0)
    told = [(line[:29], "not encrypted" in line) for line in done.stdout.splitlines()]
    assert ([("ConfigError check 'web': cert", True)] * 2, "") == (told, done.stderr)


@pytest.mark.parametrize("option", ["cert", "ca_file"])
@pytest.mark.parametrize("content", [None, "", "rubbish"])
def test_a_file_that_cannot_be_used_is_refused(
    given: Certificates, tmp_path: pathlib.Path, content: str | None, option: str
) -> None:
    """Missing, empty or none: the option and the file are named."""
    path = tmp_path / "given.pem"
    if content is not None:
        path.write_text(content)
    message = refuses_files(given, **{option: str(path)})
    assert (True, True) == (message.startswith(f"check 'web': {option}"), "given.pem" in message)


def test_a_key_of_another_certificate_is_refused(given: Certificates) -> None:
    """They do not belong together."""
    message = refuses_files(given, cert=(str(given.client), str(given.good.with_suffix(".key"))))
    assert True is message.startswith("check 'web': cert")


@pytest.mark.parametrize("cert", ["client.pem", ["client.pem"], ["client.pem", "client.key"], {"env": "CERT"}])
def test_files_are_meant_from_the_folder_of_the_configuration(
    given: Certificates, tmp_path: pathlib.Path, cert: Any
) -> None:
    """Wherever the program was started."""
    for source in (pathlib.Path(given.ca), given.client, given.client.with_suffix(".key")):
        shutil.copy(source, tmp_path)
    file = tmp_path / "checks.json"
    with peer(over_tls(given.good, once(OK), clients=pathlib.Path(given.ca))) as server:
        options = {"target": f"https://{server.address}/", "ca_file": "ca.pem", "cert": cert}
        file.write_text(json.dumps({"checks": {"web": options}}))
        built = build(load(file), {"CERT": "client.pem"})
        assert ("pass", "") == verdict(observe(prepare(built.checks[0].spec()), CLOCK))


# Names and authorities


@pytest.mark.parametrize("scheme", ["https", "tls"])
def test_another_name_can_be_proved(given: Certificates, scheme: str) -> None:
    """The server is asked for it, and its certificate has to be for it."""
    names: list[str | None] = []
    with peer(over_tls(given.wrong, once(OK), names=names)) as server:
        result = probe(f"{scheme}://{server.address}", ca_file=given.ca, server_name="other.invalid")
    assert ("pass", ["other.invalid"]) == (result.outcome, names)


@pytest.mark.parametrize("name", ["localhost", "localhost."])
def test_a_name_is_asked_for_without_its_last_dot(given: Certificates, name: str) -> None:
    """As SNI has it (RFC 6066, 3), and certificates too."""
    names: list[str | None] = []
    with peer(over_tls(given.good, once(OK), names=names)) as server:
        result = probe(f"https://{server.address}", ca_file=given.ca, server_name=name)
    assert ("pass", ["localhost"]) == (result.outcome, names)


def test_the_name_of_the_address_has_to_be_proved_otherwise(given: Certificates) -> None:
    """A certificate that is good for the address is not for the other name."""
    result = ask(given.good, ca_file=given.ca, server_name="other.invalid")
    assert ("tls", True) == (result.reason, "other.invalid" in result.detail)


def test_another_origin_has_to_prove_its_own_name(given: Certificates) -> None:
    """The other name was for the first one."""
    with peer(over_tls(given.good, once(OK))) as there:
        to = f"HTTP/1.1 302 Found\r\nLocation: https://{there.address}/\r\nContent-Length: 0\r\n\r\n".encode()
        assert ("pass", "") == verdict(ask(given.wrong, once(to), ca_file=given.ca, server_name="other.invalid"))


@pytest.mark.parametrize("given_file", [True, False])
def test_authorities_of_the_environment_are_trusted(given: Certificates, given_file: bool) -> None:
    """SSL_CERT_FILE names them."""
    with peer(over_tls(given.good, once(OK))) as server:
        named = repr(given.ca) if given_file else repr(os.devnull)
        script = f"import os; os.environ['SSL_CERT_FILE'] = {named}\nfrom minimon import probe\n"
        done = python(f"{script}print(*probe('https://{server.address}/')[1:3])")
    assert ("pass" if given_file else "fail tls", "") == (done.stdout.strip(), done.stderr)


def test_contexts_are_shared_by_their_settings() -> None:
    """They are costly: one for each setting."""
    network = Network()
    contexts = [network.context(Trust(verify=verify)) for verify in (True, False, True, False)]
    assert (2, True, True) == (len(set(map(id, contexts))), contexts[0] is contexts[2], contexts[1] is contexts[3])


# Warnings


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("soon", {"cert_warn_days": 21}, "warn"),
        ("soon", {"cert_warn_days": 5}, "pass"),
        ("soon", {}, "pass"),
        ("good", {"cert_warn_days": 21}, "pass"),
        ("soon", {"cert_warn_days": 21, "verify": False}, "warn"),
        ("expired", {"cert_warn_days": 21, "verify": False}, "warn"),
        ("soon", {"cert_warn_days": 21, "expect": {"status_code": 500}}, "fail"),
    ],
)
def test_a_certificate_that_ends_soon_is_a_warning(
    given: Certificates, name: str, options: dict[str, Any], expected: str
) -> None:
    """So many days before, for an answer that passes."""
    trust = {} if "verify" in options else {"ca_file": given.ca}
    assert expected == ask(getattr(given, name), **options, **trust).outcome


def test_a_warning_says_when_it_ends(given: Certificates) -> None:
    """Days, date and the option."""
    result = ask(given.soon, ca_file=given.ca, cert_warn_days=21)
    words = "expires in 5.5 days", facts(result)["not_after"][:10], "cert_warn_days 21"
    assert ("condition", []) == (result.reason, [word for word in words if word not in result.detail])


def test_a_chain_that_ends_soon_is_a_warning(given: Certificates) -> None:
    """Where Python gives it, and it says that it is the chain; its date is that of the authority."""
    result = ask(given.of_short, ca_file=given.short_ca, cert_warn_days=21)
    if sys.version_info < (3, 13):
        assert ("pass", "") == verdict(result)
        return
    end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=15.5 * DAY)).date().isoformat()
    assert ("warn", True, True) == (result.outcome, "authority" in result.detail, f"({end})" in result.detail)


def test_a_port_warns_too(given: Certificates) -> None:
    """tls:// is for certificates of anything."""
    with peer(over_tls(given.soon, mute)) as server:
        result = probe(f"tls://{server.address}", ca_file=given.ca, cert_warn_days=21)
    assert ("warn", "condition") == verdict(result)


def test_a_kept_connection_warns_each_time(given: Certificates) -> None:
    """A certificate does not get younger."""
    with peer(over_tls(given.soon, replying(OK))) as server:
        options = {"ca_file": given.ca, "reuse": True, "cert_warn_days": 21}
        prepared = prepare(Check("web", f"https://{server.address}/", **options).spec())
        assert ["warn"] * 3 == [observe(prepared, CLOCK).outcome for _ in range(3)]


# The end of a stream


UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\nwelcome"


def rude(content: bytes) -> Talk:
    """Closes without the farewell of TLS."""

    def talk(client: socket.socket) -> None:
        read_request(client)
        client.sendall(content)
        client.shutdown(socket.SHUT_RDWR)

    return talk


@pytest.mark.parametrize(("talk", "unclean"), [(rude(UNTIL_THE_END), True), (None, False), (rude(OK), False)])
def test_an_end_without_farewell_is_flagged(given: Certificates, talk: Talk | None, unclean: bool) -> None:
    """A body that only the end of the connection ends may have been cut; one with a length has not."""

    def polite(client: socket.socket) -> None:
        read_request(client)
        client.sendall(UNTIL_THE_END)

    result = ask(given.good, talk or polite, ca_file=given.ca)
    assert ("pass", unclean) == (result.outcome, (result.transport or {}).get("unclean", False))


@pytest.mark.parametrize("content", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nX: y"])
@pytest.mark.parametrize("polite", [True, False])
def test_a_cut_answer_is_truncated(given: Certificates, content: bytes, polite: bool) -> None:
    """With a farewell or without."""

    def talk(client: socket.socket) -> None:
        read_request(client)
        client.sendall(content)

    assert ("fail", "truncated") == verdict(ask(given.good, talk if polite else rude(content), ca_file=given.ca))


SMALL_RECORDS = """
import resource
from minimon import probe
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
probe({url!r}, 20.0, verify=False, method="HEAD")
before = peak()
result = probe({url!r}, 20.0, verify=False)
print(result.outcome, result.transport["bytes"] > {size}, peak() - before < 1 << 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in KiB on Linux")
@pytest.mark.long
def test_a_body_in_small_records_is_read_in_bounded_memory(given: Certificates) -> None:
    """One byte in each, which takes 23: what waits to be decrypted does not grow."""

    size = 1 << 20

    def talk(client: socket.socket) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
        if read_request(client).startswith(b"HEAD"):
            client.sendall(head)
            return
        client.sendall(head)
        for _ in range(size):
            client.sendall(b"x")

    with peer(over_tls(given.good, talk)) as server:
        done = python(SMALL_RECORDS.format(url=f"https://{server.address}/", size=size))
    assert ("pass True True\n", "") == (done.stdout, done.stderr)


# tls:// as a target


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("pass", "")),
        ({"send": "PING\r\n", "expect": "+PONG"}, ("pass", "")),
        ({"send": b"PING\r\n", "expect": b"+PONG"}, ("pass", "")),
        ({"send": "PING\r\n"}, ("pass", "")),
        ({"send": "PING\r\n", "expect": "+OK"}, ("fail", "timeout")),
        ({"expect": "+PONG"}, ("fail", "timeout")),
    ],
)
def test_a_port_is_asked_over_tls(given: Certificates, options: dict[str, Any], expected: tuple[str, str]) -> None:
    """What is said and expected is under TLS."""

    def talk(client: socket.socket) -> None:
        if client.recv(4096) == b"PING\r\n":
            client.sendall(b"+PONG\r\n")
            mute(client)

    with peer(over_tls(given.good, talk)) as server:
        result = probe(f"tls://{server.address}", 0.15 if expected[1] else 5.0, ca_file=given.ca, **options)
    assert (expected, True) == (verdict(result), result.elapsed < 1.15)


def test_a_port_with_a_bad_certificate_is_told_nothing(given: Certificates) -> None:
    """What would be sent is not."""
    heard: list[bytes] = []
    with peer(over_tls(given.expired, lambda client: heard.append(client.recv(100)))) as server:
        result = probe(f"tls://{server.address}", ca_file=given.ca, send="s3cret")
    assert ("tls", b"") == (result.reason, b"".join(heard))


def test_a_large_body_that_is_taken_slowly_ends_at_the_timeout(given: Certificates) -> None:
    """Under TLS, too, who takes a little now and then does not prolong the time."""

    def sip(client: socket.socket) -> None:
        while client.recv(16384):
            threading.Event().wait(0.02)

    result = ask(given.good, sip, 0.2, ca_file=given.ca, body=b"x" * (8 << 20))
    assert ("fail", "timeout", True) == (*verdict(result), result.elapsed < 1.2)


DEFAULT = """
import socket
socket.setdefaulttimeout(0.02)
from minimon import Check
from minimon.clock import SystemClock
from minimon.probes import observe, prepare
for reuse in True, False:
    prepared = prepare(Check("web", {url!r}, verify=False, reuse=reuse).spec())
    print([str(observe(prepared, SystemClock()).outcome) for _ in range(2)])
"""


def test_a_default_timeout_of_the_host_changes_nothing(given: Certificates) -> None:
    """Under TLS neither."""

    def slow(client: socket.socket) -> None:
        while read_request(client):
            threading.Event().wait(0.06)
            client.sendall(OK)

    with peer(over_tls(given.good, slow)) as server:
        done = python(DEFAULT.format(url=f"https://{server.address}/"))
    assert ("['pass', 'pass']\n" * 2, "") == (done.stdout, done.stderr)
