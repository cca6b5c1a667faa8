"""What processes write: read off real pipes, kept, written into real files and pipes, dropped where nobody takes it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pty
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import descriptors, python, wait_until

from minimon.processes.journal import LONGEST, RING, Journal, readable
from minimon.processes.output import Channel, Pump
from minimon.processes.sinks import MOST_PENDING, FileSink, HostSink

# readable


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\tb\n", "a\tb\n"),
        (b"a\r\nb", "a\nb"),
        (b"10%\r20%", "10%\\r20%"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
        (b"\x1b[2J\x1b[H\x1b[?25l", ""),
        (b"\x1bc\x1b(B", "\\x1bc\\x1b(B"),
        (b"\x1b[", "\\x1b["),
        (b"\x1b[31\n", "\\x1b[31\n"),
        (b"\0\x07\x08\x7f\x9b", "\\x00\\x07\\x08\\x7f\ufffd"),
        ("ü€😀".encode(), "ü€😀"),
        ("\x85\x9b31m\xa0".encode(), "\\x85\\x9b31m\\xa0"),
        (b"a\xffb\xc3", "a\ufffdb\ufffd"),
        ("a\u2028b\u202ec\u2066d".encode(), "a\\u2028b\\u202ec\\u2066d"),
        ("\ufeffa\ue000".encode(), "\\ufeffa\ue000"),
    ],
)
def test_output_is_made_readable(data: bytes, text: str) -> None:
    """No colours, nothing that moves a cursor or turns the text around."""
    assert text == readable(data)


@pytest.mark.parametrize(
    ("length", "lengths"),
    [(LONGEST - 1, [8191]), (LONGEST, [8192]), (LONGEST + 1, [8192, 1]), (20_000, [8192, 8192, 3616])],
)
def test_a_long_line_is_cut(length: int, lengths: list[int]) -> None:
    """Into several."""
    assert lengths == [len(line) for line in readable(b"x" * length).split("\n")]


@pytest.mark.parametrize("piece", [b"\x1b[", b"\x1b]", b"\x1b[0;", b"\x1b", b"\0", b"\xff", b"\r", b" \x1b[ "])
def test_nothing_takes_long_to_read(piece: bytes) -> None:
    """However a process tries."""
    begun = time.monotonic()
    readable(piece * (2 * RING // len(piece)))
    assert time.monotonic() - begun < 1.0


# journals


def journal_of(*pieces: bytes) -> Journal:
    """With what was written."""
    journal = Journal()
    for piece in pieces:
        journal.add(piece)
    return journal


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([], []),
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a\nb"], ["a", "b"]),
        ([b"a", b"b", b"\nc"], ["ab", "c"]),
        ([b"\n\n"], ["", ""]),
        (["ü".encode()[:1], "ü".encode()[1:]], ["ü"]),
        ([b"\x1b[3", b"1mred"], ["red"]),
        ([b"a\r", b"\nb"], ["a", "b"]),
    ],
)
def test_the_last_lines_are_kept(pieces: list[bytes], lines: list[str]) -> None:
    """However they came."""
    assert lines == journal_of(*pieces).tail()


@pytest.mark.parametrize(("count", "lines"), [(2, ["b", "c"]), (9, ["a", "b", "c"]), (0, []), (-1, [])])
def test_so_many_lines_are_given(count: int, lines: list[str]) -> None:
    """Or fewer."""
    assert lines == journal_of(b"a\nb\nc\n").tail(count)


def test_what_is_kept_has_a_limit() -> None:
    """64 KiB, twice that in memory at most."""
    journal = journal_of(*[b"x" * 99 + b"\n"] * 10_000)
    assert (True, 1_000_000) == (len(journal._kept) <= 2 * RING, journal.total)


def test_half_a_line_is_not_shown() -> None:
    """The first of what is kept, unless it is the only one."""
    lines = journal_of(*[b"x" * 99 + b"\n"] * 10_000).tail(10_000)
    assert ({100 - 1}, RING // 100) == ({len(line) for line in lines}, len(lines))


def test_one_endless_line_is_shown() -> None:
    """The end of it."""
    assert 7 == len(journal_of(*[b"x" * RING] * 5).tail(100))


def test_this_run_s_lines_are_told_apart() -> None:
    """Those of earlier runs are kept as well."""
    journal = journal_of(b"old\n")
    journal.begin([])
    journal.add(b"new\n")
    assert (["new"], ["old", "new"]) == (journal.tail(this_run=True), journal.tail())


def test_a_run_that_has_written_nothing_has_no_lines() -> None:
    """Though earlier ones have."""
    journal = journal_of(b"old\n")
    journal.begin([])
    assert [] == journal.tail(this_run=True)


def test_a_journal_may_keep_nothing() -> None:
    """And counts."""
    journal = Journal(keeps=False)
    journal.add(b"a\n")
    assert ([], 2) == (journal.tail(), journal.total)


def calls_for(pattern: str, *pieces: bytes) -> int:
    """How often somebody is told of a line that fits."""
    journal, calls = Journal(), []
    journal.begin([(re.compile(pattern), lambda: calls.append(1))])
    for piece in pieces:
        journal.add(piece)
    return len(calls)


@pytest.mark.parametrize(
    ("pattern", "pieces", "times"),
    [
        ("listening", [b"now listening on 80\n"], 1),
        ("listening", [b"list", b"ening"], 1),
        ("^b$", [b"a\nb\nc"], 1),
        ("^b$", [b"a\nb", b"c"], 0),
        ("^b", [b"a\nb"], 1),
        ("^bc$", [b"a\nb", b"c\n"], 1),
        ("a$", [b"a\r", b"\n"], 1),
        ("a\nb", [b"a\nb\n"], 0),
        ("a.*b", [b"a\n", b"b\n"], 0),
        ("a", [b"a\n", b"a\n", b"a\n"], 1),
        ("^red$", [b"\x1b[31mr", b"ed\x1b[0m\n"], 1),
        ("ü", ["ü".encode()[:1], "ü".encode()[1:]], 1),
        ("x", [b"\0" * 70_000, b"x"], 1),
        ("", [b"\n"], 1),
        ("a", [], 0),
    ],
    ids=range(15),
)
def test_a_line_is_waited_for(pattern: str, pieces: list[bytes], times: int) -> None:
    """It is told once, whether it is complete or not; one whose end is asked for has to be."""
    assert times == calls_for(pattern, *pieces)


def test_a_new_run_waits_anew() -> None:
    """What the last one has begun to write is none of its."""
    calls: list[str] = []
    journal = Journal()
    journal.begin([(re.compile("ab"), lambda: calls.append("old"))])
    journal.add(b"a")
    journal.begin([(re.compile("ab"), lambda: calls.append("new"))])
    journal.add(b"b")
    assert [] == calls


def test_equal_patterns_are_both_told() -> None:
    """By `ready` and by `live`."""
    calls: list[str] = []
    journal = Journal()
    journal.begin([(re.compile("a"), lambda: calls.append("ready")), (re.compile("a"), lambda: calls.append("live"))])
    journal.add(b"a")
    assert ["ready", "live"] == calls


def test_a_flood_is_looked_through_in_time() -> None:
    """Without a newline, for a line that never comes."""
    begun = time.monotonic()
    calls_for("never", *[b"x" * 65_536] * 40)
    assert time.monotonic() - begun < 2.0


# files


@pytest.fixture
def sink(tmp_path: pathlib.Path) -> Iterator[Callable[..., FileSink]]:
    """Makes sinks of a file, and closes them in the end."""
    sinks: list[FileSink] = []

    def made(max_bytes: int = 0, count: int = 0, path: str = "", opened: bool = True) -> FileSink:
        sinks.append(FileSink(path or str(tmp_path / "a.log"), max_bytes, count, 0.01))
        if opened:
            sinks[-1].open()
        return sinks[-1]

    yield made
    for each in sinks:
        each.close()


def files(folder: pathlib.Path) -> dict[str, bytes]:
    """What is in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_a_file_is_appended_to(tmp_path: pathlib.Path, sink: Any) -> None:
    """What was there stays."""
    (tmp_path / "a.log").write_bytes(b"old\n")
    sink().write(b"new\n")
    assert {"a.log": b"old\nnew\n"} == files(tmp_path)


