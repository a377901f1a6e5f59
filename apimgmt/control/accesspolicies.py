"""Access policies: who may call what with a token; without one, nobody may call anything (F-039)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.control.applications import applications
from apimgmt.control.resources import Resources, wrong
from apimgmt.control.rows import ResourceRow
from apimgmt.control.rulesets import read_rules
from apimgmt.control.transaction import Transaction
from apimgmt.control.views import rule_views
from apimgmt.model import AccessPolicyEntry, Condition, Rule, Struct
from apimgmt.registry import register

DEEPEST = 10
MOST_CONDITIONS = 100


class AccessPolicy(Struct, frozen=True):
    """What is stored of a policy: ``applications`` are names."""

    targets: tuple[Rule, ...]
    applications: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    condition: Condition | None = None


class AccessPolicies(Resources[AccessPolicy]):
    """All access policies."""

    kind = "accesspolicy"
    noun = "an access policy"
    content = AccessPolicy

    def read(self, body: Mapping[str, Any], before: AccessPolicy | None, transaction: Transaction) -> AccessPolicy:
        """``{"targets": [rules], "applications": [names or ids], "roles": [...], "condition": {...}}``."""
        wanted = self.converted(body, AccessPolicy)
        if not wanted.targets:
            raise wrong("/targets", "minItems", "a policy without a target allows nothing")
        known = {entry.id: entry.name for entry in applications(transaction)}
        named = {name: name for name in known.values()} | known
        for number, name in enumerate(wanted.applications):
            if name not in named:
                raise wrong(f"/applications/{number}", "enum", f"there is no application {name[:100]!r}")
        if wanted.condition is not None:
            _check(wanted.condition)
        return msgspec.structs.replace(
            wanted,
            targets=read_rules(wanted.targets, body["targets"], transaction, "/targets"),
            applications=tuple(named[name] for name in wanted.applications),
        )

    def view(self, row: ResourceRow) -> dict[str, Any]:
        """The policy, its targets as rules are shown."""
        return {**super().view(row), "targets": rule_views(self.stored(row).targets)}


@register("snapshot", "access_policies")
def access_policies(transaction: Transaction) -> tuple[AccessPolicyEntry, ...]:
    """The snapshot's field, with the ids of applications.

    A name that is gone stays in the list as an id that nobody has: an empty list would mean every application.
    """
    by_name = {entry.name: entry.id for entry in applications(transaction)}
    entries = []
    for row in transaction.resources(AccessPolicies.kind):
        stored = msgspec.structs.asdict(msgspec.json.decode(row.content, type=AccessPolicy))
        ids = tuple(by_name.get(name, "") for name in stored.pop("applications"))
        entries.append(AccessPolicyEntry(id=row.id, name=row.name, applications=ids, **stored))
    return tuple(entries)


def _check(condition: Condition) -> None:
    """Raise Problem for a condition that says nothing somewhere, so never holds, or that is too large."""
    pending, count = [(condition, "/condition", 1)], 0
    while pending:
        one, pointer, depth = pending.pop()
        count += 1
        if depth > DEEPEST or count > MOST_CONDITIONS:
            limits = f"{DEEPEST} levels and {MOST_CONDITIONS} parts"
            raise wrong(pointer, "size", f"a condition has at most {limits}")
        said = one.equals is not None or bool(one.one_of) or bool(one.starts_with)
        if bool(one.claim) != said:
            raise wrong(pointer, "required", "a claim goes with equals, oneOf or startsWith, and they with a claim")
        if not (one.all or one.any or one.claim):
            raise wrong(pointer, "required", "say something: all, any, or a claim")
        for name, parts in (("all", one.all), ("any", one.any)):
            pending += [(part, f"{pointer}/{name}/{number}", depth + 1) for number, part in enumerate(parts)]
