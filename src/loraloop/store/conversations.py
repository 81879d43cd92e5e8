"""Conversations, the feedback on them, and why answers were left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import UnknownThing
from ..types import CONSENTS_TO_LEARN, Conversation, Feedback, Message, plain
from . import codec, tables
from .database import Database
from .events import Events
from .people import refusing
from .tombstones import Tombstones

_PAGE = 500
_T = tables.conversations


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
        found = list(conversations)
        if not found:
            return 0
        with self._database.write() as connection:
            return add_within(connection, self._events, self._tombstones, found, actor="import")

    def get(self, conversation_id: str) -> Conversation | None:
        """Return one conversation with its feedback."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(_T).where(_T.c.id == conversation_id)).mappings().first()
            return None if row is None else _conversations(connection, [row])[0]

    def iterate(self, bot: str, since: datetime | None = None) -> Iterator[Conversation]:
        """Yield all conversations of a bot, oldest first (created_at, then id), a page at a time."""
        after = (codec.stamp(since), "") if since is not None else ("", "")
        while True:
            query = (
                sa.select(_T)
                .where(_T.c.bot == bot, sa.tuple_(_T.c.created_at, _T.c.id) > sa.tuple_(*map(sa.literal, after)))
                .order_by(_T.c.created_at, _T.c.id)
                .limit(_PAGE)
            )
            with self._database.read() as connection:
                rows = connection.execute(query).mappings().all()
                page = _conversations(connection, rows)
            yield from page
            if len(rows) < _PAGE:
                return
            after = (rows[-1]["created_at"], rows[-1]["id"])

    def older_than(self, moment: datetime) -> list[str]:
        """Return the ids of all conversations held before a moment, of whichever bot, but for public corpora."""
        query = sa.select(_T.c.id).where(_T.c.created_at < codec.stamp(moment), _T.c.consent != "public")
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

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


def add_within(
    connection: sa.Connection,
    events: Events,
    tombstones: Tombstones,
    conversations: Iterable[Conversation],
    *,
    actor: str,
) -> int:
    """Store those not yet known, in a transaction that is open already; return how many were new."""
    found = {c.id: c for c in conversations}
    ids = list(found)
    known: set[str] = set()
    for begin in range(0, len(ids), _PAGE):
        page = sa.select(_T.c.id).where(_T.c.id.in_(ids[begin : begin + _PAGE]))
        known.update(connection.execute(page).scalars())
    known |= tombstones.dead_among(connection, found.values())
    fresh = [c for c in found.values() if c.id not in known]
    if not fresh:
        return 0
    connection.execute(sa.insert(_T), [_row(c) for c in fresh])
    said = [{"conversation_id": c.id, "body": codec.encode(f)} for c in fresh for f in c.feedback]
    if said:
        connection.execute(sa.insert(tables.feedback), said)
    for bot in sorted({c.bot for c in fresh}):
        count = sum(c.bot == bot for c in fresh)
        events.within(connection, bot, "ConversationsAdded", actor, {"count": count})
    return len(fresh)


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


def _row(c: Conversation) -> dict[str, Any]:
    row = {
        "id": c.id,
        "bot": c.bot,
        "created_at": codec.stamp(c.created_at),
        "source": c.source,
        "consent": c.consent,
        "person": c.user,
        "session": c.session,
        "release_id": c.release_id,
        "quality_score": c.quality_score,
        "language": c.language,
        "messages": codec.json_text(plain(c.messages)),
        "source_group": c.group,
    }
    for value in row.values():
        if isinstance(value, str):
            codec.checked_text(value)
    return row


def _conversations(connection: sa.Connection, rows: Iterable[Any]) -> list[Conversation]:
    rows = list(rows)
    said: dict[str, list[Feedback]] = {row["id"]: [] for row in rows}
    f = tables.feedback
    query = sa.select(f.c.conversation_id, f.c.body).where(f.c.conversation_id.in_(list(said))).order_by(f.c.id)
    for conversation_id, body in connection.execute(query):
        said[conversation_id].append(codec.decode(Feedback, body))
    people = refusing(connection, [row["person"] for row in rows if row["person"]])
    refusals = {person.id: person.refusal for person in people.values()}
    return [_conversation(row, tuple(said[row["id"]]), refusals.get(row["person"])) for row in rows]


def _conversation(row: Any, feedback: tuple[Feedback, ...], refusal: str | None) -> Conversation:
    """A conversation with the consent that holds now: what its person said since outweighs what it states."""
    messages = tuple(codec.decode(Message, json.dumps(message)) for message in json.loads(row["messages"]))
    return Conversation(
        id=row["id"],
        bot=row["bot"],
        messages=messages,
        created_at=datetime.fromisoformat(row["created_at"]),
        source=row["source"],
        consent=refusal if refusal and row["consent"] in CONSENTS_TO_LEARN else row["consent"],
        user=row["person"],
        session=row["session"],
        release_id=row["release_id"],
        quality_score=row["quality_score"],
        language=row["language"],
        feedback=feedback,
        group=row["source_group"],
    )
