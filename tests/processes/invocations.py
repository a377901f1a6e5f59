"""Invocations by hand, for tests of one process without a gateway."""

from __future__ import annotations

import asyncio
from typing import Any

from apimgmt.members import HeaderMembers, Members
from apimgmt.model import CompiledApi, Operation, Parameter
from apimgmt.processes import Data, Invocation, Process


def operation(*parameters: Parameter, **fields: Any) -> Operation:
    """An operation ``get /a``."""
    return Operation(**{"key": "get /a", "method": "get", "path": "/a", "parameters": parameters, **fields})


def api(*operations: Operation, specification: Any = "3.0", **fields: Any) -> CompiledApi:
    """An API of these operations."""
    return CompiledApi(title="t", version="1", specification=specification, operations=operations, **fields)


def invocation(one: Operation, headers: dict[str, str] | None = None, claims: Any = None, **data: Any) -> Invocation:
    """An invocation of an operation; ``data`` are fields of Data."""
    fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    scope = {
        "type": "http",
        "method": one.method.upper(),
        "path": one.path,
        "raw_path": one.path.encode(),
        "query_string": b"q=1",
        "scheme": "https",
        "client": ("192.0.2.1", 5),
        "headers": [(b"host", b"h.example"), *fields],
    }
    members: dict[str, Any] = {name: Members(data.pop(name, {})) for name in ("path", "query", "cookie")}
    given = Data(scope, header=HeaderMembers(data.pop("header", {})), **members, **data)
    return Invocation(one, given, scope, claims)


def run(process: Process, called: Invocation) -> Any:
    """The result of one run."""

    async def once() -> Any:
        return await process(called)

    return asyncio.run(once())
