"""Grants: what our authorization server gave out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "third"
down_revision = "second"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "grants",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("family", sa.String(40), nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("ended", sa.Float),
    )
    op.create_index("grants_family", "grants", ["family"])
    op.create_index("grants_expires", "grants", ["expires"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("grants")
