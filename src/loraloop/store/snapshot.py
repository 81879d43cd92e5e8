"""One state of an SQLite database in a file of its own, taken while others go on writing.

Source: sqlite.org/backup.html. A step of the backup begins anew when the source changes between two steps; a read
transaction that is open all the while keeps it to the state it began with, and in WAL mode holds up no writer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreError
from ..ports import Progress
from .durable import fsync_path

_PAGES = 2_000
"""Copied in one step: 8 MB, so that progress is seen and a step is short."""
_ADAPTERS = "SELECT DISTINCT json_extract(body, '$.digest') FROM records WHERE kind = 'Adapter' ORDER BY 1"
_LIVE = (
    "SELECT live.bot, json_extract(records.body, '$.digest') FROM live JOIN releases ON releases.id = live.release_id "
    "JOIN records ON records.kind = 'Adapter' AND records.id = json_extract(releases.body, '$.adapter_id')"
)

_LET_GO = (
    "UPDATE jobs SET status = 'queued', owner = '', process = '', clock = '', lease_until = 0, ready_at = 0 "
    "WHERE status = 'running'"
)


@dataclass(frozen=True)
class SnapshotFacts:
    """What a snapshot holds.

    Attributes:
        revision: of its tables. conversations: how many. tombstones: digests of the forgotten.
        adapters: digests of all adapters. live: bot -> digest of the live adapter, where there is one.
    """

    revision: str
    conversations: int
    tombstones: int
    adapters: tuple[str, ...]
    live: dict[str, str]


def take(source: Path, target: Path, progress: Progress) -> None:
    """Copy one state of a database into a new file, durably; whoever writes meanwhile goes on.

    Raises:
        StoreError: the source cannot be read, or the target not be written.
    """
    with _told(target), closing(_connect(source)) as reading, closing(_connect(target)) as copy:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on the state is fixed
        reading.backup(
            copy, pages=_PAGES, sleep=0.0, progress=lambda _, left, all: progress("snapshot", all - left, all)
        )
        reading.rollback()
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    fsync_path(target)


def faults_of(path: Path) -> list[str]:
    """Return what is wrong with a database file, in words; empty when it is whole."""
    with closing(_connect(path)) as connection:
        try:
            checks = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            broken = list(connection.execute("PRAGMA foreign_key_check"))
        except sqlite3.Error as error:
            return [str(error)]
    return [line for line in checks if line != "ok"] + [
        f"a row of {row[0]} points to nothing in {row[2]}" for row in broken
    ]


def facts_of(path: Path) -> SnapshotFacts:
    """Return what a snapshot holds.

    Raises:
        StoreError: it is no database of this program.
    """
    with _told(path), closing(_connect(path)) as connection:

        def one(query: str) -> int:
            return int(connection.execute(query).fetchone()[0])

        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return SnapshotFacts(
            str(revision),
            one("SELECT count(*) FROM conversations"),
            one("SELECT count(*) FROM tombstones"),
            tuple(row[0] for row in connection.execute(_ADAPTERS)),
            dict(connection.execute(_LIVE)),
        )


def let_go(path: Path) -> int:
    """Let nobody hold the jobs of a snapshot, durably; returns how many were held.

    Whoever held them works on the database the snapshot is of: taken for lost by the copy, it would be killed.

    Raises:
        StoreError: the file may not be written.
    """
    with _told(path), closing(_connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone():
            return 0  # from before there were jobs
        freed = connection.execute(_LET_GO).rowcount
    fsync_path(path)
    return freed


def is_in_use(path: Path) -> bool:
    """Return whether another connection, of whatever process, has a database in WAL mode open.

    Only the one connection that there is may leave that mode. A file that is none, or damaged, is in nobody's use.
    """
    if not path.is_file():
        return False
    with closing(_connect(path)) as connection:
        connection.execute("PRAGMA busy_timeout=200")
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            return "locked" in str(error) or "busy" in str(error)
        except sqlite3.Error:
            return False
    return False


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"cannot copy the database to {path}: {error}") from error
