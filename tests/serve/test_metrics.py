"""/metrics: the grammar of both formats, what is told and what is absent, labels, escaping, hostile data, formats."""

from __future__ import annotations

import json
import math
import pathlib
import random
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support import few
from test_history import INF, NOON, OUTCOMES, REASONS, Kept

from minimon import Check
from minimon.latency import LE
from minimon.model import Result
from minimon.reference import ALERTS, PROCESS_ALERTS, SCRAPE
from minimon.registry import Registry
from minimon.serve.metrics import (
    BATCH,
    FAMILIES,
    LONGEST,
    OPENMETRICS,
    PAIRS,
    PROCESS_STATES,
    STATES,
    TAGS,
    TEXT,
    metrics,
    pieces,
    prefers_openmetrics,
    tag_labels,
)
from minimon.testing import FakeClock

FIGURES = {
    "workers": 2,
    "busy": 1,
    "stuck": 0,
    "queue": 3,
    "lag_s": 0.25,
    "missed": 4,
    "suspended_s": 1.5,
    "late": 5,
    "clock_jumps": 6,
    "dropped": 7,
    "callback_errors": 8,
    "lost": "",
    "state_file": {"problem": ""},
}
CERTIFICATE = {"subject": "x", "not_after": "2027-01-31T12:00:00.500Z"}
EXPIRES = 1801396800.5

Series = tuple[str, frozenset[tuple[str, str]]]
"""A name and its labels."""


# the grammar


LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-zA-Z_][a-zA-Z0-9_]*)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)")
ABOUT = re.compile(r"# (HELP|TYPE|UNIT) ([a-zA-Z_][a-zA-Z0-9_]*) (\S.*)")
ENDINGS = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"], "gauge": [""]}


def unescaped(value: str) -> str:
    """What a label's value means."""
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def labels_of(text: str | None) -> dict[str, str]:
    """The labels of a sample; none twice."""
    found = [each.partition("=") for each in re.findall(LABEL, text or "")]
    assert len({name for name, _, _ in found}) == len(found)
    return {name: unescaped(value[1:-1]) for name, _, value in found}


def read(body: bytes, openmetrics: bool = False) -> dict[Series, float]:
    """Every sample. Fails unless each line is one, or tells of the family that those after it belong to."""
    text = body.decode("utf-8")
    lines = text.splitlines()
    assert text.endswith("# EOF\n" if openmetrics else "\n") and len(lines) == text.count("\n")
    found: dict[Series, float] = {}
    about: dict[str, dict[str, str]] = {}
    for line in lines[:-1] if openmetrics else lines:
        told, sample = ABOUT.fullmatch(line), SAMPLE.fullmatch(line)
        if told:
            known = about.setdefault(told[2], {})
            assert told[1] not in known and (not known or list(about)[-1] == told[2]), line
            known[told[1]] = told[3]
            continue
        family, kind = list(about)[-1], about[list(about)[-1]]["TYPE"]
        endings = ENDINGS[kind] if openmetrics or kind == "histogram" else [""]
        assert sample and sample[1] in [family + ending for ending in endings], line
        series = sample[1], frozenset(labels_of(sample[2]).items())
        assert series not in found, line
        found[series] = float(sample[3])
    assert all({"HELP", "TYPE"} <= set(each) for each in about.values())
    return found


def told(document: Any) -> dict[Series, float]:
    """The samples, which are the same in both formats."""
    text, openmetrics = (metrics(document, accept)[0] for accept in ("", "application/openmetrics-text"))
    found = read(text)
    assert found == read(openmetrics, openmetrics=True)
    return found


