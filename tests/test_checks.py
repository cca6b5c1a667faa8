"""Check and Resource: what they take and refuse, and how they say so; that they never change, and tell no secret."""

from __future__ import annotations

import copy
import json
import math
import operator
import pickle
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from minimon.checks import SCHEMES, VALUES, Check, Probe, Resource
from minimon.clock import SystemClock
from minimon.conditions import Condition
from minimon.errors import ConfigError
from minimon.evaluate import judge
from minimon.model import Fault, Outcome, Response
from minimon.options import OPTIONS
from minimon.probes import observe, observe_spec, prepare
from minimon.testing import RogueServer, ScriptedProbe

URL = "http://search.internal/ping"
SECRETS = "https://user:hunter2@search.internal/ping?token=hunter2&plain=hunter2#hunter2"


def fine() -> bool:
    """A callable of a host."""
    return True


async def coroutine() -> bool:
    """A callable that nobody would await."""
    return True


def refusal(make: Callable[..., object], *args: Any, **options: Any) -> str:
    """The text of the ConfigError."""
    with pytest.raises(ConfigError) as caught:
        make(*args, **options)
    return str(caught.value)


# what is refused: values

SECONDS = "must be a number of seconds"
WHOLE = "must be a whole number, 1 or more"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("every", 0, "must be > 0, got 0"),
        ("every", 0.0, "must be > 0, got 0.0"),
        ("every", -1, "must be > 0, got -1"),
        ("every", -math.inf, "must be > 0, got -inf"),
        ("every", 0.001, "must be at least 0.01, got 0.001"),
        ("every", math.nan, f"{SECONDS}, got nan"),
        ("every", math.inf, f"{SECONDS}, got inf"),
        ("every", True, f"{SECONDS}, got True"),
        ("every", "5", f"{SECONDS}, got '5'"),
        ("every", None, f"{SECONDS}, got None"),
        ("timeout", 0, "must be > 0, got 0"),
        ("timeout", -0.5, "must be > 0, got -0.5"),
        ("timeout", math.nan, f"{SECONDS}, got nan"),
        ("timeout", math.inf, f"{SECONDS}, got inf"),
        ("timeout", False, f"{SECONDS}, got False"),
        ("timeout", "5 s", f"{SECONDS}, got '5 s'"),
        ("timeout", None, f"{SECONDS}, got None"),
        ("fall", 0, f"{WHOLE}, got 0"),
        ("fall", -1, f"{WHOLE}, got -1"),
        ("fall", 1.5, f"{WHOLE}, got 1.5"),
        ("fall", 3.0, f"{WHOLE}, got 3.0"),
        ("fall", True, f"{WHOLE}, got True"),
        ("fall", "3", f"{WHOLE}, got '3'"),
        ("fall", None, f"{WHOLE}, got None"),
        ("rise", 0, f"{WHOLE}, got 0"),
        ("rise", math.nan, f"{WHOLE}, got nan"),
        ("retry_interval", 0, "must be > 0, got 0"),
        ("retry_interval", -1, "must be > 0, got -1"),
        ("retry_interval", math.nan, f"{SECONDS}, got nan"),
        ("retry_interval", "1", f"{SECONDS}, got '1'"),
        ("initial_delay", -1, "must be at least 0, got -1"),
        ("initial_delay", math.inf, f"{SECONDS}, got inf"),
        ("initial_delay", True, f"{SECONDS}, got True"),
        ("initial_delay", "soon", f"{SECONDS} or \"interval\", got 'soon'"),
        ("critical", 1, "must be True or False, got 1"),
        ("critical", "yes", "must be True or False, got 'yes'"),
        ("group", None, "must be a printable text, got None"),
        ("group", "a\nb", "must be a printable text, got 'a\\nb'"),
        ("tags", None, "must be a dict of texts, got None"),
        ("tags", ["a"], "must be a dict of texts, got ['a']"),
        ("tags", {"a": 1}, "must be a dict of texts, got {'a': 1}"),
        ("tags", {1: "a"}, "must be a dict of texts, got {1: 'a'}"),
    ],
)
def test_a_bad_value_is_refused(key: str, value: Any, message: str) -> None:
    """The error names the check, the key, what it must be and what it was."""
    assert f"check 'queue': {key} {message}" == refusal(Check, "queue", fine, **{key: value})


