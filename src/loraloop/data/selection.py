"""Conversations -> rows of a dataset, and a reason for every answer that is left out.

Held-out rows win: where a question stands on both sides, the training row goes, so that what judges an adapter was
never taught to it. Exact duplicates of question and answer count once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ..text.dedupe import NearDuplicates, compact
from ..types import Conversation, DatasetRow, Feedback, Split
from .quality import CandidateRow, DataQualityConfig, reason_to_drop
from .splits import split_key, split_of

_ORDER: Final[tuple[Split, ...]] = ("gate", "validation", "train")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a dataset is made of.

    Attributes:
        rows: in the order the conversations came, then by message.
        drops: ``conversation_id#message_index`` (or ``conversation_id`` alone) -> code of the reason.
    """

    rows: tuple[DatasetRow, ...]
    drops: dict[str, str]


def _latest_judgement(conversation: Conversation, index: int) -> Feedback | None:
    """The last thumb or correction on one answer, in the order they were given; a comment judges nothing."""
    judged = [item for item in conversation.feedback if item.message_index == index and item.kind != "comment"]
    return judged[-1] if judged else None


def candidate(conversation: Conversation, index: int) -> CandidateRow:
    """Return the candidate row of one assistant message.

    A correction replaces the answer and approves it; a thumb up approves it; a thumb down after either takes it back.
    """
    message = conversation.messages[index]
    judgement = _latest_judgement(conversation, index)
    kind = judgement.kind if judgement else ""
    corrected = judgement.text if judgement and kind == "correction" else ""
    approved_by = {"correction": "correction", "thumb_up": "thumb"}.get(kind, message.approved_by)
    return CandidateRow(
        conversation=conversation,
        message_index=index,
        prompt=conversation.messages[:index],
        answer=corrected or message.text,
        approved_by=approved_by,
        judged=kind,
        parts_are_text=bool(corrected) or all(part.kind == "text" for part in message.content),
    )


def candidates(conversation: Conversation) -> Iterator[CandidateRow]:
    """Yield a candidate row for each assistant message."""
    for index, message in enumerate(conversation.messages):
        if message.role == "assistant":
            yield candidate(conversation, index)


def row_digest(row: CandidateRow, secret: bytes) -> str:
    """Return the HMAC-SHA-256 (hex) of everything a sample is made of: the messages before the answer, and the answer.

    Keyed, so that a manifest that leaves the house does not let anybody test guesses of what was said.
    """
    said = [[message.role, message.text] for message in row.prompt]
    canonical = json.dumps([said, row.answer], ensure_ascii=False, separators=(",", ":"))
    return hmac.new(secret, canonical.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class _Kept:
    row: DatasetRow
    question: str
    content: bytes


def _fingerprint(row: CandidateRow) -> bytes:
    """What makes two rows exact duplicates: every message before the answer and the answer, normalised."""
    said = [f"{message.role}\x1f{compact(message.text)}" for message in row.prompt] + [compact(row.answer)]
    return hashlib.sha256("\x1e".join(said).encode()).digest()


def _judged(
    conversations: Iterable[Conversation], config: DataQualityConfig, secret: bytes, drops: dict[str, str]
) -> list[_Kept]:
    kept: list[_Kept] = []
    for conversation in conversations:
        rows = list(candidates(conversation))
        if not rows:
            drops[conversation.id] = "no_answer"
        split = split_of(split_key(conversation))
        for row in rows:
            if reason := reason_to_drop(row, config):
                drops[f"{conversation.id}#{row.message_index}"] = reason
                continue
            target = DatasetRow(conversation.id, row.message_index, split, row_digest(row, secret))
            kept.append(_Kept(target, row.question, _fingerprint(row)))
    return kept


def select(conversations: Iterable[Conversation], config: DataQualityConfig, secret: bytes = b"") -> Selection:
    """Return the rows worth learning from, split so that no question of one split stands in another.

    Conversations are read once and not held: memory grows with the number of rows and the text of their questions.

    Args:
        conversations: of one bot, oldest first; of exact duplicates the first is kept.
        config: what is good enough.
        secret: key of the row digests.

    Returns:
        Rows and drops; every assistant message is in exactly one of them.
    """
    drops: dict[str, str] = {}
    kept = _judged(conversations, config, secret, drops)
    held_out = NearDuplicates(config.near_duplicate_threshold)
    chosen: set[int] = set()
    for split in _ORDER:
        seen: set[bytes] = set()
        mine: dict[str, None] = {}
        for place, item in enumerate(kept):
            if item.row.split != split:
                continue
            key = f"{item.row.conversation_id}#{item.row.message_index}"
            if held_out.find(item.question):
                drops[key] = "near_duplicate_of_held_out"
            elif item.content in seen:
                drops[key] = "duplicate"
            else:
                seen.add(item.content)
                mine[item.question] = None
                chosen.add(place)
        for question in mine if split != "train" else ():
            held_out.add(split, question)
    return Selection(rows=tuple(item.row for place, item in enumerate(kept) if place in chosen), drops=drops)
