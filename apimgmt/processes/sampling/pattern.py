"""A text that matches a regular expression (ECMA-262 as documents write it); the other way round of matching.

The pattern is read into a tree of our own and never run by a backtracking engine; what comes out is checked with RE2
where RE2 knows the pattern. Look-arounds are passed over, back-references cannot be made.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from random import Random

import re2

LONGEST = 10_000
DEEPEST = 40
GROWTH = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 100, 250, 1000)

PRINTABLE = "".join(chr(code) for code in range(32, 127))
WORD = string.ascii_letters + string.digits + "_"
_CLASSES = {"d": string.digits, "w": WORD, "s": " "}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0", "b": "\b"}
_PROPERTIES = {"Lu": string.ascii_uppercase, "Ll": string.ascii_lowercase, "L": string.ascii_letters}
_PROPERTIES |= {"N": string.digits, "Nd": string.digits, "P": "-.,!", "Z": " ", "Zs": " ", "S": "+$"}
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_GROUP = re.compile(r"\?(:|=|!|<=|<!|P?<[^>]*>)")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]+)\}")
_BRACED = re.compile(r"\{\^?([A-Za-z_=]+)\}|([A-Z])")

# how often a repeat with an open end goes beyond its minimum, and where the randomness comes from
Maker = Callable[[Random, int], str]


class PatternUnknown(ValueError):
    """The pattern has something that no text can be made from."""


def example(pattern: str, random: Random, shortest: int = 0, longest: int | None = None) -> str | None:
    """A text of ``shortest`` to ``longest`` characters that matches somewhere, or None if none was found."""
    try:
        make = _Reader(pattern.removeprefix("(?i)")).read()
        check = re2.compile(pattern, _quiet())
    except PatternUnknown:
        return None
    except re2.error:
        check = None
    try:
        for growth in _growths(make, random, shortest):
            made = make(random, growth)
            fits = len(made) >= shortest and (longest is None or len(made) <= longest)
            if fits and (check is None or check.search(made)):
                return made
    except PatternUnknown:
        return None
    return None


def judged(pattern: str) -> bool:
    """Whether RE2 knows the pattern (it refuses a repeat of more than 1,000, and look-around)."""
    try:
        re2.compile(pattern, _quiet())
    except re2.error:
        return False
    return True


def matches(pattern: str, text: str) -> bool:
    """Whether ``text`` matches; a pattern that RE2 does not know counts as matched."""
    try:
        return re2.compile(pattern, _quiet()).search(text) is not None
    except re2.error:
        return True


def _growths(make: Maker, random: Random, shortest: int) -> list[int]:
    """What to try: a few in general, and what comes to ``shortest`` if every step adds as much as the first."""
    least, step = len(make(random, 0)), len(make(random, 1)) - len(make(random, 0))
    wanted = max(-((least - shortest) // step), 0) if step > 0 else 0
    return sorted({*GROWTH, wanted, wanted + 1})


def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


class _Reader:
    """Reads a pattern from left to right into a function that makes texts."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0
        self._depth = 0

    def read(self) -> Maker:
        make = self._alternatives()
        if self._place < len(self._pattern):
            raise PatternUnknown("a bracket too many")
        return make

    def _alternatives(self) -> Maker:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else lambda random, growth: random.choice(branches)(random, growth)

    def _sequence(self) -> Maker:
        parts: list[Maker] = []
        while self._place < len(self._pattern) and self._pattern[self._place] not in "|)":
            parts.append(self._repeated(self._atom()))

        def make(random: Random, growth: int) -> str:
            return _limited("".join(part(random, growth) for part in parts))

        return make

    def _repeated(self, atom: Maker) -> Maker:
        counts = self._counts()
        if counts is None:
            return atom
        self._take("?")
        self._take("+")
        least, most = counts
        if least > LONGEST:
            raise PatternUnknown("too long")

        def make(random: Random, growth: int) -> str:
            count = min(least + growth, LONGEST) if most is None else min(least + growth, most)
            text = ""
            for _ in range(count):
                more = atom(random, growth)
                if not more:
                    # nothing will come of nothing, however often: "(()*)*" would run for a very long time
                    break
                text = _limited(text + more)
            return text

        return make

    def _counts(self) -> tuple[int, int | None] | None:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        found = _COUNT.match(self._pattern, self._place)
        if found is None:
            return None
        self._place = found.end()
        least = int(found[1])
        return least, (int(found[3]) if found[3] else None) if found[2] else least

    def _atom(self) -> Maker:
        character = self._next()
        if character in "^$":
            return _nothing
        if character == "(":
            return self._group()
        if character == "[":
            return _one_of(self._class())
        if character == ".":
            return _one_of(string.ascii_letters)
        if character == "\\":
            return _nothing if any(map(self._take, "bBAZz")) else _one_of(self._escape())
        return _one_of(character)

    def _group(self) -> Maker:
        kind = _GROUP.match(self._pattern, self._place)
        if kind is not None:
            self._place = kind.end()
        self._depth += 1
        if self._depth > DEEPEST:
            raise PatternUnknown("too deep")
        make = self._alternatives()
        self._depth -= 1
        if not self._take(")"):
            raise PatternUnknown("a bracket too few")
        return _nothing if kind is not None and kind[1] in ("=", "!", "<=", "<!") else make

    def _class(self) -> str:
        negated = self._take("^")
        characters = ""
        while not self._take("]"):
            start = self._member()
            if len(start) == 1 and self._pattern[self._place : self._place + 1] == "-" and self._after("-") != "]":
                self._place += 1
                end = self._member()
                # a long range has more characters than anybody wants to see
                characters += "".join(chr(code) for code in range(ord(start), min(ord(end[0]), ord(start) + 127) + 1))
            else:
                characters += start
        if negated:
            characters = "".join(character for character in PRINTABLE if character not in characters)
        return _preferred(characters)

    def _member(self) -> str:
        character = self._next()
        return self._escape() if character == "\\" else character

    def _escape(self) -> str:
        character = self._next()
        if character in "dws":
            return _CLASSES[character]
        if character in "DWS":
            return "".join(other for other in PRINTABLE if other not in _CLASSES[character.lower()])
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character in "pP" and self._pattern.startswith("\\{", self._place):
            return character
        if character in "pP":
            return self._property(character == "P")
        if character in "xu":
            self._place -= 1
            return self._code()
        if character in "123456789k":
            raise PatternUnknown("a back-reference")
        return character

    def _property(self, negated: bool) -> str:
        found = _BRACED.match(self._pattern, self._place)
        if found is None:
            raise PatternUnknown("a property without a name")
        self._place = found.end()
        characters = _PROPERTIES.get((found[1] or found[2]).rpartition("=")[2], string.ascii_letters)
        return "".join(other for other in PRINTABLE if other not in characters) if negated else characters

    def _code(self) -> str:
        found = _HEX.match(self._pattern, self._place)
        if found is None:
            return self._next()
        self._place = found.end()
        code = int(next(digits for digits in found.groups() if digits), 16)
        if code > 0x10FFFF:
            raise PatternUnknown("not a character")
        return chr(code)

    def _after(self, character: str) -> str:
        return self._pattern[self._place + len(character) : self._place + len(character) + 1]

    def _next(self) -> str:
        if self._place >= len(self._pattern):
            raise PatternUnknown("it ends too early")
        self._place += 1
        return self._pattern[self._place - 1]

    def _take(self, character: str) -> bool:
        taken = self._pattern.startswith(character, self._place)
        self._place += len(character) if taken else 0
        return taken


def _one_of(characters: str) -> Maker:
    if not characters:
        raise PatternUnknown("a class without characters")
    return lambda random, growth: random.choice(characters)


def _nothing(random: Random, growth: int) -> str:
    return ""


def _preferred(characters: str) -> str:
    """Letters and digits of a class if it has any: they survive every place where a value may be written."""
    return "".join(character for character in characters if character in WORD and character != "_") or characters


def _limited(text: str) -> str:
    if len(text) > LONGEST:
        raise PatternUnknown("too long")
    return text
