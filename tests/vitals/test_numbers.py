"""The vitals in numbers: what a host tells, read at most once a second, whoever asks and however often."""

from __future__ import annotations

import json
import os
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from recorded import CONTAINER, HOST, folder
from support import wait_until

from minimon.errors import UnavailableError
from minimon.jsonpath import find
from minimon.testing import FakeClock
from minimon.vitals.numbers import MEANINGS, Calls, Vitals


class Disk:
    """What statvfs(3) says of any place."""

    f_frsize, f_blocks, f_bfree, f_bavail = 4096, 1000, 300, 200


class Asked:
    """A system that counts how often it is asked of its file systems, and says nothing else."""

    def __init__(self) -> None:
        self.clock, self.paths = FakeClock(wall=1704067200.0), list[str]()
        self.hold: threading.Event | None = None

    def statvfs(self, path: str) -> Any:
        """Waits, where it is told to."""
        self.paths.append(path)
        if self.hold is not None:
            self.hold.wait(20.0)
        if path == "/broken":
            raise OSError("input/output error")
        return Disk()

    def calls(self) -> Calls:
        """As Vitals asks."""

        def nothing() -> Any:
            raise OSError("no")

        clock = self.clock
        return Calls(clock.monotonic, clock.time, lambda: 1.25, lambda: 3, nothing, lambda: None, self.statvfs)


@pytest.fixture
def asked() -> Asked:
    """The system."""
    return Asked()


@pytest.fixture
def vitals(tmp_path: pathlib.Path, asked: Asked) -> Callable[..., Vitals]:
    """Makes vitals of recorded files."""
    return lambda files, **more: Vitals(folder(tmp_path, {**files, **more}), asked.calls())


def test_the_numbers_of_a_recorded_host(vitals: Callable[..., Vitals]) -> None:
    """All of them; the first rates are since boot."""
    numbers = vitals(HOST).numbers()
    room = {"device": "/dev/nvme0n1p1", "type": "ext4", "total_bytes": 4096000, "free_bytes": 819200}
    assert {
        "at": "2024-01-01T00:00:00.000Z",
        "uptime_s": 90061.5,
        "over_s": 90061.5,
        "load": {"1m": 0.52, "5m": 1.0, "15m": 12.35},
        "cpu": {"count": 2, "ratio": 0.09, "limited_by": "host"},
        "filesystems": {
            "/": {**room, "free_percent": 22.22},
            "/srv/my data": {**room, "device": "/dev/sda", "type": "xfs", "free_percent": 22.22},
        },
        "cgroup": None,
        "process": {"cpu_s": 1.25, "rss_bytes": 20971520, "threads": 7, "descriptors": 2},
    } == {key: value for key, value in numbers.items() if key not in ("memory", "swap", "disks")}


def test_disks_of_a_recorded_host(vitals: Callable[..., Vitals]) -> None:
    """The loop device was never used."""
    assert ["cciss/c0d0", "nvme0n1", "sda"] == [*vitals(HOST).numbers()["disks"]]


def test_a_container_has_its_own_limits(vitals: Callable[..., Vitals]) -> None:
    """They win over those of the host."""
    numbers = vitals(CONTAINER).numbers()
    assert (
        {"count": 1.5, "ratio": None, "limited_by": "cgroup"},
        (1 << 30, 3 << 28, "cgroup"),
        {"cpus": 1.5, "memory_bytes": 1 << 30, "memory_current_bytes": 3 << 28},
    ) == (
        numbers["cpu"],
        tuple(numbers["memory"][key] for key in ("total_bytes", "available_bytes", "limited_by")),
        numbers["cgroup"],
    )


def test_the_share_of_a_limit_is_of_what_is_allowed(vitals: Callable[..., Vitals], asked: Asked) -> None:
    """3 s of CPU in 4 s are half of 1.5 processors."""
    made = vitals(CONTAINER)
    made.numbers()
    asked.clock.advance(4.0)
    vitals({"/sys/fs/cgroup/cpu.stat": "usage_usec 4000000\n"})
    assert {"count": 1.5, "ratio": 0.5, "limited_by": "cgroup"} == made.numbers()["cpu"]


def test_a_service_has_the_limits_of_its_slice(vitals: Callable[..., Vitals]) -> None:
    """And those of the root, and its own."""
    group = "/sys/fs/cgroup"
    numbers = vitals(
        HOST,
        **{
            "/proc/self/cgroup": "0::/web.slice/shop.service\n",
            f"{group}/cgroup.controllers": "cpu memory",
            f"{group}/web.slice/memory.max": "4096",
            f"{group}/web.slice/memory.current": "1024",
            f"{group}/web.slice/shop.service/memory.max": "max",
            f"{group}/web.slice/shop.service/cpu.max": "max 100000",
        },
    ).numbers()
    assert {"cpus": None, "memory_bytes": 4096, "memory_current_bytes": 1024} == numbers["cgroup"]


