"""The words of a jq expression, as far as ``direct.py`` understands them."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    | (?P<variable>\$[A-Za-z_][A-Za-z0-9_]*)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>//(?!=)|==|!=|<=|>=|[|+\-*/%](?!=)|[<>(){}\[\],:.;])
    | (?P<quote>")
    )""",
    re.VERBOSE,
)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNICODE = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")


class Unknown(Exception):
    """This is beyond what is compiled here; jq itself has to look at it."""


class Token(NamedTuple):
    """``kind`` is number, field, variable, word, sign, string or end. The value of a string are its pieces: texts, and
    the source of what is to be inserted between them."""

    kind: str
    value: str | list[str | Inserted]


class Inserted(NamedTuple):
    """The source of an expression in a string: ``\\(...)``."""

    source: str


def tokens(source: str) -> list[Token]:
    """The words of an expression; raises Unknown for what is none of ours."""
    found: list[Token] = []
    at = 0
    end = len(source.rstrip())
    while at < end:
        match = _TOKEN.match(source, at)
        if match is None:
            raise Unknown
        at = match.end()
        kind = str(match.lastgroup)
        if kind == "quote":
            pieces, at = _string(source, at)
            found.append(Token("string", pieces))
        else:
            found.append(Token(kind, match[kind]))
    return [*found, Token("end", "")]


def _string(source: str, at: int) -> tuple[list[str | Inserted], int]:
    """The pieces of the string whose first character is at ``at``, and where it ends."""
    pieces: list[str | Inserted] = []
    text = ""
    while at < len(source):
        sign = source[at]
        if sign == '"':
            return [*pieces, text], at + 1
        if sign != "\\":
            text, at = text + sign, at + 1
        elif source[at + 1 : at + 2] == "(":
            end = _closing(source, at + 2)
            pieces += [text, Inserted(source[at + 2 : end])]
            text, at = "", end + 1
        elif match := _UNICODE.match(source, at):
            text, at = text + _unicode(match[0]), match.end()
        elif source[at + 1 : at + 2] in _ESCAPES:
            text, at = text + _ESCAPES[source[at + 1]], at + 2
        else:
            raise Unknown
    raise Unknown


def _unicode(escapes: str) -> str:
    text: str = json.loads(f'"{escapes}"')
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise Unknown  # half a pair
    return text


def _closing(source: str, at: int) -> int:
    """Where the parenthesis closes that is open at ``at``."""
    depth = 1
    while at < len(source):
        if source[at] == '"':
            _, at = _string(source, at + 1)
            continue
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        if depth == 0:
            return at
        at += 1
    raise Unknown