def values(document: Any, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The samples of one name, by these of their labels."""
    samples = [(dict(of), value) for (each, of), value in told(document).items() if each == f"minimon_{name}"]
    return {tuple(of.get(label, "") for label in labels): value for of, value in samples}


def document(kept: Kept, **more: Any) -> dict[str, Any]:
    """What a Monitor says of it; through JSON, as another process would have it."""
    service = {"name": "m", "started_at": "2023-11-14T12:00:00.250Z"}
    sharing = {"role": "follower", "age_s": 0.5}
    told: dict[str, Any] = {"service": service, "sharing": sharing, **kept.registry.snapshot(), "self": FIGURES, **more}
    return dict(json.loads(json.dumps(told)))


def kept_after(letters: str, **options: Any) -> Kept:
    """One check after these runs."""
    kept = Kept(**options)
    kept.run(letters, elapsed=0.25)
    return kept


def named(*names: str, **options: Any) -> dict[str, Any]:
    """Checks of these names, whatever they are, as a foreign document might have them."""
    view = document(kept_after("p"))["checks"]["a"]
    return {"overall": "healthy", "checks": {name: {**view, **options} for name in names}, "self": FIGURES}


# what is told


def full() -> dict[str, Any]:
    """A document in which everything is known."""
    kept = kept_after("pwfu", tags={"team": "ä"}, group="g")
    kept.run("p", phases={"tls": 0.125, "total": 0.5}, transport={"certificate": CERTIFICATE})
    return document(kept, processes={"web": process()})


def process(state: str = "ready", **more: Any) -> dict[str, Any]:
    """A process as a Supervisor tells of it."""
    figures = {"uptime_s": 12.5, "restarts": 2, "output_bytes": 12044, "pid": 4711, "why": "", "command": "web"}
    return {"state": state, "well": True, **figures, **more}


def test_every_family_is_told_of_what_is_known() -> None:
    """With a name of its own, and nothing that is in no table."""
    names = {re.sub("_(bucket|count|sum)$", "", name) for name, _ in told(full())}
    assert {f"minimon_{family.name}" for family in FAMILIES} == names


@pytest.mark.parametrize(("letters", "up"), [("p", 1.0), ("w", 1.0), ("f", 0.0), ("u", None), ("", None), ("pu", None)])
def test_up_is_told_of_what_is_known_to_be_up_or_down(letters: str, up: float | None) -> None:
    """Degraded is up; of what is unknown nothing is claimed, so that an alert of 0 is heard for what is down only."""
    assert up == values(document(kept_after(letters)), "check_up").get(())


@pytest.mark.parametrize("letters", ["p", "f", "w", "u"])
def test_of_a_paused_check_neither_up_nor_state_is_told(letters: str) -> None:
    """Nobody is to be woken for it; that it is paused is told."""
    kept = kept_after(letters)
    kept.registry.pause("a", True)
    found = document(kept)
    assert ({}, {}, {(): 1.0}) == tuple(values(found, f"check_{name}") for name in ("up", "state", "paused"))


@pytest.mark.parametrize(("letters", "state"), [("p", "up"), ("w", "degraded"), ("f", "down"), ("u", "unknown")])
def test_one_state_is_one_and_the_others_are_zero(letters: str, state: str) -> None:
    """All four are there always."""
    expected = {(each,): float(each == state) for each in STATES}
    assert expected == values(document(kept_after(letters)), "check_state", "state")


def test_all_runs_are_told_from_zero_on() -> None:
    """A check that was never run has every pair of outcome and reason that is to be expected, and every bucket."""
    found = document(Kept())
    assert dict.fromkeys(PAIRS, 0.0) == values(found, "check_runs_total", "outcome", "reason")
    assert {0.0} == {*values(found, "check_duration_seconds_bucket", "le").values()}


def test_runs_are_told_by_outcome_and_reason() -> None:
    """A timeout that failed is not one that is unknown; what is not expected is told once it was seen."""
    kept = kept_after("ppwfu")
    for letter, reason in (("f", "timeout"), ("f", "condition"), ("u", "exception"), ("f", "stale")):
        kept.run(letter, reason=reason)
    expected = {("pass", ""): 2, ("warn", "condition"): 1, ("fail", "connect"): 1, ("unknown", "timeout"): 1}
    expected |= {("fail", "timeout"): 1, ("fail", "condition"): 1, ("unknown", "exception"): 1, ("fail", "stale"): 1}
    found = values(document(kept), "check_runs_total", "outcome", "reason")
    assert {**dict.fromkeys(PAIRS, 0.0), **expected} == found


def test_runs_whose_reason_is_not_known_have_none() -> None:
    """So that the sum is that of all runs."""
    kept = kept_after("pff")
    kept.run("f", reason="")
    found = values(document(kept), "check_runs_total", "outcome", "reason")
    assert (1.0, 2.0, 4.0) == (found["fail", ""], found["fail", "connect"], sum(found.values()))


def test_the_histogram_is_cumulative_and_exact() -> None:
    """Up to each bound, in the notation of both formats; as many as passed, warned or failed."""
    kept, took = Kept(), [0.001, 0.005, 0.0051, 0.25, 1.0, 59.0, 61.0]
    for letter, seconds in zip("pwfpppf", took):
        kept.run(letter, elapsed=seconds)
    found = document(kept)
    expected = {(repr(bound),): float(sum(each <= bound for each in took)) for bound in LE}
    assert {**expected, ("+Inf",): 7.0} == values(found, "check_duration_seconds_bucket", "le")
    sums = [values(found, f"check_duration_seconds_{each}") for each in ("count", "sum")]
    assert [{(): 7.0}, {(): pytest.approx(sum(took))}] == sums


def test_no_counter_falls_in_a_year() -> None:
    """Whatever leaves a window, and however long nothing runs."""
    kept, before = Kept(), dict[Series, float]()
    for days in (0, 0, 1, 2, 30, 365):
        kept.run("pfwu", 60.0 + 86_400.0 * days, elapsed=0.3 + days)
        after = {each: n for each, n in told(document(kept)).items() if re.search("total|bucket|count$|sum$", each[0])}
        assert [] == [each for each, n in before.items() if after[each] < n]
        before = after


def test_phases_of_the_latest_run() -> None:
    """Those that it entered; a probe of the host's may have its own. Their total is in the histogram."""
    kept = kept_after("p")
    kept.run("p", phases={"dns": 0.5, 'a"%s': 0.25, "total": 1.0})
    assert {("dns",): 0.5, ('a"%s',): 0.25} == values(document(kept), "check_phase_seconds", "phase")


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        (CERTIFICATE, {(): EXPIRES}),
        ({**CERTIFICATE, "chain_not_after": "2026-12-31T12:00:00.000Z"}, {(): 1798718400.0}),
        ({"not_after": "0001-01-01T00:00:00.000Z"}, {}),
        ({"not_after": "soon"}, {}),
        ({}, {}),
    ],
)
def test_when_the_certificate_expires(certificate: dict[str, Any], expected: dict[Any, float]) -> None:
    """Or the first of its chain; nothing, where that is not known."""
    kept = kept_after("p")
    kept.run("p", transport={"certificate": certificate})
    assert expected == values(document(kept), "check_certificate_expiry_timestamp_seconds")


