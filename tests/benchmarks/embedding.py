"""What a running Monitor of 50 checks costs a host that has imported much itself; and what a follower's answer costs.

The bars of the first are absolute: they are of the processor's time, and of the memory that is resident.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator

from fresh import output, said
from lines import Line, measuring, median_ratio, spread

EMBEDDED = """
import dataclasses, http.server, json, logging, os, sys, time, urllib.request

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

os.environ["MINIMON_RUNTIME_DIR"] = sys.argv[2]
memory, began = resident(), time.process_time()
from minimon import Check, Monitor
imported, begun = time.process_time(), time.thread_time()
monitor = Monitor([Check(f"c{i}", "http://127.0.0.1:1/", every=10) for i in range(50)], share=sys.argv[1])
monitor.start()
started = time.thread_time()
time.sleep(3)
memory = resident() - memory
monitor.stop()
figures = {"import": (imported - began) * 1e3, "start": (started - begun) * 1e3, "memory": memory}
print(json.dumps(figures))
"""

ANSWERS = """
import json, os, sys, time
os.environ["MINIMON_RUNTIME_DIR"] = sys.argv[1]
from minimon import Check, Monitor
from minimon.serve.mount import Mount

def make():
    monitor = Monitor([Check(f"c{i}", lambda: True, every=60) for i in range(50)], share="auto").start()
    return monitor, Mount(monitor, "/-/", "never")

def cost(mount, n=2000):
    began = time.thread_time()
    for _ in range(n):
        mount.respond("GET", "/health")
    return (time.thread_time() - began) / n * 1e6

child_in, parent_out = os.pipe()
parent_in, child_out = os.pipe()
pid = os.fork()
if not pid:
    assert os.read(child_in, 1) == b"."
    follower, mount = make()
    while follower.overall() != "healthy":
        time.sleep(0.05)
    assert follower.role == "follower"
    while os.read(child_in, 1) == b"x":
        os.write(child_out, json.dumps(cost(mount)).encode().ljust(64))
    os._exit(0)
leader, mount = make()
os.write(parent_out, b".")
while leader.overall() != "healthy":
    time.sleep(0.05)
ours, theirs = [], []
for _ in range(int(sys.argv[2])):
    os.write(parent_out, b"x")
    ours.append(json.loads(os.read(parent_in, 64)))
    theirs.append(cost(mount))
os.write(parent_out, b".")
os.waitpid(pid, 0)
print(json.dumps({"follower": ours, "leader": theirs}))
"""

BARS = {"import": ("ms CPU", 25.0), "start": ("ms CPU", 20.0), "memory": ("MiB", 3.0)}


def measure(quick: bool) -> Iterator[Line]:
    """In fresh interpreters, each in a runtime folder of its own."""
    for share in ("solo", "auto"):
        runs = []
        for _ in range(3 if quick else 9):
            with tempfile.TemporaryDirectory() as folder:
                (figures,) = said(output(sys.executable, "-c", EMBEDDED, share, folder, timeout=30))
                runs.append(figures)
        for key, (unit, bar) in BARS.items():
            values = [run[key] for run in runs]
            what = f"50 checks, {'one process' if share == 'solo' else 'leading others'}: {key}"
            # of one that shares the memory is told: it has all as text, for the others
            told = None if share == "auto" and key == "memory" else bar
            yield Line("embedding", what, statistics.median(values), unit, told, spread(values))
    with tempfile.TemporaryDirectory() as folder:
        (costs,) = said(output(sys.executable, "-c", ANSWERS, folder, "5" if quick else "15", timeout=60))
    what = "/health of a follower, against the leader's"
    yield median_ratio("embedding", what, costs["follower"], costs["leader"], 1.2, "us CPU")


if __name__ == "__main__":
    measuring(measure)
