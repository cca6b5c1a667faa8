"""Verifiers: the older way to say that a process came up. Subclass Verifier, and say in `run` whether it did.

    class Answers(Verifier):
        def run(self, process):
            return process.poll() is None and ask(self.port) == "ready"

`run` is called once after each launch, on a thread of its own. It may wait as long as it likes to: when the process
ends, or its `timeout` is over, nobody waits for it any longer.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from typing import Any

from ..clock import SystemClock
from ..errors import ConfigError
from ..text import short

TELL = Callable[[str, str], object]
"""What is told of a verifier: a kind of message, and its text."""
MOST = 1e9
"""Seconds that can be waited for at most."""
TRY = 5.0
"""Seconds that one try may take, if its `interval` is not more."""
FAIL, VERBOSE = "verifier.fail", "verifier.verbose"


def _nobody(kind: str, text: str) -> None:
    """Who hears a verifier of its own."""


class Verifier:
    """Says whether a process came up. Its constructor takes keyword arguments."""

    timeout: float = 30.0
    """Seconds that it may take."""
    said = ""
    """What it has told of its last failed try."""
    _tell: TELL = staticmethod(_nobody)

    def __init__(self, **arguments: Any) -> None:
        """Of a class that has none of its own."""

    def run(self, process: Any) -> bool:
        """True when it came up. `process` offers wait, code, poll, pid, signal, write, terminate, kill."""
        return True

    def log_fail(self, message: str) -> None:
        """Tell that a try has failed."""
        self.said = message
        self._tell(FAIL, f"Verifier fail: {message}")

    def log_verbose(self, message: str) -> None:
        """Tell a detail."""
        self._tell(VERBOSE, f"Verifier: {message}")


class HttpOkVerifier(Verifier):
    """Passes when a URL answers with a 2xx: `url`, `timeout` 30 s in all, `interval` 1 s between tries, `headers`."""

    def __init__(self, **arguments: Any) -> None:
        _known(self, arguments, "url", "timeout", "interval", "headers")
        self.url: str = arguments.get("url", "")
        self.timeout = _seconds(self, "timeout", arguments.get("timeout", 30))
        self.interval = _seconds(self, "interval", arguments.get("interval", 1))
        try:
            self.headers: dict[str, str] = dict(arguments.get("headers") or {})
        except (TypeError, ValueError):
            raise ConfigError(f"{type(self).__name__}: headers must be a dict of texts") from None
        self._probe()

    def _probe(self) -> Any:
        from ..checks import Check
        from ..probes import prepare

        try:
            return prepare(
                Check("url", self.url, headers=self.headers, timeout=max(self.interval, TRY), read_body=False).spec()
            )
        except ConfigError as error:
            raise ConfigError(
                f"{type(self).__name__}: {str(error).replace(f'check {chr(39)}url{chr(39)}', 'url')}"
            ) from None

    def run(self, process: Any) -> bool:
        """Try until it answers, the process has ended, or time is over."""
        from ..probes import observe

        prepared, clock, rest = self._probe(), SystemClock(), threading.Event()
        deadline = clock.monotonic() + self.timeout
        while (left := deadline - clock.monotonic()) > 0 and process.poll() is None:
            self.log_verbose(f"Attempting connection to {short(prepared.name)}")
            result = observe(prepared._replace(timeout=min(prepared.timeout, left)), clock)
            if result.ok:
                return True
            self.log_fail(f"{result.reason}: {result.detail}")
            rest.wait(min(self.interval, max(0.0, deadline - clock.monotonic())))
        return False


class ExitedVerifier(Verifier):
    """Passes when the process has ended with `expect_code` 0 within `timeout` 30 s."""

    def __init__(self, **arguments: Any) -> None:
        _known(self, arguments, "timeout", "expect_code")
        self.timeout = _seconds(self, "timeout", arguments.get("timeout", 30))
        self.expect_code = arguments.get("expect_code", 0)
        if isinstance(self.expect_code, bool) or not isinstance(self.expect_code, int):
            raise ConfigError(
                f"{type(self).__name__}: expect_code must be a whole number, got {self.expect_code!r:.60}"
            )

    def run(self, process: Any) -> bool:
        """Wait for its end."""
        try:
            code = process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            self.log_fail(f"Process did not exit in given timeframe {self.timeout:g}s")
            return False
        if code != self.expect_code:
            self.log_fail(f"Expected exit code {self.expect_code}, got {code}")
        return bool(code == self.expect_code)


def _known(verifier: Verifier, arguments: dict[str, Any], *known: str) -> None:
    from ..errors import did_you_mean

    for key in arguments:
        if key not in known:
            raise ConfigError(f"{type(verifier).__name__}: unknown argument {key!r:.60}; {did_you_mean(key, known)}")


def _seconds(verifier: Verifier, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MOST:
        raise ConfigError(f"{type(verifier).__name__}: {key} must be seconds > 0, got {value!r:.60}")
    return float(value)
