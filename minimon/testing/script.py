"""A probe that follows a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Union

from ..errors import ConfigError
from ..model import Response
from ..probes import Probe

Step = Union[Response, BaseException, type[BaseException], Callable[[float], Response]]


class ScriptedProbe(Probe):
    """A Probe that follows a script, one step a call, the last one for ever. Any thread.

    A step is a Response to return, an exception (or its class) to raise, or a function of the timeout to ask.
    Raises ConfigError for an empty script and for a step that is none of these.
    """

    def __init__(self, script: Iterable[Step]) -> None:
        self._script = tuple(script)
        if not self._script:
            raise ConfigError("a script needs at least one step")
        for step in self._script:
            if not (isinstance(step, (Response, BaseException)) or callable(step)):
                raise ConfigError(f"a step is a Response, an exception or a function, got {step!r:.80}")
        self._calls = 0
        # Guards _calls.
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        """How often it was called so far."""
        with self._lock:
            return self._calls

    def __call__(self, timeout: float) -> Response:
        """Do the next step."""
        step = self._next()
        if isinstance(step, BaseException):
            raise step.with_traceback(None)  # else it would grow with each time that it is raised
        if isinstance(step, type) and issubclass(step, BaseException):
            raise step
        response: Response = step if isinstance(step, Response) else step(timeout)
        return response

    def _next(self) -> Any:
        with self._lock:
            self._calls += 1
            return self._script[min(self._calls, len(self._script)) - 1]
