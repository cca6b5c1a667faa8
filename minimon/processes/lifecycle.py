"""What becomes of one program: a state machine. Pure: instants (monotonic) and randomness are arguments.

stopped ─ launched ─▶ starting ─▶ running (nothing tells when it is ready), or ready
    ▲                    │              │
    │                    ▼              ▼        ended, as its `restart` says:
    └──── stopping ◀─ halted ───────────┴──────▶ exited, failed, or backoff ─ launched ─▶ starting
"""

from __future__ import annotations

import enum
import math
from typing import NamedTuple


class State(str, enum.Enum):
    """What a process is at."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    READY = "ready"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    EXITED = "exited"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


MEANINGS = {
    State.STOPPED: "not wanted, or its turn has not come: `why` names what it waits for",
    State.STARTING: "launched; what `ready` asks for does not hold yet",
    State.RUNNING: "launched, and nothing says when it is ready",
    State.READY: "launched, and `ready` has held",
    State.BACKOFF: "it has ended, and is launched again after a delay",
    State.STOPPING: "it was told to end",
    State.EXITED: "it has ended by itself, and is not launched again; `code` is the exit code, null if that was lost",
    State.FAILED: "it could not be launched, was not ready in time, or has ended too often; `why` says which",
}
PHRASES = {
    State.STOPPED: "it is stopped",
    State.STARTING: "it is starting",
    State.RUNNING: "it is running",
    State.READY: "it is ready",
    State.BACKOFF: "it is to be launched again",
    State.STOPPING: "it is stopping",
    State.EXITED: "it has ended",
    State.FAILED: "it has failed",
}
"""The same within a sentence."""
UP = (State.STARTING, State.RUNNING, State.READY, State.STOPPING)
"""States in which there is a process."""
SERVING = (State.RUNNING, State.READY)
CONDITIONS = ("no", "on-failure", "always")
"""When a program is launched again."""


class Restart(NamedTuple):
    """When and how soon a program that has ended is launched again."""

    condition: str = "no"
    """no; on-failure (that of a dict that does not say it): for a code other than 0, or when `ready` or `live` do not
    hold; always."""
    delay: float = 1.0
    """Seconds (1) before the first time; twice as many before each further one, a tenth more or less."""
    max_delay: float = 60.0
    """Seconds at most (60)."""
    max_attempts: int = 5
    """Ends within `window` after which it is given up (5): failed. Those that somebody else has brought about count."""
    window: float = 60.0
    """Seconds (60). Once it has been up for as long, it begins anew."""


class Life(NamedTuple):
    """What is known of one program."""

    state: State = State.STOPPED
    since: float = 0.0
    wanted: bool = False
    """Whether it is to be up."""
    why: str = ""
    """Of a failure; "" when all is well."""
    fault: str = ""
    """Why it is being ended, if that is a failure."""
    code: int | None = None
    """Of the last run; a signal's number, negative, if that has ended it."""
    met: bool = False
    """Whether `ready` has held in this run."""
    begun: float = 0.0
    """When it was launched the last time."""
    ends: tuple[float, ...] = ()
    """When it has ended without being told to, as long as that counts."""
    attempts: int = 0
    """Launches in a row after such ends."""
    restarts: int = 0
    """How often it was launched again, by itself or by hand."""
    due: float = math.inf
    """When the backoff is over."""

    @property
    def up(self) -> bool:
        """Whether there is a process."""
        return self.state in UP

    @property
    def well(self) -> bool:
        """Whether it is as it should be: it serves, or has done what it was for, or nobody wants it."""
        if self.state is State.EXITED:
            return not self.why
        return self.state in SERVING or not self.wanted

    @property
    def settled(self) -> bool:
        """Whether nothing is under way."""
        return self.state in (*SERVING, State.EXITED, State.FAILED) or (self.state is State.STOPPED and not self.wanted)


def launched(life: Life, now: float) -> Life:
    """Its process runs."""
    again = life.begun > 0.0
    return life._replace(
        state=State.STARTING,
        since=now,
        begun=now,
        why="",
        fault="",
        met=False,
        due=math.inf,
        restarts=life.restarts + again,
    )


def met(life: Life, asked: bool, now: float) -> Life:
    """What `ready` asks for holds, or nothing was `asked` for."""
    if life.state is not State.STARTING:
        return life._replace(met=True)
    return life._replace(state=State.READY if asked else State.RUNNING, since=now, met=True, why="")


def halted(life: Life, now: float, fault: str = "") -> Life:
    """It is told to end; with a `fault`, because something is wrong with it."""
    if not life.up:
        return life._replace(state=State.STOPPED, since=now, due=math.inf)
    told = life.state is State.STOPPING and not life.fault  # already: what it does now is no fault of its
    return life._replace(state=State.STOPPING, since=now, fault="" if told else fault)


def wanted(life: Life, yes: bool) -> Life:
    """Somebody has said whether it is to be up: what has failed so far does not count any more."""
    return life._replace(wanted=yes, ends=(), attempts=0)


def ended(life: Life, restart: Restart, code: int | None, expected: bool, now: float, draw: float) -> Life:
    """Its process has ended. `expected` says whether that code is a good one; `draw` is random, 0 to 1."""
    before, life = life, life._replace(code=code, since=now)
    if before.state is State.STOPPING and not before.fault:
        return life._replace(state=State.STOPPED, met=False)
    early = not before.fault and not before.met
    why = before.fault or _told(code, expected, early)
    if not before.wanted:
        return life._replace(state=State.EXITED, why="", fault="")
    if restart.condition == "no" or (restart.condition == "on-failure" and not why):
        state = State.FAILED if before.fault or early else State.EXITED
        return life._replace(state=state, why=why, fault="")
    return _again(life._replace(fault="", met=False), restart, why or f"it ended with code {code}", now, draw)


def refused(life: Life, restart: Restart, why: str, now: float, draw: float) -> Life:
    """It could not be launched."""
    life = life._replace(since=now, begun=now, code=None, met=False, fault="")
    if restart.condition == "no":
        return life._replace(state=State.FAILED, why=why)
    return _again(life, restart, why, now, draw)


def _again(life: Life, restart: Restart, why: str, now: float, draw: float) -> Life:
    """After a delay, if it has not been too often."""
    ends = (*(at for at in life.ends if at > now - restart.window), now)
    if len(ends) >= restart.max_attempts:
        told = f"given up after {len(ends)} ends within {restart.window:g} s: {why}"
        return life._replace(state=State.FAILED, why=told, ends=ends)
    attempts = 0 if now - life.begun >= restart.window else life.attempts
    delay = min(restart.delay * 2.0 ** min(attempts, 60), restart.max_delay) * (0.9 + 0.2 * draw)
    delay = min(delay, restart.max_delay)
    return life._replace(state=State.BACKOFF, why=why, ends=ends, attempts=attempts + 1, due=now + delay)


def _told(code: int | None, expected: bool, early: bool) -> str:
    """What is wrong with an end; "" for nothing."""
    if code is None:
        return "it ended, and its exit code was lost: the host ignores SIGCHLD, or waits for any child"
    if expected and not early:
        return ""
    told = f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"
    return f"{told} before it was ready" if early else told
