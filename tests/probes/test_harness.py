"""The harness: whatever a target is or does becomes one Result, and nothing is ever raised."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import multiprocessing
import pickle
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import pytest
from support import python

from minimon import Check, ConfigError, Fault, Outcome, Probe, Response, Result, harnessed, probe
from minimon.model import REASONS
from minimon.probes import observe, observe_spec, prepare
from minimon.probes.network import Network
from minimon.probes.tls import Trust
from minimon.testing import FakeClock, RogueServer, ScriptedProbe


def seen(target: Any, clock: FakeClock | None = None, **options: Any) -> Result:
    """One observation of a target."""
    return observe(prepare(Check("job", target, **options).spec()), clock or FakeClock())


def verdict(result: Result) -> tuple[str, str]:
    """What most tests compare."""
    return result.outcome.value, result.reason


def raising(error: BaseException | type[BaseException]) -> Callable[[], NoReturn]:
    """A function that raises this."""

    def job() -> NoReturn:
        raise error

    return job


def forever(n: int = 0) -> int:
    """Recurses until Python refuses."""
    return forever(n + 1) + 1


class Undecided:
    """Is neither true nor false."""

    def __bool__(self) -> bool:
        raise RuntimeError("neither")


class Unspeakable(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Exiting(Exception):
    """Ends the program when it is printed."""

    def __str__(self) -> str:
        raise SystemExit


class Classless:
    """Does not even tell what it is."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")


# Callables


@pytest.mark.parametrize("value", [None, True, 1, "yes", [0], {"a": 1}, object(), Exception("a value")])
def test_none_and_true_values_pass(value: object) -> None:
    """A callable that returns None or anything true is up."""
    assert ("pass", "") == verdict(seen(lambda: value))


@pytest.mark.parametrize("value", [False, 0, 0.0, "", b"", [], {}, (), set()])
def test_false_values_fail_as_a_condition(value: object) -> None:
    """Anything false, but None, is a failure that shows the value."""
    result = seen(lambda: value)
    assert ("fail", "condition", True) == (*verdict(result), repr(value) in result.detail)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no milk"),
        SystemExit(3),
        GeneratorExit(),
        MemoryError(),
        StopIteration("x"),
        AssertionError(),
        TimeoutError("its own"),
        ConnectionRefusedError(111, "its own"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        Unspeakable(),
        Exiting(),
        ConfigError("its own"),
        Response,
    ],
)
def test_what_a_callable_raises_is_a_failure(error: Any) -> None:
    """Whatever is raised fails with reason exception, and names its class."""
    result = seen(raising(error))
    name = "TypeError" if error is Response else type(error).__name__
    assert ("fail", "exception", True) == (*verdict(result), result.detail.startswith(name))


def test_the_text_of_an_exception_is_told() -> None:
    """The detail has class and text."""
    assert "ValueError: no milk" == seen(raising(ValueError("no milk"))).detail


def test_endless_recursion_is_a_failure() -> None:
    """RecursionError is an exception like any other."""
    result = seen(lambda: forever() > 0)
    assert ("fail", "exception", True) == (*verdict(result), "RecursionError" in result.detail)


def test_a_value_without_truth_is_a_failure() -> None:
    """A __bool__ that raises fails the run."""
    result = seen(Undecided)
    assert ("fail", "exception", True) == (*verdict(result), "neither" in result.detail)


def test_a_coroutine_is_not_a_pass() -> None:
    """A callable whose work was only begun to be described has done nothing: no green from silence."""
    made = []

    async def ping() -> bool:
        return True

    def job() -> object:
        made.append(ping())
        return made[0]

    result = seen(job)
    made[0].close()
    assert ("fail", "condition", True) == (*verdict(result), "coroutine" in result.detail)


def test_a_coroutine_leaves_no_warning() -> None:
    """Nothing is printed to the host's stderr about a coroutine that was never awaited."""
    code = """
import functools
from minimon import harnessed
async def ping():
    return True
print(harnessed(lambda: ping())().reason)
"""
    done = python(code)
    assert ("condition\n", "") == (done.stdout, done.stderr)


def test_a_coroutine_function_is_refused() -> None:
    """An async function as target is an error of use, told at construction with the remedy."""

    async def ping() -> bool:
        return True

    with pytest.raises(ConfigError, match="check 'job': target is a coroutine function"):
        Check("job", ping)


