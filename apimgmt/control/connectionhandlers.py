"""The handlers of the operations under ``/connections``: no decisions here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from apimgmt.control.calls import Calls
from apimgmt.control.connections import Connections, Consent
from apimgmt.control.crud import crud, if_match, member, tagged
from apimgmt.control.entities import Entities
from apimgmt.processes import Envelope, Invocation

Handler = Callable[[Invocation], Any]


class ConnectionHandlers:
    """One method per operation; its name is the operationId."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._entities = Entities(connections)
        self._calls = Calls(connections)

    def createConnection(self, invocation: Invocation) -> Any:  # noqa: N802  the names are operationIds
        """``POST /connections``: tested first."""
        shown = self._connections.create(invocation.data.body, _consent(invocation))
        return shown.view, 201, {"ETag": shown.etag, "Location": f"/api/v1/connections/{shown.view['id']}"}

    def replaceConnection(self, invocation: Invocation) -> Any:  # noqa: N802
        """``PUT /connections/{id}``: tested first."""
        data = invocation.data
        return tagged(self._connections.replace(data.path.id, data.body, if_match(invocation), _consent(invocation)))

    def testConnection(self, invocation: Invocation) -> Any:  # noqa: N802
        """``POST /connection-tests``: nothing is stored."""
        consent = _consent(invocation)
        return msgspec.to_builtins(
            self._connections.test(invocation.data.body, invocation.data.query.path or "", consent)
        )

    def testStoredConnection(self, invocation: Invocation) -> Any:  # noqa: N802
        """``POST /connections/{id}/test``."""
        data = invocation.data
        return msgspec.to_builtins(self._connections.test_stored(data.path.id, data.query.path or ""))

    def callConnection(self, invocation: Invocation) -> Any:  # noqa: N802
        """``POST /connections/{id}/call``."""
        answer = self._calls.call(invocation.data.path.id, invocation.data.body)
        return answer, 200, {"Cache-Control": "no-store"}

    def listEntities(self, invocation: Invocation) -> Any:  # noqa: N802
        """``GET /connections/{id}/entities``."""
        return self._entities.all(invocation.data.path.id)

    def getEntity(self, invocation: Invocation) -> Any:  # noqa: N802
        """``GET /connections/{id}/entities/{name}``."""
        path = invocation.data.path
        return tagged(self._entities.get(path.id, path.name))

    def replaceEntity(self, invocation: Invocation) -> Any:  # noqa: N802
        """``PUT /connections/{id}/entities/{name}``."""
        path = invocation.data.path
        return tagged(self._entities.put(path.id, path.name, invocation.data.body, if_match(invocation)))

    def deleteEntity(self, invocation: Invocation) -> Any:  # noqa: N802
        """``DELETE /connections/{id}/entities/{name}``."""
        path = invocation.data.path
        self._entities.delete(path.id, path.name, if_match(invocation))
        return Envelope(204)


def connection_handlers(connections: Connections) -> dict[str, Handler]:
    """operationId -> handler."""
    own = ConnectionHandlers(connections)
    names = [name for name in vars(ConnectionHandlers) if not name.startswith("_")]
    found = crud(connections, "Connection", "Connections", "connections")
    return found | {name: getattr(own, name) for name in names}


def _consent(invocation: Invocation) -> Consent:
    query = invocation.data.query
    return Consent(admin=member(invocation).role == "admin", force=bool(query.force), untested=bool(query.untested))
