"""The body of a request: which media type it has, read by that, and validated with every violation at once.

    JSON, +json                          strict JSON (see ``strictjson``)
    application/x-www-form-urlencoded    an object (``forms``)
    multipart/form-data                  an object with files (``multipart``)
    XML, +xml                            what the ``xml`` objects say (``xmlbody``)
    text/*                               a text, cast if the schema wants a scalar
    anything else                        bytes if the schema says binary or nothing, otherwise the text

Nothing is added to a body: a default of a property is not put in. Without a declared body whatever was sent is there
all the same (F-075, F-076).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimgmt.errors import Problem
from apimgmt.model import Body as DeclaredBody
from apimgmt.model import MediaType, Operation
from apimgmt.settings import Settings
from apimgmt.spec import media
from apimgmt.spec.media import Category, MediaRange
from apimgmt.spec.request import casting, outline
from apimgmt.spec.request.cleaning import Cleaning, cleaned
from apimgmt.spec.request.fields import ascii_text, in_body, missing
from apimgmt.spec.request.forms import compile_form
from apimgmt.spec.request.multipart import compile_multipart, is_binary, without_files
from apimgmt.spec.request.strictjson import parse_json
from apimgmt.spec.request.styles import form_decoded, undecoded
from apimgmt.spec.request.values import COMPOSITE, Caster, Violations
from apimgmt.spec.request.xmlbody import compile_xml
from apimgmt.spec.validation.validator import Validators

BodyReader = Callable[[bytes | None, bytes, Violations], Any]
Read = Callable[[bytes, MediaRange, Violations], Any]

WHOLE = {"in": "body", "pointer": ""}
_JSON = MediaRange("application/json", {})
_CHARSETS = ("utf-8", "utf8")


def compile_body(
    operation: Operation,
    validators: Validators,
    settings: Settings,
    *,
    validate: bool = True,
    cleaning: Cleaning | None = None,
) -> BodyReader:
    """The reader of an operation's body: ``(content type, content, violations)`` to its value, None if nothing came.

    It raises Problem unsupported-media-type or malformed-body; what is invalid becomes ``violations``, unless
    ``validate`` is off. ``cleaning`` is for every text in the value, before it is judged.
    """
    if operation.body is None:
        undeclared = cleaned(_undeclared, cleaning)
        return lambda content_type, content, violations: undeclared(content_type, content, settings)
    contents = _Contents(operation.body, _Maker(validators, settings, validate, cleaning))
    required = operation.body.required and validate
    quick = contents.quick()

    def read(content_type: bytes | None, content: bytes, violations: Violations) -> Any:
        chosen = quick.get(content_type)
        if chosen is not None and content:
            return chosen(content, _JSON, violations)
        if not content and not contents.may_be_empty(content_type):
            if required:
                violations.append(missing(WHOLE))
            return None
        return contents.read(content_type, content, violations)

    return read


def _undeclared(content_type: bytes | None, content: bytes, settings: Settings) -> Any:
    if not content:
        return None
    if content_type is not None and media.category(content_type.decode("latin-1")) == "json":
        try:
            return parse_json(content, settings)
        except Problem:
            # The document promises nothing about this body, so there is nothing to refuse it for.
            return content.decode("utf-8", "replace")
    return content.decode("utf-8", "replace")


class _Contents:
    """The declared media types of one body, the most precise first."""

    def __init__(self, body: DeclaredBody, make: _Maker) -> None:
        # what is no media type (``""``, ``json``) says nothing about what may be sent
        named = [(media.read(text) or MediaRange("*/*", {}), content) for text, content in body.content.items()]
        self._ranges = sorted(named, key=lambda pair: -pair[0].precision)
        self._offered = ", ".join(text for text in body.content if media.read(text) is not None)
        self._readers: dict[tuple[int, Category], Read] = {}
        self._make = make

    def quick(self) -> dict[bytes | None, Read]:
        """Readers by the usual spellings of the JSON types, so that most requests parse no media type."""
        found: dict[bytes | None, Read] = {}
        for name, content in self._ranges:
            if "*" not in name.name and not name.parameters and media.category(name.name) == "json":
                for spelling in ("", ";charset=utf-8", "; charset=utf-8", "; charset=UTF-8"):
                    found.setdefault((name.name + spelling).encode(), self._reader(content, "json"))
        return found

    def may_be_empty(self, content_type: bytes | None) -> bool:
        """Whether no bytes at all are a body of this type: a form without fields."""
        return content_type is not None and media.category(content_type.decode("latin-1")) == "form"

    def read(self, content_type: bytes | None, content: bytes, violations: Violations) -> Any:
        """The value of a body; raises Problem unsupported-media-type."""
        kind, declared = self._choose(content_type)
        if kind.parameters.get("charset", "utf-8").lower() not in _CHARSETS:
            raise self._unsupported("only UTF-8 is read")
        return self._reader(declared, media.category(kind.name))(content, kind, violations)

    def _choose(self, content_type: bytes | None) -> tuple[MediaRange, MediaType]:
        if content_type is None:
            if len(self._ranges) == 1:
                only, declared = self._ranges[0]
                return (_JSON if "*" in only.name else only), declared
            raise self._unsupported("the request has no Content-Type")
        kind = media.read(content_type.decode("latin-1"))
        if kind is None:
            raise self._unsupported("the Content-Type cannot be read")
        for name, declared in self._ranges:
            if name.matches(kind.name) and _agree(name, kind):
                return kind, declared
        raise self._unsupported(f"not {kind.name[:60]}")

    def _reader(self, content: MediaType, category: Category) -> Read:
        key = (id(content), category)
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = self._make.reader(content, category)
        return reader

    def _unsupported(self, reason: str) -> Problem:
        detail = f"The operation takes {self._offered[:200]}: {reason}."
        return Problem("unsupported-media-type", detail, headers=[("Accept", self._offered)])


class _Maker:
    """Makes readers: one method per category of content."""

    def __init__(
        self, validators: Validators, settings: Settings, validate: bool, cleaning: Cleaning | None = None
    ) -> None:
        self._validators = validators
        self._settings = settings
        self._validate = validate
        self._cleaning = cleaning

    def reader(self, content: MediaType, category: Category) -> Read:
        """The reader of one declared content when it comes as this category."""
        make: dict[Category, Callable[[MediaType], Read]] = {
            "json": self._json,
            "form": self._form,
            "multipart": self._multipart,
            "xml": self._xml,
            "text": self._text,
            "other": self._other,
        }
        if category in ("form", "multipart") and self._is_text(content):
            return self._text(content)
        return make[category](content)

    def _is_text(self, content: MediaType) -> bool:
        """Whether a schema knows no object, so that a form could never be valid: then the body is its text."""
        kinds = outline.kinds(content.schema, self._validators.schemas)
        return bool(kinds) and not kinds & COMPOSITE

    def _judge(self, content: MediaType) -> Callable[[Any, Violations], Any]:
        """What validates a value and gives it back."""
        if not self._validate or content.schema is True:
            return lambda value, violations: value
        validator = self._validators.compile(content.schema, "request")
        is_valid = validator.is_valid

        def judge(value: Any, violations: Violations) -> Any:
            if not is_valid(value):
                violations.extend(validator.violations(value, {"in": "body"}))
            return value

        return judge

    def _json(self, content: MediaType) -> Read:
        judge, settings, parse = self._judge(content), self._settings, cleaned(parse_json, self._cleaning)
        return lambda body, _, violations: judge(parse(body, settings), violations)

    def _form(self, content: MediaType) -> Read:
        caster = Caster(self._validators, self._settings, form_decoded, self._cleaning)
        judge, read = self._judge(content), compile_form(caster, content.schema, content.encoding, in_body)
        most = self._settings.form_fields

        def read_form(body: bytes, _: MediaRange, violations: Violations) -> Any:
            if body.count(b"&") >= most:
                raise Problem("malformed-body", f"The body has more than {most} fields.")
            found = len(violations)
            value = read(ascii_text(body), violations)
            return judge(value, violations) if len(violations) == found else value

        return read_form

    def _multipart(self, content: MediaType) -> Read:
        caster = Caster(self._validators, self._settings, undecoded, self._cleaning)
        judge, read = self._judge(content), compile_multipart(caster, content)

        def read_parts(body: bytes, kind: MediaRange, violations: Violations) -> Any:
            found = len(violations)
            value = read(body, kind, violations)
            if len(violations) == found:
                judge({name: without_files(part) for name, part in value.items()}, violations)
            return value

        return read_parts

    def _xml(self, content: MediaType) -> Read:
        caster = Caster(self._validators, self._settings, undecoded, self._cleaning)
        judge, read = self._judge(content), compile_xml(caster, content.schema)
        return lambda body, _, violations: judge(read(body), violations)

    def _text(self, content: MediaType) -> Read:
        kinds = outline.kinds(content.schema, self._validators.schemas)
        accepts = self._validators.compile(content.schema, "request").is_valid
        cast = casting.scalar(kinds - COMPOSITE, accepts, self._settings.json_digits)
        # A schema for objects only says nothing about a text.
        judge = self._judge(content if not kinds or kinds - COMPOSITE else MediaType())
        text = cleaned(_utf8, self._cleaning)
        return lambda body, _, violations: judge(cast(text(body)), violations)

    def _other(self, content: MediaType) -> Read:
        kinds = outline.kinds(content.schema, self._validators.schemas)
        if kinds and "string" in kinds and not is_binary(content.schema, self._validators.schemas):
            return self._text(content)
        if kinds and "string" not in kinds:
            whole = cleaned(_text_or_bytes, self._cleaning)
            return lambda body, _, violations: whole(body)
        judge = self._judge(content)

        def read(body: bytes, _: MediaRange, violations: Violations) -> bytes:
            judge(body.decode("latin-1"), violations)
            return body

        return read


def _agree(declared: MediaRange, sent: MediaRange) -> bool:
    """Whether no parameter of a declared media type (``version=1``) is contradicted; the charset is read elsewhere."""
    return all(
        sent.parameters.get(name, value).lower() == value.lower()
        for name, value in declared.parameters.items()
        if name != "charset"
    )


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem("malformed-body", "The body is not UTF-8.") from None


def _text_or_bytes(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
