"""Supervisor with real processes: its life, their order, restarts, readiness, liveness, and the end of its host."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from supervised import (
    PATIENCE,
    PYTHON,
    SLACK,
    SLEEP,
    STUBBORN,
    children,
    host,
    is_alive,
    nothing_left,
    program,
    running,
    session,
    stubborn,
    what_is_there,
)
from support import descriptors, few, our_threads, python, wait_until

from minimon import (
    Check,
    Monitor,
    Program,
    Supervisor,
    UnknownCheckError,
    Verifier,
    WaitTimeout,
)
from minimon.processes.entry import Change
from minimon.processes.lifecycle import State
from minimon.processes.order import TO
from minimon.processes.verifiers import ExitedVerifier

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at processes in /proc")

QUICK = {"condition": "on-failure", "delay": 0.05}
NEVER = {"file": "/nowhere/at/all", "interval": 0.02}


def states(supervisor: Supervisor) -> dict[str, str]:
    """The state of each process."""
    return {each.name: str(each.state) for each in supervisor.processes}


def turns(supervisor: Supervisor, *names: str) -> list[str]:
    """What has become of processes, in order."""
    events = supervisor.snapshot()["events"]
    return [f"{each['process']} {each['after']}" for each in events if each["process"] in names or not names]


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes, whatever it raises."""
    begun = time.monotonic()
    with contextlib.suppress(Exception):
        call()
    return time.monotonic() - begun


def error_of(call: Callable[[], object]) -> str:
    """What a call raises."""
    with pytest.raises(Exception) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


# --- life


def test_start_never_waits() -> None:
    """Though nothing gets ready."""
    supervisor = Supervisor([program("a", ready=NEVER)])
    took = seconds(supervisor.start)
    supervisor.stop()
    assert took < SLACK


def test_programs_that_say_nothing_are_running_and_others_ready() -> None:
    """As soon as wait_ready() returns."""
    with running(program("a"), program("b", ready=lambda: True)) as supervisor:
        assert {"a": "running", "b": "ready"} == states(supervisor.wait_ready(5.0))


def test_wait_ready_returns_the_supervisor() -> None:
    """As start() does."""
    with running(program("a")) as supervisor:
        assert supervisor is supervisor.wait_ready(5.0)


def test_with_starts_and_stops() -> None:
    """The process lives within the block, and not after it."""
    with Supervisor([program("a")]) as supervisor:
        supervisor.wait_ready(5.0)
        pid = supervisor.process("a").pid()
        within = is_alive(pid)
    assert (True, False) == (within, is_alive(pid))


def test_with_takes_one_that_runs() -> None:
    """It is not started twice."""
    with Supervisor([program("a")]).start() as supervisor:
        supervisor.wait_ready(5.0)
        assert 0 == supervisor.process("a").restarts


def test_a_second_start_is_refused() -> None:
    """It says what to do."""
    with running() as supervisor:
        assert "LifecycleError: the supervisor runs already; stop() it first" == error_of(supervisor.start)


def test_without_programs_it_is_healthy_and_stops() -> None:
    """There is nothing to wait for."""
    with running() as supervisor:
        assert (True, True) == (supervisor.wait_ready(1.0).is_healthy(), supervisor.stop())


def test_stop_is_safe_before_the_start_and_idempotent() -> None:
    """True: nothing is left."""
    supervisor = Supervisor([program("a")])
    before = supervisor.stop()
    supervisor.start()
    assert [True] * 3 == [before, supervisor.stop(), supervisor.stop()]


def test_it_can_be_started_again() -> None:
    """A new process; nothing of the first life counts."""
    supervisor = Supervisor([program("a")])
    pids = []
    for _ in range(2):
        with supervisor:
            pids.append(supervisor.wait_ready(5.0).process("a").pid())
    assert (2, 0) == (len(set(pids)), supervisor.process("a").restarts)


def test_its_status_says_what_it_is_at() -> None:
    """From booting to shutdown."""
    gate = threading.Event()
    supervisor = Supervisor([program("a", ready={"all": [gate.is_set], "interval": 0.02})])
    seen = [supervisor.status]
    supervisor.start()
    seen.append(supervisor.status)
    gate.set()
    supervisor.wait_ready(5.0)
    wait_until(lambda: supervisor.status == "running")
    seen.append(supervisor.status)
    supervisor.stop()
    assert ["booting", "launching processes", "running", "shutdown"] == [*seen, supervisor.status]


def test_kill_forces_a_stop_that_waits() -> None:
    """Patient programs end at once, and the status says so."""
    supervisor = Supervisor([stubborn("a", stop={"timeout": 60})], grace=60.0).start()
    supervisor.wait_ready(5.0)
    supervisor.shut_down()
    wait_until(lambda: supervisor.process("a").state is State.STOPPING)
    supervisor.kill()
    forced = supervisor.status
    took = seconds(supervisor.stop)
    assert ("force shutdown", True) == (forced, took < SLACK)


def test_shut_down_never_waits() -> None:
    """stop() comes to its end then."""
    with running(stubborn("a")) as supervisor:
        supervisor.wait_ready(5.0)
        took = seconds(supervisor.shut_down)
        assert (True, "shutdown", True) == (took < 0.2, supervisor.status, supervisor.stop())


def test_its_repr_says_how_many_there_are() -> None:
    """And the status."""
    assert "<Supervisor booting, 2 programs>" == repr(Supervisor([program("a"), program("b")]))


def test_disabled_it_does_nothing() -> None:
    """MINIMON_DISABLED=1."""
    script = "os.environ['MINIMON_DISABLED'] = '1'\ns = Supervisor([program('a')]).start()\ntell(s.running, s.stop())"
    with host(script) as one:
        assert (0, "False True", "") == one.rest()


def test_any_thread_may_start_and_stop_it() -> None:
    """Each of them another one, none of them the main one."""
    supervisor = Supervisor([program("a")])
    told: list[Any] = []
    for call in (supervisor.start, supervisor.wait_ready, supervisor.stop):
        thread = threading.Thread(target=lambda call=call: told.append(call()))
        thread.start()
        thread.join(10.0)
    assert [supervisor, supervisor, True] == told


def test_the_signals_of_the_host_stay_its_own() -> None:
    """No handler is installed, none is taken away."""
    numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)
    before = [signal.getsignal(number) for number in numbers], signal.set_wakeup_fd(-1)
    with running(program("a", "exit 0")) as supervisor:
        supervisor.wait_ready(5.0)
        within = [signal.getsignal(number) for number in numbers], signal.set_wakeup_fd(-1)
    assert before == within


def test_children_of_the_host_stay_its_own() -> None:
    """Their codes are for the host, whatever else ends meanwhile."""
    with running(*(program(str(number), "exit 0") for number in range(5))) as supervisor:
        popen = subprocess.Popen(["sh", "-c", "exit 7"])
        supervisor.wait_ready(5.0)
        assert 7 == popen.wait(5.0)


def test_several_in_one_host_do_not_mind_each_other() -> None:
    """One stops, the processes of the other go on."""
    with running(program("a")) as one:
        other = Supervisor([program("a")]).start()
        one.wait_ready(5.0)
        other.wait_ready(5.0)
        other.stop()
        assert ("running", True) == (str(one.process("a").state), is_alive(one.process("a").pid()))


def test_its_threads_are_few() -> None:
    """However many programs there are: it waits for all of them with one."""
    with running(*(program(str(number)) for number in range(10))) as supervisor:
        supervisor.wait_ready(5.0)
        assert ["minimon-output", "minimon-supervisor"] == our_threads()


