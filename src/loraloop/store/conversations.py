"""Conversations, the feedback on them, and why answers were left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import UnknownThing
from ..failpoints import reached
from ..types import CONSENTS_TO_LEARN, Conversation, Feedback, Message, Part, messages_json
from . import bulk, codec, tables
from .consents import WITHDRAWN, withdrawn_within
from .database import Database
from .events import Events
from .people import refusing
from .tombstones import Tombstones

_PAGE = 1000
"""Conversations in memory at once."""
_T = tables.conversations
_COLUMNS = tuple(_T.c)


class Conversations:
    """The only place where conversation text lives."""

    def __init__(self, database: Database, events: Events, tombstones: Tombstones) -> None:
        self._database, self._events, self._tombstones = database, events, tombstones

    def add(self, conversations: Iterable[Conversation]) -> int:
        """Store those not yet known; return how many were new. All of one call or none.

        Conversations that were forgotten, and whatever a forgotten person says, are passed over.

        Raises:
            DataError: a text cannot be stored; nothing of this call was.
        """
        found = {c.id: (c, row_of(c)) for c in conversations}  # before the transaction: others wait while it lasts
        if not found:
            return 0
        with self._database.write() as connection:
            new = add_within(connection, self._events, self._tombstones, found, actor="import")
            reached("capture.written")
        reached("capture.committed")
        return new

    def get(self, conversation_id: str) -> Conversation | None:
        """Return one conversation with its feedback."""
        return self.some([conversation_id]).get(conversation_id)

    def some(self, conversation_ids: Collection[str]) -> dict[str, Conversation]:
        """Return those of some conversations that are stored, by id, with their feedback."""
        found: dict[str, Conversation] = {}
        with self._database.read() as connection:
            for page in bulk.pages(list(conversation_ids), _PAGE):
                rows = connection.execute(sa.select(*_COLUMNS).where(bulk.among(connection, _T.c.id, page))).all()
                found.update((one.id, one) for one in _conversations(connection, rows))
        return found

    def iterate(self, bot: str, since: datetime | None = None) -> Iterator[Conversation]:
        """Yield all conversations of a bot, oldest first (created_at, then id), a page at a time."""
        after = (codec.stamp(since), "") if since is not None else ("", "")
        while True:
            query = (
                sa.select(*_COLUMNS)
                .where(_T.c.bot == bot, sa.tuple_(_T.c.created_at, _T.c.id) > sa.tuple_(*map(sa.literal, after)))
                .order_by(_T.c.created_at, _T.c.id)
                .limit(_PAGE)
            )
            with self._database.read() as connection:
                rows = connection.execute(query).all()
                page = _conversations(connection, rows)
            yield from page
            if len(rows) < _PAGE:
                return
            after = (rows[-1].created_at, rows[-1].id)

    def count(self, bot: str) -> int:
        """Return how many conversations a bot has."""
        with self._database.read() as connection:
            query = sa.select(sa.func.count()).select_from(_T).where(_T.c.bot == bot)
            return int(connection.execute(query).scalar_one())

    def add_feedback(self, conversation_id: str, feedback: Feedback) -> None:
        """Append feedback.

        Raises:
            UnknownThing: no such conversation, or the message is no answer of the bot.
        """
        with self._database.write() as connection:
            judge_within(connection, self._events, conversation_id, feedback)

    def save_drops(self, bot: str, drops: Mapping[str, str]) -> None:
        """Replace the bot's table of dropped rows: ``conversation_id[#message_index]`` -> reason."""
        with self._database.write() as connection:
            connection.execute(sa.delete(tables.drops).where(tables.drops.c.bot == bot))
            if drops:
                rows = [{"bot": bot, "target": target, "reason": reason} for target, reason in drops.items()]
                connection.execute(sa.insert(tables.drops), rows)

    def drops(self, bot: str) -> dict[str, str]:
        """Return the bot's dropped rows and their reasons."""
        query = sa.select(tables.drops.c.target, tables.drops.c.reason).where(tables.drops.c.bot == bot)
        with self._database.read() as connection:
            return {target: reason for target, reason in connection.execute(query.order_by(tables.drops.c.target))}


Rows = dict[str, tuple[Conversation, tuple[Any, ...]]]
"""Conversations by id, each with the row that is written of it."""


