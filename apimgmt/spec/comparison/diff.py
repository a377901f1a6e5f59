"""What a new revision of a document changes for callers, operation by operation.

A change is breaking if a request that was answered may be refused now, or a response may now look in a way that a
caller could not have met before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from apimgmt.model import Body, CompiledApi, MediaType, Operation, Parameter, Response, Schema
from apimgmt.spec.comparison.narrowing import Schemas

MOST_CHANGES = 100
"""Most changes that are listed for one operation."""


class Change(NamedTuple):
    """One change of an operation: a code for programs, a sentence for people."""

    code: str
    message: str
    breaking: bool


class Difference(NamedTuple):
    """Operation keys by what happened to them; ``kept`` are those in both without any change.

    ``renamed`` maps the key of a removed operation to that of the added one with the same, unique operationId.
    """

    added: list[str]
    removed: list[str]
    kept: list[str]
    changed: dict[str, list[Change]]
    renamed: dict[str, str]


def compare(old: CompiledApi, new: CompiledApi) -> Difference:
    """Compare two revisions of an API."""
    before = {operation.key: operation for operation in old.operations}
    after = {operation.key: operation for operation in new.operations}
    comparison = _Comparison(old, new)
    kept, changed = [], {}
    for key, operation in before.items():
        if key in after:
            changes = list(islice(comparison.changes(operation, after[key]), MOST_CHANGES))
            if changes:
                changed[key] = changes
            else:
                kept.append(key)
    added = [key for key in after if key not in before]
    removed = [key for key in before if key not in after]
    return Difference(added, removed, kept, changed, _renamed(old, new, set(added), set(removed)))


def _renamed(old: CompiledApi, new: CompiledApi, added: set[str], removed: set[str]) -> dict[str, str]:
    before, after = _by_unique_id(old.operations), _by_unique_id(new.operations)
    return {
        key: after[identifier]
        for identifier, key in before.items()
        if key in removed and after.get(identifier) in added
    }


def _by_unique_id(operations: Iterable[Operation]) -> dict[str, str]:
    operations = list(operations)
    uses = Counter(operation.operation_id for operation in operations)
    return {op.operation_id: op.key for op in operations if op.operation_id and uses[op.operation_id] == 1}


class _Comparison:
    """Compares the operations of two revisions."""

    def __init__(self, old: CompiledApi, new: CompiledApi) -> None:
        self._old = old
        self._new = new
        self._schemas = Schemas(old.schemas, new.schemas)

    def changes(self, old: Operation, new: Operation) -> Iterator[Change]:
        yield from self._parameters(old.parameters, new.parameters)
        yield from self._body(old.body, new.body)
        yield from self._responses(old.responses, new.responses)
        yield from self._security(old, new)
        if new.deprecated and not old.deprecated:
            yield Change("deprecated", "the operation is deprecated now", False)

    # ---- request ---------------------------------------------------------------------------------------------------

    def _parameters(self, old: Iterable[Parameter], new: Iterable[Parameter]) -> Iterator[Change]:
        before, after = _by_place(old), _by_place(new)
        for key, parameter in before.items():
            what = f"{parameter.location} parameter {parameter.name}"
            if key not in after:
                yield Change("parameter-removed", f"{what} was removed", True)
            else:
                yield from self._parameter(what, parameter, after[key])
        for key, parameter in after.items():
            if key not in before:
                kind = "required" if parameter.required else "optional"
                message = f"{kind} {parameter.location} parameter {parameter.name} was added"
                yield Change("parameter-added", message, parameter.required)

    def _parameter(self, what: str, old: Parameter, new: Parameter) -> Iterator[Change]:
        yield from _requirement("parameter", what, old.required, new.required)
        if (old.style, old.explode, old.media_type) != (new.style, new.explode, new.media_type):
            yield Change("parameter-style-changed", f"{what} is written in another way", True)
        if _default(old.schema) != _default(new.schema):
            yield Change("default-changed", f"{what} has another default", False)
        yield from self._schema(what, old.schema, new.schema, request=True)

    def _body(self, old: Body | None, new: Body | None) -> Iterator[Change]:
        if old is None or new is None:
            if new is not None:
                kind = "required" if new.required else "optional"
                yield Change("body-added", f"{kind} body was added", new.required)
            elif old is not None:
                yield Change("body-removed", "the body was removed", True)
            return
        yield from _requirement("body", "the body", old.required, new.required)
        yield from self._content("the body", old.content, new.content, request=True)

    def _content(
        self, what: str, old: Mapping[str, MediaType], new: Mapping[str, MediaType], *, request: bool
    ) -> Iterator[Change]:
        for name, media_type in old.items():
            if name not in new:
                yield Change("media-type-removed", f"{what}: {name} was removed", True)
            else:
                yield from self._schema(what, media_type.schema, new[name].schema, request=request)
        for name in new:
            if name not in old:
                yield Change("media-type-added", f"{what}: {name} was added", False)

    def _schema(self, what: str, old: Schema, new: Schema, *, request: bool) -> Iterator[Change]:
        for shift in self._schemas.shifts(old, new):
            where = f"{what} at {shift.place}" if shift.place else what
            yield Change(shift.code, f"{where}: {shift.message}", shift.narrower if request else shift.wider)

    # ---- response --------------------------------------------------------------------------------------------------

    def _responses(self, old: Mapping[str, Response], new: Mapping[str, Response]) -> Iterator[Change]:
        for status, response in old.items():
            what = f"response {status}"
            if status not in new:
                yield Change("response-removed", f"{what} was removed", True)
                continue
            yield from self._content(what, response.content, new[status].content, request=False)
            yield from self._headers(what, response.headers, new[status].headers)
        for status in new:
            if status not in old:
                yield Change("response-added", f"response {status} was added", False)

    def _headers(self, what: str, old: Mapping[str, Parameter], new: Mapping[str, Parameter]) -> Iterator[Change]:
        for name, header in old.items():
            if name not in new:
                yield Change("header-removed", f"{what}: header {name} was removed", True)
            else:
                yield from self._schema(f"{what}, header {name}", header.schema, new[name].schema, request=False)

    # ---- security --------------------------------------------------------------------------------------------------

    def _security(self, old: Operation, new: Operation) -> Iterator[Change]:
        before, after = _alternatives(old, self._old), _alternatives(new, self._new)
        if before == after:
            return
        is_public = after is not None and (not after or {} in after)
        still_there = before is not None and after is not None and all(one in after for one in before)
        breaking = not is_public and not (still_there and bool(before))
        yield Change("security-changed", "other credentials are asked for", breaking)


def _alternatives(operation: Operation, api: CompiledApi) -> list[dict[str, Any]] | None:
    """The alternatives of an operation, each scheme with what it is; None where the document says nothing."""
    if operation.security is None:
        return None
    schemes = api.security_schemes
    return [{name: (schemes.get(name), scopes) for name, scopes in one.items()} for one in operation.security]


def _requirement(code: str, what: str, old: bool, new: bool) -> Iterator[Change]:
    if new and not old:
        yield Change(f"{code}-required", f"{what} became required", True)
    elif old and not new:
        yield Change(f"{code}-optional", f"{what} became optional", False)


def _by_place(parameters: Iterable[Parameter]) -> dict[tuple[str, str], Parameter]:
    return {(p.location, p.name.lower() if p.location == "header" else p.name): p for p in parameters}


def _default(schema: Schema) -> Any:
    return schema.get("default") if isinstance(schema, dict) else None
