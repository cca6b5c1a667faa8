"""Restricted places: what cannot work there says so, with the reason, and the rest goes on. A process for each."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from support import ROOT, few

from minimon.testing import RogueServer

pytestmark = [
    pytest.mark.slow,  # starts many interpreters
    pytest.mark.skipif(os.name == "nt", reason="places of POSIX"),
]

# What a host has at hand. It puts into `seen` what it wants to tell; `warned` is what the log says.
HOST = """
import http.client, json, logging, os, re, threading, time
import minimon
from minimon.testing import RogueServer

class Keep(logging.Handler):
    def emit(self, record):
        warned.append(record.getMessage())

seen, warned = {}, []
logging.getLogger("minimon").addHandler(Keep(logging.WARNING))
often = dict(every=0.05, initial_delay=0, fall=1, rise=1, critical=True)

def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, (seen, warned)
        threading.Event().wait(0.005)

def checks(url):
    yield minimon.Check("call", lambda: True, **often)
    yield minimon.Check("web", url, **often)
    yield minimon.Check("port", url.rstrip("/").replace("http", "tcp"), **often)

def wait_for_all():
    until(lambda: all(monitor.ok(name) for name in ("call", "web", "port")))

def error_of(function, *given):
    try:
        return repr(function(*given))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

WORDS = {
    "/health": '"status": "(.+?)"',
    "/status": '"overall": "(.+?)"',
    "/metrics": 'minimon_overall{state="(.+?)"} 1',
    "/": "<h1><b>(.+?)</b>",
}

def connected(server):
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)

def ask(connection, path):
    connection.request("GET", path, headers={"Accept": "text/html"})
    answer = connection.getresponse()
    text = answer.read().decode()
    word = re.search(WORDS.get(path, "(.*)"), text)
    return f"{answer.status} {word[1].lower() if word else text}"

def ask_anew(server, path):
    connection = connected(server)
    try:
        return ask(connection, path)
    finally:
        connection.close()

def ask_all(server):
    return {path: ask_anew(server, path) for path in WORDS}

def tell_anew(key, function, before):  # an answer that took long is shared for a second
    def told():
        seen[key] = function()
        return before not in json.dumps(seen[key])
    until(told)
"""
TELL = """
file = open(sys.argv[1], "w") if len(sys.argv) > 1 else sys.stdout
json.dump({**seen, "warned": warned}, file)
file.close()
"""

# The usual: a monitor and its server, asked once all is well.
SERVE = """
with RogueServer("ok") as target:
    monitor = minimon.Monitor(checks(target.url)).start()
    server = minimon.HealthCheckServer(port=0).start(monitor)
    wait_for_all()
    seen["answers"] = ask_all(server)
    seen["stopped"] = server.stop(), monitor.stop()
"""
HEALTHY = dict.fromkeys(("/health", "/status", "/metrics", "/"), "200 healthy")
DEGRADED = dict.fromkeys(HEALTHY, "200 degraded")
UNHEALTHY = {**dict.fromkeys(HEALTHY, "200 unhealthy"), "/health": "503 unhealthy"}
UNKNOWN = {**dict.fromkeys(HEALTHY, "200 unknown"), "/health": "503 unknown"}
WELL = {"answers": HEALTHY, "stopped": [True, True], "warned": []}

CACHE = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else ["-B"]


def run(
    act: str,
    before: str = "",
    *more: str,
    begin: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    cwd: pathlib.Path = ROOT,
    told: pathlib.Path | None = None,
) -> dict[str, Any]:
    """What a host has seen that performs the act, and writes nothing to stderr.

    `before` is what it does before it imports anything; `more` are options of Python; `begin` is what its command
    begins with; it tells on stdout, or in the file `told`.
    """
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{before}\n{HOST}\n{act}\n{TELL}"
    command = [*begin, sys.executable, *CACHE, "-W", "error", *more, "-c", code, *([str(told)] if told else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, cwd=cwd)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    seen: dict[str, Any] = json.loads(told.read_text(encoding="ascii") if told else done.stdout)
    return seen


# --- how a command begins that runs in such a place; skips the test where that cannot be had


def within(script: str, kinds: str = "m") -> tuple[str, ...]:
    """In namespaces of its own, of these kinds of unshare(1), after this script of root's in there."""
    problem = ""
    for more in ("", "r"):  # as root, or as who is root nowhere else
        begin = ("unshare", f"-{more}{kinds}", "sh", "-c", f'{script}\nexec "$@"', "sh")
        problem = why_not(*begin)
        if not problem:
            return begin
    pytest.skip(f"such a place cannot be made here: {problem}")


