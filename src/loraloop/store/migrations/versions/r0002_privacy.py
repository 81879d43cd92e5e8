"""People and their consent, tombstones, erasures; the guard of dataset rows asks people too.

Revision ID: r0002
"""

from __future__ import annotations

from alembic import op

from loraloop.types import CONSENTS_TO_LEARN

revision = "r0002"
down_revision = "r0001"

_TABLES = (
    """CREATE TABLE people (
        id TEXT PRIMARY KEY, age_group TEXT NOT NULL DEFAULT 'unknown', guardian_consent INTEGER NOT NULL DEFAULT 0,
        withdrawn_at TEXT, CHECK (age_group IN ('unknown', 'under_14', '14_or_over')))""",
    "CREATE TABLE tombstones (digest TEXT PRIMARY KEY, at TEXT NOT NULL)",
    """CREATE TABLE erasures (
        id TEXT PRIMARY KEY, at TEXT NOT NULL, due_at TEXT NOT NULL, done_at TEXT, body TEXT NOT NULL)""",
    """CREATE TABLE touched (
        adapter_id TEXT PRIMARY KEY, erasure_id TEXT NOT NULL REFERENCES erasures (id))""",
    "CREATE INDEX conversations_of_person ON conversations (person)",
)
_ALLOWED = ", ".join(f"'{consent}'" for consent in sorted(CONSENTS_TO_LEARN))
_MAY_BE_LEARNT = f"""EXISTS (
    SELECT 1 FROM conversations c LEFT JOIN people p ON p.id = c.person
    WHERE c.id = NEW.conversation_id AND c.consent IN ({_ALLOWED}) AND p.withdrawn_at IS NULL
    AND NOT (COALESCE(p.age_group, 'unknown') = 'under_14' AND COALESCE(p.guardian_consent, 0) = 0))"""
_SAYS = "a dataset row needs a conversation with consent"
_SQLITE = tuple(
    f"""CREATE TRIGGER dataset_rows_need_consent_{when.lower()} BEFORE {when} ON dataset_rows
    WHEN NOT {_MAY_BE_LEARNT} BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"""
    for when in ("INSERT", "UPDATE")
)
_POSTGRES = (
    f"""CREATE OR REPLACE FUNCTION dataset_rows_need_consent() RETURNS trigger AS $$ BEGIN
    IF NOT {_MAY_BE_LEARNT} THEN RAISE EXCEPTION '{_SAYS}'; END IF;
    RETURN NEW; END $$ LANGUAGE plpgsql""",
    "DROP TRIGGER dataset_rows_need_consent ON dataset_rows",
    """CREATE TRIGGER dataset_rows_need_consent BEFORE INSERT OR UPDATE ON dataset_rows
    FOR EACH ROW EXECUTE FUNCTION dataset_rows_need_consent()""",
)


def upgrade() -> None:
    """Make the tables, and put the wider guard in place of the first one."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _TABLES:
        is_table = statement.startswith("CREATE TABLE")
        op.execute(statement if sqlite or not is_table else statement.replace(" TEXT", ' TEXT COLLATE "C"'))
    if sqlite:
        op.execute("DROP TRIGGER dataset_rows_need_consent")
    for statement in _SQLITE if sqlite else _POSTGRES:
        op.execute(statement)
