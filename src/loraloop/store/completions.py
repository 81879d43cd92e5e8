"""Answers that the gateway served, and what people said of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import UnknownThing
from ..traffic import Completion, Opinion
from ..types import Conversation, Feedback
from . import bulk, codec, tables
from .consents import withdrawn_within
from .conversations import Rows as Talks
from .conversations import add_within, judge_within, row_of
from .database import Database
from .events import Events
from .tombstones import Tombstones

_T, _C, _O = tables.completions, tables.conversations, tables.opinions
_COLUMNS = (
    "id", "choice", "bot", "created_at", "model", "release_id", "conversation_id", "person", "state", "guard", "finish",
    "experiment_id", "arm", "prompt_tokens", "completion_tokens", "first_token_s", "seconds", "metadata",
)  # fmt: skip
Row = tuple[Any, ...]
"""As ``_COLUMNS`` stand."""


class Completions:
    """Keeps one row an answer; its text stands in a conversation, or nowhere."""

    def __init__(self, database: Database, events: Events, now: Callable[[], datetime], tombstones: Tombstones) -> None:
        self._database, self._events, self._now, self._tombstones = database, events, now, tombstones

    def add(self, answers: Iterable[tuple[Completion, Conversation | None]]) -> None:
        """Store answers and their conversations in one transaction; of people who withdrew or were forgotten, no word.

        All of them are read, and made rows, before the transaction begins.

        Raises:
            DataError: a text cannot be stored; nothing of this call was.
        """
        rows: list[tuple[Completion, Row]] = []
        talks: Talks = {}
        for answer, talk in answers:
            rows.append((answer, _row(answer)))
            if talk is not None and talk.id not in talks:
                talks[talk.id] = (talk, row_of(talk))
        with self._database.write() as connection:
            gone: set[tuple[str, str | None]] = set()
            for bot in {c.bot for c, _ in rows}:
                people = {c.user for c, _ in rows if c.user is not None and c.bot == bot}
                gone |= {(bot, person) for person in withdrawn_within(connection, bot, people)}
            kept = {id: pair for id, pair in talks.items() if (pair[0].bot, pair[0].user) not in gone}
            dead = self._tombstones.dead_among(connection, [talk for talk, _ in kept.values()])
            gone |= {(talk.bot, talk.user) for talk, _ in kept.values() if talk.id in dead and talk.user is not None}
            add_within(connection, self._events, self._tombstones, kept, actor="gateway")
            for place, (c, _) in enumerate(rows):
                if (c.bot, c.user) in gone or c.conversation_id in dead:
                    rows[place] = (c, _row(c, withdrawn=True))
            bulk.insert_rows(connection, _T, _COLUMNS, [row for _, row in rows])

    def get(self, completion_id: str) -> list[Completion]:
        """Return the answers of one completion, by choice; none where it is unknown."""
        query = sa.select(_T).where(_T.c.id == completion_id).order_by(_T.c.choice)
        with self._database.read() as connection:
            return [_completion(row) for row in connection.execute(query).mappings()]

    def page(
        self, bot: str, *, after: str | None = None, limit: int = 20, newest_first: bool = False, model: str = ""
    ) -> list[Completion]:
        """Return completions of which text is kept (their first answers), in order of time.

        Args:
            after: id of the completion after which to begin.

        Raises:
            UnknownThing: no such completion.
        """
        key = sa.tuple_(_T.c.created_at, _T.c.id)
        query = sa.select(_T).where(_T.c.bot == bot, _T.c.choice == 0, _T.c.conversation_id.is_not(None))
        if model:
            query = query.where(_T.c.model == model)
        with self._database.read() as connection:
            if after is not None:
                place = connection.execute(sa.select(_T.c.created_at, _T.c.id).where(_T.c.id == after)).first()
                if place is None:
                    raise UnknownThing(f"no completion {after!r}")
                begin = sa.tuple_(sa.literal(place[0]), sa.literal(place[1]))
                query = query.where(key < begin if newest_first else key > begin)
            order = (_T.c.created_at.desc(), _T.c.id.desc()) if newest_first else (_T.c.created_at, _T.c.id)
            rows = connection.execute(query.order_by(*order).limit(limit)).mappings().all()
        return [_completion(row) for row in rows]

    def remove(self, completion_id: str) -> bool:
        """Take a completion and its conversations out, but for a conversation that another completion shares."""
        with self._database.write() as connection:
            query = sa.select(_T.c.conversation_id).where(_T.c.id == completion_id)
            ids = {found for found in connection.execute(query).scalars() if found is not None}
            gone = connection.execute(sa.delete(_T).where(_T.c.id == completion_id)).rowcount
            connection.execute(sa.delete(_O).where(_O.c.completion_id == completion_id))
            shared = set(
                connection.execute(sa.select(_T.c.conversation_id).where(_T.c.conversation_id.in_(ids))).scalars()
            )
            connection.execute(sa.delete(_C).where(_C.c.id.in_(ids - shared)))
            return gone > 0

    def judge(self, opinion: Opinion, feedback: Sequence[Feedback]) -> bool:
        """Keep an opinion, and the feedback it makes on the conversation, in one transaction; the same key once.

        Returns:
            Whether it was new.

        Raises:
            UnknownThing: no such completion or choice.
        """
        with self._database.write() as connection:
            query = sa.select(_T.c.conversation_id).where(
                _T.c.id == opinion.completion_id, _T.c.choice == opinion.choice
            )
            row = connection.execute(query).first()
            if row is None:
                raise UnknownThing(f"no choice {opinion.choice} of a completion {opinion.completion_id!r}")
            known = sa.select(_O.c.key).where(_O.c.completion_id == opinion.completion_id, _O.c.key == opinion.key)
            if connection.execute(known).first() is not None:
                return False
            connection.execute(sa.insert(_O), _opinion_row(opinion, self._now()))
            if row[0] is not None:
                for one in feedback:
                    judge_within(connection, self._events, row[0], one)
            return True

    def regenerated(self, conversation_id: str) -> bool:
        """Return whether a user had the answer of a conversation answered anew."""
        of_it = sa.select(_T.c.id).where(_T.c.conversation_id == conversation_id)
        query = sa.select(_O.c.key).where(_O.c.completion_id.in_(of_it), _O.c.regenerated == 1).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def opinions(self, completion_id: str) -> list[dict[str, Any]]:
        """Return what was said of a completion, oldest first: ``choice, thumb, score, corrected, regenerated, at``."""
        shown = sa.select(_O.c.choice, _O.c.thumb, _O.c.score, _O.c.corrected, _O.c.regenerated, _O.c.at)
        with self._database.read() as connection:
            rows = connection.execute(shown.where(_O.c.completion_id == completion_id).order_by(_O.c.at)).mappings()
            return [
                {**row, "corrected": bool(row["corrected"]), "regenerated": bool(row["regenerated"])} for row in rows
            ]


def _opinion_row(opinion: Opinion, at: datetime) -> dict[str, Any]:
    return {
        "completion_id": opinion.completion_id,
        "key": codec.checked_text(opinion.key),
        "choice": opinion.choice,
        "thumb": opinion.thumb,
        "score": opinion.score,
        "corrected": int(bool(opinion.correction)),
        "regenerated": int(opinion.regenerated),
        "actor": codec.checked_text(opinion.actor),
        "at": codec.stamp(at),
    }


def _row(c: Completion, withdrawn: bool = False) -> Row:
    """What is written of an answer; of somebody who withdrew, no name and no word."""
    return (
        c.id, c.choice, c.bot, codec.stamp(c.created_at), codec.checked_text(c.model), c.release_id,
        None if withdrawn else c.conversation_id, None if withdrawn else c.user, c.state, c.guard, c.finish,
        c.experiment_id, c.arm, c.prompt_tokens, c.completion_tokens, c.first_token_s, c.seconds,
        "{}" if withdrawn or not c.metadata else codec.json_text(dict(c.metadata)),
    )  # fmt: skip


def _completion(row: Any) -> Completion:
    facts = dict(row)
    facts["user"] = facts.pop("person")
    facts["created_at"] = datetime.fromisoformat(facts["created_at"])
    facts["metadata"] = json.loads(facts["metadata"])
    return Completion(**facts)
