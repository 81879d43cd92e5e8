"""The gate: from a report to a decision. Pure; only an explicit promote promotes.

The candidate is compared with the live adapter on the same items and rows, or with the base where none is live.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from ..types import Decision, ItemResult, Report, RuleResult, SubjectScore, Verdict
from .suites import GUARD_TYPES


class GateConfig(BaseModel):
    """What a candidate must meet."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    loss_tolerance_nats: float = Field(default=0.0, ge=0)
    """How much worse the held-out loss may be, in nats per answer token."""
    min_heldout_rows: int = Field(default=10, ge=1)
    """Held-out rows below which their loss proves nothing, so the verdict is at best inconclusive."""
    latency_ratio: float = Field(default=1.5, ge=1)
    """How many times as long a single request may take."""
    latency_floor_s: float = Field(default=0.25, ge=0)
    """Seconds within which a single request is never too slow, so that timer noise decides nothing."""
    worse_p_value: float = Field(default=0.05, ge=0, le=1)
    """Fewer passed cases are held against the candidate when chance alone would lose as many less often than this."""


def decide(report: Report, config: GateConfig, *, actor: str, now: datetime) -> Decision:
    """Decide whether a candidate may serve.

    Returns:
        ``promote`` when every rule passed; ``hold`` when one failed; ``inconclusive`` when the report cannot tell
        (it is invalid, held-out rows are too few, or the candidate answers exactly as the baseline does).
    """
    rules = [RuleResult("valid report", report.reason or "yes", "yes", report.valid)]
    candidate = report.score("candidate")
    baseline = report.score("live") or report.score("base")
    verdict: Verdict = "inconclusive"
    reason = report.reason
    if report.valid and candidate is not None and baseline is not None:
        rules += [
            _enough_rows(report, config),
            _loss(report, candidate, baseline, config),
            *(_cases(report, other, config) for other in report.scores if other is not candidate),
            _guards(report, baseline.subject),
            _latency(candidate, baseline, config),
            _changed(report, baseline),
        ]
        verdict, reason = _verdict(rules)
    identity = f"{report.id} {actor} {now.isoformat()}"
    return Decision(
        id=f"dc-{hashlib.sha256(identity.encode()).hexdigest()[:16]}",
        bot=report.bot,
        adapter_id=report.adapter_id,
        verdict=verdict,
        created_at=now,
        actor=actor,
        rules=tuple(rules),
        report_id=report.id,
        reason=reason,
    )


_INCONCLUSIVE = ("enough held-out rows", "answers changed")


def _verdict(rules: list[RuleResult]) -> tuple[Verdict, str]:
    failed = [rule for rule in rules if not rule.passed]
    worse = [rule for rule in failed if rule.rule not in _INCONCLUSIVE]
    if worse:
        return "hold", "; ".join(f"{rule.rule}: {rule.observed}, required {rule.required}" for rule in worse)
    if failed:
        return "inconclusive", "; ".join(f"{rule.rule}: {rule.observed}" for rule in failed)
    return "promote", "every rule passed"


def _enough_rows(report: Report, config: GateConfig) -> RuleResult:
    enough = report.heldout_rows >= config.min_heldout_rows
    return RuleResult("enough held-out rows", str(report.heldout_rows), f"at least {config.min_heldout_rows}", enough)


def _loss(report: Report, candidate: SubjectScore, baseline: SubjectScore, config: GateConfig) -> RuleResult:
    if candidate.heldout_loss is None or baseline.heldout_loss is None:
        nothing = report.heldout_rows == 0
        return RuleResult("held-out loss not worse", "not measured", "measured, or nothing to measure", nothing)
    limit = baseline.heldout_loss + config.loss_tolerance_nats
    return RuleResult(
        "held-out loss not worse",
        f"{candidate.heldout_loss:.4f}",
        f"at most {limit:.4f} ({baseline.subject})",
        candidate.heldout_loss <= limit,
    )


def _cases(report: Report, other: SubjectScore, config: GateConfig) -> RuleResult:
    """Not fewer cases passed than by another subject, beyond what chance explains.

    The live adapter and the base both count: many small losses in a row would show against the base.
    """
    passed = {(item.subject, item.suite, item.item): item.passed for item in report.items}
    pairs = [(passed[("candidate", *key[1:])], ok) for key, ok in passed.items() if key[0] == other.subject]
    won, lost = pairs.count((True, False)), pairs.count((False, True))
    chance = chance_of_losing(lost, won)
    observed = f"{sum(ours for ours, _ in pairs)} of {len(pairs)} (won {won}, lost {lost}, p {chance:.2g})"
    theirs = sum(ok for _, ok in pairs)
    required = f"not fewer than {theirs} ({other.subject}), or p at least {config.worse_p_value:g}"
    fine = lost <= won or chance >= config.worse_p_value
    return RuleResult(f"cases passed beside {other.subject}", observed, required, fine)


def chance_of_losing(lost: int, won: int) -> float:
    """Return how often two equally good subjects would differ by ``lost`` losses or more among as many changed cases.

    The exact one-sided McNemar test: losses among changed cases are binomial with a half.

    Source:
        McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947).

    Example:
        >>> chance_of_losing(5, 0)
        0.03125
    """
    changed = lost + won
    ways: int = sum(math.comb(changed, k) for k in range(lost, changed + 1))
    return ways / float(2**changed)


def _guards(report: Report, baseline: str) -> RuleResult:
    """No guarded item that the baseline passes may fail."""
    by_item = {(item.subject, item.suite, item.item): item for item in report.items if _guarded(item)}
    lost = [
        key[2]
        for key, item in by_item.items()
        if key[0] == baseline and item.passed and not by_item[("candidate", *key[1:])].passed
    ]
    asked = sum(key[0] == "candidate" for key in by_item)
    observed = f"{', '.join(lost[:5])} of {asked}" if lost else f"none of {asked}"
    return RuleResult("guarded cases newly failed", observed, "none", not lost)


def _guarded(item: ItemResult) -> bool:
    return item.kind == "guard" or item.type in GUARD_TYPES


def _latency(candidate: SubjectScore, baseline: SubjectScore, config: GateConfig) -> RuleResult:
    limit = max(config.latency_ratio * baseline.avg_response_time, config.latency_floor_s)
    return RuleResult(
        "time of a single request",
        f"{candidate.avg_response_time:.2f} s",
        f"at most {limit:.2f} s ({config.latency_ratio:g} x {baseline.subject})",
        candidate.avg_response_time <= limit,
    )


def _changed(report: Report, baseline: SubjectScore) -> RuleResult:
    """An adapter that changes no answer and no loss has nothing to offer."""
    answers = {(item.subject, item.suite, item.item): item.answer for item in report.items}
    asked = [key[1:] for key in answers if key[0] == "candidate"]
    changed = sum(answers[("candidate", *key)] != answers.get((baseline.subject, *key)) for key in asked)
    candidate = report.score("candidate")
    moved = candidate is not None and candidate.heldout_loss != baseline.heldout_loss
    return RuleResult("answers changed", f"{changed} of {len(asked)}", "any, or another loss", changed > 0 or moved)
