"""What the notifier promises: callbacks on one thread, in order, bounded, whatever the host's function does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support import our_threads, wait_until

from minimon.checks import Check
from minimon.model import Change, CheckState, Outcome, Result
from minimon.notify import MOST_WAITING, Notifier
from minimon.pool import deadline_in

Notify = Callable[[Callable[[Change], object]], Notifier]


def change(number: int = 0) -> Change:
    """A change that can be told from others by its name."""
    name = str(number)
    state = CheckState(name)
    return Change(name, Check(name, "tcp://127.0.0.1:1"), state, state, Result(name, Outcome.PASS))


@pytest.fixture
def notify() -> Iterator[Notify]:
    """Makes started notifiers, and stops them in the end."""
    made: list[Notifier] = []

    def make(callback: Callable[[Change], object]) -> Notifier:
        made.append(Notifier(callback))
        made[-1].start()
        return made[-1]

    yield make
    for notifier in made:
        notifier.stop(deadline_in(5.0))


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a blocking callback waits for; open in the end."""
    event = threading.Event()
    yield event
    event.set()


def test_changes_come_in_order_on_one_thread(notify: Notify) -> None:
    """All on `minimon-notify`, as they were put."""
    seen: list[tuple[str, str]] = []
    notifier = notify(lambda change: seen.append((threading.current_thread().name, change.name)))
    for number in range(100):
        notifier.put(change(number))
    assert wait_until(lambda: len(seen) == 100)
    assert [("minimon-notify", str(number)) for number in range(100)] == seen


def test_the_thread_is_a_daemon(notify: Notify) -> None:
    """It does not hold up the host's exit."""
    daemon: list[bool] = []
    notify(lambda change: daemon.append(threading.current_thread().daemon)).put(change())
    assert wait_until(lambda: daemon == [True])


def test_put_never_waits_for_a_blocked_callback(notify: Notify, gate: threading.Event) -> None:
    """What is beyond the bound is dropped and counted; one change is with the callback, 1,000 wait."""
    entered = threading.Event()
    notifier = notify(lambda change: [entered.set(), gate.wait(10.0)])
    notifier.put(change())
    assert entered.wait(5.0)
    for number in range(MOST_WAITING + 7):
        notifier.put(change(number))
    assert (1000, 7) == (MOST_WAITING, notifier.dropped)


def test_a_callback_that_unblocks_gets_the_rest(notify: Notify, gate: threading.Event) -> None:
    """What was not dropped is delivered, in order."""
    seen: list[str] = []
    notifier = notify(lambda change: [gate.wait(10.0), seen.append(change.name)])
    for number in range(50):
        notifier.put(change(number))
    gate.set()
    assert wait_until(lambda: len(seen) == 50) and [str(number) for number in range(50)] == seen


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
def test_a_raising_callback_is_counted_and_goes_on(notify: Notify, error: BaseException) -> None:
    """Whatever it raises, the next change is told all the same."""
    seen: list[str] = []

    def callback(change: Change) -> None:
        seen.append(change.name)
        raise error

    notifier = notify(callback)
    for number in range(3):
        notifier.put(change(number))
    assert wait_until(lambda: (notifier.errors, seen) == (3, ["0", "1", "2"]))


