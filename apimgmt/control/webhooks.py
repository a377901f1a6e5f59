"""What became of the webhooks that connections sent, for people: listed, looked at, sent again."""

from __future__ import annotations

from typing import Any

from apimgmt.connections.webhooks.deliveries import Delivery
from apimgmt.connections.webhooks.sending import deliveries, send_again
from apimgmt.control.connections import Connections
from apimgmt.control.crud import Handler
from apimgmt.control.resources import with_defaults
from apimgmt.errors import ConnectionFailed, Problem
from apimgmt.processes import Invocation

MOST_SECONDS = 25.0  # an operation of the admin API has 30
MOST_SHOWN = 1_000


class Webhooks:
    """The deliveries of this machine's connections."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def all(self, reference: str, state: str = "") -> list[dict[str, Any]]:
        """The last state of each, the newest first; of one ``state`` only, if it is given."""
        connection = self._connections.opened(reference, MOST_SECONDS)
        try:
            found = [one for one in deliveries(connection).all() if state in ("", one.state)]
        finally:
            connection.close()
        return [_view(one) for one in found[:MOST_SHOWN]]

    def send_again(self, reference: str, identity: str) -> dict[str, Any]:
        """Send one again, under its id; the answer says what became of it, also if it failed."""
        connection = self._connections.opened(reference, MOST_SECONDS)
        log = deliveries(connection)
        try:
            delivery = log.find(identity)
            if delivery is None:
                raise Problem("not-found", f"{connection.name!r} sent no webhook {identity[:100]!r} that is remembered")
            if not delivery.payload:
                raise Problem("conflict", "what was sent was too long to be kept, so it cannot be sent again")
            return _view(send_again(connection, delivery))
        except ConnectionFailed:
            failed = log.find(identity)
            assert failed is not None
            return _view(failed)
        finally:
            self._connections.noted(connection.name, f"webhook {identity} again")
            connection.close()


def webhook_handlers(webhooks: Webhooks) -> dict[str, Handler]:
    """operationId -> handler."""

    def every(invocation: Invocation) -> Any:
        return webhooks.all(invocation.data.path.id, invocation.data.query.state or "")

    def again(invocation: Invocation) -> Any:
        return webhooks.send_again(invocation.data.path.id, invocation.data.path.delivery)

    return {"listDeliveries": every, "sendDeliveryAgain": again}


def _view(delivery: Delivery) -> dict[str, Any]:
    """A delivery with its defaults, and whether it can be sent again instead of what was sent."""
    return {**with_defaults(delivery), "payload": bool(delivery.payload)}
