"""After a fork the child holds no thread of ours, and maybe a lock that nobody will release: start afresh.

Each owner of a thread, lock, socket or file has `after_fork()`, which gives it fresh locks, no threads, and closes
what it inherited. Owners are watched from their first start on; nothing is registered at import. Some have something
to do before a fork, or when the interpreter exits, as well.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Owner(Protocol):
    """What has to be told that it lives in a child now."""

    def after_fork(self) -> None:
        """Called in the child, by its only thread."""


class Holder(Owner, Protocol):
    """What must not be forked in the middle of something."""

    def before_fork(self) -> None:
        """Called in the parent, by the thread that forks: bring it to an end, soon."""

    def after_fork_in_parent(self) -> None:
        """Called there when it has forked, or could not."""


class Leaver(Protocol):
    """What has something to do before the interpreter exits."""

    def at_exit(self) -> None:
        """Called by the main thread, while other threads still run."""


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()
_holders: weakref.WeakSet[Holder] = weakref.WeakSet()
_leavers: weakref.WeakSet[Leaver] = weakref.WeakSet()
_hooked: list[bool] = []
_holding: list[bool] = []
_leaving: list[bool] = []


def watch(owner: Owner) -> None:
    """Have `owner.after_fork()` called in every child that is forked from now on. Any thread."""
    _owners.add(owner)
    if not _hooked and hasattr(os, "register_at_fork"):  # os.register_at_fork cannot be undone, so once is enough
        _hooked.append(True)
        os.register_at_fork(after_in_child=_tell_owners)


def hold(holder: Holder) -> None:
    """The same, and have it told before every fork. Any thread."""
    watch(holder)
    _holders.add(holder)
    if not _holding and hasattr(os, "register_at_fork"):
        _holding.append(True)
        os.register_at_fork(before=_tell_holders, after_in_parent=_let_holders_go)


def watch_exit(leaver: Leaver) -> None:
    """Have `leaver.at_exit()` called when the interpreter exits. Any thread."""
    import atexit

    _leavers.add(leaver)
    if not _leaving:
        _leaving.append(True)
        atexit.register(_tell_leavers)


def _tell_leavers() -> None:
    for leaver in list(_leavers):
        leaver.at_exit()


def _tell_holders() -> None:
    for holder in list(_holders):
        holder.before_fork()


def _let_holders_go() -> None:
    for holder in list(_holders):
        holder.after_fork_in_parent()


def _tell_owners() -> None:
    for owner in list(_owners):
        owner.after_fork()
