"""The operations of an OpenAPI or Swagger document as entities (C-027), from what our compiler made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apimgmt.connections.entities.contract import placeholder, template
from apimgmt.connections.entities.entity import Entity
from apimgmt.control.discovery import MOST_ENTITIES, Discovered, Found, LeftOut, unique
from apimgmt.control.discovery.guesses import guess
from apimgmt.control.discovery.shapes import Shape, rows_of
from apimgmt.errors import SettingInvalid
from apimgmt.model import CompiledApi, Operation, Parameter, Response
from apimgmt.reading import read

METHODS = ("get", "post", "put", "patch", "delete")
JSON_TYPES = ("application/json", "text/json")
FORM = "application/x-www-form-urlencoded"


def discovered(compiled: CompiledApi, digest: str, base_url: str) -> Discovered:
    """An entity for every operation that a connection to ``base_url`` can call."""
    found: dict[str, Found] = {}
    left_out: list[LeftOut] = []
    prefix, notes = _prefix(compiled.base_path, base_url)
    for operation in compiled.operations:
        shown = f"{operation.method.upper()} {operation.path}"
        try:
            if len(found) >= MOST_ENTITIES:
                raise SettingInvalid(f"a connection has at most {MOST_ENTITIES} discovered entities")
            definition, note = _entity(operation, compiled, digest, prefix)
            read(definition, Entity)
        except SettingInvalid as error:
            left_out.append(LeftOut(what=shown, why=str(error)))
            continue
        name = unique(operation.operation_id or f"{operation.method} {operation.path.strip('/')}", found)
        found[name] = Found(name=name, definition=definition, note=note)
    return Discovered(found=tuple(found.values()), left_out=tuple(left_out), notes=notes)


def _prefix(base_path: str, base_url: str) -> tuple[str, tuple[str, ...]]:
    """What goes before every path: the document's base path, or what the connection's URL lacks of it."""
    own, stated = urlsplit(base_url).path.strip("/"), base_path.strip("/")
    if own == stated or not stated:
        return "", ()
    if not own:
        return f"/{stated}", ()
    if stated.startswith(own + "/"):
        return stated.removeprefix(own), ()
    note = f"the document's base path is /{stated}, the connection's is /{own}: paths go below the connection's"
    return "", (note,)


def _entity(operation: Operation, compiled: CompiledApi, digest: str, prefix: str) -> tuple[dict[str, Any], str]:
    """The definition of an entity and what was guessed; raises SettingInvalid, saying why there is none."""
    if operation.method not in METHODS:
        raise SettingInvalid(f"{operation.method.upper()} is not a method of entities")
    _check_parameters(operation.parameters)
    response = _success(operation)
    shape = _shape(response, compiled)
    asked = _asked(operation.parameters, "query")
    pagination, note = guess(operation, response, shape) if operation.method == "get" else ({}, "")
    for name in {str(value) for value in pagination.values() if isinstance(value, str)} & asked.keys():
        del asked[name]  # the pagination sends it
    definition: dict[str, Any] = {
        "description": (operation.summary or operation.description)[:500],
        "method": operation.method.upper(),
        "path": prefix + template(operation.path),
        "query": asked,
        "headers": _asked(operation.parameters, "header"),
        **_sent(operation),
        **shape.definition(),
        "pagination": pagination,
        "contract": {"document": digest, "operation": operation.key},
    }
    return {name: value for name, value in definition.items() if value not in ("", {}, [])}, note


def _check_parameters(parameters: tuple[Parameter, ...]) -> None:
    for one in parameters:
        if one.required and one.location in ("cookie", "querystring"):
            raise SettingInvalid(f"it needs the {one.location} parameter {one.name!r}; entities do not send such")
        if one.location == "path" and (one.style != "simple" or one.media_type is not None):
            raise SettingInvalid(f"the path parameter {one.name!r} is written in the style {one.style}")
        if one.required and one.location == "query" and (one.style not in ("form",) or one.media_type is not None):
            raise SettingInvalid(f"the query parameter {one.name!r} is written in the style {one.style}")


def _asked(parameters: tuple[Parameter, ...], location: str) -> dict[str, str]:
    """What must be given: a placeholder for each; what may be given is taken by name without being written down."""
    return {
        one.name: "{" + placeholder(one.name) + "}"
        for one in parameters
        if one.location == location
        and one.required
        and one.name.lower() not in ("authorization", "accept", "content-type")
    }


def _sent(operation: Operation) -> dict[str, Any]:
    """How a body is written; raises SettingInvalid if it is in none of the ways that entities have."""
    if operation.body is None or not operation.body.content:
        return {}
    kinds = [kind.partition(";")[0].strip().lower() for kind in operation.body.content]
    if any(_is_json(kind) or kind in ("*/*", "application/*") for kind in kinds):
        return {}
    if FORM in kinds:
        return {"encoding": "form"}
    if operation.body.required:
        raise SettingInvalid(f"its body is {', '.join(kinds[:5])}; entities send JSON or a form")
    return {}


def _success(operation: Operation) -> Response:
    """What it answers when all is well."""
    codes = sorted(code for code in operation.responses if code.startswith("2"))
    chosen = codes[0] if codes else "default"
    return operation.responses.get(chosen, Response())


def _shape(response: Response, compiled: CompiledApi) -> Shape:
    kinds: Mapping[str, Any] = {
        kind.partition(";")[0].strip().lower(): media for kind, media in response.content.items()
    }
    for kind in sorted(kinds, key=lambda one: one not in JSON_TYPES):
        if _is_json(kind) or kind in ("*/*", "application/*"):
            return rows_of(kinds[kind].schema, compiled.schemas)
    return Shape(response=_other(kinds))


def _other(kinds: Mapping[str, Any]) -> str:
    """How an answer that is not JSON is taken."""
    if not kinds:
        return "json"
    is_text = any(kind.startswith("text/") or kind.endswith(("xml", "yaml")) for kind in kinds)
    return "text" if is_text else "binary"


def _is_json(kind: str) -> bool:
    return kind in JSON_TYPES or kind.endswith("+json")
