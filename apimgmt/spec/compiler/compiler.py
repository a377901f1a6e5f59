"""From a checked document to a :class:`CompiledApi`: operations with everything they need, and the schemas they reach.

Nothing here fails on a document that the lint let through, and no ``x-`` field, URL to call or name to import gets
into the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from apimgmt.model import METHODS, Body, CompiledApi, Method, Operation, Parameter, Response, SecurityScheme
from apimgmt.spec.compiler.openapi import OpenApi
from apimgmt.spec.compiler.swagger import Swagger
from apimgmt.spec.document import Document, escape
from apimgmt.spec.paths import parameter_name
from apimgmt.spec.references import References
from apimgmt.spec.schema import Translator
from apimgmt.spec.shape import items, mapping, text, texts

MOST_LINES = 2_000
_placeholder = re.compile(r"\{([^{}/]*)\}")
_status = re.compile(r"[1-5](?:\d\d|[Xx][Xx])")

Security = tuple[dict[str, tuple[str, ...]], ...]


class Dialect(Protocol):
    """How one generation of the specification writes the parts of an operation."""

    def base_path(self) -> str:
        """Where the API says it lives: "" or ``/a/b``."""
        ...

    def other_methods(self, path_item: dict[str, Any]) -> list[str]:
        """Methods beyond the seven."""
        ...

    def parameter(self, raw: dict[str, Any]) -> Parameter | None:
        """A parameter outside the body."""
        ...

    def body(self, operation: dict[str, Any], parameters: list[dict[str, Any]]) -> Body | None:
        """The request body; Swagger 2 has it among the parameters."""
        ...

    def response(self, operation: dict[str, Any], raw: dict[str, Any]) -> Response:
        """One response."""
        ...

    def security_schemes(self) -> dict[str, SecurityScheme]:
        """The declared schemes."""
        ...


def compile_document(document: Document) -> CompiledApi:
    """Everything that the gateway needs of ``document``; paths stay as they are written there."""
    return _Compiler(document).compile()


class _Compiler:
    """One compilation."""

    def __init__(self, document: Document) -> None:
        root, specification = document.root, document.specification
        self._document = document
        self._root = root
        self._references = References(root, specification)
        self._schemas = Translator(self._references, specification)
        self._dialect: Dialect = (
            Swagger(root, self._schemas) if specification == "2.0" else OpenApi(root, specification, self._schemas)
        )
        self._unsupported: list[str] = []
        self._known: dict[int, Parameter | None] = {}

    def compile(self) -> CompiledApi:
        info = mapping(self._root.get("info"))
        operations = self._with_lines(list(self._operations()))
        return CompiledApi(
            title=text(info.get("title")),
            version=text(info.get("version")),
            specification=self._document.specification,
            base_path=self._dialect.base_path(),
            description=text(info.get("description")),
            operations=tuple(operations),
            schemas=self._schemas.finish(),
            security_schemes=self._dialect.security_schemes(),
            unsupported=tuple(self._unsupported),
        )

    def _operations(self) -> Iterator[Operation]:
        for path, raw in mapping(self._root.get("paths")).items():
            if not path.startswith("/"):
                continue
            path_item, place = self._path_item(path, raw)
            self._unsupported += [f"{method} {path}" for method in self._dialect.other_methods(path_item)]
            for method in METHODS:
                if isinstance(path_item.get(method), dict):
                    yield self._operation(path, method, path_item, f"{place}/{method}")

    def _path_item(self, path: str, raw: Any) -> tuple[dict[str, Any], str]:
        """A path item and its pointer; what stands beside its ``$ref`` is added to what that leads to."""
        place = "/paths/" + escape(path)
        target = self._references.followed(raw, place)
        if target.value is raw:
            return mapping(raw), place
        beside = mapping(raw)
        beside.pop("$ref", None)
        return {**mapping(target.value), **beside}, target.pointer

    def _operation(self, path: str, method: Method, path_item: dict[str, Any], pointer: str) -> Operation:
        raw = mapping(path_item[method])
        written = self._parameters(path_item, raw)
        operation_id = raw.get("operationId")
        return Operation(
            key=f"{method} {path}",
            method=method,
            path=path,
            operation_id=operation_id if isinstance(operation_id, str) and operation_id else None,
            summary=text(raw.get("summary")),
            description=text(raw.get("description")),
            tags=tuple(texts(raw.get("tags"))),
            deprecated=raw.get("deprecated") is True,
            parameters=self._outside_body(path, written),
            body=self._dialect.body(raw, written),
            responses=self._responses(raw),
            security=_security(raw["security"] if "security" in raw else self._root.get("security")),
            pointer=pointer,
        )

    def _parameters(self, path_item: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
        """The parameters of the path and of the operation, followed; the operation's own replace those of the path."""
        merged: dict[tuple[Any, ...], dict[str, Any]] = {}
        for raw in [*items(path_item.get("parameters")), *items(operation.get("parameters"))]:
            parameter = self._references.follow(raw)
            name, location = text(parameter.get("name")), text(parameter.get("in"))
            merged[(name.lower() if location == "header" else name, location)] = parameter
        return list(merged.values())

    def _outside_body(self, path: str, written: list[dict[str, Any]]) -> tuple[Parameter, ...]:
        """The parameters that a request has outside its body.

        A name in the template that nothing declares is a string; a path parameter without a place in the template can
        never be sent and is left out.
        """
        found = [parameter for raw in written if (parameter := self._parameter(raw)) is not None]
        given = {parameter.name for parameter in found if parameter.location == "path"}
        names = [parameter_name(field, given) for field in _placeholder.findall(path)]
        found = [parameter for parameter in found if parameter.location != "path" or parameter.name in names]
        missing = [name for name in dict.fromkeys(names) if name not in given]
        implied = [
            Parameter(name=name, location="path", schema={"type": "string"}, required=True, style="simple")
            for name in missing
        ]
        return (*implied, *found)

    def _parameter(self, raw: dict[str, Any]) -> Parameter | None:
        """One parameter, compiled once: thousands of operations may refer to it."""
        if id(raw) not in self._known:
            self._known[id(raw)] = self._dialect.parameter(raw)
        return self._known[id(raw)]

    def _responses(self, operation: dict[str, Any]) -> dict[str, Response]:
        responses = {}
        for status, raw in mapping(operation.get("responses")).items():
            if status == "default" or _status.fullmatch(status):
                responses[status if status == "default" else status.upper()] = self._dialect.response(
                    operation, self._references.follow(raw)
                )
        return responses

    def _with_lines(self, operations: list[Operation]) -> list[Operation]:
        """Say where each operation stands, unless there are so many that nobody would look."""
        if len(operations) > MOST_LINES:
            return operations
        locate = self._document.locate
        return [msgspec.structs.replace(operation, line=locate(operation.pointer)[0]) for operation in operations]


def _security(raw: Any) -> Security | None:
    """The alternatives; what cannot be read counts as said nothing, so that it never opens an operation."""
    if not isinstance(raw, list):
        return None
    alternatives = tuple(
        {name: tuple(texts(scopes)) for name, scopes in item.items()} for item in raw if isinstance(item, dict)
    )
    return alternatives if alternatives or not raw else None
