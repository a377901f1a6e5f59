"""The admin API over connections, without sockets, for its administrator."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from control_members import Platform
from control_samples import take_in

from apimgmt.archive import Archive
from apimgmt.asgi import ADMIN_BASE  # importing it registers every plug-in
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.settings import Settings
from harness import Answer, Client

TOKEN = "the administrator's"
SECRET = "s3cret-of-the-crm-4711"
BEARER = {"kind": "bearer", "token": SECRET}
URL = "http://127.0.0.1:9/v2"


class Plane(Platform):
    """An admin API in a folder of its own, for its administrator unless a token is given."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        archive = Archive(settings.root)
        super().__init__(settings, Control(settings, self.store, archive, take_in, (), 0.1, [digest]))

    def send(self, method: str, path: str, body: Any = None, token: str = TOKEN, tag: str = "") -> Answer:
        """One request; ``tag`` is the If-Match of it."""
        headers = {"Authorization": f"Bearer {token}"} | ({"If-Match": tag} if tag else {})
        return Client(self.app).request(method, ADMIN_BASE + path, headers, json=body)

    def add(self, name: str = "crm", query: str = "untested=true", token: str = TOKEN, **members: Any) -> Answer:
        """A new connection, not tested."""
        return self.send("POST", f"/connections?{query}", {"name": name, "baseUrl": URL, **members}, token)

    def change(self, name: str = "crm", query: str = "untested=true", token: str = TOKEN, **members: Any) -> Answer:
        """Another state of one, not tested."""
        return self.send("PUT", f"/connections/{name}?{query}", {"baseUrl": URL, **members}, token)

    def plain(self, name: str = "crm") -> dict[str, Any]:
        """What a worker would use, the secrets in the clear."""
        connection = self.control.connections.opened(name, 5)
        connection.close()
        found: dict[str, Any] = msgspec.to_builtins(connection.configuration)
        return found


def pointer(answer: Answer) -> str:
    """The place of the one thing that a 400 finds wrong."""
    assert answer.status == 400, answer
    (error,) = answer.json()["errors"]
    return str(error["pointer"])