@pytest.mark.parametrize("key", ["every", "timeout", "retry_interval", "initial_delay"])
def test_a_number_beyond_all_floats_is_refused(key: str) -> None:
    """An integer that no float can hold is an error like any other."""
    assert refusal(Check, "queue", fine, **{key: 10**400}).startswith(f"check 'queue': {key} must be ")


@pytest.mark.parametrize("name", ["", "a\n", "a\x1b[31m", "a" * 201, None, 5, b"queue"])
def test_a_bad_name_is_refused(name: Any) -> None:
    """A name is shown everywhere, so it has to be one line of printable text."""
    expected = f"check {name!r:.80}: name must be a printable text of 1 to 200 characters"
    assert expected == refusal(Check, name, fine)


@pytest.mark.parametrize("name", ["a", "a" * 200, "grün", "search (2)", "x #2"])
def test_a_name_may_be_any_line(name: str) -> None:
    """Blanks and letters of any language are welcome."""
    assert name == Check(name, fine).name


# what is refused: targets

KNOWN = "known are: host, http, https, tcp, tls"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("htp://h/", "unknown scheme 'htp' in target; did you mean 'http'?"),
        ("htttps://h/", "unknown scheme 'htttps' in target; did you mean 'https'?"),
        ("file:///etc/passwd", f"unknown scheme 'file' in target; {KNOWN}"),
        ("data:,x", "target 'data:,x' has no scheme; write http://data:,x or tcp://host:port"),
        ("gopher://h/", f"unknown scheme 'gopher' in target; {KNOWN}"),
        ("localhost:8080", "target 'localhost:8080' has no scheme; write http://localhost:8080 or tcp://host:port"),
        ("", "target '' has no scheme; write http:// or tcp://host:port"),
        ("http://", "target has no host or no usable port: http://"),
        ("http:///x", "target has no host or no usable port: http:///x"),
        ("http://h:0/", "target has no host or no usable port: http://h:0/"),
        ("tcp://h", "target has no port; write tcp://host:port"),
        ("http://a b/", "target has blanks or control characters; quote them (%20)"),
        ("http://h/a b", "target has blanks or control characters; quote them (%20)"),
        ("http://h/\r\nX: y", "target has blanks or control characters; quote them (%20)"),
        ("http://h/\0", "target has blanks or control characters; quote them (%20)"),
        ("http://[::1/", "target is not an address: Invalid IPv6 URL"),
        ("http://a..b/", "target has an impossible host name: http://a..b/"),
        (None, "target must be an address, a callable or a Probe, got None"),
        (5, "target must be an address, a callable or a Probe, got 5"),
        (coroutine, "target is a coroutine function; give a function that runs it to its end"),
    ],
)
def test_a_bad_target_is_refused(target: Any, message: str) -> None:
    """Whatever can never be polled is told at construction, with the remedy."""
    assert f"check 'queue': {message}" == refusal(Check, "queue", target)


@pytest.mark.parametrize(
    "target", ["ftp://h/", "http://h:99999/", "http://h:x/", f"tcp://{'a' * 64}:1", "http://h:-1/"]
)
def test_an_impossible_address_is_refused(target: str) -> None:
    """Schemes that urllib would open, ports out of range, labels too long."""
    assert refusal(Check, "queue", target).startswith("check 'queue': ")


@pytest.mark.parametrize(
    "target",
    [
        URL,
        "HTTP://H/",
        "https://h:8443/a?b=c&d#e",
        "http://127.0.0.1:1/",
        "http://[::1]:8080/",
        "http://grün.example/ü",
        "http://my_host/",
        "tcp://h:1",
        "TCP://[::1]:65535",
    ],
)
def test_an_address_is_taken(target: str) -> None:
    """Addresses are kept as they were written."""
    assert target == Check("queue", target).target


@pytest.mark.parametrize("target", [fine, lambda: None, ScriptedProbe([Response(200)]), print, dict])
def test_a_callable_is_taken(target: Any) -> None:
    """Functions of any kind and Probes are targets."""
    assert target is Check("queue", target).target


# what is refused: options and conditions


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("timeot", "unknown option 'timeot'; did you mean 'timeout'?"),
        ("headres", "unknown option 'headres'; did you mean 'headers'?"),
        ("evry", "unknown option 'evry'; did you mean 'every'?"),
        ("zzz", f"unknown option 'zzz'; known are: {', '.join(sorted([*VALUES, *OPTIONS]))}"),
    ],
)
def test_an_unknown_option_is_refused(option: str, message: str) -> None:
    """The nearest known one is offered."""
    assert f"check 'queue': {message}" == refusal(Check, "queue", URL, **{option: 1})


