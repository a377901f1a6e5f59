"""Every way in which a URL that somebody else has said could come to be called: ``WAYS`` by name.

A way is given the URL, tries to get there as the product does, and raises what the product raises. It returns the paths
that its own server was asked for: a way of ``AT_HOME`` goes nowhere but to the origin that it came from.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from connections.faults import Faults
from connections.soapservice import SCHEMA, WSDL
from control.discovering import platform_with
from processes.flows.flowing import definition, run
from processes.proxied import DOCUMENT, on_loop

import harness
from apimgmt.connections import connector
from apimgmt.connections.authentication.tokens import Token
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.connector.actions import Get
from apimgmt.connections.entities.description import Description
from apimgmt.connections.known import connections
from apimgmt.connections.webhooks.sending import send_again
from apimgmt.control.diagnosis import diagnosed
from apimgmt.control.discovery.discoveries import Asked
from apimgmt.control.service import Control
from apimgmt.errors import ConnectionFailed
from apimgmt.model import ConnectionEntry
from apimgmt.reading import read
from apimgmt.settings import Settings

# what the servers of the ways themselves listen on
HOME, THERE = "127.0.0.2", "127.0.0.3"
SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"
IMPORT = '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:a"><import namespace="urn:b" '
PATIENT = {"retries": {"count": 0}, "breaker": None, "timeout": 2.0, "deadline": 4.0}


class Place:
    """Where the ways begin: settings that let the hosts of ``allowed`` be called, and what is made of them once."""

    def __init__(self, folder: Path, allowed: tuple[str, ...], control: Control) -> None:
        self.settings = Settings(data=str(folder), egress_allow=",".join(allowed))
        self.control = control
        self.allowed = allowed
        self.number = itertools.count().__next__

    def connection(self, url: str, entities: Any = None, identity: str = "", **members: Any) -> Connection:
        """A connection as a worker makes it: nothing of the control plane has looked at it before."""
        configuration = read({"baseUrl": url, **PATIENT, **members}, Configuration)
        return Connection("crm", configuration, entities or {}, self.settings, identity or f"c{self.number()}")

    def discover(self, kind: str, **asked: Any) -> None:
        """Discovery, as an administrator asks for it."""
        self.control.discoveries.discover(f"crm-{kind}", Asked(**asked))

    @cached_property
    def gateway(self) -> harness.Client:
        """A gateway whose operations are bound to the process ``proxy``."""
        return harness.serve(DOCUMENT, bindings={"plain": {"kind": "proxy", "connection": "upstream"}})


@contextmanager
def place(folder: Path, *allowed: str) -> Iterator[Place]:
    """A place whose control plane has a connection to nobody of each type that is discovered."""
    given = {"baseUrl": f"http://{HOME}:9", "internalHosts": list(allowed), **PATIENT}
    with platform_with(folder, {"name": "crm-rest", **given}) as control:
        for kind in ("odata", "soap"):
            control.connections.create({"name": f"crm-{kind}", "type": kind, **given})
        yield Place(folder, allowed, control)


@contextmanager
def home(content: bytes, field: str = "") -> Iterator[Faults]:
    """A server whose first answer is this one; all others are an empty list."""
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\n{field}Content-Length: {len(content)}\r\n\r\n".encode(
        "utf-8", "ignore"
    )
    with Faults(head + content, "good", body=b"[]", host=HOME) as server:
        yield server


def paths(server: Faults) -> list[str]:
    """What a server was asked for."""
    return [seen.target for seen in server.requests]


# ---- links and redirects ---------------------------------------------------------------------------------------------


def link_field(place: Place, url: str) -> list[str]:
    """The next page, by the header field Link."""
    entity = {"customers": {"path": "/customers", "pagination": {"kind": "link"}}}
    with home(b"[{}]", f'Link: <{url}>; rel="next"\r\n') as server:
        with closing(place.connection(server.url, entity)) as made:
            list(made.entity("customers").list())
        return paths(server)


def link_in_the_body(place: Place, url: str) -> list[str]:
    """The next page, by a member of the answer."""
    pagination = {"kind": "link", "path": "$.nextLink"}
    entity = {"customers": {"path": "/customers", "dataPath": "$.rows", "pagination": pagination}}
    with home(json.dumps({"rows": [{}], "nextLink": url}).encode()) as server:
        server.body = b'{"rows": []}'
        with closing(place.connection(server.url, entity)) as made:
            list(made.entity("customers").list())
        return paths(server)


def link_of_odata(place: Place, url: str) -> list[str]:
    """The next page of an entity set."""
    with home(json.dumps({"value": [{}], "@odata.nextLink": url}).encode()) as server:
        server.body = b'{"value": []}'
        with closing(place.connection(server.url, {"customers": {"set": "Customers"}}, type="odata")) as made:
            list(made.entity("customers").list())
        return paths(server)


def redirect_on_the_loop(place: Place, url: str) -> list[str]:
    """A redirect that an async function meets."""

    async def follow(made: Connection) -> None:
        try:
            await made.acall("GET", "/")
        finally:
            await made.aclose()

    field = "".join(url.split()).encode("utf-8", "ignore")
    away = b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: " + field + b"\r\n\r\n"
    with Faults(away, "good", host=HOME) as server:
        asyncio.run(follow(place.connection(server.url, redirects=3)))
        return paths(server)


def path_of_a_call(place: Place, url: str) -> list[str]:
    """A whole URL instead of a path below the base URL."""
    with home(b"[]") as server:
        with closing(place.connection(server.url)) as made:
            made.get(url)
        return paths(server)


# ---- tokens ----------------------------------------------------------------------------------------------------------


def token(place: Place, url: str) -> list[str]:
    """The token URL of a client by itself."""
    kind = {"kind": "oauth2ClientCredentials", "tokenUrl": url, "clientId": "c", "clientSecret": "s"}
    with closing(place.connection(f"http://{HOME}:9", authentication=kind)) as made:
        made.get("/")
    return []


def code(place: Place, url: str) -> list[str]:
    """The token URL, when somebody has signed in."""
    with closing(place.connection(f"http://{HOME}:9", authentication=_signing_in(tokenUrl=url))) as made:
        kept: Any = made.policy.authentication
        kept.sign_in("code", "v" * 43, "http://localhost/back")
    return []


def refresh(place: Place, url: str) -> list[str]:
    """The refresh URL, when a token has ended."""
    kind = _signing_in(tokenUrl=f"http://{HOME}:9/token", refreshUrl=url)
    with closing(place.connection(f"http://{HOME}:9", authentication=kind)) as made:
        kept: Any = made.policy.authentication
        with kept.keeping() as store:
            store.write(Token("old", 1.0, kept.proof, expires=2.0, refresh="again"))
        made.get("/")
    return []


def _signing_in(**urls: str) -> dict[str, Any]:
    here = f"http://{HOME}:9/authorize"
    return {"kind": "oauth2AuthorizationCode", "clientId": "c", "authorizeUrl": here, **urls}


# ---- webhooks --------------------------------------------------------------------------------------------------------


def webhook(place: Place, url: str) -> list[str]:
    """The target of a webhook."""
    with closing(place.connection(url, type="webhook", authentication=SIGNED)) as made:
        made.webhook("order.created", {})
    return []


def webhook_path(place: Place, url: str) -> list[str]:
    """A whole URL instead of a webhook's path."""
    with home(b"") as server:
        with closing(place.connection(server.url, type="webhook", authentication=SIGNED)) as made:
            made.webhook("order.created", {}, path=url)
        return paths(server)


