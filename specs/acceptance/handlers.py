"""The process functions of the scenarios."""

from __future__ import annotations

from typing import Any


def text(trigger: Any) -> str:
    """A string result."""
    return "plain as it is"


def thing(trigger: Any) -> dict[str, Any]:
    """An object result."""
    return {"id": 7, "name": "a & b"}


def large(trigger: Any) -> dict[str, Any]:
    """An object that is worth compressing."""
    return {"text": "abc" * 5000}


def envelope(trigger: Any) -> dict[str, Any]:
    """A ready response."""
    return {
        "HttpStatusCode": 202,
        "Content": "käse",
        "ContentEncoding": "iso-8859-1",
        "ContentType": "text/plain",
        "HttpHeaders": [
            {"Key": "Set-Cookie", "Value": "a=1"},
            {"Key": "Set-Cookie", "Value": "b=2"},
            {"Key": "X-Own", "Value": "yes"},
        ],
    }


def half_envelope(trigger: Any) -> dict[str, Any]:
    """A status without a content is an ordinary object."""
    return {"HttpStatusCode": 404}


def other_half(trigger: Any) -> dict[str, Any]:
    """A content without a status is an ordinary object."""
    return {"Content": "text"}


def with_status(code: int) -> Any:
    """A body and the status that the caller asks for."""
    return {"code": code}, code


def created() -> Any:
    """201 in one line."""
    return {"id": 1}, 201


def deleted() -> Any:
    """204 in one line."""
    return None, 204


def crash(trigger: Any) -> Any:
    """An error that would tell too much."""
    raise RuntimeError("SELECT password FROM users WHERE name='admin'")


def members(trigger: Any) -> list[Any]:
    """Members that are there and members that are not."""
    data = trigger.data
    return [data.header["X-Id"], data.header["x-id"], data.httpHeader["X-ID"], data.httpHeader.foo, data.query.gone]


def windows(trigger: Any) -> Any:
    """A member of the body, by dots."""
    return {"windows": trigger.data.body.house.windows, "gone": trigger.data.body.garden}


def is_large(trigger: Any) -> dict[str, bool]:
    """A comparison of a path parameter as a number."""
    return {"large": trigger.data.path.id > 3}


def by_name(id: int, limit: int, body: Any) -> dict[str, Any]:
    """Arguments by name, as in Connexion."""
    return {"id": id, "limit": limit, "body": body}
