"""Erasures that were asked for: what they touched, and by when nothing that learnt from it may serve any more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..types import Record
from . import codec, tables
from .database import Database
from .events import Events

_E, _T = tables.erasures, tables.touched


@dataclass(frozen=True, slots=True)
class Erasure(Record):
    """One erasure, without whom it was about.

    Attributes:
        due_at: when what learnt from the forgotten must be out of service.
        done_at: when it was; ``None`` while an adapter that learnt from them is live.
        facts: what was done, as the receipt says it.
        adapters: ids of the adapters that learnt from them.
    """

    id: str
    at: datetime
    due_at: datetime
    done_at: datetime | None
    facts: Mapping[str, Any]
    adapters: tuple[str, ...]


class Erasures:
    """Keeps erasures and the adapters they touched; a touched adapter is never published again."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database, self._events = database, events

    def put(self, erasure: Erasure, bots: Iterable[str], actor: str) -> None:
        """Store an erasure, and tell it to each bot it is about."""
        row = {
            "id": erasure.id,
            "at": codec.stamp(erasure.at),
            "due_at": codec.stamp(erasure.due_at),
            "done_at": codec.stamp(erasure.done_at) if erasure.done_at else None,
            "body": codec.json_text(dict(erasure.facts)),
        }
        with self._database.write() as connection:
            connection.execute(sa.insert(_E), row)
            known = set(connection.execute(sa.select(_T.c.adapter_id)).scalars())
            new = [one for one in erasure.adapters if one not in known]
            if new:
                connection.execute(sa.insert(_T), [{"adapter_id": one, "erasure_id": erasure.id} for one in new])
            for bot in bots:
                told = {"erasure_id": erasure.id, "adapters": list(erasure.adapters)}
                self._events.within(connection, bot, "PersonForgotten", actor, told)

    def owed(self) -> list[Erasure]:
        """Return those that are not done, the soonest due first."""
        return self._find(_E.c.done_at.is_(None))

    def all(self) -> list[Erasure]:
        """Return every erasure, the soonest due first."""
        return self._find(sa.true())

    def touched(self) -> set[str]:
        """Return the ids of all adapters that learnt from somebody who was forgotten."""
        with self._database.read() as connection:
            return set(connection.execute(sa.select(_T.c.adapter_id)).scalars())

    def settle(self, erasure_id: str, at: datetime) -> None:
        """Write down that nothing which learnt from the forgotten serves any more."""
        with self._database.write() as connection:
            connection.execute(sa.update(_E).where(_E.c.id == erasure_id).values(done_at=codec.stamp(at)))

    def _find(self, condition: Any) -> list[Erasure]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(_E).where(condition).order_by(_E.c.due_at, _E.c.id)).mappings().all()
            taught = connection.execute(sa.select(_T.c.erasure_id, _T.c.adapter_id)).all()
        return [
            Erasure(
                row["id"],
                datetime.fromisoformat(row["at"]),
                datetime.fromisoformat(row["due_at"]),
                datetime.fromisoformat(row["done_at"]) if row["done_at"] else None,
                json.loads(row["body"]),
                tuple(sorted(adapter for erasure, adapter in taught if erasure == row["id"])),
            )
            for row in rows
        ]


def refused(connection: sa.Connection, adapter_id: str | None) -> bool:
    """Return whether an adapter learnt from somebody who was forgotten."""
    query = sa.select(_T.c.adapter_id).where(_T.c.adapter_id == adapter_id)
    return adapter_id is not None and connection.execute(query).first() is not None
