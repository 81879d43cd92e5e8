"""A database of every earlier revision, with rows in it, is opened today with all of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from loraloop.store import sql
from loraloop.store.database import Database
from loraloop.store.sql import SqlStore, known_revisions, open_store
from loraloop.types import Adapter, Conversation, Dataset, DatasetRow, Feedback, Release, message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TALKS = tuple(
    Conversation(
        f"cv-{number:016x}", "b", (message("user", f"뭐 먹지 {number}?"), message("assistant", "국수!", "review")),
        NOW + timedelta(minutes=number), "chat", "granted", user=f"u-{number % 2}", session="s",
    )
    for number in range(4)
)  # fmt: skip
FEEDBACK = Feedback(1, "thumb_up", actor="kim", created_at=NOW)
ROWS = tuple(DatasetRow(talk.id, 1, "gate" if n == 3 else "train", f"{n:064x}") for n, talk in enumerate(TALKS))
DATASETS = (Dataset("ds-1", "b", ROWS[:3], NOW, {"answer_too_short": 2}), Dataset("ds-2", "b", ROWS, NOW))
ADAPTER = Adapter("ad-1", "b", "n1", "1" * 64, "base", "/x", NOW, dataset_id="ds-2")
RELEASE = Release("rl-1", "b", 1, "ad-1", "n1", "base", "auto", "op", NOW)
Tables = dict[str, list[dict[str, object]]]


def fill(store: SqlStore) -> None:
    """What a home holds after a turn."""
    store.conversations.add(TALKS)
    store.conversations.add_feedback(TALKS[0].id, FEEDBACK)
    for one in DATASETS:
        store.datasets.put(one)
    store.adapters.put(ADAPTER)
    store.releases.publish(RELEASE, 0)
    store.state.write("key", {"a": 1})


def everything(location: str) -> Tables:
    """The rows of every table as they lie there."""
    engine, known = sa.create_engine(sql._url(location)), sa.MetaData()
    with engine.connect() as connection:
        known.reflect(connection)
        found = {
            table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
            for table in known.sorted_tables
        }
    engine.dispose()
    return found


def emptied(location: str) -> None:
    """Remove all there is."""
    if "://" not in location:
        for path in Path(location).parent.glob(f"{Path(location).name}*"):
            path.unlink()
        return
    import psycopg

    with psycopg.connect(location, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def make_old(location: str, revision: str, rows: Tables) -> None:
    """A database as it was at a revision, with what its tables held of these rows."""
    script, _ = sql._revisions()
    database = Database(sql._url(location))
    if revision < "r0026":  # each dataset had all its rows to itself
        whole = [{"dataset_id": one.id, "position": n, **row} for one in DATASETS for n, row in enumerate(one.rows)]
        rows = {**rows, "dataset_rows": whole}
    with database.write() as connection:
        steps = {"script": script, "fn": lambda rev, _: script._upgrade_revs(revision, rev)}
        context = MigrationContext.configure(connection, opts=steps)
        with Operations.context(context):
            context.run_migrations()
    with database.write() as connection:
        known = sa.MetaData()
        known.reflect(connection)
        for table in known.sorted_tables:
            names = {column.name for column in table.c if not _counted(column)}
            kept = [{name: row[name] for name in names & row.keys()} for row in rows.get(table.name, ())]
            if kept and table.name != "alembic_version":
                connection.execute(sa.delete(table))
                connection.execute(sa.insert(table), kept)
    database.close()


def _counted(column: sa.Column[object]) -> bool:
    """Whether the database numbers the rows itself."""
    return column.name == "id" and column.primary_key and isinstance(column.type, sa.Integer)


@pytest.mark.slow
@pytest.mark.parametrize("revision", sorted(known_revisions())[:-1])
def test_an_older_database_is_opened_with_everything_in_it(
    location: str, reopened: Callable[[], SqlStore], revision: str
) -> None:
    """Talk, opinions, datasets with their rows in order, adapters, what is live and what is remembered."""
    store = open_store(location)
    fill(store)
    store.close()
    rows = everything(location)
    emptied(location)
    make_old(location, revision, rows)

    store = reopened()
    judged = replace(TALKS[0], feedback=(FEEDBACK,))
    assert list(store.conversations.iterate("b")) == [judged, *TALKS[1:]]
    assert [store.datasets.get(one.id) for one in DATASETS] == list(DATASETS)
    assert store.adapters.get("ad-1") == ADAPTER
    assert store.releases.live("b") == RELEASE
    assert store.state.read("key") == {"a": 1}
    assert store.faults() == []
    assert store.datasets.put(Dataset("ds-3", "b", ROWS[1:], NOW)).rows == ROWS[1:]
