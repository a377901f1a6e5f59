"""A SOAP service on this machine: a WSDL that imports its schema, two operations, and a fault when it is asked for."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.etree.ElementTree import Element, fromstring

ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
TYPES = "{urn:crm:types}"
WSDL = """<?xml version="1.0" encoding="utf-8"?>
<definitions name="Crm" targetNamespace="urn:crm" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="urn:crm"
  xmlns:t="urn:crm:types" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
  xmlns:http="http://schemas.xmlsoap.org/wsdl/http/">
 <types><xsd:schema><xsd:import namespace="urn:crm:types" schemaLocation="{schema}"/></xsd:schema></types>
 <message name="FindIn"><part name="body" element="t:Find"/></message>
 <message name="FindOut"><part name="body" element="t:Found"/></message>
 <message name="AddIn"><part name="body" element="t:Add"/></message>
 <message name="AddOut"><part name="body" element="t:Added"/></message>
 <portType name="CrmType">
  <operation name="Find"><input message="tns:FindIn"/><output message="tns:FindOut"/></operation>
  <operation name="Add"><input message="tns:AddIn"/><output message="tns:AddOut"/></operation>
 </portType>
 <binding name="CrmSoap" type="tns:CrmType">
  <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="Find"><soap:operation soapAction="urn:crm:Find"/>
   <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  <operation name="Add"><soap:operation soapAction="urn:crm:Add"/>
   <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
 </binding>
 <binding name="CrmGet" type="tns:CrmType"><http:binding verb="GET"/>
  <operation name="Find"><http:operation location="/find"/><input/><output/></operation>
 </binding>
 <service name="Crm">
  <port name="CrmPort" binding="tns:CrmSoap"><soap:address location="{address}"/></port>
  <port name="CrmPlain" binding="tns:CrmGet"><http:address location="{address}"/></port>
 </service>
</definitions>"""
SCHEMA = """<?xml version="1.0" encoding="utf-8"?>
<xsd:schema targetNamespace="urn:crm:types" elementFormDefault="qualified" xmlns="urn:crm:types"
  xmlns:xsd="http://www.w3.org/2001/XMLSchema">
 <xsd:complexType name="Customer"><xsd:sequence>
  <xsd:element name="id" type="xsd:int"/><xsd:element name="name" type="xsd:string"/>
 </xsd:sequence></xsd:complexType>
 <xsd:element name="Find"><xsd:complexType><xsd:sequence>
  <xsd:element name="name" type="xsd:string"/><xsd:element name="most" type="xsd:int" minOccurs="0"/>
 </xsd:sequence></xsd:complexType></xsd:element>
 <xsd:element name="Found"><xsd:complexType><xsd:sequence>
  <xsd:element name="customer" type="Customer" minOccurs="0" maxOccurs="unbounded"/>
 </xsd:sequence></xsd:complexType></xsd:element>
 <xsd:element name="Add"><xsd:complexType><xsd:sequence>
  <xsd:element name="customer" type="Customer"/>
 </xsd:sequence></xsd:complexType></xsd:element>
 <xsd:element name="Added"><xsd:complexType><xsd:sequence>
  <xsd:element name="id" type="xsd:int"/><xsd:element name="balance" type="xsd:decimal"/>
 </xsd:sequence></xsd:complexType></xsd:element>
</xsd:schema>"""


class SoapServer:
    """``files`` are what GET gives by path; ``requests`` are method, path and header fields of all that came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.customers = [(1, "Ada"), (2, "Bob")]
        self.answer: str | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.requests.append(("GET", self.path, dict(self.headers)))
                content = server.files.get(self.path)
                self._give(404 if content is None else 200, content or "")

            def do_POST(self) -> None:
                server.requests.append(("POST", self.path, dict(self.headers)))
                body = fromstring(self.rfile.read(int(self.headers["Content-Length"])))
                self._give(*server.called(body))

            def _give(self, status: int, content: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/xml; charset=utf-8")
                self.send_header("Content-Length", str(len(content.encode())))
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.files = {
            "/crm?wsdl": WSDL.format(schema="types.xsd", address=f"{self.url}/crm"),
            "/types.xsd": SCHEMA,
        }
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def called(self, envelope: Element) -> tuple[int, str]:
        """The answer to one operation."""
        if self.answer is not None:
            return 200, self.answer
        call = envelope.find(f"{ENVELOPE}Body")[0]  # type: ignore[index]
        if call.tag == f"{TYPES}Add":
            customer = call.find(f"{TYPES}customer")
            assert customer is not None
            number, name = (customer.findtext(f"{TYPES}{part}") or "" for part in ("id", "name"))
            self.customers.append((int(number), name))
            return 200, envelope_of(f"<Added xmlns='urn:crm:types'><id>{number}</id><balance>1.50</balance></Added>")
        name = call.findtext(f"{TYPES}name") or ""
        if name == "fault":
            fault = (
                "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>planted detail</faultstring></soap:Fault>"
            )
            return 500, envelope_of(fault)
        found = [f"<customer><id>{n}</id><name>{who}</name></customer>" for n, who in self.customers if name in who]
        return 200, envelope_of(f"<Found xmlns='urn:crm:types'>{''.join(found)}</Found>")

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def envelope_of(body: str) -> str:
    """A SOAP 1.1 message."""
    return (
        "<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'>"
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    )
