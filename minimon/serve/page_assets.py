"""What the status page brings along: its colours, icons, style sheet and script, its words and its frame. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

LIGHT = {
    "page": "#f5f6f8",
    "card": "#ffffff",
    "line": "#dde1e7",
    "edge": "#7d8793",
    "text": "#191d23",
    "mute": "#4d5661",
    "link": "#0b57b0",
    "up": "#17692f",
    "degraded": "#7d4e00",
    "down": "#b3121f",
    "unknown": "#4d5661",
    "paused": "#54499c",
    "up-soft": "#eaf6ed",
    "degraded-soft": "#fdf3dc",
    "down-soft": "#fdebec",
    "unknown-soft": "#eceff3",
    "paused-soft": "#eeecf9",
}
"""The colours of the page by day. All text is readable on every surface: 4.5 to 1 at least, and so when dimmed."""

DARK = {
    "page": "#0e1116",
    "card": "#161a21",
    "line": "#2a303a",
    "edge": "#78828f",
    "text": "#e7eaee",
    "mute": "#a9b2bd",
    "link": "#84b9ff",
    "up": "#62cd83",
    "degraded": "#eab54e",
    "down": "#ff8a84",
    "unknown": "#a9b2bd",
    "paused": "#b6aef5",
    "up-soft": "#12241a",
    "degraded-soft": "#2a2110",
    "down-soft": "#331719",
    "unknown-soft": "#1c2129",
    "paused-soft": "#211f33",
}
"""The same by night."""

DIMMED = 0.85
"""How opaque the content is while the server does not answer."""

SHAPES = {
    "up": '<circle cx="16" cy="16" r="13"/>',
    "degraded": '<path d="M16 3 31 29H1z"/>',
    "down": '<path d="M16 29 31 3H1z"/>',
    "unknown": '<circle cx="16" cy="16" r="11" fill="none" stroke-width="5" stroke-dasharray="7 4.5"/>',
    "paused": '<path d="M6 3h7v26H6zM19 3h7v26h-7z"/>',
}
"""The icon of the page by the state: forms that can be told apart without their colours."""

ICON_COLOURS = {"up": "#2da44e", "degraded": "#d29922", "down": "#e5484d", "unknown": "#7d8793", "paused": "#7c72d8"}
"""To be seen on light and dark tabs."""


def icon(state: str) -> str:
    """The address of the icon for a state: the picture itself, as a data URL."""
    colour = ICON_COLOURS[state]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="{colour}" stroke="{colour}">'
    return "data:image/svg+xml," + quote(f"{head}{SHAPES[state]}</svg>", safe="/:=' ")


def _tokens(colours: Mapping[str, str]) -> str:
    return ":root{" + ";".join(f"--{name}:{colour}" for name, colour in colours.items()) + "}\n"


_STATES = "".join(
    f".{state}{{--own:var(--{state});--soft:var(--{state}-soft)}}\n"
    for state in ("up", "degraded", "down", "unknown", "paused")
)

_BASE = r"""
*{box-sizing:border-box}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%;color-scheme:light dark;
 --mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
body{margin:0 auto;max-width:92rem;padding:1rem clamp(.6rem,2vw,1.5rem) 2rem;background:var(--page);color:var(--text);
 font:.875rem/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
 font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1,h2,h3,h4,p,ul,dl,dd,table,pre{margin:0;padding:0;font:inherit}
ul{list-style:none}
a{color:var(--link)}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
#main:focus{outline:none}
.quiet{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;padding:.4rem .8rem;background:var(--card);z-index:2}
.mute,footer{color:var(--mute)}
time,.nb{white-space:nowrap}

#banner,#lost{display:flex;flex-wrap:wrap;gap:.5rem 1.1rem;align-items:center;padding:.9rem 1.2rem;border-radius:10px;
 background:var(--soft);border:1px solid var(--line);border-left:6px solid var(--own)}
#lost{margin-bottom:.6rem;border-left-style:dashed}
#banner>i,#lost>i{font:normal 2.1rem/1 system-ui,sans-serif;color:var(--own)}
#lost>i,#lost strong{color:var(--text)}
#banner>div:first-of-type{flex:1 1 12rem}
h1{font-size:1.55rem;line-height:1.2;font-weight:650;letter-spacing:-.01em}
h1 b{color:var(--own);font-weight:inherit}
h1 span{color:var(--mute);font-weight:400}
.counts{display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin-top:.2rem}
.counts .mute{min-width:4.6rem}
.counts b{color:var(--own);font-weight:600}
.counts i,.s i{font-style:normal;display:inline-block;width:1.15em;text-align:center;margin-right:.2em}
#banner dl{display:grid;grid-template-columns:auto auto;gap:0 .7rem}
#banner dt{color:var(--mute)}
#lost p{flex:1 1 14rem}

