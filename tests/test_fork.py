"""What a fork must not do: deadlock the child, poll in it, hold the parent's port or clients, or disturb the parent."""

from __future__ import annotations

import os
import sys

import pytest
from support import python

from minimon import fork

pytestmark = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="forks on Linux only")

# What every script begins with. A child that hangs is ended by its alarm, which the parent sees as -14.
BEGIN = """
import json, os, signal, socket, sys, threading, traceback, urllib.request, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads: that is the test
sys.path.insert(0, "tests")
import minimon
from support import our_threads, wait_until

calls = 0

def count():
    global calls
    calls += 1

def in_child(function, hurry=10):
    pid = os.fork()
    if pid:
        return pid
    code = 2
    try:
        signal.alarm(hurry)
        code = 0 if function() else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)

def living_child():
    born, leave = os.pipe(), os.pipe()
    pid = in_child(lambda: os.write(born[1], b"x") and os.read(leave[0], 1))
    os.read(born[0], 1)
    return pid, lambda: os.write(leave[1], b"x")

def ended(*pids):
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

def ask(port, path="/health"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return json.load(answer)

def checks(n=1, every=0.01):
    return [minimon.Check(str(i), count, every=every, initial_delay=0) for i in range(n)]

def threads():
    return len(os.listdir("/proc/self/task"))
"""


# A host that runs no fork hooks, as uWSGI: ours is not registered, the pid check has to do.
NO_HOOKS = """
from minimon import fork
fork._hooked.append(True)
"""


def told(script: str, hooks: bool = True) -> str:
    """What a script printed; it must not write to stderr, nor fail."""
    done = python(BEGIN + ("" if hooks else NO_HOOKS) + script, timeout=60.0)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return done.stdout.strip()


def test_the_child_neither_polls_nor_deadlocks() -> None:
    """50 forks of a host that polls, records, tells, reads and changes its list all the time; each child is usable."""
    script = """
flip = [0]
def flapping():
    flip[0] += 1
    return flip[0] % 3 != 0

monitor = minimon.Monitor(checks(20), on_change=lambda change: None)
for n in range(10):
    monitor.add(minimon.Check(f"flap {n}", flapping, every=0.01, fall=1, rise=1, initial_delay=0))
monitor.start()
busy = True

def host():
    while busy:
        monitor.snapshot()
        monitor.pause("1")
        monitor.resume("1")
        monitor.add(minimon.Check("more", count, every=0.01))
        monitor.remove("more")

threading.Thread(target=host, daemon=True).start()

def child():
    before, seen = calls, monitor.snapshot()
    alone = threads() == 1 and our_threads() == [] and not monitor.running
    names = set(seen["checks"]) - {"more"}
    json.dumps(seen, allow_nan=False)
    monitor.is_healthy(), monitor.state("2"), monitor.get_detailed_stats()
    monitor.pause("2"), monitor.resume("2"), monitor.remove("3"), monitor.add(minimon.Check("new", count))
    figures = seen["self"]
    idle = (figures["workers"], figures["busy"], figures["queue"]) == (0, 0, 0)
    return alone and len(names) == 31 and idle and monitor.stop() and before == calls

assert wait_until(lambda: calls > 100)
print(*ended(*[in_child(child) for _ in range(50)]))
busy = False
"""
    assert ["0"] * 50 == told(script).split()


def test_the_parent_is_unaffected() -> None:
    """It has its threads, polls every check on, and stops as it would."""
    script = """
monitor = minimon.Monitor(checks(5)).start()
assert wait_until(lambda: calls > 20)
before = our_threads()
codes = ended(*[in_child(lambda: monitor.stop()) for _ in range(5)])
counts = {name: sum(monitor.state(name).counts) for name in "01234"}
goes_on = wait_until(lambda: all(sum(monitor.state(name).counts) > n + 3 for name, n in counts.items()))
print(codes, before == our_threads(), goes_on, monitor.overall(), monitor.stop(), our_threads())
"""
    assert "[0, 0, 0, 0, 0] True True healthy True []" == told(script)


