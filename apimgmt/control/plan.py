"""What a new revision would change, operation by operation, and what happens to what people decided about each.

A binding belongs to an operation key. It stays when the operation stays, is kept aside when the operation goes, and is
there again when the operation returns. An operation whose method or path changed is another operation, whatever its
operationId: its binding does not move by itself (T12 of reliability.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from apimgmt.control.views import PlanEntry, binding_view
from apimgmt.model import Binding, CompiledApi
from apimgmt.spec.comparison.diff import Difference, compare


class Plan(NamedTuple):
    """The four lists of a plan."""

    added: list[PlanEntry]
    changed: list[PlanEntry]
    removed: list[PlanEntry]
    kept: list[PlanEntry]


def plan(old: CompiledApi, new: CompiledApi, bindings: Mapping[str, Binding], default: Binding) -> Plan:
    """Compare two revisions; ``bindings`` are all that were ever made, ``default`` is that of unbound operations."""
    difference = compare(old, new)
    came_from = {new_key: old_key for old_key, new_key in difference.renamed.items()}

    def entry(key: str, happens: str, renamed: str | None = None) -> PlanEntry:
        return PlanEntry(key=key, binding=binding_view(bindings.get(key, default)), happens=happens, renamed=renamed)

    return Plan(
        added=[entry(key, _added(key, bindings, came_from.get(key)), came_from.get(key)) for key in difference.added],
        changed=[_changed(entry(key, "stays bound"), difference) for key in difference.changed],
        removed=[
            entry(key, "answers 404; its binding and settings are kept and return with it", difference.renamed.get(key))
            for key in difference.removed
        ],
        kept=[entry(key, "stays bound") for key in difference.kept],
    )


def _added(key: str, bindings: Mapping[str, Binding], came_from: str | None) -> str:
    if key in bindings:
        return "returns with the binding that was kept"
    if came_from is not None:
        return f"new; has the operationId of {came_from}, but the binding does not move by itself: bind it"
    return "new; runs the default of the API until it is bound"


def _changed(entry: PlanEntry, difference: Difference) -> PlanEntry:
    changes = [
        {"code": change.code, "message": change.message, "breaking": change.breaking}
        for change in difference.changed[entry.key]
    ]
    return msgspec.structs.replace(entry, changes=changes)
