"""Samples: from /proc or by the programs, on one thread for all of them, cancelled at once and for good."""

from __future__ import annotations

import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from recorded import HOST, folder
from support import our_threads, wait_until

from minimon.api import programs
from minimon.api.vitals import LARGEST, Sample, Sampler
from minimon.errors import BusyError, UnavailableError, WaitCancelled
from minimon.vitals.reading import Host

NOW = time.struct_time((2026, 11, 6, 9, 5, 3, 4, 310, 0))
SOON = 0.02
LONG = 3600.0


class End:
    """What is told at the end of a sample."""

    def __init__(self) -> None:
        self.text, self.error, self.calls, self.thread = "", None, 0, ""
        self._ended = threading.Event()

    def __call__(self, text: str, error: BaseException | None) -> None:
        self.text, self.error, self.thread = text, error, threading.current_thread().name
        self.calls += 1
        self._ended.set()

    def wait(self) -> End:
        """Until it is told."""
        assert self._ended.wait(10.0)
        return self


class Machine:
    """A recorded host, with programs that are scripts; makes samplers."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root, self.bin, self.record = root / "root", root / "bin", root / "record"
        self.bin.mkdir()
        self.samplers: list[Sampler] = []
        self.uname = ("Linux", "web-1", "6.1.0", "#1", "x86_64")

    def files(self, **files: str) -> Machine:
        """With these in /proc and /sys."""
        folder(self.root, files)
        return self

    def program(self, name: str, script: str) -> Machine:
        """With this program on its PATH, which notes down how it is called."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.record}\n{script}\n')
        path.chmod(0o755)
        return self

    def sampler(self, platform: str = "linux", **options: Any) -> Sampler:
        """One that is stopped in the end."""
        host = Host(str(self.root), now=lambda: NOW, uname=lambda: self.uname)
        environment = {"PATH": f"{self.bin}", "S_TIME_FORMAT": "ISO", "LANG": "de_DE.UTF-8", "HOME": "/"}
        self.samplers.append(Sampler(host, environment=environment, platform=platform, **options))
        return self.samplers[-1]

    def called(self) -> list[str]:
        """How programs were called."""
        return self.record.read_text().splitlines() if self.record.exists() else []


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Iterator[Machine]:
    """One without anything."""
    made = Machine(tmp_path)
    yield made
    assert [True] * len(made.samplers) == [each.stop(time.monotonic() + 5.0) for each in made.samplers]
    assert [] == our_threads()


@pytest.fixture
def linux(machine: Machine) -> Machine:
    """One with /proc and one disk."""
    return machine.files(**{**HOST, "/proc/diskstats": "8 0 sda 100 0 800 0 0 0 0 0 0 0 0\n"})


HEAD = "Linux 6.1.0 (web-1) \t11/06/26 \t_x86_64_\t(2 CPU)\n\n"
TITLES = "Device             tps    kB_read/s    kB_wrtn/s    kB_dscd/s    kB_read    kB_wrtn    kB_dscd\n"
BOOT = f"{TITLES}sda               0.00         0.00         0.00         0.00        400          0          0\n\n\n"
IDLE = f"{TITLES}sda               0.00         0.00         0.00         0.00          0          0          0\n\n\n"


# from /proc


def test_one_report_is_there_at_once(linux: Machine) -> None:
    """On the caller's thread, and none is started."""
    end = End()
    linux.sampler().sample(1, LONG, end)
    assert (HEAD + BOOT, None, 1, [], []) == (end.text, end.error, end.calls, our_threads(), linux.called())


def test_reports_come_one_after_the_other(linux: Machine) -> None:
    """The first is since boot; on the timer's thread."""
    end = End()
    linux.sampler().sample(3, SOON, end)
    assert (HEAD + BOOT + IDLE + IDLE, None, "minimon-timer") == (end.wait().text, end.error, end.thread)


def test_a_report_is_of_what_has_happened_since(linux: Machine) -> None:
    """200 reads of 4 kB in 4 s."""
    end = End()
    linux.sampler().sample(2, 0.5, end)
    linux.files(**{"/proc/uptime": "90065.50 1.0\n", "/proc/diskstats": "8 0 sda 300 0 2400 0 0 0 0 0 0 0 0\n"})
    row = "sda              50.00       200.00         0.00         0.00        800          0          0\n"
    assert f"{TITLES}{row}\n\n" == end.wait().text[len(HEAD + BOOT) :]


def test_all_samples_wait_on_one_thread(linux: Machine) -> None:
    """However many there are."""
    sampler = linux.sampler()
    for _ in range(200):
        sampler.sample(2, LONG, End())
    assert ["minimon-timer"] == our_threads()


