"""Defaults and examples against their own schemas: a wrong one is a warning, never a reason to refuse."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from apimgmt.spec.document import Document, Severity, escape
from apimgmt.spec.grammar import Node, walk
from apimgmt.spec.references import References
from apimgmt.spec.schema import Translator
from apimgmt.spec.shape import mapping
from apimgmt.spec.validation.validator import Validators

Found = tuple[Severity, str, str, str]

CPU_SECONDS = 2.0
"""Checking stops after this much CPU time: a document of thousands of examples must still be live within seconds."""


class _Check(NamedTuple):
    """A value that the document gives, where it stands, and the schema that it ought to fit."""

    code: str
    pointer: str
    schema: Any
    value: Any


def check(document: Document) -> Iterator[Found]:
    """A warning for each default and each example that breaks its schema, whichever way it would travel."""
    references = References(document.root, document.specification)
    translator = Translator(references, document.specification)
    checks = [
        given._replace(schema=translator.translate(given.schema))
        for node in walk(document.root)
        if type(node.value) is dict and node.reference is None
        for given in _given(node, references)
    ]
    validators = Validators(translator.finish())
    deadline = time.process_time() + CPU_SECONDS
    for index, given in enumerate(checks):
        if time.process_time() > deadline:
            message = f"{len(checks) - index} examples and defaults were not checked, to save time."
            yield "info", "examples-unchecked", message, ""
            return
        validator = validators.compile(given.schema)
        if not validator.is_valid(given.value):
            other = validators.compile(given.schema, "response")
            if not other.is_valid(given.value):
                what = "default" if given.code == "default-invalid" else "example"
                detail = other.violations(given.value, {})[0]["detail"]
                yield "warning", given.code, f"This {what} breaks its own schema: it {detail[:200]}.", given.pointer


def _given(node: Node, references: References) -> Iterator[_Check]:
    value, kind = node.value, node.kind
    valued = kind in ("parameter", "header") or (kind == "mediaType" and "json" in str(node.trail[-1]).lower())
    if valued and "schema" in value:
        yield from _of_value(value, node, references)
    elif kind == "schema" or (valued and "type" in value):
        yield from _of_schema(value, node)


def _of_schema(schema: dict[str, Any], node: Node) -> Iterator[_Check]:
    if "default" in schema and schema["default"] is not None:
        yield _Check("default-invalid", f"{node.pointer}/default", schema, schema["default"])
    if "example" in schema:
        yield _Check("example-invalid", f"{node.pointer}/example", schema, schema["example"])
    examples = schema.get("examples")
    for index, example in enumerate(examples if isinstance(examples, list) else ()):
        yield _Check("example-invalid", f"{node.pointer}/examples/{index}", schema, example)


def _of_value(value: dict[str, Any], node: Node, references: References) -> Iterator[_Check]:
    schema = value["schema"]
    if "example" in value:
        yield _Check("example-invalid", f"{node.pointer}/example", schema, value["example"])
    for name, raw in mapping(value.get("examples")).items():
        example = references.follow(raw)
        field = next((field for field in ("dataValue", "value") if field in example), None)
        if field:
            yield _Check("example-invalid", f"{node.pointer}/examples/{escape(name)}", schema, example[field])
