"""Candidate beside one other subject of a report, pair by pair: pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..types import ItemResult, Record, Report, RowLoss
from .metrics import bits_per_byte
from .stats import Estimate, mcnemar_p, paired_estimate, paired_share_interval
from .suites import REPAIRS


@dataclass(frozen=True, slots=True)
class Cases:
    """The same cases answered by two subjects.

    Attributes:
        won: items only the candidate passes. lost: items only the other passes. both, neither: counts of the rest.
    """

    won: tuple[str, ...]
    lost: tuple[str, ...]
    both: int
    neither: int

    @property
    def asked(self) -> int:
        """All cases."""
        return len(self.won) + len(self.lost) + self.both + self.neither

    @property
    def p_better(self) -> float:
        """How often chance alone would win as many or more of the changed cases."""
        return mcnemar_p(len(self.won), len(self.lost))

    @property
    def p_worse(self) -> float:
        """How often chance alone would lose as many or more of them."""
        return mcnemar_p(len(self.lost), len(self.won))

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference of pass rates at 95 %, candidate minus other."""
        return paired_share_interval(len(self.won), len(self.lost), self.asked)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything paired that the gate looks at.

    Attributes:
        subject: the other one, ``"live"`` or ``"base"``.
        loss: improvement of held-out loss in ``unit``; ``None`` where one side was not measured on the same rows.
        totals: the two mean losses in ``unit``, candidate first.
        cases: of all suites but the repairs, without those that were taught. repairs: of that suite.
        slices: cases by (type, language).
        per_byte: whether losses are in bits per UTF-8 byte of answer, because the two run on different bases. A token
            of one tokenizer is not a token of another, so nats per token of both cannot be compared.
        bits_a_nat: bits per byte that one nat per token of the candidate makes; 1.0 where tokens are compared.
    """

    subject: str
    loss: Estimate | None
    totals: tuple[float | None, float | None]
    cases: Cases
    repairs: Cases
    slices: Mapping[tuple[str, str], Cases]
    per_byte: bool = False
    bits_a_nat: float = 1.0

    @property
    def unit(self) -> str:
        """What losses are counted in."""
        return "bits per byte" if self.per_byte else "nats per token"

    def margin(self, nats: float) -> float:
        """A difference given in nats per token, in ``unit``."""
        return nats * self.bits_a_nat


def compare(report: Report, subject: str) -> Comparison:
    """Pair the candidate of a report with another subject."""
    pairs = paired_items(report.items, subject)
    ordinary = [pair for pair in pairs if pair[0].suite != REPAIRS and not pair[0].taught]
    slices: dict[tuple[str, str], list[tuple[ItemResult, ItemResult]]] = {}
    for pair in ordinary:
        slices.setdefault((pair[0].type or "general", pair[0].language), []).append(pair)
    ours, theirs = report.score("candidate"), report.score(subject)
    per_byte = bool(ours and theirs and ours.base_id != theirs.base_id)
    rows = _row_pairs(report, subject)
    if per_byte:
        totals = _per_byte(rows)
    else:
        totals = (ours.heldout_loss if ours else None, theirs.heldout_loss if theirs else None)
    return Comparison(
        subject=subject,
        loss=None if per_byte and totals[0] is None else _loss(rows, per_byte),
        totals=totals,
        cases=_cases(ordinary),
        repairs=_cases([pair for pair in pairs if pair[0].suite == REPAIRS]),
        slices={key: _cases(of) for key, of in slices.items()},
        per_byte=per_byte,
        bits_a_nat=_bits_a_nat(rows) if per_byte else 1.0,
    )


def paired_items(items: Sequence[ItemResult], subject: str) -> list[tuple[ItemResult, ItemResult]]:
    """Return the candidate's results, each with another subject's of the same question."""
    others = {(item.suite, item.item): item for item in items if item.subject == subject}
    ours = [item for item in items if item.subject == "candidate"]
    return [(item, others[key]) for item in ours if (key := (item.suite, item.item)) in others]


def _cases(pairs: Sequence[tuple[ItemResult, ItemResult]]) -> Cases:
    return Cases(
        won=tuple(ours.item for ours, theirs in pairs if ours.passed and not theirs.passed),
        lost=tuple(ours.item for ours, theirs in pairs if theirs.passed and not ours.passed),
        both=sum(ours.passed and theirs.passed for ours, theirs in pairs),
        neither=sum(not ours.passed and not theirs.passed for ours, theirs in pairs),
    )


_RowPairs = Sequence[tuple[RowLoss, RowLoss]]


def _row_pairs(report: Report, subject: str) -> _RowPairs:
    """Losses of candidate and other, row by row; empty unless both were measured on the very same rows."""
    ours = {(row.conversation_id, row.message_index): row for row in report.losses if row.subject == "candidate"}
    theirs = {(row.conversation_id, row.message_index): row for row in report.losses if row.subject == subject}
    if ours.keys() != theirs.keys():
        return []
    return [(ours[key], theirs[key]) for key in sorted(ours)]


def _loss(rows: _RowPairs, per_byte: bool) -> Estimate | None:
    if not rows:
        return None
    scale = 1 / math.log(2) if per_byte else 1.0
    return paired_estimate(
        [(other.nats - one.nats) * scale for one, other in rows],
        [one.size_bytes if per_byte else one.tokens for one, _ in rows],
        [one.conversation_id or str((one.conversation_id, one.message_index)) for one, _ in rows],
    )


def _per_byte(rows: _RowPairs) -> tuple[float | None, float | None]:
    """Both losses in bits per byte; unknown where a row's bytes are, or are not the same text's."""
    if not rows or any(not one.size_bytes or one.size_bytes != other.size_bytes for one, other in rows):
        return None, None
    size = sum(one.size_bytes for one, _ in rows)
    return (
        bits_per_byte(math.fsum(one.nats for one, _ in rows), size),
        bits_per_byte(math.fsum(other.nats for _, other in rows), size),
    )


def _bits_a_nat(rows: _RowPairs) -> float:
    size = sum(one.size_bytes for one, _ in rows)
    return sum(one.tokens for one, _ in rows) / size / math.log(2) if size else 1.0


@dataclass(frozen=True, slots=True)
class Change(Record):
    """One question answered differently by the candidate and the other subject."""

    item: str
    question: str
    before: str
    after: str
    better: bool


def changed_answers(report: Report, subject: str, most: int = 3) -> list[Change]:
    """Return the answers that changed most, at most ``most`` for the better and as many for the worse, best first.

    A case newly passed or failed weighs most, then its keyword score, then how well formed the answer is.
    """
    weighed = []
    for ours, theirs in paired_items(report.items, subject):
        passed = int(ours.passed) - int(theirs.passed)
        gain = 4 * passed + 2 * (ours.keyword_score - theirs.keyword_score) + ours.quality_score - theirs.quality_score
        if ours.answer != theirs.answer and gain:
            weighed.append((gain, Change(ours.item, ours.question, theirs.answer, ours.answer, gain > 0)))
    weighed.sort(key=lambda pair: -pair[0])
    better = [change for _, change in weighed if change.better]
    worse = [change for _, change in weighed if not change.better]
    return [*better[:most], *worse[-most:]]
