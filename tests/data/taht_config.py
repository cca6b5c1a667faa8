"""A configuration as the users of taht wrote it, for Python 3: it knows nothing of minimon.

Some resources are listed more than once, which made more workers in taht and more races to look for.
"""

import collections
import os
import random

Resource = collections.namedtuple("Resource", ["name", "url", "polling_interval", "check"])

URL = os.environ.get("ROGUE_URL", "http://localhost:5000/")


def has_expected_content(response):
    return response.status_code == 200 and response.text == "Expected"


rogue = Resource(
    name="rogue",
    url=URL,
    polling_interval=lambda: random.uniform(0.05, 0.2),
    check=has_expected_content,
)

to_monitor = [
    rogue,
    Resource("any content", URL, lambda: random.expovariate(10.0) + 0.05, lambda r: True),
    rogue,
    Resource("no content", URL + "missing", lambda: random.choice([0.1, 0.2]), lambda r: "Expected" in r.text),
    rogue,
]
