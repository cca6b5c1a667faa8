"""Looks at every run of a Monitor, when it was due and when it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minimon import Monitor


def watch_runs(monitor: Monitor, seen: Callable[[str, float, float], object]) -> None:
    """Call `seen(name, due, lag)` on the worker for each run from now on, seconds by the monotonic clock.

    `/status` tells the worst lag of the latest runs only. So this reaches into a running Monitor, here and nowhere
    else, and puts a function around the one that its scheduler calls; the library is as it is shipped.
    """
    poller: Any = monitor._engine.polling.poller  # type: ignore[union-attr]
    execute = poller.execute

    def watched(run: Any) -> Any:
        seen(run.entry.name, run.due, run.started - run.due)
        return execute(run)

    poller.execute = watched
