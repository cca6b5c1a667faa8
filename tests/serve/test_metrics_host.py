"""The vitals as metrics: names, labels, what is left out, and nothing that a parser refuses."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
from recorded import HOST, folder

from minimon.serve.metrics import FAMILIES
from minimon.serve.metrics_host import OF_HOST, OF_PROCESS, host_metrics
from minimon.vitals.numbers import Calls, Vitals


class Disk:
    """What statvfs(3) says."""

    f_frsize, f_blocks, f_bfree, f_bavail = 4096, 100, 30, 20


@pytest.fixture
def numbers(tmp_path: pathlib.Path) -> dict[str, Any]:
    """Of the recorded host."""
    return Vitals(folder(tmp_path, HOST), Calls(cpu_time=lambda: 1.25, statvfs=lambda path: Disk())).numbers()


def values(numbers: dict[str, Any]) -> dict[str, float]:
    """Each series with its value."""
    lines = [line for line in host_metrics(numbers).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_all_numbers_are_told(numbers: dict[str, Any]) -> None:
    """Those of the host with our prefix, those of this process with the names that all clients have."""
    told = values(numbers)
    assert {
        "minimon_host_uptime_seconds": 90061.5,
        "minimon_host_load1": 0.52,
        "minimon_host_load5": 1.0,
        "minimon_host_load15": 12.35,
        "minimon_host_cpus": 2.0,
        "minimon_host_cpu_ratio": 0.09,
        'minimon_host_memory_bytes{kind="total"}': 8192000000.0,
        'minimon_host_memory_bytes{kind="available"}': 6144000000.0,
        'minimon_host_memory_bytes{kind="used"}': 2048000000.0,
        'minimon_host_swap_bytes{kind="total"}': 2048000000.0,
        'minimon_host_swap_bytes{kind="available"}': 1536000000.0,
        'minimon_host_swap_bytes{kind="used"}': 512000000.0,
        'minimon_host_filesystem_size_bytes{mountpoint="/"}': 409600.0,
        'minimon_host_filesystem_size_bytes{mountpoint="/srv/my data"}': 409600.0,
        'minimon_host_filesystem_free_bytes{mountpoint="/"}': 81920.0,
        'minimon_host_filesystem_free_bytes{mountpoint="/srv/my data"}': 81920.0,
        'minimon_host_filesystem_free_ratio{mountpoint="/"}': 0.2222,
        'minimon_host_filesystem_free_ratio{mountpoint="/srv/my data"}': 0.2222,
        "process_cpu_seconds_total": 1.25,
        "process_resident_memory_bytes": 20971520.0,
        "process_open_fds": 2.0,
        "process_threads": 7.0,
    } == {name: value for name, value in told.items() if "_disk_" not in name}


def test_disks_are_told_by_their_names(numbers: dict[str, Any]) -> None:
    """Four of each."""
    told = [re.fullmatch(r'minimon_host_disk_(\w+)_per_second{device="(.*)"}', name) for name in values(numbers)]
    assert {
        (what, disk)
        for what in ("reads", "writes", "read_bytes", "written_bytes")
        for disk in ("cciss/c0d0", "nvme0n1", "sda")
    } == {found.groups() for found in told if found}


def test_no_name_is_told_twice() -> None:
    """Nor one of a check, or of a program of a Supervisor."""
    names = [f"{family.prefix}{family.name}" for family in (*FAMILIES, *OF_HOST, *OF_PROCESS)]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("numbers", [{}, {"load": None, "cpu": None, "disks": {"sda": 5}, "filesystems": {"/": {}}}])
def test_what_is_not_known_is_left_out(numbers: dict[str, Any]) -> None:
    """With its head."""
    assert b"" == host_metrics(numbers)


def test_odd_paths_break_no_line(numbers: dict[str, Any]) -> None:
    """Whoever mounts them."""
    odd = {**numbers, "filesystems": {'/a"b\\c\nd\x00\ud800': numbers["filesystems"]["/"]}}
    assert 'minimon_host_filesystem_free_bytes{mountpoint="/a\\"b\\\\c\\nd\ufffd\ufffd"}' in values(odd)


def test_the_heads_differ_with_the_format(numbers: dict[str, Any]) -> None:
    """OpenMetrics has units, and names counters without their ending."""
    heads = [line for line in host_metrics(numbers, True).decode().splitlines() if line.startswith("#")]
    assert [
        "# TYPE process_cpu_seconds counter",
        "# UNIT process_cpu_seconds seconds",
        "# HELP process_cpu_seconds CPU time that this process has used.",
    ] == [line for line in heads if "process_cpu_seconds" in line]


@pytest.mark.parametrize("openmetrics", [False, True])
def test_the_official_parsers_take_it(numbers: dict[str, Any], openmetrics: bool) -> None:
    """Each family is read with its kind."""
    parser = pytest.importorskip(f"prometheus_client{'.openmetrics' if openmetrics else ''}.parser")
    text = host_metrics(numbers, openmetrics).decode() + ("# EOF\n" if openmetrics else "")
    assert len((*OF_HOST, *OF_PROCESS)) == len([*parser.text_string_to_metric_families(text)])