def test_the_child_may_start_the_monitor_and_a_server_of_its_own() -> None:
    """The inherited objects can be started there, poll and answer; and the grandchild's as well."""
    script = """
monitor = minimon.Monitor(checks(3), on_change=lambda change: None)
server = minimon.HealthCheckServer(port=0)
monitor.start()
server.start(monitor)
assert wait_until(lambda: calls > 10)

def works():
    before = calls
    with monitor, server.serving(monitor):
        polls = wait_until(lambda: calls > before + 10)
        status = ask(server.port, "/status")
        right = status["service"]["pid"] == os.getpid() and set(status["checks"]) == {"0", "1", "2", "minimon"}
        return polls and right and ask(server.port) == {"status": "healthy"}

def child():
    with monitor:
        assert wait_until(lambda: monitor.overall() == "healthy")
        grandchild = ended(in_child(works))
    return works() and grandchild == [0] and our_threads() == []

print(ended(in_child(child)), ask(server.port), monitor.overall())
"""
    assert "[0] {'status': 'healthy'} healthy" == told(script)


def test_the_child_does_not_hold_the_port() -> None:
    """The parent stops its server while the child lives: the port is free at once, for a new server too."""
    script = """
monitor = minimon.Monitor(checks()).start()
server = minimon.HealthCheckServer(port=0).start(monitor)
pid, leave = living_child()
stopped = server.stop()
try:
    socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    print("still accepted")
except ConnectionRefusedError:
    pass
again = minimon.HealthCheckServer(port=server.port).start(monitor)
print(stopped, ask(again.port) is not None)
leave()
print(ended(pid))
"""
    assert "True True\n[0]" == told(script)


def test_the_child_holds_no_socket_of_the_parent() -> None:
    """Listening, accepted and internal ones are closed in it; the parent's go on."""
    script = """
def sockets():
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass
    return [link for link in links if link.startswith("socket:")]

monitor = minimon.Monitor(checks()).start()
server = minimon.HealthCheckServer(port=0).start(monitor)
before = len(sockets())
print(before > 0, ended(in_child(lambda: sockets() == [])), len(sockets()) == before, "status" in ask(server.port))
"""
    assert "True [0] True True" == told(script)


def test_the_parents_clients_are_not_the_childs() -> None:
    """A connection that the parent closes is closed, though a child of that time lives on."""
    script = """
monitor = minimon.Monitor(checks()).start()
server = minimon.HealthCheckServer(port=0).start(monitor)
client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
client.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
answered = client.recv(4096).startswith(b"HTTP/1.1 ")
pid, leave = living_child()
server.stop()
print(answered, client.recv(4096))
leave()
print(ended(pid))
"""
    assert "True b''\n[0]" == told(script)


def test_a_child_of_a_worker() -> None:
    """A callable that forks while it is polled gets a usable child."""
    script = """
forked = []

def forking():
    if not forked:
        forked.append(in_child(lambda: not monitor.running and monitor.snapshot()["self"]["workers"] == 0))

monitor = minimon.Monitor([minimon.Check("fork", forking, every=0.05, initial_delay=0), *checks(3)])
monitor.start()
assert wait_until(lambda: forked)
print(ended(*forked), wait_until(lambda: sum(monitor.state("fork").counts) > 2), monitor.overall(), monitor.stop())
"""
    assert "[0] True healthy True" == told(script)


def test_a_child_of_a_callback() -> None:
    """on_change may fork as well."""
    script = """
forked = []
monitor = minimon.Monitor(checks(), on_change=lambda change: forked.append(in_child(lambda: monitor.stop())))
monitor.start()
assert wait_until(lambda: forked)
print(ended(*forked), monitor.stop(), our_threads())
"""
    assert "[0] True []" == told(script)


