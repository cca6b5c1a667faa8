"""The loggers: one for each module under `minimon`, whatever a vendored copy is called, silent until the host asks."""

from __future__ import annotations

import logging


def logger(module: str) -> logging.Logger:
    """The logger `minimon.MODULE`. Without a handler Python would print warnings to a host's stderr."""
    root = logging.getLogger("minimon")
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    return logging.getLogger(f"minimon.{module}")
