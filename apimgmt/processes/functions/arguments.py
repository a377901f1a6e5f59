"""Arguments by name, as Connexion 3 gives them to the functions written for it (its ``decorators/parameter.py``).

    path and query parameters   by their name without the characters that Python does not allow, or in snake_case with
                                an underscore after a keyword or built-in (``pythonic_params``)
    header and cookie           likewise, if the function names them (Connexion has no way)
    body                        the parsed body; other names take it if nothing else could fill them
    form fields, files          by name; a field that is not there is left to the function's default
    user, token_info, context_  who calls; request: Connexion's request object
    **kwargs                    path and query parameters and the body

The function is looked at once, when the process is built.
"""

from __future__ import annotations

import builtins
import inspect
import io
import keyword
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from connexion.lifecycle import ConnexionRequest
from starlette.datastructures import Headers, UploadFile
from werkzeug.datastructures import FileStorage

from apimgmt.errors import SettingInvalid
from apimgmt.model import CompiledApi, Operation, Schema
from apimgmt.processes import Invocation

CALLER = ("user", "token_info", "context_", "request")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
LOCATIONS = ("path", "query", "header", "cookie")


class OpenFile(FileStorage):
    """An uploaded file for a function that runs in a thread: werkzeug's, with the ``file`` of Starlette's as well."""

    @property
    def file(self) -> Any:
        """The stream; the same as ``stream``."""
        return self.stream


def plain(name: str) -> str:
    """The name of a parameter without what a Python name cannot hold: ``X-Id`` is ``XId``, ``a[b]`` is ``a_b``."""
    return re.sub(r"[^0-9A-Za-z_]", "", re.sub(r"\[(?!\])", "_", name)).lstrip("0123456789")


def pythonic(name: str) -> str:
    """The name of a parameter in snake_case, with an underscore after it if it is a keyword or a built-in."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    snake = re.sub(r"([a-z\d])([A-Z])", r"\1_\2", words).replace("-", "_").lower()
    return plain(f"{snake}_" if keyword.iskeyword(snake) or hasattr(builtins, snake) else snake)


class Arguments:
    """The arguments of a function for the requests of an operation; raises SettingInvalid if they cannot be filled."""

    def __init__(self, function: Callable[..., Any], operation: Operation, api: CompiledApi, threaded: bool) -> None:
        self._named, self._open = _signature(function)
        self._threaded = threaded
        self._parameters = [*self._sources(operation)]
        self._caller = [name for name in self._named if name in CALLER and not self._is_filled(name)]
        schemas = [content.schema for content in operation.body.content.values()] if operation.body else []
        self._default: Any = next((one["default"] for one in map(_mapping, schemas) if "default" in one), {})
        self._forms = operation.body is not None and any(name in FORMS for name in operation.body.content)
        self._unpacks = self._forms and api.specification == "2.0"
        self._fields = [*self._form_fields(schemas, api.schemas)] if self._forms else []
        self._body = self._body_name(operation)
        self._has_body = bool(self._fields) or self._unpacks or self._body is not None
        self._locations = [
            (attrgetter(location), [source[1:] for source in self._parameters if source[0] == location])
            for location in dict.fromkeys(source[0] for source in self._parameters)
        ]

    def __call__(self, invocation: Invocation) -> dict[str, Any]:
        """The arguments for one request."""
        arguments: dict[str, Any] = {}
        for members, entries in self._locations:
            values = members(invocation.data)
            for name, argument, optional in entries:
                value = values[name]
                if value is not None or not optional:
                    arguments[argument] = value
        if self._has_body:
            self._fill_body(arguments, invocation)
        for name in self._caller:
            arguments[name] = self._asked(name, invocation)
        return arguments

    def _sources(self, operation: Operation) -> Iterator[tuple[str, str, str, bool]]:
        """Where each argument comes from: location, name there, argument, whether it may be left out."""
        for parameter in sorted(operation.parameters, key=lambda one: (*LOCATIONS, "querystring").index(one.location)):
            names = (plain(parameter.name), pythonic(parameter.name))
            argument = next((name for name in names if name in self._named), None)
            if argument is None and self._open and parameter.location in ("path", "query"):
                argument = names[0]
            if argument and parameter.location in LOCATIONS:
                yield parameter.location, parameter.name, argument, self._named.get(argument, True)

    def _form_fields(self, schemas: list[Schema], known: Mapping[str, Schema]) -> Iterator[tuple[str, str]]:
        for field in dict.fromkeys(name for schema in schemas for name in _properties(schema, known)):
            argument = next((name for name in (plain(field), pythonic(field)) if name in self._named), None)
            if argument and not self._is_filled(argument):
                yield field, argument

    def _body_name(self, operation: Operation) -> str | None:
        """Which argument is the body: ``body``, or the one that nothing else fills (``x-body-name``, Swagger 2)."""
        if "body" in self._named and not self._is_filled("body"):
            return "body" if operation.body else None
        missing = [name for name, optional in self._named.items() if not optional and not self._is_filled(name)]
        missing = [name for name in missing if name not in (*CALLER, *(argument for _, argument in self._fields))]
        if len(missing) == 1 and operation.body is not None:
            return missing[0]
        if missing:
            raise SettingInvalid(f"the operation has nothing for the argument {', '.join(map(repr, missing))}")
        return "body" if self._open and operation.body and not self._unpacks else None

    def _is_filled(self, argument: str) -> bool:
        return any(argument == filled for _, _, filled, _ in self._parameters)

    def _fill_body(self, arguments: dict[str, Any], invocation: Invocation) -> None:
        value = invocation.data.parsed
        if self._forms and isinstance(value, Mapping):
            for field, argument in self._fields:
                if field in value:
                    arguments[argument] = self._opened(value[field])
            files = {name: member for name, member in value.items() if _is_file(member)}
            if self._open:
                more = value if self._unpacks else files
                arguments |= {name: self._opened(member) for name, member in more.items()}
            value = {name: member for name, member in value.items() if name not in files}
        if self._body is not None:
            arguments[self._body] = self._given(value, invocation)

    def _given(self, value: Any, invocation: Invocation) -> Any:
        """The body as Connexion gives it: bytes unless it is JSON or a form, the default if nothing was sent."""
        content = invocation.data.content
        if invocation.data.raw_body or (isinstance(value, str | bytes) and not _is_json(invocation)):
            value = content or None
        if value is None and not content:
            return self._default.copy() if isinstance(self._default, dict | list) else self._default
        return value

    def _opened(self, value: Any) -> Any:
        if not _is_file(value):
            return value
        if isinstance(value, list):
            return [self._opened(item) for item in value]
        stream = io.BytesIO(value.content)
        if self._threaded:
            return OpenFile(stream, filename=value.filename, content_type=value.content_type)
        headers = Headers({"content-type": value.content_type})
        return UploadFile(stream, filename=value.filename, size=len(value.content), headers=headers)

    def _asked(self, name: str, invocation: Invocation) -> Any:
        context = context_of(invocation)
        if name == "request":
            return connexion_request(invocation)
        return context if name == "context_" else context.get(name)


def context_of(invocation: Invocation) -> dict[str, Any]:
    """Connexion's context of a request: the user and what is known about the caller."""
    username = invocation.data.username
    if username is None:
        return {}
    principal = invocation.claimsprincipal
    return {"user": username, "token_info": {"sub": username} if principal is None else principal.Claims}