def test_a_harnessed_coroutine_function_is_refused() -> None:
    """`harnessed` cannot run it either, so it is refused where it is written."""

    async def ping() -> bool:
        return True

    with pytest.raises(ConfigError, match="coroutine"):
        harnessed(ping)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response(200), ("pass", "")),
        (Response(503, reason_phrase="Busy"), ("fail", "status")),
        (Response(), ("pass", "")),
        (Response(value=0), ("fail", "condition")),
        (Response(200, error=Fault("truncated", "cut")), ("fail", "truncated")),
    ],
)
def test_a_response_that_is_returned_is_judged(response: Response, expected: tuple[str, str]) -> None:
    """A callable may do its own HTTP: a Response is taken as it is."""
    assert expected == verdict(seen(lambda: response))


def test_the_status_code_of_a_returned_response_is_kept() -> None:
    """It stands in the Result."""
    assert 418 == seen(lambda: Response(418)).status_code


def test_conditions_judge_what_a_callable_returns() -> None:
    """`callback` sees the value; its own truth does not matter then."""
    assert ("pass", "") == verdict(seen(lambda: 0, expect=lambda response: response.value == 0))


def test_a_raising_condition_is_an_exception() -> None:
    """The host's predicate is the host's code."""
    result = seen(lambda: 1, expect=lambda response: {}["gone"])
    assert ("fail", "exception", True) == (*verdict(result), "KeyError" in result.detail)


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit()])
def test_a_condition_that_wants_to_exit_is_an_exception(error: BaseException) -> None:
    """Not even sys.exit() in a predicate ends a worker."""
    assert ("fail", "exception") == verdict(seen(lambda: 1, expect=lambda response: raising(error)()))


@pytest.mark.parametrize("value", [1, "true", None, [True]])
def test_a_predicate_passes_by_true_alone(value: object) -> None:
    """What is only truthy is unmet."""
    assert ("fail", "condition") == verdict(seen(lambda: 1, expect=lambda response: value))


# Time


def test_a_late_return_is_a_timeout() -> None:
    """A pass that came after the timeout is none."""
    clock = FakeClock()
    result = seen(lambda: clock.advance(2.0), clock, timeout=1.0)
    assert ("fail", "timeout", 2.0) == (*verdict(result), result.elapsed)


def test_a_late_warning_is_a_timeout() -> None:
    """Nor is a warning."""
    clock = FakeClock()
    result = seen(lambda: clock.advance(2.0), clock, timeout=1.0, warn_if={"latency": {"gt": 0.1}})
    assert ("fail", "timeout") == verdict(result)


def test_a_return_at_the_timeout_is_in_time() -> None:
    """The deadline itself belongs to the time allowed."""
    clock = FakeClock()
    assert ("pass", "") == verdict(seen(lambda: clock.advance(1.0), clock, timeout=1.0))


def test_a_late_exception_keeps_its_reason() -> None:
    """What went wrong is worth more than that it was late."""
    clock = FakeClock()

    def job() -> None:
        clock.advance(2.0)
        raise ValueError

    assert ("fail", "exception") == verdict(seen(job, clock, timeout=1.0))


def test_the_time_of_the_run_is_told() -> None:
    """`when` is the start by the wall clock, `elapsed` the length by the monotonic one."""
    clock = FakeClock(5.0, wall=1_000.0)
    result = seen(lambda: clock.advance(0.25), clock)
    assert (1_000.0, 0.25) == (result.when, result.elapsed)


def test_a_jump_of_the_wall_clock_changes_no_duration() -> None:
    """A day more or less on the wall is no time passed."""
    clock = FakeClock()
    result = seen(lambda: clock.jump_wall(-86_400.0), clock, timeout=1.0)
    assert ("pass", 0.0) == (result.outcome, result.elapsed)


def test_latency_sees_the_whole_run() -> None:
    """The condition looks at the time of the run, and says how long it was."""
    clock = FakeClock()
    result = seen(lambda: clock.advance(0.5), clock, expect={"latency": 0.2})
    assert ("fail", "condition", True) == (*verdict(result), "0.500" in result.detail)


# Probes


def test_a_probe_is_given_the_timeout() -> None:
    """A Probe knows how long it may take."""
    given = []

    class Mine(Probe):
        def __call__(self, timeout: float) -> Response:
            given.append(timeout)
            return Response()

    seen(Mine(), timeout=1.5)
    assert [1.5] == given


