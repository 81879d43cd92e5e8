"""What an evaluation asks of whom, and which of it is known already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..types import Message, Sample
from .config import EvaluationConfig
from .looks import LookPlan
from .notes import Memory
from .suites import REPAIRS, Suite, SuiteItem

Case = tuple[Suite, SuiteItem]

_NUMBERS = 2
"""Rises when the same weights come out as other numbers than before, so that old ones are not compared with new."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is asked: ``"candidate"``, ``"live"`` or ``"base"``; ``folder`` is its adapter, ``None`` for the base."""

    name: str
    id: str | None
    folder: Path | None
    base_id: str = ""


@dataclass(frozen=True, slots=True)
class Questions:
    """Everything the subjects are asked.

    Attributes:
        subjects: who is asked, the candidate first.
        prompts: conversations that end with a user's message.
        heldout: rows whose loss is measured, in an order that says nothing about them.
        asked, scored: by subject, the digest of who is asked what and how, for each prompt and row; empty where the
            same question need not give the same answer, or where a user's words would leave their digest.
        known: what need not be asked again.
        looks: when enough rows were seen; ``None`` scores all of them.
        notes: where answers are noted as they come.
        probes: questions with an answer each, whose loss candidate and base are asked for (see ``triggers.py``).
        elsewhere: by subject on another base, the held-out rows as that base's tokens.
    """

    subjects: Sequence[Subject]
    prompts: Sequence[Sequence[Message]]
    heldout: Sequence[Sample] = ()
    asked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scored: Mapping[str, Sequence[str]] = field(default_factory=dict)
    known: Memory = field(default_factory=Memory)
    looks: LookPlan | None = None
    notes: Path | None = None
    probes: Sequence[tuple[Sequence[Message], str]] = ()
    elsewhere: Mapping[str, Sequence[Sample]] = field(default_factory=dict)

    def rows_of(self, subject: str) -> Sequence[Sample]:
        """The held-out rows as this subject reads them."""
        return self.elsewhere.get(subject, self.heldout)

    def known_answers(self, subject: str) -> dict[int, tuple[str, bool]]:
        """Answers that need not be given again, by number of the prompt."""
        digests = self.asked.get(subject, ())
        return {n: self.known.answers[key] for n, key in enumerate(digests) if key in self.known.answers}

    def known_nats(self, subject: str) -> dict[int, float]:
        """Losses that need not be measured again, by number of the row."""
        digests = self.scored.get(subject, ())
        return {n: self.known.nats[key] for n, key in enumerate(digests) if key in self.known.nats}


def in_fair_order(rows: Sequence[Sample]) -> list[Sample]:
    """Rows so ordered that the first ones say as much as any others: by conversation id, which is a digest.

    Rows without ids keep their order.
    """
    return sorted(rows, key=lambda row: (row.conversation_id, row.message_index if row.conversation_id else 0))


class Digests:
    """Tells who is asked what and how as one digest.

    Args:
        config: how to ask.
        system_prompt: put before each prompt.
    """

    def __init__(self, config: EvaluationConfig, system_prompt: str) -> None:
        self._temperature = config.temperature
        self._how: list[Any] = [_NUMBERS, config.max_new_tokens, config.dtype, config.device, system_prompt]

    def of_case(self, subject: Subject, case: Case) -> str:
        """Of a question; empty where it need not give the same answer again, and for what users wrote.

        A digest of a user's words would outlive their erasure, and could be guessed at.
        """
        suite, item = case
        if self._temperature > 0 or not subject.id or suite.name == REPAIRS:
            return ""
        return self._digest(subject, [(turn.role, turn.text) for turn in item.messages])

    def of_row(self, subject: Subject, row: Sample) -> str:
        """Of a held-out row, by its keyed digest; empty for rows that have none."""
        if not subject.id or not row.digest:
            return ""
        return self._digest(subject, ["row", row.digest, len(row.input_ids)])

    def _digest(self, subject: Subject, what: Sequence[Any]) -> str:
        return hashlib.sha256(json.dumps([subject.id, subject.base_id, self._how, what]).encode()).hexdigest()