def test_a_file_is_rotated_by_its_size(tmp_path: pathlib.Path, sink: Any) -> None:
    """The oldest goes."""
    written = sink(4, 2)
    for piece in (b"aaaa", b"bbbb", b"cccc", b"dddd"):
        written.write(piece)
    assert {"a.log": b"dddd", "a.log.1": b"cccc", "a.log.2": b"bbbb"} == files(tmp_path)


def test_no_file_grows_larger(tmp_path: pathlib.Path, sink: Any) -> None:
    """However much comes at once."""
    sink(4, 3).write(b"aaaabbbbccccdd")
    assert {"a.log": b"dd", "a.log.1": b"cccc", "a.log.2": b"bbbb", "a.log.3": b"aaaa"} == files(tmp_path)


def test_a_file_without_older_ones_begins_anew(tmp_path: pathlib.Path, sink: Any) -> None:
    """When it is full."""
    sink(4, 0).write(b"aaaabbbbcc")
    assert {"a.log": b"cc"} == files(tmp_path)


def test_a_file_without_a_limit_grows(tmp_path: pathlib.Path, sink: Any) -> None:
    """It is never rotated."""
    sink(0, 3).write(b"a" * 100_000)
    assert ["a.log"] == list(files(tmp_path))


def test_a_file_that_is_full_already_is_rotated_first(tmp_path: pathlib.Path, sink: Any) -> None:
    """By its size on the disk."""
    (tmp_path / "a.log").write_bytes(b"x" * 9)
    sink(4, 1).write(b"new")
    assert {"a.log": b"new", "a.log.1": b"x" * 9} == files(tmp_path)


