"""Stand-ins for tests, a host's own too: time moved by hand, a probe with a script, a server that misbehaves."""

from .behaviours import BEHAVIOURS
from .clock import FakeClock
from .play import play
from .rogue import RogueServer
from .script import ScriptedProbe
from .talk import Request

__all__ = ["BEHAVIOURS", "FakeClock", "Request", "RogueServer", "ScriptedProbe", "play"]