def test_a_probe_that_raises_is_an_exception() -> None:
    """A Probe of the host is the host's code."""
    assert ("fail", "exception") == verdict(seen(ScriptedProbe([ValueError])))


@pytest.mark.parametrize("answer", [None, True, "up", 200])
def test_a_probe_that_returns_no_response_is_told_so(answer: object) -> None:
    """The detail names what was returned and what is wanted."""

    class Mine(Probe):
        def __call__(self, timeout: float) -> Any:
            return answer

    result = seen(Mine())
    assert ("fail", "exception", True) == (*verdict(result), "Response" in result.detail)


def test_a_probe_that_returns_something_unknowable_is_an_exception() -> None:
    """Nothing that a Probe returns is raised."""

    class Mine(Probe):
        def __call__(self, timeout: float) -> Any:
            return Classless()

    assert ("fail", "exception") == verdict(seen(Mine()))


@pytest.mark.parametrize(
    "answer",
    [
        Response(error=Fault("gremlins", "seen")),
        Response(value=Result("mine", Outcome.FAIL, "gremlins")),
        Response(value=Result("mine", "great")),  # type: ignore[arg-type]
        Response(error="down"),  # type: ignore[arg-type]
    ],
)
def test_words_of_the_hosts_own_do_not_spread(answer: Response) -> None:
    """Outcomes and reasons are closed sets: who says something else has made a mistake, and is told so."""
    result = seen(lambda: answer)
    assert (Outcome.FAIL, "exception") == (result.outcome, result.reason)


def test_a_probe_without_a_body_says_what_is_missing() -> None:
    """The base class is no probe."""
    result = seen(Probe())
    assert ("exception", True) == (result.reason, "__call__(timeout)" in result.detail)


def test_a_fault_is_a_failure_with_its_reason() -> None:
    """What a Probe saw going wrong is the Result's reason and detail."""
    result = seen(ScriptedProbe([Response(error=Fault("tls", "expired"))]))
    assert ("fail", "tls", "expired") == (*verdict(result), result.detail)


def test_phases_are_kept() -> None:
    """What a Probe measured stands in the Result."""
    assert {"connect": 0.1} == seen(ScriptedProbe([Response(phases={"connect": 0.1})])).phases


# Details


def test_a_detail_is_one_short_line() -> None:
    """Line breaks and control characters are gone, and so is all beyond 300 characters."""
    detail = seen(raising(ValueError("a\nb\x1b[31m\x00" + "x" * 100_000))).detail
    assert (True, True) == (detail.isprintable(), len(detail) <= 300)


def test_a_detail_masks_addresses() -> None:
    """A host's exception may quote an address: its login and query are masked."""
    detail = seen(raising(OSError("no answer from https://tom:s3cret@db/x?token=s3cret&b=s3cret"))).detail
    assert "OSError: no answer from https://***@db/x?token=***&b=***" == detail


@pytest.mark.parametrize("length", range(80, 320, 3))
def test_an_address_that_is_cut_is_masked_too(length: int) -> None:
    """Wherever a long text is cut, no piece of a login is left over."""
    detail = seen(raising(OSError("x" * length + " http://tom:s3cret@db/"))).detail
    assert False is ("s3c" in detail)


@pytest.mark.parametrize("length", range(60, 140, 3))
def test_an_address_in_a_condition_is_masked_too(length: int) -> None:
    """The text of a body is quoted in a detail, cut and masked."""
    body = "x" * length + " http://tom:s3cret@db/"
    detail = seen(lambda: Response(200, body), expect={"contains": "butter"}).detail
    assert False is ("s3c" in detail)


# harnessed


@harnessed
def add(a: int, b: int = 0) -> int:
    """Adds."""
    return a + b


def test_a_harnessed_function_gives_a_result() -> None:
    """Arguments go through; a true value passes."""
    result = add(1, b=2)
    assert (True, "add", True) == (isinstance(result, Result), result.name, result.ok)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [(1, ("pass", "")), (0, ("fail", "condition")), ("x", ("fail", "exception"))],
)
def test_a_harnessed_function_never_raises(argument: Any, expected: tuple[str, str]) -> None:
    """True values pass, false ones fail as a condition, exceptions as exception."""
    assert expected == verdict(add(argument))


