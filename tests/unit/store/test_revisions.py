"""Opening a database that needs no migration is cheap, and never wrong about that."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from loraloop.prepared_store import KnownRow, Tokens
from loraloop.store import codec, revisions, sql
from loraloop.store.revisions import is_newest, newest_revision
from loraloop.store.sql import known_revisions, open_store
from loraloop.types import Conversation, Dataset, DatasetRow, message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_end_of_the_chain_is_read_from_the_files_as_alembic_finds_it() -> None:
    """What is told without alembic is what alembic says."""
    assert newest_revision() == known_revisions()[0]


def test_two_ends_or_none_are_left_to_alembic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files form no one chain nothing is assumed."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "r1_a.py").write_text('revision = "r1"\ndown_revision = None\n')
    (tmp_path / "versions" / "r2_b.py").write_text('revision = "r2"\ndown_revision = None\n')
    monkeypatch.setattr(revisions, "MIGRATIONS", tmp_path)
    newest_revision.cache_clear()
    try:
        assert newest_revision() is None
    finally:
        monkeypatch.undo()
        newest_revision.cache_clear()


def test_only_the_newest_revision_alone_needs_nothing() -> None:
    """An empty database, an older one and one with two revisions are all handed to the migration."""
    with sa.create_engine("sqlite://").connect() as connection:
        assert not is_newest(connection)
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num TEXT)"))
        assert not is_newest(connection)
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('r0001')"))
        assert not is_newest(connection)
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": newest_revision()})
        assert is_newest(connection)
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('r0001')"))
        assert not is_newest(connection)


def test_a_database_of_today_is_opened_without_alembic(empty_database: Path, tmp_path: Path) -> None:
    """The import of alembic, half of what a short command takes, is left out."""
    copy = tmp_path / "loraloop.db"
    copy.write_bytes(empty_database.read_bytes())
    code = (
        "import sys; from loraloop.store.sql import open_store; open_store(sys.argv[1]).close(); "
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_threads_that_open_new_homes_at_once_each_get_a_whole_one(tmp_path: Path) -> None:
    """Their migrations take turns; each database has every table."""
    paths = [tmp_path / f"{n}.db" for n in range(4)]
    with ThreadPoolExecutor(len(paths)) as pool:
        for store in pool.map(open_store, paths):
            assert store.faults() == []
            store.close()


def test_what_an_older_database_holds_of_datasets_and_answers_is_there_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its datasets have their rows, what was worked out is kept, and the guards still take it away."""
    script = sql._revisions()[0]
    with monkeypatch.context() as older:
        older.setattr(sql, "_revisions", lambda: (script, "r0025"))
        older.setattr(sql, "is_newest", lambda _: False)
        store = open_store(tmp_path / "x.db")
    said = (message("user", "why?"), message("assistant", "so", "review"))
    talks = [Conversation(f"cv-{n:016x}", "b", said, NOW + timedelta(-n), "chat", "granted") for n in range(3)]
    store.conversations.add(talks)
    row = KnownRow(1, "", True, False, "train", "digest", b"content", "why?", 0, None)
    store.prepared.keep_rows([(one.id, "mark", "rules", row) for one in talks])
    store.prepared.keep_tokens([((one.id, 1), Tokens("mark", 1, 2, b"ids")) for one in talks])
    with store._database.write() as connection:
        record = codec.encode(Dataset("ds-1", "b", (), NOW))
        connection.exec_driver_sql(f"INSERT INTO records VALUES ('Dataset', 'ds-1', 'b', '{NOW}', '{record}')")
        for place, one in enumerate(talks):
            connection.exec_driver_sql(
                f"INSERT INTO dataset_rows VALUES ('ds-1', {place}, '{one.id}', 1, 'train', 'd')"
            )
    store.close()
    store = open_store(tmp_path / "x.db")
    rows = tuple(DatasetRow(one.id, 1, "train", "d") for one in talks)
    assert store.datasets.get("ds-1") == Dataset("ds-1", "b", rows, NOW)
    ids = [one.id for one in talks]
    assert set(store.prepared.verdicts(ids)) == set(store.prepared.tokens(ids)) == {(one, 1) for one in ids}
    assert [one.rows for page in store.prepared.talks("b", "rules") for one in page] == [(row,)] * 3
    with store._database.write() as connection:
        connection.exec_driver_sql(f"UPDATE conversations SET source = 'x' WHERE id = '{ids[0]}'")
        connection.exec_driver_sql(f"DELETE FROM conversations WHERE id = '{ids[1]}'")
    assert set(store.prepared.verdicts(ids)) == set(store.prepared.tokens(ids)) == {(ids[2], 1)}
    store.close()
