"""Files of /proc and /sys as numbers: CPU, memory, mounted file systems, the limits of a cgroup, a process. Pure.

Whatever is not as expected is left out: None, or not there. Sources: proc(5), and "Control Group v2" of the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .procfs import NEW, SECTOR, Disk, replaced

MOST = 256
"""File systems that are told at most."""
IMAGES = ("squashfs", "iso9660", "udf", "cramfs", "erofs", "romfs")
"""File systems that cannot be written, and so are always full."""
LOCAL = ("zfs", "overlay")
"""Those that the kernel lists as without a device of their own, and that are on disks all the same."""

Numbers = dict[str, Any]


# --- CPU and memory


class Spent(NamedTuple):
    """What processors have done since boot, in the kernel's ticks."""

    busy: int
    total: int


def spent_of(stat: str) -> Spent | None:
    """From /proc/stat. Waiting for disks is idling; time that the hypervisor took is not."""
    fields = next((line.split()[1:9] for line in stat.splitlines() if line.startswith("cpu ")), [])
    try:
        ticks = [int(field) for field in fields]
    except ValueError:
        return None
    if len(ticks) < 4:
        return None
    return Spent(sum(ticks) - sum(ticks[3:5]), sum(ticks))


def share(before: Spent | None, after: Spent | None) -> float | None:
    """The share of all processors that was busy in between, 0 to 1; since boot where there is nothing before."""
    if after is None:
        return None
    before = before or Spent(0, 0)
    return ratio(after.busy - before.busy, after.total - before.total)


def ratio(part: float, whole: float) -> float | None:
    """From 0 to 1, with four digits; None of nothing."""
    return round(min(1.0, max(0.0, part / whole)), 4) if whole > 0 else None


def keyed(text: str) -> dict[str, int]:
    """The numbers of a text whose lines are a key and a number: /proc/meminfo (in kB), memory.stat, cpu.stat."""
    pairs = (line.replace(":", " ").split()[:2] for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isascii() and pair[1].isdigit()}


def memory_of(meminfo: Mapping[str, int], limit: Limit | None = None) -> tuple[Numbers, Numbers] | None:
    """Memory and swap, in bytes; the memory of a limited cgroup in place of the host's where that is less."""
    total, free = meminfo.get("MemTotal"), meminfo.get("MemAvailable", meminfo.get("MemFree"))
    if not total or free is None:
        return None
    swap = _room(meminfo.get("SwapTotal", 0) * 1024, meminfo.get("SwapFree", 0) * 1024)
    most = None if limit is None else limit.memory
    if limit is None or most is None or most >= total * 1024:
        return {**_room(total * 1024, free * 1024), "limited_by": "host"}, swap
    used = limit.memory_used or 0
    return {**_room(most, max(0, min(most - used, free * 1024))), "limited_by": "cgroup"}, swap


def _room(total: int, available: int) -> Numbers:
    return {
        "total_bytes": total,
        "available_bytes": available,
        "used_bytes": max(0, total - available),
        "available_percent": percent(available, total),
    }


def percent(part: int, whole: int) -> float | None:
    """With two digits; None of nothing."""
    return round(100 * part / whole, 2) if whole > 0 else None


# --- disks


def rates_of(before: Mapping[str, Disk], after: Mapping[str, Disk], seconds: float) -> dict[str, Numbers]:
    """What each disk that was ever used does in a second; over the time since boot where it was not there before."""
    used = {name: disk for name, disk in after.items() if disk.used}
    return {name.replace("!", "/"): _rates(before.get(name, NEW), disk, seconds) for name, disk in used.items()}


def _rates(old: Disk, new: Disk, seconds: float) -> Numbers:
    old = NEW if replaced(old, new) else old

    def rate(at: int, size: int = 1) -> float:
        return round(max(0, new[at] - old[at]) * size / seconds, 2) if seconds > 0 else 0.0

    return {
        "reads_per_s": rate(0),
        "writes_per_s": rate(2),
        "read_bytes_per_s": rate(1, SECTOR),
        "written_bytes_per_s": rate(3, SECTOR),
    }


# --- file systems


class Mount(NamedTuple):
    """A mounted file system."""

    device: str
    point: str
    kind: str


