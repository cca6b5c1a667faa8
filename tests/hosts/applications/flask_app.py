"""A Flask application."""

from __future__ import annotations

import touched
from flask import Flask
from variant import wrap_wsgi

app = Flask(__name__)
app.wsgi_app = wrap_wsgi(app.wsgi_app)  # type: ignore[method-assign]


@app.get("/")
def shop() -> bytes:
    """The host's own business."""
    return touched.ANSWER
