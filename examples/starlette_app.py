"""A Starlette application, and so one of FastAPI, with minimon before it: `uvicorn starlette_app:application`.

The monitor starts and stops with the application's lifespan; of several workers one polls.
"""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from minimon import Check, Monitor

monitor = Monitor([Check("queue", lambda: True, every=5), Check("search", "http://localhost:9200/", every=15)])


async def shop(request):
    """The host's own route."""
    return PlainTextResponse("the shop is open\n")


app = Starlette(routes=[Route("/", shop)])
# /health and the like, and for everybody the page at /-/: details="authorized" and a token keep strangers out
application = monitor.wrap_asgi(app, details="always")
