"""What the checks said of answers, and answers as tokens: kept from turn to turn, gone with their conversation.

Revision ID: r0024
"""

from __future__ import annotations

from alembic import op

revision = "r0024"
down_revision = "r0023"

_TABLES = (
    """CREATE TABLE verdicts (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, message_index INTEGER NOT NULL,
        mark TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (conversation_id, message_index))""",
    """CREATE TABLE tokens (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, message_index INTEGER NOT NULL,
        mark TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, ids {bytes} NOT NULL,
        PRIMARY KEY (conversation_id, message_index))""",
)


def upgrade() -> None:
    """Make the tables."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _TABLES:
        text = statement.format(bytes="BLOB" if sqlite else "BYTEA")
        # one tree instead of two; and PostgreSQL compares byte by byte, as SQLite does
        op.execute(f"{text} WITHOUT ROWID" if sqlite else text.replace(" TEXT", ' TEXT COLLATE "C"'))
