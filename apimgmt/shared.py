"""What a worker keeps while runtimes come and go: counters, caches, fetched key sets, verified passwords.

A policy or an authentication kind asks for its own part by its class; the part is made at the first asking and lives as
long as the worker. A part takes the settings, and may have an ``async close()``.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from apimgmt.settings import Settings


class Part(Protocol):
    """Anything that is made from the settings alone."""

    def __init__(self, settings: Settings) -> None: ...


P = TypeVar("P", bound=Part)


class Shared:
    """The long-lived parts of one worker, by class."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts: dict[type, Any] = {}

    def part(self, kind: type[P]) -> P:
        """The one of this class."""
        if kind not in self._parts:
            self._parts[kind] = kind(self._settings)
        found: P = self._parts[kind]
        return found

    async def close(self) -> None:
        """Let go of connections and files."""
        for part in self._parts.values():
            if hasattr(part, "close"):
                await part.close()
