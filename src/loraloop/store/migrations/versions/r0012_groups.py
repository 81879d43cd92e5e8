"""Conversations know the pseudonym of the device or address group they came from, where the gateway keeps it.

Revision ID: r0012
"""

from __future__ import annotations

from alembic import op

revision = "r0012"
down_revision = "r0011"


def upgrade() -> None:
    """Add the column."""
    collate = "" if op.get_bind().dialect.name == "sqlite" else ' COLLATE "C"'
    op.execute(f"ALTER TABLE conversations ADD COLUMN source_group TEXT{collate}")
