"""The tables, as SQLAlchemy Core sees them; the migrations make them.

Times are UTC text of fixed width, values are JSON text: both read the same from SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from .answer_tables import known_rows, metadata, signatures, tokens

__all__ = ["known_rows", "metadata", "signatures", "tokens"]

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bot", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("person", Text),
    Column("session", Text),
    Column("release_id", Text),
    Column("quality_score", Float),
    Column("language", Text),
    Column("messages", Text, nullable=False),
    Column("source_group", Text),
    Index("conversations_in_order", "bot", "created_at", "id"),
    Index("conversations_of_person", "person"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("body", Text, nullable=False),
)

drops = Table(
    "drops",
    metadata,
    Column("bot", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("bot", "target"),
)

records = Table(
    "records",
    metadata,
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("kind", "id"),
    Index("records_in_order", "kind", "bot", "created_at"),
)

dataset_rows = Table(
    "dataset_rows",
    metadata,
    Column("dataset_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("conversation_id", Text, nullable=False, index=True),
    Column("message_index", Integer, nullable=False),
    Column("split", Text, nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("dataset_id", "position"),
)

dataset_runs = Table(
    "dataset_runs",
    metadata,
    Column("dataset_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("rows_of", Text, nullable=False),
    Column("first_position", Integer, nullable=False),
    Column("last_position", Integer, nullable=False),
    PrimaryKeyConstraint("dataset_id", "number"),
    Index("dataset_runs_of_rows", "rows_of", "first_position"),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bot", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("releases_by_version", "bot", "version", unique=True),
)

live = Table(
    "live",
    metadata,
    Column("bot", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("release_id", Text, ForeignKey("releases.id"), nullable=False),
)

state = Table("state", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("bot", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Index("events_in_order", "bot", "id"),
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bot", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("experiments_in_order", "bot", "started_at"),
)

experiment_users = Table(
    "experiment_users",
    metadata,
    Column("experiment_id", Text, ForeignKey("experiments.id"), nullable=False),
    Column("person", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("assigned_at", Text, nullable=False),
    PrimaryKeyConstraint("experiment_id", "person"),
)

experiment_outcomes = Table(
    "experiment_outcomes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment_id", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("first_value", Float, nullable=False),
    Column("total", Float, nullable=False),
    Column("count", Integer, nullable=False),
    UniqueConstraint("experiment_id", "person", "arm", "metric"),
)

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("age_group", Text, nullable=False, default="unknown"),
    Column("guardian_consent", Integer, nullable=False, default=0),
    Column("withdrawn_at", Text),
)

tombstones = Table("tombstones", metadata, Column("digest", Text, primary_key=True), Column("at", Text, nullable=False))

erasures = Table(
    "erasures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("due_at", Text, nullable=False),
    Column("done_at", Text),
    Column("body", Text, nullable=False),
)

touched = Table(
    "touched",
    metadata,
    Column("adapter_id", Text, primary_key=True),
    Column("erasure_id", Text, ForeignKey("erasures.id"), nullable=False),
)

completions = Table(
    "completions",
    metadata,
    Column("id", Text, nullable=False),
    Column("choice", Integer, nullable=False),
    Column("bot", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("release_id", Text),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="SET NULL"), index=True),
    Column("person", Text),
    Column("state", Text, nullable=False),
    Column("guard", Text, nullable=False),
    Column("finish", Text, nullable=False),
    Column("experiment_id", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("first_token_s", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("metadata", Text, nullable=False),
    PrimaryKeyConstraint("id", "choice"),
    Index("completions_in_order", "bot", "created_at", "id"),
)

opinions = Table(
    "opinions",
    metadata,
    Column("completion_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("choice", Integer, nullable=False),
    Column("thumb", Text, nullable=False),
    Column("score", Float),
    Column("corrected", Integer, nullable=False),
    Column("regenerated", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("completion_id", "key"),
)

consents = Table(
    "consents",
    metadata,
    Column("bot", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("bot", "person"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("revoked_at", Text),
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("bot", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("begun_at", Text),
    Column("finished_at", Text),
    Column("max_errors", Integer, nullable=False),
    Column("stages", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("wish", Text, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("clock", Text, nullable=False),
    Column("yielding", Integer, nullable=False),
    *(Column(name, Float, nullable=False) for name in ("yielded_s", "lease_until", "ready_at")),
    UniqueConstraint("bot", "key"),
    Index("jobs_by_status", "status", "priority", "number"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Index("job_events_in_order", "job_id", "number"),
)