def add_within(
    connection: sa.Connection,
    events: Events,
    tombstones: Tombstones,
    rows: Rows,
    *,
    actor: str,
) -> int:
    """Store those not yet known, in a transaction that is open already; return how many were new.

    Of somebody who withdrew consent at the gateway nothing is learnt, whatever is stated where it comes from.
    """
    known: set[str] = set()
    for page in bulk.pages(list(rows)):
        known.update(connection.execute(sa.select(_T.c.id).where(bulk.among(connection, _T.c.id, page))).scalars())
    known |= tombstones.dead_among(connection, [c for c, _ in rows.values()])
    fresh = [pair for id, pair in rows.items() if id not in known]
    if not fresh:
        return 0
    gone = {bot: withdrawn_within(connection, bot, people) for bot, people in _people(fresh).items()}
    written = [(*row[:4], WITHDRAWN, *row[5:]) if c.user in gone.get(c.bot, ()) else row for c, row in fresh]
    bulk.insert_rows(connection, _T, [column.name for column in _COLUMNS], written)
    said = [(c.id, codec.encode(f)) for c, _ in fresh for f in c.feedback]
    bulk.insert_rows(connection, tables.feedback, ("conversation_id", "body"), said)
    for bot, count in sorted(Counter(c.bot for c, _ in fresh).items()):
        events.within(connection, bot, "ConversationsAdded", actor, {"count": count})
    return len(fresh)


def _people(pairs: Iterable[tuple[Conversation, tuple[Any, ...]]]) -> dict[str, set[str]]:
    """Who speaks to which bot."""
    found: dict[str, set[str]] = {}
    for c, _ in pairs:
        if c.user:
            found.setdefault(c.bot, set()).add(c.user)
    return found


def judge_within(connection: sa.Connection, events: Events, conversation_id: str, feedback: Feedback) -> None:
    """Append feedback, in a transaction that is open already.

    Raises:
        UnknownThing: no such conversation, or the message is no answer of the bot.
    """
    row = connection.execute(sa.select(_T).where(_T.c.id == conversation_id)).mappings().first()
    if row is None:
        raise UnknownThing(f"no conversation {conversation_id!r}", hint="ids are shown by loraloop chat and ask")
    messages = json.loads(row["messages"])
    place = feedback.message_index
    if not 0 <= place < len(messages) or messages[place]["role"] != "assistant":
        raise UnknownThing(f"message {place} of {conversation_id} is no answer")
    body = {"conversation_id": conversation_id, "body": codec.encode(feedback)}
    connection.execute(sa.insert(tables.feedback), body)
    facts = {"conversation_id": conversation_id, "kind": feedback.kind}
    events.within(connection, row["bot"], "FeedbackGiven", feedback.actor or "user", facts)


def row_of(c: Conversation) -> tuple[Any, ...]:
    """Return what is written of a conversation, as its columns stand.

    Raises:
        DataError: a text cannot be stored.
    """
    messages = codec.checked_json(messages_json(c.messages))
    named = (c.id, c.bot, c.source, c.consent, c.user, c.session, c.release_id, c.language, c.group)
    codec.checked_text("".join([one for one in named if one]))
    return (
        c.id, c.bot, codec.stamp(c.created_at), c.source, c.consent, c.user, c.session, c.release_id, c.quality_score,
        c.language, messages, c.group,
    )  # fmt: skip


def _conversations(connection: sa.Connection, rows: Sequence[Any]) -> list[Conversation]:
    said: dict[str, list[Feedback]] = {}
    f = tables.feedback
    ours = bulk.among(connection, f.c.conversation_id, [row.id for row in rows])
    query = sa.select(f.c.conversation_id, f.c.body).where(ours).order_by(f.c.id)
    for conversation_id, body in connection.execute(query):
        said.setdefault(conversation_id, []).append(codec.decode(Feedback, body))
    people = refusing(connection, {row.person for row in rows if row.person})
    refusals = {person.id: person.refusal for person in people.values()}
    return [_conversation(row, tuple(said.get(row.id, ())), refusals) for row in rows]


def _conversation(row: Any, feedback: tuple[Feedback, ...], refusals: Mapping[str, str | None]) -> Conversation:
    """A conversation with the consent that holds now: what its person said since outweighs what it states."""
    key, bot, at, source, consent, person, session, release_id, score, language, messages, group = row
    refusal = refusals.get(person)
    return Conversation(
        id=key,
        bot=bot,
        messages=tuple(
            Message(
                one["role"],
                tuple([Part(part["kind"], part["text"]) for part in one["content"]]),
                one.get("approved_by"),
            )
            for one in json.loads(messages)
        ),
        created_at=datetime.fromisoformat(at),
        source=source,
        consent=refusal if refusal and consent in CONSENTS_TO_LEARN else consent,
        user=person,
        session=session,
        release_id=release_id,
        quality_score=score,
        language=language,
        feedback=feedback,
        group=group,
    )
