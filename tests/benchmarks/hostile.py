"""Hostile and broken targets: verdict, time and memory, beside urlopen, requests and the curl program.

The targets and what must come of them are those of tests/probes/hostile.py. As a program with `--as` it is one of the
clients: it polls each target from a process of its own, which is ended after 3 seconds and has 1 GiB at most.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from fresh import script
from lines import Line, measuring

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "probes"))

from hostile import CASES, WELL, Ask, Case, Seen, ours, poll, served

CAP = 3.0
MOST = 1 << 30
"""Bytes of address space."""
BATCH = 4
"""Polls at the same time, of targets that do not keep everybody waiting."""

CANNOT = {
    "minimon": (),
    "urlopen": ("follow_redirects", "max_redirects", "allow_hosts", "deny_networks", "decode"),
    "requests": ("max_redirects", "allow_hosts", "deny_networks"),
    "curl": ("allow_hosts", "deny_networks", "read_body"),
}
"""The options that a client does not have: it is not asked then."""


def right(case: Case, status: int, text: str) -> tuple[str, str, str]:
    """What a client makes of an answer, if it is as careful as most are."""
    expect = case.options.get("expect", {})
    if not 200 <= status <= 299:
        return "fail", "status", str(status)
    if "contains" in expect and expect["contains"] not in text:
        return "fail", "condition", "contains"
    if "json" in expect and json.loads(text) != expect["json"]:
        return "fail", "condition", "json"
    return "pass", "", str(status)


def by_urlopen(case: Case, url: str) -> tuple[str, str, str]:
    """The standard library's own."""
    options = case.options
    try:
        request = urllib.request.Request(url, options.get("body"), method=options.get("method"))
        with urllib.request.urlopen(request, timeout=case.timeout) as answer:
            body = answer.read() if options.get("read_body", True) else b""
            charset = answer.headers.get_content_charset() or "utf-8"
            return right(case, answer.status, body.decode(charset) if "expect" in options else "")
    except Exception as error:
        return "fail", type(error).__name__, f"{error}"[:200]


def by_requests(case: Case, url: str) -> tuple[str, str, str]:
    """The usual one."""
    import requests

    options = case.options
    given: dict[str, Any] = {"timeout": case.timeout, "data": options.get("body")}
    given["allow_redirects"] = options.get("follow_redirects", True)
    given["stream"] = not options.get("read_body", True)
    method = options.get("method") or ("POST" if "body" in options else "GET")
    try:
        with requests.request(method, url, **given) as answer:
            return right(case, answer.status_code, answer.text if "expect" in options else "")
    except Exception as error:
        return "fail", type(error).__name__, f"{error}"[:200]