#find{display:contents}
#tools{display:flex;flex-wrap:wrap;gap:.5rem .7rem;align-items:center;margin:.9rem 0 0}
#tools label{color:var(--mute)}
#tools input{font:inherit;color:inherit;background:var(--card);border:1px solid var(--edge);border-radius:6px;
 padding:.32rem .6rem;flex:0 1 20rem;min-width:9rem}
#tools ::placeholder{color:var(--mute);opacity:1}
#tools button{font:inherit;color:var(--text);background:var(--card);border:1px solid var(--edge);border-radius:6px;
 padding:.32rem .8rem;cursor:pointer}
#tools button[aria-pressed=true]{background:var(--text);color:var(--page);border-color:var(--text)}
#live{margin-left:auto;color:var(--mute)}
[role=group]{display:flex}
[role=group] button:first-child{border-radius:6px 0 0 6px}
[role=group] button:last-child{border-radius:0 6px 6px 0;border-left:0}

.title{display:flex;flex-wrap:wrap;gap:0 .7rem;align-items:baseline;margin:1.3rem .2rem .4rem}
.title h2,.title h3{font-size:1.02rem;font-weight:650}
.subject>.title h2{font-size:1.3rem}
.subject>.title .mute{color:var(--own)}
.subject{border-top:1px solid var(--line);margin-top:1.4rem}
.note{padding:.9rem 1.1rem;background:var(--card);border:1px solid var(--line);border-radius:8px;margin-top:.9rem}
.cols{display:none}
.list{display:grid;gap:.55rem}
.said{margin-top:.9rem}
.check{position:relative;display:grid;grid-template-columns:repeat(5,minmax(0,1fr));gap:.25rem .4rem;
 background:var(--card);border:1px solid var(--line);border-left:4px solid var(--own);border-radius:8px;
 padding:.6rem .8rem}
.s{grid-column:1/3;color:var(--own);font-weight:600;white-space:nowrap}
.check.up .s{font-weight:400}
.check.up,.check.paused{border-left-color:var(--line)}
.a{grid-column:3/6;grid-row:1;text-align:right;padding-right:1.9rem;color:var(--mute)}
.a::before{content:"for "}
.n{grid-column:1/-1}
.n h3,.n h4{display:inline;font-weight:600;margin-right:.35rem}
.n em{font-style:normal;font-size:.78rem;color:var(--mute);border:1px solid var(--line);border-radius:4px;
 padding:0 .32rem;margin-right:.25rem;display:inline-block;max-width:100%}
.n em.k{color:var(--text);border-color:var(--edge)}
.n em.w{color:var(--degraded);border-color:var(--degraded)}
.n em.x{color:var(--down);border-color:var(--down);font-weight:600}
.n p{color:var(--mute)}
.t .n p{color:var(--text)}
.check>svg,.c{grid-column:1/5}
.check>svg{width:100%;max-width:20rem;height:28px;display:block}
.p,.u{white-space:nowrap}
.p small,.u small{display:block;font-style:normal;color:var(--mute);font-size:.75rem}
.u.g{color:var(--mute)}
.u.w{color:var(--degraded)}
.u.x{color:var(--down)}
.u.h{font-style:italic}
svg path{transform:translateX(.38px);vector-effect:non-scaling-stroke;fill:none;stroke:var(--mute);stroke-width:1.4;
 stroke-linecap:round;stroke-linejoin:round}
rect{width:.76px;height:5px;y:23px;fill:var(--up);opacity:.8}
.r-warn{height:9px;y:19px;fill:var(--degraded);opacity:1}
.r-fail{height:27px;y:1px;fill:var(--down);opacity:1}
.r-unknown{height:2px;y:26px;fill:var(--edge);opacity:1}
/* the same as dashed lines */
[class^=d-]{stroke-linecap:butt;stroke-dasharray:.76 .24;vector-effect:none;transform:none}
.d-pass{stroke:var(--up);stroke-width:5;opacity:.8}
.d-warn{stroke:var(--degraded);stroke-width:9}
.d-fail{stroke:var(--down);stroke-width:27}
.d-unknown{stroke:var(--edge);stroke-width:2}

