"""Patterns of documents (ECMA-262) for the linear-time engine that runs them, the Rust ``regex`` syntax.

The engine already reads ``\\d``, ``\\w`` and ``\\s`` as ECMA-262 does. What is left is syntax that only ECMA-262 has
(``[^]``, ``\\_``, ``\\0``, a literal brace) or that means something else there (``.``, ``\\<``). Lookaround and
backreferences have no linear-time form.
"""

from __future__ import annotations

import re
from functools import lru_cache

import jsonschema_rs

ENGINE = jsonschema_rs.RegexOptions()
_PLAIN_ESCAPES = frozenset("dDwWsSbBtnrfvpP")
_ANCHORS = {"A": "^", "Z": "$", "z": "$"}
_META = frozenset("\\.+*?()|[]{}^$#&-~/")
_quantifier = re.compile(r"\{\d+(?:,\d*)?\}")
_property = re.compile(r"\{[^{}]*\}")
_group = re.compile(r"\(([^()]*)\)([*?]|\{0)?")
_literal = re.compile(r"/(\^.*\$)/([gimsuy]*)", re.DOTALL)
_SLASH_MOST = 2_000
_surrogates = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_code = re.compile(r"u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|c([A-Za-z])|(0)(?![0-9])")


@lru_cache(maxsize=10_000)
def linear_pattern(pattern: str) -> str | None:
    """The pattern as the linear-time engine takes it, or None if it has no such form or is no pattern at all."""
    try:
        translated = _Translation(pattern).text()
        jsonschema_rs.Draft202012Validator({"pattern": translated}, pattern_options=ENGINE)
    except (ValueError, _UntranslatableError):
        return None
    return translated


def unquoted(pattern: str) -> str:
    """A pattern that is written as a literal of JavaScript, ``/^a$/i``, without its slashes: else nothing matches."""
    literal = _literal.fullmatch(pattern)
    if literal is None:
        return pattern
    return f"(?i){literal[1]}" if "i" in literal[2] else literal[1]


def needs_slash(pattern: str) -> bool:
    """Whether it is plain that no text without a slash matches: one stands outside all that is optional."""
    if "/" not in pattern or len(pattern) > _SLASH_MOST:
        return False
    # what is not a slash for certain stays as one character, for the quantifier behind it
    text = re.sub(r"\[[^\]]*\]", "x", re.sub(r"\\[^/]", "x", pattern).replace("\\", ""))
    before = ""
    while before != text:
        before, text = text, _group.sub(_opened, text)
    return _has_slash(text)


def _opened(group: re.Match[str]) -> str:
    """A slash for a group that adds one for certain."""
    inside = group[1].removeprefix("?:")
    return "/" if not group[2] and not inside.startswith("?") and _has_slash(inside) else ""


def _has_slash(text: str) -> bool:
    """Whether every alternative of a pattern without groups has a slash that is not optional."""
    return all(re.search(r"/(?![*?]|\{0)", alternative) for alternative in text.split("|"))


class _UntranslatableError(Exception):
    """The pattern ends too early, or uses what only a backtracking engine has."""


class _Translation:
    """One pass over a pattern, character by character."""

    def __init__(self, pattern: str) -> None:
        self._source = _surrogates.sub(_paired, pattern)
        self._at = 0

    def text(self) -> str:
        parts = []
        while self._at < len(self._source):
            character = self._take()
            match character:
                case "\\":
                    parts.append(self._escape(in_class=False))
                case "[":
                    parts.append(self._class())
                case ".":
                    parts.append("[^\\n\\r\\u2028\\u2029]")
                case "{":
                    parts.append(self._brace())
                case "}":
                    parts.append("\\}")
                case _:
                    parts.append(character)
        return "".join(parts)

    def _take(self) -> str:
        if self._at >= len(self._source):
            raise _UntranslatableError
        self._at += 1
        return self._source[self._at - 1]

    def _match(self, expression: re.Pattern[str], start: int) -> re.Match[str] | None:
        found = expression.match(self._source, start)
        if found:
            self._at = found.end()
        return found

    def _brace(self) -> str:
        """A quantifier, or a brace that stands for itself (ECMA-262 annex B)."""
        found = self._match(_quantifier, self._at - 1)
        return found[0] if found else "\\{"

    def _escape(self, *, in_class: bool) -> str:
        """What follows a backslash."""
        code = self._match(_code, self._at)
        if code:
            return _code_point(code)
        character = self._take()
        if character in "pP":
            name = self._match(_property, self._at)
            return f"\\{character}{name[0]}" if name else character
        if in_class and character == "b":
            return "\\u0008"
        if character in _PLAIN_ESCAPES:
            return "\\" + character
        if not in_class and character in _ANCHORS:
            return _ANCHORS[character]
        if character.isdigit() or (character == "k" and not in_class):
            raise _UntranslatableError
        return "\\" + character if character in _META else character

    def _class(self) -> str:
        """A character class, with everything inside it that could be read as a set operation escaped."""
        negated = self._source.startswith("^", self._at)
        self._at += negated
        parts: list[str] = []
        while not self._source.startswith("]", self._at):
            parts.append(self._class_member())
        self._at += 1
        if not parts:
            return "[\\s\\S]" if negated else "[^\\s\\S]"
        return f"[{'^' if negated else ''}{''.join(parts)}]"

    def _class_member(self) -> str:
        """One character, set or range; a hyphen beside a set such as ``\\w`` stands for itself."""
        low = self._class_atom()
        if not self._source.startswith("-", self._at) or self._source.startswith("-]", self._at):
            return low
        self._at += 1
        high = self._class_atom()
        return f"{low}\\-{high}" if _is_set(low) or _is_set(high) else f"{low}-{high}"

    def _class_atom(self) -> str:
        character = self._take()
        if character == "\\":
            return self._escape(in_class=True)
        return "\\" + character if character in "[&~^-" else character


def _is_set(text: str) -> bool:
    return len(text) > 1 and text[0] == "\\" and text[1] in "dDwWsSpP"


def _code_point(code: re.Match[str]) -> str:
    if code[4]:
        return f"\\u{ord(code[4]) % 32:04x}"
    number = int(code[1] or code[2] or code[3] or "0", 16)
    if 0xD800 <= number <= 0xDFFF or number > 0x10FFFF:
        raise _UntranslatableError
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\u{{{number:x}}}"


def _paired(pair: re.Match[str]) -> str:
    """A surrogate pair as one escape."""
    return f"\\u{{{0x10000 + ((int(pair[1], 16) - 0xD800) << 10) + int(pair[2], 16) - 0xDC00:x}}}"
