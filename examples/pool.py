"""A pool of processes: one of them polls, all of them know.

usage: PYTHONPATH=. python3 examples/pool.py [fork|spawn|forkserver]
"""

import multiprocessing
import os
import sys

from minimon import Check, Monitor

monitor = Monitor([Check("disk", lambda: True, every=1)])


def begin():
    """In each process of the pool."""
    monitor.start_worker()


def work(number):
    """The host's own business, which asks the monitor."""
    monitor.wait_for("disk", "up", timeout=10)
    return number, os.getpid(), monitor.role, monitor.overall()


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else None)
    with context.Pool(3, initializer=begin) as pool:
        for number, pid, role, word in pool.imap(work, range(6)):
            print(f"job {number} by the {role} {pid}: {word}")
