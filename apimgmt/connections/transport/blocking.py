"""The driver over ``requests``: one session per connection, pooled, for code that may block (C-001).

``requests`` sends and reads; it neither follows redirects nor repeats, keeps no cookies and takes nothing from the
environment: what it would do of its own is decided by the layers.
"""

from __future__ import annotations

import base64
import functools
import logging
import time
import weakref
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests

from apimgmt.connections import Call, Exchange, Reply, Send, Wait
from apimgmt.connections.configuration import Configuration, Proxy
from apimgmt.connections.egress.guard import Guard
from apimgmt.connections.transport.decoding import ACCEPTED, PIECE_BYTES, Decoding
from apimgmt.connections.transport.dialling import Pools, left
from apimgmt.connections.transport.failures import FOREIGN, failure, refused_by_proxy
from apimgmt.connections.transport.fields import check_fields
from apimgmt.connections.transport.redirects import redirected
from apimgmt.connections.transport.tls import context
from apimgmt.errors import ConnectionFailed, SettingInvalid

log = logging.getLogger("apimgmt.connections")


class Session(requests.Session):
    """A session that never looks where a redirect leads: requests would read its whole body to do so."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Nowhere; ``redirects.py`` decides."""
        return None


class Blocking:
    """Sends calls for one connection. Raises SettingInvalid when made of what cannot work.

    Its sockets are closed by :meth:`close`, or when nobody refers to it any more: a call that is under way does.
    """

    def __init__(self, configuration: Configuration, guard: Guard) -> None:
        self._configuration = configuration
        self._guard = guard
        self._proxies = _proxies(configuration.proxy)
        self._session = Session()
        self._session.trust_env = False
        self._session.headers.clear()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # an authentication that does nothing, for otherwise requests makes one of the URL
        self._session.auth = lambda request: request
        self._pools = Pools(guard, self._trust(), _proxy_fields(configuration.proxy), configuration.connect_timeout)
        self._session.mount("http://", self._pools)
        self._session.mount("https://", self._pools)
        # a process that ends closes them by itself, and a child must not touch those of its parent
        weakref.finalize(self, self._session.close).atexit = False

    def run(self, exchange: Exchange) -> Reply:
        """Drive an exchange to its end."""
        return _driven(exchange, self._perform)

    def _perform(self, step: Any) -> Any:
        if isinstance(step, Send):
            return self.send(step.call)
        if isinstance(step, Wait):
            return time.sleep(step.seconds)
        return step.function()

    def send(self, call: Call) -> Reply:
        """One request, one answer (and the redirects that may be followed), by the deadline of the call.

        Raises ConnectionFailed, whatever happens.
        """
        started = time.monotonic()
        until = None if call.timeout is None else started + call.timeout
        with self._pools.deadline.within(until):
            exchange = redirected(call, self._configuration.redirects)
            reply = _driven(exchange, lambda step: self._sent(step.call, until))
        reply.seconds = time.monotonic() - started
        return reply

    def _sent(self, call: Call, until: float | None) -> Reply:
        self._guard.check_url(call.url)
        check_fields(call)
        try:
            if self._proxies:
                self._guard.check_target(call.url, left(until))
            request = requests.Request(call.method, call.url, headers=dict(call.headers), data=call.content or None)
            prepared = self._session.prepare_request(request)
            prepared.headers.setdefault("Accept-Encoding", ACCEPTED)
            prepared.headers.setdefault("User-Agent", "apimgmt")
            response = self._session.send(
                prepared, stream=True, allow_redirects=False, timeout=left(until), proxies=self._proxies
            )
        except FOREIGN as error:
            # not "from error": a traceback would show its text, and with it the URL and its query
            raise failure(error) from None
        headers = tuple((name.lower(), value) for name, value in response.raw.headers.items())
        stream = self._read(response, until)
        if self._proxies and response.status_code == 407:
            response.close()
            raise refused_by_proxy(407)
        reply = Reply(response.status_code, headers, method=call.method, url=call.url.partition("?")[0])
        if call.streamed:
            reply.stream = stream
        else:
            reply.content = b"".join(stream)
        return reply

    def _read(self, response: requests.Response, until: float | None) -> Iterator[bytes]:
        """The decoded body piece by piece, neither more nor longer than allowed."""
        try:
            with response:
                _check_length(response.raw.headers.get("content-length", "0"))
                decoding = Decoding(response.raw.headers.get("content-encoding", ""), self._configuration.most_bytes)
                for piece in response.raw.stream(PIECE_BYTES, decode_content=False):
                    yield from decoding.feed(piece)
                    # an answer that comes fast, but does not end, is never waited for
                    left(until)
                decoding.end()
        except FOREIGN as error:
            raise failure(error) from None

    def close(self) -> None:
        """Let go of the pooled connections."""
        self._session.close()

    def _trust(self) -> Any:
        """The TLS context, made at once if the connection has settings for it, so that they are known to be good."""
        tls = self._configuration.tls
        made = functools.cache(lambda: context(tls))
        if tls != type(tls)():
            made()
        if not tls.verify:
            log.warning(
                "the connection to %s does not check certificates (tls.verify is false)",
                urlsplit(self._configuration.base_url).hostname,
            )
        return made


def _check_length(length: str) -> None:
    # urllib3 would read such an answer to the end of the connection, whatever was meant
    if not all(one.strip().isascii() and one.strip().isdigit() for one in length.split(",")):
        raise ConnectionFailed("protocol", "the length of the answer is no number")


def _driven(exchange: Exchange, perform: Any) -> Reply:
    """Perform the steps of an exchange until it has its reply."""
    try:
        step = next(exchange)
        while True:
            try:
                result = perform(step)
            except ConnectionFailed as error:
                step = exchange.throw(error)
            else:
                step = exchange.send(result)
    except StopIteration as end:
        reply: Reply = end.value
        return reply


def _proxies(proxy: Proxy | None) -> dict[str, str]:
    if proxy is None:
        return {}
    try:
        parts = urlsplit(proxy.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme != "http" or "@" in parts.netloc or parts.path.strip("/") or parts.query:
        raise SettingInvalid(
            "proxy.url must be http://host:port; user name and password have members of their own", "/proxy/url"
        )
    return {"http": proxy.url, "https": proxy.url}


def _proxy_fields(proxy: Proxy | None) -> dict[str, str]:
    if proxy is None or not proxy.username:
        return {}
    credential = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode("ascii")
    return {"Proxy-Authorization": f"Basic {credential}"}
