"""What jq's operators do with JSON values, where that is beyond doubt; for the rest they raise Undecided.

Numbers are doubles in jq: what leaves the integers that a double holds exactly is left to jq itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.budget import Undecided as Undecided
from apimgmt.processes.expressions.budget import budget, check_size

EXACT = 2**53


def truthy(value: Any) -> bool:
    """Everything but null and false."""
    return value is not None and value is not False


def kind(value: Any) -> str:
    """The name that jq has for the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def field(value: Any, name: str) -> Any:
    """``.name``."""
    if isinstance(value, dict):
        return value.get(name)
    if value is None:
        return None
    raise ExpressionFailed(f'Cannot index {kind(value)} with "{name}"')


def item(value: Any, index: int) -> Any:
    """``.[index]``; null beyond either end."""
    if isinstance(value, list):
        return value[index] if -len(value) <= index < len(value) else None
    if value is None:
        return None
    raise ExpressionFailed(f"Cannot index {kind(value)} with number")


def text(value: Any) -> str:
    """A value inside a string."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(_exact(value))


def add(left: Any, right: Any) -> Any:
    """``left + right``."""
    if left is None or right is None:
        return right if left is None else left
    kinds = kind(left), kind(right)
    if kinds == ("number", "number"):
        return _number(left + right)
    if kinds in (("string", "string"), ("array", "array")):
        check_size(len(left) + len(right))
        return left + right
    if kinds == ("object", "object"):
        check_size(len(left) + len(right))
        return {**left, **right}
    raise _cannot("added", *kinds)


def subtract(left: Any, right: Any) -> Any:
    """``left - right``."""
    _numbers("subtracted", left, right, ("array", "array"))
    return _number(left - right)


def multiply(left: Any, right: Any) -> Any:
    """``left * right``."""
    _numbers("multiplied", left, right, ("object", "object"), ("string", "number"), ("number", "string"))
    return _number(left * right)


def divide(left: Any, right: Any) -> Any:
    """``left / right``."""
    _numbers("divided", left, right, ("string", "string"))
    if right == 0:
        raise ExpressionFailed("the divisor is zero")
    return _number(left / right)


def modulo(left: Any, right: Any) -> Any:
    """``left % right``: of the whole parts, with the sign of the left one."""
    _numbers("divided", left, right)
    whole, by = abs(int(_exact_or_float(left))), abs(int(_exact_or_float(right)))
    if by == 0:
        raise ExpressionFailed("the divisor is zero")
    return -(whole % by) if left < 0 and whole % by else whole % by


def equal(left: Any, right: Any) -> bool:
    """``left == right``: true is not 1, 1.0 is."""
    if type(left) is str and type(right) is str:
        return left == right
    kinds = kind(left), kind(right)
    if kinds[0] != kinds[1]:
        return False
    if kinds[0] == "number":
        return bool(_exact_or_float(left) == _exact_or_float(right))
    if kinds[0] in ("array", "object"):
        budget.spend(len(left))
    if kinds[0] == "array":
        return len(left) == len(right) and all(map(equal, left, right))
    if kinds[0] == "object":
        return left.keys() == right.keys() and all(equal(value, right[name]) for name, value in left.items())
    return bool(left == right)


def less(left: Any, right: Any) -> bool:
    """``left < right``, of two numbers or two strings."""
    if type(left) is int and type(right) is int and -EXACT <= left <= EXACT and -EXACT <= right <= EXACT:
        return left < right  # what is usual, without further questions
    kinds = kind(left), kind(right)
    if kinds == ("number", "number"):
        return bool(_exact_or_float(left) < _exact_or_float(right))
    if kinds == ("string", "string"):
        return bool(left < right)
    raise Undecided


def length(value: Any) -> Any:
    """``length``."""
    if value is None:
        return 0
    if isinstance(value, bool):
        raise ExpressionFailed("boolean has no length")
    return abs(value) if isinstance(value, int | float) else len(value)


def keys(value: Any) -> list[Any]:
    """``keys``."""
    if isinstance(value, dict):
        return sorted(value)
    if isinstance(value, list):
        return list(range(len(value)))
    raise ExpressionFailed(f"{kind(value)} has no keys")


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "length": length,
    "keys": keys,
    "type": kind,
    "not": lambda value: not truthy(value),
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": less,
    ">": lambda left, right: less(right, left),
    "<=": lambda left, right: not less(right, left),
    ">=": lambda left, right: not less(left, right),
}


def _numbers(what: str, left: Any, right: Any, *undecided: tuple[str, str]) -> None:
    kinds = kind(left), kind(right)
    if kinds in undecided:
        raise Undecided
    if kinds != ("number", "number"):
        raise _cannot(what, *kinds)


def _number(value: float) -> Any:
    if isinstance(value, int):
        return _exact(value)
    if not math.isfinite(value) or abs(value) >= EXACT:
        raise Undecided
    return int(value) if value.is_integer() else value


def _exact(value: Any) -> int:
    if isinstance(value, int) and abs(value) <= EXACT:
        return value
    raise Undecided


def _exact_or_float(value: Any) -> Any:
    return value if isinstance(value, float) else _exact(value)


def _cannot(what: str, left: str, right: str) -> ExpressionFailed:
    return ExpressionFailed(f"{left} and {right} cannot be {what}")
