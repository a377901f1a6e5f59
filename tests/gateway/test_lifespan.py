"""The lifespan of an application: complete, failed, or not known to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apimgmt.gateway.http.lifespan import Lifespan


def live(app: Any) -> dict[str, Any]:
    """Start and end the application; its state."""

    async def run() -> dict[str, Any]:
        state: dict[str, Any] = {}
        lifespan = Lifespan(app, state)
        await lifespan.startup()
        await lifespan.shutdown()
        return state

    return asyncio.run(run())


def answering(startup: str, shutdown: str) -> Any:
    """An application that answers the two events so."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["seen"] = [(await receive())["type"]]
        await send({"type": startup, "message": "why"})
        scope["state"]["seen"].append((await receive())["type"])
        await send({"type": shutdown, "message": "why"})

    return app


def test_complete() -> None:
    """Both events arrive in order, and the state is what the application made of it."""
    assert live(answering("lifespan.startup.complete", "lifespan.shutdown.complete")) == {
        "seen": ["lifespan.startup", "lifespan.shutdown"]
    }


@pytest.mark.parametrize("failing", ("startup", "shutdown"))
def test_failed(failing: str) -> None:
    """A failure is raised with the application's message."""
    events = {"startup": "lifespan.startup.complete", "shutdown": "lifespan.shutdown.complete"}
    events[failing] = f"lifespan.{failing}.failed"
    with pytest.raises(RuntimeError, match=f"{failing}.failed: why"):
        live(answering(**events))


def test_not_known() -> None:
    """An application that raises or returns instead is a failure too."""

    async def raising(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("only http")

    async def returning(scope: Any, receive: Any, send: Any) -> None:
        return

    for app, match in ((raising, "only http"), (returning, "before startup")):
        with pytest.raises(RuntimeError, match=match):
            live(app)
