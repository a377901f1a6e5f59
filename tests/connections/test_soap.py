"""SOAP operations as entities, against a SOAP service on this machine: discovered from its WSDL, and called."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from soapservice import SCHEMA, WSDL, SoapServer, envelope_of

import apimgmt.connections.authentication.bearer
import apimgmt.connections.authentication.none  # noqa: F401  importing a kind registers it
from apimgmt.archive import Archive, api_digest
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.control.discovery import Discovered
from apimgmt.control.discovery.wsdl import described, discovered
from apimgmt.errors import ConnectionFailed
from apimgmt.reading import read
from apimgmt.settings import Settings

zeep = pytest.importorskip("zeep", reason="the extra `soap` is not installed")
MOST_FILES = 60


@pytest.fixture
def server() -> Iterator[SoapServer]:
    """A SOAP service."""
    server = SoapServer()
    yield server
    server.stop()


def made(server: SoapServer, folder: Path, entities: Any = None, **members: Any) -> Connection:
    """A connection to it."""
    given = {
        "type": "soap",
        "baseUrl": f"{server.url}/crm",
        "internalHosts": ["127.0.0.1"],
        "retries": {"count": 0},
        "authentication": {"kind": "bearer", "token": "t0ken"},
        **members,
    }
    return Connection("crm", read(given, Configuration), entities or {}, Settings(data=str(folder)))


def look(server: SoapServer, folder: Path, content: bytes = b"", **members: Any) -> tuple[Discovered, bytes]:
    """What is discovered, and what would be kept."""
    connection = made(server, folder, **members)
    try:
        service, description = described(connection, f"{server.url}/crm?wsdl", content)
        kept = msgspec.json.encode(description)
        return discovered(service, api_digest(b"", kept)), kept
    finally:
        connection.close()


@pytest.fixture
def crm(server: SoapServer, tmp_path: Path) -> Iterator[Connection]:
    """A connection with the entities that were discovered and kept."""
    result, kept = look(server, tmp_path)
    Archive(tmp_path).put_api(b"", kept)
    server.requests.clear()
    connection = made(server, tmp_path, {one.name: one.definition for one in result.found})
    yield connection
    connection.close()


@pytest.mark.rows("C-029")
def test_operations_become_entities(server: SoapServer, tmp_path: Path) -> None:
    """Of the SOAP port, with the members of their messages; the port that is not SOAP is left out, and says so."""
    result, _ = look(server, tmp_path)
    found = {one.name: one.definition for one in result.found}
    assert set(found) == {"Find", "Add"}
    assert {**found["Find"], "description": ""} == {
        "description": "",
        "service": "Crm",
        "port": "CrmPort",
        "operation": "Find",
        "fields": [{"name": "name", "type": "string", "nullable": False}, {"name": "most", "type": "int"}],
        "answer": [{"name": "customer", "type": "Customer"}],
    }
    assert [(one.what, one.why) for one in result.left_out] == [("port CrmPlain of Crm", "its binding is not SOAP")]
    assert [path for _, path, _ in server.requests] == ["/crm?wsdl", "/types.xsd"]


@pytest.mark.rows("C-029")
def test_an_operation_is_called(server: SoapServer, crm: Connection) -> None:
    """Rows are listed and made; only the operation itself goes over the network, with our credential."""
    assert list(crm.entity("Find").list(name="")) == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}]
    assert list(crm.entity("Find").list(name="Bo", most=1)) == [{"id": 2, "name": "Bob"}]
    assert list(crm.entity("Find").list(name="nobody")) == []
    made = crm.entity("Add").create({"customer": {"id": 3, "name": "<Eve> & 'Co'"}})
    assert made == {"id": 3, "balance": decimal.Decimal("1.50")}
    assert server.customers[-1] == (3, "<Eve> & 'Co'")
    assert {(method, path) for method, path, _ in server.requests} == {("POST", "/crm")}
    fields = server.requests[0][2]
    assert fields["Authorization"] == "Bearer t0ken" and fields["SOAPAction"] == '"urn:crm:Find"'


def test_a_fault_is_an_error_without_its_text(server: SoapServer, crm: Connection) -> None:
    """Its code is said, for it says whose fault it is; its words are those of the other system."""
    with pytest.raises(ConnectionFailed) as caught:
        crm.entity("Find").send(name="fault")
    assert caught.value.cause == "status" and "soap:Client" in str(caught.value) and "planted" not in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [{}, {"name": "x", "other": 1}, {"name": {"a": 1}, "most": "many"}, {"name": "a\x00b"}],
    ids=["missing", "unknown", "types", "nul"],
)
def test_parts_that_do_not_fit_are_not_sent(server: SoapServer, crm: Connection, parts: dict[str, Any]) -> None:
    """What the WSDL does not have is told before anything is sent."""
    with pytest.raises(ConnectionFailed) as caught:
        crm.entity("Find").send(parts)
    assert caught.value.cause == "request" and server.requests == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<other xmlns='urn:crm:types'/>", []),
        ("<Found xmlns='urn:crm:types'><customer><id>planted</id><name>A</name></customer></Found>", [(None, "A")]),
    ],
    ids=["another-element", "another-type"],
)
def test_zeep_is_lenient_with_answers(
    server: SoapServer, crm: Connection, caplog: pytest.LogCaptureFixture, body: str, found: list[Any]
) -> None:
    """What the WSDL does not have is left out, a value that does not fit is None; it is not written into the log."""
    server.answer = envelope_of(body)
    assert [(row["id"], row["name"]) for row in crm.entity("Find").list(name="x")] == found
    assert "planted" not in caplog.text


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><x>&b;</x>"
ENTITY = "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        pytest.param("<html>", "protocol", id="html"),
        pytest.param(BOMB, "protocol", id="entities"),
        pytest.param(ENTITY, "protocol", id="external-entity"),
        pytest.param("", "protocol", id="nothing"),
    ],
)
def test_an_answer_that_is_not_what_it_should_be(server: SoapServer, crm: Connection, answer: str, cause: str) -> None:
    """It is told; no entity is expanded, no file opened, and nothing of it is said again."""
    server.answer = answer
    with pytest.raises(ConnectionFailed) as caught:
        crm.entity("Find").send(name="x")
    assert caught.value.cause == cause and "aaaa" not in str(caught.value) and "root:" not in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "cause"),
    [
        ("file:///etc/passwd", "address"),
        ("/etc/passwd", "status"),
        ("ftp://127.0.0.1/x.xsd", "address"),
        ("http://169.254.169.254/latest/meta-data", "forbidden-address"),
        ("http://localhost.localdomain.invalid/x", "name"),
    ],
)
def test_imports_go_through_the_guard(server: SoapServer, tmp_path: Path, schema: str, cause: str) -> None:
    """Neither a file of this machine, nor an internal address, nor another protocol."""
    server.files["/crm?wsdl"] = WSDL.format(schema=schema, address=f"{server.url}/crm")
    with pytest.raises(ConnectionFailed) as caught:
        look(server, tmp_path)
    assert caught.value.cause == cause


def test_an_internal_import_reaches_nobody(server: SoapServer, tmp_path: Path) -> None:
    """The listener behind a forbidden address sees no request; zeep's own transport would have called it."""
    forbidden = SoapServer()
    server.files["/crm?wsdl"] = WSDL.format(schema=f"{forbidden.url}/types.xsd", address=f"{server.url}/crm")
    local = server.url.replace("127.0.0.1", "localhost")
    connection = made(server, tmp_path, baseUrl=f"{local}/crm", internalHosts=["localhost"])
    with pytest.raises(ConnectionFailed) as caught:
        described(connection, f"{local}/crm?wsdl", b"")
    assert caught.value.cause == "forbidden-address" and forbidden.requests == []
    connection.close()
    zeep.Client(f"{server.url}/crm?wsdl")
    assert len(forbidden.requests) == 1
    forbidden.stop()


