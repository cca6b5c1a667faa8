"""Processes on the status page: what is told of each, what comes first, that nothing of theirs is markup."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from test_page import EVERY, EVIL, NOW, OURS, Document, damaged, stamp
from test_page import snapshot as checked

from minimon.serve.page import LARGEST, MOST, page
from minimon.serve.page_assets import GLYPHS
from minimon.serve.page_processes import LOOKS, TROUBLED

UP = ("starting", "running", "ready", "stopping")


def process(state: str = "ready", **more: Any) -> dict[str, Any]:
    """A process as a snapshot has it."""
    up = state in UP
    return {
        "id": 1,
        "state": state,
        "since": stamp(200),
        "pid": 4711 if up else None,
        "code": None,
        "why": "",
        "well": True,
        "wanted": True,
        "uptime_s": 3725.0 if up else None,
        "restarts": 0,
        "next_in_s": None,
        "command": "python3 web.py",
        "restart": "on-failure",
        "depends_on": {},
        "output_bytes": 12044,
        "dropped_bytes": 0,
        "log": ["listening on 8080"],
        **more,
    }


def supervised(processes: dict[str, Any], overall: str = "healthy", **more: Any) -> dict[str, Any]:
    """A document as Supervisor.snapshot() makes it, of these processes."""
    service = {"name": "processes", "version": "0.1.0", "pid": 42, "started_at": stamp(3726), "uptime_s": 3726.0}
    counts = {state: sum(each.get("state") == state for each in processes.values()) for state in LOOKS}
    event = {"at": stamp(200), "process": "web", "kind": "change", "before": "starting", "after": "ready", "detail": ""}
    whole = {"schema": 1, "service": service, "status": "running", "overall": overall, "counts": counts}
    return {**whole, "processes": processes, "events": [event], "guard_pid": 43, "lacking": [], **more}


def html(processes: dict[str, Any], **more: Any) -> str:
    """The page of these processes."""
    return page(supervised(processes, **more), nonce="n0nce").decode("utf-8")


def names(processes: dict[str, Any]) -> list[str]:
    """The names in the order of the page."""
    return re.findall(r"<h3><bdi>(.*?)</bdi></h3>", html(processes))


def cells(view: dict[str, Any]) -> dict[str, str]:
    """What stands in the columns of a process."""
    found = re.findall(r'<span class="u [^"]*"><small>(\w+)</small>(.*?)</span>', html({"web": view}))
    return {label: re.sub("<[^>]*>", "", value) for label, value in found}


def facts(view: dict[str, Any], name: str = "web") -> dict[str, str]:
    """What is told of a process when it is unfolded."""
    found = re.findall(r"<dt>([^<]*)</dt><dd>(.*?)</dd>", html({name: view}).partition('class="facts"')[2])
    return {label: re.sub("<[^>]*>", "", value) for label, value in found}


ILL = "it ended with code 3"
ALL = {
    "up": process(),
    "job": process("exited", code=0),
    "off": process("stopped", wanted=False),
    "begins": process("starting", well=False),
    "waits": process("stopped", well=False, why="waits for begins to be ready", since=None),
    "again": process("backoff", well=False, why=ILL, code=3, next_in_s=5.43, restarts=4, restart="always"),
    "sick": process("running", why="it does not live: connect: Connection refused"),
    "ended": process("exited", well=False, why=ILL, code=3),
    "gone": process("failed", well=False, why="it was not ready in time", code=-9),
}
"""One in every state, with and without trouble, the best first."""


# states


@pytest.mark.parametrize(
    ("view", "look"),
    [
        (process("ready"), ("up", "●", "ready")),
        (process("running"), ("up", "●", "running")),
        (process("running", why="it does not live"), ("degraded", "▲", "running")),
        (process("starting", well=False), ("unknown", "◌", "starting")),
        (process("stopping"), ("unknown", "◌", "stopping")),
        (process("stopping", why="it does not live"), ("degraded", "▲", "stopping")),
        (process("backoff", why=ILL, well=False), ("degraded", "▲", "backoff")),
        (process("exited", code=0), ("up", "✓", "exited")),
        (process("exited", code=3, why=ILL, well=False), ("down", "▼", "exited")),
        (process("failed", why=ILL, well=False), ("down", "▼", "failed")),
        (process("stopped", wanted=False), ("paused", "‖", "stopped")),
        (process("stopped", why="waits for db", well=False), ("unknown", "◌", "stopped")),
        (process("stopped", well=False), ("unknown", "◌", "stopped")),
        (process("risen"), ("unknown", "◌", "risen")),
        (process(None), ("unknown", "◌", "unknown")),  # type: ignore[arg-type]
    ],
)
def test_a_state_has_colour_glyph_and_word(view: dict[str, Any], look: tuple[str, str, str]) -> None:
    """As checks have; what has ended as it should is no trouble, what has ended otherwise is."""
    pattern = r'<li class="check process (\w+)[ t]*"><span class="s"><i aria-hidden="true">(.)</i>(\w+)</span>'
    assert [look] == re.findall(pattern, html({"web": view}))


def test_every_look_is_one_of_a_check() -> None:
    """So that there are colours for it."""
    assert {*GLYPHS} >= {*LOOKS.values(), *TROUBLED.values()}


def test_what_is_in_trouble_comes_first() -> None:
    """What has failed, what is down for now, what runs but is not well, what is under way; the rest as it was given."""
    found = names(ALL)
    assert ["ended", "gone", "again", "sick", "begins", "waits", "up", "job", "off"] == found


def test_how_many_are_in_trouble_is_told() -> None:
    """Beside the heading."""
    assert '<h2>Processes</h2><span class="mute">6 of 9 troubled</span>' in html(ALL)


# the headline


def test_the_headline_has_the_word_and_counts_by_state() -> None:
    """The worst first; those that have ended well apart from the others."""
    text = html({**ALL, "up2": process()}, overall="unhealthy")
    found = re.findall(r'<li class="(\w+)"><b><i aria-hidden="true">(.)</i>(\d+)</b> (\w+)</li>', text)
    told = [f"{glyph} {number} {word}" for _, glyph, number, word in found]
    first = ["▼ 1 failed", "▼ 1 exited", "▲ 1 backoff", "▲ 1 running", "◌ 1 starting", "◌ 1 stopped"]
    assert ("<b>Unhealthy</b>" in text, [*first, "● 2 ready", "✓ 1 exited", "‖ 1 stopped"]) == (True, told)


@pytest.mark.parametrize(
    ("processes", "overall", "title"),
    [
        (ALL, "unhealthy", "▼ 1 failed · processes"),
        ({"a": process("backoff", why=ILL)}, "unhealthy", "▼ 1 backoff · processes"),
        ({"a": process(), "b": process("exited")}, "healthy", "● healthy · processes"),
    ],
)
def test_the_title_tells_the_worst(processes: dict[str, Any], overall: str, title: str) -> None:
    """So that a tab does."""
    assert [title] == Document(html(processes, overall=overall)).text("title")[:1]


@pytest.mark.parametrize("status", ["shutdown", "force shutdown"])
def test_one_that_is_being_stopped_is_draining(status: str) -> None:
    """As `/health` has it."""
    text = html(ALL, status=status)
    assert ("<b>Draining</b>" in text, f"<dt>status</dt><dd>{status}</dd>" in text) == (True, True)


# each process


def test_columns_tell_of_the_run() -> None:
    """For how long, the pid, restarts; no exit code yet."""
    assert {"up": "1 h 2 min", "pid": "4711", "restarts": "2", "exit": "–"} == cells(process(restarts=2))


@pytest.mark.parametrize(("code", "shown"), [(0, "0"), (3, "3"), (-9, "signal 9"), (None, "–"), ("3", "–")])
def test_an_exit_is_a_code_or_a_signal(code: Any, shown: str) -> None:
    """Nothing, where it was lost."""
    assert {"up": "–", "pid": "–", "restarts": "0", "exit": shown} == cells(process("exited", code=code))


def test_the_uptime_goes_on_by_script() -> None:
    """The instant of the launch is in the markup."""
    assert f'<small>up</small><time datetime="{stamp(3725)[:-1]}+00:00">1 h 2 min</time>' in html({"web": process()})


def test_the_uptime_is_told_where_the_time_of_the_snapshot_is_not() -> None:
    """A span alone."""
    text = html({"web": process()}, service={}, events=[])
    assert "<small>up</small>1 h 2 min</span>" in text


def test_why_stands_under_the_name() -> None:
    """What is wrong, and what it waits for."""
    text = html(ALL)
    assert [True, True] == [f"<p>{why}</p>" in text for why in (ILL, "waits for begins to be ready")]


def test_the_next_start_is_told() -> None:
    """Of what has ended and is launched again."""
    assert '<em class="w">next start in 5.4 s</em>' in html(ALL)


def test_a_command_stands_in_one_line() -> None:
    """Shortened; longer when it is unfolded."""
    command = "run " + "x" * 400
    text = html({"web": process(command=command)})
    assert (f'<p class="cmd">{command[:199]}…</p>' in text, f'<span class="cmd">{command}</span>' in text) == (
        True,
        True,
    )


@pytest.mark.parametrize(("view", "is_open"), [(ALL["gone"], True), (ALL["begins"], True), (process(), False)])
def test_the_last_lines_stand_open_where_there_is_trouble(view: dict[str, Any], is_open: bool) -> None:
    """Elsewhere they are folded away."""
    text = html({"web": view})
    assert is_open == (text.index("<pre>listening on 8080</pre>") < text.index("<details"))


def test_lines_stay_lines() -> None:
    """With what they are indented by; the last of many."""
    lines = ["first", *("x" for _ in range(18)), "def f():", "    <b>"]
    assert f"<pre>{'x' + chr(10)}" in html({"web": process(log=lines)})
    assert "\ndef f():\n    &lt;b&gt;</pre>" in html({"web": process(log=lines)})


def test_a_process_that_has_written_nothing_has_no_empty_box() -> None:
    """It says so."""
    view = process(log=[], output_bytes=0)
    assert (False, "nothing yet") == ("<pre>" in html({"web": view}), facts(view)["output"])


def test_more_is_told_when_it_is_unfolded() -> None:
    """What it depends on, when it is launched again, what was lost of its output."""
    view = process(depends_on={"db": "ready", "job": "completed"}, dropped_bytes=1300)
    expected = {
        "command": "python3 web.py",
        "since": "07:30:03 UTC",
        "depends on": "db (ready), job (completed)",
        "launched again": "after a failure",
        "output": "12,044 bytes, 1,300 of them dropped",
        "all of it": "the last 100 lines, as JSON",
    }
    assert expected == {label: value for label, value in facts(view).items() if label in expected}


@pytest.mark.parametrize(
    ("status_url", "links"),
    [
        ("status", ["processes/a%2Fb%20c/log", "processes/a%2Fb%20c"]),
        ("/-/status", ["/-/processes/a%2Fb%20c/log", "/-/processes/a%2Fb%20c"]),
        ("/elsewhere", []),
    ],
)
def test_links_lead_to_the_routes_of_the_supervisor(status_url: str, links: list[str]) -> None:
    """Beside `/status`."""
    text = page(supervised({"a/b c": process()}), nonce="n", status_url=status_url).decode()
    found = [each["href"].removeprefix("./") for each in Document(text).all("a")]
    assert links == [each for each in found if "processes/" in each]


@pytest.mark.parametrize("name", [".", "..", "x" * 300])
def test_a_name_that_would_lead_elsewhere_has_no_link(name: str) -> None:
    """Browsers shorten paths."""
    assert "processes/" not in html({name: process()})


# events, and the supervisor itself


def test_events_tell_of_processes() -> None:
    """Latest first, with both states, and why."""
    events = [
        {"at": stamp(300), "process": "job", "kind": "change", "before": "running", "after": "exited", "detail": ""},
        {"at": stamp(200), "process": "web", "kind": "change", "before": "running", "after": "exited", "detail": ILL},
    ]
    text = html({"web": process()}, events=events)
    rows = [re.sub(r"<[^>]*>", "", row).strip() for row in text[text.index("Events") :].split("<tr>")[1:]]
    expected = ["whenprocesswhatdetail", f"07:30:03 3 min agowebrunning → ▼ exited{ILL}"]
    assert [*expected, "07:28:23 5 min agojobrunning → ✓ exited"] == [row.partition("\n")[0] for row in rows]


def test_the_supervisor_itself_has_its_own_section() -> None:
    """After its processes: its state, and the guard."""
    text = html({"web": process()}, status="launching processes")
    own = text[text.index("The supervisor itself") :]
    found = re.findall(r"<dt>(\w+)</dt><dd>([^<]*)</dd>", own[: own.index("</dl>")])
    assert [("status", "launching processes"), ("guard", "process 43"), ("lacking", "nothing")] == found


def test_what_is_lacking_is_marked() -> None:
    """Each with a line."""
    text = html({"web": process()}, lacking=["no <guard>", "no /proc"], guard_pid=None)
    found = re.findall(r'<div class="w"><dt>lacking</dt><dd>([^<]*)</dd>', text)
    assert (["no &lt;guard&gt;", "no /proc"], True) == (found, "<dt>guard</dt><dd>none</dd>" in text)


def test_a_supervisor_without_programs_says_so() -> None:
    """There is no empty list."""
    assert "There is no process." in html({})


def test_processes_of_another_kind_are_shown_as_values() -> None:
    """A host may use the word as well."""
    text = page({"processes": {"web": 3, "db": "busy"}}, nonce="n").decode()
    assert "<dt>web</dt><dd>3</dd><dt>db</dt><dd>busy</dd>" in text


# beside others


def together(*subjects: dict[str, Any]) -> str:
    """The page of several subjects, as a server serves it."""
    whole = {"schema": 1, "overall": "unhealthy", "status": "running", "subjects": subjects}
    return page(whole, nonce="n", status_url="status").decode()


def test_beside_a_monitor_both_are_counted() -> None:
    """A line for each kind, which is named; the title tells the worst of both."""
    text = together(checked({"a": EVERY["queue"]}), supervised(ALL))
    told = re.findall(r'<ul class="counts" role="list"><li class="mute">(\w+)</li>', text)
    assert (["checks", "processes"], ["▼ 1 failed · 2 subjects"]) == (told, Document(text).text("title")[:1])


def test_beside_others_it_has_a_section_of_its_own() -> None:
    """With links for the first supervisor, which answers for them; and nothing is there twice."""
    read = Document(together(checked(EVERY), supervised({"web": process()}), supervised({"web": process()})))
    ids = [each["id"] for _, each in read.elements if "id" in each]
    links = [each["href"] for each in read.all("a") if "processes/" in each["href"]]
    assert (["shop", "processes", "processes"], [], 2) == (read.text("h2"), read.faults, len(links))
    assert sorted({*ids}) == sorted(ids)


# what never happens


def test_hostile_texts_are_text() -> None:
    """Names, commands, reasons and output, wherever they stand."""
    one = process("failed", why=EVIL, command=EVIL, log=[EVIL] * 9, depends_on={EVIL: EVIL}, restart=EVIL, pid=EVIL)
    bad = {EVIL: one, f"{EVIL}2": {**one, "state": EVIL, "since": EVIL, "code": EVIL}, "up": {**one, "state": "ready"}}
    event = {"at": EVIL, "process": EVIL, "kind": EVIL, "before": EVIL, "after": EVIL, "detail": EVIL}
    whole = supervised(bad, events=[event], lacking=[EVIL], status=EVIL, guard_pid=EVIL, service={"name": EVIL})
    read = Document(page(whole, nonce="n").decode("utf-8"))
    assert ([], 1, []) == (read.faults, len(read.all("script")), [tag for tag, _ in read.elements if tag not in OURS])
    assert [] == [name for _, each in read.elements for name in each if name == "style" or name.startswith("on")]


def test_direction_and_control_characters_are_left_out() -> None:
    """Output cannot turn around what stands beside it."""
    text = html({"a\u202eb": process("failed", log=["x\u2066y\x85z\x1b[31m"], command="\u202erm")})
    assert [] == re.findall("[\u202a-\u202e\u2066-\u2069\u2028\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


def test_secrets_of_addresses_are_masked() -> None:
    """In commands and in output, as everywhere else."""
    text = html({"a": process(command="run https://me:secret@host/", log=["GET http://host/?token=secret"])})
    assert 0 == text.count("secret")


@pytest.mark.parametrize("seed", range(20))
def test_damaged_documents_make_whole_pages(seed: int) -> None:
    """Some hundred, none as it should be."""
    dice = random.Random(seed)
    pages = [page(damaged(supervised(ALL), dice), nonce="n").decode("utf-8") for _ in range(5)]
    assert [] == [fault for text in pages for fault in Document(text).faults]


def test_a_page_of_many_is_bounded() -> None:
    """The most troubled are shown, of the others there is a number."""
    text = html({**{f"web-{number}": process() for number in range(MOST)}, "late": ALL["gone"]})
    shown = re.findall(r"<h3><bdi>(.*?)</bdi></h3>", text)
    assert (MOST, "late", True) == (len(shown), shown[0], "1 more process is not shown" in text)


def test_long_texts_show_fewer_processes() -> None:
    """It is bounded in bytes too."""
    long = process("failed", why="&" * 9000, command="&" * 9000, log=["&" * 9000] * 50)
    made = page(supervised({f"{number}": long for number in range(200)}), nonce="n")
    assert (True, True) == (len(made) < LARGEST + 100_000, b"more processes are not shown" in made)


# what its markup promises


def test_elements_are_balanced_and_known() -> None:
    """Every one is closed, in order; headings leave out no level; an unfolded process keeps its id."""
    read = Document(html(ALL))
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    ids = {each["id"] for each in read.all("details")}
    assert ([], {f"c0-{name}" for name in ALL}) == (read.faults, ids)
    assert 1 >= max(after - before for before, after in zip(levels, levels[1:]))


def test_states_are_those_of_the_supervisor() -> None:
    """Each has a look."""
    lifecycle = pytest.importorskip("minimon.processes.lifecycle")
    assert {str(state) for state in lifecycle.State} == {*LOOKS}


def test_a_real_supervisor_is_shown() -> None:
    """Its document has the shape that is expected here."""
    supervisors = pytest.importorskip("minimon.processes.supervisor")
    programs = pytest.importorskip("minimon.processes.program")
    supervisor = supervisors.Supervisor([programs.Program("web", ["true"])])
    text = page(supervisor.snapshot(), nonce="n").decode()
    told = ('<span class="s"><i aria-hidden="true">‖</i>stopped</span>', "<bdi>web</bdi>", '<p class="cmd">true</p>')
    assert [True] * 3 == [each in text for each in told]


def test_the_time_of_the_snapshot_is_known() -> None:
    """As that of a monitor's is: from its start and its uptime."""
    assert f'data-now="{NOW}"' in html({"web": process()})