def test_a_cancelled_sample_is_never_told_of(linux: Machine) -> None:
    """Those after it are."""
    sampler, cancelled, other = linux.sampler(), End(), End()
    sample = sampler.sample(2, SOON, cancelled)
    assert (True, False) == (sample.cancel(), sample.cancel())
    sampler.sample(2, SOON * 2, other)
    assert (1, 0) == (other.wait().calls, cancelled.calls)


def test_what_has_ended_cannot_be_cancelled(linux: Machine) -> None:
    """It was told of."""
    sample = linux.sampler().sample(1, 1, End())
    assert not sample.cancel()


def test_cancelled_samples_leave_nothing(linux: Machine) -> None:
    """Others take their places, and the timer knows nothing of them."""
    sampler = linux.sampler(most=2)
    for _ in range(100):
        sampler.sample(2, LONG, End()).cancel()
    end = End()
    sampler.sample(2, SOON, end)
    assert (None, []) == (end.wait().error, sampler._timer.loop._timers if sampler._timer else None)


def test_too_many_are_refused(linux: Machine) -> None:
    """To be tried again later."""
    sampler = linux.sampler(most=2)
    for _ in range(2):
        sampler.sample(2, LONG, End())
    with pytest.raises(BusyError, match="2 samples are under way already; try again later"):
        sampler.sample(2, LONG, End())


def test_a_host_whose_proc_goes_away_is_told_of(linux: Machine) -> None:
    """With the file's name."""
    end = End()
    linux.sampler().sample(2, 0.5, end)
    (linux.root / "proc/uptime").unlink()
    assert ("", "/proc/uptime cannot be read") == (end.wait().text, str(end.error))


def test_a_text_without_an_end_is_refused(linux: Machine) -> None:
    """It is bounded."""
    disks = [f"disk{n:0100d}" for n in range(256)]
    linux.files(**{f"/sys/block/{name}/x": "" for name in disks})
    linux.files(**{"/proc/diskstats": "".join(f"8 0 {name} 1 0 0 0 0 0 0 0 0 0 0\n" for name in disks)})
    end = End()
    linux.sampler().sample(1000, 0.001, end)
    assert ("", f"the text is longer than {LARGEST} characters: ask for less") == (end.wait().text, str(end.error))


def test_an_end_that_raises_harms_nobody(linux: Machine) -> None:
    """The others are told."""

    def fail(text: str, error: BaseException | None) -> None:
        raise ValueError("of the host")

    sampler, end = linux.sampler(), End()
    sampler.sample(1, 1, fail)
    sampler.sample(2, SOON, fail)
    sampler.sample(2, SOON, end)
    assert None is end.wait().error


# the end


def test_who_waits_at_the_stop_is_told(linux: Machine) -> None:
    """At once, and no sample is taken any more."""
    sampler, end = linux.sampler(), End()
    sampler.sample(2, LONG, end)
    assert (True, WaitCancelled, []) == (sampler.stop(time.monotonic() + 5.0), type(end.error), our_threads())
    with pytest.raises(BusyError, match="the server stops"):
        sampler.sample(2, LONG, End())


def test_stop_before_the_first_sample_is_nothing(linux: Machine) -> None:
    """And may be said twice."""
    sampler = linux.sampler()
    assert [True, True] == [sampler.stop(0.0), sampler.stop(0.0)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_has_no_samples_and_no_thread(linux: Machine) -> None:
    """It may take its own."""
    sampler = linux.sampler()
    sampler.sample(2, LONG, End())
    ear, bell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            end = End()
            sampler.sample(2, SOON, end)
            told = end.wait().text == HEAD + BOOT + IDLE and sampler.stop(time.monotonic() + 5.0)
            os.write(bell, b"fine" if told else b"wrong")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    said = os.read(ear, 10)
    os.close(ear)
    os.close(bell)
    assert (b"fine", ["minimon-timer"]) == (said, our_threads())


# by the programs


def test_uptime_is_read_where_it_can_be(linux: Machine) -> None:
    """No program is run."""
    assert ("09:05:03 up 1 day,  1:01,  0 users,  load average: 0.52, 1.00, 12.35", []) == (
        linux.files(**{"/proc/loadavg": "0.52 1.00 12.351"}).sampler().uptime(),
        linux.called(),
    )


def test_uptime_is_asked_for_elsewhere(machine: Machine) -> None:
    """In the locale C, stripped."""
    machine.program("uptime", 'echo "  10:00  up 5 days, $LC_ALL "')
    assert ("10:00  up 5 days, C", ["uptime "]) == (machine.sampler("darwin").uptime(), machine.called())


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("darwin", "iostat -d -c 3 -w 2"),
        ("freebsd14", "iostat -d -c 3 -w 2"),
        ("openbsd7", "iostat -d -c 3 -w 2"),
        ("sunos5", "iostat -d 2 3"),
        ("linux", "iostat -d 2 3"),
    ],
)
def test_iostat_is_called_as_its_platform_has_it(machine: Machine, platform: str, expected: str) -> None:
    """In the locale C, and without settings of the user; the text is whole."""
    machine.program("iostat", 'printf "%s\\n\\n" "disk0 $LC_ALL $S_TIME_FORMAT"')
    end = End()
    machine.sampler(platform).sample(3, 2, end)
    assert ("disk0 C \n\n", None, [expected]) == (end.wait().text, end.error, machine.called())


