"""The command `api`: the REST interface alone, until it is told to end."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from .errors import MinimonError

if TYPE_CHECKING:
    from .table import Output

FINE, FAILED = 0, 1


def serve(
    args: argparse.Namespace, output: Output, wait: Callable[[], object], complain: Callable[[object, int], int]
) -> int:
    """Serve until `wait()` returns; the exit code. Raises PortError."""
    from .api.users import UserStore
    from .serve.server import HealthCheckServer

    try:
        store = UserStore(args.db)
    except MinimonError as error:
        return complain(error, FAILED)
    server = HealthCheckServer(args.host, args.port, api=True, auth=store)
    server.start()
    try:
        host = f"[{server.host}]" if ":" in server.host else server.host
        output.line(f"REST interface on http://{host}:{server.port}/. Ctrl-C ends it.")
        if args.db is None:
            output.line(f"users are in memory: log in as admin, with the password {store.initial_password}")
        elif not store.list():
            output.line(f"nobody may log in yet: python -m minimon user add NAME --admin --db {args.db}")
        wait()
    finally:
        server.stop()
    return FINE
