"""API keys: 256 random bits each, shown once, kept as their SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from apimgmt.control.addresses import NAME, new_id
from apimgmt.control.publish import Publisher
from apimgmt.control.rows import KeyRow, now
from apimgmt.control.store import Store
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import KeyView, NewKeyView, key_view, new_key_view
from apimgmt.errors import Problem
from apimgmt.model import Rule

PATTERN = re.compile(r"(?:/(?!\*\*/)[^/\s]*)+")
VERBS = ("*", "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH")


class Keys:
    """The API keys of the platform; a new or removed one is published at once."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    def create(self, name: str, rules: Sequence[Mapping[str, Any]] = ()) -> NewKeyView:
        """A new key. ``rules`` are ``{"methods": [...], "path": ...}``; without a rule it may call nothing."""
        text = f"apik_{secrets.token_urlsafe(32)}"
        row = KeyRow(id=new_id("key"), name=_name(name), digest=digest(text), rules=_rules(rules), created=now())

        def add(transaction: Transaction) -> None:
            if name in {key.name for key in transaction.api_keys()}:
                raise Problem("conflict", f"there is an API key named {name!r}")
            transaction.add_key(row)

        self._publisher.publish(add)
        return new_key_view(row, text)

    def all(self) -> list[KeyView]:
        """All keys by name, without their texts."""
        with self._store.reading() as transaction:
            return [key_view(row) for row in transaction.api_keys()]

    def delete(self, reference: str) -> None:
        """Revoke a key, by id or name; it is refused from now on."""

        def remove(transaction: Transaction) -> None:
            found = [row.id for row in transaction.api_keys() if reference in (row.id, row.name)]
            if not found:
                raise Problem("not-found", f"there is no API key {reference[:100]!r}")
            transaction.remove_key(found[0])

        self._publisher.publish(remove)


def digest(text: str) -> str:
    """What is kept of a key: SHA-256 in hexadecimal. It is random, so it needs no salt and no stretching."""
    return hashlib.sha256(text.encode()).hexdigest()


def _name(name: str) -> str:
    if NAME.fullmatch(name):
        return name
    raise _wrong("/name", "pattern", "must be 1 to 100 letters, digits, spaces and `_.-`")


def _rules(rules: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    try:
        read = msgspec.convert(list(rules), tuple[Rule, ...])
    except msgspec.ValidationError as error:
        raise _wrong("/rules", "type", str(error)) from None
    checked = []
    for index, (rule, written) in enumerate(zip(read, rules, strict=True)):
        methods = tuple(method.upper() for method in rule.methods)
        if not methods or set(methods) - set(VERBS):
            raise _wrong(f"/rules/{index}/methods", "enum", f"must be some of {', '.join(VERBS)}")
        if "path" not in written or not PATTERN.fullmatch(rule.path):
            raise _wrong(f"/rules/{index}/path", "pattern", "must begin with /; * is one segment, a last ** any number")
        checked.append(Rule(methods=methods, path=rule.path))
    return tuple(checked)


def _wrong(pointer: str, code: str, detail: str) -> Problem:
    return Problem("validation", detail, errors=[{"in": "body", "pointer": pointer, "code": code, "detail": detail}])
