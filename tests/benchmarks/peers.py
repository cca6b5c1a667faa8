"""The programs that minimon is compared with, in a throw-away virtual environment."""

from __future__ import annotations

import os
import pathlib
import sys

from fresh import output

PACKAGES = ("requests", "prometheus_client", "pycurl", "python-jsonpath", "jsonpath-ng", "waitress")


class NoPeersError(Exception):
    """The peers cannot be had here."""


def make(folder: str) -> str:
    """Make the environment in `folder`; its Python. Raises NoPeersError."""
    home = pathlib.Path(folder, "peers")
    python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
    try:
        output(sys.executable, "-m", "venv", str(home), timeout=60)
    except RuntimeError as error:
        raise NoPeersError(f"no virtual environment ({error})") from error
    quiet = ("-q", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "10")
    try:
        output(python, "-m", "pip", "install", *quiet, *PACKAGES, timeout=120)
    except RuntimeError as error:
        raise NoPeersError("no network") from error
    return python
