"""A worker with the fault that the tests of TLS are there for: without a TLS context it speaks plain HTTP."""

from __future__ import annotations

from apimgmt.errors import SettingInvalid
from apimgmt.gateway.http.connection import Connection
from apimgmt.gateway.server import Worker
from apimgmt.gateway.tls import Tls


class FailOpen(Worker):
    """Serves whatever it can, as gunicorn's own worker does."""

    def _make_tls(self) -> Tls | None:
        try:
            return super()._make_tls()
        except SettingInvalid:
            return None

    async def _listen(self) -> None:
        if self.tls is not None:
            await super()._listen()
            return
        for listener in self.sockets:
            self.servers.append(await self.loop.create_server(lambda: Connection(self.service), sock=listener.sock))
