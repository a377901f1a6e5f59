"""The five handlers that every kind of resource has, made from its :class:`Resources`: no decisions here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimgmt.control.resources import Resources, Shown
from apimgmt.control.sessions import Member
from apimgmt.processes import Envelope, Invocation
from apimgmt.request import SCOPE_KEY, Request

Handler = Callable[[Invocation], Any]


def crud(resources: Resources[Any], one: str, many: str, path: str) -> dict[str, Handler]:
    """operationId -> handler: list, create, get, replace and delete, with ``one`` or ``many`` after it.

    ``path`` is where they are below ``/api/v1``; the path parameter is called ``id`` and takes an id or a name.
    """

    def every(invocation: Invocation) -> Any:
        return resources.all()

    def create(invocation: Invocation) -> Any:
        shown = resources.create(invocation.data.body)
        headers = {"ETag": shown.etag, "Location": f"/api/v1/{path}/{shown.view['id']}", "Cache-Control": "no-store"}
        return shown.view, 201, headers

    def get(invocation: Invocation) -> Any:
        return tagged(resources.get(invocation.data.path.id))

    def replace(invocation: Invocation) -> Any:
        return tagged(resources.replace(invocation.data.path.id, invocation.data.body, if_match(invocation)))

    def delete(invocation: Invocation) -> Any:
        resources.delete(invocation.data.path.id, if_match(invocation))
        return Envelope(204)

    return {
        f"list{many}": every,
        f"create{one}": create,
        f"get{one}": get,
        f"replace{one}": replace,
        f"delete{one}": delete,
    }


def tagged(shown: Shown) -> Any:
    """A resource with its entity tag."""
    return shown.view, 200, {"ETag": shown.etag}


def if_match(invocation: Invocation) -> str | None:
    """The field If-Match of a request (RFC 9110 section 13.1.1)."""
    value: str | None = invocation.data.httpHeaders["if-match"]
    return value


def member(invocation: Invocation) -> Member:
    """Who asks."""
    request: Request = invocation.scope[SCOPE_KEY]
    found: Member = request.caller["member"]
    return found
