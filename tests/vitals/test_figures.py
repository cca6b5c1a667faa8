"""Texts of /proc and /sys as numbers: CPU, memory, disks, file systems, limits, a process."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from recorded import CONTAINER, HOST

from minimon.vitals import figures
from minimon.vitals.figures import Limit, Mount, Spent
from minimon.vitals.procfs import Disk

MIB = 1 << 20


# CPU


def test_waiting_for_a_disk_is_not_work() -> None:
    """Time that the hypervisor took is."""
    assert Spent(9000, 100000) == figures.spent_of(HOST["/proc/stat"])


@pytest.mark.parametrize("text", ["", "cpu0 1 2 3 4\n", "cpu  1 2 3\n", "cpu  a b c d\n"])
def test_what_tells_nothing_of_processors_is_none(text: str) -> None:
    """Nothing is made up."""
    assert None is figures.spent_of(text)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, Spent(25, 100), 0.25),
        (Spent(100, 1000), Spent(150, 1200), 0.25),
        (Spent(100, 1000), Spent(100, 1000), None),
        (Spent(100, 1000), Spent(90, 1100), 0.0),
        (Spent(100, 1000), None, None),
    ],
)
def test_the_share_is_of_the_time_between(before: Spent | None, after: Spent | None, expected: float | None) -> None:
    """Since boot, where there is nothing before; never below 0, though counters of idling go back at times."""
    assert expected == figures.share(before, after)


# memory


def memory(limit: Limit | None = None, **fields: int) -> Any:
    """Memory and swap of the recorded host."""
    return figures.memory_of({**figures.keyed(HOST["/proc/meminfo"]), **fields}, limit)


def test_memory_is_what_programs_can_have() -> None:
    """Not what is free: files that were read can go."""
    assert (
        {
            "total_bytes": 8192000000,
            "available_bytes": 6144000000,
            "used_bytes": 2048000000,
            "available_percent": 75.0,
            "limited_by": "host",
        },
        {
            "total_bytes": 2048000000,
            "available_bytes": 1536000000,
            "used_bytes": 512000000,
            "available_percent": 75.0,
        },
    ) == memory()


def test_a_host_without_swap_has_none_of_it_free() -> None:
    """A percentage of nothing is nothing."""
    assert (0, None) == ((swap := memory(SwapTotal=0, SwapFree=0)[1])["total_bytes"], swap["available_percent"])


@pytest.mark.parametrize("meminfo", [{}, {"MemTotal": 0, "MemFree": 0}, {"MemTotal": 5}])
def test_what_tells_nothing_of_memory_is_none(meminfo: dict[str, int]) -> None:
    """Nothing is made up."""
    assert None is figures.memory_of(meminfo)


def test_old_kernels_say_what_is_free_alone() -> None:
    """MemAvailable came with Linux 3.14."""
    found = figures.memory_of({"MemTotal": 100, "MemFree": 40})
    assert found is not None and 40960 == found[0]["available_bytes"]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Limit(memory=1024 * MIB, memory_used=256 * MIB), (1024 * MIB, 768 * MIB, "cgroup")),
        (Limit(memory=1024 * MIB, memory_used=2048 * MIB), (1024 * MIB, 0, "cgroup")),
        (Limit(memory=7000 * MIB, memory_used=0), (7000 * MIB, 6000000 * 1024, "cgroup")),
        (Limit(memory=1 << 40, memory_used=1), (8000000 * 1024, 6000000 * 1024, "host")),
        (Limit(cpus=1.0), (8000000 * 1024, 6000000 * 1024, "host")),
    ],
)
def test_a_limit_wins_over_the_host(limit: Limit, expected: tuple[int, int, str]) -> None:
    """Where it is less; but no more is available than the host has."""
    found = memory(limit)[0]
    assert expected == (found["total_bytes"], found["available_bytes"], found["limited_by"])


# disks


def test_rates_are_of_a_second() -> None:
    """Sectors have 512 bytes; a disk that was never used is left out."""
    before, after = {"sda": Disk(10, 100, 20, 200)}, {"sda": Disk(14, 104, 21, 201), "loop0": Disk()}
    assert {
        "sda": {
            "reads_per_s": 2.0,
            "writes_per_s": 0.5,
            "read_bytes_per_s": 1024.0,
            "written_bytes_per_s": 256.0,
        }
    } == figures.rates_of(before, after, 2.0)


@pytest.mark.parametrize(("seconds", "expected"), [(10.0, 0.5), (0.0, 0.0), (-1.0, 0.0)])
def test_a_disk_that_was_put_in_again_begins_anew(seconds: float, expected: float) -> None:
    """No rate is negative, and none is of no time."""
    before, after = {"a!b": Disk(10, 100, 20, 200)}, {"a!b": Disk(5, 50, 2, 20)}
    assert expected == figures.rates_of(before, after, seconds)["a/b"]["reads_per_s"]


# file systems


def test_file_systems_are_those_on_disks() -> None:
    """Each device once, at its shortest place: no network, no memory, no image, no layer of a container."""
    assert [
        Mount("/dev/nvme0n1p1", "/", "ext4"),
        Mount("/dev/sda", "/srv/my data", "xfs"),
    ] == figures.mounts_of(HOST["/proc/self/mounts"], HOST["/proc/filesystems"])


def test_the_root_of_a_container_counts() -> None:
    """It is an overlay; a file that is mounted from the host tells of the disk it is on."""
    assert [Mount("overlay", "/", "overlay"), Mount("/dev/nvme0n1p1", "/etc/hosts", "ext4")] == figures.mounts_of(
        CONTAINER["/proc/self/mounts"], CONTAINER["/proc/filesystems"]
    )


@pytest.mark.parametrize("text", ["", "x", "/dev/sda", "/dev/sda x ext4 rw", "\n\n"])
def test_a_line_that_is_no_mount_is_left_out(text: str) -> None:
    """Nothing is made up."""
    assert [] == figures.mounts_of(text, "\text4\n")


def test_more_file_systems_than_anybody_has_are_cut() -> None:
    """They are bounded."""
    text = "\n".join(f"/dev/sd{n} /mnt/{n} ext4 rw 0 0" for n in range(1000))
    assert figures.MOST == len(figures.mounts_of(text, "\text4\n"))


class Statvfs(NamedTuple):
    """What is looked at of an answer of statvfs(3)."""

    f_frsize: int = 4096
    f_blocks: int = 1000
    f_bfree: int = 300
    f_bavail: int = 200


def test_free_is_what_programs_can_have() -> None:
    """Without what is kept for root: df says 78% used, and rounds up."""
    assert {
        "device": "/dev/sda",
        "type": "xfs",
        "total_bytes": 4096000,
        "free_bytes": 819200,
        "free_percent": 22.22,
    } == figures.filesystem_of(Mount("/dev/sda", "/srv", "xfs"), Statvfs())


# limits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/\n", ""),
        ("12:cpu:/\n0::/system.slice/shop.service\n", "/system.slice/shop.service"),
        ("0::/../../etc\n", None),
        ("12:cpu:/docker/abc\n", None),
        ("", None),
    ],
)
def test_a_process_has_a_place_in_the_tree(text: str, expected: str | None) -> None:
    """In cgroup v2; one outside of what can be seen is no place."""
    assert expected == figures.cgroup_of(text)


@pytest.mark.parametrize(("path", "expected"), [("", [""]), ("/a/b", ["/a/b", "/a", ""])])
def test_limits_of_those_above_count(path: str, expected: list[str]) -> None:
    """Up to the root."""
    assert expected == figures.lineage(path)


def limit(*groups: dict[str, str]) -> Limit:
    """Of cgroups with these files."""
    return figures.limit_of([lambda name, files=files: files.get(name, "") for files in groups])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("150000 100000\n", 1.5),
        ("max 100000\n", None),
        ("50000 100000", 0.5),
        ("", None),
        ("5", None),
        ("5 0", None),
        ("0 100000", None),
        ("a b", None),
    ],
)
def test_processors_are_a_part_of_a_period(text: str, expected: float | None) -> None:
    """`max` is no limit, nor is nonsense."""
    assert expected == limit({"cpu.max": text}).cpus


@pytest.mark.parametrize("text", ["max\n", "", "x", "-1"])
def test_no_limit_of_memory(text: str) -> None:
    """`max` is none, nor is nonsense."""
    assert Limit() == limit({"memory.max": text, "memory.current": "5"})


def test_files_that_were_read_are_not_used() -> None:
    """The kernel takes them back before it refuses anything."""
    found = limit({"memory.max": "100", "memory.current": "90", "memory.stat": "anon 5\ninactive_file 60\n"})
    assert Limit(memory=100, memory_used=30, memory_current=90) == found


def test_the_tightest_limit_counts() -> None:
    """Of each kind, with what is used of that one."""
    inner = {"cpu.max": "max 100000", "memory.max": "100", "memory.current": "10"}
    outer = {"cpu.max": "200000 100000", "cpu.stat": "usage_usec 7\n", "memory.max": "50", "memory.current": "20"}
    assert Limit(2.0, 7, 50, 20, 20) == limit(inner, outer, {"cpu.max": "300000 100000", "memory.max": "max"})


# a process


@pytest.mark.parametrize(
    ("text", "expected"),
    [(HOST["/proc/self/status"], (7, 20971520)), ("", (None, None)), ("Threads: x\n", (None, None))],
)
def test_a_process_has_threads_and_memory(text: str, expected: tuple[int | None, int | None]) -> None:
    """Where they are told."""
    assert expected == figures.status_of(text)
