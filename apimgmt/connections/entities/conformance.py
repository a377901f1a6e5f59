"""Calls held against the document that their entity was discovered from, with openapi-core (``check`` of a connection).

The request is looked at before it is sent, the answer when it has come. What is checked is not the document itself but
what our compiler made of its one operation, so that Swagger 2.0 and OpenAPI 3.0 to 3.2 are checked alike, nothing is
fetched, and patterns, which the other system wrote, are matched in linear time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import re2
import requests
from jsonschema import ValidationError
from jsonschema.validators import extend
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from openapi_core.validation.request.exceptions import MissingRequiredParameter
from openapi_core.validation.request.validators import V31RequestValidator
from openapi_core.validation.response.validators import V31ResponseValidator
from openapi_core.validation.schemas.factories import SchemaValidatorsFactory
from openapi_schema_validator import OAS30ReadValidator, OAS31Validator

from apimgmt.archive import Archive
from apimgmt.connections import Call, Reply
from apimgmt.connections.entities.contract import Contract, placeholder
from apimgmt.errors import ConnectionFailed, SnapshotRefused
from apimgmt.model import CompiledApi, MediaType, Operation, Parameter, Response

MOST_SHOWN = 5
MOST_REPORTED = 1_000

_log = logging.getLogger("apimgmt.connections")


class Conformance:
    """Holds the calls of one entity against its operation. ``enforced`` refuses what does not fit, otherwise it is
    logged, each fault once."""

    def __init__(self, connection: Any, name: str, path: str, contract: Contract) -> None:
        self._name = f"{connection.name}.{name}"
        self._enforced = connection.configuration.check == "enforce"
        authentication = connection.configuration.authentication
        # put on when the call has been looked at
        self._credentials = {"authorization", str(authentication.get("name", "")).lower()}
        self._reported: set[str] = set()
        compiled = connection.kept(("document", contract.document), lambda: _load(connection, contract.document))
        operation = next((one for one in compiled.operations if one.key == contract.operation), None)
        if operation is None:
            raise ConnectionFailed("schema", "its operation is not in the kept document: discover it again")
        self._statuses = set(operation.responses)
        document = described(operation, compiled, path.partition("?")[0], connection.configuration.base_url)
        self._document = OpenAPI.from_dict(document, config=_CONFIG)

    def request(self, call: Call) -> None:
        """Look at a request; raises ConnectionFailed("schema") if it does not fit and that is enforced."""
        self._tell("the request", lambda: self._document.iter_request_errors(_request(call)))

    def reply(self, call: Call, reply: Reply) -> None:
        """Look at an answer. An error that the document does not know is left to whoever asked."""
        documented = {str(reply.status), f"{reply.status // 100}XX", "default"} & self._statuses
        if reply.outcome != "success" and not documented:
            return
        self._tell("the answer", lambda: self._document.iter_response_errors(_request(call), _response(reply)))

    def _tell(self, what: str, look: Any) -> None:
        try:
            faults = [text for error in look() if not self._is_credential(error) for text in _texts(error)]
        except RecursionError:
            faults = ["is nested too deeply to be checked"]
        except (OpenAPIError, ValueError, LookupError, TypeError) as error:
            faults = [f"cannot be checked ({type(error).__name__})"]
        if not faults:
            return
        shown = "; ".join(faults[:MOST_SHOWN]) + ("; ..." if len(faults) > MOST_SHOWN else "")
        if self._enforced:
            raise ConnectionFailed("schema", f"{what} is not as the document says: {shown}")
        if shown not in self._reported and len(self._reported) < MOST_REPORTED:
            self._reported.add(shown)
            _log.warning("%s: %s is not as the document says: %s", self._name, what, shown)

    def _is_credential(self, error: Any) -> bool:
        return isinstance(error, MissingRequiredParameter) and error.name.lower() in self._credentials


def described(operation: Operation, compiled: CompiledApi, path: str, base_url: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document with one operation, at ``path`` below ``base_url``.

    References stay as they are in a compiled API (``#/$defs/NAME``), for its schemas are at that place here too.
    """
    shown: dict[str, Any] = {
        "parameters": [_parameter(one) for one in operation.parameters if one.location != "querystring"],
        "responses": {code: _answer(response) for code, response in operation.responses.items()},
    }
    if operation.body is not None:
        shown["requestBody"] = {"required": operation.body.required, "content": _content(operation.body.content)}
    return {
        "openapi": "3.1.0",
        "info": {"title": compiled.title, "version": compiled.version},
        "servers": [{"url": base_url.rstrip("/")}],
        "paths": {"/" + path.lstrip("/"): {operation.method: shown}},
        "$defs": compiled.schemas,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    is_path = parameter.location == "path"
    shown: dict[str, Any] = {
        "name": placeholder(parameter.name) if is_path else parameter.name,
        "in": parameter.location,
        "required": parameter.required,
    }
    if parameter.media_type is not None:
        return {**shown, "content": {parameter.media_type: {"schema": parameter.schema}}}
    return {**shown, "schema": parameter.schema, "style": parameter.style, "explode": parameter.explode}


def _answer(response: Response) -> dict[str, Any]:
    headers = {
        name: {"required": one.required, "schema": one.schema}
        for name, one in response.headers.items()
        if one.media_type is None
    }
    return {"description": "", "headers": headers, "content": _content(response.content)}


def _content(content: dict[str, MediaType]) -> dict[str, Any]:
    return {name: {"schema": media.schema} for name, media in content.items()}


def _load(connection: Any, digest: str) -> CompiledApi:
    try:
        return Archive(connection.settings.root).load_api(digest)
    except SnapshotRefused:
        raise ConnectionFailed("schema", "the document of this entity is not kept here: discover it again") from None


def _request(call: Call) -> RequestsOpenAPIRequest:
    return RequestsOpenAPIRequest(
        requests.Request(call.method, call.url, headers=dict(call.headers), data=call.content or None)
    )


def _response(reply: Reply) -> RequestsOpenAPIResponse:
    response = requests.Response()
    response.status_code = reply.status
    response._content = reply.content
    response.headers.update(reply.headers)
    return RequestsOpenAPIResponse(response)


def _texts(error: Any) -> Iterator[str]:
    """What is wrong, with its place, without any value."""
    if isinstance(error, ResponseNotFound):
        yield f"the status {error.http_status} is not in the document"
        return
    place = f"{error.location} {error.name}: " if hasattr(error, "location") and hasattr(error, "name") else ""
    schema_errors = getattr(error.__cause__, "schema_errors", None)
    if schema_errors:
        for one in schema_errors:
            yield f"{place}{_path(one)} does not meet `{one.validator}`"
    else:
        yield f"{place}{type(error.__cause__ or error).__name__}"


def _path(error: ValidationError) -> str:
    path = str(error.json_path)[:200]
    # a missing member is named: it is a name of the document
    if error.validator == "required" and isinstance(error.validator_value, list):
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{path} (without {', '.join(map(str, missing[:MOST_SHOWN]))})"
    return path


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """``pattern``, in linear time; one that RE2 does not know is not checked."""
    if validator.is_type(instance, "string"):
        compiled = _compiled(str(pattern))
        if compiled is not None and not compiled.search(instance):
            yield ValidationError("does not match")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """``patternProperties``, in linear time."""
    if validator.is_type(instance, "object"):
        for pattern, inner in patterns.items():
            compiled = _compiled(str(pattern))
            for name, value in instance.items():
                if compiled is not None and compiled.search(name):
                    yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional(validator: Any, additional: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """``additionalProperties``, for the library's own would match the patterns beside it in its own way."""
    if not validator.is_type(instance, "object"):
        return
    patterns = [_compiled(str(pattern)) for pattern in schema.get("patternProperties", {})]
    for name, value in instance.items():
        if name in schema.get("properties", {}) or any(one is None or one.search(name) for one in patterns):
            continue
        if additional is False:
            yield ValidationError("is not in the document")
        elif additional is not True:
            yield from validator.descend(value, additional, path=name)


def _unchecked(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """A keyword that is not looked at."""
    yield from ()


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


# what is unevaluated depends on patterns too, which the library would match in its own way
_KEYWORDS = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "unevaluatedProperties": _unchecked,
}
_FACTORY = SchemaValidatorsFactory(
    extend(OAS31Validator, _KEYWORDS),
    format_checker=OAS30ReadValidator.FORMAT_CHECKER,
)


class _Requests(V31RequestValidator):
    schema_validators_factory: Any = _FACTORY


class _Responses(V31ResponseValidator):
    schema_validators_factory: Any = _FACTORY


# the document was checked when it was taken in
_UNCHECKED_DOCUMENT: Any = None
_CONFIG = Config(
    spec_validator_cls=_UNCHECKED_DOCUMENT,
    request_validator_cls=_Requests,
    response_validator_cls=_Responses,
)
