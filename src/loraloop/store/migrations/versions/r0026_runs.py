"""A dataset names the rows that it has in common with an earlier one, and stores only its own.

Revision ID: r0026
"""

from __future__ import annotations

from alembic import op

from loraloop.types import CONSENTS_TO_LEARN

revision = "r0026"
down_revision = "r0025"

_TABLE = """CREATE TABLE dataset_runs (
    dataset_id TEXT NOT NULL, number INTEGER NOT NULL, rows_of TEXT NOT NULL, first_position INTEGER NOT NULL,
    last_position INTEGER NOT NULL, PRIMARY KEY (dataset_id, number))"""
_INDEX = "CREATE INDEX dataset_runs_of_rows ON dataset_runs (rows_of, first_position)"
_KNOWN = """INSERT INTO dataset_runs SELECT dataset_id, 0, dataset_id, MIN(position), MAX(position)
    FROM dataset_rows GROUP BY dataset_id"""
_ALLOWED = ", ".join(f"'{consent}'" for consent in sorted(CONSENTS_TO_LEARN))
_LACKS_CONSENT = f"""EXISTS (
    SELECT 1 FROM dataset_rows d LEFT JOIN conversations c ON c.id = d.conversation_id
    LEFT JOIN people p ON p.id = c.person
    WHERE d.dataset_id = NEW.rows_of AND d.position BETWEEN NEW.first_position AND NEW.last_position
    AND (c.id IS NULL OR c.consent NOT IN ({_ALLOWED}) OR p.withdrawn_at IS NOT NULL
        OR (p.age_group = 'under_14' AND p.guardian_consent = 0)
        OR c.bot <> (SELECT bot FROM records WHERE kind = 'Dataset' AND id = NEW.dataset_id)))"""
_SAYS = "a dataset row needs a conversation with consent"
_SQLITE = tuple(
    f"""CREATE TRIGGER dataset_runs_need_consent_{when.lower()} BEFORE {when} ON dataset_runs
    WHEN {_LACKS_CONSENT} BEGIN SELECT RAISE(ABORT, '{_SAYS}'); END"""
    for when in ("INSERT", "UPDATE")
)
_POSTGRES = (
    f"""CREATE FUNCTION dataset_runs_need_consent() RETURNS trigger AS $$ BEGIN
    IF {_LACKS_CONSENT} THEN RAISE EXCEPTION '{_SAYS}'; END IF;
    RETURN NEW; END $$ LANGUAGE plpgsql""",
    """CREATE TRIGGER dataset_runs_need_consent BEFORE INSERT OR UPDATE ON dataset_runs
    FOR EACH ROW EXECUTE FUNCTION dataset_runs_need_consent()""",
)


def upgrade() -> None:
    """Make the table of the datasets there are, and the guard that refuses what may not be learnt from."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(f"{_TABLE} WITHOUT ROWID" if sqlite else _TABLE.replace(" TEXT", ' TEXT COLLATE "C"'))
    op.execute(_INDEX)
    op.execute(_KNOWN)
    for statement in _SQLITE if sqlite else _POSTGRES:
        op.execute(statement)
