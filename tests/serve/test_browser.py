"""The status page in a browser: nothing is refused, it stays alive, and keeps what its reader was doing."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from browser import Browser, Tab, browsing, program
from support import few, wait_until
from test_page import EVERY, EVIL, snapshot, view
from test_page_processes import process, supervised

from minimon import Check, HealthCheckServer, Monitor
from minimon.serve.page import CSP, page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="there is no Chromium here: apt-get install chromium"),
]


BOX = "document.getElementById('filter')"


class Site:
    """A server that shows a page of `shown`, with the policy that the page is made for."""

    def __init__(self) -> None:
        self.shown: Any = snapshot(EVERY)
        self.asked = 0
        self.status = 200
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, at the same port as before."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked += 1
                nonce = secrets.token_urlsafe(12)
                self.send_response(site.status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", CSP.format(nonce=nonce))
                self.end_headers()
                self.wfile.write(page(site.shown, nonce=nonce, refresh=1))

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    path = program()
    assert path is not None
    with browsing(path) as running:
        yield running


@pytest.fixture(scope="module")
def reused(browser: Browser) -> Tab:
    """A tab for most of them: each new one takes a quarter of a second."""
    return browser.tab()


@pytest.fixture
def another(browser: Browser) -> Iterator[Tab]:
    """A tab that has never seen the page."""
    opened = browser.tab()
    yield opened
    opened.close()


@pytest.fixture
def site() -> Iterator[Site]:
    """A server of its own for each test."""
    running = Site()
    yield running
    running.stop()


@pytest.fixture
def tab(reused: Tab, site: Site) -> Tab:
    """The page, opened, in a window of the usual size, by day."""
    reused.call("Page.bringToFront")
    reused.size(1280, 800)
    reused.open(site.url)
    reused.errors.clear()
    return reused


def updated(tab: Tab) -> None:
    """Have the page brought up to date, at once: as when the network is there again."""
    tab.run("document.getElementById('main').dataset.old = 'yes', dispatchEvent(new Event('online'))")
    tab.wait("!document.getElementById('main').dataset.old")


def shown(tab: Tab) -> list[str]:
    """The names of the checks that can be seen."""
    rows = "[...document.querySelectorAll('.check')].filter(each => each.offsetParent)"
    names: list[str] = tab.run(f"{rows}.map(each => each.querySelector('bdi').textContent)")
    return names


def test_nothing_is_refused(tab: Tab) -> None:
    """Neither the policy nor the browser has anything against the page and its updates."""
    updated(tab)
    assert [] == tab.errors


def test_the_policy_is_in_force(tab: Tab) -> None:
    """What it forbids is refused, and told: the test above would fail."""
    tab.run("document.body.setAttribute('style', 'color: red')")
    tab.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=1>')")
    told = " ".join(tab.errors)
    assert (True, True) == ("style" in told, "img-src" in told)


def test_a_change_is_seen_without_reload(tab: Tab, site: Site) -> None:
    """The banner, the title, the icon, the order, and what is announced."""
    icon = tab.run("window.before = 1, document.getElementById('icon').href")
    site.shown = snapshot({"late": view("down", critical=True), "minimon": view()}, "unhealthy")
    tab.wait("document.querySelector('h1').textContent.startsWith('Unhealthy')")
    state = tab.run("[window.before, document.title, document.getElementById('said').textContent]")
    assert ([1, "▼ 1 down · shop", "Unhealthy: 1 down"], ["late", "minimon"]) == (state, shown(tab))
    assert icon != tab.run("document.getElementById('icon').href")


def test_a_reader_is_not_disturbed(tab: Tab, site: Site) -> None:
    """Filter, focus, what is unfolded and the place on the page survive an update, though the order changes."""
    checks = {f"check-{number}": view() for number in range(80)}
    site.shown = snapshot(checks)
    updated(tab)
    tab.run("document.getElementById('filter').value = 'check'; 0")
    tab.run(
        "const more = document.getElementById('c0-check-60'); more.open = true; more.scrollIntoView({block: 'center'})"
    )
    tab.run("document.querySelector('#c0-check-60 summary').focus({preventScroll: true})")
    where = "Math.round(document.getElementById('c0-check-60').getBoundingClientRect().top)"
    before = tab.run(where)
    site.shown = snapshot({**checks, "check-7": view("down"), "check-9": view("down")})
    updated(tab)
    state = f"[document.getElementById('c0-check-60').open, document.activeElement.parentNode.id, {BOX}.value]"
    assert [True, "c0-check-60", "check"] == tab.run(state)
    assert abs(before - tab.run(where)) <= 1


def test_hostile_texts_are_shown_as_text(tab: Tab, site: Site) -> None:
    """Nothing of them is an element, nothing runs, nothing is asked for."""
    bad = view("down", explanation=EVIL, group=EVIL, tags={EVIL: EVIL}, recent=[{"outcome": "fail", "reason": EVIL}])
    site.shown = snapshot({EVIL: bad}, events=[{"at": EVIL, "check": EVIL, "kind": EVIL, "detail": EVIL}])
    updated(tab)
    assert tab.run("document.querySelector('h3').textContent.includes('<img src=x onerror=')")
    found = tab.run("document.querySelectorAll('main script, main img, main style').length")
    assert (0, []) == (found, tab.errors)


def test_processes_are_shown_as_checks_are(tab: Tab, site: Site) -> None:
    """What is unfolded stays so when a process fails; the filter finds it; its output is text."""
    site.shown = supervised({"db": process(), "web": process()})
    updated(tab)
    tab.run("document.getElementById('c0-db').open = true")
    site.shown = supervised({"db": process(), "web": process("failed", why=EVIL, log=[EVIL])}, "unhealthy")
    updated(tab)
    before = tab.run("document.getElementById('c0-db').open"), shown(tab)
    tab.run("document.getElementById('troubled').click()")
    seen = shown(tab), tab.run("document.querySelectorAll('main script, main img').length"), tab.errors
    assert ((True, ["web", "db"]), (["web"], 0, [])) == (before, seen)


def test_a_monitor_without_a_check_of_itself_is_shown(tab: Tab, site: Site) -> None:
    """Its figures stay when the filter has nothing to say of them."""
    site.shown = snapshot({"a": view()})
    updated(tab)
    assert "The monitor itself" in tab.run("document.getElementById('main').innerText")


def test_a_page_that_begins_with_hostile_texts_is_quiet(another: Tab, site: Site) -> None:
    """The first document is read by the same rules as the later ones."""
    site.shown = snapshot({EVIL: view("down", group=EVIL)}, service={"name": EVIL})
    another.open(site.url)
    updated(another)
    assert (2, []) == (another.run("document.querySelectorAll('style, script').length"), another.errors)


def test_silence_is_told_and_ends(tab: Tab, site: Site) -> None:
    """The old content is greyed and dated; when the server is there again, all is as before."""
    site.stop()
    tab.run("dispatchEvent(new Event('online'))")
    tab.wait("!document.getElementById('lost').hidden")
    told = tab.run("document.getElementById('lost').innerText.replaceAll('\\n', ' ')")
    grey = tab.run("getComputedStyle(document.getElementById('main')).filter")
    site.start()
    tab.run("dispatchEvent(new Event('online'))")
    tab.wait("document.getElementById('lost').hidden && !document.title.includes('no answer')")
    assert "No answer for " in told and "it cannot be reached" in told
    assert ("grayscale(1)", "none") == (grey, tab.run("getComputedStyle(document.getElementById('main')).filter"))


def test_a_refusal_is_no_answer(tab: Tab, site: Site) -> None:
    """An error page is not taken for the monitor."""
    site.status = 503
    tab.run("dispatchEvent(new Event('online'))")
    tab.wait("document.getElementById('lost-why').textContent === 'it answers 503'")
    assert "◌ no answer · shop" == tab.run("document.title")


def test_the_filter_looks_at_name_group_tag_and_state(tab: Tab) -> None:
    """All words must be found, in whatever place."""
    found = {}
    for text in ("sear", "front web", "degraded", "paused", "critical down", "nothing"):
        tab.run(f"{{ const box = {BOX}; box.value = '{text}'; box.dispatchEvent(new Event('input')) }}")
        found[text] = ",".join(shown(tab))
    wanted = {"sear": "search", "front web": "search", "degraded": "queue", "paused": "disk", "critical down": "search"}
    assert {**wanted, "nothing": ""} == found


def test_the_filter_is_told_and_goes_for_events(tab: Tab, site: Site) -> None:
    """How many of a group are shown; the events of others are hidden."""
    told = []
    for text in ("queue", "mail", "a", ""):
        tab.run(f"{{ const box = {BOX}; box.value = '{text}'; box.dispatchEvent(new Event('input')) }}")
        groups = "[...document.querySelectorAll('section.group:not([hidden]) .title .mute')].map(e => e.textContent)[0]"
        told.append((tab.run(groups), tab.run("document.querySelectorAll('.events tbody tr:not([hidden])').length")))
    assert [("1 of 1 troubled", 0), ("1 of 3 shown", 0), ("1 of 1 troubled", 1), ("1 of 1 troubled", 1)] == told


def test_the_filter_has_keys(tab: Tab) -> None:
    """A slash goes there, Escape clears it."""
    tab.key("/")
    for key in "mail":
        tab.key(key)
    before = shown(tab)
    tab.key("Escape")
    assert (["mail"], 6, "") == (before, len(shown(tab)), tab.run("document.getElementById('filter').value"))


def test_the_address_keeps_the_filter(tab: Tab) -> None:
    """Somebody else sees the same."""
    tab.run("document.getElementById('troubled').click()")
    before, address = shown(tab), tab.run("location.hash")
    tab.call("Page.reload")
    tab.wait("document.readyState === 'complete' && document.querySelectorAll('.check[hidden]').length")
    assert (["search", "queue", "mail"], before, "#only=troubled") == (before, shown(tab), address)


def test_what_is_read_is_held(tab: Tab, site: Site) -> None:
    """While text is selected nothing moves; afterwards it does."""
    tab.run("getSelection().selectAllChildren(document.querySelector('.n p'))")
    site.shown = snapshot({"other": view()})
    tab.run("document.dispatchEvent(new Event('visibilitychange'))")
    tab.wait("document.getElementById('live').textContent.startsWith('held while text is selected')")
    before = "other" in shown(tab)
    tab.run("getSelection().removeAllRanges()")
    updated(tab)
    assert (False, ["other"]) == (before, shown(tab))


@pytest.mark.long
def test_a_page_that_nobody_sees_does_not_ask(tab: Tab, site: Site, another: Tab) -> None:
    """It does again, at once, when it is looked at."""
    another.call("Page.bringToFront")
    tab.wait("document.hidden")
    asked = site.asked
    tab.run("new Promise(done => setTimeout(done, 1150))")
    still = site.asked - asked
    tab.call("Page.bringToFront")
    updated(tab)
    assert (0, True) == (still, site.asked > asked)


def test_it_is_whole_without_scripts(another: Tab, site: Site) -> None:
    """All is there but the filter, and it refreshes itself."""
    another.call("Emulation.setScriptExecutionDisabled", value=True)
    another.open(site.url)
    seen = shown(another), another.run("document.getElementById('tools').offsetParent")
    assert (["search", "queue", "mail", "shop", "disk", "minimon"], None) == seen
    assert "6" == another.run("document.querySelector('meta[http-equiv=refresh]').content")


@pytest.mark.parametrize("width", few([320, 2560, 640, 1024]))
def test_nothing_sticks_out(tab: Tab, site: Site, width: int) -> None:
    """From 320 pixels to a wide screen, whatever the texts are, with all unfolded."""
    long = "w" * 300
    whole = snapshot({long: view("down", explanation=long, tags={long: long}), **EVERY}, service={"name": long})
    failed = process("failed", why=long, command=long, log=[long], depends_on={long: "ready"}, code=-9)
    site.shown = {"subjects": [whole, supervised({long: failed, "db": process(restarts=10**6)}, lacking=[long])]}
    tab.size(width, 800)
    updated(tab)
    tab.run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert width >= tab.run("document.documentElement.scrollWidth")


def test_day_and_night_differ(tab: Tab) -> None:
    """The page follows what its reader likes."""
    grounds = []
    for scheme in ("light", "dark"):
        tab.size(1280, 800, scheme)
        grounds.append(tab.run("getComputedStyle(document.body).backgroundColor"))
    assert ["rgb(245, 246, 248)", "rgb(14, 17, 22)"] == grounds


def test_on_paper_it_is_black_on_white(tab: Tab) -> None:
    """Without what can only be clicked."""
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    tab.call("Emulation.setEmulatedMedia", media="print", features=dark)
    style = "getComputedStyle(document.body)"
    seen = tab.run(f"[{style}.color, {style}.backgroundColor, document.getElementById('tools').offsetParent]")
    assert ["rgb(0, 0, 0)", "rgb(255, 255, 255)", None] == seen


def test_the_servers_own_page_is_alive(another: Tab) -> None:
    """As a HealthCheckServer serves it, with its own policy: a check that goes down is seen, and nothing is refused."""
    up = threading.Event()
    up.set()
    checks = [Check("queue <img src=x onerror=alert(1)>", up.is_set, every=0.05, fall=1, rise=1)]
    with Monitor(checks, name="shop") as monitor, HealthCheckServer(port=0).serving(monitor) as server:
        assert wait_until(lambda: monitor.overall() == "healthy")
        another.open(f"http://{server.host}:{server.port}/")
        before = another.run("document.title")
        up.clear()
        assert wait_until(lambda: monitor.overall() == "unhealthy")
        updated(another)
        another.wait("document.title.includes('1 down')")
        seen = another.run("document.querySelectorAll('img').length"), another.errors
    assert (True, (0, [])) == ("shop" in before, seen)
