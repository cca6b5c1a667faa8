"""Certificates read from their DER form, held against what OpenSSL made and what Python's ssl reads of it."""

from __future__ import annotations

import pathlib
import random
import shutil
import ssl
import subprocess
from typing import Any

import pytest
from support import few

from minimon.probes.der import MOST, Certificate, read

LONG = ["-days", "36500"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the certificates are made."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl program to make a certificate with")
    return tmp_path_factory.mktemp("der")


def made(folder: pathlib.Path, *options: str, subject: str = "/CN=x", names: str = "", key: str = "ec") -> pathlib.Path:
    """A certificate in PEM form. Those of one algorithm share their key."""
    path, file = folder / "made.pem", folder / f"{key}.key"
    if file.exists():
        command = ["openssl", "req", "-x509", "-key", str(file), "-subj", subject]
    else:
        algorithm = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if key == "ec" else [key]
        command = ["openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-subj", subject, "-keyout", str(file)]
    if names:
        command += ["-addext", f"subjectAltName={names}"]
    subprocess.run([*command, *options, "-out", str(path)], check=True, capture_output=True, timeout=60)
    return path


def der(path: pathlib.Path) -> bytes:
    """Its DER form."""
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def by_ssl(path: pathlib.Path) -> dict[str, Any]:
    """What Python's ssl reads of it."""
    return ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("key", ["ec", "rsa:2048", "ed25519"])
@pytest.mark.parametrize("options", [["-days", "2"], LONG], ids=["UTCTime", "GeneralizedTime"])
def test_dates_are_those_of_openssl(folder: pathlib.Path, key: str, options: list[str]) -> None:
    """Both forms of a time, whatever the key."""
    path = made(folder, *options, key=key)
    seen, expected = read(der(path)), by_ssl(path)
    assert tuple(ssl.cert_time_to_seconds(expected[name]) for name in ("notBefore", "notAfter")) == (
        seen.not_before,
        seen.not_after,
    )


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("/CN=example.org", "CN=example.org"),
        ("/C=DE/O=Example Ltd/OU=Web/CN=example.org", "CN=example.org, C=DE, O=Example Ltd, OU=Web"),
        ("/O=No Name", "O=No Name"),
        ("/", ""),
        ("/CN=Jürgen, größer", "CN=Jürgen, größer"),
        ("/CN=a/CN=b", "CN=a, CN=b"),
        ("/ST=Berlin/CN=x", "CN=x"),
        ("/O=" + "x" * 64, "O=" + "x" * 64),
    ],
)
def test_the_subject_is_one_line(folder: pathlib.Path, subject: str, expected: str) -> None:
    """The common name first, then what else is told; one that it signed itself is its own issuer."""
    seen = read(der(made(folder, "-utf8", subject=subject)))
    assert (expected, expected) == (seen.subject, seen.issuer)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", ()),
        ("DNS:a.example", ("a.example",)),
        ("DNS:*.a.example,DNS:b.example", ("*.a.example", "b.example")),
        ("IP:127.0.0.1", ("127.0.0.1",)),
        ("IP:::1,IP:2001:db8::a", ("::1", "2001:db8::a")),
        ("DNS:a,IP:10.0.0.1,IP:::1,DNS:b", ("a", "10.0.0.1", "::1", "b")),
        ("email:a@b.example,URI:https://c.example/,DNS:d", ("d",)),
    ],
)
def test_names_are_those_of_hosts(folder: pathlib.Path, names: str, expected: tuple[str, ...]) -> None:
    """DNS names and addresses, in their order."""
    assert expected == read(der(made(folder, names=names))).names


def test_names_are_bounded(folder: pathlib.Path) -> None:
    """Two hundred of them are a hundred."""
    names = ",".join(f"DNS:n{number}.example" for number in range(200))
    assert tuple(f"n{number}.example" for number in range(MOST)) == read(der(made(folder, names=names))).names


def test_other_extensions_do_not_hide_the_names(folder: pathlib.Path) -> None:
    """They may be critical, and stand before and after."""
    options = ["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=serverAuth"]
    assert ("a.example",) == read(der(made(folder, *options, names="DNS:a.example"))).names


def outcome(content: bytes) -> str:
    """What reading gives: a Certificate, a refusal, or what it must not."""
    try:
        seen = read(content)
    except ValueError:
        return "refused"
    texts = isinstance(seen.subject, str) and all(isinstance(name, str) for name in seen.names)
    return "read" if isinstance(seen, Certificate) and texts else "odd"


@pytest.fixture(scope="module")
def real(folder: pathlib.Path) -> bytes:
    """A certificate with a bit of everything."""
    return der(made(folder, *LONG, subject="/C=DE/O=Ü/CN=x", names="DNS:a.example,IP:10.0.0.1,IP:::1"))


def test_no_part_of_a_certificate_is_one(real: bytes) -> None:
    """However it is cut."""
    assert {"refused"} == {outcome(real[:size]) for size in range(len(real))}


def test_more_than_a_certificate_is_none(real: bytes) -> None:
    """Two are not one, nor is one with a byte behind it."""
    assert ["refused", "refused"] == [outcome(real + real), outcome(real + b"\0")]


@pytest.mark.parametrize("seed", few(range(4)))
def test_a_damaged_certificate_is_read_or_refused(real: bytes, seed: int) -> None:
    """Nothing else happens, whichever bits are wrong."""
    chance, seen = random.Random(seed), set()
    for _ in range(1500):
        content = bytearray(real)
        for _ in range(chance.randint(1, 6)):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        seen.add(outcome(bytes(content)))
    assert {"read", "refused"} == seen


@pytest.mark.parametrize("seed", range(2))
def test_bytes_of_chance_are_refused(seed: int) -> None:
    """Also those that begin like a certificate."""
    chance = random.Random(seed)
    samples = [bytes(chance.randrange(256) for _ in range(chance.randrange(60))) for _ in range(500)]
    whole = [b"\x30" + bytes((len(sample) + 2, 0x30, len(sample))) + sample for sample in samples]
    assert {"refused"} == {outcome(sample) for sample in [*samples, *whole]}


@pytest.mark.parametrize("content", [b"", b"\x30", b"\x30\x80", b"\x30\x00", b"\x30\x84\xff\xff\xff\xff", b"0" * 5000])
def test_what_is_no_certificate_is_refused(content: bytes) -> None:
    """With a ValueError that says so."""
    with pytest.raises(ValueError, match="not a certificate"):
        read(content)