def test_without_a_certificate_there_is_no_series() -> None:
    """As while the target is down."""
    kept = kept_after("p")
    kept.run("p", transport={"certificate": CERTIFICATE})
    kept.run("f", transport={"address": "10.0.0.1:443"})
    assert {} == values(document(kept), "check_certificate_expiry_timestamp_seconds")


@pytest.mark.parametrize(("letters", "ratio"), [("", None), ("u", None), ("ppffp", 0.5)])
def test_uptime_by_window(letters: str, ratio: float | None) -> None:
    """Absent when nothing was covered."""
    expected = {} if ratio is None else {(window,): ratio for window in ("1h", "24h", "7d", "30d", "90d")}
    assert expected == values(document(kept_after(letters)), "check_uptime_ratio", "window")


def test_the_monitors_own_figures() -> None:
    """With units in their names; texts become 0 or 1."""
    found = {name: n for (name, _), n in told(full()).items() if "_self_" in name}
    expected = {"workers": 2, "busy": 1, "stuck": 0, "queue": 3, "lag_seconds": 0.25, "missed_total": 4, "lost": 0}
    expected |= {"suspended_seconds_total": 1.5, "late_total": 5, "clock_jumps_total": 6, "dropped_total": 7}
    expected |= {"callback_errors_total": 8, "state_file_problem": 0}
    assert {f"minimon_self_{name}": float(n) for name, n in expected.items()} == found


