"""Entity sets of an OData 4 service as entities (C-002, C-028; OData 4.01 part 2, URL conventions)."""

from __future__ import annotations

from typing import Any

from apimgmt.connections.entities.member import Member
from apimgmt.model import Struct


class EntitySet(Struct, frozen=True):
    """``set`` is its path below the base URL; ``key`` and ``fields`` are as ``$metadata`` has them."""

    set: str
    key: tuple[str, ...] = ()
    fields: tuple[Member, ...] = ()

    def source(self, connection: Any, name: str) -> Any:
        """The entities, ready to be used."""
        # imported here: that file refers to this one
        from apimgmt.connections.entities.entityset import Entities

        return Entities(connection, name, self)
