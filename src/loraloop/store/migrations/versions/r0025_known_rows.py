"""All that is known of an answer beside its verdict, so that its conversation need not be read again.

Whatever changes a conversation, or takes back a word said of it, takes what was worked out of it away: the database
does that itself, whoever writes.

Revision ID: r0025
"""

from __future__ import annotations

from alembic import op

revision = "r0025"
down_revision = "r0024"

_TABLES = (
    "DROP TABLE verdicts",  # what both held is worked out again
    "DROP TABLE tokens",
    """CREATE TABLE known_rows (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, message_index INTEGER NOT NULL,
        mark TEXT NOT NULL, reason TEXT NOT NULL, rules TEXT NOT NULL, approved INTEGER NOT NULL,
        self_written INTEGER NOT NULL, split TEXT NOT NULL, digest TEXT NOT NULL, content {bytes} NOT NULL,
        asked TEXT NOT NULL, question_at INTEGER NOT NULL, PRIMARY KEY (conversation_id, message_index))""",
    """CREATE TABLE tokens (
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, message_index INTEGER NOT NULL,
        mark TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, answer_bytes INTEGER NOT NULL, ids {bytes} NOT NULL,
        PRIMARY KEY (conversation_id, message_index))""",
)
_WORKED_OUT = ("known_rows", "tokens", "signatures")
_CHANGES = (("conversations", "UPDATE", "id"), ("feedback", "UPDATE", "conversation_id"),
            ("feedback", "DELETE", "conversation_id"))  # fmt: skip


def _guards(sqlite: bool) -> list[str]:
    """Triggers on every change that makes stale what was worked out; a new word of feedback is looked for instead."""
    found: list[str] = []
    for table, change, key in _CHANGES:
        name = f"{table}_{change.lower()}_makes_stale"
        gone = " ".join(f"DELETE FROM {one} WHERE conversation_id = OLD.{key};" for one in _WORKED_OUT)
        if sqlite:
            found.append(f"CREATE TRIGGER {name} AFTER {change} ON {table} BEGIN {gone} END")
        else:
            found.append(
                f"CREATE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {gone} RETURN NULL; END $$ LANGUAGE plpgsql"
            )
            found.append(f"CREATE TRIGGER {name} AFTER {change} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
    return found


def upgrade() -> None:
    """Make the tables and their guards."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _TABLES:
        text = statement.format(bytes="BLOB" if sqlite else "BYTEA")
        if statement.startswith("CREATE"):
            # one tree instead of two; and PostgreSQL compares byte by byte, as SQLite does
            text = f"{text} WITHOUT ROWID" if sqlite else text.replace(" TEXT", ' TEXT COLLATE "C"')
        op.execute(text)
    for statement in _guards(sqlite):
        op.execute(statement)