@pytest.mark.parametrize(
    ("file", "problem"), [(None, {}), ({"problem": ""}, {(): 0.0}), ({"problem": "disk full"}, {(): 1.0})]
)
def test_a_state_file_has_a_problem_or_is_not_there(file: Any, problem: dict[Any, float]) -> None:
    """And which it is, is a matter of /status."""
    found = document(Kept(), self={**FIGURES, "state_file": file, "lost": "no network"})
    assert (problem, {(): 1.0}) == (values(found, "self_state_file_problem"), values(found, "self_lost"))


# processes


@pytest.mark.parametrize(
    ("state", "well", "up"),
    [
        ("running", True, 1.0),
        ("ready", True, 1.0),
        ("starting", False, 0.0),
        ("backoff", False, 0.0),
        ("failed", False, 0.0),
        ("exited", False, 0.0),
        ("stopped", False, 0.0),
        ("exited", True, None),
        ("stopped", True, None),
        ("stopping", True, None),
    ],
)
def test_a_process_is_up_while_it_serves(state: str, well: bool, up: float | None) -> None:
    """Of what nobody wants, or what has done its work, nothing is claimed: an alert of 0 is heard for trouble only."""
    found = values({"processes": {"web": process(state, well=well)}}, "process_up", "process")
    assert ({} if up is None else {("web",): up}) == found


@pytest.mark.parametrize("state", PROCESS_STATES)
def test_one_state_of_a_process_is_one(state: str) -> None:
    """And the others are zero."""
    expected = {("web", each): float(each == state) for each in PROCESS_STATES}
    assert expected == values({"processes": {"web": process(state)}}, "process_state", "process", "state")


def test_figures_of_a_process() -> None:
    """With units in their names; it has no uptime while it does not run."""
    document = {"processes": {"web": process(), "job": process("exited", uptime_s=None, restarts=0)}}
    names = ("restarts_total", "uptime_seconds", "output_bytes_total")
    found = [values(document, f"process_{name}", "process") for name in names]
    both = {("web",): 12044.0, ("job",): 12044.0}
    assert [{("web",): 2.0, ("job",): 0.0}, {("web",): 12.5}, both] == found


def test_processes_beside_a_monitor_are_told_apart() -> None:
    """By the label of their subject, which has no figures of a monitor."""
    supervisor = {"service": {"name": "processes", "started_at": NOON}, "overall": "healthy"}
    whole = {"subjects": [full(), {**supervisor, "processes": {"web": process()}}]}
    found = values(whole, "process_up", "subject", "process")
    starts = values(whole, "start_time_seconds", "subject")
    assert ({("m", "web"), ("processes", "web")}, {("m",)}) == ({*found}, {*starts})


def test_what_a_process_says_is_not_shown() -> None:
    """Neither its command nor its output, nor why it has ended."""
    body, _ = metrics({"processes": {"web": process(command="secret", log=["secret"], why="secret")}})
    assert (False, True) == (b"secret" in body, b'process="web"' in body)


@pytest.mark.parametrize("processes", [{"web": {"state": "busy"}}, {"web": 3}, ["web"], None, {"web": {"state": []}}])
def test_processes_of_another_kind_are_not_ours(processes: Any) -> None:
    """A host may use the word as well."""
    assert {"minimon_build_info"} == {name for name, _ in told({"processes": processes})}


