"""Every error that minimon raises.

    MinimonError
    ├── ConfigError (ValueError)          a bad value, an unknown option, a duplicate name
    │   └── JsonPathError (ConfigError)   a query that is no JSONPath, or one that is too much work; has `position`
    ├── UnknownCheckError (KeyError)      a name that no check has
    ├── Alarm (MinimonError)              what must not happen has happened, while waiting
    ├── WaitTimeout (TimeoutError)        it was not met in time; has `attempts`, `elapsed`, `response`, `why`
    ├── WaitCancelled (MinimonError)      somebody has ended the wait
    ├── BusyError (RuntimeError)          too much is to be done already; to be tried again later
    ├── UnknownUserError (KeyError)       a name that no user has
    ├── TakenError (ValueError)           a name that another user has
    ├── LastAdminError (ValueError)       without this admin there would be none
    ├── StoreError (RuntimeError)         users cannot be read, or written: the text has the file and why
    │   ├── StoreBusyError (StoreError)   it is locked, or its disk is full; has `retry_after`
    │   └── ReadOnlyError (StoreError)    it can be read, and nothing else
    ├── UnavailableError (RuntimeError)   this host has not what it takes; to be tried again in vain
    ├── LifecycleError (RuntimeError)     a second start, or one for which there is no thread
    ├── NotReadyError (RuntimeError)      what a program requires is not up; has `name`, `status`
    └── PortError (OSError)               an address that cannot be bound; keeps the original errno

What a target does is never an error here: it is a value, `Response.error`.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any


class MinimonError(Exception):
    """The root: `except MinimonError` catches all that minimon raises on purpose."""


class ConfigError(MinimonError, ValueError):
    """A value that cannot work. Raised at construction; names the check or key, and the remedy."""


class JsonPathError(ConfigError):
    """A JSONPath query that does not parse, or takes too much work on a document.

    `position` is the place in the query, from 0; None where there is none.
    """

    def __init__(self, text: str, position: int | None = None) -> None:
        super().__init__(text)
        self.position = position


class UnknownCheckError(MinimonError, KeyError):
    """No check has this name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would show the repr of the text


class LifecycleError(MinimonError, RuntimeError):
    """Something was started that runs already, or for which the system gives no thread."""


class NotReadyError(MinimonError, RuntimeError):
    """A check that a program requires is not up. `name` is the check's, `status` what it is; the text says why."""

    def __init__(self, text: str, name: str = "", status: str = "") -> None:
        super().__init__(text)
        self.name, self.status = name, status


class Alarm(MinimonError):
    """A condition of `alarms` holds. `response` is what was seen, `alarm` the condition as it was given."""

    def __init__(self, text: str, response: Any = None, alarm: Any = None) -> None:
        super().__init__(text)
        self.response, self.alarm = response, alarm


class WaitTimeout(MinimonError, TimeoutError):
    """It was not met in time, or in as many attempts as were allowed.

    `attempts` were made in `elapsed` seconds; `response` is the last (its `error` says why there is no answer), `why`
    what was not met.
    """

    def __init__(
        self, text: str, *, attempts: int = 0, elapsed: float = 0.0, response: Any = None, why: str = ""
    ) -> None:
        super().__init__(text)
        self.attempts, self.elapsed, self.response, self.why = attempts, elapsed, response, why


class WaitCancelled(MinimonError):
    """The Event that was given as `stop` is set, or what was waited for has ended."""


class BusyError(MinimonError, RuntimeError):
    """Too many tasks wait already. Try again later."""


class UnknownUserError(MinimonError, KeyError):
    """No user has this name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # as above


class TakenError(MinimonError, ValueError):
    """Another user has this name."""


class LastAdminError(MinimonError, ValueError):
    """Nobody could add, change or remove users any more. Make another user an admin first."""


class StoreError(MinimonError, RuntimeError):
    """The users cannot be read or written. The text names the file, and what to do."""


class StoreBusyError(StoreError):
    """Another process has locked the users, or the disk is full. Try again after `retry_after` seconds."""

    def __init__(self, text: str, retry_after: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class ReadOnlyError(StoreError):
    """The users can be read, and not be written. Nothing was changed."""


class UnavailableError(MinimonError, RuntimeError):
    """What was asked for cannot be had on this host; the text says what is missing."""


class PortError(MinimonError, OSError):
    """The address cannot be bound. `errno` is the system's; the text has host, port and a hint."""


ALIASES = MappingProxyType(
    {
        "url": "target",
        "uri": "target",
        "address": "target",
        "interval": "every",
        "period": "every",
        "polling_interval": "every",
    }
)
"""Words of others, each with ours."""


LONGEST, MOST = 64, 50
"""Characters of a word, and how many words that begin alike, that are compared at most: that is slow."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint for the end of a message: the nearest known word, else all of them."""
    import bisect
    import difflib  # only ever needed on the way to an error

    names = sorted(known)
    if ALIASES.get(str(word)) in names:
        return f"did you mean {ALIASES[str(word)]!r}?"
    text = str(word)[:LONGEST]
    alike = [name for name in names if len(name) <= LONGEST]
    if len(alike) > MOST:  # those that stand next to it begin alike
        at = bisect.bisect(alike, text)
        alike = alike[max(0, at - MOST // 2) : at + MOST // 2]
    near = difflib.get_close_matches(text, alike, n=1)
    more = ", ..." if len(names) > MOST else ""
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(names[:MOST])}{more}"