def test_stop_from_on_change_does_not_wait_for_itself() -> None:
    """It comes to its end all the same."""
    told: list[bool] = []

    def on_change(change: Change) -> None:
        if change.after is State.RUNNING:
            told.append(supervisor.stop())

    supervisor = Supervisor([program("a")], on_change=on_change).start()
    assert (True, [True]) == (wait_until(lambda: told), told)


def test_stop_from_a_condition_does_not_wait_for_itself() -> None:
    """Nor for the condition."""
    told: list[bool] = []

    def ready() -> bool:
        told.append(supervisor.stop())
        return True

    supervisor = Supervisor([program("a", ready=ready)])
    supervisor.start()
    assert (True, [True]) == (wait_until(lambda: told), told)


# --- what is known


def test_a_process_is_found_by_name_and_id() -> None:
    """The id as a text too."""
    supervisor = Supervisor([program("a"), program("b")])
    assert ["b"] * 3 == [supervisor.process(which).name for which in ("b", 2, "2")]


def test_a_name_goes_before_an_id() -> None:
    """A program may be called 2."""
    supervisor = Supervisor([program("2"), program("b")])
    assert [1, 2] == [supervisor.process(which).id for which in ("2", 2)]


def test_an_unknown_process_is_named_with_a_hint() -> None:
    """The nearest name."""
    with pytest.raises(UnknownCheckError) as caught:
        Supervisor([program("web")]).process("wbe")
    assert "no process 'wbe'; did you mean 'web'?" == str(caught.value)


def test_healthy_is_when_all_is_as_it_should_be() -> None:
    """Not before the start, nor with one that has failed."""
    supervisor = Supervisor([program("a"), program("b", "exit 0")])
    seen = [supervisor.overall()]
    with supervisor:
        supervisor.wait_ready(5.0)
        seen.append(supervisor.overall())
        supervisor.process("a").kill()
        wait_until(lambda: supervisor.process("a").state is State.EXITED)
        seen.append(supervisor.overall())
    assert ["unknown", "healthy", "unhealthy", "unknown"] == [*seen, supervisor.overall()]


def test_one_that_was_stopped_on_purpose_is_no_fault() -> None:
    """Nobody wants it."""
    with running(program("a"), program("b")) as supervisor:
        supervisor.wait_ready(5.0).process("a").stop()
        assert (True, "stopped") == (supervisor.is_healthy(), str(supervisor.process("a").state))


def test_readiness_names_those_that_are_not_ready() -> None:
    """With their states."""
    with running(program("a"), program("b", ready=NEVER)) as supervisor:
        wait_until(lambda: states(supervisor) == {"a": "running", "b": "starting"})
        assert {"ready": False, "status": "starting", "blockers": {"b": "starting"}} == supervisor.readiness()


def test_a_snapshot_is_plain_data() -> None:
    """JSON gives the same back."""
    with running(program("a"), program("b", "echo hello; exit 3"), program("c", ready=NEVER)) as supervisor:
        wait_until(lambda: supervisor.process("b").state is State.EXITED)
        found = supervisor.snapshot()
        assert found == json.loads(json.dumps(found))


def test_a_snapshot_has_each_process() -> None:
    """Pid, state, code and its last lines."""
    with running(program("a"), program("b", "echo hello; exit 3")) as supervisor:
        wait_until(lambda: supervisor.process("b").state is State.EXITED and states(supervisor)["a"] == "running")
        found = supervisor.snapshot()
        keys = ("id", "pid", "state", "code", "why", "well", "log", "restarts")
        assert {
            "a": [1, supervisor.process("a").pid(), "running", None, "", True, [], 0],
            "b": [2, None, "exited", 3, "it ended with code 3", False, ["hello"], 0],
        } == {name: [view[key] for key in keys] for name, view in found["processes"].items()}


def test_a_snapshot_counts_states_and_names_the_guard() -> None:
    """And says what is lacking: nothing."""
    with running(program("a"), program("b", "exit 0"), guard=True) as supervisor:
        supervisor.wait_ready(5.0)
        wait_until(lambda: supervisor.process("b").state is State.EXITED)
        found = supervisor.snapshot()
        counts = {state: count for state, count in found["counts"].items() if count}
        assert ({"running": 1, "exited": 1}, True, []) == (counts, is_alive(found["guard_pid"]), found["lacking"])


def test_without_a_guard_there_is_none() -> None:
    """guard=False."""
    before = children()
    with running(program("a"), guard=False) as supervisor:
        supervisor.wait_ready(5.0)
        assert (None, {supervisor.process("a").pid()}) == (supervisor.snapshot()["guard_pid"], children() - before)


