"""Thumbs as unpaired preference rows: a prompt, an answer, and whether a person liked it. For KTO and its kin.

A thumb down becomes a row here and never a target. Rows obey consent, redaction and distress as targets do. A corrected
answer gives two: what the person wrote was good, and what the bot had said was not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..ports import Store
from ..types import Conversation
from .candidates import CandidateRow, candidates
from .quality import LAW, DataQualityConfig, answer_approved, reason_to_drop
from .selection import side_of


def preference_rows(conversation: Conversation, config: DataQualityConfig) -> Iterator[dict[str, Any]]:
    """Yield ``prompt``, ``completion`` and ``label`` of every judged answer that may teach.

    **Source**: the form of TRL's unpaired preference datasets (KTO).
    """
    rows = list(candidates(conversation))
    if side_of(conversation, rows) != "train":
        return
    for row in rows:
        law = (check(row, config) for check in LAW if check is not answer_approved)
        if not row.judged or any(law):
            continue
        if row.judged != "thumb_down" and reason_to_drop(row, config) is None:
            yield _row(row, row.answer, True)
        said = conversation.messages[row.message_index]
        if row.judged != "thumb_up" and said.text and all(part.kind == "text" for part in said.content):
            yield _row(row, said.text, False)


def export_preferences(store: Store, bot: str, path: Path, config: DataQualityConfig) -> dict[str, int]:
    """Write the preference rows of a bot as JSONL; returns how many were good and bad.

    Raises:
        DataError: the file cannot be written.
    """
    counts = {"good": 0, "bad": 0}
    try:
        with path.open("w", encoding="utf-8") as file:
            for conversation in store.conversations.iterate(bot):
                for row in preference_rows(conversation, config):
                    counts["good" if row["label"] else "bad"] += 1
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror}", hint="name a file in a folder that exists"
        ) from error
    return counts


def _row(row: CandidateRow, answer: str, is_good: bool) -> dict[str, Any]:
    prompt = [{"role": said.role, "content": said.text} for said in row.prompt]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": answer}], "label": is_good}
