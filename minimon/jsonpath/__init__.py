"""JSONPath by the standard, RFC 9535: `find("$.jobs[*].state", document)`.

What a query means is in `parse` (text to tree) and `query` (tree to functions); the expressions of match() and
search() are in `iregexp`. Members of an object come in the order of the document. Documents are what a JSON parser
gives: dicts, lists, texts, numbers, booleans and None.
"""

from __future__ import annotations

from typing import Any

from .query import Node, Query

__all__ = ["Node", "Query", "compile", "find"]


def compile(query: str) -> Query:
    """The query, ready to be used any number of times.

    Raises JsonPathError, with position and reason, for what is not well-formed or not well-typed.
    """
    return Query(query)


def find(query: str, document: Any) -> list[Any]:
    """The values of all nodes that the query finds in the document. Raises JsonPathError."""
    return Query(query).values(document)
