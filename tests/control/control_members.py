"""The admin API without sockets, as members of the platform call it."""

from __future__ import annotations

from typing import Any

from apimgmt.asgi import admin_runtime
from apimgmt.control.service import Control
from apimgmt.gateway.app import Gateway
from apimgmt.settings import Settings
from harness import Answer, Client

BASE = "/api/v1"
ROLES = ("admin", "designer", "operator", "viewer")
PASSWORD = "correct horse"


class Platform:
    """An admin API over a control plane."""

    def __init__(self, settings: Settings, control: Control) -> None:
        self.control = control
        self.app = Gateway(admin_runtime(settings, control))

    def ask(self, method: str, path: str, token: str = "", body: Any = None, address: str = "192.0.2.7") -> Answer:
        """One request with a bearer token, or without one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return Client(self.app, address=address).request(method, BASE + path, headers, json=body)

    def join(self, name: str, role: str) -> str:
        """Make a user and log in; the session's token."""
        self.control.users.create({"name": name, "password": PASSWORD, "role": role})
        return self.log_in(name)

    def log_in(self, name: str) -> str:
        """The token of a new session."""
        answer = self.ask("POST", "/sessions", body={"name": name, "password": PASSWORD})
        assert answer.status == 201, answer
        return str(answer.json()["token"])
