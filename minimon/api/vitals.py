"""The texts of `uptime` and `iostat`: from /proc, or from the programs. Samples wait on a timer, not on a worker."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Optional

from .. import fork
from ..errors import BusyError, MinimonError, UnavailableError, WaitCancelled
from ..log import logger
from ..loop import Loop
from ..vitals.reading import Host, Moment, report

if TYPE_CHECKING:
    from .programs import Running

_log = logger("api")

MOST = 1000
"""Samples that are under way at most."""
LARGEST = 1 << 20
"""Characters of a sample's text at most."""

OnEnd = Callable[[str, Optional[BaseException]], None]


class Sample:
    """One that is under way, or has ended. Any thread may cancel it."""

    def __init__(self, sampler: Sampler, on_end: OnEnd) -> None:
        self._sampler = sampler
        # Guards _on_end, which whoever ends it takes. A leaf.
        self._lock = threading.Lock()
        self._on_end: OnEnd | None = on_end
        self.abandon: Callable[[], None] = _nothing  # on the timer's thread
        self.running: Running | None = None

    def cancel(self) -> bool:
        """Nobody wants it any more: it stops at once. True when its `on_end` was not called, and never will be."""
        taken = self._take() is not None
        if taken:
            self._sampler.leave(self)
        return taken

    def finish(self, text: str, error: BaseException | None = None) -> None:
        """It has ended, like this; who was waiting for it is told."""
        on_end = self._take()
        if on_end is None:
            return
        self._sampler.leave(self)
        try:
            on_end(text, error)
        except Exception:
            _log.exception("what was to be told of the end of a sample has raised")

    def _take(self) -> OnEnd | None:
        with self._lock:
            on_end, self._on_end = self._on_end, None
        return on_end


def _nothing() -> None:
    """What there is to do for one that has not begun."""


class _Reports:
    """Writes the reports of a sample, one at each time. Belongs to the timer's thread."""

    def __init__(self, host: Host, loop: Loop, sample: Sample, texts: list[str], last: Moment) -> None:
        self._host, self._loop, self._sample = host, loop, sample
        self._texts, self._last = texts, last
        self._due, self._wait, self._left = 0.0, 0.0, 0

    def begin(self, begun: float, wait: float, left: int) -> None:
        """So many more, the first of them so many seconds after it was begun."""
        self._due, self._wait, self._left = begun, wait, left
        self._next()

    def _next(self) -> None:
        self._due += self._wait
        self._loop.at(self._due, self._tick)

    def _tick(self) -> None:
        try:
            moment = self._host.moment()
            self._texts.append(report(self._last, moment))
        except MinimonError as error:
            return self._sample.finish("", error)
        self._last, self._left = moment, self._left - 1
        if sum(map(len, self._texts)) > LARGEST:
            return self._sample.finish("", BusyError(f"the text is longer than {LARGEST} characters: ask for less"))
        if self._left:
            return self._next()
        self._sample.finish("".join(self._texts))

    def abandon(self) -> None:
        """No more of them."""
        self._loop.forget(self._tick)


