"""The write lock of a SQLite file is let go of whatever happens under it."""

import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa

from loraloop.errors import StoreError
from loraloop.store.database import Database
from loraloop.store.sql import open_store


class FailingCheckpoint(Database):
    """A database whose checkpoint fails in a way nobody foresaw."""

    def _checkpoint_when_large(self, limit_bytes: int = 4_000_000) -> None:
        raise RuntimeError("checkpoint")


def half_a_write(database: Database) -> None:
    """Make a table, then ask for one that is not there."""
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE half (n INTEGER)"))
        connection.execute(sa.text("SELECT * FROM nowhere"))


def test_a_checkpoint_that_fails_leaves_no_lock_behind(tmp_path: Path) -> None:
    """After a failed checkpoint another writer gets the file at once."""
    path = tmp_path / "loraloop.db"
    open_store(path).close()
    broken, other = FailingCheckpoint(f"sqlite:///{path}"), Database(f"sqlite:///{path}", lock_timeout_s=0.2)
    with pytest.raises(RuntimeError, match="checkpoint"), broken.write() as connection:
        connection.execute(sa.text("SELECT 1"))
    with other.write() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    broken.close()
    other.close()


def test_a_write_that_fails_leaves_no_lock_behind(tmp_path: Path) -> None:
    """After an error inside a write another writer gets the file, and nothing of it was kept."""
    path = tmp_path / "loraloop.db"
    open_store(path).close()
    first, other = (Database(f"sqlite:///{path}", lock_timeout_s=0.2) for _ in range(2))
    with pytest.raises(StoreError):
        half_a_write(first)
    with other.write() as connection:
        assert "half" not in sa.inspect(connection).get_table_names()
    first.close()
    other.close()


def test_a_pool_without_a_free_connection_is_an_error_of_the_store(tmp_path: Path) -> None:
    """The library's own errors, which are none of the driver's, are ours to whoever asks."""
    path = tmp_path / "loraloop.db"
    open_store(path).close()
    database = Database(f"sqlite:///{path}")
    database.engine = sa.create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    with database.engine.connect(), pytest.raises(StoreError, match="TimeoutError"), database.read():
        pass
    database.close()


def test_no_error_of_the_database_repeats_what_was_to_be_written(tmp_path: Path) -> None:
    """Errors are logged with their traceback; the words of a child are not for logs."""
    database = Database(f"sqlite:///{tmp_path / 'loraloop.db'}")
    with pytest.raises(StoreError) as failed, database.write() as connection:
        connection.execute(sa.text("INSERT INTO nowhere VALUES (:said)"), {"said": "terces"[::-1]})
    logged = "".join(traceback.format_exception(failed.value))
    assert "nowhere" in logged
    assert "OperationalError" in logged
    assert "secret" not in logged
    database.close()
