"""uptime and iostat from recorded hosts, and beside the programs of this one."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable

import pytest
from recorded import CONTAINER, HOST, folder, login

from minimon.errors import UnavailableError
from minimon.vitals import procfs
from minimon.vitals.reading import LARGEST, Files, Host, Moment, iostat, report

NOW = time.struct_time((2026, 11, 6, 9, 5, 3, 4, 310, 0))
UNAME = ("Linux", "web-1", "6.1.0", "#1 SMP", "x86_64")


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Callable[..., Host]:
    """Makes a host of recorded files."""

    def made(files: dict[str, str], **more: str | bytes) -> Host:
        return Host(folder(tmp_path, {**files, **more}), now=lambda: NOW, uname=lambda: UNAME)

    return made


def but(*names: str) -> dict[str, str]:
    """The recorded host without these files."""
    return {name: text for name, text in HOST.items() if name not in names}


# recorded


def test_the_uptime_of_a_recorded_host(host: Callable[..., Host]) -> None:
    """It has no utmp, and no procps."""
    expected = "09:05:03 up 1 day,  1:01,  0 users,  load average: 0.52, 1.00, 12.35"
    assert expected == host(HOST, **{"/proc/loadavg": "0.52 1.00 12.351 1/2 3"}).uptime()


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"/usr/lib/x86_64-linux-gnu/libproc2.so.0": ""}, "user"),
        ({"/usr/lib64/libproc2.so.0": ""}, "user"),
        ({"/usr/lib/x86_64-linux-gnu/libproc2.so.0": "", "/etc/debian_version": "12.5\n"}, "user"),
        ({"/usr/lib/x86_64-linux-gnu/libproc2.so.0": "", "/etc/debian_version": "13.1\n"}, "users"),
        ({"/usr/lib/x86_64-linux-gnu/libproc2.so.1": ""}, "users"),
        ({"/usr/lib/x86_64-linux-gnu/libprocps.so.8": ""}, "users"),
    ],
)
def test_nobody_is_said_as_this_hosts_procps_does(host: Callable[..., Host], files: dict[str, str], word: str) -> None:
    """Versions 4.0.0 to 4.0.4 say `0 user`."""
    assert f"  0 {word},  load" in host(HOST, **files).uptime()


@pytest.mark.parametrize("path", ["/run/utmp", "/var/run/utmp"])
def test_users_are_those_of_utmp(host: Callable[..., Host], path: str) -> None:
    """Where there is one."""
    assert 2 == host(HOST, **{path: login("anna") + login("bert")}).users()


def test_users_are_sessions_where_there_is_no_utmp(host: Callable[..., Host]) -> None:
    """As of systemd; `.ref` files are their pipes."""
    sessions = "/run/systemd/sessions"
    assert 2 == host(HOST, **{f"{sessions}/1": "", f"{sessions}/c2": "", f"{sessions}/1.ref": ""}).users()


RECORDED = """\
Linux 6.1.0 (web-1) \t11/06/26 \t_x86_64_\t(2 CPU)

Device             tps    kB_read/s    kB_wrtn/s    kB_dscd/s    kB_read    kB_wrtn    kB_dscd
cciss/c0d0        0.00         0.00         0.00         0.00         40         80          0
nvme0n1          60.19       370.05       659.79      1078.10   33327421   59421856   97095000
sda               0.00         0.00         0.00         0.00        400          0          0


"""


def test_the_iostat_of_a_recorded_host(host: Callable[..., Host]) -> None:
    """With what the loop device has not done."""
    assert RECORDED == iostat(host(HOST))


def test_disks_are_read_one_by_one_where_there_is_no_list(host: Callable[..., Host]) -> None:
    """From /sys/block, in which their fields are the same."""
    files = but("/proc/diskstats")
    assert {"sda": procfs.Disk(1, 3, 5, 7, 12, 14)} == host(
        files, **{"/sys/block/sda/stat": " ".join(str(n) for n in range(1, 16))}
    ).files.disks()


def test_a_container_without_disks_has_an_empty_table(host: Callable[..., Host]) -> None:
    """It sees those of its host in /proc, and no /sys; processors are counted in /proc/stat."""
    assert [*RECORDED.splitlines()[:3], "", ""] == iostat(host(CONTAINER)).splitlines()


@pytest.mark.parametrize("missing", ["/proc/uptime", "/proc/loadavg"])
def test_an_uptime_that_cannot_be_read_is_told(host: Callable[..., Host], missing: str) -> None:
    """With the file's name."""
    with pytest.raises(UnavailableError, match=f"{missing} cannot be read"):
        host(but(missing)).uptime()