def test_any_number_of_older_files_may_be_kept(tmp_path: pathlib.Path, sink: Any) -> None:
    """A number is not what there is."""
    sink(1, 10**18).write(b"abc")
    assert {"a.log": b"c", "a.log.1": b"b", "a.log.2": b"a"} == files(tmp_path)


@pytest.mark.parametrize("device", ["null", "full", "fifo"])
def test_what_is_no_file_is_never_rotated(tmp_path: pathlib.Path, sink: Any, device: str) -> None:
    """A host that is root would move /dev/null away."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    where = tmp_path / "link"
    where.symlink_to(path if device == "fifo" else f"/dev/{device}")
    sink(4, 1, str(where)).write(b"aaaabbbbcccc")
    os.close(reading)
    assert ["link", "pipe"] == sorted(os.listdir(tmp_path))


def test_a_device_that_is_full_is_told(sink: Any) -> None:
    """What is lost is counted."""
    written = sink(path="/dev/full")
    written.write(b"abc"), written.write(b"de")
    assert 5 == written.dropped


def test_a_pipe_that_nobody_reads_is_refused(tmp_path: pathlib.Path, sink: Any) -> None:
    """Opening it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError):
        sink(path=str(tmp_path / "pipe"))


def test_a_pipe_that_is_full_takes_what_it_can(tmp_path: pathlib.Path, sink: Any) -> None:
    """The rest is counted, not waited for."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    written = sink(path=str(path))
    written.write(b"x" * (1 << 21))
    taken = len(os.read(reading, 1 << 21))
    os.close(reading)
    assert (1 << 21, True) == (taken + written.dropped, taken > 0)


@pytest.mark.parametrize("where", ["no/such/folder/a.log", ".", "file/a.log"])
def test_what_cannot_be_opened_raises(tmp_path: pathlib.Path, sink: Any, where: str) -> None:
    """At the launch; later it is only counted."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        sink(path=str(tmp_path / where))


def test_what_was_never_opened_is_counted(tmp_path: pathlib.Path, sink: Any) -> None:
    """Its folder does not exist."""
    written = sink(path=str(tmp_path / "no" / "a.log"), opened=False)
    written.write(b"abc"), written.write(b"de")
    assert 5 == written.dropped


def test_a_closed_file_is_opened_by_the_next_write(tmp_path: pathlib.Path, sink: Any) -> None:
    """At once."""
    written = sink()
    written.close()
    written.write(b"abc")
    assert {"a.log": b"abc"} == files(tmp_path)


def test_opening_again_leaves_nothing_open(sink: Any) -> None:
    """Each run does it."""
    written = sink()
    before = descriptors()
    written.open(), written.open()
    assert before == descriptors()


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_fits_is_written(tmp_path: pathlib.Path, sink: Any) -> None:
    """Only the rest is lost."""
    written = sink()
    with no_file_larger_than(10):
        written.write(b"x" * 16)
    assert ({"a.log": b"x" * 10}, 6) == (files(tmp_path), written.dropped)


