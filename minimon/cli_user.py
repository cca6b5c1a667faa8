"""The command `user`: the users of a file, added, listed, removed, and given another password."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from .errors import ConfigError, MinimonError
from .text import short

if TYPE_CHECKING:
    from .api.users import UserStore
    from .table import Output

Complain = Callable[[object, int], int]
FAILED, USAGE = 1, 2


def user(args: argparse.Namespace, output: Output, complain: Complain) -> int:
    """Do one thing; the exit code: 0, or 1 where it was not done."""
    from .api.users import UserStore

    wrong = _wrong(args)
    if wrong:
        return complain(f"user: {wrong}", USAGE)
    try:
        store = UserStore(args.db)
        if args.verb == "list":
            _list(store, output)
        else:
            output.line(short(_do(args, store), 300))
    except MinimonError as error:
        return complain(f"user: {error}", FAILED)
    return 0


def _wrong(args: argparse.Namespace) -> str:
    """What does not go together; "" for nothing."""
    if args.verb != "list" and args.name is None:
        return f"{args.verb} which user? say the name"
    if args.verb == "list" and args.name is not None:
        return "list takes no name"
    if args.verb != "add" and (args.admin or args.fullname is not None):
        return f"--admin and --fullname are for add, not for {args.verb}"
    if args.verb != "add" and not os.path.exists(args.db):
        return f"{args.db}: there is no such file; `user add` makes one"
    return ""


def _do(args: argparse.Namespace, store: UserStore) -> str:
    """What was done. Raises MinimonError."""
    if args.verb == "add":
        made = store.add(args.name, password(sys.stdin), args.fullname or args.name, args.admin)
        return f"{made.username} is added{', an admin' * made.admin}"
    name = store.get(args.name).username
    if args.verb == "passwd":
        store.change(name, password=password(sys.stdin))
        return f"{name} has another password"
    store.remove(name)
    return f"{name} is removed"


def _list(store: UserStore, output: Output) -> None:
    from .table import columns

    rows = [(each.username, "admin" if each.admin else "viewer", each.fullname) for each in store.list()]
    wide = max([4, *(columns(name) for name, _, _ in rows)])
    for name, role, fullname in (("NAME", "ROLE", "FULLNAME"), *rows):
        output.line(short(f"{name}{' ' * (wide - columns(name))}  {role:<6}  {fullname}", 500))


def password(stream: TextIO | None) -> str:
    """Asked for twice on a terminal, else a line of stdin: an argument could be seen by all. Raises ConfigError."""
    if stream is not None and stream.isatty():
        import getpass

        given = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != given:
            raise ConfigError("the passwords differ; nothing is changed")
        return given
    line = stream.readline() if stream is not None else ""
    if not line:
        raise ConfigError("there is no password on stdin; give a line, or use a terminal")
    return line.rstrip("\r\n")
