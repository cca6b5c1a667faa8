"""Launches a program: what it runs, where, with which variables, and where its output goes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .child import Platform, spawn
from .entry import Entry, Run
from .environment import read_variables
from .guard import Guard
from .guarding import TOKEN
from .output import Channel, Pump

ERRORS = (OSError, ValueError, subprocess.SubprocessError)
"""What a launch may raise."""


class Launcher:
    """Launches programs. Belongs to the keeper's thread.

    `logged(entry, launches, pattern)` is called, on the pump's thread, when a line was written that fits;
    `watch(pid, runs)`, on a worker's, when a command runs that looks at a program, and when it does not any more.
    """

    def __init__(
        self,
        pump: Pump | None,
        ring: bool,
        port: Callable[[Any], Any],
        platform: Platform,
        logged: Callable[[Entry, int, str], None],
        watch: Callable[[int, bool], None],
    ) -> None:
        self.pump, self._ring, self._port, self._platform, self._logged = pump, ring, port, platform, logged
        self._watch = watch

    def launch(self, entry: Entry, guard: Guard | None) -> None:
        """Raises one of ERRORS; then `drop` it."""
        program = entry.program
        env = {**os.environ, **read_variables(self._port(program.env_file)), **self._port(dict(program.env))}
        command = self._port(list(program.command))
        if program.runs is not None:
            _found(self._port(program.runs), env)
        entry.process.command = self._port(program.shown)
        cwd = self._port(program.cwd)
        if cwd is not None and not os.path.isdir(cwd):
            raise NotADirectoryError(0, "cwd is no directory", cwd)
        entry.run = Run(entry.process, env, cwd, self._watch)
        executable = _found(command[0], env)
        opened: list[int] = []
        try:
            ends = self._outputs(entry, opened)
            if guard is not None:
                env = {**env, TOKEN: guard.announce(program.stop.signal, program.stop.timeout)}
            entry.child = spawn(
                command,
                executable=executable,
                env=env,
                cwd=cwd,
                stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL,
                stdout=ends[0],
                stderr=ends[1],
                platform=self._platform,
            )
        finally:
            for fd in opened:
                os.close(fd)
        if guard is not None:
            guard.add(entry.child.pid, program.stop.signal, program.stop.timeout)
        if self.pump is not None and entry.channel is not None:
            self.pump.add(entry.channel)

    def _outputs(self, entry: Entry, opened: list[int]) -> tuple[int | None, int | None]:
        """Its stdout and stderr; what is to be closed after the launch is added to `opened`."""
        kind, sink = entry.program.output.kind, entry.journal.sink
        patterns = [pattern for gate in (entry.ready, entry.live) if gate is not None for pattern in gate.patterns]
        if sink is not None:
            try:
                sink.close()
                sink.open()
            except OSError as error:
                if not entry.launches:
                    raise OSError(error.errno, f"output cannot be written: {error.strerror}", sink.path) from None
        watched = [(re.compile(each), partial(self._logged, entry, entry.launches + 1, each)) for each in patterns]
        entry.journal.begin(watched)
        if self.pump is None or not (self._ring or kind == "file" or patterns):
            direct = None if kind == "inherit" else subprocess.DEVNULL
            if sink is not None:  # no pipes to be watched here: it is written as it comes, and never rotated
                direct = os.open(sink.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                opened.append(direct)
            return direct, direct
        entry.channel = Channel(entry.journal)
        for host in (1, 2) if kind == "inherit" else (0,):
            opened.append(entry.channel.add(self.pump.hosts.get(host)))
        return opened[0], opened[-1]

    def drop(self, entry: Entry) -> None:
        """Close the pipes of one that was not launched."""
        channel, entry.channel = entry.channel, None
        if channel is not None:
            for fd in channel.fds:
                os.close(fd)


def _found(name: str, env: Mapping[str, str]) -> str:
    """The executable, as looked for from where the host is. Raises OSError."""
    if os.path.dirname(name):
        path = os.path.abspath(name)
        if not os.path.exists(path):
            raise FileNotFoundError(2, "no such file", name)
        if os.path.isdir(path):
            raise IsADirectoryError(21, "is a directory", name)
        if not os.access(path, os.X_OK):
            raise PermissionError(13, "not executable", name)
        return path
    found = shutil.which(name, path=env.get("PATH"))
    if found is None:
        raise FileNotFoundError(2, "not found in PATH", name)
    return os.path.abspath(found)


def unlaunched(entry: Entry, error: BaseException) -> str:
    """Why it could not be launched, with the thing and the reason."""
    if not isinstance(error, OSError):
        return f"it cannot be launched: {error}"
    name = getattr(error, "filename", None) or entry.program.command[0]
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return f"it cannot be launched: {name}: {getattr(error, 'strerror', None) or error}"
