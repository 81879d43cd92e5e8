"""Thumbs as unpaired preference rows: a prompt, an answer, and whether a person liked it. For KTO and its kin.

A thumb down becomes a row here and never a target. Rows obey consent, redaction, distress and trust as targets do: a
judgement that does not count there does not count here, and the caps hold, for what is liked and for what is not. A
corrected answer gives two: what the person wrote was good, and what the bot had said was not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..ports import Store
from ..text.redact import redact
from ..types import REVIEWER, Conversation
from .candidates import CandidateRow, candidates
from .export import write_rows
from .judging import judge_of, speaker_of
from .quality import LAW, DataQualityConfig, answer_approved, reason_to_drop
from .sides import side_of
from .standing import Readings
from .trust import Standing, TrustConfig, over_caps


@dataclass(slots=True)
class _Judged:
    """What was read: where approved rows stand, those that are not any more, and those that somebody did not like.

    Attributes:
        rows: a conversation's id, the key of the judged answer, and a row made of it.
    """

    approved: list[Standing] = field(default_factory=list)
    spent: list[Standing] = field(default_factory=list)
    disliked: list[Standing] = field(default_factory=list)
    rows: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)


def preference_rows(
    conversations: Iterable[Conversation], config: DataQualityConfig, trust: TrustConfig
) -> list[tuple[str, dict[str, Any]]]:
    """Return a conversation's id with ``prompt``, ``completion`` and ``label`` of every judged answer that may teach.

    Args:
        conversations: of one bot, oldest first.

    **Source**: the form of TRL's unpaired preference datasets (KTO).
    """
    found, readings = _Judged(), Readings(trust)
    for _, conversation in readings.read(conversations):
        rows = list(candidates(conversation))
        teaches = side_of(conversation, rows) == "train"
        for row in rows:
            reason = reason_to_drop(row, config)
            standing = readings.standing(row, reason)
            if standing is not None:
                (found.spent if reason else found.approved).append(standing)
            law = (check(row, config) for check in LAW if check is not answer_approved)
            if not teaches or not row.judged or any(law):
                continue
            key = f"{conversation.id}#{row.message_index}"
            found.rows += [(conversation.id, key, made) for made in _made_of(row, is_good=reason is None)]
            if reason is not None:
                found.disliked.append(_disliked(readings, row))
    over = over_caps(found.approved, trust, spent=found.spent) | over_caps(found.disliked, trust)
    return [(conversation_id, row) for conversation_id, key, row in found.rows if key not in over]


def export_preferences(
    store: Store, bot: str, path: Path, config: DataQualityConfig, trust: TrustConfig
) -> dict[str, int]:
    """Write the preference rows of a bot as JSONL, as an export is; returns how many were good and bad.

    Raises:
        DataError: the file cannot be written.
    """
    found: list[tuple[str, dict[str, Any]]] = []

    def rows() -> list[tuple[str, dict[str, Any]]]:
        # By its conversation a row is found again when its person is forgotten, however little they said.
        made = preference_rows(store.conversations.iterate(bot), config, trust)
        found[:] = [(conversation_id, {**row, "id": conversation_id}) for conversation_id, row in made]
        return found

    write_rows(store, bot, path, rows)
    good = sum(row["label"] for _, row in found)
    return {"good": good, "bad": len(found) - good}


def _made_of(row: CandidateRow, *, is_good: bool) -> Iterator[dict[str, Any]]:
    if row.judged != "thumb_down" and is_good:
        yield _row(row, row.answer, True)
    said = row.conversation.messages[row.message_index]
    is_text = said.text and all(part.kind == "text" for part in said.content)
    if row.judged != "thumb_up" and is_text and not redact(said.text).found:
        yield _row(row, said.text, False)


def _disliked(readings: Readings, row: CandidateRow) -> Standing:
    """Where an answer stands that teaches only what not to say: whoever disliked it pushes it, too."""
    every = row.conversation.feedback
    said = [one for one in every if one.message_index == row.message_index and one.kind != "comment"]
    judges = {judge_of(row.conversation, one) for one in said} | {speaker_of(row.conversation)}
    standing = readings.standing(row, None)
    assert standing is not None  # only a row that is left out may have none
    reviewed = said[-1].actor in readings.config.reviewers or said[-1].actor.startswith(REVIEWER)
    return replace(standing, people=tuple(sorted(judges - {""})), reviewed=reviewed, is_written=False)


def _row(row: CandidateRow, answer: str, is_good: bool) -> dict[str, Any]:
    prompt = [{"role": said.role, "content": said.text} for said in row.prompt]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": answer}], "label": is_good}
