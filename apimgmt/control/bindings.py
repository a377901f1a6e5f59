"""Bindings and settings of operations as people write them: read strictly, checked against the locked operations."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import Binding, CompiledApi, Operation, Trigger
from apimgmt.processes import Process
from apimgmt.registry import find
from apimgmt.settings import Settings

OWN = "apimgmt."
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


def read_bindings(body: Mapping[str, Any], compiled: CompiledApi) -> dict[str, Binding]:
    """``{key or operationId: {kind, fields of that kind}}`` -> bindings by key, each of them one that can be built."""
    bindings: dict[str, Binding] = {}
    for reference, value in body.items():
        operation = _operation(reference, value, compiled)
        config = {name: member for name, member in value.items() if name != "kind"}
        kind = value.get("kind")
        if not isinstance(kind, str):
            raise _wrong(reference, "kind", "required", "the kind of process is needed: mock, echo or python")
        bindings[operation.key] = Binding(kind=kind, config=config)
        try:
            build(bindings[operation.key], operation, compiled)
        except SettingInvalid as error:
            raise _wrong(reference, "", "binding", str(error)) from None
    return bindings


def build(binding: Binding, operation: Operation, compiled: CompiledApi) -> Process:
    """The process of a binding; raises SettingInvalid, naming the field or what is missing."""
    if str(binding.config.get("function", "")).startswith(OWN):
        raise SettingInvalid(f"functions that begin with {OWN} belong to the admin API, which no gateway worker has")
    kind = find("process", binding.kind)
    try:
        process: Process = msgspec.convert(binding.config, kind).build(operation, compiled)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"{binding.kind}: {error}") from None
    return process


def read_triggers(
    body: Mapping[str, Any], current: Mapping[str, Trigger], default: Trigger, compiled: CompiledApi, settings: Settings
) -> dict[str, Trigger]:
    """``{key or operationId: {setting: value}}`` -> settings by key; what is not named stays as it is."""
    triggers: dict[str, Trigger] = {}
    for reference, value in body.items():
        operation = _operation(reference, value, compiled)
        before = current.get(operation.key, default)
        try:
            trigger = msgspec.convert({**msgspec.to_builtins(before), **value}, Trigger)
        except msgspec.ValidationError as error:
            raise _wrong(reference, "", "type", str(error)) from None
        _check_trigger(reference, trigger, compiled, settings)
        triggers[operation.key] = trigger
    return triggers


def _check_trigger(reference: str, trigger: Trigger, compiled: CompiledApi, settings: Settings) -> None:
    if trigger.raw_body and compiled.specification == "2.0":
        raise _wrong(reference, "rawBody", "specification", "needs OpenAPI 3.0; this document is Swagger 2.0")
    if not 0 < trigger.timeout <= 300:
        raise _wrong(reference, "timeout", "maximum", "must be more than 0 and at most 300 seconds")
    if not 0 <= trigger.body_limit <= settings.body_bytes_most:
        raise _wrong(reference, "bodyLimit", "maximum", f"must be 0 to {settings.body_bytes_most} bytes")


def _operation(reference: str, value: Any, compiled: CompiledApi) -> Operation:
    """The operation that a member of the body speaks of; an attempt to change what it is, is refused (F-005, F-009)."""
    touched = sorted(LOCKED & value.keys()) if isinstance(value, dict) else [reference] if reference in LOCKED else []
    if touched:
        raise Problem("locked", f"{touched[0]} of {reference[:200]!r} is locked by the specification")
    operation = resolve(reference, compiled)
    if not isinstance(value, dict):
        raise _wrong(reference, "", "type", "must be an object")
    return operation


def _wrong(reference: str, member: str, code: str, detail: str) -> Problem:
    escaped = [part.replace("~", "~0").replace("/", "~1") for part in (reference, member) if part]
    pointer = "".join(f"/{part}" for part in escaped)
    return Problem("validation", detail, errors=[{"in": "body", "pointer": pointer, "code": code, "detail": detail}])