def test_a_process_tells_of_itself() -> None:
    """Running, then terminated, with its code."""
    with running(program("a", "exec sleep 60", stdin=True)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        data = {"id": 1, "command": "sh -c exec sleep 60"}
        before = one.get_data(), one.status_string(), one.poll(), one.code(blocking=False), one.code(timeout=0.01)
        expected = {**data, "status": "running", "pid": one.pid()}, "running", None, None, None
        one.kill()
        after = one.wait(5.0), one.get_data(), one.status_string(), one.pid()
        assert (expected, (-9, {**data, "status": "terminated", "code": -9}, "terminated", None)) == (before, after)


def test_waiting_for_a_process_has_its_limit() -> None:
    """subprocess.TimeoutExpired, as Popen raises it."""
    with running(program("a")) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            one.wait(0.05)
        assert 0.05 == caught.value.timeout


def test_what_is_written_to_a_process_is_read_by_it() -> None:
    """Its standard input, if its program has one."""
    with running(program("a", "read line; echo got $line; exec sleep 60", stdin=True)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        one.write("hello\n")
        assert (True, ["got hello"]) == (wait_until(one.log), one.log())


def test_a_process_without_standard_input_takes_nothing() -> None:
    """It says how to give it one."""
    with running(program("a")) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        told = "LifecycleError: process 'a' has no standard input; make its program with stdin=True"
        assert told == error_of(lambda: one.write("x"))


def test_a_signal_goes_to_the_process_alone() -> None:
    """What it has started does not hear it."""
    script = "trap 'echo usr1' USR1; sh -c \"trap 'echo child' USR1; echo ready; while :; do sleep 0.05; done\" & "
    with running(program("a", script + "while :; do wait; done", ready={"log": "ready"})) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        one.signal(signal.SIGUSR1)
        wait_until(lambda: "usr1" in one.log())
        assert ["ready", "usr1"] == one.log()


def test_no_signal_goes_to_one_that_does_not_run() -> None:
    """Nor is there anything to write to."""
    with running(program("a", "exit 0")) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: one.state is State.EXITED)
        one.terminate()
        told = "LifecycleError: process 'a' does not run"
        assert [told] * 2 == [error_of(lambda: one.signal(15)), error_of(lambda: one.write("x"))]


# --- order


def test_one_that_needs_another_ready_waits_for_it() -> None:
    """And says so."""
    gate = threading.Event()
    one = program("db", ready={"all": [gate.is_set], "interval": 0.02})
    with running(program("web", depends_on=["db"]), one) as supervisor:
        wait_until(lambda: supervisor.process("db").state is State.STARTING)
        waits = supervisor.process("web").why
        gate.set()
        supervisor.wait_ready(5.0)
        order = ["db starting", "db ready", "web starting", "web running"]
        assert ("waits for db to be ready", order) == (waits, turns(supervisor))


def test_one_that_needs_another_started_does_not_wait_until_it_is_ready() -> None:
    """started."""
    with running(program("db", ready=NEVER), program("web", depends_on={"db": "started"})) as supervisor:
        assert wait_until(lambda: states(supervisor) == {"db": "starting", "web": "running"})


def test_one_that_needs_another_completed_waits_for_its_end() -> None:
    """completed: with code 0."""
    with running(program("db", "exit 0"), program("web", depends_on={"db": "completed"})) as supervisor:
        supervisor.wait_ready(5.0)
        assert ["db starting", "db running", "db exited", "web starting", "web running"] == turns(supervisor)


def test_one_that_needs_another_completed_does_not_run_after_its_failure() -> None:
    """It waits, and says for what; wait_ready() does not."""
    with running(program("db", "exit 1"), program("web", depends_on={"db": "completed"})) as supervisor:
        told = error_of(lambda: supervisor.wait_ready(5.0))
        assert (
            "NotReadyError: process 'db' has ended: it ended with code 1",
            "stopped",
            "waits for db to complete",
        ) == (
            told,
            str(supervisor.process("web").state),
            supervisor.process("web").why,
        )


WHY = "it needs db to be ready, and that has failed: it cannot be launched: /nowhere: no such file"


def test_one_whose_need_has_failed_says_so() -> None:
    """It is not launched."""
    with running(Program("db", ["/nowhere"]), program("web", depends_on=["db"])) as supervisor:
        web = supervisor.process("web")
        assert wait_until(lambda: web.why == WHY), web.why


def test_those_that_do_not_depend_come_up_in_parallel(tmp_path: pathlib.Path) -> None:
    """Each is ready once the other one has begun."""
    a, b = tmp_path / "a", tmp_path / "b"
    one = program("a", f"touch {a}; {SLEEP}", ready={"file": str(b), "interval": 0.02, "timeout": 5})
    other = program("b", f"touch {b}; {SLEEP}", ready={"file": str(a), "interval": 0.02, "timeout": 5})
    with running(one, other) as supervisor:
        assert {"a": "ready", "b": "ready"} == states(supervisor.wait_ready(5.0))


def test_a_diamond_comes_up_and_down_in_order() -> None:
    """The one below first and last, those between beside each other."""
    programs = [
        program("top", depends_on=["left", "right"]),
        program("left", depends_on=["base"]),
        program("right", depends_on=["base"]),
        program("base"),
    ]
    with running(*programs) as supervisor:
        supervisor.wait_ready(5.0)
        supervisor.stop()
        up = [turn.split()[0] for turn in turns(supervisor) if turn.endswith("starting")]
        down = [turn.split()[0] for turn in turns(supervisor) if turn.endswith("stopped")]
        assert [["base", "left", "right", "top"], ["top", "left", "right", "base"]] == [
            [up[0], *sorted(up[1:3]), up[3]],
            [down[0], *sorted(down[1:3]), down[3]],
        ]


def test_one_is_ended_when_nothing_is_left_of_those_that_need_it() -> None:
    """Not when they were told to end."""
    programs = [program("db"), program("web", "trap 'sleep 0.2; exit 0' TERM; sleep 60 & wait", depends_on=["db"])]
    with running(*programs, grace=10.0) as supervisor:
        supervisor.wait_ready(5.0)
        supervisor.stop()
        assert ["web stopping", "web stopped", "db stopping", "db stopped"] == turns(supervisor)[4:]


def test_those_that_do_not_depend_are_ended_in_parallel() -> None:
    """Ten times 0.1 s are 0.1 s."""
    with running(*(stubborn(str(number)) for number in range(10)), grace=10.0) as supervisor:
        supervisor.wait_ready(5.0)
        took = seconds(supervisor.stop)
        assert PATIENCE <= took < PATIENCE + SLACK


def test_all_end_within_the_one_deadline() -> None:
    """However long the chain is, and however much time each of them may take: KILL then."""
    names = [str(number) for number in range(5)]
    chain = [stubborn(name, stop={"timeout": 60}, depends_on=names[:number][-1:]) for number, name in enumerate(names)]
    with running(*chain) as supervisor:
        supervisor.wait_ready(5.0)
        begun = time.monotonic()
        ended = supervisor.stop(0.5)
        assert (True, True) == (ended, time.monotonic() - begun < 0.5 + SLACK)


@pytest.mark.slow
def test_what_a_leader_leaves_while_all_is_stopped_ends_within_the_deadline() -> None:
    """Though it died by itself, its own time is long, and what it has left ignores TERM."""
    below = stubborn("db", f"({STUBBORN}) & {SLEEP}", stop={"timeout": 60})
    above = stubborn("web", stop={"timeout": 60}, depends_on=["db"])
    with running(below, above) as supervisor:
        supervisor.wait_ready(5.0)
        db, told = supervisor.process("db"), []
        wait_until(lambda: len(session(db.pid())) > 2)
        leader, begun = db.pid(), time.monotonic()
        stopping = threading.Thread(target=lambda: told.append(supervisor.stop(1.0)))
        stopping.start()
        wait_until(lambda: supervisor.process("web").state is State.STOPPING)
        os.kill(leader or 0, signal.SIGKILL)
        stopping.join(10.0)
        assert ([True], True, set()) == (told, time.monotonic() - begun < 1.0 + SLACK, session(leader))


def test_stopping_twice_sends_one_signal() -> None:
    """Many programs take a second TERM for more than was meant."""
    script = (
        "exec 2>/dev/null; n=0; trap 'n=$((n+1)); echo TERM $n' TERM; echo up; while [ $n -lt 3 ]; do sleep 0.02; done"
    )
    with running(program("a", script, ready={"log": "up"})) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        supervisor.shut_down()
        wait_until(lambda: "TERM 1" in one.log())
        supervisor.stop()
        assert ["up", "TERM 1"] == one.log()


def test_one_that_waits_is_not_launched_by_the_stop() -> None:
    """Nor is one whose need ends meanwhile."""
    with running(program("db", ready=NEVER), program("web", depends_on={"db": "completed"})) as supervisor:
        wait_until(lambda: supervisor.process("db").state is State.STARTING)
        supervisor.stop()
        assert (["db starting", "db stopping", "db stopped"], "stopped") == (
            turns(supervisor),
            str(supervisor.process("web").state),
        )


# --- ending


def test_the_signal_goes_to_the_whole_group(tmp_path: pathlib.Path) -> None:
    """A child of the program's hears it as well."""
    heard = tmp_path / "heard"
    child = f"sh -c \"trap 'touch {heard}; exit 0' TERM; echo up; while :; do sleep 0.02; done\""
    with running(program("a", f"{child} & wait", ready={"log": "up"}, stop={"timeout": 5})) as supervisor:
        supervisor.wait_ready(5.0)
        assert (True, True) == (supervisor.stop(), heard.exists())


def test_the_signal_is_the_one_that_was_asked_for() -> None:
    """INT, say."""
    script = "exec 2>/dev/null; trap 'echo INT; exit 0' INT; echo up; while :; do sleep 0.02; done"
    stop = {"signal": "INT", "timeout": 5}
    with running(program("a", script, ready={"log": "up"}, stop=stop)) as supervisor:
        supervisor.wait_ready(5.0).stop()
        assert ["up", "INT"] == supervisor.process("a").log()


SESSIONS = {
    "ignores TERM": STUBBORN,
    "forks": f"({STUBBORN}) & {STUBBORN}",
    "leader leaves cleanly": f"({STUBBORN}) & {SLEEP}",
    "double fork": f"(({STUBBORN}) & ); {SLEEP}",
    "group of its own": f"set -m; ({STUBBORN}) & {SLEEP}",
    "nothing in the leader's group": f"set -m; ({STUBBORN}) & wait",
}


def test_nothing_of_a_session_is_left() -> None:
    """KILL after its time."""
    with running(*(stubborn(kind, script) for kind, script in SESSIONS.items())) as supervisor:
        leaders = {each.name: each.pid() for each in supervisor.wait_ready(5.0).processes}
        begun = time.monotonic()
        ended = supervisor.stop()
        took = time.monotonic() - begun
        assert (True, True, {kind: set() for kind in SESSIONS}) == (
            ended,
            took < PATIENCE + SLACK,
            {name: session(leader) for name, leader in leaders.items()},
        )


def test_what_a_program_has_left_ends_without_a_stop() -> None:
    """The last sweep: TERM, then KILL after its time, though the leader left cleanly."""
    script = f"echo $$; ({STUBBORN}) & exit 0"
    with running(program("a", script, ready={"exit": 0})) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        wait_until(one.log)
        assert wait_until(lambda: not session(int(one.log()[0])), PATIENCE + SLACK)


@pytest.mark.slow
def test_a_program_is_not_launched_again_before_all_of_it_has_ended() -> None:
    """What is left may hold its port."""
    script = f"({STUBBORN}) & sleep 0.1; exit 1"
    again = {"condition": "always", "delay": 0.01}
    with running(program("a", script, restart=again)) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: one.pid() is not None)
        first = one.pid()
        wait_until(lambda: one.restarts == 1)
        assert set() == session(first)


