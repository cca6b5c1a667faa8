"""TLS of a target: contexts, which are costly, the handshake within the deadline, and what the certificate says."""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from typing import Any, NamedTuple

from ..conditions import short
from ..errors import ConfigError
from ..model import stamp
from .der import read
from .message import TargetError
from .wire import Wire

_SELF_SIGNED, _UNKNOWN = (18, 19), (2, 20, 21)
"""Codes of OpenSSL's verification (x509_vfy.h): X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT and so on."""


class Trust(NamedTuple):
    """What makes one TLS setting different from another."""

    verify: bool = True
    ca_file: str | None = None
    cert: tuple[str, str | None] | None = None


class _Socket(ssl.SSLSocket):
    """One that is closed without a warning where `wrap_socket` failed in the midst of making it."""

    def __del__(self) -> None:
        self.close()


def context_of(trust: Trust) -> ssl.SSLContext:
    """A context for these settings. Raises ConfigError for files that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=trust.ca_file)  # without one: the system's, or SSL_CERT_FILE's
    except OSError as error:  # an ssl.SSLError is one
        raise ConfigError(f"ca_file {trust.ca_file!r}: {error.strerror or error}") from None
    context.sslsocket_class = _Socket
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's own from 3.10 on, as is that a cut end is told
    if ssl.OPENSSL_VERSION_INFO >= (3,):
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
    if not trust.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if trust.cert is not None:
        try:  # without a password OpenSSL would ask for one at the terminal
            context.load_cert_chain(*trust.cert, password=lambda: "")
        except OSError as error:
            text = f"{error.strerror or error}; it needs the certificate and its key, not encrypted, as PEM"
            raise ConfigError(f"cert {trust.cert!r}: {text}") from None
    return context


class Unverified(TargetError):
    """The certificate was refused."""


class TlsWire(Wire):
    """A connection under TLS."""

    __slots__ = ()

    def end(self, error: OSError) -> bytes:
        """An end without a word of farewell may be a cut: it is told as `unclean`."""
        if isinstance(error, ssl.SSLEOFError) or "EOF" in str(error):
            self.trip.unclean = True
            return b""
        raise self.fault(error)

    def fault(self, error: OSError) -> TargetError:
        """What an error of the handshake, or after it, means."""
        if not isinstance(error, ssl.SSLError) or "timed out" in str(error):
            return super().fault(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unverified("tls", f"tls: {_meaning(error)}")
        word = error.reason or ""
        if word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
            return TargetError("tls", "tls: the target does not speak TLS; is it http://, or another port?")
        if isinstance(error, ssl.SSLZeroReturnError) or "EOF" in str(error):
            return TargetError("tls", f"{self.trip.word}: closed in the midst of it")
        return TargetError("tls", f"tls: {_words(word) or re.sub(r' ?[(]_ssl.*', '', str(error))}")


def _words(reason: str) -> str:
    """OpenSSL's name of an error, such as TLSV1_ALERT_PROTOCOL_VERSION, in words."""
    found = re.fullmatch(r"(?:SSL|TLS)V\d+_ALERT_(.*)", reason)
    return f"the target refuses: {found[1].replace('_', ' ').lower()}" if found else reason.replace("_", " ").lower()


def _meaning(error: ssl.SSLCertVerificationError) -> str:
    code, text = error.verify_code, error.verify_message.rstrip(".")
    if code in _SELF_SIGNED:
        return f"{text.replace('self signed', 'self-signed')}; give its ca_file if you trust it"
    if code in _UNKNOWN:
        return f"{text}: the authority is not known, or the chain not whole; give its ca_file if you trust it"
    return text


def secure(wire: Wire, context: ssl.SSLContext, name: str) -> TlsWire:
    """The same connection after the handshake, to talk to who proves to be `name`. Closes it when that fails.

    Raises TargetError, Unverified for a certificate that is refused.
    """
    trip = wire.trip
    trip.enter("tls", "tls")
    try:
        sock = context.wrap_socket(
            wire.sock,
            server_hostname=name.rstrip(".") or None,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
    except (OSError, ValueError) as error:  # a name that no certificate can have; a connection that is gone
        wire.close()
        raise TargetError("tls", f"tls: {short(error)}") from None
    secured = TlsWire(sock, trip, wire.address)
    try:
        sock.settimeout(trip.left())
        sock.do_handshake()
    except BaseException as error:
        secured.close()
        if not isinstance(error, OSError):
            raise
        fault = secured.fault(error)
        raise TargetError("tls", fault.detail) if fault.kind == "connect" else fault from None
    return secured


class Witness:
    """Keeps what was last read of a target's certificate: the next poll will most likely see the same."""

    __slots__ = ("_facts", "_seen")

    def __init__(self) -> None:
        self._seen: tuple[bytes, ...] = ()
        self._facts: tuple[dict[str, Any], float, float] | None = None

    def facts(self, sock: Any, verified: bool) -> dict[str, Any] | None:
        """The certificate as plain data; `days` are left until it expires, `chain_days` until the first of all does."""
        chain = _chain(sock, verified)
        if chain != self._seen:
            self._facts, self._seen = _described(chain), chain
        if self._facts is None:
            return None
        facts, leaf, first = self._facts
        now = time.time()
        told = {**facts, "verified": verified, "days": round((leaf - now) / 86400, 2)}
        if len(chain) > 1:
            told["chain_days"] = round((first - now) / 86400, 2)
        return told


def _chain(sock: Any, verified: bool) -> tuple[bytes, ...]:
    """The leaf first, in DER. The others are given from Python 3.13 on."""
    chain: list[bytes] = getattr(sock, "get_verified_chain" if verified else "get_unverified_chain", list)()
    leaf = sock.getpeercert(binary_form=True)
    return tuple(chain) or ((leaf,) if leaf else ())


def _described(chain: tuple[bytes, ...]) -> tuple[dict[str, Any], float, float] | None:
    try:
        leaf, *others = map(read, chain)
    except ValueError:
        return None
    facts = {
        "subject": short(leaf.subject, 200),
        "issuer": short(leaf.issuer, 200),
        "names": [short(name, 100) for name in leaf.names[:20]],
        "not_before": stamp(leaf.not_before),
        "not_after": stamp(leaf.not_after),
        "fingerprint": hashlib.sha256(chain[0]).hexdigest(),
    }
    return facts, leaf.not_after, min([leaf.not_after, *(other.not_after for other in others)])
