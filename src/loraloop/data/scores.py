"""How good is a conversation's answer? A number from 0 to 1 with the parts it is made of, shown and never hidden.

It ranks, it does not decide: what may be learnt is decided by consent, approval and checks. A lone thumb down lowers
the score and makes no target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..record import Record
from .candidates import CandidateRow
from .quality import LAW, DataQualityConfig, answer_approved, consent_given, faults_of

NEUTRAL: Final = 0.5
"""The score of an answer of which nothing is known."""
WEIGHTS: Final = {
    "correction": 0.5, "thumb_up": 0.3, "thumb_down": -0.4, "review": 0.3, "regenerated": -0.2, "fault": -0.25,
    "score": 0.2,
}  # fmt: skip
"""What each part adds; ``score`` times how far the collector's own judgement lies above or below the middle."""


@dataclass(frozen=True, slots=True)
class ScorePart(Record):
    """One part of a score: what it is, and what it adds."""

    name: str
    adds: float


@dataclass(frozen=True, slots=True)
class Score(Record):
    """A score, 0..1, and its parts."""

    value: float
    parts: tuple[ScorePart, ...]


def score_of(row: CandidateRow, config: DataQualityConfig, *, regenerated: bool = False) -> Score:
    """Return the score of an answer.

    Args:
        row: the answer with what was said of it.
        config: whose checks find faults.
        regenerated: whether the user had it answered anew.
    """
    parts: list[ScorePart] = []
    if row.judged:
        parts.append(ScorePart(row.judged, WEIGHTS[row.judged]))
    elif row.approved_by is not None:
        parts.append(ScorePart(f"approved by {row.approved_by}", WEIGHTS["review"]))
    if regenerated:
        parts.append(ScorePart("regenerated", WEIGHTS["regenerated"]))
    stated = row.conversation.quality_score
    if stated is not None and not row.is_correction:
        parts.append(ScorePart("collector's score", round(WEIGHTS["score"] * 2 * (stated - 0.5), 3)))
    about_words = [check for check in LAW if check not in (consent_given, answer_approved)]
    faults = [code for check in about_words if (code := check(row, config))] + list(faults_of(row, config))
    parts += [ScorePart(code, WEIGHTS["fault"]) for code in dict.fromkeys(faults)]
    return Score(total(parts), tuple(parts))


def total(parts: Sequence[ScorePart]) -> float:
    """Return the score that parts add up to, 0..1.

    Example:
        >>> total([ScorePart("correction", 0.5)]), total([ScorePart("thumb_down", -0.4)]), total([])
        (1.0, 0.1, 0.5)
    """
    return round(min(1.0, max(0.0, NEUTRAL + sum(part.adds for part in parts))), 3)
