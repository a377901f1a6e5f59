"""Requests made from a document alone: for any operation one that fits what it declares, written by its styles.

This is the other side of ``spec/parameters.py`` and ``spec/body.py`` and shares no code with them, so that what one
of the two gets wrong shows as a refused request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from apimgmt.model import Encoding, MediaType, Operation, Parameter, Schema
from apimgmt.processes.sampling.fitting import Fitting
from apimgmt.processes.sampling.sampler import sample
from apimgmt.registry import find
from apimgmt.spec.paths import GREEDY, parse

ATTEMPTS = 20
TRIES = 5
BOUNDARY = "bench-boundary"
MOST_FIELDS = 150
MEDIA_TYPE = re.compile(r"[^/;,\s]+/[^/;,\s]+(;[^;=]+=[^;]+)*")
SEPARATORS = {"spaceDelimited": "%20", "tabDelimited": "%09", "pipeDelimited": "%7C"}
CONCRETE = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/plain"}

Schemas = Mapping[str, Schema]
Pairs = list[tuple[str, str]]


class Call(NamedTuple):
    """A request below the base path of its API; ``query`` is without its question mark.

    ``doubts`` are the values that do not seem to fit their schemas, because none was found that does.
    """

    method: str
    path: str
    query: str
    headers: Pairs
    body: bytes
    doubts: tuple[str, ...] = ()


class Unsendable(Exception):
    """No request for the operation can be written down; the message says which value it is."""


def make(operation: Operation, schemas: Schemas, attempt: int = 0, everything: bool = False) -> Call:
    """A request with what is required (or ``everything``); another ``attempt`` has other values.

    Raises Unsendable if no value was found that can stand in the path.
    """
    seed = f"{operation.key} {attempt}"
    wanted = [one for one in operation.parameters if one.required]
    if everything:
        wanted += [one for one in operation.parameters if not one.required][:MOST_FIELDS]
    values = _Values(schemas, examples=not attempt)
    path = _path(operation, values, seed, attempt)
    query: list[str] = []
    headers: Pairs = []
    cookies: list[str] = []
    for parameter in wanted:
        if parameter.location == "path":
            continue
        value = values.of(parameter.schema, f"{seed} {parameter.name}")
        match parameter.location:
            case "query":
                query += _fields(parameter, value)
            case "querystring":
                query += [_form_or_text(parameter, value)]
            case "header" if parameter.name.lower() != "content-length":
                headers.append((parameter.name, _simple(parameter, value, encode=False)))
            case "cookie":
                cookies += _fields(parameter, value)
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    body = b""
    if operation.body is not None and operation.body.content and (operation.body.required or everything):
        named = sorted(operation.body.content.items(), key=lambda item: MEDIA_TYPE.fullmatch(item[0]) is None)
        name, media = named[0]
        name = CONCRETE.get(name, name) if MEDIA_TYPE.fullmatch(name) else "application/json"
        media_type, body = _body(name, media, values, seed)
        if not any(field.lower() == "content-type" for field, _ in headers):
            headers.append(("Content-Type", media_type))
    if any(one.name.lower() == "content-length" for one in wanted if one.location == "header"):
        headers.append(("Content-Length", str(len(body))))
    return Call(
        operation.method.upper(),
        quote(path, safe="/%!$&'()*+,;=:@~"),
        "&".join(query),
        headers,
        body,
        tuple(values.doubts),
    )


class _Values:
    """Values for schemas, and the doubts about them."""

    def __init__(self, schemas: Schemas, examples: bool) -> None:
        self.schemas = schemas
        self.doubts: list[str] = []
        self._examples = examples
        self._fitting = Fitting(schemas, "request")

    def of(self, schema: Schema, seed: str, stands: Callable[[Any], bool] | None = None) -> Any:
        """The value of that seed, or the first of a few that ``stands`` where it has to be written."""
        for further in range(TRIES):
            value = sample(schema, self.schemas, "request", seed + further * "+", examples=self._examples)
            if stands is None or stands(value):
                break
        if not self._fitting.fits(value, schema):
            self.doubts.append(f"{seed}: {json.dumps(value)[:200]}")
        return value


# ---- parameters ------------------------------------------------------------------------------------------------------


def _path(operation: Operation, values: _Values, seed: str, attempt: int) -> str:
    """The path of an operation with a value for each of its parameters."""
    template = parse(operation, values.schemas)
    greedy = {segment.names[0] for segment in template.segments if segment.kind == GREEDY}
    path = operation.path
    for parameter in operation.parameters:
        if parameter.location == "path":
            text = _path_text(parameter, values, f"{seed} {parameter.name}", attempt, parameter.name in greedy)
            for suffix in ("", "+", "*"):
                path = path.replace(f"{{{parameter.name}{suffix}}}", text)
    if not _is_plain(path):
        raise Unsendable(f"path {path[:60]!r}")
    return path


def _path_text(parameter: Parameter, values: _Values, seed: str, attempt: int, greedy: bool) -> str:
    """What stands for a parameter of a path: every other attempt is longer, since ``a/`` ends no part of a path.

    Only one that takes several segments (``greedy``) may have slashes, and they are not encoded.
    """
    schema = parameter.schema
    if parameter.media_type is None:
        length = 1 + 4 * attempt * (attempt % 2)
        schema = {"allOf": [schema, {"minLength": length, "minItems": 1, "minProperties": 1}]}

    def written(value: Any) -> str:
        text = _simple(parameter, value, encode=True)
        return text.replace("%2F", "/").lstrip("/") if greedy else text

    text = written(values.of(schema, seed, lambda value: _stands(written(value))))
    if not _stands(text):
        raise Unsendable(f"path parameter {parameter.name!r}: {text[:60]!r}")
    return text


def _stands(text: str) -> bool:
    return bool(text) and _is_plain(f"/{text}")


def _is_plain(path: str) -> bool:
    """Whether a path has no empty or dot segment, no encoded slash or backslash and no control character."""
    *inner, last = path[1:].split("/")
    special = ("%2F", "%5C", "%0", "%1", "%7F")
    return "" not in inner and not {".", ".."} & {*inner, last} and not any(bad in path for bad in special)


def _simple(parameter: Parameter, value: Any, encode: bool) -> str:
    """Styles simple, label and matrix (RFC 6570 sections 3.2.2, 3.2.5 and 3.2.7)."""
    name, style, explode = parameter.name, parameter.style, parameter.explode
    text = _encoded if encode else _text
    if parameter.media_type is not None:
        return text(_content(parameter.media_type, value))
    between = {"label": ".", "matrix": ";"}.get(style, ",") if explode else ","
    start = {"label": ".", "matrix": ";"}.get(style, "")
    if isinstance(value, dict):
        members = [f"{text(key)}{'=' if explode else ','}{text(member)}" for key, member in value.items()]
        named = f"{name}=" if style == "matrix" and not explode else ""
        return start + named + between.join(members)
    named = f"{name}=" if style == "matrix" else ""
    if not isinstance(value, list):
        return start + named + text(value)
    if explode:
        return start + between.join(named + text(item) for item in value)
    return start + named + between.join(map(text, value))


def _fields(parameter: Parameter, value: Any) -> list[str]:
    """The ``name=value`` fields of a parameter in a query, a form or a cookie (OpenAPI 3.2, "Style Examples")."""
    name = quote(parameter.name, safe="[]$")
    if parameter.media_type is not None:
        return [f"{name}={_encoded(_content(parameter.media_type, value))}"]
    if parameter.style == "deepObject" and isinstance(value, dict | list):
        return list(_brackets(name, value))
    between = SEPARATORS.get(parameter.style, ",")
    if isinstance(value, dict):
        if parameter.explode:
            return [f"{_encoded(key)}={_encoded(item)}" for key, member in value.items() for item in _several(member)]
        pairs = [(_encoded(key), _encoded(member)) for key, member in value.items()]
        return [f"{name}={between.join(text for pair in pairs for text in pair)}"]
    if not isinstance(value, list):
        return [f"{name}={_encoded(value)}"]
    if parameter.explode:
        return [f"{name}={_encoded(item)}" for item in value]
    return [f"{name}={between.join(map(_encoded, value))}"]


def _several(member: Any) -> list[Any]:
    """An array among the properties of an exploded object is repeated, unless nothing would be left of it."""
    return member if isinstance(member, list) and member else [member]


def _brackets(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _brackets(f"{name}[{_encoded(key)}]", member)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _brackets(f"{name}[{index}]", item)
    else:
        yield f"{name}={_encoded(value)}"


def _form_or_text(parameter: Parameter, value: Any) -> str:
    if parameter.media_type == "application/x-www-form-urlencoded" and isinstance(value, dict):
        return "&".join(f"{_encoded(key)}={_encoded(member)}" for key, member in value.items())
    return _encoded(_content(parameter.media_type or "", value))


def _content(media_type: str, value: Any) -> str:
    return json.dumps(value) if "json" in media_type else _text(value)


def _encoded(value: Any) -> str:
    return quote(_text(value), safe="")


def _text(value: Any) -> str:
    """A scalar as JSON writes it, without the quotes of a string."""
    return value if isinstance(value, str) else json.dumps(value)


# ---- bodies ----------------------------------------------------------------------------------------------------------


def _body(name: str, media: MediaType, values: _Values, seed: str) -> tuple[str, bytes]:
    """The media type and the bytes of a body."""
    schema, schemas = media.schema, values.schemas
    kind = name.partition(";")[0].strip().lower()
    value = values.of(schema, f"{seed} body")
    if kind == "application/x-www-form-urlencoded" and isinstance(value, dict):
        return name, "&".join(_form(value, media.encoding, schema, schemas)).encode()
    if kind == "multipart/form-data" and isinstance(value, dict):
        return f"multipart/form-data; boundary={BOUNDARY}", b"".join(_parts(value))
    if "json" in kind or (not isinstance(value, str) and "xml" not in kind):
        return name, json.dumps(value).encode()
    if "xml" in kind and not (isinstance(value, str) and value.startswith("<")):
        written: bytes = find("format", "xml").dump(value, schema, schemas)
        return name, written
    return name, str(value).encode()


def _form(value: dict[str, Any], encoding: Mapping[str, Encoding], schema: Schema, schemas: Schemas) -> Iterator[str]:
    for name, member in value.items():
        rule = encoding.get(name, Encoding())
        style = rule.style or ("deepObject" if isinstance(member, dict) else "form")
        explode = style in ("form", "deepObject") if rule.explode is None else rule.explode
        is_json = "json" in (rule.content_type or "") or (rule.style is None and _is_nested(member)) or member == {}
        media_type = "application/json" if is_json and not isinstance(member, list) else None
        yield from _fields(
            Parameter(name=name, location="query", style=style, explode=explode, media_type=media_type), member
        )


def _is_nested(value: Any) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(member, dict | list) for member in members)


def _parts(value: dict[str, Any]) -> Iterator[bytes]:
    for name, member in value.items():
        for item in member if isinstance(member, list) else [member]:
            kind = "Content-Type: application/json\r\n" if isinstance(item, dict | list) else ""
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n{kind}\r\n'
            yield head.encode() + _text(item).encode() + b"\r\n"
    yield f"--{BOUNDARY}--\r\n".encode()
