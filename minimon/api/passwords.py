"""Passwords as they are kept: slow to guess, each with its own parameters, a few at a time for they take memory."""

from __future__ import annotations

import hmac
import math
import os
import threading
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType
from typing import NamedTuple

from ..errors import ConfigError
from ..pool import Pool, deadline_in

SCRYPT, PBKDF2 = "scrypt", "pbkdf2-sha256"
N, R, P = 1 << 14, 8, 1
"""Cost, block size and lanes of scrypt (RFC 7914, 2): 16 MiB and some 60 ms."""
ROUNDS = 600_000
"""Of PBKDF2 with HMAC-SHA256, which stands in where Python has no scrypt."""
SALT, SIZE = 16, 32
"""Bytes of a salt, and of a hash."""
AT_ONCE = 2
"""Hashes that are made at the same time: of 50 logins at once each would take its 16 MiB."""
MUCH = 1 << 20
"""Bytes that a hash takes, from which on it matters where they are kept afterwards."""
LARGEST, LONGEST = 1 << 28, 10_000_000
"""Bytes, and rounds, that a stored text may ask for at most: it may be damaged."""


class Kept(NamedTuple):
    """A stored text, taken apart."""

    scheme: str
    costs: tuple[int, ...]
    """N, r and p of scrypt; the rounds of PBKDF2."""
    salt: bytes
    digest: bytes

    def __str__(self) -> str:
        import base64

        parts = (base64.b64encode(part).decode("ascii") for part in (self.salt, self.digest))
        return "$".join((self.scheme, *map(str, self.costs), *parts))


class Passwords:
    """Makes and verifies stored texts, such as `scrypt$16384$8$1$SALT$HASH`. Any thread; at most two hashes at once.

    `cost` is the N of scrypt, a power of 2; lower ones are for tests.
    """

    def __init__(self, cost: int = N, rounds: int = ROUNDS) -> None:
        import hashlib

        self._scheme = SCRYPT if hasattr(hashlib, "scrypt") else PBKDF2
        self._costs: tuple[int, ...] = (cost, R, P) if self._scheme == SCRYPT else (rounds,)
        if not _is_sane(self._scheme, self._costs):
            raise ConfigError(f"users: a hash cannot cost {cost!r:.20}; give a power of 2, from 2 to {LARGEST // 1024}")
        self.after_fork()

    def after_fork(self) -> None:
        """In the child: nobody else makes a hash."""
        # Guards the memory that hashes take. A leaf, but for the pool's own lock.
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._pool = Pool("minimon-password", 0, AT_ONCE, eager=True, idle=2.0)
        # Guards nothing but that: of two that close it each would have one of the turns, and wait for the other.
        self._closing = threading.Lock()

    def close(self) -> None:
        """End its threads, which end after a minute without work anyway. They come again when they are needed."""
        with self._closing, self._turns, self._turns:  # no hash is under way
            self._pool.stop(deadline_in(1.0))
            self._pool = Pool("minimon-password", 0, AT_ONCE, eager=True, idle=2.0)

    def hash(self, password: str) -> str:
        """The text to be stored. Takes its time."""
        kept = Kept(self._scheme, self._costs, os.urandom(SALT), b"\0" * SIZE)
        with self._turns:
            return str(kept._replace(digest=self._derive(kept, password)))

    def verify(self, password: str, stored: str, settled: Callable[[], bool] = bool) -> bool:
        """Whether this is the password, compared in constant time. Takes its time.

        `settled` is asked when its turn has come: if it need not be known any more no hash is made, and it is False.
        Raises ConfigError for a text that cannot be verified, here or anywhere.
        """
        kept = parse(stored)
        with self._turns:
            return not settled() and hmac.compare_digest(self._derive(kept, password), kept.digest)

    def _derive(self, kept: Kept, password: str) -> bytes:
        """The hash of a password, within a turn.

        What a thread has freed is kept for that thread (mallopt(3), M_ARENA_MAX): 16 MiB for each that ever made one.
        So two threads make them all.
        """
        make = partial(_derive, kept, password)
        if kept.scheme != SCRYPT or 128 * math.prod(kept.costs[:2]) <= MUCH:
            return make()
        made = _Made(make)
        if not self._pool.offer(made):  # there is no thread
            made()
        return made.result()

    def needs_upgrade(self, stored: str) -> bool:
        """Whether a hash that is made today would be harder to guess. Raises ConfigError as `verify`."""
        kept = parse(stored)
        if kept.scheme != self._scheme:
            return self._scheme == SCRYPT
        return math.prod(kept.costs) < math.prod(self._costs)

    def decoy(self) -> str:
        """A stored text that no password has: it costs as much to find that out as for any other."""
        return str(Kept(self._scheme, self._costs, os.urandom(SALT), os.urandom(SIZE)))


