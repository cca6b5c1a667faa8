"""Passwords as they are kept: the vectors of the RFCs, bounds, what a Python may lack, and how many at a time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from members import CHEAP
from support import few, our_threads, python, wait_until

from minimon import ConfigError
from minimon.api.passwords import AT_ONCE, Passwords, _Made, parse, pbkdf2

cheap = Passwords(CHEAP)

# RFC 7914, 12: scrypt(secret, salt, N, r, p); RFC 7914, 11: PBKDF2-HMAC-SHA256(secret, salt, rounds)
NACL = (
    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
    "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
)
PASSWD = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
COUNTED = "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"


def base64_of(digits: str) -> str:
    import base64

    return base64.b64encode(bytes.fromhex(digits)).decode("ascii")


def test_scrypt_is_that_of_the_rfc() -> None:
    """A text that another program has made by the RFC is understood."""
    assert cheap.verify("password", f"scrypt$1024$8$16${base64_of('4e61436c')}${base64_of(NACL)}")


@pytest.mark.parametrize(
    ("secret", "salt", "rounds", "expected"),
    [(b"passwd", b"salt", 1, PASSWD), (b"Password", b"NaCl", 80_000, COUNTED)],
    ids=["one round", "many rounds"],
)
def test_our_own_pbkdf2_is_that_of_the_rfc(secret: bytes, salt: bytes, rounds: int, expected: str) -> None:
    """Where there is no OpenSSL, ours stands in."""
    assert expected == pbkdf2(secret, salt, rounds, 32).hex()


@pytest.mark.parametrize("length", [64, 65, 200])
def test_our_own_pbkdf2_is_that_of_openssl(length: int) -> None:
    """For long passwords, and for more than a block, too."""
    hashlib = pytest.importorskip("hashlib")
    expected = hashlib.pbkdf2_hmac("sha256", b"x" * length, b"salt", 3, 80)
    assert expected == pbkdf2(b"x" * length, b"salt", 3, 80)


def test_pbkdf2_is_verified_where_scrypt_is_preferred() -> None:
    """A file may come from a Python that had nothing better."""
    stored = f"pbkdf2-sha256$80000${base64_of('4e61436c')}${base64_of(COUNTED)}"
    assert (True, False, True) == (
        cheap.verify("Password", stored),
        cheap.verify("password", stored),
        cheap.needs_upgrade(stored),
    )


def test_the_parameters_stand_in_the_text() -> None:
    """So that they can grow."""
    passwords = Passwords()
    scheme, n, r, p, salt, digest = passwords.hash("secret").split("$")
    passwords.close()
    assert ("scrypt", "16384", "8", "1", 24, 44) == (scheme, n, r, p, len(salt), len(digest))


def test_a_password_is_verified() -> None:
    """That one, and no other."""
    stored = cheap.hash("pä:ß")
    assert [True, False, False] == [cheap.verify(each, stored) for each in ("pä:ß", "pä:ss", "")]


def test_no_two_texts_are_alike() -> None:
    """Nobody sees who has the same password."""
    assert cheap.hash("secret") != cheap.hash("secret")


def test_nobody_has_the_decoys_password() -> None:
    """It costs as much as that of a user."""
    decoy = cheap.decoy()
    assert (False, parse(cheap.hash("")).costs) == (cheap.verify("", decoy), parse(decoy).costs)


@pytest.mark.parametrize(("cost", "expected"), [(32, True), (16, False), (8, False)])
def test_a_cheaper_hash_needs_an_upgrade(cost: int, expected: bool) -> None:
    """A dearer one is left as it is."""
    assert expected is Passwords(cost).needs_upgrade(cheap.hash("secret"))


GOOD = cheap.decoy()
BAD = {
    "empty": "",
    "plain": "secret",
    "cut": GOOD[:-30],
    "no salt": "scrypt$16$8$1$" + GOOD.split("$")[-1],
    "another scheme": GOOD.replace("scrypt", "bcrypt"),
    "no power of 2": GOOD.replace("$16$", "$17$"),
    "too dear": GOOD.replace("$16$", "$1073741824$"),
    "much memory": GOOD.replace("$8$", "$900000000$"),
    "many lanes": GOOD.replace("$8$1$", "$8$100000$"),
    "negative": GOOD.replace("$16$", "$-16$"),
    "sign": GOOD.replace("$16$", "$+16$"),
    "other digits": GOOD.replace("$16$", "$١٦$"),
    "long number": GOOD.replace("$16$", "$" + "1" * 5000 + "$"),
    "not base64": GOOD.replace("=", "!"),
    "no rounds": f"pbkdf2-sha256$0${base64_of('4e61436c')}${base64_of(PASSWD)}",
    "many rounds": f"pbkdf2-sha256$999999999${base64_of('4e61436c')}${base64_of(PASSWD)}",
}


@pytest.mark.parametrize("stored", BAD.values(), ids=BAD)
def test_a_damaged_text_is_an_error(stored: str) -> None:
    """With a remedy, without the text; it takes neither memory nor time."""
    with pytest.raises(ConfigError, match=r"^the stored hash of the password cannot be understood; set .* anew$"):
        cheap.verify("secret", stored)


@pytest.mark.parametrize("cost", [0, 1, 3, -2, 1 << 30])
def test_a_cost_that_cannot_be_is_refused(cost: int) -> None:
    """At once, and not when somebody logs in."""
    with pytest.raises(ConfigError, match="users: a hash cannot cost"):
        Passwords(cost)


WITHOUT = """
import sys
for name in {names!r}: sys.modules[name] = None
from minimon.api import passwords
kept = passwords.Passwords(rounds=1000)
text = kept.hash("sécret")
print(text.split("$")[:2], kept.verify("sécret", text), kept.verify("secret", text), kept.needs_upgrade(text))
try:
    kept.verify("secret", {scrypt!r})
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize("missing", [["_hashlib"]])
def test_without_openssl_there_is_pbkdf2(missing: list[str]) -> None:
    """And what was stored with scrypt says why it cannot be verified."""
    done = python(WITHOUT.format(names=missing, scrypt=GOOD), "-W", "error")
    expected = "['pbkdf2-sha256', '1000'] True False False\nthis Python has no hashlib.scrypt, which"
    assert (expected, "") == (done.stdout[: len(expected)], done.stderr)


