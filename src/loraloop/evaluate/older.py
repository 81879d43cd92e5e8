"""The older interface's evaluation: its test cases and scores, and the gate's word beside the adapter that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..types import ItemResult, Report, SubjectScore, plain
from .asking import Answers
from .config import GateConfig
from .gate import decide
from .metrics import calculate_keyword_score, calculate_response_quality
from .questions import Subject
from .scoring import PASS_SHARE, mean, overall_score
from .suites import load_suite

TestCase = Mapping[str, Any]
"""``input``, ``expected_keywords``, ``type``."""

NO_SCORE = {
    "overall_score": 0.0,
    "keyword_score": 0.0,
    "quality_score": 0.0,
    "avg_response_time": 0.0,
    "max_response_time": 0.0,
    "test_cases_passed": 0,
    "total_test_cases": 0,
}

NOT_WORSE = GateConfig(require_better=False, min_heldout_rows=0)
"""The gate without held-out rows, which the older interface never had: it keeps out what is shown to be worse, and
asks for no proof of benefit that a few test cases could not give."""

_CASES_OF_A_TYPE = 2
_SUITE = "test_cases"


def default_test_cases() -> list[dict[str, Any]]:
    """Return two cases of each type of the built-in suite of the meal domain, in the older form."""
    seen: dict[str, int] = {}
    cases = []
    for item in load_suite("ko_meals").items:
        seen[item.type] = seen.get(item.type, 0) + 1
        if seen[item.type] <= _CASES_OF_A_TYPE:
            keywords = list(item.any_of or item.all_of)
            cases.append({"input": item.messages[-1].text, "expected_keywords": keywords, "type": item.type})
    return cases


def performance_of(
    cases: Sequence[TestCase], subjects: Sequence[Subject], found: Mapping[str, Answers], *, now: datetime
) -> dict[str, Any]:
    """Return what the older interface tells of a candidate: its scores, the base's, and where an adapter serves, its.

    Args:
        subjects: candidate, perhaps live, base. found: what each of them answered, case by case.

    Returns:
        The keys of ``NO_SCORE`` and ``individual_scores, base, valid, reason``; beside a live adapter ``live`` too, and
        ``gate``: ``verdict`` (``"promote"``, ``"hold"``, ``"inconclusive"``), ``reason`` and ``rules``.
    """
    items = {subject.name: _items(subject, cases, found[subject.name]) for subject in subjects}
    scores = {subject.name: _score(subject, items[subject.name], found[subject.name]) for subject in subjects}
    same = bool(cases) and found["candidate"].texts == found["base"].texts
    reason = "nothing was asked" if not cases else "answers never change with the adapter" if same else ""
    told = {name: _told(scores[name], items[name]) for name in items}
    result = {**told["candidate"], "base": told["base"], "valid": not reason, "reason": reason}
    if "live" not in told:
        return result
    report = Report(
        id="",
        bot="",
        adapter_id=subjects[0].id or "",
        created_at=now,
        scores=tuple(scores.values()),
        items=tuple(item for of in items.values() for item in of),
        valid=not reason,
        reason=reason,
    )
    decision = decide(report, NOT_WORSE, actor="older interface", now=now)
    gate = {"verdict": decision.verdict, "reason": decision.reason, "rules": plain(decision.rules)}
    return {**result, "live": told["live"], "gate": gate}


def best_of(performances: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the name with the highest overall score; what the gate holds comes after what it does not.

    Ties: the first named. ``None`` where nobody has a score.
    """
    able = {name: one for name, one in performances.items() if not one.get("error")}
    rank = {name: (not held(one), float(one.get("overall_score", 0.0))) for name, one in able.items()}
    return max(rank, key=lambda name: rank[name]) if rank else None


def held(performance: Mapping[str, Any]) -> bool:
    """Whether the gate was asked about this performance and did not say promote."""
    gate = performance.get("gate")
    return isinstance(gate, Mapping) and gate.get("verdict") != "promote"


def _items(subject: Subject, cases: Sequence[TestCase], answers: Answers) -> list[ItemResult]:
    results = []
    for number, (case, text) in enumerate(zip(cases, answers.texts, strict=True)):
        keyword = calculate_keyword_score(text, case.get("expected_keywords") or ())
        quality = calculate_response_quality(text)
        results.append(
            ItemResult(
                subject=subject.name,
                suite=_SUITE,
                item=str(number),
                answer=text,
                keyword_score=keyword,
                quality_score=quality,
                passed=keyword >= PASS_SHARE and quality > 0,
                type=str(case.get("type") or ""),
                question=str(case["input"]),
            )
        )
    return results


def _score(subject: Subject, items: Sequence[ItemResult], answers: Answers) -> SubjectScore:
    return SubjectScore(
        subject=subject.name,
        subject_id=subject.id,
        overall_score=mean([overall_score(item.keyword_score, item.quality_score) for item in items]),
        keyword_score=mean([item.keyword_score for item in items]),
        quality_score=mean([item.quality_score for item in items]),
        test_cases_passed=sum(item.passed for item in items),
        total_test_cases=len(items),
        avg_response_time=mean(answers.latencies_s),
        max_response_time=max(answers.latencies_s, default=0.0),
    )


def _told(score: SubjectScore, items: Sequence[ItemResult]) -> dict[str, Any]:
    individual = [overall_score(item.keyword_score, item.quality_score) for item in items]
    return {key: getattr(score, key) for key in NO_SCORE} | {"individual_scores": individual}
