"""Revisions that carry their number in several places of every answer, and what is wrong with a history of answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from product_load import Seen


def document(number: int) -> dict[str, Any]:
    """A document whose mock says the number in three members, in a header, and in the status (even 200, odd 201)."""
    example = {"revision": number, "again": number, "text": f"revision {number}"}
    response = {
        "description": f"revision {number}",
        "headers": {"X-Revision": {"schema": {"type": "integer"}, "example": number}},
        "content": {"application/json": {"example": example}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Revisions", "version": str(number)},
        "paths": {"/number": {"get": {"responses": {"201" if number % 2 else "200": response}}}},
    }


def number_of(seen: Seen) -> int:
    """The revision that an answer is of; raises ValueError if its parts are of several."""
    body = json.loads(seen.body)
    number: int = body["revision"]
    said = [body["again"], int(body["text"].removeprefix("revision ")), int(seen.fields["x-revision"])]
    if said != [number] * 3 or seen.status != (201 if number % 2 else 200):
        raise ValueError(f"mixed: {body}, header {said[2]}, status {seen.status}")
    return number


def faults(history: Iterable[Seen]) -> list[str]:
    """What must not be: no answer, a mixed answer, a revision on one connection that is older than one before it."""
    found = []
    newest: dict[str, int] = {}
    for seen in sorted(history, key=lambda one: one.sent):
        if seen.status not in (200, 201):
            found.append(f"failed: {seen.status} {seen.body[:200]!r}")
            continue
        try:
            number = number_of(seen)
        except ValueError as error:
            found.append(str(error))
            continue
        if number < newest.get(seen.connection, 0):
            found.append(f"back: {number} after {newest[seen.connection]} on {seen.connection}")
        newest[seen.connection] = number
    return found
