"""``multipart/form-data`` (RFC 7578): fields, JSON parts and files, as the schema of the body says.

A property that is binary is always an :class:`UploadedFile`; a JSON part (by its own media type, the Encoding Object,
or because the property is an object) is parsed; everything else is a text, cast as in a query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from apimgmt.errors import Problem
from apimgmt.model import Encoding, MediaType, Schema
from apimgmt.settings import Settings
from apimgmt.spec import media
from apimgmt.spec.media import MediaRange
from apimgmt.spec.request import outline
from apimgmt.spec.request.casting import Text
from apimgmt.spec.request.cleaning import cleaned
from apimgmt.spec.request.fields import in_body, violation
from apimgmt.spec.request.strictjson import parse_json
from apimgmt.spec.request.styles import Unreadable
from apimgmt.spec.request.values import Caster, Violations

Multipart = Callable[[bytes, MediaRange, Violations], dict[str, Any]]


class UploadedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a form. ``filename`` is what the client called it: never to be used as a path."""

    filename: str
    content_type: str
    content: bytes


class Part(NamedTuple):
    """One part as it was sent; ``filename`` is None for a plain field, ``content_type`` is "" if not given."""

    name: str
    filename: str | None
    content_type: str
    content: bytes


class _Field(NamedTuple):
    """How the parts of one property become its value."""

    is_array: bool
    is_file: bool
    is_free: bool
    is_json: bool
    cast: Text
    allowed: tuple[MediaRange, ...]


def compile_multipart(caster: Caster, content: MediaType) -> Multipart:
    """The reader of a body: ``(content, media type, violations)`` to an object, not yet validated."""
    schemas, settings = caster.schemas, caster.settings
    declared = outline.properties(content.schema, schemas)
    fields = {name: _field(caster, part, content.encoding.get(name, Encoding())) for name, part in declared.items()}
    extra = _field(caster, outline.additional(content.schema, schemas) or True, Encoding())

    def read(body: bytes, kind: MediaRange, violations: Violations) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for part in parts(body, kind.parameters.get("boundary", ""), settings):
            field = fields.get(part.name, extra)
            try:
                _put(result, part, field, _value(part, field, settings))
            except Unreadable as reason:
                violations.append(violation(in_body(part.name), reason))
        return result

    # for the parts that are JSON; files are no texts, and stay
    return cleaned(read, caster.cleaning)


def is_binary(schema: Schema, schemas: Mapping[str, Schema]) -> bool:
    """Whether a schema means bytes: ``format: binary``, or ``contentMediaType`` without ``contentEncoding``."""
    if outline.first(schema, schemas, "contentEncoding") is not None:
        return False
    return (
        outline.first(schema, schemas, "format") == "binary"
        or outline.first(schema, schemas, "contentMediaType") is not None
    )


def without_files(value: Any) -> Any:
    """``value`` as a validator can see it: files as the empty string, or as long as they are."""
    if isinstance(value, UploadedFile):
        return value.content.decode("latin-1")
    if isinstance(value, list):
        return [without_files(item) for item in value]
    return value


def parts(body: bytes, boundary: str, settings: Settings) -> list[Part]:
    """The parts of a body; raises Problem malformed-body if they cannot be told apart or are too many or too large."""
    if boundary and body.strip() == f"--{boundary}--".encode("latin-1", "replace"):
        return []  # a form without fields, as browsers send it
    collector = _Collector(settings)
    try:
        parser = MultipartParser(boundary.encode("latin-1"), collector.callbacks())
        if boundary:
            parser.write(body)
    except (FormParserError, UnicodeError):
        raise Problem("malformed-body", "The parts of the body cannot be told apart.") from None
    if not collector.ended:
        raise Problem("malformed-body", "The body has no boundary, or does not end with it.")
    return collector.parts


def _field(caster: Caster, schema: Schema, encoding: Encoding) -> _Field:
    kinds = outline.kinds(schema, caster.schemas)
    is_array = "array" in kinds
    inner = outline.items(schema, caster.schemas) if is_array else schema
    inner_kinds = outline.kinds(inner, caster.schemas)
    allowed = [read for text in (encoding.content_type or "").split(",") if (read := media.read(text)) is not None]
    return _Field(
        is_array=is_array,
        is_file=is_binary(inner, caster.schemas),
        is_free=not inner_kinds,
        is_json=inner_kinds == {"object"} or [media.category(one.name) for one in allowed] == ["json"],
        cast=caster.scalar(inner),
        allowed=tuple(allowed),
    )


def _value(part: Part, field: _Field, settings: Settings) -> Any:
    kind = media.read(part.content_type) if part.content_type else None
    if kind is not None and field.allowed and not any(allowed.matches(kind.name) for allowed in field.allowed):
        raise Unreadable("contentType", "has a media type that is not allowed here")
    if field.is_file or (field.is_free and part.filename is not None):
        return UploadedFile(filename=part.filename or "", content_type=part.content_type, content=part.content)
    if len(part.content) > settings.multipart_part:
        raise Unreadable("limit", f"has more than {settings.multipart_part} bytes")
    if media.category(kind.name) == "json" if kind is not None else field.is_json:
        try:
            return parse_json(part.content, settings)
        except Problem as problem:
            raise Unreadable("json", problem.detail) from None
    try:
        return field.cast(part.content.decode())
    except UnicodeDecodeError:
        raise Unreadable("encoding", "is not UTF-8") from None


def _put(result: dict[str, Any], part: Part, field: _Field, value: Any) -> None:
    if field.is_array:
        known = result.setdefault(part.name, [])
        # An array may also come as one JSON part.
        known.extend(value) if isinstance(value, list) else known.append(value)
    elif part.name in result:
        raise Unreadable("repeated", "is sent more than once")
    else:
        result[part.name] = value


class _Collector:
    """Gathers parts from the parser's callbacks."""

    def __init__(self, settings: Settings) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._most = settings.multipart_parts
        self._headers: dict[str, bytes] = {}
        self._name = b""
        self._text = b""
        self._content = bytearray()

    def callbacks(self) -> Any:
        """The callbacks under the names of ``python_multipart``."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_text,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= self._most:
            raise Problem("malformed-body", f"The body has more than {self._most} parts.")
        self._headers = {}
        self._content = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._text += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._text
        self._name = self._text = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _part_end(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", b""))
        if disposition != b"form-data" or b"name" not in options:
            raise Problem("malformed-body", "A part of the body has no name.")
        filename = options.get(b"filename")
        self.parts.append(
            Part(
                name=_text(options[b"name"]),
                filename=None if filename is None else _text(filename),
                content_type=self._headers.get("content-type", b"").decode("latin-1"),
                content=bytes(self._content),
            )
        )

    def _end(self) -> None:
        self.ended = True


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Problem("malformed-body", "The name of a part is not UTF-8.") from None