def parse(stored: str) -> Kept:
    """Take a stored text apart. Raises ConfigError, without the text."""
    import base64

    scheme, *rest = stored.split("$")
    try:
        costs = tuple(int(part) for part in rest[:-2] if part.isascii() and part.isdigit() and len(part) < 10)
        salt, digest = (base64.b64decode(part, validate=True) for part in rest[-2:])
    except ValueError:
        costs, salt, digest = (), b"", b""
    if len(costs) != len(rest) - 2 or not _is_sane(scheme, costs) or not 16 <= len(digest) <= 64:
        raise ConfigError("the stored hash of the password cannot be understood; set the password anew")
    return Kept(scheme, costs, salt, digest)


def _is_sane(scheme: str, costs: tuple[int, ...]) -> bool:
    """Whether that can be reckoned, in bounds."""
    if scheme == PBKDF2:
        return len(costs) == 1 and 0 < costs[0] <= LONGEST
    if scheme != SCRYPT or len(costs) != 3:
        return False
    n, r, p = costs
    return n > 1 and n & (n - 1) == 0 and 0 < r and 0 < p <= 16 and 128 * n * r <= LARGEST


def _derive(kept: Kept, password: str) -> bytes:
    """The hash of a password by these parameters. Raises ConfigError where Python cannot."""
    import hashlib

    secret, size = password.encode("utf-8"), len(kept.digest)
    if kept.scheme == PBKDF2:
        theirs = getattr(hashlib, "pbkdf2_hmac", None)
        if isinstance(theirs, BuiltinFunctionType):  # up to 3.11 there is one in Python as well, which warns of its end
            return bytes(theirs("sha256", secret, kept.salt, kept.costs[0], size))
        return pbkdf2(secret, kept.salt, kept.costs[0], size)
    if not hasattr(hashlib, "scrypt"):
        raise ConfigError("this Python has no hashlib.scrypt, which the password was stored with; set it anew")
    n, r, p = kept.costs
    enough = 128 * r * (n + p + 2) + 65536  # OpenSSL takes 32 MiB at most by itself
    return hashlib.scrypt(secret, salt=kept.salt, n=n, r=r, p=p, maxmem=enough, dklen=size)


class _Made:
    """A hash that another thread makes."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._digest = b""
        self._wrong: Exception | None = None
        self._done = threading.Event()

    def __call__(self) -> None:
        try:
            self._digest = self._make()
        except Exception as error:  # such as a MemoryError: it is raised where the hash was asked for
            self._wrong = error
        self._done.set()

    def result(self) -> bytes:
        """Once it is made. Raises what was raised there."""
        self._done.wait()
        if self._wrong is not None:
            raise self._wrong
        return self._digest


def pbkdf2(secret: bytes, salt: bytes, rounds: int, size: int) -> bytes:
    """PBKDF2 with HMAC-SHA256 (RFC 8018, 5.2; RFC 2104), for a Python without OpenSSL."""
    from hashlib import sha256

    key = (secret if len(secret) <= 64 else sha256(secret).digest()).ljust(64, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))

    def mac(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    derived = b""
    while len(derived) < size:
        last = mac(salt + (len(derived) // 32 + 1).to_bytes(4, "big"))
        block = int.from_bytes(last, "big")
        for _ in range(rounds - 1):
            last = mac(last)
            block ^= int.from_bytes(last, "big")
        derived += block.to_bytes(32, "big")
    return derived[:size]
