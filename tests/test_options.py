"""The options of a request, one by one: what is good, what is refused, and that no message tells a secret."""

from __future__ import annotations

from typing import Any

import pytest

from minimon import Check, ConfigError
from minimon.options import OPTIONS, TAKEN
from minimon.probes import Shared, prepare
from minimon.probes.http import HttpProbe

URL = "https://127.0.0.1:9/"

CYCLE: list[Any] = []
CYCLE.append(CYCLE)
DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]

GOOD: dict[str, list[Any]] = {
    "method": ["GET", "PROPFIND", "M-SEARCH", "X" * 32],
    "headers": [{}, {"X": "y"}, {"X-Y_z": ""}, {"X": "caf\xe9\t"}, {"X": lambda: "y"}, {"X": str}],
    "body": [b"", "", b"\x00\xff", "grüße"],
    "json": [None, {}, [], 0, "x", {"a": [1, 2.5, True, None]}],
    "auth": [("tom", "x"), ["tom", "x"], ("", ""), ("tom", "a:b"), ("jürgen", "ß"), lambda: ("tom", "x")],
    "bearer": ["x", "a.b-c==", lambda: "x"],
    "cookies": [True, False, {}, {"a": "b"}, {"a": ""}, {"a": "x=y!~"}],
    "follow_redirects": [True, False],
    "max_redirects": [0, 1, 100],
    "read_body": [True, False],
    "max_body": [1, 1 << 40],
    "decode": [True, False],
    "reuse": [True, False],
    "proxy": [None, "env", "http://proxy:3128", "http://proxy:3128/", "http://u:p@proxy:80", "http://[::1]:80"],
    "verify": [True, False],
    "ca_file": ["ca.pem", "/etc/ca.pem"],
    "cert": ["both.pem", ("file.pem", "key.pem"), ["file.pem", "key.pem"], ("both.pem",)],
    "server_name": ["example.org", "127.0.0.1", "a_b.internal"],
    "cert_warn_days": [1, 21, 0.5],
    "family": [4, 6],
    "allow_hosts": [["a.example"], ("*.a.example", "10.0.0.0/8"), ["::1", "fe80::/10", "10.1.2.3", "A-b_c.D."]],
    "deny_networks": [["169.254.0.0/16"], ("10.0.0.0/8", "::1/128", "fe80::/10"), ["127.0.0.1"]],
    "send": [b"", "PING\r\n", b"\x00\xff"],
}

NO_FLAGS: list[Any] = [None, 0, 1, "yes", "", [], 1.0]