def test_an_import_from_another_origin_goes_without_the_credential(server: SoapServer, tmp_path: Path) -> None:
    """The other system may be public; our token is not for it."""
    other = SoapServer()
    server.files["/crm?wsdl"] = WSDL.format(schema=f"{other.url}/types.xsd", address=f"{server.url}/crm")
    result, _ = look(server, tmp_path)
    other.stop()
    assert len(result.found) == 2
    assert "Authorization" in server.requests[0][2] and "Authorization" not in other.requests[0][2]


@pytest.mark.parametrize("place", ["/crm?wsdl", "/types.xsd"])
@pytest.mark.parametrize("document", [BOMB, ENTITY, "<x>", "", "\ufeff"], ids=["bomb", "file", "open", "empty", "mark"])
def test_a_hostile_description_is_refused(server: SoapServer, tmp_path: Path, place: str, document: str) -> None:
    """Documents with a DTD are not read; what is no XML is told."""
    server.files[place] = document
    with pytest.raises(ConnectionFailed) as caught:
        look(server, tmp_path)
    assert caught.value.cause in ("protocol", "request", "schema")


def test_a_description_that_imports_without_end_ends(server: SoapServer, tmp_path: Path) -> None:
    """Every file imports the next one: after the most files nothing more is fetched."""
    head = '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:{}">'
    for number in range(200):
        text = head.format(number) + f'<xsd:import namespace="urn:{number + 1}" schemaLocation="/n{number + 1}.xsd"/>'
        server.files[f"/n{number}.xsd"] = text + "</xsd:schema>"
    server.files["/crm?wsdl"] = WSDL.format(schema="/n0.xsd", address=f"{server.url}/crm").replace(
        'urn:crm:types" schemaLocation', 'urn:0" schemaLocation'
    )
    with pytest.raises(ConnectionFailed) as caught:
        look(server, tmp_path)
    assert caught.value.cause == "too-large" and len(server.requests) == MOST_FILES


def test_another_address_in_the_wsdl_is_not_called(server: SoapServer, tmp_path: Path) -> None:
    """The connection's base URL is, with its credential; discovery says so."""
    server.files["/crm?wsdl"] = WSDL.format(schema="types.xsd", address="http://169.254.169.254/crm")
    result, kept = look(server, tmp_path)
    assert "another address" in result.notes[0]
    Archive(tmp_path).put_api(b"", kept)
    connection = made(server, tmp_path, {one.name: one.definition for one in result.found})
    assert len(list(connection.entity("Find").list(name=""))) == 2
    assert server.requests[-1][:2] == ("POST", "/crm")
    connection.close()


def test_a_description_from_a_file(server: SoapServer, tmp_path: Path) -> None:
    """What it imports is relative to where it would be."""
    content = WSDL.format(schema="types.xsd", address=f"{server.url}/crm").encode()
    result, kept = look(server, tmp_path, content)
    assert len(result.found) == 2 and [path for _, path, _ in server.requests] == ["/types.xsd"]
    assert SCHEMA[:50] in msgspec.json.decode(kept)["files"][f"{server.url}/types.xsd"]


def test_a_description_that_is_gone_is_told(server: SoapServer, tmp_path: Path, crm: Connection) -> None:
    """With what to do; it is not fetched anew."""
    for file in (tmp_path / "compiled").iterdir():
        file.unlink()
    with pytest.raises(ConnectionFailed, match="discover it again"):
        crm.entity("Find").send(name="x")
    assert server.requests == []
