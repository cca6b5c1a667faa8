"""Guests of real hosts: who polls, whether all workers tell the same, who takes over, how the host ends.

Each host of tests/hosts is run with minimon, with what people write by hand (a daemon thread started at import), and
with nothing, one after the other. Hosts that are not installed are installed into a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import operator
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from fresh import HERE, output, said
from lines import Line, measuring, skip
from peers import NoPeersError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

ROW = "guests"
PACKAGES = ("pytest", "gunicorn", "uvicorn", "flask", "django")
EXTRAS = ("gevent", "celery", "uwsgi==2.0.26")
"""Each may be missing; uwsgi is built by a compiler, and later ones have threads always on."""
QUICK = ("gunicorn sync", "uvicorn --workers", "flask run --reload")
SECONDS = 120.0
"""For one host, in all its variants."""


@contextlib.contextmanager
def installed(quick: bool) -> Iterator[str]:
    """A Python that has the hosts. Raises NoPeersError."""
    with tempfile.TemporaryDirectory(prefix="minimon-guests-") as folder:
        python = str(pathlib.Path(folder, "hosts", "bin", "python"))
        pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--retries", "1")
        try:
            output(sys.executable, "-m", "venv", str(pathlib.Path(folder, "hosts")), timeout=60)
            output(*pip, *PACKAGES, timeout=120)
        except RuntimeError as error:
            raise NoPeersError(f"the hosts cannot be had ({error})") from error
        for package in () if quick else EXTRAS:
            with contextlib.suppress(RuntimeError):
                output(*pip, package, timeout=180)
        yield python


def measure(quick: bool) -> Iterator[Line]:
    """A line per host and variant, and the bars on the worst of all."""
    if not os.path.isdir("/proc/self"):
        yield skip(ROW, "it looks into /proc")
        return
    try:
        with installed(quick) as python:
            yield from _hosts(quick, python)
            yield from _storm(quick, python)
    except NoPeersError as error:
        yield skip(ROW, str(error))


def _hosts(quick: bool, python: str) -> Iterator[Line]:
    from hosts.table import EVERY, HOSTS

    ours = []
    for host in HOSTS:
        if quick and host.name not in QUICK:
            continue
        minimon, naive = _run(python, "--host", host.name)
        if "lacks" in minimon:
            yield skip(ROW, f"{host.name}: {minimon['lacks']} is not installed")
            continue
        ours.append(minimon)
        yield Line(ROW, f"{host.name}: polling processes", minimon["pollers"], "", 1, _told(minimon))
        yield Line(ROW, f"{host.name}, by hand", naive["pollers"], "", None, _told(naive))
    for what, key, bar in (
        ("workers tell different things", "differed", 1.0),
        ("takeover after kill -9", "takeover", 1.5),
        ("shutdown, beyond the host's own", "beyond", 0.5),
        ("two pollers at once", "two", EVERY),
        ("no poll at all", "none", 2.0),
        ("processes, ports, complaints left", "traces", 0),
    ):
        asked = [one for one in ours if not (math.isnan(one[key]) or (key == "takeover" and one["reloads"]))]
        worst = max(asked, key=operator.itemgetter(key))
        unit = "" if key == "traces" else "s"
        yield Line(ROW, f"the worst of all: {what}", worst[key], unit, bar, worst["host"])


def _run(python: str, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = said(output(python, str(HERE / "guests.py"), *arguments, timeout=SECONDS))
    return found


def _told(one: dict[str, Any]) -> str:
    """What was measured, in words."""
    told = [
        _after(one["truth"], "all tell the truth after {:.2f} s", "not all ever tell the truth"),
        _after(one["differed"], "differed for {:.2f} s", "differ for ever"),
        _after(one["apart"], "{:.0f} polls apart", ""),
        _after(one["takeover"], "taken over in {:.2f} s", "never taken over"),
        _after(one["beyond"], "ended {:+.2f} s", "did not end"),
        _after(one["two"], "two for {:.2f} s", ""),
        _after(one["none"], "none for {:.2f} s", "nobody ever polled"),
        f"{one['answered']} workers answered",
        f"{one['traces']} left behind" if one["traces"] else "",
        f"health port: {one['port']}" if one["variant"] == "naive" else "",
    ]
    return ", ".join(filter(None, told))


def _after(value: float, text: str, never: str) -> str:
    """NaN is what does not apply to this host."""
    return "" if math.isnan(value) else text.format(value) if math.isfinite(value) else never


def _storm(quick: bool, python: str) -> Iterator[Line]:
    from hosts.table import EVERY

    kills, pace = (10, 0.3) if quick else (100, 0.6)
    (came,) = _run(python, "--storm", str(kills), "--pace", str(pace))
    what = f"{kills} pollers killed under gunicorn"
    note = f"{came['kills']} killed in {came['seconds']:.0f} s, {came['pollers']} processes polled"
    yield Line(ROW, f"{what}: two at once", came["two"], "s", EVERY, note)
    yield Line(ROW, f"{what}: none", came["none"], "s", 2.0, note)


# --- in the Python that has the hosts


def run(name: str) -> list[dict[str, Any]]:
    """What minimon did to a host, and what is written by hand."""
    from hosts.measuring import measure, shutdown_alone
    from hosts.table import host

    one = host(name)
    if one.lacks:
        return [{"lacks": one.lacks}] * 2
    alone = shutdown_alone(one)
    found = []
    for variant in ("minimon", "naive"):
        told = measure(one, variant)
        traces = len(told.left) + len(told.complaints)
        found.append({**told._asdict(), "beyond": told.shutdown - alone, "traces": traces, "reloads": one.reloads})
    return found


def storm(kills: int, pace: float) -> list[dict[str, Any]]:
    """The poller killed again and again."""
    from hosts.measuring import storm
    from hosts.table import host

    return [storm(host("gunicorn sync"), kills, pace)._asdict()]


def main() -> None:
    """The row, or one host of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--storm", type=int)
    parser.add_argument("--pace", type=float)
    chosen, _ = parser.parse_known_args()
    if chosen.host is None and chosen.storm is None:
        measuring(measure)
        return
    for line in run(chosen.host) if chosen.host else storm(chosen.storm, chosen.pace):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