.check details{grid-column:1/-1}
.check summary{position:absolute;right:.35rem;top:.35rem;width:1.9rem;height:1.9rem;cursor:pointer;list-style:none;
 border-radius:6px;color:var(--mute)}
summary::-webkit-details-marker{display:none}
.check summary::before{content:"";position:absolute;left:.66rem;top:.55rem;width:.42rem;height:.42rem;
 border:solid currentColor;border-width:0 2px 2px 0;transform:rotate(45deg)}
.check details[open] summary::before{transform:rotate(225deg);top:.8rem}
.check summary:hover{background:var(--unknown-soft);color:var(--text)}
.more{display:flex;flex-wrap:wrap;gap:.8rem 2rem;align-items:flex-start;padding:.6rem 0 .3rem;
 border-top:1px solid var(--line);margin-top:.35rem}
.more dl,.more .log{flex:1 1 100%}
.more table{font-size:.8125rem}
.facts{display:grid;grid-template-columns:minmax(5.5rem,max-content) 1fr;gap:.05rem .9rem}
.facts dt{color:var(--mute)}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:inherit}
caption{text-align:left;color:var(--mute);padding:0 0 .1rem}
th{font-weight:400;color:var(--mute);text-align:right;white-space:nowrap}
td{text-align:right;white-space:nowrap}
th,td{padding:.1rem clamp(.25rem,.5vw,.5rem)}
th:first-child,td:first-child{text-align:left;padding-left:0}
pre{font:.8125rem/1.45 var(--mono);white-space:pre-wrap}
.cmd{font:.8125rem/1.45 var(--mono);color:var(--mute)}
.n .cmd,.t .n .cmd{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:var(--mute)}
.log{grid-column:1/-1;min-width:0}
.process .a+.u{grid-column:span 2}
.log small{color:var(--mute);font-size:.75rem}
.log pre{background:var(--page);border:1px solid var(--line);border-radius:6px;padding:.3rem .6rem}
.facts .x{color:var(--down);font-weight:600}