def test_what_was_lost_is_told_in_the_file(tmp_path: pathlib.Path, sink: Any) -> None:
    """As soon as it can be written again."""
    written = sink()
    with no_file_larger_than(10):
        written.write(b"x" * 16), written.write(b"y" * 4)
    written.write(b"z")
    note = b"\n[minimon: 10 bytes could not be written here]\n"
    assert ({"a.log": b"x" * 10 + note + b"z"}, 10) == (files(tmp_path), written.dropped)


def test_a_full_disk_takes_what_fits(small: pathlib.Path, sink: Any) -> None:
    """And is written to again once there is room."""
    written = sink(path=str(small / "a.log"))
    (small / "other").write_bytes(b"o" * 40_000)
    written.write(b"x" * 65_536)
    lost = written.dropped
    (small / "other").unlink()
    written.write(b"z")
    size = (small / "a.log").stat().st_size
    assert (True, lost, True) == (0 < lost < 65_536, written.dropped, size > 65_536 - lost)


def test_a_rotation_that_fails_loses_what_comes(tmp_path: pathlib.Path, sink: Any) -> None:
    """An obstacle in its place; the file does not grow."""
    (tmp_path / "a.log.1" / "x").mkdir(parents=True)
    written = sink(4, 1)
    written.write(b"aaaabb")
    assert ({"a.log": b"aaaa"}, 2) == (files(tmp_path), written.dropped)


def test_a_rotation_is_tried_again(tmp_path: pathlib.Path, sink: Any) -> None:
    """With the next write."""
    (tmp_path / "a.log.1" / "x").mkdir(parents=True)
    written = sink(99, 1)
    written.write(b"a" * 100)
    (tmp_path / "a.log.1" / "x").rmdir(), (tmp_path / "a.log.1").rmdir()
    written.write(b"c")
    assert (b"a" * 99, True) == ((tmp_path / "a.log.1").read_bytes(), (tmp_path / "a.log").read_bytes().endswith(b"c"))


def test_a_full_file_that_was_moved_away_is_left_alone(tmp_path: pathlib.Path, sink: Any) -> None:
    """By a rotation of the system's own; none of what it holds is cut off."""
    written = sink(4, 0)
    written.write(b"aaaa")
    (tmp_path / "a.log").rename(tmp_path / "moved")
    written.write(b"bb")
    assert {"a.log": b"bb", "moved": b"aaaa"} == files(tmp_path)


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_file_that_was_moved_away_is_made_anew(tmp_path: pathlib.Path, sink: Any, how: str) -> None:
    """As soon as somebody has looked."""
    written, path = sink(), tmp_path / "a.log"
    path.rename(tmp_path / "moved") if how == "moved" else path.unlink()
    assert wait_until(lambda: written.write(b"x\n") or path.exists())


def test_a_folder_that_comes_back_is_written_to(tmp_path: pathlib.Path, sink: Any) -> None:
    """What came meanwhile is counted, and told in the file."""
    folder = tmp_path / "logs"
    folder.mkdir()
    written = sink(path=str(folder / "a.log"))
    folder.rename(tmp_path / "gone")
    assert wait_until(lambda: written.write(b"x") or written.dropped > 0)
    folder.mkdir()
    assert wait_until(lambda: written.write(b"y") or (folder / "a.log").exists())
    assert (folder / "a.log").read_bytes().startswith(b"\n[minimon: ")


def test_a_pipe_in_place_of_the_file_keeps_nobody_waiting(tmp_path: pathlib.Path, sink: Any) -> None:
    """A process that may write into the folder could stop all output else."""
    written, path = sink(), tmp_path / "a.log"
    path.unlink()
    os.mkfifo(path)
    assert wait_until(lambda: written.write(b"x") or written.dropped > 0)


def test_two_threads_may_open_and_write(tmp_path: pathlib.Path, sink: Any) -> None:
    """A new run opens it while what is left of the last one is written."""
    written, over = sink(), threading.Event()

    def reopen() -> None:
        while not over.is_set():
            written.open()

    thread = threading.Thread(target=reopen)
    thread.start()
    for _ in range(2000):
        written.write(b"x" * 10)
    over.set()
    thread.join()
    assert (20_000, 0) == ((tmp_path / "a.log").stat().st_size, written.dropped)


def test_a_forked_child_closes_its_copy(sink: Any) -> None:
    """Though a thread of the parent was just writing."""
    journal = Journal(sink=sink())
    journal.sink._lock.acquire()  # type: ignore[union-attr]
    journal._lock.acquire()
    before = descriptors()
    journal.after_fork()
    assert before - 1 == descriptors()


