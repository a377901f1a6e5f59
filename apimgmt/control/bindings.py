"""Bindings and settings of operations as people write them: read strictly, checked against the locked operations."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import ApiEntry, Binding, CompiledApi, Operation, Trigger
from apimgmt.policies import Place, compose
from apimgmt.processes import Process
from apimgmt.processes.nested import with_nested, written
from apimgmt.reading import pointer, read
from apimgmt.registry import find, names
from apimgmt.settings import Settings
from apimgmt.shared import Shared
from apimgmt.spec.paths import parse

OWN = "apimgmt."
EVERY = "*"
LOCKED = frozenset({"method", "path", "operationId", "key", "url", "operation"})


def resolve(reference: str, compiled: CompiledApi) -> Operation:
    """The operation with that key or unique operationId; refused (404) with the near names."""
    keys = {operation.key: operation for operation in compiled.operations}
    if reference in keys:
        return keys[reference]
    named = [operation for operation in compiled.operations if operation.operation_id == reference]
    if len(named) == 1:
        return named[0]
    if named:
        keys_named = ", ".join(operation.key for operation in named)
        raise Problem("conflict", f"several operations have the operationId {reference!r}; use a key: {keys_named}")
    known = [*keys, *(operation.operation_id for operation in compiled.operations if operation.operation_id)]
    near = ", ".join(difflib.get_close_matches(reference, known, 3, 0.4))
    hint = f" Near: {near}." if near else ""
    detail = f"There is no operation {reference[:200]!r}: operations come from an uploaded document only.{hint}"
    raise Problem("not-found", detail)


def read_bindings(
    body: Mapping[str, Any], compiled: CompiledApi, connections: Collection[str] = (), flows: Collection[str] = ()
) -> dict[str, Binding]:
    """``{key or operationId: {kind, fields of that kind}}`` -> bindings by key, each of them one that can be built.

    ``connections`` and ``flows`` are the names of those that there are.
    """
    bindings: dict[str, Binding] = {}
    for reference, value in body.items():
        operation = _operation(reference, value, compiled, _own_fields(value))
        if not isinstance(value.get("kind"), str):
            detail = f"the kind of process is needed: {', '.join(names('process'))}"
            raise _wrong(pointer(reference, "kind"), "required", detail)
        bindings[operation.key] = written(value)
        try:
            check_names({operation.key: bindings[operation.key]}, connections, flows)
            build(bindings[operation.key], operation, compiled)
        except SettingInvalid as error:
            raise _wrong(pointer(reference), "binding", str(error)) from None
    return bindings


def build(binding: Binding, operation: Operation, compiled: CompiledApi) -> Process:
    """The process of a binding; raises SettingInvalid, naming the field or what is missing."""
    if any(str(one.config.get("function", "")).startswith(OWN) for one in with_nested(binding)):
        raise SettingInvalid(f"functions that begin with {OWN} belong to the admin API, which no gateway worker has")
    kind = find("process", binding.kind)
    try:
        process: Process = msgspec.convert(binding.config, kind).build(operation, compiled)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"{binding.kind}: {error}") from None
    return process


def read_triggers(
    body: Mapping[str, Any], entry: ApiEntry, compiled: CompiledApi, settings: Settings
) -> dict[str, Trigger | None]:
    """``{key, operationId or "*": {setting: value}}`` -> settings by key, each of them such that its policies build.

    ``*`` is every operation that has no settings of its own, hence also the ground on which an operation gets its
    first. What is not named stays as it is, also among ``policies``, where null removes one. null instead of settings
    gives an operation back to ``*``.
    """
    default = entry.trigger
    if EVERY in body:
        default = _trigger(EVERY, body[EVERY], entry.trigger, compiled, settings)
    references: dict[str, str] = {}
    triggers: dict[str, Trigger | None] = {}
    for reference, value in body.items():
        if reference != EVERY:
            operation = _operation(reference, {} if value is None else value, compiled)
            before = entry.triggers.get(operation.key, default)
            references[operation.key] = reference
            triggers[operation.key] = None if value is None else _trigger(reference, value, before, compiled, settings)
    own = {key: trigger for key, trigger in {**entry.triggers, **triggers}.items() if trigger is not None}
    changed = msgspec.structs.replace(entry, trigger=default, triggers=own)
    _check_policies(changed, references, EVERY in body, compiled, settings)
    return {**triggers, EVERY: default} if EVERY in body else triggers


def _trigger(reference: str, value: Any, before: Trigger, compiled: CompiledApi, settings: Settings) -> Trigger:
    """Settings with some changed; raises Problem with the place of what is wrong."""
    if not isinstance(value, dict):
        raise _wrong(pointer(reference), "type", "must be an object")
    policies = value.get("policies", {})
    if not isinstance(policies, dict):
        raise _wrong(pointer(reference, "policies"), "type", "must be an object")
    kept = {name: config for name, config in {**before.policies, **policies}.items() if config is not None}
    try:
        trigger = read({**msgspec.to_builtins(before), **value, "policies": kept}, Trigger)
    except SettingInvalid as error:
        raise _wrong(pointer(reference) + error.pointer, "type", str(error)) from None
    _check_trigger(reference, trigger, compiled, settings)
    return trigger


def _check_trigger(reference: str, trigger: Trigger, compiled: CompiledApi, settings: Settings) -> None:
    if trigger.raw_body and compiled.specification == "2.0":
        detail = "needs OpenAPI 3.0; this document is Swagger 2.0"
        raise _wrong(pointer(reference, "rawBody"), "specification", detail)
    if not 0 < trigger.timeout <= 300:
        raise _wrong(pointer(reference, "timeout"), "maximum", "must be more than 0 and at most 300 seconds")
    if not 0 <= trigger.body_limit <= settings.body_bytes_most:
        raise _wrong(pointer(reference, "bodyLimit"), "maximum", f"must be 0 to {settings.body_bytes_most} bytes")


def _check_policies(
    entry: ApiEntry, references: Mapping[str, str], every: bool, compiled: CompiledApi, settings: Settings
) -> None:
    """Build the policies of the operations that changed, as a worker will; ``every`` says that those of ``*`` did."""
    shared = Shared(settings)
    for operation in compiled.operations:
        trigger = entry.triggers.get(operation.key)
        if operation.key not in references and (trigger is not None or not every):
            continue
        try:
            _compose(entry, operation, compiled, settings, shared)
        except SettingInvalid as error:
            where = pointer(references.get(operation.key, EVERY), "policies") + error.pointer
            raise _wrong(where, "policy", f"{operation.key}: {error}") from None


def check_policies(entry: ApiEntry, compiled: CompiledApi, settings: Settings) -> None:
    """Build all stored policies of an API, as a worker will: those that were set may not fit another revision.

    Raises SettingInvalid, naming the operation and the policy.
    """
    shared = Shared(settings)
    for operation in compiled.operations:
        try:
            _compose(entry, operation, compiled, settings, shared)
        except SettingInvalid as error:
            raise SettingInvalid(f"{entry.name}, {operation.key}, policies: {error}") from None


def check_names(bindings: Mapping[str, Binding], connections: Collection[str], flows: Collection[str]) -> None:
    """Raise SettingInvalid, with the names that there are, if an operation is bound to a connection or a flow that is
    not, be it in a binding inside another."""
    each = ((key, one) for key, binding in bindings.items() for one in with_nested(binding))
    for key, binding in each:
        for what, known in (("connection", connections), ("flow", flows)):
            name = binding.config.get(what)
            if isinstance(name, str) and name and name not in known:
                shown = ", ".join(sorted(known)[:20]) or "none"
                raise SettingInvalid(f"{key}: there is no {what} {name[:100]!r}; there are: {shown}")


def _compose(entry: ApiEntry, operation: Operation, compiled: CompiledApi, settings: Settings, shared: Shared) -> None:
    policies = entry.triggers.get(operation.key, entry.trigger).policies
    if policies:
        names = parse(operation, compiled.schemas).names
        compose(policies, Place(entry, compiled, operation, names, settings, shared))


def _own_fields(value: Any) -> set[str]:
    """The fields of the kind of process that a binding names: a proxy has a path of its own, which is not locked."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in names("process"):
        return set()
    return {field.encode_name for field in msgspec.structs.fields(find("process", kind))}


def _operation(reference: str, value: Any, compiled: CompiledApi, own: Collection[str] = ()) -> Operation:
    """The operation that a member of the body speaks of; an attempt to change what it is, is refused (F-005, F-009)."""
    locked = LOCKED.difference(own)
    touched = sorted(locked & value.keys()) if isinstance(value, dict) else [reference] if reference in LOCKED else []
    if touched:
        raise Problem("locked", f"{touched[0]} of {reference[:200]!r} is locked by the specification")
    operation = resolve(reference, compiled)
    if not isinstance(value, dict):
        raise _wrong(pointer(reference), "type", "must be an object")
    return operation


def _wrong(where: str, code: str, detail: str) -> Problem:
    return Problem("validation", detail, errors=[{"in": "body", "pointer": where, "code": code, "detail": detail}])
