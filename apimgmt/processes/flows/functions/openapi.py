"""openapi: an operation of another system, called by its name in that system's document (DSL: call openapi).

The document is fetched like any other URL, kept for some minutes, and says where each parameter goes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import orjson

from apimgmt.connections.connector import base_of
from apimgmt.connections.content import multipart
from apimgmt.connections.known import connections
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.flows import Perform, Scope, failure
from apimgmt.processes.flows.authentication import authorization, check_authentication
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.definition import Use
from apimgmt.processes.flows.functions.http import (
    DOTS,
    SUCCESS,
    Sent,
    answered,
    check_endpoint,
    converted,
    filled,
    refused,
)
from apimgmt.processes.flows.interface import FORM, MULTIPART, Body, Interface, Operation, Parameter, parsed
from apimgmt.processes.flows.tasks.call import members
from apimgmt.registry import register

KEPT_SECONDS = 300.0
MOST_KEPT = 16
_NAME = re.compile(r"\{([^{}]+)\}")
_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}


class Resource(Struct, frozen=True):
    """Where the document is: ``endpoint`` as in ``call: http``."""

    endpoint: str | dict[str, Any]
    name: str = ""


class Arguments(Struct, frozen=True, rename="camel"):
    """``parameters`` are those of the operation by name; its body is ``body``, or the members of it. ``authentication``
    is for the operation, that of the document stands in its ``endpoint``. The rest is as in ``call: http``."""

    document: Resource
    operation_id: str
    parameters: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it
    authentication: Any = None
    output: Literal["content", "response", "raw"] = "content"
    redirect: bool = False


@register("flow function", "openapi")
def build(compiler: Compiler, arguments: Mapping[str, Any], place: str) -> Perform:
    """What calls the operation."""
    members(arguments, Arguments, place)
    _check_document(arguments["document"], compiler.definition.use, f"{place}/document")
    check_authentication(arguments.get("authentication"), compiler.definition.use, f"{place}/authentication")
    made = compiler.template(dict(arguments), place)
    authentications = compiler.definition.use.authentications

    async def perform(scope: Scope, given: Any) -> Any:
        asked: Arguments = converted(await made(scope, given), Arguments, place)
        interface = await interfaces.find(asked.document.endpoint, given, authentications, place)
        try:
            sent = request(interface.operation(asked.operation_id), asked.parameters)
        except SettingInvalid as error:
            raise failure("configuration", str(error), place) from None
        headers = {**authorization(asked.authentication, authentications, place), **sent.headers}
        return await sent._replace(headers=headers).outcome(asked.output, asked.redirect, place)

    return perform


def _check_document(document: Any, use: Use, place: str) -> None:
    if isinstance(document, Mapping):
        if "endpoint" not in document or document.keys() - {"endpoint", "name"}:
            raise SettingInvalid("a document has endpoint and name", place)
        check_endpoint(document["endpoint"], use, f"{place}/endpoint")


class Interfaces:
    """The documents that were read lately, by URL and credential: what one flow may see, another one may not."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, Interface]] = {}

    async def find(
        self, endpoint: str | dict[str, Any], given: Any, authentications: Mapping[str, Any], place: str
    ) -> Interface:
        """The document at an endpoint; raises FlowFailed."""
        told = endpoint if isinstance(endpoint, dict) else {"uri": endpoint}
        url = filled(str(told.get("uri", "")), given, place)
        headers = authorization(told.get("authentication"), authentications, place)
        key = url, headers.get("Authorization", "")
        kept = self._kept.get(key)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        interface = await _fetched(url, headers, place)
        self._kept.pop(key, None)
        self._kept[key] = time.monotonic() + KEPT_SECONDS, interface
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return interface

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()


interfaces = Interfaces()


async def _fetched(url: str, headers: Mapping[str, str], place: str) -> Interface:
    try:
        connection = connections.anonymous(base_of(url), True, connections.settings)
        reply = await connection.acall("GET", url, headers=headers)
    except ConnectionFailed as error:
        raise refused(error, place) from None
    if reply.status not in SUCCESS:
        raise answered(reply, place)
    try:
        # a large document takes its time; other requests go on meanwhile
        return await asyncio.to_thread(lambda: Interface(parsed(reply.content), url))
    except SettingInvalid as error:
        raise failure("configuration", str(error), place) from None


