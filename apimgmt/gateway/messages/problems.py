"""Problems as replies: problem details (RFC 9457), or the ``{error: {code, message, details}}`` shape per API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from apimgmt.errors import Problem
from apimgmt.formats.json import dumps
from apimgmt.gateway.messages.reply import Reply, checked_fields, checked_status

MOST_ERRORS = 100
LONGEST_POINTER = 1_000


def problem_reply(problem: Problem, instance: str = "", error_format: Literal["problem", "error"] = "problem") -> Reply:
    """The reply for a problem. ``errors`` has at most 100 entries; ``errorsOmitted`` counts the rest (H-109).

    A pointer is cut after 1,000 characters: the names in it are the caller's, and may be as long as the body.
    """
    document = problem.document(instance)
    errors = document.get("errors", [])
    if len(errors) > MOST_ERRORS:
        document["errors"] = errors[:MOST_ERRORS]
        document["errorsOmitted"] = len(errors) - MOST_ERRORS
    if errors:
        document["errors"] = [_bounded(error) for error in document["errors"]]
    media_type = b"application/problem+json"
    if error_format == "error":
        document, media_type = _error(problem, document), b"application/json"
    body = dumps(document)
    # an error says something about this request only; 404, 405 and 501 would be cacheable by default (RFC 9110 15.1)
    fields = [(b"content-type", media_type), (b"cache-control", b"no-store"), *checked_fields(problem.headers)]
    return Reply(checked_status(problem.status), [*fields, (b"content-length", b"%d" % len(body))], body)


def _bounded(error: Mapping[str, Any]) -> Mapping[str, Any]:
    pointer = error.get("pointer", "")
    return error if len(pointer) <= LONGEST_POINTER else {**error, "pointer": f"{pointer[:LONGEST_POINTER]}…"}


def _error(problem: Problem, document: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {"code": problem.code, "message": problem.detail or document["title"]}
    if "errors" in document:
        members["details"] = document["errors"]
    kept = ("errorsOmitted", "instance", *(problem.extra or ()))
    return {"error": members | {name: document[name] for name in kept if name in document}}