def webhook_again(place: Place, url: str) -> list[str]:
    """A webhook that was delivered elsewhere is sent again after its target has changed."""
    with home(b"") as server, closing(place.connection(server.url, type="webhook", authentication=SIGNED)) as made:
        delivery = made.webhook("order.created", {})
    changed = place.connection(url, type="webhook", authentication=SIGNED, identity=made.identity)
    with closing(changed):
        send_again(changed, delivery)
    return []


SIGNED = {"kind": "signature", "secret": SECRET}

# ---- discovery -------------------------------------------------------------------------------------------------------


def openapi(place: Place, url: str) -> list[str]:
    """Where an OpenAPI document is."""
    place.discover("rest", source=url)
    return []


def openapi_reference(place: Place, url: str) -> list[str]:
    """A reference in an OpenAPI document; nobody follows it, not even to where it could be."""
    answer = {"description": "it", "content": {"application/json": {"schema": {"$ref": f"{url}#/x"}}}}
    paths = {"/x": {"get": {"responses": {"200": answer}}}}
    document = {"openapi": "3.0.3", "info": {"title": "x", "version": "1"}, "paths": paths}
    place.discover("rest", content=json.dumps(document).encode(), media_type="application/json")
    return []


def odata(place: Place, url: str) -> list[str]:
    """Where the metadata of an OData service is."""
    place.discover("odata", source=url)
    return []


