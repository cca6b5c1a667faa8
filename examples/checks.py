"""Checks in the older form of a Resource: an executable file that defines `to_monitor`.

Try it against a server that misbehaves, each in a terminal of its own:
    python3 -m minimon rogue --port 5000
    python3 -m minimon run examples/checks.py --log
"""

import os
import random

from minimon import Resource

url = os.environ.get("EXAMPLE_URL", "http://127.0.0.1:5000/")


def content_is_fine(response):
    """Looks at .text and .status_code, on a 200 only; a false value is a failure."""
    return response.text == "Expected"


to_monitor = [
    Resource("rogue", url, lambda: random.uniform(0.5, 1.5), content_is_fine),
    Resource("rogue", url, lambda: random.expovariate(1.0) + 0.1, content_is_fine),  # is called "rogue #2"
    Resource("anything", url, 2, lambda response: True),
]
