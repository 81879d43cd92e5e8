"""Leases of jobs: one holder at a time, known by a number that only grows; whoever holds an older one changes nothing.

On one host the time of a lease is a clock that nobody can set, named by the boot it belongs to and by the database's
file: after a reboot every lease has ended, and so it has in a copy of the file, whose holder works on the original. On
PostgreSQL it is the server's clock, the same for all machines.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import LeaseLost, StoreBusy
from ..jobs import FINAL, End, Job, Lease, NewJob, RetryRule, after_try, stages_before
from ..processes import is_gone
from ..steady import Steady
from . import codec, tables
from .database import Database
from .jobs import Jobs, job_of, tell

_J = tables.jobs
_SERVER = "postgresql"
_TOLD = {
    "succeeded": "JobSucceeded",
    "error": "JobErred",
    "refused": "JobErred",
    "crash": "JobCrashed",
    "stopped": "JobStopped",
    "put_back": "JobPutBack",
}


class Leases:
    """The port ``job_store.LeaseStore`` over SQL.

    Args:
        database: where jobs are. now: tells the time of events.
        steady: tells the time of leases on SQLite, by a clock that all processes of the machine share.
    """

    def __init__(self, database: Database, now: Callable[[], datetime], steady: Callable[[], Steady]) -> None:
        self._database, self._now, self._steady = database, now, steady

    def take(self, owner: str, lease_s: float, *, bot: str | None = None, job_id: str | None = None) -> Lease | None:
        """Lease the job that is next, or this one; ``None`` where none may be begun now."""
        with self._database.write() as connection:
            clock, at = self._clock(connection)
            busy = sa.select(_J.c.bot).where(_J.c.status == "running")
            query = sa.select(_J).where(_J.c.status == "queued", _J.c.bot.not_in(busy))
            if job_id is not None:
                query = query.where(_J.c.id == job_id)
            else:
                query = query.where((_J.c.clock != clock) | (_J.c.ready_at <= at))
            if bot is not None:
                query = query.where(_J.c.bot == bot)
            row = connection.execute(query.order_by(_J.c.priority.desc(), _J.c.number).limit(1)).mappings().first()
            if row is None:
                return None
            lease = Lease(row["id"], row["fence"] + 1)
            changes = {
                "status": "running", "fence": lease.fence, "owner": owner, "process": owner, "clock": clock,
                "lease_until": at + lease_s, "error": "", "steps": 0, "total": 0,
                "begun_at": row["begun_at"] or codec.stamp(self._now()), "finished_at": None,
            }  # fmt: skip
            connection.execute(sa.update(_J).where(_J.c.id == lease.job_id).values(**changes))
            tell(connection, lease.job_id, self._now(), "JobBegun", {"fence": lease.fence, "owner": owner})
        return lease

    def begin(self, new: NewJob, owner: str, lease_s: float) -> tuple[Job, Lease | None]:
        """Enqueue a job and lease it, in one transaction; no lease where a job of that key is done, paused or held.

        Raises:
            StoreBusy: another job of the bot is held; nothing was enqueued.
        """
        with self._database.together():
            job = Jobs(self._database, self._now).add(new)
            lease = self.take(owner, lease_s, job_id=job.id)
            if lease is None and job.status == "queued":
                raise StoreBusy(f"the loop of bot {new.bot!r} is being turned already", hint="see loraloop jobs list")
            return job, lease

    def beat(self, lease: Lease, lease_s: float, **progress: Any) -> Job:
        """Hold on to a job for so many seconds more, and tell how far it is; returns it, with what people wish."""
        with self._database.write() as connection:
            held_job(connection, lease)
            clock, at = self._clock(connection)
            if "yielded_s" in progress:
                progress["yielded_s"] = _J.c.yielded_s + progress["yielded_s"]
            return _changed(connection, lease, {"clock": clock, "lease_until": at + lease_s, **progress})

    def record(self, lease: Lease, stage: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write down what a stage gave; of a stage that was recorded before, what it gave then."""
        with self._database.write() as connection:
            job = held_job(connection, lease)
            if stage in job.stages:
                return job.stages[stage]
            _changed(connection, lease, {"stages": codec.json_text({**job.stages, stage: dict(facts)})})
            tell(connection, lease.job_id, self._now(), "JobStageDone", {"stage": stage, **facts})
        return facts

    def undo(self, lease: Lease, stage: str) -> Job:
        """Forget what a stage and all after it gave, so that they are done anew."""
        with self._database.write() as connection:
            left = stages_before(held_job(connection, lease), stage)
            tell(connection, lease.job_id, self._now(), "JobStageUndone", {"stage": stage})
            return _changed(connection, lease, {"stages": codec.json_text(left)})

    def end(self, lease: Lease, how: End, rule: RetryRule, error: str = "") -> Job:
        """End a try, and let go."""
        with self._database.write() as connection:
            job = held_job(connection, lease)
            clock, at = self._clock(connection)
            changes, delay_s = after_try(job, how, rule, random.random())
            changes |= {"clock": clock, "ready_at": at + delay_s, "owner": "", "process": "", "error": error}
            changes["yielding"] = 0
            if changes["status"] in FINAL:
                changes["finished_at"] = codec.stamp(self._now())
            facts = {"status": changes["status"], "fence": lease.fence, "again_in_s": round(delay_s, 1)}
            tell(connection, job.id, self._now(), _TOLD[how], facts | ({"error": error} if error else {}))
            return _changed(connection, lease, changes)

    def lost(self, *, settled: bool = False) -> list[tuple[Lease, Job]]:
        """Return jobs whose holder is gone or has not been heard for too long."""
        with self._database.write() if settled else self._database.read() as connection:
            clock = self._clock(connection)
            rows = connection.execute(sa.select(_J).where(_J.c.status == "running")).mappings().all()
        return [(Lease(row["id"], row["fence"]), _holder_known(row, clock)) for row in rows if _is_lost(row, clock)]

    def reclaim(self, lease: Lease, rule: RetryRule, end: Callable[[Job], object] = lambda job: None) -> Job | None:
        """Count a crash of a job that is lost still, so that it can be leased again; ``None`` where it is not."""
        with self._database.together(), self._database.write() as connection:
            held = sa.select(_J).where(_J.c.id == lease.job_id, _J.c.fence == lease.fence, _J.c.status == "running")
            row = connection.execute(held).mappings().first()
            if row is None or not _is_lost(row, self._clock(connection)):
                return None
            end(job_of(row))
            return self.end(lease, "crash", rule, "its worker died or was not heard any more")

    def _clock(self, connection: sa.Connection) -> Steady:
        if not self._database.is_sqlite:
            return _SERVER, float(
                connection.exec_driver_sql("SELECT EXTRACT(EPOCH FROM clock_timestamp())").scalar_one()
            )
        boot, at = self._steady()
        return f"{boot}/{self._database.file_mark}", at