@pytest.mark.parametrize("target", [fine, "tcp://h:1"])
@pytest.mark.parametrize(
    ("option", "takers"),
    [
        ("method", "http:// and https://"),
        ("headers", "http:// and https://"),
        ("verify", "http://, https:// and tls://"),
    ],
)
def test_a_request_option_needs_a_request(target: Any, option: str, takers: str) -> None:
    """What only some targets have is refused elsewhere, and the message says which."""
    expected = f"check 'queue': {option} is for {takers} targets only"
    assert expected == refusal(Check, "queue", target, **{option: None})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("method", "G ET", "method must be an HTTP method such as GET, got 'G ET'"),
        ("method", "GET\r\nX: y", "method must be an HTTP method such as GET, got 'GET\\r\\nX: y'"),
        ("method", None, "method must be an HTTP method such as GET, got None"),
        ("headers", [("A", "b")], "headers must be a dict, got list"),
        ("headers", {"a b": "x"}, "headers: 'a b' is not a header name"),
        ("headers", {"": "x"}, "headers: '' is not a header name"),
        ("headers", {"A\n": "x"}, "headers: 'A\\n' is not a header name"),
        ("headers", {"A": "x\r\nB: y"}, "headers: the value of A must be a text of one line (Latin-1)"),
        ("headers", {"A": "€"}, "headers: the value of A must be a text of one line (Latin-1)"),
        ("headers", {"A": 5}, "headers: the value of A must be a text of one line (Latin-1), got int"),
        ("body", 5, "body must be bytes or a text, got int"),
        ("max_body", 0, "max_body must be a whole number, 1 to 1099511627776, got 0"),
        ("verify", "no", "verify must be True or False, got 'no'"),
        ("ca_file", "", "ca_file must be the path of a PEM file, got ''"),
    ],
)
def test_a_bad_request_option_is_refused(option: str, value: Any, message: str) -> None:
    """Line ends in a header or a method would be another request."""
    assert f"check 'queue': {message}" == refusal(Check, "queue", URL, **{option: value})


@pytest.mark.parametrize("key", ["expect", "warn_if"])
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"staus_code": 200}, "unknown condition 'staus_code'; did you mean 'status_code'?"),
        ([], "an empty list holds never; leave it out or give a condition"),
        ("200", "expected a dict of conditions, a list of them or a callable, got '200'"),
        ({"latency": {"gt": -1}}, "latency: expected a number, 0 or more, got -1"),
    ],
)
def test_a_bad_condition_is_refused(key: str, spec: Any, message: str) -> None:
    """The error names the check and which of its conditions it is."""
    assert f"check 'queue': {key}: {message}" == refusal(Check, "queue", URL, **{key: spec})


def test_a_bare_latency_in_a_warning_is_refused() -> None:
    """The remedy can be pasted."""
    expected = "check 'queue': warn_if: latency says what is bad here; write {\"gt\": 0.5}"
    assert expected == refusal(Check, "queue", URL, warn_if={"latency": 0.5})


# what is taken


def test_the_defaults_are_these() -> None:
    """What is not said has the promised values."""
    check = Check("queue", fine)
    assert (10.0, 5.0, None, None, 3, 2, None, None, "", {}, {}) == (
        check.every,
        check.timeout,
        check.expect,
        check.warn_if,
        check.fall,
        check.rise,
        check.retry_interval,
        check.initial_delay,
        check.group,
        check.tags,
        check.options,
    )


@pytest.mark.parametrize(("target", "critical"), [(fine, True), (URL, False), ("tcp://h:1", False)])
def test_callables_are_critical_and_addresses_are_not(target: Any, critical: bool) -> None:
    """A dependency must not take the host out of rotation unless asked."""
    assert critical is Check("queue", target).critical


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("target", [fine, URL])
def test_critical_can_be_said(target: Any, critical: bool) -> None:
    """Either way, for any target."""
    assert critical is Check("queue", target, critical=critical).critical


