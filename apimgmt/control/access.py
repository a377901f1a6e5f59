"""Who may call what, answered from the published snapshot before anybody calls."""

from __future__ import annotations

from typing import Any, NamedTuple

from apimgmt.archive import Archive
from apimgmt.auth.access import Access
from apimgmt.auth.decision import NOBODY, Decision, Demand, decide
from apimgmt.auth.demands import demand_of
from apimgmt.control.views import rule_views
from apimgmt.errors import Problem
from apimgmt.model import ApiEntry, CompiledApi, Operation, Snapshot
from apimgmt.request import Target
from apimgmt.spec.paths import PathInvalid, normalised, parse
from apimgmt.spec.tree import Tree


class Found(NamedTuple):
    """The operation that a method and a path mean, and what it demands."""

    entry: ApiEntry
    operation: Operation
    demand: Demand


def answer(archive: Archive, method: str, path: str, who: str | None) -> dict[str, Any]:
    """What comes of a call: the decision about ``who``, or every decision that allows it.

    ``path`` is a path as callers write it, or base path and template. Raises Problem("not-found") if there is no such
    operation or caller.
    """
    snapshot = archive.load_snapshot(archive.current()[0])
    found = _find(snapshot, archive, method.upper(), path)
    holders = Access(snapshot).holders
    if who is not None:
        decisions = [(who, decide(found.demand, who, holders))]
    else:
        everybody = (NOBODY, *(f"{kind}:{name}" for kind, table in holders.items() for name in table.names()))
        decisions = [(one, decide(found.demand, one, holders)) for one in everybody]
        decisions = [(one, decision) for one, decision in decisions if decision.allowed]
    return {
        "method": found.demand.target.method,
        "path": path,
        "template": found.demand.target.path,
        "api": {"id": found.entry.id, "name": found.entry.name},
        "operation": found.operation.key,
        "open": found.demand.open,
        "takes": [list(alternative) for alternative in found.demand.alternatives if alternative],
        "decisions": [_view(*decision) for decision in decisions],
    }


def _find(snapshot: Snapshot, archive: Archive, method: str, path: str) -> Found:
    for entry in _inner_first(snapshot):
        if path == entry.base_path or path.startswith(f"{entry.base_path}/"):
            compiled = archive.load_api(entry.digest)
            operation = _operation(compiled, method, path[len(entry.base_path) :])
            if operation is None:
                break
            trigger = entry.triggers.get(operation.key, entry.trigger)
            target = Target(operation.method.upper(), entry.base_path + operation.path, entry.id, operation.key)
            return Found(entry, operation, demand_of(operation, trigger, compiled, target))
    raise Problem("not-found", f"no published operation is called by {method[:10]} {path[:200]}")


def _inner_first(snapshot: Snapshot) -> list[ApiEntry]:
    """The APIs in the order in which the gateway looks: the longest base path that a path is in has it."""
    return sorted(snapshot.apis, key=lambda entry: entry.base_path.count("/"), reverse=True)


def _operation(compiled: CompiledApi, method: str, path: str) -> Operation | None:
    """The operation with that template, or that a request for that path reaches; HEAD is GET unless declared."""
    for wanted in (method, "GET") if method == "HEAD" else (method,):
        of_method = [one for one in compiled.operations if one.method.upper() == wanted]
        named = next((one for one in of_method if one.path == path), None)
        found = named or _reached(compiled, of_method, wanted, path)
        if found is not None:
            return found
    return None


def _reached(compiled: CompiledApi, operations: list[Operation], method: str, path: str) -> Operation | None:
    tree = Tree()
    for one in operations:
        tree.add(parse(one, compiled.schemas), method, one)
    try:
        found = tree.find(normalised(path), method)
    except PathInvalid:
        return None
    operation: Operation | None = found[0] if found is not None else None
    return operation


def _view(who: str, decision: Decision) -> dict[str, Any]:
    rule = decision.rule
    return {
        "who": who,
        "allowed": decision.allowed,
        "code": decision.code,
        "why": decision.why,
        "rule": rule_views([rule])[0] if rule is not None else None,
        "ruleset": rule.ruleset or None if rule is not None else None,
    }
