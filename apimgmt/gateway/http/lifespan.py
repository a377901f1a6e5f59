"""Start and end of an application in a worker (ASGI lifespan protocol), without a time limit of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from apimgmt.gateway.http.service import Application, Message, Scope


class Lifespan:
    """The lifespan of one application; ``state`` is what it leaves for the scopes of its requests.

    ``extensions`` are what the server has for it: ``tls``, if there is any.
    """

    def __init__(self, app: Application, state: dict[str, Any], extensions: dict[str, Any] | None = None) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
            "extensions": extensions or {},
        }
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.answers: asyncio.Queue[Message] = asyncio.Queue()
        self.task = asyncio.ensure_future(app(scope, self.events.get, self.answers.put))

    async def startup(self) -> None:
        """Wait until the application has started; raises RuntimeError if it does not."""
        await self._step("startup")

    async def shutdown(self) -> None:
        """Wait until the application has ended; raises RuntimeError if it fails to."""
        await self._step("shutdown")
        await self.task

    async def _step(self, event: str) -> None:
        await self.events.put({"type": f"lifespan.{event}"})
        answer = asyncio.ensure_future(self.answers.get())
        await asyncio.wait((answer, self.task), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            cause = self.task.exception()
            raise RuntimeError(f"the application ended before {event} was complete: {cause}") from cause
        message = answer.result()
        if message["type"] != f"lifespan.{event}.complete":
            raise RuntimeError(f"{message['type']}: {message.get('message', '')}")
