"""100 checks every 5 s, of which 40 or 80 ask a server that never answers, on 32 workers: are the others on time?"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fresh import HERE, said, start
from fresh import end as end_process
from lines import Line, measuring, percentile
from servers import Ports, allow_many_files, running
from watching import watch_runs

from minimon import Change, Check, Monitor

CHECKS = 100
EVERY = 5.0
TIMEOUT = 5.0
MOST = 32
SETTLED = 30.0
"""Seconds after which the first rounds no longer show, in which nothing is known yet of any check: until their first
timeout, the ones that hang may hold all workers. In ten minutes this is no matter; in one it is all there is."""
LATE = 0.2


class Watch:
    """Collects what happens to the checks that are well."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.lags: list[tuple[float, float]] = []
        self.downs = 0
        self.seen: Counter[str] = Counter()
        self.worst: dict[str, int] = {}

    def run(self, name: str, due: float, lag: float) -> None:
        """A run begins."""
        if name.startswith("well"):
            self.lags.append((due - self.began, lag))

    def change(self, change: Change) -> None:
        """A status differs."""
        self.downs += change.name.startswith("well") and change.after.status == "down"

    def sample(self, page: dict[str, Any]) -> None:
        """Look at `/status`."""
        for name, check in page["checks"].items():
            if name.startswith("well") and check["last"] is not None:
                self.seen[check["status"]] += 1
        own = {**page["self"], "threads": sum(t.name.startswith("minimon-") for t in threading.enumerate())}
        counted = [key for key in own if key not in ("lag_s", "lost", "state_file")]
        self.worst = {key: max(self.worst.get(key, 0), own[key]) for key in counted}

    def figures(self) -> dict[str, Any]:
        """All that was seen, as plain data."""
        settled = [lag for at, lag in self.lags if at > SETTLED]
        late = [at for at, lag in self.lags if lag > LATE]
        everything = [lag for _, lag in self.lags]
        return {
            "runs": len(everything),
            "p99": percentile(everything, 0.99),
            "max": max(everything, default=0.0),
            "late": len(late),
            "late_until": max(late, default=0.0),
            "settled_p99": percentile(settled, 0.99),
            "settled_max": max(settled, default=0.0),
            "stale": self.seen["unknown"],
            "samples": sum(self.seen.values()),
            "downs": self.downs,
            **self.worst,
        }


def checks(holes: int, ports: Ports) -> list[Check]:
    """So many that hang, and the others, in mixed order."""
    made = []
    for number in range(CHECKS):
        hangs = number * holes // CHECKS != (number + 1) * holes // CHECKS
        name, port = ("hangs", ports.hole) if hangs else ("well", ports.steady)
        made.append(Check(f"{name} {number}", f"http://127.0.0.1:{port}/", every=EVERY, timeout=TIMEOUT))
    return made


def watch(holes: int, seconds: float) -> dict[str, Any]:
    """Run a monitor for so long."""
    allow_many_files()
    seen = Watch()
    with running() as ports:
        monitor = Monitor(checks(holes, ports), max_workers=MOST, on_change=seen.change)
        with monitor:
            watch_runs(monitor, seen.run)
            while time.monotonic() < seen.began + seconds:
                threading.Event().wait(0.5)
                seen.sample(monitor.snapshot())
    return seen.figures()


def both(seconds: float) -> list[dict[str, Any]]:
    """With 40 and with 80, side by side: there is little to do, and it takes half the time."""
    command = (sys.executable, str(HERE / "blackhole.py"), "--seconds", str(seconds), "--holes")
    processes = [start(*command, holes, stdout=subprocess.PIPE) for holes in ("40", "80")]
    try:
        return [said(process.communicate(timeout=seconds + 60)[0])[0] for process in processes]
    finally:
        for process in processes:
            end_process(process)


def measure(quick: bool) -> Iterator[Line]:
    """The bars with 40, then those with 80."""
    forty, eighty = both(60.0 if quick else 600.0)
    what, lag = ("after the start", forty["settled_p99"]) if quick else ("all runs", forty["p99"])
    yield Line("blackhole", f"40 of 100 hang, p99 lag of the others, {what}", lag, "s", LATE, _lags(forty))
    yield Line("blackhole", "the others stale or down", forty["stale"] + forty["downs"], "", 0, _sampled(forty))
    yield Line("blackhole", "80 of 100 hang, queue", eighty["queue"], "", CHECKS)
    yield Line("blackhole", "that it hides from `self`", float(not _shown(eighty)), "", 0, _own(eighty))
    yield Line("blackhole", "false down among the other 20", eighty["downs"], "", 0, _sampled(eighty))
    yield Line("blackhole", "threads", eighty["threads"], "", MOST + 3, "max_workers + 3")
    settled = eighty["settled_p99"]
    yield Line("blackhole", "p99 lag of the other 20, after the start", settled, "s", note=_lags(eighty))


def _lags(figures: dict[str, Any]) -> str:
    late = f"{figures['late']} of {figures['runs']} later than {LATE:g} s, due by {figures['late_until']:.1f} s"
    worst = f"worst {figures['max']:.2f} s, after {SETTLED:g} s {figures['settled_max'] * 1e3:.1f} ms"
    return f"{late}; {worst}; p99 of all {figures['p99']:.3f} s"


def _shown(figures: dict[str, Any]) -> bool:
    return figures["missed"] > 0 and figures["queue"] > 0


def _own(figures: dict[str, Any]) -> str:
    return ", ".join(f"{key} {figures[key]}" for key in ("missed", "queue", "workers", "busy", "stuck"))


def _sampled(figures: dict[str, Any]) -> str:
    return f"stale {figures['stale']} of {figures['samples']} samples, down {figures['downs']}"


def main() -> None:
    """The row, or one of its monitors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--holes", type=int)
    parser.add_argument("--seconds", type=float)
    chosen, _ = parser.parse_known_args()
    if chosen.holes is None:
        measuring(measure)
    else:
        print(json.dumps(watch(chosen.holes, chosen.seconds)))


if __name__ == "__main__":
    main()
