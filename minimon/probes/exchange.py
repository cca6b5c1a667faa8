"""One request and its answer on a connection: the head, then the body to its end or the limit."""

from __future__ import annotations

from collections.abc import Callable

from .message import MAX_HEAD, MAX_INTERIM, Chunks, Head, TargetError, end_of_head, head_of, is_http, not_http
from .wire import Wire


class Answer:
    """An answer whose head is whole, as urllib's processors take it. `read` gives the body, `close` ends it."""

    def __init__(self, head: Head, wire: Wire, keep: Callable[[Wire], None] | None) -> None:
        self.code = self.status = head.status
        self.msg = self.reason = head.reason
        self.headers = head.headers()
        self._head, self._wire, self._keep = head, wire, keep
        self._whole = head.length == 0

    def info(self) -> object:
        """The headers, as http.cookiejar asks for them."""
        return self.headers

    def read(self, limit: int) -> bytes:
        """The whole body. Raises TargetError, `too_large` for more than `limit` bytes."""
        head, wire = self._head, self._wire
        length = head.length
        if length is not None and len(wire.rest) >= length <= limit:
            body, wire.rest = wire.rest[:length], wire.rest[length:]
        elif head.chunked:
            body = _chunks(wire, limit)
        else:
            body = _plain(wire, length, limit)
        self._whole = length is not None or head.chunked
        return body

    def close(self) -> None:
        """Keep the connection, if it may carry another request; else close it."""
        if self._keep is not None and self._whole and self._head.persists and not self._wire.rest:
            self._keep(self._wire)
        else:
            self._wire.close()


def _plain(wire: Wire, length: int | None, limit: int) -> bytes:
    """A body of this length; of None, up to the end of the connection."""
    parts, size = [wire.rest], len(wire.rest)
    wire.rest = b""
    while (length is None or size < length) and size <= limit:
        part = wire.more()
        if not part:
            break
        parts.append(part)
        size += len(part)
    if size > limit:
        raise _too_large(limit)
    if length is not None and size < length:
        raise TargetError("truncated", f"body: closed {length - size} bytes short of Content-Length {length}")
    body = b"".join(parts)
    if length is not None and size > length:
        body, wire.rest = body[:length], body[length:]
    return body


def _chunks(wire: Wire, limit: int) -> bytes:
    """A body in chunks."""
    chunks, data = Chunks(), wire.rest
    while True:
        chunks.feed(data)
        if chunks.size > limit:
            raise _too_large(limit)
        if chunks.done:
            break
        data = wire.more()
        if not data:
            raise TargetError("truncated", f"body: closed before the last chunk, after {chunks.size} bytes")
    wire.rest = chunks.rest
    return b"".join(chunks.parts)


def _too_large(limit: int) -> TargetError:
    return TargetError("too_large", f"body: more than {limit} bytes")


def exchange(
    wire: Wire, data: bytes, bare: bool = False, upgrades: bool = False, keep: Callable[[Wire], None] | None = None
) -> Answer:
    """Send a request; its answer, with the head read. A failure closes the connection. Raises TargetError.

    bare      no body follows, whatever the head says: the request was HEAD
    upgrades  the request asked for another protocol, so 101 is an answer
    keep      what takes the connection when it may carry another request
    """
    wire.trip.enter("first_byte", "headers")
    try:
        refused = _send(wire, data)
        try:
            head = receive_head(wire, upgrades)
        except TargetError as error:
            raise (refused or error) from None
    except BaseException:
        wire.close()
        raise
    if bare or head.status in (101, 204, 304):  # RFC 9112, 6.3
        head = head._replace(length=0, chunked=False)
    return Answer(head, wire, keep)


def _send(wire: Wire, data: bytes) -> TargetError | None:
    """What was wrong, if the target has hung up: who refuses a large request has often said why before it did."""
    try:
        wire.send(data)
    except TargetError as error:
        if error.kind != "connect":
            raise
        return error
    return None


def receive_head(wire: Wire, upgrades: bool = False) -> Head:
    """The head of the final answer; interim ones are skipped (RFC 9110, 15.2). Raises TargetError."""
    trip, left = wire.trip, MAX_HEAD
    data = wire.rest or wire.more()
    trip.enter("transfer", "headers")
    for _ in range(MAX_INTERIM + 1):
        end = end_of_head(data)
        while not end:
            if not is_http(data):
                raise not_http(data)
            if len(data) > left:
                raise TargetError("protocol", f"headers: more than {MAX_HEAD} bytes")
            part = wire.more()
            if not part:
                how = "in the midst of them" if data else "without an answer"
                raise TargetError("truncated", f"headers: closed {how}")
            known, data = len(data), data + part
            end = end_of_head(data, known)
        left -= end
        if left < 0:
            raise TargetError("protocol", f"headers: more than {MAX_HEAD} bytes")
        head, data = head_of(data[:end]), data[end:]
        if head.status == 101 and not upgrades:
            raise TargetError("protocol", "headers: 101 Switching Protocols, and nobody asked for it")
        if head.status >= 200 or head.status == 101:
            wire.rest, trip.word, trip.heads = data, "body", trip.received - len(data)
            return head
    raise TargetError("protocol", f"headers: more than {MAX_INTERIM} interim answers")
