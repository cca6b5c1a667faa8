"""A job is started, and waited for: until it is done, unless it fails, for so long and no longer."""

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from minimon import Alarm, WaitTimeout, wait_for

STATES = itertools.chain(["queued", "running", "running"], itertools.repeat("done"))


class Job(BaseHTTPRequestHandler):
    """Stands in for a service that works on something."""

    def do_GET(self):
        """How far it is."""
        body = json.dumps({"state": next(STATES)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Nowhere."""


service = HTTPServer(("127.0.0.1", 0), Job)
threading.Thread(target=service.serve_forever, daemon=True).start()

try:
    response = wait_for(
        f"http://127.0.0.1:{service.server_port}/job/7",
        {"status_code": 200, "jsonpath": {"$.state": "done"}},
        alarms={"jsonpath": {"$.state": {"in": ["failed", "lost"]}}},
        timeout=30,
        on_attempt=lambda attempt: print(f"{attempt.number}: {attempt.why or 'met'}"),
    )
    print(f"done after {response.attempts} attempts: {response.json()}")
except Alarm as alarm:
    print(f"it went wrong: {alarm.response.text}")
except WaitTimeout as late:
    print(late)