.box{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem .9rem}
.events{width:100%}
.events td,.events th{text-align:left;vertical-align:top;padding:.22rem .7rem .22rem 0;white-space:normal}
.events tbody tr{border-top:1px solid var(--line)}
.events td:last-child{width:50%;color:var(--mute)}
.events td:nth-child(2){min-width:9rem}
.events td:nth-child(3){min-width:8.5rem}
.events b{font-weight:600;color:var(--own);white-space:nowrap}
.own{margin-top:.55rem;display:grid;gap:.1rem 1.6rem;grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr))}
.own div{display:flex;justify-content:space-between;gap:.8rem;border-bottom:1px solid var(--line);padding:.14rem 0}
.own dt{color:var(--mute)}
.own dd{text-align:right}
.own .x{color:var(--down);font-weight:600}
.own .w{grid-column:1/-1}
.own .w dt,.own .w dd{color:var(--degraded);text-align:left}
.own .w dd{flex:1}
footer{margin-top:1.6rem;font-size:.8125rem;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem}
footer p{flex:1 1 22rem}
footer p:empty{flex:1 1 0}
.lost #banner,.lost main{filter:grayscale(1);opacity:DIMMED}
@media (prefers-reduced-motion:no-preference){#banner,main{transition:opacity .3s}}

@media screen and (max-width:39.99rem){
 h1{font-size:1.3rem}
 #banner>i{font-size:1.7rem}
 #banner,#lost{padding:.7rem .9rem}
 #tools label{flex-basis:100%;margin-bottom:-.4rem}
 #tools input{flex:1 1 100%}
 #tools button{padding:.32rem .6rem}
 #tools{gap:.5rem}
 .events thead{display:none}
 .events tr,.events td,.events td:last-child{display:block;width:auto;padding:0}
 .events tbody tr{padding:.35rem 0}
 .events tbody tr:first-child{border:0}
 .events td:nth-child(2),.events td:nth-child(3){min-width:0}
 .events td:nth-child(1),.events td:nth-child(2){display:inline;padding-right:.6rem}
}
@media screen and (min-width:40rem) and (max-width:63.99rem){
 .list{grid-template-columns:1fr 1fr;align-items:start}
 .check:has(details[open]),.check:has(>.log){grid-column:1/-1}
}
"""

_ROWS = r"""
 .cols,.check{display:grid;grid-template-columns:6.3rem minmax(11rem,1fr) 5.4rem 7.5rem 4.2rem repeat(5,3.7rem) 1.6rem;
  gap:0 .8rem;align-items:center;padding:.32rem .5rem .32rem .8rem}
 .process{grid-template-columns:6.3rem minmax(11rem,1fr) 5.4rem 5.4rem 4.4rem 4.4rem 4.4rem 1.6rem}
 .cols{position:sticky;top:0;z-index:1;background:var(--page);color:var(--mute);font-size:.75rem;
  border-left:4px solid transparent;margin-top:.8rem}
 .cols+section>.title{margin-top:.3rem}
 .cols span:nth-child(3),.cols span:nth-child(n+5),.cols.process span:nth-child(4){text-align:right}
 .list{gap:0;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:hidden}
 .check{border:0;border-radius:0;border-left:4px solid var(--own);min-height:2.35rem}
 .check.up,.check.paused{border-left-color:transparent}
 .check+.check{border-top:1px solid var(--line)}
 /* what flaps is up, and not tinted */
 .check.t:not(.up){background:linear-gradient(90deg,var(--soft),var(--card) 40rem)}
 .check>*{grid-column:auto;grid-row:auto}
 .check details{grid-column:1/-1}
 .check>.log{grid-column:2/-2;padding-bottom:.3rem}
 .check:has(>.log) details:not([open]) summary{top:.25rem}
 .more dl{grid-template-columns:max-content 1fr max-content 1fr}
 .s,.n,.a,.p,.u,.c,.check>svg{grid-column:auto;grid-row:auto}
 .a{padding:0}
 .process .a+.u{grid-column:auto}
 .a::before{content:none}
 .p,.u{text-align:right}
 .check>svg{max-width:none}
 .p small,.u small{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 .check details:not([open]) summary{top:calc(50% - .95rem)}
 .check summary{top:.25rem}
"""

_PRINT = """
@media print{
 html{font-size:9.5px;color-scheme:light}
 body{max-width:none;padding:0;background:#fff;color:#000}
 .skip,#tools,summary,#lost,#live{display:none!important}
 .check.t:not(.up),.list,#banner,.box,.cols{background:none}
 .cols{position:static}
 .check,.events tr{break-inside:avoid}
 .title{break-after:avoid}
 a{color:inherit}
}
"""

STYLE = "".join(
    (
        _tokens(LIGHT),
        "@media (prefers-color-scheme:dark){",
        _tokens(DARK),
        "}\n@media print{",
        _tokens({**LIGHT, "page": "#ffffff", "text": "#000000"}),
        "}\n",
        _STATES,
        _BASE.replace("DIMMED", str(DIMMED)),
        f"@media (min-width:64rem),print{{{_ROWS}}}",
        _PRINT,
    )
)
"""The style sheet: cards where it is narrow, rows where it is wide or printed."""

SCRIPT = r"""
(() => {
"use strict";
const byId = (id) => document.getElementById(id);
const every = Number(document.documentElement.dataset.refresh) * 1000;
const box = byId("filter"), all = byId("all"), troubled = byId("troubled"), hold = byId("hold"), icon = byId("icon");
let answered = Date.now(), lost = false, asking = false, timer = 0;
const styled = /<style[^>]*>([^]*?)<\/style>/;
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

const span = (seconds) => {
  const s = Math.max(0, Math.floor(seconds)), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  return d ? `${d} d ${h % 24} h` : h ? `${h} h ${m % 60} min` : m ? `${m} min` : `${s} s`;
};
const serverTime = () => (Number(byId("banner").dataset.now) || answered / 1000) + (Date.now() - answered) / 1000;
const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const selecting = () => {
  const selection = getSelection();
  return !selection.isCollapsed && byId("main").contains(selection.anchorNode);
};

function tick() {
  if (document.hidden) return;
  const now = serverTime();
  for (const each of document.getElementsByTagName("time")) {
    const text = span(now - Date.parse(each.dateTime) / 1000);
    if (each.firstChild && text[0] !== "N" && each.firstChild.data !== text) each.firstChild.data = text;
  }
  const age = span((Date.now() - answered) / 1000);
  write(byId("lost-for"), age);
  write(byId("live"), lost || !every ? "" : pressed(hold) ? `held, ${age} old`
    : selecting() ? `held while text is selected, ${age} old` : `live, every ${every / 1000} s`);
}

function filter() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean), only = pressed(troubled);
  let shown = 0, total = 0;
  for (const section of document.querySelectorAll("section.group")) {
    const heading = section.querySelector(".title").textContent;
    const told = section.querySelector(".title .mute"), all = section.querySelectorAll(".check").length;
    let here = 0;
    for (const row of section.querySelectorAll(".check")) {
      const text = `${heading} ${row.children[0].textContent} ${row.children[1].textContent}`.toLowerCase();
      row.hidden = (only && !row.classList.contains("t")) || !words.every((word) => text.includes(word));
      here += !row.hidden;
      total += 1;
    }
    section.hidden = all > 0 && !here;
    shown += here;
    told.dataset.all ||= told.textContent;
    write(told, here === all ? told.dataset.all : `${here} of ${all} shown`);
  }
  for (const row of document.querySelectorAll(".events tbody tr"))
    row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  byId("find").hidden = !total;
  for (const head of document.querySelectorAll(".cols")) head.hidden = !shown;
  write(byId("shown"), words.length || only ? `${shown} of ${total} shown` : "");
}

function remember() {
  const state = new URLSearchParams();
  if (box.value) state.set("filter", box.value);
  if (pressed(troubled)) state.set("only", "troubled");
  const hash = state.toString();
  history.replaceState(null, "", location.pathname + location.search + (hash && "#" + hash));
  filter();
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  box.value = state.get("filter") || "";
  show(state.get("only") === "troubled");
  filter();
}

function show(only) {
  press(troubled, only);
  press(all, !only);
}

function place() {
  const rows = [...document.querySelectorAll(".check:not([hidden])")];
  const anchor = scrollY > 0 ? rows.find((row) => row.getBoundingClientRect().bottom > 0) : null;
  if (!anchor) return () => scrollTo(scrollX, scrollY);
  const id = anchor.lastElementChild.id, top = anchor.getBoundingClientRect().top, x = scrollX, y = scrollY;
  return () => {
    const again = byId(id);
    scrollTo(x, again ? scrollY + again.parentNode.getBoundingClientRect().top - top : y);
  };
}

function focusAgain() {
  const focused = document.activeElement, owner = focused.closest("#banner [id], #main[id], #main [id], #banner");
  if (!owner) return () => {};
  const id = owner.id, inside = owner === focused ? "" : focused.localName;
  return () => {
    const found = byId(id), target = found && inside ? found.querySelector(inside) : found;
    if (target) target.focus({preventScroll: true});
  };
}

function take(fresh) {
  const open = [...document.querySelectorAll("details[open]")].map((each) => each.id);
  const back = place(), refocus = focusAgain(), before = byId("banner").dataset.said;
  for (const id of ["banner", "main"]) byId(id).replaceWith(document.adoptNode(fresh.getElementById(id)));
  for (const each of open.map(byId)) if (each) each.open = true;
  document.title = fresh.title;
  icon.href = fresh.getElementById("icon").href;
  const after = byId("banner").dataset.said;
  if (lost || after !== before) write(byId("said"), after);
  answered = Date.now();
  lost = false;
  byId("lost").hidden = true;
  document.body.classList.remove("lost");
  filter();
  tick();
  back();
  refocus();
}

function lose(why) {
  if (!lost) write(byId("said"), "No answer");
  lost = true;
  write(byId("lost-why"), why);
  byId("lost").hidden = false;
  document.body.classList.add("lost");
  document.title = `\u25cc no answer \u00b7 ${document.documentElement.dataset.name}`;
  icon.href = icon.dataset.lost;
  tick();
}

async function fetched() {
  const stop = new AbortController(), limit = setTimeout(() => stop.abort(), 10000);
  try {
    const answer = await fetch(location.pathname + location.search,
      {cache: "no-store", credentials: "same-origin", headers: {Accept: "text/html"}, signal: stop.signal});
    if (!answer.ok) return `it answers ${answer.status}`;
    const text = await answer.text(), style = styled.exec(text);
    /* its style has another nonce than ours: the policy would refuse it, and say so */
    const fresh = new DOMParser().parseFromString(text.replace(styled, ""), "text/html");
    if (!style || !["banner", "main"].every((id) => fresh.getElementById(id))) return "it answers with another page";
    const same = style[1] === document.querySelector("style").textContent
      && fresh.querySelector("script").textContent === document.querySelector("script").textContent;
    if (!same) location.reload();
    return fresh;
  } catch (error) {
    return stop.signal.aborted ? "it takes more than 10 s" : "it cannot be reached";
  } finally {
    clearTimeout(limit);
  }
}

async function ask() {
  clearTimeout(timer);
  if (asking || document.hidden || !every) return;
  asking = true;
  if (pressed(hold) || selecting()) tick();
  else {
    const found = await fetched();
    if (typeof found === "string") lose(found);
    else if (!pressed(hold) && !selecting()) take(found);
  }
  asking = false;
  timer = setTimeout(ask, every);
}

box.addEventListener("input", remember);
box.form.addEventListener("submit", (event) => event.preventDefault());
all.addEventListener("click", () => { show(false); remember(); });
troubled.addEventListener("click", () => { show(true); remember(); });
hold.addEventListener("click", () => { press(hold, !pressed(hold)); tick(); if (!pressed(hold)) ask(); });
addEventListener("hashchange", recall);
addEventListener("online", ask);
document.addEventListener("visibilitychange", () => { tick(); ask(); });
document.addEventListener("mouseover", (event) => {
  const time = event.target.closest("time");
  if (time) time.title = new Date(time.dateTime).toLocaleString();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === box) {
    event.preventDefault();
    if (box.value) { box.value = ""; remember(); } else box.blur();
  } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && event.target !== box) {
    event.preventDefault();
    box.focus();
    box.select();
  }
});
byId("tools").hidden = false;
hold.hidden = !every;
recall();
tick();
setInterval(tick, 1000);
timer = setTimeout(ask, every);
})();
"""
"""The script: it fetches this page again, and puts the new banner and main in place of the old."""

GLYPHS = {"up": "●", "degraded": "▲", "down": "▼", "unknown": "◌", "paused": "‖"}
"""The sign of each state, beside its word: they differ in form."""
WHOLE = {
    "healthy": ("up", "Healthy"),
    "degraded": ("degraded", "Degraded"),
    "unhealthy": ("down", "Unhealthy"),
    "unknown": ("unknown", "Unknown"),
    "error": ("down", "Error"),
    "draining": ("paused", "Draining"),
}
"""The words for the whole, each with the state that it looks like."""
FIGURES = {
    "lag_s": "runs are late by",
    "missed": "runs missed",
    "suspended_s": "suspended for",
    "late": "results that came too late",
    "clock_jumps": "jumps of the wall clock",
    "dropped": "changes not told",
    "callback_errors": "callbacks that raised",
    "lost": "network lost",
    "queue": "runs waiting",
    "busy": "workers that are busy",
    "stuck": "runs that are stuck",
    "state_file: saved_at": "state file saved",
    "state_file: restored": "state file restored",
    "state_file: problem": "state file",
}
"""The monitor's figures in words."""
ALARMING = ("stuck", "dropped", "callback_errors", "lost", "state_file: problem")
"""Figures that should be nothing."""

