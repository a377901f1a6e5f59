"""An endpoint as it is stored, and the part of an OpenAPI document that it becomes.

{"flow": "order", "path": "/customers/{id}", "methods": ["GET"],
 "query": [{"name": "limit", "type": "integer", "default": 100}],
 "body": {"fields": [{"name": "items", "type": "array", "items": {"type": "string"}}]}}
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from apimgmt.model import Binding, Schema, Struct

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
MEDIA_TYPES = {"json": "application/json", "xml": "application/xml"}
PARAMETER = re.compile(r"\{([^{}]*)\}")
# of JSON Schema: keywords whose values are no schemas, and those whose members have names of their own
DATA = frozenset(("const", "default", "enum", "example", "examples"))
NAMED = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))
PROBLEM = {"description": "What went wrong, as problem details (RFC 9457)"}


class QueryParameter(Struct, frozen=True):
    """One query parameter; ``default`` is what the flow sees when the caller leaves it out."""

    name: str
    type: Literal["string", "integer", "number", "boolean"] = "string"
    required: bool = False
    default: Any = msgspec.UNSET
    description: str = ""


class Field(Struct, frozen=True):
    """One member of an object: ``fields`` are those of an object, ``items`` is what an array holds."""

    name: str = ""
    type: Literal["string", "integer", "number", "boolean", "object", "array"] = "string"
    required: bool = False
    description: str = ""
    format: str = ""
    fields: tuple[Field, ...] = ()
    items: Field | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        said = {"description": self.description, "format": self.format}
        schema: dict[str, Any] = {"type": self.type, **{name: text for name, text in said.items() if text}}
        if self.fields:
            schema |= schema_of(self.fields)
        if self.items is not None:
            schema["items"] = self.items.schema
        return schema


class Content(Struct, frozen=True):
    """A body: a JSON Schema, or its members one by one; neither takes anything."""

    schema: Schema | None = None
    fields: tuple[Field, ...] = ()
    required: bool = True

    @property
    def written(self) -> Schema:
        """Its JSON Schema, whichever way it was said."""
        if self.schema is not None:
            return self.schema
        return schema_of(self.fields) if self.fields else {}


class Reply(Struct, frozen=True):
    """What callers get: ``format`` is how objects are written unless Accept asks for the other."""

    format: Literal["json", "xml"] = "json"
    schema: Schema | None = None
    fields: tuple[Field, ...] = ()
    description: str = ""


class Endpoint(Struct, frozen=True):
    """What is stored: what runs (the name of a flow, or any ``binding``), where, and what it takes.

    Only what is ``deployed`` is in the generated document; the rest is kept, and nobody can call it.
    """

    path: str
    flow: str = ""
    binding: dict[str, Any] | None = None
    methods: tuple[Method, ...] = ("GET",)
    query: tuple[QueryParameter, ...] = ()
    body: Content | None = None
    response: Reply = Reply()
    summary: str = ""
    description: str = ""
    deployed: bool = True

    @property
    def full_path(self) -> str:
        """The path template below ``/v1/{workspace}/flows``: first what runs, then the path."""
        first = self.flow or str((self.binding or {}).get("kind", ""))
        return f"/{quote(first, safe='')}{self.path if self.path != '/' else ''}"

    @property
    def example(self) -> str:
        """A path that a caller could send."""
        return PARAMETER.sub("1", self.full_path)

    @property
    def names(self) -> list[str]:
        """The parameters in its path."""
        return PARAMETER.findall(self.path)

    @property
    def keys(self) -> list[str]:
        """The keys of its operations."""
        return [f"{method.lower()} {self.full_path}" for method in self.methods]

    def bound(self) -> Binding:
        """What runs behind each of its operations."""
        if self.binding is None:
            return Binding(kind="flow", config={"flow": self.flow})
        config = {name: value for name, value in self.binding.items() if name != "kind"}
        return Binding(kind=str(self.binding.get("kind", "")), config=config)

    def collides(self, other: Endpoint, bare: bool = False) -> bool:
        """Whether a request can mean both: parameters differ by their names only, and a method is the same.

        ``bare`` leaves out what runs, as at a domain of one's own.
        """
        own, its = (self.path, other.path) if bare else (self.full_path, other.full_path)
        same = PARAMETER.sub("{}", own) == PARAMETER.sub("{}", its)
        return same and not set(self.methods).isdisjoint(other.methods)


def schema_of(fields: Iterable[Field]) -> dict[str, Any]:
    """The JSON Schema of an object with these members, as a person would write it (H-028)."""
    members = list(fields)
    schema: dict[str, Any] = {"type": "object", "properties": {field.name: field.schema for field in members}}
    required = [field.name for field in members if field.required]
    return schema | ({"required": required} if required else {})


def document(base_path: str, endpoints: Mapping[str, Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of these endpoints, by name; every one of them is an operation of each of its methods."""
    paths: dict[str, dict[str, Any]] = {}
    taken: set[str] = set()
    for name, endpoint in endpoints.items():
        item = paths.setdefault(endpoint.full_path, {})
        for method in endpoint.methods:
            place = f"#/paths/{_escaped(endpoint.full_path)}/{method.lower()}"
            item[method.lower()] = _operation(name, endpoint, method, place, taken)
    description = "Flows that can be called. Made from the endpoints of this platform; change those."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Flows", "version": "1.0.0", "description": description},
        "servers": [{"url": base_path}],
        "paths": paths,
    }


