"""Verdicts and tokens of answers, so that a turn works out what is new and reads the rest; gone with a conversation."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from ..prepared_store import Answer, Tokens, Verdict
from . import bulk, tables
from .database import Database

_V, _T = tables.verdicts, tables.tokens


class Prepared:
    """Two tables with one row an answer each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def verdicts(self, conversations: Collection[str]) -> dict[Answer, Verdict]:
        """Return what is known of the answers of some conversations."""
        return {row[:2]: Verdict(*row[2:]) for row in self._of(_V, conversations)}

    def keep_verdicts(self, verdicts: Iterable[tuple[Answer, Verdict]]) -> None:
        """Keep verdicts in place of older ones of the same answers; of conversations that are gone, none."""
        self._keep(_V, {answer: (*answer, one.mark, one.reason) for answer, one in verdicts})

    def tokens(self, conversations: Collection[str]) -> dict[Answer, Tokens]:
        """Return what is known of the answers of some conversations."""
        return {row[:2]: Tokens(*row[2:]) for row in self._of(_T, conversations)}

    def keep_tokens(self, tokens: Iterable[tuple[Answer, Tokens]]) -> None:
        """Keep tokens in place of older ones of the same answers; of conversations that are gone, none."""
        self._keep(_T, {answer: (*answer, one.mark, one.prompt_tokens, one.ids) for answer, one in tokens})

    def _of(self, table: sa.Table, conversations: Collection[str]) -> list[Any]:
        found: list[Any] = []
        with self._database.read() as connection:
            for page in bulk.pages(list(conversations)):
                ours = bulk.among(connection, table.c.conversation_id, page)
                found += [tuple(row) for row in connection.execute(sa.select(*table.c).where(ours))]
        return found

    def _keep(self, table: sa.Table, rows: dict[Answer, tuple[Any, ...]]) -> None:
        c, t, wanted = tables.conversations, table.c, sorted({conversation for conversation, _ in rows})
        if not rows:
            return
        with self._database.write() as connection:
            here: set[str] = set()
            for page in bulk.pages(wanted):
                here.update(connection.execute(sa.select(c.c.id).where(bulk.among(connection, c.c.id, page))).scalars())
                known = sa.select(t.conversation_id, t.message_index).where(
                    bulk.among(connection, t.conversation_id, page)
                )
                stale = [tuple(answer) for answer in connection.execute(known) if tuple(answer) in rows]
                bulk.delete_rows(connection, table, ("conversation_id", "message_index"), stale)
            kept = [row for answer, row in rows.items() if answer[0] in here]
            bulk.insert_rows(connection, table, [column.name for column in table.c], kept)