def test_a_raising_callback_is_logged_once(notify: Notify, caplog: pytest.LogCaptureFixture) -> None:
    """The first failure is in the log, with its traceback; the counter has the rest."""
    notifier = notify(lambda change: 1 // 0)
    for number in range(5):
        notifier.put(change(number))
    assert wait_until(lambda: notifier.errors == 5)
    records = [record for record in caplog.records if record.name == "minimon.notify"]
    assert [(logging.ERROR, True)] == [(record.levelno, record.exc_info is not None) for record in records]


class _Bad(logging.Handler):
    """A log handler of a host that raises."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("disk full")


def test_a_raising_log_handler_does_not_end_the_thread(notify: Notify) -> None:
    """When telling of a failure fails too, the next change is told all the same."""
    log, handler = logging.getLogger("minimon.notify"), _Bad()
    log.addHandler(handler)
    try:
        notifier = notify(lambda change: 1 // 0)
        for number in range(3):
            notifier.put(change(number))
        assert wait_until(lambda: notifier.errors == 3, 2.0)
    finally:
        log.removeHandler(handler)


def test_an_exception_whose_text_raises_is_counted(notify: Notify, caplog: pytest.LogCaptureFixture) -> None:
    """Even a hostile exception ends nothing."""

    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def callback(change: Change) -> None:
        raise Hostile

    notifier = notify(callback)
    notifier.put(change())
    notifier.put(change())
    assert wait_until(lambda: notifier.errors == 2)


def test_stop_delivers_what_waits(notify: Notify) -> None:
    """Nothing that was put before is lost."""
    seen: list[str] = []
    notifier = notify(lambda change: seen.append(change.name))
    for number in range(200):
        notifier.put(change(number))
    assert notifier.stop(deadline_in(5.0)) and len(seen) == 200 and our_threads() == []


def test_stop_gives_up_at_its_deadline(notify: Notify, gate: threading.Event) -> None:
    """A callback that blocks holds up nobody for longer."""
    notifier = notify(lambda change: gate.wait(10.0))
    notifier.put(change())
    start = time.monotonic()
    assert not notifier.stop(deadline_in(0.05)) and time.monotonic() - start < 1.05


def test_a_full_queue_does_not_keep_the_thread_alive(notify: Notify, gate: threading.Event) -> None:
    """Stopped while blocked with a full queue, it ends when the callback does."""
    entered = threading.Event()
    notifier = notify(lambda change: [entered.set(), gate.wait(10.0)])
    for number in range(MOST_WAITING + 2):
        notifier.put(change(number))
    assert entered.wait(5.0)
    notifier.stop(deadline_in(0.0))
    gate.set()
    assert wait_until(lambda: our_threads() == [])


def test_the_callback_may_stop_it(notify: Notify) -> None:
    """Its own thread does not wait for itself, and ends afterwards."""
    notifier = notify(lambda change: notifier.stop(deadline_in(5.0)))
    start = time.monotonic()
    notifier.put(change())
    assert wait_until(lambda: our_threads() == []) and time.monotonic() - start < 2.0


def test_stop_before_start_and_twice_is_fine() -> None:
    """Nothing to end is ended, as often as asked."""
    assert [True, True] == [Notifier(print).stop(deadline_in(0.0)) for _ in range(2)]


def test_stop_while_idle_is_quick(notify: Notify) -> None:
    """A thread that waits for changes is woken up."""
    notifier = notify(lambda change: None)
    start = time.monotonic()
    assert [True, True] == [notifier.stop(deadline_in(5.0)) for _ in range(2)] and time.monotonic() - start < 1.0


def test_without_a_thread_it_only_counts() -> None:
    """Where the system gave no thread, changes are kept up to the bound and then dropped."""
    notifier = Notifier(print)
    for number in range(MOST_WAITING + 1):
        notifier.put(change(number))
    assert 1 == notifier.dropped and notifier.stop(deadline_in(0.0))


def test_after_a_fork_nothing_waits() -> None:
    """The child has counters of its own, and no thread."""
    seen: list[str] = []
    notifier = Notifier(lambda change: seen.append(change.name))
    for number in range(MOST_WAITING + 3):
        notifier.put(change(number))
    notifier.after_fork()
    notifier.work()
    assert ([], 0, True) == (seen, notifier.dropped, notifier.stop(deadline_in(0.0)))


def test_many_threads_lose_nothing(notify: Notify) -> None:
    """What is told and what was dropped add up to what was put."""
    seen: list[str] = []
    notifier = notify(lambda change: seen.append(change.name))
    threads = [threading.Thread(target=lambda: [notifier.put(change(n)) for n in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert notifier.stop(deadline_in(5.0)) and len(seen) + notifier.dropped == 2000
