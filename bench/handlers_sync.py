"""The same process functions as in ``handlers.py``, written for threads."""

from __future__ import annotations

from typing import Any


def get_item(id: int, active: bool, sizes: list[int]) -> dict[str, Any]:
    """One item; what comes back is what was cast."""
    return {"id": id, "active": active, "sizes": sizes}


def create_order(body: dict[str, Any]) -> dict[str, Any]:
    """Take an order and count its lines and pieces."""
    lines = body["lines"]
    return {"customer": body["customer"], "lines": len(lines), "pieces": sum(line["count"] for line in lines)}
