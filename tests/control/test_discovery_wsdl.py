"""A WSDL becomes entities through the control plane: fetched over the connection, kept, and used without it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from discovering import platform_with

from apimgmt.control.discovery.discoveries import Asked
from apimgmt.control.service import Control
from apimgmt.errors import Problem

pytest.importorskip("zeep", reason="the extra `soap` is not installed")

WSDL = """<definitions targetNamespace="urn:x" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="urn:x"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
 <message name="In"><part name="text" type="xsd:string"/></message>
 <message name="Out"><part name="length" type="xsd:int"/></message>
 <portType name="P">
  <operation name="Measure"><input message="tns:In"/><output message="tns:Out"/></operation>
 </portType>
 <binding name="B" type="tns:P"><soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="Measure"><soap:operation soapAction=""/>
   <input><soap:body use="literal" namespace="urn:x"/></input>
   <output><soap:body use="literal" namespace="urn:x"/></output>
  </operation>
 </binding>
 <service name="S"><port name="Q" binding="tns:B"><soap:address location="http://internal.example/x"/></port></service>
</definitions>"""
ANSWER = """<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
 <m:MeasureResponse xmlns:m="urn:x"><length>5</length></m:MeasureResponse></e:Body></e:Envelope>"""


class Handler(BaseHTTPRequestHandler):
    """Gives the WSDL, and the same answer to every call."""

    def do_GET(self) -> None:
        self._give(WSDL if self.path == "/svc?wsdl" else "")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._give(ANSWER)

    def _give(self, content: str) -> None:
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    """A SOAP service in the style rpc."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/svc"
    server.shutdown()
    server.server_close()


@pytest.fixture
def platform(tmp_path: Path, address: str) -> Iterator[Control]:
    """A control plane with a connection to it."""
    given = {"name": "crm", "type": "soap", "baseUrl": address, "internalHosts": ["127.0.0.1"], "retries": {"count": 0}}
    with platform_with(tmp_path, given) as control:
        yield control


@pytest.mark.rows("C-029")
def test_operations_are_discovered_stored_and_called(platform: Control) -> None:
    """Nothing needs to be said but the connection; another address in the WSDL is noted and not called."""
    result = platform.discoveries.discover("crm", Asked())
    assert not list((platform._archive.root / "compiled").iterdir())
    assert result["notes"] == ["the WSDL says another address for the port Q; the connection's base URL is called"]
    result = platform.discoveries.discover("crm", Asked(store=True))
    assert [(one["name"], one["stored"]) for one in result["entities"]] == [("Measure", True)]
    assert result["entities"][0]["definition"]["fields"] == [{"name": "text", "type": "string", "nullable": False}]
    connection = platform.connections.opened("crm", 5)
    assert connection.entity("Measure").send(text="hello") == 5
    connection.close()
    assert platform.discoveries.discover("crm", Asked())["entities"][0]["state"] == "same"


def test_a_wsdl_that_is_not_there_is_told(platform: Control) -> None:
    """With the status."""
    with pytest.raises(Problem, match="404"):
        platform.discoveries.discover("crm", Asked(source="http://127.0.0.1:" + _port(platform) + "/other"))


@pytest.mark.parametrize("content", [b"<html><body>Sign in</body></html>", b'<x:Edmx xmlns:x="urn:x" Version="1.0"/>'])
def test_what_is_no_wsdl_is_told(platform: Control, content: bytes) -> None:
    """The page of a sign-in, say: zeep takes any XML for a WSDL without a service."""
    with pytest.raises(Problem, match="this is no WSDL") as caught:
        platform.discoveries.discover("crm", Asked(content=content))
    assert caught.value.code == "connection-failed"


def test_a_schema_that_includes_nothing_is_told(platform: Control) -> None:
    """What zeep has no error of its own for is an answer too, and no defect of ours."""
    types = '<types><xsd:schema targetNamespace="urn:y"><xsd:include/></xsd:schema></types>'
    with pytest.raises(Problem, match="what came is not SOAP or WSDL"):
        platform.discoveries.discover("crm", Asked(content=WSDL.replace("<message", f"{types}<message", 1).encode()))


def test_a_port_without_an_address_is_called_at_the_base_url(platform: Control) -> None:
    """What a WSDL leaves out is what the connection says; that is noted."""
    at = '<soap:address location="http://internal.example/x"/>'
    result = platform.discoveries.discover("crm", Asked(content=WSDL.replace(at, "").encode()))
    assert ([one["name"] for one in result["entities"]], len(result["notes"])) == (["Measure"], 1)


def _port(platform: Control) -> str:
    url: str = platform.connections.get("crm").view["baseUrl"]
    return url.split(":")[2].split("/")[0]
