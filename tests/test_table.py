"""What the command line shows, made of snapshots and results, for streams of every kind."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from minimon import Change, Check, CheckState, Outcome, Result, Status
from minimon.clock import SystemClock
from minimon.model import stamp
from minimon.registry import Registry
from minimon.table import (
    ChangeLines,
    LiveTable,
    Output,
    columns,
    epoch,
    fit,
    result_json,
    result_line,
    span,
    table,
)


class Stream(io.StringIO):
    """A stream that may be a terminal, and may know some characters only."""

    def __init__(self, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        text.encode(self._encoding)
        return super().write(text)


class Broken(Stream):
    """A stream that nobody reads."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def output(terminal: bool = False, encoding: str = "utf-8", **environ: str) -> tuple[Output, Stream]:
    stream = Stream(terminal, encoding)
    return Output(stream, environ), stream


def result(name: str = "a", outcome: str = "pass", **more: Any) -> Result:
    return Result(name, Outcome(outcome), **{"when": 1000.0, "elapsed": 0.0123, **more})


FAILED = result("b", "fail", reason="connect", detail="connect to 127.0.0.1:1: refused", elapsed=1.5)


def registry(*checks: Check, records: tuple[Result, ...] = ()) -> Registry:
    made = Registry(SystemClock())
    by_name = {check.name: check for check in checks}
    for check in checks:
        made.add(check, float("inf"))
    for one in records:
        made.record(by_name[one.name], one, float("inf"))
    return made


def two(*records: Result) -> dict[str, Any]:
    """The snapshot of two checks."""
    checks = Check("a", lambda: True), Check("b", "tcp://127.0.0.1:1", fall=1)
    return registry(*checks, records=records).snapshot()


# --- text


@pytest.mark.parametrize(("text", "expected"), [("", 0), ("abc", 3), ("größe", 5), ("監視", 4), ("e\u0301", 1)])
def test_columns_are_those_of_a_terminal(text: str, expected: int) -> None:
    """Wide characters take two columns, combining ones none."""
    assert columns(text) == expected


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("abc", 5, "abc  "),
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        ("abcd", -3, ""),
        ("監視監視", 4, "監… "),
        ("a\x1b[2J\nb", 9, "a [2J b  "),
        ("a\u202eb", 3, "a b"),
    ],
)
def test_text_is_cut_or_padded(text: str, width: int, expected: str) -> None:
    """It takes exactly so many columns, in one line, without control characters."""
    assert fit(text, width) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0 s"), (0.9, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (1e6, "11 d")],
)
def test_spans_are_short(seconds: float, expected: str) -> None:
    """A span is told in the largest unit that it fills."""
    assert span(seconds) == expected


def test_instants_are_read_back() -> None:
    """What a snapshot says of an instant is understood."""
    assert epoch(stamp(1234.567)) == 1234.567


# --- streams


@pytest.mark.parametrize(
    ("terminal", "environ", "expected"),
    [
        (True, {}, "\x1b[32m● up   \x1b[0m"),
        (True, {"NO_COLOR": ""}, "\x1b[32m● up   \x1b[0m"),
        (True, {"NO_COLOR": "1"}, "● up   "),
        (True, {"TERM": "dumb"}, "● up   "),
        (False, {}, "● up   "),
    ],
    ids=str,
)
def test_colours_are_for_terminals(terminal: bool, environ: dict[str, str], expected: str) -> None:
    """A word is coloured on a terminal, unless its user has something against it."""
    assert output(terminal, **environ)[0].marked("up", 7) == expected


