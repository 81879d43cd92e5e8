"""The gateway's archive over a home's store: redacts, builds conversations, keeps them and what was said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from .data.exchanges import exchange, judgement
from .data.messages import pseudonym, safe_text
from .errors import UnknownThing, UsageError
from .serve.archive import Stored
from .store.sql import SqlStore
from .traffic import MIRRORED, NOT_STORED, ApiKey, Completion, Opinion, Served
from .types import Conversation, Feedback

SOURCE = "gateway"
_KIND = {"done": "text"}


class HomeArchive:
    """Keeps exchanges of one bot.

    Args:
        store: where. bot: whose. secret: key of the pseudonyms. now: tells the time.
    """

    def __init__(
        self, store: SqlStore, bot: str, secret: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store, self._bot, self._secret, self._now = store, bot, secret, now

    def keep(self, batch: Sequence[Served]) -> None:
        """Store exchanges, all or none, in one transaction."""
        self._store.completions.add(self._answer(one) for one in batch)

    def judge(self, opinion: Opinion) -> Completion | None:
        """Keep an opinion; thumbs, corrections and comments become feedback on the conversation, for learning.

        Returns:
            The answer that it is about; ``None`` where it was known.

        Raises:
            UnknownThing: there is no such answer of this bot.
        """
        found = [one for one in self._store.completions.get(opinion.completion_id) if one.bot == self._bot]
        chosen = next((one for one in found if one.choice == opinion.choice and one.state != MIRRORED), None)
        if chosen is None:
            raise UnknownThing(f"no choice {opinion.choice} of a completion {opinion.completion_id!r}")
        talk = self._store.conversations.get(chosen.conversation_id) if chosen.conversation_id else None
        said = {
            f"thumb_{opinion.thumb}" if opinion.thumb else "": "",
            "correction" if opinion.correction else "": opinion.correction,
            "comment" if opinion.comment else "": opinion.comment,
        }
        place = len(talk.messages) - 1 if talk else 0
        feedback: list[Feedback] = [
            judgement(kind, text=text, actor=opinion.actor, message_index=place, at=self._now())
            for kind, text in said.items()
            if kind
        ]
        return chosen if self._store.completions.judge(opinion, feedback) else None

    def find(self, completion_id: str) -> Stored | None:
        """A completion of this bot of which text is kept."""
        found = [one for one in self._store.completions.get(completion_id) if one.bot == self._bot]
        if not any(one.conversation_id for one in found):
            return None
        return self._stored(found)

    def page(self, after: str | None, limit: int, newest_first: bool, model: str) -> list[Stored]:
        """Completions of which text is kept, in order of time."""
        found = self._store.completions.page(
            self._bot, after=after, limit=limit, newest_first=newest_first, model=model
        )
        return [self._stored(self._store.completions.get(one.id)) for one in found]

    def remove(self, completion_id: str) -> bool:
        """Take a completion of this bot and its text out."""
        found = self._store.completions.get(completion_id)
        return bool(found) and found[0].bot == self._bot and self._store.completions.remove(completion_id)

    def consent(self, user: str, consent: str) -> int:
        """Keep a person's word."""
        return self._store.consents.set(self._bot, self.pseudonym(user), consent)

    def pseudonym(self, user: str) -> str:
        """The name under which a person is kept.

        Raises:
            UsageError: the name cannot be read as text.
        """
        try:
            return pseudonym(user, self._secret) or ""
        except ValueError as error:
            raise UsageError(f"user: {error}") from error

    def keys(self) -> Sequence[ApiKey]:
        """All keys of the home."""
        return self._store.keys.list()

    def _stored(self, answers: Sequence[Completion]) -> Stored:
        talks = self._store.conversations
        pairs = [(one, talks.get(one.conversation_id) if one.conversation_id else None) for one in answers]
        return Stored(tuple(pairs), tuple(self._store.completions.opinions(answers[0].id)))

    def _answer(self, one: Served) -> tuple[Completion, Conversation | None]:
        talk = None if one.consent == NOT_STORED else self._conversation(one)
        return self._completion(one, talk), talk

    def _conversation(self, one: Served) -> Conversation:
        talk = exchange(
            bot=self._bot,
            messages=one.messages,
            answer=one.answer,
            release_id=one.release_id,
            consent=one.consent,
            session=one.session,
            user=one.user,
            at=one.created_at,
            source=SOURCE,
            kind=_KIND.get(one.state, one.state),
        )
        return talk if one.group is None else replace(talk, group=one.group)

    def _completion(self, one: Served, talk: Conversation | None) -> Completion:
        traced = talk is not None or bool(one.experiment_id)
        return Completion(
            id=one.id,
            choice=one.choice,
            bot=self._bot,
            created_at=one.created_at,
            model=one.model,
            release_id=one.release_id,
            conversation_id=talk.id if talk is not None else None,
            user=one.user if traced else None,
            state=one.state,
            guard=one.guard,
            finish=one.finish,
            experiment_id=one.experiment_id,
            arm=one.arm,
            prompt_tokens=one.prompt_tokens,
            completion_tokens=one.completion_tokens,
            first_token_s=one.first_token_s,
            seconds=one.seconds,
            metadata={}
            if talk is None
            else {safe_text(k, "metadata"): safe_text(v, "metadata") for k, v in one.metadata.items()},
        )