BAD: dict[str, list[Any]] = {
    "method": [None, "", 5, b"GET", "GET /", "G\n", "GET\r\nX: y", "X" * 33, "CONNECT", "connect", "get", "G\xc9T"],
    "headers": [
        *(None, "X: y", [("X", "y")], {"": "y"}, {"X Y": "z"}, {"X:": "y"}, {"X\n": "y"}, {5: "y"}, {"X\xe9": "y"}),
        *({"X": 5}, {"X": None}, {"X": b"y"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X": "a\0b"}, {"X": "\u20ac"}),
        *({"Content-Length": "5"}, {"transfer-encoding": "chunked"}),
    ],
    "body": [None, 5, ["x"], {"a": 1}, "\ud800"],
    "json": [object(), {1, 2}, float("nan"), [float("inf")], {"a": b"x"}, CYCLE, DEEP],
    "auth": [
        *(None, "tom", "ab", ("tom",), ("tom", "x", "y"), (b"tom", b"x"), ("t:om", "x"), ("tom", None), 5),
        ("tom", "\ud800"),
    ],
    "bearer": [None, 5, b"x", "a\nb", "a\0", "\u20ac", ["x"]],
    "cookies": [None, 1, "a=b", ["a"], {"a": 5}, {"": "b"}, {"a b": "c"}, {"a": "b;c"}, {"a": "b c"}, {"a": "\xe9"}],
    "follow_redirects": NO_FLAGS,
    "max_redirects": [None, -1, 101, 1.0, "5", True],
    "read_body": NO_FLAGS,
    "max_body": [None, 0, -1, 1.5, "5", True],
    "decode": NO_FLAGS,
    "reuse": NO_FLAGS,
    "proxy": [
        *("", 5, True, "proxy:3128", "proxy", "http://proxy", "https://proxy:443", "socks5://proxy:1080", "http://:80"),
        *("http://proxy:80/path", "http://pro xy:80", "http://proxy:80?x", "http://proxy:70000", "http://proxy:0"),
    ],
    "verify": NO_FLAGS,
    "ca_file": [None, "", 5, b"ca.pem", "a\0b", True],
    "cert": [None, "", 5, (), ("a", "b", "c"), ("a", 5), ("a", ""), ("a\0", "b"), {"a": "b"}],
    "server_name": [None, "", 5, "bücher.example", "a\nb", "a\0b", "a b"],
    "cert_warn_days": [None, 0, -1, float("nan"), float("inf"), "21", True, 1e9],
    "family": [None, 5, 0, "4", True, 46],
    "allow_hosts": [
        *(None, "a.example", [], [5], [""], ["a b"], ["http://a.example"], ["a.example:80"], ["*"], ["a.*.example"]),
        *(["10.0.0.0/33"], ["10.0.0.1/8"], ["999.0.0.0/8"], ["fe80::/200"], ["[::1]"], {"a": "b"}),
    ],
    "deny_networks": [None, "10.0.0.0/8", [], [5], [""], ["a.example"], ["10.0.0.0/33"], ["10.0.0.1/8"], ["::/129"]],
    "send": [None, 5, ["x"], "\ud800"],
}


def pairs(values: dict[str, list[Any]]) -> list[Any]:
    """(option, value) parameters, numbered."""
    return [
        pytest.param(key, value, id=f"{key}-{number}") for key in values for number, value in enumerate(values[key])
    ]


def made(key: str, value: Any) -> Check:
    """A check with this option."""
    return Check("web", "tcp://127.0.0.1:9" if key == "send" else URL, **{key: value})


def test_every_option_has_its_values_here() -> None:
    """None is forgotten."""
    assert (list(OPTIONS), list(OPTIONS)) == (list(GOOD), list(BAD))


@pytest.mark.parametrize(("key", "value"), pairs(GOOD))
def test_a_good_value_is_taken(key: str, value: Any) -> None:
    """The Check keeps it as it was given."""
    assert value == made(key, value).options[key]


@pytest.mark.parametrize(("key", "value"), pairs(BAD))
def test_a_bad_value_is_refused_by_name(key: str, value: Any) -> None:
    """At construction; the message begins with the check and the option."""
    with pytest.raises(ConfigError, match=rf"\Acheck 'web': {key}\b"):
        made(key, value)


@pytest.mark.parametrize(("key", "value"), [each for each in pairs(BAD) if each.values[0] != "send"])
def test_an_http_probe_refuses_the_same(key: str, value: Any) -> None:
    """With its own name in place of the check's."""
    with pytest.raises(ConfigError, match=rf"\AHttpProbe: {key}\b"):
        HttpProbe(URL, **{key: value})


@pytest.fixture(scope="module")
def shared() -> Shared:
    """Where authorities are loaded once for all."""
    return Shared()


@pytest.mark.parametrize(("key", "value"), [each for each in pairs(GOOD) if each.values[0] not in ("ca_file", "cert")])
def test_what_a_check_takes_can_be_made_ready(shared: Shared, key: str, value: Any) -> None:
    """No option fails later than at construction, but for files."""
    assert "web" == prepare(made(key, value).spec(), shared).name


@pytest.mark.parametrize("scheme", TAKEN)
@pytest.mark.parametrize("key", OPTIONS)
def test_an_option_is_for_its_schemes_alone(scheme: str, key: str) -> None:
    """One that a target cannot use is refused, and the message says who can."""
    target, value = f"{scheme}://127.0.0.1:9", GOOD[key][0]
    if key in TAKEN[scheme]:
        assert value == Check("web", target, **{key: value}).options[key]
    else:
        with pytest.raises(ConfigError, match=f"{key} is for .*:// targets only"):
            Check("web", target, **{key: value})


@pytest.mark.parametrize("target", [lambda: True, HttpProbe("http://127.0.0.1:9/")], ids=["callable", "probe"])
@pytest.mark.parametrize("key", OPTIONS)
def test_options_are_for_addresses(target: Any, key: str) -> None:
    """A callable and a Probe have their own."""
    with pytest.raises(ConfigError, match=key):
        Check("web", target, **{key: GOOD[key][0]})


@pytest.mark.parametrize(
    ("key", "meant"), [("methd", "method"), ("header", "headers"), ("max_redirect", "max_redirects"), ("prox", "proxy")]
)
def test_a_misspelt_option_is_told(key: str, meant: str) -> None:
    """With what was probably meant."""
    with pytest.raises(ConfigError, match=f"unknown option '{key}'.*{meant}"):
        Check("web", URL, **{key: 1})


@pytest.mark.parametrize(
    "options",
    [
        {"json": {}, "body": "x"},
        {"json": 0, "body": b""},
        {"json": None, "body": "x"},
        {"auth": ("a", "b"), "bearer": "x"},
        {"auth": ("a", "b"), "bearer": lambda: "x"},
        {"auth": ("a", "b"), "headers": {"authorization": "x"}},
        {"bearer": "x", "headers": {"AUTHORIZATION": "x"}},
        {"bearer": "x", "headers": {"Authorization": lambda: "x"}},
        {"cookies": {"a": "b"}, "headers": {"cookie": "x"}},
        {"cookies": True, "headers": {"Cookie": "x"}},
        {"proxy": "env", "deny_networks": ["10.0.0.0/8"]},
        {"proxy": "http://proxy:1", "deny_networks": ["10.0.0.0/8"]},
        {"read_body": False, "expect": {"contains": "x"}},
        {"read_body": False, "warn_if": {"json": {}}},
        {"read_body": False, "expect": [{"status_code": 200}, {"text": "x"}]},
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    """Both are named."""
    with pytest.raises(ConfigError) as caught:
        Check("web", URL, **options)
    named = [key for key in options if key in str(caught.value) or key == "headers"]
    assert (list(options), True) == (named, str(caught.value).startswith("check 'web': "))


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": None, "deny_networks": ["10.0.0.0/8"]},
        {"cookies": False, "headers": {"Cookie": "x"}},
        {"read_body": False, "expect": {"status_code": 200}},
        {"allow_hosts": ["a"], "proxy": "env"},
        {"max_redirects": 3, "follow_redirects": False},
    ],
)
def test_options_that_agree_are_taken_together(options: dict[str, Any]) -> None:
    """What says nothing contradicts nothing."""
    assert "web" == Check("web", URL, **options).name


SECRETS: list[dict[str, Any]] = [
    {"auth": ("s3cret", "s3cret")},
    {"auth": ("s3:cret", "s3cret")},
    {"auth": "s3cret"},
    {"auth": ["s3cret", "s3cret", 5]},
    {"auth": ("s3cret", "s3cret\ud800")},
    {"bearer": "s3cret"},
    {"bearer": "s3cret\n"},
    {"bearer": ["s3cret"]},
    {"bearer": "s3cret\u20ac"},
    {"headers": {"X": "s3cret"}},
    {"headers": {"X": "s3cret\r\n"}},
    {"headers": {"X": b"s3cret"}},
    {"headers": {"X": ["s3cret"]}},
    {"headers": "X: s3cret"},
    {"headers": [("X", "s3cret")]},
    {"cookies": {"id": "s3cret"}},
    {"cookies": {"id": "s3cret;"}},
    {"cookies": {"id": b"s3cret"}},
    {"cookies": {"i d": "s3cret"}},
    {"cookies": "id=s3cret"},
    {"proxy": "http://tom:s3cret@proxy:80"},
    {"proxy": "http://tom:s3cret@proxy"},
    {"proxy": "http://tom:s3cret@proxy:70000"},
    {"proxy": "https://tom:s3cret@proxy:1"},
    {"proxy": "http://tom:s3/cret@proxy:80"},
    {"proxy": "http://tom:s3cret@pro[xy:80"},
    {"body": "s3cret"},
    {"body": ["s3cret"]},
    {"body": "s3cret\ud800"},
    {"json": {"password": "s3cret"}},
    {"json": {"s3cret": {1}}},
    {"auth": ("s3cret", "x"), "bearer": "s3cret"},
    {"bearer": "s3cret", "headers": {"Authorization": "s3cret"}},
]


@pytest.mark.parametrize("options", SECRETS, ids=lambda options: f"{options!r:.60}")
def test_secrets_are_never_shown(options: dict[str, Any]) -> None:
    """Not in the message of a refusal, nor in what was its cause, nor in the repr of a Check and what it made."""
    try:
        check = Check("web", "http://127.0.0.1:9/", **options)
        prepared = prepare(check.spec())
        shown = f"{check!r} {check} {check.shown} {prepared.probe!r}"
    except ConfigError as error:
        shown = f"{error!r} {error} {error.__cause__!r}"
    assert False is ("s3" in shown)


def test_a_check_keeps_its_own_copy() -> None:
    """What the host does to its dicts later changes nothing."""
    headers = {"X": "y"}
    check = Check("web", URL, headers=headers)
    headers["X"] = "z"
    assert {"X": "y"} == check.options["headers"]


def test_options_cannot_be_changed() -> None:
    """A Check is a value."""
    with pytest.raises(TypeError):
        Check("web", URL, method="HEAD").options["method"] = "GET"  # type: ignore[index]


@pytest.mark.parametrize("key", OPTIONS)
def test_every_option_says_what_it_is(key: str) -> None:
    """The docstrings are the reference."""
    assert True is bool((OPTIONS[key].__doc__ or "").strip())
