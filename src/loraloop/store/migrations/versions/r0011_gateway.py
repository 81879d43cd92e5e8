"""What the gateway keeps: answers served, opinions on them, consents of people, and its keys.

Revision ID: r0011
"""

from __future__ import annotations

from alembic import op

revision = "r0011"
down_revision = "r0010"

_TABLES = (
    """CREATE TABLE completions (
        id TEXT NOT NULL, choice INTEGER NOT NULL, bot TEXT NOT NULL, created_at TEXT NOT NULL, model TEXT NOT NULL,
        release_id TEXT, conversation_id TEXT REFERENCES conversations (id) ON DELETE SET NULL, person TEXT,
        state TEXT NOT NULL, guard TEXT NOT NULL, finish TEXT NOT NULL, experiment_id TEXT NOT NULL,
        arm TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        first_token_s {real} NOT NULL, seconds {real} NOT NULL, metadata TEXT NOT NULL, PRIMARY KEY (id, choice))""",
    "CREATE INDEX completions_in_order ON completions (bot, created_at, id)",
    "CREATE INDEX ix_completions_conversation_id ON completions (conversation_id)",
    """CREATE TABLE opinions (
        completion_id TEXT NOT NULL, key TEXT NOT NULL, choice INTEGER NOT NULL, thumb TEXT NOT NULL, score {real},
        corrected INTEGER NOT NULL, regenerated INTEGER NOT NULL, actor TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (completion_id, key))""",
    """CREATE TABLE consents (
        bot TEXT NOT NULL, person TEXT NOT NULL, consent TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (bot, person))""",
    """CREATE TABLE api_keys (
        id TEXT PRIMARY KEY, digest TEXT NOT NULL, roles TEXT NOT NULL, label TEXT NOT NULL,
        created_at TEXT NOT NULL, revoked_at TEXT)""",
)


def upgrade() -> None:
    """Make the tables."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _TABLES:
        text = statement.format(real="REAL" if sqlite else "DOUBLE PRECISION")
        if not sqlite and text.startswith("CREATE TABLE"):  # compared byte by byte, as SQLite does
            text = text.replace(" TEXT", ' TEXT COLLATE "C"')
        op.execute(text)
