"""What is kept of rows once judged: sketches and clusters, so that each turn looks at new rows only.

Revision ID: r0022
"""

from __future__ import annotations

from alembic import op

revision = "r0022"
down_revision = "r0021"

_TABLES = (
    """CREATE TABLE signatures (
        id {serial}, bot TEXT NOT NULL,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, message_index INTEGER NOT NULL,
        mark TEXT NOT NULL, cluster INTEGER NOT NULL, bands {bytes} NOT NULL, sketch {bytes} NOT NULL,
        UNIQUE (conversation_id, message_index))""",
    "CREATE INDEX signatures_of_bot ON signatures (bot, id)",
)


def upgrade() -> None:
    """Make the tables."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    serial = "INTEGER PRIMARY KEY AUTOINCREMENT" if sqlite else "SERIAL PRIMARY KEY"
    for statement in _TABLES:
        text = statement.format(serial=serial, bytes="BLOB" if sqlite else "BYTEA")
        if not sqlite and text.startswith("CREATE TABLE"):  # compared byte by byte, as SQLite does
            text = text.replace(" TEXT", ' TEXT COLLATE "C"')
        op.execute(text)
