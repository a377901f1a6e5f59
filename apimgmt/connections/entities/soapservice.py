"""A SOAP service, spoken to by zeep over our connection: zeep itself opens neither a socket nor a file.

While a WSDL is taken in, what it imports is fetched through the egress guard, without a credential where it is of
another origin, and all of it is kept. A call reads what was kept. No document with a DTD is read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import zeep
from requests.structures import CaseInsensitiveDict
from zeep.exceptions import Error, Fault, ValidationError, XMLParseError
from zeep.helpers import serialize_object
from zeep.wsdl.bindings.soap import SoapBinding
from zeep.wsdl.utils import etree_to_string

from apimgmt.archive import Archive
from apimgmt.connections import Reply
from apimgmt.connections.entities.description import Description
from apimgmt.connections.transport.redirects import origin
from apimgmt.errors import ConnectionFailed, SnapshotRefused

if TYPE_CHECKING:
    from apimgmt.connections.entities.soap import SoapOperation

MOST_FILES = 60
MOST_BYTES = 16 * 1_048_576
LONGEST_MESSAGE = 300


# zeep logs values of messages that it cannot read
logging.getLogger("zeep").setLevel(logging.CRITICAL)


class Outline(NamedTuple):
    """An operation as its WSDL describes it: what it takes and gives, as members of the body."""

    name: str
    takes: list[dict[str, Any]]
    gives: list[dict[str, Any]]


class Operation:
    """One operation of a service, ready to be called."""

    def __init__(self, connection: Any, name: str, entity: SoapOperation) -> None:
        self.connection = connection
        self.name = name
        self.entity = entity

    def send(self, row: Mapping[str, Any] | None = None, /, **parameters: Any) -> Any:
        """Call it with these parts of its message; the answer as objects, lists and values.

        A SOAP fault is ConnectionFailed("status"); parts that do not fit are ConnectionFailed("request").
        """
        entity = self.entity
        service: Service = self.connection.kept(("soap", entity.description), self._service, is_circular=True)
        return service.call(entity.service, entity.port, entity.operation, {**(row or {}), **parameters})

    # an operation does one thing, whatever its caller calls it
    get = create = update = delete = send

    def list(self, /, **parameters: Any) -> Iterator[Any]:
        """Its answer as rows: a list, the one list in an object, or the answer itself as the only row."""
        found = self.send(**parameters)
        while isinstance(found, dict) and len(found) == 1 and isinstance(next(iter(found.values())), dict | list):
            found = next(iter(found.values()))
        yield from found if isinstance(found, list) else [] if found is None else [found]

    def _service(self) -> Service:
        try:
            content = Archive(self.connection.settings.root).load_document(self.entity.description)
        except SnapshotRefused:
            raise ConnectionFailed("request", "the WSDL of this entity is not kept here: discover it again") from None
        return Service(self.connection, msgspec.json.decode(content, type=Description))


class Service:
    """A WSDL that was read."""

    def __init__(self, connection: Any, description: Description, fetching: bool = False) -> None:
        self._connection = connection
        self._transport = Kept(connection, description, fetching)
        settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False)
        with told("the WSDL"):
            self._client = zeep.Client(description.location, transport=self._transport, settings=settings)

    @property
    def description(self) -> Description:
        """The WSDL with everything that was fetched for it."""
        return self._transport.description

    def ports(self) -> Iterator[tuple[str, str, Any]]:
        """Name of the service, name of the port, and the port."""
        for service in self._client.wsdl.services.values():
            for port in service.ports.values():
                yield service.name, port.name, port

    def address(self, port: Any) -> str:
        """Where a port is called: where the WSDL says, if the connection leads there, otherwise its base URL."""
        base: str = self._connection.configuration.base_url
        said = _said(port)
        try:
            return said if origin(urlsplit(said)) == origin(urlsplit(base)) else base
        except ValueError:
            return base

    def is_elsewhere(self, port: Any) -> bool:
        """Whether the WSDL says another address than the one that is called."""
        return self.address(port) != _said(port)

    def operations(self, port: Any) -> list[Outline] | None:
        """What can be called at a port, None if it is not SOAP."""
        if not isinstance(port.binding, SoapBinding):
            return None
        with told("the WSDL"):
            return [Outline(one.name, _parts(one.input), _parts(one.output)) for one in port.binding.all().values()]

    def call(self, service: str, port: str, operation: str, parts: Mapping[str, Any]) -> Any:
        """The answer of an operation, plain; raises ConnectionFailed."""
        found = {(one, two): each for one, two, each in self.ports()}.get((service, port))
        if found is None or not isinstance(found.binding, SoapBinding):
            raise ConnectionFailed("request", f"the WSDL has no SOAP port {port!r} of a service {service!r}")
        with told(operation):
            proxy = self._client.create_service(str(found.binding.name), self.address(found))
            return serialize_object(proxy[operation](**parts), dict)


class told:  # noqa: N801  used as a statement
    """What zeep raises, as ConnectionFailed; texts of the other system and values are not passed on."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        what = self._what
        if error is None or isinstance(error, ConnectionFailed) or not isinstance(error, Exception):
            return
        if isinstance(error, Fault):
            code = "".join(sign for sign in str(error.code or "") if sign.isalnum() or sign in ":._-")[:100]
            raise ConnectionFailed("status", f"{what} answers with the SOAP fault {code or 'without a code'}") from None
        if isinstance(error, ValidationError | TypeError | AttributeError):
            raise ConnectionFailed("request", f"{what}: {str(error)[:LONGEST_MESSAGE]}") from None
        if isinstance(error, XMLParseError):
            raise ConnectionFailed("schema", f"{what}: the answer does not look as the WSDL says") from None
        if isinstance(error, Error | NotImplementedError | AssertionError):
            raise ConnectionFailed(
                "protocol", f"{what}: what came is not SOAP or WSDL ({type(error).__name__})"
            ) from None
        if isinstance(error, ValueError | ArithmeticError | LookupError | RecursionError):
            raise ConnectionFailed("request", f"{what}: the values do not fit ({type(error).__name__})") from None


