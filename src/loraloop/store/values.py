"""Adapters, reports, decisions, releases and small state: immutable values by id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from ..errors import ArtifactError, StaleRelease, UnknownThing
from ..failpoints import reached
from ..types import Adapter, Record, Release
from . import codec, tables
from .database import Database
from .erasures import refused
from .events import Events

V = TypeVar("V", bound=Record)
_R, _L = tables.records, tables.live


class Values(Generic[V]):
    """One kind of immutable value.

    Args:
        kind: the class.
        event: what to tell when one is stored; ``facts`` picks what it says.
    """

    def __init__(
        self, database: Database, events: Events, kind: type[V], event: str, facts: Callable[[V], dict[str, Any]]
    ) -> None:
        self._database, self._events = database, events
        self._kind, self._event, self._facts = kind, event, facts

    def put(self, value: V) -> V:
        """Store a value; storing the same id again changes nothing and gives back the one stored first."""
        with self._database.write() as connection:
            return self._put_within(connection, value)

    def get(self, value_id: str) -> V | None:
        """Return the value of an id."""
        with self._database.read() as connection:
            return self._find(connection, value_id)

    def list(self, bot: str, limit: int = 1000) -> list[V]:
        """Return the newest values first."""
        query = (
            sa.select(_R.c.id)
            .where(_R.c.kind == self._kind.__name__, _R.c.bot == bot)
            .order_by(_R.c.created_at.desc(), _R.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            ids = connection.execute(query).scalars().all()
            found = [self._find(connection, value_id) for value_id in ids]
        return [value for value in found if value is not None]

    def _put_within(self, connection: sa.Connection, value: V) -> V:
        found = self._find(connection, value["id"])
        if found is not None:
            return found
        row = {"kind": self._kind.__name__, "id": value["id"], "bot": value["bot"]}
        created_at = codec.stamp(value.created_at)  # type: ignore[attr-defined]
        self._insert(connection, value, {**row, "created_at": created_at})
        actor = value.get("actor") or "loop"
        self._events.within(connection, value["bot"], self._event, actor, self._facts(value))
        return value

    def _insert(self, connection: sa.Connection, value: V, row: dict[str, Any]) -> None:
        connection.execute(sa.insert(_R), {**row, "body": codec.encode(value)})

    def _find(self, connection: sa.Connection, value_id: str) -> V | None:
        query = sa.select(_R.c.body).where(_R.c.kind == self._kind.__name__, _R.c.id == value_id)
        body = connection.execute(query).scalar()
        return None if body is None else codec.decode(self._kind, body)


class Adapters(Values[Adapter]):
    """Adapters. Two bots may train the very same weights; each has a value of its own, with its dataset and name."""

    def __init__(self, database: Database, events: Events) -> None:
        super().__init__(
            database, events, Adapter, "AdapterTrained", lambda a: {"adapter_id": a.id, "dataset_id": a.dataset_id}
        )

    def put(self, value: Adapter) -> Adapter:
        """Store an adapter; one whose id another bot has already gets an id of its bot's own."""
        stored = super().put(value)
        if stored.bot == value.bot:
            return stored
        own = hashlib.sha256(f"{value.bot} {value.id}".encode()).hexdigest()[:16]
        return super().put(replace(value, id=f"ad-{own}"))


class Releases:
    """Releases and the live pointer of each bot, moved by compare-and-swap on the version."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database, self._events = database, events

    def live(self, bot: str) -> Release | None:
        """Return the release that serves now."""
        t = tables.releases
        query = sa.select(t.c.body, t.c.status).join(_L, _L.c.release_id == t.c.id).where(_L.c.bot == bot)
        with self._database.read() as connection:
            return _release(connection.execute(query).first())

    def publish(self, release: Release, expected_version: int) -> Release:
        """Store ``release`` and make it live, in one transaction; a candidate of an experiment keeps its id.

        Raises:
            StaleRelease: the live version is not ``expected_version`` (0 when nothing is live).
            ArtifactError: its adapter learnt from somebody who was forgotten.
        """
        row = {"id": release.id, "bot": release.bot, "version": release.version, "status": release.status}
        with self._database.write() as connection:
            if not self._database.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(release.bot))))
            found = connection.execute(sa.select(_L.c.version).where(_L.c.bot == release.bot)).scalar() or 0
            if found != expected_version or release.version <= found:
                raise StaleRelease(f"release {found} of {release.bot} is live, {expected_version} was expected")
            if refused(connection, release.adapter_id):
                raise ArtifactError(
                    f"adapter {release.adapter_id} learnt from somebody who was forgotten; it cannot go live",
                    hint="train again: loraloop turn",
                )
            t = tables.releases
            connection.execute(sa.delete(t).where(t.c.id == release.id, t.c.status == "candidate"))
            connection.execute(sa.insert(t), {**row, "body": codec.encode(release)})
            connection.execute(sa.delete(_L).where(_L.c.bot == release.bot))
            connection.execute(
                sa.insert(_L), {"bot": release.bot, "version": release.version, "release_id": release.id}
            )
            facts = {"release_id": release.id, "version": release.version, "adapter_id": release.adapter_id}
            self._events.within(connection, release.bot, "ReleasePublished", release.actor, facts)
            reached("release.switched")
        return release

    def history(self, bot: str, limit: int = 10) -> list[Release]:
        """Return the newest releases first."""
        t = tables.releases
        query = sa.select(t.c.body, t.c.status).where(t.c.bot == bot).order_by(t.c.version.desc()).limit(limit)
        with self._database.read() as connection:
            found = [_release(row) for row in connection.execute(query)]
        return [release for release in found if release is not None]

    def get(self, release_id: str) -> Release | None:
        """Return the release of an id."""
        t = tables.releases
        with self._database.read() as connection:
            return _release(connection.execute(sa.select(t.c.body, t.c.status).where(t.c.id == release_id)).first())

    def set_status(self, release_id: str, status: str) -> None:
        """Set ``on_trial``, ``confirmed``, ``reverted``, ``candidate`` or ``withdrawn``.

        Raises:
            UnknownThing: there is no such release.
        """
        t = tables.releases
        with self._database.write() as connection:
            bot = connection.execute(sa.select(t.c.bot).where(t.c.id == release_id)).scalar()
            if bot is None:
                raise UnknownThing(f"no release {release_id!r}")
            connection.execute(sa.update(t).where(t.c.id == release_id).values(status=status))
            facts = {"release_id": release_id, "status": status}
            self._events.within(connection, bot, "ReleaseStatusChanged", "deploy", facts)


def _release(row: Any) -> Release | None:
    return None if row is None else replace(codec.decode(Release, row[0]), status=row[1])


class State:
    """Small named JSON values that must survive a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, key: str) -> Any | None:
        """Return the value of a key, or ``None``."""
        t = tables.state
        with self._database.read() as connection:
            text = connection.execute(sa.select(t.c.value).where(t.c.key == key)).scalar()
        return None if text is None else json.loads(text)

    def write(self, key: str, value: Any) -> None:
        """Set the value of a key."""
        t = tables.state
        text = codec.json_text(value)
        with self._database.write() as connection:
            connection.execute(sa.delete(t).where(t.c.key == key))
            connection.execute(sa.insert(t), {"key": key, "value": text})
