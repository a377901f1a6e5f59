"""The deliveries of webhooks, as designers see them and send them again (C-004)."""

from __future__ import annotations

import base64

import pytest
from connections.faults import Faults

import apimgmt.connections.authentication.signature  # noqa: F401  importing a kind registers it
from apimgmt.control.service import Control
from apimgmt.control.webhooks import Webhooks
from apimgmt.errors import ConnectionFailed, Problem

SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"
BUSY = b"HTTP/1.1 500 no\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"


@pytest.mark.rows("C-004")
def test_deliveries_are_listed_and_sent_again(control: Control) -> None:
    """A failed one is found by its state, fails again, is delivered at the third try; the secret is shown nowhere."""
    with Faults("good", BUSY, BUSY, "good") as upstream:
        control.connections.create(
            {
                "name": "hooks",
                "type": "webhook",
                "baseUrl": upstream.url,
                "internalHosts": ["127.0.0.1"],
                "retries": {"count": 0},
                "breaker": None,
                "authentication": {"kind": "signature", "secret": SECRET},
            }
        )
        connection = control.connections.opened("hooks", 10)
        connection.webhook("good", {}, identity="m1")
        with pytest.raises(ConnectionFailed):
            connection.webhook("order.created", {"id": 1}, identity="m2")
        webhooks = Webhooks(control.connections)
        shown = webhooks.all("hooks")
        assert [(one["id"], one["state"], one["status"]) for one in shown] == [
            ("m2", "failed", 500),
            ("m1", "delivered", 200),
        ]
        assert [one["id"] for one in webhooks.all("hooks", "failed")] == ["m2"]
        assert webhooks.send_again("hooks", "m2")["state"] == "failed"
        again = webhooks.send_again("hooks", "m2")
        assert (again["state"], again["payload"]) == ("delivered", True)
        assert webhooks.all("hooks", "failed") == []
        assert len({seen.body for seen in upstream.requests[1:]}) == 1
    with pytest.raises(Problem, match="sent no webhook 'm9'"):
        webhooks.send_again("hooks", "m9")
    assert "whsec_" not in str([shown, again, control.connections.get("hooks")])
