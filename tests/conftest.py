"""Lets the tests import minimon from this checkout, and each other."""

from __future__ import annotations

import pathlib
import sys

for folder in (pathlib.Path(__file__).parent, pathlib.Path(__file__).parent.parent):
    sys.path.insert(0, str(folder))