# --- how many at a time


class Occupied:
    """Hashes that do not end before they may; how many are made at a time."""

    def __init__(self, passwords: Passwords, count: int) -> None:
        # Guards what follows.
        self._changed = threading.Condition()
        self.inside = self.most = self.done = 0
        self._free = False
        self._threads = [threading.Thread(target=self._verify, args=(passwords,)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _verify(self, passwords: Passwords) -> None:
        passwords.verify("secret", GOOD, self._hold)
        with self._changed:
            self.inside -= 1
            self.done += 1

    def _hold(self) -> bool:
        with self._changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._changed.wait_for(lambda: self._free, 10.0)
            return False

    def release(self) -> None:
        """Let all of them end."""
        with self._changed:
            self._free = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(10.0)


def test_two_hashes_are_made_at_a_time() -> None:
    """Fifty that are asked for at once wait for their turn."""
    occupied = Occupied(Passwords(CHEAP), 50)
    wait_until(lambda: occupied.inside == AT_ONCE)
    occupied.release()
    assert (AT_ONCE, 50) == (2, occupied.done) and occupied.most <= AT_ONCE + 1


PEAK = """
import resource, sys, threading
from minimon.api.users import UserStore
sys.path.insert(0, "tests/api")
from members import basic
store = UserStore()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
names = [basic(f"user-{number}", "secret") for number in range(COUNT)]
threads = [threading.Thread(target=store.authenticate, args=("basic", name)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("count", few([10, 50], 1))
def test_many_logins_at_once_take_the_memory_of_two(count: int) -> None:
    """At the real cost each hash takes 16 MiB."""
    pytest.importorskip("resource")
    assert int(python(PEAK.replace("COUNT", str(count))).stdout) < 64


def test_its_threads_end_when_it_is_closed() -> None:
    """It goes on when it is needed again."""
    passwords, threads = Passwords(), []
    stored = passwords.hash("secret")
    for _ in range(2):
        told = passwords.verify("secret", stored)
        threads.append((told, {*our_threads()}))
        passwords.close()
    assert ([(True, {"minimon-password"})] * 2, []) == (threads, our_threads())


WITHOUT_THREADS = """
import threading
from minimon.api.passwords import Passwords
def start(self): raise RuntimeError("can't start new thread")
threading.Thread.start = start
passwords = Passwords()
print(passwords.verify("secret", passwords.hash("secret")))
"""


def test_without_threads_there_are_hashes() -> None:
    """Made by who asks."""
    done = python(WITHOUT_THREADS)
    assert ("True\n", "") == (done.stdout, done.stderr)


def test_what_a_hash_raises_is_raised() -> None:
    """Where it was asked for; the next one is made."""

    def fail() -> bytes:
        raise MemoryError("no memory")

    made = _Made(fail)
    made()
    with pytest.raises(MemoryError, match="no memory"):
        made.result()


def test_what_need_not_be_known_any_more_costs_nothing() -> None:
    """The answer is no, and no hash is made."""
    asked: list[Any] = []
    assert (False, 1) == (cheap.verify("secret", cheap.hash("secret"), lambda: not asked.append(1)), len(asked))