@pytest.mark.parametrize("key", ["every", "timeout", "retry_interval", "initial_delay"])
def test_seconds_are_floats(key: str) -> None:
    """Whole seconds may be given."""
    value = getattr(Check("queue", fine, **{key: 7}), key)
    assert (7.0, float) == (value, type(value))


def test_an_interval_may_be_a_function() -> None:
    """It is asked before every round, and not at construction."""
    assert operator.not_ is Check("queue", fine, every=operator.not_).every


def test_the_first_run_may_wait_for_an_interval() -> None:
    """A known interval is as good as a number."""
    assert 7.0 == Check("queue", fine, every=7, initial_delay="interval").initial_delay


def test_a_drawn_interval_is_not_known_yet() -> None:
    """The word stays until the first run is put down."""
    assert "interval" == Check("queue", fine, every=lambda: 7, initial_delay="interval").initial_delay


def test_request_options_are_kept() -> None:
    """What is said of the request is what a spec carries."""
    options = {"method": "POST", "headers": {"A": "b"}, "body": b"x", "max_body": 5, "verify": False, "ca_file": "ca"}
    assert options == Check("queue", URL, **options).options


def test_a_probe_must_be_defined() -> None:
    """A Probe without __call__ says what is missing."""
    with pytest.raises(NotImplementedError, match=r"__call__\(timeout\)"):
        Probe()(1.0)


@pytest.mark.parametrize("table", [SCHEMES, OPTIONS])
def test_the_reference_has_every_word(table: dict[str, Any]) -> None:
    """Each scheme and each option has a line of help."""
    assert [] == [word for word, told in table.items() if not (told if isinstance(told, str) else told.__doc__)]


# it cannot be changed


@pytest.mark.parametrize("key", ["name", "every", "expect", "new"])
def test_a_check_cannot_be_changed(key: str) -> None:
    """The error says what to do instead."""
    with pytest.raises(AttributeError) as caught:
        setattr(Check("queue", fine), key, 5)
    assert "check 'queue' cannot be changed: remove it and add another one" == str(caught.value)


def test_nothing_of_a_check_can_be_deleted() -> None:
    """A default would come to light, or nothing."""
    check = Check("queue", fine, every=5)
    with pytest.raises(AttributeError):
        del check.every


@pytest.mark.parametrize("key", ["options", "tags"])
@pytest.mark.parametrize("given", [{}, {"headers": {"A": "b"}, "tags": {"team": "a"}}])
def test_what_a_check_holds_is_for_reading(key: str, given: dict[str, Any]) -> None:
    """Its mappings take no assignment: checks may share them, and threads read them."""
    assert not isinstance(getattr(Check("queue", URL, **given), key), MutableMapping)


@pytest.mark.parametrize(
    ("key", "value", "change"),
    [
        ("tags", {"team": "a"}, lambda tags: tags.update(team="b")),
        ("expect", {"status_code": 200}, lambda expect: expect.update(status_code="nonsense")),
        ("expect", [{"contains": ["a"]}], lambda expect: expect[0]["contains"].append(5)),
        ("warn_if", {"latency": {"gt": 1}}, lambda warn_if: warn_if["latency"].clear()),
        ("headers", {"A": "b"}, lambda headers: headers.update(A="x\r\ny")),
    ],
)
def test_what_was_given_may_change_later(key: str, value: Any, change: Callable[[Any], None]) -> None:
    """A dict or list that the host goes on using is not part of the check: it was validated as it was."""
    before = copy.deepcopy(value)
    check = Check("queue", URL, **{key: value})
    change(value)
    assert before == (check.options if key in OPTIONS else vars(check))[key]


# defaults of a Monitor


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("every", 30.0),
        ("timeout", 1.0),
        ("fall", 5),
        ("rise", 4),
        ("retry_interval", 0.5),
        ("critical", True),
        ("initial_delay", 1.0),
        ("group", "core"),
        ("tags", {"team": "a"}),
        ("expect", {"status_code": 204}),
        ("warn_if", {"latency": {"gt": 1}}),
    ],
)
def test_a_default_fills_what_was_not_given(key: str, value: Any) -> None:
    """Every option can have a default."""
    assert value == getattr(Check("queue", URL).with_defaults({key: value}), key)


