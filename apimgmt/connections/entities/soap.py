"""SOAP operations as entities (C-029), with zeep; it is the extra ``soap``."""

from __future__ import annotations

from typing import Any

from apimgmt.connections.entities.member import Member
from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct


class SoapOperation(Struct, frozen=True):
    """``description`` is the digest of the kept WSDL; ``service``, ``port`` and ``operation`` are names in it;
    ``fields`` are what it takes, ``answer`` is what it gives."""

    description: str
    service: str
    port: str
    operation: str
    fields: tuple[Member, ...] = ()
    answer: tuple[Member, ...] = ()

    def source(self, connection: Any, name: str) -> Any:
        """The operation, ready to be called; raises SettingInvalid where zeep is not installed."""
        try:
            from apimgmt.connections.entities.soapservice import Operation
        except ImportError:
            raise SettingInvalid("SOAP needs the extra `soap`: pip install 'apimgmt[soap]'") from None
        return Operation(connection, name, self)