_OCTAL = re.compile(r"\\([0-3][0-7]{2})")


def mounts_of(mounts: str, filesystems: str) -> list[Mount]:
    """The real ones of /proc/self/mounts, each device once, at its shortest place.

    Real are those on a device of this host, as /proc/filesystems tells: no network, which may hang for ever, nothing
    that is memory, no image. An overlay counts as the root of a container only.
    """
    fields = (line.split() for line in filesystems.splitlines())
    local = {each[0] for each in fields if len(each) == 1} | {*LOCAL}
    found: dict[str, Mount] = {}
    for mount in _mounts(mounts):
        if mount.kind not in local or mount.kind in IMAGES or (mount.kind == "overlay" and mount.point != "/"):
            continue
        known = found.get(mount.device)
        if known is None or len(mount.point) < len(known.point):
            found[mount.device] = mount
    return sorted(found.values(), key=lambda mount: mount.point)[:MOST]


def _mounts(text: str) -> Iterator[Mount]:
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3 and fields[1].startswith("/"):
            yield Mount(_unescaped(fields[0]), _unescaped(fields[1]), fields[2])


def _unescaped(text: str) -> str:
    """A path as it is: blanks, tabs, line breaks and backslashes are written in octal."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def filesystem_of(mount: Mount, seen: Any) -> Numbers:
    """Its size and what is free of it to programs that are not root's, in bytes; the percentage is df's other half."""
    used = seen.f_blocks - seen.f_bfree
    return {
        "device": mount.device,
        "type": mount.kind,
        "total_bytes": seen.f_blocks * seen.f_frsize,
        "free_bytes": seen.f_bavail * seen.f_frsize,
        "free_percent": percent(seen.f_bavail, used + seen.f_bavail),
    }


# --- cgroup v2


class Limit(NamedTuple):
    """What a cgroup and those above it may use, and what is used of it. None where there is no limit."""

    cpus: float | None = None
    """Processors, in parts: 1.5."""
    cpu_used: int | None = None
    """Microseconds, of the cgroup that is limited."""
    memory: int | None = None
    """Bytes."""
    memory_used: int | None = None
    """Bytes that cannot be had back at once: without files that were read and not used lately."""
    memory_current: int | None = None
    """Bytes in all, files that were read among them."""


def cgroup_of(text: str) -> str | None:
    """The path of a process in cgroup v2, from /proc/self/cgroup; None where it is in none."""
    path = next((line[3:] for line in text.splitlines() if line.startswith("0::/")), None)
    return None if path is None or ".." in path.split("/") else path.rstrip("/")


def lineage(path: str) -> list[str]:
    """A cgroup and all above it: /a/b, /a, and the root, which is ""."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]


def limit_of(groups: Iterable[Callable[[str], str]]) -> Limit:
    """The tightest limits of some cgroups, each given as what reads its files: cpu.max, cpu.stat, memory.max..."""
    limit = Limit()
    for read in groups:
        cpus, memory = _cpus(read("cpu.max")), _number(read("memory.max"))
        if cpus is not None and (limit.cpus is None or cpus < limit.cpus):
            limit = limit._replace(cpus=cpus, cpu_used=keyed(read("cpu.stat")).get("usage_usec"))
        if memory is not None and (limit.memory is None or memory < limit.memory):
            current, unused = _number(read("memory.current")), keyed(read("memory.stat")).get("inactive_file", 0)
            used = None if current is None else max(0, current - unused)
            limit = limit._replace(memory=memory, memory_used=used, memory_current=current)
    return limit


def _cpus(text: str) -> float | None:
    """From cpu.max: `QUOTA PERIOD` in microseconds, or `max PERIOD`."""
    numbers = [_number(field) for field in text.split()]
    if len(numbers) != 2 or numbers[0] is None or not numbers[1]:
        return None
    return round(numbers[0] / numbers[1], 3) or None


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() else None


# --- a process


def status_of(text: str) -> tuple[int | None, int | None]:
    """Threads, and bytes of memory that it has (rss), from /proc/self/status."""
    found = keyed(text)
    rss = found.get("VmRSS")
    return found.get("Threads"), None if rss is None else rss * 1024