class _Timer:
    """The thread on which all samples wait."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.programs: set[Running] = set()  # of its thread
        self._ending = False
        self.thread = threading.Thread(target=self.run, name="minimon-timer", daemon=True)
        try:
            self.thread.start()
        except RuntimeError:
            self.loop.let_go()
            raise

    def run(self) -> None:
        """Until it is told to end, and no program is left."""
        while not self._ending or self.programs:
            try:
                self.loop.turn()
            except Exception:  # of one call; the other samples go on
                _log.exception("the timer of samples: unexpected")
        self.loop.close()

    def end(self, deadline: float) -> bool:
        """True when it has ended by then (time.monotonic)."""
        self.loop.post(self._end)
        if self.thread is not threading.current_thread():
            self.thread.join(max(0.0, deadline - time.monotonic()))
        return not self.thread.is_alive()

    def _end(self) -> None:
        self._ending = True


class Sampler:
    """Answers as `uptime` and `iostat -d WAIT COUNT` do on this host. Any thread may call any method.

    `host` reads /proc. Where there is none the programs are run, as the manual pages of this `platform` have it, looked
    up on the PATH of `environment`. One thread, `minimon-timer`, waits for all samples; it is started for the first
    that has to wait. After `stop` there are no more.
    """

    def __init__(
        self,
        host: Host | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        platform: str = sys.platform,
        most: int = MOST,
    ) -> None:
        self._host, self._platform, self._most = host or Host(), platform, most
        self._environment = environment
        self._stopped = False
        self._reset()

    def _reset(self) -> None:
        # Guards _samples, _timer and _stopped. A leaf; all that is done under it is to start the timer, once.
        self._lock = threading.Lock()
        self._samples: set[Sample] = set()
        self._timer: _Timer | None = None

    @property
    def is_quick(self) -> bool:
        """Whether it only reads /proc."""
        return self._reads_proc()

    def uptime(self) -> str:
        """The line of `uptime`, stripped. Waits for the program, 5 s at most, where there is no /proc.

        Raises UnavailableError.
        """
        if self._reads_proc():
            return self._host.uptime()
        from . import programs

        said = programs.answer(["uptime"], self._variables()).strip()
        if not said:
            raise UnavailableError("`uptime` says nothing on this host")
        return said

    def sample(self, count: int, wait: float, on_end: OnEnd) -> Sample:
        """Have `count` reports made, `wait` seconds apart, the first since boot. Never waits.

        `on_end(text, error)` is called once: with the text, or with what went wrong; on the timer's thread, but for a
        single report from /proc, which is there before this returns. Not at all once it is cancelled. What it raises
        is logged. Raises UnavailableError where there is neither /proc nor the program, and BusyError.
        """
        sample = Sample(self, on_end)
        if not self._reads_proc():
            return self._run(sample, count, wait)
        begun, texts, first = time.monotonic(), [self._host.iostat_head()], self._host.moment()
        texts.append(report(None, first))
        if count == 1:
            sample.finish("".join(texts))
            return sample
        loop = self._enter(sample).loop
        reports = _Reports(self._host, loop, sample, texts, first)
        sample.abandon = reports.abandon
        loop.post(partial(self._begin, sample, partial(reports.begin, begun, wait, count - 1)))
        return sample

    def _run(self, sample: Sample, count: int, wait: float) -> Sample:
        from . import programs

        command = programs.iostat_command(self._platform, count, wait)
        timer = self._enter(sample)
        try:
            process = programs.started(command, self._variables())
        except UnavailableError:
            sample.cancel()
            raise
        running = programs.Running(timer.loop, process, sample.finish, lambda: timer.programs.discard(running))
        sample.running, sample.abandon = running, running.end

        def begin() -> None:
            if not self._is_wanted(sample):  # the loop may be closed by now
                return programs.discard(process)
            timer.programs.add(running)
            running.begin()

        if not timer.loop.post(begin):
            programs.discard(process)
        return sample

    def _begin(self, sample: Sample, begin: Callable[[], None]) -> None:
        if self._is_wanted(sample):
            begin()

    def _is_wanted(self, sample: Sample) -> bool:
        """Whether it was not cancelled meanwhile."""
        with self._lock:
            return sample in self._samples

    def _reads_proc(self) -> bool:
        return self._host.files.text("/proc/uptime") != ""

    def _variables(self) -> Mapping[str, str]:
        return os.environ if self._environment is None else self._environment

    def _enter(self, sample: Sample) -> _Timer:
        with self._lock:
            if self._stopped:
                raise BusyError("no sample is taken any more: the server stops")
            if len(self._samples) >= self._most:
                raise BusyError(f"{self._most} samples are under way already; try again later")
            if self._timer is None:
                try:
                    self._timer = _Timer()
                except (OSError, RuntimeError) as error:
                    raise BusyError(f"the system gives no thread for a sample: {error}; try again later") from None
                fork.watch(self)
            self._samples.add(sample)
            return self._timer

    def leave(self, sample: Sample) -> None:
        """It has ended, or was cancelled."""
        with self._lock:
            self._samples.discard(sample)
            timer = self._timer
        if timer is not None:
            timer.loop.post(sample.abandon)

    def stop(self, deadline: float) -> bool:
        """End all samples: who waits for them gets WaitCancelled. True when the thread has ended by `deadline`.

        Idempotent. The deadline is of time.monotonic; programs are ended at once.
        """
        with self._lock:
            self._stopped = True
            samples, timer = list(self._samples), self._timer
        for sample in samples:
            sample.finish("", WaitCancelled("the server stops"))
        return timer is None or timer.end(deadline)

    def after_fork(self) -> None:
        """In the child: no samples, no thread."""
        samples, timer = self._samples, self._timer
        self._reset()
        if timer is not None:
            timer.loop.after_fork()
        for sample in samples:
            if sample.running is not None:
                sample.running.after_fork()
