"""What functions written for Connexion, Starlette or Flask return and raise, as results and problems of ours."""

from __future__ import annotations

import http
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from connexion import NoContent
from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from werkzeug.exceptions import HTTPException as WerkzeugException
from werkzeug.wrappers import Response as WerkzeugResponse

from apimgmt.errors import CATALOGUE, ConnectionFailed, Problem
from apimgmt.processes import Answer, Envelope
from apimgmt.processes.functions.shortening import shorten

Pairs = list[tuple[str, str]]

# the first row of the catalogue for a status; others stand under the general ones of their class
_CODES = {kind.status: code for code, kind in reversed(CATALOGUE.items())} | {500: "process-failed"}


async def adapted(result: Any) -> Any:
    """A result of a function as ``gateway/messages.py`` takes it."""
    if isinstance(result, tuple):
        return _unpacked(result)
    if result is NoContent:
        return Answer(None)
    if isinstance(result, ConnexionResponse):
        return _connexion(result)
    if isinstance(result, Response):
        return await _starlette(result)
    if isinstance(result, WerkzeugResponse):
        return Envelope(result.status_code, result.get_data(), headers=list(result.headers))
    return result


def problem_of(error: BaseException) -> Problem:
    """The problem for an exception: what it says on purpose, or ``process-failed`` without any of its words (H-102)."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ConnectionFailed):
        return error.problem()
    if isinstance(error, ProblemException):
        extra = {
            "type": error.type or "about:blank",
            "title": error.title or _phrase(error.status),
            **(error.ext or {}),
        }
        return _problem(error.status, error.detail, error.headers, extra)
    if isinstance(error, HTTPException):
        return _problem(error.status_code, error.detail, error.headers)
    if isinstance(error, WerkzeugException) and error.code is not None:
        headers = [(name, value) for name, value in error.get_headers() if name.lower() != "content-type"]
        return _problem(error.code, error.description, headers)
    shorten(error)
    return Problem("process-failed")


def _problem(status: int, detail: Any, headers: Any, extra: Mapping[str, Any] | None = None) -> Problem:
    if not 300 <= status <= 599:
        return Problem("process-failed")
    code = _CODES.get(status, "bad-request" if status < 500 else "process-failed")
    text = "" if detail is None else str(detail)
    described = extra or {"type": "about:blank", "title": _phrase(status)}
    return Problem(code, text, status=status, headers=_pairs(headers), extra=described)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _unpacked(result: tuple[Any, ...]) -> Any:
    """``(body, status, headers)``, ``(body, status)``, ``(body, headers)`` or ``(body,)``."""
    if not 1 <= len(result) <= 3:
        raise TypeError("a result is (body), (body, status), (body, headers) or (body, status, headers)")
    body, status, headers = result[0], None, None
    if len(result) == 3:
        _, status, headers = result
    elif len(result) == 2:
        is_status = isinstance(result[1], int | Enum)
        status, headers = (result[1], None) if is_status else (None, result[1])
    if isinstance(status, Enum):
        status = status.value
    if status is None:
        status = 204 if body is None else 200
    return Answer(None if body is NoContent else body, status, _pairs(headers))


def _connexion(response: ConnexionResponse) -> Answer | Envelope:
    headers = _pairs(response.headers)
    content_type = response.content_type or response.mimetype
    if isinstance(response.body, str | bytes | None):
        return Envelope(response.status_code, response.body or b"", content_type, headers=headers)
    return Answer(response.body, response.status_code, headers)


async def _starlette(response: Response) -> Envelope:
    """The whole response, also of one that streams or has a task to do afterwards."""
    started: dict[str, Any] = {}
    parts: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        elif message["type"] == "http.response.body":
            parts.append(bytes(message.get("body", b"")))

    async def receive() -> Any:
        raise RuntimeError("a response does not read the request")

    # version 2.4: Starlette streams without waiting for a disconnect beside it
    await response({"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}, receive, send)
    return Envelope(started["status"], b"".join(parts), headers=list(started["headers"]))


def _pairs(headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> Pairs:
    if headers is None:
        return []
    items = getattr(headers, "multi_items", None) or getattr(headers, "items", None)
    return list(items() if items is not None else headers)
