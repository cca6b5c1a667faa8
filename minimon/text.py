"""Any value as one short printable line in which no secret of a URL stands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def short(text: object, limit: int = 120) -> str:
    """A text, or an exception's text, as one printable line of at most `limit` characters, scrubbed. Never raises."""
    try:
        whole = str(text)
    except (Exception, SystemExit):  # a __str__ of the host may do anything
        whole = f"<{type(text).__name__}>"
    line = "".join(c if c.isprintable() else " " for c in whole[: 4 * limit])
    if len(whole) > 4 * limit:
        line = re.sub(r"://[^/\s]*$", "://***", line)  # userinfo whose @ was cut off could not be told
    line = scrub(line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def quoted(value: object, limit: int = 120) -> str:
    """Any value as Python writes it, in one line of at most `limit` characters, scrubbed. Never raises."""
    try:
        return short(repr(value), limit)
    except (Exception, SystemExit):  # a __repr__ of the host may do anything
        return f"<{type(value).__name__}>"


def written(value: object, limit: int = 120) -> str:
    """Any value as JSON writes it, else as Python does; else as `quoted`."""
    import json  # whoever makes conditions has it imported by then

    pieces, length = [], 0
    try:
        for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):  # not the whole of what is large
            pieces.append(piece)
            length += len(piece)
            if length > 4 * limit:
                break
    except (TypeError, ValueError, RecursionError):
        return quoted(value, limit)
    return short("".join(pieces), limit)


SECRET = ("cookie", "auth", "token", "key", "secret", "session", "passw", "jwt", "signature", "credential")
"""What stands in the names of headers and members whose values nobody else is to see."""


def is_secret(name: str) -> bool:
    """Whether something of this name is for nobody's eyes."""
    name = name.lower()
    return any(word in name for word in SECRET)


def masked(text: str, secrets: Iterable[str]) -> str:
    """A text without these: as they are, as JSON and Python write them, and where the text was cut within one."""
    for secret in secrets:
        for form in {secret, json_form(secret), repr(secret)[1:-1]}:
            text = text.replace(form, "***")
            cut = next((size for size in range(len(form) - 1, 3, -1) if f"{form[:size]}…" in text), 0)
            text = text.replace(f"{form[:cut]}…", "***…") if cut else text
    return text


def json_form(text: str) -> str:
    """A text as it stands within JSON, without the quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def scrub(text: str) -> str:
    """A text in which the userinfo and the query values of URLs are masked."""
    if "://" in text or ":\\/\\/" in text:  # some JSON has its slashes escaped
        text = re.sub(r"(\w:\\?/\\?/)[^/\s]*@", r"\1***@", text)
    elif "/" not in text or "?" not in text:  # a target may repeat the path that it was asked for
        return text
    return re.sub(r"([?&][^=\s&\"']*=)[^\s&\"']*", r"\1***", text)
