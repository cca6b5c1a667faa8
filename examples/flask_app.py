"""A Flask application with minimon before it: `flask --app examples/flask_app run --reload`, or this file."""

from flask import Flask

from minimon import Check, Monitor

monitor = Monitor([Check("queue", lambda: True, every=5), Check("search", "http://localhost:9200/", every=15)])
app = Flask(__name__)
# /health and the like, and for everybody the page at /-/: details="authorized" and a token keep strangers out
app.wsgi_app = monitor.wrap_wsgi(app.wsgi_app, details="always")
application = app


@app.get("/")
def shop():
    """The host's own route."""
    return "the shop is open\n"


if __name__ == "__main__":
    app.run(port=8000)
