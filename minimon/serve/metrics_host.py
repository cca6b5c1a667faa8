"""The vitals of the host, and of this process, as metrics. Pure: from what `Vitals.numbers()` gives.

The families of this process have the names that Prometheus' own client libraries give them, `process_...`, without our
prefix: `minimon_process_...` are those of programs that a Supervisor runs. What the host does not tell is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .metrics import Document, Family, Samples, escaped, head, samples

_KINDS = ("total", "available", "used")


def _value(*path: str) -> Callable[[Document], Samples]:
    """The number that stands there."""

    def build(numbers: Document) -> Samples:
        found: Any = numbers
        for key in path:
            found = found[key]
        return [("", found)]

    return build


def _room(key: str) -> Callable[[Document], Samples]:
    """Memory or swap, by what is with it."""
    return lambda numbers: [(f'kind="{kind}"', numbers[key][f"{kind}_bytes"]) for kind in _KINDS]


def _each(table: str, label: str, key: str) -> Callable[[Document], Samples]:
    """The same number of each disk or file system."""
    return lambda numbers: [
        (f'{label}="{escaped(name)}"', each[key])
        for name, each in numbers[table].items()
        if isinstance(each.get(key), (int, float))
    ]


def _free(numbers: Document) -> Samples:
    """Shares in place of percents, as Prometheus has them."""
    return [
        (f'mountpoint="{escaped(point)}"', round(each["free_percent"] / 100, 4))
        for point, each in numbers["filesystems"].items()
        if each["free_percent"] is not None
    ]


def _per_disk(name: str, meaning: str, key: str) -> Family:
    build = _each("disks", "device", key)
    return Family(f"host_disk_{name}_per_second", "gauge", f"{meaning}, on average.", build, ("device",))


OF_HOST = (
    Family("host_uptime_seconds", "gauge", "Since the host was booted.", _value("uptime_s")),
    Family("host_load1", "gauge", "Processes that run or wait for a disk, over 1 minute.", _value("load", "1m")),
    Family("host_load5", "gauge", "The same over 5 minutes.", _value("load", "5m")),
    Family("host_load15", "gauge", "The same over 15 minutes.", _value("load", "15m")),
    Family("host_cpus", "gauge", "Processors, or the part of them that a cgroup allows.", _value("cpu", "count")),
    Family("host_cpu_ratio", "gauge", "The share of them that was busy.", _value("cpu", "ratio")),
    Family("host_memory_bytes", "gauge", "Memory, or what a cgroup allows of it.", _room("memory"), ("kind",)),
    Family("host_swap_bytes", "gauge", "Swap.", _room("swap"), ("kind",)),
    _per_disk("reads", "Reads of a disk in a second", "reads_per_s"),
    _per_disk("writes", "Writes of a disk in a second", "writes_per_s"),
    _per_disk("read_bytes", "Bytes read from a disk in a second", "read_bytes_per_s"),
    _per_disk("written_bytes", "Bytes written to a disk in a second", "written_bytes_per_s"),
    Family(
        "host_filesystem_size_bytes",
        "gauge",
        "The size of a file system.",
        _each("filesystems", "mountpoint", "total_bytes"),
        ("mountpoint",),
    ),
    Family(
        "host_filesystem_free_bytes",
        "gauge",
        "What is free of it to programs that are not root's.",
        _each("filesystems", "mountpoint", "free_bytes"),
        ("mountpoint",),
    ),
    Family("host_filesystem_free_ratio", "gauge", "The share that is free, as df reckons.", _free, ("mountpoint",)),
)
"""What is told of the host. Rates and shares are since the numbers were read before, a second or more ago."""


def _own(name: str, kind: str, meaning: str, key: str) -> Family:
    return Family(name, kind, meaning, _value("process", key), (), "process_")


OF_PROCESS = (
    _own("cpu_seconds_total", "counter", "CPU time that this process has used.", "cpu_s"),
    _own("resident_memory_bytes", "gauge", "Memory that this process has.", "rss_bytes"),
    _own("open_fds", "gauge", "File descriptors that this process has open.", "descriptors"),
    _own("threads", "gauge", "Threads of this process.", "threads"),
)
"""What is told of this process."""


def host_metrics(numbers: Mapping[str, Any], openmetrics: bool = False) -> bytes:
    """The families of the host and this process, as a part of what `/metrics` answers. Raises nothing.

    A family without samples is left out. It ends without the `# EOF` of OpenMetrics: that is for whoever joins parts.
    """
    found = [(family, samples(family, [("", numbers)])) for family in (*OF_HOST, *OF_PROCESS)]
    return "".join(f"{head(family, openmetrics)}{text}" for family, text in found if text).encode("utf-8", "replace")
