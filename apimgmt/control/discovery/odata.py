"""The entity sets of an OData 4 service as entities (C-028): read from ``$metadata`` (OData 4.01 part 3, CSDL XML)."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from apimgmt.control.discovery import MOST_ENTITIES, Discovered, Found, LeftOut, unique
from apimgmt.errors import ConnectionFailed

EDMX = "{http://docs.oasis-open.org/odata/ns/edmx}"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
MOST_BASES = 50
MOST_FIELDS = 2_000


def discovered(content: bytes) -> Discovered:
    """An entity for every entity set; raises ConnectionFailed if the metadata is none, or of another version."""
    schemas = _schemas(content)
    types = {
        f"{name}.{one.get('Name', '')}": one
        for schema in schemas
        for name in (schema.get("Namespace", ""), schema.get("Alias"))
        if name
        for one in schema.findall(f"{EDM}EntityType")
    }
    found: dict[str, Found] = {}
    left_out: list[LeftOut] = []
    for container in (one for schema in schemas for one in schema.findall(f"{EDM}EntityContainer")):
        for one in container:
            kind, name = one.tag.removeprefix(EDM), one.get("Name", "")
            if kind != "EntitySet":
                if name:
                    left_out.append(LeftOut(what=f"{kind} {name}"[:300], why="only entity sets are entities"))
                continue
            try:
                if len(found) >= MOST_ENTITIES:
                    raise LookupError(f"a connection has at most {MOST_ENTITIES} discovered entities")
                definition = _definition(name, one.get("EntityType", ""), types)
            except LookupError as error:
                left_out.append(LeftOut(what=f"EntitySet {name}"[:300], why=str(error.args[0])))
                continue
            chosen = unique(name, found)
            found[chosen] = Found(name=chosen, definition=definition)
    return Discovered(found=tuple(found.values()), left_out=tuple(left_out))


def _schemas(content: bytes) -> list[Element]:
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise ConnectionFailed("protocol", "the metadata has a DTD; such documents are not read") from None
    except (ParseError, ValueError, LookupError):
        raise ConnectionFailed("protocol", "the metadata is no XML") from None
    if root.tag != f"{EDMX}Edmx":
        if root.tag.endswith("}Edmx"):
            raise ConnectionFailed("protocol", "the service speaks OData 3 or older; version 4 is needed")
        raise ConnectionFailed("protocol", "the metadata is not that of an OData service")
    if not root.get("Version", "").startswith("4."):
        raise ConnectionFailed("protocol", "the service speaks another version of OData; version 4 is needed")
    return root.findall(f"{EDMX}DataServices/{EDM}Schema")


def _definition(name: str, type_name: str, types: dict[str, Element]) -> dict[str, Any]:
    chain = _chain(type_name, types)
    fields: dict[str, dict[str, Any]] = {}
    key: list[str] = []
    for one in reversed(chain):
        key = [part.get("Name", "") for part in one.findall(f"{EDM}Key/{EDM}PropertyRef")] or key
        for member in one.findall(f"{EDM}Property")[:MOST_FIELDS]:
            shown = {"name": member.get("Name", ""), "type": member.get("Type", "Edm.String")}
            fields[shown["name"]] = shown if member.get("Nullable") != "false" else {**shown, "nullable": False}
    definition: dict[str, Any] = {"set": name, "key": key, "fields": [one for one in fields.values() if one["name"]]}
    return definition


def _chain(name: str, types: dict[str, Element]) -> list[Element]:
    """A type and those that it is based on, itself first."""
    chain: list[Element] = []
    while name:
        if name not in types:
            raise LookupError(f"its type {name[:200]!r} is not in the metadata")
        if len(chain) >= MOST_BASES or types[name] in chain:
            raise LookupError(f"its type {name[:200]!r} is based on itself")
        chain.append(types[name])
        name = types[name].get("BaseType", "")
    return chain
