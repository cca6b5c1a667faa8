"""A small client for headless Chromium: it speaks the DevTools protocol over a pipe, and needs no thread."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = """
--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-extensions --disable-background-networking
--disable-component-update --disable-sync --no-first-run --no-default-browser-check --hide-scrollbars --mute-audio
--remote-debugging-pipe
""".split()
BECOME = "import os, sys; ends = sys.argv[1:3]; os.dup2(int(ends[0]), 3); os.dup2(int(ends[1]), 4); " + (
    "os.execv(sys.argv[3], sys.argv[3:])"
)
"""The browser wants its pipe at the descriptors 3 and 4."""


def program() -> str | None:
    """The path of a browser of this kind; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page of a Browser. What it logged as an error is in `errors`."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session
        self.errors: list[str] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        return self._browser.call(method, params, self._session)

    def open(self, url: str) -> None:
        """Go there, and wait until the document is whole."""
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def run(self, script: str) -> Any:
        """The value of an expression, of a promise its outcome. Raises AssertionError where it throws."""
        options = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        result = self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script: str, seconds: float = 8.0) -> None:
        """Until an expression is true. Raises AssertionError when it is not in time."""
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < deadline, f"not in {seconds} s: {script}; errors: {self.errors}"
            pause.wait(0.02)

    def close(self) -> None:
        """Have no such tab any more."""
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def key(self, key: str) -> None:
        """Press and release a key."""
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def size(self, width: int, height: int, scheme: str = "light") -> None:
        """Be a window of this size, of a user who likes it light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def hear(self, message: dict[str, Any]) -> None:
        """Keep what is an error; the browser calls it with everything that a page tells."""
        params, method = message["params"], message["method"]
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert", "warning"):
            self.errors.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])


class Browser:
    """The running program, of one thread."""

    def __init__(self, path: str, profile: str) -> None:
        inwards, outwards = os.pipe(), os.pipe()
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (inwards[0], outwards[1])]
        started = [sys.executable, "-I", "-S", "-c", BECOME, *map(str, ends)]
        command = [*started, path, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, pass_fds=ends, **nowhere)
        for fd in (*ends, inwards[0], outwards[1]):
            os.close(fd)
        self._to, self._from = inwards[1], outwards[0]
        self._read, self._number = b"", 0
        self._tabs: dict[str, Tab] = {}

    def tab(self) -> Tab:
        """A new page, which tells of its errors."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = self._tabs[session] = Tab(self, target, session)
        for domain in ("Page", "Runtime", "Log"):
            tab.call(f"{domain}.enable")
        return tab

    def call(self, method: str, params: dict[str, Any], session: str = "") -> dict[str, Any]:
        """Send a command, and hear what comes until its answer does."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            heard = self._next(30.0)
            if heard.get("id") == self._number:
                assert "error" not in heard, heard["error"]
                result: dict[str, Any] = heard["result"]
                return result
            if heard.get("sessionId") in self._tabs:
                self._tabs[heard["sessionId"]].hear(heard)

    def _next(self, seconds: float) -> dict[str, Any]:
        while b"\0" not in self._read:
            assert select.select([self._from], [], [], seconds)[0], f"the browser is silent for {seconds} s"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has ended"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        heard: dict[str, Any] = json.loads(message)
        return heard

    def close(self) -> None:
        """End it, by its process id."""
        os.close(self._to)
        os.close(self._from)
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def browsing(path: str) -> Iterator[Browser]:
    """A browser with a profile of its own, until the end of the block."""
    profile = tempfile.mkdtemp(prefix="minimon-browser-")
    browser = Browser(path, profile)
    try:
        yield browser
    finally:
        browser.close()
        shutil.rmtree(profile, ignore_errors=True)
