"""Copies of the package: whole, verified, the same bytes for the same files; and what is refused."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from support import python

from minimon.hosting.vendoring import SUMS, archive, check, contents, vendor, write_zip


def run(*arguments: str, cwd: pathlib.Path, **environment: str) -> tuple[int, str, str]:
    """A Python of its own in that folder: exit code, stdout, stderr."""
    bare = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**bare, **environment}, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def command(*arguments: str) -> tuple[int, str, str]:
    """`python -m minimon ...`"""
    code = f"import sys; from minimon.cli import main; sys.exit(main({list(arguments)!r}))"
    done = python(code)
    return done.returncode, done.stdout, done.stderr


def test_a_copy_has_every_file_and_is_whole(tmp_path: pathlib.Path) -> None:
    """With the licence, the changes, and the mark for type checkers."""
    target = pathlib.Path(vendor(str(tmp_path)))
    there = {str(each.relative_to(target)) for each in target.rglob("*") if each.is_file()}
    assert ({*contents(), SUMS, "VENDORED"}, []) == (there, check(str(tmp_path)))
    assert {"LICENSE", "CHANGES.md", "py.typed", "serve/httpd.py"} <= there


def test_a_copy_polls_under_its_own_name(tmp_path: pathlib.Path) -> None:
    """Isolated, without site, without docstrings, with all warnings as errors."""
    vendor(str(tmp_path / "shop" / "_vendor"))
    for folder in ("shop", "shop/_vendor"):
        (tmp_path / folder / "__init__.py").write_text("")
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from shop._vendor.minimon import Check, HealthCheckServer, Monitor\n"
        "with Monitor([Check('a', lambda: True)]) as m, HealthCheckServer(port=0).serving(m):\n"
        "    m.wait_for('a')\n"
        "print(m.state('a').status.value, 'minimon' in sys.modules)"
    )
    done = run("-I", "-S", "-OO", "-bb", "-W", "error", "-c", code, cwd=tmp_path)
    assert (0, "up False\n", "") == done


def test_the_sums_are_those_of_the_system(tmp_path: pathlib.Path) -> None:
    """`sha256sum -c` agrees."""
    target = vendor(str(tmp_path))
    try:
        done = subprocess.run(["sha256sum", "--quiet", "-c", SUMS], cwd=target, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no sha256sum")
    assert (0, "") == (done.returncode, done.stdout)


def test_what_differs_is_named(tmp_path: pathlib.Path) -> None:
    """Changed, missing, added; bytecode is no difference."""
    target = pathlib.Path(vendor(str(tmp_path)))
    (target / "model.py").write_text("# mine")
    (target / "LICENSE").unlink()
    (target / "mine.py").write_text("")
    (target / "__pycache__").mkdir(exist_ok=True)
    (target / "__pycache__" / "model.pyc").write_bytes(b"")
    assert (1, "missing: LICENSE\nnot ours: mine.py\nchanged: model.py\n", "") == command(
        "vendor", "--check", str(tmp_path)
    )


def test_a_copy_that_was_not_changed_is_replaced(tmp_path: pathlib.Path) -> None:
    """And nothing is left beside it."""
    first = command("vendor", str(tmp_path))[0]
    assert ([0, 0, 0], ["minimon"]) == (
        [first, command("vendor", str(tmp_path))[0], command("vendor", "--check", str(tmp_path))[0]],
        os.listdir(tmp_path),
    )


def test_what_was_changed_or_is_no_copy_is_left_alone(tmp_path: pathlib.Path) -> None:
    """With the remedy."""
    target = pathlib.Path(vendor(str(tmp_path)))
    (target / "model.py").write_text("# mine")
    changed = command("vendor", str(tmp_path))
    (target / SUMS).unlink()
    other, unknown = command("vendor", str(tmp_path)), command("vendor", "--check", str(tmp_path))
    assert [1, 1, 1] == [changed[0], other[0], unknown[0]]
    assert "was changed (changed: model.py)" in changed[2] and "is no copy that was made by" in other[2]
    assert ("makes a copy" in unknown[2], "# mine") == (True, (target / "model.py").read_text())


def test_the_same_files_make_the_same_bytes(tmp_path: pathlib.Path) -> None:
    """Whenever, and from wherever it is made: from the archive itself too."""
    path = tmp_path / "minimon.pyz"
    write_zip(str(path))
    again = run(str(path), "zip", "-o", "again.pyz", cwd=tmp_path)
    assert (0, True, True) == (
        again[0],
        path.read_bytes() == archive(contents()),
        path.read_bytes() == (tmp_path / "again.pyz").read_bytes(),
    )


def test_one_file_runs_and_is_imported(tmp_path: pathlib.Path) -> None:
    """`./minimon.pyz`, and on PYTHONPATH."""
    size = write_zip(str(tmp_path / "minimon.pyz"))
    told = run("minimon.pyz", "--version", cwd=tmp_path)
    code = "import minimon; print(minimon.probe('tcp://127.0.0.1:1').reason, minimon.__file__)"
    seen = run("-c", code, cwd=tmp_path, PYTHONPATH="minimon.pyz")
    assert (0, True, True) == (told[0], told[1].startswith("minimon "), os.access(tmp_path / "minimon.pyz", os.X_OK))
    assert ((0, True), True) == ((seen[0], seen[1].startswith("connect ")), size > 100_000)


def test_a_copy_is_made_from_the_archive(tmp_path: pathlib.Path) -> None:
    """Where there is nothing else."""
    write_zip(str(tmp_path / "minimon.pyz"))
    assert (0, []) == (run("minimon.pyz", "vendor", "host", cwd=tmp_path)[0], check(str(tmp_path / "host")))


def test_a_folder_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    """In one line, and nothing is left."""
    path = str(tmp_path / "none" / "x.pyz")
    (tmp_path / "file").write_text("")
    seen = command("zip", "-o", path), command("vendor", str(tmp_path / "file"))
    assert [1, 1] == [code for code, _, _ in seen] and ["file"] == os.listdir(tmp_path)
    assert f"minimon: zip: {path}: No such file or directory; say another place with -o\n" == seen[0][2]
    assert f"minimon: vendor: {tmp_path / 'file'}: File exists\n" == seen[1][2]
