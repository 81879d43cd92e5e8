"""Durable jobs as people see them: enqueued, listed, asked to stop, and what happened to each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import UnknownThing, UsageError
from ..jobs import FINAL, STAGES, WISHES, Job, JobEvent, NewJob, Wish, after_wish
from . import codec, tables
from .database import Database

_J, _E = tables.jobs, tables.job_events


class Jobs:
    """The port ``job_store.JobStore`` over SQL."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now

    def add(self, new: NewJob) -> Job:
        """Enqueue a job; within ``SqlStore.together`` in the transaction of what else changes there."""
        job_id = f"job-{secrets.token_hex(8)}"
        row = {
            "id": job_id, "bot": new.bot, "key": codec.checked_text(new.key) or job_id, "name": new.name,
            "actor": codec.checked_text(new.actor), "reason": codec.checked_text(new.reason),
            "priority": new.priority, "status": "queued", "created_at": codec.stamp(self._now()),
            "max_errors": new.max_errors, "stages": codec.json_text(dict(new.stages)),
            "metadata": codec.json_text(dict(new.metadata)), "wish": "", "errors": 0, "crashes": 0, "fence": 0,
            "owner": "", "process": "", "stage": "", "steps": 0, "total": 0, "error": "", "clock": "",
            "lease_until": 0.0, "ready_at": 0.0, "yielding": 0, "yielded_s": 0.0,
        }  # fmt: skip
        same = sa.select(_J).where(_J.c.bot == new.bot, _J.c.key == row["key"])
        with self._database.write() as connection:
            known = connection.execute(same).mappings().first()
            if known is not None:
                return job_of(known)
            connection.execute(sa.insert(_J), row)
            tell(connection, job_id, self._now(), "JobQueued", {"actor": new.actor, "name": new.name})
            return job_of(connection.execute(same).mappings().one())

    def get(self, job_id: str) -> Job | None:
        """Return the job of an id."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(_J).where(_J.c.id == job_id)).mappings().first()
        return None if row is None else job_of(row)

    def events(self, job_id: str, *, after: int | None = None, limit: int = 100) -> list[JobEvent]:
        """Return the newest first, those before the event ``after``."""
        query = sa.select(_E).where(_E.c.job_id == job_id).order_by(_E.c.number.desc()).limit(limit)
        if after is not None:
            query = query.where(_E.c.number < after)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            JobEvent(row["number"], row["job_id"], datetime.fromisoformat(row["at"]), row["kind"],
                     json.loads(row["facts"]))
            for row in rows
        ]  # fmt: skip

    def ask(self, job_id: str, wish: Wish, actor: str) -> Job:
        """Ask for something; whoever holds the job hears of it at its next heartbeat."""
        with self._database.write() as connection:
            job = _found(connection, job_id)
            if job.status not in WISHES[wish]:
                can = ", ".join(name for name, states in WISHES.items() if job.status in states) or "nothing"
                raise UsageError(f"job {job_id} is {job.status}; {wish} is not possible", hint=f"possible now: {can}")
            changes = after_wish(job, wish)
            if changes.get("status") in FINAL:
                changes["finished_at"] = codec.stamp(self._now())
            if changes.get("status") == "queued":
                changes["clock"] = ""  # at once, whatever it waited for
            connection.execute(sa.update(_J).where(_J.c.id == job_id).values(**changes))
            facts = {"wish": wish, "actor": codec.checked_text(actor), "status": changes.get("status", job.status)}
            tell(connection, job_id, self._now(), "JobAsked", facts)
            return _found(connection, job_id)

    def list(self, bot: str, *, after: str | None = None, limit: int = 100) -> list[Job]:
        """Return the newest first, those before the job ``after``."""
        query = sa.select(_J).where(_J.c.bot == bot).order_by(_J.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            if after is not None:
                query = query.where(_J.c.number < _found(connection, after, bot).number)
            return [job_of(row) for row in connection.execute(query).mappings()]

    def yielded_s(self, bot: str) -> float:
        """Return how long the jobs of a bot stood aside for users, in seconds."""
        query = sa.select(sa.func.coalesce(sa.func.sum(_J.c.yielded_s), 0.0)).where(_J.c.bot == bot)
        with self._database.read() as connection:
            return float(connection.execute(query).scalar_one())


def _found(connection: sa.Connection, job_id: str, bot: str | None = None) -> Job:
    row = connection.execute(sa.select(_J).where(_J.c.id == job_id)).mappings().first()
    if row is None or (bot is not None and row["bot"] != bot):
        raise UnknownThing(f"no job {job_id!r}", hint="list them: loraloop jobs list")
    return job_of(row)


def job_of(row: Mapping[str, Any] | sa.RowMapping) -> Job:
    """Return the job of a row."""
    found = {key: value for key, value in row.items() if key not in ("clock", "lease_until", "ready_at")}
    for key in ("created_at", "begun_at", "finished_at"):
        found[key] = datetime.fromisoformat(found[key]) if found[key] else None
    for key in ("stages", "metadata"):
        found[key] = json.loads(found[key])
    found["yielding"] = bool(found["yielding"])
    found["stages"] = {stage: found["stages"][stage] for stage in STAGES if stage in found["stages"]}
    return Job(**found)


def tell(connection: sa.Connection, job_id: str, at: datetime, kind: str, facts: Mapping[str, Any]) -> None:
    """Write what happened to a job, in the transaction of the change."""
    row = {"job_id": job_id, "at": codec.stamp(at), "kind": kind, "facts": codec.json_text(dict(facts))}
    connection.execute(sa.insert(_E), row)