def test_locks_held_at_the_fork_are_not_held_in_the_child() -> None:
    """Whatever another thread was in the midst of."""
    script = """
monitor = minimon.Monitor(checks(), on_change=lambda change: None).start()
server = minimon.HealthCheckServer(port=0).start(monitor)
held, leave = threading.Event(), threading.Event()

def locks(thing, seen=None):
    seen = {id(thing)} if seen is None else seen
    values = thing if isinstance(thing, tuple) else vars(thing).values() if hasattr(thing, "__dict__") else ()
    for value in values:
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (type(threading.Lock()), type(threading.RLock()))):
            yield value
        elif type(value).__module__.startswith("minimon.") and not callable(value):
            yield from locks(value, seen)

def hold():
    found = {id(lock): lock for owner in (monitor, server) for lock in locks(owner)}.values()
    for lock in found:
        lock.acquire()
    print(len(found) >= 5)
    held.set()
    leave.wait(20)
    for lock in found:
        lock.release()

threading.Thread(target=hold, daemon=True).start()
assert held.wait(5)

def child():
    monitor.snapshot()
    monitor.add(minimon.Check("new", count, every=0.01, initial_delay=0))
    with monitor, server.serving(monitor):
        return wait_until(lambda: monitor.state("new").last) and ask(server.port)

pid = in_child(child)
leave.set()
print(ended(pid))
"""
    assert "True\n[0]" == told(script)


def test_a_fork_right_after_the_start_does_not_deadlock_imports() -> None:
    """What a first poll imports on its worker, a child forked in the midst of it can import too, as a preloading host's
    workers do."""
    script = """
del sys.modules["urllib.request"], urllib.request
for name in [name for name in sys.modules if name.split(".")[0] in ("urllib", "http", "ssl", "email", "tempfile")]:
    del sys.modules[name]

def child():
    import http.client, ssl, urllib.request
    return urllib.request.OpenerDirector

monitor = minimon.Monitor([minimon.Check("web", "https://127.0.0.1:1/", initial_delay=0)]).start()
pids, pause = [], threading.Event()
for _ in range(25):
    pids.append(in_child(child, hurry=5))
    pause.wait(0.002)
print(set(ended(*pids)))
"""
    assert "{0}" == told(script)


def test_a_forked_process_of_multiprocessing() -> None:
    """A child of the standard library's own making ends with 0, and the parent goes on."""
    script = """
import multiprocessing
monitor = minimon.Monitor(checks()).start()
assert wait_until(lambda: calls > 3)
process = multiprocessing.get_context("fork").Process(target=lambda: monitor.snapshot() and sys.exit(monitor.running))
process.start()
process.join(10)
before = calls
print(process.exitcode, wait_until(lambda: calls > before + 3))
"""
    assert "0 True" == told(script)


def test_a_monitor_that_never_started_can_be_started_in_the_child() -> None:
    """As hosts do that fork first."""
    script = """
monitor = minimon.Monitor(checks())

def child():
    with monitor:
        return wait_until(lambda: monitor.overall() == "healthy")

print(ended(in_child(child), in_child(child)), calls, monitor.running)
"""
    assert "[0, 0] 0 False" == told(script)


def test_what_was_known_stays_and_goes_stale() -> None:
    """The child shows what the parent knew, and it becomes unknown there, since nobody polls."""
    script = """
monitor = minimon.Monitor([minimon.Check("a", count, every=0.1, timeout=0.1, initial_delay=0)]).start()
assert wait_until(lambda: monitor.overall() == "healthy")

def child():
    known = monitor.snapshot()["checks"]["a"]["counts"]["pass"] >= 1
    return known and wait_until(lambda: monitor.overall() == "unknown")

print(ended(in_child(child)), monitor.overall())
"""
    assert "[0] healthy" == told(script)