class Kept:
    """The only way that zeep has to the outside: our connection, and the files that were kept.

    It has the methods of zeep's own transport and nothing of it: that one opens files and dials for itself.
    """

    def __init__(self, connection: Any, description: Description, fetching: bool) -> None:
        self._connection = connection
        self._location = description.location
        self._files = dict(description.files)
        self._fetching = fetching

    @property
    def description(self) -> Description:
        """Everything that was loaded."""
        return Description(location=self._location, files=self._files)

    def load(self, url: Any) -> bytes:
        """A file of the WSDL; raises ConnectionFailed if it may not be fetched."""
        name = str(url).partition("#")[0]
        if name in self._files:
            return self._files[name].encode()
        if not self._fetching:
            raise ConnectionFailed("request", "the kept WSDL is not complete: discover it again")
        if not name.lower().startswith(("http://", "https://")):
            raise ConnectionFailed("address", "a WSDL imports from http and https only")
        if len(self._files) >= MOST_FILES:
            raise ConnectionFailed("too-large", f"the WSDL imports more than {MOST_FILES} files")
        reply: Reply = self._connection.fetch(name)
        content = text_of(reply.raise_for_status().content)
        if sum(map(len, self._files.values())) + len(content) > MOST_BYTES:
            raise ConnectionFailed("too-large", f"the WSDL and its imports are longer than {MOST_BYTES} bytes")
        self._files[name] = content
        return content.encode()

    def post(self, address: str, message: Any, headers: Mapping[str, str]) -> Any:
        """Send a message to the address that the service has for it."""
        content = message if isinstance(message, bytes) else str(message).encode()
        fields = [(name, value) for name, value in headers.items() if value is not None]
        return Answer(self._connection.call("POST", address, content=content, headers=fields))

    def post_xml(self, address: str, envelope: Any, headers: Mapping[str, str]) -> Any:
        """The same for an element."""
        return self.post(address, etree_to_string(envelope), headers)

    def get(self, address: str, params: Any, headers: Any) -> Any:
        """Never used by SOAP."""
        raise ConnectionFailed("request", "this binding is not SOAP")


class Answer:
    """A reply as zeep expects it of requests."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.content = reply.content
        self.headers = CaseInsensitiveDict(reply.headers)
        self.encoding = "utf-8"


def _said(port: Any) -> str:
    """The address that a WSDL gives for a port, "" for none."""
    return str((port.binding_options or {}).get("address") or "")


def _parts(message: Any) -> list[dict[str, Any]]:
    """The members of a message's body: of its one element (document style), or its parts (rpc style)."""
    body = getattr(message, "body", None)
    kind = getattr(body, "type", None)
    elements = getattr(kind, "elements", None) or ([] if body is None else [(None, body)])
    shown: list[dict[str, Any]] = []
    for name, element in elements:
        qname = getattr(getattr(element, "type", None), "qname", None)
        member = {
            "name": str(name or getattr(element, "attr_name", "") or "value"),
            "type": qname.localname if qname else "",
        }
        shown.append(member if getattr(element, "is_optional", True) else {**member, "nullable": False})
    return shown


def text_of(content: bytes) -> str:
    """A file of a WSDL as text; raises ConnectionFailed unless it is XML in UTF-8 without a DTD."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConnectionFailed("protocol", "a file of the WSDL is not in UTF-8") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ConnectionFailed("protocol", "a file of the WSDL has a DTD; such files are not read")
    return text