def test_wrong_arguments_are_an_exception_too() -> None:
    """Even a call that cannot be made gives a Result."""
    assert ("fail", "exception") == verdict(add(1, 2, 3, c=4))


def test_a_harnessed_function_keeps_its_name_and_docstring() -> None:
    """It is a decorator as others are."""
    assert ("add", "Adds.") == (add.__name__, add.__doc__)


def test_a_harnessed_function_is_timed() -> None:
    """The elapsed seconds are those of the call."""
    pause = threading.Event()
    result = harnessed(lambda: pause.wait(0.05))()
    assert (True, "condition") == (0.05 <= result.elapsed < 1.05, result.reason)


def test_a_method_can_be_harnessed() -> None:
    """Within a class it binds its instance."""

    class Host:
        size = 5

        @harnessed
        def ping(self) -> int:
            return self.size

    assert ("pass", "") == verdict(Host().ping())


@pytest.mark.parametrize("function", [len, functools.partial(int, "7"), str.upper, Undecided])
def test_anything_that_can_be_called_can_be_harnessed(function: Callable[..., Any]) -> None:
    """Builtins, partials and classes have a name, too."""
    assert True is bool(harnessed(function)("x").name)


def test_what_cannot_be_called_cannot_be_harnessed() -> None:
    """An error of use is raised where it is written."""
    with pytest.raises(ConfigError):
        harnessed(5)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: True, ("pass", "")),
        (list, ("fail", "condition")),
        (lambda: {}["x"], ("fail", "exception")),
    ],
)
def test_a_harnessed_function_is_a_target(function: Callable[[], Any], expected: tuple[str, str]) -> None:
    """Its own verdict is the check's: a failed Result is not true because it is an object."""
    assert expected == verdict(seen(harnessed(function)))


def test_a_result_that_is_returned_is_judged_by_its_outcome() -> None:
    """Any Result will do, with outcome, reason and detail."""
    mine = Result("mine", Outcome.WARN, "condition", "nearly full")
    assert ("warn", "condition", "nearly full") == seen(lambda: mine)[1:4]


def test_the_name_of_the_check_stays() -> None:
    """The Result of a check has the check's name, not the function's."""
    assert "job" == seen(lambda: add(1)).name


# probe


def test_probe_is_called_by_its_address() -> None:
    """The Result's name is the address without its secrets."""
    with RogueServer("ok") as server:
        name = probe(f"http://tom:s3cret@127.0.0.1:{server.port}/x?token=s3cret").name
    assert f"http://127.0.0.1:{server.port}/x?token=***" == name


def test_probe_takes_a_callable_too() -> None:
    """Anything that a Check takes as its target."""
    assert ("pass", "") == verdict(probe(lambda: True))


def test_an_interrupt_is_not_swallowed() -> None:
    """Ctrl-C during a one-shot poll in the main thread interrupts the program, not the poll alone."""
    code = """
import _thread, threading
from minimon import probe
threading.Timer(0.05, _thread.interrupt_main).start()
probe(lambda: threading.Event().wait(0.2) or True)
print("not interrupted")
"""
    done = python(code)
    assert ("", True) == (done.stdout, "KeyboardInterrupt" in done.stderr)


# prepare, observe_spec


def test_prepared_checks_share_their_tls_contexts() -> None:
    """One context for each setting, however many checks there are."""
    network = Network()
    assert network.context(Trust()) is network.context(Trust())


def test_contexts_differ_by_their_setting() -> None:
    """What is verified is not mixed up with what is not."""
    network = Network()
    assert network.context(Trust()) is not network.context(Trust(verify=False))


def test_a_prepared_check_is_observed_again_and_again() -> None:
    """Nothing is kept from one observation to the next."""
    prepared = prepare(Check("job", ScriptedProbe([Response(500), Response(200)])).spec())
    assert ["fail", "pass", "pass"] == [observe(prepared, FakeClock()).outcome for _ in range(3)]


def test_prepare_needs_name_and_target_only() -> None:
    """All else has a default."""
    assert ("pass", "") == verdict(observe(prepare({"name": "job", "target": lambda: True}), FakeClock()))


def test_prepare_refuses_a_condition_that_cannot_be() -> None:
    """An unknown key is a ConfigError that names the check."""
    with pytest.raises(ConfigError, match="check 'job': expect"):
        prepare({"name": "job", "target": lambda: True, "expect": {"txt": ""}})


