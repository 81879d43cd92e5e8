"""Experiments, who takes part in them, and what was seen of their answers: pseudonyms and numbers, never a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import StaleRelease, UsageError
from ..experiments import MOST_COUNTED, Arm, ClusterSums, Experiment, Observation, Pairs, Tally
from ..types import Release
from . import codec, tables
from .database import Database
from .events import Events

_E, _U, _O = tables.experiments, tables.experiment_users, tables.experiment_outcomes

_OBSERVE = sa.text(
    "INSERT INTO experiment_outcomes (experiment_id, person, arm, metric, first_value, total, count) "
    "SELECT :experiment_id, :person, :arm, :metric, :total, :total, :count WHERE EXISTS "
    "(SELECT 1 FROM experiment_users WHERE experiment_id = :experiment_id AND person = :person) "
    "ON CONFLICT (experiment_id, person, arm, metric) DO UPDATE "
    "SET total = experiment_outcomes.total + excluded.total, count = experiment_outcomes.count + excluded.count "
    f"WHERE experiment_outcomes.count < {MOST_COUNTED}"
).bindparams(
    sa.bindparam("experiment_id", type_=sa.Text), sa.bindparam("person", type_=sa.Text),
    sa.bindparam("arm", type_=sa.Text), sa.bindparam("metric", type_=sa.Text),
    sa.bindparam("total", type_=sa.Float), sa.bindparam("count", type_=sa.Integer),
)  # fmt: skip


class Experiments:
    """The port ``ExperimentStore`` over SQL."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database, self._events = database, events

    def start(self, experiment: Experiment, candidate: Release) -> Experiment:
        """Store an experiment and its candidate, as a release that is not live, in one transaction.

        Raises:
            UsageError: an experiment of this bot is running already.
        """
        release = {"id": candidate.id, "bot": candidate.bot, "version": candidate.version, "status": candidate.status}
        with self._database.write() as connection:
            found = connection.execute(_running(experiment.bot)).scalar()
            if found is not None:
                running = codec.decode(Experiment, found).id
                raise UsageError(f"experiment {running} is running", hint="loraloop experiment stop")
            connection.execute(sa.insert(tables.releases), {**release, "body": codec.encode(candidate)})
            connection.execute(sa.insert(_E), _row(experiment))
            facts = {"experiment_id": experiment.id, "mode": experiment.mode, "candidate_id": candidate.id}
            self._events.within(connection, experiment.bot, "ExperimentStarted", experiment.actor, facts)
        return experiment

    def running(self, bot: str) -> Experiment | None:
        """Return the experiment that is running."""
        with self._database.read() as connection:
            body = connection.execute(_running(bot)).scalar()
        return None if body is None else codec.decode(Experiment, body)

    def list(self, bot: str, limit: int = 100) -> list[Experiment]:
        """Return the newest first."""
        query = sa.select(_E.c.body).where(_E.c.bot == bot).order_by(_E.c.started_at.desc(), _E.c.id).limit(limit)
        with self._database.read() as connection:
            return [codec.decode(Experiment, body) for body in connection.execute(query).scalars()]

    def change(self, was: Experiment, now: Experiment, event: str, facts: Mapping[str, Any]) -> Experiment:
        """Replace an experiment that is still as it ``was``, and tell it.

        Raises:
            StaleRelease: somebody else changed it first.
        """
        with self._database.write() as connection:
            same = (_E.c.id == was.id, _E.c.body == codec.encode(was))
            done = connection.execute(sa.update(_E).where(*same).values(_row(now)))
            if done.rowcount != 1:
                raise StaleRelease(f"experiment {was.id} was changed meanwhile", hint="loraloop experiment status")
            told = {"experiment_id": now.id, "status": now.status, "share": now.share, **facts}
            self._events.within(connection, now.bot, event, str(facts.get("actor", "experiment")), told)
        return now

    def assign(self, experiment_id: str, user: str, arm: Arm, at: datetime) -> None:
        """Write down that a user takes part, durably; a second time changes nothing."""
        row = {"experiment_id": experiment_id, "person": codec.checked_text(user), "arm": arm}
        known = sa.select(_U.c.arm).where(_U.c.experiment_id == experiment_id, _U.c.person == user)
        with self._database.write() as connection:
            if connection.execute(known).scalar() is None:
                connection.execute(sa.insert(_U), {**row, "assigned_at": codec.stamp(at)})

    def observe(self, experiment_id: str, seen: Sequence[Observation]) -> None:
        """Add what was seen of assigned users, in one transaction; of others nothing is kept."""
        rows = [
            {"experiment_id": experiment_id, "person": codec.checked_text(one.user), "arm": one.arm,
             "metric": one.metric, "total": float(one.total), "count": one.count}
            for one in seen
        ]  # fmt: skip
        if rows:
            with self._database.write() as connection:
                connection.execute(_OBSERVE, rows)

    def tally(self, experiment_id: str, primary: str) -> Tally:
        """Return everything a verdict rests on, from one state of the database."""
        with self._database.read() as connection:
            users = sa.select(_U.c.arm, sa.func.count()).where(_U.c.experiment_id == experiment_id).group_by(_U.c.arm)
            counts = {arm: int(count) for arm, count in connection.execute(users)}
            values = sa.select(_O.c.arm, _O.c.first_value).where(
                _O.c.experiment_id == experiment_id, _O.c.metric == primary
            )
            firsts: dict[str, list[bool]] = {"control": [], "candidate": []}
            for arm, value in connection.execute(values.order_by(_O.c.id)):
                firsts[arm].append(value >= 0.5)
            return Tally(counts, _pairs(firsts["control"], firsts["candidate"]), _sums(connection, experiment_id))

    def forget(self, user: str) -> int:
        """Remove a user from every experiment; return from how many."""
        with self._database.write() as connection:
            connection.execute(sa.delete(_O).where(_O.c.person == user))
            return int(connection.execute(sa.delete(_U).where(_U.c.person == user)).rowcount)


def _running(bot: str) -> sa.Select[Any]:
    return sa.select(_E.c.body).where(_E.c.bot == bot, _E.c.status == "running")


def _row(experiment: Experiment) -> dict[str, Any]:
    return {
        "id": experiment.id, "bot": experiment.bot, "started_at": codec.stamp(experiment.started_at),
        "status": experiment.status, "body": codec.encode(experiment),
    }  # fmt: skip


def _pairs(control: Sequence[bool], candidate: Sequence[bool]) -> Pairs:
    both = list(zip(control, candidate, strict=False))  # the users that one arm has more wait for their partners
    won, lost = sum(b and not a for a, b in both), sum(a and not b for a, b in both)
    same = len(both) - won - lost
    return Pairs(won, same, lost, len(control), len(candidate), sum(control), sum(candidate))


def _sums(connection: sa.Connection, experiment_id: str) -> dict[str, dict[str, ClusterSums]]:
    x, k = _O.c.total, sa.cast(_O.c.count, sa.Float)
    query = (
        sa.select(
            _O.c.metric, _O.c.arm, sa.func.count(), sa.func.sum(x), sa.func.sum(k),
            sa.func.sum(x * x), sa.func.sum(x * k), sa.func.sum(k * k),
        )
        .where(_O.c.experiment_id == experiment_id, _O.c.count > 0)
        .group_by(_O.c.metric, _O.c.arm)
    )  # fmt: skip
    found: dict[str, dict[str, ClusterSums]] = {}
    for metric, arm, users, *sums in connection.execute(query):
        found.setdefault(metric, {})[arm] = ClusterSums(int(users), *map(float, sums))
    return found
