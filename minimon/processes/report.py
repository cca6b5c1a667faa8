"""What is told of processes, as plain data. Pure: what is known of them, and the time, are arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model import stamp
from .lifecycle import SERVING, Life, State
from .program import Program


def overall(lives: Mapping[str, Life]) -> str:
    """healthy; degraded, while what `live` asks for does not hold; unhealthy, when one that is wanted is not up, or has
    ended badly.
    """
    if not all(life.well for life in lives.values()):
        return "unhealthy"
    return "degraded" if any(life.state in SERVING and life.why for life in lives.values()) else "healthy"


def readiness(lives: Mapping[str, Life], runs: bool, draining: bool) -> dict[str, Any]:
    """Whether requests may come: `{"ready": bool, "status": word, "blockers": {name: state}}`."""
    blockers = {name: str(life.state) for name, life in lives.items() if not life.well}
    ready = not blockers and runs and not draining
    starting = all(_comes_up(life) for life in lives.values() if not life.well)
    word = "ready" if ready else "draining" if draining else "starting" if starting else "not ready"
    return {"ready": ready, "status": word, "blockers": blockers}


def _comes_up(life: Life) -> bool:
    """Whether it is on its way for the first time."""
    return life.restarts == 0 and life.state in (State.STOPPED, State.STARTING)


def view(program: Program, life: Life, pid: int | None, now: float, wall: float) -> dict[str, Any]:
    """One process. `now` is monotonic, `wall` since the epoch."""
    up = life.up and pid is not None
    return {
        "state": str(life.state),
        "since": stamp(wall - (now - life.since)) if life.since else None,
        "pid": pid if up else None,
        "code": None if up else life.code,
        "why": life.why or life.fault,
        "well": life.well,
        "wanted": life.wanted,
        "uptime_s": round(now - life.begun, 3) if up else None,
        "restarts": life.restarts,
        "next_in_s": round(max(0.0, life.due - now), 3) if life.state is State.BACKOFF else None,
        "restart": program.restart.condition,
        "depends_on": dict(program.depends_on),
    }


def is_there(life: Life, launches: int, once: bool) -> bool:
    """Whether it was launched, and is as it should be; or was `once`."""
    asked = launches or life.since  # else nothing was done with it yet
    return bool(asked) and (life.well or (once and life.met))


def has_failed(life: Life, once: bool) -> bool:
    """Whether nothing will become of it."""
    return life.state is State.FAILED or (life.state is State.EXITED and bool(life.why) and not once)
