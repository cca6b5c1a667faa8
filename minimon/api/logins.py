"""What is remembered of logins: those that were right, for a while, and how often others have failed. Pure."""

from __future__ import annotations

import base64
import hmac
from collections import deque
from typing import NamedTuple

from ..errors import ConfigError
from .accounts import Row, check_password, check_username

LARGEST = 4096
"""Characters of credentials that are looked at."""
LASTS = 60.0
"""Seconds for which a login that was right need not be verified again."""
FRESH = 0.5
"""Seconds after which it is looked up whether that user has been changed by somebody else."""
FREE, WITHIN = 10, 60.0
"""Failures, in so many seconds, after which the next attempt has to wait."""
MOST = 1024
"""Logins, and names or addresses that have failed; of more, the oldest are forgotten."""


class Given(NamedTuple):
    """Who somebody says to be."""

    name: str
    password: str


def read_basic(scheme: str, credentials: str) -> Given | None:
    """Credentials of Basic authentication (RFC 7617, 2), normalised; None for what nobody can have."""
    if scheme != "basic" or len(credentials) > LARGEST:
        return None
    try:
        name, colon, password = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
        return Given(check_username(name), check_password(password)) if colon else None
    except (ValueError, ConfigError):
        return None


class Login(NamedTuple):
    """Credentials that were right."""

    row: Row
    """The user, as it was then."""
    expires: float
    checked: float
    """When that was last compared with what is kept. Both are monotonic."""

    def is_fresh(self, now: float) -> bool:
        """Whether it need not be looked up."""
        return self.checked + FRESH > now


class Logins:
    """Verified logins, by a digest that means nothing without `secret`. The owner holds a lock."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._right: dict[bytes, Login] = {}

    def key(self, credentials: str) -> bytes:
        """What stands for these credentials. No lock is needed."""
        return hmac.digest(self._secret, credentials[: LARGEST + 1].encode("utf-8", "surrogatepass"), "sha256")

    def find(self, key: bytes, now: float) -> Login | None:
        """The login, if it was right and that is not too long ago."""
        login = self._right.get(key)
        if login is not None and login.expires <= now:
            del self._right[key]
            return None
        return login

    def keep(self, key: bytes, row: Row, now: float) -> None:
        """Remember one that was right."""
        self._right.pop(key, None)  # it goes to the end
        self._right[key] = Login(row, now + LASTS, now)
        if len(self._right) > MOST:
            del self._right[next(iter(self._right))]

    def is_fresh(self, key: bytes, now: float) -> bool:
        """Whether it need not be looked up; else who asks has to, and all others go on meanwhile."""
        login = self._right[key]
        if login.is_fresh(now):
            return True
        self._right[key] = login._replace(checked=now)
        return False

    def drop(self, *names: str) -> None:
        """Forget what was right for these users."""
        self._right = {key: login for key, login in self._right.items() if login.row.username not in names}


class Failures:
    """When names, or addresses, have failed. The owner holds a lock."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def wait(self, who: str, now: float) -> float:
        """Seconds until the next attempt may be made; 0.0 for at once."""
        times = self._times.get(who)
        return max(0.0, times[0] + WITHIN - now) if times is not None and len(times) == FREE else 0.0

    def note(self, who: str, now: float) -> bool:
        """One more; whether from now on there is to be waited."""
        times = self._times.pop(who, None) or deque(maxlen=FREE)
        times.append(now)
        self._times[who] = times  # at the end
        if len(self._times) > MOST:
            del self._times[next(iter(self._times))]
        return self.wait(who, now) > 0.0