def test_a_program_inherits_no_file(sink: Any) -> None:
    """Of the host."""
    assert not os.get_inheritable(sink()._fd)


def test_a_journal_writes_into_its_file(tmp_path: pathlib.Path, sink: Any) -> None:
    """As it came, colours and all."""
    Journal(sink=sink()).add(b"\x1b[31m\xff\0\n")
    assert {"a.log": b"\x1b[31m\xff\0\n"} == files(tmp_path)


def test_a_journal_tells_what_its_file_has_lost(sink: Any) -> None:
    """And none without one."""
    journal = Journal(sink=sink(path="/dev/full"))
    journal.add(b"abc")
    assert (3, 0) == (journal.dropped, Journal().dropped)


# the host's own output


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A reading and a writing end."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        with contextlib.suppress(OSError):
            os.close(fd)


def test_the_host_s_output_is_written_when_there_is_room(pipe: tuple[int, int]) -> None:
    """All of it, in order."""
    host = HostSink(pipe[1])
    host.write(b"a"), host.write(b"b" * 10_000), host.flush()
    assert (b"a" + b"b" * 10_000, 0) == (os.read(pipe[0], 65_536), len(host.pending))


def test_a_host_whose_output_nobody_reads_does_not_wait(pipe: tuple[int, int]) -> None:
    """A pipe of 64 KiB; the rest is kept, and dropped beyond 1 MiB."""
    host = HostSink(pipe[1])
    for _ in range(48):
        host.write(b"x" * 65_536), host.flush(10**6)
    assert (True, True) == (len(host.pending) <= MOST_PENDING, host.dropped >= 2 * MOST_PENDING - 65_536)


def test_what_was_kept_is_written_later(pipe: tuple[int, int]) -> None:
    """Once somebody reads."""
    host = HostSink(pipe[1])
    host.write(b"x" * 200_000), host.flush(1000)
    read = 0
    while len(host.pending):
        read += len(os.read(pipe[0], 65_536))
        host.flush(1000)
    os.set_blocking(pipe[0], False)
    assert 200_000 == read + len(os.read(pipe[0], 1 << 20))


def test_small_pieces_take_no_more_room(pipe: tuple[int, int]) -> None:
    """A process that writes byte by byte would cost hundreds of times as much."""
    host = HostSink(pipe[1])
    for _ in range(MOST_PENDING):
        host.write(b"x")
    assert (MOST_PENDING, True) == (len(host.pending), sys.getsizeof(host.pending) < 2 * MOST_PENDING)


def test_a_host_whose_reader_is_gone_drops_all(pipe: tuple[int, int]) -> None:
    """And tries no more."""
    os.close(pipe[0])
    host = HostSink(pipe[1])
    host.write(b"abc"), host.flush(), host.write(b"de")
    assert (5, 0) == (host.dropped, len(host.pending))


def test_a_host_whose_output_is_closed_drops_all() -> None:
    """Whatever becomes of that number later."""
    reading, writing = os.pipe()
    os.close(writing), os.close(reading)
    host = HostSink(writing)
    host.write(b"abc"), host.flush()
    assert 3 == host.dropped


def test_a_host_whose_disk_is_full_goes_on(tmp_path: pathlib.Path) -> None:
    """What comes when there is room again is written."""
    with (tmp_path / "out").open("ab", buffering=0) as file:
        host = HostSink(file.fileno())
        with no_file_larger_than(10):
            host.write(b"x" * 16), host.flush()
        host.write(b"z"), host.flush()
    assert (b"x" * 10 + b"z", 6) == ((tmp_path / "out").read_bytes(), host.dropped)


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"y\n" * 30_000])
def test_a_terminal_that_nobody_reads_does_not_keep_it_waiting(piece: bytes) -> None:
    """It takes a part of what it is given, and would wait for the rest."""
    master, terminal = pty.openpty()
    host = HostSink(terminal)
    host.write(piece)
    thread = threading.Thread(target=host.flush, args=(10**6,), daemon=True)
    thread.start()
    thread.join(2.0)
    blocked = thread.is_alive()
    os.close(master)
    thread.join(2.0)
    os.close(terminal)
    assert not blocked


