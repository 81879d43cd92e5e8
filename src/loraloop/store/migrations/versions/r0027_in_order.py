"""On SQLite, what is known of answers and their tokens stand in the order they came, with their keys in a tree beside.

Sorted by ids, which are random, each new row rewrote a page somewhere in the whole table: writing took two to four
times as long, and reading jumped about.

Revision ID: r0027
"""

from __future__ import annotations

from alembic import op

revision = "r0027"
down_revision = "r0026"

_TABLES = {
    "known_rows": """(
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, message_index INTEGER NOT NULL,
        mark TEXT NOT NULL, reason TEXT NOT NULL, rules TEXT NOT NULL, approved INTEGER NOT NULL,
        self_written INTEGER NOT NULL, split TEXT NOT NULL, digest TEXT NOT NULL, content BLOB NOT NULL,
        asked TEXT NOT NULL, question_at INTEGER NOT NULL, PRIMARY KEY (conversation_id, message_index))""",
    "tokens": """(
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE, message_index INTEGER NOT NULL,
        mark TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, answer_bytes INTEGER NOT NULL, ids BLOB NOT NULL,
        PRIMARY KEY (conversation_id, message_index))""",
}


def upgrade() -> None:
    """Write both tables anew under their names, which the guards on other tables know them by."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for name, columns in _TABLES.items():
        op.execute(
            f"CREATE TABLE {name}_before AS SELECT k.* FROM conversations c JOIN {name} k ON k.conversation_id = c.id "
            "ORDER BY c.bot, c.created_at, c.id, k.message_index"
        )
        op.execute(f"DROP TABLE {name}")
        op.execute(f"CREATE TABLE {name} {columns}")
        op.execute(f"INSERT INTO {name} SELECT * FROM {name}_before ORDER BY rowid")
        op.execute(f"DROP TABLE {name}_before")
