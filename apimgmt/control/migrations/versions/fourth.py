"""API keys become resources, as everything else is that says who may call what."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "fourth"
down_revision = "third"
branch_labels = None
depends_on = None

keys = sa.table("keys", *(sa.column(name) for name in ("id", "name", "digest", "rules", "created")))
resources = sa.table(
    "resources", *(sa.column(name) for name in ("id", "kind", "name", "content", "version", "created"))
)


def upgrade() -> None:
    """Move the rows, then drop the table."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(keys)).all():
        content = json.dumps({"digest": row.digest, "rules": json.loads(row.rules)})
        values = {"id": row.id, "kind": "key", "name": row.name, "content": content, "version": 1}
        connection.execute(sa.insert(resources).values(**values, created=row.created))
    op.drop_table("keys")


def downgrade() -> None:
    """Move back what the old table can hold."""
    op.create_table(
        "keys",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(resources).where(resources.c.kind == "key")).all():
        content = json.loads(row.content)
        if not content.get("revoked"):
            values = {"id": row.id, "name": row.name, "digest": content["digest"], "created": row.created}
            rules = json.dumps(content.get("rules", []))
            connection.execute(sa.insert(keys).values(**values, rules=rules))
    connection.execute(sa.delete(resources).where(resources.c.kind == "key"))
