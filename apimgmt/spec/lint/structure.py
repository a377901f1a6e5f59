"""The official metaschemas of the specification, and how much each violation of them matters.

A violation is an error where the document cannot be served as it is meant: a part is missing that decides about
requests or access, or has the wrong shape. It is a warning where the document can be served without any doubt (a
response without a description, an unknown field, a badly written e-mail address): real documents are full of these.
The metaschemas are those that openapi-spec-validator ships; they are compiled once per process.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs

from apimgmt.spec.document import Document, Severity, Specification, pointer_of

Found = tuple[Severity, str, str, str]

# What has to be there, by object of the metaschemas: everything else that is missing is only worth a warning.
_NEEDED = {
    "": {"openapi", "swagger", "info", "paths", "components", "webhooks"},
    "info": {"title", "version"},
    "parameter": {"name", "in", "content"},
    "header": {"content"},
    "securityscheme": {"type", "name", "in", "scheme"},
}
_TEXTS = frozenset(
    ("description", "summary", "title", "version", "termsOfService", "name", "url", "email", "operationId", "format")
)
_STRICT = frozenset(("", "link", "parameter", "header", "encoding", "mediatype", "example"))
_HARMLESS = frozenset(("uniqueItems", "minProperties", "maxProperties", "oneOfMultipleValid", "format"))
_OF_MODERN_FIELDS = frozenset(("type", "exclusiveMinimum", "exclusiveMaximum", "items", "example", "required"))
_DISCRIMINATING = frozenset(("in", "type", "flow"))


class Leaf(NamedTuple):
    """One violation: where, which keyword, its particulars, and the object of the metaschema that demands it."""

    path: tuple[str, ...]
    keyword: str
    detail: dict[str, Any]
    kind: str
    value: Any


def check(document: Document) -> Iterator[Found]:
    """Every violation of the metaschema as severity, code, message and pointer."""
    modern = document.specification in ("3.1", "3.2")
    seen = set()
    for error in _validator(document.specification).iter_errors(document.root):
        for leaf in _leaves(error):
            if (leaf.path, leaf.keyword) not in seen and not _ours(leaf, document.specification):
                seen.add((leaf.path, leaf.keyword))
                yield _severity(leaf, modern), _code(leaf), _message(leaf), pointer_of(leaf.path)


def preload() -> None:
    """Read the metaschemas now, while files may be opened."""
    for specification in ("2.0", "3.0", "3.1", "3.2"):
        _metaschema(specification)


@cache
def _metaschema(specification: str) -> str:
    package = importlib.util.find_spec("openapi_spec_validator")  # found, not imported: that would take half a second
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("openapi-spec-validator is needed for its metaschemas")
    folder = Path(package.submodule_search_locations[0]) / "resources" / "schemas"
    return (folder / f"v{specification}" / "schema.json").read_text("utf-8")


@cache
def _validator(specification: Specification) -> Any:
    return jsonschema_rs.validator_for(json.loads(_metaschema(specification)), validate_formats=False)


def _leaves(error: Any) -> list[Leaf]:
    """The violations that an error stands for: of several branches, those of the one that was meant."""
    branches = getattr(error.kind, "context", None)
    if not branches:
        keyword = type(error.kind).__name__
        keyword = error.kind.name if keyword != "OneOfMultipleValid" else "oneOfMultipleValid"
        path = tuple(map(str, error.instance_path))
        return [Leaf(path, keyword, error.kind.as_dict(), _kind(error.schema_path), error.instance)]
    depth = len(error.instance_path)
    found = [[leaf for inner in branch for leaf in _leaves(inner)] for branch in branches]
    return min(found, key=lambda leaves: _distance(leaves, depth))


def _distance(leaves: list[Leaf], depth: int) -> tuple[bool, bool, int]:
    """How little a branch looks like what was meant: no reference here, another type, many violations."""
    reference = any(leaf.keyword == "required" and leaf.detail.get("property") == "$ref" for leaf in leaves)
    other = any(
        leaf.keyword in ("enum", "const") and len(leaf.path) == depth + 1 and leaf.path[-1] in _DISCRIMINATING
        for leaf in leaves
    )
    return reference, other, len(leaves)


def _kind(schema_path: list[str | int]) -> str:
    """The name of the innermost definition in a schema path, without case and hyphens; "" is the document itself."""
    kind = ""
    steps = list(map(str, schema_path))
    for step, name in pairwise(steps):
        if step in ("definitions", "$defs"):
            kind = name.lower().replace("-", "")
    if "security" in kind and kind not in ("security", "securityrequirement"):
        return "securityscheme"
    return "parameter" if "parameter" in kind and not kind.endswith("definitions") else kind


def _ours(leaf: Leaf, specification: Specification) -> bool:
    """What our own rules say better: links of 3.1 have a ``server`` (an older metaschema calls it ``body``)."""
    return specification == "3.1" and leaf.kind == "link" and leaf.detail.get("unexpected") == ["server"]


def _severity(leaf: Leaf, modern: bool) -> Severity:
    last = leaf.path[-1] if leaf.path else ""
    match leaf.keyword:
        case "required":
            needed = leaf.detail["property"] in _NEEDED.get(leaf.kind, ())
            return "error" if needed and (modern or leaf.detail["property"] != "content") else "warning"
        case "additionalProperties" | "unevaluatedProperties":
            return "error" if modern and leaf.kind in _STRICT else "warning"
        case "type":
            return "warning" if _wrong_type_is_harmless(leaf, last, modern) else "error"
        case "enum" | "const":
            harmless = last in ("required", "collectionFormat") or "schemes" in leaf.path[:1] or _old_type(leaf, last)
            return "warning" if harmless else "error"
        case "pattern":
            return "warning" if leaf.kind in ("", "info") else "error"
        case "minItems" | "not" | "anyOf":
            return "error" if modern or leaf.keyword == "anyOf" else "warning"
        case keyword:
            return "warning" if keyword in _HARMLESS else "error"


def _wrong_type_is_harmless(leaf: Leaf, last: str, modern: bool) -> bool:
    if last in _TEXTS:
        return not isinstance(leaf.value, (dict, list))
    if leaf.path[-2:-1] == ("tags",) or (last in ("tags", "parameters", "externalDocs") and leaf.value is None):
        return True
    if leaf.kind not in ("schema", "fileschema", "primitivesitems"):
        return False
    if last == "pattern":
        return not isinstance(leaf.value, (dict, list))
    return last in _OF_MODERN_FIELDS and ((not modern and last != "required") or isinstance(leaf.value, bool))


def _old_type(leaf: Leaf, last: str) -> bool:
    """Types that Swagger 2 and 3.0 do not have, but whose meaning nobody doubts."""
    return last == "type" and leaf.kind == "schema" and (leaf.value in ("file", "null") or isinstance(leaf.value, list))


def _code(leaf: Leaf) -> str:
    if leaf.kind == "securityscheme" and leaf.keyword in ("enum", "const") and leaf.path[-1] in _DISCRIMINATING:
        return "unknown-scheme-type"
    codes = {
        "required": "missing-field",
        "additionalProperties": "unknown-field",
        "unevaluatedProperties": "unknown-field",
        "type": "wrong-type",
        "enum": "wrong-value",
        "const": "wrong-value",
        "not": "excluded-together",
        "oneOfMultipleValid": "excluded-together",
        "falseSchema": "unknown-field",
    }
    return codes.get(leaf.keyword, "structure")


def _message(leaf: Leaf) -> str:
    here = f"`{leaf.path[-1]}`" if leaf.path else "The document"
    match leaf.keyword:
        case "required":
            return f"{here} has to have `{leaf.detail['property']}`; add it."
        case "additionalProperties" | "unevaluatedProperties":
            names = ", ".join(f"`{name}`" for name in leaf.detail["unexpected"][:5])
            return f"{here} has no field {names[:200]} in this version; it is ignored. Correct or remove it."
        case "falseSchema":
            return f"{here} must not be here; remove it."
        case "type":
            return f"{here} has to be {' or '.join(leaf.detail['types'])}, not {_json_type(leaf.value)}."
        case "enum":
            return f"{here} has to be one of {json.dumps(leaf.detail['options'])[:200]}."
        case "const":
            return f"{here} has to be {json.dumps(leaf.detail['expected_value'])[:200]}."
        case "uniqueItems":
            return f"{here} has the same item twice; remove one."
        case "not" | "oneOfMultipleValid":
            return f"{here} has fields that exclude each other; remove one of them."
        case keyword:
            detail = json.dumps(leaf.detail, default=str)[:120]
            return f"{here} breaks the rule `{keyword}` of this version's metaschema: {detail}."


def _json_type(value: Any) -> str:
    names = {bool: "boolean", dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names.get(type(value), "null")
