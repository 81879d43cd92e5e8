"""Candidate beside one other subject of a report, pair by pair: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..types import ItemResult, Record, Report
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
        loss: improvement of held-out loss in nats per answer token; ``None`` where one side was not measured.
        totals: the two mean losses, candidate first.
        cases: of all suites but the repairs. repairs: of that suite. slices: cases by (type, language).
    """

    subject: str
    loss: Estimate | None
    totals: tuple[float | None, float | None]
    cases: Cases
    repairs: Cases
    slices: Mapping[tuple[str, str], Cases]


def compare(report: Report, subject: str) -> Comparison:
    """Pair the candidate of a report with another subject."""
    pairs = _pairs(report.items, subject)
    ordinary = [pair for pair in pairs if pair[0].suite != REPAIRS]
    slices: dict[tuple[str, str], list[tuple[ItemResult, ItemResult]]] = {}
    for pair in ordinary:
        slices.setdefault((pair[0].type or "general", pair[0].language), []).append(pair)
    ours, theirs = report.score("candidate"), report.score(subject)
    return Comparison(
        subject=subject,
        loss=_loss(report, subject),
        totals=(ours.heldout_loss if ours else None, theirs.heldout_loss if theirs else None),
        cases=_cases(ordinary),
        repairs=_cases([pair for pair in pairs if pair[0].suite == REPAIRS]),
        slices={key: _cases(of) for key, of in slices.items()},
    )


def _pairs(items: Sequence[ItemResult], subject: str) -> list[tuple[ItemResult, ItemResult]]:
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


def _loss(report: Report, subject: str) -> Estimate | None:
    ours = {(row.conversation_id, row.message_index): row for row in report.losses if row.subject == "candidate"}
    theirs = {(row.conversation_id, row.message_index): row for row in report.losses if row.subject == subject}
    if not ours or ours.keys() != theirs.keys():
        return None
    keys = sorted(ours)
    return paired_estimate(
        [theirs[key].nats - ours[key].nats for key in keys],
        [ours[key].tokens for key in keys],
        [key[0] or str(key) for key in keys],
    )


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
    for ours, theirs in _pairs(report.items, subject):
        passed = int(ours.passed) - int(theirs.passed)
        gain = 4 * passed + 2 * (ours.keyword_score - theirs.keyword_score) + ours.quality_score - theirs.quality_score
        if ours.answer != theirs.answer and gain:
            weighed.append((gain, Change(ours.item, ours.question, theirs.answer, ours.answer, gain > 0)))
    weighed.sort(key=lambda pair: -pair[0])
    better = [change for _, change in weighed if change.better]
    worse = [change for _, change in weighed if not change.better]
    return [*better[:most], *worse[-most:]]
