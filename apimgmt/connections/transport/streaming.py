"""The driver over ``aiohttp``: for code on the event loop, and for answers that are passed on piece by piece.

It drives the same exchanges as the one over ``requests`` and follows the same rules: no cookies, nothing from the
environment, no repetition of its own. One session per connection and event loop, made at the first call and closed when
nobody uses the connection any more.
"""

from __future__ import annotations

import asyncio
import io
import re
import socket
import time
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from apimgmt.connections import Call, Exchange, Reply, Send, Wait
from apimgmt.connections.configuration import Configuration, Proxy
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.transport.decoding import ACCEPTED, Decoding
from apimgmt.connections.transport.failures import refused_by_proxy
from apimgmt.connections.transport.fields import check_fields
from apimgmt.connections.transport.pieces import Forbidden, Pieces, failure
from apimgmt.connections.transport.redirects import redirected
from apimgmt.connections.transport.tls import context
from apimgmt.errors import ConnectionFailed

WHOLE_BYTES = 65_536
LARGE_BYTES = 1_048_576
IDLE_SECONDS = 15.0
FIELD_BYTES = 16_384
FIELDS_MOST = 200
ORIGINS_MOST = 64
TARGET_SECONDS = 30.0
# what a process sends if it says nothing else; what is passed on says it itself
OWN = {"accept-encoding": ACCEPTED, "user-agent": "apimgmt"}
# what aiohttp would add of its own
SILENT = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
FOREIGN = (aiohttp.ClientError, OSError, ValueError, RuntimeError)

_VISIBLE = re.compile(r"[!-\[\]-~]+").fullmatch
# the connections that were made for the request of this task
_dialled: ContextVar[list[Any]] = ContextVar("dialled")


class Streaming:
    """Sends calls for one connection. Raises SettingInvalid when made of what cannot work."""

    def __init__(self, configuration: Configuration, guard: Guard) -> None:
        self._configuration = configuration
        self._guard = guard
        self._origins: dict[str, float] = {}
        self._sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession]
        self._sessions = weakref.WeakKeyDictionary()
        self._tls = context(configuration.tls)
        self._proxy = _proxy(configuration.proxy)

    async def run(self, exchange: Exchange) -> Reply:
        """Drive an exchange to its end; raises ConnectionFailed.

        A ``stream`` of the reply is an iterator of bytes whose ``aclose`` has to be called; replies that lead to
        another attempt are let go of here.
        """
        return await _driven(exchange, self.send)

    async def send(self, call: Call) -> Reply:
        """One request, one answer (and the redirects that may be followed); raises ConnectionFailed.

        All of it has ``call.timeout`` seconds. If it is streamed, that is the time until the answer begins, and the
        longest between two pieces of it; its body is as it was sent, and read at once all the same if it is short.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(call.timeout):
                if self._configuration.redirects:
                    exchange = redirected(call, self._configuration.redirects)
                    reply = await _driven(exchange, self._sent)
                else:
                    reply = await self._sent(call)
        except FOREIGN as error:
            raise failure(error) from None
        reply.seconds = time.monotonic() - started
        return reply

    async def close(self) -> None:
        """Close the sessions of this loop at once: what is still under way on them fails."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def _sent(self, call: Call) -> Reply:
        if not self._is_checked(call.url):
            await self._check(call.url)
        check_fields(call)
        new: list[Any] = []
        _dialled.set(new)
        try:
            response = await self._requested(call)
        except FOREIGN as error:
            failed = failure(error)
            if failed.cause != "reset" or new or not call.repeatable:
                raise failed from None
            # the other system closed a kept connection at this very moment (RFC 9112 section 9.3.1)
            response = await self._requested(call)
        try:
            return await self._reply(call, response)
        except BaseException:
            response.close()
            raise

    def _requested(self, call: Call) -> Awaitable[aiohttp.ClientResponse]:
        session = self._sessions.get(asyncio.get_running_loop()) or self._opened()
        headers: Any = call.headers if call.streamed else _with_own(call)
        if self._proxy and call.url.startswith("http://"):
            # aiohttp gives these to a tunnel only
            headers = [*headers, *self._proxy["proxy_headers"].items()]
        return session.request(
            call.method,
            URL(call.url, encoded=True),
            headers=headers,
            data=_body(call.content),
            allow_redirects=False,
            **self._proxy,
        )

    async def _reply(self, call: Call, response: aiohttp.ClientResponse) -> Reply:
        if self._proxy and response.status == 407:
            raise refused_by_proxy(407)
        if response.status < 200:
            raise ConnectionFailed("protocol", "the other system switches to another protocol, unasked")
        headers = tuple(
            [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers]
        )
        reply = Reply(response.status, headers, method=call.method, url=call.url.partition("?")[0])
        content = response.content
        if not call.streamed:
            reply.content = await self._decoded(response)
        elif content.is_eof() and content.total_bytes <= WHOLE_BYTES:
            reply.content = content.read_nowait()
        elif response.content_length is not None and response.content_length <= WHOLE_BYTES:
            reply.content = await response.read()
        else:
            reply.stream = Pieces(self, response, call.timeout)
        return reply

    async def _decoded(self, response: aiohttp.ClientResponse) -> bytes:
        """The decoded body, neither more nor larger than allowed."""
        coding = response.headers.get("Content-Encoding", "") if not response.content.at_eof() else ""
        decoding = Decoding(coding, self._configuration.most_bytes)
        pieces: list[bytes] = []
        async for piece in response.content.iter_any():
            pieces += decoding.feed(piece)
        decoding.end()
        return b"".join(pieces)

    def _is_checked(self, url: str) -> bool:
        """Whether the origin of a URL was looked at before, and there is nothing in it that a URL cannot have."""
        until = self._origins.get(url[: url.find("/", 8)])
        return until is not None and bool(_VISIBLE(url)) and (until == 0.0 or until > time.monotonic())

    async def _check(self, url: str) -> None:
        """Raise ConnectionFailed for a URL that may not be called; its origin is remembered."""
        parts = self._guard.check_url(url)
        until = 0.0
        if self._proxy:
            await asyncio.to_thread(self._guard.check_target, url, self._configuration.connect_timeout)
            until = time.monotonic() + TARGET_SECONDS
        origin = f"{parts.scheme}://{parts.netloc}"
        if url.startswith(f"{origin}/") and (origin in self._origins or len(self._origins) < ORIGINS_MOST):
            self._origins[origin] = until

    def _opened(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=self._tls,
            resolver=Resolver(self._guard),
            socket_factory=_sockets(self._guard),
            keepalive_timeout=IDLE_SECONDS,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=SILENT,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=self._configuration.connect_timeout),
            trust_env=False,
            max_line_size=FIELD_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=FIELDS_MOST,
        )
        # repeating is for the layers to decide, which know the budget; there is no argument for it
        session._retry_connection = False
        weakref.finalize(self, _forgotten, weakref.ref(loop), session)
        self._sessions[loop] = session
        return session


