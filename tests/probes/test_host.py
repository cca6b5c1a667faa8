"""The target host: its numbers as a document, for conditions; a disk that fills up degrades."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from recorded import HOST, folder
from support import wait_until

from minimon import Check, ConfigError, Monitor, Result, probe
from minimon.evaluate import judge
from minimon.explain import expected
from minimon.probes import Shared, observe, observe_spec, prepare
from minimon.probes.host import HostProbe
from minimon.testing import FakeClock
from minimon.vitals.numbers import Calls, Vitals

FREE, LOAD = "$.filesystems['/'].free_percent", "$.load['1m']"


class Disk:
    """What statvfs(3) says: 20 of 90 are free."""

    f_frsize, f_blocks, f_bfree, f_bavail = 4096, 100, 30, 20


def nothing(*_: Any) -> Any:
    """What a system says that tells nothing."""
    raise OSError("no")


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Callable[..., HostProbe]:
    """Makes a probe of recorded files."""

    def made(**calls: Any) -> HostProbe:
        return HostProbe(Vitals(folder(tmp_path, HOST), Calls(statvfs=lambda path: Disk())._replace(**calls)))

    return made


def seen(target: HostProbe, **options: Any) -> Result:
    """One observation."""
    return observe(prepare(Check("disk", target, **options).spec()), FakeClock())


def test_the_answer_is_the_numbers(host: Callable[..., HostProbe]) -> None:
    """As JSON, and as its body."""
    response = host()(1.0)
    assert (22.22, True, True) == (
        response.json()["filesystems"]["/"]["free_percent"],
        json.loads(response.body) == response.document,
        response.text.startswith("{"),
    )


@pytest.mark.parametrize(
    ("options", "outcome", "detail"),
    [
        ({}, "pass", ""),
        ({"expect": {"jsonpath": {FREE: {"ge": 10}}}}, "pass", ""),
        ({"expect": {"jsonpath": {FREE: {"ge": 50}}}}, "fail", f"jsonpath {FREE}: expected >= 50, got 22.22"),
        ({"warn_if": {"jsonpath": {FREE: {"lt": 10}}}}, "pass", ""),
        ({"expect": {"jsonpath": {LOAD: {"lt": 0.5}}}}, "fail", f"jsonpath {LOAD}: expected < 0.5, got 0.52"),
    ],
)
def test_conditions_look_at_the_numbers(
    host: Callable[..., HostProbe], options: dict[str, Any], outcome: str, detail: str
) -> None:
    """Without any it passes once it can be read."""
    result = seen(host(), **options)
    assert (outcome, detail) == (result.outcome.value, result.detail)


def test_a_disk_that_fills_up_warns(host: Callable[..., HostProbe]) -> None:
    """With what holds."""
    result = seen(host(), warn_if={"jsonpath": {FREE: {"lt": 50}}})
    assert ("warn", "condition", True) == (result.outcome.value, result.reason, "free_percent" in result.detail)


def test_a_host_that_tells_nothing_has_failed(tmp_path: pathlib.Path) -> None:
    """With the reason; a Probe does not raise."""
    target = HostProbe(Vitals(str(tmp_path), Calls(load=nothing, statvfs=nothing)))
    assert ("exception", "this host tells nothing of itself: it has no /proc, no load and no file systems") == judge(
        target(1.0), None, None
    )[1:]


@pytest.mark.parametrize("target", ["host:", "HOST:"])
def test_the_address_is_host(target: str) -> None:
    """Of whatever case; it is not critical, as no address is."""
    check = Check("disk", target)
    assert ("host:", False, True) == (check.shown, check.critical, probe(target).ok)


@pytest.mark.parametrize("target", ["host://localhost", "host:///", "Host://x"])
def test_it_is_no_other_host(target: str) -> None:
    """The message says how it is written."""
    with pytest.raises(ConfigError, match="target must be host: and no more, which is the host that this runs on"):
        Check("disk", target)


def test_options_of_requests_are_for_others() -> None:
    """As for a callable."""
    with pytest.raises(ConfigError, match="headers is for http:// and https:// targets only"):
        Check("disk", "host:", headers={"A": "b"})


def test_plain_data_can_ask_for_it() -> None:
    """So a cluster can be sent it."""
    assert "pass" == observe_spec({"name": "disk", "target": "host:"})["outcome"]


def test_all_checks_of_a_monitor_share_what_was_read() -> None:
    """And read once a second."""
    shared = Shared()
    assert shared.vitals() is shared.vitals()


def test_a_child_reads_for_itself() -> None:
    """Locks of the parent are none of its."""
    shared = Shared()
    before = shared.vitals()._lock
    shared.after_fork()
    assert before is not shared.vitals()._lock


def test_it_says_what_is_expected() -> None:
    """For people."""
    assert "numbers of the host, within 5 s" == expected(Check("disk", "host:"))


def test_a_full_disk_degrades(make: Callable[..., Monitor], host: Callable[..., HostProbe]) -> None:
    """The whole way: a warning, three times in a row."""
    check = Check("disk", host(), every=0.02, retry_interval=0.02, warn_if={"jsonpath": {FREE: {"lt": 50}}})
    with make([check]) as monitor:
        assert wait_until(lambda: monitor.snapshot()["checks"]["disk"]["status"] == "degraded")
    assert "degraded" == monitor.snapshot()["checks"]["disk"]["status"]
