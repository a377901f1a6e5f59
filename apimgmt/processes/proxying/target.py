"""Where a request goes: path and query, below the base URL of the connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote, quote_plus, unquote_to_bytes

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import CompiledApi, Operation, Parameter, Schema
from apimgmt.processes import Invocation
from apimgmt.processes.proxying.expressions import Text, text_of
from apimgmt.request import SCOPE_KEY, Request

Target = Callable[[Invocation], str]

# what a query may hold as it is (RFC 3986 section 3.4), and the brackets that many systems use in it
_SAFE_QUERY = "!$&'()*+,;=:@/?-._~%[]"
_PLAIN_QUERY = re.compile(r"[A-Za-z0-9!$&'()*+,;=:@/?\-._~%\[\]]*").fullmatch
_LITERAL = re.compile(r"[A-Za-z0-9!$&'()*+,;=:@/\-._~%]*").fullmatch
DEEPEST = 10
_DOTS = frozenset((".", "..", "%2E", "%2E%2E", ".%2E", "%2E."))


def path_of(text: str, operation: Operation) -> Target:
    """The path of a request: that of the operation in the form in which it was routed, or ``text`` filled in.

    Raises SettingInvalid. A value is one segment at the most: what is in it is percent-encoded, and dots that would
    lead elsewhere are refused with Problem ``ambiguous-path``.
    """
    if not text:
        return _routed
    if not text.startswith("/") or "//" in text:
        raise SettingInvalid("path: begin with one slash; it is below the base URL of the connection")
    template = Text(text, operation)
    for part in template.parts:
        if isinstance(part, str) and not _LITERAL(part):
            raise SettingInvalid("path: percent-encode what a path cannot hold, and put the query under `query`")

    def path(invocation: Invocation) -> str:
        texts: list[str] = []
        for part in template.parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = part(invocation.data)
            if value is None or value == "":
                raise Problem("bad-request", "A value that the path is made of is missing.")
            texts.append(quote(text_of(value), safe="!$&'()*+,;=:@~"))
        filled = "".join(texts)
        if not _DOTS.isdisjoint(filled.upper().split("/")):
            raise Problem("ambiguous-path", "A value would lead to another path.")
        return filled

    return path


def _routed(invocation: Invocation) -> str:
    request: Request = invocation.scope[SCOPE_KEY]
    return "/" + "/".join(request.segments[request.start :])


def query_of(
    wanted: Literal["declared", "all", "none"] | Mapping[str, Any], operation: Operation, api: CompiledApi
) -> Target:
    """The query of a request, without its question mark."""
    if wanted == "all":
        return lambda invocation: _safe(invocation.scope["query_string"])
    if isinstance(wanted, str):
        return _declared(operation, api) if wanted == "declared" else lambda invocation: ""
    pairs = [(quote_plus(name), Text(text_of(text), operation)) for name, text in wanted.items()]

    def query(invocation: Invocation) -> str:
        given: list[str] = []
        for name, text in pairs:
            value = text.value(invocation.data)
            several = value if isinstance(value, list | tuple) else [value]
            given += [f"{name}={quote_plus(text_of(one))}" for one in several if one is not None]
        return "&".join(given)

    return query


def _declared(operation: Operation, api: CompiledApi) -> Target:
    """The parameters that the document declares, each as it was sent; nobody has looked at the others."""
    known = Names([one for one in operation.parameters if one.location in ("query", "querystring")], api.schemas)

    def query(invocation: Invocation) -> str:
        text: bytes = invocation.scope["query_string"]
        if not text or known.all:
            return _safe(text)
        parts = text.split(b"&")
        names = known.names
        kept = [part for part in parts if (name := part.partition(b"=")[0]) in names or known.has(name)]
        return _safe(text if len(kept) == len(parts) else b"&".join(kept))

    return query


class Names:
    """The ``names`` under which the parameters of a query come; ``all`` if that can be any."""

    def __init__(self, parameters: list[Parameter], schemas: Mapping[str, Schema]) -> None:
        self.all = any(parameter.location == "querystring" for parameter in parameters)
        names: set[str] = set()
        self._before: list[bytes] = []
        for parameter in parameters:
            if parameter.style == "deepObject":
                self._before.append(parameter.name.encode() + b"[")
                continue
            names.add(parameter.name)
            if parameter.style == "form" and parameter.explode:
                # the properties of an object stand in the query under their own names
                spread, is_open = properties(parameter.schema, schemas)
                names.update(spread)
                self.all = self.all or is_open
        self.names = frozenset(name.encode() for name in names)

    def has(self, written: bytes) -> bool:
        """Whether a name, as it is written in a query, is one of them."""
        name = unquote_to_bytes(written.replace(b"+", b" ")) if b"%" in written or b"+" in written else written
        return name in self.names or any(name.startswith(before) for before in self._before)


def properties(schema: Schema, schemas: Mapping[str, Schema], depth: int = 0) -> tuple[set[str], bool]:
    """The names of an object's properties, and whether it may have others; ``set(), False`` for what is no object."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return set(), False
    names = set(schema.get("properties", {}))
    types = schema.get("type", ())
    is_object = bool(names) or "object" in ([types] if isinstance(types, str) else types)
    is_open = is_object and schema.get("additionalProperties", schema.get("unevaluatedProperties")) is not False
    parts = [*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if "$ref" in schema:
        parts.append(schemas.get(schema["$ref"].removeprefix("#/$defs/"), True))
    for part in parts:
        more, more_open = properties(part, schemas, depth + 1)
        names |= more
        is_open = is_open or more_open
    return names, is_open


def _safe(query: bytes) -> str:
    text = query.decode("latin-1")
    return text if _PLAIN_QUERY(text) else quote(query, safe=_SAFE_QUERY)
