"""Configuration files: what they may say, what comes of it, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from minimon import Check, ConfigError, config, files
from minimon.model import Response

DATA = pathlib.Path(__file__).parent / "data"
MODERN = sys.version_info >= (3, 11)

Write = Callable[[str, object], str]


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    """Writes a file of this name: bytes, text, or what JSON says of a document. The path."""

    def write(name: str, content: object) -> str:
        path = tmp_path / name
        text = content if isinstance(content, (bytes, str)) else json.dumps(content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def built(path: str, **environ: str) -> config.Built:
    return config.build(config.load(path), environ)


def refused(path: str, **environ: str) -> str:
    """The text of the error, from the name of the file on."""
    with pytest.raises(ConfigError) as caught:
        built(path, **environ)
    text = str(caught.value)
    assert text.startswith(path)
    return text[len(str(pathlib.Path(path).parent)) + 1 :]


def one(**said: Any) -> dict[str, Any]:
    """A document with one check."""
    return {"checks": {"search": {"target": "http://127.0.0.1/", **said}}}


# --- JSON and TOML


def test_the_sections_become_objects(write: Write) -> None:
    """Server, monitor and checks of a JSON file are what the objects are made of."""
    document = {
        "server": {"host": "::1", "port": 0},
        "monitor": {"name": "shop", "min_workers": 1, "max_workers": 3, "defaults": {"every": 7, "verify": False}},
        "checks": {"b": {"target": "tcp://127.0.0.1:1", "fall": 9}, "a": {"target": "https://127.0.0.1/", "every": 2}},
    }
    made = built(write("c.json", document))
    seen = [(c.name, c.shown, c.every, c.fall, dict(c.options)) for c in made.checks]
    assert (made.monitor.name, made.server, seen) == (
        "shop",
        {"host": "::1", "port": 0},
        [("b", "tcp://127.0.0.1:1", 7.0, 9, {}), ("a", "https://127.0.0.1/", 2.0, 3, {"verify": False})],
    )


def test_the_monitor_knows_the_checks(write: Write) -> None:
    """The checks that are handed out are those of the monitor, and nothing runs yet."""
    made = built(write("c.json", one()))
    assert (list(made.monitor.snapshot()["checks"]), made.monitor.running) == (["search", "minimon"], False)


def test_a_file_that_names_only_checks_says_nothing_of_the_server(write: Write) -> None:
    """Without a section `server` its own defaults hold."""
    assert built(write("c.json", one())).server == {}


def test_hooks_reach_the_monitor(write: Write) -> None:
    """What a program adds is given to the Monitor."""
    started: list[object] = []
    made = config.build(config.load(write("c.json", one(initial_delay=3600))), on_start=started.append)
    with made.monitor:
        assert started == [made.monitor]


def test_a_byte_order_mark_is_no_matter(write: Write) -> None:
    """Editors that begin a file with a mark are forgiven."""
    assert built(write("c.json", "\ufeff" + json.dumps(one()))).checks[0].name == "search"


def test_the_end_of_the_name_may_be_in_capitals(write: Write) -> None:
    """What a file is goes by the end of its name, in any case."""
    assert len(built(write("C.JSON", one())).checks) == 1


@pytest.mark.skipif(not MODERN, reason="tomllib")
def test_toml_says_the_same(write: Write) -> None:
    """A TOML file has the shape of a JSON file."""
    text = '[server]\nport = 81\n[checks.search]\ntarget = "tcp://127.0.0.1:1"\ntags = {team = "data"}\n'
    made = built(write("c.toml", text))
    assert (made.server, made.checks[0].tags) == ({"port": 81}, {"team": "data"})


@pytest.mark.skipif(MODERN, reason="there is tomllib")
def test_toml_needs_a_later_python(write: Write) -> None:
    """Where Python has no TOML the message says what to do."""
    assert "TOML needs Python 3.11 or later" in refused(write("c.toml", "a = 1"))


@pytest.mark.skipif(not MODERN, reason="tomllib")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = \nb = 1", "c.toml:1: not TOML: Invalid value (column 5)"),
        ('a = 1\nb = "', "c.toml:2: not TOML: Unterminated string (at the end)"),
        ("[checks.a]\n[checks.a]", "c.toml:2: not TOML: Cannot declare ('checks', 'a') twice (column 10)"),
        ('checks.a = {target = "tcp://a:1", every = nan}', "c.toml: checks.a.every: not a number that can be used"),
        ('checks.a = {target = "tcp://a:1", every = 2026-01-01}', "c.toml: checks.a.every: a date means nothing here"),
        ("a = " + "[" * 100_000, "c.toml: nested too deep"),
        (b"a = 1\nb = '\xff'", "c.toml:2: not UTF-8: byte 0xff"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_toml_is_refused(write: Write, text: object, message: str) -> None:
    """The message has the file, and the line or the key."""
    assert refused(write("c.toml", text)) == message


@pytest.mark.skipif(not MODERN, reason="tomllib")
def test_a_number_of_thousands_of_digits_is_refused(write: Write) -> None:
    """Python itself refuses to read such a number; the message still has the file."""
    assert refused(write("c.toml", "a = 1" + "0" * 5000)).startswith("c.toml: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "c.json: the file is empty"),
        (" \n", "c.json: the file is empty"),
        ('{\n"checks": {\n  "a" 1}}', "c.json:3: not JSON: Expecting ':' delimiter (column 7)"),
        ("[]", "c.json: expected an object with the keys server, monitor, checks, got a list"),
        ("null", "c.json: expected an object with the keys server, monitor, checks, got null"),
        (b'{\n"a": "\xff"}', "c.json:2: not UTF-8: byte 0xff"),
        ("[" * 100_000, "c.json: nested too deep"),
        ('{"a":' * 40 + "1" + "}" * 40, "c.json: " + ".".join("a" * 33) + ": nested too deep"),
        ('{"checks": {"a": {}, "b": {}, "a": {}}}', "c.json: checks.a: given twice"),
        ('{"checks": {"a": {"target": "tcp://a:1", "fall": 1, "fall": 2}}}', "c.json: checks.a.fall: given twice"),
        ('{"checks": {"a": {"every": NaN}}}', "c.json: checks.a.every: NaN is not a number that can be used"),
        ('{"checks": {"a": {"every": 1e999}}}', "c.json: checks.a.every: not a number that can be used"),
        (
            '{"checks": {"a": {"fall": 1' + "0" * 5000 + "}}}",
            "c.json: checks.a.fall: 10000000000000000000… is not a number that can be used",
        ),
        (
            '{"checks": {"a": {"body": ["", "\\ud800"]}}}',
            "c.json: checks.a.body[1]: not a text: half of a surrogate pair",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_json_is_refused(write: Write, content: object, message: str) -> None:
    """The message has the file, and the line or the key."""
    assert refused(write("c.json", content)) == message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "checks: there are none, so there is nothing to poll"),
        ({"checks": {}}, "checks: there are none, so there is nothing to poll"),
        ({"chekcs": {}}, "chekcs: unknown section; did you mean 'checks'?"),
        ({"checks": []}, "checks must be an object, got a list"),
        ({"checks": {"a": "tcp://a:1"}}, "checks.a must be an object, got a text"),
        ({"checks": {"a": None}}, "checks.a must be an object, got null"),
        ({"checks": {"a": {"every": 5}}}, "checks.a: target is missing"),
        ({"checks": {"a": {"target": 5}}}, "checks.a.target must be an address, got a number"),
        ({"checks": {"a": {"target": ["tcp://a:1"]}}}, "checks.a.target must be an address, got a list"),
        ({"checks": {"": {"target": "tcp://a:1"}}}, 'checks."": name must be a printable text of 1 to 200 characters'),
        (one(evry=5), "checks.search.evry: unknown option; did you mean 'every'?"),
        (one(every=-1), "checks.search.every must be > 0, got -1"),
        (one(every="5"), "checks.search.every must be a number of seconds, got '5'"),
        (one(every=True), "checks.search.every must be a number of seconds, got True"),
        (one(timeout=None), "checks.search.timeout must be a number of seconds, got None"),
        (one(fall=0), "checks.search.fall must be a whole number, 1 or more, got 0"),
        (one(critical="yes"), "checks.search.critical must be True or False, got 'yes'"),
        (one(tags=["a"]), "checks.search.tags must be a dict of texts, got ['a']"),
        (one(headers="A: b"), "checks.search.headers must be a dict, got str"),
        (one(expect={"json_": 1}), "checks.search.expect: unknown condition 'json_'; did you mean 'json'?"),
        (one(expect={"status_code": "2x"}), "checks.search.expect: status_code: expected a number of three digits"),
        (one(expect={"callback": "f"}), "checks.search.expect: callback: expected a function of the Response, got 'f'"),
        (one(warn_if={"latency": 1}), 'checks.search.warn_if: latency says what is bad here; write {"gt": 1}'),
        ({"checks": {"a b": {"target": "tcp://a:1", "fall": 0}}}, 'checks."a b".fall must be a whole number'),
        ({"checks": {"a": {"target": "tcp://a:1", "body": ""}}}, "checks.a: body is for http:// and https:// targets"),
        ({"server": []}, "server must be an object, got a list"),
        ({"server": {"prt": 80}, **one()}, "server.prt: unknown option; did you mean 'port'?"),
        ({"server": {"port": "80"}, **one()}, "server.port must be a whole number from 0 to 65535, got '80'"),
        ({"server": {"token": ""}, **one()}, "server.token must not be empty; leave it out to have none"),
        ({"server": {"details": "no"}, **one()}, "server.details must be never, authorized or always, got 'no'"),
        ({"server": {"host": ""}, **one()}, "server.host must be an address, got ''"),
        ({"monitor": {"max_wrokers": 2}, **one()}, "monitor.max_wrokers: unknown option; did you mean 'max_workers'?"),
        ({"monitor": {"min_workers": 0}, **one()}, "monitor.min_workers must be a whole number, 1 or more, got 0"),
        (
            {"monitor": {"min_workers": 9, "max_workers": 2}, **one()},
            "monitor.min_workers (9) must not exceed max_workers",
        ),
        ({"monitor": {"name": 5}, **one()}, "monitor.name must be a printable text, got 5"),
        ({"monitor": {"defaults": 5}, **one()}, "monitor.defaults must be an object, got a number"),
        (
            {"monitor": {"defaults": {"evry": 5}}, **one()},
            "monitor.defaults.evry: unknown option; did you mean 'every'?",
        ),
        ({"monitor": {"defaults": {"every": 0}}, **one()}, "monitor.defaults.every must be > 0, got 0"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_values_are_refused_with_their_key(write: Write, document: object, message: str) -> None:
    """The message has the file, the path of the key, and what would be right."""
    assert refused(write("c.json", document)).startswith(f"c.json: {message}")


def test_an_authority_that_is_not_there_is_refused(write: Write) -> None:
    """A `ca_file` is read before anything starts, and its check is named."""
    document = {"checks": {"search": {"target": "https://127.0.0.1/", "ca_file": {"env": "CA"}}}}
    message = refused(write("c.json", document), CA="/no/such/file.pem")
    assert message.startswith("c.json: checks.search: ") and "/no/such/file.pem" in message


@pytest.mark.parametrize(
    "said", [{"ca_file": "tls/x.pem"}, {"cert": "tls/x.pem"}, {"cert": ["tls/x.pem", "tls/y.pem"]}]
)
def test_files_are_meant_from_the_folder_of_the_file(write: Write, said: dict[str, Any]) -> None:
    """Wherever the program was started."""
    path = write("c.json", one(**{**said, "target": "https://127.0.0.1/"}))
    message = refused(path)
    assert (True, True) == (
        message.startswith("c.json: checks.search: "),
        str(pathlib.Path(path).parent / "tls/x.pem") in message,
    )


def test_an_unknown_scheme_is_refused_with_a_hint(write: Write) -> None:
    """The message has the check and the scheme that was meant."""
    message = refused(write("c.json", {"checks": {"a": {"target": "htps://a/"}}}))
    assert message.startswith("c.json: checks.a: unknown scheme 'htps' in target; did you mean 'https'?")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.json", "missing.json: cannot be read: No such file or directory"),
        ("folder.json", "folder.json: cannot be read: Is a directory"),
        ("nul\0.json", "nul\0.json: cannot be read: embedded null byte"),
        ("c.yaml", "c.yaml: unknown kind of file; the name has to end in .py, .json, .toml"),
        ("noend", "noend: unknown kind of file; the name has to end in .py, .json, .toml"),
    ],
)
def test_what_is_no_configuration_file_is_refused(
    tmp_path: pathlib.Path, write: Write, name: str, message: str
) -> None:
    """The message says what is wrong with the file itself."""
    (tmp_path / "folder.json").mkdir()
    for other in ("c.yaml", "noend"):
        write(other, "a")
    assert refused(str(tmp_path / name)) == message


def test_an_endless_file_is_refused(tmp_path: pathlib.Path) -> None:
    """No more than so many bytes are read."""
    path = tmp_path / "c.json"
    with path.open("wb") as file:
        file.truncate(files.LARGEST + 1)
    assert refused(str(path)) == f"c.json: larger than {files.LARGEST} bytes"


# --- secrets


def test_secrets_are_put_in_where_texts_are_expected(tmp_path: pathlib.Path, write: Write) -> None:
    """Variables and files stand for texts in the server, the monitor, the checks and the defaults."""
    write("token.txt", "from a file\r\n")
    env, file = {"env": "SECRET"}, {"file": "token.txt"}
    document = {
        "server": {"host": {"env": "HOST"}},
        "monitor": {"name": file, "defaults": {"headers": {"X-Default": env}}},
        "checks": {
            "search": {
                "target": {"env": "TARGET"},
                "group": env,
                "tags": {"team": env},
                "body": file,
                "method": {"env": "METHOD"},
                "headers": {"Authorization": env, "X-File": {"file": str(tmp_path / "token.txt")}},
            },
            "other": {"target": "http://127.0.0.1/"},
        },
    }
    path = write("c.json", document)
    secrets = {"SECRET": "from the environment", "HOST": "127.0.0.2", "TARGET": "http://127.0.0.3/", "METHOD": "PUT"}
    made = built(path, **secrets)
    first, other = made.checks
    assert (made.server, made.monitor.name, first.target, first.group, first.tags, first.options, other.options) == (
        {"host": "127.0.0.2"},
        "from a file",
        "http://127.0.0.3/",
        "from the environment",
        {"team": "from the environment"},
        {
            "body": "from a file",
            "method": "PUT",
            "headers": {"Authorization": "from the environment", "X-File": "from a file"},
        },
        {"headers": {"X-Default": "from the environment"}},
    )


@pytest.mark.parametrize(
    ("expect", "body", "ok"),
    [
        ({"text": {"env": "SECRET"}}, "s3cret", True),
        ({"contains": {"env": "SECRET"}}, "a s3cret b", True),
        ({"contains": ["a", {"env": "SECRET"}]}, "a", False),
        ([{"text": "x"}, {"text": {"env": "SECRET"}}], "s3cret", True),
        ({"json": {"env": "SECRET"}}, '{"env": "SECRET"}', True),
    ],
    ids=str,
)
def test_secrets_are_put_into_conditions_that_expect_texts(write: Write, expect: Any, body: str, ok: bool) -> None:
    """`text` and `contains` take secrets, under `json` the same form is a value like others."""
    from minimon.conditions import Condition

    check = built(write("c.json", one(expect=expect)), SECRET="s3cret").checks[0]
    assert check.expect is not None
    assert (Condition(check.expect, "").unmet(Response(200, body)) is None) is ok


def test_headers_and_tags_may_be_called_env_and_file(write: Write) -> None:
    """An object of texts is no secret, whatever its keys are called."""
    check = built(write("c.json", one(headers={"env": "a"}, tags={"file": "b"}))).checks[0]
    assert (check.options["headers"], check.tags) == ({"env": "a"}, {"file": "b"})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"target": {"env": "NO"}}, "checks.search.target: there is no environment variable 'NO'"),
        ({"target": {"env": 5}}, 'checks.search.target: a secret is written {"env": "NAME"} or {"file": "PATH"}'),
        ({"group": {"env": "A", "file": "B"}}, 'checks.search.group: a secret is written {"env": "NAME"} or'),
        ({"group": {"enw": "A"}}, 'checks.search.group: a secret is written {"env": "NAME"} or'),
        ({"headers": {"A": {"env": "NO"}}}, "checks.search.headers.A: there is no environment variable 'NO'"),
        ({"expect": [{"text": {"env": "NO"}}]}, "checks.search.expect[0].text: there is no environment variable 'NO'"),
        ({"every": {"env": "SECRET"}}, "checks.search.every must be a number of seconds, got {'env': 'SECRET'}"),
    ],
    ids=str,
)
def test_bad_secrets_are_refused_with_their_key(write: Write, said: Any, message: str) -> None:
    """The message has the path of the key that the secret was for."""
    assert refused(write("c.json", one(**said)), SECRET="5").startswith(f"c.json: {message}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("no", None, "cannot be read: No such file or directory"), ("bad", b"\xff", "not UTF-8: byte 0xff")],
)
def test_a_secret_file_that_cannot_be_used_is_refused(
    write: Write, name: str, content: bytes | None, message: str
) -> None:
    """The message has the key and the file of the secret."""
    if content is not None:
        write(name, content)
    text = refused(write("c.json", one(headers={"A": {"file": name}})))
    assert text.startswith("c.json: checks.search.headers.A: ") and text.endswith(message)


@pytest.mark.parametrize(
    "said",
    [{"target": {"env": "S"}}, {"method": {"env": "S"}}, {"group": {"env": "S"}}, {"headers": {"A": {"env": "S"}}}],
    ids=str,
)
def test_a_secret_is_not_told_by_an_error(write: Write, said: Any) -> None:
    """A secret that does not fit is refused without a part of it in the message."""
    message = refused(write("c.json", one(**said)), S="hunter2\nhunter2")
    assert ("hunter2" in message, message.startswith(f"c.json: checks.search.{next(iter(said))}")) == (False, True)


# --- Python files

RESOURCES = """
import types

