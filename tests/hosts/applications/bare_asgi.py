"""An ASGI application without a framework, one that has a lifespan."""

from __future__ import annotations

from typing import Any

import touched
from variant import wrap_asgi


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """The host's own business."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": touched.ANSWER})


application = wrap_asgi(shop)
