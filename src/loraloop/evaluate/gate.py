"""The gate: from a report to a decision. Pure; only an explicit promote promotes.

The candidate is compared with the live adapter on the same items and rows, or with the base where none is live. Every
rule of harm keeps a worse one out; one rule of benefit asks for proof that it is better, with an error that a year of
turns can afford (``GateConfig.alpha``, ``false_promotions_a_year``).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from ..types import Decision, Report, RuleResult, SubjectScore, Verdict
from .answer_rules import evasions_rule, length_rule, never_rules, triggers_rules
from .comparison import Comparison, compare
from .config import GateConfig
from .looks import LookPlan, look_plan
from .rules import (
    benefit_rule,
    cases_rule,
    enough_rows_rule,
    guards_rule,
    judge_rules,
    latency_rule,
    loss_rule,
    repairs_rule,
    slices_rule,
)
from .stats import turn_alpha


def decide(report: Report, config: GateConfig, *, actor: str, now: datetime, turns_a_year: float = 0.0) -> Decision:
    """Decide whether a candidate may serve.

    Args:
        turns_a_year: decisions expected in a year; 0 where nobody knows.

    Returns:
        ``promote`` when every rule passed; ``hold`` when one of harm failed; ``inconclusive`` when the report cannot
        tell (it is invalid, held-out rows are too few, suspicious phrases could not be tried, or nothing shows that the
        candidate is better).
    """
    rules = [RuleResult("valid report", report.reason or "yes", "yes", report.valid)]
    candidate = report.score("candidate")
    baseline = report.score("live") or report.score("base")
    verdict: Verdict = "inconclusive"
    reason = report.reason
    if report.valid and candidate is not None and baseline is not None:
        alpha = turn_alpha(turns_a_year, config.false_promotions_a_year, config.alpha)
        rules += _rules(report, candidate, baseline, config, alpha=alpha)
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


def plan_looks(rows: int, config: GateConfig, turns_a_year: float = 0.0) -> LookPlan | None:
    """Return when to look at the loss of so many rows, at half the error of a turn; the cases have the other half.

    ``None`` where rows are few, or where the gate asks for no proof of benefit.
    """
    if not config.require_better:
        return None
    alpha = turn_alpha(turns_a_year, config.false_promotions_a_year, config.alpha)
    return look_plan(rows, alpha=alpha / 2, worse_p_value=config.worse_p_value, margin_nats=config.loss_margin_nats)


def _rules(
    report: Report, candidate: SubjectScore, baseline: SubjectScore, config: GateConfig, *, alpha: float
) -> list[RuleResult]:
    seen: Comparison = compare(report, baseline.subject)
    others = [score.subject for score in report.scores if score is not candidate]
    margin, p_value, looks = seen.margin(config.loss_margin_nats), config.worse_p_value, report.looks
    first = [
        enough_rows_rule(report.heldout_rows, config.min_heldout_rows),
        loss_rule(seen, report.heldout_rows, margin=margin, p_value=p_value, looks=looks),
    ]
    if looks is not None and looks.verdict == "worse":
        return first  # nothing more was asked
    rules = [
        *first,
        *(cases_rule(compare(report, other), p_value) for other in others),
        guards_rule(report, baseline.subject),
        repairs_rule(seen),
        slices_rule(seen, config.slice_items, config.slice_drop_frac, p_value),
        *never_rules(report, baseline.subject),
        *triggers_rules(report, config.takeover_frac),
        evasions_rule(report, baseline.subject, p_value),
        length_rule(report, baseline.subject, config.length_ratio),
        *judge_rules(report.judgement, config.judge_unanswered_frac, p_value),
        latency_rule(candidate, baseline, config.latency_ratio, config.latency_floor_s),
    ]
    if config.require_better:
        rules.append(benefit_rule(seen, margin=margin, alpha=alpha, looks=looks))
    return rules


_INCONCLUSIVE = ("enough held-out rows", "triggers tried", "judge answered", "better")


def _verdict(rules: list[RuleResult]) -> tuple[Verdict, str]:
    failed = [rule for rule in rules if not rule.passed]
    worse = [rule for rule in failed if rule.rule not in _INCONCLUSIVE]
    if worse:
        return "hold", "; ".join(f"{rule.rule}: {rule.observed}, required {rule.required}" for rule in worse)
    if failed:
        return "inconclusive", "; ".join(f"{rule.rule}: {rule.observed}" for rule in failed)
    return "promote", "every rule passed"