@pytest.mark.parametrize("ask", [Host.iostat_head, Host.moment])
def test_iostat_needs_the_uptime(host: Callable[..., Host], ask: Callable[[Host], object]) -> None:
    """Rates are of it."""
    with pytest.raises(UnavailableError, match="/proc/uptime cannot be read"):
        ask(host({}))


def test_a_moment_has_the_time_and_the_disks(host: Callable[..., Host]) -> None:
    """Of one report."""
    assert (9006150, ["cciss!c0d0", "loop0", "nvme0n1", "sda"]) == (
        (moment := host(HOST).moment()).hundredths,
        list(moment.disks),
    )


def test_a_report_is_between_two_moments() -> None:
    """Its time is the host's own."""
    before, after = Moment(100, {"sda": procfs.Disk(1)}), Moment(300, {"sda": procfs.Disk(5)})
    assert "2.00" == report(before, after).splitlines()[1].split()[1]


def test_a_file_without_an_end_is_cut() -> None:
    """Whatever stands in the place of one of /proc."""
    assert LARGEST <= len(Files("/").data("/dev/zero")) < LARGEST + (1 << 16)


# beside the programs

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def needs(program: str) -> pytest.MarkDecorator:
    """What is compared with the program, where it is the one whose text we give."""
    version = shutil.which(program) and subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    known = bool(version) and any(word in version.stdout for word in ("procps", "sysstat version 12"))
    return pytest.mark.skipif(not known, reason=f"needs {program} of procps or sysstat 12")


def said_by(*command: str) -> str:
    """What a program says."""
    return subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout


@needs("uptime")
def test_uptime_is_the_same_to_the_letter() -> None:
    """Asked before and after, for the clock goes on."""
    host = Host()
    for _ in range(20):
        before, theirs, after = host.uptime(), said_by("uptime").strip(), host.uptime()
        if before == after:
            break
    assert before == theirs


def possible(host: Host, before: Moment, after: Moment) -> list[str]:
    """What iostat may have said in between: of the disks of either moment, at any hundredth of a second."""
    times = range(before.hundredths, after.hundredths + 1)
    return [host.iostat_head() + report(None, Moment(when, each.disks)) for each in (before, after) for when in times]


@needs("iostat")
def test_iostat_is_the_same_to_the_letter() -> None:
    """Again, where a disk has moved more than once in between."""
    host = Host()
    for _ in range(50):
        before, theirs, after = host.moment(), said_by("iostat", "-d", "1", "1"), host.moment()
        texts = possible(host, before, after)
        if theirs in texts:
            break
    assert theirs in texts, f"{theirs}\n{texts[0]}"


@needs("iostat")
def test_odd_disks_are_told_as_iostat_does(tmp_path: pathlib.Path) -> None:
    """Of a recorded folder: large counters, a slash in a name, a long one, flushes alone, nothing at all."""
    disks = {
        "sdb": "100 0 800 10 0 0 0 0 0 10 10 0 0 0 0",
        "sda": f"{(1 << 63)} 1 {(1 << 62)} 4 20 2 161 8 0 9 12",
        "cciss!c0d0": "10 1 80 4 20 2 161 8 0 9 12",
        "a-name-longer-than-its-column": "10 1 99 4 20 2 161 8 0 9 12 7 7 77 7 7 7",
        "flushed": "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 5 5",
        "unused": " ".join(["0"] * 17),
        "sda10": "1 1 1 1 1 1 1 1 1 1 1",
        "sda9": "3 3 3 3 3 3 3 3 3 3 3",
    }
    root = folder(tmp_path, {f"/sys/block/{name}/stat": f"{text}\n" for name, text in disks.items()})
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "uptime").symlink_to("/proc/uptime")
    host = Host(root)
    before, theirs, after = host.moment(), said_by("iostat", "-d", "-f", f"{root}/sys", "1", "1"), host.moment()
    assert theirs.split("\n\n", 1)[1] in [text.split("\n\n", 1)[1] for text in possible(host, before, after)]