def stranger() -> tuple[str, ...]:
    """As a user without a name."""
    root = ("setpriv", f"--reuid={NAMELESS}", f"--regid={NAMELESS}", "--clear-groups")
    problem = ""
    for begin in ((*root, *READ_ALL), root) if os.geteuid() == 0 else (("unshare", f"--map-user={NAMELESS}"),):
        problem = why_not(*begin)
        if not problem:
            return begin
    pytest.skip(f"nobody can become another user here: {problem}")


def unprivileged() -> tuple[str, ...]:
    """As a user whom the limits hold for: whoever runs the tests, unless that is root."""
    return stranger() if os.geteuid() == 0 else ()


def why_not(*begin: str) -> str:
    """Why a command that begins so cannot run this Python, and read this checkout; "" when it can."""
    if shutil.which(begin[0]) is None:
        return f"there is no {begin[0]}"
    command = (*begin, sys.executable, "-I", "-S", "-c", f"open({str(ROOT / 'tests' / 'support.py')!r}).close()")
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return (done.stderr.strip() or f"{begin[0]} ended with {done.returncode}") if done.returncode else ""


NAMELESS = 54321
READ_ALL = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
"""What lets this user run a Python in a folder of root's, and write nothing."""

# --- Pythons without this or that

PARTS = {
    "ssl": ("ssl", "_ssl"),
    "sqlite3": ("sqlite3", "_sqlite3"),
    "zlib": ("zlib",),
    "ctypes": ("ctypes", "_ctypes"),
    "_hashlib": ("_hashlib",),
    "multiprocessing": ("multiprocessing", "_multiprocessing"),
    "subprocess": ("subprocess", "_posixsubprocess"),
}


def lacking(module: str) -> str:
    """What makes this Python one that does not have it."""
    return f"sys.modules.update(dict.fromkeys({PARTS[module]!r}))"


@pytest.mark.parametrize("modules", few([[*PARTS], *([each] for each in PARTS)], 1), ids=" ".join)
def test_a_python_without_them_polls_and_serves(modules: list[str]) -> None:
    """Nothing is amiss where nothing needs the modules."""
    assert WELL == run(SERVE, "\n".join(map(lacking, modules)))


UNSAFE = """
with RogueServer("ok") as target, RogueServer("redirect", location=target.url.replace("http", "https")) as leads:
    monitor = minimon.Monitor([minimon.Check("led", leads.url, **often)])
    addresses = "https://shop.example/", "tls://shop.example:443"
    seen["refused"] = [error_of(lambda: monitor.add(minimon.Check("shop", address))) for address in addresses]
    monitor.start()
    until(lambda: monitor.state("led").last)
    seen["led"] = monitor.state("led").last[1:4]
    seen["stopped"] = monitor.stop()
"""


def test_without_ssl_it_says_what_cannot_be_polled() -> None:
    """A target under TLS is refused when the check is made; one that a redirect leads to fails, with the reason."""
    seen = run(UNSAFE, lacking("ssl"))
    why = "this Python has no ssl module, so TLS cannot be polled"
    seen["led"][2] = seen["led"][2].partition(", after a redirect to https://")[0]
    assert {
        "refused": [f"ConfigError: check 'shop': {why}: take one that has it, or leave this out"] * 2,
        "led": ["fail", "tls", f"tls: {why}"],
        "stopped": True,
    } == {key: seen[key] for key in ("refused", "led", "stopped")}


@pytest.mark.parametrize("option", few(["-OO", "-O"], 1))
def test_without_assertions_and_docstrings_it_polls_and_serves(option: str) -> None:
    """Python may be told to drop them."""
    assert WELL == run(SERVE, "", option)