def test_states_of_processes_are_those_of_the_supervisor() -> None:
    """All of them, and in order."""
    lifecycle = pytest.importorskip("minimon.processes.lifecycle")
    assert PROCESS_STATES == tuple(map(str, lifecycle.State))


def test_only_figures_that_are_there_are_told() -> None:
    """A stopped monitor has no start; one without figures still has checks."""
    found = {name for name, _ in told(document(Kept(), self={"workers": 1}, service={"started_at": None}))}
    assert {"minimon_self_workers"} == {name for name in found if "self" in name or "start" in name}


@pytest.mark.parametrize("word", ["healthy", "degraded", "unhealthy", "unknown", "great", None, ["healthy"]])
def test_one_word_for_all(word: Any) -> None:
    """One is 1 and the others are 0; of another word nothing is known."""
    words = ("healthy", "degraded", "unhealthy", "unknown")
    expected = {(each,): float(each == word) for each in words} if word in words else {}
    assert expected == values({"overall": word}, "overall", "state")


# labels


def test_a_check_is_told_by_name_group_and_tags() -> None:
    """The same labels on every sample of a family; an empty one is none to Prometheus."""
    clock = FakeClock(1_000.0, wall=NOON)
    registry = Registry(clock)
    for name, tags in (("a", {"team": "x"}), ("b", {"data-center": "y"}), ("c", {})):
        registry.add(Check(name, print, group="g", tags=tags), INF)
    found = values(registry.snapshot(), "check_paused", "check", "group", "tag_team", "tag_data_center")
    assert {("a", "g", "x", ""): 0.0, ("b", "g", "", "y"): 0.0, ("c", "g", "", ""): 0.0} == found
    families: dict[str, set[frozenset[str]]] = {}
    for name, labels in told(registry.snapshot()):
        families.setdefault(name, set()).add(frozenset(label for label, _ in labels))
    assert [] == [name for name, sets in families.items() if len(sets) > 1]


def test_many_tags_do_not_multiply() -> None:
    """Beyond a number of names each check has its own only: else they would be as many as the square."""
    found = named(*map(str, range(TAGS + 1)))
    for number, view in enumerate(found["checks"].values()):
        view["tags"] = {f"t{number}": "x"}
    labels = [dict(labels) for name, labels in told(found) if name == "minimon_check_paused"]
    assert [3] * (TAGS + 1) == [len(each) for each in labels]


@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        (["team", "check", "le"], ["tag_team", "tag_check", "tag_le"]),
        (["a.b", "a_b", "a-b"], ["tag_a_b_3", "tag_a_b", "tag_a_b_2"]),
        (["a-b", "a.b", "a_b_2"], ["tag_a_b", "tag_a_b_3", "tag_a_b_2"]),
        (["ä", "é", "", "1"], ["tag__", "tag___2", "tag_", "tag_1"]),
        (["\ud800", "\n", '"'], ["tag___3", "tag__", "tag___2"]),
    ],
)
def test_tags_become_labels_that_differ(tags: list[str], labels: list[str]) -> None:
    """In whatever order they come; a name that is a label keeps it."""
    assert [dict(zip(tags, labels))] * 2 == [tag_labels(tags), tag_labels(tags[::-1])]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('a "b" \\ c', 'a "b" \\ c'),
        ("a\nb", "a\nb"),
        ("a\\nb", "a\\nb"),
        ("ä 統 \U0001f600", "ä 統 \U0001f600"),
        ("a\ud800b", "a\ufffdb"),
        ("a\rb\0c\u2028d\x85e\x0bf\u2029", "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffd"),
        ("%s {} $1 \\1", "%s {} $1 \\1"),
        ("x" * 10_000, "x" * LONGEST),
    ],
)
def test_names_are_escaped(name: str, shown: str) -> None:
    """A reader finds what was given, apart from what would break a line or be no UTF-8."""
    found = named(name, group=name, tags={"t": name})
    assert {(shown, shown, shown)} == set(values(found, "check_up", "check", "group", "tag_t"))