def by_curl(case: Case, url: str) -> tuple[str, str, str, int]:
    """The program, in a process of its own, whose memory is looked at while it runs."""
    options, wanted = case.options, "expect" in case.options
    command = ["curl", "-q", "-s", "-S", "-g", "--max-time", str(case.timeout), "-w", "\n%{http_code}"]
    command += ["--max-redirs", str(options.get("max_redirects", 10)), "-o", "-" if wanted else os.devnull]
    command += ["-L"] * options.get("follow_redirects", True) + ["--compressed"] * options.get("decode", False)
    command += ["-I"] * (options.get("method") == "HEAD") + ["--data-binary", "@-"] * ("body" in options)
    peak, said, errors = 0, b"", b""
    with tempfile.TemporaryFile() as body:
        body.write(options.get("body", b""))
        body.seek(0)
        with subprocess.Popen([*command, url], stdin=body, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while process.returncode is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    said, errors = process.communicate(timeout=0.005)
                peak = max(peak, _peak_of(process.pid))
    if case is WELL:
        _curl["peak"] = peak
    grown = max(0, peak - _curl["peak"])
    text, _, status = said.decode("utf-8", "replace").rpartition("\n")
    if process.returncode:
        return "fail", f"curl {process.returncode}", errors.decode("utf-8", "replace").strip()[:200], grown
    try:
        return (*right(case, int(status), text), grown)
    except (ValueError, RecursionError) as error:
        return "fail", "condition", f"{error}"[:200], grown


_curl = {"peak": 0}
"""KiB of a curl whose poll goes well."""


def _peak_of(pid: int) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return 0


CLIENTS: dict[str, Ask] = {"minimon": ours, "urlopen": by_urlopen, "requests": by_requests, "curl": by_curl}


def play(who: str, places: Mapping[str, str]) -> None:
    """Be this client, and print what came of each case."""
    os.environ["no_proxy"] = "*"
    resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    unasked = [name for name, case in CASES.items() if any(option in case.options for option in CANNOT[who])]
    for name in unasked:
        del CASES[name]
    CLIENTS[who](WELL, f"http://{places['']}/")
    for name, seen in poll(CLIENTS[who], places, BATCH, CAP):
        print(json.dumps([name, *seen]), flush=True)


def measure(quick: bool) -> Iterator[Line]:
    """The bars for minimon; then, unless it must be quick, the others, and all of them case by case."""
    seen: dict[str, dict[str, Seen]] = {}
    with served() as places:
        for who in clients(quick):
            told = script("hostile.py", "--as", who, "--places", json.dumps(places), python=sys.executable, timeout=300)
            seen[who] = {name: Seen(*rest) for name, *rest in told}
            bars = (8.0, 0.1, 0.0) if who == "minimon" else (None, None, None)
            yield from summary(who, seen[who], *bars)
    for name in CASES if len(seen) > 1 else ():
        note = "; ".join(f"{who}: {shown(found.get(name))}" for who, found in seen.items())
        mine = seen["minimon"].get(name)
        yield Line("hostile", name, mine.elapsed if mine else None, "s", note=note)


def clients(quick: bool) -> list[str]:
    """Those that are here."""
    found = ["minimon"] if quick else ["minimon", "urlopen"]
    try:
        import requests  # noqa: F401
    except ImportError:
        return found
    return found if quick else [*found, "requests", *["curl"] * (shutil.which("curl") is not None)]


def summary(
    who: str, seen: Mapping[str, Seen], most: float | None, overrun: float | None, wrong: float | None
) -> Iterator[Line]:
    """The worst of a client. Of ours the reasons count, too."""
    grown = {name: (each.grown or 0) / 1024 for name, each in seen.items()}
    late = {name: each.elapsed - CASES[name].timeout for name, each in seen.items()}
    silent = [name for name in CASES if name not in seen] if who == "minimon" else []
    false = silent + [name for name, each in seen.items() if not fits(who, CASES[name], each)]
    for what, worst, unit, bar in (
        ("memory of a poll", grown, "MiB", most),
        ("beyond the deadline", late, "s", overrun),
    ):
        name = max(worst, key=worst.__getitem__)
        yield Line("hostile", f"{who}: {what}, the most of {len(seen)}", worst[name], unit, bar, name)
    green = [name for name in false if name in seen and seen[name].outcome == "pass"]
    note = "; ".join(false[:5]) if who == "minimon" else f"{len(green)} of them a pass that is none"
    yield Line("hostile", f"{who}: wrong verdicts", len(false), "", wrong, note)


def fits(who: str, case: Case, seen: Seen) -> bool:
    """Whether the verdict is right."""
    if who == "minimon":
        return (seen.outcome, seen.reason) == case.expected
    return seen.outcome == case.expected[0]


def shown(seen: Seen | None) -> str:
    """One cell of the table."""
    if seen is None:
        return "-"
    words = f"{seen.outcome} {seen.reason}".strip()
    return f"{words} {seen.elapsed:.2f} s {(seen.grown or 0) / 1024:.1f} MiB"


def main() -> None:
    """The row, or one of its clients."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", dest="who", choices=CLIENTS)
    parser.add_argument("--places", type=json.loads)
    chosen, _ = parser.parse_known_args()
    if chosen.who is None:
        measuring(measure)
    else:
        play(chosen.who, chosen.places)


if __name__ == "__main__":
    main()
