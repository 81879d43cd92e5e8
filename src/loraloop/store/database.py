"""One database, opened safely: SQLite with one writer at a time across processes, or PostgreSQL.

On SQLite every write and every checkpoint of every process happens under one file lock, because SQLite versions up to
3.51.2 can lose committed data when two connections write and checkpoint a WAL at the same moment.

Source: sqlite.org/wal.html, "WAL-reset bug".
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..errors import LoraloopError, StoreBusy, StoreError
from .sqlite_engine import sqlite_engine

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 30.0
_POLL_S = 0.005
_POLL_FRONT_S = 0.0002
"""Of the one writer whose turn is next; a commit takes milliseconds or less, and this wait comes on top of it."""
_POLL_BEHIND_S = 0.001
"""Of those behind it: the place at the front is free for no longer than a commit takes, and whoever looks too seldom
misses it time and again."""
_ADVISORY_KEY = 0x6C6F7261  # "lora": the same in every process


class Database:
    """Hands out connections: ``read()`` for a consistent look, ``write()`` for one transaction.

    Args:
        url: SQLAlchemy URL (``sqlite:///PATH`` or ``postgresql+psycopg://...``).
        lock_timeout_s: how long a write waits for other writers.

    Attributes:
        guard: asked first in every transaction that writes, in that transaction; where it raises nothing is written.
    """

    def __init__(self, url: str, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._url = sa.make_url(url)
        self._timeout_s = lock_timeout_s
        self._thread_lock = threading.RLock()
        self._lock_files: dict[str, int] = {}
        self._joined = threading.local()
        self.guard: Callable[[sa.Connection], object] | None = None
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.path = Path(str(self._url.database)).absolute()
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot make {self.path.parent}: {error.strerror}") from error
            self.engine = sqlite_engine(self._url, lock_timeout_s)
        else:
            self.engine = sa.create_engine(
                self._url, pool_size=4, max_overflow=4, pool_pre_ping=True, hide_parameters=True
            )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the database from its first question to its last."""
        if (joined := getattr(self._joined, "connection", None)) is not None:
            yield joined
            return
        with _told(self._name), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A connection in one transaction that is durable when the block ends, and undone when it raises.

        Raises:
            StoreBusy: other processes write for longer than the timeout. StoreError: the disk or server failed.
        """
        if (joined := getattr(self._joined, "connection", None)) is not None:
            yield joined
            return
        with _told(self._name), self._exclusive(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection = connection.execution_options(write=True)
            with connection.begin():
                if not self.is_sqlite:  # one writer at a time here too: look-then-insert must not race
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(self._timeout_s * 1000)}ms'")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_KEY})")
                if self.guard is not None:
                    self.guard(connection)
                yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let every write of this thread in the block be one transaction: all are kept, or none."""
        with self.write() as connection:
            before = getattr(self._joined, "connection", None)
            self._joined.connection = connection
            try:
                yield
            finally:
                self._joined.connection = before

    def scrub(self) -> None:
        """Leave no byte of what was deleted: rewrite the file and empty its write-ahead log.

        Raises:
            StoreBusy: somebody reads, so that the log cannot be emptied.
        """
        with _told(self._name):
            if not self.is_sqlite:
                with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    for table in sa.inspect(connection).get_table_names():
                        connection.exec_driver_sql(f'VACUUM FULL "{table}"')
                return
            with self._exclusive():
                raw = self.engine.raw_connection()
                try:
                    # Rewriting goes through the log, so the log is emptied after it, whatever stood in it before.
                    raw.execute("VACUUM")
                    self._empty_log(raw)
                finally:
                    raw.close()

    def _empty_log(self, raw: Any) -> None:
        deadline = time.monotonic() + self._timeout_s
        while raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > deadline:
                raise StoreBusy(f"{self._name} is being read, so its log cannot be emptied")
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Let go of all connections and the lock file."""
        self.engine.dispose()
        while self._lock_files:
            os.close(self._lock_files.popitem()[1])

    @property
    def file_mark(self) -> str:
        """What tells an SQLite file from its copies: nobody who works on one of them holds anything in another."""
        with _told(self._name):
            return str(self.path.stat().st_ino)

    @property
    def _name(self) -> str:
        return str(self.path) if self.is_sqlite else self._url.render_as_string(hide_password=True)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the one write lock of this SQLite file; PostgreSQL has its own, taken in ``write``."""
        if not self.is_sqlite:
            yield
            return
        if not self._thread_lock.acquire(timeout=self._timeout_s):
            raise StoreBusy(f"{self._name} is being written by another thread")
        try:
            handle = self._flock()
            try:
                yield
            finally:
                try:
                    self._checkpoint_when_large()
                finally:
                    fcntl.flock(handle, fcntl.LOCK_UN)
        finally:
            self._thread_lock.release()

    def _flock(self) -> int:
        """Take the write lock; whoever waits for it at the front keeps the others behind, so that nobody starves.

        Without the place at the front, a process that lets go and asks again at once nearly always wins.
        """
        deadline = time.monotonic() + self._timeout_s
        front = self._wait_for(".next.lock", deadline, _POLL_BEHIND_S)
        try:
            return self._wait_for(".lock", deadline, _POLL_FRONT_S)
        finally:
            fcntl.flock(front, fcntl.LOCK_UN)

    def _wait_for(self, suffix: str, deadline: float, poll_s: float) -> int:
        if suffix not in self._lock_files:
            self._lock_files[suffix] = os.open(f"{self.path}{suffix}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        handle = self._lock_files[suffix]
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreBusy(f"{self._name} is being written by another process") from None
                time.sleep(poll_s)

    def _checkpoint_when_large(self, limit_bytes: int = 4_000_000) -> None:
        wal = self.path.with_name(self.path.name + "-wal")
        try:
            if wal.stat().st_size < limit_bytes:
                return
            raw = self.engine.raw_connection()
            try:
                raw.execute("PRAGMA busy_timeout=0")  # no writer waits for a reader: the next commit tries again
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                raw.execute(f"PRAGMA busy_timeout={int(self._timeout_s * 1000)}")
                raw.close()
        except (OSError, sqlite3.Error, sa.exc.SQLAlchemyError) as error:  # a raw connection raises the driver's own
            log.info("no checkpoint now: %s", error)


def _state_of_disk(folder: Path) -> str:
    """Why nothing can be written to a folder, in SQLite's own words; empty where nothing speaks against it."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        return str(error.strerror)
    if disk.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
        return "readonly"
    return "full" if disk.f_bavail == 0 else ""


def _without_words(error: sa.exc.SQLAlchemyError) -> Exception:
    """Where something failed, for the log; a driver's own words may repeat a row that was to be written."""
    return RuntimeError(type(getattr(error, "orig", None) or error).__name__).with_traceback(error.__traceback__)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn what the driver says into our errors, with a remedy."""
    try:
        yield
    except LoraloopError:
        raise
    except sa.exc.DBAPIError as error:
        said = str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
        cause = _without_words(error)
        if "unable to open" in said or "disk I/O" in said:
            said = _state_of_disk(Path(name).parent) or said
        if "locked" in said or "busy" in said or "lock timeout" in said:
            raise StoreBusy(f"{name} is being written by another process") from cause
        if "readonly" in said or "read-only" in said:
            raise StoreError(f"{name} is read-only here", hint="make it writable, or choose another --home") from cause
        if "full" in said:
            raise StoreError(f"no space is left to write {name}", hint="free some space, then run again") from cause
        if "malformed" in said or "not a database" in said:
            raise StoreError(f"{name} is damaged ({said})", hint="restore it from a backup") from cause
        raise StoreError(f"{name}: {said}") from cause
    except sa.exc.SQLAlchemyError as error:  # its text may repeat what was to be written
        what, hint = type(error).__name__, "try again; where that goes on, too much asks the database at once"
        raise StoreError(f"{name} cannot be asked now ({what})", hint=hint) from _without_words(error)
    except OSError as error:
        raise StoreError(f"{name}: {error.strerror or error}") from error
