"""Why was this answer not learnt? Answers from what the last dataset stored."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from ..errors import UnknownThing
from ..ports import Store
from .reasons import REASONS

_KEPT = {
    "train": ("it is learnt", "학습에 쓰입니다"),
    "validation": (
        "it is held out: its user, session or question tells when training should stop, and is never learnt",
        "학습을 언제 멈출지 정하는 데만 쓰이며 학습하지 않습니다",
    ),
    "gate": (
        "it is held out: its user, session or question judges adapters, and is never learnt",
        "어댑터를 평가하는 데만 쓰이며 학습하지 않습니다",
    ),
}
_NOT_YET = (
    "no dataset has been made since it was stored; it is judged at the next turn",
    "저장된 뒤로 데이터셋을 만들지 않았습니다. 다음 차례에 판단합니다",
)


def drop_counts(store: Store, bot: str) -> dict[str, int]:
    """Return reason -> number of answers left out by the last dataset, most frequent first."""
    return dict(Counter(store.conversations.drops(bot).values()).most_common())


def explain_drop(store: Store, bot: str, id: str, *, language: Literal["en", "ko"] = "en") -> str:
    """Return what became of a conversation's answers, one line each: kept in which split, or dropped and why.

    Args:
        store: where conversations, drops and datasets are.
        bot: whose.
        id: a conversation id, or ``ID#INDEX`` for one answer of it.
        language: of the sentences.

    Raises:
        UnknownThing: the bot has no such conversation or answer.
    """
    conversation_id, _, index = id.partition("#")
    found = store.conversations.get(conversation_id)
    if found is None or found.bot != bot:
        raise UnknownThing(f"bot {bot!r} has no conversation {conversation_id!r}", hint="loraloop data stats")
    places = [place for place, message in enumerate(found.messages) if message.role == "assistant"]
    if index and index not in map(str, places):
        raise UnknownThing(f"{conversation_id} has no answer {index!r}", hint=f"its answers: {places}")
    drops, tongue = store.conversations.drops(bot), int(language == "ko")
    if not places:
        return f"{conversation_id}: {REASONS['no_answer'][tongue]}"
    latest = next(iter(store.datasets.list(bot, 1)), None)
    kept = {
        row.message_index: row.split
        for row in (latest.rows if latest else ())
        if row.conversation_id == conversation_id
    }
    lines = []
    for place in [int(index)] if index else places:
        key = f"{conversation_id}#{place}"
        if code := drops.get(key):
            why = f"{code}: {REASONS[code][tongue]}" if code in REASONS else code
        else:
            why = f"{kept[place]}: {_KEPT[kept[place]][tongue]}" if place in kept else _NOT_YET[tongue]
        lines.append(f"{key}: {why}")
    return "\n".join(lines)