@pytest.mark.parametrize(
    ("given", "default"),
    [
        ({"every": 10.0}, {"every": 30.0}),
        ({"timeout": 5.0}, {"timeout": 1.0}),
        ({"fall": 3}, {"fall": 5}),
        ({"rise": 2}, {"rise": 5}),
        ({"critical": False}, {"critical": True}),
        ({"group": ""}, {"group": "core"}),
        ({"tags": {}}, {"tags": {"team": "a"}}),
        ({"initial_delay": 0.0}, {"initial_delay": 5.0}),
        ({"verify": True}, {"verify": False}),
        ({"headers": {}}, {"headers": {"A": "b"}}),
    ],
)
def test_what_was_given_stays(given: dict[str, Any], default: dict[str, Any]) -> None:
    """A value that was said wins over the default, though it be the one of every check."""
    ((key, value),) = given.items()
    check = Check("queue", URL, **given).with_defaults(default)
    assert value == (check.options if key in OPTIONS else vars(check))[key]


def test_request_defaults_go_to_requests() -> None:
    """One set of defaults serves addresses and callables."""
    defaults = {"headers": {"A": "b"}, "timeout": 1.0}
    filled = [Check("queue", target).with_defaults(defaults) for target in (URL, "tcp://h:1", fine)]
    assert [({"headers": {"A": "b"}}, 1.0), ({}, 1.0), ({}, 1.0)] == [(each.options, each.timeout) for each in filled]


def test_defaults_make_another_check() -> None:
    """The one that was given is as it was."""
    check = Check("queue", URL)
    check.with_defaults({"every": 30, "headers": {"A": "b"}})
    assert (10.0, {}) == (check.every, check.options)


def test_a_check_can_be_filled_twice() -> None:
    """What a first Monitor filled in is said, for a second one."""
    check = Check("queue", fine).with_defaults({"every": 30}).with_defaults({"every": 60, "timeout": 1})
    assert (30.0, 1.0) == (check.every, check.timeout)


def test_a_default_may_follow_from_another() -> None:
    """A first run after an interval waits for the interval that was filled in."""
    assert 30.0 == Check("queue", fine, initial_delay="interval").with_defaults({"every": 30}).initial_delay


def test_a_bad_default_names_the_check() -> None:
    """A value that does not suit this check is its error."""
    assert "check 'queue': every must be > 0, got 0" == refusal(Check("queue", fine).with_defaults, {"every": 0})


# secrets


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (SECRETS, "https://search.internal/ping?token=***&plain=***"),
        ("http://u:p@h:81", "http://h:81"),
        ("http://u:p@x@h/", "http://h/"),
        ("http://h/?a=b=c;d=e", "http://h/?a=***;d=***"),
        ("tcp://h:1", "tcp://h:1"),
        (URL, URL),
        (fine, "fine"),
    ],
)
def test_a_target_is_shown_without_secrets(target: Any, shown: str) -> None:
    """Userinfo is left out and the values of the query are masked."""
    check = Check("queue", target)
    assert (shown, f"<Check 'queue' {shown}>") == (check.shown, repr(check))


def test_a_resource_is_shown_without_secrets() -> None:
    """Its repr says what it is."""
    assert "<Resource 'queue' http://h/?a=***>" == repr(Resource("queue", "http://u:p@h/?a=hunter2", 5, bool))


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": "hunter2"}},
        {"body": "hunter2"},
        {"expect": {"text": "hunter2"}},
    ],
)
def test_options_stay_out_of_the_repr(options: dict[str, Any]) -> None:
    """Header values, bodies and what is expected of an answer are nobody's business."""
    assert "hunter2" not in repr(Check("queue", URL, **options))


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("http://user:hunter2/x@h/", {}),
        ("http://user:hunter2@ex\u2100mple/", {}),
        ("http://user:hunter2@a..b/", {}),
        ("http://user:hunter2@h:99999/", {}),
        ("http://user:hunter2@/", {}),
        ("http://h:0/?token=hunter2", {}),
        ("http://h/?token=hunter2 ", {}),
        ("htp://user:hunter2@h/", {}),
        ("user:hunter2@http://h/", {}),
        ("user:hunter2@h", {}),
        (b"http://user:hunter2@h/", {}),
        (URL, {"headers": {"Authorization": "hunter2\n"}}),
        (URL, {"headers": {"Authorization": b"hunter2"}}),
        (URL, {"headers": "Authorization: hunter2"}),
        (URL, {"body": ["hunter2"]}),
    ],
)
def test_a_refusal_tells_no_secret(target: Any, options: dict[str, Any]) -> None:
    """An error is logged by the host: neither a password nor a header's value is in it."""
    assert "hunter2" not in refusal(Check, "queue", target, **options)


