"""Wake-ups of the monitor's threads while nothing is due, by the kernel's count."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Iterator

from lines import Line, measuring, skip
from servers import running

from minimon import Check, HealthCheckServer, Monitor

TASKS = pathlib.Path("/proc/self/task")
SETTLE = 0.2
"""Seconds for threads to fall asleep: going to sleep is a switch too."""


def switches() -> dict[str, int]:
    """Voluntary context switches of each of our threads so far."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("minimon-")]
    found = {}
    for thread in ours:
        status = (TASKS / str(thread.native_id) / "status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("voluntary_ctxt_switches"))
        found[f"{thread.name} {thread.native_id}"] = int(line.split()[1])
    return found


def woken(seconds: float) -> tuple[int, str]:
    """How often any of them wakes up in so many seconds, and which. One that ends has woken up, too."""
    before = switches()
    threading.Event().wait(seconds)
    after = switches()
    more = {name: after.get(name, count + 1) - count for name, count in before.items()}
    return sum(more.values()), ", ".join(f"{name}: {count}" for name, count in more.items() if count)


def measure(quick: bool) -> Iterator[Line]:
    """Right after a round, and later; workers had to be added for the slow ones among the checks."""
    if not TASKS.is_dir():
        yield skip("wakeups", "no /proc")
        return
    rounds: set[str] = set()
    pause = threading.Event()

    def slow() -> None:
        pause.wait(0.3)

    with running() as ports:
        url = f"http://127.0.0.1:{ports.steady}/"
        checks = [Check(f"slow {n}", slow, every=3600, initial_delay=0.1) for n in range(8)]
        checks += [Check(f"http {n}", url, every=3600) for n in range(20)]
        monitor = Monitor(checks, on_change=lambda change: rounds.add(change.name))
        with monitor, HealthCheckServer(port=0).serving(monitor):
            end = time.monotonic() + 10
            while len(rounds) < len(checks) and time.monotonic() < end:
                pause.wait(0.01)
            pause.wait(SETTLE)
            seconds = 3.0 if quick else 10.0
            workers = monitor.snapshot()["self"]["workers"]
            for when in ("right after a round", "later"):
                count, which = woken(seconds)
                yield Line("wakeups", f"{seconds:g} s {when}", count, "", 0, which or f"{workers} workers")


if __name__ == "__main__":
    measuring(measure)