def test_names_that_are_shown_alike_are_numbered() -> None:
    """Two series of the same labels would make all of it worthless."""
    found = named("a\ud800", "a\ud801", "a\ufffd (2)", "a\x00")
    expected = {("a\ufffd",), ("a\ufffd (2)",), ("a\ufffd (2) (2)",), ("a\ufffd (3)",)}
    assert expected == set(values(found, "check_up", "check"))


def test_no_address_and_no_detail_is_shown() -> None:
    """Whoever may scrape need not know them."""
    clock = FakeClock(1_000.0, wall=NOON)
    registry = Registry(clock)
    check = Check("web", "https://secret.internal/?key=secret", tags={"team": "x"}, fall=1)
    registry.add(check, INF)
    certificate = {"certificate": {**CERTIFICATE, "subject": "secret", "names": ["secret"]}, "url": "https://secret/"}
    for letter in "pfuw":
        result = Result("web", OUTCOMES[letter], REASONS[letter], "secret", clock.time(), transport=certificate)
        registry.record(check, result, INF)
    body, _ = metrics(
        {**registry.snapshot(), "self": {**FIGURES, "lost": "secret", "state_file": {"problem": "secret"}}}
    )
    assert (False, True) == (b"secret" in body, b'check="web"' in body)


# whatever comes


PARTS = (
    '"',
    "\\",
    "\n",
    "\r",
    "\0",
    "\u2028",
    "\ud800",
    "{",
    "}",
    ",",
    "=",
    " ",
    "#",
    "%s",
    "é",
    "\U0001f600",
    "a",
    "-",
)


def hostile(chance: random.Random) -> str:
    """A text that somebody might give who means no good."""
    return "".join(chance.choices(PARTS, k=chance.randrange(12)))


@pytest.mark.parametrize("seed", range(5))
def test_hostile_names_break_no_line(seed: int) -> None:
    """Of checks, groups and tags, of phases, and of several subjects."""
    chance = random.Random(seed)
    subjects = []
    for _ in range(3):
        found = named(*{hostile(chance) for _ in range(8)}, group=hostile(chance))
        for view in found["checks"].values():
            view["tags"] = {hostile(chance): hostile(chance) for _ in range(3)}
            view["last"] = {**view["last"], "phases": {hostile(chance): 0.5}}
        processes = {hostile(chance): process(why=hostile(chance)) for _ in range(8)}
        subjects.append({**found, "service": {"name": hostile(chance)}, "processes": processes})
    checks = sum(len(subject["checks"]) for subject in subjects)
    processes = sum(len(subject["processes"]) for subject in subjects)
    names = [name for name, _ in told({"subjects": subjects})]
    assert (checks, processes) == tuple(names.count(f"minimon_{each}_up") for each in ("check", "process"))


ANYTHING: tuple[Any, ...] = (
    *(None, True, -1, 1 << 80, 0.5, math.nan, math.inf, "", "up", "1\nevil{} 1", [], [None], {}, {"": None}, b"up"),
)


