"""Tables and views of a database as entities (type ``sql``)."""

from __future__ import annotations

from typing import Any

from apimgmt.connections.entities.member import Member
from apimgmt.model import Struct


class Table(Struct, frozen=True):
    """``table`` in ``schema`` (empty: the database's default). ``key`` are the columns that tell rows apart; they may
    be named for a view. ``fields`` are the columns that it has; only these can be seen, all if there are none."""

    table: str
    schema: str = ""
    view: bool = False
    key: tuple[str, ...] = ()
    fields: tuple[Member, ...] = ()

    def source(self, connection: Any, name: str) -> Any:
        """The rows, ready to be used."""
        # imported here: a worker without databases starts sooner without SQLAlchemy
        from apimgmt.connections.entities.rows import Rows

        return Rows(connection, name, self)
