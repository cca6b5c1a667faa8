"""The vitals of the host in numbers, read at most once a second for all who ask."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..errors import UnavailableError
from ..model import stamp
from . import figures, procfs
from .figures import Limit, Spent
from .reading import Files

EVERY = 1.0
"""Seconds for which what was read is told to all."""
PATIENCE = 1.0
"""Seconds that others wait for whoever reads for the first time."""
STALE = 10.0
"""Seconds after which it is not told any more, while somebody still reads: a file system may hang for ever."""
CGROUPS = "/sys/fs/cgroup"


def _missing(*_: Any) -> Any:
    raise OSError("this system does not tell")


class Calls(NamedTuple):
    """What is asked of the system, beside its files. Each may raise OSError."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    cpu_time: Callable[[], float] = time.process_time
    threads: Callable[[], int] = threading.active_count
    """Where /proc does not know them."""
    load: Callable[[], tuple[float, float, float]] = getattr(os, "getloadavg", _missing)
    cpus: Callable[[], int | None] = os.cpu_count
    statvfs: Callable[[str], Any] = getattr(os, "statvfs", _missing)


class _Seen(NamedTuple):
    """What rates are made of."""

    when: float
    spent: Spent | None
    disks: dict[str, procfs.Disk]
    limit: Limit


class Vitals:
    """Reads and keeps them. Any thread may ask.

    `root` is where /proc and /sys are, `calls` what else is asked. Nothing is started, nothing held open.
    """

    def __init__(self, root: str = "/", calls: Calls | None = None) -> None:
        self._files, self._calls = Files(root), calls or Calls()
        self.after_fork()

    def after_fork(self) -> None:
        """In the child: nobody reads, nothing was read."""
        # Guards what follows. A leaf: nothing is read under it.
        self._lock = threading.Lock()
        self._told: dict[str, Any] | None = None
        self._at = 0.0
        self._reading: threading.Event | None = None
        self._seen: _Seen | None = None  # of whoever reads

    def numbers(self) -> dict[str, Any]:
        """All of them, as plain data that is not to be changed: see `MEANINGS`.

        What a host does not tell is None, or not there. Rates and shares are since the numbers before; the first are
        since boot. Raises UnavailableError where nothing can be read, or somebody is still at it after 10 s.
        """
        with self._lock:
            told = self._fresh(EVERY)
            reading, mine = self._reading, self._reading is None
            if told is None and mine:
                reading = self._reading = threading.Event()
            first = self._told is None
        if told is not None:
            return told
        assert reading is not None
        if mine:
            return self._read(reading)
        if first:
            reading.wait(PATIENCE)
        with self._lock:
            told = self._fresh(STALE)
        if told is None:
            raise UnavailableError("the host's numbers cannot be read: a file system of it may hang; look at `df`")
        return told

    def _fresh(self, seconds: float) -> dict[str, Any] | None:
        return self._told if self._calls.monotonic() - self._at < seconds else None

    def _read(self, reading: threading.Event) -> dict[str, Any]:
        told = None
        try:
            told = self._sampled()
        finally:
            with self._lock:
                if self._reading is reading:  # else this is a child now, or was one
                    self._reading = None
                    if told is not None:
                        self._told, self._at = told, self._calls.monotonic()
            reading.set()
        return told

    def _sampled(self) -> dict[str, Any]:
        files, before = self._files, self._seen
        up = procfs.uptime_of(files.text("/proc/uptime"))
        since_boot = None if up is None else up[0] + up[1] / 100
        stat = files.text("/proc/stat")
        limit = self._limit()
        seen = _Seen(self._calls.monotonic(), figures.spent_of(stat), files.disks(), limit or Limit())
        over = since_boot or 0.0 if before is None else seen.when - before.when
        memory = figures.memory_of(figures.keyed(files.text("/proc/meminfo")), limit)
        told = {
            "at": stamp(self._calls.wall()),
            "uptime_s": since_boot,
            "over_s": round(over, 3),
            "load": self._load(),
            "cpu": self._cpu(before, seen, stat),
            "memory": memory and memory[0],
            "swap": memory and memory[1],
            "disks": figures.rates_of({} if before is None else before.disks, seen.disks, over),
            "filesystems": self._filesystems(),
            "cgroup": limit and _limits(limit),
            "process": self._process(),
        }
        if not any(told[key] for key in ("load", "memory", "filesystems")):
            raise UnavailableError("this host tells nothing of itself: it has no /proc, no load and no file systems")
        self._seen = seen
        return told

    def _load(self) -> dict[str, float] | None:
        load = procfs.load_of(self._files.text("/proc/loadavg"))
        try:
            one, five, fifteen = load or self._calls.load()
        except OSError:
            return None
        return {"1m": round(one, 2), "5m": round(five, 2), "15m": round(fifteen, 2)}

    def _cpu(self, before: _Seen | None, seen: _Seen, stat: str) -> dict[str, Any]:
        count = procfs.cpus_of([], stat) or self._calls.cpus() or None
        most = seen.limit.cpus
        if most is None or (count is not None and most >= count):
            ratio = figures.share(before and before.spent, seen.spent)
            return {"count": count, "ratio": ratio, "limited_by": "host"}
        used = None if before is None or before.limit.cpus != most else before.limit.cpu_used
        ratio = None
        if before is not None and used is not None and seen.limit.cpu_used is not None:
            ratio = figures.ratio((seen.limit.cpu_used - used) / 1e6, most * (seen.when - before.when))
        return {"count": most, "ratio": ratio, "limited_by": "cgroup"}

    def _limit(self) -> Limit | None:
        """None where there is no cgroup v2."""
        files = self._files
        path = figures.cgroup_of(files.text("/proc/self/cgroup"))
        if path is None or "cgroup.controllers" not in files.names(CGROUPS):
            return None
        return figures.limit_of(partial(self._in_group, group) for group in figures.lineage(path))

    def _in_group(self, group: str, name: str) -> str:
        return self._files.text(f"{CGROUPS}{group}/{name}")

    def _filesystems(self) -> dict[str, dict[str, Any]]:
        files = self._files
        mounts = figures.mounts_of(files.text("/proc/self/mounts"), files.text("/proc/filesystems"))
        found = {}
        for mount in mounts or [figures.Mount("", "/", "")]:
            try:
                told = figures.filesystem_of(mount, self._calls.statvfs(mount.point))
            except OSError:
                continue
            if told["total_bytes"]:
                found[_shown(mount.point)] = told
        return found

    def _process(self) -> dict[str, Any]:
        threads, rss = figures.status_of(self._files.text("/proc/self/status"))
        descriptors = self._files.names("/proc/self/fd")
        return {
            "cpu_s": round(self._calls.cpu_time(), 3),
            "rss_bytes": rss,
            "threads": threads or self._calls.threads(),
            "descriptors": len(descriptors) - 1 if descriptors else None,  # one of them has listed them
        }


def _limits(limit: Limit) -> dict[str, Any]:
    return {"cpus": limit.cpus, "memory_bytes": limit.memory, "memory_current_bytes": limit.memory_current}


def _shown(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


MEANINGS = {
    "at": "when they were read, ISO 8601",
    "uptime_s": "seconds since boot",
    "over_s": "seconds that rates and shares are of: since the numbers before; the first are since boot",
    "load": "1m, 5m, 15m: processes that run or wait for a disk, on average",
    "cpu": "count; ratio: busy, 0 to 1; limited_by: host or cgroup",
    "memory": "total, available, used (bytes), available_percent; limited_by: host or cgroup",
    "swap": "the same of swap",
    "disks.NAME": "reads, writes, read_bytes, written_bytes, each _per_s; of whole disks that were ever used",
    "filesystems['/']": "device, type, total and free (bytes), free_percent: for programs that are not root's",
    "cgroup": "limits of cgroup v2 that this process is under: cpus, memory_bytes; memory_current_bytes",
    "process": "this one: cpu_s, rss_bytes, threads, descriptors",
}
"""What numbers() has, for the reference."""