def test_without_hooks_the_pid_tells() -> None:
    """The child does not run, its snapshot is its own, and the list can be changed, though locks were held."""
    script = """
monitor = minimon.Monitor(checks(5), on_change=lambda change: None).start()
assert wait_until(lambda: calls > 10)

def child():
    seen = monitor.snapshot()
    monitor.pause("1"), monitor.remove("2")
    own = seen["service"]["pid"] == os.getpid() and seen["self"]["workers"] == 0
    return own and not monitor.running and monitor.stop()

print(*ended(*[in_child(child) for _ in range(20)]), monitor.running)
"""
    assert ["0"] * 20 + ["True"] == told(script, hooks=False).split()


ENTRIES = [
    *("snapshot()", "overall()", "is_healthy()", "state('0')", "running", "add(minimon.Check('new', count))"),
    *("remove('0')", "pause('0')", "resume('0')", "stop()", "get_detailed_stats()", "start()"),
]


def test_without_hooks_every_entry_minds() -> None:
    """Each public entry of a Monitor, as the first thing that a child does, finds no lock held."""
    script = f"""
monitor = minimon.Monitor(checks()).start()
held = threading.Event()

def hold():
    with monitor._engine.lock, monitor._registry._lock:
        held.set()
        threading.Event().wait(20)

threading.Thread(target=hold, daemon=True).start()
assert held.wait(5)
for entry in {ENTRIES}:
    print(entry, ended(in_child(lambda: (eval("monitor." + entry), True)[1])))
"""
    assert [f"{entry} [0]" for entry in ENTRIES] == told(script, hooks=False).splitlines()


SERVER_ENTRIES = ["stop()", "start(monitor)", "serving(monitor).__enter__()", "__exit__(None, None, None)"]


def test_without_hooks_the_childs_server_leaves_the_parents_alone() -> None:
    """Whatever a child does first with the inherited server, the parent's answers on, and can be stopped."""
    script = f"""
monitor = minimon.Monitor(checks()).start()
server = minimon.HealthCheckServer(port=0).start(monitor)
client = socket.create_connection(("127.0.0.1", server.port), timeout=5)

def again():
    client.sendall(b"GET /livez HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    return client.recv(4096)[:8]

for entry in {SERVER_ENTRIES}:
    print(again(), ended(in_child(lambda: (eval("server." + entry), True)[1])), again(), "status" in ask(server.port))
print(server.stop())
"""
    expected = ["b'HTTP/1.1' [0] b'HTTP/1.1' True"] * len(SERVER_ENTRIES) + ["True"]
    assert expected == told(script, hooks=False).splitlines()


def test_nothing_is_registered_at_import() -> None:
    """The hook comes with the first start, and once."""
    script = """
print(minimon.fork._hooked if hasattr(minimon, "fork") else [])
monitor = minimon.Monitor(checks())
from minimon import fork
before = list(fork._hooked)
with monitor:
    pass
with monitor:
    print(before, fork._hooked)
"""
    assert "[]\n[] [True]" == told(script)


def test_an_owner_is_told_once() -> None:
    """A weak set has each owner once, however often it is watched, and forgets it with the host."""

    class Owner:
        told = 0

        def after_fork(self) -> None:
            self.told += 1

    owner = Owner()
    owners: list[fork.Owner] = [owner, owner]
    for each in owners:
        fork._owners.add(each)
    fork._tell_owners()
    assert 1 == owner.told
    fork._owners.discard(owner)


HELD = """
from minimon import fork

class Holder:
    seen = ()

    def before_fork(self):
        self.seen += ("before",)

    def after_fork_in_parent(self):
        self.seen += ("parent",)

    def after_fork(self):
        self.seen += ("child",)

holder = Holder()
fork.hold(holder)
fork.hold(holder)
print(ended(in_child(lambda: holder.seen == ("before", "child"))), holder.seen)
"""


def test_a_holder_is_told_before_a_fork() -> None:
    """And afterwards, in the parent and in the child."""
    assert "[0] ('before', 'parent')" == told(HELD)