def resource(name):
    return types.SimpleNamespace(name=name, url="http://a/", polling_interval=1, check=None)

"""


def test_a_python_file_defines_checks(write: Write) -> None:
    """The list `checks` holds the checks, in its order."""
    text = "from minimon import Check\nchecks = [Check('b', 'tcp://a:1', every=3), Check('a', lambda: True)]"
    assert [(c.name, c.every) for c in built(write("c.py", text)).checks] == [("b", 3.0), ("a", 10.0)]


def test_a_configuration_of_taht_is_read_as_it_is() -> None:
    """A file that defines its own namedtuple and repeats itself becomes Resources of different names."""
    made = built(str(DATA / "taht_config.py"))
    names = [check.name for check in made.checks]
    assert names == ["rogue", "any content", "rogue #2", "no content", "rogue #3"]


def test_the_interval_of_an_older_resource_is_drawn_anew(write: Write) -> None:
    """`polling_interval` stays a function."""
    made = built(str(DATA / "taht_config.py"))
    assert all(callable(check.every) and 0 < check.every() for check in made.checks)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x", "x", "x"], ["x", "x #2", "x #3"]),
        (["x #2", "x", "x"], ["x #2", "x", "x #3"]),
        (["x", "x", "x #2"], ["x", "x #2", "x #2 #2"]),
    ],
)
def test_repeats_are_renamed(write: Write, names: list[str], expected: list[str]) -> None:
    """The second and third `x` become `x #2` and `x #3`, whatever else is in the list."""
    path = write("c.py", RESOURCES + f"to_monitor = [resource(name) for name in {names}]")
    assert [check.name for check in built(path).checks] == expected


def test_a_renamed_resource_keeps_its_options(write: Write) -> None:
    """Of minimon's own Resource nothing but the name changes."""
    text = "from minimon import Resource\nto_monitor = [Resource('x', 'http://a/', 4, timeout=3, fall=7)] * 2"
    check = built(write("c.py", text)).checks[1]
    assert (check.name, check.every, check.timeout, check.fall) == ("x #2", 4.0, 3.0, 7)


