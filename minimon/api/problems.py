"""Errors of the REST interface: application/problem+json (RFC 9457), with what older clients look for. Pure."""

from __future__ import annotations

from http import HTTPStatus

from ..serve.exposition import to_json
from ..serve.routing import NO_STORE, Reply

KIND = "application/problem+json"


class Refused(Exception):
    """An answer that is an error. Raised where it is found, and caught by the routes."""

    def __init__(self, status: int, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers

    def reply(self) -> Reply:
        """The answer."""
        return refusal(self.status, self.detail, *self.headers)


def refusal(status: int, detail: str, *headers: tuple[str, str]) -> Reply:
    """An answer that says what is wrong, and the way out."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Reply(status, to_json({**told, "message": detail, "msg": detail}), (*headers, NO_STORE), KIND)
