"""Which side a conversation is on, and who wrote an answer: what holds of a row whatever the others are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..types import Conversation, Split
from .candidates import CandidateRow
from .splits import split_key, split_of

_CHATS: Final = frozenset({"chat", "gateway"})


def side_of(conversation: Conversation, rows: Sequence[CandidateRow]) -> Split:
    """Return the split of a conversation: its user's, else its session's, else its question's.

    But a correction of an answer to nobody in particular always teaches: whoever took the trouble wants the answer
    changed. It can move a conversation into training once, never out of it.
    """
    if not conversation.user and any(row.is_correction for row in rows):
        return "train"
    return split_of(split_key(conversation))


def is_self_written(row: CandidateRow) -> bool:
    """Return whether a bot wrote the answer: one of our releases, or whatever answered in a chat.

    Imported talk counts as written by people, whose word it is that a bot's was reviewed; so do corrections.
    """
    conversation = row.conversation
    return not row.is_correction and (conversation.release_id is not None or conversation.source in _CHATS)
