"""Grants know whose account they are about, so that they end with it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "sixth"
down_revision = "fifth"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; grants of before, of whom nobody knows it, are ended by leaving them out."""
    op.execute("DELETE FROM grants")
    op.add_column("grants", sa.Column("account", sa.String(40), nullable=False, server_default=""))
    op.create_index("grants_account", "grants", ["account"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("grants_account", "grants")
    op.drop_column("grants", "account")