# Resource, the older form


def verdict(resource: Resource, response: Response) -> tuple[Outcome, str]:
    """How a response is judged."""
    assert resource.expect is not None
    return judge(response, Condition(resource.expect, "expect"), None)[:2]


def test_a_resource_has_its_old_attributes() -> None:
    """name, url, polling_interval and check are what was given."""
    resource = Resource("queue", URL, 5, fine)  # type: ignore[arg-type]
    assert ("queue", URL, 5, fine) == (resource.name, resource.url, resource.polling_interval, resource.check)


def test_a_resource_is_a_check() -> None:
    """It polls its url every polling_interval."""
    resource = Resource("queue", URL, 5)
    assert (True, URL, 5.0) == (isinstance(resource, Check), resource.target, resource.every)


def test_a_resource_may_draw_its_interval() -> None:
    """polling_interval may be a function."""
    assert operator.not_ is Resource("queue", URL, operator.not_).every  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (True, (Outcome.PASS, "")),
        (1, (Outcome.PASS, "")),
        ("yes", (Outcome.PASS, "")),
        (False, (Outcome.FAIL, "condition")),
        (None, (Outcome.FAIL, "condition")),
        (0, (Outcome.FAIL, "condition")),
        ("", (Outcome.FAIL, "condition")),
        ([], (Outcome.FAIL, "condition")),
    ],
)
def test_a_resource_goes_by_truth(answer: Any, expected: tuple[Outcome, str]) -> None:
    """Any true value of its check passes, any false one is bad content."""
    assert expected == verdict(Resource("queue", URL, 5, lambda response: answer), Response(200))


@pytest.mark.parametrize("code", [201, 204, 301, 404, 500])
def test_a_resource_looks_at_a_200_only(code: int) -> None:
    """Any other status is a failure of its own kind, and the check is not run."""
    looked: list[Response] = []
    told = verdict(Resource("queue", URL, 5, looked.append), Response(code))
    assert ((Outcome.FAIL, "status"), []) == (told, looked)


def test_a_resource_looks_at_no_error() -> None:
    """Without an answer there is nothing to look at."""
    looked: list[Response] = []
    told = verdict(Resource("queue", URL, 5, looked.append), Response(error=Fault("connect", "refused")))
    assert ((Outcome.FAIL, "connect"), []) == (told, looked)


def test_a_resource_without_a_check_wants_a_200() -> None:
    """A 204 would do for a Check."""
    judged = [verdict(Resource("queue", URL, 5), Response(code))[0] for code in (200, 204)]
    assert [Outcome.PASS, Outcome.FAIL] == judged


def test_a_raising_check_is_a_failure() -> None:
    """It is told apart from bad content, and nothing else ends."""

    def raising(response: Response) -> bool:
        return bool(response.json()["missing"])

    assert (Outcome.FAIL, "exception") == verdict(Resource("queue", URL, 5, raising), Response(200, b"{}"))


def test_a_check_whose_answer_has_no_truth_is_a_failure() -> None:
    """bool() of what it returned may raise."""

    class Neither:
        def __bool__(self) -> bool:
            raise ValueError("neither")

    told = verdict(Resource("queue", URL, 5, lambda response: Neither()), Response(200))
    assert (Outcome.FAIL, "exception") == told


def test_a_resource_sees_text_and_code() -> None:
    """What the old checks looked at is there."""
    seen: list[tuple[str, int | None]] = []
    resource = Resource("queue", URL, 5, lambda response: seen.append((response.text, response.status_code)))
    verdict(resource, Response(200, "Expected"))
    assert [("Expected", 200)] == seen


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("queue", URL, 5, "text"), "check 'queue': check must be a function of the response, got 'text'"),
        (("queue", URL, -1), "check 'queue': polling_interval must be > 0, got -1"),
        (("queue", "htp://h/", 5), f"check 'queue': {'unknown scheme '}'htp' in target; did you mean 'http'?"),
    ],
)
def test_a_bad_resource_is_refused(args: tuple[Any, ...], message: str) -> None:
    """The errors are those of a Check."""
    assert refusal(Resource, *args).startswith(message)


