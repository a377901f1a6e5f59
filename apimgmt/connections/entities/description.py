"""A WSDL as it is kept: with everything that it imports, so that a call fetches and trusts nothing anew."""

from __future__ import annotations

from apimgmt.model import Struct


class Description(Struct, frozen=True):
    """The URL of each file and its text; ``location`` is the WSDL itself."""

    location: str
    files: dict[str, str]
