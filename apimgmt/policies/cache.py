"""Response cache: for some seconds the process does not run again for the same request (H-055 to H-058).

Nothing is shared between callers: the key holds who calls (``caching/key.py``). Of many callers at once who want what
is not there, one runs the process and the others wait for its answer.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Hashable
from enum import Enum
from hashlib import blake2b
from typing import Annotated, Any

from msgspec import Meta
from werkzeug.http import parse_etags, unquote_etag

from apimgmt.errors import Problem
from apimgmt.model import Struct
from apimgmt.policies import App, Layers, Place
from apimgmt.policies.caching import Answers, Field, Kept
from apimgmt.policies.caching.key import KeyMaker, Values
from apimgmt.policies.caching.lifetime import lifetime, varying
from apimgmt.registry import register
from apimgmt.request import SCOPE_KEY, Request

NOT_MODIFIED = frozenset((b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"))
TEXT_LONGEST = 500

_spaces = itertools.count()


@register("policy", "cache")
class Cache(Struct, frozen=True):
    """Answers to GET and HEAD are kept for so many ``seconds``.

    The parameters that make the key are all that are sent, or those of ``vary``, less those of ``ignore``; one is
    written ``path.id``, ``query.limit`` or ``header.X-Tenant`` and has to be declared.
    """

    seconds: Annotated[int, Meta(ge=1, le=86_400)]
    vary: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()

    def layers(self, place: Place) -> Layers:
        """Nothing for operations that are not read-only."""
        if place.operation.method not in ("get", "head"):
            return Layers()
        maker = KeyMaker(place, self.vary, self.ignore)
        return Layers(after=lambda app: Caching(app, place, maker, self.seconds))


class Other(Enum):
    """What comes of a run for those who waited for it, if it is neither an answer nor that it took too long."""

    ALONE = "each runs the process for himself"
    AGAIN = "the first of them went away, or asked for something else"


Outcome = Kept | Problem | Other


class Caching:
    """The layer around one operation. A change of the API makes a new one, for which nothing is kept yet."""

    def __init__(self, app: App, place: Place, maker: KeyMaker, seconds: int) -> None:
        self._app = app
        self._api = place.entry.id
        self._operation = place.operation.key
        self._space = next(_spaces)
        self._maker = maker
        self._seconds = seconds
        self._answers = place.shared.part(Answers)
        self._flights: dict[Hashable, asyncio.Future[Outcome]] = {}

    def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        """Answer from the cache, or through it."""
        request: Request = scope[SCOPE_KEY]
        headers = request.headers
        if b"content-length" in headers or b"transfer-encoding" in headers:
            request.add((b"cache-status", b"apimgmt; fwd=bypass"))
            return self._app(scope, receive, send)
        values = self._maker.values(request)
        now = time.monotonic()
        kept = self._answers.find(self._key(scope, values), now)
        if kept is None:
            return self._miss(values, scope, receive, send)
        return _answer(kept, request, b"hit; ttl=%d" % (kept.until - now), send, int(now - kept.since))

    def _key(self, scope: dict[str, Any], values: Values) -> Hashable:
        return self._space, self._maker.key(scope["method"], scope[SCOPE_KEY], values)

    async def _miss(self, values: Values, scope: dict[str, Any], receive: Any, send: Any) -> None:
        # the key is made anew each time: what it holds may have grown meanwhile
        while (flight := self._flights.get(self._key(scope, values))) is not None:
            # shielded: whoever waits and goes away does not take the answer from the others
            outcome = await asyncio.shield(flight)
            if isinstance(outcome, Kept):
                return await _answer(outcome, scope[SCOPE_KEY], b"fwd=miss; collapsed", send)
            if isinstance(outcome, Problem):
                raise Problem(outcome.code, outcome.detail)
            if outcome is Other.ALONE:
                scope[SCOPE_KEY].add((b"cache-status", b"apimgmt; fwd=miss"))
                return await self._app(scope, receive, send)
        await self._fly(values, scope, receive, send)

    async def _fly(self, values: Values, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Run the process for all who want this, and let them know what came of it."""
        cleared, key = self._answers.cleared, self._key(scope, values)
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        outcome: Outcome = Other.AGAIN
        try:
            answer = await self._run(scope, receive, send, flight)
            if answer is None:
                return
            status, fields, body = answer
            kept = self._keep(scope, values, cleared, status, fields, body)
            outcome = kept or Other.ALONE
        except Problem as problem:
            outcome = problem if problem.code == "process-timeout" else Other.ALONE
            raise
        except Exception:
            outcome = Other.ALONE
            raise
        finally:
            del self._flights[key]
            if not flight.done():
                # with another key now they may want something else
                flight.set_result(outcome if self._key(scope, values) == key else Other.AGAIN)
        if kept is not None:
            await _answer(kept, scope[SCOPE_KEY], b"fwd=miss; stored", send)
        else:
            await _send(send, status, [*fields, (b"cache-status", b"apimgmt; fwd=miss")], scope[SCOPE_KEY], body)

    async def _run(
        self, scope: dict[str, Any], receive: Any, send: Any, flight: asyncio.Future[Outcome]
    ) -> tuple[int, list[Field], bytes] | None:
        """The operation's own answer, without the fields that policies add for this one caller.

        None for one that comes in pieces or early: it is passed on, never kept, and nobody waits for its end.
        """
        request: Request = scope[SCOPE_KEY]
        messages: list[dict[str, Any]] = []

        async def record(message: dict[str, Any]) -> None:
            if flight.done():
                await send(message)
            elif message.get("more_body") or (messages and _is_early(request)):
                # it comes in pieces, or the process goes on after it
                flight.set_result(Other.ALONE)
                fields = [*messages[0]["headers"], *(added or ()), (b"cache-status", b"apimgmt; fwd=miss")]
                await send({**messages[0], "headers": fields})
                await send(message)
            else:
                messages.append(message)

        added, request.added = request.added, None
        try:
            await self._app(scope, receive, record)
        finally:
            request.added = added
        if flight.done():
            return None
        start, *parts = messages
        return start["status"], list(start["headers"]), b"".join(part.get("body", b"") for part in parts)

    def _keep(
        self, scope: dict[str, Any], values: Values, cleared: int, status: int, fields: list[Field], body: bytes
    ) -> Kept | None:
        """Keep an answer if it may be; what was cleared while the process ran may be what it has just read."""
        now = time.monotonic()
        self._answers.look(now)
        seconds = lifetime(status, fields, self._seconds)
        if not seconds or self._answers.cleared != cleared or not self._maker.learn(varying(fields)):
            return None
        tag = next((value for name, value in fields if name == b"etag"), b"")
        if not tag:
            tag = b'"%b"' % blake2b(body, digest_size=16).hexdigest().encode("ascii")
            fields = [*fields, (b"etag", tag)]
        text = self._maker.text(values)
        kept = Kept(self._api, self._operation, text, fields, body, tag, now, now + seconds)
        return kept if self._answers.keep(self._key(scope, values), kept) else None


