"""jq without jq: expressions whose every part has exactly one result become nested functions.

Paths, variables, literals, strings with insertions, arrays, objects, arithmetic, comparisons, ``and``, ``or``, ``//``,
``if``, pipes, ``map`` and ``map(select(...))``, ``length``, ``keys``, ``type`` and ``not``. For everything else
:func:`compiled` raises Unknown, and for values whose treatment is in doubt the functions raise Undecided; both are for
jq itself, and a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.budget import STEPS, budget, check_size, check_weight
from apimgmt.processes.expressions.composed import (
    both,
    constant,
    either,
    field_of,
    identity,
    item_of,
    key_of,
    listed,
    mapped,
    metered,
    operation,
)
from apimgmt.processes.expressions.operators import (
    FUNCTIONS,
    OPERATORS,
    Undecided,
    text,
    truthy,
)
from apimgmt.processes.expressions.rows import CALLS, Run, Variables, distinct
from apimgmt.processes.expressions.tokens import Inserted, Token, Unknown, tokens

# from the loosest to the closest; comparisons do not associate
_LEVELS: tuple[tuple[str, ...], ...] = (("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
_CONSTANTS = {"true": True, "false": False, "null": None}
DEEPEST = 50
# 2**53 has 16; Python itself refuses to read numbers of some thousands
MOST_DIGITS = 16


def compiled(source: str, variables: Collection[str]) -> Run:
    """The function of an expression: ``run(value of ., variables by name)``; raises Unknown, or RecursionError."""
    parser = Parser(tokens(source), variables)
    run = parser.pipe()
    parser.take("end")

    def quick(value: Any, variables: Variables) -> Any:
        budget.left = STEPS
        try:
            return run(value, variables)
        except RecursionError:
            # every operator of ``1 + 1 + 1 ...`` is a call inside another one
            raise Undecided from None

    def bounded(value: Any, variables: Variables) -> Any:
        found = quick(value, variables)
        if type(found) is list or type(found) is dict:
            check_weight(found)
        return found

    # what builds nothing gives nothing but what was there
    builds = any(word.kind == "sign" and word.value in ("[", "{", "+", "(") for word in parser.words)
    return bounded if builds else quick


class Parser:
    """Reads words into functions."""

    def __init__(self, words: list[Token], variables: Collection[str], depth: int = 0) -> None:
        self._words = self.words = words
        self._variables = variables
        self._at = 0
        self._depth = depth

    def take(self, kind: str, value: str | None = None) -> Any:
        """The next word, which has to be this one; raises Unknown."""
        word = self._words[self._at]
        if word.kind != kind or (value is not None and word.value != value):
            raise Unknown
        self._at += 1
        return word.value

    def pipe(self) -> Run:
        """``a | b``."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unknown
        left = self._alternative()
        if self._next("sign", "|"):
            right = self.pipe()
            first = left
            left = lambda value, variables: right(first(value, variables), variables)  # noqa: E731
        self._depth -= 1
        return left

    def _next(self, kind: str, *values: str) -> str:
        """The next word, taken, if it is one of these; otherwise nothing."""
        word = self._words[self._at]
        if word.kind == kind and word.value in values:
            self._at += 1
            return str(word.value)
        return ""

    def _alternative(self) -> Run:
        """``a // b``: b where a is null or false; what becomes of an error depends on what follows, so jq says it."""
        left = self._or()
        if not self._next("sign", "//"):
            return left
        right = self._alternative()

        def run(value: Any, variables: Variables) -> Any:
            try:
                found = left(value, variables)
            except ExpressionFailed:
                raise Undecided from None
            return found if truthy(found) else right(value, variables)

        return run

    def _or(self) -> Run:
        left = self._and()
        while self._next("word", "or"):
            left = either(left, self._and())
        return left

    def _and(self) -> Run:
        left = self._binary(0)
        while self._next("word", "and"):
            left = both(left, self._binary(0))
        return left

    def _binary(self, level: int) -> Run:
        if level == len(_LEVELS):
            return self._postfix()
        left = self._binary(level + 1)
        while sign := self._next("sign", *_LEVELS[level]):
            left = operation(OPERATORS[sign], left, self._binary(level + 1))
            if level == 0 and self._next("sign", *_LEVELS[0]):
                raise Unknown
        return left

    def _postfix(self) -> Run:
        run = self._term()
        while True:
            word = self._words[self._at]
            if word.kind == "field":
                self._at += 1
                run = field_of(run, str(word.value)[1:])
            elif self._next("sign", "["):
                run = self._index(run)
            elif word == ("sign", ".") and self._words[self._at + 1].kind == "string":
                self._at += 1
                run = field_of(run, self._text())
            else:
                return run

    def _index(self, run: Run) -> Run:
        negative = self._next("sign", "-")
        word = self._words[self._at]
        if word.kind == "string" and not negative:
            step = field_of(run, self._text())
        else:
            number = self.take("number")
            if not number.isdigit() or len(number) > MOST_DIGITS:
                raise Unknown
            step = item_of(run, -int(number) if negative else int(number))
        self.take("sign", "]")
        return step

    def _term(self) -> Run:
        word = self._words[self._at]
        self._at += 1
        if word.kind == "field":
            return field_of(identity, str(word.value)[1:])
        if word.kind == "number":
            return constant(_literal(str(word.value)))
        if word.kind == "string":
            return self._string(word.value)
        if word.kind == "variable":
            return self._variable(str(word.value)[1:])
        if word.kind == "word":
            return self._word(str(word.value))
        return self._bracketed(word)

    def _bracketed(self, word: Token) -> Run:
        if word == ("sign", "."):
            following = self._words[self._at]
            return field_of(identity, self._text()) if following.kind == "string" else identity
        if word == ("sign", "("):
            inner = self.pipe()
            self.take("sign", ")")
            return inner
        if word == ("sign", "["):
            return self._array()
        if word == ("sign", "{"):
            return self._object()
        raise Unknown

    def _variable(self, name: str) -> Run:
        if name not in self._variables:
            raise Unknown
        return lambda value, variables: variables[name]

    def _word(self, name: str) -> Run:
        if name in _CONSTANTS:
            return constant(_CONSTANTS[name])
        if name == "if":
            return self._condition()
        if name == "map":
            return self._map()
        if self._next("sign", "("):
            return self._call(name)
        if name == "distinct":
            return metered(lambda value, variables: distinct(value), 1)
        function = FUNCTIONS.get(name)
        if function is None:
            raise Unknown
        return lambda value, variables: function(value)

    def _call(self, name: str) -> Run:
        """``name(a; b)``."""
        start = self._at
        arguments = [self.pipe()]
        while self._next("sign", ";"):
            arguments.append(self.pipe())
        self.take("sign", ")")
        made = CALLS.get((name, len(arguments)))
        if made is None:
            raise Unknown
        return metered(made(*arguments), self._cost(start))

    def _cost(self, start: int) -> int:
        """The steps of what was read from there on: its words, and those that are inserted into its strings."""
        cost = 1
        for word in self._words[start : self._at]:
            inserted = [piece for piece in word.value if isinstance(piece, Inserted)]
            cost += 1 + sum(1 + len(piece.source) // 2 for piece in inserted)
        return cost

    def _condition(self) -> Run:
        """``if a then b elif c then d else e end``; without else it is the value itself."""
        condition = self.pipe()
        self.take("word", "then")
        then = self.pipe()
        if self._next("word", "elif"):
            otherwise = self._condition()
        else:
            otherwise = self.pipe() if self._next("word", "else") else identity
            self.take("word", "end")
        return lambda value, variables: (then if truthy(condition(value, variables)) else otherwise)(value, variables)

    def _map(self) -> Run:
        """``map(f)``, in which f may be a pipe with ``select(...)`` among its steps."""
        start = self._at
        self.take("sign", "(")
        steps = [self._step()]
        while self._next("sign", "|"):
            steps.append(self._step())
        self.take("sign", ")")
        return metered(mapped(steps), self._cost(start))

    def _step(self) -> tuple[bool, Run]:
        """One step of a pipe in a map, and whether it only selects."""
        if self._words[self._at] == ("word", "select"):
            self._at += 1
            self.take("sign", "(")
            condition = self.pipe()
            self.take("sign", ")")
            return True, condition
        return False, self._alternative()

    def _array(self) -> Run:
        """``[a, b]``, or ``[a | b]``; a comma binds closer than a pipe, so both together are for jq."""
        if self._next("sign", "]"):
            return lambda value, variables: []
        parts = [self._alternative()]
        while self._next("sign", ","):
            parts.append(self._alternative())
        if len(parts) == 1 and self._next("sign", "|"):
            first, rest = parts[0], self.pipe()
            parts = [lambda value, variables: rest(first(value, variables), variables)]
        self.take("sign", "]")
        return listed(parts)

    def _object(self) -> Run:
        members: list[tuple[Run, Run]] = []
        while not self._next("sign", "}"):
            if members:
                self.take("sign", ",")
            members.append(self._member())
        return lambda value, variables: {key_of(key(value, variables)): run(value, variables) for key, run in members}

    def _member(self) -> tuple[Run, Run]:
        word = self._words[self._at]
        self._at += 1
        if word.kind == "variable":
            name = str(word.value)[1:]
            return constant(name), self._variable(name)
        if word.kind == "word" or (word.kind == "string" and _is_plain(word.value)):
            name = str(word.value) if word.kind == "word" else str(word.value[0])
            key, usual = constant(name), field_of(identity, name)
        elif word.kind == "string":
            key, usual = self._string(word.value), None
        elif word == ("sign", "("):
            key, usual = self.pipe(), None
            self.take("sign", ")")
        else:
            raise Unknown
        if self._next("sign", ":"):
            # without parentheses jq takes more or less here, depending on its version
            return key, self._postfix()
        if usual is None:
            raise Unknown
        return key, usual

    def _text(self) -> str:
        """A string without insertions."""
        pieces = self.take("string")
        if not _is_plain(pieces):
            raise Unknown
        return str(pieces[0])

    def _string(self, pieces: Any) -> Run:
        if _is_plain(pieces):
            return constant(pieces[0])
        parts = [self._inserted(piece) if isinstance(piece, Inserted) else constant(piece) for piece in pieces]

        def run(value: Any, variables: Variables) -> str:
            texts = [text(part(value, variables)) for part in parts]
            check_size(sum(map(len, texts)))
            return "".join(texts)

        return run

    def _inserted(self, piece: Inserted) -> Run:
        inner = Parser(tokens(piece.source), self._variables, self._depth)
        run = inner.pipe()
        inner.take("end")
        return run


def _literal(number: str) -> int | float:
    if number.isdigit():
        if len(number) > MOST_DIGITS or int(number) > 2**53:
            raise Unknown
        return int(number)
    value = float(number)
    if abs(value) >= 2**53:
        raise Unknown
    return int(value) if value.is_integer() else value


def _is_plain(pieces: Any) -> bool:
    return len(pieces) == 1
