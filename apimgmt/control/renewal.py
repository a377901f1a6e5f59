"""Secrets after ``secret_keys`` changed: encrypted anew with the newest key, or given up where no key decrypts them."""

from __future__ import annotations

from typing import Any

from apimgmt.control.authorization.signing import SigningKeys
from apimgmt.control.connections import Connections


class Renewal:
    """Renews everything that the store keeps encrypted."""

    def __init__(self, connections: Connections, signing: SigningKeys) -> None:
        self._connections = connections
        self._signing = signing

    def renew(self) -> dict[str, Any]:
        """``renewed`` and ``lost`` are names of connections: the secrets of the latter have to be given again.

        ``signingKey`` is the id of a new key of our authorization server, null if the one before is not lost.
        """
        renewed, lost = self._connections.renew_secrets()
        return {"renewed": renewed, "lost": lost, "signingKey": self._signing.renew()}