def _is_early(request: Request) -> bool:
    """Whether the process goes on after the answer."""
    return request.run is not None and request.run.answered is not None


def _answer(kept: Kept, request: Request, how: bytes, send: Any, age: int | None = None) -> Awaitable[None]:
    """A kept answer, or that the caller has it already (RFC 9110 section 13.1.2)."""
    text = kept.text.encode("ascii")
    shown = b'apimgmt; %b; key="%b"' % (how, text) if len(text) <= TEXT_LONGEST else b"apimgmt; %b" % how
    own: list[Field] = [(b"cache-status", shown)]
    if age is not None:
        own.append((b"age", b"%d" % age))
    known = request.headers.get(b"if-none-match")
    if known is not None and _matches(known, kept.tag):
        fields = [field for field in kept.fields if field[0] in NOT_MODIFIED]
        return _send(send, 304, [*fields, *own], request, b"")
    return _send(send, 200, [*kept.fields, *own], request, kept.body)


def _matches(known: bytes, tag: bytes) -> bool:
    """Whether If-None-Match names an entity tag, weakly compared (RFC 9110 section 8.8.3.2)."""
    return parse_etags(known.decode("latin-1")).contains_weak(unquote_etag(tag.decode("latin-1"))[0])


async def _send(send: Any, status: int, fields: list[Field], request: Request, body: bytes) -> None:
    added = request.added or ()
    await send({"type": "http.response.start", "status": status, "headers": [*fields, *added]})
    await send({"type": "http.response.body", "body": body})