def wsdl(place: Place, url: str) -> list[str]:
    """Where a WSDL is."""
    place.discover("soap", source=url)
    return []


def wsdl_import(place: Place, url: str) -> list[str]:
    """A WSDL that a WSDL imports."""
    place.discover("soap", content=f"{IMPORT}location={_quoted(url)}/></definitions>".encode())
    return []


def schema_import(place: Place, url: str) -> list[str]:
    """A schema that a WSDL imports."""
    place.discover("soap", content=_wsdl(_quoted(url)).encode())
    return []


def schema_include(place: Place, url: str) -> list[str]:
    """A schema that the schema of a WSDL includes."""
    written = f"<xsd:include schemaLocation={_quoted(url)}/>"
    place.discover("soap", content=_wsdl('"x"').replace('<xsd:import namespace="urn:crm:types" schemaLocation="x"/>',
                                                         written).encode())  # fmt: skip
    return []


def soap_address(place: Place, url: str) -> list[str]:
    """The address that a WSDL says for its port: the base URL is called instead."""
    from apimgmt.connections.entities.soapservice import Service

    with home(b"") as server, closing(place.connection(f"{server.url}/next", type="soap")) as made:
        files = {f"{server.url}/next?wsdl": _wsdl('"types.xsd"', _quoted(url)), f"{server.url}/types.xsd": SCHEMA}
        service = Service(made, Description(location=f"{server.url}/next?wsdl", files=files))
        with suppress(ConnectionFailed):  # it is answered with nothing
            service.call("Crm", "CrmPort", "Find", {"name": "x"})
        return paths(server)


def _quoted(url: str) -> str:
    return quoteattr(url)


def _wsdl(schema: str, address: str = '""') -> str:
    return WSDL.replace('"{schema}"', schema).replace('"{address}"', address)


# ---- base URLs -------------------------------------------------------------------------------------------------------


def trial(place: Place, url: str) -> list[str]:
    """The test of a connection that is to be stored."""
    diagnosed({"baseUrl": url, "authentication": {"kind": "none"}, **PATIENT}, place.settings)
    return []


def trial_path(place: Place, url: str) -> list[str]:
    """A whole URL as the path of such a test."""
    with home(b"[]") as server:
        diagnosed({"baseUrl": server.url, **PATIENT}, place.settings, url)
        return paths(server)


def action(place: Place, url: str) -> list[str]:
    """The HTTP connector without a connection."""
    connector.perform(Get(url=url, timeout=2000), connections.find, place.settings)
    return []


