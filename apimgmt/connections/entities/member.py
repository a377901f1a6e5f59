"""A member of what an entity gives and takes: a column of a table, a property of an entity type, a message part."""

from __future__ import annotations

from apimgmt.model import Struct


class Member(Struct, frozen=True):
    """``type`` is the word of the system it comes from: ``INTEGER``, ``Edm.String``, ``xsd:date``."""

    name: str
    type: str = ""
    nullable: bool = True
