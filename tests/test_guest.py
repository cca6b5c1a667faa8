"""A good guest: the host finds everything as it was, hears nothing it did not ask for, and ends when it wants to."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import time

import pytest
from support import few, python

pytestmark = pytest.mark.slow  # starts many interpreters

# The state of a host that has imported what it needs itself; `look()` is equal as long as nobody touched it.
HOST = """
import atexit, decimal, gc, locale, logging, os, random, signal, socket, sys, threading, time, warnings
import http.server, json, ssl, urllib.request

class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
threading.Thread(target=target.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{target.server_port}/"

def look():
    handlers = {}
    for number in signal.valid_signals():
        try:
            handlers[int(number)] = repr(signal.getsignal(number))
        except (OSError, ValueError):
            pass
    if hasattr(signal, "pthread_sigmask"):
        handlers["mask"] = sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    root = logging.getLogger()
    umask = os.umask(0)
    os.umask(umask)
    return {
        "signals": handlers,
        "wakeup": signal.set_wakeup_fd(-1),
        "root": (list(root.handlers), root.level, list(root.filters), logging.raiseExceptions, logging.lastResort),
        "disabled": (root.manager.disable, logging.getLoggerClass(), logging.getLogRecordFactory()),
        "timeout": socket.getdefaulttimeout(),
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook),
        "traces": (sys.gettrace(), sys.getprofile()),
        "opener": urllib.request._opener,
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
        "switch": sys.getswitchinterval(),
        "recursion": sys.getrecursionlimit(),
        "stack": threading.stack_size(),
        "warnings": list(warnings.filters),
        "path": (list(sys.path), list(sys.meta_path), list(sys.path_hooks)),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "gc": (gc.isenabled(), gc.get_threshold(), gc.callbacks),
        "atexit": atexit._ncallbacks(),
        "random": random.getstate(),
        "decimal": repr(decimal.getcontext()),
        "locale": locale.setlocale(locale.LC_ALL),
        "umask": umask,
        "ssl": ssl._create_default_https_context,
    }

def same(stage):
    after = look()
    print(stage, [key for key in before if before[key] != after[key]])

before = look()
"""

TOUCH_NOTHING = (
    HOST
    + """
import minimon
from minimon.testing import RogueServer
same("imported")

def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)