def test_a_resource_takes_the_options_of_a_check() -> None:
    """Thresholds, delays and headers are given by name."""
    resource = Resource("queue", URL, 5, fall=1, initial_delay="interval", headers={"A": "b"})  # type: ignore[arg-type]
    assert (1, 5.0, {"A": "b"}) == (resource.fall, resource.initial_delay, resource.options["headers"])


def test_a_resource_stays_one_with_defaults() -> None:
    """What was filled in does not touch what it is."""
    resource = Resource("queue", URL, 5, fine).with_defaults({"every": 30, "fall": 1})  # type: ignore[arg-type]
    assert (Resource, 5.0, 1, fine) == (type(resource), resource.every, resource.fall, resource.check)  # type: ignore[attr-defined]


# the seam to other processes

EVERYTHING: dict[str, Any] = {
    "timeout": 2.5,
    "expect": [{"status_code": "2xx"}, {"status_code": 404, "json": {"a": [1, None]}}],
    "warn_if": {"latency": {"gt": 1}},
    "method": "POST",
    "headers": {"A": "b"},
    "body": "x",
    "max_body": 100,
    "verify": False,
}


def test_a_spec_is_all_that_a_poll_needs() -> None:
    """Name, target, timeout, conditions and the options of the request."""
    spec = Check("queue", URL, **EVERYTHING).spec()
    options = {key: EVERYTHING[key] for key in OPTIONS if key in EVERYTHING}
    expected = {"name": "queue", "target": URL, "options": options}
    assert {**expected, **{key: EVERYTHING[key] for key in ("timeout", "expect", "warn_if")}} == spec


@pytest.mark.parametrize(("target", "options"), [(URL, EVERYTHING), (SECRETS, {}), ("tcp://h:1", {"timeout": 1})])
def test_the_spec_of_an_address_is_plain(target: str, options: dict[str, Any]) -> None:
    """JSON and pickle carry it unchanged."""
    spec = Check("queue", target, **options).spec()
    assert (spec, spec) == (json.loads(json.dumps(spec)), pickle.loads(pickle.dumps(spec)))


@pytest.mark.parametrize(("target", "options"), [(URL, EVERYTHING), ("tcp://h:1", {}), (fine, {"timeout": 1})])
def test_types_in_a_spec_are_plain(target: Any, options: dict[str, Any]) -> None:
    """No type of ours is in it: another version of the package may read it."""
    spec = Check("queue", target, **options).with_defaults({"timeout": 3}).spec()
    kinds = {type(value).__module__ for key, value in spec.items() if key != "target"}
    assert {"builtins"} == kinds


def test_a_spec_can_be_changed() -> None:
    """It is a copy: the check keeps its options."""
    check = Check("queue", URL, headers={"A": "b"})
    spec = check.spec()
    spec["options"].clear()
    assert {"headers": {"A": "b"}} == check.options


def test_a_spec_is_observed_like_its_check() -> None:
    """What went through pickle gives the same Result, but for the time that it took."""
    with RogueServer("json", document={"a": 1}) as server:
        check = Check("queue", server.url, expect={"json": {"a": 2}}, headers={"X-Sent": "yes"})
        told = observe_spec(pickle.loads(pickle.dumps({**check.spec(), "attempt": 7})))
        direct = observe(prepare(check.spec()), SystemClock()).plain()
        sent = [request.headers["X-Sent"] for request in server.requests]
    changing = {"when": 0, "elapsed": 0, "started": 0, "phases": 0}
    assert ({**direct, **changing, "attempt": 7}, ["yes", "yes"]) == ({**told, **changing}, sent)


def test_an_observed_spec_is_plain() -> None:
    """The answer goes back as JSON or pickle."""
    told = observe_spec({"name": "queue", "target": fine})
    assert (told, told) == (json.loads(json.dumps(told)), pickle.loads(pickle.dumps(told)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"timeout": 0}, "check 'queue': timeout must be > 0, got 0"),
        ({"expect": {"txt": ""}}, "check 'queue': expect: unknown condition 'txt'; did you mean 'text'?"),
        ({"options": {"headres": {}}}, "check 'queue': unknown option 'headres'; did you mean 'headers'?"),
    ],
)
def test_a_bad_spec_is_refused(spec: dict[str, Any], message: str) -> None:
    """A spec of another hand is looked at like a Check."""
    assert message == refusal(observe_spec, {"name": "queue", "target": URL, **spec})
