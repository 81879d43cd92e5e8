"""Experiments, who takes part in them, and what was seen of their answers.

Revision ID: r0010
"""

from __future__ import annotations

from alembic import op

revision = "r0010"
down_revision = "r0002"

_TABLES = (
    """CREATE TABLE experiments (
        id TEXT PRIMARY KEY, bot TEXT NOT NULL, started_at TEXT NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL)""",
    "CREATE INDEX experiments_in_order ON experiments (bot, started_at)",
    # The database itself refuses a second one: two processes may start at once.
    "CREATE UNIQUE INDEX one_running_experiment ON experiments (bot) WHERE status = 'running'",
    """CREATE TABLE experiment_users (
        experiment_id TEXT NOT NULL REFERENCES experiments (id), person TEXT NOT NULL, arm TEXT NOT NULL,
        assigned_at TEXT NOT NULL, PRIMARY KEY (experiment_id, person))""",
    """CREATE TABLE experiment_outcomes (
        id {serial}, experiment_id TEXT NOT NULL, person TEXT NOT NULL, arm TEXT NOT NULL, metric TEXT NOT NULL,
        first_value {real} NOT NULL, total {real} NOT NULL, count INTEGER NOT NULL,
        UNIQUE (experiment_id, person, arm, metric))""",
)


def upgrade() -> None:
    """Make the tables; at most one running experiment a bot."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    types = {
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT" if sqlite else "BIGSERIAL PRIMARY KEY",
        "real": "REAL" if sqlite else "DOUBLE PRECISION",
    }
    for statement in _TABLES:
        text = statement.format(**types)
        if text.startswith("CREATE TABLE") and not sqlite:
            text = text.replace(" TEXT", ' TEXT COLLATE "C"')
        op.execute(text)