@pytest.mark.long
def test_ten_thousand_repeats_are_renamed_quickly(write: Write) -> None:
    """The names of repeats are not searched for one by one."""
    assert built(write("c.py", RESOURCES + "to_monitor = [resource('x')] * 10000")).checks[-1].name == "x #10000"


def test_a_python_file_knows_where_it_is_and_what_is_beside_it(write: Write) -> None:
    """`__file__` is its path, and modules of its folder can be imported."""
    write("beside_c.py", "from minimon import Check\nchecks = [Check('beside', lambda: True)]")
    path = write("c.py", "from beside_c import checks\nassert __file__ == %r and __name__ != '__main__'")
    pathlib.Path(path).write_text(pathlib.Path(path).read_text() % path)
    assert built(path).checks[0].name == "beside"


def test_a_python_file_leaves_no_trace(tmp_path: pathlib.Path, write: Write) -> None:
    """Neither the path nor the modules are changed after it, even when it fails."""
    before = list(sys.path)
    refused(write("c.py", "import sys\nassert sys.modules[__name__].__file__ == __file__\n1 / 0"))
    assert (sys.path, config.MODULE in sys.modules) == (before, False)


def test_a_python_file_may_define_dataclasses(write: Write) -> None:
    """Classes that look up the module they are in find it."""
    text = """
from __future__ import annotations
import dataclasses, typing

@dataclasses.dataclass
class R:
    kind: typing.ClassVar[str] = "r"
    name: str = "x"
    url: str = "http://a/"
    polling_interval: float = 1
    check: object = None

to_monitor = (R(),)
"""
    assert [check.name for check in built(write("c.py", text)).checks] == ["x"]