class Resolver(AbstractResolver):
    """Names become the addresses that the guard permits. aiohttp asks nobody about a host that is an address itself;
    those are looked at by ``check_url``, and all once more by the guard's ``socket``."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name that may be dialled."""
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=0)
            for kind, _, protocol, _, address in await self._guard.resolved(host, port)
        ]

    async def close(self) -> None:
        """There is nothing to let go of."""


def _sockets(guard: Guard) -> Callable[[Any], socket.socket]:
    """Sockets for the addresses that the guard permits; notes that a connection is new."""

    def dialled(info: Any) -> socket.socket:
        _dialled.get([]).append(info)
        try:
            return guard.socket(info)
        except ConnectionFailed:
            raise Forbidden from None

    return dialled


async def _driven(exchange: Exchange, send: Callable[[Call], Awaitable[Reply]]) -> Reply:
    """Perform the steps of an exchange until it has its reply; a reply that it does not want is let go of."""
    reply: Reply | None = None
    try:
        step = next(exchange)
        while True:
            try:
                result: Any = None
                if isinstance(step, Send):
                    _release(reply)
                    reply = None
                    result = reply = await send(step.call)
                elif isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                else:
                    result = await asyncio.get_running_loop().run_in_executor(None, step.function)
            except ConnectionFailed as error:
                step = exchange.throw(error)
            else:
                step = exchange.send(result)
    except StopIteration as end:
        last: Reply = end.value
        return last
    except BaseException:
        # cancelled, too: whoever keeps an account of attempts must hear of it
        exchange.close()
        _release(reply)
        raise


def _release(reply: Reply | None) -> None:
    if reply is not None and reply.stream is not None:
        reply.stream.cut()


def _body(content: bytes) -> Any:
    """A body as aiohttp sends it: a large one in pieces, so that others get their turn in between."""
    return (content if len(content) <= LARGE_BYTES else io.BytesIO(content)) if content else None


def _with_own(call: Call) -> list[tuple[str, str]]:
    given = {name.lower() for name, _ in call.headers}
    return [*call.headers, *(field for field in OWN.items() if field[0] not in given)]


def _proxy(proxy: Proxy | None) -> dict[str, Any]:
    if proxy is None:
        return {}
    login = {"Proxy-Authorization": aiohttp.encode_basic_auth(proxy.username, proxy.password)}
    return {"proxy": URL(proxy.url), "proxy_headers": login if proxy.username else {}}


def _forgotten(loop_of: weakref.ref[asyncio.AbstractEventLoop], session: aiohttp.ClientSession) -> None:
    """Nobody uses the connection any more, from whatever thread that was noticed: close its session on its loop."""
    loop = loop_of()
    if loop is not None and not loop.is_closed() and not session.closed:
        loop.call_soon_threadsafe(lambda: loop.create_task(session.close()))