def action_on_the_loop(place: Place, url: str) -> list[str]:
    """The same for an async function."""

    async def perform() -> None:
        try:
            await connector.aperform(Get(url=url, timeout=2000), connections.find, place.settings)
        finally:
            await connections.aclose()

    asyncio.run(perform())
    return []


def flow(place: Place, url: str) -> list[str]:
    """The call of a flow, to where an expression leads."""
    _run(place, "http", {"method": "get", "endpoint": "${ .url }"}, url)
    return []


def flow_document(place: Place, url: str) -> list[str]:
    """The document of an operation that a flow calls."""
    _run(place, "openapi", {"document": {"endpoint": "${ .url }"}, "operationId": "find"}, url)
    return []


def flow_server(place: Place, url: str) -> list[str]:
    """The server that such a document names."""
    found = {"get": {"operationId": "find", "responses": {"200": {"description": "it"}}}}
    document = {"openapi": "3.0.3", "info": {"title": "x", "version": "1"}, "servers": [{"url": url}]}
    with home(json.dumps({**document, "paths": {"/x": found}}).encode()) as server:
        # a document is remembered by its URL, and a port may come again
        where = f"{server.url}/{place.number()}"
        _run(place, "openapi", {"document": {"endpoint": "${ .url }"}, "operationId": "find"}, where)
    return []


def _run(place: Place, function: str, arguments: dict[str, Any], url: str) -> None:
    connections.prepared([], place.settings)()
    try:
        asyncio.run(run(definition({"call": function, "with": arguments}), {"url": url}))
    finally:
        connections.prepared([], Settings())()


def database(place: Place, url: str) -> list[str]:
    """The host of a database; the protocol is another one, so a URL of HTTP is written anew."""
    with closing(_database(place, url)) as made:
        next(iter(made.entity("customers").list()), None)
    return []


def database_trial(place: Place, url: str) -> list[str]:
    """The test of a connection to a database."""
    diagnosed({"baseUrl": _sql(url), "type": "sql", "authentication": LOGIN, **PATIENT}, place.settings)
    return []


def _database(place: Place, url: str) -> Connection:
    return place.connection(_sql(url), {"customers": {"table": "customers"}}, type="sql", authentication=LOGIN)


def _sql(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    is_web = mark and scheme.lower() in ("http", "https")
    return f"postgresql://{rest.partition('/')[0]}/crm?sslmode=disable" if is_web else url


LOGIN = {"kind": "basic", "username": "u", "password": "p"}


def forward_proxy(place: Place, url: str) -> list[str]:
    """The proxy of a connection."""
    with closing(place.connection(f"http://{HOME}:9", proxy={"url": url})) as made:
        made.get("/")
    return []


def process(place: Place, url: str) -> list[str]:
    """An operation that is bound to ``proxy``."""
    settings = {"baseUrl": url, **PATIENT}
    connections.prepared([ConnectionEntry(id="upstream", name="upstream", settings=settings)], place.settings)()
    try:
        place.gateway.get("/shop/plain")
    finally:
        on_loop(connections.aclose())
        connections.prepared([], Settings())()
    return []


Way = Callable[[Place, str], list[str]]
AT_HOME: dict[str, Way] = {
    one.__name__: one
    for one in (
        link_field,
        link_in_the_body,
        link_of_odata,
        redirect_on_the_loop,
        path_of_a_call,
        webhook_path,
        trial_path,
        soap_address,
    )
}
NOWHERE: dict[str, Way] = {"openapi_reference": openapi_reference}
ANYWHERE: dict[str, Way] = {
    one.__name__: one
    for one in (
        token,
        code,
        refresh,
        webhook,
        webhook_again,
        openapi,
        odata,
        wsdl,
        wsdl_import,
        schema_import,
        schema_include,
        trial,
        action,
        action_on_the_loop,
        flow,
        flow_document,
        flow_server,
        database,
        database_trial,
        forward_proxy,
        process,
    )
}
WAYS = {**AT_HOME, **NOWHERE, **ANYWHERE}
