"""What is known of answers, and their tokens, so that a turn works out what is new and reads the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from ..prepared_store import Answer, KnownRow, KnownTalk, Tokens, Verdict
from ..types import CONSENTS_TO_LEARN
from . import bulk, tables
from .database import Database

_K, _T, _C, _F, _S, _P = (
    tables.known_rows, tables.tokens, tables.conversations, tables.feedback, tables.signatures, tables.people,
)  # fmt: skip
_OF_ROW = tuple(_K.c[name] for name in KnownRow._fields if name in _K.c)


class Prepared:
    """Two tables with one row an answer each; a row goes with its conversation, and with any change of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def verdicts(self, conversations: Collection[str]) -> dict[Answer, Verdict]:
        """Return what is known of the answers of some conversations."""
        query = sa.select(_K.c.conversation_id, _K.c.message_index, _K.c.mark, _K.c.reason)
        return {(row[0], row[1]): Verdict(row[2], row[3]) for row in self._of(query, _K, conversations)}

    def keep_rows(self, rows: Iterable[tuple[str, str, str, KnownRow]]) -> None:
        """Keep rows in place of older ones of the same answers; of conversations that are gone, none."""
        columns = ("conversation_id", "mark", "rules", *(column.name for column in _OF_ROW))
        kept = {(talk, row.message_index): (talk, mark, rules, *row[: len(_OF_ROW)]) for talk, mark, rules, row in rows}
        self._keep(_K, columns, kept)

    def talks(self, bot: str, rules: str) -> Iterator[list[KnownTalk]]:
        """Yield pages of all conversations of a bot, oldest first, with their rows where these rules know them."""
        after = ("", "")
        while True:
            with self._database.read() as connection:
                found = connection.execute(_page(bot, rules, after)).all()
            if not found:
                return
            yield list(_talks(found))
            after = (found[-1][3], found[-1][0])

    def tokens(self, conversations: Collection[str], *, unjudged: bool = False) -> dict[Answer, Tokens]:
        """Return what is known of the answers of some conversations, or of those that nobody has judged."""
        query = sa.select(*_T.c)
        if unjudged:
            query = query.where(~sa.exists().where(_F.c.conversation_id == _T.c.conversation_id))
        return {(row[0], row[1]): Tokens(*row[2:]) for row in self._of(query, _T, conversations)}

    def keep_tokens(self, tokens: Iterable[tuple[Answer, Tokens]]) -> None:
        """Keep tokens in place of older ones of the same answers; of conversations that are gone, none."""
        rows = {answer: (*answer, one.mark, one.prompt_tokens, one.answer_bytes, one.ids) for answer, one in tokens}
        self._keep(_T, [column.name for column in _T.c], rows)

    def _of(self, query: sa.Select[Any], table: sa.Table, conversations: Collection[str]) -> Iterator[Any]:
        with self._database.read() as connection:
            for page in bulk.pages(list(conversations)):
                ours = bulk.among(connection, table.c.conversation_id, page)
                yield from connection.execute(query.where(ours)).all()

    def _keep(self, table: sa.Table, columns: Collection[str], rows: dict[Answer, tuple[Any, ...]]) -> None:
        t, wanted = table.c, sorted({conversation for conversation, _ in rows})
        if not rows:
            return
        with self._database.write() as connection:
            here: set[str] = set()
            for page in bulk.pages(wanted):
                ids = sa.select(_C.c.id).where(bulk.among(connection, _C.c.id, page))
                here.update(connection.execute(ids).scalars())
                known = sa.select(t.conversation_id, t.message_index).where(
                    bulk.among(connection, t.conversation_id, page)
                )
                stale = [tuple(answer) for answer in connection.execute(known) if tuple(answer) in rows]
                bulk.delete_rows(connection, table, ("conversation_id", "message_index"), stale)
            kept = [row for answer, row in rows.items() if answer[0] in here]
            bulk.insert_rows(connection, table, list(columns), kept)


def _talks(rows: Iterable[Any]) -> Iterator[KnownTalk]:
    """Conversations of which each answer is one row; those of a conversation stand together."""
    before: KnownTalk | None = None
    for row in rows:
        ours = (KnownRow._make(row[4:]),) if row[4] is not None else ()
        if before is not None and before.id == row[0]:
            before = before._replace(rows=before.rows + ours)
            continue
        if before is not None:
            yield before
        before = KnownTalk(row[0], row[1], row[2], row[3], ours)
    if before is not None:
        yield before


def _page(bot: str, rules: str, after: tuple[str, str]) -> sa.Select[Any]:
    """One page of conversations with what is known of them, as ``KnownTalk`` and ``KnownRow`` have it, in a row."""
    place = sa.tuple_(_C.c.created_at, _C.c.id)
    some = (
        sa.select(_C.c.id, _C.c.bot, _C.c.created_at, _C.c.consent, _C.c.person, _C.c.session)
        .where(_C.c.bot == bot, place > sa.tuple_(*map(sa.literal, after)))
        .order_by(_C.c.created_at, _C.c.id)
        .limit(bulk.PAGE)
        .subquery()
    )
    unjudged = ~sa.exists().where(_F.c.conversation_id == some.c.id)
    known = (_K.c.conversation_id == some.c.id) & (_K.c.rules == rules) & unjudged
    sketched = (_S.c.conversation_id == _K.c.conversation_id) & (_S.c.message_index == _K.c.message_index)
    too_young = (_P.c.age_group == "under_14") & (_P.c.guardian_consent == 0)
    consent = sa.case(
        (some.c.consent.not_in(CONSENTS_TO_LEARN), some.c.consent),
        (_P.c.withdrawn_at.is_not(None), "withdrawn"),
        (too_young, "needs-guardian"),
        else_=some.c.consent,
    )
    session = sa.case((some.c.session != "", "session:" + some.c.session), else_="")
    speaker = sa.func.coalesce(sa.func.nullif(some.c.person, ""), session)
    joined = some.outerjoin(_P, _P.c.id == some.c.person).outerjoin(_K, known).outerjoin(_S, sketched)
    return (
        sa.select(some.c.id, consent, speaker, some.c.created_at, *_OF_ROW, _S.c.cluster)
        .select_from(joined)
        .order_by(some.c.created_at, some.c.id, _K.c.message_index)
    )
