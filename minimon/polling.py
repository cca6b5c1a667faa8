"""What exists while a process polls: the scheduler, who tells of changes, who keeps them. Made anew at each start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .poller import Poller
from .scheduler import Scheduler

if TYPE_CHECKING:  # imported when they are asked for
    from .hosting.sharing import Sharing
    from .hosting.systemd import Systemd
    from .notify import Notifier
    from .store import Store


class Polling:
    """Any thread may call any method."""

    def __init__(
        self, scheduler: Scheduler, poller: Poller, notifier: Notifier | None, store: Store | None, began: float
    ) -> None:
        self.scheduler, self.poller, self.notifier, self.store = scheduler, poller, notifier, store
        self.began = began

    def start(self) -> list[str]:
        """Poll from now on. What was wrong, for the log."""
        problems = start_threads(self.scheduler, self.notifier, self.store)
        if problems and self.poller.watch is not None:
            self.poller.watch.note("; ".join(problems))
        return problems

    def notice(self) -> None:
        """Before anything is read: that nobody could look for long."""
        self.scheduler.notice()
        self.poller.look()

    @property
    def waits_for_calls(self) -> bool:
        """Whether nobody runs what is due but who calls run_due()."""
        return self.scheduler.lacks_threads

    def run_due(self, budget: float) -> int:
        """Run what is due in the caller's thread; tell and keep what is new. Begins nothing after `budget` seconds."""
        until, watch = time.monotonic() + budget, self.poller.watch
        if watch is not None:
            watch.note("")  # that there is no thread
        runs = self.scheduler.run_due(until)
        if self.notifier is not None:
            self.notifier.call_waiting(until)
        if runs and self.store is not None and self.scheduler.lacks_threads:
            self.store.save()
        return runs

    def halt(self) -> None:
        """Nothing is polled, looked at or kept any more; never waits."""
        self.scheduler.halt()
        self.poller.watch = None
        if self.store is not None:
            self.store.halt()

    def stop(self, deadline: float) -> bool:
        """True when all threads have ended by then."""
        parts = (self.store, self.scheduler, self.notifier)
        ended = [part.stop(deadline) for part in parts if part is not None]
        return all(ended)

    def after_fork(self) -> None:
        """In the child: no threads."""
        for part in (self.scheduler, self.notifier, self.store, self.poller.watch):
            if part is not None:
                part.after_fork()


def start_threads(*parts: Scheduler | Notifier | Store | Sharing | Systemd | None) -> list[str]:
    """Where the system gives no thread the host goes on: what is not polled is unknown. What was wrong, for the log."""
    lacking, reason = [], ""
    for part in parts:
        try:
            if part is not None:
                part.start()
        except RuntimeError as error:
            lacking.append(type(part).__name__.lower())
            reason = str(error)
    remedy = "raise the system's limit, then stop and start it again"
    return [f"no thread for its {', '.join(lacking)}: {reason}; {remedy}"] if lacking else []
