"""What happened, as append-only rows written in the transaction of the change they tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from . import codec, tables
from .database import Database

_T = tables.events


class Events:
    """Facts for audit and dashboard; nothing is ever changed or removed here.

    Args:
        database: where they are kept.
        now: tells the time.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self.now = database, now

    def append(self, bot: str, kind: str, actor: str, facts: Mapping[str, Any]) -> None:
        """Write one event in a transaction of its own."""
        with self._database.write() as connection:
            self.within(connection, bot, kind, actor, facts)

    def within(self, connection: sa.Connection, bot: str, kind: str, actor: str, facts: Mapping[str, Any]) -> None:
        """Write one event in the transaction of the change it tells."""
        body = codec.json_text(dict(facts))
        row = {"bot": bot, "kind": kind, "actor": actor, "at": codec.stamp(self.now()), "facts": body}
        connection.execute(sa.insert(_T), row)

    def tail(self, bot: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return the newest events first: ``id, bot, kind, actor, at, facts``."""
        query = sa.select(_T).where(_T.c.bot == bot).order_by(_T.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [{**row, "facts": json.loads(row["facts"])} for row in rows]
