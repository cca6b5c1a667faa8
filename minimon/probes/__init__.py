"""One observation of a target, judged: the table of probes and the harness around them.

`prepare` validates and compiles, `observe` polls and judges, so that no body travels; `observe_spec` is both at
once on plain data, for executors in other processes.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..checks import Check, Probe, scheme_of, shown_target
from ..clock import Clock, SystemClock
from ..conditions import Condition, needs_body
from ..errors import ConfigError
from ..evaluate import Verdict, judge
from ..model import Outcome, Response, Result
from ..text import masked as hide
from ..text import quoted, short
from .call import CallProbe

__all__ = ["Prepared", "Probe", "harnessed", "observe", "observe_spec", "prepare", "probe"]


if TYPE_CHECKING:
    from ..vitals.numbers import Vitals
    from .network import Network

_make = tuple.__new__  # a NamedTuple from its fields at a third of the cost of calling its class

_CODE = (int, type(None))
SPEC = ("name", "target", "timeout", "expect", "warn_if", "options", "attempt")
"""The keys of a spec."""


class Prepared(NamedTuple):
    """A check made ready to be observed again and again."""

    name: str
    probe: Callable[[float], Response]
    expect: Condition | None
    warn_if: Condition | None
    timeout: float


class Shared:
    """What the checks of a Monitor share: look-ups and TLS contexts, made when the first address is prepared.

    And the vitals of the host, which are read once for all who ask.
    """

    def __init__(self) -> None:
        self._made: dict[str, Network] = {}
        self._read: dict[str, Vitals] = {}

    def network(self) -> Network:
        """The one for all. Any thread."""
        if not self._made:
            from .network import Network

            self._made.setdefault("network", Network())
        return self._made["network"]

    def vitals(self) -> Vitals:
        """Those of this host. Any thread."""
        if not self._read:
            from ..vitals.numbers import Vitals

            self._read.setdefault("vitals", Vitals())
        return self._read["vitals"]

    def stop(self, deadline: float) -> bool:
        """Close what rests. True when no look-up is under way any more by `deadline` (time.monotonic)."""
        return all(network.stop(deadline) for network in self._made.values())

    def after_fork(self) -> None:
        """In the child: no connections, no look-ups."""
        for network in self._made.values():
            network.after_fork()
        for vitals in self._read.values():
            vitals.after_fork()


def prepare(spec: Mapping[str, Any], shared: Shared | None = None) -> Prepared:
    """Make a spec ready: `name`, `target`, `timeout`, `expect`, `warn_if`, `options`, as `Check.spec()` gives it.

    TLS contexts, which are costly, and look-ups are in what is `shared`. Raises ConfigError.
    """
    name = spec["name"]
    expect, warn_if = spec.get("expect"), spec.get("warn_if")
    compiled = None if expect is None else Condition(expect, f"check {name!r}: expect")
    try:
        probe = _probe_of(spec["target"], spec.get("options") or {}, shared or Shared(), compiled, warn_if)
    except ConfigError as error:
        raise ConfigError(f"check {name!r}: {error}") from None
    return Prepared(
        name,
        probe,
        compiled,
        None if warn_if is None else Condition(warn_if, f"check {name!r}: warn_if", bad=True),
        spec.get("timeout", 5.0),
    )


def _probe_of(
    target: Any, options: Mapping[str, Any], shared: Shared, expect: Condition | None, warn_if: Any
) -> Callable[[float], Response]:
    """What asks this target. The rooms are imported when they are needed."""
    if scheme_of(target.shown if isinstance(target, Probe) else target) in ("http", "https"):
        from .http import HttpProbe

        if isinstance(target, str):
            return HttpProbe(target, network=shared.network(), **options)
        if type(target) is HttpProbe:
            return target.on(shared.network())
    if scheme_of(target) == "host":
        from .host import HostProbe

        return HostProbe(shared.vitals())
    if isinstance(target, Probe):
        return target
    if callable(target):
        return CallProbe(target)
    from .tcp import PortProbe

    reads = needs_body(expect and expect.spec) or needs_body(warn_if)
    return PortProbe(target, shared.network(), options, expect, reads=reads)


def observe(prepared: Prepared, clock: Clock) -> Result:
    """Poll once and judge. Never raises: what the host's code raises becomes a Result. Any thread."""
    when, start = clock.time(), clock.monotonic()
    response = None
    try:
        answer = prepared.probe(prepared.timeout)
        if not isinstance(answer, Response) or not isinstance(answer.status_code, _CODE):
            raise TypeError(f"expected a Response of the Probe, its status_code a number, got {quoted(answer)}")
        response = answer
        response.elapsed = clock.monotonic() - start
        verdict = judge(response, prepared.expect, prepared.warn_if)
    # The one broad except on a poll's way, and as broad as can be: a SystemExit of the host's code too is a failure.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        verdict = Verdict(Outcome.FAIL, "exception", described(error))
    elapsed = round(clock.monotonic() - start, 6)
    if elapsed > prepared.timeout and verdict[0] is not Outcome.FAIL:
        verdict = Verdict(Outcome.FAIL, "timeout", f"ended after {elapsed:.2f} s, timeout {prepared.timeout:g} s")
    outcome, reason, detail = verdict
    if detail:
        detail = short(masked(detail, prepared.probe), 300)
    if response is None:
        return Result(prepared.name, outcome, reason, detail, when, elapsed, started=start)
    how = response.phases, response.status_code, start, response.transport
    return _make(Result, (prepared.name, outcome, reason, detail, when, elapsed, *how))


