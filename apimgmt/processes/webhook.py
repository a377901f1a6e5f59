"""webhook: another process, for webhooks that are genuine and were not taken before (C-004, T48).

    {"kind": "webhook", "connection": "payments", "then": {"kind": "python", "function": "paid"}}

The secrets are those of the connection, whose authentication is ``signature``. A webhook that was taken is answered
with 204 and not run again; one that is being run is answered with 409; one whose run failed may come again.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

import msgspec

from apimgmt.connections.known import connections
from apimgmt.connections.webhooks.receiving import Receiver
from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import CompiledApi, Operation, Struct
from apimgmt.processes import Envelope, Invocation, Process
from apimgmt.processes.nested import written
from apimgmt.registry import find, register


@register("process", "webhook")
class Webhook(Struct, frozen=True):
    """``connection`` is the one with the secrets, ``then`` the process as it is written in bindings."""

    connection: str
    then: dict[str, Any]
    nested: ClassVar[tuple[str, ...]] = ("then",)

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The process behind the check; raises SettingInvalid."""
        inner = written(self.then)
        if inner.kind == "webhook":
            raise SettingInvalid("a webhook is checked once: `then` must be a process of another kind")
        try:
            process: Process = msgspec.convert(inner.config, find("process", inner.kind)).build(operation, api)
        except msgspec.ValidationError as error:
            raise SettingInvalid(f"then: {error}") from None
        return _checked(self.connection, process)


def _checked(name: str, process: Process) -> Process:
    async def run(invocation: Invocation) -> Any:
        connection = connections.find(name)
        receiver: Receiver = connection.kept(Receiver, lambda: Receiver(connection))
        identity = receiver.check(invocation.data.httpHeaders, invocation.data.content)
        memory = receiver.memory
        state = await asyncio.to_thread(memory.claim, identity, _now())
        if state == "done":
            return Envelope(204)
        if state == "running":
            raise Problem("conflict", "This webhook is being taken at this moment.", headers=[("retry-after", "5")])
        try:
            result = await process(invocation)
        except BaseException:
            await asyncio.to_thread(memory.forget, identity)
            raise
        failed = isinstance(getattr(result, "status", 200), int) and getattr(result, "status", 200) >= 500
        await asyncio.to_thread(memory.forget if failed else memory.finish, identity)
        return result

    return run


def _now() -> float:
    return time.time()
