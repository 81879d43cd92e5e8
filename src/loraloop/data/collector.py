"""The older system's collector, answered from our store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import UsageError
from ..ports import Clock, Store
from .candidates import CandidateRow, candidates
from .formats import ImportOptions, build
from .messages import BadRow
from .quality import DataQualityConfig, reason_to_drop

_NO_LIMITS = DataQualityConfig(
    min_input_length=1, min_response_length=1, quality_threshold=0.0, exclude_error_patterns=()
)
"""Only what must hold for every row: consent, approval, text, no personal data. Taste is the data manager's."""


class StoreCollector:
    """Offers a bot's stored conversations as records, and stores new ones.

    Only answers that a person approved, in conversations with consent, are handed out: a record counts as approved by
    whoever hands it on, so nothing may leave here unapproved.

    Args:
        store: where conversations are.
        bot: whose.
        secret: key under which users become pseudonyms.
        clock: tells the time; ``None`` for the system's.
    """

    def __init__(self, store: Store, bot: str = "default", secret: bytes = b"", clock: Clock | None = None) -> None:
        self._store = store
        self._bot = bot
        self._secret = secret
        self._clock = clock

    def get_recent_data(self, days: int) -> list[dict[str, Any]]:
        """Return the records of the last ``days`` days, oldest first.

        Returns:
            Dicts of ``user_input, bot_response, quality_score`` (1.0 where nobody scored what a person approved),
            ``timestamp``, and where they come from: ``conversation_id, message_index, user_id``.
        """
        return [self._record(row) for row in self._rows(days) if reason_to_drop(row, _NO_LIMITS) is None]

    def get_collection_statistics(self) -> dict[str, Any]:
        """Return counts over everything stored: ``["quality_stats"]["valid_samples"]`` is what could be learnt from."""
        config = DataQualityConfig()
        answers = valid = 0
        scores: list[float] = []
        for row in self._rows(None):
            answers += 1
            valid += reason_to_drop(row, config) is None
            if row.conversation.quality_score is not None:
                scores.append(row.conversation.quality_score)
        return {
            "total_conversations": self._store.conversations.count(self._bot),
            "total_interactions": answers,
            "quality_stats": {
                "total_samples": answers,
                "valid_samples": valid,
                "avg_quality_score": sum(scores) / len(scores) if scores else 0.0,
            },
        }

    def collect_interaction_data(self, user_id: str | None, data: Mapping[str, Any]) -> str:
        """Redact and store one question and its answer; the caller vouches for consent and approval.

        Args:
            user_id: any name of the person; only a pseudonym of it is kept.
            data: ``user_input``, ``bot_response`` and optionally ``quality_score``, ``timestamp``, ``session_id``,
                ``consent``, ``release_id``, ``feedback``.

        Returns:
            The id of the conversation.

        Raises:
            UsageError: ``data`` is no such record.
        """
        turns = [
            {"role": "user", "content": data.get("user_input")},
            {"role": "assistant", "content": data.get("bot_response")},
        ]
        options = ImportOptions(
            bot=self._bot,
            approved_by="caller-asserted",
            source="collector",
            secret=self._secret,
            imported_at=self._now(),
        )
        try:
            found = build(turns, {**data, "user": user_id}, options, "collector", consent="caller-asserted")
        except BadRow as error:
            raise UsageError(
                f"this interaction cannot be stored: {error}", hint="hand in user_input and bot_response as text"
            ) from error
        self._store.conversations.add([found])
        return found.id

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)

    def _rows(self, days: int | None) -> Iterator[CandidateRow]:
        since = None if days is None else self._now() - timedelta(days=days)
        for conversation in self._store.conversations.iterate(self._bot, since):
            yield from candidates(conversation)

    @staticmethod
    def _record(row: CandidateRow) -> dict[str, Any]:
        score = row.conversation.quality_score
        return {
            "user_input": row.question,
            "bot_response": row.answer,
            "quality_score": 1.0 if score is None else score,
            "timestamp": row.conversation.created_at,
            "user_id": row.conversation.user,
            "conversation_id": row.conversation.id,
            "message_index": row.message_index,
        }
