"""Which rows train and which judge: decided once, for ever, by who speaks.

The same person, else the same session, else the same question always falls on the same side, on every machine and in
every version. Nothing here may change: a changed split would judge adapters by what they learnt.
"""

from __future__ import annotations

import hashlib

from ..text.normalise import match_key
from ..types import Conversation, Split

TRAIN_FRAC = 0.8
VALIDATION_FRAC = 0.1
"""The rest, 0.1, is for the gate."""
_SALT = b"loraloop split 1\x00"


def split_key(conversation: Conversation) -> str:
    """Return what must not be torn apart: the user, else the session, else the first question as ``match_key``.

    Example:
        >>> from loraloop.types import message, utc
        >>> split_key(Conversation("cv-1", "default", (message("user", "AI가 뭐지?"),), utc("2026-01-01"), "chat"))
        'question:ai가 뭐지'
    """
    if conversation.user:
        return f"user:{conversation.user}"
    if conversation.session:
        return f"session:{conversation.session}"
    first = next((message.text for message in conversation.messages if message.role == "user"), "")
    return question_key(first)


def question_key(question: str) -> str:
    """Return the key of a question that nobody in particular asked."""
    return f"question:{match_key(question)}"


def split_of(key: str) -> Split:
    """Return the split of a key: 80 % train, 10 % validation, 10 % gate, by SHA-256.

    Example:
        >>> split_of("question:ai가 뭐지")
        'train'
    """
    bucket = int.from_bytes(hashlib.sha256(_SALT + key.encode()).digest()[:8], "big") / 2**64
    if bucket < TRAIN_FRAC:
        return "train"
    return "validation" if bucket < TRAIN_FRAC + VALIDATION_FRAC else "gate"
