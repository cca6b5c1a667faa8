"""TLS of a target: contexts, which are costly, the handshake within the deadline, and what the certificate says."""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..errors import ConfigError
from ..model import stamp, validity
from ..text import short
from .der import read
from .message import TargetError
from .wire import PIECE, Wire

_SELF_SIGNED, _UNKNOWN = (18, 19), (2, 20, 21)
"""Codes of OpenSSL's verification (x509_vfy.h): X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT and so on."""


NEED = "; certificate and key are needed, as PEM, not encrypted"
RECORD = 1 << 14
"""Bytes of a TLS record at most."""


class Trust(NamedTuple):
    """What makes one TLS setting different from another."""

    verify: bool = True
    ca_file: str | None = None
    cert: tuple[str, str | None] | None = None


DEFAULT = Trust()


def context_of(trust: Trust) -> ssl.SSLContext:
    """A context for these settings. Raises ConfigError for files that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=trust.ca_file)  # without one: the system's, or SSL_CERT_FILE's
    except OSError as error:  # an ssl.SSLError is one
        raise ConfigError(f"ca_file {trust.ca_file!r}: {_plain(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's own from 3.10 on, as is that a cut end is told
    if ssl.OPENSSL_VERSION_INFO >= (3,):
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
    if not trust.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if trust.cert is not None:
        try:  # without a password OpenSSL would ask for one at the terminal
            context.load_cert_chain(*trust.cert, password=lambda: "")
        except OSError as error:
            need = "" if isinstance(error, FileNotFoundError) else NEED
            raise ConfigError(f"cert {', '.join(filter(None, trust.cert))!r}: {_plain(error)}{need}") from None
    return context


class Unverified(TargetError):
    """The certificate was refused."""


class TlsWire(Wire):
    """A connection under TLS. OpenSSL never has the socket: what keeps it busy for ever could not be interrupted."""

    __slots__ = ("_in", "_out", "tls")

    def __init__(self, wire: Wire, context: ssl.SSLContext, name: str) -> None:
        super().__init__(wire.sock, wire.trip, wire.address)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name.rstrip(".") or None)

    def shake_hands(self) -> None:
        """The handshake. Raises TargetError."""
        self._drive(self.tls.do_handshake)

    def send(self, data: bytes) -> None:
        """Send all of it. Raises TargetError."""
        for at in range(0, len(data), PIECE):
            self._drive(self.tls.write, data[at : at + PIECE])

    def more(self) -> bytes:
        """The next piece; b"" at the end. An end without a word of farewell may be a cut: it is told as `unclean`."""
        try:
            if not self._in.pending:
                self._feed()  # it would ask for it by an exception
            data: bytes = self._drive(self.tls.read, RECORD)
        except _Cut:
            self.trip.unclean = True
            return b""
        self.trip.received += len(data)
        return data

    def is_fit(self, since: float) -> bool:
        """As above; nothing may wait to be decrypted either."""
        return not self._in.pending and super().is_fit(since)

    def _drive(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """One step of OpenSSL, which is given what it asks for piece by piece, as long as there is time."""
        while True:
            try:
                result = step(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError as error:
                with contextlib.suppress(TargetError):
                    self._flush()  # the alert that says what we think of it
                raise self._meant(error) from None
            else:
                self._flush()
                return result

    def _feed(self) -> None:
        received = self._pull()
        if received:
            self._in.write(received)
        else:
            self._in.write_eof()

    def _flush(self) -> None:
        if self._out.pending:
            self._push(self._out.read())

    def _meant(self, error: ssl.SSLError) -> TargetError:
        """What an error of OpenSSL means."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unverified("tls", f"tls: {_meaning(error)}")
        word = error.reason or ""
        if word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
            return TargetError("tls", "tls: the target does not speak TLS; is it http://, or another port?")
        if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) or "EOF" in str(error):
            return _Cut("tls", "tls: the connection was closed in the handshake")
        return TargetError("tls", f"tls: {_words(word) or _plain(error)}")


class _Cut(TargetError):
    """The connection ended, and TLS did not."""


def _plain(error: OSError) -> str:
    """An error's text without the places in Python's source."""
    return re.sub(r" ?[(]_ssl.*", "", error.strerror or str(error))


def _words(reason: str) -> str:
    """OpenSSL's name of an error, such as TLSV1_ALERT_PROTOCOL_VERSION, in words."""
    words = reason.replace("_", " ").lower()
    found = re.fullmatch(r"(?:ssl|tls)v\d+ (?:alert )?(.*)", words)
    more = "; TLS 1.2 or later is spoken here" if "version" in words or "unsupported protocol" in words else ""
    return f"the target refuses: {found[1]}{more}" if found else words + more


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
    wire.trip.enter("tls", "tls")
    try:
        secured = TlsWire(wire, context, name)
        secured.shake_hands()
    except BaseException as error:
        wire.close()
        if isinstance(error, ValueError):  # a name that no certificate can have
            raise TargetError("tls", f"tls: {short(error)}") from None
        if isinstance(error, TargetError) and error.kind == "connect":
            raise TargetError("tls", error.detail) from None
        raise
    return secured


class Witness:
    """Keeps what was last read of a target's certificate: the next poll will most likely see the same."""

    def __init__(self) -> None:
        self._seen: tuple[tuple[bytes, ...], tuple[dict[str, Any], float, float] | None] = ((), None)

    def facts(self, tls: Any, verified: bool) -> dict[str, Any] | None:
        """The certificate as plain data; `days` are left until it expires, `chain_days` until the first of all does."""
        chain = _chain(tls, verified)
        if chain != self._seen[0]:
            self._seen = chain, _described(chain)
        seen, known = self._seen
        if known is None or seen != chain:
            return None
        facts, leaf, first = known
        now = time.time()
        told = {**facts, "verified": verified, "days": round((leaf - now) / 86400, 2)}
        if len(chain) > 1:
            told.update(chain_days=round((first - now) / 86400, 2), chain_not_after=stamp(first))
        return told


def fitting(refusal: str, facts: Mapping[str, Any]) -> str:
    """What of a certificate tells most about why it was refused."""
    if "mismatch" in refusal:
        return f"it is for {', '.join(facts['names'][:3]) or facts['subject'] or 'nobody'}"
    if "not yet valid" in refusal:
        return f"it is good from {facts['not_before'][:10]} on"
    return validity(facts)


def _chain(tls: Any, verified: bool) -> tuple[bytes, ...]:
    """The leaf first, in DER. The others are given from Python 3.13 on."""
    chain: list[bytes] = getattr(tls, "get_verified_chain" if verified else "get_unverified_chain", list)()
    leaf = tls.getpeercert(binary_form=True)
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
