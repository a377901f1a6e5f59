"""The handlers of the operations with which somebody signs in to a connection: no decisions here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apimgmt.control.crud import member
from apimgmt.control.signon import SignOn
from apimgmt.processes import Envelope, Invocation

Handler = Callable[[Invocation], Any]


def signon_handlers(sign_on: SignOn) -> dict[str, Handler]:
    """operationId -> handler."""

    def authorize(invocation: Invocation) -> Any:
        return sign_on.begin(invocation.data.path.id, member(invocation)), 200, {"Cache-Control": "no-store"}

    def get(invocation: Invocation) -> Any:
        return sign_on.view(invocation.data.path.id)

    def end(invocation: Invocation) -> Any:
        sign_on.end(invocation.data.path.id)
        return Envelope(204)

    return {"authorizeConnection": authorize, "getAuthorization": get, "endAuthorization": end}
