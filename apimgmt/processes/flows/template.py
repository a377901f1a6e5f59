"""Values with expressions in them: ``"${ .a }"`` anywhere in objects and arrays, worked out anew for each execution.

A text that is nothing but one ``${ }`` takes the value of the expression with its type; inside a longer text several
may stand, each inserted as text (``Hello ${name}``). Besides jq, ``${customer.name}`` refers to what came with the
request: the path, then the query, then the body, and ``${headers.X-Custom-Header}`` to its header fields (H-059 to
H-066). So a name alone is never a function of jq: write ``${ . | length }``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.budget import LARGEST, Undecided, check_weight
from apimgmt.processes.expressions.expression import Expression
from apimgmt.processes.expressions.rows import Run
from apimgmt.processes.flows import Scope
from apimgmt.reading import pointer

Make = Callable[[str, str], "Evaluate"]
Evaluate = Callable[[Scope, Any], Awaitable[Any]]
Now = Callable[[Scope, Any], Any]

_CONSTANTS = frozenset(("true", "false", "null"))
_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*")


def template(value: Any, make: Make, place: str = "") -> Evaluate:
    """The function that works a value out; what has no expression in it costs nothing.

    ``make(source, place)`` makes one of an expression, with the pointer where it stands below ``place``.
    """
    if isinstance(value, str):
        return _text(value, lambda source: make(source, place))
    if isinstance(value, Mapping) and has_expressions(value):
        names = [str(name) for name in value]
        return _composed(
            [template(one, make, place + pointer(name)) for name, one in zip(names, value.values(), strict=True)],
            lambda found: dict(zip(names, found, strict=True)),
        )
    if isinstance(value, list) and has_expressions(value):
        return _composed([template(one, make, f"{place}/{index}") for index, one in enumerate(value)], list)
    return _constant(value)


def immediate(evaluate: Evaluate, now: Now | None) -> Evaluate:
    """A function that comes to its value without waiting, by ``now``, which raises Undecided where it cannot."""
    if now is not None:
        evaluate.now = now  # type: ignore[attr-defined]
    return evaluate


def now_of(evaluate: Evaluate) -> Now | None:
    """What gives the value without waiting, None if nothing does."""
    return getattr(evaluate, "now", None)


def inner(text: str) -> str | None:
    """The expression of a text that is nothing but one ``${ }``; None for any other text."""
    stripped = text.strip()
    if stripped.startswith("${") and _end(stripped, 2) == len(stripped) - 1:
        return stripped[2:-1].strip()
    return None


def reference(source: str) -> tuple[str, ...]:
    """The names in a reference to the request such as ``customer.name``; () for what is an expression."""
    return tuple(source.split(".")) if _REFERENCE.fullmatch(source) and source not in _CONSTANTS else ()


def looked_up(names: tuple[str, ...], trigger: Any) -> Any:
    """What a reference stands for in the request; None if there is nothing (H-066)."""
    data = trigger["data"] if trigger is not None else {}
    first, rest = names[0], names[1:]
    if first == "headers" and rest:
        return data.get("httpHeaders", {}).get(".".join(rest).lower())
    for place in ("path", "query", "body"):
        values = data.get(place)
        if isinstance(values, Mapping) and first in values:
            found = values[first]
            for name in rest:
                found = found.get(name) if isinstance(found, Mapping) else None
            return found
    return None


def evaluated(expression: Expression) -> Evaluate:
    """An expression as part of a template."""

    async def evaluate(scope: Scope, given: Any) -> Any:
        return await expression.evaluate(given, scope.variables, scope.execution.children)

    run = expression.direct
    if run is None:
        return evaluate
    known: Run = run
    return immediate(evaluate, lambda scope, given: known(given, scope.variables))


def _text(text: str, make: Callable[[str], Evaluate]) -> Evaluate:
    source = inner(text)
    if source is not None:
        return make(source)
    pieces: list[Evaluate] = []
    at = 0
    while (start := text.find("${", at)) >= 0 and (end := _end(text, start + 2)) > 0:
        pieces += [_constant(text[at:start]), make(text[start + 2 : end].strip())]
        at = end + 1
    if not pieces:
        return _constant(text)
    pieces.append(_constant(text[at:]))
    return _composed(pieces, _text_of)


def _end(text: str, at: int) -> int:
    """Where the brace closes that is open at ``at``, -1 if it does not; braces in strings do not count."""
    depth, quoted = 1, False
    while at < len(text):
        sign = text[at]
        if quoted:
            at += sign == "\\"
            quoted = sign != '"'
        elif sign == '"':
            quoted = True
        else:
            depth += {"{": 1, "}": -1}.get(sign, 0)
            if depth == 0:
                return at
        at += 1
    return -1


def has_expressions(value: Any) -> bool:
    """Whether there is one anywhere in a value."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, Mapping):
        return any(map(has_expressions, value.values()))
    return isinstance(value, list) and any(map(has_expressions, value))


def _constant(value: Any) -> Evaluate:
    async def evaluate(scope: Scope, given: Any) -> Any:
        return value

    return immediate(evaluate, lambda scope, given: value)


def _composed(parts: list[Evaluate], build: Callable[[list[Any]], Any]) -> Evaluate:
    """What is built of the values of its parts."""

    quick = [one for part in parts if (one := now_of(part)) is not None]

    def now(scope: Scope, given: Any) -> Any:
        return build(weighed([one(scope, given) for one in quick]))

    async def evaluate(scope: Scope, given: Any) -> Any:
        if len(quick) == len(parts):
            with suppress(Undecided):
                return now(scope, given)
        return build(weighed([await part(scope, given) for part in parts]))

    return immediate(evaluate, now if len(quick) == len(parts) else None)


def weighed(found: list[Any]) -> list[Any]:
    """The parts of a value, unless it would be too large, written out: the same part may stand in it many times.

    Raises ExpressionFailed.
    """
    # a value can only grow by having two large parts
    if sum(type(one) is dict or type(one) is list for one in found) > 1:
        try:
            check_weight(found)
        except Undecided:
            raise ExpressionFailed(f"the value has more than {LARGEST} parts") from None
    return found


def _text_of(found: list[Any]) -> str:
    texts = [_shown(one) for one in found]
    if sum(map(len, texts)) > LARGEST:
        raise ExpressionFailed(f"the text is longer than {LARGEST} characters")
    return "".join(texts)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
