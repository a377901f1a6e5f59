"""The APIs that the tests of this folder attack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from product_platform import Product

ROOT = Path(__file__).parents[2]
BOOKSHOP = ROOT / "apimgmt" / "control" / "demo.yaml"
WORKSHOP = ROOT / "specs" / "documents" / "workshop.yaml"
FUNCTIONS = {"addTool": "add_tool", "getTool": "get_tool", "changeTool": "change_tool", "deleteTool": "delete_tool"}
MOCKS = ("listTools", "getShelf")


def publish_workshop(product: Product) -> dict[str, Any]:
    """Every way to write a parameter, a body and a response; two operations are mocks, the rest are functions."""
    api: dict[str, Any] = product.upload("workshop", WORKSHOP.read_text("utf-8"), allowPublic="true")
    bindings = {}
    for operation in api["operations"]:
        name = operation["operationId"]
        if name not in MOCKS:
            function = FUNCTIONS.get(name, "took" if name.startswith("send") else "ran")
            bindings[name] = {"kind": "python", "function": function}
    product.bind("workshop", bindings)
    return api


def publish_bookshop(product: Product) -> dict[str, Any]:
    """What ``apimgmt start --demo`` shows to new users: all mocks."""
    api: dict[str, Any] = product.upload("bookshop", BOOKSHOP.read_text("utf-8"))
    return api
