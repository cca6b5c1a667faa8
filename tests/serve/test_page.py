"""The status page: what it shows of a snapshot, what it never shows, and what its markup promises."""

from __future__ import annotations

import copy
import random
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from support import few

from minimon import Check, Monitor
from minimon.serve.page import CSP, LARGEST, MOST, RICH, page
from minimon.serve.page_assets import DARK, DIMMED, GLYPHS, LIGHT, SCRIPT, SHAPES, STYLE, WHOLE, icon
from minimon.serve.page_values import epoch, percent, span
from minimon.testing import FakeClock

NOW = 1795678403.0
VOID = {"meta", "link", "input", "br", "img", "hr"}
OURS = """
html head meta title noscript link style body header main footer section form script div p ul li dl dt dd pre br
h1 h2 h3 h4 a b bdi em i small span strong time label input button details summary svg path rect
table caption thead tbody tr th td
""".split()
EVIL = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"'></title></style><!-- &amp; \u2028\u202e\x00\ud800"


def stamp(ago: float) -> str:
    """An instant before the snapshot's."""
    import datetime

    at = datetime.datetime.fromtimestamp(NOW - ago, datetime.timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def result(outcome: str = "pass", ago: float = 10.0, **more: Any) -> dict[str, Any]:
    """A result as a snapshot has it."""
    reason = "" if outcome == "pass" else "connect"
    detail = "" if outcome == "pass" else "connect: Connection refused"
    seen = {"outcome": outcome, "reason": reason, "detail": detail, "at": stamp(ago), "elapsed_s": 0.012}
    return {**seen, "status_code": 200 if outcome == "pass" else None, **more}


def view(status: str = "up", **more: Any) -> dict[str, Any]:
    """A check as a snapshot has it."""
    outcome = {"down": "fail", "degraded": "warn", "unknown": "unknown"}.get(status, "pass")
    recent = [result("pass", 10.0 * ago) for ago in range(16, 4, -1)]
    recent += [result(outcome, 10.0 * ago) for ago in range(4, 0, -1)]
    window = {"ratio": 0.9987, "coverage": 1.0, "from": stamp(86400), "down_s": 60.0, "incidents": 1}
    window["success_ratio"] = 0.999
    figures = {"p50": 0.01, "p90": 0.02, "p95": 0.0345, "p99": 0.05, "max": 0.06, "n": 358, "method": "exact"}
    latency = {**figures, "failures": {**figures, "n": 4, "failures": None}}
    return {
        "status": status,
        "paused": False,
        "critical": False,
        "group": "",
        "tags": {},
        "since": stamp(200),
        "explanation": "" if status == "up" else "connect: Connection refused",
        "flapping": False,
        "streak": {"outcome": outcome, "n": 4},
        "counts": {"pass": 354, "warn": 0, "fail": 4, "unknown": 0},
        "reasons": {"fail": {"connect": 4}, "warn": {"condition": 2}},
        "last": recent[-1],
        "recent": recent,
        "uptime": {key: dict(window) for key in ("1h", "24h", "7d", "30d", "90d")},
        "mttr_s": 60.0,
        "mtbf_s": 86000.0,
        "latency": {"1h": latency, "24h": latency},
        **more,
    }


def snapshot(checks: dict[str, Any], overall: str = "healthy", **more: Any) -> dict[str, Any]:
    """A document as Monitor.snapshot() makes it, of these checks."""
    states = ["paused" if each.get("paused") else each.get("status") for each in checks.values()]
    service = {"name": "shop", "version": "0.1.0", "pid": 42, "uptime_s": 3600.0, "started_at": stamp(3600)}
    event = {"at": stamp(200), "check": "a", "kind": "change", "before": "up", "after": "down", "detail": "refused"}
    counts = {state: states.count(state) for state in ("unknown", "up", "degraded", "down", "paused")}
    itself = {"workers": 2, "stuck": 0, "lag_s": 0.0004, "lost": "", "state_file": {"saved_at": stamp(12)}}
    whole = {"schema": 1, "service": service, "overall": overall, "counts": counts, "groups": {}, "checks": checks}
    return {**whole, "events": [event], "self": itself, **more}


def certified(days: float) -> dict[str, Any]:
    """A check whose certificate is good for so many days."""
    facts = {"subject": "shop", "issuer": "R11", "names": ["shop.example"], "not_after": stamp(-days * 86400)}
    facts.update(verified=True, days=days)
    return view(last=result(phases={"dns": 0.001}, transport={"tls": "TLSv1.3", "certificate": facts}))


def html(checks: dict[str, Any], **more: Any) -> str:
    """The page of these checks."""
    return page(snapshot(checks, **more), nonce="n0nce").decode("utf-8")


class Document(HTMLParser):
    """The markup, looked at as it is read: what was opened and not closed, ids, texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag, _ in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        known = {name: value or "" for name, value in attrs}
        if len(known) < len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        self.elements.append((tag, known))
        if tag not in VOID:
            self._open.append((tag, known))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """As it is in SVG."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """It must be that of what was opened last."""
        if not self._open or self._open.pop()[0] != tag:
            self.faults.append(f"</{tag}> closes another")

    def handle_data(self, data: str) -> None:
        """The text, with the element it stands in."""
        self.texts.append((self._open[-1][0] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all such elements."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags: str) -> list[str]:
        """The texts that stand in such elements."""
        return [text for tag, text in self.texts if tag in tags]


def document(checks: dict[str, Any], **more: Any) -> Document:
    """The page of these checks, read."""
    return Document(html(checks, **more))


def names(checks: dict[str, Any], **more: Any) -> list[str]:
    """The names of checks in the order of the page."""
    return re.findall(r"<h3><bdi>(.*?)</bdi></h3>", html(checks, **more))


EVERY = {
    "search": view("down", critical=True, group="front", tags={"team": "web"}, flapping=True),
    "queue": view("degraded", group="back"),
    "mail": view("unknown"),
    "disk": view(paused=True),
    "shop": certified(83.4),
    "minimon": view(),
}


# what it shows


def test_the_whole_is_told_by_colour_word_and_glyph() -> None:
    """The banner has a class for its colour, the word, and the sign."""
    text = html(EVERY, overall="unhealthy")
    banner = text[text.index("<header") : text.index("</header>")]
    assert [True] * 4 == [each in banner for each in ('class="down"', "<b>Unhealthy</b>", ">▼<", "shop")]


@pytest.mark.parametrize(
    ("overall", "title"),
    [
        ("healthy", "● healthy · shop"),
        ("draining", "‖ draining · shop"),
        ("error", "▼ error · shop"),
        ("nonsense", "◌ status · shop"),
    ],
)
def test_the_title_begins_with_the_state(overall: str, title: str) -> None:
    """So that a tab tells it."""
    assert [title] == document({"a": view()}, overall=overall).text("title")[:1]


def test_the_title_counts_what_is_worst() -> None:
    """How many are down is worth more than the word."""
    checks = {"a": view("down"), "b": view("down"), "c": view("degraded")}
    assert "▼ 2 down · shop" == document(checks, overall="unhealthy").text("title")[0]


def test_checks_are_counted_by_state() -> None:
    """Those of which there is none are left out."""
    text = html({"a": view("down"), "b": view(), "c": view(), "d": view(paused=True)})
    found = re.findall(r'<li class="(\w+)"><b><i aria-hidden="true">(.)</i>(\d+)</b> (\w+)</li>', text)
    assert [("down", "▼", "1", "down"), ("up", "●", "2", "up"), ("paused", "‖", "1", "paused")] == found


def test_a_state_has_colour_word_and_glyph() -> None:
    """In the row of every check."""
    found = re.findall(r'<li class="check (\w+)[ t]*"><span class="s"><i [^>]*>(.)</i>(\w+)</span>', html(EVERY))
    assert {(state, GLYPHS[state], state) for state in GLYPHS} == set(found)


def test_glyphs_differ_in_form() -> None:
    """Nobody has to see colours."""
    assert len(GLYPHS) == len(set(GLYPHS.values()))


def test_what_is_down_stands_on_top() -> None:
    """A critical one first; then what else troubles, what is well, what is paused; among equals as they were added."""
    states = {"p": view(paused=True), "u": view(), "k": view("unknown"), "g": view("degraded"), "d": view("down")}
    checks = {**states, "c": view("down", critical=True), "f": view(flapping=True), "u2": view()}
    assert ["c", "d", "g", "k", "f", "u", "u2", "p"] == names(checks)


def test_troubled_groups_come_first() -> None:
    """Else they stay where they are, in the order in which they were added; those without a group come last."""
    checks = {"a": view(), "b": view(group="fine"), "c": view("down", group="sick"), "d": view(group="fine")}
    headings = [text.strip() for tag, text in document(checks).texts if tag in ("h2", "bdi") and text.strip()]
    assert ["sick", "c", "fine", "b", "d", "Other checks", "a", "The monitor itself", "Events"] == [
        each for each in headings if each != "shop"
    ][:9]


def test_the_monitor_itself_has_its_own_section() -> None:
    """It comes after the checks of the host."""
    text = html({"minimon": view(), "a": view()})
    assert text.index("<bdi>a</bdi>") < text.index("The monitor itself") < text.index("<bdi>minimon</bdi>")


def test_a_troubled_monitor_comes_first() -> None:
    """What it says of others may then be wrong."""
    text = html({"a": view("down"), "minimon": view("degraded")})
    assert text.index("<bdi>minimon</bdi>") < text.index("<bdi>a</bdi>")


def test_marks_stand_beside_the_name() -> None:
    """Critical, flapping, tags, and the days of a certificate."""
    checks = {"a": view(critical=True, flapping=True, tags={"team": "web"}), "b": certified(83.4)}
    assert ["critical", "flapping", "team: web", "certificate 83 d"] == document(checks).text("em")


@pytest.mark.parametrize(
    ("days", "mark"),
    [
        (14.0, "<em>certificate 14 d</em>"),
        (13.9, '<em class="w">certificate 13 d</em>'),
        (2.5, '<em class="x">certificate 2 d</em>'),
        (-0.1, '<em class="x">certificate expired</em>'),
    ],
)
def test_a_certificate_that_ends_soon_is_marked(days: float, mark: str) -> None:
    """From two weeks on, and more so in its last days."""
    assert mark in html({"a": certified(days)})


def test_the_first_certificate_of_the_chain_counts() -> None:
    """One that others depend on may expire earlier."""
    check = certified(83.4)
    check["last"]["transport"]["certificate"]["chain_days"] = 5.0
    assert ["certificate 5 d"] == document({"a": check}).text("em")


def test_an_explanation_stands_under_the_name() -> None:
    """Why it is what it is."""
    assert "<p>connect: Connection refused</p>" in html({"a": view("down")})


def test_a_failure_of_late_is_told_of_a_check_that_is_up() -> None:
    """With how long ago it was."""
    check = view(recent=[result("fail", 75.0), result()])
    assert re.search(
        r"<p>failed <time datetime=[^>]*>1 min</time> ago: connect: Connection refused</p>", html({"a": check})
    )


def test_since_when_is_readable_without_scripts() -> None:
    """And the script finds the instant."""
    assert f'<time datetime="{stamp(200)}">3 min</time>' in html({"a": view()})


def test_uptime_is_shown_for_five_windows() -> None:
    """Each with its label, for cards and screen readers."""
    found = re.findall(r'<span class="u [^"]*"[^>]*><small>([^<]*)</small>([^<]*)</span>', html({"a": view()}))
    assert [(label, "99.87%") for label in ("1 h", "24 h", "7 d", "30 d", "90 d")] == found


def test_unknown_uptime_is_no_number() -> None:
    """The title says how much was seen."""
    window = {"ratio": None, "coverage": 0.0}
    assert '<span class="u g" title="0% of 90 d seen"><small>90 d</small>–</span>' in html(
        {"a": view(uptime={"90d": window})}
    )


@pytest.mark.parametrize(("coverage", "seen"), [(0.0, "0%"), (0.000001, "less than 1%"), (0.0099, "less than 1%")])
def test_nothing_is_claimed_of_what_was_hardly_seen(coverage: float, seen: str) -> None:
    """A monitor that has just begun knows nothing of 90 days, whatever the ratio of its first seconds is."""
    text = html({"a": view(uptime={"90d": {"ratio": 1.0, "coverage": coverage}})})
    assert f'<span class="u g" title="{seen} of 90 d seen"><small>90 d</small>–</span>' in text


def test_a_window_that_was_not_seen_whole_is_in_italics() -> None:
    """And says how much was seen."""
    text = html({"a": view(uptime={"30d": {"ratio": 1.0, "coverage": 0.619}})})
    assert '<span class="u g h" title="61% of 30 d seen"><small>30 d</small>100%</span>' in text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.0, "100%"),
        (0.99995, "99.99%"),
        (0.9999999, "99.99%"),
        (0.9999, "99.99%"),
        (0.9995, "99.95%"),
        (0.5723, "57.23%"),
        (0.00004, "&lt;0.01%"),
        (0.0, "0%"),
        (1.7, "100%"),
        (-1.0, "0%"),
    ],
)
def test_a_percentage_is_rounded_down(ratio: float, text: str) -> None:
    """What was down for a second was not up all the time."""
    assert text == percent(ratio)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5.0, "0 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (3600.0, "1 h 0 min"),
        (7500.0, "2 h 5 min"),
        (86400.0 * 9 + 3600 * 6, "9 d 6 h"),
    ],
)
def test_a_span_is_told_in_two_units(seconds: float, text: str) -> None:
    """Rounded down."""
    assert text == span(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01.500Z", 1.5),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:02", 2.0),
        ("yesterday", None),
        ("9" * 50, None),
        (None, None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_an_instant_is_read_or_is_none(text: Any, seconds: float | None) -> None:
    """Without an exception for what is none."""
    found = epoch(text)
    assert seconds == (found if found is None or found > -1e10 else None)


def test_every_result_has_a_bar_with_a_title() -> None:
    """What failed says why, what passed how long it took."""
    found = re.findall(r"<rect [^>]*><title>(.*?)</title></rect>", html({"a": view("down")}))
    assert (16, "200, 12 ms", "failed connect, 12 ms") == (len(found), found[0][9:], found[-1][9:])


def test_a_bar_shows_the_kind_of_its_result() -> None:
    """By its class, which has a colour and a height."""
    check = view(recent=[result("warn"), result("fail"), result("unknown"), result()])
    assert ["r-warn", "r-fail", "r-unknown", ""] == [
        each.get("class", "") for each in document({"a": check}).all("rect")
    ]


def test_the_line_of_durations_breaks_where_a_run_failed() -> None:
    """A failure's duration says nothing of the target's speed."""
    recent = [result(elapsed_s=0.1), result(elapsed_s=0.2), result("fail", elapsed_s=9.0), result(elapsed_s=0.05)]
    assert '<path d="M12 10h0l1 -8M15 14h0"/>' in html({"a": view(recent=recent)})


def test_a_chart_is_told_in_words() -> None:
    """For who cannot see it."""
    labels = [each["aria-label"] for each in document({"a": view("down"), "b": view()}).all("svg")]
    assert ["latest 16 results: 4 failed", "latest 16 results: all passed"] == labels


def test_the_95th_percentile_has_its_unit() -> None:
    """Of the last hour."""
    assert '<span class="p"><small>p95, 1 h</small>34 ms</span>' in html({"a": view()})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0000391, "39 µs"),
        (0.0012, "1.2 ms"),
        (0.0345, "34 ms"),
        (1.25, "1.2 s"),
        (125.0, "2 min"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_durations_have_the_unit_that_reads_best(seconds: float | None, text: str) -> None:
    """No 0.000 s."""
    assert f"<small>p95, 1 h</small>{text}</span>" in html({"a": view(latency={"1h": {"p95": seconds}})})


def test_more_is_folded_away() -> None:
    """All windows, percentiles, phases, the certificate, and where the same is as JSON."""
    cells = Document(page(snapshot({"a b": certified(83.4)}), nonce="n", status_url="/-/status").decode())
    wanted = {"Uptime", "Time taken", "runs", "reasons", "latest run", "on average", "phases", "certificate"}
    links = [each["href"] for each in cells.all("a")]
    assert (set(), True) == (wanted - {*cells.text("dt", "caption")}, "/-/status?check=a%20b" in links)


def test_events_come_latest_first() -> None:
    """A change with both states."""
    events = [
        {"at": stamp(300), "check": "", "kind": "start", "before": "", "after": "", "detail": ""},
        {"at": stamp(200), "check": "a", "kind": "change", "before": "up", "after": "down", "detail": "refused"},
    ]
    text = html({"a": view("down")}, events=events)
    rows = [re.sub(r"<[^>]*>", "", row) for row in text[text.index("Events") :].split("<tr>")[2:]]
    assert ["07:30:03 3 min agoaup → ▼ downrefused", "07:28:23 5 min agostart"] == [
        row.strip().partition("\n")[0] for row in rows
    ]


def test_the_figures_of_the_monitor_are_in_words() -> None:
    """What must not be is marked."""
    text = html({"a": view()}, self={"lag_s": 0.0004, "stuck": 2, "dropped": 0, "new_figure": 7, "lost": ""})
    found = re.findall(r"<div><dt>([^<]*)</dt><dd([^>]*)>([^<]*)</dd></div>", text)
    marked = ("runs that are stuck", ' class="x"', "2")
    calm = [("runs are late by", "", "400 µs"), ("changes not told", "", "0"), ("new figure", "", "7")]
    assert [calm[0], marked, *calm[1:], ("network lost", "", "no")] == found


def test_a_monitor_without_checks_says_so() -> None:
    """There is no empty table."""
    assert "No check has been added." in html({})


def test_a_real_monitor_is_shown() -> None:
    """Its document has the shape that is expected here."""
    monitor = Monitor(
        [Check("queue", lambda: True, group="back"), Check("web", "http://localhost:1/")], clock=FakeClock()
    )
    text = page(monitor.snapshot(), nonce="n").decode()
    assert [True] * 4 == [
        each in text for each in ("<bdi>queue</bdi>", "<bdi>web</bdi>", "<bdi>back</bdi>", "jumps of the")
    ]


def test_another_object_of_the_host_is_shown_readably() -> None:
    """Its values by name, those within others too."""
    said = {"healthy": False, "queue": {"depth": 12, "oldest_s": None}, "ports": [80, 443], "version": "1.2"}
    text = page(said, nonce="n").decode()  # type: ignore[arg-type]
    assert "<b>Unhealthy</b>" in text and "<dt>queue</dt><dd>" in text and "<dt>depth</dt><dd>12</dd>" in text
    assert "<dt>ports</dt><dd>80, 443</dd>" in text


def test_checks_of_another_kind_are_shown_as_values() -> None:
    """A host may use the word as well."""
    text = page({"checks": {"db": True, "disk": "full"}}, nonce="n").decode()
    assert "<dt>db</dt><dd>yes</dd><dt>disk</dt><dd>full</dd>" in text


def test_several_subjects_have_a_section_each() -> None:
    """And are counted together."""
    subjects = [snapshot({"a": view("down")}, "unhealthy"), {"name": "mine", "depth": 3}, snapshot({"a": view("down")})]
    read = Document(page({"schema": 1, "overall": "unhealthy", "subjects": subjects}, nonce="n").decode())
    assert (["shop", "mine", "shop"], ["▼ 2 down · 3 subjects"]) == (read.text("h2"), read.text("title")[:1])
    assert [] == read.faults


@pytest.mark.parametrize("key", list(snapshot(EVERY)))
def test_any_part_may_be_missing(key: str) -> None:
    """What there is is shown."""
    whole = snapshot(EVERY)
    del whole[key]
    assert [] == Document(page(whole, nonce="n").decode()).faults


@pytest.mark.parametrize("key", list(view()))
def test_any_part_of_a_check_may_be_missing(key: str) -> None:
    """Its name is shown."""
    check = view("down")
    del check[key]
    assert ["a"] == names({"a": check})


# what it never shows


def evil(value: Any) -> Any:
    """The same with hostile texts in every place, names of checks and tags among them."""
    if isinstance(value, dict):
        return {key if key in KNOWN else f"{key}{EVIL}": evil(item) for key, item in value.items()}
    if isinstance(value, list):
        return [evil(item) for item in value]
    kept = isinstance(value, str) and (value in STATES or value[:2] == "20")
    return value if kept or not isinstance(value, str) else value + EVIL


STATES = {*GLYPHS, *WHOLE, "pass", "warn", "fail"}
KNOWN = {*snapshot(EVERY), *view(), *result(), "phases", "transport", "certificate", "name", "version", "pid", "names"}
KNOWN |= {
    "24h",
    "1h",
    "7d",
    "30d",
    "90d",
    "ratio",
    "coverage",
    "p95",
    "n",
    "started_at",
    "uptime_s",
    "team",
    "failures",
}
KNOWN |= {"days", "subject", "issuer", "tls", "not_after", "verified", "check", "kind", "before", "after", "at"}


def test_hostile_texts_are_texts_everywhere() -> None:
    """No element, attribute or script comes from data."""
    read = Document(page(evil(snapshot(EVERY)), nonce="n").decode("utf-8"))
    assert ([], 1, []) == (read.faults, len(read.all("script")), [tag for tag, _ in read.elements if tag not in OURS])
    assert any("<script>alert(1)</script><img src=x onerror=" in text for text in read.text("bdi"))


def test_hostile_texts_of_a_plain_subject_are_texts() -> None:
    """In names and in values, however deep."""
    said = {EVIL: EVIL, "list": [EVIL, [EVIL]], "map": {EVIL: {EVIL: {EVIL: {EVIL: EVIL}}}}}
    read = Document(page(said, nonce="n").decode("utf-8"))
    assert ([], 1, []) == (read.faults, len(read.all("script")), [tag for tag, _ in read.elements if tag not in OURS])


def test_addresses_and_nonce_are_escaped() -> None:
    """They come from the host's own configuration."""
    text = page(snapshot(EVERY), nonce='"><b>', status_url='/"><script>', home="/'><script>").decode()
    assert ([], 1) == (Document(text).faults, len(Document(text).all("script")))


def test_direction_and_control_characters_are_left_out() -> None:
    """Nobody can turn around or hide what stands beside a name."""
    text = html({"a\u202eb\x00c\u2028d\x1b": view("down", explanation="x\u2066y\x85z")})
    assert [] == re.findall("[\u202a-\u202e\u2066-\u2069\u2028\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


def test_what_utf_8_cannot_carry_is_replaced() -> None:
    """Half of a pair has no bytes."""
    assert "a b" in page(snapshot({"a\ud800b": view()}), nonce="n\udfff").decode("utf-8")


def test_long_texts_are_cut() -> None:
    """In every place; the page stays small."""
    long = "x" * 100_000
    check = view("down", explanation=long, group=long, tags={long: long}, reasons={long: 1})
    check["recent"] = [result("fail", detail=long, reason=long)] * 3
    event = {"at": stamp(1), "check": long, "kind": long, "detail": long}
    assert 40_000 > len(page(snapshot({long: check}, events=[event] * 3, self={long: long}), nonce="n"))


def test_secrets_of_addresses_are_masked() -> None:
    """As everywhere else."""
    text = html({"a": view("down", explanation="http://me:secret@host/?token=mystery refused")})
    assert (0, 0) == (text.count("secret"), text.count("mystery"))


class Bad:
    """An object of the host that raises whatever is done with it."""

    def __str__(self) -> str:
        raise ValueError("no text")

    def __bool__(self) -> bool:
        raise ValueError("no truth")


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        "text",
        5,
        {},
        {"checks": None},
        {"checks": {"a": Bad()}},
        {"checks": {"a": {"critical": Bad()}}},
        {"subjects": [None, 5, {}]},
        {"checks": {5: {"since": 10**400}}, "counts": {"down": 10**5000}},
        {"service": {"uptime_s": 1e14, "started_at": "9999-12-31T23:59:59Z"}},
        {"checks": {"a": {"recent": [None, 5, {"outcome": []}], "uptime": [], "tags": 3}}},
        {1: {2.5: {None: {(): Bad()}}}},
    ],
)
def test_nothing_raises(said: Any) -> None:
    """Whatever a subject says, there is a page."""
    assert [] == Document(page(said, nonce="n").decode("utf-8")).faults


