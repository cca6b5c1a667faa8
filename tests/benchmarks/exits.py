"""How long the host's exit takes after its main thread has ended, with a probe that is stuck for a minute."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from fresh import started
from lines import Line, measuring
from servers import running

LAST = "import time; print(time.monotonic(), flush=True)"
"""The last statement of each program; the clock is the machine's, so that two processes can compare."""

HOST = """
import threading
from minimon import Check, HealthCheckServer, Monitor
begun = threading.Event()
def stuck():
    begun.set()
    threading.Event().wait(60)
checks = [Check("stuck", {target}, every=1, timeout=60), Check("well", lambda: None, every=1)]
monitor = Monitor(checks, on_change=lambda change: begun.set()).start()
server = HealthCheckServer(port=0).start(monitor)
assert begun.wait(10)
threading.Event().wait({pause})
"""


def seconds_to_exit(program: str) -> float:
    """From the last statement of the main thread to the end of the process."""
    with started(sys.executable, "-c", f"{program}\n{LAST}", stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=90)
        ended = time.monotonic()
        if process.returncode != 0:
            raise RuntimeError(f"exit {process.returncode}")
        return ended - float(said.split()[-1])


def seconds_to_stop(program: str) -> float:
    """How long the main thread itself takes to stop it all, where the host does so."""
    timed = "import time\nbegin = time.monotonic()\nmonitor.stop(), server.stop()\nprint(time.monotonic() - begin)"
    with started(sys.executable, "-c", f"{program}\n{timed}", stdout=subprocess.PIPE) as process:
        return float(process.communicate(timeout=90)[0].split()[-1])


def measure(quick: bool) -> Iterator[Line]:
    """A callable and an HTTP target, the worst of some exits; nobody calls stop()."""
    repeats = 3 if quick else 7
    with running() as ports:
        url = f"http://127.0.0.1:{ports.hole}/"
        bare = [seconds_to_exit("") for _ in range(repeats)]
        for what, target in (("a callable", "stuck"), ("an HTTP target", repr(url))):
            program = HOST.format(target=target, pause=0.3)
            found = [seconds_to_exit(program) for _ in range(repeats)]
            note = f"median {statistics.median(found):.3f}, bare interpreter {statistics.median(bare):.3f}"
            yield Line("exit", f"{what} stuck for 60 s", max(found), "s", 0.2, note)
        stop = seconds_to_stop(HOST.format(target="stuck", pause=0.3))
        yield Line("exit", "stop() beside it, in the main thread", stop, "s", note="timeout=2.0")


if __name__ == "__main__":
    measuring(measure)