@pytest.mark.parametrize("ask", [lambda sampler: sampler.uptime(), lambda sampler: sampler.sample(1, 1, End())])
def test_neither_proc_nor_program_is_told(machine: Machine, ask: Callable[[Sampler], object]) -> None:
    """With what is missing, and what to do."""
    with pytest.raises(UnavailableError, match=r"neither /proc nor the program \w+: install it, or mount /proc"):
        ask(machine.sampler("darwin"))


def test_a_program_that_cannot_be_started_takes_no_place(machine: Machine) -> None:
    """Nor does one that is missing."""
    (machine.bin / "iostat").write_text("#!/nowhere/at/all\n")
    (machine.bin / "iostat").chmod(0o755)
    sampler = machine.sampler("darwin", most=1)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="cannot be started"):
            sampler.sample(1, 1, End())


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo no disks >&2; exit 3", "iostat has ended with 3: no disks"),
        ("exit 1", "iostat has ended with 1"),
        ("kill -9 $$", "iostat has ended with -9"),
    ],
)
def test_a_program_that_fails_is_told_of(machine: Machine, script: str, error: str) -> None:
    """With what it says itself."""
    end = End()
    machine.program("iostat", script).sampler("darwin").sample(1, 1, end)
    assert ("", error) == (end.wait().text, str(end.error))


def test_a_program_that_floods_is_ended(machine: Machine) -> None:
    """A sample's text is bounded."""
    end = End()
    machine.program("iostat", "exec /bin/cat /dev/zero").sampler("darwin").sample(1, 1, end)
    assert f"iostat has written more than {programs.LARGEST} bytes" == str(end.wait().error)


def test_a_program_that_closes_its_output_has_to_end(machine: Machine) -> None:
    """It is ended soon."""
    end = End()
    machine.program("iostat", "echo x; exec /bin/sleep 3600 >&- 2>&-").sampler("darwin").sample(1, 1, end)
    assert "iostat has ended with -9" == str(end.wait().error)


CHILDREN = "/bin/sleep 3600 & echo $$ $! >{0}.new; mv {0}.new {0}; wait"


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def running(machine: Machine) -> tuple[Sampler, Sample, End, list[int]]:
    """A program with a child, and the pids of both."""
    pids, end = machine.root.parent / "pids", End()
    machine.program("iostat", f"PATH=/bin:/usr/bin; {CHILDREN.format(pids)}")
    sampler = machine.sampler("darwin")
    sample = sampler.sample(1, 1, end)
    assert wait_until(pids.exists)
    return sampler, sample, end, [int(pid) for pid in pids.read_text().split()]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc to see processes")
def test_a_cancelled_program_is_ended_with_its_children(machine: Machine) -> None:
    """The whole group, at once; nobody is told."""
    _, sample, end, pids = running(machine)
    sample.cancel()
    assert (True, 0) == (wait_until(lambda: not any(map(alive, pids))), end.calls)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc to see processes")
def test_programs_are_ended_at_the_stop(machine: Machine) -> None:
    """Who waits for them is told, and they are waited for."""
    sampler, _, end, pids = running(machine)
    assert (True, WaitCancelled, False, True) == (
        sampler.stop(time.monotonic() + 5.0),
        type(end.error),
        os.path.exists(f"/proc/{pids[0]}"),
        wait_until(lambda: not alive(pids[1])),
    )


def test_an_uptime_that_does_not_end_is_ended(machine: Machine) -> None:
    """Nobody waits for ever."""
    machine.program("uptime", "exec /bin/sleep 3600")
    with pytest.raises(UnavailableError, match=r"uptime has not ended after 0\.1 s"):
        programs.answer(["uptime"], {"PATH": str(machine.bin)}, 0.1)
