"""The operations of a SOAP service as entities (C-029): its WSDL is read by zeep, over the connection."""

from __future__ import annotations

from typing import Any

from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.description import Description
from apimgmt.control.discovery import MOST_ENTITIES, Discovered, Found, LeftOut, unique
from apimgmt.errors import ConnectionFailed, SettingInvalid

MOST_PARTS = 500


def described(connection: Connection, location: str, content: bytes) -> tuple[Any, Description]:
    """The service and its WSDL with all that it imports; raises ConnectionFailed, or SettingInvalid without zeep.

    ``content`` is the WSDL, if it is not to be fetched; imports are relative to ``location``.
    """
    try:
        from apimgmt.connections.entities.soapservice import Service, text_of
    except ImportError:
        raise SettingInvalid("SOAP needs the extra `soap`: pip install 'apimgmt[soap]'") from None
    files = {location: text_of(content)} if content else {}
    service = Service(connection, Description(location=location, files=files), fetching=True)
    return service, service.description


def discovered(service: Any, digest: str) -> Discovered:
    """An entity for every operation, of the first SOAP port that has it; raises ConnectionFailed without any port."""
    found: dict[str, Found] = {}
    left_out: list[LeftOut] = []
    notes: list[str] = []
    taken: set[tuple[str, str]] = set()
    ports = list(service.ports())
    if not ports:
        # zeep takes any XML
        raise ConnectionFailed("protocol", "this is no WSDL, or one that has no service")
    for name, port_name, port in ports:
        operations = service.operations(port)
        if operations is None:
            left_out.append(LeftOut(what=f"port {port_name} of {name}", why="its binding is not SOAP"))
            continue
        if service.is_elsewhere(port):
            notes.append(f"the WSDL says another address for the port {port_name}; the connection's base URL is called")
        for operation in operations:
            if (name, operation.name) in taken:
                left_out.append(LeftOut(what=f"{operation.name} of port {port_name}", why="another port has it too"))
                continue
            if len(found) >= MOST_ENTITIES:
                left_out.append(LeftOut(what=operation.name, why=f"at most {MOST_ENTITIES} entities"))
                continue
            taken.add((name, operation.name))
            chosen = unique(operation.name, found)
            definition: dict[str, Any] = {
                "description": digest,
                "service": name,
                "port": port_name,
                "operation": operation.name,
                "fields": operation.takes[:MOST_PARTS],
                "answer": operation.gives[:MOST_PARTS],
            }
            found[chosen] = Found(name=chosen, definition={key: value for key, value in definition.items() if value})
    return Discovered(found=tuple(found.values()), left_out=tuple(left_out), notes=tuple(notes))
