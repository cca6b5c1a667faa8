"""This host as a target: its vitals as a JSON document, for conditions on load, memory or a disk that fills up."""

from __future__ import annotations

import json

from ..checks import HOST, Probe
from ..errors import UnavailableError
from ..model import Fault, Response
from ..vitals.numbers import Vitals


class HostProbe(Probe):
    """The target `host:`. The Response's body is what `Vitals.numbers()` gives: see `help checks`.

    Without conditions it passes when that can be read. It is not interrupted: a file system that hangs holds its
    worker, and the check is timed out.
    """

    shown = HOST

    def __init__(self, vitals: Vitals | None = None) -> None:
        self._vitals = vitals or Vitals()

    def __call__(self, timeout: float) -> Response:
        """Read what was not read within the last second."""
        try:
            numbers = self._vitals.numbers()
        except UnavailableError as error:
            return Response(error=Fault("exception", str(error)))
        return Response(body=json.dumps(numbers))
