"""A report as it might have been with other conversations and other cases of the same kind: pure, but for the draws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from ..types import ItemResult, Report, RowLoss, SubjectScore


def resampled(report: Report, count: int, seed: int) -> Iterator[Report]:
    """Yield reports whose conversations and cases are drawn with replacement from this one's.

    Source:
        Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979); whole clusters as in
        Field and Welsh, Bootstrapping clustered data, Journal of the Royal Statistical Society B 69 (2007).
    """
    random_ = random.Random(seed)
    rows: dict[str, list[RowLoss]] = {}
    for row in report.losses:
        rows.setdefault(row.conversation_id, []).append(row)
    cases: dict[tuple[str, str], list[ItemResult]] = {}
    for item in report.items:
        cases.setdefault((item.suite, item.item), []).append(item)
    talks, asked = sorted(rows), sorted(cases)
    for _ in range(count):
        losses = tuple(
            replace(row, conversation_id=f"{place}-{talk}")
            for place, talk in enumerate(random_.choices(talks, k=len(talks)) if talks else ())
            for row in rows[talk]
        )
        items = tuple(
            replace(item, item=f"{place}-{item.item}")
            for place, case in enumerate(random_.choices(asked, k=len(asked)) if asked else ())
            for item in cases[case]
        )
        yield replace(report, losses=losses, items=items, scores=_totals(report, losses))


def _totals(report: Report, losses: tuple[RowLoss, ...]) -> tuple[SubjectScore, ...]:
    tokens = {s.subject: sum(row.tokens for row in losses if row.subject == s.subject) for s in report.scores}
    nats = {s.subject: sum(row.nats for row in losses if row.subject == s.subject) for s in report.scores}
    return tuple(
        replace(s, heldout_loss=nats[s.subject] / tokens[s.subject]) if tokens[s.subject] else s for s in report.scores
    )
