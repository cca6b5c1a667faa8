"""The text of iostat from /proc against running the program; the numbers of the host; threads of samples that wait."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

from lines import Line, measuring, median_ratio, skip

from minimon.api.vitals import Sampler
from minimon.vitals.numbers import Vitals
from minimon.vitals.reading import Host

BAR = 0.15
SAMPLES = 200


def took(call: Callable[[], object], times: int) -> float:
    """Microseconds of one call."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times * 1e6


def ours(sampler: Sampler) -> str:
    """As the interface asks for one report."""
    texts: list[str] = []
    sampler.sample(1, 1, lambda text, error: texts.append(text))
    return texts[0]


def theirs(program: str) -> str:
    """As the interface would, if it had to."""
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run([program, "-d", "1", "1"], capture_output=True, text=True, check=True, env=environment).stdout


def against_the_program(rounds: int) -> Iterator[Line]:
    """Side by side."""
    program = shutil.which("iostat")
    if program is None:
        yield skip("vitals", "needs iostat (sysstat)")
        return
    sampler = Sampler()
    assert [len(line) for line in ours(sampler).splitlines()] == [len(line) for line in theirs(program).splitlines()]
    times = [(took(lambda: ours(sampler), 200), took(lambda: theirs(program), 20)) for _ in range(rounds)]
    mine, program_s = (list(some) for some in zip(*times))
    yield median_ratio("vitals", "one iostat text, against running the program", mine, program_s, BAR, "us")


def many_at_once() -> Line:
    """Samples that wait, and the threads that they take."""
    sampler, ended, left = Sampler(), threading.Event(), [SAMPLES]

    def end(text: str, error: BaseException | None) -> None:
        left[0] -= 1  # on one thread
        if not left[0]:
            ended.set()

    before = threading.active_count()
    for _ in range(SAMPLES):
        sampler.sample(2, 1, end)
    threads = threading.active_count() - before
    ended.wait(10.0)
    stopped = sampler.stop(time.monotonic() + 2.0)
    assert stopped and not left[0]
    return Line("vitals", f"threads for {SAMPLES} samples that wait", threads, "", 1)


def measure(quick: bool) -> Iterator[Line]:
    """The bar, and what else is of interest."""
    rounds = 5 if quick else 15
    yield from against_the_program(rounds)
    host, vitals = Host(), Vitals()
    yield Line("vitals", "one line of uptime", statistics.median(took(host.uptime, 200) for _ in range(rounds)), "us")
    read = statistics.median(took(vitals._sampled, 50) for _ in range(rounds))
    yield Line("vitals", "all numbers of the host, read", read, "us")
    yield Line("vitals", "the same within the next second", took(vitals.numbers, 2000), "us")
    yield many_at_once()


if __name__ == "__main__":
    measuring(measure)
