"""The OpenAPI document of another system, as far as a call needs it: where an operation is and what it takes.

Swagger 2.0 and OpenAPI 3.x, JSON or YAML. Nothing is checked but what is looked at: the document is somebody else's.
References are followed inside the document only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import orjson
import yaml

from apimgmt.errors import SettingInvalid

LARGEST = 5 * 1024 * 1024
MOST_ALIASES = 1_000
DEEPEST = 200
MOST_REFERENCES = 20
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
JSON_TYPE, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"


class Parameter(NamedTuple):
    """``place`` is path, query, header or cookie; ``style`` as in OpenAPI 3; ``explode`` writes several as several."""

    name: str
    place: str
    required: bool
    style: str
    explode: bool


class Body(NamedTuple):
    """What is sent: its media type, the names of its members where they are known, whether it has to be there.
    ``name`` is what the whole of it is called among the arguments."""

    media_type: str
    members: frozenset[str]
    required: bool
    name: str = "body"


class Operation(NamedTuple):
    """One operation: the method in capitals, the path template and the URL above it."""

    method: str
    base: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Body | None


class Interface:
    """A document that was read; ``url`` is where it came from, to which relative servers refer."""

    def __init__(self, document: Any, url: str) -> None:
        self._document = _object(document, "the document")
        self._url = url
        self._is_swagger = str(document.get("swagger", "")).startswith("2.")
        if not self._is_swagger and not str(document.get("openapi", "")).startswith("3."):
            raise SettingInvalid("the document is neither Swagger 2.0 nor OpenAPI 3.x")
        self._found: dict[str, tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = {}
        for path, item in _members(document.get("paths")):
            above = self._resolved(item)
            for method in METHODS:
                operation = above.get(method)
                if isinstance(operation, Mapping) and operation.get("operationId"):
                    self._found.setdefault(str(operation["operationId"]), (method, path, above, operation))

    def operation(self, name: str) -> Operation:
        """The operation with this ``operationId``; raises SettingInvalid with the names that are near."""
        if name not in self._found:
            near = difflib.get_close_matches(name, self._found, 3, 0.5) or sorted(self._found)[:10]
            raise SettingInvalid(f"the document has no operation {name!r:.100}; there is: {', '.join(near) or 'none'}")
        method, path, above, own = self._found[name]
        parameters = self._parameters(above, own)
        body = self._swagger_body(parameters, own) if self._is_swagger else self._body(own)
        made = tuple(
            self._parameter(one) for one in parameters if one.get("in") in ("path", "query", "header", "cookie")
        )
        return Operation(method.upper(), self._base(above, own), path, made, body)

    def _resolved(self, value: Any) -> Mapping[str, Any]:
        """An object, or the one that its ``$ref`` leads to."""
        for _ in range(MOST_REFERENCES):
            found = _object(value, "a part of the document")
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            if not reference.startswith("#/"):
                raise SettingInvalid(f"the document refers to another one, {reference!r:.100}, which is not followed")
            value = self._document
            for step in reference[2:].split("/"):
                name = step.replace("~1", "/").replace("~0", "~")
                value = value.get(name) if isinstance(value, Mapping) else None
        raise SettingInvalid("the references of the document go round in circles")

    def _parameters(self, above: Mapping[str, Any], own: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Those of the path, and over them those of the operation."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for holder in (above, own):
            for value in _items(holder.get("parameters")):
                one = self._resolved(value)
                found[str(one.get("name")), str(one.get("in"))] = one
        return list(found.values())

    def _parameter(self, value: Mapping[str, Any]) -> Parameter:
        place = str(value["in"])
        if self._is_swagger:
            style, explode = _COLLECTIONS.get(str(value.get("collectionFormat")), ("form", False))
        else:
            style = str(value.get("style") or ("form" if place in ("query", "cookie") else "simple"))
            explode = _is_true(value.get("explode", style == "form"))
        return Parameter(
            str(value.get("name")), place, place == "path" or _is_true(value.get("required")), style, explode
        )

    def _body(self, own: Mapping[str, Any]) -> Body | None:
        if "requestBody" not in own:
            return None
        value = self._resolved(own["requestBody"])
        contents = dict(_members(value.get("content")))
        media_type = _preferred(list(contents))
        content = _object(contents[media_type], "a content") if media_type in contents else {}
        schema = self._resolved(content.get("schema") or {})
        name = str(value.get("x-bodyName") or "body")
        members = frozenset(name for name, _ in _members(schema.get("properties")))
        return Body(media_type, members, _is_true(value.get("required")), name)

    def _swagger_body(self, parameters: list[Mapping[str, Any]], own: Mapping[str, Any]) -> Body | None:
        consumed = [str(one) for one in _items(own.get("consumes") or self._document.get("consumes"))]
        fields = [one for one in parameters if one.get("in") == "formData"]
        if fields:
            media_type = MULTIPART if any(one.get("type") == "file" for one in fields) else FORM
            if MULTIPART in consumed and FORM not in consumed:
                media_type = MULTIPART
            required = any(_is_true(one.get("required")) for one in fields)
            return Body(media_type, frozenset(str(one.get("name")) for one in fields), required)
        for one in parameters:
            if one.get("in") == "body":
                schema = self._resolved(one.get("schema") or {})
                members = frozenset(name for name, _ in _members(schema.get("properties")))
                name = str(one.get("name") or "body")
                return Body(_preferred(consumed), members, _is_true(one.get("required")), name)
        return None

    def _base(self, above: Mapping[str, Any], own: Mapping[str, Any]) -> str:
        """The URL above the path: absolute, http or https."""
        if self._is_swagger:
            here = urlsplit(self._url)
            schemes = [str(one) for one in _items(own.get("schemes") or self._document.get("schemes"))]
            scheme = next((one for one in (here.scheme, "https", "http") if one in schemes), here.scheme)
            return f"{scheme}://{self._document.get('host') or here.netloc}{self._document.get('basePath') or ''}"
        servers = _items(own.get("servers")) or _items(above.get("servers")) or _items(self._document.get("servers"))
        server = _object(servers[0], "a server") if servers else {}
        url = str(server.get("url") or "/")
        for name, variable in _members(server.get("variables")):
            url = url.replace(f"{{{name}}}", str(_object(variable, "a variable").get("default", "")))
        try:
            return urljoin(self._url, url)
        except ValueError:
            raise SettingInvalid(f"{url!r:.100} is no URL of a server") from None


# collectionFormat of Swagger 2.0 as style and explode; tsv has no style of its own
_COLLECTIONS = {
    "multi": ("form", True),
    "ssv": ("spaceDelimited", False),
    "tsv": ("tabDelimited", False),
    "pipes": ("pipeDelimited", False),
}


def parsed(content: bytes) -> Any:
    """The values of a JSON or YAML text; of YAML all scalars are texts. Raises SettingInvalid."""
    if len(content) > LARGEST:
        raise SettingInvalid(f"the document is larger than {LARGEST // 1024 // 1024} MB")
    if content.lstrip()[:1] == b"{":
        try:
            return orjson.loads(content)
        except ValueError:
            pass  # a YAML that begins like that
    try:
        _check(content)
        # this loader makes texts, lists and dicts, nothing else
        return yaml.load(content, Loader=yaml.CBaseLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise SettingInvalid(f"the document is neither JSON nor YAML: {str(error).splitlines()[0]}") from None


def _check(content: bytes) -> None:
    """Raise SettingInvalid for a YAML that is too deep or has too many aliases, before anything is made of it."""
    aliases = depth = 0
    for event in yaml.parse(content, Loader=yaml.CBaseLoader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if aliases > MOST_ALIASES:
            raise SettingInvalid(f"the document uses more than {MOST_ALIASES} aliases")
        if depth > DEEPEST:
            raise SettingInvalid(f"the document is nested deeper than {DEEPEST} levels")


def _preferred(media_types: list[str]) -> str:
    """Which one is sent: JSON, then forms, then the first."""
    for wanted in (JSON_TYPE, FORM, MULTIPART):
        for one in media_types:
            if one.partition(";")[0].strip().lower() == wanted:
                return one
    return next((one for one in media_types if "*" not in one), JSON_TYPE)


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingInvalid(f"{what} is no object, or a reference leads nowhere")
    return value


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    return iter([(str(name), one) for name, one in value.items()] if isinstance(value, Mapping) else [])


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_true(value: Any) -> bool:
    return value is True or value == "true"
