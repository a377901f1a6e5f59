"""What only OpenAPI 3.0, 3.1 and 3.2 have: parameters with schemas, request bodies, servers."""

from __future__ import annotations

import json
from typing import Any, cast, get_args

import msgspec

from apimgmt.model import Body, Encoding, Location, MediaType, Parameter, Response, Schema, SecurityScheme, Style
from apimgmt.spec.compiler.servers import clean_path, path_of_server
from apimgmt.spec.document import Specification
from apimgmt.spec.references import References
from apimgmt.spec.schema import Translator
from apimgmt.spec.shape import items, mapping, members, text

_LOCATIONS = frozenset(("path", "query", "header", "cookie"))
_DEFAULT_STYLE: dict[str, Style] = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
_STYLES = frozenset(get_args(Style))
_RESERVED_HEADERS = frozenset(("accept", "content-type", "authorization"))


class OpenApi:
    """Reads the parts of an operation as OpenAPI 3 writes them."""

    def __init__(self, root: dict[str, Any], specification: Specification, schemas: Translator) -> None:
        self._root = root
        self._specification = specification
        self._schemas = schemas
        self._references: References = schemas.references
        self._responses: dict[int, Response] = {}
        self._locations = _LOCATIONS | {"querystring"} if specification == "3.2" else _LOCATIONS

    def base_path(self) -> str:
        """The path of the first server; a list that is absent or empty means ``/``."""
        for server in items(self._root.get("servers")):
            return clean_path(path_of_server(mapping(server)))
        return ""

    def other_methods(self, path_item: dict[str, Any]) -> list[str]:
        """The methods that the document describes beyond the seven, in upper case."""
        names = [name.upper() for name in ("trace", "query") if isinstance(path_item.get(name), dict)]
        if self._specification != "3.2":
            return [name for name in names if name == "TRACE"]
        return names + [name for name in mapping(path_item.get("additionalOperations")) if name not in names]

    # ---- request ---------------------------------------------------------------------------------------------------

    def parameter(self, raw: dict[str, Any]) -> Parameter | None:
        """One parameter, references followed; None if it is to be ignored (specification: Accept and the like)."""
        name, location = raw.get("name"), raw.get("in")
        if not isinstance(name, str) or location not in self._locations:
            return None
        if location == "header" and name.lower() in _RESERVED_HEADERS:
            return None
        return self._value(raw, name, cast(Location, location))

    def _value(self, raw: dict[str, Any], name: str, location: Location) -> Parameter:
        """A parameter or a header: name and place are given, the rest is in the object."""
        media_type, schema = self._content_or_schema(raw)
        style = raw.get("style")
        if not isinstance(style, str) or style not in _STYLES:
            style = _DEFAULT_STYLE.get(location, "form")
        explode = raw.get("explode")
        return Parameter(
            name=name,
            location=location,
            schema=schema,
            required=location == "path" or raw.get("required") is True,
            style=cast(Style, style),
            explode=explode if isinstance(explode, bool) else style in ("form", "cookie"),
            media_type=media_type,
            allow_empty=raw.get("allowEmptyValue") is True,
            allow_reserved=raw.get("allowReserved") is True,
            description=text(raw.get("description")),
        )

    def _content_or_schema(self, raw: dict[str, Any]) -> tuple[str | None, Schema]:
        for media_type, content in mapping(raw.get("content")).items():
            return media_type, self._schemas.translate(self._references.follow(content).get("schema"))
        return None, self._schemas.translate(raw.get("schema"))

    def body(self, operation: dict[str, Any], _: list[dict[str, Any]]) -> Body | None:
        """The request body of an operation."""
        if not isinstance(operation.get("requestBody"), dict):
            return None
        raw = self._references.follow(operation["requestBody"])
        return Body(required=raw.get("required") is True, content=self._content(raw))

    # ---- response --------------------------------------------------------------------------------------------------

    def response(self, operation: dict[str, Any], raw: dict[str, Any]) -> Response:
        """One response, already followed."""
        key = id(raw)
        if key not in self._responses:
            headers = {
                name: self._header(name, header)
                for name, header in members(raw.get("headers")).items()
                if name.lower() != "content-type"
            }
            content = self._content(raw)
            self._responses[key] = Response(description=text(raw.get("description")), headers=headers, content=content)
        return self._responses[key]

    def _header(self, name: str, raw: Any) -> Parameter:
        """A response header; its example goes into its schema, where whoever makes up a value finds it."""
        header = self._references.follow(raw)
        parameter = self._value({**header, "style": "simple", "explode": header.get("explode") is True}, name, "header")
        examples = self._examples(header)
        if not examples or not isinstance(parameter.schema, dict) or "example" in parameter.schema:
            return parameter
        example = next(iter(examples.values()))
        return msgspec.structs.replace(parameter, schema={**parameter.schema, "example": example})

    # ---- media types -----------------------------------------------------------------------------------------------

    def _content(self, raw: dict[str, Any]) -> dict[str, MediaType]:
        return {name: self._media_type(name, content) for name, content in mapping(raw.get("content")).items()}

    def _media_type(self, name: str, raw: Any) -> MediaType:
        raw = self._references.follow(raw)
        schema = raw.get("schema")
        if schema is None and "itemSchema" in raw:
            schema = {"type": "array", "items": raw["itemSchema"]}
        encoding = {field: self._encoding(item) for field, item in members(raw.get("encoding")).items()}
        return MediaType(
            schema=self._schemas.translate(schema), encoding=encoding, examples=self._examples(raw, "json" in name)
        )

    def _encoding(self, raw: Any) -> Encoding:
        raw = members(raw)
        style, explode = raw.get("style"), raw.get("explode")
        return Encoding(
            content_type=text(raw.get("contentType")) or None,
            style=cast(Style, style) if isinstance(style, str) and style in _STYLES else None,
            explode=explode if isinstance(explode, bool) else None,
            headers={name: self._header(name, item).schema for name, item in members(raw.get("headers")).items()},
        )

    def _examples(self, raw: dict[str, Any], is_json: bool = True) -> dict[str, Any]:
        """Examples by name, the nameless one first under ""; what would have to be fetched is left out."""
        found = {"": raw["example"]} if "example" in raw else {}
        written = raw.get("examples")
        if isinstance(written, list):
            return {**found, **{str(index): value for index, value in enumerate(written)}}
        for name, example in mapping(written).items():
            example = self._references.follow(example)
            for field in ("dataValue", "value", "serializedValue"):
                if field in example:
                    found[name] = _parsed(example[field]) if field[0] == "s" and is_json else example[field]
                    break
        return found

    # ---- security --------------------------------------------------------------------------------------------------

    def security_schemes(self) -> dict[str, SecurityScheme]:
        """The declared schemes that can be enforced."""
        declared = mapping(mapping(self._root.get("components")).get("securitySchemes"))
        schemes = {name: security_scheme(self._references.follow(raw)) for name, raw in declared.items()}
        return {name: scheme for name, scheme in schemes.items() if scheme is not None}


def security_scheme(raw: dict[str, Any]) -> SecurityScheme | None:
    """A Security Scheme Object reduced to what decides; None if it is of no known kind."""
    match raw.get("type"):
        case "apiKey" if raw.get("in") in ("header", "query", "cookie") and isinstance(raw.get("name"), str):
            return SecurityScheme(type="apiKey", name=raw["name"], location=raw["in"])
        case "http" if isinstance(raw.get("scheme"), str):
            return SecurityScheme(type="http", scheme=raw["scheme"].lower())
        case "basic":
            return SecurityScheme(type="http", scheme="basic")
        case "oauth2":
            flows = [raw, *map(mapping, mapping(raw.get("flows")).values())]
            scopes = [scope for flow in flows for scope in mapping(flow.get("scopes"))]
            return SecurityScheme(type="oauth2", scopes=tuple(dict.fromkeys(scopes)))
        case "openIdConnect":
            return SecurityScheme(type="openIdConnect")
        case "mutualTLS":
            return SecurityScheme(type="mutualTLS")
    return None


def _parsed(serialized: Any) -> Any:
    try:
        return json.loads(serialized)
    except (TypeError, ValueError):
        return serialized
