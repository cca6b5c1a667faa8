"""Files of /proc as the text of `uptime` (procps) and of `iostat -d WAIT COUNT` (sysstat 12), to the letter. Pure.

All texts are those of the locale C. Sources: proc(5), utmp(5), uptime(1), iostat(1), and the source of both programs.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import time

SECTOR = 512
"""Bytes of a sector in /proc/diskstats, whatever the disk has."""
MOST = 256
"""Disks that are told at most."""

_WRAP = 1 << 64
"""Counters are of 64 bits; the programs subtract them as such."""
_USER_PROCESS = 7
_WIDE = ("aarch64", "alpha", "ia64", "loongarch64")
"""Machines whose utmp has times of 64 bits, and so longer records."""


class Disk(NamedTuple):
    """What a disk has done since boot."""

    reads: int = 0
    sectors_read: int = 0
    writes: int = 0
    sectors_written: int = 0
    discards: int = 0
    sectors_discarded: int = 0
    flushes: int = 0

    @property
    def transfers(self) -> int:
        """Reads, writes and discards; a flush counts as a write already."""
        return self.reads + self.writes + self.discards

    @property
    def used(self) -> bool:
        """Whether it has ever done anything."""
        return self.transfers + self.flushes > 0


NEW = Disk()
"""One that has done nothing yet."""


class System(NamedTuple):
    """Of which host it is told."""

    name: str
    """Of the kernel: Linux."""
    release: str
    host: str
    machine: str
    cpus: int


# --- uptime


def uptime_of(text: str) -> tuple[int, int] | None:
    """Seconds since boot and hundredths of one, from /proc/uptime; None for what is no such text."""
    seconds, dot, hundredths = (text.split() or [""])[0].partition(".")
    if not dot or not (_is_number(seconds) and _is_number(hundredths)):
        return None
    return int(seconds), int(hundredths)


def load_of(text: str) -> tuple[float, float, float] | None:
    """The load over 1, 5 and 15 minutes, from /proc/loadavg; None for what is no such text."""
    try:
        one, five, fifteen = map(float, text.split()[:3])
    except ValueError:
        return None
    return one, five, fifteen


def users_of(records: bytes, machine: str = "x86_64") -> int:
    """How many are logged in, from the records of utmp as this machine writes them."""
    size = 400 if machine in _WIDE else 384
    starts = range(0, len(records) - size + 1, size)
    return sum(
        int.from_bytes(records[at : at + 2], sys.byteorder) == _USER_PROCESS and records[at + 44] != 0 for at in starts
    )


def uptime_line(
    now: time.struct_time, up: int, users: int, load: tuple[float, float, float], none: str = "users"
) -> str:
    """The line of `uptime`, stripped: the local time, whole seconds since boot, users, the load.

    `none` is the word after 0: procps has had "user" there, from 4.0.0 to 4.0.4.
    """
    days, hours, minutes = up // 86400, up // 3600 % 24, up // 60 % 60
    since = f"{days} {'day' if days == 1 else 'days'}, " if days else ""
    since += f"{hours:2d}:{minutes:02d}" if hours else f"{minutes} min"
    word = none if users == 0 else "user" if users == 1 else "users"
    loads = ", ".join(f"{each:.2f}" for each in load)
    return f"{_clock(now)} up {since}, {users:2d} {word},  load average: {loads}"


def _clock(now: time.struct_time) -> str:
    return f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"


# --- iostat


def disks_of(text: str, whole: Container[str]) -> dict[str, Disk]:
    """The disks of /proc/diskstats that are `whole`, as /sys/block names them (`!` for `/`), in the alphabet's order.

    Lines that are none are left out. Kernels before 4.18 tell of no discards, before 5.5 of no flushes: 0.
    """
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 14 or len(fields[2]) > 127:
            continue
        name = fields[2].replace("/", "!")
        disk = _disk(fields) if name in whole else None
        if disk is not None:
            found[name] = disk
    return {name: found[name] for name in sorted(found)[:MOST]}


def _disk(fields: list[str]) -> Disk | None:
    try:
        counts = [int(field) for field in fields[3:20]]
    except ValueError:
        return None
    counts += [0] * (17 - len(counts))
    return Disk(counts[0], counts[2], counts[4], counts[6], counts[11], counts[13], counts[15])


def iostat_head(system: System, date: time.struct_time) -> str:
    """The first line of `iostat`, and the blank one after it."""
    day = f"{date.tm_mon:02d}/{date.tm_mday:02d}/{date.tm_year % 100:02d}"
    name, release, host, machine, cpus = system
    return f"{name} {release} ({host}) \t{day} \t_{machine}_\t({cpus} CPU)\n\n"


_TITLES = ("tps", "kB_read/s", "kB_wrtn/s", "kB_dscd/s", "kB_read", "kB_wrtn", "kB_dscd")
_ROW = "%-13s %8.2f %12.2f %12.2f %12.2f %10d %10d %10d\n"
_COLUMNS = "{:13} {:>8} {:>12} {:>12} {:>12} {:>10} {:>10} {:>10}\n".format("Device", *_TITLES)


def iostat_report(before: Mapping[str, Disk], after: Mapping[str, Disk], hundredths: int) -> str:
    """A report of `iostat -d` over so many hundredths of a second, with the blank lines after it.

    The first one is since boot: there is nothing `before`. Disks that were never used are left out.
    """
    rows = [_row(name, before.get(name, NEW), disk, hundredths or 1) for name, disk in after.items() if disk.used]
    return "".join((_COLUMNS, *rows, "\n\n"))


def _row(name: str, old: Disk, new: Disk, hundredths: int) -> str:
    old = NEW if replaced(old, new) else old
    sectors = [(old[at], new[at]) for at in (1, 3, 5)]
    tps = (new.transfers - old.transfers) % _WRAP / hundredths * 100
    rates = [(b - a) % _WRAP / hundredths * 100 / 2 for a, b in sectors]
    return _ROW % (name.replace("!", "/"), tps, *rates, *(_kilobytes(a, b) for a, b in sectors))


def replaced(old: Disk, new: Disk) -> bool:
    """Whether its counters have begun anew: it was taken out and put in again."""
    fewer = new.transfers + new.flushes < old.transfers + old.flushes
    return fewer and all(old[at] == 0 or new[at] < old[at] for at in (1, 3, 5))


def _kilobytes(old: int, new: int) -> int:
    """Of sectors; counters of old kernels run over at 32 bits."""
    return (new - old) % (1 << 32 if old <= 0xFFFFFFFF and new < old else _WRAP) // 2


def cpus_of(names: list[str], stat: str) -> int:
    """The processors that there are: entries cpu0, cpu1... of /sys/devices/system/cpu; else lines of /proc/stat."""
    found = [name for name in names if name[:3] == "cpu" and name[3:4].isdigit()]
    if found:
        return len(found)
    numbers = [line[3:].split()[0] for line in stat.splitlines() if line[:3] == "cpu" and line[3:4].isdigit()]
    return max((int(number) for number in numbers if _is_number(number)), default=-1) + 1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