# --- restarts


def test_no_restart_is_no_restart() -> None:
    """Whatever the code is."""
    with running(program("a", "exit 0"), program("b", "exit 3")) as supervisor:
        wait_until(lambda: set(states(supervisor).values()) == {"exited"})
        assert [(0, 0, ""), (3, 0, "it ended with code 3")] == [
            (each.poll(), each.restarts, each.why) for each in supervisor.processes
        ]


@pytest.mark.parametrize(
    ("condition", "code", "again"),
    [("on-failure", 3, True), ("on-failure", 0, False), ("always", 3, True), ("always", 0, True)],
)
def test_one_is_launched_again_if_its_condition_says_so(condition: str, code: int, again: bool) -> None:
    """By its code."""
    restart = {"condition": condition, "delay": 0.05}
    with running(program("a", f"exit {code}", restart=restart)) as supervisor:
        one = supervisor.process("a")
        seen = wait_until(lambda: one.restarts >= 1 or one.state is State.EXITED)
        assert (True, again) == (seen, one.restarts >= 1)


def test_one_that_was_killed_is_launched_again() -> None:
    """It is ready once more, with another pid."""
    with running(program("a", restart=QUICK, ready=lambda: True)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        first = one.pid()
        one.kill()
        wait_until(lambda: one.restarts == 1 and one.state is State.READY)
        assert (True, -9) == (one.pid() != first, one.life.code)


def test_in_backoff_it_is_told_when_it_goes_on() -> None:
    """And what was wrong."""
    with running(program("a", "exit 3", restart={"condition": "always", "delay": 30})) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.BACKOFF)
        view = supervisor.snapshot()["processes"]["a"]
        assert ("backoff", "it ended with code 3", True) == (view["state"], view["why"], 20 < view["next_in_s"] <= 33)


def test_one_that_ends_too_often_is_given_up() -> None:
    """failed, and wait_ready() says so with its last line."""
    restart = {"condition": "on-failure", "delay": 0.01, "max_attempts": 3}
    with running(program("a", "echo run; exit 3", restart=restart)) as supervisor:
        told = error_of(lambda: (wait_until(lambda: states(supervisor)["a"] == "failed"), supervisor.wait_ready(5.0)))
        why = "given up after 3 ends within 60 s: it ended with code 3"
        assert f"NotReadyError: process 'a' has failed: {why}\n    run\n    run\n    run" == told


def test_a_stop_ends_a_backoff() -> None:
    """Nothing is launched any more."""
    with running(program("a", "exit 3", restart={"condition": "always", "delay": 30})) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.BACKOFF)
        took = seconds(supervisor.stop)
        assert (True, "stopped") == (took < SLACK, states(supervisor)["a"])


@pytest.mark.parametrize("which", ["b", 2])
def test_restart_launches_one_again_and_no_other(which: Any) -> None:
    """By name or id; it is ready when that returns."""
    with running(program("a"), program("b", ready=lambda: True, depends_on=["a"])) as supervisor:
        before = [each.pid() for each in supervisor.wait_ready(5.0).processes]
        one = supervisor.restart(which, timeout=5.0)
        after = [each.pid() for each in supervisor.processes]
        assert ("b", "ready", True, 1, [before[0]], True) == (
            one.name,
            str(one.state),
            before[1] != after[1],
            one.restarts,
            after[:1],
            is_alive(after[1]),
        )


def test_restart_gives_the_process_its_time_to_end() -> None:
    """Its signal, KILL after its time."""
    with running(stubborn("a")) as supervisor:
        supervisor.wait_ready(5.0)
        took = seconds(lambda: supervisor.restart("a", timeout=5.0))
        assert PATIENCE <= took < PATIENCE + SLACK


def test_restart_of_one_that_does_not_get_ready_says_why(tmp_path: pathlib.Path) -> None:
    """NotReadyError, at once, with its last lines."""
    flag = tmp_path / "flag"
    script = f"test -e {flag} && {{ echo broken; exit 4; }}; touch {flag}; echo up; {SLEEP}"
    with running(program("a", script, ready={"log": "up"})) as supervisor:
        supervisor.wait_ready(5.0)
        told = error_of(lambda: supervisor.restart("a", timeout=5.0))
        why = "it ended with code 4 before it was ready\n    up\n    broken"
        assert f"NotReadyError: process 'a' has failed: {why}" == told


def test_restart_has_its_limit() -> None:
    """WaitTimeout; it goes on."""
    with running(program("a", ready=NEVER)) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.STARTING)
        with pytest.raises(WaitTimeout) as caught:
            supervisor.restart("a", timeout=0.1)
        assert ("process 'a' was not ready after 0.1 s", True) == (str(caught.value), supervisor.running)


def test_restart_launches_one_that_has_failed(tmp_path: pathlib.Path) -> None:
    """What had failed is forgotten."""
    flag = tmp_path / "flag"
    with running(program("a", f"test -e {flag} || exit 3; {SLEEP}", ready={"file": str(flag)})) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.FAILED)
        flag.touch()
        one = supervisor.restart("a", timeout=5.0)
        assert ("ready", "", True) == (str(one.state), one.why, supervisor.is_healthy())


def test_restart_before_the_start_is_refused() -> None:
    """It says what to do."""
    supervisor = Supervisor([program("a")])
    told = "LifecycleError: the supervisor does not run; start() it first"
    assert [told] * 2 == [error_of(lambda: supervisor.restart("a")), error_of(lambda: supervisor.wait_ready(1))]


def test_a_process_can_be_stopped_and_started() -> None:
    """It alone; start() never waits."""
    with running(program("a"), program("b")) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        first = one.pid()
        stopped = one.stop(), str(one.state), is_alive(first)
        one.start()
        assert ((True, "stopped", False), True, True) == (
            stopped,
            wait_until(lambda: one.state is State.RUNNING),
            one.pid() != first,
        )


def test_stopping_a_stopped_process_is_done_at_once() -> None:
    """True."""
    with running(program("a")) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        assert (True, True) == (one.stop(), one.stop())


def test_starting_a_process_that_runs_changes_nothing() -> None:
    """It keeps its pid."""
    with running(program("a")) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        before = one.pid()
        ticket = supervisor.ask_launch(one)
        assert (True, True, before) == (ticket.done.wait(5.0), ticket.result, one.pid())


