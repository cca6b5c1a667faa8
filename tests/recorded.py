"""Files of /proc and /sys as some hosts have them, and folders that hold them."""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Mapping

HOST = {
    "/proc/uptime": "90061.50 171000.12\n",
    "/proc/loadavg": "0.52 1.00 12.345 2/345 6789\n",
    "/proc/stat": (
        "cpu  4000 1000 3000 90000 1000 0 500 500 0 0\ncpu0 2000 500 1500 45000 500 0 250 250 0 0\n"
        "cpu1 2000 500 1500 45000 500 0 250 250 0 0\nintr 144169533 0 0\nctxt 469989506\n"
    ),
    "/proc/meminfo": (
        "MemTotal:        8000000 kB\nMemFree:         1000000 kB\nMemAvailable:    6000000 kB\nBuffers: 1 kB\n"
        "SwapTotal:       2000000 kB\nSwapFree:        1500000 kB\nHugePages_Total:       0\n"
    ),
    "/proc/diskstats": (
        "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        " 259       0 nvme0n1 1831103 222188 66654842 9214753 1584609 2108869 118843712 730685 0 708468 10195467"
        " 2005290 63 194190000 226809 272051 23218\n"
        " 259       1 nvme0n1p1 1831000 222188 66654000 9214753 1584609 2108869 118843712 730685 0 708468 10195467"
        " 2005290 63 194190000 226809 0 0\n"
        " 104       0 cciss/c0d0 10 1 80 4 20 2 161 8 0 9 12\n"
        "   8       0 sda 100 0 800 10 0 0 0 0 0 10 10 0 0 0 0\n"
    ),
    "/proc/filesystems": "nodev\tsysfs\nnodev\ttmpfs\nnodev\tnfs\n\text4\n\txfs\n\tsquashfs\nnodev\toverlay\n",
    "/proc/self/mounts": (
        "proc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/nvme0n1p1 / ext4 rw 0 0\n"
        "/dev/nvme0n1p1 /var/lib/bind ext4 rw 0 0\n/dev/sda /srv/my\\040data xfs rw 0 0\n"
        "/dev/loop0 /snap/core/1 squashfs ro 0 0\nfiler:/home /home nfs rw 0 0\n"
        "overlay /var/lib/docker/1/merged overlay rw 0 0\n"
    ),
    "/proc/self/status": "Name:\tpython\nVmRSS:\t   20480 kB\nThreads:\t7\n",
    "/proc/self/cgroup": "0::/\n",
    "/proc/self/fd/0": "",
    "/proc/self/fd/1": "",
    "/proc/self/fd/2": "",
    "/sys/block/loop0/x": "",
    "/sys/block/nvme0n1/x": "",
    "/sys/block/cciss!c0d0/x": "",
    "/sys/block/sda/x": "",
    "/sys/devices/system/cpu/cpu0/x": "",
    "/sys/devices/system/cpu/cpu1/x": "",
    "/sys/devices/system/cpu/cpufreq/x": "",
    "/sys/devices/system/cpu/online": "0-1\n",
}
"""A host with two processors, an NVMe disk, an idle one, an old controller, and a loop device that was never used."""

CONTAINER = {
    **{name: text for name, text in HOST.items() if "/sys/" not in name and name != "/proc/self/mounts"},
    "/proc/self/mounts": (
        "overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n/dev/nvme0n1p1 /etc/hosts ext4 rw 0 0\n"
        "tmpfs /dev tmpfs rw 0 0\n"
    ),
    "/sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "/sys/fs/cgroup/cpu.max": "150000 100000\n",
    "/sys/fs/cgroup/cpu.stat": "usage_usec 1000000\nuser_usec 600000\n",
    "/sys/fs/cgroup/memory.max": "1073741824\n",
    "/sys/fs/cgroup/memory.current": "805306368\n",
    "/sys/fs/cgroup/memory.stat": "anon 268435456\ninactive_file 536870912\n",
}
"""A container with 1.5 processors and 1 GiB, of which half is read files, on such a host; it sees no /sys/block."""


def folder(root: pathlib.Path, files: Mapping[str, str | bytes]) -> str:
    """A folder that holds these files, and its path."""
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(root)


def login(user: str, kind: int = 7, size: int = 384) -> bytes:
    """A record of utmp: see utmp(5)."""
    return struct.pack("=hxxi32s4s32s", kind, 4711, b"pts/0", b"ts/0", user.encode()).ljust(size, b"\0")