def odd(chance: random.Random, value: Any) -> Any:
    """The same with something else at one place in it."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.1:
        return chance.choice(ANYTHING)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        return [*value[:at], odd(chance, value[at]), *value[at + 1 :]]
    key = chance.choice([*value])
    return {**value, key: odd(chance, value[key])}


@pytest.mark.parametrize("seed", few(range(3), 1))
def test_no_document_raises(seed: int) -> None:
    """What is not as expected is left out, and the rest is told in proper lines."""
    chance, whole = random.Random(seed), {**full(), **named("a", "b")}
    for _ in range(150):
        document = whole
        for _ in range(chance.randrange(1, 5)):
            document = odd(chance, document)
        told(document)


@pytest.mark.parametrize(
    "document",
    [
        *({}, {"overall": None}, {"checks": None}, {"backlog": 3, "self": {"workers": 1}}, {"subjects": None}),
        *({"checks": ["a"]}, {"checks": {"db": "ok", "cache": {"up": True}}}, {"subjects": ["math"]}, None, [], "text"),
    ],
)
def test_a_plain_subject_has_little_to_tell(document: Any) -> None:
    """The version of minimon; nothing of its own is taken for ours."""
    assert {"minimon_build_info"} == {name for name, _ in told(document)}


def test_several_subjects_are_told_apart() -> None:
    """By a label, which no other document has; one of an equal name gets a number; the word of all has no label."""
    one = {**named("a"), "service": {"name": "m"}}
    found = {"overall": "degraded", "subjects": [one, {**one, "overall": "unknown"}, {"backlog": 3}, named("a")]}
    assert {("m", "a"), ("m (2)", "a"), ("4", "a")} == set(values(found, "check_up", "subject", "check"))
    words = {pair for pair, value in values(found, "overall", "subject", "state").items() if value}
    assert {("", "degraded"), ("m", "healthy"), ("m (2)", "unknown"), ("4", "healthy")} == words
    assert "subject" not in {label for _, labels in told(one) for label, _ in labels}


def test_no_piece_is_of_many_checks() -> None:
    """Or no other thread could run for long."""
    found = named(*map(str, range(3 * BATCH)))
    per_piece = [len(set(re.findall(rb'check="(\d+)"', piece))) for piece in pieces(found)]
    assert (BATCH, metrics(found)[0]) == (max(per_piece), b"".join(pieces(found)))


# formats


PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS, True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ('APPLICATION/OpenMetrics-Text;Version="1.0.0" ; Q=0.1', True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text, */*", True),
        ("application/openmetrics-text;q=0.5, text/*;q=0.4", True),
        ("application/openmetrics-text, text/plain", True),
        ("application/*", True),
        ("text/plain;q=0, */*", True),
        ("*/*;q=0.1, text/plain;q=0", True),
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/plain, application/openmetrics-text", False),
        ("text/plain, application/*", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0, */*", False),
        ("application/openmetrics-text;version=1.0.0;q=0, application/openmetrics-text", False),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", False),
        ("application/openmetrics-text;q=2", False),
        ("application/openmetrics-text;q=x", False),
        ("application/json", False),
        ("application/openmetrics-text/x", False),
        (',;=,;q=;\0, "', False),
        ("*/*;q=0", False),
        ("," * 100_000 + "application/openmetrics-text", False),
    ],
)
def test_the_format_is_the_one_preferred(accept: str, expected: bool) -> None:
    """By quality, then by name, then by order; text, where nothing is said."""
    kind = metrics({}, accept)[1]
    assert (expected, OPENMETRICS if expected else TEXT) == (prefers_openmetrics(accept), kind)


def test_openmetrics_says_more_of_a_family() -> None:
    """Counters without the ending of their samples, units, and the end."""
    lines = metrics(full(), "application/openmetrics-text")[0].decode().splitlines()
    about = ["# TYPE minimon_check_runs counter", "# UNIT minimon_check_duration_seconds seconds"]
    about += ["# TYPE minimon_self_suspended_seconds counter", "# UNIT minimon_self_suspended_seconds seconds"]
    about += ["# TYPE minimon_build info", "# UNIT minimon_check_uptime_ratio ratio", "# EOF"]
    assert [] == [line for line in about if lines.count(line) != 1]


# the judges of others


PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not there: Debian's package prometheus has it"
)


def promtool(*arguments: str, given: bytes = b"", home: pathlib.Path | None = None) -> tuple[int, str]:
    """Its exit code, and what it has to say."""
    done = subprocess.run([str(PROMTOOL), *arguments], input=given, capture_output=True, timeout=30, cwd=home)
    return done.returncode, (done.stdout + done.stderr).decode()


def judged() -> Iterator[Mapping[str, Any]]:
    """Documents that have everything."""
    chance = random.Random(3)
    yield full()
    processes = {hostile(chance): process(state) for state in PROCESS_STATES}
    checked = named(*(hostile(chance) for _ in range(20)), tags={hostile(chance): "x"})
    yield {"subjects": [checked, full(), {"overall": "healthy", "processes": processes}]}


@needs_promtool
def test_promtool_has_nothing_to_complain_of() -> None:
    """It reads the text format, and knows the rules for names."""
    assert [(0, "")] * 2 == [promtool("check", "metrics", given=metrics(document)[0]) for document in judged()]


RULES_TEST = """
rule_files: [minimon.rules.yml]
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="minimon"}', values: '1x20 0x20'}
      - {series: 'minimon_check_up{check="a"}', values: '1 0x40'}
      - {series: 'minimon_check_up{check="b"}', values: '1x40'}
      - {series: 'minimon_check_certificate_expiry_timestamp_seconds{check="a"}', values: '864000 _x40'}
      - {series: 'minimon_check_certificate_expiry_timestamp_seconds{check="b"}', values: '9864000x40'}
      - {series: 'minimon_check_duration_seconds_bucket{check="a",le="1.0"}', values: '0+1x40'}
      - {series: 'minimon_check_duration_seconds_bucket{check="a",le="2.5"}', values: '0+2x40'}
      - {series: 'minimon_check_duration_seconds_bucket{check="a",le="+Inf"}', values: '0+2x40'}
      - {series: 'minimon_process_up{process="p"}', values: '1x7 0x30'}
      - {series: 'minimon_process_up{process="q"}', values: '1x40'}
      - {series: 'minimon_process_restarts_total{process="q"}', values: '0x20 1+1x20'}
    promql_expr_test:
      - expr: count by (alertname, check, process) (ALERTS{alertstate="firing"})
        eval_time: 10m
        exp_samples:
          - {labels: '{alertname="ProcessDown",process="p"}', value: 1}
          - {labels: '{alertname="CheckDown",check="a"}', value: 1}
          - {labels: '{alertname="CertificateExpires",check="a"}', value: 1}
      - expr: count by (alertname, check, process) (ALERTS{alertstate="firing"})
        eval_time: 35m
        exp_samples:
          - {labels: '{alertname="ProcessDown",process="p"}', value: 1}
          - {labels: '{alertname="ProcessRestarts",process="q"}', value: 1}
          - {labels: '{alertname="CheckDown",check="a"}', value: 1}
          - {labels: '{alertname="CertificateExpires",check="a"}', value: 1}
          - {labels: '{alertname="CheckSlow",check="a"}', value: 1}
          - {labels: '{alertname="MinimonAbsent"}', value: 1}
