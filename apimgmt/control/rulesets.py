"""Rulesets: named lists of rules that API keys and users share; changing one changes all who have it (F-036)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.control.resources import Resources, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import rule_views
from apimgmt.errors import Problem
from apimgmt.model import Rule, Struct

PATTERN = re.compile(r"(?:/(?!\*\*/)[^/\s]*)+")
VERBS = ("*", "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH")


class Ruleset(Struct, frozen=True):
    """What is stored of a ruleset."""

    rules: tuple[Rule, ...] = ()


class Rulesets(Resources[Ruleset]):
    """All rulesets."""

    kind = "ruleset"
    noun = "a ruleset"
    content = Ruleset

    def read(self, body: Mapping[str, Any], before: Ruleset | None, transaction: Transaction) -> Ruleset:
        """``{"rules": [{"methods": [...], "path": ...}]}``."""
        return Ruleset(rules=tuple(checked(rule, f"/rules/{n}") for n, rule in enumerate(self.converted(body).rules)))

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The ruleset with its rules."""
        return {**super().view(row), "rules": rule_views(self.stored(row).rules)}


def checked(rule: Rule, pointer: str) -> Rule:
    """The rule with its methods in capitals; raises Problem if it could never match or says more than it may."""
    methods = tuple(method.upper() for method in rule.methods)
    if not methods or set(methods) - set(VERBS):
        raise wrong(f"{pointer}/methods", "enum", f"must be some of {', '.join(VERBS)}")
    if not PATTERN.fullmatch(rule.path):
        raise wrong(f"{pointer}/path", "pattern", "must begin with /; * is one segment, a last ** any number")
    return msgspec.structs.replace(rule, methods=methods, ruleset="")


def rules_of(transaction: Transaction, names: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of these rulesets, each saying where it came from; raises Problem for a name that there is not."""
    found: list[Rule] = []
    by_name = {row.name: row for row in transaction.resources(Rulesets.kind)}
    for name in names:
        if name not in by_name:
            raise Problem("not-found", f"there is no ruleset {name[:100]!r}")
        found += (_named(rule, name) for rule in _stored(by_name[name].content))
    return tuple(found)


def _named(rule: Rule, name: str) -> Rule:
    return msgspec.structs.replace(rule, ruleset=name)


def _stored(content: str) -> tuple[Rule, ...]:
    return msgspec.json.decode(content, type=Ruleset).rules