# --- places where nothing can be written

READ_ONLY = """
mount -o remount,bind,ro / || exit 1
for place in /tmp /var/tmp /dev/shm "$HOME"; do
    if [ -d "$place" ]; then mount --rbind "$place" "$place" && mount -o remount,bind,ro "$place" || exit 1; fi
done
cd /"""
NOWHERE = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), "/nowhere")}
TEMPORARY = """
import tempfile
seen["temporary"] = error_of(tempfile.gettempdir).partition(" in ")[0]
"""
NO_TEMPORARY = "FileNotFoundError: [Errno 2] No usable temporary directory found"
SAVE = """
seen["file"] = error_of(open, f"{FOLDER}/file", "x")
seen["socket"] = error_of(minimon.HealthCheckServer(f"unix:{FOLDER}/socket").start)
with RogueServer("ok") as target:
    monitor = minimon.Monitor(checks(target.url), state_file=f"{FOLDER}/state.json").start()
    server = minimon.HealthCheckServer(port=0).start(monitor)
    wait_for_all()
    until(lambda: monitor.snapshot()["checks"]["minimon"]["status"] == "degraded")
    seen["why"] = monitor.state("minimon").explanation
    seen["answers"] = ask_all(server)
    seen["stopped"] = server.stop(), monitor.stop()
"""


def nothing_saved(folder: pathlib.Path, error: OSError) -> dict[str, Any]:
    """What a host has seen that could write nothing in this folder."""
    why = f"cannot be written: {error.strerror}"
    return {
        "file": f"{type(error).__name__}: [Errno {error.errno}] {error.strerror}: '{folder}/file'",
        "socket": f"PortError: [Errno {error.errno}] cannot listen on unix:{folder}/socket: {error.strerror}"
        "; say a path in a folder that this user can write",
        "why": f"state file: {why}",
        "answers": DEGRADED,
        "stopped": [True, True],
        "warned": [f"state file {folder}/state.json: {why}"],
    }


def test_on_a_read_only_file_system_it_says_what_cannot_be_saved(tmp_path: pathlib.Path) -> None:
    """The state file and the socket say why, and so does `/status`; nobody misses a temporary folder."""
    seen = run(TEMPORARY + SAVE, f"FOLDER = {str(tmp_path)!r}", begin=within(READ_ONLY), environment=NOWHERE)
    expected = nothing_saved(tmp_path, OSError(errno.EROFS, os.strerror(errno.EROFS)))
    assert {"temporary": NO_TEMPORARY, **expected} == seen


def test_without_the_right_to_write_it_says_what_cannot_be_saved(tmp_path: pathlib.Path) -> None:
    """The same where working folder, HOME and TMPDIR are not for this user to write."""
    folder = tmp_path / "closed"
    folder.mkdir(0o555)
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    seen = run(SAVE, f"FOLDER = {str(folder)!r}", begin=unprivileged(), environment=environment, cwd=folder)
    assert nothing_saved(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES))) == seen


COPY = """
from minimon.hosting import vendoring
seen["made"] = vendoring.write_zip(f"{FOLDER}/minimon.pyz") > 0, vendoring.vendor(FOLDER)
"""


def test_copies_need_no_temporary_folder(tmp_path: pathlib.Path) -> None:
    """It is enough that the folder which they are made in can be written."""
    begin = within(f"{READ_ONLY}\nmount -t tmpfs none '{tmp_path}' || exit 1")
    seen = run(TEMPORARY + COPY, f"FOLDER = {str(tmp_path)!r}", begin=begin, environment=NOWHERE)
    assert {"temporary": NO_TEMPORARY, "made": [True, f"{tmp_path}/minimon"], "warned": []} == seen


SELFTEST = """
from minimon.selftest import selftest
found = [(each.verdict, each.what) for each in selftest()]
seen["found"] = [each for each in found if each[0] == "FAILED" or each[1] in ("unix sockets", "a temporary folder")]
"""


def test_the_selftest_misses_no_more_than_the_temporary_folder() -> None:
    """Where there is none sockets may be bound elsewhere, and all else works."""
    seen = run(SELFTEST, begin=within(READ_ONLY), environment=NOWHERE)
    assert [["ok", "unix sockets"], ["lacks", "a temporary folder"]] == seen["found"]


