"""The async pattern (RFC 7240 ``respond-async``): 202 and a URL that tells the caller, and nobody else, how it went."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from apimgmt.errors import Problem
from apimgmt.gateway.messages.reply import Field
from apimgmt.model import ApiEntry, Binding, CompiledApi, Operation, Trigger
from apimgmt.processes import Answer, Invocation
from apimgmt.processes.preferences import preferences
from apimgmt.request import SCOPE_KEY, Request
from apimgmt.runs.orders import Asked, Order, Orders

RUNS = "/runs/"
PREFERENCE = "respond-async"
CREDENTIALS = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"x-api-key"))


class Accepting:
    """Accepts the requests of one operation whose process is to run without its caller."""

    def __init__(
        self,
        orders: Orders,
        entry: ApiEntry,
        api: CompiledApi,
        operation: Operation,
        binding: Binding,
        trigger: Trigger,
    ) -> None:
        self._orders = orders
        self._entry = entry
        self._operation = operation
        self._binding = binding
        self._seconds = trigger.async_timeout
        self._always = trigger.respond_async == "always"
        self._allowed = trigger.respond_async == "allowed"
        self.is_durable = trigger.durable
        named = {scheme.name.lower().encode() for scheme in api.security_schemes.values() if scheme.name}
        self._hidden = CREDENTIALS | named

    def wants(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether this request is one of them."""
        return self._always or (
            self._allowed and b"prefer" in headers and PREFERENCE in preferences([headers[b"prefer"]])
        )

    async def accept(self, run: Invocation) -> Answer:
        """The answer, once the order is on disk."""
        identity = await self.keep(run)
        headers = [("Location", RUNS + identity), ("Preference-Applied", PREFERENCE)]
        return Answer({"id": identity, "state": "accepted"}, 202, headers if not self._always else headers[:1])

    async def keep(self, run: Invocation, status: int = 0, done: Sequence[dict[str, Any]] = ()) -> str:
        """Write the order down; its id. What the process will see has no credentials.

        ``done`` is what came of the tasks of a flow that answers its caller now, with this status.
        """
        scope, data = run.scope, run.data
        request: Request = scope[SCOPE_KEY]
        identity = f"{request.id}-{secrets.token_hex(16)}"
        _rename(request, identity.encode("ascii"))
        try:
            asked = msgspec.json.decode(msgspec.json.encode(self._asked(run, scope)), type=Asked)
            kept = msgspec.json.decode(msgspec.json.encode(done))
        except (TypeError, ValueError) as error:
            raise Problem("bad-request", "The request has a value that cannot be kept for later.") from error
        order = Order(
            id=identity,
            api=self._entry.id,
            operation=self._operation.key,
            digest=self._entry.digest,
            binding=self._binding,
            accepted=time.time(),
            seconds=self._seconds,
            asked=asked,
            caller=data.username or "",
            owner=owner(request),
            status=status,
            done=tuple(kept),
        )
        try:
            await asyncio.to_thread(self._orders.accept, order)
        except OSError as error:
            raise Problem("unavailable", headers=[("retry-after", "5")], reason=f"not accepted: {error}") from error
        return identity

    def _asked(self, run: Invocation, scope: Mapping[str, Any]) -> Asked:
        data, principal = run.data, run.claimsprincipal
        fields = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name not in self._hidden
        )
        return Asked(
            method=scope["method"],
            scheme=scope.get("scheme", "http"),
            target=(scope.get("raw_path") or b"").decode("latin-1"),
            query_string=scope["query_string"].decode("latin-1"),
            headers=fields,
            client=data.httpClientIp or "",
            path=dict(data.path),
            query=dict(data.query),
            header=dict(data.header),
            cookie=dict(data.cookie),
            body=data.parsed,
            content=data.content,
            raw_body=data.raw_body,
            username=data.username,
            claims=principal.Claims if principal is not None else None,
            roles=tuple(principal.Roles) if principal is not None else (),
        )


class Done:
    """What came of the tasks of a flow, so that somebody else can go on with it."""

    def __init__(self) -> None:
        self.tasks: list[dict[str, Any]] = []

    async def keep(self, place: str, perform: Any, scope: Any, given: Any) -> Any:
        """Perform one of the flow's own tasks."""
        execution = scope.execution
        before = len(execution.steps)
        output, then = await perform(scope, given)
        tasks = [list(one) for one in execution.steps[before:]]
        self.tasks.append({"output": output, "then": then, "context": execution.context, "tasks": tasks})
        return output, then


def owner(request: Request) -> str:
    """The credential of a request as a text; empty for nobody in particular."""
    caller = request.caller
    if not caller:
        return ""
    return msgspec.json.encode([str(caller.get(name, "")) for name in ("kind", "id", "sub")]).decode()


async def told(orders: Orders, runtime: Any, request: Request, identity: str) -> tuple[int, list[Field], bytes]:
    """Status, fields and body for whoever asks for a run; raises Problem ``not-found`` unless it is he who began it."""
    order, state, outcome = await asyncio.to_thread(orders.find, identity)
    guard, target = runtime.guard(order.api, order.operation)
    request.target = target
    if guard is not None and guard.security:
        try:
            caller = guard.verification_fn(request)
            request.caller = await caller if inspect.isawaitable(caller) else caller
        except Problem as problem:
            if problem.status == 401:
                raise
            raise Problem("not-found") from None
    if owner(request) != order.owner:
        raise Problem("not-found")
    shown: dict[str, Any] = {"id": identity, "state": state, "accepted": _time(order.accepted)}
    fields: list[Field] = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if outcome is None:
        fields.append((b"retry-after", b"1"))
    else:
        shown["ended"] = _time(outcome.ended)
        shown |= {"response": outcome.response} if outcome.response is not None else {}
        shown |= {"problem": outcome.problem} if outcome.problem is not None else {}
    body = msgspec.json.encode(shown)
    return 200, [*fields, (b"content-length", b"%d" % len(body))], body


def _rename(request: Request, identity: bytes) -> None:
    """The answer's id is the run's."""
    before = (b"x-request-id", request.identity)
    request.identity = identity
    if request.added is not None:
        request.added = [(before[0], identity) if field == before else field for field in request.added]


def _time(instant: float) -> str:
    return datetime.datetime.fromtimestamp(instant, datetime.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
