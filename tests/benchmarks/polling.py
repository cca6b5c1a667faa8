"""CPU of a poll: 400 checks, 200 polls a second, against a thread per check with `requests.get`.

As a program with `--as` it is one of the two, and prints microseconds of CPU per poll.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator

from fresh import script
from lines import Line, measuring, median_ratio, skip
from servers import running

CHECKS = 400
EVERY = 2.0
WARM = 2.5


def cpu() -> float:
    """Seconds of CPU that this process took, in user mode and in the kernel."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(polls: Callable[[], int], seconds: float) -> dict[str, float]:
    """Microseconds of CPU per poll over so many seconds, after the first round."""
    threading.Event().wait(WARM)
    count, used = polls(), cpu()
    threading.Event().wait(seconds)
    used = cpu() - used
    count = polls() - count
    return {"us": used / max(1, count) * 1e6, "rate": count / seconds, "threads": threading.active_count()}


def ours(url: str, seconds: float) -> dict[str, float]:
    """The Monitor as a host starts it."""
    from minimon import Check, Monitor

    names = [f"check {number}" for number in range(CHECKS)]
    with Monitor([Check(name, url, every=EVERY) for name in names]) as monitor:
        return cost(lambda: sum(monitor.state(name).counts.pass_ for name in names), seconds)


def theirs(url: str, seconds: float) -> dict[str, float]:
    """What a host would write without a monitor."""
    import requests

    passed = [0] * CHECKS
    seen: list[tuple[bool, float]] = [(False, 0.0)] * CHECKS
    ended = threading.Event()

    def poll(number: int) -> None:
        ended.wait(random.random() * EVERY)
        while not ended.is_set():
            start = time.monotonic()
            try:
                ok = requests.get(url, timeout=5).status_code == 200
            except requests.RequestException:
                ok = False
            seen[number] = ok, time.monotonic() - start
            passed[number] += ok
            ended.wait(max(0.0, EVERY - seen[number][1]))

    for number in range(CHECKS):
        threading.Thread(target=poll, args=(number,), daemon=True).start()
    try:
        return cost(lambda: sum(passed), seconds)
    finally:
        ended.set()


def measure(quick: bool) -> Iterator[Line]:
    """Each in a process of its own, one after the other, three times."""
    try:
        import requests  # noqa: F401
    except ImportError:
        yield skip("polling", "needs requests")
        return
    seconds = 4.0 if quick else 20.0
    with running() as ports:
        command = ("--url", f"http://127.0.0.1:{ports.steady}/", "--seconds", str(seconds), "--as")
        runs = [
            [script("polling.py", *command, who, python=sys.executable)[0] for who in ("ours", "theirs")]
            for _ in range(3)
        ]
    mine, others = ([run[who] for run in runs] for who in (0, 1))
    us = [[run["us"] for run in some] for some in (mine, others)]
    yield median_ratio("polling", "against a thread each, requests.get", *us, 0.5, "us CPU")
    for who, some in (("minimon", mine), ("requests", others)):
        note = ", ".join(f"{run['rate']:.0f} polls/s" for run in some)
        yield Line("polling", f"threads of {who}", max(run["threads"] for run in some), "", note=note)


def main() -> None:
    """The row, or one side of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", dest="who", choices=("ours", "theirs"))
    parser.add_argument("--url")
    parser.add_argument("--seconds", type=float)
    chosen, _ = parser.parse_known_args()
    if chosen.who is None:
        measuring(measure)
    else:
        print(json.dumps({"ours": ours, "theirs": theirs}[chosen.who](chosen.url, chosen.seconds)))


if __name__ == "__main__":
    main()
