"""Conversations know the pseudonym of the device or address group they came from, where the gateway keeps it.

Revision ID: r0021
"""

from __future__ import annotations

from alembic import op

revision = "r0021"
down_revision = "r0020"


def upgrade() -> None:
    """Add the column."""
    collate = "" if op.get_bind().dialect.name == "sqlite" else ' COLLATE "C"'
    op.execute(f"ALTER TABLE conversations ADD COLUMN source_group TEXT{collate}")
