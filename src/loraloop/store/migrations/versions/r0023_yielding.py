"""Jobs know whether they stand aside for users, and for how long they did in all.

Revision ID: r0023
"""

from __future__ import annotations

from alembic import op

revision = "r0023"
down_revision = "r0022"


def upgrade() -> None:
    """Add the columns; jobs so far never stood aside."""
    real = "REAL" if op.get_bind().dialect.name == "sqlite" else "DOUBLE PRECISION"
    op.execute("ALTER TABLE jobs ADD COLUMN yielding INTEGER NOT NULL DEFAULT 0")
    op.execute(f"ALTER TABLE jobs ADD COLUMN yielded_s {real} NOT NULL DEFAULT 0")
