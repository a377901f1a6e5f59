"""A call through a stored connection, for whoever sets it up: what came back, with the connection's secrets masked."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from apimgmt.connections import Reply
from apimgmt.connections.connection import Connection
from apimgmt.control.connections import Connections
from apimgmt.errors import ConnectionFailed, Problem, SettingInvalid
from apimgmt.model import Struct
from apimgmt.reading import read

MOST_SECONDS = 25.0  # an operation of the admin API has 30
MOST_SHOWN_BYTES = 1_048_576
MOST_ROWS = 1_000
# of what is shown as JSON: what writes and masks it goes from level to level by recursion
DEEPEST = 100
READING = frozenset(("GET", "HEAD", "OPTIONS"))


class Wanted(Struct, frozen=True):
    """What is to be called: a path below the base URL, or an ``entity`` with its ``parameters``."""

    method: str = "GET"
    path: str = ""
    query: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it
    headers: dict[str, str] = {}  # noqa: RUF012
    json: Any = None
    form: dict[str, Any] | None = None
    content: str | None = None
    entity: str = ""
    parameters: dict[str, Any] = {}  # noqa: RUF012
    most: int = 100


class Calls:
    """Calls through stored connections."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def call(self, reference: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make the call of a body and say what came back; raises Problem("connection-failed")."""
        wanted = read(dict(body), Wanted)
        row = self._connections.get(reference).view
        connection = self._connections.opened(reference, MOST_SECONDS)
        method = wanted.method.upper()
        if not wanted.entity and method not in READING:
            self._connections.noted(row["name"], f"{method} {wanted.path.partition('?')[0]}"[:300])
        try:
            answer = _rows(connection, wanted) if wanted.entity else _reply(connection, wanted)
        except ConnectionFailed as error:
            extra = {"cause": error.cause, "remedy": error.remedy}
            if isinstance(error.reply, Reply):
                extra["answer"] = masking(connection)(_shown(error.reply, connection))
            raise Problem("connection-failed", f"{error}. {error.remedy}", extra=extra) from None
        except SettingInvalid as error:
            raise Problem("validation", str(error)) from None
        finally:
            connection.close()
        masked: dict[str, Any] = masking(connection)(answer)
        return masked


def masking(connection: Connection) -> Callable[[Any], Any]:
    """A function that writes *** for every secret of a connection, however deep in a JSON value it is said again."""
    text = connection.masking().text

    def mask(value: Any) -> Any:
        if isinstance(value, dict):
            return {mask(name): mask(part) for name, part in value.items()}
        if isinstance(value, list):
            return [mask(part) for part in value]
        return text(value) if isinstance(value, str) else value

    return mask


def _reply(connection: Connection, wanted: Wanted) -> dict[str, Any]:
    reply = connection.call(
        wanted.method,
        wanted.path,
        query=wanted.query,
        headers=wanted.headers,
        json=wanted.json,
        form=wanted.form,
        content=None if wanted.content is None else wanted.content.encode(),
    )
    return _shown(reply, connection)


def _rows(connection: Connection, wanted: Wanted) -> dict[str, Any]:
    """The first rows of an entity, and whether there are more."""
    most = max(1, min(wanted.most, MOST_ROWS))
    found = list(itertools.islice(connection.entity(wanted.entity).list(**wanted.parameters), most + 1))
    if any(map(_is_deep, found)):
        raise ConnectionFailed("too-large", f"the rows are nested more than {DEEPEST} deep")
    rows: list[Any] = orjson.loads(orjson.dumps(found[:most], default=str))
    return {"rows": rows, "more": len(found) > most}


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [part for parts in inner for part in parts]
    return any(isinstance(one, dict | list) for one in level)


def _shown(reply: Reply, connection: Connection) -> dict[str, Any]:
    """Status, header fields and body: JSON as JSON, text as text, all else in Base64."""
    answer = {
        "status": reply.status,
        "headers": [{"name": name, "value": value} for name, value in reply.headers],
        "seconds": round(reply.seconds, 3),
        "attempts": reply.attempts,
    }
    content = reply.content[:MOST_SHOWN_BYTES]
    if len(content) < len(reply.content):
        answer["truncated"] = True
    elif "json" in (reply.header("content-type") or ""):
        try:
            body = orjson.loads(content)
            if not _is_deep(body):
                return {**answer, "body": body}
        except ValueError:
            pass
    try:
        return {**answer, "body": content.decode("utf-8", "strict" if "truncated" not in answer else "ignore")}
    except UnicodeDecodeError:
        # what is masked later would not be found in Base64
        content = (
            connection.masking().text(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        )
        return {**answer, "body": base64.b64encode(content).decode(), "encoding": "base64"}