# --- places that lack what most have

ENVIRONMENTS = {
    "without any variable": {},
    "with a temporary folder that is not there": NOWHERE,
    "without a home": {key: value for key, value in os.environ.items() if key != "HOME"},
}


@pytest.mark.parametrize("environment", few(ENVIRONMENTS))
def test_in_such_an_environment_it_polls_and_serves(environment: str) -> None:
    """No variable is needed."""
    assert WELL == run(SERVE, environment=ENVIRONMENTS[environment])


NAMES = """
import getpass, pwd
seen["names"] = error_of(pwd.getpwuid, os.getuid()), error_of(getpass.getuser).partition(":")[0]
"""


def test_a_user_needs_no_name() -> None:
    """Where neither the system nor the environment knows one it polls and serves."""
    names = ("LOGNAME", "USER", "LNAME", "USERNAME")
    nobody = {key: value for key, value in os.environ.items() if key not in names}
    seen = run(NAMES + SERVE, begin=stranger(), environment=nobody)
    unknown = f"KeyError: 'getpwuid(): uid not found: {NAMELESS}'"
    assert {**WELL, "names": [unknown, "OSError" if sys.version_info >= (3, 13) else "KeyError"]} == seen


def test_closed_streams_are_not_missed(tmp_path: pathlib.Path) -> None:
    """Its sockets get the numbers of stdin, stdout and stderr then, and it polls and serves."""
    begin = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    streams = 'seen["streams"] = sys.stdin, sys.stdout, sys.stderr\n'
    assert {**WELL, "streams": [None] * 3} == run(streams + SERVE, begin=begin, told=tmp_path / "seen.json")


def test_without_proc_it_polls_and_serves() -> None:
    """There may be no /proc."""
    begin = within("mount -t tmpfs none /proc || exit 1")
    assert {**WELL, "proc": []} == run('seen["proc"] = os.listdir("/proc")\n' + SERVE, begin=begin)


NO_FAMILY = """
import os, socket
def refuse(event, given):
    if event == "socket.__new__" and given[1] == socket.AF_INET6:
        raise OSError(NUMBER, os.strerror(NUMBER))
sys.addaudithook(refuse)
"""
NO_ADDRESS = """
disable=/proc/sys/net/ipv6/conf/all/disable_ipv6
[ ! -e $disable ] || echo 1 > $disable || exit 1
ip link set lo up"""
SIX = """
with RogueServer("ok") as target:
    monitor = minimon.Monitor(checks(target.url)).start()
    monitor.add(minimon.Check("six", f"http://[::1]:{target.port}/", **{**often, "critical": False}))
    monitor.add(minimon.Check("name", f"http://localhost:{target.port}/", **often))
    wait_for_all()
    until(lambda: monitor.ok("name") and monitor.state("six").last)
    seen["six"] = monitor.state("six").last[1:4]
    seen["server"] = error_of(minimon.HealthCheckServer("::1", 0).start)
    server = minimon.HealthCheckServer(port=0).start(monitor)
    seen["answers"] = ask_all(server)
    seen["stopped"] = server.stop(), monitor.stop()
"""


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL], ids=["none at all", "no address"])
def test_without_ipv6_its_addresses_say_so(number: int) -> None:
    """A check of one fails and a server there does not start, both with the reason; names and IPv4 go on."""
    if number == errno.EAFNOSUPPORT:
        seen = run(SIX, f"NUMBER = {number}\n{NO_FAMILY}")
    else:
        seen = run(SIX, begin=within(NO_ADDRESS, "n"))
    why = f"connect: [::1]:PORT: {os.strerror(number)}"
    assert {
        "six": ["fail", "connect", why],
        "server": f"PortError: [Errno {number}] cannot listen on [::1]:0: {os.strerror(number)}",
        "answers": DEGRADED,
        "stopped": [True, True],
        "warned": [f"check six is down (was unknown) {why}"],
    } == portless(seen)


