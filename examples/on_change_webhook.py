"""Tells a webhook of every change. The callback runs on a thread of its own: it may be slow, it may fail.

usage: PYTHONPATH=. python3 examples/on_change_webhook.py [WEBHOOK_URL]

Shows itself: a target goes down and comes up again; without a URL the messages go to a receiver of its own.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.request

from minimon import Change, Check, Monitor
from minimon.testing import RogueServer

told = threading.Semaphore(0)


def webhook(url: str, change: Change) -> None:
    message = {
        "check": change.name,
        "was": change.before.status,
        "is": change.after.status,
        "why": change.result.detail,
    }
    request = urllib.request.Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=5).close()
        print(json.dumps(message), flush=True)
    finally:
        told.release()


def main(url: str = "") -> None:
    with RogueServer("ok") as receiver, RogueServer("ok") as target:
        checks = [Check("target", target.url, every=0.2, retry_interval=0.1)]
        with Monitor(checks, on_change=lambda change: webhook(url or receiver.url, change)):
            told.acquire(timeout=10)
            for behaviour in ("reset", "ok"):
                target.behaviour = behaviour
                told.acquire(timeout=10)


if __name__ == "__main__":
    main(*sys.argv[1:])
