"""Whether minimon works in a place is found out there, without pytest; also in Pythons that lack something."""

from __future__ import annotations

import pytest
from support import few, python

from minimon.selftest import MODULES, selftest

CRIPPLED = """
import sys
for name in {names!r}: sys.modules[name] = None
from minimon.cli import main
sys.exit(main(["selftest"]))
"""


def test_it_works_here() -> None:
    """Nothing has failed, whatever may be lacking."""
    assert [] == [found for found in selftest() if found.verdict == "FAILED"]


LACKING = [["ssl", "_ssl"], ["zlib"], ["sqlite3", "_sqlite3", "ctypes", "_ctypes"], ["_hashlib"]]


@pytest.mark.parametrize("missing", few([[name for names in LACKING for name in names], *LACKING], 1), ids=" ".join)
def test_a_python_that_lacks_a_module_monitors(missing: list[str]) -> None:
    """What cannot work is named, with the reason and what it means; the rest goes on."""
    done = python(CRIPPLED.format(names=missing), "-W", "error")
    named = [line.split(":")[0].split()[1] for line in done.stdout.splitlines() if line.startswith("lacks")]
    expected = [name for name in MODULES if name in missing]
    assert (0, expected, "") == (done.returncode, [name for name in named if name in missing], done.stderr)


def test_what_fails_is_told_with_the_reason() -> None:
    """And the code is 1."""
    code = "import sys, minimon.selftest as s; s.POLLS['ok'] = ('fail', 'dns')\n" + CRIPPLED.format(names=[])
    done = python(code)
    assert (1, True) == (
        done.returncode,
        "FAILED  a poll of a server: ok: expected fail dns, got pass" in done.stdout,
    )


def test_what_needs_a_module_says_so() -> None:
    """When the check is made, not when it is polled."""
    code = """
import sys
sys.modules["zlib"] = None
import minimon
try:
    minimon.probe("http://127.0.0.1:1/", decode=True)
except minimon.ConfigError as error:
    print(error)
"""
    assert "this Python has no zlib module, so nothing can be unpacked: leave decode out" in python(code).stdout
