"""GraphQL over HTTP: a document and variables are posted, and errors in an answer are errors (C-003)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from apimgmt.connections import Reply
from apimgmt.errors import ConnectionFailed
from apimgmt.model import Struct

ACCEPT = "application/graphql-response+json, application/json;q=0.9"
SHOWN = 3
LONGEST = 200


class GraphQL(Struct, frozen=True):
    """The document of an entity, and which of its operations is meant if it has several.

    ``variables`` is a JSON template; without it every parameter is a variable.
    """

    document: str
    operation_name: str = ""
    variables: dict[str, Any] | None = None

    def envelope(self, variables: dict[str, Any]) -> dict[str, Any]:
        """The object to post with these variables."""
        return body(self.document, variables, self.operation_name)


def body(document: str, variables: Mapping[str, Any] | None = None, operation: str = "") -> dict[str, Any]:
    """The object to post (GraphQL over HTTP, section "Request parameters")."""
    made: dict[str, Any] = {"query": document}
    if variables:
        made["variables"] = dict(variables)
    if operation:
        made["operationName"] = operation
    return made


def data(reply: Reply) -> Any:
    """The ``data`` of an answer; raises ConnectionFailed("status") for errors in it, with their first messages."""
    try:
        answer = orjson.loads(reply.content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not ({"data", "errors"} & answer.keys()):
        reply.raise_for_status()
        raise ConnectionFailed("protocol", "the answer is not one of GraphQL: no `data`, no `errors`", reply=reply)
    if answer.get("errors"):
        raise ConnectionFailed("status", f"GraphQL: {_messages(answer['errors'])}", reply=reply)
    reply.raise_for_status()
    return answer.get("data")


def _messages(errors: Any) -> str:
    listed = errors if isinstance(errors, list) else [errors]
    texts = [_message(error) for error in listed[:SHOWN]]
    more = len(listed) - len(texts)
    return "; ".join(texts) + (f"; and {more} more" if more else "")


def _message(error: Any) -> str:
    text = error.get("message") if isinstance(error, dict) else None
    if not isinstance(text, str) or not text:
        return "an error without a message"
    plain = "".join(sign if sign.isprintable() else " " for sign in text[:LONGEST])
    path = error.get("path")
    steps = ".".join(str(step)[:60] for step in path[:10]) if isinstance(path, list) else ""
    cut = plain if len(text) <= LONGEST else plain[:-1] + "…"
    return f"{cut} (at {steps})" if steps else cut
