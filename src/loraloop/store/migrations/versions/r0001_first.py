"""The first tables.

Revision ID: r0001
"""

from __future__ import annotations

from alembic import op

from loraloop.types import CONSENTS_TO_LEARN

revision = "r0001"
down_revision = None

_ALLOWED = ", ".join(f"'{consent}'" for consent in sorted(CONSENTS_TO_LEARN))
_TABLES = (
    """CREATE TABLE conversations (
        id TEXT PRIMARY KEY, bot TEXT NOT NULL, created_at TEXT NOT NULL, source TEXT NOT NULL, consent TEXT NOT NULL,
        person TEXT, session TEXT, release_id TEXT, quality_score {real}, language TEXT, messages TEXT NOT NULL)""",
    "CREATE INDEX conversations_in_order ON conversations (bot, created_at, id)",
    """CREATE TABLE feedback (
        id {serial}, conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        body TEXT NOT NULL)""",
    "CREATE INDEX ix_feedback_conversation_id ON feedback (conversation_id)",
    "CREATE TABLE drops (bot TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (bot, target))",
    """CREATE TABLE records (
        kind TEXT NOT NULL, id TEXT NOT NULL, bot TEXT NOT NULL, created_at TEXT NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (kind, id))""",
    "CREATE INDEX records_in_order ON records (kind, bot, created_at)",
    """CREATE TABLE dataset_rows (
        dataset_id TEXT NOT NULL, position INTEGER NOT NULL, conversation_id TEXT NOT NULL,
        message_index INTEGER NOT NULL, split TEXT NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (dataset_id, position))""",
    "CREATE INDEX ix_dataset_rows_conversation_id ON dataset_rows (conversation_id)",
    """CREATE TABLE releases (
        id TEXT PRIMARY KEY, bot TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX releases_by_version ON releases (bot, version)",
    """CREATE TABLE live (
        bot TEXT PRIMARY KEY, version INTEGER NOT NULL, release_id TEXT NOT NULL REFERENCES releases (id))""",
    "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE events (
        id {serial}, bot TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, at TEXT NOT NULL,
        facts TEXT NOT NULL)""",
    "CREATE INDEX events_in_order ON events (bot, id)",
)
_SQLITE_GUARD = f"""CREATE TRIGGER dataset_rows_need_consent BEFORE INSERT ON dataset_rows
    WHEN NOT EXISTS (SELECT 1 FROM conversations WHERE id = NEW.conversation_id AND consent IN ({_ALLOWED}))
    BEGIN SELECT RAISE(ABORT, 'a dataset row needs a conversation with consent'); END"""
_POSTGRES_GUARD = (
    f"""CREATE FUNCTION dataset_rows_need_consent() RETURNS trigger AS $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM conversations WHERE id = NEW.conversation_id AND consent IN ({_ALLOWED})) THEN
        RAISE EXCEPTION 'a dataset row needs a conversation with consent'; END IF;
    RETURN NEW; END $$ LANGUAGE plpgsql""",
    """CREATE TRIGGER dataset_rows_need_consent BEFORE INSERT ON dataset_rows
    FOR EACH ROW EXECUTE FUNCTION dataset_rows_need_consent()""",
)


def upgrade() -> None:
    """Make the tables and the guard that refuses dataset rows without consent."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    types = {
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT" if sqlite else "BIGSERIAL PRIMARY KEY",
        "real": "REAL" if sqlite else "DOUBLE PRECISION",
    }
    # Text is compared byte by byte on both databases, so that the order of conversations is the same.
    collate = "" if sqlite else ' COLLATE "C"'
    for statement in _TABLES:
        text = statement.format(**types)
        if text.startswith("CREATE TABLE"):
            text = text.replace(" TEXT", f" TEXT{collate}")
        op.execute(text)
    for guard in (_SQLITE_GUARD,) if sqlite else _POSTGRES_GUARD:
        op.execute(guard)
