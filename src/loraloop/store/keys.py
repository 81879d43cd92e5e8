"""The keys of the gateway: only digests of them are kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import UnknownThing
from ..traffic import ApiKey
from . import codec, tables
from .database import Database

_T = tables.api_keys


class Keys:
    """Keeps keys; a revoked one stays listed and opens nothing."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now

    def add(self, key: ApiKey) -> None:
        """Store a new key."""
        row = {
            "id": key.id, "digest": key.digest, "roles": " ".join(key.roles), "label": codec.checked_text(key.label),
            "created_at": codec.stamp(key.created_at), "revoked_at": None,
        }  # fmt: skip
        with self._database.write() as connection:
            connection.execute(sa.insert(_T), row)

    def list(self) -> list[ApiKey]:
        """Return every key, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(_T).order_by(_T.c.created_at, _T.c.id)).mappings().all()
        return [_key(row) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """Let a key open nothing from now on; again changes nothing.

        Raises:
            UnknownThing: no such key.
        """
        with self._database.write() as connection:
            connection.execute(
                sa.update(_T)
                .where(_T.c.id == key_id, _T.c.revoked_at.is_(None))
                .values(revoked_at=codec.stamp(self._now()))
            )
            row = connection.execute(sa.select(_T).where(_T.c.id == key_id)).mappings().first()
        if row is None:
            raise UnknownThing(f"no key {key_id!r}", hint="ids are shown by loraloop keys list")
        return _key(row)


def _key(row: Any) -> ApiKey:
    revoked = row["revoked_at"]
    return ApiKey(
        id=row["id"],
        digest=row["digest"],
        roles=tuple(row["roles"].split()),
        label=row["label"],
        created_at=datetime.fromisoformat(row["created_at"]),
        revoked_at=datetime.fromisoformat(revoked) if revoked else None,
    )
