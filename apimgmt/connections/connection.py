"""A connection as processes use it::

    from apimgmt import connection

    crm = connection("crm")
    reply = crm.get("/customers", query={"status": "active"})
    for row in crm.entity("customers").list(status="active"):
        ...

Everything that can be worked out beforehand is worked out when it is made; it lives until its entry changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import RLock
from typing import Any
from uuid import uuid4

import msgspec

from apimgmt.connections import Call, Exchange, Reply
from apimgmt.connections.address import joined, origin
from apimgmt.connections.authentication.refusal import told_apart
from apimgmt.connections.configuration import Configuration, Limit, secrets_of
from apimgmt.connections.content import Files, Pairs, content_of, pairs, query_of
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.entities import graphql
from apimgmt.connections.entities.entity import Entity
from apimgmt.connections.entities.location import located
from apimgmt.connections.entities.odata import EntitySet
from apimgmt.connections.entities.soap import SoapOperation
from apimgmt.connections.entities.sql import Table
from apimgmt.connections.layers.breaking import Breaking
from apimgmt.connections.layers.budget import Budget
from apimgmt.connections.layers.debugging import Masking, in_basic
from apimgmt.connections.layers.exchange import Policy, authenticated
from apimgmt.connections.layers.throttling import FileThrottling, Throttle, Throttling, throttle_file
from apimgmt.connections.parallel import MOST_AT_ONCE, parallel
from apimgmt.connections.transport.blocking import Blocking
from apimgmt.connections.webhooks.deliveries import Delivery
from apimgmt.connections.webhooks.sending import send
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.registry import find
from apimgmt.settings import Settings

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"))
# what the entities of a connection are, by its type; of every other type they are endpoints
ENTITIES: dict[str, Any] = {"odata": EntitySet, "soap": SoapOperation, "sql": Table}
# the usual name of the header field (draft-ietf-httpapi-idempotency-key-header), for a key given without any
IDEMPOTENCY_KEY = "Idempotency-Key"


class Connection:
    """One connection. Thread-safe; raises SettingInvalid when made of what cannot work."""

    def __init__(
        self,
        name: str,
        configuration: Configuration,
        entities: Mapping[str, Any],
        settings: Settings,
        identity: str = "",
    ) -> None:
        self.name = name
        # what its tokens are kept under; one that is only tried out has neither, and keeps them in memory
        self.identity = identity or name
        self.configuration = configuration
        self.settings = settings
        self.guard = Guard((*settings.egress_allow.split(","), *configuration.internal_hosts))
        self._blocking: Blocking | None = Blocking(configuration, self.guard)
        kind = find("connection authentication", str(configuration.authentication.get("kind")))
        fields = {name: value for name, value in configuration.authentication.items() if name != "kind"}
        masking = _masking(configuration)
        self.policy = Policy(
            read(fields, kind).build(self),
            configuration.retries,
            _throttle(configuration.limit, self.identity, settings) if configuration.limit else None,
            Breaking(configuration.breaker) if configuration.breaker else None,
            Budget(),
            configuration.deadline,
            masking,
            explain=partial(_explained, configuration, masking),
        )
        self._headers = (*configuration.headers.items(), *configuration.secret_headers.items())
        if configuration.type == "sql":
            located(configuration)
        shape = ENTITIES.get(configuration.type, Entity)
        self._entities = {name: read(value, shape) for name, value in entities.items()}
        self._streaming: Any = None
        self._kept: dict[Any, Any] = {}
        self._keeping = RLock()
        self._is_closed = False

    def call(self, method: str, path: str, **options: Any) -> Reply:
        """Call ``path`` and wait for the answer, whatever its status; raises ConnectionFailed.

        ``path`` is below the base URL, or a whole URL of the same origin. The options are those of :meth:`prepared`.
        """
        return self.run(authenticated(self.prepared(method, path, **options), self.policy))

    async def acall(self, method: str, path: str, **options: Any) -> Reply:
        """The same for an async function: the event loop goes on meanwhile."""
        return await self.arun(authenticated(self.prepared(method, path, **options), self.policy))

    def run(self, exchange: Exchange) -> Reply:
        """Drive an exchange of this connection to its end, blocking."""
        return self.blocking().run(exchange)

    async def arun(self, exchange: Exchange) -> Reply:
        """The same on the event loop."""
        reply: Reply = await self.streaming().run(exchange)
        return reply

    def parallel(self, calls: Iterable[Mapping[str, Any]], most: int = MOST_AT_ONCE) -> list[Reply | ConnectionFailed]:
        """Several calls at the same time, at most ``most``; each result is at the place of its call (C-071).

        A call is the arguments of :meth:`call`; its method is GET if it names none.

        >>> crm.parallel([{"path": "/customers/1"}, {"path": "/notes", "method": "POST", "json": {"text": "hello"}}])
        [<Reply>, <Reply>]
        """
        return parallel([partial(self.call, **{"method": "GET", **call}) for call in calls], most)

    def head(self, path: str, **options: Any) -> Reply:
        """``call("HEAD", ...)``."""
        return self.call("HEAD", path, **options)

    def get(self, path: str, **options: Any) -> Reply:
        """``call("GET", ...)``."""
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> Reply:
        """``call("POST", ...)``."""
        return self.call("POST", path, **options)

    def put(self, path: str, **options: Any) -> Reply:
        """``call("PUT", ...)``."""
        return self.call("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Reply:
        """``call("PATCH", ...)``."""
        return self.call("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Reply:
        """``call("DELETE", ...)``."""
        return self.call("DELETE", path, **options)

    def webhook(self, event: str, data: Any, *, identity: str = "", path: str = "") -> Delivery:
        """Send an event, signed, repeated and recorded; raises ConnectionFailed if it is not taken in the end (C-004).

        ``identity`` is its id, under which the receiver knows a repetition; one is made if it is empty.
        """
        return send(self, event, data, identity=identity, path=path)

    def entity(self, name: str) -> Any:
        """One of its endpoints or tables; an unknown name is an error that lists the known ones."""
        if name not in self._entities:
            known = ", ".join(sorted(self._entities)[:20]) or "none"
            raise SettingInvalid(f"the connection {self.name!r} has no entity {name!r}; it has: {known}")
        return self._entities[name].source(self, name)

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None, operation: str = "") -> Any:
        """The ``data`` of a GraphQL document posted to the base URL; errors in the answer are errors (C-003)."""
        body = graphql.body(query, variables, operation)
        return graphql.data(self.post("", json=body, headers={"Accept": graphql.ACCEPT}))

    def prepared(
        self,
        method: str,
        path: str,
        *,
        query: Pairs = (),
        headers: Pairs = (),
        json: Any = None,
        form: Pairs | None = None,
        files: Files | None = None,
        content: bytes | None = None,
        timeout: float | None = None,
        idempotency_key: str = "",
        repeatable: bool = False,
    ) -> Call:
        """The request as the layers get it: the connection's own header fields, then those of this call over them.

        ``json``, ``form`` (with ``files`` as multipart) or ``content`` is the body; ``timeout`` is for each attempt.
        With ``idempotency_key`` a POST or PATCH may be repeated; if the connection names the field, a key is made.
        ``repeatable`` says that the receiver knows a repetition by other means.
        """
        if self.configuration.type == "sql":
            raise ConnectionFailed("request", "a database is not called by a path: use one of the entities")
        method = method.upper()
        body, kind = content_of(json, form, files, content)
        asked = query_of(query)
        url = joined(self.configuration.base_url, path)
        call = Call(
            method=method,
            url=f"{url}{'&' if '?' in url else '?'}{asked}" if asked else url,
            headers=self._headers,
            content=body,
            timeout=self.configuration.timeout if timeout is None else timeout,
            repeatable=repeatable or self.configuration.retries.unsafe or method in SAFE,
        )
        own = [("Content-Type", kind)] if kind else []
        call = call.with_headers(*own).with_headers(*pairs(headers))
        return _repeatable(call, self.configuration.idempotency_key, idempotency_key)

    def blocking(self) -> Blocking:
        """Its driver for code that may block."""
        found = self._blocking
        if found is None:
            with self._keeping:
                found = self._blocking = self._blocking or Blocking(self.configuration, self.guard)
        return found

    def streaming(self) -> Any:
        """Its driver for the event loop (``streaming.py``), made at the first asking."""
        # imported here: whoever never waits on a loop starts sooner without aiohttp
        from apimgmt.connections.transport.streaming import Streaming

        with self._keeping:
            if self._streaming is None:
                self._streaming = Streaming(self.configuration, self.guard)
            return self._streaming

    def masking(self) -> Masking:
        """What takes its secrets, and the token that it has at present, out of what the other system says."""
        return self.policy.masking.beside(*getattr(self.policy.authentication, "secrets", ()))

    def fetch(self, url: str) -> Reply:
        """A description of the other system, wherever it is: the credential goes only to where the connection leads."""
        if origin(url) == origin(self.configuration.base_url):
            return self.call("GET", url)
        return self.blocking().send(Call(method="GET", url=url, timeout=self.configuration.timeout))

    async def aclose(self) -> None:
        """Let go of what it keeps open on this event loop."""
        if self._streaming is not None:
            await self._streaming.close()

    def kept(self, key: Any, make: Callable[[], Any], *, is_circular: bool = False) -> Any:
        """What is made once for this connection, when it is first needed: a pool of a database, a read description.

        One that ``is_circular``, because it refers to this connection, is made again and again once this is closed:
        otherwise neither would ever go, for what is published is kept out of garbage collection.
        """
        with self._keeping:
            if key in self._kept:
                return self._kept[key]
            made = make()
            if not (is_circular and self._is_closed):
                self._kept[key] = made
            return made

    def close(self) -> None:
        """Let go of what it keeps open: closed at once, or when the calls that are under way have ended.

        Whoever holds it still can use it; what it needs is opened anew, and closed when it goes.
        """
        with self._keeping:
            self._is_closed = True
            # each of them closes its sockets when nobody refers to it any more
            self._blocking = self._streaming = None
            self._kept.clear()


def _repeatable(call: Call, name: str, key: str) -> Call:
    """A call that would not be harmless to repeat, with the key under which the other system knows a repetition."""
    if not key and (not name or call.method in SAFE):
        return call
    name = name or IDEMPOTENCY_KEY
    given = next((value for field, value in call.headers if field.lower() == name.lower()), "")
    call = call.with_headers(*pairs([(name, key or given or str(uuid4()))]))
    return msgspec.structs.replace(call, repeatable=True)


def _explained(configuration: Configuration, masking: Masking, reply: Reply) -> str:
    refusal = told_apart(reply, configuration)
    # it has words of the other system
    return "" if refusal is None else masking.text(refusal.sentence)


def _throttle(limit: Limit, identity: str, settings: Settings) -> Throttle:
    """Where requests are counted: with the other processes and machines, or here if the connection is only tried."""
    if not identity:
        return Throttling(limit)
    path = throttle_file(settings.root, identity, limit)
    if not settings.redis_url:
        return FileThrottling(limit, path)
    # imported here: a machine that counts alone needs no client of Redis
    from apimgmt.connections.layers.throttling_redis import RedisThrottling

    share = msgspec.structs.replace(limit, requests=max(1, int(limit.requests * settings.redis_share)))
    return RedisThrottling(limit, path.name, settings.redis_url, FileThrottling(share, path))


def _masking(configuration: Configuration) -> Masking:
    """What the debug log does not show: every secret wherever it stands, and the fields that are said to be secret."""
    secrets = [str(holder[name]) for holder, name, _ in secrets_of(msgspec.to_builtins(configuration))]
    own, proxy = configuration.authentication, configuration.proxy
    pairs = [(own.get("username"), own.get("password")), (proxy.username, proxy.password) if proxy else ("", "")]
    secrets += [in_basic(str(user), str(password)) for user, password in pairs if user and password]
    return Masking(secrets, configuration.secret_headers)
