"""A WSGI application without a framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import touched
from variant import wrap_wsgi


def shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The host's own business."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(touched.ANSWER)))])
    return [touched.ANSWER]


application = wrap_wsgi(shop)
