"""A Starlette application, and so one of FastAPI, with minimon before it: run it by uvicorn."""

import contextlib

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from minimon import Check, Monitor

monitor = Monitor([Check("queue", lambda: True, every=5), Check("search", "http://localhost:9200/", every=15)])


@contextlib.asynccontextmanager
async def lifespan(app):
    """The monitor runs as long as the application does."""
    with monitor:
        yield


async def shop(request):
    """The host's own route."""
    return PlainTextResponse("the shop is open\n")


app = Starlette(routes=[Route("/", shop)], lifespan=lifespan)
# /health and the like, and for everybody the page at /-/: details="authorized" and a token keep strangers out
application = monitor.wrap_asgi(app, details="always")