NASTY = [None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**400, "", EVIL, "x" * 9000, [], {}, [[[]]], {"a": {}}]
NASTY += ["up", "down", "healthy", stamp(0), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00", b"\xff", {1, 2}, Bad]


def damaged(value: Any, dice: random.Random) -> Any:
    """The same with some parts replaced, left out, or put elsewhere."""
    if dice.random() < 0.04:
        return dice.choice(NASTY)
    if isinstance(value, dict):
        return {key: damaged(item, dice) for key, item in value.items() if dice.random() > 0.02}
    if isinstance(value, list):
        return [damaged(item, dice) for item in value]
    return value


@pytest.mark.parametrize("seed", few(range(40), 8))
def test_damaged_documents_make_whole_pages(seed: int) -> None:
    """Some hundred documents, none as it should be."""
    dice = random.Random(seed)
    pages = [page(damaged(snapshot(EVERY), dice), nonce="n").decode("utf-8") for _ in range(5)]
    assert [] == [fault for text in pages for fault in Document(text).faults]


# what its markup promises


@pytest.fixture(scope="module")
def read() -> Document:
    """A page with a check in every state."""
    return document(EVERY, overall="unhealthy")


def test_elements_are_balanced(read: Document) -> None:
    """Every one is closed, in order."""
    assert [] == read.faults


def test_ids_are_unique(read: Document) -> None:
    """The script finds things again by them."""
    ids = Counter(each["id"] for _, each in read.elements if "id" in each)
    assert [] == [name for name, number in ids.items() if number > 1]


def test_ids_stay_unique_for_names_that_begin_alike() -> None:
    """Names are cut; of what is the same then, the others are numbered."""
    found = document({"x" * 90 + each: view() for each in "abc"}).all("details")
    assert 3 == len({each["id"] for each in found})


def test_a_check_keeps_its_id() -> None:
    """Wherever it stands in the next document."""
    before, after = document({"a": view(), "b c": view()}), document({"b c": view("down"), "a": view()})
    assert {each["id"] for each in before.all("details")} == {each["id"] for each in after.all("details")}


def test_nothing_is_inline(read: Document) -> None:
    """The policy allows no style attribute and no handler."""
    assert [] == [name for _, each in read.elements for name in each if name == "style" or name.startswith("on")]


def test_nothing_is_fetched_from_elsewhere(read: Document) -> None:
    """No address but our own paths, places of the page, and pictures in themselves."""
    addresses = [each[name] for _, each in read.elements for name in ("href", "src", "data-lost") if name in each]
    assert [] == [each for each in addresses if not each.startswith(("/", "#", "data:image/svg+xml,"))]
    assert [] == re.findall(r"@import|url\(|https?:|//", STYLE + SCRIPT)


def test_style_and_script_carry_the_nonce(read: Document) -> None:
    """And there is one of each."""
    assert [["n0nce"], ["n0nce"]] == [[each.get("nonce", "") for each in read.all(tag)] for tag in ("style", "script")]


def test_style_and_script_end_where_they_should() -> None:
    """No end tag, no comment and no CDATA within."""
    assert [] == re.findall(r"</|<!", STYLE + SCRIPT)


def test_the_policy_allows_the_nonce_only() -> None:
    """Scripts and styles by nonce, answers of our own, pictures in themselves."""
    policy = dict(part.split(" ", 1) for part in CSP.format(nonce="abc").split("; "))
    nonce = "'nonce-abc'"
    allowed = {"style-src": nonce, "script-src": nonce, "connect-src": "'self'", "img-src": "data:"}
    nothing = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
    assert {**allowed, **nothing} == policy


def test_every_control_has_a_name(read: Document) -> None:
    """An input its label, a button and a summary their text."""
    labels = {each["for"] for each in read.all("label")}
    buttons = [text.strip() for text in read.text("button") if text.strip()]
    inputs = {each["id"] for each in read.all("input")}
    assert (labels, len(read.all("button"))) == (inputs, len(buttons))
    assert len(read.all("summary")) == read.text("span").count("More")


def test_there_are_landmarks_and_headings(read: Document) -> None:
    """One of each, and no level left out."""
    tags = Counter(tag for tag, _ in read.elements)
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    steps = [after - before for before, after in zip(levels, levels[1:])]
    assert [1] * 5 == [tags[tag] for tag in ("main", "header", "footer", "form", "h1")]
    assert (1, True) == (levels[0], max(steps) <= 1)


def test_one_place_is_announced(read: Document) -> None:
    """The change of the state, and not each new figure."""
    assert ["said"] == [each["id"] for _, each in read.elements if "aria-live" in each]


def test_cells_have_headings(read: Document) -> None:
    """Each heading says what it heads."""
    assert {"col", "row"} == {each.get("scope", "none") for each in read.all("th")}


def test_without_scripts_it_refreshes() -> None:
    """And the filter, which needs one, is not there."""
    text = page(snapshot(EVERY), nonce="n", refresh=7).decode()
    assert '<noscript><meta http-equiv="refresh" content="42"></noscript>' in text
    assert '<form id="tools" role="search" hidden>' in text


def test_it_may_stay_as_it_is() -> None:
    """With `refresh=0`."""
    text = page(snapshot(EVERY), nonce="n", refresh=0).decode()
    assert (False, True) == ("http-equiv" in text, 'data-refresh="0"' in text)


def test_icons_differ_in_form() -> None:
    """Each state has a picture of its own, which needs no other file."""
    icons = {icon(state) for state in SHAPES}
    assert (len(GLYPHS), set(GLYPHS)) == (len(icons), set(SHAPES))


# colours


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(colour: str, ground: str) -> str:
    """What is seen of a colour that is dimmed, above another."""
    pairs = [(int(colour[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(DIMMED * above + (1 - DIMMED) * below):02x}" for above, below in pairs)


TEXTS = ("text", "mute", "link", "up", "degraded", "down", "unknown", "paused")
SCHEMES = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


@SCHEMES
def test_all_text_is_readable(colours: dict[str, str]) -> None:
    """AA, 4.5 to 1: every text on every surface, tinted ones too."""
    surfaces = ["page", "card", *(f"{state}-soft" for state in GLYPHS)]
    pairs = {(text, each): contrast(colours[text], colours[each]) for text in TEXTS for each in surfaces}
    pairs["page", "text"] = contrast(colours["page"], colours["text"])  # of a pressed button
    assert {} == {pair: round(ratio, 2) for pair, ratio in pairs.items() if ratio < 4.5}


@SCHEMES
def test_dimmed_text_is_readable(colours: dict[str, str]) -> None:
    """What is old is grey, and can be read all the same."""
    pairs = {(text, each): (colours[text], colours[each]) for text in ("text", "mute") for each in ("page", "card")}
    ratios = {
        pair: contrast(mixed(text, colours["page"]), mixed(each, colours["page"]))
        for pair, (text, each) in pairs.items()
    }
    assert {} == {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 4.5}


@SCHEMES
def test_marks_and_edges_can_be_seen(colours: dict[str, str]) -> None:
    """AA, 3 to 1: bars, the edges of controls, the focus."""
    marks = ("edge", "link", "mute", "up", "degraded", "down")
    ratios = {(mark, each): contrast(colours[mark], colours[each]) for mark in marks for each in ("page", "card")}
    assert {} == {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 3.0}


def test_every_colour_is_a_token() -> None:
    """So that the tests above know all of them."""
    rules = STYLE[STYLE.index("*{") :]
    assert {"#fff", "#000"} >= set(re.findall(r"#[0-9a-f]{3,8}\b(?=[;}])", rules))


# sizes


def crowd(number: int, status: str = "up") -> dict[str, Any]:
    """So many checks, in groups and with tags."""
    one = view(status, group="storefront", tags={"team": "web"}, critical=True)
    return {f"service-{each}.example.internal": one for each in range(number)}


@pytest.mark.parametrize("status", ["up", "down", "degraded"])
@pytest.mark.parametrize("number", [RICH, RICH + 1, 500])
def test_500_checks_are_less_than_a_mebibyte(number: int, status: str) -> None:
    """Less than 800 kB, in fact, whatever their state is."""
    assert 800_000 > len(page(snapshot(crowd(number, status)), nonce="n"))


def test_results_that_ended_alike_share_a_title_in_a_crowd() -> None:
    """The bar looks the same."""
    read = document(crowd(RICH + 1, "down"))
    bars = [each for each in read.all("path") if "class" in each][:2]
    assert [{"class": "d-pass", "d": "M0 25.5h12"}, {"class": "d-fail", "d": "M12 14.5h4"}] == bars


def test_more_checks_than_fit_are_counted() -> None:
    """The most troubled are shown."""
    checks = {**crowd(MOST), "late": view("down")}
    text = html(checks)
    assert (MOST, True) == (text.count('<li class="check'), "1 more check is not shown" in text)
    assert "late" == re.findall(r"<h3><bdi>(.*?)</bdi></h3>", text)[0]


def test_ten_thousand_checks_make_a_page_like_any_other() -> None:
    """It is bounded."""
    text = html(crowd(10_000))
    assert (True, True) == (len(text) < 800_000, "9,500 more checks are not shown" in text)


def test_long_texts_show_fewer_checks() -> None:
    """The page is bounded in bytes too."""
    long = view("down", explanation="&" * 300, tags={f"{each}{'&' * 60}": "&" * 60 for each in range(20)})
    made = page(snapshot({f"{each}{'&' * 100}": long for each in range(500)}), nonce="n")
    assert (True, True) == (len(made) < LARGEST + 100_000, b"more checks are not shown" in made)


def test_subjects_share_the_room() -> None:
    """Several large ones are bounded as one is."""
    made = page({"subjects": [snapshot(crowd(500))] * 4}, nonce="n")
    assert (True, 4) == (len(made) < 800_000, made.count(b"375 more checks are not shown"))


def test_a_snapshot_is_left_as_it_is() -> None:
    """It is shared with others."""
    whole = snapshot(EVERY)
    before = copy.deepcopy(whole)
    page(whole, nonce="n")
    assert before == whole


def test_reasons_are_told_by_outcome() -> None:
    """Failures by their reason alone."""
    assert b"<dt>reasons</dt><dd>connect 4, warn condition 2</dd>" in page(snapshot({"a": view("down")}), nonce="n")


@pytest.mark.parametrize("draining", [True, False])
def test_draining_is_told(draining: bool) -> None:
    """Whoever looks should know why no requests come."""
    whole = {**snapshot(EVERY), "service": {"name": "shop", "draining": draining}}
    made = page(whole, nonce="n")
    assert [draining] * 2 == [each in made for each in (b"no more requests are wanted", "<title>‖ draining".encode())]


def test_heartbeats_are_told() -> None:
    """With what is missed."""
    beats = {"<b>": {"status": "missed", "detail": "no beat for 20.0 s"}, "loop": {"status": "alive", "detail": ""}}
    made = page({**snapshot({"a": view()}), "heartbeats": beats}, nonce="n").decode()
    missed = '<div><dt>heartbeat <bdi>&lt;b&gt;</bdi></dt><dd class="x">missed: no beat for 20.0 s</dd></div>'
    assert [True] * 2 == [each in made for each in (missed, "heartbeat <bdi>loop</bdi></dt><dd>alive</dd>")]


@pytest.mark.parametrize(("between", "told"), [(0.0, "down for 20 min"), (60.0, "down for 20 min, up for 1 min")])
def test_of_stability_nothing_is_claimed_that_was_not_seen(between: float, told: str) -> None:
    """A check that was never up has no time between two failures."""
    made = page(snapshot({"a": view("down", mttr_s=1200.0, mtbf_s=between)}), nonce="n").decode()
    assert f"<dt>on average</dt><dd>{told}</dd>" in made