def connexion_request(invocation: Invocation) -> ConnexionRequest:
    """Connexion's request object; its body can be read again, because ours was read before."""
    return ConnexionRequest(dict(invocation.scope), receiver(invocation.data.content))


def receiver(content: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    """An ASGI ``receive`` that gives the whole body as often as it is asked."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive


def _signature(function: Callable[..., Any]) -> tuple[dict[str, bool], bool]:
    """The names of the arguments, each with whether it has a default, and whether there is a ``**kwargs``."""
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.POSITIONAL_ONLY for one in parameters):
        raise SettingInvalid("arguments are given by name, and the function has some that cannot be")
    named = {
        one.name: one.default is not one.empty
        for one in parameters
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }
    return named, any(one.kind is one.VAR_KEYWORD for one in parameters)


def _properties(schema: Schema, schemas: Mapping[str, Schema], depth: int = 0) -> list[str]:
    members = _mapping(schema)
    if depth > 20:
        return []
    names = list(members.get("properties", ()))
    if "$ref" in members:
        names += _properties(schemas.get(members["$ref"].removeprefix("#/$defs/"), True), schemas, depth + 1)
    for part in members.get("allOf", ()):
        names += _properties(part, schemas, depth + 1)
    return names


def _mapping(schema: Schema) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {}


def _is_file(value: Any) -> bool:
    """Whether a form field is a file or files; ``spec/multipart.py`` makes them."""
    return hasattr(value, "filename") or (isinstance(value, list) and bool(value) and all(map(_is_file, value)))


def _is_json(invocation: Invocation) -> bool:
    kinds = (value for name, value in invocation.scope["headers"] if name == b"content-type")
    essence = next(kinds, b"").partition(b";")[0].strip().lower()
    return essence == b"application/json" or essence.endswith(b"+json")
