"""The tables of the store, as SQLAlchemy sees them; ``migrations`` makes them, and a test keeps the two equal.

Structures (bindings, triggers, rules, findings, entries) are JSON text of the structs in ``model``; times are RFC 3339
text in UTC. A deleted API keeps its row and its revisions; only the names and base paths of live ones are unique.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()
LIVE = text("deleted IS NULL")

apis = Table(
    "apis",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("environment", String(40), nullable=False, server_default="default"),
    Column("name", String(100), nullable=False),
    Column("base_path", String(2000), nullable=False),
    Column("prefix", String(2000), nullable=False),
    Column("fixed_base", Boolean, nullable=False),
    Column("binding", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("published", Text),
    Column("published_version", Integer, nullable=False, server_default="0"),
    Column("created", String(40), nullable=False),
    Column("deleted", String(40)),
    Index("apis_name", "environment", "name", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
    Index("apis_base_path", "environment", "base_path", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
)

revisions = Table(
    "revisions",
    metadata,
    Column("api", String(40), ForeignKey("apis.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("media_type", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("document_version", Text, nullable=False),
    Column("specification", String(10), nullable=False),
    Column("own_base_path", Text, nullable=False),
    Column("operations", Integer, nullable=False),
    Column("findings", Text, nullable=False),
    Column("created", String(40), nullable=False),
    Column("content", LargeBinary, nullable=False),
)

bindings = Table(
    "bindings",
    metadata,
    Column("api", String(40), ForeignKey("apis.id"), primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("binding", Text, nullable=False),
)

triggers = Table(
    "triggers",
    metadata,
    Column("api", String(40), ForeignKey("apis.id"), primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("trigger", Text, nullable=False),
)

resources = Table(
    "resources",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(200), nullable=False),
    Column("content", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", String(40), nullable=False),
    Index("resources_name", "kind", "name", unique=True),
)

grants = Table(
    "grants",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("family", String(40), nullable=False),
    Column("client", String(100), nullable=False),
    Column("account", String(40), nullable=False, server_default=""),
    Column("content", Text, nullable=False),
    Column("expires", Float, nullable=False),
    Column("ended", Float),
    Index("grants_account", "account"),
    Index("grants_family", "family"),
    Index("grants_expires", "expires"),
)

logins = Table(
    "logins",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("user", String(40), nullable=False),
    Column("name", String(100), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("created", String(40), nullable=False),
    Column("used", Float, nullable=False),
    Column("expires", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("time", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("address", String(100), nullable=False),
    Column("action", String(100), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("created", String(40), nullable=False),
    Column("refused", Text, nullable=False, server_default=""),
)