"""


@needs_promtool
def test_the_rules_of_the_reference_are_rules(tmp_path: pathlib.Path) -> None:
    """Configuration and rules are accepted, and alerts are heard when they should be, and not else."""
    for name, text in (
        ("prometheus.yml", SCRAPE),
        ("minimon.rules.yml", ALERTS + PROCESS_ALERTS),
        ("test.yml", RULES_TEST),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    asked = [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "minimon.rules.yml"),
        ("test", "rules", "test.yml"),
    ]
    said = [promtool(*each, home=tmp_path) for each in asked]
    assert ([0, 0, 0], True) == ([code for code, _ in said], "10 rules found" in said[1][1]), said


def test_the_official_parsers_read_both_formats() -> None:
    """And find the samples that we do."""
    parsers = (
        pytest.importorskip("prometheus_client.parser"),
        pytest.importorskip("prometheus_client.openmetrics.parser"),
    )
    for document in judged():
        for parser, accept in zip(parsers, ("", "application/openmetrics-text")):
            body, _ = metrics(document, accept)
            families = parser.text_string_to_metric_families(body.decode())
            found = [(s.name, frozenset(s.labels.items()), s.value) for family in families for s in family.samples]
            assert sorted(found, key=repr) == sorted(((*each, n) for each, n in told(document).items()), key=repr)
