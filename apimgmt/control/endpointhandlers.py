"""The handlers of the operations under ``/endpoints``: no decisions here."""

from __future__ import annotations

from typing import Any

from apimgmt.control.crud import Handler, crud, if_match, tagged
from apimgmt.control.endpoints import Endpoints
from apimgmt.processes import Invocation


def endpoint_handlers(endpoints: Endpoints) -> dict[str, Handler]:
    """operationId -> handler."""

    def deploy(invocation: Invocation) -> Any:
        data = invocation.data
        return tagged(endpoints.deploy(data.path.id, data.body.deployed, if_match(invocation)))

    def test(invocation: Invocation) -> Any:
        return endpoints.test(invocation.data.path.id, invocation.data.parsed or {})

    own: dict[str, Handler] = {"deployEndpoint": deploy, "testEndpoint": test}
    return {**crud(endpoints, "Endpoint", "Endpoints", "endpoints"), **own}