def test_a_terminal_is_written_to() -> None:
    """As any output."""
    master, terminal = pty.openpty()
    host = HostSink(terminal)
    host.write(b"abc\n"), host.flush()
    said = os.read(master, 100)
    os.close(master), os.close(terminal)
    assert b"abc\r\n" == said


CLOSED = """
import os, sys
os.close(1)
os.execv(sys.executable, [sys.executable, "-c", '''
import os, socket, sys, time
taken = socket.socketpair()
from minimon.processes.journal import Journal
from minimon.processes.output import Channel, Pump
pump, journal = Pump(), Journal()
channel = Channel(journal)
writing = channel.add(pump.hosts[1])
pump.thread.start()
pump.add(channel)
os.write(writing, b"for nobody")
os.close(writing)
pump.stop(time.monotonic() + 5)
for each in taken:
    each.setblocking(False)
    try:
        print(1 in (each.fileno() for each in taken), journal.total, each.recv(100), file=sys.stderr)
    except BlockingIOError:
        print(1 in (each.fileno() for each in taken), journal.total, file=sys.stderr)
'''])
"""


def test_a_host_without_output_writes_into_nothing_else() -> None:
    """Something else may have its number: a socket, a file."""
    assert ["True 10"] * 2 == python(CLOSED).stderr.splitlines()


# the pump


@pytest.fixture
def pump() -> Iterator[Pump]:
    """One that runs, and is stopped in the end."""
    pump = Pump()
    pump.hosts = {}
    pump.thread.start()
    yield pump
    pump.stop(time.monotonic() + 5.0)
    assert not pump.thread.is_alive()


def listened(pump: Pump, journal: Journal | None = None, host: HostSink | None = None) -> tuple[Channel, int]:
    """A channel of one pipe that is read, and its writing end."""
    channel = Channel(journal or Journal())
    writing = channel.add(host)
    pump.add(channel)
    return channel, writing


def flood(pump: Pump, command: list[str], journal: Journal | None = None) -> tuple[Channel, subprocess.Popen[bytes]]:
    """A real process whose output is read."""
    channel, writing = listened(pump, journal)
    process = subprocess.Popen(command, stdout=writing, stderr=writing, stdin=subprocess.DEVNULL)
    os.close(writing)
    return channel, process


def end(process: subprocess.Popen[bytes]) -> None:
    """Of a process that goes on else."""
    process.kill()
    process.wait(5.0)


def drained(pump: Pump, channel: Channel, seconds: float = 5.0) -> bool:
    """Whether all that is there was read in time."""
    done = threading.Event()
    pump.drain(channel, done.set)
    return done.wait(seconds)


def test_what_is_written_is_read(pump: Pump) -> None:
    """By a thread of its own."""
    channel, writing = listened(pump)
    os.write(writing, b"hello\n")
    os.close(writing)
    assert wait_until(lambda: channel.journal.tail() == ["hello"])


def test_two_pipes_make_one_journal(pump: Pump) -> None:
    """Output and errors."""
    channel = Channel(Journal())
    ends = channel.add(None), channel.add(None)
    pump.add(channel)
    for fd, data in zip(ends, (b"a", b"b")):
        os.write(fd, data)
        os.close(fd)
    assert wait_until(lambda: channel.journal.total == 2)


def test_pipes_that_end_are_let_go(pump: Pump) -> None:
    """When nobody can write any more."""
    channel, writing = listened(pump)
    os.close(writing)
    assert wait_until(lambda: channel.fds == {})


def test_draining_reads_all_that_is_there(pump: Pump) -> None:
    """Before it says that it is done."""
    channel, writing = listened(pump)
    os.write(writing, b"x" * 65_536)
    drained(pump, channel)
    os.close(writing)
    assert 65_536 == channel.journal.total


def test_after_draining_it_is_read_on(pump: Pump) -> None:
    """Others of its group may still write."""
    channel, writing = listened(pump)
    drained(pump, channel)
    os.write(writing, b"more")
    os.close(writing)
    assert wait_until(lambda: channel.journal.total == 4)


def test_draining_ends_though_others_flood(pump: Pump) -> None:
    """What is in the pipe is never all."""
    channel, process = flood(pump, ["yes"])
    done = drained(pump, channel, 2.0)
    end(process)
    assert done


