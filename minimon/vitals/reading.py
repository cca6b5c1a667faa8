"""Reads /proc and /sys of this host, or of a folder that has been recorded. Keeps nothing, so any thread may read."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..errors import UnavailableError
from . import procfs

LARGEST = 4 << 20
"""Bytes of a file that are read at most; the files of large hosts have some hundred thousand."""


class Files:
    """The files below a folder. What is not there, or must not be read, is empty."""

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")

    def data(self, path: str) -> bytes:
        """What a file holds."""
        try:
            with open(f"{self.root}{path}", "rb", buffering=0) as file:
                parts, size = [], 0
                while size < LARGEST and (part := file.read(1 << 16)):  # /proc gives a page or so at a time
                    parts.append(part)
                    size += len(part)
        except (OSError, ValueError):
            return b""
        return b"".join(parts)

    def text(self, path: str) -> str:
        """The same as a text; bytes that are no UTF-8 stay what they are, for the system to find a path again."""
        return self.data(path).decode("utf-8", "surrogateescape")

    def names(self, path: str) -> list[str]:
        """The names in a folder."""
        try:
            return os.listdir(f"{self.root}{path}")
        except OSError:
            return []

    def disks(self) -> dict[str, procfs.Disk]:
        """All whole disks, from /proc/diskstats; where there is none from /sys/block, file by file."""
        whole = frozenset(self.names("/sys/block"))
        text = self.text("/proc/diskstats")
        if not text:
            text = "\n".join(f"0 0 {name} {self.text(f'/sys/block/{name}/stat')}" for name in whole)
        return procfs.disks_of(text, whole)

    def cpus(self) -> int:
        """The processors of the host, those that are offline too; 0 where nobody says."""
        names = self.names("/sys/devices/system/cpu")
        return procfs.cpus_of(names, "" if any(name.startswith("cpu0") for name in names) else self.text("/proc/stat"))


class Moment(NamedTuple):
    """Disks at one time."""

    hundredths: int
    """Of a second since boot."""
    disks: dict[str, procfs.Disk]


def _uname() -> Sequence[str]:
    return os.uname() if hasattr(os, "uname") else ("", "", "", "", "")


class Host:
    """Says what `uptime` and `iostat` would say, from /proc below `root`. Any thread.

    `now` gives the local time, `uname` five names as os.uname does. All raise UnavailableError where /proc is missing.
    """

    def __init__(
        self,
        root: str = "/",
        *,
        now: Callable[[], time.struct_time] = time.localtime,
        uname: Callable[[], Sequence[str]] = _uname,
    ) -> None:
        self.files = Files(root)
        self._now, self._uname = now, uname
        self._none = ""  # the word for no users, once it is known: looking for it takes as long as all the rest

    def uptime(self) -> str:
        """The line of `uptime`, stripped."""
        seconds, _ = self._up()
        load = procfs.load_of(self.files.text("/proc/loadavg"))
        if load is None:
            raise UnavailableError("/proc/loadavg cannot be read")
        users = self.users()
        if not users and not self._none:
            self._none = self._word_for_none()
        none = "users" if users else self._none
        return procfs.uptime_line(self._now(), seconds, users, load, none)

    def users(self) -> int:
        """Who is logged in: as utmp tells, or systemd where there is no utmp any more; else nobody."""
        records = self.files.data("/run/utmp") or self.files.data("/var/run/utmp")
        if records:
            return procfs.users_of(records, self._uname()[4])
        return sum(not name.endswith(".ref") for name in self.files.names("/run/systemd/sessions"))

    def iostat_head(self) -> str:
        """What `iostat -d` writes before its first report."""
        self._up()
        name, host, release, _, machine = self._uname()
        return procfs.iostat_head(procfs.System(name, release, host, machine, self.files.cpus()), self._now())

    def moment(self) -> Moment:
        """What a report is made of."""
        seconds, hundredths = self._up()
        return Moment(seconds * 100 + hundredths, self.files.disks())

    def _up(self) -> tuple[int, int]:
        found = procfs.uptime_of(self.files.text("/proc/uptime"))
        if found is None:
            raise UnavailableError("/proc/uptime cannot be read")
        return found

    def _word_for_none(self) -> str:
        """What this host's `uptime` has after 0: libproc2.so.0 is procps 4.0.0 to 4.0.4, which Debian 13 has mended."""
        root = glob.escape(self.files.root)
        old = any(glob.glob(f"{root}/usr/{folder}/libproc2.so.0") for folder in ("lib/*-linux-*", "lib64", "lib"))
        return "user" if old and not self.files.text("/etc/debian_version").startswith("13.") else "users"


def report(before: Moment | None, after: Moment) -> str:
    """A report of `iostat -d`, since `before`, or since boot."""
    before = before or Moment(0, {})
    return procfs.iostat_report(before.disks, after.disks, after.hundredths - before.hundredths)


def iostat(host: Host) -> str:
    """The text of `iostat -d 1 1`."""
    return host.iostat_head() + report(None, host.moment())