checks = [
    minimon.Check("web", URL, every=0.05, initial_delay=0),
    minimon.Check("refused", "http://127.0.0.1:1/", every=0.05, initial_delay=0),
    minimon.Check("tls", URL.replace("http", "https"), every=0.05, timeout=1.0, initial_delay=0),
    minimon.Check("port", "tcp://127.0.0.1:1", every=0.05, initial_delay=0),
    minimon.Check("raises", lambda: 1 // 0, every=0.05, initial_delay=0),
    minimon.Check("exits", sys.exit, every=0.05, initial_delay=0),
]
monitor = minimon.Monitor(checks, on_change=lambda change: 1 // 0)
server = minimon.HealthCheckServer(port=0)
same("constructed")
monitor.start()
server.start(monitor)
until(lambda: all(check["last"] for check in monitor.snapshot()["checks"].values()))
urllib.request.OpenerDirector()
same("running")
import http.client
for path in ("/health", "/status", "/x"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()
same("asked")
with RogueServer("ok") as rogue:
    minimon.probe(rogue.url)
print("ended", server.stop(), monitor.stop(), monitor.snapshot()["checks"]["web"]["last"]["outcome"])
same("stopped")
"""
)


def told(code: str) -> str:
    """What a host's code printed; it must write nothing to stderr."""
    done = python(code)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return done.stdout.strip()


def test_nothing_of_the_host_is_touched() -> None:
    """Signals, root logger, default timeout, hooks, global opener, environment, and more: equal before the import,
    after it, after construction, while running, after requests and after the stop."""
    done = python(TOUCH_NOTHING)
    stages = ["imported []", "constructed []", "running []", "asked []", "ended True True pass", "stopped []"]
    assert (stages, "") == (done.stdout.splitlines(), done.stderr)


def test_importing_starts_nothing() -> None:
    """No thread, no file, no socket, not by the public names either."""
    done = python(
        "import os, threading\n"
        "def fds(): return sorted(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else []\n"
        "before = fds()\n"
        "import minimon\n"
        "[getattr(minimon, name) for name in minimon.__all__]\n"
        "minimon.Monitor([minimon.Check('a', 'https://localhost/')])\n"
        "minimon.HealthCheckServer(port=0)\n"
        "print(threading.active_count(), before == fds())"
    )
    assert ("1 True\n", "") == (done.stdout, done.stderr)


SILENT = """
import sys, threading
sys.path.insert(0, "tests")
import minimon
from support import wait_until

class Hostile(Exception):
    def __str__(self):
        raise RuntimeError("no text")

def hostile():
    raise Hostile

def coroutine():
    async def nothing(): ...
    return nothing()

checks = [
    minimon.Check("refused", "http://127.0.0.1:1/", every=0.02, fall=1, initial_delay=0),
    minimon.Check("false", lambda: False, every=0.02, fall=1, initial_delay=0),
    minimon.Check("raises", lambda: 1 // 0, every=0.02, fall=1, initial_delay=0),
    minimon.Check("exits", sys.exit, every=0.02, fall=1, initial_delay=0),
    minimon.Check("hostile", hostile, every=0.02, fall=1, initial_delay=0),
    minimon.Check("interval", lambda: None, every=lambda: "x", fall=1, initial_delay=0),
    minimon.Check("port", "tcp://127.0.0.1:1", every=0.02, fall=1, initial_delay=0),
    minimon.Check("stuck", threading.Event().wait, timeout=0.05, initial_delay=0),
]
hook = lambda given: 1 // 0
monitor = minimon.Monitor(checks, on_change=hook, on_start=hook, on_stop=hook)
with minimon.HealthCheckServer(port=0).serving(monitor.start()):
    seen = wait_until(lambda: all(monitor.state(check.name).last for check in checks))
    down = wait_until(lambda: monitor.snapshot()["counts"]["down"] == 7)
    last = monitor.snapshot()
    monitor.stop(0.05)
sys.exit(0 if seen and down and last["checks"]["stuck"]["status"] == "unknown" else 3)
"""


def test_an_unconfigured_host_hears_nothing() -> None:
    """Everything fails and every callback raises, and not a byte goes to stdout or stderr."""
    done = python(SILENT)
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.long
def test_an_unconfigured_host_hears_nothing_in_development_mode() -> None:
    """No resource is left to the collector, no warning is raised on our account."""
    done = python(SILENT, "-X", "dev", "-W", "error")
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def test_a_configured_host_hears_of_changes() -> None:
    """What the host asks for it gets: INFO and WARNING under `minimon`."""
    done = python(
        "import logging, minimon, threading\n"
        "logging.basicConfig(level=logging.INFO, format='%(levelname)s %(name)s %(message)s')\n"
        "changed = threading.Event()\n"
        "check = minimon.Check('queue', lambda: False, every=0.02, fall=1, initial_delay=0)\n"
        "with minimon.Monitor([check], on_change=lambda change: changed.set()):\n"
        "    assert changed.wait(5)\n"
    )
    expected = [
        "INFO minimon.monitor monitor minimon started with 1 checks",
        "INFO minimon.monitor monitor minimon stopped",
        "WARNING minimon.poller check queue is down (was unknown) returned False",
    ]
    assert expected == sorted(done.stderr.splitlines())


STUCK = {
    "a callable": "minimon.Check('stuck', lambda: threading.Event().wait(60), initial_delay=0)",
    "a callable given up": "minimon.Check('stuck', lambda: threading.Event().wait(60), timeout=0.01, initial_delay=0)",
    "an endpoint": "minimon.Check('stuck', f'http://127.0.0.1:{port}/', timeout=60, initial_delay=0)",
    "an interval function": (
        "minimon.Check('stuck', lambda: None, every=lambda: threading.Event().wait(60), initial_delay=0)"
    ),
}
EXIT = """
import socket, sys, threading, time
sys.path.insert(0, "tests")
import minimon
from support import wait_until

silent = socket.create_server(("127.0.0.1", 0))
port = silent.getsockname()[1]
monitor = minimon.Monitor([{check}, minimon.Check("b", lambda: None, every=0.01)], on_change={callback})
monitor.start()
minimon.HealthCheckServer(port=0).start(monitor)
figures = lambda: monitor.snapshot()["self"]
assert wait_until(lambda: monitor.state("b").last and figures()["busy"] + figures()["stuck"])
sys.stdout.write(str(time.time()))
sys.stdout.flush()
{end}
"""


def _exit(check: str, end: str = "", callback: str = "None") -> tuple[subprocess.CompletedProcess[str], float]:
    """The process, and the seconds that it took to end after its main thread had."""
    done = python(EXIT.format(check=check, end=end, callback=callback))
    return done, time.time() - float(done.stdout)


def test_it_can_be_turned_off_from_outside() -> None:
    """No thread, no port, no word; what asks is told that nothing is known."""
    code = """
import os, threading
os.environ["MINIMON_DISABLED"] = "1"
from minimon import Check, HealthCheckServer, Monitor
server = HealthCheckServer(port=0)
with Monitor([Check("a", lambda: True)], on_start=print) as monitor, server.serving(monitor):
    print(threading.active_count(), monitor.running, monitor.overall(), server.httpd, monitor.stop(), server.stop())
os.environ["MINIMON_DISABLED"] = "0"
with monitor:
    print(monitor.running)
"""
    done = python(code)
    assert ("1 False unknown None True True\n", True, "") == (done.stdout[:31], "\nTrue\n" in done.stdout, done.stderr)


def test_the_hosts_exit_is_not_held_up() -> None:
    """With a probe stuck for a minute, and without a stop(), the process ends with its main thread."""
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        ends = dict(zip(STUCK, executor.map(_exit, STUCK.values())))
    assert dict.fromkeys(STUCK, (0, "", True)) == {
        name: (done.returncode, done.stderr, seconds < 1.2) for name, (done, seconds) in ends.items()
    }


def test_a_blocked_callback_does_not_hold_up_the_exit() -> None:
    """on_change runs on a daemon thread too."""
    done, seconds = _exit(STUCK["a callable"], callback="lambda change: threading.Event().wait(60)")
    assert (0, "") == (done.returncode, done.stderr) and seconds < 1.2


def test_the_hosts_exit_code_is_its_own() -> None:
    """sys.exit(3) is 3."""
    done, seconds = _exit(STUCK["a callable"], "sys.exit(3)")
    assert (3, "") == (done.returncode, done.stderr) and seconds < 1.2


def test_the_hosts_crash_is_its_own() -> None:
    """An exception in the main thread ends the program at once, with its traceback, nothing else, and code 1."""
    done, seconds = _exit(STUCK["a callable"], "raise ValueError('of the host')")
    first, *_, last = done.stderr.splitlines()
    assert (1, "Traceback (most recent call last):", "ValueError: of the host") == (done.returncode, first, last)
    assert 1 == done.stderr.count("Traceback") and seconds < 1.2


@pytest.mark.long
def test_a_crash_within_the_with_block_is_not_held_up() -> None:
    """The stop at its end waits for the stuck probe no longer than two seconds."""
    done, seconds = _exit(STUCK["a callable"], "monitor.__exit__(None, None, None)\nraise ValueError('of the host')")
    assert 1 == done.returncode and "ValueError: of the host" in done.stderr and seconds < 2.0 + 1.2


def test_exits_are_quiet_at_any_moment() -> None:
    """Ended in the midst of polling hard, many times: code 0 and not a word, from whatever thread."""
    script = (
        "import minimon\n"
        "often = dict(every=0.01, fall=1, rise=1, initial_delay=0)\n"
        "checks = [minimon.Check(str(n), lambda: n % 2, **often) for n in range(20)]\n"
        "checks += [minimon.Check('web', 'http://127.0.0.1:1/', every=0.01, initial_delay=0)]\n"
        "monitor = minimon.Monitor(checks, on_change=lambda change: None, min_workers=8).start()\n"
        "import threading\n"
        "threading.Event().wait({pause})\n"
    )
    ends = [python(script.format(pause=pause)) for pause in (0, 0.005, 0.02)]
    assert {(0, "", "")} == {(done.returncode, done.stdout, done.stderr) for done in ends}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of POSIX")
@pytest.mark.parametrize("call", few(["snapshot()", "overall()", "pause('3') or monitor.resume('3')"], 1))
def test_a_signal_handler_of_the_host_may_stop_the_monitor(call: str) -> None:
    """As a SIGTERM handler does, in the midst of whatever the main thread asks of it: no lock is waited for in vain."""
    seen = told(
        "import faulthandler, random, signal, minimon\n"
        "faulthandler.dump_traceback_later(10, exit=True)\n"
        "monitor = minimon.Monitor([minimon.Check(str(n), lambda: None, every=1) for n in range(50)])\n"
        "stopped = []\n"
        "signal.signal(signal.SIGALRM, lambda number, frame: [monitor.stop(0.1), stopped.append(1)])\n"
        "for n in range(40):\n"
        "    monitor.start()\n"
        "    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.005))\n"
        "    while len(stopped) <= n:\n"
        f"        monitor.{call}\n"
        "print(len(stopped), monitor.running, monitor.stop())\n"
    )
    assert "40 False True" == seen


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", -15), ("SIGINT", -2)])
def test_signals_do_what_they_do(name: str, code: int) -> None:
    """SIGTERM ends the host, SIGINT is its KeyboardInterrupt, as if we were not there."""
    done, seconds = _exit(STUCK["a callable"], f"import os, signal; os.kill(os.getpid(), signal.{name})\ntime.sleep(9)")
    assert code == done.returncode and seconds < 1.2
    assert ("KeyboardInterrupt" in done.stderr) is (name == "SIGINT")


def test_the_hosts_default_timeout_is_not_ours() -> None:
    """A host that sets a socket default timeout gets polls with their own."""
    seen = told(
        "import socket\n"
        "socket.setdefaulttimeout(0.000001)\n"
        "from minimon.testing import RogueServer\n"
        "import minimon\n"
        "with RogueServer('ok') as server:\n"
        "    tcp = server.url.replace('http', 'tcp').rstrip('/')\n"
        "    print(minimon.probe(server.url).outcome, minimon.probe(tcp).outcome, socket.getdefaulttimeout())\n"
    )
    assert "pass pass 1e-06" == seen


def test_the_hosts_global_opener_is_not_ours() -> None:
    """What a host has installed for its own requests is neither used nor replaced."""
    seen = told(
        "import urllib.request\n"
        "class Refuse(urllib.request.BaseHandler):\n"
        "    def default_open(self, request):\n"
        "        raise OSError('the host wants no requests')\n"
        "opener = urllib.request.build_opener(Refuse)\n"
        "urllib.request.install_opener(opener)\n"
        "from minimon.testing import RogueServer\n"
        "import minimon\n"
        "with RogueServer('ok') as server:\n"
        "    print(minimon.probe(server.url).outcome, urllib.request._opener is opener)\n"
    )
    assert "pass True" == seen


def test_the_hosts_proxies_are_not_ours() -> None:
    """http_proxy of the environment is for the host's requests."""
    seen = told(
        "import os\n"
        "os.environ['http_proxy'] = os.environ['HTTP_PROXY'] = 'http://127.0.0.1:1'\n"
        "from minimon.testing import RogueServer\n"
        "import minimon\n"
        "with RogueServer('ok') as server:\n"
        "    print(minimon.probe(server.url).outcome)\n"
    )
    assert "pass" == seen


def test_a_host_that_disables_logging_is_polled() -> None:
    """logging.disable() and a level of the root are respected, and nothing depends on records."""
    seen = told(
        "import logging, sys\n"
        "sys.path.insert(0, 'tests')\n"
        "logging.basicConfig(stream=sys.stdout, level=logging.DEBUG)\n"
        "logging.disable(logging.CRITICAL)\n"
        "import minimon\n"
        "from support import wait_until\n"
        "with minimon.Monitor([minimon.Check('a', lambda: False, every=0.02, fall=1)]) as monitor:\n"
        "    print(wait_until(lambda: monitor.overall() == 'unhealthy'))\n"
    )
    assert "True" == seen
