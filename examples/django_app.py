"""A Django project in one file with minimon before it: `application` is what wsgi.py has."""

import sys
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

from minimon import Check, Monitor

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for this example only")
django.setup()

monitor = Monitor([Check("queue", lambda: True, every=5), Check("search", "http://localhost:9200/", every=15)])
urlpatterns = [path("", lambda request: HttpResponse("the shop is open\n"))]
# /health and the like, and for everybody the page at /-/: details="authorized" and a token keep strangers out
application = monitor.wrap_wsgi(get_wsgi_application(), details="always")

if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000, application) as server:
        print(f"http://127.0.0.1:{server.server_port}/ and /health, the page at /-/", flush=True)
        server.serve_forever()
