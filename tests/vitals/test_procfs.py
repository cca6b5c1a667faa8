"""Texts of /proc as the lines of uptime and iostat: to the letter, as the programs have them."""

from __future__ import annotations

import time

import pytest
from recorded import HOST, login

from minimon.vitals import procfs
from minimon.vitals.procfs import NEW, Disk, System

NOW = time.struct_time((2026, 11, 6, 9, 5, 3, 4, 310, 0))
WHOLE = ("loop0", "nvme0n1", "cciss!c0d0", "sda")
LOAD = (0.52, 1.0, 12.345)


# uptime


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 min"),
        (59, "0 min"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, " 1:00"),
        (36061, "10:01"),
        (86400, "1 day, 0 min"),
        (86400 + 3660, "1 day,  1:01"),
        (2 * 86400 + 59 * 60, "2 days, 59 min"),
        (400 * 86400 + 86399, "400 days, 23:59"),
    ],
)
def test_the_time_since_boot_is_said_as_procps_does(seconds: int, said: str) -> None:
    """Minutes alone, hours and minutes, days."""
    expected = f"09:05:03 up {said},  3 users,  load average: 0.52, 1.00, 12.35"
    assert expected == procfs.uptime_line(NOW, seconds, 3, (0.52, 1.0, 12.346))


@pytest.mark.parametrize(
    ("users", "none", "said"),
    [
        (0, "users", " 0 users"),
        (0, "user", " 0 user"),
        (1, "users", " 1 user"),
        (2, "user", " 2 users"),
        (25, "users", "25 users"),
    ],
)
def test_users_are_counted_as_procps_does(users: int, none: str, said: str) -> None:
    """After 0 its versions differ."""
    assert f"up 1 min, {said},  load" in procfs.uptime_line(NOW, 60, users, LOAD, none)


@pytest.mark.parametrize("text", ["", "\n", "12", "a.b 1", "1,5 2", "-1.50 2", "1.\u00b2"])
def test_what_is_no_uptime_is_none(text: str) -> None:
    """Nothing is made up."""
    assert None is procfs.uptime_of(text)


def test_the_uptime_is_read_to_the_hundredth() -> None:
    """As iostat reads it."""
    assert (90061, 50) == procfs.uptime_of(HOST["/proc/uptime"])


@pytest.mark.parametrize("text", ["", "1 2", "one two three"])
def test_what_is_no_load_is_none(text: str) -> None:
    """Nothing is made up."""
    assert None is procfs.load_of(text)


@pytest.mark.parametrize(("machine", "size"), [("x86_64", 384), ("aarch64", 400)])
def test_logins_are_counted(machine: str, size: int) -> None:
    """Records of the dead, of boot, and without a name do not count, nor does half a record."""
    records = [login("anna", 7, size), login("", 7, size), login("reboot", 2, size), login("otto", 8, size)]
    assert 2 == procfs.users_of(b"".join([*records, login("bert", 7, size), b"\x07"]), machine)


# disks


def test_whole_disks_are_found() -> None:
    """No partitions; in the order of the alphabet; old kernels tell of no discards."""
    assert {
        "cciss!c0d0": Disk(10, 80, 20, 161),
        "loop0": NEW,
        "nvme0n1": Disk(1831103, 66654842, 1584609, 118843712, 2005290, 194190000, 272051),
        "sda": Disk(100, 800),
    } == procfs.disks_of(HOST["/proc/diskstats"], WHOLE)


@pytest.mark.parametrize(
    "line",
    ["", "8 0 sda", "8 0 sda 1 2 3 4", "8 0 sda a b c d e f g h i j k", "\0\0\0", f"8 0 {'s' * 128} {'1 ' * 11}"],
)
def test_a_line_that_is_none_is_left_out(line: str) -> None:
    """The next one counts."""
    assert {"sda": Disk(1, 3, 5, 7)} == procfs.disks_of(f"{line}\n8 0 sda 1 2 3 4 5 6 7 8 9 10 11", ("sda", "s" * 128))


def test_more_disks_than_anybody_has_are_cut() -> None:
    """The text is bounded."""
    names = [f"sd{n:05d}" for n in range(1000)]
    text = "\n".join(f"8 0 {name} 1 2 3 4 5 6 7 8 9 10 11" for name in names)
    assert procfs.MOST == len(procfs.disks_of(text, names))


