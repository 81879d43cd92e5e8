"""SqlStore: one database seen as its parts, migrated when opened."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..errors import StoreError, StoreTooNew
from ..failpoints import reached
from ..jobs import Lease
from ..ports import Clock, Progress
from ..steady import Steady, waking_clock
from ..types import Decision, Report
from . import tables
from .arrivals import Arrivals
from .completions import Completions
from .consents import Consents
from .conversations import Conversations
from .database import Database
from .datasets import Datasets
from .erasure import Eraser
from .erasures import Erasures
from .events import Events
from .experiments import Experiments
from .jobs import Jobs
from .keys import Keys
from .leases import Leases, held_job
from .people import People
from .prepared import Prepared
from .revisions import MIGRATIONS, is_newest
from .signatures import Signatures
from .snapshot import take
from .tombstones import Tombstones
from .values import Adapters, Releases, State, Values

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

log = logging.getLogger(__name__)

_ONE_MIGRATION = threading.Lock()
"""Revisions speak to a module of alembic's that knows one connection: of two threads one would get the other's."""

HOW_POSTGRES_IS_SAVED = (
    "first pg_dump --format=custom --file=loraloop.dump URL, then copy the home folder and HOME.tombstones; "
    "see docs/how-to/back-up.md"
)


class SqlStore:
    """The store port over SQLite or PostgreSQL. Open it with ``open_store``.

    Attributes:
        conversations, people, datasets, adapters, reports, decisions, releases, state, events, experiments,
            arrivals, signatures, prepared: see ``ports.Store``.
        tombstones, eraser, erasures: what was forgotten, and how.
        conversations, datasets, adapters, reports, decisions, releases, state, events: see ``ports.Store``.
        completions, consents, keys: what the gateway keeps.
        jobs, leases: see ``job_store``.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        keys: Callable[[], Sequence[bytes]] | None = None,
        steady: Callable[[], Steady] = waking_clock,
    ) -> None:
        self._database = database
        now = clock.now if clock else lambda: datetime.now(UTC)
        events = Events(database, now)
        self.events = events
        self.tombstones = Tombstones(database, events, keys)
        self.eraser = Eraser(database, self.tombstones)
        self.erasures = Erasures(database, events)
        self.people = People(database, events)
        self.conversations = Conversations(database, events, self.tombstones)
        self.datasets = Datasets(database, events)
        self.adapters = Adapters(database, events)
        self.reports: Values[Report] = Values(
            database, events, Report, "AdapterEvaluated", lambda r: {"report_id": r.id, "adapter_id": r.adapter_id}
        )
        self.decisions: Values[Decision] = Values(
            database, events, Decision, "AdapterDecided", lambda d: {"decision_id": d.id, "verdict": d.verdict}
        )
        self.releases = Releases(database, events)
        self.state = State(database)
        self.experiments = Experiments(database, events)
        self.arrivals = Arrivals(database)
        self.signatures = Signatures(database)
        self.prepared = Prepared(database)
        self.completions = Completions(database, events, now, self.tombstones)
        self.consents = Consents(database, events, now)
        self.keys = Keys(database, now)
        self.jobs = Jobs(database, now)
        self.leases = Leases(database, now, steady)

    def bots(self) -> list[str]:
        """Return every bot that has an adapter or a release, sorted."""
        named = sa.select(tables.records.c.bot).where(tables.records.c.kind == "Adapter")
        with self._database.read() as connection:
            return sorted(connection.execute(named.union(sa.select(tables.releases.c.bot))).scalars())

    def faults(self) -> list[str]:
        """Return what is wrong with the database, in words; empty when it is whole."""
        found: list[str] = []
        with self._database.read() as connection:
            if self._database.is_sqlite:
                checks = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
                found += [f"database: {line}" for line in checks if line != "ok"]
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
                found += [f"database: a row of {row[0]} points to nothing in {row[2]}" for row in broken]
            dangling = sa.text(
                "SELECT l.bot FROM live l LEFT JOIN releases r ON r.id = l.release_id AND r.bot = l.bot "
                "WHERE r.id IS NULL OR r.version <> l.version"
            )
            found += [f"the live pointer of {bot} is wrong" for bot in connection.execute(dangling).scalars()]
        return found

    def snapshot(self, target: Path, progress: Progress) -> None:
        """Copy one state of an SQLite database into a new file, while others go on writing.

        Raises:
            StoreError: it is no SQLite database, or cannot be copied.
        """
        if not self._database.is_sqlite:
            raise StoreError("this home's database is a PostgreSQL server", hint=HOW_POSTGRES_IS_SAVED)
        take(self._database.path, target, progress)

    @property
    def revision(self) -> str:
        """The revision of its tables."""
        with self._database.read() as connection:
            return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one())

    def together(self) -> AbstractContextManager[None]:
        """Let every write of this thread in the block be one transaction: all are kept, or none."""
        return self._database.together()

    @contextmanager
    def fenced(self, lease: Lease) -> Iterator[None]:
        """Let nothing be written through this store, by any thread, once somebody else has the job.

        Raises:
            LeaseLost: at the first write after the lease was lost; nothing of that transaction is kept.
        """
        before, self._database.guard = self._database.guard, lambda connection: held_job(connection, lease)
        try:
            yield
        finally:
            self._database.guard = before

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()


def open_store(
    location: str | Path,
    clock: Clock | None = None,
    keys: Callable[[], Sequence[bytes]] | None = None,
    steady: Callable[[], Steady] = waking_clock,
) -> SqlStore:
    """Open a database, making or migrating it first.

    Args:
        location: path of an SQLite file, or a URL: ``sqlite:///PATH``, ``postgresql://USER@HOST/NAME``.
        clock: tells the time of events; ``None`` for the system's.
        keys: the home's secrets, the newest first, by which the forgotten are known.
        steady: tells the time of leases on SQLite, by a clock that cannot be set; PostgreSQL has its own.

    Raises:
        StoreTooNew: a newer version of this program made it. StoreError: it cannot be opened.
    """
    database = Database(_url(str(location)))
    try:
        _migrate(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database, clock, keys, steady)


def _url(location: str) -> str:
    if "://" not in location:
        return f"sqlite:///{location}"
    head, tail = location.split("://", 1)
    return f"postgresql+psycopg://{tail}" if head in {"postgres", "postgresql"} else location


def known_revisions() -> list[str]:
    """Return the revisions of the tables that this version knows, the newest first."""
    return [revision.revision for revision in _revisions()[0].walk_revisions()]


@cache
def _revisions() -> tuple[ScriptDirectory, str | None]:
    """The chain of revisions and its head; their files are read once a process, which was most of opening a store."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    return script, script.get_current_head()


def _migrate(database: Database) -> None:
    """Bring the database to the newest revision, in one transaction; a killed migration simply runs again."""
    with database.read() as connection:
        if is_newest(connection):
            return
    from alembic.migration import MigrationContext

    script, head = _revisions()
    with database.read() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return
    if current is not None and current not in known_revisions():
        raise StoreTooNew(f"the database is at revision {current}, which this version does not know")
    with database.write() as connection:
        reached("migration.begun")
        context = MigrationContext.configure(
            connection, opts={"script": script, "fn": lambda rev, _: script._upgrade_revs(str(head), rev)}
        )
        if context.get_current_revision() == head:  # another process was faster
            return
        from alembic.operations import Operations

        with _ONE_MIGRATION, Operations.context(context):
            context.run_migrations()
        reached("migration.changed")
    reached("migration.done")
    log.info("database brought from revision %s to %s", current, head)
