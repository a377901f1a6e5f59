"""The gateway as one ASGI application: takes the runtime once per request, and swaps it when a new one is published."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from apimgmt.connections.known import connections
from apimgmt.errors import CATALOGUE, Disconnected, Problem, SnapshotRefused
from apimgmt.gateway.accepting import RUNS, told
from apimgmt.gateway.messages.responder import problem_reply
from apimgmt.gateway.metrics import Metrics
from apimgmt.gateway.pages import Page, make_page
from apimgmt.gateway.relay import mounts
from apimgmt.gateway.runtime import Runtime, build
from apimgmt.gateway.scope import header_map
from apimgmt.gateway.tls import Tls
from apimgmt.model import WorkerReport
from apimgmt.processes.flows.known import flows
from apimgmt.request import SCOPE_KEY, Request
from apimgmt.runs.journal import Journal
from apimgmt.runs.orders import Orders
from apimgmt.spec.paths import canonical

log = logging.getLogger("apimgmt.gateway")
PLATFORM = "/.well-known/apimgmt/"
REPORT_SECONDS = 1.0
MEASURE_SECONDS = 2.0
DROPPED_MOST = 500
IDENTITY = b"x-request-id"


class Gateway:
    """Serves one runtime at a time; ``runtime`` is None until the first snapshot is built, or the one for ever.

    ``tls`` is the server's TLS, if it has any. Every request gets an identity, which is in its answer as
    ``X-Request-Id``.
    """

    tls: Tls | None = None
    # of the admin API a refusal by its handlers is an answer, and no failed run
    records_throws = True

    def __init__(self, runtime: Runtime | None = None) -> None:
        self.runtime = runtime
        self._prefix = secrets.token_hex(4).encode("ascii")
        self._numbers = itertools.count(1)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        identity = b"%b-%x" % (self._prefix, next(self._numbers))
        try:
            path = canonical(scope["raw_path"])
            runtime = self.runtime
            if runtime is not None and runtime.domains is not None:
                path = runtime.domains.place(scope, path)
            segments = path.split("/")
            stack, start = runtime.locate(segments) if runtime is not None else (None, 0)
            if runtime is None or stack is None or path in _PLATFORM_PATHS:
                await self._platform(scope, path, send, identity)
                return
            headers = header_map(scope["headers"])
            scope[SCOPE_KEY] = _request(scope, segments, start, headers, runtime, identity)
            try:
                await stack.app(scope, receive, send)
            except Problem as problem:
                rest = "/" + "/".join(segments[start:])
                if problem.status == 404 and path.startswith(RUNS):
                    del scope[SCOPE_KEY]
                    await self._platform(scope, path, send, identity)
                elif problem.status != 404 or not await self._page(scope, stack.pages, rest, send, identity):
                    await self._refuse(scope, send, problem, identity, stack.entry.trigger.error_format)
        except Problem as problem:
            await self._refuse(scope, send, problem, identity)
        except Disconnected:
            log.debug("the caller went away")
        except Exception as error:
            await self._fail(scope, send, error, identity)

    async def _page(self, scope: dict[str, Any], pages: Any, rest: str, send: Any, identity: bytes) -> bool:
        page = await pages.find(rest) if scope["method"] in ("GET", "HEAD") else None
        if page is None:
            return False
        if isinstance(page, str):
            location = page if not scope["query_string"] else f"{page}?{scope['query_string'].decode('latin-1')}"
            await _send(
                send,
                308,
                [(b"location", location.encode("latin-1")), (b"content-length", b"0"), (IDENTITY, identity)],
                b"",
            )
        else:
            await _send_page(scope, send, page, identity)
        return True

    async def _platform(self, scope: dict[str, Any], path: str, send: Any, identity: bytes) -> None:
        """What belongs to no API: health, and what our problem types mean."""
        if path == "/livez":
            await _send_page(scope, send, _ALIVE, identity)
        elif path == "/readyz":
            if self.runtime is None:
                raise Problem("unavailable", "No snapshot is loaded yet.", headers=[("retry-after", "1")])
            await _send_page(scope, send, _READY, identity)
        elif path.startswith(RUNS) and self.runtime is not None and scope["method"] in ("GET", "HEAD"):
            await self._run(scope, path, send, identity, self.runtime)
        elif path.startswith(PLATFORM + "problems/") and (kind := CATALOGUE.get(path.rpartition("/")[2])):
            text = f"{kind.title}\n\nStatus {kind.status}. {kind.remedy}\n"
            await _send_page(scope, send, make_page(text.encode(), "text/plain; charset=utf-8"), identity)
        elif self.runtime is None:
            raise Problem("unavailable", "No snapshot is loaded yet.", headers=[("retry-after", "1")])
        else:
            raise Problem("not-found")

    async def _run(self, scope: dict[str, Any], path: str, send: Any, identity: bytes, runtime: Runtime) -> None:
        """What became of a request that was answered with 202, for the caller who sent it."""
        request = _request(scope, path.split("/"), 1, header_map(scope["headers"]), runtime, identity)
        orders = runtime.shared.part(Orders)
        status, fields, body = await told(orders, runtime, request, path.removeprefix(RUNS))
        head = scope["method"] == "HEAD"
        await _send(send, status, [*fields, (IDENTITY, identity)], b"" if head else body)

    async def _refuse(
        self,
        scope: dict[str, Any],
        send: Any,
        problem: Problem,
        identity: bytes,
        error_format: Literal["problem", "error"] = "problem",
    ) -> None:
        shown = identity.decode("ascii")
        if problem.reason:
            level = logging.ERROR if problem.status >= 500 else logging.INFO
            log.log(level, "%s %s: %s", shown, problem.code, problem.reason)
        elif problem.status >= 500 and problem.code != "unavailable":
            log.error("%s %s: %s", shown, problem.code, problem, exc_info=problem.__cause__ or problem)
        reply = problem_reply(problem, f"urn:apimgmt:request:{shown}", error_format)
        request: Request | None = scope.get(SCOPE_KEY)
        added = [(IDENTITY, identity)]
        if request is not None:
            added = request.added or []
            self._record(request, problem)
        await _send(send, reply.status, [*reply.headers, *added], reply.body)

    def _record(self, request: Request, problem: Problem) -> None:
        """Record a run that failed: whatever its process raised, and every 5xx of an API."""
        runtime = self.runtime
        if runtime is not None and (problem.status >= 500 or (request.run is not None and self.records_throws)):
            runtime.shared.part(Journal).ended(request, request.run, problem.status, problem)

    async def _fail(self, scope: dict[str, Any], send: Any, error: Exception, identity: bytes) -> None:
        """Anything that is not in our tree is a defect of ours: the caller gets an id, the log gets the rest."""
        problem = Problem("internal")
        problem.__cause__ = error
        await self._refuse(scope, send, problem, identity)

    async def _other(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.tls = scope.get("extensions", _NOTHING).get("tls")
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await self.startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def startup(self) -> None:
        """Called once before the first request."""

    async def shutdown(self) -> None:
        """Called once after the last request."""
        await connections.aclose()
        if self.runtime is not None:
            await self.runtime.shared.close()


class Worker(Gateway):
    """A gateway that follows the data folder: builds what is published aside, swaps, and reports what it serves."""

    def __init__(self, settings: Any, archive: Any) -> None:
        super().__init__()
        self._settings = settings
        self._archive = archive
        self._mounts = mounts(settings)
        self._mark: tuple[int, int] = (-1, -1)
        self._rejected = ("", "")
        self._reported = 0.0
        self._measured = 0.0
        self._dropped = 0
        self._watcher: asyncio.Task[None] | None = None
        self._metrics = Metrics()
        self._name = f"{os.getpid()}-{time.time_ns():x}"
        self.observe = self._metrics.observe

    async def startup(self) -> None:
        """Build what is current before the first request is taken, then watch."""
        await self._follow()
        self._watcher = asyncio.create_task(self._watch())

    async def shutdown(self) -> None:
        """Stop watching, and withdraw the report."""
        if self._watcher is not None:
            self._watcher.cancel()
        self._measure()
        self._archive.withdraw(os.getpid())
        await super().shutdown()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll_seconds)
            await self._follow()

    async def _follow(self) -> None:
        """Serve what is current and say so; a folder that cannot be read or written stops neither start nor service."""
        try:
            await self._look()
        except OSError as error:
            log.error("the data folder cannot be read or written: %s", error)

    async def _look(self) -> None:
        mark = self._archive.current_mark()
        if time.monotonic() - self._measured >= MEASURE_SECONDS:
            await asyncio.to_thread(self._measure)
        if mark != self._mark:
            self._mark = mark
            await self._load(self._archive.current())
            self._report()
        elif time.monotonic() - self._reported >= REPORT_SECONDS:
            self._report()

    async def _load(self, digests: tuple[str, ...]) -> None:
        """Build the current snapshot; a worker that serves nothing yet falls back to the one before it (R-06)."""
        candidates = digests[:1] if self.runtime is not None else digests
        for digest in candidates:
            if self.runtime is not None and self.runtime.digest == digest:
                return
            try:
                before, self.runtime = self.runtime, await asyncio.to_thread(self._build, digest)
                self._settle(before, self.runtime)
                self._rejected = self._rejected if digest != digests[0] else ("", "")
                return
            except SnapshotRefused as error:
                log.error("snapshot %s is rejected: %s", digest[:12], error)
                self._rejected = self._rejected if self._rejected[0] == digests[0] else (digest, str(error))
            except Exception as error:  # a defect of ours must not stop the worker that serves
                log.exception("snapshot %s does not build", digest[:12])
                self._rejected = (digest, f"{type(error).__name__}: {error}")

    def _build(self, digest: str) -> Runtime:
        archive = self._archive
        snapshot = archive.load_snapshot(digest)
        use_connections = connections.prepared(snapshot.connections, self._settings)
        use_flows = flows.prepared(snapshot.flows)
        with _uncollected():
            runtime = build(
                snapshot,
                archive.load_api,
                archive.load_document,
                self._settings,
                self.runtime,
                digest,
                self._mounts,
            )
        if self.tls is not None:
            self.tls.trust(snapshot.authorities)
        use_connections()
        use_flows()
        return runtime

    def _settle(self, before: Runtime | None, now: Runtime) -> None:
        """Keep the new runtime out of every later collection, and collect what was swapped out once it is much.

        A collection looks at everything that is published, so doing it at each publish would make the thousandth API
        a thousand times as dear as the first.
        """
        kept = set(map(id, now.stacks.values()))
        swapped_out = before.stacks.values() if before is not None else ()
        self._dropped += sum(stack.operations for stack in swapped_out if id(stack) not in kept)
        if self._dropped > DROPPED_MOST:
            gc.unfreeze()
            gc.collect()
            self._dropped = 0
        gc.freeze()

    def _measure(self) -> None:
        """Write down what was counted, for ``GET /api/v1/metrics``."""
        self._measured = time.monotonic()
        names = {stack.entry.id: stack.entry.name for stack in self.runtime.stacks.values()} if self.runtime else {}
        measures = self._metrics.measures(names)
        if measures is not None:
            self._archive.measure(self._name, measures)

    def _report(self) -> None:
        self._reported = time.monotonic()
        runtime = self.runtime
        self._archive.report(
            WorkerReport(
                pid=os.getpid(),
                digest=runtime.digest if runtime is not None else "",
                number=runtime.number if runtime is not None else 0,
                seen=time.time(),
                rejected=self._rejected[0],
                reason=self._rejected[1],
                tls=self.tls.fault if self.tls is not None else "",
            )
        )


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: a build makes objects that stay, and looking at them again and again takes
    more than half of its time (11,422 operations: 1.7 s instead of 4.6 s)."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_ALIVE = make_page(b'{"status":"pass"}', "application/health+json")
_READY = make_page(b'{"status":"pass"}', "application/health+json")
_NOTHING: dict[str, Any] = {}
_PLATFORM_PATHS = frozenset(("/livez", "/readyz"))


def _request(
    scope: dict[str, Any],
    segments: list[str],
    start: int,
    headers: Mapping[bytes, bytes],
    runtime: Runtime,
    identity: bytes,
) -> Request:
    client = scope.get("client")
    tls = (scope.get("extensions") or _NOTHING).get("tls")
    return Request(
        segments,
        start,
        headers,
        scope["query_string"],
        runtime.access,
        client[0] if client else "",
        scope.get("scheme", "http"),
        tls["client_certificates"] if tls else (),
        identity,
    )


async def _send_page(scope: dict[str, Any], send: Any, page: Page, identity: bytes) -> None:
    own = (IDENTITY, identity)
    if header_map(scope["headers"]).get(b"if-none-match") == page.tag:
        await _send(send, 304, [(b"etag", page.tag), own], b"")
    else:
        await _send(send, 200, [*page.headers, own], b"" if scope["method"] == "HEAD" else page.body)


async def _send(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
