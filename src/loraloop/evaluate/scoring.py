"""From answers to a report: pure functions."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..text.normalise import printable
from ..types import ItemResult, Looks, Report, RowLoss, Sample, SubjectScore
from .asking import Answers, Heard
from .measures import Measuring, totals
from .metrics import bits_per_byte, calculate_response_quality, item_passed, keyword_score, perplexity
from .overlap import Fresh
from .questions import Case, Questions, Subject
from .suites import REPAIRS

KEYWORD_SHARE = 0.6
"""Weight of the keyword score in the overall score; the rest is response quality."""

PASS_SHARE = 0.5
"""Share of expected keywords with which a case of the older interface passes."""


def mean(values: Sequence[float]) -> float:
    """Return the mean, 0.0 of nothing."""
    return math.fsum(values) / len(values) if values else 0.0


def overall_score(keyword: float, quality: float) -> float:
    """Return the weighted sum of keyword score and response quality, 0..1."""
    return KEYWORD_SHARE * keyword + (1 - KEYWORD_SHARE) * quality


def item_results(
    subject: Subject,
    cases: Sequence[Case],
    answers: Answers,
    asked: Sequence[str] = (),
    measuring: Measuring | None = None,
) -> list[ItemResult]:
    """Score each answer of one subject; ``asked`` says who was asked what, case by case."""
    results = []
    texts = list(map(printable, answers.texts))
    measures = (measuring or Measuring()).measured(cases, texts)
    for n, ((suite, item), answer) in enumerate(zip(cases, texts, strict=True)):
        cut_off = n < len(answers.cut_off) and answers.cut_off[n]
        results.append(
            ItemResult(
                subject=subject.name,
                suite=suite.name,
                item=item.id,
                answer=answer,
                keyword_score=keyword_score(answer, item),
                quality_score=calculate_response_quality(answer, item.language),
                passed=item_passed(answer, item) and not cut_off,
                cut_off=cut_off,
                latency_s=answers.latencies_s[n] if n < len(answers.latencies_s) else None,
                type=item.type,
                kind=suite.kind,
                language=item.language,
                asked=asked[n] if asked else "",
                question="" if suite.name == REPAIRS else item.messages[-1].text,
                measures=measures[n],
            )
        )
    return results


def subject_score(
    subject: Subject, items: Sequence[ItemResult], answers: Answers, heldout: Sequence[Sample]
) -> SubjectScore:
    """Total one subject: mean scores over items, loss over held-out answer tokens."""
    keyword = mean([item.keyword_score for item in items])
    quality = mean([item.quality_score for item in items])
    loss = bits = None
    if heldout and answers.row_nll:
        nats = math.fsum(answers.row_nll)
        tokens = sum(label != -100 for sample in heldout for label in sample.labels[1:])
        size_bytes = sum(sample.text_bytes for sample in heldout)
        loss = nats / max(1, tokens)
        bits = bits_per_byte(nats, size_bytes)
    return SubjectScore(
        subject=subject.name,
        subject_id=subject.id,
        overall_score=overall_score(keyword, quality),
        keyword_score=keyword,
        quality_score=quality,
        test_cases_passed=sum(item.passed for item in items),
        total_test_cases=len(items),
        avg_response_time=mean(answers.latencies_s),
        max_response_time=max(answers.latencies_s, default=0.0),
        heldout_loss=loss,
        perplexity=perplexity(loss) if loss is not None else None,
        bits_per_byte=bits,
        base_id=subject.base_id,
        measures=totals([item.measures for item in items], [item.answer for item in items]),
    )


def row_losses(
    subject: Subject, answers: Answers, heldout: Sequence[Sample], scored: Sequence[str] = ()
) -> list[RowLoss]:
    """Return the loss of each held-out row, empty where they were not scored; ``scored`` says who was asked which."""
    if not answers.row_nll:
        return []
    return [
        RowLoss(
            subject.name,
            row.conversation_id,
            row.message_index,
            nats,
            sum(label != -100 for label in row.labels[1:]),
            row.text_bytes,
            scored[n] if scored else "",
        )
        for n, (row, nats) in enumerate(zip(heldout, answers.row_nll, strict=True))
    ]


def why_invalid(subjects: Sequence[Subject], cases: Sequence[Case], found: Mapping[str, Answers]) -> str:
    """Return why these answers say nothing about the candidate, or an empty string."""
    heard = found["candidate"]
    if not cases and not heard.row_nll:
        return "nothing was asked: no suite items and no held-out rows"
    others = [subject.name for subject in subjects if subject.name != "candidate"]
    if cases and not heard.row_nll and others and all(found[name].texts == heard.texts for name in others):
        return "the answers never change with the adapter, so they say nothing about it"
    return ""


def make_report(
    facts: Mapping[str, Any],
    questions: Questions,
    cases: Sequence[Case],
    heard: Heard,
    *,
    now: datetime,
    measuring: Measuring | None = None,
    fresh: Fresh | None = None,
) -> Report:
    """Put everything seen into one report; its id is ``rp-`` and 16 hex digits of the digest of what it says.

    Args:
        facts: ``bot``, ``adapter_id``, ``baseline_id``, ``dataset_id`` and ``suites``.
        cases: what the prompts were made of. Without answers (the losses said enough) they leave no items.
        measuring: applies the metrics. fresh: what training data left of the suites.
    """
    subjects, found, measuring = questions.subjects, heard.answers, measuring or Measuring()
    seen = len(found["candidate"].row_nll)
    answered = cases if found["candidate"].texts else ()
    rows = {subject.name: questions.rows_of(subject.name)[:seen] for subject in subjects}
    items = {
        s.name: item_results(s, answered, found[s.name], questions.asked.get(s.name, ()), measuring) for s in subjects
    }
    if fresh is not None and fresh.guards:
        items = {name: [_as_taught(item, fresh) for item in of] for name, of in items.items()}
    scores = [subject_score(s, items[s.name], found[s.name], rows[s.name]) for s in subjects]
    losses = {s.name: row_losses(s, found[s.name], rows[s.name], questions.scored.get(s.name, ())) for s in subjects}
    reason = why_invalid(subjects, cases, found)
    if fresh is not None and fresh.emptied:
        reason = f"training data asks everything that {', '.join(fresh.emptied)} asks, so nothing of it is a test"
    every = [item for name in items for item in items[name]]
    said = json.dumps([dict(facts), [dict(s) for s in scores], [dict(i) for i in every], now.isoformat()], default=str)
    return Report(
        id=f"rp-{hashlib.sha256(said.encode()).hexdigest()[:16]}",
        created_at=now,
        scores=tuple(scores),
        items=tuple(every),
        heldout_rows=seen,
        losses=tuple(loss for name in losses for loss in losses[name]),
        looks=_looks(questions, heard, seen),
        valid=not reason,
        reason=reason,
        refused=fresh.refused if fresh is not None else (),
        missing=tuple(measuring.missing),
        **facts,
    )


def _looks(questions: Questions, heard: Heard, seen: int) -> Looks | None:
    if questions.looks is None or not heard.verdict:
        return None
    return Looks(heard.verdict, seen, len(questions.heldout), questions.looks.alpha)  # type: ignore[arg-type]


def _as_taught(item: ItemResult, fresh: Fresh) -> ItemResult:
    return replace(item, taught=fresh.guards.get((item.suite, item.item), ""))
