"""Files of KEY=VALUE lines: what is read of them, and what is refused, by line."""

from __future__ import annotations

import os
import pathlib

import pytest

from minimon.processes.environment import LARGEST, read_variables


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where the file is."""
    return tmp_path / "env"


def error_of(path: pathlib.Path, content: bytes) -> str:
    """What is said of such a file; "" of one that can be read."""
    path.write_bytes(content)
    try:
        read_variables(str(path))
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", {}),
        ("\n\n  \n", {}),
        ("# A=1\n  # B=2", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("export A=1\nexport\tB=2", {"A": "1", "B": "2"}),
        ("export=1", {"export": "1"}),
        ("  A = 1  ", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A= ", {"A": ""}),
        ("A=b=c", {"A": "b=c"}),
        ("A=b c", {"A": "b c"}),
        ("A=$HOME `x` \\n", {"A": "$HOME `x` \\n"}),
        ("_a1=ü", {"_a1": "ü"}),
        ("A=it's", {"A": "it's"}),
        ("A=b # said", {"A": "b"}),
        ("A=b# c # said # again", {"A": "b# c"}),
        ("A=b#c", {"A": "b#c"}),
        ("A=#b", {"A": "#b"}),
        ("A= # fill in", {"A": ""}),
        ("A='b # c' # said", {"A": "b # c"}),
        ("A='b' 'c'".replace("' '", "''"), {"A": "bc"}),
        ("A='$b \\n \"c\"'", {"A": '$b \\n "c"'}),
        ('A="b \\"c\\" \\\\"', {"A": 'b "c" \\'}),
        ('A=""', {"A": ""}),
        ("A=''", {"A": ""}),
        ("A=b\x0cc\x85d\u2028e\x1cf", {"A": "b\x0cc\x85d\u2028e\x1cf"}),
        ("\ufeffA=1", {"A": "1"}),
    ],
)
def test_lines_are_variables(path: pathlib.Path, content: str, found: dict[str, str]) -> None:
    """Nothing is run, and nothing replaced."""
    path.write_bytes(content.encode())
    assert found == read_variables(str(path))


def test_no_file_has_no_variables() -> None:
    """None was given."""
    assert {} == read_variables(None)


@pytest.mark.parametrize("line", ["A", "1A=b", "=b", "A B=c", "A-B=c", "export A", "Ä=b", "A=b\0c", ": x"])
def test_what_is_no_variable_is_told_with_its_line(path: pathlib.Path, line: str) -> None:
    """The file and the number."""
    assert f"{path}:3: expected KEY=VALUE" == error_of(path, f"X=1\n# said\n{line}\nY=2".encode())


@pytest.mark.parametrize("line", ["A='b", 'A="b', 'A="b\\"', "A='b\nB=c'"])
def test_a_quotation_ends_in_its_line(path: pathlib.Path, line: str) -> None:
    """What comes after it would be swallowed."""
    assert f"{path}:2: No closing quotation" == error_of(path, f"X=1\n{line}".encode())


def test_nothing_stands_behind_a_quotation(path: pathlib.Path) -> None:
    """It would be lost."""
    assert f"{path}:2: text after the closing quote" == error_of(path, b"X=1\nA='b' c")


def test_bytes_that_are_no_text_are_told_with_their_line(path: pathlib.Path) -> None:
    """UTF-8 it is."""
    assert f"{path}:2: not UTF-8" == error_of(path, b"X=1\nA=\xff\n")


def test_a_value_is_never_told(path: pathlib.Path) -> None:
    """It may be a secret."""
    assert "secret" not in error_of(path, b"A='secret")


def test_a_large_file_is_refused(path: pathlib.Path) -> None:
    """Before it is in memory as a whole."""
    assert "larger than" in error_of(path, b"#" * (LARGEST + 1))


def test_an_endless_file_is_refused() -> None:
    """No more of it than that is read."""
    with pytest.raises(ValueError, match="larger than"):
        read_variables("/dev/zero")


def test_the_largest_file_is_read(path: pathlib.Path) -> None:
    """And a long run of spaces costs nothing."""
    path.write_bytes(b"A=x" + b" " * (LARGEST - 4) + b"y")
    assert LARGEST - 2 == len(read_variables(str(path))["A"])


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_is_no_file_raises(tmp_path: pathlib.Path, name: str) -> None:
    """An OSError, which says what is wrong."""
    with pytest.raises(OSError):
        read_variables(str(tmp_path / name))


def test_a_pipe_does_not_keep_anyone_waiting(path: pathlib.Path) -> None:
    """A launch would hang on one into which nobody writes."""
    os.mkfifo(path)
    with pytest.raises(ValueError, match="is no file"):
        read_variables(str(path))
