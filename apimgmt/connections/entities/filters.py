"""Which rows are meant, the same way for every system that can filter: members, operators and values, never text.

    list(status="active", where={"age": {"ge": 18}, "name": {"like": "A%"}}, order=["-created"], limit=10)

A value alone means ``eq``, a list ``in``, None ``null``. Everything must hold. The names are looked up in what the
system said about itself, and the values travel as values, so that no value can become part of a query.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from apimgmt.errors import ConnectionFailed

OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "in", "like", "null")
MOST_VALUES = 10_000


class Condition(NamedTuple):
    """One thing that must hold. The value of ``in`` is a list, of ``null`` whether it is null, of ``like`` a text in
    which ``%`` stands for anything and ``_`` for one character."""

    member: str
    operator: str
    value: Any


class Order(NamedTuple):
    """One member to sort by."""

    member: str
    descending: bool


def conditions(where: Mapping[str, Any] | None, equals: Mapping[str, Any], known: Collection[str]) -> list[Condition]:
    """What must hold, every name looked up in ``known``; raises ConnectionFailed("request")."""
    if where is not None and not isinstance(where, Mapping):
        raise ConnectionFailed("request", "`where` is an object: columns, and what must hold of them")
    found: list[Condition] = []
    for name, wanted in [*(where or {}).items(), *equals.items()]:
        named(name, known)
        if isinstance(wanted, Mapping):
            if not wanted:
                raise ConnectionFailed("request", f"the filter of {name!r} is empty; it takes: {', '.join(OPERATORS)}")
            found += [_condition(name, operator, value) for operator, value in wanted.items()]
        elif wanted is None:
            found.append(Condition(name, "null", True))
        elif isinstance(wanted, list | tuple | set | frozenset):
            found.append(_condition(name, "in", wanted))
        else:
            found.append(Condition(name, "eq", wanted))
    return found


def orders(given: str | Iterable[str], known: Collection[str]) -> list[Order]:
    """What to sort by: ``name``, or ``-name`` for the largest first."""
    texts = several("order", given)
    return [Order(named(text.removeprefix("-"), known), text.startswith("-")) for text in texts if text]


def named(name: Any, known: Collection[str]) -> str:
    """The name, if it is known; raises ConnectionFailed("request") with those that are."""
    if name not in known:
        there = ", ".join(sorted(known)[:30]) or "none"
        raise ConnectionFailed("request", f"there is no member {str(name)[:100]!r}; there are: {there}")
    return str(name)


def several(what: str, given: Any) -> list[str]:
    """A text, or several; raises ConnectionFailed("request") for anything else."""
    texts = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(text, str) for text in texts):
        raise ConnectionFailed("request", f"`{what}` is a name, or a list of names")
    return texts


def counted(what: str, number: Any) -> int | None:
    """A limit or an offset: None or a whole number from 0."""
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ConnectionFailed("request", f"{what} is a whole number from 0, not {str(number)[:50]!r}")
    return number


def _condition(name: str, operator: str, value: Any) -> Condition:
    if operator not in OPERATORS:
        raise ConnectionFailed("request", f"{name}: {operator!r} is no operator; there are: {', '.join(OPERATORS)}")
    if operator == "in":
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
            raise ConnectionFailed("request", f"{name}: the value of `in` is a list")
        value = list(value)
        if len(value) > MOST_VALUES:
            raise ConnectionFailed("request", f"{name}: `in` takes at most {MOST_VALUES} values")
        if None in value:
            raise ConnectionFailed("request", f"{name}: null is not a value of `in`; use `null`")
    elif operator == "null" and not isinstance(value, bool):
        raise ConnectionFailed("request", f"{name}: the value of `null` is true or false")
    elif operator == "like" and not isinstance(value, str):
        raise ConnectionFailed("request", f"{name}: the value of `like` is a text")
    elif operator == "ne" and value is None:
        return Condition(name, "null", False)
    elif operator == "eq" and value is None:
        return Condition(name, "null", True)
    elif value is None:
        raise ConnectionFailed("request", f"{name}: nothing is {operator} null; use `null`")
    return Condition(name, operator, value)