def request(operation: Operation, given: Mapping[str, Any]) -> Sent:
    """The request of an operation with these arguments; raises SettingInvalid for a missing or an unknown one."""
    left = dict(given)
    path = operation.path
    query: list[tuple[str, str]] = []
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for one in operation.parameters:
        value = given.get(one.name)
        left.pop(one.name, None)
        if value is None:
            if one.required:
                raise SettingInvalid(f"the {one.place} parameter {one.name!r:.100} is needed")
        elif one.place == "path":
            text = _simple(one, value)
            if text in DOTS or not text:
                raise SettingInvalid(f"the path parameter {one.name!r:.100} is empty, or nothing but dots")
            path = path.replace(f"{{{one.name}}}", quote(text, safe=","))
        elif one.place == "query":
            query += _queried(one, value)
        elif one.place == "header":
            headers[one.name] = _simple(one, value)
        else:
            cookies.append(f"{one.name}={quote(_simple(one, value), safe=',')}")
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    if missing := _NAME.search(path):
        raise SettingInvalid(f"the document does not say what {missing[0]:.100} in the path of the operation is")
    content, kind = _content(operation, left)
    if content is None:
        return Sent(operation.method, operation.base.rstrip("/") + path, headers, query)
    headers["Content-Type"] = kind
    return Sent(operation.method, operation.base.rstrip("/") + path, headers, query, {"content": content})


def _content(operation: Operation, left: dict[str, Any]) -> tuple[bytes | None, str]:
    """The body and its media type, from what is left of the arguments once the parameters have theirs."""
    body = operation.body
    is_whole = body is not None and body.name in left and body.name not in body.members
    value = left.pop(body.name) if body is not None and is_whole else None
    unknown = sorted(left.keys() - (body.members if body is not None and not is_whole else frozenset()))
    if unknown:
        names = [one.name for one in operation.parameters]
        known = [*names, *sorted(body.members), *([] if body.name in body.members else [body.name])] if body else names
        raise SettingInvalid(f"the operation takes no {unknown[0]!r:.100}; it takes: {', '.join(known) or 'nothing'}")
    if body is None:
        return None, ""
    value = left if left else value
    if value is None:
        if body.required:
            raise SettingInvalid(f"the body is needed: {body.name!r:.100}, or its members by name")
        return None, ""
    return _written(body, value)


def _written(body: Body, value: Any) -> tuple[bytes, str]:
    media_type = body.media_type.partition(";")[0].strip().lower()
    if media_type in (FORM, MULTIPART):
        if not isinstance(value, Mapping):
            raise SettingInvalid("the body is a form: an object is needed")
        fields = [(name, text) for name, one in value.items() for text in _texts(one)]
        if media_type == MULTIPART:
            return multipart(fields, [])
        return "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in fields).encode(), FORM
    if media_type.endswith(("/json", "+json")) or not isinstance(value, str):
        return orjson.dumps(value), body.media_type
    return value.encode(), body.media_type


def _texts(value: Any) -> list[str]:
    return [_text(one) for one in (value if isinstance(value, list) else [value])]


def _simple(one: Parameter, value: Any) -> str:
    """``a,b`` and ``k,v`` or ``k=v`` (RFC 6570 section 3.2.2), separated by what the document says."""
    separator = _SEPARATORS.get(one.style, ",")
    if one.place == "path" and one.style in ("label", "matrix"):
        raise SettingInvalid(f"the style {one.style} of the parameter {one.name!r:.100} is not done here")
    if isinstance(value, Mapping):
        return separator.join(f"{name}{'=' if one.explode else separator}{_text(part)}" for name, part in value.items())
    return separator.join(_texts(value))


def _queried(one: Parameter, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        if one.style == "deepObject":
            return [(f"{one.name}[{name}]", _text(part)) for name, part in value.items()]
        if one.style == "form" and one.explode:
            return [(name, _text(part)) for name, part in value.items()]
    if isinstance(value, list) and one.explode:
        return [(one.name, text) for text in _texts(value)]
    return [(one.name, _simple(one, value))]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if value is not None else ""
