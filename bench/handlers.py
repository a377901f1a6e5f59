"""The process functions of the benchmark, written for the event loop.

Connexion and this product run the same functions, as they are.
"""

from __future__ import annotations

from typing import Any

from bench.exchanges import KEY


async def get_item(id: int, active: bool, sizes: list[int]) -> dict[str, Any]:
    """One item; what comes back is what was cast."""
    return {"id": id, "active": active, "sizes": sizes}


async def create_order(body: dict[str, Any]) -> dict[str, Any]:
    """Take an order and count its lines and pieces."""
    lines = body["lines"]
    return {"customer": body["customer"], "lines": len(lines), "pieces": sum(line["count"] for line in lines)}


def check_key(key: str, required_scopes: object = None) -> dict[str, str] | None:
    """Connexion's API key function; this product compares a hashed key in the snapshot instead."""
    return {"sub": "bench"} if key == KEY else None