def _operation(name: str, endpoint: Endpoint, method: Method, place: str, taken: set[str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _identity(name if len(endpoint.methods) == 1 else f"{name}-{method.lower()}", taken),
        "summary": endpoint.summary or name,
        "tags": [endpoint.flow or "other processes"],
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in endpoint.names
    ]
    parameters += [_parameter(parameter) for parameter in endpoint.query]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None and method in WITH_BODY:
        schema = placed(endpoint.body.written, f"{place}/requestBody/content/application~1json/schema")
        operation["requestBody"] = {
            "required": endpoint.body.required,
            "content": {"application/json": {"schema": schema}},
        }
    success = _success(endpoint.response, f"{place}/responses")
    return {**operation, "responses": {**success, "default": PROBLEM}}


def _parameter(parameter: QueryParameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.type}
    if parameter.default is not msgspec.UNSET:
        schema["default"] = parameter.default
    described = {"description": parameter.description} if parameter.description else {}
    return {"name": parameter.name, "in": "query", "required": parameter.required, **described, "schema": schema}


def _success(reply: Reply, place: str) -> dict[str, Any]:
    """200, and every other success alike: the flow chooses the status."""
    media_type = MEDIA_TYPES[reply.format]
    schema = Content(schema=reply.schema, fields=reply.fields).written
    description = reply.description or "The output of the flow"
    responses = {}
    for status in ("200", "2XX"):
        own = placed(schema, f"{place}/{status}/content/{_escaped(media_type)}/schema")
        responses[status] = {"description": description, "content": {media_type: {"schema": own}}}
    return responses


def placed(schema: Any, place: str) -> Any:
    """A schema that stands alone, as it is written at this place of a document: its own references lead there.

    Values such as ``const`` are data, whatever they look like.
    """
    if isinstance(schema, list):
        return [placed(one, place) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _member(name, value, place) for name, value in schema.items()}


def _member(name: str, value: Any, place: str) -> Any:
    if name == "$ref" and isinstance(value, str) and value.startswith("#"):
        return place + value[1:]
    if name in NAMED and isinstance(value, dict):
        return {own: placed(one, place) for own, one in value.items()}
    return value if name in DATA else placed(value, place)


def _identity(name: str, taken: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-") or "endpoint"
    candidates: Collection[str] = [plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3))]
    found = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(found)
    return found


def _escaped(text: str) -> str:
    """One step of a JSON pointer in a URI fragment (RFC 6901 sections 3 and 6)."""
    return quote(text.replace("~", "~0").replace("/", "~1"), safe="~{}")
