"""Sketches of rows that were judged once, so that each turn looks at new ones only. Numbers, never text.

They go with their conversation: who is forgotten leaves none behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa

from ..types import Signature
from . import bulk, tables
from .database import Database

_T = tables.signatures
_COLUMNS = ("bot", "conversation_id", "message_index", "mark", "cluster", "bands", "sketch")


class Signatures:
    """One row an answer: its mark, its cluster, its sketch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def marks(self, conversations: Sequence[str]) -> dict[tuple[str, int], str]:
        """Return what was known of the answers of some conversations: ``(conversation, message)`` -> mark."""
        found: dict[tuple[str, int], str] = {}
        with self._database.read() as connection:
            for page in bulk.pages(conversations):
                query = sa.select(_T.c.conversation_id, _T.c.message_index, _T.c.mark)
                asked = connection.execute(query.where(bulk.among(connection, _T.c.conversation_id, page)))
                found.update(((row[0], row[1]), row[2]) for row in asked)
        return found

    def add(self, bot: str, signatures: Iterable[Signature]) -> None:
        """Keep signatures, in place of older ones of the same answers; of conversations that are gone, none."""
        rows = {(one.conversation_id, one.message_index): one for one in signatures}
        c, wanted = tables.conversations, sorted({conversation for conversation, _ in rows})
        with self._database.write() as connection:
            here: set[str] = set()
            stale: list[int] = []
            known = sa.select(_T.c.id, _T.c.conversation_id, _T.c.message_index)
            for page in bulk.pages(wanted):
                here.update(connection.execute(sa.select(c.c.id).where(bulk.among(connection, c.c.id, page))).scalars())
                found = connection.execute(known.where(bulk.among(connection, _T.c.conversation_id, page)))
                stale += [row[0] for row in found if (row[1], row[2]) in rows]
            for numbers in bulk.pages(stale):
                connection.execute(sa.delete(_T).where(bulk.among(connection, _T.c.id, numbers)))
            kept = [
                (bot, one.conversation_id, one.message_index, one.mark, one.cluster, one.bands, one.sketch)
                for (conversation, _), one in rows.items()
                if conversation in here
            ]
            bulk.insert_rows(connection, _T, _COLUMNS, kept)

    def bands(self, bot: str) -> Iterator[tuple[Sequence[int], Sequence[int], bytes]]:
        """Yield pages of numbers, clusters and bands, one after another, of all signatures of a bot, oldest first."""
        query = sa.select(_T.c.id, _T.c.cluster, _T.c.bands).where(_T.c.bot == bot).order_by(_T.c.id)
        with self._database.read() as connection:
            for page in connection.execute(query).partitions(bulk.PAGE):
                numbers, clusters, parts = zip(*page, strict=True)
                yield numbers, clusters, b"".join(parts)

    def sketches(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Return the sketches of some signatures by number."""
        found: dict[int, bytes] = {}
        with self._database.read() as connection:
            for page in bulk.pages(ids):
                query = sa.select(_T.c.id, _T.c.sketch).where(bulk.among(connection, _T.c.id, page))
                found.update((number, bytes(sketch)) for number, sketch in connection.execute(query))
        return found

    def clusters(self, conversations: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """Yield ``(conversation, message, cluster)`` of the signatures of some conversations."""
        query = sa.select(_T.c.conversation_id, _T.c.message_index, _T.c.cluster)
        with self._database.read() as connection:
            for page in bulk.pages(conversations):
                for row in connection.execute(query.where(bulk.among(connection, _T.c.conversation_id, page))):
                    yield row[0], row[1], row[2]