# iostat


def test_the_head_names_the_host() -> None:
    """Kernel, release, host, date, machine, processors; a blank line."""
    head = procfs.iostat_head(System("Linux", "6.1.0", "web-1", "x86_64", 2), NOW)
    assert "Linux 6.1.0 (web-1) \t11/06/26 \t_x86_64_\t(2 CPU)\n\n" == head


SINCE_BOOT = """\
Device             tps    kB_read/s    kB_wrtn/s    kB_dscd/s    kB_read    kB_wrtn    kB_dscd
cciss/c0d0        0.00         0.00         0.00         0.00         40         80          0
nvme0n1          60.19       370.05       659.79      1078.10   33327421   59421856   97095000
sda               0.00         0.00         0.00         0.00        400          0          0


"""


def test_the_first_report_is_since_boot() -> None:
    """What was never used is left out; a `!` of /sys is a `/`."""
    assert SINCE_BOOT == procfs.iostat_report({}, procfs.disks_of(HOST["/proc/diskstats"], WHOLE), 9006150)


def rows(before: dict[str, Disk], after: dict[str, Disk], hundredths: int) -> list[list[str]]:
    """The fields of a report, without its titles."""
    return [line.split() for line in procfs.iostat_report(before, after, hundredths).splitlines()[1:] if line]


def test_a_report_is_of_an_interval() -> None:
    """tps are reads, writes and discards; kB are sectors / 2."""
    before, after = Disk(10, 100, 10, 100, 10, 100, 10), Disk(12, 103, 14, 106, 18, 113, 99)
    assert [["sda", "7.00", "0.75", "1.50", "3.25", "1", "3", "6"]] == rows({"sda": before}, {"sda": after}, 200)


def test_an_idle_disk_is_told() -> None:
    """It was used once."""
    disk = {"sda": Disk(1, 2)}
    assert [["sda", "0.00", "0.00", "0.00", "0.00", "0", "0", "0"]] == rows(disk, disk, 100)


def test_a_disk_that_has_only_flushed_is_told() -> None:
    """As sysstat does."""
    assert [["sda", *["0.00"] * 4, *["0"] * 3]] == rows({}, {"sda": Disk(flushes=1)}, 100)


def test_a_disk_that_was_put_in_again_begins_anew() -> None:
    """Its counters are smaller."""
    found = rows({"sda": Disk(100, 200, 300, 400)}, {"sda": Disk(10, 20, 30, 40)}, 100)
    assert [["sda", "40.00", "10.00", "20.00", "0.00", "10", "20", "0"]] == found


def test_counters_of_old_kernels_run_over() -> None:
    """At 32 bits; the rates are what the program makes of it, too."""
    found = rows({"sda": Disk(1, (1 << 32) - 10)}, {"sda": Disk(2, 10)}, 100)
    assert ["sda", "1.00", "10", "0", "0"] == [found[0][at] for at in (0, 1, 5, 6, 7)]


def test_no_time_between_two_reports_is_a_hundredth() -> None:
    """And no division by zero."""
    assert "100.00" == rows({}, {"sda": Disk(1)}, 0)[0][1]


def test_a_host_without_disks_has_titles_alone() -> None:
    """As the program says it."""
    assert SINCE_BOOT.splitlines()[0] + "\n\n\n" == procfs.iostat_report({}, {}, 100)


def test_a_long_name_moves_its_row() -> None:
    """It is not cut."""
    text = procfs.iostat_report({}, {"dm-very-long-name": Disk(100)}, 100)
    assert "dm-very-long-name   100.00         0.00" in text


# processors


@pytest.mark.parametrize(
    ("names", "stat", "expected"),
    [
        (["cpu0", "cpu1", "cpu10", "cpufreq", "online"], "", 3),
        ([], HOST["/proc/stat"], 2),
        (["online"], "cpu  1 2\ncpu0 1\ncpu7 1\n", 8),
        ([], "", 0),
    ],
)
def test_processors_are_counted(names: list[str], stat: str, expected: int) -> None:
    """From /sys, else up to the last one in /proc/stat."""
    assert expected == procfs.cpus_of(names, stat)
