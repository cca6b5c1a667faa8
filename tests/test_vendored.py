"""A copy under any name and a zip work as the package does."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from support import ROOT, few

POLL = """
import sys
sys.path.insert(0, {where!r})
from {name} import Check, HealthCheckServer, Monitor
import threading, urllib.request
seen = threading.Event()
with Monitor([Check("one", lambda: True)], on_change=lambda change: seen.set()) as monitor:
    with HealthCheckServer(port=0).serving(monitor) as server:
        assert seen.wait(10)
        print(urllib.request.urlopen("http://127.0.0.1:%d/health" % server.port, timeout=5).read().decode())
"""


def run(code: str, *options: str) -> str:
    """What a fresh, isolated interpreter prints."""
    ended = subprocess.run([sys.executable, "-I", *options, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("options", few([("-S", "-OO", "-bb", "-W", "error"), ()], 1), ids=["strict", "plain"])
def test_a_vendored_copy_polls_and_serves(tmp_path: pathlib.Path, options: tuple[str, ...]) -> None:
    """The folder copied into another package under another name is whole."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "__init__.py").touch()
    shutil.copytree(ROOT / "minimon", tmp_path / "host" / "watcher", ignore=shutil.ignore_patterns("__pycache__"))
    code = POLL.format(where=str(tmp_path), name="host.watcher")
    assert run(code, *options) == '{"status": "healthy"}\n'


def test_a_zip_polls_and_serves(tmp_path: pathlib.Path) -> None:
    """A zip on the path is whole."""
    with zipfile.ZipFile(tmp_path / "minimon.zip", "w") as archive:
        for path in sorted((ROOT / "minimon").rglob("*")):
            if "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT))
    code = POLL.format(where=str(tmp_path / "minimon.zip"), name="minimon")
    assert run(code) == '{"status": "healthy"}\n'


def test_the_readme_is_short() -> None:
    """The README has under 900 words."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 900


def test_the_links_of_the_readme_lead_somewhere() -> None:
    """Every relative link is a file."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_top_level_holds_what_it_should() -> None:
    """Beside the package, tests, examples, pyproject.toml and README.md there are dotfiles only."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    if not any(tracked):
        pytest.skip("not a git checkout")
    top = {path.split("/")[0] for path in tracked if path}
    assert {name for name in top if not name.startswith(".")} == {
        "README.md",
        "examples",
        "minimon",
        "pyproject.toml",
        "tests",
    }
