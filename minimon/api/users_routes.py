"""Users over HTTP: who may see and change them, and what each request answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ..errors import ConfigError, LastAdminError, StoreBusyError, StoreError, TakenError, UnknownUserError
from ..serve.exposition import to_json
from ..serve.framing import Request
from ..serve.routing import NO_STORE, Reply
from .accounts import to_look_up
from .arguments import arguments_of, flag, text, whole
from .problems import Refused, refusal

FIELDS = ("username", "password", "fullname", "admin")
NEEDED = FIELDS[:3]


class Users:
    """The routes of users, on a store. `prepared` belongs to the server's thread; what it gives, to a worker.

    `moved` is told of a name that somebody has no more, and of the new one, "" for nobody's.
    """

    def __init__(self, store: Any, moved: Callable[[str, str], object]) -> None:
        self._store, self._moved = store, moved

    def check(self, request: Request, user: Any) -> None:
        """Raises Refused where there are no users, or that is not for this one."""
        if not hasattr(self._store, "list"):
            raise Refused(501, "this server has no users; give it auth=UserStore(...)")
        if request.method not in ("GET", "HEAD") and getattr(user, "admin", False) is not True:
            raise Refused(403, "that is for admins")

    def prepared(self, request: Request, body: bytes, name: str) -> Callable[[], Reply]:
        """What answers it, on a worker."""
        method = "GET" if request.method == "HEAD" else request.method
        known = (
            ("limit", "detail")
            if method == "GET" and not name
            else FIELDS
            if method in ("POST", "PUT", "PATCH")
            else ()
        )
        work = {
            ("GET", False): self._list,
            ("POST", False): self._add,
            ("GET", True): self._one,
            ("PUT", True): self._put,
            ("PATCH", True): self._patch,
            ("DELETE", True): self._remove,
        }[method, bool(name)]
        return lambda: self._done(lambda: work(name, arguments_of(request, body, known)), name, method)

    def _done(self, work: Callable[[], Reply], name: str, method: str) -> Reply:
        """On a worker: 404 comes before 400, whatever was sent."""
        try:
            if name and method not in ("PUT", "POST"):
                self._store.get(name)
            return work()
        except Refused as refused:
            return refused.reply()
        except UnknownUserError as error:
            return refusal(404, str(error))
        except ConfigError as error:
            return refusal(400, str(error))
        except (TakenError, LastAdminError) as error:
            return refusal(409, str(error))
        except StoreBusyError as error:
            return refusal(503, str(error), ("Retry-After", str(max(1, round(error.retry_after)))))
        except StoreError as error:
            return refusal(503, str(error), ("Retry-After", "60"))

    def _list(self, name: str, given: Mapping[str, Any]) -> Reply:
        users = self._store.list()
        if "limit" in given:
            users = users[: whole("limit", given["limit"])]
        detailed = flag("detail", given.get("detail", False))
        return Reply(200, to_json({"users": [_shown(each) if detailed else each.username for each in users]}))

    def _one(self, name: str, given: Mapping[str, Any]) -> Reply:
        return Reply(200, to_json(_shown(self._store.get(name))))

    def _add(self, name: str, given: Mapping[str, Any]) -> Reply:
        fields = _fields(given, NEEDED)
        made = self._store.add(fields.pop("username"), **fields)
        return Reply(201, to_json(_shown(made)), (("Location", _href(made)), NO_STORE))

    def _put(self, name: str, given: Mapping[str, Any]) -> Reply:
        fields = _fields({"username": name, **given}, NEEDED)
        made, created = self._store.replace(name, **fields)
        self._moved(to_look_up(name), made.username)
        return Reply(201 if created else 200, to_json(_shown(made)), (*[("Location", _href(made))] * created, NO_STORE))

    def _patch(self, name: str, given: Mapping[str, Any]) -> Reply:
        made = self._store.change(name, **_fields(given, ()))
        self._moved(to_look_up(name), made.username)
        return Reply(200, to_json(_shown(made)))

    def _remove(self, name: str, given: Mapping[str, Any]) -> Reply:
        self._store.remove(name)
        self._moved(to_look_up(name), "")
        return Reply(204)


def _fields(given: Mapping[str, Any], needed: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a user. Raises Refused."""
    for key in needed:
        if key not in given:
            raise Refused(400, f"{key} is missing")
    return {key: flag(key, value) if key == "admin" else text(key, value) for key, value in given.items()}


def _href(user: Any) -> str:
    return f"/v3/users/{quote(user.username, safe='')}"


def _shown(user: Any) -> dict[str, Any]:
    """A user without the password."""
    links = [{"rel": "self", "href": _href(user)}]
    return {"username": user.username, "fullname": user.fullname, "admin": user.admin, "links": links}