def test_a_process_that_is_started_waits_for_what_it_needs() -> None:
    """Which was stopped meanwhile."""
    with running(program("db"), program("web", depends_on=["db"])) as supervisor:
        db, web = supervisor.wait_ready(5.0).processes
        web.stop()
        db.stop()
        web.start()
        waits = wait_until(lambda: web.why == "waits for db to be ready")
        db.start()
        assert (True, True) == (waits, wait_until(lambda: states(supervisor) == {"db": "running", "web": "running"}))


def test_a_process_that_was_stopped_on_purpose_is_not_launched_again() -> None:
    """Though its `restart` says always."""
    with running(program("a", restart={"condition": "always", "delay": 0.01})) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        one.stop()
        assert (False, "stopped", 0) == (wait_until(lambda: one.pid() is not None, 0.2), str(one.state), one.restarts)


# --- readiness


class Says(Verifier):
    """Says what it was told to say."""

    def __init__(self, word: bool) -> None:
        self.word = word

    def run(self, process: Any) -> bool:
        """After a look at the process."""
        return self.word and process.poll() is None


LISTEN = "import socket, sys; one = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('up', flush=True)\n"
ACCEPT = LISTEN + "while True: one.accept()[0].close()"
ANSWER = (
    LISTEN
    + "while True:\n c = one.accept()[0]; c.recv(999)"
    + "; c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok'); c.close()"
)


def listener(name: str, code: str, **options: Any) -> Program:
    """One that listens on {port:NAME}."""
    return Program(name, [*PYTHON, code, f"{{port:{name}}}"], output="discard", stop={"timeout": PATIENCE}, **options)


GATES = [
    listener("http", ANSWER, ready={"http": "http://127.0.0.1:{port:http}/", "interval": 0.05}),
    listener(
        "expect",
        ANSWER,
        ready={"http": "http://127.0.0.1:{port:expect}/", "interval": 0.05, "expect": {"contains": "ok"}},
    ),
    listener("tcp", ACCEPT, ready={"tcp": "127.0.0.1:{port:tcp}", "interval": 0.05}),
    program("log", f"echo is up; {SLEEP}", ready={"log": "^is up$"}),
    program("log on stderr", f"echo is up >&2; {SLEEP}", ready={"log": "^is up$"}),
    program("exec", ready={"exec": ["true"]}),
    program("file", cwd="/", ready={"file": "proc"}),
    program("callable", ready=lambda: True),
    program("callable without an answer", ready=lambda: None),
    program("all", f"echo is up; {SLEEP}", ready={"all": [{"log": "up"}, {"exec": ["true"]}, lambda: True]}),
    program("any", ready={"any": [{"log": "never"}, {"exec": ["false"]}, {"file": "/proc"}]}),
    program("verifier", ready=Says(True)),
]


def test_programs_are_ready_when_their_conditions_hold() -> None:
    """Each kind of condition."""
    with running(*GATES) as supervisor:
        assert {one.name: "ready" for one in GATES} == states(supervisor.wait_ready(10.0))


def test_one_that_has_to_exit_is_ready_when_it_has() -> None:
    """With the code that was asked for, whatever that is; it is exited then, and all is well."""
    with running(program("a", "exit 3", ready={"exit": 3})) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        assert ("exited", 3, "", True) == (str(one.state), one.poll(), one.why, supervisor.is_healthy())


def test_one_that_exits_with_another_code_has_failed() -> None:
    """It says so."""
    with running(program("a", "exit 2", ready={"exit": 3})) as supervisor:
        told = error_of(lambda: supervisor.wait_ready(5.0))
        assert "NotReadyError: process 'a' has failed: it ended with code 2 before it was ready" == told


UNMET = {
    "http": ({"http": "http://127.0.0.1:1/"}, "Connection refused"),
    "tcp": ({"tcp": "127.0.0.1:1"}, "Connection refused"),
    "log": ({"log": "never"}, "no line fits 'never'"),
    "exec": ({"exec": ["sh", "-c", "echo not yet; exit 5"]}, "sh ended with code 5: not yet"),
    "exit": ({"exit": 0}, "it has not ended"),
    "file": ({"file": "/nowhere"}, "there is no /nowhere"),
    "all": ({"all": [lambda: True, {"file": "/nowhere"}]}, "there is no /nowhere"),
    "any": ({"any": [{"exit": 0}, {"file": "/nowhere"}]}, "it has not ended; there is no /nowhere"),
}


def test_those_that_are_not_ready_in_time_are_ended_and_say_why() -> None:
    """failed, with what did not hold."""
    times = {"timeout": 0.3, "interval": 0.05}
    programs = [program(kind, ready={**spec, **times}) for kind, (spec, _) in UNMET.items()]
    with running(*programs) as supervisor:
        wait_until(lambda: set(states(supervisor).values()) == {"failed"})
        told = {
            one.name: (str(one.state), one.why.partition(": ")[0], one.why[-len(UNMET[one.name][1]) :], one.pid())
            for one in supervisor.processes
        }
        late = "it was not ready within 0.3 s"
        assert {kind: ("failed", late, why, None) for kind, (_, why) in UNMET.items()} == told


def test_a_condition_is_given_up_at_once_when_the_process_dies() -> None:
    """Each kind of condition, long before its time is over."""
    leave = threading.Event()

    class Hangs(Verifier):
        """Until the test is over."""

        def run(self, process: Any) -> bool:
            """Wait."""
            return leave.wait(20.0)

    conditions = {kind: {**spec, "timeout": 60} for kind, (spec, _) in UNMET.items()}
    conditions = {**conditions, "callable": lambda: leave.wait(20.0), "verifier": Hangs()}
    programs = [program(kind, "sleep 0.1; exit 4", ready=ready) for kind, ready in conditions.items()]
    with running(*programs) as supervisor:
        failed = wait_until(lambda: set(states(supervisor).values()) == {"failed"}, 0.1 + SLACK)
        leave.set()
        assert (True, {"it ended with code 4 before it was ready"}) == (
            failed,
            {one.why for one in supervisor.processes},
        )


def test_waiting_ends_at_once_when_the_process_dies() -> None:
    """With its code, and its last lines."""
    ready = {"tcp": "127.0.0.1:1", "timeout": 60}
    with running(program("a", "sleep 0.1; echo it is broken; exit 4", ready=ready)) as supervisor:
        begun = time.monotonic()
        told = error_of(lambda: supervisor.wait_ready(60.0))
        took = time.monotonic() - begun
        why = "it ended with code 4 before it was ready\n    it is broken"
        assert (f"NotReadyError: process 'a' has failed: {why}", True) == (told, took < 0.1 + SLACK)


def test_a_verifier_that_says_no_ends_the_process() -> None:
    """At once: it is asked once."""
    with running(program("a", ready=Says(False))) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: one.state is State.FAILED)
        assert ("it is not ready: Says says no", None) == (one.why, one.pid())


def test_wait_ready_has_its_limit() -> None:
    """It says what it waits for."""
    with running(program("a", ready=NEVER)) as supervisor:
        assert "WaitTimeout: process 'a' was not ready after 0.1 s: there is no /nowhere/at/all" == error_of(
            lambda: supervisor.wait_ready(0.1)
        )


def test_one_that_is_not_ready_is_launched_again() -> None:
    """It is a failure like others."""
    restart = {**QUICK, "max_attempts": 2}
    with running(program("a", restart=restart, ready={**NEVER, "timeout": 0.1})) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: one.state is State.FAILED)
        why = "given up after 2 ends within 60 s: it was not ready within 0.1 s: there is no /nowhere/at/all"
        assert (why, 1) == (one.why, one.restarts)


