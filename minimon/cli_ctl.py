"""The command `ctl`: what is asked of a running `supervise`, or of any server of a Supervisor, over HTTP."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .text import short

if TYPE_CHECKING:
    from .table import Output

Complain = Callable[[object, int], int]
PATIENCE = 600.0
"""Seconds that an answer is waited for."""
FAILED, USAGE = 1, 2


def ctl(args: argparse.Namespace, output: Output, complain: Complain) -> int:
    """Ask for one thing; the exit code: 0, or 1 where it was not done. Raises ConfigError for the URL."""
    if "://" not in args.url:
        args.url = f"http://{args.url}"
    if args.verb == "shutdown":
        return _shut_down(args, output, complain)
    if args.verb == "list":
        return _list(args, output, complain)
    if not args.names:
        return complain(f"ctl: {args.verb} of which process? say its name", USAGE)
    do = _log if args.verb == "log" else _do
    return max(do(args, name, output, complain) for name in args.names)


def _ask(args: argparse.Namespace, method: str, path: str) -> tuple[int, Any, str]:
    """Code, document and text of an answer; code 0 and why, where there is none. Raises ConfigError."""
    from .probes.http import HttpProbe

    more = {"bearer": args.token} if args.token else {}
    response = HttpProbe(f"{args.url.rstrip('/')}{path}", method=method, max_body=16 << 20, **more)(PATIENCE)
    if response.error is not None or response.status_code is None:
        why = response.error.detail if response.error is not None else "no answer"
        return 0, None, f"nothing answers at {args.url}: {why}; --url says where it is served"
    text = response.text
    with contextlib.suppress(ValueError):
        return response.status_code, json.loads(text), text
    return response.status_code, None, text


def _why(code: int, document: Any, text: str) -> str:
    """What an answer says is wrong."""
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    process = document.get("process") if isinstance(document, dict) else None
    if not error and isinstance(process, dict):
        error = f"it is {process.get('state')}: {process.get('why')}"
    return str(error or text or "no answer") if code else text


def _shut_down(args: argparse.Namespace, output: Output, complain: Complain) -> int:
    code, document, text = _ask(args, "DELETE", "/")
    if code != 200:
        return complain(f"ctl: {_why(code, document, text)}", FAILED)
    output.line("all are being stopped")
    return 0


def _list(args: argparse.Namespace, output: Output, complain: Complain) -> int:
    from .errors import did_you_mean

    code, document, text = _ask(args, "GET", "/processes")
    if code != 200 or not isinstance(document, dict):
        return complain(f"ctl: {_why(code, document, text)}", FAILED)
    views = document["processes"]
    known = {key for view in views for key in (view["name"], str(view["id"]))}
    for name in args.names:
        if name not in known:
            return complain(f"ctl: no process {name!r}; {did_you_mean(name, {view['name'] for view in views})}", FAILED)
    shown = [view for view in views if not args.names or {view["name"], str(view["id"])} & {*args.names}]
    if args.json:
        output.line(json.dumps({"count": len(shown), "processes": shown}))
        return 0
    wide = max([4, *(len(view["name"]) for view in shown)])
    output.line(f"{'ID':>3}  {'NAME':<{wide}}  {'STATE':<8}  {'PID':>7}  {'UP':>7}  {'RESTARTS':>8}")
    for view in shown:
        output.line(short(_row(view, wide), max(output.width, 60)))
    return 0


def _row(view: dict[str, Any], wide: int) -> str:
    from .model import span

    up = span(view["uptime_s"]) if view["uptime_s"] is not None else "-"
    row = f"{view['id']:>3}  {view['name']:<{wide}}  {view['state']:<8}  {view['pid'] or '-':>7}  {up:>7}"
    told = view["why"] or (f"with code {view['code']}" if view["state"] == "exited" else "")
    if view["next_in_s"] is not None:
        told = f"again in {view['next_in_s']:.0f} s: {told}"
    return f"{row}  {view['restarts']:>8}  {told}".rstrip()


def _do(args: argparse.Namespace, name: str, output: Output, complain: Complain) -> int:
    code, document, text = _ask(args, "POST", f"/processes/{quote(name, safe='')}/{args.verb}")
    if code != 200 or not isinstance(document, dict):
        return complain(f"ctl: {args.verb} {name}: {_why(code, document, text)}", FAILED)
    view = document["process"]
    output.line(json.dumps(document) if args.json else f"{view['name']}: {view['state']}{_with_pid(view)}")
    return 0


def _with_pid(view: dict[str, Any]) -> str:
    if view["state"] == "exited":
        return f" with code {view['code']}"
    return f", pid {view['pid']}" if view["pid"] else ""


def _log(args: argparse.Namespace, name: str, output: Output, complain: Complain) -> int:
    code, document, text = _ask(args, "GET", f"/processes/{quote(name, safe='')}/log?tail={args.lines}")
    if code != 200:
        return complain(f"ctl: log {name}: {_why(code, document, text)}", FAILED)
    if len(args.names) > 1:
        output.line(f"==> {name} <==")
    output.write(text)
    return 0
