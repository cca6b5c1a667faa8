"""What a monitor does for the process that it lives in."""

from __future__ import annotations

import os
import sys

DISABLED = "MINIMON_DISABLED"
"""The variable of the environment that turns every start into nothing: for tests of a host, or a bad night."""


def disabled() -> bool:
    """Whether nothing is to be started: the variable is there, and neither empty nor 0. Read at every start."""
    return os.environ.get(DISABLED, "0") not in ("", "0")


def threads_run() -> bool:
    """False under uWSGI without `enable-threads`: there threads can be started, and stand still between requests."""
    return bool(getattr(sys.modules.get("uwsgi"), "has_threads", True))
