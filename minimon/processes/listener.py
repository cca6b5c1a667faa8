"""The interface of `supervise`: a Supervisor as older clients know it, on a port of its own.

Its `/status` says `{"status": ...}` and nothing more; `/`, `/restart/ID` and `/processes` are those of `interface`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .interface import Interface

if TYPE_CHECKING:
    from .supervisor import Supervisor


class Listener:
    """What a HealthCheckServer serves there. Any thread."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.routes = Interface(supervisor)

    @property
    def draining(self) -> bool:
        """Whether it is being stopped."""
        return self._supervisor.draining

    def is_healthy(self) -> bool:
        """Whether all is well."""
        return self._supervisor.is_healthy()

    def overall(self) -> str:
        """healthy or unhealthy."""
        return self._supervisor.overall()

    def readiness(self) -> dict[str, Any]:
        """Whether requests may come."""
        return self._supervisor.readiness()

    def brief(self) -> dict[str, Any]:
        """The answer of `/status`."""
        return {"status": self._supervisor.status}

    def snapshot(self) -> dict[str, Any]:
        """What the page shows."""
        return self._supervisor.snapshot()

    def get_detailed_stats(self) -> dict[str, Any]:
        """The same."""
        return self._supervisor.snapshot()