def test_a_closed_channel_is_read_no_more(pump: Pump) -> None:
    """A writer that stays open is told that nobody reads."""
    channel, writing = listened(pump)
    os.write(writing, b"last")
    pump.close(channel)
    assert wait_until(lambda: channel.fds == {})
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"more")
    os.close(writing)
    assert b"last" == bytes(channel.journal._kept)


def test_a_closed_channel_lets_its_file_go(pump: Pump, sink: Any) -> None:
    """Until the next run."""
    written = sink()
    channel, writing = listened(pump, Journal(sink=written))
    os.close(writing)
    pump.close(channel)
    assert wait_until(lambda: written._fd == -1)


def test_closing_twice_is_harmless(pump: Pump) -> None:
    """Nothing is closed that is another's by then."""
    channel, writing = listened(pump)
    os.close(writing)
    pump.close(channel), pump.close(channel)
    assert drained(pump, channel)


ODD = r"""
import os
os.write(1, b"\xff\xfe\x00\x1b[31m\x1b]0;x" + bytes(range(256)) + "\ud7ff\U0001f600".encode() + b"\xc3")
"""


def test_odd_bytes_are_kept(pump: Pump, tmp_path: pathlib.Path, sink: Any) -> None:
    """Whatever they are; and shown in a form that harms nobody."""
    channel, process = flood(pump, [sys.executable, "-S", "-c", ODD], Journal(sink=sink()))
    process.wait(5.0)
    assert wait_until(lambda: channel.fds == {})
    assert (277, True) == ((tmp_path / "a.log").stat().st_size, "\x1b" not in "".join(channel.journal.tail()))


@pytest.mark.parametrize(
    "command", [["yes"], ["cat", "/dev/zero"], ["cat", "/dev/urandom"], ["sh", "-c", "yes | tr -d '\\n'"]]
)
def test_a_flood_is_taken_off(pump: Pump, command: list[str]) -> None:
    """Whatever it is made of, and no more of it kept than 128 KiB."""
    channel, process = flood(pump, command)
    taken = wait_until(lambda: channel.journal.total > 1 << 23)
    end(process)
    assert (True, True) == (taken, len(channel.journal._kept) <= 2 * RING)


def test_beside_a_flood_others_are_heard(pump: Pump) -> None:
    """Each gets its turn."""
    _, process = flood(pump, ["yes"])
    channel, writing = listened(pump)
    os.write(writing, b"here\n")
    os.close(writing)
    heard = wait_until(lambda: channel.journal.tail() == ["here"], 2.0)
    end(process)
    assert heard


def test_a_hundred_channels_are_read(pump: Pump) -> None:
    """All at once."""
    made = [listened(pump) for _ in range(100)]
    for number, (_, writing) in enumerate(made):
        os.write(writing, b"%d\n" % number)
        os.close(writing)
    assert wait_until(lambda: all(made[number][0].journal.tail() == [str(number)] for number in range(100)))


def test_writers_never_wait_though_the_host_does(pump: Pump, pipe: tuple[int, int]) -> None:
    """Nobody reads the host's output."""
    host = pump.hosts[1] = HostSink(pipe[1])
    channel, writing = listened(pump, host=host)
    process = subprocess.Popen(["head", "-c", "4000000", "/dev/zero"], stdout=writing)
    os.close(writing)
    assert wait_until(lambda: channel.journal.total == 4_000_000)
    process.wait(5.0)
    assert host.dropped > 1_000_000


def test_the_host_s_output_goes_on_by_itself(pump: Pump, pipe: tuple[int, int]) -> None:
    """As soon as somebody reads, without anything new."""
    host = pump.hosts[1] = HostSink(pipe[1])
    channel, writing = listened(pump, host=host)
    for _ in range(5):
        os.write(writing, b"x" * 60_000)
    os.close(writing)
    wait_until(lambda: channel.journal.total == 300_000)
    read = 0
    while read < 300_000:
        read += len(os.read(pipe[0], 65_536))
    assert 300_000 == read


def test_a_terminal_s_output_goes_on_by_itself(pump: Pump) -> None:
    """As soon as it is read."""
    master, terminal = pty.openpty()
    host = pump.hosts[1] = HostSink(terminal)
    channel, writing = listened(pump, host=host)
    for _ in range(5):
        os.write(writing, b"y\n" * 20_000)
    os.close(writing)
    wait_until(lambda: channel.journal.total == 200_000)
    read = 0
    while read < 300_000:  # each \n is written as \r\n
        read += len(os.read(master, 65_536))
    os.close(master), os.close(terminal)
    assert 300_000 == read


