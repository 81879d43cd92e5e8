"""The tables of what is worked out of answers and kept from turn to turn; ``tables`` has them with all the others."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

signatures = Table(
    "signatures",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("bot", Text, nullable=False),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("message_index", Integer, nullable=False),
    Column("mark", Text, nullable=False),
    Column("cluster", Integer, nullable=False),
    Column("bands", LargeBinary, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    UniqueConstraint("conversation_id", "message_index"),
    Index("signatures_of_bot", "bot", "id"),
)

known_rows = Table(
    "known_rows",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("message_index", Integer, nullable=False),
    Column("mark", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("approved", Integer, nullable=False),
    Column("self_written", Integer, nullable=False),
    Column("split", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("asked", Text, nullable=False),
    Column("question_at", Integer, nullable=False),
    PrimaryKeyConstraint("conversation_id", "message_index"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("message_index", Integer, nullable=False),
    Column("mark", Text, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("answer_bytes", Integer, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    PrimaryKeyConstraint("conversation_id", "message_index"),
)
