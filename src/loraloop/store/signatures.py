"""Sketches of rows that were judged once, so that each turn looks at new ones only. Numbers, never text.

They go with their conversation: who is forgotten leaves none behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ..types import Signature
from . import tables
from .database import Database

_T = tables.signatures
_PAGE = 400


class Signatures:
    """One row an answer: its mark, its cluster, its sketch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def marks(self, conversations: Sequence[str]) -> dict[tuple[str, int], str]:
        """Return what was known of the answers of some conversations: ``(conversation, message)`` -> mark."""
        found: dict[tuple[str, int], str] = {}
        with self._database.read() as connection:
            for begin in range(0, len(conversations), _PAGE):
                page = _T.c.conversation_id.in_(conversations[begin : begin + _PAGE])
                query = sa.select(_T.c.conversation_id, _T.c.message_index, _T.c.mark).where(page)
                found.update(((row[0], row[1]), row[2]) for row in connection.execute(query))
        return found

    def add(self, bot: str, signatures: Iterable[Signature]) -> None:
        """Keep signatures, in place of older ones of the same answers; of conversations that are gone, none."""
        rows = {(one.conversation_id, one.message_index): _row(bot, one) for one in signatures}
        c, keys = tables.conversations, list(rows)
        with self._database.write() as connection:
            here: set[str] = set()
            for begin in range(0, len(keys), _PAGE):
                wanted = sorted({conversation for conversation, _ in keys[begin : begin + _PAGE]})
                here.update(connection.execute(sa.select(c.c.id).where(c.c.id.in_(wanted))).scalars())
                known = sa.select(_T.c.id, _T.c.conversation_id, _T.c.message_index).where(
                    _T.c.conversation_id.in_(wanted)
                )
                stale = [row[0] for row in connection.execute(known) if (row[1], row[2]) in rows]
                if stale:
                    connection.execute(sa.delete(_T).where(_T.c.id.in_(stale)))
            kept = [row for (conversation, _), row in rows.items() if conversation in here]
            if kept:
                connection.execute(sa.insert(_T), kept)

    def bands(self, bot: str) -> tuple[list[int], list[int], bytes]:
        """Return the numbers, clusters and bands, one after another, of all signatures of a bot, oldest first."""
        query = sa.select(_T.c.id, _T.c.cluster, _T.c.bands).where(_T.c.bot == bot).order_by(_T.c.id)
        ids: list[int] = []
        clusters: list[int] = []
        bands = bytearray()
        with self._database.read() as connection:
            for number, cluster, part in connection.execute(query):
                ids.append(number)
                clusters.append(cluster)
                bands += part
        return ids, clusters, bytes(bands)

    def sketches(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Return the sketches of some signatures by number."""
        found: dict[int, bytes] = {}
        with self._database.read() as connection:
            for begin in range(0, len(ids), _PAGE):
                query = sa.select(_T.c.id, _T.c.sketch).where(_T.c.id.in_(ids[begin : begin + _PAGE]))
                found.update((number, bytes(sketch)) for number, sketch in connection.execute(query))
        return found

    def clusters(self, bot: str) -> Iterator[tuple[str, int, int]]:
        """Yield ``(conversation, message, cluster)`` of every signature of a bot."""
        query = sa.select(_T.c.conversation_id, _T.c.message_index, _T.c.cluster).where(_T.c.bot == bot)
        with self._database.read() as connection:
            for row in connection.execute(query):
                yield row[0], row[1], row[2]


def _row(bot: str, one: Signature) -> dict[str, Any]:
    return {
        "bot": bot,
        "conversation_id": one.conversation_id,
        "message_index": one.message_index,
        "mark": one.mark,
        "cluster": one.cluster,
        "bands": one.bands,
        "sketch": one.sketch,
    }
