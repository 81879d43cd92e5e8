"""Conversations -> candidate rows: each answer with what came before it and what people said of it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring as _quoted  # as json does it itself, at half its cost
from typing import Any, TypeVar

from ..types import REVIEWER, Conversation, DatasetRow, Feedback, Message

T = TypeVar("T")


class Heard:
    """What was found out about the texts of one conversation: the next answer's prompt holds them all again.

    Lives as long as the conversation's rows, so that nobody's words are remembered longer than they are read.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Callable[[str], Any], str], Any] = {}

    def of(self, find_out: Callable[[str], T], text: str) -> T:
        """Return what a pure function says of a text, which it is asked once."""
        key = (find_out, text)
        if key not in self._known:
            self._known[key] = find_out(text)
        found: T = self._known[key]
        return found


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """An assistant message that might be learnt from, with what the checks need.

    Attributes:
        prompt: the messages before it.
        question: the text of the last user message before the answer; empty if there is none.
        answer: what would be learnt: the message's text, or the latest correction of it.
        approved_by: how a person vouched for the answer; ``None`` if nobody did.
        judged: ``"thumb_up"``, ``"thumb_down"`` or ``"correction"``, whichever holds; ``""`` if nobody judged.
        parts_are_text: whether the answer has text parts only.
        heard: shared with the other answers of the conversation.
    """

    conversation: Conversation
    message_index: int
    prompt: tuple[Message, ...]
    question: str
    answer: str
    approved_by: str | None
    judged: str
    parts_are_text: bool = True
    heard: Heard = field(default_factory=Heard, compare=False, repr=False)

    @property
    def is_correction(self) -> bool:
        """Whether a person wrote the answer in place of the bot's."""
        return self.judged == "correction"


def _judgement(feedback: Sequence[Feedback], index: int) -> tuple[str, str, str]:
    """What holds of one answer after all that was said of it: the kind, the corrected text, and who said so.

    The last word counts. But a thumb down after a correction does not take the correction back: both say that the
    answer shown was bad. A correction without text is a thumb down, and a comment judges nothing.
    """
    kind, text, actor = "", "", ""
    for item in feedback:
        if item.message_index != index or item.kind == "comment":
            continue
        if item.kind == "correction" and item.text.strip():
            kind, text, actor = "correction", item.text, item.actor
        elif item.kind == "thumb_up":
            kind, text, actor = "thumb_up", "", item.actor
        elif kind != "correction":
            kind = "thumb_down"
    return kind, text, actor


def candidate(
    conversation: Conversation, index: int, feedback: Sequence[Feedback] | None = None, heard: Heard | None = None
) -> CandidateRow:
    """Return the candidate row of one assistant message.

    A correction replaces the answer and approves it; a thumb up approves it; a thumb down takes approval back.

    Args:
        conversation: which.
        index: position of the assistant message.
        feedback: what had been said by then; ``None`` for all there is.
        heard: of the conversation; ``None`` where no other answer of it is asked for.
    """
    message, prompt = conversation.messages[index], conversation.messages[:index]
    kind, corrected, actor = _judgement(conversation.feedback if feedback is None else feedback, index)
    thumb = "review" if actor.startswith(REVIEWER) else "thumb"
    return CandidateRow(
        conversation=conversation,
        message_index=index,
        prompt=prompt,
        question=next((said.text for said in reversed(prompt) if said.role == "user"), ""),
        answer=corrected or message.text,
        approved_by={"correction": "correction", "thumb_up": thumb}.get(kind, message.approved_by),
        judged=kind,
        parts_are_text=bool(corrected) or all(part.kind == "text" for part in message.content),
        heard=heard or Heard(),
    )


def candidates(conversation: Conversation) -> Iterator[CandidateRow]:
    """Yield a candidate row for each assistant message."""
    heard = Heard()
    for index, message in enumerate(conversation.messages):
        if message.role == "assistant":
            yield candidate(conversation, index, heard=heard)


def row_digest(row: CandidateRow, secret: bytes) -> str:
    """Return the HMAC-SHA-256 (hex) of everything a sample is made of: the messages before the answer, and the answer.

    Keyed, so that a manifest that leaves the house does not let anybody test guesses of what was said.
    """
    said = ",".join([f"[{_quoted(message.role)},{_quoted(message.text)}]" for message in row.prompt])
    digest = _keyed(secret).copy()
    digest.update(f"[[{said}],{_quoted(row.answer)}]".encode())
    return digest.hexdigest()


@lru_cache(8)
def _keyed(secret: bytes) -> hmac.HMAC:
    """The digest of nothing yet: starting one takes as long as the rest of it."""
    return hmac.new(secret, digestmod="sha256")


def row_as_it_was(conversation: Conversation, row: DatasetRow, secret: bytes) -> CandidateRow | None:
    """Return the candidate that a dataset's row was made of, ``None`` if nothing there has its digest.

    Feedback is only ever appended, so a correction given since then is undone by leaving out the last words said.
    """
    if row.message_index >= len(conversation.messages):
        return None
    for count in range(len(conversation.feedback), -1, -1):
        said = candidate(conversation, row.message_index, conversation.feedback[:count])
        if said.approved_by and hmac.compare_digest(row_digest(said, secret), row.digest):
            return said
    return None
