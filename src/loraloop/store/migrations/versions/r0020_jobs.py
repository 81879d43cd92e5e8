"""Durable jobs: who holds which, until when, and what became of them.

Revision ID: r0020
"""

from __future__ import annotations

from alembic import op

revision = "r0020"
down_revision = "r0011"

_TABLES = (
    """CREATE TABLE jobs (
        number {serial}, id TEXT NOT NULL UNIQUE, bot TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
        actor TEXT NOT NULL, reason TEXT NOT NULL, priority INTEGER NOT NULL, status TEXT NOT NULL,
        created_at TEXT NOT NULL, begun_at TEXT, finished_at TEXT, max_errors INTEGER NOT NULL, stages TEXT NOT NULL,
        metadata TEXT NOT NULL, wish TEXT NOT NULL, errors INTEGER NOT NULL, crashes INTEGER NOT NULL,
        fence INTEGER NOT NULL, owner TEXT NOT NULL, process TEXT NOT NULL, stage TEXT NOT NULL,
        steps INTEGER NOT NULL, total INTEGER NOT NULL, error TEXT NOT NULL, clock TEXT NOT NULL,
        lease_until {real} NOT NULL, ready_at {real} NOT NULL, UNIQUE (bot, key))""",
    "CREATE INDEX jobs_by_status ON jobs (status, priority, number)",
    # The database itself refuses a second one: a bot's loop is turned by one at a time.
    "CREATE UNIQUE INDEX one_running_job ON jobs (bot) WHERE status = 'running'",
    """CREATE TABLE job_events (
        number {serial}, job_id TEXT NOT NULL REFERENCES jobs (id), at TEXT NOT NULL, kind TEXT NOT NULL,
        facts TEXT NOT NULL)""",
    "CREATE INDEX job_events_in_order ON job_events (job_id, number)",
)


def upgrade() -> None:
    """Make the tables; at most one running job a bot."""
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