def portless(seen: Mapping[str, Any]) -> Any:
    """The same without the numbers of ports."""
    return json.loads(re.sub(r"((?:\[::1\]|127\.0\.0\.1):)[1-9]\d*", r"\1PORT", json.dumps(seen)))


# --- limits of the system that are reached

DESCRIPTORS = """
import resource, socket
taken = []

def is_open(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False

def opened():
    return sum(map(is_open, range(MOST)))

def take_all(left=0):
    try:
        while True:
            taken.append(os.dup(2))
    except OSError:
        give_back(left)

def give_back(number):
    for _ in range(number):
        os.close(taken.pop())

MOST = 100
resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""
USED_UP = """
before = opened()
monitor = minimon.Monitor(checks(URL)).start()
server = minimon.HealthCheckServer(port=0).start(monitor)
wait_for_all()
with minimon.HealthCheckServer(port=0).serving(monitor) as another:
    ask_all(another)  # so that what makes the answers is imported
late, client = socket.socket(), connected(server)
ask(client, "/health")
until(lambda: take_all() or not (monitor.ok("web") or monitor.ok("port")))
seen["details"] = [monitor.state(name).last.detail.replace("; is it https://?", "") for name in ("call", "web", "port")]
seen["meanwhile"] = {path: ask(client, path) for path in WORDS}
late.settimeout(5)
late.connect(("127.0.0.1", server.port))
late.sendall(b"GET /health HTTP/1.0\\r\\n\\r\\n")
seen["late"] = late.recv(12).decode()
give_back(len(taken))
wait_for_all()
tell_anew("answers", lambda: ask_all(server), "unhealthy")
seen["stopped"] = server.stop(), monitor.stop()
client.close()
late.close()
seen["left"] = opened() - before
warned = sorted(set(warned))
"""


def test_without_descriptors_it_says_so_and_recovers() -> None:
    """While all are used up connections fail with that reason, and who asks is answered, a newcomer in the place of who
    has asked; when there are some again all is well, and none is left open.
    """
    with RogueServer("ok") as target:
        seen = run(DESCRIPTORS + USED_UP, f"URL = {target.url!r}")
    why = f"connect: 127.0.0.1:PORT: {os.strerror(errno.EMFILE)}"
    assert {
        "details": ["", why, why],
        "meanwhile": UNHEALTHY,
        "late": "HTTP/1.1 503",
        "answers": HEALTHY,
        "stopped": [True, True],
        "left": 0,
        "warned": [
            f"check port is down (was up) {why}",
            f"check web is down (was up) {why}",
            f"the health server got connections that cannot be accepted: {os.strerror(errno.EMFILE)}",
        ],
    } == portless(seen)


STARVED = """
from minimon import HealthCheckServer

def starved(left):
    take_all(left)
    before, server = opened(), HealthCheckServer(port=0)
    told = error_of(server.start).partition(":0: ")
    ended = server.stop(), opened() - before
    give_back(len(taken))
    return told[2] or told[0], ended

seen["first"] = starved(0)[0].partition(": '")[0]
seen["started"] = HealthCheckServer(port=0).start().stop()
seen["starts"] = [starved(left) for left in range(6)]
"""


def test_a_server_without_descriptors_does_not_start() -> None:
    """It says why, however many of those that it needs are missing, and closes what it has opened."""
    seen = run(DESCRIPTORS + STARVED)
    starts = [("runs" if told.startswith("<") else told, *ended) for told, ended in seen["starts"]]
    many = os.strerror(errno.EMFILE)
    assert f"OSError: [Errno {errno.EMFILE}] {many}" == seen["first"]  # its module cannot even be read
    assert ([(many, True, 0)] * 4 + [("runs", True, 0)] * 2, []) == (starts, seen["warned"])


THREADS = """
import contextlib, io, resource, tempfile
from minimon.cli import main

class Plain:
    def is_healthy(self):
        return True

    def get_detailed_stats(self):
        return {"overall": "healthy"}

class Route(minimon.HealthCheckHandler):
    def do_GET(self):
        self.send_error(200, "routed")

def command(*words):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        return main(words), errors.getvalue()

def plain_answers():
    return [ask_anew(plain, path) for path in ("/health", "/status", "/route")]