@pytest.mark.parametrize("kind", ["pipe", "terminal", "newlines"])
def test_waiting_for_room_costs_nothing(pump: Pump, kind: str) -> None:
    """Nobody looks again and again."""
    reading, writing_end = os.pipe() if kind == "pipe" else pty.openpty()
    host = pump.hosts[1] = HostSink(writing_end)
    channel, writing = listened(pump, host=host)
    for _ in range(4):
        os.write(writing, (b"y\n" if kind == "newlines" else b"yy") * 25_000)
    wait_until(lambda: channel.journal.total == 200_000)
    drained(pump, channel)
    begun = time.process_time()
    threading.Event().wait(0.3)
    worked = time.process_time() - begun
    os.close(reading), os.close(writing_end), os.close(writing)
    assert worked < 0.15


def test_a_host_s_file_is_written(pump: Pump, tmp_path: pathlib.Path) -> None:
    """Which no system can tell to be ready."""
    with (tmp_path / "out").open("wb", buffering=0) as file:
        host = pump.hosts[1] = HostSink(file.fileno())
        channel, writing = listened(pump, host=host)
        for _ in range(10):
            os.write(writing, b"x" * 60_000)
        os.close(writing)
        assert wait_until(lambda: channel.fds == {} and not host.pending)
    assert 600_000 == (tmp_path / "out").stat().st_size


def test_stopping_reads_what_is_there() -> None:
    """And ends the thread."""
    pump = Pump()
    pump.thread.start()
    channel, writing = listened(pump)
    os.write(writing, b"last")
    os.close(writing)
    assert (True, 4) == (pump.stop(time.monotonic() + 5.0), channel.journal.total)


def test_stopping_takes_no_longer_than_it_may(sink: Any) -> None:
    """Though many flood, and nobody ends them."""
    pump = Pump()
    pump.thread.start()
    processes = [flood(pump, ["yes"])[1] for _ in range(12)]
    begun = time.monotonic()
    stopped = pump.stop(begun + 5.0)
    seconds = time.monotonic() - begun
    for process in processes:
        end(process)
    assert (True, True) == (stopped, seconds < 1.5)


def test_stopping_leaves_nothing_open(sink: Any) -> None:
    """Neither pipes, nor files, nor its own."""
    before = descriptors()
    pump = Pump()
    pump.thread.start()
    made = [listened(pump, Journal(sink=sink())) for _ in range(10)]
    pump.stop(time.monotonic() + 5.0)
    for _, writing in made:
        os.close(writing)
    assert before == descriptors()


def test_stopping_a_pump_that_never_ran_is_harmless() -> None:
    """Its host could not start a thread."""
    pump = Pump()
    stopped = pump.stop(time.monotonic() + 1.0)
    pump.after_fork()
    assert stopped


def test_what_is_asked_of_a_stopped_pump_is_harmless() -> None:
    """It comes too late."""
    pump = Pump()
    pump.thread.start()
    pump.stop(time.monotonic() + 5.0)
    assert pump.ask(lambda: None) is None  # type: ignore[func-returns-value]


FORKED = """
import os, time
from minimon.processes.journal import Journal
from minimon.processes.output import Channel, Pump
pump, channel = Pump(), Channel(Journal())
writing = channel.add(None)
pump.thread.start()
pump.add(channel)
os.write(writing, b"a")
while channel.journal.total < 1:
    time.sleep(0.01)
pid = os.fork()
if not pid:
    pump.after_fork()
    os._exit(len(channel.fds))
code = os.waitpid(pid, 0)[1]
os.write(writing, b"b")
os.close(writing)
done = pump.stop(time.monotonic() + 5)
print(code, done, channel.journal.total)
"""


def test_a_forked_child_lets_the_parent_s_pipes_be() -> None:
    """It closes its copies; the parent reads on."""
    assert "0 True 2\n" == python(FORKED).stdout


def test_a_writer_that_is_killed_in_the_midst_is_read(pump: Pump) -> None:
    """Up to its last byte."""
    channel, process = flood(pump, ["sh", "-c", "printf abc; kill -KILL $$"])
    process.wait(5.0)
    drained(pump, channel)
    assert (b"abc", -signal.SIGKILL) == (bytes(channel.journal._kept), process.returncode)
