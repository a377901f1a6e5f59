"""Migrations of the store, run by Alembic at start under a lock; one file per step in ``versions``."""
