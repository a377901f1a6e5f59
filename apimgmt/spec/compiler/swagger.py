"""What only Swagger 2.0 has: parameters that are their own schema, form fields, ``consumes`` and ``produces``."""

from __future__ import annotations

from typing import Any

from apimgmt.model import Body, Encoding, Location, MediaType, Parameter, Response, Schema, SecurityScheme, Style
from apimgmt.spec.compiler.openapi import security_scheme
from apimgmt.spec.compiler.servers import clean_path
from apimgmt.spec.references import References
from apimgmt.spec.schema import Translator
from apimgmt.spec.shape import mapping, members, text, texts

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
ANY = "*/*"
_NOT_SCHEMA = frozenset(("name", "in", "required", "description", "collectionFormat", "allowEmptyValue", "$ref"))
_SEPARATED: dict[str, Style] = {"ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}
_LOCATIONS: dict[str, Location] = {"path": "path", "query": "query", "header": "header"}


class Swagger:
    """Reads the parts of an operation as Swagger 2.0 writes them."""

    def __init__(self, root: dict[str, Any], schemas: Translator) -> None:
        self._root = root
        self._schemas = schemas
        self._references: References = schemas.references

    def base_path(self) -> str:
        """``basePath``; host and schemes say nothing about us."""
        return clean_path(text(self._root.get("basePath")))

    def other_methods(self, _: dict[str, Any]) -> list[str]:
        """Swagger 2.0 knows the seven only."""
        return []

    # ---- request ---------------------------------------------------------------------------------------------------

    def parameter(self, raw: dict[str, Any]) -> Parameter | None:
        """One parameter that is not a part of the body; None for those that are."""
        name, location = raw.get("name"), raw.get("in")
        if not isinstance(name, str) or not isinstance(location, str) or location not in _LOCATIONS:
            return None
        style, explode = collection(raw, "form" if location == "query" else "simple")
        return Parameter(
            name=name,
            location=_LOCATIONS[location],
            schema=self._own_schema(raw),
            required=location == "path" or raw.get("required") is True,
            style=style,
            explode=explode,
            allow_empty=raw.get("allowEmptyValue") is True,
            description=text(raw.get("description")),
        )

    def _own_schema(self, raw: dict[str, Any]) -> Schema:
        """The schema that a parameter, form field or header is; a sloppy one may have a ``schema`` instead."""
        if "type" not in raw and isinstance(raw.get("schema"), dict):
            return self._schemas.translate(raw["schema"])
        return self._schemas.translate({name: value for name, value in raw.items() if name not in _NOT_SCHEMA})

    def body(self, operation: dict[str, Any], parameters: list[dict[str, Any]]) -> Body | None:
        """The request body that the body parameter, or else the form fields, describe."""
        consumes = texts(operation.get("consumes", self._root.get("consumes")))
        for raw in parameters:
            if raw.get("in") == "body":
                schema = self._schemas.translate(raw.get("schema"))
                if raw.get("x-nullable") is True:
                    # the one x- field that everybody writes where 2.0 has no word for it
                    schema = {"anyOf": [schema, {"type": "null"}]}
                media_types = list(dict.fromkeys([*(consumes or ["application/json"]), *_listed_types(parameters)]))
                content = {name: MediaType(schema=schema) for name in media_types}
                return Body(required=raw.get("required") is True, content=content)
        fields = [raw for raw in parameters if raw.get("in") == "formData" and isinstance(raw.get("name"), str)]
        return self._form(fields, consumes) if fields else None

    def _form(self, fields: list[dict[str, Any]], consumes: list[str]) -> Body:
        required = [raw["name"] for raw in fields if raw.get("required") is True]
        schema: dict[str, Any] = {"type": "object", "properties": {f["name"]: self._own_schema(f) for f in fields}}
        if required:
            schema["required"] = required
        encoding = {}
        for raw in fields:
            if raw.get("type") == "array":
                style, explode = collection(raw, "form")
                encoding[raw["name"]] = Encoding(style=style, explode=explode)
        media_type = MediaType(schema=schema, encoding=encoding)
        has_file = any(raw.get("type") == "file" for raw in fields)
        return Body(required=bool(required), content={name: media_type for name in _form_types(consumes, has_file)})

    # ---- response --------------------------------------------------------------------------------------------------

    def response(self, operation: dict[str, Any], raw: dict[str, Any]) -> Response:
        """One response, already followed; without a schema and examples it has no content."""
        examples = mapping(raw.get("examples"))
        media_types = list(examples)
        schema: Schema = True
        if "schema" in raw:
            schema = self._schemas.translate(raw["schema"])
            media_types = texts(operation.get("produces", self._root.get("produces"))) or ["application/json"]
            media_types += [name for name in examples if name not in media_types and "/" in name and name != ANY]
        if ANY in examples:
            examples = {**dict.fromkeys(media_types, examples[ANY]), **examples}
        content = {
            name: MediaType(schema=schema, examples={"": examples[name]} if name in examples else {})
            for name in media_types
        }
        headers = {name: self._header(name, header) for name, header in members(raw.get("headers")).items()}
        return Response(description=text(raw.get("description")), headers=headers, content=content)

    def _header(self, name: str, raw: Any) -> Parameter:
        raw = members(raw)
        style, explode = collection(raw, "simple")
        return Parameter(
            name=name,
            location="header",
            schema=self._own_schema(raw),
            style=style,
            explode=explode,
            description=text(raw.get("description")),
        )

    def security_schemes(self) -> dict[str, SecurityScheme]:
        """The declared schemes that can be enforced; ``basic`` is http/basic here."""
        declared = mapping(self._root.get("securityDefinitions"))
        schemes = {name: security_scheme(self._references.follow(raw)) for name, raw in declared.items()}
        return {name: scheme for name, scheme in schemes.items() if scheme is not None}


def collection(raw: dict[str, Any], plain: Style) -> tuple[Style, bool]:
    """Style and explode of a ``collectionFormat``; ``plain`` is the style of csv at this place."""
    written = raw.get("collectionFormat")
    if written == "multi":
        return "form", True
    return _SEPARATED.get(text(written), plain), False


def _listed_types(parameters: list[dict[str, Any]]) -> list[str]:
    """The media types that a header parameter ``Content-Type`` lists, which has to have one of them."""
    for raw in parameters:
        if raw.get("in") == "header" and text(raw.get("name")).lower() == "content-type":
            return texts(raw.get("enum"))
    return []


def _form_types(consumes: list[str], has_file: bool) -> list[str]:
    """The form media types of ``consumes``; where there is none, the one that can carry the fields."""
    if has_file:
        return [MULTIPART]
    listed = [name for name in consumes if name.partition(";")[0].strip().lower() in (FORM, MULTIPART)]
    return listed or [FORM]
