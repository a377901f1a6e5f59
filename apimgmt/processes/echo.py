"""echo: 200 and what a process would receive, after casting; for designers who want to see it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from apimgmt.model import CompiledApi, Operation, Struct
from apimgmt.processes import Data, Invocation, Process
from apimgmt.registry import register

# httpHeaders is left out: it would show Authorization to every script that may call the operation
SHOWN = (
    *("httpBody", "httpClientIp", "httpContentBytesInBase64", "httpCookies", "httpHeader", "httpMethod"),
    *("httpRequestUri", "username"),
)


@register("process", "echo")
class Echo(Struct, frozen=True):
    """Answers ``{operation, parameters, body, trigger}``; has no configuration."""

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The process for an operation."""
        locked = {"method": operation.method.upper(), "path": operation.path, "key": operation.key}

        async def echo(invocation: Invocation) -> dict[str, Any]:
            data = invocation.data
            return {
                "operation": locked,
                "parameters": {name: shown(getattr(data, name)) for name in ("path", "query", "header", "cookie")},
                "body": shown(data.body),
                "trigger": _trigger(data) | {"claimsprincipal": _claims(invocation.claimsprincipal)},
            }

        return echo


def shown(value: Any) -> Any:
    """``value`` as JSON can show it: bytes in Base64, a file as its name, type and size."""
    if isinstance(value, Mapping):
        return {str(name): shown(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if hasattr(value, "filename"):
        return {"filename": value.filename, "contentType": value.content_type, "size": len(value.content)}
    return value


def _trigger(data: Data) -> dict[str, Any]:
    return {name: shown(getattr(data, name)) for name in SHOWN}


def _claims(principal: Any) -> Any:
    return None if principal is None else {"Claims": shown(getattr(principal, "Claims", None))}
