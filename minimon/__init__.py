"""minimon: a monitor that lives inside another program. See `python -m minimon help`, or README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .checks import Check as Check
    from .checks import Probe as Probe
    from .checks import Resource as Resource
    from .compat.httsleep import httsleep as httsleep
    from .conditions import Condition as Condition
    from .errors import Alarm as Alarm
    from .errors import ConfigError as ConfigError
    from .errors import JsonPathError as JsonPathError
    from .errors import LifecycleError as LifecycleError
    from .errors import MinimonError as MinimonError
    from .errors import NotReadyError as NotReadyError
    from .errors import PortError as PortError
    from .errors import UnknownCheckError as UnknownCheckError
    from .errors import WaitCancelled as WaitCancelled
    from .errors import WaitTimeout as WaitTimeout
    from .model import Change as Change
    from .model import CheckState as CheckState
    from .model import Fault as Fault
    from .model import Outcome as Outcome
    from .model import Response as Response
    from .model import Result as Result
    from .model import Status as Status
    from .monitor import Monitor as Monitor
    from .probes import harnessed as harnessed
    from .probes import probe as probe
    from .probes.http import HttpProbe as HttpProbe
    from .processes.program import Program as Program
    from .processes.supervisor import Supervisor as Supervisor
    from .processes.verifiers import Verifier as Verifier
    from .serve.handler import HealthCheckHandler as HealthCheckHandler
    from .serve.server import HealthCheckServer as HealthCheckServer
    from .waiting import wait_for as wait_for

_HOMES = {
    "checks": ("Check", "Probe", "Resource"),
    "compat": (),
    "compat.httsleep": ("httsleep",),
    "conditions": ("Condition",),
    "errors": (
        *("Alarm", "ConfigError", "JsonPathError", "LifecycleError", "MinimonError", "NotReadyError", "PortError"),
        *("UnknownCheckError", "WaitCancelled", "WaitTimeout"),
    ),
    "jsonpath": (),
    "model": ("Change", "CheckState", "Fault", "Outcome", "Response", "Result", "Status"),
    "monitor": ("Monitor",),
    "processes": (),
    "probes": ("harnessed", "probe"),
    "probes.http": ("HttpProbe",),
    "processes.program": ("Program",),
    "processes.supervisor": ("Supervisor",),
    "processes.verifiers": ("Verifier",),
    "serve.handler": ("HealthCheckHandler",),
    "serve.server": ("HealthCheckServer",),
    "testing": (),
    "waiting": ("wait_for",),
}
_TABLE = {name: home for home, names in _HOMES.items() for name in names}

_APART = ("compat", "processes")
"""Rooms that may be left out of a copy: their names are asked for one by one."""

__all__ = ["__version__", *sorted(name for name, home in _TABLE.items() if home.partition(".")[0] not in _APART)]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import minimon` costs next to nothing."""
    from importlib import import_module

    if name in _TABLE:
        value = getattr(import_module(f".{_TABLE[name]}", __name__), name)
    elif name in _HOMES:
        return import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_TABLE, *__all__})
