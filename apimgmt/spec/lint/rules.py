"""What the specification demands beyond its metaschemas, object by object: schemas, parameters, paths and security.

Each rule takes an object of the document and yields severity, code, message and pointer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from apimgmt.model import METHODS
from apimgmt.settings import Settings
from apimgmt.spec.document import Document, Severity, escape
from apimgmt.spec.grammar import OPERATION_FIELDS, Node
from apimgmt.spec.lint import keywords
from apimgmt.spec.paths import PathInvalid, parse_path
from apimgmt.spec.patterns import linear_pattern
from apimgmt.spec.references import References
from apimgmt.spec.shape import items, mapping

Found = tuple[Severity, str, str, str]

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.1
PATH_MOST = 2_000  # characters; a request line has 4,094
SEGMENTS_MOST = 100
_PLACEHOLDER = re.compile(r"\{([^{}/]*)\}")
_RESERVED_HEADERS = frozenset(("accept", "content-type", "authorization"))


class Rules:
    """The rules for one document; what they count over the whole of it is in here."""

    def __init__(self, document: Document, settings: Settings) -> None:
        self._settings = settings
        self._references = References(document.root, document.specification)
        self._swagger = document.specification == "2.0"
        self._modern = document.specification in ("3.1", "3.2")
        self._newest = document.specification == "3.2"
        self._identifiers: dict[str, str] = {}

    def of(self, node: Node) -> Iterable[Found]:
        """What is wrong with one object."""
        if type(node.value) is not dict or (node.reference is not None and node.kind != "schema"):
            return ()
        match node.kind:
            case "schema":
                return self._schema(node)
            case "parameter" | "header" | "mediaType":
                return self._value(node)
            case "response":
                return self._response(node)
            case "link":
                return self._link(node)
            case "document":
                return self._paths(node.value)
        return ()

    # ---- schemas and values ----------------------------------------------------------------------------------------

    def _schema(self, node: Node) -> Iterator[Found]:
        schema = node.value
        if self._modern:
            yield from keywords.check(node)
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and linear_pattern(pattern) is None:
            yield _pattern(pattern, f"{node.pointer}/pattern")
        xml = schema.get("xml")
        if self._newest and isinstance(xml, dict) and "nodeType" in xml and ("attribute" in xml or "wrapped" in xml):
            yield (
                "error",
                "excluded-together",
                "`nodeType` replaces `attribute` and `wrapped`; keep one.",
                f"{node.pointer}/xml",
            )

    def _value(self, node: Node) -> Iterator[Found]:
        value = node.value
        if self._modern and "example" in value and "examples" in value:
            yield "error", "excluded-together", "`example` and `examples` exclude each other; keep one.", node.pointer
        if node.kind == "parameter" and value.get("in") == "header":
            yield from self._header_name(value.get("name"), f"{node.pointer}/name")
        if self._swagger and isinstance(value.get("pattern"), str) and linear_pattern(value["pattern"]) is None:
            yield _pattern(value["pattern"], f"{node.pointer}/pattern")

    def _response(self, node: Node) -> Iterator[Found]:
        for name in mapping(node.value.get("headers")):
            yield from self._header_name(name, f"{node.pointer}/headers/{escape(name)}")

    def _link(self, node: Node) -> Iterator[Found]:
        if self._modern and "body" in node.value:
            yield "error", "unknown-field", "A link has no field `body`; remove it.", f"{node.pointer}/body"

    def _header_name(self, name: Any, pointer: str) -> Iterator[Found]:
        if isinstance(name, str) and not _FIELD_NAME.fullmatch(name):
            severity: Severity = "error" if self._newest else "warning"
            yield severity, "header-name", f"{name[:80]!r} cannot be the name of a header field.", pointer

    # ---- paths and operations --------------------------------------------------------------------------------------

    def _paths(self, root: dict[str, Any]) -> Iterator[Found]:
        count = 0
        for path, raw in mapping(root.get("paths")).items():
            if path.startswith("x-"):
                continue
            pointer = "/paths/" + escape(path)
            yield from _template(path, pointer)
            target = self._references.followed(raw, pointer)
            beside = {name: value for name, value in mapping(raw).items() if name != "$ref"}
            item, place = {**mapping(target.value), **beside}, target.pointer
            count += sum(isinstance(item.get(method), dict) for method in METHODS)
            yield from self._path_item(path, item, place)
        if count > self._settings.document_operations:
            yield _limit("operations", f"{count} operations", self._settings.document_operations, "/paths")

    def _path_item(self, path: str, item: dict[str, Any], place: str) -> Iterator[Found]:
        yield from _other_methods(path, item, place)
        if "servers" in item:
            yield (
                "info",
                "servers-ignored",
                "Servers of a path are not used: the base path is one for the API.",
                f"{place}/servers",
            )
        shared = items(item.get("parameters"))
        yield from self._parameters(shared, f"{place}/parameters")
        for method in METHODS:
            if isinstance(item.get(method), dict):
                yield from self._operation(path, method, item[method], shared, f"{place}/{method}")

    def _operation(
        self, path: str, method: str, operation: dict[str, Any], shared: list[Any], pointer: str
    ) -> Iterator[Found]:
        own = items(operation.get("parameters"))
        yield from self._parameters(own, f"{pointer}/parameters")
        most = self._settings.document_parameters
        if len(own) + len(shared) > most:
            yield _limit("parameters", f"{len(own) + len(shared)} parameters", most, pointer)
        if "servers" in operation:
            yield (
                "info",
                "servers-ignored",
                "Servers of an operation are not used: the base path is one for the API.",
                f"{pointer}/servers",
            )
        yield from self._path_names(path, [*shared, *own], pointer)
        identifier = operation.get("operationId")
        if isinstance(identifier, str) and identifier:
            first = self._identifiers.setdefault(identifier, pointer)
            if first != pointer:
                message = f"operationId {identifier[:80]!r} is also that of {first}; operations go by method and path."
                yield "warning", "duplicate-operation-id", message, f"{pointer}/operationId"

    def _path_names(self, path: str, written: list[Any], pointer: str) -> Iterator[Found]:
        parameters = [self._references.follow(raw) for raw in written]
        declared = {parameter.get("name") for parameter in parameters if parameter.get("in") == "path"}
        names = _PLACEHOLDER.findall(path)
        for name in dict.fromkeys(names):
            if name not in declared:
                message = f"`{{{name[:80]}}}` in the path is not declared as a path parameter; it is taken as a string."
                yield "warning", "path-parameter-undeclared", message, pointer
        elsewhere = {
            parameter.get("name"): parameter["in"] for parameter in parameters if parameter.get("in") == "query"
        }
        for name in dict.fromkeys(name for name in names if name in declared and name in elsewhere):
            message = f"{name[:80]!r} is a parameter of the path and of the query; by name alone the path's is given."
            yield "warning", "same-name", message, pointer
        for name in sorted(name for name in declared if isinstance(name, str) and name not in names):
            message = f"The path parameter {name[:80]!r} has no place in the path {path[:80]!r}; it is left out."
            yield "warning", "path-parameter-unused", message, pointer

    def _parameters(self, written: list[Any], pointer: str) -> Iterator[Found]:
        parameters = [self._references.follow(raw) for raw in written]
        seen: dict[tuple[Any, Any], dict[str, Any]] = {}
        for index, parameter in enumerate(parameters):
            name, location = parameter.get("name"), parameter.get("in")
            if not isinstance(name, str) or not isinstance(location, str):
                continue
            key = (name.lower() if location == "header" else name, location)
            if key in seen:
                severity: Severity = "warning" if seen[key] == parameter else "error"
                message = f"The {location} parameter {name[:80]!r} is there twice; keep one."
                yield severity, "duplicate-parameter", message, f"{pointer}/{index}"
            seen[key] = parameter
            if location == "header" and name.lower() in _RESERVED_HEADERS:
                message = f"A header parameter {name[:80]!r} is not used: the specification describes it elsewhere."
                yield "info", "header-ignored", message, f"{pointer}/{index}"
        yield from _bodies(parameters, pointer)


def _bodies(parameters: list[dict[str, Any]], pointer: str) -> Iterator[Found]:
    """Swagger 2.0: at most one body, and none beside form data."""
    locations = Counter(location for parameter in parameters if isinstance(location := parameter.get("in"), str))
    if locations["body"] > 1 or (locations["body"] and locations["formData"]):
        yield "error", "several-bodies", "There is more than one body here (`body` or `formData`); keep one.", pointer


def _template(path: str, pointer: str) -> Iterator[Found]:
    if not path.startswith("/"):
        yield "error", "path-invalid", f"The path {path[:80]!r} has to start with `/`.", pointer
        return
    if "?" in path:
        message = f"{path[:80]!r} has a query string; declare its parameters instead. Callers have to send `?` as %3F."
        yield "warning", "path-query", message, pointer
    if len(path) > PATH_MOST or path.count("/") > SEGMENTS_MOST:
        what = f"A path has at most {PATH_MOST} characters and {SEGMENTS_MOST} segments"
        yield "error", "path-invalid", f"{what}; {path[:80]!r}... has more.", pointer
        return
    names = _PLACEHOLDER.findall(path)
    if len(set(names)) < len(names):
        message = f"A name is twice in the path {path[:80]!r}, so that one value is lost; give each place its own."
        yield "warning", "path-name-twice", message, pointer
    if "{" in _PLACEHOLDER.sub("", path) or "}" in _PLACEHOLDER.sub("", path) or "" in names:
        message = f"{path[:80]!r} has a brace that belongs to no parameter; callers have to send it as it is written."
        yield "warning", "path-braces", message, pointer
    try:
        parse_path(path, {})
    except PathInvalid as error:
        yield "error", "path-invalid", f"The path {path[:80]!r} cannot be served: {str(error)[:200]}.", pointer


def _other_methods(path: str, item: dict[str, Any], place: str) -> Iterator[Found]:
    others = [name for name in OPERATION_FIELDS if name in item and name not in METHODS]
    more = [f"additionalOperations/{escape(name)}" for name in mapping(item.get("additionalOperations"))]
    miswritten = [
        name for name in item if name not in METHODS and name.lower() in OPERATION_FIELDS and name not in others
    ]
    for name in [*others, *more, *miswritten]:
        method = name.rpartition("/")[2]
        message = f"{method[:40]!r} of {path[:80]!r} is not one of the methods that are served; it is left out."
        yield "warning", "unsupported-method", message, f"{place}/{name}"


def _pattern(pattern: str, pointer: str) -> Found:
    message = f"The pattern {pattern[:80]!r} cannot be matched in linear time (or is none); it is not enforced."
    return "warning", "pattern-not-enforced", message, pointer


def _limit(name: str, what: str, most: int, pointer: str) -> Found:
    return "error", f"too-much-{name}", f"There are {what}, more than {most} (setting document_{name}).", pointer