def spec_of(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "search", "target": url, "timeout": 2.0, "expect": {"status_code": [200, "204-299"]}, **more}


def test_a_spec_is_polled_and_judged() -> None:
    """Plain data in, plain data out, with the number of the attempt."""
    with RogueServer("ok") as server:
        plain = observe_spec(spec_of(server.url, attempt=7))
    assert ("search", "pass", "", 200, 7) == tuple(
        plain[key] for key in ("name", "outcome", "reason", "status_code", "attempt")
    )


def test_a_spec_takes_options_and_warnings() -> None:
    """The request's options are in `options`."""
    options = {"method": "PUT", "headers": {"X-Key": "1"}, "body": "x"}
    with RogueServer("ok") as server:
        plain = observe_spec(spec_of(server.url, options=options, warn_if={"latency": {"ge": 0}}))
        request = server.requests[0]
    assert ("warn", "PUT", "1") == (plain["outcome"], request.method, request.headers["x-key"])


def test_the_spec_of_a_check_can_be_observed() -> None:
    """What Check.spec() gives is what observe_spec takes."""
    with RogueServer("ok", status=500) as server:
        assert "status" == observe_spec(Check("search", server.url).spec())["reason"]


def test_a_spec_is_not_changed() -> None:
    """The caller's dict is only read."""
    spec = spec_of("tcp://no-such-host.invalid:1", options={})
    before = json.dumps(spec)
    observe_spec(spec)
    assert before == json.dumps(spec)


@pytest.mark.parametrize("behaviour", ["ok", "reset", "garbage", "cut_body"])
def test_the_answer_is_plain_data(behaviour: str) -> None:
    """JSON and pickle carry it, and a Result can be made of it again."""
    with RogueServer(behaviour) as server:
        plain = observe_spec(spec_of(server.url))
    carried = json.loads(json.dumps(pickle.loads(pickle.dumps(plain)), allow_nan=False))
    carried.pop("attempt")
    assert Result.of(carried).plain() == carried


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"name": "search"},
        {"target": "http://127.0.0.1:9/"},
        {"name": "search", "target": "ftp://127.0.0.1/"},
        {"name": "search", "target": None},
        {"name": "", "target": "http://127.0.0.1:9/"},
        {"name": "search", "target": "http://127.0.0.1:9/", "timeout": -1},
        {"name": "search", "target": "http://127.0.0.1:9/", "expect": {"txt": "x"}},
        {"name": "search", "target": "http://127.0.0.1:9/", "options": {"metod": "GET"}},
        {"name": "search", "target": "http://127.0.0.1:9/", "timout": 5},
    ],
)
def test_a_spec_that_cannot_work_is_refused(spec: Mapping[str, Any]) -> None:
    """What is missing, wrong or unknown in a spec is a ConfigError."""
    with pytest.raises(ConfigError):
        observe_spec(spec)


def test_observe_spec_can_be_pickled() -> None:
    """It is a function of the module's top level."""
    assert observe_spec is pickle.loads(pickle.dumps(observe_spec))


def test_other_processes_can_observe() -> None:
    """An executor of fresh processes is sent the specs, and sends Results back."""
    context = multiprocessing.get_context("spawn")
    with RogueServer("ok") as good, RogueServer("reset") as bad:
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
            plains = list(executor.map(observe_spec, [spec_of(good.url), spec_of(bad.url, attempt=2)]))
    assert [("pass", "", 0), ("fail", "connect", 2)] == [
        (plain["outcome"], plain["reason"], plain["attempt"]) for plain in plains
    ]


def test_threads_share_a_prepared_check() -> None:
    """Many threads at once observe the same prepared check, and all get their answer."""
    with RogueServer("ok") as server:
        prepared = prepare(Check("search", server.url).spec())
        with concurrent.futures.ThreadPoolExecutor(16) as executor:
            results = list(executor.map(lambda _: observe(prepared, FakeClock()), range(64)))
    assert {("pass", "")} == set(map(verdict, results))


def test_reasons_are_a_closed_set() -> None:
    """Every reason has its meaning, and there are fourteen."""
    expected = "dns connect tls timeout protocol truncated status condition too_large exception stale lost cancelled"
    assert {*expected.split(), "skipped"} == set(REASONS)