AGAIN = '<noscript><meta http-equiv="refresh" content="{every}"></noscript>\n'
FRAME = """<!doctype html>
<html lang="en-GB" data-refresh="{every}" data-name="{name}">
<head>
<meta charset="utf-8">
<title>{glyph} {headline} · {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
{again}<link id="icon" rel="icon" href="{icon}" data-lost="{icon_lost}">
<style nonce="{nonce}">{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<div id="lost" class="unknown" hidden><i aria-hidden="true">◌</i><p><strong>No answer for <span id="lost-for"></span>:
<span id="lost-why"></span>.</strong><br>What stands below is from then. Still trying.</p></div>
{banner}
<p id="said" class="quiet" role="status" aria-live="polite"></p>
<form id="tools" role="search" hidden>
<span id="find"><label for="filter">Filter</label>
<input id="filter" type="search" autocomplete="off" spellcheck="false" maxlength="200" aria-keyshortcuts="/"
 placeholder="name, group, tag, state ( / )">
<div role="group" aria-label="Show"><button type="button" id="all" aria-pressed="true">All</button><button
 type="button" id="troubled" aria-pressed="false">Troubled</button></div>
<span id="shown" class="mute"></span></span>
<span id="live"></span>
<button type="button" id="hold" aria-pressed="false">Hold</button>
</form>
{main}
<footer><p>{legend}</p>
<a href="{home}">This page</a> <a href="{status_url}">as JSON</a></footer>
<script nonce="{nonce}">{script}</script>
</body>
</html>
"""
"""The document, without what is different each time."""
