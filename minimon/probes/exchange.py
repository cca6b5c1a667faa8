"""One request and its answer on a connection: the head, then the body to its end or the limit."""

from __future__ import annotations

from typing import NamedTuple

from ..model import Headers
from .message import MAX_HEAD, MAX_INTERIM, Chunks, Head, TargetError, head_of, may_end
from .network import Plan
from .wire import Wire


class Question(NamedTuple):
    """What is asked, as it is sent, and what has to be known of it to understand the answer."""

    data: bytes
    key: tuple[object, ...]
    """What connection it needs."""
    plan: Plan
    bare: bool = False
    """No body follows, whatever the head says: the request is HEAD (RFC 9112, 6.3)."""
    upgrades: bool = False
    """It asks for another protocol, so 101 is an answer."""
    twice: bool = True
    """It may be asked twice (RFC 9110, 9.2.2)."""


class Answer:
    """An answer whose head is whole, as urllib's processors take it. `read` gives the body, `close` ends it."""

    __slots__ = ("_question", "_whole", "_wire", "head", "headers", "status")

    def __init__(self, head: Head, question: Question, wire: Wire) -> None:
        self.status, self.head, self.headers = head.status, head, Headers(head.pairs)
        self._question, self._wire, self._whole = question, wire, head.length == 0

    def read(self, limit: int) -> bytes:
        """The whole body. Raises TargetError, `too_large` for more than `limit` bytes."""
        head, wire = self.head, self._wire
        length, rest = head.length, wire.rest
        if length is not None and length <= limit and length <= len(rest):
            wire.rest, self._whole = rest[length:], True
            return rest[:length]
        body = _chunks(wire, limit) if head.chunked else _plain(wire, length, limit)
        self._whole = length is not None or head.chunked
        return body

    def close(self) -> None:
        """Keep the connection, if it may carry another request; else close it."""
        question, wire = self._question, self._wire
        if question.plan.reuse and self._whole and not wire.rest and self.head.persists:
            question.plan.park(question.key, wire)
        else:
            wire.close()


def _plain(wire: Wire, length: int | None, limit: int) -> bytes:
    """A body of this length; of None, up to the end of the connection."""
    body, wire.rest = bytearray(wire.rest), b""
    while (length is None or len(body) < length) and len(body) <= limit:
        part = wire.more()
        if not part:
            break
        body += part
    size = len(body)
    if (size if length is None else min(size, length)) > limit:
        raise _too_large(limit)
    if length is not None and size < length:
        raise TargetError("truncated", f"body: closed {length - size} bytes short of Content-Length {length}")
    if length is not None and size > length:
        wire.rest = bytes(body[length:])
        del body[length:]
    return bytes(body)


def _chunks(wire: Wire, limit: int) -> bytes:
    """A body in chunks."""
    chunks, data = Chunks(), wire.rest
    while True:
        chunks.feed(data)
        if len(chunks.body) > limit:
            raise _too_large(limit)
        if chunks.done:
            break
        data = wire.more()
        if not data:
            raise TargetError("truncated", f"body: closed before the last chunk, after {len(chunks.body)} bytes")
    wire.rest = chunks.rest
    return bytes(chunks.body)


def _too_large(limit: int) -> TargetError:
    return TargetError("too_large", f"body: more than {limit} bytes (max_body)")


def exchange(wire: Wire, question: Question) -> Answer:
    """Ask; the answer, with its head read. A failure closes the connection. Raises TargetError."""
    wire.trip.enter("first_byte", "sending")
    try:
        refused = _send(wire, question.data)
        wire.trip.word = "headers"
        try:
            head = receive_head(wire, bare=question.bare, upgrades=question.upgrades)
        except TargetError as error:
            raise (refused or error) from None
    except BaseException:
        wire.close()
        raise
    return Answer(head, question, wire)


def _send(wire: Wire, data: bytes) -> TargetError | None:
    """What was wrong, if the target has hung up: who refuses a large request has often said why before it did."""
    try:
        wire.send(data)
    except TargetError as error:
        if error.kind != "connect":
            raise
        return error
    return None


def receive_head(wire: Wire, *, bare: bool = False, upgrades: bool = False) -> Head:
    """The head of the final answer; interim ones are skipped (RFC 9110, 15.2). Raises TargetError."""
    trip, left = wire.trip, MAX_HEAD
    data = wire.more()
    trip.enter("transfer", "headers")
    for _ in range(MAX_INTERIM + 1):
        head = head_of(data, bare)
        while head is None and len(data) <= left:
            part = wire.more()
            if not part:
                how = "in the midst of them" if data else "without an answer"
                raise TargetError("truncated", f"headers: closed {how}")
            known, data = len(data), data + part
            if may_end(data, known):
                head = head_of(data, bare)
        if head is None or head.size > left:
            raise TargetError("protocol", f"headers: more than {MAX_HEAD} bytes")
        data, left = data[head.size :], left - head.size
        if head.status >= 200 or (head.status == 101 and upgrades):
            wire.rest, trip.word, trip.heads = data, "body", trip.received - len(data)
            return head
        if head.status == 101:
            raise TargetError("protocol", "headers: 101 Switching Protocols, and nobody asked for it")
    raise TargetError("protocol", f"headers: more than {MAX_INTERIM} interim answers")