told = []
limits = resource.getrlimit(resource.RLIMIT_NPROC)
with RogueServer("ok") as target, tempfile.TemporaryDirectory() as folder:
    file = os.path.join(folder, "state.json")
    monitor = minimon.Monitor(checks(target.url), on_change=lambda change: told.append(change.name), state_file=file)
    server, another = minimon.HealthCheckServer(port=0).start(monitor), minimon.HealthCheckServer(port=0)
    plain = minimon.HealthCheckServer(port=0, handler=Route).start(Plain())
    resource.setrlimit(resource.RLIMIT_NPROC, (1, limits[1]))

    seen["thread"] = error_of(threading.Thread(target=print).start)
    seen["running"] = monitor.start().running
    seen["answers"] = ask_all(server)
    seen["why"] = error_of(monitor.require, "call"), monitor.state("minimon").explanation
    seen["server"] = error_of(another.start), another.stop()
    seen["plain"] = plain_answers()
    seen["commands"] = command("check", f"tcp://127.0.0.1:{target.port}"), command("wait", target.url)
    seen["stopped"] = monitor.stop()

    resource.setrlimit(resource.RLIMIT_NPROC, limits)
    monitor.start()
    another.start(monitor)
    wait_for_all()
    until(lambda: os.path.exists(file) and {"call", "web", "port"} <= set(told))
    tell_anew("later", lambda: [ask_all(server), ask_all(another), plain_answers()], "unknown")
    seen["ended"] = server.stop(), another.stop(), plain.stop(), monitor.stop()
"""
NO_THREAD = "can't start new thread"
BUSY = "the system gives no thread for it; try again later"


@pytest.fixture(scope="module")
def threadless() -> dict[str, Any]:
    """What a host has seen that could start no thread, and later could again."""
    return run(THREADS, begin=unprivileged())


def test_without_threads_a_monitor_is_unknown_and_says_why(threadless: dict[str, Any]) -> None:
    """start() does not raise; nothing is green; the log has one line, and the monitor's check of itself has it too."""
    remedy = "raise the system's limit, then stop and start it again"
    problem = f"no thread for its scheduler, notifier, store: {NO_THREAD}; {remedy}"
    assert {
        "thread": f"RuntimeError: {NO_THREAD}",
        "running": True,
        "answers": UNKNOWN,
        "why": ["NotReadyError: check 'call' is unknown: it was not looked at yet", problem],
        "stopped": True,
        "warned": [f"monitor minimon: {problem}"],
    } == {
        **{key: threadless[key] for key in ("thread", "running", "answers", "why", "stopped")},
        "warned": [text for text in threadless["warned"] if "monitor" in text],
    }


def test_without_threads_a_server_does_not_start(threadless: dict[str, Any]) -> None:
    """It says why, and what to do."""
    error = f"LifecycleError: the health server got no thread: {NO_THREAD}; raise the system's limit"
    assert [error, True] == threadless["server"]


def test_without_threads_requests_are_answered(threadless: dict[str, Any]) -> None:
    """At once: what takes one is refused; the log has a line of it from each server."""
    lines = [text for text in threadless["warned"] if "health server" in text]
    assert (
        ["503 unknown", '503 {"status": "unknown"}', f'503 {{"error": "{BUSY}"}}'],
        ["the health server got more to do than the system gives threads for"] * 2,
    ) == (threadless["plain"], lines)


def test_without_threads_the_command_line_goes_on(threadless: dict[str, Any]) -> None:
    """A check is polled all the same; a wait ends with one line that says why."""
    error = f"minimon: wait: no thread to wait in: {NO_THREAD}; raise the system's limit\n"
    assert [[0, ""], [1, error]] == threadless["commands"]


def test_when_there_are_threads_again_all_is_well(threadless: dict[str, Any]) -> None:
    """Started again it polls, tells changes and saves; servers that went on answer as ever."""
    assert {
        "later": [HEALTHY, HEALTHY, ["200 healthy", "200 healthy", '200 {"error": "routed"}']],
        "ended": [True] * 4,
    } == {key: threadless[key] for key in ("later", "ended")}