class Waits(Verifier):
    """Passes when the process has ended with a code."""

    def __init__(self, code: int) -> None:
        self.code = code

    def run(self, process: Any) -> bool:
        """Wait for it."""
        return bool(process.wait(5.0) == self.code)


@pytest.mark.parametrize("verifier", [ExitedVerifier(expect_code=3), Waits(3)], ids=["ours", "another"])
def test_a_verifier_may_wait_for_the_end(verifier: Any) -> None:
    """What it waits for makes the program ready, and the code a good one."""
    with running(program("a", "sleep 0.05; exit 3", ready=verifier)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        assert ("exited", 3, "", True) == (str(one.state), one.poll(), one.why, supervisor.is_healthy())


def test_a_verifier_that_waits_for_another_end_fails() -> None:
    """At once."""
    with running(program("a", "exit 4", ready=ExitedVerifier(expect_code=3))) as supervisor:
        told = error_of(lambda: supervisor.wait_ready(5.0))
        assert "NotReadyError: process 'a' has failed: it ended with code 4 before it was ready" == told


def test_while_it_starts_it_says_what_is_missing() -> None:
    """As of the last look."""
    with running(program("a", ready=NEVER)) as supervisor:
        one = supervisor.process("a")
        assert wait_until(lambda: one.why == "there is no /nowhere/at/all")


def test_a_command_that_looks_ends_with_the_stop() -> None:
    """Nobody waits for what it would say."""
    before = children()
    with running(program("a", ready={"exec": ["sleep", "60"]})) as supervisor:
        wait_until(lambda: len(children() - before) > 1)
        assert (True, True) == (seconds(supervisor.stop) < SLACK, wait_until(lambda: not children() - before))


@pytest.mark.slow
def test_a_command_that_looks_ends_with_the_host() -> None:
    """The guard knows of it, too."""
    script = """
    supervisor = Supervisor([program("a", ready={"exec": ["sleep", "1003"]})]).start()
    wait_until(lambda: len(children()) > 2)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    with host("if True:" + script) as one:
        one.rest()
        assert [] == one.left(0.5 + 2 * SLACK)


@pytest.mark.parametrize("need", ["ready", "completed"])
def test_one_whose_need_has_failed_fails(need: str) -> None:
    """It would wait for ever; when that comes up after all, it is launched."""
    db = program("db", "test -e $FLAG", ready={"exit": 0}, env={"FLAG": "/nowhere"})
    with running(db, program("web", depends_on={"db": need})) as supervisor:
        web = supervisor.process("web")
        told = wait_until(lambda: web.state is State.FAILED), web.why.partition(":")[0]
        assert ((True, f"it needs db to {TO[need]}, and that has failed"), 0) == (told, web.restarts)


def test_one_that_has_failed_for_another_comes_up_with_it(tmp_path: pathlib.Path) -> None:
    """As soon as what it needs is there."""
    flag = tmp_path / "flag"
    with running(program("db", f"test -e {flag}", ready={"exit": 0}), program("web", depends_on=["db"])) as supervisor:
        wait_until(lambda: supervisor.process("web").state is State.FAILED)
        flag.touch()
        supervisor.restart("db")
        assert wait_until(lambda: supervisor.process("web").state is State.RUNNING)


def test_what_was_launched_once_was_started() -> None:
    """Though it has ended since."""
    programs = [program("a", "exit 1"), program("b", ready={"file": "/"}), program("c", depends_on={"a": "started"})]
    with running(*programs) as supervisor:
        assert wait_until(lambda: supervisor.process("c").state is State.RUNNING)


# --- liveness


def test_one_that_does_not_live_is_launched_again(tmp_path: pathlib.Path) -> None:
    """When its condition has not held for its timeout."""
    flag = tmp_path / "flag"
    flag.touch()
    live = {"file": str(flag), "interval": 0.05, "timeout": 0.2}
    with running(program("a", live=live, restart=QUICK)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        first = one.pid()
        flag.unlink()
        wait_until(lambda: one.state is State.BACKOFF)
        why = one.why
        flag.touch()
        assert (f"it does not live: there is no {flag}", True) == (
            why,
            wait_until(lambda: one.state is State.RUNNING and one.pid() != first),
        )


def test_one_that_lives_again_in_time_is_left_alone(tmp_path: pathlib.Path) -> None:
    """It says meanwhile what is wrong."""
    flag = tmp_path / "flag"
    flag.touch()
    live = {"file": str(flag), "interval": 0.02, "timeout": 10}
    with running(program("a", live=live)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        first = one.pid()
        flag.unlink()
        told = wait_until(lambda: one.why == f"there is no {flag}")
        flag.touch()
        assert (True, True, first) == (told, wait_until(lambda: not one.why), one.pid())


def test_a_live_condition_that_is_not_met_fails_one_without_a_restart(tmp_path: pathlib.Path) -> None:
    """failed, and its process has ended."""
    live = {"file": str(tmp_path / "never"), "interval": 0.02, "timeout": 0.1}
    with running(program("a", live=live)) as supervisor:
        one = supervisor.process("a")
        ended = wait_until(lambda: one.state is State.FAILED)
        assert (True, f"it does not live: there is no {tmp_path}/never", None) == (ended, one.why, one.pid())


def test_live_is_looked_at_when_ready_has_held() -> None:
    """Not before."""
    gate, looked = threading.Event(), []
    ready = {"all": [gate.is_set], "interval": 0.02}
    live = {"all": [lambda: looked.append(1) or True], "interval": 0.02}
    with running(program("a", ready=ready, live=live)) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.STARTING)
        early = wait_until(lambda: looked, 0.2)
        gate.set()
        assert (False, True) == (early, wait_until(lambda: looked))


# --- what is told


def test_on_change_hears_each_turn_in_order() -> None:
    """Name, process, before, after and why, on one thread."""
    told: list[Any] = []
    with running(
        program("a", "exit 3"),
        on_change=lambda change: told.append((*change[:5], threading.current_thread().name)),
    ) as supervisor:
        one = supervisor.process("a")
        wait_until(lambda: len(told) == 3)
        common = ("a", one)
        assert [
            (*common, "stopped", "starting", "", "minimon-notify"),
            (*common, "starting", "running", "", "minimon-notify"),
            (*common, "running", "exited", "it ended with code 3", "minimon-notify"),
        ] == told


def test_on_change_hears_the_end_before_stop_returns() -> None:
    """Nothing is told after it."""
    told: list[str] = []
    with Supervisor([program("a")], on_change=lambda change: told.append(str(change.after))) as supervisor:
        supervisor.wait_ready(5.0)
    assert ["starting", "running", "stopping", "stopped"] == told


def test_on_change_that_raises_harms_nobody() -> None:
    """All goes on."""

    def on_change(change: Change) -> None:
        raise SystemExit("of the host")

    with running(program("a", "exit 3", restart=QUICK), on_change=on_change) as supervisor:
        assert wait_until(lambda: supervisor.process("a").restarts == 1)


@pytest.mark.long
def test_on_change_that_hangs_holds_up_nobody() -> None:
    """stop() leaves it alone after a second."""
    leave = threading.Event()
    supervisor = Supervisor([program("a")], on_change=lambda change: leave.wait(20.0)).start()
    supervisor.wait_ready(5.0)
    begun = time.monotonic()
    ended = supervisor.stop()
    took = time.monotonic() - begun
    leave.set()
    assert (False, True, True) == (ended, took < 1.0 + SLACK, wait_until(lambda: not our_threads()))


@pytest.mark.long
def test_the_last_hundred_events_are_kept() -> None:
    """Those before are forgotten."""
    restart = {"condition": "always", "delay": 0.0, "max_attempts": 60}
    with running(program("a", "exit 3", restart=restart, output="discard")) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.FAILED, 10.0)
        events = supervisor.snapshot()["events"]
        assert (100, "failed") == (len(events), events[-1]["after"])


def test_an_event_says_when_what_and_why() -> None:
    """Plain data."""
    with running(program("a", "exit 3")) as supervisor:
        wait_until(lambda: supervisor.process("a").state is State.EXITED)
        event = supervisor.snapshot()["events"][-1]
        assert {
            "process": "a",
            "kind": "change",
            "before": "running",
            "after": "exited",
            "detail": "it ended with code 3",
        } == {key: value for key, value in event.items() if key != "at"}


# --- a check of it


def test_a_process_may_be_the_target_of_a_check() -> None:
    """It passes while that serves."""
    with running(program("a", ready=lambda: True)) as supervisor:
        one = supervisor.wait_ready(5.0).process("a")
        with Monitor([Check("a", one, every=0.02, initial_delay=0, fall=1, rise=1)]) as monitor:
            up = wait_until(lambda: monitor.ok("a"))
            one.stop()
            down = wait_until(lambda: not monitor.ok("a"))
            assert (True, True, "it is stopped") == (up, down, monitor.state("a").explanation)


@pytest.mark.parametrize(
    ("script", "more", "told"),
    [
        ("exit 0", {}, ("pass", "", "")),
        (SLEEP, {}, ("pass", "", "")),
        ("exit 3", {}, ("fail", "condition", "it has ended: it ended with code 3")),
        (SLEEP, {"ready": {"log": "never"}}, ("unknown", "skipped", "it is starting: no line fits 'never'")),
    ],
)
def test_what_a_check_sees_of_a_process(script: str, more: dict[str, Any], told: Any) -> None:
    """A pass when it serves, or has done what it was for; unknown while it comes up; else what it is at, and why."""
    with running(program("a", script, **more)) as supervisor:
        one = supervisor.process("a")
        settled = {"exit": State.EXITED, "exec": State.STARTING if more else State.RUNNING}[script[:4]]
        wait_until(lambda: one.state is settled)
        wait_until(lambda: one.why or told[0] == "pass")
        assert told == one()[1:4]


# --- the end of the host

KINDS = {
    "plain": "f'echo up; {SLEEP}'",
    "forks": "f'({SLEEP}) & ({SLEEP}) & echo up; wait'",
    "ignores TERM": "STUBBORN",
    "forks and ignores TERM": "f'({STUBBORN}) & {STUBBORN}'",
    "double fork": "f'(({STUBBORN}) & ); {SLEEP}'",
    "leader gone": "f'(({STUBBORN}) & ); sleep 0.1'",
    "groups of its own": "f'set -m; ({STUBBORN}) & ({SLEEP}) & wait'",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", few(["forks and ignores TERM", "groups of its own", "double fork", *KINDS], 3))
def test_a_host_that_is_killed_leaves_nothing(kind: str) -> None:
    """SIGKILL; the guard ends them within their time, and then itself."""
    script = f"""
    supervisor = Supervisor([stubborn("a", {KINDS[kind]})]).start().wait_ready()
    tell("up")
    pause.wait(30)
    """
    with host("if True:" + script) as one:
        one.told()
        one.end()
        assert [] == one.left(PATIENCE + 2 * SLACK)


@pytest.mark.slow
@pytest.mark.parametrize("line", ["f'{SLEEP} & {SLEEP}'", pytest.param("STUBBORN", marks=pytest.mark.long)])
@pytest.mark.parametrize("moment", few(range(40), 1))
def test_a_host_that_is_killed_while_it_starts_leaves_nothing(moment: int, line: str) -> None:
    """At whatever moment of it. Of one that was just being launched the guard does not know its time: it gets 10 s."""
    script = f"""
    supervisor = Supervisor([program(str(number), {line}) for number in range(50)])
    tell("go")
    supervisor.start()
    pause.wait(30)
    """
    with host("if True:" + script) as one:
        one.told()
        threading.Event().wait(moment % 4 * 0.02 + moment // 4 * 0.001)  # the moment is what is asked for
        one.end()
        assert [] == one.left(10.0 + 3 * SLACK)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("os.execv('/bin/sh', ['sh', '-c', 'exit 6'])", 6),
        pytest.param("raise SystemExit(4)", 4, marks=pytest.mark.long),
        pytest.param("os._exit(5)", 5, marks=pytest.mark.long),
        pytest.param("os.kill(os.getpid(), 15); pause.wait(9)", -15, marks=pytest.mark.long),
    ],
)
def test_a_host_that_ends_without_a_stop_leaves_nothing(last: str, code: int) -> None:
    """However it ends; nothing is written to stderr."""
    script = f"""
    supervisor = Supervisor([stubborn("a"), program("b")]).start().wait_ready()
    {last}
    """
    with host("if True:" + script, "-X", "dev") as one:
        found = one.rest()
        assert ((code, "", ""), []) == (found, one.left(PATIENCE + 2 * SLACK))


@pytest.mark.slow
def test_a_host_that_exits_sends_the_signal_itself(tmp_path: pathlib.Path) -> None:
    """Once: the guard does not send it again."""
    heard = tmp_path / "heard"
    script = f"""
    line = "trap 'echo TERM >> {heard}' TERM; echo up; while :; do sleep 0.02; done"
    supervisor = Supervisor([program("a", line, ready={{"log": "up"}}, stop={{"timeout": 0.5}})]).start().wait_ready()
    """
    with host("if True:" + script) as one:
        one.rest()
        left = one.left(0.5 + 2 * SLACK)
        assert ([], "TERM\n") == (left, heard.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("guard", "least", "most"), [(True, 0.0, 0.2), (False, 1.0, 1.2)])
def test_a_host_that_exits_waits_but_a_moment(guard: bool, least: float, most: float) -> None:
    """0.2 s with a guard; without one a second, and KILL then."""
    script = f"""
    import atexit
    begun = []
    atexit.register(lambda: tell(time.monotonic() - begun[0]))
    supervisor = Supervisor([stubborn("a", stop={{"timeout": 1.2}})], guard={guard}).start().wait_ready()
    atexit.register(lambda: begun.append(time.monotonic()))
    """
    with host("if True:" + script) as one:
        _, out, _ = one.rest()
        took, left = float(out), one.left(1.2 + 2 * SLACK)
        assert (True, []) == (least <= took < most + SLACK / 2, left)


@pytest.mark.slow
def test_a_host_that_exits_does_not_wait_for_those_that_are_quick() -> None:
    """As soon as all have ended it goes on."""
    script = """
    import atexit
    begun = []
    atexit.register(lambda: tell(time.monotonic() - begun[0] < 0.9))
    supervisor = Supervisor([program("a")], guard=False).start().wait_ready()
    atexit.register(lambda: begun.append(time.monotonic()))
    """
    with host("if True:" + script) as one:
        assert (0, "True", "") == one.rest()


@pytest.mark.slow
def test_a_host_that_exits_while_it_starts_leaves_nothing() -> None:
    """Some were launched, some were not."""
    script = "Supervisor([stubborn(str(number)) for number in range(30)]).start()"
    with host(script) as one:
        found = one.rest()
        assert ((0, "", ""), []) == (found, one.left(PATIENCE + 3 * SLACK))


# --- forks of the host

FORK = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads: that is the test

def in_child(function):
    pid = os.fork()
    if not pid:
        code = 2
        try:
            signal.alarm(10)
            code = 0 if function() else 1
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

supervisor = Supervisor([program("a", ready=lambda: True), program("b", depends_on=["a"])]).start().wait_ready()
pids = [each.pid() for each in supervisor.processes]

def unharmed():
    return all(map(is_alive, pids)) and supervisor.is_healthy() and len(supervisor.snapshot()["events"]) == 4
"""
NO_HOOKS = """
from minimon import fork
fork._hooked.append(True)
"""
"""A host that runs no fork hooks, as uWSGI: ours is not registered, the pid check has to do."""
ACTS = {
    "stop": "supervisor.stop()",
    "kill": "supervisor.kill() or True",
    "shut down": "supervisor.shut_down() or True",
    "signals": "[each.kill() or each.terminate() for each in supervisor.processes]",
    "stop of a process": "refuses(supervisor.process('a').stop)",
    "restart": "refuses(supervisor.restart, 'a')",
    "wait_ready": "refuses(supervisor.wait_ready, 5.0)",
    "snapshot": "supervisor.snapshot()['guard_pid'] is None and not supervisor.running",
    "states": "[str(each.state) for each in supervisor.processes] == ['stopped'] * 2",
}
REFUSES = """
def refuses(call, *given):
    try:
        call(*given)
    except Exception as error:
        return str(error) == "the supervisor does not run; start() it first"
"""


@pytest.mark.parametrize("hooks", ["", NO_HOOKS], ids=["hooks", "no hooks"])
def test_a_fork_of_the_host_may_do_anything_and_ends_nothing(hooks: str) -> None:
    """Nothing runs there; the processes are the parent's."""
    acts = ", ".join(f"{act!r}: in_child(lambda: {code})" for act, code in ACTS.items())
    script = f"{hooks}{FORK}{REFUSES}\ntell({{{acts}}})\ntell(unharmed(), supervisor.stop())"
    with host(script) as one:
        assert (0, f"{dict.fromkeys(ACTS, 0)}\nTrue True", "") == one.rest()


@pytest.mark.parametrize("hooks", ["", NO_HOOKS], ids=["hooks", "no hooks"])
def test_a_fork_of_the_host_that_exits_ends_nothing(hooks: str) -> None:
    """Its exit is not the host's: sys.exit(), which runs what is to be run at exit."""
    script = f"""{hooks}{FORK}
pid = os.fork()
if not pid:
    signal.alarm(10)
    sys.exit(7)
tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), unharmed(), supervisor.stop())
"""
    with host(script) as one:
        assert (0, "7 True True", "") == one.rest()


@pytest.mark.parametrize("hooks", ["", NO_HOOKS], ids=["hooks", "no hooks"])
def test_a_fork_of_the_host_does_not_block_the_guard(hooks: str) -> None:
    """It lives on when the host is killed; the programs do not."""
    script = f"""{hooks}{FORK}
born, leave = os.pipe(), os.pipe()
pid = os.fork()
if not pid:
    os.write(born[1], b"x")
    os.read(leave[0], 1)
    os._exit(0)
os.read(born[0], 1)
tell(pid, *pids, supervisor.snapshot()["guard_pid"])
pause.wait(30)
"""
    with host(script) as one:
        fork, *pids = map(int, one.told().split())
        one.end()
        gone = wait_until(lambda: not any(map(is_alive, pids)), PATIENCE + 2 * SLACK)
        assert (True, True) == (gone, is_alive(fork))


def test_a_fork_of_the_host_may_start_its_own() -> None:
    """The programs run twice then, and end with whom they belong to."""
    script = f"""{FORK}
def own():
    with supervisor:
        found = [each.pid() for each in supervisor.wait_ready().processes]
    return len({{*found, *pids}}) == 4 and not any(map(is_alive, found))
tell(in_child(own), unharmed(), supervisor.stop())
"""
    with host(script) as one:
        assert (0, "0 True True", "") == one.rest()


@pytest.mark.slow
def test_forks_at_any_moment_harm_nobody() -> None:
    """While processes end and are launched, and write."""
    script = f"""{FORK}
again = {{"condition": "always", "delay": 0.0, "max_attempts": 10000}}
busy = Supervisor([program(str(number), "echo x; exit 0", restart=again) for number in range(5)]).start()
codes = [in_child(lambda: busy.stop() and busy.snapshot() and not busy.running) for _ in range(30)]
tell(set(codes), unharmed(), busy.stop(), supervisor.stop())
"""
    with host(script) as one:
        assert (0, "{0} True True True", "") == one.rest()


# --- many times, and many


def cycle(programs: list[Program]) -> None:
    """Start, ready, stop."""
    with Supervisor(programs) as supervisor:
        supervisor.wait_ready(10.0)


def five() -> list[Program]:
    """Of each kind one."""
    return [
        program("plain"),
        program("ready", f"echo up; {SLEEP}", ready={"log": "up"}, depends_on=["plain"]),
        program("done", "exit 0", ready={"exit": 0}),
        program("looked at", ready={"exec": ["true"]}, stdin=True),
        program("live", live={"file": "/proc", "interval": 0.01}),
    ]


@pytest.mark.slow
def test_twenty_cycles_leave_nothing() -> None:
    """No thread, no descriptor, no child, no zombie."""
    before = what_is_there()
    cycle(five())
    first = descriptors()
    for _ in range(20):
        cycle(five())
    assert ([], first) == (nothing_left(before), descriptors())


@pytest.mark.long
def test_two_hundred_cycles_leave_nothing() -> None:
    """Nor memory."""
    before, programs = what_is_there(), five()
    for _ in range(20):
        cycle(programs)
    first = descriptors()
    gc.collect()
    tracemalloc.start()
    cycle(programs)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        cycle(programs)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - kept
    tracemalloc.stop()
    assert ([], first, True) == (nothing_left(before), descriptors(), grown < 200_000), grown


@pytest.mark.slow
def test_a_hundred_programs_come_up_and_end() -> None:
    """With as many threads as one; in a time that people wait for."""
    with running(*(program(str(number)) for number in range(100)), grace=5.0) as supervisor:
        begun = time.monotonic()
        supervisor.wait_ready(20.0)
        up = time.monotonic() - begun
        threads = our_threads()
        begun = time.monotonic()
        ended = supervisor.stop()
        down = time.monotonic() - begun
        assert (["minimon-output", "minimon-supervisor"], True, True, True) == (threads, up < 10.0, ended, down < 5.0)


@pytest.mark.slow
def test_a_hundred_programs_that_have_to_be_killed_end_in_the_time_of_one() -> None:
    """It is looked once for what each of them has started."""
    with running(*(stubborn(str(number)) for number in range(100)), grace=10.0) as supervisor:
        supervisor.wait_ready(20.0)
        took = seconds(supervisor.stop)
        assert (True, True) == (PATIENCE <= took, took < PATIENCE + SLACK)


@pytest.mark.long
def test_a_chain_of_a_hundred_programs_comes_up_and_ends() -> None:
    """One after another."""
    names = [str(number) for number in range(100)]
    chain = [program(name, depends_on=names[:number][-1:]) for number, name in enumerate(names)]
    with running(*chain, grace=10.0) as supervisor:
        supervisor.wait_ready(20.0)
        begun = time.monotonic()
        assert (True, True) == (supervisor.stop(), time.monotonic() - begun < 10.0)


def test_imports_of_the_package_start_nothing() -> None:
    """No thread, no child, no handler."""
    code = "import minimon.processes.supervisor, threading, signal; print(threading.active_count())"
    assert "1\n" == python(code).stdout