def held_job(connection: sa.Connection, lease: Lease) -> Job:
    """Return the job of a lease, in a transaction under way.

    Raises:
        LeaseLost: somebody else has it, or it is done with.
    """
    held = sa.select(_J).where(_J.c.id == lease.job_id, _J.c.fence == lease.fence, _J.c.status == "running")
    row = connection.execute(held).mappings().first()
    if row is None:
        raise LeaseLost(f"job {lease.job_id} is not held by number {lease.fence} any more")
    return job_of(row)


def _is_lost(row: sa.RowMapping, now: Steady) -> bool:
    return row["clock"] != now[0] or row["lease_until"] < now[1] or is_gone(row["owner"])


def _holder_known(row: sa.RowMapping, now: Steady) -> Job:
    """The job of a row; where its lease is of another boot or file, the processes it names are not this store's."""
    job = job_of(row)
    return job if row["clock"] == now[0] else replace(job, owner="", process="")


def _changed(connection: sa.Connection, lease: Lease, changes: Mapping[str, Any]) -> Job:
    connection.execute(sa.update(_J).where(_J.c.id == lease.job_id, _J.c.fence == lease.fence).values(**changes))
    return job_of(connection.execute(sa.select(_J).where(_J.c.id == lease.job_id)).mappings().one())
