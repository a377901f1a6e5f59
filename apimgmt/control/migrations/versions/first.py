"""The first tables: APIs, revisions, bindings, triggers, keys, snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "first"
down_revision = None
branch_labels = None
depends_on = None

LIVE = sa.text("deleted IS NULL")


def upgrade() -> None:
    """Make them."""
    _make_apis()
    _make_revisions()
    for name in ("binding", "trigger"):
        op.create_table(
            f"{name}s",
            sa.Column("api", sa.String(40), sa.ForeignKey("apis.id"), primary_key=True),
            sa.Column("operation", sa.Text, primary_key=True),
            sa.Column(name, sa.Text, nullable=False),
        )
    _make_the_rest()


def _make_apis() -> None:
    op.create_table(
        "apis",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False, server_default="default"),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("base_path", sa.String(2000), nullable=False),
        sa.Column("prefix", sa.String(2000), nullable=False),
        sa.Column("fixed_base", sa.Boolean, nullable=False),
        sa.Column("binding", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("published", sa.Text),
        sa.Column("published_version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("deleted", sa.String(40)),
    )
    for column in ("name", "base_path"):
        op.create_index(
            f"apis_{column}", "apis", ["environment", column], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
        )


def _make_revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("api", sa.String(40), sa.ForeignKey("apis.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(200), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("document_version", sa.Text, nullable=False),
        sa.Column("specification", sa.String(10), nullable=False),
        sa.Column("own_base_path", sa.Text, nullable=False),
        sa.Column("operations", sa.Integer, nullable=False),
        sa.Column("findings", sa.Text, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _make_the_rest() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("refused", sa.Text, nullable=False, server_default=""),
    )
