"""SQLite as we use it: every connection durable, with a write-ahead log, and checkpoints that are ours."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import Any

import sqlalchemy as sa

log = logging.getLogger(__name__)

_AGAIN_S = 0.005
_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))
"""Releases with the fix of the WAL-reset bug (sqlite.org/wal.html)."""


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Return whether this SQLite release holds the fix of the WAL-reset bug.

    Example:
        >>> wal_is_safe((3, 40, 1)), wal_is_safe((3, 50, 7)), wal_is_safe((3, 52, 0))
        (False, True, True)
    """
    return version >= _FIXED[0] or any(version[:2] == fixed[:2] and version >= fixed for fixed in _FIXED[1:])


def sqlite_engine(url: sa.URL, timeout_s: float) -> sa.Engine:
    """Return what opens connections to one file.

    Transactions begin with ``BEGIN``, those of connections with the execution option ``write`` with
    ``BEGIN IMMEDIATE``.

    Args:
        url: of the file, whose folder exists.
        timeout_s: how long a connection waits for others.
    """
    if not wal_is_safe(sqlite3.sqlite_version_info):
        log.info("SQLite %s: every write and checkpoint goes through one file lock", sqlite3.sqlite_version)
    connect = {"timeout": timeout_s, "check_same_thread": False}
    engine = sa.create_engine(url, connect_args=connect, hide_parameters=True)  # errors are logged, talk is not

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the begin event below opens transactions, not the driver
        cursor = connection.cursor()
        _use_wal(cursor, timeout_s)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "cache_size=-16384",  # KiB: what a large transaction changes is not written twice
            "wal_autocheckpoint=0",  # checkpoints are ours, under the lock
            "cell_size_check=ON",
            "trusted_schema=OFF",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(cursor: sqlite3.Cursor, timeout_s: float) -> None:
    """Switch a new file to a log; of two connections that do so at once SQLite refuses one without any waiting."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
