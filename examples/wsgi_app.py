"""A bare WSGI application with minimon before it: probes at the root, the page and /status below /-/."""

import sys
from wsgiref.simple_server import make_server

from minimon import Check, Monitor

monitor = Monitor([Check("queue", lambda: True, every=5), Check("search", "http://localhost:9200/", every=15)])


def shop(environ, start_response):
    """The host's own application."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the shop is open\n"]


# /health and the like, and for everybody the page at /-/: details="authorized" and a token keep strangers out
application = monitor.wrap_wsgi(shop, details="always")

if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/ and /health, the page at /-/", flush=True)
        server.serve_forever()