def test_the_future_of_this_package_is_not_that_of_the_file(write: Write) -> None:
    """Compiler switches of minimon's own modules do not hold for the file."""
    text = "from minimon import Check\ndef f(a: 1): ...\nassert f.__annotations__ == {'a': 1}\nchecks = [Check('a', f)]"
    assert len(built(write("c.py", text)).checks) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "c.py: the file is empty"),
        ("x = 1", "c.py: defines neither checks nor to_monitor"),
        ("checks = to_monitor = []", "c.py: defines both checks and to_monitor: keep one"),
        ("checks = 5", "c.py: checks must be a list, got int"),
        ("checks = 'abc'", "c.py: checks must be a list, got str"),
        ("checks = {}", "c.py: checks must be a list, got dict"),
        ("import json as checks", "c.py: checks must be a list, got module"),
        ("checks = []", "c.py: checks: there are none, so there is nothing to poll"),
        ("to_monitor = ()", "c.py: to_monitor: there are none, so there is nothing to poll"),
        ("checks = [5]", "c.py: checks[0] must be a Check, got builtins.int; older resources belong in to_monitor"),
        (
            "from minimon import Check\nchecks = [Check('a', 'tcp://a:1'), Check('a', 'tcp://a:2')]",
            "c.py: checks[1]: 'a' is the name of checks[0] too; names must differ",
        ),
        (
            "from minimon import Check\n\nchecks = [Check('a', 'tcp://a')]",
            "c.py:3: check 'a': target has no port; write tcp://host:port",
        ),
        ("def f():\n    1 / 0\nf()", "c.py:2: ZeroDivisionError: division by zero"),
        ("\nimport no_such_module_at_all", "c.py:2: ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("import sys\nsys.exit('bye')", "c.py:2: SystemExit: bye"),
        ("import sys\nsys.exit()", "c.py:2: SystemExit"),
        ("raise ValueError('a\\x1b[31m\\nb')", "c.py:1: ValueError: a [31m b"),
        ("def f(): f()\nf()", "c.py:1: RecursionError: maximum recursion depth exceeded"),
        ("x = 1\nx ==== 2", "c.py:2: SyntaxError: invalid syntax"),
        ("to_monitor = [5]", "c.py: to_monitor[0]: int has no name, no url, no polling_interval, no check"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_python_files_are_refused(write: Write, text: str, message: str) -> None:
    """The message has the file, and the line of what it did or the name of what it defines."""
    assert refused(write("c.py", text)) == message


@pytest.mark.parametrize(
    "content", [b"x = 1\0", b"x = '\xff'", "(" * 1000, "-" * 100_000 + "1"], ids=lambda c: str(c)[:9]
)
def test_what_python_cannot_read_is_refused(write: Write, content: object) -> None:
    """Whatever the compiler raises, the message has the file."""
    assert refused(write("c.py", content)).startswith("c.py:")


def test_the_line_is_that_of_the_file_not_of_what_it_calls(write: Write) -> None:
    """When a module raises that the file imports, the line of the import is told."""
    write("broken_beside_c.py", "x = (\n")
    message = refused(write("c.py", "\n\nimport broken_beside_c"))
    assert message.startswith("c.py:3: SyntaxError: ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("name='x', url='http://a/'", "SimpleNamespace has no polling_interval, no check"),
        ("name='', url='http://a/', polling_interval=1, check=None", "check '': name must be"),
        ("name=5, url='http://a/', polling_interval=1, check=None", "check 5: name must be"),
        ("name='x', url=5, polling_interval=1, check=None", "check 'x': target must be an address"),
        ("name='x', url='http://a/', polling_interval=0, check=None", "check 'x': polling_interval must be > 0, got 0"),
        ("name='x', url='http://a/', polling_interval='5', check=None", "check 'x': polling_interval must be a number"),
        ("name='x', url='http://a/', polling_interval=1, check=5", "check 'x': check must be a function"),
    ],
)
def test_bad_resources_are_refused_with_their_place(write: Write, fields: str, message: str) -> None:
    """The message has the place in the list and what is wrong with it."""
    text = f"from types import SimpleNamespace as R\nto_monitor = [R({fields})]"
    assert refused(write("c.py", text)).startswith(f"c.py: to_monitor[0]: {message}")


def test_a_resource_whose_attributes_raise_is_refused(write: Write) -> None:
    """A property of the file may do anything."""
    text = "class R:\n    name = property(lambda self: 1 / 0)\nto_monitor = [R()]"
    assert refused(write("c.py", text)) == "c.py: to_monitor[0]: ZeroDivisionError: division by zero"


def test_an_interrupt_is_not_taken_for_an_error_of_the_file(write: Write) -> None:
    """Ctrl-C while a file is executed ends the program as ever."""
    with pytest.raises(KeyboardInterrupt):
        config.load(write("c.py", "raise KeyboardInterrupt"))


def test_the_tables_of_texts_name_what_there_is() -> None:
    """Every option that takes a secret is an option of a check."""
    from minimon.checks import VALUES
    from minimon.conditions import all_keys
    from minimon.options import OPTIONS

    known = {"target", *VALUES, *OPTIONS}
    assert (
        {*config.TEXTS, *config.TEXTS_BY_NAME, *config.CONDITIONS} - known,
        {*config.TEXTS_EXPECTED} - {*all_keys()},
    ) == (
        set(),
        set(),
    )


def test_the_example_of_the_reference_can_be_built(write: Write) -> None:
    """The JSON that the docstring shows is a configuration."""
    text = config.__doc__ or ""
    made = built(write("c.json", text[text.index("    {\n") : text.index("\n    }\n") + 6]), LOGIN_TOKEN="t")
    assert [type(check) for check in made.checks] == [Check, Check]