@pytest.mark.parametrize(
    ("terminal", "environ", "expected"),
    [
        (True, {"COLUMNS": "100"}, 100),
        (False, {"COLUMNS": "100"}, 100),
        (True, {"COLUMNS": "0"}, 80),
        (True, {"COLUMNS": "wide"}, 80),
        (True, {"COLUMNS": "9" * 5000}, 80),
        (True, {"COLUMNS": "3"}, 20),
        (False, {}, 1000),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_width_is_what_columns_says(terminal: bool, environ: dict[str, str], expected: int) -> None:
    """COLUMNS wins; a terminal that does not say has 80; lines for other streams are hardly cut."""
    assert output(terminal, **environ)[0].width == expected


def test_a_poor_encoding_gets_ascii_signs() -> None:
    """Where the signs cannot be written, others stand for them."""
    assert output(encoding="ascii")[0].marked("down") == "x down"


def test_what_cannot_be_encoded_is_replaced() -> None:
    """A character that the stream does not have never is an error."""
    out, stream = output(encoding="latin-1")
    out.line("größe 監視")
    assert stream.getvalue() == "größe ??\n"


def test_no_stream_takes_anything() -> None:
    """A program started without stdout goes on."""
    assert Output(None, {}).line("x") is None


# --- results


def test_a_result_is_a_line() -> None:
    """Outcome, name, status code and seconds stand in columns, then what is wrong."""
    out = output()[0]
    lines = [result_line(result(status_code=200), "a", 3, out), result_line(FAILED, "b", 3, out)]
    assert lines == ["✓ pass  a    200    0.012 s", "✗ fail  b      -    1.500 s  connect to 127.0.0.1:1: refused"]


def test_a_result_without_detail_tells_its_reason() -> None:
    """There is always a word for what is wrong."""
    line = result_line(result(outcome="unknown", reason="skipped"), "a", 1, output()[0])
    assert line.endswith("  skipped")


@pytest.mark.parametrize("width", [20, 30, 40, 60])
def test_a_result_fits_the_width(width: int) -> None:
    """Long names and details are cut, so that no line is wider than the terminal, if it is not too narrow at all."""
    long = FAILED._replace(name="n" * 90, detail="d" * 90)
    line = result_line(long, long.name, 90, output(COLUMNS=str(width))[0])
    assert columns(line) <= max(width, 8 + width // 2 + 18)


def test_a_result_is_json() -> None:
    """For machines a result is an object, with the keys that /status has."""
    assert json.loads(result_json(FAILED, "b")) == {"check": "b", **two(FAILED)["checks"]["b"]["last"]}


# --- the table


def test_the_table_has_a_line_for_each_check() -> None:
    """A sum, a head, and for each check its status, since when, its last run and what is wrong."""
    seen = two(result(), FAILED)
    lines = list(table(seen, 1075.0, output(COLUMNS="100")[0]))
    assert lines == [
        "◐ degraded  1 up, 1 down",
        "",
        "NAME  STATUS       SINCE  LAST            DETAIL",
        "a     ● up         1 min  pass   0.012 s",
        "b     ✗ down       1 min  fail   1.500 s  connect to 127.0.0.1:1: refused",
    ]


def test_a_check_without_a_run_has_a_line() -> None:
    """What was not polled yet is unknown."""
    line = list(table(two(), 0.0, output(COLUMNS="60")[0]))[3]
    assert re.fullmatch(r"a     \? unknown  +0 s  -", line)


def test_a_paused_check_is_shown_as_such() -> None:
    """`paused` stands in the place of its status."""
    made = registry(Check("a", lambda: True), records=(result(),))
    made.pause("a", True)
    lines = list(table(made.snapshot(), 1000.0, output()[0]))
    assert (lines[0], lines[3][:14]) == ("● healthy  1 paused", "a     ‖ paused")


@pytest.mark.parametrize("width", [20, 25, 33, 45, 60, 80, 200])
def test_the_table_fits_the_width(width: int) -> None:
    """No line is wider than the terminal: cells that have no room are left out, texts are cut."""
    checks = Check("n" * 70, lambda: True), Check("監視" * 20, lambda: True)
    records = tuple(result(check.name, "fail", reason="condition", detail="d" * 300) for check in checks)
    lines = list(table(registry(*checks, records=records).snapshot(), 1e9, output(COLUMNS=str(width))[0]))
    assert [line for line in lines if columns(line) > width] == []


@pytest.mark.parametrize("terminal", [True, False])
def test_no_control_character_of_a_target_is_shown(terminal: bool) -> None:
    """What a target says cannot move the cursor, colour the terminal or add a line."""
    evil = FAILED._replace(detail="\x1b[2J\x1b]0;x\x07\r\n\x9b31m\u202e", reason="condition")
    out, stream = output(terminal, NO_COLOR="1")
    LiveTable(out).update(two(evil), 1000.0)
    ChangeLines(out, lambda error: None).tell(change(evil))
    out.line(result_line(evil, "b", 5, out))
    ours = stream.getvalue().replace("\x1b[K", "").replace("\x1b[J", "").replace("\r", "").replace("\n", "")
    assert [char for char in ours if not char.isprintable()] == []


# --- the table in place


def test_the_table_is_drawn_over_itself() -> None:
    """The second drawing goes up as many lines as the first had, and clears what is left of each."""
    out, stream = output(terminal=True, NO_COLOR="1", COLUMNS="60")
    view = LiveTable(out)
    view.update(two(), 1000.0)
    view.update(two(result()), 1000.0)
    assert stream.getvalue().count("\x1b[5A\r● healthy  1 up, 1 unknown\x1b[K\n") == 1


def test_the_table_is_not_drawn_again_unchanged() -> None:
    """A terminal is left in peace while nothing changes."""
    out, stream = output(terminal=True)
    view, seen = LiveTable(out), two(result())
    view.update(seen, 1000.0)
    before = stream.getvalue()
    view.update(seen, 1000.5)
    assert stream.getvalue() == before


def test_a_low_terminal_is_not_scrolled() -> None:
    """As many lines as fit are drawn, and the number of the others."""
    out, stream = output(terminal=True, NO_COLOR="1", COLUMNS="60", LINES="10")
    made = registry(*(Check(f"check {n}", lambda: True) for n in range(20)))
    LiveTable(out).update(made.snapshot(), 1000.0)
    lines = stream.getvalue().split("\n")
    assert (len(lines) - 1, "… 15 more" in lines[8]) == (9, True)


# --- lines


def change(of: Result, before: str = "unknown", after: str = "down") -> Change:
    check = Check(of.name, "tcp://127.0.0.1:1")
    return Change(of.name, check, CheckState(of.name, Status(before)), CheckState(of.name, Status(after)), of)


def test_a_change_is_a_line() -> None:
    """When, what it is, what it was, which check, and why."""
    out, stream = output()
    ChangeLines(out, lambda error: None).tell(change(FAILED))
    assert stream.getvalue() == (
        "1970-01-01T00:16:40.000Z  ✗ down      from unknown   b  connect to 127.0.0.1:1: refused\n"
    )


def test_changes_end_with_the_table() -> None:
    """At the end the table is printed once."""
    out, stream = output()
    ChangeLines(out, lambda error: None).close(two(result()), 1000.0)
    assert stream.getvalue().startswith("\n● healthy  1 up, 1 unknown\n\nNAME")


def test_a_change_that_nobody_reads_is_told() -> None:
    """The thread that brings changes is not hurt by a closed pipe; the main thread gets to know."""
    told: list[OSError] = []
    ChangeLines(Output(Broken(), {}), told.append).tell(change(FAILED))
    assert [type(error) for error in told] == [BrokenPipeError]


def lines_of(stream: Stream) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]