def masked(detail: str, probe: object) -> str:
    """A detail without what the probe has sent and nobody else should see: a target may repeat it."""
    return hide(detail, getattr(probe, "secrets", ()))


def described(error: BaseException) -> str:
    """An exception as one line of text."""
    text = short(error, 200)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def observe_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Poll and judge what a plain dict describes; the Result as a plain dict, with the spec's `attempt` beside it.

    Picklable, of the module's top level, and of plain data only: any concurrent.futures.Executor can run it.
    Raises ConfigError for a spec that cannot work.
    """
    unknown = [key for key in spec if key not in SPEC]
    if unknown or "name" not in spec or "target" not in spec:
        raise ConfigError(f"spec: name and target are needed, {', '.join(SPEC)} are known, got {quoted(list(spec))}")
    options = spec.get("options") or {}
    said = {key: spec[key] for key in ("timeout", "expect", "warn_if") if spec.get(key) is not None}
    check = Check(spec["name"], spec["target"], **said, **options)
    result = observe(prepare(check.spec()), SystemClock())
    return {**result.plain(), "attempt": spec.get("attempt", 0)}


def probe(url: str, timeout: float = 5.0, **options: Any) -> Result:
    """Poll once and judge: the Result. Options are `expect`, `warn_if` and those of a request: see `help http`.

    Nothing is kept from one call to the next; a Monitor shares TLS contexts and look-ups among its polls.

    Raises ConfigError for an address or option that cannot work; never for what the target does.
    """
    check = Check("probe", url, timeout=timeout, **options)
    return observe(prepare(check.spec())._replace(name=check.shown), SystemClock())


def harnessed(function: Callable[..., Any]) -> Callable[..., Result]:
    """The function as one that gives a Result, timed, and never raises. A decorator.

    None and true values pass; false values fail with `condition`; exceptions fail with `exception`. Raises ConfigError
    for what cannot be called, and for a coroutine function.
    """
    name = shown_target("harnessed", function)

    @functools.wraps(function, updated=())
    def harness(*args: Any, **kwargs: Any) -> Result:
        call = CallProbe(functools.partial(function, *args, **kwargs))
        return observe(Prepared(name, call, None, None, float("inf")), SystemClock())

    return harness
