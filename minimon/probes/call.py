"""A callable of the host as a target: it is called on a worker, and cannot be interrupted."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from ..checks import Probe
from ..model import Fault, Response

LAZY = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.GeneratorType)
"""What a careless function returns in place of an answer; each would count as true."""


class CallProbe(Probe):
    """Calls a function without arguments. What it returns is the Response's `value`; what it raises is raised."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def __call__(self, timeout: float) -> Response:
        """Call it. A Response that it returns is taken as it is."""
        value = self._function()
        if hasattr(value, "__await__"):
            getattr(value, "close", _nothing)()  # else Python warns the host of a coroutine that nobody awaited
            return Response(error=Fault("condition", "returned a coroutine; give a function that runs it to its end"))
        if isinstance(value, LAZY):
            return Response(error=Fault("condition", f"returned a {type(value).__name__} that was not run; run it"))
        return value if isinstance(value, Response) else Response(value=value)


def _nothing() -> None:
    """For what is awaited and cannot be closed."""