def test_rates_are_since_the_numbers_before(vitals: Callable[..., Vitals], asked: Asked) -> None:
    """By the monotonic clock."""
    made = vitals(HOST)
    made.numbers()
    asked.clock.advance(2.0)
    disks, stat = "8 0 sda 110 0 800 0 20 0 4 0 0 0 0\n", "cpu  4100 1000 3000 92300 1000 0 500 500\n"
    vitals({"/proc/diskstats": disks, "/proc/stat": stat})
    numbers = made.numbers()
    rates = {"reads_per_s": 5.0, "writes_per_s": 10.0, "read_bytes_per_s": 0.0, "written_bytes_per_s": 1024.0}
    assert (2.0, rates, 0.0417) == (numbers["over_s"], numbers["disks"]["sda"], numbers["cpu"]["ratio"])


@pytest.mark.parametrize(("seconds", "times"), [(0.0, 1), (0.99, 1), (1.0, 2), (5.0, 2)])
def test_it_is_read_once_a_second(vitals: Callable[..., Vitals], asked: Asked, seconds: float, times: int) -> None:
    """However often it is asked for."""
    made = vitals(HOST)
    made.numbers()
    asked.clock.advance(seconds)
    for _ in range(3):
        made.numbers()
    assert ["/", "/srv/my data"] * times == asked.paths


def test_many_who_ask_at_once_are_told_the_same(vitals: Callable[..., Vitals], asked: Asked) -> None:
    """One reads, the others wait for him."""
    asked.hold = threading.Event()
    made, told = vitals(HOST), list[dict[str, Any]]()
    threads = [threading.Thread(target=lambda: told.append(made.numbers())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: asked.paths)
    asked.hold.set()
    for thread in threads:
        thread.join()
    assert (8, 1, 2) == (len(told), len({id(each) for each in told}), len(asked.paths))


def holding(made: Vitals, asked: Asked) -> tuple[threading.Event, threading.Thread]:
    """Somebody who reads, and does not get to the end."""
    asked.hold, before = threading.Event(), len(asked.paths)
    thread = threading.Thread(target=made.numbers)
    thread.start()
    assert wait_until(lambda: len(asked.paths) > before)
    return asked.hold, thread


def test_nobody_waits_for_a_file_system_that_hangs(vitals: Callable[..., Vitals], asked: Asked) -> None:
    """For some seconds he is told what was read before."""
    made = vitals(HOST)
    before = made.numbers()
    asked.clock.advance(5.0)
    hold, thread = holding(made, asked)
    told = made.numbers()
    hold.set()
    thread.join()
    assert before is told


def test_what_is_too_old_is_not_told(vitals: Callable[..., Vitals], asked: Asked) -> None:
    """No green from silence."""
    made = vitals(HOST)
    made.numbers()
    asked.clock.advance(10.0)
    hold, thread = holding(made, asked)
    with pytest.raises(UnavailableError, match="a file system of it may hang"):
        made.numbers()
    hold.set()
    thread.join()


def test_a_child_reads_for_itself(vitals: Callable[..., Vitals], asked: Asked) -> None:
    """Whoever was reading in the parent."""
    made = vitals(HOST)
    made.numbers()
    made.after_fork()
    made.numbers()
    assert 4 == len(asked.paths)


def test_a_file_system_that_is_broken_is_left_out(vitals: Callable[..., Vitals]) -> None:
    """The others are told."""
    mounts = "/dev/sda /broken ext4 rw 0 0\n/dev/sdb / ext4 rw 0 0\n"
    assert ["/"] == [*vitals(HOST, **{"/proc/self/mounts": mounts}).numbers()["filesystems"]]


def test_a_path_that_is_no_text_can_be_told(vitals: Callable[..., Vitals], asked: Asked) -> None:
    """It is asked for as it is, and shown as one can."""
    mounts = b"/dev/sda /mnt/\xe4 ext4 rw 0 0\n"
    shown = [*vitals(HOST, **{"/proc/self/mounts": mounts}).numbers()["filesystems"]]
    assert ([os.fsdecode(b"/mnt/\xe4")], ["/mnt/\ufffd"]) == (asked.paths, shown)


def test_a_host_without_proc_tells_what_it_can(vitals: Callable[..., Vitals]) -> None:
    """Its root, and of this process what Python knows."""
    numbers = vitals({}).numbers()
    assert (["/"], None, None, {}, {"cpu_s": 1.25, "rss_bytes": None, "threads": 3, "descriptors": None}) == (
        [*numbers["filesystems"]],
        numbers["load"],
        numbers["memory"],
        numbers["disks"],
        numbers["process"],
    )


def test_a_host_that_tells_nothing_is_not_told_of(tmp_path: pathlib.Path, asked: Asked) -> None:
    """Whoever asks hears why."""

    def fail(*_: Any) -> Any:
        raise OSError("no")

    with pytest.raises(UnavailableError, match="this host tells nothing of itself"):
        Vitals(str(tmp_path), asked.calls()._replace(statvfs=fail)).numbers()


def test_this_host_can_be_read() -> None:
    """Whatever it is: JSON carries what it tells."""
    numbers = Vitals().numbers()
    assert numbers == json.loads(json.dumps(numbers))


def test_all_that_is_told_has_a_meaning(vitals: Callable[..., Vitals]) -> None:
    """For the reference."""
    assert [*vitals(HOST).numbers()] == [key.split(".")[0].split("[")[0] for key in MEANINGS]


def test_a_file_system_is_found_by_its_place(vitals: Callable[..., Vitals]) -> None:
    """As a check's condition is written."""
    assert [22.22] == find("$.filesystems['/'].free_percent", vitals(HOST).numbers())
