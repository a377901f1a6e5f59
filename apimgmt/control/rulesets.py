"""Rulesets: named lists of rules that API keys and users share; changing one changes all who have it (F-036).

Whoever has rulesets keeps their names, under ``rulesets`` in what is stored; the snapshot has the rules themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from apimgmt.control.catalogue import live
from apimgmt.control.resources import Resources, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import rule_views
from apimgmt.errors import Problem
from apimgmt.model import METHODS, Rule, Struct

PATTERN = re.compile(r"(?:/(?!\*\*/)[^/\s]*)+")
VERBS = ("*", *(method.upper() for method in METHODS))
OPERATION = re.compile(rf"(?:{'|'.join(METHODS)}) /.*")
NAMED_MOST = 10


class Ruleset(Struct, frozen=True):
    """What is stored of a ruleset."""

    rules: tuple[Rule, ...] = ()


class Rulesets(Resources[Ruleset]):
    """All rulesets."""

    kind = "ruleset"
    noun = "a ruleset"
    content = Ruleset

    def read(self, body: Mapping[str, Any], before: Ruleset | None, transaction: Transaction) -> Ruleset:
        """``{"rules": [{"methods": [...], "path": ..., "api": ..., "operation": ...}]}``."""
        return Ruleset(rules=read_rules(self.converted(body, Ruleset).rules, body.get("rules", ()), transaction))

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The ruleset with its rules."""
        return {**super().view(row), "rules": rule_views(self.stored(row).rules)}

    def release(self, row: ResourceRow, transaction: Transaction) -> None:
        """A ruleset that somebody has keeps its name; the refusal says who has it."""
        holders = [f"{one.kind} {one.name}" for one in transaction.resources() if row.name in _rulesets_of(one)]
        if holders:
            more = f" and {len(holders) - NAMED_MOST} more" if len(holders) > NAMED_MOST else ""
            who = ", ".join(holders[:NAMED_MOST]) + more
            raise Problem("conflict", f"the ruleset {row.name!r} is in use: take it from {who} first")


def read_rules(
    rules: Sequence[Rule], written: Sequence[Mapping[str, Any]], transaction: Transaction, pointer: str = "/rules"
) -> tuple[Rule, ...]:
    """Rules as they are stored: methods in capitals, an API by its id; ``written`` is what a person sent for them, at
    ``pointer``.

    Raises Problem for one that could never match, or that says nothing and so would open everything.
    """
    pairs = enumerate(zip(rules, written, strict=True))
    return tuple(_checked(rule, "path" in sent, f"{pointer}/{number}", transaction) for number, (rule, sent) in pairs)


def rulesets(transaction: Transaction) -> dict[str, tuple[Rule, ...]]:
    """The rules of every ruleset by its name, each rule saying where it came from."""
    return {
        row.name: tuple(
            msgspec.structs.replace(rule, ruleset=row.name)
            for rule in msgspec.json.decode(row.content, type=Ruleset).rules
        )
        for row in transaction.resources(Rulesets.kind)
    }


def rules_of(transaction: Transaction, names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of these rulesets; raises Problem for a name that there is not."""
    known = rulesets(transaction)
    for number, name in enumerate(names):
        if name not in known:
            raise wrong(f"/rulesets/{number}", "enum", f"there is no ruleset {name[:100]!r}")
    return tuple(rule for name in names for rule in known[name])


def _checked(rule: Rule, has_path: bool, pointer: str, transaction: Transaction) -> Rule:
    methods = tuple(method.upper() for method in rule.methods)
    if not methods or set(methods) - set(VERBS):
        raise wrong(f"{pointer}/methods", "enum", f"must be some of {', '.join(VERBS)}")
    if not (has_path or rule.api) or not PATTERN.fullmatch(rule.path):
        raise wrong(f"{pointer}/path", "pattern", "must begin with /; * is one segment, a last ** any number")
    if rule.operation and not rule.api:
        raise wrong(f"{pointer}/api", "required", "an operation is one of an API: name it too")
    if rule.operation and not OPERATION.fullmatch(rule.operation):
        raise wrong(f"{pointer}/operation", "pattern", "must be the key of an operation, e.g. `get /pets/{id}`")
    api = _api_id(rule.api, f"{pointer}/api", transaction)
    return msgspec.structs.replace(rule, methods=methods, api=api, ruleset="")


def _api_id(reference: str, pointer: str, transaction: Transaction) -> str:
    """The id of an API, so that a rule does not move to the next API that gets its name."""
    try:
        return live(transaction, reference).id if reference else ""
    except Problem as problem:
        raise wrong(pointer, "enum", problem.detail) from None


def _rulesets_of(row: ResourceRow) -> Sequence[str]:
    found: Sequence[str] = msgspec.json.decode(row.content).get("rulesets", ())
    return found
