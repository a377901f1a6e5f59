"""API management from OpenAPI documents: every operation is a live, locked, secured endpoint bound to a process.

``from apimgmt import connection`` is what a process function needs to call other systems (``docs/connections.md``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimgmt.connections.known import connection as connection

__version__ = "0.1.0"
__all__ = ["__version__", "connection"]


def __getattr__(name: str) -> Any:
    """``connection``, imported when somebody asks for it: the command line starts sooner without it."""
    if name == "connection":
        from apimgmt.connections.known import connection

        return connection
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
